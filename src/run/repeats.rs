//! Tells new events from repeats and conflicts, by their keys.
//!
//! TikTok keeps one event per key. Rows that repeat an event exactly collapse into one; rows that share its key and
//! differ would lose data, so all of them are refused, which takes a pass that has sent nothing. A pass that sends
//! while it finds out keeps the first and refuses the later ones.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use super::tally::Tally;
use crate::event::{EncodedEvent, EventKey};
use crate::ledger::Store;
use crate::ledger::keys::Keys;
use crate::validate::{Severity, Violation, rule};

/// Rule of rows that share an event's key and differ.
const CONFLICT: &str = "PB3073";
/// The column that the rule is about.
const COLUMN: &str = "event_id";

/// The keys of a pass over the rows.
#[derive(Debug)]
pub(super) enum Repeats {
    /// Finds repeats and conflicts by what the first row of an event said.
    Finding {
        payloads: HashMap<EventKey, u64, BuildHasherDefault<KeyHasher>>,
        /// Rows that repeated an event, where any did.
        repeats: HashMap<EventKey, u64>,
        conflicts: Keys,
        /// Whether rows that went on may still be refused.
        takes_back: bool,
    },
    /// Knows the conflicts from an earlier pass.
    Knowing { seen: Keys, conflicts: Keys },
}

impl Repeats {
    /// For a pass that sends nothing.
    pub(super) fn finding() -> Self {
        Self::Finding {
            payloads: HashMap::default(),
            repeats: HashMap::new(),
            conflicts: Keys::new(),
            takes_back: true,
        }
    }

    /// For a pass that sends without an earlier one.
    pub(super) fn streaming() -> Self {
        Self::Finding {
            payloads: HashMap::default(),
            repeats: HashMap::new(),
            conflicts: Keys::new(),
            takes_back: false,
        }
    }

    /// For a pass that sends after one that found `conflicts`.
    pub(super) fn knowing(conflicts: Keys) -> Self {
        Self::Knowing { seen: Keys::new(), conflicts }
    }

    /// The keys whose rows differ.
    pub(super) fn into_conflicts(self) -> Keys {
        match self {
            Self::Finding { conflicts, .. } | Self::Knowing { conflicts, .. } => conflicts,
        }
    }

    /// Whether `event` goes on; where it does not, it is put into its place in `tally`.
    pub(super) fn admit(&mut self, event: &EncodedEvent, store: &dyn Store, tally: &mut Tally) -> bool {
        match self {
            Self::Knowing { conflicts, .. } | Self::Finding { conflicts, takes_back: true, .. }
                if conflicts.contains(&event.key) =>
            {
                refuse(event, tally);
                return false;
            }
            Self::Knowing { seen, .. } => {
                if !seen.insert(&event.key) {
                    collapse(tally);
                    return false;
                }
            }
            Self::Finding { payloads, repeats, conflicts, takes_back } => match payloads.entry(event.key) {
                Entry::Vacant(entry) => {
                    entry.insert(event.payload);
                }
                Entry::Occupied(entry) if *entry.get() == event.payload => {
                    if *takes_back {
                        *repeats.entry(event.key).or_default() += 1;
                    }
                    collapse(tally);
                    return false;
                }
                Entry::Occupied(_) => {
                    refuse(event, tally);
                    if *takes_back {
                        // Nothing has been sent: the rows before this one are refused with it.
                        let collapsed = repeats.remove(&event.key).unwrap_or(0);
                        tally.events += collapsed;
                        tally.folded -= collapsed;
                        *(if store.contains(&event.key) { &mut tally.already_accepted } else { &mut tally.unsent }) -=
                            1;
                        refuse_earlier(collapsed + 1, tally);
                        conflicts.insert(&event.key);
                    }
                    return false;
                }
            },
        }
        if store.contains(&event.key) {
            tally.already_accepted += 1;
            return false;
        }
        if matches!(self, Self::Finding { takes_back: true, .. }) {
            tally.unsent += 1;
        }
        true
    }
}

/// Event keys are digests: their own bytes are their hash.
#[derive(Debug, Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }
}

/// Counts a row that repeats an event exactly.
fn collapse(tally: &mut Tally) {
    tally.events -= 1;
    tally.folded += 1;
}

/// Refuses a row.
fn refuse(event: &EncodedEvent, tally: &mut Tally) {
    tally.rejected += 1;
    let rule = rule(CONFLICT).expect("the rule is a row of RULES");
    let violation = Violation {
        row: event.row,
        column: Some(COLUMN.into()),
        rule,
        severity: Severity::Reject,
        detail: "is shared with a row of different content".into(),
        shape: String::new(),
    };
    tally.record(&violation, 1);
}

/// Refuses rows that came before the one that conflicts with them. Which ones they were is not kept.
fn refuse_earlier(rows: u64, tally: &mut Tally) {
    tally.rejected += rows;
    tally.record_more(CONFLICT, COLUMN, rows);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Model;

    /// The account after events of the given (key, payload) pairs, one row each, and how many went on.
    fn account(repeats: &mut Repeats, rows: &[(u8, u64)]) -> (Tally, usize) {
        let store = Model::new([0; 32]);
        let mut tally = Tally::default();
        let mut went_on = 0;
        for (row, (key, payload)) in rows.iter().enumerate() {
            tally.rows += 1;
            tally.events += 1;
            let event = EncodedEvent {
                key: EventKey::from([*key; 16]),
                span: 0..0,
                time: 0,
                row: row as u64,
                payload: *payload,
            };
            went_on += usize::from(repeats.admit(&event, &store, &mut tally));
        }
        (tally, went_on)
    }

    #[test]
    fn every_row_of_a_conflict_is_refused_in_any_order() {
        let rows = [(1, 5), (2, 7), (2, 7), (2, 8), (2, 7), (3, 1), (3, 1)];
        for rotation in 0..rows.len() {
            let mut rows = rows;
            rows.rotate_left(rotation);
            let (tally, _) = account(&mut Repeats::finding(), &rows);
            assert_eq!((tally.events, tally.folded, tally.rejected, tally.unsent), (6, 1, 4, 2), "{rows:?}");
            assert!(tally.is_balanced());
            assert_eq!(tally.faults.values().map(|fault| fault.count).sum::<u64>(), 4);
        }
    }

    #[test]
    fn a_later_pass_refuses_what_an_earlier_one_found() {
        let rows = [(1, 5), (2, 7), (2, 7), (2, 8), (3, 1), (3, 1)];
        let mut finding = Repeats::finding();
        account(&mut finding, &rows);
        let (tally, went_on) = account(&mut Repeats::knowing(finding.into_conflicts()), &rows);
        assert_eq!((tally.events, tally.folded, tally.rejected, went_on), (5, 1, 3, 2));
    }

    #[test]
    fn while_streaming_the_first_row_goes_on_and_differing_ones_do_not() {
        let (tally, went_on) = account(&mut Repeats::streaming(), &[(1, 5), (1, 5), (1, 6), (1, 5)]);
        assert_eq!((tally.events, tally.folded, tally.rejected, went_on), (2, 2, 1, 1));
    }
}
