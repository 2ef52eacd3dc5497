//! What an answer changes: the server's pulse, the events it settles, the parts that follow from it.

use std::ops::Range;
use std::time::Duration;

use super::{
    Because, Command, Key, MAINTENANCE, MAX_CERTIFICATE_FAILURES, MAX_GARBLED, MAX_PARKED, PROVEN_AFTER, Protocol,
    Suspicion,
};
use crate::api::TransportKind;
use crate::delivery::brakes::{Budget, Rung};
use crate::delivery::evidence::{Evidence, Refused};
use crate::delivery::isolation::{Next, Refusal};
use crate::delivery::open::Piece;
use crate::delivery::response::{Answer, Fate, Grounds};
use crate::delivery::stop::Cause;
use crate::event::{self, Outcome};

impl Protocol {
    /// What an answer says about the server, whatever it says about the events.
    pub(super) fn take_pulse(&mut self, now: Duration, request: u64, piece: &Piece, answer: &Answer) {
        self.reached |= answer.status.is_some();
        let is_definite = matches!(answer.fate, Fate::Refused { .. } | Fate::Duplicate { .. } | Fate::Unsplit);
        if answer.fate.may_have_delivered() {
            self.note_possible_delivery();
        }
        match answer.fate {
            Fate::Unwritten | Fate::Doubtful { .. } => {
                self.breaker.failed(now);
                if matches!(answer.transport, Some(TransportKind::Timeout | TransportKind::ConnectTimeout)) {
                    self.concurrency.overloaded(now);
                }
                self.trouble = Some(answer.clone());
                return;
            }
            Fate::Throttled { .. } => {
                self.counts.throttles += 1;
                self.pace.throttled(now);
                self.concurrency.overloaded(now);
                self.trouble = Some(answer.clone());
            }
            Fate::Accepted | Fate::Partial(_) => {
                self.pace.succeeded(now);
                self.concurrency.succeeded();
                self.budget.succeeded(piece.paid);
                let has_accepted =
                    if let Fate::Partial(failed) = &answer.fate { failed.len() < piece.events.len() } else { true };
                if let Some(open) = self.batches.get(&piece.batch).filter(|_| has_accepted) {
                    self.destinations.entry(open.destination).or_default().accepted(request, answer.bytes);
                }
                self.definite = self.definite.max(PROVEN_AFTER);
            }
            Fate::Refused { .. } | Fate::Duplicate { .. } | Fate::Unsplit => {
                self.definite = self.definite.saturating_add(1);
            }
            Fate::Maintenance | Fate::TooLarge | Fate::Stop(_) => self.trouble = Some(answer.clone()),
        }
        if is_definite || matches!(answer.fate, Fate::Accepted | Fate::Partial(_)) {
            self.progress = now;
            self.ladder.succeeded();
        }
        if self.breaker.answered() {
            self.budget.renew();
        }
    }

    /// What an answer says about the events. Gives the key under which the same part waits again, if it does.
    pub(super) fn judge(
        &mut self,
        now: Duration,
        random: u64,
        mut piece: Piece,
        is_probe: bool,
        answer: &Answer,
        commands: &mut Vec<Command>,
    ) -> Option<Key> {
        let is_garbled = matches!(answer.fate, Fate::Doubtful { garbled: true });
        let is_hopeless = is_garbled || matches!(answer.transport, Some(TransportKind::Certificate(_)));
        piece.hopeless = if is_hopeless { piece.hopeless + 1 } else { 0 };
        if let Some(open) = self.batches.get_mut(&piece.batch).filter(|_| answer.fate.leaves_doubt()) {
            open.doubt(piece.events.clone());
        }
        match &answer.fate {
            Fate::Accepted => self.accept(&piece),
            Fate::Partial(failed) if piece.events.len() > 1 => self.split(&piece, failed),
            Fate::Unsplit if piece.events.len() > 1 => self.split(&piece, &[]),
            Fate::Partial(_) | Fate::Unsplit => self.reject(now, random, &piece, (None, 0), answer, commands),
            Fate::Duplicate { on_record } => {
                if let Some(open) = self.batches.get_mut(&piece.batch) {
                    open.duplicate(&piece.events, on_record);
                }
                self.accept(&piece);
            }
            Fate::Refused { patience, .. } if piece.disbelieved < *patience => {
                piece.disbelieved += 1;
                return self.again(now, random, piece);
            }
            Fate::Refused { hint, wording, .. } => {
                self.reject(now, random, &piece, (*hint, *wording), answer, commands);
            }
            Fate::TooLarge => self.too_large(now, random, &piece, answer, commands),
            Fate::Unwritten => {
                let was_never_there = !self.reached && piece.failures + 1 >= self.connect_attempts;
                if was_never_there || piece.hopeless >= MAX_CERTIFICATE_FAILURES {
                    self.stop(now, Cause::Unreachable, Some(answer), commands);
                }
                return self.again(now, random, piece);
            }
            Fate::Doubtful { .. } => {
                if is_garbled && piece.hopeless >= MAX_GARBLED {
                    self.stop(now, Cause::Garbled, Some(answer), commands);
                }
                return self.again(now, random, piece);
            }
            Fate::Maintenance => {
                self.pause(now, now + MAINTENANCE, Because::Maintenance);
                return self.later(piece, 0);
            }
            Fate::Throttled { retry_after } => {
                match self.ladder.throttled(now, *retry_after, random) {
                    Rung::Pause(end) => self.pause(now, end, Because::Throttled),
                    Rung::Day => self.stop(now, Cause::DailyLimit, Some(answer), commands),
                }
                return self.later(piece, Budget::THROTTLE);
            }
            Fate::Stop(Grounds::Configuration) => self.stop(now, Cause::Configuration, Some(answer), commands),
            Fate::Stop(Grounds::Credentials) if is_probe => self.stop(now, Cause::Credentials, Some(answer), commands),
            Fate::Stop(Grounds::Credentials) => {
                let key = self.later(piece, 0)?;
                self.suspicion.get_or_insert(Suspicion { key, probe_at: now + self.second_opinion, probe: None });
                return Some(key);
            }
        }
        None
    }

    fn accept(&mut self, piece: &Piece) {
        self.settle(piece, piece.events.clone(), &Outcome::Accepted);
        let Some(open) = self.batches.get_mut(&piece.batch) else { return };
        let parts = open.isolation.done(&piece.events, &piece.role);
        if let Some(size) = open.learn_size() {
            self.size_limit = self.size_limit.min(size);
        }
        self.queue_parts(piece, parts);
    }

    /// Rejects the part if it is a single event, else searches it.
    fn reject(
        &mut self,
        now: Duration,
        random: u64,
        piece: &Piece,
        (hint, wording): (Option<usize>, u64),
        answer: &Answer,
        commands: &mut Vec<Command>,
    ) {
        let blames_requests = self.blames_requests();
        let Some(open) = self.batches.get_mut(&piece.batch) else { return };
        let evidence = self.destinations.entry(open.destination).or_default();
        let hint = hint.map(|position| piece.events.start + position);
        let (at, accepted) = (self.sequence, evidence.last_accepted());
        match open.isolation.refused(&piece.events, &piece.role, Refusal { hint, wording, at, accepted, random }) {
            // No refusal counts against an event any more.
            Next::Reject(_) if blames_requests => {}
            Next::Reject(parts) => {
                let position = piece.events.start;
                // A request that is larger than every accepted one says nothing about the others.
                let is_beyond = answer.is_about_size() && evidence.is_beyond_accepted(answer.bytes);
                let is_among_accepted = is_beyond || open.isolation.has_accepted();
                let event = Refused { batch: piece.batch, position, at, is_among_accepted };
                let are_too_many = evidence.refused(event, answer.fate == Fate::TooLarge);
                open.settle(piece.events.clone(), &Outcome::Rejected(refusal(answer)));
                self.queue_parts(piece, parts);
                if are_too_many {
                    self.stop(now, Cause::Configuration, Some(answer), commands);
                }
            }
            Next::Send(parts) => self.queue_parts(piece, parts),
            Next::Stop => self.stop(now, Cause::Configuration, Some(answer), commands),
        }
    }

    /// Cuts the part; a single event that is too large is rejected where others were accepted, and waits for that where
    /// none was yet. The size is remembered once all of the part was accepted in smaller ones: else it is an event of it
    /// that is refused, not the size.
    fn too_large(&mut self, now: Duration, random: u64, piece: &Piece, answer: &Answer, commands: &mut Vec<Command>) {
        let events = piece.events.len();
        if events > 1 {
            if let Some(open) = self.batches.get_mut(&piece.batch) {
                open.oversized.push(piece.events.clone());
            }
            self.split(piece, &[]);
        } else if self.is_known_to_accept(piece.batch) {
            self.reject(now, random, piece, (None, 0), answer, commands);
        } else if let Some(open) = self.batches.get_mut(&piece.batch) {
            open.pending += 1;
            self.parked.push((piece.clone(), answer.clone()));
            if self.parked.len() >= MAX_PARKED {
                self.stop_for_size(now, commands);
            }
        }
    }

    /// Rejects the single events that were too large, as soon as their destination has accepted another one.
    pub(super) fn unpark(&mut self, now: Duration, random: u64, commands: &mut Vec<Command>) {
        for (piece, answer) in std::mem::take(&mut self.parked) {
            let is_rejected = self.is_known_to_accept(piece.batch);
            if !is_rejected && self.stop.is_none() {
                self.parked.push((piece, answer));
                continue;
            }
            if let Some(open) = self.batches.get_mut(&piece.batch) {
                open.pending -= 1;
            }
            if is_rejected {
                self.reject(now, random, &piece, (None, 0), &answer, commands);
            }
            self.finish_if_done(piece.batch, commands);
        }
    }

    /// Stops since every size is too large: that is no event's fault.
    pub(super) fn stop_for_size(&mut self, now: Duration, commands: &mut Vec<Command>) {
        let answers = self.parked.iter().map(|(_, answer)| answer);
        let Some(smallest) = answers.min_by_key(|answer| answer.bytes).cloned() else { return };
        let cause = if smallest.is_about_size() { Cause::TooLarge } else { Cause::Configuration };
        self.stop(now, cause, Some(&smallest), commands);
    }

    /// Whether the batch's destination ever accepted an event.
    fn is_known_to_accept(&self, batch: u64) -> bool {
        let evidence = self.batches.get(&batch).and_then(|open| self.destinations.get(&open.destination));
        evidence.and_then(Evidence::last_accepted).is_some()
    }

    /// Sends a part that needs no search in smaller ones, and what was kept back for one: halves, unless the answer lists
    /// the events that failed.
    fn split(&mut self, piece: &Piece, failed: &[usize]) {
        let Some(open) = self.batches.get_mut(&piece.batch) else { return };
        let failed: Vec<usize> = failed.iter().map(|position| piece.events.start + position).collect();
        let parts = open.isolation.split(&piece.events, &failed);
        self.queue_parts(piece, parts);
    }

    fn settle(&mut self, piece: &Piece, events: Range<usize>, outcome: &Outcome) {
        if let Some(open) = self.batches.get_mut(&piece.batch) {
            open.settle(events, outcome);
        }
    }
}

/// What is kept of a refusal. A refusal without a body code keeps its HTTP status.
fn refusal(answer: &Answer) -> event::Refusal {
    /// What 0 means where it is not said of all events: partially successful.
    const PARTIAL: i64 = 20_001;
    let code = match answer.code {
        Some(0) => PARTIAL,
        code => code.or(answer.status.map(i64::from)).unwrap_or_default(),
    };
    event::Refusal { code, field: answer.field, request_id: answer.request_id.clone() }
}
