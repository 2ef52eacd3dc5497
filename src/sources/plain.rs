//! The plain types that tables of Arrow and Avro files have, and the way to them.
//!
//! How a column is packed (a dictionary, runs, views, wide offsets) says nothing about its values, and a union of kinds of
//! values has no place in the contract: all become what the same values would be in Parquet. A cast may widen a value,
//! and never bend one.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, ListArray, MapArray, StringArray, StringBuilder, StructArray,
    UnionArray, new_null_array,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::FormatOptions;

use super::widen;

/// The metadata of a field of an extension type.
const EXTENSION: &str = "ARROW:extension:name";
/// The extension type of a UUID: 16 bytes.
const UUID: &str = "arrow.uuid";

/// The columns of `schema`, in plain types, each possibly null.
pub(super) fn schema(schema: &Schema) -> Schema {
    let plain = |field: &FieldRef| Field::new(field.name(), field_type(field), true);
    Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>())
}

/// The columns of both schemas by name, in types that hold the values of both.
///
/// # Errors
/// The name of a column whose types have nothing in common.
pub(super) fn union(left: &Schema, right: &Schema) -> Result<Schema, String> {
    let mut fields: Vec<Field> = left.fields().iter().map(|field| field.as_ref().clone()).collect();
    for field in right.fields() {
        match fields.iter_mut().find(|known| known.name() == field.name()) {
            Some(known) => {
                let wide = widen::widened(known.data_type(), field.data_type()).ok_or_else(|| field.name().clone())?;
                known.set_data_type(wide);
            }
            None => fields.push(field.as_ref().clone()),
        }
    }
    Ok(Schema::new(fields))
}

/// What `array`, the column `field` of a file, says in the plain type `data_type`.
///
/// # Errors
/// The error of Arrow's cast if a value does not fit, which may quote it.
pub(super) fn cast(array: &ArrayRef, field: &Field, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let plain = if is_uuid(field) { uuids(array) } else { unpacked(array)? };
    if plain.data_type() == data_type {
        return Ok(plain);
    }
    let options = CastOptions { safe: false, format_options: FormatOptions::new() };
    match (plain.data_type(), data_type) {
        (DataType::Null, _) => Ok(new_null_array(data_type, plain.len())),
        (DataType::Struct(_), DataType::Struct(members)) => {
            let given = plain.as_struct();
            let member = |member: &FieldRef| match given.column_by_name(member.name()) {
                Some(array) => {
                    cast(array, &Field::new(member.name(), array.data_type().clone(), true), member.data_type())
                }
                None => Ok(new_null_array(member.data_type(), given.len())),
            };
            let arrays = members.iter().map(member).collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(
                members.clone(),
                arrays,
                given.nulls().cloned(),
                given.len(),
            )?))
        }
        (DataType::List(item), DataType::List(wanted)) => {
            let list = plain.as_list::<i32>();
            let items = cast(list.values(), item, wanted.data_type())?;
            let list = ListArray::try_new(Arc::clone(wanted), list.offsets().clone(), items, list.nulls().cloned());
            Ok(Arc::new(list?))
        }
        (from, to) if widen::may_bend(from, to) => {
            let numbers = widen::exact(&plain, to)?;
            numbers.ok_or_else(|| ArrowError::CastError("a number does not fit exactly".to_owned()))
        }
        _ => cast_with_options(&plain, data_type, &options),
    }
}

fn is_uuid(field: &Field) -> bool {
    *field.data_type() == DataType::FixedSizeBinary(16)
        && field.metadata().get(EXTENSION).is_some_and(|name| name == UUID)
}

fn field_type(field: &Field) -> DataType {
    if is_uuid(field) { DataType::Utf8 } else { plain(field.data_type()) }
}

/// What values of `data_type` are without their packing.
fn plain(data_type: &DataType) -> DataType {
    let item = |field: &FieldRef| Arc::new(Field::new("item", field_type(field), true));
    let member = |field: &FieldRef| -> FieldRef { Arc::new(Field::new(field.name(), field_type(field), true)) };
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::RunEndEncoded(_, values) => field_type(values),
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Union(..) => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => DataType::List(item(field)),
        DataType::Struct(members) => DataType::Struct(members.iter().map(member).collect()),
        DataType::Map(entries, _) => match plain(entries.data_type()) {
            DataType::Struct(members) => {
                let nullable = [false, true];
                let members = members.iter().zip(nullable).map(|(field, is_nullable)| {
                    Arc::new(Field::new(field.name(), field.data_type().clone(), is_nullable))
                });
                let entries = Field::new(entries.name(), DataType::Struct(members.collect()), false);
                DataType::Map(Arc::new(entries), false)
            }
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}

/// `array` in its plain type.
fn unpacked(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let wanted = plain(array.data_type());
    let options = CastOptions { safe: false, format_options: FormatOptions::new() };
    match array.data_type() {
        data_type if *data_type == wanted => Ok(Arc::clone(array)),
        DataType::Union(..) => texts(array.as_any().downcast_ref().expect("its type says so")),
        DataType::Struct(members) => {
            let parts = array.as_struct();
            let columns = parts.columns().iter().zip(members);
            let columns = columns.map(|(column, field)| cast(column, field, &field_type(field)));
            let DataType::Struct(wanted) = wanted else { unreachable!("an object stays one") };
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(wanted, columns, parts.nulls().cloned(), parts.len())?))
        }
        DataType::List(field) => {
            let list = array.as_list::<i32>();
            let DataType::List(wanted) = wanted else { unreachable!("a list stays one") };
            let items = cast(list.values(), field, wanted.data_type())?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Ok(Arc::new(ListArray::try_new(wanted, offsets, items, nulls)?))
        }
        // Other lists become lists first, of items that are still packed.
        DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => {
            unpacked(&cast_with_options(array, &DataType::List(Arc::clone(field)), &options)?)
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let DataType::Map(wanted, is_sorted) = wanted else { unreachable!("a map stays one") };
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let field = Field::new("entries", entries.data_type().clone(), false);
            let entries = cast(&entries, &field, wanted.data_type())?.as_struct().clone();
            let map = MapArray::try_new(wanted, map.offsets().clone(), entries, map.nulls().cloned(), is_sorted);
            Ok(Arc::new(map?))
        }
        DataType::Dictionary(_, values) => unpacked(&cast_with_options(array, values, &options)?),
        DataType::RunEndEncoded(_, values) => unpacked(&cast_with_options(array, values.data_type(), &options)?),
        _ => cast_with_options(array, &wanted, &options),
    }
}

/// A union of kinds of values as text.
fn texts(union: &UnionArray) -> Result<ArrayRef, ArrowError> {
    let DataType::Union(members, _) = union.data_type() else { unreachable!("a union is of a union's type") };
    let mut children = HashMap::new();
    for (id, field) in members.iter() {
        children.insert(id, cast(union.child(id), field, &DataType::Utf8)?);
    }
    let mut texts = StringBuilder::with_capacity(union.len(), 0);
    for row in 0..union.len() {
        let child = children.get(&union.type_id(row)).map(AsArray::as_string::<i32>);
        let index = union.value_offset(row);
        match child.filter(|child| child.is_valid(index)) {
            Some(child) => texts.append_value(child.value(index)),
            None => texts.append_null(),
        }
    }
    Ok(Arc::new(texts.finish()))
}

/// UUIDs as they are written.
fn uuids(array: &ArrayRef) -> ArrayRef {
    let bytes: &FixedSizeBinaryArray = array.as_fixed_size_binary();
    Arc::new(bytes.iter().map(|bytes| bytes.map(widen::uuid)).collect::<StringArray>())
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        DictionaryArray, Int32Array, Int64Array, LargeListArray, RunArray, StringViewArray,
    };
    use datafusion::arrow::buffer::ScalarBuffer;
    use datafusion::arrow::datatypes::{Int32Type, UnionFields};

    use super::*;

    fn plainly(array: &ArrayRef) -> ArrayRef {
        let field = Field::new("a", array.data_type().clone(), true);
        cast(array, &field, &field_type(&field)).unwrap()
    }

    #[test]
    fn packing_is_taken_off() {
        let words: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("a")]));
        let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
        let views = StringViewArray::from(vec![Some("a"), None, Some("a")]);
        let runs: RunArray<Int32Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
        for packed in [Arc::new(dictionary) as ArrayRef, Arc::new(views), Arc::new(runs)] {
            assert_eq!(&plainly(&packed), &words);
        }
        let list = LargeListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), Some(2)]), None]);
        let list = plainly(&(Arc::new(list) as ArrayRef));
        assert_eq!(list.as_list::<i32>().value(0).as_primitive::<Int32Type>().values(), &[1, 2]);
    }

    #[test]
    fn a_union_is_text() {
        let members = UnionFields::try_new(
            [0, 1],
            [Field::new("n", DataType::Int64, true), Field::new("s", DataType::Utf8, true)],
        );
        let children: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![7])), Arc::new(StringArray::from(vec![Some("x"), None]))];
        let union = UnionArray::try_new(
            members.unwrap(),
            ScalarBuffer::from(vec![1_i8, 0, 1]),
            Some(ScalarBuffer::from(vec![0, 0, 1])),
            children,
        );
        let texts = plainly(&(Arc::new(union.unwrap()) as ArrayRef));
        assert_eq!(texts.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("x"), Some("7"), None]);
    }

    #[test]
    fn columns_meet_by_name() {
        let schema = |fields: &[(&str, DataType)]| {
            Schema::new(
                fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect::<Vec<_>>(),
            )
        };
        let left = schema(&[("a", DataType::Int32), ("b", DataType::Utf8)]);
        let right = schema(&[("b", DataType::Utf8), ("c", DataType::Boolean), ("a", DataType::Int64)]);
        let both = schema(&[("a", DataType::Int64), ("b", DataType::Utf8), ("c", DataType::Boolean)]);
        assert_eq!(union(&left, &right), Ok(both));
        assert_eq!(union(&left, &schema(&[("a", DataType::Boolean)])), Err("a".to_owned()));
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        let wide = cast(&numbers, &Field::new("a", DataType::Int32, true), &DataType::Int64).unwrap();
        assert_eq!(wide.data_type(), &DataType::Int64);
    }
}
