//! Recognises a file by its first bytes, never by its name.

use super::file::SourceFile;
use std::fmt;
use std::io::{BufReader, Cursor, Read};

use datafusion::common::parsers::CompressionTypeVariant;
use flate2::read::MultiGzDecoder;

use crate::error::{Error, ErrorKind, Result};

/// Bytes of decompressed text that inference looks at, per file.
const SAMPLE_BYTES: u64 = 8 << 20;
/// The same, over all files of a location: each file gets its share.
const ALL_SAMPLE_BYTES: u64 = 8 << 20;
/// The least that is looked at of one of many files.
const MIN_SAMPLE_BYTES: u64 = 16 << 10;
/// Rows that inference looks at, per file.
pub(super) const SAMPLE_ROWS: usize = 20_000;
/// Bytes that tell a format.
const HEAD_BYTES: u64 = 64 << 10;
/// How some programs begin UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Delimiters of delimited text, the likelier first.
const DELIMITERS: [u8; 4] = [b',', b'\t', b'|', b';'];

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recognised {
    pub(super) format: Format,
    pub(super) compression: CompressionTypeVariant,
}

/// Formats that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    /// Delimited text.
    Csv(Dialect),
    /// One JSON object a line.
    NdJson,
    /// One JSON array of objects.
    JsonArray,
}

/// How delimited text is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Between the values.
    pub(super) delimiter: u8,
    /// Around values that hold delimiters, quotes or line ends.
    pub(super) quote: u8,
    /// Before what is meant as a letter, if quotes are not doubled.
    pub(super) escape: Option<u8>,
    /// Before a line that is none of the rows.
    pub(super) comment: Option<u8>,
    /// Whether the first record names the columns; nothing but a declaration says that it does not.
    pub(super) has_header: bool,
    /// What a declaration says that stands for no value.
    pub(super) null: Option<String>,
}

impl Recognised {
    /// Whether `STORED AS declared` names this format.
    pub(super) fn is_called(&self, declared: &str) -> bool {
        match declared.to_ascii_uppercase().as_str() {
            "PARQUET" => self.format == Format::Parquet,
            "CSV" | "TSV" => matches!(self.format, Format::Csv(_)),
            "JSON" | "NDJSON" => matches!(self.format, Format::NdJson | Format::JsonArray),
            _ => false,
        }
    }
}

impl fmt::Display for Recognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.format {
            Format::Parquet => "Parquet",
            Format::Csv(Dialect { delimiter: b'\t', .. }) => "TSV",
            Format::Csv(Dialect { delimiter: b'|', .. }) => "pipe-separated text",
            Format::Csv(Dialect { delimiter: b';', .. }) => "semicolon-separated text",
            Format::Csv(_) => "CSV",
            Format::NdJson => "NDJSON",
            Format::JsonArray => "a JSON array",
        })?;
        match self.compression {
            CompressionTypeVariant::GZIP => f.write_str(" in gzip"),
            CompressionTypeVariant::ZSTD => f.write_str(" in zstd"),
            _ => Ok(()),
        }
    }
}

/// Recognises `file`; `None` if it has no byte, or no byte but white space.
///
/// # Errors
/// [`ErrorKind::Source`] if it cannot be read or is of a format that cannot be read.
pub(super) fn recognise(file: &SourceFile) -> Result<Option<Recognised>> {
    let mut magic = Vec::new();
    file.open()?.take(8).read_to_end(&mut magic).map_err(|error| file.unreadable(error))?;
    let refuse =
        |what: &str, hint: &str| Err(Error::new(ErrorKind::Source, format!("`{}` is {what}", file.shown())).hint(hint));
    let compression = match magic.as_slice() {
        [] => return Ok(None),
        [b'P', b'A', b'R', b'1', ..] => {
            return Ok(Some(Recognised { format: Format::Parquet, compression: CompressionTypeVariant::UNCOMPRESSED }));
        }
        [b'P', b'A', b'R', b'E', ..] => return refuse("an encrypted Parquet file", "export it without encryption"),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => return refuse("an Arrow IPC file", "export Parquet, CSV or JSON"),
        [b'O', b'b', b'j', 1, ..] => return refuse("an Avro file", "export Parquet, CSV or JSON"),
        [b'B', b'Z', b'h', ..] => return refuse("compressed with bzip2", "use gzip or zstd"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => return refuse("compressed with xz", "use gzip or zstd"),
        [b'P', b'K', 3, 4, ..] => return refuse("a zip archive or a spreadsheet", "export CSV, or unpack it"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return refuse("UTF-16 text", "export UTF-8"),
        [0x1f, 0x8b, ..] => CompressionTypeVariant::GZIP,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => CompressionTypeVariant::ZSTD,
        _ => CompressionTypeVariant::UNCOMPRESSED,
    };
    let head = sample(file, compression, HEAD_BYTES)?;
    let format = match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => return Ok(None),
        Some(b'{') => Format::NdJson,
        Some(b'[') => Format::JsonArray,
        Some(_) if head.contains(&0) => return refuse("binary and of no known format", "export Parquet, CSV or JSON"),
        Some(_) => Format::Csv(Dialect {
            delimiter: delimiter(&head),
            quote: b'"',
            escape: None,
            comment: None,
            has_header: true,
            null: None,
        }),
    };
    Ok(Some(Recognised { format, compression }))
}

/// Whole records from the beginning of a file.
pub(super) struct Sample {
    /// Their text.
    pub(super) text: Vec<u8>,
    /// Whether the file goes on behind them.
    pub(super) is_cut: bool,
}

/// The records at the beginning of `file`, one of `files` of a location: as many as its share of the sample holds, but
/// at least one, if it is no longer than the sample of a single file. `end` finds the end of the last whole record.
///
/// # Errors
/// [`ErrorKind::Source`] if the file cannot be read or its compression is damaged.
pub(super) fn records(
    file: &SourceFile,
    compression: CompressionTypeVariant,
    files: usize,
    end: impl Fn(&[u8]) -> Option<usize>,
) -> Result<Sample> {
    let files = u64::try_from(files.max(1)).unwrap_or(u64::MAX);
    let mut limit = (ALL_SAMPLE_BYTES / files).clamp(MIN_SAMPLE_BYTES, SAMPLE_BYTES);
    loop {
        let mut text = sample(file, compression, limit)?;
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
fn sample(file: &SourceFile, compression: CompressionTypeVariant, limit: u64) -> Result<Vec<u8>> {
    let mut sample = Vec::new();
    content(file, compression)?.take(limit).read_to_end(&mut sample).map_err(|error| file.unreadable(error))?;
    Ok(sample)
}

/// The decompressed text of a file, without a byte order mark.
///
/// # Errors
/// [`ErrorKind::Source`] if the file cannot be read or its compression is damaged.
pub(super) fn content(file: &SourceFile, compression: CompressionTypeVariant) -> Result<Box<dyn Read + Send>> {
    let raw = file.open()?;
    let mut text: Box<dyn Read + Send> = match compression {
        CompressionTypeVariant::GZIP => Box::new(MultiGzDecoder::new(BufReader::new(raw))),
        CompressionTypeVariant::ZSTD => Box::new(zstd::Decoder::new(raw).map_err(|error| file.unreadable(error))?),
        _ => Box::new(raw),
    };
    let mut head = Vec::with_capacity(BYTE_ORDER_MARK.len());
    text.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut head).map_err(|error| file.unreadable(error))?;
    if head == BYTE_ORDER_MARK {
        return Ok(text);
    }
    Ok(Box::new(Cursor::new(head).chain(text)))
}

/// The delimiter that splits the header line most often, outside quotes.
fn delimiter(head: &[u8]) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut quoted = false;
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if quoted => {}
            byte => {
                if let Some(index) = DELIMITERS.iter().position(|delimiter| delimiter == byte) {
                    counts[index] += 1;
                }
            }
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let first = counts.iter().position(|count| *count == most).unwrap_or(0);
    DELIMITERS[first]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_line_tells_the_delimiter() {
        for (head, expected) in [
            ("a,b;c,d\n;;;;;", b','),
            ("a\tb\tc\n", b'\t'),
            ("a|b\n", b'|'),
            ("\"a,b,c\";d\n", b';'),
            ("alone\n", b','),
        ] {
            assert_eq!(delimiter(head.as_bytes()), expected, "{head}");
        }
    }
}
