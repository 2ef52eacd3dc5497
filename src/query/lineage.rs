//! Where the columns of a plan come from: through names, views, joins, sub-queries, unions, groups and windows.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column as PlanColumn, DFSchema};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, RecursiveQuery, TableScan};

use super::marks;

/// Expressions that one question about a column looks at, at most.
const MAX_STEPS: usize = 2_000;
/// Expressions that yield one column, at most: a chain of unions can have any number of them.
const MAX_SOURCES: usize = 2_000;

/// An expression that yields a column of a plan, behind names and views.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    /// The expression, without alias and mark: a bare column where a table yields it.
    pub(super) expression: Expr,
    /// What the expression reads; nothing in VALUES and tables.
    pub(super) input: Option<&'a LogicalPlan>,
    /// The table, where the column comes from one as it is.
    pub(super) table: Option<&'a TableScan>,
    /// The marks on the way, outermost first.
    pub(super) marks: Vec<usize>,
    /// What happens to it on the way.
    pub(super) way: Way,
}

/// What happens to a column between the expression that yields it and the result.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each happens or not")]
pub(super) struct Way {
    /// Its rows are joined with others.
    pub(super) is_joined: bool,
    /// An aggregate function makes one value of several.
    pub(super) is_aggregated: bool,
    /// It stands in one row among others: of VALUES, or of a query that goes on from its own rows.
    pub(super) is_of_values: bool,
    /// It is one row of its own: a SELECT without FROM, or VALUES.
    pub(super) is_one_row: bool,
}

impl Source<'_> {
    /// The mark of what made it: the innermost where it is computed, the outermost where it only passes through.
    pub(super) fn mark(&self) -> Option<usize> {
        if self.table.is_some() { self.marks.first().copied() } else { self.marks.last().copied() }
    }

    /// The schema that the expression reads.
    pub(super) fn schema(&self) -> DFSchema {
        match (self.input, self.table) {
            (Some(input), _) => input.schema().as_ref().clone(),
            (None, Some(table)) => table.projected_schema.as_ref().clone(),
            (None, None) => DFSchema::empty(),
        }
    }
}

/// The expressions that yield the column `index` of `plan`.
pub(super) fn sources(plan: &LogicalPlan, index: usize) -> Vec<Source<'_>> {
    let mut found = Vec::new();
    trace(plan, index, &[], Way::default(), &mut found);
    found
}

fn trace<'a>(plan: &'a LogicalPlan, index: usize, marks: &[usize], way: Way, found: &mut Vec<Source<'a>>) {
    if found.len() >= MAX_SOURCES {
        return;
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            follow(projection.expr.get(index), Some(&projection.input), marks, way, found);
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            follow(distinct.select_expr.get(index), Some(&distinct.input), marks, way, found);
        }
        LogicalPlan::Aggregate(aggregate) => {
            let groups = aggregate.group_expr.len();
            match aggregate.aggr_expr.get(index.wrapping_sub(groups)) {
                None => follow(aggregate.group_expr.get(index), Some(&aggregate.input), marks, way, found),
                Some(expression) => {
                    let kept = kept_by(expression).unwrap_or(expression);
                    follow(Some(kept), Some(&aggregate.input), marks, Way { is_aggregated: true, ..way }, found);
                }
            }
        }
        LogicalPlan::Window(window) => {
            let columns = window.input.schema().fields().len();
            match window.window_expr.get(index.wrapping_sub(columns)) {
                None => trace(&window.input, index, marks, way, found),
                expression => follow(expression, Some(&window.input), marks, way, found),
            }
        }
        LogicalPlan::Join(join) => {
            let way = Way { is_joined: true, ..way };
            match index.checked_sub(join.left.schema().fields().len()) {
                None => trace(&join.left, index, marks, way, found),
                Some(index) => trace(&join.right, index, marks, way, found),
            }
        }
        LogicalPlan::Union(union) => {
            for input in &union.inputs {
                trace(input, index, marks, way, found);
            }
        }
        LogicalPlan::RecursiveQuery(query) => {
            trace_recursive(query, index, marks, way, found);
        }
        LogicalPlan::Unnest(unnest) => {
            let Some(index) = unnest.dependency_indices.get(index) else { return };
            trace(&unnest.input, *index, marks, Way { is_joined: true, ..way }, found);
        }
        LogicalPlan::Values(values) => {
            let way = Way { is_of_values: values.values.len() > 1, ..way };
            for row in &values.values {
                follow(row.get(index), None, marks, way, found);
            }
        }
        LogicalPlan::TableScan(scan) => {
            let (qualifier, field) = scan.projected_schema.qualified_field(index);
            let expression = Expr::Column(PlanColumn::new(qualifier.cloned(), field.name()));
            found.push(Source { expression, input: None, table: Some(scan), marks: marks.to_vec(), way });
        }
        other => {
            if let [input] = other.inputs().as_slice() {
                trace(input, index, marks, way, found);
            }
        }
    }
}

/// The first rows of a recursive query, and what it makes of a column in each round, unless it only carries it along.
fn trace_recursive<'a>(
    query: &'a RecursiveQuery,
    index: usize,
    marks: &[usize],
    way: Way,
    found: &mut Vec<Source<'a>>,
) {
    let is_carried = |source: &Source<'_>| match (source.table, &source.expression) {
        (Some(table), Expr::Column(column)) => {
            let first = query.static_term.schema().field(index);
            table.table_name.table() == query.name && column.name == *first.name()
        }
        _ => false,
    };
    let mut rounds = Vec::new();
    trace(&query.recursive_term, index, marks, Way { is_of_values: true, ..way }, &mut rounds);
    rounds.retain(|source| !is_carried(source));
    let way = Way { is_joined: true, is_of_values: way.is_of_values || !rounds.is_empty(), ..way };
    trace(&query.static_term, index, marks, way, found);
    found.append(&mut rounds);
}

/// Goes on from `expression`, which reads `input`: to where its column comes from, or no further.
fn follow<'a>(
    expression: Option<&Expr>,
    input: Option<&'a LogicalPlan>,
    marks: &[usize],
    way: Way,
    found: &mut Vec<Source<'a>>,
) {
    let Some(mut expression) = expression else { return };
    let mut marks = marks.to_vec();
    loop {
        if let Some((inner, mark)) = marks::inside(expression) {
            marks.push(mark);
            expression = inner;
        } else if let Expr::Alias(alias) = expression {
            expression = &alias.expr;
        } else {
            break;
        }
    }
    if let (Expr::Column(column), Some(input)) = (expression, input)
        && let Some(index) = input.schema().maybe_index_of_column(column)
    {
        return trace(input, index, &marks, way, found);
    }
    let is_single = input.is_none_or(yields_one_row);
    let way = Way { is_one_row: is_single && !way.is_joined, ..way };
    found.push(Source { expression: expression.clone(), input, table: None, marks, way });
}

/// Whether a plan has one row whatever its tables hold: it has none, or makes one row of all.
fn yields_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Values(values) => values.values.len() == 1,
        LogicalPlan::Projection(projection) => yields_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => yields_one_row(&alias.input),
        LogicalPlan::Filter(filter) => yields_one_row(&filter.input),
        _ => false,
    }
}

/// What an aggregate function picks one value of, as it is.
fn kept_by(expression: &Expr) -> Option<&Expr> {
    let mut expression = expression;
    while let Expr::Alias(alias) = expression {
        expression = &alias.expr;
    }
    let Expr::AggregateFunction(call) = expression else { return None };
    let keeps = ["min", "max", "first_value", "last_value", "any_value"].contains(&call.func.name());
    call.params.args.first().filter(|_| keeps)
}

/// Visits what yields the column `index` of `plan`, and what yields the columns that it reads, down to the tables.
pub(super) fn visit<'a>(plan: &'a LogicalPlan, index: usize, visitor: &mut impl FnMut(&Source<'a>)) {
    for source in sources(plan, index) {
        visit_source(&source, visitor);
    }
}

/// As [`visit`], from one of the expressions that yield a column.
pub(super) fn visit_source<'a>(source: &Source<'a>, visitor: &mut impl FnMut(&Source<'a>)) {
    let mut waiting = vec![source.clone()];
    let mut steps = 0;
    while let Some(source) = waiting.pop() {
        visitor(&source);
        steps += 1;
        let Some(input) = source.input.filter(|_| steps < MAX_STEPS) else { continue };
        let aggregates = source.way.is_aggregated
            || source
                .expression
                .exists(|part| Ok(matches!(part, Expr::AggregateFunction(_) | Expr::WindowFunction(_))))
                .unwrap_or(false);
        for column in source.expression.column_refs() {
            let Some(index) = input.schema().maybe_index_of_column(column) else { continue };
            let mut read = sources(input, index);
            for source in &mut read {
                source.way.is_aggregated |= aggregates;
            }
            waiting.extend(read);
        }
    }
}

/// The expression of `source` with the columns it reads put in its place, where each comes from one expression.
pub(super) fn expanded(source: &Source<'_>) -> Expr {
    let mut steps = MAX_STEPS;
    marks::removed(expand(source.expression.clone(), source.input, &mut steps))
}

fn expand(expression: Expr, input: Option<&LogicalPlan>, steps: &mut usize) -> Expr {
    use datafusion::common::tree_node::Transformed;
    let Some(input) = input else { return expression };
    let whole = expression.clone();
    let expanded = expression.transform_up(|part| {
        let Expr::Column(column) = &part else { return Ok(Transformed::no(part)) };
        let Some(index) = input.schema().maybe_index_of_column(column) else { return Ok(Transformed::no(part)) };
        let mut sources = sources(input, index);
        *steps = steps.saturating_sub(1);
        match (sources.pop(), sources.is_empty()) {
            (Some(source), true) if source.table.is_none() && *steps > 0 => {
                Ok(Transformed::yes(expand(source.expression, source.input, steps)))
            }
            _ => Ok(Transformed::no(part)),
        }
    });
    expanded.map_or(whole, |expanded| expanded.data)
}

/// Whether a node of `plan` or of its sub-queries is one that `matches`.
pub(super) fn has_node(plan: &LogicalPlan, mut matches: impl FnMut(&LogicalPlan) -> bool) -> bool {
    let mut found = false;
    // The visitor cannot fail, since its closure does not.
    let _ = plan.apply_with_subqueries(|node| {
        found = found || matches(node);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::SessionContext;

    /// What yields the first column of `sql`, over a table `t (a, b)`: the expressions, and what happens to them.
    fn traced(sql: &str) -> Vec<(String, Way)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let plan = runtime.block_on(async {
            let context = SessionContext::new();
            context.sql("CREATE VIEW t AS SELECT 1 AS a, 2 AS b").await.unwrap();
            let state = context.state();
            state.create_logical_plan(sql).await.unwrap()
        });
        sources(&plan, 0).into_iter().map(|source| (source.expression.to_string(), source.way)).collect()
    }

    fn expressions(sql: &str) -> Vec<String> {
        traced(sql).into_iter().map(|(expression, _)| expression).collect()
    }

    #[test]
    fn a_column_is_followed_to_what_yields_it() {
        for (sql, expected) in [
            ("SELECT a AS x FROM t", vec!["Int64(1)"]),
            ("WITH s AS (SELECT b AS x, a FROM t) SELECT x FROM s ORDER BY a LIMIT 1", vec!["Int64(2)"]),
            ("SELECT a FROM t UNION ALL SELECT b FROM t", vec!["Int64(1)", "Int64(2)"]),
            ("SELECT a + b FROM t", vec!["t.a + t.b"]),
            ("SELECT x FROM (VALUES (5, 6), (7, 8)) AS v (x, y)", vec!["Int64(5)", "Int64(7)"]),
            ("SELECT s.b FROM t JOIN t AS s ON t.a = s.a", vec!["Int64(2)"]),
        ] {
            assert_eq!(expressions(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_recursive_query_yields_its_rounds_unless_it_only_carries_a_column_along() {
        let sql = |item: &str| {
            format!("WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT {item} FROM n WHERE i < 3) SELECT i FROM n")
        };
        let counted = traced(&sql("i + 1"));
        assert_eq!(counted.len(), 2);
        assert!(counted.iter().all(|(_, way)| way.is_of_values), "{counted:?}");
        let carried = traced(&sql("i"));
        assert_eq!(carried.len(), 1);
        assert!(carried.iter().all(|(_, way)| !way.is_of_values), "{carried:?}");
    }

    #[test]
    fn one_row_behind_a_sub_query_is_no_constant() {
        let is_one_row = |sql: &str| traced(sql).iter().all(|(_, way)| way.is_one_row);
        assert!(is_one_row("SELECT 'o' || x FROM (SELECT 5 AS x) AS s"));
        assert!(is_one_row("SELECT 'o' || x FROM (VALUES (5)) AS s (x)"));
        assert!(!is_one_row("SELECT 'o' || x FROM (VALUES (5), (6)) AS s (x)"));
    }

    #[test]
    fn a_chain_of_unions_is_followed_to_an_end() {
        let levels = (1..13).map(|level| {
            let before = level - 1;
            format!("s{level} AS (SELECT a FROM s{before} UNION ALL SELECT a FROM s{before})")
        });
        let queries: Vec<String> = std::iter::once("s0 AS (SELECT a FROM t)".to_owned()).chain(levels).collect();
        let sql = format!("WITH {} SELECT a FROM s12", queries.join(", "));
        assert_eq!(expressions(&sql).len(), MAX_SOURCES);
    }
}
