//! The parts of a statement that can be taken out of it, so that the rest can be planned and judged without them.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Ident, JoinConstraint, JoinOperator, OrderByKind, Query, Select, SelectItem,
    SetExpr, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::marks::ItemId;
use super::places::{self, ItemPlace, Tokens};

/// What a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An item of a select list, and the name it gives.
    Item { id: ItemId, name: Option<String> },
    /// A condition of WHERE, HAVING, QUALIFY or ON.
    Condition,
    /// A key of GROUP BY.
    Group,
    /// A key of ORDER BY.
    Order,
}

/// A part, in the order of [`list`].
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// Where it stands; of anything but an item only roughly.
    pub(super) span: Span,
}

/// Every part of `query`, inner ones before those around them.
pub(super) fn list(query: &mut Query, tokens: &Tokens) -> Vec<Part> {
    let mut visiting = Visiting { tokens, parts: Vec::new(), target: None };
    let _: ControlFlow<()> = VisitMut::visit(query, &mut visiting);
    visiting.parts
}

/// Takes the part `target` of [`list`] out of `query`: an item becomes NULL under its name, a condition true.
pub(super) fn take_out(query: &mut Query, tokens: &Tokens, target: usize) {
    let _: ControlFlow<()> = VisitMut::visit(query, &mut Visiting { tokens, parts: Vec::new(), target: Some(target) });
}

/// What is left of `query` if nothing of it can be planned but the literals of its select list. Returns the items that
/// are not literals.
pub(super) fn literals_only(query: &mut Query) -> Vec<ItemId> {
    let mut body = query.body.clone();
    while let SetExpr::SetOperation { left, .. } = *body {
        body = left;
    }
    let mut failed = Vec::new();
    if let SetExpr::Select(select) = body.as_mut() {
        let start = select.select_token.0.span.start;
        for (index, item) in select.projection.iter_mut().enumerate() {
            let is_literal = match item {
                SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } => {
                    matches!(expression, Expr::Value(value) if !matches!(value.value, Value::Placeholder(_)))
                }
                _ => false,
            };
            if !is_literal {
                blank(item, index);
                failed.push((start, index));
            }
        }
        let group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
        let (from, named_window) = (Vec::new(), Vec::new());
        let select_left = Select {
            from,
            group_by,
            named_window,
            distinct: None,
            selection: None,
            having: None,
            qualify: None,
            ..*select.clone()
        };
        **select = select_left;
    }
    query.with = None;
    query.order_by = None;
    query.limit_clause = None;
    query.fetch = None;
    query.body = body;
    failed
}

/// Takes the items out of the select list of `query` whose names it has already, and gives each with its name.
pub(super) fn rename_repeated(query: &mut Query, tokens: &Tokens) -> Vec<(ItemId, ItemPlace, String)> {
    let SetExpr::Select(select) = query.body.as_mut() else { return Vec::new() };
    let Some(places) = tokens.items(select) else { return Vec::new() };
    let start = select.select_token.0.span.start;
    let mut names = HashSet::new();
    let mut repeated = Vec::new();
    for (index, (item, place)) in select.projection.iter_mut().zip(places).enumerate() {
        let Some(name) = name(item).cloned() else { continue };
        let is_quoted = name.quote_style.is_some();
        if !names.insert(if is_quoted { name.value.clone() } else { name.value.to_lowercase() }) {
            let alias = Ident::new(format!("_repeated_{index}"));
            *item = SelectItem::ExprWithAlias { expr: Expr::value(Value::Null), alias };
            repeated.push(((start, index), place, name.value));
        }
    }
    repeated
}

/// Whether the result of `query` has items that stand for several columns.
pub(super) fn has_wildcard(query: &Query) -> bool {
    let mut body = query.body.as_ref();
    while let SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    match body {
        SetExpr::Select(select) => select
            .projection
            .iter()
            .any(|item| !matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })),
        SetExpr::Query(query) => has_wildcard(query),
        _ => true,
    }
}

struct Visiting<'a> {
    tokens: &'a Tokens,
    parts: Vec<Part>,
    target: Option<usize>,
}

impl Visiting<'_> {
    /// Takes note of a part, and says whether it is the one to take out.
    fn meets(&mut self, kind: Kind, span: Span) -> bool {
        self.parts.push(Part { kind, span });
        self.target == Some(self.parts.len() - 1)
    }

    fn condition(&mut self, expression: &mut Expr) {
        if let Expr::BinaryOp { left, op: BinaryOperator::And, right } = expression {
            self.condition(left);
            self.condition(right);
        } else if self.meets(Kind::Condition, places::rough(expression)) {
            *expression = Expr::value(Value::Boolean(true));
        }
    }
}

impl VisitorMut for Visiting<'_> {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let start = select.select_token.0.span.start;
        let places = self.tokens.items(select).unwrap_or_default();
        for (index, item) in select.projection.iter_mut().enumerate() {
            let (SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. }) = &*item
            else {
                continue;
            };
            let span = places.get(index).map_or_else(|| places::rough(expression), |place| place.expression);
            let name = name(item).map(|name| name.value.clone());
            if self.meets(Kind::Item { id: (start, index), name }, span) {
                blank(item, index);
            }
        }
        for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
            if let Some(JoinConstraint::On(condition)) = constraint(&mut join.join_operator) {
                self.condition(condition);
            }
        }
        let conditions = [&mut select.selection, &mut select.having, &mut select.qualify];
        for condition in conditions.into_iter().flatten() {
            self.condition(condition);
        }
        if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
            keys.retain(|key| !self.meets(Kind::Group, places::rough(key)));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let Some(order) = &mut query.order_by else { return ControlFlow::Continue(()) };
        let OrderByKind::Expressions(keys) = &mut order.kind else { return ControlFlow::Continue(()) };
        keys.retain(|key| !self.meets(Kind::Order, places::rough(&key.expr)));
        if keys.is_empty() {
            query.order_by = None;
        }
        ControlFlow::Continue(())
    }
}

/// Makes an item NULL under its name.
fn blank(item: &mut SelectItem, index: usize) {
    let alias = name(item).cloned().unwrap_or_else(|| Ident::new(format!("_unknown_{index}")));
    *item = SelectItem::ExprWithAlias { expr: Expr::value(Value::Null), alias };
}

fn name(item: &SelectItem) -> Option<&Ident> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias),
        SelectItem::UnnamedExpr(expression) => places::column_name(expression),
        _ => None,
    }
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint) => Some(constraint),
        _ => None,
    }
}
