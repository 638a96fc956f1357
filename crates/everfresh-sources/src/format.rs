//! File formats, and how a file's name tells them.

use crate::SourceError;
use serde::{Deserialize, Serialize};
use std::{fmt, path::Path};

/// The format of a file, whatever its compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values (RFC 4180).
    Csv,
    /// Tab-separated values: the same with tabs.
    Tsv,
    /// One array of objects, or a single object, which is one row.
    Json,
    /// One object a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
    /// The Arrow IPC file format, which is Feather version 2.
    Arrow,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] = [Self::Csv, Self::Tsv, Self::Json, Self::Ndjson, Self::Parquet, Self::Arrow];

    /// The names of all formats, as [`Format::from_name`] reads them.
    pub const NAMES: [&'static str; 6] = ["csv", "tsv", "json", "ndjson", "parquet", "arrow"];

    /// The format of this name; upper and lower case are the same.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// The format that a file's name tells, with `.gz` or `.zst` taken off: `csv`, `tsv` or `tab`, `json`, `ndjson` or
    /// `jsonl`, `parquet` or `pq`, `arrow`, `feather` or `ipc`; upper and lower case are the same.
    pub fn from_path(path: &Path) -> Result<Self, SourceError> {
        let unknown = || SourceError::UnknownFormat { path: path.to_owned() };
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(unknown)?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("csv") => Ok(Self::Csv),
            Some("tsv" | "tab") => Ok(Self::Tsv),
            Some("json") => Ok(Self::Json),
            Some("ndjson" | "jsonl") => Ok(Self::Ndjson),
            Some("parquet" | "pq") => Ok(Self::Parquet),
            Some("arrow" | "feather" | "ipc") => Ok(Self::Arrow),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_format_with_its_compression_taken_off() {
        for (name, format) in [
            ("a.csv", Format::Csv),
            ("a.b.CSV.GZ", Format::Csv),
            ("a.tab", Format::Tsv),
            ("a.json.zst", Format::Json),
            ("a.jsonl.gz", Format::Ndjson),
            ("a.parquet", Format::Parquet),
            ("a.feather", Format::Arrow),
        ] {
            assert_eq!(Format::from_path(Path::new(name)).unwrap(), format, "{name}");
        }
        for name in ["a", "a.gz", "a.txt", "csv", ".."] {
            let error = Format::from_path(Path::new(name)).unwrap_err().to_string();
            assert!(error.contains("say `format:` (one of csv, tsv, json, ndjson, parquet, arrow)"), "{name}: {error}");
        }
    }

    #[test]
    fn every_format_is_found_by_its_name() {
        for (format, name) in Format::ALL.into_iter().zip(Format::NAMES) {
            assert_eq!((format.name(), Format::from_name(&name.to_uppercase())), (name, Some(format)));
        }
        assert_eq!(Format::from_name("xlsx"), None);
    }
}
