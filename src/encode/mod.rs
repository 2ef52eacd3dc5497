//! Canonical batches in, JSON events out: the object that travels, the key that names it, the hash that tells a repeat
//! from a conflict.
//!
//! [`Encoder::new`] compiles the schema of canonical batches (described in `validate::rows`, and all that is relied on) into a
//! tree of writers whose keys are precomputed JSON fragments. The tree follows the paths of the contract table, so that
//! members stand in the table's order and custom properties at the end of `properties`. Serialisation is
//! deterministic: equal rows give equal bytes.
//!
//! An object is written member by member, each with a comma before it; the first comma then becomes the brace. An object
//! or array that got nothing disappears together with its key, as do NULL and empty values. A field that the row's event
//! source does not take is never written, whatever the column holds.
//!
//! [`Batcher`] gathers the events into request bodies. Nothing here judges a value.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema};

use crate::contract::{EventSource, Field, Kind, Presence, events, fields};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Destination, EncodedEvent, EncodedEvents, EventKey, Identity};

mod batch;
mod json;

pub use batch::{Batcher, Envelope};

use json::Cells;

/// Prefix of columns that are sent as custom properties.
const PROPERTY: &str = "properties.";
/// Bytes of an ordinary event's JSON object.
const EVENT_BYTES: usize = 640;

/// Encodes canonical batches of one schema.
pub struct Encoder {
    secret: [u8; 32],
    members: Vec<Member>,
    envelope: EnvelopeColumns,
}

/// A member of a JSON object.
struct Member {
    /// `,"key":`
    key: Box<[u8]>,
    node: Node,
}

enum Node {
    /// The value of a column, for the event sources that take it.
    Column { column: usize, takes: [bool; 4], single: bool },
    /// An object of further members.
    Object(Vec<Member>),
}

/// Columns that every event has.
struct EnvelopeColumns {
    event_source: usize,
    event_source_id: usize,
    event: usize,
    time: usize,
    event_id: usize,
}

impl Encoder {
    /// Compiles an encoder for batches of the canonical `schema`; event keys are made under `secret`.
    ///
    /// # Errors
    /// A schema that is not canonical, which is a defect of postback.
    pub fn new(schema: &Schema, secret: [u8; 32]) -> Result<Self> {
        let mut members = Vec::new();
        for (column, field) in schema.fields().iter().enumerate() {
            if !json::is_canonical(field.data_type()) {
                let message = format!("column `{}` of type {} reached the encoder", field.name(), field.data_type());
                return Err(Error::new(ErrorKind::Internal, message));
            }
            if let Some(name) = field.name().strip_prefix(PROPERTY) {
                let node = Node::Column { column, takes: [true; 4], single: false };
                insert(&mut members, &["properties", name], node);
                continue;
            }
            let field = contract_field(field.name())?;
            if matches!(field.kind, Kind::EventSource | Kind::EventSourceId) {
                continue;
            }
            let takes = field.presence.map(|presence| presence != Presence::Absent);
            let single = matches!(field.kind, Kind::Email | Kind::Phone | Kind::ExternalId);
            let path: Vec<_> = field.path.trim_end_matches("[]").split('.').collect();
            insert(&mut members, &path, Node::Column { column, takes, single });
        }
        let find = |name: &str, data_type: &DataType| match schema.column_with_name(name) {
            Some((index, field)) if field.data_type() == data_type => Ok(index),
            _ => {
                Err(Error::new(ErrorKind::Internal, format!("canonical column `{name}` is missing or of another type")))
            }
        };
        let envelope = EnvelopeColumns {
            event_source: find("event_source", &DataType::Utf8View)?,
            event_source_id: find("event_source_id", &DataType::Utf8View)?,
            event: find("event", &DataType::Utf8View)?,
            time: find("timestamp", &DataType::Int64)?,
            event_id: find("event_id", &DataType::Utf8View)?,
        };
        Ok(Self { secret, members, envelope })
    }

    /// Encodes every row of a canonical batch; `rows` holds their row numbers in the query's result.
    ///
    /// # Panics
    /// If the batch is not of the schema that this encoder was compiled for, or `rows` of another length.
    #[must_use]
    pub fn encode(&self, batch: &RecordBatch, rows: &[u64]) -> EncodedEvents {
        assert_eq!(batch.num_rows(), rows.len(), "one row number for each row");
        let cells: Vec<_> = batch.columns().iter().map(Cells::of).collect();
        let text = |column: usize| batch.column(column).as_string_view();
        let (names, ids) = (text(self.envelope.event), text(self.envelope.event_id));
        let times: &Int64Array = batch.column(self.envelope.time).as_primitive::<Int64Type>();
        let mut routes = Routes::new(text(self.envelope.event_source), text(self.envelope.event_source_id));
        let mut json = Vec::with_capacity(rows.len() * EVENT_BYTES);
        let mut encoded = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let route = routes.of(at);
            let destination = &routes.destinations[route];
            let start = json.len();
            write_members(&self.members, &cells, at, destination.event_source, &mut json);
            json::close_object(&mut json, start);
            let key = EventKey::new(&self.secret, destination, events::canonical(names.value(at)), ids.value(at));
            let payload = payload(&json[start..]);
            let event = EncodedEvent { key, span: start..json.len(), time: times.value(at), row: *row, payload };
            encoded.push((u32::try_from(route).expect("a batch has fewer rows than u32 counts"), event));
        }
        EncodedEvents { json, events: encoded, destinations: routes.destinations }
    }
}

impl Encoder {
    /// `identity` with the key that this encoder would give its event.
    #[must_use]
    pub fn identify(&self, identity: Identity) -> Identity {
        identity.with_key(&self.secret)
    }
}

impl std::fmt::Debug for Encoder {
    // Never the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

/// The destinations of a batch, found by event source and id, with the last one at hand.
struct Routes<'a> {
    sources: &'a StringViewArray,
    ids: &'a StringViewArray,
    known: HashMap<(&'a str, &'a str), usize>,
    last: Option<((&'a str, &'a str), usize)>,
    destinations: Vec<Destination>,
}

impl<'a> Routes<'a> {
    fn new(sources: &'a StringViewArray, ids: &'a StringViewArray) -> Self {
        Self { sources, ids, known: HashMap::new(), last: None, destinations: Vec::new() }
    }

    /// Index of the destination of a row.
    fn of(&mut self, row: usize) -> usize {
        let route = (self.sources.value(row), self.ids.value(row));
        match self.last {
            Some((last, index)) if last == route => return index,
            _ => {}
        }
        let index = *self.known.entry(route).or_insert_with(|| {
            let event_source = EventSource::parse(route.0).expect("canonical rows have a known event source");
            self.destinations.push(Destination { event_source, event_source_id: Arc::from(route.1) });
            self.destinations.len() - 1
        });
        self.last = Some((route, index));
        index
    }
}

fn contract_field(name: &str) -> Result<&'static Field> {
    let unknown = || Error::new(ErrorKind::Internal, format!("column `{name}` reached the encoder"));
    fields::by_column(name).ok_or_else(unknown)
}

/// Puts a node at its path, next to the members that share the path's objects.
fn insert(members: &mut Vec<Member>, path: &[&str], node: Node) {
    let [name, rest @ ..] = path else { return };
    let key = json::key(name);
    if rest.is_empty() {
        members.push(Member { key, node });
        return;
    }
    let objects = members.iter_mut().filter(|member| member.key == key);
    for member in objects {
        if let Node::Object(inner) = &mut member.node {
            return insert(inner, rest, node);
        }
    }
    let mut inner = Vec::new();
    insert(&mut inner, rest, node);
    members.push(Member { key, node: Node::Object(inner) });
}

fn write_members(members: &[Member], cells: &[Cells<'_>], row: usize, source: EventSource, json: &mut Vec<u8>) {
    for member in members {
        match &member.node {
            Node::Column { column, takes, single } => {
                if takes[source as usize] {
                    cells[*column].write(&member.key, row, *single, json);
                }
            }
            Node::Object(inner) => {
                let before = json.len();
                json.extend_from_slice(&member.key);
                let start = json.len();
                write_members(inner, cells, row, source, json);
                if json.len() == start {
                    json.truncate(before);
                } else {
                    json::close_object(json, start);
                }
            }
        }
    }
}

/// First eight bytes of BLAKE3 over an event's JSON object.
fn payload(json: &[u8]) -> u64 {
    let hash = blake3::hash(json);
    let [first, ..] = hash.as_bytes().as_chunks::<8>().0 else { unreachable!("a hash has 32 bytes") };
    u64::from_le_bytes(*first)
}
