//! Files that are read from their first byte to their last as a table: text, Arrow streams, Avro.
//!
//! They are read here and not by DataFusion's own scans, whose parsers bend values that do not fit (`1.5` becomes 1 in a
//! column of whole numbers), take an array without an end for a short one, and print whole rows in their errors. A reader
//! gives [`Chunk`]s, text as text; here they are cast to what the table promises. A row with a value that does not fit
//! is left out, and noted with its file, line and column, and never with the value.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{BooleanArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::datasource::TableType;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::file::SourceFile;
use super::partitions::Partitions;
use super::recognise::Format;
use super::unread::{Damage, Fault, Spot, Unread};
use super::{delimited, described, json, typed};
use crate::error::{Error, ErrorKind, Result};

/// Parsed batches that wait for the query, per partition.
const WAITING_BATCHES: usize = 2;

/// Files of one format and schema.
#[derive(Debug)]
pub(super) struct StreamedFiles {
    format: Format,
    /// The columns of the files.
    columns: SchemaRef,
    /// Those, and the columns of the folders behind them.
    schema: SchemaRef,
    files: Vec<SourceFile>,
    partitions: Partitions,
    unread: Arc<Unread>,
}

impl StreamedFiles {
    /// The table of `files`, all of `format`, whose rows have `columns`, and `partitions` beside them.
    /// Rows that cannot be read are noted as `unread`.
    pub(super) fn new(
        format: Format,
        columns: SchemaRef,
        files: &[SourceFile],
        partitions: Partitions,
        unread: Arc<Unread>,
    ) -> Self {
        let all = columns.fields().iter().chain(partitions.fields()).cloned().collect::<Vec<_>>();
        let schema = Arc::new(Schema::new(all));
        Self { format, columns, schema, files: files.to_vec(), partitions, unread }
    }
}

#[async_trait]
impl TableProvider for StreamedFiles {
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
        Ok(filters
            .iter()
            .map(|filter| self.partitions.pushdown(filter, TableProviderFilterPushDown::Unsupported))
            .collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&columns)?);
        let kept = self.partitions.kept(self.files.len(), session, filters)?;
        if kept.is_empty() {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let (in_files, in_folders): (Vec<_>, Vec<_>) =
            columns.iter().partition(|column| **column < self.columns.fields().len());
        let in_folders: Vec<usize> =
            in_folders.into_iter().map(|column| column - self.columns.fields().len()).collect();
        let wanted = Arc::new(self.columns.project(&in_files)?);
        let count = session.config().target_partitions().clamp(1, kept.len());
        let mut partitions: Vec<Arc<dyn PartitionStream>> = Vec::with_capacity(count);
        for partition in 0..count {
            let files = kept.iter().skip(partition).step_by(count).map(|number| {
                let values = self.partitions.values(*number)?;
                let values = in_folders.iter().map(|column| values[*column].clone()).collect();
                Ok((self.files[*number].clone(), values))
            });
            partitions.push(Arc::new(Partition {
                files: files.collect::<datafusion::error::Result<_>>()?,
                format: self.format.clone(),
                columns: Arc::clone(&self.columns),
                in_files: in_files.clone(),
                wanted: Arc::clone(&wanted),
                schema: Arc::clone(&schema),
                unread: Arc::clone(&self.unread),
            }));
        }
        Ok(Arc::new(StreamingTableExec::try_new(Arc::clone(&schema), partitions, None, [], false, limit)?))
    }
}

/// Files that are read one after the other.
#[derive(Clone, Debug)]
struct Partition {
    /// Each with the values of the columns of its folders that are asked for.
    files: Vec<(SourceFile, Vec<ScalarValue>)>,
    format: Format,
    /// The columns of the files.
    columns: SchemaRef,
    /// Those of them that are asked for.
    in_files: Vec<usize>,
    wanted: SchemaRef,
    /// What is asked for, of files and of folders, in the order in which it is asked for.
    schema: SchemaRef,
    unread: Arc<Unread>,
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), WAITING_BATCHES);
        let batches = stream.tx();
        let partition = self.clone();
        let rows = context.session_config().batch_size();
        stream.spawn_blocking(move || {
            for (file, of_folders) in &partition.files {
                for chunk in partition.chunks(file, rows).map_err(external)? {
                    let chunk = chunk.map_err(external)?;
                    let typed = partition.typed(&chunk, file, of_folders).map_err(external)?;
                    // Nobody waits for more: the query has its rows or has failed.
                    if batches.blocking_send(Ok(typed)).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        stream.build()
    }
}

/// Rows of a file that follow one another.
pub(super) struct Chunk {
    /// The columns that are asked for, at least: of the types of the file, or text.
    pub(super) batch: RecordBatch,
    /// Where its rows stand.
    pub(super) rows: Positions,
}

/// Where the rows of a chunk stand in their file.
pub(super) enum Positions {
    /// The first is row number so many, from 1, and the others follow.
    From(u64),
    /// Each begins at a spot of its text.
    Spots(Vec<Spot>),
}

/// What a reader is asked for.
pub(super) struct Wanted<'a> {
    pub(super) file: &'a SourceFile,
    /// All columns of the table that its files hold.
    pub(super) columns: &'a SchemaRef,
    /// The indexes of those that the query asks for.
    pub(super) projection: &'a [usize],
    /// Rows of a chunk.
    pub(super) rows: usize,
    /// Where rows that cannot be read are noted.
    pub(super) unread: &'a Arc<Unread>,
}

/// The chunks of one file.
pub(super) type Chunks = Box<dyn Iterator<Item = Result<Chunk>>>;

impl Partition {
    fn chunks(&self, file: &SourceFile, rows: usize) -> Result<Chunks> {
        let wanted = Wanted { file, columns: &self.columns, projection: &self.in_files, rows, unread: &self.unread };
        match &self.format {
            Format::Csv(dialect) => delimited::read(&wanted, dialect),
            Format::NdJson | Format::JsonArray => json::read(&wanted, &self.format),
            Format::Arrow | Format::Avro => described::chunks(&wanted, &self.format),
            Format::Parquet => Err(Error::new(ErrorKind::Internal, "Parquet is not read as a stream")),
        }
    }

    /// The rows of `chunk` that fit the types of the table, in these types, with the columns of folders. A row of text
    /// that does not fit is noted and left out.
    fn typed(&self, chunk: &Chunk, file: &SourceFile, of_folders: &[ScalarValue]) -> Result<RecordBatch> {
        let rows = chunk.batch.num_rows();
        let mut misfits: BTreeMap<usize, &Field> = BTreeMap::new();
        let mut of_folders = of_folders.iter();
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            if self.wanted.column_with_name(field.name()).is_none() {
                let value = of_folders.next().expect("what is in no file stands in a folder's name");
                columns.push(value.to_array_of_size(rows).map_err(|error| defect(&error))?);
                continue;
            }
            let read =
                chunk.batch.column_by_name(field.name()).expect("a reader gives every column that it is asked for");
            let cast = typed::cast(read, field.data_type()).map_err(|_| {
                let message =
                    format!("the column `{}` of `{}` cannot be {}", field.name(), file.shown(), described(field));
                Error::new(ErrorKind::Source, message).hint("declare it as what it is, and convert it in the query")
            })?;
            for row in cast.misfits {
                misfits.entry(row).or_insert(field);
            }
            columns.push(cast.column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| defect(&error.into()))?;
        if misfits.is_empty() {
            return Ok(batch);
        }
        for (row, field) in &misfits {
            self.misfit(file, &chunk.rows, *row, field)?;
        }
        let fits: BooleanArray = (0..rows).map(|row| Some(!misfits.contains_key(&row))).collect();
        filter_record_batch(&batch, &fits).map_err(|error| defect(&error.into()))
    }

    /// Notes that a row has a value that does not fit the column `field`.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if it is a row of a file without lines, whose types are its own.
    fn misfit(&self, file: &SourceFile, rows: &Positions, row: usize, field: &Field) -> Result<()> {
        let (name, kind) = (field.name(), described(field));
        match rows {
            Positions::Spots(spots) => {
                let detail = format!("a value that does not fit its column `{name}` of {kind}").into();
                self.unread.fault(file.shown(), Fault { spot: spots[row], damage: Damage::Type, detail });
                Ok(())
            }
            Positions::From(first) => {
                let message = format!("`{}` has a value that does not fit its column `{name}` of {kind}", file.shown());
                Err(Error::new(ErrorKind::Source, message).context("row", first + row as u64))
            }
        }
    }
}

fn defect(error: &DataFusionError) -> Error {
    let text = error.strip_backtrace();
    Error::new(ErrorKind::Internal, "a batch does not have its table's schema").context("engine", text)
}

/// What a column holds, in words.
pub(super) fn described(field: &Field) -> Cow<'static, str> {
    match field.data_type() {
        DataType::Int64 => "whole numbers".into(),
        DataType::Float64 | DataType::Decimal128(..) => "numbers".into(),
        DataType::Boolean => "booleans".into(),
        DataType::Date32 => "dates".into(),
        DataType::Timestamp(_, Some(_)) => "times with an offset".into(),
        DataType::Timestamp(_, None) => "times without an offset".into(),
        other => format!("type {other}").into(),
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
