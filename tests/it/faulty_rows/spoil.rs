//! The ways to spoil a row, and what must be said of each.

use jiff::Timestamp;

use super::{DAY, NOW, Row};

/// A way to spoil a good row.
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) source: &'static str,
    /// Whether a column of numbers, times or booleans can hold it.
    pub(super) is_typed: bool,
    pub(super) spoil: fn(&mut Row),
    /// Rules that refuse the row.
    pub(super) refuses: &'static [&'static str],
    /// Rules that drop a value, or refuse the row where `postback.on_bad_optional` says so.
    pub(super) drops: &'static [&'static str],
    /// Rules that only warn.
    pub(super) warns: &'static [&'static str],
    pub(super) is_too_old: bool,
}

pub(super) const fn fault(name: &'static str, source: &'static str, spoil: fn(&mut Row)) -> Fault {
    Fault { name, source, is_typed: true, spoil, refuses: &[], drops: &[], warns: &[], is_too_old: false }
}

impl Fault {
    pub(super) const fn refuses(self, refuses: &'static [&'static str]) -> Self {
        Self { refuses, ..self }
    }

    pub(super) const fn drops(self, drops: &'static [&'static str]) -> Self {
        Self { drops, ..self }
    }

    pub(super) const fn warns(self, warns: &'static [&'static str]) -> Self {
        Self { warns, ..self }
    }

    /// As only a column of texts can say it.
    pub(super) const fn in_text(self) -> Self {
        Self { is_typed: false, ..self }
    }

    pub(super) const fn too_old(self) -> Self {
        Self { is_too_old: true, ..self }
    }
}

/// Every fault of one row; those between rows are in [`super::generate`].
#[rustfmt::skip]
pub(super) static FAULTS: &[Fault] = &[
    fault("no event source", "offline", |row| unset(row, &["event_source"])).refuses(&["PB3007"]),
    fault("an unknown event source", "offline", |row| set(row, "event_source", "store")).refuses(&["PB3007"]),
    fault("an event source in capitals", "web", |row| set(row, "event_source", "WEB")).refuses(&["PB3007"]),
    fault("no event source id", "offline", |row| unset(row, &["event_source_id"])).refuses(&["PB3008"]),
    fault("a pixel code for an event set", "offline", |row| set(row, "event_source_id", "C8NQ3HBRSFQ5DH6G4T5G")).refuses(&["PB3009"]),
    fault("an odd pixel code", "web", |row| set(row, "event_source_id", "my-pixel")).warns(&["PB3009"]),
    fault("no event", "offline", |row| unset(row, &["event"])).refuses(&["PB3016"]),
    fault("a blank event", "crm", |row| set(row, "event", " \t ")).refuses(&["PB3016"]),
    fault("a misspelt event", "offline", |row| set(row, "event", "purchase")).refuses(&["PB3017"]),
    fault("an event nobody knows", "offline", |row| set(row, "event", "BoughtSomething")).refuses(&["PB3017"]),
    fault("an event with blanks", "web", |row| set(row, "event", "bought a bear")).refuses(&["PB3019"]),
    fault("an event in the wrong case", "web", |row| set(row, "event", "purchase")).warns(&["PB3020"]),
    fault("an event by its old name", "offline", |row| set(row, "event", "CompletePayment")).warns(&["PB3021"]),
    fault("no time", "offline", |row| unset(row, &["timestamp"])).refuses(&["PB3023"]),
    fault("a time in words", "web", |row| set(row, "timestamp", "yesterday at noon")).refuses(&["PB3023"]).in_text(),
    fault("a day that no calendar has", "offline", |row| set(row, "timestamp", "2026-08-32T10:00:00Z")).refuses(&["PB3023"]).in_text(),
    fault("a day as digits", "offline", |row| set(row, "timestamp", "99999999999999999999")).refuses(&["PB3024"]).in_text(),
    fault("a time without a zone", "app", |row| set(row, "timestamp", "2026-08-20 10:00:00")).refuses(&["PB3106"]).in_text(),
    fault("a time to come", "offline", |row| set_time(row, NOW + DAY)).refuses(&["PB3025"]),
    fault("a time minutes ahead", "app", |row| set_time(row, NOW + 301)).refuses(&["PB3025"]),
    fault("an old web event", "web", |row| set_time(row, NOW - 28 * DAY - 1)).warns(&["PB3027"]),
    fault("an event out of window", "offline", |row| set_time(row, NOW - 28 * DAY - 1)).too_old(),
    fault("a bad event out of window", "offline", |row| { set_time(row, NOW - 90 * DAY); set(row, "currency", "usd"); }).too_old(),
    fault("no identity", "offline", |row| unset(row, &["email", "phone"])).refuses(&["PB3030"]),
    fault("blank identities", "offline", |row| { set(row, "email", " "); set(row, "phone", "  "); }).refuses(&["PB3030"]),
    fault("no identity on the web", "web", |row| unset(row, &["email", "phone", "external_id", "ip", "agent"])).warns(&["PB3031"]),
    fault("no page", "web", |row| unset(row, &["page_url"])).refuses(&["PB3032"]),
    fault("a page without its host", "web", |row| set(row, "page_url", "/cart?step=2")).refuses(&["PB3032"]),
    fault("no app", "app", |row| unset(row, &["app_id"])).refuses(&["PB3033"]),
    fault("no lead", "crm", |row| unset(row, &["lead_id"])).refuses(&["PB3034"]),
    fault("a blank lead", "crm", |row| set(row, "lead_id", "   ")).refuses(&["PB3034"]),
    fault("an address that is none", "offline", |row| only_email(row, "marta.northwind-shop.de")).refuses(&["PB3030"]).drops(&["PB3037"]),
    fault("an address that is none beside a number", "offline", |row| set(row, "email", "marta@@northwind-shop.de")).drops(&["PB3037"]),
    fault("a number that is none", "offline", |row| only_phone(row, "+49151")).refuses(&["PB3030"]).drops(&["PB3037"]),
    fault("a number of some country", "offline", |row| only_phone(row, "0151 23456789")).refuses(&["PB3030"]).drops(&["PB3103"]),
    fault("an MD5 digest", "offline", |row| only_email(row, "0cc175b9c0f1b6a831c399e269772661")).refuses(&["PB3030"]).drops(&["PB3041"]),
    fault("a SHA-1 digest", "offline", |row| only_email(row, "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8")).refuses(&["PB3030"]).drops(&["PB3041"]),
    fault("the digest of nothing", "offline", |row| only_phone(row, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")).refuses(&["PB3030"]).drops(&["PB3040"]),
    fault("a digest in capitals", "web", |row| set(row, "external_id", &"AB12CD34".repeat(8))).warns(&["PB3039"]),
    fault("an address behind a router", "web", |row| set(row, "ip", "192.168.1.7")).drops(&["PB3042"]).warns(&["PB3044"]),
    fault("a hashed address", "app", |row| set(row, "ip", &"ab12cd34".repeat(8))).drops(&["PB3043"]).warns(&["PB3044"]),
    fault("a hashed agent", "app", |row| set(row, "agent", &"ab12cd34".repeat(8))).warns(&["PB3043"]),
    fault("an address without an agent", "web", |row| unset(row, &["agent"])).warns(&["PB3044"]),
    fault("a country that is none", "web", |row| set(row, "country", "X9")).drops(&["PB3045"]),
    fault("a device that opted out", "app", |row| set(row, "idfa", "00000000-0000-0000-0000-000000000000")).drops(&["PB3047"]),
    fault("a device by its name", "app", |row| set(row, "idfa", "Marta's phone")).drops(&["PB3047"]),
    fault("a value that is no number", "offline", |row| set(row, "value", "NaN")).refuses(&["PB3048"]),
    fault("an endless value", "web", |row| set(row, "value", "inf")).refuses(&["PB3048"]),
    fault("an endless loss", "app", |row| set(row, "value", "-inf")).refuses(&["PB3048"]),
    fault("a value in words", "offline", |row| set(row, "value", "n/a")).refuses(&["PB3048"]).in_text(),
    fault("a value with a thousands sign", "offline", |row| set(row, "value", "1,299.00")).refuses(&["PB3048"]).in_text(),
    fault("a value with its currency", "crm", |row| set(row, "value", "$12.50")).refuses(&["PB3048"]).in_text(),
    fault("a value beyond all numbers", "offline", |row| set(row, "value", "1e309")).refuses(&["PB3048"]).in_text(),
    fault("a refund", "offline", |row| set(row, "value", "-0.01")).refuses(&["PB3049"]),
    fault("a currency in small letters", "offline", |row| set(row, "currency", "usd")).drops(&["PB3050"]),
    fault("a currency in words", "web", |row| set(row, "currency", "US Dollar")).refuses(&["PB3050"]),
    fault("a currency TikTok does not take", "offline", |row| set(row, "currency", "GEL")).refuses(&["PB3051"]),
    fault("no currency", "offline", |row| unset(row, &["currency"])).warns(&["PB3052"]),
    fault("no value", "web", |row| unset(row, &["value"])).warns(&["PB3052"]),
    fault("a negative price", "offline", |row| set(row, "price", "-3")).refuses(&["PB3055"]),
    fault("a price in words", "web", |row| set(row, "price", "free")).refuses(&["PB3055"]).in_text(),
    fault("no piece", "offline", |row| set(row, "quantity", "0")).refuses(&["PB3055"]),
    fault("half a piece", "crm", |row| set(row, "quantity", "0.5")).refuses(&["PB3055"]).in_text(),
    fault("a value far from the items", "offline", |row| { set(row, "value", "3"); set(row, "price", "100"); set(row, "quantity", "5"); }).warns(&["PB3056"]),
    fault("a content type of one's own", "offline", |row| set(row, "content_type", "service")).drops(&["PB3057"]),
    fault("fewer items than none", "offline", |row| set(row, "num_items", "-1")).drops(&["PB3059"]),
    fault("a customer of another type", "web", |row| set(row, "customer_type", "New")).drops(&["PB3061"]),
    fault("a choice nobody can read", "web", |row| set(row, "limited_data_use", "maybe")).refuses(&["PB3062"]).in_text(),
    fault("a choice without effect", "offline", |row| set(row, "limited_data_use", "true")).warns(&["PB3063"]),
    fault("a choice without an address", "web", |row| { set(row, "limited_data_use", "true"); unset(row, &["ip", "agent"]); }).warns(&["PB3064"]),
    fault("a share in percent", "web", |row| set(row, "attribution_share", "50")).drops(&["PB3065"]),
    fault("a channel of one's own", "offline", |row| set(row, "event_channel", "In Store")).drops(&["PB3069"]),
    fault("no order", "offline", |row| unset(row, &["order_id"])).refuses(&["PB3102"]),
    fault("a blank order", "app", |row| set(row, "order_id", " ")).refuses(&["PB3102"]),
    fault("a lifetime value in words", "web", |row| set(row, "predicted_ltv", "high")).drops(&["PB3104"]).in_text(),
    fault("an endless lifetime value", "web", |row| set(row, "predicted_ltv", "inf")).refuses(&["PB3104"]),
    fault("a locale in words", "web", |row| set(row, "locale", "English (US)")).drops(&["PB3107"]),
    fault("an unknown permission", "app", |row| set(row, "att_status", "yes")).drops(&["PB3108"]),
    fault("a flag in words", "app", |row| set(row, "is_retargeting", "sometimes")).drops(&["PB3110"]).in_text(),
    fault("two faults at once", "offline", |row| { set(row, "event", "purchase"); set(row, "currency", "usd"); set_time(row, NOW + DAY); })
        .refuses(&["PB3017", "PB3025"]).drops(&["PB3050"]),
    fault("a number nobody has", "offline", |row| only_phone(row, "+1 206 123-4567")).warns(&["PB3119"]),
    fault("an address in a description", "web", |row| set(row, "description", "for marta@northwind-shop.de")).warns(&["PB3120"]),
    fault("a number in a description", "crm", |row| set(row, "description", "Tel. +49 151 23456789")).warns(&["PB3120"]),
    fault("a word for no product", "app", |row| set(row, "content_id", "NULL")).drops(&["PB3121"]),
    fault("a word for no lead", "crm", |row| set(row, "lead_id", "n/a")).refuses(&["PB3121"]),
];

pub(super) fn set(row: &mut Row, column: &'static str, text: &str) {
    row.insert(column, text.to_owned());
}

pub(super) fn set_time(row: &mut Row, seconds: i64) {
    set(row, "timestamp", &Timestamp::from_second(seconds).unwrap().to_string());
}

pub(super) fn unset(row: &mut Row, columns: &[&str]) {
    row.retain(|column, _| !columns.contains(column));
}

pub(super) fn only_email(row: &mut Row, text: &str) {
    unset(row, &["phone"]);
    set(row, "email", text);
}

pub(super) fn only_phone(row: &mut Row, text: &str) {
    unset(row, &["email"]);
    set(row, "phone", text);
}
