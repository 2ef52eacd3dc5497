//! The rows and their checksums.

use std::borrow::Cow;

use rusqlite::{Connection, Row, params};

use crate::event::{self, Destination, EventKey};
use crate::ledger::Run;

/// Bytes of a key.
pub(super) const KEY: usize = 16;

/// 128 bits of BLAKE3 over a row, or the sum of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checksum(pub(super) [u8; 16]);

impl Checksum {
    pub(super) const ZERO: Self = Self([0; 16]);

    /// The checksum of a row of `table`: numbers first, then texts and blobs with their lengths.
    pub(super) fn of(table: &str, numbers: &[i64], parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(table.as_bytes());
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(bytes)
    }

    /// The sum with another one: the same in any order.
    #[must_use]
    pub(super) fn plus(self, other: Self) -> Self {
        Self(u128::from_le_bytes(self.0).wrapping_add(u128::from_le_bytes(other.0)).to_le_bytes())
    }

    /// The sum without another one.
    #[must_use]
    pub(super) fn minus(self, other: Self) -> Self {
        Self(u128::from_le_bytes(self.0).wrapping_sub(u128::from_le_bytes(other.0)).to_le_bytes())
    }
}

/// A row of `batches`.
#[derive(Clone, Debug)]
pub(super) struct Batch<'a> {
    pub(super) id: i64,
    /// Number of the run.
    pub(super) run: Option<i64>,
    pub(super) event_source: Cow<'a, str>,
    pub(super) event_source_id: Cow<'a, str>,
    pub(super) prepared: i64,
    pub(super) first_attempt: i64,
    pub(super) first_event: i64,
    pub(super) last_event: i64,
    /// The event keys, one after the other.
    pub(super) keys: Cow<'a, [u8]>,
}

impl Batch<'static> {
    pub(super) fn of(batch: &event::Batch, id: i64, run: Option<i64>, prepared: i64, first_attempt: i64) -> Self {
        let Destination { event_source, event_source_id } = &batch.destination;
        let times = || batch.events().iter().map(|event| event.time);
        let keys: Vec<u8> = batch.events().iter().flat_map(|event| *event.key.as_bytes()).collect();
        Self {
            id,
            run,
            event_source: event_source.as_str().into(),
            event_source_id: event_source_id.to_string().into(),
            prepared,
            first_attempt,
            first_event: times().min().unwrap_or(prepared),
            last_event: times().max().unwrap_or(prepared),
            keys: keys.into(),
        }
    }
}

impl<'a> Batch<'a> {
    /// The columns that [`Self::read`] expects, in order.
    pub(super) const COLUMNS: &'static str = "b.id, b.run, b.event_source, b.event_source_id, b.prepared, \
        b.first_attempt, b.first_event, b.last_event, b.checksum, b.event_keys";
    /// How many these are.
    pub(super) const WIDTH: usize = 10;

    /// Reads a row, and the checksum that was stored with it.
    pub(super) fn read(row: &'a Row<'_>) -> rusqlite::Result<(Self, Checksum)> {
        let batch = Self {
            id: row.get(0)?,
            run: row.get(1)?,
            event_source: row.get_ref(2)?.as_str()?.into(),
            event_source_id: row.get_ref(3)?.as_str()?.into(),
            prepared: row.get(4)?,
            first_attempt: row.get(5)?,
            first_event: row.get(6)?,
            last_event: row.get(7)?,
            keys: row.get_ref(9)?.as_blob()?.into(),
        };
        Ok((batch, Checksum(row.get(8)?)))
    }

    pub(super) fn insert(&self, connection: &Connection) -> rusqlite::Result<Checksum> {
        let sql = "INSERT INTO batches VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let checksum = self.checksum();
        connection.prepare_cached(sql)?.execute(params![
            self.id,
            self.run,
            self.event_source,
            self.event_source_id,
            self.prepared,
            self.first_attempt,
            self.first_event,
            self.last_event,
            checksum.0,
            self.keys,
        ])?;
        Ok(checksum)
    }

    pub(super) fn checksum(&self) -> Checksum {
        let numbers =
            [self.id, self.run.unwrap_or(0), self.prepared, self.first_attempt, self.first_event, self.last_event];
        let parts = [self.event_source.as_bytes(), self.event_source_id.as_bytes(), &*self.keys];
        Checksum::of("batches", &numbers, &parts)
    }

    /// Number of events.
    pub(super) fn len(&self) -> usize {
        self.keys.len() / KEY
    }

    /// The event keys, in the batch's order.
    pub(super) fn event_keys(&self) -> impl Iterator<Item = EventKey> {
        self.keys.as_chunks::<KEY>().0.iter().map(|key| EventKey::from(*key))
    }
}

/// A row of `endings`.
#[derive(Clone, Debug)]
pub(super) struct Ending<'a> {
    pub(super) batch: i64,
    pub(super) ended: i64,
    /// As [`super::outcomes`] writes them.
    pub(super) outcomes: Cow<'a, [u8]>,
}

impl<'a> Ending<'a> {
    /// The columns that [`Self::read`] expects, in order.
    pub(super) const COLUMNS: &'static str = "e.batch, e.ended, e.outcomes, e.checksum";

    /// Reads the row whose columns begin at `start`, and the checksum stored with it; `None` where there is no row.
    pub(super) fn read(row: &'a Row<'_>, start: usize) -> rusqlite::Result<Option<(Self, Checksum)>> {
        let Some(batch) = row.get(start)? else { return Ok(None) };
        let outcomes = row.get_ref(start + 2)?.as_blob()?.into();
        Ok(Some((Self { batch, ended: row.get(start + 1)?, outcomes }, Checksum(row.get(start + 3)?))))
    }

    pub(super) fn insert(&self, connection: &Connection) -> rusqlite::Result<Checksum> {
        let checksum = self.checksum();
        let sql = "INSERT INTO endings VALUES (?1, ?2, ?3, ?4)";
        connection.prepare_cached(sql)?.execute(params![self.batch, self.ended, self.outcomes, checksum.0])?;
        Ok(checksum)
    }

    pub(super) fn checksum(&self) -> Checksum {
        Checksum::of("endings", &[self.batch, self.ended], &[&self.outcomes])
    }
}

/// A row of `runs`.
#[derive(Clone, Debug)]
pub(super) struct RunRow {
    pub(super) number: i64,
    pub(super) run: Run,
    pub(super) ended: Option<i64>,
    pub(super) succeeded: bool,
}

impl RunRow {
    /// The columns that [`Self::read`] expects, in order.
    pub(super) const COLUMNS: &'static str = "number, id, query, started, ended, succeeded, checksum";

    /// Reads a row, and the checksum stored with it.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<(Self, Checksum)> {
        let run = Run { id: row.get(1)?, query: row.get(2)?, started: row.get(3)? };
        let run = Self { number: row.get(0)?, run, ended: row.get(4)?, succeeded: row.get(5)? };
        Ok((run, Checksum(row.get(6)?)))
    }

    /// Writes the row over the one of the same number; gives its checksum and that of the one before.
    pub(super) fn put(&self, connection: &Connection) -> rusqlite::Result<(Checksum, Checksum)> {
        let find = "SELECT checksum FROM runs WHERE number = ?1";
        let before = connection.prepare_cached(find)?.query_map([self.number], |row| row.get(0))?.next().transpose()?;
        let checksum = self.checksum();
        let sql = "INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        connection.prepare_cached(sql)?.execute(params![
            self.number,
            self.run.id,
            self.run.query,
            self.run.started,
            self.ended,
            self.succeeded,
            checksum.0,
        ])?;
        Ok((checksum, before.map_or(Checksum::ZERO, Checksum)))
    }

    pub(super) fn checksum(&self) -> Checksum {
        let numbers = [self.number, self.run.started, self.ended.unwrap_or(i64::MIN), i64::from(self.succeeded)];
        Checksum::of("runs", &numbers, &[self.run.id.as_bytes(), self.run.query.as_bytes()])
    }
}
