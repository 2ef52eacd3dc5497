//! JSON objects that are not all alike: each is read as the others say, told, or left out for itself.

use std::path::Path;

use serde_json::Value;

use crate::server::{file, postback, said};

/// Objects that inference looks at.
const SAMPLE: usize = 20_000;

/// The rows of `query` as JSON lines.
fn rows(folder: &Path, query: &str) -> Vec<String> {
    let said = said(postback(&["sql", query, "--format", "ndjson"]).current_dir(folder));
    assert_eq!(said.code, 0, "{query}: {}", said.stderr);
    said.stdout.lines().map(str::to_owned).collect()
}

/// The account of a dry run over `source`.
fn account(folder: &Path, source: &str, columns: &str) -> Value {
    let query = format!(
        "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.as_of = '2025-12-07T12:00:00Z'; SET postback.currency = 'EUR';
        SELECT 'Purchase' AS event, order_id, '2025-12-07T11:00:00Z' AS timestamp, order_id || '@b.example' AS email, {columns} FROM '{source}'"
    );
    file(folder, "query.sql", query);
    let said = said(
        postback(&["run", "query.sql", "--dry-run", "--max-rejects", "100%", "--format", "json"]).current_dir(folder),
    );
    serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}", said.stderr))
}

/// `JSON.stringify` writes an array on one line, and `cat` puts several objects on one.
#[test]
fn every_object_of_a_line_that_is_left_out_counts() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let sound = (0..SAMPLE).map(|number| format!("{{\"order_id\":\"{number}\",\"total\":5}}")).collect::<Vec<_>>();
    let faulty = [
        "{\"order_id\":\"a\",\"total\":\"n/a\"}",
        "{\"order_id\":\"b\",\"total\":1,\"total\":2}",
        "{\"order_id\":\"c\",\"total\":[1]}",
        "{\"order_id\":\"d\",\"total\":\"n/a\"}",
    ];
    let array = format!("[{},{}]", sound.join(","), faulty.join(","));
    file(here, "array.json", array);
    let account = account(here, "array.json", "total AS value");
    assert_eq!(account["unread_rows"], 4, "{account:#}");
    let misfits = account["unread"].as_array().unwrap().iter().find(|kind| kind["code"] == "PB3407").unwrap();
    assert_eq!(misfits["rows"], 3, "{account:#}");
    assert_eq!((&misfits["examples"][0]["line"], &misfits["examples"][0]["object"]), (&1.into(), &20_001.into()));
}

#[test]
fn every_object_of_a_line_of_several_counts() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let sound = "{\"order_id\":\"1\",\"total\":5}\n".repeat(SAMPLE);
    let late = "{\"order_id\":\"a\",\"total\":\"n/a\"}";
    file(here, "lines.ndjson", format!("{sound}{late}{late}{{\"order_id\":\"2\",\"total\":5}}{late}\n{late}\n"));
    let account = account(here, "lines.ndjson", "total AS value");
    assert_eq!((&account["unread_rows"], &account["rows"]), (&4.into(), &20_001.into()), "{account:#}");
}
