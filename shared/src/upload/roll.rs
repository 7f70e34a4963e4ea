//! Rows to families: who the file says is on roll, who their contacts are, what ties them, and who works at the school.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use compact_str::CompactString;
use jiff::Timestamp;

use super::{
    cell,
    column::Column,
    finding::{Code, Finding},
    identity::{differ, is_somebody_else},
    index::Index,
    intake::UPN,
    likeness,
    plan::HeldBecause,
    row::{Row, add, bit},
    store::Scope,
    ties::Ties,
};
use crate::{
    person::{
        Person, Role, SourceId,
        email::EmailAddress,
        guardianship::{Link, Relationship, RelationshipText, Responsibility},
        name::{PersonName, fold},
        phone::PhoneNumber,
    },
    privacy::agreement::Field,
};

/// The most findings that are kept of one file.
const MAX_FINDINGS: usize = 20_000;
/// What says yes or no.
const YES_OR_NO: [Field; 5] = [
    Field::ParentalResponsibility,
    Field::EmergencyContact,
    Field::Restricted,
    Field::AddressConfidential,
    Field::Deceased,
];

/// What makes two rows speak of one person: an id as text, or what stands in for it. The text is only ever compared and
/// hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity<'r> {
    /// An id, in somebody's numbering.
    Id(&'r SourceId),
    /// No id: pupils by folded name and date of birth, staff by folded name.
    Likeness(&'r str),
    /// No id: a contact by folded name (or, nameless, by where they are reached) within one pupil's family.
    InFamily(usize, &'r str),
}

/// An [`Identity`] as it is kept: an id is the person's own first one, and not kept twice.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Id,
    Likeness(Box<str>),
    InFamily(usize, Box<str>),
}

impl Key {
    pub(super) fn of<'r>(&'r self, person: &'r Person) -> Identity<'r> {
        match self {
            Self::Id => person.source_ids.first().map_or(Identity::Likeness(""), Identity::Id),
            Self::Likeness(text) => Identity::Likeness(text),
            Self::InFamily(pupil, text) => Identity::InFamily(*pupil, text),
        }
    }
}

/// Somebody the file names, and the first row that does.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// The row.
    pub row: u32,
    /// What the file says.
    pub value: T,
}

/// Somebody whom the source says is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// What they were.
    pub role: Role,
    /// In whose numbering.
    pub source: &'static str,
    /// The id.
    pub id: String,
}

/// Somebody whom ties name by an id alone.
#[derive(Clone, Debug)]
pub struct Referred {
    /// What they are.
    pub role: Role,
    /// Their id.
    pub id: SourceId,
    /// What is found where nobody is known by it.
    pub finding: Finding,
}

/// The families of a file.
#[derive(Clone, Debug, Default)]
pub struct Roll {
    /// Everybody, in the order of role and identity. Shared with the plan: whoever is new goes there as they are.
    pub people: Vec<Entry<Arc<Person>>>,
    /// What each of them is known by.
    pub(super) keys: Vec<Key>,
    /// Contacts without ids who stand in several families: what else they are known by.
    pub(super) aliases: BTreeMap<usize, Vec<Key>>,
    /// Who is tied to whom.
    pub links: Ties,
    /// Whom ties name by an id alone, and the file does not name anywhere, in the order of role and id. Their places are behind those
    /// of the people.
    pub(super) absent: Vec<Referred>,
    /// The columns of the header, of those that may be stored; none where the format has no header.
    pub columns: BTreeSet<Column>,
    /// Whom the source says is gone.
    pub gone: Vec<Gone>,
    /// How much of the school the file speaks for, by its own word.
    pub scope: Scope,
    /// When the source made it.
    pub exported_at: Option<Timestamp>,
    /// Why it has to wait, whatever it would do.
    pub held: Option<HeldBecause>,
    /// Ties of whom a row says that they are not to be called in an emergency.
    pub(super) no_emergency: BTreeSet<(usize, usize)>,
    /// Ties about whose responsibility two rows disagree.
    pub(super) disputed: BTreeSet<(usize, usize)>,
    /// What is found of whom it has only referred to so far: people without a name. Only while rows come in, as what follows.
    pub(super) referred: BTreeMap<usize, Finding>,
    /// Of pupils without an id whose date of birth cannot be read, a hash of what stands there.
    pub(super) undated: BTreeMap<usize, u64>,
    /// Where people are.
    pub(super) index: Index,
    /// The pupil of the last row, if the row was sound.
    pub(super) last: Option<usize>,
    /// What was found on the way.
    pub findings: Vec<Finding>,
    /// How many rows there were.
    pub rows: usize,
    /// How many columns were left behind.
    pub dropped_columns: usize,
}

impl Roll {
    /// Everybody in one role, with their place among the people.
    pub fn of(&self, role: Role) -> impl Iterator<Item = (usize, &Entry<Arc<Person>>)> {
        let from = self.people.partition_point(|entry| entry.value.role < role);
        self.people.iter().enumerate().skip(from).take_while(move |(_, entry)| entry.value.role == role)
    }

    /// Whom the file refers to, and does not name anywhere, with their place.
    pub fn absent(&self, role: Role) -> impl Iterator<Item = (usize, &Referred)> {
        (self.people.len()..).zip(&self.absent).filter(move |(_, referred)| referred.role == role)
    }

    /// How many places there are for people: of those whom the file names, and behind them of those whom it only refers to.
    pub const fn places(&self) -> usize {
        self.people.len() + self.absent.len()
    }

    /// What somebody is known by.
    pub fn identity(&self, at: usize) -> Identity<'_> {
        match self.people.get(at) {
            Some(entry) => self.keys[at].of(&entry.value),
            None => Identity::Id(&self.absent[at - self.people.len()].id),
        }
    }

    /// The id of somebody whom the file only refers to.
    pub(super) fn referred_id(&self, at: usize) -> Option<&SourceId> {
        self.absent.get(at.checked_sub(self.people.len())?).map(|referred| &referred.id)
    }

    /// Everything that somebody whom the file names is known by.
    pub(super) fn identities(&self, at: usize) -> impl Iterator<Item = Identity<'_>> {
        let aliases = self.aliases.get(&at).into_iter().flatten();
        std::iter::once(self.identity(at)).chain(aliases.map(move |key| key.of(&self.people[at].value)))
    }

    /// What somebody is known by, as text that is nobody else's in the role, and does not depend on where anybody stands in the file.
    pub(super) fn name(&self, at: usize) -> String {
        match self.identity(at) {
            Identity::Id(id) => ["id", &id.source, &id.id].join("\0"),
            Identity::Likeness(text) => ["likeness", text].join("\0"),
            Identity::InFamily(pupil, text) => ["in family", text, &self.name(pupil)].join("\0"),
        }
    }

    /// The place of somebody who is known by `key`, or else the hash under which they are to be put.
    fn locate(&self, key: &Key, person: &Person) -> Result<usize, u64> {
        let identity = key.of(person);
        let is = |at: usize| self.people[at].value.role == person.role && self.identity(at) == identity;
        self.index.find(person.role, identity, is)
    }

    fn add(&mut self, hash: u64, key: Key, row: u32, person: Arc<Person>) -> usize {
        let at = self.people.len();
        self.index.put(hash, at);
        self.people.push(Entry { row, value: person });
        self.keys.push(key);
        at
    }

    /// Adds somebody whom the file has not named before, and tells their place. Gives back who they are where it has.
    fn meet(&mut self, row: u32, key: Key, person: Arc<Person>) -> (usize, Option<Arc<Person>>) {
        match self.locate(&key, &person) {
            Err(hash) => (self.add(hash, key, row, person), None),
            Ok(at) if self.referred.remove(&at).is_some() => {
                self.people[at] = Entry { row, value: person };
                (at, None)
            }
            Ok(at) => (at, Some(person)),
        }
    }

    /// Notes that ties name somebody by an id alone, and tells their place; what is found where that is not enough, is what was
    /// noted first.
    pub(super) fn refer(&mut self, role: Role, id: SourceId, finding: Finding) -> usize {
        let person =
            Arc::new(Person { source_ids: [id].into(), ..Person::named(role, PersonName::new("", "")) });
        self.locate(&Key::Id, &person).unwrap_or_else(|hash| {
            let at = self.add(hash, Key::Id, finding.row, person);
            self.referred.insert(at, finding);
            at
        })
    }

    /// Makes room for what so many rows may say, most of which name somebody new.
    pub(super) fn expect(&mut self, rows: usize) {
        let people = rows + rows / 2;
        self.people.reserve(people);
        self.keys.reserve(people);
        self.index.expect(people);
        self.links.expect(rows);
    }

    /// Takes a row in.
    pub(super) fn row(&mut self, row: &Row<'_>) {
        for role in [Role::Staff, Role::Governor] {
            if row.is_about(role) {
                self.colleague(row, role);
            }
        }
        if row.has(Role::Pupil) {
            self.pupil_row(row);
        }
    }

    /// Keeps a finding, up to [`MAX_FINDINGS`]: a file of nothing but faults must not fill the memory, nor anybody's day.
    pub(super) fn note(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// A member of staff or a governor.
    fn colleague(&mut self, row: &Row<'_>, role: Role) {
        let name = self.full_name(row, role);
        if name.is_empty() {
            return self.find(row, None, Code::NameMissing);
        }
        let (emails, phones, unusable) = self.contact_points(row, role);
        let person = Arc::new(Person {
            title: row.text(role, Field::Title),
            emails,
            phones,
            unusable_contact_point: unusable,
            source_ids: row.source_ids(role),
            groups: row.groups(role),
            ..Person::named(role, name)
        });
        let key = if person.source_ids.is_empty() {
            Key::Likeness(full_fold(&person.name).into())
        } else {
            Key::Id
        };
        if let (first, Some(person)) = self.meet(row.number, key, person) {
            if is_somebody_else(&self.people[first].value, &person) {
                return self.find(row, None, Code::IdReused);
            }
            Arc::make_mut(&mut self.people[first].value).add_contact_points(&person);
        }
    }

    fn pupil_row(&mut self, row: &Row<'_>) {
        if let (Some(pupil), true) = (self.last.take(), row.is_repeated) {
            self.last = Some(pupil);
            return self.contact(row, pupil);
        }
        let findings = self.findings.len();
        let name = self.full_name(row, Role::Pupil);
        if name.is_empty() {
            return self.nameless(row);
        }
        let Some(pupil) = self.pupil(row, name) else { return };
        // What was found is found of every row.
        if self.findings.len() == findings {
            self.last = Some(pupil);
        }
        self.contact(row, pupil);
    }

    /// A row without the pupil's name: by the id alone it can still tie a contact to them.
    fn nameless(&mut self, row: &Row<'_>) {
        let id = row.source_ids(Role::Pupil).into_iter().next().filter(|_| row.is_about(Role::Contact));
        let finding = row.finding(None, Code::NameMissing);
        let Some(id) = id else { return self.note(finding) };
        let pupil = self.refer(Role::Pupil, id, finding);
        self.contact(row, pupil);
    }

    /// Reads a row's pupil. None where the id stands for another child already, whose family this row is not.
    fn pupil(&mut self, row: &Row<'_>, name: PersonName) -> Option<usize> {
        let born = self.said(row, Field::DateOfBirth, |raw| cell::date_of_birth(raw, row.today));
        let (starts_on, leaves_on) =
            (self.said(row, Field::StartDate, cell::day), self.said(row, Field::LeavingDate, cell::day));
        let mut source_ids = row.source_ids(Role::Pupil);
        let upn = self.said(row, Field::Upn, cell::upn);
        source_ids.extend(upn.map(|id| SourceId { source: UPN.into(), id: id.into() }));
        let preferred = PersonName::of_tidy(
            row.text(Role::Pupil, Field::PreferredGivenName).unwrap_or_default(),
            row.text(Role::Pupil, Field::PreferredFamilyName).unwrap_or_default(),
        );
        let pupil = Arc::new(Person {
            preferred_name: (!preferred.is_empty() && !is_as_legal(&preferred, &name)).then_some(preferred),
            former_family_name: row.text(Role::Pupil, Field::FormerFamilyName),
            date_of_birth: born,
            year_group: row.cell(Role::Pupil, Field::YearGroup).and_then(|(_, raw)| cell::year_group(raw)),
            class: row.text(Role::Pupil, Field::Class),
            groups: row.groups(Role::Pupil),
            starts_on,
            leaves_on,
            deceased: row.cell(Role::Pupil, Field::Deceased).is_some_and(|(_, raw)| cell::restricted(raw)),
            source_ids,
            ..Person::named(Role::Pupil, name)
        });
        if cell::is_year_unlikely(pupil.date_of_birth, pupil.year_group.as_deref(), row.today) {
            let place = row.cell(Role::Pupil, Field::DateOfBirth).map(|(place, _)| place);
            self.find(row, place, Code::YearUnlikely);
        }
        self.find_unclear(row, Role::Pupil);
        let key = if pupil.source_ids.is_empty() { Key::Likeness(pupil_key(&pupil).into()) } else { Key::Id };
        let day =
            if born.is_none() && matches!(key, Key::Likeness(_)) { row.unreadable_birthday() } else { None };
        let (at, again) = self.meet(row.number, key, pupil);
        if let Some(day) = day
            && *self.undated.entry(at).or_insert(day) != day
        {
            // One name and two days, if only they could be read.
            self.find(row, None, Code::Ambiguous);
            return None;
        }
        again.is_none_or(|pupil| self.pupil_again(row, at, Arc::unwrap_or_clone(pupil))).then_some(at)
    }

    /// Another row of a pupil; false where the id stands for another child.
    fn pupil_again(&mut self, row: &Row<'_>, first: usize, pupil: Person) -> bool {
        let has_id = matches!(self.keys[first], Key::Id);
        let kept = Arc::make_mut(&mut self.people[first].value);
        if is_somebody_else(kept, &pupil) {
            self.find(row, None, Code::IdReused);
            return false;
        }
        let another = |one: &Option<CompactString>, other: &Option<CompactString>| matches!((one, other), (Some(one), Some(other)) if one != other);
        if !has_id && (another(&kept.class, &pupil.class) || another(&kept.year_group, &pupil.year_group)) {
            // One name and one birthday in two classes may be two children (case 6): only ids could tell.
            self.find(row, None, Code::Ambiguous);
            return false;
        }
        let conflict =
            matches!((kept.date_of_birth, pupil.date_of_birth), (Some(one), Some(other)) if one != other);
        kept.date_of_birth = kept.date_of_birth.or(pupil.date_of_birth);
        kept.year_group = kept.year_group.take().or(pupil.year_group);
        kept.class = kept.class.take().or(pupil.class);
        kept.preferred_name = kept.preferred_name.take().or(pupil.preferred_name);
        kept.former_family_name = kept.former_family_name.take().or(pupil.former_family_name);
        kept.starts_on = kept.starts_on.or(pupil.starts_on);
        kept.leaves_on = kept.leaves_on.or(pupil.leaves_on);
        kept.deceased |= pupil.deceased;
        pupil.groups.into_iter().for_each(|group| add(&mut kept.groups, group));
        pupil.source_ids.into_iter().for_each(|id| add(&mut kept.source_ids, id));
        if conflict {
            let place = row.cell(Role::Pupil, Field::DateOfBirth).map(|(place, _)| place);
            self.find(row, place, Code::ConflictingValues);
        }
        true
    }

    /// What should say yes or no and says neither. A day of death is clear enough, and that responsibility is unknown is what it is.
    fn find_unclear(&mut self, row: &Row<'_>, role: Role) {
        const ANY: u32 = {
            let [a, b, c, d, e] = YES_OR_NO;
            bit(a) | bit(b) | bit(c) | bit(d) | bit(e)
        };
        if !row.has_any(role, ANY) {
            return;
        }
        for field in YES_OR_NO {
            let Some((place, raw)) = row.cell(role, field).filter(|(_, raw)| cell::is_unclear(raw)) else {
                continue;
            };
            let is_said = match field {
                Field::Deceased => cell::day(raw).is_ok(),
                Field::ParentalResponsibility => raw.trim().eq_ignore_ascii_case("unknown"),
                _ => false,
            };
            if !is_said {
                self.find(row, Some(place), Code::WordUnclear);
            }
        }
    }

    fn contact(&mut self, row: &Row<'_>, pupil: usize) {
        let name = self.full_name(row, Role::Contact);
        let (emails, phones, unusable) = self.contact_points(row, Role::Contact);
        let source_ids = row.source_ids(Role::Contact);
        let said = row.cell(Role::Contact, Field::Relationship);
        let words = said.filter(|(_, raw)| !cell::is_blank(raw));
        let relationship = words.map_or(Relationship::Unknown, |(_, raw)| Relationship::from_words(raw));
        if name.is_empty() && emails.is_empty() && phones.is_empty() && !unusable {
            let finding = row.finding(said.map(|(place, _)| place), Code::ContactIncomplete);
            if let Some(id) = source_ids.into_iter().next() {
                let contact = self.refer(Role::Contact, id, finding);
                self.link(row, (pupil, contact), relationship);
            } else if words.is_some_and(|(_, raw)| cell::text(raw).is_some()) {
                self.note(finding);
            }
            return;
        }
        let contact = Arc::new(Person {
            title: row.text(Role::Contact, Field::Title),
            emails,
            phones,
            unusable_contact_point: unusable,
            deceased: row.cell(Role::Contact, Field::Deceased).is_some_and(|(_, raw)| cell::restricted(raw)),
            source_ids,
            ..Person::named(Role::Contact, name)
        });
        let key = if contact.source_ids.is_empty() {
            let mut points = contact_points_of(&contact);
            Key::InFamily(pupil, family_key(&contact.name, points.next()).into())
        } else {
            Key::Id
        };
        let (at, again) = self.meet(row.number, key, contact);
        if let Some(contact) = again {
            let known = &self.people[at].value;
            if matches!(self.keys[at], Key::InFamily(..)) {
                // Father and son, say, with one name (case 12): without ids, title and relationship alone tell them apart.
                let titles = (&known.title, &contact.title);
                let tie = self.links.get((pupil, at)).map(|first| first.value.relationship);
                if matches!(titles, (Some(one), Some(other)) if fold(one) != fold(other))
                    || tie.is_some_and(|tie| likeness::contradict_to_one(tie, relationship))
                {
                    return self.find(row, None, Code::Ambiguous);
                }
            }
            if differ(known.name.given(), contact.name.given()) {
                // A household's id, say: mother and father are two people, and so are their messages.
                let place = row.cell(Role::Contact, Field::SourceId).map(|(place, _)| place);
                return self.find(row, place, Code::IdReused);
            }
            Arc::make_mut(&mut self.people[at].value).add_contact_points(&contact);
        }
        self.link(row, (pupil, at), relationship);
    }

    fn link(&mut self, row: &Row<'_>, ends: (usize, usize), relationship: Relationship) {
        let raw = |field| row.cell(Role::Contact, field);
        let is_emergency_contact = raw(Field::EmergencyContact).and_then(|(_, raw)| cell::yes_no(raw));
        if is_emergency_contact == Some(false) {
            self.no_emergency.insert(ends);
        }
        self.find_unclear(row, Role::Contact);
        let words = match relationship {
            Relationship::Other => raw(Field::Relationship).and_then(|(_, raw)| cell::text(raw)),
            _ => None,
        };
        let link = Link {
            relationship,
            relationship_text: words.map(|words| RelationshipText::new(&words)),
            parental_responsibility: raw(Field::ParentalResponsibility)
                .map_or(Responsibility::Unknown, |(_, raw)| cell::responsibility(raw)),
            restricted: raw(Field::Restricted).is_some_and(|(_, raw)| cell::restricted(raw)),
            priority: raw(Field::Priority).and_then(|(_, raw)| cell::priority(raw)),
            emergency_contact: is_emergency_contact == Some(true),
            address_confidential: raw(Field::AddressConfidential)
                .is_some_and(|(_, raw)| cell::restricted(raw)),
            ..Link::default()
        };
        let Some((link, kept)) = self.links.add(ends, Entry { row: row.number, value: link }) else { return };
        let said = |responsibility| responsibility != Responsibility::Unknown;
        let mut fields = Vec::new();
        if said(link.parental_responsibility)
            && said(kept.parental_responsibility)
            && link.parental_responsibility != kept.parental_responsibility
        {
            fields.push(Field::ParentalResponsibility);
        }
        if link.restricted != kept.restricted {
            fields.push(Field::Restricted);
        }
        if fields.contains(&Field::ParentalResponsibility) {
            // Neither row is believed: what was known before stays (case 58).
            kept.parental_responsibility = Responsibility::Unknown;
            self.disputed.insert(ends);
        } else if !said(kept.parental_responsibility) && !self.disputed.contains(&ends) {
            kept.parental_responsibility = link.parental_responsibility;
        }
        // Of two rows that disagree about a restriction, the one that protects the child holds.
        kept.restricted |= link.restricted;
        kept.address_confidential |= link.address_confidential;
        kept.emergency_contact |= link.emergency_contact;
        kept.priority = kept.priority.or(link.priority);
        for field in fields {
            let place = raw(field).map(|(place, _)| place);
            self.find(row, place, Code::ConflictingValues);
        }
    }
}

/// Where a contact is reached, e-mail first.
pub(super) fn contact_points_of(person: &Person) -> impl Iterator<Item = &str> {
    person.emails.iter().map(EmailAddress::expose).chain(person.phones.iter().map(PhoneNumber::expose))
}

/// What a contact without an id is known by in a family: the folded name, or without a name where they are reached.
pub(super) fn family_key(name: &PersonName, point: Option<&str>) -> String {
    let folded = full_fold(name);
    if folded.len() == 1 { point.unwrap_or_default().to_owned() } else { folded }
}

/// Both parts of a name, folded.
pub(super) fn full_fold(name: &PersonName) -> String {
    format!("{}\0{}", fold(name.given()), fold(name.family()))
}

/// What a pupil without an id is known by.
pub(super) fn pupil_key(person: &Person) -> String {
    let born = person.date_of_birth.map(|born| born.expose().to_string()).unwrap_or_default();
    format!("{}\0{born}", full_fold(&person.name))
}

/// Whether a preferred name says nothing that the legal one does not: many systems fill it in for everybody.
fn is_as_legal(preferred: &PersonName, legal: &PersonName) -> bool {
    let same = |one: &str, other: &str| one.is_empty() || one == other;
    same(preferred.given(), legal.given()) && same(preferred.family(), legal.family())
}
