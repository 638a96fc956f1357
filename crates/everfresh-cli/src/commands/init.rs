//! `everfresh init`.

use crate::{
    args::InitArgs,
    failure::CliError,
    output::{self, summary::after},
};
use serde_json::json;
use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// What is written: paths within the folder, and contents.
const STARTER: [(&str, &str); 3] = [
    ("everfresh.yaml", include_str!("../starter/everfresh.yaml")),
    ("data/orders.csv", include_str!("../starter/data/orders.csv")),
    ("data/customers.csv", include_str!("../starter/data/customers.csv")),
];
/// Left as it is where there is one.
const IGNORED: (&str, &str) = (".gitignore", ".everfresh/\nout/\n");

/// Writes a starter pipeline.
pub fn init(args: &InitArgs, json: bool) -> Result<u8, CliError> {
    let folder = &args.dir;
    let taken: Vec<String> = STARTER
        .iter()
        .map(|(name, _)| folder.join(name))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| format!("`{}`", path.display()))
        .collect();
    if !taken.is_empty() {
        let message = format!("{} already there, and nothing is overwritten: choose another folder", taken.join(", "));
        return Err(CliError::Usage(message));
    }
    let mut created = Vec::new();
    for (name, content) in STARTER {
        let path = folder.join(name);
        write_new(&path, content)
            .map_err(|error| CliError::Failed(format!("cannot write `{}`: {error}", path.display())))?;
        created.push(path.display().to_string());
    }
    let (name, content) = IGNORED;
    match write_new(&folder.join(name), content) {
        Ok(()) => created.push(folder.join(name).display().to_string()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(CliError::Failed(format!("cannot write `{}`: {error}", folder.join(name).display())));
        }
    }
    if json {
        output::print_json(&json!({ "status": "ok", "created": created }))?;
    } else {
        let path = after(folder);
        let written: String = created.iter().map(|path| format!("wrote {path}\n")).collect();
        output::print(&format!("{written}\nNow run it, twice:\n  everfresh run{path}\n"))?;
    }
    Ok(0)
}

fn write_new(path: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(content.as_bytes())
}
