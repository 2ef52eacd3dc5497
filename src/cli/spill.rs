//! The folder that operators spill to. Its files hold rows in plain form, so it is private, goes with the process, and
//! what a killed process left behind is removed by the next one.
//!
//! A folder is in use as long as its process holds the lock on the file `lock` in it. Numbers of processes say little: in
//! two containers that share a folder for temporary files, each has its own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{Error, ErrorKind, Result};

const PREFIX: &str = "postback-spill-";
/// The file that the process of a folder holds.
const LOCK: &str = "lock";
/// The lock of this process, until its end.
static HELD: OnceLock<File> = OnceLock::new();

/// The folder of this process.
pub(super) fn folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let name = || format!("{PREFIX}{}-{:x}", std::process::id(), super::unix_nanos());
    FOLDER.get_or_init(|| std::env::temp_dir().join(name())).clone()
}

/// Makes `folder`, readable by nobody else, where this process has not made it yet.
pub(super) fn create(folder: &Path) -> Result<()> {
    if HELD.get().is_some() && folder.is_dir() {
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Usage, format!("cannot make the spill folder `{}`", folder.display()))
            .hint("TMPDIR names the folder for temporary files")
            .source(error)
    };
    DirBuilder::new().mode(0o700).create(folder).map_err(failed)?;
    let path = folder.join(LOCK);
    let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    if let Err(error) = lock.try_lock() {
        // A file system without locks: the folder is told by its process alone.
        tracing::debug!(%error, "the spill folder cannot be locked");
    }
    HELD.get_or_init(|| lock);
    Ok(())
}

/// Removes `folder` and what is in it.
pub(super) fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::debug!(%error, "the spill folder stays");
    }
}

/// Removes the folders of processes that are gone.
pub(super) fn remove_leftovers() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        // Others' folders cannot be removed, and need not be.
        if is_left(&entry.path(), process) {
            remove(&entry.path());
        }
    }
}

/// Whether the process that made `folder` is gone.
fn is_left(folder: &Path, process: &str) -> bool {
    if let Ok(lock) = OpenOptions::new().write(true).open(folder.join(LOCK)) {
        return lock.try_lock().is_ok();
    }
    // Its process has not come to that yet, or is of a version without locks.
    let process = process.split('-').next().and_then(|number| number.parse::<u32>().ok());
    let is_gone = |process: u32| !Path::new("/proc").join(process.to_string()).exists();
    process.is_some_and(is_gone) && Path::new("/proc/self").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_left_when_nobody_holds_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let lock = File::create(folder.path().join(LOCK)).unwrap();
        lock.lock().unwrap();
        assert!(!is_left(folder.path(), "4000000000-a"));
        drop(lock);
        assert!(is_left(folder.path(), "1-a"));
        fs::remove_file(folder.path().join(LOCK)).unwrap();
        assert!(!is_left(folder.path(), &format!("{}-a", std::process::id())));
        assert!(is_left(folder.path(), "4000000000-a"));
    }
}
