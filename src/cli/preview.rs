//! `postback preview`: the first rows of a query as the events they become. Personal data is masked, and nothing sent.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::flags::SettingFlags;
use super::{World, output, render, run};
use crate::contract::{Privacy, fields, personal};
use crate::error::Result;
use crate::run::{Job, Sample, UnreadSources, sample};
use crate::validate::Severity;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The query file
    file: PathBuf,
    /// Rows to show
    #[arg(short = 'n', long, default_value_t = 10)]
    rows: usize,
    /// Show digests, addresses and ids as they would be sent
    #[arg(long)]
    reveal_pii: bool,
    /// Value of a parameter `$NAME` in the query
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
    #[command(flatten)]
    settings: SettingFlags,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// One event after the other, for people
    Text,
    /// One JSON object a row
    Ndjson,
    /// One JSON array
    Json,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<()> {
    let (checked, settings) = run::check(&arguments.file, &arguments.settings, &arguments.parameters, world).await?;
    let job = Job::resolve(&settings, world.now, world.resources.partitions);
    let mut samples = sample(&checked, &job, arguments.rows).await?;
    if !world.quiet {
        render::unread_beside(&UnreadSources::of(&*checked.sources()?));
    }
    if samples.is_empty() && !world.quiet {
        render::note("the query has no rows");
    }
    if !arguments.reveal_pii {
        for sample in &mut samples {
            if let Some(event) = &mut sample.event {
                mask(event, "");
            }
        }
    }
    let text = match arguments.format {
        Form::Text => samples.iter().map(shown).collect(),
        Form::Ndjson => {
            samples.iter().map(|sample| as_json(sample).to_string()).flat_map(|line| [line, "\n".into()]).collect()
        }
        Form::Json => format!("{:#}\n", Value::from(samples.iter().map(as_json).collect::<Vec<_>>())),
    };
    output::write(|stdout| stdout.write_all(text.as_bytes()))
}

/// Replaces personal values below `path` by what tells them apart least.
fn mask(value: &mut Value, path: &str) {
    // What a custom property holds nobody knows but its author.
    let is_public = || fields::FIELDS.iter().any(|field| field.path == path && field.privacy == Privacy::Public);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                mask(member, &below);
            }
        }
        Value::Array(items) => {
            let of_items = if items.iter().any(Value::is_object) { format!("{path}[]") } else { path.to_owned() };
            for item in items {
                mask(item, &of_items);
            }
        }
        Value::String(text) if !is_public() || personal::find(text, None).is_some() => *text = masked(text),
        Value::Number(_) if !is_public() => *value = "<number>".into(),
        _ => {}
    }
}

fn masked(text: &str) -> String {
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { "<sha256>".into() } else { format!("<{} characters>", text.chars().count()) }
}

fn shown(sample: &Sample) -> String {
    let age = if sample.is_out_of_window { ", out of window: a run skips it" } else { "" };
    let mut text = match &sample.event {
        Some(event) => {
            format!("row {}: {} {}{age}\n{event:#}\n", sample.row + 1, sample.event_source, sample.event_source_id)
        }
        None if sample.is_out_of_window => format!("row {}: out of window: a run skips it\n", sample.row + 1),
        None => format!("row {}: rejected\n", sample.row + 1),
    };
    for violation in &sample.violations {
        let level = if violation.severity == Severity::Reject { "rejected" } else { "warning" };
        let column = violation.column.as_deref().map_or_else(String::new, |column| format!(" `{column}`"));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {level}[{}]{column}: {}", violation.rule.code, violation.detail);
    }
    text.push('\n');
    text
}

fn as_json(sample: &Sample) -> Value {
    let findings = sample.violations.iter().map(|violation| {
        json!({
            "code": violation.rule.code,
            "severity": violation.severity.effect(),
            "column": violation.column.as_deref(),
            "message": violation.detail,
            "shape": violation.shape,
        })
    });
    json!({
        "row": sample.row + 1,
        "event_source": sample.event_source,
        "event_source_id": sample.event_source_id,
        "event": sample.event,
        "out_of_window": sample.is_out_of_window,
        "findings": findings.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_values_are_masked_and_the_rest_is_not() {
        let mut event = json!({
            "event": "Lead",
            "user": { "email": ["f8be1589dee5ca3ca1c3af1e2eae4d3b3f310698c516313533ecf034c3e0ec26"], "ip": "203.0.113.24" },
            "properties": { "value": 1.5, "order_id": "4711", "shop_id": "ann@shop.example", "contents": [{ "content_name": "Tea" }], "mail_copy": "a@b", "tax": 4711 },
        });
        mask(&mut event, "");
        let expected = json!({
            "event": "Lead",
            "user": { "email": ["<sha256>"], "ip": "<12 characters>" },
            "properties": { "value": 1.5, "order_id": "4711", "shop_id": "<16 characters>", "contents": [{ "content_name": "Tea" }], "mail_copy": "<3 characters>", "tax": "<number>" },
        });
        assert_eq!(event, expected);
    }
}
