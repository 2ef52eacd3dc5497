//! `postback check`: what it prints in each form, what it ends with, what it reads.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use datafusion::parquet::arrow::ArrowWriter;
use insta::assert_snapshot;
use postback::validate::RULES;
use serde_json::{Value, json};

use crate::server::{Said, file, postback, root, said};

const SETTINGS: &str =
    "SET postback.event_source = 'offline';\nSET postback.event_source_id = '7654321098765432109';\n";

/// `postback` in the folder of this module's queries.
fn here(arguments: &[&str]) -> Said {
    said(postback(arguments).current_dir(root().join("tests/data/check_command")))
}

fn within(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = postback(arguments);
    command.current_dir(folder);
    command
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_problem_is_shown_with_its_line_its_reason_and_its_fix() {
    let said = here(&["check", "purchases.sql"]);
    assert_eq!((said.code, said.stderr.as_str()), (2, ""));
    assert_snapshot!(said.stdout, @r#"
    error[PB2008]: `purchase` is no event name
     --> purchases.sql:5:3
      |
    5 |   'purchase'    AS event,
      |   ^^^^^^^^^^
      |
      = note: event names are case-sensitive, and a misspelt one counts as a different event or is refused
      = help: did you mean 'Purchase'?

    error[PB2007]: `email` is the same constant for every row
     --> purchases.sql:8:3
      |
    8 |   'o.email'     AS email,
      |   ^^^^^^^^^
      |
      = note: one identity on every row attributes all events to one person; usually a column name in quotes
      = help: remove the quotes if you mean the column o.email

    warning[PB2014]: `value` comes without a currency
     --> purchases.sql:9:3
      |
    9 |   o.total       AS value
      |   ^^^^^^^
      |
      = note: TikTok reports no revenue for a value without a currency
      = help: select a column `currency`, or `SET postback.currency = 'USD';`

    1 file: 2 errors, 1 warning
    postback explain CODE says more: PB2007 constant-identity, PB2008 event-name-misspelt, PB2014 value-without-currency
    "#);
}

#[test]
fn github_shows_each_problem_beside_its_line() {
    let said = here(&["check", "purchases.sql", "--format", "github"]);
    assert_eq!((said.code, said.stderr.as_str()), (2, ""));
    assert_snapshot!(said.stdout, @r#"
    ::error file=purchases.sql,line=5,endLine=5,col=3,endColumn=13,title=PB2008 event-name-misspelt::`purchase` is no event name%0Aevent names are case-sensitive, and a misspelt one counts as a different event or is refused%0Ahelp: did you mean 'Purchase'?
    ::error file=purchases.sql,line=8,endLine=8,col=3,endColumn=12,title=PB2007 constant-identity::`email` is the same constant for every row%0Aone identity on every row attributes all events to one person; usually a column name in quotes%0Ahelp: remove the quotes if you mean the column o.email
    ::warning file=purchases.sql,line=9,endLine=9,col=3,endColumn=10,title=PB2014 value-without-currency::`value` comes without a currency%0ATikTok reports no revenue for a value without a currency%0Ahelp: select a column `currency`, or `SET postback.currency = 'USD';`
    1 file: 2 errors, 1 warning
    "#);
}

#[test]
fn json_is_one_versioned_document() {
    let said = here(&["check", "warned.sql", "sound.sql", "--format", "json"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    let columns = [
        ("order_id", "Utf8"),
        ("customer_id", "Utf8"),
        ("email", "Utf8"),
        ("phone", "Utf8"),
        ("zip", "Utf8"),
        ("ordered_at", "Timestamp(µs, \"UTC\")"),
        ("items", "Int64"),
        ("total", "Decimal128(28, 6)"),
        ("note", "Utf8"),
    ];
    let sources = json!([{
        "location": "../orders/orders.csv", "recognised": "CSV", "files": 1, "empty_files": 0, "bytes": 520,
        "columns": columns, "notes": [],
    }]);
    let expected = json!({
        "version": 1,
        "files": [
            { "path": "warned.sql", "sources": sources, "diagnoses": [{
                "code": "PB2006",
                "slug": "column-not-for-source",
                "severity": "warning",
                "message": "`external_id` is not part of offline events and is not sent",
                "why": "the event source does not take this field, so it is not sent",
                "help": "leave the column out, or check `postback.event_source`",
                "citation": "D1 (R46, R61, R65) (certain)",
                "line": 9,
                "column": 3,
                "end_column": 16,
            }] },
            { "path": "sound.sql", "sources": sources, "diagnoses": [] },
        ],
        "errors": 0,
        "warnings": 1,
    });
    assert_eq!(json(&said.stdout), expected);
}

#[test]
fn sarif_names_rules_and_regions() {
    let said = here(&["check", "purchases.sql", "warned.sql", "nowhere.sql", "--format", "sarif"]);
    assert_eq!((said.code, said.stderr.as_str()), (2, ""));
    let log = json(&said.stdout);
    assert_eq!((&log["version"], &log["runs"][1]), (&json!("2.1.0"), &Value::Null));
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    for rule in rules {
        let known = RULES.iter().find(|known| rule["id"] == known.code).unwrap();
        assert_eq!(rule["name"], known.slug);
        assert_eq!(rule["fullDescription"]["text"], known.why);
        assert_eq!(rule["help"]["text"], known.fix);
    }
    let results = run["results"].as_array().unwrap();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], ids[index]);
        assert_eq!(result["locations"].as_array().unwrap().len(), 1);
    }
    let place = |code: &str| {
        let result = results.iter().find(|result| result["ruleId"] == code).unwrap();
        (result["level"].as_str().unwrap(), &result["locations"][0]["physicalLocation"])
    };
    let (level, constant) = place("PB2007");
    assert_eq!((level, &constant["artifactLocation"]["uri"]), ("error", &json!("purchases.sql")));
    assert_eq!((&constant["region"]["startLine"], &constant["region"]["startColumn"]), (&json!(8), &json!(3)));
    assert_eq!(place("PB2006").0, "warning");
    assert!(results.iter().any(|result| {
        let place = &result["locations"][0]["physicalLocation"];
        place["artifactLocation"]["uri"] == "nowhere.sql" && place["region"] == Value::Null
    }));
}

#[test]
fn a_sound_query_says_what_was_looked_at() {
    let said = here(&["check", "sound.sql"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    assert_eq!(
        said.stdout,
        "sound.sql: 6 columns from ../orders/orders.csv\n  ../orders/orders.csv: CSV, 1 file of 520 B\n1 file: no problems found\n"
    );
    let quiet = here(&["check", "sound.sql", "warned.sql", "--quiet"]);
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "", ""));
}

#[test]
fn warnings_are_errors_when_strict() {
    let lenient = here(&["check", "warned.sql"]);
    assert_eq!(lenient.code, 0, "{}", lenient.stdout);
    assert!(lenient.stdout.contains("warning[PB2006]") && lenient.stdout.contains("1 file: 1 warning\n"));
    let strict = here(&["check", "warned.sql", "--strict"]);
    assert_eq!(strict.code, 2, "{}", strict.stdout);
    assert!(
        strict.stdout.contains("error[PB2006]") && strict.stdout.contains("1 file: 1 error\n"),
        "{}",
        strict.stdout
    );
    let document = json(&here(&["check", "warned.sql", "--strict", "--format", "json"]).stdout);
    assert_eq!((&document["errors"], &document["warnings"]), (&json!(1), &json!(0)));
}

#[test]
fn files_folders_and_patterns_are_each_checked_once() {
    let paths = |arguments: &[&str]| {
        let said = here(&[&["check", "--format", "json"], arguments].concat());
        let document = json(&said.stdout);
        let paths: Vec<String> =
            document["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().into()).collect();
        (said.code, paths)
    };
    let all = vec!["purchases.sql".to_owned(), "sound.sql".into(), "warned.sql".into()];
    for arguments in [&["."][..], &["*.sql"], &["purchases.sql", "*.sql", "./sound.sql", "."]] {
        assert_eq!(paths(arguments), (2, all.clone()), "{arguments:?}");
    }
    assert_eq!(paths(&["../check_command"]).1[1], "../check_command/sound.sql");
}

#[test]
fn what_means_no_file_is_a_finding_and_the_others_are_checked() {
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    let said = here(&["check", "nowhere.sql", "*.txt", empty, "sound.sql"]);
    assert_eq!((said.code, said.stderr.as_str()), (2, ""));
    for words in [
        "no query file `nowhere.sql`",
        "no file matches `*.txt`",
        "has no .sql file",
        "sound.sql: 6 columns",
        "4 files: 3 errors",
    ] {
        assert!(said.stdout.contains(words), "{words} in {}", said.stdout);
    }
    let nothing = here(&["check"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (2, ""));
    assert!(nothing.stderr.contains("Usage: postback check"), "{}", nothing.stderr);
}

#[test]
fn a_missing_source_is_a_finding_of_the_query() {
    let folder = tempfile::tempdir().unwrap();
    let query = "SELECT 'Purchase' AS event, id AS order_id, at AS timestamp, email FROM 'nowhere/*.parquet'";
    file(folder.path(), "q.sql", format!("{SETTINGS}{query}"));
    let said = said(&mut within(folder.path(), &["check", "q.sql"]));
    assert_eq!((said.code, said.stderr.as_str()), (2, ""));
    assert!(said.stdout.contains("error[PB1003]: no file matches `nowhere/*.parquet`"), "{}", said.stdout);
}

#[test]
fn settings_and_parameters_are_given_as_for_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let query = |filter: &str| {
        format!(
            "SELECT 'Purchase' AS event, n AS order_id, n AS email, 1787234400 AS timestamp FROM (VALUES ('1')) AS t (n) {filter}"
        )
    };
    file(folder.path(), "a.sql", query("WHERE n > $since"));
    file(folder.path(), "b.sql", query(""));
    file(folder.path(), "other.toml", "event_source = \"offline\"\n");
    let id = ["--config", "other.toml", "--event-source-id", "7654321098765432109"];
    let check = |arguments: &[&str]| {
        let said = said(&mut within(folder.path(), &[&["check"], arguments, &id].concat()));
        (said.code, format!("{}{}", said.stdout, said.stderr))
    };
    let (code, text) = check(&["a.sql", "--param", "since=5"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = check(&["a.sql"]);
    assert!(code == 2 && text.contains("the parameter `$since` has no value"), "{text}");
    let (code, text) = check(&["*.sql", "--param", "since=5"]);
    assert_eq!(code, 0, "a parameter is for the files that use it: {text}");
    let (code, text) = check(&["*.sql", "--param", "until=5"]);
    assert!(code == 2 && text.contains("no query has a parameter `$until`"), "{text}");
}

/// Writes `count` Parquet files, of which the last one has a column more.
fn write_parquet(folder: &Path, count: usize) {
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["4711"]));
    let emails: ArrayRef = Arc::new(StringArray::from(vec!["a@b.example"]));
    let times: ArrayRef = Arc::new(Int64Array::from(vec![1_787_234_400]));
    for index in 0..count {
        let mut columns =
            vec![("id", Arc::clone(&ids)), ("email", Arc::clone(&emails)), ("placed", Arc::clone(&times))];
        if index + 1 == count {
            columns.push(("shop", Arc::clone(&ids)));
        }
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let path = fs::File::create(folder.join(format!("part-{index:04}.parquet"))).unwrap();
        let mut writer = ArrowWriter::try_new(path, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
}

#[test]
fn a_thousand_files_are_one_table_with_the_columns_of_all() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("orders")).unwrap();
    write_parquet(&folder.path().join("orders"), 1_000);
    let query =
        "SELECT 'Purchase' AS event, id AS order_id, placed AS timestamp, email, shop AS shop_id FROM 'orders/'";
    file(folder.path(), "q.sql", format!("{SETTINGS}{query}"));
    let sound = said(&mut within(folder.path(), &["check", "q.sql"]));
    assert_eq!(
        (sound.code, sound.stdout.lines().next()),
        (0, Some("q.sql: 5 columns from orders/")),
        "{}",
        sound.stdout
    );
    // A column that cannot be joined with the others is noticed wherever it stands.
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    let batch = RecordBatch::try_from_iter([("placed", flags)]).unwrap();
    let path = fs::File::create(folder.path().join("orders/part-0500.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(path, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mixed = said(&mut within(folder.path(), &["check", "q.sql"]));
    assert_eq!(mixed.code, 2, "{}", mixed.stdout);
    assert!(mixed.stdout.contains("error[PB1003]: `placed` is"), "{}", mixed.stdout);
    assert!(mixed.stdout.contains("`orders/part-0500.parquet`"), "{}", mixed.stdout);
    fs::write(folder.path().join("orders/part-0700.parquet"), "PAR1 and no footer").unwrap();
    let damaged = said(&mut within(folder.path(), &["check", "q.sql"]));
    assert!(damaged.stdout.contains("part-0700.parquet` is no readable Parquet file"), "{}", damaged.stdout);
}

#[test]
fn rows_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "4711,a@b.example,2026-08-20T10:00:00Z\n".repeat(40_000);
    // Behind what a sample looks at, the file is no CSV any more.
    file(folder.path(), "orders.csv", format!("id,email,placed\n{rows}\"open"));
    file(
        folder.path(),
        "orders.ndjson",
        format!("{}{{\"open", "{\"id\":\"1\",\"email\":\"a@b.example\"}\n".repeat(40_000)),
    );
    for (name, time) in [("orders.csv", "placed"), ("orders.ndjson", "1787234400")] {
        let query = format!("SELECT 'Purchase' AS event, id AS order_id, {time} AS timestamp, email FROM '{name}'");
        file(folder.path(), "q.sql", format!("{SETTINGS}{query}"));
        let said = said(&mut within(folder.path(), &["check", "q.sql"]));
        assert_eq!(said.code, 0, "{name}: {}", said.stdout);
    }
}

#[test]
fn each_file_of_many_gives_a_smaller_sample_that_ends_with_a_record() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("orders")).unwrap();
    // Quoted line ends make a sample that is cut anywhere else look broken.
    let row = format!("4711,a@b.example,2026-08-20T10:00:00Z,\"{}\"\n", "note,\n".repeat(50));
    let item = format!("{{\"id\":\"1\",\"email\":\"a@b.example\",\"note\":\"{}\"}}", "x".repeat(900));
    for index in 0..140 {
        let content = if index < 4 { row.repeat(1_600) } else { row.clone() };
        file(&folder.path().join("orders"), &format!("{index}.csv"), format!("id,email,placed,note\n{content}"));
    }
    fs::create_dir(folder.path().join("items")).unwrap();
    for index in 0..140 {
        let count = if index < 4 { 600 } else { 1 };
        let items = vec![item.as_str(); count].join(",\n");
        file(&folder.path().join("items"), &format!("{index}.json"), format!("[{items}]"));
    }
    for (name, time) in [("orders/", "placed"), ("items/", "1787234400")] {
        let query = format!("SELECT 'Purchase' AS event, id AS order_id, {time} AS timestamp, email FROM '{name}'");
        file(folder.path(), "q.sql", format!("{SETTINGS}{query}"));
        let said = said(&mut within(folder.path(), &["check", "q.sql"]));
        assert_eq!(said.code, 0, "{name}: {}", said.stdout);
    }
}

#[test]
fn both_are_commands_like_the_others() {
    let all = said(&mut postback(&["--help"])).stdout;
    let completions = said(&mut postback(&["completions", "bash"])).stdout;
    for verb in ["check", "explain"] {
        let help = said(&mut postback(&[verb, "--help"]));
        assert_eq!((help.code, help.stderr.as_str()), (0, ""));
        assert!(help.stdout.contains(&format!("Usage: postback {verb}")), "{}", help.stdout);
        assert!(all.contains(&format!("\n  {verb} ")) && completions.contains(&format!("postback,{verb})")), "{verb}");
    }
}
