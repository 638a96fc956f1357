//! Makes input files: `bench-data random FILE BYTES` writes a Parquet file of random numbers that does not compress;
//! `bench-data month FILE MONTH ROWS SEED` writes one month of flights.

use arrow::array::{ArrayRef, Int16Array, Int64Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use everfresh_bench::{
    parquet_file::{batch, write},
    random::Random,
};
use parquet::{basic::Compression, file::properties::WriterProperties};
use std::{env, error::Error, path::Path, sync::Arc};

const RANDOM_COLUMNS: usize = 16;
const BATCH_ROWS: usize = 64 * 1024;
const CARRIERS: [&str; 8] = ["AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN"];
const ORIGINS: [&str; 3] = ["EWR", "JFK", "LGA"];
const DESTINATIONS: [&str; 12] = ["ATL", "BOS", "BUR", "CLT", "DFW", "FLL", "HNL", "IAH", "LAX", "MCO", "ORD", "SFO"];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["random", file, bytes] => random(Path::new(file), bytes.parse()?),
        ["month", file, month, rows, seed] => month_file(Path::new(file), month.parse()?, rows.parse()?, seed.parse()?),
        _ => Err("usage: bench-data random FILE BYTES | bench-data month FILE MONTH ROWS SEED".into()),
    }
}

/// Writes at least `bytes`; the few bytes more are Parquet's own.
fn random(file: &Path, bytes: usize) -> Result<(), Box<dyn Error>> {
    let mut random = Random::new(1);
    let names: Vec<String> = (0..RANDOM_COLUMNS).map(|column| format!("c{column}")).collect();
    let rows = bytes.div_ceil(RANDOM_COLUMNS * size_of::<i64>());
    let mut make = |rows: usize| {
        let columns = names.iter().map(|name| {
            let values = Int64Array::from_iter_values((0..rows).map(|_| random.bits().cast_signed()));
            (name.as_str(), Arc::new(values) as ArrayRef)
        });
        batch(columns.collect())
    };
    let schema = make(0)?.schema();
    let batches = chunks(rows).map(make);
    let plain = WriterProperties::builder().set_dictionary_enabled(false).set_compression(Compression::UNCOMPRESSED);
    write(file, schema, batches, plain.build())
}

fn month_file(file: &Path, month: i16, rows: usize, seed: u64) -> Result<(), Box<dyn Error>> {
    let mut random = Random::new(seed);
    let schema = month_batch(&mut random, month, 0)?.schema();
    let batches = chunks(rows).map(|rows| month_batch(&mut random, month, rows));
    write(file, schema, batches, WriterProperties::builder().set_compression(Compression::SNAPPY).build())
}

fn month_batch(random: &mut Random, month: i16, rows: usize) -> Result<RecordBatch, ArrowError> {
    let mut number = |start: i64, range: u64| {
        let values = (0..rows).map(|_| start + random.below(range).cast_signed());
        Arc::new(Int64Array::from_iter_values(values)) as ArrayRef
    };
    let (day, flight) = (number(1, 28), number(1, 6000));
    let (arr_delay, air_time, distance) = (number(-60, 400), number(30, 600), number(80, 4900));
    let (hour, minute) = (number(5, 19), number(0, 60));
    // One flight in forty was cancelled: it has no departure.
    let mut unless_cancelled = |start: i64, range: u64| {
        let values = (0..rows).map(|row| (row % 40 != 7).then(|| start + random.below(range).cast_signed()));
        Arc::new(values.collect::<Int64Array>()) as ArrayRef
    };
    let (dep_time, dep_delay) = (unless_cancelled(0, 2400), unless_cancelled(-40, 400));
    let mut word = |words: &[&str]| {
        let values = (0..rows).map(|_| words[random.below(words.len() as u64) as usize]);
        Arc::new(StringArray::from_iter_values(values)) as ArrayRef
    };
    batch(vec![
        ("year", Arc::new(Int16Array::from_value(2013, rows))),
        ("month", Arc::new(Int16Array::from_value(month, rows))),
        ("day", day),
        ("dep_time", dep_time),
        ("dep_delay", dep_delay),
        ("arr_delay", arr_delay),
        ("carrier", word(&CARRIERS)),
        ("flight", flight),
        ("origin", word(&ORIGINS)),
        ("dest", word(&DESTINATIONS)),
        ("air_time", air_time),
        ("distance", distance),
        ("hour", hour),
        ("minute", minute),
    ])
}

/// The lengths of the batches that make so many rows.
fn chunks(rows: usize) -> impl Iterator<Item = usize> {
    (0..rows).step_by(BATCH_ROWS).map(move |start| BATCH_ROWS.min(rows - start))
}
