//! From bytes to text: bytes that are not UTF-8 never become a text, whatever a footer says of their column.

use std::sync::Arc;

use datafusion::arrow::array::builder::{StringBuilder, StringViewBuilder};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StringArray, StructArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, FieldRef, Fields};
use datafusion::arrow::error::ArrowError;

/// For each row, how many bytes its first value has that is no text; none for a row that is text.
pub(super) type Faults = Vec<Option<usize>>;

/// Values that are text now.
pub(super) struct Texts {
    /// The values; null or empty where they are no text.
    pub(super) array: ArrayRef,
    /// The rows that are not text, if there are any.
    pub(super) faults: Option<Faults>,
}

/// The type that values of `data_type` have as text.
pub(super) fn textual(data_type: &DataType) -> DataType {
    let inside = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(textual(field.data_type())));
    match data_type {
        DataType::BinaryView => DataType::Utf8View,
        DataType::Binary => DataType::Utf8,
        DataType::List(item) => DataType::List(inside(item)),
        DataType::Struct(members) => DataType::Struct(members.iter().map(inside).collect::<Fields>()),
        DataType::Map(entries, is_sorted) => DataType::Map(inside(entries), *is_sorted),
        other => other.clone(),
    }
}

/// Whether values of `data_type` are bytes, or hold some, that may be text.
pub(super) fn has_bytes(data_type: &DataType) -> bool {
    textual(data_type) != *data_type
}

/// `array` as text; what is none is null if it `is_nullable`, or empty.
///
/// # Errors
/// Those of parts that do not fit together.
pub(super) fn texts(array: &ArrayRef, is_nullable: bool) -> Result<Texts, ArrowError> {
    match array.data_type() {
        DataType::BinaryView => Ok(view(array, is_nullable)),
        DataType::Binary => Ok(offsets(array, is_nullable)),
        DataType::List(item) if has_bytes(item.data_type()) => {
            let list = array.as_list::<i32>();
            let items = texts(list.values(), item.is_nullable())?;
            let DataType::List(item) = textual(array.data_type()) else { unreachable!("a list stays one") };
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            let faults = items.faults.map(|faults| of_lists(&faults, &offsets));
            Ok(Texts { array: Arc::new(ListArray::try_new(item, offsets, items.array, nulls)?), faults })
        }
        DataType::Struct(members) if has_bytes(array.data_type()) => {
            let (array, faults) = members_as_texts(array.as_struct(), members)?;
            Ok(Texts { array: Arc::new(array), faults })
        }
        DataType::Map(entries, is_sorted) if has_bytes(entries.data_type()) => {
            let map = array.as_map();
            let (parts, faults) = members_as_texts(map.entries(), map.entries().fields())?;
            let DataType::Map(entries, _) = textual(array.data_type()) else { unreachable!("a map stays one") };
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            let faults = faults.map(|faults| of_lists(&faults, &offsets));
            Ok(Texts { array: Arc::new(MapArray::try_new(entries, offsets, parts, nulls, *is_sorted)?), faults })
        }
        _ => Ok(Texts { array: Arc::clone(array), faults: None }),
    }
}

/// The first fault of two for each row.
pub(super) fn both(one: Option<Faults>, other: Option<Faults>) -> Option<Faults> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.into_iter().zip(other).map(|(one, other)| one.or(other)).collect()),
        (one, other) => one.or(other),
    }
}

fn view(array: &ArrayRef, is_nullable: bool) -> Texts {
    let bytes = array.as_binary_view();
    if let Ok(texts) = bytes.clone().to_string_view() {
        return Texts { array: Arc::new(texts), faults: None };
    }
    let mut texts = StringViewBuilder::with_capacity(bytes.len());
    let faults = each(bytes.iter(), is_nullable, |text| texts.append_option(text));
    Texts { array: Arc::new(texts.finish()), faults }
}

fn offsets(array: &ArrayRef, is_nullable: bool) -> Texts {
    let bytes = array.as_binary::<i32>();
    if let Ok(texts) = StringArray::try_from_binary(bytes.clone()) {
        return Texts { array: Arc::new(texts), faults: None };
    }
    let mut texts = StringBuilder::with_capacity(bytes.len(), bytes.value_data().len());
    let faults = each(bytes.iter(), is_nullable, |text| texts.append_option(text));
    Texts { array: Arc::new(texts.finish()), faults }
}

/// Hands each of `values` on as text.
fn each<'a>(
    values: impl Iterator<Item = Option<&'a [u8]>>,
    is_nullable: bool,
    mut append: impl FnMut(Option<&'a str>),
) -> Option<Faults> {
    let mut is_faulty = false;
    let judge = |value: Option<&'a [u8]>| {
        let Some(bytes) = value else {
            append(None);
            return None;
        };
        let text = std::str::from_utf8(bytes).ok();
        append(if text.is_none() && !is_nullable { Some("") } else { text });
        is_faulty |= text.is_none();
        text.is_none().then_some(bytes.len())
    };
    let faults: Faults = values.map(judge).collect();
    is_faulty.then_some(faults)
}

fn members_as_texts(parts: &StructArray, members: &Fields) -> Result<(StructArray, Option<Faults>), ArrowError> {
    let (mut columns, mut faults) = (Vec::with_capacity(members.len()), None);
    for (column, member) in parts.columns().iter().zip(members) {
        let found = texts(column, member.is_nullable())?;
        columns.push(found.array);
        faults = both(faults, found.faults);
    }
    // What stands where the whole is null says nothing.
    let faults = faults.map(|faults: Faults| {
        faults.into_iter().enumerate().map(|(row, fault)| fault.filter(|_| parts.is_valid(row))).collect()
    });
    let inside = members.iter().map(|member| member.as_ref().clone().with_data_type(textual(member.data_type())));
    let members = inside.map(Arc::new).collect::<Fields>();
    Ok((StructArray::try_new_with_length(members, columns, parts.nulls().cloned(), parts.len())?, faults))
}

/// The faults of lists, which are those of their items.
fn of_lists(items: &Faults, offsets: &OffsetBuffer<i32>) -> Faults {
    let place = |offset: i32| usize::try_from(offset).unwrap_or_default();
    let of_list = |ends: &[i32]| items[place(ends[0])..place(ends[1])].iter().find_map(|fault| *fault);
    offsets.windows(2).map(of_list).collect()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::builder::{BinaryBuilder, ListBuilder};
    use datafusion::arrow::array::{BinaryArray, BinaryViewArray};
    use datafusion::arrow::datatypes::Field;

    use super::*;

    #[test]
    fn bytes_become_text_only_if_they_are_utf_8() {
        for (bytes, is_text) in [
            (&b""[..], true),
            (b"Ana", true),
            (b"Jos\xc3\xa9", true),
            (b"Jos\xe9", false),
            (b"\xff\xfeA\0", false),
            (b"\xc3", false),
            (b"\x80", false),
            // A longer form than needed, a surrogate, more than there is.
            (b"\xc0\xaf", false),
            (b"\xed\xa0\x80", false),
            (b"\xf4\x90\x80\x80", false),
            (b"\xf0\xa0\xae\xb7", true),
            (b"a text of more than twelve letters, \xe9", false),
            (b"\0", true),
        ] {
            for is_nullable in [true, false] {
                let arrays: [ArrayRef; 2] = [
                    Arc::new(BinaryArray::from(vec![Some(bytes), None, Some(b"x")])),
                    Arc::new(BinaryViewArray::from(vec![Some(bytes), None, Some(b"x")])),
                ];
                for array in arrays {
                    let found = texts(&array, is_nullable).unwrap();
                    assert_eq!(found.array.data_type(), &textual(array.data_type()));
                    let faults = (!is_text).then(|| vec![Some(bytes.len()), None, None]);
                    assert_eq!(found.faults, faults, "{}", bytes.escape_ascii());
                    assert_eq!(found.array.is_valid(0), is_text || !is_nullable);
                    assert!(found.array.is_null(1) && found.array.is_valid(2));
                }
            }
        }
    }

    #[test]
    fn bytes_that_are_text_only_together_are_none() {
        let array: ArrayRef = Arc::new(BinaryArray::from(vec![&b"\xc3"[..], b"\xa9", b"ok"]));
        assert_eq!(texts(&array, true).unwrap().faults, Some(vec![Some(1), Some(1), None]));
    }

    #[test]
    fn a_fault_inside_is_one_of_the_row() {
        let mut lists = ListBuilder::new(BinaryBuilder::new());
        for list in [&[&b"a"[..], b"\xe9"][..], &[], &[b"b"], &[b"\xe9\xe9", b"c"]] {
            for item in list {
                lists.values().append_value(item);
            }
            lists.append(true);
        }
        lists.append(false);
        let lists: ArrayRef = Arc::new(lists.finish());
        let expected = Some(vec![Some(1), None, None, Some(2), None]);
        let found = texts(&lists, true).unwrap();
        assert_eq!((found.array.data_type(), found.faults), (&textual(lists.data_type()), expected.clone()));
        let field = Arc::new(Field::new("l", lists.data_type().clone(), true));
        let whole: ArrayRef = Arc::new(StructArray::from(vec![(field, lists)]));
        assert_eq!(texts(&whole, true).unwrap().faults, expected);
    }
}
