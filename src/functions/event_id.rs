//! `event_id`: a de-duplication id made of whatever identifies an event.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray, StringViewBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use jiff::Timestamp;
use jiff::tz::Offset;

use super::SECTION;
use crate::contract::normalize;

const NAME: &str = "event_id";

/// `event_id(a, b, …)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct EventId {
    signature: Signature,
    documentation: Documentation,
}

impl EventId {
    pub(super) fn new() -> Self {
        let documentation = Documentation::builder(
            SECTION,
            "De-duplication id of an event: 32 lower-case hex digits that depend on every part and its place, and on \
                nothing else; NULL if a part is NULL. Whole numbers count as their digits, so that `4711` and `'4711'` are \
                the same part; booleans as `true` and `false`; dates as `2026-11-22`; timestamps as ISO 8601 without \
                trailing zeros, in UTC (`2026-11-22T13:45:00Z`), or without the `Z` if they have no time zone.",
            "event_id(part[, ..., part_n])",
        )
        .with_sql_example("```sql\n> select event_id('offline', 'Purchase', 4711);\na3071916e9af6abd17f56f74dbea5f3d\n```")
        .with_argument("part", "Text, a whole number, a decimal of scale 0, a boolean, a date or a timestamp.")
        .build();
        Self { signature: Signature::variadic_any(Volatility::Immutable), documentation }
    }
}

impl ScalarUDFImpl for EventId {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        if let Some(refused) = arguments.iter().find(|argument| !is_part(argument)) {
            return plan_err!(
                "{NAME} takes text, whole numbers, booleans, dates and timestamps, not {refused}: cast it with \
                    CAST(… AS VARCHAR) or to a decimal of scale 0"
            );
        }
        Ok(DataType::Utf8View)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { arguments.number_rows };
        let parts =
            arguments.args.iter().map(|argument| spelled(&argument.to_array(rows)?)).collect::<Result<Vec<_>>>()?;
        let mut ids = StringViewBuilder::with_capacity(rows);
        for row in 0..rows {
            let complete = parts.iter().all(|part| part.is_valid(row));
            ids.append_option(complete.then(|| normalize::event_id(parts.iter().map(|part| part.value(row)))));
        }
        let ids: ArrayRef = Arc::new(ids.finish());
        Ok(if constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&ids, 0)?)
        } else {
            ColumnarValue::Array(ids)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn is_part(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_part(values),
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => *scale == 0,
        DataType::Null
        | DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Date32
        | DataType::Date64
        | DataType::Timestamp(..) => true,
        data_type => data_type.is_integer(),
    }
}

/// The parts of a column as text.
fn spelled(column: &ArrayRef) -> Result<StringViewArray> {
    let column = match column.data_type() {
        DataType::Dictionary(_, values) => cast(column, values)?,
        DataType::Date64 => cast(column, &DataType::Date32)?,
        _ => Arc::clone(column),
    };
    if let DataType::Timestamp(unit, zone) = column.data_type() {
        return Ok(spelled_timestamps(&column, *unit, zone.is_some()));
    }
    Ok(cast(&column, &DataType::Utf8View)?.as_string_view().clone())
}

/// The same instant in another unit has the same text; one that no calendar shows is NULL.
fn spelled_timestamps(column: &ArrayRef, unit: TimeUnit, zoned: bool) -> StringViewArray {
    let spell = |timestamp: Option<Timestamp>| {
        timestamp
            .map(|timestamp| if zoned { timestamp.to_string() } else { Offset::UTC.to_datetime(timestamp).to_string() })
    };
    match unit {
        TimeUnit::Second => column
            .as_primitive::<TimestampSecondType>()
            .iter()
            .map(|value| spell(Timestamp::from_second(value?).ok()))
            .collect(),
        TimeUnit::Millisecond => column
            .as_primitive::<TimestampMillisecondType>()
            .iter()
            .map(|value| spell(Timestamp::from_millisecond(value?).ok()))
            .collect(),
        TimeUnit::Microsecond => column
            .as_primitive::<TimestampMicrosecondType>()
            .iter()
            .map(|value| spell(Timestamp::from_microsecond(value?).ok()))
            .collect(),
        TimeUnit::Nanosecond => column
            .as_primitive::<TimestampNanosecondType>()
            .iter()
            .map(|value| spell(Timestamp::from_nanosecond(i128::from(value?)).ok()))
            .collect(),
    }
}
