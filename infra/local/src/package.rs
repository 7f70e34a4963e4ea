//! Builds the functions and lays them out as the template's `CodeUri` folders expect.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    error::{Context, Error, Result},
    paths,
    progress::Step,
};

/// How the functions are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quickly.
    Dev,
    /// As they are deployed.
    Release,
}

/// Builds every function in the dev profile and refreshes `target/lambda/<name>/bootstrap` where a binary is newer.
pub fn functions() -> Result<()> {
    functions_under(&paths::lambda(), Profile::Dev, &[])
}

/// Builds every function and the named examples under one resolution of their dependencies, and refreshes
/// `<lambda>/<name>/bootstrap` where a binary is newer.
pub fn functions_under(lambda: &Path, profile: Profile, examples: &[&str]) -> Result<()> {
    let mut names = paths::functions()?;
    let step = Step::beside(format!("Building {} functions", names.len()));
    let built = build(profile, examples)?;
    step.done();
    let step = Step::start("Laying the functions out");
    names.extend(examples.iter().map(|&name| name.to_owned()));
    for (at, name) in names.iter().enumerate() {
        let binary = built
            .get(name)
            .ok_or_else(|| Error::Failed(format!("Building {name} made no binary of that name.")))?;
        step.note(name);
        step.at(at, names.len());
        lay_out(&lambda.join(name), binary)?;
    }
    step.done();
    Ok(())
}

/// Runs Cargo and returns binary name -> path, as Cargo itself reports them: it knows every way a target directory can
/// be set.
fn build(profile: Profile, examples: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The whole workspace and not the functions alone: Cargo unites the features of what it builds together, and with
    // another set than `cargo test --workspace` has, every SDK crate would be compiled twice.
    command.current_dir(paths::root()).args([
        "build",
        "--workspace",
        "--bins",
        "--message-format=json-render-diagnostics",
    ]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    command.args(examples.iter().flat_map(|name| ["--example", name]));
    let out = command.stderr(Stdio::inherit()).output().setup("Cargo cannot be run")?;
    if !out.status.success() {
        return Err(Error::Failed("The functions do not build.".to_owned()));
    }
    Ok(executables(&String::from_utf8_lossy(&out.stdout)))
}

fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| {
            let path = message["executable"].as_str()?;
            Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(path)))
        })
        .collect()
}

fn lay_out(dir: &Path, binary: &Path) -> Result<()> {
    let bootstrap = dir.join("bootstrap");
    // Stripping costs a second each: skipped while the binary is the one the bootstrap was made from.
    let stamp = dir.join("made-from");
    let origin = origin(binary).failed(format_args!("{} cannot be read", binary.display()))?;
    if bootstrap.is_file() && fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == origin) {
        return Ok(());
    }
    fs::create_dir_all(dir).failed(format_args!("{} cannot be created", dir.display()))?;
    // A temporary name and a rename: a stack that is running keeps the file it has open. The name is of this process,
    // since two commands may be building at one moment.
    let fresh = dir.join(format!("bootstrap.{}.new", std::process::id()));
    let stripped = Command::new("strip").arg("-o").arg(&fresh).arg(binary).output();
    if !stripped.is_ok_and(|out| out.status.success()) {
        fs::copy(binary, &fresh).failed(format_args!("{} cannot be copied", binary.display()))?;
    }
    fs::rename(&fresh, &bootstrap).failed(format_args!("{} cannot be replaced", bootstrap.display()))?;
    fs::write(&stamp, origin).failed(format_args!("{} cannot be written", stamp.display()))
}

/// What tells one build of a binary from the next.
fn origin(binary: &Path) -> std::io::Result<String> {
    let meta = fs::metadata(binary)?;
    Ok(format!("{} {} {:?}", binary.display(), meta.len(), meta.modified()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bootstrap_is_made_once_per_build() {
        let binary = std::env::current_exe().expect("a test has a binary");
        let dir = std::env::temp_dir().join(format!("bookbag-package-{}", std::process::id()));
        let bootstrap = dir.join("bootstrap");
        lay_out(&dir, &binary).expect("it is laid out");
        assert!(fs::metadata(&bootstrap).expect("it exists").len() > 0);
        fs::write(&bootstrap, "kept").expect("it can be written");
        lay_out(&dir, &binary).expect("it is laid out");
        assert_eq!(fs::read_to_string(&bootstrap).expect("it is text"), "kept");
        fs::write(dir.join("made-from"), "another build").expect("it can be written");
        lay_out(&dir, &binary).expect("it is laid out");
        assert!(fs::metadata(&bootstrap).expect("it exists").len() > 4);
        fs::remove_dir_all(dir).expect("it can be removed");
    }

    #[test]
    fn binaries_are_taken_from_cargo_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"shared"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"staff-api"},"executable":"/t/debug/staff-api"}"#,
            "\nnot json\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let found = executables(messages);
        assert_eq!(found.len(), 1);
        assert_eq!(found["staff-api"], PathBuf::from("/t/debug/staff-api"));
    }
}
