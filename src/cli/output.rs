//! Data on stdout. A reader that goes away, as `head` does, ends the output and nothing else.

use std::io::{self, BufWriter, ErrorKind as IoErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{JsonArray, LineDelimited};
use datafusion::arrow::json::{Writer, WriterBuilder as JsonWriterBuilder};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::arrow::util::pretty::pretty_format_batches_with_options;

use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};

mod shape;

/// Whether anything went to stdout.
static HAS_WRITTEN: AtomicBool = AtomicBool::new(false);

/// How tables are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
    Ndjson,
    Csv,
    Markdown,
}

/// Writes to stdout.
pub(super) fn write(content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    HAS_WRITTEN.store(true, Ordering::Relaxed);
    let mut stdout = BufWriter::new(io::stdout().lock());
    match content(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != IoErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Internal, "stdout cannot be written").source(error))
        }
        _ => Ok(()),
    }
}

/// Whether anything went to stdout.
pub(super) fn has_written() -> bool {
    HAS_WRITTEN.load(Ordering::Relaxed)
}

/// What is said as JSON of a command that failed before it had a document of its own.
pub(super) fn document(error: &Error) -> Value {
    json!({
        "schema": "postback.error",
        "version": 1,
        "exit_code": error.exit_code(),
        "error": { "kind": error.kind().as_str(), "message": error.message(), "hint": error.hint_text() },
    })
}

/// Writes the document of a command that failed to stdout.
pub(super) fn failure(error: &Error) -> Result<()> {
    let text = format!("{:#}\n", document(error));
    write(|stdout| stdout.write_all(text.as_bytes()))
}

/// Writes `batches`, all of `schema`, to stdout.
pub(super) fn write_batches(schema: &Schema, batches: &[RecordBatch], format: Format) -> Result<()> {
    let shaped = match format {
        Format::Json | Format::Ndjson | Format::Csv => Some(shape::printable(batches)?),
        Format::Table | Format::Markdown => None,
    };
    let batches = shaped.as_deref().unwrap_or(batches);
    let printed = match format {
        Format::Table if batches.iter().all(|batch| batch.num_rows() == 0) => {
            table(&[RecordBatch::new_empty(schema.clone().into())])
        }
        Format::Table => table(batches),
        Format::Markdown => markdown(schema, batches),
        Format::Csv => csv(schema, batches),
        Format::Json => array(batches),
        Format::Ndjson => ndjson(batches),
    };
    let printed =
        printed.map_err(|error| Error::new(ErrorKind::Internal, "the result cannot be printed").source(error))?;
    write(|stdout| stdout.write_all(&printed))
}

fn options() -> FormatOptions<'static> {
    FormatOptions::new().with_null("")
}

fn table(batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    Ok(format!("{}\n", pretty_format_batches_with_options(batches, &options().with_null("NULL"))?).into_bytes())
}

fn markdown(schema: &Schema, batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(schema.fields().iter().map(|field| escaped(field.name())).collect());
    text += &line(vec!["---".into(); schema.fields().len()]);
    let options = options();
    for batch in batches {
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            text += &line(columns.iter().map(|column| escaped(&column.value(row).to_string())).collect());
        }
    }
    Ok(text.into_bytes())
}

fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace('\n', " ")
}

fn csv(schema: &Schema, batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new().with_header(true).build(&mut bytes);
    writer.write(&flat(&RecordBatch::new_empty(schema.clone().into()))?)?;
    batches.iter().try_for_each(|batch| writer.write(&flat(batch)?))?;
    drop(writer);
    Ok(bytes)
}

/// `batch` with lists and structs as JSON text, since CSV has neither.
fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| -> Result<_, ArrowError> {
        if !field.data_type().is_nested() {
            return Ok((field.name(), ArrayRef::clone(column)));
        }
        let only = RecordBatch::try_from_iter_with_nullable([("c", ArrayRef::clone(column), true)])?;
        let lines = ndjson(&[only])?;
        let texts = std::str::from_utf8(&lines).unwrap_or_default().lines();
        let texts = texts.map(|line| line.strip_prefix("{\"c\":").and_then(|text| text.strip_suffix('}')));
        let texts: StringArray = texts.map(|text| text.filter(|text| *text != "null")).collect();
        Ok((field.name(), Arc::new(texts) as ArrayRef))
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new_with_options(
        Arc::new(schema),
        columns.into_iter().map(|(_, column)| column).collect(),
        &options,
    )
}

fn array(batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let mut writer: Writer<_, JsonArray> = JsonWriterBuilder::new().with_explicit_nulls(true).build(Vec::new());
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

fn ndjson(batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let mut writer: Writer<_, LineDelimited> = JsonWriterBuilder::new().with_explicit_nulls(true).build(Vec::new());
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    Ok(writer.into_inner())
}
