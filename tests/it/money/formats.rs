//! Random amounts and expressions over six formats: each gives the exact value or tells.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_avro::writer::WriterBuilder;
use arrow_avro::writer::format::AvroOcfFormat;
use datafusion::arrow::array::{ArrayRef, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::parquet::arrow::ArrowWriter;
use postback::query::{Parameters, QueryFile, Resources, examine};
use postback::run::{Job, sample};
use postback::settings::{Origin, Settings};
use proptest::prelude::*;

use crate::server::file;

/// The sources of one test, each with the same rows.
const SOURCES: [&str; 6] = ["o.parquet", "o.csv", "o.ndjson", "o.avro", "o.arrow", "delta/"];

/// One order.
#[derive(Clone, Copy, Debug)]
struct Order {
    cents: i64,
    quantity: i32,
}

/// An exact number: numerator and denominator.
type Exact = (i128, i128);

/// An expression, and its value.
type Expression = (&'static str, fn(Order) -> Exact);

const EXPRESSIONS: &[Expression] = &[
    ("amount", |o| (o.cents.into(), 100)),
    ("total", |o| (o.cents.into(), 100)),
    ("cents / 100.0", |o| (o.cents.into(), 100)),
    ("CAST(cents AS DECIMAL(18, 2)) / 100", |o| (o.cents.into(), 100)),
    ("cents / 100", |o| (o.cents.into(), 100)),
    ("CASE WHEN quantity > 2 THEN cents / 100 ELSE cents / 50 END", |o| {
        (o.cents.into(), if o.quantity > 2 { 100 } else { 50 })
    }),
    ("coalesce(cents / quantity, 0)", |o| (o.cents.into(), o.quantity.into())),
    ("cents * 0.01", |o| (o.cents.into(), 100)),
    ("amount * quantity", |o| (i128::from(o.cents) * i128::from(o.quantity), 100)),
    ("total * quantity", |o| (i128::from(o.cents) * i128::from(o.quantity), 100)),
    ("cents * quantity / 100.0", |o| (i128::from(o.cents) * i128::from(o.quantity), 100)),
    ("amount / 4", |o| (o.cents.into(), 400)),
    ("amount / 3", |o| (o.cents.into(), 300)),
    ("total / quantity", |o| (o.cents.into(), i128::from(o.quantity) * 100)),
    ("amount + 0.5", |o| (i128::from(o.cents) + 50, 100)),
    ("amount * 1.19", |o| (i128::from(o.cents) * 119, 10_000)),
    ("amount + total", |o| (i128::from(o.cents) * 2, 100)),
    ("CAST(amount AS DECIMAL(18, 2))", |o| (o.cents.into(), 100)),
    ("coalesce(nullif(amount, 0), 0)", |o| (o.cents.into(), 100)),
    ("greatest(amount, total)", |o| (o.cents.into(), 100)),
    ("round(amount * quantity, 2)", |o| (i128::from(o.cents) * i128::from(o.quantity), 100)),
    ("cents % 100", |o| ((o.cents % 100).into(), 1)),
    ("(SELECT max(quantity) FROM 'SOURCE') * 0 + amount", |o| (o.cents.into(), 100)),
    ("sum(amount) OVER (PARTITION BY id)", |o| (o.cents.into(), 100)),
    ("sum(cents) OVER (PARTITION BY id) / 100", |o| (o.cents.into(), 100)),
];

fn batch(orders: &[Order], is_avro: bool) -> RecordBatch {
    let decimals = |precision| {
        let mantissas = orders.iter().map(|order| Some(i128::from(order.cents)));
        Arc::new(mantissas.collect::<Decimal128Array>().with_precision_and_scale(precision, 2).unwrap()) as ArrayRef
    };
    let ids: ArrayRef =
        Arc::new((1..).take(orders.len()).map(|id: i64| Some(format!("o{id}"))).collect::<StringArray>());
    let quantities: ArrayRef = if is_avro {
        Arc::new(orders.iter().map(|order| Some(i64::from(order.quantity))).collect::<Int64Array>())
    } else {
        Arc::new(orders.iter().map(|order| Some(order.quantity)).collect::<Int32Array>())
    };
    RecordBatch::try_from_iter([
        ("id", ids),
        ("cents", Arc::new(orders.iter().map(|order| Some(order.cents)).collect::<Int64Array>())),
        ("quantity", quantities),
        ("amount", decimals(12)),
        ("total", decimals(18)),
    ])
    .unwrap()
}

fn parquet(path: &Path, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Writes the orders in every format.
fn write(folder: &Path, orders: &[Order]) {
    let rows = batch(orders, false);
    parquet(&folder.join("o.parquet"), &rows);
    let mut writer = FileWriter::try_new(fs::File::create(folder.join("o.arrow")).unwrap(), &rows.schema()).unwrap();
    writer.write(&rows).unwrap();
    writer.finish().unwrap();
    let wide = batch(orders, true);
    let builder = WriterBuilder::new(wide.schema().as_ref().clone());
    let mut writer = builder.build::<_, AvroOcfFormat>(fs::File::create(folder.join("o.avro")).unwrap()).unwrap();
    writer.write(&wide).unwrap();
    writer.finish().unwrap();
    let amount = |order: &Order| format!("{}.{:02}", order.cents / 100, order.cents % 100);
    let (mut csv, mut ndjson) = ("id,cents,quantity,amount,total\n".to_owned(), String::new());
    for (order, id) in orders.iter().zip(1..) {
        let Order { cents, quantity } = order;
        let amount = amount(order);
        writeln!(csv, "o{id},{cents},{quantity},{amount},{amount}").unwrap();
        writeln!(
            ndjson,
            "{{\"id\":\"o{id}\",\"cents\":{cents},\"quantity\":{quantity},\"amount\":{amount},\"total\":{amount}}}"
        )
        .unwrap();
    }
    file(folder, "o.csv", csv);
    file(folder, "o.ndjson", ndjson);
    let delta = folder.join("delta");
    fs::create_dir_all(delta.join("_delta_log")).unwrap();
    parquet(&delta.join("part.parquet"), &rows);
    let field = |name: &str, data_type: &str| {
        format!(r#"{{\"name\":\"{name}\",\"type\":\"{data_type}\",\"nullable\":true,\"metadata\":{{}}}}"#)
    };
    let fields = [
        field("id", "string"),
        field("cents", "long"),
        field("quantity", "integer"),
        field("amount", "decimal(12,2)"),
        field("total", "decimal(18,2)"),
    ];
    let size = fs::metadata(delta.join("part.parquet")).unwrap().len();
    let log = format!(
        r#"{{"protocol":{{"minReaderVersion":1,"minWriterVersion":2}}}}
{{"metaData":{{"id":"m","format":{{"provider":"parquet","options":{{}}}},"schemaString":"{{\"type\":\"struct\",\"fields\":[{}]}}","partitionColumns":[],"configuration":{{}}}}}}
{{"add":{{"path":"part.parquet","partitionValues":{{}},"size":{size},"modificationTime":0,"dataChange":true}}}}
"#,
        fields.join(",")
    );
    file(&delta.join("_delta_log"), "00000000000000000000.json", log);
}

/// What became of a value.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    /// The query is refused, or the row is warned of.
    Told,
    Sent(String),
}

/// What `expression` gives as the value of each row of `source`.
fn outcomes(runtime: &tokio::runtime::Runtime, folder: &Path, source: &str, expression: &str) -> Vec<Outcome> {
    let mut settings = Settings::default();
    for (name, value) in [("event_source", "offline"), ("event_source_id", "7654321098765432109")] {
        settings.set(name, value, Origin::File).unwrap();
    }
    let expression = expression.replace("SOURCE", source);
    let sql = format!(
        "SELECT 'Purchase' AS event, id AS order_id, '2026-08-20T14:10:00Z' AS timestamp,
           concat(id, '@shop.example') AS email,
           {expression} AS value, 'EUR' AS currency FROM '{source}' ORDER BY id"
    );
    let spill_folder = folder.to_owned();
    let resources = Resources { memory_limit: 64 << 20, partitions: 1, spill_folder };
    let file = QueryFile::parse(&folder.join("query.sql"), sql).unwrap();
    runtime.block_on(async {
        let examination = examine(&file, &settings, &Parameters::default(), &resources).await;
        let Some(checked) = examination.checked else {
            assert!(!examination.diagnoses.is_empty());
            return vec![Outcome::Told];
        };
        let job = Job::resolve(&settings, 1_787_300_000, 1);
        let samples = sample(&checked, &job, 100).await.unwrap();
        let outcome = |sample: &postback::run::Sample| {
            if sample.violations.iter().any(|violation| violation.column.as_deref() == Some("value")) {
                return Outcome::Told;
            }
            Outcome::Sent(sample.event.as_ref().unwrap()["properties"]["value"].to_string())
        };
        samples.iter().map(outcome).collect()
    })
}

/// Whether the JSON number `text` is `exact`.
fn is_exact(text: &str, (numerator, denominator): Exact) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mantissa: i128 = format!("{whole}{fraction}").parse().unwrap();
    let scale = 10_i128.pow(u32::try_from(fraction.len()).unwrap());
    mantissa * denominator == numerator * scale
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_is_exact_or_told_in_every_format(
        orders in proptest::collection::vec((0_i64..5_000_000, 1_i32..9), 1..5),
        chosen in proptest::sample::subsequence((0..EXPRESSIONS.len()).collect::<Vec<_>>(), 5),
    ) {
        let orders: Vec<Order> = orders.into_iter().map(|(cents, quantity)| Order { cents, quantity }).collect();
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &orders);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (expression, value) in chosen.into_iter().map(|index| EXPRESSIONS[index]) {
            for source in SOURCES {
                let outcomes = outcomes(&runtime, folder.path(), source, expression);
                for (outcome, order) in outcomes.iter().zip(&orders) {
                    let is_right = match outcome {
                        Outcome::Told => true,
                        Outcome::Sent(text) => is_exact(text, value(*order)),
                    };
                    prop_assert!(is_right, "{expression} over {source} of {order:?} is {outcome:?}");
                }
            }
        }
    }
}

/// What is plain money in all formats is sent by all.
#[test]
fn plain_amounts_are_sent_from_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let orders = [Order { cents: 1_999, quantity: 3 }, Order { cents: 99, quantity: 1 }];
    write(folder.path(), &orders);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for expression in ["amount", "total", "cents / 100.0", "CAST(cents AS DECIMAL(18, 2)) / 100"] {
        for source in SOURCES {
            let sent = outcomes(&runtime, folder.path(), source, expression);
            let expected = [Outcome::Sent("19.99".into()), Outcome::Sent("0.99".into())];
            assert_eq!(sent, expected, "{expression} over {source}");
        }
    }
    for source in SOURCES {
        assert_eq!(outcomes(&runtime, folder.path(), source, "cents / 100"), [Outcome::Told], "{source}");
    }
}
