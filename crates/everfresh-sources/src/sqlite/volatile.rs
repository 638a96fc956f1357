//! Functions whose values hang on the clock, on the time zone or on chance.
//!
//! A database that is unchanged tells nothing about what these return, so a query that is to be read once must not call
//! them. They are replaced on the connection by functions that refuse: names in the text of a query would not do, since
//! a view may call them, and since `now` may come from a bound value or from a column. The date functions themselves
//! are repeatable: a date that is given to them goes on to the functions that they replace, on a connection of its own.

use rusqlite::{
    Connection, Error,
    functions::{Context, FunctionFlags},
    params_from_iter,
    types::{Value, ValueRef},
};
use std::sync::{Arc, Mutex, PoisonError};

/// What a query may do that the database's content does not tell the result of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volatile {
    /// Nothing: `random()`, `datetime('now')`, the machine's time zone and their kin are errors.
    Refused,
    /// Anything: the caller bounds the result's age.
    Allowed,
}

/// Functions that never return the same, with the number of their arguments.
const NEVER_THE_SAME: [(&str, i32); 5] =
    [("random", 0), ("randomblob", 1), ("current_date", 0), ("current_time", 0), ("current_timestamp", 0)];

/// Functions of dates, with the place of their first date and the number of dates; what follows them are modifiers.
const DATES: [(&str, usize, usize); 7] = [
    ("date", 0, 1),
    ("time", 0, 1),
    ("datetime", 0, 1),
    ("julianday", 0, 1),
    ("unixepoch", 0, 1),
    ("strftime", 1, 1),
    ("timediff", 0, 2),
];

/// Replaces all of them on a connection.
pub fn refuse(connection: &Connection) -> rusqlite::Result<()> {
    // Deterministic in the sense of SQLite: indexes and generated columns may call them.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, arguments) in NEVER_THE_SAME {
        connection.create_scalar_function(name, arguments, flags, move |_| -> rusqlite::Result<Value> {
            Err(refusal(&format!("`{name}` gives another value on every run")))
        })?;
    }
    let original = Arc::new(Mutex::new(Connection::open_in_memory()?));
    for (name, first, dates) in DATES {
        let original = Arc::clone(&original);
        connection.create_scalar_function(name, -1, flags, move |context| {
            check_dates(name, first, dates, context)?;
            let places = vec!["?"; context.len()].join(", ");
            let arguments = (0..context.len()).map(|index| context.get(index)).collect::<Result<Vec<Value>, _>>()?;
            let original = original.lock().unwrap_or_else(PoisonError::into_inner);
            let mut call = original.prepare_cached(&format!("SELECT {name}({places})"))?;
            call.query_row(params_from_iter(arguments), |row| row.get::<_, Value>(0))
        })?;
    }
    Ok(())
}

fn check_dates(name: &str, first: usize, dates: usize, context: &Context<'_>) -> rusqlite::Result<()> {
    let is = |index: usize, word: &str| match context.get_raw(index) {
        ValueRef::Text(text) | ValueRef::Blob(text) => text.trim_ascii().eq_ignore_ascii_case(word.as_bytes()),
        _ => false,
    };
    let modifiers = first + dates;
    if context.len() < modifiers || (first..modifiers).any(|index| is(index, "now")) {
        return Err(refusal(&format!("`{name}` of the time that it is now gives another value on every run")));
    }
    match (modifiers..context.len()).find(|&index| is(index, "localtime") || is(index, "utc")) {
        Some(_) => Err(refusal(&format!("`{name}` hangs on the machine's time zone here"))),
        None => Ok(()),
    }
}

fn refusal(why: &str) -> Error {
    let message =
        format!("{why}, so what it returns cannot be kept: give the source a `ttl`, or bind a value that says it");
    Error::UserFunctionError(message.into())
}
