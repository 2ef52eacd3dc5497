//! Arithmetic of whole numbers that fails where the engine's own goes round in a circle: 2,147,483,647 + 1.
//!
//! No query calls these functions by name: they take the place of `+`, `-` and `*` in its plan, under the same name.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Datum};
use datafusion::arrow::compute::kernels::numeric::{add, mul, sub};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{internal_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

/// `a + b`, `a - b` or `a * b` over whole numbers of one type; an error where the result does not fit into it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Arithmetic {
    operator: Operator,
    signature: Signature,
}

impl Arithmetic {
    /// For `operator`, if it is one of the three.
    #[must_use]
    pub fn of(operator: Operator) -> Option<Self> {
        let is_known = matches!(operator, Operator::Plus | Operator::Minus | Operator::Multiply);
        is_known.then(|| Self { operator, signature: Signature::any(2, Volatility::Immutable) })
    }

    fn kernel(&self) -> fn(&dyn Datum, &dyn Datum) -> Result<ArrayRef, ArrowError> {
        match self.operator {
            Operator::Plus => add,
            Operator::Minus => sub,
            _ => mul,
        }
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &'static str {
        match self.operator {
            Operator::Plus => "exact_plus",
            Operator::Minus => "exact_minus",
            _ => "exact_times",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let [left, right] = arguments else { return internal_err!("arithmetic has two sides") };
        Ok(format!("{} {} {}", left.schema_name(), self.operator, right.schema_name()))
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [left, right] if left == right && left.is_integer() => Ok(left.clone()),
            _ => plan_err!("arithmetic has two whole numbers of one type"),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = arguments.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let is_nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, is_nullable)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = arguments.args.as_slice() else { return internal_err!("arithmetic has two sides") };
        apply(left, right, self.kernel())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{AsArray, Int32Array};
    use datafusion::arrow::datatypes::Int32Type;
    use datafusion::config::ConfigOptions;
    use datafusion::scalar::ScalarValue;

    use super::*;

    fn computed(left: i32, operator: Operator, right: i32) -> Option<i32> {
        let field = || Arc::new(Field::new("a", DataType::Int32, true));
        let result = Arithmetic::of(operator).unwrap().invoke_with_args(ScalarFunctionArgs {
            args: vec![
                ColumnarValue::Array(Arc::new(Int32Array::from(vec![left]))),
                ColumnarValue::Scalar(ScalarValue::Int32(Some(right))),
            ],
            arg_fields: vec![field(), field()],
            number_rows: 1,
            return_field: field(),
            config_options: Arc::new(ConfigOptions::new()),
        });
        Some(result.ok()?.to_array(1).unwrap().as_primitive::<Int32Type>().value(0))
    }

    #[test]
    fn a_result_that_does_not_fit_is_an_error() {
        use Operator::{Minus, Multiply, Plus};
        for (left, operator, right, expected) in [
            (1, Plus, 2, Some(3)),
            (i32::MAX, Plus, 0, Some(i32::MAX)),
            (i32::MAX, Plus, 1, None),
            (i32::MIN, Plus, -1, None),
            (i32::MIN, Minus, 1, None),
            (i32::MIN, Minus, -1, Some(i32::MIN + 1)),
            (46_341, Multiply, 46_341, None),
            (46_340, Multiply, 46_340, Some(2_147_395_600)),
            (i32::MIN, Multiply, -1, None),
            (-3, Multiply, 7, Some(-21)),
        ] {
            assert_eq!(computed(left, operator, right), expected, "{left} {operator} {right}");
        }
    }
}
