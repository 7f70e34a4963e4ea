//! `cargo local bench`: counts and ratios of the real binaries, held against their bounds.
//!
//! The functions and the smallest function there is are built alike; a fresh stack runs them through the main job, and the
//! tap's call log tells what it cost. No bound is a time: times of one machine say nothing about another; two of the same
//! machine are compared where no difference may show (`timing`). A bound that is missed is told and is no error; what should
//! have been measured and was not is one.

mod binaries;
mod callgrind;
mod edit;
mod figure;
mod ingest;
mod matching;
mod memory;
mod message;
mod night;
mod process;
mod runtime_api;
mod school;
mod stand_in;
mod start;
mod timing;
mod traffic;
mod upload;
mod verification;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use self::{
    binaries::Binaries,
    figure::{Figure, table, write_json},
    memory::Peaks,
    school::School,
};
use crate::{
    cloud::free_port,
    error::{Context, Error, Result},
    package::Profile,
    paths,
    stack::Stack,
};

/// How the bench is run.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// One part alone.
    #[arg(value_enum)]
    part: Option<Part>,
    /// Write the same figures to this file, for programs.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure the dev profile: quick to build, and of no meaning but for work on the bench itself.
    #[arg(long, hide = true)]
    dev: bool,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Reading and planning files, and what an import writes.
    Ingest,
    /// What made-up claims come to.
    Matching,
    /// How long a claim takes, whoever makes it.
    Timing,
}

/// Measures everything, or the part asked for, and prints one table.
pub async fn run(options: Options) -> Result<()> {
    let dir = paths::root().join("target/bench");
    let profile = if options.dev { Profile::Dev } else { Profile::Release };
    let binaries = Binaries::build(&dir, profile)?;
    let is_wanted = |one| options.part.is_none_or(|part| part == one);
    let mut figures = Vec::new();
    if is_wanted(Part::Ingest) {
        figures.extend(ingest::measure(&binaries, &dir));
    }
    if is_wanted(Part::Matching) {
        figures.extend(part("matching", matching::measure(&binaries)));
    }
    if is_wanted(Part::Timing) {
        figures.extend(part("timing", timing::measure(&binaries).await));
    }
    if matches!(options.part, None | Some(Part::Ingest)) {
        figures.extend(on_a_stack(&binaries, &dir, options.part).await?);
    }
    if let Some(path) = &options.json {
        write_json(&figures, path)?;
    }
    let text = table(&figures);
    std::io::stdout().write_all(text.as_bytes()).failed("standard output cannot be written")?;
    match figures.iter().filter(|figure| figure.is_missing()).count() {
        0 => Ok(()),
        missing => {
            Err(Error::Failed(format!("{missing} figures could not be measured; the table says why.")))
        }
    }
}

/// What takes a stack: the uploads alone, or everything.
async fn on_a_stack(binaries: &Binaries, dir: &Path, only: Option<Part>) -> Result<Vec<Figure>> {
    let stack =
        Stack::start_packaged(&binaries.template(), free_port()?, free_port()?, &dir.join("stack")).await?;
    if only == Some(Part::Ingest) {
        return Ok(uploads(&stack).await);
    }
    let mut figures = part("starts", start::measure(binaries, &stack.file().functions, dir).await);
    figures.extend(part("sizes", binaries::sizes(binaries)));
    let mut peaks = Peaks::default();
    let served = main_job(&stack, &mut peaks).await;
    figures.extend(part("memory", peaks.figures(binaries).await));
    figures.extend(served);
    Ok(figures)
}

/// The uploads of the main job alone.
async fn uploads(stack: &Stack) -> Vec<Figure> {
    let measured = async { upload::measure(stack, &School::take_on(stack).await?).await };
    part("uploads", measured.await)
}

/// The main job: uploads, messages, verifications, the night. After each part every function's memory is looked at.
async fn main_job(stack: &Stack, peaks: &mut Peaks) -> Vec<Figure> {
    let school = match School::take_on(stack).await {
        Ok(school) => school,
        Err(error) => return part("the main job", Err(error)),
    };
    let mut figures = part("uploads", upload::measure(stack, &school).await);
    peaks.look(stack.file());
    figures.extend(part("messages", message::measure(stack, &school).await));
    peaks.look(stack.file());
    figures.extend(part("verification", verification::measure(stack, &school).await));
    peaks.look(stack.file());
    figures.extend(part("the night", night::run(stack).await.map(|()| Vec::new())));
    peaks.look(stack.file());
    figures
}

/// The figures of a part, or one that says why there are none.
fn part(what: &str, figures: Result<Vec<Figure>>) -> Vec<Figure> {
    figures.unwrap_or_else(|error| vec![Figure::missing("not measured", what, error.to_string())])
}
