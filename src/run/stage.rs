//! The pure middle of the line: a record batch in, judged rows and encoded events out.

use std::collections::HashMap;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::error::{DataFusionError, Result};

use crate::encode::Encoder;
use crate::event::{EncodedEvents, Identity};
use crate::query::Narrowing;
use crate::validate::survey::Observed;
use crate::validate::{Judge, Policy, Violation};

/// Narrows, judges and encodes batches of one conformed schema.
#[derive(Debug)]
pub struct Stage {
    narrowing: Narrowing,
    judge: Judge,
    encoder: Encoder,
}

/// What became of one batch.
#[derive(Debug)]
pub struct Staged {
    /// Rows of the batch, one an event.
    pub rows: u64,
    /// Rows of the query beyond those, folded into them.
    pub folded: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Rows beyond the first that were thrown together because nothing identifies them, by the batch's row.
    pub unidentified: HashMap<u64, u64>,
    /// Numbers of the rows too old to be sent.
    pub out_of_window: Vec<u64>,
    /// Every fault of every row.
    pub violations: Vec<Violation>,
    /// What is known of each row with a fault or out of the window, in row order.
    pub identities: Vec<(u64, Identity)>,
    /// What the batch adds to a survey, if one is made.
    pub observed: Option<Observed>,
    /// The accepted rows.
    pub events: EncodedEvents,
}

impl Stage {
    /// For batches of `schema`, which is conformed.
    ///
    /// # Errors
    /// A schema that is not conformed.
    pub fn new(schema: &Schema, policy: Policy, secret: [u8; 32]) -> crate::error::Result<Self> {
        let narrowing = Narrowing::new(schema);
        let judge = Judge::new(narrowing.schema(), policy)?;
        let encoder = Encoder::new(judge.schema(), secret)?;
        Ok(Self { narrowing, judge, encoder })
    }

    /// The stage, observing what each batch adds to a survey of the result.
    #[must_use]
    pub fn surveying(self) -> Self {
        Self { judge: self.judge.surveying(), ..self }
    }

    /// Judges and encodes `batch`, whose first row is number `first_row` of the result, from 0.
    ///
    /// # Errors
    /// Values that no narrow type holds, and defects.
    pub fn apply(&self, batch: &RecordBatch, first_row: u64) -> Result<Staged> {
        let external = |error: crate::error::Error| DataFusionError::External(Box::new(error));
        let batch = self.narrowing.apply(batch)?;
        let judged = self.judge.judge(&batch, first_row).map_err(external)?;
        let events = self.encoder.encode(&judged.events, &judged.rows);
        Ok(Staged {
            rows: batch.num_rows() as u64,
            folded: judged.folded,
            rejected: judged.rejected,
            unidentified: judged.unidentified,
            out_of_window: judged.out_of_window,
            violations: judged.violations,
            identities: judged
                .identities
                .into_iter()
                .map(|(row, identity)| (row, self.encoder.identify(identity)))
                .collect(),
            observed: judged.observed,
            events,
        })
    }
}
