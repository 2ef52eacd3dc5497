//! The faults of a result as a whole, each with its evidence.

use super::clock::{Clock, DAY, HOUR, units};
use super::{COUNTED, Finding, Survey, find};
use crate::contract::EventSource;
use crate::contract::fields::IDENTITY;
use crate::contract::time::{self, TimeZone};
use crate::validate::rows::Policy;
use crate::validate::words::{counted, grouped, percent};

/// Fewest events of one identity that are worth a word, and the part of all events, one in so many, that they are.
const TOO_OFTEN: [(u64, u64); 3] = [(10, 2), (50, 100), (1_000, u64::MAX)];
/// Fewest events from which a pattern of times is told from chance.
const MIN_TIMES: u64 = 20;
/// Fewest events ahead of the clock that are a pattern.
const MIN_FUTURE: u64 = 5;
/// Seconds ahead of the clock that a clock may be wrong by.
const MAX_SKEW: i64 = HOUR / 2;
/// Zones whose clocks stand for those of their continents: Europe's change at the same instant, America's at the same
/// time of day.
const SEASONAL: &[&str] = &[
    "Europe/London",
    "Europe/Berlin",
    "Europe/Helsinki",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Halifax",
    "America/Anchorage",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Pacific/Auckland",
    "America/Santiago",
];

/// Every fault, in the order of the codes.
pub(super) fn all(survey: &Survey, policy: &Policy) -> Vec<Finding> {
    let mut findings: Vec<Finding> = (0..COUNTED).filter_map(|signal| mixed(survey, signal)).collect();
    findings.extend((0..COUNTED).filter_map(|signal| too_often(survey, signal)));
    let clock = &survey.clock;
    findings.extend(midnight(clock, policy));
    findings.extend(shifted(clock, policy));
    findings.extend(skipped(clock, policy).or_else(|| seasonal(clock, policy)));
    findings.extend(units_mixed(clock));
    findings.extend(unsent(survey));
    findings
}

fn mixed(survey: &Survey, signal: usize) -> Option<Finding> {
    let counts = &survey.signals[signal];
    let (plain, hashed) = (counts.plain, counts.hashed);
    let detail = format!(
        "holds {} and {} ({})",
        counted(plain, "plain value"),
        counted(hashed, "digest"),
        percent(hashed, plain + hashed)
    );
    let finding = Finding { rule: find("PB3201"), column: IDENTITY[signal], events: plain.min(hashed), detail };
    (plain > 0 && hashed > 0).then_some(finding)
}

fn too_often(survey: &Survey, signal: usize) -> Option<Finding> {
    let (top, all) = (survey.frequent[signal].top()?, survey.events());
    TOO_OFTEN.iter().find(|(events, part)| top.events >= *events && top.events.saturating_mul(*part) >= all)?;
    let about = if top.is_exact { "" } else { "at least " };
    let detail = format!(
        "names one person on {about}{} of {} ({})",
        grouped(top.events),
        counted(all, "event"),
        percent(top.events, all)
    );
    Some(Finding { rule: find("PB3202"), column: IDENTITY[signal], events: top.events, detail })
}

fn of_times(code: &str, events: u64, detail: String) -> Finding {
    Finding { rule: find(code), column: "timestamp", events, detail }
}

fn midnight(clock: &Clock, policy: &Policy) -> Option<Finding> {
    // That a column of days has no hours is said before a row is read.
    if clock.is_days || clock.events < MIN_TIMES {
        return None;
    }
    let is_most = |events: u64| u128::from(events) * 100 >= u128::from(clock.events) * 95;
    let zone = policy.zone.as_ref().map(name);
    let (events, zone) = match zone {
        Some(zone) if is_most(clock.local_midnights) => (clock.local_midnights, zone),
        _ if is_most(clock.utc_midnights) => (clock.utc_midnights, "UTC".to_owned()),
        _ => return None,
    };
    let detail = format!("is midnight in {zone} on {} of {}", grouped(events), counted(clock.events, "event"));
    Some(of_times("PB3203", events, detail))
}

fn shifted(clock: &Clock, policy: &Policy) -> Option<Finding> {
    let is_pattern = clock.near_future >= MIN_FUTURE && clock.near_future * 10 >= clock.future * 9;
    if !is_pattern || clock.lead < MAX_SKEW {
        return None;
    }
    let hours = (clock.lead + HOUR - 1) / HOUR;
    let assumed = policy.zone.as_ref().map_or_else(|| "UTC".to_owned(), name);
    let ahead = policy.zone.as_ref().and_then(|zone| time::offset(policy.now, zone)).unwrap_or(0);
    let detail = format!(
        "lies up to {} ahead of the clock on {} of {}, as local times of UTC{} do that are read in {assumed}; they are refused",
        counted(hours.unsigned_abs(), "hour"),
        grouped(clock.near_future),
        counted(clock.events, "event"),
        offset(ahead + hours * HOUR)
    );
    Some(of_times("PB3204", clock.near_future, detail))
}

fn skipped(clock: &Clock, policy: &Policy) -> Option<Finding> {
    let zone = policy.zone.as_ref().map(name)?;
    let detail = format!(
        "falls into an hour that clocks in {zone} skip on {} of {}, and was read an hour later",
        grouped(clock.skipped),
        counted(clock.events, "event")
    );
    (clock.skipped > 0).then(|| of_times("PB3205", clock.skipped, detail))
}

/// Two times of day in UTC that are one time of day in a zone whose clocks changed between them.
fn seasonal(clock: &Clock, policy: &Policy) -> Option<Finding> {
    let times = clock.times_of_day.as_ref()?;
    let [(one, earlier), (other, later)] = times.iter().collect::<Vec<_>>().try_into().ok()?;
    if clock.events < MIN_TIMES || (other - one != HOUR && other - one != DAY - HOUR) {
        return None;
    }
    let instants = [earlier.first, earlier.last, later.first, later.last];
    // The local time of day, if it is the same one at all of them.
    let local = |zone: &TimeZone| {
        let mut times = instants.map(|at| time::offset(at, zone).map(|ahead| (at + ahead).rem_euclid(DAY))).into_iter();
        let first = times.next()??;
        times.all(|time| time == Some(first)).then_some(first)
    };
    // In the zone that the times were read in, one time of day is what it is.
    if policy.zone.as_ref().is_some_and(|zone| local(zone).is_some()) {
        return None;
    }
    let fitting = SEASONAL.iter().filter_map(|name| Some((local(&time::zone(name)?)?, name)));
    // Midnight is what dates become.
    let (at, fitting) = fitting.min_by_key(|(at, _)| *at > 0)?;
    let at = if at == 0 { "midnight".to_owned() } else { clock_face(at) };
    let detail = format!(
        "is {} or {} UTC on all of {}, and changes between them as {at} in `{fitting}` does",
        clock_face(*one),
        clock_face(*other),
        counted(clock.events, "event")
    );
    Some(of_times("PB3205", clock.events, detail))
}

fn units_mixed(clock: &Clock) -> Option<Finding> {
    let seen: Vec<_> = units(clock).collect();
    let fewest = seen.iter().map(|(_, numbers)| *numbers).min()?;
    let parts: Vec<String> =
        seen.iter().map(|(unit, numbers)| format!("{} {}", grouped(*numbers), unit.as_str())).collect();
    let detail = format!("holds numbers in several units: {}", parts.join(", "));
    (seen.len() > 1).then(|| of_times("PB3206", fewest, detail))
}

/// Values that no event carries, as its source does not take them: one finding for each column.
fn unsent(survey: &Survey) -> Vec<Finding> {
    let finding = |(column, counts): (&&'static str, &[u64; 4])| {
        let sources = EventSource::ALL.into_iter().zip(*counts).filter(|(_, rows)| *rows > 0);
        let parts: Vec<String> = sources.map(|(source, rows)| counted(rows, &format!("{source} event"))).collect();
        let detail = format!("is not sent with {}, whose source does not take it", listed(&parts));
        Finding { rule: find("PB3207"), column, events: counts.iter().sum(), detail }
    };
    survey.unsent.iter().map(finding).collect()
}

/// `a`, `a and b`, `a, b and c`.
fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

fn name(zone: &TimeZone) -> String {
    zone.iana_name().map_or_else(|| "the given zone".to_owned(), |name| format!("`{name}`"))
}

/// `+02:00` for 7,200 seconds.
fn offset(seconds: i64) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `13:45:08`, without seconds where there are none.
fn clock_face(seconds: i64) -> String {
    let (hour, minute, second) = (seconds / HOUR, seconds / 60 % 60, seconds % 60);
    if second == 0 { format!("{hour:02}:{minute:02}") } else { format!("{hour:02}:{minute:02}:{second:02}") }
}
