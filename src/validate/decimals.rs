//! Amounts with more decimals than their currency has: `EUR 1.251`, `JPY 12.5`.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray, StringViewArray};

use super::cells::{self, RowSources};
use super::faults::Faults;
use crate::contract::currencies;

/// The rule that such an amount breaks.
const RULE: &str = "PB3117";

/// Judges the value of every row, and the prices of its items, by the row's currency. One amount of a row is told.
pub(super) fn judge<'a>(sources: &RowSources, column: &dyn Fn(&str) -> Option<&'a ArrayRef>, faults: &mut Faults) {
    let Some(currencies) = column("currency").and_then(|column| column.as_string_view_opt()) else { return };
    let values = column("value").and_then(|column| column.as_string_opt::<i32>());
    let contents = column("contents").and_then(|column| column.as_list_opt::<i32>());
    let prices = contents.and_then(|lists| lists.values().as_struct_opt()?.column_by_name("price"));
    let prices = prices.and_then(|prices| prices.as_string_opt::<i32>());
    for (row, source) in sources.iter().enumerate() {
        let Some(allowed) = source.and_then(|_| allowed(currencies, row)) else { continue };
        let is_finer =
            |amounts: &StringArray, cell: usize| amounts.is_valid(cell) && places(amounts.value(cell)) > allowed;
        let is_price = || {
            let (contents, prices) = contents.zip(prices)?;
            Some(cells::items(contents, row).any(|item| is_finer(prices, item)))
        };
        if values.is_some_and(|values| is_finer(values, row)) {
            tell("value", row, currencies.value(row), allowed, faults);
        } else if is_price() == Some(true) {
            tell("price", row, currencies.value(row), allowed, faults);
        }
    }
}

/// The decimals that an amount of the row may have, if its currency is known to have some number of them.
fn allowed(currencies: &StringViewArray, row: usize) -> Option<usize> {
    currencies::decimals(cells::text(currencies, row)?)
}

fn tell(column: &str, row: usize, currency: &str, allowed: usize, faults: &mut Faults) {
    let decimals = match allowed {
        0 => Cow::Borrowed("none"),
        some => Cow::Owned(some.to_string()),
    };
    let detail = format!("has more decimals than its currency, of which {currency} has {decimals}");
    faults.warn(row, Some(&Arc::from(column)), RULE, detail, None);
}

/// Digits behind the point of the JSON text of a number, which ends with none that are zero.
fn places(number: &str) -> usize {
    number.split_once('.').map_or(0, |(_, fraction)| fraction.len())
}
