//! The verdict on a request: which rule it breaks first, in the order in which TikTok is thought to look.
//!
//! Pure: the same body, profile and time give the same verdict. One request is accepted or refused as a whole; a
//! refusal names the first failure only. A message never repeats a value, because a value may be personal.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::envelope::Envelope;
use super::json::Json;
use super::rules::{Profile, code, message};
use super::shape;
use crate::contract::events::{self, Verdict as Naming};
use crate::contract::fields::{ENVELOPE_SETTINGS, FIELDS};
use crate::contract::{
    EVENT_TIME_DIGITS, EventSource, FUTURE_TOLERANCE_SECONDS, Kind, MAX_BATCH_EVENTS, MAX_EVENT_AGE_DAYS,
};

/// What the sandbox answers.
pub(crate) enum Verdict<'a> {
    /// Every event is taken.
    Accept {
        /// The events in body order.
        events: Vec<Event<'a>>,
        /// What was odd without being refused.
        warnings: Warnings,
    },
    /// Nothing of the request is taken.
    Refuse(Refusal),
}

/// What the sandbox keeps of an accepted event.
pub(crate) struct Event<'a> {
    /// `event`.
    pub name: Cow<'a, str>,
    /// `event_id`, unless it is missing or blank.
    pub id: Option<Cow<'a, str>>,
    /// `value` with its `currency`.
    pub amount: Option<(Cow<'a, str>, f64)>,
    /// The JSON object as it was sent.
    pub text: &'a str,
}

/// The first failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// `code` of the response.
    pub code: i64,
    /// `message` of the response.
    pub message: String,
    /// The message with `*` for the event's index: what a hundred alike refusals have in common.
    pub pattern: String,
}

impl Refusal {
    /// A refusal whose message says all.
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, pattern: message.clone(), message }
    }

    /// `Invalid value for <path>: <reason>.`
    fn of_value(path: &str, reason: impl fmt::Display) -> Self {
        Self::new(code::PARAMETER, format!("Invalid value for {path}: {reason}."))
    }

    /// The same about a place inside the event of this index.
    fn of_event(index: usize, fault: &Fault) -> Self {
        if fault.code == code::PARAMETERS {
            return Self::new(fault.code, fault.reason.clone());
        }
        let dot = if fault.path.is_empty() { "" } else { "." };
        let form =
            |index: &dyn fmt::Display| format!("Invalid value for data.{index}{dot}{}: {}.", fault.path, fault.reason);
        Self { code: fault.code, message: form(&index), pattern: form(&'*') }
    }
}

/// Findings that do not refuse: (rule, path) and how often.
pub(crate) type Warnings = BTreeMap<(u8, Cow<'static, str>), u64>;

/// Where and why an event fails.
#[derive(Debug)]
pub(crate) struct Fault {
    code: i64,
    path: String,
    reason: String,
}

/// Judges the body of a request that has a valid token, at `now` (Unix seconds).
pub(crate) fn judge<'a>(envelope: &Envelope<'a>, profile: Profile, now: i64) -> Verdict<'a> {
    let mut judge = Judge { profile, now, source: EventSource::Offline, warnings: Warnings::new() };
    match judge.request(envelope) {
        Ok(events) => Verdict::Accept { events, warnings: judge.warnings },
        Err(refusal) => Verdict::Refuse(refusal),
    }
}

/// One request being judged.
pub(crate) struct Judge {
    pub(super) profile: Profile,
    pub(super) now: i64,
    pub(super) source: EventSource,
    pub(super) warnings: Warnings,
}

impl Judge {
    fn request<'a>(&mut self, envelope: &Envelope<'a>) -> Result<Vec<Event<'a>>, Refusal> {
        self.source(envelope)?;
        self.source_id(envelope)?;
        let texts = envelope.events();
        if self.profile.refuses(10) {
            let texts = texts.as_deref().ok_or_else(|| Refusal::of_value("data", "not a valid list"))?;
            if texts.is_empty() {
                return Err(Refusal::of_value("data", "must have at least one event"));
            }
        }
        let texts = texts.unwrap_or_default();
        if texts.len() as u64 > MAX_BATCH_EVENTS {
            let reason = format_args!("must have at most {MAX_BATCH_EVENTS} events");
            return Err(Refusal::of_value("data", reason));
        }
        self.settings(envelope)?;
        let mut events = Vec::with_capacity(texts.len());
        for (index, text) in texts.into_iter().enumerate() {
            let event = serde_json::from_str(text.get())
                .map_err(|_| Refusal::of_value(&format!("data.{index}"), "not valid JSON"))?;
            self.event(&event).map_err(|fault| Refusal::of_event(index, &fault))?;
            events.push(keep(&event, text.get()));
        }
        Ok(events)
    }

    fn source(&mut self, envelope: &Envelope<'_>) -> Result<(), Refusal> {
        let source = envelope.get("event_source");
        let source = source.as_ref().and_then(Json::as_text).and_then(EventSource::parse);
        self.source = source.ok_or_else(|| Refusal::of_value("event_source", message::SOURCE))?;
        Ok(())
    }

    fn source_id(&mut self, envelope: &Envelope<'_>) -> Result<(), Refusal> {
        let refusal = || Refusal::of_value("event_source_id", message::TEXT);
        let value = envelope.get("event_source_id");
        let id = value.as_ref().and_then(Json::as_text).filter(|id| !id.trim().is_empty()).ok_or_else(refusal)?;
        let is_digits = id.bytes().all(|byte| byte.is_ascii_digit());
        let is_pixel_code = id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()) && !is_digits;
        let fits = if self.source == EventSource::Web { is_pixel_code } else { is_digits };
        if !fits && self.source == EventSource::Offline {
            return Err(refusal());
        }
        if !fits {
            self.warn(9, "event_source_id");
        }
        Ok(())
    }

    fn settings(&mut self, envelope: &Envelope<'_>) -> Result<(), Refusal> {
        for (name, ..) in ENVELOPE_SETTINGS {
            if envelope.get(name).is_some_and(|value| value.as_text().is_none()) {
                if self.profile.refuses(12) {
                    return Err(Refusal::of_value(name, message::TEXT));
                }
                self.warn(12, *name);
            }
        }
        for key in envelope.keys().filter(|key| *key != "data" && !is_envelope_key(key)) {
            self.warn(15, key.to_owned());
        }
        Ok(())
    }

    fn event(&mut self, event: &Json<'_>) -> Result<(), Fault> {
        if !matches!(event, Json::Object(_)) {
            return self.find(35, "", None, &"not a valid object");
        }
        self.name(event)?;
        self.time(event)?;
        self.id(event)?;
        self.identity(event)?;
        self.required(event)?;
        self.children(&shape::EVENT, event, None)?;
        self.together(event);
        Ok(())
    }

    fn name(&mut self, event: &Json<'_>) -> Result<(), Fault> {
        let Some(name) = event.get("event").and_then(Json::as_text).filter(|name| !name.trim().is_empty()) else {
            return self.find(16, "event", None, &message::TEXT);
        };
        match events::judge(name, self.source) {
            Naming::Standard | Naming::Custom => Ok(()),
            Naming::Legacy { .. } => self.find(21, "event", None, &"an old name"),
            Naming::Reserved { .. } | Naming::Misspelt { .. } => self.find(20, "event", None, &"not an event name"),
            Naming::NotAllowed { .. } if self.source == EventSource::Offline => {
                self.find(17, "event", None, &"not a standard event")
            }
            Naming::NotAllowed { .. } => self.find(19, "event", None, &"not an event name"),
        }
    }

    fn time(&mut self, event: &Json<'_>) -> Result<(), Fault> {
        let path = "event_time";
        let Some(time) = event.get(path).and_then(Json::as_integer) else {
            return self.find(23, path, None, &"not a valid integer");
        };
        if time < 0 || u64::from(time.unsigned_abs().checked_ilog10().unwrap_or(0)) + 1 != EVENT_TIME_DIGITS {
            return self.find(24, path, None, &"not in seconds");
        }
        let ahead = time.saturating_sub(self.now);
        if ahead > FUTURE_TOLERANCE_SECONDS.cast_signed() {
            return self.find(25, path, None, &"in the future");
        }
        if ahead < -(MAX_EVENT_AGE_DAYS * 86_400).cast_signed() {
            let rule = if self.source == EventSource::Offline { 26 } else { 27 };
            return self.find(rule, path, None, &"too old");
        }
        Ok(())
    }

    fn id(&mut self, event: &Json<'_>) -> Result<(), Fault> {
        match event.get("event_id") {
            None | Some(Json::Null) => self.find(29, "event_id", None, &"missing"),
            Some(Json::Text(id)) if id.trim().is_empty() => self.find(29, "event_id", None, &"missing"),
            Some(Json::Text(_)) => Ok(()),
            Some(_) => self.find(28, "event_id", None, &message::TEXT),
        }
    }

    fn identity(&mut self, event: &Json<'_>) -> Result<(), Fault> {
        let user = event.get("user");
        let has = |key: &str| user.and_then(|user| user.get(key)).is_some_and(|value| !value.is_blank());
        match self.source {
            EventSource::Offline if !has("email") && !has("phone") => {
                self.find(30, "user", None, &"must have email or phone")
            }
            EventSource::Web => {
                let is_identified = ["email", "phone", "external_id"].into_iter().any(has);
                let is_matchable = has("ttclid") || has("ttp") || (has("ip") && has("user_agent"));
                if is_identified || (is_matchable && self.profile != Profile::Amperity) {
                    return Ok(());
                }
                self.find(31, "user", None, &"must have email, phone or external_id")
            }
            EventSource::Offline | EventSource::App | EventSource::Crm => Ok(()),
        }
    }

    fn required(&mut self, event: &Json<'_>) -> Result<(), Fault> {
        for field in shape::required(self.source) {
            let value = event.at(field.path).filter(|value| !value.is_blank());
            let rule = match self.source {
                EventSource::Web => 32,
                EventSource::App => 33,
                EventSource::Crm => 34,
                EventSource::Offline => 30,
            };
            match value.map(Json::as_text) {
                None => self.find(rule, field.path, None, &"missing")?,
                Some(Some(url)) if field.kind == Kind::Url && !is_absolute_url(url) => {
                    self.find(rule, field.path, None, &"not an absolute http or https url")?;
                }
                // A wrong type is found where the types are looked at.
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Refuses for rule `number` if the profile does, else notes a warning. `reason` is written on refusal only.
    pub(super) fn find(
        &mut self,
        number: u8,
        path: &'static str,
        item: Option<usize>,
        reason: &dyn fmt::Display,
    ) -> Result<(), Fault> {
        if !self.profile.refuses(number) {
            self.warn(number, path);
            return Ok(());
        }
        let path = item.map_or_else(|| path.to_owned(), |item| path.replace("[]", &format!(".{item}")));
        Err(Fault { code: code::PARAMETER, path, reason: reason.to_string() })
    }

    /// Refuses in the words of the app path, which has its own code for a price.
    pub(super) fn refuse_app_price() -> Fault {
        Fault { code: code::PARAMETERS, path: String::new(), reason: message::APP_PRICE.to_owned() }
    }

    pub(super) fn warn(&mut self, number: u8, path: impl Into<Cow<'static, str>>) {
        *self.warnings.entry((number, path.into())).or_default() += 1;
    }
}

/// Whether the key belongs beside `data`.
pub(super) fn is_envelope_key(key: &str) -> bool {
    ENVELOPE_SETTINGS.iter().any(|(name, ..)| *name == key)
        || FIELDS.iter().any(|field| shape::is_envelope(field) && field.path == key)
}

fn is_absolute_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn keep<'a>(event: &Json<'a>, text: &'a str) -> Event<'a> {
    let owned = |path: &str| match event.at(path) {
        Some(Json::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let value = event.at("properties.value").and_then(Json::as_number);
    Event {
        name: owned("event").unwrap_or_default(),
        id: owned("event_id").filter(|id| !id.trim().is_empty()),
        amount: value.map(|value| (owned("properties.currency").unwrap_or_default(), value)),
        text,
    }
}
