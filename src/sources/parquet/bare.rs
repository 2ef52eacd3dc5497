//! Footers whose columns of text are columns of bytes.
//!
//! The decoder checks UTF-8 where a footer says `UTF8`, and gives up the whole file for one wrong byte; where the footer
//! says `JSON` or nothing, and text is asked for, it checks nothing, and a wrong byte becomes a text that is none. Therefore
//! the decoder is shown a footer that promises no text. Its columns come as bytes, and become text here ([`super::texts`]),
//! row by row.
//!
//! DataFusion asks for text itself where a column of bytes is called as a column of text of the table. Columns have
//! therefore names in that footer that no table gives its own ([`stored`]).

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::errors::Result;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataBuilder};
use parquet::schema::types::{BasicTypeInfo, SchemaDescriptor, Type, TypePtr};

/// Stands before the name of every column.
const MARK: char = '\0';

/// The name in the bare footer of the column that its file calls `name`.
pub(super) fn stored(name: &str) -> String {
    format!("{MARK}{name}")
}

/// The name that the file gives to the column that the bare footer calls `name`.
pub(super) fn named(name: &str) -> &str {
    name.strip_prefix(MARK).unwrap_or(name)
}

/// `schema`, whose columns have the names of the bare footer.
pub(super) fn stored_schema(schema: &Schema) -> SchemaRef {
    let stored = |field: &FieldRef| -> Field { field.as_ref().clone().with_name(stored(field.name())) };
    Arc::new(Schema::new(schema.fields().iter().map(stored).collect::<Vec<_>>()))
}

/// The first column of `schema` that a decoder gives as text, which it has not looked at.
pub(super) fn unchecked(schema: &Schema) -> Option<&FieldRef> {
    schema.fields().iter().find(|field| has_text(field.data_type()))
}

fn has_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => has_text(values),
        DataType::RunEndEncoded(_, values) => has_text(values.data_type()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => has_text(item.data_type()),
        DataType::Struct(members) => members.iter().any(|member| has_text(member.data_type())),
        _ => false,
    }
}

/// `metadata` that promises no text.
///
/// # Errors
/// That of a schema that is none.
pub(super) fn bare(metadata: &ParquetMetaData) -> Result<ParquetMetaData> {
    let file = metadata.file_metadata();
    let root = file.schema_descr().root_schema();
    let columns = root.get_fields().iter().map(|column| bare_type(column, &stored(column.name())));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let schema = Type::group_type_builder(root.name()).with_fields(columns).build()?;
    // What Arrow's writers say of their own types speaks of columns by their names: the types are asked for here.
    let bare = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        None,
        Arc::new(SchemaDescriptor::new(Arc::new(schema))),
        file.column_orders().cloned(),
    );
    Ok(ParquetMetaDataBuilder::new(bare)
        .set_row_groups(metadata.row_groups().to_vec())
        .set_column_index(metadata.column_index().cloned())
        .set_offset_index(metadata.offset_index().cloned())
        .build())
}

/// `found`, called `name`, without a promise of text.
fn bare_type(found: &Type, name: &str) -> Result<TypePtr> {
    let info = found.get_basic_info();
    let id = info.has_id().then(|| info.id());
    let bare = match found {
        Type::GroupType { fields, .. } => {
            let fields = fields.iter().map(|field| bare_type(field, field.name())).collect::<Result<Vec<_>>>()?;
            let mut group = Type::group_type_builder(name)
                .with_converted_type(info.converted_type())
                .with_logical_type(info.logical_type_ref().cloned())
                .with_fields(fields)
                .with_id(id);
            if info.has_repetition() {
                group = group.with_repetition(info.repetition());
            }
            group.build()?
        }
        Type::PrimitiveType { physical_type, type_length, scale, precision, .. } => {
            let is_text = *physical_type == Physical::BYTE_ARRAY && is_of_text(info);
            let (converted, logical) = if is_text {
                (ConvertedType::NONE, None)
            } else {
                (info.converted_type(), info.logical_type_ref().cloned())
            };
            let mut primitive = Type::primitive_type_builder(name, *physical_type)
                .with_converted_type(converted)
                .with_logical_type(logical)
                .with_length(*type_length)
                .with_id(id);
            if !is_text {
                primitive = primitive.with_scale(*scale).with_precision(*precision);
            }
            if info.has_repetition() {
                primitive = primitive.with_repetition(info.repetition());
            }
            primitive.build()?
        }
    };
    Ok(Arc::new(bare))
}

/// Whether the values of a column of bytes are bytes or text, and no numbers.
fn is_of_text(info: &BasicTypeInfo) -> bool {
    let is_number = matches!(info.logical_type_ref(), Some(LogicalType::Decimal { .. } | LogicalType::Unknown));
    !is_number && info.converted_type() != ConvertedType::DECIMAL
}
