//! From batches to settled outcomes: recorded, paced, sent, judged, repeated where that is safe.
//!
//! [`protocol`] decides, [`response`] judges answers, [`Window`] says how long a repeat is safe, and the driver in this file only executes: it records intents, sends
//! bodies, waits, and hands back every batch with one [`Outcome`] for each event.
//!
//! Invariants
//! - **One end**: every batch that enters leaves in exactly one [`Settled`], whatever happens.
//! - **Write-ahead**: a body is sent only after its intent is on record; see [`crate::ledger`].
//! - **Bounded**: batches under way by the concurrency, requests by the pace, waits by [`Options::give_up_after`]. A crash
//!   leaves at most four batches more in doubt than the concurrency: two whose intents are recorded ahead, and two whose
//!   ends are on their way to the disk. Batches in queues: [`QUEUED`] in each.
//! - **Joined**: when [`deliver`] returns, every task it started has ended.
//! - **In time**: an event is sent again only while its window is open; after that it is held.
//! - Only the integer code 0 is success, where the body says nothing that is not known; what is in doubt is sent again
//!   under the same ids, never counted. What is acknowledged is not sent again.
//!
//! It does not choose what to send, keeps nothing across runs, and knows neither settings nor files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::driver::Driver;
use crate::api::{Client, RawResponse, TransportError};
use crate::error::Error;
use crate::event::{Batch, Outcome};
use crate::ledger::{Recorded, Store};

mod brakes;
mod driver;
mod evidence;
mod isolation;
mod items;
pub mod message;
mod open;
pub mod pacing;
pub mod protocol;
pub mod response;
#[cfg(test)]
mod simulation;
mod stop;
mod success;
mod window;

pub use protocol::Because;
pub use stop::{Cause, StopReason};
pub use window::Window;

/// Batches that wait to be taken, that wait to be handed back, and that wait to be counted. With those under way and those
/// whose ends are being written, they are at most 64 MiB of events, at a megabyte a batch.
pub const QUEUED: usize = 8;

/// Where bodies go. Two implementations: [`Client`], and a script in tests.
pub trait Transport: Send + Sync + 'static {
    /// The URL bodies are posted to.
    fn endpoint(&self) -> &str;

    /// Sends one body and gives the whole answer.
    fn send(&self, body: Recorded) -> impl Future<Output = Result<RawResponse, TransportError>> + Send;

    /// Looks whether there is a newer token, since the one in use was refused.
    fn renew_token(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

impl Transport for Client {
    fn endpoint(&self) -> &str {
        self.endpoint()
    }

    async fn send(&self, body: Recorded) -> Result<RawResponse, TransportError> {
        self.track(body.into_bytes()).await
    }

    async fn renew_token(&self) {
        self.renew_token().await;
    }
}

/// How to deliver.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most requests under way at once.
    pub concurrency: u16,
    /// Most requests that start in a second; 900 is the most that is honoured.
    pub rate: u32,
    /// How long nothing may be accepted before the delivery gives up.
    pub give_up_after: Duration,
    /// How long requests under way may take after a stop.
    pub drain: Duration,
    /// Attempts to connect before the first answer, after which the API counts as unreachable.
    pub connect_attempts: u32,
    /// Wait before a refused token is tried once more.
    pub second_opinion: Duration,
    /// How long events of unknown fate may be sent again, by the ledger's clock or the server's, whichever is ahead.
    pub window: Window,
    /// Seed of the random waits.
    pub seed: u64,
    /// How many times faster than the clock the protocol's time passes: 1, but in tests of long waits.
    pub speed: u32,
    /// The time in Unix seconds, for comparing it with the server's.
    pub clock: Option<fn() -> i64>,
    /// Where to tell what the driver is doing.
    pub activity: Option<watch::Sender<Activity>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 32,
            rate: pacing::DEFAULT_RATE,
            give_up_after: Duration::from_mins(30),
            drain: Duration::from_secs(30),
            connect_attempts: 3,
            second_opinion: Duration::from_secs(5),
            window: Window::default(),
            seed: 0,
            speed: 1,
            clock: None,
            activity: None,
        }
    }
}

/// What the driver is doing now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// Waiting for batches, or for the ledger.
    #[default]
    Idle,
    /// Requests are under way.
    Sending {
        /// How many.
        in_flight: usize,
    },
    /// Nothing is sent for a while.
    Waiting {
        /// When it goes on.
        until: Instant,
        /// Why.
        because: Because,
    },
    /// No new requests are sent; those under way may finish.
    Stopping {
        /// How many are under way.
        in_flight: usize,
    },
}

/// What was exchanged about a batch.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// Requests of which a byte may have left.
    pub requests: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// `code` of the last answer, if it had one.
    pub code: Option<i64>,
    /// HTTP status of the last answer, if there was one.
    pub status: Option<u16>,
    /// `request_id` of the last answer, if it had one.
    pub request_id: Option<String>,
    /// `request_id` of each answer that accepted all events of its request, in the order of the answers.
    pub accepted_by: Vec<String>,
    /// When the first request began.
    pub started: Option<Instant>,
    /// When the last answer came, or the last failure to get one.
    pub ended: Option<Instant>,
}

/// A batch that is done.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Number of the batch in the order in which batches entered, from 1.
    pub number: u64,
    /// The batch as it entered.
    pub batch: Batch,
    /// One outcome for each of its events, in their order.
    pub outcomes: Vec<Outcome>,
    /// What was exchanged about it.
    pub exchange: Exchange,
}

/// What a delivery did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Requests of which a byte may have left.
    pub requests: u64,
    /// Requests that repeated events sent before.
    pub retries: u64,
    /// Requests that were throttled.
    pub throttles: u64,
    /// Bytes of all request bodies.
    pub bytes_sent: u64,
    /// Time in which nothing was sent because of throttling.
    pub throttled: Duration,
    /// How often each code other than 0 was answered, in the order of the codes.
    pub codes: BTreeMap<i64, u64>,
    /// Seconds by which the server's clock is ahead of this machine's, where that was furthest from none.
    pub clock_skew: Option<i64>,
    /// Why the delivery ended before everything was delivered, if it did.
    pub stop: Option<StopReason>,
}

/// A delivery that something on this side ended, and what it did until then.
#[derive(Debug)]
pub struct Failed {
    /// What failed.
    pub error: Error,
    /// What was sent all the same.
    pub report: Report,
}

/// Delivers every batch that arrives, until the channel closes, `stop` turns true or the API makes it pointless.
///
/// Each batch comes back through `settled`, which the caller must keep receiving from. After a stop, `batches` is closed:
/// what the caller could not put into it never entered. If `settled` is dropped, the delivery stops too.
///
/// # Errors
/// If the ledger failed, or a task did; every batch was handed back all the same. Everything else is in [`Report::stop`].
pub async fn deliver<T: Transport>(
    batches: mpsc::Receiver<Batch>,
    transport: T,
    store: Arc<dyn Store>,
    options: Options,
    settled: mpsc::Sender<Settled>,
    stop: watch::Receiver<bool>,
) -> Result<Report, Box<Failed>> {
    Driver::new(transport, store, options).run(batches, settled, stop).await
}
