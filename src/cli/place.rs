//! Flags that say which ledger a verb is about, and how far it may be trusted.

use clap::ValueEnum;

use super::flags::SettingFlags;
use super::{World, ledger};
use crate::error::Result;
use crate::ledger::sqlite::{Namespace, Place};
use crate::settings::{Origin, Settings};

#[derive(clap::Args, Debug)]
pub(super) struct Which {
    /// Folder of the ledger; by default as in postback.toml, else .postback
    #[arg(long, value_name = "FOLDER")]
    ledger: Option<String>,
    /// Events it is about: those that count, test events, or those sent to a sandbox
    #[arg(long, value_enum, default_value_t = Events::Live)]
    namespace: Events,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Events {
    Live,
    Test,
    Sandbox,
}

impl Which {
    /// The settings that hold for the ledger, whatever the query.
    pub(super) fn settings(&self, world: &World) -> Result<Settings> {
        let mut settings = world.settings(&SettingFlags::default(), None)?;
        if let Some(folder) = &self.ledger {
            settings.set("ledger", folder, Origin::Flag)?;
        }
        Ok(settings)
    }

    /// The ledger's place.
    pub(super) fn place(&self, world: &World) -> Result<Place> {
        let settings = self.settings(world)?;
        let namespace = match self.namespace {
            Events::Live => Namespace::Live,
            Events::Test => Namespace::Test,
            Events::Sandbox => Namespace::Sandbox,
        };
        Ok(Place { folder: settings.text("ledger").unwrap_or_default().into(), namespace, holder: ledger::holder() })
    }
}

/// What a person accepts of a ledger that is not the one that was last used.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(super) struct Loss {
    /// Go on where the ledger is gone or older than the one last used here: what it does not know may count twice
    #[arg(long)]
    pub(super) accept_ledger_loss: bool,
}

/// What a person accepts of the disk that a ledger is on.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(super) struct Network {
    /// Use a ledger on a network file system, where nothing keeps two machines from sending at once
    #[arg(long)]
    pub(super) allow_network_ledger: bool,
}
