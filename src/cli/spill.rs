//! The folder that operators spill to. Its files hold rows in plain form, so it is private, goes with the process, and
//! what a killed process left behind is removed by the next one.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

const PREFIX: &str = "postback-spill-";

/// The folder of this process.
pub(super) fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()))
}

/// Makes `folder`, readable by nobody else, where this process has not made it yet.
pub(super) fn create(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        // What a process of the same number left behind was removed at the start.
        return Ok(());
    }
    DirBuilder::new().mode(0o700).create(folder).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("cannot make the spill folder `{}`", folder.display()))
            .hint("TMPDIR names the folder for temporary files")
            .source(error)
    })
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
        let process = entry.file_name().to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        let is_gone = process.is_some_and(|process| {
            // This process cannot have left anything behind before it began.
            process == std::process::id() || !Path::new("/proc").join(process.to_string()).exists()
        });
        // Others' folders cannot be removed, and need not be.
        if is_gone && Path::new("/proc/self").exists() {
            remove(&entry.path());
        }
    }
}
