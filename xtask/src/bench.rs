//! `cargo xtask bench`: `pipeline` finds an interpreter and hands over to `bench/pipeline.py`, which builds and measures;
//! `cache` builds and runs the program in `bench/cache`.

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

/// Measures the memory tier. The options are those of the program in `bench/cache`.
pub fn cache(options: &[&str]) -> Result<(), String> {
    let manifest = place::root()?.join("bench/cache/Cargo.toml");
    let mut measure = process::cargo(&["run", "--release", "--locked", "--manifest-path"])?;
    measure.arg(manifest).arg("--target-dir").arg(place::target()?.join("bench-cache")).arg("--");
    process::run(measure.args(options))
}

#[cfg(test)]
mod tests {
    use crate::place;
    use std::{collections::BTreeMap, fs};

    /// The tables of the release profile, with their lines.
    fn release_profile(manifest: &str) -> BTreeMap<String, Vec<String>> {
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut current = None;
        for line in manifest.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            if line.starts_with('[') {
                current = line.starts_with("[profile.release").then(|| line.to_owned());
            } else if let Some(table) = &current {
                tables.entry(table.clone()).or_default().push(line.to_owned());
            }
        }
        tables
    }

    #[test]
    fn what_the_peer_shares_with_everfresh_is_compiled_alike() {
        let read = |file| fs::read_to_string(place::root().unwrap().join(file)).unwrap();
        let (everfresh, peer) = (release_profile(&read("Cargo.toml")), release_profile(&read("bench/Cargo.toml")));
        let lock = read("bench/Cargo.lock");
        for (table, lines) in everfresh {
            let package = table.strip_prefix("[profile.release.package.").map(|rest| rest.trim_matches(['"', ']']));
            if package.is_none_or(|name| name == "*" || lock.contains(&format!("name = \"{name}\"\n"))) {
                assert_eq!(peer.get(&table), Some(&lines), "{table} of Cargo.toml, in bench/Cargo.toml");
            }
        }
    }
}
