//! Ingestion with no cloud around it, for `cargo local bench ingest`: `ingest <what> <file>` prints what it found, as JSON.
//!
//! `bare` passes over the file with the csv crate alone, `read` decodes, parses, cleans and gathers, `plan` also plans against an
//! empty directory, `likeness` scores the proposer on one of FEBRL's sets.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    time::Instant,
};

use jiff::{Timestamp, civil::date};
use serde_json::{Value, json};
use shared::{
    id::UploadId,
    person::{Role, store::Directory},
    privacy::agreement::{Agreement, Field},
    upload::{
        column::Mapping,
        format,
        intake::Intake,
        likeness::{self, Kin, Proposal, Traits},
        plan::{self, Terms},
        store::Scope,
    },
};

type Outcome = Result<Value, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, path] = &arguments[..] else {
        return Err("usage: ingest bare|read|plan|likeness FILE".into());
    };
    let bytes = fs::read(path)?;
    let (cpu, clock) = (cpu_ns(), Instant::now());
    let mut found = match what.as_str() {
        "bare" => bare(&bytes)?,
        "read" => read(&bytes, false)?,
        "plan" => read(&bytes, true)?,
        "likeness" => febrl(&bytes)?,
        _ => return Err(format!("{what} is nothing to measure").into()),
    };
    found["cpu_ns"] = cpu_ns().saturating_sub(cpu).into();
    found["wall_ns"] = u64::try_from(clock.elapsed().as_nanos())?.into();
    found["peak_bytes"] = peak_bytes().into();
    println!("{found}");
    Ok(())
}

/// Time of this thread on a processor, as Linux keeps it. It brings the account up to date when the thread yields.
fn cpu_ns() -> u64 {
    std::thread::yield_now();
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or_default()
}

fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024
}

fn bare(bytes: &[u8]) -> Outcome {
    let mut reader = csv::ReaderBuilder::new().has_headers(true).flexible(true).from_reader(bytes);
    let (mut record, mut rows, mut cells) = (csv::ByteRecord::new(), 0, 0);
    while reader.read_byte_record(&mut record)? {
        rows += 1;
        cells += record.len();
    }
    Ok(json!({"rows": rows, "cells": cells}))
}

fn read(bytes: &[u8], and_plan: bool) -> Outcome {
    let agreement = agreement();
    let mut intake = Intake::new(&agreement, date(2026, 11, 2));
    format::read(bytes, &Mapping::default(), &mut intake)?;
    let roll = intake.finish()?;
    let mut found = json!({"rows": roll.rows, "findings": roll.findings.len(), "pupils": roll.of(Role::Pupil).count(),
        "contacts": roll.of(Role::Contact).count(), "links": roll.links.len()});
    if and_plan {
        let now = Timestamp::UNIX_EPOCH;
        let (scope, rejected) = (Scope::Full, BTreeSet::new());
        let terms = Terms {
            upload: UploadId::new(now, &[0; 10]),
            scope: &scope,
            generation: 1,
            file: "bench",
            is_rollover: false,
            last_export: None,
            rejected: &rejected,
            readmits_deleted: false,
            now,
        };
        let plan = plan::plan(&roll, &Directory::default(), terms);
        found["changes"] = plan.changes.len().into();
    }
    Ok(found)
}

/// What the school's contract of `cargo local bench` lists.
fn agreement() -> Agreement {
    use Field::{
        Class, DateOfBirth, Email, FamilyName, GivenName, Landline, Mobile, ParentalResponsibility, Priority,
        Relationship, Restricted, SourceId, Title, YearGroup,
    };
    let pupil = [GivenName, FamilyName, SourceId, YearGroup, Class, DateOfBirth];
    let contact = [
        Title,
        GivenName,
        FamilyName,
        SourceId,
        Relationship,
        Email,
        Mobile,
        Landline,
        Priority,
        ParentalResponsibility,
        Restricted,
    ];
    let fields = BTreeMap::from([(Role::Pupil, pupil.into()), (Role::Contact, contact.into())]);
    Agreement { fields, signed_on: date(2026, 9, 1) }
}

/// Recall and false proposals on a set of FEBRL: of everybody who is in it more than once, and of the originals against each one's
/// first copy; with and without the number that the set holds; with close kin kept apart, and scored like all else.
fn febrl(bytes: &[u8]) -> Outcome {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let rows = reader.records().collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Vec<&str>> =
        rows.iter().map(|row| row.get(0).unwrap_or_default().split('-').collect()).collect();
    // rec-17-org and rec-17-dup-0 are one person.
    let person = |row: usize| ids[row].get(1).copied().unwrap_or_default();
    let is_original = |row: &usize| ids[*row].get(2) == Some(&"org");
    let originals: Vec<usize> = (0..rows.len()).filter(is_original).collect();
    let mut seen = BTreeSet::new();
    let copies: Vec<usize> =
        (0..rows.len()).filter(|row| !is_original(row)).filter(|row| seen.insert(person(*row))).collect();
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    (0..rows.len()).for_each(|row| *sizes.entry(person(row)).or_default() += 1);
    let pairs: usize = sizes.values().map(|size| size * (size - 1) / 2).sum();
    let linked = originals.iter().filter(|row| seen.contains(person(**row))).count();
    let mut scores = Vec::new();
    for with_number in [true, false] {
        let records: Vec<_> = rows.iter().map(|row| traits(row, with_number)).collect();
        let [left, right] = [&originals, &copies]
            .map(|rows| rows.iter().map(|row| records[*row].clone()).collect::<Vec<_>>());
        for (kin, apart) in [(Kin::Scored, false), (Kin::KeptApart, true)] {
            let mut score = |task: &str,
                             of: usize,
                             found: &[Proposal],
                             person_of: &dyn Fn(&Proposal) -> [usize; 2]| {
                let right =
                    found.iter().map(person_of).filter(|[one, other]| person(*one) == person(*other)).count();
                scores.push(json!({"task": task, "with_number": with_number, "kin_apart": apart,
                    "pairs": of, "right": right, "wrong": found.len() - right}));
            };
            score("within", pairs, &likeness::propose_within(&records, kin), &|pair| [pair.left, pair.right]);
            score("between", linked, &likeness::propose(&left, &right, kin), &|pair| {
                [originals[pair.left], copies[pair.right]]
            });
        }
    }
    Ok(json!({"rows": rows.len(), "scores": scores}))
}

fn traits(row: &csv::StringRecord, with_number: bool) -> Traits<'_> {
    let cell = |index| row.get(index).unwrap_or_default();
    Traits {
        given: cell(1),
        family: cell(2),
        house: cell(3),
        lines: [cell(4), cell(5)],
        place: cell(6),
        postcode: cell(7),
        region: cell(8),
        date_of_birth: cell(9).parse().ok(),
        number: if with_number { cell(10) } else { "" },
        ..Traits::default()
    }
}
