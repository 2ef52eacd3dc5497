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

#[test]
fn a_declared_column_is_no_other_column_of_a_file_that_lacks_it() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let table = |files: &str| {
        format!(
            "CREATE EXTERNAL TABLE t (id VARCHAR, cost DECIMAL(10,2), currency VARCHAR) STORED AS CSV
            LOCATION '{files}'; SELECT * FROM t ORDER BY id"
        )
    };
    file(here, "a.csv", "id,cost,currency\n1,10.00,EUR\n");
    file(here, "b.csv", "id,margin,currency\n2,3.00,EUR\n");
    let (first, second) = (r#"{"id":"1","cost":10.00,"currency":"EUR"}"#, r#"{"id":"2","cost":null,"currency":"EUR"}"#);
    gives(here, &table("*.csv"), &[first, second]);
    let columns = "'Purchase' AS event, id AS order_id, id || '@b.example' AS email, '2026-11-01T10:00:00Z' AS timestamp, cost AS value";
    let query = table("*.csv").replace("SELECT *", &format!("SELECT {columns}, currency"));
    file(
        here,
        "q.sql",
        format!("SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109'; {query}"),
    );
    let said = said(postback(&["check", "q.sql"]).current_dir(here));
    assert!(said.stdout.contains("`b.csv` has no column `cost`"), "{}{}", said.stdout, said.stderr);
    // A value there need not even fit.
    file(here, "b.csv", "id,margin,currency\n2,low,EUR\n");
    gives(here, &table("*.csv"), &[first, second]);
    // A declaration renames where no file has the name.
    file(here, "b.csv", "id,margin,currency\n2,3.00,EUR\n");
    gives(here, &table("b.csv"), &[&second.replace("null", "3.00")]);
    file(here, "c.csv", "id,margin,currency\n3,4.00,EUR\n");
    gives(here, &table("[bc].csv"), &[&second.replace("null", "3.00"), r#"{"id":"3","cost":4.00,"currency":"EUR"}"#]);
    file(here, "b.csv", "id,margin,currency\n2,low,EUR\n");
    refused(here, &table("b.csv"), &["does not fit", "b.csv"]);
}

#[test]
fn json_names_that_files_spell_differently_meet() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(here, "1.json", "{\"ID\":1,\"EMAIL\":\"a@b.example\"}\n");
    file(here, "2.json", "[{\"id\":2,\"email\":\"c@d.example\"}]");
    file(here, "3.ndjson", "{\"Id\":3,\"Email\":\"e@f.example\"}\n");
    let expected = [r#"{"email":"a@b.example"}"#, r#"{"email":"e@f.example"}"#];
    gives(here, "SELECT email FROM '[13].*json' ORDER BY id", &expected);
    gives(
        here,
        "CREATE EXTERNAL TABLE t (id INT, \"eMail\" VARCHAR) STORED AS JSON LOCATION '[13].*json'; SELECT \"eMail\" AS email FROM t ORDER BY id",
        &expected,
    );
}

#[test]
fn a_declared_column_that_no_file_has_is_refused_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(here, "a.ndjson", "{\"order_id\":\"1\",\"email\":\"a@b.example\"}\n");
    file(here, "a.csv", "order_id,email\n1,a@b.example\n");
    for (format, name) in [("JSON", "a.ndjson"), ("CSV", "a.csv")] {
        let table = format!(
            "CREATE EXTERNAL TABLE t (order_id VARCHAR, emial VARCHAR, note VARCHAR) STORED AS {format} LOCATION '{name}';"
        );
        refused(here, &format!("{table} SELECT * FROM t"), &["`emial`", "a."]);
    }
    // Writers of JSON leave out what is null.
    let table = "CREATE EXTERNAL TABLE t (order_id VARCHAR, coupon VARCHAR) STORED AS JSON LOCATION 'a.ndjson';";
    gives(here, &format!("{table} SELECT * FROM t"), &[r#"{"order_id":"1","coupon":null}"#]);
}

#[test]
fn quotes_and_escapes_are_those_of_each_file() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(here, "1.csv", "id,path\n1,C:\\dir\n");
    file(here, "2.csv", "id,path\n2,\"a \\\"b\\\"\"\n3,\"c \\\"d\\\"\"\n");
    file(here, "4.csv", "id,path\n4,'t Hooft'\n5,'y, z'\n");
    gives(
        here,
        "SELECT path FROM '*.csv' ORDER BY id",
        &[
            r#"{"path":"C:\\dir"}"#,
            r#"{"path":"a \"b\""}"#,
            r#"{"path":"c \"d\""}"#,
            r#"{"path":"t Hooft"}"#,
            r#"{"path":"y, z"}"#,
        ],
    );
}
