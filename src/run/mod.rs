//! A run: the rows of a checked query, counted by a preflight and then delivered, with one account at the end.
//!
//! Only this module turns settings into the small structs that the stages take. Preflight, dry run and delivery run
//! the same plan through the same sink; what differs is whether the [`Intake`] hands batches on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::common::TableReference;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::physical_plan::collect;
use tokio::sync::{mpsc, watch};

pub use self::intake::Intake;
use self::intake::{Onward, Pass};
pub use self::progress::{Phase, Progress, Reading};
pub use self::resume::{Again, Resume};
pub use self::sample::{Sample, sample};
pub use self::sink::{EventsSink, EventsTable};
pub use self::stage::{Stage, Staged};
pub use self::tally::{Fault, Tally};
pub use self::unread::{UnreadCounts, UnreadKind, UnreadSources};
use crate::delivery::{self, Report, Settled, Transport, Window};
use crate::encode::{Batcher, Envelope};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventKey, Identity, Outcome};
use crate::ledger::Store;
use crate::ledger::keys::Keys;
use crate::query::{self, Checked, RowNumbers};
use crate::report::{BatchRecord, Entry, Faults, FaultyEvent, Recorder};
use crate::settings::{Settings, Share};
use crate::validate::survey::{Findings, Readiness};
use crate::validate::{Policy, counted, percent};

mod executed;
mod in_turn;
mod intake;
mod progress;
mod repeats;
mod results;
mod resume;
mod sample;
mod sink;
mod stage;
mod tally;
mod unread;

/// The resolved values a run works with.
#[derive(Clone, Debug)]
pub struct Job {
    /// What rows are judged by.
    pub policy: Policy,
    /// What requests carry beside events.
    pub envelope: Envelope,
    /// Events in one request.
    pub batch_events: usize,
    /// Bytes in one request body.
    pub batch_bytes: usize,
    /// Batches judged at the same time.
    pub tasks: usize,
    /// How requests are paced and repeated.
    pub delivery: delivery::Options,
    /// How it goes on from where earlier runs ended.
    pub resume: Resume,
    /// More rejected rows than this, and nothing is sent.
    pub max_rejects: Share,
    /// Fewer rows than this, and nothing is sent.
    pub min_rows: u64,
}

impl Job {
    /// The values of `settings`, at `now` Unix seconds unless `postback.as_of` says otherwise.
    #[must_use]
    pub fn resolve(settings: &Settings, now: i64, tasks: usize) -> Self {
        let seconds = |name| i64::try_from(settings.seconds(name)).unwrap_or(i64::MAX);
        let count = |name| usize::try_from(settings.count(name)).unwrap_or(usize::MAX);
        let text = |name| settings.text(name).map(Arc::from);
        let window = window(settings);
        Self {
            policy: Policy {
                now: settings.as_of().unwrap_or(now),
                zone: settings.timezone(),
                region: settings.default_region(),
                event_source: settings.event_source(),
                event_source_id: text("event_source_id"),
                event: text("event"),
                currency: text("currency"),
                max_event_age: seconds("max_event_age"),
                future_tolerance: seconds("future_tolerance"),
                limited_data_use: settings.text("limited_data_use").map(|value| value == "true"),
                reject_bad_optional: settings.text("on_bad_optional") == Some("reject"),
                invalid_phone: query::invalid_phone(settings),
                restricts_personal: settings.restricts_personal(),
                fold_value: query::fold_value(settings),
            },
            envelope: Envelope { test_event_code: None, partner_name: text("partner_name") },
            batch_events: count("batch_events"),
            batch_bytes: settings
                .bytes("batch_bytes")
                .and_then(|bytes| usize::try_from(bytes).ok())
                .unwrap_or(usize::MAX),
            tasks,
            delivery: delivery::Options {
                rate: u32::try_from(settings.count("requests_per_second")).unwrap_or(u32::MAX),
                concurrency: u16::try_from(settings.count("concurrency")).unwrap_or(u16::MAX),
                give_up_after: Duration::from_secs(settings.seconds("give_up_after")),
                window,
                ..delivery::Options::default()
            },
            resume: Resume { window, ..Resume::default() },
            max_rejects: settings.max_rejects(),
            min_rows: settings.count("min_rows"),
        }
    }

    /// Judges the thresholds before anything is sent. What an earlier run had refused keeps nothing from being sent: that
    /// run would have sent the rest, had it lived.
    ///
    /// # Errors
    /// As [`Job::judge`].
    pub fn judge_preflight(&self, tally: &Tally) -> Result<()> {
        self.judge(&Tally { rejected: tally.newly_rejected(), ..tally.clone() })
    }

    /// Judges the thresholds of an account.
    ///
    /// # Errors
    /// [`ErrorKind::Rejects`] naming the threshold that is not met.
    pub fn judge(&self, tally: &Tally) -> Result<()> {
        if tally.rows < self.min_rows {
            let message =
                format!("the query returned {} rows, fewer than postback.min_rows = {}", tally.rows, self.min_rows);
            return Err(Error::new(ErrorKind::Rejects, message));
        }
        let UnreadCounts { rows: unread, files, bytes, of_bytes } = tally.unread;
        let (lost, all) = (tally.rejected + unread, tally.events + unread);
        if self.max_rejects.is_exceeded(lost, all) {
            let what = if unread == 0 { "are rejected" } else { "are rejected or could not be read" };
            let message =
                format!("{lost} of {all} events {what}, more than postback.max_rejects = {} allows", self.max_rejects);
            return Err(Error::new(ErrorKind::Rejects, message)
                .hint("the account says which rows and why: mend them, or raise --max-rejects"));
        }
        // How many events a file that cannot be read would have had, nobody knows: one at the least.
        let are_too_many = match self.max_rejects {
            Share::Count(_) => self.max_rejects.is_exceeded(lost + files, all),
            Share::Percent(_) => files > 0 && self.max_rejects.is_exceeded(bytes, of_bytes),
        };
        if are_too_many {
            let message = format!(
                "{} left out, with {} of the bytes, more than postback.max_rejects = {} allows",
                if files == 1 { "a source file is".to_owned() } else { format!("{files} source files are") },
                percent(bytes, of_bytes),
                self.max_rejects
            );
            return Err(Error::new(ErrorKind::Rejects, message)
                .hint("the account says which files and why: export them again, or raise --max-rejects"));
        }
        Ok(())
    }
}

/// How long an event of unknown fate may be sent again, by `settings`.
#[must_use]
pub fn window(settings: &Settings) -> Window {
    let length = i64::try_from(settings.seconds("dedup_window")).unwrap_or(i64::MAX);
    Window::new(length, settings.text("pixel_overlap") == Some("true"))
}

/// What a run is connected to.
#[derive(Clone)]
pub struct Ports {
    /// Where intents and outcomes are kept.
    pub store: Arc<dyn Store>,
    /// Where faults and batches are kept.
    pub recorder: Recorder,
    /// Where to tell how far the run is.
    pub progress: Arc<Progress>,
    /// Becomes true when the run shall end early.
    pub stop: watch::Receiver<bool>,
}

/// What a full pass over the rows found, before anything is sent.
#[derive(Debug)]
pub struct Preflight {
    /// The account; what would be sent is unsent.
    pub tally: Tally,
    /// What the result looks like as a whole; its faults are in the account.
    pub findings: Findings,
    conflicts: Keys,
    fingerprint: u64,
    /// The executed plan with its metrics, as EXPLAIN ANALYZE shows it.
    pub plan: String,
}

/// The end of a run.
#[derive(Debug)]
pub struct Account {
    /// Where every row and event is.
    pub tally: Tally,
    /// What delivery did, if there was one.
    pub report: Option<Report>,
    /// How well the events can be matched; none where no pass over all rows was finished.
    pub readiness: Option<Readiness>,
    /// Events that earlier runs of the query left in doubt or held, and that it does not yield any more.
    pub unresolved: u64,
    /// What could not be read of the sources, where it is noted.
    pub unread: UnreadSources,
    /// What ended it early, besides the API.
    pub failure: Option<Error>,
    /// The executed plan with its metrics, as EXPLAIN ANALYZE shows it.
    pub plan: String,
    /// Wall time of reading and sending.
    pub elapsed: Duration,
}

impl Account {
    /// What keeps the run from being a success, the gravest first.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for a defect,
    /// [`ErrorKind::Rejects`] for an account that does not balance, a query that gave other rows and thresholds,
    /// [`ErrorKind::SourceChanged`] for a source that changed,
    /// [`ErrorKind::Credentials`], [`ErrorKind::Incomplete`] and [`ErrorKind::Held`] for events that were not accepted,
    /// and what ended the reading.
    pub fn verdict(&self, job: &Job) -> Result<()> {
        let Self { tally, report, failure, .. } = self;
        // A defect may have taken events with it that are in no place of the account.
        if let Some(defect) = failure.as_ref().filter(|failure| failure.kind() == ErrorKind::Internal) {
            return Err(defect.restated());
        }
        if !tally.is_balanced() {
            return Err(Error::new(ErrorKind::Rejects, "the account does not balance")
                .hint("this is a defect of postback: please report it"));
        }
        let has_sent = report.as_ref().is_some_and(|report| report.requests > 0);
        match failure {
            Some(failure) if has_sent && !matches!(failure.kind(), ErrorKind::Rejects | ErrorKind::SourceChanged) => {
                let message = format!("the run ended early, after {} events were accepted", tally.accepted);
                return Err(Error::new(ErrorKind::Incomplete, message).source(failure.restated()));
            }
            Some(failure) => return Err(failure.restated()),
            None => {}
        }
        if let Some(stop) = report.as_ref().and_then(|report| report.stop.as_ref()) {
            return Err(stop.to_error());
        }
        if report.is_some() && tally.held > 0 {
            let events = counted(tally.held, "event");
            let message =
                format!("{events} may have been accepted, first sent so long ago that TikTok may count another copy");
            return Err(Error::new(ErrorKind::Held, message));
        }
        if report.is_some() && tally.unsent > 0 {
            return Err(Error::new(ErrorKind::Incomplete, format!("{} events are not sent yet", tally.unsent))
                .hint("run the same command again to send them"));
        }
        job.judge(tally)?;
        if report.is_some() && self.unresolved > 0 {
            let events = counted(self.unresolved, "event");
            let message = format!(
                "{events} of an earlier run may have been accepted, and the query does not yield them any more"
            );
            return Err(Error::new(ErrorKind::Held, message));
        }
        Ok(())
    }

    /// Notes which of the events that earlier runs of the query left `undecided` it does not yield any more.
    pub fn compare(&mut self, undecided: &[EventKey]) {
        let missing = undecided.iter().filter(|key| !self.tally.revisited.contains(*key));
        self.unresolved = missing.count() as u64;
    }
}

/// Reads and judges every row and sends nothing; `None` if `stop` became true before the last row.
///
/// # Errors
/// [`ErrorKind::Source`] and [`ErrorKind::Sql`] while reading, [`ErrorKind::SourceChanged`] where a source did meanwhile,
/// [`ErrorKind::Usage`] where faults cannot be kept.
pub async fn preflight(checked: &Checked, job: &Job, ports: &Ports) -> Result<Option<Preflight>> {
    let intake = Intake::counting(ports, job.resume, checked.numbers().clone());
    let (pass, plan) = insert(checked, job, ports, intake).await?;
    ports.recorder.checkpoint().await?;
    let sources = checked.sources()?;
    if *ports.stop.borrow() {
        plan?;
        return Ok(None);
    }
    // A source that changed explains whatever its reader stumbled over.
    sources.verify(checked.context().state().runtime_env()).await?;
    let plan = plan?;
    if !pass.is_complete {
        return Ok(None);
    }
    let findings = pass.survey.unwrap_or_default().conclude(&job.policy);
    let Pass { mut tally, conflicts, fingerprint, .. } = pass;
    findings.faults.iter().for_each(|finding| tally.note(finding));
    tally.note_emptiness();
    tally.note_rounding(&checked.rounded());
    tally.unread = UnreadCounts::of(&sources);
    Ok(Some(Preflight { tally, findings, conflicts, fingerprint, plan }))
}

/// Reads, judges and sends every row.
///
/// With a `preflight`, all rows of conflicting events are left out, and a source that yields other rows than before
/// fails the run; without one, the first of conflicting rows is sent.
///
/// # Errors
/// Defects only. What ends reading or sending early is in the account.
pub async fn deliver<T: Transport>(
    checked: &Checked,
    job: &Job,
    preflight: Option<Preflight>,
    transport: T,
    ports: &Ports,
) -> Result<Account> {
    let start = Instant::now();
    let (batches, queued) = mpsc::channel(delivery::QUEUED);
    let (settled, settlements) = mpsc::channel(delivery::QUEUED);
    ports.progress.deliver(preflight.as_ref().map_or(0, |preflight| preflight.tally.unsent));
    let options = job.delivery.clone();
    let (store, stop) = (Arc::clone(&ports.store), ports.stop.clone());
    let driver = tokio::spawn(delivery::deliver(queued, transport, store, options, settled, stop));
    let counter = tokio::spawn(count(settlements, ports.clone(), checked.numbers().clone()));
    let (expected, conflicts, findings) = match preflight {
        Some(Preflight { tally, conflicts, findings, fingerprint, .. }) => {
            (Some((tally, fingerprint)), Some(conflicts), Some(findings))
        }
        None => (None, None, None),
    };
    let onward = Onward {
        batcher: Batcher::new(job.batch_events, job.batch_bytes, job.envelope.clone()),
        repeating: BTreeMap::new(),
        batches,
        stops_early: expected.is_some(),
    };
    let intake = Intake::delivering(ports, job.resume, conflicts, onward, checked.numbers().clone());
    let inserted = insert(checked, job, ports, intake).await;
    // The intake is gone, so the driver runs out of batches and both tasks end.
    let outcome = driver.await;
    let settled = counter.await.map_err(crashed)?;
    let (pass, plan) = inserted?;
    let changed_source = checked.sources()?.verify(checked.context().state().runtime_env()).await.err();
    let (plan, unreadable) = plan.map_or_else(|error| (String::new(), Some(error)), |plan| (plan, None));
    let (report, undelivered) = match outcome {
        Ok(Ok(report)) => (Some(report), None),
        Ok(Err(failed)) => (Some(failed.report), Some(failed.error)),
        Err(error) => (None, Some(crashed(error))),
    };
    let mut failure = undelivered.or(changed_source).or(unreadable);
    let surveyed = pass.survey.as_ref().filter(|_| pass.is_complete).map(|survey| survey.conclude(&job.policy));
    let findings = findings.or(surveyed);
    let mut tally = match expected {
        // Rows that were not read again are known from the preflight.
        Some((expected, _)) if !pass.is_complete => complete(&expected, &settled),
        Some((expected, fingerprint)) => {
            if (expected.rows, expected.events, fingerprint) != (pass.tally.rows, pass.tally.events, pass.fingerprint) {
                failure = failure.or_else(|| Some(changed(&expected, &pass.tally)));
            }
            add(pass.tally, &settled)
        }
        None => add(pass.tally, &settled),
    };
    findings.iter().flat_map(|findings| &findings.faults).for_each(|finding| tally.note(finding));
    if pass.is_complete {
        tally.note_emptiness();
    }
    tally.note_rounding(&checked.rounded());
    let readiness = findings.map(|findings| findings.readiness);
    let (unread, elapsed) = (UnreadSources::default(), start.elapsed());
    Ok(Account { tally, report, readiness, unresolved: 0, unread, failure, plan, elapsed })
}

fn changed(expected: &Tally, found: &Tally) -> Error {
    let message = if expected.rows == found.rows {
        format!("the query gave other events while sending than before, from {} rows each time", found.rows)
    } else {
        format!("the source changed during the run: {} rows before, {} while sending", expected.rows, found.rows)
    };
    Error::new(ErrorKind::Rejects, message).hint(
        "a file was rewritten, or the query depends on chance, such as LIMIT without ORDER BY: mend it and run again",
    )
}

/// The account of a delivery that ended before its last row: `expected` by the preflight, `settled` by the API.
fn complete(expected: &Tally, settled: &Tally) -> Tally {
    let known = settled.accepted + settled.rejected + settled.held;
    let unsent = expected.unsent.saturating_sub(known);
    add(Tally { unsent, ..expected.clone() }, &Tally { unsent: 0, ..settled.clone() })
}

/// Counts and keeps settled events until the driver is done.
async fn count(mut settlements: mpsc::Receiver<Settled>, ports: Ports, numbers: RowNumbers) -> Tally {
    let mut tally = Tally::default();
    while let Some(settled) = settlements.recv().await {
        settled.outcomes.iter().for_each(|outcome| tally.settle(outcome));
        for (outcome, event) in settled.outcomes.iter().zip(settled.batch.events()) {
            tally.refuse(outcome, event);
        }
        ports.progress.settled(settled.outcomes.len() as u64);
        let refused = refused(&settled, &numbers);
        if !refused.is_empty() {
            ports.recorder.keep(Entry::Faulty(refused)).await;
        }
        ports.recorder.keep(Entry::Batch(BatchRecord::of(&settled))).await;
    }
    tally
}

/// The events of a batch that the API refused.
fn refused(settled: &Settled, numbers: &RowNumbers) -> Vec<FaultyEvent> {
    let batch = &settled.batch;
    let refused = settled.outcomes.iter().zip(batch.events()).filter_map(|(outcome, event)| {
        let Outcome::Rejected(refusal) = outcome else { return None };
        Some(FaultyEvent {
            row: numbers.position(event.row),
            events: 1,
            identity: Identity::of_encoded(&batch.destination, event.key, &batch.json[event.span.clone()]),
            faults: Faults::Refused(refusal.clone()),
        })
    });
    refused.collect()
}

/// `tally` with the outcomes of `settled` in their places.
fn add(mut tally: Tally, settled: &Tally) -> Tally {
    tally.accepted += settled.accepted;
    tally.rejected += settled.rejected;
    tally.held += settled.held;
    tally.unsent += settled.unsent;
    tally.add_refusals(settled);
    tally
}

/// Runs `INSERT INTO postback.events` over the checked plan. Gives what the pass left behind, also where reading ended
/// in an error, and the executed plan or that error.
async fn insert(checked: &Checked, job: &Job, ports: &Ports, intake: Intake) -> Result<(Pass, Result<String>)> {
    let schema = Arc::clone(checked.plan().schema().inner());
    let judging = Stage::new(&schema, job.policy.clone(), ports.store.secret())?;
    let judging = if intake.surveys() { judging.surveying() } else { judging };
    let table = Arc::new(EventsTable::new(schema, judging, job.tasks, intake, ports.stop.clone()));
    let explained = execute(checked, Arc::clone(&table)).await.map_err(query::run_error);
    let intake = table.into_intake().ok_or_else(|| Error::new(ErrorKind::Internal, "the sink did not finish"))?;
    Ok((intake.into_pass(), explained))
}

async fn execute(checked: &Checked, table: Arc<EventsTable>) -> datafusion::error::Result<String> {
    let name = TableReference::partial("postback", "events");
    let rows = checked.plan().clone();
    let plan = LogicalPlanBuilder::insert_into(rows, name, provider_as_source(table), InsertOp::Append)?.build()?;
    let state = checked.context().state();
    let planned = state.create_physical_plan(&plan).await?;
    let steals = state.config_options().execution.enable_file_stream_work_stealing;
    let (executed, is_same_order) = in_turn::in_turn(planned)?;
    checked.numbers().settle(is_same_order && !steals);
    let nodes = executed::Nodes::of(&executed);
    collect(executed, state.task_ctx()).await?;
    Ok(nodes.with_metrics())
}

/// Without the error, which holds what the panic said.
fn crashed(_: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "a task of the run crashed")
}
