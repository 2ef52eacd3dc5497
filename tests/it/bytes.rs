//! Bytes where text should be: whatever a file says of its columns, only UTF-8 becomes a text, and each other row is told.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::builder::{BinaryBuilder, ListBuilder, MapBuilder};
use datafusion::arrow::array::{
    Array, ArrayRef, BinaryArray, FixedSizeBinaryArray, Int64Array, RecordBatch, StringArray, StructArray,
};
use datafusion::arrow::datatypes::{DataType as ArrowType, Field, Schema};
use datafusion::prelude::{SessionConfig, SessionContext};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowWriter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::Encoding;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use postback::sources::{Options, Sources};

use crate::parquet::rows;
use crate::server::{file, postback, said};

/// Bytes that are no text.
const HOSTILE: [&[u8]; 14] = [
    b"Jos\xe9",
    b"\xff\xfe\x41\x00",
    b"\x80",
    b"\xc3",
    b"\xc0\xaf",
    b"\xe0\x80\x80",
    b"\xed\xa0\x80",
    b"\xed\xa1\x82\xed\xbe\xb7",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xf0\x9f\x98",
    b"a name of more than twelve letters \xe9",
    b"\xcc\xf0\xe5\xed\xe0",
    b"Ana\xc3\xa9\xa9",
];

/// A session that reads in `parts`, and takes files apart.
fn session(parts: usize) -> SessionContext {
    let sources = Sources::new(Options::default());
    let mut config = SessionConfig::new().with_target_partitions(parts).with_extension(Arc::new(sources));
    config.options_mut().optimizer.repartition_file_min_size = 0;
    SessionContext::new_with_config(config)
}

/// Where the rows stand that could not be read.
fn unread(context: &SessionContext) -> Vec<u64> {
    let sources = Sources::of(&context.state()).unwrap();
    let spots = sources.unread().spots();
    let mut lines: Vec<u64> = spots.iter().flat_map(|(.., spots)| spots.iter().map(|spot| spot.line)).collect();
    lines.sort_unstable();
    lines
}

/// The one column of `query` over `path`, and the rows that could not be read.
fn read(path: &Path, query: &str) -> (Vec<String>, Vec<u64>) {
    let context = session(1);
    let text = rows(&context, path.to_str().unwrap(), query).unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let cells = text.lines().filter(|line| line.starts_with('|')).skip(1);
    (cells.map(|line| line.trim_matches(['|', ' ']).to_owned()).collect(), unread(&context))
}

/// A file of one column called `fn`, as `message` describes it.
fn write_bytes(path: &Path, message: &str, values: &[&[u8]], properties: WriterProperties) {
    let schema = Arc::new(parse_message_type(message).unwrap());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let values: Vec<ByteArray> = values.iter().map(|value| ByteArray::from(value.to_vec())).collect();
    let levels = vec![1_i16; values.len()];
    let levels = message.contains("optional").then_some(levels.as_slice());
    column.typed::<ByteArrayType>().write_batch(&values, levels, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn binary(values: &[&[u8]]) -> ArrayRef {
    Arc::new(BinaryArray::from(values.to_vec()))
}

#[test]
fn a_row_that_is_no_text_is_told_however_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n.parquet");
    let encodings =
        [None, Some(Encoding::PLAIN), Some(Encoding::DELTA_LENGTH_BYTE_ARRAY), Some(Encoding::DELTA_BYTE_ARRAY)];
    let mut number = 0;
    for annotation in ["", "(UTF8)", "(STRING)", "(JSON)", "(ENUM)", "(BSON)"] {
        for repetition in ["required", "optional"] {
            for encoding in encodings {
                for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                    let bad = HOSTILE[number % HOSTILE.len()];
                    number += 1;
                    let properties = WriterProperties::builder().set_writer_version(version);
                    let properties = match encoding {
                        Some(encoding) => properties.set_dictionary_enabled(false).set_encoding(encoding),
                        None => properties,
                    };
                    let message = format!("message m {{ {repetition} binary fn {annotation}; }}");
                    let values = [b"Ana".as_slice(), bad, b"Zo\xc3\xab", bad, b"Ana"];
                    write_bytes(&path, &message, &values, properties.build());
                    let context = || format!("{message} {encoding:?} {version:?} {}", bad.escape_ascii());
                    for query in ["SELECT fn FROM t", "SELECT fn FROM t WHERE fn > 'A'", "SELECT fn FROM t LIMIT 3"] {
                        let found = read(&path, query);
                        assert_eq!(found.0, ["Ana", "Zoë", "Ana"], "{query}: {}", context());
                        assert_eq!(found.1, [2, 4], "{query}: {}", context());
                    }
                    // The rest is about queries.
                    if number % 6 != 0 {
                        continue;
                    }
                    assert_eq!(read(&path, "SELECT upper(fn) FROM t").0, ["ANA", "ZOË", "ANA"], "{}", context());
                    assert_eq!(read(&path, "SELECT fn FROM t WHERE fn = 'Zoë'").0, ["Zoë"], "{}", context());
                    assert_eq!(read(&path, "SELECT fn FROM t WHERE fn IN ('x', 'Zoë', 'y', 'z', 'w')").0, ["Zoë"]);
                    assert_eq!(read(&path, "SELECT count(*) FROM t").0, ["5"]);
                }
            }
        }
    }
}

#[test]
fn each_kind_of_wrong_bytes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n.parquet");
    for bad in HOSTILE {
        for message in ["message m { required binary fn (UTF8); }", "message m { required binary fn; }"] {
            write_bytes(&path, message, &[bad, b"ok"], WriterProperties::default());
            assert_eq!(read(&path, "SELECT fn FROM t"), (vec!["ok".to_owned()], vec![1]), "{}", bad.escape_ascii());
        }
    }
    // All of them, and nothing else.
    write_bytes(&path, "message m { required binary fn; }", &HOSTILE, WriterProperties::default());
    assert_eq!(read(&path, "SELECT fn FROM t").1.len(), HOSTILE.len());
}

#[test]
fn what_the_schema_of_another_says_makes_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n.parquet");
    let dictionary = ArrowType::Dictionary(Box::new(ArrowType::Int32), Box::new(ArrowType::Utf8));
    for claimed in [ArrowType::Utf8, ArrowType::LargeUtf8, ArrowType::Utf8View, ArrowType::LargeBinary, dictionary] {
        let mut properties = WriterProperties::default();
        let schema = Schema::new(vec![Field::new("fn", claimed.clone(), false)]);
        add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
        let batch = RecordBatch::try_from_iter([("fn", binary(&[b"Ana", b"Jos\xe9", b"Bo"]))]).unwrap();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let mut writer =
            ArrowWriter::try_new_with_options(File::create(&path).unwrap(), batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert_eq!(read(&path, "SELECT fn FROM t"), (vec!["Ana".into(), "Bo".into()], vec![2]), "{claimed}");
    }
}

#[test]
fn bytes_inside_of_lists_structs_and_maps_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n.parquet");
    let mut list = ListBuilder::new(BinaryBuilder::new());
    let mut map = MapBuilder::new(None, BinaryBuilder::new(), BinaryBuilder::new());
    // The second row is wrong in the list, the third in the map's key, the fourth in its value, the fifth in the struct.
    for row in 1..=6 {
        list.values().append_value(b"a");
        list.values().append_value(if row == 2 { b"\xe9".as_slice() } else { b"b" });
        list.append(true);
        map.keys().append_value(if row == 3 { b"k\xff".as_slice() } else { b"k" });
        map.values().append_value(if row == 4 { b"\xc3".as_slice() } else { b"v" });
        map.append(true).unwrap();
    }
    let members: Vec<&[u8]> = (1..=6).map(|row| if row == 5 { b"\xed\xa0\x80".as_slice() } else { b"m" }).collect();
    for is_nullable in [true, false] {
        let member = Arc::new(Field::new("name", ArrowType::Binary, is_nullable));
        let number = Arc::new(Field::new("n", ArrowType::Int64, false));
        let numbers: ArrayRef = Arc::new(Int64Array::from((1..=6).collect::<Vec<_>>()));
        let whole = StructArray::from(vec![(member, binary(&members)), (number, Arc::clone(&numbers))]);
        let columns = vec![
            ("id", numbers),
            ("l", Arc::new(list.finish_cloned()) as ArrayRef),
            ("m", Arc::new(map.finish_cloned()) as ArrayRef),
            ("s", Arc::new(whole) as ArrayRef),
        ];
        write(&path, columns, WriterProperties::default());
        for (query, expected, told) in [
            ("SELECT l[2] FROM t", "b", &[2][..]),
            ("SELECT m['k'] FROM t", "v", &[3, 4]),
            ("SELECT s['name'] FROM t", "m", &[5]),
        ] {
            let (found, unread) = read(&path, query);
            assert_eq!((found, unread.as_slice()), (vec![expected.to_owned(); 6 - told.len()], told), "{query}");
        }
        assert_eq!(read(&path, "SELECT id FROM t WHERE s['name'] = 'm' AND l[1] = 'a' AND m['k'] = 'v'").0, ["1", "6"]);
        assert_eq!(read(&path, "SELECT id FROM t").0.len(), 6);
    }
}

#[test]
fn a_row_has_its_number_whoever_reads_it_and_what_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n.parquet");
    let bad = [1_i64, 2, 99, 100, 101, 555, 999, 1_000];
    let names: Vec<&[u8]> =
        (1..=1_000).map(|row| if bad.contains(&row) { b"Jos\xe9".as_slice() } else { b"Ana" }).collect();
    let ids: ArrayRef = Arc::new(Int64Array::from((1..=1_000).collect::<Vec<_>>()));
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(100))
        .set_data_page_row_count_limit(10)
        .set_write_batch_size(5)
        .set_statistics_enabled(EnabledStatistics::Page);
    write(&path, vec![("id", ids), ("fn", binary(&names))], properties.build());
    for parts in [1, 4] {
        for (query, kept) in [
            ("SELECT fn, id FROM t", 1..=1_000),
            ("SELECT fn, id FROM t WHERE id > 500", 501..=1_000),
            ("SELECT fn, id FROM t WHERE id BETWEEN 95 AND 104", 91..=110),
            ("SELECT fn, id FROM t WHERE fn <> 'x' ORDER BY id", 1..=1_000),
        ] {
            for filters in ["false", "true"] {
                let context = session(parts);
                let set = context.state_ref();
                let name = "datafusion.execution.parquet.pushdown_filters";
                set.write().config_mut().options_mut().set(name, filters).unwrap();
                rows(&context, path.to_str().unwrap(), query).unwrap();
                let told: Vec<u64> =
                    bad.iter().filter(|row| kept.contains(*row)).map(|row| u64::try_from(*row).unwrap()).collect();
                assert_eq!(unread(&context), told, "{query}, {parts} parts, {filters}");
            }
        }
    }
}

/// The rows of two files, of which a query is sent to `check`, `preview` and `run --dry-run`.
#[test]
fn a_row_without_text_is_a_reject_and_the_others_go_out() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let ids = || Arc::new(StringArray::from(vec!["1", "2", "3"])) as ArrayRef;
    let digest = |byte: u8| [byte; 32];
    let [one, two, three] = [digest(0xa1), digest(0xb2), digest(0xc3)];
    let mails = StringArray::from(vec!["a@example.com", "b@example.com", "c@example.com"]);
    let columns = vec![
        ("id", ids()),
        ("email", Arc::new(mails) as ArrayRef),
        ("fn", binary(&[b"Jos\xe9", b"Ana", b"Bo"])),
        ("digest", binary(&[&one, &two, &three])),
        ("fixed", Arc::new(FixedSizeBinaryArray::try_from_iter([one, two, three].into_iter()).unwrap()) as ArrayRef),
    ];
    write(&here.join("n.parquet"), columns, WriterProperties::default());
    let query = |extra: &str| {
        let head = "SET postback.event_source = 'web'; SET postback.event_source_id = 'CABCDEFGHIJ0123456K0';
            SET postback.as_of = '2026-11-30T00:00:00Z';";
        let text = format!(
            "{head} SELECT 'Purchase' AS event, id AS order_id, id AS event_id, 1795000000 AS timestamp, {extra},
            'https://x.example/' AS page_url, 5 AS value, 'USD' AS currency FROM 'n.parquet'"
        );
        file(here, "q.sql", &text)
    };
    let ran = |query: &str| {
        let said = said(postback(&["run", query, "--dry-run", "--max-rejects", "100%"]).current_dir(here));
        (said.code, said.stdout + &said.stderr)
    };
    let (code, text) = ran(&query("email, fn AS first_name"));
    assert!(
        code != 101 && text.contains("unread[PB3411]: bytes in its column `fn` that are not UTF-8, 1 row"),
        "{text}"
    );
    assert!(text.contains("n.parquet row 1"), "{text}");
    let (_, text) = ran(&query("digest AS email"));
    assert!(text.contains("unread[PB3412]: 32 bytes in its column `digest`") && text.contains("'hex'"), "{text}");
    // What the help says works, for bytes of one length and of any.
    for column in ["digest", "fixed"] {
        let sql = format!("SELECT encode({column}, 'hex') AS d FROM 'n.parquet' ORDER BY d LIMIT 1");
        let said = said(postback(&["sql", &sql, "--format", "ndjson"]).current_dir(here));
        assert_eq!(said.stdout, format!("{{\"d\":\"{}\"}}\n", "a1".repeat(32)), "{}", said.stderr);
        let (code, text) = ran(&query(&format!("encode({column}, 'hex') AS email")));
        assert!(code == 0 && !text.contains("unread"), "{text}");
    }
    let check = said(postback(&["check", &query("fixed AS email")]).current_dir(here));
    assert!(check.code != 0 && (check.stdout + &check.stderr).contains("encode(…, 'hex')"));
    let declared = "CREATE EXTERNAL TABLE t (id VARCHAR, digest BYTEA) STORED AS PARQUET LOCATION 'n.parquet';
        SELECT encode(digest, 'hex') AS d FROM t WHERE digest IS NOT NULL ORDER BY id LIMIT 1";
    let said = said(postback(&["sql", declared, "--format", "ndjson"]).current_dir(here));
    assert_eq!(said.stdout, format!("{{\"d\":\"{}\"}}\n", "a1".repeat(32)), "{}", said.stderr);
}

/// Bytes become text in a query as well, and only if they are.
#[test]
fn no_function_makes_text_of_wrong_bytes() {
    let context = session(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for bad in ["e9", "ff", "c3", "eda080", "c0af", "f4908080"] {
        let bytes = format!("decode('{bad}', 'hex')");
        for expression in [
            format!("CAST({bytes} AS VARCHAR)"),
            format!("TRY_CAST({bytes} AS VARCHAR)"),
            format!("arrow_cast({bytes}, 'Utf8')"),
            format!("arrow_cast({bytes}, 'LargeUtf8')"),
            format!("arrow_cast({bytes}, 'Utf8View')"),
            format!("arrow_cast(arrow_cast({bytes}, 'BinaryView'), 'Utf8View')"),
            format!("arrow_cast(arrow_cast({bytes}, 'LargeBinary'), 'Utf8View')"),
            format!("arrow_cast(arrow_cast({bytes}, 'Dictionary(Int32, Binary)'), 'Utf8View')"),
            format!("arrow_cast({bytes}, 'Dictionary(Int32, Utf8)')"),
            format!("concat('a', {bytes})"),
            format!("'a' || {bytes}"),
            format!("lower({bytes})"),
            format!("regexp_replace({bytes}, 'a', 'b')"),
        ] {
            let found = runtime.block_on(async {
                let batches = context.sql(&format!("SELECT {expression} AS x")).await?.collect().await?;
                Ok::<_, datafusion::error::DataFusionError>(batches)
            });
            let Ok(batches) = found else { continue };
            for batch in batches {
                assert!(is_text(batch.column(0)), "{expression}");
            }
        }
    }
}

/// Whether all text in `array` is some.
pub(crate) fn is_text(array: &ArrayRef) -> bool {
    let data = array.to_data();
    data.validate_full().is_ok()
}

#[test]
fn a_folder_of_bytes_and_texts_is_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let plain = "message m { required binary fn; }";
    write_bytes(&here.join("a.parquet"), plain, &[b"Ana", b"\xe9"], WriterProperties::default());
    let text: ArrayRef = Arc::new(StringArray::from(vec!["Bo"]));
    write(&here.join("b.parquet"), vec![("fn", text)], WriterProperties::default());
    write(
        &here.join("c.parquet"),
        vec![("fn", Arc::new(Int64Array::from(vec![7])) as ArrayRef)],
        WriterProperties::default(),
    );
    let (mut found, told) = read(here, "SELECT fn FROM t");
    found.sort();
    assert_eq!((found, told), (vec!["7".into(), "Ana".into(), "Bo".into()], vec![2]));
    fs::remove_file(here.join("c.parquet")).unwrap();
}
