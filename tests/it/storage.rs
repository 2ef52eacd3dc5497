//! The disk: what is on it before a byte is sent, death at any of its steps, and what happens when it is full or fails.
//!
//! The tests watch and disturb the binary through strace, which a machine need not have, so that they are asked for:
//!
//! ```text
//! cargo test --test it storage:: -- --ignored
//! ```
//!
//! The binary hides its memory from other programs of its user, so that strace needs the rights of root.
//! The gate installs strace and runs them with a sample of the steps; `POSTBACK_EVERY_STEP=1` takes all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postback::contract::EventSource;
use postback::event::{Destination, EventKey};
use postback::ledger::sqlite::Options;
use postback::ledger::{Sqlite, Standing, Store};

use crate::history::{EVENTS, Ended, History, REFERENCE, place, verify};
use crate::receiver::now;
use crate::server::{Server, file, program, said};
use crate::trace;

const EVERY_STEP_VARIABLE: &str = "POSTBACK_EVERY_STEP";
/// Steps in the gate.
const SAMPLE: [u32; 7] = [1, 2, 4, 7, 12, 20, 33];
/// More steps than a run has.
const STEPS: u32 = 10_000;
/// Events of a run that is long enough for its log to be moved into the database, and requests before that.
const LONG: u32 = 600;
const MOVED: usize = 60;
/// Requests that may begin while a failure of the disk becomes known: those whose intents were durable.
const UNDER_WAY: usize = 6;

fn steps() -> Vec<u32> {
    if std::env::var(EVERY_STEP_VARIABLE).is_ok_and(|value| value == "1") {
        (1..STEPS).collect()
    } else {
        SAMPLE.to_vec()
    }
}

/// The ledger, opened as a run opens it, and the key of each event of the query in it.
fn ledger(history: &History) -> (Sqlite, HashMap<[u8; 16], String>) {
    let options = Options::new(place(&history.ledger()), Arc::new(now), [0; 32], 28 * 86_400);
    let ledger = Sqlite::open(options).unwrap();
    let destination = Destination { event_source: EventSource::Offline, event_source_id: "7654321098765432109".into() };
    let key = |id: &String| *EventKey::new(&ledger.secret(), &destination, "Purchase", id).as_bytes();
    let keys = REFERENCE.events.keys().map(|id| (key(id), id.clone())).collect();
    (ledger, keys)
}

/// Runs the query under strace; gives what strace wrote, too.
fn run_under_strace(history: &mut History, options: &[&str]) -> (Ended, String) {
    let path = history.path("trace").to_str().unwrap().to_owned();
    let ended = history.run_under(&[&["strace", "-f", "-o", &path][..], options].concat(), None);
    (ended, std::fs::read_to_string(path).unwrap())
}

#[test]
#[ignore = "needs strace, which the gate installs"]
fn every_intent_is_on_the_disk_before_the_first_byte_of_its_body() {
    let mut history = History::new(Duration::from_millis(2));
    let (ended, trace) = run_under_strace(&mut history, &trace::OPTIONS);
    let shown = trace::follow(&trace::read(&trace), &ledger(&history).1);
    assert_eq!((shown.sent, &shown.too_early), (EVENTS, &Vec::new()), "{ended:?}");
    assert!(shown.syncs > 0);
    history.check(&ended, "traced");
}

#[test]
#[ignore = "needs strace, which the gate installs"]
fn a_run_killed_at_any_write_or_sync_is_resumed() {
    for calls in ["fsync,fdatasync", "write,pwrite64", "writev,sendto,sendmsg"] {
        for step in steps() {
            let mut history = History::new(Duration::ZERO);
            let inject = format!("inject={calls}:signal=SIGKILL:when={step}");
            let trace = format!("trace={calls}");
            let (killed, _) = run_under_strace(&mut history, &["-e", &trace, "-e", &inject]);
            if killed.code.is_some() {
                assert_eq!(killed.code, Some(0), "{inject}: {}", killed.stderr);
                break;
            }
            let last = history.run(None);
            history.check(&last, &inject);
        }
    }
}

#[test]
#[ignore = "needs strace, which the gate installs"]
fn a_full_disk_ends_the_run_and_loses_nothing() {
    // From then on, as a full disk stays full.
    fail("write,pwrite64", "ENOSPC", "+", "the disk is full");
}

#[test]
#[ignore = "needs strace, which the gate installs"]
fn a_disk_that_fails_to_write_ends_the_run_and_loses_nothing() {
    fail("write,pwrite64", "EIO", "", "the disk failed");
}

#[test]
#[ignore = "needs strace, which the gate installs"]
fn a_disk_that_fails_to_sync_ends_the_run_and_loses_nothing() {
    fail("fsync,fdatasync", "EIO", "", "the disk failed");
}

#[test]
#[ignore = "needs strace, which the gate installs"]
fn a_disk_that_fails_to_take_the_log_into_the_database_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let query = |events: u32| {
        let orders = format!("generate_series(1001, {})", 1_000 + EVENTS);
        let query = REFERENCE.query.replace(&orders, &format!("generate_series(1, {events})"));
        assert_ne!(query, REFERENCE.query);
        file(folder.path(), "orders.sql", query)
    };
    let server = Server::accepting_after(Duration::from_millis(1));
    let ledger = folder.path().join("ledger");
    let arguments = |query: &str| {
        let fixed = ["--base-url", &server.url, "--ledger", ledger.to_str().unwrap(), "--batch-events", "1"];
        [&["run", query][..], &fixed].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |options: &[&str], query: &str| {
        let arguments = arguments(query);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let binary = [env!("CARGO_BIN_EXE_postback")];
        said(&mut program("strace", &[options, &binary, &arguments].concat()))
    };
    let trace = folder.path().join("trace").to_str().unwrap().to_owned();
    let quiet = ["-f", "-ttt", "-o", &trace];
    assert_eq!(run(&quiet, &query(1)).code, 0);
    // With a ledger that is there, nothing reaches its file but the log, in the middle of the run and at its end.
    let database = place(&ledger).database().to_str().unwrap().to_owned();
    let failing = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO:when=1", "-P", &database];
    let failed = run(&[&quiet[..], &failing].concat(), &query(LONG));
    assert_eq!(failed.code, 4, "{}", failed.stderr);
    assert!(failed.stderr.contains("the disk failed"), "{}", failed.stderr);
    let sent = server.requests();
    assert!((1 + MOVED..LONG as usize).contains(&sent.len()), "{} requests", sent.len());
    let failed_at = first_failure(&std::fs::read_to_string(&trace).unwrap()).unwrap();
    let after = sent.iter().filter(|request| request.at > failed_at).count();
    assert!(after <= UNDER_WAY, "{after} of {} requests after the failure", sent.len());
    let again = run(&quiet, &query(LONG));
    assert_eq!(again.code, 0, "{}", again.stderr);
    let found = verify(&ledger);
    assert_eq!((found.is_sound(), found.accepted, found.in_doubt), (true, u64::from(LONG), 0), "{found:?}");
}

/// Makes the ledger's `calls` fail with `error`, at each step of a run.
fn fail(calls: &str, error: &str, onwards: &str, said: &str) {
    let mut history = History::new(Duration::from_millis(2));
    // strace has to know the paths, and the first run shows them.
    assert_eq!(history.run(None).code, Some(0));
    let database = place(&history.ledger()).database().to_str().unwrap().to_owned();
    let log = format!("{database}-wal");
    for step in steps() {
        history.forget();
        let (trace, name) = (format!("trace={calls}"), format!("inject={calls}:error={error}:when={step}{onwards}"));
        let options = ["-ttt", "-e", &trace, "-e", &name, "-P", &database, "-P", &log];
        let (failed, trace) = run_under_strace(&mut history, &options);
        let Some(failed_at) = first_failure(&trace) else {
            assert_eq!(failed.code, Some(0), "{name}: {failed:?}");
            break;
        };
        let arrivals = history.receiver.arrivals();
        match failed.code {
            // The failure met nothing but the tidying up at the end.
            Some(0) => history.check(&failed, &name),
            Some(2) => assert!(arrivals.is_empty(), "{name}: {}", failed.stderr),
            code => assert_eq!(code, Some(4), "{name}: {}", failed.stderr),
        }
        assert!(failed.code == Some(0) || failed.stderr.contains(said), "{name}: {}", failed.stderr);

        let after = arrivals.iter().filter(|arrival| arrival.at > failed_at).count();
        assert!(after <= UNDER_WAY, "{name}: {after} requests after the failure");
        let (ledger, keys) = ledger(&history);
        let known = |id: &str| {
            let mut of_id = keys.iter().filter(|(_, known)| *known == id);
            of_id.all(|(key, _)| ledger.standing(&EventKey::from(*key)) != Standing::Unknown)
        };
        for event in arrivals.iter().flat_map(|arrival| &arrival.events) {
            assert!(known(&event.id), "{name}: {} was sent and is not on record", event.id);
        }
        drop(ledger);
        let found = history.verify();
        assert!(found.is_sound(), "{name}: {:?}", found.problems);
        let last = history.run(None);
        history.check(&last, &name);
    }
}

/// When a call was first made to fail, in a trace with times.
fn first_failure(trace: &str) -> Option<SystemTime> {
    let line = trace.lines().find(|line| line.ends_with("(INJECTED)"))?;
    let seconds = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    Some(UNIX_EPOCH + Duration::from_secs_f64(seconds))
}
