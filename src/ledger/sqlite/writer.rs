//! The one thread that writes: changes that meet are one transaction.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::about::About;
use super::failure;
use super::lock::Progress;
use super::reserve::Reserve;
use super::row::{Batch, Checksum, Ending, RunRow};
use crate::error::{Error, ErrorKind, Result};

/// Most changes in one transaction.
const MAX_GROUP: usize = 64;
/// Changes in the log when it is moved into the database as soon as nobody waits, and when whoever waits has to: some
/// megabytes of it, and some ten.
const MUCH_LOGGED: usize = 200;
const MOST_LOGGED: usize = 1_000;

/// A change of the ledger.
#[derive(Debug)]
pub(super) enum Change {
    /// A new batch.
    Intent(Batch<'static>),
    /// What became of a batch.
    Ending(Ending<'static>),
    /// A batch of which no byte was sent.
    Withdrawal(i64),
    /// What was decided about events, as batches of which nothing was sent.
    Decisions(Vec<(Batch<'static>, Ending<'static>)>),
    /// A run that begins or ends.
    Run(RunRow),
}

impl Change {
    /// Whether nobody waits for this change to go on sending.
    fn is_patient(&self) -> bool {
        matches!(self, Self::Ending(_) | Self::Withdrawal(_))
    }

    /// Makes the change; gives the checksum that comes and the one that goes.
    fn apply(&self, connection: &Connection) -> rusqlite::Result<(Checksum, Checksum)> {
        match self {
            Self::Intent(batch) => Ok((batch.insert(connection)?, Checksum::ZERO)),
            Self::Ending(ending) => Ok((ending.insert(connection)?, Checksum::ZERO)),
            Self::Withdrawal(batch) => {
                let sql = "DELETE FROM batches WHERE id = ?1 RETURNING checksum";
                let gone = connection.prepare_cached(sql)?.query_row([batch], |row| row.get(0))?;
                Ok((Checksum::ZERO, Checksum(gone)))
            }
            Self::Decisions(decisions) => {
                let mut comes = Checksum::ZERO;
                for (batch, ending) in decisions {
                    comes = comes.plus(batch.insert(connection)?).plus(ending.insert(connection)?);
                }
                Ok((comes, Checksum::ZERO))
            }
            Self::Run(run) => run.put(connection),
        }
    }
}

type Question = Box<dyn FnOnce(&Connection) + Send>;

enum Request {
    Change {
        change: Change,
        reply: SyncSender<Result<()>>,
        /// Whether it does not wait for others, to be written with them.
        is_urgent: bool,
    },
    Question(Question),
}

/// The thread, and the way to it. Dropping it writes what waits and closes the file.
pub(super) struct Writer {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        connection: Connection,
        about: About,
        progress: Progress,
        path: PathBuf,
        reserve: Reserve,
        linger: Duration,
    ) -> Result<Self> {
        let (requests, received) = channel();
        let state = State {
            requests: received,
            waiting: None,
            connection,
            about,
            progress,
            path,
            reserve: Some(reserve),
            linger,
            logged: 0,
            failure: None,
        };
        let thread = Builder::new()
            .name("ledger".into())
            .spawn(move || state.serve())
            .map_err(|error| Error::new(ErrorKind::Internal, "the ledger's thread does not start").source(error))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Makes a change and returns when it is durable.
    pub(super) fn write(&self, change: Change) -> Result<()> {
        self.write_by(change, false)
    }

    /// As [`Writer::write`]; a change that is urgent waits for no others.
    pub(super) fn write_by(&self, change: Change, is_urgent: bool) -> Result<()> {
        let (reply, replied) = sync_channel(1);
        let is_urgent = is_urgent || !change.is_patient();
        self.ask(Request::Change { change, reply, is_urgent })?;
        replied.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Asks the database.
    pub(super) fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T> {
        let (reply, replied) = sync_channel(1);
        self.ask(Request::Question(Box::new(move |connection| {
            // Who asked may have gone.
            let _ = reply.send(question(connection));
        })))?;
        replied.recv().map_err(|_| gone())
    }

    fn ask(&self, request: Request) -> Result<()> {
        let requests = self.requests.as_ref().expect("it is there until it is dropped");
        requests.send(request).map_err(|_| gone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ledger's thread panicked");
        }
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Internal, "the ledger's thread has ended")
}

struct State {
    requests: Receiver<Request>,
    /// A request that has come already.
    waiting: Option<Request>,
    connection: Connection,
    about: About,
    progress: Progress,
    path: PathBuf,
    /// Given back to a full disk.
    reserve: Option<Reserve>,
    /// How long outcomes wait for company.
    linger: Duration,
    /// Changes in the log that are not in the database yet, about.
    logged: usize,
    failure: Option<Failure>,
}

/// Why nothing more is prepared.
struct Failure {
    error: Error,
    /// Whether outcomes may still be written: small rows fit where large ones do not.
    takes_outcomes: bool,
}

impl State {
    fn serve(mut self) {
        while let Some(first) = self.waiting.take().or_else(|| self.requests.recv().ok()) {
            let mut group = Vec::new();
            let mut question = None;
            let mut patient_until = Some(Instant::now() + self.linger);
            let mut next = Some(first);
            while let Some(request) = next.take() {
                match request {
                    Request::Question(asked) => {
                        question = Some(asked);
                        break;
                    }
                    Request::Change { change, reply, is_urgent } => {
                        if is_urgent {
                            patient_until = None;
                        }
                        group.push((change, reply));
                    }
                }
                if group.len() < MAX_GROUP {
                    next = wait(&self.requests, patient_until);
                }
            }
            self.write(group);
            if let Some(question) = question {
                question(&self.connection);
            }
        }
        if self.failure.is_some() {
            // Closing would write the log into the database: not on a disk that failed. The next opening does it.
            let kept = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            if let Err(error) = kept {
                tracing::warn!(%error, "the ledger closes in a hurry");
            }
        }
    }

    /// Writes the group as one transaction, and answers everybody in it.
    fn write(&mut self, mut group: Vec<(Change, SyncSender<Result<()>>)>) {
        if let Some(failure) = &self.failure {
            let refused = |change: &Change| !(failure.takes_outcomes && change.is_patient());
            for (_, reply) in group.extract_if(.., |(change, _)| refused(change)) {
                answer(&reply, Err(failure.error.restated()));
            }
        }
        if group.is_empty() {
            return;
        }
        let before = self.about.clone();
        let Err(refused) = self.commit(group.iter().map(|(change, _)| change)) else {
            self.logged += group.len();
            return self.committed(group);
        };
        self.about = before;
        let (error, takes_outcomes) = self.fail(refused);
        let refused = |change: &Change| !(takes_outcomes && change.is_patient());
        for (_, reply) in group.extract_if(.., |(change, _)| refused(change)) {
            answer(&reply, Err(error.restated()));
        }
        if takes_outcomes {
            // Outcomes that met an intent too large for the disk fit now; a second failure is final.
            self.write(group);
        }
    }

    /// Answers everybody in a group that is durable.
    ///
    /// Who waits to send does not wait for the log to be moved into the database; somebody else of the group does, so
    /// that a failure there is known at once.
    fn committed(&mut self, mut group: Vec<(Change, SyncSender<Result<()>>)>) {
        let mut kept = self.note();
        if kept.is_ok() && self.is_checkpoint_due() {
            if group.iter().any(|(change, _)| change.is_patient()) {
                for (_, reply) in group.extract_if(.., |(change, _)| !change.is_patient()) {
                    answer(&reply, Ok(()));
                }
            }
            kept = self.checkpoint();
        }
        for (_, reply) in group {
            answer(&reply, kept.as_ref().copied().map_err(Error::restated));
        }
    }

    /// Notes beside the database how far it is.
    fn note(&mut self) -> Result<()> {
        let noted = self.progress.note(self.about.last_batch);
        noted.map_err(|error| self.fail(Refused::Unnoted(error)).0)
    }

    fn is_checkpoint_due(&mut self) -> bool {
        if self.logged < MUCH_LOGGED || self.failure.is_some() {
            return false;
        }
        if self.waiting.is_none() {
            self.waiting = self.requests.try_recv().ok();
        }
        self.waiting.is_none() || self.logged >= MOST_LOGGED
    }

    /// Moves the log into the database. SQLite would do so by itself, and keep to itself that it failed.
    fn checkpoint(&mut self) -> Result<()> {
        self.logged = 0;
        let moved = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        moved.map_err(|error| self.fail(error.into()).0)
    }

    /// From now on nothing is prepared, for the first reason there was; gives this one, and whether outcomes may still
    /// be written.
    fn fail(&mut self, refused: Refused) -> (Error, bool) {
        let (error, is_full) = match refused {
            Refused::Write(error) => {
                let is_full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
                (failure::writing(&self.path, error), is_full)
            }
            Refused::Overtaken => (failure::overtaken(&self.path), false),
            Refused::Unnoted(error) => (failure::unnoted(&self.path, error), false),
        };
        let takes_outcomes = is_full && self.failure.is_none();
        if takes_outcomes {
            self.reserve = None;
        }
        let first = self.failure.take().map_or_else(|| error.restated(), |failure| failure.error);
        self.failure = Some(Failure { error: first, takes_outcomes });
        (error, takes_outcomes)
    }

    fn commit<'a>(&mut self, changes: impl Iterator<Item = &'a Change>) -> Result<(), Refused> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let epoch: i64 = transaction.prepare_cached("SELECT epoch FROM about")?.query_row([], |row| row.get(0))?;
        if epoch != self.about.epoch {
            return Err(Refused::Overtaken);
        }
        for change in changes {
            let (comes, goes) = change.apply(&transaction)?;
            self.about.total = self.about.total.plus(comes).minus(goes);
            match change {
                Change::Intent(batch) => self.about.count(batch.id),
                Change::Decisions(decisions) => decisions.iter().for_each(|(batch, _)| self.about.count(batch.id)),
                Change::Withdrawal(_) => self.about.batches = self.about.batches.saturating_sub(1),
                Change::Ending(_) | Change::Run(_) => {}
            }
        }
        self.about.write(&transaction)?;
        Ok(transaction.commit()?)
    }
}

/// Why a transaction was not committed, or what it needs was not done after it.
enum Refused {
    Write(rusqlite::Error),
    /// Somebody else opened the ledger although it is locked.
    Overtaken,
    /// How far the ledger is could not be noted.
    Unnoted(std::io::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Write(error)
    }
}

/// The next request, if one is there or comes before `until`.
fn wait(requests: &Receiver<Request>, until: Option<Instant>) -> Option<Request> {
    match until {
        None => requests.try_recv().ok(),
        Some(until) => requests.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
    }
}

/// Whoever asked may have gone.
fn answer(reply: &SyncSender<Result<()>>, result: Result<()>) {
    let _ = reply.send(result);
}
