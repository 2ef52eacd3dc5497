//! Many rows: everything arrives, and memory does not grow with the rows beyond a key for each. Many files and large
//! ones: they stream, and what a predicate on time leaves out is not read.
//!
//! Ten thousand files of a megabyte, which need no disk, and files of 5 GB, which need theirs, are read on demand:
//!
//! ```text
//! cargo test --test it volume::on_demand -- --ignored --nocapture --test-threads 1
//! ```

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::{ArrayRef, Decimal128Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use crate::server::{Said, file, postback, said};

/// Peak memory of run and sandbox together, in one process, before a row is read: the binary, DataFusion, the batches
/// in flight on both sides, in an unoptimised build.
const FIXED: u64 = 250_000_000;
/// What a row may add: its key in the preflight, in the delivery, in the ledger and in the sandbox, while they grow.
/// The payloads of a million such rows take 500 MB.
const PER_ROW: u64 = 220;
/// What a file may add: its name, size and time in the listing and in the plan.
const PER_FILE: u64 = 4_000;
/// What a large file may add, whatever its size: the batches and pages that are decoded at once.
const PER_LARGE_FILE: u64 = 150_000_000;
/// Of so many rows the query keeps one.
const ONE_OF: usize = 100;
/// 1 December 2025, and what every delivery needs to be told; now is noon of the seventh.
const FIRST_DAY: i64 = 1_764_547_200;
const SETTINGS: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
    SET postback.as_of = '2025-12-07T12:00:00Z'; SET postback.currency = 'USD';\n";

fn arrives_complete(rows: u64) {
    let folder = tempfile::tempdir().unwrap();
    let sql = format!(
        "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.as_of = '2026-08-20T14:10:00Z';
        SELECT 'Purchase' AS event, 1787234709 - n % 86400 AS timestamp, n AS order_id, n / 100.0 AS value, 'USD' AS currency,
               'customer' || n || '@shop.example' AS email
        FROM (SELECT value AS n FROM generate_series(1, {rows}))"
    );
    let path = file(folder.path(), "many.sql", sql);
    let said = said(&mut postback(&["run", &path, "--sandbox", "--format", "json", "--requests-per-second", "900"]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    let account: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((account["rows"].as_u64(), account["accepted"].as_u64()), (Some(rows), Some(rows)));
    let peak = account["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < FIXED + rows * PER_ROW, "{peak} bytes for {rows} rows");
}

#[test]
fn a_hundred_thousand_rows_arrive_complete_with_flat_memory() {
    arrives_complete(100_000);
}

#[test]
#[ignore = "takes a minute in an unoptimised build; the gate runs it"]
fn a_million_rows_arrive_complete_with_flat_memory() {
    arrives_complete(1_000_000);
}

/// The account of a dry run of `query`, without the plan.
fn account(folder: &Path, query: &str) -> Value {
    let path = file(folder, "query.sql", format!("{SETTINGS}{query}"));
    let start = Instant::now();
    let said = said(&mut postback(&["run", &path, "--dry-run", "--format", "json", "--quiet"]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    let account: Value = serde_json::from_str(&said.stdout).unwrap();
    println!("{} rows in {:?}, peak {} bytes", account["rows"], start.elapsed(), account["peak_memory_bytes"]);
    account
}

/// At least `bytes` of delimited text without its header: a line in [`ONE_OF`] is of kind `keep`.
fn lines(bytes: usize) -> (Vec<u8>, u64) {
    let (mut text, mut kept) = (Vec::with_capacity(bytes + 100), 0);
    for number in 0.. {
        if text.len() >= bytes {
            break;
        }
        let kind = if number % ONE_OF == 0 { "keep" } else { "drop" };
        kept += u64::from(kind == "keep");
        writeln!(text, "{number:08},{kind},2025-12-06T10:00:00Z,12.50,\"a note, in quotes\"").unwrap();
    }
    (text, kept)
}

const HEADER: &[u8] = b"order_id,kind,ordered_at,total,note\n";
/// An event for each line that is kept; `part` tells the files apart.
const KEPT: &str =
    "SELECT 'Purchase' AS event, part || '-' || order_id AS order_id, ordered_at AS timestamp, total AS value,
    'u' || order_id || '@example.com' AS email FROM 'exports/' WHERE kind = 'keep'";

/// One content under `files` names, so that its size costs time and no disk.
fn many_files_stream(files: usize, bytes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let (text, kept) = lines(bytes);
    let original = file(here, "original", [HEADER, &text].concat());
    for part in 0..files {
        let part = here.join(format!("exports/part={part:06}x"));
        fs::create_dir_all(&part).unwrap();
        fs::hard_link(&original, part.join("0.csv")).unwrap();
    }
    let account = account(here, KEPT);
    let rows = kept * files as u64;
    assert_eq!((account["rows"].as_u64(), account["unsent"].as_u64()), (Some(rows), Some(rows)));
    let peak = account["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < FIXED + files as u64 * PER_FILE + rows * PER_ROW, "{peak} bytes for {files} files and {rows} rows");
}

#[test]
#[ignore = "takes a minute in an unoptimised build; the gate runs it"]
fn ten_thousand_files_stream_with_flat_memory() {
    many_files_stream(10_000, 2_500);
}

/// Rows in the order of their times, ten seconds apart, in groups of `group`, with ids that cannot be compressed.
fn in_order_of_time(path: &Path, rows: i64, group: usize, until: u64) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .build();
    let batch = |first: i64, count: i64| {
        let numbers = first..first + count;
        let ids = StringArray::from_iter_values(numbers.clone().map(|number| format!("{number:0>100}")));
        let times = numbers.clone().map(|number| (FIRST_DAY + number * 10) * 1_000_000);
        let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
        let totals = Decimal128Array::from_iter_values(numbers.map(|number| i128::from(number % 10_000)));
        let totals = totals.with_precision_and_scale(10, 2).unwrap();
        let columns: [(&str, ArrayRef); 3] =
            [("order_id", Arc::new(ids)), ("ordered_at", Arc::new(times)), ("total", Arc::new(totals))];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let schema = batch(0, 1).schema();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, Some(properties)).unwrap();
    let step = rows.min(10_000);
    let mut first = 0;
    while first < rows || (writer.bytes_written() as u64) < until {
        writer.write(&batch(first, step)).unwrap();
        first += step;
    }
    writer.close().unwrap();
}

/// What `--explain` prints behind `name=`, up to the next comma.
fn metric<'a>(said: &'a Said, name: &str) -> &'a str {
    let (_, after) =
        said.stderr.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("no {name}: {}", said.stderr));
    after.split([',', ']']).next().unwrap()
}

/// A number as DataFusion prints it: `71.03 K`.
pub(crate) fn printed(number: &str) -> f64 {
    let (digits, unit) = number.trim().split_once(' ').unwrap_or((number.trim(), ""));
    let scale = match unit {
        "K" | "KB" => 1e3,
        "M" | "MB" => 1e6,
        "" | "B" => 1.0,
        other => panic!("{other}"),
    };
    digits.parse::<f64>().unwrap() * scale
}

const WINDOW: &str = "SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, total AS value,
    'u' || right(order_id, 12) || '@example.com' AS email FROM 'orders.parquet' WHERE ordered_at >= $since";

#[test]
fn a_window_reads_only_the_row_groups_within_it() {
    let folder = tempfile::tempdir().unwrap();
    let orders = folder.path().join("orders.parquet");
    in_order_of_time(&orders, 40_000, 2_000, 0);
    let query = file(folder.path(), "query.sql", format!("{SETTINGS}{WINDOW}"));
    let size = fs::metadata(&orders).unwrap().len();
    // From 06:00 on the fifth day: 3,280 rows of the last two groups.
    let since = "since=2025-12-05T06:00:00Z";
    let said = said(&mut postback(&["run", &query, "--dry-run", "--explain", "--param", since]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    let groups = metric(&said, "row_groups_pruned_statistics");
    assert!(groups.starts_with("20 total → 2 matched"), "{groups}");
    let read = printed(metric(&said, "bytes_scanned"));
    let size = f64::from(u32::try_from(size).unwrap());
    assert!(read > 0.0 && read * 8.0 < size, "{read} of {size} bytes were read");
    assert_eq!(metric(&said, "events_encoded"), "3.28 K");
}

#[test]
fn a_window_reads_only_the_partitions_within_it() {
    let folder = tempfile::tempdir().unwrap();
    for day in 1..=7 {
        let path = folder.path().join(format!("orders/day=2025-12-{day:02}"));
        fs::create_dir_all(&path).unwrap();
        in_order_of_time(&path.join("0.parquet"), 100, 100, 0);
    }
    let query = WINDOW.replace("orders.parquet", "orders/").replace("ordered_at >= $since", "day >= $since");
    let query = query.replacen("order_id,", "day || right(order_id, 12) AS order_id,", 1);
    let query = file(folder.path(), "query.sql", format!("{SETTINGS}{query}"));
    let said = said(&mut postback(&[
        "run",
        &query,
        "--dry-run",
        "--explain",
        "--format",
        "json",
        "--param",
        "since=2025-12-06",
    ]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    let account: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(account["rows"].as_u64(), Some(200));
    for day in 1..=7 {
        assert_eq!(said.stderr.contains(&format!("day=2025-12-{day:02}/")), day >= 6, "{}", said.stderr);
    }
}

/// What takes many minutes, or many gigabytes of disk while it lasts.
mod on_demand {
    use super::*;

    /// Bytes of a large file.
    const LARGE: u64 = 5_000_000_000;

    fn streams(folder: &Path, query: &str, rows: u64) {
        let account = account(folder, query);
        assert_eq!((account["rows"].as_u64(), account["unsent"].as_u64()), (Some(rows), Some(rows)));
        let peak = account["peak_memory_bytes"].as_u64().unwrap();
        assert!(peak < FIXED + PER_LARGE_FILE + rows * PER_ROW, "{peak} bytes for {rows} rows");
    }

    #[test]
    #[ignore = "takes many minutes"]
    fn ten_thousand_files_of_a_megabyte_stream_with_flat_memory() {
        many_files_stream(10_000, 1_000_000);
    }

    #[test]
    #[ignore = "takes minutes, and 5 GB of disk"]
    fn a_delimited_file_of_5_gb_streams_with_flat_memory() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("exports/part=1x");
        fs::create_dir_all(&part).unwrap();
        let mut out = BufWriter::new(File::create(part.join("0.csv")).unwrap());
        out.write_all(HEADER).unwrap();
        let (text, _) = lines(1_000_000);
        let (mut written, text) = (0, String::from_utf8(text).unwrap().replace(",keep,", ",drop,"));
        while written < LARGE {
            out.write_all(text.as_bytes()).unwrap();
            written += text.len() as u64;
        }
        // The last lines count: a reader that ends early shows.
        let (last, kept) = lines(100_000);
        out.write_all(&last).unwrap();
        drop(out);
        streams(folder.path(), KEPT, kept);
    }

    #[test]
    #[ignore = "takes minutes, and 5 GB of disk"]
    fn a_parquet_file_of_5_gb_streams_with_flat_memory() {
        let folder = tempfile::tempdir().unwrap();
        in_order_of_time(&folder.path().join("orders.parquet"), 100_000, 500_000, LARGE);
        let query = "SELECT 'Purchase' AS event, right(order_id, 12) AS order_id, '2025-12-06T10:00:00Z' AS timestamp,
            total AS value, 'u' || right(order_id, 12) || '@example.com' AS email FROM 'orders.parquet' WHERE total = 0.01";
        let path = file(folder.path(), "count.sql", "SELECT count(*) AS n FROM 'orders.parquet' WHERE total = 0.01");
        let said = said(&mut postback(&["sql", &path, "--format", "ndjson"]));
        let rows: Value = serde_json::from_str(&said.stdout).unwrap();
        streams(folder.path(), query, rows["n"].as_u64().unwrap());
    }
}
