//! `iso8601` and `is_iso8601`: times.

use super::declaration::{Body, Declaration, Parameter};
use crate::contract::time;

pub(super) const ISO8601: Declaration = Declaration {
    name: "iso8601",
    description: "Instant of ISO 8601 text as a timestamp in UTC, in microseconds. Takes calendar, ordinal and week \
        dates, extended or basic, `T` or a blank, any fraction, `24:00`, `Z`, ` UTC` and offsets. Text without a zone is \
        local time in the zone, skipped times read past the gap and repeated ones the first time; without a zone it is NULL.",
    text: ("text", "The time."),
    parameter: Some(Parameter::Zone),
    lists: false,
    body: Body::Instant(|text, qualifier| time::instant(text, qualifier.zone()).ok()),
    example: ("iso8601('2026-11-22 13:45', 'Europe/Berlin')", "2026-11-22T12:45:00Z"),
};

pub(super) const IS_ISO8601: Declaration = Declaration {
    name: "is_iso8601",
    description: "Whether text is ISO 8601 in a form that `iso8601` takes, with or without a zone.",
    text: ("text", "The time."),
    parameter: None,
    lists: false,
    body: Body::Boolean(|text, _| time::is_iso8601(text)),
    example: ("is_iso8601('11/22/2026')", "false"),
};
