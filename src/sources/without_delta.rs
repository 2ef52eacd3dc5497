//! What a build without the feature `delta` says of Delta Lake tables.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::execution::context::SessionState;

use super::declared::At;
use super::file::SourceFile;
use super::report::SourceReport;
use super::root::Root;
use super::unread::Unread;
use super::{lake, pin};
use crate::error::Result;

/// Whether tables are read.
pub(super) const IS_READ: bool = false;
/// What to do instead.
pub(super) const MISSING: &str = "this postback was built without the feature `delta`, which reads such tables: export \
    the table first, or build postback with it";

/// A table that is read, of which there is none.
#[derive(Clone, Debug)]
pub(super) enum Table {}

impl Table {
    /// Opens no table.
    ///
    /// # Errors
    /// Always one that says so.
    #[expect(clippy::unused_async, reason = "the table of a build with the feature is opened step by step")]
    pub(super) async fn open(
        _: &SessionState,
        root: &Root,
        _: At,
        _: bool,
        _: &Arc<Unread>,
        _: &HashSet<String>,
    ) -> Result<Self> {
        Err(lake::Table { kind: lake::Kind::Delta, root: root.shown() }.refusal())
    }

    /// Whether it is in the state that is asked for.
    pub(super) fn is_asked_for(&self, _: At) -> bool {
        match *self {}
    }

    /// What there is to know of it.
    pub(super) fn report(&self, _: &[String]) -> SourceReport {
        match *self {}
    }

    /// Its rows.
    pub(super) fn provider(&self) -> Arc<dyn TableProvider> {
        match *self {}
    }

    /// The files of its log that tell its state.
    pub(super) fn files(&self) -> Vec<SourceFile> {
        match *self {}
    }

    /// What changed of it.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unused_async, reason = "the table of a build with the feature is asked over the network")]
    pub(super) async fn changes(&self, _: &[SourceFile]) -> Result<pin::Changes> {
        match *self {}
    }
}
