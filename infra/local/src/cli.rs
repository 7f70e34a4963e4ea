//! The commands of `cargo local`.

use std::io::Write;

use clap::{Parser, Subcommand};

use crate::{
    bench, ci,
    contract::{self, Effort},
    daemon::{self, Binaries},
    demo,
    error::{Context, Result},
    paths,
    sample::{MIN_PUPILS, School},
    show,
    stack::{Stack, StackFile},
};

/// Bookbag on this machine: the embedded cloud, the template and the functions, with no cloud account.
#[derive(Debug, Parser)]
#[command(name = "cargo local", bin_name = "cargo local")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell the whole story on a fresh stack: a school's file in, the right message to the right parents.
    Demo {
        /// Port of MiniStack.
        #[arg(long, default_value_t = 4566)]
        port: u16,
        /// Port of the tap.
        #[arg(long, default_value_t = 4567)]
        tap_port: u16,
        /// Leave the stack running in the background afterwards, for trying things out.
        #[arg(long)]
        keep: bool,
    },
    /// Start the stack in the background and deploy to it; it runs until `down`.
    Up {
        /// Port of MiniStack.
        #[arg(long, default_value_t = 4566)]
        port: u16,
        /// Port of the tap.
        #[arg(long, default_value_t = 4567)]
        tap_port: u16,
        /// Deploy what lies in `target/lambda` (from `cargo lambda build`) instead of building it.
        #[arg(long)]
        no_build: bool,
    },
    /// Build the functions and deploy them and the template to the running stack.
    Deploy {
        /// Deploy what lies in `target/lambda` (from `cargo lambda build`) instead of building it.
        #[arg(long)]
        no_build: bool,
    },
    /// Stop the stack.
    Down,
    /// Print exports for `aws` and `cargo lambda`.
    Env,
    /// Print a staff bearer token, alone on its line.
    Token {
        /// Roles: operator, office, sender, approver, dpo; `office#2` is a second person in that role.
        #[arg(value_delimiter = ',', required = true)]
        roles: Vec<String>,
        /// The school the member of staff belongs to, or several: `sch_…:office sch_…:dpo`.
        #[arg(long, value_name = "SCHOOL_ID")]
        school: Option<String>,
    },
    /// Print what the functions have logged.
    Logs {
        /// One function only.
        function: Option<String>,
    },
    /// Print what SES and SNS were given.
    Outbox,
    /// Print the call log, summed.
    Calls,
    /// Print a made-up school's file.
    Sample {
        /// Number of pupils.
        #[arg(long, default_value_t = 1_000, value_parser = parse_pupils)]
        pupils: usize,
        /// The same size and seed make the same file.
        #[arg(long, default_value_t = 2026)]
        seed: u64,
    },
    /// Run everything CI runs.
    Test {
        /// Ask far more of the API by its contract.
        #[arg(long)]
        long_contract: bool,
    },
    /// Ask the running stack everything that infra/openapi.yaml describes, and hold the answers against it.
    Contract {
        /// Ask far more.
        #[arg(long)]
        long: bool,
    },
    /// Build for release and measure: what a start, a message and an upload cost, held against the bounds.
    Bench(bench::Options),
    /// Hold the stack; what `up` starts in the background.
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        tap_port: u16,
    },
}

/// Runs a command.
pub async fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Demo { port, tap_port, keep } => demo::run(demo::Options { port, tap_port, keep }).await,
        Command::Up { port, tap_port, no_build } => {
            print(&summary(&daemon::up(port, tap_port, binaries(no_build)).await?))
        }
        Command::Deploy { no_build } => print(&summary(&daemon::deploy(binaries(no_build)).await?)),
        Command::Down => {
            let was_running = daemon::down().await?;
            print(if was_running { "The stack is stopped.\n" } else { "No stack was running.\n" })
        }
        Command::Env => print(&show::env(&Stack::from_env().await?)),
        Command::Token { roles, school } => {
            let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
            let token = Stack::from_env().await?.token(&roles, school.as_deref()).await?;
            print(&format!("{token}\n"))
        }
        Command::Logs { function } => logs(function).await,
        Command::Outbox => print(&show::outbox(&Stack::from_env().await?).await?),
        Command::Calls => print(&show::calls(&Stack::from_env().await?).await?),
        Command::Sample { pupils, seed } => print(&School::generate(pupils, seed).to_csv()),
        Command::Test { long_contract } => ci::run(effort(long_contract)).await,
        Command::Contract { long } => {
            contract::run(&Stack::from_env().await?, &paths::state(), effort(long)).await
        }
        Command::Bench(options) => bench::run(options).await,
        Command::Serve { port, tap_port } => daemon::serve(port, tap_port).await,
    }
}

fn parse_pupils(text: &str) -> Result<usize, String> {
    let pupils: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if pupils < MIN_PUPILS { Err(format!("a school has at least {MIN_PUPILS} pupils")) } else { Ok(pupils) }
}

fn binaries(no_build: bool) -> Binaries {
    if no_build { Binaries::Keep } else { Binaries::Build }
}

fn effort(long: bool) -> Effort {
    if long { Effort::Long } else { Effort::Usual }
}

async fn logs(function: Option<String>) -> Result<()> {
    let stack = Stack::from_env().await?;
    let all = stack.file().functions.iter().map(|f| f.name.clone());
    for name in function.map_or_else(|| all.collect(), |one| vec![one]) {
        for line in stack.logs(&name, "").await? {
            print(&format!("{name}  {line}\n"))?;
        }
    }
    Ok(())
}

fn summary(file: &StackFile) -> String {
    format!(
        "The stack is up.\n  API        {}\n  MiniStack  {}\n  tap        {}\n  described  {}\n",
        file.api_url,
        file.endpoint_url,
        file.tap_url,
        StackFile::path().display()
    )
}

/// To standard output, where a closed pipe (`| head`) is an error and not a panic.
fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).failed("standard output cannot be written")
}
