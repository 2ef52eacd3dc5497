//! A batch on its way: which of its events are settled, and the parts that are still to be sent.

use std::ops::Range;

use super::isolation::{Isolation, Role};
use crate::event::Outcome;

/// A batch between offer and settlement.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// Number of the batch's destination.
    pub(super) destination: u32,
    /// Whether the intent is on record.
    pub(super) recorded: bool,
    /// Whether a byte of any event may have been written by this delivery.
    pub(super) sent: bool,
    /// Whether events may have arrived under an earlier intent.
    pub(super) attempted: bool,
    /// Parts in the queue or under way.
    pub(super) pending: usize,
    /// The search for events at fault.
    pub(super) isolation: Isolation,
    /// Parts that were too large for one request.
    pub(super) oversized: Vec<Range<usize>>,
    outcomes: Vec<Option<Outcome>>,
    /// Which events may have arrived although nothing said so.
    doubted: Vec<bool>,
}

impl Open {
    pub(super) fn new(events: usize, destination: u32) -> Self {
        Self {
            destination,
            recorded: false,
            sent: false,
            attempted: false,
            pending: 0,
            isolation: Isolation::new(),
            oversized: Vec::new(),
            outcomes: vec![None; events],
            doubted: vec![false; events],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Settles events; what is settled stays as it is, since a later copy of an accepted event changes nothing.
    pub(super) fn settle(&mut self, events: Range<usize>, outcome: &Outcome) {
        for slot in &mut self.outcomes[events] {
            slot.get_or_insert_with(|| outcome.clone());
        }
    }

    /// Settles events that the API says it has seen: accepted where they were sent before, in this delivery or, by their
    /// positions in the part, in an earlier run. Otherwise somebody else sent them.
    pub(super) fn duplicate(&mut self, part: &Range<usize>, on_record: &[usize]) {
        for position in part.clone() {
            let was_sent = self.doubted[position] || on_record.contains(&(position - part.start));
            let outcome = if was_sent { Outcome::Accepted } else { Outcome::Held };
            self.outcomes[position].get_or_insert(outcome);
        }
    }

    /// The stretches of `events` that are not settled.
    pub(super) fn unsettled(&self, events: &Range<usize>) -> Vec<Range<usize>> {
        let is_settled = |position: &usize| self.outcomes[*position].is_some();
        let positions: Vec<usize> = events.clone().filter(|position| !is_settled(position)).collect();
        let stretches = positions.chunk_by(|left, right| left + 1 == *right);
        stretches.map(|stretch| stretch[0]..stretch[0] + stretch.len()).collect()
    }

    /// Takes back that an event is rejected.
    pub(super) fn withdraw_rejection(&mut self, position: usize) {
        self.outcomes[position].take_if(|outcome| matches!(outcome, Outcome::Rejected(_)));
    }

    /// The size that fits where a part of twice as many events did not: known as soon as all of them were accepted.
    pub(super) fn learn_size(&mut self) -> Option<usize> {
        let Self { oversized, outcomes, .. } = self;
        let is_accepted = |part: &mut Range<usize>| {
            outcomes[part.clone()].iter().all(|outcome| matches!(outcome, Some(Outcome::Accepted)))
        };
        oversized.extract_if(.., is_accepted).map(|part| part.len().div_ceil(2)).min()
    }

    /// Notes that events may have arrived although nothing said so.
    pub(super) fn doubt(&mut self, events: Range<usize>) {
        self.doubted[events].fill(true);
    }

    /// Settles events that are not sent any more: those that may have arrived are held, the others unsent.
    pub(super) fn expire(&mut self, events: Range<usize>) {
        for position in events {
            let may_have_arrived = self.attempted || self.doubted[position];
            let outcome = if may_have_arrived { Outcome::Held } else { Outcome::Unsent };
            self.outcomes[position].get_or_insert(outcome);
        }
    }

    /// The outcomes in the batch's order; what is not settled is in doubt where it may have arrived, else unsent.
    pub(super) fn into_outcomes(self) -> Vec<Outcome> {
        let unsettled = |doubted| if doubted { Outcome::InDoubt } else { Outcome::Unsent };
        let outcomes = self.outcomes.into_iter().zip(self.doubted);
        outcomes.map(|(outcome, doubted)| outcome.unwrap_or_else(|| unsettled(doubted))).collect()
    }
}

/// A part of a batch that is sent as one request.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) batch: u64,
    pub(super) events: Range<usize>,
    pub(super) role: Role,
    /// Attempts that did not settle it.
    pub(super) failures: u32,
    /// Answers in a row that were none of the API's, or invalid certificates.
    pub(super) hopeless: u32,
    /// Refusals that were not believed yet.
    pub(super) disbelieved: u8,
    /// Whether events of it were sent before.
    pub(super) repeat: bool,
    /// What the next attempt costs of the retry budget.
    pub(super) price: u32,
    /// What the last attempt has paid.
    pub(super) paid: u32,
}

impl Piece {
    pub(super) fn new(batch: u64, events: Range<usize>, role: Role) -> Self {
        Self { batch, events, role, failures: 0, hopeless: 0, disbelieved: 0, repeat: false, price: 0, paid: 0 }
    }

    /// Another part of the same batch, cut from this one.
    pub(super) fn cut(&self, events: Range<usize>, role: Role) -> Self {
        Self { repeat: true, ..Self::new(self.batch, events, role) }
    }
}
