//! Which columns of its input tables a plan reads.

use crate::scan::Table;
use datafusion::{
    catalog::TableProvider,
    common::{Result, tree_node::TreeNodeRecursion},
    datasource::source_as_provider,
    logical_expr::{LogicalPlan, TableScan},
};
use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
};

/// For each of `tables` the columns that the optimised `plan` reads, sorted: what its scans project and what they
/// filter by, in subqueries as well. A table that the optimiser found not to matter is read in no column.
pub(crate) fn reads<'a>(
    plan: &LogicalPlan,
    tables: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, Vec<usize>>> {
    let mut read: BTreeMap<String, BTreeSet<usize>> = tables.map(|name| (name.to_owned(), BTreeSet::new())).collect();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(columns) = with_table(scan, |table| read.entry(table.name.clone()).or_default())
        {
            let schema = scan.source.schema();
            match &scan.projection {
                Some(projection) => columns.extend(projection),
                None => columns.extend(0..schema.fields().len()),
            }
            for filter in &scan.filters {
                for column in filter.column_refs() {
                    columns.insert(schema.index_of(&column.name)?);
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(read.into_iter().map(|(name, columns)| (name, columns.into_iter().collect())).collect())
}

/// What `f` makes of the input table that `scan` reads. A table function or the work table of a recursive query is none.
pub(crate) fn with_table<T>(scan: &TableScan, f: impl FnOnce(&Table) -> T) -> Option<T> {
    let provider = source_as_provider(&scan.source).ok()?;
    let provider: &dyn TableProvider = provider.as_ref();
    (provider as &dyn Any).downcast_ref::<Table>().map(f)
}
