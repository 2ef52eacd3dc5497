//! The files behind a location, found here and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};

use super::file::{SourceFile, unreadable};
use super::report::Note;
use super::{Options, lake, partitions, stdin};
use crate::error::{Error, ErrorKind, Result};
use crate::settings::nearest;

/// Files behind one location; more are refused before memory goes.
pub(super) const MAX_FILES: usize = 100_000;

/// The files behind one location.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) files: Vec<SourceFile>,
    /// What there is to know of them.
    pub(super) notes: Vec<Note>,
    /// Whether the location is the name of one file.
    pub(super) is_named: bool,
    /// The table of a table format that the files belong to.
    pub(super) table: Option<lake::Table>,
    /// Why a folder is no source, which holds a folder that names no partition.
    pub(super) foreign: Option<Error>,
}

/// The paths behind one location.
#[derive(Default)]
struct Paths {
    files: Vec<PathBuf>,
    is_named: bool,
    /// A folder that names no partition; it was not entered.
    foreign: Option<PathBuf>,
}

/// The files behind `location` on this machine.
///
/// # Errors
/// [`ErrorKind::SourceMissing`] if there is none.
pub(super) fn local(options: &Options, location: &str) -> Result<Listed> {
    if stdin::is_meant(location) {
        let file = stdin::spooled(&options.spool, location)?;
        return Ok(Listed { files: vec![file], is_named: true, ..Listed::default() });
    }
    let Paths { files, is_named, foreign } = list(&options.folder, location)?;
    let table = lake::on_disk(files.iter().chain(&foreign));
    let foreign = foreign.map(|folder| foreign_folder(location, &folder.display().to_string()));
    // Folders of the location name partitions, and those above the query file do not.
    let root = if options.folder == Path::new(".") { Path::new("") } else { &options.folder };
    let file = |path: PathBuf| {
        let below = if path.starts_with(root) { root } else { Path::new("") };
        let partitions = partitions::of_path(below, &path);
        Ok(SourceFile::local(path)?.in_folders(partitions))
    };
    let files = files.into_iter().map(file).collect::<Result<_>>()?;
    Ok(Listed { files, is_named, table, foreign, ..Listed::default() })
}

/// The error of `location`, which holds `folder`.
pub(super) fn foreign_folder(location: &str, folder: &str) -> Error {
    Error::new(ErrorKind::Source, format!("`{location}` holds the folder `{folder}`")).hint(format!(
        "folders are entered where they name a partition, as `country=DE` does: name the files with a glob such as \
         '{}/**/*'",
        location.trim_end_matches('/')
    ))
}

/// The path that `location` is, which starts from `folder` if it is relative.
pub(super) fn path(folder: &Path, location: &str) -> PathBuf {
    match location.split_once("://") {
        Some(("file", path)) => PathBuf::from(path),
        // Messages name files as the query does.
        _ if folder == Path::new(".") => PathBuf::from(location),
        _ => folder.join(location),
    }
}

/// The paths behind `location`.
fn list(folder: &Path, location: &str) -> Result<Paths> {
    let path = path(folder, location);
    if path.is_dir() {
        let mut found = Paths::default();
        enter(&path, location, &mut found)?;
        return Ok(found);
    }
    if path.exists() {
        return Ok(Paths { files: vec![path], is_named: true, foreign: None });
    }
    let missing =
        || Error::new(ErrorKind::SourceMissing, format!("no such file: `{location}`")).hint(where_to_look(&path));
    if !location.contains(['*', '?', '[']) {
        return Err(missing());
    }
    let pattern = path.to_str().ok_or_else(missing)?;
    let found = glob::glob(pattern)
        .map_err(|error| {
            Error::new(ErrorKind::SourceRefused, format!("`{location}` is no glob pattern")).source(error)
        })?
        .take(MAX_FILES + 1)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(location, error))?;
    let fixed = fixed(&path);
    let is_shown = |found: &PathBuf| is_shown(&found.strip_prefix(&fixed).unwrap_or(found).to_string_lossy(), pattern);
    let (files, folders): (Vec<PathBuf>, Vec<PathBuf>) =
        found.into_iter().filter(is_shown).partition(|path| !path.is_dir());
    let mut found = Paths { files, ..Paths::default() };
    if found.files.is_empty() {
        // `sales/country=*` means what is in the folders.
        for folder in &folders {
            enter(folder, location, &mut found)?;
        }
    }
    match found.files.len() {
        0 if folders.is_empty() => {
            Err(Error::new(ErrorKind::SourceMissing, format!("no file matches `{location}`"))
                .hint(where_to_look(&path)))
        }
        count if count > MAX_FILES => {
            Err(Error::new(ErrorKind::Source, format!("`{location}` matches over {MAX_FILES} files")))
        }
        _ => Ok(found),
    }
}

/// The folders of a pattern in front of the first that is none.
fn fixed(pattern: &Path) -> PathBuf {
    pattern.iter().take_while(|name| !name.to_string_lossy().contains(['*', '?', '['])).collect()
}

/// Adds the files in `path` and in its folders of partitions, sorted.
fn enter(path: &Path, location: &str, found: &mut Paths) -> Result<()> {
    let before = found.files.len();
    list_folder(path, location, found)?;
    found.files[before..].sort();
    if found.files.len() == before && found.foreign.is_none() {
        return Err(Error::new(ErrorKind::SourceMissing, format!("`{location}` is an empty folder")));
    }
    Ok(())
}

/// The nearest file beside `path`, or the folder that was searched, or the first folder on the way that is missing.
fn where_to_look(path: &Path) -> String {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let absolute =
        |folder: &Path| if folder.as_os_str().is_empty() { Path::new(".") } else { folder }.canonicalize().ok();
    let Some(folder) = parent.ancestors().find_map(absolute) else {
        return "the folder does not exist".to_owned();
    };
    if !parent.is_dir() {
        let is_missing = |folder: &&Path| !folder.is_dir() && !folder.as_os_str().is_empty();
        let missing = parent.ancestors().take_while(is_missing).last().and_then(Path::file_name);
        let missing = missing.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        return format!(
            "looked in {}, which has no folder `{missing}`; relative paths start from the query file's folder",
            folder.display()
        );
    }
    let names = fs::read_dir(parent).into_iter().flatten().take(MAX_FILES).filter_map(Result::ok);
    let names: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let wanted = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let near = nearest(wanted, names.iter().map(String::as_str)).filter(|_| !wanted.contains(['*', '?', '[']));
    let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    format!("{near}looked in {}; relative paths start from the query file's folder", folder.display())
}

/// Adds the files in `path` and in its folders of partitions as they come.
fn list_folder(path: &Path, location: &str, found: &mut Paths) -> Result<()> {
    let entries = fs::read_dir(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(location, error))?;
    for entry in entries {
        let entry = entry.path();
        let name = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if is_hidden(&name) {
            continue;
        }
        if entry.is_dir() {
            if partitions::of_folder(&name).is_some() {
                list_folder(&entry, location, found)?;
            } else {
                found.foreign = Some(entry);
            }
            continue;
        }
        if found.files.len() == MAX_FILES {
            return Err(Error::new(ErrorKind::Source, format!("`{location}` holds over {MAX_FILES} files")));
        }
        found.files.push(entry);
    }
    Ok(())
}

/// Whether the file `below` the folders of `pattern` is meant by it: one that names a marker means markers.
pub(super) fn is_shown(below: &str, pattern: &str) -> bool {
    let name = pattern.rsplit('/').next().unwrap_or(pattern);
    is_hidden(name) || !is_hidden(below)
}

/// Markers and checksums that warehouses leave beside their data, `_SUCCESS` and `.part-0.crc`, and all in hidden folders,
/// from the folder on that `below` starts from.
pub(super) fn is_hidden(below: &str) -> bool {
    let is_marker =
        |name: &str| name.starts_with('.') || name.starts_with('_') && partitions::of_folder(name).is_none();
    let is_checksum = Path::new(below).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("crc"));
    is_checksum || below.split('/').any(is_marker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_hidden_wherever_they_lie() {
        for (below, expected) in [
            ("a.parquet", false),
            ("_SUCCESS", true),
            ("day=1/_SUCCESS", true),
            ("_temporary/0/a.parquet", true),
            ("_part=1/a.parquet", false),
            ("a.parquet.crc", true),
            ("a_b/.x", true),
            (".part=1/a.parquet", true),
        ] {
            assert_eq!(is_hidden(below), expected, "{below}");
            assert_eq!(is_shown(below, "*/*"), !expected, "{below}");
            assert!(is_shown(below, "day=*/_SUCCESS"), "{below}");
        }
    }
}
