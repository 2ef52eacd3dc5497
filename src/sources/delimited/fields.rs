//! What the fields of a record say.

use super::records::Field;
use crate::sources::recognise::Dialect;

/// Words that stand for no value in a column that is not text, in any case.
const NO_VALUES: [&str; 4] = ["null", "nan", "none", "n/a"];
/// What Snowflake, Hive and Redshift write for NULL.
const NULL: &str = "\\N";

/// Reads the values of fields.
pub(super) struct Values {
    quote: char,
    escape: Option<char>,
    null: Option<String>,
    unescaped: String,
}

impl Values {
    /// Of text that is written in `dialect`.
    pub(super) fn new(dialect: &Dialect) -> Self {
        let escape = dialect.escape.filter(|escape| *escape != dialect.quote).map(char::from);
        Self { quote: char::from(dialect.quote), escape, null: dialect.null.clone(), unescaped: String::new() }
    }

    /// The value of `field` in the record `text`, for a column that `is_text` or not; none for a NULL.
    #[inline]
    pub(super) fn value<'a>(&'a mut self, text: &'a str, field: Field, is_text: bool) -> Option<&'a str> {
        let raw = &text[field.start..field.end];
        let null = self.null.as_deref().unwrap_or(NULL);
        if raw.is_empty() || !field.is_quoted && raw == null {
            return None;
        }
        let value = self.text(text, field);
        if !is_text && is_no_value(value) { None } else { Some(value) }
    }

    /// What stands in `field` of the record `text`, without quotes and escapes.
    #[inline]
    pub(super) fn text<'a>(&'a mut self, text: &'a str, field: Field) -> &'a str {
        let raw = &text[field.start..field.end];
        if field.is_escaped { self.unescape(raw, field.is_quoted) } else { raw }
    }

    fn unescape(&mut self, raw: &str, is_quoted: bool) -> &str {
        self.unescaped.clear();
        let mut letters = raw.chars();
        while let Some(letter) = letters.next() {
            let stands_for_next = Some(letter) == self.escape || is_quoted && letter == self.quote;
            self.unescaped.extend(if stands_for_next { letters.next() } else { Some(letter) });
        }
        &self.unescaped
    }
}

/// Whether `value` is a word for no value.
pub(super) fn is_no_value(value: &str) -> bool {
    value.len() <= 4 && NO_VALUES.iter().any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_null_and_a_word_for_it_only_where_it_cannot_be_text() {
        let dialect = Dialect {
            delimiter: b',',
            quote: b'"',
            escape: None,
            comment: None,
            has_header: true,
            null: Some("-".into()),
        };
        let mut values = Values::new(&dialect);
        let field = |text: &str, is_quoted| Field { start: 0, end: text.len(), is_quoted, is_escaped: false };
        for (text, is_quoted, is_text, expected) in [
            ("", false, true, None),
            ("", true, true, None),
            ("\\N", false, true, Some("\\N")),
            ("-", true, true, Some("-")),
            ("-", false, true, None),
            ("NULL", false, true, Some("NULL")),
            ("NULL", true, false, None),
            ("NaN", false, false, None),
            ("7", false, false, Some("7")),
        ] {
            assert_eq!(values.value(text, field(text, is_quoted), is_text), expected, "{text}");
        }
    }

    #[test]
    fn quotes_are_halved_and_escapes_taken_off() {
        let dialect =
            Dialect { delimiter: b',', quote: b'"', escape: Some(b'\\'), comment: None, has_header: true, null: None };
        let mut values = Values::new(&dialect);
        let mut text = |raw: &str, is_quoted| {
            values.text(raw, Field { start: 0, end: raw.len(), is_quoted, is_escaped: true }).to_owned()
        };
        assert_eq!(text("a\"\"b\\\"c\\\\", true), "a\"b\"c\\");
        assert_eq!(text("5\"\" \\, ü", false), "5\"\" , ü");
    }
}
