//! Tables of Delta Lake, written action by action.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Field, Schema};
use flate2::Crc;
use parquet::arrow::{ArrowWriter, PARQUET_FIELD_ID_META_KEY};
use parquet::file::properties::WriterProperties;
use roaring::RoaringTreemap;
use serde_json::{Value, json};

/// The identity of every table here.
pub(crate) const ID: &str = "5fba94ed-9794-4965-ba6e-6ee3c0d22af9";

/// A table that is being written.
pub(crate) struct Table {
    pub(crate) root: PathBuf,
    pub(crate) next: u64,
}

/// A column of a schema.
pub(crate) fn column(name: &str, data_type: impl Into<Value>) -> Value {
    json!({"name": name, "type": data_type.into(), "nullable": true, "metadata": {}})
}

/// A column whose files call it `physical`, and number it `id`.
pub(crate) fn mapped(name: &str, data_type: impl Into<Value>, physical: &str, id: i64) -> Value {
    let metadata = json!({"delta.columnMapping.physicalName": physical, "delta.columnMapping.id": id});
    json!({"name": name, "type": data_type.into(), "nullable": true, "metadata": metadata})
}

/// What readers have to know.
pub(crate) fn protocol(features: &[&str]) -> Value {
    if features.is_empty() {
        return json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}});
    }
    json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}})
}

/// The columns of a table, those that its log gives the values of, and its settings.
pub(crate) fn metadata(columns: &[Value], partitions: &[&str], configuration: &[(&str, &str)]) -> Value {
    let schema = json!({"type": "struct", "fields": columns}).to_string();
    let configuration: HashMap<_, _> = configuration.iter().copied().collect();
    json!({"metaData": {"id": ID, "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
        "partitionColumns": partitions, "configuration": configuration, "createdTime": 0}})
}

impl Table {
    /// A table with one version that holds `actions`.
    pub(crate) fn new(root: PathBuf, actions: &[Value]) -> Self {
        fs::create_dir_all(root.join("_delta_log")).unwrap();
        let mut table = Self { root, next: 0 };
        table.commit(actions);
        table
    }

    /// A table of orders, without a file.
    pub(crate) fn of_orders(root: PathBuf) -> Self {
        let columns = [column("order_id", "string"), column("total", "long")];
        Self::new(root, &[protocol(&[]), metadata(&columns, &[], &[])])
    }

    /// Its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("_delta_log")
    }

    /// The file of a version.
    pub(crate) fn version(&self, version: u64) -> PathBuf {
        self.log().join(format!("{version:020}.json"))
    }

    /// Writes the next version.
    pub(crate) fn commit(&mut self, actions: &[Value]) {
        let info = json!({"commitInfo": {"timestamp": 0, "operation": "WRITE"}});
        fs::write(self.version(self.next), lines(std::iter::once(&info).chain(actions))).unwrap();
        self.next += 1;
    }

    /// Writes a file of the table; gives the action that adds it.
    pub(crate) fn file(&self, name: &str, batch: &RecordBatch) -> Value {
        self.file_with(name, batch, WriterProperties::builder().build())
    }

    /// Writes a file of the table in a way of its own.
    pub(crate) fn file_with(&self, name: &str, batch: &RecordBatch, properties: WriterProperties) -> Value {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        let size = fs::metadata(&path).unwrap().len();
        let stats = json!({"numRecords": batch.num_rows()}).to_string();
        json!({"add": {"path": name, "partitionValues": {}, "size": size, "modificationTime": 0, "dataChange": true,
            "stats": stats}})
    }

    /// Writes a version that adds a file of orders, each `id` with its total.
    pub(crate) fn add_orders(&mut self, name: &str, orders: &[(&str, i64)]) {
        let add = self.file(name, &of_orders(orders));
        self.commit(&[add]);
    }

    /// Writes a checkpoint of the `actions` of a version under `name`, as Parquet.
    pub(crate) fn checkpoint(&self, name: &str, actions: &[Value]) {
        let batch = crate::delta::checkpoint::batch(&lines(actions));
        let mut writer =
            ArrowWriter::try_new(File::create(self.log().join(name)).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
}

/// `actions` as lines of a log.
pub(crate) fn lines<'a>(actions: impl IntoIterator<Item = &'a Value>) -> String {
    let mut text = String::new();
    for action in actions {
        writeln!(text, "{action}").unwrap();
    }
    text
}

/// `action` with the members of `more` in it.
pub(crate) fn with(mut action: Value, more: Value) -> Value {
    let inner = action.as_object_mut().unwrap().values_mut().next().unwrap().as_object_mut().unwrap();
    let Value::Object(more) = more else { panic!("an object is added") };
    inner.extend(more);
    action
}

/// The action that takes the file of `add` away.
pub(crate) fn remove(add: &Value) -> Value {
    let mut remove = json!({"path": add["add"]["path"], "deletionTimestamp": 0, "dataChange": true});
    if let Some(vector) = add["add"].get("deletionVector") {
        remove["deletionVector"] = vector.clone();
    }
    json!({"remove": remove})
}

/// Orders as rows of a file.
pub(crate) fn of_orders(orders: &[(&str, i64)]) -> RecordBatch {
    let ids: StringArray = orders.iter().map(|(id, _)| Some(*id)).collect();
    let totals: Int64Array = orders.iter().map(|(_, total)| Some(*total)).collect();
    batch(&[("order_id", Arc::new(ids)), ("total", Arc::new(totals))])
}

/// Rows of a file.
pub(crate) fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, array)| (*name, Arc::clone(array), true)))
        .unwrap()
}

/// Rows of a file whose columns have numbers.
pub(crate) fn numbered(columns: &[(&str, i64, ArrayRef)]) -> RecordBatch {
    let field = |(name, id, array): &(&str, i64, ArrayRef)| {
        let id = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]);
        Field::new(*name, array.data_type().clone(), true).with_metadata(id)
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.iter().map(|(_, _, array)| Arc::clone(array)).collect()).unwrap()
}

/// 32-bit numbers.
pub(crate) fn ints(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

/// Texts.
pub(crate) fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// The bytes of a deletion vector of `rows`: magic and set.
pub(crate) fn vector(rows: &[u64]) -> Vec<u8> {
    let mut bytes = 1_681_511_377_u32.to_le_bytes().to_vec();
    rows.iter().copied().collect::<RoaringTreemap>().serialize_into(&mut bytes).unwrap();
    bytes
}

/// A file of deletion vectors, and where each begins.
pub(crate) fn vectors(sets: &[&[u64]]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut offsets) = (vec![1], Vec::new());
    for set in sets {
        let body = vector(set);
        let mut sum = Crc::new();
        sum.update(&body);
        offsets.push(bytes.len());
        bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(&body);
        bytes.extend(sum.sum().to_be_bytes());
    }
    (bytes, offsets)
}

/// The description of a vector of `rows` in the file `deletion_vector_61d16c75-6994-46b7-a15b-8b538852e50e.bin`.
pub(crate) fn in_file(rows: &[u64], offset: usize) -> Value {
    let size = vector(rows).len();
    json!({"deletionVector": {"storageType": "u", "pathOrInlineDv": "vBn[lx{q8@P<9BNH/isA", "offset": offset,
        "sizeInBytes": size, "cardinality": rows.len()}})
}

/// The name of that file.
pub(crate) const VECTORS: &str = "deletion_vector_61d16c75-6994-46b7-a15b-8b538852e50e.bin";

/// The description of a vector of `rows` that stands in the log.
pub(crate) fn inline(rows: &[u64]) -> Value {
    let mut bytes = vector(rows);
    let size = bytes.len();
    bytes.resize(size.next_multiple_of(4), 0);
    json!({"deletionVector": {"storageType": "i", "pathOrInlineDv": base85(&bytes), "sizeInBytes": size,
        "cardinality": rows.len()}})
}

fn base85(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let mut text = String::new();
    for chunk in bytes.chunks(4) {
        let number = u32::from_be_bytes(chunk.try_into().unwrap());
        for power in [85_u32.pow(4), 85_u32.pow(3), 85_u32.pow(2), 85, 1] {
            text.push(char::from(LETTERS[usize::try_from(number / power % 85).unwrap()]));
        }
    }
    text
}

/// Everything that lies below `folder`, with its bytes and the time of its last change.
pub(crate) fn all_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_below(&path));
        } else {
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            found.push((path.clone(), fs::read(&path).unwrap(), modified));
        }
    }
    found.sort();
    found
}
