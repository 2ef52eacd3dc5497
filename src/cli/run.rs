//! `postback run`: check, preflight, deliver, account.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use secrecy::SecretString;
use tokio::sync::watch;

use super::World;
use super::flags::SettingFlags;
use super::output::Format;
use super::place::{Loss, Network};
use super::progress::Display;
use super::render::{self, Heading};
use super::signals::Signals;
use super::stores::{self, LAST_SUCCESS, Stores};
use crate::api::{BaseUrl, Client, credentials};
use crate::delivery::{Activity, Window};
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventKey;
use crate::ledger::{Model, Run, Sqlite, Store};
use crate::query::{self, Checked, Diagnosis, Examination, Parameters, QueryFile};
use crate::report::{self, Ending, Mode, Recording, RunResults, Subject};
use crate::run::{self, Account, Again, Job, Ports, Preflight, Progress};
use crate::sandbox::{Options, Sandbox};
use crate::settings::{Origin, Settings, TOKEN_VARIABLE};

/// What a loopback server gets where nobody gave a token.
const LOOPBACK_TOKEN: &str = "sandbox";
/// Longest test event code; Events Manager's have about ten characters.
const MAX_TEST_EVENT_CODE: usize = 64;

#[derive(clap::Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent flag")]
pub(super) struct Arguments {
    /// Query files, run one after the other
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Do everything up to the socket, and send nothing
    #[arg(long, conflicts_with = "sandbox")]
    dry_run: bool,
    /// Deliver to an embedded local Events API over HTTP
    #[arg(long)]
    sandbox: bool,
    /// Deliver as test events, which Events Manager shows under "Test events" and which count for nothing
    #[arg(long, value_name = "CODE", value_parser = test_event_code)]
    test_event_code: Option<Arc<str>>,
    /// Send while reading, without judging all rows first
    #[arg(long, conflicts_with = "dry_run")]
    no_preflight: bool,
    /// Keep the sandbox's page open after the run, until Ctrl-C
    #[arg(long, requires = "sandbox")]
    keep_open: bool,
    /// Script of faults for the sandbox: which requests go wrong, and how
    #[arg(long, requires = "sandbox", value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Send again what is on record as accepted, refused or held; with --yes only, as TikTok may count it twice
    #[arg(long, conflicts_with_all = ["dry_run", "sandbox"])]
    force_resend: bool,
    /// Accept that events may count twice
    #[arg(long, requires = "force_resend")]
    yes: bool,
    /// Print the executed plan with its metrics, as EXPLAIN ANALYZE shows it
    #[arg(long)]
    explain: bool,
    /// Value of a parameter `$NAME` in the query
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// Form of the account
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    loss: Loss,
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    settings: SettingFlags,
    /// Which events of earlier runs are sent again.
    #[arg(skip)]
    again: Again,
}

impl Arguments {
    /// To run `file` again, as test events where there is a code, and offer once more what the API refused.
    pub(super) fn retrying(
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
            parameters,
            format,
            loss: Loss::default(),
            network: Network::default(),
            settings,
            again: Again::Refused,
        }
    }

    fn resume(&self, job: &mut Job) {
        job.resume.again = if self.force_resend { Again::Everything } else { self.again };
        if self.force_resend {
            (job.resume.window, job.delivery.window) = (Window::unlimited(), Window::unlimited());
        }
    }
}

/// Where the events of a run go.
struct Target {
    /// What the account calls it.
    description: String,
    /// What sends; nothing does in a dry run.
    client: Option<Client>,
    sandbox: Option<Sandbox>,
}

/// What earlier runs left.
struct Past {
    store: Arc<dyn Store>,
    forgotten_before: Option<i64>,
    /// The events that runs of the same query left in doubt or held.
    undecided: Vec<EventKey>,
}

impl Past {
    /// Of a run that sends.
    fn of(ledger: Arc<Sqlite>, name: &str) -> Result<Self> {
        let undecided = tokio::task::block_in_place(|| ledger.undecided(name))?;
        Ok(Self { forgotten_before: ledger.forgotten_before(), undecided, store: ledger })
    }

    /// Of a run that sends nothing, which does not wait for one that does.
    fn seen(settings: &Settings) -> Result<Self> {
        let seen = match Stores::look(Mode::DryRun, settings) {
            Err(error) if error.kind() == ErrorKind::Locked => {
                render::note("another run holds the ledger: what it knows as accepted is counted as unsent here");
                None
            }
            seen => seen?,
        };
        let (model, forgotten_before) = seen.unwrap_or_else(|| (Model::new([0; 32]), None));
        Ok(Self { store: Arc::new(model), forgotten_before, undecided: Vec::new() })
    }
}

/// A query file that may be run: checked, with a destination and what it takes to send there.
struct Ready<'a> {
    path: &'a Path,
    checked: Checked,
    target: Target,
    job: Job,
    recording: Recording,
    past: Past,
    /// What identifies the query in the ledger.
    name: String,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<()> {
    if arguments.keep_open && arguments.files.len() > 1 {
        return Err(Error::new(ErrorKind::Usage, "--keep-open shows the sandbox of one file")
            .hint("start `postback sandbox`, and run the files with its --base-url"));
    }
    if arguments.force_resend && !arguments.yes {
        let message = "--force-resend sends events again that are on record as accepted, refused or held";
        return Err(Error::new(ErrorKind::Usage, message).hint(
            "TikTok drops a copy for 48 hours after the first one; beyond that it counts twice: add --yes to accept that",
        ));
    }
    let signals = Signals::watch()?;
    let mut failures = Failures { files: arguments.files.len(), ..Failures::default() };
    let mut ready = Vec::with_capacity(arguments.files.len());
    let mut stores = Stores::accepting(arguments.loss, arguments.network);
    // Exit 2 says that nothing was sent: every file is checked before the first one sends.
    for path in &arguments.files {
        match prepare(path, &arguments, world, &mut stores).await {
            Ok(prepared) => ready.push(prepared),
            Err(error) => failures.add(path, error),
        }
    }
    if failures.is_empty() {
        let mut ready = ready.into_iter();
        while let Some(prepared) = ready.next() {
            let path = prepared.path;
            let outcome = run_one(prepared, &arguments, world, &signals).await;
            match outcome {
                Ok(()) => failures.others_ran = !arguments.dry_run,
                Err(error) => failures.add(path, error),
            }
            if let Some(stopped) = signals.caught() {
                discard(ready).await;
                failures.errors.iter().for_each(|(_, error)| render::error(error));
                return Err(stopped);
            }
        }
    } else {
        discard(ready.into_iter()).await;
    }
    failures.into_result()
}

/// Takes back what is on record of files that do not run.
async fn discard(ready: impl Iterator<Item = Ready<'_>>) {
    for prepared in ready {
        prepared.recording.discard().await;
    }
}

/// What went wrong with the files of one command.
#[derive(Default)]
struct Failures<'a> {
    /// Files of the command.
    files: usize,
    errors: Vec<(&'a Path, Error)>,
    /// Whether another file has sent its events.
    others_ran: bool,
}

impl<'a> Failures<'a> {
    fn add(&mut self, path: &'a Path, error: Error) {
        // With one file it is clear which one is meant.
        let is_clear = self.files == 1 || error.location().is_some();
        let error = if is_clear { error } else { error.context("query", path.display()) };
        self.errors.push((path, error));
    }

    fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The only failure of the only file; of several, each is shown, and the first decides the exit code.
    fn into_result(mut self) -> Result<()> {
        if self.files == 1 {
            return self.errors.pop().map_or(Ok(()), |(_, error)| Err(error));
        }
        self.errors.iter().for_each(|(_, error)| render::error(error));
        let Some((path, first)) = self.errors.first() else { return Ok(()) };
        let message = format!("{} of {} files failed, `{}` first", self.errors.len(), self.files, path.display());
        let kind = match first.kind() {
            // Their exit codes say that nothing was sent.
            ErrorKind::Usage | ErrorKind::Sql | ErrorKind::Contract | ErrorKind::Source if self.others_ran => {
                ErrorKind::Incomplete
            }
            kind => kind,
        };
        Err(Error::new(kind, message))
    }
}

async fn prepare<'a>(path: &'a Path, arguments: &Arguments, world: &World, stores: &mut Stores) -> Result<Ready<'a>> {
    let (file, settings) = read(path, &arguments.settings, world)?;
    let mut job = Job::resolve(&settings, world.now, world.resources.partitions);
    job.envelope.test_event_code.clone_from(&arguments.test_event_code);
    let now = super::unix_nanos();
    job.delivery.seed = u64::try_from(now & u128::from(u64::MAX)).unwrap_or_default();
    let subject = Subject {
        file: &file,
        settings: &settings,
        parameters: &names(&arguments.parameters),
        mode: mode(arguments, &settings),
    };
    let seed = job.delivery.seed ^ u64::from(std::process::id()).rotate_left(32);
    let mut recording = Recording::begin(subject, now, seed)?;
    let (mode, name) = (mode(arguments, &settings), stores::query_name(path, &settings));
    let aimed = aim(&file, &settings, arguments, world, &mut recording, stores).await;
    let aimed = aimed.and_then(|(checked, target)| {
        let past = if target.client.is_some() {
            Past::of(stores.open(mode, &settings, world)?, &name)?
        } else {
            Past::seen(&settings)?
        };
        Ok((checked, target, past))
    });
    match aimed {
        Ok((checked, target, past)) => {
            job.resume.forgotten_before = past.forgotten_before;
            arguments.resume(&mut job);
            Ok(Ready { path, checked, target, job, recording, past, name })
        }
        Err(error) => Err(conclude(recording, None, Err(error)).await.1.expect_err("an error stays one")),
    }
}

/// What a query and its settings must pass before it may run.
async fn aim(
    file: &QueryFile,
    settings: &Settings,
    arguments: &Arguments,
    world: &World,
    recording: &mut Recording,
    stores: &Stores,
) -> Result<(Checked, Target)> {
    let mode = mode(arguments, settings);
    let parameters = parameters(file, settings, &arguments.parameters, mode, stores, world)?;
    let (diagnoses, checked) = judge(file, settings, &parameters, world).await?;
    recording.diagnosed(&diagnoses);
    let checked = checked.ok_or_else(|| refusal(&file.path, &diagnoses))?;
    let mut target = target(arguments, settings, world).await?;
    if let Some(code) = &arguments.test_event_code {
        target.description = format!("{}, as test events {code}", target.description);
    }
    recording.aimed(&target.description)?;
    Ok((checked, target))
}

/// Ends what is on record of a run: the document, and the verdict with what could not be written.
async fn conclude(
    recording: Recording,
    account: Option<report::Account>,
    verdict: Result<()>,
) -> (RunResults, Result<()>) {
    let peak_memory_bytes = super::peak_memory().map(|bytes| bytes as u64);
    let ending = Ending { account, error: verdict.as_ref().err(), peak_memory_bytes };
    let (results, kept) = recording.finish(ending).await;
    let verdict = match (verdict, kept) {
        (Err(error), Err(unkept)) => {
            // The verdict decides the exit code; that a file is missing is said all the same.
            render::error(&unkept);
            Err(error)
        }
        (verdict, kept) => verdict.and(kept),
    };
    (results, verdict)
}

async fn run_one(ready: Ready<'_>, arguments: &Arguments, world: &World, signals: &Signals) -> Result<()> {
    let Ready { path, checked, target, mut job, recording, past, name } = ready;
    let Target { mut description, client, sandbox } = target;
    let Past { store, undecided, .. } = past;
    if !undecided.is_empty() && !world.quiet {
        let events = render::counted(undecided.len() as u64, "event");
        render::note(&format!(
            "{events} of an earlier run may have been accepted: those that the query yields are sent again while TikTok \
             drops copies, and held after that"
        ));
    }
    let ports = Ports {
        store: Arc::clone(&store),
        recorder: recording.recorder(),
        progress: Arc::new(Progress::default()),
        stop: signals.stop(),
    };
    let (activity, doing) = watch::channel(Activity::default());
    job.delivery.activity = Some(activity);
    job.delivery.clock = Some(super::unix_now);
    let sends = client.is_some();
    if let Some(code) = arguments.test_event_code.as_ref().filter(|_| sends && !world.quiet) {
        render::note(&format!("TEST EVENTS: sent under the code {code}, they count for nothing and are no delivery"));
    }
    if sends {
        let run = Run { id: recording.id().to_owned(), query: name, started: job.policy.now };
        let begun = tokio::task::block_in_place(|| store.begin_run(&run));
        if let Err(error) = begun {
            return conclude(recording, None, Err(error)).await.1;
        }
    }
    let account = {
        let _display = Display::of(&ports.progress, doing, world.quiet);
        conduct(&checked, &job, client, arguments, &ports, signals).await
    };
    let mut account = match account {
        Ok(account) => account,
        Err(error) => {
            // It counts as not succeeded in any case.
            drop(end(store.as_ref(), sends, false));
            return conclude(recording, None, Err(error)).await.1;
        }
    };
    if sends && account.report.is_none() && account.failure.is_none() {
        "stopped by the preflight".clone_into(&mut description);
    }
    let query = path.display().to_string();
    let folder = recording.folder().display().to_string();
    let heading = Heading { query: &query, destination: &description, checked: &checked, folder: &folder };
    account.compare(&undecided);
    let verdict = signals.caught().map_or_else(|| account.verdict(&job), Err);
    let ended = end(store.as_ref(), sends, verdict.is_ok());
    let verdict = verdict.and(ended);
    let (results, verdict) = conclude(recording, Some(account.document(checked.folds())), verdict).await;
    if !world.quiet {
        render::account_beside(&heading, &account, arguments.format);
    }
    render::account(&heading, &account, &results, arguments.format)?;
    if arguments.explain {
        // Beside the account, so that its JSON stays JSON.
        render::note(account.plan.trim_end());
    }
    if let Some(sandbox) = sandbox {
        if arguments.keep_open && signals.caught().is_none() {
            if let Err(error) = &verdict {
                render::error(error);
            }
            render::sandbox_started(&sandbox.base_url());
            signals.first().await;
            // This signal closed the page and stopped nothing.
            signals.forget();
        }
        sandbox.stop().await;
    }
    verdict
}

/// Notes in the ledger that the run ended, if it is one that sends.
fn end(store: &dyn Store, sends: bool, succeeded: bool) -> Result<()> {
    if sends { tokio::task::block_in_place(|| store.end_run(succeeded)) } else { Ok(()) }
}

/// Reads, judges and, where `client` is and the preflight allows it, sends every row.
async fn conduct(
    checked: &Checked,
    job: &Job,
    client: Option<Client>,
    arguments: &Arguments,
    ports: &Ports,
    signals: &Signals,
) -> Result<Account> {
    let start = Instant::now();
    let interrupted = || signals.caught().unwrap_or_else(|| Error::new(ErrorKind::Internal, "the rows ended early"));
    let preflight = if arguments.no_preflight {
        None
    } else {
        Some(run::preflight(checked, job, ports).await?.ok_or_else(interrupted)?)
    };
    let is_refused = preflight.as_ref().is_some_and(|preflight| job.judge_preflight(&preflight.tally).is_err());
    match (client, preflight) {
        (Some(client), preflight) if !is_refused => run::deliver(checked, job, preflight, client, ports).await,
        (_, Some(Preflight { tally, findings, plan, .. })) => {
            let readiness = Some(findings.readiness);
            let elapsed = start.elapsed();
            Ok(Account { tally, report: None, readiness, unresolved: 0, failure: None, plan, elapsed })
        }
        (_, None) => Err(Error::new(ErrorKind::Internal, "a dry run is a preflight")),
    }
}

/// Plans and judges the query of a file, and shows every problem; gives the settings it runs under, too.
pub(super) async fn check(
    path: &Path,
    flags: &SettingFlags,
    assignments: &[String],
    world: &World,
) -> Result<(Checked, Settings)> {
    let (file, settings) = read(path, flags, world)?;
    let parameters = parameters(&file, &settings, assignments, Mode::DryRun, &Stores::default(), world)?;
    let (diagnoses, checked) = judge(&file, &settings, &parameters, world).await?;
    Ok((checked.ok_or_else(|| refusal(path, &diagnoses))?, settings))
}

/// The query file and the settings it runs under. One that cannot be read or parsed is shown as every problem is.
fn read(path: &Path, flags: &SettingFlags, world: &World) -> Result<(QueryFile, Settings)> {
    let mut settings = world.settings(flags, Some(path))?;
    match QueryFile::read(path) {
        Ok(file) => {
            // What cannot be set is among the diagnoses.
            let _ = query::apply_settings(&file, &mut settings);
            Ok((file, settings))
        }
        Err(error) => {
            let Examination { diagnoses, .. } = Examination::unread(error);
            render::diagnoses(&diagnoses);
            Err(refusal(path, &diagnoses))
        }
    }
}

/// The values of parameters: those given, and `$last_success` where the query asks for it and nobody gave one.
fn parameters(
    file: &QueryFile,
    settings: &Settings,
    assignments: &[String],
    mode: Mode,
    stores: &Stores,
    world: &World,
) -> Result<Parameters> {
    let mut parameters = Parameters::default();
    assignments.iter().try_for_each(|assignment| parameters.add(assignment))?;
    let is_given = names(assignments).iter().any(|name| name == LAST_SUCCESS);
    if file.has_parameter(LAST_SUCCESS) && !is_given {
        let success = match stores.last_success(&file.path, mode, settings) {
            Err(error) if error.kind() == ErrorKind::Locked && mode == Mode::DryRun => {
                render::note("another run holds the ledger, so that `$last_success` is not known");
                None
            }
            success => success?,
        };
        let value = stores::instant(success);
        if !world.quiet {
            let none_yet = if success.is_none() { ": no run of this query has succeeded yet" } else { "" };
            render::note(&format!("$last_success is {value}{none_yet}"));
        }
        parameters.provide(LAST_SUCCESS, value);
    }
    Ok(parameters)
}

/// Plans and judges the query, and shows every problem; the query is `None` where one is an error.
async fn judge(
    file: &QueryFile,
    settings: &Settings,
    parameters: &Parameters,
    world: &World,
) -> Result<(Vec<Diagnosis>, Option<Checked>)> {
    let Examination { diagnoses, checked } =
        query::examine(file, settings, parameters, &world.resources(settings)?).await;
    if !world.quiet || checked.is_none() {
        render::diagnoses(&diagnoses);
    }
    Ok((diagnoses, checked))
}

/// The error of a query that has problems; the first decides the exit code.
fn refusal(path: &Path, diagnoses: &[Diagnosis]) -> Error {
    let errors: Vec<_> = diagnoses.iter().filter(|diagnosis| diagnosis.is_error()).collect();
    let kind = errors.first().map_or(ErrorKind::Internal, |diagnosis| diagnosis.kind);
    let problems = if errors.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", errors.len()) };
    Error::new(kind, format!("`{}` has {problems}; nothing was read or sent", path.display()))
}

/// The names in `NAME=VALUE` assignments.
fn names(assignments: &[String]) -> Vec<String> {
    let names = assignments.iter().filter_map(|assignment| assignment.split_once('='));
    names.map(|(name, _)| name.trim_start_matches('$').to_owned()).collect()
}

fn mode(arguments: &Arguments, settings: &Settings) -> Mode {
    let is_loopback =
        || BaseUrl::parse(settings.text("base_url").unwrap_or_default()).is_ok_and(|base| base.is_loopback());
    match (arguments.dry_run, arguments.sandbox) {
        (true, _) => Mode::DryRun,
        (_, true) => Mode::Sandbox,
        _ if arguments.test_event_code.is_some() => Mode::Test,
        _ if is_loopback() => Mode::Loopback,
        _ => Mode::Live,
    }
}

/// A code as Events Manager gives it, such as `TEST12345`. It is a flag only: left behind in a file or an environment, it
/// would make test events of a night's delivery.
pub(super) fn test_event_code(text: &str) -> Result<Arc<str>, String> {
    let is_code =
        (1..=MAX_TEST_EVENT_CODE).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_code { Ok(text.into()) } else { Err("expected a code from Events Manager, such as TEST12345".to_owned()) }
}

async fn target(arguments: &Arguments, settings: &Settings, world: &World) -> Result<Target> {
    if arguments.dry_run {
        return Ok(Target { description: "dry run".into(), client: None, sandbox: None });
    }
    if arguments.sandbox {
        let now = settings.as_of();
        let clock = move || now.unwrap_or_else(super::unix_now);
        let faults = super::sandbox::script(arguments.faults.as_deref())?;
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
    let token = if is_from_file && base.is_loopback() {
        // Whatever listens there was not named by whoever owns the token.
        SecretString::from(LOOPBACK_TOKEN)
    } else {
        token(settings, world, base.is_loopback())?
    };
    Ok(Target { description: base.to_string(), client: Some(Client::new(&base, &token)?), sandbox: None })
}

fn token(settings: &Settings, world: &World, is_loopback: bool) -> Result<SecretString> {
    if let Some(path) = settings.text("token_file") {
        return credentials::from_file(path.as_ref());
    }
    match world.variable(TOKEN_VARIABLE) {
        Some(value) => credentials::from_value(&SecretString::from(value), TOKEN_VARIABLE),
        None if is_loopback => Ok(SecretString::from(LOOPBACK_TOKEN)),
        None => Err(Error::new(ErrorKind::Credentials, "no access token").hint(format!(
            "set {TOKEN_VARIABLE}, or name a 0600 file with --token-file; try --sandbox or --dry-run without one"
        ))),
    }
}
