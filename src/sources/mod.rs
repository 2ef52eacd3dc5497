//! Sources: what stands behind `FROM 'path or glob'` and `CREATE EXTERNAL TABLE`.
//!
//! A location is resolved here and nowhere else, so that DataFusion's own URL tables, which take a wrong extension for
//! an empty table, are never asked. The format is recognised by content. A location without files, with empty files
//! only, or with files that hold no row is an error of [`ErrorKind::Source`]: nothing to read is never zero events.
//!
//! Parquet is scanned by DataFusion; everything else is read as a stream, with types that the first rows show or that the
//! query declares. No reader may change what a value says, take a damaged file for a short one, or quote a value in an
//! error. A row that cannot be read is left out, and noted in [`Unread`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::catalog::TableProvider;
use datafusion::execution::context::SessionState;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::task::spawn_blocking;

pub use self::declared::Declared;
use self::file::{SourceFile, unreadable};
use self::partitions::Partitions;
pub use self::report::{Note, SourceReport};
use self::sniff::{Format, Recognised};
pub use self::stores::Stores;
use self::streamed::StreamedFiles;
pub use self::unread::{Damage, Unread, UnreadRow};
use crate::error::{Error, ErrorKind, Result};

mod csv;
mod declared;
mod file;
mod header;
mod json;
mod listing;
mod parquet;
mod partitions;
mod remote;
mod report;
mod sniff;
mod stores;
mod streamed;
mod text;
mod typed;
mod unread;
mod whole;

/// Files that are looked at at the same time.
const AT_ONCE: usize = 16;
/// What to do about a file that begins well and cannot be read.
pub const DAMAGED: &str = "the file may be damaged or cut off: check the export, or copy it again";

/// What a run says of its sources beside their locations.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where relative locations start: the folder of the query file.
    pub folder: PathBuf,
    /// How buckets are reached.
    pub stores: Stores,
}

/// The sources of one session: what was opened, and what could not be read of it.
///
/// It lives in the configuration of the session, where table definitions find it.
#[derive(Debug, Default)]
pub struct Sources {
    options: Options,
    unread: Arc<Unread>,
    opened: Mutex<Vec<(SourceReport, Vec<SourceFile>)>>,
}

impl Sources {
    /// Without a source so far.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Those of a session.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for a session that was made without.
    pub fn of(state: &SessionState) -> Result<Arc<Self>> {
        let found = state.config().get_extension::<Self>();
        found.ok_or_else(|| Error::new(ErrorKind::Internal, "the session knows no sources"))
    }

    /// What was left out while reading, so far.
    #[must_use]
    pub fn unread(&self) -> &Unread {
        &self.unread
    }

    /// What was opened, in the order in which it was, each location once.
    #[must_use]
    pub fn reports(&self) -> Vec<SourceReport> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.iter().map(|(report, _)| report.clone()).collect()
    }

    /// Opens the files behind `locations` as one table of the session.
    ///
    /// # Errors
    /// [`ErrorKind::Source`], naming the file, if there is none, if they are of several formats or of none known, if they
    /// hold no row, or if they cannot be read.
    pub async fn open(
        &self,
        state: &SessionState,
        locations: &[String],
        declared: Option<&Declared>,
    ) -> Result<Arc<dyn TableProvider>> {
        let files = self.list(state, locations).await?;
        let shown = locations.join("`, `");
        let mut recognised: Option<(Recognised, SourceFile)> = None;
        let mut readable = Vec::new();
        let mut empty = 0;
        for (file, this) in recognise(files).await? {
            let Some(this) = this else {
                empty += 1;
                continue;
            };
            match &recognised {
                Some((first, first_file)) if *first != this => {
                    return Err(Error::new(ErrorKind::Source, format!("`{shown}` mixes formats: {first} and {this}"))
                        .context("file", first_file.shown())
                        .context("file", file.shown())
                        .hint("read them as two tables"));
                }
                Some(_) => {}
                None => recognised = Some((this, file.clone())),
            }
            readable.push(file);
        }
        let Some((mut recognised, _)) = recognised else {
            return Err(Error::new(ErrorKind::Source, format!("`{shown}` is empty"))
                .context("files", empty)
                .hint("an export without a byte is not zero rows: check that it was written"));
        };
        if let Some(declared) = declared {
            if !recognised.is_called(&declared.stored_as) {
                let message = format!("`{shown}` is stored as {recognised}, not as {}", declared.stored_as);
                return Err(Error::new(ErrorKind::Source, message));
            }
            recognised.format = declared.format(recognised.format);
        }
        let mut report = SourceReport::new(locations, &recognised, &readable);
        report.empty_files = empty;
        let table = self.table(state, &readable, &shown, recognised, declared).await?;
        let Some(table) = table else {
            return Err(Error::new(ErrorKind::Source, format!("`{shown}` has no rows")).hint(
                "an export without a row is not zero events: check the export, or take the source out of the query",
            ));
        };
        report.columns = report::columns(&table.schema());
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|(known, _)| known.location != report.location);
        opened.push((report, readable));
        Ok(table)
    }

    /// The table of `files`, all `recognised` as the same; `None` if none of them has a row.
    async fn table(
        &self,
        state: &SessionState,
        files: &[SourceFile],
        shown: &str,
        recognised: Recognised,
        declared: Option<&Declared>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let columns = declared.and_then(|declared| declared.columns.clone());
        let of_folders = declared.map_or_else(Vec::new, |declared| declared.partitions.clone());
        if recognised.format == Format::Parquet {
            return parquet::table(state, files, shown, columns, &of_folders).await;
        }
        let (sampled, format, given) = (files.to_vec(), recognised.clone(), columns.clone());
        let inferred = blocking(move || match format.format {
            Format::Csv(dialect) => csv::infer(&sampled, &format, dialect, given.as_deref()),
            _ => json::infer(&sampled, &format),
        });
        let Some(inferred) = inferred.await? else { return Ok(None) };
        let columns = columns.unwrap_or_else(|| Arc::new(inferred));
        let partitions = Partitions::of(files, &columns, &of_folders)?;
        let unread = Arc::clone(&self.unread);
        Ok(Some(Arc::new(StreamedFiles::new(recognised, columns, files, partitions, unread))))
    }

    /// The files behind `locations`, which are on this machine or in one bucket.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if there is none.
    async fn list(&self, state: &SessionState, locations: &[String]) -> Result<Vec<SourceFile>> {
        let mut files: Vec<SourceFile> = Vec::new();
        for location in locations {
            let found = if let Some(remote) = stores::Location::parse(location)? {
                self.options.stores.list(state.runtime_env(), &remote).await?
            } else {
                let (folder, location) = (self.options.folder.clone(), location.clone());
                blocking(move || listing::local(&folder, &[location])).await?
            };
            let (first, other) = (files.first(), found.first());
            if let (Some(first), Some(other)) = (first, other)
                && first.store() != other.store()
            {
                return Err(Error::new(ErrorKind::Source, "the locations of a table lie in several places")
                    .context("file", first.shown())
                    .context("file", other.shown())
                    .hint("read them as two tables"));
            }
            files.extend(found);
        }
        Ok(files)
    }
}

/// What each file turned out to be; none for one without content.
async fn recognise(files: Vec<SourceFile>) -> Result<Vec<(SourceFile, Option<Recognised>)>> {
    let recognise = |file: SourceFile| blocking(move || sniff::recognise(&file).map(|found| (file, found)));
    stream::iter(files).map(recognise).buffered(AT_ONCE).try_collect().await
}

/// Runs what blocks where blocking is allowed.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "reading a source crashed").source(error))?
}

/// Whether a table name in SQL is meant as a location.
#[must_use]
pub fn is_location(name: &str) -> bool {
    name.contains(['/', '\\', '*', '?', '[']) || name.contains("://") || Path::new(name).extension().is_some()
}
