//! What a YAML scalar means: the core schema of YAML 1.2, in which `no`, `NA` and `1_000` are texts.

use std::borrow::Cow;

/// A scalar's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond 64 bits, rounded.
    Huge(f64),
    /// A number with a fraction or an exponent, `.inf` or `.nan`.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
}

impl<'a> Scalar<'a> {
    /// What a text without quotes means.
    pub fn plain(text: Cow<'a, str>) -> Self {
        match text.as_ref() {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" => Self::Bool(true),
            "false" | "False" | "FALSE" => Self::Bool(false),
            // Most scalars are names: only these characters can start a number.
            other if !other.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) => {
                Self::Text(text)
            }
            other => number(other).unwrap_or(Self::Text(text)),
        }
    }

    /// Its type, for people.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Bool(true) => "`true`",
            Self::Bool(false) => "`false`",
            Self::Int(_) | Self::Huge(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "a text",
        }
    }
}

fn number(text: &str) -> Option<Scalar<'static>> {
    if let Some(digits) = text.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with(['+', '-'])).map(Scalar::Int);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return i64::from_str_radix(digits, 8).ok().filter(|_| !digits.starts_with(['+', '-'])).map(Scalar::Int);
    }
    let (sign, body) = match text.strip_prefix('-') {
        Some(body) => (-1.0, body),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(Scalar::Float(sign * f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if body == text => return Some(Scalar::Float(f64::NAN)),
        _ => {}
    }
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !body.is_empty() && digits(body) {
        return Some(text.parse().map_or_else(|_| Scalar::Huge(text.parse().unwrap_or(f64::INFINITY)), Scalar::Int));
    }
    let (mantissa, exponent) = body.split_once(['e', 'E']).unwrap_or((body, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let valid = digits(whole) && digits(fraction) && digits(exponent) && !exponent.is_empty();
    let valid = valid && !(whole.is_empty() && fraction.is_empty());
    valid.then(|| text.parse().ok().map(Scalar::Float)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_yaml_1_2_says() {
        let plain = |text: &'static str| Scalar::plain(text.into());
        for text in [
            "no",
            "NA",
            "yes",
            "on",
            "1_000",
            "0x",
            "0xg",
            "0o8",
            "-",
            ".",
            "+.",
            "1e",
            "e5",
            "1.2.3",
            "2013-01-01",
            "5m",
        ] {
            assert_eq!(plain(text), Scalar::Text(text.into()));
        }
        assert_eq!(plain("~"), Scalar::Null);
        assert_eq!(plain("True"), Scalar::Bool(true));
        assert_eq!(plain("2013"), Scalar::Int(2013));
        assert_eq!(plain("-007"), Scalar::Int(-7));
        assert_eq!(plain("0x1F"), Scalar::Int(31));
        assert_eq!(plain("0o17"), Scalar::Int(15));
        assert_eq!(plain("1.5e3"), Scalar::Float(1500.0));
        assert_eq!(plain(".5"), Scalar::Float(0.5));
        assert_eq!(plain("-.inf"), Scalar::Float(f64::NEG_INFINITY));
        assert_eq!(plain("9223372036854775807"), Scalar::Int(i64::MAX));
        assert_eq!(plain("9223372036854775808"), Scalar::Huge(9223372036854775808.0));
    }
}
