//! `x AT TIME ZONE 'Area/City'`: an instant on the clocks of a zone that the query names.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{internal_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::{Passage, Way, Zone, is_unnamed, plain};

/// A time on the clocks of a zone: a clock without a zone is read there, an instant stays the instant that it is.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct AtTimeZone {
    /// `postback.timezone`, for nothing but to be another function where it is another.
    zone: Option<Zone>,
    signature: Signature,
}

impl AtTimeZone {
    /// What the parsed SQL calls in its place.
    pub(crate) const NAME: &'static str = "__postback_at_time_zone";

    pub(super) fn new(zone: Option<Zone>) -> Self {
        Self { zone, signature: Signature::any(2, Volatility::Immutable) }
    }

    /// The zone that a call names.
    pub(crate) fn zone_of(arguments: &[Expr]) -> Option<Zone> {
        let [_, Expr::Literal(name, _)] = arguments else { return None };
        Zone::named(name.try_as_str().flatten()?)
    }

    /// The type of `given` in the zone.
    pub(crate) fn result(given: &DataType, zone: &Zone) -> Option<DataType> {
        // The query has named it, which its type tells.
        let name = if is_unnamed(zone.name()) { "Etc/UTC".into() } else { Arc::clone(zone.name()) };
        let unit = match plain(given) {
            DataType::Timestamp(unit, _) => *unit,
            DataType::Date32
            | DataType::Date64
            | DataType::Null
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View => TimeUnit::Microsecond,
            _ => return None,
        };
        Some(DataType::Timestamp(unit, Some(name)))
    }

    fn evaluate(column: &ArrayRef, zone: Zone, target: DataType) -> Result<ArrayRef> {
        let way = match plain(column.data_type()) {
            DataType::Timestamp(_, Some(_)) | DataType::Null => return Ok(cast(column, &target)?),
            DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64 => Way::ClockToInstant,
            _ => Way::TextToInstant,
        };
        Passage::new(way, Some(zone), target, true).evaluate(column)
    }
}

impl ScalarUDFImpl for AtTimeZone {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let [time, _] = arguments else { return internal_err!("AT TIME ZONE has two sides") };
        Ok(time.schema_name().to_string())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type follows from the zone")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(Some(name)) = arguments.scalar_arguments.get(1) else {
            return plan_err!("AT TIME ZONE takes the name of a zone in quotes, such as 'Europe/Berlin'");
        };
        let name = name.try_as_str().flatten().unwrap_or_default();
        let Some(zone) = Zone::named(name) else {
            return plan_err!("unknown time zone `{name}`: expected an IANA name such as 'Europe/Berlin'");
        };
        let given = arguments.arg_fields[0].data_type();
        let Some(result) = Self::result(given, &zone) else {
            return plan_err!("AT TIME ZONE takes a time, not {given}: write to_timestamp(x) for Unix seconds");
        };
        Ok(Arc::new(Field::new(self.name(), result, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let target = arguments.return_type().clone();
        let [time, ColumnarValue::Scalar(name)] = arguments.args.as_slice() else {
            return internal_err!("the zone is a constant");
        };
        let Some(zone) = name.try_as_str().flatten().and_then(Zone::named) else {
            return internal_err!("the zone is known");
        };
        Ok(match time {
            ColumnarValue::Scalar(value) => {
                let result = Self::evaluate(&value.to_array()?, zone, target)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)
            }
            ColumnarValue::Array(column) => ColumnarValue::Array(Self::evaluate(column, zone, target)?),
        })
    }
}
