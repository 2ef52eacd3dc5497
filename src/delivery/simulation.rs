//! Histories of deliveries, made from seeds: a server that counts like TikTok, faults of every kind, a virtual clock, and
//! a process that dies between any two commands.
//!
//! Checked at every step: nothing is sent without an intent, after a stop or once copies may count; no event is in two
//! requests at once, and none in one after its acknowledgement; no more requests are under way, and no more batches without an end, than allowed; what the ledger
//! learns is what happened. Checked at the end: every event has one end or is known to have none yet, and the number
//! of requests is bounded. What a history leaves unsent or in doubt, the next run delivers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use self::world::{Breakage, Server, World, answer};
use super::protocol::{Command, Input, Protocol};
use super::response::{Fate, Grounds};
use super::{Cause, Options};
use crate::event::Outcome;

mod random;
mod world;

/// Histories in the normal gate; the environment variable asks for more.
const SEEDS: u64 = 20_000;
const SEEDS_VARIABLE: &str = "POSTBACK_SIMULATION_SEEDS";

const SECOND: Duration = Duration::from_secs(1);

fn seeds() -> u64 {
    std::env::var(SEEDS_VARIABLE).ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

#[test]
fn no_history_loses_or_double_counts_an_event() {
    let mut causes: BTreeMap<Option<String>, u64> = BTreeMap::new();
    let mut crashes = 0;
    for seed in 0..seeds() {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::from_seed(seed);
            world.run();
            world.check();
            let cause = world.cause();
            world.recover();
            (cause, world.crashes)
        });
        match outcome {
            Ok((cause, died)) => {
                *causes.entry(cause.map(|cause| format!("{cause:?}"))).or_default() += 1;
                crashes += died;
            }
            Err(panic) => {
                eprintln!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(crashes * 4 > seeds(), "{crashes} crashes");
    assert!(causes[&None] * 2 > causes.values().sum(), "most histories end well: {causes:?}");
    for cause in [
        Cause::Credentials,
        Cause::Configuration,
        Cause::TooLarge,
        Cause::Unreachable,
        Cause::Garbled,
        Cause::Ledger,
        Cause::Drained,
    ] {
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
    world.window = Some(60);
    world.run();
    assert_eq!(world.cause(), None);
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

/// A protocol whose batches are on record at once, and whose ends are when a test says so.
struct Unended {
    protocol: Protocol,
    now: Duration,
    entered: u64,
    in_flight: VecDeque<u64>,
}

impl Unended {
    fn step(&mut self, input: Input) {
        self.now += Duration::from_millis(20);
        let mut commands = Vec::new();
        self.protocol.step(self.now, 0, input, &mut commands);
        self.in_flight.extend(commands.into_iter().filter_map(|command| match command {
            Command::Send { request, .. } => Some(request),
            _ => None,
        }));
    }

    fn fill(&mut self) {
        while self.protocol.wants_batch() {
            self.entered += 1;
            self.step(Input::Offered { batch: self.entered, events: 1, destination: 0 });
            self.step(Input::Recorded { batch: self.entered, attempted: false });
        }
    }

    fn accept_one(&mut self) {
        let request = self.in_flight.pop_front().expect("a request is under way");
        self.step(Input::Answered { request, answer: answer(Fate::Accepted) });
    }
}

#[test]
fn ends_on_their_way_to_the_disk_hold_up_no_batch_and_the_last_is_awaited() {
    let protocol = Protocol::new(&Options { concurrency: 4, ..Options::default() });
    let mut world = Unended { protocol, now: SECOND, entered: 0, in_flight: VecDeque::new() };
    world.fill();
    for ends in 1..=4 {
        assert!(!world.protocol.is_starved());
        world.accept_one();
        // Two batches are taken while the ends of two others are written; then a crash would leave too many in doubt.
        assert_eq!(world.protocol.wants_batch(), ends <= 2, "{ends} ends");
        world.fill();
    }
    assert_eq!((world.entered, world.in_flight.len()), (8, 4), "the queue has lasted so far");
    world.accept_one();
    assert!(world.protocol.is_starved(), "nothing is left to send");

    (0..5).for_each(|_| world.step(Input::Settled));
    world.step(Input::Closed);
    while !world.in_flight.is_empty() {
        assert!(!world.protocol.is_starved());
        world.accept_one();
    }
    assert!(world.protocol.is_starved(), "the last end is all that is left");
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
fn one_bad_event_in_a_thousand_costs_at_most_22_requests_more() {
    for (hint_percent, right_hint_percent, most) in [(0, 0, 21), (100, 0, 22), (100, 100, 3)] {
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

/// A delivery of 20 batches of so many events to a server that breaks after ten requests.
fn breaking(concurrency: u16, events: usize, breakage: Breakage) -> World {
    let server = Server { breaks: Some((10, breakage)), latency: 5, ..Server::default() };
    let mut world = World::new(5, Options { concurrency, ..Options::default() }, server);
    (0..2_000 / events).for_each(|_| world.add_batch(vec![false; events]));
    world.run();
    assert_eq!(world.cause(), Some(Cause::Configuration));
    world
}

fn rejected(world: &World) -> usize {
    world.settled.values().flatten().filter(|outcome| matches!(outcome, Outcome::Rejected(_))).count()
}

#[test]
fn a_fault_of_the_whole_request_in_the_middle_costs_three_requests_more_and_rejects_nobody() {
    let world = breaking(1, 100, Breakage::SameWords);
    assert_eq!((world.sends.len(), rejected(&world)), (10 + 4, 0));
    // At most so many are under way, and each of them may be refused three times more.
    let world = breaking(32, 100, Breakage::SameWords);
    assert!(world.sends.len() <= 10 + 4 * 10 && rejected(&world) == 0, "{} requests", world.sends.len());
}

#[test]
fn a_fault_of_the_whole_request_in_ever_other_words_is_known_after_32_events() {
    for (breakage, most) in [(Breakage::OtherWords, 64 + 2 * 7), (Breakage::Named, 64), (Breakage::Page, 7 + 2 * 4)] {
        let world = breaking(1, 100, breakage);
        assert!(world.sends.len() <= 10 + most, "{} requests", world.sends.len());
        assert_eq!(rejected(&world), 0);
        assert_eq!(rejected(&breaking(32, 100, breakage)), 0);
        // What is on record already stays; there are two destinations.
        let world = breaking(1, 1, breakage);
        assert!(world.sends.len() <= 10 + 31 + 32 && rejected(&world) <= 2 * 31, "{} requests", world.sends.len());
    }
}

#[test]
fn a_list_that_counts_from_one_rejects_no_neighbour() {
    for position in [0, 3, 7] {
        let server = Server { partial: true, counts_from: 1, latency: 5, ..Server::default() };
        let mut world = World::new(position, Options::default(), server);
        world.add_batch((0..8).map(|event| event == position).collect());
        world.run();
        world.check();
        assert_eq!((world.cause(), world.received.len(), rejected(&world)), (None, 7, 1));
    }
}

#[test]
fn a_size_the_api_refuses_is_learnt_once() {
    let mut world =
        World::new(6, Options::default(), Server { size_limit: Some(300), latency: 5, ..Server::default() });
    (0..30).for_each(|_| world.add_batch(vec![false; 1_000]));
    world.run();
    world.check();
    // Three refusals a batch for the few that were under way before it was learnt.
    assert!(world.sends.len() <= 30 * 4 + 6 * 3, "{} requests", world.sends.len());
}

#[test]
fn a_gateway_that_refuses_every_size_stops_the_delivery() {
    for (size_limit, is_guarded, cause) in [(Some(0), false, Cause::TooLarge), (None, true, Cause::Configuration)] {
        let server = Server { size_limit, is_guarded, latency: 5, ..Server::default() };
        let mut world = World::new(6, Options::default(), server);
        (0..5).for_each(|_| world.add_batch(vec![true; 1_000]));
        world.run();
        assert_eq!((world.cause(), world.sends.len()), (Some(cause), 16));
        assert!(world.settled.values().flatten().all(|outcome| *outcome == Outcome::Unsent));
    }
}

#[test]
fn a_server_that_takes_nothing_rejects_no_event_however_few_there_are() {
    for events in [1, 2, 3, 4, 5, 9] {
        for batches in [1, 2, 40] {
            let server = Server { size_limit: Some(0), latency: 5, ..Server::default() };
            let mut world = World::new(6, Options::default(), server);
            (0..batches).for_each(|_| world.add_batch(vec![false; events]));
            world.run();
            world.check();
            assert_eq!((world.cause(), rejected(&world)), (Some(Cause::TooLarge), 0), "{events} events");
        }
    }
}

#[test]
fn an_event_beyond_the_limit_is_rejected_wherever_it_stands() {
    for events in [2, 3, 8, 100] {
        for position in [0, 1, events / 2, events - 1] {
            // Two more batches: the first alone may hold nothing that is accepted.
            for first in [vec![true], vec![false; 3]] {
                let server = Server { is_guarded: true, latency: 5, ..Server::default() };
                let mut world = World::new(6, Options { concurrency: 1, ..Options::default() }, server);
                let bad = first.iter().filter(|bad| **bad).count() + 1;
                world.add_batch(first);
                world.add_batch((0..events).map(|event| event == position).collect());
                world.add_batch(vec![false; 2]);
                world.run();
                world.check();
                assert_eq!((world.cause(), rejected(&world)), (None, bad), "{position} of {events}");
            }
        }
    }
}

#[test]
fn a_sound_event_that_the_api_names_is_sent_once() {
    for events in [2_usize, 3, 8, 50, 950] {
        for position in [0, 1, events / 3, events - 1] {
            for right_hint_percent in [0, 50] {
                let server = Server { hint_percent: 100, right_hint_percent, latency: 5, ..Server::default() };
                let mut world = World::new(position as u64, Options::default(), server);
                world.add_batch((0..events).map(|event| event == position).collect());
                world.run();
                world.check();
                assert_eq!((world.cause(), world.received.len(), rejected(&world)), (None, events - 1, 1));
            }
        }
    }
}

#[test]
fn draining_waits_for_requests_under_way_but_not_forever() {
    let mut world = delivery(Server { latency: 3_600_000, ..Server::default() });
    world.plan(SECOND, Input::Drain);
    world.run();
    assert_eq!(world.cause(), Some(Cause::Drained));
    assert!(world.now < 32 * SECOND, "{:?}", world.now);
}

#[test]
fn what_is_refused_before_the_api_shrinks_no_other_request() {
    for (concurrency, bad) in [(1, 0), (1, 500), (1, 999), (32, 0), (32, 500), (32, 999)] {
        let server = Server { is_guarded: true, latency: 5, ..Server::default() };
        let mut world = World::new(7, Options { concurrency, ..Options::default() }, server);
        for batch in 0..60 {
            world.add_batch((0..1_000).map(|event| batch == 20 && event == bad).collect());
        }
        world.run();
        world.check();
        assert_eq!((world.cause(), world.received.len()), (None, 59_999));
        assert!(world.sends.len() <= 60 + 21, "{} requests", world.sends.len());
    }
}

#[test]
fn a_refusal_that_may_be_a_fault_leaves_doubt_until_it_is_believed() {
    let refused = Fate::Refused { hint: None, wording: 7, patience: 3 };
    let mut world = World::new(8, Options::default(), failing(refused));
    world.add_batch(vec![false; 10]);
    while world.sends.is_empty() || !world.in_flight.is_empty() {
        world.advance();
    }
    world.plan(Duration::ZERO, Input::Drain);
    world.run();
    assert!(world.settled.values().flatten().all(|outcome| *outcome == Outcome::InDoubt));
}

#[test]
fn a_refusal_shows_that_requests_get_through_again() {
    // Throttled, refused for minutes, throttled again: that is the limit of a second twice, not that of a minute.
    let throttled = Server { faults: 1, latency: 40_000, ..failing(Fate::Throttled { retry_after: None }) };
    let mut world = World::new(9, Options { concurrency: 1, ..Options::default() }, throttled);
    (0..20).for_each(|_| world.add_batch(vec![true]));
    while world.now < 120 * SECOND {
        world.advance();
    }
    world.server.faults = 1;
    world.run();
    world.check();
    assert_eq!((world.cause(), world.protocol.counts().throttles), (None, 2));
    assert!(world.protocol.counts().throttled < 10 * SECOND, "{:?}", world.protocol.counts());
}
