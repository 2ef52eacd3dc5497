//! Rows and files that no reader could make sense of: each is counted once, however often its file is read.
//!
//! A plan may read a file several times: for the preflight, for the delivery, for both sides of a join. A row is known
//! by its file and its spot there, so that the count does not depend on the plan.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roaring::RoaringTreemap;

/// Unread rows of which the place and the reason are kept.
const EXAMPLES: usize = 1_000;

/// Members of objects that are kept by name, per file.
const MEMBERS: usize = 20;

/// What was left out while reading.
#[derive(Debug, Default)]
pub struct Unread {
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    spots: BTreeMap<Arc<str>, BTreeMap<Damage, Spots>>,
    /// How many spots these are.
    rows: u64,
    /// The first of them, by file and spot: the same whoever reads first.
    examples: BTreeMap<(Arc<str>, Spot), UnreadRow>,
    files: BTreeMap<Arc<str>, UnreadFile>,
    /// Paths of members, by file.
    members: BTreeMap<Arc<str>, BTreeSet<String>>,
}

/// Where in its file a row begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The line, from 1; the row where the file has no lines.
    pub line: u64,
    /// Which object of that line it is, from 0: a JSON array may stand on a single one. Other rows have theirs alone.
    pub object: u64,
}

/// Places in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spots {
    /// Lines whose first row is meant.
    first: RoaringTreemap,
    /// By line, the objects behind the first.
    further: BTreeMap<u64, RoaringTreemap>,
}

/// A file that was left out as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadFile {
    /// The file, as messages name it.
    pub file: Arc<str>,
    /// Its size.
    pub bytes: u64,
    /// Why; never a value.
    pub reason: String,
}

/// A row of a source that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadRow {
    /// The file, as messages name it.
    pub file: Arc<str>,
    /// Where it begins.
    pub spot: Spot,
    /// Why.
    pub damage: Damage,
    /// Bytes or fields that were found, in words; never a value.
    pub detail: String,
}

/// A row that cannot be read, in the file that is being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Where it begins.
    pub(super) spot: Spot,
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
    /// Its values may stand in the wrong columns.
    Shifted,
    /// Bytes of a file that has no lines, in the place of text.
    Bytes,
    /// As many of them as a digest has.
    Digest,
}

impl Damage {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Ragged,
        Self::Quote,
        Self::Encoding,
        Self::Nul,
        Self::TooLong,
        Self::Json,
        Self::Type,
        Self::Shifted,
        Self::Bytes,
        Self::Digest,
    ];

    /// What is counted to find the row: files that have no lines have rows.
    #[must_use]
    pub fn place(self) -> &'static str {
        if matches!(self, Self::Bytes | Self::Digest) { "row" } else { "line" }
    }
}

impl Spot {
    /// The row that has `line` for itself.
    pub(super) fn line(line: u64) -> Self {
        Self { line, object: 0 }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line)?;
        if self.object > 0 { write!(f, " (object {})", self.object + 1) } else { Ok(()) }
    }
}

impl Spots {
    fn contains(&self, Spot { line, object }: Spot) -> bool {
        match object {
            0 => self.first.contains(line),
            object => self.further.get(&line).is_some_and(|objects| objects.contains(object)),
        }
    }

    fn insert(&mut self, Spot { line, object }: Spot) {
        match object {
            0 => self.first.insert(line),
            object => self.further.entry(line).or_default().insert(object),
        };
    }

    /// How many they are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is one at least")]
    pub fn len(&self) -> u64 {
        self.first.len() + self.further.values().map(RoaringTreemap::len).sum::<u64>()
    }

    /// Each of them: first those that begin a line, then the others.
    pub fn iter(&self) -> impl Iterator<Item = Spot> {
        let further =
            self.further.iter().flat_map(|(line, objects)| objects.iter().map(|object| Spot { line: *line, object }));
        self.first.iter().map(Spot::line).chain(further)
    }
}

impl Unread {
    /// Notes a row, unless it is noted.
    pub(super) fn row(&self, row: UnreadRow) {
        let mut log = self.log();
        let spots = log.spots.entry(Arc::clone(&row.file)).or_default();
        if spots.values().any(|spots| spots.contains(row.spot)) {
            return;
        }
        spots.entry(row.damage).or_default().insert(row.spot);
        log.rows += 1;
        log.examples.insert((Arc::clone(&row.file), row.spot), row);
        if log.examples.len() > EXAMPLES {
            log.examples.pop_last();
        }
    }

    /// Notes a row of `file`, unless it is noted.
    pub(super) fn fault(&self, file: &str, fault: Fault) {
        let Fault { spot, damage, detail } = fault;
        self.row(UnreadRow { file: file.into(), spot, damage, detail: detail.into_owned() });
    }

    /// Notes a file that is left out as a whole, and why.
    pub(super) fn file(&self, file: &str, bytes: u64, reason: String) {
        let file: Arc<str> = file.into();
        let left_out = UnreadFile { file: Arc::clone(&file), bytes, reason };
        self.log().files.entry(file).or_insert(left_out);
    }

    /// Notes that the columns of the table have no place for the members `paths` of objects of `file`.
    pub(super) fn members(&self, file: &str, paths: BTreeSet<String>) {
        if !paths.is_empty() {
            let mut log = self.log();
            let known = log.members.entry(file.into()).or_default();
            known.extend(paths);
            while known.len() > MEMBERS {
                known.pop_last();
            }
        }
    }

    /// Members of objects that were not read, by file: the first rows, which tell the columns, do not have them.
    #[must_use]
    pub fn unread_members(&self) -> Vec<(Arc<str>, Vec<String>)> {
        let log = self.log();
        log.members.iter().map(|(file, paths)| (Arc::clone(file), paths.iter().cloned().collect())).collect()
    }

    /// Rows that were left out.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.log().rows
    }

    /// Where all of them begin, by file and damage.
    #[must_use]
    pub fn spots(&self) -> Vec<(Arc<str>, Damage, Spots)> {
        let log = self.log();
        let of_file = |(file, spots): (&Arc<str>, &BTreeMap<Damage, Spots>)| {
            spots.iter().map(|(damage, spots)| (Arc::clone(file), *damage, spots.clone())).collect::<Vec<_>>()
        };
        log.spots.iter().flat_map(of_file).collect()
    }

    /// The first of them, by file and spot.
    #[must_use]
    pub fn examples(&self) -> Vec<UnreadRow> {
        self.log().examples.values().cloned().collect()
    }

    /// Files that were left out, each with the reason.
    #[must_use]
    pub fn files(&self) -> Vec<UnreadFile> {
        self.log().files.values().cloned().collect()
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
        UnreadRow {
            file: file.into(),
            spot: Spot::line(line),
            damage: Damage::Ragged,
            detail: "3 fields, not 2".into(),
        }
    }

    #[test]
    fn a_row_counts_once_however_often_it_is_read() {
        let unread = Unread::default();
        for (file, line) in [("b", 9), ("a", 7), ("b", 9), ("a", 2), ("a", 7)] {
            unread.row(row(file, line));
        }
        assert_eq!(unread.rows(), 3);
        assert_eq!(unread.examples(), [row("a", 2), row("a", 7), row("b", 9)]);
        unread.row(UnreadRow { damage: Damage::Type, ..row("b", 9) });
        let counts = || -> Vec<_> { unread.spots().into_iter().map(|(file, _, spots)| (file, spots.len())).collect() };
        assert_eq!((unread.rows(), counts()), (3, vec![("a".into(), 2), ("b".into(), 1)]));
        for object in [0, 5, 5, 7] {
            unread.row(UnreadRow { spot: Spot { line: 9, object }, ..row("b", 9) });
        }
        assert_eq!((unread.rows(), counts()), (5, vec![("a".into(), 2), ("b".into(), 3)]));
        let places: Vec<String> = unread.spots()[1].2.iter().map(|spot| spot.to_string()).collect();
        assert_eq!(places, ["9", "9 (object 6)", "9 (object 8)"]);
        unread.file("c", 7, "cut off".into());
        unread.file("c", 8, "later".into());
        assert_eq!(unread.files(), [UnreadFile { file: "c".into(), bytes: 7, reason: "cut off".into() }]);
    }
}
