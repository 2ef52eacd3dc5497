//! Whether the rows of a query are probably the lines of orders, of which TikTok would keep one each.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, Operator, Subquery, TableScan};

use super::lineage::{self, Source};
use crate::validate::plan::Role;

/// Parts of the names of columns that number the lines of an order, or the rows of a group.
const LINE_NAMES: [&str; 8] = ["line", "item", "position", "detail", "seq", "row", "rank", "rn"];

/// Parts of the names of columns that say that a row belongs to an order.
const ORDER_NAMES: [&str; 9] =
    ["order", "transaction", "invoice", "receipt", "basket", "cart", "purchase", "sale", "checkout"];

/// A column of a table that feeds a column of the result.
struct Leaf<'a> {
    table: &'a TableScan,
    name: String,
    is_aggregated: bool,
}

impl Leaf<'_> {
    fn is_of(&self, other: &TableScan) -> bool {
        std::ptr::eq(self.table, other)
    }
}

/// The column with the id that several rows of `plan` probably share, where `roles` are those of its columns.
///
/// Rows are taken for lines where an item's columns come as they are from the table of the id or one joined with it,
/// unless something in the query leaves one row of each: DISTINCT ON, a row number, a comparison with the first line.
pub(super) fn line_id(plan: &LogicalPlan, roles: &[Role]) -> Option<usize> {
    let fed = |name: &str| roles.iter().position(|role| matches!(role, Role::Field(field) if field.column == name));
    let id = fed("event_id").or_else(|| fed("order_id"))?;
    let leaves = |index: usize| leaves(plan, index);
    let is_of_lines = |name: &str| fed(name).is_some_and(|index| is_plain(&leaves(index)));
    if !(is_of_lines("content_id") || is_of_lines("price") && is_of_lines("quantity")) || picks_one_row(plan) {
        return None;
    }
    let ids = leaves(id);
    let items: Vec<Leaf<'_>> =
        ["content_id", "price", "quantity"].into_iter().filter_map(fed).flat_map(leaves).collect();
    let is_finer = ids.iter().any(|id| {
        let stands_for_item = items.iter().any(|item| item.is_of(id.table) && item.name == id.name);
        stands_for_item || names_line(&id.name)
    });
    let is_composite = ids.iter().any(|id| {
        let is_other = |other: &Leaf<'_>| other.is_of(id.table) && other.name != id.name;
        ids.iter().any(is_other) && items.iter().any(|item| item.is_of(id.table))
    });
    // Where one table has it all, each of its rows may well be an event: the view of a page, say.
    let is_one_table = ids.iter().all(|id| items.iter().all(|item| item.is_of(id.table)));
    let is_order = fed("order_id").is_some() || ids.iter().any(|id| names_one_of(&id.name, &ORDER_NAMES));
    (is_plain(&ids) && !is_finer && !is_composite && (is_order || !is_one_table)).then_some(id)
}

/// Whether a column comes from tables, and from each as it is.
fn is_plain(leaves: &[Leaf<'_>]) -> bool {
    !leaves.is_empty() && leaves.iter().all(|leaf| !leaf.is_aggregated)
}

fn leaves(plan: &LogicalPlan, index: usize) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    lineage::visit(plan, index, &mut |source: &Source<'_>| {
        if let (Some(table), Expr::Column(column)) = (source.table, &source.expression) {
            found.push(Leaf { table, name: column.name.clone(), is_aggregated: source.way.is_aggregated });
        }
    });
    found
}

/// Whether the plan leaves one row of each group by other means than grouping.
fn picks_one_row(plan: &LogicalPlan) -> bool {
    lineage::has_node(plan, |node| match node {
        LogicalPlan::Distinct(Distinct::On(_)) => true,
        LogicalPlan::Filter(filter) => picks_first(&filter.predicate, &filter.input),
        LogicalPlan::Join(join) => {
            let is_kept = |(left, right): &(Expr, Expr)| is_kept(left, &join.left) || is_kept(right, &join.right);
            join.on.iter().any(is_kept) || join.filter.as_ref().is_some_and(|filter| picks_first(filter, node))
        }
        _ => false,
    })
}

/// Whether `expression` is what an aggregate function keeps of each group: `min(line_no)`.
fn is_kept(expression: &Expr, input: &LogicalPlan) -> bool {
    let Expr::Column(column) = expression else { return false };
    let sources = input.schema().maybe_index_of_column(column).map(|index| lineage::sources(input, index));
    sources.unwrap_or_default().iter().any(|source| source.way.is_aggregated)
}

/// Whether a sub-query gives what an aggregate function keeps of each group.
fn gives_kept(query: &Subquery) -> bool {
    lineage::sources(&query.subquery, 0).iter().any(|source| source.way.is_aggregated)
}

/// Whether a condition compares a row number, or the number of a line, with a number, or anything with what is kept of
/// each group.
fn picks_first(predicate: &Expr, input: &LogicalPlan) -> bool {
    let binary = match predicate {
        Expr::BinaryExpr(binary) => binary,
        Expr::InSubquery(within) => return !within.negated && gives_kept(&within.subquery),
        _ => return false,
    };
    if binary.op == Operator::And {
        return picks_first(&binary.left, input) || picks_first(&binary.right, input);
    }
    if binary.op == Operator::Eq {
        let is_kept_by_query = |side: &Expr| matches!(side, Expr::ScalarSubquery(query) if gives_kept(query));
        if [&binary.left, &binary.right].into_iter().any(|side| is_kept_by_query(side) || is_kept(side, input)) {
            return true;
        }
    }
    let is_number = |side: &Expr| match side {
        Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Utf8View(_), _) => false,
        Expr::Literal(..) => true,
        _ => false,
    };
    let (column, is_compared) = match (binary.left.as_ref(), binary.right.as_ref()) {
        (Expr::Column(column), other) | (other, Expr::Column(column)) => (column, is_number(other)),
        _ => return false,
    };
    if !is_compared || !matches!(binary.op, Operator::Eq | Operator::Lt | Operator::LtEq) {
        return false;
    }
    let sources = input.schema().maybe_index_of_column(column).map(|index| lineage::sources(input, index));
    let is_window =
        sources.unwrap_or_default().iter().any(|source| matches!(source.expression, Expr::WindowFunction(_)));
    is_window || binary.op == Operator::Eq && names_line(&column.name)
}

/// Whether a name says that it numbers lines.
fn names_line(name: &str) -> bool {
    names_one_of(name, &LINE_NAMES)
}

/// Whether a word of a name, or the singular of one, is among `words`.
fn names_one_of(name: &str, words: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    name.split('_').any(|part| words.iter().any(|word| part == *word || part.strip_suffix('s') == Some(word)))
}
