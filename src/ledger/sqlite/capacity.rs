//! Refuses a ledger before its keys outgrow memory.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Bytes that a key takes at most: while a ledger is read, it is gathered first and then put in its place.
const BYTES_PER_KEY: usize = 40;

/// Whether `keys` keys fit into `memory` bytes.
///
/// # Errors
/// Of `kind`, if they do not.
pub(super) fn allow(keys: usize, memory: usize, path: &Path, kind: ErrorKind) -> Result<()> {
    let needed = keys.saturating_mul(BYTES_PER_KEY);
    if needed <= memory {
        return Ok(());
    }
    let megabytes = |bytes: usize| bytes.div_ceil(1_000_000);
    let message = format!(
        "the ledger knows {keys} events, which take {} MB of memory, more than the {} MB it may use",
        megabytes(needed),
        memory / 1_000_000
    );
    Err(Error::new(kind, message).context("ledger", path.display()).hint(
        "use a machine with more memory, or a ledger for each destination; a lower postback.max_event_age forgets events \
         sooner",
    ))
}
