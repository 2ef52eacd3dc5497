//! Days that spans of time are added to: the engine gives a day again, and drops hours, minutes and seconds.

use datafusion::arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use datafusion::scalar::ScalarValue;

use super::refused;
use crate::contract::temporal::{self, Class};

const NANOSECONDS_OF_DAY: i64 = 86_400_000_000_000;
const MILLISECONDS_OF_DAY: i32 = 86_400_000;
const SPAN: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Refuses a day plus or minus a span that is not known to be whole days.
///
/// # Errors
/// That the hours of the span would be lost.
pub(super) fn verify(binary: &BinaryExpr, schema: &DFSchema) -> Result<()> {
    if !matches!(binary.op, Operator::Plus | Operator::Minus) {
        return Ok(());
    }
    let is_day = |part: &Expr| part.get_type(schema).is_ok_and(|data_type| Class::of(&data_type) == Class::Day);
    let (day, span) = match (is_day(&binary.left), is_day(&binary.right)) {
        (true, false) => (&binary.left, &binary.right),
        (false, true) => (&binary.right, &binary.left),
        _ => return Ok(()),
    };
    if loses_hours(span, schema) { Err(refused::hours(day)) } else { Ok(()) }
}

/// Refuses a call that makes days of days and such a span, as `generate_series` does.
///
/// # Errors
/// That the hours of the span would be lost.
pub(super) fn verify_call(call: &ScalarFunction, schema: &DFSchema) -> Result<()> {
    let has_day =
        |part: &Expr| part.get_type(schema).is_ok_and(|data_type| temporal::within(&data_type).contains(&Class::Day));
    let Some(day) = call.args.iter().find(|argument| has_day(argument)) else { return Ok(()) };
    let loses = call.args.iter().any(|argument| loses_hours(argument, schema));
    if loses && has_day(&Expr::ScalarFunction(call.clone())) { Err(refused::hours(day)) } else { Ok(()) }
}

/// Whether an expression is a span that may have a part of a day.
fn loses_hours(span: &Expr, schema: &DFSchema) -> bool {
    match span.get_type(schema) {
        Ok(DataType::Interval(IntervalUnit::YearMonth)) => false,
        Ok(DataType::Interval(_)) => !is_of_days(span, schema),
        _ => false,
    }
}

/// Whether a span is whole days, weeks, months or years, whatever the row.
fn is_of_days(span: &Expr, schema: &DFSchema) -> bool {
    let is_whole = |part: &Expr| part.get_type(schema).is_ok_and(|data_type| data_type.is_integer());
    match span {
        Expr::Alias(alias) => is_of_days(&alias.expr, schema),
        Expr::Cast(cast) => is_of_days(&cast.expr, schema),
        Expr::TryCast(cast) => is_of_days(&cast.expr, schema),
        Expr::Negative(inner) => is_of_days(inner, schema),
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
            results.into_iter().all(|result| is_of_days(result, schema))
        }
        Expr::BinaryExpr(binary) => {
            let (left, right) = (&binary.left, &binary.right);
            match binary.op {
                Operator::Plus | Operator::Minus => is_of_days(left, schema) && is_of_days(right, schema),
                Operator::Multiply => {
                    is_of_days(left, schema) && is_whole(right) || is_whole(left) && is_of_days(right, schema)
                }
                _ => false,
            }
        }
        Expr::Literal(value, _) => match value {
            ScalarValue::Null | ScalarValue::IntervalYearMonth(_) => true,
            ScalarValue::IntervalDayTime(span) => span.is_none_or(|span| span.milliseconds % MILLISECONDS_OF_DAY == 0),
            ScalarValue::IntervalMonthDayNano(span) => {
                span.is_none_or(|span| span.nanoseconds % NANOSECONDS_OF_DAY == 0)
            }
            text => match text.try_as_str().and_then(|_| text.cast_to(&SPAN).ok()) {
                Some(ScalarValue::IntervalMonthDayNano(span)) => {
                    span.is_none_or(|span| span.nanoseconds % NANOSECONDS_OF_DAY == 0)
                }
                _ => false,
            },
        },
        _ => false,
    }
}
