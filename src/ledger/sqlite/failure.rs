//! What SQLite's errors mean to whoever runs postback.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::{Error, ErrorKind};

/// The error of a ledger that cannot be opened or read.
pub(super) fn opening(path: &Path, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            damaged(path, "the file is not whole").source(error)
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::new(ErrorKind::Locked, "another program has the ledger open")
                .context("ledger", path.display())
                .hint("close it there, then run again")
                .source(error)
        }
        Some(code) => {
            let (message, hint) = match code {
                ErrorCode::DiskFull => ("the ledger cannot be opened: the disk is full", "free some space"),
                ErrorCode::SystemIoFailure => ("the ledger cannot be opened: the disk failed", "check the disk"),
                _ => ("the ledger cannot be opened", "see whether its file and folder can be read and written"),
            };
            Error::new(ErrorKind::Usage, message)
                .context("ledger", path.display())
                .hint(format!("{hint}, then try again"))
                .source(error)
        }
        // Not SQLite, but what it gave us: a value of the wrong type, a missing row.
        None => damaged(path, "it does not hold what it should").source(error),
    }
}

/// The error of a ledger that cannot be written.
pub(super) fn writing(path: &Path, error: rusqlite::Error) -> Error {
    let (message, hint) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ("the ledger could not be written: the disk is full", "free some space"),
        Some(ErrorCode::SystemIoFailure) => ("the ledger could not be written: the disk failed", "check the disk"),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            ("the ledger could not be written", "make the file and its folder writable")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => {
            return damaged(path, "the file is not whole").source(error);
        }
        Some(_) => ("the ledger could not be written", "see whether the disk is sound"),
    };
    Error::new(ErrorKind::Incomplete, message)
        .context("ledger", path.display())
        .hint(format!("{hint}, then run again: what was accepted is on record and is not sent twice"))
        .source(error)
}

/// The error of a ledger of which it could not be noted how far it is.
pub(super) fn unnoted(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Incomplete, "the ledger's lock could not be written")
        .context("ledger", path.display())
        .hint("see whether the disk is sound, then run again: what was accepted is on record and is not sent twice")
        .source(error)
}

/// The error of a ledger whose rows are not what was written.
pub(super) fn damaged(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Usage, format!("the ledger is damaged: {what}"))
        .context("ledger", path.display())
        .hint("nothing is sent on its word; `postback ledger verify` lists the damage, `postback ledger repair` saves what is whole")
}

/// The error of a ledger that lacks its last batches.
pub(super) fn cut(path: &Path, batches: u64) -> Error {
    Error::new(ErrorKind::Usage, lacks(batches))
        .context("ledger", path.display())
        .hint("`postback ledger repair` goes on with what is there, and lets nothing be sent that would count twice")
}

/// What is wrong with a ledger that lacks its last batches.
pub(super) fn lacks(batches: u64) -> String {
    let batches = if batches == 1 { "the last batch".to_owned() } else { format!("the last {batches} batches") };
    format!("the ledger lacks {batches} that it held: the end of its log is lost")
}

/// The error of a ledger that another process opened although this one holds it.
pub(super) fn overtaken(path: &Path) -> Error {
    Error::new(ErrorKind::Locked, "another run took over the ledger")
        .context("ledger", path.display())
        .hint("keep the ledger on a disk of this machine: its lock does not hold on this file system")
}
