//! A run of the past, as far as it can be run again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::recording::RESULTS;
use super::results::RunResults;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::Origin;

/// Name of what leads to the run that ended last.
const LATEST: &str = "latest";

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
