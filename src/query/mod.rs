//! From a query file to a checked, conformed plan: DataFusion plans, the contract judges, nothing is sent.
//!
//! [`examine`] resolves sources, registers what the file defines, binds parameters, judges the columns and conforms the
//! plan: it finds every problem at once, each with its place in the file. A plan that has not been examined cannot be
//! run, because only [`examine`] makes a [`Checked`]. [`collect`] runs a query that sends nothing.
//! Files are read for their schema here and for their rows only when the checked plan is executed.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::common::{DataFusionError, TableReference};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{DdlStatement, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::{CreateExternalTable, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast;

pub use self::conform::Narrowing;
pub use self::diagnosis::Diagnosis;
pub use self::examination::{Examination, examine, examine_path, of_sources};
use self::file::Assignment;
pub use self::file::QueryFile;
pub use self::numbers::RowNumbers;
pub use self::parameters::Parameters;
pub use self::refusal::{masked, run_error};
use crate::contract::time::TimeZone;
use crate::error::{Error, ErrorKind, Result};
use crate::functions::zones::Zone;
use crate::functions::{self, Defaults, Rounding};
use crate::settings::{Origin, SETTINGS, Settings, nearest};
use crate::sources::{self, Sources};
use crate::validate::plan::Role;
use crate::validate::{FoldValue, InvalidPhone};

mod conform;
mod cuts;
mod diagnosis;
mod draft;
mod exact;
mod examination;
mod executable;
mod file;
mod fold;
mod form;
mod grain;
mod identifiers;
mod instants;
mod limits;
mod lineage;
mod losses;
mod marks;
mod meanings;
mod numbers;
mod origins;
mod parameters;
mod parts;
mod phrases;
mod places;
mod policy;
mod raw;
mod refusal;
mod secrets;
mod times;
mod words;

/// What the engine calls the zone of a session without `postback.timezone`.
const NO_ZONE: &str = "+00:00";
/// The engine's setting that `postback.timezone` stands in for.
const ENGINE_ZONE: &str = "datafusion.execution.time_zone";

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
struct Planned {
    context: SessionContext,
    plan: LogicalPlan,
}

/// A query whose columns the contract allows, conformed to it.
pub struct Checked {
    context: SessionContext,
    plan: LogicalPlan,
    derives_value: bool,
    numbers: RowNumbers,
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

    /// The sources that it reads.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for a session that was made without.
    pub fn sources(&self) -> Result<Arc<Sources>> {
        Sources::of(&self.context.state())
    }

    /// The decimal types that values of the sources were rounded to since the last call, with the number of values.
    #[must_use]
    pub fn rounded(&self) -> BTreeMap<String, u64> {
        let rounding = self.context.state().config().get_extension::<Rounding>();
        rounding.map(|rounding| rounding.take()).unwrap_or_default()
    }

    /// Whether rows have numbers that say which they are.
    #[must_use]
    pub fn numbers(&self) -> &RowNumbers {
        &self.numbers
    }

    /// Whether the value of an event is computed as price × quantity.
    #[must_use]
    pub fn derives_value(&self) -> bool {
        self.derives_value
    }
}

/// Why a statement does not plan.
enum Problem {
    /// The planner refuses it.
    Planner(Box<DataFusionError>),
    /// A table that it reads is no usable source.
    Source { table: String, error: Box<Error> },
    /// We refuse it.
    Ours(Box<Error>),
    /// We refuse several options of a table.
    Options(Vec<Error>),
}

impl Problem {
    fn into_error(self, file: &QueryFile) -> Error {
        match self {
            Self::Planner(error) => file.plan_error(*error),
            Self::Source { error, .. } | Self::Ours(error) => *error,
            Self::Options(errors) => errors
                .into_iter()
                .next()
                .unwrap_or_else(|| Error::new(ErrorKind::Internal, "a table is refused for none of its options")),
        }
    }
}

impl From<DataFusionError> for Problem {
    fn from(error: DataFusionError) -> Self {
        Self::Planner(Box::new(error))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Ours(Box::new(error))
    }
}

/// Takes every `SET postback.*` of the file that can be used into `settings`.
///
/// # Errors
/// The first one that cannot, as [`Settings::set`], with its place in the file; [`examine`] tells all of them.
pub fn apply_settings(file: &QueryFile, settings: &mut Settings) -> Result<()> {
    let refused = setting_errors(file, settings);
    if let Some(fault) = file.faults.iter().find(|fault| fault.rule.code == "PB2015") {
        return Err(Error::new(ErrorKind::Usage, fault.message.clone())
            .hint(fault.help.clone())
            .at(fault.location.clone()));
    }
    refused.into_iter().find_map(|(_, error)| error).map_or(Ok(()), Err)
}

/// Takes every `SET postback.*` that can be used into `settings`; gives the names of the others, each with its error but
/// for secrets, which the file is already at fault for.
fn setting_errors(file: &QueryFile, settings: &mut Settings) -> Vec<(String, Option<Error>)> {
    let mut refused = Vec::new();
    for assignment in &file.settings {
        if let Err(error) = settings.set(&assignment.name, &assignment.value, Origin::Set) {
            let is_known = SETTINGS.iter().any(|setting| setting.name == assignment.name);
            let error = error.at(file.locate(if is_known { assignment.span } else { assignment.name_span }));
            refused.push((assignment.name.clone(), (!file.is_secret(assignment.span)).then_some(error)));
        }
    }
    refused
}

/// Takes every `SET datafusion.*` that can be used into `context`; gives the errors of the others.
fn engine_errors(file: &QueryFile, context: &SessionContext) -> Vec<Error> {
    let mut refused = Vec::new();
    for assignment in &file.engine_settings {
        if assignment.name.eq_ignore_ascii_case(ENGINE_ZONE) {
            let error = Error::new(ErrorKind::Usage, format!("{ENGINE_ZONE} follows from postback.timezone"));
            let error = error.hint("SET postback.timezone = 'Area/City'");
            refused.push(error.at(file.locate(assignment.name_span)));
            continue;
        }
        let set = context.state_ref().write().config_mut().options_mut().set(&assignment.name, &assignment.value);
        let Err(error) = set else { continue };
        let state = context.state_ref();
        let names: Vec<String> = state.read().config_options().entries().into_iter().map(|entry| entry.key).collect();
        let Assignment { name, value, span, name_span } = assignment;
        refused.push(if names.contains(name) {
            Error::new(ErrorKind::Usage, format!("`{value}` is no value for {name}"))
                .at(file.locate(*span))
                .source(error)
        } else {
            let refused = Error::new(ErrorKind::Usage, format!("unknown setting `{name}`"));
            let refused = match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => refused.hint(format!("did you mean {near}?")),
                None => refused.hint("SELECT name FROM information_schema.df_settings lists those of the engine"),
            };
            refused.at(file.locate(*name_span)).source(error)
        });
    }
    refused
}

/// A session with the settings as `postback.*` options, every function registered, and sources that start from `folder`.
///
/// # Errors
/// [`ErrorKind::Internal`] if DataFusion cannot be started.
pub fn session(settings: &Settings, resources: &Resources, folder: &Path) -> Result<SessionContext> {
    let mut config = SessionConfig::new().with_information_schema(true).with_target_partitions(resources.partitions);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    // Spark and those after it write instants as INT96, counted in UTC.
    options.execution.parquet.coerce_int96 = Some("us".into());
    options.execution.parquet.coerce_int96_tz = Some("UTC".into());
    // Which part of a plan reads which file is the same in every run.
    options.execution.enable_file_stream_work_stealing = false;
    options.extensions.insert(settings.clone());
    let zone = settings.timezone().map(Zone::new);
    // The zone of today and of TIMESTAMPTZ; a name without one tells that none is set.
    options.execution.time_zone = Some(zone.as_ref().map_or(NO_ZONE, |zone| zone.name().as_ref()).to_owned());
    let sources =
        Sources::new(sources::Options { spool: resources.spill_folder.clone(), ..source_options(settings, folder) });
    let rounding = Arc::new(Rounding::default());
    let config = config.with_extension(Arc::new(sources)).with_extension(Arc::clone(&rounding));
    let spill = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![resources.spill_folder.clone()]))
        .with_max_temp_directory_size(settings.bytes("spill_limit").unwrap_or(u64::MAX));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(resources.memory_limit, 1.0)
        .with_disk_manager_builder(spill)
        .build_arc()
        .map_err(|error| Error::new(ErrorKind::Internal, "the query engine does not start").source(error))?;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_analyzer_rules(times::rules(zone.as_ref()))
        .build();
    let mut context = SessionContext::new_with_state(state);
    context.add_analyzer_rule(Arc::new(exact::ExactNumbers { rounding }));
    // Warehouses export semi-structured columns as JSON text: `payload ->> 'email'`.
    datafusion_functions_json::register_all(&mut context)
        .and_then(|()| {
            let defaults = Defaults { zone: settings.timezone(), region: settings.default_region() };
            functions::register(&mut context, &defaults)
        })
        .map_err(|error| Error::new(ErrorKind::Internal, "the functions cannot be registered").source(error))?;
    Ok(context)
}

/// What `settings` say of sources, which start from `folder`.
#[must_use]
pub fn source_options(settings: &Settings, folder: &Path) -> sources::Options {
    let is_set = |name| settings.text(name) == Some("true");
    sources::Options {
        folder: folder.to_owned(),
        spool: std::env::temp_dir(),
        skip_bad_files: is_set("skip_bad_files"),
        plain_lake_files: is_set("plain_lake_files"),
        stores: sources::Stores::of(settings),
    }
}

/// Plans the query of `file` in `context`.
///
/// # Errors
/// [`ErrorKind::Sql`] for what does not plan, [`ErrorKind::Source`] for sources that cannot be read,
/// [`ErrorKind::Usage`] for engine settings and parameters.
async fn plan(context: SessionContext, file: &QueryFile, parameters: &Parameters) -> Result<Planned> {
    let query = file.query()?;
    if let Some(error) = engine_errors(file, &context).into_iter().next() {
        return Err(error);
    }
    Sources::of(&context.state())?.keep_bytes(raw::columns(queries(file)));
    for definition in &file.definitions {
        define(&context, definition).await.map_err(|problem| problem.into_error(file))?;
    }
    let mut query = draft::as_statement(query.clone());
    let plan = plan_statement(&context, &mut query).await.map_err(|problem| problem.into_error(file))?;
    let plan = insert_names(plan, file)?;
    let first = |errors: Vec<Error>| {
        errors.into_iter().next().unwrap_or_else(|| Error::new(ErrorKind::Internal, "the parameters cannot be bound"))
    };
    let plan = parameters.bind(plan, file, zone_of(&context).as_ref()).map_err(first)?;
    let plan = times::settled(&context.state(), plan).map_err(|error| file.plan_error(error))?;
    Ok(Planned { context, plan })
}

/// `postback.timezone` of a session.
fn zone_of(context: &SessionContext) -> Option<TimeZone> {
    let state = context.state();
    state.config_options().extensions.get::<Settings>().and_then(Settings::timezone)
}

/// The query and those of the views.
fn queries(file: &QueryFile) -> Vec<&ast::Query> {
    let views = file.definitions.iter().filter_map(|definition| match definition {
        Statement::Statement(inner) => match inner.as_ref() {
            ast::Statement::CreateView(view) => Some(view.query.as_ref()),
            _ => None,
        },
        _ => None,
    });
    views.chain(file.query.as_deref()).collect()
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
    if let Some(error) = executable::error(&planned.context, &planned.plan).await {
        let queries: Vec<&ast::Query> = file.query.iter().map(AsRef::as_ref).collect();
        return Err(executable::told(&planned.context, file, parameters, &queries, error).await);
    }
    let frame = planned.context.execute_logical_plan(planned.plan).await.map_err(|error| file.plan_error(error))?;
    let schema = Arc::clone(frame.schema().inner());
    Ok((schema, frame.collect().await.map_err(run_error)?))
}

/// `planned`, whose columns have the `roles`, in the shape of the contract.
fn conformed(planned: Planned, roles: &[Role], settings: &Settings) -> Result<Checked, DataFusionError> {
    let folds = settings.text("fold") == Some("contents");
    let has = |column: &str| roles.iter().any(|role| matches!(role, Role::Field(field) if field.column == column));
    let fold_value = fold_value(settings);
    let derives_value =
        has("price") && has("quantity") && (!has("value") || folds && fold_value == FoldValue::PriceQuantity);
    let plan = conform::conform(planned.plan, roles, folds.then(|| fold::Folding::of(settings)).as_ref())?;
    let plan = times::settled(&planned.context.state(), plan)?;
    Ok(Checked { context: planned.context, plan, derives_value, numbers: RowNumbers::new(folds) })
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

/// `postback.invalid_phone`.
#[must_use]
pub fn invalid_phone(settings: &Settings) -> InvalidPhone {
    match settings.text("invalid_phone") {
        Some("drop") => InvalidPhone::Drop,
        Some("reject") => InvalidPhone::Reject,
        _ => InvalidPhone::Send,
    }
}

async fn define(context: &SessionContext, definition: &Statement) -> Result<(), Problem> {
    if let Statement::CreateExternalTable(table) = definition {
        return define_table(context, table).await;
    }
    let plan = plan_statement(context, &mut definition.clone()).await?;
    create_view(context, plan).await?;
    Ok(())
}

/// Makes the catalog and the schema in which a table or view has the name `name`: `prod.shop.orders`.
fn make_room(context: &SessionContext, name: &TableReference) -> Result<(), DataFusionError> {
    let state = context.state();
    let defaults = &state.config_options().catalog;
    let name = name.clone().resolve(&defaults.default_catalog, &defaults.default_schema);
    let catalog = context.catalog(&name.catalog).unwrap_or_else(|| {
        let catalog: Arc<dyn CatalogProvider> = Arc::new(MemoryCatalogProvider::new());
        context.register_catalog(name.catalog.to_string(), Arc::clone(&catalog));
        catalog
    });
    if catalog.schema(&name.schema).is_none() {
        catalog.register_schema(&name.schema, Arc::new(MemorySchemaProvider::new()))?;
    }
    Ok(())
}

/// Registers the view that `plan` creates.
async fn create_view(context: &SessionContext, plan: LogicalPlan) -> Result<(), DataFusionError> {
    if let LogicalPlan::Ddl(DdlStatement::CreateView(view)) = &plan {
        make_room(context, &view.name)?;
    }
    context.execute_logical_plan(plan).await.map(drop)
}

async fn define_table(context: &SessionContext, table: &CreateExternalTable) -> Result<(), Problem> {
    // The planner knows fewer ways of compression than the readers.
    let is_compression = |name: &str| name.trim_start_matches("format.").eq_ignore_ascii_case("compression");
    let (compression, options) = table.options.iter().cloned().partition(|(name, _)| is_compression(name));
    let statement = Statement::CreateExternalTable(CreateExternalTable { options, ..table.clone() });
    let planned = context.state().statement_to_plan(statement).await?;
    let LogicalPlan::Ddl(DdlStatement::CreateExternalTable(mut planned)) = planned else {
        return Err(Error::new(ErrorKind::Internal, "a table definition was planned as something else").into());
    };
    let compression: Vec<(String, ast::Value)> = compression;
    planned
        .options
        .extend(compression.into_iter().map(|(name, value)| (name, value.into_string().unwrap_or_default())));
    let declared = sources::Declared::new(&planned, &zoned(table)).map_err(Problem::Options)?;
    let state = context.state();
    let opened = Sources::of(&state)?.open(&state, &table.locations, Some(&declared)).await?;
    make_room(context, &planned.name)?;
    context.register_table(planned.name.clone(), opened)?;
    Ok(())
}

/// The columns that `table` declares as instants, a type that the planner takes for that of zoneless times.
fn zoned(table: &CreateExternalTable) -> HashSet<String> {
    let is_zoned = |column: &&ast::ColumnDef| {
        use ast::TimezoneInfo::{Tz, WithTimeZone};
        matches!(column.data_type, ast::DataType::Timestamp(_, WithTimeZone | Tz))
    };
    let name = |column: &ast::ColumnDef| match column.name.quote_style {
        Some(_) => column.name.value.clone(),
        None => column.name.value.to_lowercase(),
    };
    table.columns.iter().filter(is_zoned).map(name).collect()
}

/// Plans `statement`, in which names of columns are brought to the spelling under which the planner knows them.
async fn plan_statement(context: &SessionContext, statement: &mut Statement) -> Result<LogicalPlan, Problem> {
    times::name_zones(statement);
    let columns = open_tables(context, statement).await?;
    let is_query =
        matches!(statement, Statement::Statement(inner) if matches!(inner.as_ref(), ast::Statement::Query(_)));
    let state = context.state();
    let mut planned = state.statement_to_plan(statement.clone()).await;
    for _ in 0..identifiers::MAX_NAMES {
        match &planned {
            Err(error) if identifiers::respell(statement, error, &columns) => {
                planned = state.statement_to_plan(statement.clone()).await;
            }
            _ => break,
        }
    }
    let plan = times::prepared(planned?)?;
    times::verify(&state, &plan)?;
    if is_query {
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan)?;
    }
    Ok(plan)
}

/// Opens the sources that `statement` reads; gives the names of the columns of all its tables.
async fn open_tables(context: &SessionContext, statement: &Statement) -> Result<Vec<String>, Problem> {
    let (tables, _) = resolve_table_references(statement, true)?;
    let quoted = quoted_as_text(statement);
    let mut opened = HashSet::new();
    let mut columns = Vec::new();
    for table in tables {
        if let TableReference::Bare { table: name } = &table
            && !context.table_exist(table.clone())?
            && (quoted.contains(name.as_ref()) || sources::is_location(name))
            && opened.insert(name.to_string())
        {
            let state = context.state();
            let source = Sources::of(&state)?.open(&state, &[name.to_string()], None).await;
            let source = source.map_err(|error| Problem::Source { table: name.to_string(), error: Box::new(error) })?;
            context.register_table(table.clone(), source)?;
        }
        // What a WITH defines is no table of the session, and one that is missing is for the planner to tell.
        let Ok(table) = context.table_provider(table).await else { continue };
        columns.extend(table.schema().fields().iter().map(|field| field.name().clone()));
    }
    Ok(columns)
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
