//! What was recognised and assumed about a source, for `check` and for the record of a run.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::Schema;
use encoding_rs::{UTF_8, WINDOWS_1252};
use serde::Serialize;

use super::file::SourceFile;
use super::recognise::{Compression, Format};

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
    /// That the text of some of `files` is no UTF-8, and what it was taken for.
    pub(super) fn encoding_assumed(files: &[SourceFile]) -> Self {
        let mut assumed = files.iter().filter(|file| file.wrapping.encoding == WINDOWS_1252);
        let first = assumed.next().map_or("", SourceFile::shown);
        let more = match assumed.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Self {
            code: Some("PB2301"),
            message: format!("`{first}`{more} is no UTF-8, and is read as Windows-1252 (Latin-1)"),
            help: Some("export UTF-8, or say OPTIONS ('format.encoding' 'latin1') if that is what it is".to_owned()),
        }
    }

    /// That some of `files` begin with a line that names the delimiter.
    pub(super) fn delimiter_named(files: &[SourceFile]) -> Option<Self> {
        let mut named = files.iter().filter(|file| file.layout.skipped > 0);
        let first = named.next()?.shown();
        let more = match named.count() {
            0 => String::new(),
            more => format!(" and of {more} more"),
        };
        let message = format!("line 1 of `{first}`{more} names the delimiter and is passed over");
        Some(Self { code: None, message, help: None })
    }

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
    /// Of `files` of `format` behind `locations`.
    pub(super) fn new(locations: &[String], format: &Format, files: &[SourceFile]) -> Self {
        Self {
            location: locations.join(", "),
            recognised: recognised(format, files),
            files: files.len() as u64,
            empty_files: 0,
            bytes: files.iter().map(|file| file.meta.size).sum(),
            columns: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// Format, compression and encoding of `files`, in words.
fn recognised(format: &Format, files: &[SourceFile]) -> String {
    let compressions: BTreeSet<_> = files.iter().map(|file| file.wrapping.compression).collect();
    let encodings: BTreeSet<_> = files.iter().map(|file| file.wrapping.encoding.name()).collect();
    let mut words = format.to_string();
    if compressions.iter().any(|compression| *compression != Compression::None) {
        let names: Vec<_> = compressions.iter().map(ToString::to_string).collect();
        words = format!("{words} in {}", names.join(" and "));
    }
    if encodings.iter().any(|encoding| *encoding != UTF_8.name()) {
        let names: Vec<_> = encodings.into_iter().collect();
        words = format!("{words}, {}", names.join(" and "));
    }
    words
}

/// The columns of `schema`, in words.
pub(super) fn columns(schema: &Schema) -> Vec<(String, String)> {
    schema.fields().iter().map(|field| (field.name().clone(), field.data_type().to_string())).collect()
}
