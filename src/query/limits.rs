//! LIMIT without ORDER BY: which rows are left is a matter of chance.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, LimitClause, Query, SetExpr, TableFactor, Value, Visit, Visitor};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::places;

/// The numbers behind every LIMIT and FETCH of `query` that picks rows nothing orders.
pub(super) fn without_order(query: &Query) -> Vec<Span> {
    let mut search = Search::default();
    let _: ControlFlow<()> = query.visit(&mut search);
    search.found
}

#[derive(Default)]
struct Search {
    found: Vec<Span>,
    /// Sub-queries that are asked for one value, or whether they have a row.
    asked: Vec<Span>,
}

impl Visitor for Search {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Expr::Exists { subquery, .. } | Expr::Subquery(subquery) = expression
            && let Some(limit) = limit(subquery)
        {
            self.asked.push(limit);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(limit) = limit(query)
            && !self.asked.contains(&limit)
            && !is_ordered(query)
        {
            self.found.push(limit);
        }
        ControlFlow::Continue(())
    }
}

/// The number behind LIMIT or FETCH; none for `LIMIT ALL`, and `LIMIT 0`, which leaves no row.
fn limit(query: &Query) -> Option<Span> {
    let clause = match &query.limit_clause {
        Some(LimitClause::LimitOffset { limit, .. }) => limit.as_ref(),
        Some(LimitClause::OffsetCommaLimit { limit, .. }) => Some(limit),
        None => None,
    };
    let number = clause.or_else(|| query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref()))?;
    let is_no_limit = matches!(number, Expr::Value(value)
        if matches!(&value.value, Value::Null) || matches!(&value.value, Value::Number(number, _) if number == "0"));
    (!is_no_limit).then(|| places::rough(number))
}

/// Whether the rows of a query come in an order, its own or that of the one sub-query it reads.
fn is_ordered(query: &Query) -> bool {
    if query.order_by.is_some() {
        return true;
    }
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let [table] = select.from.as_slice() else {
        // One row without FROM needs no order.
        return select.from.is_empty();
    };
    if !table.joins.is_empty() {
        return false;
    }
    match &table.relation {
        TableFactor::Derived { subquery, .. } => is_ordered(subquery),
        TableFactor::Table { name, .. } => {
            let named = query
                .with
                .iter()
                .flat_map(|with| &with.cte_tables)
                .find(|cte| cte.alias.name.to_string().eq_ignore_ascii_case(&name.to_string()));
            named.is_some_and(|cte| is_ordered(&cte.query))
        }
        _ => false,
    }
}
