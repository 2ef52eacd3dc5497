//! `postback run`: check, preflight, deliver, account.

use super::World;
use super::render;
use super::signals::Signals;
use super::stores::Stores;
use crate::error::{Error, ErrorKind, Result};

use self::conduct::run_one;
use self::documents::Documents;
use self::failures::Failures;
use self::ready::{Ready, prepare};

mod arguments;
mod checking;
mod conduct;
mod documents;
mod failures;
mod inputs;
mod past;
mod ready;
mod target;
mod waiting;

pub(super) use self::arguments::{Arguments, test_event_code};
pub(super) use self::checking::check;

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<()> {
    if arguments.keep_open && arguments.files.len() > 1 {
        return Err(Error::new(ErrorKind::Usage, "--keep-open shows the sandbox of one file")
            .hint("start `postback sandbox`, and run the files with its --base-url"));
    }
    if arguments.force_resend && !arguments.yes {
        let message = "--force-resend sends events again that are on record as accepted, refused or held";
        return Err(Error::new(ErrorKind::Usage, message).hint(
            "TikTok drops a copy for 48 hours after the first one; beyond that it counts twice: add --yes to accept that",
        ));
    }
    let signals = Signals::watch()?;
    waiting::wait(&arguments, world, &signals).await?;
    let mut documents = Documents::new(arguments.format, arguments.files.len());
    let outcome = Box::pin(run_all(&arguments, world, &signals, &mut documents)).await;
    let printed = documents.finish();
    outcome.and(printed)
}

/// Runs the files one after the other, if all of them can be used.
async fn run_all(arguments: &Arguments, world: &World, signals: &Signals, documents: &mut Documents) -> Result<()> {
    let mut failures = Failures { files: arguments.files.len(), ..Failures::default() };
    let mut ready = Vec::with_capacity(arguments.files.len());
    let mut stores = Stores::accepting(arguments.loss, arguments.network);
    // Exit 2 says that nothing was sent: every file is checked before the first one sends.
    for path in &arguments.files {
        documents.begin();
        match Box::pin(prepare(path, arguments, world, (&mut stores, documents), signals)).await {
            Ok(prepared) => ready.push(prepared),
            Err(error) => {
                documents.failed(path, &error)?;
                failures.add(path, error);
            }
        }
        if let Some(stopped) = signals.caught() {
            discard(ready.into_iter()).await;
            return Err(stopped);
        }
    }
    if failures.is_empty() {
        let mut ready = ready.into_iter();
        while let Some(prepared) = ready.next() {
            let path = prepared.path;
            documents.begin();
            let outcome = Box::pin(run_one(prepared, arguments, world, signals, documents)).await;
            match outcome {
                Ok(()) => failures.others_ran = !arguments.dry_run,
                Err(error) => {
                    documents.failed(path, &error)?;
                    failures.add(path, error);
                }
            }
            if let Some(stopped) = signals.caught() {
                discard(ready).await;
                failures.errors.iter().for_each(|(_, error)| render::error(error));
                return Err(stopped);
            }
        }
    } else {
        discard(ready.into_iter()).await;
    }
    failures.into_result()
}

/// Takes back what is on record of files that do not run.
async fn discard(ready: impl Iterator<Item = Ready<'_>>) {
    for prepared in ready {
        prepared.recording.discard().await;
    }
}
