//! Whole numbers beside floats, and codes that look like floats.

use crate::server::{Said, file, postback, said};

const BIG: &str = "9007199254740993";

fn sql(folder: &std::path::Path, query: &str) -> Said {
    said(postback(&["sql", query, "--format", "ndjson"]).current_dir(folder))
}

#[test]
fn a_whole_number_beside_a_float_keeps_its_digits_or_fails_the_query() {
    let folder = tempfile::tempdir().unwrap();
    for (id, is_held) in [(BIG, false), ("9007199254740992", true), ("17", true)] {
        file(folder.path(), "ids.ndjson", format!("{{\"n\":{id},\"f\":0.5}}\n"));
        for expression in [
            "CASE WHEN n > 0 THEN n ELSE f END",
            "CAST(coalesce(n, f) AS VARCHAR)",
            "'o' || coalesce(n, f)",
            "nvl(n, f)",
            "greatest(n, f)",
            "least(n, f + 1e18)",
            "nullif(n, f)",
            "CAST(n AS DOUBLE)",
            "CAST(CAST(n AS DOUBLE) AS VARCHAR)",
            "CAST(n AS DECIMAL(38, 0))::DOUBLE",
            "max(CAST(n AS DOUBLE))",
            "round(CAST(n AS DOUBLE))",
            "n + f",
            "n = CAST(9007199254740992 AS DOUBLE)",
        ] {
            let said = sql(folder.path(), &format!("SELECT {expression} AS x FROM 'ids.ndjson'"));
            assert_eq!(said.code == 0, is_held, "{id} {expression}: {}{}", said.stdout, said.stderr);
            if !is_held {
                assert!(said.stderr.contains("more digits than a DOUBLE holds"), "{expression}: {}", said.stderr);
                assert!(said.stderr.contains("DECIMAL(38, 2)"), "{expression}: {}", said.stderr);
                assert!(!said.stderr.contains(id), "{expression}: {}", said.stderr);
            }
        }
        let union = "SELECT n AS x FROM 'ids.ndjson' UNION ALL SELECT f FROM 'ids.ndjson'";
        assert_eq!(sql(folder.path(), union).code == 0, is_held, "{id}");
    }
}

#[test]
fn what_needs_no_last_digit_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "ids.ndjson", format!("{{\"n\":{BIG},\"f\":0.5}}\n"));
    for (expression, expected) in [
        ("n > f", "true"),
        ("n BETWEEN f AND 1e18", "true"),
        ("n <= CAST(1 AS DOUBLE)", "false"),
        ("floor(n / 1e9)", "9007199"),
        ("avg(n) > 1", "true"),
        ("TRY_CAST(n AS DOUBLE)", "null"),
        ("CASE WHEN n < 0 THEN f ELSE 2 END", "2"),
    ] {
        let said = sql(folder.path(), &format!("SELECT {expression} AS x FROM 'ids.ndjson'"));
        assert_eq!(said.code, 0, "{expression}: {}", said.stderr);
        assert!(said.stdout.starts_with(&format!("{{\"x\":{expected}")), "{expression}: {}", said.stdout);
    }
}

#[test]
fn codes_of_digits_and_an_e_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (first, second) in
        [("12345e67", "99999e99"), ("12345e67", "12345"), ("5e3", "6e3"), ("12E45", "NULL"), ("00e1", "10e2")]
    {
        file(folder.path(), "codes.csv", format!("token,n\n{first},1\n{second},2\n"));
        let said = sql(folder.path(), "SELECT 'k' || token AS x FROM 'codes.csv' ORDER BY n LIMIT 1");
        assert_eq!(said.stdout.trim_end(), format!("{{\"x\":\"k{first}\"}}"), "{}", said.stderr);
    }
    for (first, second, sum) in [("1.5e3", "2", "1502"), ("1e-05", "1", "1.00001"), ("1E+5", "1", "100001")] {
        file(folder.path(), "codes.csv", format!("token,n\n{first},1\n{second},2\n"));
        let said = sql(folder.path(), "SELECT sum(token) AS x FROM 'codes.csv'");
        assert!(said.stdout.starts_with(&format!("{{\"x\":{sum}")), "{first}: {}{}", said.stdout, said.stderr);
    }
}
