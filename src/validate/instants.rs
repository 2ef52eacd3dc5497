//! `event_time`: every way to write an instant becomes whole Unix seconds, and is held against the clock.

use datafusion::arrow::array::builder::Int64Builder;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, PrimitiveArray};
use datafusion::arrow::datatypes::{
    ArrowTimestampType, DataType, Date32Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};

use super::cells::{self, Scope};
use super::faults::Faults;
use super::number::Numbers;
use super::rows::Policy;
use crate::contract::EventSource;
use crate::contract::time::{self, TimeFault, TimeZone};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Digits from which a text of digits is a Unix time and no ISO 8601 date.
const EPOCH_DIGITS: usize = 9;

/// The Unix seconds of a time column; NULL where the row is refused.
pub(super) fn column(column: &ArrayRef, policy: &Policy, scope: &Scope<'_>, faults: &mut Faults) -> Option<Int64Array> {
    let reader = Reader::of(column)?;
    let mut builder = Int64Builder::with_capacity(column.len());
    let mut scratch = String::new();
    for row in 0..column.len() {
        let (fault, text) = match reader.read(row, policy.zone.as_ref(), &mut scratch) {
            Ok(Some(seconds)) => {
                builder.append_value(seconds);
                hold_against_clock(seconds, row, policy, scope, faults);
                continue;
            }
            Ok(None) => (None, None),
            Err(fault) => (Some(fault), reader.text(row)),
        };
        builder.append_null();
        let (code, detail) = match fault {
            None => ("PB3023", "is missing"),
            Some(TimeFault::NotATime) => ("PB3023", "is not a time"),
            Some(TimeFault::NoZone) => ("PB3106", "has no time zone, and no zone is set"),
            Some(TimeFault::OutOfRange) => ("PB3024", "is out of the range of times"),
        };
        faults.refuse(row, Some(scope.column), code, detail, text);
    }
    Some(builder.finish())
}

/// Whether text is a time, where no zone is set: ISO 8601, or the digits of a Unix time.
pub(super) fn of_text(text: &str) -> Result<(), TimeFault> {
    let text = text.trim();
    if text.len() >= EPOCH_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    time::instant(text, None).map(|_| ())
}

fn hold_against_clock(seconds: i64, row: usize, policy: &Policy, scope: &Scope<'_>, faults: &mut Faults) {
    if seconds > policy.now.saturating_add(policy.future_tolerance) {
        faults.refuse(row, Some(scope.column), "PB3025", "lies in the future", None);
    } else if seconds < policy.now.saturating_sub(policy.max_event_age) {
        match scope.sources[row] {
            Some(EventSource::Offline) => faults.out_of_window(row),
            Some(_) => faults.warn(row, Some(scope.column), "PB3027", "is older than the window", None),
            None => {}
        }
    }
}

/// A column of times of any type the query can return.
enum Reader<'a> {
    Texts(&'a datafusion::arrow::array::StringViewArray),
    Epochs(Numbers<'a>),
    Dates(&'a PrimitiveArray<Date32Type>),
    Seconds(&'a PrimitiveArray<TimestampSecondType>),
    Millis(&'a PrimitiveArray<TimestampMillisecondType>),
    Micros(&'a PrimitiveArray<TimestampMicrosecondType>),
    Nanos(&'a PrimitiveArray<TimestampNanosecondType>),
}

impl<'a> Reader<'a> {
    fn of(column: &'a ArrayRef) -> Option<Self> {
        Some(match column.data_type() {
            DataType::Utf8View => Self::Texts(column.as_string_view()),
            DataType::Date32 => Self::Dates(column.as_primitive()),
            DataType::Timestamp(TimeUnit::Second, _) => Self::Seconds(column.as_primitive()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => Self::Millis(column.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::Micros(column.as_primitive()),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Self::Nanos(column.as_primitive()),
            _ => Self::Epochs(Numbers::of(column)?),
        })
    }

    /// The text of a cell, for its shape.
    fn text(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Texts(texts) => cells::text(texts, row),
            _ => None,
        }
    }

    /// Unix seconds of a row; none for NULL and blank text.
    fn read(&self, row: usize, zone: Option<&TimeZone>, scratch: &mut String) -> Result<Option<i64>, TimeFault> {
        match self {
            Self::Texts(texts) => {
                let Some(text) = cells::text(texts, row) else { return Ok(None) };
                let text = text.trim();
                if text.len() >= EPOCH_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) {
                    return text.parse().map_err(|_| TimeFault::OutOfRange).and_then(time::epoch_seconds).map(Some);
                }
                time::instant(text, zone).map(seconds).map(Some)
            }
            Self::Epochs(numbers) => {
                if !numbers.read(row, scratch).map_err(|_| TimeFault::NotATime)? {
                    return Ok(None);
                }
                // A fraction of a second is dropped, as in every other form.
                let whole = scratch.split('.').next().unwrap_or_default();
                whole.parse().map_err(|_| TimeFault::OutOfRange).and_then(time::epoch_seconds).map(Some)
            }
            Self::Dates(dates) if dates.is_valid(row) => {
                local(i64::from(dates.value(row)).checked_mul(MICROS_PER_DAY), zone)
            }
            Self::Seconds(times) => timestamp(times, row, zone, |value| value.checked_mul(MICROS_PER_SECOND)),
            Self::Millis(times) => timestamp(times, row, zone, |value| value.checked_mul(1_000)),
            Self::Micros(times) => timestamp(times, row, zone, Some),
            Self::Nanos(times) => timestamp(times, row, zone, |value| Some(value.div_euclid(1_000))),
            Self::Dates(_) => Ok(None),
        }
    }
}

fn timestamp<T: ArrowTimestampType>(
    times: &PrimitiveArray<T>,
    row: usize,
    zone: Option<&TimeZone>,
    micros: impl Fn(i64) -> Option<i64>,
) -> Result<Option<i64>, TimeFault> {
    if times.is_null(row) {
        return Ok(None);
    }
    let value = micros(times.value(row));
    match times.timezone() {
        Some(_) => value.map(seconds).map(Some).ok_or(TimeFault::OutOfRange),
        None => local(value, zone),
    }
}

fn local(micros: Option<i64>, zone: Option<&TimeZone>) -> Result<Option<i64>, TimeFault> {
    let zone = zone.ok_or(TimeFault::NoZone)?;
    time::local_instant(micros.ok_or(TimeFault::OutOfRange)?, zone).map(seconds).map(Some)
}

fn seconds(micros: i64) -> i64 {
    micros.div_euclid(MICROS_PER_SECOND)
}
