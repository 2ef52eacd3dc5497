//! A world with deliveries in it: a server that counts like TikTok, a ledger, a virtual clock, crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::api::TransportKind;
use crate::contract::EventSource;
use crate::delivery::protocol::{Command, ENDING, Input, PREFETCH, Protocol};
use crate::delivery::response::{Answer, Fate, Grounds};
use crate::delivery::{Cause, Options, Window};
use crate::event::{Batch, Destination, EncodedEvent, EventKey, Outcome};
use crate::ledger::{Model, Standing, Store, Ticket};

const SECOND: Duration = Duration::from_secs(1);
/// Seconds that a [`Window`] is kept shorter than it is said to be.
const SAFETY: i64 = 4 * 3_600;

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("below a usize")
    }

    pub(super) fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    pub(super) fn millis(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }
}

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

/// How the server behaves.
#[derive(Clone, Default)]
pub(super) struct Server {
    pub(super) fault_percent: u64,
    /// Faults it still has.
    pub(super) faults: u64,
    pub(super) faulted: u64,
    pub(super) fixed_fault: Option<Answer>,
    pub(super) garbled_percent: u64,
    pub(super) hint_percent: u64,
    pub(super) right_hint_percent: u64,
    pub(super) same_words: bool,
    pub(super) partial: bool,
    /// Whether lists of failed events count from one.
    pub(super) counts_from_one: bool,
    /// How it refuses whatever it gets after so many requests.
    pub(super) breaks: Option<(usize, Breakage)>,
    pub(super) size_limit: Option<usize>,
    /// Whether something before the API refuses what holds a bad event, as if it were too large.
    pub(super) is_guarded: bool,
    pub(super) patience: u8,
    pub(super) latency: u64,
    /// Of the intents, and of the outcomes.
    pub(super) fails_to_record_percent: u64,
    pub(super) fails_to_settle_percent: u64,
}

/// How a server refuses everything.
#[derive(Clone, Copy)]
pub(super) enum Breakage {
    /// In the same words each time.
    SameWords,
    /// In other words each time.
    OtherWords,
    /// By naming the first event of each request.
    Named,
    /// By a page of something before the API.
    Page,
}

pub(super) fn answer(fate: Fate) -> Answer {
    let transport =
        matches!(fate, Fate::Unwritten | Fate::Doubtful { garbled: false }).then_some(TransportKind::Timeout);
    let status = transport.is_none().then_some(200);
    Answer { fate, code: None, status, transport, request_id: None, field: None }
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
            counts_from_one: random.percent(30),
            breaks: random.percent(10).then(|| {
                use Breakage::{Named, OtherWords, Page, SameWords};
                (random.index(20), [SameWords, OtherWords, Named, Page][random.index(4)])
            }),
            size_limit: random.percent(15).then(|| 1 + random.index(8)),
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
            self.in_flight.remove(request);
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
        let answer = self.serve(&events);
        let latency = self.random.millis(self.server.latency);
        self.plan(latency, Input::Answered { request, answer });
    }

    fn window(&self) -> Window {
        self.window.map_or(Window::unlimited(), |length| Window::new(length + SAFETY, self.overlaps))
    }

    /// Puts the intent of a batch on record.
    fn record(&mut self, batch: u64) {
        if !self.tickets.contains_key(&batch) {
            let ticket =
                self.ledger.prepare(&encoded(&self.loads[&batch], &self.times)).expect("no event is under way twice");
            self.tickets.insert(batch, ticket);
        }
    }

    /// Puts the outcomes of a batch on record, and checks them.
    fn end(&mut self, batch: u64) {
        let (outcomes, is_void) = self.ends.remove(&batch).expect("it ended");
        let ticket = self.tickets.remove(&batch).expect("its intent is on record");
        let written = if is_void { self.ledger.cancel(ticket) } else { self.ledger.settle(ticket, &outcomes) };
        written.expect("a model does not fail");
        let events = self.loads[&batch].events.clone();
        for (event, outcome) in events.iter().zip(&outcomes) {
            let (bad, received) = (self.bad[*event], self.received.contains_key(event));
            match outcome {
                Outcome::Accepted => assert!(!bad && received, "counted as accepted, but never received"),
                Outcome::Rejected(_) => {
                    assert!(bad || self.server.breaks.is_some(), "a good event was rejected");
                    assert!(!(bad && received), "a bad event was received");
                    self.wronged.extend((!bad).then_some(*event));
                }
                Outcome::Unsent | Outcome::InDoubt => assert!(self.has_ended_early(), "{outcome:?} without a reason"),
                Outcome::Held => assert!(received || self.has_expired, "held, but never received"),
            }
            self.check_standing(*event);
        }
    }

    /// The ledger tells the truth about an event that is not under way.
    fn check_standing(&self, event: Event) {
        let received = self.received.contains_key(&event);
        match self.ledger.standing(&key(event)) {
            Standing::Accepted => assert!(received, "on record as accepted, but never received"),
            Standing::Rejected { .. } => {
                assert!((self.bad[event] && !received) || self.wronged.contains(&event), "on record as rejected");
            }
            Standing::Unknown => assert!(!received, "received, and the ledger knows nothing of it"),
            Standing::InDoubt { first_attempt } | Standing::Held { first_attempt } => {
                let received = self.received.get(&event);
                assert!(received.is_none_or(|first| first_attempt <= *first), "its window is thought too long");
            }
        }
    }

    /// The process dies.
    fn crash(&mut self) {
        self.crashes += 1;
        self.crash_in = (self.crashes_left > 0).then(|| self.random.below(40));
        self.crashes_left = self.crashes_left.saturating_sub(1);
        self.ledger.crash();
        (0..self.bad.len()).for_each(|event| self.check_standing(event));
        self.resume();
    }

    /// The next run of the same query: what is not known to have ended is offered again, and what is in doubt apart.
    pub(super) fn resume(&mut self) {
        self.protocol = Protocol::new(&self.options);
        self.lives += 1;
        (self.sends_before, self.closed) = (self.sends.len(), false);
        self.agenda.clear();
        self.in_flight.clear();
        self.tickets.clear();
        self.failing.clear();
        self.ends.clear();
        self.settled.clear();
        let mut loads: Vec<Load> = std::mem::take(&mut self.loads).into_values().collect();
        loads.extend(std::mem::take(&mut self.waiting).into_iter().rev());
        let (window, now) = (self.window(), self.ledger.now());
        for Load { events, destination } in loads {
            let mut apart: BTreeMap<Option<i64>, Vec<Event>> = BTreeMap::new();
            for event in events {
                match self.ledger.standing(&key(event)) {
                    Standing::Unknown if window.admits(now, self.times[event]) => {
                        apart.entry(None).or_default().push(event);
                    }
                    Standing::InDoubt { first_attempt } if window.is_open(now, first_attempt, self.times[event]) => {
                        apart.entry(Some(first_attempt)).or_default().push(event);
                    }
                    Standing::Unknown | Standing::InDoubt { .. } | Standing::Held { .. } => self.has_expired = true,
                    Standing::Accepted | Standing::Rejected { .. } => {}
                }
            }
            for events in apart.into_values() {
                self.waiting.insert(0, Load { events, destination });
            }
        }
    }

    fn serve(&mut self, events: &[Event]) -> Answer {
        if let Some((_, breakage)) = self.server.breaks.filter(|(after, _)| self.sends.len() > *after) {
            let refused = |hint, wording| Fate::Refused { hint, wording, patience: 0 };
            return answer(match breakage {
                Breakage::SameWords => refused(None, 7),
                Breakage::OtherWords => refused(None, self.random.next()),
                Breakage::Named => refused(Some(0), 7),
                Breakage::Page => Fate::TooLarge,
            });
        }
        let bad: Vec<usize> = (0..events.len()).filter(|position| self.bad[events[*position]]).collect();
        if self.server.faults > 0 && self.random.percent(self.server.fault_percent) {
            self.server.faults -= 1;
            self.server.faulted += 1;
            if let Some(fault) = self.server.fixed_fault.clone() {
                return fault;
            }
            let doubt = Fate::Doubtful { garbled: self.random.percent(self.server.garbled_percent) };
            return answer(match self.random.below(20) {
                0..4 => Fate::Unwritten,
                4..8 => doubt,
                // The answer is lost, not the request.
                8..14 => {
                    self.receive(events, &bad);
                    doubt
                }
                14..17 => Fate::Throttled { retry_after: self.random.percent(30).then_some(3 * SECOND) },
                17 => Fate::Maintenance,
                18 => Fate::Stop(Grounds::Credentials),
                _ if events.iter().all(|event| self.received.contains_key(event)) => {
                    let standing = |position: &usize| self.ledger.standing(&key(events[*position]));
                    let is_on_record = |position: &usize| standing(position).first_attempt().is_some();
                    Fate::Duplicate { on_record: (0..events.len()).filter(is_on_record).collect() }
                }
                _ => doubt,
            });
        }
        let is_too_large = self.server.size_limit.is_some_and(|limit| events.len() > limit);
        if is_too_large || (self.server.is_guarded && !bad.is_empty()) {
            return answer(Fate::TooLarge);
        }
        self.receive(events, &bad);
        if bad.is_empty() {
            return answer(Fate::Accepted);
        }
        if self.server.partial {
            let ahead = usize::from(self.server.counts_from_one);
            let mut named: Vec<usize> = bad.iter().map(|position| (position + ahead) % events.len()).collect();
            named.sort_unstable();
            return answer(if self.random.percent(50) { Fate::Partial(named) } else { Fate::Unsplit });
        }
        let hint = self.random.percent(self.server.hint_percent).then(|| {
            if self.random.percent(self.server.right_hint_percent) { bad[0] } else { self.random.index(events.len()) }
        });
        let wording = if self.server.same_words { 7 } else { self.random.next() };
        answer(Fate::Refused { hint, wording, patience: self.server.patience })
    }

    /// A request is taken in as a whole or, if the server answers in part, without its bad events.
    fn receive(&mut self, events: &[Event], bad: &[usize]) {
        if !bad.is_empty() && !self.server.partial {
            return;
        }
        let now = self.ledger.now();
        for (_, event) in events.iter().enumerate().filter(|(position, _)| !bad.contains(position)) {
            let first = *self.received.entry(*event).or_insert(now);
            // What is sent at once cannot be late, unless a browser was earlier.
            let first = if self.overlaps { self.times[*event].min(first) } else { first };
            assert!(self.window.is_none_or(|length| first == now || now < first + length), "counted twice");
        }
    }

    fn has_ended_early(&self) -> bool {
        self.protocol.stop_reason().is_some() || self.has_expired
    }

    /// What must hold at the end of every history.
    pub(super) fn check(&self) {
        // The process has ended: what it could not put on record is in doubt.
        self.ledger.crash();
        for event in 0..self.bad.len() {
            self.check_standing(event);
            let is_decided =
                matches!(self.ledger.standing(&key(event)), Standing::Accepted | Standing::Rejected { .. });
            let is_lost = !is_decided && !self.has_ended_early() && !self.waits_for_a_person(event);
            assert!(!is_lost, "lost: {:?}", self.ledger.standing(&key(event)));
        }
        let (events, lives) = (self.bad.len() as u64, self.lives);
        let batches = self.settled.len() as u64;
        let for_each_event = 3 + 2 * u64::from(self.server.patience) + 2 * u64::from(self.server.partial);
        let bound = lives * for_each_event * events + 4 * lives * (batches + 1) + 2 * self.server.faulted;
        let requests = self.sends.len() as u64;
        assert!(requests <= bound, "{requests} requests, bound {bound}");
    }

    fn waits_for_a_person(&self, event: Event) -> bool {
        match self.ledger.standing(&key(event)) {
            Standing::Held { .. } => true,
            Standing::InDoubt { first_attempt } => {
                !self.window().is_open(self.ledger.now(), first_attempt, self.times[event])
            }
            Standing::Unknown => !self.window().admits(self.ledger.now(), self.times[event]),
            _ => false,
        }
    }

    /// Runs the query again, against a server that is well, as often as it takes; nothing may be missing then.
    pub(super) fn recover(&mut self) {
        self.ledger.crash();
        self.server = Server { faults: 0, breaks: None, ..self.server.clone() };
        (self.server.fails_to_record_percent, self.server.fails_to_settle_percent) = (0, 0);
        self.has_expired = false;
        self.resume();
        self.run();
        assert!(matches!(self.cause(), None | Some(Cause::Configuration)), "{:?}", self.cause());
        self.check();
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        self.protocol.stop_reason().map(|reason| reason.cause)
    }
}

fn key(event: Event) -> EventKey {
    EventKey::from((event as u128).to_le_bytes())
}

/// The batch as a ledger takes it.
fn encoded(load: &Load, times: &[i64]) -> Batch {
    let destination =
        Destination { event_source: EventSource::Offline, event_source_id: load.destination.to_string().into() };
    let event = |event: &Event| EncodedEvent { key: key(*event), span: 0..0, time: times[*event], row: 0, payload: 0 };
    let events: Arc<[EncodedEvent]> = load.events.iter().map(event).collect();
    Batch { destination, head: Bytes::new(), json: Bytes::new(), range: 0..events.len(), events }
}
