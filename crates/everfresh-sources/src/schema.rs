//! One schema for many files.
//!
//! | types | become |
//! | --- | --- |
//! | null and any type | that type; null alone becomes string |
//! | integers | the narrowest that holds both (an unsigned 64-bit and a signed one have none) |
//! | integer or float, and float | double, but float where both have 32 bits or fewer |
//! | date and timestamp | the timestamp |
//! | timestamps | the finer unit; two zones become UTC; with and without a zone have none |
//! | decimals | one that holds both |
//! | string and large string, binary and large binary | the large one |
//! | lists, structs | the same, by item and by field; a struct that lacks a field has it null |
//! | any two others | string in CSV and TSV, where each value is a text; else they have none |
//!
//! Every field is nullable. Views, dictionaries and run-end encodings are handed out as what they encode.

use crate::{Format, SourceError, type_name};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Metadata of a schema that came from a text file, in which any value can be read as a string.
const TEXT: &str = "everfresh.text";

/// Makes one schema for all files of a table: columns in the order of their first appearance, each with a type that
/// holds the values of every file. The result has no metadata.
///
/// `schemas` must come from [`crate::infer_schema`], which marks those of CSV and TSV.
pub fn unify(schemas: &[(PathBuf, Schema)]) -> Result<SchemaRef, SourceError> {
    struct Column<'a> {
        name: &'a str,
        data_type: DataType,
        file: &'a Path,
    }
    let text = !schemas.is_empty() && schemas.iter().all(|(_, schema)| schema.metadata.contains_key(TEXT));
    let mut columns: Vec<Column<'_>> = Vec::new();
    let mut positions: HashMap<&str, usize> = HashMap::new();
    for (file, schema) in schemas {
        for field in schema.fields() {
            let Some(column) = positions.get(field.name().as_str()).and_then(|position| columns.get_mut(*position))
            else {
                positions.insert(field.name(), columns.len());
                columns.push(Column { name: field.name(), data_type: field.data_type().clone(), file });
                continue;
            };
            match common(&column.data_type, field.data_type(), text) {
                // The file that the type comes from is told where a later one does not fit.
                Some(data_type) if data_type == column.data_type => {}
                Some(data_type) => (column.data_type, column.file) = (data_type, file),
                None => {
                    return Err(SourceError::Types {
                        column: field.name().clone(),
                        first: column.file.to_owned(),
                        first_type: type_name(&column.data_type).into(),
                        second: file.clone(),
                        second_type: type_name(field.data_type()).into(),
                    });
                }
            }
        }
    }
    let fields: Vec<Field> =
        columns.into_iter().map(|column| Field::new(column.name, without_null(&column.data_type), true)).collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// Marks the schema of a text file.
pub(crate) fn marked(fields: Vec<Field>, format: Format) -> Schema {
    let text = matches!(format, Format::Csv | Format::Tsv);
    let metadata = text.then(|| (TEXT.to_owned(), "true".to_owned())).into_iter().collect();
    Schema::new_with_metadata(fields, metadata)
}

/// The narrowest type that holds the values of both.
fn common(one: &DataType, other: &DataType, text: bool) -> Option<DataType> {
    use DataType as T;
    if one == other {
        return Some(one.clone());
    }
    match (one, other) {
        (T::Null, other) | (other, T::Null) => Some(other.clone()),
        (T::LargeUtf8, T::Utf8) | (T::Utf8, T::LargeUtf8) => Some(T::LargeUtf8),
        (T::LargeBinary, T::Binary) | (T::Binary, T::LargeBinary) => Some(T::LargeBinary),
        (one, other) if one.is_integer() && other.is_integer() => integers(one, other),
        (T::Float16 | T::Float32, T::Float16 | T::Float32) => Some(T::Float32),
        (one, other) if (one.is_floating() || other.is_floating()) && number(one) && number(other) => Some(T::Float64),
        (T::Date32, T::Date64) | (T::Date64, T::Date32) => Some(T::Date64),
        (T::Date32 | T::Date64, T::Timestamp(unit, None)) | (T::Timestamp(unit, None), T::Date32 | T::Date64) => {
            Some(T::Timestamp(*unit, None))
        }
        (T::Timestamp(one, None), T::Timestamp(other, None)) => Some(T::Timestamp(finer(*one, *other), None)),
        (T::Timestamp(one, Some(zone)), T::Timestamp(other, Some(other_zone))) => {
            let zone = if zone == other_zone { zone.clone() } else { "UTC".into() };
            Some(T::Timestamp(finer(*one, *other), Some(zone)))
        }
        (T::Decimal128(p, s) | T::Decimal256(p, s), T::Decimal128(q, t) | T::Decimal256(q, t)) => {
            let scale = *s.max(t);
            let whole = (i16::from(*p) - i16::from(*s)).max(i16::from(*q) - i16::from(*t));
            let precision = u8::try_from(whole + i16::from(scale)).ok()?;
            match precision {
                1..=38 => Some(T::Decimal128(precision, scale)),
                39..=76 => Some(T::Decimal256(precision, scale)),
                _ => None,
            }
        }
        (T::List(one), T::List(other)) => item(one, other, text).map(T::List),
        (T::List(one) | T::LargeList(one), T::List(other) | T::LargeList(other)) => {
            item(one, other, text).map(T::LargeList)
        }
        (T::Struct(one), T::Struct(other)) => structs(one, other, text).map(T::Struct),
        _ => text.then_some(T::Utf8),
    }
}

fn number(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_floating()
}

fn integers(one: &DataType, other: &DataType) -> Option<DataType> {
    let width = |data_type: &DataType| data_type.primitive_width().unwrap_or(8);
    let signed = match (one.is_signed_integer(), other.is_signed_integer()) {
        (true, true) | (false, false) => return Some(if width(one) < width(other) { other } else { one }.clone()),
        // An unsigned integer needs a signed one that is twice as wide.
        (true, false) => width(one).max(2 * width(other)),
        (false, true) => width(other).max(2 * width(one)),
    };
    match signed {
        2 => Some(DataType::Int16),
        4 => Some(DataType::Int32),
        8 => Some(DataType::Int64),
        _ => None,
    }
}

fn finer(one: TimeUnit, other: TimeUnit) -> TimeUnit {
    one.max(other)
}

fn item(one: &FieldRef, other: &FieldRef, text: bool) -> Option<FieldRef> {
    Some(Arc::new(Field::new(one.name(), common(one.data_type(), other.data_type(), text)?, true)))
}

fn structs(one: &Fields, other: &Fields, text: bool) -> Option<Fields> {
    let mut fields: Vec<FieldRef> = one.iter().cloned().collect();
    for field in other {
        match fields.iter_mut().find(|known| known.name() == field.name()) {
            Some(known) => {
                *known = Arc::new(Field::new(field.name(), common(known.data_type(), field.data_type(), text)?, true));
            }
            None => fields.push(field.clone()),
        }
    }
    Some(fields.into())
}

/// Null as string, at every depth: a type that every engine and every sink takes.
fn without_null(data_type: &DataType) -> DataType {
    mapped(data_type, &|data_type| match data_type {
        DataType::Null => DataType::Utf8,
        other => other.clone(),
    })
}

/// What is handed out of a file's own type: encodings resolved, and every nested field nullable.
pub(crate) fn plain(data_type: &DataType) -> DataType {
    mapped(data_type, &|data_type| match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, value) => plain(value),
        DataType::RunEndEncoded(_, value) => plain(value.data_type()),
        other => other.clone(),
    })
}

fn mapped(data_type: &DataType, leaf: &dyn Fn(&DataType) -> DataType) -> DataType {
    let nested =
        |field: &FieldRef| -> FieldRef { Arc::new(Field::new(field.name(), mapped(field.data_type(), leaf), true)) };
    match data_type {
        DataType::List(item) => DataType::List(nested(item)),
        DataType::LargeList(item) => DataType::LargeList(nested(item)),
        DataType::ListView(item) => DataType::List(nested(item)),
        DataType::LargeListView(item) => DataType::LargeList(nested(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(nested(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(nested).collect()),
        other => leaf(other),
    }
}

/// A file's schema as it is handed out: declared types in place, encodings resolved, every field nullable.
pub(crate) fn handed_out(schema: &Schema, options: &crate::ReadOptions, format: Format) -> Schema {
    let field = |field: &FieldRef| {
        let data_type = options.declared(field.name()).cloned().unwrap_or_else(|| plain(field.data_type()));
        Field::new(field.name(), data_type, true)
    };
    marked(schema.fields().iter().map(field).collect(), format)
}

/// The first name that stands twice in a header.
pub(crate) fn duplicate<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType as T;

    fn unified(text: bool, types: &[DataType]) -> Result<DataType, SourceError> {
        let format = if text { Format::Csv } else { Format::Parquet };
        let schemas: Vec<_> = types
            .iter()
            .enumerate()
            .map(|(index, data_type)| {
                let field = Field::new("x", data_type.clone(), true);
                (PathBuf::from(format!("f{index}")), marked(vec![field], format))
            })
            .collect();
        Ok(unify(&schemas)?.field(0).data_type().clone())
    }

    #[test]
    fn columns_come_in_the_order_of_their_first_appearance_and_are_nullable() {
        let field = |name: &str| Field::new(name, T::Int64, false);
        let schemas = [
            (PathBuf::from("one"), marked(vec![field("a"), field("b")], Format::Csv)),
            (PathBuf::from("two"), marked(vec![field("c"), field("a")], Format::Csv)),
        ];
        let schema = unify(&schemas).unwrap();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(schema.fields().iter().all(|field| field.is_nullable()) && schema.metadata.is_empty());
    }

    #[test]
    fn types_meet_in_the_narrowest_that_holds_both() {
        let us = |zone: Option<&str>| T::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        let ms = |zone: Option<&str>| T::Timestamp(TimeUnit::Millisecond, zone.map(Into::into));
        for (one, other, both) in [
            (T::Null, T::Int64, T::Int64),
            (T::Null, T::Null, T::Utf8),
            (T::Int8, T::Int32, T::Int32),
            (T::UInt8, T::Int8, T::Int16),
            (T::UInt32, T::Int8, T::Int64),
            (T::UInt32, T::UInt64, T::UInt64),
            (T::Int64, T::Float64, T::Float64),
            (T::Int8, T::Float32, T::Float64),
            (T::Float16, T::Float32, T::Float32),
            (T::Date32, us(None), us(None)),
            (us(None), ms(None), us(None)),
            (us(Some("UTC")), ms(Some("Europe/Vienna")), us(Some("UTC"))),
            (T::Decimal128(5, 2), T::Decimal128(10, 0), T::Decimal128(12, 2)),
            (T::Decimal128(38, 0), T::Decimal128(4, 4), T::Decimal256(42, 4)),
            (T::Utf8, T::LargeUtf8, T::LargeUtf8),
        ] {
            assert_eq!(unified(false, &[one.clone(), other.clone()]).unwrap(), both, "{one} and {other}");
            assert_eq!(unified(false, &[other.clone(), one.clone()]).unwrap(), both, "{other} and {one}");
        }
    }

    #[test]
    fn types_without_a_common_one_are_an_error_that_names_files_column_and_types() {
        let error = unified(false, &[T::Null, T::Int64, T::Utf8]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "column `x` is bigint in `f1` but string in `f2`; declare its type: `columns: { x: … }`"
        );
        assert!(unified(false, &[T::UInt64, T::Int64]).is_err());
        assert!(unified(false, &[T::Boolean, T::Int64]).is_err());
    }

    #[test]
    fn in_text_files_everything_can_be_a_string() {
        assert_eq!(unified(true, &[T::Int64, T::Utf8]).unwrap(), T::Utf8);
        assert_eq!(unified(true, &[T::Boolean, T::Int64]).unwrap(), T::Utf8);
        assert_eq!(unified(true, &[T::Int64, T::Float64]).unwrap(), T::Float64);
    }

    #[test]
    fn nested_types_meet_by_item_and_by_field() {
        let list = |item| T::List(Arc::new(Field::new("item", item, true)));
        let object = |fields: Vec<(&str, DataType)>| {
            T::Struct(fields.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect())
        };
        let one = list(object(vec![("a", T::Int64), ("b", T::Null)]));
        let other = list(object(vec![("c", T::Utf8), ("a", T::Float64)]));
        let both = list(object(vec![("a", T::Float64), ("b", T::Utf8), ("c", T::Utf8)]));
        assert_eq!(unified(false, &[one, other]).unwrap(), both);
    }
}
