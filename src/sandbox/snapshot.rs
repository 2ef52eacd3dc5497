//! What arrived, in numbers: what the page shows, `/state.json` holds and tests ask for.

use serde::Serialize;

/// The sandbox at one moment. Every event that arrived is in exactly one of `unique`, `merged`, `dropped`, `refused`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// Where the sandbox listens, for example `http://127.0.0.1:40123`.
    pub base_url: String,
    /// Name of the profile it judges by.
    pub profile: &'static str,
    /// Requests to the event endpoint.
    pub requests: u64,
    /// Requests of which nothing was taken.
    pub refused_requests: u64,
    /// Events in all requests whose events could be counted.
    pub arrived: u64,
    /// Events that count.
    pub unique: u64,
    /// Repeats that came soon enough to be merged into the event they repeat.
    pub merged: u64,
    /// Repeats that were dropped.
    pub dropped: u64,
    /// Events that were not taken.
    pub refused: u64,
    /// Events taken per second, as a mean of the last five whole seconds.
    pub events_per_second: u64,
    /// The most events taken in one second.
    pub peak_events_per_second: u64,
    /// Events taken in each of the last sixty seconds, the current one last.
    pub activity: Vec<u64>,
    /// Counts by event name, most events first.
    pub by_event: Vec<EventCount>,
    /// The last requests, newest first.
    pub recent: Vec<RequestLine>,
    /// Distinct refusals, most frequent first.
    pub refusals: Vec<RefusalCount>,
    /// What was odd about accepted events, most frequent first.
    pub warnings: Vec<WarningCount>,
    /// What each rule of the fault script has done, in their order.
    pub faults: Vec<FaultCount>,
    /// The last repeats, newest first.
    pub duplicates: Vec<Duplicate>,
}

/// What arrived under one event name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EventCount {
    /// `event_source` of the requests.
    pub event_source: &'static str,
    /// `event` as sent.
    pub event: String,
    /// Events that count.
    pub unique: u64,
    /// Repeats that were merged.
    pub merged: u64,
    /// Repeats that were dropped.
    pub dropped: u64,
    /// Sum of `value` over the events that count, by currency.
    pub amounts: Vec<Amount>,
}

/// A sum of money.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Amount {
    /// `currency` as sent; empty when there was none.
    pub currency: String,
    /// The sum, as a double: for a look, not for the books.
    pub total: f64,
}

/// One request and the answer to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RequestLine {
    /// When it was answered, Unix seconds.
    pub at: i64,
    /// `event_source`, if the body was readable so far.
    pub event_source: String,
    /// `event_source_id`, if the body was readable so far.
    pub event_source_id: String,
    /// Whether the request carried a `test_event_code`.
    pub is_test: bool,
    /// Number of events.
    pub events: u64,
    /// Of these, how many were repeats.
    pub repeats: u64,
    /// `code` of the answer.
    pub code: i64,
    /// `message` of the answer.
    pub message: String,
    /// The fault it met, as scripts call it; empty without one. Code and message may then not have been sent.
    pub fault: &'static str,
    /// `request_id` of the answer.
    pub request_id: String,
    /// How long the answer took, in milliseconds.
    pub milliseconds: f64,
}

/// Refusals that differ only in the event they are about.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RefusalCount {
    /// `code` of the answers.
    pub code: i64,
    /// `message` of the answers, with `*` in place of the event's index.
    pub message: String,
    /// Number of requests.
    pub requests: u64,
}

/// Findings of one rule at one place in accepted events.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WarningCount {
    /// Number of the rule in the contract, as in R51.
    pub rule: u8,
    /// Path in the event or the envelope.
    pub path: String,
    /// What is odd.
    pub finding: &'static str,
    /// Number of findings.
    pub events: u64,
}

/// Requests that met one rule of the fault script.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FaultCount {
    /// Where the rule stands in the script.
    pub line: u64,
    /// What it does.
    pub fault: &'static str,
    /// When it does it, in words.
    pub when: String,
    /// Number of requests.
    pub requests: u64,
}

/// A repeat of an event.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Duplicate {
    /// When it arrived, Unix seconds.
    pub at: i64,
    /// `event_source_id` of its request.
    pub event_source_id: String,
    /// `event` as sent.
    pub event: String,
    /// `event_id` as sent.
    pub event_id: String,
    /// `merged` or `dropped`.
    pub outcome: &'static str,
    /// Paths that the first event lacked and this one filled in.
    pub filled: Vec<String>,
}
