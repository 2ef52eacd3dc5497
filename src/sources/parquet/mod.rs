//! Parquet files as a table.
//!
//! Footers tell rows and columns ([`footers`]); the columns of all files are one table by name, each with a type that
//! holds those of every file ([`merge`], [`types`]); DataFusion scans the files that were listed and no others, and prunes
//! row groups and pages by their statistics. Expressions over the table are rewritten for each file ([`adapter`]).
//!
//! # What is believed
//!
//! Nothing that a file says of its own size. A footer is walked before it is decoded and its offsets are judged before
//! they are followed ([`footers`]); every page header is judged, and every checksum compared, before a decoder sees the
//! page ([`reader`], [`pages`]). What goes wrong later, up to a panic of a decoder, is an error that names file and row
//! group ([`guarded`]).
//!
//! A page without a checksum can be damaged in ways that nothing reveals: values in plain encoding are any bytes. And no
//! checksum covers footers and page headers, where a flipped bit may rename a column.
//!
//! # Bytes and text
//!
//! A decoder is shown a footer that promises no text ([`bare`]), so that all text comes as bytes, which become text only
//! if they are UTF-8 ([`texts`]), whatever the file says of them. A row that is no text is noted with its number and left
//! out ([`marks`]), as one of a CSV file is. Where a query hands a column to `encode` and nothing else, its bytes stay what
//! they are.
//!
//! # Files that are skipped
//!
//! With `skip_bad_files` every page of every file is judged before the table is opened ([`verify`]), so that a bad one is
//! left out before any of its rows is given. A file whose pages are sound to the eye and still do not decode is an error
//! of the run: rows that were given cannot be taken back.

use std::collections::HashSet;
use std::slice;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::context::SessionState;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::object_store::ObjectStore;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::stream::{self, StreamExt};

use self::adapter::ByName;
#[cfg(feature = "delta")]
pub(super) use self::checked::{Checked, texts};
use self::footers::Footer;
#[cfg(feature = "delta")]
pub(super) use self::footers::{read as footer, verify as verify_pages};
use self::merge::FileColumns;
pub(super) use self::scan::{Scan, scanned};
#[cfg(feature = "delta")]
pub(super) use self::stored::{ByPlace, Stored};
use super::file::{Place, SourceFile};
use super::partitions::Partitions;
use super::report::Note;
use super::unread::Unread;
use super::{pin, unreadable};
use crate::error::Result;

mod adapter;
mod bare;
#[cfg(feature = "delta")]
mod checked;
mod compared;
mod converted;
mod footers;
mod guarded;
mod marks;
mod merge;
mod pages;
mod reader;
mod scan;
#[cfg(feature = "delta")]
mod stored;
mod texts;
mod thrift;
mod types;

/// Footers that are read at the same time.
const AT_ONCE: usize = 16;

/// Parquet files of one store.
#[derive(Debug)]
struct ParquetFiles {
    /// The files, and what the reader gives of each.
    files: Vec<(SourceFile, Arc<FileColumns>)>,
    store: ObjectStoreUrl,
    /// The store, which gives no bytes of files that have changed.
    pinned: Arc<dyn ObjectStore>,
    columns: TableSchema,
    unread: Arc<Unread>,
    partitions: Partitions,
    options: TableParquetOptions,
}

/// What a table of Parquet files is opened with.
pub(super) struct Opening<'a> {
    /// The session.
    pub(super) state: &'a SessionState,
    /// How messages name the location.
    pub(super) shown: &'a str,
    /// The declared columns, in place of those that the footers tell.
    pub(super) columns: Option<SchemaRef>,
    /// The declared columns of folders.
    pub(super) of_folders: &'a [FieldRef],
    /// The names, in lower case, of columns whose bytes stay bytes.
    pub(super) of_bytes: &'a HashSet<String>,
    /// Where rows that are not text are noted.
    pub(super) unread: &'a Arc<Unread>,
}

impl Opening<'_> {
    /// The table of `files`; what there is to know about them is added to `notes`. `None` if no file has a row.
    ///
    /// # Errors
    /// [`ErrorKind::Source`](crate::error::ErrorKind), naming the file, for one that cannot be read; for files whose
    /// columns do not go together.
    pub(super) async fn table(
        self,
        files: &[SourceFile],
        notes: &mut Vec<Note>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let (pinned, store) = pinned(self.state, self.shown, files)?;
        let (files, footers) = self.footers(&pinned, files).await?;
        if footers.iter().all(|footer| footer.rows == 0) {
            return Ok(None);
        }
        let found = shared(footers);
        let columns = match self.columns {
            Some(columns) => {
                merge::declared(&files, &found, &columns, notes)?;
                columns
            }
            None => Arc::new(merge::merged(&files, &found, self.of_bytes, notes)?),
        };
        let partitions = Partitions::of(&files, &columns, self.of_folders)?;
        let columns = TableSchema::builder(columns).with_table_partition_cols(partitions.fields().to_vec()).build();
        let options = self.state.table_options().parquet.clone();
        let files = files.into_iter().zip(found).collect();
        let unread = Arc::clone(self.unread);
        Ok(Some(Arc::new(ParquetFiles { files, store, pinned, columns, unread, partitions, options })))
    }

    /// Those of `files` that are read, with their footers.
    async fn footers(
        &self,
        store: &Arc<dyn ObjectStore>,
        files: &[SourceFile],
    ) -> Result<(Vec<SourceFile>, Vec<Footer>)> {
        let footers = files.iter().map(|file| footers::read(store, file)).collect::<Vec<_>>();
        let mut footers = stream::iter(footers).buffered(AT_ONCE).zip(stream::iter(files));
        let mut read = (Vec::with_capacity(files.len()), Vec::with_capacity(files.len()));
        while let Some((footer, file)) = footers.next().await {
            read.0.push(file.clone());
            read.1.push(footer?);
        }
        Ok(read)
    }
}

/// Looks at every page of `file`.
///
/// # Errors
/// [`ErrorKind::Source`](crate::error::ErrorKind), naming the file, for one that cannot be read to its end.
pub(super) async fn verify(state: &SessionState, file: &SourceFile) -> Result<()> {
    let (store, _) = pinned(state, file.shown(), slice::from_ref(file))?;
    footers::verify(&store, file).await
}

/// The store that holds `files`, which messages call `shown`, and its URL. It gives no bytes of files that have changed.
fn pinned(state: &SessionState, shown: &str, files: &[SourceFile]) -> Result<(Arc<dyn ObjectStore>, ObjectStoreUrl)> {
    let found = match files.first().map(SourceFile::place) {
        Some(Place::Object { store, url }) => ObjectStoreUrl::parse(url).map(|url| (Arc::clone(store), url)),
        Some(Place::Local(_)) | None => {
            let url = ObjectStoreUrl::local_filesystem();
            state.runtime_env().object_store(&url).map(|store| (store, url))
        }
    };
    let (store, url) = found.map_err(|error| unreadable(shown, error))?;
    Ok((pin::pinned(store, files), url))
}

/// The columns of each file, where alike ones that follow each other are one.
fn shared(footers: Vec<Footer>) -> Vec<Arc<FileColumns>> {
    let mut shared: Vec<Arc<FileColumns>> = Vec::with_capacity(footers.len());
    for footer in footers {
        let same = shared.last().filter(|last| ***last == footer.columns).cloned();
        shared.push(same.unwrap_or_else(|| Arc::new(footer.columns)));
    }
    shared
}

#[async_trait]
impl TableProvider for ParquetFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.columns.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::error::Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| self.partitions.pushdown(filter, TableProviderFilterPushDown::Inexact))
            .collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let kept = self.partitions.kept(self.files.len(), session, filters)?;
        if kept.is_empty() {
            let schema = self.columns.table_schema();
            let schema =
                projection.map_or_else(|| Ok(Arc::clone(schema)), |columns| schema.project(columns).map(Arc::new));
            return Ok(Arc::new(EmptyExec::new(schema?)));
        }
        let mut files = Vec::with_capacity(kept.len());
        for number in kept {
            let (file, columns) = &self.files[number];
            files.push(scanned(file, &columns.schema).with_partition_values(self.partitions.values(number)?));
        }
        let filter = conjunction(filters.iter().filter(|filter| !self.partitions.answer(filter)).cloned());
        let scan = Scan {
            session,
            store: self.store.clone(),
            pinned: Arc::clone(&self.pinned),
            columns: self.columns.clone(),
            unread: Arc::clone(&self.unread),
            options: self.options.clone(),
            adapter: Arc::new(ByName),
        };
        scan.plan(files, projection.cloned(), filter, limit)
    }
}
