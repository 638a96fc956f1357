//! A configuration that is read once, until its file changes. `cargo run --example config -- everfresh.toml other.yaml`

use everfresh::cached;
use serde::Deserialize;
use std::{
    cell::Cell,
    env, fs,
    io::{self, Write},
    path::Path,
};

thread_local! {
    static READ: Cell<u32> = const { Cell::new(0) };
}

#[derive(Clone, Debug, Deserialize)]
struct Config {
    name: String,
    retries: u32,
    hosts: Vec<String>,
}

/// The configuration in a file, by the ending of its name.
#[cached(depends = file(path))]
fn load(path: &Path) -> Result<Config, String> {
    READ.set(READ.get() + 1);
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let parsed = match path.extension().and_then(|ending| ending.to_str()) {
        Some("yaml" | "yml") => serde_saphyr::from_str(&text).map_err(|error| error.to_string()),
        Some("json") => serde_json::from_str(&text).map_err(|error| error.to_string()),
        Some("toml") => toml::from_str(&text).map_err(|error| error.to_string()),
        _ => Err("a configuration is YAML, JSON or TOML".to_owned()),
    };
    parsed.map_err(|error| error.lines().next().unwrap_or_default().to_owned())
}

fn show(out: &mut dyn Write, path: &Path) -> io::Result<()> {
    READ.set(0);
    let loaded = load(path);
    let how = if READ.get() == 0 { "kept" } else { "read" };
    let name = path.file_name().unwrap_or_default().display();
    match loaded {
        Ok(Config { name: own, retries, hosts }) => {
            writeln!(out, "{name} ({how}): {own}, {retries} retries, {}", hosts.join(" and "))
        }
        Err(error) => writeln!(out, "{name} ({how}): error: {error}"),
    }
}

/// What the program prints without arguments.
pub fn run(out: &mut dyn Write) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let [yaml, json, toml, ini] = ["a.yaml", "a.json", "a.toml", "a.ini"].map(path);
    fs::write(&yaml, "name: loader\nretries: 3\nhosts: [db1, db2]\n")?;
    fs::write(&json, r#"{ "name": "loader", "retries": 3, "hosts": ["db1", "db2"] }"#)?;
    fs::write(&toml, "name = 'loader'\nretries = 3\nhosts = ['db1', 'db2']\n")?;
    fs::write(&ini, "name=loader\n")?;
    for path in [&yaml, &json, &toml, &ini, &yaml, &json, &toml, &ini] {
        show(out, path)?;
    }
    writeln!(out, "a.yaml is changed, a.toml is written once more with what it says")?;
    fs::write(&yaml, "name: loader\nretries: 5\nhosts: [db1]\n")?;
    fs::write(&toml, "name = 'loader'\nretries = 3\nhosts = ['db1', 'db2']\n")?;
    for path in [&yaml, &json, &toml, &yaml] {
        show(out, path)?;
    }
    Ok(())
}

#[allow(dead_code)]
fn main() -> io::Result<()> {
    let out = &mut io::stdout().lock();
    if env::args().len() == 1 {
        return run(out);
    }
    env::args().skip(1).try_for_each(|path| show(out, path.as_ref()))
}
