//! How a file is read.

use crate::{Format, SourceError, parse_type, type_name};
use arrow::datatypes::{DataType, Schema};
use everfresh::{Fingerprint, FingerprintBuilder};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::path::Path;

/// The version of this crate's file readers. It enters every key, so raise it with every change that can give another
/// schema or other rows from the same bytes.
pub const READERS_VERSION: u64 = 1;

/// How to read a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadOptions {
    /// The format; `None` takes it from each file's name.
    pub format: Option<Format>,
    /// Declared column types, which override what the file says or inference finds. In CSV and JSON the value is then
    /// read from its text. A declared column that a file lacks is left out of that file's schema.
    #[serde(serialize_with = "types_by_name", deserialize_with = "types_from_names")]
    pub columns: Vec<(String, DataType)>,
    /// What stands between fields of CSV and TSV; `None` is a comma for CSV and a tab for TSV.
    pub delimiter: Option<u8>,
    /// Whether the first line of CSV and TSV names the columns (the default); else they are `c1`, `c2`, ….
    pub header: bool,
    /// The texts that CSV and TSV have for null; by default just the empty one. Quotes make no difference.
    pub null: Vec<String>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { format: None, columns: Vec::new(), delimiter: None, header: true, null: vec![String::new()] }
    }
}

impl ReadOptions {
    /// What enters a key: everything here, and [`READERS_VERSION`]. The order of declared columns and of null texts
    /// does not count, since it changes no result.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut columns: Vec<_> = self.columns.iter().map(|(name, data_type)| (name, type_name(data_type))).collect();
        columns.sort();
        let mut null = self.null.clone();
        null.sort();
        null.dedup();
        FingerprintBuilder::new("everfresh.read_options")
            .u64(READERS_VERSION)
            .option(self.format.map(Format::name), FingerprintBuilder::str)
            .list(columns, |builder, (name, data_type)| builder.str(name).str(&data_type))
            .option(self.delimiter.map(u64::from), FingerprintBuilder::u64)
            .bool(self.header)
            .list(&null, |builder, text| builder.str(text))
            .finish()
    }

    /// The format of a file: the one that is set, or the one that its name tells.
    pub fn format_of(&self, path: &Path) -> Result<Format, SourceError> {
        self.format.map_or_else(|| Format::from_path(path), Ok)
    }

    /// The declared type of a column.
    pub fn declared(&self, column: &str) -> Option<&DataType> {
        self.columns.iter().find(|(name, _)| name == column).map(|(_, data_type)| data_type)
    }

    /// The declared columns that a table lacks: most likely a slip of the pen, which only shows once all files are
    /// known. Each comes with the table's column that is named most alike, if there is one.
    pub fn missing_columns<'a>(&'a self, schema: &'a Schema) -> Vec<(&'a str, Option<&'a str>)> {
        let nearest = |name: &str| {
            let scored = schema
                .fields()
                .iter()
                .map(|field| (strsim::normalized_damerau_levenshtein(name, field.name()), field.name()));
            let best = scored.max_by(|one, other| one.0.total_cmp(&other.0));
            best.filter(|(score, _)| *score >= 0.6).map(|(_, name)| name.as_str())
        };
        let missing = self.columns.iter().filter(|(name, _)| schema.index_of(name).is_err());
        missing.map(|(name, _)| (name.as_str(), nearest(name))).collect()
    }

    pub(crate) fn delimiter_of(&self, format: Format) -> u8 {
        self.delimiter.unwrap_or(if format == Format::Tsv { b'\t' } else { b',' })
    }
}

fn types_by_name<S: Serializer>(columns: &[(String, DataType)], serializer: S) -> Result<S::Ok, S::Error> {
    let named: Vec<_> = columns.iter().map(|(name, data_type)| (name, type_name(data_type))).collect();
    named.serialize(serializer)
}

fn types_from_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, DataType)>, D::Error> {
    Vec::<(String, String)>::deserialize(deserializer)?
        .into_iter()
        .map(|(name, type_text)| match parse_type(&type_text) {
            Some(data_type) => Ok((name, data_type)),
            None => Err(D::Error::custom(format!("unknown type `{type_text}` of column `{name}`"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;
    use std::collections::BTreeSet;

    #[test]
    fn every_option_enters_the_fingerprint_and_the_order_of_declarations_does_not() {
        let default = ReadOptions::default();
        let two = vec![("a".to_owned(), DataType::Utf8), ("b".to_owned(), DataType::Int64)];
        let all = [
            default.clone(),
            ReadOptions { format: Some(Format::Csv), ..default.clone() },
            ReadOptions { format: Some(Format::Tsv), ..default.clone() },
            ReadOptions { columns: two.clone(), ..default.clone() },
            ReadOptions { columns: vec![("a".into(), DataType::LargeUtf8)], ..default.clone() },
            ReadOptions { delimiter: Some(b';'), ..default.clone() },
            ReadOptions { header: false, ..default.clone() },
            ReadOptions { null: vec![], ..default.clone() },
            ReadOptions { null: vec!["NA".into()], ..default.clone() },
        ];
        let distinct: BTreeSet<_> = all.iter().map(ReadOptions::fingerprint).collect();
        assert_eq!(distinct.len(), all.len());

        let one = ReadOptions { columns: two.clone(), null: vec!["a".into(), "b".into()], ..default.clone() };
        let columns = two.into_iter().rev().collect();
        let other = ReadOptions { columns, null: vec!["b".into(), "a".into(), "a".into()], ..default };
        assert_eq!(one.fingerprint(), other.fingerprint());
    }

    #[test]
    fn options_survive_serde() {
        let options = ReadOptions {
            format: Some(Format::Ndjson),
            columns: vec![("a".into(), DataType::Decimal128(10, 2)), ("b".into(), DataType::Utf8)],
            ..ReadOptions::default()
        };
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<ReadOptions>(&text).unwrap(), options);
    }

    #[test]
    fn a_declared_column_that_no_file_has_is_told_with_the_nearest_name() {
        let schema = Schema::new(vec![Field::new("zip", DataType::Utf8, true)]);
        let columns = ["zpi", "zip", "entirely"].map(|name| (name.to_owned(), DataType::Utf8)).to_vec();
        let options = ReadOptions { columns, ..ReadOptions::default() };
        assert_eq!(options.missing_columns(&schema), [("zpi", Some("zip")), ("entirely", None)]);
    }
}
