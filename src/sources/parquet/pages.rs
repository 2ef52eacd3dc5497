//! What the headers of pages claim, judged before a decoder reserves memory for it, and checksums where a writer left them.

use flate2::Crc;
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;

use super::thrift::{Compact, FALSE, STRUCT};

/// Bytes of a page in memory.
const PAGE_BYTES: i64 = 256 << 20;
/// Bytes of a compressed page in its file.
const COMPRESSED_PAGE_BYTES: i64 = 64 << 20;

/// Bytes of the header of a page, statistics included.
const HEADER_BYTES: usize = 16 << 20;

/// Kinds of pages.
const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;

/// The number of the encoding of levels.
const RUNS: i64 = 3;

/// What the header of a page says.
#[derive(Debug, Default)]
struct PageHeader {
    kind: i64,
    uncompressed: i64,
    compressed: i64,
    checksum: Option<i64>,
    values: i64,
    encoding: i64,
    /// Encodings of definition and repetition levels.
    levels: [Option<i64>; 2],
    /// Bytes of the levels of a page of the second version, which are not compressed.
    level_bytes: i64,
    is_stored: bool,
}

/// Judges the pages in `bytes`, which belong to `chunk`; `is_whole` if they are all of it.
///
/// # Errors
/// What is wrong with them, in words.
pub(super) fn check(bytes: &[u8], chunk: &ColumnChunkMetaData, is_whole: bool) -> Result<(), String> {
    let mut pages = Pages::of(chunk);
    pages.judge(bytes, true)?;
    if is_whole { pages.end() } else { Ok(()) }
}

/// The pages of one column of a row group, judged as they come.
pub(super) struct Pages<'a> {
    chunk: &'a ColumnChunkMetaData,
    values: i64,
}

impl<'a> Pages<'a> {
    /// Those of `chunk`, from the first on.
    pub(super) fn of(chunk: &'a ColumnChunkMetaData) -> Self {
        Self { chunk, values: 0 }
    }

    /// Whether all values were seen.
    pub(super) fn are_all(&self) -> bool {
        self.values >= self.chunk.num_values()
    }

    /// Judges the pages that are whole in `bytes`, and gives their length; where the bytes end all are.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub(super) fn judge(&mut self, bytes: &[u8], is_end: bool) -> Result<usize, String> {
        let is_compressed = self.chunk.compression() != Compression::UNCOMPRESSED;
        let mut position = 0;
        while position < bytes.len() && !self.are_all() {
            let rest = &bytes[position..];
            let Some((header, length)) = PageHeader::read(rest) else {
                if !is_end && rest.len() < HEADER_BYTES {
                    break;
                }
                return Err("the header of a page is damaged".to_owned());
            };
            let size = usize::try_from(header.compressed).map_err(|_| "a page has a negative length")?;
            let Some(body) = rest.get(length..).and_then(|rest| rest.get(..size)) else {
                if is_end {
                    return Err("a page goes on behind the end of its column".to_owned());
                }
                header.is_plausible(self.chunk, is_compressed)?;
                break;
            };
            header.is_plausible(self.chunk, is_compressed)?;
            if let Some(checksum) = header.checksum {
                let mut found = Crc::new();
                found.update(body);
                // The format stores the bits of the checksum as a signed number.
                if i64::from(found.sum().cast_signed()) != checksum {
                    return Err("the checksum of a page does not fit its bytes".to_owned());
                }
            }
            if header.kind != DICTIONARY {
                self.values += header.values;
            }
            position += length + size;
        }
        if self.values > self.chunk.num_values() { self.end().map(|()| position) } else { Ok(position) }
    }

    /// Makes sure that all pages were seen.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn end(&self) -> Result<(), String> {
        if self.values == self.chunk.num_values() {
            return Ok(());
        }
        Err("the pages of a column hold more or fewer values than the footer says".to_owned())
    }
}

impl PageHeader {
    /// The header at the beginning of `bytes`, and its length.
    fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut compact = Compact::new(bytes);
        let (mut header, mut last) = (Self { kind: -1, uncompressed: -1, compressed: -1, ..Self::default() }, 0);
        while let (number, kind @ 1..) = compact.field(last)? {
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
        let mut last = 0;
        while let (number, kind @ 1..) = compact.field(last)? {
            match (part, number, kind) {
                (_, 1, 5) => self.values = compact.number()?,
                (5 | 7, 2, 5) | (8, 4, 5) => self.encoding = compact.number()?,
                (5, 3, 5) => self.levels[0] = Some(compact.number()?),
                (5, 4, 5) => self.levels[1] = Some(compact.number()?),
                (8, 5 | 6, 5) => {
                    let bytes = compact.number().filter(|bytes| *bytes >= 0)?;
                    self.level_bytes = self.level_bytes.checked_add(bytes)?;
                }
                (8, 7, FALSE) => self.is_stored = true,
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
        let is_compressed = is_compressed && !self.is_stored;
        if self.uncompressed < 0
            || self.values < 0
            || !is_compressed && self.compressed != self.uncompressed
            || self.level_bytes > self.uncompressed.min(self.compressed)
        {
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
        // Writers of old are careless with encodings; those that leave checksums are not.
        if self.checksum.is_some() && self.kind != DICTIONARY && !self.has_declared_encoding(chunk) {
            return Err("a page is encoded in another way than the footer says".to_owned());
        }
        Ok(())
    }

    /// Whether the footer lists the encoding of the page; a dictionary's has two numbers.
    fn has_declared_encoding(&self, chunk: &ColumnChunkMetaData) -> bool {
        let same = |number: i64| if number == 2 { 8 } else { number };
        let column = chunk.column_descr();
        let levels = [column.max_def_level(), column.max_rep_level()];
        let are_runs =
            |(level, encoding): (i16, Option<i64>)| level == 0 || encoding.is_none_or(|number| number == RUNS);
        levels.into_iter().zip(self.levels).all(are_runs)
            && chunk.encodings().any(|encoding| same(i64::from(encoding as i32)) == same(self.encoding))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::file::metadata::ColumnChunkMetaData;
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;

    use super::*;

    fn number(value: i64) -> Vec<u8> {
        let mut zigzag = (value << 1 ^ value >> 63).cast_unsigned();
        let mut bytes = Vec::new();
        while zigzag > 0x7f {
            bytes.push(u8::try_from(zigzag & 0x7f).unwrap() | 0x80);
            zigzag >>= 7;
        }
        bytes.push(u8::try_from(zigzag).unwrap());
        bytes
    }

    /// A page of `values` numbers in plain encoding, whose body is `body`.
    fn page(kind: i64, uncompressed: i64, compressed: i64, values: i64, body: &[u8], checksum: Option<i64>) -> Vec<u8> {
        let mut bytes = vec![0x15];
        bytes.extend(number(kind));
        bytes.push(0x15);
        bytes.extend(number(uncompressed));
        bytes.push(0x15);
        bytes.extend(number(compressed));
        if let Some(checksum) = checksum {
            bytes.push(0x15);
            bytes.extend(number(checksum));
        }
        bytes.push(if checksum.is_some() { 0x1c } else { 0x2c });
        bytes.push(0x15);
        bytes.extend(number(values));
        bytes.extend([0x15, 0, 0x15, 6, 0x15, 6, 0, 0]);
        bytes.extend(body);
        bytes
    }

    fn chunk(compression: Compression) -> ColumnChunkMetaData {
        let schema = parse_message_type("message m { required int64 a; }").unwrap();
        let columns = SchemaDescriptor::new(Arc::new(schema));
        ColumnChunkMetaData::builder(columns.column(0))
            .set_compression(compression)
            .set_num_values(2)
            .set_total_compressed_size(100)
            .set_total_uncompressed_size(1 << 40)
            .set_encodings(vec![parquet::basic::Encoding::PLAIN])
            .build()
            .unwrap()
    }

    #[test]
    fn a_page_claims_no_more_than_it_can_have() {
        let (body, mib) = ([7; 16], 1 << 20);
        for (kind, uncompressed, compressed, values, says) in [
            (0, 16, 16, 2, ""),
            (0, 257 * mib, 16, 2, "a page claims 257 MiB, and 256 MiB is the most"),
            (0, i64::from(i32::MAX), 16, 2, "256 MiB is the most"),
            (0, 16, 65 * mib, 2, "goes on behind the end"),
            (0, 16, -1, 2, "negative length"),
            (0, -1, 16, 2, "contradicts itself"),
            (0, 16, 16, 3, "more values than it can hold"),
            (0, 16, 16, 1, "more or fewer values"),
            (0, 16, 16, -1, "contradicts itself"),
            (7, 16, 16, 2, "unknown kind"),
        ] {
            let found =
                check(&page(kind, uncompressed, compressed, values, &body, None), &chunk(Compression::SNAPPY), true);
            match found {
                Ok(()) => assert_eq!(says, "", "{kind} {uncompressed} {compressed} {values}"),
                Err(found) => assert!(!says.is_empty() && found.contains(says), "{found}, not {says}"),
            }
        }
        let twice = page(0, 32, 16, 2, &body, None);
        assert!(check(&twice, &chunk(Compression::UNCOMPRESSED), true).is_err());
        let cut = &page(0, 16, 16, 2, &body, None)[..20];
        assert!(check(cut, &chunk(Compression::SNAPPY), true).is_err());
    }

    #[test]
    fn pages_are_judged_as_they_come() {
        let one = page(0, 8, 8, 1, &[7; 8], None);
        let both = [one.clone(), one.clone()].concat();
        let chunk = chunk(Compression::SNAPPY);
        for cut in 1..both.len() {
            let mut pages = Pages::of(&chunk);
            let read = pages.judge(&both[..cut], false).unwrap();
            assert_eq!((read, pages.are_all()), (cut / one.len() * one.len(), false), "{cut}");
            assert_eq!(pages.judge(&both[read..], true), Ok(both.len() - read));
            assert_eq!((pages.are_all(), pages.end()), (true, Ok(())));
        }
        let mut pages = Pages::of(&chunk);
        assert!(
            pages.judge(&page(0, 257 << 20, 300, 1, &[], None), false).unwrap_err().contains("256 MiB is the most")
        );
        assert!(pages.end().is_err());
    }

    #[test]
    fn a_checksum_has_to_fit() {
        let body = [7; 16];
        let mut found = Crc::new();
        found.update(&body);
        let sum = i64::from(found.sum().cast_signed());
        assert_eq!(check(&page(0, 16, 16, 2, &body, Some(sum)), &chunk(Compression::SNAPPY), true), Ok(()));
        let wrong = check(&page(0, 16, 16, 2, &body, Some(sum ^ 1)), &chunk(Compression::SNAPPY), true);
        assert!(wrong.unwrap_err().contains("checksum"));
    }
}
