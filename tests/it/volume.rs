//! Many rows: everything arrives, and memory does not grow with the rows beyond a key for each.

use serde_json::Value;

use crate::server::{file, postback, said};

/// Peak memory of run and sandbox together, in one process, before a row is read: the binary, DataFusion, the batches
/// in flight on both sides, in an unoptimised build.
const FIXED: u64 = 250_000_000;
/// What a row may add: its key in the preflight, in the delivery, in the ledger and in the sandbox, while they grow.
/// The payloads of a million such rows take 500 MB.
const PER_ROW: u64 = 220;

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
