//! Why a delivery ended before everything was delivered, and what a user can do about it.

use super::response::Answer;
use crate::api::TransportKind;
use crate::contract::responses;
use crate::error::{Error, ErrorKind};
use crate::settings::CertificateFlaw;

/// Why nothing more is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The token or a permission was refused, twice.
    Credentials,
    /// The URL, the destination or the whole request was refused.
    Configuration,
    /// Every request was too large, down to one event.
    TooLarge,
    /// The API was never reached.
    Unreachable,
    /// The answers were none of the API's, several times in a row.
    Garbled,
    /// The API's limit of a day is used up.
    DailyLimit,
    /// Nothing was accepted for too long.
    GaveUp,
    /// The ledger failed.
    Ledger,
    /// The caller asked.
    Drained,
}

/// Why a delivery ended early, with what TikTok's support would ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopReason {
    /// Why nothing more was sent.
    pub cause: Cause,
    /// `code` of the last answer that led to it.
    pub code: Option<i64>,
    /// Its HTTP status.
    pub status: Option<u16>,
    /// What went wrong below HTTP.
    pub transport: Option<TransportKind>,
    /// `request_id` of that answer.
    pub request_id: Option<String>,
    /// The field its message named.
    pub field: Option<&'static str>,
    /// Bytes of the request that it was about, where they were counted.
    pub bytes: Option<u64>,
    /// The URL the requests went to.
    pub endpoint: String,
    /// Whether any event was accepted, or may have been.
    pub may_have_delivered: bool,
}

impl StopReason {
    pub(super) fn new(cause: Cause, answer: Option<&Answer>, may_have_delivered: bool) -> Self {
        Self {
            cause,
            code: answer.and_then(|answer| answer.code),
            status: answer.and_then(|answer| answer.status),
            transport: answer.and_then(|answer| answer.transport),
            request_id: answer.and_then(|answer| answer.request_id.clone()),
            field: answer.and_then(|answer| answer.field),
            bytes: answer.and_then(|answer| answer.bytes),
            endpoint: String::new(),
            may_have_delivered,
        }
    }

    /// The reason as users see it. The kind says what a scheduler should do.
    #[must_use]
    pub fn to_error(&self) -> Error {
        let mut error = Error::new(self.kind(), self.message()).hint(self.hint());
        if let Some(code) = self.code {
            let meaning = responses::find(code).map_or("unknown", |response| response.meaning);
            error = error.context("code", format!("{code} ({meaning})"));
        }
        if let Some(status) = self.status.filter(|status| *status != 200) {
            error = error.context("http status", status);
        }
        if let Some(field) = self.field {
            error = error.context("field", field);
        }
        if let Some(request_id) = &self.request_id {
            error = error.context("request_id", request_id);
        }
        error.context("url", &self.endpoint)
    }

    fn kind(&self) -> ErrorKind {
        match self.cause {
            Cause::Credentials => ErrorKind::Credentials,
            // Usage promises that nothing was delivered.
            Cause::Configuration if !self.may_have_delivered => ErrorKind::Usage,
            Cause::Ledger => ErrorKind::Internal,
            _ => ErrorKind::Incomplete,
        }
    }

    fn message(&self) -> String {
        let trouble = self.transport.map_or_else(
            || match (self.code, self.status) {
                (Some(0), _) => "code 0, beside something that no success is known to say".to_owned(),
                (Some(code), _) => format!("code {code}"),
                (None, Some(200)) => "HTTP status 200, and no integer `code` in the body".to_owned(),
                (None, Some(status)) => format!("HTTP status {status}"),
                (None, None) => "no answer".to_owned(),
            },
            |transport| transport.as_str().to_owned(),
        );
        match self.cause {
            Cause::Credentials => format!("the API refused the access token or its permissions ({trouble})"),
            Cause::Configuration => format!("the API refused the request as a whole ({trouble})"),
            Cause::TooLarge => format!("the server takes no request, down to one event{} ({trouble})", self.size()),
            Cause::Unreachable => format!("cannot reach `{}`: {trouble}", self.endpoint),
            Cause::Garbled => format!("`{}` answers, but not as the Events API does ({trouble})", self.endpoint),
            Cause::DailyLimit => format!("the API's limit of requests per day is used up ({trouble})"),
            Cause::GaveUp => format!("gave up: nothing was accepted for too long ({trouble})"),
            Cause::Ledger => "the ledger could not be written".to_owned(),
            Cause::Drained => "delivery was stopped on request".to_owned(),
        }
    }

    /// ` of 612 bytes`, where that is known.
    fn size(&self) -> String {
        self.bytes.map_or_else(String::new, |bytes| format!(" in {bytes} bytes"))
    }

    fn hint(&self) -> &'static str {
        match (self.cause, self.status, self.code) {
            (Cause::Credentials, _, Some(40_102 | 40_105)) => "generate a new access token and run again",
            (Cause::Credentials, ..) => {
                "check the token, and that its user is admin or operator of the ad account that owns the event source"
            }
            (Cause::Configuration, Some(300..=399), _) => {
                "redirects are not followed; set the base URL to where the API is"
            }
            (Cause::Configuration, Some(404 | 405), _) => "check the base URL; the API's path is appended to it",
            (Cause::Configuration, Some(400..=499), None) => {
                "something before the API refuses the requests; check the base URL"
            }
            (Cause::Configuration, ..) => {
                "check event_source and event_source_id: does the id belong to this event source?"
            }
            (Cause::TooLarge, ..) => {
                "the limit is the server's, or that of a proxy before it: have it raised; running again continues"
            }
            (Cause::Unreachable, ..) => self.unreachable_hint(),
            (Cause::Garbled, ..) => {
                "check the base URL and what stands between, such as a proxy; running again sends what may have arrived \
                 once more while TikTok drops the copy, and holds it after that"
            }
            (Cause::DailyLimit, ..) => "run again after 00:00 UTC, when the limit starts anew",
            (Cause::Ledger, ..) => "make room on the disk or fix it; running again continues",
            (Cause::GaveUp | Cause::Drained, ..) => "running again continues where this run stopped",
        }
    }

    fn unreachable_hint(&self) -> &'static str {
        match self.transport {
            Some(TransportKind::Certificate(CertificateFlaw::Time)) => {
                "check this machine's clock; if it is right, the server needs a new certificate"
            }
            Some(TransportKind::Certificate(CertificateFlaw::Host)) => "check the base URL's host name",
            Some(TransportKind::Certificate(CertificateFlaw::Authority)) => {
                "check the base URL; the authority of a company's own server or proxy is named with --ca-file"
            }
            Some(TransportKind::Certificate(CertificateFlaw::Other)) => {
                "check the base URL; whoever runs the server has to mend its certificate"
            }
            Some(TransportKind::Tls) => "check the base URL; the server must speak TLS 1.2 or later",
            _ if self.may_have_delivered => {
                "check the base URL and the network; running again continues where this run stopped"
            }
            _ => "check the base URL and the network; nothing was sent, so running again is safe",
        }
    }
}
