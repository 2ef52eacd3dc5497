//! What is forgotten, and clocks that jump.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::ledger::WINDOW;
use crate::ledger::tests::batch_at;

const HOUR: i64 = 3_600;

/// The ledger, opened at this time.
fn at(folder: &Path, now: i64) -> Sqlite {
    Sqlite::open(Options { clock: Arc::new(move || now), ..options(folder) }).expect("a sound ledger")
}

/// A run at this time that sends nothing, and an opening after it.
fn pass(folder: &Path, now: i64) {
    let ledger = at(folder, now);
    ledger.begin_run(&Run { id: "empty".into(), query: "a.sql".into(), started: now }).expect("begun");
    drop(ledger);
    drop(at(folder, now));
}

#[test]
fn what_is_too_old_to_be_sent_is_forgotten_unless_it_is_undecided() {
    let home = folder();
    let ledger = open(home.path());
    deliver(&ledger, &batch_at(&[0, 1], NOW - DAY), &[Outcome::Accepted, Outcome::InDoubt]);
    deliver(&ledger, &batch_at(&[2, 3], NOW - DAY), &[Outcome::Accepted, Outcome::Accepted]);
    deliver(&ledger, &batch_at(&[4, 5], NOW), &[Outcome::InDoubt, Outcome::Accepted]);
    deliver(&ledger, &batch_at(&[4], NOW - DAY), &[Outcome::Accepted]);
    deliver(&ledger, &batch_at(&[6], NOW - DAY), &[refused()]);
    drop(ledger);
    let at = |now: i64| at(home.path(), now);
    let pass = |now: i64| pass(home.path(), now);
    let ledger = at(NOW + 30 * DAY);
    assert_eq!((ledger.accepted(), ledger.forgotten_before()), (5, None));
    drop(ledger);
    // A day later only the batches of that day have had their time.
    pass(NOW + 30 * DAY + 1);
    let ledger = at(NOW + 30 * DAY + 2);
    assert_eq!(ledger.forgotten_before(), Some(NOW - DAY + 1));
    assert_eq!(ledger.standing(&key(2)), Standing::Unknown);
    assert_eq!(ledger.standing(&key(6)), Standing::Unknown);
    assert_eq!(ledger.standing(&key(4)), Standing::Accepted, "what decided a doubt outlives it");
    assert_eq!(ledger.in_doubt().expect("read").len(), 1);
    drop(ledger);
    pass(NOW + 300 * DAY);
    let ledger = at(NOW + 300 * DAY);
    assert_eq!(ledger.standing(&key(4)), Standing::Unknown);
    assert!(ledger.standing(&key(1)).first_attempt().is_some(), "a doubt stays until it is decided");
    drop(ledger);
    assert!(verify(&options(home.path()).place, NOW).expect("it is there").is_sound());
}

#[test]
fn what_decided_an_event_is_not_forgotten_before_what_put_it_in_doubt() {
    let home = folder();
    let ledger = open(home.path());
    deliver(&ledger, &batch_at(&[0, 1, 2], NOW - DAY), &[Outcome::InDoubt, Outcome::Held, Outcome::Held]);
    deliver(&ledger, &batch_at(&[0], NOW - DAY), &[refused()]);
    assert_eq!(ledger.decide(&[key(1)], Decision::Resend).expect("decided"), 1);
    drop(ledger);
    let at = |now: i64| at(home.path(), now);
    let pass = |now: i64| pass(home.path(), now);
    pass(NOW + 300 * DAY);
    let ledger = at(NOW + 300 * DAY);
    let expected = [Standing::Rejected { code: 40_002, payload: 0 }, Standing::Unknown];
    assert_eq!([ledger.standing(&key(0)), ledger.standing(&key(1))], expected);
    assert_eq!(ledger.decide(&[key(2)], Decision::AssumeDelivered).expect("decided"), 1);
    drop(ledger);
    pass(NOW + 300 * DAY);
    let ledger = at(NOW + 300 * DAY);
    assert_eq!(standings(&ledger), [Standing::Unknown; 10], "all of it is decided and too old to be sent");
    drop(ledger);
    let found = verify(&options(home.path()).place, NOW).expect("it is there");
    assert_eq!((found.is_sound(), found.batches), (true, 0), "{found:?}");
}

#[test]
fn a_clock_that_is_ahead_once_makes_nothing_forgotten() {
    let home = folder();
    deliver(&open(home.path()), &batch(&[1]), &[Outcome::Accepted]);
    let ahead = NOW + 70 * 365 * DAY;
    let ledger = at(home.path(), ahead);
    ledger.begin_run(&Run { id: "ahead".into(), query: "a.sql".into(), started: ahead }).expect("begun");
    drop(ledger);
    let ledger = open(home.path());
    assert_eq!((ledger.standing(&key(1)), ledger.forgotten_before()), (Standing::Accepted, None));
}

#[test]
fn time_does_not_run_backwards_while_the_ledger_is_open() {
    let home = folder();
    let time = Arc::new(AtomicI64::new(NOW));
    let clock = Arc::clone(&time);
    let options = Options { clock: Arc::new(move || clock.load(Ordering::SeqCst)), ..options(home.path()) };
    let ledger = Sqlite::open(options).expect("a new ledger");
    time.store(NOW + 50 * HOUR, Ordering::SeqCst);
    assert_eq!(ledger.now(), NOW + 50 * HOUR);
    for set_back in [0, NOW] {
        time.store(set_back, Ordering::SeqCst);
        assert_eq!(ledger.now(), NOW + 50 * HOUR);
    }
}

#[test]
fn a_clock_set_back_by_little_changes_nothing() {
    let home = folder();
    deliver(&open(home.path()), &batch(&[1]), &[Outcome::InDoubt]);
    let ledger = at(home.path(), NOW - HOUR);
    assert_eq!(ledger.standing(&key(1)), Standing::InDoubt { first_attempt: NOW });
    assert_eq!(ledger.now(), NOW, "the later of the two counts");
}

#[test]
fn what_is_in_doubt_when_the_clock_was_set_back_is_held_for_good() {
    let home = folder();
    let ledger = open(home.path());
    ledger.begin_run(&Run { id: "first".into(), query: "a.sql".into(), started: NOW }).expect("begun");
    deliver(&ledger, &batch(&[1, 2, 3]), &[Outcome::InDoubt, Outcome::Accepted, Outcome::Held]);
    drop(ledger);
    let ahead = NOW + 70 * 365 * DAY;
    deliver(&at(home.path(), ahead), &batch(&[4]), &[Outcome::InDoubt]);

    // Back to what it was: nobody knows when 4 was sent, nor by which clock 1 was.
    let now = NOW + HOUR;
    let ledger = at(home.path(), now);
    let held = Standing::Held { first_attempt: now - WINDOW };
    assert_eq!([1, 2, 3, 4].map(|number| ledger.standing(&key(number))), [held, Standing::Accepted, held, held]);
    assert_eq!(ledger.now(), now, "time goes on from here");
    let expected = standings(&ledger);
    let mut left = ledger.undecided("a.sql").expect("read");
    left.sort_unstable();
    assert_eq!(left, [key(1), key(3)]);
    deliver(&ledger, &batch(&[5]), &[Outcome::InDoubt]);
    drop(ledger);

    // Once is enough: later openings by the right clock find what was held, and change nothing about it.
    let found = verify(&options(home.path()).place, now).expect("it is there");
    assert_eq!((found.is_sound(), found.held, found.in_doubt), (true, 3, 1), "{found:?}");
    let ledger = at(home.path(), now);
    assert_eq!(standings(&ledger)[..5], expected[..5]);
    assert_eq!(ledger.decide(&[key(1)], Decision::Resend).expect("decided"), 1);
    drop(ledger);
    assert_eq!(at(home.path(), now).standing(&key(1)), Standing::Unknown, "a decision stays one");
}

#[test]
fn looking_by_a_clock_set_back_holds_nothing_on_record() {
    let home = folder();
    deliver(&open(home.path()), &batch(&[1]), &[Outcome::InDoubt]);
    let past = NOW - 30 * DAY;
    let looking = Options::looking(options(home.path()).place, Arc::new(move || past));
    let held = Standing::Held { first_attempt: past - WINDOW };
    assert_eq!(Sqlite::open(looking).expect("sound").standing(&key(1)), held, "as a run by that clock would");
    assert_eq!(open(home.path()).standing(&key(1)), Standing::InDoubt { first_attempt: NOW });
}
