//! Whether the rows of a query have numbers that say which rows they are.

use std::sync::{Arc, OnceLock};

/// The numbers of the rows of a query.
///
/// A folded row is several, and rows that several cores have mixed come in another order in each run: neither has a number.
#[derive(Clone, Debug, Default)]
pub struct RowNumbers {
    folds: bool,
    are_mixed: Arc<OnceLock<bool>>,
}

impl RowNumbers {
    /// The row numbers of a query that `folds` its rows, or does not.
    pub(super) fn new(folds: bool) -> Self {
        Self { folds, are_mixed: Arc::default() }
    }

    /// Notes whether the plan gives its rows in the same order in every run, as it was first found.
    pub fn settle(&self, is_same_order: bool) {
        self.are_mixed.get_or_init(|| !is_same_order);
    }

    /// Whether a row has one.
    #[must_use]
    pub fn are_given(&self) -> bool {
        !self.folds && !self.are_mixed()
    }

    /// Whether rows have none because the plan mixes them.
    #[must_use]
    pub fn are_mixed(&self) -> bool {
        self.are_mixed.get().copied().unwrap_or_default()
    }

    /// The position, from 1, of row number `row`, from 0, in the query's result.
    #[must_use]
    pub fn position(&self, row: u64) -> Option<u64> {
        self.are_given().then_some(row + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_number_unless_rows_are_folded_or_mixed() {
        for (folds, same_order, expected) in
            [(false, None, Some(8)), (false, Some(true), Some(8)), (false, Some(false), None), (true, Some(true), None)]
        {
            let numbers = RowNumbers::new(folds);
            if let Some(same_order) = same_order {
                numbers.clone().settle(same_order);
                numbers.settle(true);
            }
            assert_eq!(numbers.position(7), expected, "{folds} {same_order:?}");
        }
    }
}
