//! Everything the sandbox remembers: exact counts and de-duplication keys of all events, details of the last ones.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::dedup::{Arrival, Seen};
use super::json::Json;
use super::judge::{Event, Refusal, Warnings};
use super::rules;
use super::snapshot::{Amount, Duplicate, EventCount, RefusalCount, RequestLine, Snapshot, WarningCount};
use crate::contract::EventSource;
use crate::event::EventKey;

/// Requests shown.
const RECENT_REQUESTS: usize = 200;
/// Events kept with their JSON, unless all are.
const RECENT_EVENTS: usize = 2_000;
/// Bytes of JSON kept, unless all is.
const RECENT_BYTES: usize = 8 << 20;
/// Repeats shown.
const RECENT_DUPLICATES: usize = 50;
/// Distinct event names, refusals, warnings and currencies told apart; further ones go uncounted in the lists.
const DISTINCT: usize = 500;
/// Seconds of activity shown.
const ACTIVITY_SECONDS: usize = 60;
/// Whole seconds that the rate is a mean of.
const RATE_SECONDS: usize = 5;

/// An accepted request on its way into the record.
pub(crate) struct Acceptance<'a> {
    pub source: EventSource,
    /// `{"event_source":…` up to where an event's own keys begin, without a comma.
    pub head: Arc<str>,
    pub events: &'a [Event<'a>],
    /// One for each event; none for an event without an id.
    pub keys: &'a [Option<EventKey>],
    /// Events of the request that are not taken.
    pub left_out: u64,
    pub warnings: Warnings,
}

/// The memory of a sandbox.
#[derive(Default)]
pub(crate) struct Record {
    totals: Snapshot,
    seen: Seen,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// Sequence number of the first kept event; `totals.unique` is that of the next.
    first_kept: u64,
    keep_all: bool,
    recent: VecDeque<RequestLine>,
    refusals: BTreeMap<(i64, String), u64>,
    warnings: Warnings,
    duplicates: VecDeque<Duplicate>,
    activity: Activity,
}

/// An event that counts, as it was sent or as merged.
struct Kept {
    head: Arc<str>,
    text: Box<str>,
}

impl Record {
    pub(crate) fn new(keep_all: bool) -> Self {
        Self { keep_all, ..Self::default() }
    }

    /// Notes a request that was taken, answered at `now` and `since_start`.
    pub(crate) fn accept(
        &mut self,
        mut line: RequestLine,
        acceptance: Acceptance<'_>,
        now: i64,
        since_start: Duration,
    ) {
        let first_of_request = self.totals.unique;
        for (event, key) in acceptance.events.iter().zip(acceptance.keys) {
            let arrival = key.map_or(Arrival::First, |key| self.seen.arrive(key, now, self.totals.unique));
            let sequence = match arrival {
                Arrival::First => {
                    self.count(acceptance.source, event, arrival);
                    self.keep(Kept { head: acceptance.head.clone(), text: one_line(event.text) });
                    continue;
                }
                Arrival::Merge(sequence) | Arrival::Drop(sequence) => u64::from(sequence),
            };
            self.count(acceptance.source, event, arrival);
            line.repeats += 1;
            if sequence >= first_of_request {
                *self.warnings.entry((66, "event_id".into())).or_default() += 1;
            }
            let is_merged = matches!(arrival, Arrival::Merge(_));
            let filled = if is_merged { self.merge(sequence, event.text) } else { Vec::new() };
            push_bounded(
                &mut self.duplicates,
                RECENT_DUPLICATES,
                Duplicate {
                    at: now,
                    event_source_id: line.event_source_id.clone(),
                    event: clip(&event.name),
                    event_id: event.id.as_deref().map(clip).unwrap_or_default(),
                    outcome: if is_merged { "merged" } else { "dropped" },
                    filled,
                },
            );
        }
        for (finding, count) in acceptance.warnings {
            if self.warnings.len() < DISTINCT || self.warnings.contains_key(&finding) {
                *self.warnings.entry(finding).or_default() += count;
            }
        }
        self.activity.add(since_start, line.events.saturating_sub(acceptance.left_out));
        self.totals.requests += 1;
        self.totals.arrived += line.events;
        self.totals.refused += acceptance.left_out;
        push_bounded(&mut self.recent, RECENT_REQUESTS, line);
    }

    /// Notes a request that a fault kept from being judged.
    pub(crate) fn lose(&mut self, line: RequestLine) {
        self.totals.requests += 1;
        self.totals.refused_requests += 1;
        self.totals.arrived += line.events;
        self.totals.refused += line.events;
        push_bounded(&mut self.recent, RECENT_REQUESTS, line);
    }

    /// Notes a request that was refused.
    pub(crate) fn refuse(&mut self, line: RequestLine, refusal: &Refusal) {
        let same = (refusal.code, refusal.pattern.clone());
        if self.refusals.len() < DISTINCT || self.refusals.contains_key(&same) {
            *self.refusals.entry(same).or_default() += 1;
        }
        self.lose(line);
    }

    /// The numbers, `since_start` being now.
    pub(crate) fn snapshot(&self, since_start: Duration) -> Snapshot {
        let activity = self.activity.until(since_start);
        let whole = &activity[ACTIVITY_SECONDS - 1 - RATE_SECONDS..ACTIVITY_SECONDS - 1];
        let mut snapshot = Snapshot {
            events_per_second: whole.iter().sum::<u64>() / RATE_SECONDS as u64,
            peak_events_per_second: self.activity.peak,
            activity,
            recent: self.recent.iter().rev().cloned().collect(),
            duplicates: self.duplicates.iter().rev().cloned().collect(),
            refusals: self.refusals.iter().map(refusal_count).collect(),
            warnings: self.warnings.iter().map(warning_count).collect(),
            ..self.totals.clone()
        };
        snapshot.by_event.sort_by_key(|count| std::cmp::Reverse(count.unique + count.merged + count.dropped));
        snapshot.refusals.sort_by_key(|count| std::cmp::Reverse(count.requests));
        snapshot.warnings.sort_by_key(|count| std::cmp::Reverse(count.events));
        snapshot
    }

    /// The kept events that count, in the order of arrival, as one JSON object each.
    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = String> {
        self.kept.iter().map(|kept| {
            let rest = kept.text.strip_prefix('{').unwrap_or(&kept.text).trim_start();
            let comma = if rest.starts_with('}') { "" } else { "," };
            format!("{}{comma}{rest}", kept.head)
        })
    }

    fn count(&mut self, source: EventSource, event: &Event<'_>, arrival: Arrival) {
        let counts = &mut self.totals.by_event;
        let source = source.as_str();
        let is_same = |count: &EventCount| count.event_source == source && count.event == clipped(&event.name);
        let found = counts.iter().position(is_same).or_else(|| {
            (counts.len() < DISTINCT).then(|| {
                counts.push(EventCount { event_source: source, event: clip(&event.name), ..EventCount::default() });
                counts.len() - 1
            })
        });
        let mut uncounted = EventCount::default();
        let count = found.map_or(&mut uncounted, |index| &mut counts[index]);
        match arrival {
            Arrival::First => {
                count.unique += 1;
                self.totals.unique += 1;
                add_amount(&mut count.amounts, event);
            }
            Arrival::Merge(_) => {
                count.merged += 1;
                self.totals.merged += 1;
            }
            Arrival::Drop(_) => {
                count.dropped += 1;
                self.totals.dropped += 1;
            }
        }
    }

    fn keep(&mut self, kept: Kept) {
        self.kept_bytes += kept.text.len();
        self.kept.push_back(kept);
        let is_over = |record: &Self| record.kept.len() > RECENT_EVENTS || record.kept_bytes > RECENT_BYTES;
        while !self.keep_all && self.kept.len() > 1 && is_over(self) {
            let oldest = self.kept.pop_front().expect("more than one is kept");
            self.kept_bytes -= oldest.text.len();
            self.first_kept += 1;
        }
    }

    /// Fills in what the kept event of this number lacks; an event no longer kept is merged in number only.
    fn merge(&mut self, sequence: u64, later: &str) -> Vec<String> {
        let index = sequence.checked_sub(self.first_kept).and_then(|index| usize::try_from(index).ok());
        let Some(kept) = index.and_then(|index| self.kept.get_mut(index)) else { return Vec::new() };
        let parsed = (serde_json::from_str::<Json<'_>>(&kept.text), serde_json::from_str::<Json<'_>>(later));
        let (Ok(mut first), Ok(later)) = parsed else { return Vec::new() };
        let filled = [first.fill_in("user", &later), first.fill_in("properties", &later)].concat();
        if let (false, Ok(text)) = (filled.is_empty(), serde_json::to_string(&first)) {
            self.kept_bytes = self.kept_bytes + text.len() - kept.text.len();
            kept.text = text.into();
        }
        filled
    }
}

/// Events taken in each of the last seconds.
struct Activity {
    seconds: [u64; ACTIVITY_SECONDS],
    /// Number of the second that was written last.
    last: u64,
    peak: u64,
}

impl Default for Activity {
    fn default() -> Self {
        Self { seconds: [0; ACTIVITY_SECONDS], last: 0, peak: 0 }
    }
}

impl Activity {
    fn add(&mut self, since_start: Duration, events: u64) {
        let second = since_start.as_secs().max(self.last);
        for skipped in (self.last + 1..=second).take(ACTIVITY_SECONDS) {
            self.seconds[slot(skipped)] = 0;
        }
        if second - self.last >= ACTIVITY_SECONDS as u64 {
            self.seconds = [0; ACTIVITY_SECONDS];
        }
        self.last = second;
        self.seconds[slot(second)] += events;
        self.peak = self.peak.max(self.seconds[slot(second)]);
    }

    fn until(&self, since_start: Duration) -> Vec<u64> {
        let now = since_start.as_secs().max(self.last);
        let is_known = |second: u64| second <= self.last && self.last - second < ACTIVITY_SECONDS as u64;
        let ages = (0..ACTIVITY_SECONDS as u64).rev();
        ages.map(|age| now.checked_sub(age).filter(|second| is_known(*second)).map_or(0, |s| self.seconds[slot(s)]))
            .collect()
    }
}

fn slot(second: u64) -> usize {
    usize::try_from(second % ACTIVITY_SECONDS as u64).expect("a remainder of sixty fits")
}

fn add_amount(amounts: &mut Vec<Amount>, event: &Event<'_>) {
    let Some((currency, value)) = &event.amount else { return };
    let currency = clipped(currency);
    match amounts.iter().position(|amount| amount.currency == currency) {
        Some(index) => amounts[index].total += value,
        None if amounts.len() < DISTINCT => amounts.push(Amount { currency: currency.to_owned(), total: *value }),
        None => {}
    }
}

fn refusal_count(((code, message), requests): (&(i64, String), &u64)) -> RefusalCount {
    RefusalCount { code: *code, message: message.clone(), requests: *requests }
}

fn warning_count(((rule, path), events): (&(u8, std::borrow::Cow<'static, str>), &u64)) -> WarningCount {
    WarningCount { rule: *rule, path: clip(path), finding: rules::rule(*rule).finding, events: *events }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, limit: usize, item: T) {
    if queue.len() == limit {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// A text a sender chose, short enough to keep.
pub(crate) fn clip(text: &str) -> String {
    clipped(text).to_owned()
}

fn clipped(text: &str) -> &str {
    const LONGEST: usize = 100;
    text.char_indices().nth(LONGEST).map_or(text, |(end, _)| &text[..end])
}

/// The object without line breaks, which in JSON can only stand between tokens.
fn one_line(text: &str) -> Box<str> {
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], "").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_forgets_what_is_a_minute_old() {
        let mut activity = Activity::default();
        activity.add(Duration::from_millis(500), 3);
        activity.add(Duration::from_secs(1), 4);
        activity.add(Duration::from_millis(1_900), 5);
        assert_eq!(activity.until(Duration::from_secs(3))[56..], [3, 9, 0, 0]);
        assert_eq!(activity.until(Duration::from_mins(1)).iter().sum::<u64>(), 9);
        assert_eq!(activity.until(Duration::from_secs(500)).iter().sum::<u64>(), 0);
        activity.add(Duration::from_secs(200), 1);
        assert_eq!(activity.until(Duration::from_secs(200)).iter().sum::<u64>(), 1);
        assert_eq!(activity.peak, 9);
    }

    #[test]
    fn only_the_last_events_are_kept_unless_all_are() {
        for (keep_all, expected) in [(false, RECENT_EVENTS), (true, RECENT_EVENTS + 5)] {
            let mut record = Record::new(keep_all);
            for _ in 0..RECENT_EVENTS + 5 {
                record.keep(Kept { head: "{\"event_source\":\"web\"".into(), text: "{\"event\":\"Lead\"}".into() });
            }
            assert_eq!(record.kept.len(), expected);
            assert_eq!(record.kept_bytes, expected * 16);
        }
    }

    #[test]
    fn an_event_is_one_line_with_its_envelope_in_front() {
        let mut record = Record::new(false);
        for text in ["{\n  \"event\": \"Lead\"\r\n}", "{}"] {
            record.keep(Kept { head: "{\"event_source\":\"web\"".into(), text: one_line(text) });
        }
        let lines: Vec<_> = record.events().collect();
        assert_eq!(lines, [r#"{"event_source":"web","event": "Lead"}"#, r#"{"event_source":"web"}"#]);
    }
}
