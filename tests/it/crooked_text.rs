//! Delimited text whose lines are not as its header line says: each value is read right, or told.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::server::{Answer, OK, Said, Server, arrived, file, postback, said};

/// What every delivery needs to be told.
const SETTINGS: &str = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
    SET postback.as_of = '2026-11-30T00:00:00Z'; SET postback.timezone = 'America/New_York'; SET postback.currency = 'USD';\n";

fn sql(folder: &Path, query: &str) -> Said {
    said(postback(&["sql", query, "--format", "ndjson"]).current_dir(folder))
}

/// The rows of `query` as JSON lines.
fn rows(folder: &Path, query: &str) -> Vec<String> {
    let said = sql(folder, query);
    assert_eq!(said.code, 0, "{query}: {}", said.stderr);
    said.stdout.lines().map(str::to_owned).collect()
}

/// What a source without sound lines is refused with.
fn refusal(folder: &Path, query: &str) -> String {
    let said = sql(folder, query);
    assert_eq!(said.code, 5, "{query}: {}{}", said.stdout, said.stderr);
    said.stderr
}

/// The events that a run of `query` delivers, and what the run says.
fn delivered(folder: &Path, query: &str) -> (Vec<Value>, Said) {
    let path = file(folder, "query.sql", format!("{SETTINGS}{query}"));
    let server = Server::answering([Answer::ok(OK)]);
    let said = said(&mut postback(&["run", &path, "--max-rejects", "100%", "--base-url", &server.url]));
    (arrived(&server).iter().map(|event| serde_json::from_str(event).unwrap()).collect(), said)
}

/// Order and value of each event.
fn values(events: &[Value]) -> Vec<(String, String)> {
    let mut values: Vec<_> = events
        .iter()
        .map(|event| {
            let properties = &event["properties"];
            (properties["order_id"].as_str().unwrap().to_owned(), properties["value"].to_string())
        })
        .collect();
    values.sort();
    values
}

/// The statement that a message ends with.
fn statement(message: &str) -> &str {
    let begin = message.find("CREATE EXTERNAL TABLE").unwrap_or_else(|| panic!("{message}"));
    &message[begin..=begin + message[begin..].find(';').unwrap()]
}

#[test]
fn a_first_row_that_is_too_long_excuses_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let header = "order_id,email,ts,amount,tax,coupon\n";
    let long = [
        "17,a@example.com,2026-11-14T10:00:00Z,1,250.00,19.00,\n",
        "20,d@example.com,2026-11-14T10:00:00Z,2,300.00,29.00,\n",
    ];
    let sound = [
        "18,b@example.com,2026-11-14T10:00:00Z,80.00,9.00,\n",
        "19,c@example.com,2026-11-14T10:00:00Z,90.00,9.00,XMAS\n",
    ];
    let query = "SELECT 'Purchase' AS event, order_id, ts AS timestamp, email, amount AS value FROM 'a.csv'";
    for (order, lines) in
        [([0, 2, 3, 1], [2, 5]), ([2, 0, 3, 1], [3, 5]), ([2, 3, 0, 1], [4, 5]), ([0, 1, 2, 3], [2, 3])]
    {
        let all = [long[0], long[1], sound[0], sound[1]];
        file(here, "a.csv", header.to_owned() + &order.map(|index| all[index]).concat());
        let (events, said) = delivered(here, query);
        assert_eq!(
            values(&events),
            [("18".into(), "80".into()), ("19".into(), "90".into())],
            "{order:?}: {}",
            said.stdout
        );
        assert!(said.stdout.contains("7 fields, not 6"), "{}", said.stdout);
        let lines = format!("lines {}, {})", lines[0], lines[1]);
        assert!(said.stdout.contains(&lines), "no `{lines}` in {}", said.stdout);
    }
}

#[test]
fn a_lost_delimiter_is_not_made_up_for_by_one_in_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let sound = "order_id,email,ts,amount,tax,coupon\n\
        18,b@example.com,2026-11-14T10:00:00Z,80.00,9.00,\n\
        19,c@example.com,2026-11-14T10:00:00Z,90.00,9.00,XMAS\n\
        21,e@example.com,2026-11-14T11:00:00Z,95.00,9.50,\n";
    for row in [
        "17,a@example.com,2026-11-14T10:00:00Z,1,250.00,19.00",
        "17,a@example.com2026-11-14T10:00:00Z,1,250.00,19.00,",
        "17a@example.com,2026-11-14T10:00:00Z,1,250.00,19.00,",
        "17,a@example.com,2026-11-14T10:00:00Z1,250.00,19.00,",
        "17,a@example.com,2026-11-14T10:00:00Z,1,250.0019.00,",
    ] {
        for text in [format!("{sound}{row}\n"), sound.replacen('\n', &format!("\n{row}\n"), 1)] {
            file(here, "a.csv", text);
            // No column of the query needs to look odd for the row to be told.
            let select = "SELECT order_id, amount FROM 'a.csv' ORDER BY order_id";
            let read = sql(here, select);
            let orders: Vec<_> = read
                .stdout
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()["order_id"].clone())
                .collect();
            assert_eq!(orders, [json!("18"), json!("19"), json!("21")], "{row}: {}{}", read.stdout, read.stderr);
            let query = "SELECT 'Purchase' AS event, order_id, ts AS timestamp, email, amount AS value FROM 'a.csv'";
            let (events, said) = delivered(here, query);
            assert_eq!(values(&events).len(), 3, "{row}: {}", said.stdout);
            assert!(said.stdout.contains("PB3408"), "{row}: {}", said.stdout);
        }
    }
}

#[test]
fn rows_that_can_be_read_in_two_ways_are_refused_with_what_decides() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (name, content) in [
        // A comma is missing between the first two names, or each row ends with one.
        (
            "short.csv",
            "order_idemail,ts,amount,tax\n17,a@example.com,2026-11-14,80.00,\n18,b@example.com,2026-11-14,90.00,\n",
        ),
        ("closed.csv", "id,email,total\n1,a@example.com,5,\n2,b@example.com,6,\n"),
        ("one.csv", "id,email\n1,a@example.com,\n"),
        ("pipes.csv", "id|email\n1|a@example.com|\n2|b@example.com|\n"),
    ] {
        file(here, name, content);
        let said = refusal(here, &format!("SELECT * FROM '{name}'"));
        for word in
            [name, "line: 2", "'format.trailing_delimiter' 'true'", "if a name is missing, mend the header line"]
        {
            assert!(said.contains(word), "{name}: no `{word}` in {said}");
        }
        assert!(!said.contains("a@example"), "{said}");
    }
    let table =
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'closed.csv' OPTIONS ('format.trailing_delimiter' 'true');";
    assert_eq!(
        rows(here, &format!("{table} SELECT id, email FROM t ORDER BY id")),
        [r#"{"id":"1","email":"a@example.com"}"#, r#"{"id":"2","email":"b@example.com"}"#]
    );
    let said = refusal(here, &format!("{} SELECT * FROM t", table.replace("true", "false")));
    assert!(
        said.contains("if a name is missing, mend the header line") && !said.contains("trailing_delimiter"),
        "{said}"
    );
    // Without a header line, the declaration may lack a column.
    file(here, "bare.tbl", "1|a@example.com|5|\n2|b@example.com|6|\n");
    let bare = "CREATE EXTERNAL TABLE t (id VARCHAR, email VARCHAR, total DOUBLE) STORED AS CSV LOCATION 'bare.tbl' OPTIONS ('format.has_header' 'false');";
    let said = refusal(here, &format!("{bare} SELECT * FROM t"));
    assert!(said.contains("the table declares 3 columns") && said.contains("trailing_delimiter"), "{said}");
    let closed = bare.replace("'false')", "'false', 'format.trailing_delimiter' 'true')");
    assert_eq!(rows(here, &format!("{closed} SELECT sum(total) AS n FROM t")), [r#"{"n":11.0}"#]);
}

#[test]
fn a_header_line_that_does_not_fit_its_rows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (content, says) in [
        (
            "id,emailts,total\n1,a@example.com,2026-11-14,5\n2,b@example.com,2026-11-14,6\n",
            "3 names, and the rows below it have 4 fields",
        ),
        (
            "id,email,total\n1,a@example.com,5,x\n2,b@example.com,6,y\n3,c@example.com,7\n",
            "3 names, and most rows below it have 4 fields",
        ),
        // The names of rows have none themselves.
        (
            "\"email\",\"total\"\n\"1\",\"a@example.com\",5\n\"2\",\"b@example.com\",6\n",
            "2 names, and the rows below it have 3 fields",
        ),
        ("id,email,total,tax\n1,a@example.com\n2,b@example.com\n", "4 names, and the rows below it have 2 fields"),
        ("id,email,total,,\n1,a@example.com,3\n2,b@example.com,4\n", "5 names, and the rows below it have 3 fields"),
    ] {
        file(here, "a.csv", content);
        let said = refusal(here, "SELECT * FROM 'a.csv'");
        assert!(said.contains(says) && said.contains("line: 2"), "no `{says}` in {said}");
    }
    // One row of one file is a faulty row where another file has rows that fit the same names.
    fs::create_dir(here.join("parts")).unwrap();
    file(here, "parts/1.csv", "id,email\n1,a@example.com\n");
    file(here, "parts/2.csv", "id,email\n2,b@example.com,x\n");
    assert_eq!(rows(here, "SELECT id FROM 'parts/'"), [r#"{"id":"1"}"#]);
}

#[test]
fn lines_above_the_header_line_are_named_and_passed_over_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let table = "Email,Order ID,Conversion Value\na@example.com,10001,12.50\nb@example.com,10002,20\n";
    for (above, which) in [
        ("Parameters:TimeZone=US/Eastern\n", "line 1 of `a.csv` stands"),
        ("Sales report\n", "line 1 of `a.csv` stands"),
        ("Sales report,,\n", "line 1 of `a.csv` stands"),
        ("Sales report\nfrom 2026-11-01\n\n", "lines 1 to 3 of `a.csv` stand"),
        ("Sales report\r\n\r\n\r\n", "lines 1 to 3 of `a.csv` stand"),
        (",,\n,,\n", "lines 1 to 2 of `a.csv` stand"),
        ("\"Sales, by day\"\n", "line 1 of `a.csv` stands"),
        ("# made by shop 2.1\n", "line 1 of `a.csv` stands"),
        ("\u{feff}Sales report\n", "line 1 of `a.csv` stands"),
        ("\n\nSales report\n \n", "lines 1 to 4 of `a.csv` stand"),
        ("Sales report,,\nfrom 2026-11-01,,\n,,\n", "lines 1 to 3 of `a.csv` stand"),
    ] {
        file(here, "a.csv", format!("{above}{table}"));
        let said = refusal(here, "SELECT * FROM 'a.csv'");
        assert!(said.contains(which), "{above:?}: no `{which}` in {said}");
        assert!(!said.contains("Sales") && !said.contains("a@example"), "{said}");
        let query = format!("{} SELECT email, \"order id\" FROM rows_of_export ORDER BY email", statement(&said));
        assert_eq!(
            rows(here, &query),
            [r#"{"email":"a@example.com","order id":"10001"}"#, r#"{"email":"b@example.com","order id":"10002"}"#],
            "{above:?}"
        );
    }
    // Too few lines are passed over: the message counts from the beginning of the file.
    file(here, "a.csv", format!("Sales\nby day\n{table}"));
    let declared =
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'a.csv' OPTIONS ('format.skip_lines' '1'); SELECT email FROM t";
    let said = refusal(here, declared);
    assert!(said.contains("line 2 of `a.csv`") && said.contains("OPTIONS ('format.skip_lines' '2')"), "{said}");
    // A header line that is said to be there is still not a title.
    let said = refusal(here, &declared.replace("skip_lines' '1'", "has_header' 'true'"));
    assert!(said.contains("lines 1 to 2 of `a.csv`"), "{said}");
    // Faulty rows are named by their lines in the file.
    file(here, "a.csv", format!("Sales\nby day\n{table}x,y\n"));
    let query = "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'a.csv' OPTIONS ('format.skip_lines' '2');
        SELECT 'Purchase' AS event, '2026-11-14T10:00:00Z' AS timestamp, \"order id\" AS order_id, email FROM t";
    let (events, said) = delivered(here, query);
    assert!(
        events.len() == 2 && said.stdout.contains("line 6)") && said.stdout.contains("2 fields, not 3"),
        "{}",
        said.stdout
    );
}

#[test]
fn a_line_that_names_the_delimiter_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (name, content) in [
        ("semicolon.csv", "sep=;\nid;total\n1;2,50\n2;3,10\n"),
        ("crlf.csv", "SEP=;\r\nid;total\r\n1;2,50\r\n2;3,10\r\n"),
        ("quoted.csv", "\"sep=|\"\nid|total\n1|2,50\n2|3,10\n"),
        ("bom.csv", "\u{feff}sep=\t\nid\ttotal\n1\t2,50\n2\t3,10\n"),
        ("odd.csv", "sep=~\nid~total\n1~2,50\n2~3,10\n"),
    ] {
        file(here, name, content);
        assert_eq!(
            rows(here, &format!("SELECT id, total FROM '{name}' ORDER BY id"))[0],
            r#"{"id":"1","total":"2,50"}"#,
            "{name}"
        );
    }
    let query = file(
        here,
        "q.sql",
        format!(
            "{SETTINGS}SELECT 'Purchase' AS event, '2026-11-14T10:00:00Z' AS timestamp, id AS order_id, id || '@example.com' AS email FROM 'odd.csv'"
        ),
    );
    let checked = said(postback(&["check", &query]).current_dir(here));
    assert!(
        checked.stdout.contains("line 1 of `")
            && checked.stdout.contains("odd.csv` names the delimiter and is passed over"),
        "{}{}",
        checked.stdout,
        checked.stderr
    );
}

#[test]
fn names_are_read_without_what_nobody_sees_around_them() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for header in [
        "id,email\u{a0},total",
        "id, email, total",
        "\u{feff}\u{feff}id,email,total",
        "id,\u{200b}email\u{feff},total",
        "id,\"email \",\" total\"",
        " id ,\temail,total\t",
        "id,email\u{2003},total\u{3000}",
        "\"id\u{a0}\",email,total",
    ] {
        file(here, "a.csv", format!("{header}\n1, a@example.com, 5.50\n2, b@example.com, 6.25\n"));
        assert_eq!(
            rows(here, "SELECT id, trim(email) AS email, total FROM 'a.csv' ORDER BY id")[0],
            r#"{"id":"1","email":"a@example.com","total":5.500000}"#,
            "{header:?}"
        );
    }
    let query = file(
        here,
        "q.sql",
        format!(
            "{SETTINGS}SELECT 'Purchase' AS event, '2026-11-14T10:00:00Z' AS timestamp, id AS order_id, email, total AS value FROM 'a.csv'"
        ),
    );
    let checked = said(postback(&["check", &query]).current_dir(here));
    assert!(checked.stdout.contains("has blanks around its names"), "{}", checked.stdout);
    // What a declaration names is found too.
    let table = "CREATE EXTERNAL TABLE t (id VARCHAR, email VARCHAR, total DOUBLE) STORED AS CSV LOCATION 'a.csv';";
    assert_eq!(rows(here, &format!("{table} SELECT sum(total) AS n FROM t")), [r#"{"n":11.75}"#]);
}

#[test]
fn a_header_line_may_end_with_a_delimiter() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (header, one, two) in [
        ("id,email,total,", "1,a@example.com,5", "2,b@example.com,6"),
        ("id,email,total,", "1,a@example.com,5,", "2,b@example.com,6,"),
        ("id,email,total, ", "1,a@example.com,5", "2,b@example.com,6"),
        ("id;email;total;", "1;a@example.com;5", "2;b@example.com;6"),
        ("id,email,total,\"\"", "1,a@example.com,5", "2,b@example.com,6"),
    ] {
        file(here, "a.csv", format!("{header}\n{one}\n{two}\n"));
        let read = rows(here, "SELECT id, email, CAST(total AS INT) AS total FROM 'a.csv' ORDER BY id");
        assert_eq!(
            read,
            [r#"{"id":"1","email":"a@example.com","total":5}"#, r#"{"id":"2","email":"b@example.com","total":6}"#],
            "{header}"
        );
    }
    // A row of another width is told, whichever it is.
    file(
        here,
        "a.csv",
        "id,email,note,\n1,a@example.com,x\n2,b@example.com,y\n3,c@example.com,z,\n4,d@example.com,z\n",
    );
    assert_eq!(rows(here, "SELECT id FROM 'a.csv' ORDER BY id"), [r#"{"id":"1"}"#, r#"{"id":"2"}"#, r#"{"id":"4"}"#]);
    file(here, "a.csv", "id,email,note,\n1,a@example.com,x\n2,b@example.com,y,\n");
    refusal(here, "SELECT * FROM 'a.csv'");
}

/// What a value looks like at its beginning is not yet its type.
#[test]
fn a_column_of_which_not_every_value_is_a_time_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (one, two, repaired, expected) in [
        ("2026-11-14 05:11:12 PM", "2026-11-14 06:11:12 PM", "to_timestamp(ts, '%Y-%m-%d %I:%M:%S %p')", ["Utf8", "1"]),
        ("2026-11-14 05:11:12 EDT", "2026-11-14 06:11:12 EDT", "replace(ts, ' EDT', '-04:00')", ["Utf8", "2"]),
        ("2026-11-14 05:11:12 PST", "2026-11-14 06:11:12 PST", "replace(ts, ' PST', '-08:00')", ["Utf8", "3"]),
        ("2026-11-14 05:11:12 EST", "2026-11-14 06:11:12 EST", "replace(ts, ' EST', '-05:00')", ["Utf8", "4"]),
        ("2026-11-14 05:11:12", "2026-11-14 25:11:12", "ts", ["Utf8", ""]),
        ("2026-02-30 05:11:12", "2026-02-28 05:11:12", "ts", ["Utf8", ""]),
        ("2026-11-14 05:11:12Z", "2026-11-14 05:11:12", "ts", ["Utf8", ""]),
        ("2026-11-14", "2026-13-14", "ts", ["Utf8", ""]),
        ("2026-11-14T05:11:12Z", "2026-11-14T06:11:12+01:00", "ts", ["Timestamp(µs, \"UTC\")", ""]),
        ("2026-11-14 05:11:12", "2026-11-14 06:11:12.5", "ts", ["Timestamp(µs)", ""]),
    ] {
        file(here, "a.csv", format!("id,email,ts,v\n1,a@example.com,{one},5\n2,b@example.com,{two},6\n"));
        let types = rows(here, "SELECT arrow_typeof(ts) AS t FROM 'a.csv' LIMIT 1");
        assert_eq!(types, [json!({ "t": expected[0] }).to_string()], "{one}");
        if expected[1].is_empty() {
            continue;
        }
        let (events, said) = delivered(
            here,
            &format!(
                "SELECT 'Purchase' AS event, id AS order_id, {repaired} AS timestamp, email, v AS value FROM 'a.csv'"
            ),
        );
        assert_eq!(events.len(), 2, "{one}: {}", said.stderr);
        let times: Vec<i64> = events.iter().map(|event| event["event_time"].as_i64().unwrap()).collect();
        // 2026-11-14T05:11:12Z is 1794633072.
        let hour = match one.rsplit(' ').next().unwrap() {
            "PM" => 17,
            "EDT" => 4,
            "PST" => 8,
            _ => 5,
        };
        let expected = 1_794_633_072 + hour * 3_600;
        assert!(times.contains(&expected) && times.contains(&(expected + 3_600)), "{one}: {times:?}, not {expected}");
    }
    // A type that only several files together have holds all values of each.
    fs::create_dir(here.join("parts")).unwrap();
    file(here, "parts/1.csv", "n\n123456789012345678\n");
    file(here, "parts/2.csv", "n\n1e3\n");
    assert_eq!(rows(here, "SELECT n FROM 'parts/' ORDER BY n"), [r#"{"n":"123456789012345678"}"#, r#"{"n":"1e3"}"#]);
}

#[test]
fn numbers_of_json_keep_all_digits_that_the_first_objects_have() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let lines = "{\"n\":1.5,\"c\":[{\"p\":0.5}],\"m\":1.5}\n{\"n\":12345678901234567.89,\"c\":[{\"p\":12345678901234567.89}],\"m\":2}\n";
    file(here, "a.ndjson", lines);
    file(here, "a.json", format!("[{}]", lines.trim_end().replace('\n', ",")));
    for name in ["a.ndjson", "a.json"] {
        let read = rows(here, &format!("SELECT n, c[1]['p'] AS p, arrow_typeof(m) AS m FROM '{name}' ORDER BY n"));
        let long = r#"{"n":"12345678901234567.89","p":"12345678901234567.89","m":"Float64"}"#;
        assert!(read.iter().any(|row| row == long), "{name}: {read:?}");
        assert_eq!(read.len(), 2);
    }
}

#[test]
fn a_lone_backslash_survives() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (text, expected) in [
        // Spark escapes between quotes alone.
        (
            "id,name\n1,\"5\\\" tape, \\\"wide\\\"\"\n2,back\\slash\n3,\"quote \\\"end\\\"\"\n",
            ["5\" tape, \"wide\"", "back\\slash", "quote \"end\""],
        ),
        (
            "id,name\n1,\"5\\\" tape, \\\"wide\\\"\"\n2,\\\\host\\share\n3,C:\\\n",
            ["5\" tape, \"wide\"", "\\\\host\\share", "C:\\"],
        ),
        (
            "id,name\n1,\"5\\\" tape, \\\"wide\\\"\"\n2,\"C:\\dir, D:\"\n3,\"a\\\\b\"\n",
            ["5\" tape, \"wide\"", "C:\\dir, D:", "a\\b"],
        ),
        // Redshift escapes everywhere.
        ("id|name\n1|a\\|b\n2|back\\slash\n3|c\\\\d\n", ["a|b", "back\\slash", "c\\d"]),
        ("id|name\n1|a\\\nb\n2|back\\slash\n3|c\\\\d\n", ["a\nb", "back\\slash", "c\\d"]),
        ("id,name\n1,a\\nb\n2,back\\slash\n3,\\t\n", ["a\\nb", "back\\slash", "\\t"]),
        ("id,name\n1,\"say \"\"x\"\"\"\n2,back\\slash\n3,C:\\\n", ["say \"x\"", "back\\slash", "C:\\"]),
    ] {
        file(here, "a.csv", text);
        let expected: Vec<String> = expected.iter().map(|name| json!({ "name": name }).to_string()).collect();
        assert_eq!(rows(here, "SELECT name FROM 'a.csv' ORDER BY id"), expected, "{text}");
    }
    file(here, "a.csv", "id,name\n1,back\\slash\n2,a\\,b\n3,\\N\n");
    let table = "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'a.csv' OPTIONS ('format.escape' '\\');";
    let expected = [json!({ "name": "back\\slash" }), json!({ "name": "a,b" }), json!({ "name": null })];
    assert_eq!(rows(here, &format!("{table} SELECT name FROM t ORDER BY id")), expected.map(|row| row.to_string()));
}

#[test]
fn the_statement_for_a_file_without_names_parses_however_wide_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for columns in [2, 100, 101, 180] {
        let row = (0..columns).map(|column| format!("{column}.5")).collect::<Vec<_>>().join(",");
        file(here, "it's.csv", format!("{row}\n{row}\n"));
        let said = refusal(here, "SELECT * FROM 'it''s.csv'");
        let query = format!("{} SELECT column_{columns} AS last FROM rows_of_export", statement(&said));
        let last = format!("{{\"last\":\"{}.5\"}}", columns - 1);
        assert_eq!(rows(here, &query), [last.clone(), last], "{columns}");
    }
}
