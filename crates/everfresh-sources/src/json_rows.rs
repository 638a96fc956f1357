//! The rows of JSON text: where each object begins and ends, without decoding it.
//!
//! A `json` file is one array of objects, or one object, which is a single row; an `ndjson` file has one object a line,
//! and empty lines are passed over. Memory holds one row at a time, however large the array is. What is between an
//! object's braces is not looked at here but for strings and nesting: decoding it tells whether it is JSON.

use crate::{
    Format, Place, SourceError,
    compression::{Input, open_text},
};
use memchr::{memchr, memchr_iter, memchr2};
use std::{
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
};

const FIRST_BUFFER: usize = 256 * 1024;

/// The text of one row.
pub(crate) struct JsonRow<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) place: Place,
}

/// Finds rows one after the other.
pub(crate) struct JsonRows {
    path: PathBuf,
    input: Input,
    state: State,
    buffer: Vec<u8>,
    /// What is read and not yet taken is `buffer[start..end]`.
    start: usize,
    end: usize,
    finished: bool,
    line: u64,
    rows: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Lines,
    /// At the beginning of a document.
    Document,
    /// Behind `[`.
    Opened,
    /// Behind an element of the array.
    Element,
    /// Behind `,`.
    Comma,
    /// Behind the array.
    Closed,
    /// Behind a single object.
    Single,
}

impl JsonRows {
    pub(crate) fn open(path: &Path, format: Format) -> Result<Self, SourceError> {
        let state = if format == Format::Ndjson { State::Lines } else { State::Document };
        Ok(Self {
            path: path.to_owned(),
            input: open_text(path)?,
            state,
            buffer: vec![0; FIRST_BUFFER],
            start: 0,
            end: 0,
            finished: false,
            line: 1,
            rows: 0,
        })
    }

    /// The next row; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<JsonRow<'_>>, SourceError> {
        let found = if self.state == State::Lines { self.next_line()? } else { self.next_element()? };
        let Some((range, line)) = found else { return Ok(None) };
        self.rows += 1;
        let place = self.place(self.rows, line);
        let text = self.buffer.get(range).unwrap_or_default();
        if !text.starts_with(b"{") {
            return Err(SourceError::malformed(&self.path, place, "the row is not an object (`{…}`)"));
        }
        Ok(Some(JsonRow { text, place }))
    }

    fn place(&self, row: u64, line: u64) -> Place {
        if self.state == State::Lines { Place::Line(line) } else { Place::RowOnLine(row, line) }
    }

    /// The next line that is not empty, without the space around it, and its number.
    fn next_line(&mut self) -> Result<Option<(Range<usize>, u64)>, SourceError> {
        loop {
            let rest = self.rest();
            let (length, taken) = match memchr(b'\n', rest) {
                Some(length) => (length, length + 1),
                None if self.finished && rest.is_empty() => return Ok(None),
                None if self.finished => (rest.len(), rest.len()),
                None => {
                    self.fill()?;
                    continue;
                }
            };
            let line = rest.get(..length).unwrap_or_default();
            let before = line.len() - line.trim_ascii_start().len();
            let trimmed = line.trim_ascii().len();
            let range = self.start + before..self.start + before + trimmed;
            let number = self.line;
            self.start += taken;
            self.line += 1;
            if trimmed > 0 {
                return Ok(Some((range, number)));
            }
        }
    }

    /// The next object of a document, and the line that it begins on.
    fn next_element(&mut self) -> Result<Option<(Range<usize>, u64)>, SourceError> {
        loop {
            let next = self.next_byte()?;
            self.state = match (self.state, next) {
                (State::Document, Some(b'[')) => State::Opened,
                (State::Opened | State::Element, Some(b']')) => State::Closed,
                (State::Element, Some(b',')) => State::Comma,
                (State::Document, Some(b'{')) => return self.element(State::Single).map(Some),
                (State::Opened | State::Comma, Some(b'{')) => return self.element(State::Element).map(Some),
                (State::Closed | State::Single, None) => return Ok(None),
                (state, next) => return Err(self.unexpected(state, next)),
            };
            self.start += 1;
        }
    }

    fn unexpected(&self, state: State, next: Option<u8>) -> SourceError {
        let next = match next {
            Some(byte) if byte.is_ascii_graphic() => format!("`{}`", char::from(byte)),
            Some(_) => "something else".to_owned(),
            None => "the end of the file".to_owned(),
        };
        let message = match state {
            State::Opened | State::Comma => {
                format!("row {} is not an object (`{{…}}`) but begins with {next}", self.rows + 1)
            }
            State::Element => format!("after row {} there is {next} where `,` or `]` must be", self.rows),
            State::Single if next == "`{`" => {
                "a second object follows the first; for one object a line, say `format: ndjson`".to_owned()
            }
            State::Single | State::Closed => format!("{next} follows the end of the document"),
            State::Document | State::Lines => {
                format!("the file must be an array of objects (`[{{…}}, …]`) or one object, and begins with {next}")
            }
        };
        SourceError::malformed(&self.path, Place::Line(self.line), message)
    }

    /// Takes the object that begins at the next byte.
    fn element(&mut self, after: State) -> Result<(Range<usize>, u64), SourceError> {
        let mut scan = Scan::default();
        loop {
            let rest = self.rest();
            if let Some(length) = scan.end(rest) {
                let lines = memchr_iter(b'\n', rest.get(..length).unwrap_or_default()).count() as u64;
                let range = self.start..self.start + length;
                let line = self.line;
                self.start += length;
                self.line += lines;
                self.state = after;
                return Ok((range, line));
            }
            if self.finished {
                let message = "the file ends within this row; it seems to be cut off";
                return Err(SourceError::malformed(&self.path, self.place(self.rows + 1, self.line), message));
            }
            self.fill()?;
        }
    }

    /// Skips space, and gives the byte behind it.
    fn next_byte(&mut self) -> Result<Option<u8>, SourceError> {
        loop {
            let rest = self.rest();
            let space = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
            let lines = memchr_iter(b'\n', rest.get(..space).unwrap_or_default()).count() as u64;
            let next = rest.get(space).copied();
            self.start += space;
            self.line += lines;
            if next.is_some() || self.finished {
                return Ok(next);
            }
            self.fill()?;
        }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn fill(&mut self) -> Result<(), SourceError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        let read = loop {
            match self.input.read(free) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other.map_err(SourceError::io(&self.path))?,
            }
        };
        self.end += read;
        self.finished = read == 0;
        Ok(())
    }
}

/// Where an object ends, over several looks at ever more of it.
#[derive(Default)]
struct Scan {
    at: usize,
    depth: usize,
    in_string: bool,
}

impl Scan {
    /// The object's length, if `text` has its end.
    fn end(&mut self, text: &[u8]) -> Option<usize> {
        while let Some(rest) = text.get(self.at..).filter(|rest| !rest.is_empty()) {
            if self.in_string {
                let found = memchr2(b'"', b'\\', rest);
                let Some(offset) = found else {
                    self.at = text.len();
                    return None;
                };
                if rest.get(offset) == Some(&b'\\') {
                    if rest.len() < offset + 2 {
                        self.at += offset;
                        return None;
                    }
                    self.at += offset + 2;
                } else {
                    self.in_string = false;
                    self.at += offset + 1;
                }
                continue;
            }
            let skipped = rest.iter().take_while(|byte| !matches!(byte, b'{' | b'}' | b'[' | b']' | b'"')).count();
            self.at += skipped;
            match rest.get(skipped) {
                Some(b'{' | b'[') => self.depth += 1,
                Some(b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(self.at + 1);
                    }
                }
                Some(_) => self.in_string = true,
                None => return None,
            }
            self.at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// Rows with the buffer so small that every boundary is met.
    fn rows(text: &str, format: Format, buffer: usize) -> Result<Vec<(String, Place)>, SourceError> {
        let state = if format == Format::Ndjson { State::Lines } else { State::Document };
        let input: Input = Box::new(Cursor::new(text.as_bytes().to_vec()));
        let (path, buffer) = (PathBuf::from("f"), vec![0; buffer]);
        let mut rows = JsonRows { path, input, state, buffer, start: 0, end: 0, finished: false, line: 1, rows: 0 };
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push((String::from_utf8(row.text.to_vec()).unwrap(), row.place));
        }
        Ok(all)
    }

    #[test]
    fn an_array_is_cut_into_its_objects() {
        let text = "\n [ {\"a\": \"}\\\\\\\"]\"},\n{\"b\":[{},{\"c\":\n1}]} ,{} ]\n";
        let expected = [
            ("{\"a\": \"}\\\\\\\"]\"}".to_owned(), Place::RowOnLine(1, 2)),
            ("{\"b\":[{},{\"c\":\n1}]}".to_owned(), Place::RowOnLine(2, 3)),
            ("{}".to_owned(), Place::RowOnLine(3, 4)),
        ];
        for buffer in 1..20 {
            assert_eq!(rows(text, Format::Json, buffer).unwrap(), expected);
        }
    }

    #[test]
    fn a_single_object_is_one_row_and_an_empty_array_none() {
        assert_eq!(rows(" {\"a\":1} ", Format::Json, 1).unwrap().len(), 1);
        assert_eq!(rows("[]", Format::Json, 1).unwrap(), []);
    }

    #[test]
    fn lines_are_rows_and_empty_ones_are_not() {
        let expected = [("{\"a\":1}".to_owned(), Place::Line(2)), ("{}".to_owned(), Place::Line(4))];
        for buffer in 1..12 {
            assert_eq!(rows("\n {\"a\":1}\r\n\t\n{}", Format::Ndjson, buffer).unwrap(), expected);
        }
        assert_eq!(rows("", Format::Ndjson, 1).unwrap(), []);
    }

    #[test]
    fn a_broken_document_is_told_with_its_place() {
        for (text, message) in [
            (
                "",
                "line 1: the file must be an array of objects (`[{…}, …]`) or one object, and begins with the end of the file",
            ),
            ("\n7", "line 2: the file must be an array of objects (`[{…}, …]`) or one object, and begins with `7`"),
            ("[{},\n1]", "line 2: row 2 is not an object (`{…}`) but begins with `1`"),
            ("[{},]", "line 1: row 2 is not an object (`{…}`) but begins with `]`"),
            ("[{} {}]", "line 1: after row 1 there is `{` where `,` or `]` must be"),
            ("[{}", "line 1: after row 1 there is the end of the file where `,` or `]` must be"),
            ("[{},\n{\"a\":", "row 2 (line 2): the file ends within this row; it seems to be cut off"),
            ("{}\n{}", "line 2: a second object follows the first; for one object a line, say `format: ndjson`"),
            ("[] x", "line 1: `x` follows the end of the document"),
        ] {
            assert_eq!(rows(text, Format::Json, 2).unwrap_err().to_string(), format!("`f`, {message}"));
        }
        let error = rows("{}\n[1]", Format::Ndjson, 2).unwrap_err().to_string();
        assert_eq!(error, "`f`, line 2: the row is not an object (`{…}`)");
    }
}
