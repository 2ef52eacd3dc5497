//! A problem of a query, with its place in the file.

use std::error::Error as _;

use super::refusal::masked;
use crate::error::{Error, ErrorKind, Location};
use crate::validate::{Rule, Severity, rule};

/// One problem of a query, with its place in the file.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The rule that is broken.
    pub rule: &'static Rule,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// Where, if it has a place in the file.
    pub location: Option<Location>,
    /// Whether the query cannot be run.
    pub severity: Severity,
    /// What the problem is for the exit code.
    pub kind: ErrorKind,
}

impl Diagnosis {
    /// Whether the query cannot be run.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Reject
    }

    /// A query file that cannot be read at all: `error` says why.
    pub(super) fn unreadable(error: Error) -> Self {
        let rule = rule("PB1002").expect("the rules of the file are rows of RULES");
        let help = error.hint_text().unwrap_or(rule.fix).to_owned();
        Self { rule, help, ..Self::from(error) }
    }
}

impl From<Error> for Diagnosis {
    fn from(error: Error) -> Self {
        let code = match (error.rule_code(), error.kind()) {
            (Some(code), _) => code,
            (None, ErrorKind::Usage) => "PB1001",
            (None, kind) if kind.is_of_source() => "PB1003",
            (None, _) => "PB1002",
        };
        let rule = rule(code).expect("the rules of the file are rows of RULES");
        Self {
            rule,
            message: told(&error),
            help: error.hint_text().unwrap_or(rule.fix).to_owned(),
            location: error.location().cloned(),
            severity: Severity::Reject,
            kind: error.kind(),
        }
    }
}

/// The message with its facts, and with its cause where no place in the file tells it.
fn told(error: &Error) -> String {
    let mut told = error.message().to_owned();
    for (name, value) in error.contexts() {
        told = format!("{told} ({name}: {value})");
    }
    if let Some(cause) = error.source().filter(|_| error.location().is_none()) {
        let cause = cause.to_string();
        let cause = cause.lines().next().unwrap_or_default();
        // What a reader says of a file may quote it.
        let cause = if error.kind().is_of_source() { masked(cause) } else { cause.to_owned() };
        if !cause.is_empty() && !told.to_lowercase().contains(&cause.to_lowercase()) {
            told = format!("{told}: {cause}");
        }
    }
    told
}
