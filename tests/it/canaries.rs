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
use serde_json::{Value, json};

use crate::leaks::{Secrets, files_below};
use crate::server::{Answer, OK, Said, Server, file, postback, said};

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
    assert_eq!(place.keeps_quiet(&["run", &late, "--dry-run", "--event-source-id", "7654321098765432109"]).code, 5);
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
