//! A column of texts, and what it is as another type.
//!
//! Reading a text as a type must lose nothing: a fraction for a bigint, a third decimal place for `decimal(10,2)`, a
//! time of day for a date and nanoseconds for a timestamp in microseconds are values that do not fit. Floats take the
//! nearest value.

use crate::error::shown;
use arrow::{
    array::{Array, ArrayRef, StringArray, new_null_array},
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::{CastOptions, can_cast_types, cast_with_options},
    datatypes::{DataType, TimeUnit},
};
use std::sync::Arc;

/// A value that does not fit a type.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// Its row in the array.
    pub(crate) row: usize,
    /// The value, for people.
    pub(crate) value: String,
}

/// Collects the texts of one column of one batch.
#[derive(Default)]
pub(crate) struct TextColumn {
    text: Vec<u8>,
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl TextColumn {
    /// Adds a text, or a null. `false` if the column has become too long for one batch.
    pub(crate) fn push(&mut self, text: Option<&[u8]>) -> bool {
        self.text.extend_from_slice(text.unwrap_or_default());
        self.valid.push(text.is_some());
        let end = i32::try_from(self.text.len());
        self.ends.push(end.unwrap_or(i32::MAX));
        end.is_ok()
    }

    /// Takes the texts out, as an array of the given type.
    pub(crate) fn finish(&mut self, data_type: &DataType) -> Result<ArrayRef, Misfit> {
        let taken = std::mem::take(self);
        let mut offsets = Vec::with_capacity(taken.ends.len() + 1);
        offsets.push(0);
        offsets.extend_from_slice(&taken.ends);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let nulls = Some(NullBuffer::from(taken.valid)).filter(|nulls| nulls.null_count() > 0);
        let all = Buffer::from_vec(taken.text);
        match StringArray::try_new(offsets.clone(), all.clone(), nulls) {
            Ok(texts) => cast_text(&texts, data_type),
            // Fields are cut at delimiters, so one of them by itself is not UTF-8.
            Err(_) => {
                let field = |pair: &[i32]| match pair {
                    [start, end] => all.get(usize::try_from(*start).ok()?..usize::try_from(*end).ok()?),
                    _ => None,
                };
                let bad = |text: Option<&[u8]>| text.is_none_or(|text| std::str::from_utf8(text).is_err());
                let row = offsets.windows(2).position(|pair| bad(field(pair))).unwrap_or(0);
                let text = offsets.windows(2).nth(row).and_then(field).unwrap_or_default();
                let value = format!("{}, which is not UTF-8,", shown(&String::from_utf8_lossy(text)));
                Err(Misfit { row, value })
            }
        }
    }
}

/// Texts as another type.
pub(crate) fn cast_text(texts: &StringArray, data_type: &DataType) -> Result<ArrayRef, Misfit> {
    let misfit = |row: usize| Misfit { row, value: shown(texts.value(row)) };
    let first_text = || (0..texts.len()).find(|row| texts.is_valid(*row));
    if data_type == &DataType::Utf8 {
        return Ok(Arc::new(texts.clone()));
    }
    if data_type == &DataType::Null || !can_cast_types(&DataType::Utf8, data_type) {
        return match first_text() {
            Some(row) => Err(misfit(row)),
            None => Ok(new_null_array(data_type, texts.len())),
        };
    }
    let lossless: Option<fn(&str, u32) -> bool> = match data_type {
        DataType::Date32 => Some(|text, _| is_midnight(text)),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            Some(fraction_fits)
        }
        DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_) | DataType::Date64 => Some(fraction_fits),
        _ => None,
    };
    if let Some(lossless) = lossless {
        let places = decimal_places(data_type);
        let lossy = |row: &usize| texts.is_valid(*row) && !lossless(texts.value(*row), places);
        if let Some(row) = (0..texts.len()).find(lossy) {
            return Err(misfit(row));
        }
    }
    let options = CastOptions { safe: true, ..CastOptions::default() };
    match cast_with_options(texts, data_type, &options) {
        Ok(array) if array.null_count() == texts.null_count() => Ok(array),
        Ok(array) => {
            let row = (0..texts.len()).find(|row| texts.is_valid(*row) && array.is_null(*row)).unwrap_or(0);
            Err(misfit(row))
        }
        Err(_) => Err(misfit(first_text().unwrap_or(0))),
    }
}

/// How many digits after the point a type keeps.
fn decimal_places(data_type: &DataType) -> u32 {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => u32::try_from(*scale).unwrap_or(0),
        DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => match unit {
            TimeUnit::Second => 0,
            TimeUnit::Millisecond => 3,
            TimeUnit::Microsecond => 6,
            TimeUnit::Nanosecond => 9,
        },
        DataType::Date64 => 3,
        _ => 0,
    }
}

/// Whether a number or time has no more digits after its point than are kept, zeros at the end not counted.
fn fraction_fits(text: &str, places: u32) -> bool {
    let Some((_, rest)) = text.split_once('.') else { return true };
    let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    let fraction = rest.get(..end).unwrap_or_default().trim_end_matches('0');
    // An exponent moves the point; then the digits say nothing by themselves.
    rest.get(end..).is_some_and(|rest| rest.starts_with(['e', 'E'])) || fraction.len() <= places as usize
}

/// Whether a text that is to be a date has no time of day but midnight.
fn is_midnight(text: &str) -> bool {
    if text.len() <= 10 || text.starts_with(['+', '-']) {
        return true;
    }
    text.get(10..).is_some_and(|time| time.chars().all(|char| matches!(char, 'T' | ' ' | '0' | ':' | '.' | 'Z')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_type;

    fn cast(text: &str, type_name: &str) -> Option<String> {
        let texts = StringArray::from(vec![None, Some(text)]);
        match cast_text(&texts, &parse_type(type_name).unwrap()) {
            Ok(array) => Some(arrow::util::display::array_value_to_string(&array, 1).unwrap()),
            Err(misfit) => {
                assert_eq!((misfit.row, misfit.value), (1, shown(text)));
                None
            }
        }
    }

    #[test]
    fn a_text_fits_a_type_only_if_nothing_is_lost() {
        for (text, type_name, expected) in [
            ("01234", "int", Some("1234")),
            ("2147483648", "int", None),
            ("5.0", "int", None),
            ("abc", "double", None),
            ("1.50", "decimal(10,2)", Some("1.50")),
            ("1.500", "decimal(10,2)", Some("1.50")),
            ("1.505", "decimal(10,2)", None),
            ("123456789.5", "decimal(10,2)", None),
            ("2013-01-31", "date", Some("2013-01-31")),
            ("2013-01-31T00:00:00", "date", Some("2013-01-31")),
            ("2013-01-31T05:00:00", "date", None),
            ("2013-01-31T05:00:00.1234567", "timestamp", None),
            ("2013-01-31T05:00:00.123456789", "timestamp[ns]", Some("2013-01-31T05:00:00.123456789")),
            ("2013-01-31T05:00:00+02:00", "timestamptz", Some("2013-01-31T03:00:00Z")),
            ("9999-01-31", "timestamp[ns]", None),
            ("05:06:07", "time", Some("05:06:07")),
            ("yes", "boolean", Some("true")),
            ("maybe", "boolean", None),
            ("x", "null", None),
            ("x", "duration[s]", None),
            ("x", "large_string", Some("x")),
        ] {
            assert_eq!(cast(text, type_name).as_deref(), expected, "{text} as {type_name}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_row() {
        let mut column = TextColumn::default();
        for field in [Some(&b"ok"[..]), None, Some(b"caf\xe9"), Some(b"\xff")] {
            assert!(column.push(field));
        }
        let misfit = column.finish(&DataType::Utf8).unwrap_err();
        assert_eq!((misfit.row, misfit.value.as_str()), (2, "\"caf\u{fffd}\", which is not UTF-8,"));
    }

    #[test]
    fn a_character_that_two_fields_share_is_no_text() {
        let mut column = TextColumn::default();
        column.push(Some(b"\xc3"));
        column.push(Some(b"\xa9"));
        assert_eq!(column.finish(&DataType::Utf8).unwrap_err().row, 0);
    }
}
