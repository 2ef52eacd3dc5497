//! Parquet files as a table: footers tell rows and schema, and DataFusion scans the files that were listed and no others.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::context::SessionState;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::object_store::ObjectStore;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::file::{Place, SourceFile};
use super::partitions::Partitions;
use super::pin::PinnedStore;
use super::unreadable;
use crate::error::Result;

mod footers;

/// Parquet files of one store.
#[derive(Debug)]
struct ParquetFiles {
    files: Vec<SourceFile>,
    store: ObjectStoreUrl,
    /// The store, which gives no bytes of files that have changed.
    pinned: Arc<dyn ObjectStore>,
    columns: TableSchema,
    partitions: Partitions,
    options: TableParquetOptions,
}

/// The table of `files`, called `shown`, with the declared `columns` or those of all footers, and the
/// partition columns of the folders, whose types may be `declared`; `None` if no file has a row.
///
/// # Errors
/// [`ErrorKind::Source`](crate::error::ErrorKind), naming the file, for a footer that cannot be read; for files whose
/// columns do not go together.
pub(super) async fn table(
    state: &SessionState,
    files: &[SourceFile],
    shown: &str,
    columns: Option<SchemaRef>,
    declared: &[FieldRef],
) -> Result<Option<Arc<dyn TableProvider>>> {
    let url = match files.first().map(SourceFile::place) {
        Some(Place::Object { url, .. }) => ObjectStoreUrl::parse(url),
        _ => Ok(ObjectStoreUrl::local_filesystem()),
    };
    let store = url.and_then(|url| Ok((state.runtime_env().object_store(&url)?, url)));
    let (objects, store) = store.map_err(|error| unreadable(shown, error))?;
    let pinned: Arc<dyn ObjectStore> = Arc::new(PinnedStore::new(objects, files));
    let Some(schema) = footers::schema(state, &pinned, files, shown).await? else { return Ok(None) };
    let columns = columns.unwrap_or(schema);
    let partitions = Partitions::of(files, &columns, declared)?;
    let columns = TableSchema::builder(columns).with_table_partition_cols(partitions.fields().to_vec()).build();
    let options = state.table_options().parquet.clone();
    Ok(Some(Arc::new(ParquetFiles { files: files.to_vec(), store, pinned, columns, partitions, options })))
}

#[async_trait]
impl TableProvider for ParquetFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.columns.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::error::Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| self.partitions.pushdown(filter, TableProviderFilterPushDown::Inexact))
            .collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let kept = self.partitions.kept(self.files.len(), session, filters)?;
        if kept.is_empty() {
            let schema = self.columns.table_schema();
            let schema =
                projection.map_or_else(|| Ok(Arc::clone(schema)), |columns| schema.project(columns).map(Arc::new));
            return Ok(Arc::new(EmptyExec::new(schema?)));
        }
        let mut files = Vec::with_capacity(kept.len());
        for number in kept {
            let file = PartitionedFile::new_from_meta(self.files[number].meta.clone());
            files.push(file.with_partition_values(self.partitions.values(number)?));
        }
        let groups = FileGroup::new(files).split_files(session.config().target_partitions());
        let cache = session.runtime_env().cache_manager.get_file_metadata_cache();
        let store = Arc::clone(&self.pinned);
        let mut source = ParquetSource::new(self.columns.clone())
            .with_table_parquet_options(self.options.clone())
            .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(store, cache)));
        let filter = conjunction(filters.iter().filter(|filter| !self.partitions.answer(filter)).cloned());
        if let Some(filter) = filter {
            let schema = datafusion::common::DFSchema::try_from(self.schema())?;
            let filter = datafusion::logical_expr::expr_rewriter::unnormalize_col(filter);
            source = source.with_predicate(session.create_physical_expr(filter, &schema)?);
        }
        let config = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
