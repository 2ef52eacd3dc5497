//! What is sent of the cells of one column, as text: two rows agree where these texts do, however their values are
//! written.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Int64Type, Schema};
use datafusion::arrow::util::display::array_value_to_string;

use super::cells::{self, Texts};
use super::contents::internal;
use super::faults::Faults;
use super::rows::{FoldValue, InvalidPhone, Judge, Policy};
use crate::contract::phone::Region;
use crate::contract::time::TimeZone;
use crate::contract::{EventSource, Field, Kind, Presence, events};
use crate::error::Result;

/// Before the text of a value that can be sent, and before that of one that cannot.
const SENT: char = '=';
const UNUSABLE: char = '!';
/// Between the items of a list.
const SEPARATOR: char = '\u{1f}';

/// The forms of the values of one field.
#[derive(Debug)]
pub struct Forms {
    field: &'static Field,
    judge: Judge,
}

impl Forms {
    /// For columns of `data_type`, as conforming leaves it, that feed `field`; `zone` and `region` are those of times and
    /// phone numbers without any.
    ///
    /// # Errors
    /// A type that conforming does not leave, which is a defect of postback.
    pub fn new(
        field: &'static Field,
        data_type: &DataType,
        zone: Option<TimeZone>,
        region: Option<Region>,
    ) -> Result<Self> {
        let takes = |source: &EventSource| field.presence(*source) != Presence::Absent;
        let policy = Policy {
            now: 0,
            zone,
            region,
            event_source: EventSource::ALL.into_iter().find(takes),
            event_source_id: None,
            event: None,
            currency: None,
            // Whether a time is too old or too new is no matter of how it is written.
            max_event_age: i64::MAX,
            future_tolerance: i64::MAX,
            limited_data_use: None,
            reject_bad_optional: false,
            invalid_phone: InvalidPhone::Send,
            restricts_personal: false,
            fold_value: FoldValue::Same,
        };
        let schema = Schema::new(vec![ArrowField::new(field.column, data_type.clone(), true)]);
        Ok(Self { field, judge: Judge::new(&schema, policy)? })
    }

    /// The form of each cell: none for NULL and blank text; that of a value that cannot be sent is the value itself.
    ///
    /// # Errors
    /// A column of another type than the one given before, which is a defect of postback.
    pub fn of(&self, column: &ArrayRef) -> Result<StringArray> {
        if let (Kind::Text | Kind::EventId, Some(texts)) = (self.field.kind, column.as_string_view_opt()) {
            let form = |row| cells::text(texts, row).map(|text| format!("{SENT}{text}"));
            return Ok((0..texts.len()).map(form).collect());
        }
        let rows = column.len();
        let mut faults = Faults::new(0, rows, &self.judge.policy);
        let sources = vec![self.judge.policy.event_source; rows];
        let Some(output) = self.judge.output(self.field.column) else { return Ok(StringArray::new_null(rows)) };
        let sent =
            self.judge.column(output, self.field, std::slice::from_ref(column), None, None, &sources, &mut faults)?;
        let at_fault = faults.rows_of(&[self.field.column]);
        let given = Texts::of(column);
        let is_given = |row| match &given {
            Some(texts) => texts.row(row).next().is_some(),
            None => column.is_valid(row),
        };
        (0..rows)
            .map(|row| {
                let sent = self.text(&sent, row);
                let is_whole = !(at_fault.contains(&row) && column.as_list_opt::<i32>().is_some());
                match sent {
                    Some(sent) if is_whole => Ok(Some(format!("{SENT}{sent}"))),
                    // Of a list with something unusable in it all counts.
                    _ if is_given(row) => {
                        let value = array_value_to_string(column, row).map_err(internal)?;
                        Ok(Some(format!("{UNUSABLE}{}", value.trim())))
                    }
                    _ => Ok(None),
                }
            })
            .collect()
    }

    /// The text of a canonical cell.
    fn text(&self, column: &ArrayRef, row: usize) -> Option<String> {
        if !cells::present(Some(column), row) {
            return None;
        }
        Some(match column.data_type() {
            DataType::Utf8View if self.field.kind == Kind::EventName => {
                events::canonical(column.as_string_view().value(row)).to_owned()
            }
            DataType::Utf8View => column.as_string_view().value(row).to_owned(),
            DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
            DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
            DataType::Boolean => column.as_boolean().value(row).to_string(),
            _ => {
                let items = column.as_list_opt::<i32>()?.value(row);
                let mut texts: Vec<String> = (0..items.len()).filter_map(|item| self.text(&items, item)).collect();
                // Who is meant does not depend on which address comes first.
                if matches!(self.field.kind, Kind::Email | Kind::Phone | Kind::ExternalId) {
                    texts.sort_unstable();
                }
                texts.join(&SEPARATOR.to_string())
            }
        })
    }
}

/// The form of `text` where a setting stands in for the values of `field`.
#[must_use]
pub fn of_setting(field: &Field, text: &str) -> String {
    let text = text.trim();
    let text = if field.kind == Kind::EventName { events::canonical(text) } else { text };
    format!("{SENT}{text}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::builder::{ListBuilder, StringViewBuilder};
    use datafusion::arrow::array::{Int64Array, StringViewArray};

    use super::*;
    use crate::contract::fields;
    use crate::contract::normalize::Digest;
    use crate::contract::time::zone;

    fn forms(column: &str, values: &[&str]) -> Vec<Option<String>> {
        let values: ArrayRef = Arc::new(StringViewArray::from_iter_values(values));
        let forms = Forms::new(
            fields::by_column(column).unwrap(),
            values.data_type(),
            zone("Europe/Berlin"),
            Region::parse("US"),
        );
        forms.unwrap().of(&values).unwrap().iter().map(|form| form.map(str::to_owned)).collect()
    }

    #[test]
    fn one_value_has_one_form_however_it_is_written() {
        let digest = Digest::of("ann@shop.example").as_str().to_uppercase();
        for (column, values) in [
            ("email", &["ann@shop.example", " Ann@Shop.Example ", "ANN@SHOP.EXAMPLE", &digest][..]),
            ("phone", &["+12133734253", "(213) 373-4253", "+1 213 373 4253 "]),
            ("phone", &["+12061234567", "+1 206 123 4567"]),
            ("external_id", &["user_123", " user_123"]),
            ("first_name", &["Zoë", " zoë ", "ZOË"]),
            ("zip_code", &["90210-1234", "90210", "90 210"]),
            ("city", &["New York", "new york", "newyork"]),
            ("country", &["US", "us ", "Us"]),
            ("currency", &["USD", "usd", " Usd"]),
            ("value", &["5", "5.00", "05.0", "+5"]),
            ("num_items", &["3", "3.0"]),
            ("timestamp", &["2026-11-07T09:50:24+02:00", "2026-11-07 08:50:24", "1794037824", "1794037824000"]),
            ("event", &["Purchase", "CompletePayment"]),
            ("event_source_id", &["7654321098765432109", " 7654321098765432109 "]),
            ("limited_data_use", &["true", "TRUE", "True"]),
            ("ip", &["203.0.113.24", " 203.0.113.24"]),
            ("page_url", &["https://shop.example/", " https://shop.example/ "]),
            ("idfa", &["6d92078a-8246-4ba4-ae5b-76104861e7dc", "6D92078A-8246-4BA4-AE5B-76104861E7DC"]),
        ] {
            let found = forms(column, values);
            assert!(found[0].as_ref().is_some_and(|form| form.starts_with('=')), "{column} {found:?}");
            assert!(found.iter().all(|form| *form == found[0]), "{column} {values:?} {found:?}");
        }
    }

    #[test]
    fn two_values_have_two_forms() {
        for (column, values) in [
            ("email", ["ann@shop.example", "eve@shop.example"]),
            ("email", ["ann@shop.example", "n/a"]),
            ("email", ["nobody", "n/a"]),
            ("phone", ["+12133734253", "+12133734254"]),
            ("phone", ["213 373 4253", "5"]),
            ("external_id", ["User_123", "user_123"]),
            ("order_id", ["A1", "a1"]),
            ("order_id", ["A1", " A1"]),
            ("value", ["5", "5.01"]),
            ("value", ["5", "$5"]),
            ("currency", ["USD", "EUR"]),
            ("currency", ["USD", "dollar"]),
            ("timestamp", ["2026-11-07T09:50:24+02:00", "2026-11-07T09:50:24Z"]),
            ("timestamp", ["2026-11-07T09:50:24+02:00", "soon"]),
            ("event", ["Purchase", "purchase"]),
            ("limited_data_use", ["true", "false"]),
        ] {
            let found = forms(column, &values);
            assert!(found.iter().all(Option::is_some) && found[0] != found[1], "{column} {values:?} {found:?}");
        }
    }

    #[test]
    fn what_is_blank_has_no_form() {
        for column in ["email", "phone", "order_id", "description", "currency", "value", "timestamp", "city", "ip"] {
            assert_eq!(forms(column, &["", " ", "\t\u{a0}"]), [None, None, None], "{column}");
        }
        let nulls: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(1_794_037_824)]));
        let times = Forms::new(fields::by_column("timestamp").unwrap(), &DataType::Int64, None, None).unwrap();
        assert_eq!(times.of(&nulls).unwrap().iter().collect::<Vec<_>>(), [None, Some("=1794037824")]);
    }

    #[test]
    fn lists_of_identities_are_sets() {
        let mut lists = ListBuilder::new(StringViewBuilder::new());
        for list in [
            &["a@shop.example", "b@shop.example"][..],
            &["B@shop.example ", "a@shop.example", "A@shop.example", ""],
            &["a@shop.example"],
            &["a@shop.example", "nobody"],
            &[" ", ""],
        ] {
            lists.values().extend(list.iter().map(|text| Some(*text)));
            lists.append(true);
        }
        lists.append(false);
        let lists: ArrayRef = Arc::new(lists.finish());
        let forms = Forms::new(fields::by_column("email").unwrap(), lists.data_type(), None, None).unwrap();
        let found = forms.of(&lists).unwrap();
        assert_eq!(found.value(0), found.value(1));
        assert_ne!(found.value(0), found.value(2));
        assert!(found.value(3).starts_with(UNUSABLE));
        assert!(found.is_null(4) && found.is_null(5));
    }
}
