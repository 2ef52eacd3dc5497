//! Whatever happens to a file of a table is an error of its source, or changes nothing that a checksum covers.

use std::fs;
use std::path::{Path, PathBuf};

use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::table::{Table, VECTORS, column, in_file, metadata, of_orders, protocol, vectors, with};
use crate::parquet::{Random, rows, session, spoil};

/// Mutated files of each kind in the gate; `POSTBACK_MUTATIONS` asks for more.
const MUTATIONS: u64 = 150;

/// A table with a commit, a checkpoint, a deletion vector and a file with checksums, and where these lie.
fn table(root: PathBuf) -> [(&'static str, PathBuf); 4] {
    let features = protocol(&["deletionVectors"]);
    let about = metadata(&[column("order_id", "string"), column("total", "long")], &[], &[]);
    let mut table = Table::new(root, &[features.clone(), about.clone()]);
    let orders: Vec<(String, i64)> = (0..200).map(|row| (format!("o{row}"), row)).collect();
    let orders: Vec<(&str, i64)> = orders.iter().map(|(id, total)| (id.as_str(), *total)).collect();
    let checksums = WriterProperties::builder().set_write_page_header_statistics(true);
    let add = table.file_with("a.parquet", &of_orders(&orders), checksums.build());
    let deleted: Vec<u64> = (0..200).step_by(3).collect();
    let (bytes, offsets) = vectors(&[&deleted]);
    fs::write(table.root.join(VECTORS), bytes).unwrap();
    let add = with(add, in_file(&deleted, offsets[0]));
    table.commit(std::slice::from_ref(&add));
    let checkpoint = "00000000000000000001.checkpoint.parquet";
    table.checkpoint(checkpoint, &[features, about, add]);
    fs::remove_file(table.version(0)).unwrap();
    let stats = json!({"numRecords": 1, "minValues": {"total": 7}, "maxValues": {"total": 7}}).to_string();
    let second = with(table.file("b.parquet", &of_orders(&[("o7", 7)])), json!({"stats": stats}));
    table.commit(&[second]);
    [
        ("commit", table.version(2)),
        ("checkpoint", table.log().join(checkpoint)),
        ("vector", table.root.join(VECTORS)),
        ("file", table.root.join("a.parquet")),
    ]
}

fn read(root: &Path) -> Result<String, postback::error::Error> {
    rows(&session(false), root.to_str().unwrap(), "SELECT order_id, total FROM t ORDER BY order_id, total")
}

#[test]
fn mutated_tables_are_errors_or_read_as_before() {
    let mutations = std::env::var("POSTBACK_MUTATIONS").map_or(MUTATIONS, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("t");
    let files = table(root.clone());
    let expected = read(&root).unwrap();
    for (kind, path) in files {
        let whole = fs::read(&path).unwrap();
        let mut refused = 0;
        for seed in 1..=mutations {
            let mut bytes = whole.clone();
            spoil(&mut bytes, &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            fs::write(&path, &bytes).unwrap();
            match read(&root) {
                Err(error) => {
                    assert_eq!(error.exit_code(), 5, "{kind}, seed {seed}: {error}");
                    refused += 1;
                }
                // A vector has a checksum; in the others a value may change that nobody can tell from another.
                Ok(found) => assert!(kind != "vector" || found == expected, "{kind}, seed {seed}: other rows"),
            }
        }
        fs::write(&path, &whole).unwrap();
        assert!(refused > mutations / 4, "{kind}: only {refused} of {mutations} were noticed");
    }
    assert_eq!(read(&root).unwrap(), expected);
}
