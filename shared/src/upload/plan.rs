//! The plan: what a file would change in a school's directory. Pure; likeness never decides who somebody is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    finding::{Code, Finding},
    roll::{Entry, Identity, Roll, contact_likeness, is_somebody_else},
    store::Scope,
};
use crate::{
    id::{PersonId, UploadId},
    person::{
        Person, Role,
        email::EmailAddress,
        guardianship::{Link, Relationship, Responsibility},
        name::fold,
        phone::{PhoneKind, PhoneNumber},
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
    /// A column writes some dates day first and some month first.
    MixedDateOrder,
    /// The source made the file before one that was applied already.
    OlderFile,
    /// Somebody in the file is probably known under another id.
    SamePersonProposed,
    /// A contact who is kept away from a pupil is not in the file, and somebody new is: it may be the same person under another
    /// id, who would be written to.
    RestrictedContactReplaced,
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
pub fn plan(
    roll: &Roll,
    directory: &Directory,
    upload: UploadId,
    scope: Scope,
    generation: u64,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan { findings: roll.findings.clone(), ..Plan::default() };
    let mut planner = Planner {
        plan: &mut plan,
        directory,
        upload,
        scope,
        now,
        undecided: BTreeSet::new(),
        unsure: BTreeSet::new(),
        strangers: BTreeSet::new(),
        families: families(directory),
    };
    let pupils = planner.people(Role::Pupil, roll);
    planner.leave_out(&roll.links, &pupils);
    let contacts = planner.people(Role::Contact, roll);
    for role in [Role::Staff, Role::Governor] {
        planner.people(role, roll);
    }
    planner.links(&roll.links, &pupils, &contacts);
    plan.held = roll.held.or(plan.held).or(hold(&plan.counts));
    plan.findings.sort_by(|a, b| (a.row, &a.column, &a.code).cmp(&(b.row, &b.column, &b.code)));
    let written: BTreeSet<_> = plan.changes.iter().map(subject).collect();
    let pending = |live: u64| live > generation;
    let people = directory
        .people
        .iter()
        .filter(|(_, stored)| pending(stored.versions.live.generation))
        .map(|(id, _)| Subject::Person(*id));
    let links = directory
        .links
        .iter()
        .filter(|(_, stored)| pending(stored.versions.live.generation))
        .map(|((pupil, contact), _)| Subject::Link(*pupil, *contact));
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
    let over = |part: usize, percent: usize, count: &Count| {
        part * 100 > percent * (count.changed + count.unchanged + count.missing)
    };
    if kinds.iter().any(|count| over(count.missing, HELD_ABOVE_MISSING_PERCENT, count)) {
        return Some(HeldBecause::ManyMissing);
    }
    kinds
        .iter()
        .any(|count| over(count.changed, HELD_ABOVE_CHANGED_PERCENT, count))
        .then_some(HeldBecause::ManyChanged)
}

/// Contact -> the pupils they are tied to.
fn families(directory: &Directory) -> HashMap<PersonId, Vec<PersonId>> {
    directory.visible_links().fold(HashMap::new(), |mut families: HashMap<_, Vec<_>>, (pupil, contact, _)| {
        families.entry(contact).or_default().push(pupil);
        families
    })
}

struct Planner<'a> {
    plan: &'a mut Plan,
    directory: &'a Directory,
    upload: UploadId,
    scope: Scope,
    now: Timestamp,
    /// Pupils whose id the file gives to somebody else: they and their families wait for the office as they are.
    undecided: BTreeSet<PersonId>,
    /// Contacts whose id or likeness the file gives to somebody else: they and their ties wait too.
    unsure: BTreeSet<PersonId>,
    /// Contacts whom the file names for nobody but such pupils.
    strangers: BTreeSet<Identity>,
    /// Contact -> the pupils they are tied to.
    families: HashMap<PersonId, Vec<PersonId>>,
}

impl Planner<'_> {
    /// Plans everybody in one role; returns who each identity of the file is.
    fn people(
        &mut self,
        role: Role,
        roll: &Roll,
    ) -> HashMap<Identity, PersonId> {
        let known = self.known(role);
        let waiting: BTreeSet<_> = self
            .undecided
            .iter()
            .flat_map(|pupil| self.directory.links_of(*pupil))
            .map(|(contact, _)| contact)
            .collect();
        let mut who = HashMap::new();
        let mut named = BTreeSet::new();
        let mut count = Count::default();
        for (identity, entry) in roll.of(role) {
            let id = match known.get(identity).map(Vec::as_slice) {
                None | Some([]) if self.strangers.contains(identity) => continue,
                None | Some([]) => {
                    let id = self.new_id(role, identity);
                    count.created += 1;
                    who.insert(identity.clone(), id);
                    named.insert(id);
                    self.plan.changes.push(Change::Person(id, entry.value.clone()));
                    continue;
                }
                Some([id]) => *id,
                Some(several) => {
                    self.plan.findings.push(Finding::new(entry.row, None, Code::Ambiguous));
                    self.leave_alone(role, several, &mut named, &mut count);
                    continue;
                }
            };
            let Some(before) = self.directory.person(id) else { continue };
            let reused = match role {
                Role::Pupil => is_somebody_else(before, &entry.value),
                _ => is_somebody_else(before, &entry.value) || self.strangers.contains(identity),
            };
            if reused {
                // The source gave the id to somebody new: nothing is inherited, the office decides.
                if !self.strangers.contains(identity) {
                    self.plan.findings.push(Finding::new(entry.row, None, Code::IdReused));
                }
                self.leave_alone(role, &[id], &mut named, &mut count);
                continue;
            }
            named.insert(id);
            who.insert(identity.clone(), id);
            let after = merge_person(before, &entry.value);
            if after == *before {
                count.unchanged += 1;
            } else {
                count.changed += 1;
                self.plan.changes.push(Change::Person(id, after));
            }
        }
        if self.scope == Scope::Full {
            let directory = self.directory;
            let absent = directory.visible_people().filter(|(id, person)| {
                person.role == role
                    && person.missing_since.is_none()
                    && !person.manual
                    && !named.contains(id)
                    && !waiting.contains(id)
                    && !self.is_held_fast(*id)
            });
            let missing = |(id, person): (PersonId, &Person)| {
                Change::Person(id, Person { missing_since: Some(self.now), ..person.clone() })
            };
            let missing: Vec<_> = absent.map(missing).collect();
            count.missing = missing.len();
            self.plan.changes.extend(missing);
        }
        match role {
            Role::Pupil => self.plan.counts.pupil = count,
            Role::Contact => self.plan.counts.contact = count,
            Role::Staff => self.plan.counts.staff = count,
            Role::Governor => self.plan.counts.governor = count,
        }
        who
    }

    /// Notes the contacts who stand in the file for undecided pupils alone: nothing would tie them to anybody.
    fn leave_out(
        &mut self,
        links: &BTreeMap<(Identity, Identity), Entry<Link>>,
        pupils: &HashMap<Identity, PersonId>,
    ) {
        let mut tied: BTreeMap<_, bool> = BTreeMap::new();
        for (pupil, contact) in links.keys() {
            *tied.entry(contact).or_default() |= pupils.contains_key(pupil);
        }
        self.strangers =
            tied.into_iter().filter(|(_, tied)| !tied).map(|(contact, _)| contact.clone()).collect();
    }

    fn new_id(&self, role: Role, identity: &Identity) -> PersonId {
        let name = format!("{}\0{identity:?}", role.word());
        PersonId::derived(self.upload.made_at(), &self.upload.to_string(), &name)
    }

    /// Somebody whom the file may or may not mean stays as they are, and so does their family.
    fn leave_alone(
        &mut self,
        role: Role,
        people: &[PersonId],
        named: &mut BTreeSet<PersonId>,
        count: &mut Count,
    ) {
        for id in people {
            if named.insert(*id) {
                count.unchanged += 1;
            }
            match role {
                Role::Pupil => drop(self.undecided.insert(*id)),
                _ => drop(self.unsure.insert(*id)),
            }
        }
    }

    /// Whether somebody must not be called missing: a restriction, or what the office set by hand, hangs on them.
    fn is_held_fast(&self, contact: PersonId) -> bool {
        let links = self
            .families
            .get(&contact)
            .into_iter()
            .flatten()
            .filter_map(|pupil| self.directory.links.get(&(*pupil, contact)));
        links.filter_map(|stored| stored.value.as_ref()).any(|link| link.restricted || link.manual)
    }

    /// Who of the directory each identity may be. People without an id at the source are known by likeness, which is only
    /// trusted where it fits one person alone.
    fn known(&self, role: Role) -> HashMap<Identity, Vec<PersonId>> {
        let mut known: HashMap<_, Vec<_>> = HashMap::new();
        for (id, person) in self.directory.visible_people().filter(|(_, person)| person.role == role) {
            for identity in self.identities(id, person) {
                known.entry(identity).or_default().push(id);
            }
        }
        known
    }

    /// The identities that [`super::roll`] gives to somebody: the source's id, or without one their likeness, for a contact in
    /// each of their families.
    fn identities(&self, id: PersonId, person: &Person) -> Vec<Identity> {
        if !person.source_ids.is_empty() {
            return person.source_ids.iter().cloned().map(Identity::Id).collect();
        }
        if person.role == Role::Pupil {
            let born = person.date_of_birth.map(|born| born.expose().to_string()).unwrap_or_default();
            let folded = format!("{}\0{}", fold(person.name.given()), fold(person.name.family()));
            return vec![Identity::Likeness(format!("{folded}\0{born}"))];
        }
        let point =
            person.email().map(EmailAddress::expose).or(person.phones.first().map(PhoneNumber::expose));
        let pupils = self
            .families
            .get(&id)
            .into_iter()
            .flatten()
            .filter_map(|pupil| Some((*pupil, self.directory.person(*pupil)?)));
        pupils
            .flat_map(|(pupil, of)| self.identities(pupil, of))
            .map(|pupil| Identity::Likeness(contact_likeness(&pupil, &person.name, point)))
            .collect()
    }

    fn links(
        &mut self,
        entries: &BTreeMap<(Identity, Identity), Entry<Link>>,
        pupils: &HashMap<Identity, PersonId>,
        contacts: &HashMap<Identity, PersonId>,
    ) {
        let mut count = Count::default();
        let mut named = BTreeSet::new();
        let mut joined_by_somebody_new = BTreeSet::new();
        for ((pupil, contact), entry) in entries {
            let (Some(pupil), Some(contact)) = (pupils.get(pupil), contacts.get(contact)) else { continue };
            let ends = (*pupil, *contact);
            named.insert(ends);
            let Some(before) =
                self.directory.links.get(&ends).and_then(|stored: &Stored<Link>| stored.value.as_ref())
            else {
                count.created += 1;
                if self.directory.person(ends.1).is_none() {
                    joined_by_somebody_new.insert(ends.0);
                }
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
        for (pupil, contact, link) in self
            .directory
            .visible_links()
            .filter(|(pupil, contact, link)| !link.manual && !named.contains(&(*pupil, *contact)))
            .filter(|(pupil, contact, _)| !self.undecided.contains(pupil) && !self.unsure.contains(contact))
        {
            // A restriction is not lifted by a file that forgets the person it restricts.
            if link.missing_since.is_none() && !link.restricted && self.scope == Scope::Full {
                count.missing += 1;
                self.plan.changes.push(Change::Link(
                    (pupil, contact),
                    Link { missing_since: Some(self.now), ..link.clone() },
                ));
            }
        }
        self.plan.counts.link = count;
        let replaced = self.directory.visible_links().any(|(pupil, contact, link)| {
            link.restricted && !named.contains(&(pupil, contact)) && joined_by_somebody_new.contains(&pupil)
        });
        self.plan.held = replaced.then_some(HeldBecause::RestrictedContactReplaced);
    }
}

/// The file's word over what was known. A blank cell, or a column that is not there, clears nothing: a school that leaves a
/// column out has not taken anything back.
fn merge_person(before: &Person, after: &Person) -> Person {
    if before.manual {
        return before.clone();
    }
    let or = |new: &Option<String>, old: &Option<String>| new.clone().or_else(|| old.clone());
    // Mobiles and other numbers stand in for themselves alone: a ruined mobile column must not leave only the landline.
    let (new_mobiles, new_others): (Vec<_>, Vec<_>) = after.phones.iter().cloned().partition(is_mobile);
    let (old_mobiles, old_others): (Vec<_>, Vec<_>) = before.phones.iter().cloned().partition(is_mobile);
    let phones = [(new_mobiles, old_mobiles), (new_others, old_others)]
        .map(|(new, old)| if new.is_empty() { old } else { new });
    Person {
        role: before.role,
        title: or(&after.title, &before.title),
        name: if after.name.is_empty() { before.name.clone() } else { after.name.clone() },
        date_of_birth: after.date_of_birth.or(before.date_of_birth),
        year_group: or(&after.year_group, &before.year_group),
        class: or(&after.class, &before.class),
        preferred_name: after.preferred_name.clone().or_else(|| before.preferred_name.clone()),
        former_family_name: or(&after.former_family_name, &before.former_family_name),
        groups: if after.groups.is_empty() { before.groups.clone() } else { after.groups.clone() },
        starts_on: after.starts_on.or(before.starts_on),
        leaves_on: after.leaves_on.or(before.leaves_on),
        deceased: after.deceased || before.deceased,
        emails: if after.emails.is_empty() { before.emails.clone() } else { after.emails.clone() },
        phones: phones.concat(),
        unusable_contact_point: after.unusable_contact_point,
        source_ids: before.source_ids.clone(),
        missing_since: None,
        manual: false,
        by_hand: before.by_hand.clone(),
    }
}

fn is_mobile(phone: &PhoneNumber) -> bool {
    phone.kind() == PhoneKind::Mobile
}

/// The file's word over what was known, under the same rule. What the office set by hand outlives the file, except that a file may always restrict.
fn merge_link(before: &Link, after: &Link) -> Link {
    if before.manual {
        return Link { restricted: before.restricted || after.restricted, ..before.clone() };
    }
    let responsibility = match after.parental_responsibility {
        Responsibility::Unknown => before.parental_responsibility,
        said => said,
    };
    Link {
        relationship: if after.relationship == Relationship::Unknown {
            before.relationship
        } else {
            after.relationship
        },
        parental_responsibility: responsibility,
        restricted: before.restricted || after.restricted,
        priority: after.priority.or(before.priority),
        missing_since: None,
        ..before.clone()
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
