//! Damaged and forged tables: each is an error that names the file, and none of them is read by half.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::table::{Table, VECTORS, column, in_file, inline, metadata, of_orders, protocol, vectors, with};
use super::{refused, rows};

const ALL: &str = "SELECT order_id, total FROM 't' ORDER BY order_id";
const ORDERS: &[(&str, i64)] = &[("secret-1", 1), ("secret-2", 2), ("secret-3", 3)];

/// A table of one file, made of `change` of the action that adds it.
fn table(root: std::path::PathBuf, features: &[&str], change: impl FnOnce(Value) -> Value) -> Table {
    let columns = [column("order_id", "string"), column("total", "long")];
    let mut table = Table::new(root, &[protocol(features), metadata(&columns, &[], &[])]);
    let add = table.file("a.parquet", &of_orders(ORDERS));
    let stats = json!({"numRecords": 3, "minValues": {"order_id": "secret-1"}, "maxValues": {"order_id": "secret-3"}});
    let add = with(add, json!({"stats": stats.to_string()}));
    table.commit(&[change(add)]);
    table
}

fn each(features: &[&str], change: impl FnOnce(Value) -> Value, damage: impl FnOnce(&Table), words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path().join("t"), features, change);
    damage(&table);
    refused(folder.path(), ALL, words);
}

fn cut(path: &Path, keep: usize) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..keep]).unwrap();
}

#[test]
fn a_damaged_log_is_named() {
    let plain = |add: Value| add;
    let version = "t/_delta_log/00000000000000000001.json";
    each(&[], plain, |table| cut(&table.version(1), 200), &[version, "line 2 breaks off"]);
    each(
        &[],
        plain,
        |table| fs::write(table.version(1), "{\"add\": \"secret\"}\n").unwrap(),
        &[version, "is no action"],
    );
    each(&[], plain, |table| fs::write(table.version(1), "\u{0}secret").unwrap(), &[version, "line 1 is no action"]);
    each(&[], plain, |table| fs::write(table.version(1), "").unwrap(), &[version, "is empty"]);
    let gap = |table: &Table| {
        fs::copy(table.version(1), table.version(3)).unwrap();
    };
    each(&[], plain, gap, &["`t/_delta_log/00000000000000000002.json` is missing"]);
    let without_first = |table: &Table| fs::remove_file(table.version(0)).unwrap();
    each(&[], plain, without_first, &["`t/_delta_log/00000000000000000000.json` is missing"]);
    let empty = |table: &Table| {
        for version in 0..=1 {
            fs::remove_file(table.version(version)).unwrap();
        }
    };
    each(&[], plain, empty, &["`t` is no Delta Lake table", "no version"]);
    let no_metadata = |table: &Table| fs::write(table.version(0), format!("{}\n", protocol(&[]))).unwrap();
    each(&[], plain, no_metadata, &["the log of the Delta Lake table `t` cannot be read"]);
    let bad_schema = |table: &Table| {
        let text = fs::read_to_string(table.version(0)).unwrap();
        fs::write(table.version(0), text.replace("\\\"long\\\"", "\\\"secret\\\"")).unwrap();
    };
    each(&[], plain, bad_schema, &["the log of the Delta Lake table `t` cannot be read"]);
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let name = "00000000000000000001.checkpoint.parquet";
    let columns = metadata(&[column("order_id", "string"), column("total", "long")], &[], &[]);
    for damage in ["cut", "flip", "empty", "text"] {
        let here = folder.path().join(damage);
        let mut adding = Value::Null;
        let table = table(here.join("t"), &[], |add| {
            adding = add.clone();
            add
        });
        table.checkpoint(name, &[protocol(&[]), columns.clone(), adding]);
        for version in 0..=1 {
            fs::remove_file(table.version(version)).unwrap();
        }
        assert_eq!(rows(&here, ALL).len(), 3);
        let path = table.log().join(name);
        let mut bytes = fs::read(&path).unwrap();
        match damage {
            "cut" => bytes.truncate(bytes.len() / 2),
            "flip" => {
                let footer = bytes.len()
                    - 8
                    - usize::try_from(u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()))
                        .unwrap();
                bytes[footer + 3] ^= 0xff;
            }
            "empty" => bytes.clear(),
            _ => bytes = b"PAR1 secret PAR1".to_vec(),
        }
        fs::write(&path, bytes).unwrap();
        refused(&here, ALL, &[&format!("t/_delta_log/{name}")]);
    }
}

#[test]
fn what_makes_the_library_crash_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let features = protocol(&["deletionVectors"]);
    let columns = metadata(&[column("order_id", "string"), column("total", "long")], &[], &[]);
    let mut adding = Value::Null;
    let table = table(here.join("t"), &["deletionVectors"], |add| {
        adding = with(
            add.clone(),
            json!({"deletionVector": {"storageType": "x", "pathOrInlineDv": "secret", "sizeInBytes": 40, "cardinality": 1}}),
        );
        add
    });
    table.checkpoint("00000000000000000001.checkpoint.parquet", &[features, columns, adding]);
    for version in 0..=1 {
        fs::remove_file(table.version(version)).unwrap();
    }
    refused(here, ALL, &["the log of the Delta Lake table `t` cannot be read"]);
}

#[test]
fn a_damaged_or_missing_file_is_named() {
    let plain = |add: Value| add;
    let file = |table: &Table| table.root.join("a.parquet");
    each(
        &[],
        plain,
        |table| fs::remove_file(file(table)).unwrap(),
        &["`t/a.parquet` is missing", "version 1", "VACUUM"],
    );
    each(&[], plain, |table| cut(&file(table), 300), &["`t/a.parquet` has 300 bytes, and the log of the table says"]);
    let overwrite = |table: &Table| {
        let size = fs::metadata(file(table)).unwrap().len();
        fs::write(file(table), vec![7; usize::try_from(size).unwrap()]).unwrap();
    };
    each(&[], plain, overwrite, &["`t/a.parquet` is no readable Parquet file"]);
    let flip = |table: &Table| {
        let mut bytes = fs::read(file(table)).unwrap();
        // The header of the first page.
        bytes[4] ^= 0xff;
        fs::write(file(table), bytes).unwrap();
    };
    each(&[], plain, flip, &["`t/a.parquet` is damaged", "row group: 1"]);
    each(
        &[],
        |add| with(add, json!({"stats": "{\"numRecords\":4}"})),
        |_| {},
        &["`t/a.parquet` has 3 rows", "another number"],
    );
    each(&[], |add| with(add, json!({"size": -1})), |_| {}, &["negative size"]);
}

#[test]
fn no_path_leads_out_of_the_table() {
    for path in [
        "../outside.parquet",
        "%2E%2E/outside.parquet",
        "x/../../outside.parquet",
        "/etc/secret",
        "file:///etc/secret",
        "s3://secret/a.parquet",
        "https://secret.example/a.parquet?X-Amz-Signature=1&X-Amz-Credential=1&X-Amz-Date=1",
    ] {
        let outside = |table: &Table| {
            assert!(fs::copy(table.root.join("a.parquet"), table.root.join("../outside.parquet")).is_ok());
        };
        each(
            &[],
            |add| with(add, json!({"path": path})),
            outside,
            &["`t` names a file outside the table", "shallow clone"],
        );
    }
    let link = |table: &Table| {
        fs::rename(table.root.join("a.parquet"), table.root.join("../outside.parquet")).unwrap();
        std::os::unix::fs::symlink(table.root.join("../outside.parquet"), table.root.join("a.parquet")).unwrap();
    };
    each(&[], |add| add, link, &["`t/a.parquet` is a link that leads out of the table"]);
    let features = &["deletionVectors"];
    let absolute = json!({"deletionVector": {"storageType": "p", "pathOrInlineDv": "file:///secret.bin", "offset": 1,
        "sizeInBytes": 40, "cardinality": 1}});
    each(
        features,
        |add| with(add, absolute),
        |_| {},
        &["names a deletion vector by an absolute path", "shallow clone"],
    );
    let above = json!({"deletionVector": {"storageType": "u", "pathOrInlineDv": "../vBn[lx{q8@P<9BNH/isA", "offset": 1,
        "sizeInBytes": 40, "cardinality": 1}});
    each(features, |add| with(add, above), |_| {}, &["`t` names a file outside the table"]);
}

#[test]
fn a_deletion_vector_that_cannot_be_read_is_an_error_and_no_row_is_given() {
    let features = &["deletionVectors"];
    let write = |change: fn(&mut Vec<u8>)| {
        move |table: &Table| {
            let (mut bytes, _) = vectors(&[&[1]]);
            change(&mut bytes);
            fs::write(table.root.join(VECTORS), bytes).unwrap();
        }
    };
    let describe = |add: Value| with(add, in_file(&[1], 1));
    let name = format!("t/{VECTORS}");
    each(features, describe, |_| {}, &[&name, "is missing"]);
    each(features, describe, write(|bytes| bytes.truncate(20)), &[&name, "too short"]);
    each(
        features,
        describe,
        write(|bytes| bytes[12] ^= 1),
        &[&name, "damaged deletion vector", "which rows are deleted"],
    );
    each(features, describe, write(Vec::clear), &[&name, "too short"]);
    let huge = json!({"deletionVector": {"storageType": "u", "pathOrInlineDv": "vBn[lx{q8@P<9BNH/isA", "offset": 1,
        "sizeInBytes": i32::MAX, "cardinality": 1}});
    each(features, |add| with(add, huge), |_| {}, &["`t` describes a deletion vector that cannot be"]);
    let wrong = |rows: &[u64], cardinality: u64| {
        let mut vector = inline(rows);
        vector["deletionVector"]["cardinality"] = json!(cardinality);
        move |add: Value| with(add, vector)
    };
    each(features, wrong(&[1], 2), |_| {}, &["deletes other rows than the log of the table says", "t/a.parquet"]);
    each(features, wrong(&[3], 1), |_| {}, &["deletes other rows than the log of the table says"]);
    let unknown = json!({"deletionVector": {"storageType": "x", "pathOrInlineDv": "secret", "sizeInBytes": 40, "cardinality": 1}});
    each(
        features,
        |add| with(add, unknown),
        |_| {},
        &["t/_delta_log/00000000000000000001.json", "line 2 is no action"],
    );
}

#[test]
fn a_table_that_needs_what_is_not_known_is_refused() {
    let plain = |add: Value| add;
    each(&["rowLevelMagic"], plain, |_| {}, &["needs the feature `rowLevelMagic`, which is not known here", "export"]);
    let newer = |table: &Table| {
        let text = fs::read_to_string(table.version(0)).unwrap();
        fs::write(table.version(0), text.replace("\"minReaderVersion\":1", "\"minReaderVersion\":4")).unwrap();
    };
    each(&[], plain, newer, &["needs version 4 of the protocol"]);
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for data_type in ["interval day to second", "variant"] {
        let columns = [column("order_id", "string"), column("total", "long"), column("odd", data_type)];
        let features: &[&str] = if data_type == "variant" { &["variantType"] } else { &[] };
        let mut table = Table::new(here.join(data_type), &[protocol(features), metadata(&columns, &[], &[])]);
        table.add_orders("a.parquet", ORDERS);
        let word = if data_type == "variant" { "variantType" } else { "is of type interval day to second" };
        refused(here, &format!("SELECT total FROM '{data_type}'"), &[word]);
    }
}
