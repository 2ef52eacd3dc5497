//! Bytes per second through the reader of delimited text, beside Arrow's with every column as text.
//!
//! `cargo bench --bench sources`

use std::fmt::Write;
use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datafusion::arrow::csv::ReaderBuilder;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use postback::sources::{Options, Sources};
use tokio::runtime::Runtime;

/// Names that make every column text.
const COLUMNS: [&str; 8] =
    ["order_id", "customer_id", "email", "phone", "sku", "shop_id", "postal_code", "session_uuid"];
/// About 200 MB.
const ROWS: usize = 1_600_000;
const BATCH: usize = 8_192;

fn export(path: &Path) -> u64 {
    let mut text = COLUMNS.join(",") + "\n";
    for row in 0..ROWS {
        let quoted = if row % 10 == 0 { "\"Kettle, \"\"steel\"\"\"" } else { "SKU-Kettle-0815" };
        writeln!(
            text,
            "SO-{row:010},{row:012},customer.{row}@example.com,+1213{row:07},{quoted},store-{:04},{:05},{row:032x}",
            row % 300,
            row % 99_999
        )
        .expect("a String takes everything");
    }
    fs::write(path, &text).expect("there is room for the file");
    text.len() as u64
}

fn ours(runtime: &Runtime, folder: &Path) -> usize {
    runtime.block_on(async {
        let sources = Sources::new(Options { folder: folder.to_owned(), ..Options::default() });
        let context =
            SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1).with_batch_size(BATCH));
        let table = sources.open(&context.state(), &["export.csv".to_owned()], None).await.expect("it is CSV");
        let mut batches = context
            .read_table(table)
            .expect("a table can be read")
            .execute_stream()
            .await
            .expect("a scan can be executed");
        let mut rows = 0;
        while let Some(batch) = batches.next().await {
            rows += black_box(batch.expect("every row is sound")).num_rows();
        }
        rows
    })
}

fn of_arrow(path: &Path) -> usize {
    let fields: Vec<Field> = COLUMNS.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let reader = ReaderBuilder::new(Arc::new(Schema::new(fields)))
        .with_header(true)
        .with_batch_size(BATCH)
        .build(File::open(path).expect("it was written"))
        .expect("it is CSV");
    reader.map(|batch| black_box(batch.expect("every row is sound")).num_rows()).sum()
}

fn delimited(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("export.csv");
    let bytes = export(&path);
    let runtime = Runtime::new().expect("threads can be started");
    let mut group = criterion.benchmark_group("delimited");
    group.throughput(Throughput::Bytes(bytes)).sample_size(10).measurement_time(Duration::from_secs(20));
    group.bench_function("postback", |bencher| bencher.iter(|| assert_eq!(ours(&runtime, folder.path()), ROWS)));
    group.bench_function("arrow", |bencher| bencher.iter(|| assert_eq!(of_arrow(&path), ROWS)));
    group.finish();
}

criterion_group!(benches, delimited);
criterion_main!(benches);
