//! Whether a ledger knows a destination: for whoever looks for the ledger that events belong to.

use rusqlite::Connection;

use super::lock::Lock;
use super::{Place, Sqlite, failure, file, schema};
use crate::contract::EventSource;
use crate::error::Result;

/// A destination as far as it is known before the rows are read; what is not known may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aim {
    /// Where the events happened.
    pub event_source: Option<EventSource>,
    /// What receives them.
    pub event_source_id: Option<String>,
}

impl Aim {
    /// Whether both may be the same destination.
    #[must_use]
    pub fn may_be(&self, other: &Self) -> bool {
        fn agree<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        agree(self.event_source.as_ref(), other.event_source.as_ref())
            && agree(self.event_source_id.as_ref(), other.event_source_id.as_ref())
    }
}

/// Whether the ledger at `place` may hold events of a destination that `aim` describes. One that is gone may. Nothing is
/// made where there is none.
///
/// # Errors
/// [`Locked`](crate::error::ErrorKind::Locked) if a run holds it, [`Usage`](crate::error::ErrorKind::Usage) if it is damaged
/// or cannot be opened.
pub fn knows(place: &Place, aim: &Aim, now: i64) -> Result<bool> {
    let path = place.database();
    let is_there = path.is_file();
    if !place.is_used() {
        return Ok(false);
    }
    file::folder(&place.folder)?;
    let lock = Lock::take(place, now)?;
    if !is_there {
        return Ok(lock.epoch() > 0);
    }
    let connection = schema::connect(&path).map_err(|error| failure::opening(&path, error))?;
    if schema::recognise(&connection, &path)? == 0 {
        return Ok(false);
    }
    holds(&connection, aim).map_err(|error| failure::opening(&path, error))
}

impl Sqlite {
    /// Whether this ledger holds events of a destination that `aim` describes.
    ///
    /// # Errors
    /// If that cannot be read.
    pub fn knows(&self, aim: &Aim) -> Result<bool> {
        let aim = aim.clone();
        self.read(move |connection| holds(connection, &aim))
    }
}

fn holds(connection: &Connection, aim: &Aim) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM batches
         WHERE event_source = coalesce(?1, event_source) AND event_source_id = coalesce(?2, event_source_id))",
        (aim.event_source.map(EventSource::as_str), aim.event_source_id.as_deref()),
        |row| row.get(0),
    )
}
