//! Mistakes people make: each is refused with the right exit code and a message to act on, and nothing is sent.

use insta::assert_snapshot;

use crate::server::{Answer, OK, Said, Server, file, postback, root, said};

/// Runs `query` against a server that must not be asked.
fn refused(query: &str) -> Said {
    let server = Server::answering([Answer::ok(OK)]);
    let said = said(&mut postback(&["run", query, "--base-url", &server.url]));
    assert!(server.requests().is_empty(), "{query}: something was sent");
    assert!(!said.stderr.trim().is_empty(), "{query} fails in silence");
    assert!(!said.stderr.contains("panicked"), "{query}: {}", said.stderr);
    said
}

/// What a case of `tests/data/bad` says, with the repository's folder as `[root]`.
fn message(case: &str) -> String {
    refused(&format!("tests/data/bad/{case}")).stderr.replace(root().to_str().unwrap(), "[root]")
}

/// What the query `sql` says, beside a file `orders.csv`.
fn message_of(sql: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "orders.csv", "OrderID,email,total\n1,a@b.example,5\n");
    let settings = "SET postback.event_source = 'offline';\nSET postback.event_source_id = '7654321098765432109';\n";
    let query = file(folder.path(), "query.sql", format!("{settings}{sql}"));
    refused(&query).stderr.replace(folder.path().to_str().unwrap(), "[folder]")
}

#[test]
fn every_mistake_has_its_exit_code_and_nothing_is_sent() {
    let cases = std::fs::read_to_string(root().join("tests/data/bad/cases.csv")).unwrap();
    let mut wrong = Vec::new();
    for case in cases.lines().skip(1) {
        let [file, exit, mistake] = case.splitn(3, ',').collect::<Vec<_>>()[..] else { panic!("{case}") };
        let said = refused(&format!("tests/data/bad/{file}"));
        if said.code.to_string() != exit {
            wrong.push(format!("{file} ({mistake}) exits {} instead of {exit}: {}", said.code, said.stderr));
        }
        if matches!(said.code, 2 | 5) && !said.stdout.is_empty() {
            wrong.push(format!("{file} ({mistake}) prints to stdout: {}", said.stdout));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_bad_query_is_a_case() {
    let folder = root().join("tests/data/bad");
    let cases = std::fs::read_to_string(folder.join("cases.csv")).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name.strip_suffix(".sql").is_none() || cases.contains(&format!("\n{name},")),
            "{name} is in no line of cases.csv"
        );
    }
}

/// A missing currency costs revenue reporting and no event: TikTok accepts it, so it is said and not refused.
#[test]
fn a_value_without_a_currency_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let query = file(
        folder.path(),
        "query.sql",
        "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
         SET postback.as_of = '2026-08-20T14:10:00Z';
         SELECT 'Purchase' AS event, 1787234709 AS timestamp, 'a@b.example' || n AS email, n AS order_id, 5 AS value
         FROM (VALUES ('1')) AS t (n)",
    );
    let said = said(&mut postback(&["run", &query, "--dry-run"]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stderr.starts_with("warning[PB2014]: `value` comes without a currency\n"), "{}", said.stderr);
}

/// Values of rows are personal data, also where an expression fails on one.
#[test]
fn no_message_holds_a_value_of_a_row() {
    for expression in ["CAST(email AS INT)", "email::timestamp", "to_timestamp(email)", "arrow_cast(email, 'Int32')"] {
        let message = message_of(&format!(
            "SELECT 'Purchase' AS event, 1787234709 AS timestamp, email FROM 'orders.csv' WHERE {expression} IS NULL"
        ));
        assert!(!message.contains("a@b"), "{expression}: {message}");
        assert!(message.contains("the query fails on a row"), "{expression}: {message}");
    }
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "odd.ndjson", "{\"email\":\"a@b.example\"}\n\"secret@person.example\"\n");
    let rows = (0..25_000).fold(String::new(), |rows, row| rows + &row.to_string() + ",a@b.example,5\n");
    file(folder.path(), "late.csv", format!("order_id,email,total\n{rows}25001,a@b.example,secret@person.example\n"));
    for (name, column) in [("odd.ndjson", "email"), ("late.csv", "total")] {
        let query = format!("SELECT count({column}) AS n FROM '{name}'");
        let said = said(postback(&["sql", &query]).current_dir(folder.path()));
        assert!(!format!("{}{}", said.stdout, said.stderr).contains('@'), "{name}: {}{}", said.stdout, said.stderr);
    }
}

#[test]
fn a_missing_comma_is_pointed_at() {
    assert_snapshot!(message("syntax_error.sql"), @r"
    error[PB1002]: the SQL does not parse: expected the end of the statement, found `AS`
     --> tests/data/bad/syntax_error.sql:6:49
      |
    6 | SELECT 'Purchase' AS event, order_id ordered_at AS timestamp, email
      |                                                 ^^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: a comma may be missing before it
    error: `tests/data/bad/syntax_error.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_quote_without_a_partner_is_pointed_at() {
    assert_snapshot!(message("unclosed_quote.sql"), @r"
    error[PB1002]: the SQL does not parse: unterminated string literal
     --> tests/data/bad/unclosed_quote.sql:7:17
      |
    7 | FROM 'orders.csv'
      |                 ^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: the quote here, or one above it, has no partner; an apostrophe inside text is written twice: 'O''Neil'
    error: `tests/data/bad/unclosed_quote.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_second_query_is_pointed_at() {
    assert_snapshot!(message("two_selects.sql"), @r"
    error[PB1002]: a query file has exactly one query, and this is the second
     --> tests/data/bad/two_selects.sql:7:1
      |
    7 | SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email, phone, total AS value, 'GBP' AS currency FROM 'orders.csv' WHER...
      | ^^^^^^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: put each query into a file of its own
    error: `tests/data/bad/two_selects.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn copy_is_refused() {
    assert_snapshot!(message("copy.sql"), @r"
    error[PB1002]: `COPY` is not allowed in a query file: only SET, CREATE EXTERNAL TABLE, CREATE VIEW and one query are
     --> tests/data/bad/copy.sql:6:1
      |
    6 | COPY (SELECT * FROM 'orders.csv') TO 'stolen.csv' STORED AS CSV
      | ^^^^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: a query file holds SET, CREATE EXTERNAL TABLE, CREATE VIEW and one final SELECT or WITH
    error: `tests/data/bad/copy.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_misspelt_setting_gets_a_suggestion() {
    assert_snapshot!(message("unknown_setting.sql"), @r"
    error[PB1001]: unknown setting `postback.event_sorce`
     --> tests/data/bad/unknown_setting.sql:1:5
      |
    1 | SET postback.event_sorce = 'offline';
      |     ^^^^^^^^^^^^^^^^^^^^
      |
      = note: a setting or parameter that cannot be used would make the run mean something else
      = help: did you mean postback.event_source?
    error: `tests/data/bad/unknown_setting.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_setting_out_of_its_set_lists_the_set() {
    assert_snapshot!(message("bad_event_source.sql"), @r"
    error[PB1001]: `store` is no value for postback.event_source
     --> tests/data/bad/bad_event_source.sql:1:29
      |
    1 | SET postback.event_source = 'store';
      |                             ^^^^^^^
      |
      = note: a setting or parameter that cannot be used would make the run mean something else
      = help: expected: offline | web | app | crm
    error: `tests/data/bad/bad_event_source.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_misspelt_result_column_gets_a_suggestion() {
    assert_snapshot!(message("unknown_column.sql"), @r"
    error[PB2001]: `emial` is no column of the contract
     --> tests/data/bad/unknown_column.sql:6:73
      |
    6 | SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email AS emial, phone
      |                                                                         ^^^^^
      |
      = note: a column that the contract does not know would be lost in silence
      = help: did you mean `email`? A name that starts with `_` is carried along and not sent
    error: `tests/data/bad/unknown_column.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_misspelt_source_column_gets_a_suggestion() {
    assert_snapshot!(message("unknown_source_column.sql"), @r"
    error[PB1002]: no column `emial`
     --> tests/data/bad/unknown_source_column.sql:6:64
      |
    6 | SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, emial AS email
      |                                                                ^^^^^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: did you mean `email`?
    error: `tests/data/bad/unknown_source_column.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_misspelt_function_gets_a_suggestion() {
    assert_snapshot!(message("unknown_function.sql"), @r"
    error[PB1002]: no function `e146`
     --> tests/data/bad/unknown_function.sql:6:71
      |
    6 | SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email, e146(phone, 'GB') AS phone
      |                                                                       ^^^^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: did you mean `e164`?
    error: `tests/data/bad/unknown_function.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_parameter_without_a_value_is_pointed_at() {
    assert_snapshot!(message("missing_parameter.sql"), @r"
    error[PB1001]: the parameter `$since` has no value
     --> tests/data/bad/missing_parameter.sql:7:21
      |
    7 | WHERE ordered_at >= $since
      |                     ^^^^^^
      |
      = note: a setting or parameter that cannot be used would make the run mean something else
      = help: add --param since=…
    error: `tests/data/bad/missing_parameter.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_quoted_column_is_pointed_at() {
    assert_snapshot!(message("quoted_column.sql"), @r"
    error[PB2007]: `email` is the same constant for every row
     --> tests/data/bad/quoted_column.sql:6:64
      |
    6 | SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, 'o.email' AS email
      |                                                                ^^^^^^^^^
      |
      = note: one identity on every row attributes all events to one person; usually a column name in quotes
      = help: remove the quotes if you mean the column o.email
    error: `tests/data/bad/quoted_column.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_zoneless_timestamp_is_explained() {
    assert_snapshot!(message("no_timezone.sql"), @r"
    error[PB2011]: `timestamp` has no time zone, and postback.timezone is not set
     --> tests/data/bad/no_timezone.sql:6:39
      |
    6 | SELECT 'Purchase' AS event, order_id, TIMESTAMP '2025-12-05T10:15:00' AS timestamp, email
      |                                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: a time without a zone is hours off unless the zone is known
      = help: `SET postback.timezone = 'Area/City'`, or return a timestamp with a time zone
    error: `tests/data/bad/no_timezone.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_missing_destination_is_explained() {
    assert_snapshot!(message("no_event_source_id.sql"), @r"
    error[PB2003]: nothing says `event_source_id`
     --> tests/data/bad/no_event_source_id.sql:5:1
      |
    5 | SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email, phone, total AS value, 'GBP' AS currency FROM 'orders.csv'
      | ^^^^^^
      |
      = note: the event source refuses events without this field
      = help: add `SET postback.event_source_id = '7654321098765432109';` or a column `event_source_id`
    error: `tests/data/bad/no_event_source_id.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_missing_identity_is_explained() {
    assert_snapshot!(message("no_identity.sql"), @r"
    error[PB2004]: no column identifies a person: offline events need `email` or `phone`
     --> tests/data/bad/no_identity.sql:6:1
      |
    6 | SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, total AS value, 'GBP' AS currency
      | ^^^^^^
      |
      = note: without a person's identity TikTok cannot match an event to an ad
      = help: return `email` or `phone`; web events may also carry `external_id`, `tiktok_click_id`, `cookie_id`, or `ip` with `agent`
    error: `tests/data/bad/no_identity.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_misspelt_file_gets_a_suggestion() {
    assert_snapshot!(message("missing_file.sql"), @r"
    error[PB1003]: no such file: `ordres.csv`
     --> tests/data/bad/missing_file.sql:6:117
      |
    6 | SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email, phone, total AS value, 'GBP' AS currency FROM 'ordres.csv'
      |                                                                                                                     ^^^^^^^^^^^^
      |
      = note: a source that is missing, empty or unreadable would make a run look complete that is not
      = help: did you mean `orders.csv`? looked in [root]/tests/data/bad; relative paths start from the query file's folder
    error: `tests/data/bad/missing_file.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_pattern_without_files_says_where_it_looked() {
    assert_snapshot!(message("missing_glob.sql"), @r"
    error[PB1003]: no file matches `exports/*.parquet`
     --> tests/data/bad/missing_glob.sql:6:117
      |
    6 | SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email, phone, total AS value, 'GBP' AS currency FROM 'exports/*.parquet'
      |                                                                                                                     ^^^^^^^^^^^^^^^^^^^
      |
      = note: a source that is missing, empty or unreadable would make a run look complete that is not
      = help: looked in [root]/tests/data/bad, which has no folder `exports`; relative paths start from the query file's folder
    error: `tests/data/bad/missing_glob.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_source_without_rows_is_no_success() {
    assert_snapshot!(message("header_only.sql"), @r"
    error[PB1003]: `header_only.csv` has no rows
     --> tests/data/bad/header_only.sql:6:117
      |
    6 | SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email, phone, total AS value, 'GBP' AS currency FROM 'header_only.csv'
      |                                                                                                                     ^^^^^^^^^^^^^^^^^
      |
      = note: a source that is missing, empty or unreadable would make a run look complete that is not
      = help: an export without a row is not zero events: check the export, or take the source out of the query
    error: `tests/data/bad/header_only.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_file_cut_off_is_told() {
    assert_snapshot!(message("truncated_gzip.sql"), @r"
    error[PB1003]: cannot read `tests/data/bad/truncated.csv.gz`: incomplete deflate stream
     --> tests/data/bad/truncated_gzip.sql:6:117
      |
    6 | SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email, phone, total AS value, 'GBP' AS currency FROM 'truncated.csv.gz'
      |                                                                                                                     ^^^^^^^^^^^^^^^^^^
      |
      = note: a source that is missing, empty or unreadable would make a run look complete that is not
      = help: the file may be damaged or cut off: check the export, or copy it again
    error: `tests/data/bad/truncated_gzip.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn a_line_cut_off_is_told() {
    assert_snapshot!(message("truncated_ndjson.sql"), @r"
    error[PB1003]: `tests/data/bad/truncated.ndjson` is cut off in line 5: its last object has no end
     --> tests/data/bad/truncated_ndjson.sql:6:117
      |
    6 | SELECT 'Purchase' AS event, order_id, ordered_at AS timestamp, email, phone, total AS value, 'GBP' AS currency FROM 'truncated.ndjson'
      |                                                                                                                     ^^^^^^^^^^^^^^^^^^
      |
      = note: a source that is missing, empty or unreadable would make a run look complete that is not
      = help: the file may be damaged or cut off: check the export, or copy it again
    error: `tests/data/bad/truncated_ndjson.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn another_encoding_is_told() {
    assert_snapshot!(message("latin1.sql"), @r"
    error[PB1002]: `tests/data/bad/latin1.sql` is not UTF-8 text: line 1 holds another encoding: invalid utf-8 sequence of 1 bytes from index 5
     |
     = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
     = help: save the file as UTF-8
    error: `tests/data/bad/latin1.sql` has 1 problem; nothing was read or sent
    ");
}

#[test]
fn rows_over_the_threshold_are_told() {
    assert_snapshot!(message("every_row_rejected.sql"), @r"
    error: 5 of 5 events are rejected, more than postback.max_rejects = 5% allows
     |
     = help: the account says which rows and why: mend them, or raise --max-rejects
    ");
}

#[test]
fn a_column_in_capitals_needs_no_quotes() {
    assert_snapshot!(message_of("SELECT 'Purchase' AS event, orderid AS order_id FROM 'orders.csv'"), @r#"
    error[PB2003]: the required column `timestamp` is missing
     --> [folder]/query.sql:3:1
      |
    3 | SELECT 'Purchase' AS event, orderid AS order_id FROM 'orders.csv'
      | ^^^^^^
      |
      = note: the event source refuses events without this field
      = help: select the time of the event AS timestamp
    error[PB2004]: no column identifies a person: offline events need `email` or `phone`
     --> [folder]/query.sql:3:1
      |
    3 | SELECT 'Purchase' AS event, orderid AS order_id FROM 'orders.csv'
      | ^^^^^^
      |
      = note: without a person's identity TikTok cannot match an event to an ad
      = help: return `email` or `phone`; web events may also carry `external_id`, `tiktok_click_id`, `cookie_id`, or `ip` with `agent`
    error: `[folder]/query.sql` has 2 problems; nothing was read or sent
    "#);
}

#[test]
fn a_sum_over_text_is_told() {
    assert_snapshot!(message_of("SELECT email, SUM(email) AS value FROM 'orders.csv' GROUP BY email"), @r"
    error[PB2003]: nothing says `event`
     --> [folder]/query.sql:3:1
      |
    3 | SELECT email, SUM(email) AS value FROM 'orders.csv' GROUP BY email
      | ^^^^^^
      |
      = note: the event source refuses events without this field
      = help: add `SET postback.event = 'Purchase';` or a column `event`
    error[PB2003]: the required column `timestamp` is missing
     --> [folder]/query.sql:3:1
      |
    3 | SELECT email, SUM(email) AS value FROM 'orders.csv' GROUP BY email
      | ^^^^^^
      |
      = note: the event source refuses events without this field
      = help: select the time of the event AS timestamp
    error[PB1002]: the function `sum` does not take String
     --> [folder]/query.sql:3:15
      |
    3 | SELECT email, SUM(email) AS value FROM 'orders.csv' GROUP BY email
      |               ^^^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: convert the argument first, such as TRY_CAST(x AS DOUBLE)
    warning[PB2014]: `value` comes without a currency
     --> [folder]/query.sql:3:15
      |
    3 | SELECT email, SUM(email) AS value FROM 'orders.csv' GROUP BY email
      |               ^^^^^^^^^^
      |
      = note: TikTok reports no revenue for a value without a currency
      = help: select a column `currency`, or `SET postback.currency = 'USD';`
    error: `[folder]/query.sql` has 3 problems; nothing was read or sent
    ");
}

#[test]
fn an_unknown_table_says_how_files_are_read() {
    assert_snapshot!(message_of("SELECT email, total FROM ordrs"), @r"
    error[PB2003]: nothing says `event`
     --> [folder]/query.sql:3:1
      |
    3 | SELECT email, total FROM ordrs
      | ^^^^^^
      |
      = note: the event source refuses events without this field
      = help: add `SET postback.event = 'Purchase';` or a column `event`
    error[PB2003]: the required column `timestamp` is missing
     --> [folder]/query.sql:3:1
      |
    3 | SELECT email, total FROM ordrs
      | ^^^^^^
      |
      = note: the event source refuses events without this field
      = help: select the time of the event AS timestamp
    error[PB1002]: no table `ordrs`
     --> [folder]/query.sql:3:26
      |
    3 | SELECT email, total FROM ordrs
      |                          ^^^^^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: a file is read by its path in quotes, such as FROM 'exports/orders.parquet'
    error: `[folder]/query.sql` has 3 problems; nothing was read or sent
    ");
}

#[test]
fn two_columns_of_one_name_are_told() {
    assert_snapshot!(message_of("SELECT email, total AS email FROM 'orders.csv'"), @r"
    error[PB2003]: nothing says `event`
     --> [folder]/query.sql:3:1
      |
    3 | SELECT email, total AS email FROM 'orders.csv'
      | ^^^^^^
      |
      = note: the event source refuses events without this field
      = help: add `SET postback.event = 'Purchase';` or a column `event`
    error[PB2003]: the required column `timestamp` is missing
     --> [folder]/query.sql:3:1
      |
    3 | SELECT email, total AS email FROM 'orders.csv'
      | ^^^^^^
      |
      = note: the event source refuses events without this field
      = help: select the time of the event AS timestamp
    error[PB2002]: `email` is returned twice
     --> [folder]/query.sql:3:24
      |
    3 | SELECT email, total AS email FROM 'orders.csv'
      |                        ^^^^^
      |
      = note: two columns feed the same field, and picking one would be a guess
      = help: keep one of them
    error: `[folder]/query.sql` has 3 problems; nothing was read or sent
    ");
}

#[test]
fn a_name_of_two_tables_is_told() {
    assert_snapshot!(message_of("SELECT o.email FROM 'orders.csv' o JOIN 'orders.csv' p ON o.email = p.email WHERE total > 5"), @r"
    error[PB2003]: nothing says `event`
     --> [folder]/query.sql:3:1
      |
    3 | SELECT o.email FROM 'orders.csv' o JOIN 'orders.csv' p ON o.email = p.email WHERE total > 5
      | ^^^^^^
      |
      = note: the event source refuses events without this field
      = help: add `SET postback.event = 'Purchase';` or a column `event`
    error[PB2003]: the required column `timestamp` is missing
     --> [folder]/query.sql:3:1
      |
    3 | SELECT o.email FROM 'orders.csv' o JOIN 'orders.csv' p ON o.email = p.email WHERE total > 5
      | ^^^^^^
      |
      = note: the event source refuses events without this field
      = help: select the time of the event AS timestamp
    error[PB1002]: `total` can mean several columns
     --> [folder]/query.sql:3:83
      |
    3 | SELECT o.email FROM 'orders.csv' o JOIN 'orders.csv' p ON o.email = p.email WHERE total > 5
      |                                                                                   ^^^^^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: name its table too, such as t.total; two columns of the result need two names
    error: `[folder]/query.sql` has 3 problems; nothing was read or sent
    ");
}

#[test]
fn an_open_bracket_is_told() {
    assert_snapshot!(message_of("SELECT email, total FROM 'orders.csv' WHERE (total > 5"), @r"
    error[PB1002]: the SQL does not parse: expected `)`, but the statement ends
     --> [folder]/query.sql:3:54
      |
    3 | SELECT email, total FROM 'orders.csv' WHERE (total > 5
      |                                                      ^
      |
      = note: a query file that cannot be read, does not parse or plan, or holds a refused statement yields no events
      = help: a bracket or a clause is not finished
    error: `[folder]/query.sql` has 1 problem; nothing was read or sent
    ");
}

/// What differs from run to run would be sent again as something new.
#[test]
fn queries_that_give_other_events_each_time_are_refused() {
    for (columns, rest) in [
        ("email, uuid() AS event_id, 1787234709 AS timestamp", ""),
        ("email, \"OrderID\" AS order_id, now() AS timestamp", ""),
        ("email, \"OrderID\" AS order_id, t AS timestamp", "CROSS JOIN (SELECT current_timestamp AS t)"),
        ("email, \"OrderID\" AS order_id, 1787234709 AS timestamp, random() * 5 AS value, 'USD' AS currency", ""),
        ("email, \"OrderID\" AS order_id, 1787234709 AS timestamp", "WHERE random() < 0.5"),
    ] {
        let message = message_of(&format!("SELECT 'Purchase' AS event, {columns} FROM 'orders.csv' {rest}"));
        assert!(message.contains("error[PB2012]"), "{columns} {rest}: {message}");
    }
}

/// A constant stays one behind a view, a common table expression and an INSERT.
#[test]
fn constants_are_found_behind_names() {
    let inner = "SELECT 'mc.email' AS address, \"OrderID\" AS order_id, 1787234709 AS t FROM 'orders.csv'";
    for query in [
        format!("WITH o AS ({inner}) SELECT 'Purchase' AS event, address AS email, order_id, t AS timestamp FROM o"),
        format!(
            "CREATE VIEW o AS {inner}; SELECT 'Purchase' AS event, o.address AS email, t AS timestamp FROM o LIMIT 5"
        ),
        format!(
            "INSERT INTO postback.events (email, order_id, timestamp, event) SELECT address, order_id, t, 'Purchase' FROM ({inner})"
        ),
    ] {
        let message = message_of(&query);
        assert!(message.contains("error[PB2007]") && message.contains("mc.email"), "{query}: {message}");
    }
}

#[test]
fn a_token_in_sql_is_refused_and_not_echoed() {
    let message = message_of("SET postback.access_token = 'canary5e7d'; SELECT 1 AS event FROM 'orders.csv'");
    assert!(message.contains("error[PB2015]: `SET postback.access_token` holds a secret"), "{message}");
    assert!(!message.contains("canary"), "{message}");
}

/// A query file comes from anywhere; it cannot say who gets the token.
#[test]
fn a_query_file_cannot_send_the_token_to_another_host() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.base_url = 'https://api.example';
        SELECT 'Purchase' AS event, 1787234709 AS timestamp, order_id, email FROM (VALUES ('1', 'a@b.example')) AS t (order_id, email)";
    let path = file(folder.path(), "query.sql", sql);
    let said = said(postback(&["run", &path]).env("POSTBACK_ACCESS_TOKEN", "canary5e7d"));
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(said.stderr.contains("https://api.example may get the access token only if"), "{}", said.stderr);
    assert!(!said.stderr.contains("canary"), "{}", said.stderr);
}

/// A cast that takes the zone of an instant would shift it by hours, without a word.
#[test]
fn an_instant_that_loses_its_zone_is_refused() {
    let columns = "'Purchase' AS event, email, \"OrderID\" AS order_id";
    let set = "SET postback.timezone = 'America/Los_Angeles';";
    for time in [
        "CAST(iso8601('2026-08-20T14:05:09Z') AS TIMESTAMP)",
        "CAST('2026-08-20 14:05:09+02:00' AS TIMESTAMP)",
        "to_local_time(iso8601(email))",
        "date_trunc('hour', CAST(iso8601(email) AS TIMESTAMP))",
    ] {
        let message = message_of(&format!("{set} SELECT {columns}, {time} AS timestamp FROM 'orders.csv'"));
        assert!(message.contains("error[PB2016]"), "{time}: {message}");
    }
}
