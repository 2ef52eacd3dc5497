//! Files as they were when they were listed: bytes of another version are never taken for theirs.
//!
//! A file on this machine is known by its size, its number on the disk, and the times of its last change and of its last
//! change of state, which a writer cannot set back. It is compared after every read, so that what a reader gets was
//! there when the file was listed. An object is known by its `ETag`, which its store compares: `stores` pins those.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::object_store::{
    self, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::task::spawn_blocking;

use super::file::{Place, SourceFile};
use crate::error::{Error, ErrorKind};

/// What to do about a file that changed.
const RUN_AGAIN: &str =
    "run again when the export has finished, which --wait-for can see to: what was accepted is not sent twice";
/// Changed files that an error names.
const NAMED: usize = 3;

/// What tells one content of a file on this machine from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    state_changed: (i64, i64),
}

impl Stamp {
    /// That of a regular file; what flows through a pipe has none.
    pub(super) fn of(found: &Metadata) -> Option<Self> {
        found.is_file().then(|| Self {
            inode: found.ino(),
            size: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            state_changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    fn is_still_of(self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| Self::of(&found) == Some(self))
    }
}

/// The bytes of a file on this machine, as long as it is the one that was listed.
pub(super) struct Reader {
    file: File,
    stamp: Option<Stamp>,
}

impl Reader {
    pub(super) fn new(file: File, stamp: Option<Stamp>) -> Self {
        Self { file, stamp }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        // What was read before a change is what was listed; nobody can tell whether this was.
        if self.stamp.is_some() && Stamp::of(&self.file.metadata()?) != self.stamp {
            return Err(io::Error::other(Changed));
        }
        Ok(count)
    }
}

/// What a reader says of a file that is not the one that was listed; [`compare`] tells more.
#[derive(Debug)]
struct Changed;

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the file changed while it was read")
    }
}

impl std::error::Error for Changed {}

/// Whether `error`, or what it came from, is that a file has changed.
pub(super) fn is_change(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<Changed>() || inner.is_some_and(|inner| is_change(inner)) || error.source().is_some_and(is_change)
}

/// `store`, which gives the bytes of `files` only as they were listed. A bucket does so by itself.
pub(super) fn pinned(store: Arc<dyn ObjectStore>, files: &[SourceFile]) -> Arc<dyn ObjectStore> {
    match files.first().map(SourceFile::place) {
        Some(Place::Object { .. }) => store,
        Some(Place::Local(_)) | None => Arc::new(PinnedLocal::new(store, files)),
    }
}

/// The files of this machine as a store that gives their bytes only as they were listed.
#[derive(Debug)]
struct PinnedLocal {
    store: Arc<dyn ObjectStore>,
    files: HashMap<ObjectPath, SourceFile>,
}

impl PinnedLocal {
    /// `store`, which holds `files`.
    fn new(store: Arc<dyn ObjectStore>, files: &[SourceFile]) -> Self {
        let files = files.iter().map(|file| (file.meta.location.clone(), file.clone())).collect();
        Self { store, files }
    }

    /// Whether bytes that were read just now are those of the listed file.
    async fn assure(&self, location: &ObjectPath) -> object_store::Result<()> {
        let Some(file) = self.files.get(location) else { return Ok(()) };
        let (Some(path), Some(stamp)) = (file.path().map(Path::to_owned), file.stamp) else { return Ok(()) };
        match spawn_blocking(move || stamp.is_still_of(&path)).await {
            Ok(true) => Ok(()),
            _ => Err(generic(Changed)),
        }
    }
}

impl fmt::Display for PinnedLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for PinnedLocal {
    async fn put_opts(&self, _: &ObjectPath, _: PutPayload, _: PutOptions) -> object_store::Result<PutResult> {
        Err(generic("sources are read only"))
    }

    async fn put_multipart_opts(
        &self,
        _: &ObjectPath,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        Err(generic("sources are read only"))
    }

    async fn get_opts(&self, location: &ObjectPath, options: GetOptions) -> object_store::Result<GetResult> {
        let found = self.store.get_opts(location, options).await?;
        let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
        let bytes = found.bytes().await?;
        self.assure(location).await?;
        let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, location: &ObjectPath, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        let bytes = self.store.get_ranges(location, ranges).await?;
        self.assure(location).await?;
        Ok(bytes)
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, object_store::Result<ObjectPath>>,
    ) -> BoxStream<'static, object_store::Result<ObjectPath>> {
        stream::once(async { Err(generic("sources are read only")) }).boxed()
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> object_store::Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &ObjectPath, _: &ObjectPath, _: CopyOptions) -> object_store::Result<()> {
        Err(generic("sources are read only"))
    }
}

fn generic(words: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: "sources", source: words.into() }
}

/// How files differ from what was listed before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Each in words, with the file.
    pub(super) changed: Vec<String>,
    /// Files that were not there.
    pub(super) appeared: Vec<String>,
}

/// Compares the files that were listed `before` with those that are there `now`.
pub(super) fn compare(before: &[SourceFile], now: &[SourceFile]) -> Changes {
    let found: HashMap<&str, &SourceFile> = now.iter().map(|file| (file.shown(), file)).collect();
    let known: BTreeSet<&str> = before.iter().map(SourceFile::shown).collect();
    let changed = before.iter().filter_map(|old| {
        let what = found.get(old.shown()).map_or_else(|| Some("it is gone".to_owned()), |new| difference(old, new))?;
        Some(format!("`{}`: {what}", old.shown()))
    });
    let appeared = now.iter().map(SourceFile::shown).filter(|file| !known.contains(file)).map(str::to_owned);
    Changes { changed: changed.collect(), appeared: appeared.collect() }
}

/// What happened to the file `old`, which is `new` now; none if nothing did.
fn difference(old: &SourceFile, new: &SourceFile) -> Option<String> {
    let (before, now) = (old.meta.size, new.meta.size);
    let is_replaced = matches!((old.stamp, new.stamp), (Some(old), Some(new)) if old.inode != new.inode);
    let is_same = old.stamp == new.stamp
        && (&old.meta.e_tag, &old.meta.version) == (&new.meta.e_tag, &new.meta.version)
        && (old.meta.e_tag.is_some() || old.stamp.is_some() || old.meta.last_modified == new.meta.last_modified);
    if is_replaced {
        Some("another file took its place".to_owned())
    } else if now > before {
        Some(format!("it grew from {before} to {now} bytes"))
    } else if now < before {
        Some(format!("it shrank from {before} to {now} bytes"))
    } else if is_same {
        None
    } else {
        Some("it was written again".to_owned())
    }
}

/// The error of a file that messages call `shown`, of which other bytes came than were listed.
pub(super) fn changed_while_read(shown: &str) -> Error {
    Error::new(ErrorKind::SourceChanged, format!("`{shown}` changed while it was read")).hint(RUN_AGAIN)
}

/// The error of sources that are not what they were when the run began.
pub(super) fn source_changed(changed: &[String]) -> Error {
    let named = changed.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = match changed.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Error::new(ErrorKind::SourceChanged, format!("a source changed during the run: {named}{more}")).hint(RUN_AGAIN)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn listed(path: &Path) -> SourceFile {
        SourceFile::local(path.to_owned()).unwrap()
    }

    fn change(path: &Path, before: &SourceFile) -> Option<String> {
        difference(before, &listed(path))
    }

    #[test]
    fn every_way_to_change_a_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, "a\n1\n").unwrap();
        let before = listed(&path);
        assert_eq!(change(&path, &before), None);
        fs::write(&path, "a\n1\n2\n").unwrap();
        assert_eq!(change(&path, &before).unwrap(), "it grew from 4 to 6 bytes");
        fs::write(&path, "a").unwrap();
        assert_eq!(change(&path, &before).unwrap(), "it shrank from 4 to 1 bytes");
        let file = File::options().write(true).truncate(true).open(&path).unwrap();
        (&file).write_all(b"a\n2\n").unwrap();
        file.set_modified(before.meta.last_modified.into()).unwrap();
        assert_eq!(listed(&path).meta.last_modified, before.meta.last_modified);
        assert_eq!(change(&path, &before).unwrap(), "it was written again");
        fs::write(folder.path().join("b.csv"), "a\n1\n").unwrap();
        fs::rename(folder.path().join("b.csv"), &path).unwrap();
        assert_eq!(change(&path, &before).unwrap(), "another file took its place");
    }

    #[test]
    fn files_that_come_and_go_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let [old, kept, new] = ["old", "kept", "new"].map(|name| folder.path().join(name));
        for path in [&old, &kept, &new] {
            fs::write(path, "x").unwrap();
        }
        let changes = compare(&[listed(&old), listed(&kept)], &[listed(&kept), listed(&new)]);
        assert_eq!(changes.changed, [format!("`{}`: it is gone", old.display())]);
        assert_eq!(changes.appeared, [new.display().to_string()]);
    }

    #[test]
    fn nothing_is_read_of_a_file_that_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, "a\n1\n").unwrap();
        let before = listed(&path);
        let mut text = String::new();
        before.open().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "a\n1\n");
        let mut open = before.open().unwrap();
        File::options().append(true).open(&path).unwrap().write_all(b"2\n").unwrap();
        assert_eq!(open.read(&mut [0; 8]).unwrap_err().to_string(), Changed.to_string());
    }

    #[tokio::test]
    async fn ranges_of_a_file_that_changed_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "0123456789").unwrap();
        let file = listed(&path);
        let local = Arc::new(object_store::local::LocalFileSystem::new());
        let store = PinnedLocal::new(local, std::slice::from_ref(&file));
        let ranges = [2..4, 6..8];
        let read = store.get_ranges(&file.meta.location, &ranges).await.unwrap();
        assert_eq!(read, ["23", "67"]);
        fs::write(&path, "0123456789").unwrap();
        File::options().append(true).open(&path).unwrap().write_all(b"x").unwrap();
        let refused = store.get_ranges(&file.meta.location, &ranges).await.unwrap_err();
        assert!(is_change(&refused), "{refused}");
        assert!(store.get_opts(&file.meta.location, GetOptions::default()).await.is_err());
    }
}
