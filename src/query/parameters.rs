//! Typed parameters: `$name` placeholders bound from `--param name=value`, never text substitution.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::LogicalPlan;

use super::QueryFile;
use crate::error::{Error, ErrorKind, Result};

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

    /// Binds every placeholder of `plan`, the plan of `file`, each to the type its place in the query asks for.
    ///
    /// # Errors
    /// A placeholder without a value, a value without a placeholder, and text that is no value of the type.
    pub fn bind(&self, plan: LogicalPlan, file: &QueryFile) -> Result<LogicalPlan> {
        let types = plan
            .get_parameter_types()
            .map_err(|error| Error::new(ErrorKind::Sql, "the parameters cannot be typed").source(error))?;
        let named = |name: &str| types.contains_key(&format!("${name}"));
        if let Some(unused) = self.values.keys().find(|name| !named(name)) {
            let error = Error::new(ErrorKind::Usage, format!("the query has no parameter `${unused}`"));
            return Err(error.hint(match types.keys().map(String::as_str).collect::<Vec<_>>().join(", ") {
                all if all.is_empty() => "it has none at all".to_owned(),
                all => format!("its parameters are {all}"),
            }));
        }
        if types.is_empty() {
            return Ok(plan);
        }
        let mut values = Vec::with_capacity(types.len());
        for (placeholder, data_type) in &types {
            let name = placeholder.trim_start_matches('$');
            let place = || file.token_span(placeholder).and_then(|span| file.locate(span));
            let value = self.value(name, data_type.as_ref()).map_err(|error| error.at(place()))?;
            values.push((name.to_owned(), value));
        }
        let values: Vec<(&str, ScalarValue)> =
            values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        plan.with_param_values(ParamValues::from(values))
            .map_err(|error| Error::new(ErrorKind::Usage, "the parameters cannot be bound").source(error))
    }

    fn value(&self, name: &str, data_type: Option<&DataType>) -> Result<ScalarValue> {
        let Some(text) = self.values.get(name) else {
            return Err(Error::new(ErrorKind::Usage, format!("the parameter `${name}` has no value"))
                .hint(format!("add --param {name}=…")));
        };
        let data_type = match data_type {
            // Where the place asks for no type, as LIMIT does, a whole number is one.
            None if text.parse::<i64>().is_ok() => DataType::Int64,
            None => DataType::Utf8,
            // `date + interval` questions are asked of timestamps of any unit; text carries microseconds.
            Some(DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, zone)) => {
                DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
            }
            Some(data_type) => data_type.clone(),
        };
        ScalarValue::try_from_string(text.clone(), &data_type).map_err(|error| {
            Error::new(ErrorKind::Usage, format!("`{text}` is no {} for the parameter `${name}`", asked(&data_type)))
                .source(error)
        })
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
