//! Delta Lake tables as sources: what their logs say is what is read, and nothing beside it.

use std::path::Path;

use crate::server::{Said, postback, said};

mod buckets;
mod checkpoint;
mod columns;
mod damage;
mod log;
mod mutations;
mod pruning;
mod reading;
mod runs;
mod table;
mod travel;
mod twice;

/// What `postback sql` says of `query`.
pub(crate) fn sql(folder: &Path, query: &str) -> Said {
    said(postback(&["sql", query, "--format", "ndjson"]).current_dir(folder))
}

/// What `postback sql` says of the statements of a file.
pub(crate) fn sql_of(folder: &Path, statements: &str) -> Said {
    crate::server::file(folder, "statements.sql", statements);
    said(postback(&["sql", "statements.sql", "--format", "ndjson"]).current_dir(folder))
}

/// The rows of `query` as JSON.
pub(crate) fn rows(folder: &Path, query: &str) -> Vec<String> {
    let said = sql(folder, query);
    assert_eq!(said.code, 0, "{query}: {}", said.stderr);
    said.stdout.lines().map(str::to_owned).collect()
}

/// `query` ends with exit code 5, says all of `words` and no secret.
pub(crate) fn refused(folder: &Path, query: &str, words: &[&str]) {
    is_refused(&sql(folder, query), query, 5, words);
}

/// `said`, of `query`, has the exit code, all of `words` and no secret.
pub(crate) fn is_refused(said: &Said, query: &str, code: i32, words: &[&str]) {
    assert_eq!(said.code, code, "{query}: {}{}", said.stdout, said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "{query}: no `{word}` in\n{}", said.stderr);
    }
    for secret in ["secret", "SECRET", "panicked"] {
        assert!(!said.stderr.contains(secret), "{query}: `{secret}` in\n{}", said.stderr);
    }
}
