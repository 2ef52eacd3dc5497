//! Values that stand in the query and are the same in every row.

use datafusion::arrow::datatypes::DataType;

use super::{Column, Finding, Given, Subject};
use crate::contract::events::{self, Verdict};
use crate::contract::time::TimeFault;
use crate::contract::{EventSource, Field, Kind, currencies, fields};
use crate::validate::sources::{self, Fit};
use crate::validate::{instants, number, texts};

/// Judges the literal that the origin `place` of the column `index` is, or those that it chooses from.
pub(super) fn judge(
    index: usize,
    place: usize,
    column: &Column,
    field: &Field,
    given: &Given,
    findings: &mut Vec<Finding>,
) {
    let origin = &column.origins[place];
    let name = &column.name;
    let Some(text) = origin.text() else {
        for (choice, text) in origin.choices.iter().enumerate() {
            findings.extend(outside_set(Subject::Choice(index, place, choice), name, text, field.kind, given));
        }
        return;
    };
    let subject = Subject::Origin(index, place);
    findings.extend(outside_set(subject, name, text, field.kind, given));
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
        Kind::Text if field.column == "order_id" => {
            constant_id(subject, name, text, origin.is_one_row, findings);
        }
        Kind::EventSourceId => {
            findings.extend(given.event_source.and_then(|source| source_id(subject, text, source)));
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

/// Judges the settings that stand in for columns; those that the query returns have no effect.
pub(super) fn settings(columns: &[Column], given: &Given, findings: &mut Vec<Finding>) {
    for (name, value, kind) in [("event", &given.event, Kind::EventName), ("currency", &given.currency, Kind::Currency)]
    {
        let is_from_rows = columns.iter().any(|column| fields::find(&column.name).is_some_and(|f| f.kind == kind));
        if let Some(value) = value
            && !is_from_rows
        {
            findings.extend(outside_set(Subject::Setting(name), &format!("postback.{name}"), value, kind, given));
        }
    }
}

/// Judges a text of a field that takes some texts only.
fn outside_set(subject: Subject, name: &str, text: &str, kind: Kind, given: &Given) -> Option<Finding> {
    let outside = |message: String, help: String| Some(Finding::new("PB2009", subject, message).help(help));
    match kind {
        Kind::EventName => given.event_source.and_then(|source| event_name(subject, text, source)),
        Kind::EventSource if EventSource::parse(text).is_none() => {
            let words = EventSource::ALL.map(EventSource::as_str).join(", ");
            outside(format!("`{text}` is no value for `{name}`"), format!("one of: {words}"))
        }
        Kind::OneOf(words) if !words.contains(&text) => {
            outside(format!("`{text}` is no value for `{name}`"), format!("one of: {}", words.join(", ")))
        }
        Kind::Currency if !currencies::is_contract(text) => {
            let help = match currencies::repair(text).filter(|code| currencies::is_contract(code)) {
                Some(code) => format!("write '{code}'"),
                // No code, so probably the name of a column.
                None if is_name(text) && text.len() > 3 => {
                    format!("write a code such as 'USD', or remove the quotes if you mean the column {text}")
                }
                None => "`postback schema` lists the currencies".into(),
            };
            outside(format!("`{text}` is no currency of the Events API"), help)
        }
        _ => None,
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
        Verdict::Misspelt { suggestion } if source == EventSource::Offline => {
            find(format!("`{text}` is no event name"), format!("did you mean '{suggestion}'?"))
        }
        // Elsewhere it may be a name of one's own.
        Verdict::Misspelt { suggestion } => {
            find(format!("`{text}` counts as a custom event"), format!("did you mean '{suggestion}'?"))
                .map(Finding::only_warns)
        }
        Verdict::Reserved { becomes } => {
            let message = format!("TikTok turns `{text}` events into `{becomes}` events");
            find(message, format!("write '{becomes}' if that is meant, else choose another name"))
                .map(Finding::only_warns)
        }
        Verdict::NotAllowed { suggestion } => {
            let help = suggestion
                .map_or_else(|| "`postback schema` lists the names".into(), |near| format!("did you mean '{near}'?"));
            find(format!("`{text}` is no event name for {source} events"), help)
        }
        Verdict::Standard | Verdict::Legacy { .. } | Verdict::Custom => None,
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
    if is_name(text) {
        format!("remove the quotes if you mean the column {text}")
    } else {
        format!("select a column that differs from {differs}")
    }
}

/// Whether text looks like the column of a table: `mc.email`.
fn is_column_name(text: &str) -> bool {
    text.contains('.') && is_name(text)
}

/// Whether text could be the name of a column.
fn is_name(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    })
}
