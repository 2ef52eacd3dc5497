//! A file that a log names twice, in one way or another, would be counted twice: it is refused, or read once.

use serde_json::{Value, json};

use super::table::{Table, VECTORS, column, in_file, metadata, of_orders, protocol, remove, vectors, with};
use super::{refused, rows};

const ALL: &str = "SELECT order_id, total FROM 't' ORDER BY order_id";

/// A table of one file of two orders, whose log goes on with the versions that `more` makes of the action that adds it.
fn table(folder: &std::path::Path, more: impl FnOnce(&Value) -> Vec<Vec<Value>>) {
    let columns = [column("order_id", "string"), column("total", "long")];
    let begin = [protocol(&["deletionVectors"]), metadata(&columns, &[], &[])];
    let mut table = Table::new(folder.join("t"), &begin);
    let add = table.file("a b.parquet", &of_orders(&[("o1", 1), ("o2", 2)]));
    let add = with(add, json!({"path": "a%20b.parquet"}));
    table.commit(std::slice::from_ref(&add));
    for version in more(&add) {
        table.commit(&version);
    }
}

#[test]
fn a_file_under_two_spellings_is_refused() {
    for spelling in ["%61%20b.parquet", "a%20%62.parquet", "a%20b%2eparquet", "a%20b.parque%74"] {
        let folder = tempfile::tempdir().unwrap();
        table(folder.path(), |add| vec![vec![with(add.clone(), json!({"path": spelling}))]]);
        refused(folder.path(), ALL, &["`a b.parquet` is part of the table twice"]);
    }
}

#[test]
fn a_file_with_two_sets_of_deleted_rows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, offsets) = vectors(&[&[1]]);
    table(folder.path(), |add| vec![vec![with(add.clone(), in_file(&[1], offsets[0]))]]);
    std::fs::write(folder.path().join("t").join(VECTORS), bytes).unwrap();
    refused(folder.path(), ALL, &["`a b.parquet` is part of the table twice"]);
}

#[test]
fn a_file_that_is_added_again_is_read_once() {
    type More = fn(&Value) -> Vec<Vec<Value>>;
    let ways: [More; 4] = [
        |add| vec![vec![add.clone()]],
        |add| vec![vec![add.clone(), add.clone()]],
        |add| vec![vec![remove(add)], vec![add.clone()]],
        |add| vec![vec![with(add.clone(), json!({"dataChange": false}))], vec![with(add.clone(), json!({"tags": {}}))]],
    ];
    for more in ways {
        let folder = tempfile::tempdir().unwrap();
        table(folder.path(), more);
        assert_eq!(rows(folder.path(), ALL).len(), 2);
    }
}
