//! What type a text has: inference for CSV and TSV.
//!
//! A text has a type only if reading it as that type loses nothing that a reader of the file would miss: `01234` and
//! `+49123` stay texts, and so does a whole number that 64 bits do not hold, a time finer than a microsecond, and
//! anything with space around it.
//!
//! The types form a lattice, so the order of the rows and how they are cut into files makes no difference:
//! `null < boolean`, `null < bigint < double`, `null < date < timestamp`, `null < timestamptz`, and all of these
//! `< string`.

use arrow::datatypes::{DataType, TimeUnit};

/// The type of a text, or of all texts in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextType {
    Null,
    Boolean,
    Int64,
    Float64,
    Date,
    Timestamp,
    Timestamptz,
    Utf8,
}

impl TextType {
    /// The type of one text that is not null.
    pub(crate) fn of(text: &[u8]) -> Self {
        match text {
            b"true" | b"True" | b"TRUE" | b"false" | b"False" | b"FALSE" => Self::Boolean,
            b"NaN" | b"nan" | b"inf" | b"-inf" | b"Infinity" | b"-Infinity" => Self::Float64,
            [b'0'..=b'9', _, _, _, b'-', _, _, b'-', _, _, rest @ ..] => moment(text, rest),
            [b'0'..=b'9' | b'-' | b'.', ..] => number(text),
            _ => Self::Utf8,
        }
    }

    /// The least type that holds both.
    pub(crate) fn join(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Null, other) | (other, Self::Null) => other,
            (Self::Int64, Self::Float64) | (Self::Float64, Self::Int64) => Self::Float64,
            (Self::Date, Self::Timestamp) | (Self::Timestamp, Self::Date) => Self::Timestamp,
            _ => Self::Utf8,
        }
    }

    /// The Arrow type. A column without any value has none yet: another file may tell it.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Null => DataType::Null,
            Self::Boolean => DataType::Boolean,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Utf8 => DataType::Utf8,
        }
    }
}

/// `-?(0|[1-9][0-9]*)`, or that with a fraction or an exponent.
fn number(text: &[u8]) -> TextType {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits(unsigned);
    if whole.len() > 1 && whole.starts_with(b"0") {
        return TextType::Utf8;
    }
    if rest.is_empty() {
        let fits = whole.len() < 19 || std::str::from_utf8(text).is_ok_and(|text| text.parse::<i64>().is_ok());
        return if fits && !whole.is_empty() { TextType::Int64 } else { TextType::Utf8 };
    }
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(rest) => digits(rest),
        None => (&[][..], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return TextType::Utf8;
    }
    let mut certain = text.len() < 300;
    if let [b'e' | b'E', exponent @ ..] = rest {
        certain = false;
        let unsigned = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
        let (power, rest) = digits(unsigned);
        if power.is_empty() || !rest.is_empty() {
            return TextType::Utf8;
        }
    } else if !rest.is_empty() {
        return TextType::Utf8;
    }
    // A number beyond the range of a double is a text.
    let finite = certain || std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite));
    if finite { TextType::Float64 } else { TextType::Utf8 }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// `YYYY-MM-DD`, alone or with `T` or a space and `HH:MM:SS`, up to six digits of a second, and `Z`, `±HH:MM`, `±HHMM`
/// or `±HH`.
fn moment(text: &[u8], rest: &[u8]) -> TextType {
    let two = |at: usize| -> Option<u32> { digit_pair(text.get(at..at + 2)?) };
    let date = || -> Option<()> {
        let year = 100 * two(0)? + two(2)?;
        let (month, day) = (two(5)?, two(8)?);
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u32::from(leap),
            _ => return None,
        };
        (1..=days).contains(&day).then_some(())
    };
    if date().is_none() {
        return TextType::Utf8;
    }
    if rest.is_empty() {
        return TextType::Date;
    }
    let [b'T' | b' ', h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = rest else { return TextType::Utf8 };
    let within = |pair: [u8; 2], most: u32| digit_pair(&pair).is_some_and(|value| value <= most);
    if !(within([*h1, *h2], 23) && within([*m1, *m2], 59) && within([*s1, *s2], 59)) {
        return TextType::Utf8;
    }
    let rest = match rest.strip_prefix(b".") {
        Some(rest) => {
            let (fraction, rest) = digits(rest);
            if !(1..=6).contains(&fraction.len()) {
                return TextType::Utf8;
            }
            rest
        }
        None => rest,
    };
    match rest {
        [] => TextType::Timestamp,
        [b'Z'] => TextType::Timestamptz,
        [b'+' | b'-', h1, h2] if within([*h1, *h2], 14) => TextType::Timestamptz,
        [b'+' | b'-', h1, h2, b':', m1, m2] | [b'+' | b'-', h1, h2, m1, m2]
            if within([*h1, *h2], 14) && within([*m1, *m2], 59) =>
        {
            TextType::Timestamptz
        }
        _ => TextType::Utf8,
    }
}

fn digit_pair(pair: &[u8]) -> Option<u32> {
    match pair {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text_column::cast_text;
    use TextType as T;
    use arrow::array::{Array, StringArray};
    use proptest::prelude::*;

    const ALL: [T; 8] = [T::Null, T::Boolean, T::Int64, T::Float64, T::Date, T::Timestamp, T::Timestamptz, T::Utf8];

    #[test]
    fn texts_have_the_types_that_lose_nothing() {
        for (text, expected) in [
            ("true", T::Boolean),
            ("FALSE", T::Boolean),
            ("0", T::Int64),
            ("-17", T::Int64),
            ("9223372036854775807", T::Int64),
            ("9223372036854775808", T::Utf8),
            ("01234", T::Utf8),
            ("00", T::Utf8),
            ("+5", T::Utf8),
            (" 5", T::Utf8),
            ("5 ", T::Utf8),
            ("-", T::Utf8),
            (".", T::Utf8),
            ("1.5", T::Float64),
            (".5", T::Float64),
            ("5.", T::Float64),
            ("-0.25e-3", T::Float64),
            ("1e400", T::Utf8),
            ("1e", T::Utf8),
            ("00.5", T::Utf8),
            ("1.2.3", T::Utf8),
            ("NaN", T::Float64),
            ("-inf", T::Float64),
            ("2013-01-31", T::Date),
            ("2013-02-29", T::Utf8),
            ("2012-02-29", T::Date),
            ("1900-02-29", T::Utf8),
            ("2013-1-31", T::Utf8),
            ("2013-01-31T05:06:07", T::Timestamp),
            ("2013-01-31 05:06:07.123456", T::Timestamp),
            ("2013-01-31 05:06:07.1234567", T::Utf8),
            ("2013-01-31 24:00:00", T::Utf8),
            ("2013-01-31T05:06:07Z", T::Timestamptz),
            ("2013-01-31T05:06:07.5+02:00", T::Timestamptz),
            ("2013-01-31 05:06:07-0330", T::Timestamptz),
            ("2013-01-31 05:06:07-03", T::Timestamptz),
            ("2013-01-31 05:06", T::Utf8),
            ("yes", T::Utf8),
            ("12:30:00", T::Utf8),
        ] {
            assert_eq!(TextType::of(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn the_types_form_a_lattice() {
        for a in ALL {
            for b in ALL {
                assert_eq!(a.join(b), b.join(a));
                for c in ALL {
                    assert_eq!(a.join(b).join(c), a.join(b.join(c)));
                }
            }
        }
    }

    #[test]
    fn joining_types_is_what_unifying_schemas_does() {
        use crate::{Format, schema::marked, unify};
        use arrow::datatypes::Field;
        for a in ALL {
            for b in ALL {
                let schema = |one: T| {
                    (format!("{one:?}").into(), marked(vec![Field::new("x", one.data_type(), true)], Format::Csv))
                };
                let both = match a.join(b) {
                    T::Null => DataType::Utf8,
                    both => both.data_type(),
                };
                assert_eq!(unify(&[schema(a), schema(b)]).unwrap().field(0).data_type(), &both, "{a:?} {b:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_text_can_be_read_as_every_type_above_its_own(
            text in prop_oneof![
                "[-+.eE0-9]{1,12}",
                "-?[0-9]{17,20}",
                "[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,7})?(Z|[+-][01][0-9](:?[0-5][0-9])?)?)?",
                "true|FALSE|NaN|inf|-Infinity",
            ]
        ) {
            let own = TextType::of(text.as_bytes());
            for above in ALL.into_iter().filter(|above| own.join(*above) == *above) {
                let array = cast_text(&StringArray::from(vec![Some(text.as_str())]), &above.data_type());
                prop_assert!(array.is_ok_and(|array| array.is_valid(0)), "{} as {:?}", text, above);
            }
        }
    }
}
