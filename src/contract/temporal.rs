//! What a type says of time: an instant, or a time without a zone, which is a clock in `postback.timezone`.

use datafusion::arrow::datatypes::DataType;

/// What a type says of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A point in time.
    Instant,
    /// A date and a time without a zone.
    Clock,
    /// A date.
    Day,
    /// A time of day.
    TimeOfDay,
    /// Text, which may be any of them.
    Text,
    /// A number, which may count from the epoch.
    Number,
    /// Anything else, lists and structs included.
    Other,
}

impl Class {
    pub(crate) fn of(data_type: &DataType) -> Self {
        match plain(data_type) {
            DataType::Timestamp(_, Some(_)) => Self::Instant,
            DataType::Timestamp(_, None) | DataType::Date64 => Self::Clock,
            DataType::Date32 => Self::Day,
            DataType::Time32(_) | DataType::Time64(_) => Self::TimeOfDay,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            number if number.is_numeric() => Self::Number,
            _ => Self::Other,
        }
    }

    /// Whether it has a date and no zone.
    pub(crate) fn is_local(self) -> bool {
        matches!(self, Self::Clock | Self::Day)
    }
}

/// The classes in a type, in lists, structs and maps too.
pub(crate) fn within(data_type: &DataType) -> Vec<Class> {
    let mut found = Vec::new();
    collect(data_type, &mut found);
    found
}

fn collect(data_type: &DataType, found: &mut Vec<Class>) {
    match plain(data_type) {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => collect(item.data_type(), found),
        DataType::Struct(members) => members.iter().for_each(|member| collect(member.data_type(), found)),
        DataType::Union(members, _) => members.iter().for_each(|(_, member)| collect(member.data_type(), found)),
        other => found.push(Class::of(other)),
    }
}

/// Whether a cast carries a time over the border between instants and times without a zone, be it in lists, structs or
/// maps: text and numbers may be either.
pub(crate) fn crosses(from: &DataType, to: &DataType) -> bool {
    let crosses = |(from, to): (&Class, &Class)| match (from, to) {
        (Class::Instant, to) => to.is_local(),
        (Class::Text, to) => to.is_local() || *to == Class::Instant,
        (Class::Number, to) => matches!(to, Class::Instant | Class::Clock),
        (Class::Clock, Class::Number) => true,
        (from, Class::Instant) => from.is_local(),
        _ => false,
    };
    // What has another shape has no counterpart for each of its parts.
    within(from).iter().zip(&within(to)).any(crosses)
}

/// The type behind dictionaries and runs.
pub(crate) fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{Field, TimeUnit};

    use super::*;

    #[test]
    fn a_border_is_found_within_lists_and_structs() {
        let clock = DataType::Timestamp(TimeUnit::Second, None);
        let instant = DataType::Timestamp(TimeUnit::Second, Some("UTC".into()));
        let list = |item: &DataType| DataType::List(Arc::new(Field::new("item", item.clone(), true)));
        let row = |item: &DataType| {
            DataType::Struct(vec![Field::new("n", DataType::Int64, true), Field::new("at", item.clone(), true)].into())
        };
        assert!(crosses(&list(&clock), &list(&instant)));
        assert!(crosses(&list(&row(&instant)), &list(&row(&clock))));
        assert!(crosses(&list(&DataType::Utf8View), &list(&instant)));
        assert!(!crosses(&list(&row(&clock)), &list(&row(&clock))));
        assert!(!crosses(&list(&DataType::Date32), &list(&clock)));
        assert_eq!(Class::of(&DataType::Dictionary(Box::new(DataType::Int8), Box::new(instant))), Class::Instant);
    }
}
