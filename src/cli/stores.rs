//! The ledgers of a command: one for each destination that a file counts in, each opened and locked once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::ring;

use super::flags::SettingFlags;
use super::place::{Loss, Network};
use super::{World, home, ledger, spill};
use crate::api::BaseUrl;
use crate::contract;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::sqlite::{Aim, Namespace, Options, Place};
use crate::ledger::{Clock, Model, Sqlite, Store};
use crate::report::Mode;
use crate::settings::Settings;

mod locate;

pub(super) use self::locate::Elsewhere;

/// The parameter that is the start of the last successful run.
pub(super) const LAST_SUCCESS: &str = "last_success";
/// Its value where no run has succeeded yet.
const NEVER: i64 = 0;
/// Folder, below the ledger's, of the ledgers of servers on this machine.
pub(super) const LOOPBACK: &str = "loopback";

/// The ledgers that are open, by the path of their files.
#[derive(Default)]
pub(super) struct Stores {
    open: BTreeMap<PathBuf, Arc<Sqlite>>,
    /// Ledgers of embedded sandboxes made so far.
    sandboxes: usize,
    accepts: (Loss, Network),
    /// What files of this command are going to send, each with the folder of its ledger and the ledger's file.
    aims: Vec<(Aim, PathBuf, PathBuf)>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.open.keys()).finish()
    }
}

impl Stores {
    /// No ledger yet; those to come may be what a person accepts of them.
    pub(super) fn accepting(loss: Loss, network: Network) -> Self {
        Self { accepts: (loss, network), ..Self::default() }
    }

    /// The ledger of a run that sends in `mode`.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub(super) fn open(&mut self, mode: Mode, settings: &Settings, world: &World) -> Result<Arc<Sqlite>> {
        let place = match mode {
            Mode::Sandbox => self.fleeting(world)?,
            mode => place(mode, settings),
        };
        let path = place.database();
        if let Some(open) = self.open.get(&path) {
            return Ok(Arc::clone(open));
        }
        let options = Options {
            accept_loss: self.accepts.0.accept_ledger_loss,
            accept_network: self.accepts.1.allow_network_ledger,
            memory: memory(world),
            ..options(place, settings)?
        };
        let opened = Arc::new(tokio::task::block_in_place(|| Sqlite::open(options))?);
        self.open.insert(path, Arc::clone(&opened));
        Ok(opened)
    }

    /// What is on record for runs in `mode`: a copy of the ledger, which is let go of at once. `None` where there is no
    /// ledger.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] while another run holds the ledger, and as [`Sqlite::open`].
    pub(super) fn look(mode: Mode, settings: &Settings, world: &World) -> Result<Option<(Model, Option<i64>)>> {
        let place = place(mode, settings);
        if !place.database().is_file() {
            return Ok(None);
        }
        tokio::task::block_in_place(|| {
            let memory = memory(world);
            let ledger = Sqlite::open(Options { memory, ..Options::looking(place, clock(settings)) })?;
            let forgotten_before = ledger.forgotten_before();
            Ok(Some((ledger.into_model(), forgotten_before)))
        })
    }

    /// When the last successful run of the query at `path` began, Unix seconds; a run in `mode` asks.
    ///
    /// # Errors
    /// As [`Stores::look`].
    pub(super) fn last_success(
        &self,
        path: &Path,
        mode: Mode,
        settings: &Settings,
        world: &World,
    ) -> Result<Option<i64>> {
        let name = query_name(path, settings);
        if mode == Mode::Sandbox {
            return Ok(None);
        }
        if let Some(open) = self.open.get(&place(mode, settings).database()) {
            return Ok(open.last_success(&name));
        }
        Ok(Self::look(mode, settings, world)?.and_then(|(model, _)| model.last_success(&name)))
    }

    /// A place that goes with the process, as the embedded sandbox does.
    fn fleeting(&mut self, world: &World) -> Result<Place> {
        let folder = &world.resources.spill_folder;
        spill::create(folder)?;
        self.sandboxes += 1;
        let folder = folder.join(format!("ledger-{}", self.sandboxes));
        Ok(Place { folder, namespace: Namespace::Sandbox, holder: ledger::holder() })
    }
}

/// Where the ledger of a run in `mode` lies.
fn place(mode: Mode, settings: &Settings) -> Place {
    place_in(Path::new(settings.text("ledger").unwrap_or_default()), mode, settings)
}

/// Where it lies below `folder`. A server on this machine has one of its own, by its address: another server begins anew.
fn place_in(folder: &Path, mode: Mode, settings: &Settings) -> Place {
    // A base URL that is none is refused elsewhere.
    let base = BaseUrl::parse(settings.text("base_url").unwrap_or_default()).ok();
    let (folder, namespace) = match base.filter(BaseUrl::is_loopback) {
        Some(base) => {
            let origin = base.origin().replace("://", "-").replace([':', '/', '[', ']'], "-");
            (folder.join(LOOPBACK).join(origin), Namespace::Sandbox)
        }
        None => (folder.to_owned(), Namespace::Live),
    };
    let namespace = if mode == Mode::Test { Namespace::Test } else { namespace };
    Place { folder, namespace, holder: ledger::holder() }
}

/// What makes two runs runs of the same query: the path of its file, from the folder that the ledger lies in, so that a
/// project may be moved or mounted elsewhere with its ledger.
pub(super) fn query_name(path: &Path, settings: &Settings) -> String {
    let ledger = Path::new(settings.text("ledger").unwrap_or_default());
    let whole = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    let path = whole(path).unwrap_or_else(|_| path.to_owned());
    let project = std::path::absolute(ledger).ok().and_then(|ledger| whole(ledger.parent()?).ok());
    let inner = project.as_deref().and_then(|project| path.strip_prefix(project).ok());
    inner.unwrap_or(&path).display().to_string()
}

/// `$last_success` as a value: the beginning of time where no run has succeeded.
pub(super) fn instant(seconds: Option<i64>) -> String {
    Timestamp::from_second(seconds.unwrap_or(NEVER)).unwrap_or_default().to_string()
}

/// The command that lists what the ledger of runs in `mode` holds.
pub(super) fn resolve_command(mode: Mode, settings: &Settings, world: &World) -> String {
    let Place { folder, namespace, .. } = place(mode, settings);
    let mut command = "postback resolve".to_owned();
    // What lies where the command looks, or what a file or the environment says, it finds by itself.
    let found = world.settings(&SettingFlags::default(), None).and_then(|settings| home::without_query(&settings));
    let is_found = found.is_ok_and(|found| Some(&*found) == settings.text("ledger").map(Path::new));
    if namespace == Namespace::Sandbox || !is_found || folder != Path::new(settings.text("ledger").unwrap_or_default())
    {
        let folder = folder.display().to_string();
        let is_plain = folder.chars().all(|char| char.is_alphanumeric() || "/._-".contains(char));
        let folder = if is_plain { folder } else { format!("'{}'", folder.replace('\'', "'\\''")) };
        command = format!("{command} --ledger {folder}");
    }
    if namespace != Namespace::Live {
        command = format!("{command} --namespace {}", namespace.as_str());
    }
    command
}

/// Bytes that what a ledger knows may take, beside what the query engine takes.
fn memory(world: &World) -> usize {
    world.resources.memory_limit / 2
}

/// How the ledger at `place` is opened.
fn options(place: Place, settings: &Settings) -> Result<Options> {
    // A file with a shorter limit must not make the ledger forget what another one may still send.
    let age = settings.seconds("max_event_age").max(contract::MAX_EVENT_AGE_DAYS * 86_400);
    Ok(Options::new(place, clock(settings), fresh_secret()?, i64::try_from(age).unwrap_or(i64::MAX)))
}

/// The time, unless `postback.as_of` says otherwise.
fn clock(settings: &Settings) -> Clock {
    let as_of = settings.as_of();
    Arc::new(move || as_of.unwrap_or_else(super::unix_now))
}

/// The secret of a ledger that is made now.
fn fresh_secret() -> Result<[u8; 32]> {
    let mut secret = [0; 32];
    let filled = ring::default_provider().secure_random.fill(&mut secret);
    filled.map_err(|_| Error::new(ErrorKind::Internal, "the machine gives no random numbers"))?;
    Ok(secret)
}
