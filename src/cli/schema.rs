//! `postback schema`: the contract that is enforced, and the schemas of what postback writes.

use clap::ValueEnum;

use super::output;
use crate::contract::{EventSource, schema};
use crate::error::{Error, ErrorKind, Result};
use crate::report;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// What to describe
    #[arg(value_enum, default_value_t = Subject::Events)]
    subject: Subject,
    /// Only what this event source takes
    #[arg(long, value_enum)]
    source: Option<Source>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Subject {
    /// The contract of events: columns, limits, event names, currencies
    Events,
    /// The document that a run leaves behind, as JSON Schema
    RunResults,
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
    if let Subject::RunResults = arguments.subject {
        if arguments.source.is_some() {
            return Err(Error::new(ErrorKind::Usage, "the results of runs are the same for every event source")
                .hint("leave out --source"));
        }
        return output::write(|stdout| stdout.write_all(report::SCHEMA.as_bytes()));
    }
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
