//! Rows per second through the row checks, through the encoder, and through both, on one core.
//!
//! `cargo bench --bench encode`

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datafusion::arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringViewArray};
use postback::contract::EventSource;
use postback::encode::Encoder;
use postback::validate::{FoldValue, InvalidPhone, Judge, Policy};

/// Rows of a record batch, as many as a scan delivers at once.
const ROWS: i64 = 8_192;
const NOW: i64 = 1_787_234_809;

fn texts(text: impl Fn(i64) -> String) -> ArrayRef {
    Arc::new(StringViewArray::from_iter_values((0..ROWS).map(text)))
}

/// Store purchases with one item each; `phones` adds a number to every row.
fn purchases(phones: bool) -> RecordBatch {
    let prices = (0..ROWS).map(|row| i128::from(995 + row % 5_000));
    let prices: ArrayRef = Arc::new(
        Decimal128Array::from_iter_values(prices).with_precision_and_scale(10, 2).expect("four digits fit into ten"),
    );
    let mut columns = vec![
        ("event", texts(|_| "Purchase".to_owned())),
        ("timestamp", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| NOW - row))) as ArrayRef),
        ("event_id", texts(|row| format!("{row:032}"))),
        ("email", texts(|row| format!("Customer.{row}@Example.com"))),
        ("order_id", texts(|row| format!("SO-{row:08}"))),
        ("shop_id", texts(|row| format!("store-{:04}", row % 300))),
        ("currency", texts(|_| "USD".to_owned())),
        ("value", Arc::clone(&prices)),
        ("content_id", texts(|row| format!("SKU-{}", row % 5_000))),
        ("content_name", texts(|row| format!("Kettle, steel, model {}", row % 5_000))),
        ("price", prices),
        ("quantity", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|_| 1))) as ArrayRef),
        ("event_channel", texts(|_| "in_store".to_owned())),
    ];
    if phones {
        columns.push(("phone", texts(|row| format!("+1213373{row:04}"))));
    }
    RecordBatch::try_from_iter(columns).expect("columns have the same length")
}

fn policy() -> Policy {
    Policy {
        now: NOW,
        zone: None,
        region: None,
        event_source: Some(EventSource::Offline),
        event_source_id: Some("7301234567890123456".into()),
        event: None,
        currency: None,
        max_event_age: 28 * 86_400,
        future_tolerance: 300,
        limited_data_use: None,
        reject_bad_optional: false,
        invalid_phone: InvalidPhone::Send,
        restricts_personal: false,
        fold_value: FoldValue::PriceQuantity,
    }
}

fn benchmark(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("purchases");
    group.throughput(Throughput::Elements(ROWS.unsigned_abs()));
    for (name, phones) in [("", false), (" with phones", true)] {
        let batch = purchases(phones);
        let judge = Judge::new(&batch.schema(), policy()).expect("the schema is a conformed one");
        let encoder = Encoder::new(judge.schema(), [7; 32]).expect("the judge makes canonical batches");
        let judged = judge.judge(&batch, 0).expect("judging does not fail");
        group.bench_function(format!("judge{name}"), |bencher| {
            bencher.iter(|| judge.judge(black_box(&batch), 0).expect("judging does not fail"));
        });
        group.bench_function(format!("encode{name}"), |bencher| {
            bencher.iter(|| encoder.encode(black_box(&judged.events), &judged.rows));
        });
        group.bench_function(format!("judge and encode{name}"), |bencher| {
            bencher.iter(|| {
                let judged = judge.judge(black_box(&batch), 0).expect("judging does not fail");
                encoder.encode(&judged.events, &judged.rows)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
