//! The files behind a location of a bucket: an object, a folder, or what a pattern matches.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path as Folders;
use std::sync::Arc;

use datafusion::object_store::path::Path;
use datafusion::object_store::{Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use futures::stream::{self, StreamExt, TryStreamExt};
use glob::{MatchOptions, Pattern};

use super::location::Location;
use super::pinned::PinnedStore;
use super::refusal::{is_empty_file, is_forbidden, is_missing, is_unexplained, told};
use crate::error::{Error, ErrorKind, Result};
use crate::settings::nearest;
use crate::sources::file::SourceFile;
use crate::sources::lake::{Kind, MARKERS, Table};
use crate::sources::listing::{Listed, MAX_FILES, is_hidden, is_shown};
use crate::sources::{AT_ONCE, lake, listing, partitions};

/// Objects that are listed to find those that a pattern matches.
const MAX_LISTED: usize = 1_000_000;
/// Names that are looked at to guess what was meant.
const MAX_NAMES: usize = 1_000;
/// A pattern is matched as a shell would: `*` stays within a folder, `**` does not.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// What a list of a bucket holds.
#[derive(Default)]
struct Found {
    objects: Vec<ObjectMeta>,
    /// The folder that was listed, with its slash; none where only the object itself was asked for.
    listed: Option<String>,
    /// The tables in it, by root.
    tables: HashMap<String, Kind>,
    /// A folder in it that names no partition.
    foreign: Option<String>,
}

/// The files behind `location`.
///
/// # Errors
/// [`ErrorKind::SourceMissing`] if there is none, and as the store refuses.
pub(super) async fn files(store: &Arc<PinnedStore>, location: &Location) -> Result<Listed> {
    let key = location.key.as_str();
    let found = if key.contains(['*', '?', '[']) {
        matching(store, location).await?
    } else if key.is_empty() || key.ends_with('/') {
        in_folder(store, location, key).await?
    } else if let Some(found) = object(store, location).await? {
        Found { objects: vec![found], ..Found::default() }
    } else {
        in_folder(store, location, &format!("{key}/")).await?
    };
    let table = table(store, location, &found).await?;
    let is_named = found.listed.is_none();
    let foreign = found.foreign.map(|folder| listing::foreign_folder(&location.text, &folder));
    let file = |found: ObjectMeta| {
        let of_folders = partitions::of_path(Folders::new(""), Folders::new(found.location.as_ref()));
        Ok(file(store, location, found)?.in_folders(of_folders))
    };
    let files = found.objects.into_iter().map(file).collect::<Result<_>>()?;
    Ok(Listed { files, is_named, table, foreign, ..Listed::default() })
}

/// The object `found` as a file, from now on in this state.
///
/// # Errors
/// [`ErrorKind::SourceChanged`] if it was listed in another state before.
pub(super) fn file(store: &Arc<PinnedStore>, location: &Location, found: ObjectMeta) -> Result<SourceFile> {
    let shown = location.shown(found.location.as_ref());
    Ok(SourceFile::object(&shown, Arc::clone(store) as _, Arc::clone(store.url()), store.pin(found)?))
}

/// What the web server behind `client` says of its file, and whether it sends parts of it.
///
/// # Errors
/// As the server refuses.
pub(super) async fn web_file(client: &Arc<dyn ObjectStore>, location: &Location) -> Result<(ObjectMeta, bool)> {
    let key = parsed(location, &location.key)?;
    let refused = |error| told(location, &location.text, &error);
    // Many a web server answers GET alone, so that HEAD is no way to ask.
    let first = GetOptions { range: Some(GetRange::Bounded(0..1)), ..GetOptions::default() };
    match client.get_opts(&key, first).await {
        Ok(found) => Ok((found.meta, true)),
        // Of a file without a byte there is no first one.
        Err(error) if !matches!(error, StoreError::NotSupported { .. }) && !is_empty_file(&error) => {
            Err(refused(error))
        }
        Err(_) => Ok((client.get_opts(&key, GetOptions::default()).await.map_err(refused)?.meta, false)),
    }
}

/// The object that the location names; none if there is none of that key.
async fn object(store: &PinnedStore, location: &Location) -> Result<Option<ObjectMeta>> {
    let client = store.client();
    let key = parsed(location, &location.key)?;
    let refused = match client.head(&key).await {
        Ok(found) => return Ok(Some(found)),
        Err(error) => error,
    };
    if is_missing(&refused) {
        return Ok(None);
    }
    if !is_unexplained(&refused) {
        return Err(told(location, &location.text, &refused));
    }
    // The answer to HEAD has no body that says why.
    let first = GetOptions { range: Some(GetRange::Bounded(0..1)), ..GetOptions::default() };
    match client.get_opts(&key, first).await {
        Ok(found) => Ok(Some(found.meta)),
        Err(error) => Err(told(location, &location.text, &error)),
    }
}

/// The objects in `folder`, and in its folders of partitions.
async fn in_folder(store: &PinnedStore, location: &Location, folder: &str) -> Result<Found> {
    let mut found = listed(store, location, folder, |key| !is_hidden(&key[folder.len()..])).await?;
    if found.objects.is_empty() {
        let near = near(store, location).await;
        return Err(missing(location, near));
    }
    found.foreign = found.objects.iter().find_map(|object| {
        let below = object.location.as_ref().strip_prefix(folder)?;
        let (folders, _) = below.rsplit_once('/')?;
        folders.split('/').find(|name| partitions::of_folder(name).is_none()).map(str::to_owned)
    });
    Ok(found)
}

/// The objects that the location's pattern matches.
async fn matching(store: &PinnedStore, location: &Location) -> Result<Found> {
    let pattern = Pattern::new(&location.key).map_err(|error| {
        Error::new(ErrorKind::SourceRefused, format!("`{}` is no glob pattern", location.text)).source(error)
    })?;
    let literal = location.key.split(['*', '?', '[']).next().unwrap_or_default();
    let folder = literal.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let is_meant = |key: &str| is_shown(&key[folder.len()..], &location.key) && pattern.matches_with(key, MATCHING);
    let found = listed(store, location, &folder, is_meant).await?;
    if found.objects.is_empty() {
        return Err(Error::new(ErrorKind::SourceMissing, format!("no file matches `{}`", location.text))
            .hint(format!("looked in {}{folder}; `*` stays within a folder, `**` does not", location.base)));
    }
    Ok(found)
}

/// The objects below `folder` whose keys are meant, by key.
async fn listed(
    store: &PinnedStore,
    location: &Location,
    folder: &str,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Found> {
    let prefix = if folder.is_empty() { None } else { Some(parsed(location, folder)?) };
    let mut listing = store.client().list(prefix.as_ref()).enumerate();
    let mut found = Found { listed: Some(folder.to_owned()), ..Found::default() };
    while let Some((number, object)) = listing.next().await {
        let object = object.map_err(|error| told(location, &location.text, &error))?;
        let key = object.location.as_ref();
        if number == MAX_LISTED || found.objects.len() > MAX_FILES {
            return Err(Error::new(ErrorKind::Source, format!("`{}` stands before too many objects", location.text))
                .context("objects", number)
                .hint("name a folder nearer to the files"));
        }
        if let Some((root, kind)) = lake::marked(key) {
            found.tables.entry(root.to_owned()).or_insert(kind);
        }
        if key.starts_with(folder) && is_meant(key) {
            found.objects.push(object);
        }
    }
    let folders: HashSet<String> =
        found.objects.iter().flat_map(|object| lake::folders(object.location.as_ref())).map(str::to_owned).collect();
    found.objects.retain(|object| object.size > 0 || !is_folder(object.location.as_ref(), &folders));
    found.objects.sort_by(|left, right| left.location.cmp(&right.location));
    Ok(found)
}

/// Whether an object without a byte stands for a folder, as consoles and Hadoop put one: it has objects below it, of which
/// `folders` are those that there are, or it is called as a folder is.
fn is_folder(key: &str, folders: &HashSet<String>) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    folders.contains(key) || partitions::of_folder(name).is_some() || name.ends_with("_$folder$")
}

/// The table that the objects belong to: every folder above them is looked at. What lies in the folder that was listed was
/// seen there, so that only the folders above it are asked for.
async fn table(store: &PinnedStore, location: &Location, found: &Found) -> Result<Option<Table>> {
    let folders: BTreeSet<&str> =
        found.objects.iter().flat_map(|found| lake::folders(found.location.as_ref())).collect();
    let named = |root: &str, kind| Some(Table { kind, root: format!("{}{root}", location.base) });
    if let Some((root, kind)) = folders.iter().find_map(|root| Some((root, found.tables.get(*root)?))) {
        return Ok(named(root, *kind));
    }
    let was_listed =
        |folder: &&str| found.listed.as_ref().is_some_and(|listed| format!("{folder}/").starts_with(listed));
    let asked = folders.into_iter().filter(|folder| !was_listed(folder)).map(|root| async move {
        let kind = store.table_at(root, kind(store, location, root)).await?;
        Ok::<_, Error>(kind.map(|kind| (root, kind)))
    });
    let mut asked = stream::iter(asked.collect::<Vec<_>>()).buffered(AT_ONCE);
    while let Some(found) = asked.try_next().await? {
        if let Some((root, kind)) = found {
            return Ok(named(root, kind));
        }
    }
    Ok(None)
}

/// What the folder `root` is the root of. Nothing can be known where listing is not allowed.
async fn kind(store: &PinnedStore, location: &Location, root: &str) -> Result<Option<Kind>> {
    for (inside, ending, kind) in MARKERS {
        let folder = parsed(location, format!("{root}/{inside}").trim_start_matches('/'))?;
        let mut objects = store.client().list(Some(&folder)).take(MAX_NAMES);
        while let Some(object) = objects.next().await {
            match object {
                Ok(object) if object.location.as_ref().ends_with(ending) => return Ok(Some(kind)),
                Ok(_) => {}
                Err(error) if is_forbidden(&error) || is_missing(&error) => break,
                Err(error) => return Err(told(location, &location.text, &error)),
            }
        }
    }
    Ok(None)
}

/// The object or folder whose name is nearest to that of the location.
async fn near(store: &PinnedStore, location: &Location) -> Option<String> {
    let key = location.key.trim_end_matches('/');
    let (folder, wanted) = key.rsplit_once('/').unwrap_or(("", key));
    let prefix = if folder.is_empty() { None } else { Some(Path::parse(folder).ok()?) };
    let objects: Vec<_> = store.client().list(prefix.as_ref()).take(MAX_NAMES).collect().await;
    let names: BTreeSet<String> = objects
        .into_iter()
        .filter_map(|object| {
            let key = object.ok()?.location;
            let below = key.as_ref().strip_prefix(folder)?.trim_start_matches('/');
            below.split('/').next().map(str::to_owned)
        })
        .collect();
    nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

fn missing(location: &Location, near: Option<String>) -> Error {
    let error = Error::new(ErrorKind::SourceMissing, format!("no such file: `{}`", location.text));
    match near {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("nothing of that name is there: check the location"),
    }
}

fn parsed(location: &Location, key: &str) -> Result<Path> {
    Path::parse(key)
        .map_err(|error| Error::new(ErrorKind::SourceRefused, format!("`{}` is no key", location.text)).source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_a_folder() {
        let matches = |pattern: &str, key: &str| Pattern::new(pattern).unwrap().matches_with(key, MATCHING);
        assert!(matches("a/*.csv", "a/b.csv") && !matches("a/*.csv", "a/b/c.csv"));
        assert!(matches("a/**/*.csv", "a/b/c/d.csv") && matches("a/**/*.csv", "a/d.csv"));
        assert!(matches("day=202?-*/x", "day=2025-11-01/x"));
    }
}
