//! The HTTP side: the event endpoint in TikTok's order of checks, and the private routes for looking at what arrived.
//!
//! A fault of the script comes before all checks, as the network and gateways do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use secrecy::ExposeSecret;

use super::envelope::Envelope;
use super::faults::wire::{Connection, Ending, Port};
use super::faults::{self, Faults, Given, Hit, endpoint};
use super::json::Json;
use super::judge::{self, Event, Refusal, Verdict, Warnings};
use super::record::{Acceptance, Record, clip};
use super::rules::{code, message};
use super::snapshot::{RequestLine, Snapshot};
use super::throttle::Throttle;
use super::{Options, page};
use crate::contract::{EventSource, TRACK_PATH};
use crate::event::{Destination, EventKey};

/// Bytes of a request body; more is answered with HTTP 413.
const MAX_BODY_BYTES: usize = 10 << 20;
/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_mins(1);
const TOKEN_HEADER: &str = "access-token";
pub(crate) const LOG_ID: HeaderName = HeaderName::from_static("x-tt-logid");
/// Keys of the de-duplication table are private to the process, so any secret does.
const KEY_SECRET: [u8; 32] = [0; 32];
/// What the page may load: its own style and script, nothing inline, nothing from elsewhere.
const CONTENT_POLICY: &str =
    "default-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What all requests share.
pub(crate) struct Shared {
    options: Options,
    address: SocketAddr,
    started: Instant,
    answers: AtomicU64,
    throttle: Mutex<Throttle>,
    record: Mutex<Record>,
    pub(crate) faults: Faults,
    port: Port,
}

/// The events of a request that passed every check.
struct Acceptable<'a> {
    events: Vec<Event<'a>>,
    /// Events that a fault has taken out.
    left_out: u64,
    warnings: Warnings,
}

impl Acceptable<'_> {
    /// Takes out the events at these positions, which ascend.
    fn leave_out(&mut self, positions: &[usize]) {
        let mut position = 0;
        self.events.retain(|_| {
            let is_kept = positions.binary_search(&position).is_err();
            self.left_out += u64::from(!is_kept);
            position += 1;
            is_kept
        });
    }
}

/// Every route of the sandbox.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(TRACK_PATH, post(track))
        .route("/", get(show_page))
        .route("/page.css", get(async || asset("text/css; charset=utf-8", page::STYLE)))
        .route("/page.js", get(async || asset("text/javascript; charset=utf-8", page::SCRIPT)))
        .route("/state.json", get(show_state))
        .route("/events.ndjson", get(show_events))
        .route("/reset", post(reset))
        .route("/faults", get(endpoint::show).put(endpoint::set).delete(endpoint::clear))
        .fallback(async || (StatusCode::NOT_FOUND, "page not found"))
        .with_state(shared)
}

async fn track(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let is_reused = connection.is_reused();
    if shared.port.is_closed() {
        return connection.end_with(Bytes::new(), Ending::Reset);
    }
    let (parts, body) = request.into_parts();
    let body = match tokio::time::timeout(BODY_TIME, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return (StatusCode::PAYLOAD_TOO_LARGE, "request body too large").into_response(),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, "request body too slow").into_response(),
    };
    // Judging a thousand events takes milliseconds of computing: not on a thread that moves sockets.
    let judge = Arc::clone(&shared);
    let judged = tokio::task::spawn_blocking(move || judge.answer(&parts.headers, &body, started, is_reused)).await;
    match judged {
        Ok((given, None)) => given.into_response(),
        Ok((given, Some(hit))) => faults::perform(hit, given, &connection, &shared.port).await,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn show_page(State(shared): State<Arc<Shared>>) -> Response {
    let last_event = shared.record().events().next_back();
    let html = page::render(&shared.snapshot(), last_event.as_deref()).into_string();
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, html).into_response()
}

async fn show_state(State(shared): State<Arc<Shared>>) -> Response {
    axum::Json(shared.snapshot()).into_response()
}

async fn show_events(State(shared): State<Arc<Shared>>) -> Response {
    let lines: Vec<Bytes> = shared.record().events().map(|line| Bytes::from(line + "\n")).collect();
    let body = Body::from(lines.concat());
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

async fn reset(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> StatusCode {
    if is_from_elsewhere(&headers) {
        return StatusCode::FORBIDDEN;
    }
    shared.reset();
    StatusCode::NO_CONTENT
}

/// Whether another site's page sends this from the user's browser: it can, but cannot hide where it comes from.
pub(crate) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

impl Shared {
    pub(crate) fn new(options: Options, address: SocketAddr, port: Port) -> Self {
        Self {
            address,
            started: Instant::now(),
            answers: AtomicU64::new(0),
            throttle: Mutex::new(Throttle::new(options.requests_per_second)),
            record: Mutex::new(Record::new(options.keep_all)),
            faults: Faults::new(options.faults.clone()),
            port,
            options,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            base_url: self.base_url(),
            profile: self.options.profile.as_str(),
            faults: self.faults.counts(),
            ..self.record().snapshot(self.started.elapsed())
        }
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    pub(crate) fn reset(&self) {
        *self.record() = Record::new(self.options.keep_all);
    }

    /// Judges a request, notes it, and says which fault its answer meets.
    fn answer(&self, headers: &HeaderMap, body: &[u8], started: Instant, is_reused: bool) -> (Given, Option<Hit>) {
        let now = (self.options.clock)();
        let request_id = self.request_id(now);
        let mut line = RequestLine { at: now, request_id: request_id.clone(), ..RequestLine::default() };
        let envelope = Envelope::parse(body);
        if let Some(envelope) = &envelope {
            describe(&mut line, envelope);
        }
        let events = usize::try_from(line.events).unwrap_or(usize::MAX);
        let given = |code, message: &str| Given {
            code,
            message: message.to_owned(),
            request_id: request_id.clone(),
            events,
            at: now,
        };
        let hit = self.faults.meet(envelope.as_ref(), is_reused);
        line.fault = hit.as_ref().map_or("", |hit| hit.fault);
        let claimed = hit.as_ref().and_then(|hit| hit.claims(events));
        let (code, message) = claimed.clone().unwrap_or_else(|| (code::OK, message::OK.to_owned()));
        (line.code, line.message) = (code, message.clone());
        if hit.as_ref().is_some_and(|hit| !hit.taken) {
            line.milliseconds = milliseconds(started);
            self.record().lose(line);
            return (given(code, &message), hit);
        }
        match self.judge(headers, envelope.as_ref(), now) {
            Ok((envelope, mut acceptable)) => {
                if let Some(hit) = hit.as_ref().filter(|hit| hit.is_partial()) {
                    acceptable.leave_out(&hit.events);
                }
                self.accept(line, envelope, acceptable, started);
                (given(code, &message), hit)
            }
            Err(refusal) => {
                line.code = refusal.code;
                line.message.clone_from(&refusal.message);
                line.milliseconds = milliseconds(started);
                self.record().refuse(line, &refusal);
                let (code, message) = claimed.unwrap_or((refusal.code, refusal.message));
                (given(code, &message), hit)
            }
        }
    }

    /// The verdict in TikTok's order of checks.
    fn judge<'a, 'b>(
        &self,
        headers: &HeaderMap,
        envelope: Option<&'b Envelope<'a>>,
        now: i64,
    ) -> Result<(&'b Envelope<'a>, Acceptable<'a>), Refusal> {
        self.admit(headers)?;
        let envelope = envelope.ok_or_else(|| Refusal::new(code::PARAMETER, "Invalid JSON body."))?;
        if self.options.profile.refuses(2) && !is_json(headers) {
            return Err(Refusal::new(code::PARAMETER, "Invalid value for Content-Type: must be application/json."));
        }
        match judge::judge(envelope, self.options.profile, now) {
            Verdict::Accept { events, warnings } => Ok((envelope, Acceptable { events, left_out: 0, warnings })),
            Verdict::Refuse(refusal) => Err(refusal),
        }
    }

    /// Token first, then the rate limit: both before a look at the body.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let token = headers.get(TOKEN_HEADER).map_or(&[][..], |token| token.as_bytes().trim_ascii());
        if token.is_empty() {
            return Err(Refusal::new(code::TOKEN_EMPTY, message::TOKEN_EMPTY));
        }
        let known = self.options.token.as_ref();
        if known.is_some_and(|known| known.expose_secret().as_bytes() != token) {
            return Err(Refusal::new(code::TOKEN_INVALID, message::TOKEN_INVALID));
        }
        if !lock(&self.throttle).admit(Instant::now()) {
            return Err(Refusal::new(code::TOO_FREQUENT, message::TOO_FREQUENT));
        }
        Ok(())
    }

    fn accept(&self, mut line: RequestLine, envelope: &Envelope<'_>, acceptable: Acceptable<'_>, started: Instant) {
        let Acceptable { events, left_out, warnings } = acceptable;
        let source = EventSource::parse(&line.event_source).expect("an accepted request has a known source");
        let id = envelope.get("event_source_id");
        let id = id.as_ref().and_then(Json::as_text).unwrap_or_default();
        let destination = Destination { event_source: source, event_source_id: id.into() };
        let key =
            |event: &Event<'_>| event.id.as_deref().map(|id| EventKey::new(&KEY_SECRET, &destination, &event.name, id));
        let keys: Vec<_> = events.iter().map(key).collect();
        let acceptance =
            Acceptance { source, head: head(envelope).into(), events: &events, keys: &keys, left_out, warnings };
        let (now, since_start) = (line.at, self.started.elapsed());
        line.milliseconds = milliseconds(started);
        self.record().accept(line, acceptance, now, since_start);
    }

    /// 14 digits of time and 20 upper-case hexadecimal digits, as TikTok's look.
    fn request_id(&self, now: i64) -> String {
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        let time = jiff::Timestamp::from_second(now).unwrap_or_default();
        let digest = blake3::hash(format!("{}/{number}/{now}", self.address).as_bytes()).to_hex();
        format!("{}{}", time.strftime("%Y%m%d%H%M%S"), digest[..20].to_ascii_uppercase())
    }
}

/// What a request says about itself, whether it is going to be refused or not.
fn describe(line: &mut RequestLine, envelope: &Envelope<'_>) {
    let text = |key: &str| envelope.get(key).as_ref().and_then(Json::as_text).map(clip).unwrap_or_default();
    line.event_source = text("event_source");
    line.event_source_id = text("event_source_id");
    line.is_test = !text("test_event_code").is_empty();
    line.events = envelope.events().map_or(0, |events| events.len() as u64);
}

/// The envelope without its events, as the beginning of a JSON object.
fn head(envelope: &Envelope<'_>) -> String {
    let kept = ["event_source", "event_source_id", "test_event_code"];
    let pairs = kept.into_iter().filter_map(|key| Some((key.into(), envelope.get(key)?))).collect();
    let mut head = serde_json::to_string(&Json::Object(pairs)).expect("texts and numbers become JSON");
    head.pop();
    head
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

fn milliseconds(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1_000.0
}

/// Counts stay usable when a thread that held them has panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
