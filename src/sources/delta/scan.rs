//! The rows of a table: those of its files that may hold one that is asked for.

use std::slice;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::RowSelection;
use async_trait::async_trait;
use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::TableParquetOptions;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use super::active::Active;
use super::files::Files;
use super::snapshot::Snapshot;
use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::SourceFile;
use crate::sources::parquet::{self, ByPlace, Scan, Stored, scanned};
use crate::sources::pin;
use crate::sources::report::Note;
use crate::sources::root::Root;
use crate::sources::unread::Unread;
use crate::sources::{AT_ONCE, opening};

/// A table at one version, whose files are opened as they are needed.
#[derive(Debug)]
pub(super) struct DeltaTable {
    snapshot: Snapshot,
    files: Files,
    /// The columns in the order of the table.
    schema: SchemaRef,
    /// Those that are in files, and behind them those that the log gives.
    columns: TableSchema,
    /// For each column of the table, its place in `columns`.
    order: Vec<usize>,
    stored: Arc<[Stored]>,
    options: TableParquetOptions,
    /// Where rows that are not text are noted.
    unread: Arc<Unread>,
    /// What was found in each file, once it was.
    opened: Vec<OnceCell<OpenedFile>>,
    /// For each file, whether it is left out.
    left_out: Vec<bool>,
    notes: Vec<Note>,
}

/// A file that was found to be readable.
#[derive(Debug)]
struct OpenedFile {
    file: SourceFile,
    /// Rows, deleted ones included.
    rows: u64,
    /// The columns that the reader gives.
    schema: SchemaRef,
    /// What is not deleted, where something is.
    left: Option<RowSelection>,
}

impl DeltaTable {
    /// The table of `snapshot`, whose `files` are opened when they are read.
    ///
    /// # Errors
    /// None that a log leads to.
    pub(super) fn new(state: &SessionState, snapshot: Snapshot, files: Files, unread: Arc<Unread>) -> Result<Self> {
        let fields: Vec<FieldRef> = snapshot.columns.iter().map(|column| Arc::clone(&column.field)).collect();
        let of_log: Vec<FieldRef> = snapshot.partitions.iter().map(|(column, _)| Arc::clone(&column.field)).collect();
        let is_of_log = |field: &FieldRef| of_log.iter().any(|other| other.name() == field.name());
        let in_files: Vec<FieldRef> = fields.iter().filter(|field| !is_of_log(field)).cloned().collect();
        let stored = snapshot.columns.iter().filter(|column| !is_of_log(&column.field)).cloned().collect();
        let columns = TableSchema::builder(Arc::new(Schema::new(in_files))).with_table_partition_cols(of_log).build();
        let place = |field: &FieldRef| columns.table_schema().index_of(field.name());
        let order = fields.iter().map(place).collect::<Result<Vec<_>, _>>();
        let order = order.map_err(|error| Error::new(ErrorKind::Internal, "a table lost a column").source(error))?;
        let count = snapshot.active.len();
        Ok(Self {
            snapshot,
            files,
            schema: Arc::new(Schema::new(fields)),
            columns,
            order,
            stored,
            options: state.table_options().parquet.clone(),
            unread,
            opened: (0..count).map(|_| OnceCell::new()).collect(),
            left_out: vec![false; count],
            notes: Vec::new(),
        })
    }

    /// The state that it is in.
    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Its root.
    pub(super) fn root(&self) -> &Root {
        &self.files.root
    }

    /// What there is to know of it.
    pub(super) fn notes(&self) -> Vec<Note> {
        self.notes.clone()
    }

    /// It, without the files that cannot be read, every page of which is looked at; they are noted in `unread`.
    ///
    /// # Errors
    /// The error of a file, if there is no other.
    pub(super) async fn without_bad(mut self, unread: &Unread) -> Result<Self> {
        let all = (0..self.opened.len()).map(|number| self.open(number, true));
        let all: Vec<Result<OpenedFile>> = stream::iter(all.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
        let is_fatal = all.iter().all(Result::is_err);
        for (number, opened) in all.into_iter().enumerate() {
            let error = match opened {
                Ok(opened) => {
                    self.opened[number] = OnceCell::new_with(Some(opened));
                    continue;
                }
                Err(error) if is_fatal || error.kind() != ErrorKind::Source => return Err(error),
                Err(error) => error,
            };
            let Active { path, size, .. } = &self.snapshot.active[number];
            let shown = format!("{}/{path}", self.snapshot.shown);
            unread.file(&shown, *size, error.message().to_owned());
            let message = format!("`{shown}` is left out: {error}");
            self.notes.push(Note { code: None, message, help: error.hint_text().map(str::to_owned) });
            self.left_out[number] = true;
        }
        Ok(self)
    }

    /// Makes sure that there is a row. Files are looked into where the log does not say how many they have.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if there is none.
    pub(super) async fn require_rows(&self) -> Result<()> {
        for (number, active) in self.snapshot.active.iter().enumerate() {
            if self.left_out[number] {
                continue;
            }
            let deleted = active.deletion.as_ref().map_or(0, |deletion| deletion.rows);
            let rows = match active.rows {
                Some(rows) => rows,
                None => self.opened(number).await?.rows,
            };
            if rows > deleted {
                return Ok(());
            }
        }
        Err(opening::no_rows(&self.snapshot.shown))
    }

    /// In what the files that were read differ from what they were.
    ///
    /// # Errors
    /// None, but a path that leads out of the table now.
    pub(super) async fn changed(&self) -> Result<Vec<String>> {
        let read = self.opened.iter().zip(&self.snapshot.active).filter_map(|(opened, active)| {
            let OpenedFile { file, .. } = opened.get()?;
            Some(async move {
                match self.files.file(&active.path, None).await {
                    Ok(now) => Ok(pin::compare(slice::from_ref(file), &[now]).changed),
                    Err(error) if error.kind() == ErrorKind::Source => Ok(vec![error.message().to_owned()]),
                    Err(error) => Err(error),
                }
            })
        });
        let read: Vec<_> = read.collect();
        let changed: Vec<Vec<String>> = stream::iter(read).buffered(AT_ONCE).try_collect().await?;
        Ok(changed.into_iter().flatten().collect())
    }

    /// File number `number`, opened once.
    async fn opened(&self, number: usize) -> Result<&OpenedFile> {
        self.opened[number].get_or_try_init(|| self.open(number, false)).await
    }

    /// Opens file number `number`; looks at every page of it if it is to be `verified`.
    async fn open(&self, number: usize, verified: bool) -> Result<OpenedFile> {
        let Active { path, size, deletion, rows: said } = &self.snapshot.active[number];
        let file = self.files.file(path, Some(*size)).await?;
        let pinned = pin::pinned(Arc::clone(&self.files.store), slice::from_ref(&file));
        let footer = parquet::footer(&pinned, &file).await?;
        if verified {
            parquet::verify_pages(&pinned, &file).await?;
        }
        let rows = u64::try_from(footer.rows).unwrap_or_default();
        let shown = file.shown();
        if said.is_some_and(|said| said != rows) {
            let message = format!("`{shown}` has {rows} rows, and the log of the table says another number");
            return Err(Error::new(ErrorKind::Source, message).hint("the file was replaced: copy the table again"));
        }
        let schema = footer.columns.schema;
        for column in self.stored.iter() {
            let Some(place) = column.place(schema.fields()) else { continue };
            column.fits(schema.field(place).data_type()).map_err(|unfit| {
                let (found, wanted) = (unfit.found, unfit.wanted);
                let message = format!("`{}` is {found} in `{shown}`, and {wanted} in the table", unfit.column);
                Error::new(ErrorKind::Source, message)
                    .hint("the file was written for another table: copy the table again")
            })?;
        }
        let left = match deletion {
            Some(deletion) => Some(deletion.selection(&self.files, shown, rows).await?),
            None => None,
        };
        Ok(OpenedFile { file, rows, schema, left })
    }

    /// The numbers of the files that may hold a row that `filter` keeps.
    fn kept(&self, session: &dyn Session, filter: Option<&Expr>) -> datafusion::error::Result<Vec<usize>> {
        let all = (0..self.opened.len()).filter(|number| !self.left_out[*number]);
        let Some(filter) = filter else { return Ok(all.collect()) };
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        let asked = session.create_physical_expr(unnormalize_col(filter.clone()), &schema)?;
        let predicate = PruningPredicateBuilder::new().with_file_schema(Arc::clone(&self.schema)).try_build(asked)?;
        let kept = predicate.prune(&self.snapshot.statistics)?;
        Ok(all.filter(|number| kept.get(*number).copied().unwrap_or(true)).collect())
    }
}

#[async_trait]
impl TableProvider for DeltaTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::error::Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let filter = conjunction(filters.iter().cloned());
        let kept = self.kept(session, filter.as_ref())?;
        if kept.is_empty() {
            let schema = projection
                .map_or_else(|| Ok(Arc::clone(&self.schema)), |columns| self.schema.project(columns).map(Arc::new));
            return Ok(Arc::new(EmptyExec::new(schema?)));
        }
        let opening: Vec<_> = kept.iter().map(|number| self.opened(*number)).collect();
        let opened: Result<Vec<&OpenedFile>> = stream::iter(opening).buffered(AT_ONCE).try_collect().await;
        let opened = opened.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let listed: Vec<SourceFile> = opened.iter().map(|opened| opened.file.clone()).collect();
        let mut files = Vec::with_capacity(kept.len());
        for (number, opened) in kept.into_iter().zip(opened) {
            let values = self.snapshot.partitions.iter().map(|(_, values)| ScalarValue::try_from_array(values, number));
            let file = scanned(&opened.file, &opened.schema)
                .with_partition_values(values.collect::<datafusion::error::Result<_>>()?);
            files.push(match &opened.left {
                Some(left) => file.with_extension(ParquetRowSelection::new(left.clone())),
                None => file,
            });
        }
        let scan = Scan {
            session,
            store: self.files.url.clone(),
            pinned: pin::pinned(Arc::clone(&self.files.store), &listed),
            columns: self.columns.clone(),
            unread: Arc::clone(&self.unread),
            options: self.options.clone(),
            adapter: Arc::new(ByPlace(Arc::clone(&self.stored))),
        };
        let asked = projection
            .map_or_else(|| self.order.clone(), |columns| columns.iter().map(|column| self.order[*column]).collect());
        scan.plan(files, Some(asked), filter, limit)
    }
}
