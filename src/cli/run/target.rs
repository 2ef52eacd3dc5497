//! Where the events of a run go.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use super::Arguments;
use crate::api::{self, BaseUrl, Client, credentials};
use crate::cli::{World, unix_now};
use crate::error::{Error, ErrorKind, Result};
use crate::sandbox::{Options, Sandbox};
use crate::settings::{Authorities, Origin, Settings, TOKEN_VARIABLE};

/// What a loopback server gets where nobody gave a token.
const LOOPBACK_TOKEN: &str = "sandbox";
/// The token file that is standard input.
const STANDARD_INPUT: &str = "-";

/// Where the events of a run go.
pub(super) struct Target {
    /// What the account calls it.
    pub(super) description: String,
    /// What sends; nothing does in a dry run.
    pub(super) client: Option<Client>,
    pub(super) sandbox: Option<Sandbox>,
}

/// Resolves the destination, and starts the embedded sandbox where that is it.
pub(super) async fn target(arguments: &Arguments, settings: &Settings, world: &World) -> Result<Target> {
    if arguments.dry_run {
        return Ok(Target { description: "dry run".into(), client: None, sandbox: None });
    }
    if arguments.sandbox {
        let now = settings.as_of();
        let clock = move || now.unwrap_or_else(unix_now);
        let faults = crate::cli::sandbox::script(arguments.faults.as_deref())?;
        let sandbox = Sandbox::start(Options { faults, ..Options::new(Arc::new(clock)) }).await?;
        let base = BaseUrl::parse(&sandbox.base_url())?;
        let client = Client::new(&base, &SecretString::from(LOOPBACK_TOKEN))?;
        return Ok(Target { description: format!("sandbox {base}"), client: Some(client), sandbox: Some(sandbox) });
    }
    let base = BaseUrl::parse(settings.text("base_url").unwrap_or_default())?;
    if settings.as_of().is_some() && !base.is_loopback() {
        return Err(Error::new(
            ErrorKind::Usage,
            "postback.as_of is for examples and tests, and this destination is live",
        )
        .hint("take out `SET postback.as_of`, or add --sandbox or --dry-run"));
    }
    let is_from_file = matches!(settings.origin("base_url"), Origin::Set | Origin::File);
    if is_from_file && !base.is_production() && !base.is_loopback() {
        let message = format!("{} may get the access token only if you name it yourself", base.origin());
        return Err(
            Error::new(ErrorKind::Usage, message).hint("give it as --base-url or POSTBACK_BASE_URL, not in a file")
        );
    }
    let authorities = Authorities::of(settings)?;
    let (token, token_file) = if is_from_file && base.is_loopback() {
        // Whatever listens there was not named by whoever owns the token.
        (SecretString::from(LOOPBACK_TOKEN), None)
    } else {
        token(settings, world, base.is_loopback())?
    };
    let options = api::Options { authorities, token_file, ..api::Options::default() };
    let client = Client::with_options(&base, &token, options)?;
    Ok(Target { description: base.to_string(), client: Some(client), sandbox: None })
}

/// The access token, and the file it came from.
fn token(settings: &Settings, world: &World, is_loopback: bool) -> Result<(SecretString, Option<PathBuf>)> {
    match settings.text("token_file") {
        Some(STANDARD_INPUT) => return Ok((piped_token(world)?, None)),
        Some(path) => return Ok((credentials::from_file(path.as_ref())?, Some(path.into()))),
        None => {}
    }
    let token = match world.variable(TOKEN_VARIABLE) {
        Some(value) => credentials::from_value(&SecretString::from(value), TOKEN_VARIABLE)?,
        None if is_loopback => SecretString::from(LOOPBACK_TOKEN),
        None => {
            return Err(Error::new(ErrorKind::Credentials, "no access token").hint(format!(
                "set {TOKEN_VARIABLE}, or name a 0600 file, or `-` for standard input, with --token-file; try --sandbox or --dry-run without one"
            )));
        }
    };
    Ok((token, None))
}

/// The access token from standard input.
fn piped_token(world: &World) -> Result<SecretString> {
    if let Some(token) = world.piped_token.get() {
        return Ok(token.clone());
    }
    if io::stdin().is_terminal() {
        return Err(Error::new(ErrorKind::Credentials, "the access token is not typed, as the terminal would show it")
            .hint("pipe it in, for example from a password store: `pass tiktok | postback run … --token-file -`"));
    }
    let token = tokio::task::block_in_place(|| credentials::from_input(io::stdin().lock()))?;
    Ok(world.piped_token.get_or_init(|| token).clone())
}
