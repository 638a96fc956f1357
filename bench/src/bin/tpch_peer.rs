//! The queries and sinks of a pipeline through DataFusion alone, with its own Parquet reader and its default settings.
//!
//! `bench-tpch-peer one-by-one|at-once DATA SQL OUT` runs every query of the folder `SQL` on the tables in `DATA` and
//! writes `OUT/QUERY.parquet`. `bench-tpch-peer compare A B` fails unless both folders hold the same results.

use datafusion::{
    arrow::{array::RecordBatch, util::pretty::pretty_format_batches},
    dataframe::DataFrameWriteOptions,
    error::DataFusionError,
    prelude::{ParquetReadOptions, SessionContext},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [mode @ ("one-by-one" | "at-once"), data, sql, out] => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(run(*mode == "at-once", Path::new(data), Path::new(sql), Path::new(out)))
        }
        ["compare", one, other] => compare(Path::new(one), Path::new(other)),
        _ => Err("usage: bench-tpch-peer one-by-one|at-once DATA SQL OUT | bench-tpch-peer compare A B".into()),
    }
}

async fn run(at_once: bool, data: &Path, sql: &Path, out: &Path) -> Outcome {
    fs::create_dir_all(out)?;
    let session = SessionContext::new();
    for file in files(data, "parquet")? {
        session.register_parquet(stem(&file), text(&file)?, ParquetReadOptions::default()).await?;
    }
    let mut running = Vec::new();
    for file in files(sql, "sql")? {
        let sink = out.join(format!("{}.parquet", stem(&file)));
        let one = query(session.clone(), fs::read_to_string(&file)?, text(&sink)?.to_owned());
        if at_once {
            running.push(tokio::spawn(one));
        } else {
            one.await?;
        }
    }
    for one in running {
        one.await??;
    }
    Ok(())
}

async fn query(session: SessionContext, sql: String, sink: String) -> Result<(), DataFusionError> {
    let options = DataFrameWriteOptions::new().with_single_file_output(true);
    session.sql(&sql).await?.write_parquet(&sink, options, None).await?;
    Ok(())
}

fn compare(one: &Path, other: &Path) -> Outcome {
    let names =
        |folder| Ok::<_, std::io::Error>(files(folder, "parquet")?.iter().map(|file| stem(file)).collect::<Vec<_>>());
    let compared = names(one)?;
    if compared.is_empty() || compared != names(other)? {
        return Err(format!("`{}` and `{}` hold different files", one.display(), other.display()).into());
    }
    for name in compared {
        let file = format!("{name}.parquet");
        if printed(&one.join(&file))? != printed(&other.join(&file))? {
            return Err(format!("`{name}` differs between `{}` and `{}`", one.display(), other.display()).into());
        }
    }
    Ok(())
}

fn printed(file: &Path) -> Result<String, Box<dyn Error + Send + Sync>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(file)?)?.build()?;
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>()?;
    Ok(pretty_format_batches(&batches)?.to_string())
}

fn files(folder: &Path, extension: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    Ok(files)
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn text(file: &Path) -> Result<&str, String> {
    file.to_str().ok_or_else(|| format!("`{}` is no UTF-8", file.display()))
}
