//! The findings as a log of SARIF 2.1.0, the form that code scanning takes.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::{Examined, Report};
use crate::query::Diagnosis;
use crate::validate::{RULES, Rule};

/// One run, with the rules that something was found for.
pub(super) fn log(report: &Report) -> Value {
    let is_found = |rule: &&Rule| report.diagnoses().any(|(_, diagnosis)| diagnosis.rule == *rule);
    let rules: Vec<&Rule> = RULES.iter().filter(is_found).collect();
    let results = report.diagnoses().map(|(file, diagnosis)| result(file, diagnosis, &rules));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": env!("CARGO_PKG_NAME"),
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": rules.iter().map(|rule| metadata(rule)).collect::<Vec<_>>(),
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn metadata(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "name": rule.slug,
        "shortDescription": { "text": rule.slug.replace('-', " ") },
        "fullDescription": { "text": rule.why },
        "help": { "text": rule.fix },
        "defaultConfiguration": { "level": rule.severity.as_str() },
        "properties": { "citation": rule.citation.to_string() },
    })
}

fn result(file: &Examined, diagnosis: &Diagnosis, rules: &[&Rule]) -> Value {
    let mut place = json!({ "artifactLocation": artifact(Path::new(&file.path)) });
    if let Some(at) = &diagnosis.location {
        place["region"] = json!({
            "startLine": at.line,
            "startColumn": at.column,
            "endColumn": at.column + at.width,
            "snippet": { "text": at.text },
        });
    }
    json!({
        "ruleId": diagnosis.rule.code,
        "ruleIndex": rules.iter().position(|rule| *rule == diagnosis.rule),
        "level": diagnosis.severity.as_str(),
        "message": { "text": format!("{}\nhelp: {}", diagnosis.message, diagnosis.help) },
        "locations": [{ "physicalLocation": place }],
    })
}

/// A path below the working folder as a relative reference, any other as a `file` URL.
fn artifact(path: &Path) -> Value {
    let below = std::env::current_dir().ok().and_then(|folder| path.strip_prefix(folder).ok());
    if path.is_relative() || below.is_some() {
        let path = below.unwrap_or(path);
        let path = path.strip_prefix(".").unwrap_or(path);
        return json!({ "uri": reference(&path.to_string_lossy()), "uriBaseId": "%SRCROOT%" });
    }
    json!({ "uri": format!("file://{}", reference(&path.to_string_lossy())) })
}

/// `path` as a URI reference: letters, digits, `-._~` and `/` stand for themselves.
fn reference(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => text.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        assert_eq!(artifact(Path::new("./a b/é.sql")), json!({ "uri": "a%20b/%C3%A9.sql", "uriBaseId": "%SRCROOT%" }));
        assert_eq!(artifact(Path::new("/nowhere/a:b.sql")), json!({ "uri": "file:///nowhere/a%3Ab.sql" }));
    }
}
