//! Where the ledger of a query lies: the query and its project say so, and no `cd` sends an event twice.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::server::{Answer, OK, Said, Server, arrived, file, postback, said};

const ID: &str = "7654321098765432109";
const OTHER_ID: &str = "7654321098765432110";

/// Folders, and a server that counts what arrives.
struct Place {
    folder: tempfile::TempDir,
    server: Server,
}

/// Two purchases for the event set `id`.
fn purchases(id: &str) -> String {
    format!(
        "SET postback.event_source = 'offline'; SET postback.event_source_id = '{id}';
         SET postback.as_of = '2026-08-20T14:10:00Z';
         SELECT 'Purchase' AS event, 1787234400 AS timestamp, o || '@b.example' AS email, o AS order_id, 5 AS value,
             'USD' AS currency FROM (VALUES ('1'), ('2')) AS t (o)"
    )
}

impl Place {
    /// With these folders.
    fn of(folders: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for inner in folders {
            fs::create_dir_all(folder.path().join(inner)).unwrap();
        }
        Self { folder, server: Server::answering([Answer::ok(OK)]) }
    }

    fn path(&self, inner: &str) -> PathBuf {
        self.folder.path().join(inner)
    }

    fn file(&self, inner: &str, text: impl AsRef<str>) {
        file(self.folder.path(), inner, text.as_ref());
    }

    fn command(&self, here: &str, arguments: &[&str]) -> Command {
        let mut command = postback(arguments);
        command.current_dir(self.path(here)).env_remove("POSTBACK_LEDGER");
        command
    }

    fn say(&self, here: &str, arguments: &[&str]) -> Said {
        said(&mut self.command(here, arguments))
    }

    /// Runs `query` from the folder `here`.
    fn run(&self, here: &str, query: &str, more: &[&str]) -> Said {
        self.say(here, &[&["run", query, "--base-url", &self.server.url], more].concat())
    }

    /// Whether a ledger of the server lies in the folder `inner`.
    fn has_ledger(&self, inner: &str) -> bool {
        self.path(inner).join(".postback/loopback").is_dir()
    }

    fn arrived(&self) -> usize {
        arrived(&self.server).len()
    }
}

/// Accepted and already accepted, by an account.
fn counts(said: &Said) -> [u64; 2] {
    let count = |name: &str| {
        let line = said.stdout.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or_else(|| {
            panic!("no {name}: {}{}", said.stdout, said.stderr);
        });
        line.trim().parse().unwrap()
    };
    [count("accepted "), count("already accepted ")]
}

#[test]
fn two_working_folders_deliver_once() {
    let place = Place::of(&["queries", "a", "b/c"]);
    place.file("queries/q.sql", purchases(ID));
    let absolute = place.path("queries/q.sql");
    let absolute = absolute.to_str().unwrap();
    for (number, (here, query)) in [
        ("a", absolute),
        ("b/c", absolute),
        ("a", "../queries/q.sql"),
        ("queries", "q.sql"),
        ("queries", "./q.sql"),
        (".", "queries/q.sql"),
        ("b/c", "../../queries/../queries/q.sql"),
    ]
    .into_iter()
    .enumerate()
    {
        let run = place.run(here, query, &[]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{here} {query}");
        assert_eq!(counts(&run), if number == 0 { [2, 0] } else { [0, 2] }, "{here} {query}");
    }
    assert_eq!(place.arrived(), 2);
    assert!(place.has_ledger("queries"));
    for other in ["a", "b", "b/c", "."] {
        assert!(!place.path(other).join(".postback").exists(), "{other}");
    }
}

#[test]
fn the_ledger_lies_beside_the_nearest_settings_file_above_the_query() {
    let place = Place::of(&["p/queries/web", "p/queries/store", "elsewhere"]);
    place.file("p/postback.toml", "currency = \"USD\"");
    for query in ["p/queries/web/q.sql", "p/queries/store/q.sql", "p/q.sql"] {
        place.file(query, purchases(ID));
    }
    place.file("elsewhere/postback.toml", "currency = \"EUR\"");
    let first = place.run("elsewhere", "../p/queries/web/q.sql", &[]);
    assert_eq!(counts(&first), [2, 0], "{}", first.stderr);
    for (here, query) in [("p/queries/store", "q.sql"), ("p", "q.sql"), (".", "p/queries/web/q.sql")] {
        assert_eq!(counts(&place.run(here, query, &[])), [0, 2], "{here} {query}");
    }
    assert!(place.has_ledger("p") && !place.has_ledger("p/queries/web") && !place.has_ledger("elsewhere"));
    // The nearest one counts.
    place.file("p/queries/postback.toml", "");
    let nearer = place.run(".", "p/queries/web/q.sql", &["--new-ledger"]);
    assert_eq!(counts(&nearer), [2, 0], "{}", nearer.stderr);
    assert!(place.has_ledger("p/queries"));
}

#[test]
fn settings_come_from_above_the_query_before_the_working_folder() {
    let place = Place::of(&["p/queries", "elsewhere"]);
    place.file("p/postback.toml", "currency = \"GBP\"");
    place.file("elsewhere/postback.toml", "currency = \"EUR\"");
    place.file("p/queries/q.sql", "SELECT 1 AS a");
    place.file("q.sql", "SELECT 1 AS a");
    let currency = |here: &str, arguments: &[&str]| {
        let said = place.say(here, &[&["config", "--format", "ndjson"], arguments].concat());
        let rows = said.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let row = rows.into_iter().find(|row| row["setting"] == "currency").unwrap();
        row["value"].as_str().map(str::to_owned)
    };
    assert_eq!(currency("elsewhere", &["../p/queries/q.sql"]).as_deref(), Some("GBP"));
    assert_eq!(currency("p/queries", &["q.sql"]).as_deref(), Some("GBP"));
    assert_eq!(currency("p/queries", &[]).as_deref(), Some("GBP"));
    assert_eq!(currency("elsewhere", &["../q.sql"]).as_deref(), Some("EUR"), "where the query has none");
    assert_eq!(currency(".", &["q.sql"]), None);
    assert_eq!(currency("elsewhere", &["../p/queries/q.sql", "--config", "postback.toml"]).as_deref(), Some("EUR"));
    // Nobody's project: anybody could put a file there.
    fs::set_permissions(place.path("p"), Permissions::from_mode(0o777)).unwrap();
    assert_eq!(currency(".", &["p/queries/q.sql"]), None);
}

#[test]
fn a_ledger_of_the_working_folder_is_used_with_a_note() {
    let place = Place::of(&["queries", "here"]);
    place.file("queries/q.sql", purchases(ID));
    place.file("queries/other.sql", purchases(OTHER_ID));
    // As it lay when the working folder decided.
    let first = place.run("here", "../queries/q.sql", &["--ledger", ".postback"]);
    assert_eq!(counts(&first), [2, 0], "{}", first.stderr);
    let again = place.run("here", "../queries/q.sql", &[]);
    assert_eq!(counts(&again), [0, 2], "{}", again.stderr);
    for words in ["using the ledger of the working folder, `.postback`", ID, "queries/.postback"] {
        assert!(again.stderr.contains(words), "{words}: {}", again.stderr);
    }
    assert_eq!(place.run("here", "../queries/q.sql", &["-q"]).stderr, "");
    let dry = place.run("here", "../queries/q.sql", &["--dry-run"]);
    assert!(dry.stderr.contains("using the ledger of the working folder"), "{}", dry.stderr);
    assert_eq!(counts(&dry), [0, 2]);
    assert!(!place.path("queries/.postback").exists());
    // It knows nothing of another destination, which begins in its place.
    let other = place.run("here", "../queries/other.sql", &[]);
    assert_eq!((counts(&other), other.stderr.as_str()), ([2, 0], ""));
    assert!(place.has_ledger("queries"));
    assert_eq!(place.arrived(), 4);
    // A second one that was asked for is used from then on, and the first one is named.
    let second = place.run("here", "../queries/q.sql", &["--new-ledger"]);
    assert_eq!(counts(&second), [2, 0], "{}", second.stderr);
    let both = place.run("here", "../queries/q.sql", &[]);
    assert_eq!(counts(&both), [0, 2]);
    assert!(both.stderr.contains("`.postback` knows") && both.stderr.contains("is not looked at"), "{}", both.stderr);
}

#[test]
fn a_second_ledger_is_refused_unless_it_is_asked_for() {
    for dry in [&[][..], &["--dry-run"]] {
        let place = Place::of(&["p/queries/store", "here"]);
        place.file("p/queries/store/q.sql", purchases(ID));
        assert_eq!(counts(&place.run("here", "../p/queries/store/q.sql", &[])), [2, 0]);
        let query = "../p/queries/store/q.sql";
        place.file("p/postback.toml", "");
        let refused = |more: &[&str]| {
            let run = place.run("here", query, &[more, dry].concat());
            assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{more:?}: {}", run.stderr);
            for words in ["a second ledger for offline", ID, "--new-ledger", "p/queries/store/.postback"] {
                assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
            }
        };
        refused(&[]);
        refused(&["--ledger", "state"]);
        refused(&["--ledger", place.path("state").to_str().unwrap()]);
        assert_eq!(place.arrived(), 2);
        let named = place.run("here", query, &["--ledger", "../p/queries/store/.postback"]);
        assert_eq!(counts(&named), [0, 2], "{}", named.stderr);
        let second = place.run("here", query, &["--new-ledger"]);
        assert_eq!((counts(&second), place.has_ledger("p")), ([2, 0], true), "{}", second.stderr);
        // From then on it is the query's own.
        assert_eq!(counts(&place.run("here", query, &[])), [0, 2]);
    }
}

#[test]
fn a_ledger_in_a_folder_above_is_not_passed_by() {
    let place = Place::of(&["p/queries"]);
    place.file("p/queries/q.sql", purchases(ID));
    assert_eq!(counts(&place.run("p", "queries/q.sql", &["--ledger", ".postback"])), [2, 0]);
    for (here, query) in [("p/queries", "q.sql"), (".", "p/queries/q.sql")] {
        let run = place.run(here, query, &[]);
        assert_eq!(run.code, 2, "{here}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains("p/.postback"), "{}", run.stderr);
    }
    assert_eq!(counts(&place.run("p", "queries/q.sql", &[])), [0, 2]);
    assert_eq!(place.arrived(), 2);
}

#[test]
fn links_to_one_query_file_lead_to_one_ledger_or_to_a_refusal() {
    let place = Place::of(&["real/data", "linked"]);
    place.file("real/q.sql", purchases(ID));
    symlink(place.path("real"), place.path("folder")).unwrap();
    symlink(place.path("real/q.sql"), place.path("linked/q.sql")).unwrap();
    symlink("q.sql", place.path("real/same.sql")).unwrap();
    assert_eq!(counts(&place.run(".", "real/q.sql", &[])), [2, 0]);
    assert_eq!(counts(&place.run(".", "folder/q.sql", &[])), [0, 2]);
    assert_eq!(counts(&place.run(".", "real/same.sql", &[])), [0, 2]);
    let linked = place.run(".", "linked/q.sql", &[]);
    assert!(linked.code == 2 && linked.stderr.contains("real/.postback"), "{}", linked.stderr);
    assert_eq!(place.arrived(), 2);
}

#[test]
fn files_of_one_command_do_not_begin_two_ledgers_for_one_destination() {
    let place = Place::of(&["a", "b", "c"]);
    place.file("a/q.sql", purchases(ID));
    place.file("b/q.sql", purchases(ID));
    place.file("c/q.sql", purchases(OTHER_ID));
    let both = |files: [&str; 2], more: &[&str]| {
        place.say(".", &[&["run", files[0], files[1], "--base-url", &place.server.url], more].concat())
    };
    let refused = both(["a/q.sql", "b/q.sql"], &[]);
    assert_eq!((refused.code, place.arrived()), (2, 0), "{}", refused.stderr);
    for words in ["b/q.sql", "a/.postback", "--new-ledger"] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    let apart = both(["a/q.sql", "c/q.sql"], &[]);
    assert_eq!((apart.code, place.arrived()), (0, 4), "{}", apart.stderr);
    let shared = both(["a/q.sql", "b/q.sql"], &["--ledger", "a/.postback"]);
    assert_eq!((shared.code, place.arrived()), (0, 4), "{}", shared.stderr);
    place.file("postback.toml", "ledger = \"a/.postback\"\n");
    let shared = both(["a/q.sql", "b/q.sql"], &[]);
    assert_eq!((shared.code, place.arrived()), (0, 4), "{}", shared.stderr);
}

#[test]
fn a_relative_ledger_starts_from_who_says_so() {
    let place = Place::of(&["p/queries", "here"]);
    place.file(
        "p/queries/q.sql",
        purchases(ID).replace("SET postback.as_of", "SET postback.ledger = 'own'; SET postback.as_of"),
    );
    assert_eq!(counts(&place.run("here", "../p/queries/q.sql", &[])), [2, 0]);
    assert_eq!(counts(&place.run("p/queries", "q.sql", &[])), [0, 2]);
    assert!(place.path("p/queries/own/loopback").is_dir() && !place.path("here/own").exists());

    let place = Place::of(&["p/queries", "here"]);
    place.file("p/postback.toml", "ledger = \"state\"\n");
    place.file("p/queries/q.sql", purchases(ID));
    assert_eq!(counts(&place.run("here", "../p/queries/q.sql", &[])), [2, 0]);
    assert_eq!(counts(&place.run("p/queries", "q.sql", &[])), [0, 2]);
    assert!(place.path("p/state/loopback").is_dir());

    let place = Place::of(&["p/queries", "here"]);
    place.file("p/queries/q.sql", purchases(ID));
    let run = |here: &str, query: &str| {
        let mut command = place.command(here, &["run", query, "--base-url", &place.server.url]);
        said(command.env("POSTBACK_LEDGER", "state"))
    };
    assert_eq!(counts(&run("here", "../p/queries/q.sql")), [2, 0]);
    assert_eq!(counts(&run("p/queries", "q.sql")), [0, 2]);
    assert!(place.path("p/queries/state/loopback").is_dir() && !place.path("here/state").exists());
}

#[test]
fn a_query_whose_rows_say_where_to_begins_no_second_ledger() {
    let place = Place::of(&["p/queries"]);
    let by_column = purchases(ID)
        .replace(&format!("SET postback.event_source_id = '{ID}';"), "")
        .replace("'USD' AS currency", &format!("'USD' AS currency, '{ID}' AS event_source_id"));
    place.file("p/queries/q.sql", &by_column);
    assert_eq!(counts(&place.run("p", "queries/q.sql", &[])), [2, 0]);
    // A setting for other queries of the project does not hide where the rows go.
    place.file("p/postback.toml", format!("event_source_id = \"{OTHER_ID}\"\n"));
    let run = place.run("p", "queries/q.sql", &["--format", "json"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("queries/.postback"), "{}", run.stderr);
    assert_eq!(place.arrived(), 2);
}

#[test]
fn a_lost_ledger_of_the_working_folder_is_not_passed_by() {
    let place = Place::of(&["queries", "here"]);
    place.file("queries/q.sql", purchases(ID));
    assert_eq!(counts(&place.run("here", "../queries/q.sql", &["--ledger", ".postback"])), [2, 0]);
    let below = fs::read_dir(place.path("here/.postback/loopback")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(below.join("ledger-sandbox.sqlite")).unwrap();
    let run = place.run("here", "../queries/q.sql", &[]);
    assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("the ledger is gone"), "{}", run.stderr);
    assert_eq!(place.arrived(), 2);
}

#[test]
fn a_folder_that_cannot_be_written_says_what_to_do() {
    // Root may write anywhere, so a file stands where the folder would be.
    let place = Place::of(&["queries", "state"]);
    place.file("queries/q.sql", purchases(ID));
    place.file("queries/.postback", "");
    let run = place.run(".", "queries/q.sql", &[]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    for words in [
        "cannot make a folder for the run in `queries/.postback/runs`",
        "nothing was sent",
        "--ledger",
        "POSTBACK_LEDGER",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert_eq!(counts(&place.run(".", "queries/q.sql", &["--ledger", "state"])), [2, 0]);
}

#[test]
fn commands_without_a_query_find_the_ledger() {
    let place = Place::of(&["p/queries", "p/docs"]);
    place.file("p/queries/q.sql", purchases(ID));
    assert_eq!(counts(&place.run("p", "queries/q.sql", &[])), [2, 0]);
    assert!(place.path("p/queries/.postback/runs/latest").exists());
    let sandbox = ["--namespace", "sandbox"];
    let verify = |here: &str| place.say(here, &[&["ledger", "verify"][..], &sandbox].concat());
    for here in ["p/queries", "p"] {
        let said = verify(here);
        assert_eq!(said.code, 0, "{here}: {}", said.stderr);
        assert!(said.stdout.contains("2 events accepted"), "{here}: {}", said.stdout);
        let resolved = place.say(here, &[&["resolve"][..], &sandbox].concat());
        assert_eq!(resolved.code, 0, "{here}: {}", resolved.stderr);
        let retried = place.say(here, &["retry"]);
        assert_eq!(counts(&retried), [0, 2], "{here}: {}", retried.stderr);
    }
    let none = verify("p/docs");
    assert!(none.code == 5 && none.stderr.contains("there is no ledger"), "{}", none.stderr);
    // In a project its own ledger is meant, from wherever in it.
    place.file("p/postback.toml", "ledger = \"queries/.postback\"\n");
    for here in ["p/queries", "p", "p/docs"] {
        let said = verify(here);
        assert!(said.stdout.contains("2 events accepted"), "{here}: {}{}", said.stdout, said.stderr);
    }
    fs::remove_file(place.path("p/postback.toml")).unwrap();
    place.file("p/docs/q.sql", purchases(OTHER_ID));
    assert_eq!(counts(&place.run("p", "docs/q.sql", &[])), [2, 0]);
    let several = verify("p");
    assert_eq!(several.code, 2, "{}", several.stdout);
    assert!(several.stderr.contains("docs/.postback, queries/.postback"), "{}", several.stderr);
}

#[test]
fn a_run_that_only_looks_makes_nothing_and_follows_the_ledger() {
    let place = Place::of(&["queries", "here"]);
    let since = purchases(ID)
        .replace("FROM (VALUES", "FROM (SELECT * FROM (VALUES")
        .replace("AS t (o)", "AS t (o)) AS t WHERE TIMESTAMP '2026-01-01T00:00:00Z' >= $last_success");
    place.file("queries/q.sql", &since);
    let preview = place.say("here", &["preview", "../queries/q.sql"]);
    assert_eq!(preview.code, 0, "{}", preview.stderr);
    assert!(preview.stderr.contains("no run of this query has succeeded yet"), "{}", preview.stderr);
    assert!(!place.path("queries/.postback").exists() && !place.path("here/.postback").exists());
    let sandboxed = place.say("here", &["run", "../queries/q.sql", "--sandbox"]);
    assert_eq!(sandboxed.code, 0, "{}", sandboxed.stderr);
    assert!(!place.has_ledger("queries") && Path::new(&place.path("queries/.postback/runs/latest")).exists());
}
