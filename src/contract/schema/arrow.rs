//! The Arrow side of the contract: which types a column may have in a query's result.
//!
//! A type is refused when values would be wrong in silence: an id as a float has lost digits, a zip code as an integer
//! is accepted only because CSV readers make one of it, and binary data is no text in any encoding we could name.

use datafusion::arrow::datatypes::DataType;

use crate::contract::{Kind, fields};

/// Whether a column of `kind` may have the Arrow type `data_type`. A column of NULLs is fine everywhere.
#[must_use]
pub fn accepts(kind: Kind, data_type: &DataType) -> bool {
    if *data_type == DataType::Null {
        return true;
    }
    match kind {
        Kind::EventSource
        | Kind::EventName
        | Kind::PersonName
        | Kind::Place
        | Kind::Country
        | Kind::Ip
        | Kind::Locale
        | Kind::Url
        | Kind::UpperAdvertisingId
        | Kind::LowerAdvertisingId
        | Kind::OneOf(_)
        | Kind::Currency => is_text(data_type),
        Kind::EventSourceId | Kind::EventId | Kind::ZipCode | Kind::Text => is_text(data_type) || is_whole(data_type),
        Kind::Email => is_one_or_list(data_type, is_text),
        Kind::Phone | Kind::ExternalId | Kind::Texts => {
            is_one_or_list(data_type, |item| is_text(item) || is_whole(item))
        }
        Kind::Time => is_text(data_type) || is_whole(data_type) || is_instant(data_type),
        // Of a count, a decimal or a float may be whole in every row: rows tell.
        Kind::Amount | Kind::Number | Kind::Integer | Kind::Quantity => is_text(data_type) || is_number(data_type),
        Kind::Numbers => list_item(data_type).is_some_and(|item| *item == DataType::Null || is_number(item)),
        Kind::Boolean => is_text(data_type) || *data_type == DataType::Boolean,
        Kind::Contents => list_item(data_type).is_some_and(is_item),
    }
}

/// The words for the types that [`accepts`] takes, for an error message: `expected …`.
#[must_use]
pub const fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::EventSource
        | Kind::EventName
        | Kind::PersonName
        | Kind::Place
        | Kind::Country
        | Kind::Ip
        | Kind::Locale
        | Kind::Url
        | Kind::UpperAdvertisingId
        | Kind::LowerAdvertisingId
        | Kind::OneOf(_)
        | Kind::Currency => "text",
        Kind::EventSourceId | Kind::EventId | Kind::ZipCode | Kind::Text => "text or a whole number",
        Kind::Email => "text or a list of text",
        Kind::Phone | Kind::ExternalId | Kind::Texts => "text, a whole number, or a list of either",
        Kind::Time => "text, a timestamp, a date or a whole number of seconds",
        Kind::Amount | Kind::Number => "a number, or text that is one",
        Kind::Integer | Kind::Quantity => "a whole number, or text that is one",
        Kind::Numbers => "a list of numbers",
        Kind::Boolean => "a boolean, or the text true or false",
        Kind::Contents => "a list of structs of the item columns",
    }
}

/// The words for `data_type` in a message: `a boolean`, `a list of text`.
#[must_use]
pub fn described(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".into(),
        DataType::Boolean => "a boolean".into(),
        DataType::Date32 | DataType::Date64 => "a date".into(),
        DataType::Timestamp(_, None) => "a timestamp without a time zone".into(),
        DataType::Timestamp(_, Some(_)) => "a timestamp with a time zone".into(),
        DataType::Time32(_) | DataType::Time64(_) => "a time of day".into(),
        DataType::Duration(_) | DataType::Interval(_) => "an interval".into(),
        bytes if is_bytes(bytes) => "bytes".into(),
        DataType::Struct(_) => "a struct".into(),
        DataType::Map(..) => "a map".into(),
        DataType::Dictionary(_, values) => described(values),
        text if is_text(text) => "text".into(),
        number if is_whole(number) => "a whole number".into(),
        number if is_number(number) => "a number with decimals".into(),
        other => match list_item(other) {
            Some(item) => format!("a list of {}", several(&described(item))),
            None => other.to_string(),
        },
    }
}

/// The plural of what [`described`] says, without what qualifies it.
fn several(words: &str) -> String {
    let Some(noun) = words.strip_prefix("a ").or_else(|| words.strip_prefix("an ")) else { return words.to_owned() };
    let noun = noun.split(" of ").next().unwrap_or(noun);
    let noun = noun.split(" with").next().unwrap_or(noun);
    format!("{noun}s")
}

/// Whether values of `data_type` are bytes, which may be text or not.
#[must_use]
pub fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn is_whole(data_type: &DataType) -> bool {
    data_type.is_integer() || decimal_scale(data_type) == Some(0)
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_floating() || decimal_scale(data_type).is_some()
}

fn is_instant(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

fn decimal_scale(data_type: &DataType) -> Option<i8> {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Some(*scale),
        _ => None,
    }
}

fn list_item(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => Some(item.data_type()),
        _ => None,
    }
}

fn is_one_or_list(data_type: &DataType, is_one: impl Fn(&DataType) -> bool) -> bool {
    is_one(data_type) || list_item(data_type).is_some_and(|item| *item == DataType::Null || is_one(item))
}

fn is_item(data_type: &DataType) -> bool {
    let DataType::Struct(members) = data_type else { return *data_type == DataType::Null };
    !members.is_empty()
        && members.iter().all(|member| {
            fields::find(member.name()).is_some_and(|field| field.is_item() && accepts(field.kind, member.data_type()))
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{Field, Fields, TimeUnit};

    use super::*;

    fn list(item: DataType) -> DataType {
        DataType::List(Arc::new(Field::new("item", item, true)))
    }

    fn item(name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, true)
    }

    fn every_kind() -> impl Iterator<Item = Kind> {
        fields::FIELDS.iter().map(|field| field.kind)
    }

    #[test]
    fn a_column_of_nulls_fits_every_kind_and_binary_fits_none() {
        assert!(every_kind().all(|kind| accepts(kind, &DataType::Null)));
        for data_type in [DataType::Binary, DataType::BinaryView, DataType::LargeBinary, DataType::FixedSizeBinary(32)]
        {
            assert!(!every_kind().any(|kind| accepts(kind, &data_type)), "{data_type}");
        }
    }

    #[test]
    fn types_have_words_for_people() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let structs = DataType::Struct(Fields::from(vec![item("content_id", DataType::Utf8)]));
        for (data_type, words) in [
            (dictionary, "text"),
            (DataType::Boolean, "a boolean"),
            (DataType::UInt16, "a whole number"),
            (DataType::Decimal128(38, 0), "a whole number"),
            (DataType::Decimal128(10, 2), "a number with decimals"),
            (DataType::Timestamp(TimeUnit::Second, None), "a timestamp without a time zone"),
            (DataType::BinaryView, "bytes"),
            (list(DataType::Utf8View), "a list of text"),
            (list(DataType::Boolean), "a list of booleans"),
            (list(structs), "a list of structs"),
            (list(list(DataType::Int8)), "a list of lists"),
        ] {
            assert_eq!(described(&data_type), words);
        }
    }

    #[test]
    fn text_of_every_representation_fits_all_but_structured_kinds() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8));
        for data_type in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, dictionary] {
            for kind in every_kind() {
                let structured = matches!(kind, Kind::Numbers | Kind::Contents);
                assert_eq!(accepts(kind, &data_type), !structured, "{kind:?} {data_type}");
            }
        }
    }

    #[test]
    fn ids_may_be_whole_numbers_but_no_floats() {
        for kind in [Kind::Text, Kind::EventId, Kind::EventSourceId, Kind::ZipCode, Kind::Phone, Kind::ExternalId] {
            assert!(accepts(kind, &DataType::Int64) && accepts(kind, &DataType::Decimal128(38, 0)), "{kind:?}");
            assert!(!accepts(kind, &DataType::Float64) && !accepts(kind, &DataType::Decimal128(38, 2)), "{kind:?}");
        }
        for kind in [Kind::EventName, Kind::Currency, Kind::OneOf(&["a"]), Kind::Email, Kind::Boolean] {
            assert!(!accepts(kind, &DataType::Int64), "{kind:?}");
        }
    }

    #[test]
    fn identities_may_be_lists_of_text_and_names_may_not() {
        for kind in [Kind::Email, Kind::Phone, Kind::ExternalId, Kind::Texts] {
            assert!(accepts(kind, &list(DataType::Utf8View)) && accepts(kind, &list(DataType::Null)), "{kind:?}");
            assert!(
                !accepts(kind, &list(list(DataType::Utf8))) && !accepts(kind, &list(DataType::Float64)),
                "{kind:?}"
            );
        }
        assert!(!accepts(Kind::PersonName, &list(DataType::Utf8)));
        assert!(
            accepts(Kind::Numbers, &list(DataType::Decimal128(10, 2))) && !accepts(Kind::Numbers, &DataType::Int64)
        );
    }

    #[test]
    fn times_and_numbers_take_what_can_be_one() {
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for data_type in [zoned, DataType::Date32, DataType::Date64, DataType::Int64, DataType::Decimal128(19, 0)] {
            assert!(accepts(Kind::Time, &data_type), "{data_type}");
        }
        assert!(!accepts(Kind::Time, &DataType::Float64) && !accepts(Kind::Time, &DataType::Boolean));
        for data_type in [DataType::UInt8, DataType::Float32, DataType::Decimal256(40, 4)] {
            assert!(accepts(Kind::Amount, &data_type), "{data_type}");
        }
        assert!(!accepts(Kind::Amount, &DataType::Date32));
        assert!(accepts(Kind::Quantity, &DataType::Float64) && accepts(Kind::Quantity, &DataType::Decimal128(10, 2)));
        assert!(!accepts(Kind::Quantity, &DataType::Boolean));
    }

    #[test]
    fn contents_are_lists_of_structs_of_item_columns() {
        let structs = |members: Vec<Field>| list(DataType::Struct(Fields::from(members)));
        let id = || item("content_id", DataType::Utf8);
        assert!(accepts(Kind::Contents, &structs(vec![id(), item("Price", DataType::Float64)])));
        for members in
            [vec![], vec![id(), item("value", DataType::Float64)], vec![item("content_id", DataType::Float64)]]
        {
            assert!(!accepts(Kind::Contents, &structs(members)));
        }
        assert!(!accepts(Kind::Contents, &DataType::Struct(Fields::from(vec![id()]))));
    }
}
