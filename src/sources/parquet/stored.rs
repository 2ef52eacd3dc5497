//! Columns that files call by other names than the table does, or by numbers, and whose types have grown since.
//!
//! A table format says for each column, and for each part of a nested one, under which name or number its files hold it.
//! What a file does not have is NULL there; a type of the file may be narrower than the table's, and never wider.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_null_array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef, TimeUnit};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use super::adapter::{Bound, FileAdapter};
use super::bare;
use super::converted::Conversion;
use super::marks::is_row_number;
use super::texts::textual;
use crate::error::{Error, ErrorKind};

/// A column of the table, or a part of one, as its files hold it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::sources) struct Stored {
    /// The column of the table.
    pub(in crate::sources) field: FieldRef,
    /// Its name in the files.
    pub(in crate::sources) name: String,
    /// Its number in the files, which is then what tells it.
    pub(in crate::sources) id: Option<i64>,
    /// The members of a struct; the item of a list; key and value of a map.
    pub(in crate::sources) parts: Vec<Stored>,
}

/// Makes the adapters of a table whose columns are `Stored`.
pub(in crate::sources) struct ByPlace(pub(in crate::sources) Arc<[Stored]>);

/// What a file has in the place of a column, and the table cannot take.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sources) struct Unfit {
    /// The column, with the names of the parts that lead to it.
    pub(in crate::sources) column: String,
    /// The type in the file.
    pub(in crate::sources) found: DataType,
    /// The type of the table.
    pub(in crate::sources) wanted: DataType,
}

impl Stored {
    /// Where it is among `fields` of a file.
    pub(in crate::sources) fn place<'a>(&self, fields: impl IntoIterator<Item = &'a FieldRef>) -> Option<usize> {
        let fields: Vec<&FieldRef> = fields.into_iter().collect();
        let id_of = |field: &FieldRef| field.metadata().get(PARQUET_FIELD_ID_META_KEY)?.parse::<i64>().ok();
        if let Some(id) = self.id {
            return fields.iter().position(|field| id_of(field) == Some(id));
        }
        let exact = fields.iter().position(|field| *field.name() == self.name);
        exact.or_else(|| fields.iter().position(|field| field.name().eq_ignore_ascii_case(&self.name)))
    }

    /// Makes sure that what a file holds as `found` can be taken for this column.
    ///
    /// # Errors
    /// The part that cannot.
    pub(in crate::sources) fn fits(&self, found: &DataType) -> std::result::Result<(), Unfit> {
        let within = |unfit: Unfit| Unfit { column: format!("{}.{}", self.field.name(), unfit.column), ..unfit };
        match (self.field.data_type(), found) {
            (DataType::Struct(_), DataType::Struct(members)) => self.parts.iter().try_for_each(|part| {
                let found = part.place(members).map_or(Ok(()), |index| part.fits(members[index].data_type()));
                found.map_err(within)
            }),
            (DataType::List(_), DataType::List(item)) => {
                self.parts.iter().try_for_each(|part| part.fits(item.data_type()).map_err(within))
            }
            (DataType::Map(..), DataType::Map(entries, _)) => match entries.data_type() {
                DataType::Struct(members) if members.len() == self.parts.len() => {
                    let mut parts = self.parts.iter().zip(members);
                    parts.try_for_each(|(part, member)| part.fits(member.data_type()).map_err(within))
                }
                _ => Err(self.unfit(found)),
            },
            (wanted, found) if widens(found, wanted) => Ok(()),
            _ => Err(self.unfit(found)),
        }
    }

    fn unfit(&self, found: &DataType) -> Unfit {
        let (column, wanted) = (self.field.name().clone(), self.field.data_type().clone());
        Unfit { column, found: textual(found), wanted }
    }

    /// What `array`, which a file holds for it, is in the table.
    ///
    /// # Errors
    /// A value that the type of the table cannot hold, without the value.
    pub(super) fn placed(&self, array: &ArrayRef) -> Result<ArrayRef> {
        if array.data_type() == self.field.data_type() {
            return Ok(Arc::clone(array));
        }
        match (self.field.data_type(), array.data_type()) {
            (DataType::Struct(wanted), DataType::Struct(members)) => {
                let given = array.as_struct();
                let part = |part: &Self| match part.place(members) {
                    Some(index) => part.placed(given.column(index)),
                    None => Ok(new_null_array(part.field.data_type(), given.len())),
                };
                let parts = self.parts.iter().map(part).collect::<Result<Vec<_>>>()?;
                let nulls = given.nulls().cloned();
                Ok(Arc::new(StructArray::try_new_with_length(wanted.clone(), parts, nulls, given.len())?))
            }
            (DataType::List(wanted), DataType::List(_)) => {
                let list = array.as_list::<i32>();
                let items = self
                    .parts
                    .first()
                    .map_or_else(|| Ok(Arc::clone(list.values())), |part| part.placed(list.values()))?;
                let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
                Ok(Arc::new(ListArray::try_new(Arc::clone(wanted), offsets, items, nulls)?))
            }
            (DataType::Map(wanted, is_sorted), DataType::Map(..)) => {
                let map = array.as_map();
                let parts = self.parts.iter().zip(map.entries().columns());
                let parts = parts.map(|(part, array)| part.placed(array)).collect::<Result<Vec<_>>>()?;
                let DataType::Struct(members) = wanted.data_type() else { return Err(self.lossy(array)) };
                let entries = StructArray::try_new(members.clone(), parts, None)?;
                let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
                Ok(Arc::new(MapArray::try_new(Arc::clone(wanted), offsets, entries, nulls, *is_sorted)?))
            }
            // What a cast says of a value may quote it.
            (wanted, found) if widens(found, wanted) => {
                let options = CastOptions { safe: false, ..CastOptions::default() };
                cast_with_options(array, wanted, &options).map_err(|_| self.lossy(array))
            }
            _ => Err(self.lossy(array)),
        }
    }

    fn lossy(&self, array: &ArrayRef) -> DataFusionError {
        let (name, from, to) = (self.field.name(), array.data_type(), self.field.data_type());
        let message = format!("`{name}` holds a value of type {from} that {to} cannot hold");
        DataFusionError::External(Box::new(Error::new(ErrorKind::Source, message)))
    }
}

/// Whether every value of `found` is one of `wanted`, as far as types tell.
fn widens(found: &DataType, wanted: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Date32, Date64, Decimal128, Float16, Float32, Float64, Timestamp, Utf8, Utf8View,
    };
    match (found, wanted) {
        (found, wanted) if found.is_signed_integer() && wanted.is_signed_integer() => {
            found.primitive_width() <= wanted.primitive_width()
        }
        (found, Float64 | Decimal128(..)) if found.is_signed_integer() => true,
        (Decimal128(digits, scale), Decimal128(wider, wider_scale)) => {
            let whole = |digits: &u8, scale: &i8| i16::from(*digits) - i16::from(*scale);
            wider_scale >= scale && whole(wider, wider_scale) >= whole(digits, scale)
        }
        (DataType::Null, _)
        | (Utf8 | Utf8View | Binary | BinaryView, Utf8 | Utf8View)
        | (Binary, BinaryView)
        | (Float16 | Float32, Float32 | Float64)
        | (Timestamp(..), Timestamp(TimeUnit::Microsecond, _))
        | (Date32 | Date64, Date32 | Timestamp(TimeUnit::Microsecond, None)) => true,
        (found, wanted) => found == wanted,
    }
}

impl fmt::Debug for ByPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByPlace")
    }
}

impl PhysicalExprAdapterFactory for ByPlace {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let of_file = file.fields().iter().filter(|field| !is_row_number(field));
        let named = |field: &FieldRef| Arc::new(field.as_ref().clone().with_name(bare::named(field.name())));
        let of_file: Vec<FieldRef> = of_file.map(named).collect();
        let mut bound: Vec<Bound> = (0..of_file.len()).map(|index| unbound(&table, index)).collect();
        for stored in self.0.iter() {
            let Some(index) = stored.place(&of_file) else { continue };
            let found = of_file[index].data_type();
            let conversion = match stored.field.data_type() {
                wanted if wanted == found => None,
                DataType::Struct(_) | DataType::List(_) | DataType::Map(..) => {
                    Some(Conversion::Placed(Arc::new(stored.clone())))
                }
                wanted => Conversion::of(found, wanted),
            };
            let wanted = Some(stored.field.as_ref().clone());
            bound[index] = Bound { name: stored.field.name().clone(), wanted, conversion };
        }
        Ok(Arc::new(FileAdapter::new(table, &file, bound)?))
    }
}

/// A column that the table does not have, under a name that is none of the table's.
fn unbound(table: &Schema, index: usize) -> Bound {
    let mut name = format!("column {index}");
    while table.column_with_name(&name).is_some() {
        name.push('_');
    }
    Bound { name, wanted: None, conversion: None }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use datafusion::arrow::array::{Int32Array, Int64Array, StringArray};
    use datafusion::arrow::datatypes::Field;

    use super::*;

    fn column(name: &str, data_type: DataType, stored: &str, id: Option<i64>, parts: Vec<Stored>) -> Stored {
        let field = Arc::new(Field::new(name, data_type, true));
        Stored { field, name: stored.to_owned(), id, parts }
    }

    #[test]
    fn parts_of_a_struct_are_found_by_name_or_number_and_widened() {
        let numbered = |name: &str, id: i64| {
            let id = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]);
            Arc::new(Field::new(name, DataType::Int32, true).with_metadata(id))
        };
        let given: ArrayRef = Arc::new(StructArray::from(vec![
            (numbered("x", 2), Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef),
            (numbered("y", 3), Arc::new(Int32Array::from(vec![3, 4])) as ArrayRef),
        ]));
        let members: Vec<Field> = vec![
            Field::new("b", DataType::Int64, true),
            Field::new("gone", DataType::Utf8, true),
            Field::new("a", DataType::Int64, true),
        ];
        let wanted = DataType::Struct(members.into());
        for by_id in [false, true] {
            let id = |id: i64| by_id.then_some(id);
            let name = |name: &str| if by_id { "?".to_owned() } else { name.to_owned() };
            let stored = column(
                "s",
                wanted.clone(),
                "s",
                None,
                vec![
                    column("b", DataType::Int64, &name("y"), id(3), vec![]),
                    column("gone", DataType::Utf8, "z", id(9), vec![]),
                    column("a", DataType::Int64, &name("x"), id(2), vec![]),
                ],
            );
            assert_eq!(stored.fits(given.data_type()), Ok(()));
            let placed = stored.placed(&given).unwrap();
            assert_eq!(placed.data_type(), &wanted);
            assert_eq!(placed.as_struct().column(0).as_ref(), &Int64Array::from(vec![3, 4]) as &dyn Array);
            assert_eq!(placed.as_struct().column(1).null_count(), 2);
            assert_eq!(placed.as_struct().column(2).as_ref(), &Int64Array::from(vec![1, 2]) as &dyn Array);
        }
    }

    #[test]
    fn a_type_may_grow_and_not_shrink() {
        use DataType::{Boolean, Date32, Decimal128, Float32, Float64, Int8, Int32, Int64, Timestamp, Utf8, Utf8View};
        let at = |zone: Option<&str>| Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        for (found, wanted, fits) in [
            (Int8, Int64, true),
            (Int64, Int32, false),
            (Int32, Float64, true),
            (Int32, Decimal128(12, 2), true),
            (Float32, Float64, true),
            (Float64, Float32, false),
            (Decimal128(5, 2), Decimal128(8, 4), true),
            (Decimal128(5, 2), Decimal128(5, 3), false),
            (Date32, at(None), true),
            (Date32, at(Some("UTC")), false),
            (Timestamp(TimeUnit::Nanosecond, None), at(Some("UTC")), true),
            (Utf8View, Utf8, true),
            (Utf8View, Int64, false),
            (Boolean, Int32, false),
        ] {
            assert_eq!(column("a", wanted.clone(), "a", None, vec![]).fits(&found).is_ok(), fits, "{found} {wanted}");
        }
        let text: ArrayRef = Arc::new(StringArray::from(vec!["secret"]));
        let error = column("a", Int64, "a", None, vec![]).placed(&text).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
