//! Room on the disk and in memory.

use std::fs;
use std::sync::Arc;

use super::*;

/// Bytes that an event may take on disk.
const MAX_BYTES_PER_EVENT: f64 = 18.0;

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
