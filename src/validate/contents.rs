//! `properties.contents`: one item from flat columns, or the items of a list, and what they cost together.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, StringArray, StructArray, UInt32Array, new_null_array,
};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{is_null, nullif, take};
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Fields, Int64Type, Schema};

use super::cells::{self, RowSources, Scope};
use super::faults::Faults;
use super::number::{Decimal, Numbers};
use super::{amounts, texts};
use crate::contract::fields::FIELDS;
use crate::contract::phone::Region;
use crate::contract::{Field, Kind};
use crate::error::{Error, ErrorKind, Result};

/// An item column: its field, its name, and where its input lies among the batch's or the list's columns.
struct ItemColumn {
    field: &'static Field,
    name: Arc<str>,
    input: usize,
}

/// Where items come from: a list column, or flat columns.
pub(super) struct ItemsPlan {
    list: Option<usize>,
    columns: Vec<ItemColumn>,
}

impl fmt::Debug for ItemsPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemsPlan").field("list", &self.list).field("columns", &self.columns.len()).finish()
    }
}

impl ItemsPlan {
    /// Reads the schema; a `contents` column outranks flat item columns.
    pub(super) fn of(schema: &Schema) -> Option<Self> {
        let items = || FIELDS.iter().filter(|field| field.is_item());
        let contents = FIELDS.iter().find(|field| field.kind == Kind::Contents)?;
        let column = |field: &'static Field, input| ItemColumn { field, name: Arc::from(field.column), input };
        if let Some((list, field)) = schema.column_with_name(contents.column)
            && let DataType::List(element) = field.data_type()
            && let DataType::Struct(children) = element.data_type()
        {
            let columns = items().filter_map(|field| Some(column(field, children.find(field.column)?.0))).collect();
            return Some(Self { list: Some(list), columns });
        }
        let columns: Vec<_> =
            items().filter_map(|field| Some(column(field, schema.index_of(field.column).ok()?))).collect();
        (!columns.is_empty()).then_some(Self { list: None, columns })
    }

    /// The items of every row; `sorted` puts those of a list into an order that depends on them alone.
    pub(super) fn items(
        &self,
        inputs: &[ArrayRef],
        sorted: bool,
        region: Option<Region>,
        sources: &RowSources,
        faults: &mut Faults,
    ) -> Result<Items> {
        match self.list {
            Some(list) => listed(&self.columns, &inputs[list], sorted, region, sources, faults),
            None => flat(&self.columns, inputs, region, sources, faults),
        }
    }

    /// Whether items have both a price and a quantity.
    pub(super) fn has_costs(&self) -> bool {
        ["price", "quantity"].iter().all(|name| self.columns.iter().any(|column| column.field.column == *name))
    }
}

/// What the items of an event cost.
#[derive(Clone, Copy)]
pub(super) enum Cost {
    /// No item with price and quantity.
    Unknown,
    /// Some items have price and quantity, and others lack one; or an item of a list has one of the two.
    Partial,
    /// The exact sum of price × quantity.
    Known(Decimal),
    /// A sum beyond 38 digits.
    TooLarge,
}

/// The items of every row.
pub(super) struct Items {
    /// The canonical list column.
    pub(super) lists: ListArray,
    /// Cost of each row's items.
    pub(super) costs: Vec<Cost>,
}

/// The canonical Arrow type of an item.
fn item_type(columns: &[ItemColumn]) -> Fields {
    let data_type = |kind| match kind {
        Kind::Amount => DataType::Utf8,
        Kind::Quantity => DataType::Int64,
        _ => DataType::Utf8View,
    };
    columns.iter().map(|column| ArrowField::new(&*column.name, data_type(column.field.kind), true)).collect()
}

/// One item a row, from flat columns.
fn flat(
    columns: &[ItemColumn],
    batch: &[ArrayRef],
    region: Option<Region>,
    sources: &RowSources,
    faults: &mut Faults,
) -> Result<Items> {
    let inputs: Vec<_> = columns.iter().map(|column| Arc::clone(&batch[column.input])).collect();
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(1, sources.len()));
    build(columns, &inputs, offsets, None, region, sources, faults)
}

/// The items of a list of structs; `sorted` puts each row's items into an order that depends on them alone.
fn listed(
    columns: &[ItemColumn],
    lists: &ArrayRef,
    sorted: bool,
    region: Option<Region>,
    sources: &RowSources,
    faults: &mut Faults,
) -> Result<Items> {
    let lists = compact(lists.as_list())?;
    let structs = lists.values().as_struct();
    let absent = (structs.null_count() > 0).then(|| is_null(structs)).transpose().map_err(internal)?;
    let inputs = columns
        .iter()
        .map(|column| match &absent {
            Some(absent) => nullif(structs.column(column.input), absent).map_err(internal),
            None => Ok(Arc::clone(structs.column(column.input))),
        })
        .collect::<Result<Vec<_>>>()?;
    let rows: Vec<usize> =
        (0..lists.len()).flat_map(|row| std::iter::repeat_n(row, cells::items(&lists, row).len())).collect();
    let mut items = build(columns, &inputs, lists.offsets().clone(), Some(&rows), region, sources, faults)?;
    if sorted {
        items.lists = sort(&items.lists)?;
    }
    Ok(items)
}

/// The same lists with values that start at zero and hold nothing for NULL rows.
fn compact(lists: &ListArray) -> Result<ListArray> {
    let first = lists.value_offsets().first().copied().unwrap_or(0);
    if lists.null_count() == 0
        && first == 0
        && lists.value_offsets().last().copied() == i32::try_from(lists.values().len()).ok()
    {
        return Ok(lists.clone());
    }
    let rows = UInt32Array::from_iter_values(0..u32::try_from(lists.len()).map_err(internal)?);
    Ok(take(lists, &rows, None).map_err(internal)?.as_list().clone())
}

fn build(
    columns: &[ItemColumn],
    inputs: &[ArrayRef],
    offsets: OffsetBuffer<i32>,
    rows: Option<&[usize]>,
    region: Option<Region>,
    sources: &RowSources,
    faults: &mut Faults,
) -> Result<Items> {
    let count = usize::try_from(offsets.last().copied().unwrap_or(0)).map_err(internal)?;
    let mut children = Vec::with_capacity(columns.len());
    for (column, input) in columns.iter().zip(inputs) {
        let scope = Scope { column: &column.name, takes: [true; 4], requires: [false; 4], sources, rows };
        children.push(child(column, input, region, &scope, faults)?);
    }
    let live: Vec<bool> =
        (0..count).map(|item| children.iter().any(|child| cells::present(Some(child), item))).collect();
    let index = |offset: i32| usize::try_from(offset).expect("list offsets are never negative");
    let spans = || offsets.windows(2).map(|pair| index(pair[0])..index(pair[1]));
    let costs = costs(columns, &children, &live, rows.is_some(), spans());
    let validity: BooleanBuffer = spans().map(|mut span| span.any(|item| live[item])).collect();
    let fields = item_type(columns);
    let structs = StructArray::try_new_with_length(fields.clone(), children, None, count).map_err(internal)?;
    let element = Arc::new(ArrowField::new_list_field(DataType::Struct(fields), true));
    let lists =
        ListArray::try_new(element, offsets, Arc::new(structs), Some(NullBuffer::new(validity))).map_err(internal)?;
    Ok(Items { lists, costs })
}

fn child(
    column: &ItemColumn,
    input: &ArrayRef,
    region: Option<Region>,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Result<ArrayRef> {
    let numbers = || Numbers::of(input).ok_or_else(|| wrong_type(&column.name, input));
    Ok(match column.field.kind {
        Kind::Amount => amounts::numbers(&numbers()?, Some(column.field), scope, faults),
        Kind::Quantity => Arc::new(amounts::integers(&numbers()?, Some(column.field), scope, faults)),
        _ if *input.data_type() == DataType::Null => new_null_array(&DataType::Utf8View, input.len()),
        _ => {
            let input = input.as_string_view_opt().ok_or_else(|| wrong_type(&column.name, input))?;
            Arc::new(texts::column(input, column.field, region, scope, faults))
        }
    })
}

fn costs(
    columns: &[ItemColumn],
    children: &[ArrayRef],
    live: &[bool],
    are_listed: bool,
    spans: impl Iterator<Item = Range<usize>>,
) -> Vec<Cost> {
    let child = |name| columns.iter().position(|column| column.field.column == name).map(|at| &children[at]);
    let (Some(prices), Some(quantities)) = (child("price"), child("quantity")) else {
        return spans.map(|_| Cost::Unknown).collect();
    };
    let (prices, quantities) = (prices.as_string::<i32>(), quantities.as_primitive::<Int64Type>());
    spans.map(|span| cost(prices, quantities, are_listed, span.filter(|item| live[*item]))).collect()
}

/// What `items` cost; where they are `listed`, one that lacks its price or its quantity leaves the cost open, whether
/// there are others or not.
fn cost(prices: &StringArray, quantities: &Int64Array, listed: bool, items: impl Iterator<Item = usize>) -> Cost {
    let mut sum = None;
    let (mut lacks_one, mut lacks_half) = (false, false);
    for item in items {
        if prices.is_null(item) || quantities.is_null(item) {
            lacks_one = true;
            lacks_half |= listed && prices.is_null(item) != quantities.is_null(item);
            continue;
        }
        let line = Decimal::parse(prices.value(item)).and_then(|price| price.times(quantities.value(item)));
        sum = match line.and_then(|line| line.plus(sum.unwrap_or(Decimal::ZERO))) {
            Some(sum) => Some(sum),
            None => return Cost::TooLarge,
        };
    }
    match sum {
        Some(_) if lacks_one => Cost::Partial,
        Some(sum) => Cost::Known(sum),
        None if lacks_half => Cost::Partial,
        None => Cost::Unknown,
    }
}

/// Orders the items of each row by their cells in field order, so that the scan's order leaves no trace.
fn sort(lists: &ListArray) -> Result<ListArray> {
    if (0..lists.len()).all(|row| lists.value_length(row) < 2) {
        return Ok(lists.clone());
    }
    let structs = lists.values().as_struct();
    let mut order: Vec<u32> = (0..u32::try_from(structs.len()).map_err(internal)?).collect();
    for row in 0..lists.len() {
        order[cells::items(lists, row)].sort_by(|left, right| {
            let (left, right) = (*left as usize, *right as usize);
            let children = structs.columns().iter();
            children.map(|child| compare(child, left, right)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
    }
    let items = take(structs, &UInt32Array::from(order), None).map_err(internal)?;
    let DataType::List(element) = lists.data_type() else { unreachable!("a list array is of list type") };
    ListArray::try_new(Arc::clone(element), lists.offsets().clone(), items, lists.nulls().cloned()).map_err(internal)
}

fn compare(child: &ArrayRef, left: usize, right: usize) -> Ordering {
    let validity = child.is_valid(left).cmp(&child.is_valid(right));
    if validity.is_ne() || child.is_null(left) {
        return validity;
    }
    match child.data_type() {
        DataType::Utf8View => child.as_string_view().value(left).cmp(child.as_string_view().value(right)),
        DataType::Utf8 => child.as_string::<i32>().value(left).cmp(child.as_string::<i32>().value(right)),
        _ => child.as_primitive::<Int64Type>().value(left).cmp(&child.as_primitive::<Int64Type>().value(right)),
    }
}

pub(super) fn wrong_type(name: &str, column: &ArrayRef) -> Error {
    Error::new(ErrorKind::Internal, format!("column `{name}` of type {} reached the row checks", column.data_type()))
}

pub(super) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, "a canonical column could not be built").source(error)
}
