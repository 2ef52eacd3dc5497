//! De-duplication as TikTok describes it: the first event of a key stays; a repeat within minutes is merged into it,
//! a repeat within two days is dropped, and after that the key is new again.
//!
//! The window counts from the first arrival. The key takes the event's name as it was sent: TikTok's own key does,
//! so that the same order as `CompletePayment` and as `Purchase` counts twice here as well.
//!
//! Memory is bounded: 24 bytes an event, in two generations, of which the older is forgotten when the newer is two
//! days old or full.

use std::collections::HashMap;
use std::mem;

use crate::contract::DEDUP_WINDOW_HOURS;
use crate::event::EventKey;

/// Seconds in which a repeat is merged (events-api.md 9).
const MERGE_SECONDS: u32 = 300;
/// Events one generation remembers: about as many as fit before its table doubles from 420 MB.
const GENERATION: usize = 14_000_000;

/// What a repeat of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The key is new: the event counts.
    First,
    /// Soon after the first: fills in what the event of this sequence number lacks.
    Merge(u32),
    /// Too late to merge, too early to count.
    Drop(u32),
}

/// Keys of the events that counted.
#[derive(Debug)]
pub(crate) struct Seen {
    newer: HashMap<EventKey, Entry>,
    older: HashMap<EventKey, Entry>,
    newer_since: u32,
    generation: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    first_seen: u32,
    sequence: u32,
}

impl Default for Seen {
    fn default() -> Self {
        Self::with_generation(GENERATION)
    }
}

impl Seen {
    fn with_generation(generation: usize) -> Self {
        Self { newer: HashMap::new(), older: HashMap::new(), newer_since: 0, generation }
    }

    /// Notes that `key` arrived at `now` (Unix seconds); `sequence` numbers the event if it turns out to be new.
    pub(crate) fn arrive(&mut self, key: EventKey, now: i64, sequence: u64) -> Arrival {
        let now = u32::try_from(now.max(0)).unwrap_or(u32::MAX);
        if let Some(entry) = self.newer.get(&key).or_else(|| self.older.get(&key)) {
            let age = now.saturating_sub(entry.first_seen);
            if age < MERGE_SECONDS {
                return Arrival::Merge(entry.sequence);
            }
            if age < window() {
                return Arrival::Drop(entry.sequence);
            }
        }
        if self.newer.is_empty() {
            self.newer_since = now;
        }
        if self.newer.len() >= self.generation || now.saturating_sub(self.newer_since) >= window() {
            self.older = mem::take(&mut self.newer);
            self.newer_since = now;
        }
        let sequence = u32::try_from(sequence).unwrap_or(u32::MAX);
        self.newer.insert(key, Entry { first_seen: now, sequence });
        Arrival::First
    }
}

fn window() -> u32 {
    u32::try_from(DEDUP_WINDOW_HOURS * 3_600).expect("two days fit in 32 bits of seconds")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn key(number: u8) -> EventKey {
        EventKey::from([number; 16])
    }

    #[test]
    fn merges_then_drops_then_counts_again() {
        let mut seen = Seen::default();
        let start = 1_787_234_709;
        let cases = [
            (0, Arrival::First),
            (299, Arrival::Merge(0)),
            (300, Arrival::Drop(0)),
            (48 * HOUR - 1, Arrival::Drop(0)),
            (48 * HOUR, Arrival::First),
            (48 * HOUR + 1, Arrival::Merge(4)),
        ];
        for (sequence, (after, expected)) in (0..).zip(cases) {
            assert_eq!(seen.arrive(key(1), start + after, sequence), expected, "after {after} s");
        }
    }

    #[test]
    fn keys_are_independent() {
        let mut seen = Seen::default();
        assert_eq!(seen.arrive(key(1), 0, 0), Arrival::First);
        assert_eq!(seen.arrive(key(2), 0, 1), Arrival::First);
        assert_eq!(seen.arrive(key(1), 1, 2), Arrival::Merge(0));
    }

    #[test]
    fn a_full_generation_is_kept_once_more_and_then_forgotten() {
        let mut seen = Seen::with_generation(2);
        for number in 0..5 {
            assert_eq!(seen.arrive(key(number), 0, number.into()), Arrival::First);
        }
        assert_eq!(seen.arrive(key(2), 1, 5), Arrival::Merge(2), "the generation before the last is remembered");
        assert_eq!(seen.arrive(key(0), 1, 6), Arrival::First, "the one before that is not");
    }
}
