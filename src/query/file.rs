//! A query file: several statements of plain SQL, of which exactly one, the last, yields the events.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use datafusion::common::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr, Spanned, Value};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, Tokenizer};

use super::policy::{self, Allowed};
use super::refusal;
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
    /// The column names of `INSERT INTO postback.events (…)`, empty where it gives none; `None` for a bare SELECT.
    pub insert: Option<Vec<Ident>>,
    /// The first word of the query, for problems of the query as a whole.
    pub query_start: Span,
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
        let shown = path.display();
        let refuse = |message: String| Error::new(ErrorKind::Usage, message);
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => refuse(format!("no query file `{shown}`")).hint(working_folder()),
            io::ErrorKind::IsADirectory => {
                refuse(format!("`{shown}` is a folder, not a query file")).hint("name the .sql file in it")
            }
            _ => refuse(format!("cannot read the query file `{shown}`")).source(error),
        };
        let size = fs::metadata(path).map_err(unreadable)?.len();
        if size > MAX_QUERY_BYTES {
            return Err(refuse(format!("`{shown}` is no query file: {size} bytes")));
        }
        let text = String::from_utf8(fs::read(path).map_err(unreadable)?).map_err(|error| {
            let read = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = read.split(|byte| *byte == b'\n').count();
            refuse(format!("`{shown}` is not UTF-8 text: line {line} holds another encoding"))
                .hint("save the file as UTF-8")
                .source(error.utf8_error())
        })?;
        Self::parse(path, text)
    }

    /// Parses `text` as the content of the file at `path`.
    ///
    /// # Errors
    /// [`ErrorKind::Sql`] with a location for SQL that does not parse, for a statement that is not allowed, and for
    /// any number of queries but one.
    pub fn parse(path: &Path, text: String) -> Result<Self> {
        let statements = statements(&text).map_err(|error| refusal::syntax_error(path, &text, error))?;
        let mut settings = Vec::new();
        let mut engine_settings = Vec::new();
        let mut definitions = Vec::new();
        let mut queries: Vec<(Box<Query>, Option<Vec<Ident>>, Span)> = Vec::new();
        for (statement, start) in statements {
            let span = policy::span(&statement);
            let refuse = |message: String| Error::new(ErrorKind::Sql, message).at(locate(path, &text, start));
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
                Allowed::Query { query, insert } if queries.is_empty() => queries.push((query, insert, start)),
                Allowed::Query { .. } => {
                    return Err(refuse("a query file has exactly one query, and this is the second".into())
                        .hint("put each query into a file of its own"));
                }
            }
        }
        let Some((query, insert, query_start)) = queries.pop() else {
            let what = if text.trim().is_empty() { "is empty" } else { "has no query" };
            return Err(Error::new(ErrorKind::Sql, format!("`{}` {what}", path.display()))
                .hint("end the file with the SELECT whose rows become events"));
        };
        Ok(Self { path: path.to_owned(), text, settings, engine_settings, definitions, query, insert, query_start })
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

    /// Where the token is that is written `text`: a placeholder with its `$`, or a name without regard to case.
    #[must_use]
    pub(super) fn token_span(&self, text: &str) -> Option<Span> {
        let tokens = Tokenizer::new(&GenericDialect {}, &self.text).tokenize_with_location().ok()?;
        let found = tokens.into_iter().find(|token| match &token.token {
            Token::Word(word) => word.value.eq_ignore_ascii_case(text),
            Token::Placeholder(placeholder) => placeholder == text,
            _ => false,
        });
        found.map(|token| token.span)
    }
}

/// The statements with the first word of each.
fn statements(text: &str) -> Result<Vec<(Statement, Span)>, DataFusionError> {
    let mut parser = DFParserBuilder::new(text).build()?;
    let mut statements = Vec::new();
    loop {
        let mut is_separate = statements.is_empty();
        while parser.parser.consume_token(&Token::SemiColon) {
            is_separate = true;
        }
        let next = parser.parser.peek_token();
        if next.token == Token::EOF {
            return Ok(statements);
        }
        if !is_separate {
            return Err(parser.parser.expected::<()>("end of statement", next).expect_err("only fails").into());
        }
        statements.push((parser.parse_statement()?, next.span));
    }
}

fn working_folder() -> String {
    std::env::current_dir().map_or_else(
        |_| "the working folder is gone".to_owned(),
        |folder| format!("relative paths start from the working folder, {}", folder.display()),
    )
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

pub(super) fn locate(path: &Path, text: &str, span: Span) -> Option<Location> {
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
