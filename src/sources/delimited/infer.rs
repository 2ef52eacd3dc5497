//! The columns of files of delimited text: brought together by name, with types that hold the values of all samples.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema};

use super::binding::{self, Opened};
use super::fields::is_no_value;
use super::layout::{Counts, Named, Width};
use super::records::{Found, Records};
use super::rows::Rows;
use super::shapes::Gathered;
use super::types;
use crate::error::{Error, ErrorKind, Result};
use crate::sources::file::SourceFile;
use crate::sources::recognise::{self, Dialect, SAMPLE_ROWS};
use crate::sources::report::{Inferred, Note};
use crate::sources::streamed::{Wanted, described};
use crate::sources::unread::{Unread, UnreadRow};
use crate::sources::{DAMAGED, header, typed};

/// What to do about a first line that is a row.
const NO_HEADER: &str =
    "a file without a header line is read with CREATE EXTERNAL TABLE … OPTIONS ('format.has_header' 'false')";

/// What the beginning of a file shows.
struct Sampled {
    /// The names of its columns.
    names: Vec<String>,
    /// The type of the values of each; none for a column without, or where types are declared.
    types: Vec<Option<DataType>>,
    /// Which of its fields the declared columns are; none where it does not have one.
    bound: Vec<Option<usize>>,
    /// For each declared column that it does not have, what speaks against the column in its place.
    misplaced: Vec<Option<Error>>,
    /// The first rows, as text; none where none can be read.
    chunk: Option<RecordBatch>,
    /// The first row that cannot be read.
    fault: Option<UnreadRow>,
    /// Why the file is refused, unless others with its names have rows that fit them.
    misfit: Option<Error>,
    /// Whether a row has a field for each name.
    has_whole: bool,
}

/// The columns of `files`, by the names that they have there; `None` if none of them has a row. Of a declared table they
/// have the types and the order that are `declared`. Each file learns how its lines stand.
///
/// # Errors
/// [`ErrorKind::Source`] if a file cannot be read, if none has a row that can, if a file shares no column with the first,
/// or if no file has one of the `declared` columns.
pub(in crate::sources) fn infer(
    files: &mut [SourceFile],
    dialect: &Dialect,
    declared: Option<&Schema>,
) -> Result<Option<Inferred>> {
    let mut notes = Vec::new();
    let count = files.len();
    let mut sampled: Vec<(&SourceFile, Sampled)> = Vec::with_capacity(count);
    for file in files {
        let this = sample(file, count, dialect, declared, &mut notes)?;
        let file: &SourceFile = file;
        if this.names.is_empty() {
            continue;
        }
        if let (Some((first, one)), None) = (sampled.first(), declared)
            && !one.names.iter().any(|name| this.names.contains(name))
        {
            return Err(Error::new(
                ErrorKind::Source,
                "the files have different header lines, without a common column",
            )
            .context("file", first.shown())
            .context("file", file.shown())
            .hint("read them as two tables"));
        }
        sampled.push((file, this));
    }
    refuse_misfit(&mut sampled)?;
    if sampled.iter().all(|(_, this)| this.chunk.is_none()) {
        return match sampled.into_iter().find_map(|(_, this)| this.fault) {
            Some(fault) => Err(unreadable(&fault)),
            None => Ok(None),
        };
    }
    let schema = match declared {
        Some(declared) => {
            let spelled = spelled(&mut sampled, declared)?;
            note_missing(&sampled, declared, &mut notes)?;
            spelled
        }
        None => merged(&sampled, &mut notes),
    };
    Ok(Some(Inferred { schema, notes }))
}

/// Refuses a file whose rows do not fit its header line, where no file with the same names has rows that do.
fn refuse_misfit(sampled: &mut [(&SourceFile, Sampled)]) -> Result<()> {
    for index in 0..sampled.len() {
        let names = &sampled[index].1.names;
        let has_fitting =
            sampled.iter().any(|(_, this)| this.misfit.is_none() && this.has_whole && this.names == *names);
        if let Some(misfit) = sampled[index].1.misfit.take().filter(|_| !has_fitting) {
            return Err(misfit);
        }
    }
    Ok(())
}

fn sample(
    file: &mut SourceFile,
    files: usize,
    dialect: &Dialect,
    declared: Option<&Schema>,
    notes: &mut Vec<Note>,
) -> Result<Sampled> {
    let dialect = &dialect.of(file.quoting);
    // A header and a record below it.
    let end = |text: &[u8]| {
        let mut records = Records::new(text, dialect, true);
        records.skip_lines(file.layout.skipped).ok()?;
        let mut found = || matches!(records.next_record(), Ok(Some(Found::Record(_))));
        (found() && found()).then_some(text.len())
    };
    let content = recognise::records(file, files, end)?;
    let declared_columns = declared.map_or(0, |declared| declared.fields().len());
    let open =
        |file: &SourceFile| binding::open(file, content.text.as_slice(), dialect, content.is_cut, declared_columns);
    let judged = judge(file, open(file)?, dialect, declared_columns, notes)?;
    file.layout.width = Some(judged.width);
    let mut gathered = Gathered::new(judged.width.columns);
    let mut records = open(file)?.records;
    let mut rows = 0;
    while rows < SAMPLE_ROWS
        && let Some(found) = records.next_record().map_err(|error| file.unreadable(error))?
    {
        if let Found::Record(record) = found {
            gathered.add(&record);
            rows += 1;
        }
    }
    file.layout.shapes = gathered.shapes(dialect.delimiter).map(Arc::new);
    let file: &SourceFile = file;
    let opened = open(file)?;
    let bound = declared.map_or_else(Vec::new, |declared| binding::bind(&opened, declared));
    let names = match (&opened.names, declared) {
        (Some(names), _) => names.clone(),
        (None, Some(declared)) => declared.fields().iter().map(|field| field.name().clone()).collect(),
        (None, None) => return Err(Error::new(ErrorKind::Internal, "a file without a header line has no names")),
    };
    if let Some(header) = &opened.header {
        header::require_names(file, header.iter().map(String::as_str), NO_HEADER)?;
        note_twins(file, header, &names, notes);
    }
    // Words of a name are told by its capitals, too.
    let spelled = opened.header.clone().unwrap_or_else(|| names.clone());
    let (chunk, fault) = first_rows(file, opened, dialect, &names)?;
    let is_placed = is_placed(&names, &bound);
    let misplaced = |(index, column): (usize, &Arc<Field>)| {
        let unfit = |field: usize| chunk.as_ref().and_then(|chunk| unfit(file, chunk.column(field), column));
        match bound[index] {
            Some(field) => unfit(field).map_or(Ok(None), Err),
            None => Ok(is_placed.then(|| unfit(index)).flatten()),
        }
    };
    let columns = declared.iter().flat_map(|declared| declared.fields()).enumerate();
    let misplaced = columns.map(misplaced).collect::<Result<Vec<_>>>()?;
    let data_type = |index: usize| {
        let values = chunk.as_ref().filter(|_| declared.is_none()).map(|chunk| chunk.column(index).as_string::<i32>());
        values.and_then(|values| types::infer(&spelled[index], values.iter().flatten()))
    };
    let types = (0..names.len()).map(data_type).collect();
    let Judged { misfit, has_whole, .. } = judged;
    Ok(Sampled { names, types, bound, misplaced, chunk, fault, misfit, has_whole })
}

/// How wide the rows of a file are.
struct Judged {
    width: Width,
    /// Why the file is refused, where most of its rows have another one.
    misfit: Option<Error>,
    has_whole: bool,
}

/// Judges how wide the rows of `file` are, which is `opened`, by all of its sample.
fn judge(
    file: &SourceFile,
    opened: Opened<&[u8]>,
    dialect: &Dialect,
    declared_columns: usize,
    notes: &mut Vec<Note>,
) -> Result<Judged> {
    let Opened { mut records, header, is_stripped, .. } = opened;
    let named = Named {
        names: header.as_ref().map_or(declared_columns, Vec::len),
        is_last_empty: header.as_ref().and_then(|header| header.last()).is_some_and(String::is_empty),
        by_header: header.is_some(),
    };
    records.expect_any();
    let counts = Counts::of(&mut records).map_err(|error| file.unreadable(error))?;
    // Said once, and not of each file.
    let mut note = |what: &str| {
        if !notes.iter().any(|note| note.message.ends_with(what)) {
            let message = format!("the header line of `{}` {what}", file.shown());
            notes.push(Note { code: None, message, help: None });
        }
    };
    if is_stripped {
        note("has blanks around its names, which are no part of them");
    }
    let width = if named.names == 0 { Ok(Width::of(0)) } else { counts.width(file, named, dialect.is_closed) };
    if named.by_header && width.as_ref().is_ok_and(|width| width.columns < named.names) {
        note("ends with a delimiter, behind which no column stands");
    }
    let has_whole = counts.has_whole(named.names);
    Ok(match width {
        Ok(width) => Judged { width, misfit: None, has_whole },
        Err(misfit) => Judged { width: Width::of(named.names), misfit: Some(misfit), has_whole },
    })
}

/// The first rows with all their columns as text, and the first that cannot be read.
fn first_rows(
    file: &SourceFile,
    opened: Opened<&[u8]>,
    dialect: &Dialect,
    names: &[String],
) -> Result<(Option<RecordBatch>, Option<UnreadRow>)> {
    let fields: Vec<Field> = names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
    let columns = Arc::new(Schema::new(fields));
    let unread = Arc::new(Unread::default());
    let wanted = Wanted { file, columns: &columns, projection: &[], rows: SAMPLE_ROWS, unread: &unread };
    let fields = columns.fields().iter().enumerate().map(|(index, field)| (field.as_ref(), Some(index))).collect();
    let chunk = Rows::new(&wanted, opened.records, dialect, fields).next().transpose()?;
    let batch = chunk.map(|chunk| shrunk(&chunk.batch)).transpose()?;
    Ok((batch, unread.examples().into_iter().next()))
}

/// `batch` in as much memory as its values take: that of each of many files is kept until the last one is seen. It is
/// copied, since buffers that are cut to size leave holes between them.
fn shrunk(batch: &RecordBatch) -> Result<RecordBatch> {
    let rows: UInt64Array = (0..batch.num_rows() as u64).collect();
    take_record_batch(batch, &rows)
        .map_err(|error| Error::new(ErrorKind::Internal, "the first rows of a file cannot be kept").source(error))
}

/// The error of a declared type that is not that of the first rows: one that most of them do not fit is a wrong
/// declaration, and not a fault of the rows.
fn unfit(file: &SourceFile, values: &ArrayRef, column: &Field) -> Option<Error> {
    let values = values.as_string::<i32>().iter();
    let said = |value: &&str| !value.is_empty() && !is_no_value(value);
    let values: StringArray = values.map(|value| value.map(str::trim).filter(said)).collect();
    let count = values.len() - values.null_count();
    let fits = typed::cast(&(Arc::new(values) as ArrayRef), column.data_type());
    if fits.is_ok_and(|cast| cast.misfits.len() * 2 <= count) {
        return None;
    }
    let (name, kind) = (column.name(), described(column));
    let message = format!(
        "`{}` has in most of its first rows a value that does not fit its column `{name}` of {kind}",
        file.shown()
    );
    Some(Error::new(ErrorKind::Source, message).hint(format!("declare `{name}` as what it holds, or as VARCHAR")))
}

/// Whether a file has as many columns as are declared, and those that are found by their names stand in their places.
fn is_placed(names: &[String], found: &[Option<usize>]) -> bool {
    names.len() == found.len() && found.iter().enumerate().all(|(index, place)| place.is_none_or(|it| it == index))
}

/// The `declared` columns under the names that the files have for them. A name that no file has is another one for the
/// column in its place, of the first file in which all others stand in theirs.
///
/// # Errors
/// [`ErrorKind::Source`] if a file has none of them, or if the values of such a column do not fit.
fn spelled(sampled: &mut [(&SourceFile, Sampled)], declared: &Schema) -> Result<Schema> {
    let mut fields: Vec<Arc<Field>> = declared.fields().to_vec();
    for (index, field) in fields.iter_mut().enumerate() {
        if sampled.iter().any(|(_, this)| this.bound[index].is_some()) {
            continue;
        }
        let placed = sampled.iter().find(|(_, this)| is_placed(&this.names, &this.bound));
        let Some(name) = placed.map(|(_, this)| this.names[index].clone()) else { continue };
        *field = Arc::new(field.as_ref().clone().with_name(name));
    }
    for (file, this) in sampled {
        for (index, field) in fields.iter().enumerate() {
            if this.bound[index].is_some() {
                continue;
            }
            this.bound[index] = binding::place(&this.names, field.name());
            if let Some(unfit) = this.misplaced[index].take().filter(|_| this.bound[index] == Some(index)) {
                return Err(unfit);
            }
        }
        if this.bound.iter().all(Option::is_none) {
            let (columns, names) = (fields.len(), this.names.len());
            let message = format!("the table has {columns} columns, and `{}` has {names} of other names", file.shown());
            return Err(
                Error::new(ErrorKind::Source, message).hint("declare the columns by the names of the header line")
            );
        }
    }
    Ok(Schema::new(fields))
}

/// The columns of all files, in the order in which they are first seen. One without a value in a sample may hold
/// anything below it.
fn merged(sampled: &[(&SourceFile, Sampled)], notes: &mut Vec<Note>) -> Schema {
    let mut all: Vec<(&str, Option<DataType>)> = Vec::new();
    for (_, this) in sampled {
        for (name, data_type) in this.names.iter().zip(&this.types) {
            match all.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => {
                    *known = match (known.take(), data_type) {
                        (Some(left), Some(right)) => Some(types::widened(&left, right)),
                        (left, right) => left.or_else(|| right.clone()),
                    };
                }
                None => all.push((name, data_type.clone())),
            }
        }
    }
    for (name, _) in &all {
        let has = |this: &Sampled| this.names.iter().any(|known| known == name);
        notes.extend(missing(sampled, name, has));
    }
    let field = |(name, data_type): (&str, Option<DataType>)| {
        let data_type = data_type.filter(|data_type| sampled.iter().all(|(_, this)| this.fits(name, data_type)));
        Field::new(name, data_type.unwrap_or(DataType::Utf8), true)
    };
    Schema::new(all.into_iter().map(field).collect::<Vec<_>>())
}

impl Sampled {
    /// Whether the values of its column `name`, if it has one, are all of `data_type`, which is that of several files.
    fn fits(&self, name: &str, data_type: &DataType) -> bool {
        let Some(index) = self.names.iter().position(|known| known == name) else { return true };
        let (Some(chunk), Some(own)) = (&self.chunk, &self.types[index]) else { return true };
        own == data_type || types::holds(data_type, chunk.column(index).as_string::<i32>().iter().flatten())
    }
}

/// Makes sure that each declared column is in some file, and notes in which it is not.
fn note_missing(sampled: &[(&SourceFile, Sampled)], declared: &Schema, notes: &mut Vec<Note>) -> Result<()> {
    for (index, column) in declared.fields().iter().enumerate() {
        if !sampled.iter().any(|(_, this)| this.bound[index].is_some()) {
            let message = format!("no file has the declared column `{}`", column.name());
            let file = sampled.first().map_or("", |(file, _)| file.shown());
            return Err(Error::new(ErrorKind::Source, message)
                .context("file", file)
                .hint("declare the columns by the names of the header line, in any order"));
        }
        notes.extend(missing(sampled, column.name(), |this| this.bound[index].is_some()));
    }
    Ok(())
}

/// That some files do not have the column `name`.
fn missing(sampled: &[(&SourceFile, Sampled)], name: &str, has: impl Fn(&Sampled) -> bool) -> Option<Note> {
    let mut without = sampled.iter().filter(|(_, this)| !has(this)).map(|(file, _)| file.shown());
    Note::missing(name, without.next()?, 1 + without.count(), sampled.len())
}

fn note_twins(file: &SourceFile, header: &[String], names: &[String], notes: &mut Vec<Note>) {
    for (index, (written, name)) in header.iter().zip(names).enumerate() {
        let end = format!(": column {} is `{name}`", index + 1);
        // Said once, and not of each file.
        if header[..index].contains(written) && !notes.iter().any(|note| note.message.ends_with(&end)) {
            let message = format!("the header line of `{}` names `{written}` twice{end}", file.shown());
            notes.push(Note { code: Some("PB2304"), message, help: None });
        }
    }
}

/// The error of files without a row that can be read.
fn unreadable(fault: &UnreadRow) -> Error {
    Error::new(ErrorKind::Source, format!("no row of `{}` can be read", fault.file))
        .context("line", fault.spot)
        .context("found", &fault.detail)
        .hint(DAMAGED)
}
