//! One flag a setting, derived from the table of settings.

use clap::{Arg, ArgMatches, Command};

use crate::error::Result;
use crate::settings::{Form, Origin, SETTINGS, Settings};

/// The settings given as flags.
#[derive(Clone, Debug, Default)]
pub(super) struct SettingFlags {
    values: Vec<(&'static str, String)>,
}

impl SettingFlags {
    /// Gives the values to `settings`.
    pub(super) fn apply(&self, settings: &mut Settings) -> Result<()> {
        self.values.iter().try_for_each(|(name, value)| {
            settings
                .set(name, value, Origin::Flag)
                .map_err(|error| error.context("flag", format!("--{}", name.replace('_', "-"))))
        })
    }

    /// With `value` for the setting `name`, whatever it was.
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.values.retain(|(given, _)| *given != name);
        self.values.push((name, value));
        self
    }

    /// With the flags of another command line where this one has none.
    pub(super) fn or(mut self, others: Vec<(String, String)>) -> Self {
        for (name, value) in others {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            if let Some(setting) = setting.filter(|setting| !self.values.iter().any(|(name, _)| *name == setting.name))
            {
                self.values.push((setting.name, value));
            }
        }
        self
    }
}

impl clap::Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(SETTINGS.iter().map(|setting| {
            let default = setting.default.map_or_else(String::new, |default| format!(" [default: {default}]"));
            let argument = Arg::new(setting.name);
            let argument = match setting.form {
                Form::Switch => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
                _ => argument,
            };
            argument
                .long(setting.flag)
                .value_name(setting.form.value_name())
                .help(format!("{}{default}", setting.meaning))
                .help_heading("Settings, also as SET postback.*, POSTBACK_* and in postback.toml")
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |name: &'static str| matches.get_one::<String>(name).map(|value| (name, value.clone()));
        Ok(Self { values: SETTINGS.iter().filter_map(|setting| given(setting.name)).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
