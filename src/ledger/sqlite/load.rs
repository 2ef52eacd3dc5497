//! Reads a ledger into memory, and believes nothing that its checksums do not confirm.

use std::path::Path;
use std::thread;

use rusqlite::Connection;

use super::about::About;
use super::outcomes::{self, End, Stretch};
use super::row::{Batch, Checksum, Ending, RunRow};
use super::{capacity, failure};
use crate::error::{ErrorKind, Result};
use crate::event::EventKey;
use crate::ledger::keys::Gathering;
use crate::ledger::standings::Standings;
use crate::ledger::{Decision, Standing};

/// What a ledger holds.
pub(super) struct Loaded {
    pub(super) standings: Standings,
    /// By number.
    pub(super) runs: Vec<RunRow>,
    /// The latest time on record.
    pub(super) latest: i64,
    /// The batches with events that were not accepted under them, by id.
    pub(super) mixed: Vec<Mixed>,
}

/// A batch of which not everything was accepted.
pub(super) struct Mixed {
    pub(super) id: i64,
    pub(super) last_event: i64,
    /// The events that were not.
    pub(super) keys: Vec<EventKey>,
}

/// Reads every row, if `memory` bytes have room for the keys.
pub(super) fn load(connection: &Connection, path: &Path, about: &About, memory: usize) -> Result<Loaded> {
    let opening = |error| failure::opening(path, error);
    let damaged =
        |table: &str, number: i64| failure::damaged(path, format_args!("{table} {number} is not what was written"));
    let mut total = Checksum::ZERO;
    let keys = keys(connection).map_err(opening)?;
    capacity::allow(keys, memory, path, ErrorKind::Usage)?;
    let mut accepted = Gathering::with_capacity(keys);
    let mut loaded =
        Loaded { standings: Standings::default(), runs: Vec::new(), latest: about.created, mixed: Vec::new() };
    for run in runs(connection).map_err(opening)? {
        let (run, checksum) = run;
        if run.checksum() != checksum {
            return Err(damaged("run", run.number));
        }
        total = total.plus(checksum);
        loaded.latest = loaded.latest.max(run.run.started).max(run.ended.unwrap_or_default());
        loaded.runs.push(run);
    }
    let mut statement = connection.prepare(&joined("")).map_err(opening)?;
    let mut rows = statement.query([]).map_err(opening)?;
    while let Some(row) = rows.next().map_err(opening)? {
        let (batch, checksum) = Batch::read(row).map_err(opening)?;
        if batch.checksum() != checksum {
            return Err(damaged("batch", batch.id));
        }
        total = total.plus(checksum);
        let ending = Ending::read(row, Batch::WIDTH).map_err(opening)?;
        let mut stretches = None;
        if let Some((ending, checksum)) = ending {
            let decoded = outcomes::decode(&ending.outcomes, batch.len()).filter(|_| ending.checksum() == checksum);
            stretches = Some(decoded.ok_or_else(|| damaged("the end of batch", batch.id))?);
            total = total.plus(checksum);
            loaded.latest = loaded.latest.max(ending.ended);
        }
        loaded.take(&batch, stretches.as_deref(), &mut accepted);
    }
    if total != about.total {
        return Err(failure::damaged(path, "rows are missing, or there are more than were written"));
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    loaded.standings.accept_all(accepted.finish(threads));
    Ok(loaded)
}

impl Loaded {
    /// Adds a batch to the standings of its events. What was accepted is gathered apart: it outdoes all else.
    fn take(&mut self, batch: &Batch<'_>, stretches: Option<&[Stretch]>, accepted: &mut Gathering) {
        self.latest = self.latest.max(batch.prepared);
        let open = [Stretch { events: batch.len(), end: End::InDoubt }];
        let stretches = stretches.unwrap_or(&open);
        let mut keys = batch.event_keys();
        let mut others = Vec::new();
        for stretch in stretches {
            for (position, key) in keys.by_ref().take(stretch.events).enumerate() {
                if matches!(stretch.end, End::Accepted | End::Decided(Decision::AssumeDelivered)) {
                    accepted.push(&key);
                    continue;
                }
                others.push(key);
                apply(&mut self.standings, key, &stretch.end, position, batch.first_attempt);
            }
        }
        if !others.is_empty() {
            self.mixed.push(Mixed { id: batch.id, last_event: batch.last_event, keys: others });
        }
    }
}

/// Gives the event `key`, at `position` of its stretch, the standing that its end says.
pub(super) fn apply(standings: &mut Standings, key: EventKey, end: &End, position: usize, first_attempt: i64) {
    match end {
        End::Accepted => standings.accept(&key),
        End::Rejected { code, payloads, .. } => {
            if let Some(payload) = payloads.get(position) {
                standings.put(key, Standing::Rejected { code: *code, payload: *payload });
            }
        }
        End::Unsent => {}
        End::InDoubt => standings.put(key, Standing::InDoubt { first_attempt }),
        End::Held => standings.put(key, Standing::Held { first_attempt }),
        End::Decided(decision) => standings.decide(&key, *decision),
    }
}

/// Every batch with its end, by id; `and` narrows it.
pub(super) fn joined(and: &str) -> String {
    format!(
        "SELECT {}, {} FROM batches b LEFT JOIN endings e ON e.batch = b.id {and} ORDER BY b.id",
        Batch::COLUMNS,
        Ending::COLUMNS
    )
}

/// The runs by number, each with the checksum stored with it.
pub(super) fn runs(connection: &Connection) -> rusqlite::Result<Vec<(RunRow, Checksum)>> {
    let sql = format!("SELECT {} FROM runs ORDER BY number", RunRow::COLUMNS);
    connection.prepare(&sql)?.query_map([], RunRow::read)?.collect()
}

/// Number of keys in all batches.
fn keys(connection: &Connection) -> rusqlite::Result<usize> {
    let bytes: i64 =
        connection.query_row("SELECT coalesce(sum(length(event_keys)), 0) FROM batches", [], |row| row.get(0))?;
    Ok(usize::try_from(bytes).unwrap_or_default() / super::row::KEY)
}
