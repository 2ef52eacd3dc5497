//! A Parquet file of a run that grows while the run goes on.

use std::fs::File;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use super::folder::RunFolder;
use crate::error::{Error, ErrorKind, Result};

/// Rows that are held in memory, encoded, before they go to the disk as a row group.
const ROW_GROUP_ROWS: usize = 100_000;

/// A file that is not complete yet.
pub(super) struct ParquetFile {
    name: &'static str,
    folder: RunFolder,
    writer: ArrowWriter<File>,
}

impl ParquetFile {
    /// Begins the file `name` in `folder`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where it cannot be made: nothing has been sent then.
    pub(super) fn begin(folder: &RunFolder, name: &'static str, schema: SchemaRef) -> Result<Self> {
        let unwritable = |error| {
            Error::new(ErrorKind::Usage, format!("cannot write `{}`", folder.path().join(name).display())).source(error)
        };
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!("postback ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let file = folder.begin(name).map_err(|error| unwritable(ParquetError::from(error)))?;
        let writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(unwritable)?;
        Ok(Self { name, folder: folder.clone(), writer })
    }

    /// Adds rows.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let written = self
            .writer
            .write(rows)
            .and_then(|()| if self.writer.in_progress_rows() >= ROW_GROUP_ROWS { self.writer.flush() } else { Ok(()) });
        written.map_err(|error| self.failed(error))
    }

    /// Puts what was added so far on the disk.
    pub(super) fn flush(&mut self) -> Result<()> {
        let flushed = self.writer.flush().and_then(|()| Ok(self.writer.inner().sync_all()?));
        flushed.map_err(|error| self.failed(error))
    }

    /// Completes the file.
    pub(super) fn finish(mut self) -> Result<()> {
        let finished = self.writer.finish().and_then(|_| Ok(self.folder.complete(self.name, self.writer.inner())?));
        finished.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: ParquetError) -> Error {
        let path = self.folder.path().join(self.name);
        Error::new(ErrorKind::Internal, format!("cannot write `{}`", path.display()))
            .hint("what was sent and what came of it is in the account above; the file is missing")
            .source(error)
    }
}
