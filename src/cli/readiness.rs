//! Match readiness as text, for the account of a run that sent nothing.

use std::fmt::Write as _;

use crate::validate::survey::{Age, Identifier, People, Readiness};
use crate::validate::{counted, grouped, percent};

/// Share of events from which the most frequent identifier is worth a word, if it is on more events than others are.
const REMARKABLE: f64 = 0.01;
/// Events from which it is.
const MIN_EVENTS: u64 = 20;
/// Combinations that are shown; the JSON has more.
const MAX_COMBINATIONS: usize = 6;
/// Characters of the names of identifiers, at least and at most, that counts are aligned behind.
const NAMES: (usize, usize) = (33, 56);
/// Characters of a line of advice.
const WIDTH: usize = 80;

/// Adds what the events can be matched by to `text`.
pub(super) fn write(readiness: &Readiness, text: &mut String) {
    if readiness.events > 0 && !readiness.identifiers.is_empty() {
        coverage(readiness, text);
    } else if readiness.age.is_some() || !readiness.advice.is_empty() {
        text.push('\n');
    }
    // Writing to a String cannot fail.
    if let Some(age) = &readiness.age {
        let _ = writeln!(text, "  {}", ages(age));
    }
    let units: Vec<_> = readiness.time_units.keys().copied().filter(|unit| *unit != "seconds").collect();
    if !units.is_empty() {
        let _ = writeln!(text, "  times are numbers, read as {} by their magnitude", units.join(" and "));
    }
    if !readiness.advice.is_empty() {
        text.push_str("  what would raise it\n");
    }
    for advice in &readiness.advice {
        wrap(&advice.message, "    ", text);
    }
}

/// What identifies the events, and how many people they belong to.
fn coverage(readiness: &Readiness, text: &mut String) {
    let _ = writeln!(text, "\n  estimate of coverage, of {} (no match rate)", counted(readiness.events, "valid event"));
    let combinations: Vec<_> = readiness.combinations.iter().take(MAX_COMBINATIONS).collect();
    let combinations: Vec<_> =
        combinations.into_iter().map(|seen| (combination(&seen.identifiers), seen.events)).collect();
    let longest = combinations.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let width = longest.clamp(NAMES.0, NAMES.1);
    let line = |name: &str, events: u64| {
        format!("    {name:<width$} {:>8}  {:>7}", grouped(events), percent(events, readiness.events))
    };
    for identifier in &readiness.identifiers {
        let remarks = remarks(identifier);
        let line = line(&identifier.name, identifier.events);
        let _ = writeln!(text, "{line}{}{remarks}", if remarks.is_empty() { "" } else { "   " });
    }
    if readiness.combinations.len() > 1 {
        text.push_str("  of which\n");
        for (name, events) in &combinations {
            let _ = writeln!(text, "{}", line(name, *events));
        }
    }
    if let Some(people) = &readiness.people {
        let _ = writeln!(
            text,
            "  about {}, {:.1} events each{}",
            counted(people.distinct, "person").replace("persons", "people"),
            people.events_per_person,
            most_frequent(people, readiness.events)
        );
    }
}

fn combination(identifiers: &[String]) -> String {
    match identifiers {
        [] => "nothing".to_owned(),
        [only] => format!("only {only}"),
        several => several.join(", "),
    }
}

/// The share of the most frequent identifier, where it stands out.
#[expect(clippy::cast_precision_loss, reason = "a number of events compared to an average")]
fn most_frequent(people: &People, events: u64) -> String {
    let share = people.most_frequent_share.filter(|share| {
        *share >= REMARKABLE && events >= MIN_EVENTS && share * events as f64 >= 2.0 * people.events_per_person
    });
    share.map_or_else(String::new, |share| format!("; the most frequent identifier is on {:.1} %", share * 100.0))
}

/// Adds `words` behind `indent`, in lines of at most [`WIDTH`] characters where words allow it.
fn wrap(words: &str, indent: &str, text: &mut String) {
    let mut length = 0;
    for word in words.split(' ') {
        let more = 1 + word.chars().count();
        if length > 0 && length + more <= WIDTH {
            text.push(' ');
            length += more;
        } else {
            // A line that goes on is set off from the next piece of advice.
            text.push_str(if length > 0 { "\n  " } else { "" });
            length = indent.len() + more - 1 + if length > 0 { 2 } else { 0 };
            text.push_str(indent);
        }
        text.push_str(word);
    }
    text.push('\n');
}

fn remarks(identifier: &Identifier) -> String {
    let mut remarks = Vec::new();
    if identifier.invalid > 0 {
        remarks.push(format!("{} not valid", counted(identifier.invalid, "row")));
    }
    if identifier.absent > 0 {
        remarks.push(format!("{} without", counted(identifier.absent, "row")));
    }
    match (identifier.plain, identifier.hashed) {
        (Some(plain), Some(hashed)) if hashed > 0 && plain > 0 => {
            remarks.push(format!("{} arrived hashed", grouped(hashed)));
        }
        (Some(0), Some(hashed)) if hashed > 0 => remarks.push("arrived hashed".to_owned()),
        _ => {}
    }
    remarks.join(", ")
}

fn ages(age: &Age) -> String {
    let late = if age.out_of_window > 0 {
        format!(", {} out of window", counted(age.out_of_window, "event"))
    } else {
        String::new()
    };
    format!(
        "median age {}, nine of ten within {}, the oldest {}{late}",
        span(age.median_hours),
        span(age.ninety_percent_hours),
        span(age.oldest_hours)
    )
}

/// Whole hours below two days, days from there.
fn span(hours: i64) -> String {
    match hours.unsigned_abs() {
        0 => "under an hour".to_owned(),
        hours @ 1..48 => counted(hours, "hour"),
        hours => counted(hours / 24, "day"),
    }
}
