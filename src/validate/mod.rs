//! Judges a query before and while it runs: the plan against the contract (`plan`), and every row before it leaves the machine.
//!
//! Everything that can be wrong is one [`Rule`] in [`RULES`], with a stable code, the reason it matters and what to do;
//! a [`Violation`] is one fault of one row. Rules of the file are `PB1nnn`, of the plan `PB2nnn`; row rules that enforce
//! rule *Rn* of the Events API notes are `PB30nn`; `PB31nn` are row rules of postback itself, `PB32nn` rules of a result
//! as a whole. All faults of a row are recorded, not the first one only.
//!
//! What holds after a row was judged:
//! - a value that reaches the canonical batch is valid for its field, in the form the wire wants;
//! - a value is refused, dropped or repaired on record, never turned into NULL in silence; a number that is not finite
//!   or does not fit refuses its row;
//! - a required value that is bad refuses the row, an optional one is dropped with a warning, or refuses the row when
//!   [`Policy::reject_bad_optional`] says so; a rule that is a guess only warns;
//! - a [`Violation`] never holds the value it speaks of, only its [`shape`].
//!
//! [`coverage`] names for every rule of the notes who sees to it, [`examples`] shows how some rules are broken and kept.
//!
//! Nothing here does I/O, reads a clock or sends; repeated keys are found where keys are kept, in the ledger.

use std::borrow::Cow;
use std::sync::Arc;

use crate::contract::Citation;

mod across;
mod amounts;
mod canonical;
mod cells;
mod contents;
pub mod coverage;
mod decimals;
mod event_id;
pub mod examples;
mod faults;
pub mod forms;
mod identity;
mod instants;
mod known;
mod names;
mod number;
mod plain;
pub mod plan;
mod rows;
mod rules;
mod shape;
mod sources;
pub mod survey;
mod texts;
mod words;

pub use rows::{DIFFERING, FOLDED_ROWS, FoldValue, InvalidPhone, Judge, Judged, PROPERTY, Policy};
pub use rules::RULES;
pub use shape::shape;
pub use words::{counted, grouped, percent};

/// What a violation of a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The event is sent, and the finding is reported.
    Warn,
    /// The event, or the whole query for a plan rule, is refused.
    Reject,
}

impl Severity {
    /// The word for what it does to one event: `warn` or `reject`.
    #[must_use]
    pub const fn effect(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Reject => "reject",
        }
    }

    /// The word for what it does to a query: `warning` or `error`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warning",
            Self::Reject => "error",
        }
    }
}

/// Something that can be wrong with a query or a row.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Stable code, for example `PB3030`.
    pub code: &'static str,
    /// Readable name in kebab case.
    pub slug: &'static str,
    /// What a violation does where the value is required; a bad optional value may be dropped instead.
    pub severity: Severity,
    /// Why it matters, one sentence without a full stop.
    pub why: &'static str,
    /// What to do about it, one sentence without a full stop.
    pub fix: &'static str,
    /// Where the rule comes from.
    pub citation: Citation,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for Rule {}

/// The rule of exactly this code.
#[must_use]
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.binary_search_by(|rule| rule.code.cmp(code)).ok().map(|index| &RULES[index])
}

/// One fault of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Zero-based number of the row in the query's result.
    pub row: u64,
    /// Canonical name of the column, when the fault lies in one.
    pub column: Option<Arc<str>>,
    /// The rule that was violated.
    pub rule: &'static Rule,
    /// What it did to this row: [`Severity::Reject`] refused it, [`Severity::Warn`] let it pass.
    pub severity: Severity,
    /// What is wrong, a lowercase phrase that never contains the value.
    pub detail: Cow<'static, str>,
    /// The masked [`shape`] of the value; empty when there is no value to describe.
    pub shape: String,
}

#[cfg(test)]
mod tests;
