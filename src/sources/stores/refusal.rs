//! What a store refuses, in words that an analyst can act on. Nothing of a URL, a header or a body is in them but the
//! vendor's code.

use std::error::Error as StdError;

use datafusion::object_store;
use datafusion::object_store::client::HttpError;

use super::location::{Location, Vendor};
use super::transport::{Failure, What};
use crate::error::{Error, ErrorKind};
use crate::settings::CertificateFlaw;
use crate::sources::pin;

/// The context under which an error names the region of a bucket.
pub(super) const REGION: &str = "region";

/// `error`, which `location` gave when it was asked for what messages call `shown`, in our words.
pub(super) fn told(location: &Location, shown: &str, error: &object_store::Error) -> Error {
    if let Some(ours) = Error::beneath(error) {
        return ours.restated();
    }
    let failure = failure(error);
    let words = Words { location, shown };
    let Some(failure) = failure else {
        return match error {
            object_store::Error::NotSupported { .. } => words.without_ranges(),
            object_store::Error::NotFound { .. } => words.missing(),
            // What else goes wrong is an answer that makes no sense, or credentials that cannot be read.
            _ if format!("{error:?}").to_ascii_lowercase().contains("credential") => words.no_credentials(),
            _ => words.refused("gave no usable answer", "is it the address of a store?"),
        };
    };
    let told = match &failure.what {
        _ if failure.for_credentials => words.no_credentials(),
        What::Status { status, code, region } => words.status(*status, code.as_deref(), region.as_deref()),
        What::Late => words.unreachable("does not answer in time", "run again later"),
        What::Resolve => words.unreachable(
            "lies on a host whose name does not resolve",
            "check the address, the region and the network of this machine",
        ),
        What::Connect => words.unreachable(
            "lies on a host that cannot be reached",
            "check the endpoint, the region and the network of this machine",
        ),
        What::Certificate(CertificateFlaw::Time) => words.refused(
            "lies on a host whose certificate is expired or not valid yet",
            "check this machine's clock; if it is right, the server needs a new certificate",
        ),
        What::Certificate(CertificateFlaw::Host) => {
            words.refused("lies on a host whose certificate is for another host name", "check the address")
        }
        What::Certificate(CertificateFlaw::Authority) => words.refused(
            "lies on a host whose certificate is from an unknown authority",
            "the authority of a company's own server or proxy is named with --ca-file",
        ),
        What::Certificate(CertificateFlaw::Other) => words.refused(
            "lies on a host whose certificate is not valid",
            "whoever runs the server has to mend its certificate",
        ),
        What::Tls => words.refused("lies on a host that does not speak TLS as expected", "check the endpoint"),
        What::Broken => words.unreachable("could not be read to the end: the connection broke", "run again"),
    };
    told.source(failure)
}

/// Whether a client says that there is no such object.
pub(super) fn is_missing(error: &object_store::Error) -> bool {
    is_status(error, 404) || matches!(error, object_store::Error::NotFound { .. })
}

/// Whether the store refuses a request, in an answer without the words that say why.
pub(super) fn is_unexplained(error: &object_store::Error) -> bool {
    matches!(
        failure(error),
        Some(Failure { what: What::Status { status: 400..=499, code: None, region: None }, for_credentials: false })
    )
}

/// Whether the store knows who asks, and does not allow it.
pub(super) fn is_forbidden(error: &object_store::Error) -> bool {
    let Some(Failure { what: What::Status { status: 401 | 403, code, .. }, for_credentials: false }) = failure(error)
    else {
        return false;
    };
    code.is_none_or(|code| code == "AccessDenied" || code.starts_with("Authorization"))
}

/// Whether a client says that there is not even a first byte.
pub(super) fn is_empty_file(error: &object_store::Error) -> bool {
    is_status(error, 416)
}

fn is_status(error: &object_store::Error, wanted: u16) -> bool {
    matches!(failure(error), Some(Failure { what: What::Status { status, .. }, .. }) if status == wanted)
}

/// The error of a location for which there are no credentials.
pub(super) fn no_credentials(location: &Location) -> Error {
    Words { location, shown: &location.text }.no_credentials()
}

/// The failure beneath an error of a client.
fn failure(error: &object_store::Error) -> Option<Failure> {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return Some(failure.clone());
        }
        if let Some(http) = error.downcast_ref::<HttpError>()
            && http.source().is_none_or(|source| !source.is::<Failure>())
        {
            return Some(Failure { what: What::of(http), for_credentials: false });
        }
        source = error.source();
    }
    None
}

struct Words<'a> {
    location: &'a Location,
    shown: &'a str,
}

impl Words<'_> {
    /// What may pass.
    fn unreachable(&self, what: &str, hint: &str) -> Error {
        Error::new(ErrorKind::SourceUnreachable, format!("`{}` {what}", self.shown)).hint(hint)
    }

    /// What no waiting mends.
    fn refused(&self, what: &str, hint: &str) -> Error {
        Error::new(ErrorKind::SourceRefused, format!("`{}` {what}", self.shown)).hint(hint)
    }

    fn status(&self, status: u16, code: Option<&str>, region: Option<&str>) -> Error {
        let (bucket, is_web) = (&self.location.bucket, matches!(self.location.vendor, Vendor::Web { .. }));
        match (status, code) {
            (_, Some("NoSuchBucket" | "ContainerNotFound" | "InvalidBucketName")) => {
                Error::new(ErrorKind::SourceRefused, format!("no such bucket: `{bucket}`"))
                    .context("location", &self.location.text)
                    .hint("check its name, and the account and the endpoint that are asked")
            }
            (
                _,
                Some("PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed" | "IncorrectEndpoint"),
            )
            | (301 | 307, _) => {
                let error =
                    Error::new(ErrorKind::SourceRefused, format!("the bucket `{bucket}` is not in the region that was asked"))
                        .context("location", &self.location.text);
                match region {
                    Some(region) => error.context(REGION, region).hint(format!("run with --s3-region {region}")),
                    None => error.hint("name its region with --s3-region or AWS_REGION"),
                }
            }
            (400, None) if region.is_some() && matches!(self.location.vendor, Vendor::Amazon) => {
                self.status(301, None, region)
            }
            (404 | 410, _) => self.missing(),
            (412, _) => pin::changed_while_read(self.shown),
            (_, Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "AuthenticationFailed" | "InvalidToken")) => self
                .refused(
                    "is refused: the credentials are not valid",
                    "check key and secret; they belong to one account and one endpoint",
                ),
            (_, Some("ExpiredToken" | "TokenRefreshRequired" | "RequestExpired")) => {
                self.refused("is refused: the credentials have expired", "log in again, or renew the session token")
            }
            (_, Some("RequestTimeTooSkewed")) => self.refused(
                "is refused: the clock of this machine is wrong",
                "set the clock: signatures are valid for minutes",
            ),
            (401 | 403, _) if is_web => {
                self.refused("may not be read without logging in", "copy the file to a bucket or a folder")
            }
            (401, _) => self.no_credentials(),
            (403, _) => self.refused(
                "may not be read with these credentials",
                "they need permission to list the folder and to read its objects (s3:ListBucket and s3:GetObject in AWS)",
            ),
            (416, _) => pin::changed_while_read(self.shown),
            (429 | 503, _) => {
                self.unreachable("is refused for now: the store is overloaded, after several tries", "run again later")
            }
            (500.., _) => self.unreachable(
                &format!("could not be read: the store answered {status}, after several tries"),
                "run again later",
            ),
            _ => {
                let code = code.map_or_else(String::new, |code| format!(" ({code})"));
                self.refused(
                    &format!("could not be read: the store answered {status}{code}"),
                    "check the location and the endpoint",
                )
            }
        }
    }

    fn missing(&self) -> Error {
        Error::new(ErrorKind::SourceMissing, format!("no such file: `{}`", self.shown))
    }

    fn without_ranges(&self) -> Error {
        self.refused(
            "cannot be read in parts: its web server sends only whole files",
            "copy the file to a bucket or a folder",
        )
    }

    fn no_credentials(&self) -> Error {
        let hint = match self.location.vendor {
            Vendor::Amazon => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with --aws-profile; \
                 a public bucket needs AWS_SKIP_SIGNATURE=true"
            }
            Vendor::Google => {
                "name a key file in GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`; \
                 a public bucket needs GOOGLE_SKIP_SIGNATURE=true"
            }
            Vendor::Azure { .. } => {
                "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or \
                 AZURE_USE_AZURE_CLI=true; a public container needs AZURE_SKIP_SIGNATURE=true"
            }
            Vendor::Web { .. } => "copy the file to a bucket or a folder",
        };
        Error::new(ErrorKind::SourceRefused, format!("no credentials for `{}`", self.location.text)).hint(hint)
    }
}
