//! `event_source` and `event_source_id`: where each row goes.

use std::sync::Arc;

use datafusion::arrow::array::StringViewArray;
use datafusion::arrow::array::builder::StringViewBuilder;

use super::cells::{self, RowSources};
use super::faults::Faults;
use crate::contract::EventSource;

/// Digits of an event set id, at most.
const MAX_ID_DIGITS: usize = 20;
/// Characters of a pixel code.
const PIXEL_CODE_LENGTH: std::ops::RangeInclusive<usize> = 15..=25;

/// The event source of each row: the column's, else the setting's.
pub(super) fn event_sources(
    column: Option<&StringViewArray>,
    setting: Option<EventSource>,
    rows: usize,
    name: &Arc<str>,
    faults: &mut Faults,
) -> Vec<Option<EventSource>> {
    (0..rows)
        .map(|row| {
            let Some(text) = column.and_then(|texts| cells::text(texts, row)) else {
                if setting.is_none() {
                    faults.refuse(row, Some(name), "PB3007", "is missing", None);
                }
                return setting;
            };
            let source = EventSource::parse(text);
            if source.is_none() {
                faults.refuse(row, Some(name), "PB3007", "is none of web, app, offline, crm", Some(text));
            }
            source
        })
        .collect()
}

/// The event source id of each row: the column's, trimmed, else the setting's.
pub(super) fn event_source_ids(
    column: Option<&StringViewArray>,
    setting: Option<&str>,
    sources: &RowSources,
    name: &Arc<str>,
    faults: &mut Faults,
) -> StringViewArray {
    let mut builder = StringViewBuilder::with_capacity(sources.len());
    for (row, source) in sources.iter().enumerate() {
        let given = column.and_then(|texts| cells::text(texts, row)).map(str::trim);
        builder.append_option(given.or(setting));
        let (Some(source), Some(id)) = (source, given.or(setting)) else {
            if given.or(setting).is_none() {
                faults.refuse(row, Some(name), "PB3008", "is missing", None);
            }
            continue;
        };
        match fits(id, *source) {
            Fit::Yes => {}
            // An odd id in a setting is a matter for the settings, not for every row.
            Fit::Odd(_) if given.is_none() => {}
            Fit::Odd(detail) => faults.warn(row, Some(name), "PB3009", detail, Some(id)),
            Fit::No(detail) => faults.refuse(row, Some(name), "PB3009", detail, Some(id)),
        }
    }
    builder.finish()
}

/// Whether an id looks like one of its event source.
pub(super) enum Fit {
    /// It does.
    Yes,
    /// It does not, but it may be one.
    Odd(&'static str),
    /// It is none.
    No(&'static str),
}

/// Whether `id` looks like one of `source`.
pub(super) fn fits(id: &str, source: EventSource) -> Fit {
    let digits = id.bytes().all(|byte| byte.is_ascii_digit());
    match source {
        EventSource::Web => {
            let code = id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
            if code && !digits && PIXEL_CODE_LENGTH.contains(&id.len()) {
                Fit::Yes
            } else {
                Fit::Odd("does not look like a pixel code of some 20 upper-case letters and digits")
            }
        }
        EventSource::Offline if !digits => Fit::No("is not an offline event set id of digits"),
        _ if digits && id.len() <= MAX_ID_DIGITS => Fit::Yes,
        _ => Fit::Odd("does not look like an id of up to 20 digits"),
    }
}
