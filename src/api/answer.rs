//! A complete answer, and what of its headers is kept.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

/// Longest value of a header that is kept.
const MAX_HEADER_CHARS: usize = 64;

/// A complete answer, not yet judged.
#[derive(Clone)]
pub struct RawResponse {
    /// HTTP status.
    pub status: u16,
    /// The body, at most 4 MiB.
    pub body: Bytes,
    /// How long `Retry-After` asks to wait: its seconds, or from the answer's own `Date` to the date it gives.
    pub retry_after: Option<Duration>,
    /// `Date`, the server's clock in Unix seconds.
    pub date: Option<i64>,
    /// Whether the head came before the last byte of the request had left, so that it can be no answer to all of it.
    pub is_premature: bool,
    /// `X-Tt-Logid`, TikTok's name for the call, for its support.
    pub log_id: Option<String>,
}

impl RawResponse {
    /// The answer of this status and these headers, whose body is still to come.
    pub(super) fn of_head(status: u16, headers: &HeaderMap, is_premature: bool) -> Self {
        let date = date(headers, &DATE);
        let retry_after = retry_after(headers, date);
        let log_id = headers.get("x-tt-logid").and_then(identifier);
        Self { status, body: Bytes::new(), retry_after, date, is_premature, log_id }
    }
}

impl fmt::Debug for RawResponse {
    // Never the body: its message may echo what was sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawResponse")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A date is compared with the server's own clock, since this machine's may be wrong.
fn retry_after(headers: &HeaderMap, now: Option<i64>) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok();
    let until_date = || u64::try_from(date(headers, &RETRY_AFTER)?.saturating_sub(now?).max(0)).ok();
    seconds.or_else(until_date).map(Duration::from_secs)
}

/// The header `name` as an HTTP date, in Unix seconds.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<i64> {
    let text = headers.get(name)?.to_str().ok()?;
    DateTimeParser::new().parse_timestamp(text.trim()).ok().map(jiff::Timestamp::as_second)
}

/// A header's value, if it looks like an identifier; it ends up in reports.
fn identifier(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    (text.len() <= MAX_HEADER_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        .then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_against_the_servers_own_clock() {
        let asked = |retry_after: &'static str, date_header: Option<&'static str>| {
            let mut headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(retry_after))]);
            headers.extend(date_header.map(|date| (DATE, HeaderValue::from_static(date))));
            super::retry_after(&headers, date(&headers, &DATE)).map(|asked| asked.as_secs())
        };
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked(" 120 ", now), Some(120));
        assert_eq!(asked("Sun, 06 Nov 1994 08:51:00 GMT", now), Some(83));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(0), "a date that is over");
        assert_eq!(asked("Sun, 06 Nov 1994 08:51:00 GMT", None), None, "no clock to compare it with");
        assert_eq!((asked("-1", now), asked("soon", now), asked("", now)), (None, None, None));
    }
}
