//! Arrow and Avro files that lie: whatever happens to their bytes is an error or text, and nothing crashes.

use std::fs;
use std::sync::Arc;

use arrow_avro::compression::CompressionCodec;
use datafusion::arrow::array::{
    ArrayRef, BinaryArray, DictionaryArray, Int64Array, ListArray, RecordBatch, StringArray, StringViewArray,
};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::ipc::CompressionType;
use datafusion::prelude::SessionContext;
use postback::error::Error;
use postback::query::run_error;
use postback::sources::Sources;

use crate::bytes::is_text;
use crate::formats::{arrow_file, arrow_stream, avro, without_stream};
use crate::parquet::{Random, session, spoil};

/// Mutated files of each kind in the gate; `POSTBACK_MUTATIONS` asks for more.
const MUTATIONS: u64 = 600;

/// All batches of the file at `location`.
fn batches(context: &SessionContext, location: &str) -> Result<Vec<RecordBatch>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let state = context.state();
        let table = Sources::of(&state)?.open(&state, &[location.to_owned()], None).await?;
        context.register_table("t", table).map_err(run_error)?;
        context.sql("SELECT * FROM t").await.map_err(run_error)?.collect().await.map_err(run_error)
    })
}

/// Texts of several kinds, and bytes that are some.
fn texts(of_arrow: bool) -> Vec<RecordBatch> {
    let names = ["Ann", "Zoë", "a name of more than twelve letters", "𠮷田", ""];
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)]); 5]);
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5]))),
        ("name", Arc::new(StringArray::from(names.to_vec()))),
        ("bytes", Arc::new(BinaryArray::from_iter_values(names.map(str::as_bytes)))),
        ("list", Arc::new(list)),
    ];
    if of_arrow {
        columns.push(("view", Arc::new(StringViewArray::from(names.to_vec()))));
        columns.push(("kind", Arc::new(names.into_iter().collect::<DictionaryArray<Int32Type>>())));
    }
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    vec![batch.clone(), batch]
}

#[test]
fn mutated_arrow_and_avro_files_are_errors_or_text() {
    let folder = tempfile::tempdir().unwrap();
    let mutations = std::env::var("POSTBACK_MUTATIONS").map_or(MUTATIONS, |count| count.parse().unwrap());
    let (arrow, of_avro) = (texts(true), texts(false));
    for (name, whole) in [
        ("stream.arrows", arrow_stream(&arrow)),
        ("file.arrow", arrow_file(&arrow, None)),
        ("packed.arrow", arrow_file(&arrow, Some(CompressionType::ZSTD))),
        ("footer.arrow", without_stream(arrow_file(&arrow, None))),
        ("plain.avro", avro(&of_avro, None)),
        ("deflated.avro", avro(&of_avro, Some(CompressionCodec::Deflate))),
    ] {
        let path = folder.path().join(name);
        let location = path.to_str().unwrap();
        fs::write(&path, &whole).unwrap();
        assert_eq!(batches(&session(false), location).unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 10);
        let mut refused = 0;
        for seed in 1..=mutations {
            let mut bytes = whole.clone();
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            spoil(&mut bytes, &mut random);
            fs::write(&path, &bytes).unwrap();
            match batches(&session(false), location) {
                Err(error) => {
                    assert_eq!(error.exit_code(), 5, "{name}, seed {seed}: {error}");
                    refused += 1;
                }
                Ok(found) => {
                    let columns = found.iter().flat_map(RecordBatch::columns);
                    assert!(columns.into_iter().all(is_text), "{name}, seed {seed}");
                }
            }
        }
        assert!(refused > mutations / 8, "{name}: only {refused} of {mutations} were noticed");
    }
}

/// Every byte of every text in turn is one that no text has.
#[test]
fn a_text_with_a_wrong_byte_is_an_error_that_names_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let (arrow, of_avro) = (texts(true), texts(false));
    for (name, whole) in [
        ("stream.arrows", arrow_stream(&arrow)),
        ("file.arrow", arrow_file(&arrow, None)),
        ("footer.arrow", without_stream(arrow_file(&arrow, None))),
        ("plain.avro", avro(&of_avro, None)),
    ] {
        let path = folder.path().join(name);
        let places = whole.windows(4).enumerate().filter(|(_, bytes)| *bytes == b"lett" || *bytes == "𠮷".as_bytes());
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        assert!(places.len() > 5, "{name}");
        let mut told = 0;
        for place in &places {
            let mut bytes = whole.clone();
            bytes[*place] = 0xff;
            fs::write(&path, &bytes).unwrap();
            match batches(&session(false), path.to_str().unwrap()) {
                Err(error) => {
                    assert!(format!("{error:?}").contains(name) && error.exit_code() == 5, "{error:?}");
                    told += 1;
                }
                // A column of bytes may hold them.
                Ok(found) => assert!(found.iter().flat_map(RecordBatch::columns).all(is_text)),
            }
        }
        assert!(told * 2 >= places.len(), "{name}: {told} of {}", places.len());
    }
}
