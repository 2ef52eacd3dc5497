//! Texts that are sent as they are: whether they tell of a person, and whether they are words for a missing value.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};

use super::cells::{self, RowSources, Scope, Texts};
use super::faults::Faults;
use super::rows::Output;
use crate::contract::phone::Region;
use crate::contract::{Field, Kind, personal, placeholders};

/// Judges a text of `field`, which is sent whatever is found unless its row is refused.
pub(super) fn judge(
    text: &str,
    field: &Field,
    region: Option<Region>,
    cell: usize,
    scope: &Scope<'_>,
    faults: &mut Faults,
) {
    let tells_apart = field.is_id() || matches!(field.kind, Kind::PersonName | Kind::ZipCode | Kind::Place);
    if tells_apart && placeholders::is_word(text) {
        faults.bad(scope, cell, "PB3121", "is a word for a missing value", Some(text));
    }
    if field.is_plain_text()
        && let Some(found) = personal::find(text, region)
    {
        let detail = format!("holds {} in plain form", found.as_str());
        faults.personal(scope.row(cell), scope.column, detail, text);
    }
}

/// Judges a custom property called `name`, of any type.
pub(super) fn property(column: &ArrayRef, output: &Output, region: Option<Region>, faults: &mut Faults) {
    let name = output.name.strip_prefix(super::PROPERTY).unwrap_or(&output.name);
    let mut see = |row: usize, text: &str| {
        if let Some(found) = personal::find_named(name, text, region) {
            let detail = format!("holds {} in plain form", found.as_str());
            faults.personal(row, &output.name, detail, text);
        }
    };
    match column.data_type() {
        DataType::Utf8View => {
            let texts = column.as_string_view();
            (0..texts.len()).for_each(|row| cells::text(texts, row).into_iter().for_each(|text| see(row, text)));
        }
        DataType::Int64 => {
            let numbers = column.as_primitive::<Int64Type>();
            (0..numbers.len())
                .filter(|row| numbers.is_valid(*row))
                .for_each(|row| see(row, &numbers.value(row).to_string()));
        }
        _ => {}
    }
}

/// Finds the digits of the row's own phone number in texts that are sent as they are: `given` are those columns,
/// `phones` the numbers as the query returned them.
pub(super) fn note_own_numbers(
    given: &[(&Arc<str>, [bool; 4], &ArrayRef)],
    phones: &Texts<'_>,
    sources: &RowSources,
    faults: &mut Faults,
) {
    for (name, takes, column) in given {
        let Some(texts) = column.as_string_view_opt() else { continue };
        for (row, source) in sources.iter().enumerate() {
            let is_sent = source.is_some_and(|source| takes[source as usize]);
            let Some(text) = cells::text(texts, row).filter(|_| is_sent) else { continue };
            if phones.row(row).any(|phone| personal::is_same_number(text.trim(), phone)) {
                faults.personal(row, name, "holds the row's phone number in plain form".to_owned(), text);
            }
        }
    }
}
