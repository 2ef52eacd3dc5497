//! Every option once: a table, layered by origin, and a DataFusion configuration extension of the prefix `postback`.
//!
//! Precedence is flag > environment > `SET` in the query file > `postback.toml` > default. A value is judged when it is
//! given, so that a wrong one is refused at its origin and the typed getters below cannot fail.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::error::DataFusionError;

use crate::contract::phone::Region;
use crate::contract::time::{self, TimeZone};
use crate::contract::{self, EventSource, currencies};
use crate::error::{Error, ErrorKind, Result};

/// The environment variable that may hold the access token; every other `POSTBACK_*` variable names a setting.
pub const TOKEN_VARIABLE: &str = "POSTBACK_ACCESS_TOKEN";

/// One option.
#[derive(Debug)]
pub struct Setting {
    /// Name after `postback.`, also the key in `postback.toml`.
    pub name: &'static str,
    /// The same with hyphens: the flag without its `--`.
    pub flag: &'static str,
    /// What values look like.
    pub form: Form,
    /// The value when nobody gives one.
    pub default: Option<&'static str>,
    /// What it does, in one sentence.
    pub meaning: &'static str,
}

/// What a setting's values look like.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Any text that is not blank.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// A whole number from the first to the second bound.
    Count(u64, u64),
    /// A number with `s`, `m`, `h` or `d`, such as `28d`.
    Duration,
    /// A number of bytes with an optional `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`.
    Bytes,
    /// A count of rows, or a share such as `5%`.
    Share,
    /// ISO 8601 date and time with an offset, such as `2025-12-23T00:00:00Z`.
    Instant,
    /// An IANA time zone such as `America/Los_Angeles`.
    Zone,
    /// A two-letter region such as `US`.
    Region,
    /// An ISO 4217 code such as `USD`.
    Currency,
}

impl Form {
    /// The words for help and error messages.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::OneOf(words) => words.join(" | "),
            Self::Boolean => "true | false".into(),
            Self::Count(low, high) => format!("whole number {low}..{high}"),
            Self::Duration => "duration such as 90s, 15m, 26h or 28d".into(),
            Self::Bytes => "bytes such as 500kB, 64MiB or 2GB".into(),
            Self::Share => "count of rows or a share such as 5%".into(),
            Self::Instant => "ISO 8601 instant such as 2025-12-23T00:00:00Z".into(),
            Self::Zone => "IANA time zone such as America/Los_Angeles".into(),
            Self::Region => "two-letter region such as US".into(),
            Self::Currency => "ISO 4217 code such as USD".into(),
        }
    }

    /// What help puts behind a flag.
    #[must_use]
    pub const fn value_name(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::OneOf(_) => "WORD",
            Self::Boolean => "BOOLEAN",
            Self::Count(..) => "NUMBER",
            Self::Duration => "DURATION",
            Self::Bytes => "BYTES",
            Self::Share => "SHARE",
            Self::Instant => "INSTANT",
            Self::Zone => "ZONE",
            Self::Region => "REGION",
            Self::Currency => "CURRENCY",
        }
    }

    fn allows(self, value: &str) -> bool {
        match self {
            Self::Text => !value.trim().is_empty(),
            Self::OneOf(words) => words.contains(&value),
            Self::Boolean => matches!(value, "true" | "false"),
            Self::Count(low, high) => value.parse().is_ok_and(|count: u64| (low..=high).contains(&count)),
            Self::Duration => seconds(value).is_some(),
            Self::Bytes => bytes(value).is_some(),
            Self::Share => share(value).is_some(),
            Self::Instant => time::instant(value, None).is_ok(),
            Self::Zone => time::zone(value).is_some(),
            Self::Region => Region::parse(value).is_some(),
            Self::Currency => currencies::is_iso4217(value),
        }
    }
}

/// The table of options.
pub static SETTINGS: &[Setting] = &[
    Setting {
        name: "event_source",
        flag: "event-source",
        form: Form::OneOf(&["offline", "web", "app", "crm"]),
        default: None,
        meaning: "where the events happened, unless a column says so",
    },
    Setting {
        name: "event_source_id",
        flag: "event-source-id",
        form: Form::Text,
        default: None,
        meaning: "event set, pixel or app that receives the events, unless a column says so",
    },
    Setting {
        name: "event",
        flag: "event",
        form: Form::Text,
        default: None,
        meaning: "event name of rows without an `event` column",
    },
    Setting {
        name: "currency",
        flag: "currency",
        form: Form::Currency,
        default: None,
        meaning: "currency of rows that have a value and no `currency` column",
    },
    Setting {
        name: "timezone",
        flag: "timezone",
        form: Form::Zone,
        default: None,
        meaning: "zone of timestamps that carry none",
    },
    Setting {
        name: "default_region",
        flag: "default-region",
        form: Form::Region,
        default: None,
        meaning: "region of phone numbers without a country code",
    },
    Setting {
        name: "fold",
        flag: "fold",
        form: Form::OneOf(&["none", "contents"]),
        default: Some("none"),
        meaning: "`contents` makes one event of the rows that share source, event and event id",
    },
    Setting {
        name: "fold_value",
        flag: "fold-value",
        form: Form::OneOf(&["price", "sum", "same"]),
        default: Some("price"),
        meaning: "value of a folded event: the sum of price × quantity, the sum of the `value` column, or its one common value",
    },
    Setting {
        name: "as_of",
        flag: "as-of",
        form: Form::Instant,
        default: None,
        meaning: "replaces now in every time rule; refused by a live destination",
    },
    Setting {
        name: "max_event_age",
        flag: "max-event-age",
        form: Form::Duration,
        default: Some("28d"),
        meaning: "older offline events are skipped and counted, older events of other sources warn",
    },
    Setting {
        name: "future_tolerance",
        flag: "future-tolerance",
        form: Form::Duration,
        default: Some("5m"),
        meaning: "how far in the future an event may lie",
    },
    Setting {
        name: "extra_columns",
        flag: "extra-columns",
        form: Form::OneOf(&["refuse", "properties"]),
        default: Some("refuse"),
        meaning: "what happens to columns the contract does not know: refused, or sent as custom properties",
    },
    Setting {
        name: "on_bad_optional",
        flag: "on-bad-optional",
        form: Form::OneOf(&["drop", "reject"]),
        default: Some("drop"),
        meaning: "an unusable optional value is dropped with a warning, or rejects its row",
    },
    Setting {
        name: "limited_data_use",
        flag: "limited-data-use",
        form: Form::Boolean,
        default: None,
        meaning: "limited data use of web and app events without a column of that name",
    },
    Setting {
        name: "partner_name",
        flag: "partner-name",
        form: Form::Text,
        default: None,
        meaning: "`partner_name` of the request, as agreed with TikTok",
    },
    Setting {
        name: "base_url",
        flag: "base-url",
        form: Form::Text,
        default: Some(LIVE_BASE_URL),
        meaning: "host of the Events API; plain http on loopback only",
    },
    Setting {
        name: "token_file",
        flag: "token-file",
        form: Form::Text,
        default: None,
        meaning: "file with the access token, mode 0600; the alternative is the environment's POSTBACK_ACCESS_TOKEN",
    },
    Setting {
        name: "requests_per_second",
        flag: "requests-per-second",
        form: Form::Count(1, 900),
        default: Some("100"),
        meaning: "upper bound of the request rate",
    },
    Setting {
        name: "concurrency",
        flag: "concurrency",
        form: Form::Count(1, 32),
        default: Some("32"),
        meaning: "most requests in flight; starts at 4 and adapts to how the API answers",
    },
    Setting {
        name: "batch_events",
        flag: "batch-events",
        form: Form::Count(1, contract::MAX_BATCH_EVENTS),
        default: Some("1000"),
        meaning: "events in one request",
    },
    Setting {
        name: "batch_bytes",
        flag: "batch-bytes",
        form: Form::Bytes,
        default: Some("1MB"),
        meaning: "bytes of one request body",
    },
    Setting {
        name: "give_up_after",
        flag: "give-up-after",
        form: Form::Duration,
        default: Some("30m"),
        meaning: "a delivery without one accepted request for this long ends, resumable",
    },
    Setting {
        name: "max_rejects",
        flag: "max-rejects",
        form: Form::Share,
        default: Some("5%"),
        meaning: "more rejected rows than this, and nothing is sent",
    },
    Setting {
        name: "min_rows",
        flag: "min-rows",
        form: Form::Count(0, u64::MAX),
        default: Some("0"),
        meaning: "fewer rows than this, and nothing is sent",
    },
    Setting {
        name: "memory_limit",
        flag: "memory-limit",
        form: Form::Bytes,
        default: None,
        meaning: "memory of the query engine before it spills to disk; half of the machine by default",
    },
];

/// Production host of the Events API.
pub const LIVE_BASE_URL: &str = "https://business-api.tiktok.com";

/// Where a value came from, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The table above.
    Default,
    /// `postback.toml`.
    File,
    /// `SET` in the query file.
    Set,
    /// A `POSTBACK_*` variable.
    Environment,
    /// The command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::File => "postback.toml",
            Self::Set => "SET",
            Self::Environment => "environment",
            Self::Flag => "flag",
        })
    }
}

/// The layered values: for each setting the strongest one given so far.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl Settings {
    /// Gives `name` a value; a weaker origin never replaces a stronger one.
    ///
    /// # Errors
    /// An unknown name (with the nearest known one), or a value the setting does not take.
    pub fn set(&mut self, name: &str, value: &str, origin: Origin) -> Result<()> {
        let setting = find(name)?;
        if !setting.form.allows(value) {
            return Err(Error::new(ErrorKind::Usage, format!("`{value}` is no value for postback.{name}"))
                .hint(format!("expected: {}", setting.form.expected())));
        }
        match self.values.get(setting.name) {
            Some((_, stronger)) if *stronger > origin => {}
            _ => {
                self.values.insert(setting.name, (value.to_owned(), origin));
            }
        }
        Ok(())
    }

    /// Takes every `POSTBACK_*` variable except the token's.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub fn set_environment(&mut self, variables: impl Iterator<Item = (String, String)>) -> Result<()> {
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix("POSTBACK_") else { continue };
            // Kubernetes describes a service called `postback` in variables of these names.
            let is_of_service = name.starts_with("SERVICE_") || name.starts_with("PORT");
            if variable != TOKEN_VARIABLE && !is_of_service {
                self.set(&name.to_ascii_lowercase(), &value, Origin::Environment)
                    .map_err(|error| error.context("variable", &variable))?;
            }
        }
        Ok(())
    }

    /// Takes the text of a `postback.toml`: one key a setting.
    ///
    /// # Errors
    /// Text that is not TOML, a value that is no text, number or boolean, or as [`Settings::set`].
    pub fn set_file(&mut self, text: &str) -> Result<()> {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| Error::new(ErrorKind::Usage, error.message().to_owned()).source(error))?;
        for (name, value) in &table {
            let value = match value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                toml::Value::Datetime(instant) => instant.to_string(),
                _ => {
                    find(name)?;
                    return Err(Error::new(ErrorKind::Usage, format!("`{name}` must be text, a number or a boolean")));
                }
            };
            self.set(name, &value, Origin::File)?;
        }
        Ok(())
    }

    /// Value and origin of every setting, in table order; `None` where nobody gave one and there is no default.
    pub fn entries(&self) -> impl Iterator<Item = (&'static Setting, Option<&str>, Origin)> {
        SETTINGS.iter().map(|setting| match self.values.get(setting.name) {
            Some((value, origin)) => (setting, Some(value.as_str()), *origin),
            None => (setting, setting.default, Origin::Default),
        })
    }

    /// The value of `name`, where one is given or defaulted.
    ///
    /// # Panics
    /// If `name` is not in [`SETTINGS`].
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name).expect("callers name settings of the table");
        self.values.get(setting.name).map(|(value, _)| value.as_str()).or(setting.default)
    }

    /// Where the value of `name` came from.
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        self.values.get(name).map_or(Origin::Default, |(_, origin)| *origin)
    }

    /// `event_source`.
    #[must_use]
    pub fn event_source(&self) -> Option<EventSource> {
        self.text("event_source").and_then(EventSource::parse)
    }

    /// `timezone`.
    #[must_use]
    pub fn timezone(&self) -> Option<TimeZone> {
        self.text("timezone").and_then(time::zone)
    }

    /// `default_region`.
    #[must_use]
    pub fn default_region(&self) -> Option<Region> {
        self.text("default_region").and_then(Region::parse)
    }

    /// `as_of` in Unix seconds.
    #[must_use]
    pub fn as_of(&self) -> Option<i64> {
        let micros = time::instant(self.text("as_of")?, None).ok()?;
        Some(micros.div_euclid(1_000_000))
    }

    /// A count of [`Form::Count`].
    ///
    /// # Panics
    /// If `name` is no setting of that form with a default.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.text(name).and_then(|value| value.parse().ok()).expect("counts have defaults and are judged when given")
    }

    /// A duration in seconds.
    ///
    /// # Panics
    /// If `name` is no setting of that form with a default.
    #[must_use]
    pub fn seconds(&self, name: &str) -> u64 {
        self.text(name).and_then(seconds).expect("durations have defaults and are judged when given")
    }

    /// A number of bytes, where one is given or defaulted.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(bytes)
    }

    /// `max_rejects`.
    ///
    /// # Panics
    /// Never: the setting has a default and is judged when given.
    #[must_use]
    pub fn max_rejects(&self) -> Share {
        self.text("max_rejects").and_then(share).expect("has a default and is judged when given")
    }
}

/// An upper bound of rejected rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// At most so many rows.
    Count(u64),
    /// At most this share of all rows, 0 to 100.
    Percent(f64),
}

impl Share {
    /// Whether `part` of `whole` rows is more than allowed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a threshold in percent needs no more than 52 bits")]
    pub fn is_exceeded(self, part: u64, whole: u64) -> bool {
        match self {
            Self::Count(limit) => part > limit,
            Self::Percent(limit) => part as f64 * 100.0 > limit * whole as f64,
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl ConfigExtension for Settings {
    const PREFIX: &'static str = "postback";
}

impl ExtensionOptions for Settings {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), DataFusionError> {
        Self::set(self, key, value, Origin::Set).map_err(|error| DataFusionError::External(Box::new(error)))
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Self::entries(self)
            .map(|(setting, value, _)| ConfigEntry {
                key: format!("{}.{}", Self::PREFIX, setting.name),
                value: value.map(str::to_owned),
                description: setting.meaning,
            })
            .collect()
    }
}

/// The candidate nearest to `name`, if one is near enough to be what was meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(&name.to_ascii_lowercase(), candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.82)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

fn find(name: &str) -> Result<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name).ok_or_else(|| {
        let error = Error::new(ErrorKind::Usage, format!("unknown setting `postback.{name}`"));
        if name.contains("token") {
            return error
                .hint(format!("the token is read from {TOKEN_VARIABLE} or a 0600 file named by postback.token_file"));
        }
        match nearest(name, SETTINGS.iter().map(|setting| setting.name)) {
            Some(near) => error.hint(format!("did you mean postback.{near}?")),
            None => error.hint("`postback config` lists every setting"),
        }
    })
}

fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    // A century bounds every later sum of seconds.
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|seconds| *seconds <= 100 * 366 * 86_400)
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes > 0)
}

fn share(text: &str) -> Option<Share> {
    match text.strip_suffix('%') {
        Some(number) => number.parse().ok().filter(|percent| (0.0..=100.0).contains(percent)).map(Share::Percent),
        None => text.parse().ok().map(Share::Count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_its_form_allows() {
        for setting in SETTINGS {
            assert!(setting.default.is_none_or(|value| setting.form.allows(value)), "{}", setting.name);
        }
    }

    #[test]
    fn flags_are_names_with_hyphens() {
        for setting in SETTINGS {
            assert_eq!(setting.flag, setting.name.replace('_', "-"));
        }
    }

    #[test]
    fn the_strongest_origin_wins_in_any_order() {
        for order in [[Origin::Flag, Origin::Set, Origin::File], [Origin::File, Origin::Set, Origin::Flag]] {
            let mut settings = Settings::default();
            for origin in order {
                settings.set("event", &origin.to_string(), origin).unwrap();
            }
            assert_eq!(settings.text("event"), Some("flag"));
            assert_eq!(settings.origin("event"), Origin::Flag);
        }
    }

    #[test]
    fn an_unknown_setting_is_refused_with_the_nearest_name() {
        let error = Settings::default().set("event_sorce", "web", Origin::Set).unwrap_err();
        assert_eq!(error.to_string(), "unknown setting `postback.event_sorce`");
        assert_eq!(error.hint_text(), Some("did you mean postback.event_source?"));
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn a_token_is_never_a_setting() {
        let error = Settings::default().set_file("access_token = \"abc\"").unwrap_err();
        assert!(error.hint_text().is_some_and(|hint| hint.contains(TOKEN_VARIABLE)));
        assert!(!format!("{error:?}").contains("abc"));
    }

    #[test]
    fn environment_names_settings_and_ignores_the_token() {
        let mut settings = Settings::default();
        let variables = [
            ("POSTBACK_EVENT_SOURCE", "web"),
            (TOKEN_VARIABLE, "secret"),
            ("HOME", "/"),
            ("POSTBACK_SERVICE_HOST", "10.0.0.1"),
            ("POSTBACK_PORT_80_TCP", "tcp"),
        ];
        settings.set_environment(variables.map(|(name, value)| (name.into(), value.into())).into_iter()).unwrap();
        assert_eq!(settings.event_source(), Some(EventSource::Web));
    }

    #[test]
    fn durations_bytes_and_shares_have_units() {
        assert_eq!(seconds("28d"), Some(2_419_200));
        assert_eq!(seconds("28"), None);
        assert_eq!(seconds("é"), None);
        assert_eq!(seconds("99999999999d"), None);
        assert_eq!(bytes("64MiB"), Some(67_108_864));
        assert_eq!(bytes("1 MB"), Some(1_000_000));
        assert_eq!(bytes("MB"), None);
        assert_eq!(share("5%"), Some(Share::Percent(5.0)));
        assert_eq!(share("101%"), None);
        assert!(Share::Percent(5.0).is_exceeded(6, 100));
        assert!(!Share::Percent(5.0).is_exceeded(5, 100));
        assert!(Share::Count(0).is_exceeded(1, 100));
    }
}
