//! Which requests a rule is about.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::sandbox::envelope::Envelope;

/// The conditions of a rule; a request has to meet all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct When {
    pub(super) on: On,
    /// Most requests that may meet the fault.
    pub(super) times: Option<u64>,
    /// The share of requests that meet it.
    pub(super) chance: Option<f64>,
    /// Only requests on a connection that carried one before.
    pub(super) reused: bool,
    /// Only requests with such an event.
    pub(super) events: Option<Pattern>,
}

/// Numbers of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum On {
    #[default]
    All,
    /// From the first to the second.
    Span(u64, u64),
    /// Every so many.
    Every(u64),
}

/// What tells an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    /// Its `event_id`, with `*` and `?` standing for other characters.
    EventId(glob::Pattern),
    /// A part of its JSON as it was sent.
    Contains(String),
}

/// A request, as far as selection goes.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) number: u64,
    /// Requests that met the rule before.
    pub(super) hits: u64,
    pub(super) seed: u64,
    pub(super) is_reused: bool,
}

impl When {
    /// Whether the request meets every condition but the one about its events. `rule` is the rule's place.
    pub(super) fn fits(&self, request: Request, rule: u64) -> bool {
        let is_on = match self.on {
            On::All => true,
            On::Span(first, last) => (first..=last).contains(&request.number),
            On::Every(step) => request.number.is_multiple_of(step),
        };
        is_on
            && self.times.is_none_or(|times| request.hits < times)
            && (!self.reused || request.is_reused)
            && self.chance.is_none_or(|chance| draw(request.seed, rule, request.number) < chance)
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.on {
            On::All => f.write_str("on every request")?,
            On::Span(first, u64::MAX) => write!(f, "from request {first} on")?,
            On::Span(first, last) if first == last => write!(f, "on request {first}")?,
            On::Span(first, last) => write!(f, "on requests {first} to {last}")?,
            On::Every(step) => write!(f, "on every request whose number {step} divides")?,
        }
        match &self.events {
            Some(Pattern::EventId(pattern)) => write!(f, " with an event_id like `{pattern}`")?,
            Some(Pattern::Contains(_)) => f.write_str(" with such an event")?,
            None => {}
        }
        if self.reused {
            f.write_str(" of a reused connection")?;
        }
        if let Some(chance) = self.chance {
            write!(f, " with a chance of {chance}")?;
        }
        self.times.map_or(Ok(()), |times| write!(f, ", at most {times} times"))
    }
}

impl On {
    /// Reads `3..5`, `3..` or `every 10`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let count = |text: &str| text.trim().parse::<u64>().ok().filter(|count| *count > 0);
        if let Some(step) = text.trim().strip_prefix("every ") {
            return count(step).map(Self::Every);
        }
        match text.split_once("..") {
            Some((first, last)) if last.trim().is_empty() => Some(Self::Span(count(first)?, u64::MAX)),
            Some((first, last)) => {
                let (first, last) = (count(first)?, count(last)?);
                (first <= last).then_some(Self::Span(first, last))
            }
            None => count(text).map(|number| Self::Span(number, number)),
        }
    }
}

impl Pattern {
    /// Positions of the events that it tells.
    pub(super) fn positions(&self, envelope: &Envelope<'_>) -> Vec<usize> {
        let events = envelope.events().unwrap_or_default();
        events.iter().enumerate().filter(|(_, event)| self.tells(event)).map(|(position, _)| position).collect()
    }

    fn tells(&self, event: &RawValue) -> bool {
        #[derive(Deserialize)]
        struct Identity<'a> {
            #[serde(borrow)]
            event_id: Cow<'a, str>,
        }

        match self {
            Self::EventId(pattern) => serde_json::from_str::<Identity<'_>>(event.get())
                .is_ok_and(|identity| pattern.matches(&identity.event_id)),
            Self::Contains(part) => event.get().contains(part.as_str()),
        }
    }
}

/// A number from 0 to 1 that is the same for the same seed, rule and request (`SplitMix64`).
fn draw(seed: u64, rule: u64, number: u64) -> f64 {
    let step = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(rule.wrapping_mul(0xd1b5_4a32_d192_ed03));
    let mixed = seed.wrapping_add(step);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let high = u32::try_from((mixed ^ (mixed >> 31)) >> 32).expect("32 bits");
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(when: &When, seed: u64) -> Vec<u64> {
        let request = |number| Request { number, hits: 0, seed, is_reused: false };
        (1..=10).filter(|number| when.fits(request(*number), 0)).collect()
    }

    #[test]
    fn numbers_spans_and_steps_select_requests() {
        for (text, expected) in [("3", vec![3]), ("3..5", vec![3, 4, 5]), ("9..", vec![9, 10]), ("every 4", vec![4, 8])]
        {
            let on = On::parse(text).expect(text);
            assert_eq!(numbers(&When { on, ..When::default() }, 0), expected, "{text}");
        }
        for bad in ["", "0", "5..3", "..", "..3", "every", "every 0", "-1", "x"] {
            assert_eq!(On::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed() {
        let when = When { chance: Some(0.5), ..When::default() };
        assert_eq!(numbers(&when, 7), numbers(&when, 7));
        assert_ne!(numbers(&when, 7), numbers(&when, 8));
        let hits = (0..10_000).filter(|number| draw(1, 2, *number) < 0.1).count();
        assert!((900..1_100).contains(&hits), "{hits}");
    }

    #[test]
    fn events_are_told_by_id_or_content() {
        let body = br#"{"data":[{"event_id":"a-1"},{"event_id":"b-1","value":7},{"event_id":3}]}"#;
        let envelope = Envelope::parse(body).expect("an object");
        let id = |pattern| Pattern::EventId(glob::Pattern::new(pattern).expect("a pattern")).positions(&envelope);
        assert_eq!((id("a-*"), id("?-1"), id("c*")), (vec![0], vec![0, 1], vec![]));
        assert_eq!(Pattern::Contains("\"value\":7".into()).positions(&envelope), [1]);
    }
}
