//! What a query does not return, or returns as NULL on every row.

use super::{Column, Finding, Given, Role, Subject};
use crate::contract::{EventSource, Field, Kind, Presence, fields};

/// The columns of a query by the field they feed.
struct Fields<'a> {
    columns: &'a [Column],
    roles: &'a [Role],
    meant: &'a [&'static Field],
}

impl Fields<'_> {
    /// Whether a column feeds the field, or was meant to.
    fn has(&self, name: &str) -> bool {
        self.index(name).is_some() || self.meant.iter().any(|field| field.column == name)
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.roles.iter().position(|role| matches!(role, Role::Field(field) if field.column == name))
    }

    /// The column of the field, if it is NULL on every row.
    fn null(&self, name: &str) -> Option<usize> {
        self.index(name).filter(|index| self.columns[*index].is_always_null())
    }
}

/// Finds what is missing.
pub(super) fn judge(
    columns: &[Column],
    roles: &[Role],
    meant: &[&'static Field],
    given: &Given,
    findings: &mut Vec<Finding>,
) {
    let fields = Fields { columns, roles, meant };
    for (name, is_set, example) in [
        ("event_source", given.event_source.is_some(), "'offline'"),
        ("event_source_id", given.event_source_id.is_some(), "'7654321098765432109'"),
        ("event", given.event.is_some(), "'Purchase'"),
    ] {
        if is_set || given.is_unusable(name) {
            continue;
        }
        let help = format!("add `SET postback.{name} = {example};` or a column `{name}`");
        if let Some(index) = fields.null(name) {
            findings.push(always_null(index, &columns[index].name, &help));
        } else if !fields.has(name) && !given.has_more_columns {
            findings.push(Finding::new("PB2003", Subject::Query, format!("nothing says `{name}`")).help(help));
        }
    }
    required(
        &fields,
        "timestamp",
        "the required column `timestamp` is missing",
        "select the time of the event AS timestamp",
        given,
        findings,
    );
    let id = if fields.has("event_id") { "event_id" } else { "order_id" };
    if let Some(index) = fields.null(id) {
        findings.push(always_null(index, &columns[index].name, "return an id for every row, or leave the column out"));
    }
    let has_value = fields.has("value") || fields.has("price") && fields.has("quantity");
    if has_value && !fields.has("currency") && given.currency.is_none() && !given.is_unusable("currency") {
        without_currency(&fields, given, findings);
    }
    let Some(source) = given.event_source else { return };
    for field in fields::FIELDS {
        let is_judged = matches!(field.kind, Kind::EventSource | Kind::EventSourceId | Kind::EventName | Kind::Time);
        if field.presence(source) == Presence::Required && !is_judged && !field.is_item() {
            let message = format!("the column `{}`, required for {source} events, is missing", field.column);
            let help = format!("select its value AS {}: {}", field.column, field.meaning.trim_end_matches('.'));
            required(&fields, field.column, &message, &help, given, findings);
        }
    }
    for any_of in fields::ANY_OF.iter().filter(|any_of| any_of.source == source) {
        identity(&fields, source, any_of.columns, given, findings);
    }
    if source == EventSource::Web {
        web_identity(&fields, given, findings);
    }
}

fn required(fields: &Fields<'_>, name: &str, message: &str, help: &str, given: &Given, findings: &mut Vec<Finding>) {
    if let Some(index) = fields.null(name) {
        findings.push(always_null(index, &fields.columns[index].name, help));
    } else if !fields.has(name) && !given.has_more_columns {
        findings.push(Finding::new("PB2003", Subject::Query, message).help(help));
    }
}

fn always_null(index: usize, name: &str, help: &str) -> Finding {
    Finding::new("PB2019", Subject::Origin(index, 0), format!("`{name}` is NULL on every row")).help(help)
}

/// An event must say who it is about.
fn identity(fields: &Fields<'_>, source: EventSource, names: &[&str], given: &Given, findings: &mut Vec<Finding>) {
    if names.iter().any(|name| fields.has(name) && fields.null(name).is_none()) {
        return;
    }
    let nulls: Vec<usize> = names.iter().filter_map(|name| fields.null(name)).collect();
    if let Some(index) = nulls.first() {
        let name = &fields.columns[*index].name;
        let help = format!("return the column that holds it: {source} events need `{}`", names.join("` or `"));
        findings.push(always_null(*index, name, &help));
    } else if !given.has_more_columns {
        let message = format!("no column identifies a person: {source} events need `{}`", names.join("` or `"));
        findings.push(Finding::new("PB2004", Subject::Query, message));
    }
}

/// A web event without any identity is sent, and can be matched with nobody.
fn web_identity(fields: &Fields<'_>, given: &Given, findings: &mut Vec<Finding>) {
    const ALONE: [&str; 5] = ["email", "phone", "external_id", "tiktok_click_id", "cookie_id"];
    let has = |name: &str| fields.has(name) && fields.null(name).is_none();
    let is_known = ALONE.into_iter().any(has) || has("ip") && has("agent");
    if !is_known && !given.has_more_columns {
        let message = "no column identifies a person, so that the events match nobody";
        findings.push(
            Finding::new("PB2004", Subject::Query, message)
                .help(format!("return `{}`, or `ip` with `agent`", ALONE.join("`, `")))
                .only_warns(),
        );
    }
}

fn without_currency(fields: &Fields<'_>, given: &Given, findings: &mut Vec<Finding>) {
    if given.has_more_columns {
        return;
    }
    let index = fields.index("value").or_else(|| fields.index("price"));
    let subject = index.map_or(Subject::Query, |index| Subject::Origin(index, 0));
    let name = index.map_or("value", |index| fields.columns[index].name.as_str());
    findings.push(
        Finding::new("PB2014", subject, format!("`{name}` comes without a currency"))
            .help("select a column `currency`, or `SET postback.currency = 'USD';`"),
    );
}
