//! The directory's nouns: people, how to reach them, and who is what to whom.

pub mod email;
pub mod guardianship;
#[cfg(test)]
pub(crate) mod made_up;
pub mod name;
pub mod phone;
pub mod store;

use std::fmt;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use self::{
    email::EmailAddress,
    name::PersonName,
    phone::{PhoneKind, PhoneNumber},
};

/// What somebody is to a school. One person in two roles is two records: their rights differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A child on roll.
    Pupil,
    /// A parent, carer or other person whom the school keeps for a pupil.
    #[serde(alias = "parent")]
    Contact,
    /// A member of staff.
    Staff,
    /// A governor or trustee.
    Governor,
}

impl Role {
    /// Every role, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Pupil, Self::Contact, Self::Staff, Self::Governor];

    /// The word used in the API and in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pupil => "pupil",
            Self::Contact => "contact",
            Self::Staff => "staff",
            Self::Governor => "governor",
        }
    }
}

/// A date of birth. Prints masked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DateOfBirth(pub Date);

impl DateOfBirth {
    /// The date in clear. Personal data.
    pub const fn expose(self) -> Date {
        self.0
    }
}

impl fmt::Debug for DateOfBirth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DateOfBirth(***)")
    }
}

/// An id that another system gives to a person. It is an index to ours, never a key: it changes with the MIS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceId {
    /// The kind of system (`csv` for files).
    pub source: String,
    /// The id as text: `00123` is not `123`.
    pub id: String,
}

/// What a school knows about one person. Stored sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// What they are to the school.
    pub role: Role,
    /// `Mrs`, `Dr`; as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The name.
    pub name: PersonName,
    /// Pupils only. Never guessed, never fuzzy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<DateOfBirth>,
    /// Pupils only: `R`, `1` … `13`, as the school writes it, without the word "Year".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year_group: Option<String>,
    /// Pupils only: the registration group or class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Usable e-mail addresses, the preferred one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<EmailAddress>,
    /// Usable phone numbers of every kind, the preferred one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<PhoneNumber>,
    /// The source held an e-mail address or number that cannot be used: why somebody is not reached.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unusable_contact_point: bool,
    /// Other systems' ids for this person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_ids: Vec<SourceId>,
    /// Since when the sources no longer name this person. Absence is never deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Timestamp>,
    /// Typed in by the office: an upload neither changes it nor calls it missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub manual: bool,
}

impl Person {
    /// Somebody with a role and a name, and nothing else known.
    pub fn named(role: Role, name: PersonName) -> Self {
        Self {
            role,
            title: None,
            name,
            date_of_birth: None,
            year_group: None,
            class: None,
            emails: Vec::new(),
            phones: Vec::new(),
            unusable_contact_point: false,
            source_ids: Vec::new(),
            missing_since: None,
            manual: false,
        }
    }

    /// The first UK mobile, which is where a text goes.
    pub fn mobile(&self) -> Option<&PhoneNumber> {
        self.phones.iter().find(|phone| phone.kind() == PhoneKind::Mobile)
    }

    /// The address that mail goes to.
    pub fn email(&self) -> Option<&EmailAddress> {
        self.emails.first()
    }
}
