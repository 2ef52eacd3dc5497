//! Personal data and the token stay where they belong: canaries in every personal column and in the token appear in
//! nothing that a run says, logs or leaves behind.
//!
//! The columns come from the contract's table, so that a new personal field is covered without a line here. Every run
//! is at the highest verbosity, in a folder of its own, whose every file is looked at afterwards.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use postback::contract::fields::FIELDS;
use postback::contract::{Field, Kind, Privacy};
use postback::sandbox::{Options, Sandbox};
use serde_json::Value;

use crate::leaks::{Secrets, files_below};
use crate::server::{Answer, OK, Said, Server, file, postback, said};

mod quoting;

const TOKEN: &str = "canaryToken4f1d9c27e0";
/// Custom properties that hold something personal, as only their author knows.
const PROPERTIES: [(&str, &str); 2] = [("household_note", "canaryHouseholdQxz"), ("tax_number", "880421975310442")];
const SETTINGS: &str = "SET postback.as_of = '2026-08-20T14:10:00Z'; SET postback.extra_columns = 'properties';\n";
/// What is common to all rows beside their canaries.
const FACTS: [(&str, &str); 5] = [
    ("event", "Purchase"),
    ("timestamp", "2026-08-20T14:05:09Z"),
    ("value", "5"),
    ("currency", "USD"),
    ("app_id", "de.shop"),
];
const DESTINATIONS: [(&str, &str); 4] = [
    ("offline", "7654321098765432109"),
    ("web", "C8NQ3HBRSFQ5DH6G4T5G"),
    ("app", "7123456789012345678"),
    ("crm", "7000000000000000017"),
];

/// A personal column with a value that nothing else has.
struct Canary {
    column: &'static str,
    /// The part to look for.
    core: String,
    /// A value that the contract takes.
    good: String,
    /// A value that it does not take, where there is such a one.
    bad: String,
}

impl Canary {
    /// None for a country, whose two letters are unlike nothing.
    fn of(field: &'static Field) -> Option<Self> {
        let word = format!("canary{}Qxz", field.column.replace('_', ""));
        let same = |text: &str| (text.to_owned(), text.to_owned());
        let (core, good) = match field.kind {
            Kind::Email => (word.clone(), format!(" {word}@Personal-Post.example")),
            Kind::Phone => ("2133734253".to_owned(), "+1 2133734253".to_owned()),
            Kind::ExternalId | Kind::PersonName | Kind::ZipCode | Kind::Place | Kind::Text => same(&word),
            Kind::Country => return None,
            Kind::Ip => same("198.51.100.237"),
            Kind::Url => (word.clone(), format!("https://shop.example/{word}?a=b")),
            Kind::UpperAdvertisingId => same("C0FFEE11-5EED-4A11-8ACE-0DDBA11CAFE1"),
            Kind::LowerAdvertisingId => same("c0ffee22-5eed-4a11-8ace-0ddba11cafe2"),
            kind => panic!("`{}` is personal and of kind {kind:?}, which has no canary yet", field.column),
        };
        let bad = format!("\u{e9}' {core} \" (n/a)");
        Some(Self { column: field.column, core, good, bad })
    }
}

fn canaries() -> Vec<Canary> {
    FIELDS.iter().filter(|field| field.privacy != Privacy::Public).filter_map(Canary::of).collect()
}

/// The canaries, the token, and the digests that go over the wire.
fn secrets() -> Secrets {
    let mut secrets = Secrets::default();
    for Canary { column, core, .. } in canaries() {
        secrets.add(column, &core);
    }
    for (name, value) in PROPERTIES {
        secrets.add(name, value);
    }
    secrets.add("token", TOKEN);
    for (number, digest) in digests().into_iter().enumerate() {
        secrets.add_digest(&format!("digest {number}"), &digest);
    }
    secrets
}

/// The SHA-256 digests of the hashed canaries, as a server got them.
fn digests() -> Vec<String> {
    static DIGESTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut digests = DIGESTS.lock().unwrap();
    if digests.is_empty() {
        let place = Place::without_secrets();
        let server = Server::answering([Answer::ok(OK)]);
        let delivered = said(&mut place.postback(&["run", &place.people(true, false), "--base-url", &server.url]));
        assert_eq!(delivered.code, 0, "{}", delivered.stderr);
        let bodies: String = server.requests().into_iter().map(|request| request.body).collect();
        let is_digest = |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        *digests = bodies.split('"').filter(is_digest).map(str::to_owned).collect();
        digests.sort();
        digests.dedup();
        let hashed = FIELDS.iter().filter(|field| field.privacy == Privacy::Hashed).count();
        assert!(digests.len() >= hashed, "{digests:?}");
    }
    digests.clone()
}

/// A folder for one run: `input` holds what the user has, `work` and `tmp` get whatever the run leaves.
struct Place {
    folder: tempfile::TempDir,
    secrets: Secrets,
    /// How often the binary ran.
    runs: Cell<usize>,
    /// What was found where it should not be.
    leaks: RefCell<Vec<String>>,
}

/// All leaks of a test are told at once.
impl Drop for Place {
    fn drop(&mut self) {
        let leaks = self.leaks.borrow();
        assert!(leaks.is_empty() || std::thread::panicking(), "{}", leaks.join("\n"));
    }
}

impl Place {
    fn new() -> Self {
        let mut place = Self::without_secrets();
        place.secrets = secrets();
        place
    }

    fn without_secrets() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["input", "work", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, secrets: Secrets::default(), runs: Cell::default(), leaks: RefCell::default() }
    }

    fn input(&self) -> PathBuf {
        self.folder.path().join("input")
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn tmp(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// The binary at its most talkative.
    fn postback(&self, arguments: &[&str]) -> Command {
        let mut command = postback(arguments);
        command
            .current_dir(self.work())
            .env("TMPDIR", self.tmp())
            .env("HOME", self.work())
            .env("POSTBACK_ACCESS_TOKEN", TOKEN)
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full");
        command
    }

    /// Runs `arguments`, with either form of logs in turn, and looks at everything that is left of it.
    fn keeps_quiet(&self, arguments: &[&str]) -> Said {
        self.keeps_quiet_with(arguments, |_| {})
    }

    fn keeps_quiet_with(&self, arguments: &[&str], prepare: impl Fn(&mut Command)) -> Said {
        let log_format = if self.runs.get().is_multiple_of(2) { "json" } else { "text" };
        self.runs.update(|runs| runs + 1);
        let mut command = self.postback(&[arguments, &["-vv", "--log-format", log_format]].concat());
        prepare(&mut command);
        let said = said(&mut command);
        self.look_for_secrets(arguments, &said);
        said
    }

    fn look_for_secrets(&self, arguments: &[&str], said: &Said) {
        let mut found: Vec<String> = Vec::new();
        for (stream, text) in [("stdout", &said.stdout), ("stderr", &said.stderr)] {
            found.extend(self.secrets.found_in(text.as_bytes()).iter().map(|secret| format!("{secret} on {stream}")));
        }
        found.extend(self.secrets.found_below(&self.work()));
        found.extend(self.secrets.found_below(&self.tmp()));
        found.extend(said.stderr.contains("panicked").then(|| "a panic".to_owned()));
        for file in files_below(&self.tmp()) {
            found.push(format!("{} is left", file.display()));
            fs::remove_file(file).unwrap();
        }
        if !found.is_empty() {
            let query = fs::read_to_string(self.input().join("rows.sql")).unwrap_or_default();
            let stderr: String = said.stderr.chars().take(2_000).collect();
            let told = format!("{arguments:?}\n{query}\n{found:#?}\nstdout: {}\nstderr: {stderr}", said.stdout);
            self.leaks.borrow_mut().push(told);
        }
    }

    /// A query over rows of every event source with all canaries, `good` ones, `bad` ones or both.
    fn people(&self, good: bool, bad: bool) -> String {
        let columns: Vec<&str> = columns();
        file(&self.input(), "people.csv", csv(&columns, &people(good, bad)));
        let columns = columns.join(", ");
        file(&self.input(), "people.sql", format!("{SETTINGS}SELECT {columns} FROM 'people.csv'"))
    }

    /// A query whose rows have an `email`, a `phone` and a plain number with canaries, with `sql` in place of `…`.
    fn query(&self, sql: &str) -> String {
        let rows = "order_id,email,phone,digits\n1,canaryemailQxz@Personal-Post.example,+12133734253,2133734253\n";
        file(&self.input(), "rows.csv", rows);
        let sql = sql.replace(
            '…',
            "SELECT 'offline' AS event_source, '7654321098765432109' AS event_source_id, 'Purchase' AS event,
                1787234709 AS timestamp, order_id, email, phone FROM",
        );
        file(&self.input(), "rows.sql", format!("{SETTINGS}{sql}"))
    }
}

fn columns() -> Vec<&'static str> {
    let destination = ["event_source", "event_source_id", "order_id"];
    let facts = FACTS.iter().chain(&PROPERTIES).map(|(column, _)| *column);
    destination.into_iter().chain(facts).chain(canaries().iter().map(|canary| canary.column)).collect()
}

/// One row per event source, in the order of [`columns`].
fn people(good: bool, bad: bool) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for is_good in [true, false].into_iter().filter(|is_good| if *is_good { good } else { bad }) {
        for (source, id) in DESTINATIONS {
            let order = format!("{source}-{is_good}");
            let facts = FACTS.iter().chain(&PROPERTIES).map(|(_, value)| (*value).to_owned());
            let canaries = canaries().into_iter().map(|canary| if is_good { canary.good } else { canary.bad });
            rows.push([source.to_owned(), id.to_owned(), order].into_iter().chain(facts).chain(canaries).collect());
        }
    }
    rows
}

fn csv(columns: &[&str], rows: &[Vec<String>]) -> String {
    let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
    let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n";
    columns.join(",") + "\n" + &rows.iter().map(line).collect::<String>()
}

fn parquet(path: &Path, columns: &[&str], rows: &[Vec<String>]) {
    let column = |at: usize| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row[at]))) };
    let columns = columns.iter().enumerate().map(|(at, name)| (*name, column(at)));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The bodies that `server` got, and all headers.
fn wire(server: &Server) -> String {
    server.requests().into_iter().map(|request| request.headers.join("\n") + &request.body).collect()
}

#[test]
fn every_canary_is_sent_and_the_token_with_it() {
    let place = Place::new();
    let server = Server::answering([Answer::ok(OK)]);
    let delivered = said(&mut place.postback(&["run", &place.people(true, false), "--base-url", &server.url]));
    assert_eq!(delivered.code, 0, "{}", delivered.stderr);
    let wire = wire(&server);
    assert!(wire.contains(TOKEN));
    for canary in canaries() {
        let field = FIELDS.iter().find(|field| field.column == canary.column).unwrap();
        let is_there = wire.to_lowercase().contains(&canary.core.to_lowercase());
        assert_eq!(is_there, field.privacy == Privacy::Plain, "{}", canary.column);
    }
}

#[test]
fn deliveries_say_nothing_of_a_person() {
    let place = Place::new();
    let server = Server::answering([Answer::ok(OK)]);
    let query = place.people(true, true);
    for format in ["table", "json", "ndjson", "csv", "markdown"] {
        let run = ["run", &query, "--explain", "--format", format, "--max-rejects", "100%"];
        for more in [
            &["--base-url", &server.url][..],
            &["--dry-run"],
            &["--sandbox"],
            &["--no-preflight", "--base-url", &server.url],
        ] {
            let said = place.keeps_quiet(&[&run[..], more].concat());
            assert_eq!(said.code, 0, "{more:?}: {}", said.stderr);
            assert!(said.stdout.contains("rejected"), "{}", said.stdout);
        }
        // One row in two is refused, and nothing is sent.
        let refused = place.keeps_quiet(&["run", &query, "--base-url", &server.url, "--format", format]);
        assert_eq!(refused.code, 1, "{}", refused.stderr);
    }
}

#[test]
fn every_verb_says_nothing_of_a_person() {
    let place = Place::new();
    let query = place.people(true, true);
    for arguments in [
        &["preview", query.as_str()][..],
        &["preview", &query, "--format", "json"],
        &["preview", &query, "--format", "ndjson"],
        &["config"],
        &["schema"],
        &["schema", "--format", "json-schema", "--source", "web"],
        &["completions", "bash"],
        &["check", &query],
        &["check", &query, "--format", "json"],
        &["check", &query, "--format", "github"],
        &["check", &query, "--format", "sarif"],
        &["runs", "list"],
    ] {
        place.keeps_quiet(arguments);
    }
    let revealed = said(&mut place.postback(&["preview", &query, "--reveal-pii"]));
    assert!(!place.secrets.found_in(revealed.stdout.as_bytes()).is_empty(), "{}", revealed.stdout);
}

/// Rows that do not fit into memory wait on disk, in a folder that nobody else can read, and only as long as they must.
#[test]
fn spilled_rows_are_private_and_go_with_the_run() {
    let place = Place::new();
    let tmp = place.tmp();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let saw = Arc::clone(&seen);
    let server = Server::judging(move |_| {
        for file in files_below(&tmp) {
            let folder = file.ancestors().find(|folder| folder.parent() == Some(tmp.as_path())).unwrap();
            saw.lock().unwrap().push(fs::metadata(folder).unwrap().permissions().mode() & 0o777);
        }
        Answer::ok(OK)
    });
    let rows = (1..=30_000)
        .fold(String::new(), |rows, row| rows + &format!("{row},canaryemailQxz{row}@personal-post.example\n"));
    file(&place.input(), "many.csv", format!("order_id,email\n{rows}"));
    let query = place.query(
        "SET datafusion.execution.target_partitions = 1; SET datafusion.execution.sort_spill_reservation_bytes = 1000000;
        SELECT 'offline' AS event_source, '7654321098765432109' AS event_source_id, 'Purchase' AS event,
            1787234709 AS timestamp, order_id, email, _pad FROM (
            SELECT order_id, email, repeat(email, 20) AS _pad FROM 'many.csv') ORDER BY _pad",
    );
    for more in [&["--no-preflight"][..], &[]] {
        let run = [
            "run",
            &query,
            "--base-url",
            &server.url,
            "--memory-limit",
            "20MB",
            "--explain",
            "--requests-per-second",
            "900",
        ];
        let said = place.keeps_quiet(&[&run[..], more].concat());
        assert_eq!(said.code, 0, "{}", said.stderr);
        assert!(said.stderr.contains("spill_count="), "{}", said.stderr);
    }
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty(), "rows were on disk while others were sent");
    assert!(seen.iter().all(|mode| *mode == 0o700), "{seen:?}");
}

/// A panic may quote what it stumbled over, such as a text that is cut inside a character.
#[test]
fn panics_tell_their_place_and_not_what_they_say() {
    const CHILD: &str = "PANICS_WITH_A_CANARY";
    if let Ok(said) = std::env::var(CHILD) {
        postback::cli::hush_panics();
        drop(std::thread::spawn(move || panic!("it is inside 'é' of `{said}`")).join());
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "canaries::panics_tell_their_place_and_not_what_they_say", "--nocapture"]);
    let said = said(child.env(CHILD, TOKEN).env("RUST_BACKTRACE", "full"));
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stderr.contains("internal error at tests/it/canaries.rs:"), "{}", said.stderr);
    assert!(said.stderr.contains("panics_tell_their_place"), "the backtrace is shown: {}", said.stderr);
    assert_eq!(secrets().found_in(said.stderr.as_bytes()), Vec::<&str>::new(), "{}", said.stderr);
}

/// A sandbox's counts are about no person. What arrived is there to be looked at, as it came over the wire: digests for
/// what is hashed, and never the token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_counts_and_shows_what_arrived_and_no_more() {
    let place = Place::new();
    let sandbox = Sandbox::start(Options::new(Arc::new(|| 1_787_235_000))).await.unwrap();
    let url = sandbox.base_url();
    let delivered = said(&mut place.postback(&["run", &place.people(true, false), "--base-url", &url]));
    assert_eq!(delivered.code, 0, "{}", delivered.stderr);
    let get = |path: &str| {
        let address = url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    };
    let state = get("/state.json");
    assert_eq!(place.secrets.found_in(state.as_bytes()), Vec::<&str>::new(), "{state}");
    let mut hashed = Secrets::default();
    hashed.add("token", TOKEN);
    for canary in canaries() {
        let field = FIELDS.iter().find(|field| field.column == canary.column).unwrap();
        if field.privacy == Privacy::Hashed {
            hashed.add(canary.column, &canary.core);
        }
    }
    for path in ["/", "/events.ndjson"] {
        let shown = get(path);
        assert_eq!(hashed.found_in(shown.as_bytes()), Vec::<&str>::new(), "{path}");
    }
    assert_eq!(get("/events.ndjson").matches(digests()[0].as_str()).count(), 1);
    let refused = Value::from(sandbox.snapshot().refused);
    assert_eq!(refused, 0);
    sandbox.stop().await;
}
