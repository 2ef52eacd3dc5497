//! Where a location outside this machine points to.

use datafusion::object_store::path::Path;
use url::{Host, Url};

use crate::error::{Error, ErrorKind, Result};

/// Who answers for a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Vendor {
    /// Amazon S3 and what speaks like it.
    Amazon,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage, of an account where the location names one.
    Azure {
        /// The account.
        account: Option<String>,
    },
    /// A web server, whose origin and query these are.
    Web {
        /// Scheme, host and port.
        origin: String,
        /// What stands behind the path.
        query: Option<String>,
    },
}

/// A location outside this machine, as a query names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sources) struct Location {
    /// As the query names it.
    pub(super) text: String,
    /// What the text has before the key: `s3://bucket/`.
    pub(super) base: String,
    /// Who answers for it.
    pub(super) vendor: Vendor,
    /// The bucket, container or host.
    pub(super) bucket: String,
    /// The key or a pattern of keys; the path of a web server, decoded.
    pub(super) key: String,
}

impl Location {
    /// Reads a location; none for one on this machine.
    ///
    /// # Errors
    /// [`ErrorKind::SourceRefused`] for a scheme without a reader and for a URL that cannot be read.
    pub(in crate::sources) fn parse(text: &str) -> Result<Option<Self>> {
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(None) };
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        let base = format!("{scheme}://{authority}/");
        let wrong = |message: String, hint: &str| Err(Error::new(ErrorKind::SourceRefused, message).hint(hint));
        let (vendor, bucket) = match scheme.to_ascii_lowercase().as_str() {
            "file" => return Ok(None),
            "http" | "https" => return Self::web(text).map(Some),
            "s3" | "s3a" | "s3n" => (Vendor::Amazon, authority),
            "gs" | "gcs" => (Vendor::Google, authority),
            "az" | "azure" | "abfs" | "abfss" => match authority.split_once('@') {
                Some((container, host)) => {
                    let account = host.split_once('.').filter(|(account, service)| {
                        !account.is_empty() && matches!(*service, "dfs.core.windows.net" | "blob.core.windows.net")
                    });
                    let Some((account, _)) = account else {
                        return wrong(
                            format!("`{text}` names no storage account of Azure"),
                            "write abfss://container@account.dfs.core.windows.net/folder/",
                        );
                    };
                    (Vendor::Azure { account: Some(account.to_owned()) }, container)
                }
                None => (Vendor::Azure { account: None }, authority),
            },
            _ => {
                return wrong(
                    format!("cannot read `{text}`: no reader for `{scheme}://`"),
                    "local paths, s3://, gs://, az://, abfss:// and https:// are read",
                );
            }
        };
        if authority.contains(':') || bucket.contains('@') {
            // Nothing of it is shown: it may be a secret.
            return wrong(
                format!("a location of `{scheme}://` carries more than a bucket and a path"),
                "credentials are read from the environment, such as AWS_ACCESS_KEY_ID, or from a profile",
            );
        }
        if bucket.is_empty() || bucket.contains(['*', '?', '[', ' ', '%', '#']) {
            return wrong(format!("`{text}` names no bucket"), "write the bucket's name behind the two slashes");
        }
        let (text, bucket, key) = (text.to_owned(), bucket.to_owned(), key.to_owned());
        Ok(Some(Self { text, base, vendor, bucket, key }))
    }

    /// A file of a web server.
    fn web(text: &str) -> Result<Self> {
        let wrong =
            |message: &str, hint: &str| Err(Error::new(ErrorKind::SourceRefused, message.to_owned()).hint(hint));
        let Ok(url) = Url::parse(text) else {
            return wrong("a location is no readable URL", "write https://host/file");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return wrong(
                "a location carries a user or a password",
                "a query file is no place for secrets: copy the file to a bucket or a folder",
            );
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return wrong(
                &format!("`{text}` would be read without encryption"),
                "use https; plain http works on loopback only",
            );
        }
        let path = Path::from_url_path(url.path());
        let Ok(path) = path else { return wrong(&format!("`{text}` names no file"), "write https://host/file") };
        if path.as_ref().is_empty() || url.path().ends_with('/') || url.path().contains('*') {
            return wrong(
                &format!("`{text}` is a folder or a pattern, and a web server lists no files"),
                "name each file, or read from a bucket",
            );
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self {
            text: text.to_owned(),
            base: format!("{origin}/"),
            bucket: url.host_str().unwrap_or_default().to_owned(),
            key: path.as_ref().to_owned(),
            vendor: Vendor::Web { origin, query: url.query().map(str::to_owned) },
        })
    }

    /// How messages name the object of `key`.
    pub(super) fn shown(&self, key: &str) -> String {
        // A web server's file may have a query, and is the only one.
        if matches!(self.vendor, Vendor::Web { .. }) { self.text.clone() } else { format!("{}{key}", self.base) }
    }

    /// What its bucket is known by: locations of the same bucket share a client and what it pinned.
    pub(super) fn identity(&self) -> String {
        match &self.vendor {
            Vendor::Amazon => format!("s3/{}", self.bucket),
            Vendor::Google => format!("gs/{}", self.bucket),
            Vendor::Azure { account: Some(account) } => format!("az/{account}/{}", self.bucket),
            Vendor::Azure { account: None } => format!("az/{}", self.bucket),
            Vendor::Web { .. } => self.text.clone(),
        }
    }
}

/// Whether a URL names this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_buckets_and_keys_are_told_apart() {
        let azure = |account: Option<&str>| Vendor::Azure { account: account.map(str::to_owned) };
        for (text, vendor, bucket, key) in [
            ("s3://b/a/*.parquet", Vendor::Amazon, "b", "a/*.parquet"),
            ("S3A://b", Vendor::Amazon, "b", ""),
            ("gs://b/day=1/?.csv", Vendor::Google, "b", "day=1/?.csv"),
            ("az://c/x", azure(None), "c", "x"),
            ("abfss://c@acc.dfs.core.windows.net/x/", azure(Some("acc")), "c", "x/"),
        ] {
            let location = Location::parse(text).unwrap().unwrap();
            assert_eq!((location.vendor, location.bucket.as_str(), location.key.as_str()), (vendor, bucket, key));
        }
        let web = Location::parse("https://h.example:8443/a%20b/c.csv?gid=7").unwrap().unwrap();
        assert_eq!((web.key.as_str(), web.shown("a b/c.csv").as_str()), ("a b/c.csv", web.text.as_str()));
        assert!(Location::parse("file:///a").unwrap().is_none() && Location::parse("a/b.csv").unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_no_secret_is_shown() {
        for text in [
            "ftp://h/a",
            "s3:///a",
            "s3://b*/a",
            "s3://key:canary5e7d@b/a",
            "https://u:canary5e7d@h.example/a",
            "http://h.example/a.csv",
            "https://h.example/",
            "https://h.example/*.csv",
            "abfss://c@evil.example/x",
            "abfss://c@.dfs.core.windows.net/x",
        ] {
            let error = Location::parse(text).unwrap_err();
            assert!(!format!("{error:?}").contains("canary5e7d") && error.exit_code() == 5, "{text}");
        }
        assert!(Location::parse("http://127.0.0.1:9/a.csv").unwrap().is_some());
    }
}
