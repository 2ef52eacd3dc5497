//! `form(column)`: what is sent of a value, as text, so that an aggregate compares what is sent and not how it is written.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Schema};
use datafusion::common::exec_datafusion_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::Narrowing;
use crate::contract::Field;
use crate::contract::phone::Region;
use crate::contract::time::TimeZone;
use crate::validate::forms::Forms;

/// The function of one column.
#[derive(Debug)]
pub(super) struct FormFunction {
    field: &'static Field,
    zone: Option<TimeZone>,
    region: Option<Region>,
    narrowing: Narrowing,
    forms: Forms,
    signature: Signature,
}

impl FormFunction {
    /// The function of a column of `data_type` that feeds `field`.
    pub(super) fn of(
        field: &'static Field,
        data_type: &DataType,
        zone: Option<TimeZone>,
        region: Option<Region>,
    ) -> Result<ScalarUDF> {
        let schema = Schema::new(vec![ArrowField::new(field.column, data_type.clone(), true)]);
        let narrowing = Narrowing::new(&schema);
        let narrow = narrowing.schema().field(0).data_type().clone();
        let forms = Forms::new(field, &narrow, zone.clone(), region)
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let signature = Signature::any(1, Volatility::Immutable);
        Ok(ScalarUDF::new_from_impl(Self { field, zone, region, narrowing, forms, signature }))
    }

    fn forms(&self, column: &ArrayRef) -> Result<ArrayRef> {
        let schema = Schema::new(vec![ArrowField::new(self.field.column, column.data_type().clone(), true)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(column)])?;
        let narrow = self.narrowing.apply(&batch)?;
        let forms = self.forms.of(narrow.column(0));
        Ok(Arc::new(forms.map_err(|error| DataFusionError::External(Box::new(error)))?))
    }
}

/// Two functions are the same when they do the same.
impl PartialEq for FormFunction {
    fn eq(&self, other: &Self) -> bool {
        self.field.column == other.field.column
            && self.zone == other.zone
            && self.region == other.region
            && self.narrowing.schema() == other.narrowing.schema()
    }
}

impl Eq for FormFunction {}

impl Hash for FormFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.field.column.hash(state);
    }
}

impl ScalarUDFImpl for FormFunction {
    fn name(&self) -> &'static str {
        "form"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let column = arguments.args.first().ok_or_else(|| exec_datafusion_err!("form takes a column"))?;
        Ok(ColumnarValue::Array(self.forms(&column.to_array(arguments.number_rows)?)?))
    }
}
