//! What a run leaves behind, for whoever asks later what was sent, what was refused and why.
//!
//! Every run has a folder of its own, `<ledger>/runs/<run_id>`, and `<ledger>/runs/latest` leads to the one that ended
//! last, unless it was skipped: a symbolic link, or, where the file system has none, a file that holds the run's id. A run's id is the time of
//! its start in UTC and six random hex digits, so that ids sort by time.
//!
//! | file | is |
//! |---|---|
//! | `run_results.json` | the [`RunResults`], described by [`SCHEMA`]; `status` is `running` until the run has ended |
//! | `rejects.parquet` | one row for each fault of an event, for each event out of the window, and for each row of a source that could not be read, its columns below |
//! | `batches.parquet` | one row for each batch that was offered to the API |
//!
//! `rejects.parquet`
//!
//! | column | type | is |
//! |---|---|---|
//! | `reject` | int64 | number of the rejected event, the same on all its faults; NULL where the event was not refused |
//! | `row` | int64 | position in the query's result, from 1, as in the account; NULL for folded rows, whose position says nothing |
//! | `event_key` | text | 32 hex digits under the ledger's secret; NULL where the event has no valid identity |
//! | `event_id`, `order_id`, `event_source`, `event_source_id`, `event` | text | what is valid of its identity |
//! | `column` | text | canonical name of the column at fault, NULL where it is not in one |
//! | `code`, `slug` | text | the rule; NULL where the API refused the event |
//! | `severity` | text | `reject`: refused the event; `warn`: let it pass; `skip`: the event is out of the window, and `code` says why |
//! | `message` | text | what is wrong |
//! | `shape` | text | masked shape of the value, NULL where there is none |
//! | `origin` | text | `postback`, `api`, or `source`: a row of a source that could not be read, and is no event |
//! | `api_code`, `request_id` | int64, text | of the API's answer |
//! | `file`, `line` | text, int64 | where a row that could not be read begins; its `reject` and `row` are NULL |
//! | `object` | int64 | which JSON object of that line it is, from 1; NULL for the first |
//!
//! A position is that of one reading. Sources that are read in parallel, such as a large Parquet file or a join, yield
//! their rows in another order each time, unless the query has an ORDER BY: `row` then differs between runs, and from
//! the preflight's in what the API refused. `order_id`, `event_id` and `event_key` do not.
//!
//! `batches.parquet`
//!
//! | column | type | is |
//! |---|---|---|
//! | `batch` | int64 | number, from 1 |
//! | `event_source`, `event_source_id` | text | the destination |
//! | `events`, `accepted`, `rejected`, `held`, `unsent` | int64 | events, and what became of them |
//! | `requests`, `bytes` | int64 | requests of which a byte may have left, and the length of their bodies |
//! | `code`, `http_status`, `request_id` | int64, int64, text | of the last answer |
//! | `accepted_by` | list of text | `request_id` of each answer that accepted all events of its request |
//! | `first_event`, `last_event`, `started`, `ended` | timestamp (µs, UTC) | times of the events; of the first request and the last answer |
//!
//! Invariants
//! - **Whole or absent**: a file appears under its name when it is complete; a process that is killed leaves
//!   `run_results.json` with the status `running`, and no Parquet file.
//! - **Found early**: a folder that cannot be written is known before anything is sent.
//! - **Exact**: the distinct numbers in `reject` are as many as the account's rejected events, the rows that `skip` as
//!   many as those out of window, unless a later row contradicts such an event, which makes rejects of both; the sums
//!   over `batches.parquet` are the account's and the delivery's.
//! - **Private**: folders 0700, files 0600, a `.gitignore` in the ledger's folder; no value of a row but identifiers of
//!   events and orders, and of those that look like personal data their shape.
//! - **Bounded**: faults are written while rows are read, by a thread that may wait for the disk.
//!
//! Nothing here judges, counts or sends.

mod batches;
mod folder;
mod parquet;
mod past;
mod recorder;
mod recording;
mod rejects;
mod results;

pub use batches::BatchRecord;
pub use folder::RunFolder;
pub use past::{EarlierRun, PastRun};
pub use recorder::{Entry, Recorder};
pub use recording::{Ending, Recording, Subject};
pub use rejects::{Faults, FaultyEvent, Skip, UnreadSourceRow};
pub use results::{
    Account, Counts, Delivery, Fault, Mode, Refusal, RunResults, SourceRow, Status, UnreadFile, UnreadMembers,
    UnreadRows,
};

/// The JSON Schema (draft 2020-12) of `run_results.json`.
pub const SCHEMA: &str = include_str!("run_results.schema.json");
