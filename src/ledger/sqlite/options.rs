//! How a ledger is opened.

use std::fmt;
use std::time::Duration;

use super::place::{Namespace, Place};
use crate::ledger::Clock;

/// Bytes that are kept free for outcomes: a hundred thousand batches of them.
const RESERVE: u64 = 64 << 20;
/// How long outcomes wait for an intent or for more outcomes.
const LINGER: Duration = Duration::from_millis(20);

/// How to open a ledger.
#[derive(Clone)]
pub struct Options {
    /// Where it is.
    pub place: Place,
    /// What tells the time.
    pub clock: Clock,
    /// 32 random bytes: the secret of the ledger, if it is made now. Without them none is made.
    pub fresh_secret: Option<[u8; 32]>,
    /// Age in seconds beyond which no event is sent.
    pub max_event_age: i64,
    /// Whether to go on where the ledger is gone or older than its lock says.
    pub accept_loss: bool,
    /// Whether the folder may be on a network file system.
    pub accept_network: bool,
    /// Bytes of memory that the keys of accepted events may take; by default whatever there is.
    pub memory: usize,
    /// Bytes of disk that are kept free for outcomes while the ledger is open.
    pub reserve: u64,
    /// How long outcomes may wait for others, to be written with them.
    pub linger: Duration,
    #[cfg(test)]
    pub(crate) max_pages: Option<u32>,
}

impl fmt::Debug for Options {
    // Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("place", &self.place)
            .field("max_event_age", &self.max_event_age)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The ledger at `place` as it is: nothing is forgotten, nothing is recorded as held because the clock was set back, and
    /// no disk is reserved.
    #[must_use]
    pub fn looking(place: Place, clock: Clock) -> Self {
        Self { fresh_secret: None, reserve: 0, ..Self::new(place, clock, [0; 32], i64::MAX / 2) }
    }

    /// A ledger at `place` for events of at most `max_event_age` seconds.
    #[must_use]
    pub fn new(place: Place, clock: Clock, fresh_secret: [u8; 32], max_event_age: i64) -> Self {
        // What is lost of a sandbox is no loss.
        let reserve = if place.namespace == Namespace::Sandbox { 0 } else { RESERVE };
        Self {
            place,
            clock,
            fresh_secret: Some(fresh_secret),
            max_event_age,
            accept_loss: false,
            accept_network: false,
            memory: usize::MAX,
            reserve,
            linger: LINGER,
            #[cfg(test)]
            max_pages: None,
        }
    }
}
