//! Arrays of one type as arrays of another, where nothing may be lost.
//!
//! A value that the wanted type cannot hold is told with its row: a whole number beyond it, a fraction for an integer,
//! an integer that a double cannot hold exactly, a time of day for a date. Doubles may become floats, and floats
//! decimals; both take the nearest value.

use crate::{
    error::shown,
    schema::plain,
    text_column::{Misfit, cast_text},
};
use arrow::{
    array::{Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait, StructArray, new_null_array},
    compute::{CastOptions, can_cast_types, cast_with_options, kernels::cmp::not_distinct},
    datatypes::{DataType, Fields},
    util::display::array_value_to_string,
};
use std::sync::Arc;

/// An array as another type.
pub(crate) fn conform(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, Misfit> {
    match (array.data_type(), data_type) {
        (same, wanted) if same == wanted => Ok(array.clone()),
        (DataType::Struct(_), DataType::Struct(fields)) => structs(array.as_struct(), fields),
        (DataType::List(_), DataType::List(_)) => lists::<i32>(array, data_type),
        (DataType::LargeList(_), DataType::LargeList(_)) => lists::<i64>(array, data_type),
        (stored, wanted) if is_text(stored) && !is_text(wanted) && !wanted.is_nested() => {
            cast_text(cast(array, &DataType::Utf8)?.as_string::<i32>(), wanted)
        }
        (_, wanted) => cast(array, wanted),
    }
}

/// Whether values of this type are texts, however they are encoded.
fn is_text(data_type: &DataType) -> bool {
    matches!(plain(data_type), DataType::Utf8 | DataType::LargeUtf8)
}

fn structs(array: &StructArray, fields: &Fields) -> Result<ArrayRef, Misfit> {
    let children = fields
        .iter()
        .map(|field| match array.column_by_name(field.name()) {
            Some(child) => conform(child, field.data_type()),
            None => Ok(new_null_array(field.data_type(), array.len())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    StructArray::try_new_with_length(fields.clone(), children, array.nulls().cloned(), array.len())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| Misfit { row: 0, value: error.to_string() })
}

fn lists<O: OffsetSizeTrait>(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, Misfit> {
    let (DataType::List(item) | DataType::LargeList(item)) = data_type else { return cast(array, data_type) };
    let list = array.as_list::<O>();
    let values = conform(list.values(), item.data_type()).map_err(|misfit| {
        let before = list.offsets().partition_point(|offset| offset.as_usize() <= misfit.row);
        Misfit { row: before.saturating_sub(1).min(list.len().saturating_sub(1)), ..misfit }
    })?;
    GenericListArray::<O>::try_new(item.clone(), list.offsets().clone(), values, list.nulls().cloned())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| Misfit { row: 0, value: error.to_string() })
}

fn cast(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, Misfit> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let nulls = array.logical_nulls();
    let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    let misfit = |row: usize| {
        let value = array_value_to_string(array, row).map_or_else(|_| "a value".to_owned(), |value| shown(&value));
        Misfit { row, value }
    };
    let first_value = || (0..array.len()).find(|row| !is_null(*row));
    if !can_cast_types(array.data_type(), data_type) {
        return match first_value() {
            Some(row) => Err(misfit(row)),
            None => Ok(new_null_array(data_type, array.len())),
        };
    }
    let Ok(wanted) = cast_with_options(array, data_type, &options) else {
        return Err(misfit(first_value().unwrap_or(0)));
    };
    if wanted.logical_null_count() > nulls.as_ref().map_or(0, |nulls| nulls.null_count()) {
        let row = (0..array.len()).find(|row| !is_null(*row) && wanted.is_null(*row));
        return Err(misfit(row.unwrap_or(0)));
    }
    if may_lose(array.data_type(), data_type)
        && let Ok(back) = cast_with_options(&wanted, array.data_type(), &options)
        && let Ok(same) = not_distinct(&back, array)
        && let Some(row) = (0..same.len()).find(|row| !same.value(*row))
    {
        return Err(misfit(row));
    }
    Ok(wanted)
}

/// Whether a cast may give another value without telling; the way back then shows it.
fn may_lose(from: &DataType, to: &DataType) -> bool {
    let decimal = |data_type: &DataType| data_type.is_decimal();
    if from.is_floating() {
        return to.is_integer();
    }
    ((from.is_integer() || decimal(from)) && to.is_numeric()) || (from.is_temporal() && to.is_temporal())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::{
        array::{
            Date32Array, DictionaryArray, Float64Array, Int32Array, Int64Array, LargeStringArray, ListArray,
            StringArray, StringViewArray, TimestampMicrosecondArray, UInt64Array,
        },
        datatypes::{Field, Int32Type, TimeUnit},
    };

    fn row(array: impl Array + 'static, data_type: DataType) -> Result<ArrayRef, usize> {
        conform(&(Arc::new(array) as ArrayRef), &data_type).map_err(|misfit| misfit.row)
    }

    #[test]
    fn what_fits_is_cast_and_what_does_not_is_told_with_its_row() {
        let numbers = || Int64Array::from(vec![Some(1), None, Some(300)]);
        assert_eq!(*row(numbers(), DataType::Int32).unwrap(), Int32Array::from(vec![Some(1), None, Some(300)]));
        assert_eq!(row(numbers(), DataType::Int8).unwrap_err(), 2);
        assert_eq!(row(UInt64Array::from(vec![0, u64::MAX]), DataType::Int64).unwrap_err(), 1);
        assert_eq!(*row(numbers(), DataType::Utf8).unwrap(), StringArray::from(vec![Some("1"), None, Some("300")]));
    }

    #[test]
    fn an_integer_that_a_double_cannot_hold_and_a_fraction_for_an_integer_do_not_fit() {
        let exact = Int64Array::from(vec![1 << 53, (1 << 53) + 2]);
        assert!(row(exact, DataType::Float64).is_ok());
        assert_eq!(row(Int64Array::from(vec![1, (1 << 53) + 1]), DataType::Float64).unwrap_err(), 1);
        assert!(row(Float64Array::from(vec![2.0, -3.0]), DataType::Int64).is_ok());
        assert_eq!(row(Float64Array::from(vec![2.0, 2.5]), DataType::Int64).unwrap_err(), 1);
        assert_eq!(row(Float64Array::from(vec![f64::NAN]), DataType::Int64).unwrap_err(), 0);
    }

    #[test]
    fn times_keep_their_time_of_day_and_their_fraction() {
        let micros = || TimestampMicrosecondArray::from(vec![86_400_000_000, 1]);
        assert_eq!(row(micros(), DataType::Timestamp(TimeUnit::Millisecond, None)).unwrap_err(), 1);
        assert_eq!(row(micros(), DataType::Date32).unwrap_err(), 1);
        assert!(row(micros(), DataType::Timestamp(TimeUnit::Nanosecond, None)).is_ok());
        let far = Date32Array::from(vec![0, i32::MAX]);
        assert_eq!(row(far, DataType::Timestamp(TimeUnit::Nanosecond, None)).unwrap_err(), 1);
    }

    #[test]
    fn encodings_are_resolved() {
        let texts = || StringArray::from(vec![Some("a"), None, Some("a")]);
        let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
        assert_eq!(*row(dictionary, DataType::Utf8).unwrap(), texts());
        assert_eq!(*row(StringViewArray::from_iter(texts().iter()), DataType::Utf8).unwrap(), texts());
    }

    #[test]
    fn a_text_of_any_encoding_is_held_against_the_wanted_type() {
        let texts = ["2013-01-31", "2013-01-31T05:00:00"];
        let dictionary: DictionaryArray<Int32Type> = texts.into_iter().collect();
        assert_eq!(row(StringArray::from(texts.to_vec()), DataType::Date32).unwrap_err(), 1);
        assert_eq!(row(LargeStringArray::from(texts.to_vec()), DataType::Date32).unwrap_err(), 1);
        assert_eq!(row(StringViewArray::from(texts.to_vec()), DataType::Date32).unwrap_err(), 1);
        assert_eq!(row(dictionary, DataType::Date32).unwrap_err(), 1);
    }

    #[test]
    fn nested_values_conform_by_name_and_their_misfits_by_row() {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1)]),
            None,
            Some(vec![]),
            Some(vec![Some(2), Some(300)]),
        ]);
        let item = |data_type| DataType::List(Arc::new(Field::new("item", data_type, true)));
        assert_eq!(row(lists.clone(), item(DataType::Int8)).unwrap_err(), 3);
        let wide = row(lists.clone(), item(DataType::Int64)).unwrap();
        assert_eq!(wide.as_list::<i32>().value(3).as_ref(), &Int64Array::from(vec![2, 300]) as &dyn Array);

        let object = StructArray::from(vec![(
            Arc::new(Field::new("a", lists.data_type().clone(), true)),
            Arc::new(lists) as ArrayRef,
        )]);
        let fields = vec![Field::new("b", DataType::Utf8, true), Field::new("a", item(DataType::Float64), true)];
        let wanted = row(object, DataType::Struct(fields.into())).unwrap();
        assert_eq!(wanted.as_struct().column(0).null_count(), 4);
        assert_eq!(wanted.as_struct().column(1).null_count(), 1);
    }
}
