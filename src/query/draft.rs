//! Plans a query file as far as it goes: what does not plan is noted and taken out, and the rest is planned again.
//!
//! A select item that fails becomes NULL, a condition true, a table that cannot be read one of every column that the
//! file names. So one pass finds every problem, and what is left can be judged; columns that depend on what was taken
//! out are of unknown type. Faults that only follow from it are not told.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DataFusionError, SchemaError, TableReference};
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, Query};
use datafusion::sql::sqlparser::tokenizer::{Span, Token};

use super::marks::{self, ItemId, Mark, Wrapping};
use super::parts::{self, Kind, Part};
use super::places::begins_within;
use crate::error::{Error, ErrorKind};
use crate::validate::rule;

use super::{Diagnosis, Problem, QueryFile, create_view, define_table, plan_statement, refusal};

/// Problems of one statement that are told before the rest is left to the next run.
const MAX_ROUNDS: usize = 50;

/// A file while it is planned.
pub(super) struct Draft<'a> {
    file: &'a QueryFile,
    context: SessionContext,
    /// What does not plan.
    pub(super) diagnoses: Vec<Diagnosis>,
    /// Tables that could not be read or are not there.
    pub(super) unknown_tables: HashSet<String>,
    failed: HashSet<ItemId>,
    failed_names: HashSet<String>,
    /// Whether keys of GROUP BY were taken out, so that items are no keys any more.
    is_regrouped: bool,
    /// The views, as far as they plan.
    views: Vec<Statement>,
}

/// A plan with the marks in it.
pub(super) struct Marked {
    pub(super) plan: LogicalPlan,
    pub(super) marks: Vec<Mark>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(file: &'a QueryFile, context: SessionContext) -> Self {
        Self {
            file,
            context,
            diagnoses: Vec::new(),
            unknown_tables: HashSet::new(),
            failed: HashSet::new(),
            failed_names: HashSet::new(),
            is_regrouped: false,
            views: Vec::new(),
        }
    }

    /// Registers what the file defines.
    pub(super) async fn define(&mut self) {
        for definition in &self.file.definitions {
            if let Statement::CreateExternalTable(table) = definition {
                if let Err(problem) = define_table(&self.context, table).await {
                    let errors = match problem {
                        Problem::Options(errors) => errors,
                        other => vec![other.into_error(self.file)],
                    };
                    for error in errors {
                        // An option is named first in what is said of it.
                        let named = error.message().split('`').nth(1);
                        let option = named.and_then(|name| self.file.tokens.option(name));
                        let location = || table.locations.iter().find_map(|path| self.file.tokens.named(path, None));
                        let location = option.or_else(location);
                        self.note(error.into(), location);
                    }
                    self.miss(&TableReference::parse_str(&table.name.to_string()));
                }
                continue;
            }
            let Some((statement, plan)) = self.settle(definition.clone()).await else {
                self.miss(&TableReference::parse_str(&refusal::defined_name(definition).unwrap_or_default()));
                continue;
            };
            match create_view(&self.context, plan).await {
                Ok(()) => self.views.push(statement),
                Err(error) => {
                    self.note(self.file.plan_error(error).into(), None);
                    self.miss(&TableReference::parse_str(&refusal::defined_name(definition).unwrap_or_default()));
                }
            }
        }
    }

    /// Plans `query`, without what does not plan; gives the query that was planned, too.
    pub(super) async fn plan(&mut self, query: &Query) -> Option<(Query, LogicalPlan)> {
        let mut query = query.clone();
        for (id, place, name) in parts::rename_repeated(&mut query, &self.file.tokens) {
            let rule = rule("PB2002").expect("the rules of the plan are rows of RULES");
            self.diagnoses.push(Diagnosis {
                rule,
                message: format!("`{name}` is returned twice"),
                help: rule.fix.to_owned(),
                location: self.file.locate(place.alias.unwrap_or(place.expression)),
                severity: rule.severity,
                kind: ErrorKind::Contract,
            });
            self.failed.insert(id);
        }
        let (statement, plan) = self.settle(as_statement(query)).await?;
        Some((query_of(&statement)?.clone(), plan))
    }

    /// The literals of `query`, whose plan cannot be had.
    pub(super) async fn plan_literals(&mut self, query: &Query) -> Option<(Query, LogicalPlan)> {
        let mut query = query.clone();
        self.failed.extend(parts::literals_only(&mut query));
        let mut statement = as_statement(query);
        let plan = plan_statement(&self.context, &mut statement).await.ok()?;
        Some((query_of(&statement)?.clone(), plan))
    }

    /// The plan of `query` with marks, behind the views with marks; without any if they do not fit in.
    pub(super) async fn marked(&mut self, query: &Query, plan: &LogicalPlan) -> Marked {
        let mut marks = Vec::new();
        self.context.register_udf(marks::MarkFunction::new().into());
        for view in std::mem::take(&mut self.views) {
            if let Some(plan) = self.plan_marked(view, &mut marks).await {
                // The view without marks serves as well; only the place of what it yields is not known then.
                drop(create_view(&self.context, plan).await);
            }
        }
        let marked = self.plan_marked(as_statement(query.clone()), &mut marks).await;
        Marked { plan: marked.unwrap_or_else(|| plan.clone()), marks }
    }

    /// The plan of a statement with as many marks as it bears.
    async fn plan_marked(&self, mut statement: Statement, marks: &mut Vec<Mark>) -> Option<LogicalPlan> {
        replacing(&mut statement);
        for with_columns in [true, false] {
            let before = marks.len();
            let mut wrapped = statement.clone();
            let (tokens, failed) = (&self.file.tokens, &self.failed);
            Wrapping { tokens, failed, with_columns, marks }.wrap(query_of_mut(&mut wrapped)?);
            if let Ok(plan) = plan_statement(&self.context, &mut wrapped).await {
                return Some(plan);
            }
            marks.truncate(before);
        }
        None
    }

    /// Plans a statement again and again, each time without what failed before.
    async fn settle(&mut self, mut statement: Statement) -> Option<(Statement, LogicalPlan)> {
        for _ in 0..MAX_ROUNDS {
            match plan_statement(&self.context, &mut statement).await {
                Ok(plan) => return Some((statement, plan)),
                Err(problem) => {
                    if !self.set_aside(&mut statement, problem).await {
                        return None;
                    }
                }
            }
        }
        None
    }

    /// Notes the problem and takes out of the statement what causes it; false where nothing can be.
    async fn set_aside(&mut self, statement: &mut Statement, problem: Problem) -> bool {
        let error = match problem {
            Problem::Source { table, error } => {
                let location = self.file.tokens.named(&table, None);
                self.note((*error).into(), location);
                return self.miss(&TableReference::bare(table));
            }
            Problem::Ours(error) => {
                self.note((*error).into(), None);
                return false;
            }
            Problem::Options(errors) => {
                for error in errors {
                    self.note(error.into(), None);
                }
                return false;
            }
            Problem::Planner(error) => *error,
        };
        if let Some(table) = refusal::missing_table(&error)
            && !table.contains('.')
        {
            let table = TableReference::bare(table.to_owned());
            self.note(self.file.plan_error(error).into(), None);
            return self.miss(&table);
        }
        let Some((index, part)) = self.culprit(statement, &error).await else {
            if !self.follows(&error, None) {
                self.note(self.file.plan_error(error).into(), None);
            }
            return false;
        };
        if !self.follows(&error, Some(&part)) {
            let location = refusal::name_in(&error).and_then(|name| self.file.tokens.named(&name, Some(part.span)));
            // What a rule refuses is all of an item, of which the planner tells one column.
            let is_item = matches!(part.kind, Kind::Item { .. })
                && Error::beneath(&error).is_some_and(|error| error.rule_code().is_some());
            let is_placed = refusal::span(&error).is_some() && !is_item;
            let mut diagnosis = Diagnosis::from(self.file.plan_error(error));
            if !is_placed {
                diagnosis.location = self.file.locate(location.unwrap_or(part.span));
            }
            self.note(diagnosis, None);
        }
        let Some(query) = query_of_mut(statement) else { return false };
        parts::take_out(query, &self.file.tokens, index);
        match part.kind {
            Kind::Item { id, name } => {
                self.failed_names.extend(name.map(|name| name.to_ascii_lowercase()));
                // What was taken out before cannot fail again.
                self.failed.insert(id)
            }
            Kind::Group => {
                self.is_regrouped = true;
                true
            }
            Kind::Condition | Kind::Order => true,
        }
    }

    /// The part of the statement that does not plan: the innermost around the place of the error, or the one without
    /// which the error goes away.
    async fn culprit(&self, statement: &mut Statement, error: &DataFusionError) -> Option<(usize, Part)> {
        let parts = parts::list(query_of_mut(statement)?, &self.file.tokens);
        let may_fail = |part: &Part| !matches!(&part.kind, Kind::Item { id, .. } if self.failed.contains(id));
        if let Some(span) = refusal::span(error)
            && let Some(found) = parts
                .iter()
                .position(|part| may_fail(part) && (begins_within(span, part.span) || span.start == part.span.start))
        {
            return Some((found, parts[found].clone()));
        }
        let told = error.strip_backtrace();
        let mut changed = None;
        for (index, part) in parts.iter().enumerate().filter(|(_, part)| may_fail(part)) {
            let mut without = statement.clone();
            parts::take_out(query_of_mut(&mut without)?, &self.file.tokens, index);
            match plan_statement(&self.context, &mut without).await {
                Ok(_) => return Some((index, part.clone())),
                Err(Problem::Planner(other)) if changed.is_none() && other.strip_backtrace() != told => {
                    changed = Some((index, part.clone()));
                }
                Err(_) => {}
            }
        }
        changed
    }

    /// Whether an error only follows from what was taken out before.
    fn follows(&self, error: &DataFusionError, part: Option<&Part>) -> bool {
        if let DataFusionError::SchemaError(schema, _) = error.find_root()
            && matches!(schema.as_ref(), SchemaError::AmbiguousReference { .. })
        {
            return !self.unknown_tables.is_empty();
        }
        if refusal::is_about_name(error) {
            return false;
        }
        let names_failed = part.is_none_or(|part| {
            if matches!(&part.kind, Kind::Item { name: Some(name), .. } if self.failed_names.contains(&name.to_ascii_lowercase())) {
                return true;
            }
            let inside = self.file.tokens.iter().filter(|token| begins_within(token.span, part.span));
            inside.into_iter().any(|token| matches!(&token.token, Token::Word(word) if self.failed_names.contains(&word.value.to_ascii_lowercase())))
        });
        self.is_regrouped || !self.unknown_tables.is_empty() || !self.failed_names.is_empty() && names_failed
    }

    fn note(&mut self, mut diagnosis: Diagnosis, span: Option<Span>) {
        if diagnosis.location.is_none() {
            diagnosis.location = span.and_then(|span| self.file.locate(span));
        }
        let is_told = |other: &Diagnosis| other.location == diagnosis.location && other.message == diagnosis.message;
        if !self.diagnoses.iter().any(is_told) {
            self.diagnoses.push(diagnosis);
        }
    }

    /// Puts a table with every name of the file in the place of one that is not to be had.
    fn miss(&mut self, table: &TableReference) -> bool {
        let mut names = HashSet::new();
        for token in self.file.tokens.iter() {
            if let Token::Word(word) = &token.token {
                let name = if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() };
                names.insert(name);
            }
        }
        let fields: Vec<Field> = names.into_iter().map(|name| Field::new(name, DataType::Null, true)).collect();
        let empty = Arc::new(EmptyTable::new(Arc::new(Schema::new(fields))));
        self.context.register_table(table.clone(), empty).is_ok()
            && self.unknown_tables.insert(table.table().to_owned())
    }
}

/// The query as a statement.
pub(super) fn as_statement(query: Query) -> Statement {
    Statement::Statement(Box::new(ast::Statement::Query(Box::new(query))))
}

fn query_of(statement: &Statement) -> Option<&Query> {
    let Statement::Statement(inner) = statement else { return None };
    match inner.as_ref() {
        ast::Statement::Query(query) => Some(query),
        ast::Statement::CreateView(view) => Some(&view.query),
        _ => None,
    }
}

fn query_of_mut(statement: &mut Statement) -> Option<&mut Query> {
    let Statement::Statement(inner) = statement else { return None };
    match inner.as_mut() {
        ast::Statement::Query(query) => Some(query),
        ast::Statement::CreateView(view) => Some(&mut view.query),
        _ => None,
    }
}

/// Lets a view take the place of the one of its name.
fn replacing(statement: &mut Statement) {
    if let Statement::Statement(inner) = statement
        && let ast::Statement::CreateView(view) = inner.as_mut()
    {
        view.or_replace = true;
        view.if_not_exists = false;
    }
}
