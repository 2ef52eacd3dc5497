//! What every ledger must do, asked of both.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::sqlite::{Holder, Namespace, Options, Place};
use super::*;
use crate::contract::EventSource;
use crate::event::{Destination, EncodedEvent, Refusal};

/// Histories in the normal gate; the environment variable asks for more.
const HISTORIES: u32 = 150;
const HISTORIES_VARIABLE: &str = "POSTBACK_LEDGER_HISTORIES";
/// Events that histories are about.
const ALPHABET: u8 = 10;
pub(super) const NOW: i64 = 1_787_234_809;
const QUERIES: [&str; 2] = ["a.sql", "b.sql"];

/// A folder in memory where there is one, since histories sync at every step.
pub(super) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    folder.expect("a temporary folder")
}

pub(super) fn options(folder: &Path) -> Options {
    options_at(folder, Arc::new(|| NOW))
}

fn options_at(folder: &Path, clock: Clock) -> Options {
    let holder = Holder { pid: 4_711, host: "etl-3".into() };
    let place = Place { folder: folder.to_owned(), namespace: Namespace::Live, holder };
    Options { linger: Duration::ZERO, reserve: 0, ..Options::new(place, clock, [7; 32], 28 * 86_400) }
}

pub(super) fn key(number: u8) -> EventKey {
    EventKey::from([number.wrapping_mul(25); 16])
}

/// A batch of events of these numbers, whose payload is their number.
pub(super) fn batch_at(numbers: &[u8], time: i64) -> Batch {
    let event = |(row, number): (usize, &u8)| EncodedEvent {
        key: key(*number),
        span: row * 3..row * 3 + 2,
        time,
        row: row as u64,
        payload: u64::from(*number),
    };
    let events: Arc<[EncodedEvent]> = numbers.iter().enumerate().map(event).collect();
    Batch {
        destination: Destination { event_source: EventSource::Offline, event_source_id: "1".into() },
        head: Bytes::from_static(b"{\"data\":["),
        json: Bytes::from_static(b"{},{},{},{}"),
        range: 0..events.len(),
        events,
    }
}

pub(super) fn batch(numbers: &[u8]) -> Batch {
    batch_at(numbers, NOW - 60)
}

pub(super) fn refused() -> Outcome {
    Outcome::Rejected(Refusal { code: 40_002, field: Some("user.email"), request_id: Some("2026112200".into()) })
}

/// Standings of all events.
pub(super) fn standings(store: &dyn Store) -> Vec<Standing> {
    (0..ALPHABET).map(|number| store.standing(&key(number))).collect()
}

/// Copies what a machine that stops now would find.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::copy(from.join("ledger.lock"), to.join("ledger.lock")).expect("copied");
    copy_database(from, to);
}

/// Copies what a machine that stops now would find of the database, as somebody would who keeps copies of it.
pub(super) fn copy_database(from: &Path, to: &Path) {
    for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).expect("copied");
        }
    }
}

/// Asks both kinds of ledger.
fn each(ask: impl Fn(&dyn Store)) {
    ask(&Model::with_clock([7; 32], Arc::new(|| NOW)));
    let folder = folder();
    ask(&Sqlite::open(options(folder.path())).expect("a new ledger"));
}

#[test]
fn only_settled_acceptance_counts_as_accepted() {
    each(|store| {
        let ticket = store.prepare(&batch(&[1, 2])).expect("prepared");
        assert!(!store.contains(&key(1)));
        store.settle(ticket, &[Outcome::Accepted, Outcome::Unsent]).expect("settled");
        assert!(store.contains(&key(1)));
        assert_eq!(store.standing(&key(2)), Standing::Unknown);
    });
}

#[test]
fn remembers_attempts_in_doubt_but_no_failed_or_withdrawn_ones() {
    each(|store| {
        let cancelled = store.prepare(&batch(&[3])).expect("prepared");
        store.cancel(cancelled).expect("cancelled");
        let unsent = store.prepare(&batch(&[3])).expect("prepared");
        assert!(!unsent.attempted());
        store.settle(unsent, &[Outcome::Unsent]).expect("settled");
        let doubtful = store.prepare(&batch(&[3])).expect("prepared");
        assert!(!doubtful.attempted());
        store.settle(doubtful, &[Outcome::InDoubt]).expect("settled");
        let again = store.prepare(&batch(&[3, 4])).expect("prepared");
        assert!(again.attempted());
        assert_eq!(again.record(0..2).into_bytes().as_ref(), b"{\"data\":[{},{}]}");
        store.cancel(again).expect("cancelled");
        assert_eq!(store.standing(&key(3)), Standing::InDoubt { first_attempt: NOW });
    });
}

#[test]
fn a_known_failure_does_not_end_a_doubt_and_an_answer_does() {
    each(|store| {
        for (outcome, standing) in [
            (Outcome::InDoubt, Standing::InDoubt { first_attempt: NOW }),
            (Outcome::Unsent, Standing::InDoubt { first_attempt: NOW }),
            (Outcome::Held, Standing::Held { first_attempt: NOW }),
            (Outcome::InDoubt, Standing::Held { first_attempt: NOW }),
            (refused(), Standing::Rejected { code: 40_002, payload: 5 }),
            (Outcome::Accepted, Standing::Accepted),
            (Outcome::InDoubt, Standing::Accepted),
        ] {
            let ticket = store.prepare(&batch(&[5])).expect("prepared");
            store.settle(ticket, &[outcome]).expect("settled");
            assert_eq!(store.standing(&key(5)), standing);
        }
    });
}

#[test]
fn refuses_outcomes_that_do_not_match_and_events_that_are_under_way() {
    each(|store| {
        let ticket = store.prepare(&batch(&[1, 2])).expect("prepared");
        assert!(store.prepare(&batch(&[3, 2])).is_err());
        let other = store.prepare(&batch(&[3])).expect("a refused batch holds nothing back");
        store.cancel(other).expect("cancelled");
        assert!(store.settle(ticket, &[Outcome::Accepted]).is_err());
    });
}

#[test]
fn the_last_success_is_of_the_query_and_of_a_run_that_succeeded() {
    each(|store| {
        for (id, query, started, succeeded) in [("1", "a", 10, true), ("2", "b", 20, true), ("3", "a", 30, false)] {
            store.begin_run(&Run { id: id.into(), query: query.into(), started }).expect("begun");
            store.end_run(succeeded).expect("ended");
        }
        assert_eq!(
            (store.last_success("a"), store.last_success("b"), store.last_success("c")),
            (Some(10), Some(20), None)
        );
    });
}

/// An event that is in doubt, decided in each way.
#[test]
fn a_decision_says_what_may_be_sent() {
    let held = Standing::Held { first_attempt: NOW };
    let in_doubt = Standing::InDoubt { first_attempt: NOW };
    let model = || Model::with_clock([7; 32], Arc::new(|| NOW));
    for (outcome, before, decision, after) in [
        (Outcome::Held, held, Decision::AssumeDelivered, Standing::Accepted),
        (Outcome::Held, held, Decision::Repeat, in_doubt),
        (Outcome::Held, held, Decision::Resend, Standing::Unknown),
        (Outcome::InDoubt, in_doubt, Decision::AssumeDelivered, Standing::Accepted),
        (Outcome::InDoubt, in_doubt, Decision::Repeat, in_doubt),
        (Outcome::InDoubt, in_doubt, Decision::Resend, Standing::Unknown),
    ] {
        let store = model();
        let ticket = store.prepare(&batch(&[1])).expect("prepared");
        store.settle(ticket, &[outcome]).expect("settled");
        assert_eq!(store.standing(&key(1)), before);
        assert_eq!(store.decide(&[key(1), key(2)], decision).expect("decided"), 1);
        assert_eq!(store.standing(&key(1)), after);
    }
}

/// A step of a history.
#[derive(Clone, Debug)]
enum Step {
    Prepare(Vec<u8>),
    Settle(usize, Vec<Outcome>),
    Cancel(usize),
    BeginRun(usize),
    EndRun(bool),
    Decide(Vec<u8>, Decision),
    /// The machine stops, and the ledger is opened again from what is on its disk.
    Crash,
    /// The ledger is closed and opened again.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Accepted),
        1 => Just(refused()),
        1 => Just(Outcome::Unsent),
        1 => Just(Outcome::InDoubt),
        1 => Just(Outcome::Held),
    ];
    let decision = prop_oneof![Just(Decision::AssumeDelivered), Just(Decision::Repeat), Just(Decision::Resend)].boxed();
    prop_oneof![
        8 => prop::collection::vec(0..ALPHABET, 1..5).prop_map(Step::Prepare),
        6 => (any::<usize>(), prop::collection::vec(outcome, 5)).prop_map(|(ticket, ends)| Step::Settle(ticket, ends)),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => (0..QUERIES.len()).prop_map(Step::BeginRun),
        1 => any::<bool>().prop_map(Step::EndRun),
        3 => (prop::collection::vec(0..ALPHABET, 1..5), decision).prop_map(|(keys, decision)| Step::Decide(keys, decision)),
        2 => Just(Step::Crash),
        1 => Just(Step::Reopen),
    ]
}

fn histories() -> u32 {
    std::env::var(HISTORIES_VARIABLE).ok().and_then(|count| count.parse().ok()).unwrap_or(HISTORIES)
}

/// Lives through a history in both ledgers; they must agree after every step.
fn live(steps: Vec<Step>) {
    let time = Arc::new(AtomicI64::new(NOW));
    let clock: Clock = {
        let time = Arc::clone(&time);
        Arc::new(move || time.load(Ordering::Relaxed))
    };
    let model = Model::with_clock([7; 32], Arc::clone(&clock));
    let mut home = folder();
    let mut ledger = Some(Sqlite::open(options_at(home.path(), Arc::clone(&clock))).expect("a new ledger"));
    let mut tickets: Vec<(Ticket, Ticket)> = Vec::new();
    for step in steps {
        time.fetch_add(60, Ordering::Relaxed);
        let on_disk = ledger.as_ref().expect("it is open between steps");
        match &step {
            Step::Prepare(numbers) => match (model.prepare(&batch(numbers)), on_disk.prepare(&batch(numbers))) {
                (Ok(one), Ok(other)) => {
                    assert_eq!((one.attempted, one.first_attempt), (other.attempted, other.first_attempt));
                    tickets.push((one, other));
                }
                (Err(one), Err(other)) => assert_eq!(one.message(), other.message()),
                (one, other) => panic!("{one:?} {other:?}"),
            },
            Step::Settle(..) | Step::Cancel(_) if tickets.is_empty() => {}
            Step::Settle(position, ends) => {
                let (one, other) = tickets.swap_remove(position % tickets.len());
                let ends = &ends[..one.batch().len()];
                model.settle(one, ends).expect("settled");
                on_disk.settle(other, ends).expect("settled");
            }
            Step::Cancel(position) => {
                let (one, other) = tickets.swap_remove(position % tickets.len());
                model.cancel(one).expect("cancelled");
                on_disk.cancel(other).expect("cancelled");
            }
            Step::BeginRun(query) => {
                let run = Run { id: "x".into(), query: QUERIES[*query].into(), started: clock() };
                model.begin_run(&run).expect("begun");
                on_disk.begin_run(&run).expect("begun");
            }
            Step::EndRun(succeeded) => {
                model.end_run(*succeeded).expect("ended");
                on_disk.end_run(*succeeded).expect("ended");
            }
            Step::Decide(numbers, decision) => {
                let keys: Vec<_> = numbers.iter().copied().map(key).collect();
                match (model.decide(&keys, *decision), on_disk.decide(&keys, *decision)) {
                    (Ok(one), Ok(other)) => assert_eq!(one, other),
                    (Err(one), Err(other)) => assert_eq!(one.message(), other.message()),
                    (one, other) => panic!("{one:?} {other:?}"),
                }
            }
            Step::Crash | Step::Reopen => {
                let found = folder();
                if matches!(step, Step::Crash) {
                    copy(home.path(), found.path());
                }
                drop(ledger.take());
                if matches!(step, Step::Crash) {
                    home = found;
                }
                tickets.clear();
                model.crash();
                ledger = Some(Sqlite::open(options_at(home.path(), Arc::clone(&clock))).expect("a sound ledger"));
            }
        }
        let on_disk = ledger.as_ref().expect("it is open between steps");
        assert_eq!(standings(&model), standings(on_disk), "after {step:?}");
        assert_eq!(model.accepted(), on_disk.accepted());
        for query in QUERIES {
            assert_eq!(model.last_success(query), on_disk.last_success(query));
        }
    }
    let on_disk = ledger.expect("it is open between steps");
    let listed: Vec<EventKey> =
        on_disk.in_doubt().expect("read").into_iter().flat_map(|doubt| [doubt.in_doubt, doubt.held].concat()).collect();
    let undecided = (0..ALPHABET).map(key).filter(|key| model.standing(key).first_attempt().is_some());
    assert_eq!(sorted(listed), sorted(undecided.collect()));
    drop(on_disk);
    let place = options(home.path()).place;
    let found = sqlite::verify(&place, NOW).expect("it is there");
    assert!(found.is_sound(), "{found:?}");
}

fn sorted(mut keys: Vec<EventKey>) -> Vec<EventKey> {
    keys.sort_unstable();
    keys
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(histories()))]
    #[test]
    fn the_ledger_on_disk_lives_as_the_one_in_memory(steps in prop::collection::vec(step(), 1..40)) {
        live(steps);
    }
}
