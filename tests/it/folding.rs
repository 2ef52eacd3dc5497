//! Rows of one event that say the same in other words, or nothing: they fold, in any order, and what differs is told.

use std::path::Path;

use serde_json::Value;

use crate::server::{file, postback, said};

const SETTINGS: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
SET postback.as_of = '2026-11-30T00:00:00Z'; SET postback.timezone = 'Europe/Paris'; SET postback.default_region = 'US';
SET postback.fold = 'contents';
";

/// What `preview` shows of a query over `lines`, a CSV file.
fn preview(here: &Path, settings: &str, select: &str, lines: &str) -> Vec<Value> {
    file(here, "lines.csv", lines);
    let query = file(here, "q.sql", format!("{SETTINGS}{settings}\n{select} FROM 'lines.csv'"));
    let said = said(&mut postback(&["preview", &query, "--reveal-pii", "--format", "json", "-n", "100"]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    serde_json::from_str(&said.stdout).unwrap()
}

fn codes(row: &Value) -> Vec<&str> {
    row["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// The account of a dry run over the same.
fn account(here: &Path, settings: &str, select: &str, lines: &str) -> Value {
    file(here, "lines.csv", lines);
    let query = file(here, "q.sql", format!("{SETTINGS}{settings}\n{select} FROM 'lines.csv'"));
    let arguments = ["run", &query, "--dry-run", "--format", "json", "--max-rejects", "100%"];
    let said = said(postback(&arguments).env("POSTBACK_LEDGER", here.join("ledger")));
    serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}", said.stderr))
}

/// An export of a shop that leaves the columns of an order blank on all of its lines but the first.
const SHOP: &str = "\
Name,Email,Financial Status,Paid at,Currency,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Billing Phone
#128520,ana@example.com,paid,2026-11-07 09:50:26 +0200,EUR,53.91,2026-11-07 09:50:24 +0200,3,Masque,10.00,SKU-1,'+33612345678
#128520,ana@example.com,,,,,2026-11-07 09:50:24 +0200,1,Serum,23.91,SKU-2,
#128521,bob@example.com,paid,2026-11-08 10:00:00 +0200,EUR,25.00,2026-11-08 10:00:00 +0200,2,Serum,10.00,SKU-2,'+33 6 12 34 56 79
";
const SHOP_SELECT: &str = r#"SELECT 'Purchase' AS event, "Name" AS order_id, "Created at" AS timestamp, "Email" AS email,
  "Billing Phone" AS phone, "Total" AS value, "Currency" AS currency, "Lineitem sku" AS content_id,
  "Lineitem name" AS content_name, "Lineitem price" AS price, "Lineitem quantity" AS quantity"#;

#[test]
fn an_order_whose_columns_are_blank_on_later_lines_is_one_event() {
    let here = tempfile::tempdir().unwrap();
    for (fold_value, values) in [("sum", [53.91, 25.0]), ("price", [53.91, 20.0]), ("same", [53.91, 25.0])] {
        let setting = format!("SET postback.fold_value = '{fold_value}';");
        let mut rows = preview(here.path(), &setting, SHOP_SELECT, &SHOP.replace('\'', ""));
        rows.sort_by_key(|row| row["event"]["properties"]["order_id"].as_str().unwrap().to_owned());
        assert_eq!(rows.len(), 2, "{rows:#?}");
        for (row, value) in rows.iter().zip(values) {
            assert_eq!(codes(row), [""; 0], "{row:#}");
            assert_eq!(row["event"]["properties"]["value"].as_f64(), Some(value), "{fold_value} {row:#}");
            assert_eq!(row["event"]["properties"]["currency"], "EUR");
            assert!(row["event"]["user"]["phone"].is_string(), "{row:#}");
        }
        assert_eq!(rows[0]["event"]["properties"]["contents"].as_array().unwrap().len(), 2);
    }
}

/// Columns of an event, each with values that are one: NULL and blank text, or the same value written in several ways.
const SAME: &[(&str, &[&str])] = &[
    ("email", &["ann@shop.example", "Ann@Shop.Example", " ANN@shop.example ", ""]),
    ("phone", &["+12133734253", "(213) 373-4253", "", "+1 213 373 4253"]),
    ("phone", &["", "+12061234567", "+1 206 123-4567"]),
    ("shop_id", &["", "berlin-1", "berlin-1"]),
    ("description", &["", "spring", " "]),
    ("currency", &["usd", "USD", "", "Usd"]),
    ("event_channel", &["in_store", "", "in_store"]),
    ("content_type", &["", "product_group"]),
    ("num_items", &["3", "", "3"]),
    ("timestamp", &["2026-11-07 09:50:24 +0100", "2026-11-07T08:50:24Z", "2026-11-07 09:50:24", ""]),
    ("value", &["53.91", "", "53.910"]),
    ("event", &["Purchase", "CompletePayment"]),
    ("event_source", &["offline", ""]),
    ("event_source_id", &["7654321098765432109", "", " 7654321098765432109"]),
];

/// A CSV of one line for each value of `column`, and the query over it.
fn lines(column: &str, values: &[&str]) -> (String, String) {
    let rest = [
        ("order_id", "CASE WHEN sku IS NOT NULL THEN '4711' END"),
        ("event", "'Purchase'"),
        ("timestamp", "'2026-11-07T08:50:24Z'"),
        ("email", "CASE WHEN sku IS NOT NULL THEN 'ann@shop.example' END"),
        ("currency", "'USD'"),
    ];
    let rest = rest.iter().filter(|(name, _)| *name != column);
    let rest: Vec<String> = rest.map(|(name, value)| format!("{value} AS {name}")).collect();
    // Items are told apart, so that a line that is lost is seen.
    let select = format!("SELECT {}, v AS {column}, sku AS content_id, 1.5 AS price, 2 AS quantity", rest.join(", "));
    let rows = values.iter().enumerate().map(|(sku, value)| format!("sku-{sku},\"{value}\"\n"));
    (format!("sku,v\n{}sku-x,\n", rows.collect::<String>()).replace("sku-x,\n", ""), select)
}

#[test]
fn what_is_the_same_in_other_words_folds_in_any_order_into_one_event() {
    let here = tempfile::tempdir().unwrap();
    for (column, values) in SAME {
        let mut sent = Vec::new();
        for turn in 0..values.len() {
            let mut turned = values.to_vec();
            turned.rotate_left(turn);
            let (rows, select) = lines(column, &turned);
            let rows = preview(here.path(), "SET postback.fold_value = 'same';", &select, &rows);
            assert_eq!(rows.len(), 1, "{column} {turned:?} {rows:#?}");
            let mut event = rows[0]["event"].clone();
            assert!(event.is_object(), "{column} {turned:?} {:#}", rows[0]);
            let contents = event["properties"]["contents"].as_array_mut().unwrap();
            assert_eq!(contents.len(), values.len(), "{column}");
            for item in contents {
                item["content_id"] = Value::Null;
            }
            sent.push(event);
        }
        assert!(sent.iter().all(|event| *event == sent[0]), "{column} {sent:#?}");
        let text = sent[0].to_string();
        match *column {
            "currency" => assert!(text.contains("\"USD\""), "{text}"),
            "shop_id" => assert!(text.contains("\"berlin-1\""), "{text}"),
            "description" => assert!(text.contains("\"spring\""), "{text}"),
            "content_type" => assert!(text.contains("\"product_group\""), "{text}"),
            "phone" => assert!(text.contains("\"phone\""), "{text}"),
            "value" => assert!(text.contains("53.91"), "{text}"),
            _ => {}
        }
    }
}

#[test]
fn lines_that_name_no_event_belong_to_the_one_that_others_name() {
    let here = tempfile::tempdir().unwrap();
    let select = "SELECT source AS event_source, id AS event_source_id, CASE WHEN status = 'paid' THEN 'Purchase'
          WHEN status = 'open' THEN 'PlaceAnOrder' END AS event,
        o AS order_id, '2026-11-07T08:50:24Z' AS timestamp,
        CASE WHEN sku IS NOT NULL THEN 'ann@shop.example' END AS email,
        'USD' AS currency,
        sku AS content_id, 1.5 AS price, 2 AS quantity";
    let unset = SETTINGS
        .replace("SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';", "");
    let mut lines = ["offline,71,paid,1,a", ",,,1,b", "offline,,,1,c", "offline,72,paid,2,d", ",,paid,2,e", ",,,3,f"];
    for _ in 0..lines.len() {
        lines.rotate_left(1);
        file(here.path(), "lines.csv", format!("source,id,status,o,sku\n{}\n", lines.join("\n")));
        let query = file(here.path(), "q.sql", format!("{unset}{select} FROM 'lines.csv'"));
        let said = said(&mut postback(&["preview", &query, "--reveal-pii", "--format", "json"]));
        let rows: Vec<Value> = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}", said.stderr));
        let mut found: Vec<_> = rows
            .iter()
            .map(|row| {
                let contents = row["event"]["properties"]["contents"].as_array().map_or(0, Vec::len);
                (row["event_source_id"].as_str().unwrap().to_owned(), contents)
            })
            .collect();
        found.sort();
        // Nobody says what the third order is.
        assert_eq!(found, [(String::new(), 0), ("71".to_owned(), 3), ("72".to_owned(), 2)], "{rows:#?}");
    }
    let two = "source,id,status,o,sku\noffline,71,paid,1,a\noffline,71,open,1,b\noffline,71,,1,c\n";
    file(here.path(), "lines.csv", two);
    let query = file(here.path(), "q.sql", format!("{unset}{select} FROM 'lines.csv'"));
    let said = said(&mut postback(&["preview", &query, "--format", "json"]));
    let rows: Vec<Value> = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(rows.len(), 3, "{rows:#?}");
    assert!(rows.iter().any(|row| codes(row).contains(&"PB3016")), "{rows:#?}");
}

#[test]
fn what_differs_is_told_in_any_order() {
    let here = tempfile::tempdir().unwrap();
    for (column, values) in [
        ("email", &["ann@shop.example", "eve@shop.example"][..]),
        ("email", &["ann@shop.example", "", "nobody"]),
        ("phone", &["+12133734253", "", "+12133734254"]),
        ("shop_id", &["berlin-1", "Berlin-1"]),
        ("description", &["a", "", "b"]),
        ("currency", &["USD", "EUR", ""]),
        ("currency", &["USD", "dollar"]),
        ("event_channel", &["in_store", "website"]),
        ("num_items", &["3", "4"]),
        ("timestamp", &["2026-11-07 09:50:24 +0100", "2026-11-07 09:50:25 +0100"]),
        ("value", &["53.91", "53.90"]),
    ] {
        for turn in 0..values.len() {
            let mut turned = values.to_vec();
            turned.rotate_left(turn);
            let (rows, select) = lines(column, &turned);
            let rows = preview(here.path(), "SET postback.fold_value = 'same';", &select, &rows);
            assert_eq!(rows.len(), 1, "{column} {turned:?} {rows:#?}");
            let told = rows[0]["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == "PB3101");
            let message = told.unwrap_or_else(|| panic!("{column} {turned:?} {:#}", rows[0]))["message"].to_string();
            assert!(message.contains(column), "{message}");
        }
    }
}

#[test]
fn identities_that_an_id_is_derived_from_are_compared_by_what_is_sent() {
    let here = tempfile::tempdir().unwrap();
    let select = "SELECT 'Purchase' AS event, m AS email, at AS timestamp, 'USD' AS currency, sku AS content_id,
        1.5 AS price, 2 AS quantity";
    let rows = "m,at,sku\nann@shop.example,2026-11-07T08:50:24Z,a\nANN@shop.example ,2026-11-07T09:50:24+01:00,b\n\
        eve@shop.example,2026-11-07T08:50:24Z,c\n";
    let account = account(here.path(), "", select, rows);
    assert_eq!((&account["rows"], &account["events"], &account["folded"]), (&3.into(), &2.into(), &1.into()));
    assert_eq!(account["rejected"], 0, "{account:#}");
}

#[test]
fn columns_that_the_source_does_not_take_need_not_agree() {
    let here = tempfile::tempdir().unwrap();
    let select =
        "SELECT source AS event_source, 'Purchase' AS event, o AS order_id, '2026-11-07T08:50:24Z' AS timestamp,
        CASE WHEN sku IS NOT NULL THEN 'ann@shop.example' END AS email,
        u AS page_url, 'USD' AS currency, sku AS content_id, 1.5 AS price, 2 AS quantity";
    let rows = "source,o,u,sku\noffline,1,https://shop.example/a,a\noffline,1,https://shop.example/b,b\n\
        web,2,https://shop.example/a,a\nweb,2,https://shop.example/b,b\n";
    let account = account(here.path(), "", select, rows);
    assert_eq!((&account["events"], &account["rejected"]), (&2.into(), &1.into()), "{account:#}");
}

#[test]
fn lines_of_orders_without_a_number_are_never_one_order() {
    let here = tempfile::tempdir().unwrap();
    let select = "SELECT 'Purchase' AS event, o AS order_id, '2026-11-07T08:50:24Z' AS timestamp,
        CASE WHEN sku IS NOT NULL THEN 'ann@shop.example' END AS email,
        'USD' AS currency, sku AS content_id, 1.5 AS price, 2 AS quantity";
    for word in ["null", "NULL", "n/a", "None", "(null)"] {
        let rows = format!("o,sku\n{word},a\n{word},b\nA7,c\n");
        let account = account(here.path(), "", select, &rows);
        assert_eq!((&account["events"], &account["rejected"]), (&2.into(), &1.into()), "{word} {account:#}");
        assert!(account["faults"].to_string().contains("PB3121"), "{account:#}");
    }
}

#[test]
fn an_order_of_one_line_without_quantity_is_refused_like_one_of_two() {
    let here = tempfile::tempdir().unwrap();
    let select = "SELECT 'Purchase' AS event, o AS order_id, '2026-11-07T08:50:24Z' AS timestamp,
        CASE WHEN sku IS NOT NULL THEN 'ann@shop.example' END AS email,
        'USD' AS currency, sku AS content_id, p AS price, q AS quantity";
    let rows = "o,sku,p,q\n1,a,5.00,\n2,b,5.00,\n2,c,1.50,1\n3,d,5.00,2\n4,e,,1\n";
    let account = account(here.path(), "", select, rows);
    assert_eq!((&account["events"], &account["rejected"]), (&4.into(), &3.into()), "{account:#}");
    let faults = account["faults"].as_array().unwrap();
    let open = faults.iter().find(|fault| fault["code"] == "PB3111").unwrap();
    assert_eq!((&open["events"], &open["severity"]), (&3.into(), &"reject".into()), "{account:#}");
}
