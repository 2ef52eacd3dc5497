//! Comparisons of a text of the query with a column that is read as bytes.
//!
//! Statistics, page indexes and bloom filters are those of the column in the file. A comparison of texts is one of their
//! bytes, in the same order, so that the text of the query becomes bytes, and the column stays one that they know.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::expressions::{BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal};

use super::converted::Converted;

/// `expression` over the bytes of a column, if it compares a text with one.
///
/// # Errors
/// The errors of the engine.
pub(super) fn of_bytes(expression: &Arc<dyn PhysicalExpr>) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    if let Some(comparison) = expression.downcast_ref::<BinaryExpr>() {
        let is_comparison = matches!(
            comparison.op(),
            Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
        );
        let sides = [(comparison.left(), comparison.right()), (comparison.right(), comparison.left())];
        let found = sides.map(|(column, text)| bytes(column).zip(as_bytes(text)));
        let [column_first, text_first] = found;
        let (left, right) = match (column_first, text_first) {
            _ if !is_comparison => return Ok(None),
            (Some((column, text)), _) => (column, text),
            (_, Some((column, text))) => (text, column),
            _ => return Ok(None),
        };
        return Ok(Some(Arc::new(BinaryExpr::new(left, *comparison.op(), right))));
    }
    if let Some(list) = expression.downcast_ref::<InListExpr>() {
        let texts = list.list().iter().map(as_bytes).collect::<Option<Vec<_>>>();
        let Some((column, texts)) = bytes(list.expr()).zip(texts) else { return Ok(None) };
        let Some(named) = column.downcast_ref::<Column>() else {
            return Ok(None);
        };
        // The list looks the type of the column up by its place.
        let before = (0..named.index()).map(|place| Field::new(place.to_string(), DataType::Null, true));
        let fields = before.chain([Field::new(named.name(), DataType::BinaryView, true)]).collect::<Vec<_>>();
        return Ok(Some(Arc::new(InListExpr::try_new(column, texts, list.negated(), &Schema::new(fields))?)));
    }
    if let Some(column) = expression.downcast_ref::<IsNullExpr>().and_then(|is_null| bytes(is_null.arg())) {
        return Ok(Some(Arc::new(IsNullExpr::new(column))));
    }
    if let Some(column) = expression.downcast_ref::<IsNotNullExpr>().and_then(|is_not_null| bytes(is_not_null.arg())) {
        return Ok(Some(Arc::new(IsNotNullExpr::new(column))));
    }
    Ok(None)
}

/// The column of bytes that `expression` is the text of.
fn bytes(expression: &Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
    expression.downcast_ref::<Converted>()?.bytes().cloned()
}

/// The bytes of the text that `expression` is.
fn as_bytes(expression: &Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
    let text = expression.downcast_ref::<Literal>()?.value().try_as_str()?;
    Some(Arc::new(Literal::new(ScalarValue::BinaryView(text.map(|text| text.as_bytes().to_vec())))))
}
