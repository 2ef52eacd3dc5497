//! What rows tell of money: whole quantities of any type, amounts finer than their currency, and no rows at all.

use crate::server::{file, postback, root, said};

const SETTINGS: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
SET postback.as_of = '2026-11-30T00:00:00Z';\n";

#[test]
fn a_whole_quantity_may_be_of_any_type_of_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let source = root().join("tests/data/money/quantities.parquet");
    let select = |quantity: &str| {
        let source = source.display();
        let query = format!(
            "{SETTINGS}SELECT 'Purchase' AS event, order_id, email, ts AS timestamp, price, {quantity} AS quantity,
               'S' AS content_id, 'USD' AS currency FROM '{source}'"
        );
        let query = file(folder.path(), "query.sql", query);
        said(&mut postback(&["preview", "--format", "ndjson", &query]))
    };
    let expected = select("q0");
    assert_eq!(expected.code, 0, "{}", expected.stderr);
    assert!(expected.stdout.contains("\"quantity\":"), "{}", expected.stdout);
    for quantity in [
        "q2",
        "q38",
        "qd",
        "CAST(q2 AS DECIMAL(38, 10))",
        "CAST(q2 AS DECIMAL(5, 1))",
        "CAST(q2 AS REAL)",
        "CAST(CAST(q2 AS INT) AS VARCHAR)",
        "CAST(q2 AS SMALLINT)",
        "arrow_cast(q2, 'Decimal256(60, 4)')",
        "arrow_cast(q2, 'UInt8')",
    ] {
        let said = select(quantity);
        assert_eq!((said.code, said.stdout), (0, expected.stdout.clone()), "{quantity}: {}", said.stderr);
    }
    for quantity in ["q2 + 0.5", "CAST(q2 AS DECIMAL(9, 3)) / 8", "qd * 0.3", "-q2", "q2 * 0"] {
        let said = select(quantity);
        assert!(said.stdout.contains("PB3055"), "{quantity}: {}{}", said.stdout, said.stderr);
    }
}

#[test]
fn amounts_finer_than_their_currency_are_sent_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let values = "VALUES (1, 1.251, 'EUR'), (2, 12.5, 'JPY'), (3, 1.25, 'EUR'), (4, 12, 'JPY'), (5, 1.251, 'KWD')";
    let query = format!(
        "{SETTINGS}SELECT 'Purchase' AS event, id AS order_id, concat('a', id, '@b.example') AS email, '2026-11-29T10:00:00Z' AS timestamp,
           value, currency FROM ({values}) AS v (id, value, currency) ORDER BY id"
    );
    let query = file(folder.path(), "query.sql", query);
    let said = said(postback(&["run", "--dry-run", &query]).current_dir(folder.path()));
    assert_eq!(said.code, 0, "{}", said.stderr);
    let told = format!("{}{}", said.stdout, said.stderr);
    assert!(told.contains("warning[PB3117]: `value` has more decimals than its currency"), "{told}");
    assert!(told.contains("2 events (rows 1, 2)"), "{told}");
}

#[test]
fn a_query_without_rows_says_so() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "orders.csv", "order_id,email,at\n1,a@b.example,2026-11-29T10:00:00Z\n");
    let run = |condition: &str| {
        let query = format!(
            "{SETTINGS}SELECT 'Purchase' AS event, order_id, email, at AS timestamp FROM 'orders.csv' WHERE {condition}"
        );
        let query = file(folder.path(), "query.sql", query);
        let said = said(postback(&["run", "--dry-run", &query]).current_dir(folder.path()));
        assert_eq!(said.code, 0, "{}", said.stderr);
        format!("{}{}", said.stdout, said.stderr)
    };
    for condition in ["order_id = 2", "email LIKE 'x%'", "email = NULL", "false", "email ~ '^A'"] {
        let told = run(condition);
        assert!(told.contains("warning[PB3118]: the query returned no rows"), "{condition}: {told}");
    }
    assert!(!run("order_id = 1").contains("PB3118"));
}

#[test]
fn digits_that_a_cast_rounds_away_are_told_by_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "order_id,email,at,note\n\
        1,a@b.example,2026-11-29T10:00:00Z,19.999\n2,b@b.example,2026-11-29T10:00:00Z,19.990\n";
    file(folder.path(), "orders.csv", rows);
    let run = |expression: &str| {
        let query = format!(
            "{SETTINGS}CREATE EXTERNAL TABLE o (order_id VARCHAR, email VARCHAR, at VARCHAR, note VARCHAR)
               STORED AS CSV LOCATION 'orders.csv' OPTIONS ('format.has_header' 'true');
             SELECT 'Purchase' AS event, order_id, email, at AS timestamp, {expression} AS value, 'USD' AS currency FROM o"
        );
        let query = file(folder.path(), "query.sql", query);
        let said = said(postback(&["run", "--dry-run", &query]).current_dir(folder.path()));
        assert_eq!(said.code, 0, "{expression}: {}", said.stderr);
        format!("{}{}", said.stdout, said.stderr)
    };
    for expression in [
        "CAST(note AS DECIMAL(18, 2))",
        "note::decimal(18, 2)",
        "TRY_CAST(note AS DECIMAL(10, 1))",
        "CAST(nullif(trim(note), '') AS DECIMAL(18, 2))",
        "CAST(note AS DECIMAL(18, 2)) * 2",
        "coalesce(TRY_CAST(note AS DECIMAL(18, 2)), 0)",
    ] {
        let told = run(expression);
        assert!(told.contains("warning[PB2026]: casts to DECIMAL("), "{expression}: {told}");
    }
    for expression in [
        "CAST(note AS DECIMAL(18, 3))",
        "round(CAST(note AS DECIMAL(18, 6)), 2)",
        "CAST(CAST(note AS DECIMAL(18, 6)) * 2 AS DECIMAL(18, 2))",
        "note",
    ] {
        let told = run(expression);
        assert!(!told.contains("PB2026"), "{expression}: {told}");
    }
}
