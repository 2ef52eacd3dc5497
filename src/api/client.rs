//! One origin, one token, one request at a time of asking.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::answer::RawResponse;
use super::base_url::BaseUrl;
use super::body::Body;
use super::credentials;
use super::failure::{TransportError, TransportKind};
use crate::error::{Error, ErrorKind, Result};
use crate::settings::Authorities;

/// Largest answer that is read.
const MAX_RESPONSE_BYTES: usize = 4 << 20;
/// Most headers that an answer may have. Their bytes are limited by the HTTP library, to 400 KiB.
const MAX_RESPONSE_HEADERS: usize = 100;

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

/// How a client connects, how long it waits, and where its token may be found again.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How long the parts of an exchange may take.
    pub timeouts: Timeouts,
    /// Whose certificates are trusted beside those the system trusts.
    pub authorities: Authorities,
    /// The file the token came from, if it came from one.
    pub token_file: Option<PathBuf>,
}

/// A client of one origin with one token.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    track: Url,
    /// Never locked while waiting.
    token: Mutex<HeaderValue>,
    token_file: Option<PathBuf>,
    timeouts: Timeouts,
}

impl Client {
    /// A client that sends `token` to `base` and nowhere else.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] if no header can hold the token, [`ErrorKind::Internal`] if TLS cannot be set up.
    pub fn new(base: &BaseUrl, token: &SecretString) -> Result<Self> {
        Self::with_options(base, token, Options::default())
    }

    /// As [`Client::new`], in the way `options` say.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_options(base: &BaseUrl, token: &SecretString, options: Options) -> Result<Self> {
        let token = Mutex::new(header(token)?);
        let http = connector(base, &options).map_err(|error| {
            Error::new(ErrorKind::Internal, "the TLS client could not be set up")
                .hint("are the system's root certificates installed? --ca-file names others")
                .source(error)
        })?;
        Ok(Self { http, track: base.track(), token, token_file: options.token_file, timeouts: options.timeouts })
    }

    /// The URL events are posted to.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.track.as_str()
    }

    /// Reads the token again from the file it came from, if it came from one. What cannot be used changes nothing.
    pub async fn renew_token(&self) {
        let Some(path) = self.token_file.clone() else { return };
        let read = tokio::task::spawn_blocking(move || credentials::from_file(&path).and_then(|token| header(&token)));
        // A file on a network may never come; then the token stays as it is.
        let Ok(read) = tokio::time::timeout(self.timeouts.idle, read).await else { return };
        match read {
            Ok(Ok(token)) => {
                let before = std::mem::replace(&mut *self.token(), token.clone());
                if before != token {
                    tracing::info!("the token file holds another token, which is used from now on");
                }
            }
            Ok(Err(error)) => tracing::warn!("the refused token stays in use: {error}"),
            Err(error) => tracing::debug!(%error, "the token file was not read again"),
        }
    }

    /// Posts one request body to `/event/track/` and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// If there is no complete answer of at most 4 MiB and 100 headers within the [`Timeouts`].
    pub async fn track(&self, body: Bytes) -> Result<RawResponse, TransportError> {
        let (body, progress) = Body::new(body);
        let token = self.token().clone();
        let request = self
            .http
            .post(self.track.clone())
            .header(HeaderName::from_static("access-token"), token)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(reqwest::Body::wrap(body));
        let timeouts = self.timeouts;
        let mut response = tokio::time::timeout(timeouts.first_byte, request.send())
            .await
            .map_err(|_| TransportError::written(TransportKind::Timeout))?
            .map_err(TransportError::from_send)?;
        let head = RawResponse::of_head(response.status().as_u16(), response.headers(), !progress.is_complete());
        let mut body = BytesMut::new();
        loop {
            let chunk = tokio::time::timeout(timeouts.idle, response.chunk())
                .await
                .map_err(|_| TransportError::written(TransportKind::Timeout))?
                .map_err(TransportError::from_body)?;
            let Some(chunk) = chunk else { break };
            if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
                return Err(TransportError::written(TransportKind::Oversize));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(RawResponse { body: body.freeze(), ..head })
    }

    fn token(&self) -> std::sync::MutexGuard<'_, HeaderValue> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token as a header that no log prints.
fn header(token: &SecretString) -> Result<HeaderValue> {
    let mut header = HeaderValue::from_str(token.expose_secret()).map_err(|_| {
        Error::new(ErrorKind::Credentials, "the access token holds characters no HTTP header can carry")
    })?;
    header.set_sensitive(true);
    Ok(header)
}

fn connector(base: &BaseUrl, options: &Options) -> reqwest::Result<reqwest::Client> {
    // The first of several clients installs it; that a later one finds it there is no failure.
    drop(rustls::crypto::ring::default_provider().install_default());
    let http = reqwest::Client::builder()
        .user_agent(concat!("postback/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .https_only(base.is_encrypted())
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .http1_max_headers(MAX_RESPONSE_HEADERS)
        .connect_timeout(options.timeouts.connect)
        .timeout(options.timeouts.total);
    if base.is_encrypted() {
        let certificates = options.authorities.certificates().map(reqwest::Certificate::from_der);
        http.tls_certs_merge(certificates.collect::<reqwest::Result<Vec<_>>>()?).build()
    } else {
        // No certificate is ever looked at, so none is loaded, and none has to be installed.
        http.tls_certs_only([]).build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_does_not_print_its_token() {
        let base = BaseUrl::parse("http://127.0.0.1:1").expect("valid");
        let client = Client::new(&base, &SecretString::from("s3cr3t")).expect("built");
        assert!(!format!("{client:?}").contains("s3cr3t"));
        assert!(Client::new(&base, &SecretString::from("a\nb")).is_err());
    }
}
