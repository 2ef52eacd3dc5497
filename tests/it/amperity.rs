//! The example query of Amperity's documentation: what is wrong with it, and that the fixes it is given make it run.

use serde_json::Value;

use crate::server::{Said, file, golden, postback, root, said};

/// Amperity's tables, made of the Chinook ones.
const TABLES: &str = "
CREATE VIEW unified_itemized_transactions AS
SELECT
  i.customer_id                  AS amperity_id,
  CAST(i.invoice_id AS VARCHAR)  AS order_id,
  i.invoice_date                 AS order_datetime,
  i.billing_country              AS store_id,
  t.track_id                     AS product_id,
  t.track                        AS product_name,
  t.genre                        AS product_category,
  l.quantity                     AS item_quantity,
  l.unit_price                   AS item_price,
  l.unit_price * l.quantity      AS item_revenue
FROM '[root]/queries/data/chinook/invoice_lines.parquet' l
JOIN '[root]/queries/data/chinook/invoices.parquet' i ON i.invoice_id = l.invoice_id
JOIN '[root]/queries/data/chinook/tracks.csv' t ON t.track_id = CAST(l.track_id AS VARCHAR);

CREATE VIEW merged_customers AS
SELECT CAST(customer_id AS BIGINT) AS amperity_id, email, phone FROM '[root]/queries/data/chinook/customers.csv';
";

/// The columns of the documentation, with the literal that stands for the address and one row an order line.
const PUBLISHED: &str = "
SELECT
  'ACME Essentials' AS brand
  ,uit.product_category AS content_category
  ,uit.product_id AS content_id
  ,uit.product_name AS content_name
  ,'product' AS content_type
  ,'USD' AS currency
  ,'mc.email' AS email
  ,'CompletePayment' AS event
  ,'website' AS event_channel
  ,CAST(uit.order_id AS VARCHAR) AS event_id
  ,'7654321098765432109' AS event_set_id
  ,uit.order_id
  ,CONCAT('+1', '', REGEXP_REPLACE(mc.phone, '[^0-9]', '', 'g')) AS phone
  ,uit.item_price AS price
  ,uit.item_quantity AS quantity
  ,uit.store_id AS shop_id
  ,uit.order_datetime AS timestamp
  ,CAST(uit.item_revenue / uit.item_quantity AS DOUBLE) AS value
FROM Unified_Itemized_Transactions uit
LEFT JOIN Merged_Customers mc ON uit.amperity_id = mc.amperity_id
WHERE uit.order_datetime > (CURRENT_DATE - interval '7' day)
";

/// What the settings of Amperity's destination say.
const SETTINGS: &str = "SET postback.event_source = 'offline';
SET postback.timezone = 'America/Los_Angeles';
";

/// Runs `arguments` on the query of `text`, in a folder of its own.
fn told(text: &str, arguments: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let text = text.replace("[root]", root().to_str().unwrap());
    let query = file(folder.path(), "amperity.sql", text);
    let mut said = said(postback(&[&[arguments[0], &query], &arguments[1..]].concat()).current_dir(folder.path()));
    said.stderr = said.stderr.replace(folder.path().to_str().unwrap(), "[folder]");
    said.stdout = said.stdout.replace(folder.path().to_str().unwrap(), "[folder]");
    said
}

/// The codes of what is reported of the query of `text`, in their order, each with what it points at.
fn findings(text: &str) -> Vec<(String, String)> {
    let said = told(text, &["check", "--format", "json"]);
    let report: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}", said.stderr));
    let line = |number: &Value| text.lines().nth(usize::try_from(number.as_u64().unwrap()).unwrap() - 1).unwrap();
    let column = |number: &Value| usize::try_from(number.as_u64().unwrap()).unwrap() - 1;
    let diagnoses = report["files"][0]["diagnoses"].as_array().unwrap();
    diagnoses
        .iter()
        .map(|diagnosis| {
            let (start, end) = (column(&diagnosis["column"]), column(&diagnosis["end_column"]));
            (diagnosis["code"].as_str().unwrap().to_owned(), line(&diagnosis["line"])[start..end].to_owned())
        })
        .collect()
}

fn is(findings: &[(String, String)], expected: &[(&str, &str)]) {
    let found: Vec<_> = findings.iter().map(|(code, text)| (code.as_str(), text.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_published_query_has_the_two_mistakes_that_matter() {
    is(
        &findings(&format!("{SETTINGS}{TABLES}{PUBLISHED}")),
        &[("PB2007", "'mc.email'"), ("PB2013", "CAST(uit.order_id AS VARCHAR)")],
    );
}

#[test]
fn without_settings_it_also_lacks_the_source_and_the_zone() {
    is(
        &findings(&format!("{TABLES}{PUBLISHED}")),
        &[
            ("PB2003", "SELECT"),
            ("PB2007", "'mc.email'"),
            ("PB2013", "CAST(uit.order_id AS VARCHAR)"),
            ("PB2011", "uit.order_datetime"),
        ],
    );
}

#[test]
fn the_fixes_it_is_given_make_it_run() {
    let fixed =
        format!("SET postback.fold = 'contents';\n{SETTINGS}{TABLES}{PUBLISHED}").replace("'mc.email'", "mc.email");
    is(&findings(&fixed), &[]);
    // Chinook ends in 2025: the days are fixed where the documentation counts back from today.
    let of_2025 = fixed.replace("(CURRENT_DATE - interval '7' day)", "TIMESTAMP '2025-12-01T00:00:00'");
    let of_2025 = format!("SET postback.as_of = '2025-12-23T00:00:00Z';\n{of_2025}");
    let said = told(&of_2025, &["run", "--sandbox", "--format", "json"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let account: Value = serde_json::from_str(&said.stdout).unwrap();
    let expected: Value = serde_json::from_str(&golden("expected.json")).unwrap();
    for place in ["rows", "events", "folded", "accepted", "rejected"] {
        assert_eq!(account[place], expected["amperity_purchases"][place], "{place}: {}", said.stdout);
    }
}
