//! Match readiness as text, for the account of a run that sent nothing.

use std::fmt::Write as _;

use crate::validate::survey::{Age, Identifier, Readiness};
use crate::validate::{counted, grouped, percent};

/// Share of events from which the most frequent identifier is worth a word.
const REMARKABLE: f64 = 0.01;
/// Events from which it is.
const MIN_EVENTS: u64 = 20;
/// Combinations that are shown; the JSON has more.
const MAX_COMBINATIONS: usize = 6;

/// Adds what the events can be matched by to `text`.
pub(super) fn write(readiness: &Readiness, text: &mut String) {
    if readiness.identifiers.is_empty() {
        return;
    }
    // Writing to a String cannot fail.
    let _ =
        writeln!(text, "\n  estimate of coverage, of {} to send (no match rate)", counted(readiness.events, "event"));
    for identifier in &readiness.identifiers {
        let remarks = remarks(identifier);
        let line = line(&identifier.name, identifier.events, readiness.events);
        let _ = writeln!(text, "{line}{}{remarks}", if remarks.is_empty() { "" } else { "   " });
    }
    if readiness.combinations.len() > 1 {
        text.push_str("  of which\n");
        for combination in readiness.combinations.iter().take(MAX_COMBINATIONS) {
            let name = match combination.identifiers.as_slice() {
                [] => "nothing".to_owned(),
                [only] => format!("only {only}"),
                several => several.join(", "),
            };
            let _ = writeln!(text, "{}", line(&name, combination.events, readiness.events));
        }
    }
    if let Some(people) = &readiness.people {
        let most = people
            .most_frequent_share
            .filter(|share| *share >= REMARKABLE && readiness.events >= MIN_EVENTS)
            .map(|share| format!("; the most frequent identifier is on {:.1} %", share * 100.0));
        let _ = writeln!(
            text,
            "  about {}, {:.1} events each{}",
            counted(people.distinct, "person").replace("persons", "people"),
            people.events_per_person,
            most.unwrap_or_default()
        );
    }
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
        let _ = writeln!(text, "    {}", advice.message);
    }
}

fn line(name: &str, events: u64, all: u64) -> String {
    format!("    {name:<33} {:>8}  {:>7}", grouped(events), percent(events, all))
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
