//! Reading JSON, as far as the output of a tool needs it.

use std::{iter::Peekable, str::Chars};

/// A value.
#[derive(Debug, PartialEq)]
pub enum Json {
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Text(String),
    Number(f64),
    True,
    False,
    Null,
}

impl Json {
    /// Reads a text that holds one value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.chars().peekable();
        let value = value(&mut rest)?;
        skip_space(&mut rest);
        match rest.next() {
            None => Ok(value),
            Some(other) => Err(format!("`{other}` after the end of the JSON")),
        }
    }

    /// What is found by following names of members and positions in arrays.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, step| match value {
            Self::Object(members) => members.iter().find(|(name, _)| name == step).map(|(_, value)| value),
            Self::Array(values) => values.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

type Rest<'a> = Peekable<Chars<'a>>;

fn value(rest: &mut Rest) -> Result<Json, String> {
    skip_space(rest);
    match rest.peek() {
        Some('{') => {
            let member = |rest: &mut Rest| {
                skip_space(rest);
                let name = text(rest)?;
                skip_space(rest);
                expect(rest, ':')?;
                Ok((name, value(rest)?))
            };
            Ok(Json::Object(list(rest, '}', member)?))
        }
        Some('[') => Ok(Json::Array(list(rest, ']', value)?)),
        Some('"') => Ok(Json::Text(text(rest)?)),
        _ => word(rest),
    }
}

/// What stands between brackets, separated by commas.
fn list<T>(rest: &mut Rest, end: char, item: impl Fn(&mut Rest) -> Result<T, String>) -> Result<Vec<T>, String> {
    rest.next();
    skip_space(rest);
    let mut items = Vec::new();
    if rest.next_if_eq(&end).is_some() {
        return Ok(items);
    }
    loop {
        items.push(item(rest)?);
        skip_space(rest);
        if rest.next_if_eq(&end).is_some() {
            return Ok(items);
        }
        expect(rest, ',')?;
    }
}

fn text(rest: &mut Rest) -> Result<String, String> {
    expect(rest, '"')?;
    let mut text = String::new();
    loop {
        match rest.next().ok_or("a text in the JSON has no end")? {
            '"' => return Ok(text),
            '\\' => text.push(escaped(rest)?),
            other => text.push(other),
        }
    }
}

fn escaped(rest: &mut Rest) -> Result<char, String> {
    Ok(match rest.next() {
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('u') => {
            let digits: String = rest.by_ref().take(4).collect();
            let code = u32::from_str_radix(&digits, 16).map_err(|error| format!("`\\u{digits}`: {error}"))?;
            // Half of a pair, which nobody here looks at.
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        Some(other @ ('"' | '\\' | '/')) => other,
        other => return Err(format!("{other:?} after a backslash in the JSON")),
    })
}

/// A number, `true`, `false` or `null`.
fn word(rest: &mut Rest) -> Result<Json, String> {
    let mut word = String::new();
    while let Some(next) = rest.next_if(|next| next.is_ascii_alphanumeric() || "+-.".contains(*next)) {
        word.push(next);
    }
    match word.as_str() {
        "true" => Ok(Json::True),
        "false" => Ok(Json::False),
        "null" => Ok(Json::Null),
        number => number.parse().map(Json::Number).map_err(|_| format!("`{word}` is no value of JSON")),
    }
}

fn skip_space(rest: &mut Rest) {
    while rest.next_if(char::is_ascii_whitespace).is_some() {}
}

fn expect(rest: &mut Rest, wanted: char) -> Result<(), String> {
    match rest.next() {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(format!("`{found}` in the JSON in place of `{wanted}`")),
        None => Err(format!("the JSON ends before a `{wanted}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_value_is_read() {
        let text = " {\"a\": [1, -2.5e1, {}], \"b\" : \"x\\\"\\u0041\\n\", \"c\": [true, false, null, []]} ";
        let number = Json::Number;
        let expected = Json::Object(vec![
            ("a".into(), Json::Array(vec![number(1.0), number(-25.0), Json::Object(vec![])])),
            ("b".into(), Json::Text("x\"A\n".into())),
            ("c".into(), Json::Array(vec![Json::True, Json::False, Json::Null, Json::Array(vec![])])),
        ]);
        assert_eq!(Json::parse(text), Ok(expected));
    }

    #[test]
    fn a_path_leads_through_objects_and_arrays() {
        let json = Json::parse(r#"{"a": [{"b": 1}, {"b": 2}]}"#).unwrap();
        assert_eq!(json.at(&["a", "1", "b"]), Some(&Json::Number(2.0)));
        for nowhere in [&["b"][..], &["a", "2"], &["a", "b"], &["a", "0", "b", "c"]] {
            assert_eq!(json.at(nowhere), None);
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "[1", "[1,]", "{\"a\"}", "{\"a\": }", "\"a", "\"\\x\"", "nul", "1 2", "[1}"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }
}
