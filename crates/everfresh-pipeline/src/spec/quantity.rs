//! Durations, sizes and shares as people write them.

use super::model::MaxBad;
use std::time::Duration;

/// What [`parse_duration`] takes, for people.
pub const DURATION_HELP: &str = "such as `5m`, `1h30m`, `1d`, `500ms`, or a number of seconds";

/// What [`parse_size`] takes, for people.
pub const SIZE_HELP: &str = "such as `5GB`, `512MiB`, or a number of bytes";

/// Reads `5m`, `1h30m`, `1.5h`, `1d`, `2w`, `500ms`; a number without a unit is seconds. `None` if it is anything else,
/// negative, or beyond a thousand years (so that adding it to a time of day cannot overflow).
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return seconds_to_duration(seconds);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let unit = match unit {
            "ms" => 0.001,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * unit;
        rest = after.trim_start();
    }
    seconds_to_duration(total)
}

/// A number of seconds; `None` if it is negative or beyond a thousand years.
pub(super) fn seconds_to_duration(seconds: f64) -> Option<Duration> {
    (0.0..=31_557_600_000.0).contains(&seconds).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

/// Reads `5GB`, `512MiB`, `1.5 GiB`, `100 B`; a number without a unit is bytes. `None` if it is anything else or does
/// not fit into 64 bits.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(unit),
        Err(_) if !number.contains('.') => None,
        Err(_) => {
            let bytes = number.parse::<f64>().ok()? * unit as f64;
            (bytes < 2f64.powi(63)).then_some(bytes as u64)
        }
    }
}

/// Reads `2` or `1%`.
pub(super) fn parse_max_bad(text: &str) -> Option<MaxBad> {
    let text = text.trim();
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent = percent.trim_end().parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent))?;
            Some(MaxBad::Percent(percent))
        }
        None => text.parse().ok().map(MaxBad::Count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, milliseconds) in [
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1d", 86_400_000),
            ("2w", 1_209_600_000),
            ("500ms", 500),
            ("1.5h", 5_400_000),
            ("90", 90_000),
            ("0.25", 250),
            ("0", 0),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            "m",
            "5x",
            "-5m",
            "-1",
            "1h30",
            "nan",
            "inf",
            "5 minutes ago",
            "99999999999w",
            "1..5h",
            "5m!",
            "+5",
            "+5m",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("5GB", 5_000_000_000),
            ("512MiB", 512 << 20),
            ("1.5 GiB", 3 << 29),
            ("100", 100),
            ("7 b", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "GB", "5G", "-1", "1e3", "18446744073709551616", "99999999TiB", "1.2.3MB", "9e99GB", "."] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn max_bad_is_a_count_or_a_share() {
        assert_eq!(parse_max_bad("2"), Some(MaxBad::Count(2)));
        assert_eq!(parse_max_bad("1.5 %"), Some(MaxBad::Percent(1.5)));
        for text in ["", "%", "101%", "-1", "-1%", "1.5", "nan%", "+1", "+1%"] {
            assert_eq!(parse_max_bad(text), None, "{text}");
        }
    }
}
