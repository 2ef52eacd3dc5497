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
    said.stdout.replace(folder.path().to_str().unwrap(), "[folder]")
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
    ), @r"
    error[PB2007]: `email` is the same constant for every row
     --> query.sql:8:5
      |
    8 |    ,'mc.email' AS email
      |     ^^^^^^^^^^
      |
      = note: one identity on every row attributes all events to one person; usually a column name in quotes
      = help: remove the quotes if you mean the column mc.email

    1 file: 1 error
    postback explain CODE says more: PB2007 constant-identity
    ");
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
    ), @r"
    error[PB2018]: `C4CH1N00K5AMPLE00001` is not an offline event set id of digits
     --> query.sql:2:32
      |
    2 | SET postback.event_source_id = 'C4CH1N00K5AMPLE00001';
      |                                ^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: offline event set ids are digits, and TikTok refuses a pixel code for offline events
      = help: copy the id from Events Manager; check that it belongs to the event source

    error[PB2008]: `purchase` is no event name
     --> query.sql:4:3
      |
    4 |   'purchase' AS event,
      |   ^^^^^^^^^^
      |
      = note: event names are case-sensitive, and a misspelt one counts as a different event or is refused
      = help: did you mean 'Purchase'?

    error[PB2011]: `timestamp` has no time zone, and postback.timezone is not set
     --> query.sql:6:3
      |
    6 |   ordered_at AS timestamp,
      |   ^^^^^^^^^^
      |
      = note: a time without a zone is hours off unless the zone is known
      = help: `SET postback.timezone = 'Area/City'`, or return a timestamp with a time zone

    error[PB2001]: `emial` is no column of the contract
     --> query.sql:7:17
      |
    7 |   email      AS emial,
      |                 ^^^^^
      |
      = note: a column that the contract does not know would be lost in silence
      = help: did you mean `email`? A name that starts with `_` is carried along and not sent

    error[PB2010]: `phone` is hashed with md5, and TikTok matches SHA-256 only
     --> query.sql:8:3
      |
    8 |   md5(phone) AS phone,
      |   ^^^^^^^^^^
      |
      = note: a digest that TikTok did not make the same way, of the normalised value with SHA-256 in lower-case hex, matches nobody
      = help: return the plain value, which is normalised and hashed before it leaves the machine, or use `hash_email` and `hash_phone`

    warning[PB2014]: `value` comes without a currency
     --> query.sql:9:3
      |
    9 |   total      AS value,
      |   ^^^^^
      |
      = note: TikTok reports no revenue for a value without a currency
      = help: select a column `currency`, or `SET postback.currency = 'USD';`

    error[PB2009]: `store` is no value for `event_channel`
      --> query.sql:10:3
       |
    10 |   'store'    AS event_channel
       |   ^^^^^^^
       |
       = note: the field takes one of a closed set of values
       = help: one of: email, website, phone_call, in_store, crm, other

    warning[PB2021]: LIMIT without ORDER BY: which rows are left is a matter of chance
      --> query.sql:12:7
       |
    12 | LIMIT 100
       |       ^^^
       |
       = note: LIMIT without ORDER BY may pick other rows each time, so that a run cannot be repeated
       = help: add ORDER BY over columns that are unique

    1 file: 6 errors, 2 warnings
    postback explain CODE says more: PB2001 unknown-column, PB2008 event-name-misspelt, PB2009 literal-not-in-set, PB2010 digest-in-sql, PB2011 zoneless-timestamp, PB2014 value-without-currency, PB2018 odd-event-source-id, PB2021 limit-without-order
    ");
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
    ), @r"
    error[PB2009]: `Usd` is no currency of the Events API
     --> query.sql:5:41
      |
    5 | SELECT order_id, paid_at, email, total, 'Usd' AS currency FROM 'orders.csv';
      |                                         ^^^^^
      |
      = note: the field takes one of a closed set of values
      = help: write 'USD'

    error[PB2007]: `email` is the same constant for every row
     --> query.sql:8:50
      |
    8 |   SELECT 'Purchase' AS event, order_id, paid_at, 'mail' AS mail, total, currency FROM shops
      |                                                  ^^^^^^
      |
      = note: one identity on every row attributes all events to one person; usually a column name in quotes
      = help: remove the quotes if you mean the column mail

    error[PB2008]: `PURCHASE` is no event name
      --> query.sql:10:10
       |
    10 |   SELECT 'PURCHASE', order_id, paid_at, email, total, currency FROM shops
       |          ^^^^^^^^^^
       |
       = note: event names are case-sensitive, and a misspelt one counts as a different event or is refused
       = help: did you mean 'Purchase'?

    1 file: 3 errors
    postback explain CODE says more: PB2007 constant-identity, PB2008 event-name-misspelt, PB2009 literal-not-in-set
    ");
}

#[test]
fn names_that_do_not_exist() {
    assert_snapshot!(shown_offline(
        "SELECT 'Purchase' AS event, order_id, paid_at AS timestamp, emial AS email, e146(phone) AS phone
FROM 'orders.csv'
WHERE shop = 'berlin'"
    ), @r"
    error[PB1002]: no column `emial`
     --> query.sql:4:61
      |
    4 | SELECT 'Purchase' AS event, order_id, paid_at AS timestamp, emial AS email, e146(phone) AS phone
      |                                                             ^^^^^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: did you mean `email`?

    error[PB1002]: no function `e146`
     --> query.sql:4:77
      |
    4 | SELECT 'Purchase' AS event, order_id, paid_at AS timestamp, emial AS email, e146(phone) AS phone
      |                                                                             ^^^^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: did you mean `e164`?

    error[PB1002]: no column `shop`
     --> query.sql:6:7
      |
    6 | WHERE shop = 'berlin'
      |       ^^^^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: the columns are order_id, customer_id, email, phone, ordered_at, paid_at, total, store

    1 file: 3 errors
    postback explain CODE says more: PB1002 sql-unusable
    ");
}

#[test]
fn settings_and_parameters() {
    assert_snapshot!(shown(
        "SET postback.event_source = 'store';
SET postback.event_source_id = '7654321098765432109';
SET postback.time_zone = 'Europe/Berlin';
SELECT 'Purchase' AS event, order_id, paid_at AS timestamp, email FROM 'orders.csv' WHERE paid_at >= $since"
    ), @r"
    error[PB1001]: `store` is no value for postback.event_source
     --> query.sql:1:29
      |
    1 | SET postback.event_source = 'store';
      |                             ^^^^^^^
      |
      = note: a setting or parameter that cannot be used would make the run mean something else
      = help: expected: offline | web | app | crm

    error[PB1001]: unknown setting `postback.time_zone`
     --> query.sql:3:5
      |
    3 | SET postback.time_zone = 'Europe/Berlin';
      |     ^^^^^^^^^^^^^^^^^^
      |
      = note: a setting or parameter that cannot be used would make the run mean something else
      = help: did you mean postback.timezone?

    error[PB1001]: the parameter `$since` has no value
     --> query.sql:4:102
      |
    4 | SELECT 'Purchase' AS event, order_id, paid_at AS timestamp, email FROM 'orders.csv' WHERE paid_at >= $since
      |                                                                                                      ^^^^^^
      |
      = note: a setting or parameter that cannot be used would make the run mean something else
      = help: add --param since=…

    1 file: 3 errors
    postback explain CODE says more: PB1001 setting-unusable
    ");
}

#[test]
fn a_secret_is_not_shown() {
    let shown = shown_offline(
        "-- Reads with access token 0123456789abcdef0123456789abcdef01234567
SELECT 'AKIAIOSFODNN7EXAMPLE' AS _key, 'purchase' AS event, order_id, paid_at AS timestamp, email FROM 'orders.csv'",
    );
    assert!(!shown.contains("AKIA") && !shown.contains("89abcdef"), "{shown}");
    assert_snapshot!(shown, @r"
    error[PB2015]: the file holds an access token
     --> query.sql:4:28
      |
    4 | -- Reads with access token ****************************************
      |                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: query files are committed, mailed and shown in reviews, and whoever reads a token can send as you
      = help: take it out and revoke it; TikTok's token goes into POSTBACK_ACCESS_TOKEN or the file of --token-file

    error[PB2015]: the file holds an AWS access key
     --> query.sql:5:8
      |
    5 | SELECT '********************' AS _key, 'purchase' AS event, order_id, paid_at AS timestamp, email FROM 'orders.csv'
      |        ^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: query files are committed, mailed and shown in reviews, and whoever reads a token can send as you
      = help: take it out and deactivate the key; keys of buckets belong in the environment or in a profile

    error[PB2008]: `purchase` is no event name
     --> query.sql:5:40
      |
    5 | SELECT '********************' AS _key, 'purchase' AS event, order_id, paid_at AS timestamp, email FROM 'orders.csv'
      |                                        ^^^^^^^^^^
      |
      = note: event names are case-sensitive, and a misspelt one counts as a different event or is refused
      = help: did you mean 'Purchase'?

    1 file: 3 errors
    postback explain CODE says more: PB2008 event-name-misspelt, PB2015 secret-in-sql
    ");
}

#[test]
fn what_web_events_lack() {
    assert_snapshot!(shown(
        "SET postback.event_source = 'web';
SET postback.event_source_id = 'C4CH1N00K5AMPLE00001';
SELECT 'Lead' AS event, email, store AS lead_id FROM 'orders.csv'"
    ), @r"
    error[PB2003]: the required column `timestamp` is missing
     --> query.sql:3:1
      |
    3 | SELECT 'Lead' AS event, email, store AS lead_id FROM 'orders.csv'
      | ^^^^^^
      |
      = note: the event source refuses events without this field
      = help: select the time of the event AS timestamp

    error[PB2003]: the column `page_url`, required for web events, is missing
     --> query.sql:3:1
      |
    3 | SELECT 'Lead' AS event, email, store AS lead_id FROM 'orders.csv'
      | ^^^^^^
      |
      = note: the event source refuses events without this field
      = help: select its value AS page_url: URL of the page with its parameters

    warning[PB2006]: `lead_id` is not part of web events and is not sent
     --> query.sql:3:32
      |
    3 | SELECT 'Lead' AS event, email, store AS lead_id FROM 'orders.csv'
      |                                ^^^^^
      |
      = note: the event source does not take this field, so it is not sent
      = help: leave the column out, or check `postback.event_source`

    1 file: 2 errors, 1 warning
    postback explain CODE says more: PB2003 required-column-missing, PB2006 column-not-for-source
    ");
}

#[test]
fn one_row_an_order_line() {
    assert_snapshot!(shown_offline(
        "SELECT 'Purchase' AS event, o.order_id, o.paid_at AS timestamp, c.email, 'USD' AS currency,
  l.sku AS content_id, l.unit_price AS price, l.pieces AS quantity
FROM 'orders.csv' o
JOIN 'lines.csv' l ON l.order_id = o.order_id
LEFT JOIN 'customers.csv' c ON c.customer_id = o.customer_id"
    ), @r"
    warning[PB2013]: several rows probably share one `order_id`: the item columns differ from line to line
     --> query.sql:4:29
      |
    4 | SELECT 'Purchase' AS event, o.order_id, o.paid_at AS timestamp, c.email, 'USD' AS currency,
      |                             ^^^^^^^^^^
      |
      = note: TikTok keeps one event per event id, so of an order that spans several rows all but one line would be lost
      = help: `SET postback.fold = 'contents'` makes one event of an order's lines; GROUP BY the order if it has one row anyway

    1 file: 1 warning
    postback explain CODE says more: PB2013 probable-row-per-line
    ");
}

#[test]
fn files_that_do_not_exist() {
    assert_snapshot!(shown_offline(
        "SELECT 'Purchase' AS event, o.order_id, o.paid_at AS timestamp, c.email
FROM 'order.csv' o LEFT JOIN 'exports/*.parquet' c ON c.customer_id = o.customer_id"
    ), @r"
    error[PB1003]: no such file: `order.csv`
     --> query.sql:5:6
      |
    5 | FROM 'order.csv' o LEFT JOIN 'exports/*.parquet' c ON c.customer_id = o.customer_id
      |      ^^^^^^^^^^^
      |
      = note: a source that is missing, empty or unreadable would make a run look complete that is not
      = help: did you mean `orders.csv`? looked in [folder]; relative paths start from the query file's folder

    error[PB1003]: no file matches `exports/*.parquet`
     --> query.sql:5:30
      |
    5 | FROM 'order.csv' o LEFT JOIN 'exports/*.parquet' c ON c.customer_id = o.customer_id
      |                              ^^^^^^^^^^^^^^^^^^^
      |
      = note: a source that is missing, empty or unreadable would make a run look complete that is not
      = help: looked in [folder], which has no folder `exports`; relative paths start from the query file's folder

    1 file: 2 errors
    postback explain CODE says more: PB1003 source-unusable
    ");
}

#[test]
fn nothing_to_find() {
    assert_snapshot!(shown_offline(
        "SELECT 'Purchase' AS event, order_id, paid_at AS timestamp, email, total AS value, 'USD' AS currency FROM 'orders.csv'"
    ), @r"
    query.sql: 6 columns from orders.csv
      orders.csv: CSV, 1 file of 150 B
    1 file: no problems found
    ");
}
