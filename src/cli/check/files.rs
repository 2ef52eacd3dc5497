//! The query files that a command line means: names, folders and patterns, each file once.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Query files of one command; a pattern that takes in more was meant otherwise.
const MAX_QUERIES: usize = 10_000;

/// The files behind `patterns`, in their order, each once. What means no file stands there with the reason.
pub(super) fn find(patterns: &[PathBuf]) -> Vec<(PathBuf, Result<()>)> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for pattern in patterns {
        match list(pattern) {
            Ok(files) => {
                let mut is_new = |file: &PathBuf| seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone()));
                found.extend(files.into_iter().filter(|file| is_new(file)).map(|file| (file, Ok(()))));
            }
            Err(error) => found.push((pattern.clone(), Err(error))),
        }
    }
    found
}

fn list(pattern: &Path) -> Result<Vec<PathBuf>> {
    let refuse = |message: String| Error::new(ErrorKind::Usage, message);
    let shown = pattern.display();
    if pattern.is_dir() {
        let unreadable = |error: std::io::Error| refuse(format!("cannot read the folder `{shown}`")).source(error);
        let entries = fs::read_dir(pattern).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
        // Files of the working folder are called by their names alone.
        let shorten = |path: PathBuf| path.strip_prefix(".").map_or(path.clone(), Path::to_path_buf);
        let files = queries(entries.into_iter().map(|entry| shorten(entry.path())).filter(|path| is_sql(path)));
        return if files.is_empty() {
            Err(refuse(format!("the folder `{shown}` has no .sql file")).hint("name the folder that holds the queries"))
        } else {
            bounded(files, pattern)
        };
    }
    let text = pattern.to_str().filter(|text| text.contains(['*', '?', '['])).filter(|_| !pattern.exists());
    // A name without a file is for the reader of the file to refuse.
    let Some(text) = text else { return Ok(vec![pattern.to_owned()]) };
    let paths = glob::glob(text).map_err(|error| refuse(format!("`{shown}` is no glob pattern")).source(error))?;
    let files = queries(paths.filter_map(Result::ok).take(MAX_QUERIES + 1));
    if files.is_empty() {
        return Err(refuse(format!("no file matches `{shown}`"))
            .hint("patterns start from the working folder; put them in quotes, or the shell expands them"));
    }
    bounded(files, pattern)
}

/// The files among `paths`, sorted, without hidden ones.
fn queries(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let mut files: Vec<PathBuf> = paths.filter(|path| path.is_file() && !is_hidden(path)).collect();
    files.sort();
    files
}

fn bounded(files: Vec<PathBuf>, pattern: &Path) -> Result<Vec<PathBuf>> {
    if files.len() > MAX_QUERIES {
        let message = format!("`{}` means over {MAX_QUERIES} files", pattern.display());
        return Err(Error::new(ErrorKind::Usage, message));
    }
    Ok(files)
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_patterns_mean_their_files_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.sql", "a.SQL", ".hidden.sql", "notes.txt", "[x].sql"] {
            fs::write(folder.path().join(name), "SELECT 1").unwrap();
        }
        let named = |pattern: &str| {
            let found = find(&[folder.path().join(pattern), folder.path().join("b.sql")]);
            let names = found.into_iter().map(|(path, result)| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                result.map_or_else(|error| error.to_string(), |()| name)
            });
            names.collect::<Vec<_>>()
        };
        assert_eq!(named(""), ["[x].sql", "a.SQL", "b.sql"]);
        assert_eq!(named("*.sql"), ["[x].sql", "b.sql"]);
        assert_eq!(named("[x].sql"), ["[x].sql", "b.sql"]);
        assert_eq!(named("missing.sql"), ["missing.sql", "b.sql"]);
        let none = named("*.txt2");
        assert!(none[0].starts_with("no file matches `") && none[1] == "b.sql", "{none:?}");
    }
}
