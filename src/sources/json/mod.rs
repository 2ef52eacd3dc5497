//! JSON objects that survive each other: one bad object never fails the lines beside it.
//!
//! Three layouts are read: one object a line, objects one behind the other over several lines, and one array of objects.
//! Which of the first two it is, the first object tells. In a file of lines, a line that is not an object is rejected,
//! with file and line, and the next line is read. Among objects over several lines, reading goes on with the next line
//! that begins with a brace, since an object within the faulty one would be indented. An array is whole or damaged: its
//! text says where it ends, and only an object within it that is no text is rejected. A file that ends in the middle of an
//! object is cut off, which is an error of the file: what is missing must not look like less data.
//!
//! The first objects tell the columns: a field has the shape that most of its values have, and names that files spell
//! differently are one, unless a file has both spellings. Members that are first seen below have no column, and are told.
//!
//! An object that names a field twice says two things, and is rejected. Numbers and booleans are read as they are
//! written, so that ids beyond 64 bits keep their digits, and whole numbers between quotes fit a column of numbers.

use super::recognise::{self, Format};
use super::streamed::{Chunks, Wanted};
use crate::error::Result;

mod check;
mod infer;
mod objects;
mod pairs;
mod rows;
mod shape;

pub(super) use self::infer::infer;

/// The objects of a file.
///
/// # Errors
/// [`ErrorKind::Source`](crate::error::ErrorKind::Source) if it cannot be opened.
pub(super) fn read(wanted: &Wanted<'_>, format: &Format) -> Result<Chunks> {
    let content = recognise::content(wanted.file)?;
    let objects = objects::Objects::new(content, format, false);
    Ok(Box::new(rows::Rows::new(wanted, objects)?))
}
