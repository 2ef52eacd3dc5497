//! What an engine says of a row, without the row's values.
//!
//! Engines quote values with and without quotes: `Cannot cast string 'x' to value of Int32 type`, `invalid Unicode
//! scalar value: 2133734253`, `Map key must be unique, duplicate key found: x`. No pattern tells the value from the
//! words around it, so the words are known and the rest is hidden: rather too much than too little.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::masked;

/// Words that messages about values are made of, in lower case.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "a", "after", "algorithm", "allowed", "an", "and", "are", "argument", "arguments", "array", "arrays", "at",
    "base64", "be", "before", "begin", "between", "boolean", "bounds", "but", "by", "byte", "bytes", "can", "can't",
    "cannot", "cast", "casting", "character", "characters", "class", "code", "compile", "component", "conversion",
    "convert", "converting", "could", "date", "day", "decimal", "decode", "decoding", "did", "digest", "digit",
    "digits", "divide", "division", "does", "doesn't", "duplicate", "duration", "element", "elements", "empty",
    "encode", "encoding", "end", "equal", "error", "exceed", "exceeds", "execution", "expected", "expression",
    "extract", "fail", "failed", "field", "flag", "flags", "for", "format", "found", "from", "function",
    "granularity", "greater", "group", "happened", "has", "have", "hex", "hour", "if", "in", "index", "input",
    "integer", "interval", "invalid", "is", "it", "its", "key", "keys", "large", "least", "length", "less", "limit",
    "list", "lists", "map", "match", "maximum", "minimum", "minute", "missing", "month", "more", "most", "must",
    "negative", "no", "non", "non-negative", "non-null", "non-zero", "not", "null", "number", "numeric", "of", "on",
    "one", "only", "operation", "or", "out", "overflow", "overflowed", "parameter", "parse", "parsing", "part",
    "pattern", "position", "positive", "precision", "range", "recognized", "regex", "regexp", "regular", "repetition",
    "result", "returned", "row", "rows", "scalar", "scale", "second", "select", "set", "size", "small", "specifier",
    "start", "step", "store", "string", "struct", "subquery", "supported", "table", "text", "than", "that", "the",
    "then", "there", "this", "time", "timestamp", "timezone", "to", "too", "type", "types", "unable", "unclosed",
    "unexpected", "unicode", "unique", "unit", "unknown", "unrecognized", "unsupported", "utf-8", "value", "values",
    "was", "when", "while", "with", "year", "zero", "zone",
];

/// Names of Arrow's types.
#[rustfmt::skip]
const TYPES: &[&str] = &[
    "Binary", "Boolean", "Date32", "Date64", "Decimal128", "Decimal256", "Decimal32", "Decimal64", "Dictionary",
    "Duration", "Float16", "Float32", "Float64", "Int16", "Int32", "Int64", "Int8", "Interval", "LargeBinary",
    "LargeUtf8", "List", "Microsecond", "Millisecond", "Nanosecond", "None", "Null", "Second", "Some", "Struct",
    "Time32", "Time64", "Timestamp", "UInt16", "UInt32", "UInt64", "UInt8", "Utf8", "Utf8View",
];

/// What stands in place of a value.
const HIDDEN: &str = "<value>";

/// The first line of `text` with its known words; everything else is hidden.
pub(super) fn known(text: &str) -> String {
    let line = masked(text.lines().next().unwrap_or_default());
    let mut kept = String::with_capacity(line.len());
    let mut was_hidden = false;
    for word in line.split_whitespace() {
        let inner = word.trim_matches(|letter: char| letter.is_ascii_punctuation());
        let is_known = inner.is_empty() || inner == "value" || is_known(inner);
        if !is_known && was_hidden {
            continue;
        }
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(if is_known { word } else { HIDDEN });
        was_hidden = !is_known;
    }
    kept
}

fn is_known(word: &str) -> bool {
    static FUNCTIONS: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let functions = datafusion::functions::all_default_functions().into_iter();
        let nested = datafusion::functions_nested::all_default_nested_functions();
        functions.chain(nested).map(|function| function.name().to_owned()).collect()
    });
    TYPES.contains(&word)
        || WORDS.binary_search(&word.to_lowercase().as_str()).is_ok()
        || FUNCTIONS.contains(word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted() {
        assert!(WORDS.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(TYPES.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn values_are_hidden_with_quotes_and_without() {
        for (text, expected) in [
            (
                "Cannot cast string 'Pat O'Neil' to value of Int32 type",
                "Cannot cast string <value> to value of Int32 type",
            ),
            ("invalid Unicode scalar value: 2133734253", "invalid Unicode scalar value: <value>"),
            (
                "Map key must be unique, duplicate key found: pat@example.com",
                "Map key must be unique, duplicate key found: <value>",
            ),
            ("Overflow happened on FACTORIAL(2133734253)", "Overflow happened on <value>"),
            ("Unable to parse date from 2133734253, 1, 1", "Unable to parse date from <value>"),
            ("regex parse error:\n    [pat@example.com\n", "regex parse error:"),
            (
                "overlay start position must be at least 1: -2133734253",
                "overlay start position must be at least <value>",
            ),
            ("array_resize: failed to convert size", "array_resize: failed to convert size"),
            ("", ""),
        ] {
            assert_eq!(known(text), expected);
        }
    }
}
