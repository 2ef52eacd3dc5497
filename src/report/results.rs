//! `run_results.json`: one document about a run, which `--format json` prints too.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::query::Diagnosis;
use crate::sources::SourceReport;
use crate::validate::Rule;
use crate::validate::survey::Readiness;

/// Name of the document.
const NAME: &str = "postback.run_results";
/// Rises when a reader of the document would have to change.
const VERSION: u32 = 1;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It goes on, or its process was killed.
    Running,
    /// It ended as asked.
    Succeeded,
    /// It did not take place, as nothing had changed since one that succeeded.
    Skipped,
    /// Something kept it from that.
    Failed,
    /// A signal ended it.
    Interrupted,
}

/// Where a run sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// To an API beyond this machine.
    Live,
    /// To a server on this machine that was named by its URL.
    Loopback,
    /// To an API, as test events.
    Test,
    /// To the embedded sandbox.
    Sandbox,
    /// Nowhere.
    DryRun,
}

/// The document.
#[derive(Clone, Debug, Serialize)]
pub struct RunResults {
    pub(super) schema: &'static str,
    pub(super) version: u32,
    pub(super) run_id: String,
    /// The run's folder.
    pub(super) folder: String,
    /// Version of postback.
    pub(super) postback: &'static str,
    pub(super) query: String,
    pub(super) query_sha256: String,
    /// Names of the parameters; their values may be personal.
    pub(super) parameters: Vec<String>,
    pub(super) mode: Mode,
    pub(super) destination: Option<String>,
    pub(super) status: Status,
    pub(super) exit_code: Option<u8>,
    pub(super) error: Option<Failure>,
    pub(super) started: String,
    pub(super) finished: Option<String>,
    /// What was recognised of the sources; empty where the query was refused.
    pub(super) sources: Vec<SourceReport>,
    /// Digest of all that decides what is sent; none where that is not known.
    pub(super) fingerprint: Option<String>,
    #[serde(flatten)]
    pub(super) account: Option<Account>,
    pub(super) peak_memory_bytes: Option<u64>,
    pub(super) diagnoses: Vec<Value>,
    pub(super) settings: BTreeMap<&'static str, SettingValue>,
}

impl RunResults {
    pub(super) const NAME: &str = NAME;
    pub(super) const VERSION: u32 = VERSION;
}

/// What ended a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failure {
    kind: &'static str,
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        Self {
            kind: error.kind().as_str(),
            message: error.message().to_owned(),
            hint: error.hint_text().map(str::to_owned),
        }
    }
}

/// A setting of the run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SettingValue {
    pub(super) value: String,
    pub(super) origin: String,
}

/// Where every row and event is, and why. Absent where the run ended before it had read its rows.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// The places.
    #[serde(flatten)]
    pub counts: Counts,
    /// Seconds of reading and sending.
    pub seconds: f64,
    /// What delivery did, if there was one.
    #[serde(flatten)]
    pub delivery: Option<Delivery>,
    /// Of those out of window: so old that the ledger may have forgotten whether they were accepted.
    pub forgotten: u64,
    /// Of those out of window: so old that they may count beside what a browser's pixel sent.
    pub overlapping: u64,
    /// Events that earlier runs of the query left in doubt or held, and that it does not yield any more.
    pub unresolved: u64,
    /// Rows of the sources that could not be read, and so are none of `rows`.
    pub unread_rows: u64,
    /// Those rows by what is wrong with them.
    pub unread: Vec<UnreadRows>,
    /// Files that were left out as a whole.
    pub unread_files: Vec<UnreadFile>,
    /// Members of JSON objects that were not read, as the first rows do not have them.
    pub unread_members: Vec<UnreadMembers>,
    /// Faults by rule and column, those that rejected first.
    pub faults: Vec<Fault>,
    /// Refusals by the API, by code and field.
    pub refusals: Vec<Refusal>,
    /// An estimate of coverage, where the rows were read to their end.
    pub readiness: Option<Readiness>,
}

/// Rows, events, and the place of every event: the counts of the account in its order.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "the places of `run::Tally`, described there")]
pub struct Counts {
    pub rows: u64,
    pub folded: u64,
    pub events: u64,
    pub accepted: u64,
    pub already_accepted: u64,
    pub rejected: u64,
    pub out_of_window: u64,
    pub held: u64,
    pub unsent: u64,
}

/// What a delivery did.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// Requests of which a byte may have left.
    pub requests: u64,
    /// Requests that repeated events sent before.
    pub retries: u64,
    /// Requests that were throttled.
    pub throttles: u64,
    /// Seconds in which nothing was sent because of throttling.
    pub throttled_seconds: f64,
    /// Bytes of all request bodies.
    pub bytes_sent: u64,
    /// How often each code other than 0 was answered.
    pub codes: BTreeMap<i64, u64>,
}

/// How often a rule was broken in a column.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// The rule's code.
    pub code: &'static str,
    /// The rule's name.
    pub slug: &'static str,
    /// `reject` or `warn`.
    pub severity: &'static str,
    /// The column, where the fault lies in one.
    pub column: Option<String>,
    /// What one of the violations says.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
    /// Events with the fault.
    pub events: u64,
    /// Numbers of the first rows, from 1; none where rows were folded.
    pub rows: Vec<u64>,
}

/// Rows of sources that could not be read for one reason.
#[derive(Clone, Debug, Serialize)]
pub struct UnreadRows {
    /// The rule's code.
    pub code: &'static str,
    /// The rule's name.
    pub slug: &'static str,
    /// What is wrong with the first.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
    /// How many.
    pub rows: u64,
    /// Places of the first.
    pub examples: Vec<SourceRow>,
}

/// A row of a source.
#[derive(Clone, Debug, Serialize)]
pub struct SourceRow {
    /// Its file.
    pub file: String,
    /// The line in which it begins, from 1.
    pub line: u64,
    /// Which object of that line it is, from 1, where it is not the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<u64>,
}

/// Members of the JSON objects of a file that were not read.
#[derive(Clone, Debug, Serialize)]
pub struct UnreadMembers {
    /// The file.
    pub file: String,
    /// Where they stand in its objects.
    pub members: Vec<String>,
}

/// A file that was left out as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct UnreadFile {
    /// The file.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Why.
    pub message: String,
}

/// Events that the API refused for one reason.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    /// `code` of the response.
    pub code: i64,
    /// What the API means by it.
    pub message: &'static str,
    /// Path of the field that it named.
    pub field: Option<&'static str>,
    /// How many events.
    pub events: u64,
    /// How many of them were refused in an earlier run, and not offered again.
    pub earlier: u64,
    /// `request_id` of the first.
    pub request_id: Option<String>,
    /// Numbers of the first rows, from 1; none where rows were folded.
    pub rows: Vec<u64>,
}

/// A diagnosis as JSON.
pub(super) fn diagnosis(diagnosis: &Diagnosis) -> Value {
    let Rule { code, slug, why, .. } = diagnosis.rule;
    let location = diagnosis.location.as_ref().map(|location| {
        serde_json::json!({
            "path": location.path,
            "line": location.line,
            "column": location.column,
            "width": location.width,
        })
    });
    serde_json::json!({
        "code": code,
        "slug": slug,
        "severity": diagnosis.severity.as_str(),
        "message": diagnosis.message,
        "why": why,
        "help": diagnosis.help,
        "location": location,
    })
}
