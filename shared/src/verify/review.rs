//! Claims that a person at the school has to look at, and claims that the school is told of.

use serde::{Deserialize, Serialize};

use super::{claim::Claim, evidence::Evidence, matching::Match};
use crate::{
    id::{PersonId, SchoolId, VerificationId},
    person::name::PersonName,
    privacy::retention::DataClass,
    seal::{DataKey, Place, SealError, Sealed, nonce},
    store::{
        key::{self, Key, TableName},
        table::Record,
    },
    time,
};

/// Where a review stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewStatus {
    /// The office has to decide.
    Review,
    /// Refused by rule although the facts fit: somebody who is kept away has tried.
    Alert,
    /// The office has approved it: a code went to the registered contact point.
    Approved,
    /// The office has refused it.
    Refused,
}

/// How long an approval is worth a code to whoever makes the same claim again: a parent who reads the text the next day should not
/// have to be approved twice.
pub const APPROVAL_LASTS: jiff::SignedDuration = time::days(7);

/// What the school sees of a claim.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Details {
    /// The name that the claimant gave as their own.
    pub parent: PersonName,
    /// The name that they gave as the child's.
    pub child: PersonName,
    /// What speaks for and against it.
    pub evidence: Vec<Evidence>,
    /// Contact and pupil: who may be meant.
    pub candidates: Vec<(PersonId, PersonId)>,
}

impl Details {
    /// Of a claim and what it came to. What was typed of a mobile, an address or a birthday is not kept: only whether it fits.
    pub fn of(claim: &Claim, found: &Match) -> Self {
        Self {
            parent: claim.parent.clone(),
            child: claim.child.clone(),
            evidence: found.evidence.iter().copied().collect(),
            candidates: found.candidates.clone(),
        }
    }
}

/// A claim in the school's list. Kept as long as the attempt itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Review {
    /// The school.
    pub school_id: SchoolId,
    /// The attempt.
    pub verification_id: VerificationId,
    /// Where it stands.
    pub status: ReviewStatus,
    /// [`Details`], sealed with the school's key.
    pub details: Sealed,
    /// Contact and pupil for whom it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<(PersonId, PersonId)>,
    /// Who decided (the issuer's id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// When, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<i64>,
    /// When the claim was made, in seconds since 1970.
    pub created: i64,
    /// When it is forgotten.
    pub expires: i64,
}

impl Record for Review {
    const KIND: &'static str = "review";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Verification;
    fn key(&self) -> Key {
        key::review(self.school_id, self.verification_id)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

impl Review {
    /// Seals the details of a review.
    pub fn seal(
        data_key: &DataKey,
        school: SchoolId,
        verification: VerificationId,
        details: &Details,
    ) -> Sealed {
        data_key.seal(Self::place(&key::review(school, verification)), details, nonce())
    }

    /// Opens them.
    pub fn details(&self, data_key: &DataKey) -> Result<Details, SealError> {
        data_key.open(Self::place(&self.key()), &self.details)
    }

    /// Contact and pupil for whom this approval still stands when the same claim is made again.
    pub fn stands_for(
        &self,
        details: &Details,
        again: &Details,
        now: jiff::Timestamp,
    ) -> Option<(PersonId, PersonId)> {
        let recent = self.decided_at.is_some_and(|at| now.as_second() - at < APPROVAL_LASTS.as_secs());
        let same = details.parent.folds_to(&again.parent) && details.child.folds_to(&again.child);
        self.approved.filter(|pair| {
            self.status == ReviewStatus::Approved && recent && same && again.candidates.contains(pair)
        })
    }

    const fn place(at: &Key) -> Place<'_> {
        Place { table: TableName::Access, key: at, attribute: "details" }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn an_approval_stands_for_the_same_claim_for_a_week() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let person = |n: u8| PersonId::new(at(0), &[n; 10]);
        let (school_id, verification_id) =
            (SchoolId::new(at(0), &[1; 10]), VerificationId::new(at(0), &[2; 10]));
        let pair = (person(3), person(4));
        let details = |parent: &str, candidates: &[(PersonId, PersonId)]| Details {
            parent: PersonName::new(parent, "Smyth"),
            child: PersonName::new("Zoë", "Smyth"),
            evidence: Vec::new(),
            candidates: candidates.to_vec(),
        };
        let first = details("Katie", &[pair]);
        let key = DataKey::new(&[7; 32]);
        let review = |status| Review {
            school_id,
            verification_id,
            status,
            details: Review::seal(&key, school_id, verification_id, &first),
            approved: Some(pair),
            decided_by: None,
            decided_at: Some(0),
            created: 0,
            expires: 0,
        };
        let approved = review(ReviewStatus::Approved);
        assert_eq!(approved.details(&key).unwrap().candidates, [pair]);
        let week = APPROVAL_LASTS.as_secs();
        for (what, review, again, now, stands) in [
            ("the same", approved.clone(), details("KATIE", &[pair]), week - 1, true),
            ("too late", approved.clone(), details("Katie", &[pair]), week, false),
            ("another name", approved.clone(), details("Kate", &[pair]), 1, false),
            ("another contact now", approved, details("Katie", &[(person(5), person(4))]), 1, false),
            ("refused", review(ReviewStatus::Refused), details("Katie", &[pair]), 1, false),
        ] {
            assert_eq!(review.stands_for(&first, &again, at(now)).is_some(), stands, "{what}");
        }
    }
}
