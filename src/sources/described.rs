//! Files that describe their own columns: Arrow and Avro.
//!
//! Files of one table may differ: columns meet by name, a column that a file does not have is null there, and types widen
//! until they hold the values of all. Columns that nobody asks for are not decoded.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

use super::caught::caught;
use super::file::SourceFile;
use super::recognise::Format;
use super::report::{Inferred, Note};
use super::streamed::{Chunk, Chunks, Positions, Wanted};
use super::{DAMAGED, arrow, avro, header, plain};
use crate::error::{Error, ErrorKind, Result};

/// Rows of a batch that is read only to see whether there is a row.
const PROBED_ROWS: usize = 1;

/// An opened file.
pub(super) struct Described {
    /// The columns of its batches.
    pub(super) columns: SchemaRef,
    pub(super) batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>,
}

/// The columns of all `files`, by name and in plain types; `None` if none of them has a row. Each of the `declared` must
/// be in one of them.
///
/// # Errors
/// [`ErrorKind::Source`] if a file cannot be read, or the types of a column have nothing in common.
pub(super) fn infer(files: &[SourceFile], format: &Format, declared: Option<&Schema>) -> Result<Option<Inferred>> {
    let mut all = Schema::empty();
    let mut has_rows = false;
    let mut known: Vec<(&SourceFile, Schema)> = Vec::with_capacity(files.len());
    for file in files {
        let mut opened = open(file, format, None, PROBED_ROWS)?;
        let own = plain::schema(&opened.columns);
        header::require_names(file, own.fields().iter().map(|field| field.name().as_str()), "give the column a name")?;
        for (index, field) in own.fields().iter().enumerate() {
            if own.fields()[..index].iter().any(|before| before.name() == field.name()) {
                let message = format!("`{}` has two columns called `{}`", file.shown(), field.name());
                return Err(Error::new(ErrorKind::Source, message).hint("rename one of them where the file is written"));
            }
        }
        all = plain::union(&all, &own).map_err(|column| {
            let message =
                format!("`{}` has other values in its column `{column}` than the files before it", file.shown());
            let shown = |schema: &Schema| schema.field_with_name(&column).map(|field| field.data_type().to_string());
            Error::new(ErrorKind::Source, message)
                .context("before", shown(&all).unwrap_or_default())
                .context("here", shown(&own).unwrap_or_default())
                .hint("read them as two tables")
        })?;
        while !has_rows && let Some(batch) = decoded(file, &mut *opened.batches)? {
            has_rows = batch.num_rows() > 0;
        }
        known.push((file, own));
    }
    for column in declared.iter().flat_map(|declared| declared.fields()) {
        if find(&all, column.name()).is_none() {
            let message = format!("the table declares the column `{}`, which no file has", column.name());
            let names: Vec<_> = all.fields().iter().map(|field| format!("`{}`", field.name())).collect();
            return Err(Error::new(ErrorKind::Source, message).hint(format!("the columns are {}", names.join(", "))));
        }
    }
    // A column that is null everywhere can be anything.
    let typed = |field: &Arc<Field>| match field.data_type() {
        DataType::Null => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
        _ => Arc::clone(field),
    };
    let schema = Schema::new(all.fields().iter().map(typed).collect::<Vec<_>>());
    let missing = |field: &Arc<Field>| {
        let mut without =
            known.iter().filter(|(_, own)| find(own, field.name()).is_none()).map(|(file, _)| file.shown());
        Note::missing(field.name(), without.next()?, 1 + without.count(), files.len())
    };
    let notes = schema.fields().iter().filter_map(missing).collect();
    Ok(has_rows.then_some(Inferred { schema, notes }))
}

/// The rows of a file, in the types of the table.
///
/// # Errors
/// [`ErrorKind::Source`] if the file cannot be opened.
pub(super) fn chunks(wanted: &Wanted<'_>, format: &Format) -> Result<Chunks> {
    let file = wanted.file.clone();
    let whole = open(&file, format, None, wanted.rows)?.columns;
    let internal = |error| Error::new(ErrorKind::Internal, "there is no such column").source(error);
    let schema = Arc::new(wanted.columns.project(wanted.projection).map_err(internal)?);
    let found: Vec<Option<usize>> = schema.fields().iter().map(|field| find(&whole, field.name())).collect();
    let mut projection: Vec<usize> = found.iter().flatten().copied().collect();
    projection.sort_unstable();
    projection.dedup();
    // Rows are counted by a column.
    if projection.is_empty() && !whole.fields().is_empty() {
        projection.push(0);
    }
    let places: Vec<Option<usize>> =
        found.iter().map(|index| index.and_then(|index| projection.iter().position(|it| *it == index))).collect();
    let mut opened = open(&file, format, Some(projection), wanted.rows)?;
    let (limit, mut read) = (wanted.rows.max(1), 0_u64);
    let mut batch: Option<RecordBatch> = None;
    Ok(Box::new(std::iter::from_fn(move || {
        loop {
            if let Some(rest) = batch.take() {
                let count = rest.num_rows().min(limit);
                let now = rest.slice(0, count);
                batch = (count < rest.num_rows()).then(|| rest.slice(count, rest.num_rows() - count));
                let rows = Positions::From(read + 1);
                let typed = typed(&file, &now, &places, &schema, read);
                read += count as u64;
                return Some(typed.map(|batch| Chunk { batch, rows }));
            }
            match decoded(&file, &mut *opened.batches) {
                Ok(Some(next)) => batch = (next.num_rows() > 0).then_some(next),
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    })))
}

/// The index of the column called `name`, in this case or another.
fn find(schema: &Schema, name: &str) -> Option<usize> {
    let exact = schema.fields().iter().position(|field| field.name() == name);
    exact.or_else(|| schema.fields().iter().position(|field| field.name().eq_ignore_ascii_case(name)))
}

fn open(file: &SourceFile, format: &Format, projection: Option<Vec<usize>>, rows: usize) -> Result<Described> {
    guarded(file, || match format {
        Format::Avro => avro::open(file, projection, rows),
        _ => arrow::open(file, projection),
    })
}

/// The next batch of `file`.
fn decoded(
    file: &SourceFile,
    batches: &mut dyn Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> Result<Option<RecordBatch>> {
    guarded(file, || batches.next().transpose().map_err(|error| undecoded(file, error)))
}

/// `work`, and an error of `file` where a decoder does not survive its bytes.
fn guarded<T>(file: &SourceFile, work: impl FnOnce() -> Result<T>) -> Result<T> {
    caught(work).unwrap_or_else(|_| {
        let message = format!("`{}` holds what no writer of its format writes", file.shown());
        Err(Error::new(ErrorKind::Source, message).hint(DAMAGED))
    })
}

/// The error of a decoder, which knows places and types.
pub(super) fn undecoded(file: &SourceFile, error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => file.unreadable(error),
        error => super::unreadable(file.shown(), error),
    }
}

/// The rows of `batch`, which stand behind row `read`, in the columns of `schema`, each of which is found at its place.
fn typed(
    file: &SourceFile,
    batch: &RecordBatch,
    places: &[Option<usize>],
    schema: &SchemaRef,
    read: u64,
) -> Result<RecordBatch> {
    let column = |(field, place): (&Arc<Field>, &Option<usize>)| -> Result<ArrayRef> {
        let Some(place) = place else { return Ok(new_null_array(field.data_type(), batch.num_rows())) };
        let own = batch.schema_ref().field(*place);
        guarded(file, || {
            plain::cast(batch.column(*place), own, field.data_type()).map_err(|_| {
                let message = format!(
                    "`{}` has a value in its column `{}` that does not fit type {}",
                    file.shown(),
                    field.name(),
                    field.data_type()
                );
                Error::new(ErrorKind::Source, message)
                    .context("rows", format!("{} to {}", read + 1, read + batch.num_rows() as u64))
                    .context("type in the file", own.data_type())
                    .hint("write the column in one type, or declare it as VARCHAR in CREATE EXTERNAL TABLE")
            })
        })
    };
    let columns = schema.fields().iter().zip(places).map(column).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::new(ErrorKind::Internal, "a batch does not have its table's schema").source(error))
}
