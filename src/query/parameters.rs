//! Typed parameters: `$name` placeholders bound from `--param name=value`, never text substitution.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::LogicalPlan;

use super::QueryFile;
use crate::contract::time::{self, TimeFault, TimeZone};
use crate::error::{Error, ErrorKind, Result};

/// The parameter that every query has, whose value is an instant wherever it stands.
const LAST_SUCCESS: &str = "last_success";

/// Values for `$name`, as given on the command line.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    values: BTreeMap<String, String>,
}

impl Parameters {
    /// Takes one `name=value`.
    ///
    /// # Errors
    /// Text without `=`, and a name given twice.
    pub fn add(&mut self, assignment: &str) -> Result<()> {
        let usage =
            |message: String| Error::new(ErrorKind::Usage, message).hint("for example --param since=2026-11-01");
        let (name, value) =
            assignment.split_once('=').ok_or_else(|| usage(format!("`--param {assignment}` has no `=`")))?;
        let name = name.trim_start_matches('$');
        if name.is_empty() {
            return Err(usage(format!("`{name}` is no name for a parameter")));
        }
        if self.values.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(usage(format!("the parameter `{name}` is given twice")));
        }
        Ok(())
    }

    /// Gives `name` a value where the command line gave none.
    pub fn provide(&mut self, name: &str, value: String) {
        self.values.entry(name.to_owned()).or_insert(value);
    }

    /// Binds every placeholder of `plan`, the plan of `file`, each to the type its place in the query asks for.
    ///
    /// A time with an offset is an instant, whatever its place asks for; one without is an instant of `zone` where the
    /// place asks for instants, else the clock that it shows.
    ///
    /// # Errors
    /// Every placeholder without a value, value without a placeholder, and text that is no value of the type.
    pub fn bind(
        &self,
        plan: LogicalPlan,
        file: &QueryFile,
        zone: Option<&TimeZone>,
    ) -> Result<LogicalPlan, Vec<Error>> {
        let mut errors = self.unused(file);
        let values = self.values(&plan, file, zone, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        if values.is_empty() {
            return Ok(plan);
        }
        plan.with_param_values(ParamValues::from(values))
            .map_err(|error| vec![Error::new(ErrorKind::Usage, "the parameters cannot be bound").source(error)])
    }

    /// The values that no placeholder of `file` asks for.
    fn unused(&self, file: &QueryFile) -> Vec<Error> {
        let asked = file.placeholders();
        let unused = self.values.keys().filter(|name| !asked.contains(&format!("${name}")));
        let error = |name: &String| {
            let error = Error::new(ErrorKind::Usage, format!("the query has no parameter `${name}`"));
            error.hint(match asked.join(", ") {
                all if all.is_empty() => "it has none at all".to_owned(),
                all => format!("its parameters are {all}"),
            })
        };
        unused.map(error).collect()
    }

    /// A value for each placeholder of `plan`, in the order of the file, as far as they can be had.
    fn values(
        &self,
        plan: &LogicalPlan,
        file: &QueryFile,
        zone: Option<&TimeZone>,
        errors: &mut Vec<Error>,
    ) -> Vec<(String, ScalarValue)> {
        let types = match plan.get_parameter_types() {
            Ok(types) => types,
            Err(error) => {
                errors.push(Error::new(ErrorKind::Sql, "the parameters cannot be typed").source(error));
                return Vec::new();
            }
        };
        let mut values = Vec::with_capacity(types.len());
        for placeholder in file.placeholders() {
            let name = placeholder.trim_start_matches('$');
            // A placeholder in what does not plan has no type, and lacks a value all the same.
            let value = match types.get(&placeholder) {
                Some(data_type) => self.value(name, data_type.as_ref(), zone),
                None if self.values.contains_key(name) => continue,
                None => self.value(name, None, zone),
            };
            match value {
                Ok(value) => values.push((name.to_owned(), value)),
                Err(error) => {
                    let span = file.tokens.named(&placeholder, None);
                    errors.push(error.at(span.and_then(|span| file.locate(span))));
                }
            }
        }
        values
    }

    fn value(&self, name: &str, data_type: Option<&DataType>, zone: Option<&TimeZone>) -> Result<ScalarValue> {
        if name == "?" {
            return Err(Error::new(ErrorKind::Usage, "`?` is a parameter without a name")
                .hint("write $since, and give its value with --param since=…"));
        }
        let Some(text) = self.values.get(name) else {
            return Err(Error::new(ErrorKind::Usage, format!("the parameter `${name}` has no value"))
                .hint(format!("add --param {name}=…")));
        };
        let data_type = match data_type {
            // Text is compared letter by letter, and this is a time.
            None | Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) if name == LAST_SUCCESS => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            // Where the place asks for no type, as LIMIT does, a whole number is one.
            None if text.parse::<i64>().is_ok() => DataType::Int64,
            None => DataType::Utf8,
            Some(data_type) => data_type.clone(),
        };
        let refused = || {
            Error::new(ErrorKind::Usage, format!("`{text}` is no {} for the parameter `${name}`", asked(&data_type)))
        };
        match &data_type {
            DataType::Timestamp(_, place) => match time_of(text, place.is_some(), zone) {
                Err(TimeFault::NoZone) => Err(refused()
                    .hint("add an offset, such as 2026-11-01T00:00:00Z, or SET postback.timezone = 'Area/City'")),
                time => time.map_err(|_| refused()),
            },
            // A day stays one; a time is compared as the time that it is.
            DataType::Date32 | DataType::Date64 if text.contains(':') => {
                time_of(text, false, zone).map_err(|_| refused())
            }
            _ => ScalarValue::try_from_string(text.clone(), &data_type).map_err(|error| refused().source(error)),
        }
    }
}

/// The time that `text` is, for a place that asks for instants or not.
fn time_of(text: &str, asks_instant: bool, zone: Option<&TimeZone>) -> Result<ScalarValue, TimeFault> {
    let instant = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
    match time::instant(text, None) {
        Err(TimeFault::NoZone) if asks_instant => time::instant(text, zone).map(instant),
        Err(TimeFault::NoZone) => {
            let clock = time::naive(text).ok_or(TimeFault::NotATime)?;
            Ok(ScalarValue::TimestampMicrosecond(Some(clock), None))
        }
        other => other.map(instant),
    }
}

/// What a parameter's place asks for, in words.
fn asked(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp(..) => "timestamp such as 2026-11-01T00:00:00".to_owned(),
        DataType::Date32 | DataType::Date64 => "date such as 2026-11-01".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        other if other.is_integer() => "whole number".to_owned(),
        other if other.is_numeric() => "number".to_owned(),
        other => other.to_string(),
    }
}
