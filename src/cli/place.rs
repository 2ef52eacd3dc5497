//! Flags that say which ledger a verb is about, and how far it may be trusted.

use clap::ValueEnum;

use super::flags::SettingFlags;
use super::stores::LOOPBACK;
use super::{World, home, ledger};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::sqlite::{Namespace, Place};
use crate::settings::{Origin, Settings};

#[derive(clap::Args, Debug)]
pub(super) struct Which {
    /// Folder of the ledger; by default that of the project that the working folder is in, else the only one below it
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
        let folder = home::without_query(&settings)?;
        let place = Place { folder, namespace, holder: ledger::holder() };
        match self.namespace {
            Events::Test | Events::Sandbox if !place.database().exists() => only_loopback(place),
            _ => Ok(place),
        }
    }
}

/// The ledger of the one server on this machine that events were sent to, where there is one below `place`.
fn only_loopback(place: Place) -> Result<Place> {
    let servers = std::fs::read_dir(place.folder.join(LOOPBACK)).into_iter().flatten().flatten();
    let places = servers.map(|server| Place { folder: server.path(), ..place.clone() });
    let mut places: Vec<Place> = places.filter(|place| place.database().is_file()).collect();
    places.sort_by(|one, other| one.folder.cmp(&other.folder));
    if places.len() > 1 {
        let folders: Vec<String> = places.iter().map(|place| place.folder.display().to_string()).collect();
        return Err(Error::new(ErrorKind::Usage, "each server on this machine has a ledger of its own")
            .context("ledgers", folders.join(", "))
            .hint("say which with --ledger"));
    }
    Ok(places.pop().unwrap_or(place))
}

/// What a person accepts of a ledger that is not the one that was last used.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(super) struct Loss {
    /// Go on where the ledger is gone or older than the one last used here: what it does not know may count twice
    #[arg(long)]
    pub(super) accept_ledger_loss: bool,
}

/// What a person accepts where another ledger than the query's own knows what the query sends.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(super) struct Second {
    /// Begin a ledger of its own although another one knows what the query sends: what that one knows as accepted may
    /// count twice
    #[arg(long)]
    pub(super) new_ledger: bool,
}

/// What a person accepts of the disk that a ledger is on.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(super) struct Network {
    /// Use a ledger on a network file system, where nothing keeps two machines from sending at once
    #[arg(long)]
    pub(super) allow_network_ledger: bool,
}
