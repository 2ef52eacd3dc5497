//! Sources: what stands behind `FROM 'path or glob'` and `CREATE EXTERNAL TABLE`.
//!
//! A location is resolved here and nowhere else, so that DataFusion's own URL tables, which take a wrong extension for
//! an empty table, are never asked. The format is recognised by content. A location without files, with empty files
//! only, or with files that hold no row is an error: nothing to read is never zero events.
//!
//! Parquet is scanned by DataFusion; everything else is read as a stream, with types that the first rows show or that the
//! query declares. No reader may change what a value says, take a damaged file for a short one, or quote a value in an
//! error. A row that cannot be read is left out, and noted in [`Unread`]. A source is what it was when it was listed: bytes
//! of another version are never read, and [`Sources::verify`] names the files that changed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use datafusion::execution::context::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::object_store::ObjectMeta;
use tokio::task::spawn_blocking;

pub use self::caught::is_caught;
pub use self::declared::Declared;
use self::file::{SourceFile, unreadable};
pub use self::report::{Note, SourceReport};
pub use self::stores::Stores;
pub use self::unread::{Damage, Spot, Spots, Unread, UnreadFile, UnreadRow};
use crate::error::{Error, ErrorKind, Result};

mod arrow;
mod avro;
mod caught;
mod crossing;
mod declared;
mod delimited;
#[cfg(feature = "delta")]
mod delta;
#[cfg(not(feature = "delta"))]
#[path = "without_delta.rs"]
mod delta;
mod described;
mod file;
mod header;
mod json;
mod lake;
mod listing;
mod manifest;
mod meaning;
mod names;
mod opening;
mod parquet;
mod partitions;
mod pin;
mod plain;
mod recognise;
mod remote;
mod report;
mod root;
mod shards;
mod stdin;
mod stores;
mod streamed;
mod typed;
mod unread;
mod widen;
mod window;

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
    opened: Mutex<Vec<Opened>>,
    of_bytes: Mutex<Arc<HashSet<String>>>,
}

/// A source that was opened.
#[derive(Clone, Debug)]
struct Opened {
    report: SourceReport,
    locations: Vec<String>,
    /// All that were listed, also those without content.
    files: Vec<SourceFile>,
    /// The table whose log names the files that are read; the files here are then those of the log that tell its state.
    table: Option<delta::Table>,
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

    /// Columns called `names`, in lower case, stay bytes in files that do not say that their bytes are text.
    pub fn keep_bytes(&self, names: HashSet<String>) {
        *self.of_bytes.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
    }

    /// The names of columns that stay bytes, in lower case.
    fn of_bytes(&self) -> Arc<HashSet<String>> {
        Arc::clone(&self.of_bytes.lock().unwrap_or_else(PoisonError::into_inner))
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

    /// Names, sizes and versions of all files, as one digest. Files on this machine are known by their time of change, so one that
    /// is rewritten with the old size and time counts as unchanged.
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
    pub async fn verify(&self, runtime: &RuntimeEnv) -> Result<()> {
        let listed = self.opened().clone();
        let mut changed = Vec::new();
        for (index, Opened { locations, files, table, .. }) in listed.iter().enumerate() {
            let found = match table {
                Some(table) => table.changes(files).await,
                None => self.list(runtime, locations).await.map(|now| pin::compare(files, &now.files)),
            };
            let pin::Changes { changed: these, appeared } = match found {
                Ok(found) => found,
                Err(error) => {
                    changed.push(format!("`{}`: {error}", locations.join("`, `")));
                    continue;
                }
            };
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
        // What an earlier look found is not held against what is there now.
        self.options.stores.forget();
        let runtime = RuntimeEnv::default();
        if self.root(&runtime, location, false).await?.is_some() {
            return Ok(Ok(()));
        }
        match self.list(&runtime, &[location.to_owned()]).await {
            Ok(_) => Ok(Ok(())),
            Err(error) => match error.kind() {
                ErrorKind::SourceRefused => Err(error),
                kind if kind.is_of_source() || kind == ErrorKind::SourceChanged => Ok(Err(error)),
                _ => Err(error),
            },
        }
    }

    /// What was opened, also where a thread died while it held it: each entry is whole.
    fn opened(&self) -> MutexGuard<'_, Vec<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
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
