//! The only HTTP client: everything that leaves this machine for the Events API leaves here.
//!
//! Invariants
//! - The token goes to one origin. Redirects are not followed, no proxy is taken from the environment, and the header
//!   that carries it is marked sensitive, so that no log prints it.
//! - `https` with TLS 1.2 or later; plain `http` to the loopback interface only, for the sandbox.
//! - Every wait has an end and every answer a size: see [`Timeouts`] and the constants below. Nothing is asked to be compressed.
//! - A request is sent once. Retries belong to `delivery`, because the ledger has to see every attempt.
//!
//! A failed exchange says the one thing delivery must know: whether a byte of the request may have been written
//! ([`TransportError::before_first_byte`]). What an answer means is not decided here.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::contract::{PRODUCTION, TRACK_PATH};
use crate::error::{Error, ErrorKind, Result};

pub mod credentials;

/// Largest answer that is read.
const MAX_RESPONSE_BYTES: usize = 4 << 20;
/// Longest value of a header that is kept.
const MAX_HEADER_CHARS: usize = 64;

/// Where the API is: `https`, or `http` on the loopback interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Reads the URL under which `/open_api/v1.3/` lies.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if it is not an absolute `https` URL, or `http` on loopback, or carries user, query or fragment.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |message: &str, hint: &str| {
            Err(Error::new(ErrorKind::Usage, format!("base URL `{}` {message}", shown(text))).hint(hint))
        };
        let mut url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => {
                return refuse("is not a URL", &format!("give an absolute URL such as {PRODUCTION}"))
                    .map_err(|refusal| refusal.source(error));
            }
        };
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return refuse("carries more than an origin and a path", "leave out user, password, query and fragment");
        }
        match url.scheme() {
            "https" if url.has_host() => {}
            "http" if is_loopback(&url) => {}
            "http" => {
                return refuse("would send the token unencrypted", "use https; plain http works on loopback only");
            }
            _ => return refuse("is not an https URL", &format!("give an absolute URL such as {PRODUCTION}")),
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self(url))
    }

    /// Whether this is TikTok's production API.
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.0.origin().ascii_serialization() == PRODUCTION
    }

    /// Whether the host is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Scheme, host and port, as the token is bound to them.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    fn track(&self) -> Url {
        self.0.join(TRACK_PATH.trim_start_matches('/')).expect("a relative path joins an absolute URL")
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// How long the parts of an exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    pub connect: Duration,
    /// Until the head of the answer is here, counted from the start.
    pub first_byte: Duration,
    /// Between two pieces of the answer's body.
    pub idle: Duration,
    /// For the whole exchange.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(10),
            total: Duration::from_mins(1),
        }
    }
}

/// A client of one origin with one token.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    track: Url,
    token: HeaderValue,
    timeouts: Timeouts,
}

impl Client {
    /// A client that sends `token` to `base` and nowhere else.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] if no header can hold the token, [`ErrorKind::Internal`] if TLS cannot be set up.
    pub fn new(base: &BaseUrl, token: &SecretString) -> Result<Self> {
        Self::with_timeouts(base, token, Timeouts::default())
    }

    /// As [`Client::new`], waiting as long as `timeouts` say.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_timeouts(base: &BaseUrl, token: &SecretString, timeouts: Timeouts) -> Result<Self> {
        let mut token = HeaderValue::from_str(token.expose_secret()).map_err(|_| {
            Error::new(ErrorKind::Credentials, "the access token holds characters no HTTP header can carry")
        })?;
        token.set_sensitive(true);
        // The first of several clients installs it; that a later one finds it there is no failure.
        drop(rustls::crypto::ring::default_provider().install_default());
        let plain = base.0.scheme() == "http";
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("postback/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .https_only(!plain)
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.total);
        if plain {
            // No certificate is ever looked at, so none is loaded, and none has to be installed.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| {
            Error::new(ErrorKind::Internal, "the TLS client could not be set up")
                .hint("are the system's root certificates installed?")
                .source(error)
        })?;
        Ok(Self { http, track: base.track(), token, timeouts })
    }

    /// The URL events are posted to.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.track.as_str()
    }

    /// Posts one request body to `/event/track/` and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// If there is no complete answer within the limits.
    pub async fn track(&self, body: Bytes) -> Result<RawResponse, TransportError> {
        let request = self
            .http
            .post(self.track.clone())
            .header(HeaderName::from_static("access-token"), self.token.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body);
        let mut response = tokio::time::timeout(self.timeouts.first_byte, request.send())
            .await
            .map_err(|_| TransportError::written(TransportKind::Timeout))?
            .map_err(TransportError::from_send)?;
        let status = response.status().as_u16();
        let date = date(response.headers(), &DATE);
        let retry_after = retry_after(response.headers(), date);
        let log_id = response.headers().get("x-tt-logid").and_then(identifier);
        let mut body = BytesMut::new();
        loop {
            let chunk = tokio::time::timeout(self.timeouts.idle, response.chunk())
                .await
                .map_err(|_| TransportError::written(TransportKind::Timeout))?
                .map_err(TransportError::from_body)?;
            let Some(chunk) = chunk else { break };
            if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
                return Err(TransportError::written(TransportKind::Oversize));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(RawResponse { status, body: body.freeze(), retry_after, date, log_id })
    }
}

/// A complete answer, not yet judged.
#[derive(Clone)]
pub struct RawResponse {
    /// HTTP status.
    pub status: u16,
    /// The body, at most 4 MiB.
    pub body: Bytes,
    /// How long `Retry-After` asks to wait: its seconds, or from the answer's own `Date` to the date it gives.
    pub retry_after: Option<Duration>,
    /// `Date`, the server's clock in Unix seconds.
    pub date: Option<i64>,
    /// `X-Tt-Logid`, TikTok's name for the call, for its support.
    pub log_id: Option<String>,
}

impl fmt::Debug for RawResponse {
    // Never the body: its message may echo what was sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawResponse")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What kept an exchange from completing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// The host name did not resolve.
    Resolve,
    /// Nobody listens, or the network is unreachable.
    Connect,
    /// The connection did not stand in time.
    ConnectTimeout,
    /// The server's certificate is not valid for the host.
    Certificate,
    /// TLS failed for another reason.
    Tls,
    /// The answer did not come in time.
    Timeout,
    /// The connection broke, or the answer ended early.
    Broken,
    /// The answer is larger than 4 MiB.
    Oversize,
}

impl TransportKind {
    /// The phrase error messages use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "host name does not resolve",
            Self::Connect => "connection refused or unreachable",
            Self::ConnectTimeout => "no connection in time",
            Self::Certificate => "server certificate is not valid",
            Self::Tls => "TLS handshake failed",
            Self::Timeout => "no answer in time",
            Self::Broken => "connection broke before the answer was complete",
            Self::Oversize => "answer larger than 4 MiB",
        }
    }
}

/// An exchange without a complete answer.
#[derive(Debug)]
pub struct TransportError {
    /// True if surely no byte of the request was written; else the server may have acted on it.
    pub before_first_byte: bool,
    /// What went wrong.
    pub kind: TransportKind,
    source: Option<reqwest::Error>,
}

impl TransportError {
    /// No byte of the request was written.
    #[must_use]
    pub fn unwritten(kind: TransportKind) -> Self {
        Self { before_first_byte: true, kind, source: None }
    }

    /// The request may have been written in part or in full.
    #[must_use]
    pub fn written(kind: TransportKind) -> Self {
        Self { before_first_byte: false, kind, source: None }
    }

    fn from_send(error: reqwest::Error) -> Self {
        if !error.is_connect() {
            let kind = if error.is_timeout() { TransportKind::Timeout } else { TransportKind::Broken };
            return Self { source: Some(error), ..Self::written(kind) };
        }
        let kind = match tls_failure(&error) {
            Some(kind) => kind,
            None if error.is_dns() => TransportKind::Resolve,
            None if error.is_timeout() => TransportKind::ConnectTimeout,
            None => TransportKind::Connect,
        };
        Self { source: Some(error), ..Self::unwritten(kind) }
    }

    fn from_body(error: reqwest::Error) -> Self {
        let kind = if error.is_timeout() { TransportKind::Timeout } else { TransportKind::Broken };
        Self { source: Some(error), ..Self::written(kind) }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source as &(dyn StdError + 'static))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// User text for an error message, without what could be a password.
fn shown(text: &str) -> String {
    let text = text.split_once('@').map_or(text, |(_, host)| host);
    text.chars().filter(|character| !character.is_control()).take(200).collect()
}

/// A date is compared with the server's own clock, since this machine's may be wrong.
fn retry_after(headers: &HeaderMap, now: Option<i64>) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok();
    let until_date = || u64::try_from(date(headers, &RETRY_AFTER)?.saturating_sub(now?).max(0)).ok();
    seconds.or_else(until_date).map(Duration::from_secs)
}

/// The header `name` as an HTTP date, in Unix seconds.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<i64> {
    let text = headers.get(name)?.to_str().ok()?;
    DateTimeParser::new().parse_timestamp(text.trim()).ok().map(jiff::Timestamp::as_second)
}

/// A header's value, if it looks like an identifier; it ends up in reports.
fn identifier(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    (text.len() <= MAX_HEADER_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        .then(|| text.to_owned())
}

fn tls_failure(error: &reqwest::Error) -> Option<TransportKind> {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = source {
        // An io::Error's source skips the error it wraps, so that one is looked at as well.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = error
            .downcast_ref::<rustls::Error>()
            .or_else(|| wrapped.and_then(|inner| inner.downcast_ref::<rustls::Error>()));
        match found {
            Some(rustls::Error::InvalidCertificate(_)) => return Some(TransportKind::Certificate),
            Some(_) => return Some(TransportKind::Tls),
            None => {}
        }
        source = match wrapped {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_https_and_plain_http_on_loopback_only() {
        for good in [
            PRODUCTION,
            "https://example.com:8443/prefix",
            "http://127.0.0.1:8080",
            "http://127.9.9.9",
            "http://[::1]:1/",
            "http://localhost:3000",
        ] {
            BaseUrl::parse(good).expect(good);
        }
        for bad in [
            "http://example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "ftp://example.com",
            "business-api.tiktok.com",
            "https://",
            "",
            "https://user:pass@example.com",
            "https://example.com/?a=1",
            "https://example.com/#a",
            "file:///etc/passwd",
        ] {
            let error = BaseUrl::parse(bad).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::Usage, "{bad}");
            assert!(error.hint_text().is_some(), "{bad}");
            assert!(!error.message().contains("pass@"), "{error}");
        }
    }

    #[test]
    fn the_path_keeps_its_prefix_and_its_last_slash() {
        let track = |base| BaseUrl::parse(base).expect("valid").track().to_string();
        assert_eq!(track(PRODUCTION), "https://business-api.tiktok.com/open_api/v1.3/event/track/");
        assert_eq!(track("https://a.example/b"), "https://a.example/b/open_api/v1.3/event/track/");
        assert_eq!(track("http://[::1]:9/b/"), "http://[::1]:9/b/open_api/v1.3/event/track/");
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_against_the_servers_own_clock() {
        let asked = |retry_after: &'static str, date_header: Option<&'static str>| {
            let mut headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(retry_after))]);
            headers.extend(date_header.map(|date| (DATE, HeaderValue::from_static(date))));
            super::retry_after(&headers, date(&headers, &DATE)).map(|asked| asked.as_secs())
        };
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked(" 120 ", now), Some(120));
        assert_eq!(asked("Sun, 06 Nov 1994 08:51:00 GMT", now), Some(83));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(0), "a date that is over");
        assert_eq!(asked("Sun, 06 Nov 1994 08:51:00 GMT", None), None, "no clock to compare it with");
        assert_eq!((asked("-1", now), asked("soon", now), asked("", now)), (None, None, None));
    }

    #[test]
    fn production_is_told_by_its_origin() {
        assert!(BaseUrl::parse("https://business-api.tiktok.com:443/").expect("valid").is_production());
        assert!(!BaseUrl::parse("https://business-api.tiktok.com.example/").expect("valid").is_production());
    }

    #[test]
    fn the_client_does_not_print_its_token() {
        let base = BaseUrl::parse("http://127.0.0.1:1").expect("valid");
        let client = Client::new(&base, &SecretString::from("s3cr3t")).expect("built");
        assert!(!format!("{client:?}").contains("s3cr3t"));
        assert!(Client::new(&base, &SecretString::from("a\nb")).is_err());
    }
}
