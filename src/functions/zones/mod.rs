//! Instants and times without a zone: the one way from each to the other.
//!
//! A time without a zone, be it a timestamp, a day or text, is a clock in `postback.timezone`. DataFusion reads such a clock
//! as UTC wherever it meets an instant; here are the functions that take the place of its casts:
//!
//! | function | from | to |
//! |---|---|---|
//! | [`Passage`] | clocks, days and text | instants, and back to clocks and days; [`crate::query`] puts it in |
//! | [`AtTimeZone`] | anything | the instant on clocks of a named zone: `x AT TIME ZONE 'Area/City'` |
//! | [`Epoch`] | numbers | instants: `to_timestamp` and its siblings, `from_unixtime` |
//!
//! A time that a gap skips is read past the gap, one that comes twice is the first, as in `iso8601`. What has no such
//! reading is an error, never a guess.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::timezone::Tz;
use datafusion::logical_expr::{Expr, ScalarUDF};
use jiff::tz::Offset;

use crate::contract::time::{self, TimeZone};

mod at;
mod epoch;
pub(crate) mod formats;
mod passage;

pub(crate) use self::at::AtTimeZone;
pub(crate) use self::epoch::Epoch;
pub(crate) use self::passage::{Passage, Way};
pub(crate) use crate::contract::temporal::plain;

/// What types call the zone of instants that no query names.
pub(crate) const UTC: &str = "UTC";

/// A time zone, with the name that types of Arrow take for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    name: Arc<str>,
    rules: TimeZone,
}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Zone {
    /// The zone with these rules.
    pub(crate) fn new(rules: TimeZone) -> Self {
        let name = rules.iana_name().filter(|name| name.parse::<Tz>().is_ok()).unwrap_or(UTC);
        Self { name: name.into(), rules }
    }

    /// The zone of an IANA name or of an offset such as `+02:00`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        if let Some(rules) = time::zone(name) {
            return Some(Self::new(rules));
        }
        let rules = time::fixed(name)?;
        Some(Self { name: if name.parse::<Tz>().is_ok() { name.into() } else { UTC.into() }, rules })
    }

    /// Its name in types.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How its clocks go.
    pub(crate) fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// Whether its clocks show UTC.
    pub(crate) fn is_utc(&self) -> bool {
        matches!(self.rules.iana_name(), Some("UTC" | "Etc/UTC" | "GMT" | "Etc/GMT"))
            || self.rules.to_fixed_offset().is_ok_and(Offset::is_zero)
    }
}

/// Whether a type's zone is that of instants that no query has given another.
pub(crate) fn is_unnamed(zone: &str) -> bool {
    matches!(zone, UTC | "+00:00")
}

/// The functions of this module that a query can call.
pub(super) fn all(zone: Option<&TimeZone>) -> Vec<ScalarUDF> {
    let zone = zone.cloned().map(Zone::new);
    let mut functions: Vec<ScalarUDF> =
        Epoch::NAMES.iter().map(|name| ScalarUDF::new_from_impl(Epoch::new(name, zone.clone()))).collect();
    functions.push(ScalarUDF::new_from_impl(AtTimeZone::new(zone)));
    functions
}

/// The function of a call, if it is one of the type `F`, and its arguments.
pub(crate) fn called<F: 'static>(expression: &Expr) -> Option<(&F, &[Expr])> {
    let Expr::ScalarFunction(call) = expression else { return None };
    Some((as_function::<F>(&call.func)?, call.args.as_slice()))
}

/// A function, if it is one of the type `F`.
pub(crate) fn as_function<F: 'static>(function: &ScalarUDF) -> Option<&F> {
    let function: &dyn std::any::Any = function.inner().as_ref();
    function.downcast_ref::<F>()
}
