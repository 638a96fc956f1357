//! Columns of one type, made of values that each have their own.

use arrow::{
    array::{ArrayRef, BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder},
    datatypes::DataType,
};
use rusqlite::{Statement, types::ValueRef};
use std::sync::Arc;

/// The types of the values of one column, as far as they were seen.
pub(super) struct Evidence {
    declared: Option<String>,
    /// All integers are 0 or 1.
    boolean: bool,
    integer: bool,
    real: bool,
    text: bool,
    blob: bool,
}

impl Evidence {
    pub fn new(declared: Option<&str>) -> Self {
        let declared = declared.map(str::to_ascii_uppercase);
        Self { declared, boolean: true, integer: false, real: false, text: false, blob: false }
    }

    pub fn see(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => {}
            ValueRef::Integer(value) => {
                self.integer = true;
                self.boolean &= matches!(value, 0 | 1);
            }
            ValueRef::Real(_) => self.real = true,
            ValueRef::Text(_) => self.text = true,
            ValueRef::Blob(_) => self.blob = true,
        }
    }

    /// The one type that holds all values that were seen.
    pub fn data_type(&self) -> DataType {
        match self {
            Self { text: true, .. } => DataType::Utf8,
            Self { blob: true, .. } => DataType::Binary,
            Self { real: true, .. } => DataType::Float64,
            Self { integer: true, .. } if self.boolean && self.is_declared("BOOL") => DataType::Boolean,
            Self { integer: true, .. } => DataType::Int64,
            _ => self.declared_type(),
        }
    }

    fn is_declared(&self, part: &str) -> bool {
        self.declared.as_ref().is_some_and(|declared| declared.contains(part))
    }

    /// SQLite's rules of affinity, but for dates, which programs store as texts, and what has no type at all.
    fn declared_type(&self) -> DataType {
        let any = |parts: &[&str]| parts.iter().any(|part| self.is_declared(part));
        if self.declared.is_none() {
            DataType::Utf8
        } else if any(&["INT"]) {
            DataType::Int64
        } else if any(&["CHAR", "CLOB", "TEXT", "DATE", "TIME"]) {
            DataType::Utf8
        } else if any(&["BLOB"]) {
            DataType::Binary
        } else if any(&["BOOL"]) {
            DataType::Boolean
        } else {
            DataType::Float64
        }
    }
}

/// A value that its column cannot hold.
#[derive(Debug, thiserror::Error)]
pub(super) enum Misfit {
    #[error("the text is not UTF-8; select `CAST(column AS BLOB)` to read the bytes")]
    NotUtf8,
    #[error("the query gives other values when it is asked twice")]
    Unrepeatable,
    #[error("cannot cast the value: {0}")]
    Cast(rusqlite::Error),
}

pub(super) enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Real(Float64Builder),
    Text(StringBuilder),
    Blob(BinaryBuilder),
}

impl ColumnBuilder {
    /// For one of the types that [`Evidence`] gives.
    pub fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int64 => Self::Integer(Int64Builder::new()),
            DataType::Float64 => Self::Real(Float64Builder::new()),
            DataType::Binary => Self::Blob(BinaryBuilder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Adds a value, converted as SQLite's own casts do, which the two statements are; says how many bytes it takes.
    pub fn append(
        &mut self,
        value: ValueRef<'_>,
        cast_text: &mut Statement<'_>,
        cast_blob: &mut Statement<'_>,
    ) -> Result<usize, Misfit> {
        match (self, value) {
            (Self::Boolean(builder), ValueRef::Null) => builder.append_null(),
            (Self::Integer(builder), ValueRef::Null) => builder.append_null(),
            (Self::Real(builder), ValueRef::Null) => builder.append_null(),
            (Self::Text(builder), ValueRef::Null) => builder.append_null(),
            (Self::Blob(builder), ValueRef::Null) => builder.append_null(),
            (Self::Boolean(builder), ValueRef::Integer(value @ (0 | 1))) => builder.append_value(value == 1),
            (Self::Integer(builder), ValueRef::Integer(value)) => builder.append_value(value),
            (Self::Real(builder), ValueRef::Real(value)) => builder.append_value(value),
            (Self::Real(builder), ValueRef::Integer(value)) => builder.append_value(value as f64),
            (Self::Text(builder), ValueRef::Text(value)) => return append_text(builder, value),
            (Self::Text(builder), value) => return cast(cast_text, value, |bytes| append_text(builder, bytes)),
            (Self::Blob(builder), ValueRef::Blob(value)) => {
                builder.append_value(value);
                return Ok(value.len());
            }
            (Self::Blob(builder), value @ (ValueRef::Integer(_) | ValueRef::Real(_))) => {
                return cast(cast_blob, value, |bytes| {
                    builder.append_value(bytes);
                    Ok(bytes.len())
                });
            }
            _ => return Err(Misfit::Unrepeatable),
        }
        Ok(8)
    }

    pub fn finish(self) -> ArrayRef {
        match self {
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Integer(mut builder) => Arc::new(builder.finish()),
            Self::Real(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Blob(mut builder) => Arc::new(builder.finish()),
        }
    }
}

fn append_text(builder: &mut StringBuilder, value: &[u8]) -> Result<usize, Misfit> {
    builder.append_value(std::str::from_utf8(value).map_err(|_| Misfit::NotUtf8)?);
    Ok(value.len())
}

fn cast(
    statement: &mut Statement<'_>,
    value: ValueRef<'_>,
    append: impl FnOnce(&[u8]) -> Result<usize, Misfit>,
) -> Result<usize, Misfit> {
    let mut rows = statement.query([rusqlite::types::ToSqlOutput::Borrowed(value)]).map_err(Misfit::Cast)?;
    let row = rows.next().map_err(Misfit::Cast)?.ok_or(Misfit::Unrepeatable)?;
    match row.get_ref(0).map_err(Misfit::Cast)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => append(bytes),
        _ => Err(Misfit::Unrepeatable),
    }
}
