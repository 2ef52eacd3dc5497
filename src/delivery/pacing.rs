//! How fast requests may start, and how many may be under way.
//!
//! Times are durations since the start of the delivery; nothing here reads a clock.

use std::time::Duration;

use crate::contract::MAX_REQUESTS_PER_SECOND;

/// Requests per second, by default.
pub const DEFAULT_RATE: u32 = 100;
/// Requests per second that no setting exceeds: nine tenths of what the API allows.
#[expect(clippy::cast_possible_truncation, reason = "a constant of three digits")]
pub const MAX_RATE: u32 = (MAX_REQUESTS_PER_SECOND * 9 / 10) as u32;

/// How far behind its schedule a pace may catch up at once, so that coarse timers do not slow it.
const CATCH_UP: Duration = Duration::from_millis(10);
/// Share of the full rate that is regained with each second without throttling.
const REGAINED_PER_SECOND: f64 = 0.05;
/// Requests per second that throttling never falls below.
const MIN_RATE: f64 = 1.0;

/// Spreads the starts of requests evenly, so that no second, wherever it begins, holds more than the rate.
#[derive(Clone, Debug)]
pub struct Pace {
    full: f64,
    rate: f64,
    next: Duration,
    adjusted: Duration,
}

impl Pace {
    /// At most `rate` requests per second, and never more than [`MAX_RATE`].
    #[must_use]
    pub fn new(rate: u32) -> Self {
        let full = f64::from(rate.clamp(1, MAX_RATE));
        Self { full, rate: full, next: Duration::ZERO, adjusted: Duration::ZERO }
    }

    /// When the next request may start.
    #[must_use]
    pub fn ready_at(&self) -> Duration {
        self.next
    }

    /// Takes the next place; the caller has seen that it is free.
    pub fn take(&mut self, now: Duration) {
        let rate = self.rate.min(self.full);
        self.next = self.next.max(now.saturating_sub(CATCH_UP)) + Duration::from_secs_f64(1.0 / rate);
    }

    /// Halves the rate, once in a second however many requests were throttled in it.
    pub fn throttled(&mut self, now: Duration) {
        if self.rate >= self.full || now >= self.adjusted + Duration::from_secs(1) {
            self.rate = (self.rate / 2.0).max(MIN_RATE.min(self.full));
            self.adjusted = now;
        }
    }

    /// Regains a part of the rate for each second in which requests succeeded.
    pub fn succeeded(&mut self, now: Duration) {
        if self.rate < self.full && now >= self.adjusted + Duration::from_secs(1) {
            self.rate = self.full.min(self.rate + self.full * REGAINED_PER_SECOND);
            self.adjusted = now;
        }
    }
}

/// Requests under way at first.
const FIRST_CONCURRENCY: f64 = 4.0;
/// What remains of the concurrency after a sign of overload.
const DECREASE: f64 = 0.7;

/// How many requests may be under way: one more after each window of successes, fewer at once on overload.
#[derive(Clone, Debug)]
pub struct Concurrency {
    limit: f64,
    max: f64,
    successes: f64,
    decreased: Duration,
}

impl Concurrency {
    /// Starts at four, or at `max` if that is less.
    #[must_use]
    pub fn new(max: u16) -> Self {
        let max = f64::from(max.max(1));
        Self { limit: FIRST_CONCURRENCY.min(max), max, successes: 0.0, decreased: Duration::ZERO }
    }

    /// The limit as a count, at least one.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between one and a u16")]
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// The most that the limit can be.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between one and a u16")]
    pub fn max(&self) -> usize {
        self.max as usize
    }

    /// A request succeeded.
    pub fn succeeded(&mut self) {
        self.successes += 1.0;
        if self.successes >= self.limit {
            self.successes = 0.0;
            self.limit = self.max.min(self.limit + 1.0);
        }
    }

    /// A request was throttled or timed out: shrinks once in a second, however many requests said so.
    pub fn overloaded(&mut self, now: Duration) {
        self.successes = 0.0;
        if self.decreased.is_zero() || now >= self.decreased + Duration::from_secs(1) {
            self.limit = (self.limit * DECREASE).max(1.0);
            self.decreased = now.max(Duration::from_nanos(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts as many requests as the pace allows over `seconds`, looking at the clock every `tick`.
    fn starts(pace: &mut Pace, seconds: u64, tick: Duration) -> Vec<Duration> {
        let mut starts = Vec::new();
        let mut now = Duration::ZERO;
        while now < Duration::from_secs(seconds) {
            while pace.ready_at() <= now {
                pace.take(now);
                starts.push(now);
            }
            now += tick;
        }
        starts
    }

    #[test]
    fn no_sliding_second_holds_more_than_the_rate_and_its_catch_up() {
        for (rate, tick) in [(100, 1_u64), (900, 1), (7, 3), (5_000, 2)] {
            let starts = starts(&mut Pace::new(rate), 5, Duration::from_millis(tick));
            let rate = usize::try_from(rate.min(MAX_RATE)).expect("a small number");
            let allowed = rate + rate / 100 + 1;
            for (index, first) in starts.iter().enumerate() {
                let within =
                    starts[index..].iter().take_while(|start| **start < *first + Duration::from_secs(1)).count();
                assert!(within <= allowed, "{within} in a second at {rate}");
            }
            assert!(starts.len() * 10 >= rate * 49, "{} in 5 s at {rate}", starts.len());
        }
    }

    #[test]
    fn a_storm_of_throttling_halves_once_a_second_and_success_regains() {
        let mut pace = Pace::new(100);
        for _ in 0..50 {
            pace.throttled(Duration::from_millis(10));
        }
        assert!((pace.rate - 50.0).abs() < 1e-6);
        for second in 2..100 {
            pace.throttled(Duration::from_secs(second));
        }
        assert!((pace.rate - 1.0).abs() < 1e-6);
        for second in 100..130 {
            pace.succeeded(Duration::from_secs(second));
        }
        assert!((pace.rate - 100.0).abs() < 1e-6);
    }

    #[test]
    fn concurrency_grows_by_one_and_shrinks_by_three_tenths() {
        let mut concurrency = Concurrency::new(32);
        assert_eq!(concurrency.limit(), 4);
        (0..9).for_each(|_| concurrency.succeeded());
        assert_eq!(concurrency.limit(), 6);
        concurrency.overloaded(Duration::from_secs(1));
        concurrency.overloaded(Duration::from_secs(1));
        assert_eq!(concurrency.limit(), 4);
        (0..10_000).for_each(|_| concurrency.succeeded());
        assert_eq!(concurrency.limit(), 32);
        (2..100).for_each(|second| concurrency.overloaded(Duration::from_secs(second)));
        assert_eq!(concurrency.limit(), 1);
        assert_eq!(Concurrency::new(2).limit(), 2);
    }
}
