//! Whole numbers that are divided, or do not fit.

use std::fs;
use std::path::Path;

use crate::server::{Said, file, postback, root, said};

const SETTINGS: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
SET postback.as_of = '2026-11-30T00:00:00Z';\n";

/// A folder with the files of `tests/data/money`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join("tests/data/money")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn run(folder: &Path, arguments: &[&str], select: &str) -> Said {
    let query = file(folder, "query.sql", format!("{SETTINGS}{select}"));
    said(postback(&[arguments, &[&query]].concat()).current_dir(folder))
}

/// The cents of a charge are divided by 100 in four files: two hold whole numbers, two hold amounts.
#[test]
fn cents_are_exact_or_refused_whatever_the_format() {
    let folder = folder();
    let select = |column: &str, source: &str| {
        format!(
            "SELECT 'Purchase' AS event, id AS order_id, created AS timestamp, email, {column} / 100 AS value, 'USD' AS currency
             FROM '{source}'"
        )
    };
    for (column, source) in [("amount", "charges.parquet"), ("cents", "charges2.csv")] {
        let said = run(folder.path(), &["check"], &select(column, source));
        assert_eq!(said.code, 2, "{source}: {}", said.stdout);
        assert!(said.stdout.contains("error[PB2024]") && said.stdout.contains("/ 100.0"), "{}", said.stdout);
        let run = run(folder.path(), &["run", "--dry-run"], &select(column, source));
        assert_eq!(run.code, 2, "{source}: {}", run.stderr);
    }
    for source in ["charges.csv", "charges.ndjson"] {
        let said = run(folder.path(), &["preview", "--format", "ndjson"], &select("amount", source));
        assert_eq!(said.code, 0, "{source}: {}", said.stderr);
        assert!(said.stdout.contains("\"value\":19.99") && said.stdout.contains("\"value\":0.99"), "{}", said.stdout);
    }
}

#[test]
fn whole_numbers_that_do_not_fit_fail_the_query() {
    let folder = folder();
    for (expression, is_right) in [
        ("arrow_cast(2147483647, 'Int32') + arrow_cast(1, 'Int32')", false),
        ("arrow_cast(amount, 'Int32') * arrow_cast(2000000, 'Int32')", false),
        ("amount * 9223372036854775807", false),
        ("9223372036854775807 + amount", false),
        ("-9223372036854775807 - amount", false),
        ("sum(9223372036854775807) OVER ()", false),
        ("(SELECT sum(9223372036854775000 + amount * 0) FROM 'charges.parquet')", false),
        ("(SELECT sum(DISTINCT 9223372036854775000 + amount) FROM 'charges.parquet')", false),
        ("(SELECT sum(amount) FROM 'charges.parquet')", true),
        ("(SELECT sum(amount) FILTER (WHERE amount > 100) FROM 'charges.parquet')", true),
        ("amount * 1000 + 1 - 1", true),
        ("arrow_cast(amount, 'Int32') * arrow_cast(1000, 'Int32')", true),
    ] {
        let sql = format!("SELECT {expression} AS x FROM 'charges.parquet'");
        let said = said(postback(&["sql", &sql, "--format", "ndjson"]).current_dir(folder.path()));
        assert_eq!(said.code == 0, is_right, "{expression}: {}{}", said.stdout, said.stderr);
        if !is_right {
            let first = said.stderr.lines().next().unwrap_or_default();
            assert!(first.contains("a number is too large for its type"), "{expression}: {}", said.stderr);
        }
    }
}
