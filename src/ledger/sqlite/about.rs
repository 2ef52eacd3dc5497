//! The one row of `about`: what a ledger is, and the sum over all that it holds.

use rusqlite::{Connection, OptionalExtension, params};

use super::Namespace;
use super::row::Checksum;

/// What a ledger says about itself.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct About {
    pub(super) namespace: String,
    pub(super) secret: [u8; 32],
    /// When it was made, Unix seconds.
    pub(super) created: i64,
    /// Raised at every opening.
    pub(super) epoch: i64,
    /// Events before this time may have been forgotten.
    pub(super) forgotten_before: Option<i64>,
    /// Batches there are.
    pub(super) batches: u64,
    /// The highest number that a batch ever had.
    pub(super) last_batch: i64,
    /// Sum of the checksums of all rows of the other tables.
    pub(super) total: Checksum,
}

impl About {
    pub(super) fn new(namespace: Namespace, secret: [u8; 32], created: i64) -> Self {
        let namespace = namespace.as_str().to_owned();
        let total = Checksum::ZERO;
        Self { namespace, secret, created, epoch: 0, forgotten_before: None, batches: 0, last_batch: 0, total }
    }

    /// Counts a batch that was added.
    pub(super) fn count(&mut self, batch: i64) {
        self.batches += 1;
        self.last_batch = self.last_batch.max(batch);
    }

    /// With batches after the last one, of which nothing is left but their number.
    pub(super) fn with_lost(self, lost: u64) -> Self {
        Self { batches: self.batches + lost, last_batch: self.last_batch.saturating_add_unsigned(lost), ..self }
    }

    /// Reads the row; `None` if it is missing or not what was written.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let sql = "SELECT namespace, secret, created, epoch, forgotten_before, batches, last_batch, total, checksum \
                   FROM about WHERE id = 1";
        let read = connection.query_row(sql, [], |row| {
            let about = Self {
                namespace: row.get(0)?,
                secret: row.get(1)?,
                created: row.get(2)?,
                epoch: row.get(3)?,
                forgotten_before: row.get(4)?,
                batches: row.get(5)?,
                last_batch: row.get(6)?,
                total: Checksum(row.get(7)?),
            };
            Ok((about, row.get(8).map(Checksum)?))
        });
        Ok(read.optional()?.and_then(|(about, checksum)| (about.checksum() == checksum).then_some(about)))
    }

    /// Writes the row.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO about VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        connection.prepare_cached(sql)?.execute(params![
            self.namespace,
            self.secret,
            self.created,
            self.epoch,
            self.forgotten_before,
            self.batches,
            self.last_batch,
            self.total.0,
            self.checksum().0,
        ])?;
        Ok(())
    }

    fn checksum(&self) -> Checksum {
        let forgotten = self.forgotten_before.unwrap_or(i64::MIN);
        Checksum::of(
            "about",
            &[self.created, self.epoch, forgotten, self.batches.cast_signed(), self.last_batch],
            &[self.namespace.as_bytes(), &self.secret, &self.total.0],
        )
    }
}
