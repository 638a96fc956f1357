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
    ///
    /// ```
    /// use everfresh::Context;
    ///
    /// // Nothing is computed here, so there is nothing to carry along.
    /// assert_eq!(Context::current().run(|| 5), 5);
    /// ```
    pub fn current() -> Self {
        Self { frame: current(), led: Led::current() }
    }

    /// Does some of its work on this thread.
    ///
    /// ```
    /// use everfresh::{Context, Memo};
    /// use std::thread;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("words");
    /// let lengths = Memo::builder("Context::run").build();
    /// let length = || lengths.get_or_compute(&path, || {
    ///     let context = Context::current();
    ///     let read = || context.run(|| everfresh::fs::read(&path).map_or(0, |bytes| bytes.len()));
    ///     thread::scope(|scope| scope.spawn(read).join().unwrap_or(0))
    /// });
    /// assert_eq!(length(), 0);
    /// std::fs::write(&path, "abc")?;
    /// assert_eq!(length(), 3);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let _entered = self.frame.as_ref().map(Frame::enter);
        let _led = self.led.enter();
        work()
    }

    /// Does some of its work in a task.
    ///
    /// ```
    /// use everfresh::Context;
    ///
    /// let context = Context::current();
    /// let answer = async { context.run_async(async { 5 }).await };
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # let answer = std::pin::pin!(answer).poll(&mut context);
    /// assert_eq!(answer, std::task::Poll::Ready(5));
    /// ```
    pub async fn run_async<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        std::future::poll_fn(|context| self.run(|| work.as_mut().poll(context))).await
    }
}
