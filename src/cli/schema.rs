//! `postback schema`: the contract that is enforced.

use clap::ValueEnum;

use super::output;
use crate::contract::{EventSource, schema};
use crate::error::Result;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Only what this event source takes
    #[arg(long, value_enum)]
    source: Option<Source>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Source {
    Offline,
    Web,
    App,
    Crm,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Plain tables for a terminal
    Table,
    /// Markdown tables
    Markdown,
    /// Every column with its source, as JSON
    Json,
    /// JSON Schema (draft 2020-12) of the request body
    JsonSchema,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let source = arguments.source.map(|source| match source {
        Source::Offline => EventSource::Offline,
        Source::Web => EventSource::Web,
        Source::App => EventSource::App,
        Source::Crm => EventSource::Crm,
    });
    let text = match arguments.format {
        Format::Table => schema::table(source, None),
        Format::Markdown => schema::markdown(source),
        Format::Json => format!("{:#}\n", schema::json(source)),
        Format::JsonSchema => format!("{:#}\n", schema::json_schema(source)),
    };
    output::write(|stdout| stdout.write_all(text.as_bytes()))
}
