//! Text files as a table: decompressed, made sure of being whole, parsed as text, and cast to what the table promises.
//!
//! The files are read here and not by DataFusion's own scans, whose parsers bend values that do not fit (`1.5` becomes
//! 1 in a column of whole numbers), take an array without an end for a short one, and print whole rows in their errors.
//! An error here names file, row and column, and never a value.

use std::borrow::Cow;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::sniff::{self, Format, Recognised};
use super::typed;
use super::whole::{ArrayItems, Delimited};
use crate::error::{Error, ErrorKind, Result};

/// Parsed batches that wait for the query, per partition.
const WAITING_BATCHES: usize = 2;

/// Text files of one format and schema.
#[derive(Clone, Debug)]
pub(super) struct TextFiles {
    recognised: Recognised,
    schema: SchemaRef,
    files: Vec<PathBuf>,
}

impl TextFiles {
    /// The table of `files`, all `recognised` as the same text format, whose rows have `schema`.
    pub(super) fn new(recognised: Recognised, schema: SchemaRef, files: &[&Path]) -> Self {
        Self { recognised, schema, files: files.iter().map(|file| file.to_path_buf()).collect() }
    }
}

#[async_trait]
impl TableProvider for TextFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&columns)?);
        let count = session.config().target_partitions().clamp(1, self.files.len());
        let partitions = (0..count).map(|partition| -> Arc<dyn PartitionStream> {
            let files = self.files.iter().skip(partition).step_by(count).cloned().collect();
            let files = Self { files, ..self.clone() };
            Arc::new(Partition { files: Arc::new(files), columns: columns.clone(), schema: Arc::clone(&schema) })
        });
        let partitions = partitions.collect();
        Ok(Arc::new(StreamingTableExec::try_new(Arc::clone(&schema), partitions, None, [], false, limit)?))
    }
}

/// Files that are read one after the other.
#[derive(Clone, Debug)]
struct Partition {
    files: Arc<TextFiles>,
    columns: Vec<usize>,
    schema: SchemaRef,
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
            for file in &partition.files.files {
                let parsed = partition.parse(file, rows).map_err(external)?;
                let mut read = 0;
                for batch in parsed {
                    let batch = batch.map_err(|error| external(unparsed(file, read, error)))?;
                    let typed = partition.typed(&batch, file, read).map_err(external)?;
                    read += batch.num_rows();
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

impl Partition {
    /// The records of `file`, every column a text.
    fn parse(
        &self,
        file: &Path,
        rows: usize,
    ) -> Result<Box<dyn Iterator<Item = std::result::Result<RecordBatch, ArrowError>>>> {
        let TextFiles { recognised, schema, .. } = self.files.as_ref();
        let content = sniff::content(file, recognised.compression)?;
        let unparsed = |error| unparsed(file, 0, error);
        let texts = |schema: &Schema| {
            let text = |field: &Arc<Field>| Field::new(field.name(), typed::as_text(field.data_type()), true);
            Arc::new(Schema::new(schema.fields().iter().map(text).collect::<Vec<_>>()))
        };
        // Without a column there are still rows to count, which an object without fields would not show.
        let wanted = if self.columns.is_empty() { schema } else { &self.schema };
        let objects = || json::ReaderBuilder::new(texts(wanted)).with_batch_size(rows).with_coerce_primitive(true);
        Ok(match recognised.format {
            Format::Csv(dialect) => Box::new(
                csv::ReaderBuilder::new(texts(schema))
                    .with_header(dialect.has_header)
                    .with_delimiter(dialect.delimiter)
                    .with_batch_size(rows)
                    .with_projection(self.columns.clone())
                    .build(Delimited::new(content, dialect.delimiter))
                    .map_err(unparsed)?,
            ),
            Format::JsonArray => Box::new(objects().build(BufReader::new(ArrayItems::new(content))).map_err(unparsed)?),
            Format::NdJson | Format::Parquet => Box::new(objects().build(BufReader::new(content)).map_err(unparsed)?),
        })
    }

    /// `batch`, which begins behind row `read` of `file`, in the types of the table.
    fn typed(&self, batch: &RecordBatch, file: &Path, read: usize) -> Result<RecordBatch> {
        let column = |field: &Arc<Field>| -> Result<ArrayRef> {
            let text = batch.column_by_name(field.name()).expect("the parsed columns have the table's names");
            typed::cast(text, field.data_type()).map_err(|row| {
                let message = format!(
                    "`{}` has a value that does not fit its column `{}` of {}",
                    file.display(),
                    field.name(),
                    described(field)
                );
                let error = Error::new(ErrorKind::Source, message);
                let error = if let Some(row) = row { error.context("row", read + row + 1) } else { error };
                error.hint(format!(
                    "correct the export, or write the values of `{}` in one form from the first row on",
                    field.name()
                ))
            })
        };
        let columns = self.schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::new(ErrorKind::Internal, "a batch does not have its table's schema").source(error))
    }
}

/// What a column holds, in words.
fn described(field: &Field) -> Cow<'static, str> {
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

/// The error of a parser behind row `read`, without the values that parsers quote.
fn unparsed(file: &Path, read: usize, error: ArrowError) -> Error {
    if let ArrowError::IoError(_, error) = error {
        return sniff::unreadable(file, error);
    }
    let text = error.to_string();
    let place = |error: Error| error.context("row", format!("{} or later", read + 1));
    // "Json error: whilst decoding field 'a': expected [ got …", with the value.
    if let Some((name, _)) = text.split_once("field '").and_then(|(_, rest)| rest.split_once('\'')) {
        let message = format!("`{}` has a value of another shape below in its column `{name}`", file.display());
        return place(Error::new(ErrorKind::Source, message));
    }
    place(Error::new(ErrorKind::Source, format!("`{}` is not well-formed", file.display())).source(error))
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
