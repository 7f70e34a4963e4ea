//! Figures held against what the file's generator has computed.

use std::fmt::Debug;

use super::text;
use crate::error::{Error, Result};

/// Every figure looked at so far, and those that were not as they should be.
#[derive(Debug, Default)]
pub struct Checks {
    count: usize,
    differences: Vec<String>,
}

impl Checks {
    /// How many figures were looked at.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Two values that must be the same. A difference is told at once, and the story goes on: the first one found is
    /// seldom the most telling.
    pub fn equal<T: PartialEq + Debug>(&mut self, what: &str, expected: &T, seen: &T) -> Result<()> {
        self.count += 1;
        if expected == seen {
            return Ok(());
        }
        self.differ(format!("{what}: {expected:?} was expected, {seen:?} was seen"))
    }

    /// Something that must be so.
    pub fn holds(&mut self, what: &str, so: bool) -> Result<()> {
        self.count += 1;
        if so { Ok(()) } else { self.differ(format!("it does not hold that {what}")) }
    }

    fn differ(&mut self, difference: String) -> Result<()> {
        text::say(&format!("  ✗ {difference}"))?;
        self.differences.push(difference);
        Ok(())
    }

    /// Fails if anything differed, and says what.
    pub fn verdict(self) -> Result<()> {
        match self.differences.as_slice() {
            [] => Ok(()),
            [one] => Err(Error::Failed(format!("One figure is not as computed from the file: {one}."))),
            many => Err(Error::Failed(format!(
                "{} figures are not as computed from the file:\n  {}",
                many.len(),
                many.join("\n  ")
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named_and_fails() {
        let mut checks = Checks::default();
        checks.equal("rows", &3, &3).expect("it can be printed");
        assert!(checks.verdict().is_ok());
        let mut checks = Checks::default();
        checks.equal("rows", &3, &4).expect("it can be printed");
        checks.holds("the sun shines", true).expect("it can be printed");
        assert_eq!(checks.count(), 2);
        let error = checks.verdict().expect_err("it fails").to_string();
        assert_eq!(error, "One figure is not as computed from the file: rows: 3 was expected, 4 was seen.");
    }
}
