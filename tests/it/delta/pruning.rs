//! Files without a row that is asked for are not opened.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::table::{Table, batch, column, metadata, of_orders, protocol, texts, with};
use super::{rows, sql};

/// A table of ten files whose totals tell them apart; of the first and the last the log gives no bounds.
fn table(here: &Path) -> Table {
    let mut table = Table::of_orders(here.join("t"));
    let adds: Vec<_> = (0..10_i64)
        .map(|number| {
            let (low, high) = (number * 10, number * 10 + 9);
            let add = table.file(&format!("{number}.parquet"), &of_orders(&[("a", low), ("b", high)]));
            let stats = json!({"numRecords": 2, "minValues": {"order_id": "a", "total": low},
                "maxValues": {"order_id": "b", "total": high}, "nullCount": {"order_id": 0, "total": 0}});
            if number % 9 == 0 { add } else { with(add, json!({"stats": stats.to_string()})) }
        })
        .collect();
    table.commit(&adds);
    table
}

/// Leaves the files called `left` alone, and makes the others unreadable.
fn only(table: &Table, left: &[&str]) {
    for entry in fs::read_dir(&table.root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_file() && !left.contains(&name) {
            fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn statistics_of_the_log_tell_which_files_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let table = table(here);
    let count = |filter: &str| rows(here, &format!("SELECT count(*) AS n FROM 't' WHERE {filter}")).concat();
    assert_eq!(count("total >= 40 AND total < 60"), r#"{"n":4}"#);
    only(&table, &["0.parquet", "9.parquet", "4.parquet", "5.parquet"]);
    assert_eq!(count("total >= 40 AND total < 60"), r#"{"n":4}"#);
    assert_eq!(count("total = 45"), r#"{"n":0}"#);
    assert_eq!(count("total BETWEEN 41 AND 41 OR total = 59"), r#"{"n":1}"#);
    assert_eq!(sql(here, "SELECT count(*) AS n FROM 't' WHERE total >= 40").code, 5);
}

#[test]
fn values_of_partitions_tell_which_files_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let columns = [column("day", "date"), column("order_id", "string")];
    let mut table = Table::new(here.join("t"), &[protocol(&[]), metadata(&columns, &["day"], &[])]);
    let adds: Vec<_> = (1..=9)
        .map(|day| {
            let add = table.file(&format!("{day}.parquet"), &batch(&[("order_id", texts(&["o"]))]));
            with(add, json!({"partitionValues": {"day": format!("2026-11-0{day}")}}))
        })
        .collect();
    table.commit(&adds);
    only(&table, &["3.parquet", "4.parquet"]);
    let query = "SELECT day FROM 't' WHERE day > DATE '2026-11-02' AND day <= '2026-11-04' ORDER BY day";
    assert_eq!(rows(here, query), [r#"{"day":"2026-11-03"}"#, r#"{"day":"2026-11-04"}"#]);
    let explained = crate::server::file(
        here,
        "q.sql",
        "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
         SET postback.as_of = '2026-11-05T00:00:00Z'; SET postback.currency = 'USD'; SET postback.timezone = 'UTC';
         SELECT 'Purchase' AS event, order_id, CAST(day AS VARCHAR) || 'T10:00:00Z' AS timestamp, 'a' || order_id || '@b.example' AS email
         FROM 't' WHERE day = DATE '2026-11-03'",
    );
    let said =
        crate::server::said(crate::server::postback(&["run", &explained, "--dry-run", "--explain"]).current_dir(here));
    let text = said.stdout + &said.stderr;
    assert!(text.contains("3.parquet") && !text.contains("4.parquet"), "{text}");
}

#[test]
fn bounds_hold_for_deleted_rows_and_cut_times() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let columns = [column("at", "timestamp")];
    let mut table = Table::new(here.join("t"), &[protocol(&[]), metadata(&columns, &[], &[])]);
    let micros =
        datafusion::arrow::array::TimestampMicrosecondArray::from(vec![1_764_928_800_123_456]).with_timezone("UTC");
    let add = table.file("a.parquet", &batch(&[("at", std::sync::Arc::new(micros))]));
    let cut = "2025-12-05T10:00:00.123Z";
    let stats = json!({"numRecords": 1, "minValues": {"at": cut}, "maxValues": {"at": cut}, "nullCount": {"at": 0}});
    table.commit(&[with(add, json!({"stats": stats.to_string()}))]);
    let query = "SELECT count(*) AS n FROM 't' WHERE at > TIMESTAMP '2025-12-05T10:00:00.123400Z'";
    assert_eq!(rows(here, query), [r#"{"n":1}"#]);
}
