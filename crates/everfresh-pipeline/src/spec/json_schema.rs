//! The JSON Schema of the pipeline file, for editors. It is made from the tables of keys that the parser works from.

use super::keys::{Key, Kind, ROOT, Shape, Table};
use serde_json::{Map, Value, json};

/// The JSON Schema (draft 2020-12) of the pipeline file.
///
/// Every file that [`load`](super::load) accepts is valid by it. It is not the other way round: names that must exist,
/// regular expressions and the like are beyond a schema.
pub fn json_schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "everfresh.yaml",
        "description": "A pipeline of Everfresh.",
    });
    let root = table(&ROOT);
    if let (Value::Object(schema), Value::Object(root)) = (&mut schema, root) {
        schema.extend(root);
        schema.insert(
            "$defs".into(),
            json!({
                "variable": {
                    "description": "Filled in from the environment: `${NAME}` or `${NAME:-default}`.",
                    "type": "string",
                    "pattern": "\\$\\{",
                },
            }),
        );
    }
    schema
}

fn table(table: &'static Table) -> Value {
    if table.kinds.is_empty() {
        return object(table, None);
    }
    json!({ "oneOf": table.kinds.iter().map(|kind| object(table, Some(kind))).collect::<Vec<_>>() })
}

fn object(table: &'static Table, kind: Option<&'static Kind>) -> Value {
    let keys = || table.common.iter().chain(kind.into_iter().flat_map(Kind::own));
    let properties: Map<String, Value> = keys().map(|key| (key.name.to_owned(), property(key, table))).collect();
    let mut required: Vec<&str> = keys().filter(|key| key.required).map(|key| key.name).collect();
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let Value::Object(map) = &mut object else { return object };
    if table.extensions {
        map.insert("patternProperties".into(), json!({ "^x-": true }));
    }
    if let Some(kind) = kind {
        map.insert("title".into(), kind.about.into());
        let grouped = |mark: &&str| kind.one_of.iter().any(|group| group.contains(mark));
        match kind.marks {
            [mark] if !grouped(mark) => required.push(mark),
            marks if !marks.iter().any(grouped) => {
                map.insert("anyOf".into(), marks.iter().map(|mark| json!({ "required": [mark] })).collect());
            }
            _ => {}
        }
        if let [group] = kind.one_of {
            map.insert("oneOf".into(), group.iter().map(|name| json!({ "required": [name] })).collect());
        }
    }
    if !required.is_empty() {
        map.insert("required".into(), json!(required));
    }
    object
}

fn property(key: &'static Key, of: &Table) -> Value {
    let mut value = shape(&key.shape);
    // The sections of the file may be empty.
    if std::ptr::eq(of, &ROOT)
        && matches!(key.shape, Shape::MapOf(_))
        && let Some(kind) = value.get_mut("type")
    {
        *kind = json!(["object", "null"]);
    }
    if let Value::Object(map) = &mut value {
        map.insert("description".into(), key.about.into());
    }
    value
}

fn shape(shape_of: &'static Shape) -> Value {
    match shape_of {
        Shape::Text => json!({ "type": "string" }),
        Shape::Loose => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Duration => json!({
            "anyOf": [
                { "type": "number", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*([0-9.]+\\s*(ms|s|sec|m|min|h|d|w)\\s*)+$" },
                { "type": "string", "pattern": "^\\s*[0-9.]+([eE][+-]?[0-9]+)?\\s*$" },
                variable(),
            ],
        }),
        Shape::Size => json!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*[0-9.]+\\s*([kKmMgGtT]?[iI]?[bB])?\\s*$" },
                variable(),
            ],
        }),
        Shape::Bool => json!({ "anyOf": [{ "type": "boolean" }, variable()] }),
        Shape::Whole => json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, variable()] }),
        Shape::MaxBad => json!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*([0-9]+|[0-9.]+([eE][+-]?[0-9]+)?\\s*%)\\s*$" },
                variable(),
            ],
        }),
        Shape::RowCount => {
            let bound = json!({ "anyOf": [{ "type": ["integer", "null"], "minimum": 0 }, variable()] });
            json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, variable(), pair(bound)] })
        }
        Shape::Bounds => pair(json!({ "anyOf": [{ "type": ["number", "null"] }, variable()] })),
        Shape::OneOf(words) => json!({ "anyOf": [{ "enum": words }, variable()] }),
        Shape::Names => one_or_many(json!({ "type": "string" }), 1),
        Shape::LooseNames => one_or_many(shape(&Shape::Loose), 0),
        Shape::SomeOf(words) => one_or_many(json!({ "anyOf": [{ "enum": words }, variable()] }), 1),
        Shape::ListOf(item) => json!({ "type": "array", "items": shape(item) }),
        Shape::MapOf(value) => json!({ "type": "object", "additionalProperties": shape(value) }),
        Shape::Record(of) => table(of),
        Shape::Switch(of) => json!({ "anyOf": [{ "type": "boolean" }, variable(), table(of)] }),
        Shape::RecordOrMapOf(of, value) => json!({ "anyOf": [table(of), shape_map(value)] }),
    }
}

fn shape_map(value: &'static Shape) -> Value {
    json!({ "type": "object", "additionalProperties": shape(value) })
}

fn variable() -> Value {
    json!({ "$ref": "#/$defs/variable" })
}

fn pair(bound: Value) -> Value {
    json!({ "type": "array", "items": bound, "minItems": 2, "maxItems": 2 })
}

fn one_or_many(item: Value, least: usize) -> Value {
    json!({ "anyOf": [item, { "type": "array", "items": item, "minItems": least }] })
}
