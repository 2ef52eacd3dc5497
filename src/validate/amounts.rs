//! Columns of numbers and booleans.

use std::sync::Arc;

use datafusion::arrow::array::builder::{Int64Builder, ListBuilder, StringBuilder};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Int64Array};

use super::cells::{self, Scope};
use super::faults::Faults;
use super::number::{NumberFault, Numbers};
use crate::contract::{Field, Kind};

/// Bytes of an ordinary number's text.
const TEXT_BYTES: usize = 8;

/// JSON texts of a column of kind `Amount` or `Number`, or of a custom property.
pub(super) fn numbers(
    numbers: &Numbers<'_>,
    field: Option<&Field>,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(numbers.len(), numbers.len() * TEXT_BYTES);
    let mut text = String::new();
    for cell in 0..numbers.len() {
        let sent = scope.takes(cell) && number(numbers, cell, &mut text, field, scope, faults);
        builder.append_option(sent.then_some(&text));
    }
    Arc::new(builder.finish())
}

/// JSON texts of a column of lists of numbers.
pub(super) fn number_lists(
    column: &ArrayRef,
    field: &Field,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Option<ArrayRef> {
    let lists = column.as_list_opt::<i32>()?;
    let numbers = Numbers::of(lists.values())?;
    let mut builder = ListBuilder::new(StringBuilder::new());
    let mut text = String::new();
    for row in 0..lists.len() {
        let mut any = false;
        if scope.takes(row) {
            for cell in cells::items(lists, row) {
                if number_at(&numbers, (cell, row), &mut text, Some(field), scope, faults) {
                    builder.values().append_value(&text);
                    any = true;
                }
            }
        }
        builder.append(any);
    }
    Some(Arc::new(builder.finish()))
}

fn number(
    numbers: &Numbers<'_>,
    cell: usize,
    text: &mut String,
    field: Option<&Field>,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> bool {
    number_at(numbers, (cell, cell), text, field, scope, faults)
}

/// Reads the number at `place`, a position in `numbers` and the cell to blame; false when there is nothing to send.
fn number_at(
    numbers: &Numbers<'_>,
    place: (usize, usize),
    text: &mut String,
    field: Option<&Field>,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> bool {
    let (position, cell) = place;
    let row = scope.row(cell);
    let amount = field.is_some_and(|field| field.kind == Kind::Amount);
    let item = field.is_some_and(Field::is_item);
    match numbers.read(position, text) {
        Ok(false) => false,
        Ok(true) if amount && text.starts_with('-') => {
            let code = if item { "PB3055" } else { "PB3049" };
            faults.refuse(row, Some(scope.column), code, "is negative", Some(text));
            false
        }
        Ok(true) if field.is_some_and(|field| field.column == "attribution_share") && !is_share(text) => {
            faults.bad(scope, cell, "PB3065", "does not lie between 0 and 1", Some(text));
            false
        }
        Ok(true) => true,
        Err(fault) => {
            let code = match (amount, item) {
                (true, true) => "PB3055",
                (true, false) => "PB3048",
                _ => "PB3104",
            };
            // Not finite refuses in any field: a calculation went wrong, and leaving its result out would hide that.
            if amount || fault == NumberFault::NotFinite {
                faults.refuse(row, Some(scope.column), code, fault.reason(), None);
            } else {
                faults.bad(scope, cell, code, fault.reason(), None);
            }
            false
        }
    }
}

fn is_share(text: &str) -> bool {
    text.parse().is_ok_and(|share: f64| (0.0..=1.0).contains(&share))
}

/// Whole numbers of a column of kind `Integer` or `Quantity`, or of a custom property.
pub(super) fn integers(
    numbers: &Numbers<'_>,
    field: Option<&Field>,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Int64Array {
    let (least, small) = match field.map(|field| field.kind) {
        Some(Kind::Quantity) => (1, "is less than one"),
        Some(_) => (0, "is negative"),
        None => (i64::MIN, ""),
    };
    let mut builder = Int64Builder::with_capacity(numbers.len());
    let mut scratch = String::new();
    for cell in 0..numbers.len() {
        let whole = if scope.takes(cell) { numbers.integer(cell, &mut scratch) } else { Ok(None) };
        let detail = match whole {
            Ok(None) => None,
            Ok(Some(whole)) if whole >= least => {
                builder.append_value(whole);
                continue;
            }
            Ok(Some(_)) => Some(small),
            Err(fault) => Some(fault.reason()),
        };
        builder.append_null();
        let Some(detail) = detail else { continue };
        if least == 1 {
            faults.refuse(scope.row(cell), Some(scope.column), "PB3055", detail, None);
        } else if whole == Err(NumberFault::NotFinite) {
            faults.refuse(scope.row(cell), Some(scope.column), "PB3059", detail, None);
        } else {
            faults.bad(scope, cell, "PB3059", detail, None);
        }
    }
    builder.finish()
}

/// Booleans of a column of type `Boolean` or of texts that say `true` or `false`.
pub(super) fn booleans(
    column: &ArrayRef,
    field: Option<&Field>,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Option<BooleanArray> {
    if let Some(booleans) = column.as_boolean_opt() {
        return Some(booleans.clone());
    }
    let texts = column.as_string_view_opt()?;
    let is_choice = field.is_some_and(|field| field.column == "limited_data_use");
    let mut builder = BooleanBuilder::with_capacity(texts.len());
    for cell in 0..texts.len() {
        // A choice that has no effect on an event source is still a choice, in whatever form it was written.
        let text = cells::text(texts, cell).filter(|_| is_choice || scope.takes(cell));
        let named = |text: &str, name| text.trim().eq_ignore_ascii_case(name);
        match text {
            None => builder.append_null(),
            Some(text) if named(text, "true") => builder.append_value(true),
            Some(text) if named(text, "false") => builder.append_value(false),
            Some(_) if !scope.takes(cell) => builder.append_null(),
            Some(text) => {
                builder.append_null();
                if is_choice {
                    faults.refuse(
                        scope.row(cell),
                        Some(scope.column),
                        "PB3062",
                        "is neither true nor false",
                        Some(text),
                    );
                } else {
                    faults.bad(scope, cell, "PB3110", "is neither true nor false", Some(text));
                }
            }
        }
    }
    Some(builder.finish())
}
