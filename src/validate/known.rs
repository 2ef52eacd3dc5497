//! What is known of the identity of events that have faults, so that a person finds them again.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};

use super::{Severity, Violation, cells};
use crate::contract::{EventSource, events};
use crate::event::Identity;

/// The identity of each row that `violations`, in row order, are about: the parts that nothing refuses. `canonical`
/// holds all rows, of which the first has the number `first_row`.
pub(super) fn identities(canonical: &RecordBatch, first_row: u64, violations: &[Violation]) -> Vec<(u64, Identity)> {
    let rows = violations.chunk_by(|left, right| left.row == right.row).map(|faults| {
        let row = faults[0].row;
        let at = usize::try_from(row - first_row).unwrap_or_default();
        let valid = |name: &str| {
            let is_refused =
                |fault: &Violation| fault.severity == Severity::Reject && fault.column.as_deref() == Some(name);
            let column = canonical.column_by_name(name)?.as_string_view_opt()?;
            cells::text(column, at).filter(|_| !faults.iter().any(is_refused))
        };
        let identity = Identity {
            event_source: valid("event_source").and_then(EventSource::parse),
            event_source_id: valid("event_source_id").map(Arc::from),
            event: valid("event").map(|event| events::canonical(event).to_owned()),
            event_id: valid("event_id").map(str::to_owned),
            order_id: valid("order_id").map(str::to_owned),
            key: None,
        };
        (row, identity)
    });
    rows.collect()
}
