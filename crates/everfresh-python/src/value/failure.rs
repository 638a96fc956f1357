//! An error that knows where in the value it stands.

use pyo3::{PyErr, exceptions::PyTypeError, types::PyAnyMethods, types::PyTypeMethods};

/// Why a value has no fingerprint or no encoding.
#[derive(Debug)]
pub(super) enum Failure {
    /// An exception on the way, raised as it is.
    Raised(PyErr),
    /// A value that is refused.
    Refused {
        /// The way to it from the outermost value, such as `['a'][3].name`.
        place: String,
        message: String,
    },
}

pub(super) type Outcome<T> = Result<T, Failure>;

/// A longer place is cut in its middle.
const PLACE: usize = 100;

impl Failure {
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused { place: String::new(), message: message.into() }
    }

    /// The same failure, one step further out.
    pub fn at(mut self, step: impl FnOnce() -> String) -> Self {
        if let Self::Refused { place, .. } = &mut self {
            place.insert_str(0, &step());
        }
        self
    }

    /// The same failure, out of the parts of an object: which of them it was tells a reader nothing.
    pub fn inside(mut self) -> Self {
        if let Self::Refused { place, .. } = &mut self
            && let Some((part, rest)) = place.split_once(']')
            && part.trim_start_matches('[').bytes().all(|digit| digit.is_ascii_digit())
        {
            *place = rest.to_string();
        }
        self
    }

    /// The exception; `what` names the outermost value.
    pub fn into_error(self, what: &str) -> PyErr {
        match self {
            Self::Raised(error) => error,
            Self::Refused { place, message } => {
                let steps: Vec<char> = place.chars().collect();
                let place = if steps.len() > PLACE {
                    let (start, end) = (&steps[..PLACE / 2], &steps[steps.len() - PLACE / 2..]);
                    format!("{}…{}", String::from_iter(start), String::from_iter(end))
                } else {
                    place
                };
                PyTypeError::new_err(format!("{what}{place}: {message}"))
            }
        }
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

/// The name of a value's type, with its module unless that is `builtins`.
pub(super) fn type_name(value: &pyo3::Bound<'_, pyo3::PyAny>) -> String {
    let class = value.get_type();
    class.fully_qualified_name().map_or_else(|_| "?".to_string(), |name| name.to_string())
}

/// A step into a mapping or a sequence.
pub(super) fn index(key: &pyo3::Bound<'_, pyo3::PyAny>) -> String {
    match key.repr() {
        Ok(text) => format!("[{}]", text.to_string().chars().take(40).collect::<String>()),
        Err(_) => "[?]".to_string(),
    }
}
