//! What the API answers, and what to do about it: one row for each return code of TikTok's catalogue.

use std::ops::RangeInclusive;

use super::Citation;

/// One return code.
#[derive(Clone, Copy, Debug)]
pub struct Response {
    /// `code` of the response body.
    pub code: i64,
    /// What TikTok means by it.
    pub meaning: &'static str,
    /// What to do with the request that got it.
    pub action: Action,
    /// Whether a client that only posts events can meet it.
    pub met: bool,
    /// Source of the row.
    pub citation: Citation,
}

/// Codes that have no row are treated as their family.
#[derive(Clone, Debug)]
pub struct Family {
    /// The codes of the family.
    pub codes: RangeInclusive<i64>,
    /// What to do with the request that got one.
    pub action: Action,
    /// Source of the row.
    pub citation: Citation,
}

/// What to do with a request, decided by the code alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Every event of the request was accepted.
    Accept,
    /// Some events were accepted: split by the items the body names, or by sending halves.
    Split,
    /// An event of the request is at fault: find it, and send the others.
    Isolate,
    /// As [`Action::Isolate`], but only after this many repeats gave the same answer.
    RetryThenIsolate(u8),
    /// Too many requests: wait, then send the same request, slower.
    Throttle,
    /// Nothing is known about the events: send the same request again.
    Retry,
    /// As [`Action::Retry`], after minutes rather than seconds.
    RetryLate,
    /// The request carries too much: send halves.
    Halve,
    /// The API has seen these events: accepted if an earlier attempt is on record.
    Duplicate,
    /// Stop: the token or a permission is at fault, not the events.
    StopCredentials,
    /// Stop: the destination or postback's version is at fault, not the events.
    StopConfiguration,
}

impl Action {
    /// The word `postback schema` prints.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Split => "split into accepted and rejected",
            Self::Isolate | Self::RetryThenIsolate(_) => "find and reject the event",
            Self::Throttle => "wait and slow down",
            Self::Retry => "retry",
            Self::RetryLate => "retry after minutes",
            Self::Halve => "send halves",
            Self::Duplicate => "accepted if sent before, else hold",
            Self::StopCredentials => "stop: credentials",
            Self::StopConfiguration => "stop: configuration",
        }
    }

    /// What postback does about it, in a sentence without a full stop.
    #[must_use]
    pub const fn explained(self) -> &'static str {
        match self {
            Self::Accept => "counts every event of the request as accepted",
            Self::Split => {
                "sends the events that the answer names again, each alone, and the others apart from them, or halves if it names none, until every request is accepted as a whole or refused for its only event"
            }
            Self::Isolate => {
                "sends halves of the request until the event at fault is found, rejects it and delivers the others"
            }
            Self::RetryThenIsolate(_) => {
                "sends the request again, and after several such answers looks for the event at fault, rejects it and delivers the others"
            }
            Self::Throttle => "waits, sends the same request again, and sends fewer at a time",
            Self::Retry => "sends the same request again, after growing waits, until `postback.give_up_after`",
            Self::RetryLate => "sends the same request again after minutes, until `postback.give_up_after`",
            Self::Halve => "sends the request in halves",
            Self::Duplicate => "counts the events as accepted if it sent them before, and holds them if it did not",
            Self::StopCredentials | Self::StopConfiguration => {
                "stops, since the events are not at fault: what was not accepted stays unsent"
            }
        }
    }

    /// What there is left for the user to do, in a sentence without a full stop.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Accept | Self::Halve => "nothing",
            Self::Split | Self::Isolate | Self::RetryThenIsolate(_) => {
                "look into the account for the events and the field that the API named, correct them in the query, and run it again"
            }
            Self::Throttle => {
                "nothing; if it happens often, lower `postback.requests_per_second`, since other senders share the app's limit"
            }
            Self::Retry | Self::RetryLate => "nothing; if the run gave up, run the file again later",
            Self::Duplicate => "check in Events Manager whether the events that are held have arrived",
            Self::StopCredentials => {
                "check that the token is valid, that its account has the role Admin or Operator, and that it may use the event set, pixel or app; then run the file again"
            }
            Self::StopConfiguration => {
                "check `postback.event_source`, `postback.event_source_id` and `postback.base_url`; then run the file again"
            }
        }
    }
}

/// The row of exactly this code.
#[must_use]
pub fn find(code: i64) -> Option<&'static Response> {
    RESPONSES.binary_search_by_key(&code, |response| response.code).ok().map(|index| &RESPONSES[index])
}

/// What TikTok means by `code`, as far as it says.
#[must_use]
pub fn meaning(code: i64) -> &'static str {
    match (find(code), code) {
        (Some(response), _) => response.meaning,
        // What has no code of the API is kept under its HTTP status.
        (None, 413) => "larger than the server takes (HTTP status)",
        (None, 400..=599) => "refused before the API (HTTP status)",
        (None, _) => "unknown code",
    }
}

/// What to do about `code`: its row's action, else that of its family, else [`Action::Retry`].
#[must_use]
pub fn action(code: i64) -> Action {
    find(code).map_or_else(
        || FAMILIES.iter().find(|family| family.codes.contains(&code)).map_or(Action::Retry, |family| family.action),
        |response| response.action,
    )
}

/// Codes outside the catalogue; the first family that holds a code counts. Only where a family speaks of parameters may
/// an event be at fault: what a neighbour says of tokens, scopes, routes or files says nothing about an event.
pub static FAMILIES: &[Family] = &[
    Family { codes: 40_100..=40_199, action: Action::StopCredentials, citation: Citation::guess("reliability 2.2") },
    Family { codes: 40_200..=40_299, action: Action::StopConfiguration, citation: Citation::guess("D5, neighbours") },
    Family { codes: 40_300..=40_399, action: Action::StopCredentials, citation: Citation::guess("D3, neighbours") },
    Family { codes: 40_400..=40_599, action: Action::StopConfiguration, citation: Citation::guess("D3, neighbours") },
    Family { codes: 40_900..=40_999, action: Action::StopConfiguration, citation: Citation::guess("D5, neighbours") },
    Family { codes: 41_000..=41_999, action: Action::StopConfiguration, citation: Citation::guess("D5, neighbours") },
    Family { codes: 40_000..=49_999, action: Action::Isolate, citation: Citation::likely("D5 (events-api 6.4)") },
    Family { codes: 51_000..=51_999, action: Action::Retry, citation: Citation::likely("D5 (events-api 6.4)") },
    Family { codes: 50_000..=59_999, action: Action::Retry, citation: Citation::likely("D5 (events-api 6.4)") },
    Family { codes: 61_000..=61_000, action: Action::Throttle, citation: Citation::guess("reliability 2.2") },
    Family { codes: 60_000..=69_999, action: Action::Retry, citation: Citation::likely("D5 (events-api 6.4)") },
    Family { codes: 70_000..=79_999, action: Action::Retry, citation: Citation::guess("D3, neighbours") },
];

const CATALOGUE: Citation = Citation::certain("D5");
/// Codes that only TikTok's own SDK names.
const SDK: Citation = Citation::likely("D3 (tiktok_code.py)");

/// A code that an events client can meet.
const fn met(code: i64, meaning: &'static str, action: Action, citation: Citation) -> Response {
    Response { code, meaning, action, met: true, citation }
}

/// A code that only TikTok's own SDK names, without a page that says where it comes from.
const fn sdk(code: i64, meaning: &'static str, action: Action) -> Response {
    Response { code, meaning, action, met: true, citation: SDK }
}

/// A code of other endpoints. One that arrives all the same says nothing about an event, so most of them stop.
const fn other(code: i64, meaning: &'static str, action: Action) -> Response {
    Response { code, meaning, action, met: false, citation: CATALOGUE }
}

use Action::{
    Accept, Duplicate, Halve, Isolate, Retry, RetryLate, RetryThenIsolate, Split, StopConfiguration, StopCredentials,
    Throttle,
};

/// The catalogue as published on 2026-08-13, in the order of the codes, 0, and what TikTok's SDK names besides.
pub static RESPONSES: &[Response] = &[
    met(0, "ok", Accept, Citation::certain("D1")),
    met(20001, "partially successful", Split, CATALOGUE),
    met(40000, "parameters invalid", Isolate, Citation::certain("D5, P14")),
    met(40001, "no permission", StopCredentials, Citation::certain("D5, P2, P14")),
    met(40002, "parameter error, see message", Isolate, Citation::certain("D5, P2, P3, P9, P10")),
    sdk(40003, "forbidden", StopCredentials),
    other(40006, "version and parameters do not match", StopConfiguration),
    met(40007, "object or operation does not exist", StopConfiguration, CATALOGUE),
    other(40008, "endpoint not implemented", StopConfiguration),
    other(40009, "endpoint not in the sandbox", StopConfiguration),
    other(40010, "wrong domain", StopConfiguration),
    other(40011, "too many ids in one request", Halve),
    sdk(40012, "no update", StopConfiguration),
    other(40013, "no sandbox account", StopConfiguration),
    other(40014, "unsupported in the sandbox", StopConfiguration),
    met(40016, "too frequent (app level)", Throttle, CATALOGUE),
    met(40050, "duplicate requests sent", Duplicate, CATALOGUE),
    other(40051, "bad version", StopConfiguration),
    other(40052, "creative, video or targeting error", StopConfiguration),
    other(40053, "creative, video or targeting error", StopConfiguration),
    sdk(40061, "invalid batch size", Halve),
    sdk(40062, "personal data that is not hashed", Isolate),
    sdk(40063, "invalid partner name", StopConfiguration),
    other(40065, "creative, video or targeting error", StopConfiguration),
    met(40100, "too frequent (app and endpoint)", Throttle, Citation::certain("D5, P2, P14")),
    met(40101, "bad auth parameters (secret, app id or auth code)", StopCredentials, CATALOGUE),
    met(40102, "access token expired", StopCredentials, CATALOGUE),
    other(40103, "refresh token expired", StopCredentials),
    met(40104, "access token empty", StopCredentials, CATALOGUE),
    met(40105, "access token invalid", StopCredentials, Citation::certain("D5, P14")),
    met(40106, "core user invalid for the advertiser", StopCredentials, CATALOGUE),
    other(40107, "refresh token wrong", StopCredentials),
    other(40108, "bad grant type", StopCredentials),
    other(40109, "auth data cannot be deciphered", StopCredentials),
    met(40110, "auth code cancelled, used or expired", StopCredentials, CATALOGUE),
    other(40112, "bad password", StopCredentials),
    met(40113, "app blocked, unknown, or token belongs to another app", StopCredentials, CATALOGUE),
    sdk(40114, "advertiser logged out", StopCredentials),
    other(40115, "bad auth timestamp", StopCredentials),
    other(40116, "bad auth signature", StopCredentials),
    other(40117, "bad auth method", StopCredentials),
    met(40118, "app or advertiser not allow-listed (app events)", StopCredentials, CATALOGUE),
    met(40119, "developer and advertiser not of the same company", StopCredentials, CATALOGUE),
    sdk(40120, "not logged in", StopCredentials),
    other(40121, "creator or developer profile error", StopCredentials),
    other(40122, "creator or developer profile error", StopCredentials),
    other(40124, "creator or developer profile error", StopCredentials),
    met(40125, "developer lacks the permission (scope)", StopCredentials, CATALOGUE),
    sdk(40126, "brand safety (GARM) error", StopConfiguration),
    sdk(40127, "brand safety (GARM) error", StopConfiguration),
    sdk(40128, "brand safety (GARM) error", StopConfiguration),
    sdk(40129, "brand safety (GARM) error", StopConfiguration),
    sdk(40130, "scope not authorized", StopCredentials),
    sdk(40131, "scope authorization failed", StopCredentials),
    met(40132, "too frequent for one field value (pixel) or suspected leaked token", Throttle, CATALOGUE),
    met(40133, "too frequent (advertiser)", Throttle, CATALOGUE),
    other(40200, "async task error", StopConfiguration),
    other(40201, "async task not ready", StopConfiguration),
    other(40202, "write conflict", Retry),
    other(40300, "advertiser missing", StopConfiguration),
    other(40301, "advertiser not matched", StopConfiguration),
    sdk(40302, "login or permission required", StopCredentials),
    sdk(40309, "login required", StopCredentials),
    sdk(40400, "route not found", StopConfiguration),
    other(40502, "ad limit", StopConfiguration),
    met(40700, "internal validation error", RetryThenIsolate(1), CATALOGUE),
    other(40900, "file handling error", StopConfiguration),
    other(40901, "file handling error", StopConfiguration),
    other(40902, "file handling error", StopConfiguration),
    other(40903, "file handling error", StopConfiguration),
    other(40904, "file handling error", StopConfiguration),
    other(40905, "file handling error", StopConfiguration),
    other(40906, "file handling error", StopConfiguration),
    other(40907, "file handling error", StopConfiguration),
    other(40908, "file handling error", StopConfiguration),
    other(40909, "file handling error", StopConfiguration),
    other(40910, "file handling error", StopConfiguration),
    other(40911, "file handling error", StopConfiguration),
    other(40912, "file handling error", StopConfiguration),
    other(40913, "file handling error", StopConfiguration),
    other(40914, "file handling error", StopConfiguration),
    other(40915, "file handling error", StopConfiguration),
    sdk(40916, "file handling error", StopConfiguration),
    met(41000, "client IP from a banned country", StopCredentials, CATALOGUE),
    met(41001, "interface offline", StopConfiguration, CATALOGUE),
    met(41002, "fields not in use", StopConfiguration, CATALOGUE),
    sdk(41013, "interface not available", StopConfiguration),
    met(50000, "system error", Retry, CATALOGUE),
    met(50002, "processing error, see message", RetryThenIsolate(3), CATALOGUE),
    met(51305, "downstream service error", Retry, CATALOGUE),
    met(60001, "maintenance", RetryLate, CATALOGUE),
    sdk(61000, "too many requests", Throttle),
    sdk(70001, "service error", Retry),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_72_codes_besides_0_and_20_of_the_sdk_in_order() {
        let of_sdk = RESPONSES.iter().filter(|response| response.citation.sources == SDK.sources).count();
        assert_eq!((RESPONSES.len(), of_sdk), (1 + 72 + 20, 20));
        assert!(RESPONSES.is_sorted_by(|a, b| a.code < b.code));
        assert!(RESPONSES.iter().all(|response| find(response.code).is_some_and(|found| found.code == response.code)));
    }

    #[test]
    fn only_0_is_accepted() {
        let accepted: Vec<i64> =
            RESPONSES.iter().filter(|response| response.action == Accept).map(|response| response.code).collect();
        assert_eq!(accepted, [0]);
        assert!(FAMILIES.iter().all(|family| family.action != Accept));
    }

    #[test]
    fn unknown_codes_are_judged_by_family() {
        for (code, expected) in [
            (40_004, Isolate),
            (40_099, Isolate),
            (40_111, StopCredentials),
            (40_199, StopCredentials),
            (40_203, StopConfiguration),
            (40_399, StopCredentials),
            (40_401, StopConfiguration),
            (40_701, Isolate),
            (40_999, StopConfiguration),
            (41_999, StopConfiguration),
            (49_999, Isolate),
            (50_001, Retry),
            (51_021, Retry),
            (60_002, Retry),
            (61_001, Retry),
            (70_002, Retry),
            (1, Retry),
            (-1, Retry),
            (i64::MAX, Retry),
        ] {
            assert_eq!(action(code), expected, "{code}");
        }
    }
}
