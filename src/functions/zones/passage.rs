//! A cast over the border between instants and times without a zone.

use std::sync::Arc;

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, TimestampMicrosecondArray};
use datafusion::arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Date32Type, Field, FieldRef, Int64Type, TimeUnit};
use datafusion::arrow::util::display::FormatOptions;
use datafusion::common::{DataFusionError, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::{Zone, plain};
use crate::contract::time::{self, TimeFault};
use crate::error::{Error, ErrorKind};

const STRICT: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };
const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
const SECONDS_PER_DAY: i64 = 86_400;

/// From what to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// A clock or a day to the instant at which clocks in the zone show it.
    ClockToInstant,
    /// Text to an instant: in its own zone, else in the zone.
    TextToInstant,
    /// Text to a clock: the one it shows; where it names an offset, the clock of the zone at that instant.
    TextToClock,
    /// Text to a day, in the same way.
    TextToDay,
    /// An instant to the day that it is in the zone.
    InstantToDay,
}

/// A cast over the border, in place of that of the engine.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Passage {
    way: Way,
    zone: Option<Zone>,
    target: DataType,
    is_strict: bool,
    signature: Signature,
}

/// Why a value has no way over the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no time.
    Unreadable(TimeFault),
    /// There is no zone to read it in.
    NoZone,
    /// Its clock comes twice, and this is the second time.
    SecondTime,
}

impl Fault {
    /// The fault in words that continue "a text …".
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Unreadable(TimeFault::OutOfRange) => "is out of the range of times",
            Self::Unreadable(_) => "is not a time",
            Self::NoZone => "needs a time zone, and postback.timezone is not set",
            Self::SecondTime => "names the later of two hours that the clocks of postback.timezone show alike",
        }
    }

    /// What to do about it.
    pub(crate) const fn help(self) -> &'static str {
        match self {
            Self::Unreadable(_) => "TRY_CAST gives NULL for values that do not convert",
            Self::NoZone => "SET postback.timezone = 'Area/City', or write iso8601(x, 'Area/City')",
            Self::SecondTime => "write iso8601(x) in place of the cast, which keeps the instant",
        }
    }

    fn into_error(self) -> DataFusionError {
        let error = Error::new(ErrorKind::Sql, format!("the query fails on a row: a value {}", self.words()));
        DataFusionError::External(Box::new(error.hint(self.help())))
    }
}

impl Passage {
    /// To the type `target`; where it is not strict, text that is no time is NULL.
    pub(crate) fn new(way: Way, zone: Option<Zone>, target: DataType, is_strict: bool) -> Self {
        Self { way, zone, target, is_strict, signature: Signature::any(1, Volatility::Immutable) }
    }

    /// From what to what.
    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// Whether text that is no time is an error.
    pub(crate) fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// The text of a constant in the type of the target.
    ///
    /// # Errors
    /// Why it has none.
    pub(crate) fn of_text(&self, text: &str) -> Result<Option<i64>, Fault> {
        let zone = self.zone.as_ref();
        let found = read(text).or_else(|fault| match self.way {
            // Days have forms that times do not have, such as 2026-1-5.
            Way::TextToDay => of_day(text).map(Reading::Clock).ok_or(fault),
            _ => Err(fault),
        });
        let found = found.and_then(|found| match (self.way, found) {
            (Way::TextToInstant, Reading::Instant(instant)) => Ok(instant),
            (Way::TextToInstant, Reading::Clock(clock)) => {
                time::local_instant(clock, zone.ok_or(Fault::NoZone)?.rules()).map_err(Fault::Unreadable)
            }
            (Way::TextToDay, Reading::Instant(instant)) => shown(instant, zone.ok_or(Fault::NoZone)?),
            (_, Reading::Clock(clock)) => Ok(clock),
            (_, Reading::Instant(instant)) => {
                let zone = zone.ok_or(Fault::NoZone)?;
                let clock = shown(instant, zone)?;
                let is_first = time::local_instant(clock, zone.rules()) == Ok(instant);
                if is_first { Ok(clock) } else { Err(Fault::SecondTime) }
            }
        });
        match found {
            Err(Fault::Unreadable(_)) if !self.is_strict => Ok(None),
            other => other.map(Some),
        }
    }

    /// The column in the type of the target.
    ///
    /// # Errors
    /// A value without a way over the border.
    pub(crate) fn evaluate(&self, column: &ArrayRef) -> Result<ArrayRef> {
        let column = &cast_with_options(column, plain(column.data_type()), &STRICT)?;
        let passed: ArrayRef = match self.way {
            Way::ClockToInstant => self.instants(column)?,
            Way::TextToInstant | Way::TextToClock | Way::TextToDay => self.texts(column)?,
            Way::InstantToDay => self.days(column)?,
        };
        Ok(cast_with_options(&passed, &self.target, &STRICT)?)
    }

    fn texts(&self, column: &ArrayRef) -> Result<ArrayRef> {
        let texts = cast_with_options(column, &DataType::Utf8View, &STRICT)?;
        let texts = texts.as_string_view().iter();
        let micros = texts.map(|text| text.map_or(Ok(None), |text| self.of_text(text)).map_err(Fault::into_error));
        let micros = micros.collect::<Result<Vec<_>>>()?;
        Ok(match self.way {
            Way::TextToDay => Arc::new(micros.into_iter().map(|clock| clock.and_then(day)).collect::<Date32Array>()),
            Way::TextToInstant => Arc::new(TimestampMicrosecondArray::from(micros).with_timezone(super::UTC)),
            _ => Arc::new(TimestampMicrosecondArray::from(micros)),
        })
    }

    /// Clocks moved to UTC, in their own unit.
    fn instants(&self, column: &ArrayRef) -> Result<ArrayRef> {
        let Some(zone) = &self.zone else { return internal_err!("a clock is read without a zone") };
        let unit = match column.data_type() {
            DataType::Timestamp(unit, _) => *unit,
            DataType::Date32 => TimeUnit::Second,
            _ => TimeUnit::Millisecond,
        };
        let per_second = per_second(unit);
        let clocks = match column.data_type() {
            DataType::Date32 => {
                let days = cast_with_options(column, &DataType::Int64, &STRICT)?;
                let seconds = |day: i64| day * SECONDS_PER_DAY;
                Arc::new(days.as_primitive::<Int64Type>().unary::<_, Int64Type>(seconds))
            }
            _ => cast_with_options(column, &DataType::Int64, &STRICT)?,
        };
        let moved = |clock: i64| -> Result<i64, Fault> {
            let out = Fault::Unreadable(TimeFault::OutOfRange);
            let micros = i64::try_from(i128::from(clock) * i128::from(MICROS_PER_SECOND) / i128::from(per_second));
            let micros = micros.map_err(|_| out)?;
            let ahead = micros - time::local_instant(micros, zone.rules()).map_err(Fault::Unreadable)?;
            clock.checked_sub(ahead / MICROS_PER_SECOND * per_second).ok_or(out)
        };
        let clocks = clocks.as_primitive::<Int64Type>().iter();
        let instants = clocks.map(|clock| clock.map(moved).transpose().map_err(Fault::into_error));
        let instants: ArrayRef = Arc::new(instants.collect::<Result<Int64Array>>()?);
        Ok(cast_with_options(&instants, &DataType::Timestamp(unit, Some(super::UTC.into())), &STRICT)?)
    }

    fn days(&self, column: &ArrayRef) -> Result<ArrayRef> {
        let Some(zone) = &self.zone else { return internal_err!("a day is asked without a zone") };
        let DataType::Timestamp(unit, _) = column.data_type() else { return internal_err!("a day of no instant") };
        let per_second = per_second(*unit);
        let instants = cast_with_options(column, &DataType::Int64, &STRICT)?;
        let of = |instant: i64| shown(instant.div_euclid(per_second) * MICROS_PER_SECOND, zone);
        let days = instants.as_primitive::<Int64Type>().iter();
        let days = days.map(|instant| Ok(instant.map(of).transpose().map_err(Fault::into_error)?.and_then(day)));
        Ok(Arc::new(days.collect::<Result<Date32Array>>()?))
    }
}

impl ScalarUDFImpl for Passage {
    fn name(&self) -> &'static str {
        match self.way {
            Way::ClockToInstant => "clock_to_instant",
            Way::TextToInstant => "text_to_instant",
            Way::TextToClock => "text_to_clock",
            Way::TextToDay => "text_to_day",
            Way::InstantToDay => "instant_to_day",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.target.clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let is_nullable = !self.is_strict || arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.target.clone(), is_nullable)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.as_slice() {
            [ColumnarValue::Scalar(value)] => {
                let passed = self.evaluate(&value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&passed, 0)?))
            }
            [ColumnarValue::Array(column)] => Ok(ColumnarValue::Array(self.evaluate(column)?)),
            _ => internal_err!("a passage takes one argument"),
        }
    }
}

/// What a text says.
enum Reading {
    Instant(i64),
    Clock(i64),
}

/// Every text that the engine takes for a time, too.
fn read(text: &str) -> Result<Reading, Fault> {
    match time::instant(text, None) {
        Ok(instant) => Ok(Reading::Instant(instant)),
        Err(TimeFault::NoZone) => time::naive(text).map(Reading::Clock).ok_or(Fault::Unreadable(TimeFault::NotATime)),
        Err(TimeFault::OutOfRange) => Err(Fault::Unreadable(TimeFault::OutOfRange)),
        Err(TimeFault::NotATime) => by_engine(text.trim()).ok_or(Fault::Unreadable(TimeFault::NotATime)),
    }
}

/// The forms that only the engine reads, such as a zone by its name: text has a zone if another default changes nothing.
fn by_engine(text: &str) -> Option<Reading> {
    let within = |zone: &str| {
        let zone: Tz = zone.parse().ok()?;
        string_to_datetime(&zone, text).ok().map(|time| time.timestamp_micros())
    };
    let (here, there) = (within("+00:00")?, within("+01:00")?);
    Some(if here == there { Reading::Instant(here) } else { Reading::Clock(here) })
}

/// The midnight of a day in a form that only the engine reads.
fn of_day(text: &str) -> Option<i64> {
    Date32Type::parse(text.trim()).map(|day| i64::from(day) * MICROS_PER_DAY)
}

/// The clock that the zone shows at an instant, in microseconds.
fn shown(instant: i64, zone: &Zone) -> Result<i64, Fault> {
    let ahead = time::offset(instant.div_euclid(MICROS_PER_SECOND), zone.rules());
    ahead.map(|ahead| instant + ahead * MICROS_PER_SECOND).ok_or(Fault::Unreadable(TimeFault::OutOfRange))
}

/// The day of a clock in microseconds.
fn day(clock: i64) -> Option<i32> {
    i32::try_from(clock.div_euclid(MICROS_PER_DAY)).ok()
}

/// How many of a unit are a second.
const fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => MICROS_PER_SECOND,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(way: Way, zone: &str, text: &str) -> Result<Option<i64>, Fault> {
        let zone = Zone::named(zone);
        Passage::new(way, zone, DataType::Timestamp(TimeUnit::Microsecond, None), true).of_text(text)
    }

    fn micros(text: &str) -> i64 {
        time::instant(text, None).unwrap()
    }

    #[test]
    fn text_keeps_its_instant_on_each_way() {
        let zone = "America/New_York";
        for (text, instant) in [
            ("2026-11-14T10:00:00-05:00", "2026-11-14T15:00:00Z"),
            ("2026-11-14 15:00:00 UTC", "2026-11-14T15:00:00Z"),
            ("2026-11-14 10:00:00", "2026-11-14T15:00:00Z"),
            ("2026-11-14 10:00:00 America/New_York", "2026-11-14T15:00:00Z"),
            ("2026-11-14 16:00:00 Europe/Berlin", "2026-11-14T15:00:00Z"),
            ("2026-11-14T20:30:00.5+05:30", "2026-11-14T15:00:00.5Z"),
            ("2026-11-01 01:30:00", "2026-11-01T05:30:00Z"),
            ("2026-03-08 02:30:00", "2026-03-08T07:30:00Z"),
        ] {
            assert_eq!(passed(Way::TextToInstant, zone, text), Ok(Some(micros(instant))), "{text}");
            let clock = passed(Way::TextToClock, zone, text).unwrap().unwrap();
            let rules = time::zone(zone).unwrap();
            assert_eq!(time::local_instant(clock, &rules), Ok(micros(instant)), "{text}");
        }
    }

    #[test]
    fn the_second_of_two_like_hours_has_no_clock_of_its_own() {
        let zone = "America/New_York";
        assert_eq!(passed(Way::TextToClock, zone, "2026-11-01T01:30:00-05:00"), Err(Fault::SecondTime));
        assert!(passed(Way::TextToClock, zone, "2026-11-01T01:30:00-04:00").is_ok());
        assert!(passed(Way::TextToInstant, zone, "2026-11-01T01:30:00-05:00").is_ok());
    }

    #[test]
    fn without_a_zone_only_text_with_one_is_an_instant() {
        assert_eq!(passed(Way::TextToInstant, "", "2026-11-14T10:00:00"), Err(Fault::NoZone));
        assert_eq!(passed(Way::TextToClock, "", "2026-11-14T10:00:00Z"), Err(Fault::NoZone));
        assert_eq!(passed(Way::TextToDay, "", "2026-11-14T10:00:00Z"), Err(Fault::NoZone));
        assert!(passed(Way::TextToInstant, "", "2026-11-14T10:00:00Z").is_ok());
        assert!(passed(Way::TextToClock, "", "2026-11-14T10:00:00").is_ok());
        assert_eq!(passed(Way::TextToDay, "", "2026-1-5"), Ok(Some(micros("2026-01-05T00:00:00Z"))));
        assert!(passed(Way::TextToDay, "", "n/a").is_err());
    }
}
