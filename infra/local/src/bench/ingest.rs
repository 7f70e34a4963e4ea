//! The ingestion alone: what a row costs beside a bare pass over it and beside Python, how memory grows with the file, and
//! how well likeness tells people apart. No cloud is around it; the writes of an import are [`super::upload`]'s.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::{
    binaries::{Binaries, INGEST},
    callgrind::{self, Count},
    figure::{Figure, millions, ratio},
    part,
};
use crate::{
    error::{Context, Error, Result},
    paths,
    progress::Step,
    sample::School,
    venv,
};

/// Rows of the three files. The difference between the first two, counted, is free of what a process's start costs.
const FEW: usize = 1_000;
const MANY: usize = 10_000;
const MOST: usize = 100_000;
/// Columns of the widest layout that a vendor prescribes; the made-up school's file has two more.
const COLUMNS: usize = 22;

const INSTRUCTIONS: &str = "instructions per row of 22 columns";
const GROWTH: &str = "reading and planning a whole file";
const PYTHON: &str = "beside Python's csv, phonenumbers and email-validator";
const LIKENESS: &str = "likeness on FEBRL's set 3";
const NO_VALGRIND: &str = "valgrind is not installed";

const TIMES_BARE: (f64, &str) = (4.0, "<= 4x bare");
/// Among ten times as many, a row may take a little more: people are sorted.
const TIMES_FEWER: (f64, &str) = (1.1, "<= 1.1x");
const PEAK: (f64, &str) = (256.0, "<= 256 MB");
const TIMES_PYTHON: (f64, &str) = (100.0, ">= 100x");
const RECALL: (f64, &str) = (0.985, ">= 0.985");
const WRONG: (f64, &str) = (0.0, "none");

/// Measures all of it. `dir` takes the files.
pub fn measure(binaries: &Binaries, dir: &Path) -> Vec<Figure> {
    let dir = dir.join("ingest");
    let ingest = Ingest { binary: binaries.path(INGEST) };
    let mut figures = match files(&dir) {
        Ok(files) => {
            let mut figures = part(INSTRUCTIONS, ingest.instructions(&files, &dir));
            figures.extend(part(GROWTH, ingest.growth(&files)));
            figures.extend(part(PYTHON, ingest.beside_python(&files, &dir)));
            figures
        }
        Err(error) => part("reading a file", Err(error)),
    };
    figures
        .extend(part(LIKENESS, ingest.likeness(&paths::root().join("../shared/samples/febrl/dataset3.csv"))));
    figures
}

/// The made-up schools' files of [`FEW`], [`MANY`] and [`MOST`] rows.
fn files(dir: &Path) -> Result<[PathBuf; 3]> {
    fs::create_dir_all(dir).failed(format_args!("{} cannot be created", dir.display()))?;
    let step = Step::start("Making up a school of a hundred thousand rows");
    // A pupil has nearly two contacts.
    let file = School::generate(MOST * 2 / 3, 2026).to_csv();
    let names = [FEW, MANY, MOST].map(|rows| (rows, dir.join(format!("{rows}.csv"))));
    for (rows, path) in &names {
        let shortened = shorten(file.as_bytes(), *rows)?;
        fs::write(path, shortened).failed(format_args!("{} cannot be written", path.display()))?;
    }
    step.done();
    Ok(names.map(|(_, path)| path))
}

/// The first rows of a file, in its first [`COLUMNS`].
fn shorten(file: &[u8], rows: usize) -> Result<Vec<u8>> {
    let records = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let mut writer =
        csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let mut written = 0;
    for record in records.into_byte_records().take(rows + 1) {
        let record = record.failed("the made-up file is no CSV")?;
        writer.write_record(record.iter().take(COLUMNS)).failed("the made-up file cannot be written")?;
        written += 1;
    }
    if written != rows + 1 {
        return Err(Error::Failed(format!("The made-up school has {written} rows and not {rows}.")));
    }
    writer.into_inner().failed("the made-up file cannot be written")
}

/// The example that ingests.
struct Ingest {
    binary: PathBuf,
}

impl Ingest {
    fn command(&self, what: &str, file: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(what).arg(file);
        command
    }

    fn instructions(&self, files: &[PathBuf; 3], dir: &Path) -> Result<Vec<Figure>> {
        if !callgrind::is_installed() {
            return Ok(vec![Figure::skipped(INSTRUCTIONS, "reading a row", NO_VALGRIND)]);
        }
        let step = Step::start("Counting the instructions of a row");
        let count = |what: &str, rows| per_row(&self.binary, what.as_ref(), files, rows, dir);
        let (bare, read, of_most) = (count("bare", MANY)?, count("read", MANY)?, count("read", MOST)?);
        step.done();
        let (value, times, growth) = (ratio(bare, 1), ratio(read, bare), ratio(of_most, read));
        Ok(vec![
            Figure::stated(INSTRUCTIONS, "a bare pass of the csv crate", value, format!("{bare}")),
            Figure::at_most(
                INSTRUCTIONS,
                "decode, parse, clean, gather",
                times,
                format!("{read} = {times:.2}x bare"),
                TIMES_BARE,
            )
            .of(BTreeMap::from([("bare".to_owned(), bare), ("read".to_owned(), read)])),
            Figure::at_most(
                INSTRUCTIONS,
                format!("a row of {MOST} over one of {MANY}"),
                growth,
                format!("{of_most} = {growth:.2}x {read}"),
                TIMES_FEWER,
            ),
        ])
    }

    /// Rows per second are of this machine and only stated: what they should be told is that ten times the rows take ten times
    /// as long.
    fn growth(&self, files: &[PathBuf; 3]) -> Result<Vec<Figure>> {
        let step = Step::start("Reading and planning whole files");
        let mut figures = Vec::new();
        for (rows, file) in [(MANY, &files[1]), (MOST, &files[2])] {
            step.note(&format!("{rows} rows"));
            let found = run(&mut self.command("plan", file))?;
            let seen = number(&found, "rows")?;
            if seen != rows as u64 {
                return Err(Error::Failed(format!("{rows} rows were written and {seen} read")));
            }
            let per_second = ratio(seen, number(&found, "wall_ns")?) * 1e9;
            let what = format!("{rows} rows");
            let speed = format!("{per_second:.0} rows per second");
            figures.push(Figure::stated(GROWTH, format!("{what}: speed on this machine"), per_second, speed));
            let peak = millions(number(&found, "peak_bytes")?);
            let (what, measured) = (format!("{what}: peak resident memory"), format!("{peak:.1} MB"));
            figures.push(Figure::at_most(GROWTH, what, peak, measured, PEAK));
        }
        step.done();
        Ok(figures)
    }

    /// The same file read by both. What one takes of the other is counted: CPU time, in which neither counts the start of its process,
    /// is of this machine and this moment.
    fn beside_python(&self, files: &[PathBuf; 3], dir: &Path) -> Result<Vec<Figure>> {
        let (python, script) = (venv::bench()?, paths::runner().join("bench_ingest.py"));
        let step = Step::start("Reading the same file with Python");
        let theirs = run(Command::new(&python).arg(&script).arg(&files[1]))?;
        let ours = run(&mut self.command("read", &files[1]))?;
        for what in ["rows", "pupils", "contacts", "links", "findings"] {
            let (ours, theirs) = (number(&ours, what)?, number(&theirs, what)?);
            // They differ over a handful of damaged rows, and columns that are left behind; by more than that they would not have
            // done the same.
            if ours.abs_diff(theirs) * 100 > theirs {
                return Err(Error::Failed(format!("{what}: {ours} here and {theirs} in Python")));
            }
        }
        let times = ratio(number(&theirs, "cpu_ns")?, number(&ours, "cpu_ns")?);
        let what = format!("{MANY} rows: CPU time of Python's over ours");
        let mut figures = vec![Figure::stated(PYTHON, what, times, format!("{times:.0}x"))];
        let what = "instructions of a row: Python's over ours";
        figures.push(if callgrind::is_installed() {
            step.note("counting its instructions");
            let theirs = per_row(&python, script.as_ref(), files, MANY, dir)?;
            let ours = per_row(&self.binary, "read".as_ref(), files, MANY, dir)?;
            let times = ratio(theirs, ours);
            Figure::at_least(PYTHON, what, times, format!("{theirs} = {times:.0}x {ours}"), TIMES_PYTHON)
                .of(BTreeMap::from([("python".to_owned(), theirs), ("read".to_owned(), ours)]))
        } else {
            Figure::skipped(PYTHON, what, NO_VALGRIND)
        });
        step.done();
        Ok(figures)
    }

    /// FEBRL replaces given names and dates of birth by others, which in a school are twins, fathers and sons. Whether likeness finds
    /// one person in two records is seen with such kin scored like all else. What the rules of a school, which keep them apart, come to
    /// there is held against the same bound, and cannot reach it.
    fn likeness(&self, file: &Path) -> Result<Vec<Figure>> {
        if !file.exists() {
            return Ok(vec![Figure::skipped(LIKENESS, "recall", "../shared/samples/febrl is not there")]);
        }
        let found = run(&mut self.command("likeness", file))?;
        let scores = found["scores"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut figures = Vec::new();
        for score in scores {
            let [pairs, right, wrong] =
                [number(score, "pairs")?, number(score, "right")?, number(score, "wrong")?];
            let task = if score["task"] == "within" {
                "all pairs of one person"
            } else {
                "originals and first copies"
            };
            let id = if score["with_number"] == true { "with soc_sec_id" } else { "without" };
            let kin = if score["kin_apart"] == true { ", kin kept apart" } else { "" };
            let what = format!("{task}, {id}{kin}");
            let recall = ratio(right, pairs);
            let measured = format!("recall {recall:.4} = {right} of {pairs}");
            figures.push(Figure::at_least(LIKENESS, &what, recall, measured, RECALL));
            let measured = format!("{wrong} of {} proposals", right + wrong);
            figures.push(Figure::at_most(
                LIKENESS,
                format!("{what}: false"),
                ratio(wrong, 1),
                measured,
                WRONG,
            ));
        }
        Ok(figures)
    }
}

/// The instructions of a program that reads a file of so many rows, counted over those by which it is longer than the file before it.
fn per_row(program: &Path, argument: &OsStr, files: &[PathBuf; 3], rows: usize, dir: &Path) -> Result<u64> {
    let (fewer, [before, file]) =
        if rows == MOST { (MANY, [&files[1], &files[2]]) } else { (FEW, [&files[0], &files[1]]) };
    let total = |file: &Path| -> Result<u64> {
        let count = Count::new(dir)?;
        // Python hashes names in another way each time, unless it is told not to.
        run(count.command(program).arg(argument).arg(file).env("PYTHONHASHSEED", "0"))?;
        count.total()
    };
    Ok(total(file)?.saturating_sub(total(before)?) / (rows - fewer) as u64)
}

/// Runs something that prints one JSON object and nothing else to standard output.
pub(super) fn run(command: &mut Command) -> Result<Value> {
    let out = command.output().failed("what is to be measured cannot be started")?;
    if !out.status.success() {
        let errors = String::from_utf8_lossy(&out.stderr);
        let last = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
        return Err(Error::Failed(format!("what is to be measured failed: {}", last.trim())));
    }
    serde_json::from_slice(&out.stdout).failed("what is to be measured printed no JSON")
}

/// A number that it told.
pub(super) fn number(found: &Value, name: &str) -> Result<u64> {
    found[name].as_u64().ok_or_else(|| Error::Failed(format!("what is to be measured told no {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_file_has_the_rows_and_columns_asked_for() {
        let file = School::generate(200, 7).to_csv();
        let short = shorten(file.as_bytes(), 100).expect("it can be shortened");
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&*short);
        let rows: Vec<_> = reader.into_records().map(|row| row.expect("it is CSV")).collect();
        assert_eq!(rows.len(), 101);
        assert!(rows.iter().all(|row| row.len() <= COLUMNS) && rows[0].len() == COLUMNS);
        assert!(shorten(file.as_bytes(), 100_000).is_err());
    }

    #[test]
    fn what_was_measured_is_read_and_what_is_not_told_is_an_error() {
        let found = run(Command::new("echo").arg(r#"{"rows": 3}"#)).expect("it prints JSON");
        assert_eq!(number(&found, "rows").expect("it is there"), 3);
        assert!(number(&found, "peak_bytes").is_err());
        assert!(run(Command::new("echo").arg("no")).is_err());
        assert!(run(&mut Command::new("false")).is_err());
    }
}
