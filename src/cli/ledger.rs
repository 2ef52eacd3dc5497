//! `postback ledger`: looks after the record of what was sent.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::place::{Loss, Which};
use super::{World, output};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::sqlite::{self, Holder, Repaired, Verification};

/// Gaps that are named.
const MAX_GAPS: usize = 10;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Check every row of the ledger, and count what it knows
    Verify(Which),
    /// Write the ledger as Parquet: a row for each batch, and a row for each event
    Export {
        /// Folder for batches.parquet and deliveries.parquet
        #[arg(value_name = "FOLDER")]
        to: PathBuf,
        #[command(flatten)]
        which: Which,
    },
    /// Save what is whole of a damaged ledger, and keep the damaged file
    Repair {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        loss: Loss,
    },
}

pub(super) fn run(arguments: &Arguments, world: &World) -> Result<()> {
    let (said, verdict) = match &arguments.verb {
        Verb::Verify(which) => {
            let place = which.place(world)?;
            let found = sqlite::verify(&place, world.now)?;
            (verified(&place.database(), &found), verdict(&place.database(), &found))
        }
        Verb::Export { to, which } => {
            let exported = sqlite::export(&which.place(world)?, to, world.now)?;
            let said = format!(
                "{}: {}\n{}: {}\n",
                exported.batches.display(),
                count(exported.batch_rows, "batch", "batches"),
                exported.deliveries.display(),
                count(exported.delivery_rows, "event", "events"),
            );
            (said, Ok(()))
        }
        Verb::Repair { which, loss } => {
            let place = which.place(world)?;
            let saved = sqlite::repair(&place, world.now, loss.accept_ledger_loss)?;
            (repaired(&place.database(), &saved), Ok(()))
        }
    };
    if verdict.is_err() || !world.quiet {
        output::write(|stdout| stdout.write_all(said.as_bytes()))?;
    }
    verdict
}

/// This process, as others see it that find the ledger locked.
pub(super) fn holder() -> Holder {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    Holder { pid: std::process::id(), host }
}

fn verified(path: &Path, found: &Verification) -> String {
    let mut said = format!(
        "{}: {}, {}, {} accepted, {} in doubt, {} held\n",
        path.display(),
        count(found.runs, "run", "runs"),
        count(found.batches, "batch", "batches"),
        count(found.accepted, "event", "events"),
        found.in_doubt,
        found.held,
    );
    if found.offered_again > 0 {
        let events = count(found.offered_again, "event", "events");
        line(&mut said, format_args!("  {events} offered again after being accepted, as --force-resend does"));
    }
    if found.decided > 0 {
        let events = count(found.decided, "event was", "events were");
        line(&mut said, format_args!("  {events} decided about with `postback resolve`"));
    }
    for problem in &found.problems {
        line(&mut said, format_args!("  {problem}"));
    }
    if found.more_problems > 0 {
        line(&mut said, format_args!("  and {} more", found.more_problems));
    }
    if found.is_sound() {
        said.push_str("every row is what was written, and none is missing\n");
    }
    said
}

fn verdict(path: &Path, found: &Verification) -> Result<()> {
    if found.is_sound() {
        return Ok(());
    }
    let problems = count(found.problems.len() as u64 + found.more_problems, "problem", "problems");
    Err(Error::new(ErrorKind::Usage, format!("the ledger has {problems}"))
        .context("ledger", path.display())
        .hint("`postback ledger repair` saves what is whole and keeps the damaged file"))
}

fn repaired(path: &Path, repaired: &Repaired) -> String {
    let mut said = format!(
        "{}: {} with {} saved\n  the damaged file is kept as {}\n",
        path.display(),
        count(repaired.batches, "batch", "batches"),
        count(repaired.events, "event", "events"),
        repaired.damaged.display(),
    );
    if !repaired.open.is_empty() {
        let batches = count(repaired.open.len() as u64, "batch has", "batches have");
        line(&mut said, format_args!("  {batches} no end on record: their events are in doubt, as after a crash"));
    }
    if repaired.lost_batches > 0 {
        let mut gaps: Vec<String> = repaired.gaps.iter().map(|gap| format!("{}-{}", gap.start(), gap.end())).collect();
        let more = gaps.len().saturating_sub(MAX_GAPS);
        gaps.truncate(MAX_GAPS);
        let more = if more > 0 { format!(" and {more} more ranges") } else { String::new() };
        let batches = count(repaired.lost_batches, "batch is", "batches are");
        line(&mut said, format_args!("  {batches} lost, among the numbers {}{more}", gaps.join(", ")));
        said.push_str(match repaired.forgotten_before {
            None => "  TikTok still drops copies of their events, so sending them again is safe\n",
            Some(_) => "  TikTok may not drop copies of their events any more, so these must not be sent again\n",
        });
    }
    if let Some(time) = repaired.forgotten_before.and_then(|time| Timestamp::from_second(time).ok()) {
        line(&mut said, format_args!("  events before {time} are not sent any more"));
    }
    said
}

fn line(said: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(said, "{line}").expect("writing to a string does not fail");
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
