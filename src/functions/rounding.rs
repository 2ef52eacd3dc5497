//! Casts to decimals that take note of what they round: `'19.999'` as `DECIMAL(18, 2)` is 20.00.
//!
//! No query calls the function by name: it takes the place of casts of texts and columns in a plan, and does the same.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::kernels::cmp::distinct;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::util::display::FormatOptions;
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// What casts have rounded so far.
#[derive(Debug, Default)]
pub struct Rounding {
    values: Mutex<BTreeMap<String, u64>>,
}

impl Rounding {
    /// The types that values were rounded to, with the number of values, which counts anew from here.
    #[must_use]
    pub fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *self.values.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, target: &DataType, values: u64) {
        if values > 0
            && let DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) = target
        {
            let mut all = self.values.lock().unwrap_or_else(PoisonError::into_inner);
            *all.entry(format!("DECIMAL({precision}, {scale})")).or_default() += values;
        }
    }
}

/// A cast of text or decimals to a decimal type.
#[derive(Debug)]
pub struct DecimalCast {
    target: DataType,
    /// Whether what does not convert is NULL, as `TRY_CAST` has it.
    is_lenient: bool,
    rounding: Arc<Rounding>,
    signature: Signature,
}

impl DecimalCast {
    /// The cast of a `given` type to `target`, if it may round.
    #[must_use]
    pub fn of(given: &DataType, target: &DataType, is_lenient: bool, rounding: &Arc<Rounding>) -> Option<Self> {
        let kept = scale(target)?;
        let may_round = given.is_string() || scale(given).is_some_and(|scale| scale > kept);
        may_round.then(|| Self {
            target: target.clone(),
            is_lenient,
            rounding: Arc::clone(rounding),
            signature: Signature::any(1, Volatility::Immutable),
        })
    }
}

impl PartialEq for DecimalCast {
    fn eq(&self, other: &Self) -> bool {
        self.target == other.target && self.is_lenient == other.is_lenient
    }
}

impl Eq for DecimalCast {}

impl Hash for DecimalCast {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.target.hash(state);
        self.is_lenient.hash(state);
    }
}

impl ScalarUDFImpl for DecimalCast {
    fn name(&self) -> &'static str {
        if self.is_lenient { "try_decimal" } else { "decimal" }
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
        let options = CastOptions { safe: self.is_lenient, format_options: FormatOptions::new() };
        let cast = given.cast_to(&self.target, Some(&options))?;
        if let (ColumnarValue::Array(given), ColumnarValue::Array(cast)) = (given, &cast) {
            self.rounding.add(&self.target, rounded(given, cast)?);
        }
        Ok(cast)
    }
}

/// How many values of `given` are others in `cast`.
fn rounded(given: &ArrayRef, cast: &ArrayRef) -> Result<u64> {
    if given.data_type().is_string() {
        let kept = scale(cast.data_type()).unwrap_or_default();
        let options = CastOptions { safe: true, format_options: FormatOptions::new() };
        let texts = cast_with_options(given, &DataType::Utf8View, &options)?;
        let texts = texts.as_string_view().iter().zip(0..);
        let is_rounded = |(text, row): (Option<&str>, usize)| {
            let places = text.and_then(places).unwrap_or_default();
            cast.is_valid(row) && places > usize::try_from(kept).unwrap_or_default()
        };
        return Ok(texts.filter(|cell| is_rounded(*cell)).count() as u64);
    }
    let options = CastOptions { safe: true, format_options: FormatOptions::new() };
    let back = cast_with_options(cast, given.data_type(), &options)?;
    Ok(distinct(given, &back)?.true_count() as u64)
}

/// Digits behind the point of a number in text, without zeros at its end; none where it has an exponent.
fn places(text: &str) -> Option<usize> {
    let (_, fraction) = text.trim().split_once('.')?;
    let is_plain = fraction.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| fraction.trim_end_matches('0').len())
}

fn scale(data_type: &DataType) -> Option<i8> {
    match data_type {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => Some(*scale),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Decimal128Array, StringArray};
    use datafusion::config::ConfigOptions;

    use super::*;

    fn cast(given: ArrayRef, target: &DataType) -> (ArrayRef, BTreeMap<String, u64>) {
        let rounding = Arc::new(Rounding::default());
        let function = DecimalCast::of(given.data_type(), target, true, &rounding).unwrap();
        let field = Arc::new(Field::new("a", given.data_type().clone(), true));
        let result = function.invoke_with_args(ScalarFunctionArgs {
            number_rows: given.len(),
            args: vec![ColumnarValue::Array(given)],
            arg_fields: vec![field],
            return_field: Arc::new(Field::new("a", target.clone(), true)),
            config_options: Arc::new(ConfigOptions::new()),
        });
        let ColumnarValue::Array(result) = result.unwrap() else { panic!("a column gives a column") };
        (result, rounding.take())
    }

    #[test]
    fn what_is_rounded_is_counted_and_what_only_loses_zeros_is_not() {
        let target = DataType::Decimal128(18, 2);
        let texts = ["19.99", "19.990", "19.999", "-0.005", "20", " 1.230 ", "x", "1.001"];
        let (_, rounded) = cast(Arc::new(StringArray::from(texts.to_vec())), &target);
        assert_eq!(rounded, BTreeMap::from([("DECIMAL(18, 2)".to_owned(), 3)]));
        let fine = StringArray::from(vec!["1.25", "3"]);
        assert!(cast(Arc::new(fine), &target).1.is_empty());
        let decimals = Decimal128Array::from(vec![Some(19_990), Some(19_995), None, Some(1)]);
        let decimals = decimals.with_precision_and_scale(20, 3).unwrap();
        let (result, rounded) = cast(Arc::new(decimals), &target);
        assert_eq!(rounded.values().copied().collect::<Vec<_>>(), [2]);
        assert_eq!(result.null_count(), 1);
    }

    #[test]
    fn a_cast_with_room_for_all_digits_is_left_alone() {
        let rounding = Arc::new(Rounding::default());
        let of = |given, target| DecimalCast::of(&given, &target, false, &rounding).is_some();
        assert!(!of(DataType::Decimal128(10, 2), DataType::Decimal128(18, 2)));
        assert!(!of(DataType::Int64, DataType::Decimal128(18, 2)));
        assert!(!of(DataType::Utf8, DataType::Float64));
        assert!(of(DataType::Utf8View, DataType::Decimal128(18, 2)));
        assert!(of(DataType::Decimal128(28, 6), DataType::Decimal256(40, 2)));
    }
}
