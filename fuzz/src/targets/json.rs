//! JSON objects, with a second opinion: where every line is an object by another reader, each of its values is in the row.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use serde_json::{Map, Value};

use super::place::Place;
use super::source::{Reading, text};

/// Objects on lines, one after the other or in an array.
pub fn json_objects(data: &[u8]) {
    Place::with(|place, folder| {
        let Some(reading) = text(place, folder, data) else { return };
        if let Some(objects) = objects(data).filter(|objects| is_comparable(&reading, objects)) {
            assert_eq!(reading.rows.num_rows(), objects.len(), "objects are lost, or read twice");
            for (row, object) in objects.iter().enumerate() {
                assert_row(&reading.rows, row, object);
            }
        }
    });
}

/// The objects on the lines of `data`, if each line is one.
fn objects(data: &[u8]) -> Option<Vec<Map<String, Value>>> {
    let text = std::str::from_utf8(data).ok()?;
    let lines = text.split('\n').filter(|line| !line.trim().is_empty());
    let objects: Vec<Map<String, Value>> = lines.map(serde_json::from_str).collect::<Result<_, _>>().ok()?;
    // One that wraps an array is no row.
    let wraps = objects.len() == 1 && objects[0].values().any(Value::is_array);
    (!objects.is_empty() && !wraps).then_some(objects)
}

fn is_comparable(reading: &Reading, objects: &[Map<String, Value>]) -> bool {
    let names = |name: &String| objects.iter().any(|object| object.contains_key(name));
    let schema = reading.rows.schema();
    !reading.has_more && reading.unread == 0 && schema.fields().iter().all(|field| names(field.name()))
}

/// Row `row` says what `object` says, as far as both have the same types.
fn assert_row(rows: &RecordBatch, row: usize, object: &Map<String, Value>) {
    for (column, field) in rows.columns().iter().zip(rows.schema().fields()) {
        let value = object.get(field.name()).unwrap_or(&Value::Null);
        let is_text = matches!(field.data_type(), DataType::Utf8 | DataType::Utf8View);
        match (value, field.data_type()) {
            (Value::Null, _) => assert!(column.is_null(row), "a null is read as a value"),
            (Value::String(text), _) if is_text => assert_eq!(cell(column, row), Some(text.as_str())),
            (Value::Number(number), DataType::Int64) => {
                assert_eq!(number.as_i64(), Some(column.as_primitive::<Int64Type>().value(row)));
            }
            (Value::Number(number), DataType::Float64) => {
                assert_eq!(number.as_f64(), Some(column.as_primitive::<Float64Type>().value(row)));
            }
            (Value::Bool(said), DataType::Boolean) => assert_eq!(*said, column.as_boolean().value(row)),
            _ => assert!(!column.is_null(row), "a value is read as null"),
        }
    }
}

fn cell(column: &dyn Array, row: usize) -> Option<&str> {
    match column.data_type() {
        _ if column.is_null(row) => None,
        DataType::Utf8 => Some(column.as_string::<i32>().value(row)),
        _ => Some(column.as_string_view().value(row)),
    }
}
