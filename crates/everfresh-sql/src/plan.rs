//! From the text of a query and its tables to a plan that is ready to run.

use crate::{
    bind::bind,
    engine::Shared,
    error::{Names, duplicate_column, invalid, planning},
    execute::Query,
    output::plain_schema,
    parse, partition_wise, reads, repeatable,
    scan::{Failure, Table},
    tables::Tables,
    text::Text,
};
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::TableProvider,
    common::DataFusionError,
    datasource::provider_as_source,
    logical_expr::LogicalPlan,
    physical_plan::displayable,
    sql::{
        planner::{ParserOptions, SqlToRel},
        sqlparser::ast::Statement,
    },
};
use everfresh_pipeline::engine::{PlanRequest, SqlError};
use std::{
    cell::RefCell,
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

/// Plans `request`. Nothing of any table is read.
pub(crate) fn plan(request: &PlanRequest<'_>, shared: &Arc<Shared>) -> Result<Query, SqlError> {
    let text = Text::read(request.sql)?;
    let mut query = parse::read(&text)?.query;
    bind(&mut query, request.params, &text)?;

    let mut state = shared.session();
    state.mark_start_execution();
    let failure = Failure::default();
    let sources = request.tables.iter().map(|(name, scan)| {
        let table = Table {
            name: name.clone(),
            scan: scan.with_views().unwrap_or_else(|| Arc::clone(scan)),
            partitioned: request.partition_wise == Some(name.as_str()),
            compact: shared.memory().is_some(),
            failure: failure.clone(),
        };
        (name.clone(), provider_as_source(Arc::new(table) as Arc<dyn TableProvider>))
    });
    let tables = Tables { state: &state, sources: sources.collect(), unrepeatable: RefCell::default() };
    let known: BTreeSet<String> = tables.sources.keys().cloned().collect();
    let names = Names { tables: &known, functions: &|| tables.functions() };
    let fits = |error: DataFusionError| planning(&error, &text, &names);

    let options = ParserOptions::from(&state.config_options().sql_parser);
    let logical =
        SqlToRel::new_with_options(&tables, options).sql_statement_to_plan(Statement::Query(query)).map_err(fits)?;
    only_reads(&logical)?;
    distinct_names(&logical, &text)?;
    if !request.allow_unrepeatable {
        repeatable::check(&logical, &tables.unrepeatable.borrow(), &text).map_err(fits)??;
    }
    let optimised = state.optimize(&logical).map_err(fits)?;
    if let Some(table) = request.partition_wise {
        partition_wise::check(&optimised, table, &text).map_err(fits)??;
    }
    let reads = reads::reads(&optimised, known.iter().map(String::as_str)).map_err(fits)?;

    let planner = Arc::clone(state.query_planner());
    let session = state.clone();
    let physical =
        shared.wait(async move { planner.create_physical_plan(&optimised, &session).await })?.map_err(fits)?;
    tracing::debug!("planned:\n{}", displayable(physical.as_ref()).indent(false));
    let schema: SchemaRef = plain_schema(&physical.schema());
    Ok(Query { physical, schema, reads, context: state.task_ctx(), failure, shared: Arc::clone(shared) })
}

fn only_reads(plan: &LogicalPlan) -> Result<(), SqlError> {
    match plan {
        LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Statement(_) | LogicalPlan::Copy(_) => {
            Err(invalid("the statement does more than read", None))
        }
        _ => Ok(()),
    }
}

fn distinct_names(plan: &LogicalPlan, text: &Text<'_>) -> Result<(), SqlError> {
    let mut seen = HashSet::new();
    match plan.schema().fields().iter().find(|field| !seen.insert(field.name())) {
        Some(twice) => Err(duplicate_column(twice.name(), text)),
        None => Ok(()),
    }
}
