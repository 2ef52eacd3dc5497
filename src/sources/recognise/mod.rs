//! Recognition: what a file is, by its bytes and never by its name.
//!
//! Three layers are taken off, each seen in the first bytes of the one before: compression, encoding, and, of delimited
//! text, the way in which it is written. What `CREATE EXTERNAL TABLE` says wins over what is seen. What is no table at all
//! (a web page, a spreadsheet, an archive) is refused with a word on what to do, and bytes that nothing is known of are
//! refused as well: no file is read as one column of nonsense.

use std::fmt;
use std::io::Read;

use encoding_rs::{Encoding, UTF_8};
use serde_json::Value;

pub(super) use self::above::Above;
pub(super) use self::compression::Compression;
#[cfg(test)]
pub(super) use self::dialect::Escaping;
pub(super) use self::dialect::{Dialect, Quoting, Signs};
use super::declared::Given;
use super::file::SourceFile;
use crate::error::{Error, ErrorKind, Result};

mod above;
mod compression;
mod dialect;
mod encoding;
mod foreign;

/// Bytes of decompressed text that inference looks at, per file.
const SAMPLE_BYTES: u64 = 8 << 20;
/// The same, over all files of a location: each file gets its share.
const ALL_SAMPLE_BYTES: u64 = 8 << 20;
/// The least that is looked at of one of many files.
const MIN_SAMPLE_BYTES: u64 = 16 << 10;
/// Rows that inference looks at, per file.
pub(super) const SAMPLE_ROWS: usize = 20_000;
/// Bytes of decompressed text that tell format and encoding, per file: a stray letter may be rare.
const HEAD_BYTES: u64 = 1 << 20;
/// Bytes of text that tell the dialect.
const DIALECT_BYTES: usize = 64 << 10;
/// Bytes that tell what is no text.
const MAGIC_BYTES: u64 = 512;
/// What follows the first four bytes of an Arrow stream: the length of its schema, which has a limit.
const MAX_ARROW_SCHEMA: u32 = 64 << 20;
/// Of so many bytes, one that no text has is too much.
const TEXT_PER_CONTROL: usize = 10;
/// Below this, a few bytes that no text has do not make a file binary.
const MIN_BINARY_BYTES: usize = 256;
/// Names of the one member of a JSON object that holds the rows.
const WRAPPERS: &[&str] = &["data", "rows", "records", "results", "result", "values", "value", "hits", "response"];

/// What a file turned out to be.
#[derive(Clone, Debug)]
pub(super) struct Recognised {
    pub(super) format: Format,
    /// What its first records show, if it is delimited text.
    pub(super) signs: Signs,
    /// Whether its encoding is no more than likely.
    pub(super) is_encoding_assumed: bool,
}

/// What a file is wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrapping {
    pub(super) compression: Compression,
    /// Of its text; UTF-8 for what is no text.
    pub(super) encoding: &'static Encoding,
    /// Whether that is no more than likely.
    pub(super) is_assumed: bool,
}

/// Formats that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    /// Arrow's IPC format, as a file or as a stream.
    Arrow,
    /// Avro object container files.
    Avro,
    /// Delimited text.
    Csv(Dialect),
    /// One JSON object a line, or one after the other.
    NdJson,
    /// One JSON array of objects.
    JsonArray,
}

impl Recognised {
    fn new(format: Format) -> Self {
        Self { format, signs: Signs::default(), is_encoding_assumed: false }
    }

    /// Takes over what another file of the same table shows; `false` if it is of another format.
    pub(super) fn agree(&mut self, other: &Self, given: &Given) -> bool {
        self.is_encoding_assumed |= other.is_encoding_assumed;
        match (&mut self.format, &other.format) {
            (Format::Csv(dialect), Format::Csv(_)) => {
                let is_alike = self.signs.agree(&other.signs);
                *dialect = Dialect::new(&self.signs, given);
                is_alike
            }
            (one, other) => one == other,
        }
    }
}

impl Default for Wrapping {
    fn default() -> Self {
        Self { compression: Compression::None, encoding: UTF_8, is_assumed: false }
    }
}

impl Format {
    /// Whether `STORED AS declared` names this format.
    pub(super) fn is_called(&self, declared: &str) -> bool {
        match declared.to_ascii_uppercase().as_str() {
            "PARQUET" => *self == Self::Parquet,
            "ARROW" => *self == Self::Arrow,
            "AVRO" => *self == Self::Avro,
            "CSV" | "TSV" => matches!(self, Self::Csv(_)),
            "JSON" | "NDJSON" => matches!(self, Self::NdJson | Self::JsonArray),
            _ => false,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow IPC",
            Self::Avro => "Avro",
            Self::Csv(Dialect { delimiter: b'\t', .. }) => "TSV",
            Self::Csv(Dialect { delimiter: b'|', .. }) => "pipe-separated text",
            Self::Csv(Dialect { delimiter: b';', .. }) => "semicolon-separated text",
            Self::Csv(Dialect { delimiter: 1, .. }) => "text separated by \\x01",
            Self::Csv(_) => "CSV",
            Self::NdJson => "NDJSON",
            Self::JsonArray => "a JSON array",
        })?;
        match self {
            Self::Csv(dialect) => write!(f, "{dialect}"),
            _ => Ok(()),
        }
    }
}

/// What is not as most programs write it.
impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |byte: u8| char::from(byte);
        if !self.has_header {
            f.write_str(", no header line")?;
        }
        if self.quote != b'"' {
            write!(f, ", quoted by `{}`", shown(self.quote))?;
        }
        if let Some(escape) = self.escape {
            write!(f, ", escaped by `{}`", shown(escape.letter))?;
        }
        if let Some(comment) = self.comment {
            write!(f, ", comments behind `{}`", shown(comment))?;
        }
        match &self.null {
            Some(null) => write!(f, ", `{null}` for NULL"),
            None => Ok(()),
        }
    }
}

/// Recognises `file`, one of `files` of a location, where `given` does not say what it is; `None` if it has no byte, or
/// no byte but white space. The file learns what it is wrapped in.
///
/// # Errors
/// [`ErrorKind::Source`] if it cannot be read or is of a format that cannot be read.
pub(super) fn recognise(file: &mut SourceFile, files: usize, given: &Given) -> Result<Option<Recognised>> {
    let mut magic = Vec::new();
    file.open()?.take(MAGIC_BYTES).read_to_end(&mut magic).map_err(|error| file.unreadable(error))?;
    if magic.is_empty() {
        return Ok(None);
    }
    if magic.starts_with(b"PAR1") {
        return Ok(Some(Recognised::new(Format::Parquet)));
    }
    let compression = given.compression.unwrap_or_else(|| Compression::of(&magic));
    file.wrapping = Wrapping { compression, ..Wrapping::default() };
    let limit = share(files).min(HEAD_BYTES);
    let mut head = raw_sample(file, limit)?;
    let is_cut = head.len() as u64 == limit;
    if compression != Compression::None {
        refuse_nested(file, compression, &head)?;
    }
    let is_text = given.stored_as.as_deref().is_some_and(|name| matches!(name, "CSV" | "TSV"));
    foreign::refuse(file, &head, is_text)?;
    if head.starts_with(b"ARROW1\0\0") || is_arrow_stream(&head) {
        return Ok(Some(Recognised::new(Format::Arrow)));
    }
    if head.starts_with(b"Obj\x01") {
        return Ok(Some(Recognised::new(Format::Avro)));
    }
    let (encoding, is_encoding_assumed) = given.encoding.map_or_else(|| encoding::of(&head), |given| (given, false));
    file.wrapping.encoding = encoding;
    file.wrapping.is_assumed = is_encoding_assumed;
    if encoding != UTF_8 || head.starts_with(b"\xef\xbb\xbf") {
        head = sample(file, limit)?;
    }
    let Some(begin) = head.iter().find(|byte| !byte.is_ascii_whitespace()) else { return Ok(None) };
    if is_binary(&head, given) {
        let message = format!("`{}` is binary and of no known format", file.shown());
        return Err(Error::new(ErrorKind::Source, message).hint("export Parquet, Avro, CSV or JSON"));
    }
    let format = match begin {
        b'{' if !is_text => {
            refuse_wrapped_rows(file, &head, is_cut)?;
            Format::NdJson
        }
        b'[' if !is_text => Format::JsonArray,
        _ => {
            let separator = if given.skip_lines.is_none() { separator(&head) } else { None };
            file.layout.skipped = given.skip_lines.unwrap_or_else(|| u64::from(separator.is_some()));
            let mut given = given.clone();
            given.delimiter = given.delimiter.or(separator);
            let head = behind_lines(&head, file.layout.skipped);
            let shown = &head[..head.len().min(DIALECT_BYTES)];
            let mut signs = dialect::signs(shown, is_cut || shown.len() < head.len(), &given);
            signs.delimiter = signs.delimiter.or(separator);
            file.quoting = signs.quoting(&given);
            let format = Format::Csv(Dialect::new(&signs, &given));
            return Ok(Some(Recognised { format, signs, is_encoding_assumed }));
        }
    };
    Ok(Some(Recognised { is_encoding_assumed, ..Recognised::new(format) }))
}

/// The delimiter that the first line of `head` names, as spreadsheets write it: `sep=;`.
fn separator(head: &[u8]) -> Option<u8> {
    let line = head.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (name, separator) = line.split_at_checked("sep=".len())?;
    match separator {
        _ if !name.eq_ignore_ascii_case(b"sep=") => None,
        [byte] if byte.is_ascii() => Some(*byte),
        b"\\t" => Some(b'\t'),
        _ => None,
    }
}

/// What stands behind the first `lines` of `text`.
fn behind_lines(mut text: &[u8], lines: u64) -> &[u8] {
    for _ in 0..lines {
        let Some(end) = memchr::memchr2(b'\n', b'\r', text) else { return &[] };
        text = &text[end + if text[end..].starts_with(b"\r\n") { 2 } else { 1 }..];
    }
    text
}

/// Refuses what is compressed twice, and Parquet that is compressed as a whole: neither is what an export writes.
fn refuse_nested(file: &SourceFile, compression: Compression, head: &[u8]) -> Result<()> {
    let (what, hint) = match Compression::of(head) {
        _ if head.starts_with(b"PAR1") => {
            ("Parquet".to_owned(), "unpack it: Parquet compresses its own pages and is read from its end")
        }
        Compression::None => return Ok(()),
        again => (again.to_string(), "unpack it once: it was compressed twice"),
    };
    let message = format!("`{}` is {what} inside {compression}", file.shown());
    Err(Error::new(ErrorKind::Source, message).hint(hint))
}

/// Whether `head` begins a stream of Arrow messages: a mark, and the length of the schema that comes first.
fn is_arrow_stream(head: &[u8]) -> bool {
    let [0xff, 0xff, 0xff, 0xff, a, b, c, d, ..] = head else { return false };
    let length = u32::from_le_bytes([*a, *b, *c, *d]);
    length > 0 && length % 8 == 0 && length < MAX_ARROW_SCHEMA
}

/// Whether `head` is no text: control characters in its first line, or many of them, or of bytes that are no UTF-8.
fn is_binary(head: &[u8], given: &Given) -> bool {
    let is_control = |byte: &u8| (*byte < 7 || (14..27).contains(byte)) && *byte != 1 && given.delimiter != Some(*byte);
    let first_line = head.split(|byte| matches!(byte, b'\n' | b'\r')).find(|line| !line.is_empty());
    if first_line.is_some_and(|line| line.iter().any(is_control)) {
        return true;
    }
    let strays: usize = head.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    let controls = head.iter().filter(|byte| is_control(byte)).count();
    head.len() >= MIN_BINARY_BYTES && (strays + controls) * TEXT_PER_CONTROL > head.len()
}

/// Refuses one JSON object that holds the rows in an array, which would be read as a single row.
fn refuse_wrapped_rows(file: &SourceFile, head: &[u8], is_cut: bool) -> Result<()> {
    let mut values = serde_json::Deserializer::from_slice(head).into_iter::<Value>();
    let (first, second) = (values.next(), values.next());
    let name = match (first, second) {
        (Some(Ok(Value::Object(object))), None) => {
            let is_rows = |value: &Value| value.as_array().is_some_and(|items| items.iter().any(Value::is_object));
            let mut arrays = object.iter().filter(|(_, value)| is_rows(value));
            let (array, other) = (arrays.next(), arrays.next());
            array
                .filter(|(name, _)| other.is_none() && (object.len() == 1 || WRAPPERS.contains(&name.as_str())))
                .map(|(name, _)| name.clone())
        }
        (Some(Err(error)), _) if is_cut && error.is_eof() => opening_array(head),
        _ => None,
    };
    let Some(name) = name else { return Ok(()) };
    let message = format!("`{}` is one JSON object, whose rows stand in its member `{name}`", file.shown());
    Err(Error::new(ErrorKind::Source, message)
        .hint(format!("write the array alone, or one object a line: jq -c '.{name}[]'")))
}

/// The name of the first member of the object that `head` begins with, if that is an array of objects.
fn opening_array(head: &[u8]) -> Option<String> {
    let mut members = head.trim_ascii_start().strip_prefix(b"{")?;
    let mut names = serde_json::Deserializer::from_slice(members).into_iter::<String>();
    let name = names.next()?.ok()?;
    members = &members[names.byte_offset()..];
    let array = members.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"[")?;
    array.trim_ascii_start().starts_with(b"{").then_some(name)
}

/// Bytes of one of `files` that are looked at.
fn share(files: usize) -> u64 {
    let files = u64::try_from(files.max(1)).unwrap_or(u64::MAX);
    (ALL_SAMPLE_BYTES / files).clamp(MIN_SAMPLE_BYTES, SAMPLE_BYTES)
}

/// Whole records from the beginning of a file.
pub(in crate::sources) struct Sample {
    /// Their text.
    pub(in crate::sources) text: Vec<u8>,
    /// Whether the file goes on behind them.
    pub(in crate::sources) is_cut: bool,
}

/// The records at the beginning of `file`, one of `files` of a location: as many as its share of the sample holds, but
/// at least one, if it is no longer than the sample of a single file. `end` finds the end of the last whole record.
///
/// # Errors
/// [`ErrorKind::Source`] if the file cannot be read or its compression is damaged.
pub(in crate::sources) fn records(
    file: &SourceFile,
    files: usize,
    end: impl Fn(&[u8]) -> Option<usize>,
) -> Result<Sample> {
    let mut limit = share(files);
    loop {
        let mut text = sample(file, limit)?;
        let is_cut = text.len() as u64 == limit;
        if !is_cut {
            return Ok(Sample { text, is_cut });
        }
        match end(&text) {
            Some(end) => {
                text.truncate(end);
                return Ok(Sample { text, is_cut });
            }
            None if limit == SAMPLE_BYTES => return Ok(Sample { text, is_cut }),
            None => limit = SAMPLE_BYTES,
        }
    }
}

/// The first `limit` bytes of the [`content`].
fn sample(file: &SourceFile, limit: u64) -> Result<Vec<u8>> {
    let mut sample = Vec::new();
    content(file)?.take(limit).read_to_end(&mut sample).map_err(|error| file.unreadable(error))?;
    Ok(sample)
}

/// The first `limit` bytes of the [`unpacked`] file.
fn raw_sample(file: &SourceFile, limit: u64) -> Result<Vec<u8>> {
    let mut sample = Vec::new();
    unpacked(file)?.take(limit).read_to_end(&mut sample).map_err(|error| file.unreadable(error))?;
    Ok(sample)
}

/// The decompressed text of a file as UTF-8, without a byte order mark; bytes that are no text are no UTF-8 here either.
///
/// # Errors
/// [`ErrorKind::Source`] if the file cannot be read or its compression is damaged.
pub(super) fn content(file: &SourceFile) -> Result<Box<dyn Read + Send>> {
    let Wrapping { encoding, is_assumed, .. } = file.wrapping;
    encoding::decoded(unpacked(file)?, encoding, is_assumed).map_err(|error| file.unreadable(error))
}

/// The decompressed bytes of a file.
///
/// # Errors
/// [`ErrorKind::Source`] if the file cannot be read or its compression is damaged.
pub(super) fn unpacked(file: &SourceFile) -> Result<Box<dyn Read + Send>> {
    file.wrapping.compression.unpack(file.open()?).map_err(|error| file.unreadable(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_inside_of_an_object_are_found() {
        let refused = |json: &str, is_cut: bool| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.json");
            std::fs::write(&path, json).unwrap();
            refuse_wrapped_rows(&SourceFile::local(path).unwrap(), json.as_bytes(), is_cut).is_err()
        };
        for wrapped in [r#"{"orders":[{"a":1}]}"#, r#"{"total":2,"next":null,"data":[{"a":1},{"a":2}]}"#] {
            assert!(refused(wrapped, false), "{wrapped}");
        }
        assert!(refused(r#"{"orders": [ {"a":1},{"a":"#, true));
        for rows in [
            r#"{"event":"Purchase","contents":[{"id":1}]}"#,
            r#"{"data":[{"a":1}]}{"data":[{"a":1}]}"#,
            r#"{"a":[1,2]}"#,
            r#"{"a":1}"#,
            "{",
        ] {
            assert!(!refused(rows, false), "{rows}");
        }
        assert!(!refused(r#"{"orders":[{"a":1}]} {"orders":[{"a"#, true));
    }

    #[test]
    fn a_line_that_names_the_delimiter_is_understood() {
        for (head, expected) in [
            ("sep=;\na;b\n", Some(b';')),
            ("SEP=,\r\na,b\r\n", Some(b',')),
            ("\"sep=;\"\na;b\n", Some(b';')),
            ("sep=\t\na\tb\n", Some(b'\t')),
            ("sep=\\t\na\tb\n", Some(b'\t')),
            ("sep=|\ra|b\r", Some(b'|')),
            ("sep=\na,b\n", None),
            ("sep=;;\na;b\n", None),
            ("sepal,b\n", None),
            ("a,b\nsep=;\n", None),
            ("", None),
        ] {
            assert_eq!(separator(head.as_bytes()), expected, "{head:?}");
        }
        for (lines, rest) in [(0, "a\r\n\nb\rc"), (1, "\nb\rc"), (2, "b\rc"), (3, "c"), (4, ""), (9, "")] {
            assert_eq!(behind_lines(b"a\r\n\nb\rc", lines), rest.as_bytes(), "{lines}");
        }
    }

    #[test]
    fn a_stray_byte_makes_no_text_binary() {
        let is_binary = |bytes: &[u8]| is_binary(bytes, &Given::default());
        for text in ["a,b\n1,x\0y\n", "a\u{1}b\n1\u{1}2\n", "name\nGr\u{f6}\u{df}e\n"] {
            assert!(!is_binary(text.as_bytes()), "{text}");
        }
        assert!(!is_binary(b"a\n1\n\xff\n"));
        assert!(is_binary(b"\x00\x01\x02\x03"));
        let noise: Vec<u8> = (0..4_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
        assert!(is_binary(&noise));
    }
}
