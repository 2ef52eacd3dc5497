//! Judges the columns of a planned query against the contract, before a row is read: all problems at once.

use datafusion::arrow::datatypes::DataType;

use super::{Rule, Severity, rule};
use crate::contract::events::{self, Verdict};
use crate::contract::{EventSource, Field, Kind, Presence, currencies, fields, schema};
use crate::settings::nearest;

/// A column of a query's result.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Its text, if it is the same literal in every row.
    pub literal: Option<String>,
    /// The function that makes it differ from run to run, if one does.
    pub unstable: Option<String>,
    /// Whether an instant lost its zone on the way.
    pub drops_zone: bool,
}

/// What is known of a query besides its columns: the settings that stand in for them.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent setting, given or not")]
pub struct Given {
    /// `postback.event_source`.
    pub event_source: Option<EventSource>,
    /// Whether `postback.event_source_id` is set.
    pub event_source_id: bool,
    /// Whether `postback.event` is set.
    pub event: bool,
    /// Whether `postback.currency` is set.
    pub currency: bool,
    /// Whether `postback.timezone` is set.
    pub timezone: bool,
    /// Whether it is UTC, so that a clock in UTC is read as one.
    pub is_utc: bool,
    /// Whether unknown columns become custom properties.
    pub extra_properties: bool,
    /// Whether rows are folded into `contents`.
    pub fold: bool,
}

/// What a column of the result is for.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// It feeds a field of the contract.
    Field(&'static Field),
    /// It is sent as a custom property under its own name.
    Property,
    /// It is not sent: its name starts with `_`, the event source does not take it, or it cannot be used.
    Unsent,
}

/// One problem of a query.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What is wrong.
    pub rule: &'static Rule,
    /// Index of the column it is about, if it is about one.
    pub column: Option<usize>,
    /// What is wrong here, in words.
    pub message: String,
    /// What to do about it here; the rule's own fix where there is nothing better.
    pub help: String,
    /// Whether it refuses the query: as the rule says, or less where this case is only probable.
    pub severity: Severity,
}

impl Finding {
    fn new(code: &str, column: Option<usize>, message: String) -> Self {
        let rule = rule(code).expect("plan rules are rows of RULES");
        Self { rule, column, message, help: rule.fix.to_owned(), severity: rule.severity }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..self }
    }

    /// Whether the query cannot be used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Reject
    }
}

/// The role of each column, and everything wrong with them.
#[must_use]
pub fn judge(columns: &[Column], given: Given) -> (Vec<Role>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut roles = Vec::with_capacity(columns.len());
    let names_source =
        |column: &Column| fields::find(&column.name).is_some_and(|field| field.kind == Kind::EventSource);
    // Where rows name their source, the setting only fills in, and each row is judged by its own.
    let given = if columns.iter().any(names_source) { Given { event_source: None, ..given } } else { given };
    for (index, column) in columns.iter().enumerate() {
        let role = role(index, column, given, &mut findings);
        if let Role::Field(field) = role
            && let Some(first) =
                roles.iter().position(|other| matches!(other, Role::Field(other) if std::ptr::eq(*other, field)))
        {
            let message = format!("`{}` and `{}` both feed `{}`", column.name, columns[first].name, field.column);
            findings.push(Finding::new("PB2002", Some(index), message));
            roles.push(Role::Unsent);
            continue;
        }
        roles.push(role);
    }
    let fields: Vec<&'static Field> =
        roles.iter().filter_map(|role| if let Role::Field(field) = role { Some(*field) } else { None }).collect();
    presence(&fields, given, &mut findings);
    findings.sort_by_key(|finding| (finding.column.is_none(), finding.column));
    (roles, findings)
}

/// The finding that a query uses `function`, which gives another value each time it is asked.
#[must_use]
pub fn volatile(function: &str) -> Finding {
    Finding::new(
        "PB2012",
        None,
        format!("the query uses `{function}`, so that no two passes over it see the same rows"),
    )
}

fn role(index: usize, column: &Column, given: Given, findings: &mut Vec<Finding>) -> Role {
    let Column { name, data_type, literal, unstable, drops_zone } = column;
    if name.starts_with('_') {
        return Role::Unsent;
    }
    let Some(field) = fields::find(name) else {
        if given.extra_properties {
            return property(index, name, data_type, findings);
        }
        let finding = Finding::new("PB2001", Some(index), format!("`{name}` is no column of the contract"));
        findings.push(match meant(name) {
            Some(near) => finding
                .help(format!("did you mean `{near}`? A name that starts with `_` is carried along and not sent")),
            None => finding,
        });
        return Role::Unsent;
    };
    if !schema::accepts(field.kind, data_type) {
        let message =
            format!("`{name}` is of type {data_type}, but `{}` takes {}", field.column, schema::expected(field.kind));
        findings.push(Finding::new("PB2005", Some(index), message));
        return Role::Field(field);
    }
    if let Some(source) = given.event_source
        && field.presence(source) == Presence::Absent
    {
        let message = format!("`{name}` is not part of {source} events and is not sent");
        findings.push(Finding::new("PB2006", Some(index), message));
        return Role::Unsent;
    }
    let zoneless = matches!(data_type, DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64);
    if field.kind == Kind::Time && zoneless && !given.timezone {
        findings.push(Finding::new(
            "PB2011",
            Some(index),
            format!("`{name}` has no time zone, and postback.timezone is not set"),
        ));
    }
    if field.kind == Kind::Contents && given.fold {
        let message = format!("`{name}` already is a list of items, so there is nothing to fold");
        findings.push(
            Finding::new("PB2005", Some(index), message)
                .help("take out `SET postback.fold`, or return one row an item"),
        );
    }
    if let Some(function) = unstable
        && matches!(field.kind, Kind::Time | Kind::EventId)
    {
        let message = format!("`{name}` comes from `{function}`, which is another value in each run");
        findings.push(Finding::new("PB2012", Some(index), message));
    }
    if *drops_zone && field.kind == Kind::Time && !given.is_utc {
        let message = format!("`{name}` loses its zone on the way, and its UTC clock would be read as local time");
        findings.push(Finding::new("PB2016", Some(index), message));
    }
    if let Some(text) = literal {
        constant(index, name, text, field, given.event_source, findings);
    }
    Role::Field(field)
}

/// Judges a value that is the same in every row.
fn constant(
    index: usize,
    name: &str,
    text: &str,
    field: &Field,
    source: Option<EventSource>,
    findings: &mut Vec<Finding>,
) {
    let mut find =
        |code: &str, message: String, help: String| findings.push(Finding::new(code, Some(index), message).help(help));
    match field.kind {
        Kind::Email | Kind::Phone | Kind::ExternalId => {
            let help = if text.contains('.') && !text.contains('@') {
                format!("remove the quotes if you mean the column {text}")
            } else {
                "select a column that differs from person to person".into()
            };
            find("PB2007", format!("`{name}` is the same constant for every row"), help);
        }
        Kind::EventName => {
            let Some(source) = source else { return };
            match events::judge(text, source) {
                // Elsewhere it may be a custom name: its rows get a warning.
                Verdict::Misspelt { suggestion } if source == EventSource::Offline => {
                    find("PB2008", format!("`{text}` is no event name"), format!("did you mean '{suggestion}'?"));
                }
                Verdict::NotAllowed { suggestion } => {
                    let help = suggestion.map_or_else(
                        || "`postback schema` lists the names".into(),
                        |near| format!("did you mean '{near}'?"),
                    );
                    find("PB2008", format!("`{text}` is no event name for {source} events"), help);
                }
                Verdict::Misspelt { .. }
                | Verdict::Standard
                | Verdict::Legacy { .. }
                | Verdict::Reserved { .. }
                | Verdict::Custom => {}
            }
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
        _ => {}
    }
}

fn property(index: usize, name: &str, data_type: &DataType, findings: &mut Vec<Finding>) -> Role {
    let scalar = data_type.is_numeric()
        || data_type.is_null()
        || matches!(data_type, DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if scalar {
        return Role::Property;
    }
    let message = format!("`{name}` is of type {data_type}, but a custom property takes text, a number or a boolean");
    findings.push(Finding::new("PB2005", Some(index), message));
    Role::Unsent
}

fn presence(fields: &[&'static Field], given: Given, findings: &mut Vec<Finding>) {
    let has = |kind: Kind| fields.iter().any(|field| field.kind == kind);
    let column = |name: &str| fields.iter().any(|field| field.column == name);
    let mut missing = |what: String, help: String| findings.push(Finding::new("PB2003", None, what).help(help));
    for (kind, is_given, name, example) in [
        (Kind::EventSource, given.event_source.is_some(), "event_source", "'offline'"),
        (Kind::EventSourceId, given.event_source_id, "event_source_id", "'7654321098765432109'"),
        (Kind::EventName, given.event, "event", "'Purchase'"),
    ] {
        if !is_given && !has(kind) {
            missing(
                format!("nothing says `{name}`"),
                format!("add `SET postback.{name} = {example};` or a column `{name}`"),
            );
        }
    }
    if !has(Kind::Time) {
        missing(
            "the required column `timestamp` is missing".into(),
            "select the time of the event AS timestamp".into(),
        );
    }
    let Some(source) = given.event_source.filter(|_| !has(Kind::EventSource)) else { return };
    for field in fields::FIELDS {
        let by_setting = matches!(field.kind, Kind::EventSource | Kind::EventSourceId | Kind::EventName | Kind::Time);
        if field.presence(source) == Presence::Required && !by_setting && !field.is_item() && !column(field.column) {
            missing(
                format!("the column `{}`, required for {source} events, is missing", field.column),
                format!("select {} AS {}", field.meaning, field.column),
            );
        }
    }
    let identities: Vec<&str> = match source {
        EventSource::Offline => vec!["email", "phone"],
        EventSource::Web | EventSource::App | EventSource::Crm => Vec::new(),
    };
    if !identities.is_empty() && !identities.iter().any(|name| column(name)) {
        let message = format!("no column identifies a person: {source} events need `{}`", identities.join("` or `"));
        findings.push(Finding::new("PB2004", None, message));
    }
    if column("value") && !column("currency") && !given.currency {
        findings.push(
            Finding::new("PB2014", None, "`value` comes without a currency".into())
                .help("select a column `currency`, or `SET postback.currency = 'USD';`"),
        );
    }
}

/// The column that was probably meant.
fn meant(name: &str) -> Option<&'static str> {
    let names =
        fields::FIELDS.iter().flat_map(|field| std::iter::once(field.column).chain(field.aliases.iter().copied()));
    nearest(name, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offline() -> Given {
        Given {
            event_source: Some(EventSource::Offline),
            event_source_id: true,
            event: true,
            timezone: true,
            ..Given::default()
        }
    }

    fn column(name: &str, data_type: &DataType, literal: Option<&str>) -> Column {
        Column {
            name: name.to_owned(),
            data_type: data_type.clone(),
            literal: literal.map(str::to_owned),
            unstable: None,
            drops_zone: false,
        }
    }

    fn codes(columns: &[(&str, DataType)], given: Given) -> Vec<&'static str> {
        let columns: Vec<_> = columns.iter().map(|(name, data_type)| column(name, data_type, None)).collect();
        judge(&columns, given).1.iter().map(|finding| finding.rule.code).collect()
    }

    #[test]
    fn a_sound_query_has_no_finding() {
        let columns = [("timestamp", DataType::Utf8), ("EMAIL", DataType::Utf8View), ("_row", DataType::Int64)];
        assert_eq!(codes(&columns, offline()), Vec::<&str>::new());
    }

    #[test]
    fn every_problem_is_found_at_once() {
        let columns = [
            ("emial", DataType::Utf8),
            ("event_time", DataType::Date32),
            ("timestamp", DataType::Utf8),
            ("ip", DataType::Utf8),
            ("value", DataType::Boolean),
        ];
        let given = Given { timezone: false, event_source_id: false, ..offline() };
        assert_eq!(
            codes(&columns, given),
            ["PB2001", "PB2011", "PB2002", "PB2006", "PB2005", "PB2003", "PB2004", "PB2014"]
        );
    }

    #[test]
    fn a_misspelt_column_gets_a_suggestion() {
        let (_, findings) = judge(&[column("emial", &DataType::Utf8, None)], offline());
        assert!(findings[0].help.contains("did you mean `email`?"), "{}", findings[0].help);
    }

    #[test]
    fn constants_are_judged_before_any_row() {
        for (name, literal, code) in [
            ("email", "mc.email", "PB2007"),
            ("event", "purchase", "PB2008"),
            ("event", "Buy", "PB2008"),
            ("currency", "dollars", "PB2009"),
            ("currency", "usd", "PB2009"),
            ("event_channel", "shop", "PB2009"),
        ] {
            let columns = [
                column("timestamp", &DataType::Utf8, None),
                column("phone", &DataType::Utf8, None),
                column(name, &DataType::Utf8, Some(literal)),
            ];
            let codes: Vec<_> = judge(&columns, offline()).1.iter().map(|finding| finding.rule.code).collect();
            assert_eq!(codes, [code], "{name} {literal}");
        }
    }

    #[test]
    fn unknown_columns_become_properties_when_asked() {
        let given = Given { extra_properties: true, ..offline() };
        let columns = ["timestamp", "phone", "loyalty_tier"].map(|name| column(name, &DataType::Utf8, None));
        let (roles, findings) = judge(&columns, given);
        assert!(findings.is_empty());
        assert!(matches!(roles[2], Role::Property));
    }
}
