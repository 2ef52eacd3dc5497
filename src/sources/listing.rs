//! The files behind a location, found here and nowhere else.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::file::{SourceFile, unreadable};
use super::partitions;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::nearest;

/// Files behind one location; more are refused before memory goes.
const MAX_FILES: usize = 100_000;

/// The files behind `locations` on this machine, which start from `folder` where they are relative.
///
/// # Errors
/// [`ErrorKind::Source`] if there is none, or if they belong to a table format that plain reading would get wrong.
pub(super) fn local(folder: &Path, locations: &[String]) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for location in locations {
        let (root, paths) = list(folder, location)?;
        refuse_lake_tables(&paths)?;
        for path in paths {
            let partitions = partitions::of_path(&root, &path);
            files.push(SourceFile::local(path)?.in_folders(partitions));
        }
    }
    Ok(files)
}

/// The folder below which folders name partitions, and the paths behind `location`.
fn list(folder: &Path, location: &str) -> Result<(PathBuf, Vec<PathBuf>)> {
    let path = match location.split_once("://") {
        Some(("file", path)) => PathBuf::from(path),
        Some((scheme, _)) => {
            return Err(Error::new(
                ErrorKind::Source,
                format!("cannot read `{location}`: no reader for `{scheme}://`"),
            )
            .hint("copy the export to a local folder first"));
        }
        // Messages name files as the query does.
        None if folder == Path::new(".") => PathBuf::from(location),
        None => folder.join(location),
    };
    if path.is_dir() {
        let mut files = Vec::new();
        list_folder(&path, location, &mut files)?;
        files.sort();
        if files.is_empty() {
            return Err(Error::new(ErrorKind::Source, format!("`{location}` is an empty folder")));
        }
        return Ok((path, files));
    }
    if path.exists() {
        return Ok((PathBuf::new(), vec![path]));
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
    // A pattern that names a marker means markers.
    let is_wanted = |file: &Path| file.is_file() && (!is_hidden(file) || is_hidden(&path));
    let files: Vec<PathBuf> = found.into_iter().filter(|file| is_wanted(file)).collect();
    match files.len() {
        0 => Err(Error::new(ErrorKind::Source, format!("no file matches `{location}`")).hint(where_to_look(&path))),
        count if count > MAX_FILES => {
            Err(Error::new(ErrorKind::Source, format!("`{location}` matches over {MAX_FILES} files")))
        }
        _ => Ok((PathBuf::new(), files)),
    }
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
                let message = format!("`{location}` holds the folder `{}`", entry.display());
                return Err(Error::new(ErrorKind::Source, message)
                    .hint("name the files with a glob such as 'folder/**/*.parquet'"));
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

/// Refuses files of a table format, whose folders also hold deleted and superseded rows.
fn refuse_lake_tables(files: &[PathBuf]) -> Result<()> {
    let mut judged = HashSet::new();
    for folder in files.iter().flat_map(|file| file.ancestors().skip(1)) {
        if !judged.insert(folder) {
            continue;
        }
        let is_iceberg = || {
            let entries = fs::read_dir(folder.join("metadata")).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().ends_with(".metadata.json"))
        };
        let what = if folder.join("_delta_log").is_dir() {
            "a Delta Lake table"
        } else if folder.join(".hoodie").is_dir() {
            "a Hudi table"
        } else if is_iceberg() {
            "an Iceberg table"
        } else {
            continue;
        };
        let message = format!("`{}` is {what}, not plain files", folder.display());
        return Err(Error::new(ErrorKind::Source, message)
            .hint("its files also hold deleted and superseded rows: export the table first"));
    }
    Ok(())
}

/// Markers and checksums that warehouses leave beside their data: `_SUCCESS`, `.part-0.crc`.
fn is_hidden(path: &Path) -> bool {
    let is_marker = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['_', '.']));
    is_marker || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("crc"))
}
