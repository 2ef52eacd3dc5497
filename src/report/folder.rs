//! The folder of a run: made for one run only, readable by nobody else, its files whole or absent.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind as IoErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::error::{Error, ErrorKind, Result};

/// Ids that are tried before the folder counts as one that cannot be made.
const MAX_ATTEMPTS: u64 = 16;
/// Random hex digits of an id.
const RANDOM_DIGITS: usize = 6;
/// Keeps what runs leave behind out of repositories.
const IGNORE_ALL: &str = "*\n";

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    id: String,
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a run that starts at `now`, under `ledger`; `seed` tells runs of one millisecond apart.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where it cannot be made.
    pub fn create(ledger: &Path, now: Timestamp, seed: u64) -> Result<Self> {
        let runs = ledger.join("runs");
        let failed = |error: io::Error| {
            let message = format!("cannot make a folder for the run in `{}`", runs.display());
            Error::new(ErrorKind::Usage, message)
                .hint(
                    "nothing was sent; name a folder that can be written, and keep it, with --ledger, POSTBACK_LEDGER or \
                     `ledger` in postback.toml: by default it lies beside postback.toml, else beside the query file",
                )
                .source(error)
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&runs).map_err(failed)?;
        ignore(ledger).map_err(failed)?;
        let mut last = io::Error::from(IoErrorKind::AlreadyExists);
        for attempt in 0..MAX_ATTEMPTS {
            let id = id(now, seed.wrapping_add(attempt));
            let path = runs.join(&id);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { id, path }),
                Err(error) if error.kind() == IoErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(last))
    }

    /// The run's id, which is the folder's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins the file `name`, under another name until [`RunFolder::complete`].
    pub(super) fn begin(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.partial(name))
    }

    /// Gives the file `name` its name, once its content is on the disk.
    pub(super) fn complete(&self, name: &str, file: &File) -> io::Result<()> {
        file.sync_all()?;
        fs::rename(self.partial(name), self.path.join(name))
    }

    /// Writes the whole file `name`.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut file = self.begin(name)?;
        file.write_all(content)?;
        self.complete(name, &file)
    }

    /// Makes `latest` lead to this run.
    pub(super) fn set_latest(&self) -> io::Result<()> {
        let Some(runs) = self.path.parent() else { return Ok(()) };
        let made = runs.join(format!(".latest.{}", self.id));
        // A file system without links gets a file that says the same.
        symlink(&self.id, &made).or_else(|_| fs::write(&made, &self.id))?;
        fs::rename(&made, runs.join("latest"))
    }

    /// Removes the folder of a run that did not take place.
    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.path)
    }

    fn partial(&self, name: &str) -> PathBuf {
        self.path.join(format!(".{name}.partial"))
    }
}

/// `20261122T232256.123Z-3f9a2c`: the time of the start, and digits of `seed`.
fn id(now: Timestamp, seed: u64) -> String {
    let random = blake3::hash(&seed.to_le_bytes()).to_hex();
    format!("{}-{}", now.strftime("%Y%m%dT%H%M%S%.3fZ"), &random[..RANDOM_DIGITS])
}

/// Puts a `.gitignore` into `folder` where there is none.
fn ignore(folder: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(".gitignore")) {
        Ok(mut file) => file.write_all(IGNORE_ALL.as_bytes()),
        Err(error) if error.kind() == IoErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).unwrap()
    }

    #[test]
    fn ids_sort_by_time_and_never_meet() {
        let folder = tempfile::tempdir().unwrap();
        let early = RunFolder::create(folder.path(), at(1_795_389_776_009), 1).unwrap();
        let late = RunFolder::create(folder.path(), at(1_795_389_776_010), 1).unwrap();
        let again = RunFolder::create(folder.path(), at(1_795_389_776_010), 1).unwrap();
        assert!(early.id() < late.id() && early.id().starts_with("20261122T232256.009Z-"), "{}", early.id());
        assert_ne!(late.id(), again.id());
    }

    #[test]
    fn a_file_is_absent_until_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), at(0), 1).unwrap();
        let file = run.begin("a.json").unwrap();
        assert!(!run.path().join("a.json").exists());
        run.complete("a.json", &file).unwrap();
        assert!(run.path().join("a.json").exists());
    }

    #[test]
    fn latest_leads_to_the_run_that_ended_last() {
        let folder = tempfile::tempdir().unwrap();
        for seed in 0..2 {
            let run = RunFolder::create(folder.path(), at(0), seed).unwrap();
            run.set_latest().unwrap();
            assert_eq!(fs::read_link(folder.path().join("runs/latest")).unwrap(), Path::new(run.id()));
        }
    }
}
