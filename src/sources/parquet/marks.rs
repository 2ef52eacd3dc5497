//! Rows of a Parquet file that hold bytes in the place of text: each is noted with its number, and left out.
//!
//! A decoder's batch is brought to the columns of the plan by expressions, which cannot leave out a row. One expression
//! more ([`Mark`]) therefore says of each row which column is at fault, and behind it stands the number of the row in its
//! file; both are taken off again with the rows that are told ([`Marked`]).

use std::collections::BTreeSet;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch, UInt64Array};
use datafusion::arrow::compute::{filter_record_batch, is_null};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type, Schema, UInt64Type};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::expressions::Column;
use parquet::arrow::RowNumber;

use super::converted::Converted;
use super::texts::{Faults, both};
use crate::sources::unread::{Damage, Fault, Spot, Unread};

/// The name of the column of row numbers.
const ROW: &str = "\u{1}row";
/// The name of the column of faults.
const FAULT: &str = "\u{1}fault";
/// Bytes of digests: MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
const DIGESTS: [usize; 6] = [16, 20, 28, 32, 48, 64];
/// Bits of the number of bytes.
const BYTES: u32 = 32;

/// The table `columns`, and behind its columns the number of each row in its file.
pub(super) fn numbered(columns: &TableSchema) -> TableSchema {
    let is_taken = |name: &str| columns.table_schema().column_with_name(name).is_some();
    let mut name = ROW.to_owned();
    while is_taken(&name) {
        name.push('_');
    }
    let row: FieldRef = Arc::new(Field::new(name, DataType::Int64, false).with_extension_type(RowNumber));
    TableSchema::builder(Arc::clone(columns.file_schema()))
        .with_table_partition_cols(columns.table_partition_cols().clone())
        .with_virtual_columns(vec![row])
        .build()
}

/// Whether `field` is the number of the row in its file.
pub(super) fn is_row_number(field: &Field) -> bool {
    field.try_extension_type::<RowNumber>().is_ok()
}

/// What `projection` of a [`numbered`] table asks for, and behind that what tells its faulty rows.
pub(super) struct Marked {
    /// The projection with two columns more.
    pub(super) projection: ProjectionExprs,
    /// How many columns it has without.
    asked: usize,
    /// The names of the columns that are looked at.
    columns: Vec<String>,
}

impl Marked {
    /// Of `projection` of the table `columns`; none if it asks for no column of a file.
    pub(super) fn new(projection: &ProjectionExprs, columns: &TableSchema) -> Option<Self> {
        let of_files = columns.file_schema().fields().len();
        let found: BTreeSet<usize> = projection
            .iter()
            .flat_map(|asked| collect_columns(&asked.expr))
            .map(|column| column.index())
            .filter(|index| *index < of_files)
            .collect();
        let row = columns.virtual_columns().first()?.name();
        if found.is_empty() {
            return None;
        }
        let schema = columns.table_schema();
        let column = |index: usize| Column::new(schema.field(index).name(), index);
        let looked_at = found.iter().map(|index| Arc::new(column(*index)) as Arc<dyn PhysicalExpr>).collect();
        let names = found.iter().map(|index| schema.field(*index).name().clone()).collect();
        let row = Arc::new(Column::new(row, schema.index_of(row).ok()?));
        let more = [ProjectionExpr::new(Arc::new(Mark(looked_at)), FAULT), ProjectionExpr::new(row, ROW)];
        let asked = projection.iter().count();
        let projection = ProjectionExprs::new(projection.iter().cloned().chain(more));
        Some(Self { projection, asked, columns: names })
    }

    /// The rows of `batch` without fault, in the columns that were asked for; others, of the file `shown`, are `unread`.
    ///
    /// # Errors
    /// Those of columns that do not fit together.
    pub(super) fn sound(&self, batch: &RecordBatch, shown: &str, unread: &Unread) -> Result<RecordBatch> {
        let asked = batch.project(&(0..self.asked).collect::<Vec<_>>())?;
        let faults = batch.column(self.asked).as_primitive::<UInt64Type>();
        if faults.null_count() == faults.len() {
            return Ok(asked);
        }
        let rows = batch.column(self.asked + 1).as_primitive::<Int64Type>();
        for (fault, row) in faults.iter().zip(rows.values()) {
            if let Some(fault) = fault {
                unread.fault(shown, self.fault(fault, u64::try_from(*row).unwrap_or_default() + 1));
            }
        }
        Ok(filter_record_batch(&asked, &is_null(faults)?)?)
    }

    fn fault(&self, fault: u64, row: u64) -> Fault {
        let (column, bytes) = (fault >> BYTES, usize::try_from(fault & u64::from(u32::MAX)).unwrap_or_default());
        let column = usize::try_from(column).ok().and_then(|column| self.columns.get(column));
        let name = column.map_or("", String::as_str);
        let is_digest = DIGESTS.contains(&bytes);
        let (damage, detail) = if is_digest {
            (Damage::Digest, format!("{bytes} bytes in its column `{name}` that are no text, as a digest is"))
        } else {
            (Damage::Bytes, format!("bytes in its column `{name}` that are not UTF-8"))
        };
        Fault { spot: Spot::line(row), damage, detail: detail.into() }
    }
}

/// For each row, the number of the first column at fault and the bytes of its value; null for a row of text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Mark(Vec<Arc<dyn PhysicalExpr>>);

impl PhysicalExpr for Mark {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::UInt64)
    }

    fn nullable(&self, _schema: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let mut all: Vec<Option<u64>> = Vec::new();
        for (number, column) in self.0.iter().enumerate() {
            let Some(faults) = faults(column, batch)? else { continue };
            all.resize(batch.num_rows(), None);
            for (known, fault) in all.iter_mut().zip(faults) {
                *known = known
                    .or(fault
                        .map(|bytes| (number as u64) << BYTES | u64::from(u32::try_from(bytes).unwrap_or(u32::MAX))));
            }
        }
        Ok(ColumnarValue::Array(if all.is_empty() {
            Arc::new(UInt64Array::new_null(batch.num_rows()))
        } else {
            Arc::new(UInt64Array::from(all))
        }))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.0.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self(children)))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fault()")
    }
}

/// The faults of what `expression` reads.
fn faults(expression: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<Option<Faults>> {
    if let Some(converted) = expression.downcast_ref::<Converted>() {
        return converted.faults(batch);
    }
    expression.children().into_iter().try_fold(None, |found, child| Ok(both(found, faults(child, batch)?)))
}
