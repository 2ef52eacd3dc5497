//! What a query file must pass before any file of the command sends.

use std::path::Path;

use super::arguments::{Arguments, counted_as, mode, names};
use super::checking::{judge, parameters, read, refusal};
use super::conduct::conclude;
use super::documents::Documents;
use super::inputs;
use super::past::Past;
use super::target::{Target, target};
use crate::cli::World;
use crate::cli::signals::Signals;
use crate::cli::stores::{self, Elsewhere, Stores};
use crate::cli::unix_nanos;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::sqlite::Aim;
use crate::query::{Checked, QueryFile};
use crate::report::{EarlierRun, Recording, Subject};
use crate::run::Job;
use crate::settings::Settings;

/// A query file that may be run: checked, with a destination and what it takes to send there.
pub(super) struct Ready<'a> {
    pub(super) path: &'a Path,
    pub(super) checked: Checked,
    pub(super) target: Target,
    pub(super) job: Job,
    pub(super) recording: Recording,
    pub(super) past: Past,
    /// What identifies the query in the ledger.
    pub(super) name: String,
    /// The command that lists what the ledger holds.
    pub(super) resolve: String,
    /// The run that did all that this one would do.
    pub(super) done_by: Option<String>,
}

pub(super) async fn prepare<'a>(
    path: &'a Path,
    arguments: &Arguments,
    world: &World,
    (stores, documents): (&mut Stores, &mut Documents),
    signals: &Signals,
) -> Result<Ready<'a>> {
    let (file, mut settings) = read(path, &arguments.settings, world)?;
    stores.locate(path, counted_as(arguments, &settings), &mut settings, arguments.elsewhere(), world)?;
    let mut job = Job::resolve(&settings, world.now, world.resources.partitions);
    job.envelope.test_event_code.clone_from(&arguments.test_event_code);
    let now = unix_nanos();
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
        assure_only_ledger(path, arguments, &checked, &settings, stores, world)?;
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
            let resolve = stores::resolve_command(mode, &settings, world);
            Ok(Ready { path, checked, target, job, recording, past, name, resolve, done_by })
        }
        Err(error) => {
            let (results, verdict) = conclude(recording, None, Err(error)).await;
            documents.add(&results)?;
            Err(verdict.expect_err("an error stays one"))
        }
    }
}

/// Looks for a ledger that knows what the rows send, where they say themselves where to.
fn assure_only_ledger(
    path: &Path,
    arguments: &Arguments,
    checked: &Checked,
    settings: &Settings,
    stores: &mut Stores,
    world: &World,
) -> Result<()> {
    let is_from_rows = |name| checked.plan().schema().has_column_with_unqualified_name(name);
    let (by_source, by_id) = (is_from_rows("event_source"), is_from_rows("event_source_id"));
    if arguments.elsewhere() == Elsewhere::Ignored || !(by_source || by_id) {
        return Ok(());
    }
    let event_source = settings.event_source().filter(|_| !by_source);
    let event_source_id = settings.text("event_source_id").filter(|_| !by_id).map(str::to_owned);
    let aim = Aim { event_source, event_source_id };
    stores.assure_only(path, counted_as(arguments, settings), settings, aim, world)
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
