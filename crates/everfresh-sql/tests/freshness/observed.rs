//! One run of a pipeline, and everything that came out of it, as text.

use arrow::{
    array::{Array, RecordBatch},
    util::display::{ArrayFormatter, FormatOptions},
};
use everfresh_pipeline::{
    Pipeline, Refresh, RunOptions, Settings,
    engine::QueryEngine,
    pipeline::stored_table,
    report::{NodeReport, Outcome, RunReport, Silent},
    sabotage::Sabotage,
    spec::LoadOptions,
};
use everfresh_sources::{
    ReadOptions,
    sqlite::{Volatile, read_table},
};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// A table as text: what a user could see of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TableText {
    pub schema: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// The number of rows of each partition.
    pub parts: Vec<u64>,
}

impl TableText {
    /// What a computation sees that reads these columns of some rows; all of them if `None`.
    pub fn seen(&self, columns: Option<&[&str]>, rows: std::ops::Range<usize>) -> String {
        let wanted: Vec<usize> = self
            .schema
            .iter()
            .enumerate()
            .filter(|(_, field)| {
                columns.is_none_or(|columns| columns.iter().any(|column| field.split(' ').next() == Some(column)))
            })
            .map(|(index, _)| index)
            .collect();
        let cells: Vec<Vec<&str>> =
            self.rows[rows].iter().map(|row| wanted.iter().map(|&column| row[column].as_str()).collect()).collect();
        format!("{:?} {cells:?}", self.schema)
    }

    /// The rows of each partition, as ranges.
    pub fn ranges(&self) -> Vec<std::ops::Range<usize>> {
        let mut start = 0;
        self.parts
            .iter()
            .map(|&rows| {
                let range = start..start + rows as usize;
                start = range.end;
                range
            })
            .collect()
    }
}

pub fn cells(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| (column, ArrayFormatter::try_new(column, &options).unwrap())).collect();
        for row in 0..batch.num_rows() {
            let cell = |(column, formatter): &(&Arc<dyn Array>, ArrayFormatter<'_>)| {
                if column.is_null(row) { "null".into() } else { format!("={}", formatter.value(row)) }
            };
            rows.push(columns.iter().map(cell).collect());
        }
    }
    rows
}

/// A run and what came out.
pub struct Observed {
    pub report: RunReport,
    pub tables: BTreeMap<String, TableText>,
}

impl Observed {
    pub fn node(&self, name: &str) -> Option<&NodeReport> {
        self.report.nodes.iter().find(|node| node.name == name)
    }

    /// How a node ended, with hits and runs alike.
    pub fn ended(&self, name: &str) -> Option<Outcome> {
        self.node(name).map(|node| if node.outcome == Outcome::Ran { Outcome::Hit } else { node.outcome })
    }
}

/// Runs a pipeline file and reads back all tables that are stored. With `again`, everything is computed, whatever is
/// in the cache.
pub fn run(
    file: &Path,
    cache: &Path,
    tag: &str,
    engine: Arc<dyn QueryEngine>,
    sabotage: Option<Sabotage>,
    again: bool,
) -> Result<Observed, String> {
    let env = |name: &str| (name == "TAG").then(|| tag.to_owned());
    let settings = Settings {
        load: LoadOptions { params: &[], cache_dir: Some(cache), env: &env, secret_key: &|| [0; 32] },
        engine,
        no_cache: false,
        look_only: false,
    };
    let mut pipeline =
        Pipeline::open(file, &settings).map_err(|error| format!("the pipeline does not open: {error}"))?;
    pipeline.plant(sabotage);
    let refresh = if again { Refresh::All } else { Refresh::None };
    let report = pipeline.run(&RunOptions { jobs: 2, refresh, ..RunOptions::default() }, &Silent);
    let mut tables = BTreeMap::new();
    for node in report.nodes.iter().filter(|node| matches!(node.kind.as_str(), "source" | "step")) {
        let Ok((schema, batches, _)) = pipeline.show(&node.name, usize::MAX) else { continue };
        let parts = node.fingerprint.and_then(|id| stored_table(pipeline.cache(), &id));
        tables.insert(
            node.name.clone(),
            TableText {
                schema: schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect(),
                rows: cells(&batches),
                parts: parts.map(|table| table.parts.iter().map(|part| part.rows).collect()).unwrap_or_default(),
            },
        );
    }
    Ok(Observed { report, tables })
}

/// A sink's target as text; `None` if it is not there.
pub fn target(kind: &str, out: &Path, step: &str) -> Option<String> {
    match kind {
        "replace" | "upsert" | "append" => {
            let (file, table) = match kind {
                "replace" => (out.join(format!("{step}.db")), step),
                "upsert" => (out.join("upsert.db"), "tagged"),
                _ => (out.join("append.db"), "counts"),
            };
            if !file.exists() {
                return None;
            }
            let read = read_table(&file, table, Volatile::Refused).ok()?;
            let batches: Result<Vec<_>, _> = read.collect();
            Some(format!("{:?}", cells(&batches.unwrap())))
        }
        "parquet" | "arrow" => {
            let path = out.join(format!("{step}.{kind}"));
            let bytes = std::fs::read(&path).ok()?;
            let options = ReadOptions::default();
            let Ok(schema) = everfresh_sources::infer_schema(&path, &options) else {
                return Some(format!("{} bytes of something else", bytes.len()));
            };
            let schema = Arc::new(schema);
            let every: Vec<usize> = (0..schema.fields().len()).collect();
            let batches: Result<Vec<_>, _> =
                everfresh_sources::read(&path, &options, &schema, &every, 1000).unwrap().collect();
            Some(format!("{schema:?} {:?}", cells(&batches.unwrap())))
        }
        text => std::fs::read_to_string(out.join(format!("{step}.{text}"))).ok(),
    }
}
