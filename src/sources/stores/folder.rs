//! A folder of a bucket, which may be the root of a table.

use std::sync::Arc;

use datafusion::object_store::ObjectStore;
use datafusion::object_store::path::Path;
use futures::StreamExt;

use super::location::Location;
use super::pinned::PinnedStore;
use super::refusal::told;
use crate::error::{Error, ErrorKind, Result};

/// A folder of a bucket.
#[derive(Clone, Debug)]
pub(in crate::sources) struct Folder {
    pub(super) store: Arc<PinnedStore>,
    pub(super) location: Location,
    /// Its key with a slash at its end; nothing for the bucket.
    pub(super) key: String,
}

impl Folder {
    /// The folder that `location` names in `store`, whether there is one or not.
    pub(super) fn new(store: Arc<PinnedStore>, location: &Location) -> Self {
        let key = location.key.trim_end_matches('/');
        let key = if key.is_empty() { String::new() } else { format!("{key}/") };
        Self { store, location: location.clone(), key }
    }

    /// How messages name it.
    pub(in crate::sources) fn shown(&self) -> String {
        format!("{}{}", self.location.base, self.key.trim_end_matches('/'))
    }

    /// Whether there is an object in its folder `below`.
    ///
    /// # Errors
    /// As the store refuses.
    pub(in crate::sources) async fn has(&self, below: &str) -> Result<bool> {
        let mut objects = self.store.client().list(Some(&self.path(below)?));
        Ok(objects.next().await.transpose().map_err(|error| self.told(&error))?.is_some())
    }

    pub(super) fn path(&self, name: &str) -> Result<Path> {
        let key = format!("{}{name}", self.key);
        Path::parse(&key).map_err(|error| {
            Error::new(ErrorKind::Source, format!("`{}/{name}` is no key", self.shown())).source(error)
        })
    }

    pub(super) fn told(&self, error: &datafusion::object_store::Error) -> Error {
        told(&self.location, &self.location.text, error)
    }
}
