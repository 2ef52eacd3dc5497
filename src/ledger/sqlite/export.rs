//! A ledger as Parquet files, for DuckDB, a notebook or an auditor.
//!
//! `batches.parquet` has one row for each batch, `deliveries.parquet` one for each event with what its batches add up
//! to. Keys are hexadecimal, times are timestamps in UTC. A decision is a batch of which nothing was sent: its events
//! are counted under what was decided.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder, TimestampSecondBuilder};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use rusqlite::Connection;

use super::lock::Lock;
use super::outcomes::{self, End, Stretch};
use super::row::{Batch, Ending, RunRow};
use super::{Place, failure, load, schema};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::keys::Keys;
use crate::ledger::{Decision, Standing};

/// Rows that are gathered before they are written.
const ROWS: usize = 65_536;

/// What an export wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The file with a row for each batch.
    pub batches: PathBuf,
    /// Its rows.
    pub batch_rows: u64,
    /// The file with a row for each event.
    pub deliveries: PathBuf,
    /// Its rows.
    pub delivery_rows: u64,
}

/// Writes the ledger at `place` into Parquet files in `folder`, which is there; `now` is Unix seconds.
///
/// # Errors
/// As [`super::Sqlite::open`], [`ErrorKind::Source`] if there is no ledger, [`ErrorKind::Usage`] if the files cannot be
/// written.
pub fn export(place: &Place, folder: &Path, now: i64) -> Result<Exported> {
    place.require()?;
    let path = place.database();
    let _lock = Lock::take(place, now)?;
    let opening = |error| failure::opening(&path, error);
    let mut connection = schema::connect(&path).map_err(opening)?;
    let about = schema::prepare(&mut connection, &path, place.namespace, None, now)?;
    let loaded = load::load(&connection, &path, &about, usize::MAX)?;
    let runs = loaded.runs.iter().map(|run| (run.number, run)).collect();
    let (batches, deliveries) = (folder.join("batches.parquet"), folder.join("deliveries.parquet"));
    let mut export = Export {
        runs,
        loaded: &loaded,
        seen: Keys::with_capacity(loaded.standings.accepted()),
        batches: Table::create(&batches, BATCHES)?,
        deliveries: Table::create(&deliveries, DELIVERIES)?,
    };
    export.rows(&connection).map_err(|error| match error {
        Failure::Read(error) => opening(error),
        Failure::Write(error) => unwritten(folder).source(error),
    })?;
    let written = |error: ParquetError| unwritten(folder).source(error);
    Ok(Exported {
        batches,
        batch_rows: export.batches.finish().map_err(written)?,
        deliveries,
        delivery_rows: export.deliveries.finish().map_err(written)?,
    })
}

/// The columns of `batches.parquet`.
const BATCHES: &[(&str, Form)] = &[
    ("batch", Form::Number),
    ("run_id", Form::Text),
    ("query", Form::Text),
    ("event_source", Form::Text),
    ("event_source_id", Form::Text),
    ("prepared_at", Form::Time),
    ("first_attempt_at", Form::Time),
    ("ended_at", Form::Time),
    ("first_event_at", Form::Time),
    ("last_event_at", Form::Time),
    ("events", Form::Number),
    ("accepted", Form::Number),
    ("rejected", Form::Number),
    ("unsent", Form::Number),
    ("in_doubt", Form::Number),
    ("held", Form::Number),
    ("assumed_delivered", Form::Number),
    ("to_be_repeated", Form::Number),
    ("to_be_resent", Form::Number),
];
/// The columns of `deliveries.parquet`.
const DELIVERIES: &[(&str, Form)] = &[
    ("event_key", Form::Text),
    ("state", Form::Text),
    ("code", Form::Number),
    ("field", Form::Text),
    ("request_id", Form::Text),
    ("batch", Form::Number),
    ("run_id", Form::Text),
    ("event_source", Form::Text),
    ("event_source_id", Form::Text),
    ("first_attempt_at", Form::Time),
    ("ended_at", Form::Time),
];

#[derive(Clone, Copy)]
enum Form {
    Number,
    Text,
    Time,
}

/// The end of events that nobody but a person says were accepted.
const ASSUMED: End = End::Decided(Decision::AssumeDelivered);

enum Failure {
    Read(rusqlite::Error),
    Write(ParquetError),
}

struct Export<'a> {
    runs: HashMap<i64, &'a RunRow>,
    loaded: &'a load::Loaded,
    seen: Keys,
    batches: Table,
    deliveries: Table,
}

impl Export<'_> {
    /// Writes every row. The newest batches come first, so that an event is written with the last of its batches.
    fn rows(&mut self, connection: &Connection) -> Result<(), Failure> {
        let sql = format!("{} DESC", load::joined(""));
        let mut statement = connection.prepare(&sql).map_err(Failure::Read)?;
        let mut rows = statement.query([]).map_err(Failure::Read)?;
        while let Some(row) = rows.next().map_err(Failure::Read)? {
            let (batch, _) = Batch::read(row).map_err(Failure::Read)?;
            let ending = Ending::read(row, Batch::WIDTH).map_err(Failure::Read)?;
            let open = || vec![Stretch { events: batch.len(), end: End::InDoubt }];
            let stretches = ending.as_ref().and_then(|(ending, _)| outcomes::decode(&ending.outcomes, batch.len()));
            let ended = ending.map(|(ending, _)| ending.ended);
            self.batch(&batch, &stretches.unwrap_or_else(open), ended).map_err(Failure::Write)?;
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch<'_>, stretches: &[Stretch], ended: Option<i64>) -> Result<(), ParquetError> {
        let run = batch.run.and_then(|run| self.runs.get(&run)).map(|run| &run.run);
        let count = |name: &str| {
            let events = stretches.iter().filter(|stretch| stretch.end.as_str() == name).map(|stretch| stretch.events);
            Value::count(events.sum())
        };
        let run_id = run.map(|run| run.id.clone());
        self.batches.push(vec![
            Value::Number(Some(batch.id)),
            Value::Text(run_id.clone()),
            Value::Text(run.map(|run| run.query.clone())),
            Value::text(&batch.event_source),
            Value::text(&batch.event_source_id),
            Value::Number(Some(batch.prepared)),
            Value::Number(Some(batch.first_attempt)),
            Value::Number(ended),
            Value::Number(Some(batch.first_event)),
            Value::Number(Some(batch.last_event)),
            Value::count(batch.len()),
            count("accepted"),
            count("rejected"),
            count("unsent"),
            count("in doubt"),
            count("held"),
            count(Decision::AssumeDelivered.as_str()),
            count(Decision::Repeat.as_str()),
            count(Decision::Resend.as_str()),
        ])?;
        let mut keys = batch.event_keys();
        for stretch in stretches {
            for key in keys.by_ref().take(stretch.events) {
                if !self.seen.insert(&key) {
                    continue;
                }
                let (state, code) = match self.loaded.standings.of(&key) {
                    Standing::Accepted if stretch.end == ASSUMED => (stretch.end.as_str(), None),
                    Standing::Accepted => ("accepted", None),
                    Standing::Rejected { code, .. } => ("rejected", Some(code)),
                    Standing::InDoubt { .. } => ("in doubt", None),
                    Standing::Held { .. } => ("held", None),
                    Standing::Unknown => ("unsent", None),
                };
                let (field, request_id) = match &stretch.end {
                    End::Rejected { field, request_id, .. } => (field.clone(), request_id.clone()),
                    _ => (None, None),
                };
                self.deliveries.push(vec![
                    Value::Text(Some(key.to_string())),
                    Value::text(state),
                    Value::Number(code),
                    Value::Text(field),
                    Value::Text(request_id),
                    Value::Number(Some(batch.id)),
                    Value::Text(run_id.clone()),
                    Value::text(&batch.event_source),
                    Value::text(&batch.event_source_id),
                    Value::Number(Some(batch.first_attempt)),
                    Value::Number(ended),
                ])?;
            }
        }
        Ok(())
    }
}

enum Value {
    Number(Option<i64>),
    Text(Option<String>),
}

impl Value {
    fn text(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }

    fn count(count: usize) -> Self {
        Self::Number(i64::try_from(count).ok())
    }
}

/// A Parquet file that is written row by row.
struct Table {
    columns: Vec<(&'static str, Column)>,
    writer: Option<ArrowWriter<File>>,
    file: Option<File>,
    gathered: usize,
    rows: u64,
}

enum Column {
    Number(Int64Builder),
    Text(StringBuilder),
    Time(TimestampSecondBuilder),
}

impl Table {
    /// A file that only its owner can read; what was there is written over.
    fn create(path: &Path, columns: &[(&'static str, Form)]) -> Result<Self> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| unwritten(path).source(error))?;
        let columns = columns.iter().map(|(name, form)| {
            let column = match form {
                Form::Number => Column::Number(Int64Builder::new()),
                Form::Text => Column::Text(StringBuilder::new()),
                Form::Time => Column::Time(TimestampSecondBuilder::new().with_timezone("UTC")),
            };
            (*name, column)
        });
        Ok(Self { columns: columns.collect(), writer: None, file: Some(file), gathered: 0, rows: 0 })
    }

    /// Adds a row: a value for each column, in order.
    fn push(&mut self, row: Vec<Value>) -> Result<(), ParquetError> {
        for ((_, column), value) in self.columns.iter_mut().zip(row) {
            match (column, value) {
                (Column::Number(column), Value::Number(number)) => column.append_option(number),
                (Column::Time(column), Value::Number(number)) => column.append_option(number),
                (Column::Text(column), Value::Text(text)) => column.append_option(text),
                (Column::Number(column), Value::Text(_)) => column.append_null(),
                (Column::Time(column), Value::Text(_)) => column.append_null(),
                (Column::Text(column), Value::Number(_)) => column.append_null(),
            }
        }
        self.gathered += 1;
        if self.gathered >= ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        let columns = self.columns.iter_mut().map(|(name, column)| {
            let array: ArrayRef = match column {
                Column::Number(column) => Arc::new(column.finish()),
                Column::Text(column) => Arc::new(column.finish()),
                Column::Time(column) => Arc::new(column.finish()),
            };
            (*name, array, true)
        });
        let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
        if let Some(file) = self.file.take() {
            let compression = Compression::ZSTD(ZstdLevel::default());
            let properties = WriterProperties::builder().set_compression(compression).build();
            self.writer = Some(ArrowWriter::try_new(file, batch.schema(), Some(properties))?);
        }
        if let Some(writer) = &mut self.writer {
            writer.write(&batch)?;
        }
        self.rows += self.gathered as u64;
        self.gathered = 0;
        Ok(())
    }

    /// Completes the file; gives its rows.
    fn finish(mut self) -> Result<u64, ParquetError> {
        self.flush()?;
        if let Some(writer) = self.writer {
            writer.close()?;
        }
        Ok(self.rows)
    }
}

fn unwritten(path: &Path) -> Error {
    Error::new(ErrorKind::Usage, "the export cannot be written").context("file", path.display())
}
