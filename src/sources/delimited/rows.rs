//! The rows of a file of delimited text, chunk by chunk, as text.

use std::io::Read;
use std::sync::Arc;

use datafusion::arrow::array::builder::StringBuilder;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::fields::Values;
use super::records::{Found, Record, Records};
use super::shapes::{self, Shapes};
use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::SourceFile;
use crate::sources::recognise::Dialect;
use crate::sources::streamed::{Chunk, Positions, Wanted};
use crate::sources::unread::{Damage, Fault, Spot, Unread};

/// Bytes of records at which a chunk ends before it has all its rows.
const CHUNK_BYTES: usize = 16 << 20;
/// Bytes of a value that a chunk makes room for.
const USUAL_VALUE: usize = 12;
const SHIFTED: &str = "a value unlike its column, and all like theirs if one delimiter is too many and one is missing";

/// Reads the rows that `R` gives.
pub(super) struct Rows<R> {
    file: SourceFile,
    records: Records<R>,
    values: Values,
    shapes: Option<Arc<Shapes>>,
    /// Other readings of rows that may still be tried.
    tries: u64,
    columns: Vec<Column>,
    schema: SchemaRef,
    per_chunk: usize,
    unread: Arc<Unread>,
    is_over: bool,
}

/// A column that is asked for.
struct Column {
    /// The field that it is; none if the file does not have it.
    field: Option<usize>,
    is_text: bool,
    builder: StringBuilder,
}

impl<R: Read> Rows<R> {
    /// The rows of `records`, of which `columns` are `wanted`, each with the field that it is.
    pub(super) fn new(
        wanted: &Wanted<'_>,
        records: Records<R>,
        dialect: &Dialect,
        columns: Vec<(&Field, Option<usize>)>,
    ) -> Self {
        let fields: Vec<Field> =
            columns.iter().map(|(column, _)| Field::new(column.name(), DataType::Utf8, true)).collect();
        let is_text =
            |column: &Field| matches!(column.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let column = |(column, field): (&Field, Option<usize>)| {
            let builder = StringBuilder::with_capacity(wanted.rows, wanted.rows * USUAL_VALUE);
            Column { field, is_text: is_text(column), builder }
        };
        Self {
            file: wanted.file.clone(),
            records,
            values: Values::new(dialect),
            shapes: wanted.file.layout.shapes.clone(),
            tries: shapes::MAX_TRIED,
            columns: columns.into_iter().map(column).collect(),
            schema: Arc::new(Schema::new(fields)),
            per_chunk: wanted.rows,
            unread: Arc::clone(wanted.unread),
            is_over: false,
        }
    }

    fn chunk(&mut self) -> Result<Option<Chunk>> {
        let mut spots = Vec::with_capacity(self.per_chunk);
        let mut bytes = 0;
        while spots.len() < self.per_chunk && bytes < CHUNK_BYTES {
            match self.records.next_record().map_err(|error| self.file.unreadable(error))? {
                None => break,
                Some(Found::Faulty(fault)) => self.unread.fault(self.file.shown(), fault),
                Some(Found::Record(record))
                    if self.shapes.as_ref().is_some_and(|shapes| shapes.is_shifted(&record, &mut self.tries)) =>
                {
                    let fault =
                        Fault { spot: Spot::line(record.line), damage: Damage::Shifted, detail: SHIFTED.into() };
                    self.unread.fault(self.file.shown(), fault);
                }
                Some(Found::Record(Record { line, text, fields })) => {
                    spots.push(Spot::line(line));
                    bytes += text.len();
                    for column in &mut self.columns {
                        let value =
                            column.field.and_then(|field| self.values.value(text, fields[field], column.is_text));
                        column.builder.append_option(value);
                    }
                }
            }
        }
        if spots.is_empty() {
            return Ok(None);
        }
        let columns = self.columns.iter_mut().map(|column| Arc::new(column.builder.finish()) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(spots.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::new(ErrorKind::Internal, "columns differ in length").source(error))?;
        Ok(Some(Chunk { batch, rows: Positions::Spots(spots) }))
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let chunk = self.chunk().transpose();
        self.is_over = !matches!(chunk, Some(Ok(_)));
        chunk
    }
}
