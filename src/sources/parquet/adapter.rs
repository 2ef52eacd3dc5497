//! From the columns of the table to those of one file: by name, whatever their order, and converted where types differ.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::expressions::Column;

use super::bare;
use super::compared::of_bytes;
use super::converted::{Conversion, Converted};
use super::marks::is_row_number;
use super::texts::textual;
use crate::error::{Error, ErrorKind};
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
        let of_file = || file.fields().iter().filter(|field| !is_row_number(field));
        let names = of_file().map(|field| bare::named(field.name()).to_owned()).collect::<Vec<_>>();
        let bound = exposed(&names).into_iter().zip(of_file()).map(|(name, field)| {
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
        if let Some(field) = bare::unchecked(file) {
            let message = format!("`{}` would be read as text that nobody has checked", bare::named(field.name()));
            return Err(DataFusionError::External(Box::new(Error::new(ErrorKind::Internal, message))));
        }
        // Columns that the reader adds are behind those of the file, and are what they are.
        let added = file.fields().iter().filter(|field| is_row_number(field)).map(|field| {
            let wanted = Some(field.as_ref().clone());
            Bound { name: field.name().clone(), wanted, conversion: None }
        });
        for (Bound { name, wanted, conversion }, field) in bound.into_iter().chain(added).zip(file.fields()) {
            let found = match conversion {
                Some(Conversion::Text) => textual(field.data_type()),
                _ => field.data_type().clone(),
            };
            let is_wanted = matches!(&conversion, Some(conversion) if *conversion != Conversion::Text);
            let field_shown = match wanted {
                Some(wanted) if is_wanted || *wanted.data_type() == found => Arc::new(wanted),
                _ => Arc::new(Field::new(&name, found, true)),
            };
            columns.push((field.name().clone(), conversion.map(|conversion| (Arc::clone(&field_shown), conversion))));
            shown.push(field_shown);
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
                let Some(column) = expression.downcast_ref::<Column>() else {
                    return Ok(match of_bytes(&expression)? {
                        Some(same) => Transformed::yes(same),
                        None => Transformed::no(expression),
                    });
                };
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
