//! What numbers lose on their way into an amount: the cents that a division of whole numbers drops, the fraction that a
//! cast cuts off.
//!
//! Found by type in the plan, wherever it stands: behind names, views, sub-queries, unions, groups and windows. Only ways
//! that carry a value are followed. A condition, a key of a group or a text that is put together may well want whole
//! numbers, and is left alone.

use std::collections::HashSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};

use super::lineage::{self, Source};
use super::marks;
use crate::contract::{Kind, fields};
use crate::validate::plan::{Loss, Role};

/// Expressions that are looked at for one column, at most.
const MAX_STEPS: usize = 20_000;
/// Functions that give one of their arguments but the first.
const BEHIND_FIRST: [&str; 1] = ["nvl2"];
/// Functions that give their first argument, or something made of it, whatever the others are.
const FIRST: [&str; 7] = ["nullif", "round", "trunc", "array_element", "get_field", "array_slice", "nth_value"];
/// Functions that give one of their arguments as it is, numbers in the form of text too.
const PASSING: [&str; 6] = ["coalesce", "nullif", "nvl", "nvl2", "greatest", "least"];
/// Functions after which a number is whole.
const WHOLE: [&str; 4] = ["round", "floor", "ceil", "trunc"];

/// A loss in the column `column` of the result.
pub(super) struct Found {
    pub(super) column: usize,
    pub(super) loss: Loss,
    /// The mark of the item it stands in.
    pub(super) mark: Option<usize>,
}

/// What the columns of `plan` that hold numbers lose, where `roles` are those of its columns.
pub(super) fn of(plan: &LogicalPlan, roles: &[Role]) -> Vec<Found> {
    let mut found = Vec::new();
    for column in (0..roles.len()).filter(|column| is_number(&roles[*column])) {
        let mut walk = Walk::default();
        walk.column(plan, column);
        found.extend(walk.found.into_iter().map(|(loss, mark)| Found { column, loss, mark }));
    }
    found
}

fn is_number(role: &Role) -> bool {
    match role {
        Role::Field(field) => matches!(
            field.kind,
            Kind::Amount | Kind::Number | Kind::Numbers | Kind::Integer | Kind::Quantity | Kind::Contents
        ),
        Role::Property => true,
        Role::Unsent => false,
    }
}

/// Where an expression stands.
struct Scope<'a> {
    schema: DFSchema,
    input: Option<&'a LogicalPlan>,
    mark: Option<usize>,
}

#[derive(Default)]
struct Walk {
    found: Vec<(Loss, Option<usize>)>,
    seen: HashSet<(*const LogicalPlan, usize)>,
    steps: usize,
}

impl Walk {
    fn column(&mut self, plan: &LogicalPlan, index: usize) {
        if self.seen.insert((std::ptr::from_ref(plan), index)) {
            for source in &lineage::sources(plan, index) {
                self.source(source);
            }
        }
    }

    fn source(&mut self, source: &Source<'_>) {
        let scope = Scope { schema: source.schema(), input: source.input, mark: source.mark() };
        self.expression(&source.expression, &scope);
    }

    fn tell(&mut self, loss: Loss, scope: &Scope<'_>) {
        if !self.found.contains(&(loss, scope.mark)) {
            self.found.push((loss, scope.mark));
        }
    }

    fn expression(&mut self, expression: &Expr, scope: &Scope<'_>) {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return;
        }
        if let Some((inner, mark)) = marks::inside(expression) {
            let scope = Scope { schema: scope.schema.clone(), input: scope.input, mark: Some(mark) };
            return self.expression(inner, &scope);
        }
        match expression {
            Expr::Alias(alias) => self.expression(&alias.expr, scope),
            Expr::Negative(inner) => self.expression(inner, scope),
            Expr::Unnest(unnest) => self.expression(&unnest.expr, scope),
            Expr::Column(column) => {
                if let Some(input) = scope.input
                    && let Some(index) = input.schema().maybe_index_of_column(column)
                {
                    self.column(input, index);
                }
            }
            Expr::BinaryExpr(binary) if is_arithmetic(binary.op) => {
                if drops_decimals(binary.op, &binary.left, &binary.right, &scope.schema) {
                    self.tell(Loss::Division(whole_literal(&binary.right)), scope);
                }
                self.expression(&binary.left, scope);
                self.expression(&binary.right, scope);
            }
            Expr::Case(case) => {
                let results = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
                results.for_each(|result| self.expression(result, scope));
            }
            Expr::Cast(cast) => self.cast(&cast.expr, cast.field.data_type(), scope),
            Expr::TryCast(cast) => self.cast(&cast.expr, cast.field.data_type(), scope),
            Expr::ScalarFunction(call) => {
                let is_number = expression.get_type(&scope.schema).is_ok_and(|data_type| holds_numbers(&data_type));
                if is_number || PASSING.contains(&call.func.name()) {
                    self.call(call.func.name(), &call.args, scope);
                }
            }
            Expr::AggregateFunction(call) if call.func.name() != "count" => {
                self.arguments(&call.params.args, scope);
            }
            Expr::WindowFunction(call) if call.fun.name() != "count" => {
                self.arguments(&call.params.args, scope);
            }
            Expr::ScalarSubquery(query) => self.column(&query.subquery, 0),
            _ => {}
        }
    }

    fn cast(&mut self, inner: &Expr, target: &DataType, scope: &Scope<'_>) {
        let is_fraction = inner.get_type(&scope.schema).is_ok_and(|given| has_fraction(&given));
        if is_fraction && target.is_integer() && !is_whole(inner) {
            self.tell(Loss::Fraction, scope);
        }
        self.expression(inner, scope);
    }

    fn call(&mut self, name: &str, arguments: &[Expr], scope: &Scope<'_>) {
        let of_number = |argument: &&Expr| {
            PASSING.contains(&name) || argument.get_type(&scope.schema).is_ok_and(|data_type| holds_numbers(&data_type))
        };
        if name == "named_struct" {
            for pair in arguments.chunks_exact(2) {
                if is_number_of_item(&pair[0]) {
                    self.expression(&pair[1], scope);
                }
            }
        } else if name == "arrow_cast" || name == "arrow_try_cast" {
            let target = arguments.get(1).and_then(text).and_then(|name| name.parse::<DataType>().ok());
            if let (Some(inner), Some(target)) = (arguments.first(), target) {
                self.cast(inner, &target, scope);
            }
        } else if FIRST.contains(&name) {
            self.arguments(&arguments[..arguments.len().min(1)], scope);
        } else if BEHIND_FIRST.contains(&name) {
            self.arguments(arguments.get(1..).unwrap_or_default(), scope);
        } else {
            arguments.iter().filter(of_number).for_each(|argument| self.expression(argument, scope));
        }
    }

    fn arguments(&mut self, arguments: &[Expr], scope: &Scope<'_>) {
        for argument in arguments {
            self.expression(argument, scope);
        }
    }
}

/// Whether `left op right` is a division of whole numbers that may leave something over.
pub(super) fn drops_decimals(operator: Operator, left: &Expr, right: &Expr, schema: &DFSchema) -> bool {
    let is_whole = |side: &Expr| side.get_type(schema).is_ok_and(|data_type| data_type.is_integer());
    if !matches!(operator, Operator::Divide | Operator::IntegerDivide) || !is_whole(left) || !is_whole(right) {
        return false;
    }
    match (whole_literal(left), whole_literal(right)) {
        (_, Some(1 | -1)) => false,
        (Some(left), Some(right)) => right == 0 || left % right != 0,
        _ => true,
    }
}

fn is_arithmetic(operator: Operator) -> bool {
    use Operator::{Divide, IntegerDivide, Minus, Modulo, Multiply, Plus};
    matches!(operator, Divide | IntegerDivide | Minus | Modulo | Multiply | Plus)
}

/// Whether an expression is a number without a fraction, though its type could hold one.
fn is_whole(expression: &Expr) -> bool {
    match expression {
        Expr::Alias(alias) => is_whole(&alias.expr),
        Expr::ScalarFunction(call) if WHOLE.contains(&call.func.name()) => {
            call.args.get(1).is_none_or(|places| whole_literal(places).is_some_and(|places| places <= 0))
        }
        Expr::Literal(ScalarValue::Float64(Some(number)), _) => number.fract() == 0.0,
        _ => false,
    }
}

/// Whether a member of an item is a number: `price` and `quantity`.
fn is_number_of_item(name: &Expr) -> bool {
    let Some(field) = text(name).and_then(fields::find) else { return false };
    matches!(field.kind, Kind::Amount | Kind::Quantity)
}

fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

fn whole_literal(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::Literal(value, _) if value.data_type().is_integer() => value.to_string().parse().ok(),
        Expr::Negative(inner) => whole_literal(inner).and_then(i64::checked_neg),
        _ => None,
    }
}

fn has_fraction(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => *scale > 0,
        other => other.is_floating(),
    }
}

fn holds_numbers(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            holds_numbers(item.data_type())
        }
        DataType::Struct(members) => members.iter().any(|member| holds_numbers(member.data_type())),
        other => other.is_numeric(),
    }
}
