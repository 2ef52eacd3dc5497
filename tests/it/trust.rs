//! Sources that change under a run, files that cannot be opened, and rows that wait on disk.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use crate::server::{Answer, OK, Said, Server, arrived, file, postback, said};

const SETTINGS: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
    SET postback.as_of = '2025-12-07T12:00:00Z'; SET postback.currency = 'USD'; SET postback.event = 'Purchase';
    SET datafusion.execution.batch_size = 500; SET datafusion.execution.target_partitions = 1;\n";
/// So many that some are still unread when the first request arrives.
const ROWS: i64 = 12_000;
/// Small enough to be many.
const BATCH: [&str; 2] = ["--batch-events", "100"];

/// A folder with a query over `source`, and a ledger.
struct Place {
    folder: tempfile::TempDir,
    query: String,
}

impl Place {
    fn new(source: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let select = format!(
            "SELECT order_id || '' AS order_id, email, value, '2025-12-07T10:00:00Z' AS timestamp FROM '{source}'"
        );
        let query = file(folder.path(), "q.sql", format!("{SETTINGS}{select}"));
        Self { folder, query }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, server: &Server, more: &[&str]) -> Command {
        let mut command = postback(&[&["run", &self.query, "--base-url", &server.url][..], more].concat());
        command.env("POSTBACK_LEDGER", self.path("ledger"));
        command
    }

    fn run(&self, server: &Server, more: &[&str]) -> Said {
        said(&mut self.command(server, more))
    }

    fn results(&self) -> Value {
        let document = fs::read(self.path("ledger/runs/latest/run_results.json")).unwrap();
        let results: Value = serde_json::from_slice(&document).unwrap();
        let schema = serde_json::from_str(postback::report::SCHEMA).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let errors: Vec<_> = validator.iter_errors(&results).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{results:#}");
        results
    }
}

/// Orders whose value is their number plus `more`, so that a torn row would show.
fn csv(more: i64) -> String {
    (10_000..10_000 + ROWS).fold("order_id,email,value\n".to_owned(), |rows, row| {
        rows + &format!("{row},a{row}@shop.example,{}\n", row + more)
    })
}

/// The same as Parquet, in many row groups.
fn parquet(more: i64) -> Vec<u8> {
    let orders = 10_000..10_000 + ROWS;
    let columns: [(&str, ArrayRef); 3] = [
        ("order_id", Arc::new(Int64Array::from_iter_values(orders.clone()))),
        ("email", Arc::new(StringArray::from_iter_values(orders.clone().map(|row| format!("a{row}@shop.example"))))),
        ("value", Arc::new(Int64Array::from_iter_values(orders.map(|row| row + more)))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(500)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Ways to change the file at a path, which has its first content, to the second one.
type Change = fn(&Path, &[u8]);

const CHANGES: [(&str, Change); 4] = [
    ("it grew", |path, _| File::options().append(true).open(path).unwrap().write_all(b"7,b@shop.example,7\n").unwrap()),
    ("it shrank", |path, _| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2 + 3).unwrap();
    }),
    ("another file took its place", |path, content| {
        let new = path.with_extension("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, path).unwrap();
    }),
    ("it was written again", |path, content| {
        let before = fs::metadata(path).unwrap().modified().unwrap();
        let file = File::options().write(true).open(path).unwrap();
        (&file).write_all(content).unwrap();
        file.set_modified(before).unwrap();
    }),
];

fn a_change_during_delivery_is_told(name: &str, before: &[u8], after: &[u8]) {
    for (words, change) in CHANGES {
        let place = Place::new(name);
        let path = place.path(name);
        fs::write(&path, before).unwrap();
        let (changing, content) = (path.clone(), after.to_owned());
        let mut is_first = true;
        let server = Server::judging(move |_| {
            if is_first {
                change(&changing, &content);
                is_first = false;
            }
            Answer::ok(OK)
        });
        let said = place.run(&server, &BATCH);
        assert_eq!(said.code, 1, "{name} {words}: {}{}", said.stdout, said.stderr);
        let told = format!("a source changed during the run: `{}`: {words}", path.display());
        assert!(said.stderr.contains(&told), "{name} {words}: {}", said.stderr);
        let results = place.results();
        assert_eq!(results["error"]["kind"], "source_changed");
        let events = arrived(&server);
        assert_eq!(results["accepted"], events.len());
        let unsent = usize::try_from(ROWS).unwrap() - events.len();
        assert_eq!(results["unsent"], unsent, "{name} {words}");
        assert!(!events.is_empty() && unsent > 0, "{name} {words}: {} events", events.len());
        for event in events {
            let event: Value = serde_json::from_str(&event).unwrap();
            let order = event["properties"]["order_id"].as_str().unwrap().parse::<f64>().unwrap();
            assert_eq!(event["properties"]["value"].as_f64(), Some(order), "{name} {words}: a torn row");
        }
    }
}

#[test]
fn text_that_changes_during_delivery_is_told_and_no_row_of_it_is_torn() {
    a_change_during_delivery_is_told("orders.csv", csv(0).as_bytes(), csv(1).as_bytes());
}

#[test]
fn parquet_that_changes_during_delivery_is_told_and_no_row_of_it_is_torn() {
    a_change_during_delivery_is_told("orders.parquet", &parquet(0), &parquet(1));
}

#[test]
fn a_file_that_grows_during_the_preflight_is_told_before_anything_is_sent() {
    let place = Place::new("orders.csv");
    let path = place.path("orders.csv");
    fs::write(&path, csv(0)).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let (seen, growing) = (Arc::clone(&is_over), path.clone());
    let writer = std::thread::spawn(move || {
        let mut file = File::options().append(true).open(growing).unwrap();
        while !seen.load(Ordering::Relaxed) {
            file.write_all(b"7,b@shop.example,7\n").unwrap();
            std::thread::yield_now();
        }
    });
    let server = Server::answering([Answer::ok(OK)]);
    let said = place.run(&server, &[]);
    is_over.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert!(said.stderr.contains("changed"), "{}", said.stderr);
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn files_that_appear_during_a_run_are_named_and_not_read() {
    let place = Place::new("orders");
    fs::create_dir(place.path("orders")).unwrap();
    fs::write(place.path("orders/1.csv"), csv(0)).unwrap();
    let new = place.path("orders/2.csv");
    let appearing = new.clone();
    let server = Server::judging(move |_| {
        fs::write(&appearing, "order_id,email,value\n1,b@shop.example,1\n").unwrap();
        Answer::ok(OK)
    });
    let said = place.run(&server, &[]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let told = format!("appeared during the run, and not read: `{}`", new.display());
    assert!(said.stdout.contains(&told), "{}", said.stdout);
    let results = place.results();
    assert_eq!((&results["accepted"], &results["sources"][0]["files"]), (&ROWS.into(), &1.into()));
    let note = results["sources"][0]["notes"].as_array().unwrap().last().unwrap().clone();
    assert!(note["message"].as_str().unwrap().starts_with("files appeared during the run"), "{note}");
}

#[test]
fn files_that_cannot_be_opened_are_left_out_where_that_is_allowed() {
    let place = Place::new("orders");
    fs::create_dir(place.path("orders")).unwrap();
    let content = parquet(0);
    fs::write(place.path("orders/1.parquet"), &content).unwrap();
    fs::write(place.path("orders/2.parquet"), &content[..content.len() / 2]).unwrap();
    let server = Server::answering([Answer::ok(OK)]);
    let refused = place.run(&server, &[]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("2.parquet"), "{}", refused.stderr);
    // A third of the bytes is more than the 5% that may be rejected.
    let too_many = place.run(&server, &["--skip-bad-files"]);
    assert_eq!(too_many.code, 1, "{}", too_many.stderr);
    let told = "a source file is left out, with 33.3 % of the bytes, more than postback.max_rejects = 5% allows";
    assert!(too_many.stderr.contains(told), "{}", too_many.stderr);
    assert_eq!(server.requests().len(), 0);
    let said = place.run(&server, &["--skip-bad-files=true", "--max-rejects", "40%"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.contains("left out: `") && said.stdout.contains("2.parquet"), "{}", said.stdout);
    let results = place.results();
    assert_eq!(results["accepted"], ROWS);
    assert_eq!(results["unread_files"][0]["bytes"], content.len() / 2);
    fs::remove_file(place.path("orders/1.parquet")).unwrap();
    let none = place.run(&server, &["--skip-bad-files"]);
    assert_eq!(none.code, 5, "a bad file alone is not left out: {}", none.stderr);
}

/// Files in formats that are read as streams, each longer than what is looked at when a file is opened.
fn long_files() -> Vec<(&'static str, Vec<u8>)> {
    let rows = 0..200_000_i64;
    let noise = |row: i64| blake3::hash(&row.to_le_bytes()).to_hex().to_string();
    let csv = rows.clone().fold("n,a\n".to_owned(), |text, row| text + &format!("{row},{}\n", noise(row)));
    let object = |row: i64| format!(r#"{{"n":{row},"a":"{}"}}"#, noise(row));
    let ndjson = rows.clone().fold(String::new(), |text, row| text + &object(row) + "\n");
    let array = format!("[{}]", rows.clone().map(object).collect::<Vec<_>>().join(","));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int64Array::from(rows.clone().collect::<Vec<_>>()))),
        ("a", Arc::new(StringArray::from_iter_values(rows.map(noise)))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut arrow = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    for start in (0..200_000).step_by(1_000) {
        arrow.write(&batch.slice(start, 1_000)).unwrap();
    }
    let gzip = |text: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    vec![
        ("csv.gz", gzip(&csv)),
        ("ndjson.gz", gzip(&ndjson)),
        ("json", array.into_bytes()),
        ("arrow", arrow.into_inner().unwrap()),
    ]
}

#[test]
fn files_that_break_off_far_behind_their_beginning_are_left_out_as_well() {
    for (ending, whole) in long_files() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        fs::write(here.join(format!("1.{ending}")), &whole).unwrap();
        fs::write(here.join(format!("2.{ending}")), &whole[..whole.len() * 95 / 100]).unwrap();
        let query = ["sql", &format!("SELECT count(*) AS n FROM '*.{ending}'"), "--format", "ndjson"];
        let refused = said(postback(&query).current_dir(here));
        assert!(refused.code == 5 && refused.stderr.contains("2."), "{ending}: {}{}", refused.stdout, refused.stderr);
        let left_out = said(postback(&query).current_dir(here).env("POSTBACK_SKIP_BAD_FILES", "true"));
        assert_eq!((left_out.code, left_out.stdout.trim()), (0, r#"{"n":200000}"#), "{ending}: {}", left_out.stderr);
        assert!(left_out.stderr.contains(&format!("2.{ending}")), "{ending}: {}", left_out.stderr);
    }
}

/// A place whose query sorts more than its memory holds, and the folder in which it spills.
fn spilling() -> (Place, PathBuf) {
    let place = Place::new("orders.csv");
    let rows = (1..=30_000)
        .fold("order_id,email,value\n".to_owned(), |rows, row| rows + &format!("{row},a{row}@shop.example,{row}\n"));
    fs::write(place.path("orders.csv"), rows).unwrap();
    let select = "SET datafusion.execution.sort_spill_reservation_bytes = 1000000;
        SELECT order_id || '' AS order_id, email, value, '2025-12-07T10:00:00Z' AS timestamp, _pad
        FROM (SELECT *, repeat(email, 20) AS _pad FROM 'orders.csv') ORDER BY _pad";
    fs::write(&place.query, format!("{SETTINGS}{select}")).unwrap();
    let temporary = place.path("tmp");
    fs::create_dir(&temporary).unwrap();
    (place, temporary)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Starts a run that spills, and gives it once it has, in the middle of its first request.
fn spilled(place: &Place, temporary: &Path) -> Child {
    let (sender, receiver) = std::sync::mpsc::channel();
    let server = Server::judging(move |_| {
        let _ = sender.send(());
        // Nobody answers a run that is to be ended.
        loop {
            std::thread::park();
        }
    });
    let mut command = place.command(&server, &["--memory-limit", "20MB", "--no-preflight"]);
    command.env("TMPDIR", temporary).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    receiver.recv().unwrap();
    assert_eq!(entries(temporary).len(), 1, "a run has one folder to spill to");
    child
}

#[test]
fn what_a_killed_run_spilled_goes_with_the_next_run() {
    let (place, temporary) = spilling();
    let mut child = spilled(&place, &temporary);
    child.kill().unwrap();
    child.wait().unwrap();
    let left = entries(&temporary);
    assert_eq!(left.len(), 1, "nobody could remove it");
    let other = said(postback(&["sql", "SELECT 1"]).env("TMPDIR", &temporary));
    assert_eq!((other.code, entries(&temporary)), (0, Vec::new()), "{}", other.stderr);
}

#[test]
fn what_is_spilled_goes_when_the_run_is_ended_and_stays_for_others_until_then() {
    let (place, temporary) = spilling();
    let mut child = spilled(&place, &temporary);
    let other = said(postback(&["sql", "SELECT 1"]).env("TMPDIR", &temporary));
    assert_eq!(other.code, 0, "{}", other.stderr);
    assert_eq!(entries(&temporary).len(), 1, "a run leaves the folders of others");
    let pid = child.id().to_string();
    let terminate = || assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    terminate();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().starts_with("stopping")).unwrap().unwrap();
    // The second signal ends it at once.
    terminate();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(entries(&temporary), Vec::<PathBuf>::new());
}

#[test]
fn a_run_that_may_not_spill_as_much_as_it_must_says_so_and_leaves_nothing() {
    let (place, temporary) = spilling();
    let server = Server::answering([Answer::ok(OK)]);
    let limits = ["--memory-limit", "20MB", "--spill-limit", "1MB"];
    let said = said(place.command(&server, &limits).env("TMPDIR", &temporary));
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(said.stderr.contains("needs more room on disk than postback.spill_limit"), "{}", said.stderr);
    assert_eq!(entries(&temporary), Vec::<PathBuf>::new());
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_source_that_nobody_touches_is_never_taken_for_changed() {
    let place = Place::new("orders.csv");
    fs::write(place.path("orders.csv"), csv(0)).unwrap();
    // Looking at a file, and the time of that, are no change.
    let file = File::open(place.path("orders.csv")).unwrap();
    file.set_times(fs::FileTimes::new().set_accessed(SystemTime::UNIX_EPOCH)).unwrap();
    let server = Server::answering([Answer::ok(OK)]);
    let said = place.run(&server, &[]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(place.results()["unread_rows"], 0);
}
