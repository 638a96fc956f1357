//! What is made once and kept.
//!
//! PyO3's cells let go of the interpreter while one thread fills them: the child of a fork at that moment would wait for that
//! thread for ever. Here two threads may make the same thing, and one of them is kept.

use pyo3::{prelude::*, types::PyString};
use std::{convert::Infallible, sync::OnceLock};

pub struct Once<T>(OnceLock<T>);

impl<T> Once<T> {
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub fn get(&self) -> Option<&T> {
        self.0.get()
    }

    /// Makes it if it is not there yet.
    pub fn try_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        if let Some(made) = self.0.get() {
            return Ok(made);
        }
        let made = make()?;
        Ok(self.0.get_or_init(|| made))
    }

    pub fn make(&self, make: impl FnOnce() -> T) -> &T {
        match self.try_make(|| Ok::<_, Infallible>(make())) {
            Ok(made) => made,
            Err(never) => match never {},
        }
    }
}

/// An interned string.
pub struct Name {
    text: &'static str,
    made: Once<Py<PyString>>,
}

impl Name {
    pub const fn new(text: &'static str) -> Self {
        Self { text, made: Once::new() }
    }

    pub fn get<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        self.made.make(|| PyString::intern(py, self.text).unbind()).bind(py)
    }
}

/// `intern!(py, "text")`: the string, made at most once for each place.
macro_rules! intern {
    ($py:expr, $text:literal) => {{
        static NAME: $crate::once::Name = $crate::once::Name::new($text);
        NAME.get($py)
    }};
}

pub(crate) use intern;
