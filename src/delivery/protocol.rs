//! The rules of delivery as a state machine: (state, input) → commands, without a clock, a runtime, a disk or randomness.
//!
//! Time is the duration since the start and comes in with every input, as does one random number. Everything is bounded:
//! batches taken by the concurrency, parts by the events of these batches, waits by [`Options::give_up_after`].
//!
//! Until an answer shows that URL, token and envelope are right, one request at a time is sent.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::Options;
use super::brakes::{Breaker, Budget, Ladder};
use super::evidence::Evidence;
use super::isolation::Role;
use super::open::{Open, Piece};
use super::pacing::{Concurrency, Pace};
use super::response::{Answer, Fate};
use super::stop::{Cause, StopReason};
use crate::event::Outcome;

mod judge;
mod schedule;

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A batch entered.
    Offered {
        /// The driver's number for it, rising.
        batch: u64,
        /// How many events it has.
        events: usize,
        /// The driver's number for its destination.
        destination: u32,
    },
    /// No batch will enter any more.
    Closed,
    /// The batch's intent is on record.
    Recorded {
        /// Which batch.
        batch: u64,
        /// Whether its events may have arrived under an earlier intent.
        attempted: bool,
    },
    /// The batch's intent could not be recorded.
    Unrecorded {
        /// Which batch.
        batch: u64,
    },
    /// The outcomes of a batch are on record, or its intent is withdrawn.
    Settled,
    /// The outcomes of a batch could not be recorded.
    Unsettled,
    /// A request ended.
    Answered {
        /// Which request.
        request: u64,
        /// How.
        answer: Answer,
    },
    /// A request was not sent, because copies of its events might count by now.
    Expired {
        /// Which request.
        request: u64,
    },
    /// The caller wants an end: nothing new is sent, what is under way may finish.
    Drain,
    /// Time passed.
    Tick,
}

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Record the batch's intent, then say [`Input::Recorded`].
    Prepare {
        /// Which batch.
        batch: u64,
    },
    /// Look for a newer token before the next request: the one in use was refused.
    RenewToken,
    /// Send these events of a recorded batch, then say [`Input::Answered`]; if it is too late for that, say
    /// [`Input::Expired`].
    Send {
        /// Number of the request, rising.
        request: u64,
        /// Which batch.
        batch: u64,
        /// Which of its events.
        events: Range<usize>,
    },
    /// The batch is done: record and pass on one outcome for each event, then say [`Input::Settled`] if its intent was on
    /// record.
    Settle {
        /// Which batch.
        batch: u64,
        /// In the batch's order.
        outcomes: Vec<Outcome>,
        /// Whether no byte was sent and there is nothing to keep: the intent is withdrawn.
        is_void: bool,
    },
    /// Drop all requests under way: their time is up.
    Abandon,
}

/// Why nothing is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The API asked for fewer requests.
    Throttled,
    /// The API is down for maintenance.
    Maintenance,
    /// The API does not answer; one request at a time looks for it.
    Outage,
    /// A request failed and is repeated after a while.
    Failure,
    /// The token was refused; one more request makes sure.
    Credentials,
}

/// Counts of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests sent.
    pub requests: u64,
    /// Requests that repeated events sent before.
    pub retries: u64,
    /// Requests that were throttled.
    pub throttles: u64,
    /// Time in which nothing was sent because of throttling.
    pub throttled: Duration,
}

/// Batches taken beyond those that can be sent at once, so that their intents are recorded ahead.
pub(super) const PREFETCH: usize = 2;
/// Batches beyond those whose ends may still be on their way to the disk when others are taken. Their ends are written
/// with the intents of these; without them an end and an intent would wait for each other.
pub(super) const ENDING: usize = 2;
/// Answers that are none of the API's, in a row for one request, that end the delivery.
const MAX_GARBLED: u32 = 5;
/// Invalid certificates, in a row for one request, that end the delivery.
const MAX_CERTIFICATE_FAILURES: u32 = 3;
/// Single events that are too large, before anything was accepted, that end the delivery.
const MAX_PARKED: usize = 4;
/// Wait when the API is down for maintenance.
const MAINTENANCE: Duration = Duration::from_mins(5);
/// Answers about events, even without one accepted, that show that URL, token and envelope are right.
const PROVEN_AFTER: u32 = 8;

/// The parts to send, by when they may go, then by batch; of a batch the newest first, so that a search goes deep.
type Key = (Duration, u64, Reverse<u64>);

/// The state machine.
#[derive(Debug)]
pub struct Protocol {
    give_up_after: Duration,
    drain: Duration,
    connect_attempts: u32,
    second_opinion: Duration,
    pace: Pace,
    concurrency: Concurrency,
    budget: Budget,
    breaker: Breaker,
    ladder: Ladder,
    batches: BTreeMap<u64, Open>,
    /// Batches that are done, whose outcomes are not on record yet: a crash leaves them in doubt as well.
    settling: usize,
    queue: BTreeMap<Key, Piece>,
    in_flight: BTreeMap<u64, Piece>,
    /// Single events that were too large for a destination that has accepted none yet, each with its answer.
    parked: Vec<(Piece, Answer)>,
    closed: bool,
    /// Numbers parts and requests.
    sequence: u64,
    /// Most events in one request, once the API found one too large.
    size_limit: usize,
    paused: Option<(Duration, Because)>,
    suspicion: Option<Suspicion>,
    stop: Option<Stopping>,
    /// What is known of each destination.
    destinations: BTreeMap<u32, Evidence>,
    /// Whether an event may have been accepted, proven or not.
    may_have_delivered: bool,
    /// Answers about events.
    definite: u32,
    /// Whether any server answered.
    reached: bool,
    /// When an event was last accepted or rejected, or the first batch came.
    progress: Duration,
    /// The last answer that settled nothing.
    trouble: Option<Answer>,
    counts: Counts,
}

/// The token was refused; this part is sent once more to make sure.
#[derive(Debug)]
struct Suspicion {
    key: Key,
    probe_at: Duration,
    probe: Option<u64>,
}

#[derive(Debug)]
struct Stopping {
    reason: StopReason,
    /// When requests under way are given up.
    deadline: Duration,
}

impl Protocol {
    /// The state before the first batch.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            give_up_after: options.give_up_after,
            drain: options.drain,
            connect_attempts: options.connect_attempts,
            second_opinion: options.second_opinion,
            pace: Pace::new(options.rate),
            concurrency: Concurrency::new(options.concurrency),
            budget: Budget::new(),
            breaker: Breaker::default(),
            ladder: Ladder::default(),
            batches: BTreeMap::new(),
            settling: 0,
            queue: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            parked: Vec::new(),
            closed: false,
            sequence: 0,
            size_limit: usize::MAX,
            paused: None,
            suspicion: None,
            stop: None,
            destinations: BTreeMap::new(),
            may_have_delivered: false,
            definite: 0,
            reached: false,
            progress: Duration::ZERO,
            trouble: None,
            counts: Counts::default(),
        }
    }

    /// Takes one input at `now`, with a fresh random number; appends what is to be done.
    pub fn step(&mut self, now: Duration, random: u64, input: Input, commands: &mut Vec<Command>) {
        match input {
            Input::Offered { batch, events, destination } => {
                self.offered(now, batch, Open::new(events, destination), commands);
            }
            Input::Closed => self.closed = true,
            Input::Recorded { batch, attempted } => self.recorded(batch, attempted, commands),
            Input::Unrecorded { batch } => {
                self.stop(now, Cause::Ledger, None, commands);
                self.finish(batch, commands);
            }
            Input::Settled => self.settling = self.settling.saturating_sub(1),
            Input::Unsettled => self.stop(now, Cause::Ledger, None, commands),
            Input::Answered { request, answer } => {
                if let Some(piece) = self.in_flight.remove(&request) {
                    self.answered(now, random, request, piece, &answer, commands);
                }
            }
            Input::Expired { request } => self.expired(request, commands),
            Input::Drain => self.stop(now, Cause::Drained, None, commands),
            Input::Tick => {}
        }
        if !self.batches.is_empty() && now >= self.progress + self.give_up_after {
            let trouble = self.trouble.take();
            self.stop(now, Cause::GaveUp, trouble.as_ref(), commands);
        }
        self.abandon(now, commands);
        while let Some(key) = self.next(now) {
            self.send(now, key, commands);
        }
        if self.is_parked() {
            self.stop_for_size(now, commands);
        }
    }

    /// Whether all that is left are events that were too large, and none that could be accepted will come.
    fn is_parked(&self) -> bool {
        let is_idle =
            self.queue.is_empty() && self.in_flight.is_empty() && self.batches.values().all(|open| open.recorded);
        let is_last = self.closed || self.batches.len() >= self.concurrency.limit() + PREFETCH;
        !self.parked.is_empty() && self.stop.is_none() && is_idle && is_last
    }

    /// When [`Input::Tick`] is due, if anything waits for time to pass.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        if let Some(stopping) = &self.stop {
            return (!self.in_flight.is_empty()).then_some(stopping.deadline);
        }
        if self.batches.is_empty() {
            return None;
        }
        let give_up = self.progress + self.give_up_after;
        Some(self.opening().map_or(give_up, |opening| opening.min(give_up)))
    }

    /// Whether a batch would be taken now.
    #[must_use]
    pub fn wants_batch(&self) -> bool {
        let has_room = self.batches.len() < self.concurrency.limit() + PREFETCH;
        !self.closed && (self.stop.is_some() || (has_room && !self.waits_for_ends()))
    }

    /// Whether nothing is left to do before the end of a batch is on record: nothing to send, or nothing at all.
    #[must_use]
    pub fn is_starved(&self) -> bool {
        let has_room = self.queue.is_empty() && self.in_flight.len() < self.concurrency.limit();
        let is_last = self.batches.is_empty() && (self.closed || self.stop.is_some());
        is_last || (has_room && self.waits_for_ends())
    }

    /// Whether no batch is taken before the end of another is on record: a crash would leave more than may be in doubt.
    fn waits_for_ends(&self) -> bool {
        self.settling > 0 && self.batches.len() + self.settling >= self.concurrency.max() + PREFETCH + ENDING
    }

    /// Whether nothing more will be sent.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_some()
    }

    /// Whether every batch that entered has left, and none will enter.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.closed && self.batches.is_empty()
    }

    /// Requests under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Until when nothing is sent, and why.
    #[must_use]
    pub fn waiting(&self, now: Duration) -> Option<(Duration, Because)> {
        if self.stop.is_some() || !self.in_flight.is_empty() {
            return None;
        }
        let until = self.opening().filter(|until| *until > now)?;
        let because = match &self.paused {
            Some((end, because)) if *end > now => *because,
            _ if self.suspicion.is_some() => Because::Credentials,
            _ if self.breaker.open_until().is_some() => Because::Outage,
            _ if self.first().is_some_and(|(ready, ..)| ready > now) => Because::Failure,
            _ => return None,
        };
        Some((until, because))
    }

    /// Why the delivery ended early, if it did.
    #[must_use]
    pub fn stop_reason(&self) -> Option<&StopReason> {
        self.stop.as_ref().map(|stopping| &stopping.reason)
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn offered(&mut self, now: Duration, batch: u64, open: Open, commands: &mut Vec<Command>) {
        if self.batches.is_empty() {
            self.progress = now;
        }
        let empty = open.len() == 0;
        self.batches.insert(batch, open);
        if self.stop.is_some() || empty {
            self.finish(batch, commands);
        } else {
            commands.push(Command::Prepare { batch });
        }
    }

    fn recorded(&mut self, batch: u64, attempted: bool, commands: &mut Vec<Command>) {
        let Some(open) = self.batches.get_mut(&batch) else { return };
        (open.recorded, open.attempted) = (true, attempted);
        let events = open.len();
        self.queue(Duration::ZERO, Piece::new(batch, 0..events, Role::Whole));
        self.finish_if_done(batch, commands);
    }

    fn answered(
        &mut self,
        now: Duration,
        random: u64,
        request: u64,
        piece: Piece,
        answer: &Answer,
        commands: &mut Vec<Command>,
    ) {
        let batch = piece.batch;
        let Some(open) = self.batches.get_mut(&batch) else { return };
        open.pending -= 1;
        open.sent |= answer.fate != Fate::Unwritten;
        self.take_pulse(now, request, &piece, answer);
        let is_probe = self.suspicion.as_ref().is_some_and(|suspicion| suspicion.probe == Some(request));
        let requeued = self.judge(now, random, piece, is_probe, answer, commands);
        self.unpark(now, random, commands);
        if is_probe && self.stop.is_none() {
            // An answer that says nothing about the token leaves the question open.
            self.suspicion =
                requeued.map(|key| Suspicion { key, probe_at: key.0.max(now + self.second_opinion), probe: None });
        }
        self.finish_if_done(batch, commands);
    }

    /// Gives up a part that may not be sent any more: what may have arrived is held.
    fn expired(&mut self, request: u64, commands: &mut Vec<Command>) {
        let Some(piece) = self.in_flight.remove(&request) else { return };
        self.counts.requests -= 1;
        self.counts.retries -= u64::from(piece.repeat);
        if self.suspicion.as_ref().is_some_and(|suspicion| suspicion.probe == Some(request)) {
            self.suspicion = None;
        }
        let Some(open) = self.batches.get_mut(&piece.batch) else { return };
        open.pending -= 1;
        open.expire(piece.events.clone());
        let kept_back = open.isolation.release(&piece.events);
        self.queue_parts(&piece, kept_back);
        self.finish_if_done(piece.batch, commands);
    }

    /// Sends nothing more: what waits is given up, what is under way may finish.
    fn stop(&mut self, now: Duration, cause: Cause, answer: Option<&Answer>, commands: &mut Vec<Command>) {
        if self.stop.is_some() {
            return;
        }
        let reason = StopReason::new(cause, answer, self.may_have_delivered);
        self.stop = Some(Stopping { reason, deadline: now + self.drain });
        self.suspicion = None;
        if self.blames_requests() {
            self.withdraw_refusals();
        }
        let parked = std::mem::take(&mut self.parked).into_iter().map(|(piece, _)| piece);
        for piece in std::mem::take(&mut self.queue).into_values().chain(parked) {
            if let Some(open) = self.batches.get_mut(&piece.batch) {
                open.pending -= 1;
            }
        }
        let batches: Vec<u64> = self.batches.keys().copied().collect();
        for batch in batches {
            self.finish_if_done(batch, commands);
        }
    }

    /// Whether the delivery stopped because no request gets through, whatever its events are.
    fn blames_requests(&self) -> bool {
        let cause = self.stop.as_ref().map(|stopping| stopping.reason.cause);
        matches!(cause, Some(Cause::Configuration | Cause::Credentials | Cause::TooLarge))
    }

    /// Takes back the rejects of which nothing shows that the events were to blame, where their batches have not ended.
    fn withdraw_refusals(&mut self) {
        for refused in self.destinations.values().flat_map(Evidence::unproven) {
            if let Some(open) = self.batches.get_mut(&refused.batch) {
                open.withdraw_rejection(refused.position);
            }
        }
    }

    /// Gives up what is under way when its time is over.
    fn abandon(&mut self, now: Duration, commands: &mut Vec<Command>) {
        if self.in_flight.is_empty() || self.stop.as_ref().is_none_or(|stopping| now < stopping.deadline) {
            return;
        }
        commands.push(Command::Abandon);
        self.note_possible_delivery();
        for piece in std::mem::take(&mut self.in_flight).into_values() {
            if let Some(open) = self.batches.get_mut(&piece.batch) {
                (open.sent, open.pending) = (true, open.pending - 1);
                open.doubt(piece.events.clone());
            }
            self.finish_if_done(piece.batch, commands);
        }
    }

    /// Notes that an event was accepted, or may have been.
    fn note_possible_delivery(&mut self) {
        self.may_have_delivered = true;
        if let Some(stopping) = &mut self.stop {
            stopping.reason.may_have_delivered = true;
        }
    }

    fn finish_if_done(&mut self, batch: u64, commands: &mut Vec<Command>) {
        if self.batches.get(&batch).is_some_and(|open| open.recorded && open.pending == 0) {
            self.finish(batch, commands);
        }
    }

    fn finish(&mut self, batch: u64, commands: &mut Vec<Command>) {
        if let Some(open) = self.batches.remove(&batch) {
            self.settling += usize::from(open.recorded);
            let sent = open.sent;
            let outcomes = open.into_outcomes();
            // What an earlier intent left in doubt may be held without having been sent under this one.
            let is_void = !sent && outcomes.iter().all(|outcome| *outcome == Outcome::Unsent);
            commands.push(Command::Settle { batch, outcomes, is_void });
        }
    }
}
