//! What a command prints: for people on a terminal, for people behind a pipe, for programs.
//!
//! Text is built with its styles in it ([`style`]); [`Out`] takes them out where nobody wants colour (a pipe, NO_COLOR).

pub mod check_lines;
pub mod live;
pub mod quantity;
pub mod query_diff;
pub mod rows;
pub mod run_lines;
pub mod sql_lines;
pub mod style;
pub mod summary;
pub mod table;

use anstream::{AutoStream, ColorChoice, adapter::strip_str};
use serde_json::Value;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// The bytes that are gathered before they are written.
const BUFFER: usize = 64 * 1024;

/// Standard output, buffered. An error is kept until [`Out::flush`].
pub struct Out {
    colour: bool,
    to: BufWriter<Stdout>,
    error: Option<io::Error>,
}

impl Out {
    /// Standard output, with colours where they are wanted.
    pub fn new() -> Self {
        let colour = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        Self { colour, to: BufWriter::with_capacity(BUFFER, io::stdout()), error: None }
    }

    /// Writes text.
    pub fn write(&mut self, text: &str) {
        let result = match self.colour {
            true => self.to.write_all(text.as_bytes()),
            false => write!(self.to, "{}", strip_str(text)),
        };
        self.error = self.error.take().or(result.err());
    }

    /// Sends everything on its way.
    pub fn send(&mut self) {
        let sent = self.to.flush();
        self.error = self.error.take().or(sent.err());
    }

    /// Sends everything on its way, and gives the first error so far.
    pub fn flush(&mut self) -> io::Result<()> {
        self.send();
        self.error.take().map_or(Ok(()), Err)
    }

    /// Whether people see it come.
    pub fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// The width of the terminal in columns; `None` behind a pipe, where nothing is cut off.
    pub fn width() -> Option<usize> {
        if !Self::is_terminal() {
            return None;
        }
        terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
    }
}

/// Prints text on standard output.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = Out::new();
    out.write(text);
    out.flush()
}

/// Prints one JSON value on standard output.
pub fn print_json(value: &Value) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Prints text on standard error.
pub fn print_error(text: &str) -> io::Result<()> {
    anstream::stderr().write_all(text.as_bytes())
}
