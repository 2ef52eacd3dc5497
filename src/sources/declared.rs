//! What `CREATE EXTERNAL TABLE` says about a source beside its location.

use std::sync::Arc;

use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::logical_expr::CreateExternalTable;

use super::sniff::{Dialect, Format};
use crate::error::{Error, ErrorKind, Result};

/// The declaration of a table: its format, its columns if it names any, and its options.
#[derive(Debug)]
pub struct Declared {
    /// The word behind `STORED AS`.
    pub(super) stored_as: String,
    /// The columns with their types; none where they are inferred.
    pub(super) columns: Option<SchemaRef>,
    /// Those of `PARTITIONED BY`.
    pub(super) partitions: Vec<FieldRef>,
    has_header: Option<bool>,
    delimiter: Option<u8>,
}

impl Declared {
    /// Takes what `table` declares.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for each option that is not known, and each value that an option cannot have.
    pub fn new(table: &CreateExternalTable) -> Result<Self, Vec<Error>> {
        let is_partition = |field: &&FieldRef| table.table_partition_cols.contains(field.name());
        let (partitions, columns): (Vec<_>, Vec<_>) =
            table.schema.fields().iter().cloned().partition(|field| is_partition(&field));
        let columns = (!columns.is_empty()).then(|| Arc::new(Schema::new(columns)));
        let stored_as = table.file_type.clone();
        let mut declared = Self { stored_as, columns, partitions, has_header: None, delimiter: None };
        let mut options: Vec<_> = table.options.iter().collect();
        options.sort();
        let mut errors = Vec::new();
        for (name, value) in options {
            errors.extend(declared.take(name, value).err());
        }
        if declared.has_header == Some(false) && declared.columns.is_none() {
            let error = Error::new(ErrorKind::Usage, "a table without a header line needs names for its columns");
            errors.push(error.hint("CREATE EXTERNAL TABLE name (column type, …)"));
        }
        if errors.is_empty() { Ok(declared) } else { Err(errors) }
    }

    /// Takes one option.
    fn take(&mut self, name: &str, value: &str) -> Result<()> {
        let lower = name.to_ascii_lowercase();
        let wrong = |expected: &str| Error::new(ErrorKind::Usage, format!("`{name}` takes {expected}, not `{value}`"));
        match lower.strip_prefix("format.").unwrap_or(&lower) {
            "has_header" => {
                let flag = value.to_ascii_lowercase().parse();
                self.has_header = Some(flag.map_err(|_| wrong("`true` or `false`"))?);
            }
            "delimiter" => {
                self.delimiter = Some(match value.as_bytes() {
                    b"\\t" => b'\t',
                    [byte] if byte.is_ascii() => *byte,
                    _ => return Err(wrong("one ASCII character")),
                });
            }
            // Seen in the content, and always allowed.
            "compression" | "newlines_in_values" => {}
            _ => {
                return Err(Error::new(ErrorKind::Usage, format!("`{name}` is no option of a table"))
                    .hint("the options are format.has_header and format.delimiter; compression is recognised"));
            }
        }
        Ok(())
    }

    /// The `recognised` format, with what is declared in place of what was guessed.
    pub(super) fn format(&self, recognised: Format) -> Format {
        match recognised {
            Format::Csv(dialect) => Format::Csv(Dialect {
                delimiter: self.delimiter.unwrap_or(dialect.delimiter),
                has_header: self.has_header.unwrap_or(dialect.has_header),
                ..dialect
            }),
            other => other,
        }
    }
}
