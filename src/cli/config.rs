//! `postback config`: every setting, its value and where the value came from.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};

use super::World;
use super::flags::SettingFlags;
use super::output::{self, Format};
use crate::error::{Error, ErrorKind, Result};
use crate::query::{self, QueryFile};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Query file whose SET statements count too
    file: Option<PathBuf>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    settings: SettingFlags,
}

pub(super) fn run(arguments: &Arguments, world: &World) -> Result<()> {
    let mut settings = world.settings(&arguments.settings, arguments.file.as_deref())?;
    if let Some(path) = &arguments.file {
        query::apply_settings(&QueryFile::read(path)?, &mut settings)?;
    }
    let entries: Vec<_> = settings.entries().collect();
    let column = |values: Vec<Option<String>>| Arc::new(StringArray::from(values)) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("setting", column(entries.iter().map(|(setting, ..)| Some(setting.name.to_owned())).collect())),
        ("value", column(entries.iter().map(|(_, value, _)| value.map(str::to_owned)).collect())),
        ("origin", column(entries.iter().map(|(_, value, origin)| value.map(|_| origin.to_string())).collect())),
        ("expected", column(entries.iter().map(|(setting, ..)| Some(setting.form.expected())).collect())),
    ])
    .map_err(|error| Error::new(ErrorKind::Internal, "the settings cannot be shown").source(error))?;
    output::write_batches(&batch.schema(), &[batch], arguments.format)
}
