//! A JSON Schema (draft 2020-12) of the request body, built from the field table.
//!
//! It describes what postback sends. Keys outside the table are left open, because TikTok tolerates them.

use serde_json::{Map, Value, json};

use super::taken;
use crate::contract::events::{self, NameRule};
use crate::contract::{
    EVENT_TIME_DIGITS, EventSource, Field, Kind, MAX_BATCH_EVENTS, MAX_CUSTOM_NAME, Presence, currencies, fields,
};

/// The JSON Schema of a request of `source`; without one, of a request that fits exactly one source.
#[must_use]
pub fn json_schema(source: Option<EventSource>) -> Value {
    let mut schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema"});
    if let Some(source) = source {
        merge(&mut schema, request(source));
    } else {
        schema["title"] = "Events API 2.0 request".into();
        schema["oneOf"] = EventSource::ALL.map(request).as_slice().into();
    }
    schema["$defs"] = json!({
        "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "currency": {"enum": currencies::CONTRACT.as_slice()},
    });
    schema
}

fn request(source: EventSource) -> Value {
    let mut request = object();
    request["title"] = format!("Events API 2.0 request, event source {source}").into();
    let mut event = object();
    for field in taken(Some(source)) {
        let root = if is_envelope(field) { &mut request } else { &mut event };
        insert(root, field, source);
    }
    for (name, meaning, _) in fields::ENVELOPE_SETTINGS {
        request["properties"][*name] = json!({"type": "string", "minLength": 1, "description": meaning});
    }
    let groups = fields::ANY_OF.iter().filter(|any| any.source == source);
    let groups: Vec<_> = groups
        .map(|any| json!({"anyOf": any.columns.iter().map(|column| present(column)).collect::<Vec<_>>()}))
        .collect();
    if !groups.is_empty() {
        event["allOf"] = groups.into();
    }
    request["properties"]["data"] =
        json!({"type": "array", "minItems": 1, "maxItems": MAX_BATCH_EVENTS, "items": event});
    require(&mut request, "data");
    request
}

fn is_envelope(field: &Field) -> bool {
    matches!(field.kind, Kind::EventSource | Kind::EventSourceId)
}

/// Puts `field` at its path below the object schema `root`, and requires the way there if `source` requires the field.
fn insert(root: &mut Value, field: &Field, source: EventSource) {
    let required = field.presence(source) == Presence::Required;
    let (objects, key) = field.path.rsplit_once('.').unwrap_or(("", field.path));
    let mut node = root;
    for name in objects.split('.').filter(|name| !name.is_empty()) {
        let (name, is_list) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
        if required {
            require(node, name);
        }
        let child = &mut node["properties"][name];
        if child.is_null() {
            *child = object();
        }
        node = if is_list { &mut child["items"] } else { child };
    }
    if required {
        require(node, key);
    }
    let mut schema = json!({"description": field.meaning});
    merge(&mut schema, value_schema(field.kind, source));
    node["properties"][key] = schema;
}

fn value_schema(kind: Kind, source: EventSource) -> Value {
    let text = || json!({"type": "string", "minLength": 1});
    let digest = || json!({"$ref": "#/$defs/digest"});
    match kind {
        Kind::EventSource => json!({"const": source.as_str()}),
        Kind::EventName => event_name_schema(source),
        Kind::Time => {
            let (first, end) = (first_with_digits(EVENT_TIME_DIGITS), first_with_digits(EVENT_TIME_DIGITS + 1));
            json!({"type": "integer", "minimum": first, "exclusiveMaximum": end})
        }
        Kind::Email | Kind::Phone | Kind::ExternalId => {
            json!({"anyOf": [digest(), {"type": "array", "minItems": 1, "uniqueItems": true, "items": digest()}]})
        }
        Kind::PersonName | Kind::ZipCode => digest(),
        Kind::EventSourceId | Kind::EventId | Kind::Text | Kind::Locale | Kind::Place => text(),
        Kind::Country => json!({"type": "string", "pattern": "^[a-z]{2}$"}),
        Kind::Ip => json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
        Kind::Url => json!({"type": "string", "pattern": "^https?://", "format": "uri"}),
        Kind::UpperAdvertisingId => json!({"anyOf": [{"type": "string", "pattern": "^[^a-z]+$"}, digest()]}),
        Kind::LowerAdvertisingId => json!({"type": "string", "pattern": "^[^A-Z]+$"}),
        Kind::Texts => json!({"type": "array", "minItems": 1, "items": text()}),
        Kind::OneOf(set) => json!({"enum": set}),
        Kind::Currency => json!({"$ref": "#/$defs/currency"}),
        Kind::Amount => json!({"type": "number", "minimum": 0}),
        Kind::Number => json!({"type": "number"}),
        Kind::Numbers => json!({"type": "array", "minItems": 1, "items": {"type": "number"}}),
        Kind::Integer => json!({"type": "integer", "minimum": 0}),
        Kind::Quantity => json!({"type": "integer", "minimum": 1}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Contents => json!({"type": "array", "minItems": 1, "items": object()}),
    }
}

fn event_name_schema(source: EventSource) -> Value {
    match events::rule(source) {
        NameRule::Listed => {
            let old = events::LEGACY.map(|legacy| legacy.name);
            let names = [events::standard(source), old.as_slice()].concat();
            json!({"enum": names})
        }
        NameRule::WellFormed => {
            json!({"type": "string", "maxLength": MAX_CUSTOM_NAME, "pattern": events::CUSTOM_NAME_PATTERN})
        }
        NameRule::Free => json!({"type": "string", "pattern": "\\S"}),
    }
}

/// A schema that holds where the value of `column` is present.
fn present(column: &str) -> Value {
    let field = fields::by_column(column).expect("a test of the field table finds every column of every group");
    let mut names = field.path.rsplit('.');
    let key = names.next().expect("splitting gives one part at least");
    names.fold(json!({"required": [key]}), |inner, name| {
        let mut properties = Map::new();
        properties.insert(name.to_owned(), inner);
        json!({"required": [name], "properties": properties})
    })
}

/// The smallest number of so many decimal digits.
fn first_with_digits(digits: u64) -> u64 {
    (1..digits).fold(1, |number, _| number * 10)
}

fn object() -> Value {
    json!({"type": "object", "properties": {}})
}

fn require(node: &mut Value, key: &str) {
    let required = &mut node["required"];
    if required.is_null() {
        *required = json!([]);
    }
    if let Some(required) = required.as_array_mut()
        && !required.iter().any(|name| name == key)
    {
        required.push(key.into());
    }
}

fn merge(schema: &mut Value, more: Value) {
    if let (Some(schema), Value::Object(more)) = (schema.as_object_mut(), more) {
        schema.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(source: EventSource) -> Value {
        json_schema(Some(source))["properties"]["data"]["items"].clone()
    }

    #[test]
    fn a_request_names_its_source_and_holds_at_most_a_thousand_events() {
        let schema = json_schema(Some(EventSource::Offline));
        assert_eq!(schema["required"], json!(["event_source", "event_source_id", "data"]));
        assert_eq!(schema["properties"]["event_source"]["const"], "offline");
        assert_eq!(schema["properties"]["data"]["maxItems"], 1000);
        assert_eq!(schema["properties"]["test_event_code"]["type"], "string");
    }

    #[test]
    fn offline_events_need_one_of_two_digests_and_a_listed_name() {
        let event = event(EventSource::Offline);
        assert_eq!(event["required"], json!(["event", "event_time"]));
        assert_eq!(
            event["allOf"][0]["anyOf"][1],
            json!({"required": ["user"], "properties": {"user": {"required": ["phone"]}}})
        );
        let user = event["properties"]["user"]["properties"].as_object().expect("an object");
        assert_eq!(user.keys().collect::<Vec<_>>(), ["email", "phone"]);
        let names = event["properties"]["event"]["enum"].as_array().expect("a list");
        assert!(names.contains(&"Purchase".into()) && names.contains(&"SubmitForm".into()) && names.len() == 22);
        assert_eq!(event["properties"]["event_time"]["minimum"], 1_000_000_000);
    }

    #[test]
    fn objects_that_hold_a_required_field_are_required() {
        let web = event(EventSource::Web);
        assert_eq!(web["required"], json!(["event", "event_time", "page"]));
        assert_eq!(web["properties"]["page"]["required"], json!(["url"]));
        assert_eq!(event(EventSource::App)["properties"]["app"]["required"], json!(["app_id"]));
        assert_eq!(event(EventSource::Crm)["properties"]["lead"]["required"], json!(["lead_id"]));
    }

    #[test]
    fn item_and_nested_fields_stand_where_their_paths_say() {
        let properties = event(EventSource::Web)["properties"]["properties"]["properties"].clone();
        assert_eq!(properties["contents"]["items"]["properties"]["quantity"]["minimum"], 1);
        assert_eq!(properties["contents"]["items"]["properties"]["content_id"]["type"], "string");
        assert_eq!(properties["mileage"]["properties"]["unit"]["enum"], json!(["MI", "KM"]));
        assert_eq!(properties["city"]["description"], "City of the hotel.");
    }

    #[test]
    fn without_a_source_exactly_one_fits() {
        let schema = json_schema(None);
        let sources: Vec<_> = schema["oneOf"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|request| request["properties"]["event_source"]["const"].clone())
            .collect();
        assert_eq!(sources, EventSource::ALL.map(EventSource::as_str));
        assert!(schema["$defs"]["digest"]["pattern"].is_string());
    }

    #[test]
    fn every_field_of_a_source_has_a_schema() {
        for source in EventSource::ALL {
            let schema = json_schema(Some(source)).to_string();
            assert!(taken(Some(source)).all(|field| schema.contains(field.meaning)), "{source}");
        }
    }
}
