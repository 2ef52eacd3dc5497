//! Casts of whole numbers to floats that fail where digits would change: 9,007,199,254,740,993 as a DOUBLE ends in 2.
//!
//! No query calls the function by name: it takes the place of casts in a plan, written ones and those that the engine adds
//! where a whole number and a float share one column.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::compute::kernels::cmp::distinct;
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::util::display::FormatOptions;
use datafusion::common::internal_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use crate::error::{Error, ErrorKind};

/// A cast of whole numbers to a float type; an error for a number that the type does not hold digit for digit.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct FloatCast {
    target: DataType,
    /// Whether what does not fit is NULL, as `TRY_CAST` has it.
    is_lenient: bool,
    signature: Signature,
}

impl FloatCast {
    /// The cast of a `given` type to `target`, if it may change digits.
    #[must_use]
    pub fn of(given: &DataType, target: &DataType, is_lenient: bool) -> Option<Self> {
        let may_change = digits(given)? > held(target)?;
        may_change.then(|| Self {
            target: target.clone(),
            is_lenient,
            signature: Signature::any(1, Volatility::Immutable),
        })
    }

    /// The type that it casts to.
    #[must_use]
    pub fn target(&self) -> &DataType {
        &self.target
    }

    /// Whether what does not fit is NULL.
    #[must_use]
    pub fn is_lenient(&self) -> bool {
        self.is_lenient
    }
}

/// Binary digits of the whole numbers of a type; none for a type that holds others.
fn digits(data_type: &DataType) -> Option<u32> {
    match data_type {
        DataType::Int8 | DataType::UInt8 => Some(8),
        DataType::Int16 | DataType::UInt16 => Some(16),
        DataType::Int32 | DataType::UInt32 => Some(32),
        DataType::Int64 | DataType::UInt64 => Some(64),
        DataType::Decimal32(precision, 0)
        | DataType::Decimal64(precision, 0)
        | DataType::Decimal128(precision, 0)
        | DataType::Decimal256(precision, 0) => Some(u32::from(*precision) * 10 / 3 + 1),
        _ => None,
    }
}

/// Binary digits that a float type holds.
fn held(data_type: &DataType) -> Option<u32> {
    match data_type {
        DataType::Float16 => Some(11),
        DataType::Float32 => Some(24),
        DataType::Float64 => Some(53),
        _ => None,
    }
}

impl ScalarUDFImpl for FloatCast {
    fn name(&self) -> &'static str {
        if self.is_lenient { "try_float" } else { "exact_float" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let [inner] = arguments else { return internal_err!("a cast has one argument") };
        Ok(inner.schema_name().to_string())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.target.clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let is_nullable = self.is_lenient || arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.target.clone(), is_nullable)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [given] = arguments.args.as_slice() else { return internal_err!("a cast has one argument") };
        let options = CastOptions { safe: true, format_options: FormatOptions::new() };
        let is_scalar = matches!(given, ColumnarValue::Scalar(_));
        let given = given.to_array(if is_scalar { 1 } else { arguments.number_rows })?;
        let cast = cast_with_options(&given, &self.target, &options)?;
        let back = cast_with_options(&cast, given.data_type(), &options)?;
        let changed = distinct(&given, &back)?;
        let cast = match (changed.has_true(), self.is_lenient) {
            (false, _) => cast,
            (true, true) => zip(&changed, &ScalarValue::try_from(&self.target)?.to_scalar()?, &cast)?,
            (true, false) => return Err(self.changed()),
        };
        Ok(if is_scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&cast, 0)?)
        } else {
            ColumnarValue::Array(cast)
        })
    }
}

impl FloatCast {
    fn changed(&self) -> DataFusionError {
        let name = if self.target == DataType::Float64 { "DOUBLE" } else { "REAL" };
        let message = format!("the query fails on a row: a whole number has more digits than a {name} holds");
        let error = Error::new(ErrorKind::Sql, message)
            .hint("cast the number with decimals that stands beside the whole one: CAST(x AS DECIMAL(38, 2))");
        DataFusionError::External(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Decimal128Array, Int32Array, Int64Array, UInt64Array};
    use datafusion::config::ConfigOptions;

    use super::*;

    fn cast(given: ArrayRef, target: &DataType, is_lenient: bool) -> Result<ArrayRef> {
        let function = FloatCast::of(given.data_type(), target, is_lenient).unwrap();
        let field = Arc::new(Field::new("a", given.data_type().clone(), true));
        let result = function.invoke_with_args(ScalarFunctionArgs {
            number_rows: given.len(),
            args: vec![ColumnarValue::Array(given)],
            arg_fields: vec![field],
            return_field: Arc::new(Field::new("a", target.clone(), true)),
            config_options: Arc::new(ConfigOptions::new()),
        });
        result.and_then(|result| result.to_array(1))
    }

    #[test]
    fn a_number_that_a_float_does_not_hold_is_an_error() {
        for (number, is_held) in [
            (0, true),
            (-1, true),
            (9_007_199_254_740_991, true),
            (9_007_199_254_740_992, true),
            (9_007_199_254_740_993, false),
            (-9_007_199_254_740_993, false),
            (9_007_199_254_740_994, true),
            (1_700_000_000_000_000_001, false),
            (1 << 62, true),
            (i64::MAX, false),
            (i64::MIN, true),
        ] {
            let given: ArrayRef = Arc::new(Int64Array::from(vec![Some(5), None, Some(number)]));
            let strict = cast(Arc::clone(&given), &DataType::Float64, false);
            assert_eq!(strict.is_ok(), is_held, "{number}");
            let lenient = cast(given, &DataType::Float64, true).unwrap();
            assert_eq!(lenient.null_count(), if is_held { 1 } else { 2 }, "{number}");
        }
        assert!(cast(Arc::new(UInt64Array::from(vec![u64::MAX])), &DataType::Float64, false).is_err());
        assert!(cast(Arc::new(Int32Array::from(vec![16_777_217])), &DataType::Float32, false).is_err());
        assert!(cast(Arc::new(Int32Array::from(vec![16_777_216])), &DataType::Float32, false).is_ok());
        for (number, is_held) in [(9_007_199_254_740_993, false), (9_007_199_254_740_992, true), (-7, true)] {
            let decimals = Decimal128Array::from(vec![number]).with_precision_and_scale(38, 0).unwrap();
            assert_eq!(cast(Arc::new(decimals), &DataType::Float64, false).is_ok(), is_held, "{number}");
        }
    }

    #[test]
    fn a_cast_to_a_type_with_room_is_left_alone() {
        let of = |given, target| FloatCast::of(&given, &target, false).is_some();
        assert!(!of(DataType::Int32, DataType::Float64));
        assert!(!of(DataType::Decimal128(15, 0), DataType::Float64));
        assert!(!of(DataType::Int16, DataType::Float32));
        assert!(!of(DataType::Decimal128(28, 6), DataType::Float64));
        assert!(!of(DataType::Utf8, DataType::Float64));
        assert!(!of(DataType::Int64, DataType::Decimal128(38, 0)));
        assert!(of(DataType::UInt32, DataType::Float32));
        assert!(of(DataType::Decimal128(20, 0), DataType::Float64));
    }
}
