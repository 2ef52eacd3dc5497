//! Phone numbers in E.164 form, valid by the numbering plans of Google's libphonenumber.

use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, ParseError, PhoneNumberFormat, Region as Plan};

use super::normalize::Fault;

/// Bytes of text in which a phone number is looked for, as in libphonenumber.
const MAX_INPUT: usize = 250;
/// Digits of an E.164 number.
const E164_DIGITS: std::ops::RangeInclusive<usize> = 2..=15;
/// Digits before `.0` from which they are a phone number that was taken for a quantity.
const MIN_QUANTITY_DIGITS: usize = 7;

/// A country or territory with a numbering plan, for reading numbers that lack a country calling code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Region([u8; 2]);

impl Region {
    /// The region of this two-letter code of any case, if libphonenumber knows its numbering plan.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        let region = Self(letters.map(|letter| letter.to_ascii_uppercase()));
        let plan = Plan::from_code(text).ok()?;
        PHONE_NUMBER_UTIL.get_country_code_for_region(plan).map(|_| region)
    }

    /// The two letters in upper case.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "only `parse` makes a region, of two ASCII letters")]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("a region code consists of two ASCII letters")
    }

    fn plan(self) -> Plan {
        Plan::from_code(self.as_str()).expect("a region code consists of two ASCII letters")
    }
}

/// A phone number as `+` and digits, without its extension.
///
/// Reads what libphonenumber reads: punctuation, a trunk zero in brackets, digits of other scripts, vanity letters,
/// `tel:` URIs. A number without `+` is read as one dialled in `region`, whose international prefix (`00`, `011`)
/// also counts.
///
/// # Errors
/// [`Fault::Blank`]; [`Fault::NoRegion`] for a number without `+` when there is no region; [`Fault::Quantity`] for
/// `1.2E+10` and `12133734253.0`, of which digits are lost or were added; [`Fault::NotAPhone`].
pub fn e164(text: &str, region: Option<Region>) -> Result<String, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::Blank);
    }
    if text.len() > MAX_INPUT {
        return Err(Fault::NotAPhone);
    }
    if is_quantity(text.trim()) {
        return Err(Fault::Quantity);
    }
    let number = PHONE_NUMBER_UTIL.parse(text, region.map(Region::plan)).map_err(|error| match error {
        ParseError::InvalidCountryCode if region.is_none() && !text.contains(['+', '＋']) => Fault::NoRegion,
        _ => Fault::NotAPhone,
    })?;
    if PHONE_NUMBER_UTIL.is_valid_number(&number) {
        Ok(PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).into_owned())
    } else {
        Err(Fault::NotAPhone)
    }
}

/// The number of a text in international form that is possible and not valid: of a length that its country has, with
/// digits that its numbering plan does not assign. None for a valid number, and for one without `+`, of which nobody
/// knows the country.
#[must_use]
pub fn possible(text: &str) -> Option<String> {
    let text = text.trim();
    let is_international = text.trim_start_matches('(').starts_with(['+', '＋']);
    let is_of_number = |c: char| c.is_numeric() || c.is_whitespace() || "+＋-.()/".contains(c);
    if !is_international || text.len() > MAX_INPUT || !text.chars().all(is_of_number) || is_quantity(text) {
        return None;
    }
    let number = PHONE_NUMBER_UTIL.parse(text, None).ok()?;
    let length = PHONE_NUMBER_UTIL.is_possible_number_with_reason(&number);
    if PHONE_NUMBER_UTIL.is_valid_number(&number) || !matches!(length, Ok(NumberLengthType::IsPossible)) {
        return None;
    }
    let number = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).into_owned();
    E164_DIGITS.contains(&(number.len() - 1)).then_some(number)
}

/// Whether `text` is a valid phone number and exactly in the form that [`e164`] gives.
#[must_use]
pub fn is_e164(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| E164_DIGITS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
        && e164(text, None).is_ok_and(|number| number == text)
}

/// Whether spreadsheets and data frames write numbers so: `1.2065E+10`, `1,2065E+10`, `12065551234.0`.
fn is_quantity(text: &str) -> bool {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Some((mantissa, exponent)) = text.split_once(['e', 'E']) {
        let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
        return whole.len() == 1
            && is_digits(whole)
            && is_digits(fraction)
            && is_digits(exponent.trim_start_matches('+'));
    }
    let is_long = |whole: &str| whole.len() >= MIN_QUANTITY_DIGITS && is_digits(whole);
    text.split_once('.').is_some_and(|(whole, fraction)| is_long(whole) && matches!(fraction, "0" | "00"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn regions_are_those_with_a_numbering_plan() {
        assert_eq!(Region::parse("us").map(|region| region.as_str().to_owned()).as_deref(), Some("US"));
        for text in ["", "U", "USA", "XX", "ZZ", "001", "U1", "é"] {
            assert_eq!(Region::parse(text), None, "{text}");
        }
    }

    #[test]
    fn one_number_in_many_habits() {
        let (us, gb, none) = (Region::parse("US"), Region::parse("GB"), None);
        for (text, region, expected) in [
            ("(+1)2133734253", none, Ok("+12133734253")),
            ("+44 20 7183 8750", none, Ok("+442071838750")),
            ("020 7183 8750", gb, Ok("+442071838750")),
            ("00 1 213 373 4253", gb, Ok("+12133734253")),
            ("011 44 20 7183 8750", us, Ok("+442071838750")),
            ("+44 (0)20 7183 8750 ext. 12", us, Ok("+442071838750")),
            ("tel:+1-213-373-4253;ext=7", none, Ok("+12133734253")),
            ("tel:20-7183-8750;phone-context=+44", none, Ok("+442071838750")),
            ("＋１　２１３　３７３　４２５３", none, Ok("+12133734253")),
            ("1 800 FLOWERS", us, Ok("+18003569377")),
            ("213-373-4253", none, Err(Fault::NoRegion)),
            ("0012133734253", none, Err(Fault::NoRegion)),
            ("213-373-4253", gb, Err(Fault::NotAPhone)),
            ("+1 555 0100", us, Err(Fault::NotAPhone)),
            ("+999 123456789", none, Err(Fault::NotAPhone)),
            ("unknown", us, Err(Fault::NotAPhone)),
            (" \u{a0}", us, Err(Fault::Blank)),
        ] {
            assert_eq!(e164(text, region).as_deref().map_err(|fault| *fault), expected, "{text}");
        }
    }

    #[test]
    fn only_the_canonical_form_of_a_valid_number_is_e164() {
        assert!(is_e164("+12133734253"));
        for text in [
            "",
            "+",
            "12133734253",
            "+1 213 373 4253",
            "+1213373425",
            "+4402071838750",
            "+１２１３３７３４２５３",
            " +12133734253",
        ] {
            assert!(!is_e164(text), "{text}");
        }
    }

    #[test]
    fn a_possible_number_has_a_length_of_its_country() {
        for (text, expected) in [
            ("+12061234567", "+12061234567"),
            ("+1 (206) 123-4567", "+12061234567"),
            (" +1.206.123.4567 ", "+12061234567"),
            ("(+1)2061234567", "+12061234567"),
            ("＋１２０６１２３４５６７", "+12061234567"),
            ("+15551234567", "+15551234567"),
            ("+11234567890", "+11234567890"),
            ("+33 0 00 00 00 00", "+33000000000"),
            ("+1-999-999-9999", "+19999999999"),
        ] {
            assert_eq!(possible(text).as_deref(), Some(expected), "{text}");
            assert_eq!(e164(text, None), Err(Fault::NotAPhone), "{text}");
        }
        for text in [
            "",
            "+",
            "+12133734253",
            "2061234567",
            "0012061234567",
            "+1206123456",
            "+120612345678",
            "+1 555 0100",
            "+999 123456789",
            "+12061234567 ext. 4",
            "+1 206 FLOWERS",
            "+1206123456e7",
            "+12061234567.0",
            "n/a",
        ] {
            assert_eq!(possible(text), None, "{text}");
        }
    }

    /// Made by `tests/data/make_phones.py` with libphonenumber's Python port of the same metadata: no difference is known.
    #[test]
    fn agrees_with_another_port_of_libphonenumber() {
        let rows = include_str!("../../tests/data/phones.csv").lines().skip(1);
        let mut differences = Vec::new();
        let mut valid = 0;
        for row in rows {
            let [expected, region, raw] = row.rsplitn(3, ',').collect::<Vec<_>>().try_into().expect("three columns");
            let raw = raw
                .strip_prefix('"')
                .and_then(|raw| raw.strip_suffix('"'))
                .map_or(raw.to_owned(), |raw| raw.replace("\"\"", "\""));
            let number = e164(&raw, Region::parse(region)).unwrap_or_default();
            if number != expected {
                differences.push((raw, region, expected, number));
            }
            valid += usize::from(!expected.is_empty());
        }
        assert!(valid > 1_500, "{valid}");
        assert!(
            differences.is_empty(),
            "{} differences, (raw, region, theirs, ours): {differences:#?}",
            differences.len()
        );
    }

    #[test]
    fn numbers_written_as_quantities_are_no_phones() {
        for text in ["1.2065E+10", "1,2065E+10", "1.2065e10", "2E+09", " +1.2E+10 ", "12065551234.0", "+12065551234.00"]
        {
            assert_eq!(e164(text, Region::parse("US")), Err(Fault::Quantity), "{text}");
        }
        for text in ["206.555.1234", "+1.206.555.1234", "1 800 FLOWERS", "2065.0"] {
            assert_ne!(e164(text, Region::parse("US")), Err(Fault::Quantity), "{text}");
        }
    }

    #[test]
    fn overlong_text_is_no_phone() {
        assert_eq!(e164(&format!("+12133734253{}", " ".repeat(300)), None), Err(Fault::NotAPhone));
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer_and_results_are_canonical(
            text in "\\PC{0,30}|\\+?[0-9 ().x/;=a-z\\-٠-٩０-９]{0,30}|tel:[0-9;=+a-z.\\-]{0,40}",
            region in prop::option::of("US|GB|DE|IT|BR|AR|MX|CI|JP|AU"),
        ) {
            if let Ok(number) = e164(&text, region.as_deref().and_then(Region::parse)) {
                prop_assert!(number.starts_with('+'));
                prop_assert!(is_e164(&number), "{} from {}", number, text);
            }
        }
    }
}
