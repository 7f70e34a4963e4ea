//! Where everything lives. What a clone owns is under its own `target/`; what can be shared between clones (the venvs)
//! follows Cargo's target directory.

use std::path::{Path, PathBuf};

use crate::error::{Context, Result};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").components().fold(PathBuf::new(), |mut path, part| {
        match part {
            std::path::Component::ParentDir => {
                path.pop();
            }
            other => path.push(other),
        }
        path
    })
}

/// This crate's own directory: requirements files and the Python helpers.
pub fn runner() -> PathBuf {
    root().join("infra/local")
}

/// The SAM template that is deployed.
pub fn template() -> PathBuf {
    root().join("infra/template.yaml")
}

/// The directory of the template's `CodeUri`: one folder per function with its `bootstrap`.
pub fn lambda() -> PathBuf {
    root().join("target/lambda")
}

/// State of the developer's own stack (`up`, `deploy`, `down`): `stack.json`, logs, the emulator's data. `BOOKBAG_STATE`
/// names another folder, so that a second stack can be up beside the first.
pub fn state() -> PathBuf {
    std::env::var_os("BOOKBAG_STATE").map_or_else(|| root().join("target/local"), |dir| root().join(dir))
}

/// Cargo's target directory, wherever the developer keeps it.
pub fn cargo_target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The names of the functions: the folders of `functions/`, which are also package and binary names.
pub fn functions() -> Result<Vec<String>> {
    let dir = root().join("functions");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&dir).failed("the functions folder cannot be read")? {
        let path = entry.failed("the functions folder cannot be read")?.path();
        if path.join("Cargo.toml").is_file()
            && let Some(name) = path.file_name().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
