//! Ledgers that are lost, old, cut or altered.

use std::fs::{self, OpenOptions};
use std::thread;

use tempfile::TempDir;

use super::*;
use crate::ledger::tests::{copy, copy_database};

/// Asks for every byte, where the gate takes a sample.
const EVERY_BYTE_VARIABLE: &str = "POSTBACK_EVERY_BYTE";
/// Bytes from one of the sample to the next.
const STRIDE: usize = 23;

fn is_every_byte() -> bool {
    std::env::var(EVERY_BYTE_VARIABLE).is_ok_and(|value| value == "1")
}

#[test]
fn a_ledger_that_is_gone_or_older_is_not_taken_for_an_empty_one() {
    let home = folder();
    filled(home.path());
    let kept = folder();
    copy_database(home.path(), kept.path());
    drop(open(home.path()));
    copy_database(kept.path(), home.path());
    let error = Sqlite::open(options(home.path())).expect_err("an older copy");
    assert!(error.message().starts_with("the ledger is older"), "{error}");
    let place = options(home.path()).place;
    let found = verify(&place, NOW).expect("it is there");
    assert_eq!(found.problems[0].to_string(), "the ledger is older than the one that was last used here");
    let error = repair(&place, NOW, false).expect_err("what it lacks cannot be saved");
    assert!(error.message().starts_with("the ledger is older"), "{error}");
    fs::remove_file(home.path().join("ledger.sqlite")).expect("removed");
    let error = Sqlite::open(options(home.path())).expect_err("no ledger");
    assert!(error.message().starts_with("the ledger is gone"), "{error}");
    assert!(!home.path().join("ledger.sqlite").exists(), "its place stays free for a copy");
    let error = Sqlite::open(options(home.path())).expect_err("asking twice changes nothing");
    assert!(error.message().starts_with("the ledger is gone"), "{error}");
    Sqlite::open(Options { accept_loss: true, ..options(home.path()) }).expect("a new ledger");
    open(home.path());
}

/// A ledger that is killed when it has ten events of five batches, and each of its moments.
fn killed() -> (TempDir, Vec<Vec<Standing>>) {
    let home = folder();
    let mut moments = Vec::new();
    let ledger = open(home.path());
    let mut remember = || {
        let found = folder();
        copy(home.path(), found.path());
        moments.push(standings(&open(found.path())));
    };
    remember();
    for round in 0..5_u8 {
        let (one, two) = (round * 2, round * 2 + 1);
        let ticket = ledger.prepare(&batch(&[one, two])).expect("prepared");
        remember();
        ledger.settle(ticket, &[Outcome::Accepted, refused()]).expect("settled");
        remember();
    }
    let crashed = folder();
    copy(home.path(), crashed.path());
    (crashed, moments)
}

/// Opens a killed ledger whose log is not what was written; says whether that was found.
///
/// If it was not, every intent is there: a lost end leaves its events in doubt, which is safe.
fn is_found(killed: &Path, moments: &[Vec<Standing>], log: Option<&[u8]>, what: &str) -> bool {
    let home = folder();
    copy(killed, home.path());
    let path = home.path().join("ledger.sqlite-wal");
    match log {
        Some(log) => fs::write(path, log).expect("written"),
        None => fs::remove_file(path).expect("removed"),
    }
    match Sqlite::open(options(home.path())) {
        Ok(ledger) => {
            let after = standings(&ledger);
            let last = moments.len() - 2;
            assert!(moments[last..].contains(&after), "{what}: {after:?}");
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Usage, "{what}: {error}");
            true
        }
    }
}

#[test]
fn a_log_that_is_cut_or_lost_is_not_taken_for_an_earlier_moment() {
    let (killed, moments) = killed();
    let log = fs::read(killed.path().join("ledger.sqlite-wal")).expect("the log");
    let cuts: Vec<usize> = (0..log.len()).step_by(509).chain([log.len()]).collect();
    let found = cuts.iter().filter(|cut| is_found(killed.path(), &moments, Some(&log[..**cut]), &format!("{cut}")));
    let found = found.count();
    assert!(found > 100 && found < cuts.len(), "{found}");
    assert!(is_found(killed.path(), &moments, None, "lost"));
}

#[test]
fn every_flipped_bit_of_the_log_is_found_or_harmless() {
    let (killed, moments) = killed();
    let log = fs::read(killed.path().join("ledger.sqlite-wal")).expect("the log");
    let stride = if is_every_byte() { 1 } else { 16 * STRIDE };
    let places: Vec<usize> = (0..log.len()).step_by(stride).collect();
    let flip = |place: usize| {
        let mut log = log.clone();
        log[place] ^= 1 << (place % 8);
        is_found(killed.path(), &moments, Some(&log), &format!("byte {place}"))
    };
    let found = places.iter().filter(|place| flip(**place)).count();
    assert!(found > 100, "{found}");
}

#[test]
fn a_ledger_that_lacks_its_last_batches_is_repaired_so_that_nothing_counts_twice() {
    let home = folder();
    filled(home.path());
    let ledger = open(home.path());
    let length = fs::metadata(home.path().join("ledger.sqlite-wal")).expect("the log").len();
    deliver(&ledger, &batch(&[8]), &[Outcome::Accepted]);
    let lacking = "the ledger lacks the last batch that it held: the end of its log is lost";
    for (now, forgotten_before) in [(NOW + 60, None), (NOW + 3 * DAY, Some(NOW + 3 * DAY + 3_600))] {
        let crashed = folder();
        copy(home.path(), crashed.path());
        let log = OpenOptions::new().write(true).open(crashed.path().join("ledger.sqlite-wal")).expect("the log");
        log.set_len(length).expect("cut to what this opening had written before");
        let place = options(crashed.path()).place;
        for _ in 0..2 {
            assert_eq!(Sqlite::open(options(crashed.path())).expect_err("a batch is missing").message(), lacking);
            let found = verify(&place, NOW).expect("it is there");
            assert_eq!(found.problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [lacking]);
        }
        let accepted = folder();
        copy(crashed.path(), accepted.path());

        let repaired = repair(&place, now, false).expect("the rest is whole");
        assert_eq!((repaired.lost_batches, repaired.gaps), (1, vec![5..=5]));
        assert_eq!(repaired.forgotten_before, forgotten_before, "TikTok drops copies for a while");
        assert_eq!(open(crashed.path()).forgotten_before(), forgotten_before);

        Sqlite::open(Options { accept_loss: true, ..options(accepted.path()) }).expect("whoever accepts it knows");
        for home in [crashed, accepted] {
            let ledger = open(home.path());
            assert_eq!((ledger.standing(&key(8)), ledger.standing(&key(0))), (Standing::Unknown, Standing::Accepted));
            deliver(&ledger, &batch(&[8]), &[Outcome::Accepted]);
            drop(ledger);
            assert!(verify(&options(home.path()).place, NOW).expect("it is there").is_sound());
        }
    }
}

#[test]
fn every_flipped_bit_is_found_or_harmless() {
    let home = folder();
    let before = filled(home.path());
    let path = home.path().join("ledger.sqlite");
    let whole = fs::read(&path).expect("read");
    let stride = if is_every_byte() { 1 } else { STRIDE };
    let places: Vec<usize> = (0..whole.len()).step_by(stride).collect();
    let flip = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        let damaged = folder();
        fs::write(damaged.path().join("ledger.sqlite"), bytes).expect("written");
        match Sqlite::open(options(damaged.path())) {
            Ok(ledger) => {
                assert_eq!((standings(&ledger), ledger.secret()), (before.clone(), [7; 32]), "byte {place}");
                0
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Usage, "byte {place}: {error}");
                1
            }
        }
    };
    let found: usize = thread::scope(|scope| {
        let parts: Vec<_> = places.chunks(places.len().div_ceil(4)).collect();
        let threads: Vec<_> = parts
            .into_iter()
            .map(|part| scope.spawn(|| part.iter().map(|place| flip(*place)).sum::<usize>()))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no flip failed")).sum()
    });
    assert!(found > 10, "{found}");
    for length in [0, 1, 512, 4_096, whole.len() / 2, whole.len() - 4_096] {
        fs::write(&path, &whole[..length]).expect("written");
        assert!(Sqlite::open(options(home.path())).is_err(), "cut to {length}");
    }
}

#[test]
fn what_is_altered_or_lost_is_found_and_the_rest_is_saved() {
    for (sql, problem, accepted, lost) in [
        ("UPDATE endings SET outcomes = x'0003' WHERE batch = 1", "end of batch 1: is not what was written", 1, 0),
        ("DELETE FROM endings WHERE batch = 1", "rows are missing, or there are more than were written", 1, 0),
        ("DELETE FROM batches WHERE id = 4", "end of batch 4: is of a batch that is not on record", 2, 1),
        ("UPDATE batches SET event_keys = zeroblob(48) WHERE id = 1", "batch 1: is not what was written", 1, 1),
        ("DELETE FROM runs", "batch 1: is of a run that is not on record", 3, 0),
    ] {
        let home = folder();
        filled(home.path());
        tamper(home.path(), sql);
        let place = options(home.path()).place;
        let error = Sqlite::open(options(home.path())).expect_err("it is damaged");
        assert!(error.message().starts_with("the ledger is damaged"), "{sql}: {error}");
        let found = verify(&place, NOW).expect("it is there");
        assert!(found.problems.iter().any(|found| found.to_string() == problem), "{sql}: {found:?}");
        let repaired = repair(&place, NOW + 3 * DAY, false).expect("most of it is whole");
        assert!(repaired.damaged.exists());
        assert_eq!((repaired.lost_batches, repaired.forgotten_before.is_some()), (lost, lost > 0), "{sql}");
        let ledger = open(home.path());
        assert_eq!(ledger.accepted(), accepted, "{sql}");
        deliver(&ledger, &batch(&[9]), &[Outcome::Accepted]);
        drop(ledger);
        assert_eq!(open(home.path()).accepted(), accepted + 1);
    }
}

#[test]
fn unreadable_pages_cost_only_their_rows() {
    let home = folder();
    let ledger = open(home.path());
    for number in 0..200 {
        let mut own = batch(&[1]);
        let mut bytes = [0x11; 16];
        bytes[15] = number;
        let event = crate::event::EncodedEvent { key: EventKey::from(bytes), ..own.events[0].clone() };
        own.events = Arc::from([event]);
        deliver(&ledger, &own, &[Outcome::Accepted]);
    }
    drop(ledger);
    let path = home.path().join("ledger.sqlite");
    let mut bytes = fs::read(&path).expect("read");
    let page =
        bytes.chunks(4_096).position(|page| page.windows(15).any(|part| part == [0x11; 15])).expect("there is one");
    // The second of the pages with batches.
    let second = bytes.chunks(4_096).skip(page + 1).position(|page| page.windows(15).any(|part| part == [0x11; 15]));
    let start = (page + 1 + second.expect("there is another")) * 4_096;
    bytes[start..start + 4_096].fill(0xff);
    fs::write(&path, bytes).expect("written");
    let repaired = repair(&options(home.path()).place, NOW + 60, false).expect("most of it is whole");
    assert!((100..200).contains(&repaired.batches), "{repaired:?}");
    assert_eq!(repaired.batches + repaired.lost_batches, 200);
    assert_eq!(repaired.gaps.len(), 1, "{repaired:?}");
    assert_eq!(repaired.forgotten_before, None, "TikTok still drops copies of all of them");
    assert_eq!(open(home.path()).accepted() as u64, repaired.batches);
}

#[test]
fn a_ledger_without_its_secret_cannot_be_repaired_and_stays_where_it_is() {
    let home = folder();
    filled(home.path());
    tamper(home.path(), "UPDATE about SET secret = zeroblob(32)");
    let error = repair(&options(home.path()).place, NOW, false).expect_err("no secret");
    assert!(error.message().contains("secret"), "{error}");
    assert!(home.path().join("ledger.sqlite").exists());
}
