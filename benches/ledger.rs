//! What the ledger costs: bytes on the disk for an event, its share of the time of a delivery, batches per second, and
//! the time to open a ledger of ten million events.
//!
//! `cargo bench --bench ledger`. The first two are printed before the measurements of criterion.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use postback::api::{RawResponse, TransportError};
use postback::contract::EventSource;
use postback::delivery::{self, Transport};
use postback::event::{Batch, Destination, EncodedEvent, EventKey, Outcome};
use postback::ledger::sqlite::{Holder, Namespace, Options, Place};
use postback::ledger::{Model, Recorded, Sqlite, Store};
use tokio::sync::{mpsc, watch};

/// Events of a batch, as many as the API takes.
const EVENTS: u64 = 1_000;
/// Batches under way at once.
const CONCURRENCY: u64 = 8;
/// Batches of the ledger that is opened.
const KNOWN: u64 = 10_000;
/// Batches of a delivery, and how long the API takes for each.
const DELIVERED: u64 = 400;
const LATENCY: Duration = Duration::from_millis(50);
/// Deliveries without a ledger on disk and with one, in turns.
const PAIRS: usize = 9;
/// Bytes that a commit of one intent appends to the log, and how many of them tell how fast the disk is.
const COMMITTED: usize = 28 << 10;
const SYNCS: usize = 21;
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

/// An API that accepts everything after a while.
struct Accepting;

impl Transport for Accepting {
    fn endpoint(&self) -> &'static str {
        "bench:"
    }

    async fn send(&self, _: Recorded) -> Result<RawResponse, TransportError> {
        tokio::time::sleep(LATENCY).await;
        let body = Bytes::from_static(br#"{"code":0,"message":"OK","request_id":"1","data":{}}"#);
        Ok(RawResponse { status: 200, body, retry_after: None, date: None, is_premature: false, log_id: None })
    }
}

/// Wall time of a delivery of [`DELIVERED`] batches that `store` keeps.
async fn delivery(store: Arc<dyn Store>) -> Duration {
    let options = delivery::Options { concurrency: 8, rate: 900, ..delivery::Options::default() };
    let (offer, offered) = mpsc::channel(16);
    let (settled, mut settlements) = mpsc::channel(64);
    let (_stop, stopped) = watch::channel(false);
    let batches: Vec<Batch> = (0..DELIVERED).map(batch).collect();
    let start = Instant::now();
    let driver = tokio::spawn(delivery::deliver(offered, Accepting, store, options, settled, stopped));
    tokio::spawn(async move {
        for batch in batches {
            offer.send(batch).await.expect("the driver takes every batch");
        }
    });
    while settlements.recv().await.is_some() {}
    let report = driver.await.expect("no panic").expect("a sound ledger");
    assert_eq!(report.requests, DELIVERED);
    start.elapsed()
}

fn share_of_delivery() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fresh = || -> Arc<dyn Store> {
        let own = tempfile::tempdir_in(folder.path()).expect("a temporary folder").keep();
        Arc::new(Sqlite::open(options(&own)).expect("a new ledger"))
    };
    // One after the other, since the load of a machine and of its disk changes from minute to minute.
    let (mut shares, mut syncs) = (Vec::new(), Vec::new());
    for pair in 1..=PAIRS {
        let without = runtime.block_on(delivery(Arc::new(Model::new([7; 32]))));
        let with = runtime.block_on(delivery(fresh()));
        let share = (with.as_secs_f64() / without.as_secs_f64() - 1.0) * 100.0;
        let sync = sync(folder.path());
        println!("pair {pair}: {without:?} without a ledger on disk, {with:?} with it: {share:+.2} %; {sync:?} a sync");
        shares.push(share);
        syncs.push(sync);
    }
    shares.sort_by(f64::total_cmp);
    syncs.sort_unstable();
    let (least, median, most) = (shares[0], shares[PAIRS / 2], shares[PAIRS - 1]);
    println!(
        "the ledger's share of a delivery of {DELIVERED} batches: {median:+.2} % ({least:+.2} to {most:+.2} %), where a \
         sync takes {:?}",
        syncs[PAIRS / 2]
    );
}

/// The median time in which the disk takes what a commit of one intent writes.
fn sync(folder: &std::path::Path) -> Duration {
    let mut log = tempfile::tempfile_in(folder).expect("a temporary file");
    let written = vec![7; COMMITTED];
    let mut times: Vec<Duration> = (0..SYNCS)
        .map(|_| {
            let start = Instant::now();
            log.write_all(&written).and_then(|()| log.sync_all()).expect("the disk has room");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[SYNCS / 2]
}

fn bytes_per_event(folder: &std::path::Path) {
    let bytes = std::fs::metadata(options(folder).place.database()).expect("the ledger").len();
    let events = KNOWN * EVENTS;
    let whole = bytes / events;
    println!("{bytes} bytes for {events} events: {whole}.{:02} each", (bytes - whole * events) * 100 / events);
}

fn benchmark(criterion: &mut Criterion) {
    share_of_delivery();
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
    bytes_per_event(folder.path());
    group.throughput(Throughput::Elements(KNOWN * EVENTS));
    group.bench_function("open", |bencher| {
        bencher.iter(|| Sqlite::open(options(folder.path())).expect("a sound ledger").accepted());
    });
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
