//! Whom the office has deleted: a file that still names them does not bring them back, unless the office says so.
//!
//! Keyed hashes of what they were known by, and nothing else about them. They lie among the people, so that whoever reads a
//! school's directory has them with the same query, and no import can forget to look.

use std::{collections::BTreeSet, sync::Arc};

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

/// The record of somebody whom the office has deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeletedPerson {
    /// The tenant.
    pub school_id: SchoolId,
    /// Who it was.
    pub person_id: PersonId,
    /// When.
    pub deleted_at: Timestamp,
    /// What they were known by, as keyed hashes: see [`names`](crate::upload::deleted::names).
    pub known_by: BTreeSet<String>,
}

impl DeletedPerson {
    /// Somebody who was known by `names`.
    pub fn new(
        (school_id, key): (SchoolId, &DataKey),
        person_id: PersonId,
        names: &BTreeSet<String>,
        deleted_at: Timestamp,
    ) -> Self {
        Self {
            school_id,
            person_id,
            deleted_at,
            known_by: names.iter().map(|name| hash(key, name)).collect(),
        }
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

/// What a school's deleted people were known by.
#[derive(Clone, Debug, Default)]
pub struct Deleted {
    known_by: BTreeSet<String>,
    /// Hashes what is asked for; none where nobody was deleted.
    key: Option<Arc<DataKey>>,
}

impl Deleted {
    /// Whether nobody was deleted.
    pub const fn is_empty(&self) -> bool {
        self.key.is_none()
    }

    /// Adds somebody; `key` is the school's.
    pub fn add(&mut self, key: &Arc<DataKey>, person: DeletedPerson) {
        self.key.get_or_insert_with(|| Arc::clone(key));
        self.known_by.extend(person.known_by);
    }

    /// Whether anybody was known by one of these names.
    pub fn has(&self, names: &BTreeSet<String>) -> bool {
        self.key.as_ref().is_some_and(|key| names.iter().any(|name| self.known_by.contains(&hash(key, name))))
    }
}

fn hash(key: &DataKey, name: &str) -> String {
    key.blind("deleted", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_deleted_is_known_by_any_of_their_names_and_by_nothing_else() {
        let (ours, theirs) = (Arc::new(DataKey::new(&[1; 32])), DataKey::new(&[2; 32]));
        let at = Timestamp::UNIX_EPOCH;
        let (school, mary) = (SchoolId::new(at, &[1; 10]), PersonId::new(at, &[2; 10]));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let mut deleted = Deleted::default();
        assert!(deleted.is_empty() && !deleted.has(&names(&["a"])));
        let record = DeletedPerson::new((school, &ours), mary, &names(&["a", "b"]), at);
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains(&ours.blind("deleted", "a")) && !text.contains("\"a\""), "{text}");
        assert!(!text.contains(&theirs.blind("deleted", "a")), "another school's key gives another hash");
        deleted.add(&ours, record);
        assert!(!deleted.is_empty() && deleted.has(&names(&["x", "a"])) && deleted.has(&names(&["b"])));
        assert!(!deleted.has(&names(&["x"])) && !deleted.has(&names(&[])));
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
        };
        assert!(
            !record.is_due(at + crate::time::days(2_556)) && record.is_due(at + crate::time::days(2_557))
        );
    }
}
