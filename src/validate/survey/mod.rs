//! What a result looks like as a whole: who its events can be matched with, and whether its times can be right.
//!
//! Each batch is observed where it is judged, in parallel ([`Observed`]); the observations are added up in one place
//! ([`Survey`]), and at the end of a first pass over the rows become [`Findings`]: rules `PB32nn`, which belong to no row,
//! and the [`Readiness`].
//!
//! Invariants:
//! - memory is bounded whatever the rows are: counts, histograms with a limit, and sketches;
//! - adding is commutative, so that neither partitions nor batch sizes change what is found. The number of distinct
//!   people is an estimate within 2 % that does not depend on the order either; the most frequent identity is counted
//!   exactly up to 49,152 distinct ones, and to within a few in a hundred thousand beyond;
//! - no value leaves: identifiers are kept as 64-bit hashes, in memory only, and texts hold counts and names of columns.
//!
//! Readiness is an estimate of coverage: how many events carry something to match by, not how many TikTok matches.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datasketches::hll::{HllSketch, HllType};

use self::clock::Clock;
use self::frequent::Frequent;
pub use self::readiness::{Advice, Age, Combination, Identifier, People, Readiness};
use super::cells::Texts;
use super::faults::{Fate, Faults};
use super::instants::Reader;
use super::rows::{Judge, Policy};
use super::{Rule, rule};
use crate::contract::EventSource;
use crate::contract::fields::IDENTITY;

mod clock;
mod findings;
mod frequent;
mod readiness;

/// Columns that identify together only.
const PAIR: [&str; 2] = ["ip", "agent"];
/// What people can be matched by: the identity columns, and the last two of [`PAIR`] as one.
pub(super) const SIGNALS: usize = IDENTITY.len() + 1;
/// Identity columns of which one value is counted: those that hold digests.
const COUNTED: usize = 3;
/// Binary logarithm of the registers that estimate distinct people: a standard error of 0.8 %.
const PEOPLE_REGISTERS: u8 = 14;

/// A fault of the result as a whole, which belongs to no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// Canonical name of the column.
    pub column: &'static str,
    /// Events it speaks of.
    pub events: u64,
    /// What is wrong, in words that continue "the column …", with the evidence and without values.
    pub detail: String,
}

/// What a whole pass over the rows found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Faults of the result.
    pub faults: Vec<Finding>,
    /// How well the events can be matched.
    pub readiness: Readiness,
}

/// What one identifier of the rows looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signal {
    /// Rows with a value that can be sent.
    valid: u64,
    /// Rows with values of which none can be sent.
    invalid: u64,
    /// Rows without a value.
    absent: u64,
    /// Values that arrived plain, and can be sent.
    plain: u64,
    /// Values that arrived as digests, and can be sent.
    hashed: u64,
}

impl Signal {
    fn add(&mut self, other: &Self) {
        self.valid += other.valid;
        self.invalid += other.invalid;
        self.absent += other.absent;
        self.plain += other.plain;
        self.hashed += other.hashed;
    }
}

/// What an accepted event can be matched by.
#[derive(Clone, Copy, Debug, Default)]
struct Sign {
    /// A bit for each signal.
    signals: u16,
    /// Hashes of its first values in the counted columns; 0 for none.
    values: [u64; COUNTED],
    /// Hash of its first identifier; 0 for none.
    person: u64,
}

/// What was seen in one batch.
#[derive(Clone, Debug)]
pub struct Observed {
    signals: [Signal; SIGNALS],
    signs: Vec<Sign>,
    sources: [u64; 4],
    regionless: u64,
    returned: u16,
    unsent: Unsent,
    clock: Clock,
}

/// Rows in the window with values that their event source does not take: by column, and by event source.
type Unsent = BTreeMap<&'static str, [u64; 4]>;

/// What was seen in all batches so far.
#[derive(Clone, Debug)]
pub struct Survey {
    signals: [Signal; SIGNALS],
    /// Accepted events by the signals they carry.
    combinations: BTreeMap<u16, u64>,
    frequent: [Frequent; COUNTED],
    people: HllSketch,
    identified: u64,
    sources: [u64; 4],
    /// Phone numbers that lack a country code where no region is set.
    regionless: u64,
    /// The signals whose columns the query returns.
    returned: u16,
    unsent: Unsent,
    clock: Clock,
}

impl Default for Survey {
    fn default() -> Self {
        Self {
            signals: Default::default(),
            combinations: BTreeMap::new(),
            frequent: Default::default(),
            people: HllSketch::new(PEOPLE_REGISTERS, HllType::Hll8).expect("the number of registers is in range"),
            identified: 0,
            sources: [0; 4],
            regionless: 0,
            returned: 0,
            unsent: Unsent::new(),
            clock: Clock::default(),
        }
    }
}

impl Survey {
    /// Adds a batch. `admitted` says of each of its accepted events whether it is the first of its key: repeats of an
    /// event are one.
    pub fn add(&mut self, observed: &Observed, admitted: &[bool]) {
        self.signals.iter_mut().zip(&observed.signals).for_each(|(sum, signal)| sum.add(signal));
        self.sources.iter_mut().zip(&observed.sources).for_each(|(sum, events)| *sum += events);
        self.regionless += observed.regionless;
        self.returned |= observed.returned;
        for (column, counts) in &observed.unsent {
            let sums = self.unsent.entry(column).or_default();
            sums.iter_mut().zip(counts).for_each(|(sum, rows)| *sum += rows);
        }
        self.clock.add(&observed.clock);
        for (sign, _) in observed.signs.iter().zip(admitted).filter(|(_, is_admitted)| **is_admitted) {
            *self.combinations.entry(sign.signals).or_default() += 1;
            for (frequent, value) in self.frequent.iter_mut().zip(sign.values).filter(|(_, value)| *value != 0) {
                frequent.add(value);
            }
            if sign.person != 0 {
                self.identified += 1;
                self.people.update(sign.person);
            }
        }
    }

    /// What was found, by the policy the rows were judged by.
    #[must_use]
    pub fn conclude(&self, policy: &Policy) -> Findings {
        Findings { faults: findings::all(self, policy), readiness: readiness::of(self, policy) }
    }

    /// Accepted events.
    fn events(&self) -> u64 {
        self.combinations.values().sum()
    }

    /// Accepted events that carry a signal.
    fn carrying(&self, signal: usize) -> u64 {
        self.combinations.iter().filter(|(signals, _)| *signals & bit(signal) != 0).map(|(_, events)| events).sum()
    }
}

/// Observes a judged batch: its columns as given and as canonical, before refused rows are taken out.
pub(super) fn observe(judge: &Judge, inputs: &[ArrayRef], columns: &[ArrayRef], faults: &Faults) -> Observed {
    let sources: Vec<Option<EventSource>> = judge
        .position("event_source")
        .map(|at| columns[at].as_string_view().iter().map(|text| text.and_then(EventSource::parse)).collect())
        .unwrap_or_default();
    let fates = faults.fates();
    let mut observed = Observed {
        signals: Default::default(),
        signs: Vec::new(),
        sources: [0; 4],
        regionless: faults.count("PB3103"),
        returned: 0,
        unsent: unsent(judge, inputs, &sources, fates),
        clock: Clock::default(),
    };
    let mut signs = vec![Sign::default(); fates.len()];
    let column = |name: &str| {
        let at = judge.position(name)?;
        let output = &judge.outputs[at];
        let given = &inputs[output.input?];
        Some((Texts::of(given), Texts::of(&columns[at])?, output.takes))
    };
    for (signal, name) in IDENTITY.iter().enumerate() {
        let Some((given, canonical, takes)) = column(name) else { continue };
        observed.returned |= bit(signal);
        for (row, source) in sources.iter().enumerate() {
            let is_judged = fates[row] != Fate::OutOfWindow && source.is_some_and(|source| takes[source as usize]);
            if is_judged {
                let counts = &mut observed.signals[signal];
                see(signal, &Values { given: given.as_ref(), canonical: &canonical, row }, counts, &mut signs[row]);
            }
        }
    }
    if let [Some((ips, ip, takes)), Some((agents, agent, _))] = PAIR.map(column) {
        let signal = SIGNALS - 1;
        observed.returned |= bit(signal);
        let has = |texts: Option<&Texts<'_>>, row| texts.is_some_and(|texts| texts.row(row).next().is_some());
        for (row, source) in sources.iter().enumerate() {
            if fates[row] == Fate::OutOfWindow || !source.is_some_and(|source| takes[source as usize]) {
                continue;
            }
            let counts = &mut observed.signals[signal];
            if has(Some(&ip), row) && has(Some(&agent), row) {
                counts.valid += 1;
                signs[row].signals |= bit(signal);
            } else if has(ips.as_ref(), row) && has(agents.as_ref(), row) {
                counts.invalid += 1;
            } else {
                counts.absent += 1;
            }
        }
    }
    for (row, sign) in signs.into_iter().enumerate().filter(|(row, _)| fates[*row] == Fate::Accepted) {
        observed.signs.push(sign);
        if let Some(source) = sources[row] {
            observed.sources[source as usize] += 1;
        }
    }
    let times = judge.output("timestamp").and_then(|output| output.input).and_then(|input| Reader::of(&inputs[input]));
    if let (Some(reader), Some(at)) = (times, judge.position("timestamp")) {
        observed.clock = clock::observe(&reader, columns[at].as_primitive(), fates, &judge.policy, judge.gaps());
    }
    observed
}

/// Counts values of rows in the window that are left out, because the row's event source does not take the field.
fn unsent(judge: &Judge, inputs: &[ArrayRef], sources: &[Option<EventSource>], fates: &[Fate]) -> Unsent {
    let mut unsent = Unsent::new();
    for output in &judge.outputs {
        let Some((field, input)) = output.field.zip(output.input) else { continue };
        // A choice that has no effect has a rule of its own.
        if output.takes == [true; 4] || field.column == "limited_data_use" {
            continue;
        }
        let given = &inputs[input];
        let texts = Texts::of(given);
        let is_given = |row: usize| match &texts {
            Some(texts) => texts.row(row).next().is_some(),
            None => given.is_valid(row),
        };
        for (row, source) in sources.iter().enumerate() {
            let Some(source) = source.filter(|source| !output.takes[*source as usize]) else { continue };
            if fates[row] != Fate::OutOfWindow && is_given(row) {
                unsent.entry(field.column).or_default()[source as usize] += 1;
            }
        }
    }
    unsent
}

/// The values of one identifier in one row.
struct Values<'a> {
    /// None for a column that holds no text.
    given: Option<&'a Texts<'a>>,
    canonical: &'a Texts<'a>,
    row: usize,
}

/// Counts the values, and notes in `sign` that the row carries `signal`.
fn see(signal: usize, values: &Values<'_>, counts: &mut Signal, sign: &mut Sign) {
    let given = || values.given.into_iter().flat_map(|texts| texts.row(values.row));
    let mut sent = values.canonical.row(values.row).peekable();
    let Some(first) = sent.peek() else {
        *(if given().next().is_some() { &mut counts.invalid } else { &mut counts.absent }) += 1;
        return;
    };
    counts.valid += 1;
    let first = hash(first);
    sign.signals |= bit(signal);
    if signal < COUNTED {
        sign.values[signal] = first;
        for digest in sent {
            let is_given = given().any(|text| text.trim().eq_ignore_ascii_case(digest));
            *(if is_given { &mut counts.hashed } else { &mut counts.plain }) += 1;
        }
    }
    if sign.person == 0 {
        sign.person = first;
    }
}

/// A number for a value; 0 stands for none.
fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish().max(1)
}

const fn bit(signal: usize) -> u16 {
    1 << signal
}

/// The columns of a signal.
fn names(signal: usize) -> &'static [&'static str] {
    if signal < IDENTITY.len() { &IDENTITY[signal..=signal] } else { &PAIR }
}

fn find(code: &str) -> &'static Rule {
    rule(code).expect("a code that judges results is in the table")
}

#[cfg(test)]
mod tests;
