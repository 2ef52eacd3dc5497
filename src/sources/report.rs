//! What was recognised and assumed about a source, for `check` and for the record of a run.

use datafusion::arrow::datatypes::Schema;
use serde::Serialize;

use super::file::SourceFile;
use super::sniff::Recognised;

/// How a source is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceReport {
    /// As the query names it.
    pub location: String,
    /// Format, compression and encoding, in words.
    pub recognised: String,
    /// Files that are read.
    pub files: u64,
    /// Files without a byte, which are passed over.
    pub empty_files: u64,
    /// Bytes of the files, as they are stored.
    pub bytes: u64,
    /// Names and Arrow types, in the order of the table.
    pub columns: Vec<(String, String)>,
    /// What was assumed, and what looks wrong.
    pub notes: Vec<Note>,
}

/// Something to know about a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Code of the rule, where it warns of something; none where it tells what was assumed.
    pub code: Option<&'static str>,
    /// What there is to know; never a value.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// What the first rows of files show.
pub(super) struct Inferred {
    pub(super) schema: Schema,
    /// What was assumed.
    pub(super) notes: Vec<Note>,
}

impl Note {
    /// That `count` of `files` files, of which `first` is the first, do not have the column `name`.
    pub(super) fn missing(name: &str, first: &str, count: usize, files: usize) -> Option<Self> {
        let message = match count {
            0 => return None,
            1 => format!("`{first}` has no column `{name}`: it is NULL there"),
            _ => format!("{count} of {files} files have no column `{name}`, `{first}` is the first: it is NULL there"),
        };
        Some(Self { code: None, message, help: None })
    }
}

impl SourceReport {
    pub(super) fn new(locations: &[String], recognised: &Recognised, files: &[SourceFile]) -> Self {
        Self {
            location: locations.join(", "),
            recognised: recognised.to_string(),
            files: files.len() as u64,
            empty_files: 0,
            bytes: files.iter().map(|file| file.meta.size).sum(),
            columns: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// The columns of `schema`, in words.
pub(super) fn columns(schema: &Schema) -> Vec<(String, String)> {
    schema.fields().iter().map(|field| (field.name().clone(), field.data_type().to_string())).collect()
}
