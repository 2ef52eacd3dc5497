//! The nouns that cross modules: where an event goes, what identifies it, and what became of it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use crate::contract::{EventSource, events};

/// Where events go: one request carries events of one destination only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    /// `event_source` of the request.
    pub event_source: EventSource,
    /// `event_source_id` of the request.
    pub event_source_id: Arc<str>,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.event_source, self.event_source_id)
    }
}

/// 128-bit name of an event: keyed BLAKE3 over (event source, event source id, canonical event name, event id).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey([u8; 16]);

impl EventKey {
    /// The key of an event under `secret`. Each part is length-prefixed, and nothing is trimmed or case-folded.
    #[must_use]
    pub fn new(secret: &[u8; 32], destination: &Destination, canonical_event: &str, event_id: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        for part in [destination.event_source.as_str(), &destination.event_source_id, canonical_event, event_id] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(key)
    }

    /// The key's bytes, as a ledger stores them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for EventKey {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventKey({self})")
    }
}

/// What is known of the identity of an event that has faults: each part that is valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Where it happened.
    pub event_source: Option<EventSource>,
    /// Who receives it.
    pub event_source_id: Option<Arc<str>>,
    /// Its canonical name.
    pub event: Option<String>,
    /// Its id.
    pub event_id: Option<String>,
    /// The order it belongs to, by which people know it where its id is derived.
    pub order_id: Option<String>,
    /// Its key, where all that names it is known.
    pub key: Option<EventKey>,
}

impl Identity {
    /// The identity of an event for `destination` from the `json` that travels.
    #[must_use]
    pub fn of_encoded(destination: &Destination, key: EventKey, json: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        struct Named<'a> {
            #[serde(borrow)]
            event: Option<Cow<'a, str>>,
            #[serde(borrow)]
            event_id: Option<Cow<'a, str>>,
            #[serde(borrow)]
            properties: Option<Properties<'a>>,
        }
        #[derive(Default, Deserialize)]
        struct Properties<'a> {
            #[serde(borrow)]
            order_id: Option<Cow<'a, str>>,
        }
        let Named { event, event_id, properties } = serde_json::from_slice(json).unwrap_or_default();
        Self {
            event_source: Some(destination.event_source),
            event_source_id: Some(Arc::clone(&destination.event_source_id)),
            event: event.map(|event| events::canonical(&event).to_owned()),
            event_id: event_id.map(Cow::into_owned),
            order_id: properties.and_then(|properties| properties.order_id).map(Cow::into_owned),
            key: Some(key),
        }
    }

    /// With the key under `secret`, where the parts of one are known.
    #[must_use]
    pub fn with_key(mut self, secret: &[u8; 32]) -> Self {
        if let (Some(event_source), Some(id), Some(event), Some(event_id)) =
            (self.event_source, &self.event_source_id, &self.event, &self.event_id)
        {
            let destination = Destination { event_source, event_source_id: Arc::clone(id) };
            self.key = Some(EventKey::new(secret, &destination, event, event_id));
        }
        self
    }
}

/// One event ready to send: its identity, and where its JSON object lies in the buffer beside it.
#[derive(Clone, Debug)]
pub struct EncodedEvent {
    /// Identity for ledger and de-duplication.
    pub key: EventKey,
    /// The JSON object's bytes in the buffer that goes with this event.
    pub span: Range<usize>,
    /// `event_time`, Unix seconds.
    pub time: i64,
    /// Zero-based number of the row in the query's result (the first row of a folded group).
    pub row: u64,
    /// First eight bytes of BLAKE3 over the JSON object: tells a repeat from a conflict.
    pub payload: u64,
}

/// Events of one record batch, as JSON objects one after the other in `json`.
#[derive(Clone, Debug, Default)]
pub struct EncodedEvents {
    /// The JSON objects, back to back without separators.
    pub json: Vec<u8>,
    /// Each event with its destination as an index into `destinations`.
    pub events: Vec<(u32, EncodedEvent)>,
    /// The distinct destinations of these events.
    pub destinations: Vec<Destination>,
}

/// Up to 1,000 events of one destination: what one request carries.
#[derive(Clone)]
pub struct Batch {
    /// Where the request goes.
    pub destination: Destination,
    /// Envelope up to and including `"data":[`.
    pub head: Bytes,
    /// The JSON objects with a comma between two; spans of `events` index into it.
    pub json: Bytes,
    /// The events, in body order.
    pub events: Arc<[EncodedEvent]>,
    /// Which of `events` this batch carries; a split batch shares buffers with its sibling.
    pub range: Range<usize>,
}

impl Batch {
    /// The events this batch carries.
    #[must_use]
    pub fn events(&self) -> &[EncodedEvent] {
        &self.events[self.range.clone()]
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The request body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        const TAIL: &[u8] = b"]}";
        let json = match (self.events().first(), self.events().last()) {
            (Some(first), Some(last)) => &self.json[first.span.start..last.span.end],
            _ => &[],
        };
        [&self.head, json, TAIL].concat()
    }

    /// The events `range` of this batch (indices count from its first event), sharing its buffers.
    ///
    /// # Panics
    /// If `range` reaches beyond the batch.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.end <= self.len(), "slice {range:?} of a batch of {} events", self.len());
        let range = self.range.start + range.start..self.range.start + range.end;
        Self { range, ..self.clone() }
    }
}

impl fmt::Debug for Batch {
    // Never the body: it holds personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("destination", &self.destination)
            .field("events", &self.len())
            .finish_non_exhaustive()
    }
}

/// What became of one event that was offered for delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The API answered with the integer code 0.
    Accepted,
    /// The API refused this event for what it contains.
    Rejected(Refusal),
    /// Known not to have been accepted: a later run sends it.
    Unsent,
    /// Possibly accepted, and safe to send again while TikTok still recognises the copy: a later run does.
    InDoubt,
    /// Possibly accepted, and not safe to send again without a decision.
    Held,
}

/// Why the API refused an event: never the message itself, which may echo personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `code` of the response body.
    pub code: i64,
    /// The field the message named, if it named one the contract knows.
    pub field: Option<&'static str>,
    /// `request_id` of the response, for TikTok's support.
    pub request_id: Option<String>,
}
