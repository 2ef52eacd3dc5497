//! How exports lie in folders, what their columns are called, and what `check` says of them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::server::{Answer, OK, Said, Server, arrived, file, postback, said};

const SETTINGS: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
    SET postback.as_of = '2025-12-07T12:00:00Z'; SET postback.currency = 'USD';\n";

fn sql(folder: &Path, query: &str) -> Said {
    said(postback(&["sql", query, "--format", "ndjson"]).current_dir(folder))
}

fn rows(folder: &Path, query: &str) -> Vec<String> {
    let said = sql(folder, query);
    assert_eq!(said.code, 0, "{query}: {}", said.stderr);
    said.stdout.lines().map(str::to_owned).collect()
}

/// `query` ends with exit code 5 and says all of `words`.
fn refused(folder: &Path, query: &str, words: &[&str]) {
    let said = sql(folder, query);
    assert_eq!(said.code, 5, "{query}: {}{}", said.stdout, said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "{query}: no `{word}` in\n{}", said.stderr);
    }
}

/// Writes `content` to `name`, in folders that are made for it.
fn put(folder: &Path, name: &str, content: &str) {
    fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
    file(folder, name, content);
}

/// A Parquet file of texts under `names`.
fn parquet(folder: &Path, name: &str, names: &[&str], values: &[&str]) {
    fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
    let column = |value: &&str| Arc::new(StringArray::from(vec![*value])) as ArrayRef;
    let batch = RecordBatch::try_from_iter(names.iter().copied().zip(values.iter().map(column))).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(folder.join(name)).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn written(folder: &Path, name: &str, hours: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000 + hours * 3_600);
    fs::File::options().write(true).open(folder.join(name)).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_column_is_found_whatever_its_case() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let values = ["o1", "pat@b.example", "Main"];
    file(here, "a.csv", "ORDER_ID,eMail,storeName\no1,pat@b.example,Main\n");
    file(here, "a.json", r#"{"ORDER_ID":"o1","eMail":"pat@b.example","storeName":"Main"}"#);
    parquet(here, "a.parquet", &["ORDER_ID", "eMail", "storeName"], &values);
    for name in ["a.csv", "a.json", "a.parquet"] {
        for (query, expected) in [
            (format!("SELECT * FROM '{name}'"), r#"{"order_id":"o1","email":"pat@b.example","storename":"Main"}"#),
            (format!("SELECT order_id, Email FROM '{name}'"), r#"{"order_id":"o1","email":"pat@b.example"}"#),
            (
                format!("SELECT \"ORDER_ID\", x.\"eMail\", \"storeName\" FROM '{name}' x WHERE \"eMail\" LIKE 'pat%'"),
                r#"{"ORDER_ID":"o1","eMail":"pat@b.example","storeName":"Main"}"#,
            ),
            (format!("SELECT count(*) AS n FROM '{name}' WHERE storeName = 'Main'"), r#"{"n":1}"#),
            (format!("SELECT storename AS \"storeName\" FROM '{name}'"), r#"{"storeName":"Main"}"#),
            (
                format!(
                    "WITH s AS (SELECT \"storeName\", count(*) AS \"Number\" FROM '{name}' GROUP BY \"storeName\")
                     SELECT \"storeName\", NUMBER FROM s ORDER BY \"storeName\""
                ),
                r#"{"storeName":"Main","number":1}"#,
            ),
            (
                format!("SELECT \"storeName\" FROM '{name}' a JOIN '{name}' b USING (\"storeName\")"),
                r#"{"storeName":"Main"}"#,
            ),
            (
                format!(
                    "SELECT \"eMail\" FROM '{name}' a
                     WHERE EXISTS (SELECT 1 FROM '{name}' b WHERE b.\"ORDER_ID\" = a.\"ORDER_ID\")"
                ),
                r#"{"eMail":"pat@b.example"}"#,
            ),
        ] {
            assert_eq!(rows(here, &query), [expected], "{query}");
        }
    }
    let other = sql(here, "SELECT stor_name FROM 'a.csv'");
    assert!(other.stderr.contains("did you mean `storename`?"), "{}", other.stderr);
}

#[test]
fn declared_columns_are_found_whatever_their_case() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(here, "a.csv", "ORDER_ID,eMail\no1,pat@b.example\n");
    file(here, "a.json", r#"{"ORDER_ID":"o1","eMail":"pat@b.example"}"#);
    parquet(here, "a.parquet", &["ORDER_ID", "eMail"], &["o1", "pat@b.example"]);
    for (name, stored) in [("a.csv", "CSV"), ("a.json", "JSON"), ("a.parquet", "PARQUET")] {
        let table = format!(
            "CREATE EXTERNAL TABLE t (order_id VARCHAR, \"Email\" VARCHAR) STORED AS {stored} LOCATION '{name}';
            SELECT order_id, email FROM t WHERE \"Email\" = 'pat@b.example'"
        );
        file(here, "t.sql", table);
        let declared = said(postback(&["sql", "t.sql", "--format", "ndjson"]).current_dir(here));
        assert_eq!(
            (declared.code, declared.stdout.as_str()),
            (0, "{\"order_id\":\"o1\",\"email\":\"pat@b.example\"}\n"),
            "{name}: {}",
            declared.stderr
        );
    }
}

#[test]
fn columns_that_differ_only_in_case_keep_apart() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(here, "a.csv", "ID,id,Name\n1,2,x\n");
    assert_eq!(rows(here, "SELECT id, \"ID\" AS upper, name FROM 'a.csv'"), [r#"{"id":"2","upper":"1","name":"x"}"#]);
    let ambiguous = sql(here, "SELECT \"Id\" FROM 'a.csv'");
    assert!(ambiguous.stderr.contains(r#"write one of "ID", "id" in double quotes"#), "{}", ambiguous.stderr);
    file(
        here,
        "q.sql",
        format!(
            "{SETTINGS}SELECT 'Purchase' AS event, id AS order_id, 'a' || name || '@b.example' AS email, 1764900000 AS timestamp FROM 'a.csv'"
        ),
    );
    let checked = said(postback(&["check", "q.sql"]).current_dir(here));
    assert_eq!(checked.code, 0, "{}", checked.stdout);
    assert!(
        checked.stdout.contains("warning[PB2303]: the source has columns whose names differ only in case: `ID`, `id`")
    );
    assert!(checked.stdout.contains(" --> q.sql:3:"), "{}", checked.stdout);
    assert_eq!(said(postback(&["check", "q.sql", "--strict"]).current_dir(here)).code, 2);
    let run = said(postback(&["run", "q.sql", "--dry-run"]).current_dir(here));
    assert!(run.stderr.contains("warning[PB2303]"), "{}", run.stderr);
}

#[test]
fn events_bind_columns_in_capitals() {
    let folder = tempfile::tempdir().unwrap();
    parquet(
        folder.path(),
        "snowflake.parquet",
        &["EVENT", "ORDER_ID", "EMAIL", "TIMESTAMP", "StoreName"],
        &["Purchase", "o1", "pat@b.example", "2025-12-05T10:15:00Z", "Main"],
    );
    let query = format!(
        "{SETTINGS}SET postback.extra_columns = 'properties'; SELECT *, \"StoreName\" AS shop FROM 'snowflake.parquet'"
    );
    let server = Server::answering([Answer::ok(OK)]);
    let said = said(&mut postback(&["run", &file(folder.path(), "q.sql", query), "--base-url", &server.url]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    let event: Value = serde_json::from_str(&arrived(&server)[0]).unwrap();
    assert_eq!(event["event_time"], 1_764_929_700);
    assert_eq!((&event["properties"]["storename"], &event["properties"]["shop"]), (&"Main".into(), &"Main".into()));
}

#[test]
fn folders_of_partitions_are_columns_with_types() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (partition, id) in [
        ("country=DE/day=2026-11-01", "1"),
        ("country=C%C3%B4te%20d/day=2026-11-02", "2"),
        ("country=__HIVE_DEFAULT_PARTITION__/day=2026-11-02", "3"),
    ] {
        put(here, &format!("csv/{partition}/0"), &format!("Id\n{id}\n"));
        parquet(here, &format!("pq/{partition}/0"), &["Id"], &[id]);
    }
    put(here, "csv/_SUCCESS", "");
    put(here, "csv/_temporary/0/country=DE/1", "Id\n9\n");
    for source in ["csv", "csv/", "csv/**/*", "csv/country=*/*/*", "csv/country=*", "pq", "pq/country=*/day=*/0"] {
        let query = format!("SELECT id, country, arrow_typeof(day) AS t FROM '{source}' ORDER BY id");
        let expected = [("1", r#","country":"DE""#), ("2", r#","country":"Côte d""#), ("3", r#","country":null"#)]
            .map(|(id, country)| format!(r#"{{"id":"{id}"{country},"t":"Date32"}}"#));
        assert_eq!(rows(here, &query), expected, "{source}");
        let query = format!("SELECT id FROM '{source}' WHERE day > DATE '2026-11-01' AND country IS NOT NULL");
        assert_eq!(rows(here, &query), [r#"{"id":"2"}"#], "{source}");
    }
    assert_eq!(
        rows(here, "SELECT id, country FROM 'csv/country=DE/day=2026-11-01/0'"),
        [r#"{"id":"1","country":"DE"}"#]
    );
    put(here, "csv/country=FR/0", "Id\n1\n");
    refused(
        here,
        "SELECT * FROM 'csv'",
        &["different partition columns", "/day=2026-11-02/0 (country, day)", "country=FR/0 (country)"],
    );
    put(here, "csv/old/0", "Id\n1\n");
    refused(here, "SELECT * FROM 'csv/'", &["holds the folder `csv/old`", "a glob such as 'csv/**/*'"]);
}

#[test]
fn declared_types_of_partitions_win() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for month in ["01", "02"] {
        put(here, &format!("sales/Month={month}/a.csv"), "id\n1\n");
    }
    assert_eq!(rows(here, "SELECT max(month) AS m FROM 'sales'"), [r#"{"m":"02"}"#]);
    let table =
        "CREATE EXTERNAL TABLE t (id VARCHAR, month INT) STORED AS CSV PARTITIONED BY (month) LOCATION 'sales/';
        SELECT max(month) AS m FROM t";
    file(here, "t.sql", table);
    let declared = said(postback(&["sql", "t.sql", "--format", "ndjson"]).current_dir(here));
    assert_eq!((declared.code, declared.stdout.as_str()), (0, "{\"m\":2}\n"), "{}", declared.stderr);
}

/// What lies in a partition that the predicate leaves out is not read: there it would be an error.
#[test]
fn partitions_are_pruned_by_the_predicate() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for country in ["DE", "FR"] {
        fs::create_dir_all(here.join(format!("sales/country={country}"))).unwrap();
        let path = here.join(format!("sales/country={country}/a.parquet"));
        let ids: ArrayRef = Arc::new(Int64Array::from((0..1_000).collect::<Vec<_>>()));
        let batch = RecordBatch::try_from_iter([("ID", ids)]).unwrap();
        let mut writer = ArrowWriter::try_new(fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        if country == "FR" {
            let mut bytes = fs::read(&path).unwrap();
            bytes[4..64].fill(0xff);
            fs::write(&path, bytes).unwrap();
        }
    }
    assert_eq!(rows(here, "SELECT sum(id) AS s FROM 'sales' WHERE country = 'DE'"), [r#"{"s":499500}"#]);
    assert_eq!(sql(here, "SELECT sum(id) AS s FROM 'sales'").code, 5);
}

#[test]
fn a_manifest_names_exactly_the_files_of_an_export() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("unload")).unwrap();
    for (name, content) in
        [("0000_part_00", "id,n\n1,x\n"), ("0001_part_00", "id,n\n2,y\n"), ("0002_part_00", "id,n\n3,old\n")]
    {
        file(here, &format!("unload/{name}"), content);
    }
    let manifest = |entries: &str| {
        file(
            here,
            "unload/manifest",
            format!(r#"{{"entries":[{entries}],"schema":{{"elements":[{{"name":"id"}}]}}}}"#),
        );
    };
    let first = r#"{"url":"s3://bucket/unload/0000_part_00","meta":{"content_length":9}}"#;
    let second = r#"{"url":"0001_part_00","mandatory":true}"#;
    manifest(&format!("{first},{second}"));
    assert_eq!(rows(here, "SELECT id FROM 'unload/manifest' ORDER BY id"), [r#"{"id":"1"}"#, r#"{"id":"2"}"#]);
    file(
        here,
        "q.sql",
        format!(
            "{SETTINGS}SELECT 'Purchase' AS event, id AS order_id, n || '@b.example' AS email, 1764900000 AS timestamp FROM 'unload/manifest'"
        ),
    );
    let checked = said(postback(&["check", "q.sql"]).current_dir(here));
    assert_eq!(
        checked.stdout,
        "q.sql: 4 columns from unload/manifest\n  unload/manifest: CSV, 2 files of 18 B\n    the manifest `unload/manifest` lists 2 files\n1 file: no problems found\n"
    );
    manifest(&format!("{first},{}", r#"{"url":"gone","mandatory":false}"#));
    assert_eq!(rows(here, "SELECT id FROM 'unload/manifest'"), [r#"{"id":"1"}"#]);
    manifest(r#"{"url":"gone"}"#);
    refused(here, "SELECT * FROM 'unload/manifest'", &["no such file", "gone", "unload/manifest"]);
    manifest(r#"{"url":"0000_part_00","meta":{"content_length":10}}"#);
    refused(here, "SELECT * FROM 'unload/manifest'", &["`unload/0000_part_00` has 9 bytes, and 10 by its manifest"]);
    manifest("");
    refused(here, "SELECT * FROM 'unload/manifest'", &["lists no file"]);
}

#[test]
fn what_an_earlier_export_left_behind_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (name, hours) in [("0", 30), ("1", 30), ("3", 0)] {
        let name = format!("bq/00000000000{name}.csv");
        put(here, &name, "id,email\n1,a@b.example\n");
        written(here, &name, hours);
    }
    let query = |source: &str| {
        file(
            here,
            "q.sql",
            format!(
                "{SETTINGS}SELECT 'Purchase' AS event, id AS order_id, email, 1764900000 AS timestamp\nFROM '{source}'"
            ),
        );
        said(postback(&["check", "q.sql", "--format", "json"]).current_dir(here))
    };
    let found: Value = serde_json::from_str(&query("bq/").stdout).unwrap();
    let codes: Vec<&str> =
        found["files"][0]["diagnoses"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["PB2305", "PB2306"]);
    assert_eq!(found["files"][0]["diagnoses"][0]["line"], 4);
    assert_eq!(found["files"][0]["sources"][0]["files"], 3);
    assert_eq!(found["files"][0]["sources"][0]["columns"][1][0], "email");
    let none: Value = serde_json::from_str(&query("bq/00000000000[01].csv").stdout).unwrap();
    assert_eq!(none["warnings"], 0, "{none}");
}

#[test]
fn copies_of_a_partitioned_export_are_found_beside_its_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    put(here, "unload/country=DE/0000_part_00", "id\n1\n");
    put(here, "unload/country=FR/0000_part_00", "id\n2\n");
    put(
        here,
        "unload/manifest",
        r#"{"entries":[{"url":"s3://b/x/country=DE/0000_part_00"},{"url":"s3://b/x/country=FR/0000_part_00"}]}"#,
    );
    let query = ["sql", "SELECT id, country FROM 'unload/manifest' ORDER BY id", "--format", "ndjson"];
    let read = said(postback(&query).current_dir(here));
    assert_eq!(
        read.stdout, "{\"id\":\"1\",\"country\":\"DE\"}\n{\"id\":\"2\",\"country\":\"FR\"}\n",
        "{}",
        read.stderr
    );
}

#[test]
fn files_of_a_table_format_are_read_only_by_those_who_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    put(here, "delta/_delta_log/0.json", "{}");
    put(here, "delta/a.csv", "id\n1\n");
    put(here, "hudi/.hoodie/hoodie.properties", "");
    put(here, "hudi/a.csv", "id\n1\n");
    for (name, what) in [("delta", "a Delta Lake table"), ("hudi", "a Hudi table")] {
        let query = format!("SELECT id FROM '{name}/*.csv'");
        refused(here, &query, &[what, "postback.plain_lake_files"]);
        let plain = postback(&["sql", &query, "--format", "ndjson", "--plain-lake-files", "true"])
            .current_dir(here)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(plain.stdout).unwrap(), "{\"id\":\"1\"}\n", "{name}");
    }
    put(here, "ice/metadata/v1.metadata.json", "{}");
    put(here, "ice/data/day=1/a.csv", "id\n1\n");
    refused(here, "SELECT * FROM 'ice'", &["`ice` is an Iceberg table"]);
    refused(&here.join("ice/data/day=1"), "SELECT * FROM 'a.csv'", &["an Iceberg table"]);
    std::os::unix::fs::symlink(here.join("ice/data"), here.join("link")).unwrap();
    refused(here, "SELECT * FROM 'link/'", &["an Iceberg table"]);
    let plain = ["sql", "SELECT * FROM 'ice'", "--plain-lake-files", "true"];
    let plain = said(postback(&plain).current_dir(here));
    assert!(plain.code == 5 && plain.stderr.contains("`ice` holds the folder `ice/"), "{}", plain.stderr);
}

#[test]
fn standard_input_is_a_source_that_is_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    for location in ["-", "/dev/stdin"] {
        let query = format!(
            "{SETTINGS}SELECT 'Purchase' AS event, id AS order_id, EMAIL, 1764900000 AS timestamp FROM '{location}'"
        );
        let server = Server::answering([Answer::ok(OK)]);
        let query = file(folder.path(), "q.sql", query);
        let mut run = postback(&["run", &query, "--base-url", &server.url])
            .env("TMPDIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        run.stdin.take().unwrap().write_all(b"id,Email\no1,a@b.example\no2,c@d.example\n").unwrap();
        let ended = run.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        assert_eq!(arrived(&server).len(), 2);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["q.sql"], "what was kept goes with the process");
    }
    let empty = said(postback(&["sql", "SELECT * FROM '-'"]).stdin(Stdio::null()));
    assert_eq!(empty.code, 5);
    assert!(empty.stderr.contains("`-` is empty"), "{}", empty.stderr);
}

#[test]
fn check_shows_columns_and_types_to_those_who_ask_for_more() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    put(here, "in/a.csv", "ID,Total\n1,1.5\n");
    put(here, "in/b.csv", "");
    file(
        here,
        "q.sql",
        format!(
            "{SETTINGS}SELECT 'Purchase' AS event, id AS order_id, id || '@b.example' AS email, total AS value, 1764900000 AS timestamp FROM 'in/'"
        ),
    );
    let more = said(postback(&["check", "q.sql", "-v"]).current_dir(here));
    assert_eq!(
        more.stdout,
        "q.sql: 5 columns from in/\n  in/: CSV, 1 file of 15 B, and 1 file without a byte\n    id     Utf8\n    total  Decimal128(28, 6)\n1 file: no problems found\n"
    );
}
