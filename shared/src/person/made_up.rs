//! Made-up families in memory, for the unit tests of what is pure.

use jiff::{Timestamp, civil::date};

use super::{
    DateOfBirth, Person, Role,
    guardianship::{Link, Responsibility},
    name::PersonName,
    phone::PhoneNumber,
    store::{Directory, Stored, Version, Versions},
};
use crate::id::PersonId;

/// Something visible to readers of a school at any generation.
pub(crate) fn stored<T>(value: T) -> Box<Stored<T>> {
    let live = Version { generation: 0, upload_id: None, written_at: 0, details: None };
    Box::new(Stored { value: Some(value), versions: Versions { rev: 1, live, former: None } })
}

/// A link of a contact who is responsible for a pupil.
pub(crate) fn responsible() -> Link {
    Link { parental_responsibility: Responsibility::Yes, ..Link::default() }
}

/// A directory that grows by whole people.
#[derive(Default)]
pub(crate) struct Families {
    pub(crate) directory: Directory,
    last: i64,
}

impl Families {
    /// Adds somebody; ids follow one another.
    pub(crate) fn add(&mut self, person: Person) -> PersonId {
        self.last += 1;
        let mut random = [0; 10];
        random[2..].copy_from_slice(&self.last.to_be_bytes());
        let id = PersonId::new(Timestamp::from_second(self.last).unwrap(), &random);
        self.directory.people.insert(id, stored(person));
        id
    }

    /// A pupil; names are `Given Family`, and all are born on one day.
    pub(crate) fn pupil(&mut self, name: &str, year: &str, class: &str) -> PersonId {
        let (given, family) = name.split_once(' ').unwrap_or((name, ""));
        self.add(Person {
            date_of_birth: Some(DateOfBirth(date(2018, 3, 4))),
            year_group: Some(year.into()),
            class: Some(class.into()),
            ..Person::named(Role::Pupil, PersonName::new(given, family))
        })
    }

    /// A contact with the e-mail address and numbers that are not blank.
    pub(crate) fn contact(&mut self, name: &str, email: &str, phones: &[&str]) -> PersonId {
        let (given, family) = name.split_once(' ').unwrap_or((name, ""));
        self.add(Person {
            emails: email.parse().into_iter().collect(),
            phones: phones.iter().map(|raw| PhoneNumber::parse(raw).unwrap().number).collect(),
            ..Person::named(Role::Contact, PersonName::new(given, family))
        })
    }

    /// Ties a contact to a pupil.
    pub(crate) fn link(&mut self, pupil: PersonId, contact: PersonId, link: Link) {
        self.directory.links.insert((pupil, contact), stored(link));
    }

    /// The person, to be changed.
    pub(crate) fn person(&mut self, id: PersonId) -> &mut Person {
        self.directory.people.get_mut(&id).unwrap().value.as_mut().unwrap()
    }

    /// The link, to be changed.
    pub(crate) fn tie(&mut self, pupil: PersonId, contact: PersonId) -> &mut Link {
        self.directory.links.get_mut(&(pupil, contact)).unwrap().value.as_mut().unwrap()
    }
}
