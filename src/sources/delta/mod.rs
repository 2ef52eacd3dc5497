//! Delta Lake tables: the files that a log names, as they were at one version.
//!
//! A folder with a folder `_delta_log` in it is a table. deltalake reads the log: which files are part of the table, what
//! is deleted of each, which columns there are. The files are then read as any Parquet files are, with the same types,
//! names and guards ([`scan`]). Of a table that is named twice, or read twice, the state is the same: that of the version
//! that was found when it was opened. A newer version is noted, and read by the next run.
//!
//! # Invariants
//!
//! - A row that was deleted or superseded is not read: there is no file that is read without its deletion vector, and none
//!   that the log does not name.
//! - Nothing of a table lies outside its folder. A path that leads out of it, as a shallow clone has, is refused.
//! - Nothing is ever written: the store that deltalake is given ([`guard`]) can not.
//! - deltalake sees no byte of the log that was not judged: of JSON every line, of a checkpoint the footer and every page.
//!   What it asks for was listed once, so that it cannot see two states of a log. It reads no variable of the environment
//!   and opens no connection: stores are those of [`stores`](super::stores).
//! - Nothing of what deltalake says of a damaged log is shown, for it may quote values. What is wrong is found here, and
//!   named with its file.
//! - A table that needs what is not known here is refused ([`protocol`]), and never read by half.
//!
//! # Files that are skipped
//!
//! With `skip_bad_files` every page of every file, and every deletion vector, is looked at when the table is opened, and a
//! file without one of them is left out and noted, where there are others. A log has no others beside it: damage there is
//! always an error.
//!
//! # What is not read
//!
//! Change data feeds, columns of type `variant`, and tables whose commits a catalog coordinates.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::execution::context::SessionState;

use self::files::Files;
use self::log::Log;
use self::scan::DeltaTable;
use self::snapshot::Snapshot;
use super::declared::At;
use super::file::SourceFile;
use super::pin::{self, Changes};
use super::report::SourceReport;
use super::root::Root;
use super::unread::Unread;
use crate::error::Result;

mod actions;
mod active;
mod deletion;
mod files;
mod guard;
mod log;
mod protocol;
mod scan;
mod schema;
mod snapshot;
mod statistics;

/// Whether tables are read.
pub(super) const IS_READ: bool = true;
/// What a build that reads no tables says.
pub(super) const MISSING: &str = "";

/// A table at one version.
#[derive(Clone, Debug)]
pub(super) struct Table {
    asked: At,
    table: Arc<DeltaTable>,
}

impl Table {
    /// Opens the table below `root` in the state `at`. If it `skips` bad files, those that cannot be read are left out and
    /// noted in `unread`, where there are others. Columns called as `of_bytes`, in lower case, stay bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Source`](crate::error::ErrorKind) naming what is damaged, missing or not known, and for a table without
    /// a row.
    pub(super) async fn open(
        state: &SessionState,
        root: &Root,
        at: At,
        skips: bool,
        unread: &Arc<Unread>,
        of_bytes: &HashSet<String>,
    ) -> Result<Self> {
        let log = Log::list(root).await?;
        let snapshot = Snapshot::read(state, root, &log, at).await?.keeping_bytes(of_bytes);
        let files = Files::new(root.clone(), snapshot.version, state.runtime_env())?;
        let table = DeltaTable::new(state, snapshot, files, Arc::clone(unread))?;
        let table = if skips { table.without_bad(unread).await? } else { table };
        table.require_rows().await?;
        Ok(Self { asked: at, table: Arc::new(table) })
    }

    /// Whether it is in the state that is asked for.
    pub(super) fn is_asked_for(&self, at: At) -> bool {
        self.asked == at
    }

    /// What there is to know of it.
    pub(super) fn report(&self, locations: &[String]) -> SourceReport {
        let snapshot = self.table.snapshot();
        SourceReport {
            location: locations.join(", "),
            recognised: format!("Delta Lake table, version {}", snapshot.version),
            files: snapshot.active.len() as u64,
            empty_files: 0,
            bytes: snapshot.active.iter().map(|file| file.size).sum(),
            columns: Vec::new(),
            notes: self.table.notes(),
        }
    }

    /// Its rows.
    pub(super) fn provider(&self) -> Arc<dyn TableProvider> {
        Arc::clone(&self.table) as _
    }

    /// The file of its log that made its version, with the time of the commit.
    pub(super) fn files(&self) -> Vec<SourceFile> {
        vec![self.table.snapshot().commit.clone()]
    }

    /// How its log, of which `known` made the version, and the files that were read differ from what they were. What
    /// appears is the commits of newer versions.
    ///
    /// # Errors
    /// [`ErrorKind::Source`](crate::error::ErrorKind) if the log cannot be listed any more.
    pub(super) async fn changes(&self, known: &[SourceFile]) -> Result<Changes> {
        let snapshot = self.table.snapshot();
        let log = Log::list(self.table.root()).await?;
        let mut changes = Changes::default();
        // Logs are cleaned up: the commit of an old version may go while the table stays what it is.
        if let Some(now) = log.commit(snapshot.version) {
            let now = now.clone().written(snapshot.commit.meta.last_modified.into());
            changes.changed.extend(pin::compare(known, &[now]).changed);
        }
        changes.changed.extend(self.table.changed().await?);
        if self.asked == At::Newest {
            changes.appeared.extend(log.commits_behind(snapshot.version).map(|file| file.shown().to_owned()));
        }
        Ok(changes)
    }
}
