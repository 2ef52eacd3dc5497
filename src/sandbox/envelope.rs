//! The outer layer of a request body: its keys, each event still as the text it was sent as.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{Json, Key};

/// The body's top-level object, its values not looked into yet.
pub(crate) struct Envelope<'a>(Vec<(Key<'a>, &'a RawValue)>);

impl<'a> Envelope<'a> {
    /// Reads a body; `None` unless it is one JSON object.
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// Names of the top-level keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// The value of `key`, looked into.
    pub(crate) fn get(&self, key: &str) -> Option<Json<'a>> {
        serde_json::from_str(self.raw(key)?.get()).ok()
    }

    /// The events, unless `data` is missing or not a list.
    pub(crate) fn events(&self) -> Option<Vec<&'a RawValue>> {
        serde_json::from_str(self.raw("data")?.get()).ok().flatten()
    }

    fn raw(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(name, _)| name.as_str() == key).map(|(_, value)| *value)
    }
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Envelope(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_keep_the_text_they_were_sent_as() {
        let body = br#"{"event_source":"web","data":[{"value": 74.50}, 7]}"#;
        let envelope = Envelope::parse(body).expect("an object");
        let events: Vec<_> = envelope.events().expect("a list").into_iter().map(RawValue::get).collect();
        assert_eq!(events, [r#"{"value": 74.50}"#, "7"]);
        assert_eq!(envelope.keys().collect::<Vec<_>>(), ["event_source", "data"]);
    }

    #[test]
    fn only_an_object_is_an_envelope_and_only_a_list_holds_events() {
        for body in ["", "[]", "7", "{", "{} trailing", "\u{feff}{}"] {
            assert!(Envelope::parse(body.as_bytes()).is_none(), "{body}");
        }
        for body in ["{}", r#"{"data":null}"#, r#"{"data":{}}"#, r#"{"data":7}"#] {
            assert!(Envelope::parse(body.as_bytes()).expect("an object").events().is_none(), "{body}");
        }
    }
}
