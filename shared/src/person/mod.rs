//! The directory's nouns: people, how to reach them, and who is what to whom.

pub mod deleted;
pub mod email;
pub mod guardianship;
pub mod join;
#[cfg(test)]
pub(crate) mod made_up;
pub mod name;
pub mod phone;
pub mod store;
pub mod suppression;

use std::fmt;

use compact_str::CompactString;
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use self::{
    email::EmailAddress,
    name::PersonName,
    phone::{PhoneKind, PhoneNumber},
    suppression::Suppressed,
};
use crate::{privacy::agreement::Field, upload::intake::UPN};

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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId {
    /// The id as text: `00123` is not `123`. First, because it tells two apart at once where they are compared in their thousands.
    pub id: CompactString,
    /// The kind of system (`csv` for files).
    pub source: CompactString,
}

impl SourceId {
    /// Whether it is a unique pupil number, which is nobody's own numbering.
    pub fn is_upn(&self) -> bool {
        self.source == UPN
    }
}

/// A list that nearly always has one entry or none, which stands in the list itself: a school has a hundred thousand of them.
pub type Few<T> = SmallVec<[T; 1]>;

/// What a school knows about one person. Stored sealed.
// Independent facts: an enum of their combinations would say less.
#[expect(clippy::struct_excessive_bools)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// What they are to the school.
    pub role: Role,
    /// `Mrs`, `Dr`; as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<CompactString>,
    /// The name.
    pub name: PersonName,
    /// The name they go by, where it is not the legal one: a part that is empty is as in `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_name: Option<PersonName>,
    /// An earlier family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_family_name: Option<CompactString>,
    /// Pupils only. Never guessed, never fuzzy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<DateOfBirth>,
    /// Pupils only: `R`, `1` … `13`, as the school writes it, without the word "Year".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year_group: Option<CompactString>,
    /// Pupils only: the registration group or class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<CompactString>,
    /// Other groups they belong to, as the school names them, in the order of the alphabet.
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    pub groups: Few<String>,
    /// Pupils only: the first day on roll, where the school states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_on: Option<Date>,
    /// Pupils only: the last day on roll, where the school states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves_on: Option<Date>,
    /// Has died: nothing is sent about or to them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deceased: bool,
    /// Usable e-mail addresses, the preferred one first.
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    pub emails: Few<EmailAddress>,
    /// Usable phone numbers of every kind, the preferred one first.
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    pub phones: Few<PhoneNumber>,
    /// The source held an e-mail address or number that cannot be used: why somebody is not reached.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unusable_contact_point: bool,
    /// Other systems' ids for this person.
    #[serde(default, skip_serializing_if = "Few::is_empty")]
    pub source_ids: Few<SourceId>,
    /// The office has approved that rows without an id mean this person, who has one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_known_without_id: bool,
    /// Since when the sources no longer name this person. Absence is never deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Timestamp>,
    /// Typed in by the office: an upload does not call them missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub manual: bool,
    /// What the office set or cleared by hand, in the order of the fields: it outlives every upload until the source says the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_hand: Vec<Field>,
    /// Contact points that a file has left blank once, and the beginning of that file's hash: a second one clears them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "blanked")]
    pub blanked: Vec<(Field, String)>,
    /// What of the contact points the school has suppressed: never stored here.
    #[serde(skip)]
    pub suppressed: Suppressed,
}

/// A list of a few, written as a map.
mod blanked {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::privacy::agreement::Field;

    pub(super) fn serialize<S: Serializer>(list: &[(Field, String)], to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(list.iter().map(|(field, file)| (field, file)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(Field, String)>, D::Error> {
        Ok(BTreeMap::deserialize(from)?.into_iter().collect())
    }
}

impl Person {
    /// Somebody with a role and a name, and nothing else known.
    pub fn named(role: Role, name: PersonName) -> Self {
        Self {
            role,
            title: None,
            name,
            preferred_name: None,
            former_family_name: None,
            date_of_birth: None,
            year_group: None,
            class: None,
            groups: Few::new(),
            starts_on: None,
            leaves_on: None,
            deceased: false,
            emails: Few::new(),
            phones: Few::new(),
            unusable_contact_point: false,
            source_ids: Few::new(),
            is_known_without_id: false,
            missing_since: None,
            manual: false,
            by_hand: Vec::new(),
            blanked: Vec::new(),
            suppressed: Suppressed::default(),
        }
    }

    /// The name they go by. Personal data.
    pub fn called(&self) -> PersonName {
        let Some(preferred) = &self.preferred_name else { return self.name.clone() };
        let or = |part: &str, legal: &str| if part.is_empty() { legal.to_owned() } else { part.to_owned() };
        PersonName::new(
            &or(preferred.given(), self.name.given()),
            &or(preferred.family(), self.name.family()),
        )
    }

    /// Whether the school still has to do with them on a day: named by its sources, alive, and for a pupil not left. The day
    /// of leaving counts to its end.
    pub fn is_here(&self, day: Date) -> bool {
        self.missing_since.is_none() && !self.deceased && self.leaves_on.is_none_or(|last| day <= last)
    }

    /// Whether a pupil has joined.
    pub fn has_joined(&self, day: Date) -> bool {
        self.starts_on.is_none_or(|first| first <= day)
    }

    /// Notes what the office has set or cleared.
    pub fn mark_by_hand(&mut self, fields: impl IntoIterator<Item = Field>) {
        self.by_hand.extend(fields);
        self.by_hand.sort_unstable();
        self.by_hand.dedup();
    }

    /// Gives back the room for more: a school has a hundred thousand people.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.groups.shrink_to_fit();
        self.emails.shrink_to_fit();
        self.phones.shrink_to_fit();
        self.source_ids.shrink_to_fit();
    }

    /// Adds what another row says about the same person.
    pub fn add_contact_points(&mut self, more: &Self) {
        fn add<T: Clone + PartialEq>(to: &mut Few<T>, more: &[T]) {
            for one in more {
                if !to.contains(one) {
                    to.push(one.clone());
                }
            }
        }
        add(&mut self.emails, &more.emails);
        add(&mut self.phones, &more.phones);
        add(&mut self.source_ids, &more.source_ids);
        add(&mut self.groups, &more.groups);
        self.unusable_contact_point |= more.unusable_contact_point;
        self.deceased |= more.deceased;
        if self.title.is_none() {
            self.title.clone_from(&more.title);
        }
    }

    /// The first UK mobile that is not suppressed, which is where a text goes.
    pub fn mobile(&self) -> Option<&PhoneNumber> {
        let is_usable = |phone: &&PhoneNumber| {
            phone.kind() == PhoneKind::Mobile && !self.suppressed.phones.contains(phone)
        };
        self.phones.iter().find(is_usable)
    }

    /// The address that mail goes to: the first that is not suppressed.
    pub fn email(&self) -> Option<&EmailAddress> {
        self.emails.iter().find(|email| !self.suppressed.emails.contains(email))
    }
}
