//! Instructions from exec to the first request for an event, counted by callgrind.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::{
    binaries::{Binaries, HELLO},
    figure::{Figure, millions, ratio},
    process::Process,
};
use crate::{
    error::{Context, Error, Result},
    paths,
    progress::Step,
    stack::Function,
};

const SECTION: &str = "instructions from exec to the first /next";
const BOUND: (f64, &str) = (2.0, "<= 2x hello");

/// Counts the start of every function with the variables that the template gives it, and of the smallest one. `dir` takes
/// callgrind's files.
pub async fn measure(binaries: &Binaries, functions: &[Function], dir: &Path) -> Result<Vec<Figure>> {
    if !has_valgrind() {
        return Ok(vec![Figure::skipped(SECTION, "every function", "valgrind is not installed")]);
    }
    fs::create_dir_all(dir).failed(format_args!("{} cannot be created", dir.display()))?;
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

fn has_valgrind() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// All instructions that a process executes until it waits for its first event.
async fn instructions(binary: &Path, variables: &BTreeMap<String, String>, dir: &Path) -> Result<u64> {
    let out = dir.join("callgrind.out");
    // A count of an earlier run must not be taken for this one's.
    let _ = fs::remove_file(&out);
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", out.display())).arg(binary);
    Process::start(command, variables, Vec::new()).await?.stop().await?;
    let text = fs::read_to_string(&out).failed("callgrind left no count")?;
    total(&text).ok_or_else(|| Error::Failed("callgrind's file holds no total".to_owned()))
}

/// The total of a callgrind file: the first number of its `totals:` line, or of `summary:` where a run was cut short.
fn total(text: &str) -> Option<u64> {
    let number = |label: &str| {
        let line = text.lines().rev().find_map(|line| line.strip_prefix(label))?;
        line.split_whitespace().next()?.parse().ok()
    };
    number("totals:").or_else(|| number("summary:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_callgrinds_file() {
        let text = "# callgrind format\nversion: 1\npid: 7\nevents: Ir\nsummary: 12\n\nfn=(1) main\n16 400\n\ntotals: 6812345\n";
        assert_eq!(total(text), Some(6_812_345));
        assert_eq!(total("events: Ir Dr\nsummary: 41 7\n"), Some(41));
        for text in ["", "totals:", "totals: many\n", "fn=(1)\n16 400\n"] {
            assert_eq!(total(text), None, "{text}");
        }
    }
}
