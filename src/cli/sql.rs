//! `postback sql`: SQL over any source, with postback's functions. Nothing is sent and nothing is written.

use std::path::{Path, PathBuf};

use super::flags::SettingFlags;
use super::output::{self, Format};
use super::{World, render};
use crate::error::{Error, ErrorKind, Result};
use crate::query::{self, Parameters, QueryFile};
use crate::run::UnreadSources;
use crate::sources::Sources;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// One query, or a file with one; paths in it start from the working folder, or from the file's
    #[arg(value_name = "SQL|FILE")]
    query: String,
    /// Value of a parameter `$NAME` in the query
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Fail where rows of a source could not be read
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<()> {
    let path = PathBuf::from(&arguments.query);
    let is_file = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) || path.is_file();
    let file = if is_file { QueryFile::read(&path)? } else { QueryFile::parse(Path::new("query"), arguments.query)? };
    if file.insert.is_some() {
        return Err(Error::new(ErrorKind::Usage, "`postback sql` sends nothing, so it takes no INSERT")
            .hint("`postback run` sends the rows of a query file"));
    }
    let mut settings = world.settings(&arguments.settings, Some(&file.path))?;
    query::apply_settings(&file, &mut settings)?;
    let mut parameters = Parameters::default();
    arguments.parameters.iter().try_for_each(|assignment| parameters.add(assignment))?;
    let context = query::session(&settings, &world.resources(&settings)?, file.folder())?;
    let (sources, runtime) = (Sources::of(&context.state())?, context.runtime_env());
    let rows = query::collect(context, &file, &parameters).await;
    // A source that changed explains whatever its reader stumbled over.
    sources.verify(&runtime).await?;
    let (schema, batches) = rows?;
    output::write_batches(&schema, &batches, arguments.format)?;
    if !world.quiet {
        render::diagnoses(&query::of_sources(&file, &sources));
    }
    let unread = UnreadSources::of(&sources);
    let is_whole = unread.kinds.is_empty() && unread.files.is_empty();
    if !world.quiet || arguments.strict {
        render::unread_beside(&unread);
    }
    if arguments.strict && !is_whole {
        return Err(Error::new(ErrorKind::Rejects, "not every row of the sources could be read"));
    }
    Ok(())
}
