//! Texts of instants that lose their zone, and days that lose hours.

use super::*;

/// Which of the two refusals `expression` meets as the time of events, read from `table`.
fn refused(expression: &str, table: &str) -> String {
    let zone = "SET postback.timezone = 'America/New_York';\n";
    let sql =
        format!("{SETTINGS}{zone}SELECT 'Purchase' AS event, order_id, {expression} AS timestamp, email FROM {table}");
    let found = broken(&sql).into_iter().map(|(code, _)| code);
    found.filter(|code| code != "PB2020").collect::<Vec<_>>().join(" ")
}

#[test]
fn the_text_of_an_instant_that_is_cut_loses_its_zone() {
    for expression in [
        "substr(ordered_at::text, 1, 19)",
        "substring(CAST(ordered_at AS VARCHAR) FROM 1 FOR 19)",
        "left(ordered_at::text, 19)",
        "left(ordered_at::text, 10)",
        "split_part(ordered_at::text, 'Z', 1)",
        "split_part(ordered_at::text, '.', 1)",
        "replace(ordered_at::text, 'Z', '')",
        "regexp_replace(ordered_at::text, 'Z$', '')",
        "rtrim(ordered_at::text, 'Z')",
        "trim(TRAILING 'Z' FROM ordered_at::text)",
        "translate(ordered_at::text, 'TZ', ' ')",
        "to_timestamp(substr(ordered_at::text, 1, 19))",
        "left(ordered_at::text, 19)::timestamp",
        "TRY_CAST(left(ordered_at::text, 19) AS TIMESTAMP)",
        "replace(left(ordered_at::text, 19), 'T', ' ')",
        "coalesce(left(ordered_at::text, 19), email)",
        "CASE WHEN total > 1 THEN left(ordered_at::text, 19) ELSE ordered_at::text END",
        "left(CASE WHEN total > 1 THEN ordered_at::text END, 19)",
        "substr(ordered_at::text, 1, 10) || ' ' || substr(ordered_at::text, 12, 8)",
        "make_date(substr(ordered_at::text, 1, 4)::int, 11, 14)",
        "left((ordered_at AT TIME ZONE 'Europe/Berlin')::text, 19)",
        "left(arrow_cast(ordered_at, 'Utf8'), 19)",
        "left(to_timestamp(left(ordered_at::text, 19))::text, 20)",
    ] {
        assert_eq!(refused(expression, "'orders.csv'"), "PB2016", "{expression}");
    }
    let within = "(SELECT order_id, email, ordered_at::text AS t FROM 'orders.csv')";
    assert_eq!(refused("left(t, 19)", within), "PB2016");
    let either = "(SELECT order_id, email, email AS t FROM 'orders.csv'
                   UNION ALL SELECT order_id, email, ordered_at::text FROM 'orders.csv')";
    assert_eq!(refused("left(t, 19)", either), "PB2016");
}

#[test]
fn the_text_of_an_instant_that_stays_whole_keeps_its_zone() {
    for expression in [
        "ordered_at::text",
        "trim(ordered_at::text)",
        "lower(ordered_at::text)",
        "coalesce(ordered_at::text, email)",
        "nullif(ordered_at::text, '')",
        "replace(ordered_at::text, 'T', ' ')",
        "replace(ordered_at::text, 'Z', '+00:00')",
        "left(ordered_at::text, 19) || 'Z'",
        "concat(substr(ordered_at::text, 1, 19), '+00:00')",
        "left(ordered_at::text, 40)",
        "CASE WHEN left(ordered_at::text, 4) = '2025' THEN ordered_at END",
        "left(ordered_at::text, 19)::timestamp AT TIME ZONE 'UTC'",
        "to_timestamp(ordered_at::text)",
    ] {
        assert_eq!(refused(expression, "'orders.csv'"), "", "{expression}");
    }
    let within = "(SELECT order_id, email, ordered_at::text AS t FROM 'orders.csv')";
    assert_eq!(refused("left(t, 19) || 'Z'", within), "");
}

#[test]
fn days_lose_no_hours() {
    for (expression, expected) in [
        ("DATE '2025-11-02' - INTERVAL '36 hours'", "PB2022"),
        ("DATE '2025-11-02' + INTERVAL '1 day 2 hours'", "PB2022"),
        ("DATE '2025-11-02' + INTERVAL '90 minutes'", "PB2022"),
        ("DATE '2025-11-02' + INTERVAL '1 second'", "PB2022"),
        ("INTERVAL '12 hours' + DATE '2025-11-02'", "PB2022"),
        ("ordered_at::date + INTERVAL '12 hours'", "PB2022"),
        ("to_date('2025-11-02') + INTERVAL '12' HOUR", "PB2022"),
        ("CAST(ordered_at::date + INTERVAL '12 hours' AS TIMESTAMP)", "PB2022"),
        ("ordered_at::date + CAST(email AS INTERVAL)", "PB2022"),
        ("ordered_at::date + CASE WHEN total > 1 THEN INTERVAL '1 day' ELSE INTERVAL '1 hour' END", "PB2022"),
        ("generate_series(DATE '2025-11-02', DATE '2025-11-03', INTERVAL '12 hours')[2]", "PB2022"),
        ("DATE '2025-11-02' - INTERVAL '1 day'", ""),
        ("DATE '2025-11-02' - INTERVAL '48 hours'", ""),
        ("ordered_at::date + INTERVAL '1 month'", ""),
        ("CAST(DATE '2025-11-02' AS TIMESTAMP) - INTERVAL '36 hours'", ""),
        ("CAST(ordered_at::date AS TIMESTAMP) + INTERVAL '12 hours'", ""),
        ("ordered_at - INTERVAL '36 hours'", ""),
    ] {
        assert_eq!(refused(expression, "'orders.csv'"), expected, "{expression}");
    }
}
