//! A pipeline, opened as the command line says.

use crate::{args::PipelineArgs, failure::CliError, secret_key::SecretKey};
use everfresh_pipeline::{
    Pipeline, Settings,
    spec::{LoadOptions, render},
};
use everfresh_sql::{DataFusionEngine, EngineOptions};
use std::sync::Arc;

/// What a command needs of the machine, and of the cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// How many steps compute at once.
    pub jobs: usize,
    /// The most bytes that queries may hold; `None` is three quarters of the machine's memory.
    pub memory: Option<u64>,
    /// Keep nothing and use nothing that is kept.
    pub no_cache: bool,
    /// Make no cache folder.
    pub look_only: bool,
}

impl Needs {
    /// Those of a command that computes nothing.
    pub fn look_only() -> Self {
        Self { jobs: 1, look_only: true, ..Self::default() }
    }
}

/// Opens the pipeline, and tells its warnings unless a program reads.
pub fn open(args: &PipelineArgs, needs: Needs, json: bool) -> Result<Pipeline, CliError> {
    let engine = DataFusionEngine::new(EngineOptions {
        memory: needs.memory.or_else(|| Some(machine_memory()? / 4 * 3)),
        spill_dir: None,
        threads: needs.jobs,
    });
    let secret_key = SecretKey::default();
    let settings = Settings {
        load: LoadOptions {
            params: &args.reading.params,
            cache_dir: args.reading.cache_dir.as_deref(),
            env: &|name| std::env::var(name).ok(),
            secret_key: &|| secret_key.get(),
        },
        engine: Arc::new(engine),
        no_cache: needs.no_cache,
        look_only: needs.look_only,
    };
    let opened = Pipeline::open(&args.path, &settings);
    if let Some(error) = secret_key.error() {
        return Err(CliError::Failed(error));
    }
    let pipeline = opened?;
    if !pipeline.warnings().is_empty() && !json {
        let _ = crate::output::print_error(&format!("{}\n\n", render(pipeline.warnings(), true)));
    }
    Ok(pipeline)
}

/// Refuses names that nothing in the pipeline has.
pub fn known(pipeline: &Pipeline, names: &[String]) -> Result<(), CliError> {
    match pipeline.unknown_name(names) {
        Some(message) => Err(CliError::Usage(message)),
        None => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn machine_memory() -> Option<u64> {
    let info = rustix::system::sysinfo();
    info.totalram.checked_mul(info.mem_unit.into())
}

#[cfg(not(target_os = "linux"))]
fn machine_memory() -> Option<u64> {
    None
}
