//! The names of a source's columns, which are shown in messages and must therefore be names.
//!
//! A file without a header line would lose its first row in silence, and show it as column names. Snowflake and Redshift
//! write such files unless they are told otherwise.

use std::fmt::Write as _;

use datafusion::arrow::datatypes::Schema;

use super::file::SourceFile;
use super::recognise::{Above, Signs};
use crate::contract::normalize::{self, Digest};
use crate::error::{Error, ErrorKind, Result};

/// Digits that a name may have without being a phone number or an id.
const MAX_DIGITS: usize = 6;

/// What may stand for a null.
const NULLS: &[&str] = &["", "null", "nan", "none", "n/a"];

/// Whether the first record of a file names its columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Look {
    /// It does.
    Names,
    /// It is a row like those below it.
    Row,
    /// It may be either.
    #[default]
    Unclear,
}

/// What a value looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Nothing.
    Null,
    /// What Snowflake and Redshift write for nothing, and nobody calls a column.
    NullMark,
    /// A person's address, number or digest.
    Identity,
    /// A whole number that could be a year.
    Year,
    Number,
    Time,
    Flag,
    Text,
}

/// What the `first` record of a file looks like before the `rows` below it.
pub(super) fn look(first: &[String], rows: &[Vec<String>]) -> Look {
    let (mut names, mut values) = (0_usize, 0_usize);
    for (index, text) in first.iter().enumerate() {
        let mut below = rows.iter().filter(|row| row.len() == first.len()).map(|row| shape(&row[index]));
        let mut below = below.by_ref().filter(|shape| !matches!(shape, Shape::Null | Shape::NullMark)).peekable();
        let is_alone = below.peek().is_none();
        match shape(text) {
            Shape::NullMark | Shape::Identity => return Look::Row,
            Shape::Null | Shape::Year | Shape::Flag => {}
            own @ (Shape::Number | Shape::Time) => {
                values += usize::from(below.all(|it| it == own || (own, it) == (Shape::Number, Shape::Year)));
            }
            Shape::Text => names += usize::from(!is_alone && below.all(|it| it != Shape::Text)),
        }
    }
    match (names, values) {
        (0, 0) => Look::Unclear,
        (names, values) if names >= values => Look::Names,
        _ => Look::Row,
    }
}

fn shape(text: &str) -> Shape {
    let text = text.trim();
    let is_digit = |byte: u8| byte.is_ascii_digit();
    if text == "\\N" {
        return Shape::NullMark;
    }
    if NULLS.iter().any(|null| text.eq_ignore_ascii_case(null)) {
        return Shape::Null;
    }
    if value(text).is_some_and(|what| what != "a number") {
        return Shape::Identity;
    }
    if text.parse::<f64>().is_ok() || text.strip_prefix('+').is_some_and(|digits| digits.bytes().all(is_digit)) {
        let is_year =
            text.len() == 4 && text.bytes().all(is_digit) && (text.starts_with("19") || text.starts_with("20"));
        return if is_year { Shape::Year } else { Shape::Number };
    }
    if let [a, b, c, d, b'-' | b'/', ..] = text.as_bytes()
        && [*a, *b, *c, *d].into_iter().all(is_digit)
        && text.len() >= "2025-01-01".len()
    {
        return Shape::Time;
    }
    let is_flag = ["true", "false", "t", "f"].iter().any(|flag| text.eq_ignore_ascii_case(flag));
    if is_flag { Shape::Flag } else { Shape::Text }
}

/// Whether the first record of `file`, which shows `signs`, names columns; `declared` are those of the table, if it names
/// any. What is no delimited text shows none, and names its columns itself.
///
/// # Errors
/// [`ErrorKind::Source`] if it is a row and nothing names the columns, or if it could be either.
pub(super) fn is_header(
    file: &SourceFile,
    location: &str,
    Signs { first, look, .. }: &Signs,
    declared: Option<&Schema>,
) -> Result<bool> {
    let Some(declared) = declared else {
        if *look == Look::Row {
            let message = format!("the first line of `{}` is a row, not the names of columns", file.shown());
            return Err(Error::new(ErrorKind::Source, message).hint(format!(
                "name the columns, and read them from that table: {}",
                statement(location, first.len())
            )));
        }
        return Ok(true);
    };
    let is_declared =
        |name: &String| declared.fields().iter().any(|field| field.name().eq_ignore_ascii_case(name.trim()));
    if first.iter().any(is_declared) {
        return Ok(true);
    }
    if *look == Look::Row {
        return Ok(false);
    }
    let message = format!("the first line of `{}` has none of the names that the table declares", file.shown());
    Err(Error::new(ErrorKind::Source, message)
        .hint("if it is a row, say OPTIONS ('format.has_header' 'false'); if it names other columns, declare those"))
}

/// Makes sure that no lines stand above the header line of `file`, which shows `signs`: a title may never be taken for
/// names, nor names for a row. A table that `is_declared` is not declared anew.
///
/// # Errors
/// [`ErrorKind::Source`] with their numbers, and the option that passes over them.
pub(super) fn refuse_lines_above(file: &SourceFile, location: &str, signs: &Signs, is_declared: bool) -> Result<()> {
    let Some(Above { lines, fields, has_values, below }) = signs.above else { return Ok(()) };
    let skipped = file.layout.skipped;
    let (first, last) = (skipped + 1, skipped + lines);
    let which = if lines == 1 { format!("line {first}") } else { format!("lines {first} to {last}") };
    let stand = if lines == 1 { "stands" } else { "stand" };
    let message = format!("{which} of `{}` {stand} above the header line", file.shown());
    let noun = if fields == 1 { "field" } else { "fields" };
    let found = if fields == below && !has_values {
        format!("hardly a value in line {first}, and {below} in those from line {} on", last + 1)
    } else {
        format!("{fields} {noun} in line {first}, and {below} in those from line {} on", last + 1)
    };
    let location = location.replace('\'', "''");
    let hint = if is_declared {
        format!("pass over them: OPTIONS ('format.skip_lines' '{last}')")
    } else {
        format!(
            "pass over them, and read the rows from that table: CREATE EXTERNAL TABLE rows_of_export STORED AS CSV \
             LOCATION '{location}' OPTIONS ('format.skip_lines' '{last}');"
        )
    };
    Err(Error::new(ErrorKind::Source, message).context("line", first).context("found", found).hint(hint))
}

/// The error of files of one table of which `first` begins with names, if it `has_header`, and `other` does not, or the
/// other way round: the first row of one of them would be lost, or its names would be read as a row.
pub(super) fn differ(first: &SourceFile, has_header: bool, other: &SourceFile) -> Error {
    let (named, bare) = if has_header { (first, other) } else { (other, first) };
    let message = format!("`{}` begins with a header line, and `{}` with a row", named.shown(), bare.shown());
    Error::new(ErrorKind::Source, message).hint(
        "take the header line off and say OPTIONS ('format.has_header' 'false'), or read them as two tables; `split` \
         leaves it in the first part alone",
    )
}

/// A statement that names the columns of `location`, ready to be corrected.
pub(super) fn statement(location: &str, columns: usize) -> String {
    let mut statement = "CREATE EXTERNAL TABLE rows_of_export (".to_owned();
    for column in 1..=columns {
        let comma = if column == 1 { "" } else { ", " };
        write!(statement, "{comma}column_{column} VARCHAR").expect("a string takes all text");
    }
    let location = location.replace('\'', "''");
    write!(statement, ") STORED AS CSV LOCATION '{location}' OPTIONS ('format.has_header' 'false');")
        .expect("a string takes all text");
    statement
}

/// Makes sure that `names` are the names of columns, and not the values of a row.
///
/// # Errors
/// [`ErrorKind::Source`] naming the column, by its place, that is called by an address, a number or a digest.
pub(super) fn require_names<'a>(file: &SourceFile, names: impl Iterator<Item = &'a str>, hint: &str) -> Result<()> {
    for (index, name) in names.enumerate() {
        if let Some(what) = value(name) {
            let message = format!("the name of column {} of `{}` is {what}", index + 1, file.shown());
            return Err(Error::new(ErrorKind::Source, message).hint(hint));
        }
    }
    Ok(())
}

/// Whether `name` is written as programs name things, and looks like nobody's address, number or digest.
pub(super) fn is_name(name: &str) -> bool {
    let is_written_so = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$@.:".contains(&byte));
    is_written_so && value(name).is_none()
}

/// What `name` is instead of a name.
fn value(name: &str) -> Option<&'static str> {
    let name = name.trim();
    if normalize::email(name).is_ok() {
        return Some("an e-mail address");
    }
    if Digest::from_hex(name).is_some() {
        return Some("a digest");
    }
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit() || b"+-() ./".contains(&byte));
    (is_number && digits > MAX_DIGITS).then_some("a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_told_from_names() {
        let look = |text: &str| {
            let mut rows = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
            look(&rows.next().unwrap(), &rows.collect::<Vec<_>>())
        };
        for (text, expected) in [
            ("id,name,total\n1,Ann,2.5\n2,Bo,3", Look::Names),
            ("1,Ann,2.5\n2,Bo,3\n3,Cy,4", Look::Row),
            ("7,Ann,\\N\n8,Bo,1", Look::Row),
            ("a@b.example,x\nc@d.example,y", Look::Row),
            ("Ann,Berlin\nBo,Paris", Look::Unclear),
            ("first,last\nAnn,Lee", Look::Unclear),
            ("country,2024,2025\nDE,1,2", Look::Unclear),
            ("id,2024,2025\n7,1,2", Look::Names),
            ("2025-01-01 10:00:00,x\n2025-01-02 10:00:00,y", Look::Row),
            ("17,2.5", Look::Row),
            ("at,paid\n2025-01-01,true", Look::Names),
            ("a,b", Look::Unclear),
        ] {
            assert_eq!(look(text), expected, "{text}");
        }
    }

    #[test]
    fn the_statement_names_every_column() {
        assert_eq!(
            statement("it's.csv", 2),
            "CREATE EXTERNAL TABLE rows_of_export (column_1 VARCHAR, column_2 VARCHAR) STORED AS CSV LOCATION 'it''s.csv' \
            OPTIONS ('format.has_header' 'false');"
        );
    }

    #[test]
    fn the_statement_names_them_however_many_there_are() {
        for columns in [1, 99, 100, 101, 5_000] {
            let statement = statement("a.csv", columns);
            assert_eq!(statement.matches(" VARCHAR").count(), columns);
            assert!(statement.contains(&format!("column_{columns} VARCHAR) STORED AS CSV")), "{columns}");
        }
    }

    #[test]
    fn values_are_told_from_names() {
        for (name, expected) in [
            ("pat.lee@example.com", Some("an e-mail address")),
            (" Pat.Lee@Example.com ", Some("an e-mail address")),
            ("+1 (213) 373-4253", Some("a number")),
            ("12133734253", Some("a number")),
            ("f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26", Some("a digest")),
            ("email", None),
            ("2026", None),
            ("2026-11", None),
            ("order 1234567", None),
            ("@type", None),
            ("", None),
        ] {
            assert_eq!(value(name), expected, "{name}");
        }
    }
}
