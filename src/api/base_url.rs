//! Where the API is, and which of the two kinds of place that may have the token it is.

use std::fmt;

use url::{Host, Url};

use crate::contract::{PRODUCTION, TRACK_PATH};
use crate::error::{Error, ErrorKind, Result};

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

    /// Whether what is sent there is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Scheme, host and port, as the token is bound to them.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    pub(super) fn track(&self) -> Url {
        self.0.join(TRACK_PATH.trim_start_matches('/')).expect("a relative path joins an absolute URL")
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
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
    fn production_is_told_by_its_origin() {
        assert!(BaseUrl::parse("https://business-api.tiktok.com:443/").expect("valid").is_production());
        assert!(!BaseUrl::parse("https://business-api.tiktok.com.example/").expect("valid").is_production());
    }
}
