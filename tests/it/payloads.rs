//! Rows in, JSON out: judged and encoded, compared with payloads written by hand from the API documentation.

use std::sync::Arc;

use datafusion::arrow::array::{Array, Decimal256Array, Float64Array};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Int64Array, ListArray, RecordBatch, StringViewArray, StructArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{Field, i256};
use postback::contract::EventSource;
use postback::encode::Encoder;
use postback::event::{EncodedEvents, EventKey};
use postback::validate::{FoldValue, InvalidPhone, Judge, Judged, Policy, Violation};
use proptest::prelude::*;
use serde_json::Value;

const TIME: i64 = 1_787_234_709;

fn texts<const N: usize>(texts: [Option<&str>; N]) -> ArrayRef {
    Arc::new(StringViewArray::from_iter(texts))
}

fn text(text: &str) -> ArrayRef {
    texts([Some(text)])
}

fn integers<const N: usize>(integers: [Option<i64>; N]) -> ArrayRef {
    Arc::new(Int64Array::from_iter(integers))
}

fn decimals<const N: usize>(mantissas: [Option<i128>; N], scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from_iter(mantissas).with_precision_and_scale(38, scale).unwrap())
}

fn booleans<const N: usize>(booleans: [Option<bool>; N]) -> ArrayRef {
    Arc::new(BooleanArray::from_iter(booleans))
}

/// Lists of the given lengths over the elements.
fn lists(elements: ArrayRef, lengths: &[usize]) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(elements.data_type().clone(), true));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths.iter().copied()), elements, None))
}

fn policy(event_source: Option<EventSource>, id: &str) -> Policy {
    Policy {
        now: TIME + 100,
        zone: None,
        region: None,
        event_source,
        event_source_id: Some(id.into()),
        event: None,
        currency: None,
        max_event_age: 28 * 86_400,
        future_tolerance: 300,
        limited_data_use: None,
        reject_bad_optional: false,
        invalid_phone: InvalidPhone::Send,
        restricts_personal: false,
        fold_value: FoldValue::PriceQuantity,
    }
}

fn encode(columns: Vec<(&str, ArrayRef)>, policy: Policy) -> (Judged, EncodedEvents) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let judge = Judge::new(&batch.schema(), policy).unwrap();
    let judged = judge.judge(&batch, 0).unwrap();
    let encoded = Encoder::new(judge.schema(), [7; 32]).unwrap().encode(&judged.events, &judged.rows);
    (judged, encoded)
}

fn objects(encoded: &EncodedEvents) -> Vec<String> {
    let object = |span: std::ops::Range<usize>| String::from_utf8(encoded.json[span].to_vec()).unwrap();
    encoded.events.iter().map(|(_, event)| object(event.span.clone())).collect()
}

/// Whether all that is said of a row is that its amount has more decimals than its currency.
fn is_of_decimals(violation: &Violation) -> bool {
    violation.rule.code == "PB3117"
}

fn object(columns: Vec<(&str, ArrayRef)>, policy: Policy) -> String {
    let (judged, encoded) = encode(columns, policy);
    assert!(judged.violations.iter().all(is_of_decimals), "{:?}", judged.violations);
    objects(&encoded).remove(0)
}

#[test]
fn an_offline_purchase_with_folded_items() {
    let items = StructArray::try_from(vec![
        ("content_id", texts([Some("SKU-9"), Some("SKU-1")])),
        ("content_name", texts([None, Some("Kettle")])),
        ("content_category", texts([None, Some("Home")])),
        ("brand", texts([Some(""), Some("Acme")])),
        ("price", decimals([Some(2_500), Some(2_450)], 2)),
        ("quantity", integers([Some(2), Some(1)])),
    ]);
    let columns = vec![
        ("event", text("Purchase")),
        ("timestamp", integers([Some(TIME)])),
        ("event_id", text("5f2b1c7e9d0a4b6c8e1f3a5d7b9c0e2f")),
        ("email", lists(texts([Some("Pat.Lee@Example.com"), Some(" ALICE_abc@gmail.com ")]), &[2])),
        ("phone", text("+44 20 7183 8750")),
        ("order_id", text("SO-88121")),
        ("shop_id", text("store-0042")),
        ("currency", text("GBP")),
        ("contents", lists(Arc::new(items.unwrap()), &[2])),
        ("event_channel", text("in_store")),
        ("properties.loyalty tier", text("gold")),
        ("properties.margin", decimals([Some(-125)], 3)),
        ("__rows", integers([Some(2)])),
        ("__differing", texts([None])),
        ("_trace", text("never sent")),
    ];
    let expected = concat!(
        r#"{"event":"Purchase","event_time":1787234709,"event_id":"5f2b1c7e9d0a4b6c8e1f3a5d7b9c0e2f","#,
        r#""user":{"email":["f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26","#,
        r#""848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f"],"#,
        r#""phone":"e631c2534428c6c9b48c2167604a8983046085e43a2c00ed748733c544c0bb4d"},"#,
        r#""properties":{"order_id":"SO-88121","shop_id":"store-0042","currency":"GBP","value":74.5,"#,
        r#""content_type":"product","contents":[{"content_id":"SKU-1","content_name":"Kettle","#,
        r#""content_category":"Home","brand":"Acme","price":24.5,"quantity":1},"#,
        r#"{"content_id":"SKU-9","price":25,"quantity":2}],"event_channel":"in_store","#,
        r#""loyalty tier":"gold","margin":-0.125}}"#,
    );
    assert_eq!(object(columns, policy(Some(EventSource::Offline), "7301234567890123456")), expected);
}

#[test]
fn a_web_lead() {
    let columns = vec![
        ("event", text("Lead")),
        ("timestamp", text("2026-08-20T16:05:09+02:00")),
        ("event_id", text("form-2231-1787234709")),
        ("email", text("Pat.Lee@Example.com")),
        ("phone", text("(+1)2133734253")),
        ("external_id", text("user_123")),
        ("first_name", text("Pat")),
        ("last_name", text(" LEE ")),
        ("city", text("San Francisco")),
        ("state", text("CA")),
        ("country", text("US")),
        ("zip_code", text("90210")),
        ("tiktok_click_id", text("E.C.P.exampleClickId")),
        ("cookie_id", text("2AbCdEfGhIjKlMnOpQrStUvWxYz")),
        ("ip", text("203.0.113.24")),
        ("agent", text("Mozilla/5.0 (X11; Linux x86_64)")),
        ("locale", text("en-GB")),
        ("search_string", text("caf\u{e9} \"\u{1F9E5}\"\n")),
        ("customer_type", text("new")),
        ("page_url", text("https://shop.example/contact?ttclid=E.C.P.exampleClickId")),
        ("referrer_url", text("https://shop.example/")),
        ("limited_data_use", booleans([Some(false)])),
    ];
    let expected = concat!(
        r#"{"event":"Lead","event_time":1787234709,"event_id":"form-2231-1787234709","#,
        r#""user":{"email":"f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26","#,
        r#""phone":"9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd","#,
        r#""external_id":"80fba0ae1c48e3978e43e4efc365e14e12ea0c830ba8ba5b9a2dafc7e3f2ab8b","#,
        r#""first_name":"68d753f055b1a15b39499fdbbe86d614f986d0e50e62817b38e86b20a0935f82","#,
        r#""last_name":"1508b697895abf03d55c3841f59236ab92c9ba6ba89795c8337fcf392fdee8b4","#,
        r#""city":"sanfrancisco","state":"ca","country":"us","#,
        r#""zip_code":"b83c588da0c6931625f42e0948054a3ade722bfd02c27816305742ed7390ac6c","#,
        r#""ttclid":"E.C.P.exampleClickId","ttp":"2AbCdEfGhIjKlMnOpQrStUvWxYz","ip":"203.0.113.24","#,
        r#""user_agent":"Mozilla/5.0 (X11; Linux x86_64)","locale":"en-GB"},"#,
        r#""properties":{"search_string":"café \"🧥\"\n","customer_type":"new"},"#,
        r#""page":{"url":"https://shop.example/contact?ttclid=E.C.P.exampleClickId","#,
        r#""referrer":"https://shop.example/"},"limited_data_use":false}"#,
    );
    assert_eq!(object(columns, policy(Some(EventSource::Web), "CABCDEFGHIJ0123456K0")), expected);
}

#[test]
fn an_app_purchase() {
    let columns = vec![
        ("event", text("Purchase")),
        ("timestamp", integers([Some(TIME * 1_000)])),
        ("event_id", text("a-1")),
        ("ip", text("2001:db8::1")),
        ("agent", text("Shop/3.1")),
        ("idfa", text("6d92078a-8246-4ba4-ae5b-76104861e7dc")),
        ("att_status", text("AUTHORIZED")),
        ("currency", text("JPY")),
        ("value", integers([Some(5_000)])),
        ("num_items", integers([Some(3)])),
        ("content_ids", lists(texts([Some("a"), Some("b")]), &[2])),
        ("app_id", text("com.example.shop")),
        ("app_version", text("3.1")),
        ("callback", text("cb-1")),
        ("is_retargeting", booleans([Some(true)])),
        ("attribution_share", Arc::new(Float64Array::from(vec![0.25]))),
    ];
    let expected = concat!(
        r#"{"event":"Purchase","event_time":1787234709,"event_id":"a-1","#,
        r#""user":{"ip":"2001:db8::1","user_agent":"Shop/3.1","idfa":"6D92078A-8246-4BA4-AE5B-76104861E7DC","#,
        r#""att_status":"AUTHORIZED"},"#,
        r#""properties":{"currency":"JPY","value":5000,"content_ids":["a","b"],"num_items":3},"#,
        r#""app":{"app_id":"com.example.shop","app_version":"3.1"},"#,
        r#""ad":{"callback":"cb-1","is_retargeting":true,"attribution_share":0.25}}"#,
    );
    assert_eq!(object(columns, policy(Some(EventSource::App), "7301234567890123456")), expected);
}

#[test]
fn a_crm_signal() {
    let columns = vec![
        ("event", text("Qualified")),
        ("timestamp", integers([Some(TIME)])),
        ("event_id", text("crm-77120-qualified")),
        ("email", text("Pat.Lee@Example.com")),
        ("lead_id", text("7400000000000000001")),
        ("lead_event_source", text("Salesforce")),
    ];
    let expected = concat!(
        r#"{"event":"Qualified","event_time":1787234709,"event_id":"crm-77120-qualified","#,
        r#""user":{"email":"f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26"},"#,
        r#""lead":{"lead_id":"7400000000000000001","lead_event_source":"Salesforce"}}"#,
    );
    assert_eq!(object(columns, policy(Some(EventSource::Crm), "7309876543210987654")), expected);
}

#[test]
fn rows_go_to_their_own_destinations_without_fields_of_others() {
    let columns = vec![
        ("event", texts([Some("Contact"); 3])),
        ("timestamp", integers([Some(TIME); 3])),
        ("event_source", texts([Some("offline"), Some("web"), None])),
        ("event_source_id", texts([Some("73"), Some("CABCDEFGHIJ0123456K0"), None])),
        ("event_id", texts([Some("1"), Some("2"), Some("3")])),
        ("email", texts([Some("Pat.Lee@Example.com"), None, Some("Pat.Lee@Example.com")])),
        ("tiktok_click_id", texts([Some("E.C.P.a"), Some("E.C.P.b"), Some("E.C.P.c")])),
        ("page_url", texts([Some("https://a.example"), Some("https://b.example"), None])),
        ("order_id", texts([None, Some(""), Some("o-3")])),
    ];
    let (judged, encoded) = encode(columns, policy(Some(EventSource::Offline), "74"));
    assert!(judged.violations.is_empty(), "{:?}", judged.violations);
    let offline = |id: &str, rest: &str| {
        format!(
            r#"{{"event":"Contact","event_time":1787234709,"event_id":"{id}","user":{{"email":"f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26"}}{rest}}}"#
        )
    };
    let web = r#"{"event":"Contact","event_time":1787234709,"event_id":"2","user":{"ttclid":"E.C.P.b"},"page":{"url":"https://b.example"}}"#;
    assert_eq!(
        objects(&encoded),
        [offline("1", ""), web.to_owned(), offline("3", r#","properties":{"order_id":"o-3"}"#)]
    );
    let destinations: Vec<_> =
        encoded.events.iter().map(|(route, _)| encoded.destinations[*route as usize].to_string()).collect();
    assert_eq!(destinations, ["offline 73", "web CABCDEFGHIJ0123456K0", "offline 74"]);
}

#[test]
fn keys_are_those_of_the_canonical_name_and_payloads_tell_events_apart() {
    let event = |name: &str, value: i64| {
        let columns = vec![
            ("event", text(name)),
            ("timestamp", integers([Some(TIME)])),
            ("event_id", text("4711")),
            ("email", text("a@b.co")),
            ("currency", text("USD")),
            ("value", integers([Some(value)])),
        ];
        let (_, encoded) = encode(columns, policy(Some(EventSource::Offline), "73"));
        (encoded.destinations[0].clone(), encoded.events[0].1.clone())
    };
    let (destination, old) = event("CompletePayment", 5);
    let (_, new) = event("Purchase", 5);
    assert_eq!(old.key, EventKey::new(&[7; 32], &destination, "Purchase", "4711"));
    assert_eq!(old.key, new.key);
    assert_ne!(old.payload, new.payload);
    assert_eq!(new.payload, event("Purchase", 5).1.payload);
    assert_ne!(new.payload, event("Purchase", 6).1.payload);
    assert_eq!((new.time, new.row), (TIME, 0));
}

#[test]
fn numbers_are_exact_at_their_extremes() {
    let wide = i256::from_string(&format!("1{}", "0".repeat(75))).unwrap();
    let cases: Vec<(ArrayRef, String)> = vec![
        (integers([Some(i64::MAX)]), i64::MAX.to_string()),
        (decimals([Some(i128::from(u64::MAX))], 0), u64::MAX.to_string()),
        (decimals([Some(-0)], 4), "0".into()),
        (Arc::new(Float64Array::from(vec![-0.0])), "0".into()),
        (Arc::new(Float64Array::from(vec![0.1 + 0.2])), "0.30000000000000004".into()),
        (Arc::new(Decimal256Array::from(vec![wide]).with_precision_and_scale(76, 74).unwrap()), "10".into()),
    ];
    for (value, expected) in cases {
        let columns = vec![
            ("event", text("Purchase")),
            ("timestamp", integers([Some(TIME)])),
            ("event_id", text("1")),
            ("email", text("a@b.co")),
            ("currency", text("USD")),
            ("value", value),
        ];
        let object = object(columns, policy(Some(EventSource::Offline), "73"));
        assert!(object.ends_with(&format!(r#""properties":{{"currency":"USD","value":{expected}}}}}"#)), "{object}");
    }
}

proptest! {
    #[test]
    fn valid_rows_arrive_as_they_are(
        id in "[^\\s]\\PC{0,40}",
        order in any::<Option<String>>(),
        note in any::<String>(),
        mantissa in 0_i64..1_000_000_000,
        scale in 0_i8..9,
        count in proptest::option::of(0_i64..),
        tags in proptest::collection::vec("\\PC*[^\\s]\\PC*", 0..4),
    ) {
        let tag_lists = lists(Arc::new(StringViewArray::from_iter_values(&tags)), &[tags.len()]);
        let columns = vec![
            ("event", text("Purchase")),
            ("timestamp", integers([Some(TIME)])),
            ("event_id", text(&id)),
            ("email", text("a@b.co")),
            ("order_id", texts([order.as_deref()])),
            ("description", text(&note)),
            ("currency", text("USD")),
            ("value", decimals([Some(mantissa.into())], scale)),
            ("num_items", integers([count])),
            ("content_ids", tag_lists),
            ("properties.\"note\"\u{1}", text(&note)),
        ];
        let (judged, encoded) = encode(columns, policy(Some(EventSource::Offline), "73"));
        prop_assert!(judged.violations.iter().all(is_of_decimals), "{:?}", judged.violations);
        let event: Value = serde_json::from_slice(&encoded.json).unwrap();
        let sent = |text: &str| (!text.trim().is_empty()).then(|| Value::from(text));
        let properties = &event["properties"];
        prop_assert_eq!(event["event_id"].as_str(), Some(id.as_str()));
        prop_assert_eq!(properties.get("order_id").cloned(), order.as_deref().and_then(sent));
        prop_assert_eq!(properties.get("description").cloned(), sent(&note));
        prop_assert_eq!(properties["value"].as_f64().map(f64::to_bits), format!("{mantissa}e-{scale}").parse().map(f64::to_bits).ok());
        prop_assert_eq!(properties.get("num_items").and_then(Value::as_i64), count);
        let expected = (!tags.is_empty()).then(|| Value::from(tags.clone()));
        prop_assert_eq!(properties.get("content_ids"), expected.as_ref());
    }
}
