//! Functions that read clocks, or make them.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Cast, Expr};

use super::border::{Crossing, as_instant, passed};
use super::{refused, spans};
use crate::contract::temporal::{Class, within};
use crate::functions::zones::{AtTimeZone, Passage, UTC, Way, Zone, as_function, called, formats, is_unnamed};

/// Units of `date_trunc` that depend on the clock.
const DAYS_AND_LONGER: [&str; 5] = ["day", "week", "month", "quarter", "year"];
/// Functions that keep each of their arguments for itself.
const KEEPING_APART: [&str; 7] = ["named_struct", "struct", "row", "map", "make_map", "event_id", "arrow_typeof"];

impl Crossing<'_> {
    /// What takes the place of a call, if it would read a clock as UTC.
    pub(super) fn call(&self, call: &ScalarFunction) -> Result<Option<Expr>> {
        // A plan can be settled more than once, as that of a view is.
        if as_function::<Passage>(&call.func).is_some() {
            return Ok(None);
        }
        spans::verify_call(call, self.schema)?;
        let name = call.func.name();
        let classes = call.args.iter().map(|argument| Ok(Class::of(&self.data_type(argument)?)));
        let classes: Vec<Class> = classes.collect::<Result<_>>()?;
        match (name, classes.as_slice()) {
            (AtTimeZone::NAME, _) => self.at_time_zone(call),
            ("to_local_time", [Class::Instant]) => Err(refused::drops_zone(&call.args[0])),
            ("to_unixtime", [first, rest @ ..]) => self.to_unixtime(call, *first, rest.is_empty()),
            ("date_part", [_, class]) => self.date_part(call, *class),
            ("date_trunc", [_, Class::Instant]) => self.date_trunc(call),
            ("to_char", [class, _]) => self.to_char(call, *class),
            ("to_date", [class, rest @ ..]) => self.to_date(call, *class, rest.is_empty()),
            ("current_date" | "current_time", _) if self.zone.is_none() => Err(refused::no_zone_of_today(name)),
            ("arrow_cast" | "arrow_try_cast", [_, ..]) => self.arrow_cast(call),
            _ => self.unknown(call),
        }
    }

    /// `x AT TIME ZONE 'zone'` where x is the clock of a text: the text is read in that zone.
    fn at_time_zone(&self, call: &ScalarFunction) -> Result<Option<Expr>> {
        let Some(zone) = AtTimeZone::zone_of(&call.args) else { return Ok(None) };
        match called::<Passage>(&call.args[0]) {
            Some((passage, [_])) if passage.way() == Way::TextToClock => {
                let target = self.data_type(&Expr::ScalarFunction(call.clone()))?;
                as_instant(&call.args[0], &target, Some(&zone)).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn to_unixtime(&self, call: &ScalarFunction, class: Class, is_alone: bool) -> Result<Option<Expr>> {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
        let argument = &call.args[0];
        let argument = match class {
            Class::Text if !is_alone => {
                let help = "write to_unixtime(to_timestamp(x, '…')), which reads the text in postback.timezone";
                return Err(refused::function("to_unixtime", help, argument));
            }
            Class::Clock | Class::Day | Class::Text => self.cast(argument, &instant, true, self.zone)?,
            _ => None,
        };
        Ok(argument.map(|argument| with(call, 0, argument)))
    }

    fn date_part(&self, call: &ScalarFunction, class: Class) -> Result<Option<Expr>> {
        // The engine takes the part in quotes, too.
        let part = text(&call.args[0]).map(|part| part.trim_matches(['\'', '"']));
        let is_epoch = part.is_some_and(|part| part.eq_ignore_ascii_case("epoch"));
        let argument = match class {
            Class::Clock | Class::Day if is_epoch => {
                let instant = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
                Some(as_instant(&call.args[1], &instant, self.zone)?)
            }
            Class::Instant if !is_epoch => self.shown(&call.args[1])?,
            _ => None,
        };
        Ok(argument.map(|argument| with(call, 1, argument)))
    }

    /// The start of a day or more in `postback.timezone`.
    fn date_trunc(&self, call: &ScalarFunction) -> Result<Option<Expr>> {
        let is_long = text(&call.args[0]).is_none_or(|unit| DAYS_AND_LONGER.contains(&unit.to_lowercase().as_str()));
        let Some(shown) = self.shown(&call.args[1])?.filter(|_| is_long) else { return Ok(None) };
        let data_type = self.data_type(&Expr::ScalarFunction(call.clone()))?;
        Ok(Some(Expr::Cast(Cast::new(Box::new(with(call, 1, shown)), data_type))))
    }

    fn to_char(&self, call: &ScalarFunction, class: Class) -> Result<Option<Expr>> {
        let format = text(&call.args[1]);
        match class {
            Class::Clock | Class::Day => match format {
                Some(format) if formats::is_epoch(format) => {
                    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
                    let instant = as_instant(&call.args[0], &instant, self.zone)?;
                    Ok(Some(with(call, 0, instant)))
                }
                Some(format) if formats::names_offset(format) => {
                    let help = "write iso8601(x) or x AT TIME ZONE 'Area/City' for the instant, which has an offset";
                    Err(refused::function("to_char", help, &call.args[0]))
                }
                None if !matches!(call.args[1], Expr::Literal(..)) => {
                    let help = "write the format in quotes";
                    Err(refused::function("to_char", help, &call.args[0]))
                }
                _ => Ok(None),
            },
            Class::Instant if !format.is_some_and(formats::says_utc) => {
                Ok(self.shown(&call.args[0])?.map(|shown| with(call, 0, shown)))
            }
            _ => Ok(None),
        }
    }

    fn to_date(&self, call: &ScalarFunction, class: Class, is_alone: bool) -> Result<Option<Expr>> {
        let knows_zone = |format: &Expr| text(format).is_none_or(formats::names_offset);
        match class {
            Class::Text if is_alone => {
                let passage = Passage::new(Way::TextToDay, self.zone.cloned(), DataType::Date32, true);
                passed(passage, &call.args[0]).map(Some)
            }
            Class::Text if call.args[1..].iter().any(knows_zone) => {
                let help = "write CAST(to_timestamp(x, '…') AS DATE), which gives the day in postback.timezone";
                Err(refused::function("to_date", help, &call.args[0]))
            }
            Class::Instant => self.cast(&call.args[0], &DataType::Date32, true, self.zone),
            _ => Ok(None),
        }
    }

    /// A cast whose type, and so its zone, stands in the query.
    fn arrow_cast(&self, call: &ScalarFunction) -> Result<Option<Expr>> {
        let target = self.data_type(&Expr::ScalarFunction(call.clone()))?;
        let named = match &target {
            DataType::Timestamp(_, Some(name)) if !is_unnamed(name) => Zone::named(name),
            _ => None,
        };
        let zone = named.as_ref().or(self.zone);
        self.cast(&call.args[0], &target, call.func.name() == "arrow_cast", zone)
    }

    /// Refuses a function of times that nothing is known of but its types, where these cross the border.
    fn unknown(&self, call: &ScalarFunction) -> Result<Option<Expr>> {
        let given = call.args.iter().map(|argument| Ok(sides(&self.data_type(argument)?)));
        let given: Vec<(bool, bool)> = given.collect::<Result<_>>()?;
        let (makes_instant, makes_local) = sides(&self.data_type(&Expr::ScalarFunction(call.clone()))?);
        let has_instant = given.iter().any(|(instant, _)| *instant);
        let has_local = given.iter().any(|(_, local)| *local);
        // What takes a value out of a struct of both gives each as it is.
        let mixes = given.contains(&(true, false)) && given.contains(&(false, true));
        let name = call.func.name();
        let place = call.args.iter().find(|argument| self.is_local(argument)).or(call.args.first());
        if has_instant && !has_local && makes_local {
            return Err(refused::drops_zone(&call.args[0]));
        }
        let crosses = has_local && !has_instant && makes_instant || mixes && !KEEPING_APART.contains(&name);
        if let Some(place) = place.filter(|_| crosses) {
            let help = "make an instant of it first, with iso8601(x) or x AT TIME ZONE 'Area/City'";
            return Err(refused::function(name, help, place));
        }
        Ok(None)
    }

    /// Whether an expression is a clock or a day.
    fn is_local(&self, expression: &Expr) -> bool {
        self.data_type(expression).is_ok_and(|data_type| Class::of(&data_type).is_local())
    }
}

/// Whether a type holds instants, and whether it holds clocks or days.
fn sides(data_type: &DataType) -> (bool, bool) {
    let classes = within(data_type);
    (classes.contains(&Class::Instant), classes.iter().any(|class| class.is_local()))
}

/// `call` with another argument in the place `index`.
fn with(call: &ScalarFunction, index: usize, argument: Expr) -> Expr {
    let mut arguments = call.args.clone();
    arguments[index] = argument;
    Expr::ScalarFunction(ScalarFunction::new_udf(std::sync::Arc::clone(&call.func), arguments))
}

/// The text of a literal.
fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}
