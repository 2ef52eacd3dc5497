//! The scan of Parquet files, so that what goes wrong in one is an error that names it: also where a decoder panics.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::object_store::ObjectStore;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, PhysicalExpr, SortOrderPushdownResult, apply_expression_roots};
use futures::future::FutureExt;
use futures::stream::{self, StreamExt};
use parquet::errors::ParquetError;

use super::marks::Marked;
use super::reader::Progress;
use crate::error::Error;
use crate::sources::unread::Unread;
use crate::sources::unreadable;

/// A [`ParquetSource`] whose errors name file and row group, and whose rows are text where they should be.
#[derive(Clone)]
pub(super) struct GuardedSource {
    /// Of the table with the numbers of rows, every column of it.
    inner: Arc<dyn FileSource>,
    /// The table without them.
    columns: TableSchema,
    /// What is asked for.
    projection: ProjectionExprs,
    /// Where rows that are not text are noted.
    unread: Arc<Unread>,
}

/// Opens one file after another.
struct GuardedOpener(Box<dyn Fn(PartitionedFile) -> Result<FileOpenFuture> + Send + Sync>);

impl GuardedSource {
    /// Around `source`, the rows of the table `columns` with their numbers; those that are not text are `unread`.
    pub(super) fn new(source: ParquetSource, columns: TableSchema, unread: Arc<Unread>) -> Self {
        let all: Vec<usize> = (0..columns.table_schema().fields().len()).collect();
        let projection = ProjectionExprs::from_indices(&all, columns.table_schema());
        Self { inner: Arc::new(source), columns, projection, unread }
    }

    fn around(&self, inner: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self { inner, ..self.clone() })
    }
}

impl FileSource for GuardedSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let marked = Marked::new(&self.projection, self.inner.table_schema()).map(Arc::new);
        let projection = marked.as_ref().map_or(&self.projection, |marked| &marked.projection);
        let source = self.inner.try_pushdown_projection(projection)?;
        let source = source.ok_or_else(|| DataFusionError::Internal("a projection is not taken".into()))?;
        // Rows that are left out do not count.
        let mut config = config.clone();
        config.limit = None;
        let morselizer = source.create_morselizer(store, &config, partition)?;
        let unread = Arc::clone(&self.unread);
        Ok(Arc::new(GuardedOpener(Box::new(move |file| {
            let progress = file.extension::<Arc<Progress>>().cloned();
            let progress = progress.unwrap_or_else(|| Arc::new(Progress::new(file.object_meta.location.as_ref())));
            let planner = std::panic::catch_unwind(AssertUnwindSafe(|| morselizer.plan_file(file)));
            let planner = settled(planner, &progress)?;
            let opened = Arc::clone(&progress);
            let (marked, unread) = (marked.clone(), Arc::clone(&unread));
            let opening = async move {
                let (mut planners, mut streams) = (vec![planner], Vec::new());
                while let Some(planner) = planners.pop() {
                    let Some(mut plan) = planner.plan()? else { continue };
                    planners.extend(plan.take_ready_planners());
                    if let Some(pending) = plan.take_pending_planner() {
                        planners.push(pending.into_future().await?);
                    }
                    for morsel in plan.take_morsels() {
                        streams.push(morsel.into_stream());
                    }
                }
                let batches = AssertUnwindSafe(stream::iter(streams).flatten()).catch_unwind();
                let batches = batches.map(move |batch| {
                    let batch = settled(batch, &opened)?;
                    marked.as_ref().map_or(Ok(batch.clone()), |marked| marked.sound(&batch, opened.shown(), &unread))
                });
                Ok(batches.boxed())
            };
            let opening = AssertUnwindSafe(opening).catch_unwind();
            Ok(opening.map(move |opened| settled(opened, &progress)).boxed())
        }))))
    }

    fn table_schema(&self) -> &TableSchema {
        &self.columns
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        self.around(self.inner.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(kind, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.inner.supports_repartitioning()
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let mut config = config.clone();
        config.execution.parquet.pushdown_filters = false;
        let FilterPushdownPropagation { filters, updated_node } = self.inner.try_pushdown_filters(filters, &config)?;
        let filters: Vec<PushedDown> = filters;
        Ok(FilterPushdownPropagation { filters, updated_node: updated_node.map(|node| self.around(node)) })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(self.inner.try_pushdown_sort(order, properties)?.map(|source| self.around(source)))
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        Ok(Some(Arc::new(Self { projection: self.projection.try_merge(projection)?, ..self.clone() })))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let filter = self.inner.filter();
        apply_expression_roots(filter.iter().chain(self.projection.iter().map(|asked| &asked.expr)), visit)
    }
}

impl FileOpener for GuardedOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        (self.0)(file)
    }
}

/// What a part of the scan came to: its panic and its error as errors of the file.
fn settled<T>(outcome: std::result::Result<Result<T>, Box<dyn Any + Send>>, progress: &Progress) -> Result<T> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(named(error, progress)),
        // Without what the panic said.
        Err(_) => {
            Err(DataFusionError::External(Box::new(progress.damaged("it makes the reader of Parquet files crash"))))
        }
    }
}

/// `error` with the name of the file, where it is about the file: what an expression of the query refuses stays what it is.
fn named(error: DataFusionError, progress: &Progress) -> DataFusionError {
    let ours = |error: Error| DataFusionError::External(Box::new(error));
    match error {
        DataFusionError::Context(_, inner) => named(*inner, progress),
        DataFusionError::ParquetError(inner) => ours(of_parquet(*inner, progress)),
        DataFusionError::ObjectStore(inner) => ours(unreadable(progress.shown(), inner)),
        DataFusionError::ArrowError(inner, backtrace) => match *inner {
            ArrowError::ParquetError(reason) => ours(progress.damaged(reason)),
            ArrowError::ExternalError(source) => match source.downcast::<Error>() {
                Ok(known) => ours(*known),
                Err(source) => ours(progress.damaged(source)),
            },
            other => DataFusionError::ArrowError(Box::new(other), backtrace),
        },
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(known) if known.contexts().is_empty() && !known.message().contains(progress.shown()) => {
                ours(known.context("file", progress.shown()))
            }
            Ok(known) => ours(*known),
            Err(inner) => match inner.downcast::<ParquetError>() {
                Ok(inner) => ours(of_parquet(*inner, progress)),
                Err(inner) => DataFusionError::External(inner),
            },
        },
        other => other,
    }
}

fn of_parquet(error: ParquetError, progress: &Progress) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<Error>() {
            Ok(known) => *known,
            Err(inner) => unreadable(progress.shown(), inner),
        },
        other => progress.damaged(other),
    }
}
