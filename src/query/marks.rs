//! Marks: calls wrapped around the items of a query, so that the plan tells which item of the text an expression was.
//!
//! A plan's expressions do not know where they were written. Before it is planned for judgement, every select item and
//! every cell of VALUES is wrapped into a call of [`NAME`] with a number; the function has the type and the name of what
//! it wraps, so that nothing else changes. The plan that runs is another one, without marks.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ScalarValue, internal_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use datafusion::sql::sqlparser::ast::{
    self, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, Query,
    Select, SelectItem, SetExpr, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::{Location as Place, Span};

use super::places::{self, Tokens};

/// The function's name; queries are not expected to use it.
const NAME: &str = "__postback_mark";

/// A marked item.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// The expression without its alias.
    pub(super) expression: Span,
    /// Its alias.
    pub(super) alias: Option<Span>,
    /// Whether it stands in for what did not plan.
    pub(super) is_failed: bool,
}

/// An item of a select list, by where its SELECT stands.
pub(super) type ItemId = (Place, usize);

/// What wraps the items of a query into marks.
pub(super) struct Wrapping<'a> {
    pub(super) tokens: &'a Tokens,
    /// Items that did not plan.
    pub(super) failed: &'a HashSet<ItemId>,
    /// Whether bare columns are marked, too. They lose the names of their tables, which a clause behind may ask for.
    pub(super) with_columns: bool,
    /// The marks so far.
    pub(super) marks: &'a mut Vec<Mark>,
}

impl Wrapping<'_> {
    /// Wraps the items of `query`.
    pub(super) fn wrap(&mut self, query: &mut Query) {
        let _: ControlFlow<()> = VisitMut::visit(query, self);
    }
}

impl VisitorMut for Wrapping<'_> {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let Some(places) = self.tokens.items(select) else { return ControlFlow::Continue(()) };
        let start = select.select_token.0.span.start;
        for (index, (item, place)) in select.projection.iter_mut().zip(places).enumerate() {
            let (SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. }) = item
            else {
                continue;
            };
            let name = places::column_name(expression).cloned();
            if !can_be_marked(expression) || name.is_some() && !self.with_columns {
                continue;
            }
            let is_failed = self.failed.contains(&(start, index));
            self.mark(expression, Mark { expression: place.expression, alias: place.alias, is_failed });
            // A bare column has the name of its table, too, and a call of it would have both in one.
            if let (SelectItem::UnnamedExpr(expression), Some(alias)) = (&*item, name) {
                *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.values(&mut query.body);
        ControlFlow::Continue(())
    }
}

impl Wrapping<'_> {
    fn values(&mut self, body: &mut SetExpr) {
        match body {
            SetExpr::SetOperation { left, right, .. } => {
                self.values(left);
                self.values(right);
            }
            SetExpr::Values(values) => {
                for cell in values.rows.iter_mut().flat_map(|row| &mut row.content) {
                    if let Some(span) = self.tokens.cell(ast::Spanned::span(cell).start) {
                        self.mark(cell, Mark { expression: span, alias: None, is_failed: false });
                    }
                }
            }
            _ => {}
        }
    }

    fn mark(&mut self, expression: &mut ast::Expr, mark: Mark) {
        let number = ast::Expr::value(Value::Number(self.marks.len().to_string(), false));
        let wrapped = std::mem::replace(expression, ast::Expr::value(Value::Null));
        let argument = |expression| FunctionArg::Unnamed(FunctionArgExpr::Expr(expression));
        *expression = ast::Expr::Function(Function {
            name: ObjectName::from(vec![Ident::new(NAME)]),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: None,
                args: vec![argument(wrapped), argument(number)],
                clauses: Vec::new(),
            }),
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        });
        self.marks.push(mark);
    }
}

/// Whether an item means the same inside a call: UNNEST makes rows, and a parameter takes its type from its place.
fn can_be_marked(expression: &ast::Expr) -> bool {
    let found = ast::visit_expressions(expression, |part| match part {
        ast::Expr::Function(call) if call.name.to_string().eq_ignore_ascii_case("unnest") => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    let is_parameter = matches!(expression, ast::Expr::Value(value) if matches!(value.value, Value::Placeholder(_)));
    found.is_continue() && !is_parameter
}

/// The expression in a mark, and the number of the mark.
pub(super) fn inside(expression: &Expr) -> Option<(&Expr, usize)> {
    let Expr::ScalarFunction(call) = expression else { return None };
    let [inner, Expr::Literal(number, _)] = call.args.as_slice() else { return None };
    if call.func.name() != NAME {
        return None;
    }
    let ScalarValue::Int64(Some(number)) = number else { return None };
    Some((inner, usize::try_from(*number).ok()?))
}

/// `expression` without the marks anywhere in it.
pub(super) fn removed(expression: Expr) -> Expr {
    let stripped = expression.clone().transform_up(|part| {
        Ok(match inside(&part) {
            Some((inner, _)) => Transformed::yes(inner.clone()),
            None => Transformed::no(part),
        })
    });
    stripped.map_or(expression, |stripped| stripped.data)
}

/// The function that marks are calls of.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct MarkFunction {
    signature: Signature,
}

impl MarkFunction {
    pub(super) fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for MarkFunction {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let [inner, _] = arguments else { return internal_err!("a mark has two arguments") };
        Ok(inner.schema_name().to_string())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let [inner, _] = arguments else { return plan_err!("a mark has two arguments") };
        Ok(inner.clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("a plan with marks is judged and never run")
    }
}
