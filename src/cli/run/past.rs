//! What earlier runs left on record.

use std::sync::Arc;

use crate::cli::World;
use crate::cli::render;
use crate::cli::stores::Stores;
use crate::error::{ErrorKind, Result};
use crate::event::EventKey;
use crate::ledger::{Model, Sqlite, Store};
use crate::report::Mode;
use crate::settings::Settings;

/// What earlier runs left.
pub(super) struct Past {
    pub(super) store: Arc<dyn Store>,
    pub(super) forgotten_before: Option<i64>,
    /// The events that runs of the same query left in doubt or held.
    pub(super) undecided: Vec<EventKey>,
}

impl Past {
    /// Of a run that sends.
    pub(super) fn of(ledger: Arc<Sqlite>, name: &str) -> Result<Self> {
        let undecided = tokio::task::block_in_place(|| ledger.undecided(name))?;
        Ok(Self { forgotten_before: ledger.forgotten_before(), undecided, store: ledger })
    }

    /// Of a run that would count as one in `mode` and sends nothing; it does not wait for one that does.
    pub(super) fn seen(mode: Mode, settings: &Settings, world: &World) -> Result<Self> {
        let seen = match Stores::look(mode, settings, world) {
            Err(error) if error.kind() == ErrorKind::Locked => {
                if !world.quiet {
                    render::note("another run holds the ledger: what it knows as accepted is counted as unsent here");
                }
                None
            }
            seen => seen?,
        };
        let (model, forgotten_before) = seen.unwrap_or_else(|| (Model::new([0; 32]), None));
        Ok(Self { store: Arc::new(model), forgotten_before, undecided: Vec::new() })
    }
}
