//! The command line: arguments in, exit code out. Only this module reads the outside world and prints.
//!
//! stdout is data, stderr is talk. Every verb has a file; [`render`] is the only code that styles text.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::error::ContextKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use secrecy::SecretString;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{Registry, fmt};

use self::flags::SettingFlags;
use crate::error::{Error, ErrorKind, Result};
use crate::query::Resources;
use crate::settings::{self, Origin, Settings, TOKEN_VARIABLE, Variables};
use crate::sources;

mod check;
mod completions;
mod config;
mod explain;
mod flags;
mod home;
mod ledger;
mod memory;
mod output;
mod place;
mod preview;
mod progress;
mod readiness;
pub mod render;
mod resolve;
mod retry;
mod run;
mod sandbox;
mod schema;
mod signals;
mod spill;
mod sql;
mod stores;

/// For what still reads when everything is said.
const AT_THE_END: Duration = Duration::from_secs(1);

/// SQL files in, validated and hashed conversion events out.
#[derive(Debug, Parser)]
#[command(name = "postback", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    global: Global,
}

/// Options of every verb.
#[derive(Args, Debug)]
struct Global {
    /// Settings file; by default the nearest postback.toml from the query file upwards, else ./postback.toml
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    config: Option<PathBuf>,
    /// Say only what failed
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    quiet: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    verbose: u8,
    /// Form of log lines on stderr
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, help_heading = "Global options")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check, preflight and deliver the events of query files
    Run(run::Arguments),
    /// Run the query of an earlier run again, and offer once more what the API refused
    Retry(retry::Arguments),
    /// Find every problem of query files before a row is read
    Check(check::Arguments),
    /// Say what a code means, why it matters and what to do about it
    Explain(explain::Arguments),
    /// Show the first rows of a query as events, personal data masked
    Preview(preview::Arguments),
    /// Print the contract that is enforced: columns, limits, event names, currencies
    Schema(schema::Arguments),
    /// Serve a local Events API with a page of what arrived
    Sandbox(sandbox::Arguments),
    /// Print every setting, its value and where the value came from
    Config(config::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Look after the record of what was sent: verify, export, repair
    Ledger(ledger::Arguments),
    /// List events that may have been accepted although nothing says so, and decide about them
    Resolve(resolve::Arguments),
    /// Run SQL over any source, with postback's functions
    Sql(sql::Arguments),
}

/// What verbs need of the outside world.
#[derive(Debug)]
struct World {
    /// Unix seconds.
    now: i64,
    /// `POSTBACK_*` variables, and those that cloud vendors define.
    variables: Vec<(String, String)>,
    /// Names of variables whose values are not UTF-8.
    unreadable: Vec<String>,
    resources: Resources,
    quiet: bool,
    verbose: bool,
    config: Option<PathBuf>,
    /// The token that came through standard input, which is read once, whatever the number of files.
    piped_token: OnceLock<SecretString>,
}

impl World {
    fn read(global: &Global) -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
        let unreadable = std::env::vars_os().filter(|(_, value)| value.to_str().is_none());
        Self {
            now: unix_now(),
            variables: variables
                .filter(|(name, _)| name.starts_with("POSTBACK_") || Variables::has_name(name))
                .collect(),
            unreadable: unreadable.filter_map(|(name, _)| text(name)).collect(),
            resources: Resources {
                memory_limit: half_of_memory(),
                partitions: std::thread::available_parallelism().map_or(1, usize::from),
                spill_folder: spill::folder(),
            },
            quiet: global.quiet,
            verbose: global.verbose > 0,
            config: global.config.clone(),
            piped_token: OnceLock::new(),
        }
    }

    /// The settings of flags, environment and `postback.toml`; a query file's `SET` comes on top of them later.
    fn settings(&self, flags: &SettingFlags, query: Option<&Path>) -> Result<Settings> {
        let mut settings = Settings::default();
        if let Some(path) = self.settings_file(query)? {
            let wrong = |error: Error| error.context("file", path.display());
            let text = std::fs::read_to_string(&path).map_err(|error| {
                wrong(Error::new(ErrorKind::Usage, "the settings file cannot be read").source(error))
            })?;
            settings.set_file(&text).map_err(wrong)?;
            home::anchor(&mut settings, path.parent().unwrap_or(Path::new("")), Origin::File)?;
        }
        settings.set_environment(self.variables.iter().cloned())?;
        if let Some(name) = self.unreadable.iter().find(|name| name.starts_with("POSTBACK_")) {
            return Err(Error::new(ErrorKind::Usage, format!("the variable `{name}` holds bytes that are not UTF-8")));
        }
        flags.apply(&mut settings)?;
        Ok(settings)
    }

    fn settings_file(&self, query: Option<&Path>) -> Result<Option<PathBuf>> {
        if let Some(path) = &self.config {
            if !path.exists() {
                return Err(Error::new(ErrorKind::Usage, format!("no settings file `{}`", path.display())));
            }
            return Ok(Some(path.clone()));
        }
        Ok(home::settings_file(query))
    }

    /// What the query engine may use: `memory_limit` of the settings, else half of the machine; a folder to spill to.
    fn resources(&self, settings: &Settings) -> Result<Resources> {
        spill::create(&self.resources.spill_folder)?;
        let limit = settings.bytes("memory_limit").and_then(|bytes| usize::try_from(bytes).ok());
        let memory_limit = limit.unwrap_or(self.resources.memory_limit);
        Ok(Resources { memory_limit, ..self.resources.clone() })
    }

    /// Says which variables look like settings and are none.
    fn tell_strays(&self) {
        let strays = settings::strays(self.variables.iter().map(|(name, _)| name.as_str()));
        let (near, others): (Vec<_>, Vec<_>) = strays.into_iter().partition(|(_, meant)| meant.is_some());
        for (variable, meant) in near {
            let meant = meant.unwrap_or_default();
            render::note(&format!("warning: `{variable}` is no setting and has no effect; did you mean {meant}?"));
        }
        if !others.is_empty() {
            let names = others.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let (verb, noun) = if others.len() == 1 { ("is", "setting and has") } else { ("are", "settings and have") };
            render::note(&format!("warning: {names} {verb} no {noun} no effect"));
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(variable, _)| variable == name).map(|(_, value)| value.as_str())
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) if names_a_token(&error) => {
            let error = token_as_flag();
            render::error(&error);
            if wants_document(std::env::args_os()) {
                drop(output::failure(&error));
            }
            return ErrorKind::Usage.exit_code().into();
        }
        Err(error) => {
            if error.use_stderr() && wants_document(std::env::args_os()) {
                let said =
                    Error::new(ErrorKind::Usage, error.kind().as_str().unwrap_or("the command line is not known"));
                drop(output::failure(&said));
            }
            // Help and version are answers, not failures; clap knows which stream each belongs to.
            let code = if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 };
            return if error.print().is_ok() { code.into() } else { ErrorKind::Internal.exit_code().into() };
        }
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    log(&cli.global);
    memory::keep_private();
    hush_panics();
    // Several providers of TLS may be linked in, and none of them is a default by itself.
    drop(rustls::crypto::ring::default_provider().install_default());
    let world = World::read(&cli.global);
    if !world.quiet {
        world.tell_strays();
    }
    spill::remove_leftovers();
    let code = ended(wants_document(std::env::args_os()), || {
        let runtime = runtime()?;
        let code = runtime.block_on(dispatch(cli.verb, &world));
        // What still waits for a bucket has nobody left who reads it.
        runtime.shutdown_timeout(AT_THE_END);
        code
    });
    spill::remove(&world.resources.spill_folder);
    code
}

/// Whether what clap does not know is a flag that would have held the access token.
fn names_a_token(error: &clap::Error) -> bool {
    let unknown = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    error.kind() == clap::error::ErrorKind::UnknownArgument
        && unknown.is_some_and(|flag| flag.starts_with("--") && flag.to_ascii_lowercase().ends_with("token"))
}

fn token_as_flag() -> Error {
    Error::new(ErrorKind::Usage, "the access token is no flag: command lines are seen by others and kept in histories")
        .hint(format!("set {TOKEN_VARIABLE}, or name a 0600 file with --token-file; if this one was real, replace it"))
}

/// Whether the command line asks for a JSON document. Whatever becomes of the command, there is one then.
fn wants_document(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments: Vec<OsString> = arguments.take_while(|argument| argument != "--").collect();
    arguments.iter().any(|argument| argument == "--format=json")
        || arguments.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}

/// The exit code of `work`, which says what ended it: an error here, a panic where it happens. Where `wants_document`, and
/// nothing was printed, there is a document of the error.
fn ended(wants_document: bool, work: impl FnOnce() -> Result<ExitCode>) -> ExitCode {
    // Nothing that a panic may have left half done is used afterwards.
    let error = match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(code)) => return code,
        Ok(Err(error)) => {
            render::error(&error);
            error
        }
        Err(_) => Error::new(ErrorKind::Internal, "a defect of postback"),
    };
    if wants_document && !output::has_written() {
        drop(output::failure(&error));
    }
    error.exit_code().into()
}

/// Makes a panic of this process tell where it happened and not what it says, which may quote a row. That of a library over a
/// damaged file is caught, and told as what the file is.
pub fn hush_panics() {
    panic::set_hook(Box::new(|panicked| {
        if sources::is_caught() {
            return;
        }
        let place =
            panicked.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        render::note(&format!("internal error{place}: this is a defect of postback, please report it"));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            render::note(&backtrace.to_string());
        }
    }));
}

/// Runs the verb; what ends with another code than 0 and says why on stdout gives that code.
async fn dispatch(verb: Verb, world: &World) -> Result<ExitCode> {
    match verb {
        Verb::Check(arguments) => return Box::pin(check::run(arguments, world)).await,
        Verb::Explain(arguments) => explain::run(&arguments),
        Verb::Run(arguments) => Box::pin(run::run(arguments, world)).await,
        Verb::Retry(arguments) => Box::pin(retry::run(arguments, world)).await,
        Verb::Preview(arguments) => preview::run(arguments, world).await,
        Verb::Schema(arguments) => schema::run(&arguments),
        Verb::Sandbox(arguments) => sandbox::run(arguments, world).await,
        Verb::Config(arguments) => config::run(&arguments, world),
        Verb::Completions(arguments) => completions::run(&arguments, &mut Cli::command()),
        Verb::Ledger(arguments) => ledger::run(&arguments, world),
        Verb::Resolve(arguments) => resolve::run(&arguments, world),
        Verb::Sql(arguments) => sql::run(arguments, world).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(ErrorKind::Internal, "the runtime does not start").source(error))
}

fn log(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, _) => LevelFilter::DEBUG,
    };
    let written = fmt::layer().with_writer(std::io::stderr).with_ansi(render::is_coloured());
    let written = match global.log_format {
        LogFormat::Text => written.with_target(false).boxed(),
        LogFormat::Json => written.json().boxed(),
    };
    // What other crates log may quote the query or the rows.
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    // Logging starts once a process; in tests it may have started already.
    let started = tracing::subscriber::set_global_default(Registry::default().with(written.with_filter(ours)));
    if let Err(error) = started {
        tracing::debug!(%error, "logging had started before");
    }
}

fn text(value: OsString) -> Option<String> {
    value.into_string().ok()
}

/// Unix seconds.
fn unix_now() -> i64 {
    i64::try_from(unix_nanos() / 1_000_000_000).unwrap_or(i64::MAX)
}

fn unix_nanos() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

/// Half of the machine's memory, or 2 GiB where the machine does not say.
fn half_of_memory() -> usize {
    const FALLBACK: usize = 2 << 30;
    let machine = kernel_bytes("/proc/meminfo", "MemTotal:");
    // A container may use less than the machine has.
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    machine.into_iter().chain(container).min().map_or(FALLBACK, |total| total / 2)
}

/// Most bytes that this process had in memory, where the machine says.
fn peak_memory() -> Option<usize> {
    kernel_bytes("/proc/self/status", "VmHWM:")
}

/// A line such as `MemTotal:  16384 kB` of a file of the kernel, in bytes.
fn kernel_bytes(path: &str, name: &str) -> Option<usize> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse::<usize>().ok()?.checked_mul(1024)
}

/// Whether talk goes to a person.
fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_the_process_as_a_defect_does() {
        let exit_code = |code: u8| format!("{:?}", ExitCode::from(code));
        let panics = || panic!("of no one's concern");
        assert_eq!(format!("{:?}", ended(false, panics)), exit_code(70));
        let fails = || Err(Error::new(ErrorKind::Source, "nothing to read"));
        assert_eq!(format!("{:?}", ended(false, fails)), exit_code(5));
        assert_eq!(format!("{:?}", ended(false, || Ok(ExitCode::SUCCESS))), exit_code(0));
    }

    #[test]
    fn a_document_is_wanted_where_the_form_is_json() {
        let wants = |line: &str| wants_document(line.split(' ').map(OsString::from));
        assert!(wants("postback run q.sql --format json") && wants("postback run --format=json q.sql"));
        for other in
            ["run q.sql", "run --format ndjson q", "run --log-format json q", "sql -- --format json", "--format"]
        {
            assert!(!wants(other), "{other}");
        }
    }
}
