//! E-mail addresses, phone numbers and customer ids: one or several a row, as SHA-256 digests without repeats.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::builder::{ListBuilder, StringViewBuilder};

use super::cells::{Scope, Texts};
use super::faults::Faults;
use super::rows::{InvalidPhone, Policy};
use crate::contract::Kind;
use crate::contract::normalize::{self, Digest, Fault};
use crate::contract::placeholders;

/// The digests of a column of kind `Email`, `Phone` or `ExternalId`, in row order.
pub(super) fn column(
    texts: &Texts<'_>,
    rows: usize,
    kind: Kind,
    policy: &Policy,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> ArrayRef {
    let mut builder = ListBuilder::new(StringViewBuilder::with_capacity(rows));
    let mut digests: Vec<Digest> = Vec::new();
    for row in 0..rows {
        digests.clear();
        if scope.takes(row) {
            for text in texts.row(row) {
                note_upper_case(text, row, scope, faults);
                let (digest, placeholder) = match kind {
                    Kind::Email => (normalize::email_digest(text), placeholders::is_email(text)),
                    Kind::Phone => (normalize::phone_digest(text, policy.region), placeholders::is_phone(text)),
                    _ => (normalize::external_id_digest(text), placeholders::is_word(text)),
                };
                let possible = || normalize::possible_phone_digest(text);
                let digest = match digest {
                    _ if placeholder => {
                        faults.bad(scope, row, "PB3113", "is a placeholder for a missing value", Some(text));
                        continue;
                    }
                    Ok(digest) if placeholders::is_digest(&digest) => {
                        let detail = "is the digest of a placeholder or of a missing value";
                        faults.bad(scope, row, "PB3113", detail, Some(text));
                        continue;
                    }
                    Err(fault) => {
                        let Some(digest) = possible().filter(|_| fault == Fault::NotAPhone) else {
                            note_fault(fault, text, row, scope, faults);
                            continue;
                        };
                        if !sends_invalid_phone(text, row, policy, scope, faults) {
                            continue;
                        }
                        digest
                    }
                    Ok(digest) => digest,
                };
                if !digests.contains(&digest) {
                    builder.values().append_value(digest.as_str());
                    digests.push(digest);
                }
            }
        }
        builder.append(!digests.is_empty());
    }
    Arc::new(builder.finish())
}

/// Records that a phone number is possible and not valid; whether it is sent nevertheless.
fn sends_invalid_phone(text: &str, row: usize, policy: &Policy, scope: &Scope<'_>, faults: &mut Faults) -> bool {
    const CODE: &str = "PB3119";
    let column = Some(scope.column);
    match policy.invalid_phone {
        InvalidPhone::Send => faults.warn(row, column, CODE, "has digits that no numbering plan assigns", Some(text)),
        InvalidPhone::Drop => {
            let detail = "has digits that no numbering plan assigns, and is left out";
            faults.warn(row, column, CODE, detail, Some(text));
        }
        InvalidPhone::Reject => {
            faults.refuse(row, column, CODE, "has digits that no numbering plan assigns", Some(text));
        }
    }
    policy.invalid_phone == InvalidPhone::Send
}

/// Records why a personal value cannot be sent. Blank values are missing, not wrong.
pub(super) fn note_fault(fault: Fault, text: &str, cell: usize, scope: &Scope<'_>, faults: &mut Faults) {
    let code = match fault {
        Fault::Blank => return,
        Fault::NotAnEmail | Fault::NotAPhone => "PB3037",
        Fault::NoRegion => "PB3103",
        Fault::Md5 | Fault::Sha1 => "PB3041",
        Fault::EmptyDigest => "PB3040",
        Fault::Quantity => "PB3114",
        Fault::Base64Sha256 | Fault::Base64Md5 | Fault::Base64Sha1 => "PB3115",
        Fault::NotAPlace | Fault::NotACountry => "PB3045",
    };
    faults.bad(scope, cell, code, format!("is {}", fault.reason()), Some(text));
}

/// Records digests that are those of another digest: of one of the same row, or of that of nothing. `columns` are the
/// given and the canonical values of each identity column.
pub(super) fn note_doubled(columns: &[(&Arc<str>, Texts<'_>, Texts<'_>)], rows: usize, faults: &mut Faults) {
    let empty = Digest::of(Digest::of("").as_str());
    for row in 0..rows {
        // What was hashed here was hashed once: only a row with a given digest is looked at closely.
        let mut given = columns.iter().flat_map(|(_, given, _)| given.row(row));
        if !given.any(|text| text.len() >= 64 && Digest::from_hex(text.trim()).is_some()) {
            continue;
        }
        let singles = columns.iter().flat_map(|(.., canonical)| canonical.row(row));
        let doubles: Vec<Digest> = singles.map(Digest::of).collect();
        for (name, given, canonical) in columns {
            for text in given.row(row) {
                let Some(digest) = Digest::from_hex(text.trim()) else { continue };
                // What is not sent has been spoken of.
                if !canonical.row(row).any(|sent| sent == digest.as_str()) {
                    continue;
                }
                let detail = if digest == empty {
                    "is the digest of the digest of the empty text"
                } else if doubles.contains(&digest) {
                    "is the digest of another digest of this row"
                } else {
                    continue;
                };
                faults.warn(row, Some(name), "PB3112", detail, Some(text));
            }
        }
    }
}

/// Records that a digest came in upper case.
pub(super) fn note_upper_case(text: &str, cell: usize, scope: &Scope<'_>, faults: &mut Faults) {
    if text.len() < 64 || !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return;
    }
    if Digest::from_hex(text.trim()).is_some() {
        faults.warn(scope.row(cell), Some(scope.column), "PB3039", "is a digest in upper case", Some(text));
    }
}
