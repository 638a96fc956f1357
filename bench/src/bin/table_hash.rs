//! `bench-table-hash compare ROUNDS MIB [TABLE]` times the fingerprint of tables, or one of them, against raw BLAKE3, on
//! all cores, over one buffer with the same bytes. `bench-table-hash stream MIB` fingerprints a table as it streams by, so
//! that somebody can look at the peak of this process's memory.

use arrow::{
    array::{
        Array, ArrayData, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch,
        StringArray, StringViewArray, TimestampMicrosecondArray,
    },
    buffer::Buffer,
    error::ArrowError,
};
use everfresh::table::TableHasher;
use everfresh_bench::{parquet_file::batch, random::Random};
use std::{
    env,
    error::Error,
    hint::black_box,
    sync::Arc,
    time::{Instant, SystemTime},
};

/// What query engines hand on.
const BATCH_ROWS: usize = 8192;

type Make = fn(&mut Random) -> Result<RecordBatch, ArrowError>;
const TABLES: [(&str, Make); 8] = [
    ("numbers", numbers),
    ("numbers, one of ten null", numbers_with_nulls),
    ("int32, every other null", half_null),
    ("texts", texts),
    ("short texts as views", short_views),
    ("texts in dictionaries", dictionaries),
    ("texts in dictionaries, new in each batch", new_dictionaries),
    ("mixed", mixed),
];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["compare", rounds, mib] => compare(rounds.parse()?, mib.parse::<usize>()? << 20, None),
        ["compare", rounds, mib, table] => compare(rounds.parse()?, mib.parse::<usize>()? << 20, Some(table)),
        ["stream", mib] => stream(mib.parse::<usize>()? << 20),
        _ => Err("usage: bench-table-hash compare ROUNDS MIB [TABLE] | bench-table-hash stream MIB".into()),
    }
}

fn compare(rounds: usize, bytes: usize, only: Option<&str>) -> Result<(), Box<dyn Error>> {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut order = Random::new(since_epoch.as_secs());
    let mut tables = Vec::new();
    for (name, make) in TABLES.into_iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        let batches = batches(make, bytes)?;
        let raw: Vec<u8> = batches.iter().flat_map(buffers).flat_map(|buffer| buffer.to_vec()).collect();
        let (mut raw_seconds, mut table_seconds) = (Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=rounds {
            let raw_first = order.below(2) == 0;
            for raw_now in [raw_first, !raw_first] {
                let start = Instant::now();
                if raw_now {
                    black_box(blake3::Hasher::new().update_rayon(&raw).finalize());
                } else {
                    black_box(fingerprint(batches.iter().cloned().map(Ok))?);
                }
                let seconds = start.elapsed().as_secs_f64();
                if round > 0 {
                    if raw_now { &mut raw_seconds } else { &mut table_seconds }.push(seconds);
                }
            }
        }
        let bytes = raw.len();
        tables.push(format!(
            r#"{{"name": "{name}", "bytes": {bytes}, "raw_seconds": {raw_seconds:?}, "table_seconds": {table_seconds:?}}}"#
        ));
    }
    println!("[{}]", tables.join(",\n"));
    Ok(())
}

fn stream(bytes: usize) -> Result<(), Box<dyn Error>> {
    let mut random = Random::new(1);
    let mut left = bytes;
    black_box(fingerprint(std::iter::from_fn(|| {
        let next = (left > 0).then(|| mixed(&mut random));
        if let Some(Ok(batch)) = &next {
            left = left.saturating_sub(buffers(batch).iter().map(Buffer::len).sum());
        }
        next
    }))?);
    Ok(())
}

fn fingerprint(mut batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>) -> Result<u64, Box<dyn Error>> {
    let first = batches.next().ok_or("a table without a batch")??;
    let columns: Vec<usize> = (0..first.num_columns()).collect();
    let mut hasher = TableHasher::new(&first.schema(), &columns)?;
    hasher.update(&first)?;
    for batch in batches {
        hasher.update(&batch?)?;
    }
    let fingerprints = hasher.finish();
    black_box(&fingerprints.columns);
    Ok(fingerprints.rows)
}

fn batches(make: Make, bytes: usize) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut random = Random::new(1);
    let (mut batches, mut made) = (Vec::new(), 0);
    while made < bytes {
        let batch = make(&mut random)?;
        made += buffers(&batch).iter().map(Buffer::len).sum::<usize>();
        batches.push(batch);
    }
    Ok(batches)
}

/// Everything that a batch holds in memory.
fn buffers(batch: &RecordBatch) -> Vec<Buffer> {
    fn collect(data: &ArrayData, into: &mut Vec<Buffer>) {
        into.extend(data.buffers().iter().cloned());
        into.extend(data.nulls().map(|nulls| nulls.buffer().clone()));
        data.child_data().iter().for_each(|child| collect(child, into));
    }
    let mut all = Vec::new();
    batch.columns().iter().for_each(|column| collect(&column.to_data(), &mut all));
    all
}

fn numbers(random: &mut Random) -> Result<RecordBatch, ArrowError> {
    batch(vec![
        ("a", integers(random)),
        ("b", integers(random)),
        ("c", integers(random)),
        ("d", Arc::new(Float64Array::from_iter_values((0..BATCH_ROWS).map(|_| random.bits() as f64)))),
    ])
}

fn numbers_with_nulls(random: &mut Random) -> Result<RecordBatch, ArrowError> {
    batch(vec![("a", floats(random)), ("b", floats(random)), ("c", floats(random)), ("d", floats(random))])
}

fn texts(random: &mut Random) -> Result<RecordBatch, ArrowError> {
    let names: Vec<String> = (0..BATCH_ROWS).map(|_| text(random)).collect();
    let places: Vec<Option<String>> = (0..BATCH_ROWS).map(|row| (row % 11 != 5).then(|| text(random))).collect();
    batch(vec![("a", Arc::new(StringArray::from(names))), ("b", Arc::new(StringArray::from(places)))])
}

fn half_null(random: &mut Random) -> Result<RecordBatch, ArrowError> {
    let mut column = || -> ArrayRef {
        let values = (0..BATCH_ROWS).map(|_| (random.below(2) > 0).then(|| random.bits() as i32));
        Arc::new(values.collect::<Int32Array>())
    };
    batch(vec![("a", column()), ("b", column()), ("c", column()), ("d", column())])
}

fn short_views(random: &mut Random) -> Result<RecordBatch, ArrowError> {
    let mut column = || -> ArrayRef {
        let texts: Vec<String> = (0..BATCH_ROWS).map(|_| text(random)[..8].to_owned()).collect();
        Arc::new(StringViewArray::from_iter_values(texts))
    };
    batch(vec![("a", column()), ("b", column())])
}

/// Some hundred texts of 8 to 39 letters, as categories have them: the same in every batch, each with its own copy.
fn dictionaries(random: &mut Random) -> Result<RecordBatch, ArrowError> {
    dictionary(&mut Random::new(300), random)
}

fn new_dictionaries(random: &mut Random) -> Result<RecordBatch, ArrowError> {
    let seed = random.bits();
    dictionary(&mut Random::new(seed), random)
}

fn dictionary(texts: &mut Random, keys: &mut Random) -> Result<RecordBatch, ArrowError> {
    let texts: Vec<String> = (0..300).map(|_| text(texts)).collect();
    let keys: Vec<i32> = (0..BATCH_ROWS).map(|_| keys.below(300) as i32).collect();
    let values: ArrayRef = Arc::new(StringArray::from(texts));
    batch(vec![("a", Arc::new(DictionaryArray::try_new(Int32Array::from(keys), values)?))])
}

fn mixed(random: &mut Random) -> Result<RecordBatch, ArrowError> {
    let texts: Vec<String> = (0..BATCH_ROWS).map(|_| text(random)).collect();
    let flags: Vec<bool> = (0..BATCH_ROWS).map(|_| random.below(2) == 0).collect();
    let times: Vec<i64> = (0..BATCH_ROWS).map(|_| random.below(1 << 50).cast_signed()).collect();
    batch(vec![
        ("id", integers(random)),
        ("at", Arc::new(TimestampMicrosecondArray::from(times))),
        ("score", floats(random)),
        ("flag", Arc::new(BooleanArray::from(flags))),
        ("text", Arc::new(StringArray::from_iter_values(&texts))),
        ("view", Arc::new(StringViewArray::from_iter_values(&texts))),
    ])
}

fn integers(random: &mut Random) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values((0..BATCH_ROWS).map(|_| random.bits().cast_signed())))
}

fn floats(random: &mut Random) -> ArrayRef {
    let values = (0..BATCH_ROWS).map(|_| (random.below(10) > 0).then(|| random.bits() as f64));
    Arc::new(values.collect::<Float64Array>())
}

/// 8 to 39 letters.
fn text(random: &mut Random) -> String {
    let letters = 8 + random.below(32);
    (0..letters).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
}
