//! The findings as one JSON document.

use serde_json::{Value, json};

use super::Report;
use crate::query::Diagnosis;
use crate::validate::Severity;

/// Goes up when a member changes its meaning or goes away; new members may come.
const VERSION: u32 = 1;

/// Lines and columns count from 1, columns in characters; `end_column` is the one behind the last character.
pub(super) fn document(report: &Report) -> Value {
    let files = report.files.iter().map(|file| {
        json!({
            "path": file.path,
            "diagnoses": file.diagnoses.iter().map(diagnosis).collect::<Vec<_>>(),
            "sources": file.sources,
        })
    });
    json!({
        "version": VERSION,
        "files": files.collect::<Vec<_>>(),
        "errors": report.count(Severity::Reject),
        "warnings": report.count(Severity::Warn),
    })
}

fn diagnosis(diagnosis: &Diagnosis) -> Value {
    let location = diagnosis.location.as_ref();
    json!({
        "code": diagnosis.rule.code,
        "slug": diagnosis.rule.slug,
        "severity": diagnosis.severity.as_str(),
        "message": diagnosis.message,
        "why": diagnosis.rule.why,
        "help": diagnosis.help,
        "citation": diagnosis.rule.citation.to_string(),
        "line": location.map(|location| location.line),
        "column": location.map(|location| location.column),
        "end_column": location.map(|location| location.column + location.width),
    })
}
