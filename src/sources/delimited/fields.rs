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
    delimiter: char,
    escape: Option<char>,
    /// Whether it is one outside of quotes, and before a delimiter or a line end.
    is_everywhere: bool,
    null: Option<String>,
    unescaped: String,
}

impl Values {
    /// Of text that is written in `dialect`.
    pub(super) fn new(dialect: &Dialect) -> Self {
        let escape = dialect.escape.filter(|escape| escape.letter != dialect.quote);
        Self {
            quote: char::from(dialect.quote),
            delimiter: char::from(dialect.delimiter),
            escape: escape.map(|escape| char::from(escape.letter)),
            is_everywhere: escape.is_some_and(|escape| escape.is_everywhere),
            null: dialect.null.clone(),
            unescaped: String::new(),
        }
    }

    /// The value of `field` in the record `text`, for a column that `is_text` or not; none for a NULL. Blanks around it are
    /// part of a text alone.
    #[inline]
    pub(super) fn value<'a>(&'a mut self, text: &'a str, field: Field, is_text: bool) -> Option<&'a str> {
        let raw = &text[field.start..field.end];
        let null = self.null.as_deref().unwrap_or(NULL);
        if raw.is_empty() || !field.is_quoted && raw == null {
            return None;
        }
        let value = self.text(text, field);
        if is_text {
            return Some(value);
        }
        Some(value.trim()).filter(|value| !value.is_empty() && !is_no_value(value))
    }

    /// What stands in `field` of the record `text`, without quotes and escapes.
    #[inline]
    pub(super) fn text<'a>(&'a mut self, text: &'a str, field: Field) -> &'a str {
        let raw = &text[field.start..field.end];
        if field.is_escaped { self.unescape(raw, field.is_quoted) } else { raw }
    }

    /// `raw` without doubled quotes, and without each escape before a letter that means something: before others it is a
    /// letter itself.
    fn unescape(&mut self, raw: &str, is_quoted: bool) -> &str {
        self.unescaped.clear();
        let mut letters = raw.chars().peekable();
        while let Some(letter) = letters.next() {
            let escapes = Some(letter) == self.escape && letters.peek().is_some_and(|next| self.has_meaning(*next));
            let stands_for_next = escapes || is_quoted && letter == self.quote;
            self.unescaped.extend(if stands_for_next { letters.next() } else { Some(letter) });
        }
        &self.unescaped
    }

    /// Whether an escape takes the meaning of `letter` away.
    fn has_meaning(&self, letter: char) -> bool {
        let is_mark = letter == self.quote || Some(letter) == self.escape;
        is_mark || self.is_everywhere && (letter == self.delimiter || matches!(letter, '\n' | '\r'))
    }
}

/// Whether `value` is a word for no value.
pub(super) fn is_no_value(value: &str) -> bool {
    value.len() <= 4 && NO_VALUES.iter().any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::recognise::Escaping;

    #[test]
    fn nothing_is_null_and_a_word_for_it_only_where_it_cannot_be_text() {
        let dialect = Dialect {
            delimiter: b',',
            quote: b'"',
            escape: None,
            comment: None,
            has_header: true,
            is_closed: None,
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
            (" 7\u{a0}", false, false, Some("7")),
            (" 7 ", false, true, Some(" 7 ")),
            (" ", false, false, None),
            (" none ", true, false, None),
        ] {
            assert_eq!(values.value(text, field(text, is_quoted), is_text), expected, "{text}");
        }
    }

    /// What stands in the field `raw`, where a backslash escapes.
    fn unescaped(raw: &str, is_quoted: bool, is_everywhere: bool) -> String {
        let dialect = Dialect {
            delimiter: b',',
            quote: b'"',
            escape: Some(Escaping { letter: b'\\', is_everywhere }),
            comment: None,
            has_header: true,
            is_closed: None,
            null: None,
        };
        Values::new(&dialect).text(raw, Field { start: 0, end: raw.len(), is_quoted, is_escaped: true }).to_owned()
    }

    #[test]
    fn quotes_are_halved_and_escapes_taken_off() {
        assert_eq!(unescaped("a\"\"b\\\"c\\\\", true, true), "a\"b\"c\\");
        assert_eq!(unescaped("5\"\" \\, ü", false, true), "5\"\" , ü");
    }

    #[test]
    fn a_backslash_before_a_letter_without_meaning_is_a_letter() {
        for (raw, is_quoted, is_everywhere, expected) in [
            ("back\\slash", false, true, "back\\slash"),
            ("back\\slash", true, true, "back\\slash"),
            ("back\\slash", true, false, "back\\slash"),
            ("C:\\new\\table", false, true, "C:\\new\\table"),
            ("\\N", true, false, "\\N"),
            ("at the end\\", true, true, "at the end\\"),
            ("\\ü", true, true, "\\ü"),
            ("a\\\\b", true, false, "a\\b"),
            ("a\\\\\\b", true, false, "a\\\\b"),
            ("a\\,b", true, true, "a,b"),
            ("a\\,b", true, false, "a\\,b"),
            ("a\\\nb", false, true, "a\nb"),
            ("say \\\"x\\\"", true, false, "say \"x\""),
        ] {
            assert_eq!(unescaped(raw, is_quoted, is_everywhere), expected, "{raw}");
        }
    }
}
