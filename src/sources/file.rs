//! One file of a source, wherever it lies.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[cfg(feature = "delta")]
use std::time::SystemTime;

use datafusion::object_store::path::Path as ObjectPath;
use datafusion::object_store::{ObjectMeta, ObjectStore};

use super::delimited::Layout;
use super::pin::Stamp;
use super::recognise::{Quoting, Wrapping};
use super::{DAMAGED, pin};
use crate::error::{Error, ErrorKind, Result};

/// One file of a source, as it was when its folder was listed.
#[derive(Clone)]
pub(crate) struct SourceFile {
    shown: Arc<str>,
    place: Place,
    /// Path within its store, size, time of the last change and, for objects, entity tag and version.
    pub(super) meta: ObjectMeta,
    /// What the folders on its way say: `country=DE` is `("country", Some("DE"))`; none is a null.
    pub(super) partitions: Arc<[(String, Option<String>)]>,
    /// What its content is wrapped in, once it is recognised.
    pub(super) wrapping: Wrapping,
    /// How its values are quoted, if it is delimited text, once it is recognised.
    pub(super) quoting: Quoting,
    /// How its lines stand, if it is delimited text, once they are looked at.
    pub(super) layout: Layout,
    /// What tells whether it has changed since; objects have an `ETag`.
    pub(super) stamp: Option<Stamp>,
}

/// Where a file lies.
#[derive(Clone)]
pub(super) enum Place {
    /// On this machine.
    Local(PathBuf),
    /// In an object store, whose URL is `scheme://host`.
    Object {
        /// The store that holds it.
        store: Arc<dyn ObjectStore>,
        /// The URL under which DataFusion knows the store.
        url: Arc<str>,
    },
}

impl SourceFile {
    /// A file on this machine, which messages call by its path.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if nothing can be known of it.
    pub(super) fn local(path: PathBuf) -> Result<Self> {
        let shown: Arc<str> = path.display().to_string().into();
        let unreadable = |error| unreadable(&shown, error);
        let absolute = path.canonicalize().map_err(unreadable)?;
        let found = absolute.metadata().map_err(unreadable)?;
        let location = ObjectPath::from_absolute_path(&absolute)
            .map_err(|error| Error::new(ErrorKind::Source, format!("`{shown}` is no file path")).source(error))?;
        let last_modified = found.modified().map_err(unreadable)?.into();
        let meta = ObjectMeta { location, last_modified, size: found.len(), e_tag: None, version: None };
        Ok(Self {
            shown,
            place: Place::Local(path),
            meta,
            partitions: Arc::new([]),
            wrapping: Wrapping::default(),
            quoting: Quoting::default(),
            layout: Layout::default(),
            stamp: Stamp::of(&found),
        })
    }

    /// A file in an object store.
    pub(super) fn object(shown: &str, store: Arc<dyn ObjectStore>, url: Arc<str>, meta: ObjectMeta) -> Self {
        Self {
            shown: shown.into(),
            place: Place::Object { store, url },
            meta,
            partitions: Arc::new([]),
            wrapping: Wrapping::default(),
            quoting: Quoting::default(),
            layout: Layout::default(),
            stamp: None,
        }
    }

    /// It, below folders that say `partitions`.
    pub(super) fn in_folders(self, partitions: Vec<(String, Option<String>)>) -> Self {
        Self { partitions: partitions.into(), ..self }
    }

    /// It, changed last at `time`.
    #[cfg(feature = "delta")]
    pub(super) fn written(mut self, time: SystemTime) -> Self {
        self.meta.last_modified = time.into();
        self
    }

    /// It, under the name `shown` in messages.
    pub(super) fn called(self, shown: &str) -> Self {
        Self { shown: shown.into(), ..self }
    }

    /// How messages name it.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// The URL under which DataFusion knows the bucket that holds it; none for a file on this machine.
    pub(super) fn store(&self) -> Option<&str> {
        match &self.place {
            Place::Local(_) => None,
            Place::Object { url, .. } => Some(url),
        }
    }

    /// Where it lies.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Its path on this machine; none for an object.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Local(path) => Some(path),
            Place::Object { .. } => None,
        }
    }

    /// Its bytes, from the first on. Blocks, and must be called where blocking is allowed.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if it cannot be opened.
    pub(super) fn open(&self) -> Result<Box<dyn Read + Send>> {
        self.open_at(0)
    }

    /// Its bytes from `offset` on, which is in it. Blocks, and must be called where blocking is allowed.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if it cannot be opened.
    pub(super) fn open_at(&self, offset: u64) -> Result<Box<dyn Read + Send>> {
        match &self.place {
            Place::Local(path) => {
                let mut file = File::open(path).map_err(|error| self.unreadable(error))?;
                if offset > 0 {
                    file.seek(SeekFrom::Start(offset)).map_err(|error| self.unreadable(error))?;
                }
                Ok(Box::new(pin::Reader::new(file, self.stamp)))
            }
            Place::Object { store, .. } => Ok(Box::new(super::remote::Stream::open(store, &self.meta, offset))),
        }
    }

    /// The error of a file whose bytes do not come.
    pub(super) fn unreadable(&self, error: io::Error) -> Error {
        unreadable(&self.shown, error)
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceFile").field("shown", &self.shown).field("size", &self.meta.size).finish_non_exhaustive()
    }
}

/// The error of a source called `shown` whose bytes do not come.
pub(super) fn unreadable(shown: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let error = error.into();
    if pin::is_change(error.as_ref()) {
        return pin::changed_while_read(shown);
    }
    // What a bucket refuses is told where it is known, and no damage.
    match Error::beneath(error.as_ref()) {
        Some(ours) => ours.restated(),
        None => Error::new(ErrorKind::Source, format!("cannot read `{shown}`")).hint(DAMAGED).source(error),
    }
}
