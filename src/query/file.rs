//! A query file: several statements of plain SQL, of which exactly one, the last, yields the events.

use std::path::{Path, PathBuf};

use datafusion::common::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr, Spanned, Value};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::policy::{self, Allowed};
use crate::error::{Error, ErrorKind, Location, Result};

/// The largest query file that is read; a longer one is not SQL written by people.
const MAX_QUERY_BYTES: u64 = 4 << 20;

/// A parsed query file whose statements are all allowed. Nothing has been planned or read yet.
#[derive(Debug)]
pub struct QueryFile {
    /// The path as the user gave it.
    pub path: PathBuf,
    /// The text, for snippets in messages.
    pub text: String,
    /// `SET postback.*`, in file order.
    pub settings: Vec<Assignment>,
    /// `SET datafusion.*`, in file order.
    pub engine_settings: Vec<Assignment>,
    /// `CREATE EXTERNAL TABLE` and `CREATE VIEW`, in file order.
    pub definitions: Vec<Statement>,
    /// The query whose rows become events.
    pub query: Box<Query>,
    /// Column names of `INSERT INTO postback.events (…)`, empty where none are given.
    pub insert_columns: Vec<Ident>,
}

/// One `SET name = value`.
#[derive(Debug)]
pub struct Assignment {
    /// The name without its `postback.` or with its `datafusion.`.
    pub name: String,
    /// The value as text.
    pub value: String,
    /// Where it stands.
    pub span: Span,
}

impl QueryFile {
    /// Reads and parses the file at `path`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the file cannot be read, otherwise as [`QueryFile::parse`].
    pub fn read(path: &Path) -> Result<Self> {
        let unreadable = |error: std::io::Error| {
            Error::new(ErrorKind::Usage, format!("cannot read the query file `{}`", path.display())).source(error)
        };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > MAX_QUERY_BYTES {
            return Err(Error::new(ErrorKind::Usage, format!("`{}` is no query file: {size} bytes", path.display())));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(path, text)
    }

    /// Parses `text` as the content of the file at `path`.
    ///
    /// # Errors
    /// [`ErrorKind::Sql`] with a location for SQL that does not parse, for a statement that is not allowed, and for
    /// any number of queries but one.
    pub fn parse(path: &Path, text: String) -> Result<Self> {
        let statements = DFParserBuilder::new(text.as_str())
            .build()
            .and_then(|mut parser| parser.parse_statements())
            .map_err(|error| syntax_error(path, &text, error))?;
        let mut settings = Vec::new();
        let mut engine_settings = Vec::new();
        let mut definitions = Vec::new();
        let mut queries: Vec<(Box<Query>, Vec<Ident>)> = Vec::new();
        for statement in statements {
            let span = policy::span(&statement);
            let refuse = |message: String| Error::new(ErrorKind::Sql, message).at(locate(path, &text, span));
            match policy::judge(statement).map_err(refuse)? {
                Allowed::Set(name, value) => {
                    let assignment = |name: &str| -> Result<Assignment> {
                        let value = literal(&value)
                            .ok_or_else(|| refuse(format!("the value of `{name}` must be a literal")))?;
                        Ok(Assignment { name: name.to_owned(), value, span })
                    };
                    match name.strip_prefix("postback.") {
                        Some(name) => settings.push(assignment(name)?),
                        None => engine_settings.push(assignment(&name)?),
                    }
                }
                Allowed::Definition(statement) => definitions.push(statement),
                Allowed::Query { query, columns } if queries.is_empty() => queries.push((query, columns)),
                Allowed::Query { .. } => {
                    return Err(refuse("a query file has exactly one query, and this is the second".into())
                        .hint("put each query into a file of its own"));
                }
            }
        }
        let Some((query, insert_columns)) = queries.pop() else {
            return Err(Error::new(ErrorKind::Sql, format!("`{}` has no query", path.display()))
                .hint("end the file with the SELECT whose rows become events"));
        };
        Ok(Self { path: path.to_owned(), text, settings, engine_settings, definitions, query, insert_columns })
    }

    /// The folder that relative paths in the file start from.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Where `span` is, for a message.
    #[must_use]
    pub fn locate(&self, span: Span) -> Option<Location> {
        locate(&self.path, &self.text, span)
    }

    /// The span of the `index`-th column of the result, where the select list tells it.
    #[must_use]
    pub fn column_span(&self, index: usize) -> Option<Span> {
        let mut body = self.query.body.as_ref();
        while let SetExpr::SetOperation { left, .. } = body {
            body = left;
        }
        let SetExpr::Select(select) = body else { return None };
        let known = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
        if !select.projection.iter().take(index + 1).all(known) {
            return None;
        }
        select.projection.get(index).map(Spanned::span)
    }

    /// Turns an error of DataFusion's planner into one that points into the file.
    #[must_use]
    pub fn plan_error(&self, error: DataFusionError) -> Error {
        let span = error.diagnostic().and_then(|diagnostic| diagnostic.span).map(|span| {
            let location = |location: datafusion::common::Location| datafusion::sql::sqlparser::tokenizer::Location {
                line: location.line,
                column: location.column,
            };
            Span { start: location(span.start), end: location(span.end) }
        });
        let mut mapped = Error::new(ErrorKind::Sql, first_line(&error));
        if let Some(diagnostic) = error.diagnostic()
            && let Some(help) = diagnostic.helps.first()
        {
            mapped = mapped.hint(help.message.clone());
        }
        mapped.at(span.and_then(|span| self.locate(span))).source(error)
    }
}

/// The first line of what DataFusion says, without its prefixes.
pub(crate) fn first_line(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let line = text.lines().next().unwrap_or_default();
    let mut line = line;
    for prefix in ["Error during planning: ", "SQL error: ", "Schema error: ", "Execution error: ", "External error: "]
    {
        line = line.strip_prefix(prefix).unwrap_or(line);
    }
    let mut message = line.trim_end_matches('.').to_owned();
    if let Some(first) = message.get(..1).filter(|_| message.chars().nth(1).is_some_and(char::is_lowercase)) {
        message = first.to_ascii_lowercase() + &message[1..];
    }
    message
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text.clone()),
            Value::Number(number, _) => Some(number.clone()),
            Value::Boolean(flag) => Some(flag.to_string()),
            _ => None,
        },
        Expr::Identifier(word) => Some(word.value.clone()),
        _ => None,
    }
}

fn locate(path: &Path, text: &str, span: Span) -> Option<Location> {
    let start = span.start;
    let line = text.lines().nth(usize::try_from(start.line.checked_sub(1)?).ok()?)?;
    let width = if span.end.line == start.line { span.end.column.saturating_sub(start.column) } else { 0 };
    let rest = (line.chars().count() as u64).saturating_sub(start.column.saturating_sub(1));
    let width = if width == 0 { rest } else { width };
    Some(Location {
        path: path.display().to_string(),
        line: start.line,
        column: start.column.max(1),
        width: width.max(1),
        text: line.to_owned(),
    })
}

/// sqlparser says where it stumbled only in words: `… at Line: 3, Column: 9`.
fn syntax_error(path: &Path, text: &str, error: DataFusionError) -> Error {
    let message = error.strip_backtrace();
    let number = |marker: &str| -> Option<u64> {
        let rest = &message[message.rfind(marker)? + marker.len()..];
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let location = number("Line: ").zip(number("Column: ")).and_then(|(line, column)| {
        let start = datafusion::sql::sqlparser::tokenizer::Location { line, column };
        let end = datafusion::sql::sqlparser::tokenizer::Location { line, column: column + 1 };
        locate(path, text, Span { start, end })
    });
    let words = message.split(" at Line:").next().unwrap_or(&message);
    let words = words.rsplit_once("ParserError(\"").map_or(words, |(_, words)| words);
    let words = words.trim_start_matches("SQL error: ").trim_end_matches("\")").replace("\\\"", "\"");
    Error::new(ErrorKind::Sql, format!("the SQL does not parse: {}", lower_first(&words))).at(location).source(error)
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
