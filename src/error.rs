//! One error type: kind × message × context × hint × source. The kind decides the exit code, in one table.

use std::error::Error as StdError;
use std::{fmt, io};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller or a scheduler has to tell cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Rejects over the threshold, or an account that does not balance.
    Rejects,
    /// A source that is not what it was when the run began.
    SourceChanged,
    /// A command line, setting, environment variable or parameter that cannot be used.
    Usage,
    /// SQL that does not parse or plan, or a statement that is not allowed.
    Sql,
    /// A query whose result cannot become events.
    Contract,
    /// A missing or refused token, or a missing permission.
    Credentials,
    /// Not everything could be delivered; running again continues.
    Incomplete,
    /// A source that is unreadable or empty.
    Source,
    /// A source that is not there.
    SourceMissing,
    /// A source that its store does not give now: it is out of reach, overloaded or too slow.
    SourceUnreachable,
    /// A source that cannot be had in this way, now or later: who asks may not read it, or what is asked makes no sense.
    SourceRefused,
    /// Another run holds the ledger.
    Locked,
    /// Events that need a person's decision.
    Held,
    /// A defect of postback.
    Internal,
    /// Stopped by SIGINT.
    Interrupted,
    /// Stopped by SIGTERM or SIGHUP.
    Terminated,
}

/// (kind, exit code, what the code means): the table behind every exit of the binary.
pub const EXIT_CODES: &[(ErrorKind, u8, &str)] = &[
    (
        ErrorKind::Rejects,
        1,
        "data: rejects over the threshold, a source that changed during the run, or unbalanced account",
    ),
    (
        ErrorKind::SourceChanged,
        1,
        "data: rejects over the threshold, a source that changed during the run, or unbalanced account",
    ),
    (ErrorKind::Usage, 2, "usage, config, SQL or contract"),
    (ErrorKind::Sql, 2, "usage, config, SQL or contract"),
    (ErrorKind::Contract, 2, "usage, config, SQL or contract"),
    (ErrorKind::Credentials, 3, "credentials or permission"),
    (ErrorKind::Incomplete, 4, "delivery incomplete, resumable by running again"),
    (ErrorKind::Source, 5, "source missing, unreadable or empty"),
    (ErrorKind::SourceMissing, 5, "source missing, unreadable or empty"),
    (ErrorKind::SourceUnreachable, 5, "source missing, unreadable or empty"),
    (ErrorKind::SourceRefused, 5, "source missing, unreadable or empty"),
    (ErrorKind::Locked, 6, "another run holds the ledger"),
    (ErrorKind::Held, 7, "held events need a decision"),
    (ErrorKind::Internal, 70, "internal error"),
    (ErrorKind::Interrupted, 130, "SIGINT"),
    (ErrorKind::Terminated, 143, "SIGTERM or SIGHUP"),
];

impl ErrorKind {
    /// The kind's name in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejects => "rejects",
            Self::SourceChanged => "source_changed",
            Self::Usage => "usage",
            Self::Sql => "sql",
            Self::Contract => "contract",
            Self::Credentials => "credentials",
            Self::Incomplete => "incomplete",
            Self::Source => "source",
            Self::SourceMissing => "source_missing",
            Self::SourceUnreachable => "source_unreachable",
            Self::SourceRefused => "source_refused",
            Self::Locked => "locked",
            Self::Held => "held",
            Self::Internal => "internal",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }

    /// Whether a source could not be had or read.
    #[must_use]
    pub const fn is_of_source(self) -> bool {
        matches!(self, Self::Source | Self::SourceMissing | Self::SourceUnreachable | Self::SourceRefused)
    }

    /// The process's exit code for this kind.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        EXIT_CODES.iter().find(|(kind, ..)| *kind == self).map_or(70, |(_, code, _)| *code)
    }
}

/// An error with everything a user needs to act on it.
///
/// Messages are lowercase phrases without a full stop, user text in backticks, never a personal value or a secret.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    code: Option<&'static str>,
    location: Option<Box<Location>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// A place in a query file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file's path as the user gave it.
    pub path: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// Characters to underline, at least 1.
    pub width: u64,
    /// The whole line.
    pub text: String,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            context: Vec::new(),
            hint: None,
            code: None,
            location: None,
            source: None,
        }
    }

    /// Adds a fact about where it happened, such as `("file", path)`.
    #[must_use]
    pub fn context(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((name, value.to_string()));
        self
    }

    /// Says what the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the rule that is broken, by its code.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// Points into a query file.
    #[must_use]
    pub fn at(mut self, location: Option<Location>) -> Self {
        self.location = location.map(Box::new);
        self
    }

    /// Keeps the error underneath.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error once more, for a second reader of a shared failure. Of what lies underneath it has the words.
    #[must_use]
    pub fn restated(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.message.clone(),
            context: self.context.clone(),
            hint: self.hint.clone(),
            code: self.code,
            location: self.location.clone(),
            source: self.source.as_ref().map(|source| source.to_string().into()),
        }
    }

    /// The first of ours at or beneath an error of a library.
    #[must_use]
    pub fn beneath<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut source = Some(error);
        while let Some(error) = source {
            if let Some(ours) = error.downcast_ref::<Self>() {
                return Some(ours);
            }
            // An io::Error's source skips the error that it wraps.
            source = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
                None => error.source(),
            };
        }
        None
    }

    /// What went wrong, for callers that have to tell cases apart.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message without context, hint and sources.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Facts about where it happened.
    #[must_use]
    pub fn contexts(&self) -> &[(&'static str, String)] {
        &self.context
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The code of the rule that is broken, where one is.
    #[must_use]
    pub fn rule_code(&self) -> Option<&'static str> {
        self.code
    }

    /// The place in a query file the error is about.
    #[must_use]
    pub fn location(&self) -> Option<&Location> {
        self.location.as_deref()
    }

    /// The process's exit code for this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.kind.exit_code()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_row_and_no_kind_exits_zero() {
        for (kind, code, _) in EXIT_CODES {
            assert_eq!(EXIT_CODES.iter().filter(|(other, ..)| other == kind).count(), 1);
            assert_eq!(kind.exit_code(), *code);
            assert_ne!(*code, 0);
        }
    }

    #[test]
    fn display_is_the_message_alone_and_the_source_is_kept() {
        let error = Error::new(ErrorKind::Source, "no such file").context("file", "a.csv").source("disk on fire");
        assert_eq!(error.to_string(), "no such file");
        assert_eq!(StdError::source(&error).map(ToString::to_string).as_deref(), Some("disk on fire"));
        assert_eq!(error.exit_code(), 5);
    }
}
