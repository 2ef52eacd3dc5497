//! Avro object container files.
//!
//! The reader takes a file that is cut off inside a block for a whole one, compares no marks between blocks, and turns
//! without end over a block whose number of records is wrong. It is therefore given blocks that were judged before: whole,
//! unpacked within a limit, behind the right mark, and of exactly as many records as they say ([`blocks`], [`walk`]).

use std::io::BufReader;

use arrow_avro::reader::ReaderBuilder;
use datafusion::arrow::array::RecordBatchReader;

use self::blocks::Blocks;
use super::described::{Described, undecoded};
use super::file::SourceFile;
use super::recognise;
use crate::error::Result;

mod blocks;
mod walk;

/// The columns and batches of `file`, of all columns or of those at the indexes `projection`, so many rows at a time.
///
/// # Errors
/// [`crate::error::ErrorKind::Source`] if it cannot be read or its schema is none of records.
pub(super) fn open(file: &SourceFile, projection: Option<Vec<usize>>, rows: usize) -> Result<Described> {
    let blocks = Blocks::new(BufReader::new(recognise::unpacked(file)?)).map_err(|error| file.unreadable(error))?;
    let builder = ReaderBuilder::new().with_batch_size(rows);
    let builder = match projection {
        Some(projection) => builder.with_projection(projection),
        None => builder,
    };
    let reader = builder.build(BufReader::new(blocks)).map_err(|error| undecoded(file, error))?;
    Ok(Described { columns: RecordBatchReader::schema(&reader), batches: Box::new(reader) })
}
