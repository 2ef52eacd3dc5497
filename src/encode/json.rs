//! Writers of JSON values, straight from Arrow columns into the body's buffer.

use std::io::Write as _;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, StringArray, StringViewArray,
};
use datafusion::arrow::datatypes::{DataType, Int64Type};

/// A column of a canonical batch.
pub(super) enum Cells<'a> {
    Texts(&'a StringViewArray),
    Numbers(&'a StringArray),
    Integers(&'a Int64Array),
    Booleans(&'a BooleanArray),
    TextLists(&'a ListArray, &'a StringViewArray),
    NumberLists(&'a ListArray, &'a StringArray),
    /// Lists of objects: a key and a column for each member.
    Objects(&'a ListArray, Vec<(Box<[u8]>, Cells<'a>)>),
}

/// Whether a column of this type can be written.
pub(super) fn is_canonical(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8View | DataType::Utf8 | DataType::Int64 | DataType::Boolean => true,
        DataType::List(element) => match element.data_type() {
            DataType::Utf8View | DataType::Utf8 => true,
            DataType::Struct(members) => {
                let scalar = [DataType::Utf8View, DataType::Utf8, DataType::Int64, DataType::Boolean];
                members.iter().all(|member| scalar.contains(member.data_type()))
            }
            _ => false,
        },
        _ => false,
    }
}

impl<'a> Cells<'a> {
    /// The cells of a column of canonical type.
    pub(super) fn of(column: &'a ArrayRef) -> Self {
        match column.data_type() {
            DataType::Utf8View => Self::Texts(column.as_string_view()),
            DataType::Utf8 => Self::Numbers(column.as_string()),
            DataType::Int64 => Self::Integers(column.as_primitive::<Int64Type>()),
            DataType::Boolean => Self::Booleans(column.as_boolean()),
            _ => Self::of_list(column.as_list()),
        }
    }

    fn of_list(lists: &'a ListArray) -> Self {
        match lists.value_type() {
            DataType::Utf8View => Self::TextLists(lists, lists.values().as_string_view()),
            DataType::Utf8 => Self::NumberLists(lists, lists.values().as_string()),
            _ => {
                let structs = lists.values().as_struct();
                let members = structs.fields().iter().zip(structs.columns());
                Self::Objects(lists, members.map(|(field, column)| (key(field.name()), Self::of(column))).collect())
            }
        }
    }

    /// Appends the member `key` with the value of a row, or nothing when there is none. `single` writes a list of one
    /// element as that element.
    pub(super) fn write(&self, key: &[u8], row: usize, single: bool, json: &mut Vec<u8>) {
        match self {
            Self::Texts(texts) => {
                if texts.is_valid(row) && !texts.value(row).is_empty() {
                    json.extend_from_slice(key);
                    write_text(texts.value(row), json);
                }
            }
            Self::Numbers(numbers) => {
                if numbers.is_valid(row) {
                    json.extend_from_slice(key);
                    json.extend_from_slice(numbers.value(row).as_bytes());
                }
            }
            Self::Integers(integers) => {
                if integers.is_valid(row) {
                    json.extend_from_slice(key);
                    write_integer(integers.value(row), json);
                }
            }
            Self::Booleans(booleans) => {
                if booleans.is_valid(row) {
                    json.extend_from_slice(key);
                    json.extend_from_slice(if booleans.value(row) { b"true" } else { b"false" });
                }
            }
            Self::TextLists(lists, texts) => {
                write_list(lists, row, key, single, json, |item, json| {
                    if texts.is_valid(item) {
                        json.push(b',');
                        write_text(texts.value(item), json);
                    }
                });
            }
            Self::NumberLists(lists, numbers) => {
                write_list(lists, row, key, single, json, |item, json| {
                    if numbers.is_valid(item) {
                        json.push(b',');
                        json.extend_from_slice(numbers.value(item).as_bytes());
                    }
                });
            }
            Self::Objects(lists, members) => {
                write_list(lists, row, key, single, json, |item, json| {
                    json.push(b',');
                    let start = json.len();
                    for (key, cells) in members {
                        cells.write(key, item, false, json);
                    }
                    if json.len() == start {
                        json.pop();
                    } else {
                        close_object(json, start);
                    }
                });
            }
        }
    }
}

/// The fragment `,"name":`.
pub(super) fn key(name: &str) -> Box<[u8]> {
    let mut key = vec![b','];
    write_text(name, &mut key);
    key.push(b':');
    key.into_boxed_slice()
}

/// Turns what was written since `start`, members with a comma before each, into an object.
pub(super) fn close_object(json: &mut Vec<u8>, start: usize) {
    match json.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => json.push(b'{'),
    }
    json.push(b'}');
}

/// Appends a text in quotes: everything as it is, except what JSON demands to be escaped.
pub(super) fn write_text(text: &str, json: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    json.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| ESCAPED[usize::from(*byte)]) {
        json.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => json.extend_from_slice(b"\\\""),
            b'\\' => json.extend_from_slice(b"\\\\"),
            b'\n' => json.extend_from_slice(b"\\n"),
            b'\r' => json.extend_from_slice(b"\\r"),
            b'\t' => json.extend_from_slice(b"\\t"),
            control => {
                json.extend_from_slice(b"\\u00");
                json.extend_from_slice(&[HEX[usize::from(control >> 4)], HEX[usize::from(control & 15)]]);
            }
        }
        rest = &rest[at + 1..];
    }
    json.extend_from_slice(rest);
    json.push(b'"');
}

/// Bytes that JSON does not allow as they are inside a string.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escaped[byte] = true;
        byte += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

fn write_integer(integer: i64, json: &mut Vec<u8>) {
    write!(json, "{integer}").expect("writing to a vector succeeds");
}

/// Appends `key` and the array of a row's elements, each written by `write` with a comma before it.
fn write_list(
    lists: &ListArray,
    row: usize,
    key: &[u8],
    single: bool,
    json: &mut Vec<u8>,
    mut write: impl FnMut(usize, &mut Vec<u8>),
) {
    if lists.is_null(row) {
        return;
    }
    let index = |offset: i32| usize::try_from(offset).expect("list offsets are never negative");
    let offsets = lists.value_offsets();
    let elements = index(offsets[row])..index(offsets[row + 1]);
    let before = json.len();
    json.extend_from_slice(key);
    let start = json.len();
    let one = single && elements.len() == 1;
    for element in elements {
        write(element, json);
    }
    if json.len() == start {
        json.truncate(before);
    } else if one {
        json.remove(start);
    } else {
        json[start] = b'[';
        json.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> String {
        let mut json = Vec::new();
        write_text(text, &mut json);
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn texts_escape_what_json_demands_and_nothing_else() {
        for (given, expected) in [
            ("", r#""""#),
            (r#"a"b\c/d"#, r#""a\"b\\c/d""#),
            ("\u{0}\u{8}\u{c}\n\r\t\u{1f}\u{7f}", "\"\\u0000\\u0008\\u000c\\n\\r\\t\\u001f\u{7f}\""),
            (
                "Zoë \u{1F468}\u{200D}\u{1F680} שלום \u{202E}\u{2028}",
                "\"Zoë \u{1F468}\u{200D}\u{1F680} שלום \u{202E}\u{2028}\"",
            ),
        ] {
            assert_eq!(text(given), expected);
        }
    }

    #[test]
    fn objects_close_over_their_members_or_stay_empty() {
        let mut json = b"x,\"a\":1".to_vec();
        close_object(&mut json, 1);
        close_object(&mut json, 8);
        assert_eq!(json, b"x{\"a\":1}{}");
    }

    proptest! {
        #[test]
        fn texts_survive_a_second_parser(given in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&text(&given)).unwrap(), given);
        }
    }
}
