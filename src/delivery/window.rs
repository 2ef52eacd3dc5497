//! How long an event of unknown fate may be sent again.

use crate::contract::DEDUP_WINDOW_HOURS;

/// Seconds that the window is kept shorter than TikTok's, for clocks that differ and requests that take their time.
const SAFETY: i64 = 4 * 3_600;

/// The time in which TikTok drops a copy of an event, counted from the first copy that it may have received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Seconds from the first copy; `None` if the window never closes.
    length: Option<i64>,
    /// Whether the first copy may have been a browser's, sent when the event happened.
    pixel_overlap: bool,
}

impl Window {
    /// The window of a receiver that drops copies for `dedup_window` seconds. With `pixel_overlap`, a browser may have
    /// sent each event when it happened.
    #[must_use]
    pub const fn new(dedup_window: i64, pixel_overlap: bool) -> Self {
        let length = dedup_window.saturating_sub(SAFETY);
        Self { length: Some(if length > 0 { length } else { 0 }), pixel_overlap }
    }

    /// A window that never closes, for whoever has accepted that events may count twice.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { length: None, pixel_overlap: false }
    }

    /// Whether the window begins when an event happened, and not when it was first sent.
    #[must_use]
    pub const fn begins_with_the_event(self) -> bool {
        self.pixel_overlap
    }

    /// From when on a copy of an event that was first attempted at `first_attempt` and happened at `event_time` may
    /// count, if ever; all in Unix seconds.
    #[must_use]
    pub fn deadline(self, first_attempt: i64, event_time: i64) -> Option<i64> {
        let first = if self.pixel_overlap { first_attempt.min(event_time) } else { first_attempt };
        self.length.map(|length| first.saturating_add(length))
    }

    /// Whether an event that was first attempted at `first_attempt` and happened at `event_time` may be sent again at
    /// `now`; all in Unix seconds.
    #[must_use]
    pub fn is_open(self, now: i64, first_attempt: i64, event_time: i64) -> bool {
        self.deadline(first_attempt, event_time).is_none_or(|deadline| now < deadline)
    }

    /// Whether an event that happened at `event_time` may be sent for the first time at `now`.
    #[must_use]
    pub fn admits(self, now: i64, event_time: i64) -> bool {
        !self.pixel_overlap || self.is_open(now, now, event_time)
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::new(DEDUP_WINDOW_HOURS.cast_signed() * 3_600, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    #[test]
    fn the_window_closes_four_hours_before_copies_count() {
        let window = Window::default();
        assert!(window.is_open(44 * HOUR - 1, 0, -99 * HOUR));
        assert!(!window.is_open(44 * HOUR, 0, -99 * HOUR));
        assert_eq!(window.deadline(HOUR, -99 * HOUR), Some(45 * HOUR));
        assert!(window.admits(0, -99 * HOUR));
    }

    #[test]
    fn where_a_pixel_overlaps_the_window_begins_with_the_event() {
        let window = Window::new(48 * HOUR, true);
        assert!(window.is_open(44 * HOUR - 1, HOUR, 0));
        assert!(!window.is_open(44 * HOUR, HOUR, 0));
        assert_eq!(window.deadline(HOUR, 0), Some(44 * HOUR));
        assert!(window.admits(44 * HOUR - 1, 0));
        assert!(!window.admits(44 * HOUR, 0));
    }

    #[test]
    fn a_short_window_is_closed_and_an_unlimited_one_never() {
        assert!(!Window::new(HOUR, false).is_open(0, 0, 0));
        assert!(Window::unlimited().is_open(i64::MAX, 0, 0));
        assert_eq!(Window::unlimited().deadline(0, 0), None);
    }
}
