//! The rules of delivery as a state machine: (state, input) → commands, without a clock, a runtime, a disk or randomness.
//!
//! Time is the duration since the start and comes in with every input, as does one random number. Everything is bounded:
//! batches taken by the concurrency, parts by the events of these batches, waits by [`Options::give_up_after`].
//!
//! Until an answer shows that URL, token and envelope are right, one request at a time is sent.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use super::Options;
use super::brakes::{self, Breaker, Budget, Ladder, Rung};
use super::isolation::{self, Next, Parts, Role};
use super::open::{Open, Piece};
use super::pacing::{Concurrency, Pace};
use super::response::{Answer, Fate, Grounds};
use super::stop::{Cause, StopReason};
use crate::api::TransportKind;
use crate::event::{Outcome, Refusal};

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
    /// The outcomes of a batch could not be recorded.
    Unsettled,
    /// A request ended.
    Answered {
        /// Which request.
        request: u64,
        /// How.
        answer: Answer,
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
    /// Send these events of a recorded batch, then say [`Input::Answered`].
    Send {
        /// Number of the request, rising.
        request: u64,
        /// Which batch.
        batch: u64,
        /// Which of its events.
        events: Range<usize>,
    },
    /// The batch is done: record and pass on one outcome for each event.
    Settle {
        /// Which batch.
        batch: u64,
        /// In the batch's order.
        outcomes: Vec<Outcome>,
        /// Whether a byte may have been sent; if not, the intent is withdrawn.
        sent: bool,
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
const PREFETCH: usize = 2;
/// Answers that are none of the API's, in a row for one request, that end the delivery.
const MAX_GARBLED: u32 = 5;
/// Attempts after which an invalid certificate ends the delivery.
const MAX_CERTIFICATE_FAILURES: u32 = 3;
/// Wait when the API is down for maintenance.
const MAINTENANCE: Duration = Duration::from_secs(300);
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
    queue: BTreeMap<Key, Piece>,
    in_flight: BTreeMap<u64, Piece>,
    closed: bool,
    /// Numbers parts and requests.
    sequence: u64,
    /// Most events in one request, once the API found one too large.
    size_limit: usize,
    paused: Option<(Duration, Because)>,
    suspicion: Option<Suspicion>,
    stop: Option<Stopping>,
    /// Destinations that accepted an event.
    proven: BTreeSet<u32>,
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
            queue: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            closed: false,
            sequence: 0,
            size_limit: usize::MAX,
            paused: None,
            suspicion: None,
            stop: None,
            proven: BTreeSet::new(),
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
                self.offered(now, batch, Open::new(events, destination), commands)
            }
            Input::Closed => self.closed = true,
            Input::Recorded { batch, attempted } => self.recorded(batch, attempted, commands),
            Input::Unrecorded { batch } => {
                self.stop(now, Cause::Ledger, None, commands);
                self.finish(batch, commands);
            }
            Input::Unsettled => self.stop(now, Cause::Ledger, None, commands),
            Input::Answered { request, answer } => {
                if let Some(piece) = self.in_flight.remove(&request) {
                    self.answered(now, random, request, piece, &answer, commands);
                }
            }
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
        !self.closed && (self.stop.is_some() || self.batches.len() < self.concurrency.limit() + PREFETCH)
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
        for start in (0..events).step_by(self.size_limit) {
            let end = events.min(start.saturating_add(self.size_limit));
            self.queue(Duration::ZERO, Piece::new(batch, start..end, Role::Whole));
        }
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
        self.take_pulse(now, &piece, answer);
        let is_probe = self.suspicion.as_ref().is_some_and(|suspicion| suspicion.probe == Some(request));
        let requeued = self.judge(now, random, piece, is_probe, answer, commands);
        if is_probe && self.stop.is_none() {
            // An answer that says nothing about the token leaves the question open.
            self.suspicion =
                requeued.map(|key| Suspicion { key, probe_at: key.0.max(now + self.second_opinion), probe: None });
        }
        self.finish_if_done(batch, commands);
    }

    /// What an answer says about the server, whatever it says about the events.
    fn take_pulse(&mut self, now: Duration, piece: &Piece, answer: &Answer) {
        self.reached |= answer.status.is_some();
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
                self.ladder.succeeded();
                self.budget.succeeded(piece.paid);
                self.proven.extend(self.batches.get(&piece.batch).map(|open| open.destination));
                self.definite = self.definite.max(PROVEN_AFTER);
            }
            Fate::Refused { .. } | Fate::Duplicate | Fate::Unsplit => self.definite = self.definite.saturating_add(1),
            Fate::Maintenance | Fate::TooLarge | Fate::Stop(_) => self.trouble = Some(answer.clone()),
        }
        if matches!(
            answer.fate,
            Fate::Accepted | Fate::Partial(_) | Fate::Refused { .. } | Fate::Duplicate | Fate::Unsplit
        ) {
            self.progress = now;
        }
        if self.breaker.answered() {
            self.budget.renew();
        }
    }

    /// What an answer says about the events. Gives the key under which the same part waits again, if it does.
    fn judge(
        &mut self,
        now: Duration,
        random: u64,
        mut piece: Piece,
        is_probe: bool,
        answer: &Answer,
        commands: &mut Vec<Command>,
    ) -> Option<Key> {
        let garbled = matches!(answer.fate, Fate::Doubtful { garbled: true });
        piece.garbled = if garbled { piece.garbled + 1 } else { 0 };
        piece.doubted |= matches!(answer.fate, Fate::Doubtful { .. } | Fate::Maintenance | Fate::Unsplit);
        match &answer.fate {
            Fate::Accepted => self.accept(&piece),
            Fate::Partial(refused) if piece.events.len() > 1 => {
                let rejected = Outcome::Rejected(refusal(answer));
                for position in refused.iter().map(|position| piece.events.start + position) {
                    self.settle(&piece, position..position + 1, &rejected);
                }
                self.accept(&piece);
            }
            Fate::Partial(_) => self.reject(now, random, &piece, (None, 0), answer, commands),
            Fate::Unsplit if piece.events.len() > 1 => self.halve(&piece),
            Fate::Unsplit => self.reject(now, random, &piece, (None, 0), answer, commands),
            Fate::Duplicate => {
                let known = piece.doubted || self.batches.get(&piece.batch).is_some_and(|open| open.attempted);
                let outcome = if known { Outcome::Accepted } else { Outcome::Held };
                self.settle(&piece, piece.events.clone(), &outcome);
                self.accept(&piece);
            }
            Fate::Refused { patience, .. } if piece.disbelieved < *patience => {
                piece.disbelieved += 1;
                return self.again(now, random, piece);
            }
            Fate::Refused { hint, wording, .. } => {
                self.reject(now, random, &piece, (*hint, *wording), answer, commands)
            }
            Fate::TooLarge => self.too_large(now, random, &piece, answer, commands),
            Fate::Unwritten => {
                let attempts = if answer.transport == Some(TransportKind::Certificate) {
                    MAX_CERTIFICATE_FAILURES
                } else if self.reached {
                    u32::MAX
                } else {
                    self.connect_attempts
                };
                if piece.failures + 1 >= attempts {
                    self.stop(now, Cause::Unreachable, Some(answer), commands);
                }
                return self.again(now, random, piece);
            }
            Fate::Doubtful { .. } => {
                if piece.garbled >= MAX_GARBLED {
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
        let Some(open) = self.batches.get_mut(&piece.batch) else { return };
        let proven = self.proven.contains(&open.destination);
        let hint = hint.map(|position| piece.events.start + position);
        let found = isolation::Refusal { hint, wording, proven, random };
        match open.isolation.refused(&piece.events, &piece.role, found) {
            Next::Reject(parts) => {
                self.settle(piece, piece.events.clone(), &Outcome::Rejected(refusal(answer)));
                self.queue_parts(piece, parts);
            }
            Next::Send(parts) => self.queue_parts(piece, parts),
            Next::Stop => self.stop(now, Cause::Configuration, Some(answer), commands),
        }
    }

    /// Cuts the part and remembers the size; a single event that is too large is rejected where others were accepted.
    fn too_large(&mut self, now: Duration, random: u64, piece: &Piece, answer: &Answer, commands: &mut Vec<Command>) {
        let events = piece.events.len();
        if events > 1 {
            self.size_limit = self.size_limit.min(events.div_ceil(2));
            self.halve(piece);
        } else if self.batches.get(&piece.batch).is_some_and(|open| self.proven.contains(&open.destination)) {
            self.reject(now, random, piece, (None, 0), answer, commands);
        } else {
            self.stop(now, Cause::Configuration, Some(answer), commands);
        }
    }

    /// Sends the halves of a part that needs no search, and what was kept back for one.
    fn halve(&mut self, piece: &Piece) {
        let Some(open) = self.batches.get_mut(&piece.batch) else { return };
        let mut parts = open.isolation.release();
        parts.extend(isolation::halves(&piece.events, &Role::Part));
        self.queue_parts(piece, parts);
    }

    /// Queues the same part for another attempt after a failure.
    fn again(&mut self, now: Duration, random: u64, mut piece: Piece) -> Option<Key> {
        piece.failures = piece.failures.saturating_add(1);
        (piece.repeat, piece.price) = (true, Budget::FAULT);
        self.queue(now + brakes::backoff(piece.failures, random), piece)
    }

    /// Queues the same part for when the traffic goes on.
    fn later(&mut self, mut piece: Piece, price: u32) -> Option<Key> {
        (piece.repeat, piece.price) = (true, price);
        self.queue(Duration::ZERO, piece)
    }

    fn queue_parts(&mut self, piece: &Piece, parts: Parts) {
        for (events, role) in parts {
            self.queue(Duration::ZERO, piece.cut(events, role));
        }
    }

    fn queue(&mut self, ready: Duration, piece: Piece) -> Option<Key> {
        if self.stop.is_some() {
            return None;
        }
        self.batches.get_mut(&piece.batch)?.pending += 1;
        self.sequence += 1;
        let key = (ready, piece.batch, Reverse(self.sequence));
        self.queue.insert(key, piece);
        Some(key)
    }

    fn settle(&mut self, piece: &Piece, events: Range<usize>, outcome: &Outcome) {
        if let Some(open) = self.batches.get_mut(&piece.batch) {
            open.settle(events, outcome);
        }
    }

    fn pause(&mut self, now: Duration, until: Duration, because: Because) {
        let before = self.paused.map_or(now, |(end, _)| end.max(now));
        if until > before {
            self.paused = Some((until, because));
            if because == Because::Throttled {
                self.counts.throttled += until - before;
            }
        }
    }

    /// When the next request may start, if only time is in the way.
    fn opening(&self) -> Option<Duration> {
        let limit = if self.is_proven() && self.suspicion.is_none() && self.breaker.open_until().is_none() {
            self.concurrency.limit()
        } else {
            1
        };
        if self.in_flight.len() >= limit {
            return None;
        }
        let first = match &self.suspicion {
            Some(suspicion) => suspicion.probe_at,
            None => self.first()?.0,
        };
        let paused = self.paused.map_or(Duration::ZERO, |(end, _)| end);
        Some(first.max(paused).max(self.breaker.open_until().unwrap_or_default()).max(self.pace.ready_at()))
    }

    /// The part that goes first. As long as nothing is proven, what was begun is brought to an end before anything new.
    fn first(&self) -> Option<Key> {
        let begun = if self.is_proven() { None } else { self.queue.iter().find(|(_, piece)| piece.repeat) };
        begun.or_else(|| self.queue.first_key_value()).map(|(key, _)| *key)
    }

    /// Whether URL, token and envelope are known to be right.
    fn is_proven(&self) -> bool {
        self.definite >= PROVEN_AFTER
    }

    /// The part that goes now, if one may.
    fn next(&mut self, now: Duration) -> Option<Key> {
        while self.stop.is_none() && self.opening()? <= now {
            let key = match &self.suspicion {
                Some(suspicion) => return Some(suspicion.key),
                None => self.first()?,
            };
            let mut piece = self.queue.remove(&key)?;
            if piece.events.len() > self.size_limit && matches!(piece.role, Role::Whole | Role::Part) {
                // It was cut before the limit was known.
                self.queue_parts(&piece, isolation::halves(&piece.events, &piece.role));
                if let Some(open) = self.batches.get_mut(&piece.batch) {
                    open.pending -= 1;
                }
                continue;
            }
            match self.budget.pay(piece.price, now) {
                Ok(()) => {
                    piece.paid = std::mem::take(&mut piece.price);
                    self.queue.insert(key, piece);
                    return Some(key);
                }
                Err(place) => {
                    (piece.paid, piece.price) = (0, 0);
                    self.queue.insert((place, key.1, key.2), piece);
                }
            }
        }
        None
    }

    fn send(&mut self, now: Duration, key: Key, commands: &mut Vec<Command>) {
        let Some(piece) = self.queue.remove(&key) else { return };
        self.sequence += 1;
        let request = self.sequence;
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.probe = Some(request);
        }
        self.pace.take(now);
        self.counts.requests += 1;
        self.counts.retries += u64::from(piece.repeat);
        commands.push(Command::Send { request, batch: piece.batch, events: piece.events.clone() });
        self.in_flight.insert(request, piece);
    }

    /// Sends nothing more: what waits is given up, what is under way may finish.
    fn stop(&mut self, now: Duration, cause: Cause, answer: Option<&Answer>, commands: &mut Vec<Command>) {
        if self.stop.is_some() {
            return;
        }
        let reason = StopReason::new(cause, answer, !self.proven.is_empty());
        self.stop = Some(Stopping { reason, deadline: now + self.drain });
        self.suspicion = None;
        for piece in std::mem::take(&mut self.queue).into_values() {
            if let Some(open) = self.batches.get_mut(&piece.batch) {
                open.pending -= 1;
            }
        }
        let batches: Vec<u64> = self.batches.keys().copied().collect();
        for batch in batches {
            self.finish_if_done(batch, commands);
        }
    }

    /// Gives up what is under way when its time is over.
    fn abandon(&mut self, now: Duration, commands: &mut Vec<Command>) {
        if self.in_flight.is_empty() || self.stop.as_ref().is_none_or(|stopping| now < stopping.deadline) {
            return;
        }
        commands.push(Command::Abandon);
        for piece in std::mem::take(&mut self.in_flight).into_values() {
            if let Some(open) = self.batches.get_mut(&piece.batch) {
                (open.sent, open.pending) = (true, open.pending - 1);
            }
            self.finish_if_done(piece.batch, commands);
        }
    }

    fn finish_if_done(&mut self, batch: u64, commands: &mut Vec<Command>) {
        if self.batches.get(&batch).is_some_and(|open| open.recorded && open.pending == 0) {
            self.finish(batch, commands);
        }
    }

    fn finish(&mut self, batch: u64, commands: &mut Vec<Command>) {
        if let Some(open) = self.batches.remove(&batch) {
            let sent = open.sent;
            commands.push(Command::Settle { batch, outcomes: open.into_outcomes(), sent });
        }
    }
}

/// What is kept of a refusal. A refusal without a body code keeps its HTTP status.
fn refusal(answer: &Answer) -> Refusal {
    let code = answer.code.or(answer.status.map(i64::from)).unwrap_or_default();
    Refusal { code, field: answer.field, request_id: answer.request_id.clone() }
}
