//! `batches.parquet`: what was offered to the API, and what it said.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::SchemaRef;

use crate::delivery::Settled;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Destination, Outcome};

/// A batch that is done.
#[derive(Clone, Debug)]
pub struct BatchRecord {
    number: u64,
    destination: Destination,
    events: u64,
    /// Accepted, rejected, held, unsent.
    places: [u64; 4],
    requests: u64,
    bytes: u64,
    code: Option<i64>,
    http_status: Option<u16>,
    request_id: Option<String>,
    accepted_by: Vec<String>,
    /// Unix seconds of the first and of the last event.
    event_times: Option<(i64, i64)>,
    /// When the first request began and the last answer came.
    times: [Option<std::time::Instant>; 2],
}

impl BatchRecord {
    /// What is kept of `settled`.
    #[must_use]
    pub fn of(settled: &Settled) -> Self {
        let mut places = [0; 4];
        for outcome in &settled.outcomes {
            places[match outcome {
                Outcome::Accepted => 0,
                Outcome::Rejected(_) => 1,
                Outcome::Held => 2,
                Outcome::Unsent | Outcome::InDoubt => 3,
            }] += 1;
        }
        let times = || settled.batch.events().iter().map(|event| event.time);
        let exchange = &settled.exchange;
        Self {
            number: settled.number,
            destination: settled.batch.destination.clone(),
            events: settled.batch.len() as u64,
            places,
            requests: exchange.requests,
            bytes: exchange.bytes,
            code: exchange.code,
            http_status: exchange.status,
            request_id: exchange.request_id.clone(),
            accepted_by: exchange.accepted_by.clone(),
            event_times: times().min().zip(times().max()),
            times: [exchange.started, exchange.ended].map(|time| time.map(tokio::time::Instant::into_std)),
        }
    }
}

/// Unix microseconds of a moment of this process.
pub(super) type Clock<'a> = &'a dyn Fn(std::time::Instant) -> i64;

/// The columns without rows.
pub(super) fn schema() -> SchemaRef {
    rows(&[], &|_| 0).expect("columns of one length").schema()
}

/// The rows of `batches`.
pub(super) fn rows(batches: &[BatchRecord], clock: Clock<'_>) -> Result<RecordBatch> {
    let number = |of: &dyn Fn(&BatchRecord) -> Option<i64>| -> ArrayRef {
        Arc::new(batches.iter().map(of).collect::<Int64Array>())
    };
    let count = |of: &dyn Fn(&BatchRecord) -> u64| number(&|batch| i64::try_from(of(batch)).ok());
    let text = |of: &dyn Fn(&BatchRecord) -> Option<String>| -> ArrayRef {
        Arc::new(batches.iter().map(of).collect::<StringArray>())
    };
    let time = |of: &dyn Fn(&BatchRecord) -> Option<i64>| -> ArrayRef {
        Arc::new(batches.iter().map(of).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let seconds = |seconds: i64| seconds.checked_mul(1_000_000);
    RecordBatch::try_from_iter_with_nullable([
        ("batch", count(&|batch| batch.number), true),
        ("event_source", text(&|batch| Some(batch.destination.event_source.to_string())), true),
        ("event_source_id", text(&|batch| Some(batch.destination.event_source_id.to_string())), true),
        ("events", count(&|batch| batch.events), true),
        ("accepted", count(&|batch| batch.places[0]), true),
        ("rejected", count(&|batch| batch.places[1]), true),
        ("held", count(&|batch| batch.places[2]), true),
        ("unsent", count(&|batch| batch.places[3]), true),
        ("requests", count(&|batch| batch.requests), true),
        ("bytes", count(&|batch| batch.bytes), true),
        ("code", number(&|batch| batch.code), true),
        ("http_status", number(&|batch| batch.http_status.map(i64::from)), true),
        ("request_id", text(&|batch| batch.request_id.clone()), true),
        ("accepted_by", accepted_by(batches), true),
        ("first_event", time(&|batch| batch.event_times.and_then(|(first, _)| seconds(first))), true),
        ("last_event", time(&|batch| batch.event_times.and_then(|(_, last)| seconds(last))), true),
        ("started", time(&|batch| batch.times[0].map(clock)), true),
        ("ended", time(&|batch| batch.times[1].map(clock)), true),
    ])
    .map_err(|error| Error::new(ErrorKind::Internal, "the columns of batches.parquet do not fit").source(error))
}

/// The ids of the requests by which events of each batch were accepted.
fn accepted_by(batches: &[BatchRecord]) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for batch in batches {
        lists.append_value(batch.accepted_by.iter().map(Some));
    }
    Arc::new(lists.finish())
}
