//! Reads the ranges of a Parquet file that a decoder asks for, and judges them before the decoder sees them.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::object_store::ObjectStore;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::{BoxFuture, FutureExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

use super::thrift::{Compact, STRUCT};
use super::{bare, footers, pages};
use crate::error::{Error, ErrorKind};
use crate::sources::DAMAGED;

/// No row group was read yet.
const NONE: usize = usize::MAX;

/// The file that is read, and the row group that was fetched last: what an error of the decoder is about. All readers of the
/// file share it.
#[derive(Debug)]
pub(super) struct Progress {
    shown: Arc<str>,
    row_group: AtomicUsize,
    /// What its footer says, once it was judged. DataFusion decodes with a reader that never asked for it, where another
    /// one has looked for bloom filters.
    chunks: OnceLock<Chunks>,
    /// What it says, and what a decoder is shown in its place.
    shown_as: Mutex<Option<(Arc<ParquetMetaData>, Arc<ParquetMetaData>)>>,
}

/// Makes the readers of a scan.
pub(super) struct JudgingReaders(CachedParquetFileReaderFactory);

/// Reads one file.
struct JudgingReader {
    reader: Box<dyn AsyncFileReader + Send>,
    progress: Arc<Progress>,
    size: u64,
}

/// Where in a file which column of which row group lies, by beginning.
#[derive(Debug)]
pub(super) struct Chunks {
    metadata: Arc<ParquetMetaData>,
    ranges: Vec<(Range<u64>, usize, usize)>,
}

impl Progress {
    /// At the beginning of the file that messages call `shown`.
    pub(super) fn new(shown: &str) -> Self {
        Self {
            shown: shown.into(),
            row_group: AtomicUsize::new(NONE),
            chunks: OnceLock::new(),
            shown_as: Mutex::default(),
        }
    }

    /// How messages name the file.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// What a decoder is shown of `metadata`: columns of bytes where it says text.
    fn bare(&self, metadata: &Arc<ParquetMetaData>) -> parquet::errors::Result<Arc<ParquetMetaData>> {
        let mut known = self.shown_as.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bare)) = known.as_ref().filter(|(same, _)| Arc::ptr_eq(same, metadata)) {
            return Ok(Arc::clone(bare));
        }
        let bare = Arc::new(bare::bare(metadata)?);
        *known = Some((Arc::clone(metadata), Arc::clone(&bare)));
        Ok(bare)
    }

    /// Notes that row group number `row_group`, from 0, is fetched.
    pub(super) fn enter(&self, row_group: usize) {
        self.row_group.store(row_group, Ordering::Relaxed);
    }

    /// The error of a file whose `column` is damaged, for `reason`.
    pub(super) fn damaged_column(&self, column: &ColumnChunkMetaData, reason: String) -> Error {
        self.damaged(reason).context("column", column.column_path().string())
    }

    /// The error of a file that a decoder gives up, for `reason`.
    pub(super) fn damaged(&self, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let error = Error::new(ErrorKind::Source, format!("`{}` is damaged", self.shown)).hint(DAMAGED).source(reason);
        match self.row_group.load(Ordering::Relaxed) {
            NONE => error,
            row_group => error.context("row group", row_group + 1),
        }
    }
}

impl JudgingReaders {
    /// Over the files of `store`, whose footers are kept in `cache`.
    pub(super) fn new(store: Arc<dyn ObjectStore>, cache: Arc<FileMetadataCache>) -> Self {
        Self(CachedParquetFileReaderFactory::new(store, cache))
    }
}

impl fmt::Debug for JudgingReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JudgingReaders")
    }
}

impl ParquetFileReaderFactory for JudgingReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader + Send>> {
        let size = file.object_meta.size;
        let progress = file.extension::<Arc<Progress>>().cloned();
        let progress = progress.unwrap_or_else(|| Arc::new(Progress::new(file.object_meta.location.as_ref())));
        let reader = self.0.create_reader(partition, file, hint, metrics)?;
        Ok(Box::new(JudgingReader { reader, progress, size }))
    }
}

impl JudgingReader {
    /// What is wrong with `range`, before it is fetched.
    fn allow(&self, range: &Range<u64>) -> parquet::errors::Result<()> {
        if range.start <= range.end && range.end <= self.size {
            return Ok(());
        }
        Err(ParquetError::External(Box::new(self.progress.damaged("its footer points behind its end"))))
    }

    /// What is wrong with the `bytes` of `range`.
    fn judge(&self, range: &Range<u64>, bytes: &[u8]) -> parquet::errors::Result<()> {
        let unknown = || Error::new(ErrorKind::Internal, "pages are read before the footer that tells what they are");
        let judged = self.progress.chunks.get().ok_or_else(unknown);
        let judged = judged.and_then(|chunks| chunks.judge(range, bytes, &self.progress));
        judged.map_err(|error| ParquetError::External(Box::new(error)))
    }
}

impl AsyncFileReader for JudgingReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            self.allow(&range)?;
            let bytes = self.reader.get_bytes(range.clone()).await?;
            self.judge(&range, &bytes)?;
            Ok(bytes)
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move {
            ranges.iter().try_for_each(|range| self.allow(range))?;
            let fetched = self.reader.get_byte_ranges(ranges.clone()).await?;
            for (range, bytes) in ranges.iter().zip(&fetched) {
                self.judge(range, bytes)?;
            }
            Ok(fetched)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let metadata = self.reader.get_metadata(options).await?;
            footers::judge(&metadata, self.size)
                .map_err(|reason| ParquetError::External(Box::new(self.progress.damaged(reason))))?;
            self.progress.chunks.get_or_init(|| Chunks::new(Arc::clone(&metadata)));
            self.progress.bare(&metadata)
        }
        .boxed()
    }
}

impl Chunks {
    /// Those of a file with a footer that was judged.
    pub(super) fn new(metadata: Arc<ParquetMetaData>) -> Self {
        let mut ranges = Vec::new();
        for (row_group, columns) in metadata.row_groups().iter().enumerate() {
            for (column, chunk) in columns.columns().iter().enumerate() {
                let (start, length) = chunk.byte_range();
                ranges.push((start..start.saturating_add(length), row_group, column));
            }
        }
        ranges.sort_by_key(|(range, ..)| range.start);
        Self { metadata, ranges }
    }

    /// Every column of every row group: where it lies, the number of its row group, and what the footer says of it.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&Range<u64>, usize, &ColumnChunkMetaData)> {
        let column = |row_group: usize, column: usize| self.metadata.row_group(row_group).column(column);
        self.ranges.iter().map(move |(range, row_group, number)| (range, *row_group, column(*row_group, *number)))
    }

    /// Judges the `bytes` of `range`, if they are pages: notes their row group in `progress`.
    ///
    /// # Errors
    /// [`ErrorKind::Source`], naming row group and column, for a page that no decoder should see.
    pub(super) fn judge(&self, range: &Range<u64>, bytes: &[u8], progress: &Progress) -> Result<(), Error> {
        let behind = self.ranges.partition_point(|(chunk, ..)| chunk.start <= range.start);
        let chunk = behind.checked_sub(1).and_then(|last| self.ranges.get(last));
        let chunk = chunk.filter(|(chunk, ..)| range.start < chunk.end);
        // What lies behind the columns are the indexes of their pages, whose lists are as long as they say.
        let goes_on = chunk.is_none_or(|(chunk, ..)| chunk.end < range.end);
        if goes_on && !self.indexes(range).all(|index| Compact::new(&bytes[index]).skip(STRUCT).is_some()) {
            return Err(progress.damaged("its page index is damaged"));
        }
        let Some((chunk, row_group, column)) = chunk else { return Ok(()) };
        progress.enter(*row_group);
        let is_whole = range.start == chunk.start && range.end >= chunk.end;
        let column = self.metadata.row_group(*row_group).column(*column);
        pages::check(bytes, column, is_whole).map_err(|reason| progress.damaged_column(column, reason))
    }

    /// Where in `range` the indexes of pages lie that are whole in it.
    fn indexes(&self, range: &Range<u64>) -> impl Iterator<Item = Range<usize>> {
        let columns = self.metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
        let places = columns.flat_map(|chunk| {
            let columns = chunk.column_index_offset().zip(chunk.column_index_length());
            [columns, chunk.offset_index_offset().zip(chunk.offset_index_length())]
        });
        places.flatten().filter_map(|(start, length)| {
            let start = u64::try_from(start).ok()?.checked_sub(range.start)?;
            let end = start.checked_add(u64::try_from(length).ok()?).filter(|end| *end <= range.end - range.start)?;
            Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
        })
    }
}
