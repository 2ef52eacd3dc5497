//! postback: SQL files in, validated and hashed conversion events out.
//!
//! An analyst writes a `.sql` file, and every row of its result becomes one event that TikTok's Events API accepts
//! exactly once in effect. This page is the map: the line an event takes, the words we use, and who may use whom.
//!
//! # The line
//!
//! ```text
//! queries/store_purchases.sql
//!  │ query::file       text          → QueryFile      statements, settings, spans; policy: allow-list
//!  │ query             QueryFile     → Planned        sources recognised, DataFusion plans, parameters bound
//!  │ validate::plan    columns       → Checked        or every Diagnosis at once; nothing read, nothing sent
//!  │ query::conform    Checked       → conformed plan contract names and order; rows folded into contents
//!  │ run::sink         insert_into   → DataSinkExec(EventsSink)   visible in EXPLAIN, metered in EXPLAIN ANALYZE
//!  ▼ SendableRecordBatchStream
//!  │ run::stage        RecordBatch   → Staged         narrowed, judged (validate), encoded (encode): pure, on all cores
//!  │ run::intake       Staged        → Batch          repeats and conflicts found, account kept, ≤ limits, one destination
//!  │ delivery::protocol Batch        → Command        the Driver executes: ledger.prepare → Ticket, then api sends
//!  │ delivery::response raw response → Outcome per event    ┘ repeated as the protocol says, paced; may split the batch
//!  │ ledger            Ticket        → settled
//!  ▼ run::Tally   events = accepted + already accepted + rejected + out of window + held + unsent
//!  │ report            faults, batches, account → the run's folder: rejects.parquet, batches.parquet, run_results.json
//!  │ cli::render       account       → stdout data, stderr talk, exit code
//! ```
//!
//! A preflight, a dry run and `preview` take the same line up to `run::intake`, which counts instead of handing on.
//! `--sandbox` changes the base URL and nothing else: real HTTP over loopback. There is no second path.
//!
//! # Words
//!
//! | word | is |
//! |---|---|
//! | event source | `offline`, `web`, `app` or `crm`: where events happened |
//! | destination | event source and event source id: what one request can name |
//! | event key | 128-bit keyed name of (event source, event source id, canonical event name, event id) |
//! | canonical | the one form of a value that the wire takes |
//! | conformed | a plan or batch whose columns have contract names, in contract order |
//! | fault | what is wrong with an event: a violation, or what the API refused it for |
//! | finding, diagnosis | a problem of a query; the diagnosis knows its place in the file |
//! | violation | a fault of one row |
//! | reject | an event refused for what it contains, here or by the API |
//! | out of window | an event too old to be matched, or to be told from one sent before: skipped and counted |
//! | standing | what earlier runs left on record about an event |
//! | window | the time in which TikTok drops a copy of an event, and a repeat is safe |
//! | folded | rows beyond the first of an event, merged into it or equal to it |
//! | in doubt | possibly accepted, and safe to send again while TikTok drops a copy; counted as unsent |
//! | held | possibly accepted and not safe to repeat |
//! | unsent | not known to be accepted and safe to send again |
//!
//! # Edges
//!
//! Modules use those of the ranks before their own, and none of their own rank: [`RANKS`], enforced by a test.

pub mod api;
pub mod cli;
pub mod contract;
pub mod delivery;
pub mod encode;
pub mod error;
pub mod event;
pub mod functions;
pub mod ledger;
pub mod query;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod settings;
pub mod sources;
pub mod validate;

/// The modules by rank: each may use those of earlier ranks only.
pub const RANKS: &[&[&str]] = &[
    &["error"],
    &["contract"],
    &["settings", "event"],
    &["functions", "validate", "encode", "ledger", "sandbox", "sources"],
    &["query", "api"],
    &["delivery"],
    &["report"],
    &["run"],
    &["cli"],
];
