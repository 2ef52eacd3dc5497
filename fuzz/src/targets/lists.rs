//! Lists of files: the log of a Delta Lake table, and the manifest of an export. No row may be read twice because a list
//! is odd, and no file that lies elsewhere may be read at all.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;

use super::place::Place;
use super::source::{Reading, read};

/// Files of the table, three rows and two.
const PARTS: [(&str, &[u8]); 2] = [
    ("a.parquet", include_bytes!("../../fixtures/a.parquet")),
    ("b.parquet", include_bytes!("../../fixtures/b.parquet")),
];
/// Files of the export.
const EXPORTS: [(&str, &[u8]); 2] = [("a.csv", b"id,name\n1,Ann\n2,Bo\n3,Cy\n"), ("b.csv", b"id,name\n4,Di\n5,Ed\n")];
/// Between the versions of a log.
const VERSIONS: &str = "\n---\n";

/// The versions of the log of a table, with `---` on lines between them.
pub fn delta_log(data: &[u8]) {
    Place::with(|place, folder| {
        let root = folder.join("orders");
        let log = root.join("_delta_log");
        fs::create_dir_all(&log).expect("a folder is made");
        for (name, content) in PARTS {
            fs::write(root.join(name), content).expect("a file is written");
        }
        let mut rest = data;
        for version in 0.. {
            let end = rest.windows(VERSIONS.len()).position(|bytes| bytes == VERSIONS.as_bytes());
            fs::write(log.join(format!("{version:020}.json")), &rest[..end.unwrap_or(rest.len())]).expect("a version");
            let Some(end) = end else { break };
            rest = &rest[end + VERSIONS.len()..];
        }
        stable(place, folder, "orders");
    });
}

/// A manifest beside the files of an export.
pub fn manifest(data: &[u8]) {
    // Nothing is fetched from elsewhere here.
    if is_about_others(data) {
        return;
    }
    Place::with(|place, folder| {
        for (name, content) in EXPORTS {
            fs::write(folder.join(name), content).expect("a file is written");
        }
        fs::write(folder.join("manifest"), data).expect("an input is written");
        stable(place, folder, "manifest");
    });
}

/// Whether a file that `data` names may lie elsewhere than beside it.
fn is_about_others(data: &[u8]) -> bool {
    let Ok(manifest) = serde_json::from_slice::<serde_json::Value>(data) else {
        // A reader that cares for less may still find names.
        return data.windows(2).any(|bytes| bytes == b"//") || data.contains(&b'\\');
    };
    let entries = manifest.get("entries").and_then(|entries| entries.as_array());
    let urls = entries.into_iter().flatten().filter_map(|entry| entry.get("url")?.as_str());
    urls.into_iter().any(|url| {
        let name = url.rsplit('/').next().unwrap_or_default();
        let is_beside = EXPORTS.iter().any(|(export, _)| *export == name) && !url.contains('=');
        url.starts_with('/') || url.contains("..") || url.contains("://") && !is_beside
    })
}

/// Reads `location` twice; each row that is read is a row of the files here, and comes once.
fn stable(place: &Place, folder: &Path, location: &str) {
    match (read(place, folder, location, false), read(place, folder, location, false)) {
        (Ok(first), Ok(second)) => {
            assert_eq!(first.rows, second.rows, "two readings differ");
            assert_once(&first);
        }
        (Err(first), Err(second)) => assert_eq!(first.kind(), second.kind(), "{first}: {second}"),
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => panic!("of two readings one fails: {error}"),
    }
}

fn assert_once(reading: &Reading) {
    let Some(ids) = reading.rows.column_by_name("id").and_then(|ids| ids.as_primitive_opt::<Int64Type>()) else {
        return;
    };
    let mut seen = HashSet::new();
    for id in ids.iter().flatten() {
        assert!((1..=5).contains(&id), "a row that is in no file");
        assert!(seen.insert(id), "a row is read twice");
    }
}
