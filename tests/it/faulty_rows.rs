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

use crate::server::{file, postback, said};

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

/// A way to spoil a good row.
struct Fault {
    name: &'static str,
    source: &'static str,
    /// Whether a column of numbers, times or booleans can hold it.
    is_typed: bool,
    spoil: fn(&mut Row),
    /// Rules that refuse the row.
    refuses: &'static [&'static str],
    /// Rules that drop a value, or refuse the row where `postback.on_bad_optional` says so.
    drops: &'static [&'static str],
    /// Rules that only warn.
    warns: &'static [&'static str],
    is_too_old: bool,
}

const fn fault(name: &'static str, source: &'static str, spoil: fn(&mut Row)) -> Fault {
    Fault { name, source, is_typed: true, spoil, refuses: &[], drops: &[], warns: &[], is_too_old: false }
}

impl Fault {
    const fn refuses(self, refuses: &'static [&'static str]) -> Self {
        Self { refuses, ..self }
    }

    const fn drops(self, drops: &'static [&'static str]) -> Self {
        Self { drops, ..self }
    }

    const fn warns(self, warns: &'static [&'static str]) -> Self {
        Self { warns, ..self }
    }

    /// As only a column of texts can say it.
    const fn in_text(self) -> Self {
        Self { is_typed: false, ..self }
    }

    const fn too_old(self) -> Self {
        Self { is_too_old: true, ..self }
    }
}

/// Every fault of one row; those between rows are in [`generate`].
#[rustfmt::skip]
static FAULTS: &[Fault] = &[
    fault("no event source", "offline", |row| unset(row, &["event_source"])).refuses(&["PB3007"]),
    fault("an unknown event source", "offline", |row| set(row, "event_source", "store")).refuses(&["PB3007"]),
    fault("an event source in capitals", "web", |row| set(row, "event_source", "WEB")).refuses(&["PB3007"]),
    fault("no event source id", "offline", |row| unset(row, &["event_source_id"])).refuses(&["PB3008"]),
    fault("a pixel code for an event set", "offline", |row| set(row, "event_source_id", "C8NQ3HBRSFQ5DH6G4T5G")).refuses(&["PB3009"]),
    fault("an odd pixel code", "web", |row| set(row, "event_source_id", "my-pixel")).warns(&["PB3009"]),
    fault("no event", "offline", |row| unset(row, &["event"])).refuses(&["PB3016"]),
    fault("a blank event", "crm", |row| set(row, "event", " \t ")).refuses(&["PB3016"]),
    fault("a misspelt event", "offline", |row| set(row, "event", "purchase")).refuses(&["PB3017"]),
    fault("an event nobody knows", "offline", |row| set(row, "event", "BoughtSomething")).refuses(&["PB3017"]),
    fault("an event with blanks", "web", |row| set(row, "event", "bought a bear")).refuses(&["PB3019"]),
    fault("an event in the wrong case", "web", |row| set(row, "event", "purchase")).warns(&["PB3020"]),
    fault("an event by its old name", "offline", |row| set(row, "event", "CompletePayment")).warns(&["PB3021"]),
    fault("no time", "offline", |row| unset(row, &["timestamp"])).refuses(&["PB3023"]),
    fault("a time in words", "web", |row| set(row, "timestamp", "yesterday at noon")).refuses(&["PB3023"]).in_text(),
    fault("a day that no calendar has", "offline", |row| set(row, "timestamp", "2026-08-32T10:00:00Z")).refuses(&["PB3023"]).in_text(),
    fault("a day as digits", "offline", |row| set(row, "timestamp", "99999999999999999999")).refuses(&["PB3024"]).in_text(),
    fault("a time without a zone", "app", |row| set(row, "timestamp", "2026-08-20 10:00:00")).refuses(&["PB3106"]).in_text(),
    fault("a time to come", "offline", |row| set_time(row, NOW + DAY)).refuses(&["PB3025"]),
    fault("a time minutes ahead", "app", |row| set_time(row, NOW + 301)).refuses(&["PB3025"]),
    fault("an old web event", "web", |row| set_time(row, NOW - 28 * DAY - 1)).warns(&["PB3027"]),
    fault("an event out of window", "offline", |row| set_time(row, NOW - 28 * DAY - 1)).too_old(),
    fault("a bad event out of window", "offline", |row| { set_time(row, NOW - 90 * DAY); set(row, "currency", "usd"); }).too_old(),
    fault("no identity", "offline", |row| unset(row, &["email", "phone"])).refuses(&["PB3030"]),
    fault("blank identities", "offline", |row| { set(row, "email", " "); set(row, "phone", "  "); }).refuses(&["PB3030"]),
    fault("no identity on the web", "web", |row| unset(row, &["email", "phone", "external_id", "ip", "agent"])).warns(&["PB3031"]),
    fault("no page", "web", |row| unset(row, &["page_url"])).refuses(&["PB3032"]),
    fault("a page without its host", "web", |row| set(row, "page_url", "/cart?step=2")).refuses(&["PB3032"]),
    fault("no app", "app", |row| unset(row, &["app_id"])).refuses(&["PB3033"]),
    fault("no lead", "crm", |row| unset(row, &["lead_id"])).refuses(&["PB3034"]),
    fault("a blank lead", "crm", |row| set(row, "lead_id", "   ")).refuses(&["PB3034"]),
    fault("an address that is none", "offline", |row| only_email(row, "marta.northwind-shop.de")).refuses(&["PB3030"]).drops(&["PB3037"]),
    fault("an address that is none beside a number", "offline", |row| set(row, "email", "marta@@northwind-shop.de")).drops(&["PB3037"]),
    fault("a number that is none", "offline", |row| only_phone(row, "+49151")).refuses(&["PB3030"]).drops(&["PB3037"]),
    fault("a number of some country", "offline", |row| only_phone(row, "0151 23456789")).refuses(&["PB3030"]).drops(&["PB3103"]),
    fault("an MD5 digest", "offline", |row| only_email(row, "0cc175b9c0f1b6a831c399e269772661")).refuses(&["PB3030"]).drops(&["PB3041"]),
    fault("a SHA-1 digest", "offline", |row| only_email(row, "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8")).refuses(&["PB3030"]).drops(&["PB3041"]),
    fault("the digest of nothing", "offline", |row| only_phone(row, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")).refuses(&["PB3030"]).drops(&["PB3040"]),
    fault("a digest in capitals", "web", |row| set(row, "external_id", &"AB12CD34".repeat(8))).warns(&["PB3039"]),
    fault("an address behind a router", "web", |row| set(row, "ip", "192.168.1.7")).drops(&["PB3042"]).warns(&["PB3044"]),
    fault("a hashed address", "app", |row| set(row, "ip", &"ab12cd34".repeat(8))).drops(&["PB3043"]).warns(&["PB3044"]),
    fault("a hashed agent", "app", |row| set(row, "agent", &"ab12cd34".repeat(8))).warns(&["PB3043"]),
    fault("an address without an agent", "web", |row| unset(row, &["agent"])).warns(&["PB3044"]),
    fault("a country that is none", "web", |row| set(row, "country", "X9")).drops(&["PB3045"]),
    fault("a device that opted out", "app", |row| set(row, "idfa", "00000000-0000-0000-0000-000000000000")).drops(&["PB3047"]),
    fault("a device by its name", "app", |row| set(row, "idfa", "Marta's phone")).drops(&["PB3047"]),
    fault("a value that is no number", "offline", |row| set(row, "value", "NaN")).refuses(&["PB3048"]).warns(&["PB3052"]),
    fault("an endless value", "web", |row| set(row, "value", "inf")).refuses(&["PB3048"]).warns(&["PB3052"]),
    fault("an endless loss", "app", |row| set(row, "value", "-inf")).refuses(&["PB3048"]).warns(&["PB3052"]),
    fault("a value in words", "offline", |row| set(row, "value", "n/a")).refuses(&["PB3048"]).warns(&["PB3052"]).in_text(),
    fault("a value with a thousands sign", "offline", |row| set(row, "value", "1,299.00")).refuses(&["PB3048"]).warns(&["PB3052"]).in_text(),
    fault("a value with its currency", "crm", |row| set(row, "value", "$12.50")).refuses(&["PB3048"]).warns(&["PB3052"]).in_text(),
    fault("a value beyond all numbers", "offline", |row| set(row, "value", "1e309")).refuses(&["PB3048"]).warns(&["PB3052"]).in_text(),
    fault("a refund", "offline", |row| set(row, "value", "-0.01")).refuses(&["PB3049"]).warns(&["PB3052"]),
    fault("a currency in small letters", "offline", |row| set(row, "currency", "usd")).refuses(&["PB3050"]).warns(&["PB3052"]),
    fault("a currency in words", "web", |row| set(row, "currency", "US Dollar")).refuses(&["PB3050"]).warns(&["PB3052"]),
    fault("a currency TikTok does not take", "offline", |row| set(row, "currency", "GEL")).refuses(&["PB3051"]).warns(&["PB3052"]),
    fault("no currency", "offline", |row| unset(row, &["currency"])).warns(&["PB3052"]),
    fault("no value", "web", |row| unset(row, &["value"])).warns(&["PB3052"]),
    fault("a negative price", "offline", |row| set(row, "price", "-3")).refuses(&["PB3055"]),
    fault("a price in words", "web", |row| set(row, "price", "free")).refuses(&["PB3055"]).in_text(),
    fault("no piece", "offline", |row| set(row, "quantity", "0")).refuses(&["PB3055"]),
    fault("half a piece", "crm", |row| set(row, "quantity", "0.5")).refuses(&["PB3055"]).in_text(),
    fault("a value far from the items", "offline", |row| { set(row, "value", "3"); set(row, "price", "100"); set(row, "quantity", "5"); }).warns(&["PB3056"]),
    fault("a content type of one's own", "offline", |row| set(row, "content_type", "service")).drops(&["PB3057"]),
    fault("fewer items than none", "offline", |row| set(row, "num_items", "-1")).drops(&["PB3059"]),
    fault("a customer of another type", "web", |row| set(row, "customer_type", "New")).drops(&["PB3061"]),
    fault("a choice nobody can read", "web", |row| set(row, "limited_data_use", "maybe")).refuses(&["PB3062"]).in_text(),
    fault("a choice without effect", "offline", |row| set(row, "limited_data_use", "true")).warns(&["PB3063"]),
    fault("a choice without an address", "web", |row| { set(row, "limited_data_use", "true"); unset(row, &["ip", "agent"]); }).warns(&["PB3064"]),
    fault("a share in percent", "web", |row| set(row, "attribution_share", "50")).drops(&["PB3065"]),
    fault("a channel of one's own", "offline", |row| set(row, "event_channel", "In Store")).drops(&["PB3069"]),
    fault("no order", "offline", |row| unset(row, &["order_id"])).refuses(&["PB3102"]),
    fault("a blank order", "app", |row| set(row, "order_id", " ")).refuses(&["PB3102"]),
    fault("a lifetime value in words", "web", |row| set(row, "predicted_ltv", "high")).drops(&["PB3104"]).in_text(),
    fault("an endless lifetime value", "web", |row| set(row, "predicted_ltv", "inf")).refuses(&["PB3104"]),
    fault("a locale in words", "web", |row| set(row, "locale", "English (US)")).drops(&["PB3107"]),
    fault("an unknown permission", "app", |row| set(row, "att_status", "yes")).drops(&["PB3108"]),
    fault("a flag in words", "app", |row| set(row, "is_retargeting", "sometimes")).drops(&["PB3110"]).in_text(),
    fault("two faults at once", "offline", |row| { set(row, "event", "purchase"); set(row, "currency", "usd"); set_time(row, NOW + DAY); })
        .refuses(&["PB3017", "PB3025", "PB3050"]).warns(&["PB3052"]),
];

fn set(row: &mut Row, column: &'static str, text: &str) {
    row.insert(column, text.to_owned());
}

fn set_time(row: &mut Row, seconds: i64) {
    set(row, "timestamp", &Timestamp::from_second(seconds).unwrap().to_string());
}

fn unset(row: &mut Row, columns: &[&str]) {
    row.retain(|column, _| !columns.contains(column));
}

fn only_email(row: &mut Row, text: &str) {
    unset(row, &["phone"]);
    set(row, "email", text);
}

fn only_phone(row: &mut Row, text: &str) {
    unset(row, &["email"]);
    set(row, "phone", text);
}

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

/// Xorshift: the same numbers everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// A row that nothing is wrong with.
fn good(number: usize, source: &'static str, is_typed: bool, chance: &mut Chance) -> Row {
    let mut row = Row::new();
    let text =
        |row: &mut Row, cells: &[(&'static str, &str)]| cells.iter().for_each(|(name, cell)| set(row, name, cell));
    text(&mut row, &[("event_source", source), ("event", "Purchase"), ("currency", "USD"), ("quantity", "2")]);
    set(&mut row, "order_id", &format!("A{number:05}"));
    set(&mut row, "email", &format!("marta.{number}@northwind-shop.de"));
    set(&mut row, "phone", &format!("+49151{}", 20_000_000 + chance.below(70_000_000)));
    set(&mut row, "content_id", &format!("SKU-{}", chance.below(500)));
    // What formats have to quote, and what people write.
    let names = ["Tea", "Tea, \"green\"", "Kännchen\nzu zweit", "お茶 🍵", "O'Neil; 1|2", "null", "\\\"", " Tea "];
    set(&mut row, "content_name", names[chance.below(names.len())]);
    let cents = 50 + chance.below(100_000);
    set(&mut row, "price", &format!("{}.{:02}", cents / 100, cents % 100));
    set(&mut row, "value", &format!("{}.{:02}", cents * 2 / 100, cents * 2 % 100));
    let seconds = NOW - i64::try_from(chance.below(27 * 86_400)).unwrap();
    set_time(&mut row, seconds);
    if !is_typed {
        match chance.below(4) {
            0 => set(&mut row, "timestamp", &seconds.to_string()),
            1 => set(&mut row, "timestamp", &format!("{seconds}123")),
            2 => {
                let ahead = Timestamp::from_second(seconds + 7_200).unwrap().to_string();
                set(&mut row, "timestamp", &ahead.replace('Z', ".5+02:00"));
            }
            _ => {}
        }
    }
    match source {
        "offline" => text(&mut row, &[("event_source_id", "7654321098765432109"), ("event_channel", "in_store")]),
        "web" => text(
            &mut row,
            &[
                ("event_source_id", "C8NQ3HBRSFQ5DH6G4T5G"),
                ("page_url", "https://northwind-shop.de/danke?o=1&p=ü"),
                ("ip", "203.0.113.24"),
                ("agent", "Mozilla/5.0 (X11; Linux x86_64)"),
                ("external_id", "C-17"),
                ("country", "de"),
                ("city", "köln"),
                ("locale", "de-DE"),
                ("customer_type", "returning"),
            ],
        ),
        "app" => text(
            &mut row,
            &[
                ("event_source_id", "7123456789012345678"),
                ("app_id", "de.northwind.shop"),
                ("ip", "2a00:1450::5"),
                ("agent", "Shop/7 (iPhone)"),
                ("idfa", "6D92078A-8246-4BA4-AE5B-76104861E7DC"),
                ("att_status", "AUTHORIZED"),
                ("is_retargeting", "false"),
            ],
        ),
        _ => text(
            &mut row,
            &[("event_source_id", "7000000000000000017"), ("lead_id", "L-4711"), ("external_id", "C-18")],
        ),
    }
    row
}

/// Rows of every fault, of every source, and of faults between rows, in a random order.
fn generate(is_typed: bool, rejects_optional: bool) -> Rows {
    let mut chance = Chance(0x00c0_ffee_5eed);
    let faults: Vec<&Fault> = FAULTS.iter().filter(|fault| fault.is_typed || !is_typed).collect();
    let mut next_fault = faults.iter().cycle();
    let mut rows: Vec<(Row, Expected)> = Vec::new();
    while rows.len() < ROWS {
        let number = rows.len();
        let source = ["offline", "web", "app", "crm"][chance.below(4)];
        let expect = |name, row: &Row| Expected { name, order: row.get("order_id").cloned(), ..Expected::default() };
        match chance.below(20) {
            0 => {
                let row = good(number, source, is_typed, &mut chance);
                for copy in 0..=1 + chance.below(2) {
                    let fate = if copy > 0 { Fate::Folded } else { Fate::Arrives };
                    let expected = Expected { fate, ..expect("a row that comes again", &row) };
                    rows.push((row.clone(), expected));
                }
            }
            1 => {
                let row = good(number, source, is_typed, &mut chance);
                let expected = Expected { fate: Fate::Conflicts, ..expect("an id of several orders", &row) };
                for copy in 0..2 + chance.below(2) {
                    let mut other = row.clone();
                    set(&mut other, "description", &format!("part {copy}"));
                    rows.push((other, expected.clone()));
                }
                // A repeat of one of them is refused with them.
                if chance.below(2) == 0 {
                    rows.push(rows[number].clone());
                }
            }
            2 => {
                // A row that is refused for itself does not take the good row of the same order with it.
                let row = good(number, source, is_typed, &mut chance);
                let mut bad = row.clone();
                set(&mut bad, "value", "-5");
                let expected = Expected {
                    fate: Fate::Refused,
                    findings: BTreeSet::from([("PB3049", "reject"), ("PB3052", "warn")]),
                    ..expect("a refund of the same order", &bad)
                };
                rows.push((bad, expected));
                let expected = expect("an order with a refund", &row);
                rows.push((row, expected));
            }
            3..=10 => {
                let fault = next_fault.next().unwrap();
                let mut row = good(number, fault.source, is_typed, &mut chance);
                (fault.spoil)(&mut row);
                let mut expected = expect(fault.name, &row);
                let dropped = if rejects_optional { "reject" } else { "warn" };
                expected.findings.extend(fault.refuses.iter().map(|code| (*code, "reject")));
                expected.findings.extend(fault.drops.iter().map(|code| (*code, dropped)));
                expected.findings.extend(fault.warns.iter().map(|code| (*code, "warn")));
                let is_refused = expected.findings.iter().any(|(_, severity)| *severity == "reject");
                expected.fate = match (fault.is_too_old, is_refused) {
                    (true, _) => Fate::TooOld,
                    (false, true) => Fate::Refused,
                    (false, false) => Fate::Arrives,
                };
                rows.push((row, expected));
            }
            _ => {
                let row = good(number, source, is_typed, &mut chance);
                let expected = expect("a good row", &row);
                rows.push((row, expected));
            }
        }
    }
    for last in (1..rows.len()).rev() {
        rows.swap(last, chance.below(last + 1));
    }
    Rows { is_typed, rows }
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
            let told = if expected.fate == Fate::TooOld { BTreeSet::new() } else { expected.told() };
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

    for differing in
        ["run_id", "folder", "query", "query_sha256", "started", "finished", "seconds", "peak_memory_bytes", "settings"]
    {
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
