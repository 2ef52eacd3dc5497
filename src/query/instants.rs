//! Instants that lose their zone on the way to a column: as text, as parts, or as a day of another zone.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable};

use crate::contract::time;
use crate::functions::zones::{AtTimeZone, formats, is_unnamed};

/// Whether `expression` takes an instant's zone away, so that its clock would be read as local time; `is_instant` tells
/// that the column it feeds has a zone again.
///
/// Conditions do not count: their value does not reach the column.
pub(super) fn drops_zone(expression: &Expr, schema: &DFSchema, is_instant: bool) -> bool {
    let mut found = false;
    // The visitor cannot fail, since its closure does not.
    let _ = expression.apply(|part| {
        if matches!(part.get_type(schema), Ok(DataType::Boolean)) {
            return Ok(TreeNodeRecursion::Jump);
        }
        found |= loses_zone(part, schema, is_instant);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

fn loses_zone(part: &Expr, schema: &DFSchema, is_instant: bool) -> bool {
    let zone = |inner: &Expr| match inner.get_type(schema) {
        Ok(DataType::Timestamp(_, zone)) => zone,
        _ => None,
    };
    let (inner, target) = match part {
        Expr::Cast(cast) => (cast.expr.as_ref(), cast.field.data_type()),
        Expr::TryCast(cast) => (cast.expr.as_ref(), cast.field.data_type()),
        Expr::ScalarFunction(call) => {
            return match (call.func.name(), call.args.as_slice()) {
                ("to_char", [instant, format]) => {
                    let tells = |format| formats::names_offset(format) || formats::says_utc(format);
                    zone(instant).is_some() && !text(format).is_some_and(tells)
                }
                ("date_part", [unit, instant]) => {
                    let is_epoch = text(unit).is_some_and(|unit| unit.eq_ignore_ascii_case("epoch"));
                    !is_instant && !is_epoch && zone(instant).is_some()
                }
                _ => false,
            };
        }
        _ => return false,
    };
    match target {
        DataType::Timestamp(_, None) => text(inner)
            .map_or_else(|| zone(inner).is_some(), |text| text.contains(':') && time::instant(text, None).is_ok()),
        // A day of a zone that the query names, which is read in another.
        DataType::Date32 | DataType::Date64 => !is_instant && zone(inner).is_some_and(|zone| !is_unnamed(&zone)),
        _ => false,
    }
}

/// Whether an expression ends by calling its clock UTC: `… AT TIME ZONE 'UTC'`, as text or not.
pub(super) fn says_utc(expression: &Expr) -> bool {
    match expression {
        Expr::Alias(alias) => says_utc(&alias.expr),
        Expr::Cast(cast) => is_text(cast.field.data_type()) && says_utc(&cast.expr),
        Expr::TryCast(cast) => is_text(cast.field.data_type()) && says_utc(&cast.expr),
        Expr::ScalarFunction(call) if call.func.name() == AtTimeZone::NAME => {
            AtTimeZone::zone_of(&call.args).is_some_and(|zone| zone.is_utc())
        }
        _ => false,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text), _) => text.as_deref(),
        _ => None,
    }
}
