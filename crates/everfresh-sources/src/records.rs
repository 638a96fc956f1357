//! The records of CSV and TSV text, as RFC 4180 has them.
//!
//! Lines end in `\n`, `\r\n` or `\r`; empty ones are passed over. A field that begins with `"` goes on to its closing
//! quote, over delimiters and line ends, with `""` for a quote; a quote elsewhere in a field is a plain character. What
//! cannot be told apart is an error and not a guess: a quote that is never closed, and text after a closing quote.

use crate::{
    Place, SourceError,
    compression::{Input, open_text},
};
use memchr::{memchr, memchr_iter, memchr3};
use std::{
    io::Read,
    path::{Path, PathBuf},
};

const FIRST_BUFFER: usize = 256 * 1024;

/// One record's fields, unquoted. Reused from record to record.
#[derive(Default)]
pub(crate) struct Record {
    text: Vec<u8>,
    ends: Vec<usize>,
    line: u64,
}

impl Record {
    /// The number of fields; an empty record has none.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The line that it begins on; the first is 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// A field, empty where there is none.
    pub(crate) fn field(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(index).and_then(|end| self.text.get(start..*end)).unwrap_or_default()
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.field(index))
    }

    fn end_field(&mut self) {
        self.ends.push(self.text.len());
    }
}

/// Reads records one after the other, with memory for one of them.
pub(crate) struct Records {
    path: PathBuf,
    input: Input,
    delimiter: u8,
    buffer: Vec<u8>,
    /// What is read and not yet parsed is `buffer[start..end]`.
    start: usize,
    end: usize,
    finished: bool,
    line: u64,
}

enum Parsed {
    Record { bytes: usize, lines: u64 },
    More,
    End,
}

enum Problem {
    Unclosed,
    AfterQuote,
}

impl Records {
    pub(crate) fn open(path: &Path, delimiter: u8) -> Result<Self, SourceError> {
        Ok(Self {
            path: path.to_owned(),
            input: open_text(path)?,
            delimiter,
            buffer: vec![0; FIRST_BUFFER],
            start: 0,
            end: 0,
            finished: false,
            line: 1,
        })
    }

    /// Reads the next record; `false` at the end.
    pub(crate) fn next(&mut self, record: &mut Record) -> Result<bool, SourceError> {
        loop {
            let rest = self.buffer.get(self.start..self.end).unwrap_or_default();
            record.line = self.line;
            match parse(rest, self.finished, self.delimiter, record) {
                Ok(Parsed::Record { bytes, lines }) => {
                    self.start += bytes;
                    self.line += lines;
                    return Ok(true);
                }
                Ok(Parsed::End) => return Ok(false),
                Ok(Parsed::More) => self.fill()?,
                Err(problem) => {
                    let message = match problem {
                        Problem::Unclosed => "a quoted field that begins in this row is never closed",
                        Problem::AfterQuote => {
                            "there is text after a field's closing quote; write a quote within a quoted field twice"
                        }
                    };
                    return Err(SourceError::malformed(&self.path, Place::Line(record.line), message));
                }
            }
        }
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

/// Parses one record from the front of `text`; `last` says that nothing follows it. `record.line` is moved over the
/// empty lines that come first.
fn parse(text: &[u8], last: bool, delimiter: u8, record: &mut Record) -> Result<Parsed, Problem> {
    record.text.clear();
    record.ends.clear();
    let mut at = 0;
    let mut lines = 0;
    while let Some(b'\r' | b'\n') = text.get(at) {
        let Some(bytes) = line_end(text, at, last) else { return Ok(Parsed::More) };
        at += bytes;
        lines += 1;
    }
    record.line += lines;
    if at == text.len() {
        return Ok(if last { Parsed::End } else { Parsed::More });
    }
    loop {
        if text.get(at) == Some(&b'"') {
            at += 1;
            loop {
                let rest = text.get(at..).unwrap_or_default();
                let Some(length) = memchr(b'"', rest) else {
                    return if last { Err(Problem::Unclosed) } else { Ok(Parsed::More) };
                };
                let piece = rest.get(..length).unwrap_or_default();
                record.text.extend_from_slice(piece);
                lines += memchr_iter(b'\n', piece).count() as u64;
                at += length + 1;
                match text.get(at) {
                    Some(b'"') => {
                        record.text.push(b'"');
                        at += 1;
                    }
                    None if !last => return Ok(Parsed::More),
                    _ => break,
                }
            }
        } else {
            let rest = text.get(at..).unwrap_or_default();
            let length = match memchr3(delimiter, b'\n', b'\r', rest) {
                Some(length) => length,
                None if last => rest.len(),
                None => return Ok(Parsed::More),
            };
            record.text.extend_from_slice(rest.get(..length).unwrap_or_default());
            at += length;
        }
        record.end_field();
        match text.get(at) {
            // Only where `last`: else more was asked for above.
            None => return Ok(Parsed::Record { bytes: at, lines }),
            Some(byte) if *byte == delimiter => at += 1,
            Some(b'\r' | b'\n') => {
                let Some(bytes) = line_end(text, at, last) else { return Ok(Parsed::More) };
                return Ok(Parsed::Record { bytes: at + bytes, lines: lines + 1 });
            }
            Some(_) => return Err(Problem::AfterQuote),
        }
    }
}

/// The length of the line end at `at`; `None` if that takes the byte that is yet to come.
fn line_end(text: &[u8], at: usize, last: bool) -> Option<usize> {
    match (text.get(at), text.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Some(2),
        (Some(b'\r'), None) if !last => None,
        _ => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives its bytes in pieces of the given sizes, over and over.
    struct Pieces(Vec<u8>, usize, Vec<usize>, usize);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let size = self.2[self.3 % self.2.len()].min(buffer.len()).min(self.0.len() - self.1);
            buffer[..size].copy_from_slice(&self.0[self.1..self.1 + size]);
            (self.1, self.3) = (self.1 + size, self.3 + 1);
            Ok(size)
        }
    }

    fn records(text: &str, pieces: Vec<usize>) -> Result<Vec<(u64, Vec<String>)>, SourceError> {
        let input = Box::new(Pieces(text.as_bytes().to_vec(), 0, pieces, 0));
        let (path, buffer) = (PathBuf::from("f.csv"), vec![0; 4]);
        let mut records = Records { path, input, delimiter: b',', buffer, start: 0, end: 0, finished: false, line: 1 };
        let (mut record, mut all) = (Record::default(), Vec::new());
        while records.next(&mut record)? {
            let fields = record.fields().map(|field| String::from_utf8(field.to_vec()).unwrap()).collect();
            all.push((record.line(), fields));
        }
        Ok(all)
    }

    fn row(line: u64, fields: &[&str]) -> (u64, Vec<String>) {
        (line, fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[test]
    fn quotes_hold_delimiters_line_ends_and_quotes() {
        let text = "a,b\r\n\"x,\n\"\"y\"\"\",\"\"\n\n1,\"2\"\r3,4";
        let expected = [row(1, &["a", "b"]), row(2, &["x,\n\"y\"", ""]), row(5, &["1", "2"]), row(6, &["3", "4"])];
        for size in 1..9 {
            assert_eq!(records(text, vec![size]).unwrap(), expected);
        }
    }

    #[test]
    fn a_delimiter_at_the_end_begins_an_empty_field_and_a_line_end_no_record() {
        assert_eq!(records("a,\n,", vec![3]).unwrap(), [row(1, &["a", ""]), row(2, &["", ""])]);
        assert_eq!(records("\n\r\n", vec![1]).unwrap(), []);
        assert_eq!(records("\"\"\n", vec![1]).unwrap(), [row(1, &[""])]);
        assert_eq!(records("5\" pipe,b\n", vec![2]).unwrap(), [row(1, &["5\" pipe", "b"])]);
    }

    #[test]
    fn what_cannot_be_told_apart_is_an_error_with_its_line() {
        let error = records("a\n\n\"b\nc", vec![2]).unwrap_err().to_string();
        assert_eq!(error, "`f.csv`, line 3: a quoted field that begins in this row is never closed");
        let error = records("a\n\"b\"c\n", vec![2]).unwrap_err().to_string();
        assert!(error.starts_with("`f.csv`, line 2: there is text after"), "{error}");
    }

    proptest! {
        #[test]
        fn any_table_is_read_back_however_the_bytes_come(
            rows in prop::collection::vec(prop::collection::vec("[a\",\n\r ]{0,6}", 2..4), 0..8),
            pieces in prop::collection::vec(1_usize..7, 1..5),
        ) {
            let mut text = String::new();
            for row in &rows {
                let quoted: Vec<_> = row.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
                text += &(quoted.join(",") + "\n");
            }
            let read: Vec<_> = records(&text, pieces).unwrap().into_iter().map(|(_, fields)| fields).collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn any_text_is_read_the_same_however_it_comes(text in "[a\",\n\r]{0,20}", pieces in prop::collection::vec(1_usize..7, 1..5)) {
            let whole = records(&text, vec![usize::MAX]).map_err(|error| error.to_string());
            prop_assert_eq!(records(&text, pieces).map_err(|error| error.to_string()), whole);
        }
    }
}
