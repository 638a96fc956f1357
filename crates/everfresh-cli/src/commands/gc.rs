//! `everfresh gc`.

use crate::{
    args::GcArgs,
    failure::CliError,
    output::{
        self,
        quantity::{bytes, count, near},
    },
    session::{self, Needs},
};
use serde_json::json;

/// Makes the cache small.
pub fn gc(args: &GcArgs, json: bool) -> Result<u8, CliError> {
    let pipeline = session::open(&args.pipeline, Needs::look_only(), json)?;
    let report = pipeline.gc(args.max_size)?;
    if json {
        output::print_json(&json!({
            "status": "ok",
            "removed_blobs": report.removed_blobs,
            "removed_records": report.removed_records,
            "removed_bytes": report.removed_bytes,
            "kept_blobs": report.kept_blobs,
            "kept_bytes": report.kept_bytes,
        }))?;
    } else {
        output::print(&format!(
            "removed {} and {}, {}; kept {}, {} in {}\n",
            count(report.removed_blobs, "blob"),
            count(report.removed_records, "record"),
            bytes(report.removed_bytes),
            count(report.kept_blobs, "blob"),
            bytes(report.kept_bytes),
            near(&pipeline.cache_dir()),
        ))?;
    }
    Ok(0)
}
