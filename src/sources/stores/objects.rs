//! The objects in a folder of a bucket, asked for by their names in it.

use std::sync::Arc;

use datafusion::object_store::{ObjectStore, ObjectStoreExt};
use futures::StreamExt;

use super::folder::Folder;
use super::listing;
use super::refusal::{is_missing, told};
use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::SourceFile;

impl Folder {
    /// The URL under which DataFusion knows the bucket.
    pub(in crate::sources) fn url(&self) -> &str {
        self.store.url()
    }

    /// The bucket, which gives objects in the state in which they were asked for first.
    pub(in crate::sources) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store) as _
    }

    /// The objects in its folder `below` and in the folders there whose names in this folder are `meant`, at `most` so many,
    /// by these names.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] for more objects, for one that is not what it was, and as the store refuses.
    pub(in crate::sources) async fn list(
        &self,
        below: &str,
        most: usize,
        meant: fn(&str) -> bool,
    ) -> Result<Vec<(String, SourceFile)>> {
        let mut objects = self.store.client().list(Some(&self.path(below)?));
        let mut found = Vec::new();
        while let Some(object) = objects.next().await {
            let object = object.map_err(|error| self.told(&error))?;
            let name = object.location.as_ref().strip_prefix(&self.key).filter(|name| meant(name));
            let Some(name) = name.map(str::to_owned) else { continue };
            if found.len() == most {
                let message = format!("`{}/{below}` holds over {most} objects", self.shown());
                return Err(Error::new(ErrorKind::Source, message));
            }
            found.push((name, listing::file(&self.store, &self.location, object)?));
        }
        Ok(found)
    }

    /// The object called `name` in it; none if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] for one that is not what it was, and as the store refuses.
    pub(in crate::sources) async fn file(&self, name: &str) -> Result<Option<SourceFile>> {
        match self.store.client().head(&self.path(name)?).await {
            Ok(found) => listing::file(&self.store, &self.location, found).map(Some),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(told(&self.location, &format!("{}/{name}", self.shown()), &error)),
        }
    }
}
