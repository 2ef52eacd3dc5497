//! The ledger: what it learns, whether that is true, and how the next run goes on from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Event, Load, Server, World};
use crate::contract::EventSource;
use crate::delivery::Cause;
use crate::delivery::protocol::Protocol;
use crate::event::{Batch, Destination, EncodedEvent, EventKey, Outcome};
use crate::ledger::{Standing, Store};

impl World {
    /// Puts the intent of a batch on record.
    pub(super) fn record(&mut self, batch: u64) {
        if !self.tickets.contains_key(&batch) {
            let ticket =
                self.ledger.prepare(&encoded(&self.loads[&batch], &self.times)).expect("no event is under way twice");
            self.tickets.insert(batch, ticket);
        }
    }

    /// Puts the outcomes of a batch on record, and checks them.
    pub(super) fn end(&mut self, batch: u64) {
        let (outcomes, is_void) = self.ends.remove(&batch).expect("it ended");
        let ticket = self.tickets.remove(&batch).expect("its intent is on record");
        let written = if is_void { self.ledger.cancel(ticket) } else { self.ledger.settle(ticket, &outcomes) };
        written.expect("a model does not fail");
        let events = self.loads[&batch].events.clone();
        for (event, outcome) in events.iter().zip(&outcomes) {
            let (bad, received) = (self.bad[*event], self.received.contains_key(event));
            match outcome {
                Outcome::Accepted => assert!(!bad && received, "counted as accepted, but never received"),
                Outcome::Rejected(_) => {
                    assert!(bad || self.server.breaks.is_some(), "a good event was rejected");
                    assert!(!(bad && received), "a bad event was received");
                    self.wronged.extend((!bad).then_some(*event));
                }
                Outcome::Unsent | Outcome::InDoubt => assert!(self.has_ended_early(), "{outcome:?} without a reason"),
                Outcome::Held => assert!(received || self.has_expired, "held, but never received"),
            }
            self.check_standing(*event);
        }
    }

    /// The ledger tells the truth about an event that is not under way.
    fn check_standing(&self, event: Event) {
        let received = self.received.contains_key(&event);
        match self.ledger.standing(&key(event)) {
            Standing::Accepted => assert!(received, "on record as accepted, but never received"),
            Standing::Rejected { .. } => {
                assert!((self.bad[event] && !received) || self.wronged.contains(&event), "on record as rejected");
            }
            Standing::Unknown => assert!(!received, "received, and the ledger knows nothing of it"),
            Standing::InDoubt { first_attempt } | Standing::Held { first_attempt } => {
                let received = self.received.get(&event);
                assert!(received.is_none_or(|first| first_attempt <= *first), "its window is thought too long");
            }
        }
    }

    /// The process dies.
    pub(super) fn crash(&mut self) {
        self.crashes += 1;
        self.crash_in = (self.crashes_left > 0).then(|| self.random.below(40));
        self.crashes_left = self.crashes_left.saturating_sub(1);
        self.ledger.crash();
        (0..self.bad.len()).for_each(|event| self.check_standing(event));
        self.resume();
    }

    /// The next run of the same query: what is not known to have ended is offered again, and what is in doubt apart.
    pub(in super::super) fn resume(&mut self) {
        self.protocol = Protocol::new(&self.options);
        self.lives += 1;
        (self.sends_before, self.closed) = (self.sends.len(), false);
        self.agenda.clear();
        self.in_flight.clear();
        self.tickets.clear();
        self.failing.clear();
        self.ends.clear();
        self.settled.clear();
        self.acknowledged.clear();
        let mut loads: Vec<Load> = std::mem::take(&mut self.loads).into_values().collect();
        loads.extend(std::mem::take(&mut self.waiting).into_iter().rev());
        let (window, now) = (self.window(), self.ledger.now());
        for Load { events, destination } in loads {
            let mut apart: BTreeMap<Option<i64>, Vec<Event>> = BTreeMap::new();
            for event in events {
                match self.ledger.standing(&key(event)) {
                    Standing::Unknown if window.admits(now, self.times[event]) => {
                        apart.entry(None).or_default().push(event);
                    }
                    Standing::InDoubt { first_attempt } if window.is_open(now, first_attempt, self.times[event]) => {
                        apart.entry(Some(first_attempt)).or_default().push(event);
                    }
                    Standing::Unknown | Standing::InDoubt { .. } | Standing::Held { .. } => self.has_expired = true,
                    Standing::Accepted | Standing::Rejected { .. } => {}
                }
            }
            for events in apart.into_values() {
                self.waiting.insert(0, Load { events, destination });
            }
        }
    }

    /// What must hold at the end of every history.
    pub(in super::super) fn check(&self) {
        // The process has ended: what it could not put on record is in doubt.
        self.ledger.crash();
        for event in 0..self.bad.len() {
            self.check_standing(event);
            let is_decided =
                matches!(self.ledger.standing(&key(event)), Standing::Accepted | Standing::Rejected { .. });
            let is_lost = !is_decided && !self.has_ended_early() && !self.waits_for_a_person(event);
            assert!(!is_lost, "lost: {:?}", self.ledger.standing(&key(event)));
        }
        let (events, lives) = (self.bad.len() as u64, self.lives);
        let batches = self.settled.len() as u64;
        let for_each_event = 3 + 2 * u64::from(self.server.patience) + 2 * u64::from(self.server.partial);
        let bound = lives * for_each_event * events + 4 * lives * (batches + 1) + 2 * self.server.faulted;
        let requests = self.sends.len() as u64;
        assert!(requests <= bound, "{requests} requests, bound {bound}");
    }

    fn waits_for_a_person(&self, event: Event) -> bool {
        match self.ledger.standing(&key(event)) {
            Standing::Held { .. } => true,
            Standing::InDoubt { first_attempt } => {
                !self.window().is_open(self.ledger.now(), first_attempt, self.times[event])
            }
            Standing::Unknown => !self.window().admits(self.ledger.now(), self.times[event]),
            _ => false,
        }
    }

    /// Runs the query again, against a server that is well, as often as it takes; nothing may be missing then.
    pub(in super::super) fn recover(&mut self) {
        self.ledger.crash();
        self.server = Server { faults: 0, breaks: None, ..self.server.clone() };
        (self.server.fails_to_record_percent, self.server.fails_to_settle_percent) = (0, 0);
        self.has_expired = false;
        self.resume();
        self.run();
        let cause = self.cause();
        assert!(matches!(cause, None | Some(Cause::Configuration | Cause::TooLarge)), "{cause:?}");
        self.check();
    }
}

pub(super) fn key(event: Event) -> EventKey {
    EventKey::from((event as u128).to_le_bytes())
}

/// The batch as a ledger takes it.
fn encoded(load: &Load, times: &[i64]) -> Batch {
    let destination =
        Destination { event_source: EventSource::Offline, event_source_id: load.destination.to_string().into() };
    let event = |event: &Event| EncodedEvent { key: key(*event), span: 0..0, time: times[*event], row: 0, payload: 0 };
    let events: Arc<[EncodedEvent]> = load.events.iter().map(event).collect();
    Batch { destination, head: Bytes::new(), json: Bytes::new(), range: 0..events.len(), events }
}
