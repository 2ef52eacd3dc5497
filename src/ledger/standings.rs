//! What a ledger knows about each event, in memory.

use std::collections::{HashMap, HashSet};

use super::keys::Keys;
use super::{Decision, Standing};
use crate::event::{EncodedEvent, EventKey, Outcome};

/// The standing of every event on record, and the events that are under way.
///
/// Accepted events are nearly all there are, so only these are kept compactly.
#[derive(Debug, Default)]
pub(super) struct Standings {
    accepted: Keys,
    others: HashMap<EventKey, Standing>,
    /// Events under an intent of this process that has not ended.
    under_way: HashSet<EventKey>,
}

impl Standings {
    /// Gives all these events the standing of accepted ones.
    pub(super) fn accept_all(&mut self, accepted: Keys) {
        self.others.retain(|key, _| !accepted.contains(key));
        self.accepted = accepted;
    }

    pub(super) fn of(&self, key: &EventKey) -> Standing {
        if self.accepted.contains(key) {
            return Standing::Accepted;
        }
        self.others.get(key).copied().unwrap_or(Standing::Unknown)
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.len()
    }

    /// The events that are in doubt or held.
    pub(super) fn undecided(&self) -> impl Iterator<Item = (&EventKey, Standing)> {
        let others = self.others.iter().map(|(key, standing)| (key, *standing));
        others.filter(|(_, standing)| standing.first_attempt().is_some())
    }

    /// Puts the events under way; gives the oldest first attempt among them, or `now`, and whether any was in doubt.
    /// `None` if one of them is under way already, and then nothing has changed.
    pub(super) fn begin(&mut self, events: &[EncodedEvent], now: i64) -> Option<(i64, bool)> {
        let (mut first_attempt, mut attempted) = (now, false);
        for (position, event) in events.iter().enumerate() {
            if !self.under_way.insert(event.key) {
                self.end(&events[..position]);
                return None;
            }
            // Most ledgers have nothing in doubt.
            if !self.others.is_empty()
                && let Some(first) = self.of(&event.key).first_attempt()
            {
                (first_attempt, attempted) = (first_attempt.min(first), true);
            }
        }
        Some((first_attempt, attempted))
    }

    /// Those of `keys` that are in doubt or held, each once; `None` if one of them is under way.
    pub(super) fn open_to_decision(&self, keys: &[EventKey]) -> Option<Vec<EventKey>> {
        if keys.iter().any(|key| self.under_way.contains(key)) {
            return None;
        }
        let mut open: Vec<_> = keys.iter().filter(|key| self.of(key).first_attempt().is_some()).copied().collect();
        open.sort_unstable();
        open.dedup();
        Some(open)
    }

    /// Gives an event that is in doubt or held the standing that was decided.
    pub(super) fn decide(&mut self, key: &EventKey, decision: Decision) {
        match decision {
            Decision::AssumeDelivered => self.accept(key),
            Decision::Repeat => {
                if let Some(standing) = self.others.get_mut(key)
                    && let Standing::Held { first_attempt } = *standing
                {
                    *standing = Standing::InDoubt { first_attempt };
                }
            }
            Decision::Resend => {
                self.others.remove(key);
            }
        }
    }

    /// Takes events out of the way without an outcome.
    pub(super) fn end(&mut self, events: &[EncodedEvent]) {
        for event in events {
            self.under_way.remove(&event.key);
        }
    }

    /// Takes events out of the way, with one outcome for each.
    pub(super) fn settle(&mut self, events: &[EncodedEvent], outcomes: &[Outcome], first_attempt: i64) {
        self.end(events);
        for (event, outcome) in events.iter().zip(outcomes) {
            match outcome {
                Outcome::Accepted => self.accept(&event.key),
                Outcome::Unsent => {}
                Outcome::Rejected(refusal) => {
                    self.put(event.key, Standing::Rejected { code: refusal.code, payload: event.payload });
                }
                Outcome::InDoubt => self.put(event.key, Standing::InDoubt { first_attempt }),
                Outcome::Held => self.put(event.key, Standing::Held { first_attempt }),
            }
        }
    }

    pub(super) fn accept(&mut self, key: &EventKey) {
        self.accepted.insert(key);
        if !self.others.is_empty() {
            self.others.remove(key);
        }
    }

    /// Gives an event a standing other than accepted. What is accepted stays so, what is held stays in doubt at least,
    /// and of two first attempts the older one counts.
    pub(super) fn put(&mut self, key: EventKey, standing: Standing) {
        if self.accepted.contains(&key) {
            return;
        }
        let slot = self.others.entry(key).or_insert(standing);
        *slot = match (*slot, standing) {
            (before, Standing::InDoubt { first_attempt }) => match before {
                Standing::Held { first_attempt: first } => Standing::Held { first_attempt: first.min(first_attempt) },
                Standing::InDoubt { first_attempt: first } => {
                    Standing::InDoubt { first_attempt: first.min(first_attempt) }
                }
                _ => standing,
            },
            (before, Standing::Held { first_attempt }) => Standing::Held {
                first_attempt: before.first_attempt().map_or(first_attempt, |first| first.min(first_attempt)),
            },
            (_, other) => other,
        };
    }
}
