//! Columns that a table declares as a time of another kind than the file has: no reader knows the zone between them.

use datafusion::arrow::datatypes::{DataType, Field, Schema};

use super::file::SourceFile;
use crate::contract::schema::described;
use crate::contract::temporal;
use crate::error::{Error, ErrorKind};

/// The first of the columns that is read as a time of another kind than the files have, and what they have.
pub(super) fn first<'a>(columns: &'a Schema, in_files: &'a Schema) -> Option<(&'a Field, &'a DataType)> {
    columns.fields().iter().find_map(|field| {
        let found = in_files.fields().iter().find(|found| found.name().eq_ignore_ascii_case(field.name()))?;
        temporal::crosses(found.data_type(), field.data_type()).then_some((field.as_ref(), found.data_type()))
    })
}

/// Says that `field` is declared as a time of another kind than the one of type `found` in `file`.
pub(super) fn refused(file: &SourceFile, field: &Field, found: &DataType) -> Error {
    let (found, declared) = (described(found), described(field.data_type()));
    let message = format!("`{}` is {found} in `{}`, not {declared}", field.name(), file.shown());
    Error::new(ErrorKind::Source, message).hint(
        "declare the type that the file has, and convert it in the query: iso8601(x), to_timestamp_seconds(x) or \
         x AT TIME ZONE 'Area/City'",
    )
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn a_time_of_another_kind_is_found() {
        let clock = DataType::Timestamp(TimeUnit::Microsecond, None);
        let instant = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let of = |data_type: &DataType| Schema::new(vec![Field::new("at", data_type.clone(), true)]);
        for (found, declared, is_refused) in [
            (&clock, &instant, true),
            (&instant, &clock, true),
            (&instant, &DataType::Date32, true),
            (&DataType::Date32, &instant, true),
            (&DataType::Utf8View, &instant, true),
            (&DataType::Utf8View, &clock, true),
            (&DataType::Int64, &clock, true),
            (&clock, &DataType::Int64, true),
            (&clock, &DataType::Date32, false),
            (&DataType::Date32, &clock, false),
            (&clock, &DataType::Utf8, false),
            (&instant, &DataType::Utf8, false),
            (&clock, &DataType::Timestamp(TimeUnit::Second, None), false),
        ] {
            assert_eq!(first(&of(declared), &of(found)).is_some(), is_refused, "{found} as {declared}");
        }
    }
}
