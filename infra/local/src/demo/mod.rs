//! `cargo local demo`: the product in one command.
//!
//! A stack of its own starts, a made-up school is taken on, and everybody does what they would do: the operator, the
//! office, a mother, a sender, the night. All of it goes through the real template, the real functions and their HTTP
//! API. Every number is held against what the generator of the school's file has computed, which shares no code with
//! what reads the file; one that differs is named, and the demo fails.

mod checks;
pub(crate) mod client;
pub(crate) mod file;
mod finding;
mod message;
mod mistake;
mod next;
mod parent;
mod retention;
mod school;
mod sms;
mod story;
mod summary;
mod text;
mod upload;

use std::time::{Duration, Instant};

use crate::{
    cloud::require_free,
    daemon::{self, Binaries},
    error::{Error, Result},
    paths,
    progress::Step,
    stack::Stack,
};

/// How long anything that happens behind the scenes may take: far more than it does on a slow machine.
const DEADLINE: Duration = Duration::from_mins(2);

/// How the demo is run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Port of MiniStack.
    pub port: u16,
    /// Port of the tap.
    pub tap_port: u16,
    /// Leave the stack running in the background afterwards, as `cargo local up` does.
    pub keep: bool,
}

/// Tells the story on a fresh stack.
pub async fn run(options: Options) -> Result<()> {
    let begun = Instant::now();
    let file = file::SchoolFile::read()?;
    text::say("Bookbag, from a school's file to the messages on the parents' phones.")?;
    text::say("Everything runs on this machine; nobody in the story exists, and nothing is really sent.\n")?;
    let stack = start(options).await?;
    let told = story::tell(&stack, &file).await;
    if !options.keep {
        let step = Step::start("Stopping the stack");
        drop(stack);
        step.done();
    }
    let ending = match told {
        Ok(ending) => ending,
        Err(error) if options.keep => return Err(left_running(&error)),
        Err(error) => return Err(error),
    };
    let (count, seconds) = (ending.checks.count(), begun.elapsed().as_secs_f64());
    match ending.checks.verdict() {
        Ok(()) => {}
        Err(error) if options.keep => return Err(left_running(&error)),
        Err(error) => return Err(error),
    }
    text::say(&format!(
        "\nAll {count} figures are as computed from the file. It took {seconds:.0} seconds."
    ))?;
    next::print(&ending.places, options.keep)
}

/// A stack with nothing in it. One that is to stay goes into the background from the start; any other is held by this
/// process and ends with it, however it ends.
async fn start(options: Options) -> Result<Stack> {
    // Asked before anything is built: minutes later would be a bad moment to hear of it.
    require_free(options.port)?;
    require_free(options.tap_port)?;
    if !options.keep {
        return Stack::start_on(options.port, options.tap_port, &paths::state().join("demo")).await;
    }
    if daemon::is_up().await {
        return Err(Error::Setup(
            "A stack is up already, and the demo needs a fresh one: stop it with `cargo local down`."
                .to_owned(),
        ));
    }
    match daemon::up(options.port, options.tap_port, Binaries::Build).await {
        Ok(file) => Stack::attach(file).await,
        Err(error) => {
            // Half a stack is of no use to anybody.
            daemon::down().await?;
            Err(error)
        }
    }
}

fn left_running(error: &Error) -> Error {
    Error::Failed(format!(
        "{error}\nThe stack is still up: `cargo local logs` and `cargo local calls` may tell more; `cargo local down` stops it."
    ))
}
