//! What is held is listed and decided about; test events are kept apart.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use postback::contract::EventSource;
use postback::event::{Batch, Destination, EncodedEvent, EventKey, Outcome};
use postback::ledger::sqlite::{Holder, Namespace, Options, Place};
use postback::ledger::{Run, Sqlite, Standing, Store};
use serde_json::Value;

use crate::server::{Answer, OK, Said, Server, file, postback, said};

const SECRET: [u8; 32] = [7; 32];
const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// Seconds since 1970, which only say whether a window is open: none is asserted.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn open(folder: &Path, namespace: Namespace, at: i64) -> Sqlite {
    let place = Place { folder: folder.to_owned(), namespace, holder: Holder { pid: 4_711, host: "etl-3".into() } };
    Sqlite::open(Options { reserve: 0, ..Options::new(place, Arc::new(move || at), SECRET, 28 * DAY) }).unwrap()
}

fn destination(id: &str) -> Destination {
    Destination { event_source: EventSource::Offline, event_source_id: id.into() }
}

fn key(destination_id: &str, event: &str, id: &str) -> EventKey {
    EventKey::new(&SECRET, &destination(destination_id), event, id)
}

/// Delivers events of these names and ids, each with its outcome.
fn deliver(ledger: &Sqlite, destination_id: &str, events: &[(&str, &str, Outcome)], time: i64) {
    let event = |(row, (name, id, _)): (usize, &(&str, &str, Outcome))| EncodedEvent {
        key: key(destination_id, name, id),
        span: 0..0,
        time,
        row: row as u64,
        payload: 0,
    };
    let encoded: Arc<[EncodedEvent]> = events.iter().enumerate().map(event).collect();
    let batch = Batch {
        destination: destination(destination_id),
        head: Bytes::new(),
        json: Bytes::new(),
        range: 0..encoded.len(),
        events: encoded,
    };
    let ticket = ledger.prepare(&batch).unwrap();
    let outcomes: Vec<_> = events.iter().map(|(_, _, outcome)| outcome.clone()).collect();
    ledger.settle(ticket, &outcomes).unwrap();
}

/// Three events held three days ago under two runs, and one in doubt since.
fn filled(folder: &Path) -> Sqlite {
    let at = now() - 3 * DAY;
    let ledger = open(folder, Namespace::Live, at);
    ledger.begin_run(&Run { id: "first".into(), query: "a.sql".into(), started: at }).unwrap();
    let held =
        [("Purchase", "1", Outcome::Held), ("Purchase", "2", Outcome::Held), ("Purchase", "3", Outcome::Accepted)];
    deliver(&ledger, "11", &held, at - HOUR);
    ledger.begin_run(&Run { id: "second".into(), query: "a.sql".into(), started: at }).unwrap();
    deliver(&ledger, "22", &[("Contact", "1", Outcome::Held), ("Purchase", "1", Outcome::InDoubt)], at - HOUR);
    ledger
}

fn standing(folder: &Path, key: &EventKey) -> Standing {
    open(folder, Namespace::Live, now()).standing(key)
}

fn resolve(folder: &Path, more: &[&str]) -> Said {
    said(postback(&["resolve", "--ledger", folder.to_str().unwrap()]).args(more))
}

#[test]
fn what_is_held_is_listed_and_ends_with_exit_code_7() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let listed = resolve(folder.path(), &[]);
    assert_eq!(listed.code, 7, "{}", listed.stderr);
    for words in ["| batch |", "| first ", "| second ", "| offline ", "| held ", "| 3d 0h ", "repeatable_until"] {
        assert!(listed.stdout.contains(words), "{words} in {}", listed.stdout);
    }
    // What is in doubt after TikTok's window is held by the next run.
    assert!(!listed.stdout.contains("in doubt"), "{}", listed.stdout);
    assert!(listed.stderr.contains("a decision is due about 4 events"), "{}", listed.stderr);
    assert!(listed.stderr.contains("--assume-delivered"), "{}", listed.stderr);

    let csv = resolve(folder.path(), &["--format", "csv", "--run", "first"]);
    assert_eq!((csv.code, csv.stdout.lines().count()), (7, 2), "{}", csv.stdout);
    let each = resolve(folder.path(), &["--each", "--format", "json", "--batch", "2"]);
    let rows: Vec<Value> = serde_json::from_str(&each.stdout).unwrap();
    let mut keys: Vec<_> = rows.iter().map(|row| row["event_key"].as_str().unwrap().to_owned()).collect();
    keys.sort_unstable();
    let mut expected = [key("22", "Contact", "1"), key("22", "Purchase", "1")].map(|key| key.to_string());
    expected.sort_unstable();
    assert_eq!(keys, expected);
}

#[test]
fn assumed_deliveries_are_accepted_for_good() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let decided = resolve(folder.path(), &["--assume-delivered", "--event-source-id", "11"]);
    assert_eq!((decided.code, decided.stdout.as_str()), (0, "assumed delivered: 2 events, never to be sent again\n"));
    assert_eq!(decided.stderr, "still waiting for a decision: 2 events\n");
    let others = resolve(folder.path(), &["--assume-delivered"]);
    assert_eq!((others.code, others.stderr.as_str()), (0, ""));
    let listed = resolve(folder.path(), &[]);
    assert_eq!((listed.code, listed.stderr.as_str()), (0, "nothing is in doubt or held\n"));
    assert_eq!(resolve(folder.path(), &["--assume-delivered"]).code, 0, "deciding twice is no mistake");
    assert_eq!(standing(folder.path(), &key("11", "Purchase", "2")), Standing::Accepted);
}

#[test]
fn resending_after_the_window_needs_consent_and_says_what_it_may_cost() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let refused = resolve(folder.path(), &["--resend"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    assert!(refused.stderr.contains("4 events may double count"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    let one = key("11", "Purchase", "1");
    assert!(matches!(standing(folder.path(), &one), Standing::Held { .. }), "nothing was decided");
    let decided = resolve(folder.path(), &["--resend", "--yes", "--event-key", &one.to_string()]);
    assert_eq!(decided.code, 0, "{}", decided.stderr);
    assert!(decided.stdout.starts_with("to be resent: 1 event;"), "{}", decided.stdout);
    assert!(decided.stdout.contains("may double count"), "{}", decided.stdout);
    assert_eq!(standing(folder.path(), &one), Standing::Unknown);
}

#[test]
fn inside_the_window_a_repeat_needs_no_consent_and_keeps_its_first_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let at = now() - HOUR;
    let ledger = open(folder.path(), Namespace::Live, at);
    deliver(&ledger, "11", &[("Purchase", "1", Outcome::Held), ("Purchase", "2", Outcome::InDoubt)], at);
    drop(ledger);
    let listed = resolve(folder.path(), &["--format", "csv"]);
    assert_eq!(listed.code, 7);
    assert!(listed.stderr.contains("no decision is due yet about 1 event in doubt"), "{}", listed.stderr);
    let decided = resolve(folder.path(), &["--resend"]);
    assert_eq!(decided.code, 0, "{}", decided.stderr);
    assert!(decided.stdout.starts_with("to be repeated: 2 events;"), "{}", decided.stdout);
    assert_eq!(standing(folder.path(), &key("11", "Purchase", "1")), Standing::InDoubt { first_attempt: at });
    assert_eq!(resolve(folder.path(), &[]).code, 0, "what a run repeats by itself waits for nobody");
}

#[test]
fn the_window_is_the_one_that_runs_go_by() {
    let folder = tempfile::tempdir().unwrap();
    let at = now() - HOUR;
    let ledger = open(folder.path(), Namespace::Live, at);
    deliver(&ledger, "11", &[("Purchase", "1", Outcome::InDoubt)], at - 2 * DAY);
    drop(ledger);
    let undue = resolve(folder.path(), &[]);
    assert_eq!(undue.code, 0, "sent an hour ago: {}", undue.stderr);
    // A browser may have sent it when it happened, two days ago; or copies are dropped for less long than that.
    for window in [["--pixel-overlap", "true"], ["--dedup-window", "6h"]] {
        let due = resolve(folder.path(), &window);
        let is_closed = window[0] == "--pixel-overlap";
        assert_eq!(due.code, if is_closed { 7 } else { 0 }, "{}", due.stderr);
        let resent = resolve(folder.path(), &[&window[..], &["--resend"]].concat());
        assert_eq!(resent.code, if is_closed { 2 } else { 0 }, "{}", resent.stderr);
    }
    let closed = resolve(folder.path(), &["--dedup-window", "4h"]);
    assert_eq!(closed.code, 7, "four hours are kept for clocks and queues: {}", closed.stderr);
    let settings = file(folder.path(), "postback.toml", "pixel_overlap = true\n");
    let ledger = folder.path().to_str().unwrap();
    let configured = said(&mut postback(&["resolve", "--config", &settings, "--ledger", ledger, "--format", "csv"]));
    assert_eq!(configured.code, 7, "{}", configured.stderr);
    let until = jiff::Timestamp::from_second(at - 2 * DAY + 44 * HOUR).unwrap();
    assert!(configured.stdout.contains(&until.to_string()), "{} in {}", until, configured.stdout);
    assert_eq!(resolve(folder.path(), &["--dedup-window", "soon"]).code, 2);
}

#[test]
fn an_event_is_found_by_its_id() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let ambiguous = resolve(folder.path(), &["--assume-delivered", "--event-id", "1"]);
    assert_eq!(ambiguous.code, 2);
    assert!(ambiguous.stderr.contains("events: `Contact`, `Purchase`"), "{}", ambiguous.stderr);
    // The old name of an event stands for its successor.
    let named = ["--assume-delivered", "--event-id", "1", "--event", "CompletePayment", "--event-source-id", "11"];
    assert_eq!(resolve(folder.path(), &named).code, 0);
    assert_eq!(standing(folder.path(), &key("11", "Purchase", "1")), Standing::Accepted);
    let two = resolve(folder.path(), &["--assume-delivered", "--event-id", "2"]);
    assert_eq!(two.code, 0, "{}", two.stderr);
    for nothing in [&["--event-id", "3"][..], &["--run", "third"], &["--batch", "9"], &["--event-source", "web"]] {
        let nothing = resolve(folder.path(), nothing);
        assert_eq!((nothing.code, nothing.stdout.as_str()), (2, ""), "{}", nothing.stderr);
        assert!(nothing.stderr.contains("nothing that is in doubt or held is what was named"), "{}", nothing.stderr);
    }
    for wrong in [&["--event-key", "12"][..], &["--event-source", "shop"], &["--yes"], &["--event", "Purchase"]] {
        assert_eq!(resolve(folder.path(), wrong).code, 2);
    }
    assert_eq!(resolve(folder.path(), &["--resend", "--assume-delivered"]).code, 2);
}

#[test]
fn a_ledger_that_is_held_absent_or_lost_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    assert_eq!(resolve(&absent, &[]).code, 5);
    assert!(!absent.exists());
    let ledger = filled(folder.path());
    let locked = resolve(folder.path(), &["--assume-delivered"]);
    assert_eq!((locked.code, locked.stdout.as_str()), (6, ""));
    assert!(locked.stderr.contains("process 4711 on etl-3"), "{}", locked.stderr);
    drop(ledger);
    let database = folder.path().join("ledger.sqlite");
    let older = std::fs::read(&database).unwrap();
    drop(open(folder.path(), Namespace::Live, now()));
    std::fs::write(&database, older).unwrap();
    let lost = resolve(folder.path(), &[]);
    assert_eq!(lost.code, 2);
    assert!(lost.stderr.contains("--accept-ledger-loss"), "{}", lost.stderr);
    assert_eq!(resolve(folder.path(), &["--accept-ledger-loss"]).code, 7);
    assert_eq!(resolve(folder.path(), &[]).code, 7, "once accepted, it is the ledger");
}

#[test]
fn each_namespace_has_decisions_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let test = open(folder.path(), Namespace::Test, now() - 3 * DAY);
    deliver(&test, "11", &[("Purchase", "9", Outcome::Held)], now() - 4 * DAY);
    drop(test);
    let listed = resolve(folder.path(), &["--namespace", "test"]);
    assert!(listed.stderr.contains("about 1 event "), "{}", listed.stderr);
    assert_eq!(resolve(folder.path(), &["--namespace", "test", "--assume-delivered"]).code, 0);
    assert_eq!(resolve(folder.path(), &["--namespace", "test"]).code, 0);
    assert_eq!(resolve(folder.path(), &["--namespace", "sandbox"]).code, 5);
    assert_eq!(resolve(folder.path(), &[]).code, 7);
}

const PURCHASE: &str = "SET postback.event_source = 'offline';
SET postback.event_source_id = '7654321098765432109';
SET postback.as_of = '2026-08-21T00:00:00Z';
SELECT 'Purchase' AS event, 1787234400 AS timestamp, 'a@b.example' AS email, '1' AS order_id, 5 AS value, 'USD' AS currency";

#[test]
fn test_events_carry_their_code_and_say_that_they_count_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "purchases.sql", PURCHASE);
    let ledger = folder.path().join("state");
    let server = Server::answering([Answer::ok(OK)]);
    let run = |more: &[&str]| {
        said(
            postback(&["run", &query, "--base-url", &server.url, "--format", "json", "--ledger"])
                .arg(&ledger)
                .args(more),
        )
    };
    let test = run(&["--test-event-code", "TEST12345"]);
    assert_eq!(test.code, 0, "{}", test.stderr);
    assert!(test.stderr.contains("TEST EVENTS: sent under the code TEST12345"), "{}", test.stderr);
    let account: Value = serde_json::from_str(&test.stdout).unwrap();
    assert_eq!(account["mode"], "test");
    assert!(account["destination"].as_str().unwrap().ends_with("as test events TEST12345"), "{account}");
    let live = run(&[]);
    assert_eq!(live.code, 0, "{}", live.stderr);
    let codes: Vec<Value> =
        server.requests().iter().map(|request| json(&request.body)["test_event_code"].clone()).collect();
    assert_eq!(codes, ["TEST12345".into(), Value::Null], "a test is no delivery: the event is sent again");
    assert!(server.requests().iter().all(|request| json(&request.body)["data"][0].get("test_event_code").is_none()));
    assert!(run(&["--test-event-code", "TEST12345", "--quiet"]).stderr.is_empty());
}

#[test]
fn a_test_event_code_is_a_flag_only_and_makes_no_live_host_a_test_bench() {
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "purchases.sql", PURCHASE);
    for wrong in ["", "TEST 1", "TEST\n1"] {
        assert_eq!(said(&mut postback(&["run", &query, "--dry-run", "--test-event-code", wrong])).code, 2);
    }
    let variable = said(postback(&["run", &query, "--dry-run"]).env("POSTBACK_TEST_EVENT_CODE", "TEST1"));
    assert_eq!(variable.code, 2);
    assert!(variable.stderr.contains("--test-event-code only"), "{}", variable.stderr);
    let set = file(folder.path(), "set.sql", format!("SET postback.test_event_code = 'TEST1';\n{PURCHASE}"));
    assert_eq!(said(&mut postback(&["run", &set, "--dry-run"])).code, 2);
    let live = said(postback(&["run", &query, "--test-event-code", "TEST1"]).env("POSTBACK_ACCESS_TOKEN", "token"));
    assert_eq!(live.code, 2);
    assert!(live.stderr.contains("postback.as_of"), "{}", live.stderr);
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
