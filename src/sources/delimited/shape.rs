//! What a single value looks like.

use super::fields::is_no_value;

/// Digits before each comma of a number with commas.
const THOUSAND: usize = 3;

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    Nothing,
    Whole,
    /// A number with so many digits behind its point.
    Decimal(usize),
    Date,
    Time,
    Email,
    Text,
}

/// `1,250.00` as `1250.00`; none for what is no number with delimiters between thousands.
pub(super) fn without_thousands(text: &str, delimiter: char) -> Option<String> {
    if delimiter != ',' {
        return None;
    }
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut groups = whole.split(delimiter);
    let lead = groups.next()?;
    let lead = lead.strip_prefix('-').unwrap_or(lead);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = is_digits(lead)
        && lead.len() <= THOUSAND
        && whole.contains(delimiter)
        && groups.all(|group| group.len() == THOUSAND && is_digits(group))
        && fraction.is_none_or(is_digits);
    is_number.then(|| text.replace(delimiter, ""))
}

/// What `value` looks like.
pub(super) fn shape(value: &str) -> Shape {
    let value = value.trim();
    if value.is_empty() || value == "\\N" || is_no_value(value) {
        return Shape::Nothing;
    }
    let bytes = value.as_bytes();
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let whole = unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let are_digits = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    match &unsigned[whole..] {
        [] if whole > 0 => return Shape::Whole,
        [b'.', fraction @ ..] if are_digits(fraction) => return Shape::Decimal(fraction.len()),
        _ => {}
    }
    if let Some(shape) = time(bytes) {
        return shape;
    }
    if is_email(value) { Shape::Email } else { Shape::Text }
}

/// The shape of `2025-12-31` and `2025-12-31T10:00:00Z`.
fn time(value: &[u8]) -> Option<Shape> {
    let is_like = |text: &[u8], form: &[u8]| {
        text.len() == form.len()
            && text.iter().zip(form).all(|(byte, like)| match like {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b' '),
                like => byte == like,
            })
    };
    if is_like(value, b"0000-00-00") {
        return Some(Shape::Date);
    }
    let (clock, rest) = value.split_at_checked("2025-12-31T10:00:00".len())?;
    let fraction =
        rest.strip_prefix(b".").map_or(0, |rest| 1 + rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let is_zone = match &rest[fraction..] {
        [] | b"Z" | b"z" | b" UTC" => true,
        [b'+' | b'-', offset @ ..] => [&b"00"[..], b"0000", b"00:00"].iter().any(|form| is_like(offset, form)),
        _ => false,
    };
    (is_zone && is_like(clock, b"0000-00-00T00:00:00")).then_some(Shape::Time)
}

/// Whether it is written like an address.
fn is_email(value: &str) -> bool {
    let Some((local, domain)) = value.split_once('@') else { return false };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let is_local = |byte: u8| is_letter(byte) || !byte.is_ascii() || b"_+%'&#~=".contains(&byte);
    !local.is_empty() && local.bytes().all(is_local) && domain.contains('.') && domain.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_look_like_what_they_are() {
        for (value, expected) in [
            ("", Shape::Nothing),
            (" NULL ", Shape::Nothing),
            ("\\N", Shape::Nothing),
            ("-12", Shape::Whole),
            ("1.50", Shape::Decimal(2)),
            (".5", Shape::Decimal(1)),
            ("1.", Shape::Text),
            ("1.5.2", Shape::Text),
            ("2026-11-14", Shape::Date),
            ("2026-11-14 10:00:00.123+02:00", Shape::Time),
            ("2026-11-14T10:00:00Z1", Shape::Text),
            ("2026-11-14T10:00:00Z80.00", Shape::Text),
            ("a.b@example.co.uk", Shape::Email),
            ("a@example.com2026-11-14T10:00:00Z", Shape::Text),
            ("a b@example.com", Shape::Text),
            ("ü", Shape::Text),
        ] {
            assert_eq!(shape(value), expected, "{value}");
        }
        assert_eq!(without_thousands("-1,250.00", ',').as_deref(), Some("-1250.00"));
        for text in ["1250,00", "12,50", "1,2500", "1,250.", ",250", "1;250", "1 250"] {
            assert_eq!(without_thousands(text, ','), None, "{text}");
        }
    }
}
