//! Judges the rows of a conformed plan and brings those it accepts into canonical form.
//!
//! In: columns named as in [`FIELDS`], of the types that conforming leaves (`Utf8View`, `Int64`, `Float64`, decimals,
//! timestamps, `Date32`, `Boolean`, `Null`, and lists of them), custom properties as `properties.NAME`, and for folded
//! rows `__rows` and `__differing`. Other names that start with `_` are carried by the query and left alone here.
//!
//! Out, the *canonical batch*, on which the encoder relies and on nothing else: one row per event, columns named as in
//! [`FIELDS`] and in that order, then the custom properties in query order. `event_source`, `event_source_id`, `event`,
//! `timestamp` and `event_id` always exist and are never NULL. The type says how a column becomes JSON:
//!
//! | Arrow type | holds | JSON |
//! |---|---|---|
//! | `Utf8View` | text; for hashed fields 64 hex digits | string |
//! | `Utf8` | the JSON text of a finite number without exponent | number |
//! | `Int64` | a whole number; `timestamp` in Unix seconds | number |
//! | `Boolean` | | boolean |
//! | `List<Utf8View>` | texts or digests without repeats | string or array of strings |
//! | `List<Utf8>` | JSON texts of numbers | array of numbers |
//! | `List<Struct>` | items; fields named as in [`FIELDS`] | array of objects |
//!
//! NULL and the empty text mean that nothing is sent. A column may still hold values for rows whose event source does
//! not take the field; the encoder does not write those.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Field as ArrowField, Int64Type, Schema, SchemaRef};

use super::Violation;
use super::cells::{RowSources, Scope, text};
use super::contents::{ItemsPlan, internal};
use super::faults::{Fate, Faults};
use super::known;
use super::survey::{self, Observed};
use crate::contract::fields::{self, FIELDS};
use crate::contract::phone::Region;
use crate::contract::time::{self, TimeZone};
use crate::contract::{EventSource, Field, Kind, Presence, placeholders};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Identity;

/// Prefix of columns that are sent as custom properties.
pub const PROPERTY: &str = "properties.";
/// Number of rows that were folded into one.
pub const FOLDED_ROWS: &str = "__rows";
/// Names of columns in which folded rows differ.
pub const DIFFERING: &str = "__differing";

/// Seconds back from now in which hours that clocks skip are looked for: three years.
const OBSERVED_GAPS: i64 = 3 * 366 * 86_400;
/// Rule of events that nothing identifies.
const UNIDENTIFIED: &str = "PB3102";
/// Rule of folded rows that disagree.
const DISAGREEING: &str = "PB3101";

/// How the value of a folded event comes from its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FoldValue {
    /// Price × quantity, summed over the items; the `value` column only where an item lacks one of them.
    #[default]
    PriceQuantity,
    /// The `value` column, which the query side has summed.
    Sum,
    /// The `value` column, the same on every row of the event.
    Same,
}

/// What becomes of a phone number of a length that its country has, whose digits no numbering plan assigns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvalidPhone {
    /// It is sent, with a warning: the API hashes what E.164 allows.
    #[default]
    Send,
    /// It is left out, with a warning.
    Drop,
    /// It refuses its row.
    Reject,
}

/// What rows are judged by, beside the contract.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Unix seconds of the present.
    pub now: i64,
    /// Zone of times that carry none; without it such times are refused.
    pub zone: Option<TimeZone>,
    /// Region of phone numbers without country calling code; without it such numbers are refused.
    pub region: Option<Region>,
    /// Event source of rows that name none.
    pub event_source: Option<EventSource>,
    /// Event source id of rows that name none.
    pub event_source_id: Option<Arc<str>>,
    /// Event name of rows that name none.
    pub event: Option<Arc<str>>,
    /// Currency of rows that name none and have a value or items.
    pub currency: Option<Arc<str>>,
    /// Seconds; older offline events are out of window, older others get a warning.
    pub max_event_age: i64,
    /// Seconds that an event may lie in the future.
    pub future_tolerance: i64,
    /// `limited_data_use` of rows that say nothing.
    pub limited_data_use: Option<bool>,
    /// Whether a bad optional value refuses its row instead of being left out with a warning.
    pub reject_bad_optional: bool,
    /// What becomes of phone numbers that are possible and not valid.
    pub invalid_phone: InvalidPhone,
    /// Whether personal data in a field that is sent in plain form refuses its row instead of warning.
    pub restricts_personal: bool,
    /// Where the value of a folded event comes from.
    pub fold_value: FoldValue,
}

/// A record batch, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The accepted rows in canonical form.
    pub events: RecordBatch,
    /// Row number of each accepted row.
    pub rows: Vec<u64>,
    /// Rows of the query beyond one per event, of all events in the batch.
    pub folded: u64,
    /// Row numbers of events that are too old to be sent; their violations are left out.
    pub out_of_window: Vec<u64>,
    /// Number of refused rows.
    pub rejected: u64,
    /// Rows that nothing identifies, by the row of the batch they were thrown together in, beyond the first: no event
    /// of theirs is known, so each is refused for itself and none is folded.
    pub unidentified: HashMap<u64, u64>,
    /// Every fault of every row, in row order: those that refused a row, and those that only warn.
    pub violations: Vec<Violation>,
    /// What is known of each row with a fault or out of the window, in row order; without keys, which take a secret.
    pub identities: Vec<(u64, Identity)>,
    /// What the batch adds to a survey, if one is made.
    pub observed: Option<Observed>,
}

/// Judges batches of one schema.
#[derive(Debug)]
pub struct Judge {
    pub(super) policy: Policy,
    pub(super) outputs: Vec<Output>,
    pub(super) items: Option<ItemsPlan>,
    /// Fields that some event source requires and the query does not return.
    pub(super) missing: Vec<&'static Field>,
    pub(super) folded_rows: Option<usize>,
    differing: Option<usize>,
    schema: SchemaRef,
    /// The hours around now that clocks in the zone skip, if batches are observed.
    gaps: Option<Vec<Range<i64>>>,
}

/// A column of the canonical batch, and the column it comes from.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) name: Arc<str>,
    /// None for a custom property.
    pub(super) field: Option<&'static Field>,
    pub(super) input: Option<usize>,
    pub(super) takes: [bool; 4],
    pub(super) requires: [bool; 4],
}

impl Output {
    pub(super) fn scope<'a>(&'a self, sources: &'a RowSources) -> Scope<'a> {
        Scope { column: &self.name, takes: self.takes, requires: self.requires, sources, rows: None }
    }
}

impl Judge {
    /// Compiles a judge for batches of `schema`.
    ///
    /// # Errors
    /// A custom property that names a field of the contract; a column of a type or name that conforming does not leave,
    /// which is a defect of postback.
    pub fn new(schema: &Schema, policy: Policy) -> Result<Self> {
        let items = ItemsPlan::of(schema);
        let fixed = if schema.index_of("event_source").is_ok() { None } else { policy.event_source };
        let sent = |field: &Field| match fixed {
            Some(source) => field.presence(source) != Presence::Absent,
            None => true,
        };
        let mut outputs = Vec::new();
        let mut missing = Vec::new();
        for field in FIELDS.iter().filter(|field| !field.is_item() && sent(field)) {
            let input = schema.index_of(field.column).ok();
            let made = match field.kind {
                Kind::EventSource | Kind::EventSourceId | Kind::EventName | Kind::Time | Kind::EventId => true,
                Kind::Contents => items.is_some(),
                Kind::Currency => input.is_some() || policy.currency.is_some(),
                _ => match field.column {
                    "value" => input.is_some() || items.as_ref().is_some_and(ItemsPlan::has_costs),
                    "content_type" => input.is_some() || items.is_some(),
                    "limited_data_use" => input.is_some() || policy.limited_data_use.is_some(),
                    _ => input.is_some(),
                },
            };
            if made {
                outputs.push(Output {
                    name: Arc::from(field.column),
                    field: Some(field),
                    input,
                    takes: field.presence.map(|presence| presence != Presence::Absent),
                    requires: field.presence.map(|presence| presence == Presence::Required),
                });
            } else if field.presence.contains(&Presence::Required) {
                missing.push(field);
            }
        }
        for (input, column) in schema.fields().iter().enumerate() {
            let name = column.name();
            if name.starts_with(PROPERTY) {
                if let Some(field) = FIELDS.iter().find(|field| is_within(field.path, name)) {
                    let message = format!("custom property `{name}` is a field of the contract");
                    return Err(
                        Error::new(ErrorKind::Contract, message).hint(format!("return it as `{}`", field.column))
                    );
                }
                let (takes, requires) = ([true; 4], [false; 4]);
                outputs.push(Output {
                    name: Arc::from(name.as_str()),
                    field: None,
                    input: Some(input),
                    takes,
                    requires,
                });
            } else if !name.starts_with('_') && fields::by_column(name).is_none() {
                return Err(Error::new(ErrorKind::Internal, format!("column `{name}` reached the row checks")));
            }
        }
        let (folded_rows, differing) = (schema.index_of(FOLDED_ROWS).ok(), schema.index_of(DIFFERING).ok());
        let empty = RecordBatch::new_empty(Arc::new(schema.clone()));
        let schema = Arc::new(Schema::empty());
        let mut judge = Self { policy, outputs, items, missing, folded_rows, differing, schema, gaps: None };
        // An empty batch shows the canonical types, and every type that cannot be judged.
        let columns = judge.columns(&empty, &mut Faults::new(0, 0, &judge.policy))?;
        let names = judge.outputs.iter().map(|output| &*output.name);
        let fields = names.zip(&columns).map(|(name, column)| ArrowField::new(name, column.data_type().clone(), true));
        judge.schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(judge)
    }

    /// The judge, observing what each batch adds to a survey of the result.
    #[must_use]
    pub fn surveying(mut self) -> Self {
        let now = self.policy.now;
        let years = now.saturating_sub(OBSERVED_GAPS)..now.saturating_add(self.policy.future_tolerance);
        self.gaps = Some(self.policy.zone.as_ref().map_or_else(Vec::new, |zone| time::gaps(zone, years)));
        self
    }

    /// The hours that clocks in the zone skip, as of [`time::gaps`].
    pub(super) fn gaps(&self) -> &[Range<i64>] {
        self.gaps.as_deref().unwrap_or_default()
    }

    /// The schema of [`Judged::events`].
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether values are computed from price and quantity, because the query has no value column or folds.
    #[must_use]
    pub fn computes_value(&self) -> bool {
        let given = self.outputs.iter().any(|output| &*output.name == "value" && output.input.is_some());
        self.items.as_ref().is_some_and(ItemsPlan::has_costs) && (!given || self.folds_price_quantity())
    }

    /// Judges a batch whose first row has the number `first_row`.
    ///
    /// # Errors
    /// Only defects of postback; what is wrong with rows is a [`Violation`].
    pub fn judge(&self, batch: &RecordBatch, first_row: u64) -> Result<Judged> {
        let mut faults = Faults::new(first_row, batch.num_rows(), &self.policy);
        let columns = self.columns(batch, &mut faults)?;
        let observed = self.gaps.is_some().then(|| survey::observe(self, batch.columns(), &columns, &faults));
        let all = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(internal)?;
        let numbered = || faults.fates().iter().zip(first_row..);
        let with = |fate| numbered().filter(move |(other, _)| **other == fate).map(|(_, row)| row);
        let (rows, out_of_window): (Vec<_>, Vec<_>) =
            (with(Fate::Accepted).collect(), with(Fate::OutOfWindow).collect());
        let rejected = with(Fate::Rejected).count() as u64;
        let events = if rows.len() == batch.num_rows() {
            all.clone()
        } else {
            let mask: BooleanArray = faults.fates().iter().map(|fate| Some(*fate == Fate::Accepted)).collect();
            filter_record_batch(&all, &mask).map_err(internal)?
        };
        let fates = faults.fates().to_vec();
        let is_rejected = |row: u64| fates[usize::try_from(row - first_row).unwrap_or_default()] == Fate::Rejected;
        let counts = self.folded_counts(batch);
        let beyond_first =
            |row: usize| counts.as_ref().map_or(0, |counts| u64::try_from(counts.value(row) - 1).unwrap_or(0));
        let folded: u64 = (0..batch.num_rows()).map(beyond_first).sum();
        let mut violations = faults.into_violations();
        let unidentified: HashMap<u64, u64> = violations
            .iter()
            .filter(|violation| violation.rule.code == UNIDENTIFIED && is_rejected(violation.row))
            .map(|violation| {
                (violation.row, beyond_first(usize::try_from(violation.row - first_row).unwrap_or_default()))
            })
            .filter(|(_, rows)| *rows > 0)
            .collect();
        // They have nothing in common that could differ.
        violations.retain(|violation| violation.rule.code != DISAGREEING || !unidentified.contains_key(&violation.row));
        let apart: u64 = unidentified.values().sum();
        let identities = known::identities(&all, first_row, &violations, &out_of_window);
        Ok(Judged {
            events,
            rows,
            folded: folded - apart,
            out_of_window,
            rejected: rejected + apart,
            unidentified,
            violations,
            identities,
            observed,
        })
    }

    /// Refuses folded rows that disagree about what their event source takes.
    pub(super) fn note_differing(&self, inputs: &[ArrayRef], sources: &RowSources, faults: &mut Faults) {
        let Some(differing) = self.differing.and_then(|input| inputs[input].as_string_view_opt()) else { return };
        for (row, source) in sources.iter().enumerate() {
            let Some(names) = text(differing, row) else { continue };
            let is_sent = |name: &&str| {
                let takes = self.output(name).map_or([true; 4], |output| output.takes);
                source.is_none_or(|source| takes[source as usize])
            };
            let names: Vec<&str> = names.split(',').filter(is_sent).collect();
            if !names.is_empty() {
                let names = names.join(", ");
                faults.refuse(row, None, DISAGREEING, format!("rows of this event differ in {names}"), None);
            }
        }
    }

    /// Refuses rows that were folded by a word for a missing id: they belong to as many orders.
    pub(super) fn note_merged(&self, batch: &RecordBatch, inputs: &[ArrayRef], faults: &mut Faults) {
        let given = |name: &str| self.output(name).and_then(|output| output.input);
        let Some((name, ids)) = ["event_id", "order_id"].into_iter().find_map(|name| Some((name, given(name)?))) else {
            return;
        };
        let (Some(counts), Some(ids)) = (self.folded_counts(batch), inputs[ids].as_string_view_opt()) else { return };
        for row in 0..ids.len() {
            let is_word = text(ids, row).is_some_and(placeholders::is_word);
            if is_word && counts.value(row) > 1 {
                let detail = "is a word for a missing value, by which rows of several orders were folded";
                faults.refuse(row, Some(&Arc::from(name)), "PB3121", detail, text(ids, row));
            }
        }
    }

    /// Rows of the query in each row of the batch, where rows were folded.
    fn folded_counts(&self, batch: &RecordBatch) -> Option<Int64Array> {
        batch.column(self.folded_rows?).as_primitive_opt::<Int64Type>().cloned()
    }

    fn folds_price_quantity(&self) -> bool {
        self.folded_rows.is_some() && self.policy.fold_value == FoldValue::PriceQuantity
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.outputs.iter().position(|output| &*output.name == name)
    }

    pub(super) fn output(&self, name: &str) -> Option<&Output> {
        self.position(name).map(|at| &self.outputs[at])
    }
}

/// Whether a path leads to `object` or into it.
fn is_within(path: &str, object: &str) -> bool {
    path.strip_prefix(object).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
