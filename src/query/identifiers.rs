//! Names of columns are found whatever their case.
//!
//! The planner knows a column under exactly one spelling: of a source the lower-case one, of a WITH or a view the one that
//! it gives. Where it finds none that is written as in the query and there is just one that differs in nothing but case,
//! that one is meant: `"InvoiceId"` is the column `invoiceid` of a file, and `invoiceid` the column `"InvoiceId"` of a
//! view. The result still has the name that the query writes.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, SchemaError, TableReference};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Select, SelectItem, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Location as Place;

use super::{places, refusal};

/// Names of one statement that are looked for again.
pub(super) const MAX_NAMES: usize = 1_000;

/// Writes a name that the planner did not find, as `error` says, as the one column writes it that can be meant; false
/// where there is none, or more than one. Of a query within a query the planner names the columns of the inner one only:
/// those of the outer are among the `columns` of all tables that the statement reads.
pub(super) fn respell(statement: &mut Statement, error: &DataFusionError, columns: &[String]) -> bool {
    let DataFusionError::SchemaError(schema, _) = error.find_root() else { return false };
    let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref() else { return false };
    let Statement::Statement(statement) = statement else { return false };
    let is_of_table = |table: Option<&TableReference>| field.relation.is_none() || field.relation.as_ref() == table;
    let mut candidates: Vec<&str> = valid_fields
        .iter()
        .filter(|column| is_of_table(column.relation.as_ref()))
        .map(|column| column.name.as_str())
        .collect();
    let is_meant = |name: &&str| name.eq_ignore_ascii_case(&field.name);
    if !candidates.iter().any(is_meant) {
        candidates = columns.iter().map(String::as_str).collect();
    }
    candidates.retain(is_meant);
    let Some(meant) = candidates.first().filter(|meant| **meant != field.name) else { return false };
    if candidates.iter().any(|other| other != meant) {
        return false;
    }
    let of_column = || field.spans().first().map(|span| Place { line: span.start.line, column: span.start.column });
    let place = refusal::span(error).map(|span| span.start).or_else(of_column);
    let is_qualified = place.is_none().then_some(field.relation.is_some());
    let mut respelling = Respelling { written: &field.name, meant, place, is_qualified, is_done: false };
    let _: ControlFlow<()> = VisitMut::visit(statement.as_mut(), &mut respelling);
    respelling.is_done
}

/// A name and its other spelling.
struct Respelling<'a> {
    written: &'a str,
    meant: &'a str,
    /// Where it stands; everywhere, if the planner does not say.
    place: Option<Place>,
    /// Whether it stands behind the name of a table, where nothing but that tells the place.
    is_qualified: Option<bool>,
    is_done: bool,
}

impl Respelling<'_> {
    /// Respells the name that `names` end with, if it is the one; gives it as it was.
    fn respelled(&mut self, names: &mut [Ident]) -> Option<Ident> {
        let is_here = names.first().is_some_and(|first| self.place.is_none_or(|place| first.span.start == place));
        let is_alike = self.is_qualified.is_none_or(|is_qualified| is_qualified == (names.len() > 1));
        let last = names.last_mut().filter(|last| is_here && is_alike && self.is_written(last))?;
        let before = last.clone();
        self.meant.clone_into(&mut last.value);
        last.quote_style = Some('"');
        self.is_done = true;
        Some(before)
    }

    fn is_written(&self, name: &Ident) -> bool {
        match name.quote_style {
            Some(_) => name.value == self.written,
            None => name.value.to_ascii_lowercase() == self.written,
        }
    }

    fn in_expression(&mut self, expression: &mut Expr) -> Option<Ident> {
        match expression {
            Expr::Identifier(name) => self.respelled(std::slice::from_mut(name)),
            Expr::CompoundIdentifier(names) => self.respelled(names),
            _ => None,
        }
    }

    /// Respells a name behind USING, which has no place in the planner's errors.
    fn in_using(&mut self, name: &mut ObjectName) {
        if let ([ObjectNamePart::Identifier(name)], None) = (name.0.as_mut_slice(), self.place) {
            self.respelled(std::slice::from_mut(name));
        }
    }
}

impl VisitorMut for Respelling<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expression) = item
                && places::column_name(expression).is_some()
                && let Some(alias) = self.in_expression(expression)
            {
                *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
            }
        }
        for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
            if let JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint) = &mut join.join_operator
                && let JoinConstraint::Using(names) = constraint
            {
                for name in names {
                    self.in_using(name);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        self.in_expression(expression);
        ControlFlow::Continue(())
    }
}
