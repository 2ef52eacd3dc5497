//! `event_name` and `is_event_name`: names of events.

use std::borrow::Cow;

use super::declaration::{Body, Declaration, Parameter};
use crate::contract::events;

pub(super) const EVENT_NAME: Declaration = Declaration {
    name: "event_name",
    description: "Current name of a standard event, from any spelling of case and from names that were renamed; NULL for \
        other names.",
    text: ("text", "The event's name."),
    parameter: None,
    lists: false,
    body: Body::Text(|text, _| events::repair(text).map(Cow::Borrowed)),
    example: ("event_name('CompletePayment')", "Purchase"),
};

pub(super) const IS_EVENT_NAME: Declaration = Declaration {
    name: "is_event_name",
    description: "Whether text is, letter for letter, a name that events may have: at the event source, which may admit \
        custom names, or at any.",
    text: ("text", "The event's name."),
    parameter: Some(Parameter::EventSource),
    lists: false,
    body: Body::Boolean(|text, qualifier| events::is_event_name(text, qualifier.event_source())),
    example: ("is_event_name('purchase', 'offline')", "false"),
};
