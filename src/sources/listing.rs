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
}

/// The files behind `location` on this machine.
///
/// # Errors
/// [`ErrorKind::Source`] if there is none, or if they belong to a table format that plain reading would get wrong.
pub(super) fn local(options: &Options, location: &str) -> Result<Listed> {
    if stdin::is_meant(location) {
        let file = stdin::spooled(&options.spool, location)?;
        return Ok(Listed { files: vec![file], is_named: true, ..Listed::default() });
    }
    let (paths, is_named) = list(&options.folder, location)?;
    let notes = lake::judge(&paths, options.plain_lake_files)?.into_iter().collect();
    // Folders of the location name partitions, and those above the query file do not.
    let root = if options.folder == Path::new(".") { Path::new("") } else { &options.folder };
    let file = |path: PathBuf| {
        let below = if path.starts_with(root) { root } else { Path::new("") };
        let partitions = partitions::of_path(below, &path);
        Ok(SourceFile::local(path)?.in_folders(partitions))
    };
    Ok(Listed { files: paths.into_iter().map(file).collect::<Result<_>>()?, notes, is_named })
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

/// The paths behind `location`, and whether it names one file.
fn list(folder: &Path, location: &str) -> Result<(Vec<PathBuf>, bool)> {
    let path = path(folder, location);
    if path.is_dir() {
        return Ok((folder_files(&path, location)?, false));
    }
    if path.exists() {
        return Ok((vec![path], true));
    }
    let missing = || Error::new(ErrorKind::Source, format!("no such file: `{location}`")).hint(where_to_look(&path));
    if !location.contains(['*', '?', '[']) {
        return Err(missing());
    }
    let pattern = path.to_str().ok_or_else(missing)?;
    let found = glob::glob(pattern)
        .map_err(|error| Error::new(ErrorKind::Source, format!("`{location}` is no glob pattern")).source(error))?
        .take(MAX_FILES + 1)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(location, error))?;
    let fixed = fixed(&path);
    // A pattern that names a marker means markers.
    let is_shown = |found: &PathBuf| {
        is_hidden(&path) || !found.strip_prefix(&fixed).unwrap_or(found).iter().any(|name| is_hidden(name.as_ref()))
    };
    let (mut files, folders): (Vec<PathBuf>, Vec<PathBuf>) =
        found.into_iter().filter(is_shown).partition(|path| !path.is_dir());
    if files.is_empty() {
        // `sales/country=*` means what is in the folders.
        for folder in folders {
            files.extend(folder_files(&folder, location)?);
        }
    }
    match files.len() {
        0 => Err(Error::new(ErrorKind::Source, format!("no file matches `{location}`")).hint(where_to_look(&path))),
        count if count > MAX_FILES => {
            Err(Error::new(ErrorKind::Source, format!("`{location}` matches over {MAX_FILES} files")))
        }
        _ => Ok((files, false)),
    }
}

/// The folders of a pattern in front of the first that is none.
fn fixed(pattern: &Path) -> PathBuf {
    pattern.iter().take_while(|name| !name.to_string_lossy().contains(['*', '?', '['])).collect()
}

/// The files in `path` and in its folders of partitions, sorted.
fn folder_files(path: &Path, location: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    list_folder(path, location, &mut files)?;
    files.sort();
    if files.is_empty() {
        return Err(Error::new(ErrorKind::Source, format!("`{location}` is an empty folder")));
    }
    Ok(files)
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

/// Adds the files in `path`, and in its folders of partitions.
fn list_folder(path: &Path, location: &str, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(location, error))?;
    for entry in entries {
        let entry = entry.path();
        if is_hidden(&entry) {
            continue;
        }
        if entry.is_dir() {
            let name = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if partitions::of_folder(&name).is_none() {
                if let Some(kind) = lake::kind(path) {
                    return Err(lake::refusal(path, kind));
                }
                let message = format!("`{location}` holds the folder `{}`", entry.display());
                return Err(Error::new(ErrorKind::Source, message).hint(format!(
                    "folders are entered where they name a partition, as `country=DE` does: name the files with a glob \
                         such as '{}/**/*'",
                    location.trim_end_matches('/')
                )));
            }
            list_folder(&entry, location, files)?;
            continue;
        }
        if files.len() == MAX_FILES {
            return Err(Error::new(ErrorKind::Source, format!("`{location}` holds over {MAX_FILES} files")));
        }
        files.push(entry);
    }
    Ok(())
}

/// Markers and checksums that warehouses leave beside their data: `_SUCCESS`, `.part-0.crc`.
fn is_hidden(path: &Path) -> bool {
    let is_marker =
        |name: &str| name.starts_with('.') || name.starts_with('_') && partitions::of_folder(name).is_none();
    path.file_name().is_some_and(|name| is_marker(&name.to_string_lossy()))
        || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("crc"))
}
