//! The files of a log as they were listed: which versions there are, and when each was made.
//!
//! A commit is `00000000000000000012.json`; a checkpoint sums up all commits up to its own, in one file or in parts;
//! compacted commits sum up some. Everything else in the folder, also the hint to the last checkpoint and the checksums,
//! is passed over: what there is was listed.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::object_store::path::Path;
use jiff::Timestamp;

use super::actions;
use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::SourceFile;
use crate::sources::lake::DELTA_LOG;
use crate::sources::root::Root;
use crate::sources::{blocking, declared::At};

/// Files of a log; more are refused before memory goes.
pub(super) const MOST_FILES: usize = 200_000;
/// Digits of a version in a name.
const DIGITS: usize = 20;
/// The folder in that of the log for the parts of newer checkpoints.
const SIDECARS: &str = "_sidecars";
/// What to do about a log that is not whole.
pub(super) const INCOMPLETE: &str = "the log of the table is not complete: copy the table again, or ask who keeps it; `checkpoint` and `VACUUM` clean logs up";

/// The listed files of a log.
#[derive(Debug)]
pub(super) struct Log {
    /// How messages name the table.
    pub(super) shown: String,
    /// By their paths in the table.
    pub(super) files: BTreeMap<Path, SourceFile>,
    commits: BTreeMap<u64, SourceFile>,
    checkpoints: BTreeMap<u64, SourceFile>,
}

/// What a file of a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Commit(u64),
    Checkpoint(u64),
    /// One of so many parts of a checkpoint.
    Part(u64, u64),
    /// Compacted commits, and what newer checkpoints name.
    Other,
}

impl Log {
    /// Lists the log of the table below `root`.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if it cannot be listed or has no version.
    pub(super) async fn list(root: &Root) -> Result<Self> {
        let mut log = Self {
            shown: root.shown(),
            files: BTreeMap::new(),
            commits: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
        };
        let mut parts: BTreeMap<(u64, u64), Vec<SourceFile>> = BTreeMap::new();
        // What a writer is about to rename may be gone in a moment.
        for (name, file) in root.list(DELTA_LOG, MOST_FILES, |name| kind_in_table(name).is_some()).await? {
            let Some(kind) = kind_in_table(&name) else { continue };
            match kind {
                Kind::Commit(version) => drop(log.commits.insert(version, file.clone())),
                Kind::Checkpoint(version) => drop(log.checkpoints.insert(version, file.clone())),
                Kind::Part(version, all) => parts.entry((version, all)).or_default().push(file.clone()),
                Kind::Other => {}
            }
            log.files.insert(Path::from(name), file);
        }
        for ((version, all), mut files) in parts {
            if files.len() as u64 == all {
                log.checkpoints.extend(files.pop().map(|file| (version, file)));
            }
        }
        if log.commits.is_empty() && log.checkpoints.is_empty() {
            let message = format!("`{}` is no Delta Lake table: its log has no version", log.shown);
            return Err(Error::new(ErrorKind::Source, message).hint(INCOMPLETE));
        }
        Ok(log)
    }

    /// The file that made `version`: its commit, or where that is cleaned up, its checkpoint.
    pub(super) fn commit(&self, version: u64) -> Option<&SourceFile> {
        self.commits.get(&version).or_else(|| self.checkpoints.get(&version))
    }

    /// The commits of versions behind `version`.
    pub(super) fn commits_behind(&self, version: u64) -> impl Iterator<Item = &SourceFile> {
        self.commits.range(version.saturating_add(1)..).map(|(_, file)| file)
    }

    /// The version that is asked for.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if there is none, or if commits on the way to it are missing.
    pub(super) async fn version(&self, at: At) -> Result<u64> {
        let versions: BTreeSet<u64> = self.commits.keys().chain(self.checkpoints.keys()).copied().collect();
        let newest = versions.last().copied().unwrap_or_default();
        let version = match at {
            At::Newest => newest,
            At::Version(version) if versions.contains(&version) => version,
            At::Version(version) => {
                let message = format!("`{}` has no version {version}", self.shown);
                let first = versions.first().copied().unwrap_or_default();
                let hint = format!("its log goes from version {first} to {newest}");
                return Err(Error::new(ErrorKind::Source, message).hint(hint));
            }
            At::Time(time) => self.version_at(time).await?,
        };
        self.require_way_to(version)?;
        Ok(version)
    }

    /// The files that tell `version`: the last checkpoint before it, and the commits from there on.
    pub(super) fn way_to(&self, version: u64) -> impl Iterator<Item = &Path> {
        let checkpoint = self.checkpoints.range(..=version).next_back().map(|(number, _)| *number);
        let is_on_it = move |path: &&Path| match path.filename().and_then(kind) {
            Some(Kind::Commit(number)) => number <= version && checkpoint.is_none_or(|last| number > last),
            Some(Kind::Checkpoint(number) | Kind::Part(number, _)) => checkpoint == Some(number),
            _ => false,
        };
        self.files.keys().filter(is_on_it)
    }

    /// Makes sure that every commit behind a checkpoint, or behind none, is there up to `version`.
    fn require_way_to(&self, version: u64) -> Result<()> {
        let mut missing = None;
        for number in (0..=version).rev() {
            if self.checkpoints.contains_key(&number) {
                return Ok(());
            }
            if !self.commits.contains_key(&number) {
                missing = Some(number);
                break;
            }
        }
        let Some(missing) = missing else { return Ok(()) };
        let message = format!("`{}/{DELTA_LOG}/{missing:0DIGITS$}.json` is missing", self.shown);
        Err(Error::new(ErrorKind::Source, message).hint(INCOMPLETE))
    }

    /// The last version that was made at `time` or before.
    async fn version_at(&self, time: Timestamp) -> Result<u64> {
        let commits: Vec<(&u64, &SourceFile)> = self.commits.iter().collect();
        // Times grow with versions.
        let (mut low, mut high) = (0, commits.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let (_, file) = commits[middle];
            if made_at(file).await? <= time { low = middle + 1 } else { high = middle }
        }
        let found = low.checked_sub(1).and_then(|last| commits.get(last)).map(|(version, _)| **version);
        match (found, commits.first()) {
            (Some(version), _) => Ok(version),
            (None, Some((version, first))) => {
                let message = format!("`{}` goes back to {}, not to {time}", self.shown, made_at(first).await?);
                let hint = format!("the oldest version that its log tells the time of is {version}");
                Err(Error::new(ErrorKind::Source, message).hint(hint))
            }
            (None, None) => {
                let message = format!("`{}` does not tell when its versions were made", self.shown);
                Err(Error::new(ErrorKind::Source, message).hint(INCOMPLETE))
            }
        }
    }
}

/// When `commit` was made: as it says itself where the table keeps such times, else when the file was written.
pub(super) async fn made_at(commit: &SourceFile) -> Result<Timestamp> {
    let file = commit.clone();
    let own = blocking(move || actions::time_of_commit(&file)).await?;
    let written = commit.meta.last_modified.timestamp_millis();
    Ok(Timestamp::from_millisecond(own.unwrap_or(written)).unwrap_or_default())
}

/// What the file at `path` in a table is for its log; none for what is passed over.
fn kind_in_table(path: &str) -> Option<Kind> {
    kind(path.strip_prefix(DELTA_LOG)?.strip_prefix('/')?)
}

/// What the file called `name` in the folder of a log is; none for what is passed over.
fn kind(name: &str) -> Option<Kind> {
    if let Some(part) = name.strip_prefix(SIDECARS) {
        return has_ending(part, "parquet").then_some(Kind::Other);
    }
    let (number, rest) = name.split_at_checked(DIGITS)?;
    let version = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())??;
    if name.contains('/') {
        return None;
    }
    match rest {
        ".json" => Some(Kind::Commit(version)),
        ".checkpoint.parquet" => Some(Kind::Checkpoint(version)),
        rest => match rest.split('.').collect::<Vec<_>>().as_slice() {
            ["", "checkpoint", number, all, "parquet"] => {
                let number = number.parse::<u64>().ok().filter(|number| *number > 0)?;
                all.parse().ok().filter(|all| number <= *all).map(|all| Kind::Part(version, all))
            }
            ["", "checkpoint", _, "parquet" | "json"] => Some(Kind::Checkpoint(version)),
            ["", _, "compacted", "json"] => Some(Kind::Other),
            _ => None,
        },
    }
}

fn has_ending(name: &str, ending: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, found)| found == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_log_are_told_by_their_names() {
        for (name, expected) in [
            ("00000000000000000012.json", Some(Kind::Commit(12))),
            ("00000000000000000012.checkpoint.parquet", Some(Kind::Checkpoint(12))),
            ("00000000000000000012.checkpoint.0000000001.0000000002.parquet", Some(Kind::Part(12, 2))),
            ("00000000000000000012.checkpoint.0000000003.0000000002.parquet", None),
            ("00000000000000000012.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json", Some(Kind::Checkpoint(12))),
            ("00000000000000000004.00000000000000000006.compacted.json", Some(Kind::Other)),
            ("_sidecars/3a0d65cd-4056-49b8-937b-95f9e3ee90e5.parquet", Some(Kind::Other)),
            ("00000000000000000012.crc", None),
            ("_last_checkpoint", None),
            ("_staged_commits/00000000000000000012.3a0d65cd.json", None),
            ("12.json", None),
            ("x/00000000000000000012.json", None),
            ("99999999999999999999.json", None),
            ("00000000000000000012.json.tmp", None),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }
}
