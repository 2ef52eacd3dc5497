//! Conversions that Arrow's casts do not make, or make with a loss: numbers that must stay what they are, UUIDs as text, and
//! bytes as the text that they are.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_plan::PhysicalExpr;

#[cfg(feature = "delta")]
use super::stored::Stored;
use super::texts::{self, Faults};
use crate::error::{Error, ErrorKind};
use crate::sources::widen;

/// Bytes of a UUID.
const UUID_BYTES: i32 = 16;

/// What is done to the values of a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Conversion {
    /// A number becomes the same number of another type, or an error.
    Exact,
    /// Sixteen bytes become the text of a UUID.
    Uuid,
    /// Bytes, also those inside of a nested value, become text.
    Text,
    /// The parts of a nested value get the names, places and types that the table gives them.
    #[cfg(feature = "delta")]
    Placed(Arc<Stored>),
}

/// A column of a file, converted to the type of the table.
#[derive(Debug)]
pub(super) struct Converted {
    column: Arc<dyn PhysicalExpr>,
    field: FieldRef,
    conversion: Conversion,
}

impl Conversion {
    /// What has to be done here to get from one type to the other; none where a cast is as good.
    pub(super) fn of(from: &DataType, to: &DataType) -> Option<Self> {
        match (from, to) {
            (DataType::FixedSizeBinary(UUID_BYTES), DataType::Utf8View) => Some(Self::Uuid),
            (_, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)) => None,
            (from, _) if texts::has_bytes(from) => Some(Self::Text),
            (from, to) => widen::may_bend(from, to).then_some(Self::Exact),
        }
    }
}

impl Converted {
    /// `column` as a `field` of the table.
    pub(super) fn new(column: Arc<dyn PhysicalExpr>, field: FieldRef, conversion: Conversion) -> Self {
        Self { column, field, conversion }
    }

    /// The column of bytes whose plain text it is, if it is that.
    pub(super) fn bytes(&self) -> Option<&Arc<dyn PhysicalExpr>> {
        let is_text = self.conversion == Conversion::Text && *self.field.data_type() == DataType::Utf8View;
        is_text.then_some(&self.column)
    }

    /// The rows of `batch` whose values should be text and are none, if there are any.
    pub(super) fn faults(&self, batch: &RecordBatch) -> Result<Option<Faults>> {
        if matches!(self.conversion, Conversion::Exact | Conversion::Uuid) {
            return Ok(None);
        }
        let values = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(texts::texts(&values, true)?.faults)
    }

    /// The same numbers in the type of the table.
    fn exact(&self, numbers: &ArrayRef) -> Result<ArrayRef> {
        let Some(converted) = widen::exact(numbers, self.field.data_type())? else {
            let (name, from, to) = (self.field.name(), numbers.data_type(), self.field.data_type());
            let message = format!("`{name}` holds a number of type {from} that {to} cannot hold exactly");
            let error = Error::new(ErrorKind::Source, message)
                .hint("files of one table give the column different types: read them as two tables, and cast one");
            return Err(DataFusionError::External(Box::new(error)));
        };
        Ok(converted)
    }
}

impl PhysicalExpr for Converted {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        if matches!(self.conversion, Conversion::Exact | Conversion::Uuid) {
            return self.column.nullable(schema);
        }
        // A text that is none is null until its row is left out.
        Ok(self.field.is_nullable())
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let values = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(match (&self.conversion, values.as_fixed_size_binary_opt()) {
            (Conversion::Uuid, Some(bytes)) => {
                Arc::new(bytes.iter().map(|bytes| bytes.map(widen::uuid)).collect::<StringViewArray>())
            }
            (Conversion::Text, _) => texts::texts(&values, self.field.is_nullable())?.array,
            #[cfg(feature = "delta")]
            (Conversion::Placed(stored), _) => stored.placed(&texts::texts(&values, true)?.array)?,
            _ => self.exact(&values)?,
        }))
    }

    fn return_field(&self, _schema: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let column = children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.column));
        Ok(Arc::new(Self::new(column, Arc::clone(&self.field), self.conversion.clone())))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAST(")?;
        self.column.fmt_sql(f)?;
        write!(f, " AS {})", self.field.data_type())
    }
}

impl fmt::Display for Converted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAST({} AS {})", self.column, self.field.data_type())
    }
}

impl PartialEq for Converted {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.field == other.field && self.conversion == other.conversion
    }
}

impl Eq for Converted {}

impl Hash for Converted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.field.hash(state);
        self.conversion.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Decimal128Array, Float64Array, Int64Array};
    use datafusion::arrow::datatypes::Field;
    use datafusion::physical_plan::expressions::Column;

    fn converted(numbers: &ArrayRef, to: DataType) -> Result<ArrayRef> {
        let field = Arc::new(Field::new("n", to, true));
        assert_eq!(Conversion::of(numbers.data_type(), field.data_type()), Some(Conversion::Exact));
        Converted::new(Arc::new(Column::new("n", 0)), field, Conversion::Exact).exact(numbers)
    }

    #[test]
    fn a_number_stays_what_it_is_or_is_an_error() {
        let whole = |number| Arc::new(Int64Array::from(vec![Some(number), None])) as ArrayRef;
        let held = converted(&whole(1 << 53), DataType::Float64).unwrap();
        assert_eq!(held.as_ref(), &Float64Array::from(vec![Some(9_007_199_254_740_992.0), None]) as &dyn Array);
        assert!(converted(&whole((1 << 53) + 1), DataType::Float64).is_err());
        let cents = Decimal128Array::from(vec![1386, 10]).with_precision_and_scale(10, 2).unwrap();
        let cents: ArrayRef = Arc::new(cents);
        assert!(converted(&cents, DataType::Float64).is_ok());
        for (number, fits) in [(3.0, true), (3.5, false), (f64::NAN, false), (1e300, false)] {
            let number: ArrayRef = Arc::new(Float64Array::from(vec![number]));
            assert_eq!(converted(&number, DataType::Int64).is_ok(), fits);
        }
    }
}
