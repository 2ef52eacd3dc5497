//! A world with deliveries in it: a server that counts like TikTok, a ledger, a virtual clock, crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub(super) use self::server::{Breakage, Server, answer};
use super::random::Random;
use crate::delivery::protocol::{Command, ENDING, Input, PREFETCH, Protocol};
use crate::delivery::response::Fate;
use crate::delivery::{Cause, Options, Window};
use crate::event::Outcome;
use crate::ledger::{Model, Store, Ticket};

mod record;
mod server;

const SECOND: Duration = Duration::from_secs(1);
/// Seconds that a [`Window`] is kept shorter than it is said to be.
const SAFETY: i64 = 4 * 3_600;

/// An event, by its number.
type Event = usize;

/// Deliveries that follow one another until all is delivered, and what they have to do with.
pub(super) struct World {
    random: Random,
    pub(super) now: Duration,
    pub(super) protocol: Protocol,
    pub(super) options: Options,
    agenda: BTreeMap<(Duration, u64), Due>,
    sequence: u64,
    /// Whether each event is bad.
    bad: Vec<bool>,
    /// When each event happened, in seconds; a browser may have sent it then.
    times: Vec<i64>,
    /// Batches not offered yet.
    waiting: Vec<Load>,
    /// Batches that were offered in this life, by number.
    loads: BTreeMap<u64, Load>,
    entered: u64,
    closed: bool,
    ledger: Model,
    clock: Arc<AtomicI64>,
    /// Intents without an end, by batch.
    tickets: BTreeMap<u64, Ticket>,
    /// Batches whose ends cannot be put on record, until the protocol hears of it.
    failing: BTreeSet<u64>,
    /// Ends that are not on record yet, by batch.
    ends: BTreeMap<u64, (Vec<Outcome>, bool)>,
    pub(super) in_flight: BTreeMap<u64, (u64, Range<usize>)>,
    /// Events the server took in, and when it first did, in seconds.
    pub(super) received: BTreeMap<Event, i64>,
    /// Events that an answer to this life has acknowledged.
    acknowledged: BTreeSet<Event>,
    /// Good events that were rejected by a server that refuses everything.
    wronged: BTreeSet<Event>,
    /// What the batches of this life ended as.
    pub(super) settled: BTreeMap<u64, Vec<Outcome>>,
    /// When each request was sent, in all lives.
    pub(super) sends: Vec<Duration>,
    sends_before: usize,
    /// Seconds after which copies count.
    pub(super) window: Option<i64>,
    /// Whether a browser sends the events as well, when they happen.
    overlaps: bool,
    has_expired: bool,
    /// Runs of the query.
    lives: u64,
    pub(super) crashes: u64,
    /// Commands until the next crash, and crashes that follow it.
    crash_in: Option<u64>,
    crashes_left: u64,
    pub(super) server: Server,
}

/// Events that travel together.
#[derive(Clone)]
struct Load {
    events: Vec<Event>,
    destination: u32,
}

/// What is on the agenda.
enum Due {
    Input(Input),
    Recorded(u64),
    Ended(u64),
    Failed(u64),
}

impl World {
    pub(super) fn new(seed: u64, options: Options, server: Server) -> Self {
        let clock = Arc::new(AtomicI64::new(0));
        let time = Arc::clone(&clock);
        Self {
            random: Random(seed),
            now: Duration::ZERO,
            protocol: Protocol::new(&options),
            options,
            agenda: BTreeMap::new(),
            sequence: 0,
            bad: Vec::new(),
            times: Vec::new(),
            waiting: Vec::new(),
            loads: BTreeMap::new(),
            entered: 0,
            closed: false,
            ledger: Model::with_clock([0; 32], Arc::new(move || time.load(Ordering::Relaxed))),
            clock,
            tickets: BTreeMap::new(),
            failing: BTreeSet::new(),
            ends: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            received: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            wronged: BTreeSet::new(),
            settled: BTreeMap::new(),
            sends: Vec::new(),
            sends_before: 0,
            window: None,
            overlaps: false,
            has_expired: false,
            lives: 1,
            crashes: 0,
            crash_in: None,
            crashes_left: 0,
            server,
        }
    }

    pub(super) fn from_seed(seed: u64) -> Self {
        let mut random = Random(seed);
        let server = Server {
            fault_percent: [0, 10, 40, 90][random.index(4)],
            faults: random.below(40),
            garbled_percent: [0, 20, 100][random.index(3)],
            hint_percent: [0, 50, 100][random.index(3)],
            right_hint_percent: [0, 50, 100][random.index(3)],
            same_words: random.percent(50),
            partial: random.percent(25),
            counts_from: usize::from(random.percent(30)),
            breaks: random.percent(10).then(|| {
                use Breakage::{Named, OtherWords, Page, SameWords};
                (random.index(20), [SameWords, OtherWords, Named, Page][random.index(4)])
            }),
            size_limit: random.percent(15).then(|| random.index(9)),
            is_guarded: random.percent(5),
            patience: u8::from(random.percent(10)),
            latency: 1 + random.below(3_000),
            fails_to_record_percent: if random.percent(3) { 30 } else { 0 },
            fails_to_settle_percent: if random.percent(3) { 30 } else { 0 },
            ..Server::default()
        };
        let options = Options { concurrency: [1, 2, 5, 32][random.index(4)], ..Options::default() };
        let mut world = Self::new(random.next(), options, server);
        let bad_percent = [0, 4, 30, 100][random.index(4)];
        for _ in 0..=random.below(5) {
            let bad = (0..=random.below(12)).map(|_| random.percent(bad_percent)).collect();
            world.add_batch(bad);
        }
        if random.percent(5) {
            let at = random.millis(20_000);
            world.plan(at, Input::Drain);
        }
        if random.percent(10) {
            world.window = Some(i64::try_from(random.below(20)).expect("a small number"));
            world.overlaps = random.percent(50);
        }
        if random.percent(40) {
            world.crash_in = Some(random.below(40));
            world.crashes_left = random.below(4);
        }
        world
    }

    /// Adds a batch of events, of which these are bad.
    pub(super) fn add_batch(&mut self, bad: Vec<bool>) {
        let events = (self.bad.len()..self.bad.len() + bad.len()).collect();
        let destination = u32::from(self.waiting.len() % 3 == 2);
        self.waiting.insert(0, Load { events, destination });
        self.times.extend(bad.iter().map(|_| -i64::try_from(self.random.below(10)).expect("a small number")));
        self.bad.extend(bad);
    }

    pub(super) fn plan(&mut self, after: Duration, input: Input) {
        self.plan_due(after, Due::Input(input));
    }

    fn plan_due(&mut self, after: Duration, due: Due) {
        self.sequence += 1;
        self.agenda.insert((self.now + after, self.sequence), due);
    }

    /// Lives until every batch is settled, through all crashes; checks what holds at every step.
    pub(super) fn run(&mut self) {
        while !(self.protocol.is_finished() && self.tickets.is_empty() && self.failing.is_empty()) {
            self.advance();
            assert_eq!(self.protocol.in_flight(), self.in_flight.len());
            assert!(self.in_flight.len() <= usize::from(self.options.concurrency));
            let most = usize::from(self.options.concurrency) + PREFETCH + ENDING;
            assert!(self.tickets.len() <= most, "{} batches would be sent again after a crash", self.tickets.len());
            assert!(self.now < Duration::from_hours(12), "an endless delivery");
        }
        assert_eq!(self.settled.len(), self.loads.len(), "every batch settles once");
        // A row of one less than too many for each destination.
        assert!(self.wronged.len() <= 2 * 31, "{} good events were rejected", self.wronged.len());
        assert_eq!(self.protocol.counts().requests, (self.sends.len() - self.sends_before) as u64);
    }

    /// One input and what follows from it.
    pub(super) fn advance(&mut self) {
        let input = self.next_input();
        if let Input::Answered { request, .. } | Input::Expired { request } = &input {
            let ended = self.in_flight.remove(request);
            let is_accepted = matches!(&input, Input::Answered { answer, .. } if answer.fate == Fate::Accepted);
            if let Some((batch, events)) = ended.filter(|_| is_accepted) {
                self.acknowledged.extend(&self.loads[&batch].events[events]);
            }
        }
        let (mut commands, random) = (Vec::new(), self.random.next());
        self.protocol.step(self.now, random, input, &mut commands);
        for command in commands {
            if self.crash_in == Some(0) {
                return self.crash();
            }
            self.crash_in = self.crash_in.map(|commands| commands - 1);
            self.execute(command);
        }
    }

    /// What happens next.
    fn next_input(&mut self) -> Input {
        if self.protocol.wants_batch() {
            if let Some(load) = self.waiting.pop() {
                self.entered += 1;
                let (batch, events, destination) = (self.entered, load.events.len(), load.destination);
                self.loads.insert(batch, load);
                return Input::Offered { batch, events, destination };
            }
            if !self.closed {
                self.closed = true;
                return Input::Closed;
            }
        }
        let planned = self.agenda.first_key_value().map(|((at, _), _)| *at);
        match (planned, self.protocol.wake_at()) {
            (Some(at), wake_at) if wake_at.is_none_or(|wake_at| at <= wake_at) => {
                self.pass(at);
                match self.agenda.pop_first().expect("it was there").1 {
                    Due::Input(input) => input,
                    Due::Recorded(batch) => {
                        self.record(batch);
                        let attempted = self.tickets[&batch].attempted();
                        Input::Recorded { batch, attempted }
                    }
                    Due::Ended(batch) => {
                        self.end(batch);
                        Input::Settled
                    }
                    Due::Failed(batch) => {
                        self.failing.remove(&batch);
                        Input::Unsettled
                    }
                }
            }
            (_, Some(wake_at)) => {
                assert!(wake_at >= self.now || self.now.is_zero() || self.in_flight.is_empty(), "time runs forward");
                self.pass(wake_at);
                Input::Tick
            }
            _ => panic!("stuck"),
        }
    }

    fn pass(&mut self, until: Duration) {
        self.now = self.now.max(until);
        self.clock.store(i64::try_from(self.now.as_secs()).expect("hours"), Ordering::Relaxed);
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Prepare { batch } => {
                let wait = self.random.millis(20);
                if self.random.percent(self.server.fails_to_record_percent) {
                    self.plan(wait, Input::Unrecorded { batch });
                    return;
                }
                // It is on record at once, or not before the protocol hears of it.
                if self.random.percent(50) {
                    self.record(batch);
                }
                self.plan_due(wait, Due::Recorded(batch));
            }
            Command::Send { request, batch, events } => self.send(request, batch, events),
            Command::Settle { batch, outcomes, is_void } => {
                assert!(!is_void || outcomes.iter().all(|outcome| *outcome == Outcome::Unsent));
                assert_eq!(outcomes.len(), self.loads[&batch].events.len());
                assert!(self.settled.insert(batch, outcomes.clone()).is_none(), "settled twice");
                if !self.tickets.contains_key(&batch) {
                    assert!(is_void, "an end without an intent");
                    return;
                }
                let wait = self.random.millis(60);
                if self.random.percent(self.server.fails_to_settle_percent) {
                    // The intent stays open until the next run finds it.
                    self.tickets.remove(&batch);
                    self.failing.insert(batch);
                    self.plan_due(wait, Due::Failed(batch));
                    return;
                }
                self.ends.insert(batch, (outcomes, is_void));
                if self.random.percent(50) {
                    self.end(batch);
                    self.plan(wait, Input::Settled);
                } else {
                    self.plan_due(wait, Due::Ended(batch));
                }
            }
            Command::RenewToken => {}
            Command::Abandon => self.in_flight.clear(),
        }
    }

    fn send(&mut self, request: u64, batch: u64, events: Range<usize>) {
        let ticket = self.tickets.get(&batch).expect("its intent is on record");
        assert!(!self.protocol.is_stopping(), "sent after a stop");
        assert!(!self.settled.contains_key(&batch) && !events.is_empty());
        for (other, others) in self.in_flight.values() {
            assert!(*other != batch || others.end <= events.start || events.end <= others.start, "overlap");
        }
        let earliest = self.loads[&batch].events[events.clone()].iter().map(|event| self.times[*event]).min();
        let earliest = earliest.expect("an event");
        let is_open = self.window().is_open(self.ledger.now(), ticket.first_attempt(), earliest);
        self.in_flight.insert(request, (batch, events.clone()));
        if !is_open {
            self.has_expired = true;
            self.plan(Duration::ZERO, Input::Expired { request });
            return;
        }
        self.sends.push(self.now);
        let events = self.loads[&batch].events[events].to_vec();
        assert!(events.iter().all(|event| !self.acknowledged.contains(event)), "sent again after its acknowledgement");
        let answer = self.serve(&events);
        let latency = self.random.millis(self.server.latency);
        self.plan(latency, Input::Answered { request, answer });
    }

    fn window(&self) -> Window {
        self.window.map_or(Window::unlimited(), |length| Window::new(length + SAFETY, self.overlaps))
    }

    fn has_ended_early(&self) -> bool {
        self.protocol.stop_reason().is_some() || self.has_expired
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        self.protocol.stop_reason().map(|reason| reason.cause)
    }
}
