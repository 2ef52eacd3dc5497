//! Tells new events from repeats and conflicts, by their keys.
//!
//! TikTok keeps one event per key. Rows that repeat an event exactly collapse into one; rows that share its key and
//! differ would lose data, so all of them are refused, which takes a pass that has sent nothing. A pass that sends
//! while it finds out keeps the first and refuses the later ones.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::resume::Course;
use super::tally::Tally;
use crate::event::{EncodedEvent, EventKey};
use crate::ledger::keys::Keys;
use crate::report::Skip;
use crate::validate::{Severity, Violation, rule};

/// Rule of rows that share an event's key and differ.
const CONFLICT: &str = "PB3073";
/// The column that the rule is about.
const COLUMN: &str = "event_id";
/// Bytes of a row number: enough for a trillion rows.
const ROW_BYTES: usize = 5;

/// The keys of a pass over the rows.
#[derive(Debug)]
pub(super) enum Repeats {
    /// Finds repeats and conflicts by what the first row of an event said.
    Finding {
        firsts: HashMap<EventKey, First, BuildHasherDefault<KeyHasher>>,
        /// The rows that repeated an event, where they may have to be taken back.
        repeats: BTreeSet<(EventKey, u64)>,
        conflicts: Keys,
        /// Whether rows that went on may still be refused.
        takes_back: bool,
    },
    /// Knows the conflicts from an earlier pass.
    Knowing { seen: Keys, conflicts: Keys },
}

/// What becomes of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It goes on.
    GoesOn {
        /// When it was first attempted, Unix seconds, if an earlier run left it in doubt.
        first_attempt: Option<i64>,
    },
    /// It repeats an event exactly.
    Repeated,
    /// It is in its place already, by what earlier runs left.
    Settled,
    /// It is out of the window.
    Skipped(Skip),
    /// The API refused the same content in an earlier run, with this code.
    RefusedBefore(i64),
    /// The event is in conflict: these faults refuse rows, this one last and before it those taken back.
    Refused(Vec<Violation>),
}

/// What the first row of an event said, and which row it was: without padding, as there is one for every event.
#[derive(Debug)]
pub(super) struct First {
    payload: [u8; 8],
    row: [u8; ROW_BYTES],
    place: Place,
}

/// Where the account has an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Unsent,
    AlreadyAccepted,
    Rejected,
    Held,
    OutOfWindow,
}

impl Place {
    fn of(course: Course) -> Self {
        match course {
            Course::Send | Course::Repeat { .. } => Self::Unsent,
            Course::Accepted => Self::AlreadyAccepted,
            Course::Refused { .. } => Self::Rejected,
            Course::Held => Self::Held,
            Course::Forgotten | Course::Overlapping => Self::OutOfWindow,
        }
    }

    fn count(self, tally: &mut Tally) -> &mut u64 {
        match self {
            Self::Unsent => &mut tally.unsent,
            Self::AlreadyAccepted => &mut tally.already_accepted,
            Self::Rejected => &mut tally.rejected,
            Self::Held => &mut tally.held,
            Self::OutOfWindow => &mut tally.out_of_window,
        }
    }
}

impl First {
    fn of(event: &EncodedEvent, place: Place) -> Self {
        let mut row = [0; ROW_BYTES];
        row.copy_from_slice(&event.row.to_le_bytes()[..ROW_BYTES]);
        Self { payload: event.payload.to_le_bytes(), row, place }
    }

    fn row(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes[..ROW_BYTES].copy_from_slice(&self.row);
        u64::from_le_bytes(bytes)
    }
}

impl Repeats {
    /// For a pass that sends nothing.
    pub(super) fn finding() -> Self {
        Self::Finding { firsts: HashMap::default(), repeats: BTreeSet::new(), conflicts: Keys::new(), takes_back: true }
    }

    /// For a pass that sends without an earlier one.
    pub(super) fn streaming() -> Self {
        Self::Finding {
            firsts: HashMap::default(),
            repeats: BTreeSet::new(),
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

    /// Whether `event`, which would take `course`, goes on; where it does not, it is put into its place in `tally`.
    pub(super) fn admit(&mut self, event: &EncodedEvent, course: Course, tally: &mut Tally) -> Admission {
        match self {
            Self::Knowing { conflicts, .. } | Self::Finding { conflicts, takes_back: true, .. }
                if conflicts.contains(&event.key) =>
            {
                return refuse([event.row], tally);
            }
            Self::Knowing { seen, .. } => {
                if !seen.insert(&event.key) {
                    collapse(tally);
                    return Admission::Repeated;
                }
            }
            Self::Finding { firsts, repeats, conflicts, takes_back } => match firsts.entry(event.key) {
                Entry::Vacant(entry) => {
                    entry.insert(First::of(event, Place::of(course)));
                }
                Entry::Occupied(entry) if entry.get().payload == event.payload.to_le_bytes() => {
                    if *takes_back {
                        repeats.insert((event.key, event.row));
                    }
                    collapse(tally);
                    return Admission::Repeated;
                }
                Entry::Occupied(_) if !*takes_back => return refuse([event.row], tally),
                Entry::Occupied(entry) => {
                    // Nothing has been sent: the rows before this one are refused with it.
                    let collapsed: Vec<u64> =
                        repeats.range((event.key, 0)..=(event.key, u64::MAX)).map(|(_, row)| *row).collect();
                    for row in &collapsed {
                        repeats.remove(&(event.key, *row));
                    }
                    tally.events += collapsed.len() as u64;
                    tally.folded -= collapsed.len() as u64;
                    conflicts.insert(&event.key);
                    let First { place, .. } = entry.get();
                    // What the API refused before is among the rejects already.
                    let first = (*place != Place::Rejected).then(|| entry.get().row());
                    if first.is_some() {
                        *place.count(tally) -= 1;
                    }
                    return refuse(first.into_iter().chain(collapsed).chain([event.row]), tally);
                }
            },
        }
        self.place(event, course, tally)
    }

    /// Puts an event that is not at odds with another row into its place; one that is sent has none yet where it is
    /// sent right away.
    fn place(&self, event: &EncodedEvent, course: Course, tally: &mut Tally) -> Admission {
        let is_counting = matches!(self, Self::Finding { takes_back: true, .. });
        if !matches!(course, Course::Send | Course::Repeat { .. }) || is_counting {
            *Place::of(course).count(tally) += 1;
        }
        match course {
            Course::Send => return Admission::GoesOn { first_attempt: None },
            Course::Repeat { first_attempt } => return Admission::GoesOn { first_attempt: Some(first_attempt) },
            Course::Refused { code } => {
                tally.refuse_again(code, event);
                return Admission::RefusedBefore(code);
            }
            Course::Forgotten => {
                tally.forgotten += 1;
                return Admission::Skipped(Skip::Forgotten);
            }
            Course::Overlapping => {
                tally.overlapping += 1;
                return Admission::Skipped(Skip::Overlapping);
            }
            Course::Accepted | Course::Held => {}
        }
        Admission::Settled
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

/// Refuses rows of one event.
fn refuse(rows: impl IntoIterator<Item = u64>, tally: &mut Tally) -> Admission {
    let rule = rule(CONFLICT).expect("the rule is a row of RULES");
    let faults = rows.into_iter().map(|row| Violation {
        row,
        column: Some(COLUMN.into()),
        rule,
        severity: Severity::Reject,
        detail: "is shared with a row of different content".into(),
        shape: String::new(),
    });
    let faults: Vec<_> = faults.collect();
    tally.rejected += faults.len() as u64;
    for fault in &faults {
        tally.record(fault, 1);
    }
    Admission::Refused(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The account after events of the given (key, payload) pairs, one row each, how many went on, and the rows refused.
    fn account(repeats: &mut Repeats, rows: &[(u8, u64)]) -> (Tally, usize, Vec<u64>) {
        let mut tally = Tally::default();
        let (mut went_on, mut refused) = (0, Vec::new());
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
            match repeats.admit(&event, Course::Send, &mut tally) {
                Admission::GoesOn { .. } => went_on += 1,
                Admission::Repeated | Admission::Settled | Admission::Skipped(_) | Admission::RefusedBefore(_) => {}
                Admission::Refused(faults) => refused.extend(faults.iter().map(|fault| fault.row)),
            }
        }
        refused.sort_unstable();
        (tally, went_on, refused)
    }

    #[test]
    fn every_row_of_a_conflict_is_refused_in_any_order() {
        let rows = [(1, 5), (2, 7), (2, 7), (2, 8), (2, 7), (3, 1), (3, 1)];
        for rotation in 0..rows.len() {
            let mut rows = rows;
            rows.rotate_left(rotation);
            let (tally, _, refused) = account(&mut Repeats::finding(), &rows);
            let conflicting = (0..rows.len()).filter(|row| rows[*row].0 == 2).map(|row| row as u64);
            assert_eq!(refused, conflicting.collect::<Vec<_>>(), "{rows:?}");
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
        let (tally, went_on, refused) = account(&mut Repeats::knowing(finding.into_conflicts()), &rows);
        assert_eq!((tally.events, tally.folded, tally.rejected, went_on), (5, 1, 3, 2));
        assert_eq!(refused, [1, 2, 3]);
    }

    #[test]
    fn while_streaming_the_first_row_goes_on_and_differing_ones_do_not() {
        let (tally, went_on, refused) = account(&mut Repeats::streaming(), &[(1, 5), (1, 5), (1, 6), (1, 5)]);
        assert_eq!((tally.events, tally.folded, tally.rejected, went_on), (2, 2, 1, 1));
        assert_eq!(refused, [2]);
    }

    #[test]
    fn a_row_number_survives_in_five_bytes() {
        let event = |row| EncodedEvent { key: EventKey::from([0; 16]), span: 0..0, time: 0, row, payload: 7 };
        for row in [0, 1, 1 << 20, (1 << 40) - 1] {
            assert_eq!(First::of(&event(row), Place::Unsent).row(), row);
        }
        assert_eq!(size_of::<(EventKey, First)>(), 30);
    }
}
