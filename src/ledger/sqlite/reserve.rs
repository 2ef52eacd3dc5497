//! Space on the disk that is kept for outcomes: what is under way when the disk is full can still be recorded.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Bytes written at once.
const CHUNK: usize = 1 << 20;

/// A file that takes up space, until it is dropped.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// Takes up `bytes` at `path`. What a dead process left there is used again.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the disk has not so much left: a delivery that begins now would fill it.
    pub(super) fn make(path: PathBuf, bytes: u64) -> Result<Self> {
        let is_there = fs::metadata(&path).is_ok_and(|found| found.len() == bytes);
        let reserve = Self { path };
        if bytes > 0 && !is_there {
            // Dropped if it fails, and with it what was written so far.
            fill(&reserve.path, bytes).map_err(|error| unmade(&reserve.path, bytes, error))?;
        }
        Ok(reserve)
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.path.display(), "the ledger's reserve stays on the disk");
        }
    }
}

/// Zeros, as a file that is only made longer takes up nothing.
fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(path)?;
    let zeros = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        file.write_all(&zeros[..length])?;
        left -= length as u64;
    }
    Ok(())
}

fn unmade(path: &Path, bytes: u64, error: io::Error) -> Error {
    let message = if error.kind() == io::ErrorKind::StorageFull {
        format!("the disk of the ledger has not the {} MB left that a delivery keeps free", bytes >> 20)
    } else {
        "the reserve of the ledger cannot be written".to_owned()
    };
    Error::new(ErrorKind::Usage, message)
        .context("file", path.display())
        .hint("free some space, or put the ledger elsewhere with --ledger")
        .source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_taken_and_given_back() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("ledger.reserve");
        let bytes = CHUNK as u64 * 2 + 5;
        let reserve = Reserve::make(path.clone(), bytes).expect("made");
        assert_eq!(fs::metadata(&path).expect("it is there").len(), bytes);
        drop(reserve);
        assert!(!path.exists());
        drop(Reserve::make(path.clone(), 0).expect("nothing to make"));
        assert!(!path.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named() {
        let error = fill(Path::new("/dev/full"), 5).expect_err("it is full");
        let error = unmade(Path::new("ledger.reserve"), RESERVED, error);
        assert_eq!(error.message(), "the disk of the ledger has not the 64 MB left that a delivery keeps free");
    }

    #[cfg(target_os = "linux")]
    const RESERVED: u64 = 64 << 20;
}
