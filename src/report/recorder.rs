//! Takes what happens during a run to the files that keep it, on a thread that may wait for the disk.

use tokio::sync::{mpsc, oneshot};

use super::batches::{self, BatchRecord, Clock};
use super::folder::RunFolder;
use super::parquet::ParquetFile;
use super::rejects::{FaultyEvent, Gathered, UnreadSourceRow};
use crate::error::{Error, ErrorKind, Result};

/// Entries that wait for the disk; one may hold the faults of a whole record batch.
const QUEUED: usize = 4;

/// Something to keep.
#[derive(Debug)]
pub enum Entry {
    /// Events with faults.
    Faulty(Vec<FaultyEvent>),
    /// Rows of sources that could not be read.
    Unread(Vec<UnreadSourceRow>),
    /// A batch that is done.
    Batch(BatchRecord),
    /// Put everything so far on the disk, and say whether that worked.
    Checkpoint(oneshot::Sender<Result<()>>),
    /// There is nothing more.
    End,
}

/// Where to put what happens. Clones lead to the same files.
#[derive(Clone, Debug)]
pub struct Recorder {
    entries: mpsc::Sender<Entry>,
}

impl Recorder {
    /// A recorder, and what it is read from.
    pub(super) fn new() -> (Self, mpsc::Receiver<Entry>) {
        let (entries, queue) = mpsc::channel(QUEUED);
        (Self { entries }, queue)
    }

    /// Keeps `entry`. What cannot be kept is told by [`Recorder::checkpoint`] and at the end of the run.
    pub async fn keep(&self, entry: Entry) {
        // The reader is gone only after the end of the run.
        drop(self.entries.send(entry).await);
    }

    /// Waits until everything kept so far is on the disk.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if something could not be kept: for use while nothing has been sent.
    pub async fn checkpoint(&self) -> Result<()> {
        let (sender, done) = oneshot::channel();
        self.keep(Entry::Checkpoint(sender)).await;
        let outcome = done.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "nobody keeps what happens")));
        outcome.map_err(|error| {
            Error::new(ErrorKind::Usage, error.message().to_owned())
                .hint("nothing was sent: make room or name another folder with postback.ledger, and run again")
                .source(error)
        })
    }
}

/// The files of a run while it goes on.
pub(super) struct Files {
    gathered: Gathered,
    rejects: ParquetFile,
    batches: ParquetFile,
}

impl Files {
    /// Begins the files in `folder`.
    pub(super) fn begin(folder: &RunFolder) -> Result<Self> {
        Ok(Self {
            gathered: Gathered::new(),
            rejects: ParquetFile::begin(folder, "rejects.parquet", Gathered::schema())?,
            batches: ParquetFile::begin(folder, "batches.parquet", batches::schema())?,
        })
    }

    /// Writes what comes from `queue` until its end; gives the first failure.
    pub(super) fn write(mut self, mut queue: mpsc::Receiver<Entry>, clock: Clock<'_>) -> Result<()> {
        let mut failure: Option<Error> = None;
        while let Some(entry) = queue.blocking_recv() {
            let outcome = match (entry, &failure) {
                (Entry::End, _) => break,
                (Entry::Checkpoint(sender), failed) => {
                    let flushed = failed.as_ref().map_or_else(|| self.flush(), |error| Err(error.restated()));
                    let told = flushed.as_ref().map_err(Error::restated).copied();
                    // Whoever asked may have been stopped.
                    drop(sender.send(told));
                    flushed
                }
                // After a failure entries are taken and dropped, so that nobody waits for the disk.
                (_, Some(_)) => Ok(()),
                (Entry::Faulty(events), None) => self.keep(&events),
                (Entry::Unread(rows), None) => {
                    let Self { gathered, rejects, .. } = &mut self;
                    gathered.add_unread(&rows, |rows| rejects.write(rows))
                }
                (Entry::Batch(batch), None) => {
                    batches::rows(&[batch], clock).and_then(|rows| self.batches.write(&rows))
                }
            };
            failure = failure.or(outcome.err());
        }
        failure.map_or_else(|| self.finish(), Err)
    }

    fn keep(&mut self, events: &[FaultyEvent]) -> Result<()> {
        let Self { gathered, rejects, .. } = self;
        events.iter().try_for_each(|event| gathered.add(event, |rows| rejects.write(rows)))
    }

    fn flush(&mut self) -> Result<()> {
        let rows = self.gathered.take()?;
        self.rejects.write(&rows)?;
        self.rejects.flush()
    }

    fn finish(mut self) -> Result<()> {
        let rows = self.gathered.take()?;
        self.rejects.write(&rows)?;
        self.rejects.finish()?;
        self.batches.finish()
    }
}
