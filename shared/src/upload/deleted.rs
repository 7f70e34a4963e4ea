//! What somebody is known by, in the directory and in a file, so that whom the office has deleted is told when a file names them
//! again.
//!
//! By any id that they had; a pupil by name and date of birth too, everybody else by name and any contact point, because a new
//! system gives new ids; and without an id by what stands in for it. The texts are only ever hashed.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::{
    finding::{Code, Finding},
    identity::{Is, Who},
    intake::UPN,
    plan::{HeldBecause, Planner},
    roll::{Identity, Roll, contact_points_of, family_key, full_fold, pupil_key},
    store::UNDO_DAYS,
};
use crate::{
    id::PersonId,
    person::{Person, Role, SourceId, deleted::Name, store::Directory},
};

/// What somebody of the directory is known by, and nobody else: of two records of one person the office may delete one.
pub fn names_of(directory: &Directory, id: PersonId) -> BTreeSet<Name> {
    let Some(person) = directory.person(id) else { return BTreeSet::new() };
    let families = directory.families();
    let mut own = names(directory, &families, id, person);
    for (other, person) in directory.visible_people().filter(|(other, _)| *other != id) {
        for name in names(directory, &families, other, person).into_iter().filter(Name::tells) {
            own.remove(&name);
        }
    }
    own
}

/// Who of those that are new in a file was deleted by the office. What somebody has whom it has added since, is theirs; and whoever is
/// kept away from a pupil has to be known, for whom they share a mailbox with.
pub(super) fn deleted(
    roll: &Roll,
    directory: &Directory,
    families: &HashMap<PersonId, Vec<PersonId>>,
    who: &Who,
) -> BTreeSet<usize> {
    if directory.deleted.is_empty() {
        return BTreeSet::new();
    }
    let ties = roll.links.iter().filter(|(_, tie)| tie.value.restricted);
    let kept_away: BTreeSet<_> = ties.map(|((_, contact), _)| contact).collect();
    let is_new = |at: &usize| who.is(*at) == Is::New && !kept_away.contains(at);
    let new = (0..roll.people.len()).filter(is_new).map(|at| (at, names_in(roll, at)));
    let found: Vec<_> = new.filter(|(_, names)| directory.deleted.has(names)).collect();
    if found.is_empty() {
        return BTreeSet::new();
    }
    // One pass over the school, however many of its deleted a file names.
    let asked: BTreeSet<_> = found.iter().flat_map(|(_, names)| names).collect();
    let names = directory.visible_people().flat_map(|(id, person)| names(directory, families, id, person));
    let held: BTreeSet<_> = names.filter(|name| name.tells() && asked.contains(name)).collect();
    let is_deleted = |names: &BTreeSet<Name>| directory.deleted.has(&(names - &held));
    found.iter().filter(|(_, names)| is_deleted(names)).map(|(at, _)| *at).collect()
}

/// Whose deletion is over: somebody with their names has been here again for as long as an upload can be undone.
pub fn back(directory: &Directory, now: Timestamp) -> BTreeSet<PersonId> {
    if directory.deleted.is_empty() {
        return BTreeSet::new();
    }
    let families = directory.families();
    let since = (now - crate::time::days(UNDO_DAYS)).as_second();
    let settled = directory.people.iter().filter(|(_, stored)| stored.versions.live.written_at <= since);
    let people = settled.filter_map(|(id, stored)| Some((*id, stored.value.as_ref()?)));
    people
        .flat_map(|(id, person)| directory.deleted.who(&names(directory, &families, id, person)))
        .map(|deleted| deleted.person_id)
        .collect()
}

fn names(
    directory: &Directory,
    families: &HashMap<PersonId, Vec<PersonId>>,
    id: PersonId,
    person: &Person,
) -> BTreeSet<Name> {
    let mut names = own(person);
    if person.role == Role::Contact {
        // With an id too: the next file may lack the column.
        let key = family_key(&person.name, contact_points_of(person).next());
        let pupils = families.get(&id).into_iter().flatten().filter_map(|pupil| directory.person(*pupil));
        names.extend(pupils.flat_map(|pupil| in_family(&key, pupil)));
    } else if person.source_ids.is_empty() || person.is_known_without_id {
        names.insert(Name::Likeness(likeness(person)));
    }
    names
}

impl Planner<'_> {
    /// Whether somebody new in the file is whom the office has deleted, and stays so: unless the office has said that such people
    /// are to be taken in again, which somebody else has to approve.
    pub(super) fn stays_deleted(&mut self, at: usize) -> bool {
        if !self.deleted.contains(&at) {
            return false;
        }
        self.plan.findings.push(Finding::at(self.roll.people[at].row, "", Code::PersonDeleted));
        if self.terms.readmits_deleted {
            self.plan.held = Some(HeldBecause::DeletedReadmitted);
        }
        !self.terms.readmits_deleted
    }

    /// Whether the file ties somebody to deleted pupils and to nobody else.
    pub(super) fn is_of_deleted_alone(&self, at: usize) -> bool {
        let mut theirs = self.roll.links.iter().filter(|((_, contact), _)| *contact == at);
        !self.deleted.is_empty() && theirs.all(|((pupil, _), _)| self.deleted.contains(&pupil))
    }
}

/// What an entry of a file is known by.
fn names_in(roll: &Roll, at: usize) -> BTreeSet<Name> {
    let person = &roll.people[at].value;
    let mut names = own(person);
    for identity in roll.identities(at) {
        match identity {
            Identity::Id(_) => {}
            Identity::Likeness(_) => drop(names.insert(Name::Likeness(likeness(person)))),
            Identity::InFamily(pupil, key) => match roll.people.get(pupil) {
                Some(pupil) => names.extend(in_family(key, &pupil.value)),
                // A pupil whom the file only refers to.
                None => names.extend(roll.referred_id(pupil).map(|id| in_family_of(key, &by_id(id)))),
            },
        }
    }
    names
}

/// What somebody is known by wherever they stand.
fn own(person: &Person) -> BTreeSet<Name> {
    let mut names: BTreeSet<_> = person
        .source_ids
        .iter()
        .map(|id| match id.source.as_str() {
            UPN => Name::Upn(id.id.to_string()),
            _ => Name::Id([person.role.word(), &by_id(id)].join("\0")),
        })
        .collect();
    let has_both = !person.name.given().is_empty() && !person.name.family().is_empty();
    if person.role == Role::Pupil {
        if let (true, Some(born)) = (has_both, person.date_of_birth) {
            names.extend([
                Name::Likeness(likeness(person)),
                Name::Called(full_fold(&person.name)),
                Name::Born(born.expose().to_string()),
            ]);
        }
    } else if has_both {
        let name = full_fold(&person.name);
        let reached = |point| Name::Likeness(["reached", person.role.word(), &name, point].join("\0"));
        names.extend(contact_points_of(person).map(reached));
    }
    names
}

fn by_id(id: &SourceId) -> String {
    ["id", &id.source, &id.id].join("\0")
}

fn likeness(person: &Person) -> String {
    let alike = if person.role == Role::Pupil { pupil_key(person) } else { full_fold(&person.name) };
    ["likeness", person.role.word(), &alike].join("\0")
}

/// What a contact who is known by `key` in a pupil's family is known by: under every id of the pupil, and what may stand in for it.
fn in_family(key: &str, pupil: &Person) -> impl Iterator<Item = Name> {
    let ids = pupil.source_ids.iter().map(by_id).collect::<Vec<_>>();
    ids.into_iter().chain([likeness(pupil)]).map(move |pupil| in_family_of(key, &pupil))
}

fn in_family_of(key: &str, pupil: &str) -> Name {
    Name::Likeness(["in family", key, pupil].join("\0"))
}

#[cfg(test)]
#[path = "deleted_tests.rs"]
mod tests;
