//! `postback run`: check, preflight, deliver, account.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::World;
use super::progress::Display;
use super::render::{self, Heading};
use super::signals::Signals;
use super::stores::{self, Stores};
use crate::api::Client;
use crate::delivery::Activity;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Run, Store};
use crate::query::{Checked, QueryFile};
use crate::report::{self, EarlierRun, Ending, Recording, RunResults, Subject};
use crate::run::{self, Account, Job, Ports, Preflight, Progress, UnreadSources};
use crate::settings::Settings;

use self::arguments::{counted_as, mode, names};
use self::checking::{judge, parameters, read, refusal};
use self::failures::Failures;
use self::past::Past;
use self::target::{Target, target};

mod arguments;
mod checking;
mod failures;
mod inputs;
mod past;
mod target;
mod waiting;

pub(super) use self::arguments::{Arguments, test_event_code};
pub(super) use self::checking::check;

/// What the command does that ends what is held.
const RESOLVES: &str = "lists them, and says to send them again or to count them as accepted";

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
    /// The command that lists what the ledger holds.
    resolve: String,
    /// The run that did all that this one would do.
    done_by: Option<String>,
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
    waiting::wait(&arguments, world, &signals).await?;
    let mut failures = Failures { files: arguments.files.len(), ..Failures::default() };
    let mut ready = Vec::with_capacity(arguments.files.len());
    let mut stores = Stores::accepting(arguments.loss, arguments.network);
    // Exit 2 says that nothing was sent: every file is checked before the first one sends.
    for path in &arguments.files {
        match prepare(path, &arguments, world, &mut stores, &signals).await {
            Ok(prepared) => ready.push(prepared),
            Err(error) => failures.add(path, error),
        }
        if let Some(stopped) = signals.caught() {
            discard(ready.into_iter()).await;
            return Err(stopped);
        }
    }
    if failures.is_empty() {
        let mut ready = ready.into_iter();
        while let Some(prepared) = ready.next() {
            let path = prepared.path;
            let outcome = Box::pin(run_one(prepared, &arguments, world, &signals)).await;
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

async fn prepare<'a>(
    path: &'a Path,
    arguments: &Arguments,
    world: &World,
    stores: &mut Stores,
    signals: &Signals,
) -> Result<Ready<'a>> {
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
    let (mode, name) = (counted_as(arguments, &settings), stores::query_name(path, &settings));
    let mut stop = signals.stop();
    // A bucket may take its time to answer; nobody waits for it who wants to stop.
    let aimed = tokio::select! {
        aimed = aim(&file, &settings, arguments, world, &mut recording, stores) => aimed,
        _ = stop.wait_for(|stop| *stop) => {
            Err(signals.caught().unwrap_or_else(|| Error::new(ErrorKind::Interrupted, "stopped by a signal")))
        }
    };
    let aimed = aimed.and_then(|(checked, target)| {
        let sources = checked.sources()?;
        recording.recognised(sources.reports());
        inputs::assure_fresh(&sources, &settings, job.policy.now)?;
        let fingerprint = inputs::fingerprint(&sources, &file, &settings, &arguments.parameters, &format!("{mode:?}"));
        let done_by = done_by(&fingerprint, &target, path, arguments, &settings, &recording);
        recording.fingerprinted(fingerprint);
        Ok((checked, target, done_by))
    });
    let aimed = aimed.and_then(|(checked, target, done_by)| {
        let past = if target.client.is_some() {
            Past::of(stores.open(mode, &settings, world)?, &name)?
        } else {
            Past::seen(mode, &settings, world)?
        };
        Ok((checked, target, past, done_by))
    });
    match aimed {
        Ok((checked, target, past, done_by)) => {
            job.resume.forgotten_before = past.forgotten_before;
            arguments.resume(&mut job);
            let resolve = stores::resolve_command(mode, &settings);
            Ok(Ready { path, checked, target, job, recording, past, name, resolve, done_by })
        }
        Err(error) => Err(conclude(recording, None, Err(error)).await.1.expect_err("an error stays one")),
    }
}

/// The id of the earlier run that did what this one would do, where that keeps it from taking place.
fn done_by(
    fingerprint: &str,
    target: &Target,
    path: &Path,
    arguments: &Arguments,
    settings: &Settings,
    recording: &Recording,
) -> Option<String> {
    if !arguments.if_changed {
        return None;
    }
    let ledger = Path::new(settings.text("ledger").unwrap_or_default());
    let query = path.display().to_string();
    let earlier = EarlierRun::find(ledger, &query, &target.description, recording.id())?;
    earlier.did(fingerprint).then_some(earlier.id)
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
    let way = (counted_as(arguments, settings), !arguments.dry_run);
    let parameters = parameters(file, settings, &arguments.parameters, way, stores, world)?;
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
    let Ready { path, checked, target, mut job, mut recording, past, name, resolve, done_by } = ready;
    if let Some(done_by) = done_by {
        recording.skipped();
        let (results, verdict) = conclude(recording, None, Ok(())).await;
        if !world.quiet {
            render::note(&format!(
                "skipped: neither inputs nor query have changed since the run {done_by}, which succeeded"
            ));
        }
        return verdict.and(render::skipped(&results, arguments.format));
    }
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
        progress: Arc::new(Progress::reading(checked.sources()?)),
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
    account.note_unread(&checked, &ports).await?;
    recording.recognised(checked.sources()?.reports());
    let verdict = signals.caught().map_or_else(|| account.verdict(&job), Err).map_err(|error| match error.kind() {
        ErrorKind::Held => error.hint(format!("`{resolve}` {RESOLVES}")),
        _ => error,
    });
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
            let unread = UnreadSources::default();
            Ok(Account { tally, report: None, readiness, unresolved: 0, unread, failure: None, plan, elapsed })
        }
        (_, None) => Err(Error::new(ErrorKind::Internal, "a dry run is a preflight")),
    }
}
