//! Personal data and words for a missing value in fields that are sent as they are.

use std::path::Path;

use serde_json::Value;

use crate::server::{file, postback, said};

const SETTINGS: &str = "SET postback.event_source_id = '7654321098765432109';
SET postback.as_of = '2026-11-30T00:00:00Z'; SET postback.timezone = 'America/New_York';
";

/// The document of a dry run, and all that it said.
fn dry_run(here: &Path, query: &str, arguments: &[&str]) -> (Value, String) {
    let path = file(here, "q.sql", format!("{SETTINGS}{query}"));
    let all = [&["run", &path, "--dry-run", "--format", "json", "--max-rejects", "100%"][..], arguments].concat();
    let said = said(postback(&all).env("POSTBACK_LEDGER", here.join("ledger")));
    let document = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}", said.stderr));
    (document, said.stdout + &said.stderr)
}

/// Events with the fault `code` in each column.
fn counts(document: &Value, code: &str, severity: &str) -> Vec<(String, u64)> {
    let faults = document["faults"].as_array().unwrap().iter();
    let of_code = faults.filter(|fault| fault["code"] == code && fault["severity"] == severity);
    let mut counts: Vec<_> = of_code
        .map(|fault| (fault["column"].as_str().unwrap_or_default().to_owned(), fault["events"].as_u64().unwrap()))
        .collect();
    counts.sort();
    counts
}

fn count(column: &str, events: u64) -> (String, u64) {
    (column.to_owned(), events)
}

#[test]
fn words_for_a_missing_id_are_told() {
    let here = tempfile::tempdir().unwrap();
    file(
        here.path(),
        "n.csv",
        "order_id,ts,email,phone,v,cur,store\n1,2026-11-14 10:00:00,a@example.com,null,5,USD,null\n\
         2,2026-11-14 10:00:00,NULL,+12065551234,5,USD,NULL\n3,2026-11-14 10:00:00,b@example.com,None,5,USD,\\N\n\
         null,2026-11-14 10:00:00,c@example.com,nan,5,USD,n/a\n5,NULL,d@example.com,,5,USD,\n\
         6,2026-11-14 10:00:00,e@example.com,\"\"\"\"\"\",5,USD,\"\"\n",
    );
    let query = "SET postback.event_source = 'offline';
        SELECT 'Purchase' AS event, order_id, ts AS timestamp, email, phone, v AS value, cur AS currency, store AS shop_id
        FROM 'n.csv'";
    let (document, _) = dry_run(here.path(), query, &[]);
    let ids = counts(&document, "PB3121", "warn");
    assert!(ids.contains(&count("order_id", 1)), "{document:#}");
    let stores = ids.iter().find(|(column, _)| column == "shop_id").map_or(0, |(_, events)| *events);
    assert!(stores >= 3, "{document:#}");
    let (document, _) = dry_run(here.path(), query, &["--on-bad-optional", "reject"]);
    assert!(counts(&document, "PB3121", "reject").contains(&count("order_id", 1)), "{document:#}");
}

/// Five events with personal data in one column each, and two with none that look alike.
const TOLD: &str = "SET postback.event_source = 'offline'; SET postback.extra_columns = 'properties';
    SELECT 'Purchase' AS event, i AS event_id, o AS order_id, 1795910400 AS timestamp,
      CASE WHEN o IS NOT NULL THEN 'pat@shop.example' END AS email,
      d AS description, s AS shop_id, n AS note, 5 AS value, 'USD' AS currency
    FROM (VALUES
      ('ann.secret@shop.example', '1', 'x', 'y', 'z'),
      ('2', '+442071838750', 'x', 'y', 'z'),
      ('3', '3', 'for eve.secret@shop.example', 'y', 'z'),
      ('4', '4', 'x', '(213) 373-4253', 'z'),
      ('5', '5', 'x', 'y', 'mailto:kim.secret@shop.example'),
      ('12133734253', '7410991464714', '2026-11-30 10:00', '0012345678', 'INV-213-373-42'),
      ('550e8400-e29b-41d4-a716-446655440000', '111-1234567-1234567', '@brand', '978-3-16-148410-0', '+5 points')
    ) AS t (i, o, d, s, n)";

#[test]
fn personal_data_in_plain_is_told_and_never_repeated() {
    let here = tempfile::tempdir().unwrap();
    let columns = ["description", "event_id", "order_id", "properties.note", "shop_id"].map(|column| count(column, 1));
    let (document, all) = dry_run(here.path(), TOLD, &[]);
    assert_eq!(counts(&document, "PB3120", "warn"), columns, "{document:#}");
    assert_eq!((&document["rejected"], &document["unsent"]), (&0.into(), &7.into()));
    assert!(!all.contains("secret") && !all.contains("2071838750") && !all.contains("373-4253"), "{all}");
    let runs = here.path().join("ledger/runs/latest");
    for name in ["run_results.json", "rejects.parquet"] {
        let bytes = std::fs::read(runs.join(name)).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"secret"), "{name}");
    }
}

#[test]
fn personal_data_in_plain_is_refused_where_that_is_asked_for() {
    let here = tempfile::tempdir().unwrap();
    let restricted = format!("SET postback.pii = 'restricted'; {TOLD}");
    for (query, arguments) in [(TOLD, &["--pii", "restricted"][..]), (&restricted, &[])] {
        let (document, _) = dry_run(here.path(), query, arguments);
        assert_eq!((&document["rejected"], &document["unsent"]), (&5.into(), &2.into()), "{document:#}");
        assert_eq!(counts(&document, "PB3120", "reject").len(), 5);
    }
    file(here.path(), "postback.toml", "pii = \"restricted\"\n");
    let loosened = file(here.path(), "loose.sql", format!("{SETTINGS}SET postback.pii = 'standard'; {TOLD}"));
    let said = said(postback(&["run", &loosened, "--dry-run"]).current_dir(here.path()));
    assert_eq!(said.code, 2, "{}", said.stdout);
    assert!(said.stderr.contains("cannot loosen postback.pii"), "{}", said.stderr);
}

#[test]
fn personal_data_in_addresses_of_pages_and_places_is_told() {
    let here = tempfile::tempdir().unwrap();
    let query = "SET postback.event_source = 'web'; SET postback.event_source_id = 'C4CH1N00K5AMPLE00001';
        SELECT 'Purchase' AS event, o AS order_id, 1795910400 AS timestamp, concat('pat', o, '@shop.example') AS email,
          u AS page_url, r AS referrer_url, c AS city, q AS search_string
        FROM (VALUES
          ('1', 'https://shop.example/?email=ann%40shop.example', 'https://a.example/', 'Berlin', 'shoes'),
          ('2', 'https://shop.example/', 'https://a.example/?phone=2133734253', 'Berlin', 'shoes'),
          ('3', 'https://shop.example/', 'https://a.example/', 'eve@shop.example', 'shoes'),
          ('4', 'https://shop.example/', 'https://a.example/', 'Berlin', '+44 20 7183 8750'),
          ('5', 'https://shop.example/@brand?utm_id=1234567890', 'https://a.example/p/213-373-4253', 'Berlin', '10 20 30')
        ) AS t (o, u, r, c, q)";
    let (document, _) = dry_run(here.path(), query, &[]);
    let columns = ["city", "page_url", "referrer_url", "search_string"].map(|column| count(column, 1));
    assert_eq!(counts(&document, "PB3120", "warn"), columns, "{document:#}");
}

#[test]
fn preview_masks_personal_data_wherever_it_stands() {
    let here = tempfile::tempdir().unwrap();
    let path = file(here.path(), "q.sql", format!("{SETTINGS}{TOLD}"));
    for format in ["text", "json", "ndjson"] {
        let said = said(&mut postback(&["preview", &path, "--format", format]));
        assert!(!said.stdout.contains("secret") && !said.stdout.contains("2071838750"), "{}", said.stdout);
    }
}
