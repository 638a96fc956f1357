//! Where things are: the checkout, the user's cache folder, the target folder.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The root of the checkout.
pub fn root() -> Result<PathBuf, String> {
    // `cargo run` says where the package is now; the place it was compiled in may be gone.
    let package = env::var_os("CARGO_MANIFEST_DIR").ok_or("run this as `cargo xtask`")?;
    let root = Path::new(&package).parent().ok_or("`xtask` has no parent folder")?;
    Ok(root.to_path_buf())
}

/// The folder for everything that is installed or generated and may be deleted at any time.
pub fn cache() -> Result<PathBuf, String> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").ok_or("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache"),
    };
    Ok(base.join("everfresh"))
}

/// The target folder that both workspaces, the root and `bench/`, build into.
pub fn target() -> Result<PathBuf, String> {
    let root = root()?;
    Ok(match env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty()) {
        Some(folder) => root.join(folder),
        None => root.join("target"),
    })
}

/// The first program of this name on the `PATH`.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
