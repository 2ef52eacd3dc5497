//! What goes out instead of the usual answer.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};

use super::wire::{Connection, Ending, Port};
use super::{Effect, Hit, Names, RetryAfter, Says};
use crate::sandbox::server::LOG_ID;

/// The API's answer to a request, before a fault has had its way with it.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) request_id: String,
    /// Events of the request.
    pub(crate) events: usize,
    /// When it is given, Unix seconds.
    pub(crate) at: i64,
}

impl Given {
    fn json(&self) -> String {
        self.json_with(&json!({}))
    }

    fn json_with(&self, data: &Value) -> String {
        json!({ "code": self.code, "message": self.message, "request_id": self.request_id, "data": data }).to_string()
    }

    /// The answer as TikTok gives it.
    pub(crate) fn into_response(self) -> Response {
        self.reply(200, "application/json", self.json())
    }

    fn reply(&self, status: u16, content_type: &'static str, body: impl Into<Body>) -> Response {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = [(header::CONTENT_TYPE, content_type), (LOG_ID, &self.request_id)];
        (status, headers, body.into()).into_response()
    }
}

/// What a body that is none of the API's looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Empty,
    Text,
    Html,
    Array,
    Truncated,
    Trailing,
    StringCode,
    FloatCode,
    NullCode,
    NoCode,
    TwoCodes,
    Deep,
    Huge,
    ListData,
    TextData,
    OtherData,
    FewerEvents,
    WrongType,
    Plain,
}

impl Shape {
    /// Each shape by the word for it.
    const ALL: &[(&'static str, Self)] = &[
        ("empty", Self::Empty),
        ("text", Self::Text),
        ("html", Self::Html),
        ("array", Self::Array),
        ("truncated", Self::Truncated),
        ("trailing", Self::Trailing),
        ("string-code", Self::StringCode),
        ("float-code", Self::FloatCode),
        ("null-code", Self::NullCode),
        ("no-code", Self::NoCode),
        ("two-codes", Self::TwoCodes),
        ("deep", Self::Deep),
        ("huge", Self::Huge),
        ("list-data", Self::ListData),
        ("text-data", Self::TextData),
        ("other-data", Self::OtherData),
        ("fewer-events", Self::FewerEvents),
        ("wrong-type", Self::WrongType),
        ("plain", Self::Plain),
    ];
    /// The words.
    pub(super) const NAMES: &[&'static str] = &[
        "empty",
        "text",
        "html",
        "array",
        "truncated",
        "trailing",
        "string-code",
        "float-code",
        "null-code",
        "no-code",
        "two-codes",
        "deep",
        "huge",
        "list-data",
        "text-data",
        "other-data",
        "fewer-events",
        "wrong-type",
        "plain",
    ];

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, shape)| *shape)
    }

    /// Content type and body. `wrong-type` and `plain` leave the body whole.
    fn body(self, given: &Given) -> (&'static str, String) {
        /// More than any client should read of an answer.
        const HUGE: usize = 5 << 20;
        let whole = given.json();
        let code = |text: &str| whole.replacen(&format!("\"code\":{}", given.code), text, 1);
        let data = |data: Value| given.json_with(&data);
        let body = match self {
            Self::Empty => String::new(),
            Self::Text => "upstream connect error".to_owned(),
            Self::Html => page(200),
            Self::Array => format!("[{whole}]"),
            Self::Truncated => whole[..whole.len() - 2].to_owned(),
            Self::Trailing => format!("{whole}{whole}"),
            Self::StringCode => code(&format!("\"code\":\"{}\"", given.code)),
            Self::FloatCode => code(&format!("\"code\":{}.0", given.code)),
            Self::NullCode => code("\"code\":null"),
            Self::NoCode => code("\"status\":\"success\""),
            Self::TwoCodes => code(&format!("\"code\":{0},\"code\":{0}", given.code)),
            Self::Deep => whole.replacen("{}", &format!("{}{}", "[".repeat(200), "]".repeat(200)), 1),
            Self::Huge => whole.replacen("{}", &format!("\"{}\"", "x".repeat(HUGE)), 1),
            Self::ListData => data(json!([{ "index": 0 }])),
            Self::TextData => data(json!("accepted")),
            Self::OtherData => data(json!({ "results": [{ "position": 0, "accepted": false }] })),
            Self::FewerEvents => data(json!({ "success_count": given.events.saturating_sub(1) })),
            Self::WrongType | Self::Plain => whole,
        };
        let content_type = match self {
            Self::Text => "text/plain",
            Self::Html | Self::WrongType => "text/html",
            _ => "application/json",
        };
        (content_type, body)
    }
}

/// Gives the answer as the fault wants it.
pub(crate) async fn perform(hit: Hit, given: Given, connection: &Connection, port: &Port) -> Response {
    match hit.effect {
        Effect::Refuse(duration) => {
            port.close(duration).await;
            let mut response = given.into_response();
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
        Effect::Reset => connection.end_with(Bytes::new(), Ending::Reset),
        Effect::Close => connection.end_with(Bytes::new(), Ending::Close),
        Effect::Half => {
            let body = given.json();
            connection.end_with(raw(body.len(), &body[..body.len() / 2]), Ending::Close)
        }
        Effect::ShortLength => {
            let body = given.json();
            connection.end_with(raw(body.len() / 2, &body), Ending::Close)
        }
        Effect::LongHead => connection.end_with(long_head(&given.json()), Ending::Close),
        Effect::Slow(delay) => {
            tokio::time::sleep(delay).await;
            given.into_response()
        }
        Effect::Trickle(pause) => trickle(&given, pause),
        Effect::Never => std::future::pending().await,
        Effect::Skew(seconds) => {
            let date = http_date(given.at.saturating_add(seconds));
            let mut response = given.into_response();
            response.headers_mut().extend(date.map(|date| (header::DATE, date)));
            response
        }
        Effect::Page { status, retry } => with_retry(given.reply(status, "text/html", page(status)), retry, given.at),
        Effect::Redirect { status, to } => {
            let to = to.and_then(|to| HeaderValue::from_str(&to).ok());
            let location = to.unwrap_or(HeaderValue::from_static(crate::contract::TRACK_PATH));
            let mut response = given.reply(status, "text/html", page(status));
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        Effect::Code { status, retry, .. } => {
            with_retry(given.reply(status, "application/json", given.json()), retry, given.at)
        }
        Effect::Poison { status, .. } => given.reply(status, "application/json", given.json()),
        // The verdict stands if the request was refused as a whole.
        Effect::Partial { .. } if given.code != 0 => given.into_response(),
        Effect::Partial { names, field, says } => partial(given, names, &field, says, &hit.events),
        Effect::Garbled { shape, status } => {
            let (content_type, body) = shape.body(&given);
            given.reply(status, content_type, body)
        }
    }
}

fn partial(mut given: Given, names: Names, field: &str, says: Says, events: &[usize]) -> Response {
    let claimed = |position: &usize| match names {
        Names::Wrong => Some((position + 1) % given.events.max(1)),
        Names::Beyond => Some(position + given.events),
        Names::Right => Some(*position),
        Names::Nothing => None,
    };
    let positions: Vec<usize> = events.iter().filter_map(claimed).collect();
    let message = |position: usize| format!("Invalid value for data.{position}.{field}: not a valid value.");
    let list = |item: &dyn Fn(usize) -> Value| positions.iter().map(|position| item(*position)).collect::<Vec<_>>();
    let by_index = |position| json!({ "index": position, "code": 40_002, "message": message(position) });
    let by_order = |position| json!({ "order_in_batch": position, "error": message(position) });
    let data = match says {
        Says::Code if names == Names::Nothing => json!({}),
        Says::Code => json!({ "errors": list(&by_index) }),
        Says::FailedEvents => json!({ "partial_failure": true, "failed_events": list(&by_order) }),
        Says::FailedRows => json!({ "failed_rows": list(&by_index) }),
        Says::Flag => json!({ "partial_failure": true }),
    };
    if says == Says::Code {
        (given.code, given.message) = (20_001, "Partially successful.".to_owned());
    }
    let body = given.json_with(&data);
    given.reply(200, "application/json", body)
}

fn trickle(given: &Given, pause: Duration) -> Response {
    let bytes = stream::unfold(given.json().into_bytes().into_iter(), move |mut bytes| async move {
        let next = bytes.next()?;
        tokio::time::sleep(pause).await;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(vec![next])), bytes))
    });
    given.reply(200, "application/json", Body::from_stream(bytes))
}

fn with_retry(mut response: Response, retry: Option<RetryAfter>, now: i64) -> Response {
    let value = match retry {
        Some(RetryAfter::Seconds(seconds)) => Some(HeaderValue::from(seconds)),
        Some(RetryAfter::Date(seconds)) => {
            response.headers_mut().extend(http_date(now).map(|date| (header::DATE, date)));
            http_date(now.saturating_add_unsigned(seconds))
        }
        None => None,
    };
    let headers: &mut HeaderMap = response.headers_mut();
    headers.extend(value.map(|value| (header::RETRY_AFTER, value)));
    response
}

fn http_date(at: i64) -> Option<HeaderValue> {
    let at = jiff::Timestamp::from_second(at).ok()?;
    HeaderValue::try_from(DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()?).ok()
}

/// The page of a gateway.
fn page(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    format!(
        "<html>\n<head><title>{status} {reason}</title></head>\n\
         <body><center><h1>{status} {reason}</h1></center><hr><center>nginx</center></body>\n</html>\n"
    )
}

/// An answer of HTTP 200 whose head promises `length` bytes.
fn raw(length: usize, body: &str) -> Bytes {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into()
}

/// A whole answer behind more headers than any client should read.
fn long_head(body: &str) -> Bytes {
    let headers = "x-padding: 0123456789\r\n".repeat(20_000);
    format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> Given {
        Given { code: 0, message: "OK".to_owned(), request_id: "R".to_owned(), events: 3, at: 0 }
    }

    #[test]
    fn only_two_shapes_are_a_success() {
        assert!(Shape::ALL.iter().map(|(name, _)| name).eq(Shape::NAMES));
        for (name, shape) in Shape::ALL {
            let (_, body) = shape.body(&given());
            let is_whole = body == given().json();
            assert_eq!(is_whole, matches!(shape, Shape::WrongType | Shape::Plain), "{name}");
        }
    }

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(http_date(784_111_777), Some(HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT")));
    }
}
