//! `everfresh verify`.

use crate::{
    args::PipelineArgs,
    failure::{CliError, FAILED},
    output::{
        self,
        quantity::{bytes, count, near},
        style::BAD,
    },
    session::{self, Needs},
};
use serde_json::json;
use std::fmt::Write as _;

/// Holds every stored object against its fingerprint.
pub fn verify(args: &PipelineArgs, json: bool) -> Result<u8, CliError> {
    let pipeline = session::open(args, Needs::look_only(), json)?;
    let report = pipeline.verify()?;
    let whole = report.damaged.is_empty();
    if json {
        output::print_json(&json!({
            "status": if whole { "ok" } else { "failed" },
            "records": report.records,
            "blobs": report.blobs,
            "bytes": report.bytes,
            "damaged": report.damaged,
        }))?;
    } else {
        let read = format!(
            "{} and {}, {} in {}",
            count(report.records, "record"),
            count(report.blobs, "blob"),
            bytes(report.bytes),
            near(&pipeline.cache_dir()),
        );
        let mut text = String::new();
        for damaged in &report.damaged {
            let _ = writeln!(text, "{BAD}✗{BAD:#} {damaged}");
        }
        let _ = match report.damaged.len() as u64 {
            0 => writeln!(text, "{read}: all whole"),
            damaged => {
                writeln!(text, "{read}: {damaged} damaged and removed; the next run computes what is missing again")
            }
        };
        output::print(&text)?;
    }
    Ok(if whole { 0 } else { FAILED })
}
