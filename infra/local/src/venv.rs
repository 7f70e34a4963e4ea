//! The Python side: the pinned MiniStack in a venv of the runner's own, made once per set of requirements.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

use crate::{
    error::{Context, Error, Result},
    paths,
    progress::Step,
};

/// Interpreters tried in turn; `PYTHON` comes before them.
const CANDIDATES: [&str; 6] = ["python3", "python", "python3.14", "python3.13", "python3.12", "python3.11"];

/// Makes the emulator's venv if need be and returns its interpreter.
pub fn stack() -> Result<PathBuf> {
    let modules = ["ministack", "samtranslator", "boto3", "cryptography"];
    ensure("venv", "requirements.txt", &modules, "Installing MiniStack into its own venv")
}

/// Makes the template linters' venv if need be and returns its interpreter.
pub fn lint() -> Result<PathBuf> {
    let modules = ["cfnlint", "checkov"];
    ensure(
        "venv-lint",
        "requirements-lint.txt",
        &modules,
        "Installing the template linters into their own venv",
    )
}

/// Makes the bench's venv if need be and returns its interpreter.
pub fn bench() -> Result<PathBuf> {
    let modules = ["phonenumbers", "email_validator"];
    let what = "Installing what the ingestion is measured beside into its own venv";
    ensure("venv-bench", "requirements-bench.txt", &modules, what)
}

/// Makes the venv of what drives the API by its contract if need be and returns its interpreter.
pub fn contract() -> Result<PathBuf> {
    let modules = ["schemathesis"];
    ensure(
        "venv-contract",
        "requirements-contract.txt",
        &modules,
        "Installing schemathesis into its own venv",
    )
}

fn ensure(name: &str, requirements: &str, modules: &[&str], what: &str) -> Result<PathBuf> {
    let dir = paths::cargo_target().join("local").join(name);
    let requirements = paths::runner().join(requirements);
    let wanted =
        std::fs::read(&requirements).setup(format_args!("{} cannot be read", requirements.display()))?;
    let wanted = hex(&Sha256::digest(&wanted));
    let stamp = dir.join("requirements.sha256");
    let python = dir.join("bin/python");
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) && holds(&python, modules) {
        return Ok(python);
    }
    let system = find_python()?;
    let step = Step::start(what);
    if dir.exists() {
        std::fs::remove_dir_all(&dir)
            .setup(format_args!("the old venv {} cannot be removed", dir.display()))?;
    }
    std::fs::create_dir_all(&dir).setup(format_args!("{} cannot be created", dir.display()))?;
    run(
        Command::new(&system).args(["-m", "venv"]).arg(&dir),
        "Python's venv module does not work (on Debian and Ubuntu: install python3-venv)",
    )?;
    step.note("downloading the pinned packages");
    run(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
                "--requirement",
            ])
            .arg(&requirements),
        "the pinned Python packages could not be installed (is there a network, or a pip index?)",
    )?;
    std::fs::write(&stamp, wanted).setup("the venv's stamp cannot be written")?;
    step.done();
    Ok(python)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a venv's Python runs and finds these modules; one that has been damaged since is simply made again.
fn holds(python: &Path, modules: &[&str]) -> bool {
    const LOOK: &str = "import importlib.util, sys; sys.exit(any(importlib.util.find_spec(m) is None for m in sys.argv[1:]))";
    let out = Command::new(python).args(["-c", LOOK]).args(modules).output();
    out.is_ok_and(|out| out.status.success())
}

fn find_python() -> Result<PathBuf> {
    let named = std::env::var("PYTHON").ok();
    let mut found = None;
    for name in named.iter().map(String::as_str).chain(CANDIDATES) {
        let Ok(out) =
            Command::new(name).args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).output()
        else {
            continue;
        };
        let version = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        if is_recent(&version) {
            return Ok(PathBuf::from(name));
        }
        found.get_or_insert(version);
    }
    Err(Error::Setup(match found {
        Some(version) => {
            format!("Python 3.11 or newer is needed, but only {version} was found (PYTHON=… names another).")
        }
        None => {
            "Python 3.11 or newer is needed, but none was found on the PATH (PYTHON=… names one).".to_owned()
        }
    }))
}

fn is_recent(version: &str) -> bool {
    version
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)))
        .is_some_and(|version| version >= (3, 11))
}

fn run(command: &mut Command, failure: &str) -> Result<()> {
    let out = command.output().setup(failure)?;
    if out.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&out.stderr);
    let last =
        errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message").trim().to_owned();
    Err(Error::Setup(format!("{failure}: {last}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_versions_compare_as_numbers() {
        assert!(is_recent("3.11") && is_recent("3.13") && is_recent("4.0"));
        assert!(!is_recent("3.10") && !is_recent("2.7") && !is_recent(""));
    }
}
