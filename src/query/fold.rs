//! `fold = 'contents'`: the rows of one event become one row with a list of items, by an ordinary DataFusion aggregate.
//!
//! Rows belong together when event source, event source id, event and event id agree; without an event id, when what
//! it is derived from does. Event-level columns must agree too: where they do not, the group says so in
//! [`DIFFERING`] and is refused later, never silently picked from. Items come in no
//! particular order; whoever writes them sorts them.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{ScalarValue, plan_err};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::{named_struct, nullif};
use datafusion::functions::string::expr_fn::concat_ws;
use datafusion::functions_aggregate::expr_fn::{array_agg, count, max, min, sum};
use datafusion::functions_nested::expr_fn::{array_to_string, string_to_array};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, cast, lit, when};

use super::conform::named;
use crate::contract::{Kind, fields};
use crate::validate::{DIFFERING, FOLDED_ROWS, FoldValue};

/// Joins list elements so that lists can be compared; the unit separator occurs in no address, number or id.
const SEPARATOR: &str = "\u{1f}";
/// Exact type that floating-point values are summed in.
const SUM_TYPE: DataType = DataType::Decimal128(38, 9);

/// An event-level column while it is aggregated.
struct EventColumn {
    name: String,
    is_list: bool,
}

/// Folds the rows of `plan`, which is conformed.
pub(super) fn fold(plan: LogicalPlan, value: FoldValue) -> Result<LogicalPlan> {
    let schema = plan.schema().as_arrow().clone();
    let has = |name: &str| schema.field_with_name(name).is_ok();
    let is_item = |name: &str| fields::by_column(name).is_some_and(crate::contract::Field::is_item);
    let keys = keys(&has);
    let priced = has("price") && has("quantity");
    let sums_value = has("value") && value == FoldValue::Sum;
    let drops_value = has("value") && value == FoldValue::PriceQuantity && priced;
    let mut members = Vec::new();
    let mut event_columns = Vec::new();
    for field in schema.fields() {
        let name = field.name().as_str();
        if is_item(name) {
            members.extend([lit(name), named(name)]);
        } else if !keys.contains(&name) && !(name == "value" && (sums_value || drops_value)) {
            event_columns.push(EventColumn { name: name.to_owned(), is_list: field.data_type().is_list() });
        }
    }
    let mut aggregates = vec![count(lit(1)).alias(FOLDED_ROWS)];
    if !members.is_empty() {
        aggregates.push(array_agg(named_struct(members)).alias("contents"));
    }
    if sums_value {
        let exact = match schema.field_with_name("value")?.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => cast(named("value"), SUM_TYPE),
            text if text.is_string() => {
                return plan_err!("`value` is text and cannot be summed: cast it to DECIMAL(18, 2) in the query");
            }
            _ => named("value"),
        };
        aggregates.push(sum(exact).alias("value"));
    }
    for column in &event_columns {
        let comparable =
            if column.is_list { array_to_string(named(&column.name), lit(SEPARATOR)) } else { named(&column.name) };
        aggregates.push(min(comparable.clone()).alias(least(&column.name)));
        aggregates.push(max(comparable).alias(greatest(&column.name)));
        aggregates.push(count(named(&column.name)).alias(present(&column.name)));
    }
    let groups: Vec<Expr> = keys.iter().filter(|key| has(key)).map(|key| named(key)).collect();
    let folded = LogicalPlanBuilder::from(plan).aggregate(groups, aggregates)?;
    let mut projected: Vec<Expr> = Vec::new();
    for field in schema.fields() {
        let name = field.name().as_str();
        let kept = event_columns.iter().find(|column| column.name == name);
        match kept {
            Some(column) if column.is_list => projected
                .push(string_to_array(named(&least(name)), lit(SEPARATOR), lit(ScalarValue::Utf8(None))).alias(name)),
            Some(_) => projected.push(named(&least(name)).alias(name)),
            None if keys.contains(&name) || (name == "value" && sums_value) => projected.push(named(name)),
            None => {}
        }
    }
    if has_items(&schema) {
        projected.push(named("contents"));
    }
    projected.push(named(FOLDED_ROWS));
    projected.push(differing(&event_columns)?.alias(DIFFERING));
    folded.project(projected)?.build()
}

/// The columns that rows of one event share: what names the event, else what its id is derived from.
fn keys<'a>(has: &impl Fn(&str) -> bool) -> Vec<&'a str> {
    let mut keys = vec!["event_source", "event_source_id", "event"];
    if has("event_id") {
        keys.push("event_id");
    } else if has("order_id") {
        keys.push("order_id");
    } else {
        keys.extend(
            fields::FIELDS
                .iter()
                .filter(|field| identifies(field.kind) || field.kind == Kind::Time)
                .map(|field| field.column),
        );
        keys.extend(["tiktok_click_id", "cookie_id", "lead_id", "idfv"]);
    }
    keys.retain(|key| has(key));
    keys
}

fn identifies(kind: Kind) -> bool {
    matches!(kind, Kind::Email | Kind::Phone | Kind::ExternalId | Kind::UpperAdvertisingId | Kind::LowerAdvertisingId)
}

fn has_items(schema: &datafusion::arrow::datatypes::Schema) -> bool {
    schema.fields().iter().any(|field| fields::by_column(field.name()).is_some_and(crate::contract::Field::is_item))
}

fn least(name: &str) -> String {
    format!("__least.{name}")
}

fn greatest(name: &str) -> String {
    format!("__greatest.{name}")
}

fn present(name: &str) -> String {
    format!("__present.{name}")
}

/// The names of the columns whose values in a group are not all the same; NULL counts as a value.
fn differing(columns: &[EventColumn]) -> Result<Expr> {
    let mut names = Vec::with_capacity(columns.len());
    for column in columns {
        let present = named(&present(&column.name));
        let unequal =
            binary_expr(named(&least(&column.name)), Operator::IsDistinctFrom, named(&greatest(&column.name)));
        let partly_null = present.clone().not_eq(lit(0_i64)).and(present.not_eq(named(FOLDED_ROWS)));
        names.push(when(unequal.or(partly_null), lit(column.name.as_str())).end()?);
    }
    if names.is_empty() {
        return Ok(lit(ScalarValue::Utf8(None)));
    }
    Ok(nullif(concat_ws(lit(","), names), lit("")))
}
