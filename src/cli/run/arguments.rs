//! The command line of a run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::api::BaseUrl;
use crate::cli::flags::SettingFlags;
use crate::cli::output::Format;
use crate::cli::place::{Loss, Network, Second};
use crate::cli::stores::Elsewhere;
use crate::delivery::Window;
use crate::report::Mode;
use crate::run::{Again, Job};
use crate::settings::{Form, Settings, seconds};

/// Longest test event code; Events Manager's have about ten characters.
const MAX_TEST_EVENT_CODE: usize = 64;

#[derive(clap::Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent flag")]
pub(in crate::cli) struct Arguments {
    /// Query files, run one after the other
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Do everything up to the socket, and send nothing
    #[arg(long, conflicts_with = "sandbox")]
    pub(super) dry_run: bool,
    /// Deliver to an embedded local Events API over HTTP
    #[arg(long)]
    pub(super) sandbox: bool,
    /// Deliver as test events, which Events Manager shows under "Test events" and which count for nothing
    #[arg(long, value_name = "CODE", value_parser = test_event_code)]
    pub(super) test_event_code: Option<Arc<str>>,
    /// Send while reading, without judging all rows first
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) no_preflight: bool,
    /// Keep the sandbox's page open after the run, until Ctrl-C
    #[arg(long, requires = "sandbox")]
    pub(super) keep_open: bool,
    /// Script of faults for the sandbox: which requests go wrong, and how
    #[arg(long, requires = "sandbox", value_name = "FILE")]
    pub(super) faults: Option<PathBuf>,
    /// Send again what is on record as accepted, refused or held; with --yes only, as TikTok may count it twice
    #[arg(long, conflicts_with_all = ["dry_run", "sandbox"])]
    pub(super) force_resend: bool,
    /// Accept that events may count twice
    #[arg(long, requires = "force_resend")]
    pub(super) yes: bool,
    /// Print the executed plan with its metrics, as EXPLAIN ANALYZE shows it
    #[arg(long)]
    pub(super) explain: bool,
    /// Wait for a file before anything else, such as a warehouse's _SUCCESS: a path, a pattern or a URL
    #[arg(long, value_name = "LOCATION")]
    pub(super) wait_for: Option<String>,
    /// Longest wait for --wait-for, after which nothing is sent and the exit code is 5 [default: 2h]
    #[arg(long, value_name = "DURATION", requires = "wait_for", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
    /// Send nothing, with exit code 0, where inputs, query, parameters and settings are those of the last run to the same
    /// destination, and it succeeded
    #[arg(long, conflicts_with_all = ["sandbox", "force_resend"])]
    pub(super) if_changed: bool,
    /// Value of a parameter `$NAME` in the query
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(super) parameters: Vec<String>,
    /// Form of the account
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
    #[command(flatten)]
    pub(super) loss: Loss,
    #[command(flatten)]
    pub(super) second: Second,
    #[command(flatten)]
    pub(super) network: Network,
    #[command(flatten)]
    pub(super) settings: SettingFlags,
    /// Which events of earlier runs are sent again.
    #[arg(skip)]
    pub(super) again: Again,
}

impl Arguments {
    /// To run `file` again, as test events where there is a code, and offer once more what the API refused.
    pub(in crate::cli) fn retrying(
        file: PathBuf,
        test_event_code: Option<Arc<str>>,
        parameters: Vec<String>,
        format: Format,
        settings: SettingFlags,
    ) -> Self {
        Self {
            files: vec![file],
            dry_run: false,
            sandbox: false,
            test_event_code,
            no_preflight: false,
            keep_open: false,
            faults: None,
            force_resend: false,
            yes: false,
            explain: false,
            wait_for: None,
            timeout: None,
            if_changed: false,
            parameters,
            format,
            loss: Loss::default(),
            second: Second::default(),
            network: Network::default(),
            settings,
            again: Again::Refused,
        }
    }

    /// What is to be done where another ledger knows what a file sends.
    pub(super) fn elsewhere(&self) -> Elsewhere {
        if self.second.new_ledger { Elsewhere::Ignored } else { Elsewhere::Refused }
    }

    pub(super) fn resume(&self, job: &mut Job) {
        job.resume.again = if self.force_resend { Again::Everything } else { self.again };
        if self.force_resend {
            (job.resume.window, job.delivery.window) = (Window::unlimited(), Window::unlimited());
        }
    }
}

/// A duration as settings take it.
fn duration(text: &str) -> Result<Duration, String> {
    seconds(text).map(Duration::from_secs).ok_or_else(|| format!("expected: {}", Form::Duration.expected()))
}

/// The names in `NAME=VALUE` assignments.
pub(super) fn names(assignments: &[String]) -> Vec<String> {
    let names = assignments.iter().filter_map(|assignment| assignment.split_once('='));
    names.map(|(name, _)| name.trim_start_matches('$').to_owned()).collect()
}

/// Where the events of a run go, as its arguments and settings say.
pub(super) fn mode(arguments: &Arguments, settings: &Settings) -> Mode {
    if arguments.dry_run { Mode::DryRun } else { counted_as(arguments, settings) }
}

/// What the events of a run count as where they are sent: a dry run looks at the ledger that the run would use.
pub(super) fn counted_as(arguments: &Arguments, settings: &Settings) -> Mode {
    let is_loopback =
        || BaseUrl::parse(settings.text("base_url").unwrap_or_default()).is_ok_and(|base| base.is_loopback());
    match arguments.sandbox {
        true => Mode::Sandbox,
        _ if arguments.test_event_code.is_some() => Mode::Test,
        _ if is_loopback() => Mode::Loopback,
        _ => Mode::Live,
    }
}

/// A code as Events Manager gives it, such as `TEST12345`. It is a flag only: left behind in a file or an environment, it
/// would make test events of a night's delivery.
pub(in crate::cli) fn test_event_code(text: &str) -> Result<Arc<str>, String> {
    let is_code =
        (1..=MAX_TEST_EVENT_CODE).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_code { Ok(text.into()) } else { Err("expected a code from Events Manager, such as TEST12345".to_owned()) }
}
