//! What is known of the identity of events that have faults or are too old, so that a person finds them again.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};

use super::{Severity, Violation, cells};
use crate::contract::{EventSource, events};
use crate::event::Identity;

/// The identity of each row that `violations`, in row order, are about, and of each of `others`, which have none: the
/// parts that nothing refuses. `canonical` holds all rows, of which the first has the number `first_row`.
pub(super) fn identities(
    canonical: &RecordBatch,
    first_row: u64,
    violations: &[Violation],
    others: &[u64],
) -> Vec<(u64, Identity)> {
    let faulty = violations.chunk_by(|left, right| left.row == right.row).map(|faults| (faults[0].row, faults));
    let mut rows: Vec<(u64, &[Violation])> = faulty.chain(others.iter().map(|row| (*row, &[][..]))).collect();
    rows.sort_unstable_by_key(|(row, _)| *row);
    let known = rows.into_iter().map(|(row, faults)| {
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
    known.collect()
}
