//! Looks at every row of a ledger and lists what is wrong, without changing anything.

use std::collections::{HashMap, HashSet};
use std::fmt;

use rusqlite::Connection;

use super::about::About;
use super::load::apply;
use super::lock::Lock;
use super::outcomes::{self, End, Stretch};
use super::row::{Batch, Checksum, Ending, KEY, RunRow};
use super::{Place, failure, schema};
use crate::error::Result;
use crate::ledger::Standing;
use crate::ledger::standings::Standings;

/// Problems that are listed; more are only counted.
const MAX_PROBLEMS: usize = 1_000;

/// What a ledger holds, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Verification {
    /// Runs on record.
    pub runs: u64,
    /// Batches on record, those that were decided about included.
    pub batches: u64,
    /// Events about which a person decided, as often as that happened.
    pub decided: u64,
    /// Events that were accepted.
    pub accepted: u64,
    /// Events that may have been accepted, and can be sent again for a while.
    pub in_doubt: u64,
    /// Events that may have been accepted, and wait for a decision.
    pub held: u64,
    /// Events that were offered again although they were on record as accepted: somebody forced it.
    pub offered_again: u64,
    /// What is wrong; empty for a sound ledger. At most a thousand are listed.
    pub problems: Vec<Problem>,
    /// Problems beyond those listed.
    pub more_problems: u64,
}

/// Something that is wrong with a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The row it is about: its table and its number.
    pub row: Option<(&'static str, i64)>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((table, number)) = self.row {
            write!(f, "{table} {number}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn add(&mut self, row: Option<(&'static str, i64)>, message: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { row, message: message.into() });
        } else {
            self.more_problems += 1;
        }
    }
}

/// Looks at every row of the ledger at `place`; `now` is Unix seconds.
///
/// # Errors
/// [`Locked`](crate::error::ErrorKind::Locked) if a run holds it, [`Source`](crate::error::ErrorKind::Source) if there is
/// none, [`Usage`](crate::error::ErrorKind::Usage) if it cannot be opened at all. Damage is not an error here but in [`Verification::problems`].
pub fn verify(place: &Place, now: i64) -> Result<Verification> {
    let path = place.database();
    place.require()?;
    let lock = Lock::take(place, now)?;
    let mut found = Verification::default();
    let connection = match schema::connect(&path) {
        Ok(connection) => connection,
        Err(error) => {
            found.add(None, format!("the file cannot be opened: {error}"));
            return Ok(found);
        }
    };
    match schema::recognise(&connection, &path) {
        Ok(0) => {
            found.add(None, "the file is empty");
            return Ok(found);
        }
        Ok(_) => {}
        Err(error) => found.add(None, error.message()),
    }
    if let Err(error) = pages(&connection, &mut found) {
        found.add(None, format!("the pages cannot be checked: {error}"));
    }
    let total = match About::read(&connection) {
        Ok(Some(about)) => {
            if about.epoch < lock.epoch() {
                found.add(None, "the ledger is older than the one that was last used here");
            } else if lock.lacking(&about) > 0 {
                found.add(None, failure::lacks(lock.lacking(&about)));
            }
            Some(about.total)
        }
        Ok(None) => {
            found.add(Some(("about", 1)), "the ledger's own row is not what was written");
            None
        }
        Err(error) => {
            found.add(Some(("about", 1)), format!("the ledger's own row cannot be read: {error}"));
            None
        }
    };
    match rows(&connection, &mut found) {
        Ok(sum) if total.is_some_and(|total| total != sum) => {
            found.add(None, "rows are missing, or there are more than were written");
        }
        Ok(_) => {}
        Err(error) => found.add(None, format!("not every row can be read: {error}")),
    }
    Ok(found)
}

/// What SQLite itself finds wrong with its pages.
fn pages(connection: &Connection, found: &mut Verification) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        if line != "ok" {
            found.add(None, line);
        }
    }
    Ok(())
}

/// Checks each row on its own and against the others; gives the sum of the checksums.
fn rows(connection: &Connection, found: &mut Verification) -> rusqlite::Result<Checksum> {
    let mut total = Checksum::ZERO;
    let mut numbers = HashSet::new();
    let mut statement = connection.prepare(&format!("SELECT {} FROM runs", RunRow::COLUMNS))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (run, checksum) = RunRow::read(row)?;
        let is_sound = run.checksum() == checksum;
        if !is_sound {
            found.add(Some(("run", run.number)), "is not what was written");
        }
        total = total.plus(checksum);
        numbers.insert(run.number);
        found.runs += 1;
    }
    let mut endings = endings(connection, found)?;
    let mut standings = Standings::default();
    let sql = format!("SELECT {} FROM batches b ORDER BY b.id", Batch::COLUMNS);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (batch, checksum) = Batch::read(row)?;
        let name = Some(("batch", batch.id));
        found.batches += 1;
        total = total.plus(checksum);
        if batch.checksum() != checksum {
            found.add(name, "is not what was written");
        }
        if batch.keys.len() % KEY != 0 {
            found.add(name, "ends in the middle of an event key");
        }
        if batch.run.is_some_and(|run| !numbers.contains(&run)) {
            found.add(name, "is of a run that is not on record");
        }
        if batch.first_attempt > batch.prepared {
            found.add(name, "was first attempted after it was prepared");
        }
        let mut stretches = vec![Stretch { events: batch.len(), end: End::InDoubt }];
        if let Some((bytes, checksum)) = endings.remove(&batch.id) {
            total = total.plus(checksum);
            match outcomes::decode(&bytes, batch.len()) {
                Some(decoded) => stretches = decoded,
                None => found.add(Some(("end of batch", batch.id)), "does not fit the events of the batch"),
            }
        }
        take(&batch, &stretches, &mut standings, found);
    }
    for (batch, (_, checksum)) in endings {
        total = total.plus(checksum);
        found.add(Some(("end of batch", batch)), "is of a batch that is not on record");
    }
    found.accepted = standings.accepted() as u64;
    for (_, standing) in standings.undecided() {
        *if matches!(standing, Standing::Held { .. }) { &mut found.held } else { &mut found.in_doubt } += 1;
    }
    Ok(total)
}

/// The endings by batch, each with the checksum stored with it.
fn endings(connection: &Connection, found: &mut Verification) -> rusqlite::Result<HashMap<i64, (Vec<u8>, Checksum)>> {
    let mut endings = HashMap::new();
    let mut statement = connection.prepare(&format!("SELECT {} FROM endings e", Ending::COLUMNS))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some((ending, checksum)) = Ending::read(row, 0)? else { continue };
        if ending.checksum() != checksum {
            found.add(Some(("end of batch", ending.batch)), "is not what was written");
        }
        endings.insert(ending.batch, (ending.outcomes.into_owned(), checksum));
    }
    Ok(endings)
}

/// Adds a batch to the standings of its events, and lists what cannot have happened.
fn take(batch: &Batch<'_>, stretches: &[Stretch], standings: &mut Standings, found: &mut Verification) {
    let (mut accepted_before, mut repeated, mut undoubted) = (0_u64, 0_u64, 0_u64);
    let mut seen = HashSet::with_capacity(batch.len());
    let mut keys = batch.event_keys();
    for stretch in stretches {
        for (position, key) in keys.by_ref().take(stretch.events).enumerate() {
            repeated += u64::from(!seen.insert(key));
            let before = standings.of(&key);
            if matches!(stretch.end, End::Decided(_)) {
                found.decided += 1;
                undoubted += u64::from(before.first_attempt().is_none());
            } else {
                accepted_before += u64::from(before == Standing::Accepted);
            }
            apply(standings, key, &stretch.end, position, batch.first_attempt);
        }
    }
    if repeated > 0 {
        found.add(Some(("batch", batch.id)), format!("names {repeated} events twice"));
    }
    if undoubted > 0 {
        found.add(Some(("batch", batch.id)), format!("decides about {undoubted} events that were not in doubt"));
    }
    found.offered_again += accepted_before;
}
