//! Columns of text: passed through as they are, brought into canonical form, or left out on record.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use datafusion::arrow::array::builder::{ListBuilder, StringViewBuilder};
use datafusion::arrow::array::{Array, ArrayRef, StringViewArray};

use super::cells::{self, Scope, Texts};
use super::faults::Faults;
use super::{Severity, identity, plain};
use crate::contract::normalize::{self, Digest, Fault};
use crate::contract::phone::Region;
use crate::contract::{Field, Kind, currencies};

/// Characters a UUID has, with its four hyphens.
const UUID_LENGTH: usize = 36;

/// What becomes of a text.
enum Rewrite<'v> {
    Keep,
    Become(Cow<'v, str>),
    Digest(Digest),
    LeaveOut,
}

/// The canonical form of a column with one text a row. Blank texts count as missing.
pub(super) fn column(
    texts: &StringViewArray,
    field: &Field,
    region: Option<Region>,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> StringViewArray {
    let mut rewritten: Option<StringViewBuilder> = None;
    for cell in 0..texts.len() {
        let rewrite = if !scope.takes(cell) {
            Rewrite::Keep
        } else if let Some(text) = cells::text(texts, cell) {
            plain::judge(text, field, region, cell, scope, faults);
            judge(text, field, cell, scope, faults)
        } else {
            if scope.requires(cell) {
                faults.refuse(scope.row(cell), Some(scope.column), missing(field), "is missing", None);
            }
            if texts.is_null(cell) { Rewrite::Keep } else { Rewrite::LeaveOut }
        };
        if rewritten.is_none() && matches!(rewrite, Rewrite::Keep) {
            continue;
        }
        let builder = rewritten.get_or_insert_with(|| copy(texts, cell));
        match rewrite {
            Rewrite::Keep => builder.append_option(texts.is_valid(cell).then(|| texts.value(cell))),
            Rewrite::Become(text) => builder.append_value(text),
            Rewrite::Digest(digest) => builder.append_value(digest.as_str()),
            Rewrite::LeaveOut => builder.append_null(),
        }
    }
    rewritten.map_or_else(|| texts.clone(), |mut builder| builder.finish())
}

/// The rule that a missing value of a required field violates.
pub(super) fn missing(field: &Field) -> &'static str {
    match field.column {
        "page_url" => "PB3032",
        "app_id" => "PB3033",
        "lead_id" => "PB3034",
        _ => "PB3109",
    }
}

/// The canonical form of a column with several texts a row, without blank ones.
pub(super) fn lists(
    texts: &Texts<'_>,
    rows: usize,
    field: &Field,
    region: Option<Region>,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> ArrayRef {
    let mut builder = ListBuilder::new(StringViewBuilder::new());
    for row in 0..rows {
        let mut any = false;
        if scope.takes(row) {
            for text in texts.row(row) {
                plain::judge(text, field, region, row, scope, faults);
                builder.values().append_value(text);
                any = true;
            }
        }
        builder.append(any);
    }
    Arc::new(builder.finish())
}

/// A builder that starts with the first `count` texts.
fn copy(texts: &StringViewArray, count: usize) -> StringViewBuilder {
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    for text in texts.iter().take(count) {
        builder.append_option(text);
    }
    builder
}

fn judge<'v>(text: &'v str, field: &Field, cell: usize, scope: &Scope<'_>, faults: &mut Faults) -> Rewrite<'v> {
    let mut bad = |code, detail: &'static str| {
        faults.bad(scope, cell, code, detail, Some(text));
        Rewrite::LeaveOut
    };
    match field.kind {
        Kind::OneOf(set) if set.contains(&text) => Rewrite::Keep,
        Kind::OneOf(set) => {
            let detail = format!("is none of {}", set.join(", "));
            faults.bad(scope, cell, not_in_set(field), detail, Some(text));
            Rewrite::LeaveOut
        }
        Kind::Currency => currency(text, cell, scope, faults),
        Kind::PersonName => personal(normalize::person_name_digest(text), text, cell, scope, faults),
        Kind::ZipCode => personal(normalize::zip_code_digest(text), text, cell, scope, faults),
        Kind::Place => place(normalize::place(text), text, cell, scope, faults),
        Kind::Country => place(normalize::country(text), text, cell, scope, faults),
        Kind::Ip if is_digest(text) => bad("PB3043", "is a digest, not an address"),
        Kind::Ip => match text.trim().parse() {
            Ok(address) if is_public(address) => trimmed(text),
            Ok(_) => bad("PB3042", "is not a public address"),
            Err(_) => bad("PB3042", "is not an IP address"),
        },
        Kind::Url if is_absolute_url(text.trim()) => trimmed(text),
        Kind::Url => bad(missing(field), "is not an absolute http or https URL"),
        Kind::Locale if is_language_tag(text.trim()) => trimmed(text),
        Kind::Locale => bad("PB3107", "is not a language tag"),
        Kind::UpperAdvertisingId | Kind::LowerAdvertisingId => {
            let upper = field.kind == Kind::UpperAdvertisingId;
            match advertising_id(text, upper) {
                Ok(id) => id,
                Err(detail) => bad("PB3047", detail),
            }
        }
        _ => {
            if matches!(field.column, "tiktok_click_id" | "cookie_id" | "agent") && is_digest(text) {
                faults.warn(
                    scope.row(cell),
                    Some(scope.column),
                    "PB3043",
                    "is a digest, not a plain value",
                    Some(text),
                );
            }
            Rewrite::Keep
        }
    }
}

fn trimmed(text: &str) -> Rewrite<'_> {
    let trimmed = text.trim();
    if trimmed.len() == text.len() { Rewrite::Keep } else { Rewrite::Become(Cow::Borrowed(trimmed)) }
}

fn not_in_set(field: &Field) -> &'static str {
    match field.column {
        "content_type" => "PB3057",
        "customer_type" => "PB3061",
        "event_channel" => "PB3069",
        _ => "PB3108",
    }
}

/// A currency in another spelling is mended on record. A wrong one refuses the row even though the field is optional:
/// without it, or with another, revenue is wrong.
fn currency<'v>(text: &'v str, cell: usize, scope: &Scope<'_>, faults: &mut Faults) -> Rewrite<'v> {
    if currencies::CONTRACT.binary_search(&text).is_ok() {
        return Rewrite::Keep;
    }
    let (code, detail) = match currencies::repair(text) {
        Some(code) if currencies::is_contract(code) => {
            let detail = "is a currency in another spelling than three upper-case letters";
            return match faults.bad(scope, cell, "PB3050", detail, Some(text)) {
                Severity::Warn => Rewrite::Become(Cow::Borrowed(code)),
                Severity::Reject => Rewrite::LeaveOut,
            };
        }
        Some(_) => ("PB3051", "is an ISO 4217 code that TikTok does not list"),
        None => ("PB3050", "is not an ISO 4217 currency code"),
    };
    faults.refuse(scope.row(cell), Some(scope.column), code, detail, Some(text));
    Rewrite::LeaveOut
}

fn personal<'v>(
    digest: Result<Digest, Fault>,
    text: &str,
    cell: usize,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Rewrite<'v> {
    identity::note_upper_case(text, cell, scope, faults);
    match digest {
        Ok(digest) => Rewrite::Digest(digest),
        Err(fault) => {
            identity::note_fault(fault, text, cell, scope, faults);
            Rewrite::LeaveOut
        }
    }
}

fn place<'v>(
    place: Result<String, Fault>,
    text: &str,
    cell: usize,
    scope: &Scope<'_>,
    faults: &mut Faults,
) -> Rewrite<'v> {
    match place {
        Ok(place) if place == text => Rewrite::Keep,
        Ok(place) => Rewrite::Become(Cow::Owned(place)),
        Err(fault) => {
            identity::note_fault(fault, text, cell, scope, faults);
            Rewrite::LeaveOut
        }
    }
}

fn advertising_id(text: &str, upper: bool) -> Result<Rewrite<'_>, &'static str> {
    let id = text.trim();
    if let Some(digest) = Digest::from_hex(id) {
        return Ok(if id == text && id == digest.as_str() { Rewrite::Keep } else { Rewrite::Digest(digest) });
    }
    let is_uuid = id.len() == UUID_LENGTH
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if !is_uuid {
        return Err("is neither a UUID nor a SHA-256 digest");
    }
    if id.bytes().all(|byte| matches!(byte, b'0' | b'-')) {
        return Err("is all zeros");
    }
    let wrong_case = |byte: u8| if upper { byte.is_ascii_lowercase() } else { byte.is_ascii_uppercase() };
    if id == text && !id.bytes().any(wrong_case) {
        return Ok(Rewrite::Keep);
    }
    Ok(Rewrite::Become(Cow::Owned(if upper { id.to_ascii_uppercase() } else { id.to_ascii_lowercase() })))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Scheme, host and no blanks: what makes a URL absolute, without judging what sites put into paths.
pub(super) fn is_absolute_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        && !rest.starts_with(['/', '?', '#', ':'])
        && !rest.is_empty()
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// `en`, `en-US`, `zh-Hant-TW`; the contract's own example also joins with an underscore.
fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    parts.next().is_some_and(|language| {
        (2..=8).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic())
    }) && parts.all(is_part)
}

/// Whether an address can belong to a visitor. Addresses for documentation pass: examples use them, visitors never do.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or_else(|| is_public_v6(address), is_public_v4),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let reserved = first == 0 || first >= 240;
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || shared
        || reserved)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_told_from_private_ones() {
        for text in ["203.0.113.24", "8.8.8.8", "100.63.0.1", "2001:db8::1", "2a00:1450::5"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn absolute_urls_have_a_scheme_and_a_host() {
        for text in ["https://shop.example", "HTTP://shop.example/a?b=c#d", "https://例え.jp/パス"] {
            assert!(is_absolute_url(text), "{text}");
        }
        for text in [
            "",
            "shop.example",
            "/cart",
            "//shop.example",
            "ftp://shop.example",
            "https://",
            "https:///x",
            "https://a b",
        ] {
            assert!(!is_absolute_url(text), "{text}");
        }
    }

    #[test]
    fn language_tags_are_letters_and_subtags() {
        for text in ["en", "en-US", "en_US", "zh-Hant-TW", "es-419"] {
            assert!(is_language_tag(text), "{text}");
        }
        for text in ["", "e", "english (US)", "en-", "12-US", "en--US"] {
            assert!(!is_language_tag(text), "{text}");
        }
    }

    #[test]
    fn advertising_ids_get_the_case_of_their_platform() {
        let form = |text: &str, upper| match advertising_id(text, upper) {
            Ok(Rewrite::Keep) => Ok(text.to_owned()),
            Ok(Rewrite::Become(id)) => Ok(id.into_owned()),
            Ok(Rewrite::Digest(digest)) => Ok(digest.as_str().to_owned()),
            Ok(Rewrite::LeaveOut) => Err("left out"),
            Err(detail) => Err(detail),
        };
        let (lower, upper) = ("6d92078a-8246-4ba4-ae5b-76104861e7dc", "6D92078A-8246-4BA4-AE5B-76104861E7DC");
        assert_eq!(form(lower, true).as_deref(), Ok(upper));
        assert_eq!(form(upper, false).as_deref(), Ok(lower));
        assert_eq!(form(&format!(" {upper}"), true).as_deref(), Ok(upper));
        assert_eq!(form(&"AB".repeat(32), true), Ok("ab".repeat(32)));
        assert!(form("00000000-0000-0000-0000-000000000000", true).is_err());
        assert!(form("not an id", false).is_err());
    }
}
