//! The world that a generated pipeline lives in: files, a database, a URL, parameters and the environment.
//!
//! Values are small and sums of them are exact (multiples of a quarter), so that two correct runs agree to the bit.

use crate::{chance::Chance, server::Server};
use arrow::{
    array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// The readers that the partitioned source is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Csv,
    CsvGz,
    Tsv,
    Ndjson,
    NdjsonZst,
    Json,
    Parquet,
    Arrow,
}

impl Reader {
    pub const ALL: [Self; 8] =
        [Self::Csv, Self::CsvGz, Self::Tsv, Self::Ndjson, Self::NdjsonZst, Self::Json, Self::Parquet, Self::Arrow];

    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::CsvGz => "csv.gz",
            Self::Tsv => "tsv",
            Self::Ndjson => "ndjson",
            Self::NdjsonZst => "ndjson.zst",
            Self::Json => "json",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// Whether a file is as long as before when a digit of it changes.
    pub fn keeps_size(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv | Self::Ndjson | Self::Json)
    }

    pub fn is_delimited(self) -> bool {
        matches!(self, Self::Csv | Self::CsvGz | Self::Tsv)
    }
}

/// A row of the partitioned source.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub id: i64,
    pub grp: Option<String>,
    /// In quarters.
    pub val: i64,
    pub opt: Option<i64>,
    /// No step reads it.
    pub extra: i64,
}

impl Row {
    pub fn any(chance: &mut Chance) -> Self {
        Self {
            id: chance.below(90) as i64 + 10,
            grp: (!chance.one_in(6)).then(|| chance.pick(&["a", "b", "c", "d", "NA"]).to_string()),
            val: chance.below(36) as i64 + 40,
            opt: (!chance.one_in(3)).then(|| chance.below(9) as i64),
            extra: chance.below(9) as i64,
        }
    }
}

/// Everything that a run can see.
#[derive(Clone, Debug)]
pub struct World {
    pub reader: Reader,
    /// The partitions, by the stem of the file's name.
    pub files: BTreeMap<String, Vec<Row>>,
    /// Whether the files have a column more, which only `select *` sees.
    pub wide: bool,
    pub lookup: Vec<(String, String, i64)>,
    /// Body of the URL: group and rate in halves.
    pub rates: Vec<(String, i64)>,
    /// Whether the text NA is read as null.
    pub na_is_null: bool,
    pub min: i64,
    /// The environment variable TAG.
    pub tag: String,
    /// A constant in the SQL of `clean`.
    pub constant: i64,
    /// Changes how the SQL is written, and nothing else.
    pub cosmetic: u64,
    pub version: u64,
    /// Which steps the pipeline has.
    pub steps: u64,
}

impl World {
    pub fn any(chance: &mut Chance) -> Self {
        let files = (0..1 + chance.below(3))
            .map(|index| (format!("part-{index}"), (0..1 + chance.below(5)).map(|_| Row::any(chance)).collect()))
            .collect();
        Self {
            reader: *chance.pick(&Reader::ALL),
            files,
            wide: chance.one_in(2),
            lookup: ["a", "b", "c"]
                .iter()
                .map(|grp| ((*grp).into(), format!("label {grp}"), chance.below(5) as i64))
                .collect(),
            rates: ["a", "b", "d"].iter().map(|grp| ((*grp).into(), chance.below(7) as i64)).collect(),
            na_is_null: chance.one_in(2),
            min: chance.below(5) as i64,
            tag: chance.pick(&["red", "green"]).to_string(),
            constant: chance.below(5) as i64,
            cosmetic: 0,
            version: 1,
            steps: chance.below(1 << 12),
        }
    }

    fn file_bytes(&self, rows: &[Row]) -> Vec<u8> {
        match self.reader {
            Reader::Csv => self.delimited(rows, ','),
            Reader::Tsv => self.delimited(rows, '\t'),
            Reader::CsvGz => {
                let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                out.write_all(&self.delimited(rows, ',')).unwrap();
                out.finish().unwrap()
            }
            Reader::Ndjson => self.objects(rows).join("\n").into_bytes(),
            Reader::NdjsonZst => zstd::encode_all(self.objects(rows).join("\n").as_bytes(), 1).unwrap(),
            Reader::Json => format!("[{}]", self.objects(rows).join(",\n")).into_bytes(),
            Reader::Parquet => {
                let batch = self.batch(rows);
                let mut out = Vec::new();
                let mut writer = parquet::arrow::ArrowWriter::try_new(&mut out, batch.schema(), None).unwrap();
                writer.write(&batch).unwrap();
                writer.close().unwrap();
                out
            }
            Reader::Arrow => {
                let batch = self.batch(rows);
                let mut writer = arrow::ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
                writer.write(&batch).unwrap();
                writer.finish().unwrap();
                writer.into_inner().unwrap()
            }
        }
    }

    fn delimited(&self, rows: &[Row], delimiter: char) -> Vec<u8> {
        let more = if self.wide { vec!["more"] } else { vec![] };
        let header: Vec<&str> = ["id", "grp", "val", "opt", "extra", "day"].into_iter().chain(more).collect();
        let mut text = header.join(&delimiter.to_string()) + "\n";
        for row in rows {
            let mut cells = vec![
                row.id.to_string(),
                row.grp.clone().unwrap_or_default(),
                format!("{:.2}", row.val as f64 / 4.0),
                row.opt.map(|opt| opt.to_string()).unwrap_or_default(),
                row.extra.to_string(),
                "2024-02-03".to_string(),
            ];
            if self.wide {
                cells.push("7".into());
            }
            text += &(cells.join(&delimiter.to_string()) + "\n");
        }
        text.into_bytes()
    }

    fn objects(&self, rows: &[Row]) -> Vec<String> {
        rows.iter()
            .map(|row| {
                let grp = row.grp.as_ref().map_or("null".into(), |grp| format!("\"{grp}\""));
                let opt = row.opt.map_or("null".into(), |opt| opt.to_string());
                let more = if self.wide { ",\"more\":7" } else { "" };
                format!(
                    "{{\"id\":{},\"grp\":{grp},\"val\":{:.2},\"opt\":{opt},\"extra\":{},\"day\":\"2024-02-03\"{more}}}",
                    row.id,
                    row.val as f64 / 4.0,
                    row.extra
                )
            })
            .collect()
    }

    fn batch(&self, rows: &[Row]) -> RecordBatch {
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id)))),
            ("grp", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.grp.clone())))),
            ("val", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.val as f64 / 4.0)))),
            ("opt", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.opt)))),
            ("extra", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.extra)))),
            ("day", Arc::new(Date32Array::from_iter_values(rows.iter().map(|_| 19_756)))),
        ];
        if self.wide {
            columns.push(("more", Arc::new(Int64Array::from_iter_values(rows.iter().map(|_| 7)))));
        }
        let fields: Vec<Field> =
            columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
        let _: &DataType = fields[0].data_type();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, column)| column).collect())
            .unwrap()
    }

    /// What the URL answers.
    pub fn rates_body(&self) -> String {
        let rates: Vec<String> = self
            .rates
            .iter()
            .map(|(grp, rate)| format!("{{\"grp\":\"{grp}\",\"rate\":{:.1}}}", *rate as f64 / 2.0))
            .collect();
        format!("[{}]", rates.join(","))
    }
}

/// A world on disk. Files are written only where they differ, so that the others keep their stat.
pub struct Place {
    pub folder: tempfile::TempDir,
    written: BTreeMap<PathBuf, Vec<u8>>,
    lookup: Option<Vec<(String, String, i64)>>,
    pub url: String,
}

impl Place {
    pub fn new(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        Self { folder, written: BTreeMap::new(), lookup: None, url: server.new_url() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes the disk and the server look like `world`. With `keep_mtime`, a rewritten file gets the modification time
    /// that it had.
    pub fn show(&mut self, world: &World, server: &Server, keep_mtime: bool) {
        let data = self.folder.path().join("data");
        let mut wanted = BTreeMap::new();
        for (stem, rows) in &world.files {
            wanted.insert(data.join(format!("{stem}.{}", world.reader.extension())), world.file_bytes(rows));
        }
        for gone in self.written.keys().filter(|path| !wanted.contains_key(*path)) {
            fs::remove_file(gone).unwrap();
        }
        for (path, bytes) in &wanted {
            if self.written.get(path) != Some(bytes) {
                let before = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
                fs::write(path, bytes).unwrap();
                if let Some(before) = before.filter(|_| keep_mtime) {
                    set_modified(path, before);
                }
            }
        }
        self.written = wanted;
        if self.lookup.as_ref() != Some(&world.lookup) {
            let mut database = rusqlite::Connection::open(self.folder.path().join("lookup.db")).unwrap();
            let transaction = database.transaction().unwrap();
            transaction
                .execute_batch(
                    "drop table if exists lookup; create table lookup (grp text, label text, weight integer)",
                )
                .unwrap();
            for (grp, label, weight) in &world.lookup {
                transaction.execute("insert into lookup values (?1, ?2, ?3)", (grp, label, weight)).unwrap();
            }
            transaction.commit().unwrap();
            self.lookup = Some(world.lookup.clone());
        }
        server.set(&self.url, world.rates_body());
    }

    /// The data files, in the order of their names.
    pub fn files(&self) -> Vec<PathBuf> {
        self.written.keys().cloned().collect()
    }
}

pub fn set_modified(path: &Path, time: SystemTime) {
    fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}
