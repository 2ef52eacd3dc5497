//! The most frequent value of a column, in bounded memory.

use datasketches::frequencies::{ErrorType, FrequentItemsSketch};

/// Places in the table of values. Three quarters of them, 49,152, are filled before rare values are let go.
const PLACES: usize = 65_536;

/// Counts values, and knows the most frequent one.
#[derive(Clone, Debug)]
pub(super) struct Frequent(FrequentItemsSketch<u64>);

impl Default for Frequent {
    fn default() -> Self {
        Self(FrequentItemsSketch::new(PLACES).expect("the number of places is a power of two"))
    }
}

/// How often the most frequent value occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Top {
    /// Exact, or at least this.
    pub(super) events: u64,
    /// Whether it may be more.
    pub(super) is_exact: bool,
}

impl Frequent {
    pub(super) fn add(&mut self, value: u64) {
        self.0.update(value);
    }

    /// The most frequent value; none where the sketch knows of none for certain.
    pub(super) fn top(&self) -> Option<Top> {
        let error = self.0.maximum_error();
        let rows = self.0.frequent_items(ErrorType::NoFalsePositives);
        let most = rows.iter().map(datasketches::frequencies::Row::lower_bound).max()?;
        Some(Top { events: most, is_exact: error == 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_among_many_is_found() {
        let mut frequent = Frequent::default();
        for number in 0..10_000_u64 {
            frequent.add(number);
            if number % 10 == 0 {
                frequent.add(7);
            }
        }
        assert_eq!(frequent.top(), Some(Top { events: 1_001, is_exact: true }));
        assert_eq!(Frequent::default().top(), None);
    }

    #[test]
    fn beyond_the_table_a_frequent_value_is_still_found() {
        let (mut frequent, distinct) = (Frequent::default(), 200_000_u64);
        for number in 0..distinct {
            frequent.add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            if number % 50 == 0 {
                frequent.add(7);
            }
        }
        let top = frequent.top().unwrap();
        let expected = distinct / 50;
        assert!(!top.is_exact && top.events <= expected && top.events + 100 > expected, "{top:?}");
    }
}
