//! What types JSON has: inference over every row, without building values.
//!
//! `null < boolean`, `null < bigint < double`, `null < string`, `null < list`, `null < object`; lists join item by item
//! and objects field by field. Two others have no common type: that is an error which names the row and the column,
//! since one of the two is most likely wrong, and a declaration settles it.

use crate::{ReadOptions, type_name};
use arrow::datatypes::{DataType, Field};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::{collections::HashMap, fmt, sync::Arc};

/// The type of all values seen in one place.
#[derive(Debug)]
enum JsonType {
    Null,
    Boolean,
    Int64,
    Float64,
    Utf8,
    List(Box<JsonType>),
    Object(JsonObject),
    /// Of a declared type: its values are passed over.
    Declared(DataType),
}

/// The fields of an object, in the order of their first appearance.
#[derive(Debug, Default)]
struct JsonObject {
    fields: Vec<JsonField>,
    positions: HashMap<String, usize>,
}

#[derive(Debug)]
struct JsonField {
    name: String,
    json_type: JsonType,
    /// The last object that had this field, to tell a field that stands twice in one.
    object: u64,
}

/// Infers the columns of rows that are objects.
pub(crate) struct JsonInference<'a> {
    columns: JsonObject,
    context: Context<'a>,
}

struct Context<'a> {
    options: &'a ReadOptions,
    objects: u64,
    depth: usize,
    /// The names that lead to what is wrong, innermost first.
    wrong_at: Vec<String>,
}

impl<'a> JsonInference<'a> {
    pub(crate) fn new(options: &'a ReadOptions) -> Self {
        let context = Context { options, objects: 0, depth: 0, wrong_at: Vec::new() };
        Self { columns: JsonObject::default(), context }
    }

    /// Takes a row in; the error says what is wrong with it.
    pub(crate) fn row(&mut self, text: &[u8]) -> Result<(), String> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        self.context.depth = 0;
        self.context.wrong_at.clear();
        let visitor = ObjectVisitor { object: &mut self.columns, context: &mut self.context };
        let read = deserializer.deserialize_map(visitor).and_then(|()| deserializer.end());
        read.map_err(|error| {
            let path: Vec<_> = self.context.wrong_at.iter().rev().map(String::as_str).collect();
            // serde_json counts lines from the row's start, where nobody looks.
            let message = error.to_string();
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
            if path.is_empty() { message.to_owned() } else { format!("column `{}`: {message}", path.join(".")) }
        })
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        self.columns.arrow_fields()
    }
}

impl JsonObject {
    fn arrow_fields(&self) -> Vec<Field> {
        self.fields.iter().map(|field| Field::new(&field.name, field.json_type.data_type(), true)).collect()
    }

    /// The position of a field, which is new if need be; most objects have their fields in the order of the first.
    fn position(&mut self, name: &str, expected: usize, context: &Context<'_>) -> usize {
        if self.fields.get(expected).is_some_and(|field| field.name == name) {
            return expected;
        }
        if let Some(position) = self.positions.get(name) {
            return *position;
        }
        let declared = if context.depth == 1 { context.options.declared(name) } else { None };
        let json_type = declared.map_or(JsonType::Null, |data_type| JsonType::Declared(data_type.clone()));
        self.fields.push(JsonField { name: name.to_owned(), json_type, object: 0 });
        self.positions.insert(name.to_owned(), self.fields.len() - 1);
        self.fields.len() - 1
    }
}

impl JsonType {
    fn data_type(&self) -> DataType {
        match self {
            Self::Null => DataType::Null,
            Self::Boolean => DataType::Boolean,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Utf8 => DataType::Utf8,
            Self::List(item) => DataType::List(Arc::new(Field::new("item", item.data_type(), true))),
            Self::Object(object) => DataType::Struct(object.arrow_fields().into()),
            Self::Declared(data_type) => data_type.clone(),
        }
    }

    fn join<E: de::Error>(&mut self, found: Self) -> Result<(), E> {
        match (&*self, &found) {
            (Self::Null, _) | (Self::Int64, Self::Float64) => *self = found,
            (Self::Float64, Self::Int64) => {}
            (one, other) if std::mem::discriminant(one) == std::mem::discriminant(other) => {}
            (known, found) => return Err(mixed(known, &found.data_type())),
        }
        Ok(())
    }
}

fn mixed<E: de::Error>(known: &JsonType, found: &DataType) -> E {
    let plain = |data_type: &DataType| match data_type {
        DataType::List(_) => "a list".to_owned(),
        DataType::Struct(_) => "an object".to_owned(),
        other => type_name(other),
    };
    E::custom(format!(
        "the value is {} where the rows before have {}; mend it, or declare the column's type (`columns: {{ NAME: TYPE }}`)",
        plain(found),
        plain(&known.data_type())
    ))
}

/// Reads an object into its type.
struct ObjectVisitor<'a, 'b> {
    object: &'a mut JsonObject,
    context: &'a mut Context<'b>,
}

impl<'de> Visitor<'de> for ObjectVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { object, context } = self;
        context.objects += 1;
        context.depth += 1;
        let number = context.objects;
        let mut expected = 0;
        while let Some(position) = map.next_key_seed(Key { object: &mut *object, expected, context: &*context })? {
            expected = position + 1;
            let Some(field) = object.fields.get_mut(position) else { continue };
            if std::mem::replace(&mut field.object, number) == number {
                context.wrong_at.push(field.name.clone());
                return Err(de::Error::custom("the field stands twice in one object"));
            }
            let value = Value { json_type: &mut field.json_type, context: &mut *context };
            if let Err(error) = map.next_value_seed(value) {
                context.wrong_at.push(field.name.clone());
                return Err(error);
            }
        }
        context.depth -= 1;
        Ok(())
    }
}

/// Reads a key into its position.
struct Key<'a, 'b> {
    object: &'a mut JsonObject,
    expected: usize,
    context: &'a Context<'b>,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<usize, E> {
        Ok(self.object.position(name, self.expected, self.context))
    }
}

/// Reads a value into its type.
struct Value<'a, 'b> {
    json_type: &'a mut JsonType,
    context: &'a mut Context<'b>,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.json_type {
            JsonType::Declared(_) => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ()),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.json_type.join(JsonType::Boolean)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.json_type.join(JsonType::Int64)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        if i64::try_from(value).is_err() {
            let message =
                format!("{value} is too large for bigint; declare the column's type (string, uint64 or double)");
            return Err(E::custom(message));
        }
        self.json_type.join(JsonType::Int64)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.json_type.join(JsonType::Float64)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.json_type.join(JsonType::Utf8)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if matches!(self.json_type, JsonType::Null) {
            *self.json_type = JsonType::List(Box::new(JsonType::Null));
        }
        let JsonType::List(item) = self.json_type else {
            let found = JsonType::List(Box::new(JsonType::Null)).data_type();
            return Err(mixed(self.json_type, &found));
        };
        while seq.next_element_seed(Value { json_type: &mut *item, context: &mut *self.context })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        if matches!(self.json_type, JsonType::Null) {
            *self.json_type = JsonType::Object(JsonObject::default());
        }
        match self.json_type {
            JsonType::Object(object) => ObjectVisitor { object, context: self.context }.visit_map(map),
            known => Err(mixed(known, &DataType::Struct(Vec::<Field>::new().into()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inferred(rows: &[&str], declared: &[(&str, DataType)]) -> Result<String, String> {
        let columns = declared.iter().map(|(name, data_type)| ((*name).to_owned(), data_type.clone())).collect();
        let options = ReadOptions { columns, ..ReadOptions::default() };
        let mut inference = JsonInference::new(&options);
        for row in rows {
            inference.row(row.as_bytes())?;
        }
        let named = |field: &Field| format!("{}: {}", field.name(), type_name(field.data_type()));
        Ok(inference.fields().iter().map(named).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn every_row_counts_and_columns_come_in_the_order_of_their_first_appearance() {
        let rows = [r#"{"a": 1, "b": null}"#, r#"{"b": "x", "c": true}"#, r#"{"c": null, "a": 2.5}"#];
        assert_eq!(inferred(&rows, &[]).unwrap(), "a: double, b: string, c: boolean");
        assert_eq!(inferred(&["{}"], &[]).unwrap(), "");
    }

    #[test]
    fn nested_values_are_lists_and_structs() {
        let rows =
            [r#"{"a": [{"x": 1}, {"y": []}, null], "b": {}}"#, r#"{"a": [{"y": ["t"], "x": 1.5}], "b": {"z": 1}}"#];
        assert_eq!(inferred(&rows, &[]).unwrap(), "a: list<struct<x: double, y: list<string>>>, b: struct<z: bigint>");
    }

    #[test]
    fn mixed_types_are_an_error_that_names_the_column_unless_it_is_declared() {
        let rows = [r#"{"a": {"b": [1]}}"#, r#"{"a": {"b": ["x"]}}"#];
        assert_eq!(
            inferred(&rows, &[]).unwrap_err(),
            "column `a.b`: the value is string where the rows before have bigint; mend it, or declare the column's type \
             (`columns: { NAME: TYPE }`)"
        );
        assert_eq!(inferred(&rows, &[("a", DataType::Utf8)]).unwrap(), "a: string");
        let error = inferred(&[r#"{"a": 1}"#, r#"{"a": [1]}"#], &[]).unwrap_err();
        assert!(error.contains("the value is a list where the rows before have bigint"), "{error}");
        let error = inferred(&[r#"{"a": 18446744073709551615}"#], &[]).unwrap_err();
        assert!(error.starts_with("column `a`: 18446744073709551615 is too large for bigint"), "{error}");
    }

    #[test]
    fn a_field_that_stands_twice_is_an_error() {
        let error = inferred(&[r#"{"a": [{"b": 1}, {"b": 1, "b": 2}]}"#], &[]).unwrap_err();
        assert_eq!(error, "column `a.b`: the field stands twice in one object");
    }

    #[test]
    fn what_is_not_json_is_an_error() {
        for row in ["{", "{}{}", r#"{"a": tru}"#, r#"{"a": 01}"#, r#"{"a": "\x"}"#, "{\"a\": \"\u{1}\"}"] {
            assert!(inferred(&[row], &[]).is_err(), "{row}");
        }
    }
}
