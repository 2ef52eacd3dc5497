//! What of a result JSON and CSV cannot hold as it is: keys of maps that are no texts, and times that no calendar has.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait, RecordBatch,
    RecordBatchOptions, StructArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, ErrorKind, Result};

/// `batches` with texts as the keys of all maps.
///
/// # Errors
/// [`ErrorKind::Rejects`] naming the column and the row of a value that cannot be written.
pub(super) fn printable(batches: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
    let mut before = 0;
    let mut shaped = Vec::with_capacity(batches.len());
    for batch in batches {
        let schema = batch.schema();
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            if let Some(row) = unwritable(field, column) {
                return Err(beyond(field.name(), before + row + 1));
            }
            columns.push(with_text_keys(column).map_err(|error| {
                Error::new(ErrorKind::Rejects, format!("`{}` has a map whose keys are no texts", field.name()))
                    .hint("cast the keys in the query, or print another form")
                    .source(error)
            })?);
        }
        shaped.push(rebuilt(batch, &schema, columns)?);
        before += batch.num_rows();
    }
    Ok(shaped)
}

fn rebuilt(batch: &RecordBatch, schema: &Schema, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let fields = schema.fields().iter().zip(&columns);
    let fields = fields.map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)
        .map_err(|error| Error::new(ErrorKind::Internal, "the result cannot be printed").source(error))
}

/// The first row of a column that holds a time beyond what can be written.
fn unwritable(field: &Field, column: &ArrayRef) -> Option<usize> {
    if !has_times(field.data_type()) {
        return None;
    }
    let options = FormatOptions::new().with_display_error(false);
    // A column that cannot be shown at all is for the writer to refuse.
    let formatter = ArrayFormatter::try_new(column, &options).ok()?;
    (0..column.len()).find(|row| column.is_valid(*row) && formatter.value(*row).try_to_string().is_err())
}

fn beyond(column: &str, row: usize) -> Error {
    let message =
        format!("row {row} of `{column}` holds a time that no calendar has: it cannot be printed in this form");
    Error::new(ErrorKind::Rejects, message).hint(format!(
        "print the number behind it, as with arrow_cast({column}, 'Int64'), or leave such rows out; --format table marks them"
    ))
}

fn has_times(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(..)
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_)
        | DataType::Interval(_) => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => has_times(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_times(field.data_type())),
        DataType::Dictionary(_, values) => has_times(values),
        DataType::RunEndEncoded(_, values) => has_times(values.data_type()),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| has_times(field.data_type())),
        _ => false,
    }
}

/// The array with texts as the keys of its maps, wherever they stand in it.
fn with_text_keys(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match array.data_type() {
        DataType::Map(entry, is_sorted) => Arc::new(map(array.as_map(), entry, *is_sorted)?),
        DataType::Struct(_) => {
            let array = array.as_struct();
            let columns = array.columns().iter().map(with_text_keys).collect::<Result<Vec<_>, _>>()?;
            let fields = array.fields().iter().zip(&columns).map(|(field, column)| of_type(field, column));
            // Without members the length is known from nothing else.
            if columns.is_empty() {
                return Ok(Arc::new(array.clone()));
            }
            Arc::new(StructArray::try_new(fields.collect::<Fields>(), columns, array.nulls().cloned())?)
        }
        DataType::List(item) => list::<i32>(array, item)?,
        DataType::LargeList(item) => list::<i64>(array, item)?,
        DataType::FixedSizeList(item, size) => {
            let array = array.as_fixed_size_list();
            let values = with_text_keys(array.values())?;
            Arc::new(FixedSizeListArray::try_new(of_type(item, &values), *size, values, array.nulls().cloned())?)
        }
        _ => ArrayRef::clone(array),
    })
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef, item: &FieldRef) -> Result<ArrayRef, ArrowError> {
    let array = array.as_list::<O>();
    let values = with_text_keys(array.values())?;
    let (offsets, nulls) = (array.offsets().clone(), array.nulls().cloned());
    Ok(Arc::new(GenericListArray::<O>::try_new(of_type(item, &values), offsets, values, nulls)?))
}

fn map(array: &MapArray, entry: &FieldRef, is_sorted: bool) -> Result<MapArray, ArrowError> {
    let DataType::Struct(fields) = entry.data_type() else {
        return Err(ArrowError::SchemaError("the entries of a map are structs".to_owned()));
    };
    let keys = match array.key_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ArrayRef::clone(array.keys()),
        _ => cast(array.keys(), &DataType::Utf8)?,
    };
    let values = with_text_keys(array.values())?;
    let fields: Fields = fields.iter().zip([&keys, &values]).map(|(field, column)| of_type(field, column)).collect();
    let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    let entry = Arc::new(entry.as_ref().clone().with_data_type(DataType::Struct(fields)));
    MapArray::try_new(entry, array.offsets().clone(), entries, array.nulls().cloned(), is_sorted)
}

fn of_type(field: &FieldRef, column: &ArrayRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(column.data_type().clone()))
}
