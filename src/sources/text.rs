//! The rows of text files: decompressed, made sure of being whole, and parsed as text.

use std::io::BufReader;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json;

use super::file::SourceFile;
use super::recognise::{self, Dialect, Format};
use super::streamed::{Chunk, Chunks, Positions, Wanted};
use super::typed;
use super::whole::{ArrayItems, Delimited};
use crate::error::{Error, ErrorKind, Result};

/// The records of delimited text.
///
/// # Errors
/// [`ErrorKind::Source`] if the file cannot be opened.
pub(super) fn delimited(wanted: &Wanted<'_>, dialect: &Dialect) -> Result<Chunks> {
    let file = wanted.file;
    let content = recognise::content(file)?;
    let parsed = csv::ReaderBuilder::new(texts(wanted.columns))
        .with_header(dialect.has_header)
        .with_delimiter(dialect.delimiter)
        .with_batch_size(wanted.rows)
        .with_projection(wanted.projection.to_vec())
        .build(Delimited::new(content, dialect.delimiter))
        .map_err(|error| unparsed(file, 0, error))?;
    Ok(chunks(file, parsed))
}

/// The objects of JSON text.
///
/// # Errors
/// [`ErrorKind::Source`] if the file cannot be opened.
pub(super) fn objects(wanted: &Wanted<'_>, format: &Format) -> Result<Chunks> {
    let file = wanted.file;
    let content = recognise::content(file)?;
    // Without a column there are still rows to count, which an object without fields would not show.
    let columns = if wanted.projection.is_empty() {
        texts(wanted.columns)
    } else {
        let columns = wanted.columns.project(wanted.projection);
        texts(&columns.map_err(|error| Error::new(ErrorKind::Internal, "there is no such column").source(error))?)
    };
    let reader = json::ReaderBuilder::new(columns).with_batch_size(wanted.rows).with_coerce_primitive(true);
    let unparsed = |error| unparsed(file, 0, error);
    Ok(match format {
        Format::JsonArray => chunks(file, reader.build(BufReader::new(ArrayItems::new(content))).map_err(unparsed)?),
        _ => chunks(file, reader.build(BufReader::new(content)).map_err(unparsed)?),
    })
}

fn texts(schema: &Schema) -> Arc<Schema> {
    let text = |field: &Arc<Field>| Field::new(field.name(), typed::as_text(field.data_type()), true);
    Arc::new(Schema::new(schema.fields().iter().map(text).collect::<Vec<_>>()))
}

fn chunks(file: &SourceFile, parsed: impl Iterator<Item = Result<RecordBatch, ArrowError>> + 'static) -> Chunks {
    let file = file.clone();
    let mut read = 0;
    Box::new(parsed.map(move |batch| {
        let batch = batch.map_err(|error| unparsed(&file, read, error))?;
        let rows = Positions::From(read + 1);
        read += batch.num_rows() as u64;
        Ok(Chunk { batch, rows })
    }))
}

/// The error of a parser behind row `read`, without the values that parsers quote.
fn unparsed(file: &SourceFile, read: u64, error: ArrowError) -> Error {
    if let ArrowError::IoError(_, error) = error {
        return file.unreadable(error);
    }
    let text = error.to_string();
    let place = |error: Error| error.context("row", format!("{} or later", read + 1));
    // "Json error: whilst decoding field 'a': expected [ got …", with the value.
    if let Some((name, _)) = text.split_once("field '").and_then(|(_, rest)| rest.split_once('\'')) {
        let message = format!("`{}` has a value of another shape below in its column `{name}`", file.shown());
        return place(Error::new(ErrorKind::Source, message));
    }
    place(Error::new(ErrorKind::Source, format!("`{}` is not well-formed", file.shown())).source(error))
}
