//! Days that meet instants: the engine would compare both as clocks in UTC.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

use super::readable;
use crate::contract::temporal::Class;
use crate::functions::zones::UTC;

/// Casts days that are compared with instants to instants.
#[derive(Debug)]
pub(super) struct Days;

impl AnalyzerRule for Days {
    fn name(&self) -> &'static str {
        "days_that_meet_instants"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        rewritten(plan)
    }
}

/// `plan` with such casts.
pub(super) fn rewritten(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let schema = readable(&node)?;
        let names = NamePreserver::new(&node);
        node.map_expressions(|expression| {
            let name = names.save(&expression);
            let rewritten = expression.transform_up(|part| Ok(compared(part, &schema)))?;
            Ok(rewritten.update_data(|expression| name.restore(expression)))
        })
    })?;
    Ok(rewritten.data)
}

/// A comparison or a difference with the days of it as instants, if it has an instant too.
fn compared(part: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let class = |part: &Expr| part.get_type(schema).map_or(Class::Other, |data_type| Class::of(&data_type));
    let mixes = |parts: &[&Expr]| {
        let classes: Vec<Class> = parts.iter().map(|part| class(part)).collect();
        classes.contains(&Class::Instant) && classes.contains(&Class::Day)
    };
    let instant = |part: Box<Expr>| match class(&part) {
        Class::Day => {
            Box::new(Expr::Cast(Cast::new(part, DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())))))
        }
        _ => part,
    };
    match part {
        Expr::BinaryExpr(binary) if is_comparison(binary.op) && mixes(&[&binary.left, &binary.right]) => {
            let BinaryExpr { left, op, right } = binary;
            Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(instant(left), op, instant(right))))
        }
        Expr::Between(mut between) if mixes(&[&between.expr, &between.low, &between.high]) => {
            between.expr = instant(between.expr);
            between.low = instant(between.low);
            between.high = instant(between.high);
            Transformed::yes(Expr::Between(between))
        }
        Expr::InList(mut list) if mixes(&std::iter::once(&*list.expr).chain(&list.list).collect::<Vec<_>>()) => {
            list.expr = instant(list.expr);
            list.list = list.list.into_iter().map(|item| *instant(Box::new(item))).collect();
            Transformed::yes(Expr::InList(list))
        }
        other => Transformed::no(other),
    }
}

fn is_comparison(operator: Operator) -> bool {
    operator == Operator::Minus || operator.supports_propagation()
}
