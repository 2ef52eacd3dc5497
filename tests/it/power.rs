//! The power goes: of what was not synced, writes are lost, torn, or there without earlier ones.
//!
//! Two runs are traced by strace, in which the ledger is made, its log is moved into the database between requests and at
//! the end, and it is opened again. From what they wrote, the disk is built as it may be after each step, and the ledger
//! on it is opened. Every one of these opens; knows every event of which a byte was sent; has accepted what was durably
//! accepted; and goes on from there.
//!
//! ```text
//! cargo test --test it power:: -- --ignored
//! POSTBACK_IMAGES=10000 cargo test --test it power:: -- --ignored
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postback::contract::EventSource;
use postback::event::{Batch, Destination, EncodedEvent, EventKey, Outcome};
use postback::ledger::sqlite::{self, Holder, Namespace, Options, Place};
use postback::ledger::{Sqlite, Standing, Store};
use tempfile::TempDir;

use self::disk::Disk;
use self::record::Change;
use crate::crash::Random;
use crate::history;
use crate::receiver::now;
use crate::server::{Server, file, program, said};

mod disk;
mod record;

const IMAGES: u64 = 400;
const IMAGES_VARIABLE: &str = "POSTBACK_IMAGES";
const SEED: u64 = 17;
/// Events of the first run, enough for the log to be moved while it sends, and of the second.
const RUNS: [u32; 2] = [260, 280];
const EVENT_SET: &str = "7654321098765432109";

#[test]
#[ignore = "needs strace, which the gate installs"]
fn whatever_a_power_loss_leaves_of_the_ledger_opens_knows_what_was_sent_and_goes_on() {
    let changes = traced();
    let mut between = changes.iter().skip_while(|change| !matches!(change, Change::Sent(_)));
    let is_moved = |change: &Change| matches!(change, Change::Wrote { name, .. } if name.ends_with(".sqlite"));
    assert!(
        between.any(is_moved) && between.any(|change| matches!(change, Change::Sent(_))),
        "the log was never moved"
    );
    let wanted = std::env::var(IMAGES_VARIABLE).ok().and_then(|images| images.parse().ok()).unwrap_or(IMAGES);

    let (mut disk, mut random) = (Disk::default(), Random(SEED));
    let (mut unsynced, mut sent, mut images) = (BTreeSet::new(), BTreeSet::new(), 0);
    let steps = changes.len() as u64;
    for (step, change) in changes.iter().enumerate() {
        disk.take(change);
        match change {
            Change::MadeFolderIn(above) => drop(unsynced.insert(above)),
            Change::SyncedFolderAbove(above) => drop(unsynced.remove(above)),
            Change::Sent(ids) => {
                assert_eq!(unsynced, BTreeSet::new(), "folders of a ledger that may be gone with it");
                sent.extend(ids.iter().cloned());
            }
            _ => {}
        }
        // As many as are due after this step, spread over all steps.
        let (step, due) = (step as u64, wanted * (step as u64 + 1) / steps);
        if images >= due {
            continue;
        }
        let name = format!("step {step} of {steps}");
        let least = survive(&disk.at_least(), &sent, &BTreeMap::new(), &name);
        images += 1;
        while !disk.is_synced() {
            survive(&disk.image(&mut random), &sent, &least, &format!("image {images}, {name}"));
            images += 1;
            if images >= due {
                break;
            }
        }
    }
    assert!(images >= wanted, "{images} images");
    assert_eq!(sent.len(), RUNS[1] as usize);
    println!("{images} images of {steps} steps");
}

/// What two runs did, the second of which finds more events than the first.
fn traced() -> Vec<Change> {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::accepting_after(Duration::from_millis(1));
    let home = folder.path().canonicalize().unwrap().join("ledger");
    let trace = folder.path().join("trace").to_str().unwrap().to_owned();
    let mut changes = Vec::new();
    for events in RUNS {
        let query = format!(
            "SET postback.event_source = 'offline'; SET postback.event_source_id = '{EVENT_SET}';
            SELECT 'Purchase' AS event, {} AS timestamp, 'ann' || n || '@example.com' AS email, n AS event_id, 5 AS value,
                   'EUR' AS currency
            FROM (SELECT CAST(value AS varchar) AS n FROM generate_series(1, {events})) AS orders",
            now() - 60,
        );
        let query = file(folder.path(), "orders.sql", query);
        let strace = ["-f", "-o", &trace];
        let run = [env!("CARGO_BIN_EXE_postback"), "run", &query, "--base-url", &server.url];
        let more = ["--ledger", home.to_str().unwrap(), "--batch-events", "1", "--requests-per-second", "900"];
        let arguments = [&strace[..], &record::OPTIONS, &run, &more].concat();
        let ended = said(&mut program("strace", &arguments));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let database = history::place(&home).database();
        let traced = std::fs::read_to_string(&trace).unwrap();
        changes.extend(record::read(&traced, database.parent().unwrap().to_str().unwrap()));
    }
    changes
}

/// Opens the ledger in an image, looks at each event, delivers what is missing; gives the standings it was opened with.
fn survive(
    image: &BTreeMap<String, Vec<u8>>,
    sent: &BTreeSet<String>,
    least: &BTreeMap<String, Standing>,
    name: &str,
) -> BTreeMap<String, Standing> {
    let folder = memory();
    for (file, bytes) in image {
        std::fs::write(folder.path().join(file), bytes).unwrap();
    }
    let ledger = open(folder.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let destination = Destination { event_source: EventSource::Offline, event_source_id: EVENT_SET.into() };
    let key = |id: &String| EventKey::new(&ledger.secret(), &destination, "Purchase", id);
    let ids: Vec<String> = (1..=RUNS[1]).map(|id| id.to_string()).collect();
    let found: BTreeMap<String, Standing> = ids.iter().map(|id| (id.clone(), ledger.standing(&key(id)))).collect();
    for id in sent {
        assert_ne!(found[id], Standing::Unknown, "{name}: {id} was sent and is not on record");
    }
    for (id, standing) in least {
        assert!(rank(found[id]) >= rank(*standing), "{name}: {id} was {standing:?} and is {:?}", found[id]);
    }

    let missing: Vec<EventKey> = ids.iter().map(key).filter(|key| !ledger.contains(key)).collect();
    let event = |(row, key): (usize, &EventKey)| EncodedEvent {
        key: *key,
        span: 0..0,
        time: now(),
        row: row as u64,
        payload: 0,
    };
    let events: Arc<[EncodedEvent]> = missing.iter().enumerate().map(event).collect();
    if !events.is_empty() {
        let (head, json, range) = (Bytes::new(), Bytes::new(), 0..events.len());
        let ticket = ledger.prepare(&Batch { destination, head, json, range, events }).unwrap();
        ledger.settle(ticket, &vec![Outcome::Accepted; missing.len()]).unwrap();
    }
    drop(ledger);
    let verified = sqlite::verify(&place(folder.path()), now()).unwrap();
    assert!(verified.is_sound(), "{name}: {:?}", verified.problems);
    assert_eq!((verified.accepted, verified.in_doubt), (u64::from(RUNS[1]), 0), "{name}");
    found
}

/// A folder in memory where there is one, since every image is written and synced.
fn memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

fn place(folder: &Path) -> Place {
    let holder = Holder { pid: std::process::id(), host: "test".into() };
    Place { folder: folder.to_owned(), namespace: Namespace::Sandbox, holder }
}

fn open(folder: &Path) -> postback::error::Result<Sqlite> {
    Sqlite::open(Options::new(place(folder), Arc::new(now), [9; 32], 28 * 86_400))
}

/// How much is known of an event.
fn rank(standing: Standing) -> u8 {
    match standing {
        Standing::Unknown => 0,
        Standing::InDoubt { .. } => 1,
        Standing::Accepted => 2,
        other => panic!("nothing was refused or held: {other:?}"),
    }
}
