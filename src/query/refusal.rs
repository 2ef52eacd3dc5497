//! What the parser, the planner and a running plan refuse, in words of ours, with the place in the file.
//!
//! An engine's message about a *plan* names columns, tables and types. One about a *row* may hold the row's values, which
//! are personal data: [`run_error`] keeps neither such a text nor the error it came from.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location as Place, Span};

use super::QueryFile;
use super::file::locate;
use super::phrases;
use super::words::known;
use crate::error::{Error, ErrorKind};
use crate::settings::nearest;
use crate::sources::DAMAGED;

/// Names that a hint lists before it stops.
const MAX_NAMES: usize = 20;
/// What the engine calls the limit of what it may spill.
const SPILL_LIMIT: &str = "datafusion.runtime.max_temp_directory_size";

/// SQL that does not parse. sqlparser says where it stumbled only in words: `… at Line: 3, Column: 9`.
pub(super) fn syntax_error(path: &Path, text: &str, error: DataFusionError) -> Error {
    let message = match error.find_root() {
        DataFusionError::SQL(error, _) => match error.as_ref() {
            ParserError::TokenizerError(words) | ParserError::ParserError(words) => words.clone(),
            ParserError::RecursionLimitExceeded => "the nesting is too deep".to_owned(),
        },
        other => other.strip_backtrace(),
    };
    let number = |marker: &str| -> Option<u64> {
        let rest = &message[message.rfind(marker)? + marker.len()..];
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let (words, hint) = in_our_words(message.split(" at Line:").next().unwrap_or(&message));
    // What stands between the last backticks is what was found.
    let found = words.rsplit('`').nth(1).filter(|_| message.starts_with("Expected: "));
    let found = found.map_or(1, |found| found.chars().count() as u64);
    let location = number("Line: ").zip(number("Column: ")).and_then(|(line, column)| {
        let end = Place { line, column: column + found.max(1) };
        locate(path, text, Span { start: Place { line, column }, end })
    });
    let location = location.or_else(|| locate(path, text, end_of(text)));
    let mut refused = Error::new(ErrorKind::Sql, format!("the SQL does not parse: {words}"));
    let too_deep = words.ends_with("too deep").then_some("make the expression in steps, each in a query of a WITH");
    if let Some(hint) = phrases::no_sql(text, &words).or(too_deep).or(hint) {
        refused = refused.hint(hint);
    }
    refused.at(location).source(error)
}

/// The last character that is not white space: where a file ends too early.
fn end_of(text: &str) -> Span {
    let text = text.trim_end();
    let last = text.lines().last().unwrap_or_default();
    let (line, column) = (text.lines().count().max(1) as u64, last.chars().count().max(1) as u64);
    Span { start: Place { line, column }, end: Place { line, column: column + 1 } }
}

/// The parser's words without its punctuation, and what to look for.
fn in_our_words(message: &str) -> (String, Option<&'static str>) {
    if let Some((expected, found)) = message.strip_prefix("Expected: ").and_then(|rest| rest.split_once(", found: ")) {
        let is_sign = expected.chars().all(|letter| letter.is_ascii_punctuation());
        let expected = if is_sign { format!("`{expected}`") } else { expected.to_owned() };
        return match (expected.as_str(), found) {
            (_, "EOF") => {
                (format!("expected {expected}, but the statement ends"), Some("a bracket or a clause is not finished"))
            }
            ("end of statement", _) => (
                format!("expected the end of the statement, found `{found}`"),
                Some("a comma may be missing before it"),
            ),
            ("an SQL statement", _) => (
                format!("`{found}` begins no statement"),
                Some("a query file holds SET, CREATE and one SELECT or WITH"),
            ),
            _ => (
                format!("expected {expected}, found `{found}`"),
                Some("look just before the mark: a comma, a bracket or a quote may be missing or too many"),
            ),
        };
    }
    let hint = message.starts_with("Unterminated string literal").then_some(
        "the quote here, or one above it, has no partner; an apostrophe inside text is written twice: 'O''Neil'",
    );
    (lower_first(message), hint)
}

/// SQL that parses and does not plan.
pub(super) fn plan_error(file: &QueryFile, error: DataFusionError) -> Error {
    if let DataFusionError::External(inner) = error.find_root()
        && inner.is::<Error>()
    {
        let span = span(&error);
        let ours = run_error(error);
        // The place of a source is known to who opened it.
        let span = span.or_else(|| ours.rule_code().map(|_| file.query_start));
        return if ours.location().is_some() { ours } else { ours.at(span.and_then(|span| file.locate(span))) };
    }
    let diagnostic = error.diagnostic();
    let span = span(&error).map(|span| {
        // The planner's place of a table includes its alias.
        missing_table(&error).and_then(|table| file.tokens.named(table, Some(span))).unwrap_or(span)
    });
    let Explained { message, hint, name } = explained(file, &error);
    let help = || diagnostic.and_then(|diagnostic| diagnostic.helps.first()).map(|help| lower_first(&help.message));
    let hint = hint.or_else(help);
    let span = span.or_else(|| file.tokens.named(&name?, None)).unwrap_or(file.query_start);
    let mut refused = Error::new(ErrorKind::Sql, message).at(file.locate(span));
    if let Some(hint) = hint {
        refused = refused.hint(hint);
    }
    refused.source(error)
}

/// How a sub-query reads the query around it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outer {
    /// As a table behind FROM.
    Lateral,
    /// In an expression, with a LIMIT of its own.
    Limited,
    /// In an expression.
    Other,
}

/// Whether a plan cannot be executed because a sub-query reads the query around it.
pub(super) fn reads_outer(error: &DataFusionError) -> bool {
    let words = error.find_root().strip_backtrace();
    ["OuterReferenceColumn", "ScalarSubquery", "ndecorrelated", "Exists(", "InSubquery("]
        .iter()
        .any(|name| words.contains(name))
}

/// SQL that plans and cannot be executed.
pub(super) fn execution_error(file: &QueryFile, error: DataFusionError, outer: Outer) -> Error {
    if !reads_outer(&error) {
        return plan_error(file, error);
    }
    let (message, hint) = match outer {
        Outer::Lateral => (
            "a table behind FROM reads the tables before it, which the engine cannot execute",
            "UNNEST and expressions over a row stand in the select list of a sub-query: \
             FROM (SELECT *, unnest(string_to_array(tags, ',')) AS tag FROM 'orders.csv') t",
        ),
        Outer::Limited => (
            "a sub-query with LIMIT reads the query around it, which the engine cannot execute",
            "take max(x) or min(x) in place of LIMIT 1, or join with the sub-query",
        ),
        Outer::Other => (
            "a sub-query reads the query around it in a way that the engine cannot execute",
            "join with the sub-query: LEFT JOIN (SELECT key, max(x) AS x FROM … GROUP BY key) s ON s.key = t.key",
        ),
    };
    Error::new(ErrorKind::Sql, message).hint(hint).at(file.locate(file.query_start)).source(error)
}

/// Where the planner says that an error is.
pub(super) fn span(error: &DataFusionError) -> Option<Span> {
    let place = |place: datafusion::common::Location| Place { line: place.line, column: place.column };
    let span = error.diagnostic()?.span?;
    Some(Span { start: place(span.start), end: place(span.end) })
}

/// The table that is not there, if that is the error.
pub(super) fn missing_table(error: &DataFusionError) -> Option<&str> {
    let DataFusionError::Plan(message) = error.find_root() else { return None };
    let name = message.strip_prefix("table '")?.strip_suffix("' not found")?;
    Some(name.strip_prefix("datafusion.public.").unwrap_or(name))
}

/// The name that an error is about, where the planner does not say where it stands.
pub(super) fn name_in(error: &DataFusionError) -> Option<String> {
    if let DataFusionError::SchemaError(schema, _) = error.find_root()
        && let SchemaError::FieldNotFound { field, .. } = schema.as_ref()
    {
        return field.relation.is_none().then(|| field.name.clone());
    }
    let message = first_line(error.find_root());
    wrong_arguments(&message)?.name
}

/// Whether an error says that something does not exist.
pub(super) fn is_about_name(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::SchemaError(schema, _) => matches!(schema.as_ref(), SchemaError::FieldNotFound { .. }),
        DataFusionError::Plan(message) => message.starts_with("Invalid function '") || message.starts_with("table '"),
        _ => false,
    }
}

struct Explained {
    message: String,
    hint: Option<String>,
    /// The name that is wrong, to look for where the planner does not say where it stands.
    name: Option<String>,
}

fn explained(file: &QueryFile, error: &DataFusionError) -> Explained {
    let root = error.find_root();
    match root {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => return no_column(field, valid_fields),
            SchemaError::AmbiguousReference { field } => {
                let name = &field.name;
                return Explained {
                    message: format!("`{name}` can mean several columns"),
                    hint: Some(format!(
                        "name its table too, such as t.{name}; two columns of the result need two names"
                    )),
                    name: Some(name.clone()),
                };
            }
            _ => {}
        },
        DataFusionError::Plan(message) => {
            let quoted = message.split('\'').nth(1).unwrap_or_default();
            if let Some(table) = missing_table(error) {
                return no_table(file, table);
            }
            if message.starts_with("Invalid function '") {
                let suggestion = message.split('\'').nth(3);
                return Explained {
                    message: format!("no function `{quoted}`"),
                    hint: phrases::in_place_of(quoted, suggestion)
                        .or_else(|| Some("the functions are those of DataFusion and of postback".to_owned())),
                    name: Some(quoted.to_owned()),
                };
            }
            if let Some(function) = message.to_lowercase().strip_prefix("table function '") {
                let name = function.split('\'').next().unwrap_or_default();
                return Explained {
                    message: format!("no table function `{name}`"),
                    hint: phrases::in_place_of(name, None),
                    name: Some(name.to_owned()),
                };
            }
            if message.starts_with("Projections require unique expression names") {
                return Explained {
                    message: "two columns of the result have the same name".to_owned(),
                    hint: Some("give one of them another name with AS".to_owned()),
                    name: None,
                };
            }
        }
        _ => {}
    }
    let message = first_line(root);
    if let Some((said, help)) = phrases::plainly(&message) {
        return Explained { message: said.to_owned(), hint: Some(help.to_owned()), name: None };
    }
    wrong_arguments(&message).unwrap_or_else(|| {
        // What follows the first sentence repeats it at length.
        let first = message.split(": While expanding").next().unwrap_or(&message);
        let first = first.split(". No function matches").next().unwrap_or(first);
        Explained { message: phrases::without_dump(first), hint: None, name: None }
    })
}

/// `… Function 'sum' requires Decimal, but received String (DataType: Utf8) …`, once for every type it would take.
fn wrong_arguments(message: &str) -> Option<Explained> {
    let (before, received) = message.split_once(", but received ")?;
    let name = before.split('\'').nth(1)?;
    let received = received.split([' ', '.', ',', '(']).next()?;
    Some(Explained {
        message: format!("the function `{name}` does not take {received}"),
        hint: Some("convert the argument first, such as TRY_CAST(x AS DOUBLE)".to_owned()),
        name: Some(name.to_owned()),
    })
}

fn no_column(field: &Column, valid: &[Column]) -> Explained {
    let written = |column: &Column| {
        let is_quoted = column.name.chars().any(|letter| letter.is_uppercase() || letter.is_whitespace());
        if is_quoted { format!("\"{}\"", column.name) } else { column.name.clone() }
    };
    let within = field.relation.as_ref().map_or_else(String::new, |table| format!(" in `{table}`"));
    let of_table =
        |column: &&Column| field.relation.as_ref().is_none_or(|table| column.relation.as_ref() == Some(table));
    let candidates: Vec<&Column> = valid.iter().filter(of_table).collect();
    let mut same: Vec<String> = candidates
        .iter()
        .filter(|column| column.name.eq_ignore_ascii_case(&field.name))
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    same.sort();
    same.dedup();
    let hint = if !same.is_empty() {
        Some(format!("write one of {} in double quotes, as they differ only in case", same.join(", ")))
    } else if let Some(near) = nearest(&field.name, candidates.iter().map(|column| column.name.as_str())) {
        let near = candidates.iter().find(|column| column.name == near).map(|column| written(column));
        near.map(|near| format!("did you mean `{near}`?"))
    } else if candidates.is_empty() {
        Some(match &field.relation {
            Some(table) => format!("no table behind FROM has the name `{table}`"),
            None => "name the file that has the column: FROM 'exports/orders.parquet'".to_owned(),
        })
    } else {
        let mut names: Vec<String> = Vec::new();
        for name in candidates.iter().map(|column| written(column)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.len() > MAX_NAMES {
            names.truncate(MAX_NAMES);
            names.push("…".to_owned());
        }
        Some(format!("the columns are {}", names.join(", ")))
    };
    Explained { message: format!("no column `{}`{within}", field.name), hint, name: Some(field.name.clone()) }
}

fn no_table(file: &QueryFile, name: &str) -> Explained {
    let defined: Vec<String> = file.definitions.iter().filter_map(defined_name).collect();
    let hint = match nearest(name, defined.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "a file is read by its path in quotes, such as FROM 'exports/orders.parquet'".to_owned(),
    };
    // The engine puts its own name before that of a schema.
    let name = name.strip_prefix("datafusion.").unwrap_or(name);
    Explained { message: format!("no table `{name}`"), hint: Some(hint), name: Some(name.to_owned()) }
}

/// The name of the table or view that a statement defines.
pub(super) fn defined_name(definition: &Statement) -> Option<String> {
    match definition {
        Statement::CreateExternalTable(table) => Some(table.name.to_string()),
        Statement::Statement(inner) => match inner.as_ref() {
            ast::Statement::CreateView(view) => Some(view.name.to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Turns an error from running a query into one with the kind it deserves: our own pass through, what an expression
/// refuses of a row is SQL, the rest is a source.
#[must_use]
pub fn run_error(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => told(&DataFusionError::External(other)),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => run_error(*inner),
        DataFusionError::Shared(shared) => match Arc::try_unwrap(shared) {
            Ok(inner) => run_error(inner),
            Err(shared) => told(shared.find_root()),
        },
        other => told(other.find_root()),
    }
}

/// An error that others hold too: told again in our words.
fn told(error: &DataFusionError) -> Error {
    if let Some(ours) = Error::beneath(error) {
        return ours.restated();
    }
    // Arrow's writer may have wrapped it.
    if error.to_string().contains(SPILL_LIMIT) {
        return Error::new(ErrorKind::Usage, "the query needs more room on disk than postback.spill_limit allows")
            .hint("raise postback.spill_limit or postback.memory_limit, or filter rows and drop columns earlier");
    }
    match error {
        DataFusionError::External(inner) => foreign(&inner.to_string()),
        DataFusionError::ResourcesExhausted(words) => exhausted(words),
        DataFusionError::Execution(words) if words.starts_with("Error parsing timestamp") => {
            of_row("a text is no time, or does not fit its format")
                .hint("formats have `%` codes: to_timestamp(x, '%d/%m/%Y %H:%M')")
        }
        DataFusionError::Execution(words) => Error::new(ErrorKind::Sql, known(&lower_first(words))),
        DataFusionError::ArrowError(inner, _) => arrow_error(inner),
        // Without what the panic said.
        DataFusionError::ExecutionJoin(_) => Error::new(ErrorKind::Internal, "a task of the query crashed"),
        other => Error::new(ErrorKind::Source, format!("reading failed: {}", masked(&first_line(other)))),
    }
}

/// Memory that ran out: which part of the query wanted it, and the limit. The engine lists all that holds memory.
fn exhausted(words: &str) -> Error {
    const PARTS: [(&str, &str); 4] =
        [("Join", "a join"), ("Aggregate", "a GROUP BY"), ("Window", "a window function"), ("Sort", "an ORDER BY")];
    let wanting = words.split_once("allocation failed for ").or_else(|| words.split_once(" for "));
    let operator = wanting.and_then(|(_, rest)| rest.split(['[', ' ']).next()).unwrap_or_default();
    let part = PARTS.iter().find(|(name, _)| operator.contains(name)).map_or("the query", |(_, part)| part);
    let limit = words.rsplit_once("pool_size: ").and_then(|(_, rest)| rest.split_once(')'));
    // The engine's kilobytes have 1,024 bytes.
    let exact = |limit: &str| {
        ["KB", "MB", "GB"].iter().fold(limit.to_owned(), |text, unit| text.replace(unit, &unit.replace('B', "iB")))
    };
    let limit = limit.map_or_else(String::new, |(limit, _)| format!(" = {}", exact(limit)));
    Error::new(ErrorKind::Usage, format!("{part} needs more memory than postback.memory_limit{limit} allows"))
        .hint("raise postback.memory_limit, or filter rows and drop columns before that part of the query")
}

/// What a library behind the engine says.
fn foreign(text: &str) -> Error {
    if text.starts_with("regex parse error") {
        return of_row("a pattern is no regular expression");
    }
    Error::new(ErrorKind::Source, masked(first(text)))
}

fn first(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn of_row(words: &str) -> Error {
    Error::new(ErrorKind::Sql, format!("the query fails on a row: {}", lower_first(words)))
}

fn arrow_error(error: &ArrowError) -> Error {
    match error {
        ArrowError::CastError(words) if words.contains("is out of range") => {
            of_row("a number is too large for its type")
        }
        ArrowError::CastError(words) => {
            of_row(&known(words)).hint("TRY_CAST gives NULL for values that do not convert")
        }
        ArrowError::ParseError(words) => match place_in_csv(words) {
            Some(place) => {
                Error::new(ErrorKind::Source, format!("a value does not fit the type of its column, {place}")).hint(
                    "types are inferred from the first rows: state them in CREATE EXTERNAL TABLE, TEXT takes any value",
                )
            }
            None => of_row(&known(words)).hint("TRY_CAST gives NULL for values that do not convert"),
        },
        ArrowError::DivideByZero => of_row("division by zero").hint("nullif(x, 0) gives NULL instead"),
        ArrowError::ArithmeticOverflow(_) => of_row("a number is too large for its type"),
        ArrowError::ComputeError(words) => of_row(&known(words)),
        ArrowError::InvalidArgumentError(words) if words.contains(" to store in a Decimal") => {
            of_row("a number has more digits than its decimal type")
                .hint("TRY_CAST gives NULL for values that do not convert")
        }
        other => {
            let text = other.to_string();
            let words = text.split_once(" error: ").map_or(text.as_str(), |(_, words)| words);
            Error::new(ErrorKind::Source, format!("reading failed: {}", lower_first(&masked(first(words)))))
                .hint(DAMAGED)
        }
    }
}

/// `column 3 at line 5` of what Arrow's CSV reader says, which goes on with the whole row.
fn place_in_csv(words: &str) -> Option<&str> {
    let words = words.strip_prefix("Error while parsing value ")?.split(". Row data").next()?;
    Some(&words[words.rfind("column ")?..])
}

/// `text` without what stands in quotes, which may be a value of a row.
#[must_use]
pub fn masked(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['\'', '"']) {
        let quote = &rest[start..=start];
        let inside = &rest[start + 1..];
        // The last partner, where the value holds quotes itself: rather too much is hidden than too little.
        let Some(end) = inside.rfind(quote) else {
            kept += &rest[..start];
            kept += "<value>";
            return kept;
        };
        kept += &rest[..start];
        kept += "<value>";
        rest = &inside[end + 1..];
    }
    kept + rest
}

/// The first line of what DataFusion says, without its prefixes.
pub(super) fn first_line(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let mut line = text.lines().next().unwrap_or_default();
    for prefix in ["Error during planning: ", "SQL error: ", "Schema error: ", "Execution error: ", "External error: "]
    {
        line = line.strip_prefix(prefix).unwrap_or(line);
    }
    lower_first(line.trim_end_matches('.'))
}

/// `text` with a small first letter, unless its first word is written in capitals.
fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !letters.clone().next().is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

impl QueryFile {
    /// Turns an error of DataFusion's planner into one that points into the file.
    #[must_use]
    pub fn plan_error(&self, error: DataFusionError) -> Error {
        plan_error(self, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_expression_refuses_is_told_without_the_value() {
        let cast = ArrowError::CastError("Cannot cast string 'pat.o'neil@example.com' to value of Int32 type".into());
        let error = run_error(DataFusionError::ArrowError(Box::new(cast), None));
        assert_eq!(error.to_string(), "the query fails on a row: cannot cast string <value> to value of Int32 type");
        assert_eq!(error.kind(), ErrorKind::Sql);
        assert!(!format!("{error:?}").contains("example.com"), "{error:?}");
    }

    #[test]
    fn a_value_of_another_type_is_told_by_column_and_line() {
        let words =
            "Error while parsing value 'pat@example.com' as type 'Int64' for column 1 at line 7. Row data: '[a,b]'";
        let error = run_error(DataFusionError::ArrowError(Box::new(ArrowError::ParseError(words.into())), None));
        assert_eq!(error.to_string(), "a value does not fit the type of its column, column 1 at line 7");
        assert_eq!(error.kind(), ErrorKind::Source);
        assert!(!format!("{error:?}").contains("example.com"), "{error:?}");
    }

    #[test]
    fn memory_that_runs_out_is_told_without_the_list_of_what_holds_it() {
        let words =
            "Additional allocation failed for HashJoinInput[1] with top memory consumers (across reservations) as:
  HashJoinInput[1]#6(can spill: false) consumed 946.6 KB, peak 946.6 KB.
Error: Failed to allocate additional 1420.5 KB for HashJoinInput[1] with 946.6 KB already allocated for this \
reservation - 29.9 KB remain available for the total memory pool: greedy(used: 946.6 KB, pool_size: 976.6 KB)";
        let error = run_error(DataFusionError::ResourcesExhausted(words.into()));
        assert_eq!(error.to_string(), "a join needs more memory than postback.memory_limit = 976.6 KiB allows");
        assert_eq!(error.kind(), ErrorKind::Usage);
        let plain = run_error(DataFusionError::ResourcesExhausted("no disk for UnknownStream[0]".into()));
        assert_eq!(plain.to_string(), "the query needs more memory than postback.memory_limit allows");
    }

    #[test]
    fn text_in_quotes_is_hidden_even_where_a_quote_has_no_partner() {
        assert_eq!(masked("no 'a' here"), "no <value> here");
        assert_eq!(masked("no 'a b"), "no <value>");
        assert_eq!(masked("nothing"), "nothing");
    }

    #[test]
    fn words_in_capitals_keep_them() {
        assert_eq!(lower_first("INSERT fails"), "INSERT fails");
        assert_eq!(lower_first("Cannot cast"), "cannot cast");
        assert_eq!(lower_first(""), "");
    }
}
