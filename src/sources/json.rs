//! The schema of JSON objects: Arrow's inference, with identities as text.

use super::file::SourceFile;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::reader::infer_json_schema_from_iterator;
use serde_json::Value;

use super::csv::identifies;
use super::header;
use super::recognise::{self, Format, SAMPLE_ROWS, Sample};
use super::whole::ArrayItems;
use crate::error::{Error, ErrorKind, Result};

/// The schema of all objects in the samples of `files`; `None` if there is no object.
///
/// A field whose name says that it identifies something is text, so that ids beyond 64 bits keep their digits, and so
/// is a field without a value in the samples.
///
/// # Errors
/// [`ErrorKind::Source`] if a file cannot be read, or objects disagree about the shape of a field.
pub(super) fn infer(files: &[SourceFile], format: &Format) -> Result<Option<Schema>> {
    let mut fault = None;
    let mut rows = 0_usize;
    let objects = files
        .iter()
        .map_while(|file| sample(file, files.len(), format).map_err(|error| fault = Some(error)).ok())
        .flatten()
        .inspect(|_| rows += 1)
        .map(Ok::<_, ArrowError>);
    let inferred = infer_json_schema_from_iterator(objects);
    if let Some(fault) = fault {
        return Err(fault);
    }
    let inferred = inferred
        .map_err(|error| Error::new(ErrorKind::Source, "the objects differ in the shape of a field").source(error))?;
    if rows == 0 {
        return Ok(None);
    }
    if let Some(file) = files.first() {
        let names = inferred.fields().iter().map(|field| field.name().as_str());
        header::require_names(file, names, "write it as a value, behind a name of its own")?;
    }
    Ok(Some(Schema::new(inferred.fields().iter().map(corrected).collect::<Vec<_>>())))
}

fn corrected(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), corrected_type(field.name(), field.data_type()), true))
}

fn corrected_type(name: &str, data_type: &DataType) -> DataType {
    match data_type {
        DataType::List(item) => {
            DataType::List(Arc::new(Field::new(item.name(), corrected_type(name, item.data_type()), true)))
        }
        DataType::Struct(members) => DataType::Struct(members.iter().map(corrected).collect()),
        DataType::Null => DataType::Utf8,
        DataType::Int64 | DataType::Float64 if identifies(name) => DataType::Utf8,
        other => other.clone(),
    }
}

/// The objects at the beginning of a file, one of `files` of a location.
fn sample(file: &SourceFile, files: usize, format: &Format) -> Result<Vec<Value>> {
    let has_one = |text: &[u8]| matches!(values(text, format).next(), Some(Ok(_))).then_some(text.len());
    let Sample { text, is_cut } = recognise::records(file, files, has_one)?;
    let values = values(&text, format);
    let mut objects = Vec::new();
    for value in values.take(SAMPLE_ROWS) {
        match value {
            Ok(value) if value.is_object() => objects.push(value),
            Ok(_) => {
                let message = format!("`{}` holds JSON that is no object", file.shown());
                return Err(Error::new(ErrorKind::Source, message).context("row", objects.len() + 1));
            }
            // The sample ends inside an object.
            Err(_) if is_cut && !objects.is_empty() => break,
            Err(error) => {
                let message = format!("`{}` is no well-formed JSON", file.shown());
                return Err(Error::new(ErrorKind::Source, message).source(error));
            }
        }
    }
    Ok(objects)
}

/// The values that `text` holds one after the other, or in an array.
fn values<'a>(text: &'a [u8], format: &Format) -> Box<dyn Iterator<Item = serde_json::Result<Value>> + 'a> {
    match format {
        Format::JsonArray => Box::new(serde_json::Deserializer::from_reader(ArrayItems::new(text)).into_iter()),
        _ => Box::new(serde_json::Deserializer::from_slice(text).into_iter()),
    }
}
