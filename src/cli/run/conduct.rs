//! One file that is ready: read, sent, and its account given.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::arguments::Arguments;
use super::documents::Documents;
use super::past::Past;
use super::ready::Ready;
use super::target::Target;
use crate::api::Client;
use crate::cli::output::Format;
use crate::cli::progress::Display;
use crate::cli::render::{self, Heading};
use crate::cli::signals::Signals;
use crate::cli::{World, peak_memory, unix_now};
use crate::delivery::Activity;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Run, Store};
use crate::query::Checked;
use crate::report::{self, Ending, Recording, RunResults};
use crate::run::{self, Account, Job, Ports, Preflight, Progress, UnreadSources};

/// What the command does that ends what is held.
const RESOLVES: &str = "lists them, and says to send them again or to count them as accepted";

/// Runs a file to its end, and says how that was.
pub(super) async fn run_one(
    ready: Ready<'_>,
    arguments: &Arguments,
    world: &World,
    signals: &Signals,
    documents: &mut Documents,
) -> Result<()> {
    let Ready { path, checked, target, mut job, mut recording, past, name, resolve, done_by } = ready;
    if let Some(done_by) = done_by {
        recording.skipped();
        let (results, verdict) = conclude(recording, None, Ok(())).await;
        if !world.quiet {
            render::note(&format!(
                "skipped: neither inputs nor query have changed since the run {done_by}, which succeeded"
            ));
        }
        return verdict.and(documents.add(&results));
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
    job.delivery.clock = Some(unix_now);
    let sends = client.is_some();
    if let Some(code) = arguments.test_event_code.as_ref().filter(|_| sends && !world.quiet) {
        render::note(&format!("TEST EVENTS: sent under the code {code}, they count for nothing and are no delivery"));
    }
    if sends {
        let run = Run { id: recording.id().to_owned(), query: name, started: job.policy.now };
        let begun = tokio::task::block_in_place(|| store.begin_run(&run));
        if let Err(error) = begun {
            return give_up(recording, error, documents).await;
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
            return give_up(recording, error, documents).await;
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
    let (results, verdict) = conclude(recording, Some(account.document(checked.numbers())), verdict).await;
    if !world.quiet {
        render::account_beside(&heading, &account, arguments.format);
    }
    documents.add(&results)?;
    // Where all is well, a quiet run says what it was asked for and nothing else.
    if !(world.quiet && verdict.is_ok() && arguments.format == Format::Table) {
        render::account(&heading, &account, arguments.format)?;
    }
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

/// Ends the record of a run that has no account.
async fn give_up(recording: Recording, error: Error, documents: &mut Documents) -> Result<()> {
    let (results, verdict) = conclude(recording, None, Err(error)).await;
    documents.add(&results)?;
    verdict
}

/// Ends what is on record of a run: the document, and the verdict with what could not be written.
pub(super) async fn conclude(
    recording: Recording,
    account: Option<report::Account>,
    verdict: Result<()>,
) -> (RunResults, Result<()>) {
    let peak_memory_bytes = peak_memory().map(|bytes| bytes as u64);
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
