//! What concerns the file: crashes, damage, a full disk, one owner, what is forgotten.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rusqlite::Connection;

use super::*;
use crate::ledger::tests::{NOW, batch, batch_at, copy, folder, key, options, refused, standings};

const DAY: i64 = 86_400;
/// Bytes that an event may take on disk.
const MAX_BYTES_PER_EVENT: f64 = 18.0;

fn open(folder: &Path) -> Sqlite {
    Sqlite::open(options(folder)).expect("a sound ledger")
}

/// Delivers a batch with these outcomes.
fn deliver(ledger: &Sqlite, batch: &Batch, outcomes: &[Outcome]) {
    let ticket = ledger.prepare(batch).expect("prepared");
    ledger.settle(ticket, outcomes).expect("settled");
}

/// A ledger with a bit of everything, closed.
fn filled(folder: &Path) -> Vec<Standing> {
    let ledger = open(folder);
    ledger.begin_run(&Run { id: "20261122T2300".into(), query: "a.sql".into(), started: NOW }).expect("begun");
    deliver(&ledger, &batch(&[0, 1, 2]), &[Outcome::Accepted, refused(), Outcome::Accepted]);
    deliver(&ledger, &batch(&[3, 4]), &[Outcome::Held, Outcome::InDoubt]);
    let left_open = ledger.prepare(&batch(&[5])).expect("prepared");
    deliver(&ledger, &batch(&[6, 7]), &[Outcome::Accepted, Outcome::Unsent]);
    ledger.end_run(true).expect("ended");
    drop(left_open);
    drop(ledger);
    standings(&open(folder))
}

#[test]
fn a_ledger_that_is_open_is_locked_and_names_its_holder() {
    let home = folder();
    let ledger = open(home.path());
    let error = Sqlite::open(options(home.path())).expect_err("it is held");
    assert_eq!(error.kind(), ErrorKind::Locked);
    let holder = error.contexts().iter().find(|(name, _)| *name == "holder").map(|(_, holder)| holder.as_str());
    assert_eq!(holder, Some("process 4711 on etl-3, since 2026-08-20T14:06:49Z"));
    assert_eq!(verify(&options(home.path()).place, NOW).expect_err("it is held").kind(), ErrorKind::Locked);
    drop(ledger);
    // The note of the last holder is still there, and holds nobody up.
    open(home.path());
}

#[test]
fn namespaces_do_not_meet() {
    let home = folder();
    let live = open(home.path());
    deliver(&live, &batch(&[1]), &[Outcome::Accepted]);
    let mut other = options(home.path());
    other.place.namespace = Namespace::Test;
    let test = Sqlite::open(other.clone()).expect("another ledger");
    assert_eq!((live.standing(&key(1)), test.standing(&key(1))), (Standing::Accepted, Standing::Unknown));
    drop((live, test));
    fs::copy(home.path().join("ledger.sqlite"), home.path().join("ledger-test.sqlite")).expect("copied");
    let error = Sqlite::open(other).expect_err("it is the wrong one");
    assert_eq!(error.message(), "the ledger is about live events, not test ones");
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_the_files() {
    let home = folder();
    let path = home.path().join("state");
    let ledger = open(&path);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for entry in fs::read_dir(&path).expect("a folder") {
        let file = entry.expect("a file").path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    drop(ledger);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("changed");
    assert!(Sqlite::open(options(&path)).is_err());
}

#[test]
fn the_secret_stays_the_one_it_was_made_with() {
    let home = folder();
    drop(open(home.path()));
    let ledger = Sqlite::open(Options { fresh_secret: Some([9; 32]), ..options(home.path()) }).expect("a sound ledger");
    assert_eq!(ledger.secret(), [7; 32]);
    assert!(!format!("{ledger:?} {:?}", options(home.path())).contains("7, 7"));
}

#[test]
fn a_ledger_that_is_gone_or_older_is_not_taken_for_an_empty_one() {
    let home = folder();
    filled(home.path());
    let kept = folder();
    copy(home.path(), kept.path());
    drop(open(home.path()));
    copy(kept.path(), home.path());
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
    let error = Sqlite::open(options(home.path())).expect_err("asking twice changes nothing");
    assert!(error.message().starts_with("the ledger is gone"), "{error}");
    Sqlite::open(Options { accept_loss: true, ..options(home.path()) }).expect("a new ledger");
    open(home.path());
}

#[test]
fn a_newer_version_is_refused() {
    let home = folder();
    drop(open(home.path()));
    let connection = Connection::open(home.path().join("ledger.sqlite")).expect("opened");
    connection.pragma_update(None, "user_version", 99).expect("set");
    drop(connection);
    let error = Sqlite::open(options(home.path())).expect_err("too new");
    assert!(error.message().starts_with("the ledger is of version 99"), "{error}");
}

#[test]
fn wherever_the_log_is_cut_a_moment_of_the_past_is_found() {
    let home = folder();
    let mut moments = vec![vec![Standing::Unknown; 10]];
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
    let log = fs::read(crashed.path().join("ledger.sqlite-wal")).expect("the log");
    for cut in (0..log.len()).step_by(509) {
        let found = folder();
        copy(crashed.path(), found.path());
        fs::write(found.path().join("ledger.sqlite-wal"), &log[..cut]).expect("cut");
        let after = standings(&open(found.path()));
        assert!(moments.contains(&after), "cut at {cut}: {after:?}");
    }
}

#[test]
fn every_flipped_bit_is_found_or_harmless() {
    let home = folder();
    let before = filled(home.path());
    let path = home.path().join("ledger.sqlite");
    let whole = fs::read(&path).expect("read");
    let mut found = 0;
    for place in (0..whole.len()).step_by(23) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        let damaged = folder();
        fs::write(damaged.path().join("ledger.sqlite"), bytes).expect("written");
        match Sqlite::open(options(damaged.path())) {
            Ok(ledger) => assert_eq!((standings(&ledger), ledger.secret()), (before.clone(), [7; 32]), "byte {place}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Usage, "byte {place}: {error}");
                found += 1;
            }
        }
    }
    assert!(found > 10, "{found}");
    for length in [0, 1, 512, 4_096, whole.len() / 2, whole.len() - 4_096] {
        fs::write(&path, &whole[..length]).expect("written");
        assert!(Sqlite::open(options(home.path())).is_err(), "cut to {length}");
    }
}

#[test]
fn on_a_full_disk_nothing_more_is_prepared_and_what_was_is_kept() {
    let home = folder();
    let ledger = Sqlite::open(Options { max_pages: Some(40), ..options(home.path()) }).expect("a new ledger");
    let large = |number: u64| {
        let mut events = batch(&[0; 1]).events.to_vec();
        let first = events[0].clone();
        events = (0..1_000_u64)
            .map(|row| {
                let mut bytes = [0xee; 16];
                bytes[..8].copy_from_slice(&(number * 1_000 + row).to_be_bytes());
                crate::event::EncodedEvent { key: EventKey::from(bytes), ..first.clone() }
            })
            .collect();
        Batch { range: 0..events.len(), events: Arc::from(events), ..batch(&[]) }
    };
    deliver(&ledger, &batch(&[1]), &[Outcome::Accepted]);
    let under_way = ledger.prepare(&batch(&[2])).expect("prepared");
    let mut number = 0;
    let error = loop {
        match ledger.prepare(&large(number)) {
            Ok(ticket) => drop(ticket),
            Err(error) => break error,
        }
        number += 1;
    };
    assert_eq!(error.kind(), ErrorKind::Incomplete);
    assert_eq!(error.message(), "the ledger could not be written: the disk is full");
    let again = ledger.prepare(&batch(&[3])).expect_err("even if it would fit");
    assert_eq!(again.message(), error.message());
    ledger.settle(under_way, &[Outcome::Accepted]).expect("an outcome is small");
    drop(ledger);
    let ledger = open(home.path());
    assert!(ledger.contains(&key(1)) && ledger.contains(&key(2)));
    assert_eq!(ledger.in_doubt().expect("read").len() as u64, number);
    deliver(&ledger, &large(99), &vec![Outcome::Accepted; 1_000]);
}

#[test]
fn an_owner_that_was_overtaken_writes_no_more() {
    let home = folder();
    let ledger = open(home.path());
    // What a file system without locks would let happen.
    ledger.read(|connection| connection.execute("UPDATE about SET epoch = epoch + 1", [])).expect("written");
    let error = ledger.prepare(&batch(&[1])).expect_err("it is not ours any more");
    assert_eq!((error.kind(), error.message()), (ErrorKind::Locked, "another run took over the ledger"));
    assert!(ledger.prepare(&batch(&[2])).is_err());
}

#[test]
fn threads_prepare_and_settle_at_once() {
    let home = folder();
    let ledger = open(home.path());
    std::thread::scope(|scope| {
        for first in 0..8_u8 {
            let ledger = &ledger;
            scope.spawn(move || {
                for round in 0..20 {
                    let mut own = batch(&[first]);
                    let mut bytes = [first; 16];
                    bytes[15] = round;
                    let event = crate::event::EncodedEvent { key: EventKey::from(bytes), ..own.events[0].clone() };
                    own.events = Arc::from([event]);
                    deliver(ledger, &own, &[Outcome::Accepted]);
                }
            });
        }
    });
    assert_eq!(ledger.accepted(), 160);
    drop(ledger);
    assert_eq!(open(home.path()).accepted(), 160);
}

#[test]
fn an_end_that_is_awaited_waits_for_no_others() {
    let home = folder();
    let ledger = Sqlite::open(Options { linger: Duration::from_hours(1), ..options(home.path()) }).expect("new");
    for key in [1, 2] {
        let mut ticket = ledger.prepare(&batch(&[key])).expect("prepared");
        ticket.hasten();
        if key == 1 {
            ledger.settle(ticket, &[Outcome::Accepted]).expect("settled at once");
        } else {
            ledger.cancel(ticket).expect("withdrawn at once");
        }
    }
    assert_eq!(ledger.accepted(), 1);
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
    let at = |now: i64| Sqlite::open(Options { clock: Arc::new(move || now), ..options(home.path()) }).expect("sound");
    let ledger = at(NOW + 30 * DAY);
    assert_eq!((ledger.accepted(), ledger.forgotten_before()), (5, None));
    drop(ledger);
    // A day later only the batches of that day have had their time.
    drop(at(NOW + 30 * DAY + 1));
    let ledger = at(NOW + 30 * DAY + 2);
    assert_eq!(ledger.forgotten_before(), Some(NOW - DAY + 1));
    assert_eq!(ledger.standing(&key(2)), Standing::Unknown);
    assert_eq!(ledger.standing(&key(6)), Standing::Unknown);
    assert_eq!(ledger.standing(&key(4)), Standing::Accepted, "what decided a doubt outlives it");
    assert_eq!(ledger.in_doubt().expect("read").len(), 1);
    drop(ledger);
    drop(at(NOW + 300 * DAY));
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
    let at = |now: i64| Sqlite::open(Options { clock: Arc::new(move || now), ..options(home.path()) }).expect("sound");
    drop(at(NOW + 300 * DAY));
    let ledger = at(NOW + 300 * DAY);
    let expected = [Standing::Rejected { code: 40_002, payload: 0 }, Standing::Unknown];
    assert_eq!([ledger.standing(&key(0)), ledger.standing(&key(1))], expected);
    assert_eq!(ledger.decide(&[key(2)], Decision::AssumeDelivered).expect("decided"), 1);
    drop(ledger);
    drop(at(NOW + 300 * DAY));
    let ledger = at(NOW + 300 * DAY);
    assert_eq!(standings(&ledger), [Standing::Unknown; 10], "all of it is decided and too old to be sent");
    drop(ledger);
    let found = verify(&options(home.path()).place, NOW).expect("it is there");
    assert_eq!((found.is_sound(), found.batches), (true, 0), "{found:?}");
}

#[test]
fn a_ledger_of_version_1_becomes_one_of_this_version_and_keeps_all_it_knew() {
    let made_by_version_1 = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ledger-version-1.sqlite");
    let home = folder();
    let path = home.path().join("ledger.sqlite");
    fs::copy(made_by_version_1, &path).expect("copied");
    let place = options(home.path()).place;
    let before = verify(&place, NOW).expect("it is there");
    assert!(before.is_sound(), "{before:?}");
    let ledger = open(home.path());
    let elsewhere = folder();
    assert_eq!(standings(&ledger), filled(elsewhere.path()));
    assert_eq!(ledger.decide(&[key(3), key(5)], Decision::AssumeDelivered).expect("decided"), 2);
    drop(ledger);
    let version = Connection::open(&path).expect("opened").query_row("PRAGMA user_version", [], |row| row.get(0));
    assert_eq!(version, Ok(2));
    let found = verify(&place, NOW).expect("it is there");
    assert_eq!((found.is_sound(), found.accepted, found.held, found.decided), (true, before.accepted + 2, 0, 2));
}

#[test]
fn a_decision_is_durable_counted_exported_and_saved() {
    let home = folder();
    filled(home.path());
    let ledger = open(home.path());
    // 3 is held, 4 and 5 are in doubt, 0 is accepted and open to no decision.
    let keys = [key(3), key(4), key(5), key(0), key(3)];
    assert_eq!(ledger.decide(&keys[2..], Decision::AssumeDelivered).expect("decided"), 2);
    assert_eq!(ledger.decide(&keys, Decision::Resend).expect("decided"), 1);
    let expected = standings(&ledger);
    assert_eq!(expected[3..6], [Standing::Accepted, Standing::Unknown, Standing::Accepted]);
    assert_eq!(ledger.in_doubt().expect("read"), []);
    // What is resent may be in doubt again, and waits anew.
    deliver(&ledger, &batch(&[4]), &[Outcome::Held]);
    assert_eq!(ledger.in_doubt().expect("read").len(), 1);
    assert_eq!(ledger.decide(&[key(4)], Decision::Repeat).expect("decided"), 1);
    assert_eq!(ledger.standing(&key(4)), Standing::InDoubt { first_attempt: NOW });
    drop(ledger);
    let place = options(home.path()).place;
    let found = verify(&place, NOW).expect("it is there");
    assert!(found.is_sound(), "{found:?}");
    assert_eq!((found.accepted, found.held, found.in_doubt, found.decided), (5, 0, 1, 4));

    let exported = export(&place, home.path(), NOW).expect("exported");
    let file = fs::File::open(&exported.deliveries).expect("written");
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).expect("parquet").build().expect("parquet");
    let rows: Vec<_> = batches.map(|batch| batch.expect("rows")).collect();
    let text = datafusion::arrow::util::pretty::pretty_format_batches(&rows).expect("printable").to_string();
    assert_eq!(text.matches("| assumed delivered |").count(), 2, "{text}");

    tamper(home.path(), "DELETE FROM runs");
    assert_eq!(repair(&place, NOW, false).expect("most of it is whole").lost_batches, 0);
    let ledger = open(home.path());
    assert_eq!(standings(&ledger)[..4], expected[..4]);
    assert_eq!(standings(&ledger)[5], Standing::Accepted);
}

#[test]
fn nothing_is_decided_about_what_is_under_way() {
    let home = folder();
    let ledger = open(home.path());
    deliver(&ledger, &batch(&[1, 2]), &[Outcome::Held, Outcome::Held]);
    let ticket = ledger.prepare(&batch(&[2])).expect("prepared");
    assert!(ledger.decide(&[key(1), key(2)], Decision::Resend).is_err());
    assert_eq!(ledger.standing(&key(1)), Standing::Held { first_attempt: NOW });
    ledger.cancel(ticket).expect("cancelled");
    assert_eq!(ledger.decide(&[key(1), key(2)], Decision::Resend).expect("decided"), 2);
}

#[test]
fn looking_makes_nothing_and_forgets_nothing() {
    let home = folder();
    let looking = |now: i64| Options::looking(options(home.path()).place, Arc::new(move || now));
    assert_eq!(Sqlite::open(looking(NOW)).expect_err("none").kind(), ErrorKind::Source);
    fs::write(home.path().join("ledger.sqlite"), "").expect("written");
    assert_eq!(Sqlite::open(looking(NOW)).expect_err("empty").message(), "the ledger is damaged: the file is empty");
    fs::remove_file(home.path().join("ledger.sqlite")).expect("removed");
    filled(home.path());
    assert_eq!(Sqlite::open(looking(NOW + 9_999 * DAY)).expect("sound").accepted(), 3);
    assert_eq!(open(home.path()).accepted(), 3);
}

#[test]
fn a_ledger_that_outgrows_memory_is_refused() {
    let home = folder();
    filled(home.path());
    let with = |memory: usize| Sqlite::open(Options { memory, ..options(home.path()) });
    let error = with(100).expect_err("it knows eight events");
    assert!(error.message().starts_with("the ledger knows 8 events"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Usage);
    let ledger = with(40 * 8).expect("just enough");
    let error = ledger.prepare(&batch(&[1, 2, 3, 4, 5, 6])).expect_err("three more are");
    assert_eq!(error.kind(), ErrorKind::Incomplete);
    assert!(ledger.prepare(&batch(&[8])).is_ok());
}

#[test]
fn the_reserve_is_there_while_the_ledger_is_open_until_the_disk_is_full() {
    let home = folder();
    let path = home.path().join("ledger.reserve");
    let reserving = || Options { reserve: 4_096, max_pages: Some(9), ..options(home.path()) };
    let ledger = Sqlite::open(reserving()).expect("a new ledger");
    assert!(path.exists());
    drop(ledger);
    assert!(!path.exists());
    let ledger = Sqlite::open(reserving()).expect("a sound ledger");
    let under_way = ledger.prepare(&batch(&[1])).expect("prepared");
    let mut number = 10;
    while let Ok(ticket) = ledger.prepare(&batch(&[number; 1])) {
        drop(ticket);
        number += 1;
        assert!(number < 250, "the file is never full");
    }
    assert!(!path.exists(), "the disk has it back");
    ledger.settle(under_way, &[Outcome::Accepted]).expect("it fits");
}

#[test]
fn an_event_costs_at_most_18_bytes() {
    const BATCHES: u32 = 200;
    let home = folder();
    let ledger = open(home.path());
    for number in 0..BATCHES {
        let events: Arc<[_]> = (0..1_000_u32)
            .map(|row| {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&blake3::hash(&(number * 1_000 + row).to_le_bytes()).as_bytes()[..16]);
                crate::event::EncodedEvent { key: EventKey::from(bytes), ..batch(&[1]).events[0].clone() }
            })
            .collect();
        let own = Batch { range: 0..events.len(), events, ..batch(&[]) };
        deliver(&ledger, &own, &vec![Outcome::Accepted; 1_000]);
    }
    drop(ledger);
    let bytes = fs::metadata(home.path().join("ledger.sqlite")).expect("it is there").len();
    let each = f64::from(u32::try_from(bytes).expect("a few megabytes")) / f64::from(BATCHES * 1_000);
    assert!(each <= MAX_BYTES_PER_EVENT, "{each} bytes");
    assert_eq!(open(home.path()).accepted(), 200_000);
}

#[test]
fn a_sound_ledger_is_verified_and_counted() {
    let home = folder();
    filled(home.path());
    let found = verify(&options(home.path()).place, NOW).expect("it is there");
    assert!(found.is_sound(), "{found:?}");
    assert_eq!((found.runs, found.batches, found.accepted, found.in_doubt, found.held), (1, 4, 3, 2, 1));
    let elsewhere = folder();
    assert_eq!(verify(&options(elsewhere.path()).place, NOW).expect_err("none").kind(), ErrorKind::Source);
}

/// Changes the closed ledger behind its back.
fn tamper(folder: &Path, sql: &str) {
    let connection = Connection::open(folder.join("ledger.sqlite")).expect("opened");
    assert!(connection.execute(sql, []).expect("changed") > 0);
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

#[test]
fn an_export_has_a_row_for_each_batch_and_each_event() {
    let home = folder();
    filled(home.path());
    let ledger = open(home.path());
    deliver(&ledger, &batch(&[4, 8]), &[Outcome::Accepted, Outcome::Accepted]);
    drop(ledger);
    let exported = export(&options(home.path()).place, home.path(), NOW).expect("exported");
    assert_eq!((exported.batch_rows, exported.delivery_rows), (5, 9));
    let file = fs::File::open(&exported.deliveries).expect("written");
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).expect("parquet").build().expect("parquet");
    let rows: Vec<_> = batches.map(|batch| batch.expect("rows")).collect();
    let text = datafusion::arrow::util::pretty::pretty_format_batches(&rows).expect("printable").to_string();
    assert_eq!(text.matches(" accepted ").count(), 5, "{text}");
    assert!(text.contains("| rejected | 40002 | user.email | 2026112200 | 1     | 20261122T2300 |"), "{text}");
    assert!(text.contains("| held     |"), "{text}");
}
