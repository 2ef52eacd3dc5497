//! The rows of a file of JSON objects, chunk by chunk, with text in the place of every number.

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{concat_batches, is_not_null};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::ReaderBuilder;

use super::check::Names;
use super::objects::{Broken, Found, Objects};
use super::pairs::push_plain;
use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::SourceFile;
use crate::sources::streamed::{Chunk, Positions, Wanted};
use crate::sources::typed;
use crate::sources::unread::{Damage, Fault, Spot, Unread};
use crate::sources::{DAMAGED, header};

/// Bytes of objects at which a chunk ends before it has all its rows.
const CHUNK_BYTES: usize = 16 << 20;

/// Reads the rows that `R` gives.
pub(super) struct Rows<R> {
    file: SourceFile,
    objects: Objects<R>,
    schema: SchemaRef,
    /// The same, and behind them their columns by the other spellings that the file has.
    spelled: SchemaRef,
    /// For each of those, which column it is.
    others: Vec<usize>,
    /// How many names were looked at for that.
    names: usize,
    /// The columns of the table.
    columns: SchemaRef,
    per_chunk: usize,
    unread: Arc<Unread>,
    /// The objects of a chunk, one behind the other.
    text: String,
    /// Each with its spot in the file.
    places: Vec<(Range<usize>, Spot)>,
    is_over: bool,
}

impl<R: Read> Rows<R> {
    /// The rows of `objects`, of which some columns are `wanted`.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if there is no such column.
    pub(super) fn new(wanted: &Wanted<'_>, objects: Objects<R>) -> Result<Self> {
        let columns = wanted.columns.project(wanted.projection);
        let columns =
            columns.map_err(|error| Error::new(ErrorKind::Internal, "there is no such column").source(error))?;
        let text = |field: &Arc<Field>| Field::new(field.name(), typed::as_text(field.data_type()), true);
        let schema = Arc::new(Schema::new(columns.fields().iter().map(text).collect::<Vec<_>>()));
        Ok(Self {
            file: wanted.file.clone(),
            objects,
            spelled: Arc::clone(&schema),
            others: Vec::new(),
            names: 0,
            columns: Arc::clone(wanted.columns),
            schema,
            per_chunk: wanted.rows,
            unread: Arc::clone(wanted.unread),
            text: String::new(),
            places: Vec::new(),
            is_over: false,
        })
    }

    fn chunk(&mut self) -> Result<Option<Chunk>> {
        loop {
            self.gather()?;
            if self.places.is_empty() {
                let mut unknown = BTreeSet::new();
                for (name, inner) in self.objects.names().iter() {
                    if let Some((_, field)) = self.spelled.column_with_name(name) {
                        unplaced(name, inner, field.data_type(), &mut unknown);
                    }
                }
                self.unread.members(self.file.shown(), unknown);
                return Ok(None);
            }
            self.spell();
            let mut batches = Vec::new();
            let mut spots = Vec::with_capacity(self.places.len());
            self.parse(&self.places, &mut batches, &mut spots)?;
            if spots.is_empty() {
                continue;
            }
            let batch = concat_batches(&self.schema, &batches).map_err(|error| defect(&error))?;
            return Ok(Some(Chunk { batch, rows: Positions::Spots(spots) }));
        }
    }

    /// Takes the objects of a chunk.
    fn gather(&mut self) -> Result<()> {
        self.text.clear();
        self.places.clear();
        while self.places.len() < self.per_chunk && self.text.len() < CHUNK_BYTES {
            match self.objects.next_objects().map_err(|broken| error(&self.file, broken))? {
                None => break,
                Some(Found::Faulty(fault)) => self.unread.fault(self.file.shown(), fault),
                Some(Found::Objects { spot, text, objects }) => {
                    for (one, object) in objects.iter().zip(spot.object..) {
                        let start = self.text.len();
                        push_plain(&mut self.text, &text[one.clone()]);
                        self.places.push((start..self.text.len(), Spot { object, ..spot }));
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds the names in the file that are columns in another case.
    fn spell(&mut self) {
        let names = self.objects.names();
        if names.len() == self.names {
            return;
        }
        self.names = names.len();
        let mut fields = self.schema.fields().to_vec();
        self.others.clear();
        for (name, _) in names.iter().filter(|(name, _)| self.columns.column_with_name(name).is_none()) {
            let is_it = |field: &&Arc<Field>| field.name().eq_ignore_ascii_case(name);
            let mut alike = self.columns.fields().iter().filter(is_it);
            // Names that differ in nothing but case are columns of their own, and no others are theirs.
            if let (Some(column), None) = (alike.next(), alike.next())
                && let Ok(index) = self.schema.index_of(column.name())
            {
                fields.push(Arc::new(self.schema.field(index).clone().with_name(name)));
                self.others.push(index);
            }
        }
        self.spelled = Arc::new(Schema::new(fields));
    }

    /// Parses the objects of `places`. Where they do not have the shape of the columns, halves are parsed, down to the
    /// objects that are at fault.
    fn parse(
        &self,
        places: &[(Range<usize>, Spot)],
        batches: &mut Vec<RecordBatch>,
        spots: &mut Vec<Spot>,
    ) -> Result<()> {
        if self.schema.fields().is_empty() {
            let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), Vec::new(), &options);
            batches.push(batch.map_err(|error| defect(&error))?);
            spots.extend(places.iter().map(|(_, spot)| spot));
            return Ok(());
        }
        match (self.decoded(places), places) {
            (Ok(batch), _) if batch.num_rows() == places.len() => {
                batches.push(batch);
                spots.extend(places.iter().map(|(_, spot)| spot));
            }
            (_, []) => {}
            (decoded, [(_, spot)]) => {
                let detail = misshapen(decoded.err());
                self.unread
                    .fault(self.file.shown(), Fault { spot: *spot, damage: Damage::Type, detail: detail.into() });
            }
            _ => {
                let (left, right) = places.split_at(places.len() / 2);
                self.parse(left, batches, spots)?;
                self.parse(right, batches, spots)?;
            }
        }
        Ok(())
    }

    fn decoded(&self, places: &[(Range<usize>, Spot)]) -> Result<RecordBatch, ArrowError> {
        let mut decoder = ReaderBuilder::new(Arc::clone(&self.spelled))
            .with_batch_size(places.len())
            .with_coerce_primitive(true)
            .build_decoder()?;
        for (place, _) in places {
            decoder.decode(&self.text.as_bytes()[place.clone()])?;
        }
        let batch = decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(&self.spelled)));
        let (columns, others) = batch.columns().split_at(self.schema.fields().len());
        let mut columns = columns.to_vec();
        for (other, index) in others.iter().zip(&self.others) {
            columns[*index] = zip(&is_not_null(&columns[*index])?, &columns[*index], other)?;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let chunk = self.chunk().transpose();
        self.is_over = !matches!(chunk, Some(Ok(_)));
        chunk
    }
}

/// The error of a file that cannot be read on.
pub(super) fn error(file: &SourceFile, broken: Broken) -> Error {
    match broken {
        Broken::Source(error) => file.unreadable(error),
        Broken::Cut(line) => {
            let message = format!("`{}` is cut off in line {line}: its last object has no end", file.shown());
            Error::new(ErrorKind::Source, message).hint(DAMAGED)
        }
        Broken::Array(line, what) => {
            Error::new(ErrorKind::Source, format!("`{}` is no well-formed JSON array: {what}", file.shown()))
                .context("line", line)
                .hint(DAMAGED)
        }
    }
}

/// Adds to `found` the members of the field `path` that its type has no place for.
fn unplaced(path: &str, names: &Names, data_type: &DataType, found: &mut BTreeSet<String>) {
    match data_type {
        DataType::List(item) => unplaced(&format!("{path}[]"), names, item.data_type(), found),
        DataType::Struct(members) => {
            for (name, inner) in names.iter() {
                // Where objects are maps, names may be those of people.
                let path = format!("{path}.{}", if header::is_name(name) { name } else { "…" });
                match members.find(name) {
                    Some((_, member)) => unplaced(&path, inner, member.data_type(), found),
                    None => drop(found.insert(path)),
                }
            }
        }
        _ => {}
    }
}

/// What is wrong with an object that a parser refuses, without the value that it quotes.
fn misshapen(error: Option<ArrowError>) -> String {
    // "Json error: whilst decoding field 'a': expected [ got …", with the value.
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    match text.split_once("field '").and_then(|(_, rest)| rest.split_once('\'')) {
        Some((name, _)) => format!("a value of another shape in its column `{name}`"),
        None => "an object of another shape".to_owned(),
    }
}

fn defect(error: &ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "objects do not fit together").context("engine", error)
}
