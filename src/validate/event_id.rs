//! `event_id`: given by the query, or derived so that the same fact gets the same id in every run.

use std::sync::Arc;

use datafusion::arrow::array::builder::StringViewBuilder;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringViewArray};

use super::cells::{self, RowSources};
use super::faults::Faults;
use crate::contract::{events, normalize};

/// The canonical columns that an id is derived from.
pub(super) struct Facts<'a> {
    pub(super) sources: &'a RowSources,
    pub(super) events: &'a StringViewArray,
    pub(super) times: &'a Int64Array,
    /// `order_id`, and per event source whether it takes that.
    pub(super) orders: Option<(&'a ArrayRef, [bool; 4])>,
    /// Identity columns in the order of the derivation, and per event source whether it takes them.
    pub(super) identity: Vec<(&'a ArrayRef, [bool; 4])>,
}

/// The ids that the query gave. NULL is a fault: `event_id(…)` is NULL when one of its parts is.
pub(super) fn given(texts: &StringViewArray, sources: &RowSources, name: &Arc<str>, faults: &mut Faults) {
    for row in 0..sources.len() {
        if cells::text(texts, row).is_none() {
            faults.refuse(row, Some(name), "PB3102", "is missing", None);
        }
    }
}

/// Derived ids: from source, event and order where there is an `order_id` column, else from identity and time.
pub(super) fn derived(facts: &Facts<'_>, name: &Arc<str>, faults: &mut Faults) -> StringViewArray {
    let mut builder = StringViewBuilder::with_capacity(facts.sources.len());
    for (row, source) in facts.sources.iter().enumerate() {
        let (Some(source), true) = (source, facts.events.is_valid(row)) else {
            builder.append_null();
            continue;
        };
        let takes = |takes: &[bool; 4]| takes[*source as usize];
        let event = events::canonical(facts.events.value(row));
        let orders = facts.orders.as_ref().filter(|(_, sources)| takes(sources));
        let id = if let Some((orders, _)) = orders {
            let order = cells::text(orders.as_string_view(), row);
            if order.is_none() {
                faults.refuse(row, Some(name), "PB3102", "cannot be derived, because `order_id` is missing", None);
            }
            order.map(|order| normalize::event_id([source.as_str(), event, order]))
        } else {
            let mut parts = vec![source.as_str(), event];
            let columns = facts.identity.iter().filter(|(_, sources)| takes(sources));
            columns.for_each(|(column, _)| push_texts(column, row, &mut parts));
            let anonymous = parts.len() == 2;
            if anonymous {
                faults.refuse(
                    row,
                    Some(name),
                    "PB3102",
                    "cannot be derived from a row without order and identity",
                    None,
                );
            }
            (!anonymous && facts.times.is_valid(row)).then(|| {
                let time = facts.times.value(row).to_string();
                normalize::event_id(parts.iter().copied().chain([time.as_str()]))
            })
        };
        builder.append_option(id);
    }
    builder.finish()
}

fn push_texts<'a>(column: &'a ArrayRef, row: usize, parts: &mut Vec<&'a str>) {
    if let Some(texts) = column.as_string_view_opt() {
        parts.extend(cells::text(texts, row));
    } else if let Some(lists) = column.as_list_opt::<i32>() {
        let texts = lists.values().as_string_view();
        parts.extend(cells::items(lists, row).map(|item| texts.value(item)));
    }
}
