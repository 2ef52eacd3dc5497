//! Every row rule, with rows that violate it and rows that do not.

use std::sync::Arc;

use datafusion::arrow::array::builder::{ListBuilder, StringViewBuilder};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray,
    NullArray, RecordBatch, StringViewArray, StructArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{Field as ArrowField, Int64Type};

use super::*;
use crate::contract::EventSource::{self, App, Crm, Offline, Web};
use crate::contract::phone::Region;
use crate::contract::time::zone;

const NOW: i64 = 1_787_234_809;
const TIME: i64 = 1_787_234_709;
const DAY: i64 = 86_400;
const EMAIL: &str = "848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f";
const PHONE: &str = "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd";

type Columns = Vec<(&'static str, ArrayRef)>;

fn texts<const N: usize>(texts: [Option<&str>; N]) -> ArrayRef {
    Arc::new(StringViewArray::from_iter(texts))
}
fn text(text: &str) -> ArrayRef {
    texts([Some(text)])
}
fn null() -> ArrayRef {
    texts([None])
}
fn integer(integer: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![integer]))
}
fn float(float: f64) -> ArrayRef {
    Arc::new(Float64Array::from(vec![float]))
}
fn decimal(mantissa: i128, scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from(vec![mantissa]).with_precision_and_scale(38, scale).unwrap())
}
fn boolean(boolean: bool) -> ArrayRef {
    Arc::new(BooleanArray::from(vec![boolean]))
}
fn list(texts: &[&str]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringViewBuilder::new());
    for text in texts {
        builder.values().append_value(text);
    }
    builder.append(true);
    Arc::new(builder.finish())
}
/// One row whose `contents` are all rows of the given columns.
fn contents(columns: Columns) -> ArrayRef {
    let items = StructArray::try_from(columns).unwrap();
    let element = Arc::new(ArrowField::new_list_field(items.data_type().clone(), true));
    Arc::new(ListArray::new(element, OffsetBuffer::from_lengths([items.len()]), Arc::new(items), None))
}

fn policy(source: EventSource) -> Policy {
    let id = if source == Web { "CABCDEFGHIJ0123456K0" } else { "7301234567890123456" };
    Policy {
        now: NOW,
        zone: None,
        region: None,
        event_source: Some(source),
        event_source_id: Some(id.into()),
        event: None,
        currency: None,
        max_event_age: 28 * DAY,
        future_tolerance: 300,
        limited_data_use: None,
        reject_bad_optional: false,
        invalid_phone: InvalidPhone::Send,
        restricts_personal: false,
        fold_value: FoldValue::PriceQuantity,
    }
}

/// A row without any fault.
fn good(source: EventSource) -> Columns {
    let mut columns = vec![
        ("event", text(if source == Crm { "Qualified" } else { "Purchase" })),
        ("timestamp", integer(TIME)),
        ("event_id", text("4711")),
        ("email", text(" ALICE_abc@gmail.com ")),
        ("value", decimal(13_860, 3)),
        ("currency", text("USD")),
    ];
    match source {
        Offline => {}
        Web => columns.push(("page_url", text("https://shop.example/cart"))),
        App => columns.push(("app_id", text("com.example.shop"))),
        Crm => columns.push(("lead_id", text("7400000000000000001"))),
    }
    columns
}

fn with(mut columns: Columns, changes: Columns) -> Columns {
    for (name, column) in changes {
        columns.retain(|(other, _)| *other != name);
        columns.push((name, column));
    }
    columns
}

fn without(mut columns: Columns, name: &str) -> Columns {
    columns.retain(|(other, _)| *other != name);
    columns
}

fn judge(columns: Columns, policy: Policy) -> Judged {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    Judge::new(&batch.schema(), policy).unwrap().judge(&batch, 100).unwrap()
}

fn found(judged: &Judged) -> Vec<(&'static str, Severity)> {
    judged.violations.iter().map(|violation| (violation.rule.code, violation.severity)).collect()
}

fn string(judged: &Judged, column: &str) -> Option<String> {
    let column = judged.events.column_by_name(column)?;
    if let Some(lists) = column.as_list_opt::<i32>() {
        let texts = lists.value(0).as_string_view().iter().flatten().map(str::to_owned).collect::<Vec<_>>();
        return Some(texts.join(" "));
    }
    let text = column.as_string_view_opt().filter(|texts| texts.is_valid(0)).map(|texts| texts.value(0).to_owned());
    text.or_else(|| {
        column.as_string_opt::<i32>().filter(|texts| texts.is_valid(0)).map(|texts| texts.value(0).to_owned())
    })
}

#[test]
fn good_rows_have_no_faults() {
    for source in EventSource::ALL {
        let judged = judge(good(source), policy(source));
        assert_eq!(found(&judged), [], "{source}");
        assert_eq!((judged.rows.as_slice(), judged.rejected), ([100].as_slice(), 0));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, a row for each rule")]
fn every_rule_finds_its_fault() {
    use Severity::{Reject, Warn};
    let agent = || ("agent", text("Mozilla/5.0"));
    let valid_phone = || ("phone", text("(+1)2133734253"));
    let digest = "AB".repeat(32);
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let twice = |text: &str| crate::contract::normalize::Digest::of(text).as_str().to_owned();
    let half_priced = vec![
        (
            "contents",
            contents(vec![
                ("price", texts([Some("1.5"), Some("2")])),
                ("quantity", Arc::new(Int64Array::from(vec![Some(1), None]))),
            ]),
        ),
        ("value", null()),
        ("__rows", integer(2)),
        ("__differing", null()),
    ];
    let cases: Vec<(&str, Severity, EventSource, Columns)> = vec![
        ("PB3007", Reject, Offline, vec![("event_source", text("Offline"))]),
        ("PB3009", Reject, Offline, vec![("event_source_id", text("CABCDEFGHIJ0123456K0"))]),
        ("PB3009", Warn, Web, vec![("event_source_id", text("7301234567890123456"))]),
        ("PB3016", Reject, Offline, vec![("event", null())]),
        ("PB3017", Reject, Offline, vec![("event", text("StoreVisit"))]),
        ("PB3017", Reject, Offline, vec![("event", text("purchase"))]),
        ("PB3018", Warn, Offline, vec![("event", text("StartTrial"))]),
        ("PB3019", Reject, Web, vec![("event", text("my event"))]),
        ("PB3020", Warn, Web, vec![("event", text("purchase"))]),
        ("PB3020", Warn, Web, vec![("event", text("StartCheckout"))]),
        ("PB3021", Warn, Offline, vec![("event", text("CompletePayment"))]),
        ("PB3023", Reject, Offline, vec![("timestamp", text("yesterday"))]),
        ("PB3023", Reject, Offline, vec![("timestamp", null())]),
        ("PB3023", Reject, Offline, vec![("timestamp", float(f64::NAN))]),
        ("PB3024", Reject, Offline, vec![("timestamp", integer(42))]),
        ("PB3025", Reject, Offline, vec![("timestamp", integer(NOW + 301))]),
        ("PB3027", Warn, Web, vec![("timestamp", integer(NOW - 28 * DAY - 1))]),
        ("PB3030", Reject, Offline, vec![("email", text(" "))]),
        ("PB3031", Warn, Web, vec![("email", null())]),
        ("PB3032", Reject, Web, vec![("page_url", text("/cart"))]),
        ("PB3032", Reject, Web, vec![("page_url", null())]),
        ("PB3033", Reject, App, vec![("app_id", text(""))]),
        ("PB3034", Reject, Crm, vec![("lead_id", null())]),
        ("PB3037", Warn, Offline, vec![("email", text("nobody")), valid_phone()]),
        ("PB3037", Warn, Offline, vec![("phone", text("+1 213 555"))]),
        ("PB3039", Warn, Offline, vec![("email", text(&digest))]),
        ("PB3040", Warn, Offline, vec![("email", text(nothing)), valid_phone()]),
        ("PB3112", Warn, Web, vec![("external_id", text(&twice(EMAIL)))]),
        ("PB3112", Warn, Offline, vec![("email", list(&["alice_abc@gmail.com", &twice(EMAIL)]))]),
        ("PB3112", Warn, Offline, vec![("phone", text(&twice(nothing)))]),
        ("PB3113", Warn, Offline, vec![("email", text("none@none.com")), valid_phone()]),
        ("PB3113", Warn, Offline, vec![("phone", text("+10000000000"))]),
        ("PB3113", Warn, Offline, vec![("phone", text(&twice("null")))]),
        ("PB3113", Warn, Web, vec![("external_id", text("NULL"))]),
        ("PB3114", Warn, Offline, vec![("phone", text("1.2065E+10"))]),
        ("PB3115", Warn, Offline, vec![("email", text("1B2M2Y8AsgTpgAmY7PhCfg==")), valid_phone()]),
        ("PB3115", Warn, Offline, vec![("phone", text("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="))]),
        ("PB3041", Warn, Offline, vec![("email", text("d41d8cd98f00b204e9800998ecf8427e")), valid_phone()]),
        ("PB3042", Warn, Web, vec![("ip", text("192.168.1.20")), agent()]),
        ("PB3042", Warn, Web, vec![("ip", text("localhost")), agent()]),
        ("PB3043", Warn, Web, vec![("cookie_id", text(PHONE))]),
        ("PB3043", Warn, Web, vec![("ip", text(PHONE)), agent()]),
        ("PB3044", Warn, Web, vec![agent()]),
        ("PB3045", Warn, Web, vec![("country", text("Germany"))]),
        ("PB3045", Warn, Web, vec![("city", text(PHONE))]),
        ("PB3047", Warn, App, vec![("idfa", text("00000000-0000-0000-0000-000000000000"))]),
        ("PB3048", Reject, Offline, vec![("value", float(f64::NAN))]),
        ("PB3048", Reject, Offline, vec![("value", float(f64::NEG_INFINITY))]),
        ("PB3048", Reject, Offline, vec![("value", text("$12"))]),
        ("PB3049", Reject, Offline, vec![("value", decimal(-1, 2))]),
        ("PB3050", Warn, Offline, vec![("currency", text("usd"))]),
        ("PB3050", Warn, Offline, vec![("currency", text(" Eur "))]),
        ("PB3050", Reject, Offline, vec![("currency", text("DOLLAR"))]),
        ("PB3051", Reject, Offline, vec![("currency", text("AFN"))]),
        ("PB3051", Reject, Offline, vec![("currency", text("afn"))]),
        ("PB3052", Warn, Offline, vec![("currency", null())]),
        ("PB3052", Warn, Offline, vec![("value", null())]),
        ("PB3052", Warn, Offline, vec![("currency", null()), ("value", null())]),
        ("PB3055", Reject, Offline, vec![("price", decimal(-1, 2))]),
        ("PB3055", Reject, Offline, vec![("price", float(f64::INFINITY))]),
        ("PB3055", Reject, Offline, vec![("quantity", integer(0))]),
        ("PB3055", Reject, Offline, vec![("quantity", float(1.5))]),
        ("PB3056", Warn, Offline, vec![("price", decimal(1_386, 0)), ("quantity", integer(1))]),
        ("PB3057", Warn, Offline, vec![("content_type", text("sku"))]),
        ("PB3059", Warn, Offline, vec![("num_items", float(2.5))]),
        ("PB3059", Warn, Offline, vec![("num_items", integer(-1))]),
        ("PB3059", Warn, Offline, vec![("num_items", decimal(i128::from(u64::MAX), 0))]),
        ("PB3059", Reject, Offline, vec![("num_items", float(f64::NAN))]),
        ("PB3061", Warn, Web, vec![("customer_type", text("vip"))]),
        ("PB3062", Reject, Web, vec![("limited_data_use", text("maybe"))]),
        ("PB3063", Warn, Offline, vec![("event_source", text("offline")), ("limited_data_use", boolean(true))]),
        ("PB3063", Warn, Offline, vec![("event_source", text("offline")), ("limited_data_use", text("TRUE"))]),
        ("PB3064", Warn, Web, vec![("limited_data_use", boolean(true))]),
        ("PB3065", Warn, Web, vec![("attribution_share", integer(40))]),
        ("PB3069", Warn, Offline, vec![("event_channel", text("shop"))]),
        ("PB3101", Reject, Offline, vec![("__differing", text("currency")), ("__rows", integer(2))]),
        ("PB3102", Reject, Offline, vec![("event_id", null())]),
        ("PB3103", Warn, Offline, vec![("phone", text("213-373-4253"))]),
        ("PB3104", Warn, Web, vec![("attribution_share", text("half"))]),
        ("PB3104", Reject, Offline, vec![("properties.margin", float(f64::INFINITY))]),
        ("PB3106", Reject, Offline, vec![("timestamp", text("2026-08-20 14:05:09"))]),
        ("PB3107", Warn, Web, vec![("locale", text("English (US)"))]),
        ("PB3108", Warn, App, vec![("att_status", text("authorized"))]),
        ("PB3110", Warn, App, vec![("is_retargeting", text("yes"))]),
        ("PB3111", Reject, Offline, half_priced),
        ("PB3117", Warn, Offline, vec![("value", decimal(1_251, 3)), ("currency", text("EUR"))]),
        ("PB3117", Warn, Offline, vec![("value", decimal(125, 1)), ("currency", text("JPY"))]),
        ("PB3117", Warn, Offline, vec![("value", float(0.1 + 0.2)), ("currency", text("USD"))]),
        ("PB3117", Warn, Offline, vec![("value", text("1.2345")), ("currency", text("KWD"))]),
        ("PB3117", Warn, Offline, vec![("price", decimal(13_855, 3)), ("quantity", integer(1))]),
        (
            "PB3117",
            Warn,
            Offline,
            vec![("contents", contents(vec![("price", decimal(13_855, 3)), ("quantity", integer(1))]))],
        ),
        ("PB3119", Warn, Offline, vec![("phone", text("+12061234567"))]),
        ("PB3119", Warn, Offline, vec![("phone", list(&["+12133734253", "+1 (206) 123-4567"]))]),
        ("PB3120", Warn, Offline, vec![("event_id", text("ann@shop.example"))]),
        ("PB3120", Warn, Offline, vec![("order_id", text("4711-ann@shop.example"))]),
        ("PB3120", Warn, Offline, vec![("shop_id", text("+12133734253"))]),
        ("PB3120", Warn, Offline, vec![("description", text("call (213) 373-4253"))]),
        ("PB3120", Warn, Offline, vec![("content_name", text("gift for ann@shop.example"))]),
        ("PB3120", Warn, Offline, vec![("content_ids", list(&["1", "ann@shop.example"]))]),
        ("PB3120", Warn, Offline, vec![("contents", contents(vec![("brand", text("ann@shop.example"))]))]),
        ("PB3120", Warn, Offline, vec![("search_string", text("ann@shop.example"))]),
        ("PB3120", Warn, Offline, vec![("properties.note", text("from ann@shop.example"))]),
        ("PB3120", Warn, Offline, vec![("properties.mobile", integer(12_133_734_253))]),
        ("PB3120", Warn, Offline, vec![("order_id", text("12133734253")), valid_phone()]),
        ("PB3120", Warn, Web, vec![("page_url", text("https://shop.example/?email=ann%40shop.example"))]),
        ("PB3120", Warn, Web, vec![("referrer_url", text("https://shop.example/?tel=2133734253"))]),
        ("PB3120", Warn, Web, vec![("city", text("ann@shop.example"))]),
        ("PB3120", Warn, Web, vec![("tiktok_click_id", text("ann@shop.example"))]),
        ("PB3121", Warn, Offline, vec![("order_id", text("null"))]),
        ("PB3121", Warn, Offline, vec![("shop_id", text("N/A"))]),
        ("PB3121", Warn, Offline, vec![("event_id", text("None"))]),
        ("PB3121", Warn, Offline, vec![("content_id", text("\\N"))]),
        ("PB3121", Warn, Offline, vec![("content_ids", list(&["4711", "undefined"]))]),
        ("PB3121", Warn, Web, vec![("last_name", text("NULL"))]),
        ("PB3121", Warn, Web, vec![("zip_code", text("n/a"))]),
        ("PB3121", Reject, Crm, vec![("lead_id", text("null"))]),
        ("PB3121", Reject, Offline, vec![("event_id", text("null")), ("__rows", integer(2)), ("__differing", null())]),
    ];
    for (code, severity, source, changes) in &cases {
        let judged = judge(with(good(*source), changes.clone()), policy(*source));
        assert!(found(&judged).contains(&(code, *severity)), "{code} {severity:?} in {:?}", judged.violations);
        assert_eq!(judged.rejected == 1, found(&judged).iter().any(|(_, severity)| *severity == Reject), "{code}");
        assert_eq!(judged.events.num_rows(), usize::from(judged.rejected == 0), "{code}");
        assert!(judged.violations.iter().all(|violation| violation.row == 100));
    }
    let elsewhere = ["PB3008", "PB3026", "PB3073", "PB3105", "PB3109", "PB3118", "PB3122", "PB3123"];
    // Rules of a result as a whole have their cases beside the survey.
    let of_rows = RULES.iter().filter(|rule| ("PB3000".."PB3200").contains(&rule.code));
    for rule in of_rows.filter(|rule| !elsewhere.contains(&rule.code)) {
        assert!(cases.iter().any(|(code, ..)| *code == rule.code), "{} has a case", rule.code);
    }
}

#[test]
fn no_violation_repeats_the_value() {
    let changes = vec![("email", text("secret-mail")), ("phone", text("0800 secret")), ("ip", text("secret-ip"))];
    for violation in judge(with(good(Web), changes), policy(Web)).violations {
        assert!(!format!("{violation:?}").contains("secret"), "{violation:?}");
    }
}

#[test]
fn all_faults_of_a_row_are_recorded_in_row_order() {
    let columns: Columns = vec![
        ("event", texts([Some("Purchase"), Some("nope")])),
        ("timestamp", Arc::new(Int64Array::from(vec![Some(TIME), None]))),
        ("email", texts([Some("nobody"), None])),
        ("event_id", texts([Some("1"), None])),
    ];
    let judged = judge(columns, policy(Offline));
    let found: Vec<_> = judged.violations.iter().map(|violation| (violation.row, violation.rule.code)).collect();
    let expected = [
        (100, "PB3037"),
        (100, "PB3030"),
        (100, "PB3052"),
        (101, "PB3017"),
        (101, "PB3023"),
        (101, "PB3102"),
        (101, "PB3030"),
    ];
    assert_eq!(found, expected);
    assert_eq!(judged.rejected, 2);
}

#[test]
fn a_refused_value_or_currency_is_not_called_missing() {
    let codes = |changes| {
        let judged = judge(with(good(Offline), changes), policy(Offline));
        judged.violations.iter().map(|violation| violation.rule.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(vec![("value", text("$12"))]), ["PB3048"]);
    assert_eq!(codes(vec![("currency", text("dollar"))]), ["PB3050"]);
    assert_eq!(codes(vec![("value", decimal(-1, 2)), ("currency", null())]), ["PB3049", "PB3052"]);
    let derived = vec![("price", decimal(-1, 2)), ("quantity", integer(1))];
    let judged = judge(with(without(good(Offline), "value"), derived), policy(Offline));
    assert_eq!(found(&judged), [("PB3055", Severity::Reject)]);
}

#[test]
fn a_bad_optional_value_is_left_out_or_refuses_its_row() {
    let columns = || with(good(Offline), vec![("phone", text("n/a"))]);
    let judged = judge(columns(), policy(Offline));
    assert_eq!((found(&judged), judged.rejected), (vec![("PB3037", Severity::Warn)], 0));
    assert!(judged.events.column_by_name("phone").unwrap().is_null(0));
    let judged = judge(columns(), Policy { reject_bad_optional: true, ..policy(Offline) });
    assert_eq!((found(&judged), judged.rejected), (vec![("PB3037", Severity::Reject)], 1));
}

#[test]
fn a_currency_in_another_spelling_is_mended_and_a_wrong_one_is_not() {
    for (given, sent) in [("usd", "USD"), (" Usd", "USD"), ("eUR ", "EUR"), ("\tgbp", "GBP")] {
        let columns = || with(good(Offline), vec![("currency", text(given))]);
        let judged = judge(columns(), policy(Offline));
        assert_eq!((found(&judged), judged.rejected), (vec![("PB3050", Severity::Warn)], 0), "{given}");
        assert_eq!(string(&judged, "currency").as_deref(), Some(sent));
        let judged = judge(columns(), Policy { reject_bad_optional: true, ..policy(Offline) });
        assert_eq!((found(&judged), judged.rejected), (vec![("PB3050", Severity::Reject)], 1), "{given}");
    }
    for given in ["us", "dollar", "$", "US D", "xxx", "afn", "usdt"] {
        assert_eq!(judge(with(good(Offline), vec![("currency", text(given))]), policy(Offline)).rejected, 1, "{given}");
    }
}

#[test]
fn a_possible_number_is_sent_left_out_or_refuses_its_row() {
    let digest = crate::contract::normalize::Digest::of("+12061234567");
    let columns = || with(good(Offline), vec![("phone", text("+1 206 123-4567"))]);
    for (invalid_phone, severity, sent) in [
        (InvalidPhone::Send, Severity::Warn, Some(digest.as_str())),
        (InvalidPhone::Drop, Severity::Warn, None),
        (InvalidPhone::Reject, Severity::Reject, None),
    ] {
        // What is sent is not unusable: the rule for that has no say.
        for reject_bad_optional in [false, true] {
            let judged = judge(columns(), Policy { reject_bad_optional, invalid_phone, ..policy(Offline) });
            assert_eq!(found(&judged), [("PB3119", severity)], "{invalid_phone:?}");
            assert_eq!(judged.rejected, u64::from(severity == Severity::Reject));
            if judged.rejected == 0 {
                let phone = string(&judged, "phone").filter(|phone| !phone.is_empty());
                assert_eq!(phone.as_deref(), sent, "{invalid_phone:?}");
            }
        }
    }
    let only = |number| with(good(Offline), vec![("email", null()), ("phone", text(number))]);
    assert_eq!(judge(only("+12061234567"), policy(Offline)).rejected, 0);
    for impossible in ["+1206123456", "2061234567", "+999123456789", "+1 555 0100"] {
        assert_eq!(judge(only(impossible), policy(Offline)).rejected, 1, "{impossible}");
    }
}

#[test]
fn personal_data_in_plain_warns_or_refuses_its_row() {
    let columns = || with(good(Offline), vec![("order_id", text("ann@shop.example"))]);
    let judged = judge(columns(), policy(Offline));
    assert_eq!((found(&judged), judged.rejected), (vec![("PB3120", Severity::Warn)], 0));
    assert_eq!(string(&judged, "order_id").as_deref(), Some("ann@shop.example"));
    let restricted = Policy { restricts_personal: true, ..policy(Offline) };
    let judged = judge(columns(), restricted.clone());
    assert_eq!((found(&judged), judged.rejected), (vec![("PB3120", Severity::Reject)], 1));
    for source in EventSource::ALL {
        assert_eq!(found(&judge(good(source), Policy { event_source: Some(source), ..restricted.clone() })), []);
    }
}

#[test]
fn a_line_without_quantity_leaves_the_value_open_alone_and_in_company() {
    let numbers = |numbers: &[Option<i64>]| -> ArrayRef { Arc::new(Int64Array::from(numbers.to_vec())) };
    for (prices, quantities, refused) in [
        (&[Some(5)][..], &[None][..], true),
        (&[Some(5), Some(2)], &[None, Some(1)], true),
        (&[Some(5), Some(2)], &[None, None], true),
        (&[None], &[Some(1)], true),
        (&[None, Some(2)], &[None, Some(1)], true),
        (&[Some(5)], &[Some(1)], false),
        (&[None], &[None], false),
        (&[None, None], &[None, None], false),
    ] {
        let ids: ArrayRef = Arc::new(StringViewArray::from_iter_values(prices.iter().map(|_| "sku")));
        let items = contents(vec![("content_id", ids), ("price", numbers(prices)), ("quantity", numbers(quantities))]);
        let rows = integer(i64::try_from(prices.len()).unwrap());
        let folded = vec![("contents", items), ("__rows", rows), ("__differing", null())];
        let judged = judge(with(without(good(Offline), "value"), folded), policy(Offline));
        assert_eq!(judged.rejected == 1, refused, "{prices:?} {quantities:?} {:?}", judged.violations);
        assert_eq!(found(&judged).contains(&("PB3111", Severity::Reject)), refused, "{prices:?} {quantities:?}");
    }
}

#[test]
fn old_offline_events_are_counted_apart_and_not_blamed() {
    for (age, out) in [(28 * DAY, false), (28 * DAY + 1, true)] {
        let changes = vec![("timestamp", integer(NOW - age)), ("value", float(f64::NAN))];
        let judged = judge(with(good(Offline), changes), policy(Offline));
        assert_eq!(judged.out_of_window, if out { vec![100] } else { vec![] });
        assert_eq!((judged.rejected, judged.violations.len()), if out { (0, 0) } else { (1, 1) });
    }
}

#[test]
fn settings_stand_in_for_what_rows_do_not_say() {
    let settings = Policy { event: Some("Contact".into()), currency: Some("EUR".into()), ..policy(Offline) };
    let columns = with(without(good(Offline), "currency"), vec![("event", null())]);
    let judged = judge(columns, settings);
    assert_eq!(found(&judged), []);
    assert_eq!(string(&judged, "event").as_deref(), Some("Contact"));
    assert_eq!(string(&judged, "currency").as_deref(), Some("EUR"));

    let settings = Policy { event_source_id: None, ..policy(Offline) };
    assert_eq!(found(&judge(good(Offline), settings)), [("PB3008", Severity::Reject)]);
    let settings = Policy { limited_data_use: Some(true), ..policy(Web) };
    let judged = judge(with(good(Web), vec![("ip", text("8.8.8.8")), ("agent", text("x"))]), settings);
    assert!(judged.events.column_by_name("limited_data_use").unwrap().as_boolean().value(0));
}

#[test]
fn required_columns_that_the_query_lacks_refuse_the_rows_of_their_source() {
    let columns = with(good(Offline), vec![("event_source", text("web"))]);
    assert!(found(&judge(columns, policy(Offline))).contains(&("PB3032", Severity::Reject)));
    assert!(
        found(&judge(without(good(Offline), "timestamp"), policy(Offline))).contains(&("PB3023", Severity::Reject))
    );
}

#[test]
fn fields_of_other_sources_are_neither_judged_nor_part_of_the_identity() {
    let columns = with(
        without(good(Offline), "event_id"),
        vec![("event_source", text("offline")), ("ip", text("junk")), ("tiktok_click_id", text("E.C.P.x"))],
    );
    let judged = judge(columns, policy(Offline));
    let bare = judge(without(good(Offline), "event_id"), policy(Offline));
    assert_eq!(found(&judged), []);
    assert_eq!(string(&judged, "event_id"), string(&bare, "event_id"));
}

#[test]
fn personal_values_become_published_digests() {
    let us = Policy { region: Region::parse("US"), ..policy(Web) };
    let changes = vec![
        ("email", list(&[" ALICE_abc@gmail.com ", "alice_ABC@gmail.com", "", "Pat.Lee@Example.com"])),
        ("phone", text("213-373-4253")),
        ("external_id", text("user_123")),
    ];
    let judged = judge(with(good(Web), changes), us);
    assert_eq!(found(&judged), []);
    let pat = "f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26";
    assert_eq!(string(&judged, "email").unwrap(), format!("{EMAIL} {pat}"));
    assert_eq!(string(&judged, "phone").as_deref(), Some(PHONE));
    let id = "80fba0ae1c48e3978e43e4efc365e14e12ea0c830ba8ba5b9a2dafc7e3f2ab8b";
    assert_eq!(string(&judged, "external_id").as_deref(), Some(id));
}

#[test]
fn event_ids_are_derived_from_the_order_or_from_identity_and_time() {
    let columns = || without(good(Offline), "event_id");
    for event in ["Purchase", "CompletePayment"] {
        let changes = vec![("event", text(event)), ("order_id", text("4711"))];
        let judged = judge(with(columns(), changes), policy(Offline));
        assert_eq!(string(&judged, "event_id").as_deref(), Some("a3071916e9af6abd17f56f74dbea5f3d"));
        assert_eq!(string(&judged, "event").as_deref(), Some(event));
    }
    let changes = vec![("event", text("Contact")), ("phone", text("(+1)2133734253"))];
    let judged = judge(with(columns(), changes), policy(Offline));
    assert_eq!(string(&judged, "event_id").as_deref(), Some("6094fd27aec9b6278cc749c393763f61"));

    let judged = judge(with(columns(), vec![("order_id", null())]), policy(Offline));
    assert_eq!(found(&judged), [("PB3102", Severity::Reject)]);
    let judged = judge(with(without(good(Web), "event_id"), vec![("email", null())]), policy(Web));
    assert_eq!(found(&judged), [("PB3102", Severity::Reject), ("PB3031", Severity::Warn)]);
}

#[test]
fn times_of_every_type_become_unix_seconds() {
    let berlin = Policy { zone: zone("Europe/Berlin"), ..policy(Offline) };
    let utc: Arc<str> = "UTC".into();
    let midnight = 1_787_176_800; // 2026-08-20 in Berlin, two hours east
    let cases: Vec<(ArrayRef, i64)> = vec![
        (integer(TIME), TIME),
        (integer(TIME * 1_000 + 999), TIME),
        (float(1_787_234_709.75), TIME),
        (decimal(i128::from(TIME) * 1_000, 3), TIME),
        (text("1787234709"), TIME),
        (text(" 2026-08-20T14:05:09Z "), TIME),
        (text("2026-08-20T16:05:09"), TIME),
        (Arc::new(TimestampSecondArray::from(vec![TIME]).with_timezone(utc)), TIME),
        (Arc::new(TimestampMillisecondArray::from(vec![(TIME + 7_200) * 1_000])), TIME),
        (Arc::new(TimestampNanosecondArray::from(vec![(TIME + 7_200) * 1_000_000_000 + 1])), TIME),
        (Arc::new(Date32Array::from(vec![20_685])), midnight),
    ];
    for (at, (column, expected)) in cases.into_iter().enumerate() {
        let judged = judge(with(good(Offline), vec![("timestamp", column)]), berlin.clone());
        assert_eq!(found(&judged), [], "case {at}");
        let times = judged.events.column_by_name("timestamp").unwrap().as_primitive::<Int64Type>();
        assert_eq!(times.value(0), expected, "case {at}");
    }
    for extreme in [i64::MIN, i64::MAX] {
        let column: ArrayRef = Arc::new(TimestampSecondArray::from(vec![extreme]));
        let judged = judge(with(good(Offline), vec![("timestamp", column)]), berlin.clone());
        assert_eq!(judged.events.num_rows(), 0);
    }
}

#[test]
fn value_is_price_times_quantity_when_the_query_has_none() {
    let items = |price, quantity| vec![("price", price), ("quantity", quantity)];
    let columns = |changes| with(without(good(Offline), "value"), changes);
    let judged = judge(columns(items(decimal(2_450, 2), integer(3))), policy(Offline));
    assert_eq!((found(&judged), string(&judged, "value").as_deref()), (vec![], Some("73.5")));
    assert_eq!(string(&judged, "content_type").as_deref(), Some("product"));
    let judged = judge(columns(items(float(0.1), integer(3))), policy(Offline));
    assert_eq!(string(&judged, "value").as_deref(), Some("0.3"));
    let judged = judge(columns(items(decimal(2_450, 2), Arc::new(NullArray::new(1)))), policy(Offline));
    assert_eq!((found(&judged), string(&judged, "value")), (vec![("PB3052", Severity::Warn)], None));
    let judged = judge(columns(items(decimal(10_i128.pow(37), 0), integer(1_000))), policy(Offline));
    assert_eq!(found(&judged)[0], ("PB3105", Severity::Reject));
}

#[test]
fn folded_rows_sum_their_items_in_an_order_of_their_own() {
    let items = |ids: [&str; 3], prices: [i64; 3]| {
        let ids: ArrayRef = Arc::new(StringViewArray::from(ids.to_vec()));
        contents(vec![
            ("content_id", ids),
            ("price", Arc::new(Int64Array::from(prices.to_vec()))),
            ("quantity", Arc::new(Int64Array::from(vec![1, 1, 1]))),
        ])
    };
    let fold =
        |contents| with(good(Offline), vec![("contents", contents), ("__rows", integer(3)), ("__differing", null())]);
    let first = judge(fold(items(["b", "a", "a"], [1, 5, 2])), policy(Offline));
    let second = judge(fold(items(["a", "a", "b"], [2, 5, 1])), policy(Offline));
    assert_eq!((found(&first), first.folded), (vec![], 2));
    assert_eq!(string(&first, "value").as_deref(), Some("8"));
    assert_eq!(first.events, second.events);
    let judged =
        judge(fold(items(["b", "a", "a"], [1, 5, 2])), Policy { fold_value: FoldValue::Sum, ..policy(Offline) });
    assert_eq!(string(&judged, "value").as_deref(), Some("13.86"));
}

#[test]
fn schemas_that_conforming_does_not_leave_are_refused() {
    for (name, column) in [
        ("nonsense", text("x")),
        ("email", integer(1)),
        ("properties.x", list(&["x"])),
        ("properties.value", integer(1)),
    ] {
        let batch = RecordBatch::try_from_iter(with(good(Offline), vec![(name, column)])).unwrap();
        assert!(Judge::new(&batch.schema(), policy(Offline)).is_err(), "{name}");
    }
}

#[test]
fn an_amount_has_at_most_the_decimals_of_its_currency() {
    let fine = [
        ("EUR", decimal(125, 2)),
        ("EUR", decimal(125_000, 5)),
        ("JPY", decimal(12_000, 3)),
        ("JPY", integer(12)),
        ("KWD", decimal(1_251, 3)),
        ("USD", float(1_999.0 / 100.0)),
        ("USD", float(19.9)),
        ("ISK", text("100.00")),
        ("CLP", float(990.0)),
        ("BHD", text("0.005")),
        ("VND", text("25000")),
    ];
    for (currency, value) in fine {
        let judged = judge(with(good(Offline), vec![("value", value), ("currency", text(currency))]), policy(Offline));
        assert!(judged.violations.is_empty(), "{currency}: {:?}", judged.violations);
    }
    let finer = [
        ("EUR", decimal(1_251, 3)),
        ("JPY", decimal(125, 1)),
        ("JPY", text("12.50")),
        ("KRW", float(0.5)),
        ("KWD", decimal(12_515, 4)),
        ("USD", float(19.99 * 1.19)),
        ("USD", float(10.0 / 3.0)),
        ("ISK", text("100.01")),
        ("CLP", float(990.5)),
        ("BHD", text("0.0005")),
    ];
    for (currency, value) in finer {
        let judged = judge(with(good(Offline), vec![("value", value), ("currency", text(currency))]), policy(Offline));
        assert_eq!(found(&judged), [("PB3117", Severity::Warn)], "{currency}");
        assert_eq!(judged.events.num_rows(), 1, "{currency}");
    }
}
