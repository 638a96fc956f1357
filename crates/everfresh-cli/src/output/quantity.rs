//! Numbers, times, sizes and paths as people read them.

use std::path::Path;

/// `336,776`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2 rows`.
pub fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `<1 ms`, `12 ms`, `1.3 s`, `2 min 5 s`, `3 h 12 min`.
pub fn seconds(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        ..0.0 => "0 ms".into(),
        0.0 => "0 ms".into(),
        ..0.001 => "<1 ms".into(),
        ..0.0995 => format!("{:.0} ms", seconds * 1000.0),
        ..99.95 => format!("{seconds:.1} s"),
        _ if whole < 6_000 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", grouped(whole / 3_600), whole % 3_600 / 60),
    }
}

/// `0 B`, `12 kB`, `3.4 MB`: powers of 1000, as in `max_size: 5GB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// `2.5 %`; what is not nothing does not look like nothing.
pub fn percent(percent: f64) -> String {
    match percent {
        0.0 => "0 %".into(),
        ..0.01 => "<0.01 %".into(),
        ..1.0 => format!("{percent:.2} %"),
        _ => format!("{percent:.1} %"),
    }
}

/// A path, relative to the current folder where it lies inside.
pub fn near(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    match path.strip_prefix(&here) {
        Ok(inside) if !inside.as_os_str().is_empty() => inside.display().to_string(),
        _ => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!([0, 999, 1_000, 336_776, 1_234_567].map(grouped), ["0", "999", "1,000", "336,776", "1,234,567"]);
    }

    #[test]
    fn times_keep_two_or_three_digits() {
        let shown = [0.0, 0.0004, 0.012, 0.5, 13.24, 99.96, 125.0, 11_530.0].map(seconds);
        assert_eq!(shown, ["0 ms", "<1 ms", "12 ms", "0.5 s", "13.2 s", "1 min 40 s", "2 min 5 s", "3 h 12 min"]);
    }

    #[test]
    fn sizes_are_in_the_units_of_the_pipeline_file() {
        assert_eq!(
            [0, 999, 1_000, 12_400, 999_600, 5_000_000_000].map(bytes),
            ["0 B", "999 B", "1.0 kB", "12 kB", "1.0 MB", "5.0 GB"]
        );
    }

    #[test]
    fn a_small_share_is_not_shown_as_none() {
        assert_eq!([0.0, 0.003, 0.5, 2.451, 100.0].map(percent), ["0 %", "<0.01 %", "0.50 %", "2.5 %", "100.0 %"]);
    }
}
