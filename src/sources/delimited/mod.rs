//! Delimited text that survives its faults: one bad row never fails its file.
//!
//! A record is rejected, with file and line, if it has another number of fields than the header, a quote where none may
//! be, bytes that are no text, or a length beyond all reason. Reading then goes on behind it, or where
//! its quotes are not in order, with the next line, so that an open quote costs one line, and not all that follow. What
//! is rejected for these faults does not depend on the columns that a query asks for.
//!
//! How many fields a row has, all rows of the sample tell, and never the first ([`layout`]). A row with as many fields as
//! all others, whose values may stand in the wrong columns, is rejected too ([`shapes`]).
//!
//! The columns of several files are brought together by the names of their header lines, whatever their order, and a
//! column that a file does not have is NULL there. A declaration may give a column another name than the files do: where
//! no file has a declared name, the column in its place is meant, if all others stand in theirs. A type is one that every
//! value of all samples has; a name that identifies something, or a value that a number would change, makes a column text.
//!
//! A value is NULL where nothing stands, between quotes or not, where an unquoted `\N` stands, or what is declared in its
//! place, and, in a column that is not text, where a word stands that programs write for no value, or a blank.

use super::recognise::{self, Dialect};
use super::streamed::{Chunks, Wanted};
use crate::error::Result;

mod binding;
mod fields;
mod infer;
mod layout;
mod records;
mod rows;
mod shape;
mod shapes;
mod types;

pub(super) use self::infer::infer;
pub(super) use self::layout::Layout;

/// The rows of a file.
///
/// # Errors
/// [`ErrorKind::Source`](crate::error::ErrorKind::Source) if it cannot be opened, or has no header line that can be read.
pub(super) fn read(wanted: &Wanted<'_>, dialect: &Dialect) -> Result<Chunks> {
    let dialect = &dialect.of(wanted.file.quoting);
    let content = recognise::content(wanted.file)?;
    let opened = binding::open(wanted.file, content, dialect, false, wanted.columns.fields().len())?;
    let bound = binding::bind(&opened, wanted.columns);
    let columns = wanted.projection.iter().map(|index| (wanted.columns.field(*index), bound[*index])).collect();
    Ok(Box::new(rows::Rows::new(wanted, opened.records, dialect, columns)))
}
