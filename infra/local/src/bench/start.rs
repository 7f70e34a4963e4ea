//! Instructions from exec to the first request for an event, counted by callgrind.

use std::{collections::BTreeMap, path::Path};

use super::{
    binaries::{Binaries, HELLO},
    callgrind::{self, Count},
    figure::{Figure, millions, ratio},
    process::Process,
};
use crate::{error::Result, paths, progress::Step, stack::Function};

const SECTION: &str = "instructions from exec to the first /next";
const BOUND: (f64, &str) = (2.0, "<= 2x hello");

/// Counts the start of every function with the variables that the template gives it, and of the smallest one. `dir` takes
/// callgrind's files.
pub async fn measure(binaries: &Binaries, functions: &[Function], dir: &Path) -> Result<Vec<Figure>> {
    if !callgrind::is_installed() {
        return Ok(vec![Figure::skipped(SECTION, "every function", "valgrind is not installed")]);
    }
    let step = Step::start("Counting the instructions of eight starts");
    step.note(HELLO);
    let hello = instructions(&binaries.path(HELLO), &BTreeMap::new(), dir).await?;
    let own = millions(hello);
    let mut figures = vec![Figure::stated(SECTION, HELLO, own, format!("{own:.2} million"))];
    let names = paths::functions()?;
    for (at, name) in names.iter().enumerate() {
        step.note(name);
        step.at(at + 1, names.len() + 1);
        let Some(function) = functions.iter().find(|function| function.name == *name) else {
            figures.push(Figure::missing(SECTION, name.as_str(), "the template deploys no such function"));
            continue;
        };
        figures.push(match instructions(&binaries.path(name), &function.environment, dir).await {
            Ok(count) => {
                let times = ratio(count, hello);
                let measured = format!("{:.2} million = {times:.2}x hello", millions(count));
                Figure::at_most(SECTION, name.as_str(), times, measured, BOUND)
            }
            Err(error) => Figure::missing(SECTION, name.as_str(), error.to_string()),
        });
    }
    step.done();
    Ok(figures)
}

/// All instructions that a process executes until it waits for its first event.
async fn instructions(binary: &Path, variables: &BTreeMap<String, String>, dir: &Path) -> Result<u64> {
    let count = Count::new(dir)?;
    Process::start(count.command(binary), variables, Vec::new()).await?.stop().await?;
    count.total()
}
