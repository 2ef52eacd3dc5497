//! Columns of tables: types, names and places.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, Float32Array, Int8Array, Int16Array, Int64Array, ListArray,
    MapBuilder, StringBuilder, StructArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use serde_json::{Value, json};

use super::table::{Table, batch, column, ints, mapped, metadata, numbered, protocol, texts};
use super::{refused, rows};

const NTZ_MICROS: i64 = 1_764_928_800_123_456;

/// Every type, in a file as a writer of tables writes it.
fn every_type() -> (Vec<Value>, Vec<(&'static str, ArrayRef)>) {
    let decimal = Decimal128Array::from(vec![1250]).with_precision_and_scale(10, 2).unwrap();
    let long = Decimal128Array::from(vec![12_345_678_901_234_567_890_123_456_789_012_345_678_i128])
        .with_precision_and_scale(38, 0)
        .unwrap();
    let members =
        Fields::from(vec![Field::new("content_id", DataType::Utf8, true), Field::new("n", DataType::Int32, true)]);
    let item = StructArray::new(members.clone(), vec![texts(&["a", "b"]), ints(&[1, 2])], None);
    let field = Arc::new(Field::new("element", DataType::Struct(members), true));
    let list = ListArray::new(field, OffsetBuffer::from_lengths([2]), Arc::new(item), None);
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_value("v");
    map.append(true).unwrap();
    let of_struct = json!({"type": "struct", "fields": [column("content_id", "string"), column("n", "integer")]});
    let columns = vec![
        column("text", "string"),
        column("bytes", "binary"),
        column("tiny", "byte"),
        column("small", "short"),
        column("whole", "integer"),
        column("big", "long"),
        column("half", "float"),
        column("day", "date"),
        column("instant", "timestamp"),
        column("local", "timestamp_ntz"),
        column("total", "decimal(10,2)"),
        column("long_id", "decimal(38,0)"),
        column("contents", json!({"type": "array", "elementType": of_struct, "containsNull": true})),
        column("tags", json!({"type": "map", "keyType": "string", "valueType": "string", "valueContainsNull": true})),
    ];
    let arrays: Vec<(&str, ArrayRef)> = vec![
        ("text", texts(&["ä"])),
        ("bytes", Arc::new(BinaryArray::from(vec![b"raw".as_slice()]))),
        ("tiny", Arc::new(Int8Array::from(vec![-1]))),
        ("small", Arc::new(Int16Array::from(vec![300]))),
        ("whole", ints(&[70_000])),
        ("big", Arc::new(Int64Array::from(vec![i64::MAX]))),
        ("half", Arc::new(Float32Array::from(vec![0.5]))),
        ("day", Arc::new(Date32Array::from(vec![20_427]))),
        ("instant", Arc::new(TimestampMicrosecondArray::from(vec![NTZ_MICROS]).with_timezone("UTC"))),
        ("local", Arc::new(TimestampMicrosecondArray::from(vec![NTZ_MICROS]))),
        ("total", Arc::new(decimal)),
        ("long_id", Arc::new(long)),
        ("contents", Arc::new(list)),
        ("tags", Arc::new(map.finish())),
    ];
    (columns, arrays)
}

#[test]
fn columns_have_the_types_that_plain_files_have() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let (columns, arrays) = every_type();
    let features = protocol(&["timestampNtz"]);
    let mut table = Table::new(here.join("t"), &[features, metadata(&columns, &[], &[])]);
    let add = table.file("a.parquet", &batch(&arrays));
    table.commit(&[add]);
    std::fs::copy(table.root.join("a.parquet"), here.join("plain.parquet")).unwrap();
    let names: Vec<&str> = arrays.iter().map(|(name, _)| *name).collect();
    let types = names.iter().map(|name| format!("arrow_typeof({name}) AS {name}")).collect::<Vec<_>>().join(", ");
    for query in ["SELECT * FROM 'SOURCE'".to_owned(), format!("SELECT {types} FROM 'SOURCE'")] {
        let (of_table, of_file) =
            (rows(here, &query.replace("SOURCE", "t")), rows(here, &query.replace("SOURCE", "plain.parquet")));
        let normal = |rows: Vec<String>| {
            rows.concat().replace("key_value", "entries").replace("keys", "key").replace("values", "value")
        };
        assert_eq!(normal(of_table), normal(of_file), "{query}");
    }
    let instant = rows(here, "SELECT instant, local, long_id, total, contents[1]['content_id'] AS c FROM 't'");
    let expected = r#"{"instant":"2025-12-05T10:00:00.123456Z","local":"2025-12-05T10:00:00.123456","long_id":12345678901234567890123456789012345678,"total":12.50,"c":"a"}"#;
    assert_eq!(instant, [expected]);
}

#[test]
fn files_call_columns_by_other_names_or_by_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let of_struct = |fields: &[Value]| json!({"type": "struct", "fields": fields});
    let inner = of_struct(&[
        mapped("city", "string", "c-4", 4),
        mapped("zip", "string", "c-5", 5),
        mapped("new", "long", "c-9", 9),
    ]);
    let columns = [
        // A column was renamed to the name that another has in the files.
        mapped("c-2", "string", "c-1", 1),
        mapped("total", "long", "c-2", 2),
        mapped("address", inner, "c-3", 3),
        mapped("country", "string", "c-6", 6),
    ];
    for mode in ["name", "id"] {
        let features = protocol(&["columnMapping"]);
        let settings = [("delta.columnMapping.mode", mode)];
        let mut table = Table::new(here.join(mode), &[features, metadata(&columns, &["country"], &settings)]);
        let member = |name: &str, id: i64| {
            let metadata = [("PARQUET:field_id".to_owned(), id.to_string())].into();
            Field::new(name, DataType::Utf8, true).with_metadata(metadata)
        };
        // By number, names in the files are any.
        let name = |name: &'static str| if mode == "id" { "x" } else { name };
        let members =
            vec![member(if mode == "id" { "q" } else { "c-5" }, 5), member(if mode == "id" { "r" } else { "c-4" }, 4)];
        let address = StructArray::new(members.into(), vec![texts(&["10115"]), texts(&["Berlin"])], None);
        let rows_of_file = numbered(&[
            (if mode == "id" { "y" } else { "c-2" }, 2, Arc::new(Int64Array::from(vec![7]))),
            (name("c-1"), 1, texts(&["o1"])),
            (if mode == "id" { "z" } else { "c-3" }, 3, Arc::new(address)),
            ("total", 8, texts(&["not the total"])),
        ]);
        let add = table.file("a.parquet", &rows_of_file);
        table.commit(&[super::table::with(add, json!({"partitionValues": {"c-6": "DE"}}))]);
        assert_eq!(
            rows(here, &format!("SELECT * FROM '{mode}'")),
            [r#"{"c-2":"o1","total":7,"address":{"city":"Berlin","zip":"10115","new":null},"country":"DE"}"#],
            "{mode}"
        );
        let query = format!(
            "SELECT address.zip AS zip, total FROM '{mode}' WHERE total = 7 AND country = 'DE' AND \"c-2\" = 'o1'"
        );
        assert_eq!(rows(here, &query), [r#"{"zip":"10115","total":7}"#], "{mode}");
        assert_eq!(
            rows(here, &format!("SELECT count(*) AS n FROM '{mode}' WHERE total = 8")),
            [r#"{"n":0}"#],
            "{mode}"
        );
    }
}

#[test]
fn types_that_grew_are_read_in_the_wider_type() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let nested = |item: &str| json!({"type": "array", "elementType": item, "containsNull": true});
    let columns = [
        column("a", "long"),
        column("b", "double"),
        column("c", "decimal(12,4)"),
        column("d", "timestamp_ntz"),
        column("e", "double"),
        column("f", nested("long")),
    ];
    let features = protocol(&["typeWidening", "timestampNtz"]);
    let mut table = Table::new(here.join("t"), &[features, metadata(&columns, &[], &[])]);
    let list = ListArray::new(
        Arc::new(Field::new("element", DataType::Int32, true)),
        OffsetBuffer::from_lengths([2]),
        ints(&[4, 5]),
        None,
    );
    let add = table.file(
        "a.parquet",
        &batch(&[
            ("a", Arc::new(Int8Array::from(vec![-3]))),
            ("b", Arc::new(Float32Array::from(vec![1.5]))),
            ("c", Arc::new(Decimal128Array::from(vec![125]).with_precision_and_scale(5, 2).unwrap())),
            ("d", Arc::new(Date32Array::from(vec![20_427]))),
            ("e", ints(&[9])),
            ("f", Arc::new(list)),
        ]),
    );
    table.commit(&[add]);
    assert_eq!(
        rows(here, "SELECT * FROM 't' WHERE a < 0 AND c = 1.25"),
        [r#"{"a":-3,"b":1.5,"c":1.2500,"d":"2025-12-05T00:00:00","e":9.0,"f":[4,5]}"#]
    );
}

#[test]
fn times_of_every_writer_are_those_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let columns = [column("at", "timestamp")];
    let mut table = Table::new(here.join("t"), &[protocol(&[]), metadata(&columns, &[], &[])]);
    let nanos = TimestampNanosecondArray::from(vec![NTZ_MICROS * 1_000]).with_timezone("UTC");
    let micros = TimestampMicrosecondArray::from(vec![NTZ_MICROS]);
    let adds =
        [table.file("a", &batch(&[("at", Arc::new(nanos))])), table.file("b", &batch(&[("at", Arc::new(micros))]))];
    table.commit(&adds);
    assert_eq!(rows(here, "SELECT DISTINCT at FROM 't'"), [r#"{"at":"2025-12-05T10:00:00.123456Z"}"#]);
}

#[test]
fn names_are_found_whatever_their_case() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let columns = [column("ORDER_ID", "string"), column("storeName", "string")];
    let mut table = Table::new(here.join("t"), &[protocol(&[]), metadata(&columns, &["storeName"], &[])]);
    let add = table.file("a.parquet", &batch(&[("ORDER_ID", texts(&["o1"]))]));
    table.commit(&[super::table::with(add, json!({"partitionValues": {"storeName": "Main"}}))]);
    assert_eq!(rows(here, "SELECT * FROM 't'"), [r#"{"order_id":"o1","storename":"Main"}"#]);
    assert_eq!(rows(here, "SELECT \"ORDER_ID\" FROM 't' WHERE StoreName = 'Main'"), [r#"{"ORDER_ID":"o1"}"#]);
}

#[test]
fn a_file_of_other_types_than_the_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut table = Table::new(here.join("t"), &[protocol(&[]), metadata(&[column("a", "integer")], &[], &[])]);
    let add = table.file("a.parquet", &batch(&[("a", texts(&["secret"]))]));
    table.commit(&[add]);
    refused(here, "SELECT * FROM 't'", &["`a` is Utf8View in `t/a.parquet`, and Int32 in the table"]);
}
