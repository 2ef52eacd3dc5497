//! What files can do to a query: formats, damage, emptiness, and the types that inference gives.

use std::fs;
use std::path::Path;

use datafusion::arrow::array::{ArrayRef, Decimal256Array, Float32Array, Float64Array, RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::i256;
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::server::{Answer, OK, Said, Server, arrived, file, golden, postback, root, said};

/// What every delivery needs to be told; now is noon of 7 December 2025.
const SETTINGS: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
    SET postback.as_of = '2025-12-07T12:00:00Z'; SET postback.currency = 'USD'; SET postback.default_region = 'GB';\n";
/// Three rows that every reader must see alike.
const ROWS: &str = "customer_id,name,total\n007,Ann,1.5\n8,Bo,2.25\n9,\"C\n,c\",3\n";

/// Runs `query` from `folder` as a user of `postback sql` would.
fn sql(folder: &Path, query: &str) -> Said {
    said(postback(&["sql", query, "--format", "ndjson"]).current_dir(folder))
}

/// The rows of `query` as JSON lines.
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

/// Delivers `query` under [`SETTINGS`] from `folder`.
fn delivered(folder: &Path, query: &str) -> Vec<Value> {
    let path = file(folder, "query.sql", format!("{SETTINGS}{query}"));
    let server = Server::answering([Answer::ok(OK)]);
    let said = said(&mut postback(&["run", &path, "--base-url", &server.url]));
    assert_eq!(said.code, 0, "{query}: {}", said.stderr);
    arrived(&server).iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}

/// The event times of one row with `timestamp` as its time.
fn event_time(folder: &Path, settings: &str, timestamp: &str) -> i64 {
    let events = delivered(
        folder,
        &format!(
            "{settings} SELECT 'Purchase' AS event, 'o' AS order_id, 'a' || '@b.example' AS email, 1 AS value, {timestamp} AS timestamp"
        ),
    );
    events[0]["event_time"].as_i64().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn parquet(folder: &Path, name: &str, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(folder.join(name)).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Every file of tests/data/orders gives the payloads that were written by hand.
#[test]
fn every_variant_of_the_orders_gives_the_same_payloads() {
    let folder = tempfile::tempdir().unwrap();
    let orders = root().join("tests/data/orders");
    let query = fs::read_to_string(orders.join("orders_csv.sql")).unwrap();
    let expected = golden("orders.ndjson");
    let mut variants = 0;
    for entry in fs::read_dir(&orders).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let query = match name {
            "orders_csv.sql" | "orders_json.sql" | "orders_parquet.sql" => {
                let query = fs::read_to_string(&path).unwrap();
                query
                    .replace("LOCATION 'orders", &format!("LOCATION '{}/orders", orders.display()))
                    .replace("FROM 'orders", &format!("FROM '{}/orders", orders.display()))
            }
            _ => query.replace("'orders.csv'", &format!("'{}'", path.display())),
        };
        let query = file(folder.path(), "query.sql", query);
        let server = Server::answering([Answer::ok(OK)]);
        let said = said(&mut postback(&["run", &query, "--base-url", &server.url]));
        assert_eq!(said.code, 0, "{name}: {}", said.stderr);
        assert_eq!(arrived(&server), expected.lines().collect::<Vec<_>>(), "{name}");
        variants += 1;
    }
    assert_eq!(variants, 24);
}

#[test]
fn files_of_any_name_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for name in [
        "a b.csv",
        "100%.csv",
        "a%20b.csv",
        "größe.csv",
        "a#b.csv",
        "a?b.csv",
        "a[1].csv",
        "o'x.csv",
        "plain",
        "x.parquet",
    ] {
        file(here, name, ROWS);
        let ids = rows(here, &format!("SELECT customer_id FROM '{}' ORDER BY customer_id", name.replace('\'', "''")));
        assert_eq!(ids[0], r#"{"customer_id":"007"}"#, "{name}");
        assert_eq!(ids.len(), 3, "{name}");
    }
    assert_eq!(rows(here, &format!("SELECT customer_id FROM '{}'", here.join("a b.csv").display())).len(), 3);
    refused(here, "SELECT * FROM 'missing'", &["no such file: `missing`"]);
    refused(here, "SELECT * FROM 'missing*.csv'", &["no file matches"]);
    refused(here, "SELECT * FROM 'ftp://bucket/a.csv'", &["no reader for `ftp://`"]);
}

#[test]
fn many_files_are_one_table_if_they_are_alike() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for name in ["alike", "differing", "late", "mixed"] {
        fs::create_dir(here.join(name)).unwrap();
        file(here, &format!("{name}/b.csv"), ROWS);
    }
    file(here, "alike/a.csv", ROWS);
    file(here, "alike/_SUCCESS", "");
    file(here, "alike/.b.csv.crc", "x");
    file(here, "alike/empty.csv", "");
    for source in ["alike/*.csv", "alike/", "alike"] {
        assert_eq!(rows(here, &format!("SELECT count(*) AS n FROM '{source}'")), [r#"{"n":6}"#], "{source}");
    }
    file(here, "differing/a.csv", "customer_id,name\n1,x\n");
    let mixed = rows(here, "SELECT name, customer_id, total FROM 'differing/*.csv' ORDER BY customer_id");
    assert_eq!(mixed[1], r#"{"name":"x","customer_id":"1","total":null}"#);
    assert_eq!(mixed.len(), 4);
    file(here, "late/a.csv", "other\n");
    refused(here, "SELECT * FROM 'late/'", &["different header lines", "late/a.csv", "late/b.csv"]);
    file(here, "mixed/a.json", "{\"a\":1}\n");
    refused(here, "SELECT * FROM 'mixed/*'", &["mixes formats: NDJSON and CSV", "mixed/a.json", "mixed/b.csv"]);
}

#[test]
fn folders_of_table_formats_are_refused_however_they_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (name, marker, what) in [
        ("delta", "_delta_log/0.json", "Delta Lake"),
        ("hudi", ".hoodie/hoodie.properties", "Hudi"),
        ("iceberg", "metadata/v1.metadata.json", "Iceberg"),
    ] {
        let marker = here.join(name).join(marker);
        fs::create_dir_all(marker.parent().unwrap()).unwrap();
        fs::write(marker, "{}").unwrap();
        fs::create_dir_all(here.join(name).join("data")).unwrap();
        file(here, &format!("{name}/data/a.csv"), ROWS);
        refused(here, &format!("SELECT * FROM '{name}/**/*.csv'"), &[what, "superseded rows"]);
        refused(here, &format!("SELECT * FROM '{name}/data/a.csv'"), &[what]);
    }
}

#[test]
fn nothing_to_read_is_an_error_and_not_zero_rows() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (name, content, says) in [
        ("zero", Vec::new(), "is empty"),
        ("space", b" \r\n\t\n".to_vec(), "is empty"),
        ("mark", b"\xef\xbb\xbf".to_vec(), "is empty"),
        ("zero.gz", gzip(b""), "is empty"),
        ("header", b"a,b\n".to_vec(), "has no rows"),
        ("header.gz", gzip(b"a,b\n"), "has no rows"),
        ("array", b" [ ]\n".to_vec(), "has no rows"),
    ] {
        file(here, name, content);
        refused(here, &format!("SELECT * FROM '{name}'"), &[says, name]);
        if name.starts_with("header") || name.starts_with("zero") {
            let table = format!(
                "{SETTINGS} CREATE EXTERNAL TABLE t (a VARCHAR, b INT) STORED AS CSV LOCATION '{name}';
                SELECT 'Purchase' AS event, a AS order_id, a AS email, 1764900000 AS timestamp FROM t"
            );
            let said = said(&mut postback(&["run", &file(here, "q.sql", table), "--base-url", "http://127.0.0.1:9"]));
            assert_eq!(said.code, 5, "{name}: {}", said.stderr);
        }
    }
    parquet(here, "none.parquet", vec![("a", std::sync::Arc::new(Float64Array::from(Vec::<f64>::new())) as ArrayRef)]);
    refused(here, "SELECT * FROM 'none.parquet'", &["has no rows"]);
}

#[test]
fn damaged_files_are_errors_and_not_fewer_rows() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let lines = (0..30_000).map(|row| format!("{{\"a\":{row},\"b\":\"x\"}}\n")).collect::<Vec<_>>().concat();
    let array = format!("[{}]", lines.trim_end().replace('\n', ","));
    let table = (0..200_000).map(|row| format!("{row},{}\n", row * 7919 % 10_007)).collect::<Vec<_>>().concat();
    let packed = gzip(format!("id,n\n{table}").as_bytes());
    let zstd = zstd::encode_all(format!("id,n\n{table}").as_bytes(), 3).unwrap();
    let whole = fs::read(root().join("tests/data/orders/orders.parquet")).unwrap();
    for (name, content, says) in [
        ("cut.csv.gz", packed[..packed.len() - 1_000].to_vec(), "incomplete"),
        ("sum.csv.gz", packed[..packed.len() - 4].to_vec(), "unexpected end"),
        ("cut.csv.zst", zstd[..zstd.len() - 1].to_vec(), "incomplete frame"),
        ("cut.ndjson", lines.as_bytes()[..lines.len() - 7].to_vec(), "is cut off in line 30000"),
        ("cut.json", array.as_bytes()[..array.len() - 20].to_vec(), "the array has no end"),
        ("closed.json", array.as_bytes()[..array.len() - 1].to_vec(), "the array has no end"),
        ("two.json", b"[{\"a\":1}]\n[{\"a\":2}]".to_vec(), "text beside the array"),
        ("scalar.json", b"[1,2]".to_vec(), "no object"),
        ("cut.parquet", whole[..whole.len() - 100].to_vec(), "no readable Parquet file"),
        ("ragged.csv", b"a,b\n1\n3\n".to_vec(), "line: 2"),
        ("header.csv", b"a,\xff\n1,2\n".to_vec(), "the header line"),
    ] {
        file(here, name, content);
        refused(here, &format!("SELECT count(*), max(f) FROM (SELECT *, 1 AS f FROM '{name}')"), &[name, says]);
    }
}

/// Below the sample a value may not fit: its row is left out, and nothing of it is told.
#[test]
fn a_value_that_does_not_fit_its_column_costs_its_row_and_stays_untold() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let rest = |query: &str| {
        let said = sql(here, query);
        assert!(!said.stderr.contains("pat@") && !said.stderr.contains("secret"), "{}", said.stderr);
        said.stdout
    };
    for (first, late) in [
        ("1", "secret"),
        ("1", "1.5"),
        ("1", "007"),
        ("1.5", "0.1234567"),
        ("52.520008", "12345678901234567.89"),
        ("true", "maybe"),
        ("2025-01-01", "01/02/2025"),
        ("2025-01-01T00:00:00Z", "2025-01-01T00:00:00"),
        ("2025-01-01 00:00:00", "2025-01-01T00:00:00+05:00"),
    ] {
        file(
            here,
            "late.csv",
            format!("n,v,email\n{}1,{late},pat@example.com\n1,{first},\n", format!("1,{first},\n").repeat(20_000)),
        );
        assert_eq!(
            rest("SELECT count(v) AS n, count(DISTINCT v) AS v FROM 'late.csv'"),
            "{\"n\":20001,\"v\":1}\n",
            "{late}"
        );
    }
    for late in ["1.5", "\"x\"", "true", "{\"email\":\"pat@example.com\"}"] {
        let lines = "{\"v\":1}\n".repeat(20_000);
        file(here, "late.json", format!("{lines}{{\"v\":{late}}}\n{{\"v\":\"2\"}}\n"));
        assert_eq!(rest("SELECT sum(v) AS v FROM 'late.json'"), "{\"v\":20002}\n", "{late}");
    }
}

#[test]
fn identities_keep_their_digits() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(
        here,
        "ids.csv",
        "customer_id,phone,zip,postalCode,order_no,acct,total\n123456789012345678,+491701234567,2113,501,12,1,1.50\n\
         7,491701234567,1,2,1.2065E+10,999999999999999999999,2\n",
    );
    assert_eq!(
        rows(here, "SELECT * FROM 'ids.csv' ORDER BY total")[0],
        r#"{"customer_id":"123456789012345678","phone":"+491701234567","zip":"2113","postalcode":"501","order_no":"12","acct":"1","total":1.500000}"#
    );
    file(
        here,
        "ids.json",
        r#"[{"phone":442079460018,"order_id":12345678901234567890,"c":[{"sku":1}]},{"phone":"+44","order_id":"x"}]"#,
    );
    assert_eq!(
        rows(here, "SELECT phone, order_id, c[1]['sku'] AS sku FROM 'ids.json' ORDER BY order_id")[0],
        r#"{"phone":"442079460018","order_id":"12345678901234567890","sku":"1"}"#
    );
}

#[test]
fn text_is_read_in_every_dress() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (name, content) in [
        ("bom.csv", format!("\u{feff}{ROWS}").into_bytes()),
        ("quoted.csv", format!("\u{feff}\"customer_id\",\"name\",total\n{}", &ROWS[23..]).into_bytes()),
        ("crlf.csv", ROWS.replace('\n', "\r\n").into_bytes()),
        ("tab", ROWS.replace(",c", "c").replace(',', "\t").into_bytes()),
        ("pipe", ROWS.replace(",c", "c").replace(',', "|").into_bytes()),
        ("semicolon", ROWS.replace(",c", "c").replace(',', ";").into_bytes()),
        ("bom.ndjson", "\u{feff}{\"customer_id\":\"007\",\"total\":1.5}\r\n\r\n{\"customer_id\":8,\"total\":2.25}\n{\"customer_id\":9,\"total\":3}".into()),
        ("pretty.json", "{\n \"customer_id\": \"007\",\n \"total\": 1.5\n}\n{\"customer_id\":\"8\",\"total\":2.25}{\"customer_id\":\"9\",\"total\":3}".into()),
        ("frames", [zstd::encode_all(&ROWS.as_bytes()[..40], 3).unwrap(), zstd::encode_all(&ROWS.as_bytes()[40..], 3).unwrap()].concat()),
    ] {
        file(here, name, content);
        let rows = rows(here, &format!("SELECT customer_id, CAST(total AS DOUBLE) AS total FROM '{name}' ORDER BY customer_id"));
        assert_eq!(rows[0], r#"{"customer_id":"007","total":1.5}"#, "{name}");
        assert_eq!(rows[2], r#"{"customer_id":"9","total":3.0}"#, "{name}");
    }
}

#[test]
fn declared_tables_are_read_as_declared() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(here, "bare file.gz", gzip(b"007~1.50~2025-12-05 10:00:00\n008~2.25~2025-12-05 11:00:00\n"));
    let table = |columns: &str, options: &str| {
        format!(
            "SET postback.timezone = 'UTC'; CREATE EXTERNAL TABLE orders ({columns}) STORED AS CSV
            LOCATION 'bare file.gz' OPTIONS ({options});
            SELECT 'Purchase' AS event, id AS order_id, id || '@b.example' AS email, total AS value, at AS timestamp FROM orders"
        )
    };
    let columns = "id VARCHAR, total DECIMAL(10, 2), at TIMESTAMP";
    let bare = "'format.has_header' 'false', 'format.delimiter' '~'";
    let mut values: Vec<String> =
        delivered(here, &table(columns, bare)).iter().map(|event| event["properties"].to_string()).collect();
    values.sort();
    assert_eq!(values[0], r#"{"order_id":"007","currency":"USD","value":1.5}"#);
    let failing = |query: String, code: i32, says: &str| {
        let path = file(here, "failing.sql", format!("{SETTINGS}{query}"));
        let said = said(&mut postback(&["run", &path, "--base-url", "http://127.0.0.1:9"]));
        assert_eq!(said.code, code, "{}", said.stderr);
        assert!(said.stderr.contains(says), "{}", said.stderr);
    };
    failing(table(&columns.replace("DECIMAL(10, 2)", "INT"), bare), 5, "does not fit its column `total` of type Int32");
    failing(table(columns, "'format.has_heading' 'false'"), 2, "is no option of a table");
    file(here, "bare file.gz", "total~id~at\n1.50~007~2025-12-05 10:00:00\n");
    let columns = "id VARCHAR, at TIMESTAMP, total DECIMAL(10, 2)";
    let events = delivered(here, &table(columns, "'format.delimiter' '~'"));
    assert_eq!(events[0]["properties"].to_string(), values[0], "declared columns are found by their names");
    failing(
        table(&columns.replace("id", "ident"), "'format.delimiter' '~'"),
        5,
        "no file has the declared column `ident`",
    );
}

#[test]
fn times_of_every_type_are_the_same_instant() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let berlin = "SET postback.timezone = 'Europe/Berlin';";
    let instant = 1_764_929_700;
    for timestamp in [
        "'2025-12-05 11:15:00'",
        "'2025-12-05T10:15:00.9Z'",
        "'2025-12-05T05:15:00-05:00'",
        "1764929700",
        "1764929700123",
        "1764929700123456",
        "'1764929700'",
        "timestamp '2025-12-05 11:15:00'",
        "arrow_cast('2025-12-05T11:15:00', 'Timestamp(s)')",
        "arrow_cast('2025-12-05T11:15:00', 'Timestamp(ms)')",
        "arrow_cast('2025-12-05T11:15:00', 'Timestamp(µs)')",
        "arrow_cast('2025-12-05T10:15:00Z', 'Timestamp(s, \"UTC\")')",
        "arrow_cast('2025-12-05T10:15:00Z', 'Timestamp(ns, \"America/New_York\")')",
    ] {
        assert_eq!(event_time(here, berlin, timestamp), instant, "{timestamp}");
    }
    assert_eq!(event_time(here, berlin, "DATE '2025-12-05'"), 1_764_889_200);
    // Clocks go forward over 02:30 and back over 02:30: the later side of the gap, the first of the two.
    for (as_of, local, expected) in [
        ("2025-03-31T12:00:00Z", "2025-03-30 02:30:00", 1_743_298_200),
        ("2025-10-27T12:00:00Z", "2025-10-26 02:30:00", 1_761_438_600),
    ] {
        let settings = format!("{berlin} SET postback.as_of = '{as_of}';");
        assert_eq!(event_time(here, &settings, &format!("'{local}'")), expected, "{local}");
        assert_eq!(event_time(here, &settings, &format!("timestamp '{local}'")), expected, "{local}");
    }
    let int96 = format!("(SELECT ordered_at FROM '{}')", root().join("tests/data/int96.parquet").display());
    assert_eq!(event_time(here, berlin, &int96), instant, "INT96 counts in UTC, whatever the zone of the rest");
}

#[test]
fn amounts_and_ids_of_every_type_are_exact() {
    use std::sync::Arc;
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let wide = |digits: &str| i256::from_string(digits).unwrap();
    let decimals = Decimal256Array::from(vec![wide("13860"), wide("12345678901234567890500")]);
    let ids = Decimal256Array::from(vec![wide("4711"), wide("123456789012345678901234567890")]);
    let columns: [(ArrayRef, [&str; 2]); 4] = [
        (Arc::new(decimals.with_precision_and_scale(60, 3).unwrap()), ["13.86", "12345678901234567890.5"]),
        (Arc::new(Float64Array::from(vec![0.1 + 0.2, 1e21])), ["0.30000000000000004", "1000000000000000000000"]),
        (Arc::new(Float32Array::from(vec![0.1, 16_777_216.0])), ["0.1", "16777216"]),
        (Arc::new(UInt64Array::from(vec![1, u64::MAX])), ["1", "18446744073709551615"]),
    ];
    let ids: ArrayRef = Arc::new(ids.with_precision_and_scale(76, 0).unwrap());
    for (values, expected) in columns {
        parquet(here, "v.parquet", vec![("id", Arc::clone(&ids)), ("v", values)]);
        let query = format!(
            "{SETTINGS} SELECT 'Purchase' AS event, id AS order_id, concat('a', id, '@b.example') AS email, v AS value,
            1764900000 AS timestamp FROM 'v.parquet'"
        );
        let server = Server::answering([Answer::ok(OK)]);
        let said = said(&mut postback(&["run", &file(here, "q.sql", query), "--base-url", &server.url]));
        assert_eq!(said.code, 0, "{}", said.stderr);
        let events = arrived(&server).join("\n");
        for (id, value) in ["4711", "123456789012345678901234567890"].iter().zip(expected) {
            let properties = format!(r#"{{"order_id":"{id}","currency":"USD","value":{value}}}"#);
            assert!(events.contains(&properties), "no {properties} in {events}");
        }
    }
}

#[test]
fn lists_of_addresses_items_and_properties_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(
        here,
        "lists.json",
        r#"[{"mails":["a@x.example","B@x.example"," A@X.example "],"tel":[442079460018],"o":1,
            "items":[{"content_id":7,"price":1.10,"quantity":2},{"content_id":"8b","price":0.2,"quantity":1}]},
            {"mails":[],"tel":[442079460018],"o":2,"items":null}]"#,
    );
    let select = "SET postback.extra_columns = 'properties'; SELECT 'Purchase' AS event, o AS order_id, mails AS email,
        tel AS phone, items AS contents, 9.5 AS value, 1764900000 AS timestamp, o = 1 AS \"first\", 'Köln' AS store";
    let mut events = delivered(here, &format!("{select} FROM 'lists.json'"));
    events.sort_by_key(|event| event["properties"]["order_id"].to_string());
    assert_eq!(events[0]["user"]["email"].as_array().unwrap().len(), 2);
    assert!(events[0]["user"]["phone"].is_string());
    assert_eq!(
        events[0]["properties"].to_string(),
        r#"{"order_id":"1","currency":"USD","value":9.5,"content_type":"product","contents":[{"content_id":"7","price":1.1,"quantity":2},{"content_id":"8b","price":0.2,"quantity":1}],"first":true,"store":"Köln"}"#
    );
    assert!(events[1]["user"].get("email").is_none() && events[1]["properties"].get("contents").is_none());
}

/// Which rows meet in which partition decides nothing.
#[test]
fn folded_events_are_the_same_in_any_number_of_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("lines")).unwrap();
    for part in 0..8 {
        let line = |row: u32| {
            format!("u{}@x.example,c{},{}.{:02},{}\n", row % 1_000, row * 7 % 5, row % 9, row % 100, row % 3 + 1)
        };
        let lines = (part * 500..(part + 1) * 500).map(line).collect::<String>();
        file(here, &format!("lines/{part}.csv"), format!("email,item,price,quantity\n{lines}"));
    }
    let mut first = None;
    for partitions in [1, 3, 8, 8] {
        let events = delivered(
            here,
            &format!(
                "SET postback.fold = 'contents'; SET datafusion.execution.target_partitions = {partitions};
                SET datafusion.execution.batch_size = {};
                SELECT 'Purchase' AS event, email, 1764900000 AS timestamp, item AS content_id,
                CAST(price AS DECIMAL(10, 2)) AS price, quantity FROM 'lines/'",
                100 * partitions
            ),
        );
        assert_eq!(events.len(), 1_000);
        assert!(events.iter().all(|event| event["properties"]["contents"].as_array().unwrap().len() == 4));
        assert_eq!(first.get_or_insert_with(|| events.clone()), &events, "{partitions} partitions");
    }
}

#[test]
fn a_folded_value_is_the_price_the_sum_or_the_common_one() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "FROM (VALUES ('a@b.example', 'x', 1.10, 2, 5.05), ('a@b.example', 'y', 0.80, 1, 5.05))
        AS t (email, content_id, price, quantity, value)";
    for (fold_value, value, expected) in [
        ("price", "value", "3"),
        ("sum", "value", "10.1"),
        ("same", "value", "5.05"),
        ("sum", "CAST(value AS DOUBLE) * 0.1", "1.01"),
        ("same", "CAST(value AS DOUBLE)", "5.05"),
    ] {
        let events = delivered(
            folder.path(),
            &format!(
                "SET postback.fold = 'contents'; SET postback.fold_value = '{fold_value}';
                SELECT 'Purchase' AS event, 1764900000 AS timestamp, email, content_id, price, quantity, {value} AS value {rows}"
            ),
        );
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["properties"]["value"].to_string(), expected, "{fold_value} of {value}");
    }
}
