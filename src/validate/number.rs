//! Numbers as JSON texts: exact decimals without trailing zeros, floats in shortest round-trip form, never an exponent.

use std::fmt::Write as _;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, Float64Array, Int64Array};
use datafusion::arrow::array::{NullArray, StringViewArray};
use datafusion::arrow::datatypes::{Decimal128Type, Decimal256Type, Float64Type, Int64Type};

use super::cells;

/// Why a cell holds no usable number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberFault {
    /// Infinite, or not a number.
    NotFinite,
    /// A text that is no plain decimal number.
    NotANumber,
    /// A fraction where a whole number is wanted.
    NotWhole,
    /// A whole number beyond 64 bits.
    TooLarge,
}

impl NumberFault {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NotFinite => "is not a finite number",
            Self::NotANumber => "is not a plain decimal number",
            Self::NotWhole => "is not a whole number",
            Self::TooLarge => "does not fit into 64 bits",
        }
    }
}

/// A column of numbers of any type the query can return.
pub(super) enum Numbers<'a> {
    Integers(&'a Int64Array),
    Floats(&'a Float64Array),
    Decimals(&'a Decimal128Array),
    WideDecimals(&'a Decimal256Array),
    Texts(&'a StringViewArray),
    Nulls(&'a NullArray),
}

impl<'a> Numbers<'a> {
    /// The numbers of a column, if its type is one of numbers.
    pub(super) fn of(column: &'a ArrayRef) -> Option<Self> {
        None.or_else(|| column.as_primitive_opt::<Int64Type>().map(Self::Integers))
            .or_else(|| column.as_primitive_opt::<Float64Type>().map(Self::Floats))
            .or_else(|| column.as_primitive_opt::<Decimal128Type>().map(Self::Decimals))
            .or_else(|| column.as_primitive_opt::<Decimal256Type>().map(Self::WideDecimals))
            .or_else(|| column.as_string_view_opt().map(Self::Texts))
            .or_else(|| column.as_any().downcast_ref().map(Self::Nulls))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Integers(array) => array.len(),
            Self::Floats(array) => array.len(),
            Self::Decimals(array) => array.len(),
            Self::WideDecimals(array) => array.len(),
            Self::Texts(array) => array.len(),
            Self::Nulls(array) => array.len(),
        }
    }

    /// Replaces `out` by the cell's number as JSON text; false for NULL and for blank text.
    pub(super) fn read(&self, cell: usize, out: &mut String) -> Result<bool, NumberFault> {
        out.clear();
        match self {
            Self::Integers(array) if array.is_valid(cell) => {
                write!(out, "{}", array.value(cell)).expect("writing to a string succeeds");
            }
            Self::Floats(array) if array.is_valid(cell) => {
                let number = array.value(cell);
                if !number.is_finite() {
                    return Err(NumberFault::NotFinite);
                }
                // `+ 0.0` turns negative zero into zero; Display is the shortest round trip without exponent.
                write!(out, "{}", number + 0.0).expect("writing to a string succeeds");
            }
            Self::Decimals(array) if array.is_valid(cell) => {
                write!(out, "{}", array.value(cell)).expect("writing to a string succeeds");
                place_point(out, array.scale());
            }
            Self::WideDecimals(array) if array.is_valid(cell) => {
                write!(out, "{}", array.value(cell)).expect("writing to a string succeeds");
                place_point(out, array.scale());
            }
            Self::Texts(array) => match cells::text(array, cell) {
                Some(text) => plain(text.trim(), out)?,
                None => return Ok(false),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The cell's whole number; `scratch` is overwritten. A float or decimal without a fraction is whole.
    pub(super) fn integer(&self, cell: usize, scratch: &mut String) -> Result<Option<i64>, NumberFault> {
        if let Self::Integers(array) = self {
            return Ok(array.is_valid(cell).then(|| array.value(cell)));
        }
        if !self.read(cell, scratch)? {
            return Ok(None);
        }
        if scratch.contains('.') {
            return Err(NumberFault::NotWhole);
        }
        scratch.parse().map(Some).map_err(|_| NumberFault::TooLarge)
    }
}

/// Divides the whole number in `digits` by ten to the power of `scale` and strips zeros after the point.
fn place_point(digits: &mut String, scale: i8) {
    if digits == "0" {
        return;
    }
    let Ok(scale) = usize::try_from(scale) else {
        digits.extend(std::iter::repeat_n('0', usize::from(scale.unsigned_abs())));
        return;
    };
    if scale == 0 {
        return;
    }
    let sign = usize::from(digits.starts_with('-'));
    let length = digits.len() - sign;
    if length <= scale {
        const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";
        digits.insert_str(sign, &ZEROS[..=scale - length]);
    }
    digits.insert(digits.len() - scale, '.');
    strip_zeros(digits);
}

fn strip_zeros(fraction: &mut String) {
    fraction.truncate(fraction.trim_end_matches('0').trim_end_matches('.').len());
}

/// Whether text is a finite decimal number.
pub(super) fn is_number(text: &str) -> bool {
    plain(text, &mut String::new()).is_ok()
}

/// Copies a plain decimal number such as `-012.50` to `out` in its shortest form, here `-12.5`.
fn plain(text: &str, out: &mut String) -> Result<(), NumberFault> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        let named = ["nan", "inf", "infinity"].iter().any(|name| digits.eq_ignore_ascii_case(name));
        return Err(if named { NumberFault::NotFinite } else { NumberFault::NotANumber });
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    if negative && !(whole.is_empty() && fraction.is_empty()) {
        out.push('-');
    }
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    Ok(())
}

/// An exact decimal number of up to 38 digits, for price × quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    mantissa: i128,
    scale: u32,
}

impl Decimal {
    pub(super) const ZERO: Self = Self { mantissa: 0, scale: 0 };

    /// The number of a JSON text that [`Numbers::read`] wrote; none beyond 38 digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut mantissa: i128 = 0;
        let mut scale = 0;
        let mut point = false;
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' => {
                    mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                    scale += u32::from(point);
                }
                b'.' => point = true,
                b'-' => {}
                _ => return None,
            }
        }
        Some(Self { mantissa: if text.starts_with('-') { -mantissa } else { mantissa }, scale })
    }

    pub(super) fn times(self, factor: i64) -> Option<Self> {
        Some(Self { mantissa: self.mantissa.checked_mul(factor.into())?, ..self })
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let mantissa = self.at(scale)?.checked_add(other.at(scale)?)?;
        Some(Self { mantissa, scale })
    }

    /// Replaces `out` by the number as JSON text.
    pub(super) fn write(self, out: &mut String) {
        out.clear();
        write!(out, "{}", self.mantissa).expect("writing to a string succeeds");
        // An i128 has at most 39 digits, and every digit of the scale was one of them or of another's.
        place_point(out, i8::try_from(self.scale).expect("38 digits have a scale below 127"));
    }

    fn at(self, scale: u32) -> Option<i128> {
        self.mantissa.checked_mul(10_i128.checked_pow(scale - self.scale)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::i256;
    use proptest::prelude::*;

    use super::*;

    fn read(column: impl Array + 'static) -> Result<String, NumberFault> {
        let column: ArrayRef = Arc::new(column);
        let mut out = String::new();
        Numbers::of(&column).unwrap().read(0, &mut out).map(|_| out)
    }

    fn decimal(mantissa: i128, scale: i8) -> String {
        let array = Decimal128Array::from(vec![mantissa]).with_precision_and_scale(38, scale).unwrap();
        read(array).unwrap()
    }

    #[test]
    fn decimals_keep_their_value_and_lose_trailing_zeros() {
        for (mantissa, scale, expected) in [
            (13_860, 3, "13.86"),
            (500, 2, "5"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (0, 2, "0"),
            (100, 0, "100"),
            (12, -3, "12000"),
            (1, 38, "0.00000000000000000000000000000000000001"),
            (99_999_999_999_999_999_999_999_999_999_999_999_999, 2, "999999999999999999999999999999999999.99"),
        ] {
            assert_eq!(decimal(mantissa, scale), expected);
        }
    }

    #[test]
    fn wide_decimals_are_exact() {
        let nines = i256::from_string(&"9".repeat(76)).unwrap();
        let array = Decimal256Array::from(vec![nines]).with_precision_and_scale(76, 70).unwrap();
        assert_eq!(read(array).unwrap(), format!("999999.{}", "9".repeat(70)));
    }

    #[test]
    fn floats_have_no_exponent_and_no_negative_zero() {
        for (number, expected) in
            [(13.86, "13.86"), (5.0, "5"), (-0.0, "0"), (1e21, "1000000000000000000000"), (1e-7, "0.0000001")]
        {
            assert_eq!(read(Float64Array::from(vec![number])).unwrap(), expected);
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(read(Float64Array::from(vec![number])), Err(NumberFault::NotFinite));
        }
    }

    #[test]
    fn texts_are_plain_decimals() {
        let text = |text: &str| read(StringViewArray::from(vec![text]));
        for (given, expected) in [("12.50", "12.5"), (" -007.0 ", "-7"), ("+3", "3"), ("-0.00", "0"), ("0.10", "0.1")] {
            assert_eq!(text(given).as_deref(), Ok(expected));
        }
        for given in ["1e3", "1,000.00", "$5", ".5", "5.", "--1", "0x10"] {
            assert_eq!(text(given), Err(NumberFault::NotANumber), "{given}");
        }
        assert_eq!(text("NaN"), Err(NumberFault::NotFinite));
        assert_eq!(text("-Infinity"), Err(NumberFault::NotFinite));
        assert_eq!(text("  ").as_deref(), Ok(""));
    }

    #[test]
    fn integers_reach_both_ends_and_no_further() {
        let integer = |column: ArrayRef| Numbers::of(&column).unwrap().integer(0, &mut String::new());
        assert_eq!(integer(Arc::new(Int64Array::from(vec![i64::MIN]))), Ok(Some(i64::MIN)));
        assert_eq!(integer(Arc::new(Float64Array::from(vec![2.0]))), Ok(Some(2)));
        assert_eq!(integer(Arc::new(Float64Array::from(vec![2.5]))), Err(NumberFault::NotWhole));
        assert_eq!(integer(Arc::new(Float64Array::from(vec![1e19]))), Err(NumberFault::TooLarge));
        let unsigned = Decimal128Array::from(vec![i128::from(u64::MAX)]).with_precision_and_scale(20, 0).unwrap();
        assert_eq!(integer(Arc::new(unsigned)), Err(NumberFault::TooLarge));
    }

    #[test]
    fn sums_are_exact_or_nothing() {
        let product = Decimal::parse("0.1").and_then(|price| price.times(3));
        let sum = product.and_then(|product| product.plus(Decimal::parse("24.50").unwrap())).unwrap();
        let mut out = String::new();
        sum.write(&mut out);
        assert_eq!(out, "24.8");
        assert_eq!(Decimal::parse(&"9".repeat(38)).and_then(|price| price.times(i64::MAX)), None);
        assert_eq!(Decimal::parse(&"9".repeat(40)), None);
    }

    proptest! {
        #[test]
        fn floats_round_trip(number in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO) {
            let text = read(Float64Array::from(vec![number])).unwrap();
            prop_assert!(!text.contains(['e', 'E']));
            prop_assert_eq!(text.parse().map(f64::to_bits), Ok((number + 0.0).to_bits()));
        }

        #[test]
        fn decimals_agree_with_their_parse(mantissa in -10_i128.pow(30)..10_i128.pow(30), scale in 0_i8..30) {
            let text = decimal(mantissa, scale);
            let parsed = Decimal::parse(&text).unwrap();
            prop_assert_eq!(parsed.at(u32::try_from(scale).unwrap()), Some(mantissa));
            let mut written = String::new();
            parsed.write(&mut written);
            prop_assert_eq!(written, text);
        }
    }
}
