//! The records of delimited text, one after the other, each sound or faulty.
//!
//! Quoting is strict: a quote that opens at the beginning of a field closes before a delimiter, a line end or the end of
//! the text. Elsewhere in a field a quote is a letter like any other, but not right behind a faulty record with quotes:
//! what follows may be the rest of its last value, and must not be taken for a row.
//!
//! Where a faulty record ends, its quotes tell if they are in order, and reading goes on behind it. If they are not, or if
//! it has too few or too many fields and a line within it could be a row, nobody can tell values from rows: an open quote
//! costs its own line, and of the other no line is read. Each line of which that is so counts as a row.

use std::borrow::Cow;
use std::io::{self, Read};
use std::str;

use memchr::{memchr, memchr_iter, memchr2, memchr3};

use super::layout::Width;
use crate::sources::recognise::Dialect;
use crate::sources::unread::{Damage, Fault, Spot};
use crate::sources::window::{LineEnds, MAX_RECORD, Window};

/// The longest field that is read.
const MAX_FIELD: usize = 1 << 20;
const GIGANTIC: &str = "a field of more than 1 MiB";
const NOT_UTF8: &str = "bytes that are not UTF-8";

/// Reads records from `R`.
pub(super) struct Records<R> {
    window: Window<R>,
    marks: Marks,
    width: Option<Width>,
    /// Whether the text goes on behind its end, so that what has no end there is not at fault.
    is_cut: bool,
    /// Whether the last record was faulty and had quotes, or may have had, so that it is in doubt where the values of the next begin.
    is_in_doubt: bool,
    /// Where a record ends of which no line is read.
    unread_until: u64,
    fields: Vec<Field>,
}

/// What the bytes of a dialect mean.
#[derive(Clone, Copy)]
struct Marks {
    delimiter: u8,
    quote: Option<u8>,
    /// Between quotes.
    escape: Option<u8>,
    /// Outside of them.
    plain_escape: Option<u8>,
    comment: Option<u8>,
}

/// Where a field stands in its record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Its first byte, behind the quote.
    pub(super) start: usize,
    /// The byte behind its last, or its closing quote.
    pub(super) end: usize,
    /// Whether it stands between quotes.
    pub(super) is_quoted: bool,
    /// Whether it holds doubled quotes or escapes.
    pub(super) is_escaped: bool,
}

/// What stands in the next line.
pub(super) enum Found<'a> {
    /// A sound record.
    Record(Record<'a>),
    /// One that cannot be read.
    Faulty(Fault),
}

/// A sound record.
pub(super) struct Record<'a> {
    /// The line in which it begins, from 1.
    pub(super) line: u64,
    /// All of it.
    pub(super) text: &'a str,
    /// As many as the table has columns, or as there are where that is not known.
    pub(super) fields: &'a [Field],
}

/// What the beginning of a text is.
enum Parsed {
    /// A record with its line end, of so many bytes; whether it is a single line.
    Record { content: usize, length: usize, is_line: bool },
    /// More must be read to know.
    Incomplete,
    /// It is at fault, which shows behind so many bytes.
    Faulty(Damage, &'static str, usize),
}

/// What the fields of a record go on with.
enum Behind {
    Field,
    /// Its end, and the bytes of the line end.
    End(usize),
    Incomplete,
    Text,
}

impl Field {
    /// Whether nothing stands there, not even quotes.
    pub(super) fn is_empty(&self) -> bool {
        !self.is_quoted && self.start == self.end
    }
}

impl<R: Read> Records<R> {
    /// The records of `source`, which ends in the middle of its text if it `is_cut`.
    pub(super) fn new(source: R, dialect: &Dialect, is_cut: bool) -> Self {
        let window = Window::new(source, LineEnds::All);
        Self {
            window,
            marks: Marks::of(dialect),
            width: None,
            is_cut,
            is_in_doubt: false,
            unread_until: 0,
            fields: Vec::new(),
        }
    }

    /// From here on a record has `width`.
    pub(super) fn expect(&mut self, width: Width) {
        self.width = Some(width);
    }

    /// From here on a record has as many fields as there are.
    pub(super) fn expect_any(&mut self) {
        self.width = None;
    }

    /// Passes over so many `lines`.
    ///
    /// # Errors
    /// What the source fails with.
    pub(super) fn skip_lines(&mut self, lines: u64) -> io::Result<()> {
        for _ in 0..lines {
            while self.window.text().is_empty() {
                if self.window.is_over() {
                    return Ok(());
                }
                self.window.more()?;
            }
            self.window.skip_line()?;
        }
        Ok(())
    }

    /// The next record; none at the end.
    ///
    /// # Errors
    /// What the source fails with.
    pub(super) fn next_record(&mut self) -> io::Result<Option<Found<'_>>> {
        let (content, length, is_line) = loop {
            if self.window.text().is_empty() {
                if self.window.is_over() {
                    return Ok(None);
                }
                self.window.more()?;
                continue;
            }
            let first = self.window.text()[0];
            if matches!(first, b'\n' | b'\r') || Some(first) == self.marks.comment {
                self.window.skip_line()?;
                continue;
            }
            if self.window.offset() < self.unread_until {
                return self.faulty(Damage::Quote, "a line within a row that cannot be read, or a row itself".into());
            }
            self.fields.clear();
            match self.parse() {
                Parsed::Record { content, length, is_line } => break (content, length, is_line),
                Parsed::Incomplete if self.window.is_full() => {
                    self.window.note_vain(MAX_RECORD);
                    return self.faulty(Damage::TooLong, "a row of more than 16 MiB".into());
                }
                Parsed::Incomplete => self.window.more()?,
                Parsed::Faulty(..) if self.is_cut && self.window.is_over() => return Ok(None),
                Parsed::Faulty(damage, detail, seen) => {
                    self.window.note_vain(seen);
                    return self.faulty(damage, detail.into());
                }
            }
        };
        if self.is_cut && self.window.is_over() && length == self.window.text().len() && content == length {
            return Ok(None);
        }
        if let Some((damage, detail)) = self.unsound(content, is_line) {
            return self.faulty_record(content, length, damage, detail);
        }
        self.is_in_doubt = false;
        let line = self.window.line();
        if is_line {
            self.window.take(length, 1);
        } else {
            self.window.take_lines(length);
        }
        Ok(Some(match str::from_utf8(&self.window.taken(length)[..content]) {
            Ok(text) => Found::Record(Record { line, text, fields: &self.fields }),
            Err(_) => {
                Found::Faulty(Fault { spot: Spot::line(line), damage: Damage::Encoding, detail: NOT_UTF8.into() })
            }
        }))
    }

    /// Finds the record at the beginning, which must end in its line where too much was looked at in vain.
    fn parse(&mut self) -> Parsed {
        let (text, is_over) = (self.window.text(), self.window.is_over());
        if !self.window.is_worn() {
            return self.marks.parse(text, is_over, &mut self.fields);
        }
        let Some(end) = memchr2(b'\n', b'\r', text) else { return self.marks.parse(text, is_over, &mut self.fields) };
        let Behind::End(line_end) = Behind::of(text, end, is_over, self.marks.delimiter) else {
            return Parsed::Incomplete;
        };
        match self.marks.parse(&text[..end + line_end], true, &mut self.fields) {
            Parsed::Record { content, .. } if content > end => {
                Parsed::Faulty(Damage::Quote, "a value that goes on in the next line, where many are at fault", end)
            }
            parsed => parsed,
        }
    }

    /// What is wrong with the record of `content` bytes at the beginning, whose fields are known; the encoding of a
    /// record that `is_line` is looked at when it is taken.
    fn unsound(&mut self, content: usize, is_line: bool) -> Option<(Damage, Cow<'static, str>)> {
        if self.is_in_doubt && self.has_stray_quote(content) {
            return Some((Damage::Quote, "a quote within a value, behind a row that cannot be read".into()));
        }
        let text = &self.window.text()[..content];
        if memchr(0, text).is_some() {
            return Some((Damage::Nul, "a NUL byte".into()));
        }
        if !is_line && str::from_utf8(text).is_err() {
            return Some((Damage::Encoding, NOT_UTF8.into()));
        }
        if text.len() > MAX_FIELD && self.fields.iter().any(|field| field.end - field.start > MAX_FIELD) {
            return Some((Damage::TooLong, GIGANTIC.into()));
        }
        let width = self.width?;
        if width.takes(&self.fields) {
            self.fields.truncate(width.columns);
            return None;
        }
        let (found, columns) = (self.fields.len(), width.columns);
        let noun = if found == 1 { "field" } else { "fields" };
        let closed = if width.is_closed { " and a delimiter behind the last" } else { "" };
        Some((Damage::Ragged, format!("{found} {noun}, not {columns}{closed}").into()))
    }

    fn has_stray_quote(&self, content: usize) -> bool {
        let text = &self.window.text()[..content];
        let is_stray = |field: &Field| {
            !field.is_quoted
                && self.marks.quote.is_some_and(|quote| memchr(quote, &text[field.start..field.end]).is_some())
        };
        self.fields.iter().any(is_stray)
    }

    /// The record of `content` at the beginning, whose quotes are in order, is at fault. Reading goes on behind its
    /// `length`, or where it may hide a row, behind each of its lines.
    fn faulty_record(
        &mut self,
        content: usize,
        length: usize,
        damage: Damage,
        detail: Cow<'static, str>,
    ) -> io::Result<Option<Found<'_>>> {
        let is_row = damage != Damage::Quote && self.width.is_none_or(|width| width.takes(&self.fields));
        if !is_row && (damage == Damage::Quote || self.hides_a_row(content)) {
            self.unread_until = self.window.offset() + content as u64;
            return self.faulty(damage, detail);
        }
        self.is_in_doubt = !is_row && (self.is_in_doubt || self.fields.iter().any(|field| field.is_quoted));
        let spot = Spot::line(self.window.line());
        self.window.take_lines(length);
        Ok(Some(Found::Faulty(Fault { spot, damage, detail })))
    }

    /// Whether a line within the record of `content` at the beginning has as many delimiters as a row.
    fn hides_a_row(&self, content: usize) -> bool {
        let Some(width) = self.width else { return false };
        let mut lines = self.window.text()[..content].split(|byte| matches!(byte, b'\n' | b'\r')).skip(1);
        lines.any(|line| {
            let fields = memchr_iter(self.marks.delimiter, line).count() + 1;
            fields == width.fields() && !line.is_empty()
        })
    }

    /// The record at the beginning is at fault, and reading goes on with its second line.
    fn faulty(&mut self, damage: Damage, detail: Cow<'static, str>) -> io::Result<Option<Found<'_>>> {
        self.is_in_doubt |=
            matches!(damage, Damage::Quote | Damage::TooLong) || self.fields.iter().any(|field| field.is_quoted);
        let line = self.window.line();
        self.window.skip_line()?;
        Ok(Some(Found::Faulty(Fault { spot: Spot::line(line), damage, detail })))
    }
}

impl Marks {
    fn of(dialect: &Dialect) -> Self {
        let quote = Some(dialect.quote).filter(|quote| *quote != 0);
        let escape = dialect.escape.filter(|escape| Some(escape.letter) != quote);
        Self {
            delimiter: dialect.delimiter,
            quote,
            escape: escape.map(|escape| escape.letter),
            plain_escape: escape.filter(|escape| escape.is_everywhere).map(|escape| escape.letter),
            comment: dialect.comment,
        }
    }

    /// Finds the record at the beginning of `text`, and its `fields`.
    fn parse(self, text: &[u8], is_over: bool, fields: &mut Vec<Field>) -> Parsed {
        // Without a quote for it, a line feed stands twice among the bytes that are looked for.
        let quote = self.quote.unwrap_or(b'\n');
        let end = match memchr3(b'\n', b'\r', quote, text) {
            _ if self.plain_escape.is_some() => return self.parse_fields(text, is_over, fields),
            Some(at) if Some(text[at]) == self.quote => return self.parse_fields(text, is_over, fields),
            Some(at) => at,
            None if is_over => text.len(),
            None => return Parsed::Incomplete,
        };
        let length = match Behind::of(text, end, is_over, self.delimiter) {
            Behind::End(length) => end + length,
            _ => return Parsed::Incomplete,
        };
        let mut start = 0;
        for at in memchr_iter(self.delimiter, &text[..end]).chain([end]) {
            fields.push(Field { start, end: at, is_quoted: false, is_escaped: false });
            start = at + 1;
        }
        Parsed::Record { content: end, length, is_line: true }
    }

    /// The same, field by field, where quotes or escapes may hide delimiters and line ends.
    fn parse_fields(self, text: &[u8], is_over: bool, fields: &mut Vec<Field>) -> Parsed {
        let mut at = 0;
        loop {
            let field = match self.field(text, at, is_over) {
                Ok(field) => field,
                Err(other) => return other,
            };
            at = field.end + usize::from(field.is_quoted);
            fields.push(field);
            match Behind::of(text, at, is_over, self.delimiter) {
                Behind::Field => at += 1,
                Behind::End(length) => return Parsed::Record { content: at, length: at + length, is_line: false },
                Behind::Incomplete => return Parsed::Incomplete,
                Behind::Text => return Parsed::Faulty(Damage::Quote, "text behind a closing quote", at),
            }
        }
    }

    /// The field that begins `at`.
    fn field(self, text: &[u8], at: usize, is_over: bool) -> Result<Field, Parsed> {
        match self.quote {
            Some(quote) if text.get(at) == Some(&quote) => self.quoted(text, at + 1, quote, is_over),
            _ => self.plain(text, at, is_over),
        }
    }

    fn plain(self, text: &[u8], start: usize, is_over: bool) -> Result<Field, Parsed> {
        let mut end = start;
        let mut is_escaped = false;
        loop {
            let Some(found) = memchr3(self.delimiter, b'\n', b'\r', &text[end..]) else {
                if !is_over {
                    return Err(Parsed::Incomplete);
                }
                return Ok(Field { start, end: text.len(), is_quoted: false, is_escaped });
            };
            let escape = self.plain_escape.and_then(|escape| memchr(escape, &text[end..end + found]));
            let Some(escape) = escape else {
                return Ok(Field { start, end: end + found, is_quoted: false, is_escaped });
            };
            is_escaped = true;
            // What follows an escape is a letter like any other.
            end += escape + 2;
            if end > text.len() {
                if !is_over {
                    return Err(Parsed::Incomplete);
                }
                end = text.len();
            }
        }
    }

    fn quoted(self, text: &[u8], start: usize, quote: u8, is_over: bool) -> Result<Field, Parsed> {
        let mut end = start;
        let mut is_escaped = false;
        loop {
            let found = text.get(end..).and_then(|rest| memchr2(quote, self.escape.unwrap_or(quote), rest));
            let Some(found) = found else {
                return Err(Self::unclosed(text, start, is_over));
            };
            end += found;
            if end - start > MAX_FIELD {
                return Err(Parsed::Faulty(Damage::TooLong, GIGANTIC, start + MAX_FIELD));
            }
            if text[end] == quote && text.get(end + 1) != Some(&quote) {
                if end + 1 == text.len() && !is_over {
                    return Err(Parsed::Incomplete);
                }
                return Ok(Field { start, end, is_quoted: true, is_escaped });
            }
            is_escaped = true;
            end += 2;
        }
    }

    /// What a quoted value is that begins at `start` of `text`, and whose end is not in sight.
    fn unclosed(text: &[u8], start: usize, is_over: bool) -> Parsed {
        if text.len() - start > MAX_FIELD {
            return Parsed::Faulty(Damage::TooLong, GIGANTIC, start + MAX_FIELD);
        }
        if is_over {
            return Parsed::Faulty(Damage::Quote, "a quote that is not closed", text.len());
        }
        Parsed::Incomplete
    }
}

impl Behind {
    /// What stands `at` the end of a field.
    fn of(text: &[u8], at: usize, is_over: bool, delimiter: u8) -> Self {
        match text.get(at) {
            None if is_over => Self::End(0),
            None => Self::Incomplete,
            Some(b'\n') => Self::End(1),
            Some(b'\r') => match text.get(at + 1) {
                None if !is_over => Self::Incomplete,
                Some(b'\n') => Self::End(2),
                _ => Self::End(1),
            },
            Some(byte) if *byte == delimiter => Self::Field,
            Some(_) => Self::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::recognise::Escaping;

    const COMMA: Dialect = Dialect {
        delimiter: b',',
        quote: b'"',
        escape: None,
        comment: Some(b'#'),
        has_header: false,
        is_closed: None,
        null: None,
    };

    /// A reader that gives one byte at a time, so that every record meets every boundary.
    struct Dripping<'a>(&'a [u8]);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(1);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    /// Line and fields of each sound record, line and damage of each other.
    fn records(source: impl Read, columns: Option<usize>, dialect: &Dialect) -> Vec<String> {
        let mut records = Records::new(source, dialect, false);
        if let Some(columns) = columns {
            records.expect(Width::of(columns));
        }
        let mut found = Vec::new();
        while let Some(next) = records.next_record().unwrap() {
            found.push(match next {
                Found::Record(Record { line, text, fields }) => {
                    let fields: Vec<&str> = fields.iter().map(|field| &text[field.start..field.end]).collect();
                    format!("{line} {}", fields.join("|"))
                }
                Found::Faulty(fault) => format!("{} {:?}", fault.spot, fault.damage),
            });
        }
        found
    }

    #[test]
    fn every_line_end_quote_and_blank_line_is_understood() {
        for (text, expected) in [
            ("a,b\n1,2\n", &["1 a|b", "2 1|2"][..]),
            ("a,b\r\n1,2", &["1 a|b", "2 1|2"]),
            ("a,b\r1,2\r", &["1 a|b", "2 1|2"]),
            ("a,b\n\n\r\n1,2\r\r\n", &["1 a|b", "4 1|2"]),
            ("# said\na,\"x\ny\",\n#\n,,\n", &["2 a|x\ny|", "5 ||"]),
            ("5\" pipe,\"\"\"q\"\"\"", &["1 5\" pipe|\"\"q\"\""]),
            ("\"a,b\",\"\"\r\n\"\"", &["1 a,b|", "2 "]),
            ("", &[]),
        ] {
            assert_eq!(records(text.as_bytes(), None, &COMMA), expected, "{text}");
            assert_eq!(records(Dripping(text.as_bytes()), None, &COMMA), expected, "{text}");
        }
    }

    #[test]
    fn a_faulty_record_costs_its_line_and_no_other() {
        for (text, expected) in [
            (&b"1,2\n3\n4,5\n"[..], &["1 1|2", "2 Ragged", "3 4|5"][..]),
            (b"1,2\n3,4,5\n4,5\n", &["1 1|2", "2 Ragged", "3 4|5"]),
            (b"1,\"a\"b\n3,4\n", &["1 Quote", "2 3|4"]),
            (b"1,\"ab\n3,4\n", &["1 Quote", "2 3|4"]),
            (b"1,\"ab\n3,\"4\"\n5,6", &["1 Quote", "2 3|4", "3 5|6"]),
            (b"1,\xff\n3,4\n", &["1 Encoding", "2 3|4"]),
            (b"1,\0\n3,4\n", &["1 Nul", "2 3|4"]),
            (b"1,2,\n3,4,\n5,6\n7,8,9\n", &["1 Ragged", "2 Ragged", "3 5|6", "4 Ragged"]),
            (b"1,\"say \"hi\"\nyou\",3\n5\",6\n3,4\n7\",8\n", &["1 Quote", "2 Quote", "3 Quote", "4 3|4", "5 7\"|8"]),
            (b"1,\"a\nb\",3\n3,4\n", &["1 Ragged", "2 Quote", "3 3|4"]),
            (b"1,\"a\nb\nc\"\n3,\"a\nb\nc\",,\n3,4\n", &["1 1|a\nb\nc", "4 Ragged", "7 3|4"]),
            (b"1,\"a\n3,4\nb\",5\n5,6\n", &["1 Ragged", "2 Quote", "3 Quote", "4 5|6"]),
            (b"1,\"a\n3,\xff\n\n4,5\"\n5,6\n", &["1 Encoding", "5 5|6"]),
            (b"1,\"a\n3,4\n\0\"\n5\",6\n", &["1 Nul", "4 5\"|6"]),
        ] {
            assert_eq!(records(text, Some(2), &COMMA), expected, "{}", text.escape_ascii());
            assert_eq!(records(Dripping(text), Some(2), &COMMA), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn escapes_hide_what_follows_them() {
        let escape = Escaping { letter: b'\\', is_everywhere: true };
        let escaped = Dialect { escape: Some(escape), delimiter: b'|', ..COMMA };
        for (text, expected) in [
            ("a\\|b|c\n\\N|\"x\\\"y\"\n", &["1 a\\|b|c", "2 \\N|x\\\"y"][..]),
            ("a\\\nb|c\nd|e", &["1 a\\\nb|c", "3 d|e"]),
            ("a\\\\|b", &["1 a\\\\|b"]),
        ] {
            assert_eq!(records(text.as_bytes(), Some(2), &escaped), expected, "{text}");
            assert_eq!(records(Dripping(text.as_bytes()), Some(2), &escaped), expected, "{text}");
        }
    }

    #[test]
    fn between_quotes_alone_an_escape_hides_nothing_elsewhere() {
        let escape = Escaping { letter: b'\\', is_everywhere: false };
        let spark = Dialect { escape: Some(escape), ..COMMA };
        for (text, expected) in [
            ("a\\b,c\\\nd,\"x\\\"y,\"\n", &["1 a\\b|c\\", "2 d|x\\\"y,"][..]),
            ("a\\,b\n\\,\\\n", &["1 a\\|b", "2 \\|\\"]),
        ] {
            assert_eq!(records(text.as_bytes(), Some(2), &spark), expected, "{text}");
            assert_eq!(records(Dripping(text.as_bytes()), Some(2), &spark), expected, "{text}");
        }
    }

    #[test]
    fn a_closed_row_has_a_delimiter_behind_its_last_value() {
        let mut records = Records::new("1,2,\n3,4\n5,6,7\n8,9,\"\"\n,,\n".as_bytes(), &COMMA, false);
        records.expect(Width { columns: 2, is_closed: true });
        let mut found = Vec::new();
        while let Some(next) = records.next_record().unwrap() {
            found.push(match next {
                Found::Record(record) => format!("{} {}", record.line, record.fields.len()),
                Found::Faulty(fault) => format!("{} {}", fault.spot, fault.detail),
            });
        }
        let told = "and a delimiter behind the last";
        let expected = [
            "1 2".to_owned(),
            format!("2 2 fields, not 2 {told}"),
            format!("3 3 fields, not 2 {told}"),
            format!("4 3 fields, not 2 {told}"),
            "5 2".to_owned(),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn lines_are_passed_over_whatever_stands_in_them() {
        for (lines, expected) in [
            (0, &["1 title|x\"", "3 a|b", "4 1|2"][..]),
            (1, &["3 a|b", "4 1|2"]),
            (2, &["3 a|b", "4 1|2"]),
            (3, &["4 1|2"]),
            (9, &[]),
        ] {
            let mut records = Records::new(Dripping(b"title,x\"\r\n\r\na,b\r\n1,2\r\n"), &COMMA, false);
            records.skip_lines(lines).unwrap();
            let mut found = Vec::new();
            while let Some(Found::Record(Record { line, text, fields })) = records.next_record().unwrap() {
                let fields: Vec<&str> = fields.iter().map(|field| &text[field.start..field.end]).collect();
                found.push(format!("{line} {}", fields.join("|")));
            }
            assert_eq!(found, expected, "{lines}");
        }
    }

    /// Each line closes the quote that the line before opened, and opens the next.
    #[test]
    fn text_that_is_one_record_from_every_line_on_takes_time_by_its_length() {
        let text = format!("1,2\n{}5,6\n", "1\",\"a\",\"9\n".repeat(400_000));
        let mut records = Records::new(text.as_bytes(), &COMMA, false);
        records.expect(Width::of(2));
        let (mut rows, mut faults) = (0, 0);
        let mut looked_at = 0;
        while let Some(found) = records.next_record().unwrap() {
            match found {
                Found::Record(_) => rows += 1,
                Found::Faulty(_) => faults += 1,
            }
            looked_at = records.window.vain();
        }
        assert_eq!((rows, faults), (2, 400_000));
        assert!(looked_at < 20 * text.len() as u64, "{looked_at}");
    }

    #[test]
    fn gigantic_fields_and_rows_are_skipped() {
        let field = "x".repeat(MAX_FIELD);
        let text = format!("1,{field}\n2,{field}y\n3,\"{field}\ny\"\n4,\"{field}yz\n5,6\n");
        let found = records(text.as_bytes(), Some(2), &COMMA);
        assert_eq!(found[0].len(), 4 + MAX_FIELD);
        assert_eq!(found[1..], ["2 TooLong", "3 TooLong", "4 Quote", "5 TooLong", "6 5|6"]);
        let long = std::io::repeat(b',').take(40 << 20).chain("\n1,2\n".as_bytes());
        assert_eq!(records(long, Some(2), &COMMA), ["1 TooLong", "2 1|2"]);
    }
}
