//! Parquet files that another reader than ours reads, whose bytes are judged before it sees them.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::DataType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::object_store::ObjectStore;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::FutureExt;
use futures::stream::TryStreamExt;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use super::bare;
use super::footers::{damaged, fetch};
use super::reader::{Chunks, JudgingReaders, Progress};
use crate::error::Result;
use crate::sources::file::SourceFile;

/// What the footer of a file says, which was judged, for judging the rest.
pub(in crate::sources) struct Checked {
    chunks: Chunks,
    progress: Progress,
    columns: Vec<String>,
}

impl Checked {
    /// Reads the footer of `file`.
    ///
    /// # Errors
    /// [`ErrorKind::Source`](crate::error::ErrorKind), naming the file, if it cannot be read, is damaged or forged.
    pub(in crate::sources) async fn of(store: &Arc<dyn ObjectStore>, file: &SourceFile) -> Result<Self> {
        let footer = AssertUnwindSafe(fetch(store, file)).catch_unwind().await;
        let metadata = footer.unwrap_or_else(|_| Err(damaged(file, "it makes the reader of Parquet files crash")))?;
        let columns = metadata.file_metadata().schema_descr().columns().iter();
        let columns = columns.map(|column| column.path().string()).collect();
        Ok(Self { chunks: Chunks::new(Arc::new(metadata)), progress: Progress::new(file.shown()), columns })
    }

    /// Whether it has the column whose names, from the outside in, are `path`.
    pub(in crate::sources) fn has(&self, path: &str) -> bool {
        self.columns.iter().any(|column| column == path)
    }

    /// Judges the `bytes` of `range`.
    ///
    /// # Errors
    /// [`ErrorKind::Source`](crate::error::ErrorKind), naming row group and column, for a page that no decoder should see.
    pub(in crate::sources) fn judge(&self, range: &Range<u64>, bytes: &[u8]) -> Result<()> {
        self.chunks.judge(range, bytes, &self.progress)
    }
}

/// The texts in the member `member` of the struct `column` of `file`, without those that are null or whose struct is.
///
/// # Errors
/// [`ErrorKind::Source`](crate::error::ErrorKind), naming the file, if it cannot be read.
pub(in crate::sources) async fn texts(
    store: &Arc<dyn ObjectStore>,
    cache: Arc<FileMetadataCache>,
    file: &SourceFile,
    column: &str,
    member: &str,
) -> Result<Vec<String>> {
    let reading = async {
        let part =
            PartitionedFile::new_from_meta(file.meta.clone()).with_extension(Arc::new(Progress::new(file.shown())));
        let readers = JudgingReaders::new(Arc::clone(store), cache);
        let reader = readers.create_reader(0, part, None, &ExecutionPlanMetricsSet::new());
        let reader: Box<dyn AsyncFileReader> = reader.map_err(|error| damaged(file, error))?;
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|error| damaged(file, error))?;
        let path = format!("{}.{member}", bare::stored(column));
        let mask = ProjectionMask::columns(builder.parquet_schema(), [path.as_str()]);
        let batches = builder.with_projection(mask).build().map_err(|error| damaged(file, error))?;
        batches.try_collect::<Vec<RecordBatch>>().await.map_err(|error| damaged(file, error))
    };
    let batches = AssertUnwindSafe(reading).catch_unwind().await;
    let batches = batches.unwrap_or_else(|_| Err(damaged(file, "it makes the reader of Parquet files crash")))?;
    let mut found = Vec::new();
    for batch in &batches {
        let whole = batch.column_by_name(&bare::stored(column)).and_then(|column| column.as_struct_opt());
        let Some((whole, texts)) = whole.and_then(|whole| Some((whole, whole.column_by_name(member)?))) else {
            continue;
        };
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let texts = cast_with_options(texts, &DataType::Utf8, &options).map_err(|error| damaged(file, error))?;
        let texts = texts.as_string::<i32>().iter().enumerate().filter(|(row, _)| whole.is_valid(*row));
        found.extend(texts.filter_map(|(_, text)| text.map(str::to_owned)));
    }
    Ok(found)
}
