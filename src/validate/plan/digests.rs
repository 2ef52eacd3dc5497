//! Digests that a query makes itself: TikTok matches SHA-256 of the normalised value in lower-case hex, nothing else.

use super::{Finding, Subject};
use crate::contract::{Field, Kind, Privacy};

/// A digest that an expression makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The algorithm: `md5`, `sha224`, `sha256`, …
    pub algorithm: String,
    /// How it is written.
    pub encoding: Encoding,
    /// What is done to the value before it is hashed.
    pub operations: Vec<Operation>,
}

/// How a digest is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As bytes.
    Binary,
    /// As hex digits in lower case.
    Hex,
    /// As hex digits in upper case.
    UpperHex,
    /// In Base64.
    Base64,
}

/// A step that brings a value nearer to the form TikTok hashes, or away from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `lower`.
    Lower,
    /// `upper`.
    Upper,
    /// `trim` and its kin.
    Trim,
    /// What gives an e-mail address in canonical form: `normalize_email`.
    Email,
    /// What gives a number with `+` and country code: `e164`, or a `+` in front of digits.
    Phone,
}

/// The finding about a `digest` that feeds `field`, if it is not the one TikTok makes.
pub(super) fn judge(
    subject: Subject,
    name: &str,
    field: &Field,
    digest: &Digest,
    is_accepted: bool,
) -> Option<Finding> {
    let find = |message: String| Finding::new("PB2010", subject, message);
    let algorithm = &digest.algorithm;
    if field.privacy == Privacy::Plain && !is_advertising_id(field) {
        let finding = find(format!("`{name}` is hashed, but TikTok needs it in plain form"));
        let finding = finding.help("return the plain value");
        return Some(if is_accepted { finding.only_warns() } else { finding });
    }
    if field.privacy != Privacy::Hashed && !is_advertising_id(field) {
        return None;
    }
    if algorithm != "sha256" {
        return Some(find(format!("`{name}` is hashed with {algorithm}, and TikTok matches SHA-256 only")));
    }
    if digest.operations.contains(&Operation::Upper) && !digest.operations.contains(&Operation::Lower) {
        let message = format!("`{name}` is hashed in upper case, which gives another digest than TikTok's");
        return Some(find(message).help("return the plain value, or hash lower(trim(…))"));
    }
    match digest.encoding {
        Encoding::Base64 => {
            let message = format!("`{name}` is a digest in Base64, and TikTok compares lower-case hex digits");
            return Some(find(message).help("write encode(sha256(…), 'hex'), or return the plain value"));
        }
        Encoding::Binary => {
            let message = format!("`{name}` is a digest as bytes, and TikTok compares lower-case hex digits");
            return Some(find(message).help("write encode(sha256(…), 'hex'), or return the plain value"));
        }
        Encoding::Hex | Encoding::UpperHex => {}
    }
    if let Some((missing, write)) = missing(field, &digest.operations) {
        let message = format!("`{name}` is hashed without {missing}: TikTok hashes the value in that form");
        let help = format!("return the plain value and let postback hash it, or hash {write}");
        return Some(find(message).help(help).only_warns());
    }
    (digest.encoding == Encoding::UpperHex).then(|| {
        find(format!("`{name}` is a digest in upper case; it is lowered before it is sent"))
            .help("leave out upper()")
            .only_warns()
    })
}

/// The normalisation that the hashed value lacks, and how it is written.
fn missing(field: &Field, operations: &[Operation]) -> Option<(String, String)> {
    let has = |operation: Operation| operations.contains(&operation);
    let needed: &[(Operation, &str)] = match field.kind {
        Kind::Email if has(Operation::Email) => &[],
        Kind::Phone if has(Operation::Phone) => &[],
        Kind::Phone => return Some(("e164()".into(), "e164(…)".into())),
        Kind::ExternalId => &[(Operation::Trim, "trim")],
        Kind::Email | Kind::PersonName => &[(Operation::Lower, "lower"), (Operation::Trim, "trim")],
        _ => &[],
    };
    let missing: Vec<String> =
        needed.iter().filter(|(operation, _)| !has(*operation)).map(|(_, name)| format!("{name}()")).collect();
    let write = needed.iter().rev().fold("…".to_owned(), |inner, (_, name)| format!("{name}({inner})"));
    (!missing.is_empty()).then(|| (missing.join(" and "), write))
}

fn is_advertising_id(field: &Field) -> bool {
    matches!(field.kind, Kind::UpperAdvertisingId | Kind::LowerAdvertisingId)
}
