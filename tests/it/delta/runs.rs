//! Runs over tables: what they say, what they keep, and what they do not do.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::table::{Table, all_below, of_orders, remove};
use crate::server::{Answer, OK, Said, Server, arrived, file, postback, said};

const QUERY: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
    SET postback.as_of = '2025-12-07T12:00:00Z'; SET postback.currency = 'USD'; SET postback.event = 'Purchase';
    SELECT order_id, order_id || '@shop.example' AS email, total AS value, '2025-12-07T10:00:00Z' AS timestamp FROM 'orders'";

struct Place {
    folder: tempfile::TempDir,
    table: Table,
    query: String,
    server: Server,
}

impl Place {
    fn new() -> Self {
        Self::on(Server::judging(|_| Answer::ok(OK)))
    }

    fn on(server: Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut table = Table::of_orders(folder.path().join("orders"));
        table.add_orders("a.parquet", &[("o1", 1), ("o2", 2)]);
        table.add_orders("b.parquet", &[("o3", 3)]);
        let query = file(folder.path(), "q.sql", QUERY);
        Self { folder, table, query, server }
    }

    fn run(&self, more: &[&str]) -> Said {
        let mut command = postback(&[&["run", "q.sql", "--base-url", &self.server.url][..], more].concat());
        said(command.env("POSTBACK_LEDGER", self.folder.path().join("ledger")).current_dir(self.folder.path()))
    }

    fn results(&self) -> Value {
        let path = self.folder.path().join("ledger/runs/latest/run_results.json");
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    fn here(&self) -> &Path {
        self.folder.path()
    }
}

#[test]
fn rows_arrive_as_events_and_nothing_is_written() {
    let place = Place::new();
    let before = all_below(&place.table.root);
    let run = place.run(&[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let ids: Vec<String> = arrived(&place.server)
        .iter()
        .map(|event| {
            serde_json::from_str::<Value>(event).unwrap()["properties"]["order_id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    let bytes: u64 =
        ["a.parquet", "b.parquet"].iter().map(|name| fs::metadata(place.table.root.join(name)).unwrap().len()).sum();
    let source = &place.results()["sources"][0];
    assert_eq!(source["recognised"], "Delta Lake table, version 2", "{source}");
    assert_eq!((source["files"].as_u64(), source["bytes"].as_u64()), (Some(2), Some(bytes)));
    assert_eq!(all_below(&place.table.root), before, "nothing of the table changed");
}

#[test]
fn check_reads_the_log_only() {
    let place = Place::new();
    for name in ["a.parquet", "b.parquet"] {
        fs::remove_file(place.table.root.join(name)).unwrap();
    }
    let check = said(postback(&["check", "q.sql", "-v"]).current_dir(place.here()));
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
    assert!(check.stdout.contains("orders: Delta Lake table, version 2, 2 files of "), "{}", check.stdout);
    assert!(
        check.stdout.contains("order_id  Utf8View") && check.stdout.contains("total     Int64"),
        "{}",
        check.stdout
    );
    let run = place.run(&[]);
    super::is_refused(&run, "without files", 5, &["`orders/a.parquet` is missing, which is part of version 2"]);
}

#[test]
fn an_unchanged_table_is_skipped_and_an_old_one_is_refused() {
    let place = Place::new();
    assert_eq!(place.run(&["--if-changed"]).code, 0);
    let again = place.run(&["--if-changed"]);
    assert_eq!((again.code, place.server.requests().len()), (0, 1), "{}", again.stderr);
    let mut table = Table { root: place.table.root.clone(), next: place.table.next };
    table.add_orders("c.parquet", &[("o4", 4)]);
    assert_eq!(place.run(&["--if-changed"]).code, 0);
    assert_eq!(arrived(&place.server).len(), 4);
    // The clock of the query says noon of 7 December 2025; what counts is the commit, not the files.
    let noon = SystemTime::UNIX_EPOCH + Duration::from_hours(490_308);
    let set =
        |path: &Path, time: SystemTime| File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    set(&table.version(3), noon - Duration::from_hours(27));
    let old = place.run(&["--freshness", "26h", "--dry-run"]);
    let newest = "the newest file, `orders/_delta_log/00000000000000000003.json`, is 27 h old";
    super::is_refused(&old, "27 h", 5, &[newest]);
    set(&table.version(3), noon - Duration::from_hours(25));
    assert_eq!(place.run(&["--freshness", "26h", "--dry-run"]).code, 0);
}

#[test]
fn a_newer_version_is_noted_and_read_by_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("orders");
    let mut table = Table::of_orders(root.clone());
    table.add_orders("a.parquet", &[("o1", 1)]);
    file(folder.path(), "q.sql", QUERY);
    let mut later = Some(Table { root, next: table.next });
    let server = Server::judging(move |_| {
        // Somebody writes while events are on their way.
        if let Some(mut table) = later.take() {
            table.add_orders("b.parquet", &[("o2", 2)]);
        }
        Answer::ok(OK)
    });
    let mut command = postback(&["run", "q.sql", "--base-url", &server.url]);
    command.env("POSTBACK_LEDGER", folder.path().join("ledger")).current_dir(folder.path());
    let first = said(&mut command);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let text = first.stdout + &first.stderr;
    assert!(text.contains("appeared during the run") && text.contains("00000000000000000002.json"), "{text}");
    assert_eq!(arrived(&server).len(), 1);
    assert_eq!(said(&mut command).code, 0);
    assert_eq!(arrived(&server).len(), 2);
}

#[test]
fn a_file_that_vanishes_during_a_run_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("orders");
    let mut table = Table::of_orders(root.clone());
    table.add_orders("a.parquet", &[("o1", 1)]);
    file(folder.path(), "q.sql", QUERY);
    let server = Server::judging(move |_| {
        drop(fs::remove_file(root.join("a.parquet")));
        Answer::ok(OK)
    });
    let run = said(postback(&["run", "q.sql", "--base-url", &server.url]).current_dir(folder.path()));
    super::is_refused(&run, "vanished", 1, &["a source changed during the run", "`orders/a.parquet` is missing"]);
}

#[test]
fn files_that_cannot_be_read_are_left_out_by_those_who_say_so() {
    let place = Place::new();
    let path = place.table.root.join("b.parquet");
    let size = fs::metadata(&path).unwrap().len();
    fs::write(&path, vec![7; usize::try_from(size).unwrap()]).unwrap();
    super::is_refused(&place.run(&[]), "damaged", 5, &["`orders/b.parquet` is no readable Parquet file"]);
    assert_eq!(place.server.requests().len(), 0);
    let run = place.run(&["--skip-bad-files", "--max-rejects", "100%"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(
        (run.stdout.clone() + &run.stderr).contains("left out: `orders/b.parquet`"),
        "{}{}",
        run.stdout,
        run.stderr
    );
    assert_eq!(arrived(&place.server).len(), 2);
    fs::remove_file(place.table.root.join("a.parquet")).unwrap();
    let none = place.run(&["--skip-bad-files", "--max-rejects", "100%"]);
    super::is_refused(&none, "none left", 5, &["`orders/a.parquet` is missing"]);
    // A log has no others beside it.
    fs::write(place.table.version(2), "{").unwrap();
    super::is_refused(&place.run(&["--skip-bad-files"]), "log", 5, &["00000000000000000002.json", "line 1 breaks off"]);
}

#[test]
fn preflight_and_delivery_see_the_same_version() {
    let place = Place::new();
    let mut table = Table { root: place.table.root.clone(), next: place.table.next };
    let run = place.run(&["--dry-run", "--format", "json"]);
    let account: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(account["rows"], 3, "{account}");
    let b = table.file("b.parquet", &of_orders(&[("o3", 3)]));
    table.commit(&[remove(&b)]);
    let account: Value = serde_json::from_str(&place.run(&["--dry-run", "--format", "json"]).stdout).unwrap();
    assert_eq!(account["rows"], 2, "{account}");
}

#[test]
fn a_run_waits_for_a_table() {
    let place = Place::new();
    assert_eq!(place.run(&["--wait-for", "orders", "--timeout", "5s"]).code, 0);
    let missing = place.run(&["--wait-for", "others", "--timeout", "1s"]);
    super::is_refused(&missing, "others", 5, &["did not appear within 1 s"]);
}

#[test]
fn no_log_of_a_library_is_shown() {
    let place = Place::new();
    fs::write(place.table.version(2), "{\"add\":{\"path\":\"secret\",\"size\":").unwrap();
    let run = said(postback(&["check", "q.sql", "-vv"]).current_dir(place.here()));
    let text = run.stdout + &run.stderr;
    for word in ["secret", "deltalake", "kernel"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert!(!place.query.is_empty() && text.contains("line 1 breaks off"), "{text}");
}
