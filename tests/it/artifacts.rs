//! What runs leave behind: the document against its schema, and Parquet files that agree with the account to the row.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::server::{Answer, OK, Said, Server, file, postback, said};

/// A refusal of what a request contains, without naming the event.
const REFUSED: &str = r#"{"code":40002,"message":"Invalid value.","request_id":"R40002","data":{}}"#;
const SETTINGS: &str = "SET postback.event_source = 'offline';
SET postback.event_source_id = '7654321098765432109';
SET postback.as_of = '2026-08-20T14:10:00Z';
";

/// A query of offline purchases: `rows` are tuples of order, e-mail, value and currency. The latter two are expressions, so
/// that nothing is known of them before they are read.
fn purchases(more: &str, rows: &str) -> String {
    format!(
        "{SETTINGS}{more}
SELECT 'Purchase' AS event, 1787234400 AS timestamp, o AS order_id, m AS email, v || '' AS value, c || '' AS currency
FROM (VALUES {rows}) AS t (o, m, v, c)"
    )
}

/// What a run said and left behind.
struct Left {
    said: Said,
    folder: PathBuf,
    results: Value,
}

/// Runs `query` with `arguments`, its ledger in `here`.
fn run(here: &Path, query: &str, arguments: &[&str]) -> Left {
    let path = file(here, "q.sql", query);
    let ledger = here.join("ledger");
    let said = said(postback(&[&["run", &path][..], arguments].concat()).env("POSTBACK_LEDGER", &ledger));
    let folder = ledger.join("runs/latest");
    Left { results: results(&folder), folder: fs::canonicalize(folder).unwrap(), said }
}

/// The document of a run, which its schema allows.
fn results(folder: &Path) -> Value {
    let results: Value = serde_json::from_slice(&fs::read(folder.join("run_results.json")).unwrap()).unwrap();
    let schema = serde_json::from_str(postback::report::SCHEMA).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&results).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new(), "{results:#}");
    results
}

fn table(folder: &Path, name: &str) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(folder.join(name)).unwrap()).unwrap();
    let schema = reader.schema().clone();
    concat_batches(&schema, &reader.build().unwrap().collect::<Result<Vec<_>, _>>().unwrap()).unwrap()
}

fn texts(table: &RecordBatch, column: &str) -> Vec<Option<String>> {
    table.column_by_name(column).unwrap().as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

fn numbers(table: &RecordBatch, column: &str) -> Vec<Option<i64>> {
    table.column_by_name(column).unwrap().as_primitive::<Int64Type>().iter().collect()
}

fn sum(table: &RecordBatch, column: &str) -> i64 {
    numbers(table, column).into_iter().flatten().sum()
}

/// The distinct numbers of rejected events.
fn rejected(table: &RecordBatch) -> usize {
    numbers(table, "reject").into_iter().flatten().collect::<BTreeSet<_>>().len()
}

/// The rows of faults that rejected.
fn rejected_rows(table: &RecordBatch) -> BTreeSet<Option<i64>> {
    let severities = texts(table, "severity");
    let rows = numbers(table, "row").into_iter().zip(severities);
    rows.filter(|(_, severity)| severity.as_deref() == Some("reject")).map(|(row, _)| row).collect()
}

#[test]
fn every_reject_is_listed_with_its_identity_and_without_its_value() {
    let here = tempfile::tempdir().unwrap();
    let query = purchases(
        "",
        "('1', 'ann@shop.example', '5', 'USD'), ('2', 'no-address', '5', 'USD'), ('3', 'bob@shop.example', '5', 'XXQ'),
         ('4', 'eve@shop.example', 'many', 'USD'), (NULL, 'dan@shop.example', '5', 'USD'), ('x@y.example', 'x', '1', 'Q')",
    );
    let left = run(here.path(), &query, &["--dry-run", "--format", "json", "--max-rejects", "100%"]);
    assert_eq!(left.said.code, 0, "{}", left.said.stderr);
    let rejects = table(&left.folder, "rejects.parquet");
    let account = left.results["rejected"].as_u64().unwrap();
    assert_eq!(rejected(&rejects) as u64, account, "{:#}", left.results);
    assert_eq!(rejected_rows(&rejects).len() as u64, account);
    assert!(account >= 2, "{:#}", left.results);
    let ids = texts(&rejects, "event_id");
    let keys = texts(&rejects, "event_key");
    let orders: BTreeSet<_> = texts(&rejects, "order_id").into_iter().collect();
    let known = ["2", "3", "4", "a@a.a (11 characters)"].map(|order| Some(order.to_owned()));
    assert!(known.iter().all(|order| orders.contains(order)), "{orders:?}");
    for (id, key) in ids.iter().zip(&keys) {
        assert_eq!(id.is_some(), key.is_some(), "{ids:?} {keys:?}");
        assert!(key.as_ref().is_none_or(|key| key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }
    assert!(keys.iter().any(Option::is_some) && keys.iter().any(Option::is_none), "{keys:?}");
    assert!(texts(&rejects, "shape").iter().flatten().any(|shape| shape == "a-a (10 characters)"));
    // The JSON on stdout is the document in the folder.
    assert_eq!(serde_json::from_str::<Value>(&left.said.stdout).unwrap(), left.results);
    assert_eq!((&left.results["status"], &left.results["exit_code"]), (&"succeeded".into(), &0.into()));
    assert_eq!((&left.results["mode"], &left.results["error"]), (&"dry_run".into(), &Value::Null));
    for name in ["run_results.json", "rejects.parquet", "batches.parquet"] {
        let bytes = fs::read(left.folder.join(name)).unwrap();
        for personal in ["shop.example", "no-address", "y.example"] {
            assert!(!bytes.windows(personal.len()).any(|window| window == personal.as_bytes()), "{personal} in {name}");
        }
    }
}

#[test]
fn all_rows_of_a_conflict_are_listed_also_the_earlier_ones() {
    let here = tempfile::tempdir().unwrap();
    let mail = "'a@b.example'";
    let query = purchases(
        "",
        &["'7', 5", "'8', 1", "'7', 5", "'8', 1", "'7', 6", "'7', 5"]
            .map(|row| {
                let (order, value) = row.split_once(", ").unwrap();
                format!("({order}, {mail}, {value}, 'USD')")
            })
            .join(", "),
    );
    for arguments in [&["--dry-run"][..], &["--sandbox"]] {
        let left = run(here.path(), &query, &[arguments, &["--max-rejects", "100%"]].concat());
        let rejects = table(&left.folder, "rejects.parquet");
        assert_eq!(left.results["rejected"], 4, "{:#}", left.results);
        assert_eq!(rejected(&rejects), 4);
        assert_eq!(rejected_rows(&rejects), [1, 3, 5, 6].map(Some).into());
        assert_eq!(texts(&rejects, "event_key").into_iter().collect::<BTreeSet<_>>().len(), 1);
        assert!(texts(&rejects, "code").iter().all(|code| code.as_deref() == Some("PB3073")));
        assert!(texts(&rejects, "event_id").iter().all(Option::is_some));
    }
}

#[test]
fn folded_events_and_rows_that_nothing_identifies_are_counted_like_the_account() {
    let here = tempfile::tempdir().unwrap();
    let query = format!(
        "{SETTINGS}SET postback.fold = 'contents';
SELECT 'Purchase' AS event, 1787234400 AS timestamp, o AS order_id, m AS email, p AS price, 1 AS quantity,
    'USD' AS currency
FROM (VALUES ('1', 'a@b.example', 5), ('1', 'c@d.example', 6), (NULL, 'a@b.example', 7), (NULL, 'a@b.example', 8),
    (NULL, 'e@f.example', 9), ('2', 'nobody', 1), ('2', 'nobody', 2)) AS t (o, m, p)"
    );
    let left = run(here.path(), &query, &["--dry-run", "--max-rejects", "100%"]);
    let rejects = table(&left.folder, "rejects.parquet");
    let account = left.results["rejected"].as_u64().unwrap();
    assert!(account >= 4, "{:#}", left.results);
    assert_eq!(rejected(&rejects) as u64, account, "{:#}", left.results);
    assert!(numbers(&rejects, "row").iter().all(Option::is_none), "the position of a folded event says nothing");
    assert!(left.results["faults"].as_array().unwrap().iter().all(|fault| fault["rows"] == Value::Array(Vec::new())));
}

#[test]
fn what_the_api_refuses_is_listed_and_batches_add_up() {
    let here = tempfile::tempdir().unwrap();
    let server = Server::judging(|request| Answer::ok(if request.body.contains(r#""b13""#) { REFUSED } else { OK }));
    let rows = (1..=20).map(|n| format!("('b{n}', 'a{n}@b.example', 5, 'USD')")).collect::<Vec<_>>().join(", ");
    let query = purchases("SET postback.batch_events = 8;", &rows);
    let left = run(here.path(), &query, &["--base-url", &server.url, "--max-rejects", "100%"]);
    assert_eq!(left.said.code, 0, "{}", left.said.stderr);
    assert_eq!((&left.results["accepted"], &left.results["rejected"]), (&19.into(), &1.into()));
    assert_eq!((&left.results["mode"], &left.results["refusals"][0]["rows"][0]), (&"loopback".into(), &13.into()));
    let rejects = table(&left.folder, "rejects.parquet");
    let only = |column| texts(&rejects, column).remove(0);
    assert_eq!((rejects.num_rows(), numbers(&rejects, "row")[0]), (1, Some(13)));
    assert_eq!((only("origin").as_deref(), only("request_id").as_deref()), (Some("api"), Some("R40002")));
    assert_eq!((numbers(&rejects, "api_code")[0], only("code")), (Some(40_002), None));
    assert!(only("event_id").is_some() && only("event_key").is_some());
    assert_eq!(only("order_id").as_deref(), Some("b13"));
    let batches = table(&left.folder, "batches.parquet");
    assert_eq!(batches.num_rows(), 3);
    let of = |name: &str| left.results[name].as_i64().unwrap();
    for (column, name) in
        [("accepted", "accepted"), ("rejected", "rejected"), ("requests", "requests"), ("bytes", "bytes_sent")]
    {
        assert_eq!(sum(&batches, column), of(name), "{column}");
    }
    assert_eq!(sum(&batches, "events"), 20);
    assert!(batches.column_by_name("ended").unwrap().null_count() == 0);
}

#[test]
fn without_a_preflight_faults_are_kept_while_sending() {
    let here = tempfile::tempdir().unwrap();
    let query =
        purchases("", "('1', 'a@b.example', 5, 'USD'), ('1', 'a@b.example', 6, 'USD'), ('2', 'a@b.example', 5, 'QQQ')");
    let left = run(here.path(), &query, &["--sandbox", "--no-preflight", "--max-rejects", "100%"]);
    let rejects = table(&left.folder, "rejects.parquet");
    assert_eq!(rejected(&rejects) as u64, left.results["rejected"].as_u64().unwrap(), "{:#}", left.results);
    assert!(rejected_rows(&rejects).contains(&Some(2)) && !rejected_rows(&rejects).contains(&Some(1)));
}

#[test]
fn runs_that_fail_are_on_record_too() {
    let here = tempfile::tempdir().unwrap();
    let refused = run(here.path(), &purchases("", "('1', 'nobody', 5, 'USD')"), &["--sandbox"]);
    assert_eq!((refused.said.code, &refused.results["exit_code"]), (1, &1.into()));
    assert_eq!((&refused.results["error"]["kind"], &refused.results["rejected"]), (&"rejects".into(), &1.into()));
    assert!(refused.results.get("requests").is_none(), "nothing was sent");
    let unknown = run(here.path(), &format!("{SETTINGS}SELECT 1 AS nonsense"), &["--dry-run"]);
    assert_eq!((unknown.said.code, &unknown.results["status"]), (2, &"failed".into()));
    assert_eq!(unknown.results["diagnoses"][0]["severity"], "error");
    assert_eq!(unknown.results["diagnoses"][0]["location"]["line"], 4);
    assert!(unknown.results.get("rows").is_none(), "no row was read");
    let missing = run(here.path(), &format!("{SETTINGS}SELECT * FROM 'nowhere.csv'"), &["--dry-run"]);
    assert_eq!((missing.said.code, &missing.results["error"]["kind"]), (5, &"source_missing".into()));
    assert_eq!(fs::read_dir(here.path().join("ledger/runs")).unwrap().count(), 4, "three runs and `latest`");
}

#[test]
fn a_run_that_goes_on_says_so_and_keeps_its_files_apart() {
    let here = tempfile::tempdir().unwrap();
    let path = file(here.path(), "q.sql", purchases("", "('1', 'a@b.example', 5, 'USD')"));
    let ledger = here.path().join("ledger");
    let server = Server::accepting_after(Duration::from_mins(10));
    let mut child = postback(&["run", &path, "--base-url", &server.url])
        .env("POSTBACK_LEDGER", &ledger)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while server.requests().is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = fs::read_dir(ledger.join("runs")).unwrap().next().unwrap().unwrap().path();
    let results = results(&folder);
    assert_eq!((&results["status"], &results["destination"]), (&"running".into(), &server.url.as_str().into()));
    assert!(!folder.join("rejects.parquet").exists() && !folder.join("batches.parquet").exists());
}

#[test]
fn files_are_private_and_each_file_of_a_command_has_a_run() {
    let here = tempfile::tempdir().unwrap();
    let ledger = here.path().join("deep/ledger");
    let queries = ["queries/store_purchases.sql", "queries/web_lead.sql"];
    let both = said(postback(&["run", queries[0], queries[1], "--dry-run"]).env("POSTBACK_LEDGER", &ledger));
    assert_eq!(both.code, 0, "{}", both.stderr);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(fs::read_to_string(ledger.join(".gitignore")).unwrap(), "*\n");
    assert_eq!(mode(&ledger), 0o700);
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(ledger.join("runs")).unwrap() {
        let folder = entry.unwrap().path();
        if folder.is_symlink() {
            assert_eq!(results(&folder)["query"], queries[1]);
            continue;
        }
        assert_eq!(mode(&folder), 0o700);
        for file in fs::read_dir(&folder).unwrap() {
            assert_eq!(mode(&file.unwrap().path()), 0o600);
        }
        seen.insert(results(&folder)["query"].as_str().unwrap().to_owned());
        assert!(both.stdout.contains(folder.to_str().unwrap()), "{}", both.stdout);
    }
    assert_eq!(seen, queries.map(str::to_owned).into());
    // A command of which one file cannot run runs none, so that none is on record.
    let other = here.path().join("other");
    let one = said(postback(&["run", queries[0], "nowhere.sql", "--dry-run"]).env("POSTBACK_LEDGER", &other));
    assert_eq!((one.code, fs::read_dir(other.join("runs")).unwrap().count()), (2, 0));
}

#[test]
fn a_folder_that_cannot_be_written_is_found_before_anything_is_sent() {
    let here = tempfile::tempdir().unwrap();
    let server = Server::answering([Answer::ok(OK)]);
    let path = file(here.path(), "q.sql", purchases("", "('1', 'a@b.example', 5, 'USD')"));
    let taken = file(here.path(), "taken", "a file");
    let said = said(&mut postback(&["run", &path, "--base-url", &server.url, "--ledger", &taken]));
    assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{}", said.stderr);
    assert!(said.stderr.contains("cannot make a folder for the run"), "{}", said.stderr);
    assert!(said.stderr.contains("with --ledger"), "{}", said.stderr);
    assert!(server.requests().is_empty());
}

#[test]
fn an_artifact_that_fails_while_sending_loses_no_account() {
    let here = tempfile::tempdir().unwrap();
    let ledger = here.path().join("ledger");
    let runs = ledger.join("runs");
    // The run's folder goes while its only request is answered.
    let server = Server::judging(move |_| {
        let folder = fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
        fs::remove_dir_all(folder).unwrap();
        Answer::ok(OK)
    });
    let path = file(here.path(), "q.sql", purchases("", "('1', 'a@b.example', 5, 'USD')"));
    let said =
        said(postback(&["run", &path, "--base-url", &server.url, "--format", "json"]).env("POSTBACK_LEDGER", &ledger));
    assert_eq!(said.code, 70, "{}", said.stderr);
    let results: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((&results["accepted"], &results["exit_code"]), (&1.into(), &70.into()));
    assert!(said.stderr.contains("cannot write"), "{}", said.stderr);
}

#[test]
fn the_schema_of_the_document_can_be_printed() {
    let said = said(&mut postback(&["schema", "run-results"]));
    assert_eq!((said.code, said.stdout.as_str()), (0, postback::report::SCHEMA));
    let schema: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(schema["properties"]["version"]["const"], 1);
}
