//! Histories of a delivery, made from seeds: a server that counts like TikTok, faults of every kind, a virtual clock.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use super::protocol::{Command, Input, Protocol};
use super::response::{Answer, Fate, Grounds};
use super::{Cause, Options};
use crate::api::TransportKind;
use crate::event::Outcome;

/// Histories in the normal gate; the environment variable asks for more.
const SEEDS: u64 = 20_000;
const SEEDS_VARIABLE: &str = "POSTBACK_SIMULATION_SEEDS";

const SECOND: Duration = Duration::from_secs(1);

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("below a usize")
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    fn millis(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }
}

/// A world with one delivery in it.
struct World {
    random: Random,
    now: Duration,
    protocol: Protocol,
    options: Options,
    agenda: BTreeMap<(Duration, u64), Input>,
    sequence: u64,
    /// Which events of each batch are bad.
    bad: BTreeMap<u64, Vec<bool>>,
    /// Batches not offered yet.
    waiting: Vec<(u64, usize)>,
    closed: bool,
    recorded: BTreeSet<u64>,
    in_flight: BTreeMap<u64, (u64, Range<usize>)>,
    /// Events the server took in.
    received: BTreeSet<(u64, usize)>,
    settled: BTreeMap<u64, Vec<Outcome>>,
    sends: Vec<Duration>,
    /// From when on copies would count, so that nothing is sent any more.
    closes_at: Option<Duration>,
    has_expired: bool,
    server: Server,
}

/// How the server behaves.
#[derive(Clone, Default)]
struct Server {
    fault_percent: u64,
    /// Faults it still has.
    faults: u64,
    faulted: u64,
    fixed_fault: Option<Answer>,
    garbled_percent: u64,
    hint_percent: u64,
    right_hint_percent: u64,
    same_words: bool,
    partial: bool,
    size_limit: Option<usize>,
    patience: u8,
    latency: u64,
    fails_to_record_percent: u64,
}

fn answer(fate: Fate) -> Answer {
    let transport =
        matches!(fate, Fate::Unwritten | Fate::Doubtful { garbled: false }).then_some(TransportKind::Timeout);
    let status = transport.is_none().then_some(200);
    Answer { fate, code: None, status, transport, request_id: None, field: None }
}

impl World {
    fn new(seed: u64, options: Options, server: Server) -> Self {
        Self {
            random: Random(seed),
            now: Duration::ZERO,
            protocol: Protocol::new(&options),
            options,
            agenda: BTreeMap::new(),
            sequence: 0,
            bad: BTreeMap::new(),
            waiting: Vec::new(),
            closed: false,
            recorded: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            received: BTreeSet::new(),
            settled: BTreeMap::new(),
            sends: Vec::new(),
            closes_at: None,
            has_expired: false,
            server,
        }
    }

    fn from_seed(seed: u64) -> Self {
        let mut random = Random(seed);
        let server = Server {
            fault_percent: [0, 10, 40, 90][random.index(4)],
            faults: random.below(40),
            garbled_percent: [0, 20, 100][random.index(3)],
            hint_percent: [0, 50, 100][random.index(3)],
            right_hint_percent: [0, 50, 100][random.index(3)],
            same_words: random.percent(50),
            partial: random.percent(25),
            size_limit: random.percent(15).then(|| 1 + random.index(8)),
            patience: u8::from(random.percent(10)),
            latency: 1 + random.below(3_000),
            fails_to_record_percent: if random.percent(3) { 30 } else { 0 },
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
            world.closes_at = Some(random.millis(20_000));
        }
        world
    }

    fn add_batch(&mut self, bad: Vec<bool>) {
        let batch = self.bad.len() as u64;
        self.waiting.insert(0, (batch, bad.len()));
        self.bad.insert(batch, bad);
    }

    fn plan(&mut self, after: Duration, input: Input) {
        self.sequence += 1;
        self.agenda.insert((self.now + after, self.sequence), input);
    }

    /// Lives until every batch is settled, and checks what holds at every step.
    fn run(&mut self) {
        while !self.protocol.is_finished() {
            self.advance();
            assert_eq!(self.protocol.in_flight(), self.in_flight.len());
            assert!(self.in_flight.len() <= usize::from(self.options.concurrency));
            assert!(self.now < Duration::from_hours(6), "an endless delivery");
        }
        assert_eq!(self.settled.len(), self.bad.len(), "every batch settles once");
        assert_eq!(self.protocol.counts().requests, self.sends.len() as u64);
    }

    /// One input and what follows from it.
    fn advance(&mut self) {
        let input = self.next_input();
        if let Input::Answered { request, .. } | Input::Expired { request } = &input {
            self.in_flight.remove(request);
        }
        let (mut commands, random) = (Vec::new(), self.random.next());
        self.protocol.step(self.now, random, input, &mut commands);
        for command in commands {
            self.execute(command);
        }
    }

    fn next_input(&mut self) -> Input {
        if self.protocol.wants_batch() {
            if let Some((batch, events)) = self.waiting.pop() {
                return Input::Offered { batch, events, destination: u32::from(batch % 3 == 2) };
            }
            if !self.closed {
                self.closed = true;
                return Input::Closed;
            }
        }
        let planned = self.agenda.first_key_value().map(|((at, _), _)| *at);
        match (planned, self.protocol.wake_at()) {
            (Some(at), wake_at) if wake_at.is_none_or(|wake_at| at <= wake_at) => {
                self.now = self.now.max(at);
                self.agenda.pop_first().expect("it was there").1
            }
            (_, Some(wake_at)) => {
                assert!(wake_at > self.now || self.now.is_zero() || wake_at == self.now, "time runs forward");
                self.now = self.now.max(wake_at);
                Input::Tick
            }
            _ => panic!("stuck"),
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Prepare { batch } => {
                let wait = self.random.millis(20);
                if self.random.percent(self.server.fails_to_record_percent) {
                    self.plan(wait, Input::Unrecorded { batch });
                } else {
                    self.recorded.insert(batch);
                    self.plan(wait, Input::Recorded { batch, attempted: false });
                }
            }
            Command::Send { request, batch, events } => {
                assert!(self.recorded.contains(&batch), "sent before its intent was on record");
                assert!(!self.protocol.is_stopping(), "sent after a stop");
                assert!(!self.settled.contains_key(&batch) && !events.is_empty());
                for (other, others) in self.in_flight.values() {
                    assert!(*other != batch || others.end <= events.start || events.end <= others.start, "overlap");
                }
                self.in_flight.insert(request, (batch, events.clone()));
                if self.closes_at.is_some_and(|closes_at| self.now >= closes_at) {
                    self.has_expired = true;
                    self.plan(Duration::ZERO, Input::Expired { request });
                    return;
                }
                self.sends.push(self.now);
                let answer = self.serve(batch, &events);
                let latency = self.random.millis(self.server.latency);
                self.plan(latency, Input::Answered { request, answer });
            }
            Command::Settle { batch, outcomes, sent } => {
                assert!(sent || outcomes.iter().all(|outcome| *outcome == Outcome::Unsent));
                assert!(
                    sent || self.received.iter().all(|(received, _)| *received != batch),
                    "withdrawn, but received"
                );
                assert_eq!(outcomes.len(), self.bad[&batch].len());
                assert!(self.settled.insert(batch, outcomes).is_none(), "settled twice");
            }
            Command::RenewToken => {}
            Command::Abandon => self.in_flight.clear(),
        }
    }

    fn serve(&mut self, batch: u64, events: &Range<usize>) -> Answer {
        let bad: Vec<usize> = events
            .clone()
            .filter(|position| self.bad[&batch][*position])
            .map(|position| position - events.start)
            .collect();
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
                    self.receive(batch, events, &bad);
                    doubt
                }
                14..17 => Fate::Throttled { retry_after: self.random.percent(30).then_some(3 * SECOND) },
                17 => Fate::Maintenance,
                18 => Fate::Stop(Grounds::Credentials),
                _ if events.clone().all(|position| self.received.contains(&(batch, position))) => Fate::Duplicate,
                _ => doubt,
            });
        }
        if self.server.size_limit.is_some_and(|limit| events.len() > limit) {
            return answer(Fate::TooLarge);
        }
        self.receive(batch, events, &bad);
        if bad.is_empty() {
            return answer(Fate::Accepted);
        }
        if self.server.partial {
            return answer(if self.random.percent(50) { Fate::Partial(bad) } else { Fate::Unsplit });
        }
        let hint = self.random.percent(self.server.hint_percent).then(|| {
            if self.random.percent(self.server.right_hint_percent) { bad[0] } else { self.random.index(events.len()) }
        });
        let wording = if self.server.same_words { 7 } else { self.random.next() };
        answer(Fate::Refused { hint, wording, patience: self.server.patience })
    }

    /// A request is taken in as a whole or, if the server answers in part, without its bad events.
    fn receive(&mut self, batch: u64, events: &Range<usize>, bad: &[usize]) {
        if bad.is_empty() || self.server.partial {
            let good = events.clone().filter(|position| !bad.contains(&(position - events.start)));
            self.received.extend(good.map(|position| (batch, position)));
        }
    }

    /// What must hold at the end of every history.
    fn check(&self) {
        let has_ended_early = self.protocol.stop_reason().is_some() || self.has_expired;
        for (batch, outcomes) in &self.settled {
            for (position, outcome) in outcomes.iter().enumerate() {
                let (bad, received) = (self.bad[batch][position], self.received.contains(&(*batch, position)));
                match outcome {
                    Outcome::Accepted => assert!(!bad && received, "counted as accepted, but never received"),
                    Outcome::Rejected(_) => assert!(bad && !received, "a good event was rejected"),
                    Outcome::Unsent => {
                        assert!(has_ended_early, "unsent without a reason");
                        assert!(!received, "known as unsent, but received");
                    }
                    Outcome::InDoubt => assert!(has_ended_early, "in doubt without a reason"),
                    Outcome::Held => assert!(received || self.has_expired, "held, but never received"),
                }
            }
        }
        let events: usize = self.bad.values().map(Vec::len).sum();
        let bound = 3 * events as u64
            + 4 * self.bad.len() as u64
            + 2 * self.server.faulted
            + u64::from(self.server.patience) * 2 * events as u64;
        assert!(
            self.protocol.counts().requests <= bound,
            "{} requests, bound {bound}",
            self.protocol.counts().requests
        );
    }

    fn cause(&self) -> Option<Cause> {
        self.protocol.stop_reason().map(|reason| reason.cause)
    }
}

fn seeds() -> u64 {
    std::env::var(SEEDS_VARIABLE).ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

#[test]
fn no_history_loses_or_double_counts_an_event() {
    let mut causes: BTreeMap<Option<String>, u64> = BTreeMap::new();
    for seed in 0..seeds() {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::from_seed(seed);
            world.run();
            world.check();
            world.cause()
        });
        match outcome {
            Ok(cause) => *causes.entry(cause.map(|cause| format!("{cause:?}"))).or_default() += 1,
            Err(panic) => {
                eprintln!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(causes[&None] * 2 > causes.values().sum(), "most histories end well: {causes:?}");
    for cause in
        [Cause::Credentials, Cause::Configuration, Cause::Unreachable, Cause::Garbled, Cause::Ledger, Cause::Drained]
    {
        assert!(causes.contains_key(&Some(format!("{cause:?}"))), "{cause:?} never happened: {causes:?}");
    }
}

/// A server that fails every request in this way, forever.
fn failing(fate: Fate) -> Server {
    Server { fault_percent: 100, faults: u64::MAX, fixed_fault: Some(answer(fate)), latency: 5, ..Server::default() }
}

/// A delivery of 40 batches of 10 events.
fn delivery(server: Server) -> World {
    let mut world = World::new(1, Options::default(), server);
    (0..40).for_each(|_| world.add_batch(vec![false; 10]));
    world
}

#[test]
fn an_outage_is_probed_every_30_seconds_and_ends_after_30_minutes() {
    let mut world = delivery(failing(Fate::Doubtful { garbled: false }));
    world.run();
    assert_eq!(world.cause(), Some(Cause::GaveUp));
    assert!(world.now >= 1_800 * SECOND && world.now < 1_840 * SECOND, "{:?}", world.now);
    assert!(world.sends.len() <= 20 + 60, "{} requests", world.sends.len());
    for (earlier, later) in world.sends.iter().zip(&world.sends[1..]).skip(20) {
        assert!(*later >= *earlier + 30 * SECOND);
    }
}

#[test]
fn a_delivery_survives_an_outage_and_loses_nothing() {
    let mut world = delivery(Server { faults: 30, ..failing(Fate::Doubtful { garbled: false }) });
    world.run();
    world.check();
    assert_eq!(world.cause(), None);
    assert_eq!(world.received.len(), 400);
}

#[test]
fn what_may_have_arrived_is_held_when_its_window_closes() {
    let mut world = delivery(failing(Fate::Doubtful { garbled: false }));
    world.closes_at = Some(60 * SECOND);
    world.run();
    assert_eq!(world.cause(), None);
    assert!(world.sends.iter().all(|sent| *sent < 60 * SECOND));
    let held = world.settled.values().flatten().filter(|outcome| **outcome == Outcome::Held).count();
    let unsent = world.settled.values().flatten().filter(|outcome| **outcome == Outcome::Unsent).count();
    assert!(held > 0 && held + unsent == 400, "{held} held, {unsent} unsent");
}

#[test]
fn an_address_where_nobody_listens_is_given_up_after_three_attempts() {
    let mut world = delivery(failing(Fate::Unwritten));
    world.run();
    assert_eq!((world.cause(), world.sends.len()), (Some(Cause::Unreachable), 3));
    assert!(world.now < 5 * SECOND);
}

#[test]
fn a_refused_token_costs_two_requests() {
    let mut world = delivery(failing(Fate::Stop(Grounds::Credentials)));
    world.run();
    assert_eq!((world.cause(), world.sends.len()), (Some(Cause::Credentials), 2));
    assert!(world.now >= 5 * SECOND);
}

#[test]
fn a_token_that_dies_on_the_way_costs_one_request_more_than_are_under_way() {
    let mut world = delivery(Server { latency: 400, ..Server::default() });
    world.plan(2 * SECOND, Input::Tick);
    while world.received.len() < 200 {
        world.advance();
    }
    let (sent, under_way) = (world.sends.len(), world.in_flight.len());
    world.server = failing(Fate::Stop(Grounds::Credentials));
    world.run();
    assert_eq!(world.cause(), Some(Cause::Credentials));
    assert!(world.sends.len() - sent <= under_way + 32 + 1);
    let accepted = world.settled.values().flatten().filter(|outcome| **outcome == Outcome::Accepted).count();
    assert_eq!(accepted, world.received.len());
}

#[test]
fn a_tenth_of_faults_costs_at_most_a_fifth_more_requests() {
    let mut world = World::new(
        3,
        Options::default(),
        Server {
            fault_percent: 10,
            faults: u64::MAX,
            fixed_fault: Some(answer(Fate::Doubtful { garbled: false })),
            latency: 50,
            ..Server::default()
        },
    );
    (0..2_000).for_each(|_| world.add_batch(vec![false; 2]));
    world.run();
    world.check();
    assert_eq!(world.cause(), None);
    assert!(world.sends.len() <= 2_400, "{} requests for 2,000 batches", world.sends.len());
}

#[test]
fn lasting_throttling_ends_with_the_limit_of_a_day() {
    let mut world = delivery(failing(Fate::Throttled { retry_after: None }));
    world.run();
    assert_eq!(world.cause(), Some(Cause::DailyLimit));
    assert!(world.now > 360 * SECOND && world.now < 400 * SECOND, "{:?}", world.now);
    assert!(world.sends.len() < 100, "{} requests", world.sends.len());
    assert!(world.protocol.counts().throttled > 340 * SECOND);
}

#[test]
fn one_bad_event_in_a_thousand_costs_at_most_21_requests_more() {
    for (hint_percent, right_hint_percent, most) in [(0, 0, 21), (100, 0, 21), (100, 100, 3)] {
        for position in [0_u64, 1, 499, 998, 999] {
            let server = Server { hint_percent, right_hint_percent, same_words: true, latency: 5, ..Server::default() };
            let mut world = World::new(position, Options::default(), server);
            world.add_batch((0..1_000).map(|event| event == position).collect());
            world.run();
            world.check();
            assert_eq!(world.cause(), None);
            assert!(world.sends.len() <= 1 + most, "{} requests", world.sends.len());
        }
    }
}

#[test]
fn a_fault_of_the_whole_request_costs_three_requests_more() {
    let mut world = World::new(5, Options::default(), Server { same_words: true, latency: 5, ..Server::default() });
    (0..5).for_each(|_| world.add_batch(vec![true; 1_000]));
    world.run();
    assert_eq!((world.cause(), world.sends.len()), (Some(Cause::Configuration), 4));
    assert!(world.settled.values().flatten().all(|outcome| *outcome == Outcome::Unsent));
}

#[test]
fn a_size_the_api_refuses_is_refused_once() {
    let mut world =
        World::new(6, Options::default(), Server { size_limit: Some(300), latency: 5, ..Server::default() });
    (0..5).for_each(|_| world.add_batch(vec![false; 1_000]));
    world.run();
    world.check();
    assert!(world.sends.len() <= 2 + 5 * 4, "{} requests", world.sends.len());
}

#[test]
fn a_gateway_that_refuses_every_size_stops_the_delivery() {
    let mut world = World::new(6, Options::default(), failing(Fate::TooLarge));
    (0..5).for_each(|_| world.add_batch(vec![false; 1_000]));
    world.run();
    assert_eq!((world.cause(), world.sends.len()), (Some(Cause::Configuration), 10));
}

#[test]
fn draining_waits_for_requests_under_way_but_not_forever() {
    let mut world = delivery(Server { latency: 3_600_000, ..Server::default() });
    world.plan(SECOND, Input::Drain);
    world.run();
    assert_eq!(world.cause(), Some(Cause::Drained));
    assert!(world.now <= 31 * SECOND, "{:?}", world.now);
}
