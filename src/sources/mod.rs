//! Sources: what stands behind `FROM 'path or glob'` and `CREATE EXTERNAL TABLE`.
//!
//! A location is resolved here and nowhere else, so that DataFusion's own URL tables, which take a wrong extension for
//! an empty table, are never asked. The format is recognised by content. A location without files, with empty files
//! only, or with files that hold no row is an error of [`ErrorKind::Source`]: nothing to read is never zero events.
//!
//! Parquet is scanned by DataFusion; everything else is read as a stream, with types that the first rows show or that the
//! query declares. No reader may change what a value says, take a damaged file for a short one, or quote a value in an
//! error. A row that cannot be read is left out, and noted in [`Unread`]. A source is what it was when it was listed: bytes
//! of another version are never read, and [`Sources::verify`] names the files that changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use datafusion::catalog::TableProvider;
use datafusion::execution::context::SessionState;
use datafusion::object_store::ObjectMeta;
use futures::stream::{self, StreamExt};
use tokio::task::spawn_blocking;

pub use self::declared::Declared;
use self::file::{SourceFile, unreadable};
use self::partitions::Partitions;
pub use self::report::{Note, SourceReport};
use self::sniff::{Format, Recognised};
use self::streamed::StreamedFiles;
pub use self::unread::{Damage, Unread, UnreadFile, UnreadRow};
use crate::error::{Error, ErrorKind, Result};

mod csv;
mod declared;
mod file;
mod header;
mod json;
mod listing;
mod parquet;
mod partitions;
mod pin;
mod remote;
mod report;
mod sniff;
mod streamed;
mod text;
mod typed;
mod unread;
mod whole;

/// Files that are looked at at the same time.
const AT_ONCE: usize = 16;
/// Files that a note names.
const NAMED: usize = 3;
/// How a note about new files begins.
const APPEARED: &str = "files appeared during the run";
/// What to do about a file that begins well and cannot be read.
pub const DAMAGED: &str = "the file may be damaged or cut off: check the export, or copy it again";

/// What a run says of its sources beside their locations.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where relative locations start: the folder of the query file.
    pub folder: PathBuf,
    /// Whether files that cannot be opened are left out, and noted, where there are others.
    pub skip_bad_files: bool,
}

/// The sources of one session: what was opened, and what could not be read of it.
///
/// It lives in the configuration of the session, where table definitions find it.
#[derive(Debug, Default)]
pub struct Sources {
    options: Options,
    unread: Arc<Unread>,
    opened: Mutex<Vec<Opened>>,
}

/// A source that was opened.
#[derive(Clone, Debug)]
struct Opened {
    report: SourceReport,
    locations: Vec<String>,
    /// All that were listed, also those without content.
    files: Vec<SourceFile>,
    /// Files that were not there when it was opened.
    appeared: Vec<String>,
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
        self.opened().iter().map(|opened| opened.report.clone()).collect()
    }

    /// Files behind the locations that appeared after these were opened, as [`Sources::verify`] found them.
    #[must_use]
    pub fn appeared(&self) -> Vec<String> {
        self.opened().iter().flat_map(|opened| opened.appeared.clone()).collect()
    }

    /// The file that changed last, and when; none where nothing was opened.
    #[must_use]
    pub fn newest(&self) -> Option<(String, SystemTime)> {
        let opened = self.opened();
        let files = opened.iter().flat_map(|opened| &opened.files);
        let newest = files.max_by_key(|file| file.meta.last_modified)?;
        Some((newest.shown().to_owned(), newest.meta.last_modified.into()))
    }

    /// Names, sizes and versions of all files, as one digest: two that are equal mean the same content.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut digest = blake3::Hasher::new();
        let mut add = |text: &[u8]| {
            digest.update(&(text.len() as u64).to_le_bytes()).update(text);
        };
        for file in self.opened().iter().flat_map(|opened| &opened.files) {
            let ObjectMeta { size, last_modified, e_tag, version, .. } = &file.meta;
            add(file.shown().as_bytes());
            add(&size.to_le_bytes());
            add(last_modified.to_rfc3339().as_bytes());
            add(e_tag.as_deref().unwrap_or_default().as_bytes());
            add(version.as_deref().unwrap_or_default().as_bytes());
        }
        *digest.finalize().as_bytes()
    }

    /// Makes sure that every file is still what it was when it was opened. Files that were not there then are noted.
    ///
    /// # Errors
    /// [`ErrorKind::SourceChanged`] naming the files that changed or are gone.
    pub async fn verify(&self) -> Result<()> {
        let listed = self.opened().clone();
        let mut changed = Vec::new();
        for (index, Opened { locations, files, .. }) in listed.iter().enumerate() {
            let now = match self.list(locations).await {
                Ok(now) => now,
                Err(error) => {
                    changed.push(format!("`{}`: {error}", locations.join("`, `")));
                    continue;
                }
            };
            let pin::Changes { changed: these, appeared } = pin::compare(files, &now);
            changed.extend(these);
            if let Some(opened) = self.opened().get_mut(index) {
                opened.note_appeared(appeared);
            }
        }
        if changed.is_empty() { Ok(()) } else { Err(pin::source_changed(&changed)) }
    }

    /// Whether there is a file at `location`, which may be a pattern; if not, what was found instead.
    ///
    /// # Errors
    /// What no waiting mends.
    pub async fn find(&self, location: &str) -> Result<Result<(), Error>> {
        match self.list(&[location.to_owned()]).await {
            Ok(_) => Ok(Ok(())),
            Err(error) if error.kind() == ErrorKind::Source => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }

    /// What was opened, also where a thread died while it held it: each entry is whole.
    fn opened(&self) -> MutexGuard<'_, Vec<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
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
        let files = self.list(locations).await?;
        let shown = locations.join("`, `");
        let mut recognised: Option<(Recognised, SourceFile)> = None;
        let mut readable = Vec::new();
        let mut empty = 0;
        let mut bad: Vec<(SourceFile, Error)> = Vec::new();
        for (file, this) in recognise(files.clone()).await {
            let this = match this {
                Err(error) if self.options.skip_bad_files && error.kind() == ErrorKind::Source => {
                    bad.push((file, error));
                    continue;
                }
                this => this?,
            };
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
            if let Some((_, error)) = bad.into_iter().next() {
                return Err(error);
            }
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
        let table = match self.table(state, &readable, &shown, recognised.clone(), declared).await {
            Err(error) if self.options.skip_bad_files && error.kind() == ErrorKind::Source => {
                let found = self.tell_apart(state, &readable, &recognised, declared, &mut bad).await;
                // One bad file alone is no file among others, and files that are each sound do not go together.
                if found.is_empty() || found.len() == readable.len() {
                    return Err(error);
                }
                readable = found;
                self.table(state, &readable, &shown, recognised.clone(), declared).await?
            }
            table => table?,
        };
        let mut report = SourceReport::new(locations, &recognised, &readable);
        report.empty_files = empty;
        let Some(table) = table else {
            return Err(Error::new(ErrorKind::Source, format!("`{shown}` has no rows")).hint(
                "an export without a row is not zero events: check the export, or take the source out of the query",
            ));
        };
        report.columns = report::columns(&table.schema());
        for (file, error) in bad {
            self.unread.file(file.shown(), file.meta.size, error.message().to_owned());
            let message = format!("`{}` is left out: {error}", file.shown());
            report.notes.push(Note { code: None, message, help: error.hint_text().map(str::to_owned) });
        }
        let mut opened = self.opened();
        opened.retain(|known| known.report.location != report.location);
        opened.push(Opened { report, locations: locations.to_vec(), files, appeared: Vec::new() });
        Ok(table)
    }

    /// Those of `files` that can be opened alone; the others go to `bad`, each with its error.
    async fn tell_apart(
        &self,
        state: &SessionState,
        files: &[SourceFile],
        recognised: &Recognised,
        declared: Option<&Declared>,
        bad: &mut Vec<(SourceFile, Error)>,
    ) -> Vec<SourceFile> {
        let mut sound = Vec::new();
        for file in files {
            let alone = std::slice::from_ref(file);
            match self.table(state, alone, file.shown(), recognised.clone(), declared).await {
                Ok(_) => sound.push(file.clone()),
                Err(error) => bad.push((file.clone(), error)),
            }
        }
        sound
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

    /// The files behind `locations`.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if there is none.
    async fn list(&self, locations: &[String]) -> Result<Vec<SourceFile>> {
        let (folder, locations) = (self.options.folder.clone(), locations.to_vec());
        blocking(move || listing::local(&folder, &locations)).await
    }
}

impl Opened {
    /// Takes `files` for those that were not there when it was opened.
    fn note_appeared(&mut self, files: Vec<String>) {
        self.report.notes.retain(|note| !note.message.starts_with(APPEARED));
        if !files.is_empty() {
            let named = files.iter().take(NAMED).map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", ");
            let more = if files.len() > NAMED { ", …" } else { "" };
            let message = format!("{APPEARED} and were not read: {named}{more}");
            self.report.notes.push(Note { code: None, message, help: Some("run again to read them".to_owned()) });
        }
        self.appeared = files;
    }
}

/// What each file turned out to be, or why nobody can tell; none for one without content.
async fn recognise(files: Vec<SourceFile>) -> Vec<(SourceFile, Result<Option<Recognised>>)> {
    let recognise = |file: SourceFile| async move {
        let looked_at = file.clone();
        let found = blocking(move || sniff::recognise(&looked_at)).await;
        (file, found)
    };
    stream::iter(files).map(recognise).buffered(AT_ONCE).collect().await
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
