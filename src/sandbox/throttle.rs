//! The rate limit: so many requests in any second that slides along.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The span the limit is about.
const SPAN: Duration = Duration::from_secs(1);

/// Requests of the last second.
#[derive(Debug)]
pub(crate) struct Throttle {
    limit: usize,
    admitted: VecDeque<Instant>,
}

impl Throttle {
    /// Admits `limit` requests in any second.
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit: usize::try_from(limit).unwrap_or(usize::MAX), admitted: VecDeque::new() }
    }

    /// Whether a request that arrives at `now` is within the limit. One that is not does not count.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        while self.admitted.front().is_some_and(|first| now.duration_since(*first) >= SPAN) {
            self.admitted.pop_front();
        }
        let free = self.admitted.len() < self.limit;
        if free {
            self.admitted.push_back(now);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_slides() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut throttle = Throttle::new(2);
        let admitted: Vec<_> =
            [0, 600, 900, 999, 1_000, 1_300, 1_600].into_iter().map(|ms| throttle.admit(at(ms))).collect();
        assert_eq!(admitted, [true, true, false, false, true, false, true]);
    }

    #[test]
    fn a_limit_of_zero_admits_nothing() {
        assert!(!Throttle::new(0).admit(Instant::now()));
    }
}
