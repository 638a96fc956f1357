//! Why a command ended badly, what it tells, and with which exit code.

use crate::output::{
    self,
    style::{ERROR, HELP},
};
use everfresh::disk::StoreError;
use everfresh_pipeline::{
    OpenError, ShowError,
    fault::Failure,
    spec::{Diagnostic, LoadError},
};
use serde_json::{Value, json};
use std::{io, process::ExitCode};

/// The pipeline, a check or the cache failed.
pub const FAILED: u8 = 1;
/// Bad usage, or a bad pipeline file.
pub const MISUSED: u8 = 2;

/// Why a command ended badly.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// It was asked for something that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The pipeline file is missing or bad; the second is a hint that the command line gives.
    #[error("{0}")]
    Load(LoadError, Option<String>),
    /// The cache cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something failed.
    #[error("{0}")]
    Failed(String),
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Load(error) => Self::Load(error, None),
            OpenError::Store(error) => Self::Store(error),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}

impl From<ShowError> for CliError {
    fn from(error: ShowError) -> Self {
        match error {
            ShowError::Unknown(message) => Self::Usage(message),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl CliError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Load(..) => MISUSED,
            Self::Store(StoreError::Io { .. } | StoreError::Index { .. } | StoreError::Busy { .. }) => FAILED,
            // The others ask for another folder.
            Self::Store(_) => MISUSED,
            Self::Failed(_) | Self::Output(_) => FAILED,
        }
    }

    /// Tells it: people on standard error, programs on standard output.
    pub fn tell(&self, json: bool) -> ExitCode {
        if let Self::Output(error) = self
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            // Whoever read this has read enough.
            return ExitCode::SUCCESS;
        }
        // Nobody is left to hear of it if this cannot be written either.
        let _ = match self {
            _ if json && !matches!(self, Self::Output(_)) => output::print_json(&self.to_json()),
            Self::Load(error, hint) => {
                let hint = hint.as_ref().map(|hint| format!("\n{HELP}help{HELP:#}: {hint}")).unwrap_or_default();
                output::print_error(&format!("{}{hint}\n", error.render(true)))
            }
            other => output::print_error(&format!("{ERROR}error{ERROR:#}: {other}\n")),
        };
        ExitCode::from(self.exit_code())
    }

    fn to_json(&self) -> Value {
        let errors = match self {
            Self::Load(error, _) if !error.diagnostics().is_empty() => {
                error.diagnostics().iter().map(diagnostic_json).collect()
            }
            Self::Load(LoadError::NotFound { message, help, path, .. }, _) => {
                vec![json!({ "message": message, "help": help, "file": path.display().to_string() })]
            }
            other => vec![json!({ "message": other.to_string() })],
        };
        failed_json(errors)
    }
}

fn failed_json(errors: Vec<Value>) -> Value {
    json!({ "status": "failed", "errors": errors })
}

fn diagnostic_json(diagnostic: &Diagnostic) -> Value {
    let (line, column) = diagnostic.position();
    json!({
        "message": diagnostic.message,
        "help": diagnostic.help,
        "file": diagnostic.file.name(),
        "line": line,
        "column": column,
    })
}

/// What clap says: help and version are no errors.
pub fn usage(error: &clap::Error) -> ExitCode {
    // The command line could not be read, so it cannot be asked for `--json` in the usual way.
    let json = std::env::args_os().any(|argument| argument == "--json");
    if error.use_stderr() && json {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ");
        let _ = output::print_json(&failed_json(vec![json!({ "message": message })]));
        return ExitCode::from(MISUSED);
    }
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(MISUSED) } else { ExitCode::SUCCESS }
}
