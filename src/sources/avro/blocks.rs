//! The blocks of an Avro file: read whole, unpacked within a limit, judged, and passed on as a file without compression.

use std::io::{self, BufRead, Error, ErrorKind, Read};

use arrow_avro::compression::CompressionCodec;
use arrow_avro::reader::read_header_info;
use flate2::Crc;
use liblzma::stream::Stream;

use super::walk::{self, Shapes};

/// How a file begins.
const MARK: &[u8] = b"Obj\x01";
/// Bytes of the header: the schema, and what the writer noted.
const MAX_HEADER: u64 = 16 << 20;
/// Bytes of a block, packed or not; writers make blocks of some kilobytes.
const MAX_BLOCK: u64 = 256 << 20;
/// Records of a block.
const MAX_RECORDS: u64 = 16 << 20;
/// Memory that the window of an xz block may take.
const XZ_MEMORY: u64 = 256 << 20;
/// Bytes of the mark between blocks.
const SYNC_BYTES: usize = 16;

/// A file whose blocks are sound and not packed.
pub(super) struct Blocks<R> {
    inner: R,
    shapes: Shapes,
    codec: Option<CompressionCodec>,
    sync: [u8; SYNC_BYTES],
    sound: Vec<u8>,
    taken: usize,
}

impl<R: BufRead> Blocks<R> {
    /// Reads the header of `inner`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] if it is none, or its schema is none that can be read.
    pub(super) fn new(mut inner: R) -> io::Result<Self> {
        let found = read_header_info(inner.by_ref().take(MAX_HEADER)).map_err(|_| damaged("its header is cut off"))?;
        let codec = found.compression().map_err(|_| damaged("its blocks are packed with an unknown codec"))?;
        let schema = found.writer_schema().map_err(|_| damaged("its header has no schema"))?.json_string;
        let shapes = walk::shapes(&schema)?;
        let mut sound = MARK.to_vec();
        put_long(&mut sound, 1);
        for text in ["avro.schema", &schema] {
            put_long(&mut sound, text.len() as u64);
            sound.extend_from_slice(text.as_bytes());
        }
        put_long(&mut sound, 0);
        sound.extend(found.sync());
        Ok(Self { inner, shapes, codec, sync: found.sync(), sound, taken: 0 })
    }

    /// Reads one block; `false` at the end of the file.
    fn next_block(&mut self) -> io::Result<bool> {
        if self.inner.fill_buf()?.is_empty() {
            return Ok(false);
        }
        let (count, size) = (self.long()?, self.long()?);
        if count > MAX_RECORDS || size > MAX_BLOCK {
            return Err(damaged("a block is larger than any writer makes it"));
        }
        let mut packed = Vec::new();
        let mut sync = [0; SYNC_BYTES];
        if self.inner.by_ref().take(size).read_to_end(&mut packed)? as u64 != size {
            return Err(cut_off());
        }
        self.inner.read_exact(&mut sync).map_err(|_| cut_off())?;
        if sync != self.sync {
            return Err(damaged("the mark behind a block is wrong"));
        }
        let block = unpacked(self.codec, packed)?;
        walk::require_records(&self.shapes, &block, count)?;
        self.sound.clear();
        self.taken = 0;
        put_long(&mut self.sound, count);
        put_long(&mut self.sound, block.len() as u64);
        self.sound.extend_from_slice(&block);
        self.sound.extend(self.sync);
        Ok(true)
    }

    /// A number that is not negative.
    fn long(&mut self) -> io::Result<u64> {
        let mut bytes = Vec::new();
        loop {
            let mut byte = [0];
            self.inner.read_exact(&mut byte).map_err(|_| cut_off())?;
            bytes.push(byte[0]);
            if byte[0] < 0x80 || bytes.len() > walk::MAX_LONG {
                break;
            }
        }
        let number = walk::long(&mut bytes.as_slice()).and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| damaged("the length of a block is none"))
    }
}

impl<R: BufRead> Read for Blocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.sound.len() && (buffer.is_empty() || !self.next_block()?) {
            return Ok(0);
        }
        let count = buffer.len().min(self.sound.len() - self.taken);
        buffer[..count].copy_from_slice(&self.sound[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

/// What a block holds.
fn unpacked(codec: Option<CompressionCodec>, packed: Vec<u8>) -> io::Result<Vec<u8>> {
    let within = |reader: &mut dyn Read| {
        let mut block = Vec::new();
        let count = reader.take(MAX_BLOCK + 1).read_to_end(&mut block)? as u64;
        if count > MAX_BLOCK { Err(damaged("a block unpacks to more than 256 MiB")) } else { Ok(block) }
    };
    match codec {
        None => Ok(packed),
        Some(CompressionCodec::Deflate) => within(&mut flate2::read::DeflateDecoder::new(packed.as_slice())),
        Some(CompressionCodec::ZStandard) => within(&mut zstd::Decoder::new(packed.as_slice())?),
        Some(CompressionCodec::Bzip2) => within(&mut bzip2::read::BzDecoder::new(packed.as_slice())),
        Some(CompressionCodec::Xz) => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, 0)?;
            within(&mut liblzma::read::XzDecoder::new_stream(packed.as_slice(), stream))
        }
        Some(CompressionCodec::Snappy) => {
            let (packed, sum) = packed.split_last_chunk::<4>().ok_or_else(cut_off)?;
            if snap::raw::decompress_len(packed)? as u64 > MAX_BLOCK {
                return Err(damaged("a block unpacks to more than 256 MiB"));
            }
            let block = snap::raw::Decoder::new().decompress_vec(packed)?;
            let mut own = Crc::new();
            own.update(&block);
            if own.sum() == u32::from_be_bytes(*sum) {
                Ok(block)
            } else {
                Err(damaged("the checksum of a block is wrong"))
            }
        }
    }
}

/// Appends a number as Avro writes it.
fn put_long(bytes: &mut Vec<u8>, number: u64) {
    let mut rest = number << 1;
    while rest >= 0x80 {
        bytes.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    bytes.push(rest.to_le_bytes()[0]);
}

fn cut_off() -> Error {
    Error::new(ErrorKind::InvalidData, "its last block has no end: it is cut off")
}

pub(super) fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}
