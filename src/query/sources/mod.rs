//! Sources: what stands behind `FROM 'path or glob'` and `CREATE EXTERNAL TABLE`.
//!
//! A location is resolved here and nowhere else, so that DataFusion's own URL tables, which take a wrong extension for
//! an empty table, are never asked. The format is recognised by content. A location without files, with empty files
//! only, or with files that hold no row is an error of [`ErrorKind::Source`]: nothing to read is never zero events.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::config::JsonOptions;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::context::SessionState;
use parquet::file::reader::{FileReader, SerializedFileReader};
use url::Url;

use self::sniff::{Format, Recognised};
use crate::error::{Error, ErrorKind, Result};
use crate::settings::nearest;

mod csv;
mod sniff;

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
    stored_as: Option<&str>,
) -> Result<Arc<dyn TableProvider>> {
    let mut files = Vec::new();
    for location in locations {
        files.extend(list(folder, location)?);
    }
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
    if let Some(declared) = stored_as
        && !recognised.is_called(declared)
    {
        return Err(Error::new(ErrorKind::Source, format!("`{shown}` is stored as {recognised}, not as {declared}")));
    }
    let (format, schema) = plan_read(state, &recognised, &readable, &shown).await?;
    let urls = readable.iter().map(|file| file_url(file)).collect::<Result<Vec<_>>>()?;
    let options = ListingOptions::new(format).with_file_extension("");
    let schema = match schema {
        Some(schema) => schema,
        None => merged_schema(state, &options, &urls).await.map_err(|error| unreadable(&shown, error))?,
    };
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
    let table = ListingTable::try_new(config).map_err(|error| unreadable(&shown, error))?;
    Ok(Arc::new(table))
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
        let missing = parent.ancestors().take_while(|folder| !folder.is_dir()).last().and_then(Path::file_name);
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
    for (marker, what) in [("_delta_log", "a Delta Lake table"), (".hoodie", "a Hudi table")] {
        if path.join(marker).exists() {
            return Err(Error::new(ErrorKind::Source, format!("`{location}` is {what}, not plain files"))
                .hint("its files also hold deleted and superseded rows: export the table first"));
        }
    }
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

/// Markers and checksums that warehouses leave beside their data: `_SUCCESS`, `.part-0.crc`.
fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(['_', '.']) || name.ends_with(".crc"))
}

/// The reader for a format, and the schema where it is not the reader's own inference.
async fn plan_read(
    state: &SessionState,
    recognised: &Recognised,
    files: &[&Path],
    shown: &str,
) -> Result<(Arc<dyn FileFormat>, Option<SchemaRef>)> {
    let no_rows = || {
        Error::new(ErrorKind::Source, format!("`{shown}` has no rows"))
            .hint("an export without a row is not zero events: check the export, or take the source out of the query")
    };
    match &recognised.format {
        Format::Parquet => {
            if !files.iter().map(|file| parquet_rows(file)).collect::<Result<Vec<_>>>()?.iter().any(|rows| *rows > 0) {
                return Err(no_rows());
            }
            let format = ParquetFormat::default().with_options(state.table_options().parquet.clone());
            Ok((Arc::new(format), None))
        }
        Format::NdJson | Format::JsonArray => {
            let options = JsonOptions { schema_infer_max_rec: Some(sniff::SAMPLE_ROWS), ..JsonOptions::default() };
            let format = JsonFormat::default()
                .with_options(options)
                .with_newline_delimited(recognised.format == Format::NdJson)
                .with_file_compression_type(recognised.compression.into());
            if recognised.format == Format::JsonArray
                && files.iter().all(|file| sniff::is_empty_array(file, recognised))
            {
                return Err(no_rows());
            }
            Ok((Arc::new(format), None))
        }
        Format::Csv { delimiter } => {
            let schema = csv::infer(files, recognised, *delimiter)?.ok_or_else(no_rows)?;
            let format = CsvFormat::default()
                .with_has_header(true)
                .with_delimiter(*delimiter)
                .with_newlines_in_values(true)
                .with_file_compression_type(recognised.compression.into());
            Ok((Arc::new(format), Some(Arc::new(schema))))
        }
    }
}

fn parquet_rows(file: &Path) -> Result<i64> {
    let corrupt = |error: parquet::errors::ParquetError| {
        Error::new(ErrorKind::Source, format!("`{}` is no readable Parquet file", file.display()))
            .hint("its footer is damaged: a transfer may have stopped half-way")
            .source(error)
    };
    let open = fs::File::open(file).map_err(|error| unreadable(&file.display().to_string(), error))?;
    Ok(SerializedFileReader::new(open).map_err(corrupt)?.metadata().file_metadata().num_rows())
}

async fn merged_schema(
    state: &SessionState,
    options: &ListingOptions,
    urls: &[ListingTableUrl],
) -> datafusion::error::Result<SchemaRef> {
    let mut schemas = Vec::with_capacity(urls.len());
    for url in urls {
        schemas.push(options.infer_schema(state, url).await?.as_ref().clone());
    }
    Ok(Arc::new(Schema::try_merge(schemas)?))
}

fn file_url(file: &Path) -> Result<ListingTableUrl> {
    let shown = file.display().to_string();
    let absolute = file.canonicalize().map_err(|error| unreadable(&shown, error))?;
    let url = Url::from_file_path(&absolute)
        .map_err(|()| Error::new(ErrorKind::Source, format!("`{shown}` is no file path")))?;
    ListingTableUrl::try_new(url, None).map_err(|error| unreadable(&shown, error))
}
