//! The ledger in memory: what a durable one must do, without the disk.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::standings::Standings;
use super::{Clock, Decision, Run, Standing, Store, Ticket, mismatch, under_way};
use crate::error::Result;
use crate::event::{Batch, EventKey, Outcome};

/// A ledger that forgets everything with the process.
pub struct Model {
    secret: [u8; 32],
    clock: Clock,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    standings: Standings,
    /// Intents neither settled nor cancelled.
    open: BTreeMap<i64, (Batch, i64)>,
    last: i64,
    runs: Vec<(Run, bool)>,
}

impl Model {
    /// An empty ledger whose event keys are made under `secret`, and which knows no time: every attempt was at 0.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self::with_clock(secret, Arc::new(|| 0))
    }

    /// An empty ledger whose event keys are made under `secret`.
    #[must_use]
    pub fn with_clock(secret: [u8; 32], clock: Clock) -> Self {
        Self { secret, clock, entries: Mutex::default() }
    }

    /// A ledger that goes on from where another one stood.
    pub(super) fn continuing(secret: [u8; 32], clock: Clock, standings: Standings, runs: Vec<(Run, bool)>) -> Self {
        let entries = Entries { standings, runs, ..Entries::default() };
        Self { secret, clock, entries: Mutex::new(entries) }
    }

    /// Number of accepted events on record.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.entries().standings.accepted()
    }

    /// Number of intents that are neither settled nor cancelled.
    #[must_use]
    pub fn open(&self) -> usize {
        self.entries().open.len()
    }

    /// Forgets what only a living process knows: the intents that have not ended are in doubt from now on, and the run
    /// has none. Tickets from before are void.
    pub fn crash(&self) {
        let mut entries = self.entries();
        for (batch, first_attempt) in std::mem::take(&mut entries.open).into_values() {
            let outcomes = vec![Outcome::InDoubt; batch.len()];
            entries.standings.settle(batch.events(), &outcomes, first_attempt);
        }
    }

    /// Decides about those of `keys` that are in doubt or held; gives their number.
    ///
    /// # Errors
    /// If an event of them is under way.
    pub fn decide(&self, keys: &[EventKey], decision: Decision) -> Result<usize> {
        let mut entries = self.entries();
        let open = entries.standings.open_to_decision(keys).ok_or_else(under_way)?;
        for key in &open {
            entries.standings.decide(key, decision);
        }
        Ok(open.len())
    }

    // Every change below is complete before anything can panic, so a poisoned lock guards sound entries.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Model {
    // Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl Store for Model {
    fn prepare(&self, batch: &Batch) -> Result<Ticket> {
        let now = (self.clock)();
        let mut entries = self.entries();
        let (first_attempt, attempted) = entries.standings.begin(batch.events(), now).ok_or_else(under_way)?;
        entries.last += 1;
        let id = entries.last;
        entries.open.insert(id, (batch.clone(), first_attempt));
        Ok(Ticket { id, batch: batch.clone(), attempted, first_attempt, is_awaited: false })
    }

    fn settle(&self, ticket: Ticket, outcomes: &[Outcome]) -> Result<()> {
        let events = ticket.batch.events();
        let mut entries = self.entries();
        if events.len() != outcomes.len() || entries.open.remove(&ticket.id).is_none() {
            return Err(mismatch(events.len(), outcomes.len()));
        }
        entries.standings.settle(events, outcomes, ticket.first_attempt);
        Ok(())
    }

    fn cancel(&self, ticket: Ticket) -> Result<()> {
        let mut entries = self.entries();
        entries.open.remove(&ticket.id);
        entries.standings.end(ticket.batch.events());
        Ok(())
    }

    fn standing(&self, key: &EventKey) -> Standing {
        self.entries().standings.of(key)
    }

    fn now(&self) -> i64 {
        (self.clock)()
    }

    fn secret(&self) -> [u8; 32] {
        self.secret
    }

    fn begin_run(&self, run: &Run) -> Result<()> {
        self.entries().runs.push((run.clone(), false));
        Ok(())
    }

    fn end_run(&self, succeeded: bool) -> Result<()> {
        if let Some((_, has_succeeded)) = self.entries().runs.last_mut() {
            *has_succeeded = succeeded;
        }
        Ok(())
    }

    fn last_success(&self, query: &str) -> Option<i64> {
        let entries = self.entries();
        let of_query = entries.runs.iter().filter(|(run, succeeded)| *succeeded && run.query == query);
        of_query.map(|(run, _)| run.started).max()
    }
}
