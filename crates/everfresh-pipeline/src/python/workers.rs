//! The processes of a run: each computes at most one step, so that no step sees what another left behind.

use super::{interpreter::interpreter, process::Process};
use crate::{fault::Fault, run::Context};
use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Processes that were asked about code and have computed nothing yet.
#[derive(Default)]
pub struct Workers {
    idle: Mutex<Vec<Working>>,
    started: AtomicBool,
}

/// A process and the file that it serves.
pub struct Working {
    file: PathBuf,
    /// The process.
    pub process: Process,
}

impl Workers {
    /// Whether any process was started.
    pub fn started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    /// A process for a file that has computed nothing yet.
    pub(crate) fn take(&self, context: &Context<'_>, file: &PathBuf) -> Result<Working, Fault> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = idle.iter().position(|working| working.file == *file) {
            return Ok(idle.swap_remove(at));
        }
        drop(idle);
        self.started.store(true, Ordering::Relaxed);
        let process = Process::start(&python_of(context), file, context.folder(), &context.options.cancel)?;
        Ok(Working { file: file.clone(), process })
    }

    /// Keeps a process for the next who asks.
    pub(crate) fn put_back(&self, working: Working) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(working);
    }

    /// Ends all processes: the run is over, and the next must see what was edited since.
    pub(crate) fn end(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The interpreter of a pipeline.
pub(super) fn python_of(context: &Context<'_>) -> PathBuf {
    interpreter(context.spec.python.as_deref(), context.folder(), |name| std::env::var_os(name))
}
