//! What engines, sources, servers and settings stumble over is not quoted.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::json;

use super::{Place, TOKEN, canaries, digests, parquet, wire};
use crate::server::{Answer, OK, Server, file};

/// Engines quote what they stumble over. Every function that can stumble over a value is tried with one.
#[test]
fn expressions_that_fail_on_a_row_do_not_quote_it() {
    let place = Place::new();
    let mut failing = 0;
    for expression in [
        "CAST(email AS INT)",
        "CAST(email AS DOUBLE)",
        "CAST(email AS BOOLEAN)",
        "CAST(email AS DECIMAL(10, 2))",
        "CAST(email AS DATE)",
        "CAST(email AS TIME)",
        "CAST(email AS TIMESTAMP)",
        "CAST(email AS INTERVAL)",
        "CAST(substr(email, 1, 14) AS TIMESTAMP)",
        "CAST(digits AS TINYINT)",
        "CAST(CAST(digits AS BIGINT) AS TINYINT)",
        "CAST(digits AS DECIMAL(5, 2))",
        "CAST(CAST(digits AS BIGINT) AS DECIMAL(5, 2))",
        "CAST(CAST(digits AS DOUBLE) AS SMALLINT)",
        "CAST(digits AS BIGINT) * 9223372036854775807",
        "CAST(digits AS BIGINT) / (length(email) - length(email))",
        "arrow_cast(email, 'Int32')",
        "arrow_cast(email, 'Timestamp(Second, Some(\"UTC\"))')",
        "arrow_cast(CAST(digits AS BIGINT), 'Date32')",
        "arrow_cast(CAST(digits AS BIGINT), 'Time32(Second)')",
        "arrow_cast(CAST(digits AS BIGINT), 'UInt8')",
        "arrow_cast(email, 'Dictionary(Int8, Int32)')",
        "to_timestamp(email)",
        "to_timestamp(email, '%Y-%m-%d')",
        "to_timestamp('2026-01-01', email)",
        "to_timestamp_millis(email)",
        "to_unixtime(email)",
        "to_date(email)",
        "to_date(email, '%d')",
        "to_time(email)",
        "to_char(to_timestamp('2026-01-01'), email)",
        "to_char(to_timestamp('2026-01-01'), '%' || email)",
        "date_trunc(email, to_timestamp('2026-01-01'))",
        "date_part(email, to_timestamp('2026-01-01'))",
        "date_bin(CAST(email AS INTERVAL), to_timestamp('2026-01-01'))",
        "make_date(CAST(digits AS INT), 1, 1)",
        "make_date(2026, CAST(digits AS INT), 1)",
        "from_unixtime(CAST(digits AS BIGINT) * 1000000000)",
        "chr(CAST(digits AS BIGINT))",
        "factorial(CAST(digits AS BIGINT))",
        "power(CAST(digits AS BIGINT), 20)",
        "gcd(CAST(digits AS BIGINT), -9223372036854775808)",
        "repeat(email, 9000000000000)",
        "lpad(email, 9000000000000)",
        "lpad(email, -1, email)",
        "substr(email, 1, -5)",
        "split_part(email, 'a', 0)",
        "split_part(email, 'a', CAST(digits AS BIGINT))",
        "regexp_like('x', '(' || email)",
        "regexp_like(email, email, email)",
        "regexp_match('x', '(' || email)",
        "regexp_replace('x', '[' || email, '')",
        "regexp_replace(email, 'x', 'y', email)",
        "regexp_count('x', '(' || email)",
        "regexp_count('x', 'x', CAST(digits AS BIGINT) - 12133734254)",
        "regexp_instr('x', '(' || email)",
        "email ~ ('(' || email)",
        "email SIMILAR TO ('(' || email)",
        "decode(email, 'hex')",
        "decode(email, 'base64')",
        "decode('00', email)",
        "encode(email, email)",
        "digest('x', email)",
        "digest(email, phone)",
        "arrow_typeof(email)",
        "array_element(string_to_array(email, 'a'), CAST(digits AS BIGINT))",
        "array_resize(make_array(email), CAST(digits AS BIGINT) * -1, email)",
        "array_repeat(email, CAST(digits AS BIGINT) * -1)",
        "generate_series(1, 5, CAST(digits AS BIGINT) - CAST(digits AS BIGINT))",
        "range(CAST(email AS DATE), CAST(email AS DATE), CAST(email AS INTERVAL))",
        "map(make_array(email, email), make_array(1, 2))",
        "union_extract(email, email)",
        "get_field(named_struct('a', email), email)",
        "e164(phone, email)",
        "iso8601('2026-01-01 10:00', email)",
        "is_event_name('Purchase', email)",
        "hash_phone(phone, email)",
        "parse_url(email, email)",
        "uuid_extract(email)",
        "to_local_time(email)",
        "CAST(email AS TIMESTAMP) AT TIME ZONE 'UTC'",
        "overlay(email PLACING email FROM CAST(digits AS BIGINT) * -1)",
        "translate(email, email, phone)",
        "levenshtein(email, phone)",
        "to_hex(CAST(email AS BIGINT))",
        "bit_length(CAST(digits AS BIGINT))",
        "nullif(CAST(email AS INT), 5)",
        "CASE WHEN email = phone THEN 1 ELSE CAST(email AS INT) END",
        "(SELECT max(CAST(r.email AS INT)) FROM 'rows.csv' r)",
    ] {
        let query = place.query(&format!("… 'rows.csv' WHERE ({expression}) IS NOT NULL"));
        let said = place.keeps_quiet(&["run", &query, "--dry-run"]);
        failing += usize::from(said.code != 0);
    }
    assert!(failing > 50, "{failing} expressions fail");
}

#[test]
fn aggregates_joins_and_plans_do_not_quote_rows() {
    let place = Place::new();
    let columns = ["order_id", "email", "phone", "digits"];
    let row = ["1", "canaryemailQxz@Personal-Post.example", "+12133734253", "2133734253"].map(str::to_owned);
    parquet(&place.input().join("rows.parquet"), &columns, &[row.to_vec(), row.to_vec()]);
    for sql in [
        "… 'rows.parquet' ORDER BY email LIMIT 1",
        "… (SELECT a.* FROM 'rows.parquet' a JOIN 'rows.csv' b ON a.email = b.email)",
        "… (SELECT a.* FROM 'rows.parquet' a JOIN (SELECT DISTINCT email FROM 'rows.parquet') b ON a.email = b.email)",
        "… (SELECT max(order_id) AS order_id, email, max(phone) AS phone FROM 'rows.parquet' GROUP BY email ORDER BY 3 DESC LIMIT 1)",
        "… 'rows.parquet' WHERE email = (SELECT max(email) FROM 'rows.csv')",
        "… 'rows.parquet' WHERE email IN (SELECT email FROM 'rows.csv')",
        "… (SELECT 1 AS order_id, string_agg(email, ',') AS email, max(CAST(email AS INT)) AS phone FROM 'rows.csv')",
        "SET datafusion.explain.show_statistics = true; … 'rows.parquet' WHERE email > 'b'",
    ] {
        let query = place.query(sql);
        place.keeps_quiet(&["run", &query, "--dry-run", "--explain"]);
        place.keeps_quiet(&["preview", &query]);
    }
}

#[test]
fn sources_that_cannot_be_read_are_not_quoted() {
    let place = Place::new();
    let rows = "order_id,email,phone\n1,canaryemailQxz@Personal-Post.example,+12133734253\n";
    let write = |name: &str, content: &[u8]| {
        file(&place.input(), name, content);
    };
    let many = (0..21_000).fold(String::new(), |rows, row| rows + &row.to_string() + ",5,5\n");
    let body = &rows[rows.find('\n').unwrap() + 1..];
    write("plain.csv", rows.as_bytes());
    write("headless.csv", format!("{body}{body}").as_bytes());
    write(
        "twice.csv",
        format!("{body}{body}").replace("+12133734253", "canaryemailQxz@Personal-Post.example").as_bytes(),
    );
    write("ragged.csv", format!("{rows}2,canaryemailQxz@Personal-Post.example\n").as_bytes());
    write("unclosed.csv", format!("{rows}2,\"canaryemailQxz@Personal-Post.example\n").as_bytes());
    write("latin.csv", &[rows.as_bytes(), b"2,canaryemailQxz@Personal-Post.example\xe9,5\n"].concat());
    write(
        "late.csv",
        format!("order_id,phone_count,total\n{many}1,canaryemailQxz@Personal-Post.example,2133734253x\n").as_bytes(),
    );
    write("nul.csv", &[rows.as_bytes(), b"2,canaryemailQxz@Personal-Post.example\0,5\n"].concat());
    write("cut.ndjson", b"{\"order_id\":1,\"email\":\"canaryemailQxz@Personal-Post.example\"}\n{\"order_id\":2,\"email\":\"canaryemailQxz@Perso");
    write(
        "list.ndjson",
        b"{\"order_id\":1,\"email\":5}\n{\"order_id\":2,\"email\":[\"canaryemailQxz@Personal-Post.example\"]}\n",
    );
    write("texts.ndjson", b"\"canaryemailQxz@Personal-Post.example\"\n");
    write("mixed.ndjson", b"{\"order_id\":1,\"email\":\"a\"}\n\"canaryemailQxz@Personal-Post.example\"\n");
    write("bare.ndjson", b"{\"order_id\":1,\"email\":canaryemailQxz@Personal-Post.example}\n");
    write(
        "keyed.ndjson",
        b"{\"canaryemailQxz@Personal-Post.example\":{\"order_id\":1}}\n{\"canaryemailQxz@Personal-Post.example\":5}\n",
    );
    write("keys.ndjson", b"{\"canaryemailQxz@Personal-Post.example\":5,\"2133734253\":6}\n");
    write("array.json", b"[{\"order_id\":1,\"email\":\"canaryemailQxz@Personal-Post.example\"},\"canaryemailQxz@Personal-Post.example\"");
    write("not.parquet", format!("PAR1{rows}PAR1").as_bytes());
    let row = ["1", "canaryemailQxz@Personal-Post.example", "+12133734253"].map(str::to_owned).to_vec();
    parquet(&place.input().join("whole.parquet"), &["order_id", "email", "phone"], &vec![row; 50]);
    let whole = fs::read(place.input().join("whole.parquet")).unwrap();
    for (at, name) in [(20, "front.parquet"), (whole.len() / 3, "page.parquet"), (whole.len() - 200, "footer.parquet")]
    {
        let mut damaged = whole.clone();
        damaged[at..at + 16].fill(0xff);
        write(name, &damaged);
    }
    write("cut.parquet", &whole[..whole.len() - 40]);
    fs::create_dir(place.input().join("headless")).unwrap();
    write("headless/a.csv", format!("{body}{body}").as_bytes());
    write("headless/b.csv", body.replace("1,", "2,").as_bytes());
    let mut refused = 0;
    for from in [
        "'headless.csv'",
        "'twice.csv'",
        "'headless'",
        "'ragged.csv'",
        "'unclosed.csv'",
        "'latin.csv'",
        "'nul.csv'",
        "'cut.ndjson'",
        "'list.ndjson'",
        "'texts.ndjson'",
        "'mixed.ndjson'",
        "'bare.ndjson'",
        "'keyed.ndjson'",
        "'keys.ndjson'",
        "'array.json'",
        "'not.parquet'",
        "'front.parquet'",
        "'page.parquet'",
        "'footer.parquet'",
        "'cut.parquet'",
        "'whole.parquet'",
    ] {
        let query = place.query(&format!("… {from}"));
        refused += usize::from(place.keeps_quiet(&["run", &query, "--dry-run"]).code != 0);
        place.keeps_quiet(&["preview", &query]);
    }
    let late = place.query("SELECT 'offline' AS event_source, 'Purchase' AS event, 1787234709 AS timestamp, order_id, phone_count AS email, total AS value FROM 'late.csv'");
    assert_eq!(place.keeps_quiet(&["run", &late, "--dry-run", "--event-source-id", "7654321098765432109"]).code, 1);
    for (kind, stored, name) in [
        ("INT", "CSV", "plain.csv"),
        ("DATE", "CSV", "plain.csv"),
        ("TIMESTAMP", "CSV", "plain.csv"),
        ("BOOLEAN", "CSV", "plain.csv"),
        ("DECIMAL(5, 2)", "CSV", "plain.csv"),
        ("INT", "JSON", "cut.ndjson"),
        ("INT", "JSON", "mixed.ndjson"),
        ("INT", "PARQUET", "whole.parquet"),
        ("BOOLEAN", "PARQUET", "whole.parquet"),
        ("DATE", "PARQUET", "whole.parquet"),
        ("INT", "CSV", "headless.csv"),
    ] {
        let table = format!(
            "CREATE EXTERNAL TABLE t (order_id TEXT, email {kind}, phone {kind}) STORED AS {stored} LOCATION '{name}'; … t WHERE email IS NOT NULL"
        );
        refused += usize::from(place.keeps_quiet(&["run", &place.query(&table), "--dry-run"]).code != 0);
    }
    assert!(refused > 24, "{refused} sources are refused");
}

/// Answers may echo what they got.
#[test]
fn answers_are_not_quoted() {
    let place = Place::new();
    let echo =
        canaries().into_iter().map(|canary| canary.core).chain([TOKEN.to_owned()]).chain(digests()).collect::<Vec<_>>();
    let echo = format!("{} canaryemailqxz%40personal-post.example", echo.join(" "));
    let other = Server::answering([Answer::ok(&echo)]);
    let query = place.people(true, false);
    let coded = |code: i64| {
        let message = format!("Invalid value for data.0.user.email: {echo}");
        let body = json!({"code": code, "message": message, "request_id": echo, "data": {"failed_events": [{"order_in_batch": 0, "error": echo}]}});
        Answer::ok(&body.to_string())
    };
    let location: &'static str = Box::leak(
        format!("Location: {}/{TOKEN}?{}\r\nX-Tt-Logid: {TOKEN} x\r\n", other.url, "email=canaryemailQxz")
            .into_boxed_str(),
    );
    let status = |status, headers| Answer { status, headers, body: format!("<html>{echo}</html>") };
    for answer in [
        coded(40002),
        coded(40000),
        coded(20001),
        coded(40001),
        coded(40105),
        coded(40050),
        coded(49_999),
        coded(0),
        Answer::ok(&format!("{{\"code\":{echo}")),
        Answer::ok(&json!({"code": echo, "message": echo}).to_string()),
        status("500 Internal Server Error", "Content-Type: text/html\r\n"),
        status("401 Unauthorized", ""),
        status("404 Not Found", ""),
        status("302 Found", location),
        status("307 Temporary Redirect", location),
    ] {
        let server = Server::answering([answer.clone()]);
        for format in ["table", "json"] {
            place.keeps_quiet(&["run", &query, "--base-url", &server.url, "--give-up-after", "1s", "--format", format]);
        }
        assert!(wire(&server).contains(TOKEN), "{}", answer.status);
    }
    assert!(other.requests().is_empty(), "redirects are not followed");
}

#[test]
fn what_settings_get_wrong_does_not_show_the_token() {
    let place = Place::new();
    let query = place.people(true, false);
    let server = Server::answering([Answer::ok(OK)]);
    let run = ["run", query.as_str(), "--base-url", &server.url];
    let variable = |name: &'static str, value: String| {
        move |command: &mut Command| {
            command.env(name, &value);
        }
    };
    for value in
        [format!("{TOKEN} {TOKEN}"), format!("{TOKEN}\n{TOKEN}"), format!("é{TOKEN}"), format!("Bearer {TOKEN}")]
    {
        assert_eq!(place.keeps_quiet_with(&run, variable("POSTBACK_ACCESS_TOKEN", value)).code, 3);
    }
    for name in ["POSTBACK_ACCESS_TOKN", "POSTBACK_TOKEN"] {
        place.keeps_quiet_with(&run, variable(name, TOKEN.to_owned()));
        place.keeps_quiet_with(&["config"], variable(name, TOKEN.to_owned()));
    }
    for content in [TOKEN.to_owned(), format!("{TOKEN}\n"), format!("{TOKEN} {TOKEN}"), format!("{TOKEN}é")] {
        let token = file(&place.input(), "token", &content);
        for mode in [0o600, 0o644] {
            fs::set_permissions(&token, fs::Permissions::from_mode(mode)).unwrap();
            place.keeps_quiet(&[&run[..], &["--token-file", &token]].concat());
        }
    }
    for content in [
        format!("access_token = \"{TOKEN}\""),
        format!("access_token = {TOKEN}"),
        format!("token_file = \"x\"\n\"{TOKEN}\nevent_source = 'offline'"),
        format!("[postback]\naccess_token = '{TOKEN}'"),
    ] {
        let config = file(&place.input(), "postback.toml", content);
        place.keeps_quiet(&[&run[..], &["--config", &config]].concat());
        place.keeps_quiet(&["config", "--config", &config]);
        fs::remove_file(config).unwrap();
    }
}
