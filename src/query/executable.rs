//! Whether a plan can be executed: it is optimized and planned physically, over tables without rows.
//!
//! SQL can be planned that no operator of the engine executes: sub-queries that read the query around them, operators
//! that only other databases know, types that do not meet. Nothing is read for the answer: every table of the plan gives
//! way to one of the same columns that is empty.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, TableScan};
use datafusion::sql::sqlparser::ast::{self, Query, Spanned, TableFactor, Visit, Visitor};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::places::{Tokens, begins_within};
use super::refusal::{self, Outer};
use super::{Parameters, QueryFile, draft, parts, plan_statement};
use crate::error::Error;

/// Parts of a query that are tried without, at most.
const MAX_PARTS: usize = 100;

/// Why `plan`, that of a query whose parameters are bound, cannot be executed, if so.
pub(super) async fn error(context: &SessionContext, plan: &LogicalPlan) -> Option<DataFusionError> {
    let state = context.state();
    let plan = match without_rows(plan.clone()) {
        Ok(plan) => plan,
        Err(error) => return Some(error),
    };
    // Constants are computed on the way, and a function may panic on one.
    let planned = tokio::spawn(async move {
        let optimized = state.optimize(&plan)?;
        if let Some(operator) = unknown_operator(&optimized) {
            return Err(DataFusionError::Plan(format!("the engine has no operator `{operator}`")));
        }
        state.query_planner().create_physical_plan(&optimized, &state).await.map(drop)
    });
    match planned.await {
        Ok(planned) => planned.err(),
        Err(_) => Some(DataFusionError::Plan("the engine crashes on a constant of the query".to_owned())),
    }
}

/// What is said of `error`, for which one of `queries` cannot be executed: with the place of the part without which it
/// could be.
pub(super) async fn told(
    context: &SessionContext,
    file: &QueryFile,
    parameters: &Parameters,
    queries: &[&Query],
    error: DataFusionError,
) -> Error {
    let mut found = None;
    for query in queries {
        if is_refused(context, file, parameters, query).await {
            found = culprit(context, file, parameters, query).await.map(|span| (*query, span));
            found = found.or_else(|| Some((*query, lateral(file, query)?)));
            break;
        }
    }
    let Some((query, span)) = found else { return refusal::execution_error(file, error, Outer::Other) };
    let (outer, wider) = match (lateral(file, query), sub_query(query, span)) {
        (Some(lateral), _) if begins_within(span, lateral) => (Outer::Lateral, Some(lateral)),
        (_, Some((wider, true))) => (Outer::Limited, Some(wider)),
        (_, Some((wider, false))) => (Outer::Other, Some(wider)),
        _ => (Outer::Other, None),
    };
    let is_outer = refusal::reads_outer(&error);
    let span = wider.filter(|_| is_outer).unwrap_or(span);
    refusal::execution_error(file, error, outer).at(file.locate(span))
}

/// The part of `query` without which it could be executed.
async fn culprit(context: &SessionContext, file: &QueryFile, parameters: &Parameters, query: &Query) -> Option<Span> {
    let all = parts::list(&mut query.clone(), &file.tokens);
    for (index, part) in all.iter().enumerate().take(MAX_PARTS) {
        let mut without = query.clone();
        parts::take_out(&mut without, &file.tokens, index);
        if !is_refused(context, file, parameters, &without).await {
            return Some(part.span);
        }
    }
    None
}

/// Whether `query` can be planned, and not executed.
async fn is_refused(context: &SessionContext, file: &QueryFile, parameters: &Parameters, query: &Query) -> bool {
    let mut statement = draft::as_statement(query.clone());
    let Ok(plan) = plan_statement(context, &mut statement).await else { return true };
    match parameters.bind(plan, file, super::zone_of(context).as_ref()) {
        Ok(plan) => self::error(context, &plan).await.is_some(),
        Err(_) => false,
    }
}

/// `plan` over tables of the same columns without rows.
fn without_rows(plan: LogicalPlan) -> Result<LogicalPlan> {
    let emptied = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::TableScan(scan) if !is_of_recursion(&scan) => {
            let source = provider_as_source(Arc::new(EmptyTable::new(scan.source.schema())));
            Ok(Transformed::yes(LogicalPlan::TableScan(TableScan { source, ..scan })))
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(emptied?.data)
}

/// Whether a table is the one that a recursive query reads its own rows from.
fn is_of_recursion(scan: &TableScan) -> bool {
    source_as_provider(&scan.source).is_ok_and(|provider| provider.downcast_ref::<CteWorkTable>().is_some())
}

/// An operator of `plan` that is known to the planner and to nothing behind it.
fn unknown_operator(plan: &LogicalPlan) -> Option<Operator> {
    use Operator::{
        Arrow, ArrowAt, AtArrow, AtAt, AtQuestion, Colon, HashArrow, HashLongArrow, HashMinus, IntegerDivide,
        LongArrow, Question, QuestionAnd, QuestionPipe,
    };
    let is_unknown = |operator: &Operator| {
        matches!(
            operator,
            ArrowAt
                | Arrow
                | AtArrow
                | AtAt
                | AtQuestion
                | Colon
                | HashArrow
                | HashLongArrow
                | HashMinus
                | IntegerDivide
                | LongArrow
                | Question
                | QuestionAnd
                | QuestionPipe
        )
    };
    let mut found = None;
    // The visitors cannot fail, since their closures do not.
    let _ = plan.apply_with_subqueries(|node| {
        for expression in node.expressions() {
            let _ = expression.apply(|part| {
                if let Expr::BinaryExpr(binary) = part {
                    found = found.or(Some(binary.op).filter(is_unknown));
                }
                Ok(TreeNodeRecursion::Continue)
            });
        }
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

/// The first table of `query` that reads the tables before it: LATERAL, or UNNEST in FROM.
fn lateral(file: &QueryFile, query: &Query) -> Option<Span> {
    let mut search = Lateral { tokens: &file.tokens, found: None };
    let _: ControlFlow<()> = query.visit(&mut search);
    search.found
}

struct Lateral<'a> {
    tokens: &'a Tokens,
    found: Option<Span>,
}

impl Visitor for Lateral<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        let span = match table {
            TableFactor::Derived { lateral: true, subquery, .. } => Some(subquery.span()),
            TableFactor::UNNEST { array_exprs, .. } => array_exprs.first().map(|list| match list {
                ast::Expr::Function(call) => self.tokens.call(call.name.span()),
                other => other.span(),
            }),
            TableFactor::Function { lateral: true, name, .. } => Some(self.tokens.call(name.span())),
            _ => None,
        };
        self.found = self.found.or(span);
        if self.found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The innermost sub-query of `query` around `span`, and whether it has a LIMIT.
fn sub_query(query: &Query, span: Span) -> Option<(Span, bool)> {
    let mut found: Option<(Span, bool)> = None;
    let _: ControlFlow<()> = ast::visit_expressions(query, |expression| {
        if let ast::Expr::Subquery(inner)
        | ast::Expr::Exists { subquery: inner, .. }
        | ast::Expr::InSubquery { subquery: inner, .. } = expression
            && (begins_within(span, inner.span()) || begins_within(inner.span(), span))
            && found.is_none_or(|(outer, _)| outer.start < inner.span().start)
        {
            found = Some((inner.span(), inner.limit_clause.is_some() || inner.fetch.is_some()));
        }
        ControlFlow::Continue(())
    });
    found
}
