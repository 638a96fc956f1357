//! Tests of the pipeline file as a whole.

mod errors;
mod example;
mod mutations;
mod schema;
mod secrets;

use super::{LoadError, LoadOptions, Loaded, Partial, parse};
use std::path::{Path, PathBuf};

/// Loads a text as `everfresh.yaml` of the folder `/pipeline`.
fn load(text: &str, params: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Loaded, LoadError> {
    let Partial { loaded, errors, .. } = read(text, params, env)?;
    if errors.is_empty() { Ok(loaded) } else { Err(LoadError::Invalid(errors)) }
}

fn read(text: &str, params: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Partial, LoadError> {
    let params: Vec<_> = params.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let options = LoadOptions {
        params: &params,
        cache_dir: None,
        env: &|name| env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()),
        secret_key: &|| [7; 32],
    };
    parse(text, Path::new("everfresh.yaml"), PathBuf::from("/pipeline/everfresh.yaml"), &options)
}

/// What is wrong with a text, drawn.
fn wrong(text: &str) -> String {
    load(text, &[], &[]).unwrap_err().to_string()
}

/// The messages alone.
fn messages(text: &str) -> Vec<String> {
    match load(text, &[], &[]) {
        Ok(_) => Vec::new(),
        Err(error) => error.diagnostics().iter().map(|diagnostic| diagnostic.message.clone()).collect(),
    }
}
