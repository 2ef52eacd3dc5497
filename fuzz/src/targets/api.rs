//! Answers of the API: nothing counts as accepted unless a second reader finds the one shape that says so.

use bytes::Bytes;
use postback::api::RawResponse;
use postback::delivery::response::{Fate, classify};
use serde_json::Value;

/// Events of a request, where the input does not say.
const EVENTS: usize = 3;
/// Most events of a request.
const MAX_EVENTS: usize = 1_000;

/// An answer: a line with the status and the number of events, then the body.
pub fn api_response(data: &[u8]) {
    let (status, events, body) = parts(data).unwrap_or((200, EVENTS, data));
    let response = || {
        Ok(RawResponse {
            status,
            body: Bytes::copy_from_slice(body),
            retry_after: None,
            date: None,
            is_premature: false,
            log_id: None,
        })
    };
    let answer = classify(&response(), events);
    assert_eq!(answer, classify(&response(), events), "two judgements differ");
    assert_eq!(answer.status, Some(status), "the status is lost");
    match &answer.fate {
        Fate::Accepted => assert!(says_success(body), "accepted, although nothing says so"),
        Fate::Partial(positions) => {
            assert!(positions.is_sorted_by(|one, other| one < other), "positions are not ascending");
            assert!(positions.iter().all(|position| *position < events), "a position beyond the request");
        }
        Fate::Duplicate { on_record } => assert!(on_record.iter().all(|position| *position < events)),
        Fate::Refused { hint, .. } => assert!(hint.is_none_or(|hint| hint < events), "a hint beyond the request"),
        _ => {}
    }
}

/// Status, events and body.
fn parts(data: &[u8]) -> Option<(u16, usize, &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    let (status, events) = std::str::from_utf8(&data[..end]).ok()?.split_once(' ')?;
    let status = status.parse().ok().filter(|status| (100..600).contains(status))?;
    let events = events.parse().ok().filter(|events| (1..=MAX_EVENTS).contains(events))?;
    Some((status, events, &data[end + 1..]))
}

/// Whether the body is a JSON object whose code is the integer 0, and that names no event that failed.
fn says_success(body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
    body.is_object() && body.get("code").and_then(Value::as_i64) == Some(0)
}
