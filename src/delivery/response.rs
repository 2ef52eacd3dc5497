//! What an answer means for the events of its request.
//!
//! The API answers HTTP 200 to almost everything, so the body decides: the integer `code` 0 in a complete JSON object
//! is success, unless the body says more than [`success`] knows, and nothing else is. What cannot be read strictly is in
//! doubt, never success and never refusal.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::success::{self, Success};
use super::{items, message};
use crate::api::{RawResponse, TransportError, TransportKind};
use crate::contract::responses::{self, Action};

/// The judgement on one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it means for the events.
    pub fate: Fate,
    /// `code` of the body, if there was an integer.
    pub code: Option<i64>,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What went wrong below HTTP, if something did.
    pub transport: Option<TransportKind>,
    /// `request_id` of the body, else the log id of the headers.
    pub request_id: Option<String>,
    /// The field the message names, if the contract knows it.
    pub field: Option<&'static str>,
    /// Bytes of the request's body, where they were counted.
    pub bytes: Option<u64>,
}

impl Answer {
    /// An exchange of this fate, of which nothing else is known.
    #[must_use]
    pub fn of(fate: Fate) -> Self {
        Self { fate, code: None, status: None, transport: None, request_id: None, field: None, bytes: None }
    }

    /// Whether the request was refused because of its bytes or events, and not by something that dislikes all requests.
    pub(super) fn is_about_size(&self) -> bool {
        self.fate == Fate::TooLarge && (self.code.is_some() || self.status == Some(413))
    }
}

/// What became of the events of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All were accepted.
    Accepted,
    /// Some were accepted, and the body lists the others, by position in the request, ascending. A hint: no such list is
    /// documented.
    Partial(Vec<usize>),
    /// Some were accepted, and the body does not say which.
    Unsplit,
    /// None arrived: no byte was written.
    Unwritten,
    /// None is known to have been accepted, some may have been.
    Doubtful {
        /// The answer came, and is none of the API's.
        garbled: bool,
    },
    /// As [`Fate::Doubtful`]; the API is down for maintenance.
    Maintenance,
    /// None was accepted: too many requests.
    Throttled {
        /// What `Retry-After` asked for.
        retry_after: Option<Duration>,
    },
    /// None was accepted, because of what one of them contains.
    Refused {
        /// Position in the request that the message names. A hint: messages are not to be trusted.
        hint: Option<usize>,
        /// Tells one message from another without keeping it.
        wording: u64,
        /// Repeats of the same answer before it is believed.
        patience: u8,
    },
    /// None was accepted: the request is too large.
    TooLarge,
    /// The API says it has seen them.
    Duplicate {
        /// Those that an earlier run offered, by position in the request, ascending. The answer does not say: whoever
        /// has the ledger adds them.
        on_record: Vec<usize>,
    },
    /// None was accepted, and none will be.
    Stop(Grounds),
}

impl Fate {
    /// Whether events may have been accepted although the answer does not say which.
    pub(super) fn leaves_doubt(&self) -> bool {
        // What is repeated before it is believed is not believed to have refused anything.
        matches!(
            self,
            Self::Doubtful { .. }
                | Self::Maintenance
                | Self::Partial(_)
                | Self::Unsplit
                | Self::Refused { patience: 1.., .. }
        )
    }

    /// Whether any event was accepted, or may have been.
    pub(super) fn may_have_delivered(&self) -> bool {
        self.leaves_doubt() || matches!(self, Self::Accepted | Self::Duplicate { .. })
    }
}

/// What is at fault when sending more makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// The token or a permission.
    Credentials,
    /// The URL, the destination or the version.
    Configuration,
}

/// Judges the exchange of a request of `events` events.
#[must_use]
pub fn classify(exchange: &Result<RawResponse, TransportError>, events: usize) -> Answer {
    let response = match exchange {
        Ok(response) => response,
        Err(error) => {
            let garbled = error.kind == TransportKind::Oversize;
            let fate = if error.before_first_byte { Fate::Unwritten } else { Fate::Doubtful { garbled } };
            return Answer { transport: Some(error.kind), ..Answer::of(fate) };
        }
    };
    let body = serde_json::from_slice::<Body>(&response.body).ok().filter(|body| body.code.is_some());
    let status = response.status;
    let Some(Body { code: Some(code), message, request_id }) = body else {
        let request_id = response.log_id.clone();
        return Answer { status: Some(status), request_id, ..Answer::of(by_status(response)) };
    };
    Answer {
        code: Some(code),
        status: Some(status),
        request_id: request_id.or_else(|| response.log_id.clone()),
        field: message::field(&message).map(|field| field.path),
        ..Answer::of(by_code(code, &message, response, events))
    }
}

/// The fate when the body is none of the API's.
fn by_status(response: &RawResponse) -> Fate {
    match response.status {
        300..=399 | 404 | 405 => Fate::Stop(Grounds::Configuration),
        401 | 403 => Fate::Stop(Grounds::Credentials),
        408 | 429 => Fate::Throttled { retry_after: response.retry_after },
        // The size of a request is the one thing about it that a gateway may dislike.
        400..=499 => Fate::TooLarge,
        200 => Fate::Doubtful { garbled: true },
        _ => Fate::Doubtful { garbled: false },
    }
}

/// The fate by the body's code; statuses that contradict it win where believing the code could lose an event.
fn by_code(code: i64, message: &str, response: &RawResponse, events: usize) -> Fate {
    let action = responses::action(code);
    match (response.status, action) {
        // Whatever it answers, it is not all of this request.
        (200, Action::Accept | Action::Split | Action::Duplicate) if response.is_premature => {
            Fate::Doubtful { garbled: false }
        }
        (300..=399, _) => Fate::Stop(Grounds::Configuration),
        (413, _) => Fate::TooLarge,
        (200, Action::Accept) => match success::read(&response.body, events) {
            Success::Whole => Fate::Accepted,
            Success::Partial(named) => named.map_or(Fate::Unsplit, Fate::Partial),
            Success::Unknown => Fate::Doubtful { garbled: true },
        },
        (400..=499, Action::Accept | Action::Split) => by_status(response),
        (_, Action::Accept) => Fate::Doubtful { garbled: false },
        (_, Action::Throttle) => Fate::Throttled { retry_after: response.retry_after },
        (_, Action::StopCredentials) => Fate::Stop(Grounds::Credentials),
        (_, Action::StopConfiguration) => Fate::Stop(Grounds::Configuration),
        (_, Action::RetryLate) => Fate::Maintenance,
        (408 | 429, _) => by_status(response),
        (500.., _) | (_, Action::Retry) => Fate::Doubtful { garbled: false },
        (_, Action::Split) => named_items(&response.body, events).map_or(Fate::Unsplit, Fate::Partial),
        (_, Action::Duplicate) => Fate::Duplicate { on_record: Vec::new() },
        (_, Action::Halve) => Fate::TooLarge,
        (_, Action::Isolate) => refused(message, events, 0),
        (_, Action::RetryThenIsolate(patience)) => refused(message, events, patience),
    }
}

/// The fate of a request whose content the API refused, with what the message adds.
fn refused(message: &str, events: usize, patience: u8) -> Fate {
    if message::is_about_permission(message) {
        return Fate::Stop(Grounds::Credentials);
    }
    if message::is_about_size(message) {
        return Fate::TooLarge;
    }
    let hint = message::index(message);
    if hint.is_none() && message::field(message).is_some_and(message::is_envelope) {
        return Fate::Stop(Grounds::Configuration);
    }
    let mut hasher = DefaultHasher::new();
    message.hash(&mut hasher);
    Fate::Refused { hint: hint.filter(|index| *index < events), wording: hasher.finish(), patience }
}

/// The positions of failed events that the body names, if it does so clearly.
fn named_items(body: &[u8], events: usize) -> Option<Vec<usize>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    items::named(body.as_object()?, events)
}

/// The parts of a response body that count. Repeated names make the body unreadable.
#[derive(Default)]
struct Body {
    /// None unless the body has an integer under this name.
    code: Option<i64>,
    message: String,
    request_id: Option<String>,
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Body;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object with code, message and request_id")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
                let (mut code, mut message, mut request_id) = (None, None, None);
                let mut names = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "code" => code = Some(map.next_value::<Scalar>()?),
                        "message" => message = Some(map.next_value::<Scalar>()?),
                        "request_id" => request_id = Some(map.next_value::<Scalar>()?),
                        _ => drop(map.next_value::<Scalar>()?),
                    }
                    once(&mut names, name)?;
                }
                Ok(Body {
                    code: code.and_then(Scalar::integer),
                    message: message.and_then(Scalar::text).unwrap_or_default(),
                    request_id: request_id.and_then(Scalar::text).filter(|id| message::is_identifier(id)),
                })
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Notes a name of an object; readers differ in what a second member of one name means.
fn once<E: serde::de::Error>(names: &mut HashSet<String>, name: String) -> Result<(), E> {
    if names.insert(name) { Ok(()) } else { Err(E::custom("a name stands twice")) }
}

/// A value of which only integers and texts matter. All of it is read, so that nothing too deep or broken passes.
enum Scalar {
    Integer(i64),
    Text(String),
    Other,
}

impl Scalar {
    fn integer(self) -> Option<i64> {
        if let Self::Integer(integer) = self { Some(integer) } else { None }
    }

    fn text(self) -> Option<String> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value")
            }

            fn visit_i64<E>(self, integer: i64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(integer))
            }

            fn visit_u64<E>(self, integer: u64) -> Result<Scalar, E> {
                Ok(i64::try_from(integer).map_or(Scalar::Other, Scalar::Integer))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Other)
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
                while items.next_element::<Scalar>()?.is_some() {}
                Ok(Scalar::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Scalar, A::Error> {
                let mut names = HashSet::new();
                while let Some((name, _)) = entries.next_entry::<String, Scalar>()? {
                    once(&mut names, name)?;
                }
                Ok(Scalar::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ops::RangeInclusive;

    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn judge(status: u16, body: impl Into<Bytes>) -> Answer {
        classify(
            &Ok(RawResponse {
                status,
                body: body.into(),
                retry_after: None,
                date: None,
                is_premature: false,
                log_id: None,
            }),
            10,
        )
    }

    fn code(status: u16, code: i64) -> Fate {
        judge(status, format!(r#"{{"code":{code},"message":"m","request_id":"r","data":{{}}}}"#)).fate
    }

    const DOUBT: Fate = Fate::Doubtful { garbled: false };
    const GARBLED: Fate = Fate::Doubtful { garbled: true };
    const CREDENTIALS: Fate = Fate::Stop(Grounds::Credentials);
    const CONFIGURATION: Fate = Fate::Stop(Grounds::Configuration);
    const THROTTLED: Fate = Fate::Throttled { retry_after: None };

    #[test]
    fn success_is_the_integer_0_in_a_complete_object_with_status_200() {
        for good in [
            r#"{"code":0}"#,
            r#"{"code": 0, "message": "OK", "request_id": "202608201405090A1B2C3D4E5F60718293", "data": {}}"#,
            r#" {"data":null,"message":null,"code":0} "#,
            r#"{"data":{"partial_failure":false,"failed_events":[]},"code":0}"#,
        ] {
            assert_eq!(judge(200, good).fate, Fate::Accepted, "{good}");
        }
        for status in (100..600).filter(|status| *status != 200) {
            assert_ne!(code(status, 0), Fate::Accepted, "{status}");
        }
    }

    #[test]
    fn everything_else_under_status_200_is_in_doubt() {
        let deep = format!(r#"{{"code":0,"data":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        for bad in [
            "",
            " ",
            "0",
            "null",
            "[]",
            r#"[{"code":0}]"#,
            "{}",
            r#"{"message":"OK"}"#,
            r#"{"code":"0"}"#,
            r#"{"code":0.0}"#,
            r#"{"code":-0}"#,
            r#"{"code":0e0}"#,
            r#"{"code":00}"#,
            r#"{"code":null}"#,
            r#"{"code":false}"#,
            r#"{"code":[0]}"#,
            r#"{"Code":0}"#,
            r#"{"data":{"code":0}}"#,
            r#"{"code":0,"code":0}"#,
            r#"{"code":0,"code":40105}"#,
            r#"{"code":40105,"code":0}"#,
            r#"{"code":0,"\u0063ode":0}"#,
            r#"{"code":0,"message":"a","message":"b"}"#,
            r#"{"code":0,"data":{"failed_events":[{"index":1}]},"data":{}}"#,
            r#"{"code":0,"data":{"partial_failure":true,"partial_failure":false}}"#,
            r#"{"code":0,"data":{"code":40002}}"#,
            r#"{"code":0,"data":{"dropped":["4711"]}}"#,
            r#"{"code":0,"data":{"success_count":9}}"#,
            r#"{"code":0,"data":[]}"#,
            r#"{"code":0,"data":"<html>"}"#,
            r#"{"code":0,"mess"#,
            r#"{"code":0"#,
            r#"{"code":0}}"#,
            r#"{"code":0} trailing"#,
            r#"{"code":0}{"code":0}"#,
            r#"{"code":0,}"#,
            r"{'code':0}",
            r#"{"code":99999999999999999999}"#,
            "\u{feff}{\"code\":0}",
            "<html><body>502 Bad Gateway</body></html>",
            &deep,
        ] {
            assert_eq!(judge(200, bad.to_owned()).fate, GARBLED, "{bad}");
        }
        assert_eq!(judge(200, &b"{\"code\":0,\"message\":\"\xff\"}"[..]).fate, GARBLED);
    }

    #[test]
    fn statuses_without_a_readable_body_follow_the_table() {
        for (statuses, fate) in [
            (vec![201, 202, 204, 206, 500, 501, 502, 503, 504, 520, 599], DOUBT),
            (vec![301, 302, 303, 307, 308, 304, 404, 405], CONFIGURATION),
            (vec![401, 403], CREDENTIALS),
            (vec![408, 429], THROTTLED),
            (vec![400, 411, 413, 414, 415, 431, 451], Fate::TooLarge),
        ] {
            for status in statuses {
                for body in ["", "<html>", r#"{"code":"0"}"#, r#"{"error":"x"}"#] {
                    assert_eq!(judge(status, body).fate, fate, "{status} {body}");
                }
            }
        }
    }

    #[test]
    fn codes_follow_their_rows_whatever_the_status() {
        for status in [200, 400, 401, 500] {
            assert_eq!(code(status, 40_105), CREDENTIALS);
            assert_eq!(code(status, 40_001), CREDENTIALS);
            assert_eq!(code(status, 40_007), CONFIGURATION);
            assert_eq!(code(status, 40_100), THROTTLED);
            assert_eq!(code(status, 60_001), Fate::Maintenance);
            assert_eq!(code(status, 50_000), DOUBT);
            assert_eq!(code(status, 51_999), DOUBT);
        }
        assert_eq!(code(302, 40_105), CONFIGURATION);
        assert_eq!(code(413, 40_002), Fate::TooLarge);
        assert_eq!(code(200, 40_050), Fate::Duplicate { on_record: Vec::new() });
        assert_eq!(code(200, 20_001), Fate::Unsplit);
        assert_eq!(code(500, 40_002), DOUBT, "a server fault refuses nobody");
        assert!(matches!(code(400, 40_002), Fate::Refused { patience: 0, .. }));
        assert!(matches!(code(200, 40_700), Fate::Refused { patience: 1, .. }));
        assert!(matches!(code(200, 50_002), Fate::Refused { patience: 3, .. }));
        assert!(matches!(code(200, 49_999), Fate::Refused { .. }));
    }

    #[test]
    fn messages_give_hints_and_batch_faults_only() {
        let fate = |message: &str| judge(200, format!(r#"{{"code":40002,"message":"{message}"}}"#)).fate;
        let hint = |message| if let Fate::Refused { hint, .. } = fate(message) { hint } else { Some(usize::MAX) };
        assert_eq!(hint("Invalid value for data.3.user.email: bad."), Some(3));
        assert_eq!(hint("Invalid value for data.10.user.email: bad."), None, "outside the request");
        assert_eq!(hint("Invalid value for event_id: not a valid string."), None);
        assert_eq!(fate("Invalid value for event_source: must be web, app or offline."), CONFIGURATION);
        assert_eq!(fate("Invalid value for event_source_id: not a valid string."), CONFIGURATION);
        assert_eq!(fate("No permission to operate pixel code: C4. You must be an admin."), CREDENTIALS);
        assert_eq!(fate("Request body is too large."), Fate::TooLarge);
    }

    #[test]
    fn partial_success_is_split_exactly_or_not_at_all() {
        let fate = |rest: &str| judge(200, format!(r#"{{"code":20001,"message":"partial"{rest}}}"#)).fate;
        assert_eq!(fate(r#","data":{"errors":[{"index":7},{"index":2,"code":40002}]}"#), Fate::Partial(vec![2, 7]));
        assert_eq!(fate(r#","failed_events":[{"index":0}]"#), Fate::Partial(vec![0]));
        assert_eq!(fate(r#","data":{"failed_events":[{"order_in_batch":4}]}"#), Fate::Partial(vec![4]));
        for vague in [
            "",
            r#","data":{}"#,
            r#","data":null"#,
            r#","data":{"errors":[]}"#,
            r#","data":{"errors":[{"index":10}]}"#,
            r#","data":{"errors":[{"index":-1}]}"#,
            r#","data":{"errors":[{"index":"1"}]}"#,
            r#","data":{"errors":[{"index":1},{"index":1}]}"#,
            r#","data":{"errors":[{"index":1},{}]}"#,
            r#","data":{"errors":[1]}"#,
            r#","data":{"errors":[{"index":1}],"failures":[{"index":2}]}"#,
            r#","data":{"partial_failure":true}"#,
        ] {
            assert_eq!(fate(vague), Fate::Unsplit, "{vague}");
        }
    }

    #[test]
    fn transport_failures_are_told_apart_by_the_first_byte() {
        assert_eq!(classify(&Err(TransportError::unwritten(TransportKind::Connect)), 1).fate, Fate::Unwritten);
        assert_eq!(classify(&Err(TransportError::written(TransportKind::Broken)), 1).fate, DOUBT);
        let oversize = classify(&Err(TransportError::written(TransportKind::Oversize)), 1);
        assert_eq!(oversize.fate, GARBLED, "an answer of more than 4 MiB is none of the API's");
    }

    #[test]
    fn what_is_kept_of_a_message_is_its_field() {
        let body =
            r#"{"code":40002,"message":"Invalid value for data.0.user.email: jane@example.com.","request_id":"R1"}"#;
        let answer = judge(200, body);
        assert_eq!((answer.field, answer.request_id.as_deref()), (Some("user.email"), Some("R1")));
        assert!(!format!("{answer:?}").contains("jane"));
        let hostile = judge(200, "{\"code\":40002,\"request_id\":\"\\u001b[31mjane@example.com\"}");
        assert_eq!(hostile.request_id, None);
    }

    /// Rows of the second reading of the rules below.
    #[derive(Clone, Copy, Debug)]
    enum Rule {
        Is(&'static Fate),
        Refused(u8),
    }

    type Codes = &'static [RangeInclusive<i64>];

    const DUPLICATE: Fate = Fate::Duplicate { on_record: Vec::new() };
    const ANY: Codes = &[i64::MIN..=i64::MAX];
    const NOT_ALL: Codes = &[0..=0, 20_001..=20_001];
    const THROTTLE: Codes = &[40_016..=40_016, 40_100..=40_100, 40_132..=40_133, 61_000..=61_000];
    const TOKEN: Codes =
        &[40_001..=40_001, 40_003..=40_003, 40_101..=40_125, 40_130..=40_199, 40_302..=40_399, 41_000..=41_000];
    const REQUEST: Codes = &[
        40_006..=40_010,
        40_012..=40_014,
        40_051..=40_053,
        40_063..=40_063,
        40_065..=40_065,
        40_126..=40_129,
        40_200..=40_201,
        40_203..=40_301,
        40_400..=40_599,
        40_900..=40_999,
        41_001..=41_999,
    ];
    const UNKNOWN: Codes =
        &[40_202..=40_202, i64::MIN..=-1, 1..=20_000, 20_002..=39_999, 50_000..=50_001, 50_003..=i64::MAX];

    /// `reliability.md` 2.2 written down once more, by status and code: the first row that fits counts.
    const RULES: &[(RangeInclusive<u16>, Codes, Rule)] = &[
        (300..=399, ANY, Rule::Is(&CONFIGURATION)),
        (413..=413, ANY, Rule::Is(&Fate::TooLarge)),
        (200..=200, &[0..=0], Rule::Is(&Fate::Accepted)),
        (401..=401, NOT_ALL, Rule::Is(&CREDENTIALS)),
        (403..=403, NOT_ALL, Rule::Is(&CREDENTIALS)),
        (404..=405, NOT_ALL, Rule::Is(&CONFIGURATION)),
        (408..=408, NOT_ALL, Rule::Is(&THROTTLED)),
        (429..=429, NOT_ALL, Rule::Is(&THROTTLED)),
        (400..=499, NOT_ALL, Rule::Is(&Fate::TooLarge)),
        (100..=599, &[0..=0], Rule::Is(&DOUBT)),
        (100..=599, THROTTLE, Rule::Is(&THROTTLED)),
        (100..=599, TOKEN, Rule::Is(&CREDENTIALS)),
        (100..=599, REQUEST, Rule::Is(&CONFIGURATION)),
        (100..=599, &[60_001..=60_001], Rule::Is(&Fate::Maintenance)),
        (408..=408, ANY, Rule::Is(&THROTTLED)),
        (429..=429, ANY, Rule::Is(&THROTTLED)),
        (500..=599, ANY, Rule::Is(&DOUBT)),
        (100..=599, UNKNOWN, Rule::Is(&DOUBT)),
        (100..=599, &[20_001..=20_001], Rule::Is(&Fate::Unsplit)),
        (100..=599, &[40_050..=40_050], Rule::Is(&DUPLICATE)),
        (100..=599, &[40_011..=40_011, 40_061..=40_061], Rule::Is(&Fate::TooLarge)),
        (100..=599, &[40_700..=40_700], Rule::Refused(1)),
        (100..=599, &[50_002..=50_002], Rule::Refused(3)),
        (100..=599, &[40_000..=49_999], Rule::Refused(0)),
    ];

    #[test]
    fn every_code_under_every_status_has_the_fate_of_the_rules() {
        let edges = responses::FAMILIES.iter().flat_map(|family| {
            let (first, last) = (*family.codes.start(), *family.codes.end());
            [first - 1, first, first + 1, last - 1, last, last + 1]
        });
        let rows = responses::RESPONSES.iter().map(|response| response.code);
        let codes: BTreeSet<i64> = rows.chain(edges).chain([-1, 1, i64::MIN, i64::MAX]).collect();
        for status in 100..600 {
            for value in &codes {
                let (_, _, rule) = RULES
                    .iter()
                    .find(|(statuses, codes, _)| {
                        statuses.contains(&status) && codes.iter().any(|codes| codes.contains(value))
                    })
                    .expect("a rule for everything");
                let fate = code(status, *value);
                match rule {
                    Rule::Is(expected) => assert_eq!(fate, **expected, "{value} under {status}"),
                    Rule::Refused(expected) => assert!(
                        matches!(fate, Fate::Refused { patience, hint: None, .. } if patience == *expected),
                        "{value} under {status}: {fate:?}"
                    ),
                }
            }
        }
    }

    const SUCCESS: &[u8] = br#"{"code": 0, "message": "OK", "request_id": "2026", "data": {"total": 10}}"#;

    /// What a lenient reader makes of a body that has no name twice, and no more names than [`SUCCESS`].
    fn is_success(body: &[u8]) -> bool {
        let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return false };
        let says_nothing = |value: &Value| [json!(null), json!(""), json!([]), json!({})].contains(value);
        let is_all =
            |name: &str, value: &Value| name.to_ascii_lowercase().contains("total") && value.as_u64() == Some(10);
        body.get("code").is_some_and(|code| code.as_i64() == Some(0))
            && body.iter().all(|(name, value)| match (name.as_str(), value) {
                ("code" | "request_id", _) | ("data", Value::Null) => true,
                ("message", value) => value.is_string() || value.is_null(),
                ("data", Value::Object(data)) => {
                    data.iter().all(|(name, value)| says_nothing(value) || is_all(name, value))
                }
                ("data", _) => false,
                (name, value) => says_nothing(value) || is_all(name, value),
            })
    }

    #[test]
    fn one_wrong_byte_anywhere_makes_no_success() {
        let (mut good, mut bad) = (0, 0);
        for at in 0..SUCCESS.len() {
            let (before, after) = SUCCESS.split_at(at);
            let dropped = [before, &after[1..]].concat();
            let inserted = (0..=u8::MAX).map(|byte| [before, &[byte], after].concat());
            let replaced = (0..=u8::MAX).map(|byte| [before, &[byte], &after[1..]].concat());
            for body in inserted.chain(replaced).chain([dropped]) {
                let expected = is_success(&body);
                *(if expected { &mut good } else { &mut bad }) += 1;
                let fate = judge(200, body.clone()).fate;
                assert_eq!(fate == Fate::Accepted, expected, "{}", String::from_utf8_lossy(&body));
            }
        }
        assert!(good > 1_000 && bad > 10_000, "{good} good, {bad} bad");
    }

    proptest! {
        #[test]
        fn never_accepts_bytes_that_are_not_exactly_success(
            status in prop_oneof![Just(200_u16), 100_u16..600],
            edits in prop::collection::vec((0..SUCCESS.len(), 0..3_usize, prop::sample::select(&b"0123456789-.eE \"{}[],:codenul"[..])), 1..4),
        ) {
            let mut body = SUCCESS.to_vec();
            for (at, kind, byte) in edits {
                let at = at.min(body.len() - 1);
                match kind {
                    0 => body.insert(at, byte),
                    1 => body[at] = byte,
                    _ => drop(body.remove(at)),
                }
            }
            prop_assert_eq!(judge(status, body.clone()).fate == Fate::Accepted, status == 200 && is_success(&body));
        }

        #[test]
        fn no_prefix_of_a_success_is_a_success(cut in 0..SUCCESS.len()) {
            prop_assert_eq!(judge(200, &SUCCESS[..cut]).fate, GARBLED);
        }
    }
}
