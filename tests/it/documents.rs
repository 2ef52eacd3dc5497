//! The README's generated parts are what the code says. `UPDATE_DOCUMENTS=1 cargo test documents` writes them anew.

use std::fmt::Write;

use postback::contract::schema;
use postback::error::EXIT_CODES;
use postback::sandbox::faults;
use postback::settings::SETTINGS;

use crate::server::{postback, root, said};

/// `text` with everything between the markers of `part` replaced by `content`.
fn replaced(text: &str, part: &str, content: &str) -> String {
    let (open, close) = (format!("<!-- {part} -->\n"), "<!-- /");
    let start = text.find(&open).unwrap_or_else(|| panic!("README lacks {open}")) + open.len();
    let end = start + text[start..].find(close).unwrap_or_else(|| panic!("{part} has no end"));
    format!("{}{}\n{}", &text[..start], content.trim_end(), &text[end..])
}

fn settings() -> String {
    let mut table = "| setting | default | takes | meaning |\n|---|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let default = setting.default.map_or_else(String::new, |default| format!("`{default}`"));
        let expected = setting.form.expected().replace('|', "\\|");
        writeln!(table, "| `{}` | {default} | {expected} | {} |", setting.name, setting.meaning).unwrap();
    }
    table
}

fn exit_codes() -> String {
    let mut table =
        "| exit | meaning |\n|---|---|\n| 0 | every event accepted, or already accepted, within the thresholds |\n"
            .to_owned();
    let mut last = 0;
    for (_, code, meaning) in EXIT_CODES {
        if *code != last {
            writeln!(table, "| {code} | {meaning} |").unwrap();
            last = *code;
        }
    }
    table
}

/// The account of the first command, with the port and the time it happened to have taken out.
fn sample() -> String {
    let said = said(&mut postback(&["run", "queries/store_purchases.sql", "--sandbox"]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    let mut text = said.stdout;
    let port = text.find("127.0.0.1:").unwrap() + "127.0.0.1:".len();
    let end = port + text[port..].find('\n').unwrap();
    text.replace_range(port..end, "41873");
    let seconds = text.find(" kB, ").unwrap() + " kB, ".len();
    let end = seconds + text[seconds..].find(" s").unwrap();
    text.replace_range(seconds..end, "0.1");
    let folder = text.find("every reject and batch: ").unwrap() + "every reject and batch: ".len();
    let end = folder + text[folder..].find('\n').unwrap();
    text.replace_range(folder..end, "queries/.postback/runs/20261122T120000.000Z-3f9a2c");
    format!("```text\n{}\n```", text.trim_end())
}

/// What `check` finds in a faulty query.
fn findings() -> String {
    let said = said(postback(&["check", "purchases.sql"]).current_dir(root().join("tests/data/check_command")));
    assert_eq!(said.code, 2, "{}", said.stderr);
    format!("```text\n{}\n```", said.stdout.trim_end())
}

#[test]
fn readme_is_fresh() {
    let path = root().join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let parts = [
        ("sample: account", sample()),
        ("sample: check", findings()),
        ("generated: columns", schema::readme_tables()),
        ("generated: faults", faults::markdown()),
        ("generated: settings", settings()),
        ("generated: exit-codes", exit_codes()),
    ];
    let fresh = parts.iter().fold(text.clone(), |text, (part, content)| replaced(&text, part, content));
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(path, fresh).unwrap();
        return;
    }
    let is_fresh = without_positions(&text) == without_positions(&fresh);
    assert!(is_fresh, "README.md is stale: run `UPDATE_DOCUMENTS=1 cargo test documents`");
}

/// `text` without the numbers of rows: positions in a result that partitions make side by side, which may differ from one
/// run to the next.
fn without_positions(text: &str) -> String {
    let mut parts = text.split("(row ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "(row " + part.trim_start_matches(|letter: char| letter.is_ascii_digit()))
}

#[test]
fn readme_names_every_function() {
    let said = said(&mut postback(&[
        "sql",
        "SELECT DISTINCT routine_name FROM information_schema.routines",
        "--format",
        "csv",
    ]));
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let documented: Vec<&str> = text
        .split("<!-- generated: functions -->")
        .nth(1)
        .and_then(|text| text.split("<!-- /generated -->").next())
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('(').next())
        .collect();
    assert_eq!(documented.len(), 14);
    for function in documented {
        assert!(said.stdout.lines().any(|line| line == function), "`{function}` is not registered");
    }
}
