//! Whom the office has deleted: a file that still names them does not bring them back, unless the office says so.
//!
//! Keyed hashes of what they were known by, and nothing else about them. They lie among the people, so that whoever reads a
//! school's directory has them with the same query, and no import can forget to look.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::{PersonId, SchoolId},
    privacy::retention::DataClass,
    seal::DataKey,
    store::{
        key::{self, Key, TableName},
        table::Record,
    },
};

/// Something that somebody is known by, as text. Prints masked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A unique pupil number.
    Upn(String),
    /// Another id.
    Id(String),
    /// A name with a birthday or a contact point, or what else stands in for an id.
    Likeness(String),
    /// A pupil's name alone, which tells nobody; but with another name and another birthday an id is another child's.
    Called(String),
    /// A pupil's birthday alone.
    Born(String),
}

impl Name {
    fn hash(&self, key: &DataKey) -> String {
        let (kind, text) = match self {
            Self::Upn(text) => ("upn", text),
            Self::Id(text) => ("id", text),
            Self::Likeness(text) => ("likeness", text),
            Self::Called(text) => ("called", text),
            Self::Born(text) => ("born", text),
        };
        key.blind("deleted", &format!("{kind}\0{text}"))
    }

    /// Whether it tells who somebody is.
    pub const fn tells(&self) -> bool {
        matches!(self, Self::Upn(_) | Self::Id(_) | Self::Likeness(_))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(***)")
    }
}

/// The record of somebody whom the office has deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeletedPerson {
    /// The tenant.
    pub school_id: SchoolId,
    /// Who it was.
    pub person_id: PersonId,
    /// When.
    pub deleted_at: Timestamp,
    /// What they were known by, as keyed hashes: see [`names_of`](crate::upload::deleted::names_of).
    pub known_by: BTreeSet<String>,
    /// Whether a unique pupil number is among it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_upn: bool,
    /// Whether a birthday is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_birthday: bool,
}

impl DeletedPerson {
    /// Somebody who was known by `names`.
    pub fn new(
        (school_id, key): (SchoolId, &DataKey),
        person_id: PersonId,
        names: &BTreeSet<Name>,
        deleted_at: Timestamp,
    ) -> Self {
        let has_upn = names.iter().any(|name| matches!(name, Name::Upn(_)));
        let has_birthday = names.iter().any(|name| matches!(name, Name::Born(_)));
        let known_by = names.iter().map(|name| name.hash(key)).collect();
        Self { school_id, person_id, deleted_at, known_by, has_upn, has_birthday }
    }

    /// Whether these names are theirs: one is enough. But an id is not under another unique pupil number (that of a child who was adopted
    /// stays, and their record is a new one, case 15), and no number is with another name and another birthday (case 57).
    fn is(&self, names: &[(&Name, String)]) -> bool {
        let is_known = |(_, hash): &(&Name, String)| self.known_by.contains(hash);
        let is_another = |kind: fn(&Name) -> bool| names.iter().any(|name| kind(name.0) && !is_known(name));
        let another_number = self.has_upn && is_another(|name| matches!(name, Name::Upn(_)));
        let another_child = self.has_birthday
            && is_another(|name| matches!(name, Name::Called(_)))
            && is_another(|name| matches!(name, Name::Born(_)));
        names.iter().filter(|name| is_known(name)).any(|(name, _)| match name {
            Name::Likeness(_) => true,
            Name::Upn(_) => !another_child,
            Name::Id(_) => !another_child && !another_number,
            Name::Called(_) | Name::Born(_) => false,
        })
    }

    /// Whether it has been kept long enough.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now.duration_since(self.deleted_at) >= DataClass::DeletedPerson.period()
    }
}

impl Record for DeletedPerson {
    const KIND: &'static str = "deleted_person";
    const TABLE: TableName = TableName::Directory;
    const CLASS: DataClass = DataClass::DeletedPerson;
    fn key(&self) -> Key {
        key::deleted_person(self.school_id, self.person_id)
    }
}

/// Whom a school's office has deleted.
#[derive(Clone, Debug, Default)]
pub struct Deleted {
    people: Vec<DeletedPerson>,
    /// By what they were known, where they are.
    known_by: HashMap<String, Vec<usize>>,
    /// Hashes what is asked for; none where nobody was deleted.
    key: Option<Arc<DataKey>>,
}

impl Deleted {
    /// Whether nobody was deleted.
    pub const fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// Everybody.
    pub fn people(&self) -> &[DeletedPerson] {
        &self.people
    }

    /// Adds somebody; `key` is the school's.
    pub fn add(&mut self, key: &Arc<DataKey>, person: DeletedPerson) {
        self.key.get_or_insert_with(|| Arc::clone(key));
        for hash in &person.known_by {
            self.known_by.entry(hash.clone()).or_default().push(self.people.len());
        }
        self.people.push(person);
    }

    /// Who of them has these names: each is hashed once, however many there are.
    pub fn who(&self, names: &BTreeSet<Name>) -> Vec<&DeletedPerson> {
        let Some(key) = &self.key else { return Vec::new() };
        let hashed: Vec<_> = names.iter().map(|name| (name, name.hash(key))).collect();
        let told = hashed.iter().filter(|(name, _)| name.tells());
        let places: BTreeSet<_> = told.filter_map(|(_, hash)| self.known_by.get(hash)).flatten().collect();
        places.into_iter().map(|at| &self.people[*at]).filter(|person| person.is(&hashed)).collect()
    }

    /// Whether these are the names of anybody among them.
    pub fn has(&self, names: &BTreeSet<Name>) -> bool {
        !self.who(names).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<Name> {
        let name = |name: &&str| match name.split_once(' ') {
            Some(("upn", text)) => Name::Upn(text.to_owned()),
            Some(("id", text)) => Name::Id(text.to_owned()),
            Some(("called", text)) => Name::Called(text.to_owned()),
            Some(("born", text)) => Name::Born(text.to_owned()),
            _ => Name::Likeness((*name).to_owned()),
        };
        names.iter().map(name).collect()
    }

    #[test]
    fn whoever_was_deleted_is_known_by_any_of_their_names_and_by_nothing_else() {
        let (ours, theirs) = (Arc::new(DataKey::new(&[1; 32])), DataKey::new(&[2; 32]));
        let at = Timestamp::UNIX_EPOCH;
        let (school, person) = (SchoolId::new(at, &[1; 10]), PersonId::new(at, &[2; 10]));
        let mut deleted = Deleted::default();
        assert!(deleted.is_empty() && !deleted.has(&names(&["id 7"])));
        let record = DeletedPerson::new((school, &ours), person, &names(&["id 7", "mary"]), at);
        let text = serde_json::to_string(&record).unwrap();
        let of_mary = Name::Likeness("mary".to_owned());
        assert!(text.contains(&of_mary.hash(&ours)) && !text.contains("mary"), "{text}");
        assert!(!text.contains(&of_mary.hash(&theirs)), "another school's key gives another hash");
        assert_eq!(format!("{of_mary:?}"), "Name(***)");
        deleted.add(&ours, record);
        deleted.add(
            &ours,
            DeletedPerson::new(
                (school, &ours),
                person,
                &names(&["id 8", "upn A", "ann 2018", "called ann", "born 2018"]),
                at,
            ),
        );
        for (of, is) in [
            (&["id 7", "x"][..], true),
            (&["mary"], true),
            (&["id 7", "upn B"], true),
            (&["x", "upn B"], false),
            (&[], false),
            (&["id 8"], true),
            (&["id 8", "upn A"], true),
            // Another number says that the id is another child's, or the child another's; unless all else is the same.
            (&["id 8", "upn B"], false),
            (&["id 8", "upn B", "ann 2018"], true),
            // And so do another name and birthday, but not one of them, which may be corrected.
            (&["id 8", "called zed", "born 2019"], false),
            (&["upn A", "called zed", "born 2019"], false),
            (&["id 8", "called ann", "born 2019"], true),
            (&["id 8", "called zed", "born 2018"], true),
            (&["id 8", "called zed"], true),
            (&["called ann", "born 2018"], false),
        ] {
            assert_eq!(deleted.has(&names(of)), is, "{of:?}");
        }
    }

    #[test]
    fn a_record_is_kept_for_as_long_as_a_child_is_at_a_school() {
        let at = Timestamp::UNIX_EPOCH;
        let school = SchoolId::new(at, &[1; 10]);
        let record = DeletedPerson {
            school_id: school,
            person_id: PersonId::new(at, &[2; 10]),
            deleted_at: at,
            known_by: BTreeSet::new(),
            has_upn: false,
            has_birthday: false,
        };
        assert!(
            !record.is_due(at + crate::time::days(5_113)) && record.is_due(at + crate::time::days(5_114))
        );
    }
}
