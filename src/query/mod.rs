//! From a query file to a checked, conformed plan: DataFusion plans, the contract judges, nothing is sent.
//!
//! [`plan`] resolves sources, registers what the file defines and binds parameters; [`check`] judges the columns and
//! conforms the plan. A plan that has not been checked cannot be run, because only [`check`] makes a [`Checked`].
//! Files are read for their schema here and for their rows only when the checked plan is executed.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{DdlStatement, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::{CreateExternalTable, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast;

pub use self::conform::Narrowing;
pub use self::file::QueryFile;
pub use self::parameters::Parameters;
pub use self::refusal::{masked, run_error};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::functions::{self, Defaults};
use crate::settings::{Origin, Settings};
use crate::validate::plan::{self, Given, Role};
use crate::validate::{FoldValue, Rule, Severity, rule};

mod conform;
mod file;
mod fold;
mod lineage;
mod parameters;
mod policy;
mod refusal;
mod sources;
mod words;

/// What the machine lends to the query engine.
#[derive(Clone, Debug)]
pub struct Resources {
    /// Bytes before operators spill to disk.
    pub memory_limit: usize,
    /// Partitions that are read and joined at the same time.
    pub partitions: usize,
    /// Where operators spill to: rows in plain form, so a private folder that goes with the process.
    pub spill_folder: PathBuf,
}

/// A query that DataFusion has planned and nobody has judged.
pub struct Planned {
    context: SessionContext,
    plan: LogicalPlan,
}

/// A query whose columns the contract allows, conformed to it.
pub struct Checked {
    context: SessionContext,
    plan: LogicalPlan,
    derives_value: bool,
    folds: bool,
}

impl Checked {
    /// The session that runs the plan.
    #[must_use]
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The conformed plan: canonical columns in contract order.
    #[must_use]
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// Whether rows are folded, so that an event has no row number of its own.
    #[must_use]
    pub fn folds(&self) -> bool {
        self.folds
    }

    /// Whether the value of an event is computed as price × quantity.
    #[must_use]
    pub fn derives_value(&self) -> bool {
        self.derives_value
    }
}

/// One problem of a query, with its place in the file.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The rule that is broken.
    pub rule: &'static Rule,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// Where, if it has a place in the file.
    pub location: Option<Location>,
    /// Whether the query cannot be run.
    pub severity: Severity,
    /// What the problem is for the exit code.
    pub kind: ErrorKind,
}

impl Diagnosis {
    /// Whether the query cannot be run.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Reject
    }
}

impl From<Error> for Diagnosis {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Usage => "PB1001",
            ErrorKind::Source => "PB1003",
            _ => "PB1002",
        };
        let rule = rule(code).expect("the rules of the file are rows of RULES");
        Self {
            rule,
            message: error.message().to_owned(),
            help: error.hint_text().unwrap_or(rule.fix).to_owned(),
            location: error.location().cloned(),
            severity: Severity::Reject,
            kind: error.kind(),
        }
    }
}

/// What there is to say about a query file before a row of it is read.
pub struct Examination {
    /// Every problem, in the order of their places.
    pub diagnoses: Vec<Diagnosis>,
    /// The query, if none of them is an error.
    pub checked: Option<Checked>,
}

/// Plans and judges the query of `file`: all problems at once, and the checked query where there is none.
///
/// Nothing is read but what tells the schema of a source.
pub async fn examine(
    file: &QueryFile,
    settings: &Settings,
    parameters: &Parameters,
    resources: &Resources,
) -> Examination {
    let planned = async { plan(session(settings, resources)?, file, parameters).await };
    match planned.await.and_then(|planned| check(planned, file, settings)) {
        Ok((diagnoses, checked)) => Examination { diagnoses, checked },
        Err(error) => Examination { diagnoses: vec![error.into()], checked: None },
    }
}

/// Takes the `SET postback.*` of the file into `settings`.
///
/// # Errors
/// As [`Settings::set`], with the place in the file.
pub fn apply_settings(file: &QueryFile, settings: &mut Settings) -> Result<()> {
    for assignment in &file.settings {
        let is_secret = ["token", "secret", "password"].iter().any(|word| assignment.name.contains(word));
        settings.set(&assignment.name, &assignment.value, Origin::Set).map_err(|error| {
            // The line holds the secret: it is named and not shown.
            if is_secret {
                error.context("line", assignment.span.start.line)
            } else {
                error.at(file.locate(assignment.span))
            }
        })?;
    }
    Ok(())
}

/// A session with the settings as `postback.*` options and every function registered.
///
/// # Errors
/// [`ErrorKind::Internal`] if DataFusion cannot be started.
pub fn session(settings: &Settings, resources: &Resources) -> Result<SessionContext> {
    let mut config = SessionConfig::new().with_information_schema(true).with_target_partitions(resources.partitions);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    // Spark and those after it write instants as INT96, counted in UTC.
    options.execution.parquet.coerce_int96 = Some("us".into());
    options.execution.parquet.coerce_int96_tz = Some("UTC".into());
    options.execution.parquet.binary_as_string = true;
    options.extensions.insert(settings.clone());
    let spill =
        DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![resources.spill_folder.clone()]));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(resources.memory_limit, 1.0)
        .with_disk_manager_builder(spill)
        .build_arc()
        .map_err(|error| Error::new(ErrorKind::Internal, "the query engine does not start").source(error))?;
    let mut context = SessionContext::new_with_config_rt(config, runtime);
    functions::register(&mut context, &Defaults { zone: settings.timezone(), region: settings.default_region() })
        .map_err(|error| Error::new(ErrorKind::Internal, "the functions cannot be registered").source(error))?;
    Ok(context)
}

/// Plans the query of `file` in `context`.
///
/// # Errors
/// [`ErrorKind::Sql`] for what does not plan, [`ErrorKind::Source`] for sources that cannot be read,
/// [`ErrorKind::Usage`] for engine settings and parameters.
pub async fn plan(context: SessionContext, file: &QueryFile, parameters: &Parameters) -> Result<Planned> {
    for assignment in &file.engine_settings {
        let set = context.state_ref().write().config_mut().options_mut().set(&assignment.name, &assignment.value);
        set.map_err(|error| {
            Error::new(ErrorKind::Usage, refusal::first_line(&error)).at(file.locate(assignment.span)).source(error)
        })?;
    }
    for definition in &file.definitions {
        define(&context, file, definition).await?;
    }
    let query = Statement::Statement(Box::new(ast::Statement::Query(file.query.clone())));
    let plan = plan_statement(&context, file, query).await?;
    let plan = insert_names(plan, file)?;
    Ok(Planned { context, plan: parameters.bind(plan, file)? })
}

/// Runs the query of `file` in `context` and returns its rows, without any judgement of the contract.
///
/// # Errors
/// As [`plan`], and as [`run_error`] while reading.
pub async fn collect(
    context: SessionContext,
    file: &QueryFile,
    parameters: &Parameters,
) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let planned = plan(context, file, parameters).await?;
    let frame = planned.context.execute_logical_plan(planned.plan).await.map_err(|error| file.plan_error(error))?;
    let schema = Arc::clone(frame.schema().inner());
    Ok((schema, frame.collect().await.map_err(run_error)?))
}

/// Judges the columns of `planned` and conforms it; the query is `None` where a diagnosis is an error.
///
/// # Errors
/// [`ErrorKind::Sql`] if DataFusion refuses the conformed plan, such as a sum over text.
pub fn check(planned: Planned, file: &QueryFile, settings: &Settings) -> Result<(Vec<Diagnosis>, Option<Checked>)> {
    let folds = settings.text("fold") == Some("contents");
    let given = Given {
        event_source: settings.event_source(),
        event_source_id: settings.text("event_source_id").is_some(),
        event: settings.text("event").is_some(),
        currency: settings.text("currency").is_some(),
        timezone: settings.timezone().is_some(),
        is_utc: matches!(settings.text("timezone"), Some("UTC" | "Etc/UTC" | "GMT" | "Etc/GMT")),
        extra_properties: settings.text("extra_columns") == Some("properties"),
        fold: folds,
    };
    let (roles, mut findings) = plan::judge(&lineage::columns(&planned.plan), given);
    findings.extend(lineage::volatile(&planned.plan).map(|name| plan::volatile(&name)));
    let diagnoses: Vec<Diagnosis> = findings
        .into_iter()
        .map(|finding| Diagnosis {
            severity: finding.severity,
            kind: ErrorKind::Contract,
            rule: finding.rule,
            location: file.locate(finding.column.and_then(|index| file.column_span(index)).unwrap_or(file.query_start)),
            message: finding.message,
            help: finding.help,
        })
        .collect();
    if diagnoses.iter().any(Diagnosis::is_error) {
        return Ok((diagnoses, None));
    }
    let has = |column: &str| roles.iter().any(|role| matches!(role, Role::Field(field) if field.column == column));
    let fold_value = fold_value(settings);
    let derives_value =
        has("price") && has("quantity") && (!has("value") || folds && fold_value == FoldValue::PriceQuantity);
    let plan =
        conform::conform(planned.plan, &roles, folds.then_some(fold_value)).map_err(|error| file.plan_error(error))?;
    Ok((diagnoses, Some(Checked { context: planned.context, plan, derives_value, folds })))
}

/// `postback.fold_value`.
#[must_use]
pub fn fold_value(settings: &Settings) -> FoldValue {
    match settings.text("fold_value") {
        Some("sum") => FoldValue::Sum,
        Some("same") => FoldValue::Same,
        _ => FoldValue::PriceQuantity,
    }
}

async fn define(context: &SessionContext, file: &QueryFile, definition: &Statement) -> Result<()> {
    if let Statement::CreateExternalTable(table) = definition
        && table.table_partition_cols.is_empty()
    {
        let planned = context.state().statement_to_plan(definition.clone()).await;
        let LogicalPlan::Ddl(DdlStatement::CreateExternalTable(planned)) =
            planned.map_err(|error| file.plan_error(error))?
        else {
            return Err(Error::new(ErrorKind::Internal, "a table definition was planned as something else"));
        };
        let declared = sources::Declared::new(&planned)?;
        let opened = sources::open(&context.state(), file.folder(), &table.locations, Some(&declared)).await?;
        return match context.register_table(planned.name.clone(), opened) {
            Ok(_) => Ok(()),
            Err(error) => Err(file.plan_error(error)),
        };
    }
    if let Statement::CreateExternalTable(table) = definition {
        sources::require(file.folder(), &table.locations)?;
    }
    let definition = match definition {
        Statement::CreateExternalTable(table) => Statement::CreateExternalTable(absolute(table, file)),
        other => other.clone(),
    };
    let plan = plan_statement(context, file, definition).await?;
    context.execute_logical_plan(plan).await.map_err(|error| file.plan_error(error))?;
    Ok(())
}

/// `table` with its locations made absolute, for DataFusion's own reading of partitions.
fn absolute(table: &CreateExternalTable, file: &QueryFile) -> CreateExternalTable {
    let locate = |location: &String| {
        let path = file.folder().join(location);
        let path = path.canonicalize().unwrap_or(path);
        if path.is_dir() { format!("{}/", path.display()) } else { path.display().to_string() }
    };
    let locations = table
        .locations
        .iter()
        .map(|location| if location.contains("://") { location.clone() } else { locate(location) });
    CreateExternalTable { locations: locations.collect(), ..table.clone() }
}

async fn plan_statement(context: &SessionContext, file: &QueryFile, statement: Statement) -> Result<LogicalPlan> {
    let (tables, _) = resolve_table_references(&statement, true).map_err(|error| file.plan_error(error))?;
    let quoted = quoted_as_text(&statement);
    let mut opened = HashSet::new();
    for table in tables {
        let TableReference::Bare { table: name } = &table else { continue };
        let is_known = context.table_exist(table.clone()).map_err(|error| file.plan_error(error))?;
        if !is_known
            && (quoted.contains(name.as_ref()) || sources::is_location(name))
            && opened.insert(name.to_string())
        {
            let source = sources::open(&context.state(), file.folder(), &[name.to_string()], None).await?;
            context.register_table(table.clone(), source).map_err(|error| file.plan_error(error))?;
        }
    }
    let is_query =
        matches!(&statement, Statement::Statement(inner) if matches!(inner.as_ref(), ast::Statement::Query(_)));
    let plan = context.state().statement_to_plan(statement).await.map_err(|error| file.plan_error(error))?;
    if is_query {
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan).map_err(|error| file.plan_error(error))?;
    }
    Ok(plan)
}

/// The tables that a query names in single quotes, as only locations are.
fn quoted_as_text(statement: &Statement) -> HashSet<String> {
    let mut quoted = HashSet::new();
    if let Statement::Statement(inner) = statement {
        let _: ControlFlow<()> = ast::visit_relations(inner.as_ref(), |relation| {
            if let [ast::ObjectNamePart::Identifier(name)] = relation.0.as_slice()
                && name.quote_style == Some('\'')
            {
                quoted.insert(name.value.clone());
            }
            ControlFlow::Continue(())
        });
    }
    quoted
}

/// The columns of the result under the names of `INSERT INTO postback.events (…)`, where it gives any.
fn insert_names(plan: LogicalPlan, file: &QueryFile) -> Result<LogicalPlan> {
    let Some(names) = file.insert.as_ref().filter(|names| !names.is_empty()) else { return Ok(plan) };
    let count = plan.schema().fields().len();
    if count != names.len() {
        let message = format!("INSERT names {} columns, but the SELECT returns {count}", names.len());
        return Err(Error::new(ErrorKind::Sql, message).at(file.locate(file.query_start)));
    }
    let columns = plan.schema().columns();
    let renamed = columns.into_iter().zip(names).map(|(column, name)| Expr::Column(column).alias(&name.value));
    let renamed = renamed.collect::<Vec<_>>();
    LogicalPlanBuilder::from(plan)
        .project(renamed)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| file.plan_error(error))
}
