//! Which cells of a column count, and read access to cells of text.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, StringViewArray};

use crate::contract::EventSource;

/// The event source of each row; none where it could not be read.
pub(super) type RowSources = [Option<EventSource>];

/// The cells of one column: their rows, and what the rows' event sources want with the field.
pub(super) struct Scope<'a> {
    /// Canonical name of the column.
    pub(super) column: &'a Arc<str>,
    /// Per event source, whether it takes the field.
    pub(super) takes: [bool; 4],
    /// Per event source, whether it requires the field.
    pub(super) requires: [bool; 4],
    /// Event sources of the rows.
    pub(super) sources: &'a RowSources,
    /// Row of each cell when there is not exactly one cell a row.
    pub(super) rows: Option<&'a [usize]>,
}

impl Scope<'_> {
    /// The row of a cell.
    pub(super) fn row(&self, cell: usize) -> usize {
        self.rows.map_or(cell, |rows| rows[cell])
    }

    /// Whether the cell is sent at all.
    pub(super) fn takes(&self, cell: usize) -> bool {
        self.sources[self.row(cell)].is_some_and(|source| self.takes[source as usize])
    }

    /// Whether the row is refused without the cell.
    pub(super) fn requires(&self, cell: usize) -> bool {
        self.sources[self.row(cell)].is_some_and(|source| self.requires[source as usize])
    }
}

/// A column of texts, one or several a row.
pub(super) enum Texts<'a> {
    /// At most one text a row.
    One(&'a StringViewArray),
    /// A list of texts a row.
    Many(&'a ListArray, &'a StringViewArray),
}

impl<'a> Texts<'a> {
    /// The texts of a column of type `Utf8View` or `List<Utf8View>`.
    pub(super) fn of(column: &'a ArrayRef) -> Option<Self> {
        if let Some(texts) = column.as_string_view_opt() {
            return Some(Self::One(texts));
        }
        let lists = column.as_list_opt::<i32>()?;
        Some(Self::Many(lists, lists.values().as_string_view_opt()?))
    }

    /// The texts of one row that are neither NULL nor blank.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        let (texts, range): (&'a StringViewArray, Range<usize>) = match *self {
            Self::One(texts) => (texts, row..row + 1),
            Self::Many(lists, texts) => (texts, items(lists, row)),
        };
        range.filter_map(move |cell| text(texts, cell))
    }
}

/// The text of a cell that is neither NULL nor blank.
pub(super) fn text(texts: &StringViewArray, cell: usize) -> Option<&str> {
    if texts.is_null(cell) {
        return None;
    }
    let text = texts.value(cell);
    (!text.trim_start().is_empty()).then_some(text)
}

/// Where the elements of a row's list lie in the list's values.
pub(super) fn items(lists: &ListArray, row: usize) -> Range<usize> {
    if lists.is_null(row) {
        return 0..0;
    }
    let offsets = lists.value_offsets();
    let index = |offset: i32| usize::try_from(offset).expect("list offsets are never negative");
    index(offsets[row])..index(offsets[row + 1])
}

/// Whether a canonical cell has something to send.
pub(super) fn present(column: Option<&ArrayRef>, row: usize) -> bool {
    let Some(column) = column else { return false };
    if column.is_null(row) {
        return false;
    }
    match (column.as_string_view_opt(), column.as_list_opt::<i32>()) {
        (Some(texts), _) => !texts.value(row).is_empty(),
        (_, Some(lists)) => lists.value_length(row) > 0,
        _ => true,
    }
}
