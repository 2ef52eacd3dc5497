//! What fails on this side while a run delivers: the verdict and the account have to say what was sent all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use postback::delivery::Transport;
use postback::error::{Error, ErrorKind, Result};
use postback::event::{Batch, EventKey, Outcome};
use postback::ledger::{Model, Run, Standing, Store, Ticket};
use postback::query::{Parameters, QueryFile, Resources, apply_settings, examine};
use postback::report::{Mode, Recording, Subject};
use postback::run::{self, Account, Job, Ports, Progress};
use postback::settings::{Origin, Settings};
use tokio::sync::watch;

use crate::delivery::Script;
use crate::server::file;

/// What goes wrong with the fourth batch, which is not taken before the first has ended.
#[derive(Clone, Copy)]
enum Defect {
    /// Its intent cannot be recorded.
    Ledger(ErrorKind),
    /// The driver panics before it sends it.
    Driver,
}

struct Faulty {
    model: Model,
    intents: AtomicUsize,
    defect: Defect,
}

impl Store for Faulty {
    fn prepare(&self, batch: &Batch) -> Result<Ticket> {
        let is_fourth = self.intents.fetch_add(1, Ordering::SeqCst) == 3;
        match self.defect {
            Defect::Ledger(kind) if is_fourth => Err(Error::new(kind, "the ledger failed")),
            _ => self.model.prepare(batch),
        }
    }

    fn settle(&self, ticket: Ticket, outcomes: &[Outcome]) -> Result<()> {
        self.model.settle(ticket, outcomes)
    }

    fn cancel(&self, ticket: Ticket) -> Result<()> {
        self.model.cancel(ticket)
    }

    fn standing(&self, key: &EventKey) -> Standing {
        self.model.standing(key)
    }

    fn now(&self) -> i64 {
        let is_fourth = self.intents.load(Ordering::SeqCst) > 3;
        assert!(!(is_fourth && matches!(self.defect, Defect::Driver)), "on purpose");
        self.model.now()
    }

    fn secret(&self) -> [u8; 32] {
        self.model.secret()
    }

    fn begin_run(&self, run: &Run) -> Result<()> {
        self.model.begin_run(run)
    }

    fn end_run(&self, succeeded: bool) -> Result<()> {
        self.model.end_run(succeeded)
    }

    fn last_success(&self, query: &str) -> Option<i64> {
        self.model.last_success(query)
    }
}

/// Delivers four purchases, one in each request, until the defect strikes. Gives the kind of the verdict.
async fn deliver(defect: Defect, transport: impl Transport) -> (Account, ErrorKind) {
    let folder = tempfile::tempdir().unwrap();
    let query = "SELECT 'Purchase' AS event, 1787234709 AS timestamp, n || '@example.org' AS email, n AS event_id,
            5 AS value, 'USD' AS currency
        FROM (VALUES ('1'), ('2'), ('3'), ('4')) AS t (n)";
    let path = file(folder.path(), "q.sql", query);
    let mut settings = Settings::default();
    for (name, value) in [
        ("event_source", "offline"),
        ("event_source_id", "7654321098765432109"),
        ("as_of", "2026-08-20T14:10:00Z"),
        ("batch_events", "1"),
        ("concurrency", "1"),
        ("ledger", folder.path().to_str().unwrap()),
    ] {
        settings.set(name, value, Origin::Flag).unwrap();
    }
    let query = QueryFile::parse(path.as_ref(), query.to_owned()).unwrap();
    apply_settings(&query, &mut settings).unwrap();
    let resources = Resources { memory_limit: 64 << 20, partitions: 1, spill_folder: folder.path().to_owned() };
    let examination = examine(&query, &settings, &Parameters::default(), &resources).await;
    let checked = examination.checked.unwrap();
    let job = Job::resolve(&settings, 0, 1);
    let subject = Subject { file: &query, settings: &settings, parameters: &[], mode: Mode::Loopback };
    let recording = Recording::begin(subject, 0, 0).unwrap();
    let (_stop, stop) = watch::channel(false);
    let ports = Ports {
        store: Arc::new(Faulty { model: Model::new([1; 32]), intents: AtomicUsize::new(0), defect }),
        recorder: recording.recorder(),
        progress: Arc::new(Progress::reading(checked.sources().unwrap())),
        stop,
    };
    let account = run::deliver(&checked, &job, None, transport, &ports).await.unwrap();
    drop(ports);
    recording.discard().await;
    let kind = account.verdict(&job).unwrap_err().kind();
    (account, kind)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_fails_after_the_first_request_leaves_an_incomplete_run_with_its_numbers() {
    // Their exit codes say that nothing was sent.
    for kind in [ErrorKind::Usage, ErrorKind::Locked, ErrorKind::Incomplete] {
        let (account, verdict) = Box::pin(deliver(Defect::Ledger(kind), Script::new(Vec::new()).0)).await;
        assert_eq!(verdict, ErrorKind::Incomplete, "{kind:?}");
        assert_eq!(account.report.map(|report| report.requests), Some(account.tally.accepted));
        assert!(account.tally.is_balanced(), "{:?}", account.tally);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_defect_of_the_driver_ends_as_one() {
    let (account, verdict) = Box::pin(deliver(Defect::Driver, Script::new(Vec::new()).0)).await;
    assert_eq!(verdict, ErrorKind::Internal, "{:?}", account.tally);
}
