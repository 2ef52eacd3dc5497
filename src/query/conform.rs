//! Brings a query's result into the contract's shape: names and order in the plan, physical types batch by batch.
//!
//! The conformed plan returns canonical column names in contract order, custom properties as `properties.NAME` behind
//! them, and, where rows were folded, [`FOLDED_ROWS`](crate::validate::FOLDED_ROWS) and [`DIFFERING`](crate::validate::DIFFERING). [`Narrowing`] then casts each batch to the few Arrow
//! types the row judge knows: text to `Utf8View`, lists of text to `List<Utf8View>`, whole numbers to `Int64`, floats to
//! `Float64` (`Float32` to text, whose shortest form is what was meant), everything exact left exact.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StructArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Fields, Schema, SchemaRef, TimeUnit};
use datafusion::common::Column;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::fold;
use crate::contract::{Kind, fields};
use crate::validate::PROPERTY;
use crate::validate::plan::Role;

/// The plan that returns `plan`'s rows, or one row per folded group, in the contract's shape.
///
/// # Errors
/// Only what DataFusion's builder refuses, such as a sum over text.
pub(super) fn conform(plan: LogicalPlan, roles: &[Role], folding: Option<&fold::Folding>) -> Result<LogicalPlan> {
    let mut columns: Vec<(usize, String, Expr)> = Vec::new();
    for ((qualifier, field), role) in plan.schema().iter().zip(roles) {
        let expression = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        match role {
            Role::Field(of_contract) => {
                let order =
                    fields::FIELDS.iter().position(|field| std::ptr::eq(field, *of_contract)).unwrap_or(usize::MAX);
                columns.push((order, of_contract.column.to_owned(), expression));
            }
            Role::Property => columns.push((usize::MAX, format!("{PROPERTY}{}", field.name()), expression)),
            Role::Unsent => {}
        }
    }
    columns.sort_by_key(|(order, ..)| *order);
    let columns = columns.into_iter().map(|(_, name, expression)| expression.alias(name));
    let conformed = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
    match folding {
        Some(folding) => fold::fold(conformed, folding),
        None => Ok(conformed),
    }
}

/// The column `name` of a conformed plan; names with dots are not split into parts.
pub(super) fn named(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// Casts the batches of a conformed plan to the types that the row judge knows.
#[derive(Clone, Debug)]
pub struct Narrowing {
    schema: SchemaRef,
}

impl Narrowing {
    /// For batches of `schema`.
    #[must_use]
    pub fn new(schema: &Schema) -> Self {
        let fields: Fields = schema
            .fields()
            .iter()
            .map(|field| ArrowField::new(field.name(), narrow(field.name(), field.data_type()), true))
            .collect();
        Self { schema: Arc::new(Schema::new(fields)) }
    }

    /// The schema of narrowed batches.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// `batch` with every column cast; a value that its narrow type cannot hold is an error, never NULL.
    ///
    /// # Errors
    /// A number beyond the range of its narrow type, and types that Arrow cannot cast.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns =
            batch.columns().iter().zip(self.schema.fields()).map(|(array, field)| cast(array, field.data_type()));
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<Result<_>>()?)?)
    }
}

fn narrow(name: &str, data_type: &DataType) -> DataType {
    let kind = fields::by_column(name).map(|field| field.kind);
    match data_type {
        DataType::Dictionary(_, value) => narrow(name, value),
        DataType::RunEndEncoded(_, value) => narrow(name, value.data_type()),
        // A custom property stays a number; where the contract takes text for a number, it is the number's own.
        DataType::Float16 | DataType::Float32 if kind.is_none() => DataType::Float64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Float16 | DataType::Float32 => {
            DataType::Utf8View
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => {
            DataType::List(Arc::new(ArrowField::new("item", narrow_item(kind, item.data_type()), true)))
        }
        whole if whole.is_integer() || is_whole_decimal(whole) => match kind {
            Some(Kind::Amount | Kind::Number | Kind::Numbers | Kind::Integer | Kind::Quantity) | None => number(whole),
            Some(Kind::Time) => DataType::Int64,
            Some(_) => DataType::Utf8View,
        },
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        other => other.clone(),
    }
}

fn narrow_item(kind: Option<Kind>, item: &DataType) -> DataType {
    match item {
        DataType::Struct(members) => DataType::Struct(
            members
                .iter()
                .map(|member| {
                    // A member of a name the contract does not know keeps it; the row judge ignores it.
                    let name = fields::find(member.name()).map_or(member.name().as_str(), |field| field.column);
                    ArrowField::new(name, narrow(name, member.data_type()), true)
                })
                .collect(),
        ),
        DataType::Float64 | DataType::Float32 | DataType::Float16 if matches!(kind, Some(Kind::Numbers)) => {
            DataType::Float64
        }
        whole if matches!(kind, Some(Kind::Numbers)) => number(whole),
        _ => DataType::Utf8View,
    }
}

fn is_whole_decimal(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Decimal32(_, 0) | DataType::Decimal64(_, 0) | DataType::Decimal128(_, 0) | DataType::Decimal256(_, 0)
    )
}

fn number(data_type: &DataType) -> DataType {
    match data_type {
        DataType::UInt64 => DataType::Decimal128(20, 0),
        whole if whole.is_integer() => DataType::Int64,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        other => other.clone(),
    }
}

fn cast(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    const STRICT: CastOptions<'static> =
        CastOptions { safe: false, format_options: datafusion::arrow::util::display::FormatOptions::new() };
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), target) {
        // By way of the shortest text, which is the number that was meant.
        (DataType::Float16 | DataType::Float32, DataType::Float64) => {
            let text = cast_with_options(array, &DataType::Utf8, &STRICT)?;
            Ok(cast_with_options(&text, target, &STRICT)?)
        }
        // An epoch beyond 64 bits is no time: its row lacks one.
        (whole, DataType::Int64) if !whole.is_integer() || *whole == DataType::UInt64 => {
            let lenient = CastOptions { safe: true, ..STRICT };
            Ok(cast_with_options(array, target, &lenient)?)
        }
        (
            DataType::List(given)
            | DataType::LargeList(given)
            | DataType::FixedSizeList(given, _)
            | DataType::ListView(given)
            | DataType::LargeListView(given),
            DataType::List(item),
        ) => {
            let list_of = |item: &DataType| DataType::List(Arc::new(ArrowField::new("item", item.clone(), true)));
            let lists = cast_with_options(array, &list_of(given.data_type()), &STRICT)?;
            let lists = lists.as_list::<i32>();
            let values = cast(lists.values(), item.data_type())?;
            Ok(Arc::new(ListArray::try_new(Arc::clone(item), lists.offsets().clone(), values, lists.nulls().cloned())?))
        }
        (DataType::Struct(_), DataType::Struct(members)) => {
            let structs = array.as_struct();
            let columns =
                structs.columns().iter().zip(members).map(|(column, member)| cast(column, member.data_type()));
            Ok(Arc::new(StructArray::try_new(
                members.clone(),
                columns.collect::<Result<_>>()?,
                structs.nulls().cloned(),
            )?))
        }
        (given, DataType::Utf8View)
            if !matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Dictionary(..)) =>
        {
            let text = cast_with_options(array, &DataType::Utf8, &STRICT)?;
            Ok(cast_with_options(&text, target, &STRICT)?)
        }
        _ => Ok(cast_with_options(array, target, &STRICT)?),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Decimal128Array, Float32Array, Int64Array, ListArray, StringArray, UInt64Array};
    use datafusion::arrow::datatypes::{Float64Type, Int64Type};

    use super::*;

    fn narrowed(name: &str, array: ArrayRef) -> ArrayRef {
        let schema = Arc::new(Schema::new(vec![ArrowField::new(name, array.data_type().clone(), true)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array]).unwrap();
        Arc::clone(Narrowing::new(&schema).apply(&batch).unwrap().column(0))
    }

    #[test]
    fn ids_become_text_and_amounts_stay_numbers() {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![4711]));
        assert_eq!(narrowed("order_id", Arc::clone(&ids)).as_string_view().value(0), "4711");
        assert_eq!(narrowed("value", ids).data_type(), &DataType::Int64);
        let wide: ArrayRef = Arc::new(Decimal128Array::from(vec![12_345]).with_precision_and_scale(38, 0).unwrap());
        assert_eq!(narrowed("order_id", wide).as_string_view().value(0), "12345");
        assert_eq!(
            narrowed("value", Arc::new(UInt64Array::from(vec![u64::MAX]))).data_type(),
            &DataType::Decimal128(20, 0)
        );
    }

    #[test]
    fn single_precision_keeps_the_number_that_was_meant() {
        assert_eq!(narrowed("value", Arc::new(Float32Array::from(vec![0.1]))).as_string_view().value(0), "0.1");
    }

    #[test]
    fn custom_properties_of_single_precision_stay_numbers() {
        let property = narrowed("properties.loyalty", Arc::new(Float32Array::from(vec![0.1])));
        assert_eq!(property.as_primitive::<Float64Type>().value(0).to_string(), "0.1");
    }

    #[test]
    fn an_epoch_beyond_64_bits_is_no_time() {
        assert!(narrowed("timestamp", Arc::new(UInt64Array::from(vec![u64::MAX]))).is_null(0));
    }

    #[test]
    fn lists_of_numbers_become_lists_of_text_where_text_is_meant() {
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]);
        let narrowed = narrowed("content_ids", Arc::new(lists));
        assert_eq!(narrowed.as_list::<i32>().value(0).as_string_view().value(0), "1");
        assert!(narrowed.is_null(1));
    }

    #[test]
    fn members_of_contents_take_their_canonical_names() {
        let members = Fields::from(vec![
            ArrowField::new("CONTENT_ID", DataType::Int64, true),
            ArrowField::new("title", DataType::Utf8, true),
        ]);
        let structs = StructArray::new(
            members,
            vec![Arc::new(Int64Array::from(vec![7])), Arc::new(StringArray::from(vec!["x"]))],
            None,
        );
        let item = Arc::new(ArrowField::new("element", structs.data_type().clone(), true));
        let lists =
            ListArray::new(item, datafusion::arrow::buffer::OffsetBuffer::from_lengths([1]), Arc::new(structs), None);
        let narrowed = narrowed("contents", Arc::new(lists));
        let structs = narrowed.as_list::<i32>().values().as_struct().clone();
        assert_eq!(structs.column_by_name("content_id").unwrap().as_string_view().value(0), "7");
    }
}
