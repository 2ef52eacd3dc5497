//! The ledger's verbs, over a ledger that the library wrote.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use postback::contract::EventSource;
use postback::event::{Batch, Destination, EncodedEvent, EventKey, Outcome};
use postback::ledger::sqlite::{Holder, Namespace, Options, Place};
use postback::ledger::{Sqlite, Store};

use crate::server::{postback, said};

const NOW: i64 = 1_787_234_809;

fn open(folder: &Path) -> Sqlite {
    let holder = Holder { pid: 4_711, host: "etl-3".into() };
    let place = Place { folder: folder.to_owned(), namespace: Namespace::Live, holder };
    Sqlite::open(Options::new(place, Arc::new(|| NOW), [7; 32], 28 * 86_400)).unwrap()
}

fn deliver(ledger: &Sqlite, keys: &[u8], outcomes: &[Outcome]) {
    let event = |(row, key): (usize, &u8)| EncodedEvent {
        key: EventKey::from([*key; 16]),
        span: 0..0,
        time: NOW,
        row: row as u64,
        payload: 0,
    };
    let events: Arc<[EncodedEvent]> = keys.iter().enumerate().map(event).collect();
    let batch = Batch {
        destination: Destination { event_source: EventSource::Offline, event_source_id: "1".into() },
        head: Bytes::new(),
        json: Bytes::new(),
        range: 0..events.len(),
        events,
    };
    let ticket = ledger.prepare(&batch).unwrap();
    ledger.settle(ticket, outcomes).unwrap();
}

#[test]
fn a_ledger_is_verified_exported_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let ledger = open(folder.path());
    deliver(&ledger, &[1, 2], &[Outcome::Accepted, Outcome::InDoubt]);
    deliver(&ledger, &[3], &[Outcome::Accepted]);

    let held = said(&mut postback(&["ledger", "verify", "--ledger", home]));
    assert_eq!((held.code, held.stdout.as_str()), (6, ""));
    assert!(held.stderr.contains("process 4711 on etl-3"), "{}", held.stderr);
    drop(ledger);

    let sound = said(&mut postback(&["ledger", "verify", "--ledger", home]));
    assert_eq!((sound.code, sound.stderr.as_str()), (0, ""));
    assert!(sound.stdout.contains("0 runs, 2 batches, 2 events accepted, 1 in doubt, 0 held"), "{}", sound.stdout);

    let exported = said(&mut postback(&["ledger", "export", home, "--ledger", home]));
    assert_eq!((exported.code, exported.stderr.as_str()), (0, ""));
    assert!(exported.stdout.contains("deliveries.parquet: 3 events"), "{}", exported.stdout);
    let table = format!("SELECT state, count(*) AS n FROM '{home}/deliveries.parquet' GROUP BY state ORDER BY state");
    let rows = said(&mut postback(&["sql", &table, "--format", "csv"]));
    assert_eq!(rows.stdout, "state,n\naccepted,2\nin doubt,1\n", "{}", rows.stderr);

    let path = folder.path().join("ledger.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.windows(16).position(|part| part == [3; 16]).unwrap();
    bytes[place] ^= 1;
    fs::write(&path, bytes).unwrap();
    let damaged = said(&mut postback(&["ledger", "verify", "--ledger", home]));
    assert_eq!(damaged.code, 2);
    assert!(damaged.stdout.contains("batch 2: is not what was written"), "{}", damaged.stdout);
    assert!(damaged.stderr.contains("the ledger has 1 problem"), "{}", damaged.stderr);

    let repaired = said(&mut postback(&["ledger", "repair", "--ledger", home]));
    assert_eq!((repaired.code, repaired.stderr.as_str()), (0, ""));
    assert!(repaired.stdout.contains("1 batch with 2 events saved"), "{}", repaired.stdout);
    assert!(repaired.stdout.contains("1 batch is lost, among the numbers 2-2"), "{}", repaired.stdout);
    assert_eq!(said(&mut postback(&["ledger", "verify", "--ledger", home])).code, 0);
}

#[test]
fn a_ledger_that_is_not_there_is_not_made_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("none");
    for verb in [&["verify"][..], &["repair"], &["export", "."]] {
        let none = said(postback(&["ledger"]).args(verb).arg("--ledger").arg(&home));
        assert_eq!(none.code, 5, "{}", none.stderr);
        assert!(none.stderr.contains("there is no ledger of live events"), "{}", none.stderr);
    }
    assert!(!home.exists());
}
