//! What a format of dates and times, as `to_char` takes it, says of the zone.

/// Whether a format writes or reads the offset from UTC, or counts seconds from the epoch.
pub(crate) fn names_offset(format: &str) -> bool {
    letters(format).any(|letter| matches!(letter, 'z' | 'Z' | 's' | '+'))
}

/// Whether a format counts seconds from the epoch.
pub(crate) fn is_epoch(format: &str) -> bool {
    letters(format).any(|letter| letter == 's')
}

/// Whether text in this format says of itself that its clock is UTC: `%H:%MZ`.
pub(crate) fn says_utc(format: &str) -> bool {
    format.ends_with('Z') || format.ends_with("UTC")
}

/// The letters behind each `%`, without the signs between.
fn letters(format: &str) -> impl Iterator<Item = char> {
    let mut rest = format.chars();
    std::iter::from_fn(move || {
        rest.by_ref().find(|letter| *letter == '%')?;
        rest.by_ref().find(|letter| !matches!(letter, ':' | '#' | '-' | '_' | '.' | '0'..='9'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_found_behind_its_signs_only() {
        for format in ["%Y-%m-%dT%H:%M:%S%z", "%T%:z", "%::z", "%#z", "%s", "%+", "%d %Z"] {
            assert!(names_offset(format), "{format}");
        }
        for format in ["%Y-%m-%d", "%H:%M:%S%.3f", "%%z", "%-d.%-m.%Y zs", "", "%"] {
            assert!(!names_offset(format), "{format}");
        }
        assert!(says_utc("%Y-%m-%dT%H:%MZ") && !says_utc("%Y-%m-%d"));
        assert!(is_epoch("%s") && !is_epoch("%S"));
    }
}
