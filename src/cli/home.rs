//! Where settings and ledger of a query lie. The query file decides, and never the working folder: else the same file,
//! run from two folders, would be sent twice.
//!
//! The project of a query is the nearest folder with a `postback.toml`, from the file's own upwards, else the file's own.
//! A folder that anybody may write to is nobody's project. A relative `postback.ledger` starts from the file that says so,
//! from the project where the environment or the default does, and from the working folder as a flag.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::settings::{Origin, SETTINGS, Settings};

/// The settings file that makes a folder a project.
const SETTINGS_FILE: &str = "postback.toml";

/// The `postback.toml` of the query file, else that of the working folder; without a query, that of the working folder or
/// of one above.
pub(super) fn settings_file(query: Option<&Path>) -> Option<PathBuf> {
    let found = match query {
        Some(query) => above(&folder_of(query)).or_else(|| {
            let here = PathBuf::from(SETTINGS_FILE);
            here.is_file().then_some(here)
        }),
        None => above(&working()),
    };
    found.map(|path| shown(&path))
}

/// Gives the folder that the setting `ledger` names, where `origin` says so, as it is from `folder`.
pub(super) fn anchor(settings: &mut Settings, folder: &Path, origin: Origin) -> Result<()> {
    if settings.origin("ledger") != origin {
        return Ok(());
    }
    let named = folder.join(settings.text("ledger").unwrap_or_default());
    settle(settings, &named)
}

/// Makes the setting `ledger` name `folder`.
pub(super) fn settle(settings: &mut Settings, folder: &Path) -> Result<()> {
    let origin = settings.origin("ledger");
    let unnamed = || {
        Error::new(ErrorKind::Usage, "the folder of the ledger has a name that is not UTF-8")
            .context("folder", folder.display())
            .hint("name another one with --ledger")
    };
    settings.set("ledger", folder.to_str().ok_or_else(unnamed)?, origin)
}

/// Where the ledger of a query belongs, and where else one may lie that knows what the query sends.
#[derive(Debug)]
pub(super) struct Places {
    /// Where it belongs.
    pub(super) own: PathBuf,
    /// Where it lay when the working folder decided, unless somebody has named a place.
    pub(super) working: Option<PathBuf>,
    /// Beside the query and its project, and in the folders above these and the working folder.
    pub(super) others: Vec<PathBuf>,
}

impl Places {
    /// Of the query file `query`, that runs under `settings`.
    pub(super) fn of(query: &Path, settings: &Settings) -> Self {
        let (folder, here) = (folder_of(query), working());
        let project = above(&folder).and_then(|file| file.parent().map(Path::to_owned));
        let given = PathBuf::from(settings.text("ledger").unwrap_or_default());
        let is_named = !is_from_project(settings);
        let own = if is_named { here.join(&given) } else { project.as_ref().unwrap_or(&folder).join(&given) };
        let names: BTreeSet<PathBuf> =
            given.is_relative().then_some(given.clone()).into_iter().chain([usual()]).collect();
        let real = query.canonicalize().ok().and_then(|query| query.parent().map(Path::to_owned));
        let own_folders = [Some(&here), Some(&folder), real.as_ref(), project.as_ref()].into_iter().flatten();
        let above = folder.ancestors().chain(here.ancestors()).skip(1).filter(|folder| !is_open_to_all(folder));
        let mut seen = BTreeSet::from([key(&own)]);
        let folders: Vec<&Path> = own_folders.map(PathBuf::as_path).chain(above).collect();
        let places = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
        let working = here.join(&given);
        let working = (!is_named && seen.insert(key(&working))).then_some(working);
        let others = places.filter(|place| seen.insert(key(place))).collect();
        Self { own, working, others }
    }
}

/// The folder of the ledger that a command without a query is about: that of the project that the working folder is in,
/// else the only one of the folders in it.
///
/// # Errors
/// [`ErrorKind::Usage`] where there are several.
pub(super) fn without_query(settings: &Settings) -> Result<PathBuf> {
    let named = PathBuf::from(settings.text("ledger").unwrap_or_default());
    if !is_from_project(settings) {
        return Ok(named);
    }
    let here = working();
    let project = above(&here).and_then(|file| file.parent().map(Path::to_owned));
    let own = project.unwrap_or_else(|| here.clone()).join(&named);
    if let Some(found) = [&own, &here.join(&named)].into_iter().find(|folder| folder.is_dir()) {
        return Ok(shown(found));
    }
    let below = std::fs::read_dir(&here).into_iter().flatten().flatten().map(|entry| entry.path().join(&named));
    let mut below: Vec<PathBuf> = below.filter(|folder| folder.is_dir()).map(|folder| shown(&folder)).collect();
    below.sort();
    if below.len() > 1 {
        let folders: Vec<String> = below.iter().map(|folder| folder.display().to_string()).collect();
        return Err(Error::new(ErrorKind::Usage, "there are several ledgers below the working folder")
            .context("ledgers", folders.join(", "))
            .hint("say which with --ledger"));
    }
    Ok(below.pop().unwrap_or_else(|| shown(&own)))
}

/// `path` from the working folder, where it lies in there.
pub(super) fn shown(path: &Path) -> PathBuf {
    match path.strip_prefix(working()) {
        Ok(inner) if inner != Path::new("") => inner.to_owned(),
        _ => path.to_owned(),
    }
}

/// Whether the setting `ledger` starts from the project.
fn is_from_project(settings: &Settings) -> bool {
    matches!(settings.origin("ledger"), Origin::Default | Origin::Environment)
}

/// The default of the setting `ledger`.
fn usual() -> PathBuf {
    let setting = SETTINGS.iter().find(|setting| setting.name == "ledger");
    setting.and_then(|setting| setting.default).unwrap_or_default().into()
}

/// The nearest `postback.toml`, from `folder` upwards.
fn above(folder: &Path) -> Option<PathBuf> {
    let is_trusted = |above: &&Path| *above == folder || !is_open_to_all(above);
    let files = folder.ancestors().filter(is_trusted).map(|folder| folder.join(SETTINGS_FILE));
    files.into_iter().find(|file| file.is_file())
}

/// The folder of a query file, without links; the file itself may be one, as those of a container's configuration are.
fn folder_of(query: &Path) -> PathBuf {
    let absolute = working().join(query);
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

fn working() -> PathBuf {
    std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_else(|_| PathBuf::from("."))
}

/// What tells two folders apart, whether they are there or not.
fn key(folder: &Path) -> PathBuf {
    let whole = |path: &Path| path.canonicalize().ok();
    let by_parent = || Some(whole(folder.parent()?)?.join(folder.file_name()?));
    whole(folder).or_else(by_parent).unwrap_or_else(|| folder.to_owned())
}

/// Whether anybody may put files there.
fn is_open_to_all(folder: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o002 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        false
    }
}
