//! The real binary, killed wherever the outside can see where it is, and at random times; run again until it ends; and
//! compared with what a server counted that de-duplicates as TikTok does.
//!
//! A hundred kills are in the gate. `POSTBACK_KILLS=5000 cargo test --test it crash::` makes more of them, and
//! `POSTBACK_KILL_SEED=17` repeats one history: the seed is in the message of a failure.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::history::{History, Kill, REFERENCE, Sight};
use crate::receiver::Moment;

const KILLS: usize = 100;
const KILLS_VARIABLE: &str = "POSTBACK_KILLS";
const SEED_VARIABLE: &str = "POSTBACK_KILL_SEED";
/// Most kills of one history.
const IN_A_ROW: u64 = 6;
/// Histories at the same time: a run waits more than it works.
const AT_ONCE: usize = 3;

const MOMENTS: [Moment; 7] = [
    Moment::Connected,
    Moment::Head,
    Moment::HalfBody,
    Moment::WholeBody,
    Moment::Processed,
    Moment::HalfAnswer,
    Moment::WholeAnswer,
];
const SIGHTS: [Sight; 6] =
    [Sight::Run, Sight::Lock, Sight::Database, Sight::Log(40_000), Sight::Artifacts, Sight::Results];

/// Random numbers from a seed: `SplitMix64`.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

fn kill(random: &mut Random) -> Kill {
    match random.below(10) {
        0..4 => Kill::At {
            moment: random.one(&MOMENTS),
            number: usize::try_from(random.below(6)).unwrap(),
            forgets: random.below(2) == 0,
        },
        4 => Kill::Last { moment: random.one(&MOMENTS[3..]) },
        5 => Kill::Seen(random.one(&SIGHTS)),
        6 => Kill::Seen(Sight::Log(random.below(60) * 4_120)),
        _ => {
            let most = u64::try_from(REFERENCE.took.as_micros()).unwrap() * 5 / 4;
            Kill::After(Duration::from_micros(random.below(most)))
        }
    }
}

/// Runs the query under kills, then to its end, and gives how many kills struck.
fn meet(kills: &[Kill], wait: Duration, name: &str) -> usize {
    let mut history = History::new(wait);
    let mut struck = 0;
    for kill in kills {
        let ended = history.run(Some(kill));
        match ended.code {
            None => struck += 1,
            Some(code) => assert_eq!(code, 0, "{name}, before {kill:?}: {}", ended.stderr),
        }
    }
    let last = history.run(None);
    history.check(&last, name);
    let again = history.run(None);
    assert_eq!((again.code, again.count("accepted")), (Some(0), 0), "{name}: {again:?}");
    history.check(&again, name);
    struck
}

/// The history of a seed.
fn live(seed: u64) -> usize {
    let mut random = Random(seed);
    let wait = Duration::from_millis(random.one(&[0, 2, 8]));
    let kills: Vec<Kill> = (0..=random.below(IN_A_ROW)).map(|_| kill(&mut random)).collect();
    meet(&kills, wait, &format!("{SEED_VARIABLE}={seed}, {kills:?}"))
}

#[test]
fn a_run_killed_at_any_step_loses_nothing_and_counts_nothing_twice() {
    let named = |kill: Kill| (format!("{kill:?}"), [kill]);
    let at = |moment| [0, 3].map(|number| named(Kill::At { moment, number, forgets: number == 0 }));
    let steps: BTreeMap<String, [Kill; 1]> = MOMENTS
        .into_iter()
        .flat_map(at)
        .chain(MOMENTS[3..].iter().map(|moment| named(Kill::Last { moment: *moment })))
        .chain(SIGHTS.map(|sight| named(Kill::Seen(sight))))
        .collect();
    let missed = Mutex::new(Vec::new());
    let steps = Mutex::new(steps.into_iter());
    side_by_side(|| {
        loop {
            let Some((name, kills)) = steps.lock().unwrap().next() else { return };
            if meet(&kills, Duration::from_millis(2), &name) == 0 {
                missed.lock().unwrap().push(name);
            }
        }
    });
    assert_eq!(missed.into_inner().unwrap(), Vec::<String>::new(), "these were over before they could be killed");
}

#[test]
fn runs_killed_at_random_lose_nothing_and_count_nothing_twice() {
    let number = |variable| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number(SEED_VARIABLE) {
        live(seed);
        return;
    }
    let wanted = number(KILLS_VARIABLE).map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    let (seeds, struck) = (AtomicU64::new(0), AtomicUsize::new(0));
    side_by_side(|| {
        while struck.load(Ordering::Relaxed) < wanted {
            struck.fetch_add(live(seeds.fetch_add(1, Ordering::Relaxed)), Ordering::Relaxed);
        }
    });
}

fn side_by_side(work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(&work);
        }
    });
}
