//! Whole numbers that do not fit fail the query, and digits that a cast rounds away are noted, where the engine would go on
//! in silence.
//!
//! The engine's `+`, `-`, `*` and `sum` over whole numbers wrap: 2,147,483,647 + 1 is -2,147,483,648. An analyzer rule
//! puts checked arithmetic in their place, and sums as decimals, which have room for any sum. Casts of texts and columns to decimals of fewer digits give way to
//! casts that take note, and casts of whole numbers to floats to casts that fail where digits would change. Types and names
//! stay.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, LogicalPlan, Operator, Projection, ScalarUDF, Window, WindowFunctionDefinition,
    cast, try_cast,
};
use datafusion::optimizer::AnalyzerRule;

use crate::functions::{Arithmetic, DecimalCast, FloatCast, Rounding};

/// What whole numbers are summed in.
const SUMMED: DataType = DataType::Decimal128(20, 0);

/// Aggregate functions that give one of the values they are given, or something that has each of them.
const KEEPING: [&str; 8] = ["min", "max", "first_value", "last_value", "nth_value", "array_agg", "string_agg", "sum"];

/// The rule, which comes behind those that bring both sides of an operator to one type.
#[derive(Debug)]
pub(super) struct ExactNumbers {
    /// Where casts take note of what they round.
    pub(super) rounding: Arc<Rounding>,
}

impl AnalyzerRule for ExactNumbers {
    fn name(&self) -> &'static str {
        "exact_numbers"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let checked = plan.transform_up_with_subqueries(|node| {
            let node = self.checked(node)?;
            node.transform_data(summed)
        });
        Ok(checked?.data)
    }
}

impl ExactNumbers {
    /// `node` with checked arithmetic, and with casts that take note where its columns are made.
    fn checked(&self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        let makes_columns =
            matches!(node, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_));
        node.map_expressions(|expression| {
            let name = names.save(&expression);
            let checked = expression.transform_up(|part| match part {
                Expr::Cast(_) | Expr::TryCast(_) => {
                    let part = float(part, &schema);
                    Ok(if makes_columns && !part.transformed { self.cast(part.data, &schema) } else { part })
                }
                part => Ok(roughly(part).transform_data(|part| Ok(arithmetic(part, &schema)))?),
            })?;
            Ok(checked.update_data(|expression| name.restore(expression)))
        })
    }

    /// A cast that takes note of what it rounds. Rounding what was calculated is what such a cast is for.
    fn cast(&self, expression: Expr, schema: &DFSchema) -> Transformed<Expr> {
        let (inner, target, is_lenient) = match &expression {
            Expr::Cast(cast) => (&cast.expr, cast.field.data_type(), false),
            Expr::TryCast(cast) => (&cast.expr, cast.field.data_type(), true),
            _ => return Transformed::no(expression),
        };
        let given = inner.get_type(schema).ok().filter(|given| match inner.as_ref() {
            Expr::Literal(..) => false,
            Expr::Column(_) => true,
            _ => given.is_string(),
        });
        let function = given.and_then(|given| DecimalCast::of(&given, target, is_lenient, &self.rounding));
        let Some(function) = function else { return Transformed::no(expression) };
        let function = Arc::new(ScalarUDF::new_from_impl(function));
        let arguments = vec![inner.as_ref().clone()];
        Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments)))
    }
}

/// A cast of a whole number to a float that fails where digits would change.
fn float(expression: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let (inner, target, is_lenient) = match &expression {
        Expr::Cast(cast) => (&cast.expr, cast.field.data_type(), false),
        Expr::TryCast(cast) => (&cast.expr, cast.field.data_type(), true),
        _ => return Transformed::no(expression),
    };
    let given = inner.get_type(schema).ok();
    let Some(function) = given.and_then(|given| FloatCast::of(&given, target, is_lenient)) else {
        return Transformed::no(expression);
    };
    let function = Arc::new(ScalarUDF::new_from_impl(function));
    let arguments = vec![inner.as_ref().clone()];
    Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments)))
}

/// `expression` with the engine's own casts to floats, if no last digit counts there: which of two numbers is greater, a
/// quotient such as nanoseconds / 1e9, an average.
fn roughly(expression: Expr) -> Transformed<Expr> {
    use Operator::{Divide, Gt, GtEq, Lt, LtEq};
    let rough = |side: &mut Expr, is_changed: &mut bool| {
        let Expr::ScalarFunction(call) = &*side else { return };
        let Some(checked) = call.func.inner().downcast_ref::<FloatCast>() else { return };
        let [inner] = call.args.as_slice() else { return };
        *side = if checked.is_lenient() {
            try_cast(inner.clone(), checked.target().clone())
        } else {
            cast(inner.clone(), checked.target().clone())
        };
        *is_changed = true;
    };
    let mut expression = expression;
    let mut is_changed = false;
    match &mut expression {
        Expr::BinaryExpr(binary) if matches!(binary.op, Divide | Gt | GtEq | Lt | LtEq) => {
            rough(&mut binary.left, &mut is_changed);
            rough(&mut binary.right, &mut is_changed);
        }
        Expr::Between(between) => {
            for side in [&mut between.expr, &mut between.low, &mut between.high] {
                rough(side, &mut is_changed);
            }
        }
        Expr::AggregateFunction(call) if !KEEPING.contains(&call.func.name()) => {
            call.params.args.iter_mut().for_each(|side| rough(side, &mut is_changed));
        }
        Expr::WindowFunction(call)
            if matches!(call.fun, WindowFunctionDefinition::AggregateUDF(_)) && !KEEPING.contains(&call.fun.name()) =>
        {
            call.params.args.iter_mut().for_each(|side| rough(side, &mut is_changed));
        }
        _ => {}
    }
    if is_changed { Transformed::yes(expression) } else { Transformed::no(expression) }
}

fn arithmetic(expression: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let whole = |side: &Expr| side.get_type(schema).ok().filter(DataType::is_integer);
    match expression {
        Expr::BinaryExpr(binary) => {
            let is_of_one_type = whole(&binary.left).is_some_and(|left| whole(&binary.right) == Some(left));
            match Arithmetic::of(binary.op).filter(|_| is_of_one_type) {
                Some(function) => {
                    let function = Arc::new(ScalarUDF::new_from_impl(function));
                    let arguments = vec![*binary.left, *binary.right];
                    Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments)))
                }
                None => Transformed::no(Expr::BinaryExpr(binary)),
            }
        }
        other => Transformed::no(other),
    }
}

/// `node` with the sums of whole numbers made of decimals, and these brought back to the type they had.
fn summed(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let (input, expressions) = match &node {
        LogicalPlan::Aggregate(aggregate) => (&aggregate.input, &aggregate.aggr_expr),
        LogicalPlan::Window(window) => (&window.input, &window.window_expr),
        _ => return Ok(Transformed::no(node)),
    };
    let is_summed: Vec<bool> = expressions.iter().map(|expression| is_sum(expression, input.schema())).collect();
    if !is_summed.contains(&true) {
        return Ok(Transformed::no(node));
    }
    let names = NamePreserver::new_for_projection();
    let of_decimals = |(expression, is_summed): (Expr, &bool)| {
        let name = names.save(&expression);
        if *is_summed { name.restore(of_decimals(expression)) } else { expression }
    };
    let schema = Arc::clone(node.schema());
    let inner = match node {
        LogicalPlan::Aggregate(aggregate) => {
            let expressions = aggregate.aggr_expr.into_iter().zip(&is_summed).map(of_decimals).collect();
            LogicalPlan::Aggregate(Aggregate::try_new(aggregate.input, aggregate.group_expr, expressions)?)
        }
        LogicalPlan::Window(window) => {
            let expressions = window.window_expr.into_iter().zip(&is_summed).map(of_decimals).collect();
            LogicalPlan::Window(Window::try_new(expressions, window.input)?)
        }
        other => return Ok(Transformed::no(other)),
    };
    // Before them stand the keys of the groups, or the columns of the rows.
    let before = schema.fields().len() - is_summed.len();
    let columns = schema.iter().enumerate().map(|(index, (qualifier, field))| {
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        let is_summed = index.checked_sub(before).is_some_and(|index| is_summed[index]);
        if is_summed {
            cast(column, field.data_type().clone()).alias_qualified(qualifier.cloned(), field.name())
        } else {
            column
        }
    });
    let columns = columns.collect();
    Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(inner))?)))
}

/// Whether an expression is a sum of whole numbers.
fn is_sum(expression: &Expr, schema: &DFSchema) -> bool {
    let (name, arguments) = match expression {
        Expr::Alias(alias) => return is_sum(&alias.expr, schema),
        Expr::AggregateFunction(call) => (call.func.name(), &call.params.args),
        Expr::WindowFunction(call) => (call.fun.name(), &call.params.args),
        _ => return false,
    };
    let is_whole = |argument: &Expr| argument.get_type(schema).is_ok_and(|data_type| data_type.is_integer());
    name == "sum" && arguments.first().is_some_and(is_whole)
}

/// A sum over decimals in the place of one over whole numbers.
fn of_decimals(expression: Expr) -> Expr {
    match expression {
        Expr::Alias(mut alias) => {
            alias.expr = Box::new(of_decimals(*alias.expr));
            Expr::Alias(alias)
        }
        Expr::AggregateFunction(mut call) => {
            call.params.args = call.params.args.into_iter().map(|argument| cast(argument, SUMMED)).collect();
            Expr::AggregateFunction(call)
        }
        Expr::WindowFunction(mut call) => {
            call.params.args = call.params.args.into_iter().map(|argument| cast(argument, SUMMED)).collect();
            Expr::WindowFunction(call)
        }
        other => other,
    }
}
