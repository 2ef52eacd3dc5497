//! The only code that styles text: errors and diagnoses with their place in the SQL, and the account of a run.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use crate::contract::responses;
use crate::error::{Error, Location, Result};
use crate::query::{self, Checked, Diagnosis, RowNumbers};
use crate::run::{Account, Tally, UnreadSources};
use crate::sandbox::Snapshot;
use crate::sources::Spot;
use crate::validate::Severity;

pub(super) use crate::validate::{counted, grouped};

use super::output::{self, Format};

/// Causes of an error that are shown, outermost first.
const MAX_CAUSES: usize = 3;
/// Characters of a cause that are shown.
const MAX_CAUSE: usize = 400;
/// Faults that are shown in an account.
const MAX_FAULTS: usize = 20;

/// Whether talk may be coloured: on a terminal, unless `NO_COLOR` says otherwise.
pub(super) fn is_coloured() -> bool {
    may_be_coloured(&std::io::stderr())
}

fn may_be_coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Says `line` to the user.
pub(super) fn note(line: &str) {
    // Talk that nobody can hear is not worth failing for.
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Shows an error, where it is and what to do about it.
pub(super) fn error(error: &Error) {
    let mut notes: Vec<(&str, String)> =
        error.contexts().iter().map(|(name, value)| (*name, format!("{name}: {value}"))).collect();
    let mut source = error.source();
    let mut told = error.message().to_lowercase();
    for _ in 0..MAX_CAUSES {
        let Some(cause) = source else { break };
        let text: String = cause.to_string().chars().take(MAX_CAUSE).collect();
        let text = text.lines().next().unwrap_or_default();
        // What a reader says of a file may quote it.
        let text = if error.kind().is_of_source() { query::masked(text) } else { text.to_owned() };
        // A cause that the message or the cause above it tells adds nothing.
        if error.location().is_none() && !told.contains(&text.to_lowercase()) {
            notes.push(("cause", format!("cause: {text}")));
            told = text.to_lowercase();
        }
        source = cause.source();
    }
    let notes: Vec<String> = notes.into_iter().map(|(_, note)| note).collect();
    note(&report(
        Level::ERROR,
        None,
        error.message(),
        &error.location().into(),
        &notes,
        error.hint_text(),
        is_coloured(),
    ));
}

/// Shows every problem of a query.
pub(super) fn diagnoses(diagnoses: &[Diagnosis]) {
    for diagnosis in diagnoses {
        note(&diagnosed(diagnosis, None, is_coloured()));
    }
}

/// A problem of the file `path` as data for stdout: what it is, where it is, why it matters and what to do about it.
pub(super) fn diagnosis(diagnosis: &Diagnosis, path: &str) -> String {
    diagnosed(diagnosis, Some(path), may_be_coloured(&std::io::stdout()))
}

fn diagnosed(diagnosis: &Diagnosis, path: Option<&str>, is_coloured: bool) -> String {
    let level = if diagnosis.is_error() { Level::ERROR } else { Level::WARNING };
    let place = match (&diagnosis.location, path) {
        (Some(location), _) => Place::Line(location),
        (None, Some(path)) => Place::File(path),
        (None, None) => Place::Unnamed,
    };
    let (code, why) = (Some(diagnosis.rule.code), [diagnosis.rule.why.to_owned()]);
    report(level, code, &diagnosis.message, &place, &why, Some(&diagnosis.help), is_coloured)
}

/// What a report points at.
enum Place<'a> {
    Line(&'a Location),
    File(&'a str),
    Unnamed,
}

impl<'a> From<Option<&'a Location>> for Place<'a> {
    fn from(location: Option<&'a Location>) -> Self {
        location.map_or(Self::Unnamed, Self::Line)
    }
}

fn report(
    level: Level<'_>,
    code: Option<&str>,
    message: &str,
    place: &Place<'_>,
    notes: &[String],
    help: Option<&str>,
    is_coloured: bool,
) -> String {
    let mut title = level.primary_title(message);
    if let Some(code) = code {
        title = title.id(code);
    }
    let mut group = annotate_snippets::Group::with_title(title);
    match *place {
        Place::Line(location) => {
            let (start, end) = bytes_of(location);
            let snippet = Snippet::source(location.text.as_str())
                .line_start(usize::try_from(location.line).unwrap_or(1))
                .path(location.path.as_str())
                .annotation(AnnotationKind::Primary.span(start..end));
            group = group.element(snippet);
        }
        Place::File(path) => group = group.element(Origin::path(path)),
        Place::Unnamed => {}
    }
    for note in notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = help {
        group = group.element(Level::HELP.message(help));
    }
    let renderer = if is_coloured { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// The byte range in the line's text that a location's characters take.
fn bytes_of(location: &Location) -> (usize, usize) {
    let byte = |column: u64| {
        let skipped = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
        location.text.char_indices().nth(skipped).map_or(location.text.len(), |(byte, _)| byte)
    };
    (byte(location.column), byte(location.column + location.width))
}

/// What an account is of.
pub(super) struct Heading<'a> {
    /// The query file.
    pub(super) query: &'a str,
    /// Where its events went, or that nothing was sent.
    pub(super) destination: &'a str,
    /// The query.
    pub(super) checked: &'a Checked,
    /// The folder of what the run leaves behind, named after it.
    pub(super) folder: &'a str,
}

/// Prints the account of a run: to stdout, since it is what the command was asked for. As JSON it is in the document that
/// lies in the run's folder.
pub(super) fn account(heading: &Heading<'_>, account: &Account, format: Format) -> Result<()> {
    let text = match format {
        Format::Json | Format::Ndjson => return Ok(()),
        Format::Csv => std::iter::once("place,events\n".to_owned())
            .chain(lines(&account.tally).map(|(name, count)| format!("{name},{count}\n")))
            .collect(),
        Format::Markdown => std::iter::once("| place | events |\n| --- | ---: |\n".to_owned())
            .chain(lines(&account.tally).map(|(name, count)| format!("| {name} | {count} |\n")))
            .collect(),
        Format::Table => account_text(heading, account),
    };
    output::write(|stdout| stdout.write_all(text.as_bytes()))
}

/// Says what could not be read of the sources, where the answer has no place for it.
pub(super) fn unread_beside(unread: &UnreadSources) {
    let mut text = String::new();
    unread_rows(unread, &mut text);
    if !text.is_empty() {
        note(text.trim_matches('\n'));
    }
}

/// Says what was wrong with rows and where to find more, where the account's form is a table of counts and has no place
/// for it.
pub(super) fn account_beside(heading: &Heading<'_>, account: &Account, format: Format) {
    if matches!(format, Format::Csv | Format::Markdown) {
        let mut text = String::new();
        unread_rows(&account.unread, &mut text);
        faults(&account.tally, heading.checked.numbers(), &mut text);
        reasons(account, &mut text);
        text += &details(heading);
        note(text.trim_matches('\n'));
    }
}

/// The places of the account: rows, what became of them, and then every place an event can be in.
fn lines(tally: &Tally) -> [(&'static str, u64); 9] {
    [
        ("rows", tally.rows),
        ("folded", tally.folded),
        ("events", tally.events),
        ("accepted", tally.accepted),
        ("already accepted", tally.already_accepted),
        ("rejected", tally.rejected),
        ("out of window", tally.out_of_window),
        ("held", tally.held),
        ("unsent", tally.unsent),
    ]
}

fn account_text(heading: &Heading<'_>, account: &Account) -> String {
    let mut text = format!("{} → {}\n\n", heading.query, heading.destination);
    for (name, count) in lines(&account.tally) {
        let indent = if matches!(name, "rows" | "folded" | "events") { "" } else { "  " };
        let label = format!("{indent}{name}");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {label:<20}{:>14}", grouped(count));
    }
    text.push('\n');
    if heading.checked.derives_value() {
        text += "  value is the sum of price × quantity\n";
    }
    if let Some(report) = &account.report {
        let rate = rate(account.tally.accepted, account.elapsed);
        let _ = writeln!(
            text,
            "  {} ({} repeated), {}, {}{rate}",
            counted(report.requests, "request"),
            grouped(report.retries),
            size(report.bytes_sent),
            seconds(account.elapsed)
        );
    } else if account.failure.is_some() {
        let _ = writeln!(text, "  cut short after {}", seconds(account.elapsed));
    } else {
        let _ = writeln!(
            text,
            "  nothing was sent, {} would be, {}",
            counted(account.tally.unsent, "event"),
            seconds(account.elapsed)
        );
        account.readiness.iter().for_each(|readiness| super::readiness::write(readiness, &mut text));
    }
    unread_rows(&account.unread, &mut text);
    faults(&account.tally, heading.checked.numbers(), &mut text);
    reasons(account, &mut text);
    text += &details(heading);
    text
}

/// Rows and files of the sources that could not be read: how many, where, and why.
fn unread_rows(unread: &UnreadSources, text: &mut String) {
    let UnreadSources { kinds, files, members, appeared } = unread;
    let rows: u64 = kinds.iter().map(|kind| kind.rows).sum();
    if rows > 0 {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n  {} could not be read", counted(rows, "source row"));
    }
    for kind in kinds {
        let places = places(&kind.examples, kind.place);
        let more = if kind.rows > kind.examples.len() as u64 { ", …" } else { "" };
        let (code, rows) = (kind.rule.code, counted(kind.rows, "row"));
        let _ = writeln!(text, "\n  unread[{code}]: {}, {rows} ({places}{more})", kind.detail);
        let _ = writeln!(text, "    {}", kind.rule.fix);
    }
    for file in files.iter().take(MAX_FAULTS) {
        let _ = writeln!(text, "\n  left out: `{}`, {}: {}", file.file, size(file.bytes), file.reason);
    }
    if files.len() > MAX_FAULTS {
        let _ = writeln!(text, "\n  and {} more files", files.len() - MAX_FAULTS);
    }
    for (file, members) in members.iter().take(MAX_FAULTS) {
        let named = members.iter().map(|member| format!("`{member}`")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "\n  not read of `{file}`, as its first objects do not have it: {named}");
        let _ = writeln!(text, "    declare the column with all its members in CREATE EXTERNAL TABLE");
    }
    if let Some(first) = appeared.first() {
        let more = match appeared.len() as u64 {
            1 => String::new(),
            files => format!(" and {}", counted(files - 1, "more file")),
        };
        let _ = writeln!(text, "\n  appeared during the run, and not read: `{first}`{more}");
    }
}

/// `orders.csv lines 17, 21; stores.csv line 3`, where `place` is `line`.
fn places(examples: &[(Arc<str>, Spot)], place: &str) -> String {
    let of_file = |examples: &[(Arc<str>, Spot)]| {
        let lines: Vec<String> = examples.iter().map(|(_, spot)| spot.to_string()).collect();
        let several = if lines.len() == 1 { "" } else { "s" };
        format!("{} {place}{several} {}", examples[0].0, lines.join(", "))
    };
    let by_file = examples.chunk_by(|left, right| left.0 == right.0);
    by_file.map(of_file).collect::<Vec<_>>().join("; ")
}

/// Why events were not sent because of what earlier runs, or a browser, may have sent.
fn reasons(account: &Account, text: &mut String) {
    let Tally { forgotten, overlapping, .. } = account.tally;
    let lines = [
        (forgotten, "out of window: so old that the ledger may have forgotten whether they were accepted"),
        (overlapping, "out of window: so old that they may count beside what a browser's pixel sent"),
        (account.unresolved, "left in doubt by an earlier run, and not in the result any more: see `postback resolve`"),
    ];
    for (count, reason) in lines.into_iter().filter(|(count, _)| *count > 0) {
        let _ = writeln!(text, "\n  {}, {reason}", counted(count, "event"));
    }
}

/// Where what the run leaves behind lies.
fn details(heading: &Heading<'_>) -> String {
    format!("\n  every reject and batch: {}\n", heading.folder)
}

fn faults(tally: &Tally, numbers: &RowNumbers, text: &mut String) {
    let by_weight = tally.faults_by_weight();
    for (column, fault) in by_weight.iter().take(MAX_FAULTS) {
        let level = if fault.severity == Severity::Reject { "rejected" } else { "warning" };
        let subject = if column.is_empty() { String::new() } else { format!("`{column}` ") };
        let rows: Vec<String> = fault.examples.iter().map(u64::to_string).collect();
        let more = if fault.count > fault.examples.len() as u64 { ", …" } else { "" };
        let (events, row) = (counted(fault.count, "event"), if rows.len() == 1 { "row" } else { "rows" });
        let (code, detail, rows) = (fault.rule.code, &fault.detail, rows.join(", "));
        let place = if numbers.are_given() { format!(" ({row} {rows}{more})") } else { String::new() };
        // What is wrong with the result as a whole tells its own numbers.
        let where_found = if fault.examples.is_empty() { String::new() } else { format!(", {events}{place}") };
        let _ = writeln!(text, "\n  {level}[{code}]: {subject}{detail}{where_found}");
        let _ = writeln!(text, "    {}", fault.rule.fix);
    }
    if by_weight.len() > MAX_FAULTS {
        let _ = writeln!(text, "\n  and {} more kinds of faults", by_weight.len() - MAX_FAULTS);
    }
    if numbers.are_mixed() && !by_weight.is_empty() {
        let _ = writeln!(text, "\n  rows have no numbers: the query joins or groups them, in no lasting order");
    }
    for ((code, field), refused) in &tally.refusals {
        let meaning = responses::meaning(*code);
        let field = field.map_or_else(String::new, |field| format!(" `{field}`"));
        let request = refused.request_id.as_ref().map_or_else(String::new, |id| format!(", request_id {id}"));
        let _ = writeln!(
            text,
            "\n  refused by the API[{code}]{field}: {meaning}, {}{request}",
            counted(refused.count, "event")
        );
        if refused.earlier > 0 {
            let earlier = if refused.earlier == refused.count {
                String::new()
            } else {
                format!("{} of them ", grouped(refused.earlier))
            };
            let _ = writeln!(text, "    {earlier}in an earlier run, and not sent again: `postback retry` does");
        }
    }
}

/// Says where the sandbox listens.
pub(super) fn sandbox_started(base_url: &str) {
    note(&format!("sandbox: {base_url} (open it to see what arrives; Ctrl-C stops it)"));
    note(&format!("send to it: postback run FILE --base-url {base_url}"));
}

/// Says what the sandbox took.
pub(super) fn sandbox_stopped(snapshot: &Snapshot) {
    note(&format!(
        "sandbox: {} requests, {} events counted, {} merged, {} dropped, {} refused",
        grouped(snapshot.requests),
        grouped(snapshot.unique),
        grouped(snapshot.merged),
        grouped(snapshot.dropped),
        grouped(snapshot.refused)
    ));
}

fn seconds(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0..60 => format!("{:.1} s", elapsed.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people to read"
)]
fn rate(events: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    if events < 1_000 || seconds <= 0.0 {
        String::new()
    } else {
        format!(", {} events/s", grouped((events as f64 / seconds) as u64))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size for people to read")]
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_underlines_characters_not_bytes() {
        let location = Location { path: "q.sql".into(), line: 3, column: 4, width: 2, text: "éé 'é' AS x".into() };
        let (start, end) = bytes_of(&location);
        assert_eq!(&location.text[start..end], "'é");
    }
}
