//! Reading a script: TOML with a place for every complaint.

use std::ops::Range;
use std::time::Duration;

use serde_json::Value as Given;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::answer::Shape;
use super::select::{On, Pattern, When};
use super::table::{FAULTS, Fault, Form, KEYS, SELECTORS, Takes, key};
use super::{Effect, Names, RetryAfter, Rule, Says};
use crate::contract::responses::{self, Action};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::sandbox::rules::{code, message};
use crate::settings::nearest;

/// Which requests go wrong, and how. The default has no rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    pub(super) rules: Vec<Rule>,
    /// Changes which requests a chance picks.
    pub(super) seed: u64,
    pub(super) text: String,
}

impl Script {
    /// Reads the text of a script that messages call `path`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] at the first place that is no TOML, no known key or fault, or not what a key takes.
    pub fn parse(text: &str, path: &str) -> Result<Self> {
        // How some editors begin UTF-8.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let source = Source { path, text };
        let document = DeTable::parse(text)
            .map_err(|error| source.wrong(error.span().unwrap_or_default(), error.message().to_owned()))?;
        let mut script = Self { text: text.to_owned(), ..Self::default() };
        for (name, value) in document.get_ref() {
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("seed", value_of_seed) => {
                    let seed = whole(value_of_seed).and_then(|seed| u64::try_from(seed).ok());
                    script.seed =
                        seed.ok_or_else(|| source.wrong(value.span(), "`seed` takes a whole number from 0"))?;
                }
                ("fault", DeValue::Array(rules)) => {
                    for rule in rules {
                        let DeValue::Table(table) = rule.get_ref() else {
                            return Err(source.wrong(rule.span(), "a rule is a table under `[[fault]]`"));
                        };
                        script.rules.push(source.rule(table, rule.span())?);
                    }
                }
                ("fault", _) => {
                    return Err(source.wrong(name.span(), "a rule stands under `[[fault]]`, in two pairs of brackets"));
                }
                (other, _) => {
                    let hint = suggestion(other, ["fault", "seed"].into_iter(), "a script has `[[fault]]` and `seed`");
                    return Err(source.wrong(name.span(), format!("`{other}` is no part of a script")).hint(hint));
                }
            }
        }
        Ok(script)
    }
}

/// The text of a script and what messages call it.
struct Source<'a> {
    path: &'a str,
    text: &'a str,
}

/// The values of one rule: each has the form its key takes.
struct Values<'a>(Vec<(&'a str, Given)>);

impl Source<'_> {
    fn rule(&self, table: &DeTable<'_>, span: Range<usize>) -> Result<Rule> {
        let fault = self.fault(table, &span)?;
        let mut values = Values(Vec::new());
        let mut entries: Vec<_> = table.iter().filter(|(name, _)| name.get_ref() != "does").collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let form = self.form(fault, name)?;
            let read = read(form, value.get_ref())
                .ok_or_else(|| self.wrong(value.span(), format!("`{}` takes {}", name.get_ref(), form.expected())))?;
            values.0.push((name.get_ref(), read));
        }
        if ["poison", "partial"].contains(&fault.name) && !values.has("event_id") && !values.has("contains") {
            let message = format!("`{}` does not say which events", fault.name);
            return Err(self.wrong(span, message).hint("add `event_id` or `contains`"));
        }
        let events =
            match (values.text("event_id"), values.text("contains")) {
                (Some(_), Some(_)) => {
                    return Err(self.wrong(span, "a rule takes `event_id` or `contains`, not both"));
                }
                (Some(id), None) => Some(Pattern::EventId(glob::Pattern::new(id).map_err(|error| {
                    self.wrong(span.clone(), "`event_id` is no pattern of `*` and `?`").source(error)
                })?)),
                (None, part) => part.map(|part| Pattern::Contains(part.to_owned())),
            };
        let when = When {
            on: values.requests(),
            times: values.count("times"),
            chance: values.get("chance").and_then(Given::as_f64),
            reused: values.switch("reused").unwrap_or(false),
            events,
        };
        let taken = match fault.takes {
            Takes::Yes | Takes::Others => true,
            Takes::No => false,
            Takes::Chosen(default) => values.switch("taken").unwrap_or(default),
        };
        let effect = effect(fault.name, &values);
        if matches!(fault.takes, Takes::Chosen(_)) && taken && says_nothing_was_taken(&effect) {
            let wrong = self.wrong(span, "this answer says that nothing was taken, so `taken` cannot be true");
            return Err(wrong.hint("a server that lies would make every sender wrong"));
        }
        Ok(Rule { line: self.line(span.start), fault: fault.name, when, effect, taken })
    }

    fn fault(&self, table: &DeTable<'_>, span: &Range<usize>) -> Result<&'static Fault> {
        let names = || FAULTS.iter().map(|fault| fault.name);
        let all = || names().collect::<Vec<_>>().join(", ");
        let Some((_, value)) = table.iter().find(|(name, _)| name.get_ref() == "does") else {
            let wrong = self.wrong(span.clone(), "the rule does not say what it `does`");
            return Err(wrong.hint(format!("one of: {}", all())));
        };
        let Some(name) = value.get_ref().as_str() else {
            return Err(self.wrong(value.span(), "`does` takes the name of a fault, in quotes"));
        };
        FAULTS.iter().find(|fault| fault.name == name).ok_or_else(|| {
            let hint = suggestion(name, names(), &format!("one of: {}", all()));
            self.wrong(value.span(), format!("`{}` is no fault", shown(name))).hint(hint)
        })
    }

    /// What a key of the fault takes.
    fn form(&self, fault: &Fault, name: &Spanned<std::borrow::Cow<'_, str>>) -> Result<Form> {
        let known = || {
            let chosen = matches!(fault.takes, Takes::Chosen(_)).then_some("taken");
            SELECTORS.iter().chain(fault.keys).copied().chain(chosen)
        };
        let text = name.get_ref().as_ref();
        if let Some(found) = known().find(|known| *known == text).and_then(key) {
            return Ok(found.form);
        }
        let wrong = self.wrong(name.span(), format!("`{}` is no key of `{}`", shown(text), fault.name));
        let is_other = KEYS.iter().any(|key| key.name == text);
        let all = format!("it takes: {}", known().collect::<Vec<_>>().join(", "));
        Err(wrong.hint(if is_other { all } else { suggestion(text, known(), &all) }))
    }

    /// An error that points at `span`.
    fn wrong(&self, span: Range<usize>, message: impl Into<String>) -> Error {
        let start = self.text.floor_char_boundary(span.start);
        let line = self.line(start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let text = self.text[line_start..].lines().next().unwrap_or_default();
        let width = self.text.get(start..span.end).and_then(|part| part.lines().next()).unwrap_or_default();
        Error::new(ErrorKind::Usage, message).at(Some(Location {
            path: self.path.to_owned(),
            line,
            column: self.text[line_start..start].chars().count() as u64 + 1,
            width: (width.chars().count() as u64).max(1),
            text: text.to_owned(),
        }))
    }

    fn line(&self, at: usize) -> u64 {
        self.text[..self.text.floor_char_boundary(at)].matches('\n').count() as u64 + 1
    }
}

impl Values<'_> {
    fn get(&self, name: &str) -> Option<&Given> {
        self.0.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Given::as_str)
    }

    fn count(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(Given::as_u64)
    }

    fn switch(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(Given::as_bool)
    }

    fn duration(&self) -> Duration {
        Duration::from_millis(self.count("milliseconds").unwrap_or(1_000))
    }

    fn status(&self, default: u16) -> u16 {
        self.count("status").and_then(|status| u16::try_from(status).ok()).unwrap_or(default)
    }

    fn code(&self, default: i64) -> i64 {
        self.get("code").and_then(Given::as_i64).unwrap_or(default)
    }

    fn retry(&self) -> Option<RetryAfter> {
        let date = self.count("retry_at").map(RetryAfter::Date);
        self.count("retry_after").map(RetryAfter::Seconds).or(date)
    }

    fn names(&self) -> Names {
        match self.text("names") {
            Some("wrong") => Names::Wrong,
            Some("beyond") => Names::Beyond,
            Some("nothing") => Names::Nothing,
            _ => Names::Right,
        }
    }

    fn field(&self) -> String {
        self.text("field").unwrap_or("properties.value").to_owned()
    }

    fn says(&self) -> Says {
        match self.text("says") {
            Some("failed_events") => Says::FailedEvents,
            Some("failed_rows") => Says::FailedRows,
            Some("flag") => Says::Flag,
            _ => Says::Code,
        }
    }

    fn requests(&self) -> On {
        match self.get("on") {
            Some(Given::Number(number)) => number.as_u64().map_or(On::All, |number| On::Span(number, number)),
            Some(Given::String(text)) => On::parse(text).unwrap_or_default(),
            _ => On::All,
        }
    }
}

/// What the fault does with these values.
fn effect(fault: &str, values: &Values<'_>) -> Effect {
    match fault {
        "refuse" => Effect::Refuse(values.duration()),
        "reset" => Effect::Reset,
        "close" => Effect::Close,
        "half" => Effect::Half,
        "short-length" => Effect::ShortLength,
        "long-head" => Effect::LongHead,
        "slow" => Effect::Slow(values.duration()),
        "trickle" => Effect::Trickle(values.duration()),
        "never" => Effect::Never,
        "skew" => Effect::Skew(values.get("seconds").and_then(Given::as_i64).unwrap_or(600)),
        "status" => Effect::Page { status: values.status(503), retry: values.retry() },
        "redirect" => Effect::Redirect { status: values.status(307), to: values.text("to").map(str::to_owned) },
        "throttle" => {
            let message = match values.text("limit") {
                Some("minute") => message::TOO_FREQUENT,
                Some("day") => message::RESTRICTED,
                _ => message::QPS,
            };
            let (status, retry) = (values.status(200), values.retry());
            Effect::Code { code: code::TOO_FREQUENT, message: message.to_owned(), status, retry }
        }
        "code" => {
            let code = values.code(50_000);
            let message = values.text("message").map_or_else(|| meaning(code), str::to_owned);
            Effect::Code { code, message, status: values.status(200), retry: values.retry() }
        }
        "poison" => Effect::Poison {
            code: values.code(code::PARAMETER),
            names: values.names(),
            field: values.field(),
            status: values.status(200),
        },
        "partial" => Effect::Partial { names: values.names(), field: values.field(), says: values.says() },
        "garbled" => Effect::Garbled {
            shape: values.text("shape").and_then(Shape::parse).unwrap_or(Shape::Text),
            status: values.status(200),
        },
        _ => unreachable!("every fault of the table has an effect"),
    }
}

/// Whether a sender may rely on it that no event of the request counts.
fn says_nothing_was_taken(effect: &Effect) -> bool {
    match effect {
        Effect::Page { status, .. } => (300..500).contains(status),
        Effect::Code { code, .. } => {
            !matches!(responses::action(*code), Action::Retry | Action::RetryLate | Action::Duplicate)
        }
        _ => false,
    }
}

/// What the API says with a code: its own words where they are known.
fn meaning(of: i64) -> String {
    match of {
        code::TOKEN_EMPTY => message::TOKEN_EMPTY.to_owned(),
        code::TOKEN_INVALID => message::TOKEN_INVALID.to_owned(),
        code::TOO_FREQUENT => message::TOO_FREQUENT.to_owned(),
        40_001 => message::PERMISSION.to_owned(),
        40_132 => message::PIXEL_QPS.to_owned(),
        _ => responses::find(of).map_or("Unknown error.", |response| response.meaning).to_owned(),
    }
}

/// The value, if it has the form.
fn read(form: Form, value: &DeValue<'_>) -> Option<Given> {
    match (form, value) {
        (Form::Requests, DeValue::String(text)) => On::parse(text).map(|_| text.as_ref().into()),
        (Form::Requests, _) => whole(value).filter(|number| *number > 0).map(Given::from),
        (Form::Count(low, high), _) => whole(value).filter(|number| (low..=high).contains(number)).map(Given::from),
        (Form::Chance, DeValue::Float(number)) => {
            number.as_str().parse().ok().filter(|chance: &f64| (0.0..=1.0).contains(chance)).map(Given::from)
        }
        (Form::Chance, _) => whole(value).filter(|chance| (0..=1).contains(chance)).map(Given::from),
        (Form::Switch, DeValue::Boolean(switch)) => Some((*switch).into()),
        (Form::Text, DeValue::String(text)) if !text.is_empty() => Some(text.as_ref().into()),
        (Form::OneOf(words), DeValue::String(text)) if words.contains(&text.as_ref()) => Some(text.as_ref().into()),
        _ => None,
    }
}

fn whole(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>, otherwise: &str) -> String {
    nearest(name, known).map_or_else(|| otherwise.to_owned(), |near| format!("did you mean `{near}`?"))
}

/// User text for a message.
fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, column, message and hint of what is wrong with a script.
    fn wrong(text: &str) -> (u64, u64, String, String) {
        let error = Script::parse(text, "faults.toml").expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Usage);
        let place = error.location().expect("a place");
        assert_eq!(place.path, "faults.toml");
        let hint = error.hint_text().unwrap_or_default().to_owned();
        (place.line, place.column, error.message().to_owned(), hint)
    }

    #[test]
    fn a_byte_order_mark_moves_no_place() {
        for text in ["[faults]\n", "\n[[fault]]\ndoes = \"rest\"\n", "seed = -1\n", "["] {
            assert_eq!(wrong(&format!("\u{feff}{text}")), wrong(text));
        }
        assert_eq!(Script::parse("\u{feff}seed = 1\n", "a").unwrap(), Script::parse("seed = 1\n", "a").unwrap());
    }

    #[test]
    fn every_complaint_has_a_place_and_a_way_out() {
        let told = |text: &str| {
            let (line, column, message, hint) = wrong(text);
            format!("{line}:{column} {message} | {hint}").trim_end_matches([' ', '|']).to_owned()
        };
        insta::assert_snapshot!([
            told("[[fault]]\ndoes = \"rest\"\n"),
            told("[[fault]]\non = 3\n"),
            told("[[fault]]\ndoes = \"slow\"\nmillisecond = 5\n"),
            told("[[fault]]\ndoes = \"slow\"\nmilliseconds = \"5\"\n"),
            told("[[fault]]\ndoes = \"slow\"\ntaken = true\n"),
            told("[[fault]]\ndoes = \"reset\"\non = \"5..3\"\n"),
            told("[[fault]]\ndoes = \"poison\"\n"),
            told("[[fault]]\ndoes = \"garbled\"\nshape = \"square\"\n"),
            told("[fault]\ndoes = \"reset\"\n"),
            told("[[faults]]\ndoes = \"reset\"\n"),
            told("[[fault]]\ndoes = \"code\"\ncode = 40105\ntaken = true\n"),
            told("seed = -1\n"),
            told("[[fault]]\ndoes = reset\n"),
            told("[[fault]]\ndoes = 7\n"),
        ]
        .join("\n"), @r#"
        2:8 `rest` is no fault | did you mean `reset`?
        1:1 the rule does not say what it `does` | one of: refuse, reset, close, half, short-length, long-head, slow, trickle, never, skew, status, redirect, throttle, code, poison, partial, garbled
        3:1 `millisecond` is no key of `slow` | did you mean `milliseconds`?
        3:16 `milliseconds` takes a whole number 1..600000
        3:1 `taken` is no key of `slow` | it takes: on, times, chance, reused, event_id, contains, milliseconds
        3:6 `on` takes a number, "3..5", "3.." or "every 10"
        1:1 `poison` does not say which events | add `event_id` or `contains`
        3:9 `shape` takes "empty", "text", "html", "array", "truncated", "trailing", "string-code", "float-code", "null-code", "no-code", "two-codes", "deep", "huge", "list-data", "text-data", "other-data", "fewer-events", "wrong-type", "plain"
        1:2 a rule stands under `[[fault]]`, in two pairs of brackets
        1:3 `faults` is no part of a script | did you mean `fault`?
        1:1 this answer says that nothing was taken, so `taken` cannot be true | a server that lies would make every sender wrong
        1:8 `seed` takes a whole number from 0
        2:8 string values must be quoted, expected literal string
        2:8 `does` takes the name of a fault, in quotes
        "#);
    }

    #[test]
    fn rules_are_read_in_their_order_with_their_defaults() {
        let text = "seed = 9\n[[fault]]\ndoes = \"half\"\n\n[[fault]]\non = 0x3\ntimes = 1_000\nchance = 1\ndoes = \"never\"\n";
        let script = Script::parse(text, "f").expect("a script");
        assert_eq!((script.seed, script.rules.len()), (9, 2));
        let [half, never] = &script.rules[..] else { panic!("two rules") };
        assert_eq!((half.line, half.fault, half.taken, half.when.on), (2, "half", true, On::All));
        assert_eq!((never.line, never.taken, never.when.on, never.when.times), (5, false, On::Span(3, 3), Some(1_000)));
        assert_eq!(Script::parse("", "f").expect("an empty script").rules.len(), 0);
    }

    #[test]
    fn codes_speak_as_the_api_does() {
        assert_eq!(meaning(40_105), "Access token is incorrect or has been revoked.");
        assert_eq!(meaning(50_000), "system error");
        assert_eq!(meaning(12_345), "Unknown error.");
    }
}
