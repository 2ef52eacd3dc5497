//! Executes the protocol's commands with tokio. Decides nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::protocol::{Command, Input, Protocol};
use super::response::{Answer, Fate, classify};
use super::{Activity, Exchange, Failed, Options, QUEUED, Report, Settled, Transport, Window};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Batch, Destination, Outcome};
use crate::ledger::{Standing, Store, Ticket};

/// Seconds that the server's clock and this machine's may differ without a word.
const TOLERATED_SKEW: u64 = 5 * 60;

pub(super) struct Driver<T> {
    transport: Arc<T>,
    store: Arc<dyn Store>,
    protocol: Protocol,
    start: Instant,
    speed: u32,
    /// Whether the next request looks for a newer token first.
    renews_token: bool,
    clock: Option<fn() -> i64>,
    clock_skew: Option<i64>,
    window: Window,
    /// Seconds by which the server's clock was ahead at most.
    ahead: i64,
    random: Random,
    activity: Option<watch::Sender<Activity>>,
    /// Batches that entered and did not leave, by number.
    batches: HashMap<u64, Batch>,
    tickets: HashMap<u64, Ticket>,
    destinations: HashMap<Destination, u32>,
    entered: u64,
    requests: JoinSet<Sent>,
    /// The protocol's number of each request task, and the batch it is about.
    request_ids: HashMap<Id, (u64, u64)>,
    /// What was exchanged about each batch that did not leave.
    exchanges: HashMap<u64, Exchange>,
    records: JoinSet<Entry>,
    /// Batches whose ledger entry is being written, for the case that the writer panics.
    record_ids: HashMap<Id, Written>,
    outbox: VecDeque<Settled>,
    bytes_sent: u64,
    /// Requests of which no byte left.
    unwritten: u64,
    codes: BTreeMap<i64, u64>,
    failure: Option<Error>,
}

/// A request that ended.
struct Sent {
    answer: Answer,
    /// Bytes of the body that may have left.
    bytes: u64,
    /// Seconds by which the server's clock is ahead.
    skew: Option<i64>,
}

/// A finished entry of the ledger.
enum Entry {
    Prepared(Result<Ticket>),
    Settled(Result<()>),
}

/// A ledger entry under way.
enum Written {
    Intent(u64),
    Outcomes(Box<Settled>),
}

/// What woke the driver.
enum Event {
    Batch(Option<Batch>),
    Request(Result<(Id, Sent), JoinError>),
    Record(Result<(Id, Entry), JoinError>),
    Delivered,
    ReceiverGone,
    Drain,
    Tick,
}

impl<T: Transport> Driver<T> {
    pub(super) fn new(transport: T, store: Arc<dyn Store>, options: Options) -> Self {
        Self {
            transport: Arc::new(transport),
            store,
            protocol: Protocol::new(&options),
            start: Instant::now(),
            speed: options.speed.max(1),
            renews_token: false,
            clock: options.clock,
            clock_skew: None,
            window: options.window,
            ahead: 0,
            random: Random(options.seed),
            activity: options.activity,
            batches: HashMap::new(),
            tickets: HashMap::new(),
            destinations: HashMap::new(),
            entered: 0,
            requests: JoinSet::new(),
            request_ids: HashMap::new(),
            exchanges: HashMap::new(),
            records: JoinSet::new(),
            record_ids: HashMap::new(),
            outbox: VecDeque::new(),
            bytes_sent: 0,
            unwritten: 0,
            codes: BTreeMap::new(),
            failure: None,
        }
    }

    pub(super) async fn run(
        mut self,
        mut batches: mpsc::Receiver<Batch>,
        settled: mpsc::Sender<Settled>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Report, Box<Failed>> {
        let mut settled = Some(settled);
        let mut may_stop = true;
        while !self.is_done() {
            if self.protocol.is_stopping() {
                batches.close();
            }
            self.tell();
            match self.event(&mut batches, settled.as_ref(), &mut stop, may_stop).await {
                Event::Batch(Some(batch)) => self.enter(batch),
                Event::Batch(None) => self.step(Input::Closed),
                Event::Request(ended) => self.request_ended(ended),
                Event::Record(ended) => self.record_ended(ended),
                Event::Delivered => {}
                Event::ReceiverGone => {
                    settled = None;
                    self.outbox.clear();
                    self.step(Input::Drain);
                }
                Event::Drain => {
                    may_stop = false;
                    if *stop.borrow() {
                        self.step(Input::Drain);
                    }
                }
                Event::Tick => self.step(Input::Tick),
            }
            if settled.is_none() {
                self.outbox.clear();
            }
        }
        self.requests.shutdown().await;
        if let Some(activity) = &self.activity {
            activity.send_replace(Activity::Idle);
        }
        self.report()
    }

    /// Waits for whatever comes first. Every branch loses nothing when another one wins.
    async fn event(
        &mut self,
        batches: &mut mpsc::Receiver<Batch>,
        settled: Option<&mpsc::Sender<Settled>>,
        stop: &mut watch::Receiver<bool>,
        may_stop: bool,
    ) -> Event {
        let wants_batch = self.protocol.wants_batch() && self.outbox.len() < QUEUED;
        let wake_at = self.protocol.wake_at().map(|wake_at| self.instant(wake_at));
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop), if may_stop => Event::Drain,
            permit = permit(settled), if !self.outbox.is_empty() => match (permit, self.outbox.pop_front()) {
                (Some(permit), Some(next)) => {
                    permit.send(next);
                    Event::Delivered
                }
                _ => Event::ReceiverGone,
            },
            Some(ended) = self.requests.join_next_with_id(), if !self.requests.is_empty() => Event::Request(ended),
            Some(ended) = self.records.join_next_with_id(), if !self.records.is_empty() => Event::Record(ended),
            batch = batches.recv(), if wants_batch => Event::Batch(batch),
            () = sleep_until(wake_at.unwrap_or(self.start)), if wake_at.is_some() => Event::Tick,
        }
    }

    fn is_done(&self) -> bool {
        self.protocol.is_finished() && self.records.is_empty() && self.outbox.is_empty()
    }

    fn enter(&mut self, batch: Batch) {
        let next = u32::try_from(self.destinations.len()).unwrap_or(u32::MAX);
        let destination = *self.destinations.entry(batch.destination.clone()).or_insert(next);
        self.entered += 1;
        let events = batch.len();
        self.batches.insert(self.entered, batch);
        self.step(Input::Offered { batch: self.entered, events, destination });
    }

    fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut commands = Vec::new();
            self.protocol.step(self.now(), self.random.next(), input, &mut commands);
            for command in commands {
                match command {
                    Command::Prepare { batch } => self.prepare(batch),
                    Command::RenewToken => self.renews_token = true,
                    Command::Send { request, batch, events } if self.may_send(batch, &events) => {
                        self.send(request, batch, events);
                    }
                    Command::Send { request, .. } => inputs.push_back(Input::Expired { request }),
                    Command::Settle { batch, outcomes, is_void } => self.settle(batch, outcomes, is_void),
                    Command::Abandon => {
                        self.request_ids.clear();
                        self.requests.abort_all();
                    }
                }
            }
        }
    }

    /// Whether TikTok would still drop a copy of each of these events.
    fn may_send(&self, batch: u64, events: &Range<usize>) -> bool {
        let Some(ticket) = self.tickets.get(&batch) else { return true };
        // Between two runs the clock may have been set back, within one it cannot: what this run attempts first has its
        // whole window, however far off the clock is.
        let ahead = if ticket.attempted() || self.window.begins_with_the_event() { self.ahead } else { 0 };
        let now = self.store.now().saturating_add(ahead);
        let earliest = ticket.batch().events()[events.clone()].iter().map(|event| event.time).min();
        self.window.is_open(now, ticket.first_attempt(), earliest.unwrap_or(i64::MAX))
    }

    fn prepare(&mut self, id: u64) {
        let Some(batch) = self.batches.get(&id).cloned() else { return };
        let store = Arc::clone(&self.store);
        let task = self.records.spawn_blocking(move || Entry::Prepared(store.prepare(&batch)));
        self.record_ids.insert(task.id(), Written::Intent(id));
    }

    fn send(&mut self, request: u64, batch: u64, events: Range<usize>) {
        let Some(ticket) = self.tickets.get(&batch) else { return };
        let part = ticket.batch().slice(events.clone());
        let body = ticket.record(events);
        let bytes = body.len() as u64;
        let (transport, store, clock) = (Arc::clone(&self.transport), Arc::clone(&self.store), self.clock);
        let renews_token = std::mem::take(&mut self.renews_token);
        let task = self.requests.spawn(async move {
            if renews_token {
                transport.renew_token().await;
            }
            let sent = transport.send(body).await;
            let is_unwritten = sent.as_ref().is_err_and(|error| error.before_first_byte);
            let skew = sent.as_ref().ok().and_then(|response| Some(response.date?.saturating_sub(clock?())));
            let mut answer = Answer { bytes: Some(bytes), ..classify(&sent, part.len()) };
            if let Fate::Duplicate { on_record } = &mut answer.fate {
                *on_record = offered_before(store.as_ref(), &part);
            }
            Sent { answer, bytes: if is_unwritten { 0 } else { bytes }, skew }
        });
        self.request_ids.insert(task.id(), (request, batch));
        let exchange = self.exchanges.entry(batch).or_default();
        exchange.requests += 1;
        exchange.started.get_or_insert_with(Instant::now);
    }

    fn settle(&mut self, id: u64, outcomes: Vec<Outcome>, is_void: bool) {
        let Some(batch) = self.batches.remove(&id) else { return };
        let exchange = self.exchanges.remove(&id).unwrap_or_default();
        let settled = Settled { number: id, batch, outcomes, exchange };
        let Some(mut ticket) = self.tickets.remove(&id) else {
            // It never was on record, so there is nothing to settle.
            self.outbox.push_back(settled);
            return;
        };
        if self.protocol.is_starved() {
            ticket.hasten();
        }
        let store = Arc::clone(&self.store);
        let outcomes = settled.outcomes.clone();
        let task = self.records.spawn_blocking(move || {
            Entry::Settled(if is_void { store.cancel(ticket) } else { store.settle(ticket, &outcomes) })
        });
        self.record_ids.insert(task.id(), Written::Outcomes(Box::new(settled)));
    }

    fn request_ended(&mut self, ended: Result<(Id, Sent), JoinError>) {
        let (id, answer, bytes) = match ended {
            Ok((id, Sent { answer, bytes, skew })) => {
                self.compare_clocks(skew);
                self.bytes_sent += bytes;
                self.unwritten += u64::from(bytes == 0);
                (id, answer, Some(bytes))
            }
            // A panic says nothing about what was written.
            Err(error) => {
                let id = error.id();
                if error.is_panic() {
                    // Without the error, which holds what the panic said.
                    self.fail(Error::new(ErrorKind::Internal, "a request task panicked"));
                    self.step(Input::Unsettled);
                }
                (id, Answer::of(Fate::Doubtful { garbled: false }), None)
            }
        };
        let Some((request, batch)) = self.request_ids.remove(&id) else { return };
        if let Some(exchange) = self.exchanges.get_mut(&batch) {
            exchange.note(&answer, bytes);
        }
        if let Some(code) = answer.code.filter(|code| *code != 0) {
            *self.codes.entry(code).or_default() += 1;
        }
        tracing::debug!(request, fate = ?answer.fate, code = answer.code, request_id = answer.request_id, "answered");
        self.step(Input::Answered { request, answer });
    }

    fn record_ended(&mut self, ended: Result<(Id, Entry), JoinError>) {
        let (id, entry) = match ended {
            Ok((id, entry)) => (id, Ok(entry)),
            Err(error) => (error.id(), Err(error)),
        };
        match (self.record_ids.remove(&id), entry) {
            (Some(Written::Intent(batch)), Ok(Entry::Prepared(Ok(ticket)))) => {
                let attempted = ticket.attempted();
                self.tickets.insert(batch, ticket);
                self.step(Input::Recorded { batch, attempted });
            }
            (Some(Written::Intent(batch)), failed) => {
                self.fail(failed_entry(failed));
                self.step(Input::Unrecorded { batch });
            }
            (Some(Written::Outcomes(settled)), Ok(Entry::Settled(Ok(())))) => {
                self.outbox.push_back(*settled);
                self.step(Input::Settled);
            }
            (Some(Written::Outcomes(settled)), failed) => {
                self.fail(failed_entry(failed));
                self.outbox.push_back(*settled);
                self.step(Input::Unsettled);
            }
            (None, _) => {}
        }
    }

    /// The protocol's time.
    fn now(&self) -> Duration {
        self.start.elapsed() * self.speed
    }

    /// When it is `time` for the protocol.
    fn instant(&self, time: Duration) -> Instant {
        self.start + time / self.speed
    }

    /// Keeps the greatest difference, and speaks up the first time that it is great.
    fn compare_clocks(&mut self, skew: Option<i64>) {
        let Some(skew) = skew else { return };
        self.ahead = self.ahead.max(skew);
        let before = self.clock_skew.map_or(0, i64::unsigned_abs);
        if self.clock_skew.is_none() || skew.unsigned_abs() > before {
            self.clock_skew = Some(skew);
        }
        if before <= TOLERATED_SKEW && skew.unsigned_abs() > TOLERATED_SKEW {
            let (minutes, side) = (skew.unsigned_abs() / 60, if skew > 0 { "behind" } else { "ahead of" });
            tracing::warn!(
                "this machine's clock is {minutes} minutes {side} the API's: set it, as event times are judged by it"
            );
        }
    }

    /// Keeps the first failure.
    fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    fn tell(&self) {
        let Some(activity) = &self.activity else { return };
        let in_flight = self.protocol.in_flight();
        let now = if self.protocol.is_stopping() {
            Activity::Stopping { in_flight }
        } else if in_flight > 0 {
            Activity::Sending { in_flight }
        } else {
            self.protocol
                .waiting(self.now())
                .map_or(Activity::Idle, |(until, because)| Activity::Waiting { until: self.instant(until), because })
        };
        activity.send_if_modified(|before| std::mem::replace(before, now) != now);
    }

    fn report(self) -> Result<Report, Box<Failed>> {
        let counts = self.protocol.counts();
        let mut stop = self.protocol.stop_reason().cloned();
        if let Some(stop) = &mut stop {
            self.transport.endpoint().clone_into(&mut stop.endpoint);
        }
        let report = Report {
            requests: counts.requests.saturating_sub(self.unwritten),
            retries: counts.retries.min(counts.requests.saturating_sub(self.unwritten)),
            throttles: counts.throttles,
            bytes_sent: self.bytes_sent,
            throttled: counts.throttled,
            codes: self.codes,
            clock_skew: self.clock_skew,
            stop,
        };
        match self.failure {
            None => Ok(report),
            Some(error) => Err(Box::new(Failed { error, report })),
        }
    }
}

impl Exchange {
    /// Notes the end of a request of which `bytes` may have left, where that is known.
    fn note(&mut self, answer: &Answer, bytes: Option<u64>) {
        self.requests -= u64::from(bytes == Some(0));
        self.bytes += bytes.unwrap_or_default();
        self.ended = Some(Instant::now());
        (self.code, self.status) = (answer.code, answer.status);
        self.request_id.clone_from(&answer.request_id);
        if answer.fate == Fate::Accepted {
            self.accepted_by.extend(answer.request_id.clone());
        }
    }
}

/// A place in the receiver's channel, or none if the receiver is gone.
async fn permit(settled: Option<&mpsc::Sender<Settled>>) -> Option<mpsc::Permit<'_, Settled>> {
    settled?.reserve().await.ok()
}

/// Positions of the events that earlier runs offered, and that may have been accepted.
fn offered_before(store: &dyn Store, batch: &Batch) -> Vec<usize> {
    let may_have_arrived = |standing: Standing| standing == Standing::Accepted || standing.first_attempt().is_some();
    let events = batch.events().iter().enumerate();
    events.filter(|(_, event)| may_have_arrived(store.standing(&event.key))).map(|(position, _)| position).collect()
}

fn failed_entry(entry: Result<Entry, JoinError>) -> Error {
    match entry {
        Ok(Entry::Prepared(Err(error)) | Entry::Settled(Err(error))) => error,
        Ok(_) => Error::new(ErrorKind::Internal, "the ledger answered another question"),
        // Without the error, which holds what the panic said.
        Err(_) => Error::new(ErrorKind::Internal, "a ledger task panicked"),
    }
}

/// `SplitMix64`: enough for spreading waits, and the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
