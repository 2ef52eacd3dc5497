//! The store that deltalake reads a log from: it holds the files that were listed and no others, and gives no byte that was
//! not judged.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    Attributes, CopyOptions, Error as StoreError, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result as StoreResult,
};
use futures::stream::{self, BoxStream, StreamExt};

use super::actions;
use super::log::Log;
use super::protocol::Protocol;
use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::{SourceFile, unreadable};
use crate::sources::parquet::{self, Checked};
use crate::sources::pin;

/// The folder under which deltalake knows the table.
pub(super) const FOLDER: &str = "table";
/// Bytes of a file of the log in JSON.
const JSON_BYTES: u64 = 256 << 20;
/// Bytes of a file of a checkpoint.
const CHECKPOINT_BYTES: u64 = 4 << 30;
/// Bytes of commits that are kept for the next time they are asked for.
const KEPT_BYTES: usize = 64 << 20;
/// The column of a checkpoint that names its parts, and the member that is a path.
const SIDECAR: (&str, &str) = ("sidecar", "path");

/// A log that can be read, and nothing else.
pub(super) struct GuardedLog {
    files: HashMap<Path, SourceFile>,
    store: Arc<dyn ObjectStore>,
    cache: Arc<FileMetadataCache>,
    seen: Mutex<Seen>,
}

/// What was seen of a log.
#[derive(Default)]
struct Seen {
    texts: HashMap<Path, Bytes>,
    kept: usize,
    checkpoints: HashMap<Path, Arc<Checked>>,
    /// What the newest of its files that says so asks of readers.
    protocol: Option<(Path, Protocol)>,
    /// The first thing that was wrong.
    wrong: Option<Error>,
}

impl GuardedLog {
    /// That of the listed `log`, in `store`; footers of checkpoints are kept in `cache`.
    pub(super) fn new(log: &Log, store: Arc<dyn ObjectStore>, cache: Arc<FileMetadataCache>) -> Self {
        let listed: Vec<SourceFile> = log.files.values().cloned().collect();
        let files = log.files.iter().map(|(path, file)| (Path::from(format!("{FOLDER}/{path}")), file.clone()));
        let store = pin::pinned(store, &listed);
        Self { files: files.collect(), store, cache, seen: Mutex::default() }
    }

    /// The first thing that was wrong with the log, once.
    pub(super) fn wrong(&self) -> Option<Error> {
        self.seen().wrong.take()
    }

    /// What its commits ask of readers, as far as they were read.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        self.seen().protocol.as_ref().map(|(_, protocol)| protocol.clone())
    }

    /// Judges all of `files`, which are named as in the log.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] naming the first that is wrong.
    pub(super) async fn judge_all(&self, files: impl Iterator<Item = &Path>) -> Result<()> {
        for path in files {
            let location = Path::from(format!("{FOLDER}/{path}"));
            let Some(file) = self.files.get(&location) else { continue };
            if is_json(&location) {
                self.text(&location, file).await?;
            } else {
                self.checked(file).await?;
            }
        }
        Ok(())
    }

    fn file(&self, location: &Path) -> StoreResult<&SourceFile> {
        let missing = || StoreError::NotFound { path: location.to_string(), source: "it was not listed".into() };
        self.files.get(location).ok_or_else(missing)
    }

    /// The bytes of `ranges` of the file at `location`.
    async fn judged(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        let file = self.file(location)?;
        let judged = async {
            if is_json(location) {
                let text = self.text(location, file).await?;
                return Ok(ranges.iter().map(|range| part(&text, range)).collect());
            }
            self.pages(location, file, ranges).await
        };
        judged.await.map_err(|error: Error| {
            let told = error.restated();
            self.seen().wrong.get_or_insert(error);
            StoreError::Generic { store: "log", source: Box::new(told) }
        })
    }

    /// The text of a file in JSON.
    async fn text(&self, location: &Path, file: &SourceFile) -> Result<Bytes> {
        if let Some(text) = self.seen().texts.get(location) {
            return Ok(text.clone());
        }
        require_size(file, JSON_BYTES)?;
        let found = self.store.get(&file.meta.location).await;
        let text = match found {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        let text = text.map_err(|error| unreadable(file.shown(), error))?;
        let said = actions::judge(file, &text)?;
        let mut seen = self.seen();
        if let Some(protocol) = said
            && seen.protocol.as_ref().is_none_or(|(known, _)| known < location)
        {
            seen.protocol = Some((location.clone(), protocol));
        }
        if seen.kept + text.len() <= KEPT_BYTES && seen.texts.insert(location.clone(), text.clone()).is_none() {
            seen.kept += text.len();
        }
        Ok(text)
    }

    /// The bytes of `ranges` of a checkpoint.
    async fn pages(&self, location: &Path, file: &SourceFile, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let known = self.seen().checkpoints.get(location).cloned();
        let checked = if let Some(known) = known {
            known
        } else {
            let checked = Arc::new(self.checked(file).await?);
            self.seen().checkpoints.insert(location.clone(), Arc::clone(&checked));
            checked
        };
        let bytes = self.store.get_ranges(&file.meta.location, ranges).await;
        let bytes = bytes.map_err(|error| unreadable(file.shown(), error))?;
        for (range, bytes) in ranges.iter().zip(&bytes) {
            checked.judge(range, bytes)?;
        }
        Ok(bytes)
    }

    /// Judges the footer of a checkpoint, and the names that it gives to its parts.
    async fn checked(&self, file: &SourceFile) -> Result<Checked> {
        require_size(file, CHECKPOINT_BYTES)?;
        let checked = Checked::of(&self.store, file).await?;
        let (column, member) = SIDECAR;
        if checked.has(&format!("{column}.{member}")) {
            let parts = parquet::texts(&self.store, Arc::clone(&self.cache), file, column, member).await?;
            parts.iter().try_for_each(|part| actions::require_name(file, part))?;
        }
        Ok(checked)
    }

    /// What was seen, also where a reader died while it held it: each entry is whole.
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meta(&self, location: &Path) -> StoreResult<ObjectMeta> {
        let file = self.file(location)?;
        Ok(ObjectMeta { location: location.clone(), ..file.meta.clone() })
    }
}

fn is_json(location: &Path) -> bool {
    location.extension() == Some("json")
}

fn require_size(file: &SourceFile, most: u64) -> Result<()> {
    if file.meta.size <= most {
        return Ok(());
    }
    let message = format!("`{}` has {} MiB, and {} MiB is the most", file.shown(), file.meta.size >> 20, most >> 20);
    Err(Error::new(ErrorKind::Source, message).hint("the log of the table is larger than any writer makes it"))
}

fn part(text: &Bytes, range: &Range<u64>) -> Bytes {
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(text.len());
    let (start, end) = (at(range.start), at(range.end));
    text.slice(start.min(end)..end)
}

/// What the store of a log never does.
fn read_only() -> StoreError {
    StoreError::Generic { store: "log", source: "sources are read only".into() }
}

impl fmt::Display for GuardedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("log")
    }
}

impl fmt::Debug for GuardedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuardedLog")
    }
}

#[async_trait]
impl ObjectStore for GuardedLog {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        let meta = self.meta(location)?;
        let size = meta.size;
        let range = match options.range {
            None => 0..size,
            Some(GetRange::Bounded(range)) => range.start.min(size)..range.end.min(size),
            Some(GetRange::Offset(start)) => start.min(size)..size,
            Some(GetRange::Suffix(length)) => size.saturating_sub(length)..size,
        };
        // An empty file of a log is judged as well.
        let payload = if options.head {
            stream::empty().boxed()
        } else {
            let mut bytes = self.judged(location, std::slice::from_ref(&range)).await?;
            stream::iter(bytes.pop().map(Ok)).boxed()
        };
        Ok(GetResult { payload: GetResultPayload::Stream(payload), meta, range, attributes: Attributes::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.judged(location, ranges).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let is_below = |location: &&Path| prefix.is_none_or(|prefix| location.prefix_matches(prefix));
        let mut found: Vec<Path> = self.files.keys().filter(is_below).cloned().collect();
        found.sort_unstable();
        let found: Vec<StoreResult<ObjectMeta>> = found.iter().map(|location| self.meta(location)).collect();
        stream::iter(found).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> StoreResult<ListResult> {
        Err(StoreError::NotImplemented { operation: "list_with_delimiter".to_owned(), implementer: "log".to_owned() })
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> StoreResult<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> StoreResult<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    fn delete_stream(&self, _: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        stream::once(async { Err(read_only()) }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> StoreResult<()> {
        Err(read_only())
    }
}
