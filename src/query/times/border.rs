//! The casts of a plan that cross the border between instants and times without a zone.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRewriter};
use datafusion::error::Result;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

use super::{readable, refused, spans};
use crate::contract::temporal::{self, Class};
use crate::contract::time;
use crate::functions::zones::{AtTimeZone, Passage, UTC, Way, Zone, called, is_unnamed, plain};

/// Puts the right reading in the place of every cast that crosses the border, and refuses what has none.
#[derive(Debug)]
pub(super) struct Border {
    zone: Option<Zone>,
}

impl Border {
    /// For a session whose `postback.timezone` is `zone`.
    pub(super) fn new(zone: Option<Zone>) -> Self {
        Self { zone }
    }
}

impl AnalyzerRule for Border {
    fn name(&self) -> &'static str {
        "times_without_a_zone"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let settled = plan.transform_up_with_subqueries(|node| {
            let schema = readable(&node)?;
            let names = NamePreserver::new(&node);
            let mut crossing = Crossing { zone: self.zone.as_ref(), schema: &schema };
            node.map_expressions(|expression| {
                let name = names.save(&expression);
                let settled = expression.rewrite(&mut crossing)?;
                Ok(settled.update_data(|expression| name.restore(expression)))
            })?
            .map_data(LogicalPlan::recompute_schema)
        })?;
        Ok(settled.data)
    }
}

/// The expressions of one node.
pub(super) struct Crossing<'a> {
    pub(super) zone: Option<&'a Zone>,
    pub(super) schema: &'a DFSchema,
}

impl TreeNodeRewriter for Crossing<'_> {
    type Node = Expr;

    fn f_down(&mut self, expression: Expr) -> Result<Transformed<Expr>> {
        self.counted(&expression)?;
        Ok(match self.said_to_be_utc(&expression) {
            Some(instant) => Transformed::yes(instant),
            None => Transformed::no(expression),
        })
    }

    fn f_up(&mut self, expression: Expr) -> Result<Transformed<Expr>> {
        let settled = match &expression {
            Expr::Cast(cast) => {
                self.explicit(&cast.expr, cast.field.data_type())?;
                self.cast(&cast.expr, cast.field.data_type(), true, self.zone)?
            }
            Expr::TryCast(cast) => {
                self.explicit(&cast.expr, cast.field.data_type())?;
                self.cast(&cast.expr, cast.field.data_type(), false, self.zone)?
            }
            Expr::BinaryExpr(binary) => {
                spans::verify(binary, self.schema)?;
                self.mixed(binary)?
            }
            Expr::ScalarFunction(call) => self.call(call)?,
            Expr::WindowFunction(call) => {
                self.window(call)?;
                None
            }
            _ => None,
        };
        Ok(settled.map_or_else(|| Transformed::no(expression), Transformed::yes))
    }
}

impl Crossing<'_> {
    /// The type of an expression.
    pub(super) fn data_type(&self, expression: &Expr) -> Result<DataType> {
        expression.get_type(self.schema)
    }

    /// What takes the place of a cast of `inner` to `target`, if that of the engine would not do; `zone` is where clocks go.
    pub(super) fn cast(
        &self,
        inner: &Expr,
        target: &DataType,
        is_strict: bool,
        zone: Option<&Zone>,
    ) -> Result<Option<Expr>> {
        let from = self.data_type(inner)?;
        let passage = |way| Passage::new(way, zone.cloned(), target.clone(), is_strict);
        Ok(match (Class::of(&from), Class::of(target)) {
            (Class::Clock | Class::Day, Class::Instant) => Some(as_instant(inner, target, zone)?),
            (Class::Text, Class::Instant) => Some(passed(passage(Way::TextToInstant), inner)?),
            (Class::Text, Class::Clock) => Some(passed(passage(Way::TextToClock), inner)?),
            (Class::Text, Class::Day) => Some(passed(passage(Way::TextToDay), inner)?),
            (Class::Instant, Class::Clock) if !self.zone.is_some_and(Zone::is_utc) => {
                return Err(refused::drops_zone(inner));
            }
            (Class::Instant, Class::Day) => {
                let Some(zone) = self.zone_of_day(&from) else { return Err(refused::no_zone_of_day(inner)) };
                Some(passed(Passage::new(Way::InstantToDay, Some(zone), target.clone(), true), inner)?)
            }
            (Class::Instant, Class::TimeOfDay) => {
                let shown = self.shown(inner)?;
                shown.map(|shown| Expr::Cast(Cast::new(Box::new(shown), target.clone())))
            }
            (Class::Clock, Class::Number) => {
                let instant = as_instant(inner, &DataType::Timestamp(unit(&from), Some(UTC.into())), zone)?;
                Some(Expr::Cast(Cast::new(Box::new(instant), target.clone())))
            }
            (Class::Number, Class::Clock) => return Err(refused::number(inner)),
            (Class::Other, _) | (_, Class::Other) if temporal::crosses(&from, target) => {
                return Err(refused::nested(inner));
            }
            _ => None,
        })
    }

    /// Refuses a cast that is written in SQL and would count nanoseconds.
    fn explicit(&self, inner: &Expr, target: &DataType) -> Result<()> {
        let from = self.data_type(inner)?;
        match (Class::of(&from), Class::of(target)) {
            (Class::Number, Class::Instant) => Err(refused::number(inner)),
            _ => Ok(()),
        }
    }

    /// An instant that no query gave a zone, on the clocks of `postback.timezone`.
    pub(super) fn shown(&self, instant: &Expr) -> Result<Option<Expr>> {
        let data_type = self.data_type(instant)?;
        let DataType::Timestamp(unit, Some(named)) = plain(&data_type) else { return Ok(None) };
        let zone = self.zone.filter(|zone| is_unnamed(named) && !zone.is_utc());
        let on_clocks = |zone: &Zone| DataType::Timestamp(*unit, Some(Arc::clone(zone.name())));
        Ok(zone.map(|zone| Expr::Cast(Cast::new(Box::new(instant.clone()), on_clocks(zone)))))
    }

    /// The zone whose day is meant: the one that a query gave an instant of this type, else `postback.timezone`.
    fn zone_of_day(&self, instant: &DataType) -> Option<Zone> {
        match plain(instant) {
            DataType::Timestamp(_, Some(named)) if !is_unnamed(named) => Zone::named(named),
            _ => self.zone.cloned(),
        }
    }

    /// The instant behind `CAST(instant AS TIMESTAMP) AT TIME ZONE 'UTC'`, which gives back what the cast took.
    fn said_to_be_utc(&self, expression: &Expr) -> Option<Expr> {
        let (_, arguments) = called::<AtTimeZone>(expression)?;
        let zone = AtTimeZone::zone_of(arguments).filter(Zone::is_utc)?;
        let Expr::Cast(cast) = arguments.first()? else { return None };
        let from = self.data_type(&cast.expr).ok()?;
        let is_dropped = Class::of(&from) == Class::Instant && Class::of(cast.field.data_type()) == Class::Clock;
        let target = AtTimeZone::result(cast.field.data_type(), &zone).filter(|_| is_dropped)?;
        Some(Expr::Cast(Cast::new(cast.expr.clone(), target)))
    }

    /// Refuses what is counted from the beginning of 1970 on a clock that is not UTC's: it is no Unix time.
    fn counted(&self, expression: &Expr) -> Result<()> {
        let Expr::BinaryExpr(binary) = expression else { return Ok(()) };
        let counts = matches!(binary.op, Operator::Plus | Operator::Minus) && !self.zone.is_some_and(Zone::is_utc);
        if counts && (is_epoch(&binary.left) || is_epoch(&binary.right)) {
            return Err(refused::epoch(expression));
        }
        Ok(())
    }

    /// An operation with a clock on one side and an instant on the other, which the engine does without a cast.
    fn mixed(&self, binary: &BinaryExpr) -> Result<Option<Expr>> {
        let (left, right) = (self.data_type(&binary.left)?, self.data_type(&binary.right)?);
        let (left, right) = match (Class::of(&left), Class::of(&right)) {
            (Class::Instant, class) if class.is_local() => {
                ((*binary.left).clone(), as_instant(&binary.right, plain(&left), self.zone)?)
            }
            (class, Class::Instant) if class.is_local() => {
                (as_instant(&binary.left, plain(&right), self.zone)?, (*binary.right).clone())
            }
            _ => return Ok(None),
        };
        Ok(Some(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), binary.op, Box::new(right)))))
    }

    /// Refuses a default of `lag` or `lead` of another kind, which the engine casts when the query runs.
    fn window(&self, call: &WindowFunction) -> Result<()> {
        let [value, _, default] = call.params.args.as_slice() else { return Ok(()) };
        let (value, other) = (self.data_type(value)?, self.data_type(default)?);
        let is_time = matches!(Class::of(&value), Class::Instant | Class::Clock | Class::Day);
        if is_time && !other.is_null() && Class::of(&value) != Class::of(&other) {
            let help = "write coalesce(lag(x) OVER (…), y) in place of the third argument";
            return Err(refused::function(call.fun.name(), help, &call.params.args[0]));
        }
        Ok(())
    }
}

/// The instant that a clock, a day or the clock of a text is.
pub(super) fn as_instant(clock: &Expr, target: &DataType, zone: Option<&Zone>) -> Result<Expr> {
    // Text that becomes a clock only to become an instant is read once.
    if let Some((passage, [text])) = called::<Passage>(clock)
        && passage.way() == Way::TextToClock
    {
        return passed(Passage::new(Way::TextToInstant, zone.cloned(), target.clone(), passage.is_strict()), text);
    }
    let Some(zone) = zone else { return Err(refused::no_zone(clock)) };
    passed(Passage::new(Way::ClockToInstant, Some(zone.clone()), target.clone(), true), clock)
}

/// `passage` of `inner`; of a constant its value.
pub(super) fn passed(passage: Passage, inner: &Expr) -> Result<Expr> {
    if let Expr::Literal(value, metadata) = inner {
        if let Some(text) = value.try_as_str().flatten()
            && let Err(fault) = passage.of_text(text)
        {
            return Err(refused::text(text, fault.words(), fault.help()));
        }
        let value = passage.evaluate(&value.to_array()?)?;
        return Ok(Expr::Literal(ScalarValue::try_from_array(&value, 0)?, metadata.clone()));
    }
    Ok(ScalarUDF::new_from_impl(passage).call(vec![inner.clone()]))
}

/// Whether an expression is the beginning of 1970 without a zone.
fn is_epoch(expression: &Expr) -> bool {
    match expression {
        Expr::Alias(alias) => is_epoch(&alias.expr),
        Expr::Cast(cast) => is_epoch(&cast.expr),
        Expr::TryCast(cast) => is_epoch(&cast.expr),
        Expr::Literal(value, _) => match value {
            ScalarValue::TimestampSecond(count, None)
            | ScalarValue::TimestampMillisecond(count, None)
            | ScalarValue::TimestampMicrosecond(count, None)
            | ScalarValue::TimestampNanosecond(count, None)
            | ScalarValue::Date64(count) => *count == Some(0),
            ScalarValue::Date32(day) => *day == Some(0),
            text => text.try_as_str().flatten().and_then(time::naive) == Some(0),
        },
        _ => false,
    }
}

/// The unit of a clock.
fn unit(data_type: &DataType) -> TimeUnit {
    match plain(data_type) {
        DataType::Timestamp(unit, _) => *unit,
        _ => TimeUnit::Millisecond,
    }
}
