//! The database: its settings, its tables, and the way from one version of them to the next.
//!
//! Version 2. Times are Unix seconds. `checksum` is that of [`super::row::Checksum`] over the other columns.
//!
//! | table | a row is |
//! |---|---|
//! | `about` | the ledger: namespace, secret, epoch, low-water mark, and count and sum of what there is |
//! | `runs` | a run of a query |
//! | `batches` | an intent, or a decision: where to, when, event times from and to, and the event keys, 16 bytes each |
//! | `endings` | what became of the events of a batch, as [`super::outcomes`] writes it; a batch without is in doubt |
//!
//! Version 2 came with decisions: a batch of which nothing was sent, and whose end says what was decided. The tables are
//! those of version 1, which would take such an end for damage.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::about::About;
use super::{Namespace, failure};
use crate::error::{Error, ErrorKind, Result};

/// "pbkl": the file is a ledger of postback.
const APPLICATION: i32 = 0x7062_6b6c;
/// The version of the tables: the number of [`MIGRATIONS`].
const VERSION: u32 = 2;

/// What leads from each version to the next.
const MIGRATIONS: &[&str] = &[TABLES, ""];

const TABLES: &str = "
    CREATE TABLE about (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        namespace TEXT NOT NULL,
        secret BLOB NOT NULL,
        created INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        forgotten_before INTEGER,
        batches INTEGER NOT NULL,
        last_batch INTEGER NOT NULL,
        total BLOB NOT NULL,
        checksum BLOB NOT NULL
    ) STRICT;
    CREATE TABLE runs (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        query TEXT NOT NULL,
        started INTEGER NOT NULL,
        ended INTEGER,
        succeeded INTEGER NOT NULL,
        checksum BLOB NOT NULL
    ) STRICT;
    CREATE TABLE batches (
        id INTEGER PRIMARY KEY,
        run INTEGER,
        event_source TEXT NOT NULL,
        event_source_id TEXT NOT NULL,
        prepared INTEGER NOT NULL,
        first_attempt INTEGER NOT NULL,
        first_event INTEGER NOT NULL,
        last_event INTEGER NOT NULL,
        checksum BLOB NOT NULL,
        event_keys BLOB NOT NULL
    ) STRICT;
    CREATE TABLE endings (
        batch INTEGER PRIMARY KEY,
        ended INTEGER NOT NULL,
        outcomes BLOB NOT NULL,
        checksum BLOB NOT NULL
    ) STRICT;
";

/// Opens the file for one owner.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // What the file says can run no code and use no memory that it names.
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA mmap_size = 0;
         PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA fullfsync = ON;
         PRAGMA temp_store = MEMORY;",
    )?;
    Ok(connection)
}

/// Makes the tables of an empty file, if there is a secret for it, brings older ones to this version, and reads what the ledger is.
pub(super) fn prepare(
    connection: &mut Connection,
    path: &Path,
    namespace: Namespace,
    fresh_secret: Option<&[u8; 32]>,
    now: i64,
) -> Result<About> {
    let opening = |error| failure::opening(path, error);
    let version = recognise(connection, path)?;
    let fresh = match (version, fresh_secret) {
        (0, None) => return Err(failure::damaged(path, "the file is empty")),
        (0, Some(secret)) => Some(About::new(namespace, *secret, now)),
        _ => None,
    };
    if version < VERSION {
        let writing = |error| failure::writing(path, error);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(opening)?;
        for step in MIGRATIONS.iter().zip(1..).filter(|(_, leads_to)| *leads_to > version).map(|(step, _)| step) {
            transaction.execute_batch(step).map_err(writing)?;
        }
        if let Some(fresh) = fresh {
            fresh.write(&transaction).map_err(writing)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION).map_err(writing)?;
        transaction.pragma_update(None, "user_version", VERSION).map_err(writing)?;
        transaction.commit().map_err(writing)?;
    }
    let about = About::read(connection).map_err(opening)?;
    let about = about.ok_or_else(|| failure::damaged(path, "it does not know itself any more"))?;
    if about.namespace != namespace.as_str() {
        let message = format!("the ledger is about {} events, not {} ones", about.namespace, namespace.as_str());
        return Err(Error::new(ErrorKind::Usage, message).context("ledger", path.display()));
    }
    Ok(about)
}

/// The version of the tables, 0 for an empty file.
pub(super) fn recognise(connection: &Connection, path: &Path) -> Result<u32> {
    let number = |sql: &str| {
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| failure::opening(path, error))
    };
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if (application, version, tables) == (0, 0, 0) {
        return Ok(0);
    }
    if application != i64::from(APPLICATION) {
        return Err(failure::damaged(path, "it is not marked as a ledger of postback"));
    }
    match u32::try_from(version) {
        Ok(version @ 1..=VERSION) => {
            let opening = |error| failure::opening(path, error);
            let is_made_so = layout(connection).map_err(opening)? == made(version).map_err(opening)?;
            is_made_so.then_some(version).ok_or_else(|| failure::damaged(path, "its tables are not as they were made"))
        }
        Ok(version) if version > VERSION => {
            let message =
                format!("the ledger is of version {version}, and this postback knows versions up to {VERSION}");
            Err(Error::new(ErrorKind::Usage, message).context("ledger", path.display()).hint("use a newer postback"))
        }
        _ => Err(failure::damaged(path, "its version is not one")),
    }
}

/// What tables there are, and what they were made with: a row that is altered there has no checksum of its own.
fn layout(connection: &Connection) -> rusqlite::Result<Vec<[Option<String>; 4]>> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name")?;
    statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?.collect()
}

/// The layout of a ledger of `version`.
fn made(version: u32) -> rusqlite::Result<Vec<[Option<String>; 4]>> {
    let example = Connection::open_in_memory()?;
    let steps = MIGRATIONS.iter().zip(1..=version).map(|(step, _)| *step);
    example.execute_batch(&steps.collect::<String>())?;
    layout(&example)
}
