//! One owner at a time: a lock that vanishes with its process, and a note of who holds it.
//!
//! The note also says how far the ledger had come: its epoch, and the number of the last batch that is durable. A ledger
//! that lacks what the note knows is older than it: put back from a copy, or robbed of its log, of which SQLite takes what
//! is whole and does not say that there was more. The number is written after the batch is durable and is not synced, so
//! that after a power loss it is too small at worst; the ledger never lacks what the note knows by a mere crash.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::Place;
use super::about::About;
use crate::error::{Error, ErrorKind, Result};

/// Length of the note: it is written over the one before in one piece.
const NOTE_BYTES: usize = 512;
/// Time after which whoever took the lock has written its note.
const NOTE_IS_WRITTEN: Duration = Duration::from_millis(50);

/// Who holds a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The machine's name.
    pub host: String,
}

/// The lock of a ledger, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
    note: Note,
}

/// What the lock's file says.
#[derive(Clone, Debug, Default)]
struct Note {
    pid: u32,
    host: String,
    since: i64,
    /// The ledger's epoch when it was last opened.
    epoch: i64,
    /// The highest number of a batch that is durable.
    batch: i64,
}

/// Keeps the note's batch while the ledger is open.
#[derive(Debug)]
pub(super) struct Progress {
    file: File,
    note: Note,
}

impl Lock {
    /// Takes the lock. A note that a dead process left says nothing: its lock is gone.
    pub(super) fn take(place: &Place, now: i64) -> Result<Self> {
        let path = place.lock();
        let wrong = |error: std::io::Error| wrong(&path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(wrong)?;
        let is_taken = match file.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => return Err(wrong(error)),
        };
        if is_taken {
            // Who took it this very moment has yet to write its note over the last one.
            thread::sleep(NOTE_IS_WRITTEN);
        }
        // Where locks keep others from reading, the holder stays unnamed.
        let before = Note::read(&mut file).unwrap_or_default();
        if is_taken {
            return Err(held(&place.database(), &before));
        }
        let note = Note { pid: place.holder.pid, host: place.holder.host.clone(), since: now, ..before };
        note.write(&mut file).and_then(|()| file.sync_data()).map_err(wrong)?;
        Ok(Self { file, path, note })
    }

    /// The epoch of the ledger that was last opened here; 0 if there was none.
    pub(super) fn epoch(&self) -> i64 {
        self.note.epoch
    }

    /// How many numbers of batches the ledger lacks that were durable here.
    pub(super) fn lacking(&self, about: &About) -> u64 {
        u64::try_from(self.note.batch.saturating_sub(about.last_batch)).unwrap_or_default()
    }

    /// Notes how far the ledger is.
    pub(super) fn record(&mut self, about: &About) -> Result<()> {
        (self.note.epoch, self.note.batch) = (about.epoch, about.last_batch);
        let written = self.note.write(&mut self.file).and_then(|()| self.file.sync_data());
        written.map_err(|error| wrong(&self.path, error))
    }

    /// What notes further batches.
    pub(super) fn progress(&self) -> Result<Progress> {
        let file = self.file.try_clone().map_err(|error| wrong(&self.path, error))?;
        Ok(Progress { file, note: self.note.clone() })
    }
}

impl Progress {
    /// Notes that all batches up to this one are durable.
    pub(super) fn note(&mut self, batch: i64) -> std::io::Result<()> {
        if batch <= self.note.batch {
            return Ok(());
        }
        self.note.batch = batch;
        self.note.write(&mut self.file)
    }
}

impl Drop for Lock {
    /// A child that this process is starting right now has a copy of the file, and would keep the lock for a moment.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "the ledger's lock is freed with its process only");
        }
    }
}

impl Note {
    fn read(file: &mut File) -> std::io::Result<Self> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.take(NOTE_BYTES as u64).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let value = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::trim).unwrap_or_default()
        };
        Ok(Self {
            pid: value("process").parse().unwrap_or_default(),
            host: value("host").to_owned(),
            since: value("since").parse::<Timestamp>().map(Timestamp::as_second).unwrap_or_default(),
            epoch: value("epoch").parse().unwrap_or_default(),
            batch: value("batch").parse().unwrap_or_default(),
        })
    }

    fn write(&self, file: &mut File) -> std::io::Result<()> {
        let host: String = self.host.chars().filter(|char| !char.is_control()).take(64).collect();
        let since = Timestamp::from_second(self.since).unwrap_or_default();
        let Self { epoch, batch, pid, .. } = self;
        let text = format!("epoch: {epoch}\nbatch: {batch}\nprocess: {pid}\nsince: {since}\nhost: {host}\n");
        let mut text = text.into_bytes();
        text.resize(NOTE_BYTES, b' ');
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&text)
    }
}

fn held(database: &Path, note: &Note) -> Error {
    let error = Error::new(ErrorKind::Locked, "another run holds the ledger").context("ledger", database.display());
    let error = if note.pid == 0 {
        error
    } else {
        let since = Timestamp::from_second(note.since).unwrap_or_default();
        let host = if note.host.is_empty() { "this machine" } else { &note.host };
        error.context("holder", format_args!("process {} on {host}, since {since}", note.pid))
    };
    error.hint("wait until it has ended, or stop it; the ledger is free as soon as its process is gone")
}

fn wrong(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Usage, "the ledger cannot be locked").context("lock", path.display()).source(error)
}
