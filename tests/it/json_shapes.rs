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

#[test]
fn an_object_of_another_shape_costs_itself_alone_and_no_value_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let other = "{\"order_id\":\"3\",\"tel\":[442079460018,{\"n\":442079460019}],\"a\":1}\n";
    let line = |number: usize| format!("{{\"order_id\":\"{number}\",\"tel\":[{number}],\"a\":{{\"b\":1}}}}\n");
    file(here, "a.ndjson", format!("{}{}{other}{}", line(1), line(2), line(4)));
    let found = rows(here, "SELECT order_id, a['b'] AS b FROM 'a.ndjson' ORDER BY order_id");
    assert_eq!(found.len(), 3, "{found:?}");
    let account = account(here, "a.ndjson", "cast(a['b'] AS INT) AS value");
    assert_eq!(account["unread_rows"], 1, "{account:#}");
    assert_eq!(account["unread"][0]["examples"][0]["line"], 3, "{account:#}");
    // The first does not decide alone.
    file(here, "b.ndjson", format!("{other}{}{}{}", line(1), line(2), line(4)));
    assert_eq!(rows(here, "SELECT order_id, a['b'] AS b FROM 'b.ndjson'").len(), 3);
    file(here, "c.ndjson", "{\"tel\":[442079460018,{\"n\":442079460019}]}\n");
    let said = said(postback(&["sql", "SELECT * FROM 'c.ndjson'"]).current_dir(here));
    assert_eq!(said.code, 5, "{}", said.stdout);
    assert!(said.stderr.contains("c.ndjson") && said.stderr.contains("`tel`"), "{}", said.stderr);
    assert!(!said.stderr.contains("4420794600"), "{}", said.stderr);
}

#[test]
fn amounts_that_begin_as_whole_numbers_may_have_cents() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let sound = "{\"order_id\":\"1\",\"total\":12,\"items\":1}\n".repeat(SAMPLE);
    file(here, "a.ndjson", format!("{sound}{{\"order_id\":\"2\",\"total\":12.5,\"items\":2}}\n"));
    assert_eq!(rows(here, "SELECT sum(total) AS n FROM 'a.ndjson'"), [r#"{"n":240012.5}"#]);
}

#[test]
fn a_member_that_is_first_seen_behind_the_sample_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let line = |number: usize, rest: &str| {
        format!("{{\"order_id\":\"{number}\",\"contents\":[{{\"content_id\":\"a\"{rest}}}]}}\n")
    };
    let sound: String = (0..SAMPLE).map(|number| line(number, "")).collect();
    file(here, "a.ndjson", format!("{sound}{}", line(SAMPLE, ",\"price\":9.99,\"quantity\":2")));
    let account = account(here, "a.ndjson", "contents");
    assert_eq!(account["unread_members"][0]["members"], serde_json::json!(["contents[].price", "contents[].quantity"]));
    assert_eq!(account["unread_rows"], 0, "{account:#}");
    // Of objects that are maps, the names may be those of people.
    let late = "{\"order_id\":\"x\",\"contents\":[{\"content_id\":\"a\",\"pat@b.example\":1}]}\n";
    file(here, "a.ndjson", format!("{sound}{late}"));
    let account = self::account(here, "a.ndjson", "contents");
    assert_eq!(account["unread_members"][0]["members"], serde_json::json!(["contents[].…"]));
}
