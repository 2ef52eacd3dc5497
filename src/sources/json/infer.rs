//! The columns of JSON objects: Arrow's inference, with identities as text.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::reader::infer_json_schema_from_iterator;
use serde_json::Value;

use super::objects::{Found, Objects};
use super::rows::error;
use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::SourceFile;
use crate::sources::meaning::identifies;
use crate::sources::recognise::{self, Format, SAMPLE_ROWS};
use crate::sources::report::{Inferred, Note};
use crate::sources::unread::Fault;
use crate::sources::{DAMAGED, header};

/// The columns of all objects in the samples of `files`; `None` if there is no object.
///
/// A field whose name says that it identifies something is text, so that ids beyond 64 bits keep their digits, and so
/// is a field without a value in the samples.
///
/// # Errors
/// [`ErrorKind::Source`] if a file cannot be read, if none has an object that can, or if objects disagree about the
/// shape of a field.
pub(in crate::sources) fn infer(files: &[SourceFile], format: &Format) -> Result<Option<Inferred>> {
    let mut failure = None;
    let mut fault: Option<(&SourceFile, Fault)> = None;
    let mut names: Vec<(&SourceFile, BTreeSet<String>)> = Vec::new();
    let objects = files
        .iter()
        .map_while(|file| {
            let (objects, first) = sample(file, files.len(), format).map_err(|error| failure = Some(error)).ok()?;
            fault = fault.take().or(first.map(|first| (file, first)));
            if !objects.is_empty() {
                names.push((
                    file,
                    objects.iter().filter_map(Value::as_object).flat_map(|one| one.keys().cloned()).collect(),
                ));
            }
            Some(objects)
        })
        .flatten()
        .map(Ok::<_, ArrowError>);
    let inferred = infer_json_schema_from_iterator(objects);
    if let Some(failure) = failure {
        return Err(failure);
    }
    let inferred = inferred
        .map_err(|error| Error::new(ErrorKind::Source, "the objects differ in the shape of a field").source(error))?;
    let Some((first, _)) = names.first() else {
        return match fault {
            Some((file, fault)) => Err(unreadable(file, fault)),
            None => Ok(None),
        };
    };
    let columns = || inferred.fields().iter().map(|field| field.name().as_str());
    header::require_names(first, columns(), "write it as a value, behind a name of its own")?;
    let missing = |name| {
        let mut without = names.iter().filter(|(_, names)| !names.contains(name)).map(|(file, _)| file.shown());
        Note::missing(name, without.next()?, 1 + without.count(), names.len())
    };
    let notes = columns().filter_map(missing).collect();
    let schema = Schema::new(inferred.fields().iter().map(corrected).collect::<Vec<_>>());
    Ok(Some(Inferred { schema, notes }))
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

/// The objects at the beginning of a file, one of `files` of a location, and the first that cannot be read.
fn sample(file: &SourceFile, files: usize, format: &Format) -> Result<(Vec<Value>, Option<Fault>)> {
    let has_one = |text: &[u8]| {
        let mut objects = Objects::new(text, format, true);
        matches!(objects.next_objects(), Ok(Some(Found::Objects { .. }))).then_some(text.len())
    };
    let content = recognise::records(file, files, has_one)?;
    let mut objects = Objects::new(content.text.as_slice(), format, content.is_cut);
    let mut values = Vec::new();
    let mut first = None;
    while values.len() < SAMPLE_ROWS {
        match objects.next_objects().map_err(|broken| error(file, broken))? {
            None => break,
            Some(Found::Faulty(fault)) => first = first.or(Some(fault)),
            Some(Found::Objects { text, objects, .. }) => {
                values.extend(objects.iter().filter_map(|one| serde_json::from_str::<Value>(&text[one.clone()]).ok()));
            }
        }
    }
    Ok((values, first))
}

/// The error of files without an object that can be read.
fn unreadable(file: &SourceFile, fault: Fault) -> Error {
    Error::new(ErrorKind::Source, format!("no object of `{}` can be read", file.shown()))
        .context("line", fault.spot)
        .context("found", fault.detail)
        .hint(DAMAGED)
}
