//! The batches with events that may have been accepted although nothing says so.

use std::collections::HashMap;

use rusqlite::Connection;

use super::load::{joined, runs};
use super::outcomes;
use super::row::{Batch, Ending};
use crate::event::EventKey;
use crate::ledger::Standing;

/// A batch with events in doubt or held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Number of the batch in this ledger.
    pub batch: i64,
    /// Id of its run, if it was of one.
    pub run: Option<String>,
    /// `event_source` of its destination.
    pub event_source: String,
    /// `event_source_id` of its destination.
    pub event_source_id: String,
    /// When its intent was recorded, Unix seconds.
    pub prepared: i64,
    /// When an event of it was first attempted, Unix seconds: TikTok recognises a copy for 48 hours from then.
    pub first_attempt: i64,
    /// Time of its earliest event, Unix seconds.
    pub first_event: i64,
    /// Time of its latest event, Unix seconds.
    pub last_event: i64,
    /// Whether the process died before it could record an end.
    pub is_open: bool,
    /// The events that are still in doubt.
    pub in_doubt: Vec<EventKey>,
    /// The events that are held.
    pub held: Vec<EventKey>,
}

impl Doubt {
    /// A row for those of `keys`, sorted, that this batch left undecided: their number, times and place are of it.
    /// `None` if there are none.
    pub(super) fn decided(&self, keys: &[EventKey], id: i64, now: i64) -> Option<Batch<'static>> {
        let of_batch = self.in_doubt.iter().chain(&self.held).filter(|key| keys.binary_search(key).is_ok());
        let keys: Vec<u8> = of_batch.flat_map(|key| *key.as_bytes()).collect();
        (!keys.is_empty()).then(|| Batch {
            id,
            run: None,
            event_source: self.event_source.clone().into(),
            event_source_id: self.event_source_id.clone().into(),
            prepared: now,
            first_attempt: self.first_attempt.min(now),
            first_event: self.first_event,
            last_event: self.last_event,
            keys: keys.into(),
        })
    }
}

/// The batches that left the `undecided` events as they are, oldest first; each event is in the latest of its batches.
pub(super) fn list(connection: &Connection, undecided: &HashMap<EventKey, Standing>) -> rusqlite::Result<Vec<Doubt>> {
    if undecided.is_empty() {
        return Ok(Vec::new());
    }
    let runs: HashMap<i64, String> = runs(connection)?.into_iter().map(|(run, _)| (run.number, run.run.id)).collect();
    let mut statement = connection.prepare(&joined(""))?;
    let mut rows = statement.query([])?;
    let mut doubts: Vec<Doubt> = Vec::new();
    let mut places: HashMap<EventKey, usize> = HashMap::new();
    while let Some(row) = rows.next()? {
        let (batch, _) = Batch::read(row)?;
        let ending = Ending::read(row, Batch::WIDTH)?;
        let stretches = ending.as_ref().and_then(|(ending, _)| outcomes::decode(&ending.outcomes, batch.len()));
        if stretches.as_ref().is_some_and(|stretches| !stretches.iter().any(|stretch| stretch.end.is_doubtful())) {
            continue;
        }
        let place = doubts.len();
        for key in batch.event_keys().filter(|key| undecided.contains_key(key)) {
            places.insert(key, place);
        }
        doubts.push(Doubt {
            batch: batch.id,
            run: batch.run.and_then(|run| runs.get(&run).cloned()),
            event_source: batch.event_source.to_string(),
            event_source_id: batch.event_source_id.to_string(),
            prepared: batch.prepared,
            first_attempt: batch.first_attempt,
            first_event: batch.first_event,
            last_event: batch.last_event,
            is_open: ending.is_none(),
            in_doubt: Vec::new(),
            held: Vec::new(),
        });
    }
    for (key, place) in places {
        let doubt = &mut doubts[place];
        let is_held = matches!(undecided.get(&key), Some(Standing::Held { .. }));
        if is_held { &mut doubt.held } else { &mut doubt.in_doubt }.push(key);
    }
    doubts.retain(|doubt| !doubt.in_doubt.is_empty() || !doubt.held.is_empty());
    for doubt in &mut doubts {
        doubt.in_doubt.sort_unstable();
        doubt.held.sort_unstable();
    }
    Ok(doubts)
}
