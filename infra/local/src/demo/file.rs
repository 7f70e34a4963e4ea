//! The school's file, and what its generator says must come of it.

use std::fs;

use crate::{
    error::{Context, Result},
    paths,
    sample::{Expected, Mistake, School},
};

/// The file of Oakfield Primary School.
#[derive(Debug)]
pub struct SchoolFile {
    /// The file as the school's management system would export it.
    pub bytes: Vec<u8>,
    /// What a right reading of it finds.
    pub expected: Expected,
    /// What an export that broke off early sends instead.
    pub broken_off: Mistake,
    /// The same file with a few mobile numbers mixed up.
    pub mixed_up: Mistake,
}

impl SchoolFile {
    /// Reads both; a unit test of the generator holds them against what it makes.
    pub fn read() -> Result<Self> {
        let data = paths::root().join("tests/data");
        let (csv, json) = (data.join("oakfield.csv"), data.join("oakfield.expected.json"));
        let bytes = fs::read(&csv).setup(format_args!("{} cannot be read", csv.display()))?;
        let text = fs::read(&json).setup(format_args!("{} cannot be read", json.display()))?;
        let expected: Expected = serde_json::from_slice(&text)
            .setup(format_args!("{} does not hold the figures of a school", json.display()))?;
        let school = School::generate(expected.counts.pupil, expected.seed);
        Ok(Self { bytes, expected, broken_off: school.broken_off(), mixed_up: school.mixed_up() })
    }
}
