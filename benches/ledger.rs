//! Batches per second that are recorded and settled, and the time to open a ledger of ten million events.
//!
//! `cargo bench --bench ledger`

use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use postback::contract::EventSource;
use postback::event::{Batch, Destination, EncodedEvent, EventKey, Outcome};
use postback::ledger::sqlite::{Holder, Namespace, Options, Place};
use postback::ledger::{Sqlite, Store};

/// Events of a batch, as many as the API takes.
const EVENTS: u64 = 1_000;
/// Batches under way at once.
const CONCURRENCY: u64 = 8;
/// Batches of the ledger that is opened.
const KNOWN: u64 = 10_000;
const NOW: i64 = 1_787_234_809;

fn batch(number: u64) -> Batch {
    let event = |row: u64| {
        let mut key = [0; 16];
        key.copy_from_slice(&blake3::hash(&(number * EVENTS + row).to_le_bytes()).as_bytes()[..16]);
        EncodedEvent { key: EventKey::from(key), span: 0..0, time: NOW, row, payload: row }
    };
    let events: Arc<[EncodedEvent]> = (0..EVENTS).map(event).collect();
    Batch {
        destination: Destination { event_source: EventSource::Offline, event_source_id: "7301234567890123456".into() },
        head: Bytes::new(),
        json: Bytes::new(),
        range: 0..events.len(),
        events,
    }
}

fn options(folder: &std::path::Path) -> Options {
    let holder = Holder { pid: 1, host: "bench".into() };
    let place = Place { folder: folder.to_owned(), namespace: Namespace::Live, holder };
    Options::new(place, Arc::new(|| NOW), [7; 32], 28 * 86_400)
}

fn deliver(ledger: &Sqlite, number: u64) {
    let ticket = ledger.prepare(&batch(number)).expect("the disk has room");
    ledger.settle(ticket, &vec![Outcome::Accepted; 1_000]).expect("the disk has room");
}

fn benchmark(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger");
    group.sample_size(10);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = Sqlite::open(options(folder.path())).expect("a new ledger");
    let mut next = 0;
    group.throughput(Throughput::Elements(CONCURRENCY * EVENTS));
    group.bench_function("prepare and settle", |bencher| {
        bencher.iter(|| {
            let ledger = &ledger;
            thread::scope(|scope| {
                for number in next..next + CONCURRENCY {
                    scope.spawn(move || deliver(ledger, number));
                }
            });
            next += CONCURRENCY;
        });
    });
    drop(ledger);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = Sqlite::open(options(folder.path())).expect("a new ledger");
    thread::scope(|scope| {
        for first in 0..CONCURRENCY {
            let ledger = &ledger;
            scope.spawn(move || (first..KNOWN).step_by(8).for_each(|number| deliver(ledger, number)));
        }
    });
    drop(ledger);
    group.throughput(Throughput::Elements(KNOWN * EVENTS));
    group.bench_function("open", |bencher| {
        bencher.iter(|| Sqlite::open(options(folder.path())).expect("a sound ledger").accepted());
    });
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
