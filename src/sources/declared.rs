//! What `CREATE EXTERNAL TABLE` says about a source beside its location.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef, TimeUnit};
use datafusion::logical_expr::CreateExternalTable;
use encoding_rs::Encoding;
use jiff::Timestamp;

use super::recognise::Compression;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::nearest;

/// Lines that are passed over at most above a table.
const MAX_SKIPPED: u64 = 1_000;

/// The declaration of a table: its format, its columns if it names any, and its options.
#[derive(Debug)]
pub struct Declared {
    /// The word behind `STORED AS`.
    pub(super) stored_as: String,
    /// The columns with their types; none where they are inferred.
    pub(super) columns: Option<SchemaRef>,
    /// Those of `PARTITIONED BY`.
    pub(super) partitions: Vec<FieldRef>,
    /// What its options say.
    pub(super) given: Given,
    /// The state of a table with a log that is asked for.
    pub(super) at: At,
}

/// A state of a table with a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum At {
    /// The newest one.
    #[default]
    Newest,
    /// That of a version.
    Version(u64),
    /// What was the newest one at a time.
    Time(Timestamp),
}

/// What is said about the files of a table, and need not be seen in them.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// The word behind `STORED AS`, in upper case.
    pub(super) stored_as: Option<String>,
    pub(super) has_header: Option<bool>,
    pub(super) delimiter: Option<u8>,
    pub(super) quote: Option<u8>,
    pub(super) escape: Option<u8>,
    pub(super) comment: Option<u8>,
    pub(super) null: Option<String>,
    pub(super) encoding: Option<&'static Encoding>,
    pub(super) compression: Option<Compression>,
    /// Lines above the header line, or above the first row, that are passed over.
    pub(super) skip_lines: Option<u64>,
    /// Whether each row ends with a delimiter behind its last value.
    pub(super) trailing_delimiter: Option<bool>,
}

impl Declared {
    /// Words that `STORED AS` takes.
    const FORMATS: &[&str] = &["PARQUET", "CSV", "TSV", "JSON", "NDJSON", "ARROW", "AVRO", Self::TABLE];
    /// The word for a Delta Lake table.
    const TABLE: &str = "DELTA";
    /// Options of a Delta Lake table.
    const TABLE_OPTIONS: &[&str] = &["version", "timestamp"];
    /// Options of a table, each with or without `format.` before it.
    const OPTIONS: &[&str] = &[
        "has_header",
        "delimiter",
        "quote",
        "escape",
        "comment",
        "null",
        "null_value",
        "encoding",
        "compression",
        "skip_lines",
        "trailing_delimiter",
        "newlines_in_values",
    ];

    /// Takes what `table` declares, whose `zoned` columns are instants.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for each option that is not known, and each value that an option cannot have.
    pub fn new(table: &CreateExternalTable, zoned: &HashSet<String>) -> Result<Self, Vec<Error>> {
        let is_partition = |field: &&FieldRef| table.table_partition_cols.contains(field.name());
        let (partitions, columns): (Vec<_>, Vec<_>) =
            table.schema.fields().iter().map(|field| timed(field, zoned)).partition(|field| is_partition(&field));
        let columns = (!columns.is_empty()).then(|| Arc::new(Schema::new(columns)));
        let stored_as = table.file_type.to_ascii_uppercase();
        let mut errors = Vec::new();
        if !Self::FORMATS.contains(&stored_as.as_str()) {
            let error = Error::new(ErrorKind::Usage, format!("`STORED AS {}` names no format", table.file_type));
            errors.push(error.hint(format!("the formats are {}", Self::FORMATS.join(", "))));
        }
        let is_table = stored_as == Self::TABLE;
        let mut given = Given { stored_as: Some(stored_as), ..Given::default() };
        let mut at = At::Newest;
        let mut options: Vec<_> = table.options.iter().collect();
        options.sort();
        for (name, value) in options {
            let taken = if is_table { at.take(name, value) } else { given.take(name, value) };
            errors.extend(taken.err());
        }
        if is_table && !(columns.is_none() && partitions.is_empty()) {
            let error = Error::new(ErrorKind::Usage, "the columns of a Delta Lake table stand in its log");
            errors.push(error.hint("leave the columns and PARTITIONED BY out; a cast in the query gives another type"));
        }
        // Tab-separated text says so itself.
        if given.stored_as.as_deref() == Some("TSV") {
            given.delimiter = given.delimiter.or(Some(b'\t'));
        }
        if given.has_header == Some(false) && columns.is_none() {
            let error = Error::new(ErrorKind::Usage, "a table without a header line needs names for its columns");
            errors.push(error.hint("CREATE EXTERNAL TABLE name (column type, …)"));
        }
        let declared = Self { stored_as: table.file_type.clone(), columns, partitions, given, at };
        if errors.is_empty() { Ok(declared) } else { Err(errors) }
    }

    /// Whether it is of a Delta Lake table.
    pub(super) fn is_table(&self) -> bool {
        self.stored_as.eq_ignore_ascii_case(Self::TABLE)
    }
}

/// `field` with its time in microseconds, which hold every year that exports use as "never"; of the `zoned` ones in UTC.
fn timed(field: &FieldRef, zoned: &HashSet<String>) -> FieldRef {
    let DataType::Timestamp(_, zone) = field.data_type() else { return Arc::clone(field) };
    let zone = (zone.is_some() || zoned.contains(field.name())).then(|| "UTC".into());
    Arc::new(field.as_ref().clone().with_data_type(DataType::Timestamp(TimeUnit::Microsecond, zone)))
}

impl At {
    /// Takes one option.
    fn take(&mut self, name: &str, value: &str) -> Result<()> {
        let lower = name.to_ascii_lowercase();
        let wrong = |expected: &str| Error::new(ErrorKind::Usage, format!("`{name}` takes {expected}, not `{value}`"));
        let known = lower.strip_prefix("format.").unwrap_or(&lower);
        let at = match known {
            "version" => Self::Version(value.parse().map_err(|_| wrong("the number of a version"))?),
            "timestamp" => {
                let time = value.parse();
                Self::Time(time.map_err(|_| wrong("a time with its zone, such as `2026-11-01T00:00:00Z`"))?)
            }
            _ => {
                let error = Error::new(ErrorKind::Usage, format!("`{name}` is no option of a Delta Lake table"));
                let options = Declared::TABLE_OPTIONS;
                return Err(error.hint(nearest(known, options.iter().copied()).map_or_else(
                    || format!("the options are {}", options.join(" and ")),
                    |near| format!("did you mean `{near}`?"),
                )));
            }
        };
        if *self != Self::Newest {
            return Err(Error::new(ErrorKind::Usage, "`version` and `timestamp` each name a state of the table")
                .hint("give one of them"));
        }
        *self = at;
        Ok(())
    }
}

impl Given {
    /// Takes one option.
    fn take(&mut self, name: &str, value: &str) -> Result<()> {
        let lower = name.to_ascii_lowercase();
        let wrong = |expected: &str| Error::new(ErrorKind::Usage, format!("`{name}` takes {expected}, not `{value}`"));
        let byte = || match value.as_bytes() {
            b"\\t" => Ok(b'\t'),
            b"\\x01" | b"\\u0001" | b"\\001" => Ok(1),
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(*byte),
            _ => Err(wrong("one ASCII character")),
        };
        let flag = || value.to_ascii_lowercase().parse().map_err(|_| wrong("`true` or `false`"));
        match lower.strip_prefix("format.").unwrap_or(&lower) {
            "has_header" => self.has_header = Some(flag()?),
            "delimiter" => self.delimiter = Some(byte()?),
            "quote" => self.quote = Some(byte()?),
            "escape" => self.escape = Some(byte()?),
            "comment" => self.comment = Some(byte()?),
            "null" | "null_value" => self.null = Some(value.to_owned()),
            "encoding" => {
                let label = if value.eq_ignore_ascii_case("utf8") { "utf-8" } else { value };
                let found = Encoding::for_label(label.as_bytes());
                self.encoding = Some(found.ok_or_else(|| wrong("an encoding such as `utf-8`, `utf-16` or `latin1`"))?);
            }
            "compression" => {
                let found = Compression::NAMES.iter().find(|(name, _)| value.eq_ignore_ascii_case(name));
                let (_, compression) =
                    found.ok_or_else(|| wrong("`none`, `gzip`, `zstd`, `bzip2`, `xz`, `snappy` or `lz4`"))?;
                self.compression = Some(*compression);
            }
            "skip_lines" => {
                let lines = value.parse().ok().filter(|lines| *lines <= MAX_SKIPPED);
                self.skip_lines = Some(lines.ok_or_else(|| wrong("a number of lines up to 1000"))?);
            }
            "trailing_delimiter" => self.trailing_delimiter = Some(flag()?),
            // Always allowed.
            "newlines_in_values" => {
                flag()?;
            }
            known => {
                let error = Error::new(ErrorKind::Usage, format!("`{name}` is no option of a table"));
                if Declared::TABLE_OPTIONS.contains(&known) {
                    return Err(error.hint("it belongs to a Delta Lake table: STORED AS DELTA"));
                }
                return Err(error.hint(nearest(known, Declared::OPTIONS.iter().copied()).map_or_else(
                    || format!("the options are {}", Declared::OPTIONS.join(", ")),
                    |near| format!("did you mean `format.{near}`?"),
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_with_and_without_their_prefix() {
        let mut given = Given::default();
        for (name, value) in [
            ("format.has_header", "TRUE"),
            ("DELIMITER", "\\t"),
            ("format.quote", "'"),
            ("escape", "\\"),
            ("comment", "#"),
            ("format.null", "-"),
            ("encoding", "Latin1"),
            ("compression", "bz2"),
            ("format.skip_lines", "2"),
            ("trailing_delimiter", "True"),
            ("newlines_in_values", "true"),
        ] {
            given.take(name, value).unwrap();
        }
        assert_eq!(given.has_header, Some(true));
        assert_eq!([given.delimiter, given.quote, given.escape, given.comment], [b'\t', b'\'', b'\\', b'#'].map(Some));
        assert_eq!(given.null.as_deref(), Some("-"));
        assert_eq!(given.encoding.map(Encoding::name), Some("windows-1252"));
        assert_eq!(given.compression, Some(Compression::Bzip2));
        assert_eq!((given.skip_lines, given.trailing_delimiter), (Some(2), Some(true)));
    }

    #[test]
    fn a_state_of_a_table_is_a_version_or_a_time() {
        let taken = |options: &[(&str, &str)]| {
            let mut at = At::Newest;
            options.iter().try_for_each(|(name, value)| at.take(name, value)).map(|()| at)
        };
        assert_eq!(taken(&[]).unwrap(), At::Newest);
        assert_eq!(taken(&[("format.version", "12")]).unwrap(), At::Version(12));
        let time = "2026-11-01T00:00:00Z".parse().unwrap();
        for text in ["2026-11-01T00:00:00Z", "2026-11-01 01:00:00+01:00"] {
            assert_eq!(taken(&[("TIMESTAMP", text)]).unwrap(), At::Time(time), "{text}");
        }
        for options in [
            &[("version", "-1")][..],
            &[("version", "newest")],
            &[("timestamp", "2026-11-01 00:00:00")],
            &[("delimiter", ",")],
            &[("version", "1"), ("timestamp", "2026-11-01T00:00:00Z")],
        ] {
            assert_eq!(taken(options).unwrap_err().kind(), ErrorKind::Usage, "{options:?}");
        }
    }

    #[test]
    fn what_is_no_option_is_told_apart() {
        let mut given = Given::default();
        let error = given.take("format.has_heading", "true").unwrap_err();
        assert!(format!("{error:?}").contains("did you mean `format.has_header`?"), "{error:?}");
        for (name, value) in [
            ("delimiter", "::"),
            ("quote", "\n"),
            ("has_header", "yes"),
            ("encoding", "klingon"),
            ("compression", "rar"),
            ("skip_lines", "-1"),
            ("skip_lines", "1001"),
            ("skip_lines", "one"),
            ("trailing_delimiter", "1"),
            ("nonsense", "1"),
        ] {
            given.take(name, value).unwrap_err();
        }
    }
}
