//! A query that runs on the engine's threads and is read from any thread.
//!
//! The stream of batches is driven by one task, which stays at most [`AHEAD`] batches ahead of its reader. Dropping the
//! reader, or setting its cancel flag, aborts the task; the reader hears of a cancel within [`POLL`], also while the
//! engine is deep in a sort.

use crate::{
    engine::Shared,
    error::{cancelled, panicked, running, runtime},
    output::plain,
    scan::Failure,
};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    common::Result,
    execution::TaskContext,
    physical_plan::{ExecutionPlan, execute_stream},
};
use everfresh_pipeline::engine::{Batches, BoxError, Cancel, PlannedQuery, SqlError};
use futures::{FutureExt, StreamExt};
use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};
use tokio::{sync::Semaphore, task::JoinHandle};

/// How many batches may wait for the reader.
const AHEAD: usize = 2;

/// How often a waiting reader looks at the cancel flag.
const POLL: Duration = Duration::from_millis(20);

/// A planned query.
pub(crate) struct Query {
    pub(crate) physical: Arc<dyn ExecutionPlan>,
    pub(crate) schema: SchemaRef,
    pub(crate) reads: BTreeMap<String, Vec<usize>>,
    pub(crate) context: Arc<TaskContext>,
    pub(crate) failure: Failure,
    pub(crate) shared: Arc<Shared>,
}

impl PlannedQuery for Query {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn reads(&self) -> &BTreeMap<String, Vec<usize>> {
        &self.reads
    }

    fn execute(self: Box<Self>, cancel: Cancel) -> Result<Batches, SqlError> {
        if cancel.is_cancelled() {
            return Err(cancelled());
        }
        let (sender, receiver) = mpsc::channel();
        let room = Arc::new(Semaphore::new(AHEAD));
        let Self { physical, schema, context, failure, shared, .. } = *self;
        let memory = shared.memory();
        let (task_room, task_sender) = (Arc::clone(&room), sender.clone());
        let run = async move { drive(physical, context, &schema, &task_room, &task_sender).await };
        let task = shared.runtime().spawn(async move {
            let end = match AssertUnwindSafe(run).catch_unwind().await {
                Ok(Ok(())) => Message::End,
                Ok(Err(error)) => Message::Failed(match failure.take() {
                    Some(original) => original,
                    None => Box::new(running(&error, memory)),
                }),
                Err(panic) => Message::Failed(Box::new(panicked(panic.as_ref()))),
            };
            // A reader that is gone does not want to know.
            let _ = sender.send(end);
        });
        Ok(Box::new(Reader { receiver, room, task, cancel, ended: false, _shared: shared }))
    }
}

enum Message {
    Batch(RecordBatch),
    Failed(BoxError),
    End,
}

async fn drive(
    physical: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    schema: &SchemaRef,
    room: &Semaphore,
    sender: &Sender<Message>,
) -> Result<()> {
    let mut batches = execute_stream(physical, context)?;
    while let Some(batch) = batches.next().await {
        let batch = plain(&batch?, schema)?;
        if batch.num_rows() == 0 {
            continue;
        }
        // The semaphore is never closed; the reader gives the permit back when it takes the batch.
        if let Ok(permit) = room.acquire().await {
            permit.forget();
        }
        if sender.send(Message::Batch(batch)).is_err() {
            break;
        }
    }
    Ok(())
}

struct Reader {
    receiver: Receiver<Message>,
    room: Arc<Semaphore>,
    task: JoinHandle<()>,
    cancel: Cancel,
    ended: bool,
    /// The threads that the task runs on.
    _shared: Arc<Shared>,
}

impl Reader {
    fn end(&mut self, error: Option<BoxError>) -> Option<Result<RecordBatch, BoxError>> {
        self.ended = true;
        self.task.abort();
        error.map(Err)
    }
}

impl Iterator for Reader {
    type Item = Result<RecordBatch, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            if self.cancel.is_cancelled() {
                return self.end(Some(Box::new(cancelled())));
            }
            match self.receiver.recv_timeout(POLL) {
                Ok(Message::Batch(batch)) => {
                    self.room.add_permits(1);
                    return Some(Ok(batch));
                }
                Ok(Message::Failed(error)) => return self.end(Some(error)),
                Ok(Message::End) => return self.end(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return self
                        .end(Some(Box::new(runtime("the query engine was shut down in the middle of a query"))));
                }
            }
        }
        None
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}
