//! Match readiness: what share of the events carries what to match by, how fresh they are, and what would raise it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::clock::{DAY, HOUR, units};
use super::{COUNTED, SIGNALS, Survey, bit, names};
use crate::contract::EventSource;
use crate::validate::rows::Policy;
use crate::validate::words::{counted, percent};

/// Pieces of advice: more are not read.
const MAX_ADVICE: usize = 5;
/// Combinations that are told apart; the rest is one.
const MAX_COMBINATIONS: usize = 12;
/// Of a thousand events, those from which a shortcoming is worth advice.
const WORTHWHILE: u64 = 10;
/// Of a thousand events, those from which a missing second identifier is.
const LONELY: u64 = 200;
/// Days that view-through and click-through windows reach back at most (A1, P8).
const VIEW_WINDOW: i64 = 7;
const CLICK_WINDOW: i64 = 28;
/// The signals of e-mail addresses and of phone numbers.
const EMAIL: usize = 0;
const PHONE: usize = 1;

/// An estimate of coverage: what the events that would be sent can be matched by. It says nothing about how many of
/// them TikTok matches.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Readiness {
    /// Accepted events, each counted once however often its row is repeated or contradicted.
    pub events: u64,
    /// What each identifier that the query returns looks like, in the order of the contract.
    pub identifiers: Vec<Identifier>,
    /// The combinations of identifiers that occur, the most frequent first; at most a dozen.
    pub combinations: Vec<Combination>,
    /// Who the events belong to; none where no event identifies a person.
    pub people: Option<People>,
    /// How long ago the events happened; none where no row in the window has a readable time.
    pub age: Option<Age>,
    /// Times that were numbers, by the unit that their magnitude tells, such as `milliseconds` → 412.
    pub time_units: BTreeMap<&'static str, u64>,
    /// What would raise the coverage, the most important first.
    pub advice: Vec<Advice>,
}

/// One column of identifiers, or `ip` and `agent` together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Identifier {
    /// Canonical name, such as `email` or `ip + agent`.
    pub name: String,
    /// Accepted events that carry it.
    pub events: u64,
    /// Part of the accepted events, from 0 to 1.
    pub share: f64,
    /// Rows in the window, also refused ones, with a value that can be sent.
    pub valid: u64,
    /// Rows in the window with values of which none can be sent.
    pub invalid: u64,
    /// Rows in the window without a value.
    pub absent: u64,
    /// Values that arrived plain, where the column is one that is hashed.
    pub plain: Option<u64>,
    /// Values that arrived hashed, where the column is one that is hashed.
    pub hashed: Option<u64>,
}

/// Accepted events that carry exactly these identifiers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Combination {
    /// Names of the identifiers, none for events without any.
    pub identifiers: Vec<String>,
    /// How many events.
    pub events: u64,
    /// Part of the accepted events, from 0 to 1.
    pub share: f64,
}

/// Who the events belong to. Two events are one person's when their first identifiers, in the order of the contract,
/// are the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct People {
    /// Estimate of distinct people, within about 2 %.
    pub distinct: u64,
    /// Accepted events that identify a person, divided by the people.
    pub events_per_person: f64,
    /// Part of the accepted events, from 0 to 1, that the most frequent e-mail address, phone number or customer id
    /// has; none beyond what can be told.
    pub most_frequent_share: Option<f64>,
}

/// How long ago the events in the window happened, also refused ones, in whole hours rounded down.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Age {
    /// Half of the events are not older.
    pub median_hours: i64,
    /// Nine of ten events are not older.
    pub ninety_percent_hours: i64,
    /// No event is older.
    pub oldest_hours: i64,
    /// Events that are too old to be sent.
    pub out_of_window: u64,
    /// Part of the rows with a readable time, from 0 to 1.
    pub out_of_window_share: f64,
}

/// Something that would raise the coverage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What is short and what to do, one sentence without a full stop.
    pub message: String,
    /// What it is based on: documents of the Events API notes, or `postback`.
    pub source: &'static str,
}

pub(super) fn of(survey: &Survey, policy: &Policy) -> Readiness {
    let events = survey.events();
    let returned = (0..SIGNALS).filter(|signal| survey.returned & bit(*signal) != 0);
    let identifiers = returned.map(|signal| {
        let counts = &survey.signals[signal];
        let carrying = survey.carrying(signal);
        let is_hashed = signal < COUNTED;
        Identifier {
            name: names(signal).join(" + "),
            events: carrying,
            share: share(carrying, events),
            valid: counts.valid,
            invalid: counts.invalid,
            absent: counts.absent,
            plain: is_hashed.then_some(counts.plain),
            hashed: is_hashed.then_some(counts.hashed),
        }
    });
    Readiness {
        events,
        identifiers: identifiers.collect(),
        combinations: combinations(survey, events),
        people: people(survey, events),
        age: age(survey),
        time_units: units(&survey.clock).map(|(unit, numbers)| (unit.as_str(), numbers)).collect(),
        advice: advice(survey, events, policy),
    }
}

fn combinations(survey: &Survey, events: u64) -> Vec<Combination> {
    let mut combinations: Vec<(u16, u64)> =
        survey.combinations.iter().map(|(signals, count)| (*signals, *count)).collect();
    combinations.sort_by_key(|(signals, count)| (std::cmp::Reverse(*count), *signals));
    combinations.truncate(MAX_COMBINATIONS);
    combinations
        .into_iter()
        .map(|(signals, count)| Combination {
            identifiers: (0..SIGNALS)
                .filter(|signal| signals & bit(*signal) != 0)
                .map(|signal| names(signal).join(" + "))
                .collect(),
            events: count,
            share: share(count, events),
        })
        .collect()
}

fn people(survey: &Survey, events: u64) -> Option<People> {
    let identified = survey.identified;
    let distinct = whole(survey.people.composite_estimate()).clamp(1, identified.max(1));
    let top = survey.frequent.iter().filter_map(super::Frequent::top).map(|top| top.events).max();
    (identified > 0).then(|| People {
        distinct,
        events_per_person: rounded(ratio(identified, distinct), 10.0),
        most_frequent_share: top.map(|top| share(top, events)),
    })
}

fn age(survey: &Survey) -> Option<Age> {
    let clock = &survey.clock;
    Some(Age {
        median_hours: clock.quantile(500)?,
        ninety_percent_hours: clock.quantile(900)?,
        oldest_hours: clock.oldest / HOUR,
        out_of_window: clock.out_of_window,
        out_of_window_share: share(clock.out_of_window, clock.events),
    })
}

fn advice(survey: &Survey, events: u64, policy: &Policy) -> Vec<Advice> {
    let parts = [without_region(survey, policy), alone(survey, events), invalid(survey), web(survey, events)];
    parts.into_iter().flatten().chain(times(survey, policy)).take(MAX_ADVICE).collect()
}

fn without_region(survey: &Survey, policy: &Policy) -> Vec<Advice> {
    if survey.regionless == 0 || policy.region.is_some() {
        return Vec::new();
    }
    let numbers = counted(survey.regionless, "phone number");
    let remedy = "`SET postback.default_region`, or use `e164(phone, region)`";
    vec![Advice { message: format!("{numbers} without a country code cannot be read: {remedy}"), source: "D1 (R37)" }]
}

/// Events with an e-mail address or a phone number, and not both.
fn alone(survey: &Survey, events: u64) -> Vec<Advice> {
    let pairs = [(EMAIL, PHONE), (PHONE, EMAIL)].into_iter();
    pairs
        .filter_map(|(signal, other)| {
            let is_alone = |signals: u16| signals & bit(signal) != 0 && signals & bit(other) == 0;
            let counts = survey.combinations.iter().filter(|(signals, _)| is_alone(**signals));
            let alone: u64 = counts.map(|(_, events)| events).sum();
            let (name, missing) = (names(signal)[0], names(other)[0]);
            let is_returned = survey.returned & bit(other) != 0;
            // Where values are there and unusable, that is what there is to say.
            let is_spoilt = survey.signals[other].invalid > survey.signals[other].absent;
            let cause = if is_returned { "many rows have no valid" } else { "the query returns no" };
            let part = percent(alone, events);
            (!is_spoilt && is_worth(alone, events, LONELY)).then(|| Advice {
                message: format!(
                    "{part} of events have `{name}` but no `{missing}`, and {cause} `{missing}`: two ways to match find more people than one"
                ),
                source: "A1, A2",
            })
        })
        .collect()
}

fn invalid(survey: &Survey) -> Vec<Advice> {
    let advice = (0..COUNTED).filter_map(|signal| {
        let counts = &survey.signals[signal];
        // Numbers without a region were spoken of.
        let invalid = counts.invalid.saturating_sub(if signal == PHONE { survey.regionless } else { 0 });
        let given = counts.valid + counts.invalid;
        let (part, name) = (percent(invalid, given), names(signal)[0]);
        is_worth(invalid, given, WORTHWHILE).then(|| Advice {
            message: format!("{part} of the rows with `{name}` have no valid one: its faults say why"),
            source: "D1 (R37)",
        })
    });
    advice.collect()
}

fn web(survey: &Survey, events: u64) -> Vec<Advice> {
    let web = survey.sources[EventSource::Web as usize];
    if !is_worth(web, events, LONELY) {
        return Vec::new();
    }
    let of_visitors = (0..SIGNALS).filter(|signal| matches!(names(*signal)[0], "tiktok_click_id" | "cookie_id" | "ip"));
    of_visitors
        .map(|signal| (signal, survey.carrying(signal)))
        .filter(|(_, carrying)| carrying * 2 < web)
        .map(|(signal, carrying)| {
            let name = names(signal).join("` and `");
            let part = match carrying {
                0 => "no web event carries".to_owned(),
                carrying => format!("only {} of web events carry", percent(carrying, web)),
            };
            let message = format!("{part} `{name}`: return what the page knows of its visitor");
            Advice { message, source: "D1 (R31, R44)" }
        })
        .collect()
}

fn times(survey: &Survey, policy: &Policy) -> Vec<Advice> {
    let clock = &survey.clock;
    let late = is_worth(clock.out_of_window, clock.events, WORTHWHILE).then(|| {
        let (part, days) = (percent(clock.out_of_window, clock.events), policy.max_event_age / DAY);
        let message = format!("{part} of events are older than {days} days and too late to count: send them sooner");
        Advice { message, source: "A1, P8 (R26)" }
    });
    let old = clock.quantile(500).filter(|hours| *hours >= VIEW_WINDOW * 24).map(|hours| {
        let days = counted((hours / 24).unsigned_abs(), "day");
        let windows = format!("at most {VIEW_WINDOW} days from a view and {CLICK_WINDOW} from a click");
        let message =
            format!("events are {days} old on median, and TikTok's windows reach back {windows}: send them sooner");
        Advice { message, source: "A1, P8" }
    });
    late.into_iter().chain(old).collect()
}

/// Whether `part` is something, and at least so many of a thousand.
fn is_worth(part: u64, whole: u64, permille: u64) -> bool {
    part > 0 && u128::from(part) * 1_000 >= u128::from(whole) * u128::from(permille)
}

/// `part` of `whole` to four decimals.
fn share(part: u64, whole: u64) -> f64 {
    rounded(ratio(part, whole.max(1)), 10_000.0)
}

fn rounded(number: f64, steps: f64) -> f64 {
    (number * steps).round() / steps
}

#[expect(clippy::cast_precision_loss, reason = "a share for people to read")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate of a count is not negative, and far below 2^53"
)]
fn whole(estimate: f64) -> u64 {
    estimate.round() as u64
}
