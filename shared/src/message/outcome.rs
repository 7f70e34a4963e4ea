//! What became of each recipient of a chunk, packed one letter each so that a claim or receipt rewrites 50 bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How far a recipient has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Waiting.
    Queued,
    /// The carrier took it.
    Sent,
    /// The carrier says it arrived.
    Delivered,
    /// It will not arrive.
    Failed,
    /// It may have been sent: a crash or a lost answer came between.
    Unknown,
    /// Stopped before it was sent.
    Stopped,
}

impl Outcome {
    /// Every outcome, in the order of the contract.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Sent, Self::Delivered, Self::Failed, Self::Unknown, Self::Stopped];

    /// The word used in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Stopped => "stopped",
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::Queued => 'q',
            Self::Sent => 's',
            Self::Delivered => 'd',
            Self::Failed => 'f',
            Self::Unknown => 'u',
            Self::Stopped => 'x',
        }
    }

    fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.letter() == letter)
    }
}

/// The outcomes of one chunk, in the order of its roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcomes(pub Vec<Outcome>);

impl Outcomes {
    /// All waiting.
    pub fn queued(count: usize) -> Self {
        Self(vec![Outcome::Queued; count])
    }

    /// Whatever still waits becomes `outcome`.
    pub fn settle(&mut self, outcome: Outcome) {
        for one in self.0.iter_mut().filter(|one| **one == Outcome::Queued) {
            *one = outcome;
        }
    }

    /// The positions that still wait.
    pub fn waiting(&self) -> Vec<usize> {
        self.0
            .iter()
            .enumerate()
            .filter(|(_, outcome)| **outcome == Outcome::Queued)
            .map(|(at, _)| at)
            .collect()
    }

    /// Adds the counts to a total.
    pub fn count_into(&self, totals: &mut BTreeMap<Outcome, usize>) {
        for outcome in &self.0 {
            *totals.entry(*outcome).or_default() += 1;
        }
    }
}

impl Serialize for Outcomes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.iter().map(|outcome| outcome.letter()).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Outcomes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let outcomes: Option<Vec<_>> = text.chars().map(Outcome::from_letter).collect();
        outcomes.map(Self).ok_or_else(|| serde::de::Error::custom("an outcome letter is not known"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_pack_to_a_letter_each_and_back() {
        let outcomes = Outcomes(Outcome::ALL.to_vec());
        let text = serde_json::to_string(&outcomes).unwrap();
        assert_eq!(text, "\"qsdfux\"");
        assert_eq!(serde_json::from_str::<Outcomes>(&text).unwrap(), outcomes);
        assert!(serde_json::from_str::<Outcomes>("\"qz\"").is_err());
    }
}
