//! People and links as stored: two versions side by side, of which a reader sees one.
//!
//! An upload writes each change as the `live` version under the school's next generation and keeps what it replaces as
//! `former`. Readers take `live` only if its generation is not above the school's, so that they see all of an upload or
//! none, from one write of the school record. A crashed upload leaves versions that nobody sees and the next import
//! replaces. `former` serves undo, and retention-cleanup drops it after 30 days.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Person,
    deleted::{Deleted, DeletedPerson},
    guardianship::Link,
};
use crate::{
    id::{PersonId, SchoolId, UploadId},
    privacy::retention::DataClass,
    school::{School, Tenant},
    seal::{DataKey, Place, SealError, Sealed, nonce},
    store::{
        key::{self, Key, TableName},
        table::{Condition, Item, Record, StoreError, Tables, Write},
    },
};

/// One version of a person or link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Visible once the school's generation has reached it.
    pub generation: u64,
    /// The upload that wrote it; none for the office's own typing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_id: Option<UploadId>,
    /// When it was written, in seconds since 1970.
    pub written_at: i64,
    /// The sealed body; none where there was nothing (before creation) or is nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Sealed>,
}

/// A stored person or link, still sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Versions {
    /// Counts writes to this item: what a conditional write compares.
    pub rev: u64,
    /// The newest version, perhaps not visible yet.
    pub live: Version,
    /// What it replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Version>,
}

impl Versions {
    /// The version that readers of a school at `generation` see.
    pub fn visible(&self, generation: u64) -> Option<&Version> {
        if self.live.generation <= generation { Some(&self.live) } else { self.former.as_ref() }
    }

    /// Whether readers of a school at `generation` see what `upload` wrote.
    pub fn is_of(&self, upload: UploadId, generation: u64) -> bool {
        self.visible(generation).is_some_and(|version| version.upload_id == Some(upload))
    }

    /// What was there before `upload`, if readers still see what it wrote. An undo that has begun has swapped the two versions.
    fn before(&self, upload: UploadId, generation: u64) -> Option<&Version> {
        if !self.is_of(upload, generation) {
            return None;
        }
        if self.live.generation <= generation {
            return self.former.as_ref();
        }
        // Under another upload's unfinished version lies this one's own; what was before it is not there any more.
        self.is_undo(generation).then_some(&self.live)
    }

    /// Whether the version that nobody sees yet takes one upload's own version back: no import writes over its own.
    fn is_undo(&self, generation: u64) -> bool {
        let Some(former) = &self.former else { return false };
        self.live.generation > generation
            && self.live.upload_id.is_some()
            && self.live.upload_id == former.upload_id
    }
}

/// A person as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PersonRecord {
    /// The tenant.
    pub school_id: SchoolId,
    /// Who it is.
    pub person_id: PersonId,
    /// The index reference: pupils by day of birth.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The sealed versions.
    #[serde(flatten)]
    pub versions: Versions,
}

impl Record for PersonRecord {
    const KIND: &'static str = "person";
    const TABLE: TableName = TableName::Directory;
    const CLASS: DataClass = DataClass::Person;
    fn key(&self) -> Key {
        key::person(self.school_id, self.person_id)
    }
    fn reference(&self) -> Option<String> {
        self.reference.clone()
    }
}

/// A link as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkRecord {
    /// The tenant.
    pub school_id: SchoolId,
    /// The pupil.
    pub pupil_id: PersonId,
    /// The contact.
    pub contact_id: PersonId,
    /// The sealed versions.
    #[serde(flatten)]
    pub versions: Versions,
}

impl Record for LinkRecord {
    const KIND: &'static str = "link";
    const TABLE: TableName = TableName::Directory;
    const CLASS: DataClass = DataClass::Link;
    fn key(&self) -> Key {
        key::link(self.school_id, self.pupil_id, self.contact_id)
    }
    fn reference(&self) -> Option<String> {
        Some(key::contact_reference(self.school_id, self.contact_id))
    }
}

const DETAILS: &str = "details";

fn open<T: DeserializeOwned>(
    data_key: &DataKey,
    at: &Key,
    version: Option<&Version>,
) -> Result<Option<T>, SealError> {
    let place = Place { table: TableName::Directory, key: at, attribute: DETAILS };
    version
        .and_then(|version| version.details.as_ref())
        .map(|sealed| data_key.open(place, sealed))
        .transpose()
}

/// Something read from the directory, with what is needed to change it.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    /// What readers see; none where the item exists but is not visible (yet, or any more).
    pub value: Option<T>,
    /// The sealed versions and the counter.
    pub versions: Versions,
}

/// A school's people and links at one moment.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Everybody. In boxes, as the links: maps keep places free for as many again, and a school is large.
    pub people: BTreeMap<PersonId, Box<Stored<Person>>>,
    /// Pupil and contact -> what ties them.
    pub links: BTreeMap<(PersonId, PersonId), Box<Stored<Link>>>,
    /// Whom the office has deleted.
    pub deleted: Deleted,
}

impl Directory {
    /// Reads the whole directory of a school, strongly consistent: about one call per 1,500 people and links.
    pub async fn load(tables: &Tables, tenant: &Tenant) -> Result<Self, ReadError> {
        let mut directory = Self::default();
        let partition = key::school_partition(tenant.id());
        tables
            .query_pages(TableName::Directory, &partition, key::PEOPLE_AND_LINKS, |items| {
                directory.add(tenant, items)
            })
            .await?;
        Ok(directory)
    }

    /// Reads some people and links only.
    pub async fn pick(
        tables: &Tables,
        tenant: &Tenant,
        people: &[PersonId],
        links: &[(PersonId, PersonId)],
    ) -> Result<Self, ReadError> {
        let people = people.iter().map(|person| key::person(tenant.id(), *person));
        let links = links.iter().map(|(pupil, contact)| key::link(tenant.id(), *pupil, *contact));
        let mut keys: Vec<_> = people.chain(links).map(|key| (TableName::Directory, key)).collect();
        keys.sort_by(|a, b| a.1.cmp(&b.1));
        keys.dedup();
        Self::open(tenant, tables.batch_get(keys).await?)
    }

    /// Opens items of either kind; others are passed over.
    pub fn open(tenant: &Tenant, items: Vec<Item>) -> Result<Self, ReadError> {
        let mut directory = Self::default();
        directory.add(tenant, items)?;
        Ok(directory)
    }

    fn add(&mut self, tenant: &Tenant, items: Vec<Item>) -> Result<(), ReadError> {
        let generation = tenant.school.generation;
        for item in items {
            match item.kind() {
                PersonRecord::KIND => {
                    let record: PersonRecord = item.read()?;
                    let mut value: Option<Person> =
                        open(&tenant.key, &record.key(), record.versions.visible(generation))?;
                    if let Some(person) = &mut value {
                        tenant.school.suppressed.mark(&tenant.key, person);
                        person.shrink_to_fit();
                    }
                    let stored = Stored { value, versions: record.versions };
                    self.people.insert(record.person_id, Box::new(stored));
                }
                LinkRecord::KIND => {
                    let record: LinkRecord = item.read()?;
                    let value = open(&tenant.key, &record.key(), record.versions.visible(generation))?;
                    let stored = Stored { value, versions: record.versions };
                    self.links.insert((record.pupil_id, record.contact_id), Box::new(stored));
                }
                DeletedPerson::KIND => self.deleted.add(&tenant.key, item.read()?),
                _ => {}
            }
        }
        Ok(())
    }

    /// The stored versions of a person or link.
    pub fn versions(&self, of: Subject) -> Option<&Versions> {
        match of {
            Subject::Person(person) => self.people.get(&person).map(|stored| &stored.versions),
            Subject::Link(pupil, contact) => self.links.get(&(pupil, contact)).map(|stored| &stored.versions),
        }
    }

    /// The visible person.
    pub fn person(&self, id: PersonId) -> Option<&Person> {
        self.people.get(&id)?.value.as_ref()
    }

    /// The visible people.
    pub fn visible_people(&self) -> impl Iterator<Item = (PersonId, &Person)> {
        self.people.iter().filter_map(|(id, stored)| Some((*id, stored.value.as_ref()?)))
    }

    /// The visible link of two.
    pub fn link(&self, pupil: PersonId, contact: PersonId) -> Option<&Link> {
        self.links.get(&(pupil, contact))?.value.as_ref().filter(|link| !link.ended)
    }

    /// The visible links: pupil, contact, link.
    pub fn visible_links(&self) -> impl Iterator<Item = (PersonId, PersonId, &Link)> {
        self.links
            .iter()
            .filter_map(|((pupil, contact), stored)| Some((*pupil, *contact, stored.value.as_ref()?)))
            .filter(|(_, _, link)| !link.ended)
    }

    /// Contact -> the pupils they are visibly tied to.
    pub fn families(&self) -> HashMap<PersonId, Vec<PersonId>> {
        let mut families: HashMap<_, Vec<_>> = HashMap::new();
        for (pupil, contact, _) in self.visible_links() {
            families.entry(contact).or_default().push(pupil);
        }
        families
    }

    /// The visible links of one pupil.
    pub fn links_of(&self, pupil: PersonId) -> impl Iterator<Item = (PersonId, &Link)> {
        let lowest = PersonId::new(Timestamp::UNIX_EPOCH, &[0; 10]);
        self.links
            .range((pupil, lowest)..)
            .take_while(move |((of, _), _)| *of == pupil)
            .filter_map(|((_, contact), stored)| Some((*contact, stored.value.as_ref()?)))
            .filter(|(_, link)| !link.ended)
    }
}

/// What people and links were before one upload: of those that are still as it wrote them, and of which that is known.
#[derive(Clone, Debug, Default)]
pub struct Former {
    /// Who they were; nobody, where they came with the upload.
    pub people: BTreeMap<PersonId, Option<Person>>,
    /// What they were; nothing, where they came with the upload.
    pub links: BTreeMap<(PersonId, PersonId), Option<Link>>,
}

impl Former {
    /// Opens what `upload` replaced.
    pub fn open(tenant: &Tenant, directory: &Directory, upload: UploadId) -> Result<Self, SealError> {
        let mut former = Self::default();
        let generation = tenant.school.generation;
        for (id, stored) in &directory.people {
            let at = key::person(tenant.id(), *id);
            if let Some(before) = stored.versions.before(upload, generation) {
                former.people.insert(*id, open(&tenant.key, &at, Some(before))?);
            }
        }
        for (ends, stored) in &directory.links {
            let at = key::link(tenant.id(), ends.0, ends.1);
            if let Some(before) = stored.versions.before(upload, generation) {
                former.links.insert(*ends, open(&tenant.key, &at, Some(before))?);
            }
        }
        Ok(former)
    }
}

/// Why the directory could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sealed value.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// How a write is stamped.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The generation under which it becomes visible.
    pub generation: u64,
    /// The upload, if one wrote it.
    pub upload_id: Option<UploadId>,
    /// The instant.
    pub now: Timestamp,
}

fn next<T: Serialize>(
    tenant: &Tenant,
    at: &Key,
    before: Option<&Versions>,
    value: Option<&T>,
    stamp: Stamp,
) -> (Versions, Condition) {
    let place = Place { table: TableName::Directory, key: at, attribute: DETAILS };
    let details = value.map(|value| tenant.key.seal(place, value, nonce()));
    let live = Version {
        generation: stamp.generation,
        upload_id: stamp.upload_id,
        written_at: stamp.now.as_second(),
        details,
    };
    match before {
        // That there was nothing is said in full: where the former version is merely not known, an undo must not end anybody.
        None => {
            let nothing = Version { details: None, upload_id: None, ..live.clone() };
            (Versions { rev: 1, live, former: Some(nothing) }, Condition::Absent)
        }
        Some(before) => {
            // What was written under a generation that never became visible is simply replaced.
            let former = before.visible(tenant.school.generation).cloned();
            let condition = Condition::Is("rev", crate::store::table::value(before.rev));
            (Versions { rev: before.rev + 1, live, former }, condition)
        }
    }
}

/// The write that makes `person` the newest version; `None` means that there is nobody any more.
pub fn write_person(
    tenant: &Tenant,
    id: PersonId,
    before: Option<&Versions>,
    person: Option<&Person>,
    stamp: Stamp,
) -> Result<Write, StoreError> {
    let at = key::person(tenant.id(), id);
    let (versions, condition) = next(tenant, &at, before, person, stamp);
    let born =
        person.filter(|person| person.role == super::Role::Pupil).and_then(|person| person.date_of_birth);
    let reference = born.map(|born| birthday_reference(&tenant.school, &tenant.key, born));
    Write::put(&PersonRecord { school_id: tenant.id(), person_id: id, reference, versions }, condition)
}

/// The write that makes `link` the newest version.
pub fn write_link(
    tenant: &Tenant,
    (pupil, contact): (PersonId, PersonId),
    before: Option<&Versions>,
    link: Option<&Link>,
    stamp: Stamp,
) -> Result<Write, StoreError> {
    let at = key::link(tenant.id(), pupil, contact);
    let (versions, condition) = next(tenant, &at, before, link, stamp);
    Write::put(
        &LinkRecord { school_id: tenant.id(), pupil_id: pupil, contact_id: contact, versions },
        condition,
    )
}

/// The write after which there is nobody, or no tie, any more.
pub fn end(
    tenant: &Tenant,
    at: Subject,
    before: Option<&Versions>,
    stamp: Stamp,
) -> Result<Write, StoreError> {
    match at {
        Subject::Person(person) => write_person(tenant, person, before, None, stamp),
        Subject::Link(pupil, contact) => write_link(tenant, (pupil, contact), before, None, stamp),
    }
}

/// Whether an earlier, unfinished run has ended it already.
pub fn is_ended(before: Option<&Versions>, stamp: Stamp) -> bool {
    before.is_some_and(|before| {
        before.live.generation == stamp.generation
            && before.live.upload_id == stamp.upload_id
            && before.live.details.is_none()
    })
}

/// Whether an earlier, unfinished run of the same upload has written just this already: the run that goes on need not.
pub fn is_written<T: DeserializeOwned + PartialEq>(
    tenant: &Tenant,
    at: Subject,
    before: Option<&Versions>,
    value: &T,
    stamp: Stamp,
) -> bool {
    let Some(live) = before.map(|before| &before.live) else { return false };
    if live.generation != stamp.generation || live.upload_id != stamp.upload_id {
        return false;
    }
    open::<T>(&tenant.key, &at.key(tenant.id()), Some(live))
        .is_ok_and(|written| written.as_ref() == Some(value))
}

/// The write that withdraws a version that never became visible: what readers see stays, or nothing does.
pub fn withdraw(tenant: &Tenant, at: Subject, before: &Versions) -> Result<Write, StoreError> {
    let condition = Condition::Is("rev", crate::store::table::value(before.rev));
    let visible = before.visible(tenant.school.generation).filter(|version| version.details.is_some());
    let Some(live) = visible.cloned() else {
        return Ok(Write::delete(TableName::Directory, at.key(tenant.id()), condition));
    };
    // What a dead undo has taken out of `former` goes back there: without it, nobody could take the upload back any more.
    let former = before.is_undo(tenant.school.generation).then(|| before.live.clone());
    let versions = Versions { rev: before.rev + 1, live, former };
    match at {
        Subject::Person(person_id) => {
            let person: Option<Person> =
                open(&tenant.key, &at.key(tenant.id()), Some(&versions.live)).unwrap_or_default();
            let born = person
                .filter(|person| person.role == super::Role::Pupil)
                .and_then(|person| person.date_of_birth);
            let reference = born.map(|born| birthday_reference(&tenant.school, &tenant.key, born));
            Write::put(&PersonRecord { school_id: tenant.id(), person_id, reference, versions }, condition)
        }
        Subject::Link(pupil_id, contact_id) => {
            Write::put(&LinkRecord { school_id: tenant.id(), pupil_id, contact_id, versions }, condition)
        }
    }
}

/// The write that drops what a person or link was before its last change.
pub fn without_former(tenant: &Tenant, at: Subject, before: &Versions) -> Write {
    let condition = Condition::Is("rev", crate::store::table::value(before.rev));
    Write::update(
        TableName::Directory,
        at.key(tenant.id()),
        crate::store::table::Update::new().add("rev", 1).remove("former"),
        condition,
    )
}

/// A person or a link, by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A person.
    Person(PersonId),
    /// The tie between a pupil and a contact.
    Link(PersonId, PersonId),
}

impl Subject {
    /// Where it is stored.
    pub fn key(self, school: SchoolId) -> Key {
        match self {
            Self::Person(person) => key::person(school, person),
            Self::Link(pupil, contact) => key::link(school, pupil, contact),
        }
    }
}

/// Where pupils born on one day are found.
pub fn birthday_reference(school: &School, data_key: &DataKey, born: super::DateOfBirth) -> String {
    key::birthday_reference(school.school_id, &data_key.blind("date_of_birth", &born.expose().to_string()))
}
