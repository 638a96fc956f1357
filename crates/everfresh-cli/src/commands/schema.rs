//! `everfresh schema`.

use crate::{failure::CliError, output};

/// Prints the JSON Schema of the pipeline file.
pub fn schema() -> Result<u8, CliError> {
    output::print_json(&everfresh_pipeline::spec::json_schema())?;
    Ok(0)
}
