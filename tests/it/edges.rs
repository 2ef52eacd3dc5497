//! The allowed edges between modules, as `RANKS` states them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use postback::RANKS;

use crate::server::root;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
}

/// The top-level modules that `text` names after `crate::`, outside its tests and comments.
fn uses(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut modules = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for part in line.split("crate::").skip(1) {
            let name: String =
                part.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
            if name.is_empty() {
                // `use crate::{a::B, c};`
                let inside = part.trim_start_matches('{').split('}').next().unwrap_or_default();
                modules.extend(
                    inside.split(',').map(|name| name.trim().split("::").next().unwrap_or_default().to_owned()),
                );
            } else {
                modules.push(name);
            }
        }
    }
    modules
}

#[test]
fn modules_use_earlier_ranks_only() {
    let rank: HashMap<&str, usize> = RANKS
        .iter()
        .enumerate()
        .flat_map(|(rank, modules)| modules.iter().map(move |module| (*module, rank)))
        .collect();
    let source = root().join("src");
    let mut files = Vec::new();
    sources(&source, &mut files);
    let mut edges = 0;
    for file in files {
        let relative = file.strip_prefix(&source).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let own = *rank.get(module).unwrap_or_else(|| panic!("`{module}` is missing in RANKS"));
        for used in uses(&std::fs::read_to_string(&file).unwrap()) {
            let Some(theirs) = rank.get(used.as_str()) else { continue };
            edges += 1;
            assert!(used == module || *theirs < own, "{} uses {used}, which is not below {module}", relative.display());
        }
    }
    assert!(edges > 50, "only {edges} edges were found: the search is broken");
}

#[test]
fn grouped_uses_are_seen() {
    assert_eq!(
        uses("use crate::{event::Batch, settings};\nfn a() { crate::run::b() }\n// crate::cli"),
        ["event", "settings", "run"]
    );
}
