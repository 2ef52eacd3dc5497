//! How a function of one text and at most one qualifier is declared.

use std::borrow::Cow;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::logical_expr::Documentation;

use super::{Defaults, SECTION};
use crate::contract::EventSource;
use crate::contract::normalize::Digest;
use crate::contract::phone::Region;
use crate::contract::time::{self, TimeZone};

/// A function of text, as data.
#[derive(Debug)]
pub(super) struct Declaration {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// Name and meaning of the first argument.
    pub(super) text: (&'static str, &'static str),
    /// The optional second argument.
    pub(super) parameter: Option<Parameter>,
    /// Whether the first argument may also be a list of texts.
    pub(super) lists: bool,
    pub(super) body: Body,
    /// A call and its result.
    pub(super) example: (&'static str, &'static str),
}

/// What becomes of a value, by the type of the result.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    Text(for<'a> fn(&'a str, &Qualifier) -> Option<Cow<'a, str>>),
    Digest(fn(&str, &Qualifier) -> Option<Digest>),
    Boolean(fn(&str, &Qualifier) -> bool),
    /// Microseconds since the epoch.
    Instant(fn(&str, &Qualifier) -> Option<i64>),
}

impl Declaration {
    /// As in `e164(text [, region])`.
    pub(super) fn syntax(&self) -> String {
        let qualifier = self.parameter.map_or(String::new(), |parameter| format!(" [, {}]", parameter.words().0));
        format!("{}({}{qualifier})", self.name, self.text.0)
    }

    pub(super) fn documentation(&self) -> Documentation {
        let (call, result) = self.example;
        let mut documentation = Documentation::builder(SECTION, self.description, self.syntax())
            .with_sql_example(format!("```sql\n> select {call};\n{result}\n```"))
            .with_argument(self.text.0, self.text.1);
        if let Some(parameter) = self.parameter {
            let (name, noun, expected) = parameter.words();
            documentation = documentation.with_argument(name, format!("The {noun}, {expected}."));
        }
        documentation.build()
    }
}

impl Body {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Text(_) | Self::Digest(_) => DataType::Utf8View,
            Self::Boolean(_) => DataType::Boolean,
            Self::Instant(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

/// The kinds of optional second arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    Region,
    Zone,
    EventSource,
}

impl Parameter {
    /// Its name in syntax, what it is called in errors, and what is expected there.
    const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Region => ("region", "region", "a two-letter code such as 'US'"),
            Self::Zone => ("zone", "time zone", "an IANA name such as 'Europe/Berlin'"),
            Self::EventSource => ("source", "event source", "'offline', 'web', 'app' or 'crm'"),
        }
    }

    pub(super) fn parse(self, text: &str) -> Result<Qualifier, String> {
        let qualifier = match self {
            Self::Region => Region::parse(text).map(Qualifier::Region),
            Self::Zone => time::zone(text).map(Qualifier::Zone),
            Self::EventSource => EventSource::parse(text).map(Qualifier::EventSource),
        };
        let (_, noun, expected) = self.words();
        qualifier.ok_or_else(|| format!("unknown {noun} `{text}`: expected {expected}"))
    }

    pub(super) fn default(self, defaults: &Defaults) -> Qualifier {
        let qualifier = match self {
            Self::Region => defaults.region.map(Qualifier::Region),
            Self::Zone => defaults.zone.clone().map(Qualifier::Zone),
            Self::EventSource => None,
        };
        qualifier.unwrap_or(Qualifier::None)
    }
}

/// The value of the second argument, or of its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Qualifier {
    None,
    Region(Region),
    Zone(TimeZone),
    EventSource(EventSource),
}

impl Qualifier {
    pub(super) fn region(&self) -> Option<Region> {
        if let Self::Region(region) = self { Some(*region) } else { None }
    }

    pub(super) fn zone(&self) -> Option<&TimeZone> {
        if let Self::Zone(zone) = self { Some(zone) } else { None }
    }

    pub(super) fn event_source(&self) -> Option<EventSource> {
        if let Self::EventSource(source) = self { Some(*source) } else { None }
    }
}
