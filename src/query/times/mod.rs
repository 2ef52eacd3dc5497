//! Times without a zone in a plan: each is a clock in `postback.timezone`, and no other reading of one is left.
//!
//! DataFusion reads a clock as UTC wherever it meets an instant: in UNION, CASE, `coalesce`, joins, comparisons, casts and
//! functions. The rules here hold by data type, for every expression of every plan that runs:
//!
//! | from | to | becomes |
//! |---|---|---|
//! | clock, day | instant | the instant at which clocks in `postback.timezone` show it; refused where none is set |
//! | text | instant | as `iso8601(text)` reads it; other text is an error, or NULL for `TRY_CAST` |
//! | text | clock, day | as it stands; with an offset the clock of `postback.timezone` then, if that can be read back |
//! | instant | clock | refused: the clock comes twice where clocks are put back |
//! | instant | day | its day in `postback.timezone` |
//! | clock | number | the number of the instant |
//! | day ± hours | day | refused: the engine drops the hours |
//! | number | clock | refused: [`Epoch`](crate::functions::zones::Epoch) functions make instants of numbers |
//!
//! [`Days`] runs before the engine's own coercion, which would make clocks of instants that meet days; [`Border`] runs
//! behind it, when every coercion has become a cast. `x AT TIME ZONE 'zone'` names a zone itself: [`name_zones`] makes a
//! call of it before the statement is planned, so that no cast stands for it. Types of columns do not change: what the
//! rules put in has the type of what it replaces.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::diagnostic::Diagnostic;
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    TimezoneInfo, Value,
};

use self::border::Border;
use self::days::Days;
use crate::contract::time;
use crate::error::{Error, ErrorKind};
use crate::functions::zones::{AtTimeZone, Zone};

mod border;
mod calls;
mod days;
mod refused;
mod spans;

/// What is said of days where no zone is set.
pub(super) const OF_DAY: &str = "differs from zone to zone";

/// The rules of a session whose `postback.timezone` is `zone`, with those of the engine between them.
pub(super) fn rules(zone: Option<&Zone>) -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    vec![
        Arc::new(Days),
        Arc::new(ResolveGroupingFunction::new()),
        Arc::new(TypeCoercion::new()),
        Arc::new(Border::new(zone.cloned())),
    ]
}

/// `plan` with every time in it read, and each column of the type that it has when the plan runs.
///
/// # Errors
/// The errors of the analyzer rules, the engine's and ours.
pub(super) fn settled(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan> {
    state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})
}

/// What the rules refuse of `plan`. Whatever else does not plan is for others to tell.
///
/// # Errors
/// The first time in it that meets an instant and has no reading.
pub(super) fn verify(state: &SessionState, plan: &LogicalPlan) -> Result<()> {
    match settled(state, plan.clone()) {
        Err(error) if Error::beneath(&error).is_some_and(|error| error.rule_code().is_some()) => Err(error),
        _ => Ok(()),
    }
}

/// `plan` with days that meet instants as the clocks that they are, before anyone coerces them otherwise.
///
/// # Errors
/// The errors of a plan that does not hold together.
pub(super) fn prepared(plan: LogicalPlan) -> Result<LogicalPlan> {
    days::rewritten(plan)
}

/// Makes calls of `x AT TIME ZONE 'zone'`, and instants of literals with an offset: `TIMESTAMP '2026-11-14T10:00:00Z'`.
pub(super) fn name_zones(statement: &mut Statement) {
    let Statement::Statement(inner) = statement else { return };
    let _: ControlFlow<()> = ast::visit_expressions_mut(inner.as_mut(), |expression| {
        if let ast::Expr::TypedString(literal) = expression
            && let ast::DataType::Timestamp(_, zone @ TimezoneInfo::None) = &mut literal.data_type
            && let Value::SingleQuotedString(text) = &literal.value.value
            && time::instant(text, None).is_ok()
        {
            *zone = TimezoneInfo::WithTimeZone;
        }
        if let ast::Expr::AtTimeZone { timestamp, time_zone } = expression {
            let take = |part: &mut Box<ast::Expr>| std::mem::replace(&mut **part, ast::Expr::value(Value::Null));
            let arguments = [take(timestamp), take(time_zone)];
            let argument = |part| FunctionArg::Unnamed(FunctionArgExpr::Expr(part));
            *expression = ast::Expr::Function(Function {
                name: ObjectName::from(vec![Ident::new(AtTimeZone::NAME)]),
                uses_odbc_syntax: false,
                parameters: FunctionArguments::None,
                args: FunctionArguments::List(FunctionArgumentList {
                    duplicate_treatment: None,
                    args: arguments.into_iter().map(argument).collect(),
                    clauses: Vec::new(),
                }),
                filter: None,
                null_treatment: None,
                over: None,
                within_group: Vec::new(),
            });
        }
        ControlFlow::Continue(())
    });
}

/// What the expressions of a node can read.
fn readable(plan: &LogicalPlan) -> Result<DFSchema> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = plan {
        let columns = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
        schema.merge(&columns);
    }
    Ok(schema)
}

/// A refusal, at the place of the first column of `expression`.
fn refusal(code: &'static str, message: String, help: &str, expression: Option<&Expr>) -> DataFusionError {
    let error = Error::new(ErrorKind::Contract, message.clone()).hint(help).code(code);
    let error = DataFusionError::External(Box::new(error));
    match expression.and_then(refused::place) {
        Some(span) => error.with_diagnostic(Diagnostic::new_error(message, Some(span))),
        None => error,
    }
}
