//! Values that are not sent, because the event source of their row does not take them, and events that are too old: each
//! is told.

use std::fs::File;
use std::path::Path;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::server::{Answer, OK, Server, file, postback, said};

const SETTINGS: &str = "SET postback.event_source_id = '7654321098765432109';
SET postback.as_of = '2026-11-30T00:00:00Z';
";

fn run(here: &Path, query: &str, arguments: &[&str]) -> Value {
    let path = file(here, "q.sql", format!("{SETTINGS}{query}"));
    let all = [&["run", &path, "--format", "json", "--max-rejects", "100%"][..], arguments].concat();
    let said = said(postback(&all).env("POSTBACK_LEDGER", here.join("ledger")));
    serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}", said.stderr))
}

/// Column and message of each finding about values that are not sent.
fn unsent(document: &Value) -> Vec<(String, String, u64)> {
    let faults = document["faults"].as_array().unwrap().iter().filter(|fault| fault["code"] == "PB3207");
    let mut found: Vec<_> = faults
        .map(|fault| {
            let text = |name: &str| fault[name].as_str().unwrap_or_default().to_owned();
            (text("column"), text("message"), fault["events"].as_u64().unwrap())
        })
        .collect();
    found.sort();
    found
}

/// Events of every source, each with every identity.
const EVERY: &str = "SELECT s AS event_source, 'Purchase' AS event, o AS order_id, 1795910400 AS timestamp,
      CASE WHEN s = 'crm' THEN NULL ELSE 'ann@shop.example' END AS email, x AS external_id, '203.0.113.7' AS ip,
      'Mozilla/5.0' AS agent, CASE WHEN s = 'web' THEN 'https://shop.example/' END AS page_url, t AS tiktok_click_id,
      CASE WHEN s = 'app' THEN 'com.example' END AS app_id, CASE WHEN s = 'crm' THEN '7400' END AS lead_id
    FROM (VALUES ('offline', '1', 'c1', 't1'), ('offline', '2', 'c2', NULL), ('offline', '3', '', NULL), ('web', '4', 'c4', 't4'),
      ('app', '5', 'c5', ' '), ('crm', '6', 'c6', 't6')) AS v (s, o, x, t)";

#[test]
fn values_that_their_source_does_not_take_are_counted_by_column_and_source() {
    let here = tempfile::tempdir().unwrap();
    let server = Server::answering([Answer::ok(OK)]);
    for arguments in [&["--dry-run"][..], &["--base-url", &server.url, "--no-preflight"]] {
        let document = run(here.path(), EVERY, arguments);
        assert_eq!(document["rejected"], 0, "{document:#}");
        let told = unsent(&document);
        let told: Vec<_> = told.iter().map(|(column, message, events)| (&**column, &**message, *events)).collect();
        assert_eq!(
            told,
            [
                ("agent", "is not sent with 3 offline events and 1 crm event, whose source does not take it", 4),
                ("external_id", "is not sent with 2 offline events and 1 app event, whose source does not take it", 3),
                ("ip", "is not sent with 3 offline events and 1 crm event, whose source does not take it", 4),
                (
                    "tiktok_click_id",
                    "is not sent with 1 offline event and 1 crm event, whose source does not take it",
                    2
                ),
            ]
        );
    }
}

#[test]
fn readiness_counts_what_is_sent() {
    let here = tempfile::tempdir().unwrap();
    let document = run(here.path(), EVERY, &["--dry-run"]);
    let identifiers = document["readiness"]["identifiers"].as_array().unwrap();
    let events = |name: &str| {
        let of_name = identifiers.iter().find(|identifier| identifier["name"] == name);
        of_name.map(|identifier| (identifier["events"].as_u64().unwrap(), identifier["valid"].as_u64().unwrap()))
    };
    assert_eq!(events("email"), Some((5, 5)), "{document:#}");
    assert_eq!(events("external_id"), Some((2, 2)), "{document:#}");
    assert_eq!(events("tiktok_click_id"), Some((1, 1)), "{document:#}");
    assert_eq!(events("ip + agent"), Some((2, 2)), "{document:#}");
    assert_eq!(events("lead_id"), Some((1, 1)), "{document:#}");
}

#[test]
fn sources_that_take_all_that_they_are_given_are_told_nothing() {
    let here = tempfile::tempdir().unwrap();
    let query = "SELECT s AS event_source, 'Purchase' AS event, o AS order_id, 1795910400 AS timestamp,
          concat('ann', o, '@shop.example') AS email, CASE WHEN s = 'web' THEN 'https://shop.example/' END AS page_url,
          CASE WHEN s = 'web' THEN 't' ELSE '' END AS tiktok_click_id
        FROM (VALUES ('offline', '1'), ('web', '2')) AS v (s, o)";
    assert_eq!(unsent(&run(here.path(), query, &["--dry-run"])), []);
}

#[test]
fn identity_that_the_source_does_not_take_is_told_beside_what_it_costs() {
    let here = tempfile::tempdir().unwrap();
    let query =
        "SELECT s AS event_source, 'Purchase' AS event, o AS order_id, 1795910400 AS timestamp, x AS external_id,
          'https://shop.example/' AS page_url
        FROM (VALUES ('offline', '1', 'c1'), ('web', '2', 'c2')) AS v (s, o, x)";
    let document = run(here.path(), query, &["--dry-run"]);
    assert_eq!(document["rejected"], 1, "{document:#}");
    let told = unsent(&document).into_iter().map(|(column, _, events)| (column, events)).collect::<Vec<_>>();
    assert_eq!(told, [("external_id".to_owned(), 1), ("page_url".to_owned(), 1)]);
}

fn rejects(here: &Path) -> RecordBatch {
    let file = File::open(here.join("ledger/runs/latest/rejects.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = reader.schema().clone();
    concat_batches(&schema, &reader.build().unwrap().collect::<Result<Vec<_>, _>>().unwrap()).unwrap()
}

/// Order and code of each row that says that an event is out of the window.
fn skipped(here: &Path) -> Vec<(String, String)> {
    let rejects = rejects(here);
    let text = |name: &str| rejects.column_by_name(name).unwrap().as_string::<i32>().clone();
    let (orders, codes, severities, keys) = (text("order_id"), text("code"), text("severity"), text("event_key"));
    let mut skipped = Vec::new();
    for row in (0..rejects.num_rows()).filter(|row| severities.value(*row) == "skip") {
        assert!(keys.is_valid(row) && rejects.column_by_name("reject").unwrap().is_null(row));
        skipped.push((orders.value(row).to_owned(), codes.value(row).to_owned()));
    }
    skipped.sort();
    skipped
}

#[test]
fn events_out_of_the_window_are_listed() {
    let here = tempfile::tempdir().unwrap();
    let query = "SET postback.event_source = 'offline';
        SELECT 'Purchase' AS event, o AS order_id, at AS timestamp, m AS email, 5 AS value, 'USD' AS currency
        FROM (VALUES ('new', '2026-11-20T00:00:00Z', 'ann@shop.example'), ('old', '2026-09-01T00:00:00Z', 'ann@shop.example'),
          ('bad', '2026-11-20T00:00:00Z', 'nobody'), ('both', '2026-09-02T00:00:00Z', 'nobody')) AS v (o, at, m)";
    let server = Server::answering([Answer::ok(OK)]);
    for arguments in [&["--dry-run"][..], &["--sandbox"], &["--base-url", &server.url, "--no-preflight"]] {
        let document = run(here.path(), query, arguments);
        assert_eq!((&document["out_of_window"], &document["rejected"]), (&2.into(), &1.into()), "{document:#}");
        let expected = ["both", "old"].map(|order| (order.to_owned(), "PB3026".to_owned()));
        assert_eq!(skipped(here.path()), expected, "{arguments:?}");
    }
}

#[test]
fn folded_events_out_of_the_window_are_listed_once() {
    let here = tempfile::tempdir().unwrap();
    let query = "SET postback.event_source = 'offline'; SET postback.fold = 'contents';
        SELECT 'Purchase' AS event, o AS order_id, '2026-09-01T00:00:00Z' AS timestamp, concat('ann', o, '@shop.example') AS email,
          'USD' AS currency, sku AS content_id, 5 AS price, 1 AS quantity
        FROM (VALUES ('a', '1'), ('a', '2'), ('b', '3')) AS v (o, sku)";
    let document = run(here.path(), query, &["--dry-run"]);
    assert_eq!(document["out_of_window"], 2, "{document:#}");
    assert_eq!(skipped(here.path()), ["a", "b"].map(|order| (order.to_owned(), "PB3026".to_owned())));
}

#[test]
fn events_that_a_browser_may_have_sent_are_listed_with_their_reason() {
    let here = tempfile::tempdir().unwrap();
    let query = "SET postback.event_source = 'web'; SET postback.event_source_id = 'C4CH1N00K5AMPLE00001';
        SET postback.pixel_overlap = 'true';
        SELECT 'Purchase' AS event, o AS order_id, '2026-11-01T00:00:00Z' AS timestamp,
          concat('ann', o, '@shop.example') AS email, 'https://shop.example/' AS page_url, 5 AS value, 'USD' AS currency
        FROM (VALUES ('o')) AS v (o)";
    let server = Server::answering([Answer::ok(OK)]);
    let document = run(here.path(), query, &["--base-url", &server.url]);
    assert_eq!(document["overlapping"], 1, "{document:#}");
    assert_eq!(server.requests().len(), 0);
    assert_eq!(skipped(here.path()), [("o".to_owned(), "PB3123".to_owned())]);
}
