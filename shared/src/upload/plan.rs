//! The plan: what a file would change in a school's directory. Pure; likeness never decides who somebody is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    finding::{Code, Finding},
    roll::{Entry, Identity, Roll, SOURCE},
    store::Scope,
};
use crate::{
    id::{PersonId, UploadId},
    person::{
        Person, Role,
        guardianship::{Link, Responsibility},
        name::fold,
        store::{Directory, Stored, Subject},
    },
};

/// A plan that calls more than this share of a kind missing is held (the limits that rostering services publish).
const HELD_ABOVE_MISSING_PERCENT: usize = 10;
/// A plan that changes more than this share of a kind is held.
const HELD_ABOVE_CHANGED_PERCENT: usize = 75;

/// What an upload does to one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// New.
    pub created: usize,
    /// Known, and different now.
    pub changed: usize,
    /// Known, and the same.
    pub unchanged: usize,
    /// Known, and not in the file: kept, hidden once confirmed, never deleted.
    pub missing: usize,
    /// Taken away. Always 0 for a file: absence is `missing`.
    pub removed: usize,
}

/// Per kind: `pupil contact staff governor link`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Pupils.
    pub pupil: Count,
    /// Contacts.
    pub contact: Count,
    /// Staff.
    pub staff: Count,
    /// Governors.
    pub governor: Count,
    /// Ties between pupils and contacts.
    pub link: Count,
}

/// Why a plan waits for a person's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBecause {
    /// It was only asked what the file would do.
    Preview,
    /// Too many would be missing.
    ManyMissing,
    /// Too many would change.
    ManyChanged,
}

/// The newest value for one person or link.
#[derive(Clone, Debug)]
pub enum Change {
    /// A person.
    Person(PersonId, Person),
    /// A link.
    Link((PersonId, PersonId), Link),
}

/// What a file would do.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is written.
    pub changes: Vec<Change>,
    /// Versions that an earlier, unfinished import left and this one does not write: to be withdrawn.
    pub withdrawals: Vec<Subject>,
    /// The counts.
    pub counts: Counts,
    /// Why it has to wait, if it has.
    pub held: Option<HeldBecause>,
    /// The roll's findings and the plan's own.
    pub findings: Vec<Finding>,
}

/// Plans what `roll` does to `directory`.
///
/// The ids of new people are derived from the upload and the source's id: planning again gives the same ones.
pub fn plan(roll: Roll, directory: &Directory, upload: UploadId, scope: Scope, generation: u64, now: Timestamp) -> Plan {
    let mut plan = Plan { findings: roll.findings, ..Plan::default() };
    let mut planner = Planner { plan: &mut plan, directory, upload, scope, now };
    let pupils = planner.people(Role::Pupil, &roll.pupils);
    let contacts = planner.people(Role::Contact, &roll.contacts);
    planner.links(&roll.links, &pupils, &contacts);
    plan.held = hold(&plan.counts);
    plan.findings.sort_by(|a, b| (a.row, &a.column, &a.code).cmp(&(b.row, &b.column, &b.code)));
    let written: BTreeSet<_> = plan.changes.iter().map(subject).collect();
    let pending = |live: u64| live > generation;
    let people = directory.people.iter().filter(|(_, stored)| pending(stored.versions.live.generation)).map(|(id, _)| Subject::Person(*id));
    let links = directory.links.iter().filter(|(_, stored)| pending(stored.versions.live.generation)).map(|((pupil, contact), _)| Subject::Link(*pupil, *contact));
    plan.withdrawals = people.chain(links).filter(|subject| !written.contains(subject)).collect();
    plan
}

/// What a change is about.
pub const fn subject(change: &Change) -> Subject {
    match change {
        Change::Person(id, _) => Subject::Person(*id),
        Change::Link((pupil, contact), _) => Subject::Link(*pupil, *contact),
    }
}

fn hold(counts: &Counts) -> Option<HeldBecause> {
    let kinds = [counts.pupil, counts.contact, counts.link];
    let over = |part: usize, percent: usize, count: &Count| part * 100 > percent * (count.changed + count.unchanged + count.missing);
    if kinds.iter().any(|count| over(count.missing, HELD_ABOVE_MISSING_PERCENT, count)) {
        return Some(HeldBecause::ManyMissing);
    }
    kinds.iter().any(|count| over(count.changed, HELD_ABOVE_CHANGED_PERCENT, count)).then_some(HeldBecause::ManyChanged)
}

struct Planner<'a> {
    plan: &'a mut Plan,
    directory: &'a Directory,
    upload: UploadId,
    scope: Scope,
    now: Timestamp,
}

impl Planner<'_> {
    /// Plans everybody in one role; returns who each identity of the file is.
    fn people(&mut self, role: Role, entries: &BTreeMap<Identity, Entry<Person>>) -> HashMap<Identity, PersonId> {
        let known = self.known(role);
        let mut who = HashMap::new();
        let mut named = BTreeSet::new();
        let mut count = Count::default();
        for (identity, entry) in entries {
            let Some(id) = known.get(identity).copied() else {
                let id = PersonId::derived(self.upload.made_at(), &self.upload.to_string(), &format!("{}\0{identity:?}", role.word()));
                count.created += 1;
                who.insert(identity.clone(), id);
                named.insert(id);
                self.plan.changes.push(Change::Person(id, entry.value.clone()));
                continue;
            };
            let Some(before) = self.directory.person(id) else { continue };
            named.insert(id);
            if role == Role::Pupil && is_somebody_else(before, &entry.value) {
                // The source gave a leaver's id to somebody new: nothing is inherited, the office decides.
                self.plan.findings.push(Finding::new(entry.row, None, Code::IdReused));
                count.unchanged += 1;
                continue;
            }
            who.insert(identity.clone(), id);
            let after = merge_person(before, &entry.value);
            if after == *before {
                count.unchanged += 1;
            } else {
                count.changed += 1;
                self.plan.changes.push(Change::Person(id, after));
            }
        }
        for (id, person) in self.directory.visible_people().filter(|(id, person)| person.role == role && !person.manual && !named.contains(id)) {
            if person.missing_since.is_none() && self.scope == Scope::Full {
                count.missing += 1;
                self.plan.changes.push(Change::Person(id, Person { missing_since: Some(self.now), ..person.clone() }));
            }
        }
        match role {
            Role::Pupil => self.plan.counts.pupil = count,
            Role::Contact => self.plan.counts.contact = count,
            Role::Staff => self.plan.counts.staff = count,
            Role::Governor => self.plan.counts.governor = count,
        }
        who
    }

    /// Who of the directory each identity is. People without an id at the source are known by likeness, which is only
    /// trusted where it fits one person alone.
    fn known(&self, role: Role) -> HashMap<Identity, PersonId> {
        let mut known = HashMap::new();
        let mut twice = BTreeSet::new();
        for (id, person) in self.directory.visible_people().filter(|(_, person)| person.role == role) {
            let with_id = person.source_ids.iter().find(|source| source.source == SOURCE).map(|source| vec![Identity::Id(source.id.clone())]);
            for identity in with_id.unwrap_or_else(|| self.likenesses(id, person)) {
                if known.insert(identity.clone(), id).is_some_and(|other| other != id) {
                    twice.insert(identity);
                }
            }
        }
        known.retain(|identity, _| !twice.contains(identity));
        known
    }

    /// The identities that [`super::roll`] gives to somebody without an id.
    fn likenesses(&self, id: PersonId, person: &Person) -> Vec<Identity> {
        let folded = format!("{}\0{}", fold(person.name.given()), fold(person.name.family()));
        if person.role == Role::Pupil {
            let born = person.date_of_birth.map(|born| born.expose().to_string()).unwrap_or_default();
            return vec![Identity::Likeness(format!("{folded}\0{born}"))];
        }
        let families = self.directory.visible_links().filter(|(_, contact, _)| *contact == id).filter_map(|(pupil, _, _)| self.directory.person(pupil).map(|person| (pupil, person)));
        families
            .flat_map(|(pupil, person)| {
                let with_id = person.source_ids.iter().find(|source| source.source == SOURCE).map(|source| vec![Identity::Id(source.id.clone())]);
                with_id.unwrap_or_else(|| self.likenesses(pupil, person))
            })
            .map(|pupil| Identity::Likeness(format!("{pupil:?}\0{folded}")))
            .collect()
    }

    fn links(&mut self, entries: &BTreeMap<(Identity, Identity), Entry<Link>>, pupils: &HashMap<Identity, PersonId>, contacts: &HashMap<Identity, PersonId>) {
        let mut count = Count::default();
        let mut named = BTreeSet::new();
        for ((pupil, contact), entry) in entries {
            let (Some(pupil), Some(contact)) = (pupils.get(pupil), contacts.get(contact)) else { continue };
            let ends = (*pupil, *contact);
            named.insert(ends);
            let Some(before) = self.directory.links.get(&ends).and_then(|stored: &Stored<Link>| stored.value.as_ref()) else {
                count.created += 1;
                self.plan.changes.push(Change::Link(ends, entry.value.clone()));
                continue;
            };
            let after = merge_link(before, &entry.value);
            if after == *before {
                count.unchanged += 1;
            } else {
                count.changed += 1;
                self.plan.changes.push(Change::Link(ends, after));
            }
        }
        for (pupil, contact, link) in self.directory.visible_links().filter(|(pupil, contact, link)| !link.manual && !named.contains(&(*pupil, *contact))) {
            // A restriction is not lifted by a file that forgets the person it restricts.
            if link.missing_since.is_none() && !link.restricted && self.scope == Scope::Full {
                count.missing += 1;
                self.plan.changes.push(Change::Link((pupil, contact), Link { missing_since: Some(self.now), ..link.clone() }));
            }
        }
        self.plan.counts.link = count;
    }
}

/// Both the name and the date of birth differ: not a correction but another child.
fn is_somebody_else(before: &Person, after: &Person) -> bool {
    !before.name.folds_to(&after.name) && matches!((before.date_of_birth, after.date_of_birth), (Some(one), Some(other)) if one != other)
}

/// The file's word over what was known. Blank clears a title, a year or a class, and nothing that somebody relies on.
fn merge_person(before: &Person, after: &Person) -> Person {
    if before.manual {
        return before.clone();
    }
    let or_before = |new: bool| if new { after } else { before };
    Person {
        role: before.role,
        title: after.title.clone(),
        name: if after.name.is_empty() { before.name.clone() } else { after.name.clone() },
        date_of_birth: after.date_of_birth.or(before.date_of_birth),
        year_group: after.year_group.clone(),
        class: after.class.clone(),
        emails: or_before(!after.emails.is_empty()).emails.clone(),
        phones: or_before(!after.phones.is_empty()).phones.clone(),
        unusable_contact_point: after.unusable_contact_point,
        source_ids: before.source_ids.clone(),
        missing_since: None,
        manual: false,
    }
}

/// The file's word over what was known. Blank never clears responsibility or a restriction; what the office set by hand
/// outlives the file, except that a file may always restrict.
fn merge_link(before: &Link, after: &Link) -> Link {
    if before.manual {
        return Link { restricted: before.restricted || after.restricted, ..before.clone() };
    }
    let responsibility = match after.parental_responsibility {
        Responsibility::Unknown => before.parental_responsibility,
        said => said,
    };
    Link {
        relationship: after.relationship,
        parental_responsibility: responsibility,
        restricted: before.restricted || after.restricted,
        priority: after.priority,
        missing_since: None,
        ..before.clone()
    }
}
