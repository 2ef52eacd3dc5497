//! Where the columns of a plan come from, as far as it is one expression: through names, views, joins and sub-queries.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Volatility};

use crate::contract::time;
use crate::validate::plan::Column;

/// The columns of `plan`, with what their expressions tell.
pub(super) fn columns(plan: &LogicalPlan) -> Vec<Column> {
    let column = |(index, field): (usize, &FieldRef)| {
        let origin = origin(plan, index);
        let drops_zone = origin.as_ref().is_some_and(|(expression, schema)| drops_zone(expression, schema));
        let literal = match origin.as_ref() {
            Some((
                Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text), _),
                _,
            )) => text.clone(),
            _ => None,
        };
        let unstable = origin.and_then(|(expression, _)| function(&expression, Volatility::Stable));
        Column { name: field.name().clone(), data_type: field.data_type().clone(), literal, unstable, drops_zone }
    };
    plan.schema().fields().iter().enumerate().map(column).collect()
}

/// The expression that yields a column of `plan`, behind names and views, where it is one expression, and the
/// schema that the expression reads.
fn origin(plan: &LogicalPlan, index: usize) -> Option<(Expr, DFSchemaRef)> {
    match plan {
        LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            origin(plan.inputs().first()?, index)
        }
        LogicalPlan::Projection(projection) => match projection.expr.get(index)?.clone().unalias_nested().data {
            Expr::Column(column) => {
                origin(&projection.input, projection.input.schema().maybe_index_of_column(&column)?)
            }
            other => Some((other, Arc::clone(projection.input.schema()))),
        },
        LogicalPlan::Join(join) => match index.checked_sub(join.left.schema().fields().len()) {
            None => origin(&join.left, index),
            Some(index) => origin(&join.right, index),
        },
        _ => None,
    }
}

/// The name of a function in `expression` that is at least as unstable as `volatility`.
fn function(expression: &Expr, volatility: Volatility) -> Option<String> {
    let mut found = None;
    // The visitor cannot fail, since its closure does not.
    let _ = expression.apply(|part| {
        if let Expr::ScalarFunction(call) = part
            && call.func.signature().volatility >= volatility
        {
            found = Some(call.func.name().to_owned());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// The name of a function anywhere in `plan` that gives another value each time it is asked.
pub(super) fn volatile(plan: &LogicalPlan) -> Option<String> {
    let mut found = None;
    let _ = plan.apply_with_subqueries(|node| {
        found = found
            .take()
            .or_else(|| node.expressions().iter().find_map(|expression| function(expression, Volatility::Volatile)));
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

/// Whether `expression` takes an instant's zone away, so that its wall clock in UTC would be read as local time.
fn drops_zone(expression: &Expr, schema: &DFSchema) -> bool {
    let is_naive = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, None));
    expression
        .exists(|part| {
            let (inner, target) = match part {
                // They give UTC and do not say so; with a format they give the clock that the text shows.
                Expr::ScalarFunction(call) if call.args.len() == 1 => {
                    return Ok(call.func.name().starts_with("to_timestamp") || call.func.name() == "from_unixtime");
                }
                Expr::Cast(cast) => (&cast.expr, cast.field.data_type()),
                Expr::TryCast(cast) => (&cast.expr, cast.field.data_type()),
                _ => return Ok(false),
            };
            let has_zone = match inner.as_ref() {
                Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => {
                    text.contains(':') && time::instant(text, None).is_ok()
                }
                other => matches!(other.get_type(schema), Ok(DataType::Timestamp(_, Some(_)))),
            };
            Ok(is_naive(target) && has_zone)
        })
        .unwrap_or(false)
}
