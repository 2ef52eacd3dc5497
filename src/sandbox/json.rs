//! A JSON value that borrows its texts from the request's body.
//!
//! One event becomes one tree, is judged, and is dropped: no text without escapes is ever copied, and an object is
//! a plain list of pairs, which for objects of a few dozen keys is faster to build and to search than a map.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Number;

/// A JSON value.
#[derive(Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Boolean(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// The value of `key`, when this is an object that has it; the last one when the key repeats.
    pub(crate) fn get(&self, key: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(pairs) => pairs.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value at a path of keys with dots between them.
    pub(crate) fn at(&self, path: &str) -> Option<&Json<'a>> {
        path.split('.').try_fold(self, |value, key| value.get(key))
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    /// The number, when it was written without fraction and exponent and fits.
    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// Whether the value says nothing: null, an empty text, an empty list or an empty object.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::List(items) => items.iter().all(Json::is_blank),
            Self::Object(pairs) => pairs.is_empty(),
            Self::Boolean(_) | Self::Number(_) => false,
        }
    }

    /// Adds what `later` has and this object lacks under `key`, and returns the names of what was added.
    pub(crate) fn fill_in(&mut self, key: &str, later: &Json<'a>) -> Vec<String> {
        let (Self::Object(pairs), Some(Self::Object(offered))) = (self, later.get(key)) else { return Vec::new() };
        if !pairs.iter().any(|(name, _)| name == key) {
            pairs.push((Cow::Owned(key.to_owned()), Self::Object(Vec::new())));
        }
        let Some((_, Self::Object(present))) = pairs.iter_mut().rev().find(|(name, _)| name == key) else {
            return Vec::new();
        };
        let mut added = Vec::new();
        for (name, value) in offered.iter().filter(|(_, value)| !value.is_blank()) {
            match present.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) if known.is_blank() => *known = value.clone(),
                Some(_) => continue,
                None => present.push((name.clone(), value.clone())),
            }
            added.push(format!("{key}.{name}"));
        }
        added
    }
}

// A value may be personal; only its shape prints.
impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "text",
            Self::List(_) => "list",
            Self::Object(_) => "object",
        })
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (name, value) in pairs {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(Key(name)) = map.next_key()? {
            pairs.push((name, map.next_value()?));
        }
        Ok(Json::Object(pairs))
    }
}

/// An object's key: serde's own `Cow` never borrows here.
pub(crate) struct Key<'a>(Cow<'a, str>);

impl Key<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Text(name) => Ok(Self(name)),
            _ => Err(serde::de::Error::custom("a key that is not a text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Json<'_> {
        serde_json::from_str(text).expect("test documents are JSON")
    }

    #[test]
    fn borrows_texts_without_escapes_and_writes_back_what_it_read() {
        let text = r#"{"a":"plain","b":["\"quoted\"",1,-2,74.5,true,null],"c":{"d":{}}}"#;
        let json = parse(text);
        assert!(matches!(json.get("a"), Some(Json::Text(Cow::Borrowed("plain")))));
        assert!(matches!(&json, Json::Object(pairs) if matches!(pairs[0].0, Cow::Borrowed(_))));
        assert_eq!(serde_json::to_string(&json).expect("serialises"), text);
    }

    #[test]
    fn integers_are_told_from_fractions() {
        assert_eq!(parse("1787234709").as_integer(), Some(1_787_234_709));
        assert_eq!(parse("1787234709.0").as_integer(), None);
        assert_eq!(parse("\"1787234709\"").as_integer(), None);
    }

    #[test]
    fn fills_in_only_what_is_missing_or_blank() {
        let mut first = parse(r#"{"user":{"email":"e","phone":[]},"event":"Purchase"}"#);
        let later = parse(r#"{"user":{"email":"other","phone":"p"},"properties":{"value":5,"currency":""}}"#);
        assert_eq!(first.fill_in("user", &later), ["user.phone"]);
        assert_eq!(first.fill_in("properties", &later), ["properties.value"]);
        assert_eq!(
            serde_json::to_string(&first).expect("serialises"),
            r#"{"user":{"email":"e","phone":"p"},"event":"Purchase","properties":{"value":5}}"#
        );
    }

    #[test]
    fn printing_shows_the_shape_only() {
        assert_eq!(format!("{:?}", parse("\"secret\"")), "text");
    }
}
