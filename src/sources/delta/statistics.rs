//! What the log says of the values in each file, so that a file without a row that is asked for is not opened.
//!
//! Statistics are bounds: the smallest and the largest value of a column, as they were when the file was written. Deleted
//! rows make them wider than they have to be, and never too narrow. Of floats there are none, whose NaN is in no bounds, nor
//! of long decimals.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::active::{ActiveFiles, typed};
use crate::sources::parquet::Stored;

/// Times in statistics are cut to milliseconds, so that the largest may be so many microseconds later.
const CUT_OFF: i64 = 999;
/// Digits that every decimal number keeps in a 64-bit float.
const FLOAT_DIGITS: u8 = 15;

/// What the log says of the values in a file.
#[derive(Debug, Default)]
pub(super) struct FileStatistics {
    /// Rows, deleted ones included.
    pub(super) rows: Option<u64>,
    /// For each column, the smallest value, the largest, and how many are null.
    columns: Vec<(Option<String>, Option<String>, Option<u64>)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    #[serde(default)]
    num_records: Option<u64>,
    #[serde(default, borrow)]
    min_values: Option<HashMap<String, &'a RawValue>>,
    #[serde(default, borrow)]
    max_values: Option<HashMap<String, &'a RawValue>>,
    #[serde(default, borrow)]
    null_count: Option<HashMap<String, &'a RawValue>>,
}

/// The statistics of all files, column by column.
#[derive(Debug)]
pub(super) struct Statistics {
    files: usize,
    rows: ArrayRef,
    columns: HashMap<String, Bounds>,
}

#[derive(Debug)]
struct Bounds {
    smallest: ArrayRef,
    largest: ArrayRef,
    nulls: ArrayRef,
}

impl FileStatistics {
    /// Those in `json` for `columns`; nothing where it is none.
    pub(super) fn read(json: &str, columns: &[Stored]) -> Self {
        let Ok(found) = serde_json::from_str::<Json<'_>>(json) else { return Self::default() };
        let text = |values: &Option<HashMap<String, &RawValue>>, name: &str| {
            let raw = values.as_ref()?.get(name)?.get();
            // Numbers keep their digits.
            let text = if raw.starts_with('"') { serde_json::from_str(raw).ok()? } else { raw.to_owned() };
            (raw != "null").then_some(text)
        };
        let column = |column: &Stored| {
            if !has_bounds(column.field.data_type()) {
                return (None, None, None);
            }
            let nulls = text(&found.null_count, &column.name).and_then(|count| count.parse().ok());
            (text(&found.min_values, &column.name), text(&found.max_values, &column.name), nulls)
        };
        Self { rows: found.num_records, columns: columns.iter().map(column).collect() }
    }
}

/// Whether statistics of a type are used. Some writers round decimals to floats, which keep fewer digits.
fn has_bounds(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal128(digits, _) => *digits <= FLOAT_DIGITS,
        other => !other.is_nested() && !other.is_floating(),
    }
}

impl Statistics {
    /// Those of `active` files, for `columns`, and for the columns of `partitions` with their values.
    pub(super) fn new(active: &ActiveFiles, columns: &[Stored], partitions: &[(Stored, ArrayRef)]) -> Self {
        let rows: UInt64Array = active.statistics.iter().map(|file| file.rows).collect();
        let mut bounds = HashMap::new();
        for (index, column) in columns.iter().enumerate() {
            let data_type = column.field.data_type();
            let of = |file: &FileStatistics| file.columns.get(index).cloned().unwrap_or_default();
            let smallest: StringArray = active.statistics.iter().map(|file| of(file).0).collect();
            let largest: StringArray = active.statistics.iter().map(|file| of(file).1).collect();
            let nulls: UInt64Array = active.statistics.iter().map(|file| of(file).2).collect();
            let has_some = smallest.null_count() < smallest.len() || nulls.null_count() < nulls.len();
            if !has_bounds(data_type) || !has_some {
                continue;
            }
            let (Some(smallest), Some(largest)) = (typed(smallest, data_type), typed(largest, data_type)) else {
                continue;
            };
            let largest = not_cut(&largest);
            bounds.insert(column.field.name().clone(), Bounds { smallest, largest, nulls: Arc::new(nulls) });
        }
        for (column, values) in partitions {
            let nulls = (0..values.len())
                .map(|file| if values.is_null(file) { rows.is_valid(file).then(|| rows.value(file)) } else { Some(0) });
            let nulls: ArrayRef = Arc::new(nulls.collect::<UInt64Array>());
            let (smallest, largest) = (Arc::clone(values), Arc::clone(values));
            bounds.insert(column.field.name().clone(), Bounds { smallest, largest, nulls });
        }
        Self { files: active.files.len(), rows: Arc::new(rows), columns: bounds }
    }
}

/// The largest values, of which times may have been cut.
fn not_cut(largest: &ArrayRef) -> ArrayRef {
    let DataType::Timestamp(TimeUnit::Microsecond, zone) = largest.data_type() else { return Arc::clone(largest) };
    let times = largest.as_primitive::<TimestampMicrosecondType>();
    let later = times.unary::<_, TimestampMicrosecondType>(|time| time.saturating_add(CUT_OFF));
    Arc::new(later.with_timezone_opt(zone.clone()))
}

impl PruningStatistics for Statistics {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.columns.get(&column.name).map(|bounds| Arc::clone(&bounds.smallest))
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.columns.get(&column.name).map(|bounds| Arc::clone(&bounds.largest))
    }

    fn num_containers(&self) -> usize {
        self.files
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        self.columns.get(&column.name).map(|bounds| Arc::clone(&bounds.nulls))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::clone(&self.rows))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Field;

    use super::*;

    fn column(name: &str, data_type: DataType) -> Stored {
        Stored {
            field: Arc::new(Field::new(name, data_type, true)),
            name: format!("col-{name}"),
            id: None,
            parts: vec![],
        }
    }

    #[test]
    fn bounds_are_read_by_the_names_in_files_and_keep_their_digits() {
        let columns = [
            column("total", DataType::Decimal128(15, 2)),
            column("long", DataType::Decimal128(38, 18)),
            column("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            column("share", DataType::Float64),
        ];
        let json = r#"{"numRecords":3,"minValues":{"col-total":1234567890123.45,"col-long":0.1,"share":1,"total":7},
            "maxValues":{"col-at":"2026-11-01T00:00:00.123Z","col-share":2.5},"nullCount":{"col-at":1,"col-x":{"y":1}}}"#;
        let found = FileStatistics::read(json, &columns);
        assert_eq!(found.rows, Some(3));
        assert_eq!(found.columns[0].0.as_deref(), Some("1234567890123.45"));
        assert_eq!(found.columns[1].0, None);
        assert_eq!(found.columns[2], (None, Some("2026-11-01T00:00:00.123Z".to_owned()), Some(1)));
        assert_eq!(found.columns[3], (None, None, None));
        assert_eq!(FileStatistics::read("{", &columns).rows, None);
    }

    #[test]
    fn a_largest_time_may_be_a_little_later() {
        let at = typed(
            StringArray::from(vec!["2026-11-01T00:00:00.123Z"]),
            &DataType::Timestamp(TimeUnit::Microsecond, None),
        );
        let later = not_cut(&at.unwrap());
        assert_eq!(later.as_primitive::<TimestampMicrosecondType>().value(0) % 1_000_000, 123_999);
    }
}
