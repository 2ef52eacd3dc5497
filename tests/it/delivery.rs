//! The driver against a scripted transport, and the HTTP client against raw TCP servers that misbehave.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use postback::api::{BaseUrl, Client, RawResponse, TransportError, TransportKind};
use postback::contract::EventSource;
use postback::delivery::{self, Activity, Cause, Failed, Options, Report, Settled, Transport, deliver};
use postback::error::{Error, ErrorKind, Result};
use postback::event::{Batch, Destination, EncodedEvent, EventKey, Outcome};
use postback::ledger::{Model, Recorded, Run, Standing, Store, Ticket};
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};

const OK: &str = r#"{"code":0,"message":"OK","request_id":"R0","data":{}}"#;

/// A batch of `events` events whose objects name batch and position.
pub(crate) fn batch(number: u64, events: u64) -> Batch {
    let destination = Destination { event_source: EventSource::Offline, event_source_id: "7".into() };
    let (mut json, mut encoded) = (Vec::new(), Vec::new());
    for position in 0..events {
        if position > 0 {
            json.push(b',');
        }
        let start = json.len();
        json.extend_from_slice(format!(r#"{{"n":"{number}.{position}"}}"#).as_bytes());
        let key = EventKey::new(&[1; 32], &destination, "Purchase", &format!("{number}.{position}"));
        encoded.push(EncodedEvent { key, span: start..json.len(), time: 0, row: position, payload: 0 });
    }
    Batch {
        destination,
        head: Bytes::from_static(br#"{"data":["#),
        json: json.into(),
        range: 0..encoded.len(),
        events: encoded.into(),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a transport gives")]
pub(crate) fn raw(status: u16, body: &str) -> Result<RawResponse, TransportError> {
    Ok(RawResponse {
        status,
        body: Bytes::copy_from_slice(body.as_bytes()),
        retry_after: None,
        date: None,
        is_premature: false,
        log_id: None,
    })
}

pub(crate) type Answer = Box<dyn Fn(&str) -> Result<RawResponse, TransportError> + Send + Sync>;

/// Answers from a script, then success.
pub(crate) struct Script {
    answers: Mutex<VecDeque<Answer>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Script {
    pub(crate) fn new(answers: Vec<Answer>) -> (Self, Arc<Mutex<Vec<String>>>) {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        (Self { answers: Mutex::new(answers.into()), bodies: Arc::clone(&bodies) }, bodies)
    }
}

impl Transport for Script {
    fn endpoint(&self) -> &'static str {
        "script:"
    }

    async fn send(&self, body: Recorded) -> Result<RawResponse, TransportError> {
        let body = String::from_utf8(body.into_bytes().to_vec()).expect("text");
        self.bodies.lock().expect("sound").push(body.clone());
        let answer = self.answers.lock().expect("sound").pop_front();
        tokio::task::yield_now().await;
        answer.map_or_else(|| raw(200, OK), |answer| answer(&body))
    }
}

fn options() -> Options {
    Options { second_opinion: Duration::from_millis(10), ..Options::default() }
}

/// Delivers the batches and gives back what came out, in the order of the batches.
pub(crate) async fn run<T: Transport>(
    batches: Vec<Batch>,
    transport: T,
    store: Arc<dyn Store>,
) -> (Result<Report, Box<Failed>>, Vec<Vec<Outcome>>) {
    let (offer, offered) = mpsc::channel(2);
    let (settled, mut settlements) = mpsc::channel::<Settled>(1);
    let (_stop, stopped) = watch::channel(false);
    let driver = tokio::spawn(deliver(offered, transport, store, options(), settled, stopped));
    let mut outcomes = vec![Vec::new(); batches.len()];
    let feeder = tokio::spawn(async move {
        let mut entered = 0;
        for batch in batches {
            if offer.send(batch).await.is_err() {
                break;
            }
            entered += 1;
        }
        entered
    });
    while let Some(Settled { batch, outcomes: found, .. }) = settlements.recv().await {
        let text = String::from_utf8_lossy(&batch.json).into_owned();
        let number: usize = text[6..].split('.').next().expect("a number").parse().expect("a number");
        assert_eq!(found.len(), batch.len());
        assert!(outcomes[number].is_empty(), "settled twice");
        outcomes[number] = found;
    }
    let report = driver.await.expect("no panic");
    let entered: usize = feeder.await.expect("no panic");
    assert!(outcomes[..entered].iter().all(|outcomes| !outcomes.is_empty()), "what entered came out");
    (report, outcomes)
}

fn model() -> Arc<Model> {
    Arc::new(Model::new([1; 32]))
}

fn all(outcomes: &[Vec<Outcome>], expected: &Outcome) -> bool {
    outcomes.iter().flatten().all(|outcome| outcome == expected)
}

#[tokio::test]
async fn delivers_many_batches_once_and_records_them() {
    let (script, bodies) = Script::new(Vec::new());
    let store = model();
    let batches: Vec<Batch> = (0..30).map(|number| batch(number, 5)).collect();
    let (report, outcomes) = run(batches, script, store.clone()).await;
    let report = report.expect("delivered");
    assert!(all(&outcomes, &Outcome::Accepted));
    assert_eq!((report.requests, report.retries, report.stop), (30, 0, None));
    let bodies = bodies.lock().expect("sound");
    assert_eq!(report.bytes_sent, bodies.iter().map(|body| body.len() as u64).sum::<u64>());
    assert_eq!((store.accepted(), store.open()), (150, 0));
    assert!(batch(3, 5).events().iter().all(|event| store.contains(&event.key)));
}

#[tokio::test]
async fn rejects_the_bad_event_alone_and_keeps_its_field() {
    let refuse: fn() -> Answer = || {
        Box::new(|body| {
            if body.contains(r#""0.2""#) {
                return raw(
                    200,
                    r#"{"code":40002,"message":"Invalid value for event_id: x@y.example.","request_id":"R9"}"#,
                );
            }
            raw(200, OK)
        })
    };
    let (script, _) = Script::new((0..20).map(|_| refuse()).collect());
    let (report, outcomes) = run(vec![batch(0, 5), batch(1, 5)], script, model()).await;
    let report = report.expect("delivered");
    assert_eq!(report.stop, None);
    let rejected: Vec<&Outcome> =
        outcomes[0].iter().filter(|outcome| matches!(outcome, Outcome::Rejected(_))).collect();
    let Outcome::Rejected(refusal) = &outcomes[0][2] else { panic!("{outcomes:?}") };
    assert_eq!(
        (rejected.len(), refusal.code, refusal.field, refusal.request_id.as_deref()),
        (1, 40_002, Some("event_id"), Some("R9"))
    );
    assert!(all(&outcomes[1..], &Outcome::Accepted));
    assert!(report.codes[&40_002] >= 2);
}

#[tokio::test]
async fn a_duplicate_is_accepted_only_where_an_earlier_run_offered_that_event() {
    let store = model();
    for (position, outcome) in [(0, Outcome::InDoubt), (2, Outcome::Accepted), (3, Outcome::Held), (4, Outcome::Unsent)]
    {
        let ticket = store.prepare(&batch(0, 6).slice(position..position + 1)).expect("prepared");
        store.settle(ticket, &[outcome]).expect("settled");
    }
    let duplicate: Answer = Box::new(|_| raw(200, r#"{"code":40050,"message":"duplicate requests sent"}"#));
    let (script, _) = Script::new(vec![duplicate]);
    let (report, outcomes) = run(vec![batch(0, 6)], script, store).await;
    assert!(report.is_ok());
    let [accepted, held] = [Outcome::Accepted, Outcome::Held];
    assert_eq!(outcomes[0].iter().collect::<Vec<_>>(), [&accepted, &held, &accepted, &accepted, &held, &held]);
}

/// A ledger that cannot write any more after `intents` intents.
struct Full {
    model: Model,
    intents: Mutex<usize>,
    settles: bool,
}

impl Store for Full {
    fn prepare(&self, batch: &Batch) -> Result<Ticket> {
        let mut left = self.intents.lock().expect("sound");
        *left = left.checked_sub(1).ok_or_else(|| Error::new(ErrorKind::Incomplete, "disk full"))?;
        self.model.prepare(batch)
    }

    fn settle(&self, ticket: Ticket, outcomes: &[Outcome]) -> Result<()> {
        self.model.settle(ticket, outcomes)?;
        if self.settles { Ok(()) } else { Err(Error::new(ErrorKind::Incomplete, "disk full")) }
    }

    fn cancel(&self, ticket: Ticket) -> Result<()> {
        self.model.cancel(ticket)
    }

    fn standing(&self, key: &EventKey) -> Standing {
        self.model.standing(key)
    }

    fn now(&self) -> i64 {
        self.model.now()
    }

    fn secret(&self) -> [u8; 32] {
        self.model.secret()
    }

    fn begin_run(&self, run: &Run) -> Result<()> {
        self.model.begin_run(run)
    }

    fn end_run(&self, succeeded: bool) -> Result<()> {
        self.model.end_run(succeeded)
    }

    fn last_success(&self, query: &str) -> Option<i64> {
        self.model.last_success(query)
    }
}

#[tokio::test]
async fn sends_nothing_that_is_not_on_record() {
    let (script, bodies) = Script::new(Vec::new());
    let store = Arc::new(Full { model: Model::new([1; 32]), intents: Mutex::new(0), settles: true });
    let (report, outcomes) = run((0..10).map(|number| batch(number, 2)).collect(), script, store).await;
    let Failed { error, report } = *report.expect_err("the ledger failed");
    assert_eq!((error.message(), report.requests), ("disk full", 0));
    assert!(all(&outcomes, &Outcome::Unsent));
    assert!(bodies.lock().expect("sound").is_empty());
}

#[tokio::test]
async fn a_ledger_that_cannot_settle_ends_the_delivery_but_loses_no_batch() {
    let (script, _) = Script::new(Vec::new());
    let store = Arc::new(Full { model: Model::new([1; 32]), intents: Mutex::new(99), settles: false });
    let (report, outcomes) = run((0..40).map(|number| batch(number, 2)).collect(), script, store).await;
    assert!(report.is_err_and(|failed| failed.report.requests > 0));
    assert!(
        outcomes.iter().flatten().any(|outcome| *outcome == Outcome::Unsent)
            || outcomes.last().is_some_and(Vec::is_empty)
    );
}

#[tokio::test]
async fn a_panic_below_ends_the_delivery_as_a_defect() {
    let (script, _) = Script::new(vec![Box::new(|_| panic!("on purpose"))]);
    let (report, outcomes) = run((0..5).map(|number| batch(number, 2)).collect(), script, model()).await;
    assert_eq!(report.expect_err("a defect").error.kind(), ErrorKind::Internal);
    let in_doubt = outcomes.iter().flatten().filter(|outcome| **outcome == Outcome::InDoubt).count();
    let unsent = outcomes.iter().flatten().filter(|outcome| **outcome == Outcome::Unsent).count();
    assert_eq!((in_doubt, unsent), (2, 8), "a panic says nothing about what was written");
}

#[tokio::test]
async fn stops_on_request_and_hands_everything_back() {
    let (script, bodies) = Script::new(Vec::new());
    let (offer, offered) = mpsc::channel(8);
    let (settled, mut settlements) = mpsc::channel(8);
    let (_stop, stopped) = watch::channel(true);
    for number in 0..8 {
        offer.send(batch(number, 2)).await.expect("room");
    }
    let report = deliver(offered, script, model(), options(), settled, stopped).await.expect("stopped");
    assert_eq!(report.stop.as_ref().map(|stop| stop.cause), Some(Cause::Drained));
    assert_eq!(report.stop.expect("a reason").to_error().kind(), ErrorKind::Incomplete);
    assert!(offer.send(batch(9, 1)).await.is_err(), "nothing more is taken");
    let mut count = 0;
    while let Some(Settled { outcomes, .. }) = settlements.recv().await {
        assert_eq!(outcomes, [Outcome::Unsent, Outcome::Unsent]);
        count += 1;
    }
    assert_eq!(count, 8);
    assert!(bodies.lock().expect("sound").is_empty());
}

#[tokio::test]
async fn ends_when_nobody_takes_the_outcomes() {
    let (script, _) = Script::new(Vec::new());
    let (offer, offered) = mpsc::channel(8);
    let (settled, settlements) = mpsc::channel(1);
    let (_stop, stopped) = watch::channel(false);
    drop(settlements);
    offer.send(batch(0, 1)).await.expect("room");
    let report = deliver(offered, script, model(), options(), settled, stopped).await.expect("stopped");
    assert_eq!(report.stop.map(|stop| stop.cause), Some(Cause::Drained));
}

/// Bytes of events, and how many of them there are in all batches, now and at most.
struct Counted(Vec<u8>, Arc<Mutex<(usize, usize)>>);

impl Counted {
    fn new(bytes: usize, alive: &Arc<Mutex<(usize, usize)>>) -> Self {
        let mut count = alive.lock().expect("sound");
        count.0 += bytes;
        count.1 = count.1.max(count.0);
        Self(vec![b' '; bytes], Arc::clone(alive))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.lock().expect("sound").0 -= self.0.len();
    }
}

/// Accepts everything after a while.
struct Slow;

impl Transport for Slow {
    fn endpoint(&self) -> &'static str {
        "slow:"
    }

    async fn send(&self, _: Recorded) -> Result<RawResponse, TransportError> {
        tokio::time::sleep(Duration::from_millis(60)).await;
        raw(200, OK)
    }
}

#[tokio::test]
async fn events_in_queues_are_bounded_in_bytes_when_nobody_takes_what_is_done() {
    const MEGABYTE: usize = 1_000_000;
    let alive = Arc::default();
    let (offer, offered) = mpsc::channel(delivery::QUEUED);
    let (settled, mut settlements) = mpsc::channel::<Settled>(delivery::QUEUED);
    let (stop, stopped) = watch::channel(false);
    let options = Options { rate: 900, ..options() };
    let driver = tokio::spawn(deliver(offered, Slow, model(), options, settled, stopped));
    let counted = Arc::clone(&alive);
    let feeder = tokio::spawn(async move {
        for number in 0.. {
            let small = batch(number, 1);
            let json = Bytes::from_owner(Counted::new(MEGABYTE, &counted));
            if offer.send(Batch { json, ..small }).await.is_err() {
                break;
            }
        }
    });
    // Until as many are under way as may be; then the disk of the artifacts hangs.
    for _ in 0..1_500 {
        settlements.recv().await.expect("a settled batch");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.send_replace(true);
    let (at_rest, most) = *alive.lock().expect("sound");
    while settlements.recv().await.is_some() {}
    driver.await.expect("no panic").expect("a sound ledger");
    feeder.await.expect("no panic");
    assert_eq!(alive.lock().expect("sound").0, 0);
    assert!(at_rest >= 3 * delivery::QUEUED * MEGABYTE, "the queues were not full: {at_rest} bytes");
    assert!(most <= 64 << 20, "{most} bytes");
}

#[tokio::test]
async fn tells_what_it_is_doing() {
    let (script, _) = Script::new(vec![Box::new(|_| raw(503, ""))]);
    let (activity, mut seen) = watch::channel(Activity::Idle);
    let (offer, offered) = mpsc::channel(1);
    let (settled, mut settlements) = mpsc::channel(1);
    let (_stop, stopped) = watch::channel(false);
    offer.send(batch(0, 1)).await.expect("room");
    drop(offer);
    let options = Options { activity: Some(activity), seed: 3, ..options() };
    let driver = tokio::spawn(deliver(offered, script, model(), options, settled, stopped));
    let mut kinds = Vec::new();
    while seen.changed().await.is_ok() {
        kinds.push(std::mem::discriminant(&*seen.borrow_and_update()));
    }
    assert!(settlements.recv().await.is_some());
    assert!(driver.await.expect("no panic").is_ok());
    assert!(kinds.contains(&std::mem::discriminant(&Activity::Sending { in_flight: 1 })));
    assert_eq!(kinds.last(), Some(&std::mem::discriminant(&Activity::Idle)));
}

/// A server that answers the n-th connection with the n-th bytes and closes it; the last ones are repeated.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answers) = (Arc::clone(&requests), answers.iter().map(ToString::to_string).collect::<Vec<_>>());
        std::thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                let Ok(connection) = connection else { return };
                let request = read_request(&connection);
                seen.lock().expect("sound").push(request);
                let answer = answers.get(number).or(answers.last()).cloned().unwrap_or_default();
                drop((&connection).write_all(answer.as_bytes()));
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("sound").clone()
    }
}

fn read_request(connection: &TcpStream) -> String {
    let mut reader = BufReader::new(connection);
    let (mut head, mut length) = (String::new(), 0);
    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {
        let line = head.lines().last().unwrap_or_default().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    drop(reader.read_exact(&mut body));
    head + &String::from_utf8_lossy(&body)
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

fn client(url: &str) -> Client {
    Client::new(&BaseUrl::parse(url).expect("a base URL"), &SecretString::from("t0k3n")).expect("a client")
}

/// Delivers one batch of two events to a server with these answers.
async fn deliver_to(answers: &[&str]) -> (Report, Vec<Outcome>, Vec<String>) {
    let server = Server::start(answers);
    let (report, mut outcomes) = run(vec![batch(0, 2)], client(&server.url), model()).await;
    (report.expect("no ledger failure"), outcomes.remove(0), server.requests())
}

#[tokio::test]
async fn posts_json_to_the_documented_path_with_the_token_in_its_header() {
    let (report, outcomes, requests) = deliver_to(&[&http("200 OK", "", OK)]).await;
    assert_eq!((report.requests, outcomes), (1, vec![Outcome::Accepted; 2]));
    let request = requests[0].to_ascii_lowercase();
    assert!(request.starts_with("post /open_api/v1.3/event/track/ http/1.1\r\n"), "{request}");
    for line in [
        "access-token: t0k3n\r\n",
        "content-type: application/json\r\n",
        concat!("user-agent: postback/", env!("CARGO_PKG_VERSION"), "\r\n"),
    ] {
        assert!(request.contains(line), "{request}");
    }
    assert!(!request.contains("accept-encoding") && !request.contains("referer") && !request.contains("cookie"));
    assert!(request.ends_with(r#"{"data":[{"n":"0.0"},{"n":"0.1"}]}"#));
}

#[tokio::test]
async fn answers_that_are_no_success_are_repeated_with_the_same_body() {
    let half = http("200 OK", "", OK).replace("Content-Length: 5", "Content-Length: 95");
    for doubtful in [
        http("500 Internal Server Error", "Content-Type: text/html\r\n", "<html><h1>500</h1></html>"),
        http("200 OK", "", r#"{"code":"0","message":"OK"}"#),
        http("200 OK", "", r#"{"code":0,"mess"#),
        http("200 OK", "", ""),
        half,
        String::new(),
        "HTTP/1.1 200 OK\r\nContent-Le".to_owned(),
    ] {
        let (report, outcomes, requests) = deliver_to(&[&doubtful, &http("200 OK", "", OK)]).await;
        assert_eq!(outcomes, vec![Outcome::Accepted; 2], "{doubtful}");
        assert_eq!((report.requests, report.retries, report.stop), (2, 1, None), "{doubtful}");
        assert_eq!(requests[0], requests[1]);
    }
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let target = Server::start(&[&http("200 OK", "", OK)]);
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("Location: {}/open_api/v1.3/event/track/\r\n", target.url);
        let (report, outcomes, requests) = deliver_to(&[&http(status, &location, "")]).await;
        let error = report.stop.expect("stopped").to_error();
        assert_eq!((error.kind(), requests.len()), (ErrorKind::Usage, 1));
        assert!(error.hint_text().is_some_and(|hint| hint.contains("redirect")));
        assert_eq!(outcomes, vec![Outcome::Unsent; 2]);
    }
    assert_eq!(target.requests(), Vec::<String>::new(), "the token stayed with its origin");
}

#[tokio::test]
async fn a_refused_token_is_a_credentials_error_after_a_second_opinion() {
    let refusal = http(
        "200 OK",
        "",
        r#"{"code":40105,"message":"Access token is incorrect or has been revoked.","request_id":"R5"}"#,
    );
    let (report, outcomes, requests) = deliver_to(&[&refusal]).await;
    let stop = report.stop.expect("stopped");
    assert_eq!((stop.cause, stop.code, stop.request_id.as_deref()), (Cause::Credentials, Some(40_105), Some("R5")));
    assert_eq!((stop.to_error().exit_code(), requests.len()), (3, 2));
    assert_eq!(outcomes, vec![Outcome::Unsent; 2]);
}

#[tokio::test]
async fn nobody_listening_is_said_within_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let started = Instant::now();
    let store = model();
    let (report, outcomes) = run((0..3).map(|number| batch(number, 2)).collect(), client(&url), store.clone()).await;
    let report = report.expect("no ledger failure");
    let error = report.stop.expect("stopped").to_error();
    assert_eq!((error.kind(), error.exit_code(), report.requests), (ErrorKind::Incomplete, 4, 0));
    assert!(error.message().contains(&url) && error.hint_text().is_some(), "{error}");
    assert!(all(&outcomes, &Outcome::Unsent));
    assert_eq!(store.open(), 0, "no intent stays behind");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn failures_say_whether_a_byte_may_have_been_written() {
    let silent = Server::start(&[""]);
    let error = client(&silent.url).track(Bytes::from_static(b"{}")).await.expect_err("closed without an answer");
    assert!(!error.before_first_byte && error.kind == TransportKind::Broken, "{error:?}");

    let large = Server::start(&[&http("200 OK", "", &"x".repeat((4 << 20) + 1))]);
    let error = client(&large.url).track(Bytes::from_static(b"{}")).await.expect_err("too large");
    assert!(!error.before_first_byte && error.kind == TransportKind::Oversize, "{error:?}");

    let unknown =
        Client::new(&BaseUrl::parse("https://postback.invalid").expect("a base URL"), &SecretString::from("t"));
    if let Ok(unknown) = unknown {
        let error = unknown.track(Bytes::from_static(b"{}")).await.expect_err("no such host");
        assert!(error.before_first_byte, "{error:?}");
    }
}

#[tokio::test]
async fn no_token_is_sent_when_tls_fails() {
    let server = Server::start(&[&http("200 OK", "", OK)]);
    let url = server.url.replace("http:", "https:");
    // Without root certificates there is no client, which is as safe.
    let Ok(client) = Client::new(&BaseUrl::parse(&url).expect("a base URL"), &SecretString::from("t0k3n")) else {
        return;
    };
    // The server waits for a line end; what it gets is a handshake, and then the end.
    let exchange = tokio::time::timeout(Duration::from_secs(10), client.track(Bytes::from_static(b"{}"))).await;
    if let Ok(exchange) = exchange {
        let error = exchange.expect_err("no TLS there");
        assert!(error.before_first_byte, "{error:?}");
    }
    assert!(server.requests().iter().all(|request| !request.contains("t0k3n")));
}
