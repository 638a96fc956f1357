//! No process forks while another thread is inside the engine: in the child, a lock that it holds would be held for ever.
//!
//! A thread is inside wherever it works without the interpreter. What it asks of Python meanwhile it asks from outside, since
//! that may wait for the thread that forks. It holds no lock of the engine then that others wait for without end.
//!
//! Whoever waits at the gate for long goes in all the same: the fork may wait for a lock that it holds, of `logging` for
//! one. What the engine logs is said when the thread is out again.
//!
//! Nothing here is a lock itself: a child that inherits the gate opens it, whoever was about to pass.

use crate::log;
use pyo3::prelude::*;
use std::{
    cell::Cell,
    sync::atomic::{
        AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// How many threads are inside, and whether others may enter.
static GATE: AtomicUsize = AtomicUsize::new(0);

const CLOSED: usize = 1 << (usize::BITS - 1);

/// How long a thread sleeps at the gate before it looks again: a lock to wait on would be taken in the child. Forks are rare.
const NAP: Duration = Duration::from_micros(50);

/// How long it waits.
const PATIENCE: Duration = Duration::from_secs(5);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// How often this thread closed the gate: a handler of a signal may fork while it is about to.
    static CLOSINGS: Cell<usize> = const { Cell::new(0) };
}

/// Works without the interpreter, inside the engine.
pub fn detached<T: Send>(py: Python<'_>, work: impl Send + FnOnce() -> T) -> T {
    let done = py.detach(|| {
        let _inside = Passed::to(true);
        work()
    });
    log::say_what_is_left(py);
    done
}

/// Whether this thread is inside.
pub fn is_inside() -> bool {
    INSIDE.try_with(Cell::get).unwrap_or(false)
}

/// Works with the interpreter, outside of the engine. Not with a lock in hand.
pub fn attached<T>(work: impl for<'py> FnOnce(Python<'py>) -> T) -> T {
    let _outside = Passed::to(false);
    Python::attach(work)
}

/// On the other side of the gate, until this is dropped.
struct Passed {
    before: bool,
}

impl Passed {
    fn to(inside: bool) -> Self {
        Self { before: pass(inside) }
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        pass(self.before);
    }
}

/// Goes inside or outside; says where this thread was.
fn pass(inside: bool) -> bool {
    // A thread that ends has no cell any more, and is counted nowhere.
    let before = INSIDE.try_with(|own| own.replace(inside)).unwrap_or(inside);
    match (before, inside) {
        (false, true) => enter(),
        (true, false) => {
            GATE.fetch_sub(1, SeqCst);
        }
        _ => {}
    }
    before
}

fn enter() {
    let came = Instant::now();
    loop {
        let found = GATE.load(Relaxed);
        if found & CLOSED != 0 && closings() == 0 && came.elapsed() < PATIENCE {
            thread::sleep(NAP);
        } else if GATE.compare_exchange_weak(found, found + 1, SeqCst, Relaxed).is_ok() {
            return;
        }
    }
}

fn closings() -> usize {
    CLOSINGS.try_with(Cell::get).unwrap_or(0)
}

/// Lets nobody else in, and waits until everybody is out. One thread at a time, which is outside.
pub fn close(py: Python<'_>) {
    CLOSINGS.set(closings() + 1);
    if closings() > 1 {
        return;
    }
    py.detach(|| {
        GATE.fetch_or(CLOSED, SeqCst);
        while GATE.load(SeqCst) != CLOSED {
            thread::sleep(NAP);
        }
    });
}

/// Lets them in again.
pub fn open() {
    CLOSINGS.set(closings().saturating_sub(1));
    if closings() == 0 {
        GATE.fetch_and(!CLOSED, SeqCst);
    }
}

/// The same in a child of a fork, which has no other threads.
pub fn open_anew() {
    CLOSINGS.set(0);
    GATE.store(0, SeqCst);
}
