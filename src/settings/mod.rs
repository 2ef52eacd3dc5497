//! Every option once: a table, layered by origin, and a DataFusion configuration extension of the prefix `postback`.
//!
//! Precedence is flag > environment > `SET` in the query file > `postback.toml` > default. A value is judged when it is
//! given, so that a wrong one is refused at its origin and the typed getters below cannot fail.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::error::DataFusionError;

pub use self::form::{Form, Share, seconds};
use self::form::{bytes, share};
pub use self::table::{SETTINGS, Setting};
pub use self::trust::{Authorities, CertificateFlaw};
pub use self::variables::Variables;
use crate::contract::EventSource;
use crate::contract::phone::Region;
use crate::contract::time::{self, TimeZone};
use crate::error::{Error, ErrorKind, Result};

mod form;
mod table;
mod trust;
mod variables;

/// The environment variable that may hold the access token. Others of the prefix name a setting, or nothing of ours.
pub const TOKEN_VARIABLE: &str = "POSTBACK_ACCESS_TOKEN";

/// How the names of variables of settings begin.
const PREFIX: &str = "POSTBACK_";
/// Flags that make a run no delivery. Whoever sets a variable of such a name must not be answered with one.
const FLAGS_ONLY: [&str; 3] = ["test_event_code", "dry_run", "sandbox"];
/// The value of `pii` that refuses personal data in plain form.
const RESTRICTED: &str = "restricted";

/// Where a value came from, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The default in [`SETTINGS`].
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
    variables: Variables,
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
        if setting.name == "pii" && origin == Origin::Set && value != RESTRICTED {
            return Err(Error::new(ErrorKind::Usage, "a query file cannot loosen postback.pii")
                .hint(format!("take it out: only `SET postback.pii = '{RESTRICTED}'` may stand in a query file")));
        }
        match self.values.get(setting.name) {
            Some((_, stronger)) if *stronger > origin => {}
            _ => {
                self.values.insert(setting.name, (value.to_owned(), origin));
            }
        }
        Ok(())
    }

    /// Takes every `POSTBACK_*` variable that names a setting, and those that cloud vendors define. [`strays`] gives the
    /// others.
    ///
    /// # Errors
    /// As [`Settings::set`], and for a variable that asks for less than a delivery, which is a flag only.
    pub fn set_environment(&mut self, variables: impl Iterator<Item = (String, String)>) -> Result<()> {
        for (variable, value) in variables {
            self.variables.take(&variable, &value);
            if let Some(name) = named(&variable).filter(|name| !is_stray(name)) {
                self.set(&name, &value, Origin::Environment).map_err(|error| error.context("variable", &variable))?;
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
        // Keys stand at the top level or under the name of the product.
        let (own, others): (Vec<_>, Vec<_>) =
            table.iter().partition(|(name, value)| *name == "postback" && value.is_table());
        let own = own.into_iter().filter_map(|(_, value)| value.as_table()).flatten();
        for (name, value) in others.into_iter().chain(own) {
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

    /// What cloud vendors define in the environment.
    #[must_use]
    pub fn variables(&self) -> &Variables {
        &self.variables
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

    /// Whether `pii` is `restricted`.
    #[must_use]
    pub fn restricts_personal(&self) -> bool {
        self.text("pii") == Some(RESTRICTED)
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

    /// A duration in seconds, where one is given or defaulted.
    #[must_use]
    pub fn duration(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(seconds)
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

/// Of the names of `variables` those that have the prefix of settings and are none, each with the setting that may have
/// been meant. A service called `postback` puts many into every pod of its Kubernetes namespace.
pub fn strays<'a>(variables: impl Iterator<Item = &'a str>) -> Vec<(&'a str, Option<String>)> {
    let strays = variables.filter_map(|variable| Some((variable, named(variable).filter(|name| is_stray(name))?)));
    let meant = |name: &str| nearest(name, SETTINGS.iter().map(|setting| setting.name));
    let mut strays: Vec<_> = strays
        .map(|(variable, name)| {
            let meant =
                if name.contains("token") { Some(TOKEN_VARIABLE.to_owned()) } else { meant(&name).map(as_variable) };
            (variable, meant.filter(|_| !is_of_service(&name)))
        })
        .collect();
    strays.sort_unstable();
    strays
}

/// The variable of the setting `name`.
fn as_variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase())
}

/// The setting that a variable would be of.
fn named(variable: &str) -> Option<String> {
    let name = variable.strip_prefix(PREFIX).filter(|_| variable != TOKEN_VARIABLE)?;
    Some(name.to_ascii_lowercase())
}

/// Whether `name` is of no setting, and of no flag that somebody may rely on to keep events from being delivered.
fn is_stray(name: &str) -> bool {
    !FLAGS_ONLY.contains(&name) && SETTINGS.iter().all(|setting| setting.name != name)
}

/// Whether Kubernetes names a variable of a service so.
fn is_of_service(name: &str) -> bool {
    name.starts_with("port") || name.contains("service_host") || name.contains("service_port") || name.contains("_tcp")
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
        if ["secret", "access_key", "credential", "account_key", "sas"].iter().any(|part| name.contains(part)) {
            return error.hint(
                "credentials of a bucket are read from the environment, such as AWS_SECRET_ACCESS_KEY, or from the \
                 profile of postback.aws_profile",
            );
        }
        if name == "test_event_code" {
            return error.hint(
                "a test event code is given with --test-event-code only: one left behind in a file or an environment would \
                 turn a delivery into test events",
            );
        }
        if FLAGS_ONLY.contains(&name) {
            return error.hint(format!("it is a flag only: --{}", name.replace('_', "-")));
        }
        match nearest(name, SETTINGS.iter().map(|setting| setting.name)) {
            Some(near) => error.hint(format!("did you mean postback.{near}?")),
            None => error.hint("`postback config` lists every setting"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_file_has_its_keys_at_the_top_or_under_the_product() {
        let mut settings = Settings::default();
        settings.set_file("event = \"Lead\"\n[postback]\nbatch_events = 5").unwrap();
        assert_eq!((settings.text("event"), settings.count("batch_events")), (Some("Lead"), 5));
        assert!(settings.set_file("[other]\nbatch_events = 5").is_err());
    }

    #[test]
    fn a_query_file_restricts_personal_data_and_never_loosens_it() {
        let mut settings = Settings::default();
        assert!(!settings.restricts_personal());
        settings.set("pii", "restricted", Origin::Set).unwrap();
        assert!(settings.restricts_personal());
        for origin in [Origin::File, Origin::Environment, Origin::Flag] {
            let mut settings = Settings::default();
            settings.set("pii", "restricted", origin).unwrap();
            let error = settings.set("pii", "standard", Origin::Set).unwrap_err();
            assert!(error.message().contains("cannot loosen"), "{error}");
            assert!(settings.restricts_personal());
        }
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
            ("POSTBACK_EVENT_SORCE", "app"),
        ];
        settings.set_environment(variables.map(|(name, value)| (name.into(), value.into())).into_iter()).unwrap();
        assert_eq!(settings.event_source(), Some(EventSource::Web));
    }

    #[test]
    fn variables_that_are_no_setting_are_told_with_what_may_have_been_meant() {
        for (variable, meant) in [
            ("POSTBACK_SERVICE_HOST", None),
            ("POSTBACK_SERVICE_PORT", None),
            ("POSTBACK_SERVICE_PORT_HTTP", None),
            ("POSTBACK_PORT", None),
            ("POSTBACK_PORT_8080_TCP", None),
            ("POSTBACK_PORT_8080_TCP_PROTO", None),
            ("POSTBACK_PORT_8080_TCP_PORT", None),
            ("POSTBACK_PORT_8080_TCP_ADDR", None),
            ("POSTBACK_EVENT_SERVICE_HOST", None),
            ("POSTBACK_", None),
            ("POSTBACK_HOME", None),
            ("POSTBACK_EVENT_SORCE", Some("POSTBACK_EVENT_SOURCE")),
            ("POSTBACK_TIME_ZONE", Some("POSTBACK_TIMEZONE")),
            ("POSTBACK_TOKEN", Some(TOKEN_VARIABLE)),
        ] {
            let strays = strays([variable].into_iter());
            assert_eq!(strays, [(variable, meant.map(str::to_owned))]);
            let mut settings = Settings::default();
            settings.set_environment([(variable.to_owned(), "tcp://10.0.0.1:80".to_owned())].into_iter()).unwrap();
        }
        let none =
            [TOKEN_VARIABLE, "POSTBACK_EVENT_SOURCE", "HOME", "AWS_PROFILE", "postback_port", "POSTBACK_DRY_RUN"];
        assert_eq!(strays(none.into_iter()), []);
    }

    #[test]
    fn a_variable_that_asks_for_no_delivery_is_refused() {
        for name in ["POSTBACK_TEST_EVENT_CODE", "POSTBACK_DRY_RUN", "POSTBACK_SANDBOX"] {
            let variables = [(name.to_owned(), "1".to_owned())];
            let error = Settings::default().set_environment(variables.into_iter()).unwrap_err();
            assert!(error.hint_text().is_some_and(|hint| hint.contains("--")), "{name}");
        }
    }
}
