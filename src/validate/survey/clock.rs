//! When events happened, as far as it takes to doubt it: age, lead over the clock, times of day, units, skipped hours.

use std::collections::BTreeMap;
use std::ops::Range;

use datafusion::arrow::array::{Array, Int64Array};

use crate::contract::time::{self, EpochUnit};
use crate::validate::faults::Fate;
use crate::validate::instants::Reader;
use crate::validate::rows::Policy;

pub(super) const HOUR: i64 = 3_600;
pub(super) const DAY: i64 = 24 * HOUR;
/// The finest step between time zones.
const ZONE_STEP: i64 = 900;
/// Hours that any zone is ahead of UTC, at most: a wrong zone moves no event further into the future.
pub(super) const MAX_ZONE: i64 = 14 * HOUR;
/// Hours of age that are told apart: ten years of them.
const MAX_AGE: i64 = 10 * 366 * 24;
/// Distinct times of day that are told apart.
const MAX_TIMES: usize = 2;

/// What was seen of times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// Events with a readable time.
    pub(super) events: u64,
    /// Events by whole hours of age, of those in the window and not in the future.
    pub(super) ages: BTreeMap<i64, u64>,
    /// Seconds of age of the oldest of these.
    pub(super) oldest: i64,
    pub(super) out_of_window: u64,
    /// Events ahead of the clock, beyond the tolerance.
    pub(super) future: u64,
    /// Of these, events that a wrong zone explains.
    pub(super) near_future: u64,
    /// Seconds that the farthest of these is ahead.
    pub(super) lead: i64,
    pub(super) utc_midnights: u64,
    pub(super) local_midnights: u64,
    /// Events whose local time clocks in the zone skip.
    pub(super) skipped: u64,
    /// Numbers by their unit.
    pub(super) units: [u64; 4],
    /// Whether the column holds days, of which midnight is known before a row is read.
    pub(super) is_days: bool,
    /// Times of day in UTC; none if there are too many.
    pub(super) times_of_day: Option<BTreeMap<i64, TimeOfDay>>,
}

/// The events at one time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeOfDay {
    pub(super) events: u64,
    /// Unix seconds.
    pub(super) first: i64,
    /// Unix seconds.
    pub(super) last: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            events: 0,
            ages: BTreeMap::new(),
            oldest: 0,
            out_of_window: 0,
            future: 0,
            near_future: 0,
            lead: 0,
            utc_midnights: 0,
            local_midnights: 0,
            skipped: 0,
            units: [0; 4],
            is_days: false,
            times_of_day: Some(BTreeMap::new()),
        }
    }
}

impl Clock {
    pub(super) fn add(&mut self, other: &Self) {
        self.events += other.events;
        for (hours, events) in &other.ages {
            *self.ages.entry(*hours).or_default() += events;
        }
        self.oldest = self.oldest.max(other.oldest);
        self.out_of_window += other.out_of_window;
        self.future += other.future;
        self.near_future += other.near_future;
        self.lead = self.lead.max(other.lead);
        self.utc_midnights += other.utc_midnights;
        self.local_midnights += other.local_midnights;
        self.skipped += other.skipped;
        self.units.iter_mut().zip(other.units).for_each(|(sum, numbers)| *sum += numbers);
        self.is_days |= other.is_days;
        match &other.times_of_day {
            Some(times) => times.iter().for_each(|(at, seen)| self.add_time_of_day(*at, *seen)),
            None => self.times_of_day = None,
        }
    }

    /// The age, in whole hours, that `share` of a thousand events do not exceed.
    pub(super) fn quantile(&self, share: u64) -> Option<i64> {
        let total: u64 = self.ages.values().sum();
        let rank = u64::try_from((u128::from(total) * u128::from(share)).div_ceil(1_000)).ok()?;
        let mut seen = 0;
        self.ages.iter().find_map(|(hours, events)| {
            seen += events;
            (seen >= rank).then_some(*hours)
        })
    }

    fn add_time_of_day(&mut self, at: i64, seen: TimeOfDay) {
        let Some(times) = &mut self.times_of_day else { return };
        let sum = times.entry(at).or_insert(TimeOfDay { events: 0, ..seen });
        *sum = TimeOfDay {
            events: sum.events + seen.events,
            first: sum.first.min(seen.first),
            last: sum.last.max(seen.last),
        };
        if times.len() > MAX_TIMES {
            self.times_of_day = None;
        }
    }

    fn see(&mut self, at: i64, fate: Fate, policy: &Policy) {
        self.events += 1;
        let lead = at.saturating_sub(policy.now);
        if lead > policy.future_tolerance {
            self.future += 1;
            if lead <= MAX_ZONE {
                self.near_future += 1;
                self.lead = self.lead.max(lead);
            }
        } else if fate == Fate::OutOfWindow {
            self.out_of_window += 1;
        } else {
            let age = lead.saturating_neg().max(0);
            *self.ages.entry((age / HOUR).min(MAX_AGE)).or_default() += 1;
            self.oldest = self.oldest.max(age);
        }
        self.add_time_of_day(at.rem_euclid(DAY), TimeOfDay { events: 1, first: at, last: at });
        if at.rem_euclid(ZONE_STEP) == 0 {
            self.utc_midnights += u64::from(at.rem_euclid(DAY) == 0);
            let zone = policy.zone.as_ref();
            let is_local = zone.and_then(|zone| time::offset(at, zone)).is_some_and(|ahead| (at + ahead) % DAY == 0);
            self.local_midnights += u64::from(is_local);
        }
    }
}

/// Observes the times of a batch: `times` in Unix seconds as they were read, `gaps` as of [`time::gaps`].
pub(super) fn observe(
    reader: &Reader<'_>,
    times: &Int64Array,
    fates: &[Fate],
    policy: &Policy,
    gaps: &[Range<i64>],
) -> Clock {
    let mut clock = Clock { is_days: reader.is_days(), ..Clock::default() };
    let mut scratch = String::new();
    for row in (0..times.len()).filter(|row| times.is_valid(*row)) {
        let at = times.value(row);
        clock.see(at, fates[row], policy);
        if let Some(unit) = reader.unit(row, &mut scratch) {
            clock.units[unit as usize] += 1;
        }
        // Only what was read into the hour after a gap can have come from it.
        if gaps.iter().any(|gap| gap.contains(&at)) {
            let zone = policy.zone.as_ref();
            let skipped = zone.is_some_and(|zone| reader.naive(row).is_some_and(|local| time::is_skipped(local, zone)));
            clock.skipped += u64::from(skipped);
        }
    }
    clock
}

/// The unit of each count, the largest unit first, without those that did not occur.
pub(super) fn units(clock: &Clock) -> impl Iterator<Item = (EpochUnit, u64)> {
    EpochUnit::ALL.into_iter().zip(clock.units).filter(|(_, numbers)| *numbers > 0)
}
