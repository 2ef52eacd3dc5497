//! A run on record: from the folder that is made before anything else to the document that is written last.

use std::path::Path;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;

use super::folder::RunFolder;
use super::recorder::{Entry, Files, Recorder};
use super::results::{self, Account, Failure, Mode, RunResults, SettingValue, Status};
use crate::api::BaseUrl;
use crate::contract::normalize::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::query::{Diagnosis, QueryFile};
use crate::settings::Settings;
use crate::sources::SourceReport;

/// Name of the document in the run's folder.
pub(super) const RESULTS: &str = "run_results.json";

/// What a run is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The query file.
    pub file: &'a QueryFile,
    /// The settings it runs with.
    pub settings: &'a Settings,
    /// Names of its parameters.
    pub parameters: &'a [String],
    /// Where it sends.
    pub mode: Mode,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ending<'a> {
    /// The account, where there is one.
    pub account: Option<Account>,
    /// What keeps it from being a success.
    pub error: Option<&'a Error>,
    /// Most bytes that the process had in memory, where that is known.
    pub peak_memory_bytes: Option<u64>,
}

/// A run on record.
#[derive(Debug)]
pub struct Recording {
    folder: RunFolder,
    results: RunResults,
    recorder: Recorder,
    writer: JoinHandle<Result<()>>,
    clock: Clock,
}

/// The time of a moment of this process.
#[derive(Clone, Copy, Debug)]
struct Clock {
    wall: Timestamp,
    origin: Instant,
}

impl Clock {
    fn at(self, moment: Instant) -> Timestamp {
        let since = SignedDuration::try_from(moment.saturating_duration_since(self.origin)).unwrap_or_default();
        self.wall.saturating_add(since).unwrap_or(self.wall)
    }
}

impl Recording {
    /// Begins the record of a run that starts at `now`, Unix nanoseconds, in a folder of its own under the settings' `ledger`; `seed` tells
    /// runs of one millisecond apart. To be called on the runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where the folder or a file in it cannot be made.
    pub fn begin(subject: Subject<'_>, now: u128, seed: u64) -> Result<Self> {
        let now = i128::try_from(now).ok().and_then(|now| Timestamp::from_nanosecond(now).ok()).unwrap_or_default();
        let Subject { file, settings, parameters, mode } = subject;
        let clock = Clock { wall: now, origin: Instant::now() };
        let folder = RunFolder::create(Path::new(settings.text("ledger").unwrap_or_default()), now, seed)?;
        let files = Files::begin(&folder)?;
        let results = RunResults {
            schema: RunResults::NAME,
            version: RunResults::VERSION,
            run_id: folder.id().to_owned(),
            folder: folder.path().display().to_string(),
            postback: env!("CARGO_PKG_VERSION"),
            query: file.path.display().to_string(),
            query_sha256: Digest::of(&file.text).as_str().to_owned(),
            parameters: parameters.to_vec(),
            mode,
            destination: None,
            status: Status::Running,
            exit_code: None,
            error: None,
            started: written(now),
            finished: None,
            sources: Vec::new(),
            fingerprint: None,
            account: None,
            peak_memory_bytes: None,
            diagnoses: Vec::new(),
            settings: settings.entries().filter_map(setting).collect(),
        };
        write(&folder, &results).map_err(|error| {
            Error::new(ErrorKind::Usage, error.message().to_owned()).hint("nothing was sent").source(error)
        })?;
        let (recorder, queue) = Recorder::new();
        let writer =
            tokio::task::spawn_blocking(move || files.write(queue, &|moment| clock.at(moment).as_microsecond()));
        Ok(Self { folder, results, recorder, writer, clock })
    }

    /// The run's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.folder.id()
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where to put what happens during the run.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Notes what is wrong with the query.
    pub fn diagnosed(&mut self, diagnoses: &[Diagnosis]) {
        self.results.diagnoses = diagnoses.iter().map(results::diagnosis).collect();
    }

    /// Notes what is known of the sources.
    pub fn recognised(&mut self, sources: Vec<SourceReport>) {
        self.results.sources = sources;
    }

    /// Notes the digest of all that decides what is sent.
    pub fn fingerprinted(&mut self, fingerprint: String) {
        self.results.fingerprint = Some(fingerprint);
    }

    /// Notes that the run does not take place, as nothing has changed.
    pub fn skipped(&mut self) {
        self.results.status = Status::Skipped;
    }

    /// Notes where the events go, also for readers of a run that is killed.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where the document cannot be written.
    pub fn aimed(&mut self, destination: &str) -> Result<()> {
        self.results.destination = Some(destination.to_owned());
        write(&self.folder, &self.results)
    }

    /// Ends the record. Gives the document in any case, and what could not be written.
    pub async fn finish(self, ending: Ending<'_>) -> (RunResults, Result<()>) {
        let Self { folder, mut results, recorder, writer, clock } = self;
        let Ending { account, error, peak_memory_bytes } = ending;
        recorder.keep(Entry::End).await;
        let mut kept = writer.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Internal, "the thread that writes artifacts crashed").source(error))
        });
        results.account = account;
        results.peak_memory_bytes = peak_memory_bytes;
        results.finished = Some(written(clock.at(Instant::now())));
        results.end(error.or(kept.as_ref().err()));
        let ended = write(&folder, &results).and_then(|()| {
            // What the last run left behind is found as before.
            if results.status == Status::Skipped {
                return Ok(());
            }
            folder.set_latest().map_err(|error| {
                let path = folder.path().with_file_name("latest");
                Error::new(ErrorKind::Internal, format!("cannot make `{}`", path.display())).source(error)
            })
        });
        if kept.is_ok() && ended.is_err() {
            kept = ended;
            results.end(error.or(kept.as_ref().err()));
        }
        (results, kept)
    }

    /// Takes back the record of a run that does not take place.
    pub async fn discard(self) {
        self.recorder.keep(Entry::End).await;
        drop(self.writer.await);
        if let Err(error) = self.folder.remove() {
            tracing::warn!(%error, "the folder of a run that did not take place stays");
        }
    }
}

impl RunResults {
    fn end(&mut self, error: Option<&Error>) {
        self.status = match error.map(Error::kind) {
            None if self.status == Status::Skipped => Status::Skipped,
            None => Status::Succeeded,
            Some(ErrorKind::Interrupted | ErrorKind::Terminated) => Status::Interrupted,
            Some(_) => Status::Failed,
        };
        self.exit_code = Some(error.map_or(0, Error::exit_code));
        self.error = error.map(Failure::of);
    }
}

fn write(folder: &RunFolder, results: &RunResults) -> Result<()> {
    let failed =
        || Error::new(ErrorKind::Internal, format!("cannot write `{}`", folder.path().join(RESULTS).display()));
    let mut text = serde_json::to_vec_pretty(results).map_err(|error| failed().source(error))?;
    text.push(b'\n');
    folder.write(RESULTS, &text).map_err(|error| failed().source(error))
}

/// A setting that has a value.
fn setting(
    (setting, value, origin): (&'static crate::settings::Setting, Option<&str>, crate::settings::Origin),
) -> Option<(&'static str, SettingValue)> {
    // A URL that cannot be used may hold a password.
    let value = value.filter(|value| setting.name != "base_url" || BaseUrl::parse(value).is_ok())?;
    Some((setting.name, SettingValue { value: value.to_owned(), origin: origin.to_string() }))
}

/// RFC 3339 in UTC, to the millisecond.
fn written(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
