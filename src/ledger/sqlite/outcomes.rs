//! The outcomes of a batch as bytes: runs of equal ones, so that a batch that was accepted whole takes three.
//!
//! A run is a tag, the number of events, and for refused events the code, the field, the request id and eight bytes of
//! each payload's digest. Numbers are in LEB128, signed ones folded; texts have their length before them.

use crate::event::{EncodedEvent, Outcome, Refusal};
use crate::ledger::Decision;

const ACCEPTED: u8 = 0;
const REJECTED: u8 = 1;
const UNSENT: u8 = 2;
const IN_DOUBT: u8 = 3;
const HELD: u8 = 4;
// Since version 2.
const ASSUMED_DELIVERED: u8 = 5;
const TO_BE_REPEATED: u8 = 6;
const TO_BE_RESENT: u8 = 7;

/// Events in a row with the same outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) events: usize,
    pub(super) end: End,
}

/// What became of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Accepted,
    Rejected {
        code: i64,
        field: Option<String>,
        request_id: Option<String>,
        payloads: Vec<u64>,
    },
    Unsent,
    InDoubt,
    Held,
    /// Nothing was sent: a person decided.
    Decided(Decision),
}

impl End {
    /// The word for it.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::Unsent => "unsent",
            Self::InDoubt => "in doubt",
            Self::Held => "held",
            Self::Decided(decision) => decision.as_str(),
        }
    }

    /// Whether events that end so may have arrived although nothing says so.
    pub(super) const fn is_doubtful(&self) -> bool {
        matches!(self, Self::InDoubt | Self::Held)
    }
}

/// The same decision about `events` events, as bytes.
pub(super) fn encode_decision(decision: Decision, events: usize) -> Vec<u8> {
    let tag = match decision {
        Decision::AssumeDelivered => ASSUMED_DELIVERED,
        Decision::Repeat => TO_BE_REPEATED,
        Decision::Resend => TO_BE_RESENT,
    };
    alike(tag, events)
}

/// `events` events that are held, as bytes.
pub(super) fn encode_held(events: usize) -> Vec<u8> {
    alike(HELD, events)
}

/// One outcome for each event, as bytes.
pub(super) fn encode(events: &[EncodedEvent], outcomes: &[Outcome]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut start = 0;
    for stretch in outcomes.chunk_by(PartialEq::eq) {
        let of_stretch = &events[start..start + stretch.len()];
        start += stretch.len();
        let tag = match &stretch[0] {
            Outcome::Accepted => ACCEPTED,
            Outcome::Rejected(_) => REJECTED,
            Outcome::Unsent => UNSENT,
            Outcome::InDoubt => IN_DOUBT,
            Outcome::Held => HELD,
        };
        bytes.push(tag);
        write_number(stretch.len() as u64, &mut bytes);
        if let Outcome::Rejected(Refusal { code, field, request_id }) = &stretch[0] {
            write_number(((code << 1) ^ (code >> 63)).cast_unsigned(), &mut bytes);
            write_text(field.unwrap_or_default(), &mut bytes);
            write_text(request_id.as_deref().unwrap_or_default(), &mut bytes);
            bytes.extend(of_stretch.iter().flat_map(|event| event.payload.to_le_bytes()));
        }
    }
    bytes
}

/// The outcomes in `bytes`, or `None` if these are not what [`encode`] writes for `events` events.
pub(super) fn decode(mut bytes: &[u8], events: usize) -> Option<Vec<Stretch>> {
    let mut stretches = Vec::new();
    let mut left = events;
    while let Some((tag, rest)) = bytes.split_first() {
        bytes = rest;
        let count = usize::try_from(read_number(&mut bytes)?).ok()?;
        left = left.checked_sub(count)?;
        let end = match *tag {
            ACCEPTED => End::Accepted,
            REJECTED => {
                let folded = read_number(&mut bytes)?;
                let code = (folded >> 1).cast_signed() ^ -(folded & 1).cast_signed();
                let (field, request_id) = (read_text(&mut bytes)?, read_text(&mut bytes)?);
                let (payloads, rest) = bytes.split_at_checked(count.checked_mul(8)?)?;
                bytes = rest;
                let payloads = payloads.as_chunks().0.iter().map(|payload| u64::from_le_bytes(*payload)).collect();
                End::Rejected { code, field, request_id, payloads }
            }
            UNSENT => End::Unsent,
            IN_DOUBT => End::InDoubt,
            HELD => End::Held,
            ASSUMED_DELIVERED => End::Decided(Decision::AssumeDelivered),
            TO_BE_REPEATED => End::Decided(Decision::Repeat),
            TO_BE_RESENT => End::Decided(Decision::Resend),
            _ => return None,
        };
        stretches.push(Stretch { events: count, end });
    }
    (left == 0).then_some(stretches)
}

fn alike(tag: u8, events: usize) -> Vec<u8> {
    let mut bytes = vec![tag];
    write_number(events as u64, &mut bytes);
    bytes
}

fn write_number(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn write_text(text: &str, bytes: &mut Vec<u8>) {
    write_number(text.len() as u64, bytes);
    bytes.extend_from_slice(text.as_bytes());
}

/// The text; `Some(None)` if it is empty.
#[expect(clippy::option_option, reason = "one for damage, one for absence")]
fn read_text(bytes: &mut &[u8]) -> Option<Option<String>> {
    let length = usize::try_from(read_number(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let text = std::str::from_utf8(text).ok()?;
    Some((!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::EventKey;

    fn events(count: usize) -> Vec<EncodedEvent> {
        let event = |row: usize| EncodedEvent {
            key: EventKey::from([1; 16]),
            span: 0..0,
            time: 0,
            row: row as u64,
            payload: (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        };
        (0..count).map(event).collect()
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        let refusal = (any::<i64>(), prop::option::of(Just("user.email")), prop::option::of("[0-9A-F]{1,40}"))
            .prop_map(|(code, field, request_id)| Outcome::Rejected(Refusal { code, field, request_id }));
        prop_oneof![
            4 => Just(Outcome::Accepted),
            1 => refusal,
            1 => Just(Outcome::Unsent),
            1 => Just(Outcome::InDoubt),
            1 => Just(Outcome::Held),
        ]
    }

    #[test]
    fn a_thousand_accepted_events_take_three_bytes() {
        assert_eq!(encode(&events(1_000), &vec![Outcome::Accepted; 1_000]), [ACCEPTED, 0xe8, 0x07]);
    }

    #[test]
    fn a_decision_is_read_as_it_was_made() {
        for decision in [Decision::AssumeDelivered, Decision::Repeat, Decision::Resend] {
            let bytes = encode_decision(decision, 300);
            assert_eq!(decode(&bytes, 300), Some(vec![Stretch { events: 300, end: End::Decided(decision) }]));
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(outcomes in prop::collection::vec(outcome(), 0..200)) {
            let events = events(outcomes.len());
            let bytes = encode(&events, &outcomes);
            let stretches = decode(&bytes, outcomes.len()).expect("it was just written");
            let mut read = Vec::new();
            for stretch in stretches {
                for position in 0..stretch.events {
                    read.push(match &stretch.end {
                        End::Accepted => Outcome::Accepted,
                        End::Unsent => Outcome::Unsent,
                        End::InDoubt => Outcome::InDoubt,
                        End::Held => Outcome::Held,
                        End::Decided(decision) => panic!("{decision:?} is no outcome"),
                        End::Rejected { code, field, request_id, payloads } => {
                            prop_assert_eq!(payloads[position], events[read.len()].payload);
                            let field = field.as_ref().map(|_| "user.email");
                            Outcome::Rejected(Refusal { code: *code, field, request_id: request_id.clone() })
                        }
                    });
                }
            }
            prop_assert_eq!(read, outcomes);
            prop_assert_eq!(decode(&bytes, events.len() + 1), None);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), events in 0_usize..50) {
            decode(&bytes, events);
        }
    }
}
