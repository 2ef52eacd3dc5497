//! What the API, and what merely stands in its place, can answer; and what a run makes of it.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::{Answer, OK, Request, Server, file, postback, said};

/// Eight purchases, `order_id` 1 to 8.
pub(crate) const PURCHASES: &str =
    "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
    SET postback.as_of = '2026-08-20T14:10:00Z'; SET postback.currency = 'USD';
    SELECT 'Purchase' AS event, 1787234709 AS timestamp, 'a' || n || '@b.example' AS email, n AS order_id, 5 AS value
    FROM (VALUES ('1'), ('2'), ('3'), ('4'), ('5'), ('6'), ('7'), ('8')) AS t (n)";

pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) account: Value,
    pub(crate) stderr: String,
}

impl Ended {
    fn place(&self, name: &str) -> u64 {
        self.account[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {}", self.account))
    }

    /// accepted, rejected, held, unsent of the account, which must balance.
    pub(crate) fn places(&self) -> [u64; 4] {
        let sum = ["accepted", "already_accepted", "rejected", "out_of_window", "held", "unsent"];
        assert_eq!(sum.map(|name| self.place(name)).iter().sum::<u64>(), self.place("events"), "{}", self.account);
        assert_eq!(self.place("rows"), self.place("events") + self.place("folded"), "{}", self.account);
        ["accepted", "rejected", "held", "unsent"].map(|name| self.place(name))
    }
}

/// The token of every delivery here.
pub(crate) const TOKEN: &str = "token-of-the-test";

fn deliver(url: &str, flags: &[&str]) -> Ended {
    deliver_in(url, flags, |command| {
        command.env("POSTBACK_ACCESS_TOKEN", TOKEN);
    })
}

/// Delivers the purchases to `url` with what `prepare` adds to the command.
pub(crate) fn deliver_in(url: &str, flags: &[&str], prepare: impl FnOnce(&mut Command)) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "purchases.sql", PURCHASES);
    let mut arguments = vec!["run", &query, "--base-url", url, "--format", "json"];
    arguments.extend(flags);
    let mut command = postback(&arguments);
    prepare(&mut command);
    let said = said(&mut command);
    assert!(!said.stdout.contains(TOKEN) && !said.stderr.contains(TOKEN));
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    let account = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}\n{}", said.stdout, said.stderr));
    Ended { code: said.code, account, stderr: said.stderr }
}

fn answer(status: &'static str, headers: &'static str, body: &str) -> Answer {
    Answer { status, headers, body: body.to_owned() }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[test]
fn requests_carry_the_token_json_and_no_cookie() {
    let cookie = "Content-Type: application/json\r\nSet-Cookie: tracked=1\r\n";
    let server = Server::answering([answer("200 OK", cookie, OK)]);
    let ended = deliver(&server.url, &["--batch-events", "4"]);
    assert_eq!((ended.code, ended.places()), (0, [8, 0, 0, 0]), "{}", ended.stderr);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(request.line, "POST /open_api/v1.3/event/track/ HTTP/1.1");
        assert_eq!(header(&request, "access-token"), Some("token-of-the-test"));
        assert_eq!(header(&request, "content-type"), Some("application/json"));
        assert_eq!(header(&request, "host"), server.url.strip_prefix("http://"));
        assert!(header(&request, "user-agent").is_some_and(|agent| agent.starts_with("postback/")));
        for absent in ["cookie", "referer", "authorization", "accept-encoding"] {
            assert_eq!(header(&request, absent), None, "{absent}");
        }
    }
}

#[test]
fn an_error_page_leaves_events_unsent_and_says_so() {
    let page = answer("500 Internal Server Error", "Content-Type: text/html\r\n", "<html>Internal error</html>");
    let server = Server::answering([page]);
    let ended = deliver(&server.url, &["--give-up-after", "1s"]);
    assert_eq!((ended.code, ended.places()), (4, [0, 0, 0, 8]), "{}", ended.stderr);
    assert!(ended.stderr.contains("HTTP status 500"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&server.url), "{}", ended.stderr);
    assert!(!ended.stderr.contains("<html>"), "{}", ended.stderr);
    let requests = server.requests();
    assert!(requests.len() > 1, "one attempt is no persistence");
    assert!(requests.iter().all(|request| request.body == requests[0].body), "repeats must be the same bytes");
}

#[test]
fn an_error_page_and_then_success_accepts_everything_once() {
    let page = answer("502 Bad Gateway", "Content-Type: text/html\r\n", "<html>");
    let server = Server::answering([page, Answer::ok(OK)]);
    let ended = deliver(&server.url, &[]);
    assert_eq!((ended.code, ended.places()), (0, [8, 0, 0, 0]), "{}", ended.stderr);
    assert_eq!(ended.place("requests"), 2);
}

#[test]
fn only_the_integer_zero_is_success() {
    for body in [
        r#"{"code":"0","message":"OK","request_id":"1"}"#,
        r#"{"code":0.0,"message":"OK","request_id":"1"}"#,
        r#"{"code":null,"message":"OK"}"#,
        r#"{"message":"OK"}"#,
        r#"{"code":0,"code":40002,"message":"OK"}"#,
        r#"[{"code":0}]"#,
        r#"{"code":0,"message":"O"#,
        "OK",
        "",
    ] {
        let server = Server::answering([Answer::ok(body)]);
        let ended = deliver(&server.url, &["--give-up-after", "1s"]);
        assert_eq!(ended.code, 4, "{body}: {}", ended.stderr);
        assert_eq!(ended.places(), [0, 0, 0, 8], "{body}");
        assert!(ended.stderr.contains("no integer `code`"), "{body}: {}", ended.stderr);
    }
}

#[test]
fn five_garbled_answers_end_a_run_that_running_again_completes() {
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "purchases.sql", PURCHASES);
    let ledger = folder.path().join("state");
    let ledger = ledger.to_str().unwrap();
    let healthy = Arc::new(AtomicBool::new(false));
    let is_healthy = Arc::clone(&healthy);
    let server = Server::judging(move |_| Answer::ok(if is_healthy.load(Ordering::SeqCst) { OK } else { "OK" }));
    let run = || {
        let flags = ["--base-url", &server.url, "--ledger", ledger, "--batch-events", "4", "--format", "json"];
        said(postback(&["run", &query]).args(flags).env("POSTBACK_ACCESS_TOKEN", "token-of-the-test"))
    };
    let cut_short = run();
    assert_eq!((cut_short.code, server.requests().len()), (4, 5), "{}", cut_short.stderr);
    assert!(cut_short.stderr.contains("running again sends what may have arrived once more"), "{}", cut_short.stderr);
    // What was sent is in doubt and waits for no decision, as TikTok drops copies: the next run repeats it.
    healthy.store(true, Ordering::SeqCst);
    let again = run();
    assert_eq!(again.code, 0, "{}", again.stderr);
    let account: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((&account["accepted"], &account["already_accepted"]), (&8.into(), &0.into()), "{account}");
}

#[test]
fn nothing_is_promised_about_what_was_sent_before_a_redirect() {
    // The first request may have arrived, so exit code 2, which promises that nothing was sent, would be wrong.
    let moved = answer("301 Moved Permanently", "Location: https://elsewhere.example/\r\n", "");
    let server = Server::answering([answer("502 Bad Gateway", "", "<html>"), moved]);
    let ended = deliver(&server.url, &[]);
    assert_eq!((ended.code, ended.places()), (4, [0, 0, 0, 8]), "{}", ended.stderr);
}

#[test]
fn a_refused_token_stops_the_run() {
    let refusal = r#"{"code":40105,"message":"Access token is incorrect or has been revoked.","request_id":"R7"}"#;
    let server = Server::answering([Answer::ok(refusal)]);
    let ended = deliver(&server.url, &["--batch-events", "2"]);
    assert_eq!((ended.code, ended.places()), (3, [0, 0, 0, 8]), "{}", ended.stderr);
    for said in ["40105", "R7", "generate a new access token"] {
        assert!(ended.stderr.contains(said), "{said} in {}", ended.stderr);
    }
    assert!(server.requests().len() <= 6, "{} requests with a refused token", server.requests().len());
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Server::answering([Answer::ok(OK)]);
    let url = elsewhere.url.clone();
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let headers: &'static str = format!("Location: {url}/open_api/v1.3/event/track/\r\n").leak();
        let server = Server::answering([answer(status, headers, "")]);
        let ended = deliver(&server.url, &[]);
        assert_eq!((ended.code, ended.places()), (2, [0, 0, 0, 8]), "{status}: {}", ended.stderr);
        assert!(ended.stderr.contains("redirects are not followed"), "{}", ended.stderr);
        assert_eq!(server.requests().len(), 1, "{status}");
    }
    assert!(elsewhere.requests().is_empty(), "the token went elsewhere");
}

#[test]
fn a_refused_connection_names_the_url_within_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let start = Instant::now();
    let ended = deliver(&url, &[]);
    assert_eq!((ended.code, ended.places()), (4, [0, 0, 0, 8]), "{}", ended.stderr);
    assert!(ended.stderr.contains(&url), "{}", ended.stderr);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn one_poisonous_event_is_found_and_its_neighbours_are_accepted() {
    let refusal = r#"{"code":40002,"message":"data.0.user.email: invalid","request_id":"R8","data":{}}"#;
    let server = Server::judging(move |request| {
        Answer::ok(if request.body.contains(r#""order_id":"5""#) { refusal } else { OK })
    });
    let ended = deliver(&server.url, &["--max-rejects", "1"]);
    assert_eq!(ended.places(), [7, 1, 0, 0], "{}", ended.stderr);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let refusals = ended.account["refusals"].as_array().unwrap();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!((&refusals[0]["code"], &refusals[0]["events"]), (&40_002.into(), &1.into()));
    assert_eq!(refusals[0]["request_id"], "R8");
    assert!(server.requests().len() <= 8, "{} requests for one of eight events", server.requests().len());
    let ended = deliver(&server.url, &[]);
    assert_eq!((ended.code, ended.places()), (1, [7, 1, 0, 0]), "over the threshold: {}", ended.stderr);
}

#[test]
fn throttling_is_waited_out() {
    let throttled = r#"{"code":40100,"message":"Too many requests","request_id":"1"}"#;
    let server = Server::answering([Answer::ok(throttled), Answer::ok(OK)]);
    let ended = deliver(&server.url, &[]);
    assert_eq!((ended.code, ended.places()), (0, [8, 0, 0, 0]), "{}", ended.stderr);
}

#[test]
fn a_base_url_that_would_leak_the_token_is_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "purchases.sql", PURCHASES);
    for url in ["http://api.example", "https://user:word@api.example", "ftp://api.example", "api.example"] {
        let said =
            said(postback(&["run", &query, "--base-url", url]).env("POSTBACK_ACCESS_TOKEN", "token-of-the-test"));
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{url}: {}", said.stderr);
        assert!(!said.stderr.contains("word@"), "{}", said.stderr);
    }
}
