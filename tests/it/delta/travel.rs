//! Tables as they were: by version and by time.

use std::fs::File;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::table::{Table, column, lines, metadata, of_orders};
use super::{is_refused, sql_of};

/// `query` over the table `t` with `options`.
fn at(here: &std::path::Path, options: &str, query: &str) -> crate::server::Said {
    sql_of(here, &format!("CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'orders' {options};\n{query}"))
}

fn count(here: &std::path::Path, options: &str) -> String {
    let said = at(here, options, "SELECT count(*) AS n FROM t");
    assert_eq!(said.code, 0, "{options}: {}", said.stderr);
    said.stdout.trim().to_owned()
}

/// A table whose version N has N rows, and was made N hours after `start`.
fn table(here: &std::path::Path, start: SystemTime) -> Table {
    let mut table = Table::of_orders(here.join("orders"));
    for version in 1..=5_u64 {
        table.add_orders(&format!("{version}.parquet"), &[("o", 1)]);
        let time = start + Duration::from_hours(version);
        File::options().write(true).open(table.version(version)).unwrap().set_modified(time).unwrap();
    }
    File::options().write(true).open(table.version(0)).unwrap().set_modified(start).unwrap();
    table
}

#[test]
fn a_table_is_read_at_a_version_or_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    // 1 November 2026, midnight.
    table(here, SystemTime::UNIX_EPOCH + Duration::from_hours(498_192));
    assert_eq!(count(here, ""), r#"{"n":5}"#);
    assert_eq!(count(here, "OPTIONS (version '2')"), r#"{"n":2}"#);
    assert_eq!(count(here, "OPTIONS ('version' 3)"), r#"{"n":3}"#);
    for (time, rows) in [
        ("2026-11-01T01:00:00Z", 1),
        ("2026-11-01T01:59:59Z", 1),
        ("2026-11-01T04:30:00+01:00", 3),
        ("2027-01-01T00:00:00Z", 5),
    ] {
        assert_eq!(count(here, &format!("OPTIONS (timestamp '{time}')")), format!(r#"{{"n":{rows}}}"#), "{time}");
    }
    let early = at(here, "OPTIONS (timestamp '2026-10-31T23:59:59Z')", "SELECT 1 FROM t");
    is_refused(&early, "too early", 5, &["`orders` goes back to 2026-11-01T00:00:00Z, not to 2026-10-31T23:59:59Z"]);
    let late = at(here, "OPTIONS (version '6')", "SELECT 1 FROM t");
    is_refused(&late, "too late", 5, &["`orders` has no version 6", "from version 0 to 5"]);
    let said = sql_of(
        here,
        "CREATE EXTERNAL TABLE old STORED AS DELTA LOCATION 'orders' OPTIONS (version '1');
         CREATE EXTERNAL TABLE new STORED AS DELTA LOCATION 'orders';
         SELECT (SELECT count(*) FROM old) AS old, (SELECT count(*) FROM new) AS new, (SELECT count(*) FROM 'orders') AS n",
    );
    assert_eq!(said.stdout, "{\"old\":1,\"new\":5,\"n\":5}\n", "{}", said.stderr);
}

#[test]
fn a_commit_may_tell_its_time_itself() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut table = Table::new(
        here.join("orders"),
        &[
            json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["inCommitTimestamp"]}}),
            metadata(
                &[column("order_id", "string"), column("total", "long")],
                &[],
                &[("delta.enableInCommitTimestamps", "true")],
            ),
        ],
    );
    let info = |hour: u64| json!({"commitInfo": {"inCommitTimestamp": 1_793_491_200_000 + hour * 3_600_000, "operation": "WRITE"}});
    let write = |table: &Table, version: u64, actions: &[serde_json::Value]| {
        std::fs::write(table.version(version), lines(std::iter::once(&info(version)).chain(actions))).unwrap();
    };
    let first = std::fs::read_to_string(table.version(0)).unwrap();
    let first: Vec<serde_json::Value> = first.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    write(&table, 0, &first);
    for version in 1..=3 {
        let add = table.file(&format!("{version}"), &of_orders(&[("o", 1)]));
        write(&table, version, &[add]);
        table.next += 1;
    }
    assert_eq!(count(here, "OPTIONS (timestamp '2026-11-01T02:30:00Z')"), r#"{"n":2}"#);
    assert_eq!(count(here, ""), r#"{"n":3}"#);
}

#[test]
fn what_a_definition_cannot_say_of_a_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let table = table(here, SystemTime::now());
    crate::server::file(here, "a.csv", "order_id,total\no1,1\n");
    std::fs::create_dir(here.join("plain")).unwrap();
    std::fs::copy(table.root.join("1.parquet"), here.join("plain/1.parquet")).unwrap();
    for (definition, code, words) in [
        (
            "t (order_id VARCHAR) STORED AS DELTA LOCATION 'orders'",
            2,
            &["columns of a Delta Lake table stand in its log"][..],
        ),
        (
            "t STORED AS PARQUET LOCATION 'orders'",
            5,
            &["`orders` is a Delta Lake table, not PARQUET", "STORED AS DELTA"],
        ),
        ("t STORED AS CSV LOCATION 'orders/'", 5, &["`orders` is a Delta Lake table, not CSV"]),
        ("t STORED AS PARQUET LOCATION 'orders/1.parquet'", 5, &["`orders` is a Delta Lake table", "FROM 'orders'"]),
        ("t STORED AS DELTA LOCATION 'plain'", 5, &["`plain` is no Delta Lake table", "_delta_log"]),
        ("t STORED AS DELTA LOCATION 'a.csv'", 5, &["`a.csv` is no Delta Lake table"]),
        ("t STORED AS DELTA LOCATION 'orders/*.parquet'", 5, &["is no Delta Lake table"]),
        (
            "t STORED AS DELTA LOCATION 'orders' OPTIONS (delimiter ';')",
            2,
            &["`format.delimiter` is no option of a Delta Lake table"],
        ),
        ("t STORED AS PARQUET LOCATION 'plain' OPTIONS (version '1')", 2, &["STORED AS DELTA"]),
        ("t STORED AS DELTA LOCATION 'orders' OPTIONS (timestamp '2026-11-01')", 2, &["takes a time with its zone"]),
    ] {
        let said = sql_of(here, &format!("CREATE EXTERNAL TABLE {definition};\nSELECT * FROM t"));
        is_refused(&said, definition, code, words);
    }
    std::fs::create_dir(here.join("orders/day=1")).unwrap();
    std::fs::copy(table.root.join("1.parquet"), here.join("orders/day=1/1.parquet")).unwrap();
    for source in ["orders/*.parquet", "orders/1.parquet", "ord*/*.parquet", "orders/day=1", "orders/day=1/"] {
        super::refused(
            here,
            &format!("SELECT * FROM '{source}'"),
            &["`orders` is a Delta Lake table", "FROM 'orders'", "superseded"],
        );
    }
}

#[test]
fn files_of_a_table_are_read_as_they_are_by_those_who_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut table = Table::of_orders(here.join("orders"));
    let add = table.file("a.parquet", &of_orders(&[("o1", 1)]));
    table.commit(std::slice::from_ref(&add));
    let new = table.file("b.parquet", &of_orders(&[("o1", 2)]));
    table.commit(&[super::table::remove(&add), new]);
    for (plain, rows) in [("false", 1), ("true", 2)] {
        let said =
            sql_of(here, &format!("SET postback.plain_lake_files = '{plain}';\nSELECT count(*) AS n FROM 'orders'"));
        assert_eq!(said.stdout, format!("{{\"n\":{rows}}}\n"), "{}", said.stderr);
    }
    let table_of_it = "SET postback.plain_lake_files = 'true';
        CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'orders'; SELECT count(*) AS n FROM t";
    assert_eq!(sql_of(here, table_of_it).stdout, "{\"n\":1}\n");
}
