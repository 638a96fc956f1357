//! [`DataFusionEngine`]: the threads, the memory and the functions that queries share.

use crate::{
    error::{invalid, panicked, runtime},
    parse, plan, session,
};
use datafusion::execution::session_state::SessionState;
use everfresh_pipeline::engine::{ParsedSql, PlanRequest, PlannedQuery, QueryEngine, SqlError};
use futures::FutureExt;
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
};
use tokio::runtime::Runtime;

/// The version of what this crate adds to DataFusion: raised when the same query over the same tables may come to
/// another result, in any byte or in the order of rows.
pub const OPERATORS: u32 = 1;

/// The stack of an engine thread: enough to evaluate the deepest expression that is accepted. Only what is used of it
/// takes memory.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// The longest text that is read as a query.
const TEXT_BYTES: usize = 512 * 1024;

/// How a [`DataFusionEngine`] uses the machine. None of it changes a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineOptions {
    /// How many bytes all queries together may hold in memory; `None` is no limit. Sorts and aggregations that need
    /// more spill to disk, joins that need more fail.
    pub memory: Option<u64>,
    /// The folder for what is spilled; `None` is the system's folder for temporary files.
    pub spill_dir: Option<PathBuf>,
    /// How many threads run queries; at least one.
    pub threads: usize,
}

/// The query engine. Making one costs nothing: threads start with the first query that is planned.
///
/// Any number of threads may plan and run queries on one engine at once; they share its threads and its memory.
#[derive(Debug)]
pub struct DataFusionEngine {
    options: EngineOptions,
    shared: Mutex<Option<Arc<Shared>>>,
}

impl DataFusionEngine {
    /// An engine that uses the machine as `options` say.
    pub fn new(options: EngineOptions) -> Self {
        Self { options, shared: Mutex::new(None) }
    }

    /// Whether a query was planned yet: before that, no thread was started and no memory taken.
    pub fn is_started(&self) -> bool {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn shared(&self) -> Result<Arc<Shared>, SqlError> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        match shared.as_ref() {
            Some(shared) => Ok(Arc::clone(shared)),
            None => Ok(Arc::clone(shared.insert(Arc::new(Shared::start(&self.options)?)))),
        }
    }
}

impl QueryEngine for DataFusionEngine {
    fn version(&self) -> String {
        format!("datafusion {}, operators {OPERATORS}", datafusion::DATAFUSION_VERSION)
    }

    fn parse(&self, sql: &str) -> Result<ParsedSql, SqlError> {
        guarded(sql, || parse::parse(sql))
    }

    fn plan(&self, request: PlanRequest<'_>) -> Result<Box<dyn PlannedQuery>, SqlError> {
        guarded(request.sql, || {
            let query = plan::plan(&request, &self.shared()?)?;
            Ok(Box::new(query) as Box<dyn PlannedQuery>)
        })
    }
}

/// Runs `f` on `sql`. A panic in the engine is an error of the query. Syntax trees are walked by recursion, so the
/// stack is made as deep as the text can make them.
fn guarded<T>(sql: &str, f: impl FnOnce() -> Result<T, SqlError>) -> Result<T, SqlError> {
    if sql.len() > TEXT_BYTES {
        return Err(invalid(format!("the query is longer than {TEXT_BYTES} bytes"), None));
    }
    let stack = 1024 * 1024 + 512 * sql.len();
    stacker::maybe_grow(stack, stack, || {
        catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
    })
}

/// What all queries of an engine share, once the first is planned.
pub(crate) struct Shared {
    /// There until this is dropped.
    runtime: Option<Runtime>,
    template: SessionState,
    memory: Option<u64>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("memory", &self.memory).finish_non_exhaustive()
    }
}

impl Shared {
    fn start(options: &EngineOptions) -> Result<Self, SqlError> {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .thread_name("everfresh-sql")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|error| runtime(format!("the query engine cannot start its threads: {error}")))?;
        let template = session::template(options.memory, options.spill_dir.clone())?;
        Ok(Self { runtime: Some(threads), template, memory: options.memory })
    }

    /// A fresh session.
    pub(crate) fn session(&self) -> SessionState {
        self.template.clone()
    }

    pub(crate) fn memory(&self) -> Option<u64> {
        self.memory
    }

    pub(crate) fn runtime(&self) -> tokio::runtime::Handle {
        match &self.runtime {
            Some(runtime) => runtime.handle().clone(),
            // Only `drop` takes the runtime, and nobody can call this then.
            None => tokio::runtime::Handle::current(),
        }
    }

    /// Runs `work` on the engine's threads and waits for it, also from a thread of another async runtime.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, SqlError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.runtime().spawn(async move {
            // The receiver waits below for as long as this takes.
            let _ = sender.send(AssertUnwindSafe(work).catch_unwind().await);
        });
        match receiver.recv() {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => Err(panicked(panic.as_ref())),
            Err(_) => Err(runtime("the query engine was shut down in the middle of a query")),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not wait: a thread may be blocked in reading a source.
            runtime.shutdown_background();
        }
    }
}
