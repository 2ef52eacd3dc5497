//! The first rows of a query and the events they become, for a person to look at.

use std::collections::BTreeMap;

use datafusion::prelude::DataFrame;
use serde_json::Value;

use super::{Job, Stage};
use crate::error::{Error, ErrorKind, Result};
use crate::event::EncodedEvents;
use crate::query::{self, Checked};
use crate::validate::{Policy, Violation};

/// One row and what it becomes.
#[derive(Debug)]
pub struct Sample {
    /// Zero-based number of the row.
    pub row: u64,
    /// `event_source` of its request, empty where there is no event.
    pub event_source: String,
    /// `event_source_id` of its request, empty where there is no event.
    pub event_source_id: String,
    /// The event object as it would be sent, with all personal data it has.
    pub event: Option<Value>,
    /// Whether it is too old, so that a run skips it.
    pub is_out_of_window: bool,
    /// What is wrong with it.
    pub violations: Vec<Violation>,
}

/// The first `limit` rows of `checked`, one by one.
///
/// # Errors
/// [`ErrorKind::Source`] and [`ErrorKind::Sql`] while reading.
pub async fn sample(checked: &Checked, job: &Job, limit: usize) -> Result<Vec<Sample>> {
    let schema = std::sync::Arc::clone(checked.plan().schema().inner());
    // The secret only names events in a ledger; nothing is recorded here.
    let stage = Stage::new(&schema, job.policy.clone(), [0; 32])?;
    // Events that are too old are shown too, and marked.
    let ageless = Policy { max_event_age: i64::MAX, ..job.policy.clone() };
    let ageless = Stage::new(&schema, ageless, [0; 32])?;
    let rows = DataFrame::new(checked.context().state(), checked.plan().clone())
        .limit(0, Some(limit))
        .map_err(query::run_error)?;
    let mut samples = BTreeMap::new();
    let mut first_row = 0;
    for batch in rows.collect().await.map_err(query::run_error)? {
        let staged = stage.apply(&batch, first_row).map_err(query::run_error)?;
        for row in first_row..first_row + staged.rows {
            let empty = Sample {
                row,
                event_source: String::new(),
                event_source_id: String::new(),
                event: None,
                is_out_of_window: false,
                violations: Vec::new(),
            };
            samples.insert(row, empty);
        }
        for violation in staged.violations {
            samples.entry(violation.row).and_modify(|sample| sample.violations.push(violation));
        }
        show(&staged.events, &mut samples, |_| true)?;
        if !staged.out_of_window.is_empty() {
            for row in &staged.out_of_window {
                samples.entry(*row).and_modify(|sample| sample.is_out_of_window = true);
            }
            let aged = ageless.apply(&batch, first_row).map_err(query::run_error)?;
            show(&aged.events, &mut samples, |sample| sample.is_out_of_window)?;
        }
        first_row += staged.rows;
    }
    Ok(samples.into_values().collect())
}

/// Puts the events of those samples that are `wanted` into them.
fn show(events: &EncodedEvents, samples: &mut BTreeMap<u64, Sample>, wanted: impl Fn(&Sample) -> bool) -> Result<()> {
    for (destination, event) in &events.events {
        let Some(sample) = samples.get_mut(&event.row).filter(|sample| wanted(sample)) else { continue };
        let json = serde_json::from_slice(&events.json[event.span.clone()])
            .map_err(|error| Error::new(ErrorKind::Internal, "an encoded event is no JSON").source(error))?;
        sample.event = Some(json);
        if let Some(destination) = usize::try_from(*destination).ok().and_then(|index| events.destinations.get(index)) {
            sample.event_source = destination.event_source.to_string();
            sample.event_source_id = destination.event_source_id.to_string();
        }
    }
    Ok(())
}
