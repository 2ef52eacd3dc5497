//! Tables of table formats: their files also hold deleted and superseded rows, which nothing in the files tells.
//!
//! A table is known by what its format leaves at its root, which [`on_disk`] looks for in folders of this machine and
//! [`marked`] in the keys of a bucket. What is done about it is decided by who opens the source, in one place for both.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs, iter};

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

/// The folder of the log of a Delta Lake table.
pub(super) const DELTA_LOG: &str = "_delta_log";
/// What tells the root of a table: a folder, and how the name of something in it ends; the folder alone where that is
/// empty.
pub(super) const MARKERS: [(&str, &str, Kind); 3] =
    [("_delta_log/", "", Kind::Delta), (".hoodie/", "", Kind::Hudi), ("metadata/", ".metadata.json", Kind::Iceberg)];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delta => "a Delta Lake table",
            Self::Iceberg => "an Iceberg table",
            Self::Hudi => "a Hudi table",
        })
    }
}

/// A table that files belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) kind: Kind,
    /// Its folder, as a location names it.
    pub(super) root: String,
}

impl Table {
    /// The note about its files, if they shall be read as `plain` files.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] naming the folder and the format, if not.
    pub(super) fn as_files(&self, plain: bool) -> Result<Note> {
        let Self { kind, root } = self;
        if plain {
            let message = format!("`{root}` is {kind}, read as plain files as postback.plain_lake_files says");
            return Ok(Note { code: None, message, help: None });
        }
        Err(self.refusal())
    }

    /// The error of its files, which are not read as they are.
    pub(super) fn refusal(&self) -> Error {
        let Self { kind, root } = self;
        let instead = match kind {
            Kind::Delta if delta::IS_READ => format!("name the folder, FROM '{root}', to read it as a table"),
            Kind::Delta => delta::MISSING.to_owned(),
            Kind::Iceberg | Kind::Hudi => "export the table first".to_owned(),
        };
        Error::new(ErrorKind::Source, format!("`{root}` is {kind}, not plain files")).hint(format!(
            "its files also hold deleted and superseded rows: {instead}; if no row was ever changed or deleted, \
             `SET postback.plain_lake_files = 'true'` reads the files as they are"
        ))
    }
}

/// The table that one of `paths` on this machine belongs to.
pub(super) fn on_disk<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Option<Table> {
    let folders: BTreeSet<&Path> = paths.filter_map(|path| path.parent()).collect();
    // Not every folder above a file is in a relative path, nor in one that goes over a link.
    let real = folders.iter().filter_map(|folder| Path::new(".").join(folder).canonicalize().ok());
    let mut judged = HashSet::new();
    folders.iter().map(|folder| folder.to_path_buf()).chain(real).find_map(|path| {
        path.ancestors().find_map(|folder| {
            let kind = if judged.insert(folder.to_owned()) { kind(folder)? } else { return None };
            Some(Table { kind, root: folder.display().to_string() })
        })
    })
}

/// What `folder` on this machine is the root of.
pub(super) fn kind(folder: &Path) -> Option<Kind> {
    let is_root = |(inside, ending, _): &(&str, &str, Kind)| {
        let inside = folder.join(inside);
        let mut entries = fs::read_dir(&inside).into_iter().flatten().flatten().map(|entry| entry.file_name());
        inside.is_dir() && (ending.is_empty() || entries.any(|name| name.to_string_lossy().ends_with(ending)))
    };
    MARKERS.into_iter().find(is_root).map(|(.., kind)| kind)
}

/// The root of a table in a bucket and what it is, if its format left the object `key` there.
pub(super) fn marked(key: &str) -> Option<(&str, Kind)> {
    MARKERS.into_iter().find_map(|(inside, ending, kind)| {
        let root = &key[..key.rfind(inside)?];
        let is_folder = root.is_empty() || root.ends_with('/');
        (is_folder && key.ends_with(ending)).then(|| (root.trim_end_matches('/'), kind))
    })
}

/// The folders above the object `key`, from the nearest to the bucket itself, which is empty.
pub(super) fn folders(key: &str) -> impl Iterator<Item = &str> {
    let above = |below: &str| below.rsplit_once('/').map_or("", |(above, _)| above).len();
    iter::successors(Some(key), move |below| (!below.is_empty()).then(|| &below[..above(below)])).skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_the_root_of_a_table() {
        for (key, expected) in [
            ("a/b/_delta_log/_sidecars/0.parquet", Some(("a/b", Kind::Delta))),
            ("_delta_log/0.json", Some(("", Kind::Delta))),
            ("a/.hoodie/hoodie.properties", Some(("a", Kind::Hudi))),
            ("a/metadata/metadata/v1.metadata.json", Some(("a/metadata", Kind::Iceberg))),
            ("a/metadata/notes.json", None),
            ("a_delta_log/0.json", None),
            ("a/_delta_log", None),
            ("v1.metadata.json", None),
        ] {
            assert_eq!(marked(key), expected, "{key}");
        }
        assert_eq!(folders("a/b/c.csv").collect::<Vec<_>>(), ["a/b", "a", ""]);
        assert_eq!(folders("c.csv").collect::<Vec<_>>(), [""]);
    }
}
