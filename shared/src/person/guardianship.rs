//! Who is what to which pupil, and what follows from it.
//!
//! A restriction wins over every grant, at once, and no later sync lifts one that was set by hand.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Parental responsibility (Children Act 1989, s.3) as the source states it. Missing is `unknown`, never `yes`:
/// systems disagree on what their tick box means, and many exports have no such column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Responsibility {
    /// The source says so.
    Yes,
    /// The source says not.
    No,
    /// The source says nothing.
    #[default]
    Unknown,
}

/// What a contact is to a pupil. Words that are none of these are [`Relationship::Other`], and are kept beside it
/// ([`Link::relationship_text`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relationship {
    /// Mother.
    Mother,
    /// Father.
    Father,
    /// A parent whose sex is not stated.
    Parent,
    /// Step-parent.
    StepParent,
    /// Foster carer.
    FosterCarer,
    /// Carer or guardian.
    Guardian,
    /// Grandparent.
    Grandparent,
    /// Another relative.
    Relative,
    /// Social worker.
    SocialWorker,
    /// Anybody else: a neighbour, a childminder.
    Other,
    /// Not stated.
    #[default]
    Unknown,
}

impl Relationship {
    /// Reads the words that UK systems and people use, and the DfE's common basic data set codes.
    #[inline]
    pub fn from_words(text: &str) -> Self {
        // What nearly every row says need not be folded.
        match text {
            "Mother" => Self::Mother,
            "Father" => Self::Father,
            "Step-parent" => Self::StepParent,
            "Grandmother" | "Grandfather" => Self::Grandparent,
            text => Self::from_any_words(text),
        }
    }

    fn from_any_words(text: &str) -> Self {
        let folded = super::name::fold(text);
        match folded.as_str() {
            "" | "unknown" | "notknown" => Self::Unknown,
            "mother" | "mum" | "mam" | "mummy" | "mom" | "pam" | "naturalmother" | "biologicalmother"
            | "birthmother" | "mothercarer" => Self::Mother,
            "father" | "dad" | "daddy" | "paf" | "naturalfather" | "biologicalfather" | "birthfather"
            | "fathercarer" => Self::Father,
            "parent" | "parents" | "parentcarer" | "parentorcarer" | "parentguardian"
            | "parentorguardian" | "adoptiveparent" | "adoptivemother" | "adoptivefather" => Self::Parent,
            "stm" | "stf" => Self::StepParent,
            "fom" | "fof" => Self::FosterCarer,
            "carer" | "guardian" | "car" | "legalguardian" | "specialguardian" | "kinshipcarer" => {
                Self::Guardian
            }
            "gpa" | "nan" | "nana" | "gran" | "granny" | "grandad" => Self::Grandparent,
            "fam" | "rel" | "aunt" | "auntie" | "uncle" | "sister" | "brother" | "cousin" | "sibling"
            | "relative" | "otherfamilymember" | "otherrelative" => Self::Relative,
            "swr" | "socialworker" => Self::SocialWorker,
            word if word.starts_with("step") => Self::StepParent,
            word if word.starts_with("foster") => Self::FosterCarer,
            word if word.starts_with("grand") => Self::Grandparent,
            word if ["grandmother", "grandfather", "grandparent"].iter().any(|it| word.ends_with(it)) => {
                Self::Grandparent
            }
            _ => Self::Other,
        }
    }

    /// Whether somebody in this relationship brings the child up. Decides only where responsibility is unknown.
    pub const fn brings_up(self) -> bool {
        matches!(
            self,
            Self::Mother
                | Self::Father
                | Self::Parent
                | Self::StepParent
                | Self::FosterCarer
                | Self::Guardian
        )
    }
}

/// A source's own word for a relationship. Prints masked: systems let people write anything there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RelationshipText(Box<str>);

impl RelationshipText {
    /// The word.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// As the source wrote it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RelationshipText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelationshipText(***)")
    }
}

/// The tie between a pupil and a contact. Stored sealed.
// Independent facts that sources state one by one: an enum of their combinations would say less.
#[expect(clippy::struct_excessive_bools)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What the contact is to the pupil.
    #[serde(default)]
    pub relationship: Relationship,
    /// What the source calls it, where it is [`Relationship::Other`]: `Childminder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relationship_text: Option<RelationshipText>,
    /// Parental responsibility.
    #[serde(default)]
    pub parental_responsibility: Responsibility,
    /// A court order or the school keeps this contact away from everything about this pupil.
    #[serde(default)]
    pub restricted: bool,
    /// 1 is asked first. Gaps, ties and blanks are normal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// To be called in an emergency, whatever the responsibility.
    #[serde(default)]
    pub emergency_contact: bool,
    /// The pupil's address must not reach this contact (a refuge, say).
    #[serde(default)]
    pub address_confidential: bool,
    /// The office set this link by hand: an upload neither changes it nor calls it missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub manual: bool,
    /// The office took the tie away: nobody sees it, and a file that still names it does not bring it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// Since when the sources no longer name this link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Timestamp>,
}

impl Link {
    /// Whether the tie is one: the sources name it and the office has not taken it away.
    pub const fn holds(&self) -> bool {
        self.missing_since.is_none() && !self.ended
    }

    /// Whether the contact may hold an account that shows this pupil: unrestricted, and responsible for certain, or
    /// first in line with responsibility not denied (the rule by which UK systems migrate).
    pub fn may_hold_account(&self) -> bool {
        !self.restricted
            && self.holds()
            && match self.parental_responsibility {
                Responsibility::Yes => true,
                Responsibility::Unknown => self.priority == Some(1),
                Responsibility::No => false,
            }
    }

    /// Whether the school writes to this contact about this pupil in its everyday messages: not where responsibility
    /// is denied, and where it is unknown only to who brings the child up or comes first.
    pub fn is_written_to(&self) -> bool {
        match self.parental_responsibility {
            Responsibility::Yes => true,
            Responsibility::Unknown => self.priority == Some(1) || self.relationship.brings_up(),
            Responsibility::No => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(
        parental_responsibility: Responsibility,
        priority: Option<u8>,
        relationship: Relationship,
    ) -> Link {
        Link { relationship, parental_responsibility, priority, ..Link::default() }
    }

    #[test]
    fn rights_follow_responsibility_priority_and_relationship() {
        use Relationship::{Grandparent, Mother};
        use Responsibility::{No, Unknown, Yes};
        // (responsibility, priority, relationship) -> (account, everyday messages)
        for (link, account, messages) in [
            (link(Yes, Some(3), Grandparent), true, true),
            (link(Yes, None, Mother), true, true),
            (link(Unknown, Some(1), Grandparent), true, true),
            (link(Unknown, Some(2), Mother), false, true),
            (link(Unknown, None, Grandparent), false, false),
            (link(No, Some(1), Mother), false, false),
        ] {
            assert_eq!((link.may_hold_account(), link.is_written_to()), (account, messages), "{link:?}");
            assert!(!Link { restricted: true, ..link }.may_hold_account());
        }
    }

    #[test]
    fn relationship_words() {
        use Relationship as R;
        for (word, relationship) in [
            ("Mum", R::Mother),
            ("FATHER", R::Father),
            ("Step-mother", R::StepParent),
            ("Foster Father", R::FosterCarer),
            ("Grandmother", R::Grandparent),
            ("GPA", R::Grandparent),
            ("neighbour", R::Other),
            ("", R::Unknown),
            ("Carer", R::Guardian),
            ("Parent/Carer", R::Parent),
            ("Birth Mother", R::Mother),
            ("Maternal Grandmother", R::Grandparent),
            ("Not known", R::Unknown),
            ("Mum's partner", R::Other),
            ("OTH", R::Other),
        ] {
            assert_eq!(R::from_words(word), relationship, "{word}");
        }
        for common in ["Mother", "Father", "Step-parent", "Grandmother", "Grandfather"] {
            assert_eq!(R::from_words(common), R::from_any_words(common), "{common}");
        }
    }
}
