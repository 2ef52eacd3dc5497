//! What went wrong with the files of one command, and the exit code that it makes.

use std::path::Path;

use crate::cli::render;
use crate::error::{Error, ErrorKind, Result};

/// What went wrong with the files of one command.
#[derive(Default)]
pub(super) struct Failures<'a> {
    /// Files of the command.
    pub(super) files: usize,
    pub(super) errors: Vec<(&'a Path, Error)>,
    /// Whether another file has sent its events.
    pub(super) others_ran: bool,
}

impl<'a> Failures<'a> {
    pub(super) fn add(&mut self, path: &'a Path, error: Error) {
        // With one file it is clear which one is meant.
        let is_clear = self.files == 1 || error.location().is_some();
        let error = if is_clear { error } else { error.context("query", path.display()) };
        self.errors.push((path, error));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The only failure of the only file; of several, each is shown, and the first decides the exit code.
    pub(super) fn into_result(mut self) -> Result<()> {
        if self.files == 1 {
            return self.errors.pop().map_or(Ok(()), |(_, error)| Err(error));
        }
        self.errors.iter().for_each(|(_, error)| render::error(error));
        let Some((path, first)) = self.errors.first() else { return Ok(()) };
        let message = format!("{} of {} files failed, `{}` first", self.errors.len(), self.files, path.display());
        let kind = match first.kind() {
            // Their exit codes say that nothing was sent.
            ErrorKind::Usage | ErrorKind::Sql | ErrorKind::Contract if self.others_ran => ErrorKind::Incomplete,
            kind if kind.is_of_source() && self.others_ran => ErrorKind::Incomplete,
            kind => kind,
        };
        Err(Error::new(kind, message))
    }
}
