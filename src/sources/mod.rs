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
use self::declared::Given;
use self::file::{SourceFile, unreadable};
use self::listing::Listed;
use self::manifest::Manifest;
use self::partitions::Partitions;
use self::recognise::{Format, Recognised};
use self::report::Inferred;
pub use self::report::{Note, SourceReport};
pub use self::stores::Stores;
use self::streamed::StreamedFiles;
pub use self::unread::{Damage, Unread, UnreadRow};
use crate::error::{Error, ErrorKind, Result};

mod arrow;
mod avro;
mod declared;
mod delimited;
mod described;
mod file;
mod header;
mod json;
mod lake;
mod listing;
mod manifest;
mod meaning;
mod names;
mod parquet;
mod partitions;
mod plain;
mod recognise;
mod remote;
mod report;
mod shards;
mod stdin;
mod stores;
mod streamed;
mod typed;
mod unread;
mod window;

/// Files that are looked at at the same time.
const AT_ONCE: usize = 16;
/// What to do about a file that begins well and cannot be read.
pub const DAMAGED: &str = "the file may be damaged or cut off: check the export, or copy it again";

/// What a run says of its sources beside their locations.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where relative locations start: the folder of the query file.
    pub folder: PathBuf,
    /// Whether a file that cannot be read is left out and noted, in place of being an error.
    pub skip_bad_files: bool,
    /// Where standard input is kept: a private folder that goes with the process.
    pub spool: PathBuf,
    /// Whether files of a table format are read as if nothing in them were deleted.
    pub plain_lake_files: bool,
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
        let Listed { files, notes, .. } = self.list(state, locations).await?;
        let shown = locations.join("`, `");
        let given = declared.map_or_else(Given::default, |declared| declared.given.clone());
        let mut recognised: Option<(Recognised, SourceFile)> = None;
        let mut readable = Vec::new();
        let mut empty = 0;
        for (file, this) in recognise(files, &given).await? {
            let Some(this) = this else {
                empty += 1;
                continue;
            };
            if declared.is_none() {
                header::is_header(&file, &shown, &this.signs, None)?;
            }
            match &mut recognised {
                Some((first, first_file)) => {
                    let before = first.format.clone();
                    if !first.agree(&this, &given) {
                        let message = format!("`{shown}` mixes formats: {before} and {}", this.format);
                        return Err(Error::new(ErrorKind::Source, message)
                            .context("file", first_file.shown())
                            .context("file", file.shown())
                            .hint("read them as two tables"));
                    }
                }
                None => recognised = Some((this, file.clone())),
            }
            readable.push(file);
        }
        let Some((mut recognised, first_file)) = recognised else {
            return Err(Error::new(ErrorKind::Source, format!("`{shown}` is empty"))
                .context("files", empty)
                .hint("an export without a byte is not zero rows: check that it was written"));
        };
        if let Some(declared) = declared {
            if !recognised.format.is_called(&declared.stored_as) {
                let message = format!("`{shown}` is stored as {}, not as {}", recognised.format, declared.stored_as);
                return Err(Error::new(ErrorKind::Source, message));
            }
            if let Format::Csv(dialect) = &mut recognised.format
                && given.has_header.is_none()
            {
                let columns = declared.columns.as_deref();
                dialect.has_header = header::is_header(&first_file, &shown, &recognised.signs, columns)?;
            }
        }
        let mut report = SourceReport::new(locations, &recognised.format, &readable);
        if recognised.is_encoding_assumed {
            report.notes.push(Note::encoding_assumed(&readable));
        }
        report.empty_files = empty;
        report.notes.extend(notes);
        let table = self.table(state, &readable, &shown, recognised.format, declared, &mut report.notes).await?;
        let Some(table) = table else {
            return Err(Error::new(ErrorKind::Source, format!("`{shown}` has no rows")).hint(
                "an export without a row is not zero events: check the export, or take the source out of the query",
            ));
        };
        let columns = table.schema();
        let in_files: Vec<String> = columns.fields().iter().map(|field| field.name().clone()).collect();
        report.notes.extend(names::notes(&in_files));
        let table = match declared.and_then(|declared| declared.columns.as_ref()) {
            Some(columns) => names::declared(table, columns),
            None => names::shown(table),
        };
        report.columns = report::columns(&table.schema());
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|(known, _)| known.location != report.location);
        opened.push((report, readable));
        Ok(table)
    }

    /// The table of `files`, all of the same `format`; what there is to know is added to `notes`. `None` if none of them
    /// has a row.
    async fn table(
        &self,
        state: &SessionState,
        files: &[SourceFile],
        shown: &str,
        format: Format,
        declared: Option<&Declared>,
        notes: &mut Vec<Note>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let columns = declared.and_then(|declared| declared.columns.clone());
        let of_folders = declared.map_or_else(Vec::new, |declared| declared.partitions.clone());
        if format == Format::Parquet {
            let skipped = self.options.skip_bad_files.then_some(self.unread.as_ref());
            let opening = parquet::Opening { state, shown, columns, of_folders: &of_folders, skipped };
            return opening.table(files, notes).await;
        }
        let (sampled, inferred_of, given) = (files.to_vec(), format.clone(), columns.clone());
        let inferred = blocking(move || match &inferred_of {
            Format::Csv(dialect) => delimited::infer(&sampled, dialect, given.as_deref()),
            Format::Arrow | Format::Avro => described::infer(&sampled, &inferred_of, given.as_deref()),
            format => json::infer(&sampled, format),
        });
        let Some(inferred) = inferred.await? else { return Ok(None) };
        let Inferred { schema, notes: assumed } = inferred;
        notes.extend(assumed);
        let columns = match (columns, &format) {
            (None, _) => Arc::new(schema),
            // The columns of delimited text are those of its places, and the others are found by name.
            (Some(declared), Format::Csv(_)) => declared,
            (Some(declared), _) => names::spelled(&declared, &schema),
        };
        let partitions = Partitions::of(files, &columns, &of_folders)?;
        let unread = Arc::clone(&self.unread);
        Ok(Some(Arc::new(StreamedFiles::new(format, columns, files, partitions, unread))))
    }

    /// The files behind `locations`, which are on this machine or in one bucket, and those that a manifest among them lists.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if there is none.
    async fn list(&self, state: &SessionState, locations: &[String]) -> Result<Listed> {
        let mut all = Listed::default();
        for location in locations {
            let mut listed = self.find(state, location).await?;
            let manifest = match listed.files.first().filter(|_| listed.is_named) {
                Some(file) => {
                    let file = file.clone();
                    blocking(move || Ok(Manifest::of(&file)?.map(|manifest| (manifest, file)))).await?
                }
                None => None,
            };
            match manifest {
                Some((manifest, list)) => listed = self.listed_by(state, &manifest, &list).await?,
                None => listed.notes.extend(shards::notes(&listed.files)),
            }
            all.files.append(&mut listed.files);
            all.notes.append(&mut listed.notes);
        }
        let other = all.files.iter().find(|file| file.store() != all.files[0].store());
        if let Some(other) = other {
            return Err(Error::new(ErrorKind::Source, "the locations of a table lie in several places")
                .context("file", all.files[0].shown())
                .context("file", other.shown())
                .hint("read them as two tables"));
        }
        Ok(all)
    }

    /// The files behind `location`.
    async fn find(&self, state: &SessionState, location: &str) -> Result<Listed> {
        if let Some(remote) = stores::Location::parse(location)? {
            let files = self.options.stores.list(state.runtime_env(), &remote).await?;
            let is_named = !location.contains(['*', '?', '[']) && files.len() == 1;
            return Ok(Listed { files, is_named, ..Listed::default() });
        }
        let (options, location) = (self.options.clone(), location.to_owned());
        blocking(move || listing::local(&options, &location)).await
    }

    /// The files that `manifest` names, which stands in `list`.
    async fn listed_by(&self, state: &SessionState, manifest: &Manifest, list: &SourceFile) -> Result<Listed> {
        let mut listed = Listed::default();
        let message = format!("the manifest `{}` lists {} files", list.shown(), manifest.entries.len());
        listed.notes.push(Note { code: None, message, help: None });
        for entry in &manifest.entries {
            match self.find(state, &entry.location(list)).await {
                Ok(Listed { files, .. }) => {
                    files.iter().try_for_each(|file| entry.judge(file, list))?;
                    listed.files.extend(files);
                }
                Err(error) if entry.mandatory => return Err(error.context("manifest", list.shown())),
                Err(error) => listed.notes.push(Note {
                    code: None,
                    message: format!("{error}; the manifest does not call it mandatory"),
                    help: None,
                }),
            }
        }
        Ok(listed)
    }
}

/// What each file turned out to be; none for one without content.
async fn recognise(files: Vec<SourceFile>, given: &Given) -> Result<Vec<(SourceFile, Option<Recognised>)>> {
    let count = files.len();
    let recognise = |mut file: SourceFile| {
        let given = given.clone();
        blocking(move || recognise::recognise(&mut file, count, &given).map(|found| (file, found)))
    };
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
