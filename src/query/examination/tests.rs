//! Queries over small files, with the rules they break and the words that are underlined.

use std::fs;

use super::*;

mod times;

const ORDERS: &str = "order_id,email,phone,ordered_at,total\n7,a@b.example,+442071838750,2025-12-05T10:15:00Z,5.50\n";
const LINES: &str = "order_id,line_no,sku,price,quantity\n7,1,A1,2.50,1\n7,2,B2,3.00,1\n";
const SETTINGS: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';\n";
/// The columns of a sound query.
const SOUND: &str = "'Purchase' AS event, order_id, ordered_at AS timestamp";

/// What `sql` breaks: each code, with what is underlined.
fn broken(sql: &str) -> Vec<(String, String)> {
    let (diagnoses, is_checked) = examined(sql);
    assert_eq!(is_checked, !diagnoses.iter().any(Diagnosis::is_error), "{sql}: {diagnoses:#?}");
    let underlined = |location: &crate::error::Location| {
        let skipped = usize::try_from(location.column - 1).unwrap();
        location.text.chars().skip(skipped).take(usize::try_from(location.width).unwrap()).collect()
    };
    let shown = |diagnosis: Diagnosis| {
        (diagnosis.rule.code.to_owned(), diagnosis.location.as_ref().map(underlined).unwrap_or_default())
    };
    diagnoses.into_iter().map(shown).collect()
}

fn examined(sql: &str) -> (Vec<Diagnosis>, bool) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("orders.csv"), ORDERS).unwrap();
    fs::write(folder.path().join("lines.csv"), LINES).unwrap();
    let path = folder.path().join("query.sql");
    fs::write(&path, sql).unwrap();
    let spill_folder = folder.path().to_owned();
    let resources = Resources { memory_limit: 64 << 20, partitions: 1, spill_folder };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let examination = runtime.block_on(examine_path(&path, &Settings::default(), &Parameters::default(), &resources));
    (examination.diagnoses, examination.checked.is_some())
}

/// Asserts what `sql`, behind the usual settings, breaks.
fn breaks(sql: &str, expected: &[(&str, &str)]) {
    let found = broken(&format!("{SETTINGS}{sql}"));
    let found: Vec<(&str, &str)> = found.iter().map(|(code, text)| (code.as_str(), text.as_str())).collect();
    assert_eq!(found, expected, "{sql}");
}

#[test]
fn sound_queries_break_nothing() {
    for sql in [
        format!("SELECT {SOUND}, email FROM 'orders.csv'"),
        format!("WITH o AS (SELECT * FROM 'orders.csv') SELECT {SOUND}, lower(trim(email)) AS email FROM o"),
        format!("SELECT {SOUND}, encode(sha256(lower(trim(email))), 'hex') AS email FROM 'orders.csv'"),
        format!("SELECT DISTINCT {SOUND}, o.email FROM 'orders.csv' o ORDER BY order_id LIMIT 5"),
        "SELECT 'Purchase' AS event, o.order_id, max(o.ordered_at) AS timestamp, min(o.email) AS email,
           min(l.sku) AS content_id FROM 'orders.csv' o JOIN 'lines.csv' l ON l.order_id = o.order_id GROUP BY o.order_id"
            .into(),
        "SELECT 'Purchase' AS event, o.order_id, o.ordered_at AS timestamp, o.email, l.sku AS content_id
         FROM 'orders.csv' o JOIN (SELECT *, row_number() OVER (PARTITION BY order_id ORDER BY line_no) AS n FROM 'lines.csv') l
           ON l.order_id = o.order_id WHERE l.n = 1"
            .into(),
        format!("SELECT {SOUND}, email FROM 'orders.csv' WHERE EXISTS (SELECT 1 FROM 'lines.csv' LIMIT 1)"),
        format!("SELECT {SOUND}, email, 'A1' AS content_id, 5 AS price, 1 AS quantity, 'USD' AS currency FROM 'orders.csv'"),
        "INSERT INTO postback.events (event, order_id, timestamp, email)
         VALUES ('Purchase', '1', '2025-12-05T10:15:00Z', 'a@b.example'), ('Purchase', '2', '2025-12-05T10:16:00Z', 'c@d.example')"
            .into(),
    ] {
        breaks(&sql, &[]);
    }
}

#[test]
fn findings_point_at_what_makes_the_column() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        (
            "SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, 'mc.email' AS email FROM 'orders.csv'",
            &[("PB2007", "'mc.email'")],
        ),
        (
            "WITH o AS (SELECT *, 'mc.email' AS address FROM 'orders.csv')
             SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, address AS email FROM o",
            &[("PB2007", "'mc.email'")],
        ),
        (
            "CREATE VIEW o AS SELECT 'purchase' AS event, order_id, ordered_at AS timestamp, email FROM 'orders.csv';
             SELECT * FROM o",
            &[("PB2008", "'purchase'")],
        ),
        (
            "SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email FROM 'orders.csv'
             UNION ALL SELECT 'purchase', order_id, ordered_at, email FROM 'orders.csv'",
            &[("PB2008", "'purchase'")],
        ),
        (
            "SELECT e.name AS event, order_id, ordered_at AS timestamp, email
             FROM 'orders.csv' CROSS JOIN (VALUES ('purchase')) AS e (name)",
            &[("PB2008", "'purchase'")],
        ),
        (
            "SELECT min('purchase') AS event, order_id, min(ordered_at) AS timestamp, min(email) AS email
             FROM 'orders.csv' GROUP BY order_id",
            &[("PB2008", "min('purchase')")],
        ),
        (
            "SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email AS emial, phone FROM 'orders.csv'",
            &[("PB2001", "emial")],
        ),
        (
            "SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email, o.total FROM 'orders.csv' o",
            &[("PB2001", "o.total")],
        ),
        ("SELECT *, 'Purchase' AS event, ordered_at AS timestamp FROM 'orders.csv'", &[
            ("PB2001", "*"),
            ("PB2001", "*"),
        ]),
        (
            "SELECT 'Purchase' AS event, uuid() AS event_id, date_trunc('day', now()) AS timestamp, email FROM 'orders.csv'",
            &[
                ("PB2012", "uuid()"),
                ("PB2020", "date_trunc('day', now())"),
                ("PB2012", "now()")],
        ),
        (
            "SELECT 'Purchase' AS event, order_id, CAST(ordered_at AS DATE) AS timestamp, email FROM 'orders.csv'",
            &[("PB2011", "CAST(ordered_at AS DATE)")],
        ),
        (
            "SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, md5(email) AS email FROM 'orders.csv'",
            &[("PB2010", "md5(email)")],
        ),
        (
            "WITH h AS (SELECT *, sha256(email) AS d FROM 'orders.csv')
             SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, encode(d, 'base64') AS email FROM h",
            &[("PB2010", "encode(d, 'base64')")],
        ),
        (
            "SELECT 'Purchase' AS event, o.order_id AS order_id, ordered_at AS timestamp, email, sku AS content_id
             FROM 'orders.csv' o JOIN 'lines.csv' l ON l.order_id = o.order_id",
            &[("PB2013", "o.order_id")],
        ),
        (
            "SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email FROM 'orders.csv' LIMIT 10",
            &[("PB2021", "10")],
        ),
        (
            "SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, CAST(NULL AS VARCHAR) AS email FROM 'orders.csv'",
            &[("PB2019", "CAST(NULL AS VARCHAR)")],
        ),
        (
            "SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email, total > 5 AS value, 'USD' AS currency
             FROM 'orders.csv'",
            &[("PB2005", "total > 5")],
        ),
        ("SELECT 'Purchase' AS event, order_id, email FROM 'orders.csv'", &[("PB2003", "SELECT")]),
    ];
    for (sql, expected) in cases {
        breaks(sql, expected);
    }
}

#[test]
fn a_setting_is_pointed_at_by_its_value_or_by_the_name_that_is_none() {
    let found = broken(&format!(
        "SET postback.event_source = 'offline'; SET postback.event_source_id = 'C4CH1N00K5AMPLE00001';
         SET postback.fold_valeu = 'x'; SET datafusion.nonsense = 1; COPY (SELECT 1) TO 'x.csv';
         SELECT {SOUND}, emial AS email FROM 'orders.csv' WHERE totl > 5"
    ));
    let codes: Vec<(&str, &str)> = found.iter().map(|(code, text)| (code.as_str(), text.as_str())).collect();
    assert_eq!(
        codes,
        [
            ("PB2018", "'C4CH1N00K5AMPLE00001'"),
            ("PB1001", "postback.fold_valeu"),
            ("PB1001", "datafusion.nonsense"),
            ("PB1002", "COPY"),
            ("PB1002", "emial"),
            ("PB1002", "totl"),
        ]
    );
}

#[test]
fn errors_are_told_beside_findings_and_what_follows_from_them_is_not() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        (
            "SELECT 'purchase' AS event, order_id, lower(emial) AS email, e146(phone) AS phone, ordered_at AS timestamp
             FROM 'orders.csv' WHERE totl > 5 AND $since < ordered_at",
            &[
                ("PB2008", "'purchase'"),
                ("PB1002", "emial"),
                ("PB1002", "e146"),
                ("PB1002", "totl"),
                ("PB1001", "$since"),
            ],
        ),
        (
            "WITH o AS (SELECT order_id, emial AS email, ordered_at FROM 'orders.csv')
             SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, upper(email) AS email, sum(email) AS value, 'USD' AS currency FROM o
             GROUP BY order_id, ordered_at, email",
            &[("PB1002", "emial")],
        ),
        (
            "SELECT 'purchase' AS event, order_id, ordered_at AS timestamp, email FROM 'ordres.csv'",
            &[("PB2008", "'purchase'"), ("PB1003", "'ordres.csv'")],
        ),
        ("SELECT 'purchase' AS event, o.* FROM ordres o", &[("PB2008", "'purchase'"), ("PB1002", "ordres")]),
        (
            "SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email, sum(email) AS value, 'usd' AS currency
             FROM 'orders.csv' GROUP BY order_id, ordered_at, email",
            &[("PB1002", "sum"), ("PB2009", "'usd'")],
        ),
    ];
    for (sql, expected) in cases {
        breaks(sql, expected);
    }
}

#[test]
fn a_secret_is_found_and_in_no_text() {
    let sql = format!(
        "SET postback.access_token = 'canary5e7d';\n-- AKIAIOSFODNN7EXAMPLE\nSELECT {SOUND}, email FROM 's3://k:canary5e7d@b/x.csv'"
    );
    let (diagnoses, _) = examined(&sql);
    assert_eq!(diagnoses.iter().filter(|diagnosis| diagnosis.rule.code == "PB2015").count(), 3, "{diagnoses:#?}");
    assert!(!format!("{diagnoses:?}").contains("canary"), "{diagnoses:#?}");
    assert!(!format!("{diagnoses:?}").contains("AKIA"), "{diagnoses:#?}");
}

#[test]
fn a_file_without_a_query_or_one_that_does_not_parse_is_told() {
    let code = |sql: &str| broken(sql).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(code(""), ["PB1002"]);
    let several = code("DELETE FROM a; COPY (SELECT 1) TO 'x.csv'; SELECT 1 AS _one; SELECT 2 AS _two");
    assert_eq!(several.iter().filter(|code| *code == "PB1002").count(), 3, "{several:?}");
    assert_eq!(code("SELECT a b c FROM d"), ["PB1002"]);
}

/// One expression in the place of a column of a sound query, and what is wrong with it.
#[test]
fn a_column_is_judged_by_how_it_is_made() {
    for (column, expression, codes) in [
        ("email", "upper(encode(sha256(lower(trim(email))), 'hex'))", &["PB2010"][..]),
        ("email", "encode(sha256(email), 'hex')", &["PB2010"]),
        ("email", "sha256(lower(trim(email)))", &["PB2010"]),
        ("email", "digest(email, 'md5')", &["PB2010"]),
        ("email", "CASE WHEN total > 1 THEN sha256(email) END", &["PB2010"]),
        ("email", "encode(digest(lower(trim(email)), 'sha256'), 'hex')", &[]),
        ("order_id", "'2025'", &["PB2017"]),
        ("order_id", "md5(order_id)", &[]),
        ("timestamp", "'abc'", &["PB2005"]),
        ("timestamp", "to_timestamp(ordered_at)", &[]),
        ("timestamp", "CAST(ordered_at AS TIMESTAMP)", &["PB2016"]),
        ("timestamp", "NULL", &["PB2019"]),
        ("event", "NULL", &["PB2019"]),
    ] {
        let columns =
            [("event", "'Purchase'"), ("order_id", "order_id"), ("timestamp", "ordered_at"), ("email", "email")];
        let items =
            columns.map(|(name, usual)| format!("{} AS {name}", if name == column { expression } else { usual }));
        let expected: Vec<_> = codes.iter().map(|code| (*code, expression)).collect();
        breaks(&format!("SELECT {} FROM 'orders.csv'", items.join(", ")), &expected);
    }
}

#[test]
fn a_byte_order_mark_shifts_no_place() {
    let sql = "\u{feff}SELECT 'purchase' AS event, order_id, ordered_at AS timestamp, email FROM 'orders.csv'";
    let (diagnoses, _) = examined(sql);
    let found = diagnoses.iter().find(|diagnosis| diagnosis.rule.code == "PB2003");
    let column = found.and_then(|diagnosis| diagnosis.location.as_ref()).map(|location| location.column);
    assert_eq!(column, Some(1), "{diagnoses:#?}");
}
