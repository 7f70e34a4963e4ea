//! What a verdict rests on: words for the school's office, and never for the claimant.

use serde::{Deserialize, Serialize};

/// One thing that speaks for or against a claim, or that made it a matter for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The child's name is the registered one but for case, accents, apostrophes, hyphens or spaces.
    ChildNameFolded,
    /// The child's name is the one they go by.
    ChildPreferredName,
    /// The child's family name is an earlier one.
    ChildFormerName,
    /// A title stands in the child's name.
    ChildTitleInName,
    /// A particle of the child's family name is missing or added.
    ChildParticle,
    /// The child's given name is a short or alternative form.
    ChildNickname,
    /// The child's name is one slip of the pen away.
    ChildOneEdit,
    /// The child's given and family name stand in each other's place.
    ChildNamesSwapped,
    /// Only some of the child's given names are the same.
    ChildMiddleName,
    /// One half of the child's double family name.
    ChildHyphenHalf,
    /// The school knows one name of the child alone.
    ChildOneName,
    /// Day and month of birth stand in each other's place.
    BornDayMonthSwapped,
    /// The claimant's name is the registered one but for case, accents, apostrophes, hyphens or spaces.
    ParentNameFolded,
    /// The claimant's name is the one the contact goes by.
    ParentPreferredName,
    /// An earlier family name of the contact.
    ParentFormerName,
    /// A title or suffix stands in one of the two names.
    ParentTitleInName,
    /// A particle of the family name is missing or added.
    ParentParticle,
    /// A short or alternative form of the given name.
    ParentNickname,
    /// One slip of the pen away.
    ParentOneEdit,
    /// Given and family name stand in each other's place.
    ParentNamesSwapped,
    /// An initial in place of the given name.
    ParentInitial,
    /// Only some of the given names are the same.
    ParentMiddleName,
    /// One half of a double family name.
    ParentHyphenHalf,
    /// The school knows one name of the contact alone.
    ParentOneName,
    /// The same given name and another family name: maiden or married, perhaps.
    ParentOtherFamilyName,
    /// More than one child fits.
    TwoChildren,
    /// More than one contact fits.
    TwoContacts,
    /// The mobile is registered with the contact.
    MobileRegistered,
    /// The e-mail address is registered with the contact.
    EmailRegistered,
    /// What is registered of what was named is not where messages go: no code can be sent there.
    ContactPointNotFirst,
    /// Somebody else of the school has the same contact point: a code to it cannot tell them apart.
    ContactPointShared,
    /// The contact point is the school's own, or a colleague's.
    ContactPointOfSchool,
    /// A contact who is kept away from the child is, or may be, the claimant.
    Restricted,
    /// The school says that the contact is not responsible for the child.
    NoResponsibility,
    /// The school does not say whether the contact is responsible for the child, and somebody else comes first.
    ResponsibilityUnknown,
    /// The contact has died.
    Deceased,
}
