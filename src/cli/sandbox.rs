//! `postback sandbox`: a local Events API, until Ctrl-C.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use secrecy::SecretString;

use super::signals::Signals;
use super::{World, output, render};
use crate::error::{Error, ErrorKind, Result};
use crate::sandbox::{Options, Profile, Sandbox, Script, faults};
use crate::settings::TOKEN_VARIABLE;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 7474)]
    port: u16,
    /// How strict to judge
    #[arg(long, value_enum, default_value_t = Strictness::Documented)]
    profile: Strictness,
    /// Know only the token in `POSTBACK_ACCESS_TOKEN`, instead of any
    #[arg(long)]
    check_token: bool,
    /// Script of faults: which requests go wrong, and how
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Print every fault a script can order, with examples
    #[arg(long)]
    faults_help: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Strictness {
    /// Only what TikTok was seen to refuse
    Observed,
    /// What TikTok documents as wrong
    Documented,
    /// Everything postback would refuse to send
    Strict,
    /// As documented, and what Amperity asks for
    Amperity,
}

impl From<Strictness> for Profile {
    fn from(strictness: Strictness) -> Self {
        match strictness {
            Strictness::Observed => Self::Observed,
            Strictness::Documented => Self::Documented,
            Strictness::Strict => Self::Strict,
            Strictness::Amperity => Self::Amperity,
        }
    }
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<()> {
    if arguments.faults_help {
        return output::write(|stdout| stdout.write_all(faults::help().as_bytes()));
    }
    let faults = script(arguments.faults.as_deref())?;
    let bind = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), arguments.port);
    let token = match world.variable(TOKEN_VARIABLE).filter(|token| !token.trim().is_empty()) {
        Some(token) if arguments.check_token => Some(SecretString::from(token)),
        None if arguments.check_token => {
            return Err(Error::new(ErrorKind::Credentials, "--check-token has no token to check against")
                .hint(format!("set {TOKEN_VARIABLE}")));
        }
        _ => None,
    };
    let signals = Signals::watch()?;
    let sandbox = Sandbox::start(Options {
        bind,
        profile: arguments.profile.into(),
        token,
        faults,
        ..Options::new(Arc::new(super::unix_now))
    })
    .await?;
    render::sandbox_started(&sandbox.base_url());
    signals.first().await;
    let snapshot = sandbox.snapshot();
    sandbox.stop().await;
    render::sandbox_stopped(&snapshot);
    Ok(())
}

/// The fault script of a file; without a file, one without faults.
pub(super) fn script(path: Option<&Path>) -> Result<Script> {
    let Some(path) = path else { return Ok(Script::default()) };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(ErrorKind::Usage, "the fault script cannot be read").context("file", path.display()).source(error)
    })?;
    Script::parse(&text, &path.display().to_string())
}
