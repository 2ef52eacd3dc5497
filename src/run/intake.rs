//! Takes staged batches in order: finds repeats and conflicts, keeps the account, and hands batches on where there is
//! somebody to hand them to.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::progress::Progress;
use super::repeats::Repeats;
use super::stage::Staged;
use super::tally::Tally;
use crate::encode::Batcher;
use crate::event::Batch;
use crate::ledger::Store;
use crate::ledger::keys::Keys;

/// The receiving end of a pass over the rows.
pub struct Intake {
    tally: Tally,
    repeats: Repeats,
    store: Arc<dyn Store>,
    progress: Arc<Progress>,
    onward: Option<Onward>,
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("tally", &self.tally)
            .field("delivers", &self.onward.is_some())
            .finish_non_exhaustive()
    }
}

/// Where batches go, and how they are made.
#[derive(Debug)]
pub(super) struct Onward {
    pub(super) batcher: Batcher,
    pub(super) batches: mpsc::Sender<Batch>,
    /// Whether the rows that are left need not be read once nobody takes batches any more.
    pub(super) stops_early: bool,
}

impl Intake {
    /// An intake that counts events and sends nothing.
    pub(super) fn counting(store: Arc<dyn Store>, progress: Arc<Progress>) -> Self {
        Self { tally: Tally::default(), repeats: Repeats::finding(), store, progress, onward: None }
    }

    /// An intake that hands events on. With the `conflicts` of a preflight their rows are refused; without, the first
    /// row of an event goes on and later ones that differ are refused.
    pub(super) fn delivering(
        store: Arc<dyn Store>,
        progress: Arc<Progress>,
        conflicts: Option<Keys>,
        onward: Onward,
    ) -> Self {
        let repeats = conflicts.map_or_else(Repeats::streaming, Repeats::knowing);
        Self { tally: Tally::default(), repeats, store, progress, onward: Some(onward) }
    }

    /// The account so far; events handed on are in none of its places yet, events only counted are unsent.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The account and the keys of conflicting rows.
    pub(super) fn into_parts(self) -> (Tally, Keys) {
        (self.tally, self.repeats.into_conflicts())
    }

    /// Takes up one batch; false when the rest of the rows is not wanted.
    pub(super) async fn take(&mut self, mut staged: Staged) -> bool {
        let tally = &mut self.tally;
        tally.rows += staged.rows + staged.folded;
        tally.folded += staged.folded;
        tally.events += staged.rows;
        tally.rejected += staged.rejected;
        tally.out_of_window += staged.out_of_window.len() as u64;
        staged.violations.iter().for_each(|violation| tally.record(violation, 1));
        let mut events = std::mem::take(&mut staged.events.events);
        events.retain(|(_, event)| self.repeats.admit(event, self.store.as_ref(), tally));
        self.progress.judged(staged.rows);
        let Some(onward) = &mut self.onward else {
            return true;
        };
        staged.events.events = events;
        for batch in onward.batcher.push(staged.events) {
            if !send(onward, batch, tally).await && onward.stops_early {
                return false;
            }
        }
        true
    }

    /// Hands on what is left and lets go of the receiver.
    pub(super) async fn finish(&mut self) {
        if let Some(mut onward) = self.onward.take() {
            for batch in onward.batcher.finish() {
                send(&onward, batch, &mut self.tally).await;
            }
        }
    }
}

/// Hands `batch` on; where nobody takes it, its events are unsent.
async fn send(onward: &Onward, batch: Batch, tally: &mut Tally) -> bool {
    let events = batch.len() as u64;
    let is_taken = onward.batches.send(batch).await.is_ok();
    if !is_taken {
        tally.unsent += events;
    }
    is_taken
}
