//! Counts as people read them.

/// `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 event`, `1,234 events`.
#[must_use]
pub fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `part` of `whole` in per cent with one decimal, such as `12.5 %`; nothing of nothing is `0.0 %`.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    let permille = (u128::from(part) * 1_000 + u128::from(whole) / 2) / u128::from(whole.max(1));
    format!("{}.{} %", permille / 10, permille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 2_000].map(|count| counted(count, "event")), ["1 event", "2,000 events"]);
    }

    #[test]
    fn shares_have_one_decimal() {
        assert_eq!(
            [(1, 8), (2, 3), (5, 5), (0, 0)].map(|(part, whole)| percent(part, whole)),
            ["12.5 %", "66.7 %", "100.0 %", "0.0 %"]
        );
    }
}
