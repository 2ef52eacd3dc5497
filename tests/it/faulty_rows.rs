//! Generated rows with known faults: each is refused for what is wrong with it and no other is, in every format.
//!
//! The generator knows the fate of each row. What a dry run counts, what a preview says of each row and what arrives at
//! a sandbox must agree with it, to the row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::Int64Type;
use jiff::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use postback::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use self::generate::generate;
use self::spoil::FAULTS;
use crate::server::{file, postback, said};

mod generate;
mod spoil;

/// 2026-08-20T14:10:00Z, the present of every run.
const NOW: i64 = 1_787_235_000;
const DAY: i64 = 86_400;
/// Rows of a data set, of which four in ten have a fault.
const ROWS: usize = 3_000;
const FORMATS: [&str; 3] = ["parquet", "csv", "ndjson"];

/// Columns of the files, and what a typed file holds in them.
const COLUMNS: [(&str, Type); 33] = [
    ("event_source", Type::Text),
    ("event_source_id", Type::Text),
    ("event", Type::Text),
    ("timestamp", Type::Time),
    ("order_id", Type::Text),
    ("email", Type::Text),
    ("phone", Type::Text),
    ("external_id", Type::Text),
    ("page_url", Type::Text),
    ("app_id", Type::Text),
    ("lead_id", Type::Text),
    ("ip", Type::Text),
    ("agent", Type::Text),
    ("idfa", Type::Text),
    ("att_status", Type::Text),
    ("locale", Type::Text),
    ("country", Type::Text),
    ("city", Type::Text),
    ("value", Type::Number),
    ("currency", Type::Text),
    ("content_type", Type::Text),
    ("content_id", Type::Text),
    ("content_name", Type::Text),
    ("price", Type::Number),
    ("quantity", Type::Whole),
    ("num_items", Type::Whole),
    ("event_channel", Type::Text),
    ("customer_type", Type::Text),
    ("limited_data_use", Type::Flag),
    ("is_retargeting", Type::Flag),
    ("attribution_share", Type::Number),
    ("predicted_ltv", Type::Number),
    ("description", Type::Text),
];

#[derive(Clone, Copy)]
enum Type {
    Text,
    Time,
    Number,
    Whole,
    Flag,
}

/// The cells of a row that are not NULL.
type Row = BTreeMap<&'static str, String>;

/// What becomes of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Arrives,
    Refused,
    /// Refused because it shares its event with a row that differs.
    Conflicts,
    TooOld,
    /// Collapsed into the row that it repeats.
    Folded,
}

/// What must become of a row.
#[derive(Clone, Debug, Default)]
struct Expected {
    /// The fault, for messages.
    name: &'static str,
    order: Option<String>,
    /// (code, severity) of what is said of the row alone.
    findings: BTreeSet<(&'static str, &'static str)>,
    fate: Fate,
}

impl Expected {
    fn is_refused(&self) -> bool {
        matches!(self.fate, Fate::Refused | Fate::Conflicts)
    }

    /// The findings that stay: nobody has to repair what is too old, and a conflict is known of all rows only.
    fn told(&self) -> BTreeSet<(&'static str, &'static str)> {
        let conflict = (self.fate == Fate::Conflicts).then_some(("PB3073", "reject"));
        self.findings.iter().copied().chain(conflict).collect()
    }
}

/// A data set and the fate of each of its rows.
struct Rows {
    is_typed: bool,
    rows: Vec<(Row, Expected)>,
}

impl Rows {
    fn count(&self, is_such: impl Fn(&Expected) -> bool) -> usize {
        self.rows.iter().filter(|(_, expected)| is_such(expected)).count()
    }

    /// Order ids of the events that must arrive, each once.
    fn arriving(&self) -> Vec<&str> {
        let expected = self.rows.iter().map(|(_, expected)| expected);
        let arriving = expected.filter(|expected| expected.fate == Fate::Arrives);
        let mut orders: Vec<_> = arriving.map(|expected| expected.order.as_deref().unwrap()).collect();
        orders.sort_unstable();
        orders
    }

    /// Rows by (code, severity) as an account must count them.
    fn faults(&self) -> BTreeMap<(&str, &str), BTreeSet<u64>> {
        let mut faults: BTreeMap<_, BTreeSet<u64>> = BTreeMap::new();
        for ((_, expected), row) in self.rows.iter().zip(1..) {
            expected.told().into_iter().for_each(|finding| {
                faults.entry(finding).or_default().insert(row);
            });
        }
        faults
    }

    /// Writes the rows as `format`, and a query beside them.
    fn write(&self, folder: &Path, format: &str, settings: &str) -> String {
        let name = format!("rows.{format}");
        match format {
            "parquet" => self.write_parquet(&folder.join(&name)),
            "csv" => fs::write(folder.join(&name), self.csv()).unwrap(),
            _ => fs::write(folder.join(&name), self.ndjson()).unwrap(),
        }
        let columns = COLUMNS.map(|(column, _)| column);
        let (table, from) = if self.is_typed || format == "parquet" {
            (String::new(), format!("'{name}'"))
        } else {
            let declared = columns.map(|column| format!("\"{column}\" TEXT")).join(", ");
            let stored = if format == "csv" { "CSV" } else { "JSON" };
            (
                format!("CREATE EXTERNAL TABLE given ({declared}) STORED AS {stored} LOCATION '{name}';\n"),
                "given".to_owned(),
            )
        };
        let columns = columns.map(|column| format!("\"{column}\"")).join(", ");
        let sql = format!(
            "SET postback.as_of = '2026-08-20T14:10:00Z'; SET postback.max_rejects = '100%';\n{settings}{table}SELECT {columns} FROM {from}"
        );
        file(folder, &format!("{format}.sql"), sql)
    }

    fn write_parquet(&self, path: &Path) {
        let batch =
            RecordBatch::try_from_iter(COLUMNS.map(|(name, data_type)| (name, self.array(name, data_type)))).unwrap();
        let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    fn array(&self, column: &str, data_type: Type) -> ArrayRef {
        fn read<A: FromIterator<Option<T>>, T>(cells: &[Option<&String>], read: impl Fn(&str) -> T) -> A {
            cells.iter().map(|cell| cell.map(|text| read(text))).collect()
        }
        let cells: Vec<_> = self.rows.iter().map(|(row, _)| row.get(column)).collect();
        match data_type {
            Type::Time if self.is_typed => {
                let times: TimestampMicrosecondArray =
                    read(&cells, |text| text.parse::<Timestamp>().unwrap().as_microsecond());
                Arc::new(times.with_timezone("UTC"))
            }
            Type::Number if self.is_typed => Arc::new(read::<Float64Array, f64>(&cells, |text| text.parse().unwrap())),
            Type::Whole if self.is_typed => Arc::new(read::<Int64Array, i64>(&cells, |text| text.parse().unwrap())),
            Type::Flag if self.is_typed => Arc::new(read::<BooleanArray, bool>(&cells, |text| text == "true")),
            _ => Arc::new(read::<StringArray, String>(&cells, str::to_owned)),
        }
    }

    fn csv(&self) -> String {
        let quoted = |cell: &String| {
            if cell.contains([',', '"', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() }
        };
        let mut text = COLUMNS.map(|(column, _)| column).join(",") + "\n";
        for (row, _) in &self.rows {
            text += &COLUMNS.map(|(column, _)| row.get(column).map(quoted).unwrap_or_default()).join(",");
            text.push('\n');
        }
        text
    }

    fn ndjson(&self) -> String {
        let cell = |text: &String, data_type| match data_type {
            Type::Number | Type::Whole if self.is_typed => text.parse().map_or_else(|_| json!(text), Value::Number),
            Type::Flag if self.is_typed => json!(text == "true"),
            _ => json!(text),
        };
        let line = |(index, (row, _)): (usize, &(Row, Expected))| {
            let members = COLUMNS.iter().filter_map(|(column, data_type)| match row.get(column) {
                Some(text) => Some((column.to_string(), cell(text, *data_type))),
                // NULL is written in one of the two ways there are.
                None => (index % 2 == 0).then(|| (column.to_string(), Value::Null)),
            });
            Value::Object(members.collect()).to_string() + "\n"
        };
        self.rows.iter().enumerate().map(line).collect()
    }

    /// The account counts every row in its place, and every fault under its rule.
    fn agrees_with_account(&self, account: &Value, arriving: &str, place: &str) {
        let count = |name: &str| usize::try_from(account[name].as_u64().unwrap()).unwrap();
        let places = ["rows", "folded", "rejected", "out_of_window", arriving].map(count);
        let expected = [
            self.rows.len(),
            self.count(|row| row.fate == Fate::Folded),
            self.count(Expected::is_refused),
            self.count(|row| row.fate == Fate::TooOld),
            self.arriving().len(),
        ];
        let mut found: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        let expected_faults = self.faults();
        for fault in account["faults"].as_array().unwrap() {
            let (code, severity) = (fault["code"].as_str().unwrap(), fault["severity"].as_str().unwrap());
            // Findings about the result as a whole are no row's.
            if code.starts_with("PB32") {
                continue;
            }
            *found.entry((code, severity)).or_default() += fault["events"].as_u64().unwrap();
            let rows = expected_faults.get(&(code, severity));
            for example in fault["rows"].as_array().unwrap() {
                let row = example.as_u64().unwrap();
                assert!(
                    rows.is_some_and(|rows| rows.contains(&row)),
                    "{place}: {severity} {code} of row {row}: {fault:#}"
                );
            }
        }
        let counts: BTreeMap<_, _> = expected_faults.iter().map(|(key, rows)| (*key, rows.len() as u64)).collect();
        let differing: Vec<_> =
            counts.keys().chain(found.keys()).filter(|key| counts.get(key) != found.get(key)).collect();
        let of = |key| (counts.get(key), found.get(key));
        let told: BTreeMap<_, _> = differing.into_iter().map(|key| (key, of(key))).collect();
        assert!(told.is_empty(), "{place}: expected and found differ: {told:#?}");
        assert_eq!(places, expected, "{place}: {account:#}");
    }

    /// The artifact names exactly the rows with findings, and each of their findings once.
    fn agrees_with_rejects(&self, path: &Path, place: &str) {
        let (mut found, refused) = rejects(path);
        assert_eq!(refused, self.count(Expected::is_refused), "{place}");
        for ((row, expected), number) in self.rows.iter().zip(1_i64..) {
            let found = found.remove(&number).unwrap_or_default();
            let of_row = found.iter().map(|(code, severity)| (code.as_str(), severity.as_str()));
            let is_old = expected.fate == Fate::TooOld;
            let told = if is_old { BTreeSet::from([("PB3026", "skip")]) } else { expected.told() };
            assert!(of_row.eq(told.iter().copied()), "{place}: {}: {row:?}\n{found:?}", expected.name);
        }
        assert!(found.is_empty(), "{place}: {found:?}");
    }

    /// The preview says of each row what is wrong with it alone, and shows the event of every other row.
    fn agrees_with_preview(&self, lines: &str, place: &str) {
        assert_eq!(lines.lines().count(), self.rows.len(), "{place}");
        for ((line, (row, expected)), number) in lines.lines().zip(&self.rows).zip(1_u64..) {
            let shown: Value = serde_json::from_str(line).unwrap();
            let told = || format!("{place}: {}: {row:?}\n{shown:#}", expected.name);
            assert_eq!(shown["row"], number, "{}", told());
            assert_eq!(shown["out_of_window"], expected.fate == Fate::TooOld, "{}", told());
            let findings: BTreeSet<_> = shown["findings"]
                .as_array()
                .unwrap()
                .iter()
                .map(|finding| (finding["code"].as_str().unwrap(), finding["severity"].as_str().unwrap()))
                .collect();
            assert_eq!(findings, expected.findings, "{}", told());
            if expected.fate != Fate::TooOld {
                let is_refused_alone = expected.fate == Fate::Refused;
                assert_eq!(shown["event"].is_null(), is_refused_alone, "{}", told());
                let order = &shown["event"]["properties"]["order_id"];
                assert!(is_refused_alone || order.as_str() == expected.order.as_deref(), "{}", told());
            }
        }
    }
}

/// The findings of `rejects.parquet` by row, and the number of events that it says were refused.
fn rejects(path: &Path) -> (BTreeMap<i64, BTreeSet<(String, String)>>, usize) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap().build().unwrap();
    let (mut findings, mut refused) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeSet::new());
    for batch in reader {
        let batch = batch.unwrap();
        let number = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
        let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        let (reject, row, code, severity) = (number("reject"), number("row"), text("code"), text("severity"));
        for at in 0..batch.num_rows() {
            let finding = (code.value(at).to_owned(), severity.value(at).to_owned());
            assert!(findings.entry(row.value(at)).or_default().insert(finding), "a finding comes twice");
            refused.extend(reject.is_valid(at).then(|| reject.value(at)));
        }
    }
    (findings, refused.len())
}

/// Runs `rows` in `format` through a dry run, a preview and a delivery; gives the account without what differs.
async fn judge(rows: &Rows, format: &str, settings: &str) -> Value {
    let place = format!("{format}, {}", if rows.is_typed { "typed" } else { "text" });
    let folder = tempfile::tempdir().unwrap();
    let query = rows.write(folder.path(), format, settings);
    let run = |arguments: &[&str]| {
        let said =
            said(&mut postback(&[arguments, &["--ledger", folder.path().join("ledger").to_str().unwrap()]].concat()));
        assert_eq!(said.code, 0, "{place}: {}{}", said.stdout, said.stderr);
        said.stdout
    };
    let json = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let mut account = json(run(&["run", &query, "--dry-run", "--format", "json"]));
    rows.agrees_with_account(&account, "unsent", &place);
    rows.agrees_with_rejects(&folder.path().join("ledger/runs/latest/rejects.parquet"), &place);
    let limit = (ROWS * 2).to_string();
    rows.agrees_with_preview(&run(&["preview", &query, "-n", &limit, "--format", "ndjson"]), &place);

    let options = Options { keep_all: true, ..Options::new(Arc::new(|| NOW)) };
    let sandbox = Sandbox::start(options).await.unwrap();
    let delivered = json(run(&["run", &query, "--base-url", &sandbox.base_url(), "--format", "json"]));
    rows.agrees_with_account(&delivered, "accepted", &place);
    rows.agrees_with_rejects(&folder.path().join("ledger/runs/latest/rejects.parquet"), &place);
    let snapshot = sandbox.snapshot();
    let counts = (snapshot.arrived, snapshot.unique, snapshot.refused_requests);
    let arriving = rows.arriving();
    assert_eq!(counts, (arriving.len() as u64, arriving.len() as u64, 0), "{place}: {snapshot:#?}");
    let events: Vec<Value> = sandbox.events().iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let mut orders: Vec<_> = events.iter().map(|event| event["properties"]["order_id"].as_str().unwrap()).collect();
    orders.sort_unstable();
    assert_eq!(orders, arriving, "{place}");
    sandbox.stop().await;

    for differing in [
        "run_id",
        "folder",
        "query",
        "query_sha256",
        "started",
        "finished",
        "seconds",
        "peak_memory_bytes",
        "settings",
        "sources",
        "fingerprint",
    ] {
        account.as_object_mut().unwrap().remove(differing);
    }
    for diagnosis in account["diagnoses"].as_array_mut().unwrap() {
        diagnosis["location"].take();
    }
    account
}

async fn judge_everywhere(rows: &Rows, settings: &str) {
    let mut first: Option<Value> = None;
    for format in FORMATS {
        let account = judge(rows, format, settings).await;
        let first = first.get_or_insert_with(|| account.clone());
        assert_eq!(*first, account, "{format} and {} differ", FORMATS[0]);
    }
}

#[test]
fn the_generator_makes_the_same_rows_each_time_and_some_of_every_fault() {
    let (rows, again) = (generate(false, false), generate(false, false));
    assert_eq!(rows.csv(), again.csv());
    assert!(rows.rows.len() >= ROWS);
    for fault in FAULTS {
        assert!(rows.count(|expected| expected.name == fault.name) > 9, "{}", fault.name);
    }
    assert!(rows.arriving().len() > ROWS / 2);
    let refusing = FAULTS.iter().filter(|fault| !fault.refuses.is_empty()).count();
    assert!(refusing > 40, "{refusing} kinds of faults refuse a row");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_row_written_as_text_is_refused_once_and_no_good_one() {
    judge_everywhere(&generate(false, false), "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_row_written_with_types_is_refused_once_and_no_good_one() {
    judge_everywhere(&generate(true, false), "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_optional_values_refuse_their_rows_where_the_setting_says_so() {
    let rows = generate(false, true);
    let account = judge(&rows, "ndjson", "SET postback.on_bad_optional = 'reject';\n").await;
    let lenient = generate(false, false).count(Expected::is_refused);
    assert!(account["rejected"].as_u64().unwrap() > lenient as u64);
}
