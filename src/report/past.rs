//! A run of the past, as far as it can be run again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::recording::RESULTS;
use super::results::RunResults;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::Origin;

/// Name of what leads to the run that ended last.
const LATEST: &str = "latest";
/// Runs that are looked at, the last first, to find one of the same query.
const MAX_EARLIER: usize = 10_000;

/// A run on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRun {
    /// Its id.
    pub id: String,
    /// Path of its query file, from the folder in which it was run.
    pub query: PathBuf,
    /// Whether it sent events to an API, and not to a sandbox of its own or nowhere.
    pub has_destination: bool,
    /// Whether they were test events.
    pub is_test: bool,
    /// The settings that were given as flags, name and value.
    pub flags: Vec<(String, String)>,
}

/// The run of a query before this one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct EarlierRun {
    /// Its id.
    #[serde(rename = "run_id")]
    pub id: String,
    query: String,
    destination: Option<String>,
    status: String,
    fingerprint: Option<String>,
    #[serde(default)]
    unread_files: Vec<IgnoredAny>,
}

impl EarlierRun {
    /// The last run of `query` to `destination` under the folder `ledger`, other than the run `but`. What cannot be read
    /// counts as none.
    #[must_use]
    pub fn find(ledger: &Path, query: &str, destination: &str, but: &str) -> Option<Self> {
        let runs = ledger.join("runs");
        let names = fs::read_dir(&runs).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        // Ids sort by time.
        let mut names: Vec<String> = names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit())).collect();
        names.sort_unstable_by(|left, right| right.cmp(left));
        names.iter().filter(|name| *name != but).take(MAX_EARLIER).find_map(|name| {
            let text = fs::read(runs.join(name).join(RESULTS)).ok()?;
            let earlier: Self = serde_json::from_slice(&text).ok()?;
            (earlier.query == query && earlier.destination.as_deref() == Some(destination)).then_some(earlier)
        })
    }

    /// Whether it did all that a run with `fingerprint` would do: what it left out may be there by now.
    #[must_use]
    pub fn did(&self, fingerprint: &str) -> bool {
        // One that was skipped had one before it that succeeded.
        matches!(self.status.as_str(), "succeeded" | "skipped")
            && self.fingerprint.as_deref() == Some(fingerprint)
            && self.unread_files.is_empty()
    }
}

/// What is read of a document.
#[derive(Deserialize)]
struct Document {
    schema: String,
    run_id: String,
    query: PathBuf,
    mode: String,
    settings: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Value {
    value: String,
    origin: String,
}

impl PastRun {
    /// The run `id` under the folder `ledger`; the one that ended last where no id is given.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if there is none, or its document cannot be read.
    pub fn read(ledger: &Path, id: Option<&str>) -> Result<Self> {
        let runs = ledger.join("runs");
        let name = match id {
            Some(id) => id.to_owned(),
            // Where there are no links it is a file with the id.
            None => fs::read_to_string(runs.join(LATEST)).unwrap_or_else(|_| LATEST.to_owned()),
        };
        let is_name = !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
        let path = runs.join(&name).join(RESULTS);
        let missing = || {
            let message = match id {
                Some(id) => format!("there is no run `{id}`"),
                None => "there is no run yet".to_owned(),
            };
            let error = Error::new(ErrorKind::Usage, message).context("folder", runs.display());
            error.hint("a run is named by its folder in there; --ledger names another place")
        };
        if !is_name {
            return Err(missing());
        }
        let text = fs::read(&path).map_err(|error| missing().source(error))?;
        let unreadable = || Error::new(ErrorKind::Usage, "the document of the run cannot be read");
        let document: Document = serde_json::from_slice(&text)
            .map_err(|error| unreadable().context("file", path.display()).source(error))?;
        if document.schema != RunResults::NAME {
            return Err(unreadable().context("file", path.display()));
        }
        let flag = Origin::Flag.to_string();
        let flags = document.settings.into_iter().filter(|(_, setting)| setting.origin == flag);
        Ok(Self {
            id: document.run_id,
            query: document.query,
            has_destination: matches!(document.mode.as_str(), "live" | "test" | "loopback"),
            is_test: document.mode == "test",
            flags: flags.map(|(name, setting)| (name, setting.value)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_before_is_the_last_of_the_same_query_and_destination() {
        let ledger = tempfile::tempdir().unwrap();
        let run = |id: &str, query: &str, status: &str| {
            let folder = ledger.path().join("runs").join(id);
            fs::create_dir_all(&folder).unwrap();
            let document = serde_json::json!({
                "run_id": id, "query": query, "destination": "there", "status": status, "fingerprint": "f",
            });
            fs::write(folder.join(RESULTS), document.to_string()).unwrap();
        };
        run("1-a", "q.sql", "succeeded");
        run("2-b", "other.sql", "failed");
        fs::create_dir_all(ledger.path().join("runs/3-c")).unwrap();
        let find = |destination, but| EarlierRun::find(ledger.path(), "q.sql", destination, but);
        let earlier = find("there", "9").unwrap();
        assert!(earlier.id == "1-a" && earlier.did("f") && !earlier.did("g"));
        assert_eq!(find("elsewhere", "9"), None);
        run("4-d", "q.sql", "skipped");
        assert!(find("there", "9").unwrap().did("f"));
        run("5-e", "q.sql", "failed");
        assert!(!find("there", "9").unwrap().did("f"));
        assert_eq!(find("there", "5-e").unwrap().id, "4-d");
        let unread = r#"{"run_id":"6-f","query":"q.sql","destination":"there","status":"succeeded","fingerprint":"f","unread_files":[{"file":"a"}]}"#;
        fs::create_dir_all(ledger.path().join("runs/6-f")).unwrap();
        fs::write(ledger.path().join("runs/6-f").join(RESULTS), unread).unwrap();
        assert!(!find("there", "9").unwrap().did("f"), "a file that was left out may be whole now");
    }

    #[test]
    fn a_run_is_found_by_its_id_or_as_the_latest() {
        let ledger = tempfile::tempdir().unwrap();
        let folder = ledger.path().join("runs/20261122T232256.123Z-3f9a2c");
        fs::create_dir_all(&folder).unwrap();
        let document = r#"{"schema":"postback.run_results","run_id":"20261122T232256.123Z-3f9a2c","query":"q.sql",
            "mode":"live","settings":{"base_url":{"value":"https://a.example","origin":"flag"},
            "event":{"value":"Lead","origin":"SET"}}}"#;
        fs::write(folder.join(RESULTS), document).unwrap();
        fs::write(ledger.path().join("runs").join(LATEST), "20261122T232256.123Z-3f9a2c").unwrap();
        let run = PastRun::read(ledger.path(), None).unwrap();
        assert_eq!(run.flags, [("base_url".to_owned(), "https://a.example".to_owned())]);
        assert!(run.has_destination && !run.is_test);
        assert_eq!(PastRun::read(ledger.path(), Some(&run.id)).unwrap(), run);
        for id in ["other", "", "../runs", "."] {
            let error = PastRun::read(ledger.path(), Some(id)).unwrap_err();
            assert_eq!(error.message(), format!("there is no run `{id}`"));
        }
    }
}
