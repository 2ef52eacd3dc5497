//! Which rows a table has.

use std::fs;

use serde_json::json;

use super::table::{
    Table, VECTORS, batch, column, in_file, inline, ints, metadata, of_orders, protocol, remove, texts, vectors, with,
};
use super::{refused, rows};
use crate::server::file;

const ALL: &str = "SELECT order_id, total FROM 'orders' ORDER BY order_id";

fn ids(rows: &[String]) -> String {
    let id =
        |row: &String| serde_json::from_str::<serde_json::Value>(row).unwrap()["order_id"].as_str().unwrap().to_owned();
    rows.iter().map(id).collect::<Vec<_>>().join(" ")
}

#[test]
fn rows_are_those_of_the_files_that_the_log_names() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut table = Table::of_orders(here.join("orders"));
    let first = table.file("a.parquet", &of_orders(&[("o1", 1), ("o2", 2)]));
    table.commit(std::slice::from_ref(&first));
    table.add_orders("b.parquet", &[("o3", 3)]);
    // A file that no log names, and one that is not part of the table any more.
    table.file("stray.parquet", &of_orders(&[("stray", 0)]));
    let rewritten = table.file("c.parquet", &of_orders(&[("o1", 10)]));
    table.commit(&[remove(&first), rewritten]);
    file(&table.root, "notes.txt", "neither a table nor a row");
    let expected = [r#"{"order_id":"o1","total":10}"#, r#"{"order_id":"o3","total":3}"#];
    assert_eq!(rows(here, ALL), expected);
    for location in ["orders/", "./orders", here.join("orders").to_str().unwrap()] {
        assert_eq!(rows(here, &ALL.replace("'orders'", &format!("'{location}'"))), expected);
    }
    let url = format!("file://{}", here.join("orders").display());
    assert_eq!(rows(here, &format!("SELECT order_id, total FROM '{url}' ORDER BY order_id")), expected);
    assert_eq!(rows(here, "SELECT count(*) AS n FROM 'orders' a JOIN 'orders' b USING (order_id)"), [r#"{"n":2}"#]);
}

#[test]
fn deleted_rows_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let columns = [column("order_id", "string"), column("total", "long")];
    let features = protocol(&["deletionVectors"]);
    let mut table = Table::new(here.join("orders"), &[features, metadata(&columns, &[], &[])]);
    let orders =
        |prefix: &str| of_orders(&[(&format!("{prefix}1"), 1), (&format!("{prefix}2"), 2), (&format!("{prefix}3"), 3)]);
    let (a, b, c) = (table.file("a", &orders("a")), table.file("b", &orders("b")), table.file("c", &orders("c")));
    table.commit(&[a.clone(), b.clone(), c.clone()]);
    let (bytes, offsets) = vectors(&[&[0, 2], &[1]]);
    fs::write(table.root.join(VECTORS), bytes).unwrap();
    let deleted = [
        with(a.clone(), in_file(&[0, 2], offsets[0])),
        with(b.clone(), in_file(&[1], offsets[1])),
        with(c.clone(), inline(&[0, 1, 2])),
    ];
    table.commit(&[&[remove(&a), remove(&b), remove(&c)][..], &deleted].concat());
    assert_eq!(ids(&rows(here, ALL)), "a2 b1 b3");
    assert_eq!(rows(here, "SELECT count(*) AS n, min(total) AS t FROM 'orders'"), [r#"{"n":3,"t":1}"#]);
    assert_eq!(ids(&rows(here, "SELECT order_id FROM 'orders' WHERE total >= 2 ORDER BY order_id")), "a2 b3");
    // The vector of a file is replaced by a larger one.
    let all_of_b = with(b.clone(), inline(&[0, 1, 2]));
    table.commit(&[remove(&deleted[1]), all_of_b]);
    assert_eq!(ids(&rows(here, ALL)), "a2");
    // A row that is restored is there again.
    table.commit(&[remove(&deleted[0]), a]);
    assert_eq!(ids(&rows(here, ALL)), "a1 a2 a3");
}

#[test]
fn deletion_vectors_meet_row_groups_and_filters() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let columns = [column("order_id", "string"), column("total", "long")];
    let features = protocol(&["deletionVectors"]);
    let mut table = Table::new(here.join("orders"), &[features, metadata(&columns, &[], &[])]);
    let orders: Vec<(String, i64)> = (0..1_000).map(|row| (format!("o{row:04}"), row)).collect();
    let orders: Vec<(&str, i64)> = orders.iter().map(|(id, total)| (id.as_str(), *total)).collect();
    let groups = parquet::file::properties::WriterProperties::builder()
        .set_max_row_group_row_count(Some(100))
        .set_data_page_row_count_limit(10)
        .set_write_batch_size(10);
    let add = table.file_with("a.parquet", &of_orders(&orders), groups.build());
    let deleted: Vec<u64> = (0..1_000).filter(|row| row % 3 == 0 || (200..300).contains(row)).collect();
    table.commit(&[with(add, inline(&deleted))]);
    let left = |low: u64, high: u64| (low..high).filter(|row| !deleted.contains(row)).count();
    for (low, high) in [(0, 1_000), (150, 350), (200, 300), (995, 1_000)] {
        let query = format!("SELECT count(*) AS n FROM 'orders' WHERE total >= {low} AND total < {high}");
        assert_eq!(rows(here, &query), [format!(r#"{{"n":{}}}"#, left(low, high))], "{query}");
        let query = format!(
            "SELECT count(order_id) AS n FROM 'orders' WHERE order_id >= 'o{low:04}' AND order_id < 'o{high:04}'"
        );
        assert_eq!(rows(here, &query), [format!(r#"{{"n":{}}}"#, left(low, high.min(9_999)))], "{query}");
    }
    assert_eq!(rows(here, "SELECT total FROM 'orders' ORDER BY total LIMIT 2"), [r#"{"total":1}"#, r#"{"total":2}"#]);
}

#[test]
fn values_of_partitions_stand_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let columns = [
        column("country", "string"),
        column("order_id", "string"),
        column("day", "date"),
        column("at", "timestamp"),
        column("n", "integer"),
        column("rate", "decimal(5,2)"),
    ];
    let partitions = ["country", "day", "at", "n", "rate"];
    let mut table = Table::new(here.join("orders"), &[protocol(&[]), metadata(&columns, &partitions, &[])]);
    let put = |path: &str, decoded: &str, id: &str, values: serde_json::Value| {
        let add = table.file(decoded, &batch(&[("order_id", texts(&[id]))]));
        with(add, json!({"path": path, "partitionValues": values}))
    };
    let adds = [
        put(
            "country=D%2520E/day=2026-11-01/a.parquet",
            "country=D%20E/day=2026-11-01/a.parquet",
            "o1",
            json!({"country": "D E", "day": "2026-11-01", "at": "2026-11-01 10:00:00.5", "n": "7", "rate": "1.50"}),
        ),
        put(
            "country=é%20/b.parquet",
            "country=é /b.parquet",
            "o2",
            json!({"country": "é ", "day": null, "at": "", "n": null}),
        ),
        put(
            "any/c.parquet",
            "any/c.parquet",
            "o3",
            json!({"country": "", "at": "2026-11-01T10:00:00.000000Z", "n": "-1"}),
        ),
    ];
    table.commit(&adds);
    assert_eq!(
        rows(here, "SELECT * FROM 'orders' ORDER BY order_id"),
        [
            r#"{"country":"D E","order_id":"o1","day":"2026-11-01","at":"2026-11-01T10:00:00.500Z","n":7,"rate":1.50}"#,
            r#"{"country":"é ","order_id":"o2","day":null,"at":null,"n":null,"rate":null}"#,
            r#"{"country":null,"order_id":"o3","day":null,"at":"2026-11-01T10:00:00Z","n":-1,"rate":null}"#,
        ]
    );
    let only =
        |filter: &str| ids(&rows(here, &format!("SELECT order_id FROM 'orders' WHERE {filter} ORDER BY order_id")));
    assert_eq!(only("country = 'D E'"), "o1");
    assert_eq!(only("country IS NULL"), "o3");
    assert_eq!(only("day IS NULL"), "o2 o3");
    assert_eq!(only("n < 7 OR order_id = 'o2'"), "o2 o3");
    assert_eq!(rows(here, "SELECT n, country FROM 'orders' WHERE n = 7"), [r#"{"n":7,"country":"D E"}"#]);
    assert_eq!(rows(here, "SELECT count(*) AS n FROM 'orders' WHERE day = DATE '2020-01-01'"), [r#"{"n":0}"#]);
}

#[test]
fn a_table_without_a_row_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut table = Table::of_orders(here.join("orders"));
    refused(here, ALL, &["`orders` has no rows", "not zero events"]);
    let empty = table.file("empty.parquet", &of_orders(&[]));
    table.commit(&[empty]);
    refused(here, ALL, &["`orders` has no rows"]);
    // Where the log does not say how many rows there are, the file does.
    let silent = with(table.file("silent.parquet", &of_orders(&[])), json!({"stats": null}));
    table.commit(&[silent]);
    refused(here, ALL, &["`orders` has no rows"]);
    let all = table.file("all.parquet", &of_orders(&[("o1", 1)]));
    let columns = [column("order_id", "string"), column("total", "long")];
    table.commit(&[protocol(&["deletionVectors"]), metadata(&columns, &[], &[]), with(all, inline(&[0]))]);
    refused(here, ALL, &["`orders` has no rows"]);
    let row = with(table.file("row.parquet", &of_orders(&[("o1", 1)])), json!({"stats": null}));
    table.commit(&[row]);
    assert_eq!(ids(&rows(here, ALL)), "o1");
}

#[test]
fn a_column_that_a_file_does_not_have_is_null_there() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut table = Table::new(here.join("orders"), &[protocol(&[]), metadata(&[column("a", "integer")], &[], &[])]);
    let first = table.file("1.parquet", &batch(&[("a", ints(&[1]))]));
    table.commit(&[first]);
    let grown = [column("b", "string"), column("a", "integer"), column("c", "void")];
    let second = table.file("2.parquet", &batch(&[("a", ints(&[2])), ("b", texts(&["x"])), ("gone", ints(&[0]))]));
    table.commit(&[metadata(&grown, &[], &[]), second]);
    assert_eq!(
        rows(here, "SELECT * FROM 'orders' ORDER BY a"),
        [r#"{"b":null,"a":1,"c":null}"#, r#"{"b":"x","a":2,"c":null}"#]
    );
    assert_eq!(rows(here, "SELECT a FROM 'orders' WHERE b IS NULL"), [r#"{"a":1}"#]);
}
