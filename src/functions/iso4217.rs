//! `iso4217` and `is_iso4217`: currencies.

use std::borrow::Cow;

use super::declaration::{Body, Declaration};
use crate::contract::currencies;

pub(super) const ISO4217: Declaration = Declaration {
    name: "iso4217",
    description: "Currency code in upper case; NULL unless it is an active ISO 4217 code or one that the Events API lists.",
    text: ("text", "The currency code, of any case."),
    parameter: None,
    lists: false,
    body: Body::Text(|text, _| currencies::repair(text).map(Cow::Borrowed)),
    example: ("iso4217(' usd ')", "USD"),
};

pub(super) const IS_ISO4217: Declaration = Declaration {
    name: "is_iso4217",
    description: "Whether text is a currency code in upper case, active in ISO 4217 or listed by the Events API.",
    text: ("text", "The currency code."),
    parameter: None,
    lists: false,
    body: Body::Boolean(|text, _| currencies::is_iso4217(text)),
    example: ("is_iso4217('usd')", "false"),
};
