//! What a ledger makes of a clock that was set back since it was last used.
//!
//! Either the clock was ahead before, so that first attempts are on record later than they were, or it is behind now.
//! Both ways a window would seem open that TikTok has closed. So what is in doubt is held, as if its window had just
//! closed, and that is on record: a person decides. Time then goes on from what the clock says.

use jiff::Timestamp;

use super::row::{Batch, Ending};
use super::writer::Change;
use super::{Sqlite, outcomes};
use crate::error::Result;
use crate::event::EventKey;
use crate::ledger::{Standing, WINDOW};

/// Seconds that the clock may go back between two runs: the window is short enough for that.
const TOLERATED: i64 = 3_600;

/// Whether it is so much earlier `now` than the `latest` time on record that one of the two is wrong.
pub(super) fn is_set_back(now: i64, latest: i64) -> bool {
    now.saturating_add(TOLERATED) < latest
}

impl Sqlite {
    /// Holds what seems to be repeatable `now`, while the `latest` time on record is yet to come. Whoever only looks sees
    /// it so, and it is not on record.
    pub(super) fn distrust(&self, now: i64, latest: i64, is_looking: bool) -> Result<()> {
        let closed = now - WINDOW;
        let mut entries = self.entries();
        let undecided = entries.standings.undecided();
        let seems_open = undecided.filter(|(_, standing)| standing.first_attempt().is_some_and(|first| first > closed));
        let mut keys: Vec<EventKey> = seems_open.map(|(key, _)| *key).collect();
        keys.sort_unstable();
        let mut held = Vec::new();
        for doubt in self.doubts(&entries)? {
            if let Some(batch) = doubt.decided(&keys, entries.next_batch, now) {
                entries.next_batch += 1;
                let of_run = entries.runs.iter().find(|row| Some(&row.run.id) == doubt.run.as_ref());
                let run = of_run.map(|row| row.number);
                let outcomes = outcomes::encode_held(batch.len()).into();
                let ending = Ending { batch: batch.id, ended: now, outcomes };
                held.push((Batch { run, first_attempt: batch.first_attempt.min(closed), ..batch }, ending));
            }
        }
        if !held.is_empty() && !is_looking {
            self.writer.write(Change::Decisions(held))?;
        }
        for key in &keys {
            entries.standings.put(*key, Standing::Held { first_attempt: closed });
        }
        let time = |seconds| Timestamp::from_second(seconds).unwrap_or_default();
        tracing::warn!(
            "this machine's clock says {}, and the ledger was used at {}: {} events in doubt are held, as nobody can \
             tell whether TikTok still drops a copy",
            time(now),
            time(latest),
            keys.len(),
        );
        Ok(())
    }
}
