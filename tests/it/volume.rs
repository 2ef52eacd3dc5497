//! A million rows: everything arrives, and memory does not grow with the rows.

use serde_json::Value;

use crate::server::{file, postback, said};

/// Peak resident memory of the sandbox and the run together, in one process: the keys of a million events (some 60
/// bytes each on both sides), batches in flight and DataFusion's own, far below the 500 MB that the payloads take.
const MAX_RESIDENT: u64 = 450_000_000;

#[test]
fn a_million_rows_arrive_complete_with_flat_memory() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.as_of = '2026-08-20T14:10:00Z';
        SELECT 'Purchase' AS event, 1787234709 - n % 86400 AS timestamp, n AS order_id, n / 100.0 AS value, 'USD' AS currency,
               'customer' || n || '@shop.example' AS email
        FROM (SELECT value AS n FROM generate_series(1, 1000000))";
    let path = file(folder.path(), "million.sql", sql);
    let said = said(&mut postback(&["run", &path, "--sandbox", "--format", "json", "--requests-per-second", "900"]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    let account: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(account["accepted"], 1_000_000);
    assert_eq!(account["rows"], 1_000_000);
    let resident = account["peak_memory_bytes"].as_u64().unwrap();
    assert!(resident < MAX_RESIDENT, "{resident} bytes");
}
