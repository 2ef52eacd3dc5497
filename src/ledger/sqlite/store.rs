//! What every ledger does, done on disk: in memory first or last, as the one that is wrong for a moment does no harm.

use std::sync::atomic::Ordering;

use super::row::{Batch as BatchRow, Ending, RunRow};
use super::writer::Change;
use super::{Sqlite, capacity, outcomes};
use crate::error::{ErrorKind, Result};
use crate::event::{Batch, EventKey, Outcome};
use crate::ledger::{Run, Standing, Store, Ticket, mismatch, under_way};

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
