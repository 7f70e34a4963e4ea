//! The plan: what a file would change in a school's directory. Pure; likeness never decides who somebody is.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    deleted::deleted,
    finding::{Code, Finding},
    identity::{self, Is, Proposal, Who},
    merge::{self, Says},
    roll::Roll,
    safety::{MEMORY_DAYS, Stock, hold},
    store::Scope,
};
use crate::{
    id::{PersonId, UploadId},
    person::{
        Person, Role,
        guardianship::Link,
        store::{Directory, Subject},
    },
};

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

impl Counts {
    fn of(&mut self, role: Role) -> &mut Count {
        match role {
            Role::Pupil => &mut self.pupil,
            Role::Contact => &mut self.contact,
            Role::Staff => &mut self.staff,
            Role::Governor => &mut self.governor,
        }
    }
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
    /// As many would be missing or change as a rollover makes, in the window that the school has named for it.
    PlannedRollover,
    /// A column writes some dates day first and some month first.
    MixedDateOrder,
    /// The source made the file before one that was applied already.
    OlderFile,
    /// Somebody in the file is probably known under another id.
    SamePersonProposed,
    /// A contact who is kept away from a pupil is not in the file, and somebody new is: it may be the same person under another
    /// id, who would be written to.
    RestrictedContactReplaced,
    /// Somebody whom the office has deleted would be taken in again, as was asked for.
    DeletedReadmitted,
}

impl HeldBecause {
    /// Whether somebody else than who sent the file has to approve it. Who asked for a preview
    /// has been careful already.
    pub const fn needs_a_second_person(self) -> bool {
        !matches!(self, Self::Preview)
    }
}

/// The newest value for one person or link.
#[derive(Clone, Debug)]
pub enum Change {
    /// A person.
    Person(PersonId, Arc<Person>),
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
    /// Whom the office is asked about: the plan takes each proposal for accepted.
    pub proposals: Vec<Proposal>,
    /// The roll's findings and the plan's own.
    pub findings: Vec<Finding>,
}

/// What a plan depends on besides file and directory.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The upload: the ids of new people are derived from it, so that planning again gives the same ones.
    pub upload: UploadId,
    /// How much of the school the office says the file speaks for.
    pub scope: &'a Scope,
    /// The school's generation.
    pub generation: u64,
    /// The beginning of the file's hash.
    pub file: &'a str,
    /// Whether it is the school's window for its rollover.
    pub is_rollover: bool,
    /// When the source made the newest file of this format that was applied.
    pub last_export: Option<Timestamp>,
    /// People whom the office has said a proposal does not mean.
    pub rejected: &'a BTreeSet<PersonId>,
    /// Whether people whom the office has deleted are taken in again.
    pub readmits_deleted: bool,
    /// The instant.
    pub now: Timestamp,
}

/// Plans what `roll` does to `directory`.
pub fn plan(roll: &Roll, directory: &Directory, terms: Terms<'_>) -> Plan {
    let is_older = matches!((roll.exported_at, terms.last_export), (Some(this), Some(last)) if this < last);
    let scope = if roll.scope == Scope::Partial || is_older { &Scope::Partial } else { terms.scope };
    let families = directory.families();
    let who = identity::who(roll, directory, &families, terms.rejected, *scope == Scope::Partial);
    let mut planner = Planner {
        plan: Plan { findings: roll.findings.clone(), ..Plan::default() },
        roll,
        directory,
        who: &who,
        upload: terms.upload.to_string(),
        terms,
        scope,
        deleted: deleted(roll, directory, &families, &who),
        families: &families,
        named: HashSet::new(),
        back: [0; 5],
        of: vec![None; roll.places()],
    };
    for role in Role::ALL {
        planner.people(role);
    }
    planner.links();
    // An older file removes nobody, not even whom it says is gone: they may have come back since.
    if !is_older {
        planner.gone();
    }
    planner.merges();
    let stocks = planner.stocks();
    let mut plan = planner.plan;
    let counts =
        [plan.counts.pupil, plan.counts.contact, plan.counts.staff, plan.counts.governor, plan.counts.link];
    let kinds: Vec<_> = counts.into_iter().zip(stocks).collect();
    plan.findings.extend(who.findings.iter().cloned());
    plan.findings.sort_by(|a, b| (a.row, &a.column, &a.code).cmp(&(b.row, &b.column, &b.code)));
    plan.proposals.clone_from(&who.proposals);
    let held = [
        roll.held,
        plan.held,
        is_older.then_some(HeldBecause::OlderFile),
        (!plan.proposals.is_empty()).then_some(HeldBecause::SamePersonProposed),
        hold(&kinds, terms.is_rollover),
    ];
    plan.held = held.into_iter().flatten().next();
    plan.withdrawals = withdrawals(directory, &plan.changes, terms.generation);
    plan
}

/// Versions that a dead import left under a generation that nobody sees, and that this plan does not replace.
pub(super) fn withdrawals(directory: &Directory, changes: &[Change], generation: u64) -> Vec<Subject> {
    let people = directory.people.iter().map(|(id, stored)| (Subject::Person(*id), &stored.versions));
    let links =
        directory.links.iter().map(|(ends, stored)| (Subject::Link(ends.0, ends.1), &stored.versions));
    let unseen = people.chain(links).filter(|(_, versions)| versions.live.generation > generation);
    let mut unseen: BTreeSet<_> = unseen.map(|(subject, _)| subject).collect();
    if !unseen.is_empty() {
        for change in changes {
            unseen.remove(&subject(change));
        }
    }
    unseen.into_iter().collect()
}

/// What a change is about.
pub const fn subject(change: &Change) -> Subject {
    match change {
        Change::Person(id, _) => Subject::Person(*id),
        Change::Link((pupil, contact), _) => Subject::Link(*pupil, *contact),
    }
}

/// The place of a role among the counts; ties come last.
const fn kind(role: Role) -> usize {
    match role {
        Role::Pupil => 0,
        Role::Contact => 1,
        Role::Staff => 2,
        Role::Governor => 3,
    }
}

pub(super) struct Planner<'a> {
    pub(super) plan: Plan,
    pub(super) roll: &'a Roll,
    pub(super) directory: &'a Directory,
    who: &'a Who,
    pub(super) terms: Terms<'a>,
    upload: String,
    scope: &'a Scope,
    /// Entries that are new, and were deleted by the office.
    pub(super) deleted: BTreeSet<usize>,
    /// Contact -> the pupils they are tied to.
    families: &'a HashMap<PersonId, Vec<PersonId>>,
    /// People of the directory whom the file names.
    pub(super) named: HashSet<PersonId>,
    /// How many of each kind are named again as they were, in the order of the counts.
    back: [usize; 5],
    /// Who each entry of the file is from now on.
    pub(super) of: Vec<Option<PersonId>>,
}

impl Planner<'_> {
    /// What the school has of each kind, in the order of the counts.
    fn stocks(&self) -> [Stock; 5] {
        let since = self.terms.now - crate::time::days(MEMORY_DAYS);
        let mut stocks = [Stock::default(); 5];
        for (id, person) in self.directory.visible_people() {
            let kind = kind(person.role);
            match person.missing_since {
                None => stocks[kind].here += 1,
                Some(at) if at > since && !self.named.contains(&id) => stocks[kind].lately_missing += 1,
                Some(_) => {}
            }
        }
        for (stock, back) in stocks.iter_mut().zip(self.back) {
            stock.back = back;
        }
        stocks[4].here = self.directory.visible_links().filter(|(_, _, link)| link.holds()).count();
        stocks
    }

    /// Plans everybody in one role.
    fn people(&mut self, role: Role) {
        let ties = self.ties(role);
        let mut count = Count::default();
        let (mut after, mut seen) = (BTreeMap::new(), BTreeSet::new());
        for (at, entry) in self.roll.of(role) {
            // A contact who stands in the file for undecided pupils alone would be tied to nobody.
            let untied = ties.get(at) == Some(&Some(false));
            let id = match self.who.is(at) {
                Is::Undecided => continue,
                Is::New if untied => continue,
                Is::Known(id) | Is::Proposed(id) if untied => {
                    // Whoever is here for deleted pupils alone, goes as they have gone.
                    if !self.is_of_deleted_alone(at) {
                        self.named.insert(id);
                    }
                    continue;
                }
                Is::New if self.stays_deleted(at) => continue,
                Is::New => {
                    let id = self.new_id(at);
                    count.created += 1;
                    self.plan.changes.push(Change::Person(id, Arc::clone(&entry.value)));
                    self.of[at] = Some(id);
                    continue;
                }
                Is::Known(id) | Is::Proposed(id) => id,
            };
            let Some(before) = self.directory.person(id) else { continue };
            self.of[at] = Some(id);
            self.named.insert(id);
            if merge::moves_birthday(before, &entry.value) {
                self.plan.findings.push(Finding::at(entry.row, "", Code::DateChanged));
            }
            let says = Says { columns: &self.roll.columns, file: self.terms.file };
            let is_second = !seen.insert(id);
            let person = if is_second {
                // One person in two rows, whom nothing tells apart any more or whose records the office has joined.
                let mut person = after.remove(&id).unwrap_or_else(|| before.clone());
                person.add_contact_points(&entry.value);
                person
            } else {
                merge::person(before, &entry.value, says)
            };
            if person != *before {
                after.insert(id, person);
            }
        }
        for (at, _) in self.roll.absent(role) {
            self.of[at] = self.who.person(at);
        }
        self.back[kind(role)] = after
            .iter()
            .filter(|(id, person)| {
                self.directory.person(**id).is_some_and(|before| {
                    before.missing_since.is_some()
                        && **person == Person { missing_since: None, ..before.clone() }
                })
            })
            .count();
        count.changed = after.len();
        count.unchanged = seen.len() - after.len();
        self.plan.changes.extend(after.into_iter().map(|(id, person)| Change::Person(id, Arc::new(person))));
        for id in &self.who.undecided {
            count.unchanged +=
                usize::from(self.directory.person(*id).is_some_and(|person| person.role == role));
        }
        // A file that names nobody in a role says nothing about it.
        if !count.eq(&Count::default()) {
            let missing: Vec<_> = self
                .directory
                .visible_people()
                .filter(|(id, person)| person.role == role && self.is_missing(*id, person))
                .collect();
            count.missing = missing.len();
            let now = Some(self.terms.now);
            self.plan.changes.extend(missing.into_iter().map(|(id, person)| {
                Change::Person(id, Arc::new(Person { missing_since: now, ..person.clone() }))
            }));
        }
        *self.plan.counts.of(role) = count;
    }

    /// Whether somebody of the directory is to be called missing.
    pub(super) fn is_missing(&self, id: PersonId, person: &Person) -> bool {
        person.missing_since.is_none()
            && !person.manual
            && !self.named.contains(&id)
            && !self.who.undecided.contains(&id)
            && !self.is_held_fast(id)
            && self.is_in_scope(id, person)
    }

    /// Whether the file speaks for somebody: a contact by all the pupils they belong to.
    fn is_in_scope(&self, id: PersonId, person: &Person) -> bool {
        match (self.scope, person.role) {
            (Scope::Full, _) => true,
            (Scope::Partial, _) => false,
            (Scope::YearGroups(years), Role::Pupil) => {
                person.year_group.as_deref().is_some_and(|year| years.contains(year))
            }
            (Scope::YearGroups(_), Role::Contact) => self.families.get(&id).is_some_and(|pupils| {
                pupils.iter().all(|pupil| {
                    self.directory.person(*pupil).is_some_and(|person| self.is_in_scope(*pupil, person))
                })
            }),
            (Scope::YearGroups(_), Role::Staff | Role::Governor) => false,
        }
    }

    /// Whether somebody must not be called missing: a restriction, or what the office set by hand, hangs on them, or the file may
    /// mean the pupil they belong to.
    fn is_held_fast(&self, contact: PersonId) -> bool {
        self.families.get(&contact).into_iter().flatten().any(|pupil| {
            let link = self.directory.links.get(&(*pupil, contact)).and_then(|stored| stored.value.as_ref());
            self.who.undecided.contains(pupil) || link.is_some_and(|link| link.restricted || link.manual)
        })
    }

    /// Of everybody in the file who is tied to anybody, whether they are to any pupil who is decided.
    fn ties(&self, role: Role) -> Vec<Option<bool>> {
        if role != Role::Contact {
            return Vec::new();
        }
        let mut ties = vec![None; self.roll.places()];
        for ((pupil, contact), _) in self.roll.links.iter() {
            *ties[contact].get_or_insert(false) |= self.of[pupil].is_some();
        }
        ties
    }

    fn new_id(&self, at: usize) -> PersonId {
        let name = [self.roll.people[at].value.role.word(), &self.roll.name(at)].join("\0");
        PersonId::derived(self.terms.upload.made_at(), &self.upload, &name)
    }

    fn links(&mut self) {
        let mut count = Count::default();
        let mut named = HashSet::new();
        let mut joined_by_somebody_new: HashMap<PersonId, Vec<u32>> = HashMap::new();
        for (tie, entry) in self.roll.links.iter() {
            let (Some(pupil), Some(contact)) = (self.of[tie.0], self.of[tie.1]) else { continue };
            let after = |before| merge::link(before, &entry.value, self.roll.no_emergency.contains(&tie));
            let ends = (pupil, contact);
            if !named.insert(ends) {
                continue;
            }
            let stored = self.directory.links.get(&ends).and_then(|stored| stored.value.as_ref());
            match stored {
                None => {
                    count.created += 1;
                    if self.directory.person(ends.1).is_none() {
                        joined_by_somebody_new.entry(ends.0).or_default().push(entry.row);
                    }
                    self.plan.changes.push(Change::Link(ends, entry.value.clone()));
                }
                // The office has taken it away, and the source does not know yet.
                Some(before) if before.ended && !entry.value.restricted => count.unchanged += 1,
                // A restriction is known of whoever it is against, tied or not: they may share somebody's mailbox.
                Some(before) if before.ended => {
                    count.changed += 1;
                    let link = Link { restricted: true, ended: false, ..after(before) };
                    self.plan.changes.push(Change::Link(ends, link));
                }
                Some(before) => {
                    if merge::forgets_restriction(before, &entry.value, &self.roll.columns) {
                        self.plan.findings.push(Finding::at(entry.row, "", Code::RestrictionKept));
                    }
                    let after = after(before);
                    if after == *before {
                        count.unchanged += 1;
                    } else {
                        count.changed += 1;
                        let is_back = before.missing_since.is_some();
                        self.back[4] +=
                            usize::from(is_back && after == Link { missing_since: None, ..before.clone() });
                        self.plan.changes.push(Change::Link(ends, after));
                    }
                }
            }
        }
        // The ties of a pupil whom the file names are those it names. About a pupil who is absent it says nothing: they may be
        // back tomorrow (case 67).
        for ((pupil, contact), stored) in &self.directory.links {
            let Some(link) = &stored.value else { continue };
            let is_spoken_of = !self.roll.links.is_empty()
                && *self.scope != Scope::Partial
                && self.named.contains(pupil)
                && !named.contains(&(*pupil, *contact))
                && !self.who.undecided.contains(pupil)
                && !self.who.undecided.contains(contact);
            if is_spoken_of && !link.manual && !link.restricted && link.missing_since.is_none() && !link.ended
            {
                count.missing += 1;
                let missing_since = Some(self.terms.now);
                self.plan
                    .changes
                    .push(Change::Link((*pupil, *contact), Link { missing_since, ..link.clone() }));
            }
        }
        self.plan.counts.link = count;
        self.hold_what_may_be_restricted(&named, &joined_by_somebody_new);
    }

    /// Whom the source says is gone.
    fn gone(&mut self) {
        if self.roll.gone.is_empty() {
            return;
        }
        let mut index: HashMap<(Role, &str, &str), PersonId> = HashMap::new();
        for (id, person) in self.directory.visible_people() {
            for source in &person.source_ids {
                index.insert((person.role, &source.source, &source.id), id);
            }
        }
        let written: HashSet<Subject> = self.plan.changes.iter().map(subject).collect();
        let mut gone: BTreeSet<PersonId> = BTreeSet::new();
        for one in &self.roll.gone {
            gone.extend(index.get(&(one.role, one.source, one.id.as_str())));
        }
        gone.retain(|id| !written.contains(&Subject::Person(*id)) && !self.who.undecided.contains(id));
        for id in gone {
            let Some(person) = self.directory.person(id) else { continue };
            if person.missing_since.is_none()
                && !person.manual
                && !self.named.contains(&id)
                && !self.is_held_fast(id)
            {
                self.plan.counts.of(person.role).missing += 1;
                let missing_since = Some(self.terms.now);
                self.plan
                    .changes
                    .push(Change::Person(id, Arc::new(Person { missing_since, ..person.clone() })));
            }
        }
    }
}

#[cfg(test)]
#[path = "plan_cases.rs"]
mod cases;

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(super) mod tests;
