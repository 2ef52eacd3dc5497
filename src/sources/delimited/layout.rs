//! How the rows of a file stand under its header line: how many fields each has, judged by all rows of its sample.
//!
//! A row is sound only with exactly that many. One row that is too long excuses no other, and where the rows can be read
//! in two ways – each ends with a delimiter, or the header line lacks a name – nobody but the user can tell: the file is
//! refused with the option that decides.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use super::records::{Field, Found, Records};
use super::shapes::Shapes;
use crate::error::{Error, ErrorKind};
use crate::sources::file::SourceFile;
use crate::sources::recognise::SAMPLE_ROWS;

/// Of so many rows, as many as [`MOST`] tell whether rows end with a delimiter as their header line does.
const SOME: usize = 4;
const MOST: usize = 3;

/// What is known of the lines of a file before its rows are read.
#[derive(Clone, Debug, Default)]
pub(in crate::sources) struct Layout {
    /// Lines above the header line, or above the first row, that are passed over.
    pub(in crate::sources) skipped: u64,
    /// How wide its rows are; none before its sample is judged.
    pub(super) width: Option<Width>,
    /// What the values of its columns look like; none before its sample is judged.
    pub(super) shapes: Option<Arc<Shapes>>,
}

/// How many fields a sound row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Width {
    /// The columns.
    pub(super) columns: usize,
    /// Whether a delimiter stands behind the last value of each row.
    pub(super) is_closed: bool,
}

/// What a file calls its columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    /// How many names there are, in its header line or in the declaration of the table.
    pub(super) names: usize,
    /// Whether nothing stands in the place of the last.
    pub(super) is_last_empty: bool,
    /// Whether they stand in a header line.
    pub(super) by_header: bool,
}

/// The rows of a sample, by their number of fields.
#[derive(Debug, Default)]
pub(super) struct Counts {
    by_fields: BTreeMap<usize, Alike>,
}

/// Rows of the same number of fields.
#[derive(Debug, Default)]
struct Alike {
    rows: usize,
    /// Those with nothing in the last field.
    with_empty_last: usize,
    /// The line of the first.
    line: u64,
}

impl Width {
    /// A field for each of `columns`.
    pub(super) fn of(columns: usize) -> Self {
        Self { columns, is_closed: false }
    }

    /// The fields of a sound row.
    pub(super) fn fields(self) -> usize {
        self.columns + usize::from(self.is_closed)
    }

    /// Whether a row of `fields` is sound.
    pub(super) fn takes(self, fields: &[Field]) -> bool {
        fields.len() == self.fields() && (!self.is_closed || fields.last().is_some_and(Field::is_empty))
    }
}

impl Counts {
    /// Those of the `records` of a sample, which stand below the header line.
    ///
    /// # Errors
    /// What the source fails with.
    pub(super) fn of<R: Read>(records: &mut Records<R>) -> io::Result<Self> {
        let mut counts = Self::default();
        let mut rows = 0;
        while rows < SAMPLE_ROWS
            && let Some(found) = records.next_record()?
        {
            let Found::Record(record) = found else { continue };
            rows += 1;
            let alike = counts.by_fields.entry(record.fields.len()).or_default();
            if alike.rows == 0 {
                alike.line = record.line;
            }
            alike.rows += 1;
            alike.with_empty_last += usize::from(record.fields.last().is_some_and(Field::is_empty));
        }
        Ok(counts)
    }

    /// How wide the rows of `file` are, whose columns are `named`; `is_closed` if somebody said whether they end with a
    /// delimiter.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if most have another number of fields than there are names, or may be read in two ways.
    pub(super) fn width(&self, file: &SourceFile, named: Named, is_closed: Option<bool>) -> Result<Width, Error> {
        let Named { names, is_last_empty, .. } = named;
        if is_closed == Some(true) {
            return Ok(Width { columns: names - usize::from(is_last_empty && names > 1), is_closed: true });
        }
        let rows = |fields: usize| self.by_fields.get(&fields).map_or(0, |alike| alike.rows);
        // Either the header line alone ends with a delimiter, or the rows do as well: most of them have to say so.
        let (whole, short) = (rows(names), if is_last_empty { rows(names.saturating_sub(1)) } else { 0 });
        let is_split = whole.max(short) * SOME < (whole + short) * MOST;
        // Where each row ends with a delimiter, those that fit are not few.
        let all: usize = self.by_fields.values().map(|alike| alike.rows).sum();
        let is_ended = self.by_fields.values().all(|alike| alike.with_empty_last == alike.rows);
        if is_ended && rows(names + 1) > 0 && rows(names) * 2 < all && is_closed.is_none() {
            let alike = &self.by_fields[&(names + 1)];
            return Err(self.refusal(file, named, is_closed, names + 1, alike));
        }
        let most = self.by_fields.iter().max_by_key(|(fields, alike)| (alike.rows, **fields == names));
        match most {
            None => Ok(Width::of(names)),
            Some((fields, alike))
                if *fields == names && is_last_empty && alike.with_empty_last == alike.rows && !is_split =>
            {
                Ok(Width { columns: names - 1, is_closed: true })
            }
            Some((fields, _)) if *fields == names && !is_split => Ok(Width::of(names)),
            Some((fields, _)) if *fields + 1 == names && is_last_empty && !is_split => Ok(Width::of(*fields)),
            Some((fields, alike)) => Err(self.refusal(file, named, is_closed, *fields, alike)),
        }
    }

    /// Whether there is a row with a field for each of `names`.
    pub(super) fn has_whole(&self, names: usize) -> bool {
        self.by_fields.contains_key(&names)
    }

    fn refusal(&self, file: &SourceFile, named: Named, is_closed: Option<bool>, fields: usize, alike: &Alike) -> Error {
        if fields <= named.names && named.is_last_empty && fields + 1 >= named.names {
            let message = format!("the header line of `{}` ends with a delimiter, and only some rows do", file.shown());
            return Error::new(ErrorKind::Source, message)
                .context("line", alike.line)
                .hint("end each row as the header line ends, or take the delimiter behind the last name away");
        }
        let own = counted(named.names, if named.by_header { "name" } else { "column" });
        let most = if self.by_fields.len() > 1 { "most rows" } else { "the rows" };
        let holds = if named.by_header {
            format!(
                "the header line of `{}` has {own}, and {most} below it have {}",
                file.shown(),
                counted(fields, "field")
            )
        } else {
            format!("the table declares {own}, and {most} of `{}` have {}", file.shown(), counted(fields, "field"))
        };
        let mend = if named.by_header { "mend the header line" } else { "declare all columns" };
        let hint = if fields == named.names + 1 && alike.with_empty_last == alike.rows && is_closed.is_none() {
            format!(
                "the last field is empty everywhere: if each row ends with a delimiter behind its last value, say \
                 CREATE EXTERNAL TABLE … OPTIONS ('format.trailing_delimiter' 'true'); if a name is missing, {mend}"
            )
        } else if fields > named.names {
            format!("if a name is missing, {mend}; a value with a delimiter in it needs quotes around it")
        } else {
            format!("if there is a name too many, {mend}; fields that are empty need their delimiter all the same")
        };
        Error::new(ErrorKind::Source, holds)
            .context("line", alike.line)
            .context("found", format!("{}, not {}", counted(fields, "field"), named.names))
            .hint(hint)
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::recognise::Dialect;

    const COMMA: Dialect = Dialect {
        delimiter: b',',
        quote: b'"',
        escape: None,
        comment: None,
        has_header: true,
        is_closed: None,
        null: None,
    };

    /// The columns of rows, `+` behind them if each is closed; none if they are refused.
    fn width(header: &str, rows: &str, is_closed: Option<bool>) -> Option<String> {
        let counts = Counts::of(&mut Records::new(rows.as_bytes(), &COMMA, false)).unwrap();
        let header: Vec<&str> = header.split(',').collect();
        let is_last_empty = header.last().is_some_and(|name| name.is_empty());
        let named = Named { names: header.len(), is_last_empty, by_header: true };
        let file = SourceFile::local(std::env::current_exe().unwrap()).unwrap();
        let width = counts.width(&file, named, is_closed).ok()?;
        Some(format!("{}{}", width.columns, if width.is_closed { "+" } else { "" }))
    }

    #[test]
    fn all_rows_tell_how_wide_they_are() {
        for (names, rows, expected) in [
            ("a,b", "1,2\n3,4\n", Some("2")),
            ("a,b", "1,2,\n3,4\n5,6\n", Some("2")),
            ("a,b", "1,2,\n3,4\n", Some("2")),
            ("a,b", "1,2,\n3,4,\n", None),
            ("a,b", "1,2,\n3,4,\n5,6\n", None),
            ("a,b", "1,2,\n", None),
            ("a,b", "1,\n2,3,\n4,,5,\n", None),
            ("a,b", "1,\n2,3,\n4,\n5,6,\n", Some("2")),
            ("a,b", "1,2,\n3,4,x\n", None),
            ("a,b", "1,2,x\n3,4,x\n", None),
            ("a,b,c", "1,2\n3,4\n5,6,7\n", None),
            ("a,b,", "1,2\n3,4\n", Some("2")),
            ("a,b,", "1,2,\n3,4,\n", Some("2+")),
            ("a,b,", "1,2,\n3,4,x\n", Some("3")),
            ("a,b,", "1,2\n3,4,\n", None),
            ("a,b,", "1,2\n3,4,\n5,6,\n7,8,\n", Some("2+")),
            ("a,b,", "1,2\n3,4\n5,6,\n", None),
            ("a,b,", "1,2\n3,4\n5,6,\n7,8\n", Some("2")),
            ("a,b,", "1\n2\n", None),
            ("a,b,,", "1,2\n3,4\n", None),
            ("a,b", "1\n2\n", None),
            ("a,b", "", Some("2")),
            ("a,b", "\"1,2,\"\n\"x\",y\n", Some("2")),
        ] {
            assert_eq!(width(names, rows, None).as_deref(), expected, "{names} above {rows:?}");
        }
    }

    #[test]
    fn what_is_said_decides() {
        for (names, rows, said, expected) in [
            ("a,b", "1,2,\n3,4,\n", true, Some("2+")),
            ("a,b,", "1,2,\n3,4,\n", true, Some("2+")),
            ("a,b", "1,2\n3,4\n", true, Some("2+")),
            ("a,b", "1,2,\n3,4,\n", false, None),
            ("a,b", "1,2\n3,4,\n", false, Some("2")),
        ] {
            assert_eq!(width(names, rows, Some(said)).as_deref(), expected, "{names} above {rows:?}");
        }
    }
}
