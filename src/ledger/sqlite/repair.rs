//! Saves the rows of a damaged ledger that are still what was written.
//!
//! Rows are looked up one by one, from both ends and then by number, so that an unreadable page costs only its rows.
//! What is whole goes into a new file; the damaged one is kept beside it. What is lost has these effects:
//! - the end of a batch, or what was decided about it: its events are in doubt again, and are sent again or held as
//!   after a crash;
//! - a batch: its events are no longer known. Where all lost batches were first sent so lately that TikTok still drops
//!   a copy, sending them again is harmless. Else no event of a time that they can have had is sent any more: the
//!   ledger's low-water mark is raised ([`Repaired::forgotten_before`]), so that nothing counts twice;
//! - a run: its batches keep everything but its name;
//! - the end of the log: the batches that the lock's note knows and the ledger does not are lost.
//!
//! The secret is in one row; without it no key could be compared with an event, and nothing can be saved.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use super::about::About;
use super::lock::Lock;
use super::row::{Batch, Checksum, Ending, RunRow};
use super::{Place, failure, file, older, outcomes, schema};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::WINDOW;

/// Numbers between readable rows that are tried one by one.
const MAX_PROBES: usize = 1_000_000;
/// Seconds by which an event may lie in the future when it is sent.
const FUTURE: i64 = 3_600;

/// What a repair saved and lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Where the damaged file is now.
    pub damaged: PathBuf,
    /// Batches that were saved.
    pub batches: u64,
    /// Events of these batches.
    pub events: u64,
    /// Saved batches without an end, whether it is lost or never was: their events are in doubt.
    pub open: Vec<i64>,
    /// Batches that are lost.
    pub lost_batches: u64,
    /// Numbers among which the lost batches are; batches that were withdrawn or forgotten leave gaps too.
    pub gaps: Vec<RangeInclusive<i64>>,
    /// Runs that were saved.
    pub runs: u64,
    /// Events before this time, Unix seconds, are not sent any more, since lost batches may have held them.
    pub forgotten_before: Option<i64>,
}

/// Saves what is whole of the ledger at `place` into a new file in its place; `now` is Unix seconds.
///
/// # Errors
/// [`ErrorKind::Locked`] if a run holds it, [`ErrorKind::Source`] if there is none, [`ErrorKind::Usage`] if its secret is
/// lost, it is older than the one last used here and that is not accepted with `accept_loss`, or the new file cannot be
/// written. The damaged file is then where it was.
pub fn repair(place: &Place, now: i64, accept_loss: bool) -> Result<Repaired> {
    place.require()?;
    let path = place.database();
    let folder = file::folder(&place.folder)?;
    let mut lock = Lock::take(place, now)?;
    let (fresh, damaged) = (path.with_extension("repaired"), aside(&path, now));
    for leftover in [fresh.clone(), with_suffix(&fresh, "-wal")] {
        if leftover.exists() {
            fs::remove_file(&leftover).map_err(|error| unwritten(&leftover, error))?;
        }
    }
    let old = schema::connect(&path).map_err(|error| failure::opening(&path, error))?;
    let about = About::read(&old).ok().flatten().ok_or_else(|| secret_lost(&path))?;
    if about.epoch < lock.epoch() && !accept_loss {
        return Err(older(&path));
    }
    let lost = lock.lacking(&about);
    let about = about.with_lost(lost);
    let rows = Rows::read(&old, about.last_batch);
    let mut repaired = rows.summary(&about, damaged.clone(), now);
    drop(old);

    file::create(&fresh)?;
    let mut new = schema::connect(&fresh).map_err(|error| failure::opening(&fresh, error))?;
    let writing = |error| failure::writing(&fresh, error);
    let mut fresh_about = schema::prepare(&mut new, &fresh, place.namespace, Some(&about.secret), about.created)?;
    repaired.forgotten_before = repaired.forgotten_before.max(about.forgotten_before);
    fresh_about.forgotten_before = repaired.forgotten_before;
    fresh_about.epoch = about.epoch.max(lock.epoch()) + 1;
    (fresh_about.batches, fresh_about.last_batch) = (rows.batches.len() as u64, about.last_batch);
    fresh_about.total = rows.write(&mut new).map_err(writing)?;
    fresh_about.write(&new).map_err(writing)?;
    new.close().map_err(|(_, error)| writing(error))?;
    // First: should the machine stop between the steps below, what is there then is known to be not the latest.
    lock.record(&fresh_about)?;

    for suffix in ["-wal", ""] {
        let (from, to) = (with_suffix(&path, suffix), with_suffix(&damaged, suffix));
        if from.exists() {
            fs::rename(&from, &to).map_err(|error| unwritten(&to, error))?;
        }
    }
    fs::rename(&fresh, &path).map_err(|error| unwritten(&path, error))?;
    file::sync_folder(&folder)?;
    Ok(repaired)
}

/// The rows that are what was written.
struct Rows {
    runs: Vec<RunRow>,
    batches: Vec<Batch<'static>>,
    endings: Vec<Ending<'static>>,
}

impl Rows {
    fn read(connection: &Connection, last_batch: i64) -> Self {
        let run = |row: &Row<'_>| {
            let (run, checksum) = RunRow::read(row)?;
            Ok((run.checksum() == checksum).then_some(run))
        };
        let batch = |row: &Row<'_>| {
            let (batch, checksum) = Batch::read(row)?;
            Ok((batch.checksum() == checksum).then(|| owned(&batch)))
        };
        let ending = |row: &Row<'_>| {
            let ending = Ending::read(row, 0)?.filter(|(ending, checksum)| ending.checksum() == *checksum);
            Ok(ending.map(|(Ending { batch, ended, outcomes }, _)| Ending {
                batch,
                ended,
                outcomes: outcomes.into_owned().into(),
            }))
        };
        let sql = format!("SELECT {} FROM runs WHERE number", RunRow::COLUMNS);
        let runs = salvage(connection, &sql, i64::from(u32::MAX), run);
        let sql = format!("SELECT {} FROM batches b WHERE b.id", Batch::COLUMNS);
        let batches = salvage(connection, &sql, last_batch, batch);
        let sql = format!("SELECT {} FROM endings e WHERE e.batch", Ending::COLUMNS);
        let endings = salvage(connection, &sql, last_batch, ending);
        Self { runs, batches, endings }
    }

    /// What is saved, and what is lost.
    fn summary(&self, about: &About, damaged: PathBuf, now: i64) -> Repaired {
        let is_open = |batch: &&Batch<'_>| self.endings.binary_search_by_key(&batch.id, |ending| ending.batch).is_err();
        let mut repaired = Repaired {
            damaged,
            batches: self.batches.len() as u64,
            events: self.batches.iter().map(|batch| batch.len() as u64).sum(),
            open: self.batches.iter().filter(is_open).map(|batch| batch.id).collect(),
            lost_batches: about.batches.saturating_sub(self.batches.len() as u64),
            gaps: Vec::new(),
            runs: self.runs.len() as u64,
            forgotten_before: None,
        };
        if repaired.lost_batches == 0 {
            return repaired;
        }
        let mut before = None::<&Batch<'_>>;
        for batch in self.batches.iter().map(Some).chain([None]) {
            let from = before.map_or(1, |before| before.id + 1);
            let to = batch.map_or(about.last_batch, |batch| batch.id - 1);
            if from <= to {
                repaired.gaps.push(from..=to);
                // What is lost there was prepared between its neighbours, or after the ledger was made.
                let earliest = before.map_or(about.created, |before| before.prepared);
                let latest = batch.map_or(now, |batch| batch.prepared);
                if earliest < now - WINDOW {
                    repaired.forgotten_before = repaired.forgotten_before.max(Some(latest + FUTURE));
                }
            }
            before = batch.or(before);
        }
        repaired
    }

    /// Writes the rows as one transaction; gives the sum of their checksums.
    fn write(&self, connection: &mut Connection) -> rusqlite::Result<Checksum> {
        let transaction = connection.transaction()?;
        let mut total = Checksum::ZERO;
        for run in &self.runs {
            total = total.plus(run.put(&transaction)?.0);
        }
        for batch in &self.batches {
            total = total.plus(batch.insert(&transaction)?);
        }
        for ending in &self.endings {
            let batch = self.batches.binary_search_by_key(&ending.batch, |batch| batch.id);
            if let Ok(batch) = batch
                && outcomes::decode(&ending.outcomes, self.batches[batch].len()).is_some()
            {
                total = total.plus(ending.insert(&transaction)?);
            }
        }
        transaction.commit()?;
        Ok(total)
    }
}

/// The rows that can be read and are what was written, by number, each once.
///
/// `select` is a query up to the name of its number, which is its first column; `upto` is the last number there was.
fn salvage<T>(
    connection: &Connection,
    select: &str,
    upto: i64,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<Option<T>>,
) -> Vec<T> {
    let number = select.rsplit(' ').next().unwrap_or_default();
    let mut saved = Vec::new();
    let mut keep = |row: &Row<'_>| -> Option<i64> {
        let number = row.get(0).ok()?;
        if let Ok(Some(row)) = read(row) {
            saved.push((number, row));
        }
        Some(number)
    };
    // Walks until the first page that cannot be read; gives the last number before it, and whether there was one.
    let mut walk = |sql: String, from: i64| -> (i64, bool) {
        let mut last = from;
        let Ok(mut statement) = connection.prepare(&sql) else { return (last, true) };
        let Ok(mut rows) = statement.query([from]) else { return (last, true) };
        loop {
            match rows.next() {
                Ok(Some(row)) => last = keep(row).unwrap_or(last),
                Ok(None) => return (last, false),
                Err(_) => return (last, true),
            }
        }
    };
    let (low, is_cut) = walk(format!("{select} > ?1 ORDER BY {number}"), 0);
    if is_cut {
        let (high, _) = walk(format!("{select} < ?1 AND {number} > {low} ORDER BY {number} DESC"), upto + 1);
        for probed in (low + 1..high).take(MAX_PROBES) {
            let _ = connection.query_row(&format!("{select} = ?1"), [probed], |row| Ok(keep(row))).optional();
        }
    }
    saved.sort_by_key(|(number, _)| *number);
    saved.dedup_by_key(|(number, _)| *number);
    saved.into_iter().map(|(_, row)| row).collect()
}

fn owned(batch: &Batch<'_>) -> Batch<'static> {
    Batch {
        event_source: batch.event_source.to_string().into(),
        event_source_id: batch.event_source_id.to_string().into(),
        keys: batch.keys.to_vec().into(),
        ..*batch
    }
}

/// The name under which the damaged file is kept.
fn aside(path: &Path, now: i64) -> PathBuf {
    let time = Timestamp::from_second(now).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ");
    with_suffix(path, &format!(".damaged-{time}"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn secret_lost(path: &Path) -> Error {
    Error::new(ErrorKind::Usage, "the ledger cannot be repaired: the secret that its event keys are made with is lost")
        .context("ledger", path.display())
        .hint(
            "put a copy of the file back; or move it away to begin a new ledger, and send no event again that is older \
             than 44 hours, since it would count twice",
        )
}

fn unwritten(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Usage, "the ledger cannot be repaired: a file could not be moved")
        .context("file", path.display())
        .source(error)
}
