//! The sandbox over real TCP, byte by byte: no client library between the test and the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use postback::contract::TRACK_PATH;
use postback::error::ErrorKind;
use postback::sandbox::{Options, Profile, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NOW: i64 = 1_787_234_709;
const DIGEST: &str = "f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26";
const JSON: &str = "Content-Type: application/json\r\n";
const TOKEN: &str = "Access-Token: token-of-the-test\r\n";

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }

    fn verdict(&self) -> (i64, String) {
        let json = self.json();
        (json["code"].as_i64().expect("a code"), json["message"].as_str().expect("a message").to_owned())
    }
}

fn options() -> Options {
    Options::new(Arc::new(|| NOW))
}

async fn start(options: Options) -> Sandbox {
    Sandbox::start(options).await.expect("a free port of the loopback interface")
}

async fn send(sandbox: &Sandbox, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
    let address = sandbox.base_url().strip_prefix("http://").expect("plain HTTP").to_owned();
    let mut stream = TcpStream::connect(&address).await.expect("the sandbox listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("the head is read");
    // A server that refuses early may close before it has read everything.
    stream.write_all(body).await.ok();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.expect("the reply ends");
    let reply = String::from_utf8(reply).expect("the reply is UTF-8");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

async fn track(sandbox: &Sandbox, body: &Value) -> Reply {
    send(sandbox, "POST", TRACK_PATH, &format!("{TOKEN}{JSON}"), body.to_string().as_bytes()).await
}

fn event(id: &str) -> Value {
    json!({"event": "Purchase", "event_time": NOW - 60, "event_id": id, "user": {"email": DIGEST},
        "properties": {"currency": "GBP", "value": 74.5}})
}

fn request(events: &[Value]) -> Value {
    json!({"event_source": "offline", "event_source_id": "7301234567890123456", "data": events})
}

#[tokio::test]
async fn a_valid_request_gets_the_answer_of_the_documentation() {
    let sandbox = start(options()).await;
    let reply = track(&sandbox, &request(&[event("1"), event("2")])).await;
    assert_eq!(reply.status, 200);
    let json = reply.json();
    let id = json["request_id"].as_str().expect("a request id");
    assert_eq!(json, json!({"code": 0, "message": "OK", "request_id": id, "data": {}}));
    assert!(reply.body.starts_with(r#"{"code":0,"message":"OK","request_id":""#));
    assert!(id.starts_with("20260820140509") && id.len() == 34);
    assert!(id[14..].bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)));
    assert!(reply.head.to_lowercase().contains(&format!("x-tt-logid: {}", id.to_lowercase())));
    let snapshot = sandbox.snapshot();
    assert_eq!((snapshot.requests, snapshot.arrived, snapshot.unique, snapshot.refused), (1, 2, 2, 0));
    assert_eq!(snapshot.by_event[0].event, "Purchase");
    assert!((snapshot.by_event[0].amounts[0].total - 149.0).abs() < f64::EPSILON);
    sandbox.stop().await;
}

#[tokio::test]
async fn path_and_method_come_before_the_token() {
    let sandbox = start(options()).await;
    let cases = [
        ("POST", "/open_api/v1.3/event/track", 404),
        ("POST", "/open_api/v1.2/event/track/", 404),
        ("GET", TRACK_PATH, 405),
        ("PUT", TRACK_PATH, 405),
    ];
    for (method, path, status) in cases {
        assert_eq!(send(&sandbox, method, path, "", b"").await.status, status, "{method} {path}");
    }
    let missing_slash = send(&sandbox, "POST", "/open_api/v1.3/event/track", TOKEN, b"").await;
    assert_eq!(missing_slash.body, "page not found");
    assert_eq!(sandbox.snapshot().requests, 0);
}

#[tokio::test]
async fn the_token_comes_before_the_rate_and_the_rate_before_the_body() {
    let null = "Access token is null, you should set it in http header with key Access-Token.";
    let wrong = "Access token is incorrect or has been revoked.";
    let sandbox = start(Options { token: Some("secret".into()), requests_per_second: 0, ..options() }).await;
    let cases = [
        ("", 40_104, null),
        ("Access-Token: \r\n", 40_104, null),
        ("Authorization: Bearer secret\r\n", 40_104, null),
        ("Access-Token: Secret\r\n", 40_105, wrong),
        ("Access-Token: secret\r\n", 40_100, "Too many requests. Please retry in some time."),
    ];
    for (headers, code, message) in cases {
        let reply = send(&sandbox, "POST", TRACK_PATH, headers, b"not json").await;
        assert_eq!((reply.status, reply.verdict()), (200, (code, message.to_owned())), "{headers}");
    }
    assert_eq!(sandbox.snapshot().refused_requests, 5);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let sandbox = start(options()).await;
    for body in ["", "[]", "{", "nonsense"] {
        let reply = send(&sandbox, "POST", TRACK_PATH, &format!("{TOKEN}{JSON}"), body.as_bytes()).await;
        assert_eq!(reply.verdict().0, 40_002, "{body}");
    }
    let body = request(&[event("1")]).to_string();
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let reply = send(&sandbox, "POST", TRACK_PATH, &format!("{TOKEN}{form}"), body.as_bytes()).await;
    assert_eq!(reply.verdict(), (40_002, "Invalid value for Content-Type: must be application/json.".to_owned()));
    let charset = "content-type: Application/JSON; charset=utf-8\r\n";
    let reply = send(&sandbox, "POST", TRACK_PATH, &format!("{TOKEN}{charset}"), body.as_bytes()).await;
    assert_eq!(reply.verdict().0, 0);
}

#[tokio::test]
async fn the_envelope_is_judged_in_order() {
    let sandbox = start(options()).await;
    let too_many = vec![event("1"); 1_001];
    let cases = [
        (json!({"data": []}), "Invalid value for event_source: must be web, app or offline."),
        (json!({"event_source": "offline"}), "Invalid value for event_source_id: not a valid string."),
        (
            json!({"event_source": "web", "event_source_id": 7}),
            "Invalid value for event_source_id: not a valid string.",
        ),
        (json!({"event_source": "web", "event_source_id": "C1"}), "Invalid value for data: not a valid list."),
        (request(&[]), "Invalid value for data: must have at least one event."),
        (request(&too_many), "Invalid value for data: must have at most 1000 events."),
    ];
    for (body, message) in cases {
        assert_eq!(track(&sandbox, &body).await.verdict(), (40_002, message.to_owned()));
    }
    let snapshot = sandbox.snapshot();
    assert_eq!((snapshot.arrived, snapshot.refused, snapshot.unique), (1_001, 1_001, 0));
}

#[tokio::test]
async fn one_bad_event_refuses_the_request_and_leaves_nothing_behind() {
    let sandbox = start(options()).await;
    let mut bad = event("2");
    bad["event_id"] = json!(2);
    let reply = track(&sandbox, &request(&[event("1"), bad, json!(null)])).await;
    assert_eq!(reply.verdict(), (40_002, "Invalid value for data.1.event_id: not a valid string.".to_owned()));
    assert_eq!(sandbox.events(), [""; 0]);
    assert_eq!(track(&sandbox, &request(&[event("1")])).await.verdict().0, 0);
    let snapshot = sandbox.snapshot();
    assert_eq!((snapshot.unique, snapshot.merged, snapshot.refused), (1, 0, 3));
    assert_eq!(snapshot.refusals[0].message, "Invalid value for data.*.event_id: not a valid string.");
}

#[tokio::test]
async fn repeats_are_merged_then_dropped_then_count_again() {
    let now = Arc::new(AtomicI64::new(NOW));
    let ticking = now.clone();
    let clock = Arc::new(move || ticking.load(Ordering::Relaxed));
    let sandbox = start(Options { clock, ..options() }).await;
    let send_after = async |seconds: i64, event: Value| {
        now.store(NOW + seconds, Ordering::Relaxed);
        assert_eq!(track(&sandbox, &request(&[event])).await.verdict().0, 0, "a repeat is accepted as well");
    };
    let mut richer = event("1");
    richer["user"]["phone"] = json!(DIGEST);
    richer["user"]["email"] = json!("another");
    send_after(0, event("1")).await;
    send_after(299, richer.clone()).await;
    send_after(300, richer).await;
    let counts = |sandbox: &Sandbox| {
        let snapshot = sandbox.snapshot();
        (snapshot.unique, snapshot.merged, snapshot.dropped)
    };
    assert_eq!(counts(&sandbox), (1, 1, 1));
    let kept: Value = serde_json::from_str(&sandbox.events()[0]).expect("JSON");
    assert_eq!(kept["user"], json!({"email": DIGEST, "phone": DIGEST}), "the first stays, what it lacked is filled in");
    let duplicates = sandbox.snapshot().duplicates;
    assert_eq!((duplicates[0].outcome, duplicates[1].outcome), ("dropped", "merged"));
    assert_eq!(duplicates[1].filled, ["user.phone"]);
    send_after(48 * 3_600, event("1")).await;
    assert_eq!(counts(&sandbox), (2, 1, 1));
}

#[tokio::test]
async fn another_name_id_or_destination_is_no_repeat() {
    let sandbox = start(options()).await;
    let mut renamed = event("1");
    renamed["event"] = json!("CompletePayment");
    let mut elsewhere = request(&[event("1")]);
    elsewhere["event_source_id"] = json!("7301234567890123457");
    for body in [request(&[event("1"), event("2"), renamed]), elsewhere, request(&[event("1"), event("3"), event("3")])]
    {
        assert_eq!(track(&sandbox, &body).await.verdict().0, 0);
    }
    let snapshot = sandbox.snapshot();
    assert_eq!((snapshot.arrived, snapshot.unique, snapshot.merged), (7, 5, 2));
    assert!(snapshot.warnings.iter().any(|warning| warning.rule == 66 && warning.events == 1));
}

#[tokio::test]
async fn the_profile_decides_how_strict() {
    for (profile, code) in [(Profile::Documented, 0), (Profile::Strict, 40_002), (Profile::Amperity, 40_002)] {
        let sandbox = start(Options { profile, ..options() }).await;
        let mut anonymous = event("1");
        anonymous["user"] = json!({});
        assert_eq!(track(&sandbox, &request(&[anonymous])).await.verdict().0, code, "{profile}");
    }
}

#[tokio::test]
async fn events_come_out_as_they_came_in() {
    let sandbox = start(Options { keep_all: true, ..options() }).await;
    let body = r#"{"event_source":"offline","event_source_id":"73","test_event_code":"TEST1","data":[
        {"event":"Lead","event_time":1787234700,"event_id":"é","user":{"email":"x"},"properties":{"value":12345678901234567.890,"currency":"EUR"}}]}"#;
    assert_eq!(send(&sandbox, "POST", TRACK_PATH, &format!("{TOKEN}{JSON}"), body.as_bytes()).await.verdict().0, 0);
    let expected = concat!(
        r#"{"event_source":"offline","event_source_id":"73","test_event_code":"TEST1","event":"Lead","#,
        r#""event_time":1787234700,"event_id":"é","user":{"email":"x"},"#,
        r#""properties":{"value":12345678901234567.890,"currency":"EUR"}}"#,
    );
    assert_eq!(sandbox.events(), [expected]);
    assert_eq!(send(&sandbox, "GET", "/events.ndjson", "", b"").await.body, format!("{expected}\n"));
}

#[tokio::test]
async fn the_page_shows_what_arrived_and_loads_nothing_from_elsewhere() {
    let sandbox = start(options()).await;
    assert!(send(&sandbox, "GET", "/", "", b"").await.body.contains("Nothing has arrived yet"));
    track(&sandbox, &request(&[event("1"), event("1")])).await;
    let page = send(&sandbox, "GET", "/", "", b"").await;
    assert_eq!(page.status, 200);
    assert!(page.head.to_lowercase().contains("content-security-policy: default-src 'self'"));
    assert!(
        page.body.contains("Purchase") && page.body.contains("merged") && page.body.contains("7301234567890123456")
    );
    assert!(!page.body.contains("style=\"") && !page.body.contains("https://"));
    for asset in ["/page.css", "/page.js"] {
        assert_eq!(send(&sandbox, "GET", asset, "", b"").await.status, 200);
    }
    assert_eq!(send(&sandbox, "GET", "/state.json", "", b"").await.json()["unique"], 1);
    let foreign = send(&sandbox, "POST", "/reset", "Sec-Fetch-Site: cross-site\r\n", b"").await;
    assert_eq!((foreign.status, sandbox.snapshot().requests), (403, 1));
    assert_eq!(send(&sandbox, "POST", "/reset", "", b"").await.status, 204);
    assert_eq!(sandbox.snapshot().requests, 0);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_too_large() {
    let sandbox = start(options()).await;
    let declared = format!("{TOKEN}{JSON}");
    let body = vec![b' '; (10 << 20) + 1];
    assert_eq!(send(&sandbox, "POST", TRACK_PATH, &declared, &body).await.status, 413);
}

#[tokio::test]
async fn a_taken_port_is_a_usage_error_and_a_stopped_sandbox_frees_it() {
    let first = start(options()).await;
    let bind = first.base_url().strip_prefix("http://").and_then(|address| address.parse().ok()).expect("an address");
    let error = Sandbox::start(Options { bind, ..options() }).await.expect_err("the port is taken");
    assert_eq!(error.kind(), ErrorKind::Usage);
    first.stop().await;
    start(Options { bind, ..options() }).await.stop().await;
}
