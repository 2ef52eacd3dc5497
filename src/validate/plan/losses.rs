//! What is said of numbers that lose something on their way into an amount.

use super::{Column, Finding, Subject};

/// What a number loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// What a division of whole numbers leaves over, by the divisor where that stands in the query.
    Division(Option<i64>),
    /// The fraction, which a cast to a whole number cuts off.
    Fraction,
}

/// The finding that `column`, number `index` of the result, loses something.
#[must_use]
pub fn loss(index: usize, column: &Column, loss: Loss) -> Finding {
    let (name, subject) = (&column.name, Subject::Name(index));
    match loss {
        Loss::Division(divisor) => {
            let message = format!("`{name}` comes from a division of whole numbers, which drops the decimals");
            let help = match divisor {
                Some(divisor) => format!("write / {divisor}.0 in place of / {divisor}"),
                None => "convert one side first: CAST(x AS DECIMAL(18, 2)) / y".to_owned(),
            };
            Finding::new("PB2024", subject, message).help(help)
        }
        Loss::Fraction => {
            let message = format!("`{name}` is cast to a whole number, which cuts the decimals off: 19.99 becomes 19");
            Finding::new("PB2025", subject, message)
        }
    }
}
