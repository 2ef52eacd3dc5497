//! The columns of a table, as its log declares them: under which name or number files hold them, and as what they are shown.
//!
//! Types are those that the reader of Parquet files gives: text is text also where the log says `binary`, an instant is in
//! UTC, and a time without zone stays one.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use deltalake_core::kernel::schema::{DataType as DeltaType, MetadataValue, PrimitiveType, StructField, StructType};

use crate::error::{Error, ErrorKind, Result};
use crate::sources::parquet::Stored;

/// The setting of a table that says how its columns are found in files.
const MODE: &str = "delta.columnMapping.mode";
/// The name of a column in the files.
const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";
/// The number of a column in the files.
const ID: &str = "delta.columnMapping.id";

/// How columns are found in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    /// By the names of the table.
    None,
    /// By names of their own.
    Name,
    /// By numbers.
    Id,
}

impl Mapping {
    /// That of a table with `configuration`.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] for one that is not known.
    pub(super) fn of<'a>(
        shown: &str,
        mut configuration: impl Iterator<Item = (&'a String, &'a String)>,
    ) -> Result<Self> {
        match configuration.find(|(name, _)| *name == MODE).map(|(_, value)| value.as_str()) {
            None | Some("none") => Ok(Self::None),
            Some("name") => Ok(Self::Name),
            Some("id") => Ok(Self::Id),
            Some(_) => {
                let message = format!("`{shown}` finds its columns in a way that is not known here");
                Err(Error::new(ErrorKind::Source, message).hint(format!("the table sets `{MODE}`: export it first")))
            }
        }
    }
}

/// The columns of a table with `schema`.
///
/// # Errors
/// [`ErrorKind::Source`] for a type that is not read.
pub(super) fn columns(shown: &str, schema: &StructType, mapping: Mapping) -> Result<Vec<Stored>> {
    let columns = schema.fields().map(|field| stored(field, mapping, true).map_err(|what| (field, what)));
    columns.collect::<Result<_, _>>().map_err(|(field, what)| {
        let message = format!("the column `{}` of `{shown}` {what}", field.name);
        Error::new(ErrorKind::Source, message).hint("export the table first, without the column or with another type")
    })
}

fn stored(field: &StructField, mapping: Mapping, is_top: bool) -> Result<Stored, String> {
    let named = match (mapping, field.metadata.get(PHYSICAL_NAME)) {
        (Mapping::None, _) => Some(&field.name),
        (_, Some(MetadataValue::String(name))) => Some(name),
        _ => None,
    };
    let number = match (mapping, field.metadata.get(ID)) {
        (Mapping::Id, Some(MetadataValue::Number(id))) => Some(*id),
        (Mapping::Id, _) => return Err("has no number, by which the table finds its columns".to_owned()),
        _ => None,
    };
    let name = named.ok_or("has no name in the files, by which the table finds its columns")?;
    part(&field.name, &field.data_type, name, number, mapping, is_top)
}

fn part(
    shown: &str,
    data_type: &DeltaType,
    name: &str,
    id: Option<i64>,
    mapping: Mapping,
    is_top: bool,
) -> Result<Stored, String> {
    // Items, keys and values are found by their places.
    let inner = |name: &str, data_type: &DeltaType| part(name, data_type, name, None, mapping, false);
    let (data_type, parts) = match data_type {
        DeltaType::Primitive(primitive) => (primitive_type(primitive, is_top)?, Vec::new()),
        DeltaType::Struct(members) => {
            let parts = members.fields().map(|field| stored(field, mapping, false)).collect::<Result<Vec<_>, _>>()?;
            (DataType::Struct(parts.iter().map(|part| Arc::clone(&part.field)).collect()), parts)
        }
        DeltaType::Array(list) => {
            let item = inner("element", &list.element_type)?;
            (DataType::List(Arc::clone(&item.field)), vec![item])
        }
        DeltaType::Map(map) => {
            let (key, value) = (inner("key", &map.key_type)?, inner("value", &map.value_type)?);
            let required: FieldRef = Arc::new(key.field.as_ref().clone().with_nullable(false));
            let members = DataType::Struct(vec![required, Arc::clone(&value.field)].into());
            (DataType::Map(Arc::new(Field::new("key_value", members, false)), false), vec![key, value])
        }
        DeltaType::Variant(_) => return Err("is of type variant, which is not read".to_owned()),
    };
    let field = Arc::new(Field::new(shown, data_type, true));
    Ok(Stored { field, name: name.to_owned(), id, parts })
}

fn primitive_type(primitive: &PrimitiveType, is_top: bool) -> Result<DataType, String> {
    let text = if is_top { DataType::Utf8View } else { DataType::Utf8 };
    Ok(match primitive {
        // A column that is null everywhere can be anything.
        PrimitiveType::String | PrimitiveType::Binary | PrimitiveType::Void => text,
        PrimitiveType::Long => DataType::Int64,
        PrimitiveType::Integer => DataType::Int32,
        PrimitiveType::Short => DataType::Int16,
        PrimitiveType::Byte => DataType::Int8,
        PrimitiveType::Float => DataType::Float32,
        PrimitiveType::Double => DataType::Float64,
        PrimitiveType::Boolean => DataType::Boolean,
        PrimitiveType::Date => DataType::Date32,
        PrimitiveType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        PrimitiveType::TimestampNtz => DataType::Timestamp(TimeUnit::Microsecond, None),
        PrimitiveType::Decimal(decimal) => {
            let scale = i8::try_from(decimal.scale()).map_err(|_| "has more decimals than a number can have")?;
            DataType::Decimal128(decimal.precision(), scale)
        }
        other => return Err(format!("is of type {other}, which is not read")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, mapping: Mapping) -> Result<Vec<Stored>> {
        columns("t", &serde_json::from_str(json).unwrap(), mapping)
    }

    fn field(name: &str, data_type: &str, metadata: &str) -> String {
        format!(r#"{{"name":"{name}","type":{data_type},"nullable":true,"metadata":{{{metadata}}}}}"#)
    }

    #[test]
    fn types_are_those_of_parquet_files() {
        let list = r#"{"type":"array","elementType":"string","containsNull":true}"#;
        let fields = [
            field("text", "\"string\"", ""),
            field("bytes", "\"binary\"", ""),
            field("at", "\"timestamp\"", ""),
            field("local", "\"timestamp_ntz\"", ""),
            field("total", "\"decimal(10,2)\"", ""),
            field("list", list, ""),
        ];
        let found = read(&format!(r#"{{"type":"struct","fields":[{}]}}"#, fields.join(",")), Mapping::None).unwrap();
        let types: Vec<_> = found.iter().map(|column| column.field.data_type().to_string()).collect();
        let text = ["Utf8View", "Utf8View", "Timestamp(µs, \"UTC\")", "Timestamp(µs)", "Decimal128(10, 2)"];
        assert_eq!(types[..5], text);
        assert_eq!(found[5].field.data_type(), &DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))));
    }

    #[test]
    fn names_and_numbers_in_files_are_those_of_the_log() {
        let metadata = r#""delta.columnMapping.physicalName":"col-1","delta.columnMapping.id":7"#;
        let json = format!(r#"{{"type":"struct","fields":[{}]}}"#, field("a", "\"long\"", metadata));
        for (mapping, name, id) in
            [(Mapping::None, "a", None), (Mapping::Name, "col-1", None), (Mapping::Id, "col-1", Some(7))]
        {
            let found = read(&json, mapping).unwrap();
            assert_eq!((found[0].field.name().as_str(), found[0].name.as_str(), found[0].id), ("a", name, id));
        }
        let without = format!(r#"{{"type":"struct","fields":[{}]}}"#, field("a", "\"long\"", ""));
        for mapping in [Mapping::Name, Mapping::Id] {
            assert!(read(&without, mapping).unwrap_err().message().contains("the column `a` of `t` has no"));
        }
    }
}
