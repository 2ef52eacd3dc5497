//! A case for every rule the sandbox judges: what breaks it, and what each profile answers.

use serde_json::{Value, json};

use super::envelope::Envelope;
use super::judge::{Verdict, judge};
use super::rules::{Profile, RULES};

const NOW: i64 = 1_787_234_709;
const DIGEST: &str = "f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26";
const EMPTY_DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A valid request of each source.
fn request(source: &str) -> Value {
    let mut request = json!({
        "event_source": source,
        "event_source_id": if source == "web" { "CABCDEFGHIJ0123456K0" } else { "7301234567890123456" },
        "data": [{
            "event": "Purchase", "event_time": NOW - 60, "event_id": "4711",
            "user": {"email": DIGEST},
            "properties": {"currency": "GBP", "value": 74.5, "content_type": "product", "contents": [
                {"content_id": "SKU-1", "price": 24.5, "quantity": 1}, {"content_id": "SKU-9", "price": 25, "quantity": 2},
            ]},
        }],
    });
    let event = &mut request["data"][0];
    match source {
        "web" => event["page"] = json!({"url": "https://shop.example/"}),
        "app" => event["app"] = json!({"app_id": "1446719"}),
        "crm" => event["lead"] = json!({"lead_id": "7400000000000000001"}),
        _ => {}
    }
    request
}

/// Sets (or, given null with a `-` in front of the pointer, removes) values of a request.
fn changed(source: &str, changes: &[(&str, Value)]) -> String {
    let mut request = request(source);
    for (pointer, value) in changes {
        let (is_removal, pointer) = pointer.strip_prefix('-').map_or((false, *pointer), |pointer| (true, pointer));
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
        let parent = request.pointer_mut(parent).expect("the parent is part of the request");
        if is_removal {
            parent.as_object_mut().expect("an object").remove(key);
        } else if let Some(item) = key.parse::<usize>().ok().and_then(|index| parent.get_mut(index)) {
            *item = value.clone();
        } else {
            parent[key] = value.clone();
        }
    }
    request.to_string()
}

fn answer(body: &str, profile: Profile) -> Result<Vec<u8>, String> {
    let envelope = Envelope::parse(body.as_bytes()).expect("an object");
    match judge(&envelope, profile, NOW) {
        Verdict::Accept { warnings, .. } => Ok(warnings.into_keys().map(|(rule, _)| rule).collect()),
        Verdict::Refuse(refusal) => Err(format!("{} {}", refusal.code, refusal.message)),
    }
}

#[test]
fn the_valid_request_of_each_source_passes_every_profile_without_a_warning() {
    for source in ["offline", "web", "app", "crm"] {
        for profile in Profile::ALL {
            assert_eq!(answer(&request(source).to_string(), profile), Ok(Vec::new()), "{source} {profile}");
        }
    }
}

/// One way to break a rule: number, source, changes, and the refusal's path and reason where some profile refuses.
struct Case(u8, &'static str, Vec<(&'static str, Value)>, &'static str);

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    let event = |key: &'static str, value: Value| vec![(key, value)];
    let no_source = "event_source: must be web, app or offline";
    let no_id = "event_source_id: not a valid string";
    let hex = |length: usize| json!("a1b2c3d4".repeat(length / 8));
    vec![
        Case(7, "offline", vec![("-/event_source", Value::Null)], no_source),
        Case(7, "offline", event("/event_source", json!("Offline")), no_source),
        Case(7, "offline", event("/event_source", json!(1)), no_source),
        Case(8, "offline", vec![("-/event_source_id", Value::Null)], no_id),
        Case(8, "web", event("/event_source_id", json!(" ")), no_id),
        Case(8, "crm", event("/event_source_id", json!(7_301_234_567_u64)), no_id),
        Case(9, "offline", event("/event_source_id", json!("CABCDEFGHIJ0123456K0")), no_id),
        Case(10, "offline", event("/data", json!([])), "data: must have at least one event"),
        Case(10, "offline", vec![("-/data", Value::Null)], "data: not a valid list"),
        Case(10, "offline", event("/data", json!({})), "data: not a valid list"),
        Case(11, "offline", event("/data", json!(vec![0; 1_001])), "data: must have at most 1000 events"),
        Case(12, "offline", event("/partner_name", json!(7)), "partner_name: not a valid string"),
        Case(12, "web", event("/test_event_code", Value::Null), "test_event_code: not a valid string"),
        Case(14, "web", event("/data/0/test_event_code", json!("TEST1")), ""),
        Case(15, "web", event("/pixel_code", json!("C")), ""),
        Case(16, "web", vec![("-/data/0/event", Value::Null)], "data.0.event: not a valid string"),
        Case(16, "crm", event("/data/0/event", json!("")), "data.0.event: not a valid string"),
        Case(17, "offline", event("/data/0/event", json!("StoreVisit")), "data.0.event: not a standard event"),
        Case(19, "web", event("/data/0/event", json!("1st visit!")), "data.0.event: not an event name"),
        Case(20, "web", event("/data/0/event", json!("addtocart")), ""),
        Case(21, "offline", event("/data/0/event", json!("CompletePayment")), ""),
        Case(23, "web", event("/data/0/event_time", json!("1787234709")), "data.0.event_time: not a valid integer"),
        Case(23, "web", event("/data/0/event_time", json!(1_787_234_709.0)), "data.0.event_time: not a valid integer"),
        Case(23, "web", vec![("-/data/0/event_time", Value::Null)], "data.0.event_time: not a valid integer"),
        Case(24, "web", event("/data/0/event_time", json!(NOW * 1_000)), "data.0.event_time: not in seconds"),
        Case(25, "web", event("/data/0/event_time", json!(NOW + 301)), "data.0.event_time: in the future"),
        Case(26, "offline", event("/data/0/event_time", json!(NOW - 28 * 86_400 - 1)), ""),
        Case(27, "crm", event("/data/0/event_time", json!(NOW - 28 * 86_400 - 1)), ""),
        Case(28, "offline", event("/data/0/event_id", json!(4711)), "data.0.event_id: not a valid string"),
        Case(29, "offline", vec![("-/data/0/event_id", Value::Null)], ""),
        Case(30, "offline", event("/data/0/user", json!({})), "data.0.user: must have email or phone"),
        Case(30, "offline", event("/data/0/user/email", json!([])), "data.0.user: must have email or phone"),
        Case(31, "web", vec![("-/data/0/user", Value::Null)], "data.0.user: must have email, phone or external_id"),
        Case(32, "web", vec![("-/data/0/page", Value::Null)], "data.0.page.url: missing"),
        Case(
            32,
            "web",
            event("/data/0/page/url", json!("/cart")),
            "data.0.page.url: not an absolute http or https url",
        ),
        Case(33, "app", vec![("-/data/0/app", Value::Null)], "data.0.app.app_id: missing"),
        Case(34, "crm", event("/data/0/lead/lead_id", json!("")), "data.0.lead.lead_id: missing"),
        Case(35, "crm", event("/data/0/user", json!("x")), "data.0.user: not a valid object"),
        Case(35, "crm", event("/data/0", json!(7)), "data.0: not a valid object"),
        Case(
            36,
            "crm",
            event("/data/0/user/email", json!(7)),
            "data.0.user.email: not a valid string or list of strings",
        ),
        Case(
            36,
            "crm",
            event("/data/0/user/phone", json!([null])),
            "data.0.user.phone: not a valid string or list of strings",
        ),
        Case(
            37,
            "crm",
            event("/data/0/user/external_id", json!("C-1")),
            "data.0.user.external_id: must be a SHA-256 digest",
        ),
        Case(38, "crm", event("/data/0/user/email", json!("a@b.example")), "data.0.user.email: must be hashed"),
        Case(38, "crm", event("/data/0/user/phone", json!(["+442071838750"])), "data.0.user.phone: must be hashed"),
        Case(39, "crm", event("/data/0/user/email", json!(DIGEST.to_uppercase())), ""),
        Case(40, "crm", event("/data/0/user/email", json!([DIGEST, EMPTY_DIGEST])), ""),
        Case(
            41,
            "crm",
            event("/data/0/user/email", hex(32)),
            "data.0.user.email: must be a SHA-256 digest, not MD5 or SHA-1",
        ),
        Case(
            41,
            "crm",
            event("/data/0/user/email", hex(40)),
            "data.0.user.email: must be a SHA-256 digest, not MD5 or SHA-1",
        ),
        Case(42, "web", vec![("/data/0/user/ip", json!("10.0.0.1")), ("/data/0/user/user_agent", json!("M"))], ""),
        Case(43, "web", event("/data/0/user/ttclid", json!(DIGEST)), ""),
        Case(44, "web", event("/data/0/user/ip", json!("203.0.113.24")), ""),
        Case(45, "web", event("/data/0/user/first_name", json!("Pat")), ""),
        Case(45, "web", event("/data/0/user/city", json!(DIGEST)), ""),
        Case(46, "offline", event("/data/0/user/ttclid", json!("E.C.P.x")), ""),
        Case(47, "app", event("/data/0/user/idfa", json!("ab-cd")), ""),
        Case(47, "app", event("/data/0/user/gaid", json!("AB-CD")), ""),
        Case(47, "app", event("/data/0/user/att_status", json!("MAYBE")), ""),
        Case(
            48,
            "offline",
            event("/data/0/properties/value", json!("74.5")),
            "data.0.properties.value: not a valid number",
        ),
        Case(
            49,
            "crm",
            event("/data/0/properties", json!({"value": -1, "currency": "GBP"})),
            "data.0.properties.value: must not be negative",
        ),
        Case(
            50,
            "offline",
            event("/data/0/properties/currency", json!("gbp")),
            "data.0.properties.currency: must be three upper-case letters",
        ),
        Case(51, "offline", event("/data/0/properties/currency", json!("XAU")), ""),
        Case(52, "offline", vec![("-/data/0/properties/currency", Value::Null)], ""),
        Case(52, "offline", event("/data/0/properties", json!({})), ""),
        Case(
            53,
            "offline",
            event("/data/0/properties/contents", json!({})),
            "data.0.properties.contents: not a valid list",
        ),
        Case(
            53,
            "offline",
            event("/data/0/properties/content_ids", json!([1])),
            "data.0.properties.content_ids: not a list of strings",
        ),
        Case(
            54,
            "offline",
            event("/data/0/properties/contents/1/content_id", json!(9)),
            "data.0.properties.contents.1.content_id: not a valid string",
        ),
        Case(
            55,
            "offline",
            event("/data/0/properties/contents/1/price", json!("25")),
            "data.0.properties.contents.1.price: not a valid number",
        ),
        Case(
            55,
            "offline",
            event("/data/0/properties/contents/0/quantity", json!(0)),
            "data.0.properties.contents.0.quantity: not an integer of at least 1",
        ),
        Case(
            55,
            "offline",
            event("/data/0/properties/contents/0/quantity", json!(1.5)),
            "data.0.properties.contents.0.quantity: not an integer of at least 1",
        ),
        Case(56, "offline", event("/data/0/properties/value", json!(24.5)), ""),
        Case(
            57,
            "offline",
            event("/data/0/properties/content_type", json!("sku")),
            "data.0.properties.content_type: must be product or product_group",
        ),
        Case(58, "offline", vec![("-/data/0/properties/content_type", Value::Null)], ""),
        Case(
            59,
            "offline",
            event("/data/0/properties/order_id", json!(4711)),
            "data.0.properties.order_id: not a valid string",
        ),
        Case(
            59,
            "offline",
            event("/data/0/properties/num_items", json!(1.5)),
            "data.0.properties.num_items: not a valid integer",
        ),
        Case(60, "offline", event("/data/0/properties/event_channel", json!("shop")), ""),
        Case(61, "web", event("/data/0/properties/customer_type", json!("loyal")), ""),
        Case(61, "offline", event("/data/0/properties/customer_type", json!("new")), ""),
        Case(
            62,
            "web",
            event("/data/0/limited_data_use", json!("true")),
            "data.0.limited_data_use: not a valid boolean",
        ),
        Case(63, "offline", event("/data/0/limited_data_use", json!(true)), ""),
        Case(64, "web", event("/data/0/limited_data_use", json!(true)), ""),
        Case(65, "web", event("/data/0/ad", json!({"attribution_share": 1.5})), ""),
        Case(65, "web", event("/data/0/ad", json!({"campaign_id": "1"})), ""),
        Case(67, "web", event("/data/0/user/zip_code", json!(10_115)), ""),
        Case(68, "offline", event("/data/0/properties/order_id", Value::Null), ""),
    ]
}

#[test]
fn each_profile_refuses_what_it_should_and_warns_of_the_rest() {
    for Case(rule, source, changes, refusal) in cases() {
        let body = changed(source, &changes);
        for profile in Profile::ALL {
            let answer = answer(&body, profile);
            let place = format!("R{rule} {source} {changes:?} {profile}: {answer:?}");
            if profile.refuses(rule) {
                assert!(!refusal.is_empty(), "{place}");
                assert_eq!(answer, Err(format!("40002 Invalid value for {refusal}.")), "{place}");
            } else if rule != 10 {
                assert!(answer.is_ok_and(|warnings| warnings.contains(&rule)), "{place}");
            }
        }
    }
}

#[test]
fn every_rule_has_a_case() {
    // R2 needs a header and R66 the memory: both are tested over the wire.
    let cases = cases();
    for rule in RULES.iter().filter(|rule| ![2, 66].contains(&rule.number)) {
        assert!(cases.iter().any(|case| case.0 == rule.number), "R{}", rule.number);
    }
}

#[test]
fn identity_of_another_kind_is_enough_for_the_web_but_not_for_amperity() {
    let body = changed("web", &[("/data/0/user", json!({"ttclid": "E.C.P.x"}))]);
    assert_eq!(answer(&body, Profile::Strict), Ok(Vec::new()));
    assert!(answer(&body, Profile::Amperity).is_err());
}

#[test]
fn custom_names_are_fine_where_the_source_allows_them() {
    for (source, name) in [("web", "Store_Visit-2"), ("app", "LaunchAPP"), ("crm", "资格审查"), ("crm", "Purchase")]
    {
        assert_eq!(answer(&changed(source, &[("/data/0/event", json!(name))]), Profile::Strict), Ok(Vec::new()));
    }
}

#[test]
fn the_first_failure_in_body_order_is_the_one_reported() {
    let mut request = request("offline");
    let good = request["data"][0].clone();
    let mut bad = good.clone();
    bad["event_id"] = json!(7);
    let mut worse = good.clone();
    worse["event"] = Value::Null;
    request["data"] = json!([good, bad, worse]);
    let expected = Err("40002 Invalid value for data.1.event_id: not a valid string.".to_owned());
    assert_eq!(answer(&request.to_string(), Profile::Documented), expected);
}

#[test]
fn a_price_in_the_app_path_has_its_own_code() {
    let body = changed("app", &[("/data/0/properties/contents/0/price", json!("24.5"))]);
    assert_eq!(answer(&body, Profile::Documented), Err("40000 Invalid Price Field".to_owned()));
}

#[test]
fn unknown_keys_are_tolerated_and_noted_by_the_strict_profile() {
    let body = changed("web", &[("/data/0/properties/gtm_version", json!("1")), ("/data/0/device", json!({}))]);
    assert_eq!(answer(&body, Profile::Documented), Ok(Vec::new()));
    assert_eq!(answer(&body, Profile::Strict), Ok(vec![67, 67]));
}

#[test]
fn messages_never_repeat_a_value() {
    let body = changed("crm", &[("/data/0/user/email", json!("pat@secret.example"))]);
    let refusal = answer(&body, Profile::Strict).expect_err("plain identifiers are refused");
    assert!(!refusal.contains("secret"));
}
