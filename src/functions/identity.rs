//! `normalize_email`, `is_email` and the functions that hash identifiers.

use super::declaration::{Body, Declaration, Parameter};
use crate::contract::normalize;

pub(super) const NORMALIZE_EMAIL: Declaration = Declaration {
    name: "normalize_email",
    description: "E-mail address, trimmed and in lower case; NULL for what is no address. A list gives a list.",
    text: ("text", "The e-mail address."),
    parameter: None,
    lists: true,
    body: Body::Text(|text, _| normalize::email(text).ok()),
    example: ("normalize_email(' Pat.Lee@Example.com ')", "pat.lee@example.com"),
};

pub(super) const IS_EMAIL: Declaration = Declaration {
    name: "is_email",
    description: "Whether text is an e-mail address, of any case: true for all that `normalize_email` accepts.",
    text: ("text", "The e-mail address."),
    parameter: None,
    lists: false,
    body: Body::Boolean(|text, _| normalize::email(text).is_ok()),
    example: ("is_email('Pat.Lee@Example.com')", "true"),
};

pub(super) const HASH_EMAIL: Declaration = Declaration {
    name: "hash_email",
    description: "SHA-256 of the normalised e-mail address as 64 lower-case hex digits; NULL for what is no address. 64 hex \
        digits pass through in lower case. A list gives a list.",
    text: ("text", "The e-mail address, or its digest."),
    parameter: None,
    lists: true,
    body: Body::Digest(|text, _| normalize::email_digest(text).ok()),
    example: ("hash_email('Pat.Lee@Example.com')", "f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26"),
};

pub(super) const HASH_PHONE: Declaration = Declaration {
    name: "hash_phone",
    description: "SHA-256 of the phone number in E.164 form as 64 lower-case hex digits; NULL unless it is valid. 64 hex \
        digits pass through in lower case. A list gives a list.",
    text: ("text", "The phone number, or its digest. One without `+` is read as dialled in the region."),
    parameter: Some(Parameter::Region),
    lists: true,
    body: Body::Digest(|text, qualifier| normalize::phone_digest(text, qualifier.region()).ok()),
    example: ("hash_phone('+44 20 7183 8750')", "e631c2534428c6c9b48c2167604a8983046085e43a2c00ed748733c544c0bb4d"),
};

pub(super) const HASH_EXTERNAL_ID: Declaration = Declaration {
    name: "hash_external_id",
    description: "SHA-256 of the trimmed customer id as 64 lower-case hex digits; NULL for blank text. 64 hex digits pass \
        through in lower case. A list gives a list.",
    text: ("text", "The customer id, or its digest."),
    parameter: None,
    lists: true,
    body: Body::Digest(|text, _| normalize::external_id_digest(text).ok()),
    example: ("hash_external_id('user_123')", "80fba0ae1c48e3978e43e4efc365e14e12ea0c830ba8ba5b9a2dafc7e3f2ab8b"),
};
