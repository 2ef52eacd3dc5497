//! The contract as pages for people: Markdown, a terminal's table, and the tables of the README.

use super::section::Section;
use super::{Row, rows, taken, values};
use crate::contract::events::{self, NameRule};
use crate::contract::responses::{self, Response};
use crate::contract::{EventSource, Field, LIMITS, MAX_CUSTOM_NAME, Presence, Vertical, currencies, fields};

/// Width of a text table when the terminal's is not known.
const TEXT_WIDTH: usize = 100;
/// What the words of [`short`] stand for.
const LEGEND: &str = "req: required; opt: sent when the query gives it; -: not part of that source's events.";

/// The contract of `source`, or of all of them, as Markdown sections of the second level.
#[must_use]
pub fn markdown(source: Option<EventSource>) -> String {
    let sections = [vec![full_columns(source)], rules(source)].concat();
    sections.iter().map(Section::to_markdown).collect::<Vec<_>>().join("\n")
}

/// The contract of `source`, or of all of them, as plain text of at most `width` characters per line.
#[must_use]
pub fn table(source: Option<EventSource>, width: Option<usize>) -> String {
    let width = width.unwrap_or(TEXT_WIDTH);
    sections(source).iter().map(|section| section.to_text(width)).collect::<Vec<_>>().join("\n")
}

/// What [`table`] writes, section by section.
#[must_use]
pub fn sections(source: Option<EventSource>) -> Vec<Section> {
    let verticals = [None, Some(Vertical::Travel), Some(Vertical::Vehicle)];
    let columns = verticals.into_iter().map(|vertical| short_columns(source, vertical));
    let columns = columns.filter(|section| !section.rows.is_empty());
    columns.chain(rules(source)).collect()
}

/// The README's tables: columns without those of a vertical, event names and limits, each under a heading of the third
/// level.
#[must_use]
pub fn readme_tables() -> String {
    let columns = Section {
        title: "Columns",
        headings: &["column", "aliases", "sources", "meaning"],
        rows: taken(None).filter(|field| field.vertical.is_none()).map(readme_row).collect(),
        names: &[0, 1],
        ..Section::default()
    };
    let sections = [columns, event_names(None), limits()];
    let texts = sections.iter().map(|section| format!("### {}\n\n{}", section.title, section.markdown_table()));
    texts.collect::<Vec<_>>().join("\n")
}

fn full_columns(source: Option<EventSource>) -> Section {
    Section {
        title: "Columns",
        intro: needs(source),
        headings: &Row::HEADINGS,
        rows: rows(source).iter().map(|row| row.cells().map(str::to_owned).to_vec()).collect(),
        names: &[0, 1, 2],
    }
}

fn short_columns(source: Option<EventSource>, vertical: Option<Vertical>) -> Section {
    let (title, intro) = match vertical {
        None => ("Columns", needs(source)),
        Some(Vertical::Travel) => ("Columns for travel", String::new()),
        Some(Vertical::Vehicle) => ("Columns for vehicles", String::new()),
    };
    let headings: &[&str] = match source {
        Some(_) => &["column", "needed", "values", "meaning"],
        None => &["column", "offline", "web", "app", "crm", "meaning"],
    };
    let intro = if source.is_none() && vertical.is_none() { format!("{LEGEND} {intro}") } else { intro };
    let row = |field: &'static Field| {
        let place = match source {
            Some(source) => vec![field.presence(source).as_str().to_owned(), values(field.kind)],
            None => field.presence.map(|presence| short(presence).to_owned()).to_vec(),
        };
        [vec![field.column.to_owned()], place, vec![meaning(field)]].concat()
    };
    let rows = taken(source).filter(|field| field.vertical == vertical).map(row).collect();
    Section { title, intro, headings, rows, names: &[0] }
}

fn short(presence: Presence) -> &'static str {
    match presence {
        Presence::Required => "req",
        Presence::Optional => "opt",
        Presence::Absent => "-",
    }
}

fn meaning(field: &Field) -> String {
    if field.aliases.is_empty() {
        return field.meaning.to_owned();
    }
    format!("{} Also: {}.", field.meaning, field.aliases.join(", "))
}

fn readme_row(field: &'static Field) -> Vec<String> {
    let taken = EventSource::ALL.into_iter().filter(|source| field.presence(*source) != Presence::Absent);
    let sources: Vec<_> = taken.map(EventSource::as_str).collect();
    let mut sources = if sources.len() == EventSource::ALL.len() { "all".to_owned() } else { sources.join(", ") };
    if field.presence.contains(&Presence::Required) {
        sources.push_str(" (required)");
    }
    vec![field.column.to_owned(), field.aliases.join(", "), sources, field.meaning.to_owned()]
}

/// The groups of columns of which one is needed, as sentences.
fn needs(source: Option<EventSource>) -> String {
    let groups = fields::ANY_OF.iter().filter(|any| source.is_none_or(|source| any.source == source));
    let sentences = groups.map(|any| {
        let columns = any.columns.join(" or ");
        format!("Every {} event needs {columns}: {}.", any.source, any.citation)
    });
    sentences.collect::<Vec<_>>().join(" ")
}

/// What holds beside the columns.
fn rules(source: Option<EventSource>) -> Vec<Section> {
    vec![limits(), event_names(source), contract_currencies(), response_codes()]
}

fn limits() -> Section {
    let row = |limit: &crate::contract::Limit| {
        vec![limit.name.to_owned(), limit.value.to_string(), limit.unit.to_owned(), limit.citation.to_string()]
    };
    Section {
        title: "Limits",
        headings: &["limit", "value", "unit", "citation"],
        rows: LIMITS.iter().map(row).collect(),
        names: &[0],
        ..Section::default()
    }
}

fn contract_currencies() -> Section {
    let intro = format!("{}: {}.", currencies::CONTRACT.join(" "), currencies::CITATION);
    Section { title: "Currencies", intro, ..Section::default() }
}

/// The codes that a client which posts events can meet; the others are in [`super::json`].
fn response_codes() -> Section {
    let met = responses::RESPONSES.iter().filter(|response| response.met);
    let row = |response: &Response| {
        let Response { code, meaning, action, citation, .. } = response;
        vec![code.to_string(), action.as_str().to_owned(), citation.to_string(), (*meaning).to_owned()]
    };
    Section {
        title: "Response codes",
        headings: &["code", "action", "citation", "meaning"],
        rows: met.map(row).collect(),
        names: &[0],
        ..Section::default()
    }
}

fn event_names(source: Option<EventSource>) -> Section {
    use EventSource::{App, Crm, Offline, Web};
    let mut rows = Vec::new();
    let mut push = |kind: &str, of: &[EventSource], names: String, citation: crate::contract::Citation| {
        let of: Vec<_> =
            of.iter().filter(|of| source.is_none_or(|source| **of == source)).map(|of| of.as_str()).collect();
        if !of.is_empty() {
            rows.push(vec![kind.to_owned(), of.join(", "), citation.to_string(), names]);
        }
    };
    push("standard", &[Offline, Web, Crm], events::STANDARD.join(", "), events::STANDARD_CITATION);
    push("standard", &[App], events::APP_STANDARD.join(", "), events::APP_STANDARD_CITATION);
    push("named for offline sets", &[Offline], events::OFFLINE_LISTED.join(", "), events::OFFLINE_LISTED_CITATION);
    let old = events::LEGACY.map(|legacy| match legacy.now {
        Some(now) => format!("{} is now {now} ({})", legacy.name, legacy.fate),
        None => format!("{} ({})", legacy.name, legacy.fate),
    });
    push("old", &[Offline, Web, Crm], old.join("; "), events::LEGACY_CITATION);
    let reserved = events::RESERVED.map(|(name, becomes)| format!("{name} becomes {becomes}"));
    push("reserved", &[Web], reserved.join(", "), events::RESERVED_CITATION);
    for of in EventSource::ALL {
        let names = match events::rule(of) {
            NameRule::Listed => "none".to_owned(),
            NameRule::WellFormed => {
                format!("at most {MAX_CUSTOM_NAME} characters that match {}", events::CUSTOM_NAME_PATTERN)
            }
            NameRule::Free => "any text".to_owned(),
        };
        push("custom", &[of], names, events::RULE_CITATION);
    }
    Section { title: "Event names", headings: &["kind", "sources", "citation", "names"], rows, ..Section::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_source() -> impl Iterator<Item = Option<EventSource>> {
        [None].into_iter().chain(EventSource::ALL.map(Some))
    }

    #[test]
    fn text_fits_one_hundred_columns_and_shows_every_column() {
        for source in every_source() {
            let text = table(source, None);
            assert!(text.lines().all(|line| line.chars().count() <= TEXT_WIDTH), "{text}");
            assert!(taken(source).all(|field| text.contains(&format!("\n{} ", field.column))), "{text}");
        }
    }

    #[test]
    fn markdown_has_a_line_per_column_with_as_many_cells_as_headings() {
        for source in every_source() {
            let text = markdown(source);
            for field in taken(source) {
                let start = format!("| `{}` |", field.column);
                let line = text.lines().find(|line| line.starts_with(&start)).expect("every column has a line");
                assert_eq!(line.matches(" | ").count() + 1, Row::HEADINGS.len(), "{line}");
            }
        }
    }

    #[test]
    fn a_source_sees_its_own_event_names_and_rules_only() {
        let offline = table(Some(EventSource::Offline), None);
        assert!(offline.contains("Every offline event needs email or phone"));
        assert!(!offline.contains("AchieveLevel") && !offline.contains("becomes"));
        let app = table(Some(EventSource::App), None);
        assert!(app.contains("AchieveLevel") && !app.contains("FindLocation") && !app.contains("needs email"));
    }

    #[test]
    fn readme_tables_leave_verticals_out() {
        let text = readme_tables();
        assert!(text.contains("| `page_url` | `url` | web (required) | URL of the page"), "{text}");
        assert!(text.contains("| `event` | `event_name` | all (required) |"));
        assert!(!text.contains("travel_city") && !text.contains("`vin`"));
        assert!(text.contains("### Limits") && text.contains("`max_batch_events` | 1000"));
    }
}
