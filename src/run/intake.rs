//! Takes staged batches in order: finds repeats and conflicts, keeps the account, and hands batches on where there is
//! somebody to hand them to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Ports;
use super::progress::Progress;
use super::repeats::{Admission, Repeats};
use super::resume::{Past, Resume};
use super::stage::Staged;
use super::tally::Tally;
use crate::encode::Batcher;
use crate::event::{Batch, EncodedEvent, EncodedEvents, Identity, Refusal};
use crate::ledger::Store;
use crate::ledger::keys::Keys;
use crate::query::RowNumbers;
use crate::report::{Entry, Faults, FaultyEvent, Recorder, Skip};
use crate::validate::survey::Survey;

/// Events in doubt whose first attempts lie in the same stretch of so many seconds travel together.
const REPEATED_TOGETHER: i64 = 3_600;

/// The receiving end of a pass over the rows.
pub struct Intake {
    tally: Tally,
    repeats: Repeats,
    store: Arc<dyn Store>,
    resume: Resume,
    /// When the pass began, Unix seconds.
    now: i64,
    progress: Arc<Progress>,
    onward: Option<Onward>,
    /// Where faults are kept, unless an earlier pass has kept them.
    recorder: Option<Recorder>,
    /// Whether rows have numbers.
    numbers: RowNumbers,
    fingerprint: u64,
    is_complete: bool,
    /// Of a first pass over the rows.
    survey: Option<Survey>,
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
    /// Apart, by when they were first attempted: events in doubt, so that no event has a shorter window than its own.
    pub(super) repeating: BTreeMap<i64, Batcher>,
    pub(super) batches: mpsc::Sender<Batch>,
    /// Whether the rows that are left need not be read once nobody takes batches any more.
    pub(super) stops_early: bool,
}

impl Intake {
    /// An intake that counts events and sends nothing.
    pub(super) fn counting(ports: &Ports, resume: Resume, numbers: RowNumbers) -> Self {
        let recorder = Some(ports.recorder.clone());
        let survey = Some(Survey::default());
        Self { recorder, survey, ..Self::new(ports, resume, Repeats::finding(), None, numbers) }
    }

    /// An intake that hands events on. With the `conflicts` of a preflight their rows are refused; without, the first
    /// row of an event goes on and later ones that differ are refused.
    pub(super) fn delivering(
        ports: &Ports,
        resume: Resume,
        conflicts: Option<Keys>,
        onward: Onward,
        numbers: RowNumbers,
    ) -> Self {
        // What the preflight found it has kept.
        let recorder = conflicts.is_none().then(|| ports.recorder.clone());
        let survey = conflicts.is_none().then(Survey::default);
        let repeats = conflicts.map_or_else(Repeats::streaming, Repeats::knowing);
        Self { recorder, survey, ..Self::new(ports, resume, repeats, Some(onward), numbers) }
    }

    fn new(ports: &Ports, resume: Resume, repeats: Repeats, onward: Option<Onward>, numbers: RowNumbers) -> Self {
        Self {
            tally: Tally::default(),
            repeats,
            store: Arc::clone(&ports.store),
            resume,
            now: ports.store.now(),
            progress: Arc::clone(&ports.progress),
            onward,
            recorder: None,
            numbers,
            fingerprint: 0,
            is_complete: false,
            survey: None,
        }
    }

    /// The account so far; events handed on are in none of its places yet, events only counted are unsent.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What the pass leaves behind.
    pub(super) fn into_pass(self) -> Pass {
        let Self { tally, repeats, fingerprint, is_complete, survey, .. } = self;
        Pass { tally, conflicts: repeats.into_conflicts(), fingerprint, is_complete, survey }
    }

    /// Whether the result is surveyed on the way.
    pub(super) fn surveys(&self) -> bool {
        self.survey.is_some()
    }

    /// Notes that there are no more rows.
    pub(super) fn read_all(&mut self) {
        self.is_complete = true;
    }

    /// Takes up one batch; false when the rest of the rows is not wanted.
    pub(super) async fn take(&mut self, mut staged: Staged) -> bool {
        let tally = &mut self.tally;
        let apart: u64 = staged.unidentified.values().sum();
        tally.rows += staged.rows + staged.folded + apart;
        tally.folded += staged.folded;
        tally.events += staged.rows + apart;
        tally.rejected += staged.rejected;
        tally.out_of_window += staged.out_of_window.len() as u64;
        for violation in &staged.violations {
            let others = staged.unidentified.get(&violation.row).copied().unwrap_or(0);
            tally.record(violation, 1 + others);
        }
        let mut events = std::mem::take(&mut staged.events.events);
        for (_, event) in &events {
            self.fingerprint = self.fingerprint.wrapping_add(fingerprint(event));
        }
        let mut found = faulty(&mut staged, &self.numbers);
        let mut admitted = Vec::with_capacity(events.len());
        let past = Past { store: self.store.as_ref(), resume: self.resume, now: self.now };
        let mut repeated: BTreeMap<i64, Vec<(u32, EncodedEvent)>> = BTreeMap::new();
        events.retain(|(destination, event)| {
            let standing = past.standing(event);
            let admission = self.repeats.admit(event, past.course(event, standing), tally);
            let is_distinct = !matches!(admission, Admission::Repeated | Admission::Refused(_));
            admitted.push(is_distinct);
            if is_distinct && standing.first_attempt().is_some() {
                tally.revisited.insert(event.key);
            }
            let identity = || {
                let destination = &staged.events.destinations[*destination as usize];
                Identity::of_encoded(destination, event.key, &staged.events.json[event.span.clone()])
            };
            let at_fault = |row, reasons| {
                let row = self.numbers.position(row);
                FaultyEvent { row, events: 1, identity: identity(), faults: reasons }
            };
            match admission {
                Admission::GoesOn { first_attempt: None } => return true,
                Admission::GoesOn { first_attempt: Some(first_attempt) } => {
                    let stretch = first_attempt.div_euclid(REPEATED_TOGETHER);
                    repeated.entry(stretch).or_default().push((*destination, event.clone()));
                }
                Admission::Skipped(skip) => found.push(at_fault(event.row, Faults::Skipped(skip))),
                Admission::Repeated | Admission::Settled => {}
                Admission::RefusedBefore(code) => {
                    let refusal = Refusal { code, field: None, request_id: None };
                    found.push(at_fault(event.row, Faults::Refused(refusal)));
                }
                Admission::Refused(faults) => {
                    found.extend(faults.into_iter().map(|fault| at_fault(fault.row, Faults::Found(vec![fault]))));
                }
            }
            false
        });
        if let (Some(survey), Some(observed)) = (&mut self.survey, &staged.observed) {
            survey.add(observed, &admitted);
        }
        self.progress.judged(staged.rows);
        if let Some(recorder) = self.recorder.as_ref().filter(|_| !found.is_empty()) {
            recorder.keep(Entry::Faulty(found)).await;
        }
        let Some(onward) = &mut self.onward else {
            return true;
        };
        let mut full = Vec::new();
        for (stretch, events) in repeated {
            let batcher = onward.repeating.entry(stretch).or_insert_with(|| onward.batcher.renewed());
            full.extend(batcher.push(EncodedEvents { events, ..staged.events.clone() }));
        }
        staged.events.events = events;
        full.extend(onward.batcher.push(staged.events));
        for batch in full {
            if !send(onward, batch, tally).await && onward.stops_early {
                return false;
            }
        }
        true
    }

    /// Hands on what is left, or leaves it unsent, and lets go of the receiver.
    pub(super) async fn finish(&mut self, hands_on: bool) {
        let Some(mut onward) = self.onward.take() else { return };
        let mut left: Vec<Batch> = onward.repeating.values_mut().flat_map(Batcher::finish).collect();
        left.extend(onward.batcher.finish());
        for batch in left {
            if hands_on {
                send(&onward, batch, &mut self.tally).await;
            } else {
                self.tally.unsent += batch.len() as u64;
            }
        }
    }
}

/// What a pass over the rows leaves behind.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) tally: Tally,
    pub(super) conflicts: Keys,
    /// Sum over all events of what they are: two passes over the same rows, in any order, have the same.
    pub(super) fingerprint: u64,
    /// Whether every row was read.
    pub(super) is_complete: bool,
    /// What a first pass saw of the result as a whole.
    pub(super) survey: Option<Survey>,
}

/// A number for the key and the content of an event.
fn fingerprint(event: &EncodedEvent) -> u64 {
    // An odd multiplier keeps distinct inputs distinct; both parts are digests already.
    let key = u128::from_le_bytes(*event.key.as_bytes());
    let folded = (key >> 64) ^ key ^ u128::from(event.payload.rotate_left(29));
    u64::try_from(folded & u128::from(u64::MAX)).unwrap_or_default().wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The rows of a batch that rules found fault with or that are too old, taken out of it.
fn faulty(staged: &mut Staged, numbers: &RowNumbers) -> Vec<FaultyEvent> {
    let mut violations = std::mem::take(&mut staged.violations).into_iter().peekable();
    let identities = std::mem::take(&mut staged.identities).into_iter();
    let events = identities.map(|(row, identity)| {
        let found: Vec<_> = std::iter::from_fn(|| violations.next_if(|violation| violation.row == row)).collect();
        FaultyEvent {
            row: numbers.position(row),
            events: 1 + staged.unidentified.get(&row).copied().unwrap_or(0),
            identity,
            // What is out of the window has no faults.
            faults: if found.is_empty() { Faults::Skipped(Skip::TooOld) } else { Faults::Found(found) },
        }
    });
    events.collect()
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
