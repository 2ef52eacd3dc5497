//! The names under which the columns of a source are known to a query.
//!
//! SQL reads names without double quotes in lower case, and warehouses write them as they please: Snowflake's `EMAIL`,
//! `orderId` of an application. A source therefore shows its columns in lower case, also behind `SELECT *`, and the query
//! finds `email`, `Email` and `"EMAIL"` alike; `AS "storeName"` gives a column of the result another spelling. Names that
//! differ in nothing but case stay as they are, and one that repeats an earlier one gets a number. Names that a table
//! definition declares are not touched.

use std::collections::{HashMap, HashSet};
use std::iter;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;

use super::report::Note;

/// Names that one note lists before it stops.
const LISTED: usize = 5;
/// Letters without width that are no white space: they come with copied text and with byte order marks.
const INVISIBLE: [char; 6] = ['\u{feff}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{ad}'];

/// The names of columns that a file calls `names`, in its order, of which no two are the same.
pub(super) fn exposed(names: &[String]) -> Vec<String> {
    let distinct = distinct(names);
    let mut spellings: HashMap<String, usize> = HashMap::new();
    for name in &distinct {
        *spellings.entry(name.to_ascii_lowercase()).or_default() += 1;
    }
    let lower = |name: String| {
        let lower = name.to_ascii_lowercase();
        if spellings[&lower] == 1 { lower } else { name }
    };
    distinct.into_iter().map(lower).collect()
}

/// `name` without what nobody sees around it: blanks of every kind, a byte order mark, letters without width.
pub(super) fn stripped(name: &str) -> &str {
    name.trim_matches(|letter: char| letter.is_whitespace() || letter.is_control() || INVISIBLE.contains(&letter))
}

/// `names`, where the second `total` is `total_2`, unless that is the name of another column, and a column without a name
/// is called by its place.
fn distinct(names: &[String]) -> Vec<String> {
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    let mut seen = HashSet::new();
    let mut number = |(index, name): (usize, &String)| {
        if !name.is_empty() && seen.insert(name.clone()) {
            return name.clone();
        }
        let base = if name.is_empty() { format!("column_{}", index + 1) } else { name.clone() };
        let numbered = (2..=names.len() + 1).map(|number| format!("{base}_{number}"));
        let free = iter::once(base.clone()).chain(numbered).find(|free| !taken.contains(free));
        let free = free.expect("fewer names than that are taken");
        taken.insert(free.clone());
        free
    };
    names.iter().enumerate().map(&mut number).collect()
}

/// What there is to know of columns that a file calls `names`.
pub(super) fn notes(names: &[String]) -> Vec<Note> {
    let mut notes = Vec::new();
    let repeated: Vec<String> =
        names.iter().zip(distinct(names)).filter(|(name, new)| *name != new).map(pair).collect();
    if !repeated.is_empty() {
        notes.push(Note {
            code: Some("PB2304"),
            message: format!("the source has columns of the same name: {}", listed(&repeated)),
            help: None,
        });
    }
    let in_file: HashSet<&String> = names.iter().collect();
    let alike = |name: &&&String| in_file.iter().any(|other| other != *name && other.eq_ignore_ascii_case(name));
    let mut alike: Vec<String> = in_file.iter().filter(alike).map(|name| format!("`{name}`")).collect();
    if !alike.is_empty() {
        alike.sort();
        notes.push(Note {
            code: Some("PB2303"),
            message: format!("the source has columns whose names differ only in case: {}", listed(&alike)),
            help: None,
        });
    }
    notes
}

fn pair((name, new): (&String, String)) -> String {
    format!("the next `{name}` is `{new}`")
}

fn listed(names: &[String]) -> String {
    let more = if names.len() > LISTED { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(LISTED)].join(", "))
}

/// `table` with its columns under the names that a query knows them by.
pub(super) fn shown(table: Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
    let schema = table.schema();
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let exposed = exposed(&names);
    called(table, exposed)
}

/// `declared` columns under the names by which `files` call them.
pub(super) fn spelled(declared: &SchemaRef, files: &Schema) -> SchemaRef {
    let spelled = |field: &Arc<Field>| {
        let is_it = |other: &&Arc<Field>| other.name().eq_ignore_ascii_case(field.name());
        let exact = files.fields().find(field.name()).is_some();
        let other = files.fields().iter().find(is_it).filter(|_| !exact);
        other.map_or_else(|| Arc::clone(field), |other| Arc::new(field.as_ref().clone().with_name(other.name())))
    };
    Arc::new(Schema::new(declared.fields().iter().map(spelled).collect::<Vec<_>>()))
}

/// `table` with its columns under the names that are `declared`, those of folders under their own.
pub(super) fn declared(table: Arc<dyn TableProvider>, declared: &Schema) -> Arc<dyn TableProvider> {
    let name = |(index, field): (usize, &Arc<Field>)| declared.fields().get(index).unwrap_or(field).name().clone();
    let names = table.schema().fields().iter().enumerate().map(name).collect();
    called(table, names)
}

/// `table` with its columns under other `names`.
fn called(table: Arc<dyn TableProvider>, names: Vec<String>) -> Arc<dyn TableProvider> {
    let schema = table.schema();
    if schema.fields().iter().zip(&names).all(|(field, name)| field.name() == name) {
        return table;
    }
    let fields = schema.fields().iter().zip(names).map(|(field, name)| field.as_ref().clone().with_name(name));
    let fields: Vec<Field> = fields.collect();
    Arc::new(Renamed { schema: Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())), table })
}

/// A table whose columns have other names, in the same order.
#[derive(Debug)]
struct Renamed {
    schema: SchemaRef,
    table: Arc<dyn TableProvider>,
}

impl Renamed {
    /// `filter` under the names of the table.
    fn of_table(&self, filter: Expr) -> datafusion::error::Result<Expr> {
        let inner = self.table.schema();
        let renamed = filter.transform(|part| {
            let Expr::Column(mut column) = part else { return Ok(Transformed::no(part)) };
            column.name.clone_from(inner.field(self.schema.index_of(&column.name)?).name());
            Ok(Transformed::yes(Expr::Column(column)))
        });
        Ok(renamed?.data)
    }
}

#[async_trait]
impl TableProvider for Renamed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn statistics(&self) -> Option<Statistics> {
        self.table.statistics()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::error::Result<Vec<TableProviderFilterPushDown>> {
        let filters = filters.iter().map(|filter| self.of_table((*filter).clone()));
        let filters = filters.collect::<datafusion::error::Result<Vec<_>>>()?;
        self.table.supports_filters_pushdown(&filters.iter().collect::<Vec<_>>())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let filters = filters.iter().map(|filter| self.of_table(filter.clone()));
        let filters = filters.collect::<datafusion::error::Result<Vec<_>>>()?;
        let read = self.table.scan(session, projection, &filters, limit).await?;
        let asked = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        if asked.is_empty() {
            return Ok(read);
        }
        let column = |(index, of_table): (usize, usize)| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(read.schema().field(index).name(), index));
            (column, self.schema.field(of_table).name().clone())
        };
        let columns: Vec<_> = asked.into_iter().enumerate().map(column).collect();
        Ok(Arc::new(ProjectionExec::try_new(columns, read)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_are_in_lower_case_where_they_stay_apart() {
        for (names, expected) in [
            (&["EMAIL", "orderId", "order_id"][..], &["email", "orderid", "order_id"][..]),
            (&["ID", "id", "Name"], &["ID", "id", "name"]),
            (&["a", "b", "a", "a"], &["a", "b", "a_2", "a_3"]),
            (&["a", "a_2", "a"], &["a", "a_2", "a_3"]),
            (&["A", "A"], &["a", "a_2"]),
            (&["a", "a", "a_2"], &["a", "a_3", "a_2"]),
            (&["", "a", ""], &["column_1", "a", "column_3"]),
            (&["", "column_1"], &["column_1_2", "column_1"]),
            (&["Größe", "GRÖSSE"], &["größe", "grÖsse"]),
        ] {
            let once = exposed(&owned(names));
            assert_eq!(once, owned(expected));
            assert_eq!(exposed(&once), once, "twice is the same");
        }
    }

    #[test]
    fn what_nobody_sees_around_a_name_is_no_part_of_it() {
        for (name, expected) in [
            ("email", "email"),
            (" email", "email"),
            ("email\u{a0}", "email"),
            ("\u{feff}email", "email"),
            ("\u{feff}\u{feff} email\t", "email"),
            ("\u{200b}email\u{2060}", "email"),
            ("\u{3000}email\u{202f}", "email"),
            ("\0email\r", "email"),
            ("e mail", "e mail"),
            ("e\u{a0}mail", "e\u{a0}mail"),
            (" \u{a0} ", ""),
            ("_email_", "_email_"),
        ] {
            assert_eq!(stripped(name), expected, "{name:?}");
        }
    }

    #[test]
    fn names_that_surprise_are_noted() {
        let codes = |names: &[&str]| notes(&owned(names)).iter().filter_map(|note| note.code).collect::<Vec<_>>();
        assert!(codes(&["EMAIL", "id"]).is_empty());
        assert_eq!(codes(&["ID", "id"]), ["PB2303"]);
        assert_eq!(codes(&["a", "b", "a"]), ["PB2304"]);
        let said = notes(&owned(&["x", "Id", "ID", "x"]));
        assert_eq!(said[0].message, "the source has columns of the same name: the next `x` is `x_2`");
        assert_eq!(said[1].message, "the source has columns whose names differ only in case: `ID`, `Id`");
    }
}
