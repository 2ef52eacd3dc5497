//! From text to the type that the first rows of a source showed, without ever changing what a value says.
//!
//! Text readers fill a number column with what a lenient parser makes of each value: `1.5` becomes 1, `007` becomes 7,
//! an instant loses its offset. Rows are therefore read as text and cast here, and the row of a value that does not fit
//! its column is left out.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::FormatOptions;

/// Digits that every decimal number keeps in a 64-bit float.
const FLOAT_DIGITS: usize = 15;
/// Zones that are the same time everywhere.
const UTC_NAMES: [&str; 4] = ["Z", "UTC", "GMT", "UCT"];

/// The type that text is read as before it is cast to `data_type`: text wherever a reader could bend a value.
pub(super) fn as_text(data_type: &DataType) -> DataType {
    let inside = |field: &FieldRef| -> FieldRef {
        Arc::new(Field::new(field.name(), as_text(field.data_type()), field.is_nullable()))
    };
    match data_type {
        DataType::List(item) => DataType::List(inside(item)),
        DataType::Struct(members) => DataType::Struct(members.iter().map(inside).collect()),
        _ => DataType::Utf8,
    }
}

/// A column in the type of its table.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) column: ArrayRef,
    /// The rows, in order, whose values do not fit; what the column has in their place says nothing.
    pub(super) misfits: Vec<usize>,
}

/// `text` as `data_type`.
///
/// # Errors
/// What Arrow says of two types that have nothing to do with one another.
pub(super) fn cast(text: &ArrayRef, data_type: &DataType) -> Result<Cast, ArrowError> {
    if text.data_type() == data_type {
        return Ok(Cast { column: Arc::clone(text), misfits: Vec::new() });
    }
    match (text.data_type(), data_type) {
        (DataType::List(_), DataType::List(item)) => return cast_items(text.as_list::<i32>(), item),
        (DataType::Struct(names), DataType::Struct(members)) if is_alike(names, members) => {
            return cast_members(text.as_struct(), members);
        }
        _ => {}
    }
    let options = |safe: bool| CastOptions { safe, format_options: FormatOptions::new() };
    let Some(texts) = text.as_string_opt::<i32>() else {
        if let Ok(column) = cast_with_options(text, data_type, &options(false)) {
            return Ok(Cast { column, misfits: Vec::new() });
        }
        let fits = |row: usize| cast_with_options(&text.slice(row, 1), data_type, &options(false)).is_ok();
        let misfits = (0..text.len()).filter(|row| !fits(*row)).collect();
        return Ok(Cast { column: cast_with_options(text, data_type, &options(true))?, misfits });
    };
    let column = cast_with_options(text, data_type, &options(true))?;
    let fits = |row: usize| texts.is_null(row) || column.is_valid(row) && keeps(texts.value(row), data_type);
    let misfits = (0..texts.len()).filter(|row| !fits(*row)).collect();
    Ok(Cast { column, misfits })
}

/// `lists` with the items that `item` describes; a list with an item that does not fit is a misfit.
fn cast_items(lists: &ListArray, item: &FieldRef) -> Result<Cast, ArrowError> {
    let inner = cast(lists.values(), item.data_type())?;
    let holds_misfit = |row: &usize| {
        let range = lists.value_offsets()[*row]..lists.value_offsets()[*row + 1];
        let is_in = |place: &usize| i32::try_from(*place).is_ok_and(|place| range.contains(&place));
        lists.is_valid(*row) && inner.misfits.iter().any(is_in)
    };
    let misfits = if inner.misfits.is_empty() { Vec::new() } else { (0..lists.len()).filter(holds_misfit).collect() };
    let column = ListArray::try_new(Arc::clone(item), lists.offsets().clone(), inner.column, lists.nulls().cloned())?;
    Ok(Cast { column: Arc::new(column), misfits })
}

/// Whether both are members of the same names, in the same order.
fn is_alike(one: &Fields, other: &Fields) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.name() == other.name())
}

/// `objects` with the types of `members`; one with a member that does not fit is a misfit.
fn cast_members(objects: &StructArray, members: &Fields) -> Result<Cast, ArrowError> {
    if members.is_empty() {
        return Ok(Cast { column: Arc::new(objects.clone()), misfits: Vec::new() });
    }
    let mut misfits = Vec::new();
    let mut columns = Vec::with_capacity(members.len());
    for (text, member) in objects.columns().iter().zip(members) {
        let cast = cast(text, member.data_type())?;
        misfits.extend(cast.misfits.into_iter().filter(|row| objects.is_valid(*row)));
        columns.push(cast.column);
    }
    misfits.sort_unstable();
    misfits.dedup();
    let column = StructArray::try_new(members.clone(), columns, objects.nulls().cloned())?;
    Ok(Cast { column: Arc::new(column), misfits })
}

/// Whether `text` still says the same as a value of `data_type`.
pub(super) fn keeps(text: &str, data_type: &DataType) -> bool {
    match data_type {
        DataType::Int64 => !is_code(text),
        DataType::Float64 => !is_code(text) && is_exact(text),
        DataType::Decimal128(precision, scale) => !is_code(text) && is_decimal(text, *precision, *scale),
        DataType::Timestamp(_, None) => !has_zone(text),
        DataType::Timestamp(_, Some(_)) => has_certain_zone(text),
        // A date with a time of day is an instant.
        DataType::Date32 => !text.contains(':'),
        _ => true,
    }
}

/// Whether the text of a timestamp carries an offset or a zone.
pub(super) fn has_zone(text: &str) -> bool {
    !zone(text).is_empty()
}

/// Whether that is an offset or the name of a place: `CET` is one hour east of UTC in July too, and a parser that takes it
/// for the clocks of a country reads another time.
fn has_certain_zone(text: &str) -> bool {
    let zone = zone(text).trim_start();
    let is_offset = zone.strip_prefix(['+', '-']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    is_offset || zone.contains('/') || UTC_NAMES.iter().any(|name| zone.eq_ignore_ascii_case(name))
}

/// What stands behind the clock of a timestamp.
fn zone(text: &str) -> &str {
    let clock = text.get("2025-01-01T00:00:00".len()..).unwrap_or_default();
    clock.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit())
}

/// Whether a number is written as only codes are: with a leading zero or plus.
fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    matches!(digits, [b'+', ..]) || matches!(digits, [b'0', next, ..] if next.is_ascii_digit())
}

/// Whether `text` is a number of at most so many digits, none of which a decimal type drops.
fn is_decimal(text: &str, precision: u8, scale: i8) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let scale = usize::try_from(scale).unwrap_or(0);
    is_digits(whole)
        && is_digits(fraction)
        && fraction.len() <= scale
        && whole.len() + scale <= usize::from(precision)
        && !(whole.is_empty() && fraction.is_empty())
}

/// Whether a 64-bit float has the digits of `text` and no others.
fn is_exact(text: &str) -> bool {
    let digits = |text: &str| -> String {
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        digits.trim_matches('0').to_owned()
    };
    // A number with an exponent may be beyond the range, where it would be nothing or without end.
    text.len() <= FLOAT_DIGITS && !text.contains(['e', 'E'])
        || text.parse::<f64>().is_ok_and(|number| digits(text) == digits(&number.to_string()))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::StringArray;
    use datafusion::arrow::datatypes::{Decimal128Type, Float64Type, Int64Type, Schema, TimeUnit};
    use datafusion::arrow::json::ReaderBuilder;

    use super::*;

    /// The column, or the first row that does not fit.
    fn cast_texts(texts: &[&str], data_type: &DataType) -> Result<ArrayRef, Option<usize>> {
        let cast = cast(&(Arc::new(StringArray::from(texts.to_vec())) as ArrayRef), data_type).unwrap();
        cast.misfits.first().map_or(Ok(cast.column), |row| Err(Some(*row)))
    }

    #[test]
    fn numbers_are_cast_and_nothing_is_bent_into_one() {
        let numbers = cast_texts(&["1", "-5", "0"], &DataType::Int64).unwrap();
        assert_eq!(numbers.as_primitive::<Int64Type>().values(), &[1, -5, 0]);
        for bent in ["1.5", "007", "+5", "x", "9223372036854775808", ""] {
            assert_eq!(cast_texts(&["1", bent], &DataType::Int64).unwrap_err(), Some(1), "{bent}");
        }
        let numbers = cast_texts(&["0.30000000000000004", "1e3", "1234567890123456.5"], &DataType::Float64).unwrap();
        assert_eq!(numbers.as_primitive::<Float64Type>().value(0).to_string(), "0.30000000000000004");
        for bent in ["12345678901234567.89", "00.5", "n/a", "1e400", "-1e400", "1e-400", "123456789012345678e1"] {
            assert_eq!(cast_texts(&["1", bent], &DataType::Float64).unwrap_err(), Some(1), "{bent}");
        }
    }

    #[test]
    fn decimals_keep_every_digit() {
        let exact = DataType::Decimal128(28, 9);
        let numbers = cast_texts(&["19.99", "-.5", "7", "1234567890123456789.123456789"], &exact).unwrap();
        let numbers = numbers.as_primitive::<Decimal128Type>();
        assert_eq!(numbers.value_as_string(0), "19.990000000");
        assert_eq!(numbers.value_as_string(1), "-0.500000000");
        assert_eq!(numbers.value_as_string(3), "1234567890123456789.123456789");
        for bent in ["0.1234567891", "1e3", "12345678901234567890", "", "-", "1.2.3", "05.1"] {
            assert_eq!(cast_texts(&["1", bent], &exact).unwrap_err(), Some(1), "{bent}");
        }
    }

    #[test]
    fn times_with_and_without_a_zone_do_not_mix() {
        let naive = DataType::Timestamp(TimeUnit::Microsecond, None);
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert!(cast_texts(&["2025-01-01 10:00:00", "9999-12-31T23:59:59.123456789"], &naive).is_ok());
        assert_eq!(cast_texts(&["2025-01-01 10:00:00Z"], &naive).unwrap_err(), Some(0));
        assert!(cast_texts(&["2025-01-01 10:00:00+02:00", "2025-01-01T10:00:00Z"], &zoned).is_ok());
        assert_eq!(cast_texts(&["2025-01-01 10:00:00"], &zoned).unwrap_err(), Some(0));
        for uncertain in ["CET", "EST", "EDT", "PST", "MET", "EST5EDT", "PM", "am", "+", "Z Z", "Uhr"] {
            let text = format!("2025-07-01 10:00:00 {uncertain}");
            assert_eq!(cast_texts(&[&text], &zoned).unwrap_err(), Some(0), "{text}");
            assert_eq!(cast_texts(&[&text], &naive).unwrap_err(), Some(0), "{text}");
        }
        assert_eq!(cast_texts(&["2025-01-01 10:00:00"], &DataType::Date32).unwrap_err(), Some(0));
    }

    #[test]
    fn items_and_members_are_not_bent_either() {
        let text = |name: &str| Arc::new(Field::new(name, DataType::Utf8, true));
        let item: FieldRef = Arc::new(Field::new_list_field(DataType::Struct(vec![text("n")].into()), true));
        let json = "{\"v\":[{\"n\":\"1\"},{\"n\":\"2\"}]}\n{\"v\":[{\"n\":\"007\"}]}\n{\"v\":null}\n{\"v\":[null,{\"n\":\"x\"}]}\n{\"v\":[]}\n{\"v\":[{\"n\":\"-3\"}]}";
        let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::List(item), true)]));
        let mut reader = ReaderBuilder::new(schema).build(json.as_bytes()).unwrap();
        let read = Arc::clone(reader.next().unwrap().unwrap().column(0));
        let member = Field::new("n", DataType::Int64, true);
        let numbers = DataType::List(Arc::new(Field::new_list_field(DataType::Struct(vec![member].into()), true)));
        let whole = cast(&read, &numbers).unwrap();
        assert_eq!((whole.column.data_type(), whole.misfits), (&numbers, vec![1, 3]));
        assert_eq!(cast(&read.slice(2, 4), &numbers).unwrap().misfits, [1]);
        assert_eq!(cast(&read.slice(4, 2), &numbers).unwrap().misfits, [0_usize; 0]);
    }
}
