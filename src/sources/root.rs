//! The root folder of a table whose files a log names, on this machine or in a bucket.

use std::path::{Path, PathBuf};

use datafusion::execution::runtime_env::RuntimeEnv;

use super::{Options, blocking, lake, listing, stores};
use crate::error::Result;

/// The root folder of a Delta Lake table.
#[derive(Clone, Debug)]
pub(super) enum Root {
    /// On this machine.
    Local(PathBuf),
    /// In a bucket.
    Bucket(stores::Folder),
}

impl Root {
    /// The root that `location` names; none if it names files, or folders of another kind.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::error::ErrorKind) for settings that do not reach a bucket, and for a location that
    /// cannot be one.
    pub(super) async fn of(options: &Options, runtime: &RuntimeEnv, location: &str) -> Result<Option<Self>> {
        if let Some(remote) = stores::Location::parse(location)? {
            let found = options.stores.folder(runtime, &remote, lake::DELTA_LOG).await?;
            return Ok(found.map(Self::Bucket));
        }
        let path = listing::path(&options.folder, location);
        let is_root = {
            let path = path.clone();
            blocking(move || Ok(lake::kind(&path) == Some(lake::Kind::Delta))).await?
        };
        Ok(is_root.then(|| Self::Local(without_slash(path))))
    }

    /// How messages name it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Local(path) => path.display().to_string(),
            Self::Bucket(folder) => folder.shown(),
        }
    }
}

/// `path` as messages name it.
fn without_slash(path: PathBuf) -> PathBuf {
    let parts: PathBuf = path.components().collect();
    if parts == Path::new("") { path } else { parts }
}
