//! From the columns of the table to those of one file: by name, whatever their order, and converted where types differ.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::expressions::Column;

use super::converted::{Conversion, Converted};
use crate::sources::names::exposed;

/// Makes the adapters of a table.
#[derive(Debug)]
pub(super) struct ByName;

/// Rewrites expressions for one file. DataFusion's adapter sees the file as if it had the names of the table, so that it
/// puts NULL in the place of what is missing and casts; here its names come back, and our conversions in.
#[derive(Debug)]
pub(super) struct FileAdapter {
    adapter: Arc<dyn PhysicalExprAdapter>,
    /// The columns of the file under the names of the table.
    shown: SchemaRef,
    /// For each of them, its name in the file, and what has to be converted here.
    columns: Vec<(String, Option<(FieldRef, Conversion)>)>,
}

/// A column of a file: its name for the table, and what of the table it is.
pub(super) struct Bound {
    /// The name of the table's column, or one that the table does not have.
    pub(super) name: String,
    /// The column of the table; none for what the table does not have.
    pub(super) wanted: Option<Field>,
    /// What has to be converted here; none where a cast is as good.
    pub(super) conversion: Option<Conversion>,
}

impl PhysicalExprAdapterFactory for ByName {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let names = file.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let bound = exposed(&names).into_iter().zip(file.fields()).map(|(name, field)| {
            let is_it = |other: &&FieldRef| other.name().eq_ignore_ascii_case(&name);
            let exact = table.field_with_name(&name).ok();
            let wanted = exact.or_else(|| table.fields().iter().find(is_it).map(AsRef::as_ref)).cloned();
            let conversion = wanted.as_ref().and_then(|wanted| Conversion::of(field.data_type(), wanted.data_type()));
            Bound { name: wanted.as_ref().map_or(name, |field| field.name().clone()), wanted, conversion }
        });
        let bound = bound.collect();
        Ok(Arc::new(FileAdapter::new(table, &file, bound)?))
    }
}

impl FileAdapter {
    /// From `table` to `file`, whose columns are `bound` one by one.
    ///
    /// # Errors
    /// Those of DataFusion's adapter.
    pub(super) fn new(table: SchemaRef, file: &Schema, bound: Vec<Bound>) -> Result<Self> {
        let (mut shown, mut columns) = (Vec::with_capacity(bound.len()), Vec::with_capacity(bound.len()));
        for (Bound { name, wanted, conversion }, field) in bound.into_iter().zip(file.fields()) {
            shown.push(match &wanted {
                Some(wanted) if conversion.is_some() || wanted.data_type() == field.data_type() => {
                    Arc::new(wanted.clone())
                }
                _ => Arc::new(Field::new(&name, field.data_type().clone(), true)),
            });
            columns.push((field.name().clone(), wanted.map(Arc::new).zip(conversion)));
        }
        let shown = Arc::new(Schema::new(shown));
        let adapter = DefaultPhysicalExprAdapterFactory.create(table, Arc::clone(&shown))?;
        Ok(Self { adapter, shown, columns })
    }
}

impl PhysicalExprAdapter for FileAdapter {
    fn rewrite(&self, expression: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let adapted = self.adapter.rewrite(expression)?;
        adapted
            .transform_up(|expression| {
                let Some(column) = expression.downcast_ref::<Column>() else { return Ok(Transformed::no(expression)) };
                let index = column.index();
                let is_here = self.shown.fields().get(index).is_some_and(|field| field.name() == column.name());
                let Some((name, conversion)) = self.columns.get(index).filter(|_| is_here) else {
                    return Ok(Transformed::no(expression));
                };
                let read: Arc<dyn PhysicalExpr> = Arc::new(Column::new(name, index));
                Ok(Transformed::yes(match conversion {
                    Some((field, conversion)) => Arc::new(Converted::new(read, Arc::clone(field), conversion.clone())),
                    None => read,
                }))
            })
            .data()
    }
}
