//! Which field of a file's records each column of a table is.

use std::io::Read;

use datafusion::arrow::datatypes::Schema;

use super::fields::Values;
use super::layout::Width;
use super::records::{Found, Records};
use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::SourceFile;
use crate::sources::names;
use crate::sources::recognise::Dialect;

/// A file behind its header line.
pub(super) struct Opened<R> {
    pub(super) records: Records<R>,
    /// The names in its header line, without the blanks around them; none in a file without one.
    pub(super) header: Option<Vec<String>>,
    /// Whether there are blanks, or other letters that nobody sees, around one of them.
    pub(super) is_stripped: bool,
    /// The same, as they are known to queries.
    pub(super) names: Option<Vec<String>>,
}

/// Reads the header line of `content`, which ends in the middle of the file if it `is_cut`. The records behind it are as
/// wide as the layout of the file says, or else as the header line, or without one as the table with its `columns`.
///
/// # Errors
/// [`ErrorKind::Source`] if the header line cannot be read.
pub(super) fn open<R: Read>(
    file: &SourceFile,
    content: R,
    dialect: &Dialect,
    is_cut: bool,
    columns: usize,
) -> Result<Opened<R>> {
    let mut records = Records::new(content, dialect, is_cut);
    records.skip_lines(file.layout.skipped).map_err(|error| file.unreadable(error))?;
    if !dialect.has_header {
        records.expect(file.layout.width.unwrap_or(Width::of(columns)));
        return Ok(Opened { records, header: None, is_stripped: false, names: None });
    }
    let mut values = Values::new(dialect);
    let written: Vec<String> = match records.next_record().map_err(|error| file.unreadable(error))? {
        None => Vec::new(),
        Some(Found::Record(record)) => {
            record.fields.iter().map(|field| values.text(record.text, *field).to_owned()).collect()
        }
        Some(Found::Faulty(fault)) => {
            let message = format!("the header line of `{}` cannot be read", file.shown());
            return Err(Error::new(ErrorKind::Source, message)
                .context("line", fault.spot)
                .context("found", fault.detail)
                .hint("check the export: its first line names the columns, in UTF-8"));
        }
    };
    let mut header: Vec<String> = written.iter().map(|name| names::stripped(name).to_owned()).collect();
    let is_stripped = header != written;
    let width = file.layout.width.unwrap_or(Width::of(header.len()));
    records.expect(width);
    header.truncate(width.columns);
    let names = names::exposed(&header);
    Ok(Opened { records, header: Some(header), is_stripped, names: Some(names) })
}

/// For each of `columns` the field of the records that it is, by its name, or without names by its place; none for a
/// column that the file does not have.
pub(super) fn bind<R>(opened: &Opened<R>, columns: &Schema) -> Vec<Option<usize>> {
    match opened.names.as_ref().filter(|names| !names.is_empty()) {
        Some(names) => columns.fields().iter().map(|column| place(names, column.name())).collect(),
        None => (0..columns.fields().len()).map(Some).collect(),
    }
}

/// Which of the `names` of a file is `name`, in this case or another, and without blanks around it as they are.
pub(super) fn place(names: &[String], name: &str) -> Option<usize> {
    let name = names::stripped(name);
    let exactly = names.iter().position(|it| it == name);
    exactly.or_else(|| names.iter().position(|it| it.eq_ignore_ascii_case(name)))
}
