//! Everything there is to say about a query file before a row of it is read: [`examine`].

use std::ops::ControlFlow;
use std::path::Path;

use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{self, Expr, Query, Spanned};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::draft::{Draft, Marked};
use super::marks::Mark;
use super::origins::{self, Traced};
use super::places::begins_within;
use super::{
    Checked, Diagnosis, Parameters, Planned, QueryFile, Resources, conformed, executable, grain, insert_names, limits,
    losses, meanings, parts, queries, raw, session, setting_errors, times,
};
use crate::error::{Error, ErrorKind};
use crate::settings::{SETTINGS, Settings, nearest};
use crate::sources::Sources;
use crate::validate::plan::{self, Finding, Given, Subject};
use crate::validate::rule;

/// What there is to say about a query file before a row of it is read.
pub struct Examination {
    /// Every problem, in the order of their places.
    pub diagnoses: Vec<Diagnosis>,
    /// The query, if none of them is an error.
    pub checked: Option<Checked>,
}

impl Examination {
    /// Of a file that [`QueryFile::read`] does not read or parse.
    #[must_use]
    pub fn unread(error: Error) -> Self {
        let is_unread = error.location().is_none();
        let diagnosis = if is_unread { Diagnosis::unreadable(error) } else { error.into() };
        Self { diagnoses: vec![diagnosis], checked: None }
    }

    fn of(file: &QueryFile, mut diagnoses: Vec<Diagnosis>, checked: Option<Checked>) -> Self {
        diagnoses.sort_by_key(|diagnosis| {
            let place = diagnosis.location.as_ref().map(|location| (location.line, location.column));
            (place, diagnosis.rule.code)
        });
        let mut told: Vec<Diagnosis> = Vec::with_capacity(diagnoses.len());
        for diagnosis in diagnoses {
            // One place breaks one rule once: a volatile function also is one that feeds an id.
            let is_told = |other: &Diagnosis| {
                other.rule == diagnosis.rule
                    && other.location == diagnosis.location
                    && (other.message == diagnosis.message || diagnosis.rule.code == "PB2012")
            };
            if !told.iter().any(is_told) {
                told.push(file.concealed(diagnosis));
            }
        }
        // One setting mends them all, and what says it best is the time that lacks the zone.
        let is_of_day = |other: &Diagnosis| other.message.contains(times::OF_DAY);
        if told.iter().any(|other| other.rule.code == "PB2011" && !is_of_day(other)) {
            told.retain(|other| other.rule.code != "PB2011" || !is_of_day(other));
        }
        let checked = checked.filter(|_| !told.iter().any(Diagnosis::is_error));
        Self { diagnoses: told, checked }
    }
}

/// Reads the file at `path`, layers its `SET`s over `settings`, and examines it.
pub async fn examine_path(
    path: &Path,
    settings: &Settings,
    parameters: &Parameters,
    resources: &Resources,
) -> Examination {
    match QueryFile::read(path) {
        Ok(file) => examine(&file, settings, parameters, resources).await,
        Err(error) => Examination::unread(error),
    }
}

/// Plans and judges the query of `file` under its own `SET`s over `settings`: all problems at once, and the checked query
/// where there is no error.
///
/// Nothing is read but what tells the schema of a source.
pub async fn examine(
    file: &QueryFile,
    settings: &Settings,
    parameters: &Parameters,
    resources: &Resources,
) -> Examination {
    let mut settings = settings.clone();
    let mut diagnoses = file.faults.clone();
    let refused = setting_errors(file, &mut settings);
    let unusable = refused.iter().filter_map(|(name, _)| meant_setting(name)).collect();
    diagnoses.extend(refused.into_iter().filter_map(|(_, error)| Some(error?.into())));
    let context = match session(&settings, resources, file.folder()) {
        Ok(context) => context,
        Err(error) => {
            diagnoses.push(error.into());
            return Examination::of(file, diagnoses, None);
        }
    };
    diagnoses.extend(queries(file).into_iter().flat_map(limits::sampled).map(|table| {
        let error = Error::new(ErrorKind::Sql, "TABLESAMPLE takes no sample here: every row would be read");
        error
            .hint("leave it out; WHERE picks rows that are the same in each run")
            .at(file.tokens.named(&table, None).and_then(|span| file.locate(span)))
            .into()
    }));
    diagnoses.extend(super::engine_errors(file, &context).into_iter().map(Diagnosis::from));
    if let Ok(sources) = Sources::of(&context.state()) {
        sources.keep_bytes(raw::columns(queries(file)));
    }
    let Some(query) = &file.query else {
        let mut draft = Draft::new(file, context);
        draft.define().await;
        diagnoses.append(&mut draft.diagnoses);
        return Examination::of(file, diagnoses, None);
    };
    let sources = Sources::of(&context.state());
    let given = Given { unusable, ..given(&settings) };
    let examining = Examining { file, settings: &settings, parameters, given };
    let checked = examining.examine(query, context, &mut diagnoses).await;
    diagnoses.extend(sources.iter().flat_map(|sources| of_sources(file, sources)));
    Examination::of(file, diagnoses, checked)
}

/// The setting that was meant by a name that is none, or has a value it does not take.
fn meant_setting(name: &str) -> Option<String> {
    nearest(name, SETTINGS.iter().map(|setting| setting.name)).map(str::to_owned)
}

/// What the settings tell the judgement of a plan.
fn given(settings: &Settings) -> Given {
    Given {
        event_source: settings.event_source(),
        event_source_id: settings.text("event_source_id").map(str::to_owned),
        event: settings.text("event").map(str::to_owned),
        currency: settings.text("currency").map(str::to_owned),
        timezone: settings.timezone().is_some(),
        is_utc: matches!(settings.text("timezone"), Some("UTC" | "Etc/UTC" | "GMT" | "Etc/GMT")),
        extra_properties: settings.text("extra_columns") == Some("properties"),
        fold: settings.text("fold") == Some("contents"),
        ..Given::default()
    }
}

struct Examining<'a> {
    file: &'a QueryFile,
    settings: &'a Settings,
    parameters: &'a Parameters,
    given: Given,
}

/// The plan of a query with what is known of its columns.
struct Subjects<'a> {
    file: &'a QueryFile,
    marks: Vec<Mark>,
    traced: Traced,
}

impl Examining<'_> {
    async fn examine(&self, query: &Query, context: SessionContext, diagnoses: &mut Vec<Diagnosis>) -> Option<Checked> {
        let file = self.file;
        let mut draft = Draft::new(file, context.clone());
        draft.define().await;
        let (planned, has_more) = match draft.plan(query).await {
            Some(planned) => (Some(planned), false),
            None => (draft.plan_literals(query).await, parts::has_wildcard(query)),
        };
        let marked = match &planned {
            Some((query, plan)) => Some(draft.marked(query, plan).await),
            None => None,
        };
        let is_whole = draft.diagnoses.is_empty();
        diagnoses.append(&mut draft.diagnoses);
        if self.given.is_unusable("timezone") {
            // The zone that was meant is not known, and that has its diagnosis.
            diagnoses.retain(|diagnosis| diagnosis.rule.code != "PB2011");
        }
        let ((_, plan), Marked { plan: marked, marks }) = planned.zip(marked)?;
        let (plan, marked) = match (insert_names(plan, file), insert_names(marked, file)) {
            (Ok(plan), Ok(marked)) => (plan, marked),
            (Err(error), _) | (_, Err(error)) => {
                diagnoses.push(error.into());
                return None;
            }
        };
        let (plan, marked) = self.bind(plan, marked, diagnoses);
        let mut traced = origins::traced(&marked, &marks, &draft.unknown_tables);
        match plan.as_ref().map(|plan| times::settled(&context.state(), plan.clone())) {
            Some(Ok(settled)) => traced.settle_times(&settled),
            Some(Err(error)) if is_whole => diagnoses.push(file.plan_error(error).into()),
            _ => {}
        }
        let given = Given { has_more_columns: has_more || traced.has_more, ..self.given.clone() };
        let (roles, mut findings) = plan::judge(&traced.columns, &given);
        findings.extend(plan::source_id(&traced.columns, &given));
        if !given.fold && !given.is_unusable("fold") {
            let id = grain::line_id(&marked, &roles);
            findings.extend(id.map(|id| plan::row_per_line(id, &traced.columns[id].name)));
        }
        let subjects = Subjects { file, marks, traced };
        diagnoses.extend(findings.into_iter().map(|finding| {
            let span = subjects.span(finding.subject);
            diagnosis(file, finding, span)
        }));
        for lost in losses::of(&marked, &roles) {
            let mark = lost.mark.and_then(|mark| subjects.marks.get(mark)).map(|mark| mark.expression);
            let column = &subjects.traced.columns[lost.column];
            let finding = plan::loss(lost.column, column, lost.loss);
            diagnoses.push(diagnosis(file, finding, Some(mark.unwrap_or_else(|| subjects.name(lost.column)))));
        }
        for (meaning, call) in meanings::of(&marked) {
            let span = meanings::place(file, &queries(file), &call);
            diagnoses.push(diagnosis(file, plan::meaning(&meaning), span.or(Some(file.query_start))));
        }
        if let Some(function) = origins::volatile(&marked) {
            let span = calls(file, &function).first().copied();
            diagnoses.push(diagnosis(file, plan::volatile(&function), span.or(Some(file.query_start))));
        }
        for limit in queries(file).into_iter().flat_map(limits::without_order) {
            diagnoses.push(diagnosis(file, plan::limit_without_order(), Some(limit)));
        }
        if !is_whole || diagnoses.iter().any(Diagnosis::is_error) {
            return None;
        }
        match conformed(Planned { context: context.clone(), plan: plan? }, &roles, self.settings) {
            Ok(checked) => match executable::error(&context, checked.plan()).await {
                None => Some(checked),
                Some(error) => {
                    let queries = queries(file);
                    diagnoses.push(executable::told(&context, file, self.parameters, &queries, error).await.into());
                    None
                }
            },
            Err(error) => {
                diagnoses.push(file.plan_error(error).into());
                None
            }
        }
    }

    /// Both plans with the parameters bound; the first is none where they cannot be.
    fn bind(
        &self,
        plan: LogicalPlan,
        marked: LogicalPlan,
        diagnoses: &mut Vec<Diagnosis>,
    ) -> (Option<LogicalPlan>, LogicalPlan) {
        let zone = self.settings.timezone();
        match self.parameters.bind(plan, self.file, zone.as_ref()) {
            Ok(plan) => {
                let bound = self.parameters.bind(marked.clone(), self.file, zone.as_ref());
                (Some(plan), bound.unwrap_or(marked))
            }
            Err(errors) => {
                diagnoses.extend(errors.into_iter().map(|error: Error| Diagnosis::from(error)));
                (None, marked)
            }
        }
    }
}

impl Subjects<'_> {
    /// Where the subject of a finding stands.
    fn span(&self, subject: Subject) -> Option<Span> {
        match subject {
            Subject::Query => Some(self.file.query_start),
            Subject::Name(column) => Some(self.name(column)),
            Subject::Origin(column, origin) => Some(self.expression(column, origin)),
            Subject::Choice(column, origin, choice) => {
                let expression = self.expression(column, origin);
                let origin = self.traced.columns[column].origins.get(origin);
                let text = origin.and_then(|origin| origin.choices.get(choice));
                Some(text.and_then(|text| self.file.tokens.text(text, expression)).unwrap_or(expression))
            }
            Subject::Function(column, origin) => {
                let expression = self.expression(column, origin);
                let function =
                    self.traced.columns[column].origins.get(origin).and_then(|origin| origin.unstable.clone());
                let calls = function.map(|function| calls(self.file, &function)).unwrap_or_default();
                let inside = calls.iter().find(|call| begins_within(**call, expression));
                Some(inside.or(calls.first()).copied().unwrap_or(expression))
            }
            Subject::Setting(name) => self
                .file
                .settings
                .iter()
                .rev()
                .find(|assignment| assignment.name == name)
                .map(|assignment| assignment.span),
        }
    }

    fn name(&self, column: usize) -> Span {
        if let Some(name) = self.file.insert.as_ref().and_then(|names| names.get(column)) {
            return name.span;
        }
        let mark = self.traced.marks[column].first().and_then(|(named, _)| self.marks.get((*named)?));
        let marked = mark.map(|mark| mark.alias.unwrap_or(mark.expression));
        let item = || self.file.item(column).map(|item| item.alias.unwrap_or(item.expression));
        marked.or_else(item).unwrap_or(self.file.query_start)
    }

    fn expression(&self, column: usize, origin: usize) -> Span {
        let mark = self.traced.marks[column].get(origin).and_then(|(_, made)| self.marks.get((*made)?));
        let item = || self.file.item(column).map(|item| item.expression);
        mark.map(|mark| mark.expression).or_else(item).unwrap_or(self.file.query_start)
    }
}

fn diagnosis(file: &QueryFile, finding: Finding, span: Option<Span>) -> Diagnosis {
    let Finding { rule, message, help, severity, .. } = finding;
    let location = span.and_then(|span| file.locate(span));
    Diagnosis { rule, message, help, location, severity, kind: ErrorKind::Contract }
}

/// What looks wrong about the sources, where the file names them.
#[must_use]
pub fn of_sources(file: &QueryFile, sources: &Sources) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    for report in sources.reports() {
        let named = report.location.split(", ").find_map(|location| file.tokens.named(location, None));
        let location = named.and_then(|span| file.locate(span));
        for note in report.notes {
            let Some(rule) = note.code.and_then(rule) else { continue };
            found.push(Diagnosis {
                rule,
                message: note.message,
                help: note.help.unwrap_or_else(|| rule.fix.to_owned()),
                location: location.clone(),
                severity: rule.severity,
                kind: ErrorKind::Source,
            });
        }
    }
    found
}

/// Where the file calls the function that the engine knows as `name`.
fn calls(file: &QueryFile, name: &str) -> Vec<Span> {
    let is_called = |written: &str| {
        written == name
            || matches!(
                (name, written),
                ("now", "current_timestamp")
                    | ("current_date", "today")
                    | ("random", "rand")
                    | ("uuid", "gen_random_uuid")
            )
    };
    let mut found = Vec::new();
    for query in queries(file) {
        let _: ControlFlow<()> = ast::visit_expressions(query, |expression| {
            if let Expr::Function(call) = expression
                && is_called(&call.name.to_string().to_lowercase())
            {
                found.push(file.tokens.call(call.name.span()));
            }
            ControlFlow::Continue(())
        });
    }
    found
}

#[cfg(test)]
mod tests;
