//! The clients of stores, set up as each vendor's own tools would be: the same variables, files and services give
//! credentials, region and endpoint.

use std::sync::Arc;
use std::time::Duration;

use datafusion::object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use datafusion::object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use datafusion::object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use datafusion::object_store::http::HttpBuilder;
use datafusion::object_store::{BackoffConfig, Certificate, ClientOptions, HeaderValue, ObjectStore, RetryConfig};
use url::Url;

use super::Stores;
use super::location::{Location, Vendor, is_loopback};
use super::profile::Profile;
use super::refusal::no_credentials;
use super::transport::Connector;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::{Origin, Variables};

/// Until a connection stands, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// For one try of a request that fetches at most a part.
const TRY: Duration = Duration::from_secs(15);
/// Tries after the first.
const RETRIES: usize = 4;
/// After this, nothing is tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
/// A proxy that this machine does not take: requests to this machine stay on it, whatever proxy the environment names.
const NO_PROXY: (&str, &str) = ("http://127.0.0.1:9", "127.0.0.0/8,::1,localhost");
/// The profile of AWS that nobody has to name.
const DEFAULT_PROFILE: &str = "default";

type Client = Arc<dyn ObjectStore>;

/// The client of an S3 bucket, in the `region` that the bucket said it is in, where it did.
///
/// # Errors
/// [`ErrorKind::Usage`] for a profile or an endpoint that cannot be used; [`ErrorKind::SourceRefused`] without credentials.
pub(super) fn amazon(location: &Location, stores: &Stores, region: Option<&str>) -> Result<Client> {
    let variables = &stores.variables;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&location.bucket)
        .with_retry(retries())
        .with_client_options(options(stores)?.with_allow_http(variables.is_true("AWS_ALLOW_HTTP")))
        .with_http_connector(Connector::default());
    let chosen = stores.aws_profile.as_deref();
    let profile = profile(chosen, variables)?;
    let has_profile_keys = chosen.is_some() || variables.get("AWS_ACCESS_KEY_ID").is_none();
    let mut has_credentials = false;
    for (name, value) in variables.of_vendor("AWS_") {
        let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() else { continue };
        let is_key = matches!(
            key,
            AmazonS3ConfigKey::AccessKeyId
                | AmazonS3ConfigKey::SecretAccessKey
                | AmazonS3ConfigKey::Token
                | AmazonS3ConfigKey::WebIdentityTokenFile
        );
        let is_set_below = matches!(
            key,
            AmazonS3ConfigKey::Region
                | AmazonS3ConfigKey::DefaultRegion
                | AmazonS3ConfigKey::Endpoint
                | AmazonS3ConfigKey::S3Endpoint
                | AmazonS3ConfigKey::Bucket
        );
        if is_set_below || is_key && chosen.is_some() {
            continue;
        }
        has_credentials |= is_key
            || matches!(
                key,
                AmazonS3ConfigKey::ContainerCredentialsFullUri | AmazonS3ConfigKey::ContainerCredentialsRelativeUri
            )
            || key == AmazonS3ConfigKey::SkipSignature && variables.is_true(name);
        builder = builder.with_config(key, value);
    }
    if let Some(profile) = profile.as_ref().filter(|_| has_profile_keys) {
        if let Some(entry) = profile.foreign().filter(|_| !has_credentials || chosen.is_some()) {
            let name = chosen.or(variables.get("AWS_PROFILE")).unwrap_or(DEFAULT_PROFILE);
            return Err(Error::new(
                ErrorKind::Usage,
                format!("the AWS profile `{name}` gets its credentials by `{entry}`, which is not followed here"),
            )
            .hint(format!("eval \"$(aws configure export-credentials --profile {name} --format env)\"")));
        }
        for (entry, key) in [
            ("aws_access_key_id", AmazonS3ConfigKey::AccessKeyId),
            ("aws_secret_access_key", AmazonS3ConfigKey::SecretAccessKey),
            ("aws_session_token", AmazonS3ConfigKey::Token),
            ("web_identity_token_file", AmazonS3ConfigKey::WebIdentityTokenFile),
            ("role_arn", AmazonS3ConfigKey::RoleArn),
        ] {
            if let Some(value) = profile.get(entry) {
                has_credentials = true;
                builder = builder.with_config(key, value);
            }
        }
    }
    if !has_credentials && variables.is_true("AWS_EC2_METADATA_DISABLED") {
        return Err(no_credentials(location));
    }
    if let Some((endpoint, is_operators)) = endpoint(stores, profile.as_ref()) {
        let url = Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
        let refuse = |message: &str, hint: &str| Err(Error::new(ErrorKind::Usage, message.to_owned()).hint(hint));
        let Some(url) = url else {
            return refuse("the endpoint of S3 is no URL", "write https://host, without user and password");
        };
        if url.scheme() == "http" && !is_loopback(&url) && !is_operators {
            return refuse(
                "a query file may not send a bucket's rows over plain http",
                "use https, or name the endpoint with --s3-endpoint or AWS_ENDPOINT_URL_S3; plain http works on loopback",
            );
        }
        let is_plain = url.scheme() == "http" || variables.is_true("AWS_ALLOW_HTTP");
        builder = builder.with_endpoint(endpoint).with_allow_http(is_plain);
        if is_loopback(&url) {
            builder = builder.with_proxy_url(NO_PROXY.0).with_proxy_excludes(NO_PROXY.1);
        }
    }
    let region = region.or_else(|| self::region(stores, profile.as_ref()));
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    built(location, builder.build())
}

/// The client of a bucket of Google.
///
/// # Errors
/// [`ErrorKind::SourceRefused`] for credentials that cannot be read.
pub(super) fn google(location: &Location, stores: &Stores) -> Result<Client> {
    let variables = &stores.variables;
    // Google's own clients take an emulator from this one, and send it no credentials.
    let emulator = variables.get("STORAGE_EMULATOR_HOST").filter(|_| variables.get("GOOGLE_BASE_URL").is_none());
    let emulator = emulator.map(|host| if host.contains("://") { host.to_owned() } else { format!("http://{host}") });
    let base = emulator.as_deref().or(variables.get("GOOGLE_BASE_URL")).unwrap_or("https:");
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(&location.bucket)
        .with_retry(retries())
        .with_client_options(options_for(base, stores)?)
        .with_http_connector(Connector::default());
    if let Some(emulator) = &emulator {
        builder = builder.with_base_url(emulator.trim_end_matches('/')).with_skip_signature(true);
    }
    for (name, value) in variables.of_vendor("GOOGLE_") {
        match name.to_ascii_lowercase().parse::<GoogleConfigKey>() {
            Ok(GoogleConfigKey::Bucket) | Err(_) => {}
            Ok(key) => builder = builder.with_config(key, value),
        }
    }
    built(location, builder.build())
}

/// The client of a container of Azure.
///
/// # Errors
/// [`ErrorKind::SourceRefused`] for credentials that cannot be read; [`ErrorKind::Usage`] for those of another account.
pub(super) fn azure(location: &Location, stores: &Stores, account: Option<&str>) -> Result<Client> {
    let variables = &stores.variables;
    let mut builder = MicrosoftAzureBuilder::new().with_retry(retries()).with_http_connector(Connector::default());
    let mut given = Vec::new();
    for (name, value) in variables.get("AZURE_STORAGE_CONNECTION_STRING").into_iter().flat_map(connection) {
        given.push((name, value.to_owned()));
    }
    for (name, value) in variables.of_vendor("AZURE_") {
        // Azure's own tools call it so.
        let name = if name == "AZURE_STORAGE_ACCOUNT" { "AZURE_STORAGE_ACCOUNT_NAME" } else { name };
        if let Ok(key) = name.to_ascii_lowercase().parse::<AzureConfigKey>() {
            given.push((key, value.to_owned()));
        }
    }
    for name in ["IDENTITY_ENDPOINT", "MSI_ENDPOINT"] {
        given.extend(variables.get(name).map(|value| (AzureConfigKey::MsiEndpoint, value.to_owned())));
    }
    let of = |wanted: AzureConfigKey| given.iter().rfind(|(key, _)| *key == wanted).map(|(_, value)| value.as_str());
    let theirs = of(AzureConfigKey::AccountName);
    let has_own_key = of(AzureConfigKey::AccessKey).or(of(AzureConfigKey::SasKey)).is_some();
    if let (Some(account), Some(theirs)) = (account, theirs)
        && account != theirs
        && has_own_key
    {
        let message = format!("the credentials in the environment are of the account `{theirs}`, not of `{account}`");
        return Err(Error::new(ErrorKind::Usage, message).hint("set those of the account that the location names"));
    }
    let options = options_for(of(AzureConfigKey::Endpoint).unwrap_or("https:"), stores)?;
    if account.or(theirs).is_none() && of(AzureConfigKey::UseEmulator).is_none() {
        return Err(Error::new(ErrorKind::Usage, format!("`{}` names no storage account", location.text))
            .hint("set AZURE_STORAGE_ACCOUNT_NAME, or write abfss://container@account.dfs.core.windows.net/folder/"));
    }
    builder = builder.with_client_options(options);
    for (key, value) in given {
        builder = builder.with_config(key, value);
    }
    if let Some(account) = account {
        builder = builder.with_account(account);
    }
    built(location, builder.with_container_name(&location.bucket).build())
}

/// The client of one file of a web server, which comes in parts if the server `has_ranges`.
///
/// # Errors
/// [`ErrorKind::SourceRefused`] if TLS cannot be set up.
pub(super) fn web(
    location: &Location,
    stores: &Stores,
    (origin, query): (&str, Option<&str>),
    has_ranges: bool,
) -> Result<Client> {
    let options = options_for(origin, stores)?;
    let builder = HttpBuilder::new()
        .with_url(origin)
        .with_retry(retries())
        .with_client_options(if has_ranges { options } else { options.with_timeout_disabled() })
        .with_http_connector(Connector { query: query.map(str::to_owned) });
    built(location, builder.build())
}

/// The client for `location`; what a vendor's crate says of a setting may quote a secret and is not kept.
fn built(location: &Location, client: datafusion::object_store::Result<impl ObjectStore>) -> Result<Client> {
    if let Ok(client) = client {
        return Ok(Arc::new(client));
    }
    let message = format!("no client for `{}`: a variable of the vendor has no usable value", location.text);
    let vendor = match location.vendor {
        Vendor::Amazon => "AWS_",
        Vendor::Google => "GOOGLE_",
        Vendor::Azure { .. } => "AZURE_",
        Vendor::Web { .. } => "SSL_",
    };
    Err(Error::new(ErrorKind::SourceRefused, message)
        .hint(format!("check the {vendor}* variables, and the files that they name")))
}

/// The profile that is asked for, or the default one.
fn profile(chosen: Option<&str>, variables: &Variables) -> Result<Option<Profile>> {
    let named = chosen.or(variables.get("AWS_PROFILE")).or(variables.get("AWS_DEFAULT_PROFILE"));
    let profile = Profile::read(named.unwrap_or(DEFAULT_PROFILE), variables)?;
    match (named, profile) {
        (Some(name), None) if name != DEFAULT_PROFILE => {
            Err(Error::new(ErrorKind::Usage, format!("no AWS profile `{name}`"))
                .hint("looked in ~/.aws/credentials and ~/.aws/config; AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name others"))
        }
        (_, profile) => Ok(profile),
    }
}

/// The endpoint that is asked for, and whether it comes from who runs the query, not from the query's folder.
fn endpoint<'a>(stores: &'a Stores, profile: Option<&'a Profile>) -> Option<(&'a str, bool)> {
    let set = stores.s3_endpoint.as_ref();
    let of_environment = stores.variables.get("AWS_ENDPOINT_URL_S3").or(stores.variables.get("AWS_ENDPOINT_URL"));
    let by_operator = set.filter(|(_, origin)| *origin >= Origin::Environment).map(|(url, _)| url.as_str());
    by_operator
        .or(of_environment)
        .map(|url| (url, true))
        .or(set.map(|(url, _)| (url.as_str(), false)))
        .or(profile.and_then(Profile::endpoint).map(|url| (url, true)))
}

/// The region that is asked for, in the same order.
fn region<'a>(stores: &'a Stores, profile: Option<&'a Profile>) -> Option<&'a str> {
    let set = stores.s3_region.as_ref();
    let of_environment = stores.variables.get("AWS_REGION").or(stores.variables.get("AWS_DEFAULT_REGION"));
    let by_operator = set.filter(|(_, origin)| *origin >= Origin::Environment).map(|(region, _)| region.as_str());
    by_operator
        .or(of_environment)
        .or(set.map(|(region, _)| region.as_str()))
        .or(profile.and_then(|profile| profile.get("region")))
}

/// The parts of Azure's connection string that name an account.
fn connection(text: &str) -> impl Iterator<Item = (AzureConfigKey, &str)> {
    text.split(';').filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        let key = match name.trim() {
            "AccountName" => AzureConfigKey::AccountName,
            "AccountKey" => AzureConfigKey::AccessKey,
            "SharedAccessSignature" => AzureConfigKey::SasKey,
            "BlobEndpoint" => AzureConfigKey::Endpoint,
            _ => return None,
        };
        Some((key, value.trim()))
    })
}

fn options(stores: &Stores) -> Result<ClientOptions> {
    let mut options = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_timeout(TRY)
        .with_user_agent(HeaderValue::from_static(concat!("postback/", env!("CARGO_PKG_VERSION"))));
    let authorities = stores.authorities.as_ref().as_ref().map_err(Error::restated)?;
    for certificate in authorities.certificates() {
        let certificate = Certificate::from_der(certificate).map_err(|error| {
            Error::new(ErrorKind::Usage, "a certificate of the ca file is not usable").source(error)
        })?;
        options = options.with_root_certificate(certificate);
    }
    Ok(options)
}

/// Those for an endpoint that the operator named: plain where its URL is, and without a proxy on this machine.
fn options_for(endpoint: &str, stores: &Stores) -> Result<ClientOptions> {
    let options = options(stores)?.with_allow_http(endpoint.starts_with("http://"));
    Ok(match Url::parse(endpoint) {
        Ok(url) if is_loopback(&url) => options.with_proxy_url(NO_PROXY.0).with_proxy_excludes(NO_PROXY.1),
        _ => options,
    })
}

fn retries() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(200), max_backoff: Duration::from_secs(5), base: 2.0 };
    RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT }
}
