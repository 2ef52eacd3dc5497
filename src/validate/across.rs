//! Rules that look at several fields of a row at once.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};

use super::cells::{RowSources, present};
use super::contents::Cost;
use super::faults::Faults;
use crate::contract::{EventSource, events};

/// Relation between value and cost of the items beyond which one of the two is suspect.
const FAR: f64 = 2.0;
/// Canonical names of events that are worthless to reports without value and currency (D1, R52).
const SALES: [&str; 2] = ["Purchase", "PlaceAnOrder"];

/// The canonical columns of a batch, and what was computed beside them.
pub(super) struct Row<'a> {
    pub(super) sources: &'a RowSources,
    /// Finds a canonical column by its name; none when there is no such column.
    pub(super) column: &'a dyn Fn(&str) -> Option<&'a ArrayRef>,
    /// Cost of each row's items, when the value did not come from it.
    pub(super) costs: Option<&'a [Cost]>,
}

/// Judges every row whose event source is known.
pub(super) fn judge(rows: &Row<'_>, faults: &mut Faults) {
    let columns = ["email", "phone", "external_id", "tiktok_click_id", "cookie_id", "ip", "agent"].map(rows.column);
    let [value, currency, limited, event] = ["value", "currency", "limited_data_use", "event"].map(rows.column);
    let names = event.map(AsArray::as_string_view);
    // A value that comes from the items is missing where one of these was refused.
    let sources_of_value: &[&str] = if rows.costs.is_some() { &["value"] } else { &["value", "price", "quantity"] };
    // What was given and refused is not missing: its own fault says enough.
    let (bad_values, bad_currencies) = (faults.rows_of(sources_of_value), faults.rows_of(&["currency"]));
    let mut text = String::new();
    for (row, source) in rows.sources.iter().enumerate() {
        let Some(source) = *source else { continue };
        let has = columns.map(|column| present(column, row));
        identity(source, has, row, faults);
        let limited = limited.is_some_and(|flags| flags.is_valid(row) && flags.as_boolean().value(row));
        if limited {
            limited_data_use(source, has[5], row, faults);
        }
        let sale =
            names.is_some_and(|names| names.is_valid(row) && SALES.contains(&events::canonical(names.value(row))));
        let has_value = present(value, row) || bad_values.contains(&row);
        let has_currency = present(currency, row) || bad_currencies.contains(&row);
        money(has_value, has_currency, sale, row, faults);
        if let (Some(value), Some(costs)) = (value, rows.costs) {
            value_against_items(value, costs[row], row, &mut text, faults);
        }
    }
}

fn identity(source: EventSource, has: [bool; 7], row: usize, faults: &mut Faults) {
    let [email, phone, external_id, click, cookie, ip, agent] = has;
    match source {
        EventSource::Offline if !(email || phone) => {
            faults.refuse(row, None, "PB3030", "has neither a valid email nor a valid phone", None);
        }
        EventSource::Web if !(email || phone || external_id || click || cookie || (ip && agent)) => {
            faults.warn(row, None, "PB3031", "has no identity", None);
        }
        _ => {}
    }
    if matches!(source, EventSource::Web | EventSource::App) && ip != agent {
        let detail = if ip { "has ip without agent" } else { "has agent without ip" };
        faults.warn(row, None, "PB3044", detail, None);
    }
}

fn limited_data_use(source: EventSource, ip: bool, row: usize, faults: &mut Faults) {
    let column = Some(Arc::from("limited_data_use"));
    match source {
        EventSource::Offline | EventSource::Crm => {
            faults.warn(row, column.as_ref(), "PB3063", "has no effect on this event source", None);
        }
        EventSource::Web | EventSource::App if !ip => {
            faults.warn(row, column.as_ref(), "PB3064", "needs a public ip to take effect", None);
        }
        _ => {}
    }
}

fn money(value: bool, currency: bool, sale: bool, row: usize, faults: &mut Faults) {
    let detail = match (value, currency) {
        (true, false) => "has a value without a currency",
        (false, true) => "has a currency without a value",
        (false, false) if sale => "is a sale without value and currency",
        _ => return,
    };
    faults.warn(row, None, "PB3052", detail, None);
}

fn value_against_items(values: &ArrayRef, cost: Cost, row: usize, text: &mut String, faults: &mut Faults) {
    let Cost::Known(cost) = cost else { return };
    if values.is_null(row) {
        return;
    }
    cost.write(text);
    let (Ok(value), Ok(cost)) = (values.as_string::<i32>().value(row).parse::<f64>(), text.parse::<f64>()) else {
        return;
    };
    if value > cost * FAR || cost > value * FAR {
        let column = Some(Arc::from("value"));
        faults.warn(row, column.as_ref(), "PB3056", "is far from the cost of the items", None);
    }
}
