//! Values that stand in the query and are the same in every row.

use datafusion::arrow::datatypes::DataType;

use super::{Column, Finding, Given, Subject};
use crate::contract::events::{self, Verdict};
use crate::contract::time::TimeFault;
use crate::contract::{EventSource, Field, Kind, currencies};
use crate::validate::sources::{self, Fit};
use crate::validate::{instants, number, texts};

/// Judges the literal that the origin `place` of `column` is, if it is one.
pub(super) fn judge(
    subject: Subject,
    column: &Column,
    place: usize,
    field: &Field,
    given: &Given,
    findings: &mut Vec<Finding>,
) {
    let origin = &column.origins[place];
    let name = &column.name;
    let Some(text) = origin.text() else { return };
    let mut find = |code: &str, message: String, help: String| {
        findings.push(Finding::new(code, subject, message).help(help));
    };
    match field.kind {
        Kind::Email | Kind::Phone | Kind::ExternalId => {
            if origin.is_one_row && !is_column_name(text) {
                return;
            }
            find("PB2007", format!("`{name}` is the same constant for every row"), quoted(text, "person to person"));
        }
        Kind::EventId => constant_id(subject, name, text, origin.is_one_row, findings),
        Kind::Text if matches!(field.column, "order_id" | "lead_id") => {
            constant_id(subject, name, text, origin.is_one_row, findings);
        }
        Kind::EventName => {
            let source = given.event_source;
            findings.extend(source.and_then(|source| event_name(subject, text, source)));
        }
        Kind::EventSource if EventSource::parse(text).is_none() => {
            let words = EventSource::ALL.map(EventSource::as_str).join(", ");
            find("PB2009", format!("`{text}` is no value for `{name}`"), format!("one of: {words}"));
        }
        Kind::EventSourceId => {
            findings.extend(given.event_source.and_then(|source| source_id(subject, text, source)));
        }
        Kind::OneOf(words) if !words.contains(&text) => {
            find("PB2009", format!("`{text}` is no value for `{name}`"), format!("one of: {}", words.join(", ")));
        }
        Kind::Currency if !currencies::is_contract(text) => {
            let help = match currencies::repair(text).filter(|code| currencies::is_contract(code)) {
                Some(code) => format!("write '{code}'"),
                None => "`postback schema` lists the currencies".into(),
            };
            find("PB2009", format!("`{text}` is no currency of the Events API"), help);
        }
        _ => {
            let is_text = matches!(column.data_type, Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View));
            if let Some(what) = misfit(field.kind, text).filter(|_| is_text) {
                let help = quoted(text, "row to row");
                find("PB2005", format!("the text `{text}` is no {what}, as `{name}` needs"), help);
            } else if is_text
                && field.kind == Kind::Time
                && !given.timezone
                && !given.is_unusable("timezone")
                && instants::of_text(text) == Err(TimeFault::NoZone)
            {
                let message = format!("`{name}` has no time zone, and postback.timezone is not set");
                findings.push(Finding::new("PB2011", subject, message));
            }
        }
    }
}

/// Judges the id that a setting or a literal names the destination with.
pub(super) fn source_id(subject: Subject, id: &str, source: EventSource) -> Option<Finding> {
    let find = |detail: &str| Finding::new("PB2018", subject, format!("`{id}` {detail}"));
    match sources::fits(id.trim(), source) {
        Fit::Yes => None,
        Fit::Odd(detail) => Some(find(detail).only_warns()),
        Fit::No(detail) => Some(find(detail)),
    }
}

fn constant_id(subject: Subject, name: &str, text: &str, is_one_row: bool, findings: &mut Vec<Finding>) {
    if !is_one_row || is_column_name(text) {
        let finding = Finding::new("PB2017", subject, format!("`{name}` is the same id for every row"));
        findings.push(finding.help(quoted(text, "event to event")));
    }
}

fn event_name(subject: Subject, text: &str, source: EventSource) -> Option<Finding> {
    let find = |message: String, help: String| Some(Finding::new("PB2008", subject, message).help(help));
    match events::judge(text, source) {
        // Elsewhere it may be a custom name: its rows get a warning.
        Verdict::Misspelt { suggestion } if source == EventSource::Offline => {
            find(format!("`{text}` is no event name"), format!("did you mean '{suggestion}'?"))
        }
        Verdict::NotAllowed { suggestion } => {
            let help = suggestion
                .map_or_else(|| "`postback schema` lists the names".into(), |near| format!("did you mean '{near}'?"));
            find(format!("`{text}` is no event name for {source} events"), help)
        }
        Verdict::Misspelt { .. }
        | Verdict::Standard
        | Verdict::Legacy { .. }
        | Verdict::Reserved { .. }
        | Verdict::Custom => None,
    }
}

/// What the text would have to be, if it is not.
fn misfit(kind: Kind, text: &str) -> Option<&'static str> {
    let is_number = || text.trim().is_empty() || number::is_number(text.trim());
    match kind {
        Kind::Time if instants::of_text(text) == Err(TimeFault::NotATime) => Some("time"),
        Kind::Amount | Kind::Number if !is_number() => Some("number"),
        Kind::Integer | Kind::Quantity if !is_number() => Some("whole number"),
        Kind::Url if !texts::is_absolute_url(text.trim()) => Some("absolute http or https URL"),
        _ => None,
    }
}

/// What to do about text that was probably meant as a column.
fn quoted(text: &str, differs: &str) -> String {
    if is_column_name(text) {
        format!("remove the quotes if you mean the column {text}")
    } else {
        format!("select a column that differs from {differs}")
    }
}

/// Whether text looks like the column of a table: `mc.email`.
fn is_column_name(text: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    text.contains('.') && text.split('.').all(is_name)
}
