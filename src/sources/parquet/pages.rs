//! What the headers of pages claim, judged before a decoder reserves memory for it, and checksums where a writer left them.

use flate2::Crc;
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;

use super::thrift::{Compact, STRUCT};

/// Bytes of a page in memory.
const PAGE_BYTES: i64 = 256 << 20;
/// Bytes of a compressed page in its file.
const COMPRESSED_PAGE_BYTES: i64 = 64 << 20;

/// Kinds of pages.
const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;

/// What the header of a page says.
#[derive(Debug, Default)]
struct PageHeader {
    kind: i64,
    uncompressed: i64,
    compressed: i64,
    checksum: Option<i64>,
    values: i64,
    encoding: i64,
}

/// Judges the pages in `bytes`, which belong to `chunk`; `is_whole` if they are all of it.
///
/// # Errors
/// What is wrong with them, in words.
pub(super) fn check(bytes: &[u8], chunk: &ColumnChunkMetaData, is_whole: bool) -> Result<(), String> {
    let is_compressed = chunk.compression() != Compression::UNCOMPRESSED;
    let (mut position, mut values) = (0, 0);
    while position < bytes.len() && values < chunk.num_values() {
        let (header, length) = PageHeader::read(&bytes[position..]).ok_or("the header of a page is damaged")?;
        position += length;
        let size = usize::try_from(header.compressed).map_err(|_| "a page has a negative length")?;
        let body = bytes.get(position..).and_then(|rest| rest.get(..size));
        let body = body.ok_or("a page goes on behind the end of its column")?;
        position += size;
        header.is_plausible(chunk, is_compressed)?;
        if let Some(checksum) = header.checksum {
            let mut found = Crc::new();
            found.update(body);
            // The format stores the bits of the checksum as a signed number.
            if i64::from(found.sum().cast_signed()) != checksum {
                return Err("the checksum of a page does not fit its bytes".to_owned());
            }
        }
        if header.kind != DICTIONARY {
            values += header.values;
        }
    }
    if values > chunk.num_values() || is_whole && values != chunk.num_values() {
        return Err("the pages of a column hold more or fewer values than the footer says".to_owned());
    }
    Ok(())
}

impl PageHeader {
    /// The header at the beginning of `bytes`, and its length.
    fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut compact = Compact::new(bytes);
        let (mut header, mut last) = (Self { kind: -1, uncompressed: -1, compressed: -1, ..Self::default() }, 0);
        while let Some((number, kind)) = compact.field(last)? {
            match (number, kind) {
                (1, 5) => header.kind = compact.number()?,
                (2, 5) => header.uncompressed = compact.number()?,
                (3, 5) => header.compressed = compact.number()?,
                (4, 5) => header.checksum = Some(compact.number()?),
                (5 | 7 | 8, STRUCT) => header.read_values(&mut compact, number)?,
                _ => compact.skip(kind)?,
            }
            last = number;
        }
        Some((header, compact.position()))
    }

    /// The part of the header that is of one kind of page.
    fn read_values(&mut self, compact: &mut Compact<'_>, part: i16) -> Option<()> {
        let encoding = if part == 8 { 4 } else { 2 };
        let mut last = 0;
        while let Some((number, kind)) = compact.field(last)? {
            match (number, kind) {
                (1, 5) => self.values = compact.number()?,
                (number, 5) if number == encoding => self.encoding = compact.number()?,
                _ => compact.skip(kind)?,
            }
            last = number;
        }
        Some(())
    }

    fn is_plausible(&self, chunk: &ColumnChunkMetaData, is_compressed: bool) -> Result<(), String> {
        if !matches!(self.kind, DATA | DICTIONARY | DATA_V2) {
            return Err("a page is of an unknown kind".to_owned());
        }
        if self.uncompressed < 0 || self.values < 0 || !is_compressed && self.compressed != self.uncompressed {
            return Err("the header of a page contradicts itself".to_owned());
        }
        if self.uncompressed > PAGE_BYTES || is_compressed && self.compressed > COMPRESSED_PAGE_BYTES {
            let (size, most) = if self.uncompressed > PAGE_BYTES {
                (self.uncompressed, PAGE_BYTES)
            } else {
                (self.compressed, COMPRESSED_PAGE_BYTES)
            };
            return Err(format!("a page claims {} MiB, and {} MiB is the most", size >> 20, most >> 20));
        }
        if self.uncompressed > chunk.uncompressed_size() {
            return Err("a page claims more bytes than the whole column has".to_owned());
        }
        // A value of a dictionary takes a byte at least; one of a data page may take none.
        let most = if self.kind == DICTIONARY { self.uncompressed } else { chunk.num_values() };
        if self.values > most {
            return Err("a page claims more values than it can hold".to_owned());
        }
        if self.checksum.is_some() && self.kind != DICTIONARY && !self.has_declared_encoding(chunk) {
            return Err("a page is encoded in another way than the footer says".to_owned());
        }
        Ok(())
    }

    /// Whether the footer lists the encoding of the page; a dictionary's has two numbers.
    fn has_declared_encoding(&self, chunk: &ColumnChunkMetaData) -> bool {
        let same = |number: i64| if number == 2 { 8 } else { number };
        chunk.encodings().any(|encoding| same(i64::from(encoding as i32)) == same(self.encoding))
    }
}
