//! Exports of several files: whether the files are those of one export, and all of them.
//!
//! `BigQuery` numbers its files `000000000000`, Snowflake `data_0_0_0`, Redshift `0000_part_00`; Spark names those of one
//! write by a UUID. An export of fewer files than the one before leaves the surplus behind, and a copy that failed leaves
//! a gap. Both can only be guessed at, and so are warned of.

use std::collections::{BTreeMap, BTreeSet};

use super::file::SourceFile;
use super::report::Note;

/// Files of one export are written within so many minutes.
const WRITTEN_WITHIN: i64 = 6 * 60;
/// A number of as many shards is a date.
const MAX_SHARDS: u64 = 1_000_000;
/// Letters of a UUID.
const UUID_LENGTH: usize = 36;
/// What tells the files of one export from those of another.
const ONE_EXPORT: &str = "name the files of one export, by its manifest or by a glob that matches no others, and remove \
    what an earlier export left behind";

/// What the name of a file says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shard {
    /// What files of one export share.
    export: String,
    /// Numbers, each in a sequence that starts at 0 and has no gap.
    numbers: Vec<(String, u64)>,
    /// What wrote it.
    writer: Option<String>,
}

/// What looks wrong about `files`, all of one location.
pub(super) fn notes(files: &[SourceFile]) -> Vec<Note> {
    let mut exports: BTreeMap<(&str, String), Vec<(&SourceFile, Shard)>> = BTreeMap::new();
    for file in files {
        let (folder, name) = file.shown().rsplit_once('/').unwrap_or((".", file.shown()));
        if let Some(shard) = Shard::of(name) {
            exports.entry((folder, shard.export.clone())).or_default().push((file, shard));
        }
    }
    // A single file was named, or is the whole export.
    exports.retain(|_, shards| shards.len() > 1);
    let mixed = exports.iter().find_map(|((folder, _), shards)| mixed(folder, shards));
    let missing = exports.iter().find_map(|((folder, _), shards)| missing(folder, shards));
    mixed.into_iter().chain(missing).collect()
}

fn mixed(folder: &str, shards: &[(&SourceFile, Shard)]) -> Option<Note> {
    let writers: BTreeSet<&str> = shards.iter().filter_map(|(_, shard)| shard.writer.as_deref()).collect();
    let first = shards.iter().map(|(file, _)| *file).min_by_key(|file| file.meta.last_modified)?;
    let last = shards.iter().map(|(file, _)| *file).max_by_key(|file| file.meta.last_modified)?;
    let apart = (last.meta.last_modified - first.meta.last_modified).num_minutes();
    let message = if writers.len() > 1 {
        format!("the files in `{folder}` come from {} writes", writers.len())
    } else if apart > WRITTEN_WITHIN {
        format!("`{}` was written {} hours before `{}`", first.shown(), apart / 60, last.shown())
    } else {
        return None;
    };
    Some(Note { code: Some("PB2305"), message, help: Some(ONE_EXPORT.to_owned()) })
}

fn missing(folder: &str, shards: &[(&SourceFile, Shard)]) -> Option<Note> {
    let mut sequences: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for (sequence, number) in shards.iter().flat_map(|(_, shard)| &shard.numbers) {
        sequences.entry(sequence).or_default().insert(*number);
    }
    let gap = |numbers: &BTreeSet<u64>| numbers.iter().copied().zip(0..).find(|(found, wanted)| found != wanted);
    let (sequence, (_, missing)) = sequences.iter().find_map(|(sequence, numbers)| Some((sequence, gap(numbers)?)))?;
    let message = format!("the files in `{folder}` have a gap: `{sequence}` goes without number {missing}");
    Some(Note { code: Some("PB2306"), message, help: None })
}

impl Shard {
    /// What `name` says; `None` if it is no name of a shard.
    fn of(name: &str) -> Option<Self> {
        Self::of_spark(name).or_else(|| {
            let (writer, name) = match uuid(name) {
                Some(at) => {
                    (Some(name[at..at + UUID_LENGTH].to_owned()), name.replacen(&name[at..at + UUID_LENGTH], "", 1))
                }
                None => (None, name.to_owned()),
            };
            let stem = name.split('.').next().unwrap_or_default();
            let shard =
                Self::of_redshift(stem).or_else(|| Self::of_snowflake(stem)).or_else(|| Self::of_bigquery(stem))?;
            Some(Self { writer, ..shard })
        })
    }

    /// `part-00000-UUID-c000.snappy.parquet`; tasks without a row leave gaps.
    fn of_spark(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("part-")?;
        let number = rest.get(..5)?.parse().ok()?;
        let writer = uuid(rest).map(|at| rest[at..at + UUID_LENGTH].to_owned());
        let numbers = if writer.is_none() { vec![("part-…".to_owned(), number)] } else { Vec::new() };
        Some(Self { export: "part-".to_owned(), numbers, writer })
    }

    /// `0000_part_00`: a slice and its part.
    fn of_redshift(stem: &str) -> Option<Self> {
        let (slice, part) = stem.rsplit_once("_part_")?;
        let (prefix, slice) = digits_behind(slice).filter(|(_, digits)| digits.len() == 4)?;
        let numbers = vec![
            (format!("{prefix}…_part_00"), slice.parse().ok()?),
            (format!("{prefix}{slice}_part_…"), part.parse().ok()?),
        ];
        Some(Self { export: format!("{prefix}_part_"), numbers, writer: None })
    }

    /// `data_0_1_2`: a node, its thread and the number of its file; not every thread has a row.
    fn of_snowflake(stem: &str) -> Option<Self> {
        let mut parts = stem.rsplitn(4, '_');
        let (file, thread, node, prefix) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if ![file, thread, node].into_iter().all(is_number) {
            return None;
        }
        let numbers = vec![(format!("{prefix}_{node}_{thread}_…"), file.parse().ok()?)];
        Some(Self { export: prefix.to_owned(), numbers, writer: None })
    }

    /// `orders-000000000000`.
    fn of_bigquery(stem: &str) -> Option<Self> {
        let (prefix, digits) = digits_behind(stem).filter(|(_, digits)| digits.len() == 12)?;
        let number = digits.parse().ok().filter(|number| *number < MAX_SHARDS)?;
        Some(Self { export: prefix.to_owned(), numbers: vec![(format!("{prefix}…"), number)], writer: None })
    }
}

/// `text` in front of the digits that it ends with, and those.
fn digits_behind(text: &str) -> Option<(&str, &str)> {
    let start = text
        .rfind(|letter: char| !letter.is_ascii_digit())
        .map_or(0, |last| last + text[last..].chars().next().map_or(1, char::len_utf8));
    (start < text.len()).then(|| text.split_at(start))
}

/// Where a UUID begins in `text`.
fn uuid(text: &str) -> Option<usize> {
    let is_uuid = |window: &[u8]| {
        window.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    text.as_bytes().windows(UUID_LENGTH).position(is_uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
    const SECOND: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

    fn file(name: &str, hours: u64) -> SourceFile {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "x").unwrap();
        let mut file = SourceFile::local(path).unwrap().called(name);
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_760_000_000 + hours * 3_600);
        file.meta.last_modified = time.into();
        file
    }

    fn said(files: &[(&str, u64)]) -> Vec<(&'static str, String)> {
        let files: Vec<SourceFile> = files.iter().map(|(name, hours)| file(name, *hours)).collect();
        notes(&files).into_iter().map(|note| (note.code.unwrap(), note.message)).collect()
    }

    #[test]
    fn shards_of_one_export_are_no_surprise() {
        let spark = format!("out/part-00000-{FIRST}-c000.snappy.parquet");
        let later = format!("out/part-00007-{FIRST}-c000.snappy.parquet");
        for files in [
            &[("x/000000000000.csv", 0), ("x/000000000001.csv", 1)][..],
            &[("x/data_0_0_0.csv.gz", 0), ("x/data_0_3_0.csv.gz", 0), ("x/data_0_3_1.csv.gz", 0)],
            &[("x/0000_part_00", 0), ("x/0001_part_00", 0), ("x/0001_part_01", 0)],
            &[(&spark, 0), (&later, 1)],
            &[("x/2026-11-01.csv", 0), ("x/2026-11-02.csv", 24)],
            &[("x/202611010930.csv", 0), ("x/202611020930.csv", 24)],
            &[("x/000000000007.csv", 0)],
            &[("a/000000000000.csv", 0), ("b/000000000000.csv", 48)],
        ] {
            assert_eq!(said(files), [], "{files:?}");
        }
    }

    #[test]
    fn what_an_earlier_export_left_behind_is_noted() {
        let stale = ("PB2305", "`x/000000000001.csv` was written 31 hours before `x/000000000000.csv`".to_owned());
        assert_eq!(said(&[("x/000000000000.csv", 31), ("x/000000000001.csv", 0)]), [stale]);
        for pattern in
            ["part-0000#-@-c000.snappy.parquet", "part-0000#-tid-1234-@-1-1-c000.parquet", "data_@_0_0_#.csv"]
        {
            let name = |number: &str, writer: &str| format!("x/{}", pattern.replace('#', number).replace('@', writer));
            let mixed = said(&[(&name("0", FIRST), 0), (&name("1", SECOND), 0)]);
            assert_eq!(mixed, [("PB2305", "the files in `x` come from 2 writes".to_owned())], "{pattern}");
        }
    }

    #[test]
    fn a_gap_in_the_numbers_is_noted() {
        for (files, gap) in [
            (["x/o-000000000000.csv", "x/o-000000000002.csv"], "`o-…` goes without number 1"),
            (["x/o_000000000001", "x/o_000000000002"], "`o_…` goes without number 0"),
            (["x/data_0_0_0.csv", "x/data_0_0_2.csv"], "`data_0_0_…` goes without number 1"),
            (["x/0000_part_00", "x/0002_part_00"], "`…_part_00` goes without number 1"),
            (["x/a0000_part_00", "x/a0000_part_02"], "`a0000_part_…` goes without number 1"),
            (["x/part-00000", "x/part-00002"], "`part-…` goes without number 1"),
        ] {
            let expected = ("PB2306", format!("the files in `x` have a gap: {gap}"));
            assert_eq!(said(&files.map(|name| (name, 0))), [expected]);
        }
    }
}
