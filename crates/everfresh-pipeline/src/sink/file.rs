//! File sinks: written beside the target under another name, synced, then renamed over it.

use super::Target;
use crate::{
    engine::Batches,
    fault::{Failure, Fault},
    spec::model::SinkFormat,
    table::from_box,
};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use everfresh::file::{hash_file, observe};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use std::{
    fs::{self, File, Permissions},
    io::{BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

/// A temporary file of a dead writer is removed when it is this old.
const ABANDONED: Duration = Duration::from_secs(600);

pub(super) fn write(path: &Path, format: SinkFormat, schema: &SchemaRef, batches: Batches) -> Result<Target, Fault> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Failure::io("make the folder", folder))?;
    let prefix = format!(".{}.everfresh-", path.file_name().unwrap_or_default().to_string_lossy());
    remove_abandoned(folder, &prefix);
    // What the umask leaves of these is what any other program's new file would have.
    let permissions = fs::metadata(path).map_or_else(|_| Permissions::from_mode(0o666), |target| target.permissions());
    let temporary = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        .permissions(permissions)
        .tempfile_in(folder)
        .map_err(Failure::io("write in", folder))?;
    write_rows(temporary.as_file(), path, format, schema, batches)?;
    temporary.as_file().sync_data().map_err(Failure::io("write", path))?;
    let content = hash_file(temporary.path()).map_err(Failure::io("read back", path))?;
    temporary.persist(path).map_err(|error| Failure::io("replace", path)(error.error))?;
    let seen = observe(path).map_err(Failure::io("look at", path))?;
    Ok(Target { bytes: seen.stat.size, seen: vec![Some(seen)], content })
}

fn remove_abandoned(folder: &Path, prefix: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(prefix);
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let old = written.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > ABANDONED));
        if ours
            && old
            && let Err(error) = fs::remove_file(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %error, "cannot remove an abandoned file");
        }
    }
}

fn write_rows(file: &File, path: &Path, format: SinkFormat, schema: &SchemaRef, batches: Batches) -> Result<(), Fault> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let flush = |out: &mut BufWriter<&File>| out.flush().map_err(Failure::io("write", path));
    match format {
        SinkFormat::Csv | SinkFormat::Tsv => {
            let delimiter = if format == SinkFormat::Tsv { b'\t' } else { b',' };
            let mut writer =
                arrow::csv::WriterBuilder::new().with_header(true).with_delimiter(delimiter).build(&mut out);
            // The header stands there even when no row follows.
            writer.write(&RecordBatch::new_empty(schema.clone()))?;
            each(batches, |batch| Ok(writer.write(&batch)?))?;
        }
        SinkFormat::Json => {
            let mut writer = arrow::json::WriterBuilder::new()
                .with_explicit_nulls(true)
                .build::<_, arrow::json::writer::JsonArray>(&mut out);
            each(batches, |batch| Ok(writer.write(&batch)?))?;
            writer.finish()?;
        }
        SinkFormat::Ndjson => {
            let mut writer = arrow::json::WriterBuilder::new()
                .with_explicit_nulls(true)
                .build::<_, arrow::json::writer::LineDelimited>(&mut out);
            each(batches, |batch| Ok(writer.write(&batch)?))?;
            writer.finish()?;
        }
        SinkFormat::Parquet => {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::default()))
                .set_created_by(format!("everfresh {}", env!("CARGO_PKG_VERSION")))
                .build();
            let failed = |error: parquet::errors::ParquetError| {
                Failure::Other(format!("cannot write `{}`: {error}", path.display()))
            };
            let mut writer = ArrowWriter::try_new(&mut out, schema.clone(), Some(properties)).map_err(failed)?;
            each(batches, |batch| Ok(writer.write(&batch).map_err(failed)?))?;
            writer.close().map_err(failed)?;
        }
        SinkFormat::Arrow => {
            let mut writer = arrow::ipc::writer::FileWriter::try_new(&mut out, schema)?;
            each(batches, |batch| Ok(writer.write(&batch)?))?;
            writer.finish()?;
        }
    }
    Ok(flush(&mut out)?)
}

fn each(batches: Batches, mut take: impl FnMut(RecordBatch) -> Result<(), Fault>) -> Result<(), Fault> {
    for batch in batches {
        take(batch.map_err(from_box)?)?;
    }
    Ok(())
}
