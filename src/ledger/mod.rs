//! The ledger: what was offered to the API, and what became of it.
//!
//! Delivery is at least once; the ledger is what makes it effectively once. TikTok drops a repeated event inside 48
//! hours of the first copy, so an event whose fate is unknown may be sent again inside that window, and an event that
//! was accepted is never sent again. Both need a record that outlives the process, written before the first byte.
//!
//! A batch moves through these states:
//!
//! ```text
//! (nothing) ── prepare ──▶ intent ── settle ──▶ settled: every event accepted, rejected, held or unsent
//!                             └───── cancel ──▶ (nothing): no byte was sent
//! ```
//!
//! Invariants
//! - **Write-ahead**: a request body exists only as [`Recorded`], which only a [`Ticket`] makes, which only
//!   [`Store::prepare`] makes, after the intent is durable.
//! - **One end**: a ticket is consumed by [`Store::settle`] or [`Store::cancel`]; it can be neither copied nor rebuilt.
//! - **No phantom success**: a key counts as accepted only through [`Outcome::Accepted`] in a `settle` that returned.
//! - **Fail closed**: after any error of a store nothing more is sent.
//!
//! The ledger never sees an event's content: it keeps keys, counts, codes and times. Whether an event should be
//! repeated is not decided here but in `delivery::protocol`.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::error::Result;
use crate::event::{Batch, EventKey, Outcome};

pub mod keys;
mod model;

pub use model::Model;

/// Where intents and outcomes are kept. Two implementations: [`Model`], in memory, and the one on disk.
///
/// Calls may block for the time of a disk write; asynchronous callers use a thread that may. Calls from several
/// threads at once are allowed, and a durable store writes them as one group.
pub trait Store: Send + Sync + 'static {
    /// Records that `batch` is about to be sent. When this returns, the intent is durable.
    ///
    /// # Errors
    /// If the intent could not be made durable. Nothing may be sent then.
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

    /// Whether this event is on record as accepted.
    fn contains(&self, key: &EventKey) -> bool;

    /// The secret under which this ledger's event keys are made.
    fn secret(&self) -> [u8; 32];
}

/// Proof that an intent is durable, and the only way to a request body.
#[must_use = "an intent that is neither settled nor cancelled is in doubt"]
pub struct Ticket {
    id: u64,
    batch: Batch,
    attempted: bool,
}

impl Ticket {
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
