//! Faults on order: a script says which requests go wrong and how, so that a sender can be seen to survive it.
//!
//! A script is a TOML file of `[[fault]]` rules. Requests to the event endpoint are numbered from 1 as they arrive,
//! beginning anew with every script; the first rule that fits a request decides what becomes of it. A request that no
//! rule fits is judged and answered as ever. What there is to write is in [`table`], and nowhere else.
//!
//! ```toml
//! [[fault]]
//! on = "3..5"            # the third, fourth and fifth request
//! does = "reset"         # lose the connection instead of an answer,
//! taken = true           # although the events were counted
//!
//! [[fault]]
//! event_id = "order-7*"  # every request with such an event
//! does = "poison"        # is refused as a whole
//! ```
//!
//! Invariants:
//! - The same script, seed and order of requests give the same faults.
//! - `taken` says whether the events of the request count. An answer that says that nothing was accepted cannot take
//!   them: such a server would lie, and no sender can be right against it.
//! - Faults below HTTP are made by the connection itself; see [`wire`].

use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use self::answer::{Given, perform};
pub use self::script::Script;
pub use self::table::{help, markdown};
use super::envelope::Envelope;
use super::snapshot::FaultCount;

mod answer;
pub(crate) mod endpoint;
mod script;
mod select;
mod table;
pub(crate) mod wire;

/// One rule of a script.
#[derive(Clone, Debug, PartialEq)]
struct Rule {
    /// Where it stands in the script.
    line: u64,
    fault: &'static str,
    when: select::When,
    effect: Effect,
    taken: bool,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    Refuse(Duration),
    Reset,
    Close,
    Half,
    ShortLength,
    LongHead,
    Slow(Duration),
    Trickle(Duration),
    Never,
    Skew(i64),
    Page { status: u16, retry: Option<RetryAfter> },
    Redirect { status: u16, to: Option<String> },
    Code { code: i64, message: String, status: u16, retry: Option<RetryAfter> },
    Poison { code: i64, names: Names, field: String, status: u16 },
    Partial { names: Names, field: String, says: Says },
    Garbled { shape: answer::Shape, status: u16 },
}

/// A `Retry-After` header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RetryAfter {
    /// As a number of seconds.
    Seconds(u64),
    /// As the date so many seconds from now.
    Date(u64),
}

/// What an answer says about the event at fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Names {
    /// Its position.
    Right,
    /// The next position, as by a server that counts from one.
    Wrong,
    /// A position beyond the request.
    Beyond,
    /// Nothing.
    Nothing,
}

/// How an answer says that some events were not taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Says {
    /// By the code 20001, with a list of `errors`.
    Code,
    /// By the code 0 with `partial_failure` and a list of `failed_events`, as other endpoints of the API.
    FailedEvents,
    /// By the code 0 with a list of `failed_rows`.
    FailedRows,
    /// By the code 0 with `partial_failure` and no list.
    Flag,
}

/// A fault that a request has met.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) fault: &'static str,
    pub(crate) effect: Effect,
    /// Whether the events of the request count.
    pub(crate) taken: bool,
    /// Positions of the events the rule is about, ascending; empty if it is about requests.
    pub(crate) events: Vec<usize>,
}

impl Hit {
    /// Code and message the answer has instead of those of the verdict, for a request of `events` events.
    pub(crate) fn claims(&self, events: usize) -> Option<(i64, String)> {
        match &self.effect {
            Effect::Code { code, message, .. } => Some((*code, message.clone())),
            Effect::Poison { code, names, field, .. } => {
                let first = self.events.first().copied().unwrap_or_default();
                let position = match names {
                    Names::Right => first,
                    Names::Wrong => (first + 1) % events.max(1),
                    Names::Beyond => first + events,
                    Names::Nothing => return Some((*code, "Invalid value.".to_owned())),
                };
                Some((*code, format!("Invalid value for data.{position}.{field}: not a valid value.")))
            }
            _ => None,
        }
    }

    /// Whether the events the rule is about are left out, and all others are taken.
    pub(crate) fn is_partial(&self) -> bool {
        matches!(self.effect, Effect::Partial { .. })
    }
}

/// The script in force, and what it has done so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    script: Script,
    /// Requests since the script is in force.
    requests: u64,
    /// Requests that met each rule.
    hits: Vec<u64>,
}

impl Faults {
    pub(crate) fn new(script: Script) -> Self {
        let faults = Self::default();
        faults.set(script);
        faults
    }

    /// Puts `script` in force and counts anew.
    pub(crate) fn set(&self, script: Script) {
        let hits = vec![0; script.rules.len()];
        *self.state() = State { script, requests: 0, hits };
    }

    /// The text of the script in force, with a comment on what it has done.
    pub(crate) fn text(&self) -> String {
        let state = self.state();
        let mut text = format!("# {} requests since this script is in force\n", state.requests);
        for (rule, hits) in state.script.rules.iter().zip(&state.hits) {
            writeln!(text, "# line {}, {} {}: {hits}", rule.line, rule.fault, rule.when).expect("a text takes text");
        }
        text + &state.script.text
    }

    /// What each rule has done, in their order.
    pub(crate) fn counts(&self) -> Vec<FaultCount> {
        let state = self.state();
        let count = |(rule, requests): (&Rule, &u64)| FaultCount {
            line: rule.line,
            fault: rule.fault,
            when: rule.when.to_string(),
            requests: *requests,
        };
        state.script.rules.iter().zip(&state.hits).map(count).collect()
    }

    /// Numbers a request and finds the fault it meets. `is_reused` tells that its connection carried one before.
    pub(crate) fn meet(&self, envelope: Option<&Envelope<'_>>, is_reused: bool) -> Option<Hit> {
        let mut state = self.state();
        state.requests += 1;
        let State { script, requests, hits } = &mut *state;
        for (index, (rule, hits)) in script.rules.iter().zip(hits).enumerate() {
            let request = select::Request { number: *requests, hits: *hits, seed: script.seed, is_reused };
            if !rule.when.fits(request, index as u64) {
                continue;
            }
            let events = match &rule.when.events {
                Some(pattern) => envelope.map(|envelope| pattern.positions(envelope)).unwrap_or_default(),
                None => Vec::new(),
            };
            if rule.when.events.is_some() && events.is_empty() {
                continue;
            }
            *hits += 1;
            return Some(Hit { fault: rule.fault, effect: rule.effect.clone(), taken: rule.taken, events });
        }
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A script and its counts stay usable when a thread that held them has panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
