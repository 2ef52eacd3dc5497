//! The SQL functions that bring columns into the Events API's canonical forms.
//!
//! What a canonical form is, [`crate::contract`] says; a function here only carries it over a column. All of them are
//! immutable and strict (NULL in any argument gives NULL), take text in every Arrow representation (`Utf8`,
//! `LargeUtf8`, `Utf8View`, dictionaries of these) as constant or column, and never fail on a value: what has no
//! canonical form is NULL, and `is_…` asks whether a value is in canonical form already. A constant that can only be
//! the author's mistake, such as an unknown region, fails when the query is planned; in a column it gives NULL.
//!
//! Text functions are [`declaration::Declaration`]s, one file per family, run by the one invocation in [`text`]; `event_id`
//! takes any number of arguments of many types and stands alone. Text results are `Utf8View`, like those of
//! DataFusion's newer functions; a phone number fits into a view without a buffer.
//!
//! Defaults are part of a function when it is registered, so that a plan means the same wherever it runs: functions
//! read no settings while they execute.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::{DocSection, ScalarUDF};

use crate::contract::phone::Region;
use crate::contract::time::TimeZone;

mod arithmetic;
mod declaration;
mod e164;
mod event_id;
mod event_name;
mod floats;
mod identity;
mod iso4217;
mod iso8601;
mod rounding;
mod text;
pub(crate) mod zones;

pub use self::arithmetic::Arithmetic;
pub use self::floats::FloatCast;
pub use self::rounding::{DecimalCast, Rounding};

/// Where the functions stand in DataFusion's documentation.
const SECTION: DocSection = DocSection { include: true, label: "Conversion Events", description: None };

/// The text functions, in the order of the README. `event_id` is the other one.
const ALL: &[declaration::Declaration] = &[
    e164::E164,
    e164::IS_E164,
    iso4217::ISO4217,
    iso4217::IS_ISO4217,
    iso8601::ISO8601,
    iso8601::IS_ISO8601,
    event_name::EVENT_NAME,
    event_name::IS_EVENT_NAME,
    identity::NORMALIZE_EMAIL,
    identity::IS_EMAIL,
    identity::HASH_EMAIL,
    identity::HASH_PHONE,
    identity::HASH_EXTERNAL_ID,
];

/// What stands in for an argument that a query leaves out.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// `postback.timezone`, for `iso8601(text)`: without it, text that names no zone is NULL.
    pub zone: Option<TimeZone>,
    /// `postback.default_region`, for `e164(text)` and `hash_phone(text)`: without it, national numbers are NULL.
    pub region: Option<Region>,
}

/// Every function of this module.
#[must_use]
pub fn all(defaults: &Defaults) -> Vec<ScalarUDF> {
    let texts = ALL.iter().map(|declaration| ScalarUDF::new_from_impl(text::TextFunction::new(declaration, defaults)));
    texts.chain([ScalarUDF::new_from_impl(event_id::EventId::new())]).collect()
}

/// Makes the functions known to `registry`, a session context or state, in place of what had their names before.
///
/// # Errors
/// Those of a registry that takes no functions; sessions take them.
pub fn register(registry: &mut dyn FunctionRegistry, defaults: &Defaults) -> Result<()> {
    for function in all(defaults).into_iter().chain(zones::all(defaults.zone.as_ref())) {
        registry.register_udf(Arc::new(function))?;
    }
    Ok(())
}
