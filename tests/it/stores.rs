//! What is read from buckets and web servers: the same as from files, and nothing beyond loopback.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant, SystemTime};

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::s3::{Asked, Fault, KEY, S3};
use crate::server::{Answer, OK, Request, Said, Server, arrived, file, golden, postback, root, said};

const ROWS: &str = "customer_id,name,total\n007,Ann,1.5\n8,Bo,2.25\n9,\"C\n,c\",3\n";

/// `command` with the credentials of `s3` and nothing else that a vendor's tool would look at.
fn with(command: &mut Command, s3: &S3, home: &Path) {
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy().into_owned();
        if ["AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR_"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL_S3", &s3.url)
        .env("AWS_ACCESS_KEY_ID", KEY.0)
        .env("AWS_SECRET_ACCESS_KEY", KEY.1);
}

/// What `query` says with `variables` on top.
fn sql(s3: &S3, query: &str, variables: &[(&str, &str)]) -> Said {
    let home = tempfile::tempdir().unwrap();
    let mut command = postback(&["sql", query, "--format", "ndjson"]);
    with(&mut command, s3, home.path());
    said(command.envs(variables.iter().copied()))
}

/// The rows of `query` as JSON lines.
fn rows(s3: &S3, query: &str) -> Vec<String> {
    let said = sql(s3, query, &[]);
    assert_eq!(said.code, 0, "{query}: {}", said.stderr);
    said.stdout.lines().map(str::to_owned).collect()
}

/// `query` ends with `code`, says all of `words`, and nothing of the secret.
fn refused(s3: &S3, query: &str, variables: &[(&str, &str)], code: i32, words: &[&str]) {
    let said = sql(s3, query, variables);
    assert_eq!(said.code, code, "{query}: {}{}", said.stdout, said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "{query}: no `{word}` in\n{}", said.stderr);
    }
    for secret in ["canary5e7d", "Signature=", "X-Amz-", "127.0.0.1"] {
        assert!(!said.stderr.contains(secret), "{query}: `{secret}` in\n{}", said.stderr);
    }
}

/// A Parquet file of 40 row groups with columns of which one is wide.
fn wide(path: &Path) -> u64 {
    let rows: Vec<i64> = (0..40_000).collect();
    let text = |seed: &str| -> ArrayRef {
        let texts = rows.iter().map(|row| blake3::hash(format!("{seed}{row}").as_bytes()).to_hex().to_string());
        Arc::new(StringArray::from_iter_values(texts))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("order_number", Arc::new(Int64Array::from(rows.clone()))),
        ("a", text("a")),
        ("b", text("b")),
        ("c", text("c")),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(1_000)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    fs::metadata(path).unwrap().len()
}

#[test]
fn the_same_query_gives_the_same_events_from_a_bucket() {
    let s3 = S3::start();
    let home = tempfile::tempdir().unwrap();
    let orders = root().join("tests/data/orders");
    s3.put_all("shop/exports", &orders);
    let expected = golden("orders.ndjson");
    for name in ["orders_csv.sql", "orders_json.sql", "orders_parquet.sql"] {
        let query = fs::read_to_string(orders.join(name)).unwrap();
        let query = query
            .replace("LOCATION 'orders", "LOCATION 's3://shop/exports/orders")
            .replace("FROM 'orders", "FROM 's3://shop/exports/orders");
        assert!(query.contains("s3://"), "{name}");
        let query = file(home.path(), name, query);
        let server = Server::answering([Answer::ok(OK)]);
        let mut command = postback(&["run", &query, "--base-url", &server.url]);
        with(&mut command, &s3, home.path());
        let said = said(&mut command);
        assert_eq!(said.code, 0, "{name}: {}", said.stderr);
        assert_eq!(arrived(&server), expected.lines().collect::<Vec<_>>(), "{name}");
    }
    assert!(s3.asked().iter().all(|asked| asked.authorization.starts_with("AWS4-HMAC-SHA256")));
}

#[test]
fn of_parquet_only_what_the_query_asks_for_is_fetched() {
    let s3 = S3::start();
    let size = wide(&s3.put("shop/wide.parquet", ""));
    let query = "SELECT count(*) AS n, min(a) IS NOT NULL AS has FROM 's3://shop/wide.parquet' WHERE order_number BETWEEN 30100 AND 30199";
    assert_eq!(rows(&s3, query), [r#"{"n":100,"has":true}"#]);
    let fetched: u64 = s3.asked().iter().map(|asked| asked.bytes).sum();
    assert!(fetched * 2 < size, "{fetched} of {size} bytes");
    let is_read = |asked: &&Asked| asked.method == "GET" && asked.path.ends_with("wide.parquet");
    assert!(s3.asked().iter().filter(is_read).all(|asked| asked.if_match));
}

#[test]
fn folders_patterns_and_partitions_are_listed_as_on_disk() {
    // A bucket knows no folders: there is no object of that key. The server, whose objects are files, trips over its own.
    let s3 = S3::failing(|asked| {
        let is_folder = asked.method == "HEAD" && asked.path == "/shop/in";
        is_folder.then_some(Fault::Status(404, ("x-a", "b"), ""))
    });
    for name in [
        "in/day=2025-12-01/country=DE/a.csv",
        "in/day=2025-12-02/country=__HIVE_DEFAULT_PARTITION__/b.csv",
        "deep/x/y/a.csv",
        "deep/a.csv",
        "flat/a.csv",
        "flat/b.csv",
    ] {
        s3.put(&format!("shop/{name}"), ROWS);
    }
    for marker in ["in/_SUCCESS", "in/day=2025-12-01/.a.csv.crc", "flat/_temporary/0/z.csv"] {
        s3.put(&format!("shop/{marker}"), "broken");
    }
    s3.put("shop/flat/empty.csv", "");
    for (source, count) in [
        ("s3://shop/in/", 6),
        ("s3a://shop/in", 6),
        ("s3://shop/in/*/*/*.csv", 6),
        ("s3://shop/deep/*.csv", 3),
        ("s3://shop/deep/**/*.csv", 6),
        ("s3://shop/flat/", 6),
        ("s3://shop/flat/?.csv", 6),
        ("s3://shop/flat/[b].csv", 3),
    ] {
        let counted = rows(&s3, &format!("SELECT count(*) AS n FROM '{source}'"));
        assert_eq!(counted, [format!(r#"{{"n":{count}}}"#)], "{source}");
    }
    // What consoles and Hadoop put in the place of a folder is no file; a file without a byte is one.
    for folder in ["in/day=2025-12-03", "in/x_$folder$"] {
        s3.put(&format!("shop/{folder}"), "");
    }
    let home = tempfile::tempdir().unwrap();
    for (source, files, empty) in [("flat/", 2, 1), ("in/", 2, 0)] {
        let query = format!(
            "SET postback.event_source = 'offline'; SET postback.event_source_id = '7'; SET postback.event = 'Purchase';
            SELECT customer_id AS order_id, name || '@b.example' AS email, 1764900000 AS timestamp FROM 's3://shop/{source}'"
        );
        let query = file(home.path(), "q.sql", query);
        let mut check = postback(&["check", &query, "--format", "json"]);
        with(&mut check, &s3, home.path());
        let found: serde_json::Value = serde_json::from_str(&said(&mut check).stdout).unwrap();
        let source = &found["files"][0]["sources"][0];
        assert_eq!((&source["files"], &source["empty_files"]), (&files.into(), &empty.into()), "{found}");
    }
    let query = "SELECT arrow_typeof(day) AS t, country, customer_id FROM 's3://shop/in/' WHERE day = DATE '2025-12-02' LIMIT 1";
    assert_eq!(rows(&s3, query), [r#"{"t":"Date32","country":null,"customer_id":"007"}"#]);
    refused(&s3, "SELECT * FROM 's3://shop/deep/'", &[], 5, &["holds the folder `x`"]);
    refused(&s3, "SELECT * FROM 's3://shop/deep/*.json'", &[], 5, &["no file matches", "looked in s3://shop/deep/"]);
    s3.put("shop/table/_delta_log/0.json", "{}");
    s3.put("shop/table/day=1/a.csv", ROWS);
    refused(&s3, "SELECT * FROM 's3://shop/table/*/*.csv'", &[], 5, &["a Delta Lake table"]);
    refused(&s3, "SELECT * FROM 's3://shop/table/day=1/a.csv'", &[], 5, &["a Delta Lake table"]);
}

#[test]
fn tables_of_table_formats_are_known_wherever_in_a_bucket_they_lie() {
    let s3 = S3::start();
    for number in 0..1_050 {
        s3.put(&format!("shop/lake/{number:04}/part/a.csv"), ROWS);
    }
    s3.put("shop/lake/1049/_delta_log/0.json", "{}");
    s3.put("shop/ice/metadata/v1.metadata.json", "{}");
    s3.put("shop/ice/data/0101/0110/1001/10110010/a.csv", ROWS);
    s3.put("shop/hudi/.hoodie/hoodie.properties", "");
    s3.put("shop/hudi/day=1/a.csv", ROWS);
    for (source, table) in [
        ("s3://shop/lake/*/*/*.csv", "`s3://shop/lake/1049` is a Delta Lake table"),
        ("s3://shop/lake/1049/*/a.csv", "`s3://shop/lake/1049` is a Delta Lake table"),
        ("s3://shop/ice/data/**/*.csv", "`s3://shop/ice` is an Iceberg table"),
        ("s3://shop/ice/data/0101/0110/1001/10110010/a.csv", "`s3://shop/ice` is an Iceberg table"),
        ("s3://shop/ice/", "`s3://shop/ice` is an Iceberg table"),
        ("s3://shop/hudi/day=1/", "`s3://shop/hudi` is a Hudi table"),
    ] {
        refused(&s3, &format!("SELECT * FROM '{source}'"), &[], 5, &[table, "postback.plain_lake_files"]);
    }
    let lists = |s3: &S3| s3.asked().iter().filter(|asked| asked.query.contains("list-type")).count();
    let before = lists(&s3);
    let plain =
        sql(&s3, "SELECT count(*) AS n FROM 's3://shop/ice/data/**/*.csv'", &[("POSTBACK_PLAIN_LAKE_FILES", "true")]);
    assert_eq!((plain.code, plain.stdout.trim()), (0, r#"{"n":3}"#), "{}", plain.stderr);
    let asked = lists(&s3) - before;
    assert!(asked <= 9, "one list, and those of the folders above it: {asked}");
}

#[test]
fn a_table_is_not_read_as_files_where_a_store_does_not_say_what_it_is() {
    let answers = |status: u16, body: &'static str| {
        let s3 = S3::failing(move |asked| {
            let is_log = asked.query.contains("_delta_log");
            is_log.then_some(Fault::Status(status, ("x-a", "b"), body))
        });
        s3.put("shop/a.csv", ROWS);
        s3
    };
    let query = "SELECT count(*) AS n FROM 's3://shop/a.csv'";
    let broken = answers(400, "<Error><Code>ExpiredToken</Code></Error>");
    refused(&broken, query, &[], 5, &["credentials have expired"]);
    // Who may read an object and list nothing cannot be told.
    let closed = answers(403, "<Error><Code>AccessDenied</Code></Error>");
    assert_eq!(rows(&closed, query), [r#"{"n":3}"#]);
}

#[test]
fn folders_of_partitions_in_a_location_are_columns() {
    let s3 = S3::start();
    s3.put("shop/part/country=DE/day=1/a.csv", ROWS);
    s3.put("shop/unload/country=DE/0000_part_00", ROWS);
    s3.put("shop/unload/country=FR/0000_part_00", ROWS);
    let entry = |country: &str| format!(r#"{{"url":"s3://shop/unload/country={country}/0000_part_00"}}"#);
    s3.put("shop/unload/manifest", format!(r#"{{"entries":[{},{}]}}"#, entry("DE"), entry("FR")));
    for (source, expected) in [
        ("part/country=DE/", r#"{"n":3,"country":"DE"}"#),
        ("part/country=DE/day=1/a.csv", r#"{"n":3,"country":"DE"}"#),
        ("part/country=DE/*/*.csv", r#"{"n":3,"country":"DE"}"#),
        ("unload/manifest", r#"{"n":6,"country":"FR"}"#),
    ] {
        let query = format!("SELECT count(*) AS n, max(country) AS country FROM 's3://shop/{source}'");
        assert_eq!(rows(&s3, &query), [expected], "{source}");
    }
}

#[test]
fn a_pattern_that_names_a_marker_means_markers() {
    let s3 = S3::start();
    s3.put("shop/day=1/_SUCCESS", "");
    s3.put("shop/day=1/a.csv", ROWS);
    let home = tempfile::tempdir().unwrap();
    let query = file(home.path(), "q.sql", "SELECT * FROM 's3://shop/day=*/none.csv'");
    let waited = |location: &str| {
        let mut command = postback(&["run", &query, "--sandbox", "--wait-for", location, "--timeout", "1s"]);
        with(&mut command, &s3, home.path());
        said(&mut command)
    };
    let there = waited("s3://shop/day=*/_SUCCESS");
    assert!(there.stderr.contains("no file matches") && !there.stderr.contains("did not appear"), "{}", there.stderr);
    let missing = waited("s3://shop/day=*/_FAILURE");
    assert!(missing.code == 5 && missing.stderr.contains("did not appear within 1 s"), "{}", missing.stderr);
}

#[test]
fn a_wait_sees_what_is_there_now() {
    let s3 = S3::start();
    let manifest = |name: &str| format!(r#"{{"entries":[{{"url":"s3://shop/{name}"}}]}}"#);
    s3.put("shop/manifest", manifest("late.csv"));
    let home = tempfile::tempdir().unwrap();
    let query = file(home.path(), "q.sql", "SELECT * FROM 's3://shop/none.csv'");
    let mut command = postback(&["run", &query, "--sandbox", "--wait-for", "s3://shop/manifest", "--timeout", "60s"]);
    with(&mut command, &s3, home.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("waiting for `s3://shop/manifest`"));
    s3.put("shop/a.csv", ROWS);
    s3.put("shop/manifest", manifest("a.csv"));
    let told = lines.map(Result::unwrap).collect::<Vec<_>>().join("\n");
    child.wait().unwrap();
    assert!(told.contains("`s3://shop/manifest` is there after") && told.contains("none.csv"), "{told}");
}

/// A server that answers requests for objects whose path ends with `name` with `status` and `code`.
fn refusing(name: &'static str, status: u16, body: &'static str) -> S3 {
    S3::failing(move |asked| asked.path.ends_with(name).then_some(Fault::Status(status, ("x-a", "b"), body)))
}

#[test]
fn what_a_store_does_not_give_is_no_bad_file_and_no_optional_one() {
    let denied = "<Error><Code>AccessDenied</Code></Error>";
    let s3 = refusing("b.csv", 403, denied);
    s3.put("shop/in/a.csv", ROWS);
    s3.put("shop/in/b.csv", ROWS);
    let entry = |name: &str| format!(r#"{{"url":"s3://shop/in/{name}","mandatory":false}}"#);
    s3.put("shop/one", format!(r#"{{"entries":[{},{}]}}"#, entry("a.csv"), entry("b.csv")));
    s3.put("shop/other", format!(r#"{{"entries":[{},{}]}}"#, entry("a.csv"), entry("c.csv")));
    let skip = [("POSTBACK_SKIP_BAD_FILES", "true")];
    for source in ["in/*.csv", "one"] {
        let query = format!("SELECT * FROM 's3://shop/{source}'");
        refused(&s3, &query, &skip, 5, &["may not be read with these credentials"]);
    }
    let broken = sql(&s3, "SELECT count(*) AS n FROM 's3://shop/other'", &skip);
    assert_eq!((broken.code, broken.stdout.trim()), (0, r#"{"n":3}"#), "{}", broken.stderr);
}

#[test]
fn a_bad_object_is_left_out_where_that_is_allowed() {
    let s3 = S3::start();
    s3.put("shop/in/a.csv", ROWS);
    s3.put("shop/in/b.csv", b"\x1f\x8b\x08\0cut off");
    let query = "SELECT count(*) AS n FROM 's3://shop/in/'";
    refused(&s3, query, &[], 5, &["s3://shop/in/b.csv"]);
    let left_out = sql(&s3, query, &[("POSTBACK_SKIP_BAD_FILES", "true")]);
    assert_eq!((left_out.code, left_out.stdout.trim()), (0, r#"{"n":3}"#), "{}", left_out.stderr);
    assert!(left_out.stderr.contains("s3://shop/in/b.csv"), "{}", left_out.stderr);
}

#[test]
fn an_object_that_changes_during_a_delivery_ends_the_run() {
    let s3 = S3::start();
    let rows = |value: u32| {
        let row = |row: u32| format!("{row},a{row}@shop.example,{value}\n");
        "order_id,email,value\n".to_owned() + &(1..=12_000).map(row).collect::<String>()
    };
    let path = s3.put("shop/orders.csv", rows(1));
    let home = tempfile::tempdir().unwrap();
    let query = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.as_of = '2025-12-07T12:00:00Z'; SET postback.currency = 'USD'; SET postback.event = 'Purchase';
        SET datafusion.execution.batch_size = 500;
        SELECT order_id || '' AS order_id, email, value, '2025-12-07T10:00:00Z' AS timestamp FROM 's3://shop/orders.csv'";
    let query = file(home.path(), "q.sql", query);
    // In one step, as a bucket does: this one would give bytes of a file that is being written.
    let (other, is_changed) = (file(home.path(), "other.csv", rows(10)), Once::new());
    let server = Server::judging(move |_| {
        is_changed.call_once(|| fs::rename(&other, &path).unwrap());
        Answer::ok(OK)
    });
    let mut command = postback(&["run", &query, "--base-url", &server.url, "--batch-events", "100"]);
    with(&mut command, &s3, home.path());
    let ended = said(&mut command);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("`s3://shop/orders.csv`") && ended.stderr.contains("chang"), "{}", ended.stderr);
    let arrived = arrived(&server);
    assert!(!arrived.is_empty() && arrived.iter().all(|event| !event.contains(r#""value":10"#)), "{}", arrived[0]);
}

#[test]
fn nobody_waits_for_what_no_waiting_mends() {
    let s3 = S3::start();
    s3.put("shop/a.csv", ROWS);
    let home = tempfile::tempdir().unwrap();
    let query = file(home.path(), "q.sql", "SELECT * FROM 's3://shop/a.csv'");
    let waited = |location: &str, secret: &str| {
        let mut command = postback(&["run", &query, "--sandbox", "--wait-for", location, "--timeout", "60s"]);
        with(&mut command, &s3, home.path());
        said(command.env("AWS_SECRET_ACCESS_KEY", secret))
    };
    for (location, secret, told) in [
        ("s3://shop/_SUCCESS", "canary5e7d-other", "credentials are not valid"),
        ("s3://shops/_SUCCESS", KEY.1, "no such bucket"),
        ("ftp://shop/_SUCCESS", KEY.1, "no reader for `ftp://`"),
    ] {
        let began = Instant::now();
        let said = waited(location, secret);
        assert!(said.code == 5 && said.stderr.contains(told), "{location}: {}", said.stderr);
        assert!(began.elapsed() < Duration::from_secs(30), "{location}");
    }
}

#[test]
fn small_objects_are_fetched_once_and_several_at_a_time() {
    let s3 = S3::failing(|asked| {
        let is_object = asked.method == "GET" && asked.path.starts_with("/shop/many/");
        is_object.then_some(Fault::Wait(Duration::from_millis(100)))
    });
    let entries = (0..96).map(|number| {
        s3.put(&format!("shop/many/{number:02}.csv"), ROWS);
        format!(r#"{{"url":"s3://shop/many/{number:02}.csv"}}"#)
    });
    let manifest = format!(r#"{{"entries":[{}]}}"#, entries.collect::<Vec<_>>().join(","));
    s3.put("shop/manifest", manifest);
    let fetched = |s3: &S3| {
        s3.asked().iter().filter(|asked| asked.method == "GET" && asked.path.starts_with("/shop/many/")).count()
    };
    for (source, times) in [("many/*.csv", 1), ("manifest", 2)] {
        let began = Instant::now();
        assert_eq!(rows(&s3, &format!("SELECT count(*) AS n FROM 's3://shop/{source}'")), [r#"{"n":288}"#]);
        assert_eq!(fetched(&s3), 96 * times, "{source}");
        assert!(began.elapsed() < Duration::from_millis(96 * 100), "{source}: {:?}", began.elapsed());
    }
    let lists = s3.asked().iter().filter(|asked| asked.query.contains("list-type")).count();
    assert!(lists < 20, "folders above the files are asked for once: {lists}");
}

#[test]
fn a_list_has_pages() {
    let s3 = S3::start();
    for number in 0..1_100 {
        s3.put(&format!("shop/many/{number:04}.csv"), ROWS);
    }
    assert_eq!(rows(&s3, "SELECT count(*) AS n FROM 's3://shop/many/109*.csv'"), [r#"{"n":30}"#]);
    assert!(s3.asked().iter().any(|asked| asked.query.contains("continuation-token")));
}

#[test]
fn what_a_store_refuses_is_told_with_what_to_do() {
    let s3 = S3::start();
    s3.put("shop/orders/2025.csv", ROWS);
    let query = "SELECT * FROM 's3://shop/orders/2025.csv'";
    refused(
        &s3,
        query,
        &[("AWS_SECRET_ACCESS_KEY", "canary5e7d-other")],
        5,
        &["credentials are not valid", "s3://shop/orders/2025.csv"],
    );
    refused(&s3, query, &[("AWS_ACCESS_KEY_ID", "AKIDOTHER")], 5, &["s3://shop/orders/2025.csv"]);
    refused(
        &s3,
        query,
        &[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")],
        5,
        &["no credentials", "--aws-profile"],
    );
    refused(&s3, query, &[("AWS_PROFILE", "other")], 2, &["no AWS profile `other`"]);
    refused(&s3, "SELECT * FROM 's3://shops/a.csv'", &[], 5, &["no such bucket: `shops`"]);
    refused(
        &s3,
        "SELECT * FROM 's3://shop/orders/2026.csv'",
        &[],
        5,
        &["no such file: `s3://shop/orders/2026.csv`", "did you mean `2025.csv`"],
    );
    refused(&s3, query, &[("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")], 5, &["cannot be reached"]);
    refused(
        &s3,
        query,
        &[("AWS_ENDPOINT_URL_S3", "https://u:canary5e7d@h.invalid")],
        2,
        &["the endpoint of S3 is no URL"],
    );
    refused(&s3, "SELECT * FROM 'ftp://h/a.csv'", &[], 5, &["no reader for `ftp://`"]);
}

#[test]
fn a_query_file_sends_no_rows_over_plain_http() {
    let s3 = S3::start();
    let home = tempfile::tempdir().unwrap();
    s3.put("shop/a.csv", ROWS);
    let run = |endpoint: &str| {
        let query = format!("SET postback.s3_endpoint = '{endpoint}'; SELECT * FROM 's3://shop/a.csv'");
        let path = file(home.path(), "query.sql", query);
        let mut command = postback(&["check", &path]);
        with(&mut command, &s3, home.path());
        said(command.env_remove("AWS_ENDPOINT_URL_S3"))
    };
    let said = run("http://minio.example");
    assert!(said.stderr.contains("plain http") || said.stdout.contains("plain http"), "{}{}", said.stdout, said.stderr);
    assert!(s3.asked().is_empty());
    run(&s3.url);
    assert!(!s3.asked().is_empty());
}

#[test]
fn a_profile_gives_keys_and_endpoint() {
    let s3 = S3::start();
    let home = tempfile::tempdir().unwrap();
    s3.put("shop/a.csv", ROWS);
    fs::create_dir(home.path().join(".aws")).unwrap();
    let keys = format!("[etl]\naws_access_key_id = {}\naws_secret_access_key = {}\n", KEY.0, KEY.1);
    fs::write(home.path().join(".aws/credentials"), keys).unwrap();
    let config = format!(
        "[profile etl]\nregion = eu-west-1\nservices = local\n[services local]\ns3 =\n  endpoint_url = {}\n[profile sso]\nsso_session = x\n",
        s3.url
    );
    fs::write(home.path().join(".aws/config"), config).unwrap();
    let run = |profile: &str| {
        let query = "SELECT count(*) AS n FROM 's3://shop/a.csv'";
        let mut command = postback(&["sql", query, "--format", "ndjson", "--aws-profile", profile]);
        with(&mut command, &s3, home.path());
        said(command.env_remove("AWS_ENDPOINT_URL_S3").env("AWS_ACCESS_KEY_ID", "AKIDOTHER"))
    };
    let of_profile = run("etl");
    assert_eq!((of_profile.code, of_profile.stdout.trim()), (0, r#"{"n":3}"#), "{}", of_profile.stderr);
    assert!(s3.asked().iter().all(|asked| asked.authorization.contains("/eu-west-1/s3/")));
    let foreign = run("sso");
    assert!(foreign.code == 2 && foreign.stderr.contains("export-credentials --profile sso"), "{}", foreign.stderr);
}

#[test]
fn a_bucket_says_where_it_is() {
    let s3 = S3::failing(|asked| {
        let elsewhere = !asked.authorization.contains("/ap-south-1/s3/");
        elsewhere.then_some(Fault::Status(301, ("x-amz-bucket-region", "ap-south-1"), ""))
    });
    s3.put("shop/a.csv", ROWS);
    assert_eq!(rows(&s3, "SELECT count(*) AS n FROM 's3://shop/*.csv'"), [r#"{"n":3}"#]);
    assert_eq!(rows(&s3, "SELECT count(*) AS n FROM 's3://shop/a.csv'"), [r#"{"n":3}"#]);
}

#[test]
fn an_overloaded_store_is_asked_again_and_not_for_ever() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let storm = |limit: usize| {
        let counted = Arc::clone(&counted);
        S3::failing(move |_| {
            let is_storm = counted.fetch_add(1, Ordering::SeqCst) < limit;
            is_storm.then_some(Fault::Status(503, ("x-a", "b"), "<Error><Code>SlowDown</Code></Error>"))
        })
    };
    let s3 = storm(2);
    s3.put("shop/a.csv", ROWS);
    assert_eq!(rows(&s3, "SELECT count(*) AS n FROM 's3://shop/a.csv'"), [r#"{"n":3}"#]);
    tries.store(0, Ordering::SeqCst);
    let s3 = storm(usize::MAX);
    s3.put("shop/a.csv", ROWS);
    refused(&s3, "SELECT * FROM 's3://shop/*.csv'", &[], 5, &["overloaded", "run again later"]);
    assert!(tries.load(Ordering::SeqCst) <= 6, "{tries:?}");
}

#[test]
fn a_body_that_breaks_off_is_fetched_again_or_an_error() {
    for (breaks, code) in [(2, 0), (usize::MAX, 5)] {
        let broken = AtomicUsize::new(0);
        let s3 = S3::failing(move |asked| {
            let is_object = asked.method == "GET" && asked.path.ends_with("a.csv");
            (is_object && broken.fetch_add(1, Ordering::SeqCst) < breaks).then_some(Fault::Half)
        });
        let long = format!("a,b\n{}", "1,2\n".repeat(500_000));
        s3.put("shop/a.csv", long);
        let said = sql(&s3, "SELECT count(*) AS n, sum(b) AS s FROM 's3://shop/a.csv'", &[]);
        assert_eq!(said.code, code, "{}{}", said.stdout, said.stderr);
        if code == 0 {
            assert_eq!(said.stdout.trim(), r#"{"n":500000,"s":1000000}"#);
        }
    }
}

#[test]
fn an_object_that_is_replaced_is_an_error_and_no_mixture() {
    let place: Arc<Mutex<Option<std::path::PathBuf>>> = Arc::default();
    let replaced = Arc::clone(&place);
    let rows = ROWS.to_owned() + &"9,Zoe,1\n".repeat(50_000);
    let others = rows.replace("Ann", "Eve");
    // After the list and the first look at the object, which recognises it.
    let looks = AtomicUsize::new(0);
    let s3 = S3::failing(move |asked| {
        let is_look = asked.method == "GET" && asked.path.ends_with("a.csv");
        if is_look && looks.fetch_add(1, Ordering::SeqCst) == 3 {
            let place = replaced.lock().unwrap();
            fs::write(place.as_ref().unwrap(), &others).unwrap();
        }
        None
    });
    let path = s3.put("shop/a.csv", &rows);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))
        .unwrap();
    *place.lock().unwrap() = Some(path);
    refused(
        &s3,
        "SELECT count(*) AS n, max(name) AS name FROM 's3://shop/*.csv'",
        &[],
        1,
        &["`s3://shop/a.csv` changed while it was read"],
    );
}

#[test]
fn nobody_waits_for_a_slow_store_who_wants_to_stop() {
    let s3 = S3::failing(|_| Some(Fault::Wait(Duration::from_mins(10))));
    let home = tempfile::tempdir().unwrap();
    let query = file(home.path(), "query.sql", "SELECT * FROM 's3://shop/a.csv'");
    let mut command = postback(&["run", &query, "--sandbox"]);
    with(&mut command, &s3, home.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while s3.arrived() == 0 {
        std::thread::yield_now();
    }
    let asked = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[test]
fn files_of_a_web_server_are_read_whole_or_in_ranges() {
    let s3 = S3::public();
    s3.put("shop/a b.csv", ROWS);
    let size = wide(&s3.put("shop/wide.parquet", ""));
    let count = |location: &str| rows(&s3, &format!("SELECT count(*) AS n FROM '{location}'"));
    assert_eq!(count(&format!("{}/shop/a%20b.csv", s3.url)), [r#"{"n":3}"#]);
    let query = format!("SELECT min(order_number) AS n FROM '{}/shop/wide.parquet' WHERE order_number > 39500", s3.url);
    let before: u64 = s3.asked().iter().map(|asked| asked.bytes).sum();
    assert_eq!(rows(&s3, &query), [r#"{"n":39501}"#]);
    let fetched = s3.asked().iter().map(|asked| asked.bytes).sum::<u64>() - before;
    assert!(fetched * 2 < size, "{fetched} of {size} bytes");
    assert!(s3.asked().iter().all(|asked| asked.authorization.is_empty()), "a web server gets no credentials");

    let whole = Server::answering([Answer::ok(ROWS)]);
    assert_eq!(count(&format!("{}/export?format=csv&gid=7", whole.url)), [r#"{"n":3}"#]);
    assert!(whole.requests().iter().all(|request| request.line.contains("/export?format=csv&gid=7")));
    for (location, words) in [
        ("https://h.invalid/folder/", "a web server lists no files"),
        ("https://h.invalid/*.csv", "a web server lists no files"),
        ("http://h.invalid/a.csv", "without encryption"),
    ] {
        refused(&s3, &format!("SELECT * FROM '{location}'"), &[], 5, &[words]);
    }
}

#[test]
fn google_and_azure_are_listed_and_read() {
    let s3 = S3::public();
    s3.put("shop/in/day=1/a.csv", ROWS);
    let host = s3.url.strip_prefix("http://").unwrap();
    for google in [
        &[("GOOGLE_BASE_URL", s3.url.as_str()), ("GOOGLE_SKIP_SIGNATURE", "true")][..],
        &[("STORAGE_EMULATOR_HOST", &s3.url)],
        &[("STORAGE_EMULATOR_HOST", host)],
    ] {
        let said = sql(&s3, "SELECT count(*) AS n, max(day) AS day FROM 'gs://shop/in/'", google);
        assert_eq!((said.code, said.stdout.trim()), (0, r#"{"n":3,"day":1}"#), "{}", said.stderr);
    }

    let azure = Server::judging(blob);
    let variables = [
        ("AZURE_STORAGE_ACCOUNT_NAME", "acc"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "Y2FuYXJ5NWU3ZA=="),
        ("AZURE_STORAGE_ENDPOINT", azure.url.as_str()),
    ];
    for location in ["az://shop/in/", "abfss://shop@acc.dfs.core.windows.net/in/*.csv"] {
        let said = sql(&s3, &format!("SELECT count(*) AS n FROM '{location}'"), &variables);
        assert_eq!((said.code, said.stdout.trim()), (0, r#"{"n":3}"#), "{location} {}", said.stderr);
    }
    let signed =
        |request: &Request| request.headers.iter().any(|header| header.starts_with("authorization: SharedKey acc:"));
    assert!(azure.requests().iter().all(signed));
    let other = "SELECT * FROM 'abfss://shop@other.dfs.core.windows.net/in/'";
    refused(&s3, other, &variables, 2, &["of the account `acc`, not of `other`"]);
}

/// Azure's answers about one blob.
fn blob(request: &Request) -> Answer {
    let xml = format!(
        "<?xml version=\"1.0\"?><EnumerationResults><Blobs><Blob><Name>in/a.csv</Name><Properties>\
         <Last-Modified>Mon, 01 Dec 2025 10:00:00 GMT</Last-Modified><Etag>0x1</Etag><Content-Length>{}</Content-Length>\
         <Content-Type>text/csv</Content-Type></Properties></Blob></Blobs><NextMarker/></EnumerationResults>",
        ROWS.len()
    );
    if request.line.contains("comp=list") {
        // The tables that are looked for beside the files are not there.
        let is_other = ["_delta_log", "hoodie", "metadata"].iter().any(|name| request.line.contains(name));
        let empty = "<?xml version=\"1.0\"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>";
        return Answer { status: "200 OK", headers: "", body: if is_other { empty.to_owned() } else { xml } };
    }
    let headers = "ETag: \"0x1\"\r\nLast-Modified: Mon, 01 Dec 2025 10:00:00 GMT\r\nContent-Range: bytes 0-55/56\r\n";
    assert_eq!(ROWS.len(), 56);
    Answer { status: "206 Partial Content", headers, body: ROWS.to_owned() }
}
