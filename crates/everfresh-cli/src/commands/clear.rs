//! `everfresh clear`.

use crate::{
    args::{ClearArgs, flatten},
    failure::CliError,
    output::{
        self,
        quantity::{count, near},
    },
    session::{self, Needs, known},
};
use everfresh_pipeline::{Clear, Pipeline};
use serde_json::json;

/// Forgets results.
pub fn clear(args: &ClearArgs, json: bool) -> Result<u8, CliError> {
    let pipeline = session::open(&args.pipeline, Needs::look_only(), json)?;
    let clear = Clear {
        steps: flatten(&args.steps),
        sources: flatten(&args.sources),
        tags: flatten(&args.tags),
        all: args.all,
    };
    known(&pipeline, &clear.steps)?;
    known(&pipeline, &clear.sources)?;
    known_kinds(&pipeline, &clear)?;
    let removed = pipeline.clear(&clear)?;
    if json {
        output::print_json(&json!({ "status": "ok", "removed_records": removed }))?;
    } else {
        let from = near(&pipeline.cache_dir());
        let after = if clear.all { "the next run computes everything" } else { "the next run computes them again" };
        output::print(&match removed {
            0 => "there was nothing to forget\n".into(),
            removed => format!("{} removed from {from}: {after}\n", count(removed, "record")),
        })?;
    }
    Ok(0)
}

fn known_kinds(pipeline: &Pipeline, clear: &Clear) -> Result<(), CliError> {
    let spec = &pipeline.loaded().spec;
    let is_source = |name: &String| spec.sources.iter().any(|source| source.name == *name);
    if let Some(name) = clear.steps.iter().find(|name| is_source(name)) {
        return Err(CliError::Usage(format!("`{name}` is a source: `everfresh clear --source {name}`")));
    }
    if let Some(name) = clear.sources.iter().find(|name| !is_source(name)) {
        return Err(CliError::Usage(format!("`{name}` is no source: `everfresh clear --step '{name}'`")));
    }
    if let Some(tag) = clear.tags.iter().find(|tag| !spec.steps.iter().any(|step| step.tags.contains(tag))) {
        return Err(CliError::Usage(format!("no step has the tag `{tag}`")));
    }
    Ok(())
}
