//! Which Arrow types columns of Parquet files have.
//!
//! Dictionaries and runs are forms of storage, so they are read as their values. Text is read as bytes and judged here;
//! bytes that nobody annotated are text, as every warehouse means them.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use datafusion::datasource::physical_plan::parquet::Int96Coercer;
use parquet::basic::LogicalType;
use parquet::schema::types::SchemaDescriptor;

use super::texts::textual;

/// What the reader of a file is asked to give for `schema`, which its footer says: values in place of dictionaries and
/// runs, bytes in place of text, and instants that Spark wrote as INT96 in UTC.
pub(super) fn read_as(columns: &SchemaDescriptor, schema: &Schema) -> Schema {
    let coerced = Int96Coercer::new(columns, schema, &TimeUnit::Microsecond).with_timezone(Some("UTC".into())).coerce();
    let schema = coerced.as_ref().unwrap_or(schema);
    let fields = schema.fields().iter().map(|field| plain_field(field, true));
    Schema::new(fields.collect::<Vec<_>>())
}

/// The type under which the table shows a column that is read as `field`; `is_uuid` if its bytes are one.
pub(super) fn shown_as(field: &Field, is_uuid: bool) -> DataType {
    match field.data_type() {
        DataType::FixedSizeBinary(_) if is_uuid => DataType::Utf8View,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        other => textual(other),
    }
}

/// For each column at the top, whether it holds UUIDs.
pub(super) fn uuids(columns: &SchemaDescriptor) -> Vec<bool> {
    let fields = columns.root_schema().get_fields();
    fields.iter().map(|field| matches!(field.get_basic_info().logical_type_ref(), Some(LogicalType::Uuid))).collect()
}

fn plain_field(field: &FieldRef, is_top: bool) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(plain(field.data_type(), is_top)))
}

fn plain(data_type: &DataType, is_top: bool) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values, is_top),
        DataType::RunEndEncoded(_, values) => plain(values.data_type(), is_top),
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => {
            if is_top {
                DataType::BinaryView
            } else {
                DataType::Binary
            }
        }
        DataType::Decimal32(digits, scale) | DataType::Decimal64(digits, scale) => {
            DataType::Decimal128(*digits, *scale)
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(plain_field(item, false)),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| plain_field(field, false)).collect::<Fields>())
        }
        DataType::Map(entries, is_sorted) => DataType::Map(plain_field(entries, false), *is_sorted),
        other => other.clone(),
    }
}
