//! Whether a text is JSON objects, each field of which is named once.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

/// Fields up to which an object is searched for twins one by one.
const FEW: usize = 16;
/// Names that are kept of a level: objects may be maps, with a name for each entry.
const MAX_NAMES: usize = 1_000;

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

/// Finds the objects that stand one behind the other in `text`, and nothing else; their names are added to `names`.
pub(super) fn objects(text: &str, found: &mut Vec<Range<usize>>, names: &mut Names) -> Result<(), Flaw> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let mut start = 0;
    while let Some(value) = values.next() {
        let value = value.map_err(|error| Flaw::of(&error, 0))?;
        let end = values.byte_offset();
        if !value.get().starts_with('{') {
            return Err(Flaw::NoObject);
        }
        let mut value = serde_json::Deserializer::from_str(value.get());
        Check { names: Some(names) }.deserialize(&mut value).map_err(|error| Flaw::of(&error, start))?;
        found.push(start..end);
        start = end;
    }
    Ok(())
}

impl Flaw {
    /// What `error` says of a text that begins `start` bytes behind the beginning.
    fn of(error: &serde_json::Error, start: usize) -> Self {
        match error.classify() {
            Category::Eof => Self::Cut,
            Category::Data => Self::Twins,
            Category::Syntax | Category::Io => Self::Malformed(start + error.column()),
        }
    }
}

/// The names in objects, those in the items of a list among those of its field, in the order in which they are first seen.
#[derive(Debug, Default)]
pub(super) struct Names {
    found: Vec<(Box<str>, Names)>,
    places: HashMap<Box<str>, usize>,
    /// Where the next name stands, if the objects are alike.
    next: usize,
}

impl Names {
    /// All names of this level.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.found.iter().map(|(name, inner)| (&**name, inner))
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// The names in the member `name`; none where there are too many names to keep.
    fn inner(&mut self, name: &str) -> Option<&mut Self> {
        if self.found.get(self.next).is_none_or(|(known, _)| **known != *name) {
            self.next = match self.places.get(name) {
                Some(place) => *place,
                None if self.found.len() < MAX_NAMES => {
                    self.places.insert(name.into(), self.found.len());
                    self.found.push((name.into(), Self::default()));
                    self.found.len() - 1
                }
                None => return None,
            };
        }
        self.next += 1;
        self.found.get_mut(self.next - 1).map(|(_, inner)| inner)
    }
}

/// Looks at a JSON value of which nothing is kept but names.
struct Check<'a> {
    names: Option<&'a mut Names>,
}

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Check { names: self.names.as_deref_mut() })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut few: Vec<Cow<'de, str>> = Vec::new();
        let mut many = HashSet::new();
        if let Some(names) = &mut self.names {
            names.next = 0;
        }
        while let Some(Name(name)) = members.next_key()? {
            let inner = self.names.as_deref_mut().and_then(|names| names.inner(&name));
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
            members.next_value_seed(Check { names: inner })?;
        }
        Ok(())
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
        objects(text, &mut found, &mut Names::default()).map(|()| found.into_iter().map(|range| &text[range]).collect())
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
