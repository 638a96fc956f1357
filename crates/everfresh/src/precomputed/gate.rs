//! Who fills a table. One thread does, and others wait; but a thread that is filling a table never waits for one, its own or
//! another: what it computes may be what the other table's thread needs.

use std::{
    cell::RefCell,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError},
};

thread_local! {
    /// The gates that this thread is in, by their addresses.
    static INSIDE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// What lets one thread in.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<()>);

impl Gate {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(()))
    }

    /// Waits until nobody else is inside; `None` if this thread is, or must not wait.
    pub(super) fn enter(&self) -> Option<Inside<'_>> {
        let gate = std::ptr::from_ref(self).addr();
        let (own, others) = INSIDE.with_borrow(|inside| (inside.contains(&gate), !inside.is_empty()));
        if own {
            return None;
        }
        let guard = match self.0.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(guard)) => guard.into_inner(),
            Err(TryLockError::WouldBlock) if others => return None,
            Err(TryLockError::WouldBlock) => self.0.lock().unwrap_or_else(PoisonError::into_inner),
        };
        INSIDE.with_borrow_mut(|inside| inside.push(gate));
        Some(Inside { _guard: guard })
    }
}

/// A thread is inside until this is dropped.
#[derive(Debug)]
pub(super) struct Inside<'a> {
    _guard: MutexGuard<'a, ()>,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(Vec::pop);
    }
}

/// A table that is made as a whole on first use.
#[derive(Debug, Default)]
pub struct Lazy<T> {
    table: OnceLock<T>,
    gate: Gate,
}

impl<T> Lazy<T> {
    /// A table that is not made.
    pub const fn new() -> Self {
        Self { table: OnceLock::new(), gate: Gate::new() }
    }

    /// The table, if it was made.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.table.get()
    }

    /// The table, which is made if it was not; `None` if this thread is making it, so that `make` came back to it.
    pub fn at(&self, make: impl FnOnce() -> T) -> Option<&T> {
        if self.table.get().is_none() {
            let _inside = self.gate.enter()?;
            if self.table.get().is_none() {
                // Nobody else is inside.
                let _ = self.table.set(make());
            }
        }
        self.table.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Barrier, thread};

    #[test]
    fn who_makes_a_table_and_comes_back_to_it_does_not_wait_for_itself() {
        static TABLE: Lazy<u32> = Lazy::new();
        assert_eq!(TABLE.at(|| TABLE.at(|| 1).map_or(2, |one| *one)), Some(&2));
        assert_eq!(TABLE.get(), Some(&2));
    }

    #[test]
    fn two_threads_whose_tables_need_each_other_both_end() {
        static TABLES: [Lazy<u32>; 2] = [Lazy::new(), Lazy::new()];
        let both = Barrier::new(2);
        thread::scope(|scope| {
            for own in [0, 1] {
                let both = &both;
                scope.spawn(move || {
                    TABLES[own].at(|| {
                        both.wait();
                        TABLES[1 - own].at(|| 7).copied().unwrap_or_default()
                    })
                });
            }
        });
        assert!(TABLES.iter().all(|table| table.get() == Some(&0)));
    }
}
