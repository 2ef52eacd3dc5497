//! A query that is run again and again, killed in many ways, until all of it is delivered; and what must hold then.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use postback::ledger::sqlite::{self, Holder, Namespace, Place, Verification};
use serde_json::Value;

use crate::receiver::{Event, Moment, Next, Receiver, now};
use crate::server::{file, postback, program};

/// Events of the query, and of one request.
pub(crate) const EVENTS: usize = 72;
pub(crate) const BATCH: usize = 3;
/// Requests under way at once, batches recorded ahead of them, and batches whose ends are on their way to the disk.
const CONCURRENCY: usize = 4;
const PREFETCH: usize = 2;
const ENDING: usize = 2;
/// How often the disk is looked at.
const GLANCE: Duration = Duration::from_micros(100);

/// What an undisturbed run sends.
pub(crate) struct Reference {
    pub(crate) query: String,
    pub(crate) events: BTreeMap<String, String>,
    pub(crate) took: Duration,
}

/// What an undisturbed run of the query sends, and how long it takes.
pub(crate) static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    let query = format!(
        "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.currency = 'EUR';
        SELECT 'Purchase' AS event, {} AS timestamp, 'ann' || n || '@example.com' AS email, n AS event_id, 5 AS value
        FROM (SELECT CAST(value AS varchar) AS n FROM generate_series(1001, {})) AS orders",
        now() - 60,
        1_000 + EVENTS
    );
    let mut history = History::of(&query, Duration::ZERO);
    let start = Instant::now();
    let ended = history.run(None);
    let took = start.elapsed();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let arrivals = history.receiver.arrivals();
    let events: BTreeMap<String, String> =
        arrivals.into_iter().flat_map(|arrival| arrival.events).map(|Event { id, json }| (id, json)).collect();
    assert_eq!(events.len(), EVENTS, "{ended:?}");
    Reference { query, events, took }
});

/// When to kill a run.
#[derive(Clone, Debug)]
pub(crate) enum Kill {
    /// At a moment of the request of this number, from 0 in each run. The server then takes that request, or not.
    At { moment: Moment, number: usize, forgets: bool },
    /// At a moment of the request that leaves nothing to send.
    Last { moment: Moment },
    /// As soon as this can be seen on the disk.
    Seen(Sight),
    /// This long after it started.
    After(Duration),
}

/// What a run shows on the disk, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sight {
    /// The folder of the run.
    Run,
    /// The lock.
    Lock,
    /// The database.
    Database,
    /// That the database's log has so many bytes.
    Log(u64),
    /// That the run's files are being written.
    Artifacts,
    /// That the document of the run is whole.
    Results,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None if it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// A count of the account.
    pub(crate) fn count(&self, name: &str) -> usize {
        let account: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        usize::try_from(account[name].as_u64().unwrap()).unwrap()
    }
}

/// A query, its receiver, and what its runs left behind.
pub(crate) struct History {
    pub(crate) receiver: Receiver,
    folder: tempfile::TempDir,
    query: String,
    /// Which runs did not end as they should have.
    cut_short: Vec<bool>,
}

impl History {
    /// The reference query, answered `wait` after each request.
    pub(crate) fn new(wait: Duration) -> Self {
        Self::of(&REFERENCE.query, wait)
    }

    fn of(query: &str, wait: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let query = file(folder.path(), "orders.sql", query);
        Self { receiver: Receiver::start(wait, ""), folder, query, cut_short: Vec::new() }
    }

    /// The folder of the ledger and of the artifacts.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    /// Runs the query until it ends or `kill` strikes.
    pub(crate) fn run(&mut self, kill: Option<&Kill>) -> Ended {
        self.run_under(&[], kill)
    }

    /// Runs the query under another program, given with its arguments.
    pub(crate) fn run_under(&mut self, outer: &[&str], kill: Option<&Kill>) -> Ended {
        let ledger = self.ledger();
        let ledger = ledger.to_str().unwrap();
        let arguments = self.arguments(ledger);
        let mut command = match outer {
            [] => postback(&arguments),
            [name, options @ ..] => {
                let binary = env!("CARGO_BIN_EXE_postback");
                program(name, &[options, &[binary], &arguments].concat())
            }
        };
        let said = self.folder.path().join("stderr");
        command.stdout(Stdio::piped()).stderr(std::fs::File::create(&said).unwrap());
        // The hook is in force before the first connection, and finds the child as soon as there is one.
        let child: Arc<Mutex<Option<Child>>> = Arc::default();
        self.receiver.during(self.cut_short.len(), self.hook(kill, &child));
        let (folder, before) = (self.ledger(), runs(&self.ledger()));
        let mut started = child.lock().unwrap();
        let mut running = command.spawn().unwrap();
        let mut output = running.stdout.take().unwrap();
        *started = Some(running);
        drop(started);
        let (ended, end) = channel::<()>();
        let stdout = std::thread::scope(|scope| {
            if let Some(Kill::After(_) | Kill::Seen(_)) = kill {
                let (child, folder, before) = (&child, &folder, &before);
                scope.spawn(move || {
                    let goes_on = |time| end.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
                    if is_time(kill, folder, before, goes_on) {
                        strike(child);
                    }
                });
            }
            let mut bytes = Vec::new();
            output.read_to_end(&mut bytes).unwrap();
            drop(ended);
            String::from_utf8(bytes).unwrap()
        });
        let status = child.lock().unwrap().as_mut().unwrap().wait().unwrap();
        self.receiver.settle();
        self.cut_short.push(!status.success());
        assert!(status.signal().is_none_or(|signal| signal == 9), "{status}");
        Ended { code: status.code(), stdout, stderr: std::fs::read_to_string(said).unwrap() }
    }

    fn arguments<'a>(&'a self, ledger: &'a str) -> Vec<&'a str> {
        let url = &self.receiver.url;
        let fixed = ["--format", "json", "--batch-events", "3", "--concurrency", "4", "--requests-per-second", "900"];
        [&["run", &self.query, "--base-url", url, "--ledger", ledger][..], &fixed].concat()
    }

    fn hook(
        &self,
        kill: Option<&Kill>,
        child: &Arc<Mutex<Option<Child>>>,
    ) -> impl FnMut(Moment, &[Event]) -> Next + Send + 'static {
        let (kill, child, mut number) = (kill.cloned(), Arc::clone(child), 0);
        let mut missing = EVENTS - self.receiver.counted().len();
        let known = self.receiver.counted();
        move |reached, events| {
            if reached == Moment::WholeBody {
                missing = missing.saturating_sub(events.iter().filter(|event| !known.contains(&event.id)).count());
            }
            let (moment, is_due, forgets) = match &kill {
                Some(Kill::At { moment, number: due, forgets }) => (*moment, number == *due, *forgets),
                Some(Kill::Last { moment }) => (*moment, missing == 0, false),
                _ => return Next::GoOn,
            };
            if reached != moment {
                return Next::GoOn;
            }
            number += 1;
            if !is_due {
                return Next::GoOn;
            }
            strike(&child);
            if forgets { Next::HangUp } else { Next::GoOn }
        }
    }

    /// What the ledger's own examination finds.
    pub(crate) fn verify(&self) -> Verification {
        verify(&self.ledger())
    }

    /// A path beside the query.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Forgets all runs: what they sent, their ledger and their artifacts.
    pub(crate) fn forget(&mut self) {
        self.receiver.forget();
        std::fs::remove_dir_all(self.ledger()).unwrap();
        self.cut_short.clear();
    }

    /// What must hold after `last`, which ended by itself.
    pub(crate) fn check(&self, last: &Ended, name: &str) {
        let arrivals = self.receiver.arrivals();
        let ids = |run: &dyn Fn(usize) -> bool| -> BTreeSet<&str> {
            let arrived = arrivals.iter().filter(|arrival| run(arrival.run));
            arrived.flat_map(|arrival| &arrival.events).map(|event| event.id.as_str()).collect()
        };
        let all: BTreeSet<String> = REFERENCE.events.keys().cloned().collect();
        assert_eq!(last.code, Some(0), "{name}: {}", last.stderr);

        for event in arrivals.iter().flat_map(|arrival| &arrival.events) {
            assert_eq!(REFERENCE.events.get(&event.id), Some(&event.json), "{name}: not what the query says");
        }
        let seen = self.receiver.snapshot();
        assert_eq!(self.receiver.counted(), all, "{name}: lost, or never there");
        assert_eq!((seen.unique, seen.refused), (EVENTS as u64, 0), "{name}: counted twice, or refused");
        assert_eq!(seen.arrived, seen.unique + seen.merged + seen.dropped, "{name}");

        let counts = ["accepted", "already_accepted", "rejected", "out_of_window", "held", "unsent"];
        let [accepted, already, others @ ..] = counts.map(|count| last.count(count));
        assert_eq!((last.count("events"), accepted + already, others), (EVENTS, EVENTS, [0; 4]), "{name}: {last:?}");
        let ended = self.cut_short.len() - 1;
        assert_eq!(ids(&|run| run == ended).len(), accepted, "{name}: what is accepted is what was sent");

        for (run, is_cut_short) in self.cut_short.iter().enumerate() {
            let again = ids(&|other| other == run).intersection(&ids(&|other| other > run)).count();
            let most = if *is_cut_short { (CONCURRENCY + PREFETCH + ENDING) * BATCH } else { 0 };
            assert!(again <= most, "{name}: {again} events of run {run} were sent again, cut short: {is_cut_short}");
        }

        let found = self.verify();
        assert!(found.is_sound(), "{name}: {:?}", found.problems);
        assert_eq!((found.accepted, found.in_doubt, found.held), (EVENTS as u64, 0, 0), "{name}");
    }
}

/// Where the only ledger in `folder` is.
pub(crate) fn place(folder: &Path) -> Place {
    let database = find(folder, "sqlite").unwrap();
    let stem = database.file_stem().unwrap().to_str().unwrap();
    let namespace = if stem.ends_with("-sandbox") { Namespace::Sandbox } else { Namespace::Live };
    let holder = Holder { pid: std::process::id(), host: "test".into() };
    let place = Place { folder: database.parent().unwrap().to_owned(), namespace, holder };
    assert_eq!(place.database(), database);
    place
}

/// What the examination of the only ledger in `folder` finds.
pub(crate) fn verify(folder: &Path) -> Verification {
    sqlite::verify(&place(folder), now()).unwrap()
}

/// Waits until `kill` is due of a run in `folder`, which held these runs `before`; false if `goes_on`, which waits so long,
/// says that the run has ended.
fn is_time(kill: Option<&Kill>, folder: &Path, before: &BTreeSet<PathBuf>, goes_on: impl Fn(Duration) -> bool) -> bool {
    match kill {
        Some(Kill::After(time)) => goes_on(*time),
        Some(Kill::Seen(sight)) => {
            while !sight.is_there(folder, before) {
                if !goes_on(GLANCE) {
                    return false;
                }
            }
            true
        }
        _ => false,
    }
}

impl Sight {
    /// Whether it can be seen in the ledger's folder, which held these runs before.
    fn is_there(self, folder: &Path, before: &BTreeSet<PathBuf>) -> bool {
        let of_run = |name: &str| runs(folder).difference(before).any(|run| run.join(name).exists());
        match self {
            Self::Run => of_run("."),
            Self::Lock => find(folder, "lock").is_some(),
            Self::Database => find(folder, "sqlite").is_some(),
            Self::Log(bytes) => find(folder, "sqlite-wal")
                .is_some_and(|log| std::fs::metadata(log).is_ok_and(|found| found.len() >= bytes)),
            Self::Artifacts => of_run("rejects.parquet") || of_run("batches.parquet"),
            Self::Results => of_run("run_results.json"),
        }
    }
}

/// Kills at once. The process is gone when this returns.
fn strike(child: &Mutex<Option<Child>>) {
    let mut child = child.lock().unwrap();
    let child = child.as_mut().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The folders of runs.
fn runs(folder: &Path) -> BTreeSet<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder.join("runs")) else { return BTreeSet::new() };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name != "latest"))
        .collect()
}

/// A file of the ledger with this extension, wherever in its folder it keeps them.
fn find(folder: &Path, extension: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries.flatten().map(|entry| entry.path()).find_map(|path| match path.is_dir() {
        true if path.file_name()? == "runs" => None,
        true => find(&path, extension),
        false => (path.extension()? == extension).then_some(path),
    })
}
