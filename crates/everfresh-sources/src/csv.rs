//! CSV and TSV files: see [`crate::records`] for the text and [`crate::text_type`] for the types.

use crate::{
    Format, Place, ReadOptions, SourceError,
    batches::Wanted,
    reader::FileBatches,
    records::{Record, Records},
    schema::{duplicate, marked},
    text_column::TextColumn,
    text_type::TextType,
};
use arrow::{
    array::{RecordBatch, new_null_array},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use std::path::{Path, PathBuf};

/// A file with its header read.
struct CsvFile {
    path: PathBuf,
    records: Records,
    record: Record,
    names: Vec<String>,
    /// The record at hand is the first row: there is no header.
    pending: bool,
    header: bool,
    null: Vec<Vec<u8>>,
}

impl CsvFile {
    fn open(path: &Path, options: &ReadOptions, format: Format) -> Result<Self, SourceError> {
        let mut records = Records::open(path, options.delimiter_of(format))?;
        let mut record = Record::default();
        let any = records.next(&mut record)?;
        if !any && options.header {
            let message = "it is empty, not even a header is there; for files without one, say `header: false`";
            return Err(SourceError::damaged(path, format.name(), message));
        }
        let place = Place::Line(record.line());
        let names = if options.header {
            let name = |field: &[u8]| {
                let not_utf8 =
                    |_| SourceError::malformed(path, place, "the header is not UTF-8; convert the file to UTF-8");
                std::str::from_utf8(field).map(str::to_owned).map_err(not_utf8)
            };
            record.fields().map(name).collect::<Result<Vec<_>, _>>()?
        } else {
            (1..=record.len()).map(|number| format!("c{number}")).collect()
        };
        if let Some(name) = duplicate(names.iter().map(String::as_str)) {
            let message = format!("the header names the column `{name}` twice; rename one");
            return Err(SourceError::malformed(path, place, message));
        }
        let null = options.null.iter().map(|text| text.as_bytes().to_vec()).collect();
        let pending = any && !options.header;
        Ok(Self { path: path.to_owned(), records, record, names, pending, header: options.header, null })
    }

    /// Moves on to the next row; `false` at the end.
    fn advance(&mut self) -> Result<bool, SourceError> {
        if std::mem::take(&mut self.pending) {
            return Ok(true);
        }
        if !self.records.next(&mut self.record)? {
            return Ok(false);
        }
        if self.record.len() != self.names.len() {
            let plural = if self.record.len() == 1 { "" } else { "s" };
            let first = if self.header { "the header" } else { "the first row" };
            let message =
                format!("the row has {} field{plural} where {first} has {}", self.record.len(), self.names.len());
            return Err(SourceError::malformed(&self.path, Place::Line(self.record.line()), message));
        }
        Ok(true)
    }

    fn text(&self, column: usize) -> Option<&[u8]> {
        let text = self.record.field(column);
        (!self.null.iter().any(|null| null == text)).then_some(text)
    }

    fn schema(&self) -> Schema {
        Schema::new(self.names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>())
    }
}

pub(crate) fn infer(path: &Path, options: &ReadOptions, format: Format) -> Result<Schema, SourceError> {
    let mut file = CsvFile::open(path, options, format)?;
    let mut types: Vec<(TextType, Option<&DataType>)> =
        file.names.iter().map(|name| (TextType::Null, options.declared(name))).collect();
    while file.advance()? {
        for (column, (text_type, declared)) in types.iter_mut().enumerate() {
            if declared.is_none()
                && *text_type != TextType::Utf8
                && let Some(text) = file.text(column)
            {
                *text_type = text_type.join(TextType::of(text));
            }
        }
    }
    let field = |(name, (text_type, declared)): (&String, (TextType, Option<&DataType>))| {
        Field::new(name, declared.cloned().unwrap_or_else(|| text_type.data_type()), true)
    };
    Ok(marked(file.names.iter().zip(types).map(field).collect(), format))
}

pub(crate) fn row_count(path: &Path, options: &ReadOptions, format: Format) -> Result<u64, SourceError> {
    let mut file = CsvFile::open(path, options, format)?;
    let mut rows = 0;
    while file.advance()? {
        rows += 1;
    }
    Ok(rows)
}

pub(crate) fn read(
    path: &Path,
    options: &ReadOptions,
    format: Format,
    schema: &SchemaRef,
    batch_rows: usize,
) -> Result<FileBatches, SourceError> {
    let file = CsvFile::open(path, options, format)?;
    let wanted = Wanted::of(path, schema, &file.schema());
    let columns = wanted.columns.iter().map(|_| TextColumn::default()).collect();
    let mut batches = CsvBatches { file, wanted, columns, lines: Vec::new(), batch_rows };
    Ok(Box::new(std::iter::from_fn(move || batches.batch().transpose())))
}

struct CsvBatches {
    file: CsvFile,
    wanted: Wanted,
    columns: Vec<TextColumn>,
    /// The line that each row of the batch begins on.
    lines: Vec<u64>,
    batch_rows: usize,
}

impl CsvBatches {
    fn batch(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        self.lines.clear();
        while self.lines.len() < self.batch_rows && self.file.advance()? {
            let line = self.file.record.line();
            self.lines.push(line);
            for (column, index) in self.columns.iter_mut().zip(&self.wanted.columns) {
                if let Some(index) = index
                    && !column.push(self.file.text(*index))
                {
                    let message = "a batch of this column has more than 2 GiB of text";
                    return Err(SourceError::malformed(&self.file.path, Place::Line(line), message));
                }
            }
        }
        let rows = self.lines.len();
        if rows == 0 {
            return Ok(None);
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        for ((column, index), field) in
            self.columns.iter_mut().zip(&self.wanted.columns).zip(self.wanted.schema.fields())
        {
            arrays.push(match index {
                None => new_null_array(field.data_type(), rows),
                Some(_) => column.finish(field.data_type()).map_err(|misfit| {
                    let line = self.lines.get(misfit.row).copied().unwrap_or_default();
                    self.wanted.misfit(field, Place::Line(line), misfit)
                })?,
            });
        }
        self.wanted.batch(arrays, rows).map(Some)
    }
}
