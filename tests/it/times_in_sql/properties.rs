//! Any zone, any type, any expression that keeps a time: the instant is right, or the query is refused or stops.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::parquet::arrow::ArrowWriter;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{Outcome, rows};

const ZONES: [&str; 8] = [
    "America/New_York",
    "Europe/Berlin",
    "UTC",
    "Asia/Kolkata",
    "Australia/Sydney",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
];
/// Instants around the hours that clocks skip or repeat, and others.
const INSTANTS: [&str; 9] = [
    "2026-03-08T06:59:59Z",
    "2026-03-08T07:00:00Z",
    "2026-03-29T01:00:00Z",
    "2026-04-04T15:10:00Z",
    "2026-10-25T00:30:00Z",
    "2026-11-01T05:30:00Z",
    "2026-11-14T23:45:10Z",
    "2026-12-31T23:59:59Z",
    "2026-07-01T00:00:00Z",
];
/// The columns of a file, which say the same instant each.
const COLUMNS: [&str; 7] = ["zoned", "berlin", "clock", "offset", "clock_text", "epoch", "nothing"];

/// The instants that clocks in `zone` show unmistakably.
fn plain_instants(zone: &TimeZone) -> Vec<Timestamp> {
    let instants = INSTANTS.iter().map(|text| text.parse::<Timestamp>().unwrap());
    instants.filter(|instant| zone.to_timestamp(zone.to_datetime(*instant)).unwrap() == *instant).collect()
}

/// Writes the file, and says how many rows it has.
fn write(folder: &Path, zone: &TimeZone, unit: TimeUnit) -> usize {
    let instants = plain_instants(zone);
    let micros: Vec<i64> = instants.iter().map(|instant| instant.as_microsecond()).collect();
    let clocks: Vec<i64> =
        instants.iter().map(|at| at.as_microsecond() + i64::from(zone.to_offset(*at).seconds()) * 1_000_000).collect();
    let timed = |values: &[i64], named: Option<&str>| -> ArrayRef {
        let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(values.to_vec()).with_timezone_opt(named));
        cast(&array, &DataType::Timestamp(unit, named.map(Into::into))).unwrap()
    };
    let texts = |form: &dyn Fn(&Timestamp) -> String| -> ArrayRef {
        Arc::new(instants.iter().map(|at| Some(form(at))).collect::<StringArray>())
    };
    let offset = |at: &Timestamp| {
        let zone = TimeZone::get(ZONES[usize::try_from(at.as_second() / 60).unwrap() % ZONES.len()]).unwrap();
        at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    };
    let epochs: ArrayRef = Arc::new(micros.iter().map(|micros| Some(micros / 1_000_000)).collect::<Int64Array>());
    let ids: ArrayRef = texts(&|at| at.to_string());
    let batch = RecordBatch::try_from_iter([
        ("id", ids),
        ("zoned", timed(&micros, Some("UTC"))),
        ("berlin", timed(&micros, Some("Europe/Berlin"))),
        ("clock", timed(&clocks, None)),
        ("offset", texts(&offset)),
        ("clock_text", texts(&|at| zone.to_datetime(*at).strftime("%Y-%m-%d %H:%M:%S").to_string())),
        ("epoch", epochs),
        ("nothing", timed(&vec![0; clocks.len()], None)),
    ])
    .unwrap();
    let file = fs::File::create(folder.join("t.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    instants.len()
}

/// An expression whose value is the instant of its row, whatever its type.
fn expression() -> impl Strategy<Value = String> {
    let column = (0..COLUMNS.len()).prop_map(|index| match COLUMNS[index] {
        "epoch" => "to_timestamp(epoch)".to_owned(),
        "nothing" => "nullif(nothing, nothing)".to_owned(),
        name => format!("\"{name}\""),
    });
    column.prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), 0..19_usize).prop_map(|(x, form)| match form {
                0 => format!("CAST({x} AS TIMESTAMP)"),
                1 => format!("TRY_CAST({x} AS TIMESTAMP)"),
                2 => format!("CAST({x} AS TIMESTAMPTZ)"),
                3 => format!("arrow_cast({x}, 'Timestamp(Second, None)')"),
                4 => format!("arrow_cast({x}, 'Timestamp(Nanosecond, Some(\"UTC\"))')"),
                5 => format!("to_timestamp({x})"),
                6 => format!("to_timestamp_seconds(to_unixtime({x}))"),
                7 => format!("from_unixtime(CAST(date_part('epoch', {x}) AS BIGINT))"),
                8 => format!("to_local_time({x})"),
                9 => format!("date_trunc('second', {x})"),
                10 => format!("date_bin(INTERVAL '1 second', {x})"),
                11 => format!("named_struct('a', {x})['a']"),
                12 => format!("{x} + INTERVAL '1 hour' - INTERVAL '1 hour'"),
                13 => format!("to_char({x}, '%Y-%m-%dT%H:%M:%S')"),
                14 => format!("to_char({x}, '%Y-%m-%dT%H:%M:%S%:z')"),
                15 => format!("CAST({x} AS VARCHAR)"),
                16 => format!("(SELECT max({x}))"),
                17 => format!("iso8601(CAST({x} AS VARCHAR))"),
                _ => format!("max({x}) OVER (PARTITION BY id)"),
            }),
            (inner.clone(), inner, 0..9_usize).prop_map(|(x, y, form)| match form {
                0 => format!("coalesce({x}, {y})"),
                1 => format!("CASE WHEN id < '2026-10' THEN {x} ELSE {y} END"),
                2 => format!("greatest({x}, {y})"),
                3 => format!("make_array({x}, {y})[2]"),
                4 => format!("nvl(nullif({x}, {x}), {y})"),
                5 => format!("CASE WHEN {x} = {y} THEN {y} END"),
                6 => format!("{x} + ({y} - {x})"),
                7 => format!("least({x}, {y})"),
                _ => format!("CASE WHEN {x} BETWEEN {y} AND {y} THEN {x} END"),
            }),
        ]
    })
}

/// Every seed is the same, so that a run can be repeated.
fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

#[test]
fn an_instant_survives_any_expression_or_is_refused() {
    let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond];
    let folders: Vec<(tempfile::TempDir, usize)> = ZONES
        .iter()
        .zip(units.into_iter().cycle())
        .map(|(zone, unit)| {
            let folder = tempfile::tempdir().unwrap();
            let expected = write(folder.path(), &TimeZone::get(zone).unwrap(), unit);
            (folder, expected)
        })
        .collect();
    let counts = [const { Cell::new(0_usize) }; 3];
    let strategy = (0..ZONES.len(), expression(), expression(), 0..4_usize);
    let judged = runner(160).run(&strategy, |(zone, one, other, form)| {
        let (folder, expected) = &folders[zone];
        let item = |time: &str| format!("SELECT id AS event_id, {time} AS timestamp, id || '@b.example' AS email FROM 't.parquet'");
        let sql = match form {
            0 => format!("{} UNION {}", item(&one), item(&other)),
            1 => format!("{} WHERE {one} = {other}", item(&one)),
            2 => format!(
                "SELECT a.id AS event_id, a.x AS timestamp, a.id || '@b.example' AS email
                 FROM (SELECT id, {one} AS x FROM 't.parquet') a JOIN (SELECT id, {other} AS x FROM 't.parquet') b USING (x)"
            ),
            _ => item(&one),
        };
        match rows(folder.path(), Some(ZONES[zone]), &sql, &[]) {
            Ok(found) => {
                // The id of a row is its instant. Text of another form is not equal, so that some rows may be missing.
                for (id, second) in &found {
                    let is_right = id.parse::<Timestamp>().unwrap().as_second() == *second;
                    prop_assert!(is_right, "{} {sql}: {second} for {id}", ZONES[zone]);
                }
                counts[0].update(|count| count + usize::from(found.len() >= *expected));
            }
            Err(Outcome::Refused(_)) => counts[1].update(|count| count + 1),
            Err(_) => counts[2].update(|count| count + 1),
        }
        Ok(())
    });
    if let Err(error) = judged {
        panic!("{error}");
    }
    assert!(counts[0].get() >= 30, "most are refused: {counts:?}");
}
