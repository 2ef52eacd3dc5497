//! What the values of each column look like, which shows rows whose values stand in the wrong columns.
//!
//! A row that lost a delimiter, and has one in a text, has as many fields as all others. Where a value looks like none of
//! its column, and all values look like those of theirs if two fields are taken for one and another for two, both
//! readings fit, and nobody can tell: the row is told and not read.

use std::collections::BTreeMap;

use super::records::{Field, Record};
use super::shape::{Shape, shape, without_thousands};

/// Values of a column that are few: half of them make a shape usual.
const FEW: u64 = 20;
/// Of many values, one in so many makes a shape usual.
const USUAL: u64 = 10;
/// Columns of a table whose rows are looked at.
const MAX_COLUMNS: usize = 64;
/// The longest field that may be two.
const MAX_SPLIT: usize = 256;
/// Readings that are tried in one file.
pub(super) const MAX_TRIED: u64 = 20_000_000;

/// What the values of all columns look like.
#[derive(Clone, Debug)]
pub(super) struct Shapes {
    columns: Vec<Column>,
    delimiter: char,
}

/// What the values of a column look like.
#[derive(Clone, Debug, Default)]
struct Column {
    /// The usual shapes, where a value of another one is odd; none where any value may stand.
    usual: Vec<Shape>,
    /// Whether there are rows without a value.
    has_nothing: bool,
    /// Whether these are most rows.
    is_rare: bool,
    /// Whether values begin with a blank, as the rest of a text does behind a delimiter in it.
    has_blanks: bool,
}

/// Counts what the values of columns look like.
#[derive(Debug)]
pub(super) struct Gathered {
    columns: Vec<Counts>,
}

/// How many values of a column look like what.
#[derive(Clone, Debug, Default)]
struct Counts {
    shapes: BTreeMap<Shape, u64>,
    /// Those that begin with a blank.
    blanks: u64,
}

/// The fields of a row.
#[derive(Clone, Copy)]
struct Row<'a> {
    text: &'a str,
    fields: &'a [Field],
}

/// How two fields are one value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merge {
    /// As any two texts are.
    Loose,
    /// As a text with a blank behind its delimiter.
    Prose,
    /// As a number with a delimiter between its thousands.
    Number,
}

/// How one field is two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Split {
    /// It is not.
    None,
    /// Two values, of which one may stand anywhere.
    Loose,
    /// Two values that look like those of their columns.
    Certain,
}

impl Gathered {
    /// Of so many `columns`.
    pub(super) fn new(columns: usize) -> Self {
        Self { columns: vec![Counts::default(); columns] }
    }

    /// Takes up the values of a row.
    pub(super) fn add(&mut self, record: &Record<'_>) {
        let row = Row { text: record.text, fields: record.fields };
        for (index, column) in self.columns.iter_mut().enumerate() {
            let value = row.value(index);
            *column.shapes.entry(shape(value)).or_default() += 1;
            column.blanks += u64::from(begins_late(value));
        }
    }

    /// What they look like, between `delimiter`s; none where no value can be odd.
    pub(super) fn shapes(self, delimiter: u8) -> Option<Shapes> {
        let columns: Vec<Column> = self.columns.iter().map(Column::of).collect();
        let is_told =
            columns.iter().any(|column| column.is_told() || !column.has_blanks) && columns.len() <= MAX_COLUMNS;
        is_told.then(|| Shapes { columns, delimiter: char::from(delimiter) })
    }
}

impl Column {
    fn of(counts: &Counts) -> Self {
        let Counts { shapes, blanks } = counts;
        let all: u64 = shapes.iter().filter(|(shape, _)| **shape != Shape::Nothing).map(|(_, count)| count).sum();
        let is_usual = |count: u64, all: u64| if all < FEW { count * 2 >= all } else { count * USUAL > all };
        let usual = shapes.iter().filter(|(shape, count)| **shape != Shape::Nothing && is_usual(**count, all));
        let usual: Vec<Shape> = usual.map(|(shape, _)| *shape).collect();
        let is_told = all > 1 && !usual.contains(&Shape::Text);
        Self {
            usual: if is_told { usual } else { Vec::new() },
            has_nothing: shapes.contains_key(&Shape::Nothing),
            is_rare: shapes.get(&Shape::Nothing).is_some_and(|nothing| *nothing > all),
            has_blanks: *blanks > 0 && is_usual(*blanks, shapes.values().sum()),
        }
    }

    /// Whether a value can be odd here.
    fn is_told(&self) -> bool {
        !self.usual.is_empty()
    }

    fn takes(&self, value: &str) -> bool {
        if !self.has_blanks && begins_late(value) {
            return false;
        }
        !self.is_told()
            || match shape(value) {
                Shape::Nothing => self.has_nothing,
                shape => self.usual.contains(&shape),
            }
    }
}

impl Shapes {
    /// Whether the values of `record` may stand in the wrong columns; readings that are tried are taken off `left`.
    pub(super) fn is_shifted(&self, record: &Record<'_>, left: &mut u64) -> bool {
        let row = Row { text: record.text, fields: record.fields };
        let is_odd = |index: &usize| !self.columns[*index].takes(row.value(*index));
        let mut odd = (0..self.columns.len().min(row.fields.len())).filter(is_odd);
        let Some(first) = odd.next() else { return false };
        let (last, count) = odd.fold((first, 1_usize), |(_, count), index| (index, count + 1));
        let columns = self.columns.len() as u64;
        if row.fields.len() != self.columns.len() || *left < columns * columns {
            return false;
        }
        *left -= columns * columns;
        let end = self.columns.len();
        (0..end - 1).any(|merged| {
            (first >= merged && last <= merged + 1 && self.ends_elsewhere(row, merged))
                || (0..=end).any(|split| self.explains(row, merged, split, first, last, count))
        })
    }

    /// Whether the field `one` and the next look like values of their columns if the first ends elsewhere.
    fn ends_elsewhere(&self, row: Row<'_>, one: usize) -> bool {
        let (field, next) = (row.fields[one], row.fields[one + 1]);
        let (column, other) = (&self.columns[one], &self.columns[one + 1]);
        let is_open = !field.is_quoted && !next.is_quoted && next.end - field.start <= MAX_SPLIT;
        if !is_open || !column.is_told() {
            return false;
        }
        let takes = |column: &Column, text: &str| {
            column.takes(text) || without_thousands(text, self.delimiter).is_some_and(|number| column.takes(&number))
        };
        let is_next = |text: &str| match text.strip_prefix(['"', '\'']) {
            // Quotes around the next value, which are letters behind the first.
            Some(rest) => rest.ends_with(['"', '\'']),
            None => other.is_told() && !text.trim_start_matches(' ').starts_with(self.delimiter) && takes(other, text),
        };
        let text = &row.text[field.start..next.end];
        let mut places = text.char_indices().skip(1).map(|(at, _)| text.split_at(at));
        // A tab at the end of a value would be taken for a blank.
        let is_whole = |text: &str| !text.trim_end_matches(' ').ends_with(self.delimiter);
        places.any(|(left, right)| is_whole(left) && takes(column, left) && is_next(right))
    }

    /// Whether all values look like those of their columns if the field `merged` and the next are one, and `split` is two,
    /// or the last field is left out where there is none of that number. `count` values are odd otherwise, from the
    /// `first` to the `last`.
    fn explains(&self, row: Row<'_>, merged: usize, split: usize, first: usize, last: usize, count: usize) -> bool {
        let end = self.columns.len();
        if split == merged || split == merged + 1 || first < merged.min(split) || last > split.max(merged + 1) {
            return false;
        }
        let (column, moved) = if split > merged {
            (merged, (merged + 2..split).all(|field| self.columns[field - 1].takes(row.value(field))))
        } else {
            (merged + 1, (split + 1..merged).all(|field| self.columns[field + 1].takes(row.value(field))))
        };
        if !moved {
            return false;
        }
        let Some(merge) = self.merged(row, merged, column) else { return false };
        if split < end {
            let parts = self.split(row, split, if split > merged { split - 1 } else { split });
            return parts != Split::None && (count > 1 || merge != Merge::Loose && parts == Split::Certain);
        }
        // The delimiter in front of the last column is left out, where nothing stands behind it.
        let column = &self.columns[end - 1];
        let is_left_out = column.is_rare && !row.value(end - 1).is_empty();
        column.has_nothing && (count > 1 || merge == Merge::Number || merge == Merge::Prose && is_left_out)
    }

    /// How the field `first` and the next are one value of `column`; none if they are not.
    fn merged(&self, row: Row<'_>, first: usize, column: usize) -> Option<Merge> {
        let (one, other) = (row.fields[first], row.fields[first + 1]);
        if one.is_quoted || other.is_quoted {
            return None;
        }
        if !self.columns[column].is_told() {
            let is_prose = begins_late(row.value(first + 1)) && !row.value(first).trim().is_empty();
            return Some(if is_prose { Merge::Prose } else { Merge::Loose });
        }
        let number = without_thousands(&row.text[one.start..other.end], self.delimiter)?;
        self.columns[column].takes(&number).then_some(Merge::Number)
    }

    /// How the field `split` is two values, of `column` and the next one.
    fn split(&self, row: Row<'_>, split: usize, column: usize) -> Split {
        let value = row.value(split);
        if row.fields[split].is_quoted || value.len() > MAX_SPLIT {
            return Split::None;
        }
        let (one, other) = (&self.columns[column], &self.columns[column + 1]);
        let places = value.char_indices().skip(1).map(|(at, _)| value.split_at(at));
        let mut fitting = places.filter(|(left, right)| one.takes(left) && other.takes(right));
        match fitting.next() {
            None => Split::None,
            Some(_) if one.is_told() && other.is_told() => Split::Certain,
            Some(_) => Split::Loose,
        }
    }
}

impl<'a> Row<'a> {
    fn value(self, field: usize) -> &'a str {
        self.fields.get(field).map_or("", |field| &self.text[field.start..field.end])
    }
}

/// Whether `value` has a blank at its beginning, and something behind it.
fn begins_late(value: &str) -> bool {
    value.starts_with(' ') && !value.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::records::{Found, Records};
    use super::*;
    use crate::sources::recognise::Dialect;

    /// The lines of `text`, whose first names columns, that may be shifted.
    fn shifted(text: &str) -> Vec<u64> {
        let dialect = Dialect {
            delimiter: b',',
            quote: b'"',
            escape: None,
            comment: None,
            has_header: true,
            is_closed: None,
            null: None,
        };
        let columns = text.lines().next().unwrap().split(',').count();
        let mut gathered = Gathered::new(columns);
        let mut records = Records::new(text.as_bytes(), &dialect, false);
        records.next_record().unwrap();
        while let Some(Found::Record(record)) = records.next_record().unwrap() {
            assert_eq!(record.fields.len(), columns, "line {}", record.line);
            gathered.add(&record);
        }
        let Some(shapes) = gathered.shapes(b',') else { return Vec::new() };
        let mut records = Records::new(text.as_bytes(), &dialect, false);
        records.next_record().unwrap();
        let (mut lines, mut left) = (Vec::new(), MAX_TRIED);
        while let Some(Found::Record(record)) = records.next_record().unwrap() {
            if shapes.is_shifted(&record, &mut left) {
                lines.push(record.line);
            }
        }
        lines
    }

    #[test]
    fn a_lost_delimiter_made_up_for_by_one_in_a_value_is_seen() {
        let rows = "order_id,email,ts,amount,tax,note\n\
            1,a@example.com,2026-11-14T10:00:00Z,80.00,9.00,\n\
            2,b@example.com,2026-11-14T10:00:00Z,90.00,9.00,XMAS\n\
            3,c@example.com,2026-11-14T11:00:00Z,95.50,9.10,gift\n";
        for row in [
            // The last field is empty, and its delimiter is left out.
            "4,d@example.com,2026-11-14T10:00:00Z,1,250.00,19.00",
            // Two values without a delimiter between them.
            "4,d@example.com2026-11-14T10:00:00Z,1,250.00,19.00,",
            "4,d@example.com,2026-11-14T10:00:00Z1,250.00,19.00,x",
            "4d@example.com,2026-11-14T10:00:00Z,1,250.00,19.00,x",
            "4,d@example.com2026-11-14T10:00:00Z,80.00,9.00,a gift, wrapped",
            "4,d@example.com,2026-11-14T10:00:00Z80.00,9.00,a gift, wrapped",
            "4,d@example.com2026-11-14T10:00:00Z,80.00,9.00,a,b",
            "4,d@example.com,2026-11-14T10:00:00Z,80.009.00,a gift, wrapped",
            "4d@example.com,2026-11-14T10:00:00Z,80.00,9.00,a gift, wrapped",
            "4,d@example.com,2026-11-14T10:00:00Z,1,250.009.00,x",
            "4,d@example.com,2026-11-14T10:00:00Z,80.00\"9.00, 9\",x",
        ] {
            assert_eq!(shifted(&format!("{rows}{row}\n")), [5], "{row}");
            assert_eq!(shifted(&rows.replacen('\n', &format!("\n{row}\n"), 1)), [2], "{row}");
        }
    }

    #[test]
    fn the_rest_of_a_text_begins_with_a_blank() {
        let rows = "name,city,note\nAnn,Rio,\nBo,Bonn,x\nCy,Berlin,\nEd,Bonn,\n";
        assert_eq!(shifted(&format!("{rows}Di,Rio, Brasil\n")), [6]);
        assert_eq!(shifted(&format!("{rows}Di,Rio,Brasil\n")), [0_u64; 0]);
        assert_eq!(shifted(&format!("{rows}Di,Rio,\" Brasil\"\n")), [0_u64; 0]);
        assert_eq!(shifted("name,city,note\nAnn, Rio, \nBo, Bonn, x\nCy, Berlin, y\n"), [0_u64; 0]);
        // A note that stands in most rows is not left out.
        assert_eq!(shifted(&format!("{}Di,Rio, Brasil\n", rows.replace(",\n", ",y\n"))), [0_u64; 0]);
        assert_eq!(shifted(&format!("{}Di,Rio, Brasil\n", rows.replacen(",\n", ",y\n", 2))), [0_u64; 0]);
    }

    #[test]
    fn odd_values_that_no_other_reading_explains_are_left_alone() {
        let rows = "order_id,email,ts,amount,tax,note\n\
            1,a@example.com,2026-11-14T10:00:00Z,80.00,9.00,\n\
            2,b@example.com,2026-11-14T10:00:00Z,90.00,9.00,XMAS\n\
            3,c@example.com,2026-11-14T11:00:00Z,95.50,9.10,gift\n";
        for row in [
            "4-B,d@example.com,2026-11-14T10:00:00Z,80.00,9.00,x",
            "4,d at example.com,2026-11-14T10:00:00Z,80.00,9.00,x",
            "4,,2026-11-14T10:00:00Z,80.00,9.00,x",
            "4,d@example.com,14.11.2026,80.00,9.00,x",
            "4,d@example.com,2026-11-14T10:00:00Z,1,9.00,x",
            "4,d@example.com,2026-11-14T10:00:00Z,80,250,x",
            "4,d@example.com,2026-11-14T10:00:00Z,pending,9.00,x",
            "4,d@example.com,2026-11-14T10:00:00Z,80.00,n/a,x",
            "4,d@example.com,2026-11-14T10:00:00Z,80.00,9.00,19.00",
            "4,d@example.com,2026-11-14T10:00:00Z,\"1,250.00\",9.00,x",
            "4,d@example.com,2026-11-14,80.00,9.00,x",
            ",,,,,",
        ] {
            assert_eq!(shifted(&format!("{rows}{row}\n")), [0_u64; 0], "{row}");
        }
    }
}
