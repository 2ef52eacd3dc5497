//! What earlier runs mean for an event of this one: whether it is sent, and if not, why.

use crate::delivery::Window;
use crate::event::EncodedEvent;
use crate::ledger::{Standing, Store};

/// How a run goes on from where earlier ones ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resume {
    /// How long an event of unknown fate may be sent again.
    pub window: Window,
    /// Events before this time, Unix seconds, may have been accepted and forgotten.
    pub forgotten_before: Option<i64>,
    /// Which events of earlier runs are sent again.
    pub again: Again,
}

/// Which events that earlier runs offered are sent again, besides those that may not have arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Again {
    /// None.
    #[default]
    Nothing,
    /// Those that the API refused.
    Refused,
    /// All of them, even where they count twice.
    Everything,
}

/// What becomes of an event because of what is on record about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// It is sent.
    Send,
    /// It is sent again, as TikTok would drop a copy of what was first sent at this time.
    Repeat {
        /// Unix seconds.
        first_attempt: i64,
    },
    /// It was accepted.
    Accepted,
    /// The API refused the same content.
    Refused {
        /// Its code.
        code: i64,
    },
    /// It may have been accepted, and a copy may count.
    Held,
    /// It is so old that the ledger may have forgotten it.
    Forgotten,
    /// It is so old that a copy of what a browser sent may count.
    Overlapping,
}

/// The record of earlier runs, as one pass over the rows sees it.
pub(super) struct Past<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) resume: Resume,
    /// Unix seconds.
    pub(super) now: i64,
}

impl Past<'_> {
    /// What earlier runs left on record about the event.
    pub(super) fn standing(&self, event: &EncodedEvent) -> Standing {
        self.store.standing(&event.key)
    }

    /// What that means for it.
    pub(super) fn course(&self, event: &EncodedEvent, standing: Standing) -> Course {
        let Resume { window, forgotten_before, again } = self.resume;
        match standing {
            Standing::Unknown => {}
            _ if again == Again::Everything => {}
            Standing::Accepted => return Course::Accepted,
            Standing::Held { .. } => return Course::Held,
            Standing::InDoubt { first_attempt } => {
                let is_open = window.is_open(self.now, first_attempt, event.time);
                return if is_open { Course::Repeat { first_attempt } } else { Course::Held };
            }
            Standing::Rejected { code, payload } if payload == event.payload && again == Again::Nothing => {
                return Course::Refused { code };
            }
            Standing::Rejected { .. } => {}
        }
        if forgotten_before.is_some_and(|before| event.time < before) {
            Course::Forgotten
        } else if window.admits(self.now, event.time) {
            Course::Send
        } else {
            Course::Overlapping
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::contract::EventSource;
    use crate::event::{Batch, Destination, EventKey, Outcome, Refusal};
    use crate::ledger::Model;

    const HOUR: i64 = 3_600;

    fn event(payload: u64, time: i64) -> EncodedEvent {
        EncodedEvent { key: EventKey::from([1; 16]), span: 0..0, time, row: 0, payload }
    }

    /// A ledger in which the event with the payload 5 was offered at 100 hours, and ended as `outcome`.
    fn after(outcome: Outcome) -> Model {
        let model = Model::with_clock([0; 32], Arc::new(|| 100 * HOUR));
        let destination = Destination { event_source: EventSource::Offline, event_source_id: "1".into() };
        let events: Arc<[EncodedEvent]> = [event(5, 0)].into();
        let batch = Batch { destination, head: Bytes::new(), json: Bytes::new(), events, range: 0..1 };
        let ticket = model.prepare(&batch).unwrap();
        model.settle(ticket, &[outcome]).unwrap();
        model
    }

    fn course(store: &Model, again: Again, hours: i64, payload: u64) -> Course {
        let resume = Resume { again, ..Resume::default() };
        let (past, event) = (Past { store, resume, now: hours * HOUR }, event(payload, 0));
        past.course(&event, past.standing(&event))
    }

    fn refused() -> Outcome {
        Outcome::Rejected(Refusal { code: 40_002, field: None, request_id: None })
    }

    #[test]
    fn what_was_accepted_is_never_sent_again_unless_forced() {
        let store = after(Outcome::Accepted);
        assert_eq!(course(&store, Again::Nothing, 101, 5), Course::Accepted);
        assert_eq!(course(&store, Again::Refused, 101, 6), Course::Accepted);
        assert_eq!(course(&store, Again::Everything, 101, 5), Course::Send);
    }

    #[test]
    fn what_is_in_doubt_is_sent_again_inside_the_window_and_held_after_it() {
        let store = after(Outcome::InDoubt);
        let first_attempt = 100 * HOUR;
        assert_eq!(course(&store, Again::Nothing, 143, 5), Course::Repeat { first_attempt });
        assert_eq!(course(&store, Again::Nothing, 144, 5), Course::Held);
        assert_eq!(course(&store, Again::Refused, 144, 5), Course::Held);
        assert_eq!(course(&store, Again::Everything, 144, 5), Course::Send);
        assert_eq!(course(&after(Outcome::Held), Again::Nothing, 100, 5), Course::Held);
    }

    #[test]
    fn what_was_refused_is_sent_again_when_it_changed_or_on_demand() {
        let store = after(refused());
        assert_eq!(course(&store, Again::Nothing, 101, 5), Course::Refused { code: 40_002 });
        assert_eq!(course(&store, Again::Nothing, 101, 6), Course::Send);
        assert_eq!(course(&store, Again::Refused, 101, 5), Course::Send);
    }

    #[test]
    fn an_event_that_may_be_forgotten_or_overlap_is_not_sent() {
        let store = Model::new([0; 32]);
        let forgotten = Resume { forgotten_before: Some(HOUR), ..Resume::default() };
        let at = |resume, time| {
            let past = Past { store: &store, resume, now: 50 * HOUR };
            past.course(&event(1, time), Standing::Unknown)
        };
        assert_eq!(at(forgotten, HOUR - 1), Course::Forgotten);
        assert_eq!(at(forgotten, HOUR), Course::Send);
        let overlapping = Resume { window: Window::new(48 * HOUR, true), ..Resume::default() };
        assert_eq!(at(overlapping, 6 * HOUR), Course::Overlapping);
        assert_eq!(at(overlapping, 7 * HOUR), Course::Send);
    }
}
