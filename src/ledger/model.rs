//! The ledger in memory: what a durable one must do, without the disk.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::keys::Keys;
use super::{Store, Ticket};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Batch, EventKey, Outcome};

/// A ledger that forgets everything with the process.
#[derive(Debug)]
pub struct Model {
    secret: [u8; 32],
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    accepted: Keys,
    /// Keys that left under an intent which did not settle them: they may have arrived.
    attempted: Keys,
    /// Intents neither settled nor cancelled.
    open: BTreeSet<u64>,
    last: u64,
}

impl Model {
    /// An empty ledger whose event keys are made under `secret`.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret, entries: Mutex::default() }
    }

    /// Number of accepted events on record.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.entries().accepted.len()
    }

    /// Number of intents that are neither settled nor cancelled.
    #[must_use]
    pub fn open(&self) -> usize {
        self.entries().open.len()
    }

    // Every change below is complete before anything can panic, so a poisoned lock guards sound entries.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Model {
    fn prepare(&self, batch: &Batch) -> Result<Ticket> {
        let mut entries = self.entries();
        entries.last += 1;
        let id = entries.last;
        entries.open.insert(id);
        let attempted = batch.events().iter().any(|event| entries.attempted.contains(&event.key));
        Ok(Ticket { id, batch: batch.clone(), attempted })
    }

    fn settle(&self, ticket: Ticket, outcomes: &[Outcome]) -> Result<()> {
        let events = ticket.batch.events();
        let mut entries = self.entries();
        if events.len() != outcomes.len() || !entries.open.remove(&ticket.id) {
            return Err(Error::new(ErrorKind::Internal, "outcomes do not match a recorded batch")
                .context("events", events.len())
                .context("outcomes", outcomes.len()));
        }
        for (event, outcome) in events.iter().zip(outcomes) {
            match outcome {
                Outcome::Accepted => drop(entries.accepted.insert(&event.key)),
                Outcome::Unsent | Outcome::Held => drop(entries.attempted.insert(&event.key)),
                Outcome::Rejected(_) => {}
            }
        }
        Ok(())
    }

    fn cancel(&self, ticket: Ticket) -> Result<()> {
        self.entries().open.remove(&ticket.id);
        Ok(())
    }

    fn contains(&self, key: &EventKey) -> bool {
        self.entries().accepted.contains(key)
    }

    fn secret(&self) -> [u8; 32] {
        self.secret
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::contract::EventSource;
    use crate::event::{Destination, EncodedEvent};

    fn batch(keys: &[u8]) -> Batch {
        let events: Vec<EncodedEvent> = keys
            .iter()
            .enumerate()
            .map(|(row, key)| EncodedEvent {
                key: EventKey::from([*key; 16]),
                span: row * 3..row * 3 + 2,
                time: 0,
                row: row as u64,
                payload: 0,
            })
            .collect();
        Batch {
            destination: Destination { event_source: EventSource::Offline, event_source_id: "1".into() },
            head: Bytes::from_static(b"{\"data\":["),
            json: Bytes::from_static(b"{},{},{},{}"),
            range: 0..events.len(),
            events: Arc::from(events),
        }
    }

    #[test]
    fn only_settled_acceptance_counts_as_accepted() {
        let model = Model::new([7; 32]);
        let ticket = model.prepare(&batch(&[1, 2])).expect("prepared");
        assert!(!model.contains(&EventKey::from([1; 16])));
        model.settle(ticket, &[Outcome::Accepted, Outcome::Unsent]).expect("settled");
        assert!(model.contains(&EventKey::from([1; 16])));
        assert!(!model.contains(&EventKey::from([2; 16])));
        assert_eq!((model.accepted(), model.open()), (1, 0));
    }

    #[test]
    fn remembers_earlier_attempts_but_not_cancelled_ones() {
        let model = Model::new([7; 32]);
        let cancelled = model.prepare(&batch(&[3])).expect("prepared");
        model.cancel(cancelled).expect("cancelled");
        let ticket = model.prepare(&batch(&[3])).expect("prepared");
        assert!(!ticket.attempted());
        model.settle(ticket, &[Outcome::Unsent]).expect("settled");
        let again = model.prepare(&batch(&[3, 4])).expect("prepared");
        assert!(again.attempted());
        assert_eq!(again.record(0..2).into_bytes().as_ref(), b"{\"data\":[{},{}]}");
        model.cancel(again).expect("cancelled");
    }

    #[test]
    fn refuses_outcomes_that_do_not_match() {
        let model = Model::new([7; 32]);
        let ticket = model.prepare(&batch(&[1, 2])).expect("prepared");
        assert!(model.settle(ticket, &[Outcome::Accepted]).is_err());
    }
}
