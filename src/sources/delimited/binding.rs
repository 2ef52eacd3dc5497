//! Which field of a file's records each column of a table is.

use std::io::Read;

use datafusion::arrow::datatypes::Schema;

use super::fields::Values;
use super::records::{Found, Records};
use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::SourceFile;
use crate::sources::names;
use crate::sources::recognise::Dialect;

/// A file behind its header line.
pub(super) struct Opened<R> {
    pub(super) records: Records<R>,
    /// The names in its header line, as they are written; none in a file without one.
    pub(super) header: Option<Vec<String>>,
    /// The same, as they are known to queries.
    pub(super) names: Option<Vec<String>>,
    /// Fields of a record.
    width: usize,
}

/// Reads the header line of `content`, which ends in the middle of the file if it `is_cut`. Without a header line the
/// records have as many fields as the table has `columns`.
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
    if !dialect.has_header {
        records.expect(columns);
        return Ok(Opened { records, header: None, names: None, width: columns });
    }
    let mut values = Values::new(dialect);
    let header: Vec<String> = match records.next_record().map_err(|error| file.unreadable(error))? {
        None => Vec::new(),
        Some(Found::Record(record)) => {
            record.fields.iter().map(|field| values.text(record.text, *field).to_owned()).collect()
        }
        Some(Found::Faulty(fault)) => {
            let message = format!("the header line of `{}` cannot be read", file.shown());
            return Err(Error::new(ErrorKind::Source, message)
                .context("line", fault.line)
                .context("found", fault.detail)
                .hint("check the export: its first line names the columns, in UTF-8"));
        }
    };
    records.expect(header.len());
    let names = names::exposed(&header);
    Ok(Opened { records, width: header.len(), header: Some(header), names: Some(names) })
}

/// For each of `columns` the field of the records that it is; none for a column that the file does not have.
///
/// Columns are found by name. Where some of them have other names, and all the rest stand in their places, they are
/// those of the file in its order: a declaration may rename.
///
/// # Errors
/// [`ErrorKind::Source`] if the columns are neither named nor placed like those of the file.
pub(super) fn bind<R>(file: &SourceFile, opened: &Opened<R>, columns: &Schema) -> Result<Vec<Option<usize>>> {
    let in_order = || (0..columns.fields().len()).map(Some).collect();
    let Some(names) = opened.names.as_ref().filter(|names| !names.is_empty()) else { return Ok(in_order()) };
    let place = |name: &str| {
        let exactly = names.iter().position(|it| it == name);
        exactly.or_else(|| names.iter().position(|it| it.eq_ignore_ascii_case(name)))
    };
    let found: Vec<Option<usize>> = columns.fields().iter().map(|column| place(column.name())).collect();
    if found.iter().all(Option::is_some) {
        return Ok(found);
    }
    let is_placed = found.iter().enumerate().all(|(index, place)| place.is_none_or(|place| place == index));
    if is_placed && opened.width == columns.fields().len() {
        return Ok(in_order());
    }
    if found.iter().any(Option::is_some) {
        return Ok(found);
    }
    let message = format!(
        "the table has {} columns, and `{}` has {} of other names",
        columns.fields().len(),
        file.shown(),
        opened.width
    );
    Err(Error::new(ErrorKind::Source, message).hint("declare the columns by the names of the header line"))
}
