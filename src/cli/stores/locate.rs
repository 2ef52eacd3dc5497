//! Which ledger a query's events belong to, where several may know them: no query begins a second one unnoticed.
//!
//! Known places are those of [`Places`], and the ledgers of the other files of the same command. A ledger that lies
//! nowhere near the query, or on another machine, is not found.

use std::path::{Path, PathBuf};

use super::super::home::{self, Places};
use super::super::{World, render};
use super::{Stores, place, place_in};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::sqlite::{Aim, Place, knows};
use crate::report::Mode;
use crate::settings::Settings;

/// What is to be done where another ledger than the one in its place knows what a query sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Elsewhere {
    /// Nothing: the query begins a ledger of its own.
    Ignored,
    /// The run is refused.
    Refused,
    /// The other one is looked at: nothing is sent.
    Looked,
}

impl Stores {
    /// Makes the setting `ledger` name the folder of the ledger of the query at `path`, which runs in `mode`: where it
    /// belongs, or the working folder's, if that alone knows what the query sends.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the query would begin a second ledger, [`ErrorKind::Locked`] if nobody can tell whether it
    /// would.
    pub(in crate::cli) fn locate(
        &mut self,
        path: &Path,
        mode: Mode,
        settings: &mut Settings,
        elsewhere: Elsewhere,
        world: &World,
    ) -> Result<()> {
        let (places, aim) = (Places::of(path, settings), aim(settings));
        let Places { own, working, .. } = &places;
        let mut folder = own;
        if mode != Mode::Sandbox && elsewhere != Elsewhere::Ignored {
            let known = self.known(&places, &aim, mode, settings, world)?;
            let known_here = working.as_ref().filter(|working| known.contains(working));
            match (known.contains(&own), known_here, known.first()) {
                (true, Some(working), _) => tell(world, &also_known(&aim, working, own)),
                (false, Some(working), _) => {
                    folder = working;
                    tell(world, &used_here(&aim, working, own));
                }
                (false, None, Some(other)) if elsewhere == Elsewhere::Looked => folder = other,
                (false, None, Some(other)) => return Err(second(own, other, &aim)),
                _ => {}
            }
        }
        let folder = home::shown(folder);
        home::settle(settings, &folder)?;
        self.note(aim, mode, settings);
        Ok(())
    }

    /// Makes sure that the ledger of the query at `path` is no second one, now that the rows are known to say where they
    /// go.
    ///
    /// # Errors
    /// As [`Stores::locate`].
    pub(in crate::cli) fn assure_only(
        &mut self,
        path: &Path,
        mode: Mode,
        settings: &Settings,
        aim: Aim,
        world: &World,
    ) -> Result<()> {
        if mode == Mode::Sandbox {
            return Ok(());
        }
        // What was noted of this query before it was planned is not known by its ledger yet.
        self.aims.pop();
        let places = Places::of(path, settings);
        let own = PathBuf::from(settings.text("ledger").unwrap_or_default());
        let others = std::iter::once(places.own).chain(places.working).chain(places.others).collect();
        let places = Places { own, working: None, others };
        let known = self.known(&places, &aim, mode, settings, world)?;
        match known.first() {
            Some(other) if !known.contains(&&places.own) => Err(second(&places.own, other, &aim)),
            _ => {
                self.note(aim, mode, settings);
                Ok(())
            }
        }
    }

    /// The folders, own first, whose ledgers may know `aim`. Of the others only the first is looked for.
    fn known<'a>(
        &'a self,
        places: &'a Places,
        aim: &Aim,
        mode: Mode,
        settings: &Settings,
        world: &World,
    ) -> Result<Vec<&'a PathBuf>> {
        let place = |folder: &PathBuf| place_in(folder, mode, settings);
        let is_aimed = |(other, folder, file): &&(Aim, PathBuf, PathBuf)| {
            other.may_be(aim) && is_same(file, &place(folder).database())
        };
        let aimed = self.aims.iter().filter(is_aimed).map(|(_, folder, _)| folder);
        let lie = places.working.iter().chain(&places.others).filter(|folder| place(folder).is_used());
        let elsewhere: Vec<&PathBuf> = lie.chain(aimed).filter(|folder| !is_same(folder, &places.own)).collect();
        if elsewhere.is_empty() {
            // Nobody else could know it.
            return Ok(vec![&places.own]);
        }
        let mut known = Vec::new();
        for folder in std::iter::once(&places.own).chain(elsewhere) {
            if !known.is_empty() && places.working.as_ref() != Some(folder) {
                break;
            }
            match self.knows(&place(folder), aim, world) {
                Ok(false) => {}
                Err(_) if !known.is_empty() => {}
                Err(error) if error.kind() == ErrorKind::Locked && *folder != places.own => {
                    return Err(
                        error.hint("wait until that run has ended: it may send the same, and nobody can tell now")
                    );
                }
                // One that is damaged is not to be passed by: what is wrong shows as soon as it is opened.
                Ok(true) | Err(_) => known.push(folder),
            }
        }
        Ok(known)
    }

    /// Whether the ledger at `place` may know `aim`, by what it holds or by what this command is going to send.
    fn knows(&self, place: &Place, aim: &Aim, world: &World) -> Result<bool> {
        let path = place.database();
        if self.is_aimed(&path, aim) {
            return Ok(true);
        }
        match self.open.iter().find(|(open, _)| is_same(open, &path)) {
            Some((_, open)) => tokio::task::block_in_place(|| open.knows(aim)),
            None => tokio::task::block_in_place(|| knows(place, aim, world.now)),
        }
    }

    /// Whether another file of this command is going to send what `aim` describes, with the ledger at `path`.
    fn is_aimed(&self, path: &Path, aim: &Aim) -> bool {
        self.aims.iter().any(|(other, _, ledger)| other.may_be(aim) && is_same(ledger, path))
    }

    /// Notes that a file is going to send what `aim` describes.
    fn note(&mut self, aim: Aim, mode: Mode, settings: &Settings) {
        let folder = PathBuf::from(settings.text("ledger").unwrap_or_default());
        // The ledger of an embedded sandbox is for nobody else.
        if mode != Mode::Sandbox {
            self.aims.push((aim, folder, place(mode, settings).database()));
        }
    }
}

/// Whether two paths lead to one file, or would.
fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
    one == other || whole(one) == whole(other)
}

/// What is known of the destination before the query is planned.
fn aim(settings: &Settings) -> Aim {
    let event_source_id = settings.text("event_source_id").map(str::to_owned);
    Aim { event_source: settings.event_source(), event_source_id }
}

/// `offline 7654321098765432109`.
fn described(aim: &Aim) -> String {
    match (aim.event_source, &aim.event_source_id) {
        (Some(source), Some(id)) => format!("{source} {id}"),
        (Some(source), None) => format!("{source} events"),
        (None, Some(id)) => id.clone(),
        (None, None) => "destinations that the query may send to".to_owned(),
    }
}

/// The error of a query whose ledger would be `own` although `other` knows what the query sends.
fn second(own: &Path, other: &Path, aim: &Aim) -> Error {
    let (own, other) = (home::shown(own), home::shown(other));
    let message = format!("a second ledger for {} would begin, and not know what was accepted", described(aim));
    Error::new(ErrorKind::Usage, message)
        .context("known by", other.display())
        .context("would begin in", own.display())
        .hint(format!(
            "go on with the ledger that knows it, with --ledger {} or `ledger` in postback.toml; or begin another one with \
             --new-ledger: what was accepted is then sent again, and counts twice after 48 hours",
            other.display()
        ))
}

fn tell(world: &World, line: &str) {
    if !world.quiet {
        render::note(line);
    }
}

/// What is said where the working folder's ledger knows `aim` as well as the query's own.
fn also_known(aim: &Aim, working: &Path, own: &Path) -> String {
    let (working, own) = (home::shown(working), home::shown(own));
    let (working, own) = (working.display(), own.display());
    format!(
        "note: `{working}` knows {} too, and what it holds is not looked at: the ledger in use is `{own}`",
        described(aim)
    )
}

/// What is said where only the working folder's ledger knows `aim`.
fn used_here(aim: &Aim, working: &Path, own: &Path) -> String {
    let (working, own) = (home::shown(working), home::shown(own));
    let (working, own) = (working.display(), own.display());
    format!(
        "note: using the ledger of the working folder, `{working}`, which knows {}; its place is `{own}`: move it there, or \
         name it with postback.ledger",
        described(aim)
    )
}
