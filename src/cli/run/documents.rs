//! The documents of the files of one command, where a form of JSON is asked for: one for each file, whatever became of
//! it. As JSON they are one: of several files, a list.

use std::path::Path;

use serde_json::Value;

use crate::cli::output::{self, Format};
use crate::error::{Error, ErrorKind, Result};
use crate::report::RunResults;

/// Documents that are printed, or wait for those of other files.
#[derive(Debug)]
pub(super) struct Documents {
    format: Format,
    files: usize,
    waiting: Vec<Value>,
    /// Whether the file of which it was last said that it begins has one.
    is_told: bool,
}

impl Documents {
    /// None yet, of so many files.
    pub(super) fn new(format: Format, files: usize) -> Self {
        Self { format, files, waiting: Vec::new(), is_told: false }
    }

    /// Another file begins.
    pub(super) fn begin(&mut self) {
        self.is_told = false;
    }

    /// Takes the document of a run, where a form of JSON is asked for.
    pub(super) fn add(&mut self, results: &RunResults) -> Result<()> {
        if !matches!(self.format, Format::Json | Format::Ndjson) {
            return Ok(());
        }
        let unwritable =
            |error| Error::new(ErrorKind::Internal, "the document cannot be written as JSON").source(error);
        self.put(serde_json::to_value(results).map_err(unwritable)?)
    }

    /// Takes what is said of a file that failed, unless it had a document already.
    pub(super) fn failed(&mut self, query: &Path, error: &Error) -> Result<()> {
        if self.is_told || !matches!(self.format, Format::Json | Format::Ndjson) {
            return Ok(());
        }
        let mut document = output::document(error);
        document["query"] = query.display().to_string().into();
        self.put(document)
    }

    /// Prints what waits for other files.
    pub(super) fn finish(self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        print(&format!("{:#}\n", Value::from(self.waiting)))
    }

    fn put(&mut self, document: Value) -> Result<()> {
        self.is_told = true;
        match self.format {
            Format::Ndjson => print(&format!("{document}\n")),
            _ if self.files > 1 => {
                self.waiting.push(document);
                Ok(())
            }
            _ => print(&format!("{document:#}\n")),
        }
    }
}

fn print(text: &str) -> Result<()> {
    output::write(|stdout| stdout.write_all(text.as_bytes()))
}
