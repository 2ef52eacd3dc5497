//! What a run is doing now, for whoever shows it: a few counters that are read without stopping anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::sources::Sources;

/// The stage a run is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Sources are read and rows are judged; nothing is sent.
    Preflight,
    /// Events are sent.
    Delivery,
}

/// Counters of a run in progress.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    rows: AtomicU64,
    settled: AtomicU64,
    total: AtomicU64,
    sources: Option<Arc<Sources>>,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The stage.
    pub phase: Phase,
    /// Rows judged in this stage.
    pub rows: u64,
    /// Events whose fate is known.
    pub settled: u64,
    /// Events to send, 0 while unknown.
    pub total: u64,
    /// Source rows that could not be read so far.
    pub unread: u64,
}

impl Progress {
    /// Of a run that reads `sources`.
    #[must_use]
    pub fn reading(sources: Arc<Sources>) -> Self {
        Self { sources: Some(sources), ..Self::default() }
    }

    /// The counters now.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            phase: if self.phase.load(Ordering::Relaxed) == 0 { Phase::Preflight } else { Phase::Delivery },
            rows: self.rows.load(Ordering::Relaxed),
            settled: self.settled.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
            unread: self.sources.as_ref().map_or(0, |sources| sources.unread().rows()),
        }
    }

    pub(super) fn deliver(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.rows.store(0, Ordering::Relaxed);
        self.phase.store(1, Ordering::Relaxed);
    }

    pub(super) fn judged(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    pub(super) fn settled(&self, events: u64) {
        self.settled.fetch_add(events, Ordering::Relaxed);
    }
}
