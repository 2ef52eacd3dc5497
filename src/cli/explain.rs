//! `postback explain`: what a code means, why it matters and what to do about it.

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::output;
use crate::contract::responses::{self, FAMILIES, RESPONSES};
use crate::contract::{Citation, SOURCES};
use crate::error::{Error, ErrorKind, Result};
use crate::settings::nearest;
use crate::validate::coverage::{self, COVERAGE, Coverage};
use crate::validate::{RULES, Rule, examples, rule};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// A code such as PB2007, its name such as constant-identity, a rule of the Events API notes such as R30, or a code
    /// of the API such as 40002; without one, all are listed
    code: Option<String>,
    /// Form of the explanation
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Lines for a terminal
    Text,
    Markdown,
    Json,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let text = match &arguments.code {
        Some(code) => explain(&find(code)?, arguments.format),
        None => list(arguments.format),
    };
    output::write(|stdout| stdout.write_all(text.as_bytes()))
}

/// Something that has a code.
#[derive(Clone, Copy, Debug)]
enum Topic {
    /// A rule of postback.
    Rule(&'static Rule),
    /// A rule of the Events API notes.
    Note(&'static Coverage),
    /// A code of the API, in its catalogue or of a family only.
    Response(i64),
}

fn topics() -> impl Iterator<Item = Topic> {
    let responses = RESPONSES.iter().map(|response| Topic::Response(response.code));
    RULES.iter().map(Topic::Rule).chain(COVERAGE.iter().map(Topic::Note)).chain(responses)
}

fn find(code: &str) -> Result<Topic> {
    let wanted = code.trim();
    if let Some(rule) = rule(&wanted.to_ascii_uppercase()) {
        return Ok(Topic::Rule(rule));
    }
    if let Some(rule) = RULES.iter().find(|rule| rule.slug.eq_ignore_ascii_case(wanted)) {
        return Ok(Topic::Rule(rule));
    }
    let number = wanted.strip_prefix(['R', 'r']).and_then(|number| number.parse().ok());
    if let Some(note) = number.and_then(coverage::find) {
        return Ok(Topic::Note(note));
    }
    let is_known =
        |code: &i64| responses::find(*code).is_some() || FAMILIES.iter().any(|family| family.codes.contains(code));
    if let Some(code) = wanted.parse().ok().filter(is_known) {
        return Ok(Topic::Response(code));
    }
    let names: Vec<String> =
        RULES.iter().flat_map(|rule| [rule.code.to_ascii_lowercase(), rule.slug.to_owned()]).collect();
    let hint = match nearest(wanted, names.iter().map(String::as_str)) {
        _ if number.is_some() => format!("the rules of the notes are R1 to R{}", COVERAGE.len()),
        Some(near) if near.starts_with("pb") => format!("did you mean {}?", near.to_ascii_uppercase()),
        Some(near) => format!("did you mean {near}?"),
        None => "`postback explain` lists every code".to_owned(),
    };
    Err(Error::new(ErrorKind::Usage, format!("`{wanted}` is no code of postback or of the API")).hint(hint))
}

impl Topic {
    fn code(self) -> String {
        match self {
            Self::Rule(rule) => rule.code.to_owned(),
            Self::Note(note) => format!("R{}", note.number),
            Self::Response(code) => code.to_string(),
        }
    }

    fn slug(self) -> Option<&'static str> {
        match self {
            Self::Rule(rule) => Some(rule.slug),
            Self::Note(_) | Self::Response(_) => None,
        }
    }

    /// What it is: `error` or `warning`, `rule` or `api`.
    fn kind(self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.severity.as_str(),
            Self::Note(_) => "rule",
            Self::Response(_) => "api",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.slug,
            Self::Note(note) => note.asks,
            Self::Response(code) => {
                responses::find(code).map_or("not in TikTok's catalogue", |response| response.meaning)
            }
        }
    }

    /// Everything there is to say, by name.
    fn facts(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Rule(rule) => of_rule(rule),
            Self::Note(note) => of_note(note),
            Self::Response(code) => of_response(code),
        }
    }
}

fn of_rule(rule: &Rule) -> Vec<(&'static str, String)> {
    let mut facts = vec![("why", rule.why.to_owned()), ("fix", rule.fix.to_owned())];
    if let Some(example) = examples::find(rule.code) {
        facts.extend([("instead of", example.bad.to_owned()), ("write", example.good.to_owned())]);
    }
    let notes: Vec<String> = coverage::of(rule.code).map(|note| format!("R{}: {}", note.number, note.asks)).collect();
    facts.extend(notes.into_iter().map(|note| ("enforces", note)));
    facts.extend(sources(rule.citation));
    facts
}

fn of_note(note: &Coverage) -> Vec<(&'static str, String)> {
    let named = |code: &&str| match rule(code) {
        Some(rule) => ("enforced by", format!("{code} {} ({})", rule.slug, rule.severity.as_str())),
        None => ("enforced by", (*code).to_owned()),
    };
    let mut facts: Vec<_> = note.by.codes().iter().map(named).collect();
    if let Some(reason) = note.by.reason() {
        let name = match note.by {
            coverage::Enforcement::Api(_) => "left to the API",
            _ => "holds because",
        };
        facts.push((name, reason.to_owned()));
    }
    facts
}

fn of_response(code: i64) -> Vec<(&'static str, String)> {
    let action = responses::action(code);
    let mut facts = vec![("postback", action.explained().to_owned()), ("you", action.advice().to_owned())];
    if let Some(response) = responses::find(code) {
        if !response.met {
            facts.push(("note", "TikTok gives this code on other endpoints than that of events".to_owned()));
        }
        facts.extend(sources(response.citation));
    } else if let Some(family) = FAMILIES.iter().find(|family| family.codes.contains(&code)) {
        let (first, last) = (family.codes.start(), family.codes.end());
        facts.push(("note", format!("treated as all codes from {first} to {last}")));
        facts.extend(sources(family.citation));
    }
    facts
}

/// The confidence of a citation and the documents behind its tags.
fn sources(citation: Citation) -> Vec<(&'static str, String)> {
    let tags = citation.sources.split(" (").next().unwrap_or_default().split(", ");
    let named = tags.filter_map(|tag| SOURCES.iter().find(|(known, _)| *known == tag));
    std::iter::once(("source", citation.to_string()))
        .chain(named.map(|(tag, document)| ("", format!("{tag}: {document}"))))
        .collect()
}

fn explain(topic: &Topic, format: Format) -> String {
    let (code, kind, name) = (topic.code(), topic.kind(), topic.name());
    let facts = topic.facts();
    let title = if topic.slug().is_some() { format!("{code} {name} ({kind})") } else { format!("{code}: {name}") };
    match format {
        Format::Text => {
            let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            let lines = with_repeats_blank(&facts).map(|(name, fact)| format!("  {name:<width$}  {fact}\n"));
            format!("{title}\n\n{}", lines.collect::<String>())
        }
        Format::Markdown => {
            let line = |(name, fact): (&str, &String)| match name {
                "instead of" | "write" => format!("- **{name}** `{fact}`\n"),
                "" => format!("  - {fact}\n"),
                _ => format!("- **{name}** {fact}\n"),
            };
            let lines = facts.iter().map(|(name, fact)| line((name, fact)));
            format!("## {title}\n\n{}", lines.collect::<String>())
        }
        Format::Json => format!("{:#}\n", as_json(*topic)),
    }
}

/// `facts` with a name only where it differs from the one above.
fn with_repeats_blank<'a>(facts: &'a [(&'static str, String)]) -> impl Iterator<Item = (&'static str, &'a String)> {
    let mut last = "";
    facts.iter().map(move |(name, fact)| {
        let shown = if *name == last { "" } else { name };
        last = name;
        (shown, fact)
    })
}

fn as_json(topic: Topic) -> Value {
    let mut value = json!({ "code": topic.code() });
    let cited = |citation: Citation| json!({ "sources": citation.sources, "confidence": citation.confidence.as_str() });
    let more = match topic {
        Topic::Rule(rule) => json!({
            "slug": rule.slug,
            "severity": rule.severity.as_str(),
            "why": rule.why,
            "fix": rule.fix,
            "example": examples::find(rule.code).map(|example| json!({ "bad": example.bad, "good": example.good })),
            "enforces": coverage::of(rule.code).map(|note| format!("R{}", note.number)).collect::<Vec<_>>(),
            "citation": cited(rule.citation),
        }),
        Topic::Note(note) => json!({
            "asks": note.asks,
            "enforced_by": note.by.as_str(),
            "rules": note.by.codes(),
            "reason": note.by.reason(),
        }),
        Topic::Response(code) => {
            let (response, action) = (responses::find(code), responses::action(code));
            json!({
                "meaning": response.map(|response| response.meaning),
                "action": action.as_str(),
                "explanation": action.explained(),
                "advice": action.advice(),
                "met_by_events": response.map(|response| response.met),
                "citation": response.map(|response| cited(response.citation)),
            })
        }
    };
    if let (Value::Object(members), Value::Object(more)) = (&mut value, more) {
        members.extend::<Map<String, Value>>(more);
    }
    value
}

/// All codes, one a line.
fn list(format: Format) -> String {
    let lines = topics().map(|topic| (topic.code(), topic.kind(), topic.name()));
    let lines: Vec<String> = match format {
        Format::Text => lines.map(|(code, kind, name)| format!("{code:<6}  {kind:<7}  {name}\n")).collect(),
        Format::Markdown => std::iter::once("| code | kind | name |\n| --- | --- | --- |\n".to_owned())
            .chain(lines.map(|(code, kind, name)| format!("| {code} | {kind} | {} |\n", name.replace('|', "\\|"))))
            .collect(),
        Format::Json => vec![format!("{:#}\n", topics().map(as_json).collect::<Value>())],
    };
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_by_every_name_it_has() {
        for name in ["PB2007", "pb2007", "constant-identity", "Constant-Identity", " PB2007 "] {
            assert!(matches!(find(name), Ok(Topic::Rule(rule)) if rule.code == "PB2007"), "{name}");
        }
        for name in ["R30", "r30"] {
            assert!(matches!(find(name), Ok(Topic::Note(note)) if note.number == 30), "{name}");
        }
        assert!(matches!(find("40002"), Ok(Topic::Response(40_002))));
        assert!(matches!(find("51021"), Ok(Topic::Response(51_021))));
    }

    #[test]
    fn what_is_no_code_gets_the_nearest() {
        for (name, hint) in [
            ("PB2007x", "did you mean PB2007?"),
            ("constant-identiy", "did you mean constant-identity?"),
            ("R99", "the rules of the notes are R1 to R73"),
            ("7", "`postback explain` lists every code"),
        ] {
            let error = find(name).unwrap_err();
            assert_eq!((error.exit_code(), error.hint_text()), (2, Some(hint)), "{name}");
        }
    }

    #[test]
    fn every_topic_is_explained_in_every_form() {
        for topic in topics() {
            assert!(matches!(find(&topic.code()), Ok(found) if found.code() == topic.code()));
            assert!(!topic.facts().is_empty() && !topic.name().is_empty(), "{}", topic.code());
            for format in [Format::Text, Format::Markdown, Format::Json] {
                assert!(explain(&topic, format).contains(&topic.code()));
            }
        }
    }
}
