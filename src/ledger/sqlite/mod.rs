//! The ledger on disk: an SQLite file that survives whatever ends the process.
//!
//! # Files
//!
//! A folder (0700) holds for each [`Namespace`] a database (`ledger.sqlite`, 0600; beside it, while a run lives or after
//! it died, SQLite's `-wal` and the reserve, `ledger.reserve`) and a lock (`ledger.lock`). A namespace has files of its
//! own, so that test events and the sandbox never meet live ones and need not wait for them. Schema and rows are
//! described in [`schema`] and [`row`].
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
//!   empty ledger. The lock file keeps the epoch and the number of the last batch too: a ledger that is gone, older than
//!   that or without the end of its log is refused, and the last can be repaired.
//! - **Fail closed**: after a failed write no intent is taken. If the disk was full, the reserve is given back to it, so
//!   that the outcomes of what is under way still fit; after any other failure nothing is written.
//! - **No window too long**: time does not run backwards while a ledger is open. Where the clock was set back since,
//!   what is in doubt is held, as [`clock`] says.
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
use std::sync::atomic::AtomicI64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use self::lock::Lock;
use self::reserve::Reserve;
use self::row::{Ending, RunRow};
use self::writer::{Change, Writer};
use super::standings::Standings;
use super::{Clock, Decision, Model, Store, under_way};
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventKey;

mod about;
mod capacity;
mod clock;
mod doubt;
mod export;
mod failure;
mod file;
mod known;
mod load;
mod lock;
mod network;
mod options;
mod outcomes;
mod place;
mod repair;
mod reserve;
mod retention;
mod row;
mod schema;
mod store;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use doubt::Doubt;
pub use export::{Exported, export};
pub use known::{Aim, knows};
pub use lock::Holder;
pub use options::Options;
pub use place::{Namespace, Place};
pub use repair::{Repaired, repair};
pub use verify::{Problem, Verification, verify};

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
        let is_looking = options.fresh_secret.is_none();
        if is_looking {
            options.place.require()?;
        }
        let folder = file::folder(&options.place.folder)?;
        if !options.accept_network {
            network::refuse(&folder)?;
        }
        let mut lock = Lock::take(&options.place, now)?;
        // Before there is a file again, in whose place the lost one is to be put.
        if lock.epoch() > 0 && !path.exists() && !options.accept_loss {
            return Err(gone(&path));
        }
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
            file::sync_above(&folder);
        }
        if about.epoch < lock.epoch() && !options.accept_loss {
            return Err(if about.epoch == 0 { gone(&path) } else { older(&path) });
        }
        if lock.lacking(&about) > 0 && !options.accept_loss {
            return Err(failure::cut(&path, lock.lacking(&about)));
        }
        let mut about = about;
        let loaded = load::load(&connection, &path, &about, options.memory)?;
        about.epoch = about.epoch.max(lock.epoch()) + 1;
        let set_back = clock::is_set_back(now, loaded.latest);
        // A clock that is ahead must not make it forget: what the latest entry is too old for is forgotten.
        let before = now.min(loaded.latest).saturating_sub(options.max_event_age).saturating_sub(retention::MARGIN);
        retention::forget(&mut connection, &mut about, &loaded, before)
            .map_err(|error| failure::writing(&path, error))?;
        let reserve = Reserve::make(path.with_extension("reserve"), options.reserve)?;
        lock.record(&about)?;
        let ledger = Self {
            memory: options.memory,
            secret: about.secret,
            forgotten_before: about.forgotten_before,
            latest: AtomicI64::new(if set_back { now } else { loaded.latest }),
            clock: options.clock,
            entries: Mutex::new(Entries {
                standings: loaded.standings,
                runs: loaded.runs,
                next_batch: about.last_batch + 1,
                run: None,
            }),
            writer: Writer::start(connection, about, lock.progress()?, path.clone(), reserve, options.linger)?,
            path,
            _lock: lock,
        };
        if set_back {
            ledger.distrust(now, loaded.latest, is_looking)?;
        }
        Ok(ledger)
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

/// The error of a ledger that was there when this place was last used.
fn gone(path: &Path) -> Error {
    lost(path, "the ledger is gone, and with it what was already accepted")
}

/// The error of a ledger that is older than the last one seen in this place.
fn older(path: &Path) -> Error {
    lost(path, "the ledger is older than the one that was last used here, and does not know what was accepted since")
}

fn lost(path: &Path, message: &str) -> Error {
    Error::new(ErrorKind::Usage, message).context("ledger", path.display()).hint(
        "put the latest one back; or go on without it with --accept-ledger-loss: events of the last 48 hours may be sent \
         again without harm, older ones count twice",
    )
}
