//! The type of a column, by what its values look like, corrected where a type would damage an identity or move a time.
//!
//! A type is taken only if every value is one of it, as the reader casts them: what begins like a time and goes on with
//! `PM` or `EDT` is text.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::datatypes::{DataType, TimeUnit};

use super::fields::is_no_value;
use crate::sources::meaning::{identifies, is_amount};
use crate::sources::typed;

/// Decimal digits behind the point up to which numbers are taken for amounts, and not for measurements.
const CENTS: usize = 4;
/// What amounts are read as: digits behind the point to spare, so that none is ever rounded.
const EXACT: DataType = DataType::Decimal128(28, 6);

/// What a value looks like; what several look like is the union.
mod looks {
    pub(super) const BOOLEAN: u8 = 1;
    pub(super) const WHOLE: u8 = 2;
    pub(super) const FRACTION: u8 = 4;
    pub(super) const DATE: u8 = 8;
    pub(super) const TIME: u8 = 16;
    pub(super) const TEXT: u8 = 32;
    /// A number or a code.
    pub(super) const CODE: u8 = 64;
}

/// The type of the column `name` with `values`; none if there is no value.
///
/// A column is text when its name says that it identifies something, when a value has a leading zero or plus, or when its
/// values are codes such as `12345e67`. A timestamp column whose values carry an offset becomes UTC; where only some do, it stays text. Numbers with cents are
/// exact decimals.
pub(super) fn infer<'a>(name: &str, values: impl Iterator<Item = &'a str> + Clone) -> Option<DataType> {
    use looks::{BOOLEAN, CODE, DATE, FRACTION, TIME, WHOLE};
    let values = said(values);
    let mut all = 0;
    for value in values.clone() {
        all |= look(value);
        if all & looks::TEXT != 0 {
            return Some(DataType::Utf8);
        }
    }
    let inferred = match all {
        0 => return None,
        BOOLEAN => DataType::Boolean,
        WHOLE => DataType::Int64,
        // Digits around an `e` are a number only beside other numbers with a point or a sign.
        _ if all & FRACTION != 0 && all & !(WHOLE | FRACTION | CODE) == 0 => DataType::Float64,
        DATE => DataType::Date32,
        _ if all & !(DATE | TIME) == 0 => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => DataType::Utf8,
    };
    let corrected = corrected(name, &inferred, values.clone());
    Some(if holds(&corrected, values) { corrected } else { DataType::Utf8 })
}

/// Whether each of the `values` is one of `data_type`, words for no value aside.
pub(super) fn holds<'a>(data_type: &DataType, values: impl Iterator<Item = &'a str> + Clone) -> bool {
    if *data_type == DataType::Utf8 {
        return true;
    }
    let values: StringArray = said(values).map(Some).collect();
    typed::cast(&(Arc::new(values) as ArrayRef), data_type).is_ok_and(|cast| cast.misfits.is_empty())
}

/// Of `values` those that say something, without the blanks around them, as the reader gives them to a column that is not
/// text.
fn said<'a, V: Iterator<Item = &'a str> + Clone>(values: V) -> impl Iterator<Item = &'a str> + Clone + use<'a, V> {
    values.map(str::trim).filter(|value| !value.is_empty() && !is_no_value(value))
}

/// The type that holds the values of both.
pub(super) fn widened(left: &DataType, right: &DataType) -> DataType {
    match (left, right) {
        (left, right) if left == right => left.clone(),
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
        (DataType::Int64, exact) | (exact, DataType::Int64) if *exact == EXACT => EXACT,
        _ => DataType::Utf8,
    }
}

/// What `value` looks like.
fn look(value: &str) -> u8 {
    let bytes = value.as_bytes();
    let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") {
        looks::BOOLEAN
    } else if !unsigned.is_empty() && digits(unsigned) {
        if value.parse::<i64>().is_ok() { looks::WHOLE } else { looks::TEXT }
    } else if is_code(value) {
        looks::CODE
    } else if is_fraction(value) {
        looks::FRACTION
    } else if is_date(bytes) {
        looks::DATE
    } else if is_time(bytes) {
        looks::TIME
    } else {
        looks::TEXT
    }
}

/// Whether it is written like `12345e67`: digits, one `e`, digits. Numbers have a point or a sign beside their `e` in most
/// exports, as in `1.5e3`, `1e-05` and `1E+5`; codes have none.
fn is_code(value: &str) -> bool {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    value.split_once(['e', 'E']).is_some_and(|(before, behind)| is_digits(before) && is_digits(behind))
}

/// Whether a number is written with a point or an exponent.
fn is_fraction(value: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(behind)
        && !(whole.is_empty() && behind.is_empty())
        && exponent.map_or(mantissa.contains('.'), |exponent| !exponent.is_empty() && digits(exponent))
}

/// Whether it is written like `2025-12-31`.
fn is_date(value: &[u8]) -> bool {
    value.len() == 10
        && value.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// Whether it begins like `2025-12-31T10:00:00`, and goes on with a fraction, an offset or the name of a zone.
fn is_time(value: &[u8]) -> bool {
    let Some((date, clock)) = value.split_at_checked(10) else { return false };
    let Some((clock, rest)) = clock.split_at_checked(9) else { return false };
    let is_clock = clock.iter().enumerate().all(|(at, byte)| match at {
        0 => matches!(byte, b'T' | b' '),
        3 | 6 => *byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let is_end = match rest {
        [b'.', fraction @ ..] => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (1..=9).contains(&digits)
        }
        [byte, ..] => !byte.is_ascii_digit(),
        [] => true,
    };
    is_date(date) && is_clock && is_end
}

/// The `inferred` type, or one that keeps all that `values` say.
fn corrected<'a>(name: &str, inferred: &DataType, values: impl Iterator<Item = &'a str>) -> DataType {
    match inferred {
        DataType::Int64 | DataType::Float64 if identifies(name) => DataType::Utf8,
        // Sums of money stay exact, and an amount may have cents below the sample.
        DataType::Int64 if is_amount(name) => corrected(name, &DataType::Float64, values),
        DataType::Int64 | DataType::Float64 => {
            let values: Vec<&str> = values.collect();
            let keep = |data_type: &DataType| values.iter().all(|value| typed::keeps(value, data_type));
            let has_cents = |value: &&str| value.split_once('.').is_none_or(|(_, cents)| cents.len() <= CENTS);
            match inferred {
                DataType::Float64 if values.iter().all(has_cents) && keep(&EXACT) => EXACT,
                _ if keep(inferred) => inferred.clone(),
                _ => DataType::Utf8,
            }
        }
        DataType::Timestamp(..) => {
            let (mut zoned, mut zoneless) = (false, false);
            for value in values.filter(|value| !value.is_empty()) {
                *(if typed::has_zone(value) { &mut zoned } else { &mut zoneless }) = true;
            }
            match (zoned, zoneless) {
                (true, true) => DataType::Utf8,
                (true, false) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                // Microseconds hold every year that exports use as "never".
                _ => DataType::Timestamp(TimeUnit::Microsecond, None),
            }
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_look_like_what_they_are() {
        for (value, expected) in [
            ("True", looks::BOOLEAN),
            ("-12", looks::WHOLE),
            ("9223372036854775808", looks::TEXT),
            ("1.5", looks::FRACTION),
            ("-.5", looks::FRACTION),
            ("5.", looks::FRACTION),
            ("1e3", looks::CODE),
            ("12345e67", looks::CODE),
            ("12E45", looks::CODE),
            ("00e1", looks::CODE),
            ("1e-05", looks::FRACTION),
            ("1E+5", looks::FRACTION),
            ("1.5e3", looks::FRACTION),
            ("-12e3", looks::FRACTION),
            ("1e2e3", looks::TEXT),
            ("e3", looks::TEXT),
            ("1e", looks::TEXT),
            (".", looks::TEXT),
            ("-", looks::TEXT),
            ("1,5", looks::TEXT),
            ("2025-12-31", looks::DATE),
            ("31.12.2025", looks::TEXT),
            ("2025-12-31 10:00:00", looks::TIME),
            ("2025-12-31T10:00:00.123Z", looks::TIME),
            ("2025-12-31T10:00:00.1234567890", looks::TEXT),
            ("2025-12-31T10:00:00+01:00", looks::TIME),
            ("2025-12-31T10:00", looks::TEXT),
            ("ümläute-äöü-ß", looks::TEXT),
        ] {
            assert_eq!(look(value), expected, "{value}");
        }
        assert_eq!(infer("a", ["1", "NULL", "2"].into_iter()), Some(DataType::Int64));
        assert_eq!(infer("a", ["n/a", "NaN"].into_iter()), None);
        assert_eq!(infer("a", ["2025-12-31", "true"].into_iter()), Some(DataType::Utf8));
    }

    #[test]
    fn a_type_is_taken_only_if_every_value_is_one_of_it() {
        let naive = DataType::Timestamp(TimeUnit::Microsecond, None);
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (values, expected) in [
            (&["2026-11-14 05:11:12", "2026-11-14T05:11:12.5"][..], naive.clone()),
            (&["2026-11-14", "2026-11-14 05:11:12"], naive),
            (&["2026-11-14 05:11:12Z", " 2026-11-14T05:11:12+02:00"], utc.clone()),
            (&["2026-11-14 05:11:12 UTC", "2026-11-14T05:11:12-0500"], utc),
            (&["2026-11-14 05:11:12 PM"], DataType::Utf8),
            (&["2026-11-14 05:11:12 EDT"], DataType::Utf8),
            (&["2026-11-14 05:11:12 EST"], DataType::Utf8),
            (&["2026-07-14 05:11:12 CET"], DataType::Utf8),
            (&["2026-11-14 05:11:12 Uhr"], DataType::Utf8),
            (&["2026-11-14 05:11:12,5"], DataType::Utf8),
            (&["2026-11-14 25:11:12"], DataType::Utf8),
            (&["2026-11-14 05:61:12", "2026-11-14 05:11:12"], DataType::Utf8),
            (&["2026-02-30"], DataType::Utf8),
            (&["2026-13-01", "2026-12-01"], DataType::Utf8),
            (&["2026-02-30 10:00:00"], DataType::Utf8),
            (&["2026-11-14 05:11:12", "2026-11-14 05:11:12 PM"], DataType::Utf8),
            (&["2026-11-14T05:11:12+99:00"], DataType::Utf8),
            (&["1e400", "1.5"], DataType::Utf8),
            (&["1e-400"], DataType::Utf8),
            (&["1.5", "12345678901234567.8901"], EXACT),
            (&["1e3", "12345678901234567.8901"], DataType::Utf8),
            (&["12345e67", "99999e99"], DataType::Utf8),
            (&["12345e67", "99999"], DataType::Utf8),
            (&["5e3"], DataType::Utf8),
            (&["12E45", "NULL"], DataType::Utf8),
            (&["12e4", "true"], DataType::Utf8),
            (&["12e4", "2026-11-14"], DataType::Utf8),
            (&["0.5", "1e20"], DataType::Float64),
            (&["1e-05", "7"], DataType::Float64),
            (&["1E+5"], DataType::Float64),
            (&["1.5e3", "2"], DataType::Float64),
            (&[" 5", "NULL", "6 "], DataType::Int64),
            (&["true", "FALSE "], DataType::Boolean),
        ] {
            assert_eq!(infer("a", values.iter().copied()), Some(expected), "{values:?}");
        }
        assert_eq!(infer("a", ["  ", " n/a"].into_iter()), None);
    }

    #[test]
    fn a_leading_zero_or_plus_makes_a_column_text() {
        let corrected = |values: &[&str]| corrected("a", &DataType::Int64, values.iter().copied());
        assert_eq!(corrected(&["1", "007"]), DataType::Utf8);
        assert_eq!(corrected(&["0", "10", "-5"]), DataType::Int64);
    }

    #[test]
    fn amounts_are_exact_and_measurements_are_floats() {
        let corrected = |value| super::corrected("a", &DataType::Float64, ["0.5", value].into_iter());
        for exact in ["19.99", "-0.5", "12345678901234567.89", "7"] {
            assert_eq!(corrected(exact), EXACT, "{exact}");
        }
        for float in ["52.520008", "1e3"] {
            assert_eq!(corrected(float), DataType::Float64, "{float}");
        }
        assert_eq!(corrected("123456789.12345678901"), DataType::Utf8);
        assert_eq!(super::corrected("unit_price", &DataType::Int64, ["5"].into_iter()), EXACT);
        assert_eq!(super::corrected("number_of_items", &DataType::Int64, ["5"].into_iter()), DataType::Int64);
    }

    #[test]
    fn offsets_decide_whether_a_timestamp_is_utc() {
        let naive = DataType::Timestamp(TimeUnit::Microsecond, None);
        let inferred = DataType::Timestamp(TimeUnit::Second, None);
        let corrected = |values: &[&str]| corrected("a", &inferred, values.iter().copied());
        assert_eq!(corrected(&["2025-01-01 10:00:00"]), naive);
        assert_eq!(
            corrected(&["2025-01-01T10:00:00Z", "2025-01-01T10:00:00+02:00"]),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        );
        assert_eq!(corrected(&["2025-01-01T10:00:00Z", "2025-01-01T10:00:00"]), DataType::Utf8);
    }
}
