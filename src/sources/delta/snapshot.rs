//! What a log says at one version, read by deltalake.

use std::any::Any;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::execution::context::SessionState;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::{EagerSnapshot, LogicalFileView, Snapshot as LazySnapshot};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, logstore_with};
use futures::future::FutureExt;
use futures::stream::TryStreamExt;
use url::Url;

use super::actions::DAMAGED_LOG;
use super::active::{Active, ActiveFiles};
use super::guard::{FOLDER, GuardedLog};
use super::log::{Log, made_at};
use super::protocol::Protocol;
use super::schema::{self, Mapping};
use super::statistics::Statistics;
use crate::error::{Error, ErrorKind, Result};
use crate::sources::declared::At;
use crate::sources::file::SourceFile;
use crate::sources::parquet::Stored;
use crate::sources::root::Root;

/// A table at one version.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// How messages name the table.
    pub(super) shown: String,
    /// The version.
    pub(super) version: u64,
    /// The file of the log that made the version, with the time of the commit.
    pub(super) commit: SourceFile,
    /// The columns in the order of the table, with those that the log gives the values of.
    pub(super) columns: Vec<Stored>,
    /// The columns that the log gives the values of, each with one value for each file.
    pub(super) partitions: Vec<(Stored, ArrayRef)>,
    /// The files that are part of the table.
    pub(super) active: Vec<Active>,
    /// What the log says of the values in them.
    pub(super) statistics: Statistics,
}

/// What deltalake found.
struct Replayed {
    snapshot: EagerSnapshot,
    files: Vec<LogicalFileView>,
}

impl Snapshot {
    /// Reads the listed `log` of the table below `root` in the state `at`.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] naming what is damaged or missing, and for a table that needs what is not known.
    pub(super) async fn read(state: &SessionState, root: &Root, log: &Log, at: At) -> Result<Self> {
        let shown = log.shown.clone();
        let version = log.version(at).await?;
        let (_, store) = root.store(state.runtime_env())?;
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let guarded = Arc::new(GuardedLog::new(log, store, cache));
        let replayed = replayed(&guarded, log, version).await?;
        let commit = log.commit(version).cloned().ok_or_else(|| damaged(&shown))?;
        let time = made_at(&commit).await?;
        let commit = commit.written(SystemTime::from(time));
        let made = catch_unwind(AssertUnwindSafe(|| Self::of(shown.clone(), version, commit, replayed)));
        made.unwrap_or_else(|_| Err(damaged(&shown)))
    }

    /// What deltalake found, in our words.
    fn of(shown: String, version: u64, commit: SourceFile, replayed: Replayed) -> Result<Self> {
        let Replayed { snapshot, mut files } = replayed;
        let metadata = snapshot.metadata();
        let mapping = Mapping::of(&shown, metadata.configuration().iter())?;
        let columns = schema::columns(&shown, &snapshot.schema(), mapping)?;
        let of_log = metadata.partition_columns();
        let is_of_log = |column: &&Stored| of_log.iter().any(|name| name == column.field.name());
        let (in_log, in_files): (Vec<&Stored>, Vec<&Stored>) = columns.iter().partition(is_of_log);
        let in_files: Vec<Stored> = in_files.into_iter().cloned().collect();
        let mut active = ActiveFiles::default();
        // In the same order however the log is written.
        files.sort_by(|one, other| one.path().cmp(&other.path()));
        for file in &files {
            active.add(&shown, file, &in_files)?;
        }
        let partitions = in_log.into_iter().map(|column| Ok((column.clone(), active.values(&shown, column)?)));
        let partitions = partitions.collect::<Result<Vec<_>>>()?;
        let statistics = Statistics::new(&active, &in_files, &partitions);
        Ok(Self { shown, version, commit, columns, partitions, active: active.files, statistics })
    }

    /// It, with columns that stay bytes where they are called as `of_bytes`, in lower case.
    pub(super) fn keeping_bytes(mut self, of_bytes: &HashSet<String>) -> Self {
        let is_of_bytes = |field: &FieldRef| {
            *field.data_type() == DataType::Utf8View && of_bytes.contains(&field.name().to_lowercase())
        };
        let of_log: HashSet<&String> = self.partitions.iter().map(|(column, _)| column.field.name()).collect();
        for column in self.columns.iter_mut().filter(|column| is_of_bytes(&column.field)) {
            if !of_log.contains(column.field.name()) {
                column.field = Arc::new(column.field.as_ref().clone().with_data_type(DataType::BinaryView));
            }
        }
        self
    }
}

/// What deltalake makes of the log. Nothing of what it says of an error is kept, which may quote the log: what is wrong is
/// what was found before it saw it, or is found now.
async fn replayed(guarded: &Arc<GuardedLog>, log: &Log, version: u64) -> Result<Replayed> {
    let shown = &log.shown;
    let found = AssertUnwindSafe(replay(Arc::clone(guarded), version, shown)).catch_unwind().await;
    let failed = |_: Box<dyn Any + Send>| Err(None);
    let error = match found.unwrap_or_else(failed) {
        Ok(replayed) => return Ok(replayed),
        Err(error) => error.or_else(|| guarded.wrong()),
    };
    if let Some(error) = error {
        return Err(error);
    }
    guarded.judge_all(log.way_to(version)).await?;
    guarded.protocol().map_or(Ok(()), |protocol| protocol.require_known(shown))?;
    Err(damaged(shown))
}

/// Runs the replay; an error of ours where there is one.
async fn replay(log: Arc<GuardedLog>, version: u64, shown: &str) -> Result<Replayed, Option<Error>> {
    let theirs = |_: DeltaTableError| None;
    let store = log_store(log).map_err(theirs)?;
    let asked = LazySnapshot::try_new(store.as_ref(), Some(version)).await.map_err(theirs)?;
    let features = asked.protocol().reader_features();
    let protocol = Protocol {
        min_reader_version: i64::from(asked.protocol().min_reader_version()),
        reader_features: features.map(|all| all.iter().map(ToString::to_string).collect()),
    };
    protocol.require_known(shown).map_err(Some)?;
    let snapshot = EagerSnapshot::try_new(store.as_ref(), Some(version)).await.map_err(theirs)?;
    let files = snapshot.file_views(store.as_ref(), None).try_collect().await.map_err(theirs)?;
    Ok(Replayed { snapshot, files })
}

/// The log as deltalake knows it. The scheme names a place that its store knows; nothing is kept in memory.
fn log_store(log: Arc<GuardedLog>) -> Result<LogStoreRef, DeltaTableError> {
    let url = format!("memory:///{FOLDER}/");
    let url = Url::parse(&url).map_err(|_| DeltaTableError::InvalidTableLocation(url))?;
    logstore_with(log, &url, StorageConfig::default())
}

/// The error of a log that deltalake cannot make a table of.
fn damaged(shown: &str) -> Error {
    Error::new(ErrorKind::Source, format!("the log of the Delta Lake table `{shown}` cannot be read")).hint(DAMAGED_LOG)
}
