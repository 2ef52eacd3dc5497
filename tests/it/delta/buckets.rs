//! Tables in buckets: the same as on disk.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::table::{Table, VECTORS, column, in_file, metadata, of_orders, protocol, vectors, with};
use crate::s3::{Fault, KEY, S3};
use crate::server::{Answer, OK, Said, Server, arrived, file, postback, said};

fn with_keys<'a>(command: &'a mut std::process::Command, s3: &S3, home: &Path) -> &'a mut std::process::Command {
    command
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL_S3", &s3.url)
        .env("AWS_ACCESS_KEY_ID", KEY.0)
        .env("AWS_SECRET_ACCESS_KEY", KEY.1)
}

fn sql(s3: &S3, query: &str) -> Said {
    let home = tempfile::tempdir().unwrap();
    said(with_keys(&mut postback(&["sql", query, "--format", "ndjson"]), s3, home.path()))
}

/// A table with partitions, a deletion vector and a checkpoint.
fn table(root: &Path) -> Table {
    let columns = [column("order_id", "string"), column("total", "long"), column("country", "string")];
    let features = protocol(&["deletionVectors"]);
    let about = metadata(&columns, &["country"], &[]);
    let mut table = Table::new(root.to_owned(), &[features.clone(), about.clone()]);
    let add = |name: &str, path: &str, country: &str, orders: &[(&str, i64)]| {
        with(table.file(name, &of_orders(orders)), json!({"path": path, "partitionValues": {"country": country}}))
    };
    let one = add("country=DE/a.parquet", "country=DE/a.parquet", "DE", &[("o1", 1), ("o2", 2), ("o3", 3)]);
    let two = add("country=F R/b.parquet", "country=F%20R/b.parquet", "F R", &[("o4", 4)]);
    let three = add("country=D%2FE/c.parquet", "country=D%252FE/c.parquet", "D/E", &[("o5", 5)]);
    let (bytes, offsets) = vectors(&[&[1]]);
    fs::write(root.join(VECTORS), bytes).unwrap();
    let one = with(one, in_file(&[1], offsets[0]));
    table.commit(&[one.clone(), two.clone()]);
    table.checkpoint("00000000000000000001.checkpoint.parquet", &[features, about, one, two]);
    table.commit(&[three]);
    fs::remove_file(table.version(0)).unwrap();
    table
}

/// Puts all below `folder` in the bucket.
fn put(s3: &S3, prefix: &str, folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() { put(s3, &name, &path) } else { drop(s3.put(&name, fs::read(&path).unwrap())) }
    }
}

const QUERY: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
    SET postback.as_of = '2025-12-07T12:00:00Z'; SET postback.currency = 'USD'; SET postback.event = 'Purchase';
    SELECT order_id, order_id || '@shop.example' AS email, total AS value, country AS description,
    '2025-12-07T10:00:00Z' AS timestamp FROM 'orders'";

#[test]
fn a_table_in_a_bucket_gives_the_same_events() {
    // A bucket knows no folders; the server, whose objects are files, trips over its own.
    let s3 = S3::failing(|asked| {
        (asked.method == "HEAD" && asked.path == "/shop/exports/orders").then_some(Fault::Status(404, ("x-a", "b"), ""))
    });
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    table(&here.join("orders"));
    put(&s3, "shop/exports/orders", &here.join("orders"));
    let mut sent = Vec::new();
    for source in ["orders", "s3://shop/exports/orders", "s3a://shop/exports/orders/"] {
        let server = Server::answering([Answer::ok(OK)]);
        file(here, "q.sql", QUERY.replace("'orders'", &format!("'{source}'")));
        let mut command = postback(&["run", "q.sql", "--base-url", &server.url]);
        let run = said(with_keys(&mut command, &s3, here).current_dir(here));
        assert_eq!(run.code, 0, "{source}: {}", run.stderr);
        sent.push(arrived(&server));
    }
    assert_eq!(sent[0].len(), 4);
    assert!(sent.iter().all(|events| *events == sent[0]), "{sent:?}");
    let asked = s3.asked();
    assert!(asked.iter().all(|asked| matches!(asked.method.as_str(), "GET" | "HEAD")), "nothing is written");
    let is_file = |asked: &&crate::s3::Asked| asked.method == "GET" && asked.path.contains("/country=");
    assert!(asked.iter().filter(is_file).all(|asked| asked.if_match), "{asked:?}");
}

#[test]
fn of_a_table_in_a_bucket_only_what_is_asked_for_is_fetched() {
    let s3 = S3::start();
    let folder = tempfile::tempdir().unwrap();
    table(&folder.path().join("orders"));
    put(&s3, "shop/orders", &folder.path().join("orders"));
    let found = sql(&s3, "SELECT order_id FROM 's3://shop/orders/' WHERE country = 'D/E'");
    assert_eq!(found.stdout, "{\"order_id\":\"o5\"}\n", "{}", found.stderr);
    let fetched: Vec<String> = s3.asked().into_iter().map(|asked| asked.path).collect();
    assert!(!fetched.iter().any(|path| path.contains("a.parquet") || path.contains("b.parquet")), "{fetched:?}");
    assert!(!fetched.iter().any(|path| path.contains(VECTORS)), "{fetched:?}");
}

#[test]
fn a_file_that_is_gone_from_a_bucket_is_named() {
    let s3 = S3::start();
    let folder = tempfile::tempdir().unwrap();
    let table = table(&folder.path().join("orders"));
    fs::remove_file(table.root.join("country=F R/b.parquet")).unwrap();
    put(&s3, "shop/orders", &table.root);
    let gone = sql(&s3, "SELECT * FROM 's3://shop/orders/'");
    super::is_refused(&gone, "gone", 5, &["`s3://shop/orders/country=F R/b.parquet` is missing", "VACUUM"]);
    let inside = sql(&s3, "SELECT * FROM 's3://shop/orders/country=DE/a.parquet'");
    super::is_refused(&inside, "inside", 5, &["`s3://shop/orders` is a Delta Lake table", "FROM 's3://shop/orders'"]);
    let missing = sql(&s3, "SELECT * FROM 's3://shop/other/'");
    assert_eq!(missing.code, 5, "{}", missing.stderr);
}
