//! A query file: several statements of plain SQL, of which exactly one, the last, yields the events.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use datafusion::common::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr, Spanned, Value};
use datafusion::sql::sqlparser::tokenizer::{Span, Token};

use super::diagnosis::Diagnosis;
use super::places::{ItemPlace, Tokens};
use super::policy::{self, Allowed};
use super::refusal;
use super::secrets::Secrets;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::validate::rule;

/// The largest query file that is read; a longer one is not SQL written by people.
const MAX_QUERY_BYTES: u64 = 4 << 20;

/// A parsed query file. Nothing has been planned or read yet.
#[derive(Debug)]
pub struct QueryFile {
    /// The path as the user gave it.
    pub path: PathBuf,
    /// The text, for snippets in messages: secrets are masked.
    pub text: String,
    /// `SET postback.*`, in file order.
    pub settings: Vec<Assignment>,
    /// `SET datafusion.*`, in file order.
    pub engine_settings: Vec<Assignment>,
    /// `CREATE EXTERNAL TABLE` and `CREATE VIEW`, in file order.
    pub definitions: Vec<Statement>,
    /// The query whose rows become events; `None` in a file without one.
    pub query: Option<Box<Query>>,
    /// The column names of `INSERT INTO postback.events (…)`, empty where it gives none; `None` for a bare SELECT.
    pub insert: Option<Vec<Ident>>,
    /// The first word of the query, for problems of the query as a whole.
    pub query_start: Span,
    /// What is wrong with the file before anything is planned: statements that are refused, and secrets.
    pub faults: Vec<Diagnosis>,
    pub(super) tokens: Tokens,
    secrets: Secrets,
}

/// One `SET name = value`.
#[derive(Debug)]
pub struct Assignment {
    /// The name without its `postback.` or with its `datafusion.`.
    pub name: String,
    /// The value as text.
    pub value: String,
    /// Where its value stands.
    pub span: Span,
    /// Where its name stands.
    pub name_span: Span,
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

    /// Parses `text` as the content of the file at `path`. Statements that are not allowed, and queries beyond the
    /// first, are among the [`faults`](Self::faults).
    ///
    /// # Errors
    /// [`ErrorKind::Sql`] with a location for SQL that does not parse.
    pub fn parse(path: &Path, mut text: String) -> Result<Self> {
        if text.starts_with('\u{feff}') {
            // How some editors begin UTF-8.
            text.remove(0);
        }
        let secrets = Secrets::of(&text);
        let statements = statements(&text).map_err(|error| {
            let error = refusal::syntax_error(path, &secrets.masked_file(text.clone()), error);
            if secrets.iter().next().is_some() { secrets.conceal(&error) } else { error }
        })?;
        let mut file = Self {
            path: path.to_owned(),
            settings: Vec::new(),
            engine_settings: Vec::new(),
            definitions: Vec::new(),
            query: None,
            insert: None,
            query_start: Span::empty(),
            faults: Vec::new(),
            tokens: Tokens::of(&text),
            text: secrets.masked_file(text),
            secrets,
        };
        for (statement, start) in statements {
            let span = policy::span(&statement);
            if let Err(error) = file.take(statement, start, span) {
                let error = if error.location().is_none() { error.at(file.locate(start)) } else { error };
                file.faults.push(error.into());
            }
        }
        file.find_secrets();
        // Where a statement is refused, that may have been the query.
        if file.query.is_none() && !file.faults.iter().any(|fault| fault.kind == ErrorKind::Sql) {
            let what = if file.text.trim().is_empty() { "is empty" } else { "has no query" };
            let error = Error::new(ErrorKind::Sql, format!("`{}` {what}", path.display()));
            file.faults.push(error.hint("end the file with the SELECT whose rows become events").into());
        }
        Ok(file)
    }

    /// The query.
    ///
    /// # Errors
    /// [`ErrorKind::Sql`] with what is wrong with the file, if it has none or a statement of it is refused.
    pub fn query(&self) -> Result<&Query> {
        match (self.faults.iter().find(|fault| fault.is_error()), &self.query) {
            (None, Some(query)) => Ok(query),
            (Some(fault), _) => {
                Err(Error::new(fault.kind, fault.message.clone()).hint(fault.help.clone()).at(fault.location.clone()))
            }
            (None, None) => Err(Error::new(ErrorKind::Sql, "the file has no query")),
        }
    }

    /// Sorts a statement in, or says why it is refused.
    fn take(&mut self, statement: Statement, start: Span, span: Span) -> Result<()> {
        let refuse = |message: String| Error::new(ErrorKind::Sql, message);
        match policy::judge(statement).map_err(refuse)? {
            Allowed::Set { name, place, value } => {
                let value = literal(&value).ok_or_else(|| {
                    let span =
                        if let Expr::Function(call) = &value { self.tokens.call(call.name.span()) } else { span };
                    Error::new(ErrorKind::Usage, format!("the value of `{name}` must be a literal"))
                        .hint("a setting holds for the whole run: write the value itself")
                        .at(self.locate(span))
                })?;
                let (settings, name) = match name.strip_prefix("postback.") {
                    Some(name) => (&mut self.settings, name.to_owned()),
                    None => (&mut self.engine_settings, name),
                };
                settings.push(Assignment { name, value, span, name_span: place });
            }
            Allowed::Definition(statement) => self.definitions.push(statement),
            Allowed::Query { query, insert } if self.query.is_none() => {
                self.query = Some(query);
                self.insert = insert;
                self.query_start = if self.insert.is_some() { self.tokens.query_behind(start.start) } else { start };
            }
            Allowed::Query { .. } => {
                return Err(refuse("a query file has exactly one query, and this is the second".into())
                    .hint("put each query into a file of its own"));
            }
        }
        Ok(())
    }

    fn find_secrets(&mut self) {
        let rule = rule("PB2015").expect("the rules of the plan are rows of RULES");
        for secret in self.secrets.iter() {
            let holder = self.settings.iter().find(|assignment| assignment.span == secret.literal);
            let holder = holder.map_or_else(|| "the file".to_owned(), |set| format!("`SET postback.{}`", set.name));
            self.faults.push(Diagnosis {
                rule,
                message: format!("{holder} holds {}", secret.kind.what()),
                help: secret.kind.fix().to_owned(),
                location: self.locate(secret.literal),
                severity: rule.severity,
                kind: ErrorKind::Contract,
            });
        }
    }

    /// Whether what begins at `span` is a secret.
    pub(super) fn is_secret(&self, span: Span) -> bool {
        self.secrets.iter().any(|secret| secret.span.start < span.end && span.start < secret.span.end)
    }

    /// The placeholders of the file, each as it is written, in the order of their first places.
    pub(super) fn placeholders(&self) -> Vec<String> {
        let mut found = Vec::new();
        for token in self.tokens.iter() {
            if let Token::Placeholder(name) = &token.token
                && !found.contains(name)
            {
                found.push(name.clone());
            }
        }
        found
    }

    /// Whether the file has the parameter `$name`.
    #[must_use]
    pub fn has_parameter(&self, name: &str) -> bool {
        self.placeholders().iter().any(|placeholder| placeholder.trim_start_matches('$') == name)
    }

    /// `diagnosis` without the text of a secret.
    pub(super) fn concealed(&self, diagnosis: Diagnosis) -> Diagnosis {
        let message = self.secrets.concealed(&diagnosis.message);
        let help = self.secrets.concealed(&diagnosis.help);
        Diagnosis { message, help, ..diagnosis }
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

    /// Where the `index`-th column of the result is made, where the select list tells it: the `*` if that makes it.
    pub(super) fn item(&self, index: usize) -> Option<ItemPlace> {
        let mut body = self.query.as_ref()?.body.as_ref();
        loop {
            body = match body {
                SetExpr::SetOperation { left, .. } => left,
                SetExpr::Query(query) => &query.body,
                SetExpr::Select(select) => {
                    let is_star =
                        |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
                    let items = self.tokens.items(select)?;
                    let star = select.projection.iter().position(is_star);
                    return items.get(star.map_or(index, |star| star.min(index))).copied();
                }
                _ => return None,
            };
        }
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
