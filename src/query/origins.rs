//! What the plan tells of the columns of a result: the facts that the contract's judgement is made of.

use std::collections::HashSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use super::cuts;
use super::instants;
use super::lineage::{self, Source};
use super::marks::{self, Mark};
use crate::functions::zones::AtTimeZone;
use crate::validate::plan::{Column, Digest, Encoding, Literal, Operation, Origin};

/// Units that take the time of day away from an instant.
const DAYS_AND_LONGER: [&str; 5] = ["day", "week", "month", "quarter", "year"];

/// The columns of a plan with marks.
pub(super) struct Traced {
    /// What is known of each.
    pub(super) columns: Vec<Column>,
    /// For each column and each of its origins the outermost mark, which names it, and the mark of what made it.
    pub(super) marks: Vec<Vec<(Option<usize>, Option<usize>)>>,
    /// Whether a `*` stands for columns that are not known.
    pub(super) has_more: bool,
}

impl Traced {
    /// Takes the types of times from the plan that runs: the engine tells the type of a CASE only when it has coerced it.
    pub(super) fn settle_times(&mut self, settled: &LogicalPlan) {
        if settled.schema().fields().len() != self.columns.len() {
            return;
        }
        for (column, field) in self.columns.iter_mut().zip(settled.schema().fields()) {
            if let (Some(DataType::Timestamp(..)), DataType::Timestamp(..)) = (&column.data_type, field.data_type()) {
                column.data_type = Some(field.data_type().clone());
            }
        }
    }
}

/// Traces the columns of `plan`; the columns of the tables `unknown` are not known.
pub(super) fn traced(plan: &LogicalPlan, marks: &[Mark], unknown: &HashSet<String>) -> Traced {
    let fields = plan.schema().fields();
    let mut traced = Traced { columns: Vec::new(), marks: Vec::new(), has_more: false };
    for (index, field) in fields.iter().enumerate() {
        let sources = lineage::sources(plan, index);
        let is_unknown = sources.iter().any(|source| is_unknown(source, marks, unknown));
        let is_hidden = is_unknown && sources.iter().all(|source| source.marks.is_empty());
        traced.has_more |= is_hidden;
        traced.columns.push(Column {
            // Nothing is known of a column that `*` takes from an unknown table, not even that there is one.
            name: if is_hidden { "_".to_owned() } else { field.name().clone() },
            is_unnamed: sources.iter().any(|source| is_named_by_engine(source, field.name())),
            data_type: (!is_unknown).then(|| field.data_type().clone()),
            origins: sources.iter().map(origin).collect(),
        });
        traced.marks.push(sources.iter().map(|source| (source.marks.first().copied(), source.mark())).collect());
    }
    traced
}

/// Whether `name` is what the engine calls an expression without a name.
fn is_named_by_engine(source: &Source<'_>, name: &str) -> bool {
    let expression = marks::removed(source.expression.clone());
    !matches!(expression, Expr::Column(_)) && expression.schema_name().to_string() == name
}

/// Whether what yields a column, or what that reads, did not plan.
fn is_unknown(source: &Source<'_>, marks: &[Mark], unknown: &HashSet<String>) -> bool {
    let mut found = false;
    lineage::visit_source(source, &mut |source| {
        let is_failed = |mark: &usize| marks.get(*mark).is_some_and(|mark| mark.is_failed);
        found |= source.marks.iter().any(is_failed)
            || source.table.is_some_and(|table| unknown.contains(table.table_name.table()))
            || matches!(source.expression, Expr::Placeholder(_))
            || source
                .expression
                .exists(|part| Ok(marks::inside(part).is_some_and(|(_, mark)| is_failed(&mark))))
                .unwrap_or(false);
    });
    found
}

fn origin(source: &Source<'_>) -> Origin {
    let expression = lineage::expanded(source);
    let literal = literal(&expression).or_else(|| computed(&marks::removed(source.expression.clone())));
    let mut origin = Origin {
        choices: if literal.is_none() { choices(&expression) } else { Vec::new() },
        is_closed: literal.is_none() && is_closed(&expression),
        literal,
        is_one_row: source.way.is_one_row || source.way.is_of_values,
        is_date: is_date(source),
        digest: digest(&expression, Encoding::Binary),
        ..Origin::default()
    };
    let is_instant = expression
        .get_type(&source.schema())
        .or_else(|_| source.expression.get_type(&source.schema()))
        .is_ok_and(|data_type| matches!(data_type, DataType::Timestamp(_, Some(_))));
    lineage::visit_source(source, &mut |source| {
        let expression = marks::removed(source.expression.clone());
        origin.unstable = origin.unstable.take().or_else(|| function(&expression, Volatility::Stable));
        origin.drops_zone |=
            instants::drops_zone(&expression, &source.schema(), is_instant) || cuts::drops_zone(&expression, source);
    });
    origin.drops_zone &= !instants::says_utc(&expression);
    origin
}

/// The value of an expression that is a literal, cast or not.
fn literal(expression: &Expr) -> Option<Literal> {
    match uncast(expression) {
        Expr::Literal(value, _) if value.is_null() => Some(Literal::Null),
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text), _) => {
            text.clone().map(Literal::Text)
        }
        Expr::Literal(number, _) if number.data_type().is_integer() => Some(Literal::Text(number.to_string())),
        _ => None,
    }
}

/// The value of an expression that computes it from literals only.
pub(super) fn computed(expression: &Expr) -> Option<Literal> {
    let is_fixed = |part: &Expr| match part {
        Expr::ScalarFunction(call) => call.func.signature().volatility == Volatility::Immutable,
        Expr::Literal(..) | Expr::Cast(_) | Expr::TryCast(_) | Expr::Alias(_) | Expr::BinaryExpr(_) => true,
        _ => false,
    };
    if expression.exists(|part| Ok(!is_fixed(part))).unwrap_or(true) {
        return None;
    }
    let simplifier = ExprSimplifier::new(SimplifyContext::default());
    // Functions take arguments of their own types only, which nobody has given them yet.
    let coerced = simplifier.coerce(expression.clone(), &DFSchema::empty()).ok()?;
    literal(&simplifier.simplify(coerced).ok()?)
}

/// The texts that an expression chooses from.
fn choices(expression: &Expr) -> Vec<String> {
    let text = |branch: &Expr| match literal(branch) {
        Some(Literal::Text(text)) => vec![text],
        Some(Literal::Null) => Vec::new(),
        None => choices(branch),
    };
    branches(expression).into_iter().flat_map(text).collect()
}

/// The expressions of which one is the value of `expression`, if it is a choice.
fn branches(expression: &Expr) -> Vec<&Expr> {
    match uncast(expression) {
        Expr::Case(case) => {
            case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr).map(AsRef::as_ref).collect()
        }
        Expr::ScalarFunction(call) if ["coalesce", "nvl", "nvl2"].contains(&call.func.name()) => {
            call.args.iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Whether an expression chooses from literals only.
fn is_closed(expression: &Expr) -> bool {
    let branches = branches(expression);
    !branches.is_empty() && branches.into_iter().all(|branch| literal(branch).is_some() || is_closed(branch))
}

fn uncast(expression: &Expr) -> &Expr {
    match expression {
        Expr::Cast(cast) => uncast(&cast.expr),
        Expr::TryCast(cast) => uncast(&cast.expr),
        Expr::Alias(alias) => uncast(&alias.expr),
        other => other,
    }
}

/// The name of a function in `expression` that is at least as unstable as `volatility`.
fn function(expression: &Expr, volatility: Volatility) -> Option<String> {
    let mut found = None;
    // The visitor cannot fail, since its closure does not.
    let _ = expression.apply(|part| {
        match part {
            Expr::ScalarFunction(call) if call.func.signature().volatility >= volatility => {
                found = Some(call.func.name().to_owned());
            }
            Expr::ScalarSubquery(query) => {
                lineage::visit(&query.subquery, 0, &mut |source| {
                    found = found.take().or_else(|| function(&source.expression, volatility));
                });
            }
            _ => {}
        }
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

/// The name of a function anywhere in `plan` that gives another value each time it is asked.
pub(super) fn volatile(plan: &LogicalPlan) -> Option<String> {
    let mut found = None;
    lineage::has_node(plan, |node| {
        found = node.expressions().iter().find_map(|expression| function(expression, Volatility::Volatile));
        found.is_some()
    });
    found
}

/// Whether an instant has no time of day: it was a date, or was cut to whole days.
fn is_date(source: &Source<'_>) -> bool {
    let is_date = |data_type: &DataType| matches!(data_type, DataType::Date32 | DataType::Date64);
    let expression = marks::removed(source.expression.clone());
    let mut expression = &expression;
    loop {
        let (inner, target) = match expression {
            Expr::Cast(cast) => (cast.expr.as_ref(), Some(cast.field.data_type())),
            Expr::TryCast(cast) => (cast.expr.as_ref(), Some(cast.field.data_type())),
            Expr::Alias(alias) => (alias.expr.as_ref(), None),
            Expr::ScalarFunction(call) if call.func.name() == "date_trunc" => {
                let unit = call.args.first().and_then(literal);
                return matches!(unit, Some(Literal::Text(unit)) if DAYS_AND_LONGER.contains(&unit.to_lowercase().as_str()));
            }
            Expr::ScalarFunction(call) if call.func.name().starts_with("to_timestamp") && call.args.len() == 1 => {
                (&call.args[0], None)
            }
            Expr::ScalarFunction(call) if call.func.name() == AtTimeZone::NAME => (&call.args[0], None),
            Expr::Literal(..) => return false,
            other => {
                if other.get_type(&source.schema()).is_ok_and(|data_type| is_date(&data_type)) {
                    return true;
                }
                return match (other, source.input) {
                    (Expr::Column(column), Some(input)) => {
                        let index = input.schema().maybe_index_of_column(column);
                        let sources = index.map(|index| lineage::sources(input, index)).unwrap_or_default();
                        !sources.is_empty() && sources.iter().all(|source| self::is_date(source))
                    }
                    _ => false,
                };
            }
        };
        if target.is_some_and(is_date) {
            return true;
        }
        expression = inner;
    }
}

/// The digest that `expression` is, written as `outer` says where the expression does not.
fn digest(expression: &Expr, outer: Encoding) -> Option<Digest> {
    match expression {
        Expr::Alias(alias) => digest(&alias.expr, outer),
        Expr::Cast(cast) => digest(&cast.expr, outer),
        Expr::TryCast(cast) => digest(&cast.expr, outer),
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
            results.map(AsRef::as_ref).find_map(|result| digest(result, outer))
        }
        Expr::BinaryExpr(binary) if binary.op == Operator::StringConcat => {
            digest(&binary.left, outer).or_else(|| digest(&binary.right, outer))
        }
        Expr::AggregateFunction(call) => call.params.args.iter().find_map(|argument| digest(argument, outer)),
        Expr::ScalarFunction(call) => {
            let text = |index: usize| match call.args.get(index).and_then(literal) {
                Some(Literal::Text(text)) => text.to_ascii_lowercase(),
                _ => String::new(),
            };
            let made = |algorithm: String, encoding| {
                Some(Digest { algorithm, encoding, operations: operations(call.args.first()?) })
            };
            match (call.func.name(), call.args.as_slice()) {
                ("md5", _) => made("md5".into(), if outer == Encoding::Binary { Encoding::Hex } else { outer }),
                (name @ ("sha224" | "sha256" | "sha384" | "sha512"), _) => made(name.into(), outer),
                ("digest", _) => made(text(1), outer),
                ("encode", [inner, _]) => {
                    digest(inner, if text(1) == "hex" { Encoding::Hex } else { Encoding::Base64 })
                }
                ("upper", [inner]) => match digest(inner, outer)? {
                    found if found.encoding == Encoding::Hex => Some(Digest { encoding: Encoding::UpperHex, ..found }),
                    found => Some(found),
                },
                ("lower", [inner]) => match digest(inner, outer)? {
                    found if found.encoding == Encoding::UpperHex => Some(Digest { encoding: Encoding::Hex, ..found }),
                    found => Some(found),
                },
                ("nullif", [inner, ..]) => digest(inner, outer),
                (_, arguments) => arguments.iter().find_map(|argument| digest(argument, outer)),
            }
        }
        _ => None,
    }
}

/// What is done to a value on its way into a digest.
fn operations(expression: &Expr) -> Vec<Operation> {
    let mut found = Vec::new();
    // The visitor cannot fail, since its closure does not.
    let _ = expression.apply(|part| {
        match part {
            Expr::ScalarFunction(call) => match call.func.name() {
                "lower" => found.push(Operation::Lower),
                "upper" => found.push(Operation::Upper),
                "trim" | "btrim" | "ltrim" | "rtrim" | "replace" | "regexp_replace" => found.push(Operation::Trim),
                "normalize_email" => found.push(Operation::Email),
                "e164" => found.push(Operation::Phone),
                "concat" if call.args.first().and_then(literal).is_some_and(is_plus) => found.push(Operation::Phone),
                _ => {}
            },
            Expr::BinaryExpr(binary)
                if binary.op == Operator::StringConcat && literal(&binary.left).is_some_and(is_plus) =>
            {
                found.push(Operation::Phone);
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// Whether a literal begins an international phone number.
fn is_plus(literal: Literal) -> bool {
    matches!(literal, Literal::Text(text) if text.starts_with('+'))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use datafusion::logical_expr::lit;

    use super::*;

    fn computed_text(expression: &Expr) -> Option<String> {
        match computed(expression)? {
            Literal::Text(text) => Some(text),
            Literal::Null => None,
        }
    }

    #[test]
    fn constants_of_other_types_than_a_function_takes_are_converted_first() {
        let functions = datafusion::functions::all_default_functions();
        let call = |name: &str, arguments: Vec<Expr>| {
            functions.iter().find(|function| function.name() == name).unwrap().call(arguments)
        };
        let date = call("make_date", vec![lit(2026_i64), lit(11_i64), lit(14_i64)]);
        let cast = datafusion::logical_expr::Cast::new(Box::new(date), DataType::Utf8);
        assert_eq!(computed_text(&Expr::Cast(cast)).as_deref(), Some("2026-11-14"));
        assert_eq!(computed_text(&call("left", vec![lit("abc"), lit(2_i32)])).as_deref(), Some("ab"));
        assert_eq!(computed_text(&call("make_date", vec![lit("a"), lit(11_i64), lit(14_i64)])), None);
    }

    /// Whatever a query writes into a call, the judgement of it comes to an end.
    #[test]
    fn no_function_of_constants_panics() {
        let constants = [lit(2_i64), lit("a"), lit(1.5_f64), lit(ScalarValue::Null), lit(true), lit(-1_i64)];
        let functions = datafusion::functions::all_default_functions().into_iter();
        let functions = functions.chain(datafusion::functions_nested::all_default_nested_functions());
        let mut panicking = Vec::new();
        for function in functions {
            for count in 0..5_usize {
                for first in 0..constants.len() {
                    for step in 0..3 {
                        let chosen =
                            (0..count).map(|index| constants[(first + index * step) % constants.len()].clone());
                        let call = function.call(chosen.collect());
                        if catch_unwind(AssertUnwindSafe(|| computed(&call))).is_err() {
                            panicking.push(format!("{call}"));
                        }
                    }
                }
            }
        }
        assert!(panicking.is_empty(), "{panicking:#?}");
    }
}
