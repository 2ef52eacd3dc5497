//! Columns that stand in the names of folders, as Hive, Spark and Redshift write them: `country=DE/day=2026-11-01`.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};

use super::file::SourceFile;
use super::{meaning, typed};
use crate::error::{Error, ErrorKind, Result};

/// How Hive and Spark write a null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The columns that the folders of a source give, with their values for each file.
#[derive(Clone, Debug, Default)]
pub(super) struct Partitions {
    fields: Vec<FieldRef>,
    /// For each column, its value for each file.
    values: Vec<ArrayRef>,
}

impl Partitions {
    /// Those of `files` that are not also columns in the files. A column is of whole numbers or dates if all its values
    /// are, else text; `declared` types win.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if the files lie in folders of different columns, or a value does not fit its declared type.
    pub(super) fn of(files: &[SourceFile], columns: &Schema, declared: &[FieldRef]) -> Result<Self> {
        let Some(first) = files.first() else { return Ok(Self::default()) };
        let names = |file: &SourceFile| file.partitions.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let expected = names(first);
        if let Some(other) = files.iter().find(|file| names(file) != expected) {
            let words = |file| match names(file).as_slice() {
                [] => "none".to_owned(),
                names => names.join(", "),
            };
            return Err(Error::new(ErrorKind::Source, "the files lie in folders of different partition columns")
                .context("file", format!("{} ({})", first.shown(), words(first)))
                .context("file", format!("{} ({})", other.shown(), words(other)))
                .hint("a file may have slipped into the wrong folder; a glob names those that belong together"));
        }
        let is_in_path = |field: &FieldRef| expected.iter().any(|name| name.eq_ignore_ascii_case(field.name()));
        if let Some(missing) = declared.iter().find(|field| !is_in_path(field)) {
            let message = format!("no folder on the way to `{}` is named `{}=…`", first.shown(), missing.name());
            return Err(Error::new(ErrorKind::Source, message));
        }
        let mut partitions = Self::default();
        for (index, name) in expected.iter().enumerate() {
            let is_column = columns.fields().iter().any(|field| field.name().eq_ignore_ascii_case(name));
            let declared = declared.iter().find(|field| field.name().eq_ignore_ascii_case(name));
            let shown = declared.map_or(name, |field| field.name());
            if is_column && declared.is_none() {
                continue;
            }
            let texts: Vec<Option<&str>> = files.iter().map(|file| file.partitions[index].1.as_deref()).collect();
            let data_type = declared.map_or_else(|| inferred(name, &texts), |field| field.data_type().clone());
            let texts: ArrayRef = Arc::new(StringArray::from(texts));
            let values = cast(&texts, &data_type).ok().filter(|values| values.null_count() == texts.null_count());
            let values = values.ok_or_else(|| {
                Error::new(ErrorKind::Source, format!("a folder named `{name}=…` holds a value that is no {data_type}"))
            })?;
            partitions.fields.push(Arc::new(Field::new(shown, data_type, true)));
            partitions.values.push(values);
        }
        Ok(partitions)
    }

    /// The columns.
    pub(super) fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    /// What the folders say of file number `file`, in the order of the columns.
    ///
    /// # Errors
    /// None for a file of the source.
    pub(super) fn values(&self, file: usize) -> datafusion::error::Result<Vec<ScalarValue>> {
        self.values.iter().map(|values| ScalarValue::try_from_array(values, file)).collect()
    }

    /// Whether a filter asks for nothing but these columns.
    pub(super) fn answer(&self, filter: &Expr) -> bool {
        let asked = filter.column_refs();
        !asked.is_empty()
            && !filter.is_volatile()
            && asked.iter().all(|column| self.fields.iter().any(|field| *field.name() == column.name))
    }

    /// What a scan does with a filter: all of it where only these columns are asked for, else what it `otherwise` does.
    pub(super) fn pushdown(
        &self,
        filter: &Expr,
        otherwise: TableProviderFilterPushDown,
    ) -> TableProviderFilterPushDown {
        if self.answer(filter) { TableProviderFilterPushDown::Exact } else { otherwise }
    }

    /// The numbers of those of `files` files that may hold a row that `filters` keep.
    ///
    /// # Errors
    /// What evaluating a filter gives.
    pub(super) fn kept(
        &self,
        files: usize,
        session: &dyn Session,
        filters: &[Expr],
    ) -> datafusion::error::Result<Vec<usize>> {
        let asked = conjunction(filters.iter().filter(|filter| self.answer(filter)).map(unqualified));
        let Some(asked) = asked else { return Ok((0..files).collect()) };
        let schema = Arc::new(Schema::new(self.fields.clone()));
        let asked = session.create_physical_expr(asked, &DFSchema::try_from(Arc::clone(&schema))?)?;
        let options = RecordBatchOptions::new().with_row_count(Some(files));
        let values = RecordBatch::try_new_with_options(schema, self.values.clone(), &options)?;
        let kept = asked.evaluate(&values)?.into_array(files)?;
        let kept: &BooleanArray = kept.as_boolean();
        Ok((0..files).filter(|file| kept.is_valid(*file) && kept.value(*file)).collect())
    }
}

/// What the folders between `root` and `file` say.
pub(super) fn of_path(root: &Path, file: &Path) -> Vec<(String, Option<String>)> {
    let folders =
        file.parent().and_then(|folder| folder.strip_prefix(root).ok()).into_iter().flat_map(Path::components);
    folders.filter_map(|folder| of_folder(&folder.as_os_str().to_string_lossy())).collect()
}

/// What the name of one folder says.
pub(super) fn of_folder(folder: &str) -> Option<(String, Option<String>)> {
    let (name, value) = folder.split_once('=')?;
    (!name.is_empty()).then(|| (percent(name), (value != NULL).then(|| percent(value))))
}

/// `text` with its `%3A` decoded; as it is where that gives no text.
fn percent(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Cow::into_owned)
}

/// The type that all of `texts` have.
fn inferred(name: &str, texts: &[Option<&str>]) -> DataType {
    let mut known = texts.iter().flatten().peekable();
    if known.peek().is_none() || meaning::identifies(name) {
        return DataType::Utf8;
    }
    let all = |fits: &dyn Fn(&str) -> bool| texts.iter().flatten().all(|text| fits(text));
    let is_date = |text: &str| text.len() == "2026-11-01".len() && text.parse::<jiff::civil::Date>().is_ok();
    if all(&|text| text.parse::<i64>().is_ok() && typed::keeps(text, &DataType::Int64)) {
        DataType::Int64
    } else if all(&is_date) {
        DataType::Date32
    } else {
        DataType::Utf8
    }
}

/// `filter` with its columns called by their names alone.
fn unqualified(filter: &Expr) -> Expr {
    datafusion::logical_expr::expr_rewriter::unnormalize_col(filter.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_say_names_and_values() {
        let said = of_path(
            Path::new("in"),
            Path::new("in/country=DE/plain/at=2026-11-01 10%3A00/=x/none=__HIVE_DEFAULT_PARTITION__/a.csv"),
        );
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            said,
            [
                ("country".to_owned(), text("DE")),
                ("at".to_owned(), text("2026-11-01 10:00")),
                ("none".to_owned(), None)
            ]
        );
        for (folder, value) in [
            ("a=%", "%"),
            ("a=%4", "%4"),
            ("a=%+1", "%+1"),
            ("a=%C3%A9", "é"),
            ("a=%FF", "%FF"),
            ("a=b=c", "b=c"),
            ("a=", ""),
        ] {
            assert_eq!(of_folder(folder), Some(("a".to_owned(), text(value))), "{folder}");
        }
    }

    #[test]
    fn values_decide_the_type() {
        for (name, texts, expected) in [
            ("year", [Some("2026"), None], DataType::Int64),
            ("month", [Some("01"), Some("11")], DataType::Utf8),
            ("day", [Some("2026-11-01"), Some("2026-02-28")], DataType::Date32),
            ("day", [Some("2026-11-01"), Some("2026-02-30")], DataType::Utf8),
            ("store_id", [Some("1"), Some("2")], DataType::Utf8),
            ("none", [None, None], DataType::Utf8),
        ] {
            assert_eq!(inferred(name, &texts), expected, "{name} {texts:?}");
        }
    }
}
