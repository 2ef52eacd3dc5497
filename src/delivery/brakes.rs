//! What holds requests back when the API is unwell: back-off, a budget for retries, a breaker, and the ladder of
//! throttling.
//!
//! Times are durations since the start of the delivery, random numbers are arguments.

use std::time::Duration;

const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Longest wait between two attempts of one request.
pub(super) const MAX_BACKOFF: Duration = Duration::from_mins(1);

/// The wait before the attempt that follows `failures` failures: anything from none to a bound that doubles.
#[must_use]
pub(super) fn backoff(failures: u32, random: u64) -> Duration {
    fraction(backoff_bound(failures), random)
}

/// The longest wait that [`backoff`] can give.
#[must_use]
pub(super) fn backoff_bound(failures: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(MAX_BACKOFF)
}

/// A random part of `whole`.
#[must_use]
pub(super) fn fraction(whole: Duration, random: u64) -> Duration {
    whole.mul_f64(f64::from(u32::try_from(random >> 32).expect("32 bits")) / f64::from(u32::MAX))
}

/// Tokens that retries cost, so that a sick server sees at most a fifth more traffic.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    tokens: u32,
    /// When the next retry may go although the budget is spent.
    free_at: Duration,
}

impl Budget {
    const FULL: u32 = 500;
    /// Retries without budget start this far apart.
    const FREE_EVERY: Duration = Duration::from_secs(1);
    /// Price of a retry after a timeout or a server fault.
    pub(super) const FAULT: u32 = 14;
    /// Price of a retry after throttling.
    pub(super) const THROTTLE: u32 = 5;

    /// A full budget.
    #[must_use]
    pub(super) fn new() -> Self {
        Self { tokens: Self::FULL, free_at: Duration::ZERO }
    }

    /// Pays for a retry, or says when it may go without.
    ///
    /// # Errors
    /// The time of a free place, which is now the caller's.
    pub(super) fn pay(&mut self, price: u32, now: Duration) -> Result<(), Duration> {
        if let Some(rest) = self.tokens.checked_sub(price) {
            self.tokens = rest;
            return Ok(());
        }
        let place = self.free_at.max(now);
        self.free_at = place + Self::FREE_EVERY;
        Err(place)
    }

    /// A request succeeded that had paid `price`: the price comes back, or one token if there was none.
    pub(super) fn succeeded(&mut self, price: u32) {
        self.tokens = Self::FULL.min(self.tokens + price.max(1));
    }

    /// The server is back after an outage: half a budget at least.
    pub(super) fn renew(&mut self) {
        self.tokens = self.tokens.max(Self::FULL / 2);
    }
}

/// Stops the traffic when the server is gone, and looks for it with one request at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    probe_at: Option<Duration>,
}

impl Breaker {
    /// Failures in a row, over all requests, that open the breaker.
    const FAILURES: u32 = 20;
    /// From one probe to the next.
    const PROBE_EVERY: Duration = Duration::from_secs(30);

    /// When the next probe may go, if the breaker is open.
    #[must_use]
    pub(super) fn open_until(&self) -> Option<Duration> {
        self.probe_at
    }

    /// A request failed.
    pub(super) fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= Self::FAILURES {
            self.probe_at = Some(now + Self::PROBE_EVERY);
        }
    }

    /// The server answered; says whether the breaker was open.
    pub(super) fn answered(&mut self) -> bool {
        self.failures = 0;
        self.probe_at.take().is_some()
    }
}

/// Finds out, by waiting longer and longer, which of the API's limits was met.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    since: Option<Duration>,
    long_pause: Option<Duration>,
}

/// What to do about a throttled request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rung {
    /// The limit of a second or a minute: nothing may start before this time.
    Pause(Duration),
    /// The limit of a day.
    Day,
}

impl Ladder {
    /// Throttled for so long, the limit is not that of a second.
    const MINUTE_AFTER: Duration = Duration::from_mins(1);
    /// What TikTok asks for when the limit of a minute was met; also the longest `Retry-After` that is followed.
    const LONG_PAUSE: Duration = Duration::from_mins(5);

    /// A request was throttled.
    pub(super) fn throttled(&mut self, now: Duration, retry_after: Option<Duration>, random: u64) -> Rung {
        let second = Duration::from_secs(1);
        let since = *self.since.get_or_insert(now);
        let pause = now + second + fraction(second, random);
        match self.long_pause {
            // Answers to requests that were under way when the pause began say nothing new.
            Some(end) if now < end => Rung::Pause(end),
            Some(_) => Rung::Day,
            None if now >= since + Self::MINUTE_AFTER => {
                let end = now + Self::LONG_PAUSE;
                self.long_pause = Some(end);
                Rung::Pause(end)
            }
            None => Rung::Pause(retry_after.map_or(pause, |asked| pause.max(now + asked.min(Self::LONG_PAUSE)))),
        }
    }

    /// A request got through.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn backoff_doubles_to_a_minute_and_is_spread_over_all_of_it() {
        let bounds: Vec<u128> = (1..=9).map(|failures| backoff_bound(failures).as_millis()).collect();
        assert_eq!(bounds, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(backoff(u32::MAX, u64::MAX), MAX_BACKOFF);
        assert_eq!(backoff(5, 0), Duration::ZERO);
    }

    #[test]
    fn a_spent_budget_lets_one_retry_a_second_through() {
        let mut budget = Budget::new();
        let paid = (0..100).filter(|_| budget.pay(Budget::FAULT, Duration::ZERO).is_ok()).count();
        assert_eq!(paid, 35);
        assert_eq!(budget.pay(Budget::FAULT, Duration::ZERO), Err(65 * SECOND));
        budget.succeeded(Budget::FAULT);
        assert_eq!(budget.pay(Budget::FAULT, Duration::ZERO), Ok(()));
    }

    #[test]
    fn the_breaker_opens_at_twenty_failures_and_closes_with_an_answer() {
        let mut breaker = Breaker::default();
        (0..19).for_each(|_| breaker.failed(SECOND));
        assert_eq!(breaker.open_until(), None);
        breaker.failed(SECOND);
        assert_eq!(breaker.open_until(), Some(31 * SECOND));
        breaker.failed(31 * SECOND);
        assert_eq!(breaker.open_until(), Some(61 * SECOND));
        assert!(breaker.answered());
        assert!(!breaker.answered());
    }

    #[test]
    fn throttling_means_a_second_then_a_minute_then_a_day() {
        let mut ladder = Ladder::default();
        assert_eq!(ladder.throttled(SECOND, None, 0), Rung::Pause(2 * SECOND));
        assert_eq!(ladder.throttled(2 * SECOND, Some(9 * SECOND), 0), Rung::Pause(11 * SECOND));
        assert_eq!(ladder.throttled(11 * SECOND, Some(9_999 * SECOND), 0), Rung::Pause(311 * SECOND));
        assert_eq!(ladder.throttled(61 * SECOND, None, 0), Rung::Pause(361 * SECOND));
        assert_eq!(ladder.throttled(62 * SECOND, None, 0), Rung::Pause(361 * SECOND));
        assert_eq!(ladder.throttled(361 * SECOND, None, 0), Rung::Day);
        ladder.succeeded();
        assert_eq!(ladder.throttled(400 * SECOND, None, 0), Rung::Pause(401 * SECOND));
    }
}
