//! The wire under the clients of stores: what an answer that is no success says is kept as a [`Failure`], without the
//! URL and the body that a message must not show.

use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use datafusion::object_store::ClientOptions;
use datafusion::object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

use crate::settings::CertificateFlaw;

/// Until the head of an answer is here.
const FIRST_BYTE: Duration = Duration::from_secs(15);
/// Most of an answer that tells why it is none.
const MAX_REFUSAL_BYTES: usize = 64 << 10;
/// Longest code of an error that is believed.
const MAX_CODE_CHARS: usize = 64;
/// Where machines of a vendor ask for credentials.
const METADATA_HOSTS: [&str; 3] = ["169.254.", "metadata", "[fd00:ec2"];

/// Makes connections that speak of failures as [`Failure`].
#[derive(Debug, Default)]
pub(super) struct Connector {
    /// What stands behind the path of each request, for a web server.
    pub(super) query: Option<String>,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> datafusion::object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Wire { client, query: self.query.clone() }))
    }
}

#[derive(Debug)]
struct Wire {
    client: HttpClient,
    query: Option<String>,
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if let Some(query) = &self.query
            && let Ok(uri) = format!("{}?{query}", request.uri()).parse()
        {
            *request.uri_mut() = uri;
        }
        let host = request.uri().host().unwrap_or_default();
        let is_metadata = METADATA_HOSTS.iter().any(|prefix| host.starts_with(prefix));
        let for_credentials = is_metadata || !matches!(request.method().as_str(), "GET" | "HEAD");
        let Ok(answer) = tokio::time::timeout(FIRST_BYTE, self.client.execute(request)).await else {
            return Err(Failure { what: What::Late, for_credentials }.retryable(HttpErrorKind::Timeout));
        };
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                let what = What::of(&error);
                let is_final = for_credentials && is_metadata || matches!(what, What::Certificate(_) | What::Tls);
                let kind = if is_final { HttpErrorKind::Unknown } else { error.kind() };
                return Err(Failure { what, for_credentials }.retryable(kind));
            }
        };
        let status = response.status().as_u16();
        // The clients ask machines' own services in several ways, and judge their answers themselves.
        if response.status().is_success() || is_metadata {
            return Ok(response);
        }
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).and_then(word);
        let (code, region) = (header("x-ms-error-code"), header("x-amz-bucket-region"));
        let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
        let body = if length.is_some_and(|length| length <= MAX_REFUSAL_BYTES) {
            response.into_body().bytes().await.unwrap_or_default()
        } else {
            bounded(response).await
        };
        let body = String::from_utf8_lossy(&body);
        let code = code.or_else(|| element(&body, "Code"));
        let region = region.or_else(|| element(&body, "Region"));
        let is_passing = status >= 500 || matches!(status, 408 | 429);
        let kind = if is_passing { HttpErrorKind::Request } else { HttpErrorKind::Unknown };
        Err(Failure { what: What::Status { status, code, region }, for_credentials }.retryable(kind))
    }
}

/// The beginning of a body of unknown length.
async fn bounded(response: HttpResponse) -> bytes::Bytes {
    use futures::StreamExt;
    let mut body = bytes::BytesMut::new();
    let mut chunks = response.into_body().bytes_stream();
    while let Some(Ok(chunk)) = chunks.next().await {
        body.extend_from_slice(&chunk[..chunk.len().min(MAX_REFUSAL_BYTES - body.len())]);
        if body.len() == MAX_REFUSAL_BYTES {
            break;
        }
    }
    body.freeze()
}

/// The text of the first element called `name`, if it is a word.
fn element(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    rest.split_once('<').and_then(|(text, _)| word(text))
}

/// A word of a vendor, as a message may show it.
fn word(text: &str) -> Option<String> {
    let is_word = !text.is_empty()
        && text.len() <= MAX_CODE_CHARS
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_word.then(|| text.to_owned())
}

/// A request without a usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What happened.
    pub(super) what: What,
    /// Whether credentials were asked for, not an object.
    pub(super) for_credentials: bool,
}

/// What happened to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// An answer that is no success.
    Status {
        /// Of HTTP.
        status: u16,
        /// The vendor's word for it.
        code: Option<String>,
        /// Where the bucket is, as the answer says.
        region: Option<String>,
    },
    /// No answer in time.
    Late,
    /// The host name does not resolve.
    Resolve,
    /// Nobody listens.
    Connect,
    /// The server's certificate is not to be trusted.
    Certificate(CertificateFlaw),
    /// TLS failed for another reason.
    Tls,
    /// The connection broke.
    Broken,
}

impl What {
    /// What an error of the HTTP client is.
    pub(super) fn of(error: &HttpError) -> Self {
        let mut source: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(error) = source {
            let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let tls = error
                .downcast_ref::<rustls::Error>()
                .or_else(|| wrapped.and_then(|inner| inner.downcast_ref::<rustls::Error>()));
            match tls {
                Some(rustls::Error::InvalidCertificate(error)) => return Self::Certificate(CertificateFlaw::of(error)),
                Some(_) => return Self::Tls,
                None if error.to_string() == "dns error" => return Self::Resolve,
                None => {}
            }
            source = match wrapped {
                Some(inner) => Some(inner as &(dyn StdError + 'static)),
                None => error.source(),
            };
        }
        match error.kind() {
            HttpErrorKind::Connect => Self::Connect,
            HttpErrorKind::Timeout => Self::Late,
            _ => Self::Broken,
        }
    }
}

impl Failure {
    /// As the client takes it, which tries again according to `kind`.
    fn retryable(self, kind: HttpErrorKind) -> HttpError {
        HttpError::new(kind, self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = if self.for_credentials { "asking for credentials: " } else { "" };
        match &self.what {
            What::Status { status, code: Some(code), .. } => write!(f, "{subject}status {status} ({code})"),
            What::Status { status, code: None, .. } => write!(f, "{subject}status {status}"),
            What::Late => write!(f, "{subject}no answer in time"),
            What::Resolve => write!(f, "{subject}host name does not resolve"),
            What::Connect => write!(f, "{subject}connection refused or unreachable"),
            What::Certificate(flaw) => write!(f, "{subject}{}", flaw.as_str()),
            What::Tls => write!(f, "{subject}TLS handshake failed"),
            What::Broken => write!(f, "{subject}connection broke before the answer was complete"),
        }
    }
}

impl StdError for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_words_and_nothing_else_of_a_body_is_kept() {
        let body = "<Error><Code>NoSuchKey</Code><Key>secret</Key><Region>eu-west-1</Region></Error>";
        assert_eq!(element(body, "Code").as_deref(), Some("NoSuchKey"));
        assert_eq!(element(body, "Region").as_deref(), Some("eu-west-1"));
        for body in ["<Code>a b</Code>", "<Code></Code>", "<Code>a", "", &format!("<Code>{}</Code>", "a".repeat(99))] {
            assert_eq!(element(body, "Code"), None, "{body}");
        }
    }
}
