//! Where a ledger lies, and which events it is about.

use std::path::PathBuf;

use super::lock::Holder;
use crate::error::{Error, ErrorKind, Result};

/// Which events a ledger is about. Each has files of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Events that count.
    Live,
    /// Test events, sent with a test event code.
    Test,
    /// Events sent to a sandbox.
    Sandbox,
}

impl Namespace {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Live, Self::Test, Self::Sandbox];

    /// The name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
            Self::Sandbox => "sandbox",
        }
    }

    /// Name of its files without the extension.
    const fn stem(self) -> &'static str {
        match self {
            Self::Live => "ledger",
            Self::Test => "ledger-test",
            Self::Sandbox => "ledger-sandbox",
        }
    }
}

/// What names a ledger, and who asks for it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder; made if it is not there.
    pub folder: PathBuf,
    /// Which events.
    pub namespace: Namespace,
    /// Who holds the ledger while it is open.
    pub holder: Holder,
}

impl Place {
    /// Path of the database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.join(self.namespace.stem()).with_extension("sqlite")
    }

    /// Whether there is a ledger, or was one.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.database().is_file() || self.lock().is_file()
    }

    /// Refuses a place without a ledger, so that looking makes none.
    ///
    /// # Errors
    /// [`ErrorKind::Source`].
    pub fn require(&self) -> Result<()> {
        let path = self.database();
        if path.is_file() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Source, format!("there is no ledger of {} events", self.namespace.as_str()))
            .context("ledger", path.display())
            .hint("a run makes one; `--ledger` names its folder"))
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.folder.join(self.namespace.stem()).with_extension("lock")
    }
}
