//! Types that hold the values of several files: one table has one type for each column, and no value may change on the way
//! to it.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::kernels::cmp::not_distinct;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion::arrow::error::ArrowError;

/// Digits of the widest decimal.
const DIGITS: u8 = 76;
/// Digits of the widest decimal of 128 bits.
const DIGITS_128: u8 = 38;

/// The type that holds the values of both, none if there is none that keeps what they say.
pub(super) fn widened(one: &DataType, other: &DataType) -> Option<DataType> {
    use DataType::{
        Binary, Boolean, Date32, Date64, Float32, Float64, List, Map, Null, Struct, Timestamp, Utf8, Utf8View,
    };
    match (one, other) {
        (one, other) if one == other => Some(one.clone()),
        (Null, known) | (known, Null) => Some(known.clone()),
        (Boolean, _) | (_, Boolean) => None,
        (Utf8, Utf8View) | (Utf8View, Utf8) => Some(Utf8View),
        (Binary, text @ (Utf8 | Utf8View)) | (text @ (Utf8 | Utf8View), Binary) => Some(text.clone()),
        (text @ (Utf8 | Utf8View), whole) | (whole, text @ (Utf8 | Utf8View)) => {
            matches!(digits(whole), Some((_, 0))).then(|| text.clone())
        }
        // An instant and a local time have no type in common: which zone would it be?
        (Timestamp(_, zone), Timestamp(_, other)) => (zone.is_some() == other.is_some())
            .then(|| Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))),
        (Date32 | Date64, Timestamp(unit, None)) | (Timestamp(unit, None), Date32 | Date64) => {
            Some(Timestamp(if *unit == TimeUnit::Nanosecond { TimeUnit::Microsecond } else { *unit }, None))
        }
        (Date32, Date64) | (Date64, Date32) => Some(Date32),
        (Float32 | Float64, Float32 | Float64) => Some(Float64),
        (Float32 | Float64, number) | (number, Float32 | Float64) => digits(number).map(|_| Float64),
        (List(one), List(other)) => Some(List(widened_field(one, other)?)),
        (Struct(ones), Struct(others)) => {
            let mut fields = Vec::new();
            for field in ones {
                let same = others.iter().find(|other| other.name() == field.name());
                fields.push(same.map_or_else(|| Some(nullable(field)), |other| widened_field(field, other))?);
            }
            let missing = others.iter().filter(|other| ones.iter().all(|field| field.name() != other.name()));
            fields.extend(missing.map(nullable));
            Some(Struct(fields.into()))
        }
        (Map(one, is_sorted), Map(other, _)) => Some(Map(widened_entries(one, other)?, *is_sorted)),
        (one, other) => {
            let ((digits, scale), (other_digits, other_scale)) = (digits(one)?, digits(other)?);
            let is_whole = one.is_integer() && other.is_integer();
            if is_whole && (one.is_signed_integer() || other.is_signed_integer()) && digits.max(other_digits) <= 19 {
                return Some(DataType::Int64);
            }
            if is_whole && one.is_unsigned_integer() && other.is_unsigned_integer() {
                return Some(DataType::UInt64);
            }
            decimal(digits.max(other_digits), scale.max(other_scale))
        }
    }
}

/// Digits before and behind the decimal point of a type of exact numbers.
fn digits(data_type: &DataType) -> Option<(u8, u8)> {
    match data_type {
        DataType::Int8 | DataType::UInt8 => Some((3, 0)),
        DataType::Int16 | DataType::UInt16 => Some((5, 0)),
        DataType::Int32 | DataType::UInt32 => Some((10, 0)),
        DataType::Int64 => Some((19, 0)),
        DataType::UInt64 => Some((20, 0)),
        DataType::Decimal128(digits, scale) | DataType::Decimal256(digits, scale) => {
            let scale = u8::try_from(*scale).ok()?;
            Some((digits.saturating_sub(scale), scale))
        }
        _ => None,
    }
}

fn decimal(whole: u8, scale: u8) -> Option<DataType> {
    let digits = whole.checked_add(scale).filter(|digits| *digits <= DIGITS)?;
    let scale = i8::try_from(scale).ok()?;
    let is_narrow = digits <= DIGITS_128;
    Some(if is_narrow { DataType::Decimal128(digits, scale) } else { DataType::Decimal256(digits, scale) })
}

fn widened_field(one: &FieldRef, other: &FieldRef) -> Option<FieldRef> {
    let data_type = widened(one.data_type(), other.data_type())?;
    Some(Arc::new(Field::new(one.name(), data_type, one.is_nullable() || other.is_nullable())))
}

/// The entries of a map: key and value by their places, whatever they are called.
fn widened_entries(one: &FieldRef, other: &FieldRef) -> Option<FieldRef> {
    let (DataType::Struct(ones), DataType::Struct(others)) = (one.data_type(), other.data_type()) else { return None };
    let fields = ones.iter().zip(others).map(|(one, other)| widened_field(one, other)).collect::<Option<Fields>>()?;
    (ones.len() == others.len()).then(|| Arc::new(Field::new(one.name(), DataType::Struct(fields), false)))
}

fn nullable(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_nullable(true))
}

/// Whether a cast of numbers from one type to another may change one.
pub(super) fn may_bend(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Decimal256, Float64, Int8, Int16, Int32, UInt8, UInt16, UInt32};
    match (from, to) {
        (from, to) if from == to => false,
        (Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32, Float64) => false,
        (from, to) if from.is_integer() && to.is_integer() => false,
        (from, Decimal128(..) | Decimal256(..)) if from.is_integer() => false,
        (Decimal128(_, scale) | Decimal256(_, scale), Decimal128(_, wider) | Decimal256(_, wider))
            if wider >= scale =>
        {
            false
        }
        (from, to) if from.is_floating() && to.is_floating() => false,
        (from, to) => from.is_numeric() && to.is_numeric(),
    }
}

/// The same numbers in the type `to`; none if it cannot hold one of them exactly.
///
/// # Errors
/// That of a cast that Arrow does not know.
pub(super) fn exact(numbers: &ArrayRef, to: &DataType) -> Result<Option<ArrayRef>, ArrowError> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let converted = cast_with_options(numbers, to, &options)?;
    let back = cast_with_options(&converted, numbers.data_type(), &options)?;
    Ok((!not_distinct(&back, numbers)?.has_false()).then_some(converted))
}

/// Sixteen bytes as the text of a UUID: 8-4-4-4-12.
pub(super) fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0x0f] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType::{Date32, Decimal128, Decimal256, Float32, Float64, Int32, Int64, Timestamp, UInt64, Utf8View};

    #[test]
    fn a_wider_type_keeps_what_both_say() {
        let at = |unit, zone: Option<&str>| Timestamp(unit, zone.map(Into::into));
        for (one, other, expected) in [
            (Int32, Int64, Some(Int64)),
            (UInt64, Int64, Some(Decimal128(20, 0))),
            (Int32, Float64, Some(Float64)),
            (Float32, Float64, Some(Float64)),
            (Int64, Decimal128(10, 2), Some(Decimal128(21, 2))),
            (Decimal128(38, 0), Decimal128(38, 9), Some(Decimal256(47, 9))),
            (Decimal128(38, 0), Decimal256(76, 38), Some(Decimal256(76, 38))),
            (Decimal256(76, 0), Decimal128(38, 9), None),
            (Decimal128(10, 2), Float64, Some(Float64)),
            (Date32, at(TimeUnit::Millisecond, None), Some(at(TimeUnit::Millisecond, None))),
            (Date32, at(TimeUnit::Millisecond, Some("UTC")), None),
            (at(TimeUnit::Nanosecond, None), at(TimeUnit::Millisecond, None), Some(at(TimeUnit::Microsecond, None))),
            (
                at(TimeUnit::Second, Some("Europe/Berlin")),
                at(TimeUnit::Microsecond, Some("UTC")),
                Some(at(TimeUnit::Microsecond, Some("UTC"))),
            ),
            (at(TimeUnit::Microsecond, None), at(TimeUnit::Microsecond, Some("UTC")), None),
            (Utf8View, Int64, Some(Utf8View)),
            (Utf8View, Decimal128(38, 0), Some(Utf8View)),
            (DataType::Utf8, DataType::Binary, Some(DataType::Utf8)),
            (Utf8View, Float64, None),
            (Utf8View, Date32, None),
            (DataType::Boolean, Int32, None),
            (DataType::Null, Date32, Some(Date32)),
        ] {
            assert_eq!(widened(&one, &other), expected, "{one} and {other}");
            assert_eq!(widened(&other, &one), expected, "{other} and {one}");
        }
    }

    #[test]
    fn a_uuid_reads_as_it_is_written() {
        let bytes = (0..16).map(|index| index * 17).collect::<Vec<u8>>();
        assert_eq!(uuid(&bytes), "00112233-4455-6677-8899-aabbccddeeff");
    }
}
