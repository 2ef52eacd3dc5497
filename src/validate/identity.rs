//! E-mail addresses, phone numbers and customer ids: one or several a row, as SHA-256 digests without repeats.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::builder::{ListBuilder, StringViewBuilder};

use super::cells::{Scope, Texts};
use super::faults::Faults;
use crate::contract::Kind;
use crate::contract::normalize::{self, Digest, Fault};
use crate::contract::phone::Region;

/// The digests of a column of kind `Email`, `Phone` or `ExternalId`, in row order.
pub(super) fn column(
    texts: &Texts<'_>,
    rows: usize,
    kind: Kind,
    region: Option<Region>,
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
                let digest = match kind {
                    Kind::Email => normalize::email_digest(text),
                    Kind::Phone => normalize::phone_digest(text, region),
                    _ => normalize::external_id_digest(text),
                };
                match digest {
                    Ok(digest) if digests.contains(&digest) => {}
                    Ok(digest) => {
                        builder.values().append_value(digest.as_str());
                        digests.push(digest);
                    }
                    Err(fault) => note_fault(fault, text, row, scope, faults),
                }
            }
        }
        builder.append(!digests.is_empty());
    }
    Arc::new(builder.finish())
}

/// Records why a personal value cannot be sent. Blank values are missing, not wrong.
pub(super) fn note_fault(fault: Fault, text: &str, cell: usize, scope: &Scope<'_>, faults: &mut Faults) {
    let code = match fault {
        Fault::Blank => return,
        Fault::NotAnEmail | Fault::NotAPhone => "PB3037",
        Fault::NoRegion => "PB3103",
        Fault::Md5 | Fault::Sha1 => "PB3041",
        Fault::EmptyDigest => "PB3040",
        Fault::NotAPlace | Fault::NotACountry => "PB3045",
    };
    faults.bad(scope, cell, code, format!("is {}", fault.reason()), Some(text));
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
