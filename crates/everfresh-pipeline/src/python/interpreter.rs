//! Which Python runs the steps of a pipeline.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Names the interpreter where nothing else does.
pub const VARIABLE: &str = "EVERFRESH_PYTHON";

/// The interpreter of a pipeline: what the file says, then `EVERFRESH_PYTHON`, the active virtual environment, `.venv`
/// beside the file, and the first `python3` of the `PATH`.
pub fn interpreter(said: Option<&Path>, folder: &Path, variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let of_environment = |folder: PathBuf| Some(folder.join("bin/python")).filter(|python| python.is_file());
    let found = said.map(Path::to_path_buf).or_else(|| set(VARIABLE));
    let found = found.or_else(|| set("VIRTUAL_ENV").and_then(of_environment));
    let found = found.or_else(|| of_environment(folder.join(".venv"))).unwrap_or_else(|| PathBuf::from("python3"));
    if found.components().count() > 1 {
        return std::path::absolute(&found).unwrap_or(found);
    }
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(&found)).find(|python| python.is_file()).unwrap_or(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_nearest_interpreter_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        let on_path = at("usr/python3");
        let mut set = vec![("PATH", folder.path().join("usr"))];
        let find = |said: Option<&Path>, set: &[(&str, PathBuf)]| {
            let variable = |name: &str| set.iter().find(|(own, _)| *own == name).map(|(_, value)| value.into());
            interpreter(said, folder.path(), variable)
        };
        assert_eq!(find(None, &set), on_path);
        let beside = at(".venv/bin/python");
        assert_eq!(find(None, &set), beside);
        let active = at("env/bin/python");
        set.push(("VIRTUAL_ENV", folder.path().join("env")));
        assert_eq!(find(None, &set), active);
        set.push((VARIABLE, folder.path().join("own")));
        assert_eq!(find(None, &set), folder.path().join("own"));
        assert_eq!(find(Some(Path::new("/said")), &set), Path::new("/said"));
        assert_eq!(find(Some(Path::new("python3")), &set), on_path);
    }
}
