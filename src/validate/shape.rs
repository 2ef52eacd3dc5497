//! The masked shape of a value: enough to recognise a mistake, too little to recognise a person.

use std::fmt::Write as _;

/// Runs of characters of one class that a shape shows before it breaks off with `…`.
const MAX_RUNS: usize = 24;

/// The shape of `value`: every run of upper-case letters becomes `A`, of other letters `a`, of digits `9`, of white space
/// `_`, ASCII punctuation stays, anything else becomes `?`; the number of characters follows.
///
/// `Pat.Lee@example.com` has the shape `Aa.Aa@a.a (19 characters)`.
#[must_use]
pub fn shape(value: &str) -> String {
    let mut shape = String::with_capacity(32);
    let mut previous = None;
    let mut runs = 0;
    for character in value.chars() {
        let class = class(character);
        if previous == Some(class) {
            continue;
        }
        if runs == MAX_RUNS {
            shape.push('…');
            break;
        }
        shape.push(class);
        previous = Some(class);
        runs += 1;
    }
    let length = value.chars().count();
    let noun = if length == 1 { "character" } else { "characters" };
    write!(shape, "{}({length} {noun})", if shape.is_empty() { "" } else { " " })
        .expect("writing to a string succeeds");
    shape
}

fn class(character: char) -> char {
    match character {
        _ if character.is_uppercase() => 'A',
        _ if character.is_alphabetic() => 'a',
        _ if character.is_numeric() => '9',
        _ if character.is_whitespace() => '_',
        _ if character.is_ascii_punctuation() => character,
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_classes_and_length_only() {
        for (value, expected) in [
            ("", "(0 characters)"),
            ("x", "a (1 character)"),
            ("Pat.Lee@example.com", "Aa.Aa@a.a (19 characters)"),
            ("+1 (213) 373-4253", "+9_(9)_9-9 (17 characters)"),
            ("Zoë\u{0}\u{1F600}", "Aa? (5 characters)"),
        ] {
            assert_eq!(shape(value), expected);
        }
    }

    #[test]
    fn breaks_off_after_many_runs() {
        assert_eq!(shape(&"a1".repeat(100)), format!("{}… (200 characters)", "a9".repeat(12)));
    }
}
