//! The allow-list of statements, enforced on the parsed SQL before anything is planned.

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, Expr, Ident, ObjectName, ObjectNamePart, Query, Set, Spanned, TableObject,
};
use datafusion::sql::sqlparser::tokenizer::Span;

/// The table that `INSERT INTO` may name.
const EVENTS_TABLE: &str = "postback.events";

/// A statement that a query file may hold.
pub(super) enum Allowed {
    /// `SET name = value`, with a `postback.` or `datafusion.` name, and where the name stands.
    Set { name: String, place: Span, value: Expr },
    /// `CREATE EXTERNAL TABLE` or `CREATE VIEW`.
    Definition(Statement),
    /// The query, and the columns of its `INSERT INTO postback.events (…)` where it is written that way.
    Query { query: Box<Query>, insert: Option<Vec<Ident>> },
}

/// Sorts a statement, or says why it is refused.
pub(super) fn judge(statement: Statement) -> Result<Allowed, String> {
    match statement {
        Statement::CreateExternalTable(table) if table.unbounded => Err("an unbounded table never ends".into()),
        Statement::CreateExternalTable(_) => Ok(Allowed::Definition(statement)),
        Statement::Statement(inner) => match *inner {
            ast::Statement::Query(query) => Ok(Allowed::Query { query, insert: None }),
            ast::Statement::CreateView(mut view) => {
                // No view outlives the file, so that each is temporary.
                view.temporary = false;
                Ok(Allowed::Definition(Statement::Statement(Box::new(ast::Statement::CreateView(view)))))
            }
            ast::Statement::Set(Set::SingleAssignment { variable, values, .. }) => set(&variable, values),
            ast::Statement::Insert(insert) => self::insert(insert),
            other => Err(refusal(&first_words(&other.to_string()))),
        },
        Statement::CopyTo(_) => Err(refusal("COPY")),
        Statement::Explain(_) => {
            Err("EXPLAIN does not belong into a query file; `postback run --explain` prints the plan".into())
        }
        Statement::Reset(_) => Err(refusal("RESET")),
    }
}

/// Where a statement stands, as far as the parser knows: a SET where its value does.
pub(super) fn span(statement: &Statement) -> Span {
    match statement {
        Statement::Statement(inner) => match inner.as_ref() {
            ast::Statement::Insert(insert) => insert.insert_token.0.span,
            ast::Statement::Set(Set::SingleAssignment { variable, values, .. }) => {
                values.first().map_or_else(|| variable.span(), Spanned::span)
            }
            other => other.span(),
        },
        Statement::CreateExternalTable(table) => table.name.span(),
        _ => Span::empty(),
    }
}

fn refusal(what: &str) -> String {
    format!("`{what}` is not allowed in a query file: only SET, CREATE EXTERNAL TABLE, CREATE VIEW and one query are")
}

fn set(variable: &ObjectName, mut values: Vec<Expr>) -> Result<Allowed, String> {
    let name = dotted(variable);
    match (values.pop(), values.is_empty()) {
        (Some(value), true) if name.starts_with("postback.") || name.starts_with("datafusion.") => {
            Ok(Allowed::Set { name, place: variable.span(), value })
        }
        (Some(_), true) => Err(format!("`SET {name}` is not allowed: only postback.* and datafusion.* can be set")),
        _ => Err(format!("`SET {name}` takes one value")),
    }
}

fn insert(insert: ast::Insert) -> Result<Allowed, String> {
    let TableObject::TableName(table) = &insert.table else { return Err(refusal("INSERT")) };
    if dotted(table) != EVENTS_TABLE || insert.overwrite {
        return Err(format!("`INSERT INTO {}` is not allowed: events go to {EVENTS_TABLE}", dotted(table)));
    }
    let plain = |name: &ObjectName| match name.0.as_slice() {
        [ObjectNamePart::Identifier(column)] => Ok(column.clone()),
        _ => Err(format!("`{name}` is no column of {EVENTS_TABLE}")),
    };
    let columns = insert.columns.iter().map(plain).collect::<Result<_, _>>()?;
    match insert.source {
        Some(query) => Ok(Allowed::Query { query, insert: Some(columns) }),
        None => Err(refusal("INSERT without SELECT")),
    }
}

/// The name in lower case unless quoted, its parts joined by dots.
fn dotted(name: &ObjectName) -> String {
    let part = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(word) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
        other => other.to_string(),
    };
    name.0.iter().map(part).collect::<Vec<_>>().join(".")
}

fn first_words(statement: &str) -> String {
    let words = statement.split_whitespace().take_while(|word| word.chars().all(|letter| letter.is_ascii_uppercase()));
    words.take(2).collect::<Vec<_>>().join(" ")
}
