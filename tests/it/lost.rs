//! A ledger that is gone, older than the last one, or has forgotten: what it does not know is not sent by mistake.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postback::contract::EventSource;
use postback::event::{Batch, Destination, EncodedEvent, EventKey};
use postback::ledger::sqlite::{self, Options};
use postback::ledger::{Sqlite, Store};
use serde_json::Value;

use crate::history::{EVENTS, History, Kill, place};
use crate::receiver::{Moment, now};
use crate::server::{Answer, OK, Said, Server, file, postback, said};

const QUERY: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
    SELECT 'Purchase' AS event, '2026-08-19T10:00:00Z' AS timestamp, o AS event_id, o || '@example.org' AS email,
           1 AS value, 'USD' AS currency
    FROM (VALUES ('a1'), ('a2')) AS t (o)";
const DAY: &str = "2026-08-20T14:10:00Z";
/// The same in Unix seconds.
const NOW: i64 = 1_787_235_000;

/// A query, the server that it is sent to, and the folder of their ledger.
struct Project {
    folder: tempfile::TempDir,
    query: String,
    server: Server,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let query = file(folder.path(), "orders.sql", QUERY);
        Self { folder, query, server: Server::answering([Answer::ok(OK)]) }
    }

    fn run(&self, as_of: &str, more: &[&str]) -> Said {
        let fixed = ["run", &self.query, "--base-url", &self.server.url, "--as-of", as_of, "--format", "json"];
        said(postback(&fixed).args(more).env("POSTBACK_LEDGER", self.state()))
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The only folder with a ledger of a server on this machine.
    fn ledger(&self) -> PathBuf {
        let mut servers = fs::read_dir(self.state().join("loopback")).unwrap();
        servers.next().unwrap().unwrap().path()
    }

    fn database(&self) -> PathBuf {
        self.ledger().join("ledger-sandbox.sqlite")
    }

    /// What a run that must not send says.
    fn refused(&self, message: &str) {
        let sent = self.server.requests().len();
        let run = self.run(DAY, &[]);
        assert_eq!((run.code, self.server.requests().len()), (2, sent), "{}", run.stderr);
        for part in [message, "--accept-ledger-loss", "ledger-sandbox.sqlite"] {
            assert!(run.stderr.contains(part), "{}", run.stderr);
        }
    }
}

fn count(run: &Said, name: &str) -> u64 {
    assert_eq!(run.code, 0, "{}", run.stderr);
    let account: Value = serde_json::from_str(&run.stdout).unwrap();
    account[name].as_u64().unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

#[test]
fn a_run_whose_ledger_is_gone_sends_nothing_until_that_is_accepted() {
    let project = Project::new();
    assert_eq!(count(&project.run(DAY, &[]), "accepted"), 2);
    let kept = project.folder.path().join("kept");
    copy(&project.database(), &kept);
    fs::remove_file(project.database()).unwrap();
    project.refused("the ledger is gone");
    project.refused("the ledger is gone");

    // Put back, it is the one that was last used.
    copy(&kept, &project.database());
    assert_eq!(count(&project.run(DAY, &[]), "already_accepted"), 2);

    fs::remove_file(project.database()).unwrap();
    assert_eq!(count(&project.run(DAY, &["--accept-ledger-loss"]), "accepted"), 2, "sent again, as was accepted");
    assert_eq!(count(&project.run(DAY, &[]), "already_accepted"), 2, "the new ledger is the ledger from now on");
}

#[test]
fn a_run_over_an_older_copy_of_its_ledger_sends_nothing_until_that_is_accepted() {
    let project = Project::new();
    let nothing = ["--min-rows", "9"];
    assert_eq!(project.run(DAY, &nothing).code, 1);
    let (older, latest) = (project.folder.path().join("older"), project.folder.path().join("latest"));
    copy(&project.database(), &older);
    assert_eq!(count(&project.run(DAY, &[]), "accepted"), 2);
    copy(&project.database(), &latest);

    copy(&older, &project.database());
    project.refused("the ledger is older");
    copy(&latest, &project.database());
    assert_eq!(count(&project.run(DAY, &[]), "already_accepted"), 2);

    copy(&older, &project.database());
    assert_eq!(count(&project.run(DAY, &["--accept-ledger-loss"]), "accepted"), 2);
    assert_eq!(count(&project.run(DAY, &[]), "already_accepted"), 2);
}

#[test]
fn a_run_whose_ledger_lost_the_end_of_its_log_sends_nothing() {
    let mut history = History::new(Duration::from_millis(2));
    let kill = Kill::At { moment: Moment::WholeAnswer, number: 9, forgets: false };
    assert_eq!(history.run(Some(&kill)).code, None);
    let arrived = history.receiver.arrivals().len();
    let log = place(&history.ledger()).database().with_extension("sqlite-wal");
    let whole = fs::read(&log).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped, &whole[..whole.len() / 2]] {
        fs::write(&log, damaged).unwrap();
        let refused = history.run(None);
        assert_eq!((refused.code, history.receiver.arrivals().len()), (Some(2), arrived), "{}", refused.stderr);
        assert!(refused.stderr.contains("the end of its log is lost"), "{}", refused.stderr);
        assert!(refused.stderr.contains("postback ledger repair"), "{}", refused.stderr);
        assert!(!history.verify().is_sound());
    }
    let repaired = sqlite::repair(&place(&history.ledger()), now(), false).unwrap();
    assert!(repaired.lost_batches > 0 && repaired.forgotten_before.is_none(), "{repaired:?}");
    let last = history.run(None);
    assert_eq!(last.code, Some(0), "{}", last.stderr);
    assert_eq!(history.receiver.snapshot().unique, EVENTS as u64);
}

#[test]
fn a_dry_run_in_the_past_leaves_what_is_in_doubt_to_be_repeated() {
    let project = Project::new();
    assert_eq!(project.run(DAY, &["--min-rows", "9"]).code, 1);
    let ledger = Sqlite::open(Options::new(place(&project.state()), Arc::new(|| NOW), [0; 32], 28 * 86_400)).unwrap();
    let destination = Destination { event_source: EventSource::Offline, event_source_id: "7654321098765432109".into() };
    let key = EventKey::new(&ledger.secret(), &destination, "Purchase", "a1");
    let events: Arc<[EncodedEvent]> = Arc::new([EncodedEvent { key, span: 0..0, time: NOW - 9, row: 0, payload: 0 }]);
    let in_doubt =
        ledger.prepare(&Batch { destination, head: Bytes::new(), json: Bytes::new(), range: 0..1, events }).unwrap();
    drop((in_doubt, ledger));

    let dry = project.run("2026-07-01T00:00:00Z", &["--dry-run"]);
    assert!(dry.stderr.contains("1 event in doubt") || dry.stderr.contains("1 events in doubt"), "{}", dry.stderr);
    assert_eq!(count(&project.run(DAY, &[]), "accepted"), 2);
}

#[test]
fn what_the_ledger_has_forgotten_is_not_sent_when_the_age_limit_is_raised() {
    let project = Project::new();
    assert_eq!(count(&project.run(DAY, &[]), "accepted"), 2);
    // The greatest age, 48 hours and a day after the events, and not a second earlier.
    for (as_of, more, standing) in [
        ("2026-09-19T10:00:00Z", &["--max-event-age", "60d"][..], "already_accepted"),
        ("2026-09-19T10:00:01Z", &[][..], "out_of_window"),
        ("2026-09-19T10:00:02Z", &[][..], "out_of_window"),
        ("2026-09-19T10:00:03Z", &["--max-event-age", "60d"][..], "forgotten"),
    ] {
        assert_eq!(count(&project.run(as_of, more), standing), 2, "{as_of}");
    }
    assert_eq!(project.server.requests().len(), 1);
}

#[test]
fn what_a_server_on_this_machine_got_is_found_by_its_namespace() {
    let project = Project::new();
    assert_eq!(count(&project.run(DAY, &[]), "accepted"), 2);
    let state = project.state();
    let verify = |more: &[&str]| said(postback(&["ledger", "verify"]).args(more).env("POSTBACK_LEDGER", &state));
    let sandbox = verify(&["--namespace", "sandbox"]);
    assert_eq!(sandbox.code, 0, "{}", sandbox.stderr);
    assert!(sandbox.stdout.contains("2 events accepted"), "{}", sandbox.stdout);
    assert_eq!(verify(&[]).code, 5, "no live event was sent");

    let (first, other) = (project.database(), state.join("loopback").join("http-127.0.0.1-1"));
    fs::create_dir(&other).unwrap();
    copy(&first, &other.join("ledger-sandbox.sqlite"));
    let two = verify(&["--namespace", "sandbox"]);
    assert_eq!(two.code, 2, "{}", two.stderr);
    assert!(two.stderr.contains("each server on this machine has a ledger of its own"), "{}", two.stderr);
    assert!(two.stderr.contains("http-127.0.0.1-1"), "{}", two.stderr);
}

#[test]
fn a_dry_run_looks_where_the_run_would() {
    let project = Project::new();
    let code = ["--test-event-code", "TEST1"];
    assert_eq!(count(&project.run(DAY, &code), "accepted"), 2);
    assert_eq!(count(&project.run(DAY, &["--dry-run"]), "unsent"), 2, "a test is no delivery");
    let tested = project.run(DAY, &[&code[..], &["--dry-run"]].concat());
    assert_eq!((count(&tested, "already_accepted"), count(&tested, "unsent")), (2, 0), "{}", tested.stdout);
    assert_eq!(project.server.requests().len(), 1);
}
