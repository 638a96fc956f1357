//! What names in a query mean: its tables are those of the request, its functions DataFusion's own.

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    catalog::{TableFunctionArgs, TableProvider, cte_worktable::CteWorkTable},
    common::{
        DFSchema, Result, TableReference,
        config::ConfigOptions,
        plan_datafusion_err,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    datasource::provider_as_source,
    error::DataFusionError,
    execution::session_state::SessionState,
    logical_expr::{
        AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, Volatility, WindowUDF,
        planner::{ContextProvider, ExprPlanner, RelationPlanner},
        simplify::SimplifyContext,
    },
    optimizer::simplify_expressions::ExprSimplifier,
};
use std::{cell::RefCell, collections::BTreeMap, fmt, sync::Arc};

/// A query names a table that there is not.
#[derive(Debug)]
pub(crate) struct UnknownTable {
    pub(crate) name: String,
}

impl fmt::Display for UnknownTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no table `{}`", self.name)
    }
}

impl std::error::Error for UnknownTable {}

/// The names that one query can use.
pub(crate) struct Tables<'a> {
    pub(crate) state: &'a SessionState,
    pub(crate) sources: BTreeMap<String, Arc<dyn TableSource>>,
    /// Functions in the arguments of table functions whose value is no function of theirs. They are evaluated while
    /// planning, so the plan does not show them.
    pub(crate) unrepeatable: RefCell<Vec<String>>,
}

impl Tables<'_> {
    /// All functions by name.
    pub(crate) fn functions(&self) -> Vec<String> {
        let mut names = self.udf_names();
        names.extend(self.udaf_names());
        names.extend(self.udwf_names());
        names.extend(self.higher_order_function_names());
        names
    }
}

impl ContextProvider for Tables<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let found = match &name {
            TableReference::Bare { table } => self.sources.get(table.as_ref()),
            _ => None,
        };
        found.cloned().ok_or_else(|| DataFusionError::External(Box::new(UnknownTable { name: name.to_string() })))
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        let functions = self.state.table_functions();
        let function = functions.get(name).ok_or_else(|| plan_datafusion_err!("Invalid function '{name}'"))?;
        let context = SimplifyContext::builder()
            .with_config_options(Arc::clone(self.state.config_options()))
            .with_query_execution_start_time(self.state.execution_props().query_execution_start_time)
            .build();
        let simplifier = ExprSimplifier::new(context);
        let schema = DFSchema::empty();
        let args: Vec<Expr> = args
            .into_iter()
            .map(|arg| {
                self.note_unrepeatable(&arg)?;
                simplifier.simplify(simplifier.coerce(arg, &schema)?)
            })
            .collect::<Result<_>>()?;
        let provider = function.create_table_provider_with_args(TableFunctionArgs::new(&args, self.state))?;
        Ok(provider_as_source(provider))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema)) as Arc<dyn TableProvider>))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        self.state.relation_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}

impl Tables<'_> {
    fn note_unrepeatable(&self, arg: &Expr) -> Result<()> {
        arg.apply(|expr| {
            if let Expr::ScalarFunction(call) = expr
                && call.func.signature().volatility != Volatility::Immutable
            {
                self.unrepeatable.borrow_mut().push(call.func.name().to_owned());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    }
}
