//! Sizes and durations as people write them: `"256MB"`, `"5m"`.

use pyo3::{exceptions::PyValueError, prelude::*, types::PyAnyMethods};
use std::time::Duration;

const SIZES: [(&str, u64); 9] = [
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
    ("TIB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

const DURATIONS: [(&str, f64); 7] =
    [("ms", 1e-3), ("us", 1e-6), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0), ("w", 604_800.0)];

/// A number of bytes: an `int`, or a text with a unit.
#[pyfunction]
pub fn parse_size(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    if let Ok(bytes) = value.extract::<u64>() {
        return Ok(bytes);
    }
    let bad = || {
        let text = value.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string());
        PyValueError::new_err(format!(
            "not a size: {text}. Give a number of bytes, or a text such as \"256MB\" or \"1.5GiB\""
        ))
    };
    let text = value.extract::<String>().map_err(|_| bad())?;
    let text = text.trim().to_ascii_uppercase();
    let unit = SIZES.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, unit) = unit.unwrap_or((&text, 1));
    let number: f64 = number.trim().parse().map_err(|_| bad())?;
    let bytes = number * unit as f64;
    if !(0.0..9e18).contains(&bytes) {
        return Err(bad());
    }
    Ok(bytes as u64)
}

/// A number of seconds: a number, a `timedelta`, or a text of numbers with units such as `"1h30m"`.
#[pyfunction]
pub fn parse_duration(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    let bad = || {
        let text = value.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string());
        PyValueError::new_err(format!(
            "not a duration: {text}. Give seconds, a timedelta, or a text such as \"90s\", \"5m\" or \"1h30m\""
        ))
    };
    let seconds = if let Ok(seconds) = value.extract::<f64>() {
        seconds
    } else if let Ok(seconds) = value.call_method0("total_seconds") {
        seconds.extract()?
    } else {
        of_text(&value.extract::<String>().map_err(|_| bad())?).ok_or_else(bad)?
    };
    if Duration::try_from_secs_f64(seconds).is_ok() { Ok(seconds) } else { Err(bad()) }
}

fn of_text(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|character: char| character != '.' && !character.is_ascii_digit())?;
        let (number, after) = (rest.get(..end)?, rest.get(end..)?);
        let end = after.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = after.get(..end)?;
        let (_, unit) = DURATIONS.iter().find(|(name, _)| *name == unit)?;
        seconds += number.parse::<f64>().ok()? * unit;
        rest = after.get(end..)?.trim_start();
    }
    (!text.trim().is_empty()).then_some(seconds)
}
