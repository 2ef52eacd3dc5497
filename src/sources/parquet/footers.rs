//! What the footers of Parquet files say: whether there is a row, and the columns. Of a thousand files, each footer is
//! read once, without its statistics.
//!
//! A footer is judged twice: its bytes before they are decoded, so that no forged length reserves memory, and what they
//! say before anything is read that they point to.

use std::collections::HashSet;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::Schema;
use datafusion::object_store::{ObjectStore, ObjectStoreExt};
use futures::future::FutureExt;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};

use super::merge::FileColumns;
use super::pages::Pages;
use super::reader::{Chunks, Progress};
use super::thrift::Compact;
use super::types;
use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::SourceFile;
use crate::sources::unreadable;

/// Bytes at the end of a file that are fetched at once: most footers are shorter.
const PREFETCHED: u64 = 64 << 10;
/// Length and magic at the end of a file.
const TAIL: u64 = 8;
/// Bytes of a footer.
const FOOTER_BYTES: u64 = 64 << 20;
/// Bytes that are judged at once.
const WINDOW: u64 = 4 << 20;
/// Row groups that the format can number.
const ROW_GROUPS: usize = 1 << 15;
/// The number of the row groups among the fields of a footer.
const ROW_GROUPS_FIELD: i16 = 4;
/// The number of the encryption of columns under a footer in plain text.
const ENCRYPTION_FIELD: i16 = 8;
/// What a file is, whose end is not that of a Parquet file.
const CUT_OFF: &str = "its footer is damaged: a transfer may have stopped half-way";

/// What a footer says.
#[derive(Debug)]
pub(in crate::sources) struct Footer {
    /// Rows of the file.
    pub(in crate::sources) rows: i64,
    /// Its columns.
    pub(in crate::sources) columns: FileColumns,
}

/// Reads the footer of `file`.
///
/// # Errors
/// [`ErrorKind::Source`], naming the file, if it cannot be read, is encrypted, damaged or forged.
pub(in crate::sources) async fn read(store: &Arc<dyn ObjectStore>, file: &SourceFile) -> Result<Footer> {
    let reading = async {
        let metadata = fetch(store, file).await?;
        let metadata = metadata.file_metadata();
        let schema = parquet_to_arrow_schema(metadata.schema_descr(), metadata.key_value_metadata());
        let schema = types::read_as(metadata.schema_descr(), &schema.map_err(|error| damaged(file, error))?);
        require_distinct(file, &schema)?;
        let uuids = types::uuids(metadata.schema_descr());
        if uuids.len() != schema.fields().len() {
            return Err(damaged(file, "its columns are not those of its schema"));
        }
        Ok(Footer { rows: metadata.num_rows(), columns: FileColumns { schema: Arc::new(schema), uuids } })
    };
    whole(file, reading).await
}

/// Makes sure that no two columns have the same name: the reader finds columns by name, and would give one for the other.
fn require_distinct(file: &SourceFile, schema: &Schema) -> Result<()> {
    let mut names = HashSet::new();
    match schema.fields().iter().find(|field| !names.insert(field.name())) {
        None => Ok(()),
        Some(twice) => {
            let message = format!("`{}` has two columns that are called `{}`", file.shown(), twice.name());
            Err(Error::new(ErrorKind::Source, message).hint("give the columns of the export different names"))
        }
    }
}

/// The decoded footer of `file`, judged.
pub(super) async fn fetch(store: &Arc<dyn ObjectStore>, file: &SourceFile) -> Result<ParquetMetaData> {
    let size = file.meta.size;
    let range = |range: Range<u64>| async {
        store.get_range(&file.meta.location, range).await.map_err(|error| match Error::beneath(&error) {
            Some(ours) => ours.restated(),
            None => unreadable(file.shown(), error),
        })
    };
    if size < TAIL {
        return Err(damaged(file, "it is too short"));
    }
    let mut end: Bytes = range(size.saturating_sub(PREFETCHED)..size).await?;
    let tail = end.len().checked_sub(8).and_then(|start| end.get(start..)).and_then(|tail| tail.first_chunk::<8>());
    let Some([length @ .., b'P', b'A', b'R', kind]) = tail else {
        return Err(damaged(file, "it does not end as a Parquet file"));
    };
    let is_encrypted = match kind {
        b'1' => false,
        b'E' => true,
        _ => return Err(damaged(file, "it does not end as a Parquet file")),
    };
    let length = length.first_chunk::<4>().map_or(0, |length| u64::from(u32::from_le_bytes(*length)));
    let start = size.checked_sub(TAIL + length).filter(|_| length <= FOOTER_BYTES);
    let start = start.ok_or_else(|| damaged(file, "its footer claims more bytes than it can have"))?;
    if TAIL + length > end.len() as u64 {
        end = range(start..size).await?;
    }
    let bytes = end.len().checked_sub(8).zip(usize::try_from(TAIL + length).ok());
    let bytes = bytes.and_then(|(last, length)| end.get(end.len().checked_sub(length)?..last));
    let bytes = bytes.ok_or_else(|| damaged(file, "its footer is cut off"))?;
    if is_encrypted || is_sound(bytes).ok_or_else(|| damaged(file, "its footer is no Thrift structure"))? {
        return Err(Error::new(ErrorKind::Source, format!("`{}` is an encrypted Parquet file", file.shown()))
            .hint("export it without encryption"));
    }
    let nothing_else = ParquetMetaDataOptions::new()
        .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
    let mut reader = ParquetMetaDataReader::new().with_metadata_options(Some(nothing_else));
    reader.try_parse_sized(&end, size).map_err(|error| damaged(file, error))?;
    let metadata = reader.finish().map_err(|error: ParquetError| damaged(file, error))?;
    judge(&metadata, size).map_err(|reason| damaged(file, reason))?;
    Ok(metadata)
}

/// Whether the bytes of a footer are a structure whose lists are as long as they say; if so, whether columns are encrypted.
fn is_sound(bytes: &[u8]) -> Option<bool> {
    let mut compact = Compact::new(bytes);
    let (mut last, mut is_encrypted) = (0, false);
    while let (number, kind @ 1..) = compact.field(last)? {
        if number == ROW_GROUPS_FIELD && Compact::new(bytes.get(compact.position()..)?).list()? > ROW_GROUPS {
            return None;
        }
        is_encrypted |= number == ENCRYPTION_FIELD;
        compact.skip(kind)?;
        last = number;
    }
    Some(is_encrypted)
}

/// Judges what a footer says of a file of `size` bytes.
///
/// # Errors
/// What cannot be, in words.
pub(super) fn judge(metadata: &ParquetMetaData, size: u64) -> Result<(), String> {
    let mut rows = 0_i64;
    for (number, row_group) in metadata.row_groups().iter().enumerate() {
        let wrong = |what: &str| Err(format!("its footer says of row group {} {what}", number + 1));
        let Some(sum) = rows.checked_add(row_group.num_rows()).filter(|_| row_group.num_rows() >= 0) else {
            return wrong("that it has a number of rows that cannot be");
        };
        rows = sum;
        for chunk in row_group.columns() {
            let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
            let end = start.checked_add(chunk.compressed_size()).and_then(|end| u64::try_from(end).ok());
            let is_inside = start >= 0 && chunk.compressed_size() >= 0 && end.is_some_and(|end| end <= size);
            if !is_inside || chunk.uncompressed_size() < 0 {
                return wrong("that a column lies where there is none");
            }
            let is_flat = chunk.column_descr().max_rep_level() == 0;
            if chunk.num_values() < row_group.num_rows() || is_flat && chunk.num_values() != row_group.num_rows() {
                return wrong("that its columns have different numbers of rows");
            }
        }
    }
    if rows == metadata.file_metadata().num_rows() {
        Ok(())
    } else {
        Err("its footer says that it has another number of rows than its row groups".to_owned())
    }
}

/// Judges every page of `file`, a window at a time.
///
/// # Errors
/// [`ErrorKind::Source`], naming the file, for one that cannot be read to its end; as its store refuses.
pub(in crate::sources) async fn verify(store: &Arc<dyn ObjectStore>, file: &SourceFile) -> Result<()> {
    let judging = async {
        let metadata = Arc::new(fetch(store, file).await?);
        let progress = Progress::new(file.shown());
        for (range, row_group, column) in Chunks::new(metadata).columns() {
            progress.enter(row_group);
            let mut pages = Pages::of(column);
            let (mut start, mut window) = (range.start, WINDOW);
            while start < range.end && !pages.are_all() {
                let end = range.end.min(start.saturating_add(window));
                let bytes = store.get_range(&file.meta.location, start..end).await;
                let bytes = bytes.map_err(|error| unreadable(file.shown(), error))?;
                let judged = pages.judge(&bytes, end == range.end);
                let judged = judged.map_err(|reason| progress.damaged_column(column, reason))?;
                start += judged as u64;
                // A page is larger than the window, and no larger than a page may be.
                window = if judged == 0 { window.saturating_mul(4) } else { WINDOW };
            }
            pages.end().map_err(|reason| progress.damaged_column(column, reason))?;
        }
        Ok(())
    };
    whole(file, judging).await
}

/// What `reading` gives; a crash in it is damage of the `file`.
async fn whole<T>(file: &SourceFile, reading: impl Future<Output = Result<T>>) -> Result<T> {
    let outcome = AssertUnwindSafe(reading).catch_unwind().await;
    outcome.unwrap_or_else(|_| Err(damaged(file, "it makes the reader of Parquet files crash")))
}

pub(super) fn damaged(file: &SourceFile, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Source, format!("`{}` is no readable Parquet file", file.shown()))
        .hint(CUT_OFF)
        .source(reason)
}
