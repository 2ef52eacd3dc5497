//! What leaves some rows of a query by chance: LIMIT without ORDER BY, and TABLESAMPLE, which the engine passes over.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, LimitClause, ObjectNamePart, Query, SetExpr, TableFactor, Value, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::places;

/// The numbers behind every LIMIT and FETCH of `query` that picks rows nothing orders.
pub(super) fn without_order(query: &Query) -> Vec<Span> {
    let mut search = Search::default();
    let _: ControlFlow<()> = query.visit(&mut search);
    search.found
}

/// The names of the tables of `query` that TABLESAMPLE stands behind.
pub(super) fn sampled(query: &Query) -> Vec<String> {
    let mut search = Search::default();
    let _: ControlFlow<()> = query.visit(&mut search);
    search.sampled
}

#[derive(Default)]
struct Search {
    found: Vec<Span>,
    /// Sub-queries that are asked for one value, or whether they have a row.
    asked: Vec<Span>,
    /// Tables of which a sample is asked for.
    sampled: Vec<String>,
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

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, sample: Some(_), .. } = table {
            self.sampled.extend(name.0.last().and_then(ObjectNamePart::as_ident).map(|name| name.value.clone()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    fn query(sql: &str) -> Query {
        match Parser::parse_sql(&GenericDialect {}, sql).unwrap().pop() {
            Some(Statement::Query(query)) => *query,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_limit_needs_an_order_unless_chance_has_no_say() {
        for (sql, found) in [
            ("SELECT a FROM t LIMIT 5", 1),
            ("SELECT a FROM t FETCH FIRST 5 ROWS ONLY", 1),
            ("SELECT a FROM t ORDER BY a LIMIT 5", 0),
            ("SELECT a FROM (SELECT a FROM t ORDER BY a) LIMIT 5", 0),
            ("WITH s AS (SELECT a FROM t ORDER BY a) SELECT a FROM s LIMIT 5", 0),
            ("WITH s AS (SELECT a FROM t LIMIT 5) SELECT a FROM s LIMIT 5", 2),
            ("SELECT a FROM s, t LIMIT 5", 1),
            ("SELECT a FROM t LIMIT ALL", 0),
            ("SELECT a FROM t LIMIT 0", 0),
            ("SELECT 1 LIMIT 5", 0),
            ("SELECT a FROM t WHERE EXISTS (SELECT 1 FROM s LIMIT 1)", 0),
            ("SELECT a FROM t WHERE b IN (SELECT b FROM s LIMIT 1)", 1),
        ] {
            assert_eq!(without_order(&query(sql)).len(), found, "{sql}");
        }
    }

    #[test]
    fn a_sample_is_found_wherever_its_table_stands() {
        assert_eq!(sampled(&query("SELECT a FROM t TABLESAMPLE (10)")).len(), 1);
        assert_eq!(
            sampled(&query("WITH s AS (SELECT a FROM t TABLESAMPLE (10)) SELECT a FROM s JOIN u ON true")).len(),
            1
        );
        assert_eq!(sampled(&query("SELECT a FROM t AS tablesample")).len(), 0);
    }
}
