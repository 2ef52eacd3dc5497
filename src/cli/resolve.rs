//! `postback resolve`: what may have been accepted although nothing says so, and what a person decides about it.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use jiff::Timestamp;

use super::output::{self, Format};
use super::place::{Loss, Network, Which};
use super::render::{self, counted};
use super::{World, unix_now};
use crate::contract::{EventSource, events};
use crate::delivery::Window;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Destination, EventKey};
use crate::ledger::sqlite::{Doubt, Options};
use crate::ledger::{Decision, Sqlite, Store};
use crate::run;
use crate::settings::Origin;

/// What is said of events that are sent again although TikTok may not drop the copy.
const DOUBLE: &str = "may double count";

#[derive(clap::Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent flag")]
pub(super) struct Arguments {
    /// Send them again with the next run whose query returns them: held ones within TikTok's window, with --yes all
    #[arg(long, conflicts_with = "assume_delivered", help_heading = "Decisions")]
    resend: bool,
    /// Count them as accepted: they are never sent again
    #[arg(long, help_heading = "Decisions")]
    assume_delivered: bool,
    /// Resend also what was first sent so long ago that it may double count
    #[arg(long, requires = "resend", help_heading = "Decisions")]
    yes: bool,
    /// List each event with its key, not each batch
    #[arg(long, conflicts_with_all = ["resend", "assume_delivered"])]
    each: bool,
    /// Form of the list
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    loss: Loss,
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    overlap: Overlap,
    // Last, as its heading is that of every option after it.
    #[command(flatten)]
    select: Select,
}

/// How long a repeat is safe, where the query file says so and neither postback.toml nor the environment does.
#[derive(clap::Args, Debug)]
struct Overlap {
    /// How long TikTok drops copies of an event, as `postback.dedup_window`
    #[arg(long, value_name = "DURATION")]
    dedup_window: Option<String>,
    /// Whether a browser's pixel sends the same event ids, as `postback.pixel_overlap`
    #[arg(long, value_name = "true|false")]
    pixel_overlap: Option<String>,
}

/// Which of the events in doubt or held; all of them unless one of these says otherwise.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Selection")]
struct Select {
    /// Only events of this run
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Only events of this batch; may be repeated
    #[arg(long = "batch", value_name = "NUMBER")]
    batches: Vec<i64>,
    /// Only events of this source
    #[arg(long, value_name = "offline|web|app|crm", value_parser = source)]
    event_source: Option<EventSource>,
    /// Only events of this event set, pixel or app
    #[arg(long, value_name = "ID")]
    event_source_id: Option<String>,
    /// Only the event with this key, 32 hexadecimal digits; may be repeated
    #[arg(long = "event-key", value_name = "HEX", value_parser = key)]
    keys: Vec<EventKey>,
    /// Only the event with this event id; may be repeated
    #[arg(long = "event-id", value_name = "ID")]
    ids: Vec<String>,
    /// Name of the events whose ids are given: needed for custom events, and where one id has several names
    #[arg(long, value_name = "NAME", requires = "ids")]
    event: Option<String>,
}

pub(super) fn run(arguments: &Arguments, world: &World) -> Result<()> {
    let place = arguments.which.place(world)?;
    let options = Options {
        accept_loss: arguments.loss.accept_ledger_loss,
        accept_network: arguments.network.allow_network_ledger,
        ..Options::looking(place, Arc::new(unix_now))
    };
    let window = arguments.overlap.window(&arguments.which, world)?;
    let ledger = Sqlite::open(options)?;
    let listed = ledger.in_doubt()?;
    let now = ledger.now();
    let undecided = arguments.select.apply(&listed, &ledger.secret(), window, now)?;
    if !listed.is_empty() && undecided.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "nothing that is in doubt or held is what was named")
            .context("ledger", ledger.path().display())
            .hint("`postback resolve` without a selection lists what there is"));
    }
    if arguments.assume_delivered {
        assume_delivered(&ledger, &undecided, world)?;
        remaining(&ledger, window, world)
    } else if arguments.resend {
        resend(&ledger, &undecided, arguments.yes, world)?;
        remaining(&ledger, window, world)
    } else {
        list(&undecided, now, arguments, world)
    }
}

impl Overlap {
    fn window(&self, which: &Which, world: &World) -> Result<Window> {
        let mut settings = which.settings(world)?;
        for (name, value) in [("dedup_window", &self.dedup_window), ("pixel_overlap", &self.pixel_overlap)] {
            if let Some(value) = value {
                settings.set(name, value, Origin::Flag)?;
            }
        }
        Ok(run::window(&settings))
    }
}

/// Events of one batch that stand alike.
struct Undecided<'a> {
    batch: &'a Doubt,
    keys: Vec<EventKey>,
    /// Whether they wait for a decision: the ledger holds them, or TikTok's window has closed.
    is_held: bool,
    /// Whether a copy may count twice.
    is_late: bool,
    /// Until when TikTok is sure to drop a copy of each of them, Unix seconds.
    repeatable_until: Option<i64>,
}

impl<'a> Undecided<'a> {
    fn of(batch: &'a Doubt, window: Window, now: i64) -> [Self; 2] {
        let is_late = !window.is_open(now, batch.first_attempt, batch.first_event);
        let repeatable_until = window.deadline(batch.first_attempt, batch.first_event);
        [(&batch.held, true), (&batch.in_doubt, is_late)].map(|(keys, is_held)| Self {
            batch,
            keys: keys.clone(),
            is_held,
            is_late,
            repeatable_until,
        })
    }
}

impl Select {
    /// What of `listed` is meant.
    fn apply<'a>(
        &self,
        listed: &'a [Doubt],
        secret: &[u8; 32],
        window: Window,
        now: i64,
    ) -> Result<Vec<Undecided<'a>>> {
        let of_batch = |batch: &&Doubt| {
            self.run.as_ref().is_none_or(|run| batch.run.as_ref() == Some(run))
                && (self.batches.is_empty() || self.batches.contains(&batch.batch))
                && self.event_source.is_none_or(|source| batch.event_source == source.as_str())
                && self.event_source_id.as_ref().is_none_or(|id| batch.event_source_id == *id)
        };
        let batches: Vec<&Doubt> = listed.iter().filter(of_batch).collect();
        let mut wanted: HashSet<EventKey> = self.keys.iter().copied().collect();
        for id in &self.ids {
            wanted.extend(self.named(id, &batches, secret)?);
        }
        let mut undecided: Vec<_> = batches.into_iter().flat_map(|batch| Undecided::of(batch, window, now)).collect();
        if !self.keys.is_empty() || !self.ids.is_empty() {
            for events in &mut undecided {
                events.keys.retain(|key| wanted.contains(key));
            }
        }
        undecided.retain(|events| !events.keys.is_empty());
        Ok(undecided)
    }

    /// The key of the event in `batches` that has this id.
    fn named(&self, id: &str, batches: &[&Doubt], secret: &[u8; 32]) -> Result<Option<EventKey>> {
        let there: HashSet<&EventKey> =
            batches.iter().flat_map(|batch| batch.in_doubt.iter().chain(&batch.held)).collect();
        let destinations = batches.iter().filter_map(|batch| {
            let event_source = EventSource::parse(&batch.event_source)?;
            Some(Destination { event_source, event_source_id: batch.event_source_id.as_str().into() })
        });
        let mut found = Vec::new();
        for destination in destinations.collect::<HashSet<_>>() {
            let given = self.event.as_deref().map(|name| [events::canonical(name)]);
            let names: &[&str] = given.as_ref().map_or(events::standard(destination.event_source), |given| given);
            let keys = names.iter().map(|name| (*name, EventKey::new(secret, &destination, name, id)));
            found.extend(keys.filter(|(_, key)| there.contains(key)).map(|(name, key)| (name.to_owned(), key)));
        }
        match &*found {
            [] => Ok(None),
            [(_, key)] => Ok(Some(*key)),
            several => {
                let mut names: Vec<_> = several.iter().map(|(name, _)| format!("`{name}`")).collect();
                names.sort_unstable();
                names.dedup();
                Err(Error::new(ErrorKind::Usage, format!("`{id}` is the event id of {} events", several.len()))
                    .context("events", names.join(", "))
                    .hint("say which with --event, --event-source or --event-source-id"))
            }
        }
    }
}

fn assume_delivered(ledger: &Sqlite, undecided: &[Undecided<'_>], world: &World) -> Result<()> {
    let decided = ledger.decide(&keys(undecided, |_| true), Decision::AssumeDelivered)?;
    said(&format!("assumed delivered: {}, never to be sent again", counted(decided as u64, "event")), world)
}

fn resend(ledger: &Sqlite, undecided: &[Undecided<'_>], yes: bool, world: &World) -> Result<()> {
    let late = keys(undecided, |events| events.is_late).len() as u64;
    if late > 0 && !yes {
        let message =
            format!("{} {DOUBLE}: it is too late to be sure that TikTok drops a copy", counted(late, "event"));
        return Err(Error::new(ErrorKind::Usage, message).hint(
            "nothing was decided: add --yes to resend all the same, or give --assume-delivered; `repeatable_until` in \
             the list says until when a copy was sure to be dropped",
        ));
    }
    let decision = if yes { Decision::Resend } else { Decision::Repeat };
    let decided = counted(ledger.decide(&keys(undecided, |_| true), decision)? as u64, "event");
    let next = "the next run whose query returns them sends them";
    let line = match undecided.iter().filter_map(|events| events.repeatable_until).min() {
        _ if yes => format!("to be resent: {decided}; {next}, and what TikTok received before {DOUBLE}"),
        Some(until) => format!("to be repeated: {decided}; {next}, and TikTok drops copies until {}", time(until)),
        None => format!("to be repeated: {decided}; {next}"),
    };
    said(&line, world)
}

/// Says what was done, unless only failures are asked for.
fn said(line: &str, world: &World) -> Result<()> {
    if world.quiet {
        return Ok(());
    }
    output::write(|stdout| writeln!(stdout, "{line}"))
}

/// Says what still waits for a decision.
fn remaining(ledger: &Sqlite, window: Window, world: &World) -> Result<()> {
    let (left, now) = (ledger.in_doubt()?, ledger.now());
    let left: Vec<_> = left.iter().flat_map(|batch| Undecided::of(batch, window, now)).collect();
    let held = keys(&left, |events| events.is_held).len() as u64;
    if held > 0 && !world.quiet {
        render::note(&format!("still waiting for a decision: {}", counted(held, "event")));
    }
    Ok(())
}

/// The keys of those that `are_meant`.
fn keys(undecided: &[Undecided<'_>], are_meant: impl Fn(&Undecided<'_>) -> bool) -> Vec<EventKey> {
    undecided.iter().filter(|events| are_meant(events)).flat_map(|events| events.keys.iter().copied()).collect()
}

fn list(undecided: &[Undecided<'_>], now: i64, arguments: &Arguments, world: &World) -> Result<()> {
    let table = if arguments.each { each(undecided) } else { batches(undecided, now) };
    let table = table.map_err(|error| Error::new(ErrorKind::Internal, "the list cannot be shown").source(error))?;
    let is_nothing = undecided.is_empty() && arguments.format == Format::Table;
    if !(is_nothing && world.quiet) {
        output::write_batches(&table.schema(), &[table], arguments.format)?;
    }
    let (held, in_doubt): (Vec<_>, Vec<_>) = undecided.iter().partition(|events| events.is_held);
    let count = |events: &[&Undecided<'_>]| events.iter().map(|events| events.keys.len() as u64).sum::<u64>();
    let (held, in_doubt) = (count(&held), count(&in_doubt));
    if in_doubt > 0 && !world.quiet {
        let events = counted(in_doubt, "event");
        render::note(&format!(
            "no decision is due yet about {events} in doubt: a run repeats them, and TikTok drops copies"
        ));
    }
    if held > 0 {
        let message = format!("a decision is due about {} that may have been accepted", counted(held, "event"));
        return Err(Error::new(ErrorKind::Held, message).hint(
            "look for them in TikTok's Events Manager at the time of the first attempt: `postback resolve \
             --assume-delivered` if they are there, `postback resolve --resend` if they are not",
        ));
    }
    if in_doubt == 0 && !world.quiet {
        render::note("nothing is in doubt or held");
    }
    Ok(())
}

/// A row for each batch and standing.
fn batches(undecided: &[Undecided<'_>], now: i64) -> Result<RecordBatch, datafusion::arrow::error::ArrowError> {
    let texts = |of: &dyn Fn(&Undecided<'_>) -> Option<String>| texts(undecided.iter().map(of));
    let numbers =
        |of: &dyn Fn(&Undecided<'_>) -> i64| Arc::new(undecided.iter().map(of).collect::<Int64Array>()) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable([
        ("batch", numbers(&|events| events.batch.batch), true),
        ("run_id", texts(&|events| events.batch.run.clone()), true),
        ("event_source", texts(&|events| Some(events.batch.event_source.clone())), true),
        ("event_source_id", texts(&|events| Some(events.batch.event_source_id.clone())), true),
        ("state", texts(&|events| Some(state(events))), true),
        ("events", numbers(&|events| i64::try_from(events.keys.len()).unwrap_or(i64::MAX)), true),
        ("first_attempt_at", texts(&|events| Some(time(events.batch.first_attempt))), true),
        ("age", texts(&|events| Some(age(now.saturating_sub(events.batch.first_attempt)))), true),
        ("repeatable_until", texts(&|events| events.repeatable_until.map(time)), true),
        ("first_event_at", texts(&|events| Some(time(events.batch.first_event))), true),
        ("last_event_at", texts(&|events| Some(time(events.batch.last_event))), true),
    ])
}

/// A row for each event.
fn each(undecided: &[Undecided<'_>]) -> Result<RecordBatch, datafusion::arrow::error::ArrowError> {
    let rows = || undecided.iter().flat_map(|events| events.keys.iter().map(move |key| (events, key)));
    let of = |column: &dyn Fn(&Undecided<'_>) -> Option<String>| texts(rows().map(|(events, _)| column(events)));
    let batches: Int64Array = rows().map(|(events, _)| events.batch.batch).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("event_key", texts(rows().map(|(_, key)| Some(key.to_string()))), true),
        ("state", of(&|events| Some(state(events))), true),
        ("batch", Arc::new(batches) as ArrayRef, true),
        ("run_id", of(&|events| events.batch.run.clone()), true),
        ("event_source", of(&|events| Some(events.batch.event_source.clone())), true),
        ("event_source_id", of(&|events| Some(events.batch.event_source_id.clone())), true),
        ("first_attempt_at", of(&|events| Some(time(events.batch.first_attempt))), true),
        ("repeatable_until", of(&|events| events.repeatable_until.map(time)), true),
    ])
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn state(events: &Undecided<'_>) -> String {
    if events.is_held { "held" } else { "in doubt" }.to_owned()
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

/// Days and hours, or hours and minutes.
fn age(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    if hours >= 48 { format!("{}d {}h", hours / 24, hours % 24) } else { format!("{hours}h {}m", minutes % 60) }
}

fn source(text: &str) -> Result<EventSource, String> {
    EventSource::parse(text).ok_or_else(|| "expected offline, web, app or crm".to_owned())
}

fn key(text: &str) -> Result<EventKey, String> {
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32);
    let number = number.ok_or_else(|| "expected 32 hexadecimal digits, as in `event_key` of a list".to_owned())?;
    Ok(EventKey::from(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_as_fine_as_it_matters() {
        let ages = [0, 59 * 60, 3_600 * 47 + 60 * 5, 3_600 * 50].map(age);
        assert_eq!(ages, ["0h 0m", "0h 59m", "47h 5m", "2d 2h"]);
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let expected = EventKey::from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(key(&expected.to_string()), Ok(expected));
        assert!(key("12").is_err() && key(&"g".repeat(32)).is_err());
    }
}
