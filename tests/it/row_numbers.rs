//! The numbers of rejected rows: the same in every run, or none.

use std::fs;
use std::path::{Path, PathBuf};

use crate::server::{file, postback, said};

/// Files of a folder, each with rows of which every tenth is rejected.
fn write_orders(folder: &Path) {
    fs::create_dir(folder.join("orders")).unwrap();
    for number in 0..7 {
        let rows = (0..400).map(|row| {
            let email = if row % 10 == number { "nobody".to_owned() } else { format!("{number}-{row}@example.com") };
            format!("{number}-{row},{email},{}", 1 + row % 90)
        });
        let text = format!("order_id,email,total\n{}\n", rows.collect::<Vec<_>>().join("\n"));
        file(folder, &format!("orders/{number}.csv"), text);
    }
}

/// The folder of a dry run of `query`, and what it said.
fn dry_run(folder: &Path, query: &str) -> (PathBuf, String) {
    let head = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.as_of = '2025-12-07T12:00:00Z'; SET postback.currency = 'EUR';";
    file(folder, "q.sql", format!("{head}\n{query}"));
    let mut command = postback(&["run", "q.sql", "--dry-run", "--max-rejects", "100%"]);
    let said = said(command.current_dir(folder).env("POSTBACK_LEDGER", folder.join("ledger")));
    let rejects = folder.join("ledger/runs/latest/rejects.parquet");
    assert!(rejects.is_file(), "{}", said.stderr);
    (rejects, said.stdout + &said.stderr)
}

const COLUMNS: &str = "'Purchase' AS event, o.order_id, o.email, o.total AS value, 1765000000 AS timestamp";

#[test]
fn three_dry_runs_leave_three_equal_files() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_orders(here);
    for query in [
        format!("SELECT {COLUMNS} FROM 'orders/' o"),
        format!("SELECT {COLUMNS} FROM 'orders/' o WHERE o.total > 3"),
        format!("SELECT {COLUMNS} FROM 'orders/3.csv' o WHERE o.total <> 5"),
        format!("SELECT {COLUMNS} FROM 'orders/[0-3].csv' o UNION ALL SELECT {COLUMNS} FROM 'orders/[4-6].csv' o"),
    ] {
        let files: Vec<Vec<u8>> = (0..3).map(|_| fs::read(dry_run(here, &query).0).unwrap()).collect();
        assert!(files[0] == files[1] && files[1] == files[2], "{query}");
        let (_, text) = dry_run(here, &query);
        assert!(text.contains("(rows "), "{text}");
        let asked =
            "SELECT count(DISTINCT reject) AS rejects, count(DISTINCT row) AS numbers, count(*) - count(row) AS without
            FROM 'ledger/runs/latest/rejects.parquet'";
        let counted = said(postback(&["sql", asked, "--format", "csv"]).current_dir(here)).stdout;
        let counts: Vec<&str> = counted.lines().nth(1).unwrap().split(',').collect();
        assert!(counts[0] == counts[1] && counts[0] != "0" && counts[2] == "0", "{query}: {counted}");
    }
}

#[test]
fn rows_that_are_mixed_have_no_number_and_the_run_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_orders(here);
    let query = format!(
        "SET datafusion.execution.target_partitions = 4;
        SELECT {COLUMNS} FROM (SELECT order_id, email, max(total) AS total FROM 'orders/' GROUP BY 1, 2) o"
    );
    let (_, text) = dry_run(here, &query);
    assert!(text.contains("rows have no numbers"), "{text}");
    let asked = "SELECT count(row) AS n, count(*) > 0 AS has FROM 'ledger/runs/latest/rejects.parquet'";
    let counted = said(postback(&["sql", asked, "--format", "csv"]).current_dir(here)).stdout;
    assert_eq!(counted, "n,has\n0,true\n");
}
