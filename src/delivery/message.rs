//! Reading the API's messages. They may echo what was sent, so nothing of them is kept but what the contract names.

use crate::contract::fields::FIELDS;
use crate::contract::{Field, Kind};

/// Longest part of a message that is read.
const MAX_MESSAGE_BYTES: usize = 512;
/// Longest identifier that is kept.
const MAX_IDENTIFIER_BYTES: usize = 64;

/// The position in the request that a message names: `data.3.`, `data[3]`, `Batch.3.` or `index 3`, from zero.
#[must_use]
pub fn index(message: &str) -> Option<usize> {
    let message = head(message).to_ascii_lowercase();
    ["data.", "data[", "batch.", "index "].into_iter().find_map(|marker| {
        message.match_indices(marker).find_map(|(at, _)| {
            let starts_a_word = !message[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
            let rest = &message[at + marker.len()..];
            let digits = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
            if starts_a_word { digits.parse().ok() } else { None }
        })
    })
}

/// The field a message names, by its path or the end of it.
#[must_use]
pub fn field(message: &str) -> Option<&'static Field> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_.[]".contains(character);
    let message = head(message);
    let mut words = message.match_indices(|character| !is_part(character)).map(|(at, _)| at).chain([message.len()]);
    let mut start = 0;
    words.by_ref().find_map(|end| {
        let word = &message[start..end];
        start = message[end..].chars().next().map_or(end, |separator| end + separator.len_utf8());
        // A bare word such as `value` is prose unless it is what the message is about.
        let is_subject = message[end..].starts_with(':');
        (is_subject || word.contains(['.', '_'])).then(|| by_path(word)).flatten()
    })
}

/// Whether the field belongs to the request and not to one of its events.
#[must_use]
pub fn is_envelope(field: &Field) -> bool {
    matches!(field.kind, Kind::EventSource | Kind::EventSourceId)
}

/// Whether a message says that the token may not do this.
#[must_use]
pub fn is_about_permission(message: &str) -> bool {
    let message = head(message).to_ascii_lowercase();
    ["no permission", "permission denied", "not authorized", "unauthorized"].iter().any(|part| message.contains(part))
}

/// Whether a message of a success tells of something that was none.
#[must_use]
pub fn is_about_failure(message: &str) -> bool {
    let message = head(message).to_ascii_lowercase();
    ["partial", "fail", "reject", "invalid", "error", "not accepted"].iter().any(|part| message.contains(part))
}

/// Whether a message says that the request has too many bytes.
#[must_use]
pub fn is_about_size(message: &str) -> bool {
    let message = head(message).to_ascii_lowercase();
    ["request body", "body size", "entity", "payload", "content length"].iter().any(|what| message.contains(what))
        && ["too large", "too big", "exceed", "too long"].iter().any(|fault| message.contains(fault))
}

/// Whether a text has the form of an identifier that may be kept and shown.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_IDENTIFIER_BYTES
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn head(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)]
}

/// The field whose path, without positions, is `word` or ends with it.
fn by_path(word: &str) -> Option<&'static Field> {
    let mut parts: Vec<&str> = word.split(['.', '[', ']']).filter(|part| !part.is_empty()).collect();
    let position = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() > 1 && ["data", "batch"].contains(&parts[0].to_ascii_lowercase().as_str()) {
        parts.remove(0);
    }
    parts.retain(|part| !position(part));
    let ends_with = |field: &&Field| {
        let mut path = field.path.split('.').rev().map(|part| part.trim_end_matches("[]"));
        parts.iter().rev().all(|part| path.next() == Some(*part))
    };
    let named = || FIELDS.iter().filter(ends_with).filter(|_| !parts.is_empty());
    named().find(|field| field.path.split('.').count() == parts.len()).or_else(|| named().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_positions_in_every_known_form() {
        for (message, expected) in [
            ("Invalid value for data.12.user.email: bad.", Some(12)),
            ("data[4].event_time is missing", Some(4)),
            ("Batch.0.properties.contents.0.content_id: Not a valid string", Some(0)),
            ("event at index 17 is invalid", Some(17)),
            ("Invalid value for event_id: not a valid string.", None),
            ("metadata.3 is odd", None),
            ("subindex 3", None),
            ("data.x", None),
            ("data.99999999999999999999999", None),
            ("contents.0.price", None),
            ("", None),
        ] {
            assert_eq!(index(message), expected, "{message}");
        }
    }

    #[test]
    fn finds_fields_the_contract_knows_and_nothing_else() {
        for (message, expected) in [
            ("Invalid value for data.0.user.email: jane@example.com.", Some("user.email")),
            ("Invalid value for event_id: not a valid string.", Some("event_id")),
            ("Invalid value for event: unknown.", Some("event")),
            ("Invalid value for event_source_id: x", Some("event_source_id")),
            ("Batch.0.properties.contents.0.content_id: Not a valid string", Some("properties.contents[].content_id")),
            ("data[4].event_time is missing", Some("event_time")),
            ("The value of something: jane.doe@example.com", None),
            ("No such thing", None),
            ("data.0: bad", None),
        ] {
            assert_eq!(field(message).map(|field| field.path), expected, "{message}");
        }
    }

    #[test]
    fn reads_no_more_than_the_head_of_a_message() {
        let long = format!("{}data.3.user.email: x", "é".repeat(400));
        assert_eq!((index(&long), field(&long).is_none()), (None, true));
    }
}
