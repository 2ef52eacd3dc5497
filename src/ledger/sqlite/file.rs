//! The folder and the file: made so that nobody else can read them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind as IoKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// The folder, made if it is not there.
///
/// # Errors
/// [`ErrorKind::Usage`] if it cannot be made, is no folder, or anybody may write to it.
pub(super) fn folder(path: &Path) -> Result<PathBuf> {
    let wrong = |message: &str| Error::new(ErrorKind::Usage, message).context("folder", path.display());
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| wrong("the folder of the ledger cannot be made").source(error))?;
    let path = path.canonicalize().map_err(|error| wrong("the folder of the ledger cannot be read").source(error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let found =
            fs::metadata(&path).map_err(|error| wrong("the folder of the ledger cannot be read").source(error))?;
        if found.permissions().mode() & 0o002 != 0 {
            return Err(wrong("anybody may write to the folder of the ledger").hint("take that right away: chmod o-w"));
        }
    }
    Ok(path)
}

/// Makes the file if it is not there, readable for its owner alone; says whether it was made.
///
/// # Errors
/// [`ErrorKind::Usage`] if that is not possible.
pub(super) fn create(path: &Path) -> Result<bool> {
    let wrong = |error: std::io::Error| {
        Error::new(ErrorKind::Usage, "the ledger cannot be created").context("ledger", path.display()).source(error)
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == IoKind::AlreadyExists => restrict(path).map(|()| false).map_err(wrong),
        Err(error) => Err(wrong(error)),
    }
}

/// Makes the names in the folder durable.
///
/// # Errors
/// [`ErrorKind::Incomplete`] if the disk refuses.
pub(super) fn sync_folder(path: &Path) -> Result<()> {
    let synced = if cfg!(unix) { File::open(path).and_then(|folder| folder.sync_all()) } else { Ok(()) };
    synced.map_err(|error| {
        Error::new(ErrorKind::Incomplete, "the ledger's folder could not be written")
            .context("folder", path.display())
            .source(error)
    })
}

/// Makes the names durable by which a new folder is found. Which of those above it are new is not known; those that
/// cannot be synced, such as of a system that is never written, are not.
pub(super) fn sync_above(path: &Path) {
    for above in path.ancestors().skip(1) {
        if sync_folder(above).is_err() {
            break;
        }
    }
}

/// Takes away what others may do with the file.
fn restrict(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
