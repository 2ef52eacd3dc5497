//! A query file and its settings, judged before anything is read or sent.

use std::path::Path;

use super::arguments::names;
use crate::cli::flags::SettingFlags;
use crate::cli::stores::{self, Elsewhere, LAST_SUCCESS, Stores};
use crate::cli::{World, home, render};
use crate::error::{Error, ErrorKind, Result};
use crate::query::{self, Checked, Diagnosis, Examination, Parameters, QueryFile};
use crate::report::Mode;
use crate::settings::{Origin, Settings};

/// Plans and judges the query of a file, and shows every problem; gives the settings it runs under, too.
pub(in crate::cli) async fn check(
    path: &Path,
    flags: &SettingFlags,
    assignments: &[String],
    world: &World,
) -> Result<(Checked, Settings)> {
    let (file, mut settings) = read(path, flags, world)?;
    let mut stores = Stores::default();
    if file.has_parameter(LAST_SUCCESS) {
        stores.locate(path, Mode::DryRun, &mut settings, Elsewhere::Looked, world)?;
    }
    let parameters = parameters(&file, &settings, assignments, (Mode::DryRun, false), &stores, world)?;
    let (diagnoses, checked) = judge(&file, &settings, &parameters, world).await?;
    Ok((checked.ok_or_else(|| refusal(path, &diagnoses))?, settings))
}

/// The query file and the settings it runs under. One that cannot be read or parsed is shown as every problem is.
pub(super) fn read(path: &Path, flags: &SettingFlags, world: &World) -> Result<(QueryFile, Settings)> {
    let mut settings = world.settings(flags, Some(path))?;
    match QueryFile::read(path) {
        Ok(file) => {
            // What cannot be set is among the diagnoses.
            let _ = query::apply_settings(&file, &mut settings);
            home::anchor(&mut settings, file.folder(), Origin::Set)?;
            Ok((file, settings))
        }
        Err(error) => {
            let Examination { diagnoses, .. } = Examination::unread(error);
            render::diagnoses(&diagnoses);
            Err(refusal(path, &diagnoses))
        }
    }
}

/// The values of parameters: those given, and `$last_success` where the query asks for it and nobody gave one. The run
/// counts as one in `mode`, and sends or does not.
pub(super) fn parameters(
    file: &QueryFile,
    settings: &Settings,
    assignments: &[String],
    (mode, sends): (Mode, bool),
    stores: &Stores,
    world: &World,
) -> Result<Parameters> {
    let mut parameters = Parameters::default();
    assignments.iter().try_for_each(|assignment| parameters.add(assignment))?;
    let is_given = names(assignments).iter().any(|name| name == LAST_SUCCESS);
    if file.has_parameter(LAST_SUCCESS) && !is_given {
        let success = match stores.last_success(&file.path, mode, settings, world) {
            Err(error) if error.kind() == ErrorKind::Locked && !sends => {
                if !world.quiet {
                    render::note("another run holds the ledger, so that `$last_success` is not known");
                }
                None
            }
            success => success?,
        };
        let value = stores::instant(success);
        if !world.quiet {
            let none_yet = if success.is_none() { ": no run of this query has succeeded yet" } else { "" };
            render::note(&format!("$last_success is {value}{none_yet}"));
        }
        parameters.provide(LAST_SUCCESS, value);
    }
    Ok(parameters)
}

/// Plans and judges the query, and shows every problem; the query is `None` where one is an error.
pub(super) async fn judge(
    file: &QueryFile,
    settings: &Settings,
    parameters: &Parameters,
    world: &World,
) -> Result<(Vec<Diagnosis>, Option<Checked>)> {
    let Examination { diagnoses, checked } =
        query::examine(file, settings, parameters, &world.resources(settings)?).await;
    if !world.quiet || checked.is_none() {
        render::diagnoses(&diagnoses);
    }
    Ok((diagnoses, checked))
}

/// The error of a query that has problems; the first decides the exit code.
pub(super) fn refusal(path: &Path, diagnoses: &[Diagnosis]) -> Error {
    let errors: Vec<_> = diagnoses.iter().filter(|diagnosis| diagnosis.is_error()).collect();
    let kind = errors.first().map_or(ErrorKind::Internal, |diagnosis| diagnosis.kind);
    let problems = if errors.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", errors.len()) };
    Error::new(kind, format!("`{}` has {problems}; nothing was read or sent", path.display()))
}
