//! Waiting for an export, refusing one that is old, and skipping one that a run has delivered.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::server::{Answer, OK, Said, Server, file, postback, said};

const QUERY: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
    SET postback.as_of = '2025-12-07T12:00:00Z'; SET postback.currency = 'USD'; SET postback.event = 'Purchase';
    SELECT order_id || '' AS order_id, email, value, '2025-12-07T10:00:00Z' AS timestamp FROM 'orders.csv'";

struct Place {
    folder: tempfile::TempDir,
    query: String,
    server: Server,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        file(folder.path(), "orders.csv", "order_id,email,value\n1,a@shop.example,5\n");
        let query = file(folder.path(), "q.sql", QUERY);
        Self { folder, query, server: Server::judging(|_| Answer::ok(OK)) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = postback(&[&["run", &self.query, "--base-url", &self.server.url][..], more].concat());
        command.env("POSTBACK_LEDGER", self.path("ledger"));
        command
    }

    fn run(&self, more: &[&str]) -> Said {
        said(&mut self.command(more))
    }

    /// Says that the orders were exported at `time`.
    fn exported_at(&self, time: SystemTime) {
        File::options().write(true).open(self.path("orders.csv")).unwrap().set_modified(time).unwrap();
    }
}

/// Starts `command`, calls `then` once it says that it waits, and gives its exit code and what it said.
fn waits(mut command: Command, then: impl FnOnce(u32)) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.starts_with("waiting for `"), "{first}");
    then(child.id());
    let text = lines.fold(first, |text, line| text + "\n" + &line.unwrap());
    (child.wait().unwrap().code(), text)
}

#[test]
fn a_run_waits_for_the_marker_of_an_export() {
    let place = Place::new();
    fs::create_dir(place.path("day=1")).unwrap();
    for location in ["_SUCCESS", "day=*/_SUCCESS"] {
        let location = place.path(location).display().to_string();
        let marker = PathBuf::from(location.replace('*', "1"));
        let (code, said) = waits(place.command(&["--wait-for", &location, "--timeout", "60s"]), |_| {
            fs::write(&marker, "").unwrap();
        });
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(&format!("`{location}` is there after ")), "{said}");
    }
    assert_eq!(place.server.requests().len(), 1, "the second run found all accepted");
    let there = place.run(&["--wait-for", place.path("_SUCCESS").to_str().unwrap()]);
    assert!(there.code == 0 && !there.stderr.contains("waiting"), "{}", there.stderr);
}

#[test]
fn a_wait_ends_after_its_time_or_at_a_signal() {
    let place = Place::new();
    let location = place.path("_SUCCESS").display().to_string();
    let late = place.run(&["--wait-for", &location, "--timeout", "1s"]);
    assert_eq!(late.code, 5, "{}", late.stderr);
    let told = format!("`{location}` did not appear within 1 s; nothing was sent");
    assert!(late.stderr.contains(&told) && late.stderr.contains("--timeout"), "{}", late.stderr);
    let (code, said) = waits(place.command(&["--wait-for", &location]), |pid| {
        assert!(Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap().success());
    });
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains(", 2 h at most"), "{said}");
    assert_eq!(place.server.requests().len(), 0);
    let alone = place.run(&["--timeout", "1s"]);
    assert!(alone.code == 2 && alone.stderr.contains("--wait-for"), "{}", alone.stderr);
}

#[test]
fn an_old_export_is_refused_before_anything_is_sent() {
    let place = Place::new();
    // The clock of the query says noon of 7 December 2025.
    let noon = SystemTime::UNIX_EPOCH + Duration::from_hours(490_308);
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    place.exported_at(noon - hours(27));
    let old = place.run(&["--freshness", "26h"]);
    assert_eq!(old.code, 5, "{}", old.stderr);
    let told = format!(
        "the newest file, `{}`, is 27 h old, more than postback.freshness = 26h",
        place.path("orders.csv").display()
    );
    assert!(old.stderr.contains(&told), "{}", old.stderr);
    assert_eq!(place.server.requests().len(), 0);
    for (time, sent) in [(noon - hours(25), 1), (noon + hours(1), 1)] {
        place.exported_at(time);
        let fresh = place.run(&["--freshness", "26h"]);
        assert_eq!((fresh.code, place.server.requests().len()), (0, sent), "{}", fresh.stderr);
    }
    fs::write(&place.query, QUERY.replacen("SET", "SET postback.freshness = '1h'; SET", 1)).unwrap();
    place.exported_at(noon - hours(2));
    assert_eq!(place.run(&["--dry-run"]).code, 5);
}

fn document(said: &Said) -> Value {
    let document = serde_json::from_str(&said.stdout).unwrap();
    let schema = serde_json::from_str(postback::report::SCHEMA).unwrap();
    assert!(jsonschema::draft202012::is_valid(&schema, &document), "{document:#}");
    document
}

#[test]
fn a_run_is_skipped_where_the_last_one_did_the_same() {
    let place = Place::new();
    let first = document(&place.run(&["--if-changed", "--format", "json"]));
    assert_eq!(first["status"], "succeeded", "there is nothing yet to be the same as");
    for _ in 0..2 {
        let said = place.run(&["--if-changed", "--format", "json", "--concurrency", "2"]);
        let again = document(&said);
        assert_eq!((said.code, &again["status"], &again["exit_code"]), (0, &"skipped".into(), &0.into()));
        assert_eq!(again["fingerprint"], first["fingerprint"]);
        assert!(said.stderr.contains("have changed since the run "), "{}", said.stderr);
    }
    let latest = fs::canonicalize(place.path("ledger/runs/latest")).unwrap();
    assert_eq!(latest.file_name().unwrap().to_str(), first["run_id"].as_str(), "what was sent last is found as before");
    assert_eq!(document(&place.run(&["--format", "json"]))["status"], "succeeded", "only where it is asked for");
    let runs = |what: &str, more: &[&str]| {
        let said = place.run(&[&["--if-changed", "--format", "json"][..], more].concat());
        assert_eq!(document(&said)["status"], "succeeded", "{what}: {}", said.stderr);
        let said = place.run(&[&["--if-changed", "--format", "json"][..], more].concat());
        assert_eq!(document(&said)["status"], "skipped", "{what}: {}", said.stderr);
    };
    place.exported_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_765_000_000));
    runs("another time of the file", &[]);
    append(&place.path("orders.csv"), "2,b@shop.example,6\n");
    runs("another row", &[]);
    runs("another setting", &["--max-rejects", "7%"]);
    append(&place.path("q.sql"), " WHERE value > 0");
    runs("another query", &[]);
    assert_eq!(place.server.requests().len(), 2);
}

#[test]
fn a_run_is_not_skipped_after_one_that_failed() {
    let place = Place::new();
    assert_eq!(place.run(&["--if-changed"]).code, 0);
    let refused = place.run(&["--if-changed", "--min-rows", "9"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    let again = document(&place.run(&["--if-changed", "--format", "json"]));
    assert_eq!(again["status"], "succeeded");
    assert_eq!(document(&place.run(&["--if-changed", "--format", "json"]))["status"], "skipped");
}

fn append(path: &Path, text: &str) {
    use std::io::Write;
    File::options().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}
