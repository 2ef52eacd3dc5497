//! Standard input as a source: `FROM '-'` or `FROM '/dev/stdin'`.
//!
//! A run reads its sources twice, and a pipe can be read once. What comes is therefore kept in the private folder of the
//! process, which goes with it; whoever asks again is given the same file.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::file::SourceFile;
use crate::error::{Error, ErrorKind, Result};

/// One reads, and the others wait for it.
static READING: Mutex<()> = Mutex::new(());

/// Whether `location` means standard input.
pub(super) fn is_meant(location: &str) -> bool {
    matches!(location, "-" | "/dev/stdin")
}

/// What standard input holds to its end, as a file in `folder`.
///
/// # Errors
/// [`ErrorKind::Source`] if nothing is piped into the process, or the pipe breaks; [`ErrorKind::Usage`] if the folder takes
/// no file.
pub(super) fn spooled(folder: &Path, location: &str) -> Result<SourceFile> {
    let _reading = READING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = folder.join("stdin");
    if !path.exists() {
        if io::stdin().is_terminal() {
            let message = format!("`{location}` is standard input, and nothing is piped into it");
            return Err(Error::new(ErrorKind::Source, message).hint("pipe the rows in: `bq query … | postback run …`"));
        }
        let part = folder.join("stdin.part");
        let unkept = |error: io::Error| {
            let message = format!("standard input cannot be kept in `{}`", folder.display());
            Error::new(ErrorKind::Usage, message).hint("TMPDIR names the folder for temporary files").source(error)
        };
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part);
        let mut file = file.map_err(unkept)?;
        io::copy(&mut io::stdin().lock(), &mut file).map_err(unkept)?;
        std::fs::rename(&part, &path).map_err(unkept)?;
    }
    Ok(SourceFile::local(path)?.called(location))
}
