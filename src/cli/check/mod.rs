//! `postback check`: every problem of query files at once, before a row is read. What it finds is data, on stdout.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;

use super::flags::SettingFlags;
use super::stores::{self, LAST_SUCCESS};
use super::{World, output, render};
use crate::error::{Error, ErrorKind, Result};
use crate::query::{self, Checked, Diagnosis, Examination, Parameters, QueryFile};
use crate::sources::SourceReport;
use crate::validate::Severity;

mod files;
mod github;
mod json;
mod sarif;

/// Sources that the line of a sound query names; of more it tells the number.
const NAMED_SOURCES: usize = 3;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Query files, folders of .sql files, or patterns such as 'queries/**/*.sql'
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Count warnings as errors
    #[arg(long)]
    strict: bool,
    /// Value of a parameter `$NAME`; of several files, those take it that use it
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// Form of the findings
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    #[command(flatten)]
    settings: SettingFlags,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// With the lines of the query, for people
    Human,
    /// One JSON document
    Json,
    /// Annotations of a GitHub workflow
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// What was found in one query file.
struct Examined {
    /// The path as the user gave it.
    path: String,
    /// Every problem, in the order of their places.
    diagnoses: Vec<Diagnosis>,
    /// What a sound query reads and returns, in words.
    summary: Option<String>,
    /// How the sources of a sound query are read.
    sources: Vec<SourceReport>,
}

/// What was found in all of them.
struct Report {
    files: Vec<Examined>,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<ExitCode> {
    let queries: Vec<Query> = files::find(&arguments.files).into_iter().map(Query::read).collect();
    let assignments = Assignments::new(&arguments.parameters, &queries)?;
    let mut files = Vec::with_capacity(queries.len());
    for query in queries {
        let mut examined = examine(query, &arguments.settings, &assignments, world).await?;
        if arguments.strict {
            examined.diagnoses.iter_mut().for_each(|diagnosis| diagnosis.severity = Severity::Reject);
        }
        files.push(examined);
    }
    let report = Report { files };
    let text = match arguments.format {
        Format::Human => report.human(world.quiet, world.verbose),
        Format::Json => format!("{:#}\n", json::document(&report)),
        Format::Github => github::commands(&report),
        Format::Sarif => format!("{:#}\n", sarif::log(&report)),
    };
    output::write(|stdout| stdout.write_all(text.as_bytes()))?;
    let is_refused = report.count(Severity::Reject) > 0;
    Ok(if is_refused { ErrorKind::Contract.exit_code().into() } else { ExitCode::SUCCESS })
}

/// A query file that was asked for, and what came of reading it.
struct Query {
    path: PathBuf,
    file: Result<QueryFile>,
}

impl Query {
    fn read((path, found): (PathBuf, Result<()>)) -> Self {
        let file = found.and_then(|()| QueryFile::read(&path));
        Self { path, file }
    }

    /// Whether the file uses the parameter `$name`.
    fn uses(&self, name: &str) -> bool {
        let Ok(file) = &self.file else { return false };
        file.text.split('$').skip(1).any(|rest| {
            let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
            rest.strip_prefix(name).is_some_and(|behind| !behind.starts_with(is_part))
        })
    }
}

/// What `--param` gives, and to whom.
struct Assignments<'a> {
    all: &'a [String],
    is_shared: bool,
}

impl<'a> Assignments<'a> {
    /// Of several files each takes the parameters that it uses; one that none of them uses is a mistake.
    fn new(all: &'a [String], queries: &[Query]) -> Result<Self> {
        let is_shared = queries.len() > 1;
        let unused = |assignment: &&String| !queries.iter().any(|query| query.uses(name_of(assignment)));
        if let Some(unused) = all.iter().filter(|_| is_shared).find(unused) {
            let message = format!("no query has a parameter `${}`", name_of(unused));
            return Err(Error::new(ErrorKind::Usage, message));
        }
        Ok(Self { all, is_shared })
    }

    fn of(&self, query: &Query) -> Result<Parameters> {
        let mut parameters = Parameters::default();
        let own = self.all.iter().filter(|assignment| !self.is_shared || query.uses(name_of(assignment)));
        own.into_iter().try_for_each(|assignment| parameters.add(assignment))?;
        Ok(parameters)
    }
}

fn name_of(assignment: &str) -> &str {
    let name = assignment.split_once('=').map_or(assignment, |(name, _)| name);
    name.trim_start_matches('$')
}

/// # Errors
/// Only what is wrong with the command line or the settings file, and so with every file.
async fn examine(query: Query, flags: &SettingFlags, assignments: &Assignments<'_>, world: &World) -> Result<Examined> {
    let mut settings = world.settings(flags, Some(&query.path))?;
    let mut parameters = assignments.of(&query)?;
    let path = query.path.display().to_string();
    let file = match query.file {
        Ok(file) => file,
        Err(error) => {
            let diagnoses = Examination::unread(error).diagnoses;
            return Ok(Examined { path, diagnoses, summary: None, sources: Vec::new() });
        }
    };
    // What cannot be set is among the diagnoses.
    let _ = query::apply_settings(&file, &mut settings);
    if file.has_parameter(LAST_SUCCESS) {
        // Any instant will do: no row is read.
        parameters.provide(LAST_SUCCESS, stores::instant(None));
    }
    let examination = query::examine(&file, &settings, &parameters, &world.resources(&settings)?).await;
    let summary = examination.checked.as_ref().map(|checked| summary(checked, file.folder()));
    let sources = match &examination.checked {
        Some(checked) => checked.sources()?.reports(),
        None => Vec::new(),
    };
    Ok(Examined { path, diagnoses: examination.diagnoses, summary, sources })
}

/// `9 columns from orders.parquet, customers.csv`.
fn summary(checked: &Checked, folder: &Path) -> String {
    let mut sources: Vec<String> = Vec::new();
    // The visitor cannot fail, since its closure does not.
    let _ = checked.plan().apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let name = scan.table_name.table();
            let name = name.strip_prefix(&format!("{}/", folder.display())).unwrap_or(name).to_owned();
            if !sources.contains(&name) {
                sources.push(name);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    let columns = render::counted(checked.plan().schema().fields().len() as u64, "column");
    match sources.len() {
        0 => columns,
        1..=NAMED_SOURCES => format!("{columns} from {}", sources.join(", ")),
        many => format!("{columns} from {many} sources"),
    }
}

/// `  orders.csv: CSV, 1 file of 1.2 kB`, with what was assumed; the columns with their types if that is asked for.
fn read_as(source: &SourceReport, verbose: bool) -> String {
    // Writing to a String cannot fail.
    let files = render::counted(source.files, "file");
    let mut text = format!("  {}: {}, {files} of {}", source.location, source.recognised, render::size(source.bytes));
    if source.empty_files > 0 {
        let _ = write!(text, ", and {} without a byte", render::counted(source.empty_files, "file"));
    }
    text.push('\n');
    for note in source.notes.iter().filter(|note| note.code.is_none()) {
        let _ = writeln!(text, "    {}", note.message);
    }
    let width = source.columns.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, data_type) in source.columns.iter().filter(|_| verbose) {
        let _ = writeln!(text, "    {name:width$}  {data_type}");
    }
    text
}

impl Report {
    fn diagnoses(&self) -> impl Iterator<Item = (&Examined, &Diagnosis)> {
        self.files.iter().flat_map(|file| file.diagnoses.iter().map(move |diagnosis| (file, diagnosis)))
    }

    fn count(&self, severity: Severity) -> u64 {
        self.diagnoses().filter(|(_, diagnosis)| diagnosis.severity == severity).count() as u64
    }

    /// `3 files: 2 errors, 1 warning`.
    fn totals(&self) -> String {
        let counted = [(Severity::Reject, "error"), (Severity::Warn, "warning")]
            .map(|(severity, name)| (self.count(severity), name))
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| render::counted(count, name))
            .collect::<Vec<_>>();
        let found = if counted.is_empty() { "no problems found".to_owned() } else { counted.join(", ") };
        format!("{}: {found}", render::counted(self.files.len() as u64, "file"))
    }

    fn human(&self, quiet: bool, verbose: bool) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        for file in &self.files {
            if let Some(summary) = file.summary.as_ref().filter(|_| (file.diagnoses.is_empty() || verbose) && !quiet) {
                let _ = writeln!(text, "{}: {summary}", file.path);
                file.sources.iter().for_each(|source| text += &read_as(source, verbose));
            }
            for diagnosis in file.diagnoses.iter().filter(|diagnosis| !quiet || diagnosis.is_error()) {
                let _ = writeln!(text, "{}\n", render::diagnosis(diagnosis, &file.path));
            }
        }
        if quiet && text.is_empty() {
            return text;
        }
        let _ = writeln!(text, "{}", self.totals());
        let codes: BTreeMap<&str, &str> =
            self.diagnoses().map(|(_, diagnosis)| (diagnosis.rule.code, diagnosis.rule.slug)).collect();
        if !codes.is_empty() && !quiet {
            let codes: Vec<String> = codes.into_iter().map(|(code, slug)| format!("{code} {slug}")).collect();
            let _ = writeln!(text, "postback explain CODE says more: {}", codes.join(", "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_uses_the_parameters_that_it_names_in_full() {
        let file = QueryFile::parse(Path::new("q.sql"), "SELECT $since, $since_day, $tag".into());
        let query = Query { path: "q.sql".into(), file };
        let used = |name| query.uses(name);
        assert_eq!(["since", "since_day", "tag", "sin", "until"].map(used), [true, true, true, false, false]);
        let shared = Assignments { all: &["since=1".into(), "until=2".into()], is_shared: true };
        assert!(shared.of(&query).is_ok_and(|parameters| format!("{parameters:?}").contains("since")));
    }
}
