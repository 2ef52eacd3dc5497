//! Parquet files as a table: their footers tell rows and schema here, and DataFusion scans them.
//!
//! Of a thousand files, each footer is read once, without its statistics. DataFusion's inference, which decides the Arrow
//! types, is asked once for each run of files whose footers describe the same columns, and so gives what it would give
//! if it were asked for every file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionState;
use futures::stream::{self, StreamExt, TryStreamExt};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy};
use parquet::schema::types::SchemaDescPtr;
use url::Url;

use super::unreadable;
use crate::error::{Error, ErrorKind, Result};

/// Footers that are read at the same time.
const AT_ONCE: usize = 16;
/// The entry of a footer in which Arrow's writers keep their own types.
const ARROW_SCHEMA: &str = "ARROW:schema";

/// What a footer says.
#[derive(Debug)]
struct Footer {
    rows: i64,
    columns: SchemaDescPtr,
    arrow_schema: Option<String>,
}

/// The table of `files`, called `shown`, with the declared `columns` or those of all footers; `None` if no file has a row.
///
/// # Errors
/// [`ErrorKind::Source`], naming the file, for a footer that cannot be read; for files whose columns do not go together.
pub(super) async fn table(
    state: &SessionState,
    files: &[&Path],
    shown: &str,
    columns: Option<SchemaRef>,
) -> Result<Option<Arc<dyn TableProvider>>> {
    let footers = read_all(files).await?;
    if footers.iter().all(|footer| footer.rows == 0) {
        return Ok(None);
    }
    let table = listing(state, files, &footers, columns).await;
    table.map(Some).map_err(|error| unreadable(shown, error))
}

async fn read_all(files: &[&Path]) -> Result<Vec<Footer>> {
    let crashed = |error| Error::new(ErrorKind::Internal, "reading a footer crashed").source(error);
    let footers: Vec<Result<Footer>> = stream::iter(files.iter().map(|file| file.to_path_buf()))
        .map(|file: PathBuf| tokio::task::spawn_blocking(move || Footer::read(&file)))
        .buffered(AT_ONCE)
        .try_collect()
        .await
        .map_err(crashed)?;
    footers.into_iter().collect()
}

impl Footer {
    fn read(file: &Path) -> Result<Self> {
        let corrupt = |error: ParquetError| {
            Error::new(ErrorKind::Source, format!("`{}` is no readable Parquet file", file.display()))
                .hint("its footer is damaged: a transfer may have stopped half-way")
                .source(error)
        };
        let open = File::open(file).map_err(|error| unreadable(&file.display().to_string(), error))?;
        let nothing_else = ParquetMetaDataOptions::new()
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let reader = ParquetMetaDataReader::new().with_metadata_options(Some(nothing_else));
        let metadata = reader.parse_and_finish(&open).map_err(corrupt)?;
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

async fn listing(
    state: &SessionState,
    files: &[&Path],
    footers: &[Footer],
    columns: Option<SchemaRef>,
) -> datafusion::error::Result<Arc<dyn TableProvider>> {
    let urls = files.iter().map(|file| file_url(file)).collect::<datafusion::error::Result<Vec<_>>>()?;
    let format = ParquetFormat::default().with_options(state.table_options().parquet.clone());
    let options = ListingOptions::new(Arc::new(format)).with_file_extension("");
    let mut schemas = Vec::new();
    for (index, url) in urls.iter().enumerate() {
        let is_known = index > 0 && footers[index].describes_the_same(&footers[index - 1]);
        if !is_known {
            schemas.push(options.infer_schema(state, url).await?.as_ref().clone());
        }
    }
    let merged = Arc::new(Schema::try_merge(schemas)?);
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .with_schema(columns.unwrap_or(merged));
    Ok(Arc::new(ListingTable::try_new(config)?))
}

fn file_url(file: &Path) -> datafusion::error::Result<ListingTableUrl> {
    let url = Url::from_file_path(file.canonicalize()?)
        .map_err(|()| DataFusionError::Plan(format!("`{}` is no file path", file.display())))?;
    ListingTableUrl::try_new(url, None)
}
