//! What each kind of field may hold, checked over the event's whole tree.

use std::fmt;
use std::net::IpAddr;
use std::sync::LazyLock;

use super::json::Json;
use super::judge::{Fault, Judge, is_envelope_key};
use super::rules::{Profile, message};
use super::shape::Shape;
use crate::contract::currencies;
use crate::contract::events;
use crate::contract::normalize::Digest;
use crate::contract::{Confidence, EventSource, Field, Kind, Presence, Privacy};

/// A difference of items and value up to this share of the value is rounding (R56).
const SUM_TOLERANCE: f64 = 0.01;
/// Names of which a value and a currency are expected, in today's spelling (R52).
const PAYMENTS: [&str; 2] = ["Purchase", "PlaceAnOrder"];

type Place<'f> = (&'f Field, Option<usize>);

impl Judge {
    /// Judges what the object holds, in the order it was sent in.
    pub(super) fn children(&mut self, shape: &Shape, object: &Json<'_>, item: Option<usize>) -> Result<(), Fault> {
        let Json::Object(pairs) = object else { return Ok(()) };
        for (key, value) in pairs {
            match shape.children.get(key.as_ref()) {
                Some(child) => self.place(child, value, item)?,
                None if shape.path.is_empty() && is_envelope_key(key) => self.warn(14, key.to_string()),
                None if self.profile == Profile::Strict => {
                    let dot = if shape.path.is_empty() { "" } else { "." };
                    self.warn(67, format!("{}{dot}{key}", shape.path));
                }
                None => {}
            }
        }
        Ok(())
    }

    fn place(&mut self, shape: &Shape, value: &Json<'_>, item: Option<usize>) -> Result<(), Fault> {
        match (value, shape.field) {
            (_, Some(Field { kind: Kind::EventName | Kind::Time | Kind::EventId, .. })) => Ok(()),
            (Json::Null, _) => self.find(68, shape.path, item, &"null"),
            (Json::List(items), _) if shape.is_list => self.items(shape, items),
            (_, _) if shape.is_list => self.find(53, shape.path, item, &"not a valid list"),
            (_, Some(field)) => self.field((field, item), value),
            (Json::Object(_), None) => self.children(shape, value, item),
            (_, None) => self.find(35, shape.path, item, &"not a valid object"),
        }
    }

    fn items(&mut self, shape: &Shape, items: &[Json<'_>]) -> Result<(), Fault> {
        for (index, item) in items.iter().enumerate() {
            if !matches!(item, Json::Object(_)) {
                return self.find(53, shape.path, None, &format_args!("not a list of objects at {index}"));
            }
            self.children(shape, item, Some(index))?;
        }
        Ok(())
    }

    fn field(&mut self, place: Place<'static>, value: &Json<'_>) -> Result<(), Fault> {
        let (field, item) = place;
        if field.presence(self.source) == Presence::Absent && !value.is_blank() {
            self.absent(field, value);
        }
        match field.kind {
            Kind::Email | Kind::Phone | Kind::ExternalId => self.identifiers(place, value),
            Kind::Texts => self.list(place, value, |item| item.as_text().is_some(), &"not a list of strings"),
            Kind::Numbers => self.list(place, value, |item| item.as_number().is_some(), &"not a list of numbers"),
            Kind::Amount | Kind::Number => match value.as_number() {
                None if field.is_item() && self.source == EventSource::App => Err(Self::refuse_app_price()),
                None => self.wrong_type(place, &"not a valid number"),
                Some(number) => self.number(place, number),
            },
            Kind::Integer if value.as_integer().is_none_or(|number| number < 0) => {
                self.wrong_type(place, &"not a valid integer")
            }
            Kind::Quantity if value.as_integer().is_none_or(|number| number < 1) => {
                self.wrong_type(place, &"not an integer of at least 1")
            }
            Kind::Boolean => match value {
                Json::Boolean(flag) => {
                    if *flag && field.path == "limited_data_use" && field.presence(self.source) == Presence::Absent {
                        self.warn(63, field.path);
                    }
                    Ok(())
                }
                _ => self.wrong_type(place, &"not a valid boolean"),
            },
            Kind::Integer | Kind::Quantity => Ok(()),
            _ => match value.as_text() {
                None => self.wrong_type(place, &message::TEXT),
                // Integrations in production send empty texts; TikTok takes them as absent.
                Some("") => Ok(()),
                Some(text) => self.text(field, item, text),
            },
        }
    }

    fn identifiers(&mut self, place: Place<'static>, value: &Json<'_>) -> Result<(), Fault> {
        let one = std::slice::from_ref(value);
        let values = if let Json::List(values) = value { values } else { one };
        for value in values {
            let Some(text) = value.as_text() else {
                return self.wrong_type(place, &"not a valid string or list of strings");
            };
            self.identifier(place.0.path, text)?;
        }
        Ok(())
    }

    fn identifier(&mut self, path: &'static str, text: &str) -> Result<(), Fault> {
        static EMPTY: LazyLock<Digest> = LazyLock::new(|| Digest::of(""));
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match text.len() {
            0 => Ok(()),
            64 if is_hex && is_lower && text == EMPTY.as_str() => self.find(40, path, None, &"digest of an empty text"),
            64 if is_hex && is_lower => Ok(()),
            64 if is_hex => self.find(39, path, None, &"upper-case digest"),
            _ if text.contains('@') || text.starts_with('+') => self.find(38, path, None, &"must be hashed"),
            32 | 40 if is_hex => self.find(41, path, None, &"must be a SHA-256 digest, not MD5 or SHA-1"),
            _ => self.find(37, path, None, &"must be a SHA-256 digest"),
        }
    }

    fn text(&mut self, field: &'static Field, item: Option<usize>, text: &str) -> Result<(), Fault> {
        let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_odd = match field.kind {
            Kind::Currency => return self.currency(field, text),
            Kind::OneOf(choices) if !choices.contains(&text) => {
                return self.find(choice_rule(field), field.path, item, &format_args!("must be {}", Choices(choices)));
            }
            Kind::PersonName | Kind::ZipCode => (!is_digest).then_some(45),
            Kind::Place | Kind::Country => is_digest.then_some(45),
            Kind::Ip if is_digest => Some(43),
            Kind::Ip => (!is_public(text)).then_some(42),
            Kind::UpperAdvertisingId => {
                (!is_digest && text.bytes().any(|byte| byte.is_ascii_lowercase())).then_some(47)
            }
            Kind::LowerAdvertisingId => {
                (!is_digest && text.bytes().any(|byte| byte.is_ascii_uppercase())).then_some(47)
            }
            Kind::Text if field.privacy == Privacy::Plain => is_digest.then_some(43),
            _ => None,
        };
        if let Some(rule) = is_odd {
            self.warn(rule, field.path);
        }
        Ok(())
    }

    fn currency(&mut self, field: &'static Field, text: &str) -> Result<(), Fault> {
        if text.len() != 3 || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return self.find(50, field.path, None, &"must be three upper-case letters");
        }
        if !currencies::CONTRACT.contains(&text) {
            self.warn(51, field.path);
        }
        Ok(())
    }

    fn number(&mut self, (field, item): Place<'static>, number: f64) -> Result<(), Fault> {
        if field.kind == Kind::Amount && number < 0.0 {
            return self.find(49, field.path, item, &"must not be negative");
        }
        if field.path == "ad.attribution_share" && !(0.0..=1.0).contains(&number) {
            self.warn(65, field.path);
        }
        Ok(())
    }

    fn list(
        &mut self,
        place: Place<'static>,
        value: &Json<'_>,
        fits: impl Fn(&Json<'_>) -> bool,
        reason: &dyn fmt::Display,
    ) -> Result<(), Fault> {
        match value {
            Json::List(items) if items.iter().all(fits) => Ok(()),
            _ => self.wrong_type(place, reason),
        }
    }

    fn wrong_type(&mut self, (field, item): Place<'static>, reason: &dyn fmt::Display) -> Result<(), Fault> {
        self.find(type_rule(field), field.path, item, reason)
    }

    fn absent(&mut self, field: &'static Field, value: &Json<'_>) {
        // `limited_data_use: false` is what integrations send everywhere.
        let rule = match field.path.split('.').next() {
            Some("limited_data_use") => return,
            Some("ad") => 65,
            _ if matches!(field.kind, Kind::OneOf(_)) => choice_rule(field),
            _ => 46,
        };
        debug_assert!(!value.is_blank(), "a blank value is not a finding");
        self.warn(rule, field.path);
    }

    /// Rules about several fields at once; none of them refuses.
    pub(super) fn together(&mut self, event: &Json<'_>) {
        let has = |path: &str| event.at(path).is_some_and(|value| !value.is_blank());
        if has("user.ip") != has("user.user_agent") {
            self.warn(44, "user.ip");
        }
        let name = event.get("event").and_then(Json::as_text).map_or("", events::canonical);
        let (has_value, has_currency) = (has("properties.value"), has("properties.currency"));
        if has_value != has_currency || (PAYMENTS.contains(&name) && !has_value) {
            self.warn(52, "properties.value");
        }
        if let Some(Json::List(items)) = event.at("properties.contents") {
            if !items.is_empty() && !has("properties.content_type") {
                self.warn(58, "properties.content_type");
            }
            let sum: Option<f64> = items.iter().map(line_total).sum();
            let value = event.at("properties.value").and_then(Json::as_number);
            if let (Some(sum), Some(value)) = (sum, value)
                && !items.is_empty()
                && (sum - value).abs() > (value.abs() * SUM_TOLERANCE).max(SUM_TOLERANCE)
            {
                self.warn(56, "properties.value");
            }
        }
        let limits_use = matches!(event.get("limited_data_use"), Some(Json::Boolean(true)));
        let ip = event.at("user.ip").and_then(Json::as_text).unwrap_or_default();
        if limits_use && matches!(self.source, EventSource::Web | EventSource::App) && !is_public(ip) {
            self.warn(64, "user.ip");
        }
    }
}

fn line_total(item: &Json<'_>) -> Option<f64> {
    Some(item.get("price")?.as_number()? * item.get("quantity")?.as_number()?)
}

/// The rule that a value of the wrong type breaks. What TikTok's own table does not list never refuses.
fn type_rule(field: &Field) -> u8 {
    match field.kind {
        _ if field.citation.confidence < Confidence::Certain => 67,
        Kind::Email | Kind::Phone | Kind::ExternalId => 36,
        Kind::Texts | Kind::Numbers | Kind::Contents => 53,
        Kind::Amount | Kind::Number | Kind::Quantity if field.is_item() => 55,
        Kind::Amount | Kind::Number => 48,
        Kind::Boolean => 62,
        _ if field.is_item() => 54,
        _ => 59,
    }
}

/// The rule that a value outside a closed set breaks.
fn choice_rule(field: &Field) -> u8 {
    match field.column {
        "content_type" => 57,
        "event_channel" => 60,
        "att_status" => 47,
        "customer_type" => 61,
        _ => 67,
    }
}

fn is_public(text: &str) -> bool {
    match text.parse() {
        Ok(IpAddr::V4(ip)) => {
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || is_shared)
        }
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
        Err(_) => false,
    }
}

/// `a, b or c`.
struct Choices(&'static [&'static str]);

impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.len().saturating_sub(1);
        self.0.iter().enumerate().try_for_each(|(index, choice)| {
            let separator = if index == 0 {
                ""
            } else if index == last {
                " or "
            } else {
                ", "
            };
            write!(f, "{separator}{choice}")
        })
    }
}
