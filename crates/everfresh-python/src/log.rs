//! What the engine has to say goes to Python's `logging`, to the logger `everfresh`.

use crate::{gate, once::intern};
use pyo3::prelude::*;
use std::{
    cell::RefCell,
    fmt::{self, Write as _},
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

thread_local! {
    static LEFT: RefCell<Vec<(&'static str, String)>> = const { RefCell::new(Vec::new()) };
}

/// Hands events on; there are no spans.
struct ToLogging;

impl Subscriber for ToLogging {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("everfresh")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let verb = if *event.metadata().level() == Level::ERROR { "error" } else { "warning" };
        if gate::is_inside() {
            LEFT.with_borrow_mut(|left| left.push((verb, text.0)));
        } else {
            // At exit there may be no interpreter any more.
            let _ = Python::try_attach(|py| say(py, verb, &text.0));
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn say(py: Python<'_>, verb: &str, text: &str) {
    let say = || {
        let logger = py.import(intern!(py, "logging"))?.call_method1(intern!(py, "getLogger"), ("everfresh",))?;
        logger.call_method1(verb, ("%s", text))
    };
    if let Err(error) = say() {
        error.write_unraisable(py, None);
    }
}

/// Says what was to be said while this thread was inside the engine, where it may have held locks.
pub fn say_what_is_left(py: Python<'_>) {
    for (verb, text) in LEFT.take() {
        say(py, verb, &text);
    }
}

/// The message, then the other fields.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " ({name}: {value:?})"),
        };
    }
}

/// From now on.
pub fn begin() {
    // Another subscriber in this process keeps its place.
    let _ = tracing::subscriber::set_global_default(ToLogging);
}
