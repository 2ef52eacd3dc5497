//! How long a record is: a walk over its bytes along the schema, which takes nothing for granted.

use std::collections::HashMap;
use std::io;

use serde_json::Value;

use super::blocks::damaged;

/// Bytes of the longest number.
pub(super) const MAX_LONG: usize = 10;
/// Types inside of types.
const MAX_DEPTH: usize = 64;
/// Types of a schema, each counted wherever it is referred to: references to references grow without end.
const MAX_SHAPES: usize = 100_000;
/// Items of all lists in one block that take no byte.
const MAX_EMPTY_ITEMS: u32 = 1 << 16;

/// The types of a schema.
#[derive(Debug)]
pub(super) struct Shapes {
    record: Shape,
}

/// What the bytes of a type look like.
#[derive(Clone, Debug)]
enum Shape {
    /// So many.
    Fixed(usize),
    /// A number.
    Long,
    /// A length, and so many bytes.
    Bytes,
    /// Blocks of items, each behind their number; of a map, behind their keys too.
    Items { item: Box<Shape>, has_keys: bool },
    /// The number of a branch, and what that says.
    Union(Vec<Shape>),
    /// One after the other.
    Record(Vec<Shape>),
}

/// The types of the schema that `json` holds.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if it is none, not that of records, or refers to itself.
pub(super) fn shapes(json: &str) -> io::Result<Shapes> {
    let schema: Value = serde_json::from_str(json).map_err(|_| damaged("its schema is no JSON"))?;
    let record = Names::default().shape(&schema, "", 0)?;
    if !matches!(record, Shape::Record(_)) {
        return Err(damaged("it holds single values, and no records"));
    }
    Ok(Shapes { record })
}

/// Makes sure that `block` holds exactly `count` records.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if it does not.
pub(super) fn require_records(shapes: &Shapes, block: &[u8], count: u64) -> io::Result<()> {
    let (mut rest, mut empty) = (block, MAX_EMPTY_ITEMS);
    let is_whole = (0..count).all(|_| shapes.record.skip(&mut rest, &mut empty).is_some());
    if is_whole && rest.is_empty() { Ok(()) } else { Err(damaged("a block does not hold the records that it says")) }
}

/// The next number.
pub(super) fn long(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for index in 0..MAX_LONG {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
        }
    }
    None
}

/// The types that a schema has named so far.
#[derive(Default)]
struct Names {
    /// None is one that is not yet finished.
    known: HashMap<String, Option<Shape>>,
    shapes: usize,
}

impl Names {
    /// What `schema` looks like, in `namespace`.
    fn shape(&mut self, schema: &Value, namespace: &str, depth: usize) -> io::Result<Shape> {
        if depth > MAX_DEPTH {
            return Err(damaged("its schema is too deep"));
        }
        let wrong = || damaged("its schema is not well-formed");
        match schema {
            Value::String(name) => Ok(match name.as_str() {
                "null" => Shape::Fixed(0),
                "boolean" => Shape::Fixed(1),
                "float" => Shape::Fixed(4),
                "double" => Shape::Fixed(8),
                "int" | "long" => Shape::Long,
                "bytes" | "string" => Shape::Bytes,
                name => {
                    let known = self.known.get(&full_name(name, namespace)).or_else(|| self.known.get(name));
                    let known = known.ok_or_else(wrong)?.as_ref();
                    let known = known.ok_or_else(|| damaged("its schema refers to itself, which no table can hold"))?;
                    self.shapes += known.shapes();
                    if self.shapes > MAX_SHAPES {
                        return Err(damaged("its schema is too large"));
                    }
                    known.clone()
                }
            }),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.shape(branch, namespace, depth + 1));
                Ok(Shape::Union(branches.collect::<io::Result<_>>()?))
            }
            Value::Object(members) => {
                let member = |name: &str| members.get(name).ok_or_else(wrong);
                let kind = member("type")?;
                let Some(kind) = kind.as_str() else { return self.shape(kind, namespace, depth + 1) };
                let own_namespace = members.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
                let name = members.get("name").and_then(Value::as_str).map(|name| full_name(name, own_namespace));
                let found = match kind {
                    "record" | "error" => {
                        let name = name.clone().ok_or_else(wrong)?;
                        self.known.insert(name.clone(), None);
                        let inner = name.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
                        let fields = member("fields")?
                            .as_array()
                            .ok_or_else(wrong)?
                            .iter()
                            .map(|field| self.shape(field.get("type").ok_or_else(wrong)?, &inner, depth + 1));
                        Shape::Record(fields.collect::<io::Result<_>>()?)
                    }
                    "enum" => Shape::Long,
                    "fixed" => {
                        let size = member("size")?.as_u64().and_then(|size| usize::try_from(size).ok());
                        Shape::Fixed(size.ok_or_else(wrong)?)
                    }
                    "array" | "map" => {
                        let has_keys = kind == "map";
                        let item =
                            self.shape(member(if has_keys { "values" } else { "items" })?, namespace, depth + 1)?;
                        return Ok(Shape::Items { item: Box::new(item), has_keys });
                    }
                    other => return self.shape(&Value::String(other.to_owned()), namespace, depth + 1),
                };
                self.known.insert(name.ok_or_else(wrong)?, Some(found.clone()));
                Ok(found)
            }
            _ => Err(wrong()),
        }
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

impl Shape {
    /// How many types it is of.
    fn shapes(&self) -> usize {
        match self {
            Self::Union(inner) | Self::Record(inner) => 1 + inner.iter().map(Self::shapes).sum::<usize>(),
            Self::Items { item, .. } => 1 + item.shapes(),
            _ => 1,
        }
    }

    /// Takes the bytes of one value away; none if they are not all there, or if more than `empty` items have none.
    fn skip(&self, bytes: &mut &[u8], empty: &mut u32) -> Option<()> {
        match self {
            Self::Fixed(count) => *bytes = bytes.get(*count..)?,
            Self::Long => {
                long(bytes)?;
            }
            Self::Bytes => {
                let count = usize::try_from(long(bytes)?).ok()?;
                *bytes = bytes.get(count..)?;
            }
            Self::Union(branches) => branches.get(usize::try_from(long(bytes)?).ok()?)?.skip(bytes, empty)?,
            Self::Record(fields) => {
                for field in fields {
                    field.skip(bytes, empty)?;
                }
            }
            Self::Items { item, has_keys } => loop {
                let count = long(bytes)?;
                if count == 0 {
                    break;
                }
                if count < 0 {
                    // The length of the block in bytes, for readers that jump.
                    usize::try_from(long(bytes)?).ok()?;
                }
                for _ in 0..count.unsigned_abs() {
                    let before = bytes.len();
                    if *has_keys {
                        Self::Bytes.skip(bytes, empty)?;
                    }
                    item.skip(bytes, empty)?;
                    if bytes.len() == before {
                        *empty = empty.checked_sub(1)?;
                    }
                }
            },
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_measured_along_their_schema() {
        let schema = r#"{"type":"record","name":"a.R","fields":[
            {"name":"n","type":["null","long"]},
            {"name":"s","type":{"type":"string","avro.java.string":"String"}},
            {"name":"f","type":{"type":"fixed","name":"F","size":2}},
            {"name":"again","type":"F"},
            {"name":"l","type":{"type":"array","items":"int"}},
            {"name":"m","type":{"type":"map","values":"double"}}]}"#;
        let shapes = shapes(schema).unwrap();
        let record = b"\x02\x0e\x04ab1234\x04\x02\x04\0\x02\x02k12345678\0".as_slice();
        require_records(&shapes, record, 1).unwrap();
        require_records(&shapes, &record.repeat(3), 3).unwrap();
        for wrong in [&record[1..], &record[..record.len() - 1], &record.repeat(2), b""] {
            require_records(&shapes, wrong, 1).unwrap_err();
        }
    }

    #[test]
    fn items_without_a_byte_are_few_in_all_of_a_block() {
        let schema = r#"{"type":"record","name":"R","fields":[{"name":"l","type":{"type":"array","items":"null"}}]}"#;
        let shapes = shapes(schema).unwrap();
        // Blocks of 30,000 items in three bytes each.
        let blocks = |count: usize| [b"\xe0\xd4\x03".repeat(count), vec![0]].concat();
        require_records(&shapes, &blocks(2), 1).unwrap();
        require_records(&shapes, &blocks(3), 1).unwrap_err();
        require_records(&shapes, &blocks(1).repeat(3), 3).unwrap_err();
    }

    #[test]
    fn schemas_that_no_table_can_hold_are_refused() {
        for schema in [
            r#"{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]}]}"#,
            r#""string""#,
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"unknown"}]}"#,
            "{",
            "[]",
        ] {
            assert!(shapes(schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn numbers_are_signed_and_have_an_end() {
        assert_eq!(long(&mut b"\x0e".as_slice()), Some(7));
        assert_eq!(long(&mut b"\x01".as_slice()), Some(-1));
        assert_eq!(long(&mut b"\x80\x01".as_slice()), Some(64));
        assert_eq!(long(&mut [0xff; 11].as_slice()), None);
        assert_eq!(long(&mut b"\x80".as_slice()), None);
    }
}
