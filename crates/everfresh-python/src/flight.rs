//! An asynchronous call: a future of the engine, driven by Python's event loop.
//!
//! Whoever awaits a [`Flight`] polls the engine's future. Where that polls the coroutine that computes, what the coroutine
//! yields goes through to the event loop, and what the loop sends or throws goes back. Where it waits for another caller, it
//! yields a future of the loop, which the engine's waker completes from whatever thread it is on.

use crate::{
    engine::{Declared, Found, Function, Kept, Value, with},
    gate,
    once::intern,
};
use everfresh::Fingerprint;
use pyo3::{
    exceptions::{PyRuntimeError, PyStopIteration, PyValueError},
    prelude::*,
};
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

type Awaited = Pin<Box<dyn Future<Output = PyResult<Found>> + Send>>;

/// What goes between the event loop and the coroutine.
#[derive(Default)]
struct Exchange {
    /// What the loop sends, or the error that it throws.
    resume: Option<Result<Py<PyAny>, PyErr>>,
    /// What the coroutine yielded.
    yielded: Option<Py<PyAny>>,
}

/// A coroutine as a future.
struct Coroutine {
    make: Py<PyAny>,
    running: Option<Py<PyAny>>,
    exchange: Arc<Mutex<Exchange>>,
}

impl Future for Coroutine {
    type Output = PyResult<Value>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<PyResult<Value>> {
        let resume = lock(&self.exchange).resume.take();
        gate::attached(|py| {
            let step = (|| {
                let coroutine = match &self.running {
                    Some(running) => running.bind(py).clone(),
                    None => {
                        let made = self.make.bind(py).call0()?;
                        self.running = Some(made.clone().unbind());
                        made
                    }
                };
                match resume {
                    Some(Err(error)) => coroutine.call_method1(intern!(py, "throw"), (error.into_value(py),)),
                    // A coroutine that has not begun takes nothing else.
                    Some(Ok(value)) => coroutine.call_method1(intern!(py, "send"), (value,)),
                    None => coroutine.call_method1(intern!(py, "send"), (py.None(),)),
                }
            })();
            match step {
                Ok(yielded) => {
                    lock(&self.exchange).yielded = Some(yielded.unbind());
                    Poll::Pending
                }
                Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
                    let value = error.value(py).getattr(intern!(py, "value"));
                    Poll::Ready(value.and_then(|made| Kept::new(&made)).map(Arc::new))
                }
                Err(error) => Poll::Ready(Err(error)),
            }
        })
    }
}

/// Wakes the task that awaits.
#[derive(Default)]
struct Alarm {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    rang: bool,
    /// An event loop, and the future of it that the task waits for.
    future: Option<(Py<PyAny>, Py<PyAny>)>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let future = {
            let mut waiting = lock(&self.waiting);
            waiting.rang = true;
            waiting.future.take()
        };
        let Some((event_loop, future)) = future else { return };
        gate::attached(|py| {
            let ring = || {
                let done = py.import(intern!(py, "everfresh._async"))?.getattr(intern!(py, "ring"))?;
                event_loop.bind(py).call_method1(intern!(py, "call_soon_threadsafe"), (done, future.bind(py)))
            };
            // A loop that was closed has nobody who waits.
            if let Err(error) = ring()
                && !error.is_instance_of::<PyRuntimeError>(py)
            {
                error.write_unraisable(py, None);
            }
        });
    }
}

/// The result of an asynchronous call, to be awaited once.
#[pyclass(frozen, module = "everfresh._native")]
pub struct Flight {
    future: Mutex<Option<Awaited>>,
    exchange: Arc<Mutex<Exchange>>,
    alarm: Arc<Alarm>,
}

impl Flight {
    pub fn new(
        function: Arc<Function>,
        key: Fingerprint,
        declared: Vec<Declared>,
        make: Py<PyAny>,
        anew: bool,
    ) -> Self {
        let exchange = Arc::<Mutex<Exchange>>::default();
        let coroutine = Coroutine { make, running: None, exchange: Arc::clone(&exchange) };
        let future = async move {
            let memo = function.memo();
            let mut call = with(&memo, &key, &declared).map_err(PyValueError::new_err)?;
            if anew {
                call = call.anew();
            }
            Ok(Found { entry: call.or_try_compute_entry_async(coroutine).await?, key })
        };
        Self { future: Mutex::new(Some(Box::pin(future))), exchange, alarm: Arc::default() }
    }

    /// Goes on until the coroutine yields, another caller is waited for, or the result is there.
    fn step(&self, py: Python<'_>, resume: Option<Result<Py<PyAny>, PyErr>>) -> PyResult<Py<PyAny>> {
        lock(&self.exchange).resume = resume;
        loop {
            lock(&self.alarm.waiting).rang = false;
            let polled = gate::detached(py, || {
                let mut future = lock(&self.future);
                let awaited = future.as_mut()?;
                let waker = Waker::from(Arc::clone(&self.alarm));
                let polled = awaited.as_mut().poll(&mut Context::from_waker(&waker));
                if polled.is_ready() {
                    *future = None;
                }
                Some(polled)
            });
            match polled {
                None => return Err(PyRuntimeError::new_err("cannot reuse an already awaited call")),
                Some(Poll::Ready(found)) => return Err(PyStopIteration::new_err((Bound::new(py, found?)?.unbind(),))),
                Some(Poll::Pending) => {}
            }
            let (yielded, unread) = {
                let mut exchange = lock(&self.exchange);
                (exchange.yielded.take(), exchange.resume.take())
            };
            if let Some(yielded) = yielded {
                return Ok(yielded);
            }
            // An error that no coroutine took ends the wait.
            if let Some(Err(error)) = unread {
                self.give_up(py);
                return Err(error);
            }
            if let Some(future) = self.wait(py)? {
                return Ok(future);
            }
        }
    }

    /// A future of the running loop, which the alarm completes; `None` if it rang meanwhile.
    fn wait(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let asyncio = py.import(intern!(py, "asyncio"))?;
        let event_loop = asyncio.call_method0(intern!(py, "get_running_loop"))?;
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        let mut waiting = lock(&self.alarm.waiting);
        if waiting.rang {
            return Ok(None);
        }
        waiting.future = Some((event_loop.unbind(), future.clone().unbind()));
        drop(waiting);
        // What `yield from future` would do: the task takes it as its own to wait for.
        future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
        Ok(Some(future.unbind()))
    }

    /// The next caller who waits takes over.
    fn give_up(&self, py: Python<'_>) {
        gate::detached(py, || {
            let future = lock(&self.future).take();
            drop(future);
        });
    }
}

#[pymethods]
impl Flight {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.step(py, None)
    }

    fn send(&self, py: Python<'_>, value: Py<PyAny>) -> PyResult<Py<PyAny>> {
        let resume = (!value.is_none(py)).then_some(Ok(value));
        self.step(py, resume)
    }

    #[pyo3(signature = (error, value=None, traceback=None))]
    fn throw(
        &self,
        py: Python<'_>,
        error: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let _ = traceback;
        let error = PyErr::from_value(value.unwrap_or(error).clone());
        self.step(py, Some(Err(error)))
    }

    fn close(&self, py: Python<'_>) {
        self.give_up(py);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
