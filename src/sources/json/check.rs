//! Whether a text is JSON objects, each field of which is named once.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

/// Fields up to which an object is searched for twins one by one.
const FEW: usize = 16;

/// What is wrong with a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It ends before its last value does.
    Cut,
    /// It is no JSON at this byte of its line, from 1.
    Malformed(usize),
    /// A value that is no object.
    NoObject,
    /// An object names a field twice.
    Twins,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("an object that has no end"),
            Self::Malformed(column) => write!(f, "no well-formed JSON at byte {column}"),
            Self::NoObject => f.write_str("JSON that is no object"),
            Self::Twins => f.write_str("an object that names a field twice"),
        }
    }
}

/// Finds the objects that stand one behind the other in `text`, and nothing else.
pub(super) fn objects(text: &str, found: &mut Vec<Range<usize>>) -> Result<(), Flaw> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Checked>();
    let mut start = 0;
    while let Some(value) = values.next() {
        match value {
            Ok(_) => {
                let end = values.byte_offset();
                let begins = text[start..end].trim_ascii_start().starts_with('{');
                if !begins {
                    return Err(Flaw::NoObject);
                }
                found.push(start..end);
                start = end;
            }
            Err(error) => {
                return Err(match error.classify() {
                    Category::Eof => Flaw::Cut,
                    Category::Data => Flaw::Twins,
                    Category::Syntax | Category::Io => Flaw::Malformed(error.column()),
                });
            }
        }
    }
    Ok(())
}

/// A JSON value of which nothing is kept.
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut few: Vec<Cow<'de, str>> = Vec::new();
        let mut many = HashSet::new();
        while let Some(Name(name)) = members.next_key()? {
            let is_new = if few.len() < FEW {
                let is_new = !few.contains(&name);
                few.push(name);
                is_new
            } else {
                many.extend(few.iter().filter(|_| many.is_empty()).cloned().collect::<Vec<_>>());
                many.insert(name)
            };
            if !is_new {
                return Err(de::Error::custom("a field is named twice"));
            }
            members.next_value::<Self>()?;
        }
        Ok(self)
    }
}

/// The name of a field, of the text itself unless it holds an escape.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<Vec<&str>, Flaw> {
        let mut found = Vec::new();
        objects(text, &mut found).map(|()| found.into_iter().map(|range| &text[range]).collect())
    }

    #[test]
    fn objects_are_found_and_flaws_are_told_apart() {
        assert_eq!(checked(" {\"a\":[1,{\"a\":null}]} {} "), Ok(vec![" {\"a\":[1,{\"a\":null}]}", " {}"]));
        for (text, flaw) in [
            ("{\"a\":1", Flaw::Cut),
            ("{\"a\":}", Flaw::Malformed(6)),
            ("{\"a\":01}", Flaw::Malformed(7)),
            ("{\"a\":1} x", Flaw::Malformed(9)),
            ("[1]", Flaw::NoObject),
            ("{} 7", Flaw::NoObject),
            ("{\"a\":1,\"\\u0061\":2}", Flaw::Twins),
            ("{\"b\":[{\"a\":1,\"c\":0,\"a\":2}]}", Flaw::Twins),
        ] {
            assert_eq!(checked(text).unwrap_err(), flaw, "{text}");
        }
        let many = |last: usize| {
            let members: Vec<String> = (0..100).chain([last]).map(|name| format!("\"{name}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(checked(&many(100)).is_ok());
        for twin in [0, 15, 16, 17, 99] {
            assert_eq!(checked(&many(twin)).unwrap_err(), Flaw::Twins, "{twin}");
        }
        assert!(checked(&"[".repeat(100_000)).is_err());
    }
}
