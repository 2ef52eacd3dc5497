//! `e164` and `is_e164`: phone numbers.

use std::borrow::Cow;

use super::declaration::{Body, Declaration, Parameter};
use crate::contract::phone;

pub(super) const E164: Declaration = Declaration {
    name: "e164",
    description: "Phone number as `+` and digits (E.164), without its extension; NULL unless Google's libphonenumber \
        holds it for valid. A list gives a list.",
    text: ("text", "The phone number. One without `+` is read as dialled in the region."),
    parameter: Some(Parameter::Region),
    lists: true,
    body: Body::Text(|text, qualifier| phone::e164(text, qualifier.region()).ok().map(Cow::Owned)),
    example: ("e164('(213) 373-4253', 'US')", "+12133734253"),
};

pub(super) const IS_E164: Declaration = Declaration {
    name: "is_e164",
    description: "Whether text is a valid phone number and exactly in the form that `e164` gives.",
    text: ("text", "The phone number."),
    parameter: None,
    lists: false,
    body: Body::Boolean(|text, _| phone::is_e164(text)),
    example: ("is_e164('+1 213 373 4253')", "false"),
};
