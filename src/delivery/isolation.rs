//! Finding the event that a request was refused for, and telling it from a fault of the whole request.
//!
//! A refused request is sent again in halves until the event stands alone: at most 2⌈log2 n⌉ extra requests for one bad
//! event among n. A position named by the message is tried first, alone. If it was right, three extra requests suffice;
//! if it was wrong, it cost two, as the event is accepted and its half is sent in two parts around it, and no further
//! message of this batch is believed.
//!
//! A refusal may also be about the request itself, for instance its `event_source_id`, and it may be so from one request
//! to the next. Then both halves are refused in the same words, and so is a single event at an edge of a half, drawn at
//! random, and nothing that was sent to the destination meanwhile is accepted: three extra requests, and the delivery
//! stops instead of rejecting every event. A fault of the request that says something else each time does not show in
//! this way, but in the row of rejected events: see [`super::evidence`].
//!
//! A list of failed events in an answer tells only where to cut: those on it are sent again alone, and what lies between
//! them as it is, since no such list is documented. One that was wrong, as if it counted from one, is the last of its
//! batch to be believed.

use std::ops::Range;

/// Rejected events of a batch from which on more than a tenth makes it crowded.
const CROWDED_AFTER: usize = 4;
/// Refused requests of a crowded batch are sent one by one from this size down.
const SINGLES: usize = 16;

/// Why a part of a batch is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is what was offered, or a part of it cut to size.
    Whole,
    /// One of the first two halves, watched for a fault of the whole request.
    Half,
    /// The single event that decides whether the whole request is at fault.
    Edge,
    /// The single event that a message named as the one at fault in this part.
    Named(Range<usize>),
    /// A single event of those that an answer listed as failed.
    Listed,
    /// It was cut from a refused part.
    Part,
}

/// Parts to send, with their roles.
pub(super) type Parts = Vec<(Range<usize>, Role)>;

/// What follows from a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The event of this part is at fault.
    Reject(Parts),
    /// An event of this part is at fault; without parts, others have to be answered first.
    Send(Parts),
    /// The whole request is at fault.
    Stop,
}

/// A refusal, as far as the search goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    /// Position in the batch that the message named.
    pub(super) hint: Option<usize>,
    /// Tells messages apart.
    pub(super) wording: u64,
    /// The protocol's sequence when it was refused.
    pub(super) at: u64,
    /// The latest request of which the destination accepted events.
    pub(super) accepted: Option<u64>,
    /// A random number.
    pub(super) random: u64,
}

/// The search within one batch.
#[derive(Clone, Debug)]
pub(super) struct Isolation {
    watch: Watch,
    believes_hints: bool,
    believes_lists: bool,
    rejected: usize,
    accepted: usize,
}

/// Whether the whole request is under suspicion. A batch that was cut to size has several wholes, of which one at a time is
/// watched: what is left of an earlier one is no part of it.
#[derive(Clone, Debug, Default)]
enum Watch {
    #[default]
    Off,
    /// The halves of `whole` are on their way; the first refused one is kept here.
    Halves { whole: Range<usize>, cause: Refusal, refused: Option<Range<usize>> },
    /// Both halves were refused in the same words, and an event at an edge of one is on its way.
    Edge { whole: Range<usize>, cause: Refusal, halves: [Range<usize>; 2], edge: Range<usize> },
}

impl Isolation {
    pub(super) fn new() -> Self {
        Self { watch: Watch::Off, believes_hints: true, believes_lists: true, rejected: 0, accepted: 0 }
    }

    /// Whether any event was accepted, by an answer about it or about some of its request.
    pub(super) fn has_accepted(&self) -> bool {
        self.accepted > 0
    }

    /// The part was refused for what it contains.
    pub(super) fn refused(&mut self, part: &Range<usize>, role: &Role, refusal: Refusal) -> Next {
        let next = match role {
            Role::Named(parent) => Next::Reject(around(parent, part)),
            Role::Listed => Next::Reject(Vec::new()),
            Role::Edge => self.refused_edge(refusal),
            Role::Half if self.watches(part) => self.refused_half(part, refusal),
            Role::Whole if part.len() > 1 && refusal.hint.is_none() && self.is_unwatched() => {
                self.watch = Watch::Halves { whole: part.clone(), cause: refusal, refused: None };
                Next::Send(halves(part, &Role::Half))
            }
            Role::Whole | Role::Half | Role::Part => self.search(part, refusal.hint),
        };
        if let Next::Reject(_) = next {
            self.rejected += 1;
        }
        next
    }

    /// The part was accepted, or needs no search any more; these parts follow.
    pub(super) fn done(&mut self, part: &Range<usize>, role: &Role) -> Parts {
        self.accepted += part.len();
        match role {
            Role::Named(parent) => {
                self.believes_hints = false;
                // The event itself is acknowledged: it is in none of the halves.
                halves(parent, &Role::Part).iter().flat_map(|(half, _)| without(half, part)).collect()
            }
            Role::Half => self.release(part),
            Role::Edge => match std::mem::take(&mut self.watch) {
                Watch::Edge { halves: refused, edge, .. } => refused
                    .iter()
                    .flat_map(|half| around(half, &edge))
                    .flat_map(|(half, _)| halves(&half, &Role::Part))
                    .collect(),
                other => {
                    self.watch = other;
                    Vec::new()
                }
            },
            Role::Listed => {
                self.believes_lists = false;
                Vec::new()
            }
            Role::Whole | Role::Part => Vec::new(),
        }
    }

    /// Some of the part were accepted, and an answer lists these of it as failed, if it lists any. What follows: the parts
    /// between them, and before these, since they are queued last, the listed ones.
    pub(super) fn split(&mut self, part: &Range<usize>, failed: &[usize]) -> Parts {
        let mut parts = self.release(part);
        if failed.is_empty() || !self.believes_lists {
            parts.extend(halves(part, &Role::Part));
            return parts;
        }
        self.accepted += part.len() - failed.len();
        let starts = [part.start].into_iter().chain(failed.iter().map(|position| position + 1));
        let between = starts.zip(failed.iter().copied().chain([part.end])).map(|(start, end)| start..end);
        parts.extend(between.filter(|rest| !rest.is_empty()).map(|rest| (rest, Role::Part)));
        parts.extend(failed.iter().map(|position| (*position..position + 1, Role::Listed)));
        parts
    }

    /// Ends the suspicion about the whole request if `part` is of it; what was kept back for it follows.
    pub(super) fn release(&mut self, part: &Range<usize>) -> Parts {
        if !self.watches(part) {
            return Vec::new();
        }
        match std::mem::take(&mut self.watch) {
            Watch::Halves { refused: Some(half), .. } => halves(&half, &Role::Part),
            Watch::Edge { halves, .. } => halves.into_iter().map(|half| (half, Role::Part)).collect(),
            Watch::Off | Watch::Halves { .. } => Vec::new(),
        }
    }

    /// Whether `part` is of the whole request that is under suspicion.
    fn watches(&self, part: &Range<usize>) -> bool {
        match &self.watch {
            Watch::Off => false,
            Watch::Halves { whole, .. } | Watch::Edge { whole, .. } => {
                whole.start <= part.start && part.end <= whole.end
            }
        }
    }

    fn is_unwatched(&self) -> bool {
        matches!(self.watch, Watch::Off)
    }

    fn refused_half(&mut self, part: &Range<usize>, refusal: Refusal) -> Next {
        match std::mem::take(&mut self.watch) {
            Watch::Halves { whole, cause, refused } if same(cause, refusal) => match refused {
                None => {
                    self.watch = Watch::Halves { whole, cause, refused: Some(part.clone()) };
                    Next::Send(Vec::new())
                }
                Some(first) if first.len() + part.len() <= 2 => Next::Stop,
                Some(first) => {
                    let halves = [first, part.clone()];
                    let edges = halves.each_ref().map(|half| [half.start, half.end - 1]).concat();
                    let edge = edges[usize::try_from(refusal.random >> 62).expect("two bits")];
                    self.watch = Watch::Edge { whole, cause, halves, edge: edge..edge + 1 };
                    Next::Send(vec![(edge..edge + 1, Role::Edge)])
                }
            },
            watch => {
                self.watch = watch;
                let mut parts = self.release(part);
                match self.search(part, refusal.hint) {
                    Next::Send(more) => {
                        parts.extend(more);
                        Next::Send(parts)
                    }
                    Next::Reject(_) => Next::Reject(parts),
                    Next::Stop => Next::Stop,
                }
            }
        }
    }

    fn refused_edge(&mut self, refusal: Refusal) -> Next {
        match std::mem::take(&mut self.watch) {
            Watch::Edge { cause, .. } if same(cause, refusal) => Next::Stop,
            // The event is bad, but not as the halves are.
            Watch::Edge { halves, edge, .. } => {
                Next::Reject(halves.iter().flat_map(|half| around(half, &edge)).collect())
            }
            other => {
                self.watch = other;
                Next::Reject(Vec::new())
            }
        }
    }

    fn search(&self, part: &Range<usize>, hint: Option<usize>) -> Next {
        if part.len() == 1 {
            return Next::Reject(Vec::new());
        }
        if let Some(position) = hint.filter(|position| self.believes_hints && part.contains(position)) {
            return Next::Send(vec![(position..position + 1, Role::Named(part.clone()))]);
        }
        let crowded = self.rejected >= CROWDED_AFTER && self.rejected * 10 > self.rejected + self.accepted;
        if crowded && part.len() <= SINGLES {
            return Next::Send(part.clone().map(|position| (position..position + 1, Role::Part)).collect());
        }
        Next::Send(halves(part, &Role::Part))
    }
}

/// The two halves of a part, or the part itself if it is a single event.
pub(super) fn halves(part: &Range<usize>, role: &Role) -> Parts {
    let middle = part.start + part.len().div_ceil(2);
    [part.start..middle, middle..part.end]
        .into_iter()
        .filter(|half| !half.is_empty())
        .map(|half| (half, role.clone()))
        .collect()
}

/// Whether a refusal is in the words of an earlier one, and nothing that was sent since then was accepted.
fn same(cause: Refusal, refusal: Refusal) -> bool {
    let was_accepted = refusal.accepted.is_some_and(|request| request > cause.at);
    cause.wording == refusal.wording && refusal.hint.is_none() && !was_accepted
}

/// `part` as it is, or what remains of it around `hole` where that lies in it.
fn without(part: &Range<usize>, hole: &Range<usize>) -> Parts {
    let is_inside = part.start <= hole.start && hole.end <= part.end;
    if is_inside { around(part, hole) } else { vec![(part.clone(), Role::Part)] }
}

/// What remains of `part` before and after `hole`.
fn around(part: &Range<usize>, hole: &Range<usize>) -> Parts {
    [part.start..hole.start.clamp(part.start, part.end), hole.end.clamp(part.start, part.end)..part.end]
        .into_iter()
        .filter(|rest| !rest.is_empty())
        .map(|rest| (rest, Role::Part))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the search against a server that refuses requests holding a bad event; gives what was rejected, and how
    /// many requests followed the first.
    fn search(
        events: usize,
        bad: &[usize],
        accepted: Option<u64>,
        message: impl Fn(&Range<usize>) -> (Option<usize>, u64),
    ) -> (Vec<usize>, usize, bool) {
        let (mut isolation, mut rejected, mut requests) = (Isolation::new(), Vec::new(), 0);
        let mut arrived = vec![false; events];
        let mut parts = vec![(0..events, Role::Whole)];
        while let Some((part, role)) = parts.pop() {
            requests += 1;
            if !bad.iter().any(|position| part.contains(position)) {
                part.clone().for_each(|position| arrived[position] = true);
                parts.extend(isolation.done(&part, &role));
                continue;
            }
            let (hint, wording) = message(&part);
            match isolation.refused(&part, &role, Refusal { hint, wording, at: 0, accepted, random: 0 }) {
                Next::Stop => return (rejected, requests - 1, true),
                Next::Send(more) => parts.extend(more),
                Next::Reject(more) => {
                    assert_eq!(part.len(), 1);
                    rejected.push(part.start);
                    parts.extend(more);
                }
            }
        }
        assert!((0..events).all(|position| arrived[position] != rejected.contains(&position)));
        rejected.sort_unstable();
        (rejected, requests - 1, false)
    }

    /// A request after all of these.
    const LATER: Option<u64> = Some(1);

    fn bound(events: usize) -> usize {
        2 * events.next_power_of_two().ilog2() as usize + 1
    }

    #[test]
    fn one_bad_event_costs_two_requests_a_halving() {
        for events in [1, 2, 3, 7, 8, 9, 100, 1_000] {
            for bad in 0..events {
                for accepted in [None, LATER] {
                    let (rejected, extra, _) = search(events, &[bad], accepted, |_| (None, 0));
                    assert_eq!(rejected, [bad]);
                    assert!(extra <= bound(events), "{extra} for {bad} of {events}");
                }
            }
        }
    }

    #[test]
    fn a_right_hint_costs_three_requests_and_a_wrong_one_costs_two() {
        for bad in [0, 1, 499, 500, 998, 999] {
            let (rejected, extra, _) = search(1_000, &[bad], None, |_| (Some(bad), 0));
            assert_eq!(rejected, [bad]);
            assert!(extra <= 3);
            for wrong in [0, 250, 500, 999] {
                let (rejected, extra, _) = search(1_000, &[bad], LATER, |part| (Some(wrong.max(part.start)), 0));
                assert_eq!(rejected, [bad]);
                assert!(extra <= bound(1_000) + 1, "{extra}");
            }
        }
    }

    #[test]
    fn a_fault_of_the_whole_request_is_known_after_three_requests() {
        for (events, accepted) in [(2, None), (3, None), (5, Some(0)), (1_000, None), (1_000, Some(0))] {
            let all: Vec<usize> = (0..events).collect();
            let (rejected, extra, stopped) = search(events, &all, accepted, |_| (None, 7));
            assert!(stopped && rejected.is_empty() && extra <= 3, "{events}");
        }
    }

    #[test]
    fn a_request_that_was_accepted_meanwhile_clears_the_whole_request() {
        let all: Vec<usize> = (0..20).collect();
        let (rejected, _, stopped) = search(20, &all, LATER, |_| (None, 7));
        assert!(!stopped && rejected == all);
    }

    #[test]
    fn what_is_left_of_one_whole_is_no_half_of_another() {
        let refusal = Refusal { hint: None, wording: 7, at: 0, accepted: None, random: 0 };
        let mut isolation = Isolation::new();
        isolation.refused(&(8..10), &Role::Whole, refusal);
        assert!(isolation.done(&(9..10), &Role::Half).is_empty());
        isolation.refused(&(0..3), &Role::Whole, refusal);
        assert_eq!(isolation.refused(&(8..9), &Role::Half, refusal), Next::Reject(Vec::new()));
        assert_eq!(isolation.refused(&(0..2), &Role::Half, refusal), Next::Send(Vec::new()));
        assert_eq!(isolation.refused(&(2..3), &Role::Half, refusal), Next::Send(vec![(0..1, Role::Edge)]));
        assert!(isolation.split(&(4..8), &[]).iter().all(|(part, _)| part.start >= 4));
        assert_eq!(isolation.done(&(0..1), &Role::Edge), [(1..2, Role::Part), (2..3, Role::Part)]);
    }

    #[test]
    fn a_list_says_where_to_cut_until_it_is_wrong() {
        let mut isolation = Isolation::new();
        let mut split = |failed: &[usize]| isolation.split(&(0..8), failed);
        let [part, listed] = [|range: Range<usize>| (range, Role::Part), |range| (range, Role::Listed)];
        assert_eq!(split(&[2, 5]), [part(0..2), part(3..5), part(6..8), listed(2..3), listed(5..6)]);
        assert_eq!(split(&[0, 1, 7]), [part(2..7), listed(0..1), listed(1..2), listed(7..8)]);
        assert_eq!(split(&[]), [part(0..4), part(4..8)]);
        isolation.done(&(2..3), &Role::Listed);
        assert_eq!(isolation.split(&(0..8), &[2]), [part(0..4), part(4..8)]);
    }

    #[test]
    fn bad_events_in_both_halves_are_no_fault_of_the_request() {
        for bad in [vec![1, 998], vec![498, 501], vec![3, 4, 700]] {
            let (rejected, _, stopped) = search(1_000, &bad, None, |_| (None, 7));
            assert!(!stopped);
            assert_eq!(rejected, bad);
        }
    }

    #[test]
    fn many_bad_events_cost_no_more_than_all_alone_twice() {
        let bad: Vec<usize> = (0..200).step_by(3).collect();
        let (rejected, extra, _) = search(200, &bad, LATER, |_| (None, 0));
        assert_eq!(rejected, bad);
        assert!(extra < 400, "{extra}");
    }
}
