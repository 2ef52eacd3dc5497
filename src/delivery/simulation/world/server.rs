//! The server: how it behaves, what it takes in, and what it answers.

use super::record::key;
use super::{Event, SECOND, World};
use crate::api::{RawResponse, TransportKind};
use crate::delivery::response::{Answer, Fate, Grounds, classify};
use crate::ledger::Store;

/// How the server behaves.
#[derive(Clone, Default)]
pub(in super::super) struct Server {
    pub(in super::super) fault_percent: u64,
    /// Faults it still has.
    pub(in super::super) faults: u64,
    pub(in super::super) faulted: u64,
    pub(in super::super) fixed_fault: Option<Answer>,
    pub(in super::super) garbled_percent: u64,
    pub(in super::super) hint_percent: u64,
    pub(in super::super) right_hint_percent: u64,
    pub(in super::super) same_words: bool,
    pub(in super::super) partial: bool,
    /// The position by which lists of failed events call the first.
    pub(in super::super) counts_from: usize,
    /// How it refuses whatever it gets after so many requests.
    pub(in super::super) breaks: Option<(usize, Breakage)>,
    pub(in super::super) size_limit: Option<usize>,
    /// Whether something before the API refuses what holds a bad event, as if it were too large.
    pub(in super::super) is_guarded: bool,
    pub(in super::super) patience: u8,
    pub(in super::super) latency: u64,
    /// Of the intents, and of the outcomes.
    pub(in super::super) fails_to_record_percent: u64,
    pub(in super::super) fails_to_settle_percent: u64,
}

/// How a server refuses everything.
#[derive(Clone, Copy)]
pub(in super::super) enum Breakage {
    /// In the same words each time.
    SameWords,
    /// In other words each time.
    OtherWords,
    /// By naming the first event of each request.
    Named,
    /// By a page of something before the API.
    Page,
}

pub(in super::super) fn answer(fate: Fate) -> Answer {
    let transport =
        matches!(fate, Fate::Unwritten | Fate::Doubtful { garbled: false }).then_some(TransportKind::Timeout);
    let status = transport.is_none().then_some(200);
    Answer { status, transport, ..Answer::of(fate) }
}

/// What becomes of a body under HTTP 200 that answers a request of `events` events.
fn judged(body: String, events: usize) -> Answer {
    let head = RawResponse {
        status: 200,
        body: body.into(),
        retry_after: None,
        date: None,
        is_premature: false,
        log_id: None,
    };
    classify(&Ok(head), events)
}

impl World {
    pub(super) fn serve(&mut self, events: &[Event]) -> Answer {
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
                8..12 => {
                    self.receive(events, &bad);
                    doubt
                }
                // An answer that nobody knows, whether all were taken in or not.
                12..14 => {
                    self.receive(events, &bad);
                    return self.unheard_of(events.len());
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
            let status = is_too_large.then_some(413).or(Some(403));
            return Answer { status, ..answer(Fate::TooLarge) };
        }
        self.receive(events, &bad);
        if bad.is_empty() {
            return self.success(events.len());
        }
        if self.server.partial {
            let called = |position: &usize| (position + self.server.counts_from) % events.len();
            return self.partial(&bad.iter().map(called).collect::<Vec<_>>(), events.len());
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

    /// All were accepted, in one of the ways in which the API says so.
    fn success(&mut self, events: usize) -> Answer {
        let rest = match self.random.below(5) {
            0 => String::new(),
            1 => r#","data":null"#.to_owned(),
            2 => r#","message":"OK","data":{}"#.to_owned(),
            3 => r#","data":{"partial_failure":false,"failed_events":[]}"#.to_owned(),
            _ => format!(r#","data":{{"success_count":{events},"fail_count":0}}"#),
        };
        let answer = judged(format!(r#"{{"code":0{rest}}}"#), events);
        assert_eq!(answer.fate, Fate::Accepted, "{rest}");
        answer
    }

    /// Some were not accepted: an answer that says so, and calls them by these positions, or by none.
    fn partial(&mut self, called: &[usize], events: usize) -> Answer {
        let list = |position: &str| {
            let items: Vec<String> = called.iter().map(|called| format!(r#"{{"{position}":{called}}}"#)).collect();
            items.join(",")
        };
        let (index, order) = (list("index"), list("order_in_batch"));
        let (code, data) = match self.random.below(8) {
            0 | 1 => (20_001, "{}".to_owned()),
            2 => (20_001, format!(r#"{{"errors":[{index}]}}"#)),
            3 => (20_001, format!(r#"{{"failed_events":[{order}]}}"#)),
            4 => (0, format!(r#"{{"partial_failure":true,"failed_events":[{order}]}}"#)),
            5 => (0, format!(r#"{{"failed_rows":[{index}]}}"#)),
            6 => (0, r#"{"partial_failure":true}"#.to_owned()),
            _ => (0, format!(r#"{{"fail_count":{}}}"#, called.len())),
        };
        let answer = judged(format!(r#"{{"code":{code},"data":{data}}}"#), events);
        assert!(matches!(answer.fate, Fate::Partial(_) | Fate::Unsplit), "{data}");
        answer
    }

    /// Code 0, and something that may mean that some were not accepted.
    fn unheard_of(&mut self, events: usize) -> Answer {
        let data = match self.random.below(5) {
            0 => r#"{"results":[{"ok":false}]}"#.to_owned(),
            1 => r#"[{"index":0}]"#.to_owned(),
            2 => r#""partial""#.to_owned(),
            3 => r#"{"partial_failure":"true"}"#.to_owned(),
            _ => format!(r#"{{"success_count":{}}}"#, events + 1),
        };
        let answer = judged(format!(r#"{{"code":0,"data":{data}}}"#), events);
        assert_eq!(answer.fate, Fate::Doubtful { garbled: true }, "{data}");
        answer
    }
}
