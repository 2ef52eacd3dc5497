//! The objects of a bucket, each as it was when it was listed.
//!
//! Invariants
//! - Every read names the entity tag of the listing, and what an answer says of itself is compared with it: an object that was
//!   replaced is an error, never a mixture.
//! - Objects are read in parts, each a request of its own with its own end and its own few tries. Nothing is open while
//!   rows are worked on, so that a slow query loses no connection, and what is in memory is two parts.
//! - Errors are ours, from [`refusal`](super::refusal); of what the client says nothing is shown.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    Attributes, CopyOptions, Error as StoreError, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use super::heads::Heads;
use super::location::{Location, Vendor};
use super::refusal;
use crate::error::{Error, ErrorKind};
use crate::sources::lake::Kind;
use crate::sources::{DAMAGED, pin};

/// The first part of an object: formats are recognised by it. Each next one is four times as large, up to the largest.
const FIRST_PART: u64 = 64 << 10;
/// The largest part.
const LARGEST_PART: u64 = 4 << 20;
/// Parts of one read that are fetched at the same time.
const PARTS_AT_ONCE: usize = 2;
/// For one part with all its tries.
const PART_TIMEOUT: Duration = Duration::from_mins(1);
/// Between two pieces of an object that comes as a whole.
const IDLE: Duration = Duration::from_secs(30);

/// What was listed, by the path that DataFusion knows.
type Pins = Arc<RwLock<HashMap<Path, ObjectMeta>>>;

/// One bucket.
pub(super) struct PinnedStore {
    inner: Arc<dyn ObjectStore>,
    location: Arc<Location>,
    /// The URL under which DataFusion knows it.
    url: Arc<str>,
    /// Whether it sends parts of objects.
    has_ranges: bool,
    /// By the path that DataFusion knows, which no two buckets share: its caches ask for no more than the path.
    pins: Pins,
    heads: Arc<Heads>,
    /// What folders are roots of, each asked for once.
    tables: Mutex<HashMap<String, Arc<OnceCell<Option<Kind>>>>>,
}

impl PinnedStore {
    /// The bucket of `location` behind the client `inner`, which sends parts of objects if it `has_ranges`.
    pub(super) fn new(inner: Arc<dyn ObjectStore>, location: Location, url: Arc<str>, has_ranges: bool) -> Self {
        let (pins, heads, tables) = (Arc::default(), Arc::default(), Mutex::default());
        Self { inner, location: Arc::new(location), url, has_ranges, pins, heads, tables }
    }

    /// What the folder `root` is the root of: as it was `asked` first.
    ///
    /// # Errors
    /// Those of asking.
    pub(super) async fn table_at(
        &self,
        root: &str,
        asked: impl Future<Output = crate::error::Result<Option<Kind>>>,
    ) -> crate::error::Result<Option<Kind>> {
        let known = {
            let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(tables.entry(root.to_owned()).or_default())
        };
        known.get_or_try_init(|| asked).await.copied()
    }

    /// The URL under which DataFusion knows it.
    pub(super) fn url(&self) -> &Arc<str> {
        &self.url
    }

    /// The client behind it, for listing.
    pub(super) fn client(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }

    /// The object that `found` describes, from now on in this state; under the path by which it is read here.
    ///
    /// # Errors
    /// [`ErrorKind::SourceChanged`] if it was listed in another state before.
    pub(super) fn pin(&self, found: ObjectMeta) -> crate::error::Result<ObjectMeta> {
        let shown = self.location.shown(found.location.as_ref());
        let path = format!("{}/{}", self.location.identity().replace("://", "/"), found.location);
        let path: Path = path.split('/').filter(|part| !part.is_empty()).collect();
        let known = ObjectMeta { location: path.clone(), ..found.clone() };
        let mut pins = self.pins.write().unwrap_or_else(PoisonError::into_inner);
        match pins.get(&path) {
            Some(earlier) if is_other(&self.location, earlier, &found) => {
                return Err(pin::changed_while_read(&shown));
            }
            Some(_) => {}
            None => {
                self.heads.listed(&path);
                pins.insert(path, found);
            }
        }
        Ok(known)
    }

    fn pinned(&self, location: &Path) -> Result<ObjectMeta> {
        let pins = self.pins.read().unwrap_or_else(PoisonError::into_inner);
        pins.get(location).cloned().ok_or_else(|| {
            ours(Error::new(ErrorKind::Internal, "an object is read that was not listed").context("file", location))
        })
    }

    fn told(&self, pin: &ObjectMeta, error: &StoreError) -> StoreError {
        ours(refusal::told(&self.location, &self.location.shown(pin.location.as_ref()), error))
    }
}

/// What reads the parts of one object; it outlives the call that begins to read.
#[derive(Clone)]
struct Reader {
    store: Arc<dyn ObjectStore>,
    location: Arc<Location>,
    pins: Pins,
    heads: Arc<Heads>,
    path: Path,
    pin: ObjectMeta,
}

impl Reader {
    /// The first part.
    async fn head(self) -> Result<Bytes> {
        let fetch = |path: Path| {
            let pin = self.pins.read().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
            let reader = pin.map(|pin| Self { path, pin, ..self.clone() });
            async move {
                match reader.filter(|reader| reader.pin.size > 0) {
                    Some(reader) => {
                        let first = 0..reader.pin.size.min(FIRST_PART);
                        reader.part(first).await
                    }
                    None => Ok(Bytes::new()),
                }
            }
        };
        self.heads.get(&self.path, fetch).await
    }

    async fn part(mut self, range: Range<u64>) -> Result<Bytes> {
        // A list without ETags is made up for by the first answer.
        if self.pin.e_tag.is_none() {
            let pins = self.pins.read().unwrap_or_else(PoisonError::into_inner);
            self.pin.e_tag = pins.get(&self.path).and_then(|pin| pin.e_tag.clone());
        }
        let pin = &self.pin;
        let shown = self.location.shown(pin.location.as_ref());
        let wanted = range.end - range.start;
        let fetched = async {
            let options = GetOptions { range: Some(GetRange::Bounded(range)), ..conditions(pin) };
            let found = self.store.get_opts(&pin.location, options).await?;
            let meta = found.meta.clone();
            Ok::<_, StoreError>((meta, found.bytes().await?))
        };
        let Ok(fetched) = tokio::time::timeout(PART_TIMEOUT, fetched).await else {
            let late = Error::new(ErrorKind::SourceUnreachable, format!("`{shown}` does not come in time"));
            return Err(ours(late.hint("the network is too slow or the store overloaded: run again later")));
        };
        let (meta, bytes) = fetched.map_err(|error| ours(refusal::told(&self.location, &shown, &error)))?;
        if is_other(&self.location, pin, &meta) || bytes.len() as u64 != wanted {
            return Err(ours(pin::changed_while_read(&shown)));
        }
        if pin.e_tag.is_none() && meta.e_tag.is_some() {
            let mut pins = self.pins.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = pins.get_mut(&self.path) {
                known.e_tag.get_or_insert(meta.e_tag.unwrap_or_default());
            }
        }
        Ok(bytes)
    }
}

/// What names the state of an object in a request.
fn conditions(pin: &ObjectMeta) -> GetOptions {
    GetOptions { if_match: strong(pin), version: pin.version.clone(), ..GetOptions::default() }
}

/// The entity tag, if it promises that equal tags are equal bytes. Azure's lists have it without quotes.
fn strong(meta: &ObjectMeta) -> Option<String> {
    let tag = meta.e_tag.as_deref().filter(|tag| !tag.starts_with("W/"))?;
    Some(format!("\"{}\"", tag.trim_matches('"')))
}

/// Whether `found` describes other bytes than `pin`. Where entity tags do not tell, the time of the last change does; but not
/// that of a web server, many of which give the time of the answer.
fn is_other(location: &Location, pin: &ObjectMeta, found: &ObjectMeta) -> bool {
    let is_web = matches!(location.vendor, Vendor::Web { .. });
    let is_later = !is_web && pin.last_modified.timestamp() != found.last_modified.timestamp();
    let is_other = strong(pin).zip(strong(found)).map_or(is_later, |(pinned, found)| pinned != found);
    is_other || pin.size != found.size
}

/// An error of ours as one of a store.
fn ours(error: Error) -> StoreError {
    StoreError::Generic { store: "source", source: Box::new(error) }
}

/// `range` in parts that grow.
fn parts(range: Range<u64>, first: u64) -> impl Iterator<Item = Range<u64>> + Send {
    let (mut start, mut length) = (range.start, first);
    std::iter::from_fn(move || {
        let part = start..range.end.min(start.saturating_add(length));
        start = part.end;
        length = LARGEST_PART.min(length.saturating_mul(4));
        (!part.is_empty()).then_some(part)
    })
}

impl fmt::Display for PinnedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location.base)
    }
}

impl fmt::Debug for PinnedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PinnedStore").field(&self.location.base).finish()
    }
}

#[async_trait]
impl ObjectStore for PinnedStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let pin = self.pinned(location)?;
        let meta = ObjectMeta { location: location.clone(), ..pin.clone() };
        let is_whole = options.range.is_none();
        let (range, first) = match options.range {
            None => (0..pin.size, FIRST_PART),
            Some(GetRange::Bounded(range)) => (range.start..range.end.min(pin.size), LARGEST_PART),
            Some(GetRange::Offset(start)) => (start.min(pin.size)..pin.size, LARGEST_PART),
            Some(GetRange::Suffix(length)) => (pin.size.saturating_sub(length)..pin.size, LARGEST_PART),
        };
        if range.start > range.end {
            let shown = self.location.shown(pin.location.as_ref());
            let damaged = Error::new(ErrorKind::Source, format!("`{shown}` speaks of bytes behind its end"));
            return Err(ours(damaged.hint(DAMAGED)));
        }
        let payload = if options.head || range.is_empty() {
            stream::empty().boxed()
        } else if self.has_ranges {
            let reader = Reader {
                store: Arc::clone(&self.inner),
                location: Arc::clone(&self.location),
                pins: Arc::clone(&self.pins),
                heads: Arc::clone(&self.heads),
                path: location.clone(),
                pin,
            };
            let mut parts = parts(range.clone(), first);
            let fetch = {
                let reader = reader.clone();
                move |part| reader.clone().part(part)
            };
            // Only what goes on behind its first part is fetched ahead.
            let head = stream::iter(parts.next()).then(move |part| {
                let reader = reader.clone();
                async move { if is_whole { reader.head().await } else { reader.part(part).await } }
            });
            head.chain(stream::iter(parts).map(fetch).buffered(PARTS_AT_ONCE)).boxed()
        } else if range == (0..pin.size) {
            let found = self.inner.get_opts(&pin.location, conditions(&pin)).await;
            let found = found.map_err(|error| self.told(&pin, &error))?;
            if is_other(&self.location, &pin, &found.meta) {
                return Err(ours(pin::changed_while_read(&self.location.shown(pin.location.as_ref()))));
            }
            self.whole(&pin, found)
        } else {
            let source = "ranges".into();
            return Err(self.told(&pin, &StoreError::NotSupported { source }));
        };
        Ok(GetResult { payload: GetResultPayload::Stream(payload), meta, range, attributes: Attributes::default() })
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let not_listed = unsupported("listing");
        stream::once(async { Err(not_listed) }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(unsupported("listing"))
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(unsupported("writing"))
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(unsupported("writing"))
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let refused = unsupported("deleting");
        stream::once(async { Err(refused) }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(unsupported("copying"))
    }
}

/// Sources are read, and only the objects that were listed.
fn unsupported(what: &str) -> StoreError {
    ours(Error::new(ErrorKind::Internal, format!("{what} is not what a source is for")))
}

impl PinnedStore {
    /// An object that comes as a whole.
    fn whole(&self, pin: &ObjectMeta, found: GetResult) -> BoxStream<'static, Result<Bytes>> {
        let location = Arc::clone(&self.location);
        let shown = location.shown(pin.location.as_ref());
        let broken = {
            let shown = shown.clone();
            move |error| ours(refusal::told(&location, &shown, &error))
        };
        let chunks = found.into_stream().map_err(broken).boxed();
        stream::try_unfold(chunks, move |mut chunks| {
            let shown = shown.clone();
            async move {
                let Ok(next) = tokio::time::timeout(IDLE, chunks.next()).await else {
                    let late = Error::new(ErrorKind::SourceUnreachable, format!("`{shown}` does not come in time"));
                    return Err(ours(late.hint("run again later")));
                };
                Ok(next.transpose()?.map(|chunk| (chunk, chunks)))
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_and_cover_the_range() {
        let parts: Vec<_> = parts(5..(30 << 20), FIRST_PART).collect();
        assert_eq!(parts[0], 5..5 + FIRST_PART);
        assert_eq!(parts.last().map(|part| part.end), Some(30 << 20));
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert!(parts.iter().all(|part| part.end - part.start <= LARGEST_PART));
        assert_eq!(super::parts(7..7, FIRST_PART).count(), 0);
    }
}
