//! The ledger on disk: an SQLite file that survives whatever ends the process.
//!
//! # Files
//!
//! A folder (0700) holds for each [`Namespace`] a database (`ledger.sqlite`, 0600; beside it, while a run lives or after
//! it died, SQLite's `-wal` and the reserve, `ledger.reserve`) and a lock (`ledger.lock`). A namespace has files of its own, so that test events and the
//! sandbox never meet live ones and need not wait for them. Schema and rows are described in [`schema`] and [`row`].
//!
//! An intent is one row with the batch's keys as one blob, 16 bytes an event, and is never changed; its end is a
//! second, small row. So an event costs 16.4 bytes, and outcomes do not write the keys again.
//!
//! # Invariants
//! - **Durable**: a call returns after its transaction was committed with WAL and `synchronous = FULL`. Calls of several
//!   threads that meet are one transaction; outcomes wait a moment for company.
//! - **One owner**: the lock is held as long as the ledger is open and vanishes with its process. An epoch, raised at
//!   every opening, is compared in every transaction, should a file system let two owners in after all.
//! - **Nothing silent**: every row has a checksum, and the one row of `about` has the sum of all checksums. A row that
//!   is altered, lost or added behind our back is found at the next opening, which refuses; it is never taken for an
//!   empty ledger. The lock file keeps the epoch too: a ledger that is gone or older than it is refused.
//! - **Fail closed**: after a failed write no intent is taken. If the disk was full, the reserve is given back to it, so
//!   that the outcomes of what is under way still fit; after any other failure nothing is written.
//! - **On this machine**: a folder on a network file system is refused, where the machine says so: locks do not hold
//!   there.
//! - **In memory**: a ledger that knows more events than [`Options::memory`] has room for is refused before it is read,
//!   and takes no intent once it has grown so far.
//!
//! # Decisions
//!
//! What a person says about events in doubt or held ([`Sqlite::decide`]) is recorded as a batch of which nothing was
//! sent, one for each batch that left them so: its number puts it after that one, its times are those of that one, and
//! its end is the decision. So it is counted, checked, exported, saved and forgotten as every batch is.
//!
//! # Retention
//!
//! A batch is forgotten when its latest event is older than the oldest event that may be sent, by TikTok's 48 hours
//! and a day. What is in doubt or held is kept until it is decided, and so is what decided it. Up to when events may
//! have been forgotten is on record ([`Sqlite::forgotten_before`]): none that old may be sent, even where the age limit
//! is raised later. Freed pages are used again; when they are more than a quarter of the file, it is shortened.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use self::about::About;
use self::lock::Lock;
use self::reserve::Reserve;
use self::row::{Batch as BatchRow, Ending, RunRow};
use self::writer::{Change, Writer};
use super::standings::Standings;
use super::{Clock, Decision, Model, Run, Standing, Store, Ticket, mismatch, under_way};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Batch, EventKey, Outcome};

mod about;
mod capacity;
mod doubt;
mod export;
mod failure;
mod file;
mod load;
mod lock;
mod network;
mod outcomes;
mod repair;
mod reserve;
mod retention;
mod row;
mod schema;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use doubt::Doubt;
pub use export::{Exported, export};
pub use lock::Holder;
pub use repair::{Repaired, repair};
pub use verify::{Problem, Verification, verify};

/// Bytes that are kept free for outcomes: a hundred thousand batches of them.
const RESERVE: u64 = 64 << 20;
/// How long outcomes wait for an intent or for more outcomes.
const LINGER: Duration = Duration::from_millis(20);

/// Which events a ledger is about. Each has files of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Events that count.
    Live,
    /// Test events, sent with a test event code.
    Test,
    /// Events sent to a sandbox.
    Sandbox,
}

impl Namespace {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Live, Self::Test, Self::Sandbox];

    /// The name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
            Self::Sandbox => "sandbox",
        }
    }

    /// Name of its files without the extension.
    const fn stem(self) -> &'static str {
        match self {
            Self::Live => "ledger",
            Self::Test => "ledger-test",
            Self::Sandbox => "ledger-sandbox",
        }
    }
}

/// What names a ledger, and who asks for it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder; made if it is not there.
    pub folder: PathBuf,
    /// Which events.
    pub namespace: Namespace,
    /// Who holds the ledger while it is open.
    pub holder: Holder,
}

impl Place {
    /// Path of the database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.join(self.namespace.stem()).with_extension("sqlite")
    }

    /// Refuses a place without a ledger, so that looking makes none.
    ///
    /// # Errors
    /// [`ErrorKind::Source`].
    pub fn require(&self) -> Result<()> {
        let path = self.database();
        if path.is_file() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Source, format!("there is no ledger of {} events", self.namespace.as_str()))
            .context("ledger", path.display())
            .hint("a run makes one; `--ledger` names its folder"))
    }

    fn lock(&self) -> PathBuf {
        self.folder.join(self.namespace.stem()).with_extension("lock")
    }
}

/// How to open a ledger.
#[derive(Clone)]
pub struct Options {
    /// Where it is.
    pub place: Place,
    /// What tells the time.
    pub clock: Clock,
    /// 32 random bytes: the secret of the ledger, if it is made now. Without them none is made.
    pub fresh_secret: Option<[u8; 32]>,
    /// Age in seconds beyond which no event is sent.
    pub max_event_age: i64,
    /// Whether to go on where the ledger is gone or older than its lock says.
    pub accept_loss: bool,
    /// Whether the folder may be on a network file system.
    pub accept_network: bool,
    /// Bytes of memory that the keys of accepted events may take; by default whatever there is.
    pub memory: usize,
    /// Bytes of disk that are kept free for outcomes while the ledger is open.
    pub reserve: u64,
    /// How long outcomes may wait for others, to be written with them.
    pub linger: Duration,
    #[cfg(test)]
    pub(crate) max_pages: Option<u32>,
}

impl fmt::Debug for Options {
    // Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("place", &self.place)
            .field("max_event_age", &self.max_event_age)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The ledger at `place` as it is: nothing is forgotten, and no disk is reserved.
    #[must_use]
    pub fn looking(place: Place, clock: Clock) -> Self {
        Self { fresh_secret: None, reserve: 0, ..Self::new(place, clock, [0; 32], i64::MAX / 2) }
    }

    /// A ledger at `place` for events of at most `max_event_age` seconds.
    #[must_use]
    pub fn new(place: Place, clock: Clock, fresh_secret: [u8; 32], max_event_age: i64) -> Self {
        // What is lost of a sandbox is no loss.
        let reserve = if place.namespace == Namespace::Sandbox { 0 } else { RESERVE };
        Self {
            place,
            clock,
            fresh_secret: Some(fresh_secret),
            max_event_age,
            accept_loss: false,
            accept_network: false,
            memory: usize::MAX,
            reserve,
            linger: LINGER,
            #[cfg(test)]
            max_pages: None,
        }
    }
}

/// A ledger in a file, held by this process.
pub struct Sqlite {
    path: PathBuf,
    secret: [u8; 32],
    forgotten_before: Option<i64>,
    memory: usize,
    clock: Clock,
    /// The latest time seen: time does not run backwards here.
    latest: AtomicI64,
    entries: Mutex<Entries>,
    writer: Writer,
    // After the writer: the lock outlives the connection.
    _lock: Lock,
}

#[derive(Debug)]
struct Entries {
    standings: Standings,
    runs: Vec<RunRow>,
    next_batch: i64,
    run: Option<i64>,
}

impl Sqlite {
    /// Opens the ledger, or makes an empty one; reads every row, and forgets what is too old to be sent again.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] if another process holds it, [`ErrorKind::Usage`] if it is damaged, lost, on a network file
    /// system, larger than the memory it may use, from another version or namespace, or cannot be opened,
    /// [`ErrorKind::Source`] if there is none and none shall be made, [`ErrorKind::Incomplete`] if it cannot be written.
    pub fn open(options: Options) -> Result<Self> {
        let path = options.place.database();
        let now = (options.clock)();
        if options.fresh_secret.is_none() {
            options.place.require()?;
        }
        let folder = file::folder(&options.place.folder)?;
        if !options.accept_network {
            network::refuse(&folder)?;
        }
        let mut lock = Lock::take(&options.place, now)?;
        let is_new = file::create(&path)?;
        let mut connection = schema::connect(&path).map_err(|error| failure::opening(&path, error))?;
        #[cfg(test)]
        if let Some(pages) = options.max_pages {
            connection.pragma_update(None, "max_page_count", pages).map_err(|error| failure::opening(&path, error))?;
        }
        let about =
            schema::prepare(&mut connection, &path, options.place.namespace, options.fresh_secret.as_ref(), now)?;
        if is_new {
            file::sync_folder(&folder)?;
        }
        if about.epoch < lock.epoch() && !options.accept_loss {
            return Err(lost(&path, &about));
        }
        let mut about = about;
        let loaded = load::load(&connection, &path, &about, options.memory)?;
        about.epoch = about.epoch.max(lock.epoch()) + 1;
        let before = now - options.max_event_age - retention::MARGIN;
        retention::forget(&mut connection, &mut about, &loaded, before)
            .map_err(|error| failure::writing(&path, error))?;
        let reserve = Reserve::make(path.with_extension("reserve"), options.reserve)?;
        lock.record(about.epoch)?;
        Ok(Self {
            memory: options.memory,
            secret: about.secret,
            forgotten_before: about.forgotten_before,
            latest: AtomicI64::new(loaded.latest),
            clock: options.clock,
            entries: Mutex::new(Entries {
                standings: loaded.standings,
                runs: loaded.runs,
                next_batch: about.last_batch + 1,
                run: None,
            }),
            writer: Writer::start(connection, about, path.clone(), reserve, options.linger)?,
            path,
            _lock: lock,
        })
    }

    /// Path of the database.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of accepted events on record.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.entries().standings.accepted()
    }

    /// What the ledger knows, without the file, which is free for others from now on. What happens to it is not kept.
    #[must_use]
    pub fn into_model(self) -> Model {
        let Self { secret, clock, latest, entries, .. } = self;
        let Entries { standings, runs, .. } = entries.into_inner().unwrap_or_else(PoisonError::into_inner);
        let runs = runs.into_iter().map(|row| (row.run, row.succeeded)).collect();
        let latest = latest.into_inner();
        Model::continuing(secret, std::sync::Arc::new(move || clock().max(latest)), standings, runs)
    }

    /// The events that runs of `query` left in doubt or held.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn undecided(&self, query: &str) -> Result<Vec<EventKey>> {
        let doubts = self.in_doubt()?;
        let entries = self.entries();
        let of_query: HashSet<&str> =
            entries.runs.iter().filter(|row| row.run.query == query).map(|row| row.run.id.as_str()).collect();
        let is_own = |doubt: &Doubt| doubt.run.as_deref().is_some_and(|run| of_query.contains(run));
        let own = doubts.into_iter().filter(is_own);
        Ok(own.flat_map(|doubt| doubt.in_doubt.into_iter().chain(doubt.held)).collect())
    }

    /// Events before this time (Unix seconds) may have been accepted and forgotten: none of them may be sent.
    #[must_use]
    pub fn forgotten_before(&self) -> Option<i64> {
        self.forgotten_before
    }

    /// The batches with events in doubt or held, oldest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn in_doubt(&self) -> Result<Vec<Doubt>> {
        self.doubts(&self.entries())
    }

    /// Decides about those of `keys` that are in doubt or held, all at once; gives their number when it is durable.
    ///
    /// # Errors
    /// If an event of them is under way, or the decision could not be made durable. Then nothing is decided.
    pub fn decide(&self, keys: &[EventKey], decision: Decision) -> Result<usize> {
        let now = self.now();
        // Held to the end: nothing is prepared while it is decided about.
        let mut entries = self.entries();
        let open = entries.standings.open_to_decision(keys).ok_or_else(under_way)?;
        let mut decisions = Vec::new();
        for doubt in self.doubts(&entries)? {
            if let Some(batch) = doubt.decided(&open, entries.next_batch, now) {
                entries.next_batch += 1;
                let outcomes = outcomes::encode_decision(decision, batch.len()).into();
                let ending = Ending { batch: batch.id, ended: now, outcomes };
                decisions.push((batch, ending));
            }
        }
        if !decisions.is_empty() {
            self.writer.write(Change::Decisions(decisions))?;
        }
        for key in &open {
            entries.standings.decide(key, decision);
        }
        Ok(open.len())
    }

    fn doubts(&self, entries: &Entries) -> Result<Vec<Doubt>> {
        let undecided = entries.standings.undecided().map(|(key, standing)| (*key, standing)).collect();
        self.read(move |connection| doubt::list(connection, &undecided))
    }

    fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.read(question)?.map_err(|error| failure::opening(&self.path, error))
    }

    // Every change is complete before anything can panic, so a poisoned lock guards sound entries.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sqlite {
    // Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store for Sqlite {
    fn prepare(&self, batch: &Batch) -> Result<Ticket> {
        let now = self.now();
        let (id, run, first_attempt, attempted) = {
            let mut entries = self.entries();
            let keys = entries.standings.accepted() + batch.len();
            capacity::allow(keys, self.memory, &self.path, ErrorKind::Incomplete)?;
            let (first_attempt, attempted) = entries.standings.begin(batch.events(), now).ok_or_else(under_way)?;
            entries.next_batch += 1;
            (entries.next_batch - 1, entries.run, first_attempt, attempted)
        };
        let row = BatchRow::of(batch, id, run, now, first_attempt);
        if let Err(error) = self.writer.write(Change::Intent(row)) {
            self.entries().standings.end(batch.events());
            return Err(error);
        }
        Ok(Ticket { id, batch: batch.clone(), attempted, first_attempt, is_awaited: false })
    }

    fn settle(&self, ticket: Ticket, outcomes: &[Outcome]) -> Result<()> {
        let events = ticket.batch.events();
        if events.len() != outcomes.len() {
            return Err(mismatch(events.len(), outcomes.len()));
        }
        let ending =
            Ending { batch: ticket.id, ended: self.now(), outcomes: outcomes::encode(events, outcomes).into() };
        self.writer.write_by(Change::Ending(ending), ticket.is_awaited)?;
        self.entries().standings.settle(events, outcomes, ticket.first_attempt);
        Ok(())
    }

    fn cancel(&self, ticket: Ticket) -> Result<()> {
        self.writer.write_by(Change::Withdrawal(ticket.id), ticket.is_awaited)?;
        self.entries().standings.end(ticket.batch.events());
        Ok(())
    }

    fn standing(&self, key: &EventKey) -> Standing {
        self.entries().standings.of(key)
    }

    fn now(&self) -> i64 {
        let now = (self.clock)();
        self.latest.fetch_max(now, Ordering::Relaxed).max(now)
    }

    fn secret(&self) -> [u8; 32] {
        self.secret
    }

    fn begin_run(&self, run: &Run) -> Result<()> {
        let row = {
            let entries = self.entries();
            let number = entries.runs.last().map_or(1, |last| last.number + 1);
            RunRow { number, run: run.clone(), ended: None, succeeded: false }
        };
        self.writer.write(Change::Run(row.clone()))?;
        let mut entries = self.entries();
        entries.run = Some(row.number);
        entries.runs.push(row);
        Ok(())
    }

    fn end_run(&self, succeeded: bool) -> Result<()> {
        let now = self.now();
        let Some(last) = self.entries().runs.last().cloned() else { return Ok(()) };
        let ended = RunRow { ended: Some(now), succeeded, ..last };
        self.writer.write(Change::Run(ended.clone()))?;
        let mut entries = self.entries();
        entries.run = None;
        if let Some(last) = entries.runs.last_mut() {
            *last = ended;
        }
        Ok(())
    }

    fn last_success(&self, query: &str) -> Option<i64> {
        let entries = self.entries();
        let of_query = entries.runs.iter().filter(|row| row.succeeded && row.run.query == query);
        of_query.map(|row| row.run.started).max()
    }
}

/// The error of a ledger that is older than the last one seen in this place.
fn lost(path: &Path, about: &About) -> Error {
    let message = if about.epoch == 0 {
        "the ledger is gone, and with it what was already accepted"
    } else {
        "the ledger is older than the one that was last used here, and does not know what was accepted since"
    };
    Error::new(ErrorKind::Usage, message).context("ledger", path.display()).hint(
        "put the latest one back; or go on without it with --accept-ledger-loss: events of the last 48 hours may be sent \
         again without harm, older ones count twice",
    )
}
