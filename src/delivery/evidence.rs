//! What the answers have shown about a destination: whether it takes requests at all, and whether the events that it
//! refused are to blame for that.
//!
//! An event that is refused alone is at fault, or every request is, for instance since its pixel is archived. Only what
//! is accepted later tells which. So a refusal counts against its event until too many follow one another; then the
//! delivery stops, and those of the row whose batches have not ended are taken back.

/// Events refused in a row, with nothing accepted since, and nothing ever of their batches: it is not the events.
const MAX_REFUSED: usize = 32;
/// The same where something before the API refused the last one, which need not know anything of events.
const MAX_BLOCKED: usize = 4;

/// An event that was refused alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    /// Its batch.
    pub(super) batch: u64,
    /// Its place in the batch.
    pub(super) position: usize,
    /// The protocol's sequence when it was refused.
    pub(super) at: u64,
    /// Whether an event of its batch was accepted, so that the batch was refused for what it contains.
    pub(super) is_among_accepted: bool,
}

/// What the answers about one destination have shown.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The latest request of which events were accepted.
    accepted: Option<u64>,
    /// Bytes of the largest such request, where they were counted.
    largest: Option<u64>,
    /// Events refused alone before anything that was sent later was accepted.
    refused: Vec<Refused>,
}

impl Evidence {
    /// Events of this request, of so many bytes, were accepted: it was right to refuse what was refused before that was
    /// sent.
    pub(super) fn accepted(&mut self, request: u64, bytes: Option<u64>) {
        self.accepted = self.accepted.max(Some(request));
        self.largest = self.largest.max(bytes);
        self.refused.retain(|refused| refused.at >= request);
    }

    /// The latest request of which events were accepted.
    pub(super) fn last_accepted(&self) -> Option<u64> {
        self.accepted
    }

    /// Whether a request of so many bytes is larger than each of which events were accepted.
    pub(super) fn is_beyond_accepted(&self, bytes: Option<u64>) -> bool {
        self.largest.is_some_and(|largest| bytes > Some(largest))
    }

    /// Notes an event that was refused alone; gives whether there are too many of them.
    pub(super) fn refused(&mut self, event: Refused, is_blocked: bool) -> bool {
        self.refused.push(event);
        let row = self.refused.iter().filter(|refused| !refused.is_among_accepted).count();
        !event.is_among_accepted && row >= if is_blocked { MAX_BLOCKED } else { MAX_REFUSED }
    }

    /// The events of which nothing shows that they were to blame.
    pub(super) fn unproven(&self) -> &[Refused] {
        &self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64, is_among_accepted: bool) -> Refused {
        Refused { batch: 1, position: 0, at, is_among_accepted }
    }

    #[test]
    fn a_row_of_refusals_is_too_long_unless_something_sent_later_is_accepted() {
        let mut evidence = Evidence::default();
        assert!((1..32).all(|at| !evidence.refused(event(at, false), false)));
        evidence.accepted(20, Some(700));
        assert!(evidence.is_beyond_accepted(Some(701)) && !evidence.is_beyond_accepted(Some(700)));
        assert!(!evidence.is_beyond_accepted(None) && !Evidence::default().is_beyond_accepted(Some(1)));
        assert_eq!(evidence.unproven().len(), 12, "what was sent before the refusal says nothing about it");
        assert!((32..51).all(|at| !evidence.refused(event(at, false), false)));
        assert!(evidence.refused(event(51, false), false));
    }

    #[test]
    fn what_stands_before_the_api_is_believed_less() {
        let mut evidence = Evidence::default();
        assert_eq!([1, 2, 3, 4].map(|at| evidence.refused(event(at, false), true)), [false, false, false, true]);
    }

    #[test]
    fn refusals_among_accepted_neighbours_make_no_row() {
        let mut evidence = Evidence::default();
        assert!((0..999).all(|at| !evidence.refused(event(at, true), true)));
    }
}
