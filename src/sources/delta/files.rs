//! The files of a table, which lie in its folder and nowhere else.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::object_store::ObjectStore;

use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::{SourceFile, unreadable};
use crate::sources::root::Root;
use crate::sources::{blocking, unreadable as unreadable_store};

/// Folders in that of a log that are entered.
const DEPTH: usize = 2;

/// The files of a table at one version.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) root: Root,
    version: u64,
    /// The URL under which DataFusion knows the store that holds them.
    pub(super) url: ObjectStoreUrl,
    /// That store.
    pub(super) store: Arc<dyn ObjectStore>,
}

impl Files {
    /// Those below `root` that `version` names.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] for a store that the session does not know.
    pub(super) fn new(root: Root, version: u64, runtime: &RuntimeEnv) -> Result<Self> {
        let (url, store) = root.store(runtime)?;
        Ok(Self { root, version, url, store })
    }

    /// The file at `path` in the table, as it is now; `size` is what the log says of it.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if it is not there, has another size, or lies elsewhere.
    pub(super) async fn file(&self, path: &str, size: Option<u64>) -> Result<SourceFile> {
        let shown = format!("{}/{path}", self.root.shown());
        let Some(file) = self.root.file(path).await? else {
            let message = format!("`{shown}` is missing, which is part of version {} of the table", self.version);
            return Err(Error::new(ErrorKind::Source, message)
                .hint("VACUUM may have removed it: run again to read the newest version, or copy the table again"));
        };
        match size {
            Some(size) if size != file.meta.size => {
                let message = format!("`{shown}` has {} bytes, and the log of the table says {size}", file.meta.size);
                Err(Error::new(ErrorKind::Source, message)
                    .hint("the file may be cut off, or was replaced: copy the table again"))
            }
            _ => Ok(file),
        }
    }
}

impl Root {
    /// The files in the folder `below` and in those in it whose paths are `meant`, at `most` so many, by these paths in the
    /// table.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if they cannot be listed.
    pub(super) async fn list(
        &self,
        below: &str,
        most: usize,
        meant: fn(&str) -> bool,
    ) -> Result<Vec<(String, SourceFile)>> {
        match self {
            Self::Bucket(folder) => folder.list(below, most, meant).await,
            Self::Local(root) => {
                let (root, below) = (root.clone(), below.to_owned());
                blocking(move || {
                    let mut found = Vec::new();
                    list(&root, &below, DEPTH, &mut |name, path| {
                        if !meant(&name) {
                            return Ok(());
                        }
                        if found.len() == most {
                            return Err(too_many(&path, most));
                        }
                        found.push((name, SourceFile::local(path)?));
                        Ok(())
                    })?;
                    found.sort_by(|(one, _), (other, _)| one.cmp(other));
                    Ok(found)
                })
                .await
            }
        }
    }

    /// The file at `path` in the table; none if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] for a path that leads out of the table, and if nothing can be known of the file.
    async fn file(&self, path: &str) -> Result<Option<SourceFile>> {
        require_inside(&self.shown(), path)?;
        match self {
            Self::Bucket(folder) => folder.file(path).await,
            Self::Local(root) => {
                let (root, path) = (root.clone(), path.to_owned());
                blocking(move || local(&root, &path)).await
            }
        }
    }

    /// The store of the table under the URL that DataFusion knows.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] for a store that `runtime` does not know.
    pub(super) fn store(&self, runtime: &RuntimeEnv) -> Result<(ObjectStoreUrl, Arc<dyn ObjectStore>)> {
        let known = match self {
            Self::Bucket(folder) => ObjectStoreUrl::parse(folder.url()).map(|url| (url, folder.store())),
            Self::Local(_) => {
                let url = ObjectStoreUrl::local_filesystem();
                runtime.object_store(&url).map(|store| (url, store))
            }
        };
        known.map_err(|error| unreadable_store(&self.shown(), error))
    }
}

/// Gives each of the files in the folder `below` of `root`, and in those in it that are not deeper than `depth`, to `take`,
/// with its path below `root`.
fn list(root: &Path, below: &str, depth: usize, take: &mut dyn FnMut(String, PathBuf) -> Result<()>) -> Result<()> {
    let folder = root.join(below);
    let shown = folder.display().to_string();
    let entries = fs::read_dir(&folder).map_err(|error| unreadable(&shown, error))?;
    for entry in entries {
        let path = entry.map_err(|error| unreadable(&shown, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let below = format!("{below}/{name}");
        if !path.is_dir() {
            take(below, path)?;
        } else if depth > 1 {
            list(root, &below, depth - 1, take)?;
        }
    }
    Ok(())
}

fn too_many(path: &Path, most: usize) -> Error {
    let folder = path.parent().unwrap_or(path).display();
    Error::new(ErrorKind::Source, format!("`{folder}` holds over {most} files"))
}

/// The file at `path` below `root`, which no link leads out of.
fn local(root: &Path, path: &str) -> Result<Option<SourceFile>> {
    let file = root.join(path);
    let shown = file.display().to_string();
    let canonical = |path: &Path| path.canonicalize();
    let (root, inner): (PathBuf, PathBuf) = match (canonical(root), canonical(&file)) {
        (Ok(root), Ok(inner)) => (root, inner),
        (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        (Err(error), _) | (_, Err(error)) => return Err(unreadable(&shown, error)),
    };
    if !inner.starts_with(&root) {
        return Err(Error::new(ErrorKind::Source, format!("`{shown}` is a link that leads out of the table"))
            .hint("the files of a table lie in its folder: copy the table as it is, without links"));
    }
    SourceFile::local(file).map(Some)
}

/// Makes sure that `path`, which the log of the table `shown` names, lies in the table.
///
/// # Errors
/// [`ErrorKind::Source`] if it is absolute, or leads out of its folder.
pub(super) fn require_inside(shown: &str, path: &str) -> Result<()> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let is_url = path.split_once(':').is_some_and(|(scheme, rest)| {
        rest.starts_with('/') && !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let is_inside = !path.is_empty()
        && !is_url
        && !path.contains(['\0', '\\'])
        && !path.split('/').any(|part| matches!(part, "" | "." | ".."))
        && Path::new(path).components().all(is_plain);
    if is_inside {
        return Ok(());
    }
    let message = format!("the log of `{shown}` names a file outside the table");
    Err(Error::new(ErrorKind::Source, message).hint(
        "a shallow clone has its rows in another table, and no path may leave the folder: make a deep clone, or read the \
         table that was cloned",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_table() {
        for path in ["a.parquet", "day=2026-11-01 10:00/a.parquet", "x/y/..z", "a=%2F/b", "part:1"] {
            require_inside("t", path).unwrap();
        }
        for path in [
            "/etc/passwd",
            "../a.parquet",
            "a/../../b",
            "a/./b",
            "a//b",
            "",
            "s3://other/a",
            "file:///etc/passwd",
            "file:/a",
            "..\\a",
            "a/",
        ] {
            let error = require_inside("t", path).unwrap_err();
            assert!(error.message().contains("outside"), "{path}");
        }
    }

    #[test]
    fn no_link_leads_out_of_the_table() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("t");
        fs::create_dir(&root).unwrap();
        fs::write(folder.path().join("other"), "x").unwrap();
        fs::write(root.join("own"), "x").unwrap();
        std::os::unix::fs::symlink(folder.path().join("other"), root.join("out")).unwrap();
        std::os::unix::fs::symlink(root.join("own"), root.join("in")).unwrap();
        assert!(local(&root, "own").unwrap().is_some() && local(&root, "in").unwrap().is_some());
        assert!(local(&root, "gone").unwrap().is_none());
        assert!(local(&root, "out").unwrap_err().message().contains("leads out"));
    }
}
