//! One table of files whose columns differ: by name, each with the type that holds those of all files.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::compute::can_cast_types;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::texts::has_bytes;
use super::types::shown_as;
use crate::contract::temporal;
use crate::error::{Error, ErrorKind, Result};
use crate::sources::crossing;
use crate::sources::file::SourceFile;
use crate::sources::names::exposed;
use crate::sources::report::Note;
use crate::sources::widen::widened;

/// What the reader gives of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sources) struct FileColumns {
    /// Names and types as they are read.
    pub(in crate::sources) schema: SchemaRef,
    /// For each column, whether it holds UUIDs.
    pub(super) uuids: Vec<bool>,
}

/// One column of the table, while files are gone through.
struct Column {
    name: String,
    /// The type that holds those of all files so far.
    data_type: DataType,
    is_nullable: bool,
    /// The first file that has it, and the type there.
    first: (usize, DataType),
    /// A file in which it has another type, and the type there.
    other: Option<(usize, DataType)>,
    /// Files that have it.
    files: usize,
    /// The last of them.
    last: usize,
}

/// The columns of the table of `files`, which have `columns` each; those called as `of_bytes` stay bytes. What there is to
/// know about them is added to `notes`.
///
/// # Errors
/// [`ErrorKind::Source`] naming two files and the column, if no type holds both of theirs.
pub(super) fn merged(
    files: &[SourceFile],
    columns: &[Arc<FileColumns>],
    of_bytes: &HashSet<String>,
    notes: &mut Vec<Note>,
) -> Result<Schema> {
    let mut table: Vec<Column> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut previous: Option<(&Arc<FileColumns>, Vec<usize>)> = None;
    for (number, of_file) in columns.iter().enumerate() {
        if let Some((same, places)) = &previous
            && Arc::ptr_eq(same, of_file)
        {
            for place in places {
                table[*place].is_in(number);
            }
            continue;
        }
        let mut places = Vec::new();
        for (name, field, data_type) in of_file.shown() {
            let is_of_bytes = *field.data_type() == DataType::BinaryView && of_bytes.contains(&name.to_lowercase());
            let data_type = if is_of_bytes { DataType::BinaryView } else { data_type };
            let place = *known.entry(name.clone()).or_insert_with(|| {
                table.push(Column::new(name, number, &data_type));
                table.len() - 1
            });
            let column = &mut table[place];
            column.is_in(number);
            // A text that is none is null until its row is left out.
            column.is_nullable |= field.is_nullable() || has_bytes(field.data_type());
            if column.data_type != data_type {
                let wide = widened(&column.data_type, &data_type);
                column.data_type = wide.ok_or_else(|| column.incompatible(files, number, &data_type))?;
                column.other.get_or_insert((number, data_type));
            }
            places.push(place);
        }
        previous = Some((of_file, places));
    }
    notes.extend(table.iter().filter_map(|column| column.widened(files)));
    notes.extend(table.iter().filter_map(|column| column.missing(files, columns)));
    let fields = table.into_iter().map(|column| {
        let is_nullable = column.is_nullable || column.files < columns.len();
        Field::new(column.name, column.data_type, is_nullable)
    });
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

/// Judges whether `files` can be read with the `declared` columns; what there is to know is added to `notes`.
///
/// # Errors
/// [`ErrorKind::Source`] naming file and column, if a type cannot be read as the declared one.
pub(super) fn declared(
    files: &[SourceFile],
    columns: &[Arc<FileColumns>],
    declared: &Schema,
    notes: &mut Vec<Note>,
) -> Result<()> {
    for field in declared.fields() {
        let mut column = Column::new(field.name().clone(), 0, field.data_type());
        let mut judged: Option<&Arc<FileColumns>> = None;
        for (number, of_file) in columns.iter().enumerate() {
            let Some((_, _, found)) = of_file.shown().find(|(name, ..)| name.eq_ignore_ascii_case(field.name())) else {
                continue;
            };
            column.is_in(number);
            // Bytes that are no UUID may be a text as well as a digest: nothing but the query can know.
            let is_readable =
                can_cast_types(&found, field.data_type()) && !matches!(found, DataType::FixedSizeBinary(_));
            let is_same = found == *field.data_type();
            if temporal::crosses(&found, field.data_type()) {
                return Err(crossing::refused(&files[number], field, &found));
            }
            if judged.is_none_or(|judged| !Arc::ptr_eq(judged, of_file)) && !is_readable && !is_same {
                let shown = files[number].shown();
                let message = format!("`{}` is {found} in `{shown}`, not {}", field.name(), field.data_type());
                return Err(Error::new(ErrorKind::Source, message).hint("declare the type that the file has"));
            }
            judged = Some(of_file);
        }
        notes.extend(column.missing(files, columns));
    }
    Ok(())
}

impl FileColumns {
    /// Name, field and type of every column, as the table shows it.
    fn shown(&self) -> impl Iterator<Item = (String, &Field, DataType)> {
        let names = self.schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let fields = self.schema.fields().iter().zip(&self.uuids);
        let shown = exposed(&names).into_iter().zip(fields);
        shown.map(|(name, (field, is_uuid))| (name, field.as_ref(), shown_as(field, *is_uuid)))
    }
}

impl Column {
    fn new(name: String, first: usize, data_type: &DataType) -> Self {
        let first = (first, data_type.clone());
        Self { name, data_type: data_type.clone(), is_nullable: false, first, other: None, files: 0, last: usize::MAX }
    }

    /// Counts a file that has it, once.
    fn is_in(&mut self, file: usize) {
        if self.last != file {
            self.files += 1;
            self.last = file;
        }
    }

    fn incompatible(&self, files: &[SourceFile], file: usize, data_type: &DataType) -> Error {
        let (name, (first, first_type)) = (&self.name, &self.first);
        let (one, other) = (files[*first].shown(), files[file].shown());
        let message = format!("`{name}` is {first_type} in `{one}` and {data_type} in `{other}`");
        let is_zone = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, Some(_)));
        let hint = match (&self.data_type, data_type) {
            (DataType::Timestamp(..), DataType::Timestamp(..)) => {
                "one is an instant, the other a local time without zone: read the files as two tables, and say the zone \
                 of the local one"
            }
            (one, other) if is_zone(one) || is_zone(other) => {
                "one is an instant, the other is not: read the files as two tables and cast"
            }
            _ => "no type holds both: read the files as two tables and cast, or export them again",
        };
        Error::new(ErrorKind::Source, message).hint(hint)
    }

    /// Tells that files give the column different types.
    fn widened(&self, files: &[SourceFile]) -> Option<Note> {
        let ((first, first_type), (other, other_type)) = (&self.first, self.other.as_ref()?);
        let message = format!(
            "`{}` is {first_type} in `{}` and {other_type} in `{}`: read as {}",
            self.name,
            files[*first].shown(),
            files[*other].shown(),
            self.data_type
        );
        Some(Note { code: None, message, help: None })
    }

    /// Tells that files lack the column.
    fn missing(&self, files: &[SourceFile], columns: &[Arc<FileColumns>]) -> Option<Note> {
        let without = columns.len() - self.files;
        let lacks = |of_file: &Arc<FileColumns>| of_file.shown().all(|(name, ..)| name != self.name);
        let first = (without > 0).then(|| columns.iter().position(lacks)).flatten()?;
        let (name, shown) = (&self.name, files[first].shown());
        let message = match (without, columns.len()) {
            (_, 1) => format!("`{shown}` has no column `{name}`: it is NULL"),
            (1, _) => format!("`{shown}` has no column `{name}`: it is NULL in its rows"),
            (_, all) => {
                format!("{without} of {all} files, such as `{shown}`, have no column `{name}`: it is NULL there")
            }
        };
        Some(Note { code: None, message, help: None })
    }
}
