//! The contract for people and programs: `postback schema`, the README's tables, a JSON Schema, and Arrow types.
//!
//! Everything here is derived from the tables of [`contract`](crate::contract) and states no fact of its own. With an
//! event source, only what events of that source take is shown; without one, everything with the sources beside it.

mod arrow;
mod json;
mod json_schema;
mod pages;
mod section;

pub use arrow::{accepts, described, expected, is_bytes};
pub use json::json;
pub use json_schema::json_schema;
pub use pages::{markdown, readme_tables, sections, table};
pub use section::Section;

use super::fields::FIELDS;
use super::{EventSource, Field, Kind, Presence};

/// One column of the contract, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Canonical column name.
    pub column: &'static str,
    /// Other names of the column, separated by a comma and a blank.
    pub aliases: String,
    /// Where the value goes in the JSON.
    pub path: &'static str,
    /// What values are.
    pub values: String,
    /// `required`, `optional` or `-` per event source, in the order of [`EventSource::ALL`].
    pub presence: [&'static str; 4],
    /// `public`, `hashed` or `plain`.
    pub privacy: &'static str,
    /// What the column means.
    pub meaning: &'static str,
    /// Source and confidence of the row.
    pub citation: String,
}

impl Row {
    /// The headings of [`Row::cells`].
    pub const HEADINGS: [&'static str; 11] =
        ["column", "aliases", "path", "values", "offline", "web", "app", "crm", "privacy", "meaning", "citation"];

    /// The row as texts, for any table format.
    #[must_use]
    pub fn cells(&self) -> [&str; 11] {
        let [offline, web, app, crm] = self.presence;
        let Self { column, aliases, path, values, privacy, meaning, citation, .. } = self;
        [column, aliases, path, values, offline, web, app, crm, privacy, meaning, citation]
    }
}

impl From<&'static Field> for Row {
    fn from(field: &'static Field) -> Self {
        Self {
            column: field.column,
            aliases: field.aliases.join(", "),
            path: field.path,
            values: values(field.kind),
            presence: field.presence.map(Presence::as_str),
            privacy: field.privacy.as_str(),
            meaning: field.meaning,
            citation: field.citation.to_string(),
        }
    }
}

/// The columns that events of `source` take, or all of them, in the order of the JSON.
#[must_use]
pub fn rows(source: Option<EventSource>) -> Vec<Row> {
    taken(source).map(Row::from).collect()
}

fn taken(source: Option<EventSource>) -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().filter(move |field| source.is_none_or(|source| field.presence(source) != Presence::Absent))
}

/// What values of `kind` are, in a few words.
#[must_use]
pub fn values(kind: Kind) -> String {
    let words = match kind {
        Kind::EventSource => return EventSource::ALL.map(EventSource::as_str).join(", "),
        Kind::OneOf(set) => return set.join(", "),
        Kind::EventSourceId | Kind::EventId | Kind::Text => "text",
        Kind::EventName => "event name",
        Kind::Time => "time",
        Kind::Email => "e-mail address, or a list",
        Kind::Phone => "E.164 phone number, or a list",
        Kind::ExternalId => "text, or a list",
        Kind::PersonName => "name",
        Kind::ZipCode => "postal code",
        Kind::Place => "place name",
        Kind::Country => "two-letter code",
        Kind::Ip => "IP address",
        Kind::Locale => "language tag",
        Kind::Url => "http or https URL",
        Kind::UpperAdvertisingId => "upper-case id",
        Kind::LowerAdvertisingId => "lower-case id",
        Kind::Texts => "list of text",
        Kind::Currency => "ISO 4217 code",
        Kind::Amount => "number, at least 0",
        Kind::Number => "number",
        Kind::Numbers => "list of numbers",
        Kind::Integer => "whole number, at least 0",
        Kind::Quantity => "whole number, at least 1",
        Kind::Boolean => "true or false",
        Kind::Contents => "list of items",
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_source_are_those_it_takes() {
        assert_eq!(rows(None).len(), FIELDS.len());
        let offline = rows(Some(EventSource::Offline));
        assert!(offline.iter().all(|row| row.presence[0] != "-"));
        assert!(offline.iter().any(|row| row.column == "shop_id" && row.aliases == "store_id"));
        assert!(!offline.iter().any(|row| row.column == "ip"));
    }

    #[test]
    fn cells_stand_under_their_headings() {
        let row = Row::from(crate::contract::fields::find("email").expect("email is a column"));
        let cell = |heading| row.cells()[Row::HEADINGS.iter().position(|name| *name == heading).expect("a heading")];
        assert_eq!(cell("aliases"), "emails");
        assert_eq!(cell("crm"), "optional");
        assert_eq!(cell("privacy"), "hashed");
        assert!(cell("citation").ends_with("(certain)"));
    }
}
