//! Logs in all their forms: checkpoints in one file, in parts, and of the second version; compacted commits.

use std::fs;

use serde_json::{Value, json};

use super::table::{Table, batch, column, inline, ints, lines, metadata, of_orders, protocol, remove, with};
use super::{refused, rows};

const ALL: &str = "SELECT order_id, total FROM 't' ORDER BY order_id";

fn columns() -> Value {
    metadata(&[column("order_id", "string"), column("total", "long")], &[], &[])
}

/// A table of five versions, and the actions that its third sums up to.
fn table(root: std::path::PathBuf) -> (Table, Vec<Value>) {
    let features = protocol(&["deletionVectors", "v2Checkpoint"]);
    let mut table = Table::new(root, &[features.clone(), columns()]);
    let a = table.file("a.parquet", &of_orders(&[("a1", 1), ("a2", 2)]));
    table.commit(std::slice::from_ref(&a));
    let b = table.file("b.parquet", &of_orders(&[("b1", 3)]));
    table.commit(std::slice::from_ref(&b));
    let less = with(a.clone(), inline(&[0]));
    table.commit(&[remove(&a), less.clone()]);
    table.add_orders("c.parquet", &[("c1", 4)]);
    (table, vec![features, columns(), less, b])
}

fn is_whole(here: &std::path::Path) {
    let expected =
        [r#"{"order_id":"a2","total":2}"#, r#"{"order_id":"b1","total":3}"#, r#"{"order_id":"c1","total":4}"#];
    assert_eq!(rows(here, ALL), expected);
}

#[test]
fn a_checkpoint_stands_for_the_commits_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (table, sum) = table(folder.path().join("t"));
    table.checkpoint("00000000000000000003.checkpoint.parquet", &sum);
    is_whole(folder.path());
    for version in 0..=3 {
        fs::remove_file(table.version(version)).unwrap();
    }
    is_whole(folder.path());
    // A hint that leads nowhere is not followed.
    fs::write(table.log().join("_last_checkpoint"), r#"{"version":99,"size":1}"#).unwrap();
    is_whole(folder.path());
    refused(folder.path(), &ALL.replace("'t'", "'t/a.parquet'"), &["`t` is a Delta Lake table"]);
}

#[test]
fn a_checkpoint_may_have_parts() {
    let folder = tempfile::tempdir().unwrap();
    let (table, sum) = table(folder.path().join("t"));
    let part = |number: usize| format!("00000000000000000003.checkpoint.000000000{number}.0000000002.parquet");
    table.checkpoint(&part(1), &sum[..2]);
    // While a part is missing, the commits tell.
    is_whole(folder.path());
    table.checkpoint(&part(2), &sum[2..]);
    for version in 0..=3 {
        fs::remove_file(table.version(version)).unwrap();
    }
    is_whole(folder.path());
    fs::remove_file(table.log().join(part(2))).unwrap();
    refused(folder.path(), ALL, &["`t/_delta_log/00000000000000000003.json` is missing", "not complete"]);
}

#[test]
fn a_checkpoint_may_name_its_parts() {
    let uuid = "80a083e8-7026-4e79-81be-64bd76c43a11";
    for form in ["json", "parquet"] {
        let folder = tempfile::tempdir().unwrap();
        let (table, sum) = table(folder.path().join("t"));
        fs::create_dir(table.log().join("_sidecars")).unwrap();
        table.checkpoint("_sidecars/one.parquet", &sum[2..]);
        let size = fs::metadata(table.log().join("_sidecars/one.parquet")).unwrap().len();
        let top = [
            json!({"checkpointMetadata": {"version": 3}}),
            sum[0].clone(),
            sum[1].clone(),
            json!({"sidecar": {"path": "one.parquet", "sizeInBytes": size, "modificationTime": 0}}),
        ];
        let name = format!("00000000000000000003.checkpoint.{uuid}.{form}");
        let write = |actions: &[Value]| match form {
            "json" => fs::write(table.log().join(&name), lines(actions)).unwrap(),
            _ => table.checkpoint(&name, actions),
        };
        write(&top);
        for version in 0..=3 {
            fs::remove_file(table.version(version)).unwrap();
        }
        is_whole(folder.path());
        for path in [
            "https://secret.example/a.parquet?X-Amz-Signature=1&X-Amz-Credential=1&X-Amz-Date=1",
            "../../b.parquet",
            "/etc/secret",
        ] {
            let mut forged = top.clone();
            forged[3]["sidecar"]["path"] = json!(path);
            write(&forged);
            refused(folder.path(), ALL, &[&name, "names a part that lies outside the log"]);
        }
    }
}

#[test]
fn compacted_commits_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (table, sum) = table(folder.path().join("t"));
    let compacted = lines(&sum[2..]);
    fs::write(table.log().join("00000000000000000001.00000000000000000003.compacted.json"), compacted).unwrap();
    fs::write(table.log().join("00000000000000000004.crc"), "{").unwrap();
    fs::write(table.log().join("_commit_5fba94ed.json.tmp"), "{").unwrap();
    std::os::unix::fs::symlink("nowhere", table.log().join("00000000000000000005.json.tmp")).unwrap();
    is_whole(folder.path());
}

#[test]
fn a_table_of_many_commits_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut table =
        Table::new(folder.path().join("t"), &[protocol(&[]), metadata(&[column("n", "integer")], &[], &[])]);
    for number in 0..300 {
        let add = table.file(&format!("{number}.parquet"), &batch(&[("n", ints(&[number]))]));
        table.commit(&[add]);
    }
    assert_eq!(rows(folder.path(), "SELECT count(*) AS n, sum(n) AS s FROM 't'"), [r#"{"n":300,"s":44850}"#]);
}
