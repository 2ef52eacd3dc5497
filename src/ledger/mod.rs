//! The ledger: what was offered to the API, and what became of it.
//!
//! Delivery is at least once; the ledger is what makes it effectively once. TikTok drops a repeated event inside 48
//! hours of the first copy, so an event whose fate is unknown may be sent again inside that window, and an event that
//! was accepted is never sent again. Both need a record that outlives the process, written before the first byte.
//!
//! A batch moves through these states:
//!
//! ```text
//! (nothing) ── prepare ──▶ intent ── settle ──▶ ended: every event accepted, rejected, unsent, in doubt or held
//!                             ├───── cancel ──▶ (nothing): no byte was sent
//!                             └── process dies ▶ in doubt: every event may have arrived
//! in doubt, held ── decide ──▶ accepted, in doubt or (nothing): what a person says became of it
//! ```
//!
//! An event's [`Standing`] is what its batches add up to. Accepted is for good. Doubt ends only with an answer that
//! accepts or rejects, or with a [`Decision`]; an attempt that is known to have failed leaves it as it was. The time of
//! the first attempt is the oldest of those that are in doubt, taken before a byte left, so that the window is never
//! thought longer than it is.
//!
//! Invariants
//! - **Write-ahead**: a request body exists only as [`Recorded`], which only a [`Ticket`] makes, which only
//!   [`Store::prepare`] makes, after the intent is durable.
//! - **One end**: a ticket is consumed by [`Store::settle`] or [`Store::cancel`]; it can be neither copied nor rebuilt.
//! - **One way**: an event is under at most one intent of a process at a time.
//! - **No phantom success**: a key counts as accepted only through [`Outcome::Accepted`] in a `settle` that returned, or
//!   because a person said so.
//! - **Fail closed**: after any error of a store nothing more is sent.
//!
//! The ledger never sees an event's content: it keeps keys, counts, codes and times. Whether an event should be
//! repeated is not judged here but in `delivery::protocol`; what a person decides is recorded here.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Batch, EventKey, Outcome};

pub mod keys;
mod model;
pub mod sqlite;
mod standings;
#[cfg(test)]
mod tests;

pub use model::Model;
pub use sqlite::Sqlite;

/// Seconds after its first attempt in which TikTok is sure to drop a copy of an event: 48 hours, less four for clocks
/// and queues.
const WINDOW: i64 = 44 * 3_600;

/// What tells the time: Unix seconds.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Where intents and outcomes are kept. Two implementations: [`Model`], in memory, and [`Sqlite`], on disk.
///
/// Calls may block for the time of a disk write; asynchronous callers use a thread that may. Calls from several
/// threads at once are allowed, and a durable store writes them as one group.
pub trait Store: Send + Sync + 'static {
    /// Records that `batch` is about to be sent. When this returns, the intent is durable.
    ///
    /// # Errors
    /// If the intent could not be made durable, or an event of it is under way already. Nothing may be sent then.
    fn prepare(&self, batch: &Batch) -> Result<Ticket>;

    /// Records what became of each event of the ticket's batch, in the batch's order.
    ///
    /// # Errors
    /// If the outcomes could not be made durable. The events are then in doubt for the next run.
    fn settle(&self, ticket: Ticket, outcomes: &[Outcome]) -> Result<()>;

    /// Withdraws an intent of which no byte was sent.
    ///
    /// # Errors
    /// If that could not be made durable. The events are then in doubt for the next run, which is harmless.
    fn cancel(&self, ticket: Ticket) -> Result<()>;

    /// What is on record about this event. Events under way stand as they did before.
    fn standing(&self, key: &EventKey) -> Standing;

    /// Whether this event is on record as accepted.
    fn contains(&self, key: &EventKey) -> bool {
        self.standing(key) == Standing::Accepted
    }

    /// The time by which attempts are recorded, Unix seconds; it does not run backwards.
    fn now(&self) -> i64;

    /// The secret under which this ledger's event keys are made.
    fn secret(&self) -> [u8; 32];

    /// Records that a run of a query begins. Batches prepared from now on are of this run.
    ///
    /// # Errors
    /// If that could not be made durable.
    fn begin_run(&self, run: &Run) -> Result<()>;

    /// Records that the run ended, and whether it succeeded.
    ///
    /// # Errors
    /// If that could not be made durable. The run then counts as one that did not succeed.
    fn end_run(&self, succeeded: bool) -> Result<()>;

    /// When the last run of `query` that succeeded began, Unix seconds.
    fn last_success(&self, query: &str) -> Option<i64>;
}

/// A run, as a ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The run's id, under which its artifacts are found.
    pub id: String,
    /// What makes two runs runs of the same query, such as the path of its file.
    pub query: String,
    /// When it began, Unix seconds.
    pub started: i64,
}

/// What is on record about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing that keeps it from being sent: never offered, or known not to have arrived.
    Unknown,
    /// Accepted: never to be sent again.
    Accepted,
    /// Refused by the API for what it contained.
    Rejected {
        /// `code` of the answer.
        code: i64,
        /// [`EncodedEvent::payload`](crate::event::EncodedEvent::payload) of what was refused: the same content would
        /// be refused again.
        payload: u64,
    },
    /// Possibly accepted: to be sent again while TikTok recognises the copy, to be held after that.
    InDoubt {
        /// Unix seconds, not later than the first attempt whose end is unknown.
        first_attempt: i64,
    },
    /// Possibly accepted, and not to be sent again without a decision.
    Held {
        /// As above.
        first_attempt: i64,
    },
}

impl Standing {
    /// When an attempt whose end is unknown was first made, if there was one.
    #[must_use]
    pub fn first_attempt(self) -> Option<i64> {
        match self {
            Self::InDoubt { first_attempt } | Self::Held { first_attempt } => Some(first_attempt),
            Self::Unknown | Self::Accepted | Self::Rejected { .. } => None,
        }
    }
}

/// What a person says about events that are in doubt or held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// They arrived: they count as accepted and are never sent again.
    AssumeDelivered,
    /// They may be repeated while TikTok drops a copy: what is held is in doubt again, with its first attempt.
    Repeat,
    /// They count as never sent, however long ago they were: the next run sends them, and they may count twice.
    Resend,
}

impl Decision {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AssumeDelivered => "assumed delivered",
            Self::Repeat => "to be repeated",
            Self::Resend => "to be resent",
        }
    }
}

/// Proof that an intent is durable, and the only way to a request body.
#[must_use = "an intent that is neither settled nor cancelled is in doubt"]
pub struct Ticket {
    id: i64,
    batch: Batch,
    attempted: bool,
    first_attempt: i64,
    is_awaited: bool,
}

impl Ticket {
    /// Notes that something waits for the end of this batch: it does not wait for others to be written with them.
    pub fn hasten(&mut self) {
        self.is_awaited = true;
    }

    /// The batch that is on record.
    #[must_use]
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Whether events of this batch may have reached the API before, under an earlier intent.
    #[must_use]
    pub fn attempted(&self) -> bool {
        self.attempted
    }

    /// When an event of this batch was first attempted, Unix seconds: under this intent, or under an earlier one that
    /// left it in doubt.
    #[must_use]
    pub fn first_attempt(&self) -> i64 {
        self.first_attempt
    }

    /// The request body of the events `range` of the batch.
    #[must_use]
    pub fn record(&self, range: Range<usize>) -> Recorded {
        Recorded(self.batch.slice(range).body().into())
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("id", &self.id).field("batch", &self.batch).finish_non_exhaustive()
    }
}

/// A request body whose events are on record: what a transport takes.
#[derive(Clone)]
pub struct Recorded(Bytes);

impl Recorded {
    /// The body.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Length of the body in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the body is empty, which no recorded body is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Recorded {
    // Never the body: it holds personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").field("bytes", &self.0.len()).finish()
    }
}

/// The error of a batch with an event that is under another intent.
fn under_way() -> Error {
    Error::new(ErrorKind::Internal, "an event is under way in two batches at once")
}

/// The error of outcomes that are not one for each event.
fn mismatch(events: usize, outcomes: usize) -> Error {
    Error::new(ErrorKind::Internal, "outcomes do not match a recorded batch")
        .context("events", events)
        .context("outcomes", outcomes)
}
