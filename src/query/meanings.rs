//! SQL that is valid here and means something else than in the engine it was written for.
//!
//! Found in the plan, by function and argument, so that names, views and literals put together make no difference; the
//! file is asked only where the call stands.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{self, Query, Spanned};
use datafusion::sql::sqlparser::tokenizer::{Span, Token};

use super::QueryFile;
use super::losses::drops_decimals;
use super::places::{begins_within, rough};
use crate::validate::plan::Meaning;

/// Codes of `MySQL`'s formats that are others here, and what they are here.
const CODES: [(&str, &str); 3] = [("%s", "Unix time"), ("%D", "a whole date"), ("%h", "the name of a month")];
/// Numbers that times are divided by, of which the rest is not missed.
const UNITS_OF_TIME: [i64; 7] = [60, 1_000, 3_600, 86_400, 86_400_000, 1_000_000, 1_000_000_000];
/// Letters of the formats of warehouses and of Java.
const LETTERS: [&str; 8] = ["YYYY", "yyyy", "MM", "DD", "dd", "HH", "MI", "SS"];

/// What `plan` means otherwise, each once for each call.
pub(super) fn of(plan: &LogicalPlan) -> Vec<(Meaning, Call)> {
    let mut found = Vec::new();
    // The visitors cannot fail, since their closures do not.
    let _ = plan.apply_with_subqueries(|node| {
        let mut schema = DFSchema::empty();
        node.inputs().iter().for_each(|input| schema.merge(input.schema()));
        let is_condition = matches!(node, LogicalPlan::Filter(_));
        for expression in node.expressions() {
            let _ = expression.apply(|part| {
                found.extend(meaning(part, &schema));
                if is_condition && is_dividing(part, &schema) {
                    found.push((Meaning::Condition, Call { kind: CallKind::Operator("/"), literal: None }));
                }
                Ok(TreeNodeRecursion::Continue)
            });
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found.dedup();
    found
}

/// What a call is known by in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    kind: CallKind,
    /// A literal that stands in it.
    literal: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum CallKind {
    Function(&'static [&'static str]),
    Similar,
    Subscript,
    Operator(&'static str),
}

fn meaning(expression: &Expr, schema: &DFSchema) -> Option<(Meaning, Call)> {
    match expression {
        Expr::SimilarTo(like) => {
            let pattern = constant(&like.pattern);
            let call = Call { kind: CallKind::Similar, literal: pattern.clone() };
            Some((Meaning::Similar(pattern.as_deref().and_then(regular_expression)), call))
        }
        Expr::BinaryExpr(binary) if binary.op == Operator::BitwiseXor => {
            Some((Meaning::Caret, Call { kind: CallKind::Operator("^"), literal: None }))
        }
        Expr::ScalarFunction(call) => of_function(call.func.name(), &call.args, schema),
        _ => None,
    }
}

fn of_function(name: &str, arguments: &[Expr], schema: &DFSchema) -> Option<(Meaning, Call)> {
    let call =
        |names: &'static [&'static str], literal: Option<String>| Call { kind: CallKind::Function(names), literal };
    let literal = |index: usize| arguments.get(index).and_then(constant);
    let whole = |index: usize| literal(index).and_then(|text| text.parse::<i64>().ok());
    match name {
        "to_char" => {
            let format = literal(1)?;
            let call = call(&["to_char", "date_format"], Some(format.clone()));
            of_format("to_char", &format).map(|meaning| (meaning, call))
        }
        "to_date"
        | "to_time"
        | "to_timestamp"
        | "to_timestamp_seconds"
        | "to_timestamp_millis"
        | "to_timestamp_micros"
        | "to_timestamp_nanos"
        | "to_unixtime" => {
            const NAMES: &[&str] = &[
                "to_date",
                "to_time",
                "to_timestamp",
                "to_timestamp_seconds",
                "to_timestamp_millis",
                "to_timestamp_micros",
                "to_timestamp_nanos",
                "to_unixtime",
            ];
            let mut formats = (1..arguments.len()).filter_map(literal);
            formats.find_map(|format| Some((of_format(name, &format)?, call(NAMES, Some(format)))))
        }
        "substr" => {
            let start = whole(1).filter(|start| *start < 0 || *start == 0 && arguments.len() > 2)?;
            let written = start.unsigned_abs().to_string();
            Some((Meaning::SubstringStart(start), call(&["substr", "substring"], Some(written))))
        }
        "regexp_replace" => {
            let pattern = literal(1)?;
            let flags = literal(3).unwrap_or_default();
            let is_single = pattern.starts_with('^') || pattern.ends_with('$') || pattern.ends_with(".*");
            let is_first = !flags.contains('g') && arguments.get(3).is_none_or(|flags| constant(flags).is_some());
            (is_first && !is_single).then(|| (Meaning::FirstMatch, call(&["regexp_replace"], Some(pattern))))
        }
        "array_element" if whole(1) == Some(0) => {
            Some((Meaning::ElementZero, Call { kind: CallKind::Subscript, literal: Some("0".to_owned()) }))
        }
        "log" if arguments.len() == 1 => {
            let is_number = arguments[0].get_type(schema).is_ok_and(|data_type| data_type.is_numeric());
            is_number.then(|| (Meaning::Logarithm, call(&["log"], None)))
        }
        _ => None,
    }
}

/// What is wrong with the format of a time.
fn of_format(function: &str, format: &str) -> Option<Meaning> {
    let is_other = format.contains(|letter: char| letter.is_ascii_alphabetic());
    if !format.contains('%') {
        return is_other.then(|| Meaning::Format(function.to_owned(), format.to_owned()));
    }
    let plain: String = format.split('%').skip(1).filter_map(|part| part.get(1..)).collect::<Vec<_>>().join(" ");
    let before = format.split('%').next().unwrap_or_default();
    if LETTERS.iter().any(|letters| plain.contains(letters) || before.contains(letters)) {
        return Some(Meaning::Format(function.to_owned(), format.to_owned()));
    }
    if format.contains("%M") && !["%H", "%I", "%k", "%l"].iter().any(|hour| format.contains(hour)) {
        return Some(Meaning::Code("%M", "the minute"));
    }
    CODES.iter().find(|(code, _)| format.contains(code)).map(|(code, is)| Meaning::Code(code, is))
}

/// Whether a condition compares a division of whole numbers with something.
fn is_dividing(part: &Expr, schema: &DFSchema) -> bool {
    let Expr::BinaryExpr(binary) = part else { return false };
    let divisor = constant(&binary.right).and_then(|divisor| divisor.parse().ok());
    drops_decimals(binary.op, &binary.left, &binary.right, schema)
        && !divisor.is_some_and(|divisor: i64| UNITS_OF_TIME.contains(&divisor))
}

/// The text of an expression that is made of literals only.
fn constant(expression: &Expr) -> Option<String> {
    let shown = |value: &ScalarValue| match value.try_as_str() {
        Some(text) => text.map(str::to_owned),
        None => value.data_type().is_integer().then(|| value.to_string()),
    };
    match expression {
        Expr::Literal(value, _) => return shown(value),
        Expr::Negative(_) | Expr::BinaryExpr(_) | Expr::Cast(_) => {}
        _ => return None,
    }
    // Negation, and texts that are put together. Functions of constants are left to the engine.
    let is_plain = |part: &Expr| match part {
        Expr::Literal(..) | Expr::Negative(_) => true,
        Expr::Cast(cast) => matches!(cast.field.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::Int64),
        Expr::BinaryExpr(binary) => {
            matches!(binary.op, Operator::StringConcat | Operator::Plus | Operator::Minus)
        }
        _ => false,
    };
    if expression.exists(|part| Ok(!is_plain(part))).unwrap_or(true) {
        return None;
    }
    match ExprSimplifier::new(SimplifyContext::default()).simplify(expression.clone()).ok()? {
        Expr::Literal(value, _) => shown(&value),
        _ => None,
    }
}

/// The pattern of SIMILAR TO as a regular expression.
fn regular_expression(pattern: &str) -> Option<String> {
    let mut written = String::from("^(");
    let mut is_set = false;
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                written.push('\\');
                written.push(letters.next()?);
            }
            '[' | ']' => {
                is_set = letter == '[';
                written.push(letter);
            }
            '%' if !is_set => written.push_str(".*"),
            '_' if !is_set => written.push('.'),
            '.' | '^' | '$' if !is_set => {
                written.push('\\');
                written.push(letter);
            }
            '\'' => written.push_str("''"),
            other => written.push(other),
        }
    }
    Some(written + ")$")
}

/// Where `call` stands in one of `queries`: the first of its kind that holds its literal, else the first of its kind.
pub(super) fn place(file: &QueryFile, queries: &[&Query], call: &Call) -> Option<Span> {
    let mut spans = Vec::new();
    for query in queries {
        let _: ControlFlow<()> = ast::visit_expressions(*query, |expression| {
            spans.extend(span(file, expression, &call.kind));
            ControlFlow::Continue(())
        });
    }
    let holds = |span: &&Span| {
        let tokens = file.tokens.iter().filter(|token| begins_within(token.span, **span));
        call.literal.as_ref().is_none_or(|literal| {
            tokens.into_iter().any(|token| match &token.token {
                Token::SingleQuotedString(text) | Token::Number(text, _) => text == literal,
                _ => false,
            })
        })
    };
    spans.iter().find(holds).or(spans.first()).copied()
}

/// The span of `expression` if it is of that kind.
fn span(file: &QueryFile, expression: &ast::Expr, kind: &CallKind) -> Option<Span> {
    match (kind, expression) {
        (CallKind::Function(names), ast::Expr::Function(function)) => {
            let written = function.name.to_string().to_lowercase();
            names.contains(&written.as_str()).then(|| file.tokens.call(function.name.span()))
        }
        (CallKind::Function(names), ast::Expr::Substring { expr, .. }) if names.contains(&"substr") => {
            let inner = rough(expr);
            let before = file.tokens.iter().filter(|token| token.span.start < inner.start);
            let name = before.filter(|token| matches!(&token.token, Token::Word(_))).last()?;
            Some(file.tokens.call(name.span))
        }
        (CallKind::Similar, ast::Expr::SimilarTo { .. }) => Some(rough(expression)),
        (CallKind::Subscript, ast::Expr::CompoundFieldAccess { .. }) => {
            // The parser's place ends before the bracket.
            let span = rough(expression);
            let mut behind = file.tokens.iter().filter(|token| token.span.start >= span.end);
            let bracket = behind.next().filter(|token| token.token == Token::RBracket);
            Some(Span { end: bracket.map_or(span.end, |bracket| bracket.span.end), ..span })
        }
        (CallKind::Subscript, ast::Expr::Function(function)) => {
            let written = function.name.to_string().to_lowercase();
            let names = ["array_element", "list_element", "array_extract", "list_extract"];
            names.contains(&written.as_str()).then(|| file.tokens.call(function.name.span()))
        }
        (CallKind::Operator(sign), ast::Expr::BinaryOp { op, .. }) => {
            (op.to_string() == *sign).then(|| rough(expression))
        }
        _ => None,
    }
}
