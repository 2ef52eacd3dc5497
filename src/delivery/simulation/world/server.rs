//! The server: how it behaves, what it takes in, and what it answers.

use super::record::key;
use super::{Event, SECOND, World};
use crate::api::TransportKind;
use crate::delivery::response::{Answer, Fate, Grounds};
use crate::ledger::Store;

/// How the server behaves.
#[derive(Clone, Default)]
pub(in super::super) struct Server {
    pub(in super::super) fault_percent: u64,
    /// Faults it still has.
    pub(in super::super) faults: u64,
    pub(in super::super) faulted: u64,
    pub(in super::super) fixed_fault: Option<Answer>,
    pub(in super::super) garbled_percent: u64,
    pub(in super::super) hint_percent: u64,
    pub(in super::super) right_hint_percent: u64,
    pub(in super::super) same_words: bool,
    pub(in super::super) partial: bool,
    /// The position by which lists of failed events call the first.
    pub(in super::super) counts_from: usize,
    /// How it refuses whatever it gets after so many requests.
    pub(in super::super) breaks: Option<(usize, Breakage)>,
    pub(in super::super) size_limit: Option<usize>,
    /// Whether something before the API refuses what holds a bad event, as if it were too large.
    pub(in super::super) is_guarded: bool,
    pub(in super::super) patience: u8,
    pub(in super::super) latency: u64,
    /// Of the intents, and of the outcomes.
    pub(in super::super) fails_to_record_percent: u64,
    pub(in super::super) fails_to_settle_percent: u64,
}

/// How a server refuses everything.
#[derive(Clone, Copy)]
pub(in super::super) enum Breakage {
    /// In the same words each time.
    SameWords,
    /// In other words each time.
    OtherWords,
    /// By naming the first event of each request.
    Named,
    /// By a page of something before the API.
    Page,
}

pub(in super::super) fn answer(fate: Fate) -> Answer {
    let transport =
        matches!(fate, Fate::Unwritten | Fate::Doubtful { garbled: false }).then_some(TransportKind::Timeout);
    let status = transport.is_none().then_some(200);
    Answer { fate, code: None, status, transport, request_id: None, field: None }
}

impl World {
    pub(super) fn serve(&mut self, events: &[Event]) -> Answer {
        if let Some((_, breakage)) = self.server.breaks.filter(|(after, _)| self.sends.len() > *after) {
            let refused = |hint, wording| Fate::Refused { hint, wording, patience: 0 };
            return answer(match breakage {
                Breakage::SameWords => refused(None, 7),
                Breakage::OtherWords => refused(None, self.random.next()),
                Breakage::Named => refused(Some(0), 7),
                Breakage::Page => Fate::TooLarge,
            });
        }
        let bad: Vec<usize> = (0..events.len()).filter(|position| self.bad[events[*position]]).collect();
        if self.server.faults > 0 && self.random.percent(self.server.fault_percent) {
            self.server.faults -= 1;
            self.server.faulted += 1;
            if let Some(fault) = self.server.fixed_fault.clone() {
                return fault;
            }
            let doubt = Fate::Doubtful { garbled: self.random.percent(self.server.garbled_percent) };
            return answer(match self.random.below(20) {
                0..4 => Fate::Unwritten,
                4..8 => doubt,
                // The answer is lost, not the request.
                8..14 => {
                    self.receive(events, &bad);
                    doubt
                }
                14..17 => Fate::Throttled { retry_after: self.random.percent(30).then_some(3 * SECOND) },
                17 => Fate::Maintenance,
                18 => Fate::Stop(Grounds::Credentials),
                _ if events.iter().all(|event| self.received.contains_key(event)) => {
                    let standing = |position: &usize| self.ledger.standing(&key(events[*position]));
                    let is_on_record = |position: &usize| standing(position).first_attempt().is_some();
                    Fate::Duplicate { on_record: (0..events.len()).filter(is_on_record).collect() }
                }
                _ => doubt,
            });
        }
        let is_too_large = self.server.size_limit.is_some_and(|limit| events.len() > limit);
        if is_too_large || (self.server.is_guarded && !bad.is_empty()) {
            return answer(Fate::TooLarge);
        }
        self.receive(events, &bad);
        if bad.is_empty() {
            return answer(Fate::Accepted);
        }
        if self.server.partial {
            let called = |position: &usize| (position + self.server.counts_from) % events.len();
            let mut named: Vec<usize> = bad.iter().map(called).collect();
            named.sort_unstable();
            return answer(if self.random.percent(50) { Fate::Partial(named) } else { Fate::Unsplit });
        }
        let hint = self.random.percent(self.server.hint_percent).then(|| {
            if self.random.percent(self.server.right_hint_percent) { bad[0] } else { self.random.index(events.len()) }
        });
        let wording = if self.server.same_words { 7 } else { self.random.next() };
        answer(Fate::Refused { hint, wording, patience: self.server.patience })
    }

    /// A request is taken in as a whole or, if the server answers in part, without its bad events.
    fn receive(&mut self, events: &[Event], bad: &[usize]) {
        if !bad.is_empty() && !self.server.partial {
            return;
        }
        let now = self.ledger.now();
        for (_, event) in events.iter().enumerate().filter(|(position, _)| !bad.contains(position)) {
            let first = *self.received.entry(*event).or_insert(now);
            // What is sent at once cannot be late, unless a browser was earlier.
            let first = if self.overlaps { self.times[*event].min(first) } else { first };
            assert!(self.window.is_none_or(|length| first == now || now < first + length), "counted twice");
        }
    }
}
