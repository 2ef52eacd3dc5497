//! What kept an exchange from completing, and whether the server may have acted on it all the same.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::settings::CertificateFlaw;

/// What kept an exchange from completing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// The host name did not resolve.
    Resolve,
    /// Nobody listens, or the network is unreachable.
    Connect,
    /// The connection did not stand in time.
    ConnectTimeout,
    /// The server's certificate is not to be trusted.
    Certificate(CertificateFlaw),
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
            Self::Certificate(flaw) => flaw.as_str(),
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

    pub(super) fn from_send(error: reqwest::Error) -> Self {
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

    pub(super) fn from_body(error: reqwest::Error) -> Self {
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

fn tls_failure(error: &reqwest::Error) -> Option<TransportKind> {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = source {
        // An io::Error's source skips the error it wraps, so that one is looked at as well.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = error
            .downcast_ref::<rustls::Error>()
            .or_else(|| wrapped.and_then(|inner| inner.downcast_ref::<rustls::Error>()));
        match found {
            Some(rustls::Error::InvalidCertificate(error)) => {
                return Some(TransportKind::Certificate(CertificateFlaw::of(error)));
            }
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
