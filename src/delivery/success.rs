//! What a body with the code 0 says besides. Code 0 alone does not mean that every event was accepted: other endpoints of
//! the API answer it with a list of events that failed.
//!
//! Known are `data` that is absent, null or an object, `partial_failure`, lists of failed events, and counts. Members
//! that hold nothing say nothing. Whatever else a body says nobody knows, and what nobody knows is no success.

use serde_json::{Map, Value};

use super::{items, message};

/// What a body with the code 0 says about the events of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Success {
    /// All were accepted.
    Whole,
    /// Some were not: these, by position in the request, if the body names them.
    Partial(Option<Vec<usize>>),
    /// Nobody knows.
    Unknown,
}

/// What one member says, the more alarming the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    Nothing,
    Unknown,
    Failure,
}

/// Reads a body about `events` events that is known to be an object with the code 0.
pub(super) fn read(body: &[u8], events: usize) -> Success {
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return Success::Unknown };
    let own = body.iter().map(|(name, value)| match (name.as_str(), value) {
        ("message", Value::String(text)) if message::is_about_failure(text) => Sign::Unknown,
        ("code" | "request_id", _) | ("message", Value::String(_) | Value::Null) | ("data", Value::Null) => {
            Sign::Nothing
        }
        ("data", Value::Object(data)) => worst(data, events),
        ("data" | "message", _) => Sign::Unknown,
        (name, value) => sign(name, value, events),
    });
    match own.max().unwrap_or(Sign::Unknown) {
        Sign::Nothing => Success::Whole,
        Sign::Unknown => Success::Unknown,
        Sign::Failure => Success::Partial(items::named(&body, events)),
    }
}

fn worst(object: &Map<String, Value>, events: usize) -> Sign {
    object.iter().map(|(name, value)| sign(name, value, events)).max().unwrap_or(Sign::Nothing)
}

fn sign(name: &str, value: &Value, events: usize) -> Sign {
    match (name, value) {
        ("partial_failure", Value::Bool(true)) => Sign::Failure,
        ("partial_failure", Value::Bool(false)) | (_, Value::Null) => Sign::Nothing,
        ("partial_failure", _) => Sign::Unknown,
        (_, Value::String(text)) if text.is_empty() => Sign::Nothing,
        (_, Value::Array(items)) if items.is_empty() => Sign::Nothing,
        (_, Value::Object(members)) if members.is_empty() => Sign::Nothing,
        (name, Value::Array(_)) if items::is_list(name) => Sign::Failure,
        (name, Value::Number(number)) => count(name, number.as_u64(), events),
        _ => Sign::Unknown,
    }
}

/// What a count says: of failures it has to be none, of successes all.
fn count(name: &str, count: Option<u64>, events: usize) -> Sign {
    /// Parts of the names of counts of events that were not accepted.
    const FAILURES: [&str; 8] = ["fail", "error", "reject", "invalid", "drop", "skip", "ignore", "unsuccess"];
    /// Parts of the names of counts of events that were.
    const SUCCESSES: [&str; 6] = ["success", "succeed", "accept", "receive", "process", "total"];

    let name = name.to_ascii_lowercase();
    let is_of = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    match count {
        Some(0) if is_of(&FAILURES) => Sign::Nothing,
        Some(_) if is_of(&FAILURES) => Sign::Failure,
        Some(count) if is_of(&SUCCESSES) && usize::try_from(count) == Ok(events) => Sign::Nothing,
        _ => Sign::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `{"code":0, …}` with these other members says about ten events.
    fn says(rest: &str) -> Success {
        read(format!(r#"{{"code":0{rest}}}"#).as_bytes(), 10)
    }

    #[test]
    fn what_says_nothing_of_a_failure_is_a_success() {
        for whole in [
            "",
            r#","message":"OK""#,
            r#","message":null,"request_id":"r","data":{}"#,
            r#","data":null"#,
            r#","data":{"partial_failure":false}"#,
            r#","data":{"partial_failure":false,"failed_events":[]}"#,
            r#","data":{"failed_events":null,"failed_rows":[]}"#,
            r#","data":{"errors":[],"note":""}"#,
            r#","failed_events":[]"#,
            r#","data":{"success_count":10,"fail_count":0}"#,
            r#","data":{"total":10,"processed_events":10,"rejected":0}"#,
        ] {
            assert_eq!(says(whole), Success::Whole, "{whole}");
        }
    }

    #[test]
    fn what_tells_of_a_failure_is_partial() {
        for (partial, named) in [
            (r#","data":{"partial_failure":true}"#, None),
            (r#","partial_failure":true"#, None),
            (r#","data":{"partial_failure":true,"failed_events":[]}"#, None),
            (r#","data":{"partial_failure":true,"failed_events":[{"order_in_batch":3,"error":"e"}]}"#, Some(vec![3])),
            (r#","data":{"partial_failure":false,"failed_events":[{"order_in_batch":3}]}"#, Some(vec![3])),
            (r#","data":{"failed_events":[{"order_in_batch":9},{"order_in_batch":0}]}"#, Some(vec![0, 9])),
            (r#","data":{"failed_rows":[{"index":4}]}"#, Some(vec![4])),
            (r#","data":{"failed_rows":[{"index":4,"order_in_batch":4}]}"#, Some(vec![4])),
            (r#","data":{"failed_rows":[{"index":4,"order_in_batch":5}]}"#, None),
            (r#","data":{"failed_rows":[{"index":4}],"errors":[]}"#, Some(vec![4])),
            (r#","data":{"failed_rows":[{"index":4}],"errors":[{"index":5}]}"#, None),
            (r#","data":{"failed_events":[{"order_in_batch":10}]}"#, None),
            (r#","data":{"failed_events":[{"order_in_batch":"3"}]}"#, None),
            (r#","data":{"failed_events":[{"order_in_batch":-1}]}"#, None),
            (r#","data":{"failed_events":[{"order_in_batch":1},{"order_in_batch":1}]}"#, None),
            (r#","data":{"failed_events":[3]}"#, None),
            (r#","data":{"failed_events":["4711"]}"#, None),
            (r#","failures":[{"index":7}]"#, Some(vec![7])),
            (r#","data":{"fail_count":1}"#, None),
            (r#","data":{"success_count":9,"fail_count":1,"failed_items":[{"index":2}]}"#, Some(vec![2])),
            (r#","data":{"partial_failure":true,"trace":"x"}"#, None),
        ] {
            assert_eq!(says(partial), Success::Partial(named), "{partial}");
        }
    }

    #[test]
    fn what_nobody_knows_is_no_success() {
        for unknown in [
            r#","data":[]"#,
            r#","data":[{"index":1}]"#,
            r#","data":"ok""#,
            r#","data":"""#,
            r#","data":true"#,
            r#","data":0"#,
            r#","data":{"partial_failure":"true"}"#,
            r#","data":{"partial_failure":1}"#,
            r#","data":{"failed_events":"3"}"#,
            r#","data":{"failed_events":{"3":"e"}}"#,
            r#","data":{"failed_events":1.5}"#,
            r#","data":{"rejected_events":[{"index":1}]}"#,
            r#","data":{"dropped":["4711"]}"#,
            r#","data":{"results":[{"index":0,"code":40002}]}"#,
            r#","data":{"code":40002}"#,
            r#","data":{"success":false}"#,
            r#","data":{"status":"PARTIAL"}"#,
            r#","data":{"success_count":9}"#,
            r#","data":{"accepted":11}"#,
            r#","data":{"processed":9.0}"#,
            r#","data":{"batch":7}"#,
            r#","data":{"data":{"failed_events":[{"index":1}]}}"#,
            r#","warnings":["two events were left out"]"#,
            r#","success":true"#,
            r#","message":["OK"]"#,
            r#","message":"Partially successful.""#,
            r#","message":"2 events failed""#,
        ] {
            assert_eq!(says(unknown), Success::Unknown, "{unknown}");
        }
    }
}
