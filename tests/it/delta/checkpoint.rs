//! Checkpoints of a log as rows of Parquet.

use std::io::Cursor;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema};
use datafusion::arrow::json::ReaderBuilder;

/// The actions in `lines` of JSON, in the columns that checkpoints have.
pub(crate) fn batch(lines: &str) -> RecordBatch {
    let mut reader = ReaderBuilder::new(Arc::new(schema())).build(Cursor::new(lines)).unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert!(reader.next().is_none(), "a checkpoint here is one batch");
    batch
}

fn schema() -> Schema {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let long = |name: &str| Field::new(name, DataType::Int64, true);
    let int = |name: &str| Field::new(name, DataType::Int32, true);
    let list =
        |name: &str| Field::new(name, DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))), true);
    let map = |name: &str| {
        let members = vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)];
        let entries = Field::new("key_value", DataType::Struct(members.into()), false);
        Field::new(name, DataType::Map(Arc::new(entries), false), true)
    };
    let group = |name: &str, members: Vec<Field>| Field::new(name, DataType::Struct(Fields::from(members)), true);
    let vector = group(
        "deletionVector",
        vec![text("storageType"), text("pathOrInlineDv"), int("offset"), int("sizeInBytes"), long("cardinality")],
    );
    Schema::new(vec![
        group(
            "protocol",
            vec![int("minReaderVersion"), int("minWriterVersion"), list("readerFeatures"), list("writerFeatures")],
        ),
        group(
            "metaData",
            vec![
                text("id"),
                text("name"),
                text("description"),
                group("format", vec![text("provider"), map("options")]),
                text("schemaString"),
                list("partitionColumns"),
                map("configuration"),
                long("createdTime"),
            ],
        ),
        group(
            "add",
            vec![
                text("path"),
                map("partitionValues"),
                long("size"),
                long("modificationTime"),
                Field::new("dataChange", DataType::Boolean, true),
                text("stats"),
                map("tags"),
                vector,
            ],
        ),
        group(
            "remove",
            vec![text("path"), long("deletionTimestamp"), Field::new("dataChange", DataType::Boolean, true)],
        ),
        group("txn", vec![text("appId"), long("version")]),
        group("sidecar", vec![text("path"), long("sizeInBytes"), long("modificationTime"), map("tags")]),
        group("checkpointMetadata", vec![long("version"), map("tags")]),
    ])
}
