//! What `postback check` shows people, to the letter.

use insta::assert_snapshot;

use crate::server::{file, postback, said};

const OFFLINE: &str = "SET postback.event_source = 'offline';
SET postback.event_source_id = '7654321098765432109';
SET postback.timezone = 'America/Los_Angeles';
";

/// What `check` says of the query `sql`, beside a file of orders, a file of their lines and one of customers.
fn shown(sql: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    file(
        folder.path(),
        "orders.csv",
        "order_id,customer_id,email,phone,ordered_at,paid_at,total,store\n\
         4711,c1,a@b.example,+12065550100,2026-08-20T14:10:00,2026-08-20T14:10:00Z,5.25,berlin\n",
    );
    file(folder.path(), "lines.csv", "order_id,sku,unit_price,pieces\n4711,sku-1,5.25,1\n");
    file(folder.path(), "customers.csv", "customer_id,email\nc1,a@b.example\n");
    file(folder.path(), "query.sql", sql);
    let said = said(postback(&["check", "query.sql"]).current_dir(folder.path()));
    assert_eq!(said.stderr, "", "{}", said.stdout);
    assert_eq!(said.code == 0, !said.stdout.contains("error"), "{}", said.stdout);
    said.stdout
}

fn shown_offline(sql: &str) -> String {
    shown(&format!("{OFFLINE}{sql}"))
}

#[test]
fn a_name_in_quotes() {
    assert_snapshot!(shown_offline(
        "SELECT
   'Purchase' AS event
   ,o.order_id AS order_id
   ,o.paid_at AS timestamp
   ,'mc.email' AS email
FROM 'orders.csv' o"
    ), @"");
}

#[test]
fn everything_at_once() {
    assert_snapshot!(shown(
        "SET postback.event_source = 'offline';
SET postback.event_source_id = 'C4CH1N00K5AMPLE00001';
SELECT
  'purchase' AS event,
  order_id,
  ordered_at AS timestamp,
  email      AS emial,
  md5(phone) AS phone,
  total      AS value,
  'store'    AS event_channel
FROM 'orders.csv'
LIMIT 100"
    ), @"");
}

#[test]
fn through_a_view_and_the_branches_of_a_union() {
    assert_snapshot!(shown_offline(
        "CREATE VIEW shops AS
SELECT order_id, paid_at, email, total, 'Usd' AS currency FROM 'orders.csv';

WITH both AS (
  SELECT 'Purchase' AS event, order_id, paid_at, 'mail' AS mail, total, currency FROM shops
  UNION ALL
  SELECT 'PURCHASE', order_id, paid_at, email, total, currency FROM shops
)
SELECT event, order_id, paid_at AS timestamp, mail AS email, total AS value, currency FROM both"
    ), @"");
}

#[test]
fn names_that_do_not_exist() {
    assert_snapshot!(shown_offline(
        "SELECT 'Purchase' AS event, order_id, paid_at AS timestamp, emial AS email, e146(phone) AS phone
FROM 'orders.csv'
WHERE shop = 'berlin'"
    ), @"");
}

#[test]
fn settings_and_parameters() {
    assert_snapshot!(shown(
        "SET postback.event_source = 'store';
SET postback.event_source_id = '7654321098765432109';
SET postback.time_zone = 'Europe/Berlin';
SELECT 'Purchase' AS event, order_id, paid_at AS timestamp, email FROM 'orders.csv' WHERE paid_at >= $since"
    ), @"");
}

#[test]
fn a_secret_is_not_shown() {
    let shown = shown_offline(
        "-- Reads with access token 0123456789abcdef0123456789abcdef01234567
SELECT 'AKIAIOSFODNN7EXAMPLE' AS _key, 'purchase' AS event, order_id, paid_at AS timestamp, email FROM 'orders.csv'",
    );
    assert!(!shown.contains("AKIA") && !shown.contains("89abcdef"), "{shown}");
    assert_snapshot!(shown, @"");
}

#[test]
fn what_web_events_lack() {
    assert_snapshot!(shown(
        "SET postback.event_source = 'web';
SET postback.event_source_id = 'C4CH1N00K5AMPLE00001';
SELECT 'Lead' AS event, email, store AS lead_id FROM 'orders.csv'"
    ), @"");
}

#[test]
fn one_row_an_order_line() {
    assert_snapshot!(shown_offline(
        "SELECT 'Purchase' AS event, o.order_id, o.paid_at AS timestamp, c.email, 'USD' AS currency,
  l.sku AS content_id, l.unit_price AS price, l.pieces AS quantity
FROM 'orders.csv' o
JOIN 'lines.csv' l ON l.order_id = o.order_id
LEFT JOIN 'customers.csv' c ON c.customer_id = o.customer_id"
    ), @"");
}

#[test]
fn files_that_do_not_exist() {
    assert_snapshot!(shown_offline(
        "SELECT 'Purchase' AS event, o.order_id, o.paid_at AS timestamp, c.email
FROM 'order.csv' o LEFT JOIN 'exports/*.parquet' c ON c.customer_id = o.customer_id"
    ), @"");
}

#[test]
fn nothing_to_find() {
    assert_snapshot!(shown_offline(
        "SELECT 'Purchase' AS event, order_id, paid_at AS timestamp, email, total AS value, 'USD' AS currency FROM 'orders.csv'"
    ), @"");
}
