//! Whose certificates are trusted beside those the system trusts.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::{Error, ErrorKind, Result};

/// Largest file of certificates that is read; those of systems have a fifth of it.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Certificate authorities that are trusted beside the system's; none by default.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
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

    pub(super) fn certificates(&self) -> impl Iterator<Item = reqwest::Result<reqwest::Certificate>> {
        self.0.iter().map(|certificate| reqwest::Certificate::from_der(certificate))
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
