//! Gathers encoded events into request bodies: one destination each, within the limits on events and bytes.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::json;
use crate::event::{Batch, Destination, EncodedEvent, EncodedEvents};

/// What follows the events in a body: `]}`.
const TAIL_BYTES: usize = 2;
/// Bytes of unfinished bodies, over all destinations, beyond which the largest is finished early.
const MAX_OPEN_BYTES: usize = 64 * 1024 * 1024;

/// Keys of a request beside its destination and its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Marks the request's events as test events.
    pub test_event_code: Option<Arc<str>>,
    /// Names the sending software.
    pub partner_name: Option<Arc<str>>,
}

impl Envelope {
    /// A request's body up to and including `"data":[`.
    fn head(&self, destination: &Destination) -> Bytes {
        let members = [
            ("event_source", Some(destination.event_source.as_str())),
            ("event_source_id", Some(&*destination.event_source_id)),
            ("test_event_code", self.test_event_code.as_deref()),
            ("partner_name", self.partner_name.as_deref()),
        ];
        let mut head = Vec::new();
        for (name, value) in members {
            if let Some(value) = value {
                head.extend_from_slice(&json::key(name));
                json::write_text(value, &mut head);
            }
        }
        head.extend_from_slice(b",\"data\":[");
        head[0] = b'{';
        head.into()
    }
}

/// Gathers events per destination, in the order in which they come.
///
/// A batch is finished when the next event would take it over a limit. An event that is larger than the byte limit on
/// its own travels alone: the limit is a caution of postback, and whether the event is too large is for the API to say.
#[derive(Debug)]
pub struct Batcher {
    batch_events: usize,
    batch_bytes: usize,
    envelope: Envelope,
    open: Vec<Open>,
    known: HashMap<Destination, usize>,
    open_bytes: usize,
}

/// The unfinished batch of a destination.
struct Open {
    destination: Destination,
    head: Bytes,
    json: Vec<u8>,
    events: Vec<EncodedEvent>,
}

impl std::fmt::Debug for Open {
    // Never the JSON: it holds personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open")
            .field("destination", &self.destination)
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

impl Open {
    fn finish(&mut self) -> Batch {
        let events: Arc<[EncodedEvent]> = std::mem::take(&mut self.events).into();
        Batch {
            destination: self.destination.clone(),
            head: self.head.clone(),
            json: std::mem::take(&mut self.json).into(),
            range: 0..events.len(),
            events,
        }
    }
}

impl Batcher {
    /// A batcher that puts at most `batch_events` events and `batch_bytes` bytes, envelope included, into a body.
    #[must_use]
    pub fn new(batch_events: usize, batch_bytes: usize, envelope: Envelope) -> Self {
        let (open, known) = (Vec::new(), HashMap::new());
        Self { batch_events: batch_events.max(1), batch_bytes, envelope, open, known, open_bytes: 0 }
    }

    /// An empty batcher with the same limits and the same envelope.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self::new(self.batch_events, self.batch_bytes, self.envelope.clone())
    }

    /// Adds events and returns the batches that this filled.
    pub fn push(&mut self, encoded: EncodedEvents) -> Vec<Batch> {
        let EncodedEvents { json, events, destinations } = encoded;
        let routes: Vec<_> = destinations.into_iter().map(|destination| self.route(destination)).collect();
        let mut full = Vec::new();
        for (destination, event) in events {
            let route = routes[destination as usize];
            let object = &json[event.span.clone()];
            let open = &mut self.open[route];
            let bytes =
                open.head.len() + open.json.len() + usize::from(!open.json.is_empty()) + object.len() + TAIL_BYTES;
            if !open.events.is_empty() && (open.events.len() >= self.batch_events || bytes > self.batch_bytes) {
                self.open_bytes -= open.json.len();
                full.push(open.finish());
            }
            let before = open.json.len();
            if !open.events.is_empty() {
                open.json.push(b',');
            }
            let start = open.json.len();
            open.json.extend_from_slice(object);
            open.events.push(EncodedEvent { span: start..open.json.len(), ..event });
            self.open_bytes += open.json.len() - before;
            if self.open_bytes > MAX_OPEN_BYTES {
                full.extend(self.finish_largest());
            }
        }
        full
    }

    /// Returns the batches that are not full, by order of their destinations' first events.
    pub fn finish(&mut self) -> Vec<Batch> {
        self.open_bytes = 0;
        self.open.iter_mut().filter(|open| !open.events.is_empty()).map(Open::finish).collect()
    }

    fn route(&mut self, destination: Destination) -> usize {
        *self.known.entry(destination).or_insert_with_key(|destination| {
            let head = self.envelope.head(destination);
            self.open.push(Open { destination: destination.clone(), head, json: Vec::new(), events: Vec::new() });
            self.open.len() - 1
        })
    }

    fn finish_largest(&mut self) -> Option<Batch> {
        let open = self.open.iter_mut().max_by_key(|open| open.json.len())?;
        self.open_bytes -= open.json.len();
        Some(open.finish())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::contract::EventSource;
    use crate::event::EventKey;

    fn destination(id: &str) -> Destination {
        Destination { event_source: EventSource::Offline, event_source_id: Arc::from(id) }
    }

    /// Events with objects of the given sizes, each for the destination of the given number.
    fn encoded(events: &[(u32, usize)], destinations: u32) -> EncodedEvents {
        let destinations = (0..destinations).map(|number| destination(&number.to_string())).collect();
        let mut encoded = EncodedEvents { destinations, ..EncodedEvents::default() };
        for (row, (route, size)) in events.iter().enumerate() {
            let start = encoded.json.len();
            encoded.json.extend_from_slice(format!("{{\"n\":\"{}\"}}", "x".repeat(*size)).as_bytes());
            let span = start..encoded.json.len();
            let key = EventKey::from([0; 16]);
            encoded.events.push((*route, EncodedEvent { key, span, time: 0, row: row as u64, payload: 0 }));
        }
        encoded
    }

    #[test]
    fn the_body_is_the_envelope_around_the_events() {
        let envelope = Envelope { test_event_code: Some("TEST1".into()), partner_name: Some("post\"back".into()) };
        let mut batcher = Batcher::new(1_000, 1_000_000, envelope);
        assert!(batcher.push(encoded(&[(0, 1), (0, 2)], 1)).is_empty());
        let last = batcher.finish();
        assert_eq!(
            String::from_utf8(last[0].body()).unwrap(),
            r#"{"event_source":"offline","event_source_id":"0","test_event_code":"TEST1","partner_name":"post\"back","data":[{"n":"x"},{"n":"xx"}]}"#
        );
        assert!(batcher.finish().is_empty());
    }

    #[test]
    fn optional_envelope_keys_are_left_out() {
        let mut batcher = Batcher::new(1_000, 1_000_000, Envelope::default());
        batcher.push(encoded(&[(0, 1)], 1));
        let body = String::from_utf8(batcher.finish()[0].body()).unwrap();
        assert_eq!(body, r#"{"event_source":"offline","event_source_id":"0","data":[{"n":"x"}]}"#);
    }

    #[test]
    fn the_byte_limit_counts_the_whole_body() {
        let length = |events: &[(u32, usize)]| {
            let mut batcher = Batcher::new(1_000, usize::MAX, Envelope::default());
            batcher.push(encoded(events, 1));
            batcher.finish()[0].body().len()
        };
        let two = length(&[(0, 5), (0, 6)]);
        for (limit, expected) in [(two, 1), (two - 1, 2)] {
            let mut batcher = Batcher::new(1_000, limit, Envelope::default());
            let full = batcher.push(encoded(&[(0, 5), (0, 6)], 1)).len();
            assert_eq!(full + batcher.finish().len(), expected);
        }
    }

    #[test]
    fn an_event_larger_than_the_limit_travels_alone() {
        let mut batcher = Batcher::new(1_000, 100, Envelope::default());
        let mut all = batcher.push(encoded(&[(0, 1), (0, 500), (0, 1)], 1));
        all.extend(batcher.finish());
        assert_eq!(all.iter().map(Batch::len).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn many_open_destinations_stay_within_memory() {
        let mut batcher = Batcher::new(1_000, 1_000_000_000, Envelope::default());
        let events: Vec<_> = (0..70).map(|route| (route, 1024 * 1024)).collect();
        let full = batcher.push(encoded(&events, 70));
        assert!(!full.is_empty());
        assert!(batcher.open_bytes <= MAX_OPEN_BYTES);
        assert_eq!(full.len() + batcher.finish().len(), 70);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_limit_broken(
            events in proptest::collection::vec((0_u32..3, 0_usize..60), 0..60),
            batch_events in 1_usize..8,
            batch_bytes in 60_usize..300,
            pieces in 1_usize..4,
        ) {
            let mut batcher = Batcher::new(batch_events, batch_bytes, Envelope::default());
            let mut batches = Vec::new();
            for piece in events.chunks(events.len().div_ceil(pieces).max(1)) {
                batches.extend(batcher.push(encoded(piece, 3)));
            }
            batches.extend(batcher.finish());
            prop_assert_eq!(batches.iter().map(Batch::len).sum::<usize>(), events.len());
            for batch in &batches {
                prop_assert!(batch.len() <= batch_events);
                prop_assert!(batch.body().len() <= batch_bytes || batch.len() == 1);
                let body: serde_json::Value = serde_json::from_slice(&batch.body()).unwrap();
                prop_assert_eq!(body["data"].as_array().unwrap().len(), batch.len());
                prop_assert_eq!(body["event_source_id"].as_str().unwrap(), &*batch.destination.event_source_id);
            }
        }
    }
}
