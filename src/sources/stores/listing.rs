//! The files behind a location of a bucket: an object, a folder, or what a pattern matches.

use std::collections::BTreeSet;
use std::path::Path as Folders;
use std::sync::Arc;

use datafusion::object_store::path::Path;
use datafusion::object_store::{Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use futures::StreamExt;
use glob::{MatchOptions, Pattern};

use super::location::Location;
use super::pinned::PinnedStore;
use super::refusal::{is_empty_file, is_missing, is_unexplained, told};
use crate::error::{Error, ErrorKind, Result};
use crate::settings::nearest;
use crate::sources::file::SourceFile;
use crate::sources::lake::{DELTA_LOG, Kind, refused};
use crate::sources::listing::MAX_FILES;
use crate::sources::partitions;

/// Objects that are listed to find those that a pattern matches.
const MAX_LISTED: usize = 1_000_000;
/// Names that are looked at to guess what was meant.
const MAX_NAMES: usize = 1_000;
/// A pattern is matched as a shell would: `*` stays within a folder, `**` does not.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// The files behind `location`.
///
/// # Errors
/// [`ErrorKind::Source`] if there is none, if they belong to a table format that plain reading would get wrong, and as
/// the store refuses.
pub(super) async fn files(store: &Arc<PinnedStore>, location: &Location) -> Result<Vec<SourceFile>> {
    let key = location.key.as_str();
    let (folder, found) = if key.contains(['*', '?', '[']) {
        (String::new(), matching(store, location).await?)
    } else if key.is_empty() || key.ends_with('/') {
        (key.to_owned(), in_folder(store, location, key).await?)
    } else if let Some(found) = object(store, location).await? {
        (key.to_owned(), vec![found])
    } else {
        let folder = format!("{key}/");
        let found = in_folder(store, location, &folder).await?;
        (folder, found)
    };
    refuse_lake_tables(store, location, &found).await?;
    let root = Folders::new(folder.trim_end_matches('/'));
    found
        .into_iter()
        .map(|found| {
            let of_folders = partitions::of_path(root, Folders::new(found.location.as_ref()));
            Ok(file(store, location, found)?.in_folders(of_folders))
        })
        .collect()
}

/// The object `found` as a file, from now on in this state.
///
/// # Errors
/// [`ErrorKind::Source`] if it was listed in another state before.
pub(super) fn file(store: &Arc<PinnedStore>, location: &Location, found: ObjectMeta) -> Result<SourceFile> {
    let shown = location.shown(found.location.as_ref());
    Ok(SourceFile::object(&shown, Arc::clone(store) as _, Arc::clone(store.url()), store.pin(found)?))
}

/// What the web server behind `client` says of its file, and whether it sends parts of it.
///
/// # Errors
/// [`ErrorKind::Source`] as the server refuses.
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
async fn in_folder(store: &PinnedStore, location: &Location, folder: &str) -> Result<Vec<ObjectMeta>> {
    let found = listed(store, location, folder, |key| !is_hidden(&key[folder.len()..])).await?;
    if found.is_empty() {
        let near = near(store, location).await;
        return Err(missing(location, near));
    }
    for object in &found {
        let below = object.location.as_ref().strip_prefix(folder).unwrap_or_default();
        let folders = below.rsplit_once('/').map_or("", |(folders, _)| folders);
        if let Some(other) = folders.split('/').find(|name| !name.is_empty() && partitions::of_folder(name).is_none()) {
            let message = format!("`{}` holds the folder `{other}`", location.text);
            return Err(Error::new(ErrorKind::Source, message)
                .hint("name the files with a glob such as 's3://bucket/folder/**/*.parquet'"));
        }
    }
    Ok(found)
}

/// The objects that the location's pattern matches.
async fn matching(store: &PinnedStore, location: &Location) -> Result<Vec<ObjectMeta>> {
    let pattern = Pattern::new(&location.key).map_err(|error| {
        Error::new(ErrorKind::Source, format!("`{}` is no glob pattern", location.text)).source(error)
    })?;
    let literal = location.key.split(['*', '?', '[']).next().unwrap_or_default();
    let folder = literal.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let is_meant = |key: &str| !is_hidden(&key[folder.len()..]) && pattern.matches_with(key, MATCHING);
    let found = listed(store, location, &folder, is_meant).await?;
    if found.is_empty() {
        return Err(Error::new(ErrorKind::Source, format!("no file matches `{}`", location.text))
            .hint(format!("looked in {}{folder}; `*` stays within a folder, `**` does not", location.base)));
    }
    Ok(found)
}

/// The objects below `folder` whose keys are meant, by key; those without a byte only if there are no others.
async fn listed(
    store: &PinnedStore,
    location: &Location,
    folder: &str,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Vec<ObjectMeta>> {
    let prefix = if folder.is_empty() { None } else { Some(parsed(location, folder)?) };
    let mut objects = store.client().list(prefix.as_ref()).enumerate();
    let (mut found, mut empty) = (Vec::new(), Vec::new());
    while let Some((number, object)) = objects.next().await {
        let object = object.map_err(|error| told(location, &location.text, &error))?;
        let key = object.location.as_ref();
        if number == MAX_LISTED || found.len() > MAX_FILES {
            return Err(Error::new(ErrorKind::Source, format!("`{}` stands before too many objects", location.text))
                .context("objects", number)
                .hint("name a folder nearer to the files"));
        }
        if !key.starts_with(folder) || !is_meant(key) {
            continue;
        }
        if object.size == 0 { empty.push(object) } else { found.push(object) }
    }
    let mut found = if found.is_empty() { empty } else { found };
    found.sort_by(|left, right| left.location.cmp(&right.location));
    Ok(found)
}

/// Refuses objects of a table format, whose folders also hold deleted and superseded rows. The folder above the
/// partitions is judged, and the one above it. Where listing is not allowed, nothing can be known.
async fn refuse_lake_tables(store: &PinnedStore, location: &Location, found: &[ObjectMeta]) -> Result<()> {
    let mut roots = BTreeSet::new();
    for object in found {
        let mut folder = object.location.as_ref().rsplit_once('/').map_or("", |(folder, _)| folder);
        while let Some((above, name)) = folder.rsplit_once('/').or(Some(("", folder)))
            && partitions::of_folder(name).is_some()
        {
            folder = above;
        }
        roots.insert(folder);
        roots.insert(folder.rsplit_once('/').map_or("", |(above, _)| above));
    }
    for root in roots.into_iter().take(MAX_NAMES) {
        for (inside, ending, kind) in
            [(DELTA_LOG, "", Kind::Delta), (".hoodie", "", Kind::Hudi), ("metadata", ".metadata.json", Kind::Iceberg)]
        {
            let Ok(folder) = Path::parse(format!("{root}/{inside}").trim_start_matches('/')) else { continue };
            let objects = store.client().list(Some(&folder)).take(MAX_NAMES);
            let is_table = objects
                .any(|object| async move { object.is_ok_and(|object| object.location.as_ref().ends_with(ending)) });
            if is_table.await {
                return Err(refused(&format!("{}{root}", location.base), kind, false));
            }
        }
    }
    Ok(())
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
    let error = Error::new(ErrorKind::Source, format!("no such file: `{}`", location.text));
    match near {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("nothing of that name is there: check the location"),
    }
}

fn parsed(location: &Location, key: &str) -> Result<Path> {
    Path::parse(key)
        .map_err(|error| Error::new(ErrorKind::Source, format!("`{}` is no key", location.text)).source(error))
}

/// Markers and checksums that warehouses leave beside their data, and all that lies in hidden folders.
fn is_hidden(below: &str) -> bool {
    let is_marker = |name: &str| name.starts_with(['_', '.']) && partitions::of_folder(name).is_none();
    let is_checksum = below.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("crc"));
    is_checksum || below.split('/').any(is_marker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_hidden_wherever_they_lie() {
        for (below, expected) in [
            ("a.parquet", false),
            ("_SUCCESS", true),
            ("day=1/_SUCCESS", true),
            ("_temporary/0/a.parquet", true),
            ("_part=1/a.parquet", false),
            ("a.parquet.crc", true),
            ("a_b/.x", true),
        ] {
            assert_eq!(is_hidden(below), expected, "{below}");
        }
    }

    #[test]
    fn a_star_stays_within_a_folder() {
        let matches = |pattern: &str, key: &str| Pattern::new(pattern).unwrap().matches_with(key, MATCHING);
        assert!(matches("a/*.csv", "a/b.csv") && !matches("a/*.csv", "a/b/c.csv"));
        assert!(matches("a/**/*.csv", "a/b/c/d.csv") && matches("a/**/*.csv", "a/d.csv"));
        assert!(matches("day=202?-*/x", "day=2025-11-01/x"));
    }
}
