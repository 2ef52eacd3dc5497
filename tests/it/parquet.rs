//! Parquet files as warehouses leave them: unlike each other, of every type, damaged and forged.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int32Array,
    Int64Array, MapBuilder, RecordBatch, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{Field, Int32Type};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::{SessionConfig, SessionContext};
use parquet::arrow::ArrowWriter;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int96, Int96Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use postback::error::Error;
use postback::query::run_error;
use postback::sources::{Options, Sources};

use crate::server::{Answer, OK, Server, arrived, file, postback, root, said};
use crate::volume::printed;

/// Mutated files in the gate; `POSTBACK_MUTATIONS` asks for more.
const MUTATIONS: u64 = 2_000;

/// Runs `query` from `folder` as a user of `postback sql` would: exit code, and what was said.
fn sql(folder: &Path, query: &str) -> (i32, String) {
    let said = said(postback(&["sql", query, "--format", "ndjson"]).current_dir(folder));
    (said.code, if said.code == 0 { said.stdout } else { said.stderr })
}

/// `query` gives these `lines`.
fn gives(folder: &Path, query: &str, lines: &[&str]) {
    let (code, text) = sql(folder, query);
    assert_eq!((code, text.lines().collect::<Vec<_>>()), (0, lines.to_vec()), "{query}");
}

/// `query` ends with exit code 5 and says all of `words`.
fn refused(folder: &Path, query: &str, words: &[&str]) {
    let (code, text) = sql(folder, query);
    assert_eq!(code, 5, "{query}: {text}");
    for word in words {
        assert!(text.contains(word), "{query}: no `{word}` in\n{text}");
    }
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    write_with(path, columns, WriterProperties::new());
}

fn write_with(path: &Path, columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A file of one column, as `message` describes it, with `levels` of definition and repetition.
fn write_column<T: DataType>(path: &Path, message: &str, values: &[T::T], levels: Option<(&[i16], &[i16])>) {
    let schema = Arc::new(parse_message_type(message).unwrap());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::default()).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    let (definition, repetition) = levels.unzip();
    column.typed::<T>().write_batch(values, definition, repetition).unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    writer.close().unwrap();
}

/// A session that opens sources, in this process.
pub(crate) fn session(skip_bad_files: bool) -> SessionContext {
    let sources = Sources::new(Options { skip_bad_files, ..Options::default() });
    let config = SessionConfig::new().with_target_partitions(1).with_extension(Arc::new(sources));
    SessionContext::new_with_config(config)
}

/// Registers `location` as `t` in `context`, and gives the rows of `query` as a table in text.
pub(crate) fn rows(context: &SessionContext, location: &str, query: &str) -> Result<String, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let state = context.state();
        let table = Sources::of(&state)?.open(&state, &[location.to_owned()], None).await?;
        context.deregister_table("t").map_err(run_error)?;
        context.register_table("t", table).map_err(run_error)?;
        let batches = context.sql(query).await.map_err(run_error)?.collect().await.map_err(run_error)?;
        Ok(pretty_format_batches(&batches).unwrap().to_string())
    })
}

/// What the sources of `context` have to say.
fn notes(context: &SessionContext) -> Vec<String> {
    let reports = Sources::of(&context.state()).unwrap().reports();
    reports.into_iter().flat_map(|report| report.notes).map(|note| note.message).collect()
}

#[test]
fn files_that_differ_are_one_table_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let text = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let cents = Decimal128Array::from(vec![1050, 99]).with_precision_and_scale(10, 2).unwrap();
    let dictionary: DictionaryArray<Int32Type> = ["c", "d"].into_iter().collect();
    write(
        &here.join("a.parquet"),
        vec![
            ("id", Arc::new(Int32Array::from(vec![1, 2]))),
            ("name", text(["a", "b"])),
            ("total", Arc::new(cents)),
            ("day", Arc::new(Date32Array::from(vec![20_000, 20_001]))),
            ("at", Arc::new(TimestampNanosecondArray::from(vec![1_000_000_000, 2_000_000_000]))),
        ],
    );
    write(
        &here.join("b.parquet"),
        vec![
            ("at", Arc::new(TimestampMillisecondArray::from(vec![3_000, 253_402_214_400_000]))),
            ("total", Arc::new(Int64Array::from(vec![7, i64::MAX]))),
            ("name", Arc::new(dictionary)),
            ("extra", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("day", Arc::new(TimestampMicrosecondArray::from(vec![1_000_000, 2_000_000]))),
            ("id", Arc::new(Int64Array::from(vec![3, 1 << 40]))),
        ],
    );
    // An empty part among the others, as Spark leaves it.
    write(&here.join("c.parquet"), vec![("id", Arc::new(Int32Array::from(Vec::<i32>::new())))]);
    let query = "SELECT id, name, total, extra, day, at FROM '*.parquet' ORDER BY id";
    gives(
        here,
        query,
        &[
            r#"{"id":1,"name":"a","total":10.50,"extra":null,"day":"2024-10-04T00:00:00","at":"1970-01-01T00:00:01"}"#,
            r#"{"id":2,"name":"b","total":0.99,"extra":null,"day":"2024-10-05T00:00:00","at":"1970-01-01T00:00:02"}"#,
            r#"{"id":3,"name":"c","total":7.00,"extra":true,"day":"1970-01-01T00:00:01","at":"1970-01-01T00:00:03"}"#,
            r#"{"id":1099511627776,"name":"d","total":9223372036854775807.00,"extra":null,"day":"1970-01-01T00:00:02","at":"9999-12-31T00:00:00"}"#,
        ],
    );
    let context = session(false);
    rows(&context, &format!("{}/*.parquet", here.display()), "SELECT * FROM t").unwrap();
    let notes = notes(&context).join("\n").replace(&format!("{}/", here.display()), "");
    for note in [
        "`id` is Int32 in `a.parquet` and Int64 in `b.parquet`: read as Int64",
        "`total` is Decimal128(10, 2) in `a.parquet` and Int64 in `b.parquet`: read as Decimal128(21, 2)",
        "`c.parquet` has no column `name`: it is NULL in its rows",
        "2 of 3 files, such as `a.parquet`, have no column `extra`: it is NULL there",
    ] {
        assert!(notes.contains(note), "no {note} in\n{notes}");
    }
}

#[test]
fn types_without_a_common_one_are_refused_by_file_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let local: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]));
    let instant: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC"));
    let flag: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    for (one, other, says) in [(&local, &instant, "local time without zone"), (&flag, &local, "read the files as two")]
    {
        write(&here.join("a.parquet"), vec![("at", Arc::clone(one))]);
        write(&here.join("b.parquet"), vec![("at", Arc::clone(other))]);
        refused(here, "SELECT * FROM '*.parquet'", &["`at` is ", "`a.parquet`", "`b.parquet`", says]);
    }
    // A whole number that a double cannot hold is not bent.
    write(&here.join("a.parquet"), vec![("at", Arc::new(Int64Array::from(vec![(1 << 53) + 1])))]);
    write(&here.join("b.parquet"), vec![("at", Arc::new(Float64Array::from(vec![0.5])))]);
    refused(here, "SELECT * FROM '*.parquet'", &["`at` holds a number", "cannot hold exactly", "a.parquet"]);
}

#[test]
fn every_type_reads_as_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let path = here.join("t.parquet");
    let half = cast(&Float64Array::from(vec![1.5]), &datafusion::arrow::datatypes::DataType::Float16).unwrap();
    let dictionary: DictionaryArray<Int32Type> = ["DE"].into_iter().collect();
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_value("v");
    map.append(true).unwrap();
    let nested = StructArray::from(vec![(
        Arc::new(Field::new("a", datafusion::arrow::datatypes::DataType::Int64, true)),
        Arc::new(Int64Array::from(vec![None])) as ArrayRef,
    )]);
    let wide = |digits: i128, precision, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(vec![digits]).with_precision_and_scale(precision, scale).unwrap())
    };
    write(
        &path,
        vec![
            ("half", half),
            ("country", Arc::new(dictionary)),
            ("bytes", Arc::new(BinaryArray::from(vec![&b"G\xc3\xb6te"[..]]))),
            ("s", Arc::new(TimestampSecondArray::from(vec![1]))),
            ("ms", Arc::new(TimestampMillisecondArray::from(vec![1_000]).with_timezone("UTC"))),
            ("ns", Arc::new(TimestampNanosecondArray::from(vec![1_000_000_000]).with_timezone("+00:00"))),
            ("id", wide(12_345_678_901_234_567_890_123, 38, 0)),
            ("amount", wide(-1, 38, 9)),
            ("map", Arc::new(map.finish())),
            ("nested", Arc::new(nested)),
            ("payload", Arc::new(StringArray::from(vec![r#"{"email":"a@b.example","n":[1,2.50]}"#]))),
        ],
    );
    for (select, expected) in [
        ("half, country, bytes", r#"{"half":1.5,"country":"DE","bytes":"Göte"}"#),
        ("s, ms, ns", r#"{"s":"1970-01-01T00:00:01","ms":"1970-01-01T00:00:01Z","ns":"1970-01-01T00:00:01Z"}"#),
        ("concat(id, '') AS id, amount", r#"{"id":"12345678901234567890123","amount":-0.000000001}"#),
        ("map['k'] AS k, nested.a IS NULL AS a", r#"{"k":"v","a":true}"#),
        (
            "payload ->> 'email' AS email, CAST(payload -> 'n' ->> 1 AS DECIMAL(9, 2)) AS n",
            r#"{"email":"a@b.example","n":2.50}"#,
        ),
    ] {
        gives(here, &format!("SELECT {select} FROM 't.parquet'"), &[expected]);
    }
}

#[test]
fn json_text_becomes_events_and_keeps_its_digits() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let payload = r#"{"email":"a@b.example","order":{"id":"007","total":12345678901234567.10}}"#;
    write(&here.join("t.parquet"), vec![("PAYLOAD", Arc::new(StringArray::from(vec![payload])))]);
    let query = r#"SET postback.event_source = 'offline'; SET postback.event_source_id = '7654321098765432109';
        SET postback.as_of = '2025-12-07T12:00:00Z'; SET postback.currency = 'USD';
        SELECT 'Purchase' AS event, "PAYLOAD" -> 'order' ->> 'id' AS order_id, "PAYLOAD" ->> 'email' AS email,
            CAST("PAYLOAD" -> 'order' ->> 'total' AS DECIMAL(20, 2)) AS value, 1764900000 AS timestamp
        FROM 't.parquet'"#;
    let query = file(here, "q.sql", query);
    let server = Server::answering([Answer::ok(OK)]);
    let said = said(&mut postback(&["run", &query, "--base-url", &server.url]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    let events = arrived(&server).join("\n");
    assert!(events.contains(r#""order_id":"007","currency":"USD","value":12345678901234567.1"#), "{events}");
}

#[test]
fn what_old_writers_leave_reads_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let texts = |texts: &[&str]| texts.iter().map(|text| ByteArray::from(*text)).collect::<Vec<_>>();
    // A list of two levels: the repeated field is the element.
    let legacy = "message m { optional group mails (LIST) { repeated binary array (UTF8); } }";
    let levels: (&[i16], &[i16]) = (&[2, 2, 1, 0], &[0, 1, 0, 0]);
    write_column::<ByteArrayType>(&here.join("list.parquet"), legacy, &texts(&["a", "b"]), Some(levels));
    gives(
        here,
        "SELECT mails FROM 'list.parquet'",
        &[r#"{"mails":["a","b"]}"#, r#"{"mails":[]}"#, r#"{"mails":null}"#],
    );
    let uuid = FixedLenByteArray::from((0..16).map(|index| index * 17).collect::<Vec<u8>>());
    let message = "message m { required fixed_len_byte_array(16) id (UUID); }";
    write_column::<FixedLenByteArrayType>(&here.join("uuid.parquet"), message, &[uuid], None);
    gives(here, "SELECT id FROM 'uuid.parquet'", &[r#"{"id":"00112233-4455-6677-8899-aabbccddeeff"}"#]);
    write_column::<ByteArrayType>(
        &here.join("plain.parquet"),
        "message m { required binary id; }",
        &texts(&["007"]),
        None,
    );
    gives(here, "SELECT id FROM 'plain.parquet'", &[r#"{"id":"007"}"#]);
    // The days that mean "never" and "unknown": read as they are, so that the rules for times reject them.
    let days = [2_440_588, 5_373_484, 1_721_426].map(|day| Int96::from(vec![0, 0, day]));
    write_column::<Int96Type>(&here.join("int96.parquet"), "message m { required int96 at; }", &days, None);
    gives(
        here,
        "SELECT at FROM 'int96.parquet'",
        &[r#"{"at":"1970-01-01T00:00:00Z"}"#, r#"{"at":"9999-12-31T00:00:00Z"}"#, r#"{"at":"0001-01-01T00:00:00Z"}"#],
    );
}

#[test]
fn row_groups_and_folders_that_a_window_excludes_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let day = |day: i64| {
        let times = (0..1_000).map(|row| (day * 86_400 + row * 86) * 1_000_000);
        let noise = (0..1_000).map(|row| format!("{:x}", (row + day) * 2_654_435_761 % 4_294_967_296));
        vec![
            ("at", Arc::new(times.map(Some).collect::<TimestampMicrosecondArray>()) as ArrayRef),
            ("note", Arc::new(noise.map(Some).collect::<StringArray>()) as ArrayRef),
        ]
    };
    for number in [20_000, 20_001] {
        let name = format!("day={}", ["2024-10-04", "2024-10-05"][usize::try_from(number - 20_000).unwrap()]);
        fs::create_dir(here.join(&name)).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
        write_with(&here.join(name).join("part.parquet"), day(number), properties);
    }
    let context = session(false);
    let location = format!("{}/", here.display());
    let metric = |query: &str, name: &str| {
        let text = rows(&context, &location, &format!("EXPLAIN ANALYZE {query}")).unwrap();
        let found = text.split(&format!("{name}=")).nth(1).unwrap_or_else(|| panic!("no {name} in {text}"));
        found.split([',', ']']).next().unwrap().to_owned()
    };
    let all = "SELECT at, note FROM t";
    let some = format!("{all} WHERE at >= TIMESTAMP '2024-10-05T22:00:00'");
    let one = format!("{all} WHERE day = DATE '2024-10-04'");
    assert!(
        metric(&some, "row_groups_pruned_statistics").starts_with("20 total → 1 matched"),
        "{}",
        metric(&some, "row_groups_pruned_statistics")
    );
    assert!(metric(&one, "row_groups_pruned_statistics").starts_with("10 total → 10 matched"));
    let bytes = |query: &str| printed(&metric(query, "bytes_scanned"));
    let whole = bytes(all);
    assert!(bytes(&some) * 8.0 < whole, "{} of {whole} bytes for one of twenty row groups", bytes(&some));
    assert!(bytes(&one) * 1.8 < whole, "{} of {whole} bytes for one of two folders", bytes(&one));
    let of_column = bytes("SELECT at FROM t");
    assert!(of_column > 0.0 && of_column < whole * 0.7, "columns that nobody asks for are not read: {of_column}");
}

/// `whole` with one bit flipped in the fourth column of its second row group.
fn flipped(whole: &[u8]) -> Vec<u8> {
    let reader = SerializedFileReader::new(bytes::Bytes::copy_from_slice(whole)).unwrap();
    let (start, length) = reader.metadata().row_group(1).column(3).byte_range();
    let mut flipped = whole.to_vec();
    flipped[usize::try_from(start + length - 3).unwrap()] ^= 4;
    flipped
}

#[test]
fn damage_and_forgery_name_the_file_and_the_row_group() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let whole = fs::read(root().join("tests/data/checksums_1.parquet")).unwrap();
    let footer = whole.len() - 8;
    let mut forged = whole.clone();
    forged[footer..footer + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    file(here, "length.parquet", forged);
    let mut encrypted = whole.clone();
    encrypted[footer + 7] = b'E';
    file(here, "encrypted.parquet", encrypted);
    file(here, "cut.parquet", &whole[..whole.len() / 2]);
    file(here, "flipped.parquet", flipped(&whole));
    refused(
        here,
        "SELECT * FROM 'length.parquet'",
        &["`length.parquet` is no readable Parquet file", "more bytes than it can have"],
    );
    refused(here, "SELECT * FROM 'encrypted.parquet'", &["`encrypted.parquet` is an encrypted Parquet file"]);
    refused(here, "SELECT * FROM 'cut.parquet'", &["`cut.parquet` is no readable Parquet file", "half-way"]);
    refused(here, "SELECT * FROM 'flipped.parquet'", &["`flipped.parquet` is damaged", "row group", "2", "total"]);
    // What is not asked for is not read.
    assert_eq!(sql(here, "SELECT order_id FROM 'flipped.parquet'").0, 0);
}

#[test]
fn a_bad_file_is_left_out_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let whole = fs::read(root().join("tests/data/checksums_2.parquet")).unwrap();
    file(here, "a.parquet", &whole[..whole.len() - 1]);
    file(here, "b.parquet", &whole);
    file(here, "c.parquet", flipped(&whole));
    let location = format!("{}/*.parquet", here.display());
    let count = "SELECT count(*) AS n, count(DISTINCT order_id) AS d FROM t";
    assert!(rows(&session(false), &location, count).is_err());
    let context = session(true);
    assert!(rows(&context, &location, count).unwrap().contains("| 600 | 600 |"));
    let sources = Sources::of(&context.state()).unwrap();
    let files =
        sources.unread().files().into_iter().map(|left_out| left_out.file.rsplit('/').next().unwrap().to_owned());
    assert_eq!(files.collect::<Vec<_>>(), ["a.parquet", "c.parquet"]);
}

#[test]
fn a_forged_page_index_is_an_error_and_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let path = here.join("a.parquet");
    let properties = WriterProperties::builder().set_data_page_row_count_limit(100).set_write_batch_size(100);
    let numbers: ArrayRef = Arc::new(Int64Array::from((0..1_000).collect::<Vec<_>>()));
    write_with(&path, vec![("n", numbers)], properties.build());
    let whole = fs::read(&path).unwrap();
    let query = "SELECT count(*) AS n FROM 'a.parquet' WHERE n > 900";
    gives(here, query, &[r#"{"n":99}"#]);
    let reader = SerializedFileReader::new(bytes::Bytes::from(whole.clone())).unwrap();
    let chunk = reader.metadata().row_group(0).column(0);
    // Two thousand million entries.
    let forged = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07];
    for offset in [chunk.offset_index_offset(), chunk.column_index_offset()] {
        let offset = usize::try_from(offset.unwrap()).unwrap();
        let mut bytes = whole.clone();
        bytes[offset..offset + forged.len()].copy_from_slice(&forged);
        fs::write(&path, bytes).unwrap();
        refused(here, query, &["`a.parquet` is damaged", "page index"]);
    }
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// One way to spoil `bytes`, and the first place that differs.
pub(crate) fn spoil(bytes: &mut Vec<u8>, random: &mut Random) -> usize {
    let place = random.below(bytes.len());
    let byte = u8::try_from(random.below(256)).unwrap();
    match random.below(8) {
        0..=2 => bytes[place] ^= 1 << random.below(8),
        3 => bytes[place] = byte,
        4 => {
            let end = (place + 1 + random.below(64)).min(bytes.len());
            bytes[place..end].fill(byte);
        }
        5 => bytes.truncate(place),
        6 => bytes.insert(place, byte),
        _ => {
            // Footers are short, and the best place to lie.
            let last = bytes.len() - 1 - random.below(bytes.len().min(3_000));
            bytes[last] ^= 1 << random.below(8);
            return last;
        }
    }
    place
}

/// Whatever happens to a file is an error or nothing: pages have checksums here, so that no value changes unseen. Footers
/// have none; what is changed there must not crash, hang, or take memory.
#[test]
fn mutated_files_are_errors_or_read_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let mutations = std::env::var("POSTBACK_MUTATIONS").map_or(MUTATIONS, |count| count.parse().unwrap());
    // The second one reads statistics and the index of pages.
    let queries = ["SELECT * FROM t", "SELECT * FROM t WHERE quantity BETWEEN 10000 AND 20000 AND weight < 40"];
    for name in ["checksums_1.parquet", "checksums_2.parquet"] {
        let whole = fs::read(root().join("tests/data").join(name)).unwrap();
        let path = folder.path().join(name);
        let location = path.to_str().unwrap();
        fs::write(&path, &whole).unwrap();
        let expected = queries.map(|query| rows(&session(false), location, query).unwrap());
        assert_ne!(expected[0], expected[1]);
        let reader = SerializedFileReader::new(bytes::Bytes::from(whole.clone())).unwrap();
        let mut end = 0;
        for group in reader.metadata().row_groups() {
            for chunk in group.columns() {
                assert!(chunk.offset_index_offset().is_some());
                let (start, length) = chunk.byte_range();
                end = end.max(start + length);
            }
        }
        let mut refused = 0;
        for seed in 1..=mutations / 2 {
            let mut bytes = whole.clone();
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let place = spoil(&mut bytes, &mut random);
            fs::write(&path, &bytes).unwrap();
            let is_page = place < usize::try_from(end).unwrap();
            let mut is_refused = false;
            let one = usize::from(seed % 4 == 0);
            for number in if is_page { one..=one } else { 0..=1 } {
                match rows(&session(false), location, queries[number]) {
                    Err(error) => {
                        assert_eq!(error.exit_code(), 5, "{name}, seed {seed}: {error}");
                        is_refused = true;
                    }
                    Ok(found) => assert!(
                        !is_page || found == expected[number],
                        "{name}, seed {seed}: other rows, from byte {place}"
                    ),
                }
            }
            refused += u64::from(is_refused);
        }
        assert!(refused > mutations / 8, "{name}: only {refused} of {mutations} were noticed");
    }
}
