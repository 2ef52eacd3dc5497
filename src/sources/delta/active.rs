//! The files that are part of a table at a version: where they lie, what is deleted of them, what their log says of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use deltalake_core::kernel::LogicalFileView;

use super::deletion::DeletionVector;
use super::files::require_inside;
use super::statistics::FileStatistics;
use crate::error::{Error, ErrorKind, Result};
use crate::sources::listing::MAX_FILES;
use crate::sources::parquet::Stored;

/// A file that is part of a table.
#[derive(Clone, Debug)]
pub(super) struct Active {
    /// Its path in the table.
    pub(super) path: String,
    /// Its bytes, as the log says.
    pub(super) size: u64,
    /// Which of its rows are deleted.
    pub(super) deletion: Option<DeletionVector>,
    /// Its rows, deleted ones included, where the log says so.
    pub(super) rows: Option<u64>,
}

/// The files of a table with what the log says of each.
#[derive(Debug, Default)]
pub(super) struct ActiveFiles {
    pub(super) files: Vec<Active>,
    /// For each file, the texts of its partition values by the names of the columns in files.
    pub(super) partitions: Vec<HashMap<String, Option<String>>>,
    /// For each file, what its statistics say.
    pub(super) statistics: Vec<FileStatistics>,
    /// Their paths.
    paths: HashSet<String>,
}

impl ActiveFiles {
    /// Adds what `view` says of a file of the table `shown`, of which statistics are kept for `columns`.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] for a file outside the table, for one that is there twice under two spellings or with two
    /// sets of deleted rows, for what cannot be, and for too many files.
    pub(super) fn add(&mut self, shown: &str, view: &LogicalFileView, columns: &[Stored]) -> Result<()> {
        if self.files.len() == MAX_FILES {
            return Err(Error::new(ErrorKind::Source, format!("`{shown}` has over {MAX_FILES} files"))
                .hint("`OPTIMIZE` makes fewer and larger ones of them"));
        }
        let path = view.path().into_owned();
        require_inside(shown, &path)?;
        if !self.paths.insert(path.clone()) {
            return Err(impossible(shown, &path, "is part of the table twice"));
        }
        let size = u64::try_from(view.size()).map_err(|_| impossible(shown, &path, "has a negative size"))?;
        let deletion = view.deletion_vector_descriptor().map(|found| DeletionVector::of(shown, &found)).transpose()?;
        let statistics = view.stats().map(|json| FileStatistics::read(&json, columns)).unwrap_or_default();
        self.files.push(Active { path, size, deletion, rows: statistics.rows });
        self.partitions.push(view.partition_values_map());
        self.statistics.push(statistics);
        Ok(())
    }

    /// The values of the partition `column`, one for each file.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] for one that is none of its type, without the value.
    pub(super) fn values(&self, shown: &str, column: &Stored) -> Result<ArrayRef> {
        let value = |values: &HashMap<String, Option<String>>| {
            let value = values.get(&column.name).or_else(|| values.get(column.field.name()));
            value.cloned().flatten().filter(|value| !value.is_empty())
        };
        let texts: StringArray = self.partitions.iter().map(value).collect();
        let nulls = texts.null_count();
        let wanted = column.field.data_type();
        typed(texts, wanted).filter(|values| values.null_count() == nulls).ok_or_else(|| {
            let message = format!("the log of `{shown}` gives `{}` a value that is no {wanted}", column.field.name());
            Error::new(ErrorKind::Source, message).hint(super::actions::DAMAGED_LOG)
        })
    }
}

/// `texts` as values of `wanted`; null where they are none.
pub(super) fn typed(texts: StringArray, wanted: &DataType) -> Option<ArrayRef> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let texts: ArrayRef = Arc::new(texts);
    match wanted {
        // A time that names no zone is one of UTC.
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            let local = DataType::Timestamp(TimeUnit::Microsecond, None);
            let local = cast_with_options(&texts, &local, &options).ok()?;
            cast_with_options(&local, wanted, &options).ok()
        }
        _ => cast_with_options(&texts, wanted, &options).ok(),
    }
}

fn impossible(shown: &str, path: &str, what: &str) -> Error {
    let message = format!("the log of `{shown}` says that `{path}` {what}");
    Error::new(ErrorKind::Source, message).hint(super::actions::DAMAGED_LOG)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::util::display::array_value_to_string;

    use super::*;

    #[test]
    fn texts_of_partitions_are_values() {
        for (text, data_type, expected) in [
            ("7", DataType::Int32, "7"),
            ("2026-11-01", DataType::Date32, "2026-11-01"),
            ("true", DataType::Boolean, "true"),
            ("12.5", DataType::Decimal128(10, 2), "12.50"),
            ("a b", DataType::Utf8View, "a b"),
            ("2026-11-01 10:00:00", DataType::Timestamp(TimeUnit::Microsecond, None), "2026-11-01T10:00:00"),
            (
                "2026-11-01 10:00:00.5",
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                "2026-11-01T10:00:00.500Z",
            ),
            (
                "2026-11-01T10:00:00.000000Z",
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                "2026-11-01T10:00:00Z",
            ),
        ] {
            let values = typed(StringArray::from(vec![text]), &data_type).unwrap();
            assert_eq!(array_value_to_string(&values, 0).unwrap(), expected, "{text} {data_type}");
        }
        assert_eq!(typed(StringArray::from(vec!["x"]), &DataType::Int32).unwrap().null_count(), 1);
    }
}
