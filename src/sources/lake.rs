//! Folders of table formats: their files also hold deleted and superseded rows, which nothing in the files tells.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::delta;
use super::report::Note;
use crate::error::{Error, ErrorKind, Result};

/// A table format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Delta,
    Iceberg,
    Hudi,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delta => "a Delta Lake table",
            Self::Iceberg => "an Iceberg table",
            Self::Hudi => "a Hudi table",
        })
    }
}

/// The folder of the log of a Delta Lake table.
pub(super) const DELTA_LOG: &str = "_delta_log";

/// What `folder` is the root of.
pub(super) fn kind(folder: &Path) -> Option<Kind> {
    let is_iceberg = || {
        let entries = fs::read_dir(folder.join("metadata")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().ends_with(".metadata.json"))
    };
    if folder.join(DELTA_LOG).is_dir() {
        Some(Kind::Delta)
    } else if folder.join(".hoodie").is_dir() {
        Some(Kind::Hudi)
    } else if is_iceberg() {
        Some(Kind::Iceberg)
    } else {
        None
    }
}

/// Refuses `files` of a table format, unless they shall be read as `plain` files all the same: that is noted.
///
/// # Errors
/// [`ErrorKind::Source`] naming the folder and the format.
pub(super) fn judge(files: &[PathBuf], plain: bool) -> Result<Option<Note>> {
    let mut judged = HashSet::new();
    for folder in files.iter().flat_map(|file| file.ancestors().skip(1)) {
        if !judged.insert(folder) {
            continue;
        }
        let Some(kind) = kind(folder) else { continue };
        if plain {
            let shown = folder.display();
            let message = format!("`{shown}` is {kind}, read as plain files as postback.plain_lake_files says");
            return Ok(Some(Note { code: None, message, help: None }));
        }
        return Err(refusal(folder, kind));
    }
    Ok(None)
}

/// The error of `folder`, which is the root of a table.
pub(super) fn refusal(folder: &Path, kind: Kind) -> Error {
    refused(&folder.display().to_string(), kind, true)
}

/// The error of the folder `shown`, which is the root of a table; `is_local` if its files can be read as they are.
pub(super) fn refused(shown: &str, kind: Kind, is_local: bool) -> Error {
    let instead = match kind {
        Kind::Delta if delta::IS_READ => format!("name the folder, FROM '{shown}', to read it as a table"),
        Kind::Delta => delta::MISSING.to_owned(),
        Kind::Iceberg | Kind::Hudi => "export the table first".to_owned(),
    };
    let plain = if is_local {
        "; if no row was ever changed or deleted, `SET postback.plain_lake_files = 'true'` reads the files as they are"
    } else {
        ""
    };
    Error::new(ErrorKind::Source, format!("`{shown}` is {kind}, not plain files"))
        .hint(format!("its files also hold deleted and superseded rows: {instead}{plain}"))
}
