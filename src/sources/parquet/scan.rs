//! The plan that reads Parquet files: those that it is given and no others, in the types of one table.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::common::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::object_store::ObjectStore;
use datafusion::physical_expr_adapter::PhysicalExprAdapterFactory;
use datafusion::physical_plan::ExecutionPlan;

use super::bare;
use super::guarded::GuardedSource;
use super::marks::numbered;
use super::reader::{JudgingReaders, Progress};
use crate::sources::file::SourceFile;
use crate::sources::unread::Unread;

/// How files of one store are scanned.
pub(in crate::sources) struct Scan<'a> {
    /// The session.
    pub(in crate::sources) session: &'a dyn Session,
    /// The store under the URL that the session knows.
    pub(in crate::sources) store: ObjectStoreUrl,
    /// The store, which gives no bytes of files that have changed.
    pub(in crate::sources) pinned: Arc<dyn ObjectStore>,
    /// The columns of the files, and behind them those that each file has one value of.
    pub(in crate::sources) columns: TableSchema,
    /// Where rows that are not text are noted.
    pub(in crate::sources) unread: Arc<Unread>,
    /// The options of the session.
    pub(in crate::sources) options: TableParquetOptions,
    /// The way from the columns of the table to those of a file.
    pub(in crate::sources) adapter: Arc<dyn PhysicalExprAdapterFactory>,
}

impl Scan<'_> {
    /// The plan that gives the columns of `projection` of `files`, whose row groups and pages a `filter` prunes.
    ///
    /// # Errors
    /// Those of the engine.
    pub(in crate::sources) fn plan(
        self,
        files: Vec<PartitionedFile>,
        projection: Option<Vec<usize>>,
        filter: Option<Expr>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let groups = FileGroup::new(files).split_files(self.session.config().target_partitions());
        let cache = self.session.runtime_env().cache_manager.get_file_metadata_cache();
        let mut options = self.options;
        // A filter inside of the decoder would drop a row before anybody sees that it is no text.
        options.global.pushdown_filters = false;
        let mut source = ParquetSource::new(numbered(&self.columns))
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(JudgingReaders::new(self.pinned, cache)));
        if let Some(filter) = filter {
            let schema = DFSchema::try_from(Arc::clone(self.columns.table_schema()))?;
            source = source.with_predicate(self.session.create_physical_expr(unnormalize_col(filter), &schema)?);
        }
        let config =
            FileScanConfigBuilder::new(self.store, Arc::new(GuardedSource::new(source, self.columns, self.unread)))
                .with_expr_adapter(Some(self.adapter))
                .with_file_groups(groups)
                .with_projection_indices(projection)?
                .with_limit(limit)
                .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// `file` as part of a scan, whose reader is asked for the columns of `schema`.
pub(in crate::sources) fn scanned(file: &SourceFile, schema: &SchemaRef) -> PartitionedFile {
    PartitionedFile::new_from_meta(file.meta.clone())
        .with_arrow_schema(bare::stored_schema(schema))
        .with_extension(Arc::new(Progress::new(file.shown())))
}
