//! Personal data in plain text: e-mail addresses and phone numbers in fields that are sent as they are.
//!
//! A text that is sent in plain form identifies a person where it holds an address or a number, alone or among other
//! words, as it is or percent-encoded as URLs do. A number counts as a phone number where it is written as one: with
//! `+` and a country code, in the groups of North America (`(213) 373-4253`), with a trunk zero and blanks in the
//! default region, or behind a name such as `phone=`. Plain digits are an id like any other.

use std::borrow::Cow;

use super::normalize;
use super::phone::{self, Region};

/// Digits of a phone number that is written out.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;
/// Digits of a number behind a name that says what it is.
const NAMED_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Fewest digits of a national number without a name; dates have fewer.
const MIN_NATIONAL: usize = 9;
/// Places in one text that are tried as phone numbers.
const MAX_TRIES: usize = 8;
/// Times that a text is taken for percent-encoded: links within links are.
const MAX_DECODED: usize = 2;
/// Ends of file names, which are no top-level domains: `logo@2x.png` is no address.
const FILE_ENDS: &[&str] =
    &["avif", "css", "gif", "htm", "html", "ico", "jpeg", "jpg", "js", "json", "mp4", "pdf", "png", "svg", "webp"];
/// Words of names that say that a value is a phone number.
const PHONE_NAMES: &[&str] =
    &["cellphone", "mobile", "msisdn", "phone", "phones", "phonenumber", "tel", "telephone", "whatsapp"];

/// What a plain text tells of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personal {
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
}

impl Personal {
    /// The words for it: `an e-mail address`, `a phone number`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "an e-mail address",
            Self::Phone => "a phone number",
        }
    }
}

/// The personal data that `text` holds, if it holds any. `region` is that of numbers without a country code.
#[must_use]
pub fn find(text: &str, region: Option<Region>) -> Option<Personal> {
    if !is_worth_a_look(text) {
        return None;
    }
    let text = decoded(text);
    if holds_address(&text) {
        return Some(Personal::Email);
    }
    (holds_number(&text, region) || holds_named_number(&text)).then_some(Personal::Phone)
}

/// The personal data in the value `text` of something called `name`, which may say that digits are a phone number.
#[must_use]
pub fn find_named(name: &str, text: &str, region: Option<Region>) -> Option<Personal> {
    find(text, region).or_else(|| (names_phone(name) && is_named_number(text)).then_some(Personal::Phone))
}

/// Whether plain digits are a phone number that is known from elsewhere, with or without its country code.
#[must_use]
pub fn is_same_number(digits: &str, known: &str) -> bool {
    if digits.len() < MIN_NATIONAL || digits.len() > *DIGITS.end() || !is_digits(digits) {
        return false;
    }
    let known: String = known.chars().filter(char::is_ascii_digit).collect();
    let (digits, known) = (digits.trim_start_matches('0'), known.trim_start_matches('0'));
    digits.len() >= MIN_NATIONAL
        && known.len() >= MIN_NATIONAL
        && (digits.ends_with(known) || known.ends_with(digits))
        && digits.len().abs_diff(known.len()) <= 3
}

/// Whether there is anything in `text` that an address or a written number needs: most ids end here.
fn is_worth_a_look(text: &str) -> bool {
    let mut digits = 0;
    let mut is_grouped = false;
    for byte in text.bytes() {
        match byte {
            // The last begins signs of full width.
            b'@' | b'+' | b'%' | 0xEF => return true,
            b'0'..=b'9' => digits += 1,
            b' ' | b'-' | b'.' | b'(' | b')' | b'/' | b'=' | b':' | 0xC2 => is_grouped = true,
            _ => {}
        }
    }
    is_grouped && digits >= *NAMED_DIGITS.start()
}

/// `text` without percent-encoding; what is not well encoded stays.
fn decoded(text: &str) -> Cow<'_, str> {
    let mut decoded = Cow::Borrowed(text);
    for _ in 0..MAX_DECODED {
        let Some(once) = decoded_once(&decoded) else { break };
        decoded = Cow::Owned(once);
    }
    decoded
}

fn decoded_once(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let (mut at, mut is_changed) = (0, false);
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    while let Some(byte) = bytes.get(at) {
        if let (b'%', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            plain.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            is_changed = true;
            at += 3;
        } else {
            plain.push(*byte);
            at += 1;
        }
    }
    is_changed.then(|| String::from_utf8_lossy(&plain).into_owned())
}

fn holds_address(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '-' | '\'');
        let is_of_domain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
        let (before, after) = (&text[..at], &text[at + 1..]);
        let name = before.rsplit(|c: char| !is_of_name(c)).next().unwrap_or_default();
        let domain = after.split(|c: char| !is_of_domain(c)).next().unwrap_or_default();
        let domain = domain.trim_end_matches(['.', '-']);
        let end = domain.rsplit('.').next().unwrap_or_default();
        !FILE_ENDS.iter().any(|file| file.eq_ignore_ascii_case(end))
            && normalize::email(&format!("{name}@{domain}")).is_ok()
    })
}

fn holds_number(text: &str, region: Option<Region>) -> bool {
    let mut tries = 0;
    let mut previous = None;
    for (at, first) in text.char_indices() {
        let follows = |c: char| match first {
            '+' | '＋' => c.is_alphanumeric() || c == '+',
            '(' | '0'..='9' => c.is_alphanumeric() || matches!(c, '+' | '-' | '.' | '/' | '('),
            _ => true,
        };
        let begins = previous.map_or_else(|| !follows(' '), |c| !follows(c));
        previous = Some(first);
        if !begins {
            continue;
        }
        let run = run(&text[at..]);
        if run.bytes().filter(u8::is_ascii_digit).count() < *DIGITS.start() {
            continue;
        }
        tries += 1;
        if tries > MAX_TRIES {
            return false;
        }
        if begins_as_number(run, region) {
            return true;
        }
    }
    false
}

/// The digits and what separates them, from a place in a text on.
fn run(text: &str) -> &str {
    let is_of_run = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '\u{a0}' | '-' | '.' | '(' | ')' | '/');
    let sign = text.chars().next().filter(|c| !is_of_run(*c)).map_or(0, char::len_utf8);
    let length = text[sign..].find(|c: char| !is_of_run(c)).unwrap_or(text.len() - sign);
    let end = sign + length;
    // A letter that follows at once belongs to the same word.
    let end = match text[end..].chars().next() {
        Some(c) if c.is_alphabetic() => text[..end].rfind([' ', '\u{a0}']).unwrap_or(sign),
        _ => end,
    };
    text[..end].trim_end_matches(|c: char| !c.is_ascii_digit())
}

/// Whether a run of digits begins with a phone number that is written as one.
fn begins_as_number(run: &str, region: Option<Region>) -> bool {
    let mut run = run;
    loop {
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        if digits < *DIGITS.start() {
            return false;
        }
        if DIGITS.contains(&digits) && is_written_as_number(run, digits, region) {
            return true;
        }
        // What follows behind a blank may be something else: a date, a count.
        match run.rfind([' ', '\u{a0}']) {
            Some(end) => run = run[..end].trim_end_matches(|c: char| !c.is_ascii_digit()),
            None => return false,
        }
    }
}

fn is_written_as_number(run: &str, digits: usize, region: Option<Region>) -> bool {
    if run.starts_with(['+', '＋']) {
        return phone::e164(run, None).is_ok() || phone::possible(run).is_some();
    }
    if is_north_american(run) {
        return phone::e164(run, Region::parse("US")).is_ok();
    }
    let is_spaced = run.contains([' ', '\u{a0}', '/', '(']);
    // The prefix of calls abroad in most countries.
    if let Some(abroad) = run.strip_prefix("00").filter(|rest| is_spaced && !rest.starts_with('0'))
        && phone::e164(&format!("+{}", abroad.trim_start()), None).is_ok()
    {
        return true;
    }
    let is_national = run.trim_start_matches('(').starts_with('0') && digits >= MIN_NATIONAL;
    is_spaced && is_national && region.is_some() && phone::e164(run, region).is_ok()
}

/// Whether digits stand in the groups of a North American number: `213-373-4253`, `(213) 373-4253`, `1 213 373 4253`.
fn is_north_american(run: &str) -> bool {
    let groups: Vec<&str> = run.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let is_single = |text: &str| !text.contains("--") && !text.contains("..") && !text.contains("  ");
    (lengths == [3, 3, 4] || lengths == [1, 3, 3, 4] && groups[0] == "1") && is_single(run)
}

/// Whether a text such as `https://shop.example/?phone=2133734253` or `tel:2133734253` names a number.
fn holds_named_number(text: &str) -> bool {
    let pairs = text.split(['?', '&', ';', '#', ',', ' ']);
    pairs
        .filter_map(|pair| pair.split_once(['=', ':']))
        .any(|(name, value)| names_phone(name) && is_named_number(value))
}

/// Whether a word of a name says that its value is a phone number.
fn names_phone(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| PHONE_NAMES.contains(&word))
}

/// Whether a value consists of the digits of a phone number and what may separate them.
fn is_named_number(value: &str) -> bool {
    let value = value.trim();
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    NAMED_DIGITS.contains(&digits)
        && value.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '\u{a0}' | '-' | '.' | '(' | ')' | '/'))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_found_wherever_they_stand() {
        for text in [
            "ann@shop.example",
            "Ann.Lee+news@Shop.Example",
            " ann@shop.example ",
            "order of ann@shop.example.",
            "<ann@shop.example>",
            "Ann Lee (ann@shop.example)",
            "mailto:ann@shop.example",
            "ann@shop.example-4711",
            "https://shop.example/?email=ann%40shop.example&step=2",
            "https://shop.example/?next=%2Fcart%3Femail%3Dann%2540shop.example",
            "https://ann@shop.example/",
            "https://shop.example/thanks#ann@shop.example",
            "o'neil@shop.example",
            "josé@correo.example",
            "用户@例え.jp",
            "id|ann@sub.shop.example|7",
        ] {
            assert_eq!(find(text, None), Some(Personal::Email), "{text}");
        }
    }

    #[test]
    fn numbers_that_are_written_as_numbers_are_found() {
        let region = |code| Region::parse(code);
        for (text, region) in [
            ("+12133734253", None),
            ("+12061234567", None),
            ("＋12133734253", None),
            ("+1 (213) 373-4253", None),
            ("call +44 20 7183 8750 for help", None),
            ("+49 30 12345678 2026-11-30", None),
            ("order:+12133734253", None),
            ("(+1)2133734253", None),
            ("(213) 373-4253", None),
            ("(213)373-4253", None),
            ("213-373-4253", None),
            ("213.373.4253", None),
            ("1 213 373 4253", None),
            ("Tel. 213-373-4253, ask for Ann", None),
            ("0044 20 7183 8750", None),
            ("tel:2133734253", None),
            ("https://shop.example/?phone=2133734253", None),
            ("https://shop.example/?phone=%2B442071838750", None),
            ("https://shop.example/?customer_phone=02071838750&x=1", None),
            ("020 7183 8750", region("GB")),
            ("0170 1234567", region("DE")),
            ("030/12345678", region("DE")),
            ("(030) 12345678", region("DE")),
        ] {
            assert_eq!(find(text, region), Some(Personal::Phone), "{text}");
        }
    }

    #[test]
    fn ids_dates_amounts_and_names_are_no_personal_data() {
        for text in [
            "",
            "4711",
            "#128520",
            "12133734253",
            "2133734253",
            "7410991464714",
            "0012345678",
            "111-1234567-1234567",
            "123-4567890-1234567",
            "INV-2026-11-0042",
            "2026-11-30",
            "2026-11-30T10:00:00+02:00",
            "2026-11-30 10:00:00 +0200",
            "30.11.2026 10:15",
            "01.12.2026 / 1000",
            "550e8400-e29b-41d4-a716-446655440000",
            "550e8400-1234-4123-8123-446655440000",
            "a3071916e9af6abd17f56f74dbea5f3d",
            "192.168.100.200",
            "978-3-16-148410-0",
            "0-306-40615-2",
            "SKU-213-373-42",
            "SKU+12345678",
            "A213-373-4253",
            "213-373-4253-1",
            "1213-373-4253",
            "123-456-7890",
            "100.000.0000",
            "+5 points",
            "+100.00",
            "10 20 30 40 50 60",
            "@brand",
            "follow @brand on TikTok",
            "https://shop.example/@brand/video/7410991464714",
            "https://cdn.example/logo@2x.png",
            "https://maps.example/@40.7128000,-74.0060000,15z",
            "react@18.2.0",
            "a@b",
            "50% off 12 pieces @ 3.50",
            "100%",
            "https://shop.example/?utm_id=1234567890&gclid=EAIaIQobChMI",
            "https://shop.example/p/213-373-4253",
            "https://shop.example/?q=red+shoes+size+42",
            "mobile: yes, model 12",
            "Nokia 3310 phone",
        ] {
            for region in [None, Region::parse("US"), Region::parse("DE"), Region::parse("GB")] {
                assert_eq!(find(text, region), None, "{text} {region:?}");
            }
        }
    }

    #[test]
    fn a_name_tells_what_digits_are() {
        for name in ["phone", "customer_phone", "Mobile", "billing.tel", "msisdn"] {
            assert_eq!(find_named(name, "2133734253", None), Some(Personal::Phone), "{name}");
            assert_eq!(find_named(name, "12", None), None, "{name}");
        }
        for name in ["order_id", "telegram", "hotel", "phonetic", "loyalty_points"] {
            assert_eq!(find_named(name, "2133734253", None), None, "{name}");
        }
    }

    #[test]
    fn digits_of_a_known_number_are_that_number() {
        for (digits, known) in [
            ("12133734253", "+1 213 373 4253"),
            ("2133734253", "+12133734253"),
            ("442071838750", "+44 20 7183 8750"),
            ("02071838750", "+44 20 7183 8750"),
            ("2071838750", "020 7183 8750"),
        ] {
            assert!(is_same_number(digits, known), "{digits} {known}");
        }
        for (digits, known) in [
            ("4711", "+1 213 373 4253"),
            ("12133734254", "+1 213 373 4253"),
            ("3734253", "+1 213 373 4253"),
            ("7410991464714", "+1 213 373 4253"),
            ("A2133734253", "+1 213 373 4253"),
            ("2133734253", ""),
        ] {
            assert!(!is_same_number(digits, known), "{digits} {known}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in "\\PC{0,40}|[0-9+() ./@%a-f-]{0,60}") {
            let _ = find(&text, Region::parse("DE"));
            let _ = find_named(&text, &text, None);
        }

        #[test]
        fn plain_digits_are_never_personal(id in "[0-9]{1,30}", region in prop::option::of("US|GB|DE|BR|JP")) {
            prop_assert_eq!(find(&id, region.as_deref().and_then(Region::parse)), None);
        }

        #[test]
        fn an_address_is_found_behind_any_word(word in "[a-z ]{0,10}", name in "[a-z]{1,8}") {
            let text = format!("{word} {name}@shop.example");
            prop_assert_eq!(find(&text, None), Some(Personal::Email));
        }
    }
}
