//! What is said of SQL that is valid here and means something else than elsewhere.

use super::{Finding, Subject};

/// SQL that means something else here, with what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A format of a time without a `%`, or with letters that stand for themselves: the function and the format.
    Format(String, String),
    /// A code of a format that is another one in `MySQL`.
    Code(&'static str, &'static str),
    /// SIMILAR TO, with the pattern as a regular expression where it stands in the query.
    Similar(Option<String>),
    /// The first element counted from 0.
    ElementZero,
    /// A start before the text, with it.
    SubstringStart(i64),
    /// `regexp_replace` of the first match only.
    FirstMatch,
    /// A logarithm without a base.
    Logarithm,
    /// `^` between numbers.
    Caret,
    /// A condition over a division of whole numbers.
    Condition,
}

/// The finding that the query means something else.
#[must_use]
pub fn meaning(meaning: &Meaning) -> Finding {
    let (code, message, help) = match meaning {
        Meaning::Format(function, format) => (
            "PB2027",
            format!("`{function}` takes `%` codes, and the letters of '{format}' stand for themselves"),
            match codes(format) {
                Some(codes) => format!("write '{codes}'"),
                None => "write '%Y-%m-%d' for a date, '%Y-%m-%d %H:%M:%S' for a time".to_owned(),
            },
        ),
        Meaning::Code(code, is) => (
            "PB2028",
            format!("`{code}` in a format is {is} here, and another thing in MySQL"),
            "the codes are %Y %m %d %H %M %S for year, month, day, hour, minute and second".to_owned(),
        ),
        Meaning::Similar(pattern) => (
            "PB2027",
            "SIMILAR TO takes a regular expression here: `%` and `_` stand for themselves, and a part of the text is enough"
                .to_owned(),
            match pattern {
                Some(pattern) => format!("write x ~ '{pattern}'"),
                None => "write x ~ '^…$' with a regular expression".to_owned(),
            },
        ),
        Meaning::ElementZero => (
            "PB2027",
            "elements are counted from 1 here, so that element 0 is always NULL".to_owned(),
            "write [1] for the first".to_owned(),
        ),
        Meaning::SubstringStart(0) => (
            "PB2028",
            "a start of 0 is the place before the first character here, so that one character fewer is taken".to_owned(),
            "write 1 for the first character".to_owned(),
        ),
        Meaning::SubstringStart(start) => (
            "PB2028",
            format!("a start of {start} does not count from the end here, but lies before the text"),
            format!("write right(x, {}) for the last characters", start.unsigned_abs()),
        ),
        Meaning::FirstMatch => (
            "PB2028",
            "`regexp_replace` replaces the first match only".to_owned(),
            "write 'g' as its fourth argument to replace all of them, or `^` to mean the first".to_owned(),
        ),
        Meaning::Logarithm => (
            "PB2028",
            "`log` of one argument has base 10 here, and base e elsewhere".to_owned(),
            "write log10(x) or ln(x)".to_owned(),
        ),
        Meaning::Caret => (
            "PB2028",
            "`^` compares bits here, and is a power elsewhere: 10 ^ 2 is 8".to_owned(),
            "write power(x, y), or xor by its own name in a warehouse".to_owned(),
        ),
        Meaning::Condition => (
            "PB2028",
            "a condition divides whole numbers, which drops the decimals: 199 / 100 is 1".to_owned(),
            "divide by a number with decimals, such as x / 100.0".to_owned(),
        ),
    };
    Finding::new(code, Subject::Query, message).help(help)
}

/// The format of a warehouse or of Java with the codes of this engine, where it has no other letters.
fn codes(format: &str) -> Option<String> {
    const WORDS: &[(&str, &str)] = &[
        ("HH24", "%H"),
        ("HH12", "%I"),
        ("YYYY", "%Y"),
        ("yyyy", "%Y"),
        ("MMMM", "%B"),
        ("MONTH", "%B"),
        ("MON", "%b"),
        ("MMM", "%b"),
        ("YY", "%y"),
        ("yy", "%y"),
        ("MM", "%m"),
        ("MI", "%M"),
        ("mm", "%M"),
        ("mi", "%M"),
        ("DD", "%d"),
        ("dd", "%d"),
        ("HH", "%H"),
        ("hh", "%I"),
        ("SS", "%S"),
        ("ss", "%S"),
    ];
    let mut written = String::new();
    let mut rest = format;
    while let Some(letter) = rest.chars().next() {
        if let Some((word, code)) = WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
            written.push_str(code);
            rest = &rest[word.len()..];
        } else if letter.is_alphabetic() && letter != 'T' || letter == '%' {
            return None;
        } else {
            if letter != '\'' && letter != '"' {
                written.push(letter);
            }
            rest = &rest[letter.len_utf8()..];
        }
    }
    written.contains('%').then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_warehouses_are_rewritten() {
        for (format, expected) in [
            ("YYYYMMDD", Some("%Y%m%d")),
            ("YYYY-MM-DD HH24:MI:SS", Some("%Y-%m-%d %H:%M:%S")),
            ("yyyy-MM-dd'T'HH:mm:ss", Some("%Y-%m-%dT%H:%M:%S")),
            ("DD/MM/YY", Some("%d/%m/%y")),
            ("DD-MON-YYYY", Some("%d-%b-%Y")),
            ("Day", None),
            ("", None),
            ("--", None),
        ] {
            assert_eq!(codes(format).as_deref(), expected, "{format}");
        }
    }
}
