//! The example queries, run by the binary over HTTP, and what arrives, byte for byte as written by hand.

use serde_json::Value;

use crate::server::{Answer, OK, Server, arrived, golden, postback, root, said};

/// Delivers `query` to a server that accepts everything and compares what arrives with the golden files of `name`.
fn arrives_as_written(query: &str, name: &str) {
    let server = Server::answering([Answer::ok(OK)]);
    let said = said(&mut postback(&["run", query, "--base-url", &server.url, "--format", "json"]));
    assert_eq!(said.code, 0, "{query}: {}", said.stderr);
    let expected: Value = serde_json::from_str(&golden("expected.json")).unwrap();
    let account: Value = serde_json::from_str(&said.stdout).unwrap();
    for place in ["rows", "events", "folded", "accepted", "out_of_window", "rejected"] {
        assert_eq!(account[place], expected[name][place], "{query}: {place}");
    }
    assert_eq!(arrived(&server), golden(&format!("{name}.ndjson")).lines().collect::<Vec<_>>(), "{query}");
    let head = golden(&format!("{name}.head.txt"));
    for request in server.requests() {
        assert_eq!(request.line, "POST /open_api/v1.3/event/track/ HTTP/1.1");
        assert!(request.body.starts_with(head.trim_end()), "{}", &request.body[..80]);
        assert!(request.body.ends_with("]}"));
    }
}

#[test]
fn store_purchases_arrive_as_written() {
    arrives_as_written("queries/store_purchases.sql", "store_purchases");
}

#[test]
fn folded_store_purchases_arrive_as_written() {
    arrives_as_written("queries/store_purchases_items.sql", "store_purchases_items");
}

#[test]
fn the_amperity_query_arrives_as_written() {
    arrives_as_written("queries/amperity_purchases.sql", "amperity_purchases");
}

#[test]
fn web_leads_arrive_as_written() {
    arrives_as_written("queries/web_lead.sql", "web_lead");
}

#[test]
fn crm_signals_arrive_as_written() {
    arrives_as_written("queries/crm_signal.sql", "crm_signal");
}

#[test]
fn every_example_query_has_golden_payloads() {
    let queries = std::fs::read_dir(root().join("queries")).unwrap().map(|entry| entry.unwrap().path());
    let names = queries.filter(|path| path.extension().is_some_and(|extension| extension == "sql"));
    let names: Vec<String> = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        assert!(!golden(&format!("{name}.ndjson")).is_empty(), "{name}");
    }
}

/// Each phone of the 59 customers is what the Python port of libphonenumber says, or NULL where it says nothing.
#[test]
fn chinook_phones_are_what_libphonenumber_says() {
    let sql = "SELECT customer_id, coalesce(e164(phone), '') AS e164 FROM 'queries/data/chinook/customers.csv'";
    let said = said(&mut postback(&["sql", sql, "--format", "csv"]));
    let parse = |text: &str, phone: usize| {
        let mut rows: Vec<(u32, String)> = text
            .lines()
            .skip(1)
            .map(|line| {
                let cells: Vec<&str> = line.split(',').collect();
                (cells[0].parse().unwrap(), cells[phone].to_owned())
            })
            .collect();
        rows.sort();
        rows
    };
    let witness = golden("chinook_phones.csv");
    let column = witness.lines().next().unwrap().split(',').position(|name| name == "e164").unwrap();
    assert_eq!(said.code, 0, "{}", said.stderr);
    let ours = parse(&said.stdout, 1);
    assert_eq!(ours.len(), 59);
    assert_eq!(ours, parse(&witness, column));
}

/// The published digests, byte for byte, in payloads.
#[test]
fn published_hash_vectors_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "SET postback.event_source = 'web'; SET postback.event_source_id = 'CABCDEFGHIJ0123456K0';
        SET postback.as_of = '2026-08-20T14:10:00Z';
        SELECT 'Lead' AS event, 1787234709 AS timestamp, 'https://shop.example/' AS page_url, email, phone, external_id
        FROM (VALUES (' ALICE_abc@gmail.com ', '(+1)2133734253', 'user_123'), ('Pat.Lee@Example.com', '+44 20 7183 8750', 'b'))
        AS t (email, phone, external_id)";
    let path = crate::server::file(folder.path(), "vectors.sql", sql);
    let server = Server::answering([Answer::ok(OK)]);
    let said = said(&mut postback(&["run", &path, "--base-url", &server.url]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    let events = arrived(&server).join("\n");
    for digest in [
        "848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f",
        "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd",
        "80fba0ae1c48e3978e43e4efc365e14e12ea0c830ba8ba5b9a2dafc7e3f2ab8b",
        "f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26",
        "e631c2534428c6c9b48c2167604a8983046085e43a2c00ed748733c544c0bb4d",
    ] {
        assert!(events.contains(digest), "{digest} is not in {events}");
    }
}

/// Identical rows collapse, differing ones are refused, all of them, and only them.
#[test]
fn conflicting_rows_are_refused_all_of_the_group() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.as_of = '2026-08-20T14:10:00Z'; SET postback.currency = 'USD';
        SELECT 'Purchase' AS event, 1787234709 AS timestamp, 'a@b.example' AS _email, email, order_id, value
        FROM (VALUES ('a@b.example', '1', 5), ('a@b.example', '1', 5), ('a@b.example', '2', 5), ('a@b.example', '2', 6),
                     ('a@b.example', '2', 5), ('a@b.example', '3', 7)) AS t (email, order_id, value)";
    let path = crate::server::file(folder.path(), "conflict.sql", sql);
    let server = Server::answering([Answer::ok(OK)]);
    let said =
        said(&mut postback(&["run", &path, "--base-url", &server.url, "--format", "json", "--max-rejects", "100%"]));
    let account: Value = serde_json::from_str(&said.stdout).unwrap();
    let place = |name: &str| account[name].as_u64().unwrap();
    assert_eq!((place("rows"), place("folded"), place("events")), (6, 1, 5));
    assert_eq!((place("accepted"), place("rejected")), (2, 3));
    assert_eq!(account["faults"][0]["code"], "PB3073");
    let ids: Vec<Value> = arrived(&server)
        .iter()
        .map(|event| serde_json::from_str::<Value>(event).unwrap()["properties"]["order_id"].clone())
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(!ids.contains(&Value::from("2")));
}

/// Folding as the Amperity query needs it, and groups that disagree about the event itself.
#[test]
fn folded_groups_that_disagree_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.as_of = '2026-08-20T14:10:00Z'; SET postback.currency = 'USD'; SET postback.fold = 'contents';
        SELECT 'Purchase' AS event, 1787234709 AS timestamp, email, order_id, content_id, price, quantity
        FROM (VALUES ('a@b.example', '1', 'x', 1.10, 2), ('a@b.example', '1', 'y', 0.80, 1),
                     ('a@b.example', '2', 'x', 1.10, 1), ('other@b.example', '2', 'y', 1.10, 1),
                     ('a@b.example', '3', 'x', 1.10, 1), (NULL, '3', 'y', 1.10, 1))
        AS t (email, order_id, content_id, price, quantity)";
    let path = crate::server::file(folder.path(), "fold.sql", sql);
    let server = Server::answering([Answer::ok(OK)]);
    let said =
        said(&mut postback(&["run", &path, "--base-url", &server.url, "--format", "json", "--max-rejects", "2"]));
    let account: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(account["rows"], 6, "{}", said.stderr);
    // The third order has an address on one of its lines.
    assert_eq!((account["accepted"].as_u64(), account["rejected"].as_u64()), (Some(2), Some(1)));
    assert_eq!(account["faults"][0]["code"], "PB3101");
    let events = arrived(&server);
    let values = [r#""value":3,"#, r#""value":2.2,"#];
    assert!(values.iter().all(|value| events.iter().any(|event| event.contains(value))), "{events:?}");
}

/// `INSERT INTO postback.events` is the same query, and its column list names the columns.
#[test]
fn inserts_into_the_events_table_are_the_same_query() {
    let folder = tempfile::tempdir().unwrap();
    let head = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.as_of = '2026-08-20T14:10:00Z'; SET postback.event = 'Lead';";
    let rows = "(VALUES (1787234709, 'a@b.example', 'one'), (1787234709, 'c@d.example', 'two')) AS t (timestamp, email, event_id)";
    let queries = [
        format!("{head} SELECT * FROM {rows}"),
        format!("{head} INSERT INTO postback.events SELECT * FROM {rows}"),
        format!(
            "{head} INSERT INTO postback.events (event_id, timestamp, email) SELECT event_id, timestamp, email FROM {rows}"
        ),
        format!("{head} CREATE VIEW people AS SELECT * FROM {rows}; WITH p AS (SELECT * FROM people) SELECT * FROM p"),
    ];
    let mut expected = None;
    for (index, sql) in queries.iter().enumerate() {
        let path = crate::server::file(folder.path(), &format!("{index}.sql"), sql);
        let server = Server::answering([Answer::ok(OK)]);
        let said = said(&mut postback(&["run", &path, "--base-url", &server.url]));
        assert_eq!(said.code, 0, "{sql}: {}", said.stderr);
        let events = arrived(&server);
        assert_eq!(events.len(), 2);
        assert_eq!(*expected.get_or_insert_with(|| events.clone()), events, "{sql}");
    }
}

/// Rows name their own source and destination: one request each, and every event has the fields of its source.
#[test]
fn rows_are_routed_by_their_own_source() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "SET postback.as_of = '2026-08-20T14:10:00Z';
        SELECT event_source, event_source_id, event, 1787234709 AS timestamp, email, event_id,
               'https://shop.example/' AS page_url, '7400000000000000001' AS lead_id, 'com.shop' AS app_id
        FROM (VALUES ('offline', '7654321098765432109', 'Purchase', '1', 'A@B.example'),
                     ('web', 'CABCDEFGHIJ0123456K0', 'Lead', '2', 'A@B.example'),
                     ('crm', '7309876543210987654', 'Qualified', '3', 'A@B.example'),
                     ('app', '7309876543210987655', 'Login', '4', 'A@B.example'),
                     ('web', 'CABCDEFGHIJ0123456K1', 'Lead', '5', 'A@B.example'))
        AS t (event_source, event_source_id, event, event_id, email)";
    let path = crate::server::file(folder.path(), "routed.sql", sql);
    let server = Server::answering([Answer::ok(OK)]);
    let said = said(&mut postback(&["run", &path, "--base-url", &server.url]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(server.requests().len(), 5);
    // printf a@b.example | sha256sum
    let user = r#""user":{"email":"ebb18a030bf15174f5714e24d63af1a81355c951ea7389bd2a9bd18e3d0c2477"}"#;
    let expected = [
        format!(r#"{{"event":"Purchase","event_time":1787234709,"event_id":"1",{user}}}"#),
        format!(
            r#"{{"event":"Lead","event_time":1787234709,"event_id":"2",{user},"page":{{"url":"https://shop.example/"}}}}"#
        ),
        format!(
            r#"{{"event":"Qualified","event_time":1787234709,"event_id":"3",{user},"lead":{{"lead_id":"7400000000000000001"}}}}"#
        ),
        format!(r#"{{"event":"Login","event_time":1787234709,"event_id":"4",{user},"app":{{"app_id":"com.shop"}}}}"#),
        format!(
            r#"{{"event":"Lead","event_time":1787234709,"event_id":"5",{user},"page":{{"url":"https://shop.example/"}}}}"#
        ),
    ];
    assert_eq!(arrived(&server), expected);
}

/// Rows that nothing identifies are no event together: each counts against the threshold.
#[test]
fn folded_rows_without_an_id_are_refused_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.as_of = '2026-08-20T14:10:00Z'; SET postback.currency = 'USD'; SET postback.fold = 'contents';
        SELECT 'Purchase' AS event, 1787234709 AS timestamp, 'person' || value || '@b.example' AS email,
               CASE WHEN value <= 10 THEN value END AS order_id, 'x' AS content_id, 1.5 AS price, 1 AS quantity
        FROM generate_series(1, 100)";
    let path = crate::server::file(folder.path(), "fold.sql", sql);
    let server = Server::answering([Answer::ok(OK)]);
    let said = said(&mut postback(&["run", &path, "--base-url", &server.url, "--format", "json"]));
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert!(server.requests().is_empty(), "90 of 100 events are over the threshold");
    let account: Value = serde_json::from_str(&said.stdout).unwrap();
    let place = |name: &str| account[name].as_u64().unwrap();
    assert_eq!((place("rows"), place("folded"), place("events"), place("rejected")), (100, 0, 100, 90));
    let faults = account["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((&faults[0]["code"], &faults[0]["events"]), (&Value::from("PB3102"), &Value::from(90)));
}

/// What reads a local clock is let be, and so is UTC where that is the zone.
#[test]
fn times_that_keep_their_meaning_pass() {
    let folder = tempfile::tempdir().unwrap();
    for (zone, time, expected) in [
        ("America/Los_Angeles", "'2026-08-20 07:05:09'", 1_787_234_709),
        ("America/Los_Angeles", "to_timestamp('20.08.2026 07:05:09', '%d.%m.%Y %H:%M:%S')", 1_787_234_709),
        ("America/Los_Angeles", "TIMESTAMP '2026-08-20 07:05:09'", 1_787_234_709),
        ("America/Los_Angeles", "iso8601('2026-08-20T14:05:09Z')", 1_787_234_709),
        ("UTC", "to_timestamp(1787234709)", 1_787_234_709),
        ("America/Los_Angeles", "to_timestamp(1787234709)", 1_787_234_709),
        ("America/Los_Angeles", "to_timestamp(ts)", 1_787_234_709),
        ("UTC", "to_timestamp(ts)", 1_787_234_709),
    ] {
        let sql = format!(
            "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
            SET postback.as_of = '2026-08-20T14:10:00Z'; SET postback.timezone = '{zone}';
            SELECT 'Lead' AS event, {time} AS timestamp, email
            FROM (VALUES ('a@b.example', '2026-08-20T16:05:09+02:00')) AS t (email, ts)"
        );
        let path = crate::server::file(folder.path(), "time.sql", sql);
        let server = Server::answering([Answer::ok(OK)]);
        let said = said(&mut postback(&["run", &path, "--base-url", &server.url]));
        assert_eq!(said.code, 0, "{time}: {}", said.stderr);
        let event: Value = serde_json::from_str(&arrived(&server)[0]).unwrap();
        assert_eq!(event["event_time"], expected, "{zone} {time}");
    }
}
