//! What values look like, and how they are read.

use crate::contract::currencies;
use crate::contract::phone::Region;
use crate::contract::time;

/// What a setting's values look like.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Any text that is not blank.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// The same, and a flag without a value means `true`.
    Switch,
    /// A whole number from the first to the second bound.
    Count(u64, u64),
    /// A number with `s`, `m`, `h` or `d`, such as `28d`.
    Duration,
    /// A number of bytes with an optional `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`.
    Bytes,
    /// A count of rows, or a share such as `5%`.
    Share,
    /// ISO 8601 date and time with an offset, such as `2025-12-23T00:00:00Z`.
    Instant,
    /// An IANA time zone such as `America/Los_Angeles`.
    Zone,
    /// A two-letter region such as `US`.
    Region,
    /// An ISO 4217 code such as `USD`.
    Currency,
}

impl Form {
    /// The words for help and error messages.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::OneOf(words) => words.join(" | "),
            Self::Boolean | Self::Switch => "true | false".into(),
            Self::Count(low, high) => format!("whole number {low}..{high}"),
            Self::Duration => "duration such as 90s, 15m, 26h or 28d".into(),
            Self::Bytes => "bytes such as 500kB, 64MiB or 2GB".into(),
            Self::Share => "count of rows or a share such as 5%".into(),
            Self::Instant => "ISO 8601 instant such as 2025-12-23T00:00:00Z".into(),
            Self::Zone => "IANA time zone such as America/Los_Angeles".into(),
            Self::Region => "two-letter region such as US".into(),
            Self::Currency => "ISO 4217 code such as USD".into(),
        }
    }

    /// What help puts behind a flag.
    #[must_use]
    pub const fn value_name(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::OneOf(_) => "WORD",
            Self::Boolean | Self::Switch => "BOOLEAN",
            Self::Count(..) => "NUMBER",
            Self::Duration => "DURATION",
            Self::Bytes => "BYTES",
            Self::Share => "SHARE",
            Self::Instant => "INSTANT",
            Self::Zone => "ZONE",
            Self::Region => "REGION",
            Self::Currency => "CURRENCY",
        }
    }

    pub(super) fn allows(self, value: &str) -> bool {
        match self {
            Self::Text => !value.trim().is_empty(),
            Self::OneOf(words) => words.contains(&value),
            Self::Boolean | Self::Switch => matches!(value, "true" | "false"),
            Self::Count(low, high) => value.parse().is_ok_and(|count: u64| (low..=high).contains(&count)),
            Self::Duration => seconds(value).is_some(),
            Self::Bytes => bytes(value).is_some(),
            Self::Share => share(value).is_some(),
            Self::Instant => time::instant(value, None).is_ok(),
            Self::Zone => time::zone(value).is_some(),
            Self::Region => Region::parse(value).is_some(),
            Self::Currency => currencies::is_iso4217(value),
        }
    }
}

/// An upper bound of rejected rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// At most so many rows.
    Count(u64),
    /// At most this share of all rows, 0 to 100.
    Percent(f64),
}

impl Share {
    /// Whether `part` of `whole` rows is more than allowed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a threshold in percent needs no more than 52 bits")]
    pub fn is_exceeded(self, part: u64, whole: u64) -> bool {
        match self {
            Self::Count(limit) => part > limit,
            Self::Percent(limit) => part as f64 * 100.0 > limit * whole as f64,
        }
    }
}

/// The seconds of a duration such as `26h`; none for what is no [`Form::Duration`].
#[must_use]
pub fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    // A century bounds every later sum of seconds.
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|seconds| *seconds <= 100 * 366 * 86_400)
}

pub(super) fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes > 0)
}

pub(super) fn share(text: &str) -> Option<Share> {
    match text.strip_suffix('%') {
        Some(number) => number.parse().ok().filter(|percent| (0.0..=100.0).contains(percent)).map(Share::Percent),
        None => text.parse().ok().map(Share::Count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_bytes_and_shares_have_units() {
        assert_eq!(seconds("28d"), Some(2_419_200));
        assert_eq!(seconds("28"), None);
        assert_eq!(seconds("é"), None);
        assert_eq!(seconds("99999999999d"), None);
        assert_eq!(bytes("64MiB"), Some(67_108_864));
        assert_eq!(bytes("1 MB"), Some(1_000_000));
        assert_eq!(bytes("MB"), None);
        assert_eq!(share("5%"), Some(Share::Percent(5.0)));
        assert_eq!(share("101%"), None);
        assert!(Share::Percent(5.0).is_exceeded(6, 100));
        assert!(!Share::Percent(5.0).is_exceeded(5, 100));
        assert!(Share::Count(0).is_exceeded(1, 100));
    }
}
