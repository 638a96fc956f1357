//! How the threads of a computation write into its frame.

use super::frame::{Frame, current};
use crate::memory::Led;
use std::{future::Future, pin::pin, sync::Arc};

/// The cached computation that runs on this thread, to be carried along to other threads and tasks that work for it: what
/// they read through [`fs`](crate::fs) and [`env`](crate::env) is then observed, and a cached function that they call back
/// into does not wait for itself.
///
/// Who starts a thread without it reads unobserved. Where nothing is computed, it does nothing.
///
/// ```
/// use everfresh::Context;
///
/// let context = Context::current();
/// let length = std::thread::spawn(move || context.run(|| everfresh::fs::read("Cargo.toml").map(|bytes| bytes.len())));
/// assert!(length.join().is_ok_and(|length| length.is_ok_and(|length| length > 0)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Context {
    frame: Option<Arc<Frame>>,
    led: Led,
}

impl Context {
    /// What runs on this thread at this moment.
    pub fn current() -> Self {
        Self { frame: current(), led: Led::current() }
    }

    /// Does some of its work on this thread.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let _entered = self.frame.as_ref().map(Frame::enter);
        let _led = self.led.enter();
        work()
    }

    /// Does some of its work in a task.
    pub async fn run_async<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        std::future::poll_fn(|context| self.run(|| work.as_mut().poll(context))).await
    }
}
