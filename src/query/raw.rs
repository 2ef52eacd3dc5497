//! The columns whose bytes a query asks for, and never their text.
//!
//! `encode(x, 'hex')` takes text as well as bytes, and gives the same for both. A column that stands nowhere else can
//! therefore be read as bytes, which need not be text: a digest that a warehouse keeps in its short form.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, JoinConstraint, JoinOperator, ObjectNamePart, Query, Select,
    TableFactor, TableWithJoins, Visit, Visitor,
};

/// What gives the digits of bytes.
const ENCODE: &str = "encode";

/// The names, in lower case, of the columns that stand in `queries` as what is encoded, and nowhere else.
pub(super) fn columns<'a>(queries: impl IntoIterator<Item = &'a Query>) -> HashSet<String> {
    let mut search = Search::default();
    for query in queries {
        let _: ControlFlow<()> = query.visit(&mut search);
    }
    let Search { named, encoded } = search;
    encoded.into_iter().filter(|(name, count)| named.get(name) == Some(count)).map(|(name, _)| name).collect()
}

/// How often each name stands where.
#[derive(Default)]
struct Search {
    named: HashMap<String, usize>,
    encoded: HashMap<String, usize>,
}

impl Visitor for Search {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Some(name) = name(expression) {
            *self.named.entry(name).or_default() += 1;
        }
        if let Some(name) = encoded(expression).and_then(name) {
            *self.encoded.entry(name).or_default() += 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::NestedJoin { table_with_joins, .. } = table {
            self.join(table_with_joins);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        select.from.iter().for_each(|table| self.join(table));
        ControlFlow::Continue(())
    }
}

impl Search {
    /// Takes up the names behind USING.
    fn join(&mut self, table: &TableWithJoins) {
        for join in &table.joins {
            if let JoinOperator::Inner(JoinConstraint::Using(names))
            | JoinOperator::Join(JoinConstraint::Using(names))
            | JoinOperator::Left(JoinConstraint::Using(names))
            | JoinOperator::LeftOuter(JoinConstraint::Using(names))
            | JoinOperator::Right(JoinConstraint::Using(names))
            | JoinOperator::RightOuter(JoinConstraint::Using(names))
            | JoinOperator::FullOuter(JoinConstraint::Using(names)) = &join.join_operator
            {
                let names = names.iter().filter_map(|name| name.0.last().and_then(ObjectNamePart::as_ident));
                names.for_each(|name| *self.named.entry(name.value.to_lowercase()).or_default() += 1);
            }
        }
    }
}

/// The name, in lower case, of the column that `expression` is.
fn name(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Identifier(name) => Some(name.value.to_lowercase()),
        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.to_lowercase()),
        _ => None,
    }
}

/// What `expression` encodes.
fn encoded(expression: &Expr) -> Option<&Expr> {
    let Expr::Function(function) = expression else { return None };
    let called = function.name.0.last().and_then(ObjectNamePart::as_ident)?;
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(first)) if called.value.eq_ignore_ascii_case(ENCODE) => Some(first),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn a_column_stays_bytes_where_it_is_encoded_and_nothing_else() {
        for (sql, expected) in [
            ("SELECT encode(a, 'hex') FROM t", &["a"][..]),
            ("SELECT ENCODE(T.A, 'hex'), b FROM t", &["a"]),
            ("SELECT encode(a, 'hex'), encode(a, 'base64') FROM t WHERE b = 'a'", &["a"]),
            ("WITH c AS (SELECT * FROM t) SELECT lower(encode(\"A\", 'hex')) FROM c", &["a"]),
            ("SELECT encode(a, 'hex'), a FROM t", &[]),
            ("SELECT encode(a, 'hex') FROM t WHERE a IS NOT NULL", &[]),
            ("SELECT encode(trim(a), 'hex') FROM t", &[]),
            ("SELECT encode(t.a, 'hex') FROM t JOIN u USING (a)", &[]),
            ("SELECT encode('a', 'hex'), sha256(b) FROM t", &[]),
            ("SELECT encode(a, 'hex') FROM (SELECT a FROM t)", &[]),
        ] {
            let parsed = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
            let queries = parsed.iter().map(|statement| match statement {
                Statement::Query(query) => query.as_ref(),
                _ => panic!("{sql}"),
            });
            let expected: HashSet<String> = expected.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(columns(queries), expected, "{sql}");
        }
    }
}
