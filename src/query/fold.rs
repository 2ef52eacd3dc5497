//! `fold = 'contents'`: the rows of one event become one row with a list of items, by an ordinary DataFusion aggregate.
//!
//! Rows belong together when event source, event source id, event and event id agree; without an event id, when what
//! it is derived from does. Event-level columns must agree too: where they do not, the group says so in
//! [`DIFFERING`] and is refused later, never silently picked from. Items come in no
//! particular order; whoever writes them sorts them.
//!
//! Values agree where what is sent of them does (the form of [`FormFunction`]): `Ann@Shop.Example ` is
//! `ann@shop.example`. NULL and blank text say nothing and agree with everything, as exports of order lines leave the
//! order's columns blank on all lines but one. Of values that agree the least stands for all, so that the order of
//! the rows leaves no trace. A line that names no event, source or receiver, where no setting does, is one of the event
//! that the other lines with its id name, if these name one only.

use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Schema};
use datafusion::common::{ScalarValue, plan_err};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::{coalesce, named_struct, nullif};
use datafusion::functions::string::expr_fn::concat_ws;
use datafusion::functions_aggregate::expr_fn::{array_agg, count, max, min, sum};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::functions_nested::expr_fn::{array_to_string, string_to_array};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, cast, lit, when,
};

use super::conform::named;
use super::form::FormFunction;
use crate::contract::phone::Region;
use crate::contract::time::TimeZone;
use crate::contract::{Kind, fields};
use crate::settings::Settings;
use crate::validate::{DIFFERING, FOLDED_ROWS, FoldValue, forms};

/// Joins list elements so that lists can be compared; the unit separator occurs in no address, number or id.
const SEPARATOR: &str = "\u{1f}";
/// Exact type that floating-point values are summed in.
const SUM_TYPE: DataType = DataType::Decimal128(38, 9);
/// Columns that name the kind and the receiver of an event, and the settings that stand in for them.
const NAMES: [&str; 3] = ["event_source", "event_source_id", "event"];

/// What folding depends on besides the rows.
#[derive(Clone, Debug)]
pub(super) struct Folding {
    value: FoldValue,
    zone: Option<TimeZone>,
    region: Option<Region>,
    /// The settings that stand in for [`NAMES`].
    names: [Option<String>; 3],
}

impl Folding {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            value: super::fold_value(settings),
            zone: settings.timezone(),
            region: settings.default_region(),
            names: NAMES.map(|name| settings.text(name).map(str::to_owned)),
        }
    }

    /// What is sent of the column, as far as its type does not say that already.
    fn form(&self, column: &ArrowField) -> Result<Expr> {
        let (name, data_type) = (column.name().as_str(), column.data_type());
        let given = named(name);
        let Some(field) = fields::by_column(name) else {
            // An empty custom property is not sent.
            return Ok(if data_type.is_string() { nullif(given, lit("")) } else { given });
        };
        let setting = NAMES.iter().position(|other| *other == name).and_then(|at| self.names[at].as_deref());
        // A setting stands in for numbers that are missing, too.
        if !is_written(data_type) && field.kind != Kind::Time && setting.is_none() {
            return Ok(given);
        }
        let function = FormFunction::of(field, data_type, self.zone.clone(), self.region)?;
        let form = function.call(vec![given]);
        Ok(match setting {
            Some(setting) => coalesce(vec![form, lit(forms::of_setting(field, setting))]),
            None => form,
        })
    }
}

/// Whether values of a type are written, so that one value can be written in several ways.
fn is_written(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_written(value),
        DataType::RunEndEncoded(_, value) => is_written(value.data_type()),
        other => other.is_string() || other.is_list(),
    }
}

/// A column of an event, not of its items, while it is aggregated.
struct EventColumn {
    name: String,
    is_list: bool,
    /// What is sent of a line's value.
    form: Expr,
    /// The same, or what other lines say where the line says nothing: what lines of one event share.
    key: Expr,
}

impl EventColumn {
    /// The least of the values that say something, which stands for all.
    fn representative(&self) -> Result<Expr> {
        let given = named(&self.name);
        let comparable = if self.is_list { array_to_string(given, lit(SEPARATOR)) } else { given };
        Ok(min(when(self.form.clone().is_not_null(), comparable).end()?).alias(least(&self.name)))
    }

    fn projected(&self) -> Expr {
        let least = named(&least(&self.name));
        let value =
            if self.is_list { string_to_array(least, lit(SEPARATOR), lit(ScalarValue::Utf8(None))) } else { least };
        value.alias(&self.name)
    }
}

/// Folds the rows of `plan`, which is conformed.
pub(super) fn fold(plan: LogicalPlan, folding: &Folding) -> Result<LogicalPlan> {
    let schema = plan.schema().as_arrow().clone();
    let has = |name: &str| schema.field_with_name(name).is_ok();
    let is_item = |name: &str| fields::by_column(name).is_some_and(crate::contract::Field::is_item);
    let keys = keys(&has);
    let priced = has("price") && has("quantity");
    let sums_value = has("value") && folding.value == FoldValue::Sum;
    let drops_value = has("value") && folding.value == FoldValue::PriceQuantity && priced;
    let mut members = Vec::new();
    let mut event_columns = Vec::new();
    for field in schema.fields() {
        let name = field.name().as_str();
        if is_item(name) {
            members.extend([lit(name), named(name)]);
        } else if !(name == "value" && (sums_value || drops_value)) {
            let (name, is_list, form) = (name.to_owned(), field.data_type().is_list(), folding.form(field)?);
            event_columns.push(EventColumn { name, is_list, key: form.clone(), form });
        }
    }
    let mut aggregates = vec![count(lit(1)).alias(FOLDED_ROWS)];
    let mut groups = Vec::new();
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
    let plan = named_by_others(plan, &schema, &mut event_columns, folding)?;
    for column in &event_columns {
        aggregates.push(column.representative()?);
        if keys.contains(&column.name.as_str()) {
            groups.push(column.key.clone().alias(key(&column.name)));
        } else {
            aggregates.push(min(column.form.clone()).alias(first_form(&column.name)));
            aggregates.push(max(column.form.clone()).alias(last_form(&column.name)));
        }
    }
    let folded = LogicalPlanBuilder::from(plan).aggregate(groups, aggregates)?;
    let mut projected: Vec<Expr> = Vec::new();
    for field in schema.fields() {
        let name = field.name().as_str();
        match event_columns.iter().find(|column| column.name == name) {
            Some(column) => projected.push(column.projected()),
            None if name == "value" && sums_value => projected.push(named(name)),
            None => {}
        }
    }
    if has_items(&schema) {
        projected.push(named("contents"));
    }
    projected.push(named(FOLDED_ROWS));
    projected
        .push(differing(event_columns.iter().filter(|column| !keys.contains(&column.name.as_str())))?.alias(DIFFERING));
    folded.project(projected)?.build()
}

/// `plan` with what the lines of one order or event say of [`NAMES`], and `columns` that take it where a line says nothing.
fn named_by_others(
    plan: LogicalPlan,
    schema: &Schema,
    columns: &mut [EventColumn],
    folding: &Folding,
) -> Result<LogicalPlan> {
    let id = ["event_id", "order_id"].iter().find_map(|name| columns.iter().find(|column| column.name == **name));
    let Some(id) = id.map(|column| column.form.clone()) else { return Ok(plan) };
    let mut windows = Vec::new();
    for (name, setting) in NAMES.iter().zip(&folding.names) {
        let may_be_null = schema.field_with_name(name).is_ok_and(ArrowField::is_nullable);
        let column = columns.iter_mut().find(|column| column.name == *name);
        let Some(column) = column.filter(|_| may_be_null && setting.is_none()) else { continue };
        for (function, alias) in [(min_udaf(), first_form(name)), (max_udaf(), last_form(name))] {
            let over = Expr::from(WindowFunction::new(function, vec![column.form.clone()]));
            windows.push(over.partition_by(vec![id.clone()]).build()?.alias(alias));
        }
        let (first, last) = (named(&first_form(name)), named(&last_form(name)));
        let only = when(first.clone().eq(last), first).end()?;
        column.key = coalesce(vec![column.form.clone(), only]);
    }
    if windows.is_empty() { Ok(plan) } else { LogicalPlanBuilder::from(plan).window(windows)?.build() }
}

/// The columns that rows of one event share: what names the event, else what its id is derived from.
fn keys<'a>(has: &impl Fn(&str) -> bool) -> Vec<&'a str> {
    let mut keys = NAMES.to_vec();
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

fn has_items(schema: &Schema) -> bool {
    schema.fields().iter().any(|field| fields::by_column(field.name()).is_some_and(crate::contract::Field::is_item))
}

fn key(name: &str) -> String {
    format!("__key.{name}")
}

fn least(name: &str) -> String {
    format!("__least.{name}")
}

fn first_form(name: &str) -> String {
    format!("__first_form.{name}")
}

fn last_form(name: &str) -> String {
    format!("__last_form.{name}")
}

/// The names of the columns whose values in a group do not agree.
fn differing<'a>(columns: impl Iterator<Item = &'a EventColumn>) -> Result<Expr> {
    let names = columns.map(|column| {
        let (first, last) = (named(&first_form(&column.name)), named(&last_form(&column.name)));
        when(binary_expr(first, Operator::IsDistinctFrom, last), lit(column.name.as_str())).end()
    });
    let names: Vec<Expr> = names.collect::<Result<_>>()?;
    if names.is_empty() {
        return Ok(lit(ScalarValue::Utf8(None)));
    }
    Ok(nullif(concat_ws(lit(","), names), lit("")))
}
