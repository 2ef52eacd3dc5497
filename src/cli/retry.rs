//! `postback retry`: runs the query of an earlier run again, and offers once more what the API refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::flags::SettingFlags;
use super::output::Format;
use super::{World, home, render, run};
use crate::error::{Error, ErrorKind, Result};
use crate::report::PastRun;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Run whose query it is; by default the one that ended last
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Code of the test events, if the run sent such; it is not kept, so that it is given again
    #[arg(long, value_name = "CODE", value_parser = run::test_event_code)]
    test_event_code: Option<Arc<str>>,
    /// Value of a parameter `$NAME` in the query; values are not kept, so that they are given again
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// Form of the account
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    settings: SettingFlags,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<()> {
    let Arguments { run, test_event_code, parameters, format, settings: flags } = arguments;
    let settings = world.settings(&flags, None)?;
    let ledger = home::without_query(&settings)?;
    let past = PastRun::read(&ledger, run.as_deref())?;
    if !past.has_destination {
        return Err(Error::new(ErrorKind::Usage, format!("the run `{}` sent nothing to an API", past.id))
            .hint("name the run to retry: postback retry RUN"));
    }
    if past.is_test != test_event_code.is_some() {
        let (sent, hint) = if past.is_test {
            ("test events", "add --test-event-code with its code")
        } else {
            ("no test events", "leave out --test-event-code")
        };
        return Err(Error::new(ErrorKind::Usage, format!("the run `{}` sent {sent}", past.id)).hint(hint));
    }
    if !world.quiet {
        render::note(&format!("retrying `{}` of the run {}", past.query.display(), past.id));
    }
    let named = ledger.to_str().map(str::to_owned);
    let flags = named.into_iter().fold(flags.or(past.flags), |flags, ledger| flags.with("ledger", ledger));
    let file = found(past.query, &ledger);
    Box::pin(run::run(run::Arguments::retrying(file, test_event_code, parameters, format, flags), world)).await
}

/// The query file of a run that was started from another folder: one above the ledger.
fn found(query: PathBuf, ledger: &Path) -> PathBuf {
    if query.is_file() {
        return query;
    }
    let ledger = ledger.canonicalize().unwrap_or_else(|_| ledger.to_owned());
    let mut above = ledger.ancestors().skip(1).map(|folder| folder.join(&query));
    above.find(|file| file.is_file()).unwrap_or(query)
}
