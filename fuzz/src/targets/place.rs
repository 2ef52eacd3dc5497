//! Where targets put their input: a folder for each, below one that vanishes with its thread.

use std::cell::{Cell, OnceCell};
use std::fs;
use std::path::{Path, PathBuf};

use datafusion::execution::context::SessionContext;
use postback::query::{self, Resources};
use postback::settings::Settings;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Memory that reading may take.
const MEMORY: usize = 256 << 20;

/// A folder, a runtime and a session for all inputs of a thread.
pub(super) struct Place {
    folder: TempDir,
    runtime: Runtime,
    session: OnceCell<SessionContext>,
    inputs: Cell<u64>,
}

thread_local! {
    static PLACE: Place = Place {
        folder: tempfile::tempdir().expect("there is a folder for temporary files"),
        runtime: Builder::new_current_thread().enable_all().build().expect("a runtime starts"),
        session: OnceCell::new(),
        inputs: Cell::new(0),
    };
}

impl Place {
    /// Gives `work` this thread's place and a folder that nothing was in before.
    pub(super) fn with(work: impl FnOnce(&Self, &Path)) {
        PLACE.with(|place| {
            place.inputs.set(place.inputs.get() + 1);
            let folder = Emptied(place.folder.path().join(place.inputs.get().to_string()));
            fs::create_dir(&folder.0).expect("a folder is made");
            work(place, &folder.0);
        });
    }

    /// What `work` gives.
    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// What the engine may use.
    pub(super) fn resources(&self) -> Resources {
        Resources { memory_limit: MEMORY, partitions: 1, spill_folder: self.folder.path().to_owned() }
    }

    /// The session of this thread. Files have names of their own, so that nothing is remembered of another input.
    pub(super) fn session(&self) -> &SessionContext {
        self.session.get_or_init(|| {
            query::session(&Settings::default(), &self.resources(), self.folder.path()).expect("a session starts")
        })
    }
}

/// A folder that goes with this, also where a target panics.
struct Emptied(PathBuf);

impl Drop for Emptied {
    fn drop(&mut self) {
        // What is left goes with the thread.
        drop(fs::remove_dir_all(&self.0));
    }
}
