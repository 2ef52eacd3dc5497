//! Letters that JSON writes as escapes: each is the letter that it was, wherever it stands.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::server::{file, postback, said};

/// `text` as Python's `json.dumps` writes it: all but ASCII as escapes.
fn escaped(text: &str) -> String {
    let mut json = String::from("\"");
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'"') => json.push_str("\\\""),
            Ok(b'\\') => json.push_str("\\\\"),
            Ok(letter @ b' '..=b'~') => json.push(char::from(letter)),
            _ => write!(json, "\\u{unit:04x}").unwrap(),
        }
    }
    json + "\""
}

/// The rows of `query`.
fn rows(folder: &Path, query: &str) -> Vec<Value> {
    let said = said(postback(&["sql", query, "--format", "ndjson"]).current_dir(folder));
    assert_eq!(said.code, 0, "{query}: {}", said.stderr);
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Texts of which each has what another decoder might get wrong.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "𠮷田",
        "𠮷野家 😀 𩸽",
        "\u{10000}\u{1ffff}\u{20000}\u{2ffff}\u{30000}\u{e0001}\u{f0000}\u{10ffff}",
        "\\ud842\\udfb7",
        "\\𠮷",
        "\\\\𠮷\\",
        "\"𠮷\"",
        "Zoë 吉田 \u{ffff}\u{d7ff}\u{e000}",
        "a\u{1}b\n\t𝄞",
        "👩‍👩‍👧‍👦",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    // One letter of every plane, and the first and last of each half.
    texts.extend((1..=16_u32).map(|plane| {
        [0, 0x3ff, 0x400, 0xfbff, 0xfc00, 0xffff].map(|low| char::from_u32(plane << 16 | low).unwrap()).iter().collect()
    }));
    texts
}

#[test]
fn letters_are_what_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let texts = texts();
    let object = |text: &String| {
        let text = escaped(text);
        format!("{{\"t\":{text},\"l\":[{text},\"x\"],\"s\":{{\"inner\":{text}}},{}:1}}", escaped("k𠮷"))
    };
    let objects: Vec<String> = texts.iter().map(object).collect();
    file(here, "lines.ndjson", objects.join("\n"));
    file(here, "array.json", format!("[{}]", objects.join(",\n")));
    file(here, "one_line.json", format!("[{}]", objects.join(",")));
    file(here, "several.ndjson", format!("{}\n", objects.join("")));
    let pretty = objects.iter().map(|object| object.replace(",\"l\"", ",\n  \"l\"").replacen('{', "{\n  ", 1));
    file(here, "pretty.json", pretty.collect::<Vec<_>>().join("\n"));
    for source in ["lines.ndjson", "array.json", "one_line.json", "several.ndjson", "pretty.json"] {
        let query = format!("SELECT t, l[1] AS i, s['inner'] AS m, \"k𠮷\" AS k FROM '{source}'");
        let expected: Vec<Value> = texts.iter().map(|text| json!({"t": text, "i": text, "m": text, "k": 1})).collect();
        assert_eq!(rows(here, &query), expected, "{source}");
    }
}

/// Objects longer than the window of the reader, with an escape wherever one may end.
#[test]
fn an_escape_may_lie_at_any_place() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut lines = String::new();
    for length in (0..40).chain(8_170..8_200).chain(65_510..65_540) {
        writeln!(lines, "{{\"n\":{length},\"t\":\"{}\\ud842\\udfb7\"}}", "x".repeat(length)).unwrap();
    }
    file(here, "t.ndjson", &lines);
    let found = rows(here, "SELECT count(*) AS n FROM 't.ndjson' WHERE t = concat(repeat('x', n), '𠮷')");
    assert_eq!(found, [json!({"n": 100})]);
}

#[test]
fn half_a_letter_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for half in [
        r"\ud842",
        r"\udfb7",
        r"\udfb7\ud842",
        r"\ud842\ud842",
        r"\ud842x\udfb7",
        r"\ud842\n",
        r"\ud842\u0041",
        r"\ud84",
    ] {
        let sound = "{\"t\":\"𠮷\"}";
        for (name, text) in [
            ("value", format!("{sound}\n{{\"t\":\"{half}\"}}\n{sound}\n")),
            ("key", format!("{sound}\n{{\"{half}\":1}}\n{sound}\n")),
            ("array", format!("[{sound},\n{{\"t\":\"{half}\"}}]")),
        ] {
            file(here, "t.json", &text);
            let said = said(postback(&["sql", "SELECT t FROM 't.json'", "--format", "ndjson"]).current_dir(here));
            let is_told = match name {
                "array" => said.code == 5 && said.stderr.contains("no well-formed JSON array"),
                _ => said.stdout == format!("{sound}\n{sound}\n") && said.stderr.contains("PB3406"),
            };
            assert!(is_told, "{half} in {name}: {} {}", said.stdout, said.stderr);
        }
    }
}

#[test]
fn json_text_in_a_column_has_the_same_letters() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut csv = String::from("id,payload\n");
    let texts: Vec<String> = texts().into_iter().filter(|text| !text.is_empty()).collect();
    for (id, text) in texts.iter().enumerate() {
        let payload = format!("{{\"{0}\":{1},\"list\":[{1}]}}", "name", escaped(text)).replace('"', "\"\"");
        writeln!(csv, "{id:03},\"{payload}\"").unwrap();
    }
    file(here, "t.csv", &csv);
    let query = "SELECT payload ->> 'name' AS a, json_get_str(payload, 'list', 0) AS b FROM 't.csv' ORDER BY id";
    let expected: Vec<Value> = texts.iter().map(|text| json!({"a": text, "b": text})).collect();
    assert_eq!(rows(here, query), expected);
}
