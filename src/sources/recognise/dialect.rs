//! How delimited text is written, as its first records show.
//!
//! Each way of writing is tried on the first records: the one in which most of them have the same number of fields, and
//! no text stands behind a closing quote, is theirs. A delimiter that is frequent is not yet one: in `1;2,50` and `3;4`
//! the comma stands in an amount.

use std::collections::HashMap;

use super::super::declared::Given;
use super::super::header::{self, Look};
use super::above::{self, Above, first_usual};

/// Delimiters of delimited text, the likelier first; the last is what Hive writes.
const DELIMITERS: [u8; 5] = [b',', b'\t', b'|', b';', 1];
/// What values are quoted with, the likelier first.
const QUOTES: [u8; 2] = [b'"', b'\''];
/// What else than doubling takes the meaning of a quote or a delimiter away.
const ESCAPE: u8 = b'\\';
/// Records that are looked at.
const MAX_RECORDS: usize = 200;
/// Values in single quotes that make them quotes, and not apostrophes.
const MIN_QUOTED: usize = 2;

/// How delimited text is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sources) struct Dialect {
    /// Between the values.
    pub(in crate::sources) delimiter: u8,
    /// Around values that hold a delimiter, a quote or a line end. Inside, a doubled quote stands for one.
    pub(in crate::sources) quote: u8,
    /// Takes the meaning of the byte behind it away.
    pub(in crate::sources) escape: Option<Escaping>,
    /// Lines that begin with it are no records.
    pub(in crate::sources) comment: Option<u8>,
    /// Whether the first record names the columns.
    pub(in crate::sources) has_header: bool,
    /// Whether each record ends with a delimiter behind its last value, if somebody said so.
    pub(in crate::sources) is_closed: Option<bool>,
    /// The one text, not quoted, that stands for a null; where none is declared, the usual ones do.
    pub(in crate::sources) null: Option<String>,
}

/// What takes the meaning of a quote, a delimiter or a line end away. Before other letters it is a letter itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sources) struct Escaping {
    pub(in crate::sources) letter: u8,
    /// Whether it does so outside of quotes too, as Redshift writes it, and not between quotes alone, as Spark does.
    pub(in crate::sources) is_everywhere: bool,
}

/// How the values of one file are quoted, as far as its first records show that; files of one table may differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sources) struct Quoting {
    quote: Option<u8>,
    escape: Escape,
}

/// What a file shows of its escapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    /// Nothing.
    #[default]
    Unseen,
    /// Nothing escapes, although the usual letter stands there.
    Never,
    By(Escaping),
}

/// What the first records of one file show; nothing where they show nothing.
#[derive(Clone, Debug, Default)]
pub(in crate::sources) struct Signs {
    pub(super) delimiter: Option<u8>,
    quoting: Quoting,
    /// The fields of the first record.
    pub(in crate::sources) first: Vec<String>,
    /// Whether they look like the names of columns.
    pub(in crate::sources) look: Look,
    /// What stands above them.
    pub(in crate::sources) above: Option<Above>,
}

/// A way to write records.
#[derive(Clone, Copy)]
struct Style {
    delimiter: u8,
    quote: u8,
    escape: Option<Escaping>,
    comment: Option<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Record {
    /// Where it begins in its text.
    pub(super) begin: usize,
    pub(super) fields: Vec<Vec<u8>>,
    /// How many of them are quoted.
    quoted: usize,
    /// Whether text stands behind a closing quote, or a quote is never closed.
    pub(super) is_faulty: bool,
}

/// How well a style fits, compared from the first part to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::struct_excessive_bools, reason = "each is one step of the comparison")]
struct Fit {
    /// Whether the first record is split too, and half of all are alike.
    is_whole: bool,
    /// Records, of a thousand, that are sound and have the same number of fields.
    alike: usize,
    /// Whether the first record is one of them.
    with_first: bool,
    /// Whether the delimiter stands elsewhere than between digits.
    is_no_decimal_point: bool,
    /// Whether values are quoted.
    with_quotes: bool,
    /// Fields of a record.
    fields: usize,
}

impl Dialect {
    /// How a file that shows `signs` is written, where `given` does not say otherwise.
    pub(super) fn new(signs: &Signs, given: &Given) -> Self {
        Self {
            delimiter: given.delimiter.or(signs.delimiter).unwrap_or(DELIMITERS[0]),
            quote: given.quote.or(signs.quoting.quote).unwrap_or(QUOTES[0]),
            escape: given.escape.map(Escaping::everywhere).or(signs.quoting.escape.or(None)),
            comment: given.comment,
            has_header: given.has_header.unwrap_or(true),
            is_closed: given.trailing_delimiter,
            null: given.null.clone(),
        }
    }

    /// How a file of the table is written, whose values are quoted as `quoting` says.
    pub(in crate::sources) fn of(&self, quoting: Quoting) -> Self {
        let Quoting { quote, escape } = quoting;
        Self { quote: quote.unwrap_or(self.quote), escape: escape.or(self.escape), ..self.clone() }
    }
}

impl Escaping {
    /// A `letter` that escapes inside and outside of quotes.
    fn everywhere(letter: u8) -> Self {
        Self { letter, is_everywhere: true }
    }
}

impl Escape {
    /// What escapes, if it is `usual` where the file does not show it.
    fn or(self, usual: Option<Escaping>) -> Option<Escaping> {
        match self {
            Self::Unseen => usual,
            Self::Never => None,
            Self::By(escape) => Some(escape),
        }
    }
}

impl Signs {
    /// Takes over what `other` shows and `self` does not; `false` if they contradict each other.
    pub(super) fn agree(&mut self, other: &Self) -> bool {
        if matches!((self.delimiter, other.delimiter), (Some(one), Some(two)) if one != two) {
            return false;
        }
        self.delimiter = self.delimiter.or(other.delimiter);
        let (own, others) = (&mut self.quoting, other.quoting);
        own.quote = own.quote.or(others.quote);
        if !matches!(own.escape, Escape::By(_)) && others.escape != Escape::Unseen {
            own.escape = others.escape;
        }
        true
    }

    /// How the values of the file are quoted, as is `given` or as it shows.
    pub(super) fn quoting(&self, given: &Given) -> Quoting {
        let Quoting { quote, escape } = self.quoting;
        Quoting {
            quote: given.quote.or(quote),
            escape: given.escape.map_or(escape, |letter| Escape::By(Escaping::everywhere(letter))),
        }
    }
}

/// What `head` shows, whose last record `is_cut` or not, beside what is `given`.
pub(super) fn signs(head: &[u8], is_cut: bool, given: &Given) -> Signs {
    let styles = styles(head, given);
    let mut best: Option<(Fit, Style, Vec<Record>)> = None;
    for style in styles {
        let records = style.records(head, is_cut);
        if let Some(fit) = fit(&records, style.delimiter)
            && best.as_ref().is_none_or(|(best, ..)| fit > *best)
        {
            best = Some((fit, style, records));
        }
    }
    let (delimiter, style, records) = if let Some((_, style, records)) = best {
        (Some(style.delimiter), style, records)
    } else {
        // One column: no delimiter, and every style reads the same.
        let style = Style {
            delimiter: given.delimiter.unwrap_or(DELIMITERS[0]),
            quote: given.quote.unwrap_or(QUOTES[0]),
            escape: given.escape.map(Escaping::everywhere),
            comment: given.comment,
        };
        (None, style, style.records(head, is_cut))
    };
    let text = |record: &Record| -> Vec<String> {
        record.fields.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
    };
    let mut texts: Vec<Vec<String>> = records.iter().map(text).collect();
    let begin = if given.has_header == Some(false) { 0 } else { above::table_begin(&records, &texts) };
    let above = Above::of(&records, begin, head);
    let mut texts = texts.drain(begin.min(records.len())..);
    let first = texts.next().unwrap_or_default();
    let look = header::look(&first, &texts.collect::<Vec<_>>());
    let has_quotes = records.iter().any(|record| record.quoted > 0);
    let escape = match style.escape {
        Some(escape) => Escape::By(escape),
        None if memchr::memchr(ESCAPE, head).is_some() => Escape::Never,
        None => Escape::Unseen,
    };
    let quoting = Quoting { quote: has_quotes.then_some(style.quote), escape };
    Signs { delimiter, quoting, first, look, above }
}

/// The styles that `head` can be written in, the likelier first.
fn styles(head: &[u8], given: &Given) -> Vec<Style> {
    let has = |byte: &u8| memchr::memchr(*byte, head).is_some();
    let one_or = |given: Option<u8>, usual: &[u8]| -> Vec<u8> {
        given.map_or_else(|| usual.iter().copied().filter(has).collect(), |given| vec![given])
    };
    let mut quotes = vec![given.quote.unwrap_or(QUOTES[0])];
    quotes.extend(QUOTES[1..].iter().filter(|quote| given.quote.is_none() && has(quote)));
    let escapes = match given.escape {
        Some(letter) => vec![Some(Escaping::everywhere(letter))],
        None if has(&ESCAPE) => {
            let between_quotes = Escaping { letter: ESCAPE, is_everywhere: false };
            vec![None, Some(between_quotes), Some(Escaping::everywhere(ESCAPE))]
        }
        None => vec![None],
    };
    let mut styles = Vec::new();
    for delimiter in one_or(given.delimiter, &DELIMITERS) {
        for quote in &quotes {
            for escape in &escapes {
                styles.push(Style { delimiter, quote: *quote, escape: *escape, comment: given.comment });
            }
        }
    }
    styles
}

/// How well `records` were split at `delimiter`; none if it hardly splits them.
fn fit(records: &[Record], delimiter: u8) -> Option<Fit> {
    let first = records.first()?.fields.len();
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for record in records.iter().filter(|record| !record.is_faulty) {
        *counts.entry(record.fields.len()).or_default() += 1;
    }
    let (fields, alike) = match first_usual(records).map(|begin| records[begin].fields.len()) {
        Some(fields) => (fields, counts.get(&fields).copied().unwrap_or(0)),
        None => counts
            .into_iter()
            .max_by_key(|(fields, records)| (*records, *fields == first, *fields))
            .unwrap_or((first, 0)),
    };
    if fields < 2 {
        return None;
    }
    Some(Fit {
        is_whole: first > 1 && alike * 2 >= records.len(),
        alike: alike * 1_000 / records.len(),
        with_first: fields == first && !records[0].is_faulty,
        is_no_decimal_point: delimiter != b',' || !is_decimal_point(records),
        with_quotes: records.iter().map(|record| record.quoted).sum::<usize>() >= MIN_QUOTED,
        fields,
    })
}

/// Whether every comma at which `records` were split stands between two digits.
fn is_decimal_point(records: &[Record]) -> bool {
    records.iter().flat_map(|record| record.fields.windows(2)).all(|pair| {
        let before = pair[0].last().is_some_and(u8::is_ascii_digit);
        before && pair[1].first().is_some_and(u8::is_ascii_digit)
    })
}

impl Record {
    /// Fields in which a value stands.
    pub(super) fn values(&self) -> usize {
        self.fields.iter().filter(|field| !field.trim_ascii().is_empty()).count()
    }
}

impl Style {
    /// The first records of `head`; the last, if it `is_cut`, left out unless it is the only one.
    fn records(self, head: &[u8], is_cut: bool) -> Vec<Record> {
        let mut records = Vec::new();
        let mut rest = head;
        while !rest.is_empty() && records.len() < MAX_RECORDS {
            let (mut record, length) = self.record(rest);
            record.begin = head.len() - rest.len();
            let is_last = length == rest.len() && !rest.ends_with(b"\n");
            rest = &rest[length..];
            let is_blank = record.quoted == 0 && record.fields.iter().all(Vec::is_empty) && record.fields.len() < 2;
            if is_blank || self.comment.is_some_and(|comment| head[head.len() - rest.len() - length] == comment) {
                continue;
            }
            if !(is_last && is_cut && !records.is_empty()) {
                records.push(record);
            }
        }
        records
    }

    /// The record at the beginning of `text`, and its length with its line end.
    fn record(self, text: &[u8]) -> (Record, usize) {
        let mut record = Record::default();
        let mut field = Vec::new();
        let (mut in_quotes, mut is_closed) = (false, false);
        let mut index = 0;
        while let Some(&byte) = text.get(index) {
            index += 1;
            let next = text.get(index).copied();
            if !is_closed && self.escape.is_some_and(|it| it.letter == byte && (it.is_everywhere || in_quotes)) {
                field.extend([byte].into_iter().chain(next));
                index += usize::from(next.is_some());
            } else if in_quotes {
                if byte != self.quote {
                    field.push(byte);
                } else if next == Some(self.quote) {
                    field.push(byte);
                    index += 1;
                } else {
                    (in_quotes, is_closed) = (false, true);
                }
            } else if byte == self.delimiter {
                record.fields.push(std::mem::take(&mut field));
                is_closed = false;
            } else if matches!(byte, b'\n' | b'\r') {
                index += usize::from(byte == b'\r' && next == Some(b'\n'));
                record.fields.push(field);
                return (record, index);
            } else if byte == self.quote && field.is_empty() && !is_closed {
                in_quotes = true;
                record.quoted += 1;
            } else {
                record.is_faulty |= is_closed;
                field.push(byte);
            }
        }
        record.is_faulty |= in_quotes;
        record.fields.push(field);
        (record, index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(head: &str) -> Dialect {
        Dialect::new(&signs(head.as_bytes(), false, &Given::default()), &Given::default())
    }

    #[test]
    fn the_records_tell_the_delimiter() {
        for (head, expected) in [
            ("a,b;c,d\n;;;;;", b','),
            ("a\tb\tc\n", b'\t'),
            ("a|b\n", b'|'),
            ("\"a,b,c\";d\n", b';'),
            ("alone\n", b','),
            ("id;price\n1;2,50\n2;3,10\n", b';'),
            ("1;2,50\n2;3,10\n", b';'),
            ("id,note\n1,a;b;c\n2,d\n3,e;f\n", b','),
            ("id;name;note\n1;x;a, b, c, d\n2;y;e, f, g\n", b';'),
            ("1|2025-01-01 10:00:00|a,b\n2|2025-01-01 10:00:00|c\n", b'|'),
            ("a\u{1}b\n1\u{1}2,3\n", 1),
            ("comment\nhello, world\nyes, and, no\n", b','),
            ("a,b\r1,2\r3,4\r", b','),
        ] {
            assert_eq!(dialect(head).delimiter, expected, "{head}");
        }
    }

    #[test]
    fn quotes_and_escapes_are_seen_in_their_effect() {
        let written = |head: &str| {
            let dialect = dialect(head);
            let escape = dialect.escape.map(|escape| (char::from(escape.letter), escape.is_everywhere));
            (char::from(dialect.delimiter), char::from(dialect.quote), escape)
        };
        for (head, expected) in [
            ("id,name\n1,\"a,b\"\n", (',', '"', None)),
            ("id,name\n1,\"a \"\"b\"\" c\"\n", (',', '"', None)),
            ("id,name\n1,\"a \\\"b\\\", c\"\n2,x\n", (',', '"', Some(('\\', false)))),
            ("id,name\n1,\"a \\\"b\\\", c\"\n2,back\\slash\n", (',', '"', Some(('\\', false)))),
            ("id,name\n1,\"a \\\"b\\\", c\"\n2,C:\\\n3,D:\\\n", (',', '"', Some(('\\', false)))),
            ("id|name\n1|\"a \\\"b\\\"| c\"\n2|a\\|b\n", ('|', '"', Some(('\\', true)))),
            ("id|name\n1|a\\\nb\n2|c\n", ('|', '"', Some(('\\', true)))),
            ("id,path\n1,C:\\dir\n2,D:\\\\x\n", (',', '"', None)),
            ("id,path\n1,\"C:\\dir\\\"\n2,\"D:\\\"\n", (',', '"', None)),
            ("id,name\n1,'a,b'\n2,'c'\n", (',', '\'', None)),
            ("'id';'name'\n1;'a;b'\n", (';', '\'', None)),
            ("id,name\n1,'t Hooft\n2,O'Brien\n", (',', '"', None)),
            ("1|a\\|b|x\n2|c|\\N\n", ('|', '"', Some(('\\', true)))),
            ("1,\\N,x\n2,\\N,y\n", (',', '"', None)),
        ] {
            assert_eq!(written(head), expected, "{head}");
        }
    }

    #[test]
    fn what_is_given_is_taken() {
        let given = Given { delimiter: Some(b'~'), quote: Some(b'\''), comment: Some(b'#'), ..Given::default() };
        let signs = signs(b"# x,y,z\nid~n,m\n1~'a~b'\n", false, &given);
        assert_eq!(signs.first, ["id", "n,m"]);
        assert_eq!(Dialect::new(&signs, &given).delimiter, b'~');
    }

    #[test]
    fn files_of_one_column_agree_with_all_others() {
        let given = Given::default();
        let mut one = signs(b"a\n1\n", false, &given);
        assert!(one.agree(&signs(b"a;b\n1;'2'\n3;'4'\n", false, &given)));
        assert_eq!((Dialect::new(&one, &given).delimiter, Dialect::new(&one, &given).quote), (b';', b'\''));
        assert!(!one.agree(&signs(b"a|b\n", false, &given)));
    }
}
