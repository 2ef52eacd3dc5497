//! What a dry run says about the result as a whole: identities, times, and what its events can be matched by.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::server::{Answer, OK, Server, file, postback, said};

/// A result of 60 sales: plain and hashed addresses, placeholders, mangled and national numbers, and one cashier.
fn sales(folder: &std::path::Path) -> String {
    let mut rows = "order_id,email,phone,sold_at\n".to_owned();
    for row in 0..60 {
        let email = match row {
            0..5 => "none@none.com".to_owned(),
            5..10 => format!("{:064x}", 0x00c0_ffee_u64 * (row + 1)),
            10..12 => "1B2M2Y8AsgTpgAmY7PhCfg==".to_owned(),
            _ => format!("customer{row}@shop.example"),
        };
        let phone = match row {
            0..40 => "+12133734253",
            40..43 => "1.2065E+10",
            43..50 => "213 373 4253",
            _ => "",
        };
        let (day, hour) = (1 + row % 20, row % 12);
        writeln!(rows, "{row},{email},{phone},2026-08-{day:02}T{hour:02}:07:00Z").unwrap();
    }
    file(folder, "sales.csv", rows);
    let sql = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.as_of = '2026-08-21T00:00:00Z';
        SELECT 'Purchase' AS event, order_id, email, phone, sold_at AS timestamp,
          9.5 AS value, 'USD' AS currency FROM 'sales.csv'";
    file(folder, "sales.sql", sql)
}

/// `text` from the line that starts with `start` to the faults, without the time it took and the run's folder.
fn from<'a>(text: &'a str, start: &str) -> &'a str {
    let (text, _) = text.split_once("\n  every reject").unwrap_or_else(|| panic!("the folder in {text}"));
    &text[text.find(start).unwrap_or_else(|| panic!("{start} in {text}"))..]
}

#[test]
fn a_dry_run_tells_what_its_events_can_be_matched_by() {
    let folder = tempfile::tempdir().unwrap();
    let said = said(&mut postback(&["run", &sales(folder.path()), "--dry-run"]));
    insta::assert_snapshot!(from(&said.stdout, "  estimate of coverage"), @r"
  estimate of coverage, of 60 valid events (no match rate)
    email                                   53   88.3 %   7 rows not valid, 5 arrived hashed
    phone                                   40   66.7 %   10 rows not valid, 10 rows without
  of which
    email, phone                            33   55.0 %
    only email                              20   33.3 %
    only phone                               7   11.7 %
  about 54 people, 1.1 events each; the most frequent identifier is on 66.7 %
  median age 9 days, nine of ten within 17 days, the oldest 19 days
  what would raise it
    7 phone numbers without a country code cannot be read: `SET
      postback.default_region`, or use `e164(phone, region)`
    33.3 % of events have `email` but no `phone`, and many rows have no valid
      `phone`: two ways to match find more people than one
    11.7 % of the rows with `email` have no valid one: its faults say why
    6.0 % of the rows with `phone` have no valid one: its faults say why
    events are 9 days old on median, and TikTok's windows reach back at most 7
      days from a view and 28 from a click: send them sooner

  warning[PB3202]: `phone` names one person on 40 of 60 events (66.7 %)
    find it with GROUP BY and count(*), and return NULL for it

  warning[PB3103]: `phone` is a phone number without `+` and country code, and no region is set, 7 events (rows 44, 45, 46, …)
    `SET postback.default_region`, wrap the column in `e164(phone, region)`, or return numbers with `+`

  warning[PB3113]: `email` is a placeholder for a missing value, 5 events (rows 1, 2, 3, …)
    return NULL where there is no identity

  warning[PB3201]: `email` holds 48 plain values and 5 digests (9.4 %)
    return plain values wherever there are any, and let postback hash them

  warning[PB3114]: `phone` is a phone number written as a quantity, such as `1.2E+10` or `12065550100.0`, 3 events (rows 41, 42, 43)
    export the column as text

  warning[PB3115]: `email` is an MD5 digest in Base64, not SHA-256, 2 events (rows 11, 12)
    write the digest with encode(…, 'hex'), or return the plain value
");
}

#[test]
fn what_nothing_can_be_said_of_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let account = |rows: &str| {
        let sql = format!(
            "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
            SET postback.as_of = '2026-08-21T00:00:00Z'; SET postback.max_rejects = '100%';
            SELECT 'Purchase' AS event, CAST(n AS VARCHAR) AS order_id, 1787234709 AS timestamp, {rows}
            FROM generate_series(1, 20) AS t (n)"
        );
        said(&mut postback(&["run", &file(folder.path(), "q.sql", sql), "--dry-run"])).stdout
    };
    let refused = account("CONCAT('nobody', n) AS email");
    assert!(refused.contains("rejected[PB3030]") && !refused.contains("coverage"), "{refused}");
    // One event in twenty is no more than anybody has.
    let different = account("CONCAT('pat.lee', n, '@shop.example') AS email");
    assert!(different.contains("about 20 people, 1.0 events each\n"), "{different}");
}

#[test]
fn the_json_of_every_run_holds_the_same_readiness() {
    let folder = tempfile::tempdir().unwrap();
    let sales = sales(folder.path());
    let run = |arguments: &[&str]| -> Value {
        let said = said(&mut postback(&[&["run", &sales, "--format", "json"], arguments].concat()));
        serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}", said.stderr))
    };
    let dry = run(&["--dry-run"]);
    let server = Server::answering([Answer::ok(OK)]);
    let sent = run(&["--base-url", &server.url]);
    let streamed = run(&["--base-url", &server.url, "--no-preflight"]);
    assert!(dry["readiness"].is_object());
    for other in [sent, streamed] {
        assert_eq!(other["readiness"], dry["readiness"]);
        assert_eq!(other["faults"], dry["faults"]);
    }
    assert_eq!(dry["readiness"]["identifiers"][1]["name"], "phone");
    let of_result = dry["faults"].as_array().unwrap().iter().find(|fault| fault["code"] == "PB3202").unwrap();
    assert_eq!(of_result["rows"], json!([]));
    assert_eq!(of_result["severity"], "warn");
}

#[test]
fn no_value_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let sales = sales(folder.path());
    for format in ["table", "json"] {
        let said = said(&mut postback(&["run", &sales, "--dry-run", "--format", format]));
        for value in ["customer", "none@", "2133734253", "213 373", "1.2065", "c0ffee", "1B2M2Y8A"] {
            assert!(!said.stdout.to_lowercase().contains(value) && !said.stderr.contains(value), "{value}");
        }
    }
}

#[test]
fn a_repeated_event_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.as_of = '2026-08-21T00:00:00Z';
        SELECT 'Purchase' AS event, CAST(n - n AS VARCHAR) AS order_id, CONCAT('pat.lee', n - n, '@shop.example') AS email, 1787234709123 AS timestamp
        FROM generate_series(1, 3) AS t (n)";
    let path = file(folder.path(), "q.sql", sql);
    let said = said(&mut postback(&["run", &path, "--dry-run", "--format", "json"]));
    let account: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}", said.stderr));
    assert_eq!((&account["events"], &account["readiness"]["events"]), (&json!(1), &json!(1)));
    assert_eq!(account["readiness"]["time_units"], json!({ "milliseconds": 3 }));
}
