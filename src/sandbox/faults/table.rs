//! Every fault and every key of a script, once: what scripts are read by, and what the documentation lists.

use std::fmt::Write;

use super::answer::Shape;

/// One fault.
#[derive(Debug)]
pub(super) struct Fault {
    /// What `does` calls it.
    pub(super) name: &'static str,
    /// Its own keys.
    pub(super) keys: &'static [&'static str],
    /// Whether the events of the request count.
    pub(super) takes: Takes,
    /// What becomes of the request, in a phrase.
    pub(super) meaning: &'static str,
    /// A rule without its `does`, one key a line.
    pub(super) example: &'static str,
}

/// Whether the events of a request that met the fault count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// As the request's verdict says.
    Yes,
    /// Never: the answer says so.
    No,
    /// All but those the rule is about.
    Others,
    /// As `taken` says; this is its default.
    Chosen(bool),
}

impl Takes {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Others => "all but these",
            Self::Chosen(true) => "unless `taken = false`",
            Self::Chosen(false) => "only with `taken = true`",
        }
    }
}

/// One key of a rule.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// What holds without it, in words.
    pub(super) default: &'static str,
    pub(super) meaning: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Requests,
    Count(i64, i64),
    Chance,
    Switch,
    Text,
    OneOf(&'static [&'static str]),
}

impl Form {
    pub(super) fn expected(self) -> String {
        match self {
            Self::Requests => "a number, \"3..5\", \"3..\" or \"every 10\"".to_owned(),
            Self::Count(low, high) => format!("a whole number {low}..{high}"),
            Self::Chance => "a number from 0 to 1".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Text => "text in quotes".to_owned(),
            Self::OneOf(words) => words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", "),
        }
    }
}

/// Keys that every fault takes: which requests meet it.
pub(super) const SELECTORS: &[&str] = &["on", "times", "chance", "reused", "event_id", "contains"];

const STATUS: &[&str] = &["status", "retry_after", "retry_at"];
/// Ten minutes in milliseconds.
const LONGEST: i64 = 600_000;

/// Every fault: below HTTP, then of HTTP, then of the API.
pub(super) static FAULTS: &[Fault] = &[
    Fault {
        name: "refuse",
        keys: &["milliseconds"],
        takes: Takes::Yes,
        meaning: "answers, then refuses connections for a while",
        example: "on = 3\nmilliseconds = 5000",
    },
    Fault {
        name: "reset",
        keys: &[],
        takes: Takes::Chosen(false),
        meaning: "resets the connection instead of an answer",
        example: "on = \"every 10\"\ntaken = true",
    },
    Fault {
        name: "close",
        keys: &[],
        takes: Takes::Chosen(false),
        meaning: "closes the connection without an answer",
        example: "reused = true\ntimes = 5",
    },
    Fault {
        name: "half",
        keys: &[],
        takes: Takes::Chosen(true),
        meaning: "closes the connection in the middle of the answer's body",
        example: "on = 2",
    },
    Fault {
        name: "short-length",
        keys: &[],
        takes: Takes::Chosen(true),
        meaning: "answers with a Content-Length that cuts the body off",
        example: "on = 2",
    },
    Fault {
        name: "long-head",
        keys: &[],
        takes: Takes::Chosen(true),
        meaning: "answers behind a head of 20,000 headers",
        example: "on = 2",
    },
    Fault {
        name: "slow",
        keys: &["milliseconds"],
        takes: Takes::Yes,
        meaning: "answers late",
        example: "chance = 0.2\nmilliseconds = 2000",
    },
    Fault {
        name: "trickle",
        keys: &["milliseconds"],
        takes: Takes::Yes,
        meaning: "answers byte by byte",
        example: "on = 1\nmilliseconds = 1000",
    },
    Fault {
        name: "never",
        keys: &[],
        takes: Takes::Chosen(false),
        meaning: "keeps the connection and does not answer",
        example: "on = 1",
    },
    Fault {
        name: "skew",
        keys: &["seconds"],
        takes: Takes::Yes,
        meaning: "answers with a Date header that is so many seconds ahead",
        example: "seconds = -600",
    },
    Fault {
        name: "status",
        keys: STATUS,
        takes: Takes::Chosen(false),
        meaning: "answers with this HTTP status and a page of HTML, as a gateway does",
        example: "on = \"4..9\"\nstatus = 502",
    },
    Fault {
        name: "redirect",
        keys: &["status", "to"],
        takes: Takes::No,
        meaning: "sends the client elsewhere",
        example: "status = 307\nto = \"https://other.example/\"",
    },
    Fault {
        name: "throttle",
        keys: &["limit", "status", "retry_after", "retry_at"],
        takes: Takes::No,
        meaning: "answers 40100, in the words of the limit of a second, a minute or a day",
        example: "on = \"5..8\"\nlimit = \"second\"",
    },
    Fault {
        name: "code",
        keys: &["code", "message", "status", "retry_after", "retry_at"],
        takes: Takes::Chosen(false),
        meaning: "answers with this code of the API",
        example: "on = \"20..\"\ncode = 40105",
    },
    Fault {
        name: "poison",
        keys: &["code", "names", "field", "status"],
        takes: Takes::No,
        meaning: "refuses a request with such an event as a whole",
        example: "event_id = \"order-7*\"\nnames = \"nothing\"",
    },
    Fault {
        name: "partial",
        keys: &["names", "field", "says"],
        takes: Takes::Others,
        meaning: "takes the request without such events, and says so",
        example: "contains = '\"currency\":\"XXX\"'",
    },
    Fault {
        name: "garbled",
        keys: &["shape", "status"],
        takes: Takes::Chosen(true),
        meaning: "answers with a body that is none of the API's",
        example: "on = 1\nshape = \"string-code\"",
    },
];

/// Every key: those that select requests, then those of single faults.
pub(super) static KEYS: &[Key] = &[
    Key { name: "on", form: Form::Requests, default: "all", meaning: "which requests, counted from 1" },
    Key {
        name: "times",
        form: Form::Count(1, 1_000_000_000),
        default: "no end",
        meaning: "most requests that meet the fault",
    },
    Key { name: "chance", form: Form::Chance, default: "1", meaning: "share of these requests that meet it" },
    Key {
        name: "reused",
        form: Form::Switch,
        default: "false",
        meaning: "only requests on a connection that carried one before",
    },
    Key {
        name: "event_id",
        form: Form::Text,
        default: "any",
        meaning: "only requests with an event of such an id; `*` and `?` stand for other characters",
    },
    Key {
        name: "contains",
        form: Form::Text,
        default: "any",
        meaning: "only requests with an event whose JSON contains this",
    },
    Key { name: "taken", form: Form::Switch, default: "see above", meaning: "whether the events of the request count" },
    Key { name: "milliseconds", form: Form::Count(1, LONGEST), default: "1000", meaning: "how long" },
    Key {
        name: "seconds",
        form: Form::Count(-1_000_000_000, 1_000_000_000),
        default: "600",
        meaning: "how far the clock is ahead",
    },
    Key {
        name: "status",
        form: Form::Count(200, 599),
        default: "503 for `status`, 307 for `redirect`, else 200",
        meaning: "HTTP status",
    },
    Key {
        name: "retry_after",
        form: Form::Count(0, 1_000_000),
        default: "no header",
        meaning: "Retry-After, in seconds",
    },
    Key {
        name: "retry_at",
        form: Form::Count(0, 1_000_000),
        default: "no header",
        meaning: "Retry-After, as the date so many seconds from now",
    },
    Key { name: "to", form: Form::Text, default: "the same URL", meaning: "where a redirect leads" },
    Key {
        name: "limit",
        form: Form::OneOf(&["second", "minute", "day"]),
        default: "\"second\"",
        meaning: "whose limit was met",
    },
    Key {
        name: "code",
        form: Form::Count(1, 99_999),
        default: "50000; 40002 for `poison`",
        meaning: "`code` of the answer",
    },
    Key { name: "message", form: Form::Text, default: "what the code means", meaning: "`message` of the answer" },
    Key {
        name: "names",
        form: Form::OneOf(&["right", "wrong", "beyond", "nothing"]),
        default: "\"right\"",
        meaning: "which event the answer names: the one at fault, the next one, one beyond the request, or none",
    },
    Key { name: "field", form: Form::Text, default: "\"properties.value\"", meaning: "the field the answer names" },
    Key {
        name: "says",
        form: Form::OneOf(&["20001", "failed_events", "failed_rows", "flag"]),
        default: "\"20001\"",
        meaning: "how it says so: by that code, or by code 0 with one of these lists or `partial_failure` alone",
    },
    Key { name: "shape", form: Form::OneOf(Shape::NAMES), default: "\"text\"", meaning: "what the body looks like" },
];

/// The key of this name.
pub(super) fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The tables as Markdown, for the README.
#[must_use]
pub fn markdown() -> String {
    let mut text = "| does | what happens | takes the events | keys |\n|---|---|---|---|\n".to_owned();
    for fault in FAULTS {
        let keys = fault.keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" ");
        writeln!(text, "| `{}` | {} | {} | {keys} |", fault.name, fault.meaning, fault.takes.as_str())
            .expect("a text takes text");
    }
    text.push_str("\n| key | takes | default | meaning |\n|---|---|---|---|\n");
    for key in KEYS {
        writeln!(text, "| `{}` | {} | {} | {} |", key.name, key.form.expected(), key.default, key.meaning)
            .expect("a text takes text");
    }
    text
}

/// The tables for a terminal, each fault with an example.
#[must_use]
pub fn help() -> String {
    let mut text = "A fault script is a TOML file. Requests are numbered from 1; the first rule that fits decides.\n\
                    A top-level `seed` changes which requests a `chance` picks.\n\nFaults\n"
        .to_owned();
    for fault in FAULTS {
        write!(
            text,
            "\n  {}: {}\n  takes the events: {}\n\n    [[fault]]\n    does = \"{}\"\n",
            fault.name,
            fault.meaning,
            fault.takes.as_str(),
            fault.name
        )
        .expect("a text takes text");
        for line in fault.example.lines() {
            writeln!(text, "    {line}").expect("a text takes text");
        }
        if !fault.keys.is_empty() {
            writeln!(text, "\n  keys: {}", fault.keys.join(", ")).expect("a text takes text");
        }
    }
    text.push_str("\nKeys\n\n");
    for key in KEYS {
        writeln!(text, "  {:<13} {} (default {})", key.name, key.meaning, key.default).expect("a text takes text");
        writeln!(text, "  {:<13}   {}", "", key.form.expected()).expect("a text takes text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Script;
    use super::*;

    #[test]
    fn every_example_is_a_script() {
        for fault in FAULTS {
            let text = format!("[[fault]]\ndoes = \"{}\"\n{}\n", fault.name, fault.example);
            let script = Script::parse(&text, "example").unwrap_or_else(|error| panic!("{}: {error}", fault.name));
            assert_eq!(script.rules.len(), 1);
        }
    }

    #[test]
    fn every_key_has_a_row_and_a_use() {
        let used: Vec<&str> = FAULTS.iter().flat_map(|fault| fault.keys).chain(SELECTORS).copied().collect();
        assert!(used.iter().all(|name| key(name).is_some()));
        assert!(KEYS.iter().all(|key| key.name == "taken" || used.contains(&key.name)));
    }

    #[test]
    fn the_help_shows_every_fault_and_key() {
        let (help, markdown) = (help(), markdown());
        for fault in FAULTS {
            assert!(help.contains(&format!("does = \"{}\"", fault.name)));
            assert!(markdown.contains(&format!("| `{}` | {} |", fault.name, fault.meaning)));
        }
        assert!(KEYS.iter().all(|key| help.contains(key.meaning) && markdown.contains(key.meaning)));
    }
}
