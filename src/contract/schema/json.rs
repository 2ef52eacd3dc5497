//! The contract as JSON, with the source and the confidence of every row.

use serde_json::{Map, Value, json as value};

use super::{taken, values};
use crate::contract::events::{self, NameRule};
use crate::contract::responses::{self, Response};
use crate::contract::{Citation, EventSource, Field, Kind, LIMITS, MAX_CUSTOM_NAME, SOURCES, currencies, fields};

/// The contract of `source`, or of all of them: `columns`, `any_of`, `limits`, `event_names`, `currencies`, `sources`.
#[must_use]
pub fn json(source: Option<EventSource>) -> Value {
    let any_of = fields::ANY_OF.iter().filter(|any| source.is_none_or(|source| any.source == source));
    let any_of =
        any_of.map(|any| cited(value!({"event_source": any.source.as_str(), "columns": any.columns}), any.citation));
    let limits = LIMITS
        .iter()
        .map(|limit| cited(value!({"name": limit.name, "value": limit.value, "unit": limit.unit}), limit.citation));
    let sources: Map<_, _> = SOURCES.iter().map(|(tag, text)| ((*tag).to_owned(), Value::from(*text))).collect();
    value!({
        "event_source": source.map(EventSource::as_str),
        "columns": taken(source).map(column).collect::<Vec<_>>(),
        "any_of": any_of.collect::<Vec<_>>(),
        "limits": limits.collect::<Vec<_>>(),
        "event_names": event_names(source),
        "currencies": cited(value!({"codes": currencies::CONTRACT.as_slice()}), currencies::CITATION),
        "response_codes": responses::RESPONSES.iter().map(response_code).collect::<Vec<_>>(),
        "sources": sources,
    })
}

fn column(field: &Field) -> Value {
    let presence: Map<_, _> = EventSource::ALL
        .into_iter()
        .map(|source| (source.as_str().to_owned(), Value::from(field.presence(source).as_str())))
        .collect();
    let set = if let Kind::OneOf(set) = field.kind { Some(set) } else { None };
    let column = value!({
        "column": field.column,
        "aliases": field.aliases,
        "path": field.path,
        "values": values(field.kind),
        "set": set,
        "presence": presence,
        "privacy": field.privacy.as_str(),
        "vertical": field.vertical.map(crate::contract::Vertical::as_str),
        "meaning": field.meaning,
    });
    cited(column, field.citation)
}

fn response_code(response: &Response) -> Value {
    let Response { code, meaning, action, met, citation } = response;
    cited(value!({"code": code, "meaning": meaning, "action": action.as_str(), "met": met}), *citation)
}

fn event_names(source: Option<EventSource>) -> Value {
    let sources = EventSource::ALL.into_iter().filter(|of| source.is_none_or(|source| *of == source));
    let standard: Map<_, _> =
        sources.clone().map(|source| (source.as_str().to_owned(), Value::from(events::standard(source)))).collect();
    let custom: Map<_, _> = sources.map(|source| (source.as_str().to_owned(), custom_names(source))).collect();
    let old = events::LEGACY.map(|legacy| value!({"name": legacy.name, "now": legacy.now, "fate": legacy.fate}));
    let reserved = events::RESERVED.map(|(name, becomes)| value!({"name": name, "becomes": becomes}));
    value!({
        "standard": standard,
        "listed_offline": events::OFFLINE_LISTED.as_slice(),
        "old": old.as_slice(),
        "reserved": reserved.as_slice(),
        "custom": custom,
    })
}

/// What custom names of `source` may be: `false`, or a JSON Schema.
fn custom_names(source: EventSource) -> Value {
    match events::rule(source) {
        NameRule::Listed => Value::Bool(false),
        NameRule::WellFormed => value!({"pattern": events::CUSTOM_NAME_PATTERN, "maxLength": MAX_CUSTOM_NAME}),
        NameRule::Free => value!({"minLength": 1}),
    }
}

fn cited(mut row: Value, citation: Citation) -> Value {
    row["source"] = citation.sources.into();
    row["confidence"] = citation.confidence.as_str().into();
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_carries_its_source_and_confidence() {
        let contract = json(None);
        let columns = contract["columns"].as_array().expect("an array");
        assert_eq!(columns.len(), fields::FIELDS.len());
        assert!(columns.iter().all(|column| column["source"].is_string() && column["confidence"].is_string()));
        let channel = columns.iter().find(|column| column["column"] == "event_channel").expect("a column");
        assert_eq!(channel["set"][2], "phone_call");
        assert_eq!(channel["presence"]["offline"], "optional");
        assert_eq!(channel["path"], "properties.event_channel");
        let codes = contract["response_codes"].as_array().expect("an array");
        assert_eq!(codes.len(), 93, "72 codes of the catalogue, 20 of the SDK, and 0");
    }

    #[test]
    fn a_source_sees_its_own_columns_and_names() {
        let app = json(Some(EventSource::App));
        assert_eq!(app["event_source"], "app");
        assert!(
            app["columns"]
                .as_array()
                .is_some_and(|columns| columns.iter().all(|column| column["column"] != "page_url"))
        );
        assert!(app["event_names"]["standard"]["web"].is_null());
        assert_eq!(app["any_of"], value!([]));
    }
}
