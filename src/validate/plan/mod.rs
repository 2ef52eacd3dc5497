//! Judges the columns of a planned query against the contract, before a row is read: all problems at once.
//!
//! A [`Column`] says what the plan knows of a column of the result: its type, and for each place that yields it (a UNION
//! has several) an [`Origin`]. What did not plan is known by name only; nothing that follows from that is a finding.

use datafusion::arrow::datatypes::DataType;

use super::{Rule, Severity, rule};
use crate::contract::{EventSource, Field, Kind, Presence, fields, schema};
use crate::settings::nearest;

mod constants;
mod digests;
mod losses;
mod meanings;
mod presence;

pub use self::digests::{Digest, Encoding, Operation};
pub use self::losses::{Loss, loss};
pub use self::meanings::{Meaning, meaning};

/// A column of a query's result.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether the query gives it no name, so that the engine made one of the expression.
    pub is_unnamed: bool,
    /// Its type; `None` where that is unknown, because something in the query did not plan.
    pub data_type: Option<DataType>,
    /// What yields it, once for each place that does.
    pub origins: Vec<Origin>,
}

/// An expression that yields a column, and what it tells.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent fact about the expression")]
pub struct Origin {
    /// Its value, if that is the same literal in every row.
    pub literal: Option<Literal>,
    /// The texts that it chooses from, if it is a choice between expressions such as CASE.
    pub choices: Vec<String>,
    /// Whether it is one of these texts, or NULL, in every row.
    pub is_closed: bool,
    /// Whether there is one row of it, so that a literal is no constant.
    pub is_one_row: bool,
    /// The function that makes it differ from run to run, if one does.
    pub unstable: Option<String>,
    /// Whether an instant lost its zone on the way.
    pub drops_zone: bool,
    /// Whether it is a day without a time.
    pub is_date: bool,
    /// The digest that the query makes, if it makes one.
    pub digest: Option<Digest>,
}

/// A value that stands in the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// NULL.
    Null,
    /// Text, or a whole number as text.
    Text(String),
}

impl Origin {
    fn text(&self) -> Option<&str> {
        match &self.literal {
            Some(Literal::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        self.literal == Some(Literal::Null)
    }
}

impl Column {
    /// Whether every row of it is NULL.
    fn is_always_null(&self) -> bool {
        self.data_type.is_some() && !self.origins.is_empty() && self.origins.iter().all(Origin::is_null)
    }
}

/// What is known of a query besides its columns: the settings that stand in for them.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent setting, given or not")]
pub struct Given {
    /// `postback.event_source`.
    pub event_source: Option<EventSource>,
    /// The event sources that rows can name, where the query shows all of them.
    pub possible_sources: Vec<EventSource>,
    /// `postback.event_source_id`.
    pub event_source_id: Option<String>,
    /// `postback.event`.
    pub event: Option<String>,
    /// `postback.currency`.
    pub currency: Option<String>,
    /// Whether `postback.timezone` is set.
    pub timezone: bool,
    /// Whether it is UTC, so that a clock in UTC is read as one.
    pub is_utc: bool,
    /// Whether unknown columns become custom properties.
    pub extra_properties: bool,
    /// Whether rows are folded into `contents`.
    pub fold: bool,
    /// Settings that were given a value they do not take, so that they are neither set nor missing.
    pub unusable: Vec<String>,
    /// Whether the result may have other columns than those that are known.
    pub has_more_columns: bool,
}

impl Given {
    /// Whether the setting was given a value it does not take.
    #[must_use]
    pub fn is_unusable(&self, setting: &str) -> bool {
        self.unusable.iter().any(|name| name == setting)
    }
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

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The query as a whole.
    Query,
    /// The name of a column, by index.
    Name(usize),
    /// One of the expressions that yield a column: its index, and that of the origin.
    Origin(usize, usize),
    /// One of the texts that such an expression chooses from.
    Choice(usize, usize, usize),
    /// The function in such an expression that makes it differ from run to run.
    Function(usize, usize),
    /// The value of a setting.
    Setting(&'static str),
}

/// One problem of a query.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What is wrong.
    pub rule: &'static Rule,
    /// What it is about.
    pub subject: Subject,
    /// What is wrong here, in words.
    pub message: String,
    /// What to do about it here; the rule's own fix where there is nothing better.
    pub help: String,
    /// Whether it refuses the query: as the rule says, or less where this case is only probable.
    pub severity: Severity,
}

impl Finding {
    fn new(code: &str, subject: Subject, message: impl Into<String>) -> Self {
        let rule = rule(code).expect("plan rules are rows of RULES");
        Self { rule, subject, message: message.into(), help: rule.fix.to_owned(), severity: rule.severity }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..self }
    }

    fn only_warns(self) -> Self {
        Self { severity: Severity::Warn, ..self }
    }

    /// Whether the query cannot be used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Reject
    }
}

/// The role of each column, and everything wrong with them.
#[must_use]
pub fn judge(columns: &[Column], given: &Given) -> (Vec<Role>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut roles: Vec<Role> = Vec::with_capacity(columns.len());
    // What probably was meant by names that are wrong, so that it is not missing as well.
    let mut meant_fields = Vec::new();
    let given = &by_rows(columns, given);
    for (index, column) in columns.iter().enumerate() {
        let role = role(index, column, given, &mut findings);
        if let Role::Field(field) = role
            && let Some(first) =
                roles.iter().position(|other| matches!(other, Role::Field(other) if std::ptr::eq(*other, field)))
        {
            let message = format!("`{}` and `{}` both feed `{}`", column.name, columns[first].name, field.column);
            findings.push(Finding::new("PB2002", Subject::Name(index), message));
            roles.push(Role::Unsent);
            continue;
        }
        if fields::find(&column.name).is_none() {
            meant_fields.extend(meant(&column.name).and_then(fields::find));
        }
        roles.push(role);
    }
    derived_id(columns, &roles, &mut findings);
    constants::settings(columns, given, &mut findings);
    if roles.iter().any(|role| matches!(role, Role::Field(field) if field.kind == Kind::EventId)) {
        // The id of an order is no id of an event then.
        let is_order = |subject| {
            matches!(subject, Subject::Origin(index, _)
            if matches!(roles[index], Role::Field(field) if field.kind != Kind::EventId))
        };
        findings
            .iter_mut()
            .filter(|finding| finding.rule.code == "PB2017" && is_order(finding.subject))
            .for_each(|finding| finding.severity = Severity::Warn);
    }
    presence::judge(columns, &roles, &meant_fields, given, &mut findings);
    (roles, findings)
}

/// An event id is derived from the order's, where the query has none.
fn derived_id(columns: &[Column], roles: &[Role], findings: &mut Vec<Finding>) {
    let fed = |name: &str| roles.iter().position(|role| matches!(role, Role::Field(field) if field.column == name));
    if let (None, Some(index)) = (fed("event_id"), fed("order_id")) {
        let column = &columns[index];
        let origins = column.origins.iter().enumerate();
        findings.extend(origins.filter_map(|(place, origin)| unstable(index, place, &column.name, origin)));
    }
}

/// `given` for the rows of the query: where they name their source, the setting only fills in, and each row is judged
/// by its own, unless all name the same.
fn by_rows(columns: &[Column], given: &Given) -> Given {
    let source = columns.iter().find(|column| fields::find(&column.name).is_some_and(|f| f.kind == Kind::EventSource));
    let Some(source) = source else { return given.clone() };
    let mut named = source.origins.iter().map(|origin| origin.text().and_then(EventSource::parse));
    let first = named.next().flatten();
    let event_source = first.filter(|first| named.all(|other| other == Some(*first)));
    Given { event_source, possible_sources: possible_sources(source, given), ..given.clone() }
}

/// The event sources that the rows can name; none where a row may name any.
fn possible_sources(column: &Column, given: &Given) -> Vec<EventSource> {
    let mut possible = Vec::new();
    for origin in &column.origins {
        if origin.literal.is_none() && !origin.is_closed {
            return Vec::new();
        }
        let named = origin.text().into_iter().chain(origin.choices.iter().map(String::as_str));
        possible.extend(named.filter_map(EventSource::parse));
        // NULL leaves it to the setting.
        possible.extend(given.event_source.filter(|_| origin.text().is_none()));
    }
    possible.sort_unstable();
    possible.dedup();
    possible
}

/// The finding that a query uses `function`, which gives another value each time it is asked.
#[must_use]
pub fn volatile(function: &str) -> Finding {
    let message = format!("the query uses `{function}`, so that no two passes over it see the same rows");
    Finding::new("PB2012", Subject::Query, message)
}

/// The finding that the rows of the query are probably the lines of orders, whose id is column `index`.
#[must_use]
pub fn row_per_line(index: usize, name: &str) -> Finding {
    let message = format!("several rows probably share one `{name}`: the item columns differ from line to line");
    Finding::new("PB2013", Subject::Origin(index, 0), message)
}

/// The finding about the setting `event_source_id` of `given`, if it does not fit the source of all rows.
#[must_use]
pub fn source_id(columns: &[Column], given: &Given) -> Option<Finding> {
    let is_from_rows =
        columns.iter().any(|column| fields::find(&column.name).is_some_and(|f| f.kind == Kind::EventSourceId));
    let id = given.event_source_id.as_ref().filter(|_| !is_from_rows)?;
    constants::source_id(Subject::Setting("event_source_id"), id, by_rows(columns, given).event_source?)
}

/// The finding that LIMIT picks rows that nothing orders.
#[must_use]
pub fn limit_without_order() -> Finding {
    Finding::new("PB2021", Subject::Query, "LIMIT without ORDER BY: which rows are left is a matter of chance")
}

fn role(index: usize, column: &Column, given: &Given, findings: &mut Vec<Finding>) -> Role {
    let name = &column.name;
    if name.starts_with('_') {
        return Role::Unsent;
    }
    let Some(field) = fields::find(name) else { return unknown(index, column, given, findings) };
    if let Some(source) = given.event_source
        && field.presence(source) == Presence::Absent
    {
        let message = format!("`{name}` is not part of {source} events and is not sent");
        findings.push(Finding::new("PB2006", Subject::Origin(index, 0), message));
        return Role::Unsent;
    }
    if !given.possible_sources.is_empty()
        && given.possible_sources.iter().all(|source| field.presence(*source) == Presence::Absent)
    {
        let sources: Vec<&str> = given.possible_sources.iter().map(|source| source.as_str()).collect();
        let message = format!("`{name}` is not part of {} events and is not sent", sources.join(" or "));
        findings.push(Finding::new("PB2006", Subject::Origin(index, 0), message));
        return Role::Unsent;
    }
    let Some(data_type) = &column.data_type else { return Role::Field(field) };
    let is_accepted = schema::accepts(field.kind, data_type);
    let found = findings.len();
    for (place, origin) in column.origins.iter().enumerate() {
        let subject = Subject::Origin(index, place);
        if let Some(digest) = &origin.digest {
            findings.extend(digests::judge(subject, name, field, digest, is_accepted));
        }
        if is_accepted {
            constants::judge(index, place, column, field, given, findings);
            if field.kind == Kind::Time {
                time(index, place, column, origin, given, findings);
            } else if field.kind == Kind::EventId {
                findings.extend(unstable(index, place, name, origin));
            }
        }
    }
    if !is_accepted && findings.len() == found {
        let message =
            format!("`{name}` is {}, but takes {}", schema::described(data_type), schema::expected(field.kind));
        let finding = Finding::new("PB2005", Subject::Origin(index, 0), message);
        findings.push(if schema::is_bytes(data_type) {
            finding.help(
                "write encode(…, 'hex') for the digits of a digest, or CAST(… AS VARCHAR) where the bytes are text",
            )
        } else {
            finding
        });
    }
    let zoneless = matches!(data_type, DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64);
    if is_accepted && field.kind == Kind::Time && zoneless && !given.timezone && !given.is_unusable("timezone") {
        let message = format!("`{name}` has no time zone, and postback.timezone is not set");
        findings.push(Finding::new("PB2011", Subject::Origin(index, 0), message));
    }
    if is_accepted && field.kind == Kind::Contents && given.fold {
        let message = format!("`{name}` already is a list of items, so there is nothing to fold");
        findings.push(
            Finding::new("PB2005", Subject::Origin(index, 0), message)
                .help("take out `SET postback.fold`, or return one row an item"),
        );
    }
    Role::Field(field)
}

/// What a time is besides its type.
fn time(index: usize, place: usize, column: &Column, origin: &Origin, given: &Given, findings: &mut Vec<Finding>) {
    let name = &column.name;
    findings.extend(unstable(index, place, name, origin));
    if origin.drops_zone && !given.is_utc {
        let message = format!("`{name}` loses its zone on the way, and its UTC clock would be read as local time");
        findings.push(Finding::new("PB2016", Subject::Origin(index, place), message));
    }
    let is_date = matches!(column.data_type, Some(DataType::Date32 | DataType::Date64));
    if origin.is_date || is_date && !origin.is_null() {
        let message = format!("`{name}` is a day without a time, so that every event happens at midnight");
        findings.push(Finding::new("PB2020", Subject::Origin(index, place), message));
    }
}

fn unstable(index: usize, place: usize, name: &str, origin: &Origin) -> Option<Finding> {
    let function = origin.unstable.as_ref()?;
    let message = format!("`{name}` comes from `{function}`, which is another value in each run");
    Some(Finding::new("PB2012", Subject::Function(index, place), message))
}

/// The role of a column that the contract does not know.
fn unknown(index: usize, column: &Column, given: &Given, findings: &mut Vec<Finding>) -> Role {
    let name = &column.name;
    if given.extra_properties {
        return column.data_type.as_ref().map_or(Role::Unsent, |data_type| property(index, name, data_type, findings));
    }
    // What did not plan has its diagnosis, and an unusable setting may be the one that allows the column.
    if column.data_type.is_some() && !given.is_unusable("extra_columns") {
        let found = |message: String| Finding::new("PB2001", Subject::Name(index), message);
        findings.push(match meant(name) {
            _ if column.is_unnamed => found("an expression of the result has no name".into())
                .help("name the column that it feeds, such as … AS value"),
            Some(near) => found(format!("`{name}` is no column of the contract"))
                .help(format!("did you mean `{near}`? A name that starts with `_` is carried along and not sent")),
            None => found(format!("`{name}` is no column of the contract")),
        });
    }
    Role::Unsent
}

fn property(index: usize, name: &str, data_type: &DataType, findings: &mut Vec<Finding>) -> Role {
    let scalar = data_type.is_numeric()
        || data_type.is_null()
        || matches!(data_type, DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if scalar {
        return Role::Property;
    }
    let message = format!(
        "`{name}` is {}, but a custom property takes text, a number or a boolean",
        schema::described(data_type)
    );
    findings.push(Finding::new("PB2005", Subject::Origin(index, 0), message));
    Role::Unsent
}

/// The column that was probably meant.
fn meant(name: &str) -> Option<&'static str> {
    let names =
        fields::FIELDS.iter().flat_map(|field| std::iter::once(field.column).chain(field.aliases.iter().copied()));
    nearest(name, names)
}

#[cfg(test)]
mod tests;
