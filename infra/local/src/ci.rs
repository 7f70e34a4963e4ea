//! `cargo local test`: everything CI runs. Every step runs even after one has failed, so that one run tells all.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    contract::{self, Effort},
    error::{Context, Error, Result},
    paths,
    stack::Stack,
    venv,
};

/// Runs all steps in order and fails if any did. What needs the stack comes last, so its are the closing lines.
pub async fn run(effort: Effort) -> Result<()> {
    let mut failed = Vec::new();
    let mut note = |name: &str, result: Result<()>| {
        if let Err(error) = result {
            eprintln!("✗ {name}: {error}");
            failed.push(name.to_owned());
        }
    };
    note("format", heading("Format").and_then(|()| cargo(&["fmt", "--all", "--check"], &[])));
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    note("clippy", heading("Clippy").and_then(|()| cargo(&clippy, &[])));
    let doc = ["doc", "--workspace", "--no-deps"];
    note(
        "documentation",
        heading("Documentation").and_then(|()| cargo(&doc, &[("RUSTDOCFLAGS", "-D warnings")])),
    );
    note("template", heading("Template").and_then(|()| template()));
    note("dependencies", heading("Dependencies").and_then(|()| dependencies()));
    let unit = ["test", "--workspace", "--exclude", "tests", "--no-fail-fast"];
    note("unit tests", heading("Unit, property and documentation tests").and_then(|()| cargo(&unit, &[])));
    let state = paths::root().join("target/local-test");
    match Stack::start(&state).await {
        Ok(stack) => {
            note("integration tests", heading("Integration tests").and_then(|()| integration(&state)));
            // After them: it uses up the claims that one address may make in an hour.
            heading("Contract")?;
            note("contract", contract::run(&stack, &state, effort).await);
        }
        Err(error) => note("stack", Err(error)),
    }
    if failed.is_empty() { Ok(()) } else { Err(Error::Failed(format!("Failed: {}.", failed.join(", ")))) }
}

/// On standard output, in line with what the tools print.
fn heading(text: &str) -> Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "\n=== {text} ===").failed("standard output cannot be written")
}

fn cargo(args: &[&str], env: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What `cargo run` set for this process is not meant for another build.
    command
        .args(args)
        .envs(env.iter().copied())
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_PKG_NAME");
    succeed(&mut command, &format!("cargo {}", args[0]))
}

fn succeed(command: &mut Command, name: &str) -> Result<()> {
    let status = command.current_dir(paths::root()).status().setup(format_args!("{name} cannot be run"))?;
    if status.success() { Ok(()) } else { Err(Error::Failed(format!("{name} ended with {status}."))) }
}

/// Both linters see the template as it is; what they skip stands with its reason in their files or in the template.
fn template() -> Result<()> {
    let python = venv::lint()?;
    let bin = python.parent().unwrap_or_else(|| Path::new("."));
    let template = paths::template();
    let lint = succeed(Command::new(bin.join("cfn-lint")).arg(&template), "cfn-lint");
    let check = succeed(
        Command::new(&python)
            .args([
                "-m",
                "checkov.main",
                "--framework",
                "cloudformation",
                "--compact",
                "--quiet",
                "--skip-download",
            ])
            .args(config("--config-file", ".checkov.yaml"))
            .arg("--file")
            .arg(&template)
            .env("PYTHONWARNINGS", "ignore"),
        "checkov",
    );
    lint.and(check)
}

/// The option for a configuration file, if there is one.
fn config(option: &str, name: &str) -> Vec<String> {
    let file = paths::root().join(name);
    if file.is_file() { vec![option.to_owned(), file.display().to_string()] } else { Vec::new() }
}

fn dependencies() -> Result<()> {
    let installed =
        Command::new("cargo-deny").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !installed.is_ok_and(|status| status.success()) {
        println!("skipped: cargo-deny is not installed (cargo install cargo-deny)");
        return Ok(());
    }
    // Advisories need a database from the network and change by the day: they are no property of a commit.
    cargo(&["deny", "check", "licenses", "sources", "bans"], &[])
}

fn integration(state: &Path) -> Result<()> {
    let file = state.join("stack.json");
    let file = file.to_string_lossy();
    // By its name within the workspace: see `package` for why not by package.
    let args = ["test", "--workspace", "--test", "it", "--no-fail-fast"];
    cargo(&args, &[("BOOKBAG_STACK", &*file), ("INSTA_UPDATE", "no")])
}
