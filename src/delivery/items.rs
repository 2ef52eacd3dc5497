//! The lists of failed events that answers hold, and the positions they name. None is documented for this endpoint, so a
//! list is a hint where to cut, never a verdict.

use serde_json::{Map, Value};

/// Names under which a list of failed events is believed.
const LISTS: [&str; 6] = ["errors", "failed_events", "failed_items", "failed_rows", "failed_list", "failures"];
/// Names under which an item gives its position.
const POSITIONS: [&str; 2] = ["index", "order_in_batch"];

/// Whether `name` is that of a list of failed events.
pub(super) fn is_list(name: &str) -> bool {
    LISTS.contains(&name)
}

/// The positions of failed events, ascending, if the body of an answer about `events` events names them in exactly one
/// list, each once and each in the request. A list without an item names nothing.
pub(super) fn named(body: &Map<String, Value>, events: usize) -> Option<Vec<usize>> {
    let data = body.get("data").and_then(Value::as_object);
    let objects = [Some(body), data].into_iter().flatten();
    let found = objects.flat_map(|object| LISTS.iter().filter_map(|name| object.get(*name)));
    let is_empty = |list: &Value| list.is_null() || list.as_array().is_some_and(Vec::is_empty);
    let mut lists = found.filter(|list| !is_empty(list));
    let items = lists.next()?.as_array()?;
    if lists.next().is_some() {
        return None;
    }
    let positions = items.iter().map(|item| position(item).filter(|position| *position < events));
    let mut positions = positions.collect::<Option<Vec<usize>>>()?;
    positions.sort_unstable();
    positions.is_sorted_by(|a, b| a < b).then_some(positions)
}

/// The position that an item gives under one name, or the same under several.
fn position(item: &Value) -> Option<usize> {
    let mut given = POSITIONS.iter().filter_map(|name| item.get(name)).map(Value::as_u64);
    let first = given.next()??;
    given.all(|other| other == Some(first)).then(|| usize::try_from(first).ok()).flatten()
}
