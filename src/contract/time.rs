//! Instants: ISO 8601 text, Unix epochs of any unit, and local times in a zone that has daylight saving.
//!
//! Instants are microseconds since 1970-01-01T00:00:00Z, of the years 0001 to 9999. A wrong zone moves revenue between
//! days, so that text without a zone is only read when the caller names one.
//!
//! ```text
//! date    2026-11-22   2026-326   2026-W47-7        20261122   2026326   2026W477
//! time    13   13:45   13:45:08                     13   1345   134508
//!         a fraction of any length after `.` or `,` on the last part; 24:00; 23:59:60 UTC
//! zone    Z   ±hh   ±hhmm   ±hh:mm   or UTC after a blank; the others may follow a blank too, as Snowflake prints them
//! ```
//!
//! `T`, `t` or one blank stands between date and time, both in extended or both in basic form; a date alone is its
//! midnight. Nothing else is a time: no locale's dates, no year or month alone, nothing behind the end.

use std::ops::Range;

use jiff::civil::{Date, DateTime, ISOWeekDate, Weekday};
use jiff::tz::{AmbiguousOffset, Offset};
use jiff::{SignedDuration, Timestamp};

pub use jiff::tz::TimeZone;

/// Characters of the longest text that is looked at.
const MAX_TEXT: usize = 64;
/// Digits of a fraction that count; at that depth the rest cannot move a microsecond.
const FRACTION_DIGITS: usize = 18;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// 0001-01-01T00:00:00Z.
const EARLIEST: i64 = -719_162 * DAY;
/// 9999-12-31T23:59:59.999999Z.
const LATEST: i64 = 2_932_897 * DAY - 1;

/// (smallest value, units in a second, unit) of the epoch units, largest first: 1973 to 5138 in seconds, and the same
/// window thousandfold for milliseconds and microseconds; nanoseconds have the rest.
const EPOCH_UNITS: [(i64, i64, EpochUnit); 4] = [
    (100_000_000_000_000_000, 1_000_000_000, EpochUnit::Nanoseconds),
    (100_000_000_000_000, 1_000_000, EpochUnit::Microseconds),
    (100_000_000_000, 1_000, EpochUnit::Milliseconds),
    (100_000_000, 1, EpochUnit::Seconds),
];

/// What a Unix epoch counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EpochUnit {
    /// Seconds.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Millionths of a second.
    Microseconds,
    /// Billionths of a second.
    Nanoseconds,
}

impl EpochUnit {
    /// Every unit, the largest first.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds];

    /// The unit of `epoch` by its magnitude, as [`epoch_seconds`] reads it.
    #[must_use]
    pub fn of(epoch: i64) -> Option<Self> {
        EPOCH_UNITS.into_iter().find(|(smallest, ..)| epoch >= *smallest).map(|(.., unit)| unit)
    }

    /// The unit in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }
}

/// Why a value is no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeFault {
    /// Not a time in any accepted form, or one that no calendar or clock shows.
    NotATime,
    /// A local time, and no time zone to read it in.
    NoZone,
    /// Before the year 1, after 9999, or an epoch too small to tell its unit.
    OutOfRange,
}

impl TimeFault {
    /// The fault in words that continue "the value is …".
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotATime => "not an ISO 8601 time",
            Self::NoZone => "a local time, and no time zone is set",
            Self::OutOfRange => "out of range for a point in time",
        }
    }
}

/// The time zone of an IANA name such as `Europe/Berlin`, of any case.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().filter(|zone| !zone.is_unknown())
}

/// The zone whose clocks always show this offset from UTC, such as `+02:00`.
#[must_use]
pub fn fixed(offset: &str) -> Option<TimeZone> {
    let mut rest = Rest(offset.as_bytes());
    let offset = read_offset(&mut rest).filter(|_| rest.0.is_empty())?;
    Offset::from_seconds(i32::try_from(offset / SECOND).ok()?).ok().map(TimeZone::fixed)
}

/// The instant that ISO 8601 text means, in microseconds since the epoch; finer fractions are cut off.
///
/// White space around the text is ignored. Text without a zone is a local time in `zone`, as in [`local_instant`].
///
/// # Errors
/// [`TimeFault::NotATime`]; [`TimeFault::NoZone`] for a local time when there is no zone; [`TimeFault::OutOfRange`].
pub fn instant(text: &str, zone: Option<&TimeZone>) -> Result<i64, TimeFault> {
    let reading = read(text.trim()).ok_or(TimeFault::NotATime)?;
    let instant = match (reading.offset, zone) {
        (Some(offset), _) => in_range(reading.local - offset)?,
        (None, Some(zone)) => local_instant(reading.local, zone)?,
        (None, None) => return Err(TimeFault::NoZone),
    };
    if reading.leap && !follows_leap_second(instant) { Err(TimeFault::NotATime) } else { Ok(instant) }
}

/// Whether `text` is one of the forms that [`instant`] reads, with or without a zone and with no white space around it.
#[must_use]
pub fn is_iso8601(text: &str) -> bool {
    read(text).is_some_and(|reading| match reading.offset {
        Some(offset) => !reading.leap || follows_leap_second(reading.local - offset),
        None => true,
    })
}

/// The instant at which clocks in `zone` show the local time `naive_micros` (microseconds since 1970-01-01T00:00:00
/// without a zone). A time that a gap skips is read past the gap, one that comes twice is the first.
///
/// # Errors
/// [`TimeFault::OutOfRange`].
pub fn local_instant(naive_micros: i64, zone: &TimeZone) -> Result<i64, TimeFault> {
    let local = EPOCH.checked_add(SignedDuration::from_micros(naive_micros)).map_err(|_| TimeFault::OutOfRange)?;
    let instant = zone.to_ambiguous_timestamp(local).compatible().map_err(|_| TimeFault::OutOfRange)?;
    in_range(instant.as_microsecond())
}

/// Whether clocks in `zone` never show the local time `naive_micros`, because they are put forward over it.
#[must_use]
pub fn is_skipped(naive_micros: i64, zone: &TimeZone) -> bool {
    EPOCH
        .checked_add(SignedDuration::from_micros(naive_micros))
        .is_ok_and(|local| matches!(zone.to_ambiguous_timestamp(local).offset(), AmbiguousOffset::Gap { .. }))
}

/// The local time that ISO 8601 text without a zone shows, in microseconds since 1970-01-01T00:00:00 on its clock.
#[must_use]
pub fn naive(text: &str) -> Option<i64> {
    read(text.trim()).filter(|reading| reading.offset.is_none()).map(|reading| reading.local)
}

/// Seconds that clocks in `zone` are ahead of UTC at an instant in Unix seconds.
#[must_use]
pub fn offset(seconds: i64, zone: &TimeZone) -> Option<i64> {
    Timestamp::from_second(seconds).ok().map(|instant| i64::from(zone.to_offset(instant).seconds()))
}

/// The spans of instants, in Unix seconds, that begin where clocks in `zone` are put forward and last as long as the
/// time they skip: there lie the readings of local times that never were. Only those that begin in `within` are given.
#[must_use]
pub fn gaps(zone: &TimeZone, within: Range<i64>) -> Vec<Range<i64>> {
    let Ok(start) = Timestamp::from_second(within.start) else { return Vec::new() };
    let transitions = zone.following(start).map(|transition| transition.timestamp().as_second());
    transitions
        .take_while(|at| *at < within.end)
        .filter_map(|at| {
            let ahead = offset(at, zone)? - offset(at - 1, zone)?;
            (ahead > 0).then_some(at..at + ahead)
        })
        .collect()
}

/// Whole seconds of a Unix epoch in seconds (from 100,000,000, March 1973, below 10¹¹), milliseconds (below 10¹⁴),
/// microseconds (below 10¹⁷) or nanoseconds, told apart by magnitude.
///
/// # Errors
/// [`TimeFault::OutOfRange`] below 100,000,000: dates like 20261122 and counts of days are no epochs.
pub fn epoch_seconds(epoch: i64) -> Result<i64, TimeFault> {
    let unit = EPOCH_UNITS.into_iter().find(|(smallest, ..)| epoch >= *smallest);
    unit.map(|(_, per_second, _)| epoch / per_second).ok_or(TimeFault::OutOfRange)
}

fn in_range(instant: i64) -> Result<i64, TimeFault> {
    if (EARLIEST..=LATEST).contains(&instant) { Ok(instant) } else { Err(TimeFault::OutOfRange) }
}

/// Leap seconds are 23:59:60 UTC, and here the second after it.
fn follows_leap_second(instant: i64) -> bool {
    instant.rem_euclid(DAY) < SECOND
}

/// What a text says, before a zone is applied.
struct Reading {
    /// Microseconds since 1970-01-01T00:00:00 on the clock that the text shows.
    local: i64,
    /// Microseconds that this clock is ahead of UTC, if the text says.
    offset: Option<i64>,
    /// Whether the text shows the second 60, which `local` counts as the next second.
    leap: bool,
}

/// The two ways to write dates and times, which do not mix.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// With hyphens and colons.
    Extended,
    /// Digits only.
    Basic,
}

fn read(text: &str) -> Option<Reading> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let mut rest = Rest(text.as_bytes());
    let (date, form) = read_date(&mut rest)?;
    let midnight =
        i64::try_from(date.to_datetime(jiff::civil::Time::midnight()).duration_since(EPOCH).as_micros()).ok()?;
    if rest.0.is_empty() {
        return Some(Reading { local: midnight, offset: None, leap: false });
    }
    if !(rest.skip(b'T') || rest.skip(b't') || rest.skip(b' ')) {
        return None;
    }
    let (since_midnight, leap) = read_time(&mut rest, form)?;
    let offset = if rest.0.is_empty() { None } else { Some(read_offset(&mut rest)?) };
    rest.0.is_empty().then_some(Reading { local: midnight + since_midnight, offset, leap })
}

fn read_date(rest: &mut Rest) -> Option<(Date, Form)> {
    let year = i16::try_from(rest.number(4)?).ok().filter(|year| *year > 0)?;
    let form = if rest.skip(b'-') { Form::Extended } else { Form::Basic };
    let date = if rest.skip(b'W') {
        let week = rest.small(2)?;
        rest.separator(b'-', form)?;
        let weekday = Weekday::from_monday_one_offset(rest.small(1)?).ok()?;
        ISOWeekDate::new(year, week, weekday).ok()?.date()
    } else if rest.digits() == 3 {
        let day = i16::try_from(rest.number(3)?).ok()?;
        Date::new(year, 1, 1).ok()?.with().day_of_year(day).build().ok()?
    } else {
        let month = rest.small(2)?;
        rest.separator(b'-', form)?;
        Date::new(year, month, rest.small(2)?).ok()?
    };
    Some((date, form))
}

/// Microseconds since midnight, and whether the second was 60.
fn read_time(rest: &mut Rest, form: Form) -> Option<(i64, bool)> {
    let more = |rest: &mut Rest| match form {
        Form::Extended => rest.skip(b':'),
        Form::Basic => rest.digits() > 0,
    };
    let (hour, mut minute, mut second, mut last) = (rest.number(2)?, 0, 0, HOUR);
    if more(rest) {
        (minute, last) = (rest.number(2)?, MINUTE);
        if more(rest) {
            (second, last) = (rest.number(2)?, SECOND);
        }
    }
    let fraction = if rest.skip(b'.') || rest.skip(b',') { rest.fraction(last)? } else { 0 };
    let time = hour * HOUR + minute * MINUTE + second * SECOND + fraction;
    (minute < 60 && second <= 60 && (hour < 24 || time == DAY)).then_some((time, second == 60))
}

fn read_offset(rest: &mut Rest) -> Option<i64> {
    if rest.skip(b' ') && rest.0 == b"UTC" {
        rest.0 = b"";
        return Some(0);
    }
    if rest.skip(b'Z') || rest.skip(b'z') {
        return Some(0);
    }
    let sign = if rest.skip(b'-') { -1 } else { rest.skip(b'+').then_some(1)? };
    let hours = rest.number(2)?;
    let minutes = if rest.skip(b':') || rest.digits() > 0 { rest.number(2)? } else { 0 };
    (hours < 24 && minutes < 60).then_some(sign * (hours * HOUR + minutes * MINUTE))
}

/// The text not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// Length of the run of digits here.
    fn digits(&self) -> usize {
        self.0.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let skipped = self.0.strip_prefix(&[byte]);
        self.0 = skipped.unwrap_or(self.0);
        skipped.is_some()
    }

    /// Passes the separator that the extended form has here.
    fn separator(&mut self, byte: u8, form: Form) -> Option<()> {
        (form == Form::Basic || self.skip(byte)).then_some(())
    }

    /// The number in the next `width` digits.
    fn number(&mut self, width: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(width)?;
        self.0 = rest;
        digits.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
    }

    fn small(&mut self, width: usize) -> Option<i8> {
        self.number(width).and_then(|number| i8::try_from(number).ok())
    }

    /// Microseconds in the fraction of `unit` that a run of digits means.
    fn fraction(&mut self, unit: i64) -> Option<i64> {
        let (digits, rest) = self.0.split_at(self.digits());
        self.0 = rest;
        let significant = digits.iter().take(FRACTION_DIGITS);
        let (value, scale) = significant
            .fold((0, 1), |(value, scale): (i128, i128), byte| (value * 10 + i128::from(byte - b'0'), scale * 10));
        if digits.is_empty() { None } else { i64::try_from(value * i128::from(unit) / scale).ok() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micros(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("an RFC 3339 timestamp").as_microsecond()
    }

    #[test]
    fn every_form_of_one_instant() {
        let expected = micros("2026-11-22T13:45:08Z");
        for text in [
            "2026-11-22T13:45:08Z",
            "2026-11-22t13:45:08z",
            "2026-11-22 13:45:08 UTC",
            "2026-11-22 13:45:08Z",
            "2026-326T13:45:08Z",
            "2026-W47-7T13:45:08Z",
            "20261122T134508Z",
            "2026326T134508Z",
            "2026W477T134508Z",
            "2026-11-22T13:45:08+00",
            "2026-11-22T14:45:08+01",
            "2026-11-22T05:45:08-0800",
            "2026-11-22T19:15:08+05:30",
            "20261122 191508+05:30",
            "2026-11-22 05:45:08.000 -0800",
            "2026-11-22 13:45:08 Z",
            " 2026-11-22T13:45:08Z\n",
            "2026-11-22T13:45:08.0000009Z",
            "2026-11-22T13:45:08,0Z",
            "2026-11-23T13:44:08+23:59",
            "2026-11-22T13:45:08-00:00",
        ] {
            assert_eq!(instant(text, None), Ok(expected), "{text}");
            assert_eq!(is_iso8601(text), text.trim() == text, "{text}");
        }
    }

    #[test]
    fn skipped_times_are_those_of_a_gap() {
        let zone = zone("Europe/Berlin").unwrap();
        let local = |text: &str| naive(text).unwrap();
        assert!(is_skipped(local("2026-03-29T02:00:00"), &zone));
        assert!(is_skipped(local("2026-03-29 02:59:59"), &zone));
        assert!(!is_skipped(local("2026-03-29T03:00:00"), &zone));
        assert!(!is_skipped(local("2026-10-25T02:30:00"), &zone));
        assert_eq!(naive("2026-03-29T02:00:00Z"), None);
        let seconds = |text: &str| micros(text) / SECOND;
        let year = seconds("2026-01-01T00:00:00Z")..seconds("2027-01-01T00:00:00Z");
        let gap = seconds("2026-03-29T01:00:00Z")..seconds("2026-03-29T02:00:00Z");
        assert_eq!(gaps(&zone, year.clone()), std::slice::from_ref(&gap));
        assert_eq!(gaps(&TimeZone::UTC, year), []);
        assert_eq!((offset(gap.start - 1, &zone), offset(gap.start, &zone)), (Some(3_600), Some(7_200)));
    }

    #[test]
    fn parts_may_be_left_off_and_the_last_may_have_a_fraction() {
        for (text, expected) in [
            ("2026-11-22T13:45Z", "2026-11-22T13:45:00Z"),
            ("20261122T1345Z", "2026-11-22T13:45:00Z"),
            ("2026-11-22T13Z", "2026-11-22T13:00:00Z"),
            ("2026-11-22T13,5Z", "2026-11-22T13:30:00Z"),
            ("2026-11-22T13:45.25Z", "2026-11-22T13:45:15Z"),
            ("20261122T134508.123456789Z", "2026-11-22T13:45:08.123456Z"),
            ("2026-11-22T13:45:08.99999999999999999999Z", "2026-11-22T13:45:08.999999Z"),
            ("2026-11-22T24:00Z", "2026-11-23T00:00:00Z"),
            ("20261231T240000,0Z", "2027-01-01T00:00:00Z"),
            ("2026-11-22T24Z", "2026-11-23T00:00:00Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("2016-12-31T18:59:60.5-05:00", "2017-01-01T00:00:00.5Z"),
            ("2024-02-29T00:00Z", "2024-02-29T00:00:00Z"),
            ("2024-366T00Z", "2024-12-31T00:00:00Z"),
            ("2020-W53-7T00Z", "2021-01-03T00:00:00Z"),
            ("2026-W01-1T00Z", "2025-12-29T00:00:00Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
        ] {
            assert_eq!(instant(text, None), Ok(micros(expected)), "{text}");
            assert!(is_iso8601(text), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_a_time() {
        for text in [
            "",
            " ",
            "now",
            "2026",
            "2026-11",
            "202611",
            "11/22/2026",
            "22.11.2026",
            "2026/11/22",
            "Nov 22, 2026",
            "26-11-22",
            "2026-13-01",
            "2026-00-01",
            "2026-02-30",
            "2025-02-29",
            "2026-11-31",
            "2026-000",
            "2025-366",
            "2025-W53-1",
            "2026-W00-1",
            "2026-W47",
            "2026-W47-8",
            "2026-W477",
            "2026W47-7",
            "2026-w47-7",
            "2026-1122",
            "202611-22",
            "0000-01-01",
            "+002026-11-22",
            "2026-11-22T",
            "2026-11-22T1",
            "2026-11-22T13:",
            "2026-11-22T13:4",
            "2026-11-22T13:45:",
            "2026-11-22T25:00Z",
            "2026-11-22T24:01Z",
            "2026-11-22T24:00:00.1Z",
            "2026-11-22T13:60Z",
            "2026-11-22T13:45:61Z",
            "2026-11-22T13:45:60Z",
            "2026-11-22T23:59:60-08:00",
            "2026-11-22T1345Z",
            "20261122T13:45Z",
            "2026-11-22T13:4508Z",
            "2026-11-22  13:45Z",
            "2026-11-22T13:45:08.Z",
            "2026-11-22T13.5:00Z",
            "2026-11-22T13:45:08 PST",
            "2026-11-22T13:45:08UTC",
            "2026-11-22T13:45:08  Z",
            "2026-11-22T13:45:08+24:00",
            "2026-11-22T13:45:08+01:60",
            "2026-11-22T13:45:08+1",
            "2026-11-22T13:45:08+01:",
            "2026-11-22T13:45:08+010",
            "2026-11-22T13:45:08Zx",
            "2026-11-22T13:45:08Z[UTC]",
            "2026-11-22Z",
            "2026-11-22+01:00",
            "1763819108",
            "1763819108000",
            "２０２６-11-22",
            "2026-11-22T13:45:08.00000000000000000000000000000000000000000000000000Z",
        ] {
            assert_eq!(instant(text, Some(&TimeZone::UTC)), Err(TimeFault::NotATime), "{text}");
            assert!(!is_iso8601(text), "{text}");
        }
    }

    #[test]
    fn text_without_a_zone_needs_one() {
        let los_angeles = zone("america/los_angeles").expect("an IANA zone");
        for (text, expected) in [
            ("2026-11-22", "2026-11-22T08:00:00Z"),
            ("2026-11-22 13:45:08", "2026-11-22T21:45:08Z"),
            ("2026-03-08T02:30", "2026-03-08T10:30:00Z"), // skipped: read as 03:30 PDT
            ("2026-11-01T01:30", "2026-11-01T08:30:00Z"), // twice: the first, PDT
            ("2016-12-31T15:59:60", "2017-01-01T00:00:00Z"),
        ] {
            assert_eq!(instant(text, None), Err(TimeFault::NoZone), "{text}");
            assert_eq!(instant(text, Some(&los_angeles)), Ok(micros(expected)), "{text}");
            assert!(is_iso8601(text), "{text}");
        }
        assert_eq!(instant("2016-12-31T23:59:60", Some(&los_angeles)), Err(TimeFault::NotATime));
    }

    #[test]
    fn instants_stay_within_the_years_1_to_9999() {
        assert_eq!(instant("0001-01-01T00:00:00Z", None), Ok(EARLIEST));
        assert_eq!(instant("9999-12-31T23:59:59.999999Z", None), Ok(LATEST));
        for text in ["0001-01-01T00:00+00:01", "9999-12-31T24:00Z", "9999-12-31T23:59-00:01"] {
            assert_eq!(instant(text, None), Err(TimeFault::OutOfRange), "{text}");
        }
        let berlin = zone("Europe/Berlin").expect("an IANA zone");
        assert_eq!(instant("0001-01-01", Some(&berlin)), Err(TimeFault::OutOfRange));
        for naive in [i64::MIN, i64::MAX, EARLIEST - 1, LATEST + 1] {
            assert_eq!(local_instant(naive, &berlin), Err(TimeFault::OutOfRange));
        }
    }

    #[test]
    fn the_unit_of_an_epoch_shows_in_its_size() {
        for epoch in [1_763_819_108, 1_763_819_108_999, 1_763_819_108_999_999, 1_763_819_108_999_999_999] {
            assert_eq!(epoch_seconds(epoch), Ok(1_763_819_108));
        }
        for (epoch, expected) in [
            (100_000_000, 100_000_000),
            (99_999_999_999, 99_999_999_999),
            (100_000_000_000, 100_000_000),
            (i64::MAX, 9_223_372_036),
        ] {
            assert_eq!(epoch_seconds(epoch), Ok(expected));
        }
        for epoch in [i64::MIN, -1_763_819_108, 0, 20_261_122, 99_999_999] {
            assert_eq!(epoch_seconds(epoch), Err(TimeFault::OutOfRange), "{epoch}");
        }
    }

    #[test]
    fn zones_are_iana_names() {
        assert_eq!(zone("utc"), zone("UTC"));
        for name in ["", "Europe/Atlantis", "Etc/Unknown", "PST8PDT4", "../UTC"] {
            assert_eq!(zone(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn printed_timestamps_read_back(micros in EARLIEST..LATEST - DAY - DAY, name in "UTC|Asia/Kolkata|America/New_York|Pacific/Chatham|Europe/Dublin") {
            let timestamp = Timestamp::from_microsecond(micros).expect("within range");
            prop_assert_eq!(instant(&timestamp.to_string(), None), Ok(micros));
            let zone = zone(&name).expect("an IANA zone");
            let zoned = timestamp.to_zoned(zone.clone());
            let local = zoned.datetime();
            if zoned.offset().seconds() % 60 == 0 && local.year() > 0 {
                prop_assert_eq!(instant(&zoned.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string(), None), Ok(micros));
                prop_assert_eq!(instant(&zoned.strftime("%Y%jT%H%M%S%.f%z").to_string(), None), Ok(micros));
                prop_assert_eq!(instant(&zoned.strftime("%G-W%V-%u %H:%M:%S%.f %z").to_string(), None), Ok(micros));
            }
            if !zone.to_ambiguous_timestamp(local).is_ambiguous() && local.year() > 0 {
                prop_assert_eq!(instant(&local.to_string(), Some(&zone)), Ok(micros));
            }
        }

        #[test]
        fn any_text_has_an_answer(text in "\\PC{0,30}|[0-9TWZtz:.,+ \\-]{0,40}", epoch in any::<i64>()) {
            let _ = (instant(&text, None), instant(&text, Some(&TimeZone::UTC)), is_iso8601(&text), zone(&text), epoch_seconds(epoch));
        }
    }
}
