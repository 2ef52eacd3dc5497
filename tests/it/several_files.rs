//! Files of one table that are written in different ways: each is read as it says, or the table is refused.

use std::path::Path;

use crate::server::{Said, file, postback, said};

/// What `query` gives from `folder`, as JSON lines.
fn sql(folder: &Path, query: &str) -> Said {
    said(postback(&["sql", query, "--format", "ndjson"]).current_dir(folder))
}

/// `query` gives `rows`; what `check` says of its sources.
fn gives(folder: &Path, query: &str, rows: &[&str]) {
    let said = sql(folder, query);
    assert_eq!(said.code, 0, "{query}: {}", said.stderr);
    assert_eq!(said.stdout.lines().collect::<Vec<_>>(), rows, "{query}: {}", said.stderr);
}

/// `query` ends with exit code 5 and says all of `words`.
fn refused(folder: &Path, query: &str, words: &[&str]) {
    let said = sql(folder, query);
    assert_eq!(said.code, 5, "{query}: {}{}", said.stdout, said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "{query}: no `{word}` in\n{}", said.stderr);
    }
}

/// `split` leaves the header line in the first part alone.
#[test]
fn a_header_line_in_some_of_the_files_only_costs_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let header = "order_id,day,total\n";
    let rows = ["1000,2026-11-01,5.00\n", "1001,2026-11-01,9.99\n"];
    let table = |options: &str| {
        format!(
            "CREATE EXTERNAL TABLE o (order_id VARCHAR, day DATE, total DECIMAL(10,2)) STORED AS CSV
            LOCATION 'part-*' {options}; SELECT order_id FROM o ORDER BY order_id"
        )
    };
    for (first, second) in [(header, ""), ("", header)] {
        file(here, "part-aa", format!("{first}{}", rows[0]));
        file(here, "part-ab", format!("{second}{}", rows[1]));
        refused(here, &table(""), &["part-aa", "part-ab", "header line"]);
    }
    for (line, options) in [("", ""), (header, ""), ("", "OPTIONS ('has_header' 'false')")] {
        file(here, "part-aa", format!("{line}{}", rows[0]));
        file(here, "part-ab", format!("{line}{}", rows[1]));
        gives(here, &table(options), &[r#"{"order_id":"1000"}"#, r#"{"order_id":"1001"}"#]);
    }
}
