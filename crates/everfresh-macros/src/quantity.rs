//! Durations and sizes as they are written.

use std::time::Duration;
use syn::{LitStr, Result};

/// `500ms`, `5m`, `1.5h`.
pub fn duration(text: &LitStr) -> Result<Duration> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
    parse(text, &units, "a duration is a number and `ms`, `s`, `m`, `h` or `d`, as in \"5m\"").and_then(|seconds| {
        Duration::try_from_secs_f64(seconds).map_err(|_| syn::Error::new(text.span(), "a duration that is too long"))
    })
}

/// `64MB`, `1GiB`, `500B`.
pub fn bytes(text: &LitStr) -> Result<u64> {
    let kibi = |power: i32| 1024f64.powi(power);
    let units =
        [("B", 1.0), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("KiB", kibi(1)), ("MiB", kibi(2)), ("GiB", kibi(3))];
    // Whole bytes: what is above 2^53 is not exact, and nobody means it to be.
    parse(text, &units, "a size is a number and `B`, `KB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`, as in \"64MB\"")
        .map(|bytes| bytes as u64)
}

fn parse(text: &LitStr, units: &[(&str, f64)], help: &str) -> Result<f64> {
    let value = text.value();
    let digits = value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = units.iter().find(|(unit, _)| *unit == &value[digits.len()..]).map(|(_, factor)| factor);
    match (digits.trim().parse::<f64>(), factor) {
        (Ok(number), Some(factor)) if number.is_finite() && number >= 0.0 => Ok(number * factor),
        _ => Err(syn::Error::new(text.span(), help)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    fn text(text: &str) -> LitStr {
        LitStr::new(text, Span::call_site())
    }

    #[test]
    fn quantities_are_numbers_with_units() {
        let seconds = |written| duration(&text(written)).unwrap().as_secs_f64();
        assert_eq!(["500ms", "5m", "1.5h", "2 d", "0s"].map(seconds), [0.5, 300.0, 5400.0, 172_800.0, 0.0]);
        let size = |written| bytes(&text(written)).unwrap();
        assert_eq!(["64MB", "1GiB", "7B", "1.5KB"].map(size), [64_000_000, 1 << 30, 7, 1500]);
    }

    #[test]
    fn anything_else_is_an_error() {
        assert!(
            ["5", "m", "-1s", "5 years", "", "infs", "1e400s", "1e300d"]
                .iter()
                .all(|bad| duration(&text(bad)).is_err())
        );
        assert!(["5", "MB", "-1B", "5mb"].iter().all(|bad| bytes(&text(bad)).is_err()));
    }
}
