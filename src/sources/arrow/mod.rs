//! Arrow's IPC format: a stream of messages, which a file of the format holds between two marks.
//!
//! Files are read as that stream. Polars writes files that are none: a schema without a frame, and messages that only the
//! footer finds, which are read from there.
//!
//! The reader takes each message for what it says of itself: it reserves the memory that a length claims, and takes a
//! stream that is cut off between two messages for a whole one. Messages are therefore read here, whole and within
//! limits, before it sees them.

use std::io::{self, BufReader, Error, ErrorKind, Read};

use datafusion::arrow::array::RecordBatchReader;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::{self, Endianness, MessageHeader};

use super::described::Described;
use super::file::SourceFile;
use super::recognise;
use crate::error::Result;

mod footer;

/// How a file of the format begins, and without the padding ends; a stream begins with its first message.
const FILE_MARK: &[u8; 8] = b"ARROW1\0\0";
/// Bytes behind that mark at most.
const MAX_PADDING: usize = 64;
/// Stands before the length of a message.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Bytes of the description of a message.
const MAX_DESCRIPTION: u64 = 64 << 20;
/// Bytes of a message, packed or not.
const MAX_BODY: u64 = 1 << 30;
/// Bytes before each packed buffer, which say how long it is without.
const LENGTH_BYTES: usize = 8;

/// The columns and batches of `file`, of all columns or of those at the indexes `projection`.
///
/// # Errors
/// [`crate::error::ErrorKind::Source`] if it cannot be read or does not begin with a schema.
pub(super) fn open(file: &SourceFile, projection: Option<Vec<usize>>) -> Result<Described> {
    let inner = BufReader::new(recognise::unpacked(file)?);
    let Some(messages) = Messages::new(inner).map_err(|error| file.unreadable(error))? else {
        return footer::open(file, projection);
    };
    let reader =
        StreamReader::try_new(messages, projection).map_err(|error| super::described::undecoded(file, error))?;
    Ok(Described { columns: RecordBatchReader::schema(&reader), batches: Box::new(reader) })
}

/// The messages of a stream, each read whole before its first byte is passed on.
struct Messages<R> {
    inner: R,
    message: Vec<u8>,
    taken: usize,
    is_file: bool,
    is_ended: bool,
}

impl<R: Read> Messages<R> {
    /// Those of `inner`; none if it is a file that does not begin with one.
    fn new(mut inner: R) -> io::Result<Option<Self>> {
        let mut begin = [0; FILE_MARK.len()];
        inner.read_exact(&mut begin).map_err(cut)?;
        let is_file = begin == *FILE_MARK;
        // The mark is padded to the alignment of the buffers.
        let mut padding = 0;
        while is_file && (padding == 0 || begin == [0; FILE_MARK.len()]) {
            if padding > MAX_PADDING {
                return Err(damaged("it does not begin with a schema"));
            }
            inner.read_exact(&mut begin).map_err(cut)?;
            padding += begin.len();
        }
        let [0xff, 0xff, 0xff, 0xff, length @ ..] = begin else {
            return if is_file { Ok(None) } else { Err(damaged("it does not begin with a schema")) };
        };
        let mut messages = Self { inner, message: Vec::new(), taken: 0, is_file, is_ended: false };
        messages.read_message(length)?;
        Ok(Some(messages))
    }

    fn next_message(&mut self) -> io::Result<()> {
        let mut length = [0; 4];
        self.inner.read_exact(&mut length).map_err(cut)?;
        if length == CONTINUATION {
            self.inner.read_exact(&mut length).map_err(cut)?;
        }
        self.read_message(length)
    }

    /// Reads the message whose description has so many bytes.
    fn read_message(&mut self, length: [u8; 4]) -> io::Result<()> {
        self.message.clear();
        self.taken = 0;
        self.message.extend(CONTINUATION);
        self.message.extend(length);
        let length = u64::from(u32::from_le_bytes(length));
        if length == 0 {
            self.is_ended = true;
            return self.require_end();
        }
        if length > MAX_DESCRIPTION {
            return Err(damaged("the description of a message is too long"));
        }
        let begin = self.message.len();
        self.append(length)?;
        let Body { length, buffers, is_packed } = Body::of(&self.message[begin..])?;
        let begin = self.message.len();
        self.append(length)?;
        require_sound(&self.message[begin..], &buffers, is_packed)
    }

    /// Appends exactly `length` bytes to the message, and reserves no memory before they come.
    fn append(&mut self, length: u64) -> io::Result<()> {
        let count = self.inner.by_ref().take(length).read_to_end(&mut self.message)?;
        if count as u64 == length { Ok(()) } else { Err(cut_off()) }
    }

    /// Makes sure that behind the last message stands what ends a file, or nothing behind a stream.
    fn require_end(&mut self) -> io::Result<()> {
        let mut last = Vec::new();
        let mut chunk = [0; 8 << 10];
        loop {
            let count = self.inner.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            if !self.is_file {
                return Err(damaged("there is more behind the end of its stream"));
            }
            last.extend_from_slice(&chunk[..count]);
            last.drain(..last.len().saturating_sub(FILE_MARK.len()));
        }
        if self.is_file && !last.ends_with(&FILE_MARK[..6]) { Err(cut_off()) } else { Ok(()) }
    }
}

impl<R: Read> Read for Messages<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.message.len() {
            if self.is_ended || buffer.is_empty() {
                return Ok(0);
            }
            self.next_message()?;
        }
        let count = buffer.len().min(self.message.len() - self.taken);
        buffer[..count].copy_from_slice(&self.message[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

/// What a message says of its body.
struct Body {
    length: u64,
    /// Offset and length of the buffers of its columns.
    buffers: Vec<(i64, i64)>,
    /// Whether these are packed.
    is_packed: bool,
}

impl Body {
    /// What the `description` of a message says.
    fn of(description: &[u8]) -> io::Result<Self> {
        let message = ipc::root_as_message(description).map_err(|_| damaged("a message is not well-formed"))?;
        let length = u64::try_from(message.bodyLength()).ok().filter(|length| *length <= MAX_BODY);
        let length = length.ok_or_else(|| damaged("a message is larger than 1 GiB: write smaller batches"))?;
        let batch = match message.header_type() {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|batch| batch.data()),
            _ => None,
        };
        message.header_as_schema().map_or(Ok(()), require_little)?;
        let is_packed = batch.is_some_and(|batch| batch.compression().is_some());
        let buffers = batch.and_then(|batch| batch.buffers());
        let buffers: Vec<(i64, i64)> = buffers
            .map(|buffers| buffers.iter().map(|buffer| (buffer.offset(), buffer.length())).collect())
            .unwrap_or_default();
        let rows = batch.map_or(0, |batch| batch.length());
        if rows < 0 || i32::try_from(rows).is_err() {
            return Err(damaged("a batch has no sensible number of rows"));
        }
        Ok(Self { length, buffers, is_packed })
    }
}

/// Makes sure that each of the `buffers`, offset and length, lies in `body`, and that none grows beyond the limit.
fn require_sound(body: &[u8], buffers: &[(i64, i64)], is_packed: bool) -> io::Result<()> {
    let mut unpacked = 0_u64;
    for (offset, length) in buffers {
        let range = usize::try_from(*offset).ok().zip(usize::try_from(*length).ok());
        let buffer = range.and_then(|(offset, length)| body.get(offset..offset.checked_add(length)?));
        let buffer = buffer.ok_or_else(|| damaged("a column reaches beyond its batch"))?;
        if is_packed && let Some(length) = buffer.first_chunk::<LENGTH_BYTES>() {
            // -1 says that the buffer is not packed after all.
            let length = i64::from_le_bytes(*length).max(0).unsigned_abs();
            unpacked = unpacked.saturating_add(length);
        }
    }
    if unpacked > MAX_BODY {
        return Err(damaged("a batch unpacks to more than 1 GiB: write smaller batches"));
    }
    Ok(())
}

/// Makes sure that the numbers of a file with this schema are stored as they are here. The reader does not ask, and takes each
/// for another.
fn require_little(schema: ipc::Schema<'_>) -> io::Result<()> {
    if schema.endianness() == Endianness::Little {
        return Ok(());
    }
    Err(damaged("its numbers are stored with their big end first, which is not read: write it on another machine"))
}

fn cut(error: Error) -> Error {
    if error.kind() == ErrorKind::UnexpectedEof { cut_off() } else { error }
}

fn cut_off() -> Error {
    Error::new(ErrorKind::InvalidData, "its stream has no end: it is cut off")
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}
