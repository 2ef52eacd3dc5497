//! Files that are no stream between their marks: the footer says where each message stands.

use std::io::{self, Read};
use std::sync::Arc;

use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::convert::fb_to_schema;
use datafusion::arrow::ipc::reader::FileDecoder;
use datafusion::arrow::ipc::{self, Block, MessageHeader, MetadataVersion};

use super::{
    Body, CONTINUATION, FILE_MARK, MAX_BODY, MAX_DESCRIPTION, cut, cut_off, damaged, require_little, require_sound,
};
use crate::error::Result;
use crate::sources::described::{Described, undecoded};
use crate::sources::file::SourceFile;
use crate::sources::recognise::{self, Compression};

/// The length of the footer and the mark behind it.
const END: u64 = 10;

/// The columns and batches of `file`, of all columns or of those at the indexes `projection`.
///
/// # Errors
/// [`crate::error::ErrorKind::Source`] if it cannot be read or does not end with a footer.
pub(super) fn open(file: &SourceFile, projection: Option<Vec<usize>>) -> Result<Described> {
    let footer = Footer::read(file).map_err(|error| file.unreadable(error))?;
    let columns = match &projection {
        Some(projection) => footer.schema.project(projection).map(Arc::new),
        None => Ok(Arc::clone(&footer.schema)),
    };
    let columns = columns.map_err(|error| undecoded(file, error))?;
    let mut decoder = FileDecoder::new(footer.schema, footer.version);
    if let Some(projection) = projection {
        decoder = decoder.with_projection(projection);
    }
    // Dictionaries may stand behind the batches that use them.
    if let Some(first) = footer.dictionaries.first() {
        let mut messages = Messages::of(file, first).map_err(|error| file.unreadable(error))?;
        for block in &footer.dictionaries {
            let read = messages.at(block, MessageHeader::DictionaryBatch).map_err(|error| file.unreadable(error))?;
            decoder.read_dictionary(block, &read).map_err(|error| undecoded(file, error))?;
        }
    }
    let batches: Box<dyn Iterator<Item = _>> = match footer.batches.first() {
        Some(first) => {
            let mut messages = Messages::of(file, first).map_err(|error| file.unreadable(error))?;
            Box::new(footer.batches.into_iter().filter_map(move |block| {
                let read = messages.at(&block, MessageHeader::RecordBatch).map_err(ArrowError::from);
                read.and_then(|message| decoder.read_record_batch(&block, &message)).transpose()
            }))
        }
        None => Box::new(std::iter::empty()),
    };
    Ok(Described { columns, batches })
}

/// What the footer of a file says.
struct Footer {
    schema: SchemaRef,
    version: MetadataVersion,
    /// Where the messages stand, in their order in the file.
    dictionaries: Vec<Block>,
    batches: Vec<Block>,
}

impl Footer {
    fn read(file: &SourceFile) -> io::Result<Self> {
        let length = match file.wrapping.compression {
            Compression::None => file.meta.size,
            _ => io::copy(&mut from(file, 0)?, &mut io::sink())?,
        };
        let end = length.checked_sub(END).ok_or_else(cut_off)?;
        let mut last = [0; 10];
        from(file, end)?.read_exact(&mut last).map_err(cut)?;
        let [a, b, c, d, mark @ ..] = last;
        if mark != FILE_MARK[..6] {
            return Err(cut_off());
        }
        let footer_length = u64::from(u32::from_le_bytes([a, b, c, d]));
        let start = end.checked_sub(footer_length).filter(|_| footer_length <= MAX_DESCRIPTION);
        let start = start.ok_or_else(|| damaged("its footer has no sensible length"))?;
        let mut footer = Vec::new();
        from(file, start)?.take(footer_length).read_to_end(&mut footer)?;
        let footer = ipc::root_as_footer(&footer).map_err(|_| damaged("its footer is not well-formed"))?;
        let schema = footer.schema().ok_or_else(|| damaged("its footer has no schema"))?;
        require_little(schema)?;
        let dictionaries = sorted(footer.dictionaries().into_iter().flatten().copied(), start)?;
        let batches = sorted(footer.recordBatches().into_iter().flatten().copied(), start)?;
        Ok(Self { schema: Arc::new(fb_to_schema(schema)), version: footer.version(), dictionaries, batches })
    }
}

/// `blocks` in their order in a file, in which the footer begins at `end`: each lies before that, and behind the one before.
fn sorted(blocks: impl Iterator<Item = Block>, end: u64) -> io::Result<Vec<Block>> {
    let mut blocks: Vec<Block> = blocks.collect();
    blocks.sort_unstable_by_key(Block::offset);
    let mut before = FILE_MARK.len() as u64;
    for block in &blocks {
        let part = |length: i64, most: u64| u64::try_from(length).ok().filter(|length| *length <= most);
        let begin = part(block.offset(), end).filter(|begin| *begin >= before);
        let description = part(block.metaDataLength().into(), MAX_DESCRIPTION);
        let body = part(block.bodyLength(), MAX_BODY);
        let behind = begin.zip(description.zip(body)).map(|(begin, (description, body))| begin + description + body);
        before = behind.filter(|behind| *behind <= end).ok_or_else(|| damaged("its footer names no sensible place"))?;
    }
    Ok(blocks)
}

/// The bytes of `file` from `offset` on.
fn from(file: &SourceFile, offset: u64) -> io::Result<Box<dyn Read + Send>> {
    if file.wrapping.compression == Compression::None {
        return file.open_at(offset).map_err(io::Error::other);
    }
    let mut all = recognise::unpacked(file).map_err(io::Error::other)?;
    io::copy(&mut all.by_ref().take(offset), &mut io::sink())?;
    Ok(all)
}

/// The messages of a file, which are read in their order.
struct Messages {
    inner: Box<dyn Read + Send>,
    /// Where that stands.
    at: u64,
}

impl Messages {
    /// Those of `file` from the one at `first` on.
    fn of(file: &SourceFile, first: &Block) -> io::Result<Self> {
        let at = first.offset().unsigned_abs();
        Ok(Self { inner: from(file, at)?, at })
    }

    /// The message at `block`, which is a `wanted` one.
    fn at(&mut self, block: &Block, wanted: MessageHeader) -> io::Result<Buffer> {
        let [begin, description, body] = [block.offset(), block.metaDataLength().into(), block.bodyLength()]
            .map(|number| u64::try_from(number).unwrap_or_default());
        let skipped = begin - self.at;
        if io::copy(&mut self.inner.by_ref().take(skipped), &mut io::sink())? != skipped {
            return Err(cut_off());
        }
        let mut message = Vec::new();
        let length = description + body;
        if self.inner.by_ref().take(length).read_to_end(&mut message)? as u64 != length {
            return Err(cut_off());
        }
        self.at = begin + length;
        if kind(&message, usize::try_from(description).unwrap_or_default())? != wanted {
            return Err(damaged("its footer calls a message by another name"));
        }
        Ok(Buffer::from_vec(message))
    }
}

/// What a message is, whose description has so many bytes with its length, and whose body is sound.
fn kind(message: &[u8], description: usize) -> io::Result<MessageHeader> {
    let (description, body) = message.split_at(description);
    let description = description.strip_prefix(&CONTINUATION).unwrap_or(description);
    let description = description.get(4..).ok_or_else(|| damaged("a message has no description"))?;
    let said = Body::of(description)?;
    if said.length != body.len() as u64 {
        return Err(damaged("a message is longer or shorter than the footer says"));
    }
    require_sound(body, &said.buffers, said.is_packed)?;
    let message = ipc::root_as_message(description).map_err(|_| damaged("a message is not well-formed"))?;
    Ok(message.header_type())
}
