//! Every verb of the command line: streams, exit codes, forms of output, and where settings come from.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::{Answer, OK, Server, file, postback, root, said};

const VERBS: [&str; 9] = ["run", "preview", "schema", "sandbox", "config", "completions", "ledger", "resolve", "sql"];
/// A query of the repository that needs no network and no clock.
const QUERY: &str = "queries/store_purchases.sql";
const TOKEN: &str = "token-of-the-test";

/// A purchase by `a@b.example`, with `more` statements in front.
fn purchase(more: &str) -> String {
    format!(
        "SET postback.event_source = 'offline';\nSET postback.event_source_id = '7654321098765432109';\n{more}
SELECT 'Purchase' AS event, 1787234400 AS timestamp, 'a@b.example' || n AS email, n AS order_id,
    5 AS value, 'USD' AS currency
FROM (VALUES ('1'), ('2')) AS t (n)"
    )
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn help_is_an_answer_and_fits_every_verb() {
    for verb in VERBS {
        let said = said(&mut postback(&[verb, "--help"]));
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{verb}");
        assert!(said.stdout.contains(&format!("Usage: postback {verb}")), "{}", said.stdout);
        assert!(!said.stdout.contains('\u{1b}'), "{verb} colours a pipe");
    }
    let said = said(&mut postback(&["--help"]));
    assert!(VERBS.iter().all(|verb| said.stdout.contains(&format!("\n  {verb} "))), "{}", said.stdout);
}

#[test]
fn without_a_verb_help_is_shown_as_a_mistake() {
    let said = said(&mut postback(&[]));
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert!(said.stderr.contains("Usage: postback"), "{}", said.stderr);
}

#[test]
fn a_dry_run_sends_nothing_and_says_so() {
    let server = Server::answering([Answer::ok(OK)]);
    let said = said(&mut postback(&["run", QUERY, "--dry-run", "--base-url", &server.url]));
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    for words in ["→ dry run", "nothing was sent", "412", "unsent"] {
        assert!(said.stdout.contains(words), "{words} in {}", said.stdout);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn an_account_comes_in_every_form() {
    let account = |format: &str| {
        let said = said(&mut postback(&["run", QUERY, "--dry-run", "--format", format]));
        assert_eq!(said.code, 0, "{format}: {}", said.stderr);
        let tells_faults = said.stdout.contains("PB3119") || said.stderr.contains("PB3119");
        assert!(tells_faults, "{format} keeps the faults to itself: {}", said.stderr);
        assert!(!said.stdout.contains('\u{1b}'), "{format} colours a pipe");
        said.stdout
    };
    let places =
        |value: &Value| ["rows", "events", "out_of_window", "unsent"].map(|name| value[name].as_u64().unwrap());
    assert_eq!(places(&json(&account("json"))), [412, 412, 405, 7]);
    let ndjson = account("ndjson");
    assert_eq!(ndjson.lines().count(), 1);
    assert_eq!(places(&json(&ndjson)), [412, 412, 405, 7]);
    let csv = account("csv");
    assert!(csv.starts_with("place,events\nrows,412\n") && csv.ends_with("\nunsent,7\n"), "{csv}");
    let markdown = account("markdown");
    assert!(markdown.starts_with("| place | events |\n| --- | ---: |\n| rows | 412 |\n"), "{markdown}");
}

#[test]
fn several_files_run_one_after_the_other_if_all_can_be_used() {
    let both = said(&mut postback(&["run", QUERY, "queries/web_lead.sql", "--dry-run", "--format", "ndjson"]));
    assert_eq!(both.code, 0, "{}", both.stderr);
    let queries: Vec<Value> = both.stdout.lines().map(|line| json(line)["query"].clone()).collect();
    assert_eq!(queries, [QUERY, "queries/web_lead.sql"]);
    let server = Server::answering([Answer::ok(OK)]);
    let one = said(&mut postback(&["run", QUERY, "nowhere.sql", "--base-url", &server.url]));
    assert_eq!((one.code, one.stdout.as_str()), (2, ""), "{}", one.stderr);
    assert!(one.stderr.contains("no query file `nowhere.sql`"), "{}", one.stderr);
    assert!(server.requests().is_empty(), "exit 2 says that nothing was sent, by no file of the command");
}

#[test]
fn quiet_says_only_what_failed() {
    let folder = tempfile::tempdir().unwrap();
    let warned = file(
        folder.path(),
        "q.sql",
        purchase("SET postback.as_of = '2026-08-20T14:10:00Z';").replace(", 'USD' AS currency", ""),
    );
    let loud = said(&mut postback(&["run", &warned, "--dry-run"]));
    assert!(loud.stderr.contains("PB2014"), "{}", loud.stderr);
    let quiet = said(&mut postback(&["run", &warned, "--dry-run", "--quiet"]));
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));
    let failed = said(&mut postback(&["run", "tests/data/bad/unknown_column.sql", "--dry-run", "-q"]));
    assert!(failed.stderr.contains("PB2001"), "{}", failed.stderr);
}

#[test]
fn a_preview_masks_personal_data_unless_asked() {
    let preview = |more: &[&str]| {
        let said = said(&mut postback(&[&["preview", "queries/web_lead.sql"], more].concat()));
        assert_eq!(said.code, 0, "{}", said.stderr);
        said.stdout
    };
    let is_digest = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digests = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| is_digest(word)).count();
    for form in ["text", "json", "ndjson"] {
        let masked = preview(&["--format", form]);
        assert_eq!(digests(&masked), 0, "{form}: {masked}");
        for personal in ["@", "+55", "embraer", "3923", "são", "12227"] {
            assert!(!masked.to_lowercase().contains(personal), "{personal} in {masked}");
        }
        assert!(masked.contains("<sha256>"), "{masked}");
        assert!(digests(&preview(&["--format", form, "--reveal-pii"])) > 7);
    }
    assert_eq!(preview(&["--format", "ndjson", "-n", "2"]).lines().count(), 2);
    assert_eq!(json(&preview(&["--format", "json"])).as_array().unwrap().len(), 7);
}

#[test]
fn the_schema_comes_in_every_form_for_every_source() {
    for source in ["offline", "web", "app", "crm"] {
        for format in ["table", "markdown", "json", "json-schema"] {
            let said = said(&mut postback(&["schema", "--source", source, "--format", format]));
            assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{source} {format}");
            if format.starts_with("json") {
                assert!(json(&said.stdout).is_object(), "{source} {format}");
            }
            assert!(said.stdout.contains("event_id"), "{source} {format}");
        }
    }
}

#[test]
fn every_setting_shows_where_its_value_came_from() {
    let folder = tempfile::tempdir().unwrap();
    file(
        folder.path(),
        "postback.toml",
        "currency = \"EUR\"\nconcurrency = 3\nevent = \"Lead\"\ntimezone = \"UTC\"\nmax_rejects = \"1%\"\n",
    );
    let set = "SET postback.currency = 'GBP'; SET postback.event = 'Purchase'; SET postback.timezone = 'Asia/Tokyo'; SELECT 1 AS a";
    let query = file(folder.path(), "q.sql", set);
    let mut command = postback(&["config", &query, "--format", "ndjson", "--currency", "USD"]);
    command
        .env("POSTBACK_CURRENCY", "CHF")
        .env("POSTBACK_TIMEZONE", "Europe/Berlin")
        .env("POSTBACK_ACCESS_TOKEN", TOKEN);
    let said = said(&mut command);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(!said.stdout.contains(TOKEN));
    let rows: Vec<Value> = said.stdout.lines().map(json).collect();
    let shown = |name: &str| {
        let row = rows.iter().find(|row| row["setting"] == name).unwrap();
        (row["value"].as_str().unwrap_or("-").to_owned(), row["origin"].as_str().unwrap_or("-").to_owned())
    };
    let pair = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(shown("currency"), pair("USD", "flag"));
    assert_eq!(shown("timezone"), pair("Europe/Berlin", "environment"));
    assert_eq!(shown("event"), pair("Purchase", "SET"));
    assert_eq!(shown("concurrency"), pair("3", "postback.toml"));
    assert_eq!(shown("batch_events"), pair("1000", "default"));
    assert_eq!(shown("partner_name"), pair("-", "not set"));
}

#[test]
fn a_misspelt_setting_gets_a_suggestion_wherever_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let toml = file(folder.path(), "p.toml", "event_sorce = \"web\"\n");
    let query = file(folder.path(), "q.sql", "SET postback.event_sorce = 'web'; SELECT 1");
    let commands = [
        (postback(&["config", "--config", &toml]), "p.toml"),
        (postback(&["config", &query]), "q.sql:1:5"),
        (postback(&["config", "--event-sorce", "web"]), "--event-sorce"),
    ];
    for (mut command, place) in commands {
        let said = said(&mut command);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{place}");
        assert!(said.stderr.contains(place), "{place}: {}", said.stderr);
        assert!(said.stderr.contains("event_source") || said.stderr.contains("--event-source"), "{}", said.stderr);
    }
    let wrong = said(&mut postback(&["config", "--concurrency", "many"]));
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("--concurrency") && wrong.stderr.contains("whole number 1..32"), "{}", wrong.stderr);
    let missing = said(&mut postback(&["config", "--config", "nowhere.toml"]));
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("no settings file `nowhere.toml`"), "{}", missing.stderr);
}

#[test]
fn completions_are_scripts_for_the_shell() {
    for (shell, words) in [("bash", "complete -F"), ("zsh", "#compdef postback"), ("fish", "complete -c postback")] {
        let said = said(&mut postback(&["completions", shell]));
        assert_eq!(said.code, 0);
        assert!(said.stdout.contains(words) && said.stdout.contains("--dry-run") || shell == "fish", "{shell}");
        assert!(said.stdout.contains("dry-run") && said.stdout.contains("reveal-pii"), "{shell}");
    }
}

#[test]
fn sql_answers_in_every_form_from_a_text_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = "SELECT e164('213 373 4253', 'US') AS phone, NULL AS nothing, 'a|b' AS bar";
    let query = file(folder.path(), "q.sql", text);
    for query in [text, &query] {
        let answer = |format: &str| {
            let said = said(&mut postback(&["sql", query, "--format", format]));
            assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{format}");
            said.stdout
        };
        assert_eq!(answer("csv"), "phone,nothing,bar\n+12133734253,,a|b\n");
        assert_eq!(answer("ndjson"), "{\"phone\":\"+12133734253\",\"nothing\":null,\"bar\":\"a|b\"}\n");
        assert_eq!(json(&answer("json"))[0]["phone"], "+12133734253");
        assert!(answer("markdown").ends_with("| +12133734253 |  | a\\|b |\n"), "{}", answer("markdown"));
        assert!(answer("table").contains("| +12133734253 | NULL    | a|b |"), "{}", answer("table"));
    }
    let none = said(&mut postback(&["sql", "SELECT 1 AS a WHERE false"]));
    assert!(none.stdout.contains("| a |"), "{}", none.stdout);
    let write = said(&mut postback(&["sql", "COPY (SELECT 1) TO 'stolen.csv'"]));
    assert_eq!((write.code, write.stdout.as_str()), (2, ""));
}

#[test]
fn parameters_are_typed_and_all_of_them_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let sql =
        "SELECT n FROM (VALUES (TIMESTAMP '2026-11-01T00:00:00', 1), (TIMESTAMP '2026-11-02T00:00:00', 2)) AS t (at, n)
        WHERE at >= $since";
    let query = file(folder.path(), "q.sql", sql);
    let ask = |parameters: &[&str]| {
        let flags = parameters.iter().flat_map(|parameter| ["--param", parameter]);
        let mut arguments = vec!["sql", query.as_str(), "--format", "csv"];
        arguments.extend(flags);
        said(&mut postback(&arguments))
    };
    assert_eq!(ask(&["since=2026-11-02"]).stdout, "n\n2\n");
    assert_eq!(ask(&["$since=2026-11-01T12:00:00"]).stdout, "n\n2\n");
    for (parameters, words) in [
        (&[][..], "the parameter `$since` has no value"),
        (&["since=2026-11-02", "until=1"], "the query has no parameter `$until`"),
        (&["since"], "`--param since` has no `=`"),
        (&["since=yesterday"], "`yesterday` is no timestamp such as 2026-11-01T00:00:00 for the parameter `$since`"),
        (&["since=2026-11-01", "since=2026-11-02"], "the parameter `since` is given twice"),
        (&["since='; DROP TABLE orders; --"], "is no timestamp"),
    ] {
        let said = ask(parameters);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{parameters:?}");
        assert!(said.stderr.contains(words), "{parameters:?}: {}", said.stderr);
    }
}

#[test]
fn a_live_destination_needs_a_token_nobody_else_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "q.sql", purchase(""));
    let open = file(folder.path(), "open", TOKEN);
    fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    let private = file(folder.path(), "private", TOKEN);
    fs::set_permissions(&private, Permissions::from_mode(0o600)).unwrap();
    let link = folder.path().join("link");
    symlink(&private, &link).unwrap();
    let link = link.to_str().unwrap().to_owned();
    // No test may reach the live API: a name that resolves nowhere stands for it.
    let refused = |flags: &[&str]| {
        let said = said(&mut postback(&[&["run", &query, "--base-url", "https://events.invalid"], flags].concat()));
        assert_eq!((said.code, said.stdout.as_str()), (3, ""), "{flags:?}: {}", said.stderr);
        assert!(!said.stderr.contains(TOKEN), "{}", said.stderr);
        said.stderr
    };
    let none = refused(&[]);
    assert!(none.contains("no access token") && none.contains("POSTBACK_ACCESS_TOKEN"), "{none}");
    let readable = refused(&["--token-file", &open]);
    assert!(readable.contains("can be read by others") && readable.contains("chmod 600"), "{readable}");
    assert!(refused(&["--token-file", &link]).contains("is a symbolic link"));
    assert!(refused(&["--token-file", "nowhere"]).contains("cannot be read"));
    let blank =
        said(postback(&["run", &query, "--base-url", "https://events.invalid"]).env("POSTBACK_ACCESS_TOKEN", " "));
    assert_eq!(blank.code, 3, "{}", blank.stderr);
    let server = Server::answering([Answer::ok(OK)]);
    let now = "--as-of=2026-08-20T14:10:00Z";
    let sent = said(&mut postback(&["run", &query, now, "--base-url", &server.url, "--token-file", &private]));
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    assert!(server.requests()[0].headers.iter().any(|line| line.ends_with(TOKEN)));
}

#[test]
fn a_live_destination_refuses_another_now() {
    let said = said(postback(&["run", QUERY]).env("POSTBACK_ACCESS_TOKEN", TOKEN));
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert!(said.stderr.contains("postback.as_of is for examples and tests"), "{}", said.stderr);
}

#[test]
fn a_sandbox_run_delivers_over_http() {
    let said = said(&mut postback(&["run", QUERY, "--sandbox", "--format", "json"]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(json(&said.stdout)["accepted"], 7);
}

#[test]
fn an_executed_plan_shows_the_sink_and_leaves_json_alone() {
    let said = said(&mut postback(&["run", QUERY, "--dry-run", "--explain", "--format", "json"]));
    assert_eq!(said.code, 0);
    assert_eq!(json(&said.stdout)["rows"], 412);
    let sink = said.stderr.lines().next().unwrap_or_default();
    assert!(sink.starts_with("DataSinkExec: sink=EventsSink("), "{sink}");
    assert!(sink.contains("metrics=[") && sink.contains("events_encoded=7"), "{sink}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for arguments in [&["sql", "SELECT * FROM generate_series(1, 100000)"][..], &["schema"], &["completions", "bash"]] {
        let mut command = postback(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn nothing_is_coloured_unless_it_is_a_terminal() {
    for arguments in [&["run", "tests/data/bad/unknown_column.sql"][..], &["run"], &["--help"], &["nonsense"]] {
        let said = said(postback(arguments).env_remove("NO_COLOR"));
        assert!(!said.stdout.contains('\u{1b}') && !said.stderr.contains('\u{1b}'), "{arguments:?}: {}", said.stderr);
    }
}

/// Waits until `happened`, a minute at most.
fn wait_until(mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_mins(1), "it never happened");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Interrupts a run once a request is under way, `times` times, and returns its exit code, stdout and stderr.
fn interrupted(signal: &str, wait: Duration, times: usize) -> (Option<i32>, String, String) {
    let server = Server::accepting_after(wait);
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "q.sql", purchase("SET postback.as_of = '2026-08-20T14:10:00Z';"));
    let flags = ["--batch-events", "1", "--concurrency", "1", "--format", "json"];
    let mut command = postback(&[&["run", &query, "--base-url", &server.url], &flags[..]].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until(|| !server.requests().is_empty());
    let mut stderr = child.stderr.take().unwrap();
    let mut talk = Vec::new();
    for _ in 0..times {
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        // The answer to the first signal, so that the second is not merged into it.
        while !String::from_utf8_lossy(&talk).contains("stopping") {
            let mut byte = [0];
            stderr.read_exact(&mut byte).unwrap();
            talk.push(byte[0]);
        }
    }
    stderr.read_to_end(&mut talk).unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    (child.wait().unwrap().code(), stdout, String::from_utf8(talk).unwrap())
}

#[test]
fn one_signal_drains_what_is_under_way() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let (exit, stdout, stderr) = interrupted(signal, Duration::from_secs(1), 1);
        assert_eq!(exit, Some(code), "{stderr}");
        let account = json(&stdout);
        assert_eq!((&account["accepted"], &account["unsent"]), (&1.into(), &1.into()), "{account}");
        assert!(stderr.contains("run the same command again"), "{stderr}");
    }
}

#[test]
fn two_signals_stop_at_once() {
    let start = Instant::now();
    let (exit, ..) = interrupted("-INT", Duration::from_secs(25), 2);
    assert_eq!(exit, Some(130));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn every_example_query_passes_a_dry_run() {
    for entry in fs::read_dir(root().join("queries")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            let said = said(&mut postback(&["run", path.to_str().unwrap(), "--dry-run"]));
            assert_eq!(said.code, 0, "{}: {}", path.display(), said.stderr);
        }
    }
}

/// Whoever wrote the query may listen on a local port; the token is not theirs.
#[test]
fn a_local_address_in_a_query_file_gets_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::answering([Answer::ok(OK)]);
    let token = |server: &Server| server.requests().last().unwrap().headers.join("\n");
    let set = format!("SET postback.base_url = '{}'; SET postback.as_of = '2026-08-20T14:10:00Z';", server.url);
    let query = file(folder.path(), "q.sql", purchase(&set));
    let said_by_file = said(postback(&["run", &query]).env("POSTBACK_ACCESS_TOKEN", "canary5e7d"));
    assert_eq!(said_by_file.code, 0, "{}", said_by_file.stderr);
    assert!(!token(&server).contains("canary"), "{}", token(&server));
    let query = file(folder.path(), "q.sql", purchase("SET postback.as_of = '2026-08-20T14:10:00Z';"));
    let by_flag =
        said(postback(&["run", &query, "--base-url", &server.url]).env("POSTBACK_ACCESS_TOKEN", "canary5e7d"));
    assert_eq!(by_flag.code, 0, "{}", by_flag.stderr);
    assert!(token(&server).contains("canary5e7d"), "{}", token(&server));
}

#[test]
fn a_sandbox_that_checks_tokens_needs_one() {
    let said = said(&mut postback(&["sandbox", "--port", "0", "--check-token"]));
    assert_eq!(said.code, 3, "{}", said.stderr);
    assert!(said.stderr.contains("POSTBACK_ACCESS_TOKEN"), "{}", said.stderr);
}

#[test]
fn sql_shows_lists_in_csv_and_takes_numbers_for_limit_and_no_insert() {
    let nested = "SELECT make_array('a', 'b') AS tags, named_struct('x', 1) AS point, NULL AS nothing";
    let csv = said(&mut postback(&["sql", nested, "--format", "csv"]));
    assert_eq!(csv.stdout, "tags,point,nothing\n\"[\"\"a\"\",\"\"b\"\"]\",\"{\"\"x\"\":1}\",\n", "{}", csv.stderr);
    let limited = said(&mut postback(&[
        "sql",
        "SELECT value FROM generate_series(1, 9) LIMIT $n",
        "--param",
        "n=2",
        "--format",
        "csv",
    ]));
    assert_eq!((limited.code, limited.stdout.as_str()), (0, "value\n1\n2\n"), "{}", limited.stderr);
    let insert = said(&mut postback(&["sql", "INSERT INTO postback.events SELECT 1 AS x"]));
    assert_eq!((insert.code, insert.stdout.as_str()), (2, ""), "{}", insert.stderr);
}
