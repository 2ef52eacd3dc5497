//! Running again: what is missing is sent, and nothing that was accepted.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postback::contract::EventSource;
use postback::event::{Destination, EventKey};
use postback::ledger::sqlite::{Holder, Namespace, Options, Place};
use postback::ledger::{Sqlite, Standing, Store};
use serde_json::Value;

use crate::history::verify;
use crate::server::{Answer, OK, Said, Server, arrived, file, postback, said};

/// A refusal of what a request contains, without naming the event.
const REFUSED: &str = r#"{"code":40002,"message":"Invalid value.","request_id":"R40002","data":{}}"#;
const DAY: &str = "2026-08-20T14:10:00Z";
/// The same in Unix seconds.
const NOW: i64 = 1_787_235_000;

/// A folder with a query in it, and the ledger beside that.
struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    /// With a query of offline purchases of these orders, `(order, value)` each.
    fn of(orders: &[(&str, u32)]) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        project.write("", orders);
        project
    }

    fn write(&self, settings: &str, orders: &[(&str, u32)]) {
        let rows: Vec<String> = orders.iter().map(|(order, value)| format!("('{order}', {value})")).collect();
        let query = format!(
            "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109'; {settings}
             SELECT 'Purchase' AS event, '2026-08-19T10:00:00Z' AS timestamp, o AS event_id,
                    o || '@example.org' AS email, v AS value, 'USD' AS currency
             FROM (VALUES {}) AS t (o, v)",
            rows.join(", ")
        );
        file(self.path(), "q.sql", query);
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn query(&self) -> String {
        self.path().join("q.sql").to_str().unwrap().to_owned()
    }

    fn ledger(&self) -> PathBuf {
        self.path().join(".postback")
    }

    fn command(&self, url: &str, as_of: &str, arguments: &[&str]) -> Command {
        let shared = ["--base-url", url, "--as-of", as_of, "--max-rejects", "100%"];
        let mut command = postback(&[arguments, &shared].concat());
        command.env("POSTBACK_LEDGER", self.ledger());
        command
    }

    fn run(&self, server: &Server, as_of: &str, arguments: &[&str]) -> Said {
        let query = self.query();
        said(&mut self.command(&server.url, as_of, &[&["run", &query][..], arguments].concat()))
    }

    /// The document of the run that ended last.
    fn results(&self) -> Value {
        let text = std::fs::read(self.ledger().join("runs/latest/run_results.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn counts<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
        let results = self.results();
        names.map(|name| results[name].as_u64().unwrap())
    }

    /// The ledger of runs to the server.
    fn open(&self, server: &Server) -> Sqlite {
        let origin = server.url.replace("://", "-").replace(':', "-");
        let holder = Holder { pid: 4_711, host: "etl-3".into() };
        let folder = self.ledger().join("loopback").join(origin);
        let place = Place { folder, namespace: Namespace::Sandbox, holder };
        Sqlite::open(Options::new(place, Arc::new(|| NOW), [7; 32], i64::MAX / 2)).unwrap()
    }
}

fn accepting() -> Server {
    Server::answering([Answer::ok(OK)])
}

/// Answers that say nothing about what became of the events.
fn mute() -> Server {
    Server::answering([Answer::ok("{")])
}

#[test]
fn a_second_run_sends_nothing_and_a_changed_row_is_still_the_same_event() {
    let project = Project::of(&[("a1", 1), ("a2", 2), ("a3", 3)]);
    let server = accepting();
    let first = project.run(&server, DAY, &[]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!(arrived(&server).len(), 3);

    let again = project.run(&server, DAY, &[]);
    assert_eq!((again.code, server.requests().len()), (0, 1), "{}", again.stderr);
    assert_eq!(project.counts(["events", "already_accepted", "accepted", "unsent"]), [3, 3, 0, 0]);

    project.write("", &[("a1", 9), ("a2", 2), ("a4", 4)]);
    let grown = project.run(&server, DAY, &[]);
    assert_eq!(grown.code, 0, "{}", grown.stderr);
    assert_eq!(project.counts(["already_accepted", "accepted"]), [2, 1]);
    assert_eq!(arrived(&server).len(), 4);

    let dry = project.run(&server, DAY, &["--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert_eq!(project.counts(["already_accepted", "unsent"]), [3, 0]);
    assert!(dry.stdout.contains("nothing was sent, 0 events would be"), "{}", dry.stdout);
}

#[test]
fn a_dry_run_makes_no_ledger_and_another_server_begins_anew() {
    let project = Project::of(&[("a1", 1)]);
    let (one, other) = (accepting(), accepting());
    assert_eq!(project.run(&one, DAY, &["--dry-run"]).code, 0);
    assert!(!project.ledger().join("loopback").exists());
    assert!(!project.ledger().join("ledger.sqlite").exists());
    for server in [&one, &other] {
        assert_eq!(project.run(server, DAY, &[]).code, 0);
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn what_the_api_refused_is_not_sent_again_but_by_retry() {
    let project = Project::of(&[("a1", 1), ("bad", 2), ("a3", 3)]);
    let picky = Server::judging(|request| Answer::ok(if request.body.contains("\"bad\"") { REFUSED } else { OK }));
    let first = project.run(&picky, DAY, &[]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!(project.counts(["accepted", "rejected"]), [2, 1]);

    let sent = picky.requests().len();
    let again = project.run(&picky, DAY, &[]);
    assert_eq!((again.code, picky.requests().len()), (0, sent), "{}", again.stderr);
    assert_eq!(project.counts(["already_accepted", "rejected"]), [2, 1]);
    assert!(again.stdout.contains("in an earlier run, and not sent again: `postback retry` does"), "{}", again.stdout);
    assert_eq!(project.results()["refusals"][0]["earlier"], 1);

    let retried = said(postback(&["retry"]).env("POSTBACK_LEDGER", project.ledger()));
    assert_eq!(retried.code, 0, "{}", retried.stderr);
    assert!(picky.requests().len() > sent);
    assert_eq!(project.counts(["already_accepted", "rejected"]), [2, 1]);

    // Other content is another matter.
    let sent = picky.requests().len();
    project.write("", &[("bad", 20)]);
    project.run(&picky, DAY, &[]);
    assert!(picky.requests().len() > sent);
}

#[test]
fn earlier_refusals_keep_nothing_from_being_sent() {
    let project = Project::of(&[("bad", 2)]);
    let picky = Server::judging(|request| Answer::ok(if request.body.contains("\"bad\"") { REFUSED } else { OK }));
    project.write("", &[("a1", 1), ("bad", 2)]);
    let query = project.query();
    let strict = ["run", &query, "--max-rejects", "0", "--base-url", &picky.url, "--as-of", DAY];
    let run = || said(postback(&strict).env("POSTBACK_LEDGER", project.ledger()));
    assert_eq!(run().code, 1);
    project.write("", &[("a1", 1), ("bad", 2), ("a3", 3)]);
    assert_eq!(run().code, 1);
    assert_eq!(project.counts(["already_accepted", "accepted", "rejected"]), [1, 1, 1]);
}

#[test]
fn events_in_doubt_are_sent_again_inside_the_window_and_held_after_it() {
    let project = Project::of(&[("a1", 1), ("a2", 2)]);
    let fickle = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let answers = Arc::clone(&fickle);
    let server =
        Server::judging(move |_| Answer::ok(if answers.load(std::sync::atomic::Ordering::SeqCst) { OK } else { "{" }));
    // It gives up, and cannot know what became of the events.
    let lost = project.run(&server, DAY, &["--give-up-after", "1s"]);
    assert_eq!(lost.code, 4, "{}", lost.stderr);
    assert_eq!(project.counts(["unsent", "held"]), [2, 0]);
    fickle.store(true, std::sync::atomic::Ordering::SeqCst);

    let sent = server.requests().len();
    let late = project.run(&server, "2026-08-22T10:10:00Z", &[]);
    assert_eq!((late.code, server.requests().len()), (7, sent), "{}", late.stderr);
    assert_eq!(project.counts(["unsent", "held"]), [0, 2]);
    assert!(late.stderr.contains("2 events may have been accepted"), "{}", late.stderr);
    // The command that it proposes finds them.
    let proposed = late.stderr.split('`').find(|part| part.starts_with("postback resolve")).unwrap();
    let arguments: Vec<&str> = proposed.split(' ').skip(1).collect();
    let listed = said(&mut postback(&arguments));
    assert_eq!(listed.code, 7, "{proposed}: {}", listed.stderr);
    assert!(listed.stderr.contains("a decision is due about 2 events"), "{}", listed.stderr);

    let unforced = project.run(&server, "2026-08-22T10:10:00Z", &["--force-resend"]);
    assert_eq!((unforced.code, server.requests().len()), (2, sent), "{}", unforced.stderr);
    assert!(unforced.stderr.contains("counts twice"), "{}", unforced.stderr);
    let forced = project.run(&server, "2026-08-22T10:10:00Z", &["--force-resend", "--yes"]);
    assert_eq!((forced.code, server.requests().len()), (0, sent + 1), "{}", forced.stderr);
    assert_eq!(project.counts(["accepted", "held"]), [2, 0]);
    let again = project.run(&server, "2026-08-22T10:10:00Z", &["--force-resend", "--yes"]);
    assert_eq!((again.code, server.requests().len()), (0, sent + 2), "{}", again.stderr);
    let ledger = project.open(&server).path().parent().unwrap().to_str().unwrap().to_owned();
    let verified = said(&mut postback(&["ledger", "verify", "--namespace", "sandbox", "--ledger", &ledger]));
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    assert!(verified.stdout.contains("2 events offered again after being accepted"), "{}", verified.stdout);
}

#[test]
fn events_in_doubt_are_sent_again_or_named_when_the_query_drops_them() {
    let project = Project::of(&[("a1", 1), ("a2", 2)]);
    let server = mute();
    assert_eq!(project.run(&server, DAY, &["--give-up-after", "1s"]).code, 4);
    let ledger = project.open(&server);
    let secret = ledger.secret();
    let source = Destination { event_source: EventSource::Offline, event_source_id: "7654321098765432109".into() };
    let key = EventKey::new(&secret, &source, "Purchase", "a2");
    assert!(matches!(ledger.standing(&key), Standing::InDoubt { .. }));
    drop(ledger);

    // The same server, in a better mood.
    project.write("", &[("a1", 1)]);
    let port = server.url.rsplit(':').next().unwrap().to_owned();
    let healed = accepting();
    let folder = project.ledger().join("loopback");
    let other = healed.url.rsplit(':').next().unwrap();
    std::fs::rename(folder.join(format!("http-127.0.0.1-{port}")), folder.join(format!("http-127.0.0.1-{other}")))
        .unwrap();
    let run = project.run(&healed, "2026-08-21T14:10:00Z", &[]);
    assert_eq!(run.code, 7, "{}", run.stderr);
    assert!(run.stderr.contains("2 events of an earlier run may have been accepted"), "{}", run.stderr);
    assert!(run.stderr.contains("1 event of an earlier run may have been accepted"), "{}", run.stderr);
    assert_eq!(project.counts(["accepted", "unresolved"]), [1, 1]);

    project.write("", &[("a1", 1), ("a2", 2)]);
    assert_eq!(project.run(&healed, "2026-08-21T14:10:00Z", &[]).code, 0);
    assert_eq!(project.counts(["accepted", "already_accepted", "unresolved"]), [1, 1, 0]);
}

#[test]
fn where_a_pixel_sends_too_old_events_are_not_sent() {
    let project = Project::of(&[("a1", 1)]);
    let server = accepting();
    let run = project.run(&server, "2026-08-21T06:00:00Z", &["--pixel-overlap", "true"]);
    assert_eq!((run.code, server.requests().len()), (0, 0), "{}", run.stderr);
    assert_eq!(project.counts(["out_of_window", "overlapping"]), [1, 1]);
    assert!(run.stdout.contains("beside what a browser's pixel sent"), "{}", run.stdout);
}

#[test]
fn a_ledger_that_is_held_is_named_and_a_dry_run_goes_on() {
    let project = Project::of(&[("a1", 1)]);
    let server = accepting();
    let held = project.open(&server);
    let run = project.run(&server, DAY, &[]);
    assert_eq!((run.code, server.requests().len()), (6, 0), "{}", run.stderr);
    assert!(run.stderr.contains("process 4711 on etl-3"), "{}", run.stderr);
    let dry = project.run(&server, DAY, &["--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert!(dry.stderr.contains("another run holds the ledger"), "{}", dry.stderr);
    drop(held);
    assert_eq!(project.run(&server, DAY, &[]).code, 0);
}

#[test]
fn files_of_one_command_share_a_ledger() {
    let project = Project::of(&[("a1", 1)]);
    let server = accepting();
    let other = file(project.path(), "r.sql", std::fs::read(project.query()).unwrap());
    let run = project.run(&server, DAY, &[&other]);
    assert_eq!((run.code, server.requests().len()), (0, 1), "{}", run.stderr);
    assert_eq!(project.counts(["already_accepted"]), [1]);
}

#[test]
fn the_last_success_is_a_parameter() {
    let project = Project::of(&[]);
    let query = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.timezone = 'UTC';
        SELECT 'Purchase' AS event, at AS timestamp, o AS event_id, o || '@example.org' AS email, 1 AS value,
               'USD' AS currency
        FROM (VALUES ('a1', '2026-08-19T10:00:00Z'), ('a2', '2026-08-20T14:30:00Z')) AS t (o, at)
        WHERE CAST(at AS TIMESTAMP) >= $last_success AND CAST(at AS TIMESTAMP) <= $until";
    file(project.path(), "q.sql", query);
    let server = accepting();
    let check =
        said(&mut project.command(&server.url, DAY, &["check", &project.query(), "--param", "until=2026-08-20"]));
    assert_eq!(check.code, 0, "{}", check.stdout);
    let first = project.run(&server, DAY, &["--param", "until=2026-08-20"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(
        first.stderr.contains("$last_success is 1970-01-01T00:00:00Z: no run of this query has"),
        "{}",
        first.stderr
    );
    assert_eq!(project.counts(["rows"]), [1]);

    let until = ["--param", "until=2026-08-21"];
    let next = project.run(&server, "2026-08-20T15:00:00Z", &until);
    assert_eq!(next.code, 0, "{}", next.stderr);
    assert!(next.stderr.contains("$last_success is 2026-08-20T14:10:00Z\n"), "{}", next.stderr);
    assert_eq!(project.counts(["rows", "accepted"]), [1, 1]);

    let given = [&until[..], &["--dry-run", "--param", "last_success=2026-08-01"]].concat();
    assert_eq!(project.run(&server, "2026-08-20T15:00:00Z", &given).code, 0);
    assert_eq!(project.counts(["rows", "already_accepted"]), [2, 2]);
}

/// Orders enough that a signal comes before the last.
fn forty() -> Project {
    let orders: Vec<(String, u32)> = (0..40).map(|number| (format!("a{number}"), number)).collect();
    let orders: Vec<(&str, u32)> = orders.iter().map(|(order, value)| (order.as_str(), *value)).collect();
    Project::of(&orders)
}

/// A run that sends one order at a time, and has begun to; what it says on stderr is piped.
fn under_way(project: &Project, server: &Server, wrap: impl FnOnce(Command) -> Command) -> Child {
    let query = project.query();
    let arguments = ["run", &query, "--batch-events", "1", "--concurrency", "1"];
    let mut command = wrap(project.command(&server.url, DAY, &arguments));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while server.requests().is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it sent anything");
        std::thread::yield_now();
    }
    child
}

fn signal(child: &Child, name: &str) {
    let killed = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
}

/// Waits until the run says that it has noticed the first signal.
fn wait_for_the_note(child: &mut Child) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("stopping: ")), "it says nothing about the signal");
}

const SIGNALS: [(&str, i32); 3] = [("-INT", 130), ("-TERM", 143), ("-HUP", 143)];

#[test]
fn a_signal_drains_and_leaves_nothing_in_doubt() {
    for (name, code) in SIGNALS {
        let (project, server) = (forty(), Server::accepting_after(Duration::from_millis(100)));
        let mut child = under_way(&project, &server, |command| command);
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
        let sent = arrived(&server).len();
        assert!(sent < 40, "{sent}");
        let found = verify(&project.ledger());
        assert!(found.is_sound(), "{name}: {:?}", found.problems);
        assert_eq!((found.accepted, found.in_doubt, found.held), (sent as u64, 0, 0), "{name}");

        let rest = project.run(&server, DAY, &[]);
        assert_eq!(rest.code, 0, "{}", rest.stderr);
        let ids = arrived(&server);
        assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (40, 40), "{name}: each once");
    }
}

#[test]
fn a_second_signal_ends_at_once_and_leaves_a_sound_ledger() {
    for (name, code) in SIGNALS {
        let (project, mute) = (forty(), Server::accepting_after(Duration::from_hours(1)));
        let mut child = under_way(&project, &mute, |command| command);
        signal(&child, name);
        wait_for_the_note(&mut child);
        std::thread::sleep(Duration::from_millis(300));
        assert!(child.try_wait().unwrap().is_none(), "{name}: what is under way is awaited");
        let second = Instant::now();
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
        assert!(second.elapsed() < Duration::from_secs(2), "{name}: {:?}", second.elapsed());
        let found = verify(&project.ledger());
        assert!(found.is_sound(), "{name}: {:?}", found.problems);
        // What was on its way; intents that were recorded ahead are withdrawn.
        assert_eq!((found.accepted, found.in_doubt, found.held), (0, 1, 0), "{name}");
    }
}

#[test]
#[ignore = "takes half a minute"]
fn what_is_under_way_is_awaited_for_half_a_minute() {
    let (project, mute) = (forty(), Server::accepting_after(Duration::from_hours(1)));
    let mut child = under_way(&project, &mute, |command| command);
    let start = Instant::now();
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let took = start.elapsed();
    assert!((Duration::from_secs(25)..Duration::from_secs(35)).contains(&took), "{took:?}");
    let found = verify(&project.ledger());
    assert!(found.is_sound() && found.in_doubt == 1, "{:?}", found.problems);
}

#[test]
fn a_run_that_was_started_to_outlive_its_terminal_does() {
    let (project, server) = (forty(), Server::accepting_after(Duration::from_millis(20)));
    let mut child = under_way(&project, &server, |command| {
        // As `nohup` does, which says so.
        let mut ignoring = Command::new("sh");
        ignoring.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]);
        ignoring.arg(command.get_program()).args(command.get_args()).current_dir(command.get_current_dir().unwrap());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => ignoring.env(name, value),
                None => ignoring.env_remove(name),
            };
        }
        ignoring
    });
    signal(&child, "-HUP");
    assert_eq!((child.wait().unwrap().code(), arrived(&server).len()), (Some(0), 40));
}
