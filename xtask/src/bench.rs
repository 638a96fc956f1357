//! `cargo xtask bench pipeline`: finds an interpreter and hands over to `bench/pipeline.py`, which builds and measures.

use crate::{place, process, setup};
use std::env;

/// Measures pipelines. The options are those of `bench/pipeline.py`.
pub fn pipeline(options: &[&str]) -> Result<(), String> {
    let mut measure = process::command(setup::python()?)?;
    measure.arg(place::root()?.join("bench/pipeline.py"));
    measure.arg("--target-dir").arg(place::target()?).arg("--cache-dir").arg(place::cache()?.join("bench"));
    measure.env("CARGO", env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    process::run(measure.args(options))
}

#[cfg(test)]
mod tests {
    use crate::place;
    use std::fs;

    /// The lines of a manifest from the first `[profile.release…]` on, up to a table that is none.
    fn release_profiles(manifest: &str) -> Vec<String> {
        let mut inside = false;
        let mut lines = Vec::new();
        for line in manifest.lines() {
            if line.starts_with('[') {
                inside = line.starts_with("[profile.release");
            }
            if inside && !line.trim().is_empty() && !line.starts_with('#') {
                lines.push(line.to_owned());
            }
        }
        lines
    }

    #[test]
    fn peers_in_rust_are_compiled_as_everfresh_is() {
        let root = place::root().unwrap();
        let profiles = |manifest| release_profiles(&fs::read_to_string(root.join(manifest)).unwrap());
        assert_eq!(profiles("bench/Cargo.toml"), profiles("Cargo.toml"));
    }
}
