//! Instants as text, cut or changed by functions of text: `substr(utc::text, 1, 19)` is a local time.
//!
//! What a function leaves of such a text is found by the function itself: the text of a sample goes through it.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};

use super::lineage::{self, Source};
use super::{marks, origins};
use crate::contract::temporal::{Class, plain, within};
use crate::contract::time::{self, TimeFault};
use crate::validate::plan::Literal;

/// Functions that hand a whole text on, or put something beside it.
const KEEPING: [&str; 14] = [
    "coalesce",
    "nvl",
    "nvl2",
    "nullif",
    "greatest",
    "least",
    "concat",
    "concat_ws",
    "lower",
    "upper",
    "trim",
    "btrim",
    "ltrim",
    "rtrim",
];
/// The seconds of the sample: an evening of which each part has other digits.
const SAMPLE: i64 = 1_794_697_628;
/// The fraction of the second sample, in nanoseconds.
const FRACTION: i64 = 123_456_789;
/// Columns that one question looks behind, at most.
const MAX_STEPS: usize = 200;
/// A number of so many digits is a Unix time.
const EPOCH_DIGITS: usize = 9;

/// Whether `expression`, which `source` yields, takes the zone away from the text of an instant.
///
/// Conditions do not count: their value does not reach the column.
pub(super) fn drops_zone(expression: &Expr, source: &Source<'_>) -> bool {
    let schema = source.schema();
    let mut found = false;
    // The visitor cannot fail, since its closure does not.
    let _ = expression.apply(|part| {
        let data_type = part.get_type(&schema);
        if matches!(data_type, Ok(DataType::Boolean)) {
            return Ok(TreeNodeRecursion::Jump);
        }
        if data_type.is_ok_and(|data_type| within(&data_type).contains(&Class::Text)) {
            match judged(part, source.input, &schema) {
                Verdict::Lost => found = true,
                Verdict::Kept => {
                    found |= beneath(part, source, &schema);
                    return Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Jump });
                }
                Verdict::Open => {}
            }
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

/// What becomes of the texts of instants in an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The zone is gone.
    Lost,
    /// The zone is there, or there is no such text.
    Kept,
    /// The parts of the expression tell.
    Open,
}

/// As [`drops_zone`] of what the instants in `part` are made of.
fn beneath(part: &Expr, source: &Source<'_>, schema: &DFSchema) -> bool {
    let mut found = false;
    // The visitor cannot fail, since its closure does not.
    let _ = part.apply(|part| {
        if !is_instant(part, schema) {
            return Ok(TreeNodeRecursion::Continue);
        }
        part.apply_children(|inner| {
            found |= drops_zone(inner, source);
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(TreeNodeRecursion::Jump)
    });
    found
}

fn judged(part: &Expr, input: Option<&LogicalPlan>, schema: &DFSchema) -> Verdict {
    let mut verdict = Verdict::Kept;
    for fraction in [0, FRACTION] {
        let mut sampling = Sampling { fraction, has_sample: false, steps: MAX_STEPS };
        let sampled = marks::removed(sampling.sampled(part.clone(), input, schema));
        if !sampling.has_sample {
            return Verdict::Kept;
        }
        verdict = match origins::computed(&sampled) {
            Some(Literal::Text(text)) => match read(&text) {
                Ok(()) => continue,
                // A whole second keeps what a fraction pushes out, and text that is no time is told on its row.
                Err(TimeFault::NotATime) if fraction > 0 => continue,
                Err(_) => return Verdict::Lost,
            },
            Some(Literal::Null) => continue,
            None if cuts(&sampled) => return Verdict::Lost,
            None => Verdict::Open,
        };
    }
    verdict
}

/// Whether a text says which instant it is.
fn read(text: &str) -> Result<(), TimeFault> {
    let text = text.trim();
    if text.len() >= EPOCH_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Ok(());
    }
    time::instant(text, None).map(|_| ())
}

/// Whether an expression may leave a part only of a text, whatever its other arguments are.
fn cuts(expression: &Expr) -> bool {
    match expression {
        Expr::ScalarFunction(call) => {
            let keeps = KEEPING.contains(&call.func.name());
            !keeps || call.func.name().ends_with("trim") && call.args.len() > 1
        }
        _ => false,
    }
}

fn is_instant(expression: &Expr, schema: &DFSchema) -> bool {
    expression.get_type(schema).is_ok_and(|data_type| Class::of(&data_type) == Class::Instant)
}

/// Puts samples in the place of the instants that become text.
struct Sampling {
    fraction: i64,
    has_sample: bool,
    steps: usize,
}

impl Sampling {
    fn sampled(&mut self, expression: Expr, input: Option<&LogicalPlan>, schema: &DFSchema) -> Expr {
        let whole = expression.clone();
        let sampled = expression.transform_down(|part| {
            if let Expr::Column(column) = &part {
                let behind = input.and_then(|input| self.behind(input, input.schema().maybe_index_of_column(column)?));
                return Ok(behind.map_or_else(
                    || Transformed::no(part),
                    |behind| Transformed::new(behind, true, TreeNodeRecursion::Jump),
                ));
            }
            let makes_text = match &part {
                Expr::Cast(_) | Expr::TryCast(_) | Expr::ScalarFunction(_) => true,
                Expr::BinaryExpr(binary) => binary.op == Operator::StringConcat,
                _ => false,
            };
            let is_text = part.get_type(schema).is_ok_and(|data_type| within(&data_type).contains(&Class::Text));
            if !makes_text || !is_text {
                return Ok(Transformed::no(part));
            }
            part.map_children(|inner| {
                let data_type = inner.get_type(schema).ok().filter(|_| is_instant(&inner, schema));
                Ok(match data_type.and_then(|data_type| self.sample(&data_type)) {
                    Some(sample) => Transformed::yes(sample),
                    None => Transformed::no(inner),
                })
            })
            .map(|part| Transformed { tnr: TreeNodeRecursion::Continue, ..part })
        });
        sampled.map_or(whole, |sampled| sampled.data)
    }

    /// What a column of text is made of, if of the text of an instant in one of the ways that lead to it.
    fn behind(&mut self, input: &LogicalPlan, index: usize) -> Option<Expr> {
        if Class::of(input.schema().field(index).data_type()) != Class::Text {
            return None;
        }
        for source in lineage::sources(input, index).into_iter().filter(|source| source.table.is_none()) {
            self.steps = self.steps.checked_sub(1)?;
            let mut inner = Self { has_sample: false, ..*self };
            let expression = marks::removed(source.expression.clone());
            let sampled = inner.sampled(expression, source.input, &source.schema());
            self.steps = inner.steps;
            if inner.has_sample {
                self.has_sample = true;
                return Some(sampled);
            }
        }
        None
    }

    fn sample(&mut self, data_type: &DataType) -> Option<Expr> {
        let DataType::Timestamp(unit, zone) = plain(data_type) else { return None };
        let value = match unit {
            TimeUnit::Second => ScalarValue::TimestampSecond(Some(SAMPLE), zone.clone()),
            TimeUnit::Millisecond => {
                ScalarValue::TimestampMillisecond(Some(SAMPLE * 1_000 + self.fraction / 1_000_000), zone.clone())
            }
            TimeUnit::Microsecond => {
                ScalarValue::TimestampMicrosecond(Some(SAMPLE * 1_000_000 + self.fraction / 1_000), zone.clone())
            }
            TimeUnit::Nanosecond => {
                ScalarValue::TimestampNanosecond(Some(SAMPLE * 1_000_000_000 + self.fraction), zone.clone())
            }
        };
        self.has_sample = true;
        Some(Expr::Literal(value, None))
    }
}
