//! `to_timestamp` and its siblings: a number is an instant, text is read as a cast reads it.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type, Int64Type, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, exec_err, internal_err, plan_err};
use datafusion::error::Result;
use datafusion::functions::datetime::to_timestamp::ToTimestampFunc;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::{Passage, UTC, Way, Zone, formats, plain};

/// A function that makes a time of a number, which counts from 1970-01-01T00:00:00Z, or of text.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Epoch {
    name: &'static str,
    zone: Option<Zone>,
    signature: Signature,
}

impl Epoch {
    /// What the engine calls them.
    pub(crate) const NAMES: &'static [&'static str] = &[
        "to_timestamp",
        "to_timestamp_seconds",
        "to_timestamp_millis",
        "to_timestamp_micros",
        "to_timestamp_nanos",
        "from_unixtime",
    ];

    pub(super) fn new(name: &'static str, zone: Option<Zone>) -> Self {
        Self { name, zone, signature: Signature::variadic_any(Volatility::Immutable) }
    }

    /// How many of what it counts are a second.
    fn per_second(&self) -> i64 {
        match self.name {
            "to_timestamp_millis" => 1_000,
            "to_timestamp_micros" => 1_000_000,
            "to_timestamp_nanos" => 1_000_000_000,
            _ => 1,
        }
    }

    /// The type of the result; `formats` are the constants behind the first argument.
    fn result(&self, given: &DataType, formats: &[Option<&str>]) -> Result<DataType> {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
        let clock = DataType::Timestamp(TimeUnit::Microsecond, None);
        Ok(match plain(given) {
            number if number.is_numeric() || number.is_null() => match formats {
                [] => instant,
                [Some(name)] if self.name == "from_unixtime" => {
                    let Some(zone) = Zone::named(name) else { return plan_err!("unknown time zone `{name}`") };
                    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(zone.name())))
                }
                _ => return plan_err!("{} takes a number alone", self.name),
            },
            _ if self.name == "from_unixtime" => return plan_err!("from_unixtime takes a number of seconds"),
            time @ DataType::Timestamp(..) if formats.is_empty() => time.clone(),
            DataType::Date32 | DataType::Date64 if formats.is_empty() => clock,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let Some(formats) = formats.iter().copied().collect::<Option<Vec<_>>>() else {
                    return plan_err!("{} takes formats in quotes: a zone may stand in others", self.name);
                };
                let zoned = formats.iter().filter(|format| formats::names_offset(format)).count();
                match zoned {
                    0 => clock,
                    all if all == formats.len() => instant,
                    _ => return plan_err!("the formats of {} either all have an offset or none", self.name),
                }
            }
            other => return plan_err!("{} takes a number or text, not {other}", self.name),
        })
    }

    fn evaluate(&self, column: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
        match plain(column.data_type()) {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Passage::new(Way::TextToClock, self.zone.clone(), target.clone(), true).evaluate(column)
            }
            number if number.is_numeric() => {
                let micros: ArrayRef = Arc::new(self.micros(&cast(column, number)?)?.with_timezone(UTC));
                Ok(cast(&micros, target)?)
            }
            _ => Ok(cast(column, target)?),
        }
    }

    /// The instants that numbers are; finer fractions than a microsecond are cut off.
    fn micros(&self, numbers: &ArrayRef) -> Result<TimestampMicrosecondArray> {
        let per_second = i128::from(self.per_second());
        let of = |millionths: i128| -> Result<i64> {
            i64::try_from(millionths.div_euclid(per_second)).map_err(|_| {
                DataFusionError::Execution(format!("a number is out of the range of times in {}", self.name))
            })
        };
        let collected: Result<Vec<Option<i64>>> = match numbers.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                let numbers = cast(numbers, &DataType::Float64)?;
                let of = |number: f64| {
                    let millionths = (number * 1e6).round();
                    if millionths.abs() >= 1e30 || millionths.is_nan() {
                        return exec_err!("a number is out of the range of times in {}", self.name);
                    }
                    #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 10^30")]
                    of(millionths as i128)
                };
                numbers.as_primitive::<Float64Type>().iter().map(|number| number.map(of).transpose()).collect()
            }
            whole if whole.is_integer() => {
                let numbers = cast(numbers, &DataType::Int64)?;
                let of = |number: i64| of(i128::from(number) * 1_000_000);
                numbers.as_primitive::<Int64Type>().iter().map(|number| number.map(of).transpose()).collect()
            }
            _ => {
                let numbers = cast(numbers, &DataType::Decimal128(38, 6))?;
                numbers.as_primitive::<Decimal128Type>().iter().map(|number| number.map(of).transpose()).collect()
            }
        };
        Ok(TimestampMicrosecondArray::from(collected?))
    }
}

impl ScalarUDFImpl for Epoch {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type follows from the formats")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let Some((given, _)) = arguments.arg_fields.split_first() else {
            return plan_err!("{} takes a number or text", self.name);
        };
        let formats = arguments.scalar_arguments.iter().skip(1);
        let formats: Vec<Option<&str>> = formats.map(|format| format.and_then(|f| f.try_as_str().flatten())).collect();
        Ok(Arc::new(Field::new(self.name, self.result(given.data_type(), &formats)?, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let target = arguments.return_type().clone();
        let is_text = arguments.args.first().is_some_and(|first| {
            matches!(plain(&first.data_type()), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        });
        if is_text && arguments.args.len() > 1 {
            let rows = arguments.number_rows;
            // Without a zone of its own it counts from UTC what has an offset, and leaves all else as it is.
            let inner = ToTimestampFunc::new_with_config(&ConfigOptions::default());
            let read = inner.invoke_with_args(arguments)?.into_array(rows)?;
            let zone = match &target {
                DataType::Timestamp(_, zone) => zone.clone(),
                _ => None,
            };
            let raw = cast(&read, &DataType::Int64)?;
            let read = cast(&raw, &DataType::Timestamp(TimeUnit::Nanosecond, zone))?;
            return Ok(ColumnarValue::Array(cast(&read, &target)?));
        }
        match arguments.args.first() {
            Some(ColumnarValue::Scalar(value)) => {
                let result = self.evaluate(&value.to_array()?, &target)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?))
            }
            Some(ColumnarValue::Array(column)) => Ok(ColumnarValue::Array(self.evaluate(column, &target)?)),
            None => internal_err!("{} was invoked without arguments", self.name),
        }
    }
}
