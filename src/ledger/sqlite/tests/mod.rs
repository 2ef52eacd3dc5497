//! What concerns the file: its owner, its versions, what is decided and exported; and in files of their own damage, space
//! and time.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rusqlite::Connection;

use super::*;
use crate::event::{Batch, Outcome};
use crate::ledger::tests::{NOW, batch, folder, key, options, refused, standings};
use crate::ledger::{Run, Standing};

mod damage;
mod space;
mod time;

const DAY: i64 = 86_400;

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

/// Changes the closed ledger behind its back.
fn tamper(folder: &Path, sql: &str) {
    let connection = Connection::open(folder.join("ledger.sqlite")).expect("opened");
    assert!(connection.execute(sql, []).expect("changed") > 0);
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
fn a_sound_ledger_is_verified_and_counted() {
    let home = folder();
    filled(home.path());
    let found = verify(&options(home.path()).place, NOW).expect("it is there");
    assert!(found.is_sound(), "{found:?}");
    assert_eq!((found.runs, found.batches, found.accepted, found.in_doubt, found.held), (1, 4, 3, 2, 1));
    let elsewhere = folder();
    assert_eq!(verify(&options(elsewhere.path()).place, NOW).expect_err("none").kind(), ErrorKind::Source);
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
