//! Sources: what stands behind `FROM 'path or glob'` and `CREATE EXTERNAL TABLE`.
//!
//! A location is resolved here and nowhere else, so that DataFusion's own URL tables, which take a wrong extension for
//! an empty table, are never asked. The format is recognised by content. A location without files, with empty files
//! only, or with files that hold no row is an error of [`ErrorKind::Source`]: nothing to read is never zero events.
//!
//! Parquet is read by DataFusion; CSV and JSON are read in `text`, from types that the first rows show or that the query
//! declares. No reader may change what a value says, take a damaged file for a short one, or quote a value in an error.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::execution::context::SessionState;

pub(super) use self::declared::Declared;
use self::sniff::{Format, Recognised};
use self::text::TextFiles;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::nearest;

mod csv;
mod declared;
mod footers;
mod header;
mod json;
mod sniff;
mod text;
mod typed;
mod whole;

/// Files behind one location; more are refused before memory goes.
const MAX_FILES: usize = 100_000;
/// What to do about a file that begins well and cannot be read.
pub(super) const DAMAGED: &str = "the file may be damaged or cut off: check the export, or copy it again";

/// Opens the files behind `locations` as one table. Relative locations start from `folder`.
///
/// # Errors
/// [`ErrorKind::Source`], naming the file, if there is none, if they are of several formats or of none known, if they
/// hold no row, or if they cannot be read.
pub(super) async fn open(
    state: &SessionState,
    folder: &Path,
    locations: &[String],
    declared: Option<&Declared>,
) -> Result<Arc<dyn TableProvider>> {
    let files = require(folder, locations)?;
    let shown = locations.join("`, `");
    let mut recognised: Option<(Recognised, &Path)> = None;
    let mut readable = Vec::new();
    for file in &files {
        let Some(this) = sniff::recognise(file)? else { continue };
        match &recognised {
            Some((first, first_file)) if *first != this => {
                return Err(Error::new(ErrorKind::Source, format!("`{shown}` mixes formats: {first} and {this}"))
                    .context("file", first_file.display())
                    .context("file", file.display())
                    .hint("read them as two tables"));
            }
            Some(_) => {}
            None => recognised = Some((this, file)),
        }
        readable.push(file.as_path());
    }
    let Some((recognised, _)) = recognised else {
        return Err(Error::new(ErrorKind::Source, format!("`{shown}` is empty"))
            .context("files", files.len())
            .hint("an export without a byte is not zero rows: check that it was written"));
    };
    let mut recognised = recognised;
    if let Some(declared) = declared {
        if !recognised.is_called(&declared.stored_as) {
            let message = format!("`{shown}` is stored as {recognised}, not as {}", declared.stored_as);
            return Err(Error::new(ErrorKind::Source, message));
        }
        recognised.format = declared.format(recognised.format);
    }
    let columns = declared.and_then(|declared| declared.columns.clone());
    let no_rows = || {
        Error::new(ErrorKind::Source, format!("`{shown}` has no rows"))
            .hint("an export without a row is not zero events: check the export, or take the source out of the query")
    };
    let inferred = match recognised.format {
        Format::Parquet => {
            return footers::table(state, &readable, &shown, columns).await?.ok_or_else(no_rows);
        }
        Format::NdJson | Format::JsonArray => json::infer(&readable, &recognised)?,
        Format::Csv(dialect) => csv::infer(&readable, &recognised, dialect, columns.as_deref())?,
    };
    let inferred = Arc::new(inferred.ok_or_else(no_rows)?);
    Ok(Arc::new(TextFiles::new(recognised, columns.unwrap_or(inferred), &readable)))
}

/// The files behind `locations`.
///
/// # Errors
/// [`ErrorKind::Source`] if there is none, or if they belong to a table format that plain reading would get wrong.
pub(super) fn require(folder: &Path, locations: &[String]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for location in locations {
        files.extend(list(folder, location)?);
    }
    refuse_lake_tables(&files)?;
    Ok(files)
}

/// Whether a table name in SQL is meant as a location.
pub(super) fn is_location(name: &str) -> bool {
    name.contains(['/', '\\', '*', '?', '[']) || name.contains("://") || Path::new(name).extension().is_some()
}

fn unreadable(shown: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Source, format!("cannot read `{shown}`")).hint(DAMAGED).source(error)
}

fn list(folder: &Path, location: &str) -> Result<Vec<PathBuf>> {
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
        return list_folder(&path, location);
    }
    if path.exists() {
        return Ok(vec![path]);
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
    let files: Vec<PathBuf> = found.into_iter().filter(|file| file.is_file() && !is_hidden(file)).collect();
    match files.len() {
        0 => Err(Error::new(ErrorKind::Source, format!("no file matches `{location}`")).hint(where_to_look(&path))),
        count if count > MAX_FILES => {
            Err(Error::new(ErrorKind::Source, format!("`{location}` matches over {MAX_FILES} files")))
        }
        _ => Ok(files),
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

fn list_folder(path: &Path, location: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(location, error))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.path();
        if is_hidden(&entry) {
            continue;
        }
        if entry.is_dir() {
            return Err(Error::new(ErrorKind::Source, format!("`{location}` holds the folder `{}`", entry.display()))
                .hint("name the files with a glob such as 'folder/**/*.parquet'"));
        }
        files.push(entry);
    }
    files.sort();
    match files.len() {
        0 => Err(Error::new(ErrorKind::Source, format!("`{location}` is an empty folder"))),
        count if count > MAX_FILES => {
            Err(Error::new(ErrorKind::Source, format!("`{location}` holds over {MAX_FILES} files")))
        }
        _ => Ok(files),
    }
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
