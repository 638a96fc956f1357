//! The JSON Schema and the parser agree.

use super::{example::EVERY_KEY, load};
use crate::spec::{
    json_schema,
    keys::{Key, Kind, ROOT, Shape, Table},
    scalar::Scalar,
    yaml::{self, Node},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, fs, path::Path};

/// A YAML text as JSON, as an editor sees it.
pub fn to_json(text: &str) -> Option<Value> {
    fn convert(node: &Node<'_>) -> Value {
        match &node.value {
            yaml::Value::List(items) => items.iter().map(convert).collect(),
            yaml::Value::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.to_string(), convert(&entry.value))).collect())
            }
            yaml::Value::Scalar { text, plain: false } => json!(text),
            yaml::Value::Scalar { text, plain: true } => match Scalar::plain(text.clone()) {
                Scalar::Null => Value::Null,
                Scalar::Bool(value) => json!(value),
                Scalar::Int(value) => json!(value),
                // JSON has no infinity.
                Scalar::Huge(value) | Scalar::Float(value) if value.is_finite() => json!(value),
                Scalar::Huge(_) | Scalar::Float(_) => json!(1e300),
                Scalar::Text(text) => json!(text),
            },
        }
    }
    yaml::parse(text).root.as_ref().map(convert)
}

/// Why a value is not valid by a schema. Panics at keywords that it does not know.
pub fn invalid(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let Value::Object(keywords) = schema else {
        return (schema != &json!(true)).then(|| format!("{value} is refused"));
    };
    for (keyword, argument) in keywords {
        let fails = |failing: bool| failing.then(|| format!("{value} fails {keyword}: {argument}"));
        let list = || argument.as_array().into_iter().flatten();
        let object = || value.as_object().into_iter().flatten();
        let reason = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => None,
            "$ref" => {
                let at = argument.as_str().and_then(|at| at.strip_prefix('#')).unwrap();
                invalid(root, root.pointer(at).unwrap(), value)
            }
            "type" => {
                let kinds: Vec<&str> = match argument {
                    Value::String(kind) => vec![kind],
                    _ => list().filter_map(Value::as_str).collect(),
                };
                fails(!kinds.iter().any(|kind| match *kind {
                    "null" => value.is_null(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    "string" => value.is_string(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    other => panic!("unknown type {other}"),
                }))
            }
            "enum" => fails(!list().any(|item| item == value)),
            "pattern" => {
                let pattern = regex::Regex::new(argument.as_str().unwrap()).unwrap();
                fails(value.as_str().is_some_and(|text| !pattern.is_match(text)))
            }
            "minimum" => fails(value.as_f64().is_some_and(|number| number < argument.as_f64().unwrap())),
            "minItems" => {
                fails(value.as_array().is_some_and(|items| (items.len() as u64) < argument.as_u64().unwrap()))
            }
            "maxItems" => {
                fails(value.as_array().is_some_and(|items| (items.len() as u64) > argument.as_u64().unwrap()))
            }
            "items" => value.as_array().into_iter().flatten().find_map(|item| invalid(root, argument, item)),
            "required" if list().enumerate().any(|(at, name)| list().skip(at + 1).any(|other| other == name)) => {
                panic!("{argument} says a name twice")
            }
            "required" => fails(list().any(|name| value.is_object() && value.get(name.as_str().unwrap()).is_none())),
            "properties" => object().find_map(|(name, item)| invalid(root, argument.get(name)?, item)),
            "additionalProperties" => object()
                .filter(|(name, _)| {
                    let named = keywords.get("properties").is_some_and(|known| known.get(name).is_some());
                    let matching = keywords.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
                    !named && !matching.into_iter().any(|(at, _)| regex::Regex::new(at).unwrap().is_match(name))
                })
                .find_map(|(name, item)| invalid(root, argument, item).map(|reason| format!("`{name}`: {reason}"))),
            "patternProperties" => None,
            "anyOf" => fails(!list().any(|schema| invalid(root, schema, value).is_none())),
            "oneOf" => fails(list().filter(|schema| invalid(root, schema, value).is_none()).count() != 1),
            other => panic!("unknown keyword {other}"),
        };
        if reason.is_some() {
            return reason;
        }
    }
    None
}

fn assert_valid(text: &str) {
    let schema = json_schema();
    if let Some(reason) = invalid(&schema, &schema, &to_json(text).unwrap()) {
        panic!("{reason}");
    }
}

#[test]
fn a_file_with_every_key_is_valid() {
    assert_valid(EVERY_KEY);
}

#[test]
fn the_examples_load_and_are_valid() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut count = 0;
    for folder in fs::read_dir(examples).unwrap() {
        let file = folder.unwrap().path().join("everfresh.yaml");
        let Ok(text) = fs::read_to_string(&file) else { continue };
        assert_valid(&text);
        let options =
            crate::spec::LoadOptions { params: &[], cache_dir: None, env: &|_| None, secret_key: &|| [0; 32] };
        let loaded = crate::spec::load(&file, &options).unwrap_or_else(|error| panic!("{error}"));
        assert!(loaded.warnings.is_empty());
        count += 1;
    }
    assert!(count >= 2, "examples/flights and examples/orders");
}

/// Every key of every table, as the parser knows them.
fn parser_keys(table: &'static Table, out: &mut BTreeSet<String>) {
    fn of_shape(shape: &'static Shape, out: &mut BTreeSet<String>) {
        match shape {
            Shape::Record(table) | Shape::Switch(table) => parser_keys(table, out),
            Shape::RecordOrMapOf(table, inner) => {
                parser_keys(table, out);
                of_shape(inner, out);
            }
            Shape::ListOf(inner) | Shape::MapOf(inner) => of_shape(inner, out),
            _ => {}
        }
    }
    for key in table.all() {
        out.insert(format!("{}: {}", key.name, key.about));
        of_shape(&key.shape, out);
    }
}

fn schema_keys(schema: &Value, out: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(properties) = map.get("properties").and_then(Value::as_object) {
                for (name, property) in properties {
                    let about = property.get("description").and_then(Value::as_str).unwrap();
                    out.insert(format!("{name}: {about}"));
                }
            }
            map.values().for_each(|value| schema_keys(value, out));
        }
        Value::Array(items) => items.iter().for_each(|value| schema_keys(value, out)),
        _ => {}
    }
}

#[test]
fn the_schema_has_every_key_of_the_parser_and_no_other() {
    let (mut parser, mut schema) = (BTreeSet::new(), BTreeSet::new());
    parser_keys(&ROOT, &mut parser);
    schema_keys(&json_schema(), &mut schema);
    assert_eq!(parser, schema);
    assert!(parser.len() > 60, "{}", parser.len());
}

#[test]
fn every_key_occurs_in_the_file_with_every_key() {
    fn words(value: &Value, out: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(name, value)| {
                out.insert(name.clone());
                words(value, out);
            }),
            Value::Array(items) => items.iter().for_each(|value| words(value, out)),
            _ => {}
        }
    }
    let (mut parser, mut used) = (BTreeSet::new(), BTreeSet::new());
    parser_keys(&ROOT, &mut parser);
    words(&to_json(EVERY_KEY).unwrap(), &mut used);
    let unused: Vec<_> = parser.iter().filter(|key| !used.contains(key.split(':').next().unwrap())).collect();
    // It needs a file, and has a test of its own; so has `python` of a step.
    assert!(unused.iter().all(|key| key.starts_with("sql_file:")), "{unused:?}");
}

/// For each key of each kind, a file in which the key has each of many values: what the parser takes, the schema takes;
/// and what is of the wrong shape for the schema, the parser refuses.
#[test]
fn parser_and_schema_take_the_same_values() {
    let schema = json_schema();
    let samples = [
        "null",
        "true",
        "1",
        "-1",
        "0",
        "1.5",
        "-2.5",
        ".inf",
        "x",
        "''",
        "'1'",
        "5m",
        "5 m",
        "-5m",
        "5GB",
        "5XB",
        "1%",
        "200%",
        "tab",
        "content",
        "partition",
        "string",
        "csv",
        "error",
        "append",
        "[]",
        "[x]",
        "[x, x]",
        "[1, 2]",
        "[1, null]",
        "[2, 1]",
        "[1]",
        "[null, null]",
        "[[x]]",
        "{}",
        "{x: 1}",
        "{x: string}",
        "{x: [1, 2]}",
        "{x: [mean]}",
        "{x: t.y}",
        "{x: [a, 1]}",
        "{enabled: false}",
        "{columns: {x: mean}}",
        "{column: x, within: 1d}",
        "{column: x, to: t, key: y}",
        "'${V}'",
        "{x: {y: 1}}",
        "a.csv",
        "http://h/a.csv",
    ];
    let mut both = 0;
    let mut neither = 0;
    let mut check = |section: &str, table: &'static Table, kind: &'static Kind, key: &'static Key| {
        for sample in samples {
            let mut fields: Vec<(&str, &str)> = match (section, kind.marks) {
                ("sources", ["file"]) => vec![("file", "a.csv")],
                ("sources", ["sqlite"]) => vec![("sqlite", "a.db"), ("table", "t")],
                ("sources", _) => vec![("url", "http://h/a.csv")],
                ("steps", ["sql", _]) | ("checks", ["sql", _]) => vec![("sql", "select 1")],
                ("steps", ["aggregate"]) => vec![("from", "t"), ("aggregate", "{columns: {x: mean}}")],
                ("steps", _) => vec![("from", "t"), ("normalize", "z")],
                ("checks", ["not_null"]) | ("checks", ["unique"]) => vec![(kind.marks[0], "a")],
                ("checks", ["range"]) => vec![("range", "{x: [1, 2]}")],
                ("checks", ["row_count"]) => vec![("row_count", "1")],
                ("checks", ["accepted_values"]) => vec![("accepted_values", "{x: [1]}")],
                ("checks", ["regex"]) => vec![("regex", "{x: y}")],
                ("checks", ["relationships"]) => vec![("relationships", "{x: t.y}")],
                ("checks", ["schema"]) => vec![("schema", "{x: string}")],
                ("checks", _) => vec![("freshness", "{column: x, within: 1d}")],
                (_, ["file"]) => vec![("from", "t"), ("file", "out.csv")],
                _ => vec![("from", "t"), ("sqlite", "out.db"), ("table", "t")],
            };
            if kind.one_of.iter().any(|group| group.contains(&key.name)) {
                fields.retain(|(name, _)| !kind.one_of.iter().any(|group| group.contains(name)));
            }
            fields.retain(|(name, _)| *name != key.name);
            fields.push((key.name, sample));
            let text: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let text = format!("{{ {} }}", text.join(", "));
            let mut parts = vec![("sources", "t: { file: t.csv }".to_owned())];
            match section {
                "sources" => parts[0].1.push_str(&format!(", k: {text}")),
                "checks" => parts.push((section, format!("t: [ {text} ]"))),
                _ => parts.push((section, format!("k: {text}"))),
            }
            let file: String = parts.iter().map(|(name, text)| format!("{name}: {{ {text} }}\n")).collect();
            let loaded = load(&file, &[], &[("V", "1")]);
            let reason = invalid(&schema, &schema, &to_json(&file).unwrap());
            match (&loaded, &reason) {
                (Ok(_), None) => both += 1,
                (Err(_), Some(_)) => neither += 1,
                (Ok(_), Some(reason)) => panic!("the schema of {} refuses what loads:\n{file}{reason}", table.about),
                // What only the parser can know: names that must exist, what texts mean.
                (Err(_), None) => {}
            }
        }
    };
    for (section, table) in ROOT.common.iter().filter_map(|key| match &key.shape {
        Shape::MapOf(Shape::Record(table)) | Shape::MapOf(Shape::ListOf(Shape::Record(table))) => {
            Some((key.name, *table))
        }
        _ => None,
    }) {
        for kind in table.kinds {
            table.common.iter().chain(kind.own()).for_each(|key| check(section, table, kind, key));
        }
    }
    assert!(both > 300 && neither > 1000, "{both} {neither}");
}

#[test]
fn the_schema_is_pinned() {
    let mut summary = Map::new();
    summary.insert("schema".into(), json_schema());
    insta::assert_snapshot!(serde_json::to_string_pretty(&summary).unwrap());
}
