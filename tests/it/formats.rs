//! What a file is, whatever it is called: formats, compressions, encodings and dialects, each read to the same rows.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_avro::compression::CompressionCodec;
use arrow_avro::writer::WriterBuilder;
use arrow_avro::writer::format::AvroOcfFormat;
use datafusion::arrow::array::{
    ArrayRef, Decimal128Array, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

use crate::server::{Said, file, postback, said};

/// Three rows that every reader must see alike.
const ROWS: &str = "customer_id,name,total\n007,Ann,1.5\n8,Bo,2.25\n9,Zoë,3\n";
const EXPECTED: [&str; 3] = [
    r#"{"customer_id":"007","name":"Ann","total":1.5}"#,
    r#"{"customer_id":"8","name":"Bo","total":2.25}"#,
    r#"{"customer_id":"9","name":"Zoë","total":3.0}"#,
];
const SELECT: &str = "SELECT customer_id, name, CAST(total AS DOUBLE) AS total";

fn sql(folder: &Path, query: &str) -> Said {
    said(postback(&["sql", query, "--format", "ndjson"]).current_dir(folder))
}

/// The rows of `query` as JSON lines.
fn rows(folder: &Path, query: &str) -> Vec<String> {
    let said = sql(folder, query);
    assert_eq!(said.code, 0, "{query}: {}", said.stderr);
    said.stdout.lines().map(str::to_owned).collect()
}

/// `query` ends with exit code 5 and says all of `words`.
fn refused(folder: &Path, query: &str, words: &[&str]) {
    let said = sql(folder, query);
    assert_eq!(said.code, 5, "{query}: {}{}", said.stdout, said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "{query}: no `{word}` in\n{}", said.stderr);
    }
}

fn is_expected(folder: &Path, name: &str) {
    assert_eq!(rows(folder, &format!("{SELECT} FROM '{name}' ORDER BY customer_id")), EXPECTED, "{name}");
}

/// `content` in every compression that is read.
fn packed(content: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(content).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    bzip2.write_all(content).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    xz.write_all(content).unwrap();
    let mut snappy = snap::write::FrameEncoder::new(Vec::new());
    snappy.write_all(content).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(content).unwrap();
    vec![
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd::encode_all(content, 3).unwrap()),
        ("bzip2", bzip2.finish().unwrap()),
        ("xz", xz.finish().unwrap()),
        ("snappy", snappy.into_inner().unwrap()),
        ("lz4", lz4.finish().unwrap()),
    ]
}

fn batch() -> RecordBatch {
    let columns: [(&str, ArrayRef); 3] = [
        ("customer_id", Arc::new(StringArray::from(vec!["007", "8", "9"]))),
        ("name", Arc::new(StringArray::from(vec!["Ann", "Bo", "Zoë"]))),
        ("total", Arc::new(Float64Array::from(vec![1.5, 2.25, 3.0]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

pub(crate) fn arrow_stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

pub(crate) fn arrow_file(batches: &[RecordBatch], compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

/// An Arrow `file` that begins with no message, as polars writes it.
pub(crate) fn without_stream(mut file: Vec<u8>) -> Vec<u8> {
    let begin = file.windows(4).position(|bytes| bytes == [0xff; 4]).unwrap();
    file[begin..begin + 4].copy_from_slice(&[4, 0, 0, 0]);
    file
}

pub(crate) fn avro(batches: &[RecordBatch], codec: Option<CompressionCodec>) -> Vec<u8> {
    let builder = WriterBuilder::new(batches[0].schema().as_ref().clone()).with_compression(codec);
    let mut writer = builder.build::<_, AvroOcfFormat>(Vec::new()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner()
}

#[test]
fn every_compression_is_seen_in_the_content() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (name, whole) in packed(ROWS.as_bytes()) {
        file(here, name, &whole);
        is_expected(here, name);
        file(here, name, &whole[..whole.len() - 5]);
        refused(here, &format!("SELECT * FROM '{name}'"), &[name]);
    }
    // Members one after the other, as parallel uploads leave them.
    for ((name, first), (_, second)) in packed(&ROWS.as_bytes()[..30]).into_iter().zip(packed(&ROWS.as_bytes()[30..])) {
        file(here, name, [first, second].concat());
        is_expected(here, name);
    }
    let (_, twice) = packed(&packed(ROWS.as_bytes())[0].1).swap_remove(1);
    file(here, "twice.csv", twice);
    refused(here, "SELECT * FROM 'twice.csv'", &["gzip inside zstd", "twice"]);
    file(here, "packed.parquet", &packed(b"PAR1 and so on")[0].1);
    refused(here, "SELECT * FROM 'packed.parquet'", &["Parquet inside gzip", "unpack it"]);
}

#[test]
fn every_encoding_becomes_the_same_text() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let marked = format!("\u{feff}{ROWS}");
    for (name, content) in [
        ("little", utf16(ROWS, u16::to_le_bytes)),
        ("big", utf16(ROWS, u16::to_be_bytes)),
        ("little-marked", utf16(&marked, u16::to_le_bytes)),
        ("big-marked", utf16(&marked, u16::to_be_bytes)),
        ("marked", marked.clone().into_bytes()),
        ("latin", ROWS.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()),
    ] {
        file(here, name, &content);
        is_expected(here, name);
        for (compression, packed) in packed(&content) {
            file(here, compression, packed);
            is_expected(here, compression);
        }
    }
    // A letter of Latin-1 in the first rows, and UTF-8 below: one is wrong, and no name is bent.
    let ascii = "1,Bob\n".repeat(200_000);
    file(
        here,
        "mixed",
        [b"id,name\n2,Ren\xe9\n", ascii.as_bytes(), "3,Zo\u{eb}\n4,Gr\u{f6}\u{df}e\n".as_bytes()].concat(),
    );
    assert_eq!(
        rows(here, "SELECT name, count(*) AS n FROM 'mixed' GROUP BY name ORDER BY n"),
        [r#"{"name":"René","n":1}"#, r#"{"name":"Bob","n":200000}"#]
    );
    let table = "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'latin' OPTIONS ('encoding' 'latin2');";
    let said = sql(here, &format!("{table} {SELECT} FROM t ORDER BY customer_id"));
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.contains("Zoë"), "{}", said.stdout);
}

#[test]
fn arrow_and_avro_are_read_as_they_describe_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let batches = [batch().slice(0, 1), batch().slice(1, 2)];
    let mut files = vec![
        ("stream", arrow_stream(&batches)),
        ("file", arrow_file(&batches, None)),
        ("file-lz4", arrow_file(&batches, Some(CompressionType::LZ4_FRAME))),
        ("file-zstd", arrow_file(&batches, Some(CompressionType::ZSTD))),
        ("file-of-polars", without_stream(arrow_file(&batches, None))),
        ("file-of-polars-zstd", without_stream(arrow_file(&batches, Some(CompressionType::ZSTD)))),
        ("avro", avro(&batches, None)),
    ];
    for (name, codec) in [
        ("avro-deflate", CompressionCodec::Deflate),
        ("avro-snappy", CompressionCodec::Snappy),
        ("avro-zstd", CompressionCodec::ZStandard),
        ("avro-bzip2", CompressionCodec::Bzip2),
        ("avro-xz", CompressionCodec::Xz),
    ] {
        files.push((name, avro(&batches, Some(codec))));
    }
    for (name, whole) in files {
        file(here, name, &whole);
        is_expected(here, name);
        assert_eq!(rows(here, &format!("SELECT count(*) AS n FROM '{name}'")), [r#"{"n":3}"#], "{name}");
        assert_eq!(rows(here, &format!("SELECT max(name) AS n FROM '{name}'")), [r#"{"n":"Zoë"}"#], "{name}");
        for cut in [whole.len() - 1, whole.len() - 9, whole.len() / 2, 12] {
            file(here, "cut", &whole[..cut]);
            refused(here, "SELECT * FROM 'cut'", &["`cut`"]);
        }
        let (_, packed) = packed(&whole).swap_remove(0);
        file(here, "packed", packed);
        is_expected(here, "packed");
    }
}

/// Bytes that were changed on the way are an error or another value, and never a crash, a loop or other rows.
#[test]
fn damaged_arrow_and_avro_files_end_in_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let batches = [batch()];
    let mut state = 1_u64;
    for (name, whole) in [
        ("stream", arrow_stream(&batches)),
        ("file", without_stream(arrow_file(&batches, None))),
        ("avro", avro(&batches, None)),
    ] {
        for _ in 0..40 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let place = usize::try_from(state >> 33).unwrap() % whole.len();
            let mut damaged = whole.clone();
            damaged[place] ^= 1 << (state % 8);
            file(here, name, &damaged);
            let said = sql(here, &format!("SELECT * FROM '{name}'"));
            assert!(matches!(said.code, 0 | 5), "byte {place} of {name}: {}", said.stderr);
            if said.code == 0 {
                assert_eq!(said.stdout.lines().count(), 3, "byte {place} of {name}");
            }
        }
    }
}

#[test]
fn files_that_describe_themselves_meet_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None].into_iter().collect();
    let one = RecordBatch::try_from_iter([
        ("id", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef),
        ("name", Arc::new(dictionary)),
    ]);
    let two = RecordBatch::try_from_iter([
        ("total", Arc::new(Float64Array::from(vec![2.5])) as ArrayRef),
        ("name", Arc::new(StringViewArray::from(vec!["b"]))),
        ("id", Arc::new(Int64Array::from(vec![5_000_000_000]))),
    ]);
    fs::create_dir(here.join("parts")).unwrap();
    file(here, "parts/1", arrow_stream(&[one.unwrap()]));
    file(here, "parts/2", arrow_file(&[two.unwrap()], None));
    assert_eq!(
        rows(here, "SELECT * FROM 'parts/' ORDER BY id"),
        [
            r#"{"id":1,"name":"a","total":null}"#,
            r#"{"id":2,"name":null,"total":null}"#,
            r#"{"id":5000000000,"name":"b","total":2.5}"#
        ]
    );
    let table = "CREATE EXTERNAL TABLE t (id VARCHAR, total DOUBLE) STORED AS ARROW LOCATION 'parts/';";
    let said = sql(here, &format!("{table} SELECT * FROM t ORDER BY id"));
    assert_eq!(said.stdout.lines().next(), Some(r#"{"id":"1","total":null}"#), "{}", said.stderr);
    let table = table.replace("total DOUBLE", "price DOUBLE");
    let said = sql(here, &format!("{table} SELECT * FROM t"));
    assert_eq!(said.code, 5);
    assert!(said.stderr.contains("`price`, which no file has"), "{}", said.stderr);
    let other = RecordBatch::try_from_iter([(
        "id",
        Arc::new(datafusion::arrow::array::BooleanArray::from(vec![true])) as ArrayRef,
    )]);
    file(here, "parts/3", arrow_stream(&[other.unwrap()]));
    refused(here, "SELECT * FROM 'parts/'", &["parts/3", "`id`", "Boolean"]);
}

#[test]
fn types_of_files_that_describe_themselves_widen_as_those_of_parquet_do() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let written = |name: &str, column: ArrayRef| {
        fs::create_dir_all(here.join(name).parent().unwrap()).unwrap();
        file(here, name, arrow_stream(&[RecordBatch::try_from_iter([("a", column)]).unwrap()]));
    };
    // The end of time has no nanoseconds in 64 bits.
    written("time/1", Arc::new(TimestampNanosecondArray::from(vec![1_000_000_000])));
    written("time/2", Arc::new(TimestampMicrosecondArray::from(vec![253_402_214_400_000_000])));
    assert_eq!(
        rows(here, "SELECT a FROM 'time/' ORDER BY a"),
        [r#"{"a":"1970-01-01T00:00:01"}"#, r#"{"a":"9999-12-31T00:00:00"}"#]
    );
    // An id would be `1001.0` in one file and `1001` in the other.
    written("text/1", Arc::new(StringArray::from(vec!["1001"])));
    written("text/2", Arc::new(Float64Array::from(vec![1001.0])));
    refused(here, "SELECT a FROM 'text/'", &["text/2", "`a`", "Float64"]);
    let cents = |cents: i128| {
        let cents = Decimal128Array::from(vec![cents]).with_precision_and_scale(20, 2).unwrap();
        Arc::new(cents) as ArrayRef
    };
    written("exact/1", cents(1386));
    written("exact/2", Arc::new(Float64Array::from(vec![0.5])));
    assert_eq!(rows(here, "SELECT a FROM 'exact/' ORDER BY a"), [r#"{"a":0.5}"#, r#"{"a":13.86}"#]);
    written("exact/1", cents(12_345_678_901_234_567_890));
    refused(here, "SELECT a FROM 'exact/'", &["exact/1", "`a`"]);
}

#[test]
fn what_is_no_table_is_called_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut tar = vec![b'a'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for (content, says) in [
        (b"PK\x03\x04rest".to_vec(), "spreadsheet"),
        (b"ORC\x11\0\0\n\x03\0\0\0".to_vec(), "ORC"),
        (b"<!DOCTYPE html><title>Sign in</title>".to_vec(), "a web page"),
        (b"  <?xml version='1.0'?><Error/>".to_vec(), "an XML document"),
        (tar, "a tar archive"),
        (b"SQLite format 3\0".to_vec(), "SQLite"),
        (b"\0\x01\x02\x03".to_vec(), "binary"),
        (b"PARE\x2c\x01\0\0\x8d".to_vec(), "encrypted"),
        (b"\x2c\x8d\xc1\x9f\0\0\0\0DUCK\x40\0\0\0\0\0\0\0".to_vec(), "DuckDB"),
        (br#"{"orders":[{"a":1},{"a":2}]}"#.to_vec(), "jq -c '.orders[]'"),
    ] {
        file(here, "data.csv", &content);
        refused(here, "SELECT * FROM 'data.csv'", &["`data.csv`", says]);
        file(here, "data.csv", &packed(&content)[0].1);
        refused(here, "SELECT * FROM 'data.csv'", &["`data.csv`", says]);
    }
}

#[test]
fn names_that_begin_like_another_format_are_names() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (name, content) in [
        ("parents", "PARENT_ID,EMAIL\n1,a\n"),
        ("orcids", "ORCID,EMAIL\n1,a\n"),
        ("ducks", "PARENT,,DUCKS,EMAIL\n1,,1,a\n"),
        ("short", "ORC\n7\n"),
    ] {
        file(here, name, content);
        assert_eq!(rows(here, &format!("SELECT count(*) AS n FROM '{name}'")), [r#"{"n":1}"#], "{name}");
    }
    file(here, "declared", "ORCID\u{1}EMAIL\n1\u{1}a\n");
    let table = "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'declared'; SELECT email FROM t";
    assert_eq!(said(postback(&["sql", table, "--format", "ndjson"]).current_dir(here)).stdout, "{\"email\":\"a\"}\n");
}

#[test]
fn a_dialect_is_seen_in_the_records() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (name, content) in [
        ("semicolons", "customer_id;name;total\n007;Ann, A.;1.5\n8;Bo, B.;2.25\n"),
        ("pipes", "customer_id|name|total\n007|Ann, A.|1.5\n8|Bo, B.|2.25\n"),
        ("hive", "customer_id\u{1}name\u{1}total\n007\u{1}Ann, A.\u{1}1.5\n8\u{1}Bo, B.\u{1}2.25\n"),
        ("tabs", "customer_id\tname\ttotal\n007\tAnn, A.\t1.5\n8\tBo, B.\t2.25\n"),
    ] {
        file(here, name, content);
        let names = rows(here, &format!("SELECT name, CAST(total AS DOUBLE) AS total FROM '{name}' ORDER BY total"));
        assert_eq!(names, [r#"{"name":"Ann, A.","total":1.5}"#, r#"{"name":"Bo, B.","total":2.25}"#], "{name}");
    }
    fs::create_dir(here.join("mixed")).unwrap();
    file(here, "mixed/1.csv", "a,b\n1,2\n");
    file(here, "mixed/2.csv", "a;b\n1;2\n");
    refused(here, "SELECT * FROM 'mixed/'", &["mixes formats", "mixed/1.csv", "mixed/2.csv"]);
}

/// Snowflake and Redshift write no names unless they are told to.
#[test]
fn a_first_line_that_is_a_row_comes_back_as_a_statement() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let content = "1,pat@b.example,12.50\n2,kim@b.example,8.00\n";
    file(here, "data_0_0_0.csv", content);
    let said = sql(here, "SELECT * FROM 'data_0_0_0.csv'");
    assert_eq!(said.code, 5, "{}", said.stderr);
    assert!(!said.stderr.contains("pat@"), "{}", said.stderr);
    let statement = "CREATE EXTERNAL TABLE rows_of_export (column_1 VARCHAR, column_2 VARCHAR, column_3 VARCHAR) \
        STORED AS CSV LOCATION 'data_0_0_0.csv' OPTIONS ('format.has_header' 'false');";
    assert!(said.stderr.contains(statement), "{}", said.stderr);
    for statement in [statement.to_owned(), statement.replace(" OPTIONS ('format.has_header' 'false')", "")] {
        let said = sql(here, &format!("{statement} SELECT column_3 FROM rows_of_export ORDER BY column_1"));
        assert_eq!(said.stdout, "{\"column_3\":\"12.50\"}\n{\"column_3\":\"8.00\"}\n", "{}", said.stderr);
    }
    // Declared names decide, whatever their case.
    file(here, "named.csv", format!("ID,EMAIL,TOTAL\n{content}"));
    let table =
        "CREATE EXTERNAL TABLE t (id VARCHAR, email VARCHAR, total VARCHAR) STORED AS CSV LOCATION 'named.csv';";
    let said = sql(here, &format!("{table} SELECT total FROM t ORDER BY id"));
    assert_eq!(said.stdout.lines().count(), 2, "{}{}", said.stdout, said.stderr);
    let said = sql(
        here,
        &format!("{} SELECT a FROM t", table.replace("id VARCHAR, email VARCHAR, total", "a VARCHAR, b VARCHAR, c")),
    );
    assert_eq!(said.code, 5, "{}", said.stdout);
    assert!(said.stderr.contains("has none of the names that the table declares"), "{}", said.stderr);
}

#[test]
fn options_that_are_misspelt_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    file(here, "a.csv", ROWS);
    for (table, says) in [
        ("STORED AS CSV LOCATION 'a.csv' OPTIONS ('format.delimeter' ';')", "did you mean `format.delimiter`?"),
        ("STORED AS ORC LOCATION 'a.csv'", "the formats are PARQUET"),
        ("STORED AS CSV LOCATION 'a.csv' OPTIONS ('format.encoding' 'utf-99')", "an encoding such as"),
        ("STORED AS CSV LOCATION 'a.csv' OPTIONS ('format.compression' 'rar')", "`none`, `gzip`"),
    ] {
        let said = sql(here, &format!("CREATE EXTERNAL TABLE t {table}; SELECT * FROM t"));
        assert_eq!(said.code, 2, "{table}: {}", said.stderr);
        assert!(said.stderr.contains(says), "{table}: {}", said.stderr);
    }
}
