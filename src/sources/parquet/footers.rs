//! What the footers of Parquet files say: whether there is a row, and the schema.
//!
//! Of a thousand files, each footer is read once, without its statistics. DataFusion's inference, which decides the Arrow
//! types, is asked once for each run of files whose footers describe the same columns, and so gives what it would give
//! if it were asked for every file.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::execution::context::SessionState;
use datafusion::object_store::path::Path;
use datafusion::object_store::{ObjectStore, ObjectStoreExt};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt, TryStreamExt};
use parquet::arrow::async_reader::MetadataFetch;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy};
use parquet::schema::types::SchemaDescPtr;

use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::SourceFile;
use crate::sources::unreadable;

/// Footers that are read at the same time.
const AT_ONCE: usize = 16;
/// Bytes at the end of a file that are fetched at once: most footers are shorter.
const PREFETCHED: usize = 64 << 10;
/// The entry of a footer in which Arrow's writers keep their own types.
const ARROW_SCHEMA: &str = "ARROW:schema";

/// What a footer says.
#[derive(Debug)]
struct Footer {
    rows: i64,
    columns: SchemaDescPtr,
    arrow_schema: Option<String>,
}

/// The schema of all columns of `files`, called `shown`; `None` if no file has a row.
///
/// # Errors
/// [`ErrorKind::Source`], naming the file, for a footer that cannot be read; for files whose columns do not go together.
pub(super) async fn schema(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    files: &[SourceFile],
    shown: &str,
) -> Result<Option<SchemaRef>> {
    let footers = read_all(store, files).await?;
    if footers.iter().all(|footer| footer.rows == 0) {
        return Ok(None);
    }
    let format = ParquetFormat::default().with_options(state.table_options().parquet.clone());
    let mut schemas = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let is_known = index > 0 && footers[index].describes_the_same(&footers[index - 1]);
        if !is_known {
            let inferred = format.infer_schema(state, store, std::slice::from_ref(&file.meta)).await;
            schemas.push(inferred.map_err(|error| unreadable(file.shown(), error))?.as_ref().clone());
        }
    }
    let merged = Schema::try_merge(schemas).map_err(|error| unreadable(shown, error))?;
    Ok(Some(Arc::new(merged)))
}

async fn read_all(store: &Arc<dyn ObjectStore>, files: &[SourceFile]) -> Result<Vec<Footer>> {
    let footers = files.iter().map(|file| Footer::read(store, file));
    stream::iter(footers.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await
}

impl Footer {
    async fn read(store: &Arc<dyn ObjectStore>, file: &SourceFile) -> Result<Self> {
        let corrupt = |error: ParquetError| {
            if let Some(ours) = Error::beneath(&error) {
                return ours.restated();
            }
            Error::new(ErrorKind::Source, format!("`{}` is no readable Parquet file", file.shown()))
                .hint("its footer is damaged: a transfer may have stopped half-way")
                .source(error)
        };
        let nothing_else = ParquetMetaDataOptions::new()
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let object = Ranges { store, location: &file.meta.location };
        let reader = ParquetMetaDataReader::new().with_metadata_options(Some(nothing_else));
        let reader = reader.with_prefetch_hint(Some(PREFETCHED));
        let metadata = reader.load_and_finish(object, file.meta.size).await.map_err(corrupt)?;
        let metadata = metadata.file_metadata();
        let entries = metadata.key_value_metadata().into_iter().flatten();
        let arrow_schema = entries.filter(|entry| entry.key == ARROW_SCHEMA).find_map(|entry| entry.value.clone());
        Ok(Self { rows: metadata.num_rows(), columns: metadata.schema_descr_ptr(), arrow_schema })
    }

    /// Whether both files have the same columns in the same order and of the same types.
    fn describes_the_same(&self, other: &Self) -> bool {
        self.arrow_schema == other.arrow_schema && self.columns.root_schema() == other.columns.root_schema()
    }
}

/// An object of which ranges are fetched.
struct Ranges<'a> {
    store: &'a Arc<dyn ObjectStore>,
    location: &'a Path,
}

impl MetadataFetch for Ranges<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        let fetched = self.store.get_range(self.location, range);
        fetched.map(|fetched| fetched.map_err(|error| ParquetError::External(Box::new(error)))).boxed()
    }
}
