//! Makes the canonical columns of a batch: one dispatch over the kinds of fields, with defaults and derived values.

use std::sync::Arc;

use datafusion::arrow::array::builder::{StringBuilder, StringViewBuilder};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringViewArray, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, Int64Type};

use super::cells::{RowSources, Texts, present, text};
use super::contents::{Cost, Items, wrong_type};
use super::event_id::Facts;
use super::faults::Faults;
use super::number::Numbers;
use super::rows::{Judge, Output};
use super::{across, amounts, decimals, event_id, identity, instants, names, plain, sources, texts};
use crate::contract::fields::IDENTITY;
use crate::contract::{EventSource, Field, Kind, Presence};
use crate::error::Result;

impl Judge {
    /// The canonical columns of all rows, in output order.
    pub(super) fn columns(&self, batch: &RecordBatch, faults: &mut Faults) -> Result<Vec<ArrayRef>> {
        let count = batch.num_rows();
        let inputs: Vec<_> = batch.columns().iter().map(untyped_as_text).collect();
        let sources = self.event_sources(&inputs, count, faults)?;
        self.note_differing(&inputs, &sources, faults);
        let sorted = self.folded_rows.is_some();
        let items = self
            .items
            .as_ref()
            .map(|plan| plan.items(&inputs, sorted, self.policy.region, &sources, faults))
            .transpose()?;
        let value = self.output("value").map(|output| self.value(output, &inputs, items.as_ref(), &sources, faults));
        let value = value.transpose()?;
        let mut columns = Vec::with_capacity(self.outputs.len());
        for output in &self.outputs {
            columns.push(match output.field {
                Some(field) if field.column == "value" => value.clone().expect("the output was found by its name"),
                Some(field) => self.column(output, field, &inputs, items.as_ref(), value.as_ref(), &sources, faults)?,
                None => self.property(output, &inputs, &sources, faults)?,
            });
        }
        for field in &self.missing {
            for (row, source) in sources.iter().enumerate() {
                if source.is_some_and(|source| field.presence(source) == Presence::Required) {
                    faults.refuse(row, Some(&Arc::from(field.column)), texts::missing(field), "is missing", None);
                }
            }
        }
        self.derive_event_ids(&mut columns, &sources, faults);
        let column = |name: &str| self.position(name).map(|at| &columns[at]);
        let costs = items.as_ref().filter(|_| !self.computes_value()).map(|items| &*items.costs);
        let identities: Vec<_> = ["email", "phone", "external_id"]
            .into_iter()
            .filter_map(|name| self.position(name))
            .filter_map(|at| {
                let (output, canonical) = (&self.outputs[at], Texts::of(&columns[at])?);
                Some((&output.name, Texts::of(&inputs[output.input?])?, canonical))
            })
            .collect();
        identity::note_doubled(&identities, count, faults);
        self.note_own_numbers(&inputs, &sources, faults);
        self.note_merged(batch, &inputs, faults);
        across::judge(&across::Row { sources: &sources, column: &column, costs }, faults);
        decimals::judge(&sources, &column, faults);
        Ok(columns)
    }

    #[expect(clippy::too_many_arguments, reason = "one dispatch over all kinds sees all that any of them needs")]
    pub(super) fn column(
        &self,
        output: &Output,
        field: &'static Field,
        inputs: &[ArrayRef],
        items: Option<&Items>,
        value: Option<&ArrayRef>,
        sources: &RowSources,
        faults: &mut Faults,
    ) -> Result<ArrayRef> {
        let scope = output.scope(sources);
        let input = output.input.map(|input| &inputs[input]);
        let given = || input.expect("a column without a default is made from an input");
        let wrong = |column: &ArrayRef| wrong_type(&output.name, column);
        let text = |column: &ArrayRef| column.as_string_view_opt().cloned().ok_or_else(|| wrong(column));
        let text_or_nulls = || input.map_or_else(|| Ok(StringViewArray::new_null(sources.len())), text);
        let priced = |row| present(value, row) || items.is_some_and(|items| items.lists.is_valid(row));
        let (count, region) = (sources.len(), self.policy.region);
        Ok(match field.kind {
            Kind::EventSource => Arc::new(source_names(sources)),
            Kind::EventSourceId => {
                let (column, setting) = (input.map(text).transpose()?, self.policy.event_source_id.as_deref());
                Arc::new(sources::event_source_ids(column.as_ref(), setting, sources, &output.name, faults))
            }
            Kind::EventName => {
                let (column, setting) = (input.map(text).transpose()?, self.policy.event.as_deref());
                Arc::new(names::column(column.as_ref(), setting, sources, &output.name, faults))
            }
            Kind::Time => Arc::new(match input {
                Some(input) => instants::column(input, &self.policy, &scope, faults).ok_or_else(|| wrong(input))?,
                None => no_times(&output.name, count, faults),
            }),
            Kind::EventId => {
                let column = texts::column(&text_or_nulls()?, field, region, &scope, faults);
                if input.is_some() {
                    event_id::given(&column, sources, &output.name, faults);
                }
                Arc::new(column)
            }
            Kind::Email | Kind::Phone | Kind::ExternalId => {
                let texts = Texts::of(given()).ok_or_else(|| wrong(given()))?;
                identity::column(&texts, count, field.kind, &self.policy, &scope, faults)
            }
            Kind::Contents => Arc::new(items.expect("contents are made from items").lists.clone()),
            Kind::Currency => {
                let column = texts::column(&text_or_nulls()?, field, region, &scope, faults);
                Arc::new(fill(column, self.policy.currency.as_deref(), priced))
            }
            Kind::OneOf(set) if field.column == "content_type" => {
                let column = texts::column(&text_or_nulls()?, field, region, &scope, faults);
                Arc::new(fill(column, set.first().copied(), |row| items.is_some_and(|items| items.lists.is_valid(row))))
            }
            Kind::Amount | Kind::Number => {
                amounts::numbers(&Numbers::of(given()).ok_or_else(|| wrong(given()))?, Some(field), &scope, faults)
            }
            Kind::Numbers => amounts::number_lists(given(), field, &scope, faults).ok_or_else(|| wrong(given()))?,
            Kind::Integer | Kind::Quantity => Arc::new(amounts::integers(
                &Numbers::of(given()).ok_or_else(|| wrong(given()))?,
                Some(field),
                &scope,
                faults,
            )),
            Kind::Boolean => {
                let flags = match input {
                    Some(input) => amounts::booleans(input, Some(field), &scope, faults).ok_or_else(|| wrong(input))?,
                    None => BooleanArray::new_null(count),
                };
                let setting = self.policy.limited_data_use.filter(|_| field.column == "limited_data_use");
                Arc::new(flags.iter().map(|flag| flag.or(setting)).collect::<BooleanArray>())
            }
            Kind::Texts => {
                let texts = Texts::of(given()).ok_or_else(|| wrong(given()))?;
                texts::lists(&texts, count, field, region, &scope, faults)
            }
            _ => Arc::new(texts::column(&text(given())?, field, region, &scope, faults)),
        })
    }

    fn event_sources(
        &self,
        inputs: &[ArrayRef],
        count: usize,
        faults: &mut Faults,
    ) -> Result<Vec<Option<EventSource>>> {
        let output = self.output("event_source").expect("the event source is always an output");
        let text =
            |input: usize| inputs[input].as_string_view_opt().ok_or_else(|| wrong_type(&output.name, &inputs[input]));
        let column = output.input.map(text).transpose()?;
        Ok(sources::event_sources(column, self.policy.event_source, count, &output.name, faults))
    }

    /// The value column: as given, or from the items' costs.
    fn value(
        &self,
        output: &Output,
        inputs: &[ArrayRef],
        items: Option<&Items>,
        sources: &RowSources,
        faults: &mut Faults,
    ) -> Result<ArrayRef> {
        let scope = output.scope(sources);
        let given = output.input.map(|input| {
            let numbers = Numbers::of(&inputs[input]).ok_or_else(|| wrong_type(&output.name, &inputs[input]))?;
            Ok(amounts::numbers(&numbers, output.field, &scope, faults))
        });
        let given = given.transpose()?;
        let Some(items) = items.filter(|_| self.computes_value()) else {
            return Ok(given.expect("a value without items comes from a column"));
        };
        let mut builder = StringBuilder::with_capacity(sources.len(), sources.len());
        let mut text = String::new();
        // What was given and refused does not lack: its own fault says enough.
        let refused = faults.rows_of(&["price", "quantity"]);
        for (row, cost) in items.costs.iter().enumerate() {
            match cost {
                Cost::Known(cost) => {
                    cost.write(&mut text);
                    builder.append_value(&text);
                }
                Cost::TooLarge => {
                    faults.refuse(row, Some(&output.name), "PB3105", "has more than 38 digits", None);
                    builder.append_null();
                }
                Cost::Unknown | Cost::Partial => {
                    let given = given.as_ref().map(AsArray::as_string::<i32>).filter(|given| given.is_valid(row));
                    if given.is_none() && matches!(cost, Cost::Partial) && !refused.contains(&row) {
                        let detail = "cannot be computed: an item lacks its price or its quantity";
                        faults.refuse(row, Some(&output.name), "PB3111", detail, None);
                    }
                    builder.append_option(given.map(|given| given.value(row)));
                }
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// A custom property: text, number or boolean as it comes.
    fn property(
        &self,
        output: &Output,
        inputs: &[ArrayRef],
        sources: &RowSources,
        faults: &mut Faults,
    ) -> Result<ArrayRef> {
        let input = output.input.map(|input| &inputs[input]).expect("a custom property has an input");
        let scope = output.scope(sources);
        plain::property(input, output, self.policy.region, faults);
        Ok(match input.data_type() {
            DataType::Utf8View | DataType::Boolean | DataType::Int64 => Arc::clone(input),
            DataType::Float64 | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                let numbers = Numbers::of(input).ok_or_else(|| wrong_type(&output.name, input))?;
                amounts::numbers(&numbers, None, &scope, faults)
            }
            _ => return Err(wrong_type(&output.name, input)),
        })
    }

    /// Finds the row's own phone number in texts that are sent as they are.
    fn note_own_numbers(&self, inputs: &[ArrayRef], sources: &RowSources, faults: &mut Faults) {
        let phones = self.output("phone").and_then(|output| Texts::of(&inputs[output.input?]));
        let Some(phones) = phones else { return };
        let is_plain = |output: &&Output| output.field.is_none_or(Field::is_plain_text);
        let given: Vec<_> = self
            .outputs
            .iter()
            .filter(is_plain)
            .filter_map(|output| Some((&output.name, output.takes, &inputs[output.input?])))
            .collect();
        plain::note_own_numbers(&given, &phones, sources, faults);
    }

    /// Puts derived ids into the event id column when the query gives none.
    fn derive_event_ids(&self, columns: &mut [ArrayRef], sources: &RowSources, faults: &mut Faults) {
        let output = self.output("event_id").expect("the event id is always an output");
        if output.input.is_some() {
            return;
        }
        let find = |name: &str| self.position(name).map(|at| (&columns[at], self.outputs[at].takes));
        let always = |name| find(name).expect("event and time are always outputs").0;
        let facts = Facts {
            sources,
            events: always("event").as_string_view(),
            times: always("timestamp").as_primitive::<Int64Type>(),
            orders: find("order_id"),
            identity: IDENTITY.iter().filter_map(|name| find(name)).collect(),
        };
        let ids: ArrayRef = Arc::new(event_id::derived(&facts, &output.name, faults));
        let at = self.position("event_id").expect("the event id is always an output");
        columns[at] = ids;
    }
}

/// Columns of type `Null` hold no text either.
fn untyped_as_text(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Null => new_null_array(&DataType::Utf8View, column.len()),
        _ => Arc::clone(column),
    }
}

fn source_names(sources: &RowSources) -> StringViewArray {
    sources.iter().map(|source| source.map(EventSource::as_str)).collect()
}

fn no_times(name: &Arc<str>, rows: usize, faults: &mut Faults) -> Int64Array {
    for row in 0..rows {
        faults.refuse(row, Some(name), "PB3023", "is missing", None);
    }
    Int64Array::new_null(rows)
}

/// Puts `default` where a text is missing and `wanted` says that it belongs there.
fn fill(texts: StringViewArray, default: Option<&str>, wanted: impl Fn(usize) -> bool) -> StringViewArray {
    let Some(default) = default else { return texts };
    if (0..texts.len()).all(|row| text(&texts, row).is_some() || !wanted(row)) {
        return texts;
    }
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    for row in 0..texts.len() {
        builder.append_option(text(&texts, row).or_else(|| wanted(row).then_some(default)));
    }
    builder.finish()
}
