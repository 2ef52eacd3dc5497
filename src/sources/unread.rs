//! Rows and files that no reader could make sense of: each is counted once, however often its file is read.
//!
//! A plan may read a file several times: for the preflight, for the delivery, for both sides of a join. A row is known
//! by its file and line, so that the count does not depend on the plan.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roaring::RoaringTreemap;

/// Unread rows of which the place and the reason are kept.
const EXAMPLES: usize = 1_000;

/// What was left out while reading.
#[derive(Debug, Default)]
pub struct Unread {
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    lines: BTreeMap<Arc<str>, RoaringTreemap>,
    examples: Vec<UnreadRow>,
    files: BTreeMap<Arc<str>, String>,
}

/// A row of a source that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadRow {
    /// The file, as messages name it.
    pub file: Arc<str>,
    /// The line in which it begins, from 1.
    pub line: u64,
    /// Why.
    pub damage: Damage,
    /// Bytes or fields that were found, in words; never a value.
    pub detail: String,
}

/// A row that cannot be read, in the file that is being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The line in which it begins, from 1.
    pub(super) line: u64,
    /// Why.
    pub(super) damage: Damage,
    /// Bytes or fields that were found, in words; never a value.
    pub(super) detail: Cow<'static, str>,
}

/// What is wrong with a row that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Damage {
    /// It has fewer or more fields than the header.
    Ragged,
    /// A quote opens or closes where none may.
    Quote,
    /// Bytes that are no text in the file's encoding.
    Encoding,
    /// A NUL byte.
    Nul,
    /// A field or the row is longer than is read.
    TooLong,
    /// It is no well-formed JSON object.
    Json,
    /// A value does not fit the type of its column.
    Type,
}

impl Damage {
    /// Every kind.
    pub const ALL: &[Self] =
        &[Self::Ragged, Self::Quote, Self::Encoding, Self::Nul, Self::TooLong, Self::Json, Self::Type];
}

impl Unread {
    /// Notes a row, unless it is noted.
    pub(super) fn row(&self, row: UnreadRow) {
        let mut log = self.log();
        if log.lines.entry(Arc::clone(&row.file)).or_default().insert(row.line) && log.examples.len() < EXAMPLES {
            log.examples.push(row);
        }
    }

    /// Notes a row of `file`, unless it is noted.
    pub(super) fn fault(&self, file: &str, fault: Fault) {
        let Fault { line, damage, detail } = fault;
        self.row(UnreadRow { file: file.into(), line, damage, detail: detail.into_owned() });
    }

    /// Notes a file that is left out as a whole, and why.
    pub(super) fn file(&self, file: &str, reason: String) {
        self.log().files.entry(file.into()).or_insert(reason);
    }

    /// Rows that were left out.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.log().lines.values().map(RoaringTreemap::len).sum()
    }

    /// The first of them, by file and line.
    #[must_use]
    pub fn examples(&self) -> Vec<UnreadRow> {
        let mut examples = self.log().examples.clone();
        examples.sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
        examples
    }

    /// Files that were left out, each with the reason.
    #[must_use]
    pub fn files(&self) -> Vec<(Arc<str>, String)> {
        self.log().files.iter().map(|(file, reason)| (Arc::clone(file), reason.clone())).collect()
    }

    /// The log, also where a reader died while it held it: counts stay true.
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(file: &str, line: u64) -> UnreadRow {
        UnreadRow { file: file.into(), line, damage: Damage::Ragged, detail: "3 fields, not 2".into() }
    }

    #[test]
    fn a_row_counts_once_however_often_it_is_read() {
        let unread = Unread::default();
        for (file, line) in [("b", 9), ("a", 7), ("b", 9), ("a", 2), ("a", 7)] {
            unread.row(row(file, line));
        }
        assert_eq!(unread.rows(), 3);
        assert_eq!(unread.examples(), [row("a", 2), row("a", 7), row("b", 9)]);
        unread.file("c", "cut off".into());
        unread.file("c", "later".into());
        assert_eq!(unread.files(), [("c".into(), "cut off".to_owned())]);
    }
}
