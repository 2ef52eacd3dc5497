//! Whose certificates are trusted beside those the system trusts, and why one is not.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, RootCertStore};

use super::{Origin, Settings};
use crate::error::{Error, ErrorKind, Result};

/// Largest file of certificates that is read; those of systems have a fifth of it.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Certificate authorities that are trusted beside the system's; none by default.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Those that `settings` name; only who runs a query may say whose certificates are trusted.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] as [`Authorities::from_file`], and for a file that is named by a query or beside one.
    pub fn of(settings: &Settings) -> Result<Self> {
        let Some(path) = settings.text("ca_file") else { return Ok(Self::default()) };
        if matches!(settings.origin("ca_file"), Origin::Set | Origin::File) {
            return Err(Error::new(ErrorKind::Usage, "whose certificates are trusted is not for a file to say")
                .hint("give it as --ca-file or POSTBACK_CA_FILE"));
        }
        Self::from_file(path.as_ref())
    }

    /// Reads the certificates of a PEM file, at least one and each one usable.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the file cannot be read, is too large, or holds no certificate or a broken one.
    pub fn from_file(path: &Path) -> Result<Self> {
        let refuse = |message: String| {
            Error::new(ErrorKind::Usage, format!("ca file {message}")).context("file", path.display()).hint(
                "name a PEM file with the certificates of the authority, each from `-----BEGIN CERTIFICATE-----` on",
            )
        };
        let mut pem = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut pem))
            .map_err(|error| refuse("cannot be read".to_owned()).source(error))?;
        if pem.len() as u64 > MAX_FILE_BYTES {
            return Err(refuse("is too large to hold certificates only".to_owned()));
        }
        let mut certificates = Vec::new();
        let mut usable = RootCertStore::empty();
        for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(&pem)) {
            let broken = format!("holds a broken certificate, the {number}. in it");
            let certificate = certificate.map_err(|error| refuse(broken.clone()).source(error))?;
            usable.add(certificate.clone()).map_err(|error| refuse(broken).source(error))?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(refuse("holds no certificate".to_owned()));
        }
        Ok(Self(certificates))
    }

    /// Each certificate in DER.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// Why a certificate is not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFlaw {
    /// Its time is over, or has not begun.
    Time,
    /// It is for another host.
    Host,
    /// No authority that is known has issued it.
    Authority,
    /// Another one: revoked, malformed, not for servers.
    Other,
}

impl CertificateFlaw {
    /// The phrase error messages use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "server certificate is expired or not valid yet",
            Self::Host => "server certificate is for another host name",
            Self::Authority => "server certificate is from an unknown authority",
            Self::Other => "server certificate is not valid",
        }
    }

    /// What `error` says of a certificate.
    #[must_use]
    pub fn of(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Time,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::Host,
            // A signature is bad where an authority has the name of a known one and another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Authority,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_usable_certificate_is_refused_and_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        let block = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
        for (content, reason) in [
            (String::new(), "holds no certificate"),
            ("not PEM at all".to_owned(), "holds no certificate"),
            (block("PRIVATE KEY"), "holds no certificate"),
            (block("CERTIFICATE"), "holds a broken certificate"),
            ("-----BEGIN CERTIFICATE-----\nMAA=\n".to_owned(), "holds a broken certificate"),
            ("x".repeat((1 << 20) + 1), "is too large"),
        ] {
            std::fs::write(&path, &content).expect("written");
            let error = Authorities::from_file(&path).expect_err(reason);
            assert_eq!((error.kind(), error.hint_text().is_some()), (ErrorKind::Usage, true));
            assert!(error.message().contains(reason), "{error}: {content:.40}");
        }
        assert!(Authorities::from_file(&folder.path().join("missing")).is_err());
        assert!(Authorities::from_file(folder.path()).is_err());
    }
}
