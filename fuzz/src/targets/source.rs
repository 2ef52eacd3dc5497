//! Files of rows: each format through the door that `FROM 'file'` takes.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{Array, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::concat_batches;
use datafusion::catalog::TableProvider;
use datafusion::physical_plan::execute_stream;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::TryStreamExt;
use parquet::file::reader::{FileReader, SerializedFileReader};
use postback::error::Error;
use postback::query;
use postback::sources::{Options, SourceReport, Sources};

use super::assert_told;
use super::place::Place;

/// Name of a file that is read.
const INPUT: &str = "input";
/// Rows that are looked at: a few bytes can stand for any number.
const MAX_ROWS: usize = 50_000;
/// Bytes of them.
const MAX_BYTES: usize = 64 << 20;

/// What was read of a source.
pub(super) struct Reading {
    /// All rows as one batch.
    pub(super) rows: RecordBatch,
    /// Whether there were more.
    pub(super) has_more: bool,
    /// How many could not be read.
    pub(super) unread: u64,
    /// How it was recognised.
    pub(super) report: SourceReport,
}

/// Reads all columns of `location`, or none, which counts the rows.
pub(super) fn read(place: &Place, folder: &Path, location: &str, is_counting: bool) -> Result<Reading, Error> {
    let read = place.run(reading(place, folder, location, is_counting));
    if let Err(error) = &read {
        assert_told(error);
    }
    read
}

async fn reading(place: &Place, folder: &Path, location: &str, is_counting: bool) -> Result<Reading, Error> {
    let sources = Sources::new(Options { folder: folder.to_owned(), ..Options::default() });
    let state = place.session().state();
    let table = sources.open(&state, &[location.to_owned()], None).await?;
    let none = Vec::new();
    let (batches, has_more) = batches(place, &*table, is_counting.then_some(&none)).await?;
    for batch in &batches {
        for (column, field) in batch.columns().iter().zip(batch.schema().fields()) {
            assert_eq!(column.data_type(), field.data_type(), "a column is of another type than its table says");
            column.to_data().validate_full().expect("what is read is sound");
        }
    }
    let schema = batches.first().map_or_else(|| table.schema(), RecordBatch::schema);
    let rows = if is_counting {
        let count = batches.iter().map(RecordBatch::num_rows).sum();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(schema, Vec::new(), &options).expect("rows without a column")
    } else {
        concat_batches(&schema, &batches).expect("batches of one table are alike")
    };
    let report = sources.reports().into_iter().next().expect("what was opened is told");
    Ok(Reading { rows, has_more, unread: sources.unread().rows(), report })
}

/// The rows of `table`, and whether there are more than are looked at.
async fn batches(
    place: &Place,
    table: &dyn TableProvider,
    columns: Option<&Vec<usize>>,
) -> Result<(Vec<RecordBatch>, bool), Error> {
    let state = place.session().state();
    let plan = table.scan(&state, columns, &[], None).await.map_err(query::run_error)?;
    let mut stream = execute_stream(Arc::clone(&plan), state.task_ctx()).map_err(query::run_error)?;
    let (mut batches, mut rows, mut bytes) = (Vec::new(), 0, 0);
    while let Some(batch) = stream.try_next().await.map_err(query::run_error)? {
        rows += batch.num_rows();
        bytes += batch.get_array_memory_size();
        batches.push(batch);
        if rows > MAX_ROWS || bytes > MAX_BYTES {
            return Ok((batches, true));
        }
    }
    Ok((batches, false))
}

/// Reads `data` as a file, twice: rows and account are the same, and the account is also where no column is asked for.
fn stable(place: &Place, folder: &Path, data: &[u8]) -> Option<Reading> {
    fs::write(folder.join(INPUT), data).expect("an input is written");
    let first = read(place, folder, INPUT, false);
    let again = read(place, folder, INPUT, false);
    let first = assert_alike(first, again)?;
    if !first.has_more
        && let Ok(counted) = read(place, folder, INPUT, true)
    {
        // A value that does not fit its column is found where the column is read.
        let all = |reading: &Reading| reading.rows.num_rows() as u64 + reading.unread;
        assert_eq!(all(&counted), all(&first), "rows are lost, or made up, depending on the columns");
    }
    Some(first)
}

/// Two readings of the same are alike; gives one of them.
fn assert_alike(first: Result<Reading, Error>, second: Result<Reading, Error>) -> Option<Reading> {
    match (first, second) {
        (Ok(first), Ok(second)) => {
            assert_eq!(first.rows, second.rows, "two readings differ");
            assert_eq!(first.unread, second.unread, "two readings leave out different rows");
            Some(first)
        }
        (Err(first), Err(second)) => {
            assert_eq!(first.kind(), second.kind(), "two readings fail in different ways: {first}: {second}");
            None
        }
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => panic!("of two readings one fails: {error}"),
    }
}

/// The same bytes under gzip are the same rows.
fn assert_alike_in_gzip(place: &Place, folder: &Path, data: &[u8], plain: &Reading) {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(data).expect("memory takes bytes");
    let packed = packed.finish().expect("memory takes bytes");
    fs::write(folder.join("packed"), packed).expect("an input is written");
    match read(place, folder, "packed", false) {
        Ok(unpacked) => {
            assert_eq!(unpacked.rows, plain.rows, "gzip changes the rows");
            assert_eq!(unpacked.unread, plain.unread, "gzip changes what cannot be read");
        }
        Err(error) => panic!("gzip makes it unreadable: {error}"),
    }
}

/// Reads `data` as text, plain and packed; gives what was read.
pub(super) fn text(place: &Place, folder: &Path, data: &[u8]) -> Option<Reading> {
    let reading = stable(place, folder, data)?;
    // What is packed already is not packed again.
    if !reading.has_more && !reading.report.recognised.contains(" in ") {
        assert_alike_in_gzip(place, folder, data, &reading);
    }
    Some(reading)
}

/// The records of delimited text: dialect, header, quotes, encodings.
pub fn csv_records(data: &[u8]) {
    Place::with(|place, folder| drop(text(place, folder, data)));
}

/// The footer and the pages of a Parquet file: all rows that the footer counts, or an error.
pub fn parquet_file(data: &[u8]) {
    Place::with(|place, folder| {
        let Some(reading) = stable(place, folder, data) else { return };
        if reading.report.recognised != "Parquet" || reading.has_more {
            return;
        }
        let footer = SerializedFileReader::new(Bytes::copy_from_slice(data)).expect("a footer that was read is one");
        let counted = footer.metadata().file_metadata().num_rows();
        assert_eq!(i64::try_from(reading.rows.num_rows()), Ok(counted), "rows are lost, or read twice");
    });
}

/// The blocks of an Avro file.
pub fn avro_blocks(data: &[u8]) {
    Place::with(|place, folder| drop(stable(place, folder, data)));
}

/// Files and streams of Arrow.
pub fn arrow_file(data: &[u8]) {
    Place::with(|place, folder| drop(stable(place, folder, data)));
}
