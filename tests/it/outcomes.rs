//! What stdout holds in every outcome: one JSON document where one is asked for, nothing where all is well and quiet.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Date32Array, Date64Array, RecordBatch, TimestampMillisecondArray, TimestampSecondArray,
};
use datafusion::arrow::ipc::writer::FileWriter;
use serde_json::Value;

use crate::server::{Answer, OK, Said, Server, file, postback, said};

/// Purchases of these ids, and whatever else is `set`.
fn purchases(set: &str, ids: &[&str]) -> String {
    let rows: Vec<String> = ids.iter().map(|id| format!("('{id}')")).collect();
    format!(
        "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
         SET postback.as_of = '2026-08-20T14:10:00Z'; {set}
         SELECT 'Purchase' AS event, 1787234400 AS timestamp, o || '@b.example' AS email, o AS order_id, 5 AS value,
             'USD' AS currency FROM (VALUES {}) AS t (o)",
        rows.join(", ")
    )
}

/// The one document on stdout.
fn document(name: &str, said: &Said) -> Value {
    serde_json::from_str(&said.stdout)
        .unwrap_or_else(|error| panic!("{name}: {error}: {}\n{}", said.stdout, said.stderr))
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        file(here, "good.sql", purchases("", &["1", "2"]));
        file(here, "live.sql", purchases("", &["1"]).replace("SET postback.as_of = '2026-08-20T14:10:00Z';", ""));
        file(here, "other.sql", purchases("", &["3"]));
        file(
            here,
            "rejected.sql",
            purchases("", &["1", "not an address "])
                .replace("o || '@b.example'", "CASE o WHEN '1' THEN 'a@b.example' ELSE NULL END"),
        );
        file(here, "unknown.sql", purchases("", &["1"]).replace("AS value", "AS valu"));
        file(here, "missing.sql", purchases("", &["1"]).replace("(VALUES ('1')) AS t (o)", "'nowhere.csv'"));
        file(here, "broken.sql", "SELECT FROM WHERE");
        file(here, "wrong.sql", purchases("SET postback.concurrency = 'many';", &["1"]));
        Self { folder }
    }

    fn run(&self, arguments: &[&str]) -> Said {
        said(postback(arguments).current_dir(self.folder.path()))
    }
}

#[test]
fn a_run_has_one_document_whatever_becomes_of_it() {
    let (place, server) = (Place::new(), Server::answering([Answer::ok(OK)]));
    let refusing = Server::answering([Answer::ok(r#"{"code":40105,"message":"Access token is incorrect."}"#)]);
    let gone = "http://127.0.0.1:9";
    let url = server.url.as_str();
    for (name, arguments, code) in [
        ("delivered", &["run", "good.sql", "--base-url", url][..], 0),
        ("dry", &["run", "good.sql", "--dry-run"], 0),
        ("sandbox", &["run", "good.sql", "--sandbox"], 0),
        ("explained", &["run", "good.sql", "--dry-run", "--explain"], 0),
        ("quiet", &["run", "good.sql", "--dry-run", "-q"], 0),
        ("verbose", &["run", "good.sql", "--dry-run", "-vv"], 0),
        ("rejects", &["run", "rejected.sql", "--base-url", url], 1),
        ("too few rows", &["run", "good.sql", "--dry-run", "--min-rows", "9"], 1),
        ("unknown column", &["run", "unknown.sql", "--base-url", url], 2),
        ("no such source", &["run", "missing.sql", "--dry-run"], 5),
        ("no SQL", &["run", "broken.sql", "--dry-run"], 2),
        ("no value of a setting", &["run", "wrong.sql", "--dry-run"], 2),
        ("no query file", &["run", "nowhere.sql", "--dry-run"], 2),
        ("wrong flag value", &["run", "good.sql", "--dry-run", "--concurrency", "many"], 2),
        ("unknown flag", &["run", "good.sql", "--dry-runs"], 2),
        ("unknown parameter", &["run", "good.sql", "--dry-run", "--param", "a=1"], 2),
        ("a token as a flag", &["run", "good.sql", "--access-token", "t"], 2),
        ("no settings file", &["run", "good.sql", "--dry-run", "--config", "nowhere.toml"], 2),
        ("no token", &["run", "live.sql", "--base-url", "https://events.invalid"], 3),
        ("a live destination and another now", &["run", "good.sql", "--token-file", "nowhere"], 2),
        ("refused token", &["run", "good.sql", "--base-url", &refusing.url], 3),
        ("nobody listens", &["run", "good.sql", "--base-url", gone], 4),
        ("no fault script", &["run", "good.sql", "--sandbox", "--faults", "nowhere.toml"], 2),
        ("resent without a yes", &["run", "good.sql", "--force-resend"], 2),
        ("nothing to wait for", &["run", "good.sql", "--wait-for", "nowhere", "--timeout", "0s"], 5),
        ("no ledger", &["retry"], 2),
        ("no run", &["retry", "x"], 2),
        ("no folder for the ledger", &["run", "good.sql", "--dry-run", "--ledger", "good.sql/x"], 2),
    ] {
        let said = place.run(&[arguments, &["--format", "json"]].concat());
        assert_eq!(said.code, code, "{name}: {}", said.stderr);
        let document = document(name, &said);
        assert_eq!(document["exit_code"], code, "{name}: {document}");
        assert_eq!(document["error"].is_null(), code == 0, "{name}: {document}");
        if code != 0 {
            assert!(document["error"]["message"].is_string() && document["error"]["kind"].is_string(), "{name}");
        }
        if !arguments[0].contains("retry") && !name.starts_with("unknown flag") && name != "a token as a flag" {
            let lines = place.run(&[arguments, &["--format", "ndjson"]].concat());
            assert!(lines.stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{name}");
        }
    }
}

#[test]
fn several_files_have_one_document_too() {
    let place = Place::new();
    for (files, codes) in [
        (&["good.sql", "other.sql"][..], &[0, 0][..]),
        (&["good.sql", "unknown.sql"], &[2]),
        (&["nowhere.sql", "good.sql"], &[2]),
        (&["broken.sql", "nowhere.sql", "missing.sql"], &[2, 2, 5]),
        (&["good.sql", "rejected.sql"], &[0, 1]),
    ] {
        let said = place.run(&[&["run", "--dry-run", "--format", "json"], files].concat());
        let documents = document(&files.join(" "), &said);
        let found: Vec<u64> =
            documents.as_array().unwrap().iter().map(|one| one["exit_code"].as_u64().unwrap()).collect();
        assert_eq!(found, codes, "{files:?}: {documents}");
        let lines = place.run(&[&["run", "--dry-run", "--format", "ndjson"], files].concat());
        let found: Vec<Value> = lines.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(found.len(), codes.len(), "{files:?}");
    }
}

#[test]
fn other_commands_have_one_document_whatever_becomes_of_them() {
    let place = Place::new();
    for (arguments, code) in [
        (&["sql", "SELECT 1 AS a"][..], 0),
        (&["sql", "SELECT 1 AS a WHERE false"], 0),
        (&["sql", "SELECT * FROM 'nowhere.csv'"], 5),
        (&["sql", "SELECT FROM"], 2),
        (&["sql", "COPY (SELECT 1) TO 'x.csv'"], 2),
        (&["preview", "good.sql"], 0),
        (&["preview", "unknown.sql"], 2),
        (&["preview", "nowhere.sql"], 2),
        (&["check", "good.sql"], 0),
        (&["check", "unknown.sql"], 2),
        (&["check", "nowhere.sql"], 2),
        (&["check", "good.sql", "--config", "nowhere.toml"], 2),
        (&["schema"], 0),
        (&["config"], 0),
        (&["config", "--event-source", "nowhere"], 2),
        (&["explain", "PB2007"], 0),
        (&["explain", "PB0000"], 2),
        (&["resolve"], 5),
    ] {
        let said = place.run(&[arguments, &["--format", "json"]].concat());
        assert_eq!(said.code, code, "{arguments:?}: {}", said.stderr);
        document(&arguments.join(" "), &said);
    }
}

#[test]
fn where_all_is_well_a_quiet_command_prints_nothing() {
    let (place, server) = (Place::new(), Server::answering([Answer::ok(OK)]));
    let url = server.url.as_str();
    let quiet = |arguments: &[&str]| {
        let said = place.run(&[arguments, &["-q", "--ledger", "state"]].concat());
        assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, "", ""), "{arguments:?}");
    };
    quiet(&["run", "good.sql", "--base-url", url]);
    quiet(&["run", "good.sql", "--base-url", url]);
    quiet(&["run", "good.sql", "other.sql", "--base-url", url]);
    quiet(&["retry"]);
    quiet(&["run", "good.sql", "--dry-run"]);
    quiet(&["run", "good.sql", "--sandbox"]);
    quiet(&["ledger", "verify", "--namespace", "sandbox"]);
    quiet(&["resolve", "--namespace", "sandbox"]);
    let checked = place.run(&["check", "good.sql", "-q"]);
    assert_eq!((checked.code, checked.stdout.as_str(), checked.stderr.as_str()), (0, "", ""));
    let stray = said(
        postback(&["run", "good.sql", "--dry-run", "-q"])
            .current_dir(place.folder.path())
            .env("POSTBACK_PORT", "tcp://10.0.0.1"),
    );
    assert_eq!((stray.code, stray.stdout.as_str(), stray.stderr.as_str()), (0, "", ""));
    let failed = place.run(&["run", "rejected.sql", "--dry-run", "-q"]);
    assert!(failed.code == 1 && failed.stdout.contains("rejected") && !failed.stderr.is_empty(), "{}", failed.stdout);
    // What is asked for is no talk.
    let asked = place.run(&["run", "good.sql", "--dry-run", "-q", "--format", "csv"]);
    assert!(asked.stdout.starts_with("place,events\n"), "{}", asked.stdout);
}

#[test]
fn variables_that_are_no_setting_warn() {
    let place = Place::new();
    let warned = |variables: &[(&str, &str)]| {
        let mut command = postback(&["run", "good.sql", "--dry-run", "--format", "json"]);
        let said = said(command.current_dir(place.folder.path()).envs(variables.iter().copied()));
        assert_eq!(said.code, 0, "{variables:?}: {}", said.stderr);
        document("warned", &said);
        said.stderr
    };
    assert_eq!(warned(&[]), "");
    let service = [
        ("POSTBACK_SERVICE_HOST", "10.96.0.7"),
        ("POSTBACK_SERVICE_PORT", "80"),
        ("POSTBACK_SERVICE_PORT_HTTP", "80"),
        ("POSTBACK_PORT", "tcp://10.96.0.7:80"),
        ("POSTBACK_PORT_80_TCP", "tcp://10.96.0.7:80"),
        ("POSTBACK_PORT_80_TCP_PROTO", "tcp"),
        ("POSTBACK_PORT_80_TCP_PORT", "80"),
        ("POSTBACK_PORT_80_TCP_ADDR", "10.96.0.7"),
    ];
    let stderr = warned(&service);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(service.iter().all(|(name, _)| stderr.contains(&format!("`{name}`"))), "{stderr}");
    let near = warned(&[("POSTBACK_EVENT_SORCE", "web")]);
    assert!(near.contains("`POSTBACK_EVENT_SORCE`") && near.contains("POSTBACK_EVENT_SOURCE?"), "{near}");
    let one = warned(&[("POSTBACK_FLAVOUR", "web")]);
    assert_eq!(one, "warning: `POSTBACK_FLAVOUR` is no setting and has no effect\n");
    for name in ["POSTBACK_TEST_EVENT_CODE", "POSTBACK_DRY_RUN", "POSTBACK_SANDBOX", "POSTBACK_CONCURRENCY"] {
        let refused =
            said(postback(&["run", "good.sql", "--dry-run"]).current_dir(place.folder.path()).env(name, "tcp://x"));
        assert!(refused.code == 2 && refused.stderr.contains(name), "{name}: {}", refused.stderr);
    }
}

/// What `query` gives, line by line.
fn lines(query: &str) -> (i32, Vec<Value>, String) {
    let said = said(&mut postback(&["sql", query, "--format", "ndjson"]));
    let lines = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{query}: {error}: {line}")));
    (said.code, lines.collect(), said.stderr)
}

#[test]
fn maps_have_texts_as_keys_in_json() {
    for (query, expected) in [
        ("SELECT map([1, 2], ['a', 'b']) AS m", r#"{"m":{"1":"a","2":"b"}}"#),
        ("SELECT map([1.5], [2]) AS m", r#"{"m":{"1.5":2}}"#),
        ("SELECT map([true], [2]) AS m", r#"{"m":{"true":2}}"#),
        ("SELECT map([DATE '2026-11-01'], [2]) AS m", r#"{"m":{"2026-11-01":2}}"#),
        ("SELECT map(['k'], [2]) AS m", r#"{"m":{"k":2}}"#),
        ("SELECT map([1], [map([2], ['x'])]) AS m", r#"{"m":{"1":{"2":"x"}}}"#),
        ("SELECT [map([1], ['a'])] AS m", r#"{"m":[{"1":"a"}]}"#),
        ("SELECT named_struct('s', map([1], ['a'])) AS m", r#"{"m":{"s":{"1":"a"}}}"#),
        ("SELECT map([1], [NULL]) AS m", r#"{"m":{"1":null}}"#),
        ("SELECT CASE WHEN n = 1 THEN map([n], ['a']) END AS m FROM generate_series(2, 2) AS t (n)", r#"{"m":null}"#),
    ] {
        let (code, found, stderr) = lines(query);
        assert_eq!((code, found), (0, vec![serde_json::from_str(expected).unwrap()]), "{query}: {stderr}");
        let array = said(&mut postback(&["sql", query, "--format", "json"]));
        assert_eq!(document(query, &array)[0], serde_json::from_str::<Value>(expected).unwrap());
    }
}

#[test]
fn a_time_that_no_calendar_has_is_told_and_no_broken_json() {
    let folder = tempfile::tempdir().unwrap();
    let columns: [(&str, ArrayRef); 5] = [
        ("s", Arc::new(TimestampSecondArray::from(vec![i64::MAX]))),
        ("ms", Arc::new(TimestampMillisecondArray::from(vec![-i64::MAX]))),
        ("instant", Arc::new(TimestampSecondArray::from(vec![i64::MAX]).with_timezone("UTC"))),
        ("day", Arc::new(Date32Array::from(vec![i32::MAX]))),
        ("long_day", Arc::new(Date64Array::from(vec![i64::MAX]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = folder.path().join("times.arrow");
    let mut writer = FileWriter::try_new(fs::File::create(&path).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    for time in ["s", "ms", "instant", "day", "long_day", "[s]", "named_struct('a', s)", "map(['k'], [s])"] {
        let query = format!("SELECT {time} AS t FROM '{}'", path.display());
        for format in ["json", "ndjson", "csv"] {
            let said = said(&mut postback(&["sql", &query, "--format", format]));
            assert_eq!(said.code, 1, "{query} {format}: {}{}", said.stdout, said.stderr);
            assert!(said.stderr.contains("row 1 of `t` holds a time that no calendar has"), "{}", said.stderr);
            match format {
                "json" => drop(document(&query, &said)),
                _ => assert_eq!(said.stdout, ""),
            }
        }
    }
    let (code, found, stderr) =
        lines("SELECT TIMESTAMP '2261-12-31T23:59:59' AS t, DATE '0001-01-01' AS d, INTERVAL '1 day' AS i");
    assert_eq!((code, found.len()), (0, 1), "{stderr}");
}

#[test]
fn an_accepted_batch_keeps_the_ids_of_its_answers() {
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "q.sql", purchases("", &["1", "2", "3", "4"]));
    let mut number = 0;
    let server = Server::judging(move |request| {
        number += 1;
        let code = if request.body.contains("\"order_id\":\"2\"") { 40_002 } else { 0 };
        Answer::ok(&format!(r#"{{"code":{code},"message":"","request_id":"R{number}","data":{{}}}}"#))
    });
    let ledger = folder.path().join("state");
    let named = ledger.to_str().unwrap();
    let arguments =
        ["run", &query, "--base-url", &server.url, "--ledger", named, "--max-rejects", "100%", "--format", "json"];
    let run = said(&mut postback(&arguments));
    let account = document("run", &run);
    assert_eq!((&account["accepted"], &account["rejected"]), (&3.into(), &1.into()), "{}", run.stderr);
    let batches = Path::new(account["folder"].as_str().unwrap()).join("batches.parquet");
    assert!(fs::exists(&batches).unwrap());
    let kept = format!("SELECT accepted, accepted_by FROM '{}'", batches.display());
    let (code, found, stderr) = lines(&kept);
    assert_eq!(code, 0, "{stderr}");
    let ids = found[0]["accepted_by"].as_array().unwrap();
    assert_eq!((&found[0]["accepted"], ids.len()), (&3.into(), 2), "{found:?}");
    assert!(ids.iter().all(|id| id.as_str().unwrap().starts_with('R')), "{ids:?}");
}
