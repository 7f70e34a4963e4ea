//! Who is who: which person of the directory each entry of a file is.
//!
//! Ids decide: the source's own, then the others it states (the unique pupil number outlives a change of MIS). Where a file has
//! no ids at all, likeness stands in for them, and only where it fits one person alone. Where a file has ids that are new,
//! likeness merely *proposes* that somebody is known under another one: the office decides (cases 55 to 61).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    finding::{Code, Finding},
    likeness,
    roll::{Entry, Key, Roll, contact_points_of, family_key, full_fold, pupil_key},
};
use crate::{
    id::PersonId,
    person::{Person, Role, SourceId, guardianship::Relationship, name::fold, store::Directory},
    verify::nickname,
};

/// Who an entry of the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    /// Nobody who is known.
    New,
    /// Somebody, by an id (or by likeness, where the file has none).
    Known(PersonId),
    /// Probably somebody who has another id now.
    Proposed(PersonId),
    /// Nobody can say: the entry is not used, and whom it may mean stays as they are.
    Undecided,
}

/// Somebody in the file who is probably known under another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The row.
    pub row: u32,
    /// What they are.
    pub role: Role,
    /// Whom they are taken for.
    pub person_id: PersonId,
}

/// Who everybody in the file is.
#[derive(Debug, Default)]
pub struct Who {
    /// By the place among the roll's people.
    is: Vec<Option<Is>>,
    /// People of the directory whom the file may or may not mean.
    pub undecided: BTreeSet<PersonId>,
    /// What the office is asked.
    pub proposals: Vec<Proposal>,
    /// What was found on the way.
    pub findings: Vec<Finding>,
}

impl Who {
    /// Who an entry is.
    pub fn is(&self, at: usize) -> Is {
        self.is[at].unwrap_or(Is::Undecided)
    }

    /// The person an entry is, if it is anybody known.
    pub fn person(&self, at: usize) -> Option<PersonId> {
        match self.is(at) {
            Is::Known(id) | Is::Proposed(id) => Some(id),
            Is::New | Is::Undecided => None,
        }
    }
}

/// Contact -> the pupils they are visibly tied to.
type Families = HashMap<PersonId, Vec<PersonId>>;

/// Finds out who everybody is. `rejected` are people whom the office has said a proposal does not mean.
pub fn who(
    roll: &Roll,
    directory: &Directory,
    families: &Families,
    rejected: &BTreeSet<PersonId>,
    for_a_part: bool,
) -> Who {
    let who = Who { is: vec![None; roll.places()], ..Who::default() };
    let mut finder = Finder { roll, directory, rejected, for_a_part, families, who, claims: HashSet::new() };
    for role in Role::ALL {
        let index = index(directory, role);
        finder.by_id(role, &index);
        finder.referred(role, &index);
        drop(index);
        finder.by_likeness(role);
        finder.propose(role);
    }
    finder.who
}

struct Finder<'r> {
    roll: &'r Roll,
    directory: &'r Directory,
    rejected: &'r BTreeSet<PersonId>,
    for_a_part: bool,
    who: Who,
    /// Contact -> the pupils they are tied to.
    families: &'r Families,
    /// Who is taken by an entry of the file.
    claims: HashSet<PersonId>,
}

impl<'r> Finder<'r> {
    fn settle(&mut self, at: usize, is: Is) {
        if let Is::Known(id) | Is::Proposed(id) = is {
            self.claims.insert(id);
        }
        self.who.is[at] = Some(is);
    }

    /// Neither the entry nor whom it may mean is touched.
    fn undecided(&mut self, at: usize, code: Code, people: &[PersonId]) {
        self.who.findings.push(Finding::at(self.roll.people[at].row, "", code));
        self.who.undecided.extend(people);
        self.who.is[at] = Some(Is::Undecided);
    }

    /// Entries that bring ids: by the first id that anybody has.
    fn by_id(&mut self, role: Role, index: &Index<'_>) {
        // By their own id before those who are only known by another: the own id has the better claim.
        let (own, others): (Vec<_>, Vec<_>) = self
            .roll
            .of(role)
            .filter(|(_, entry)| !entry.value.source_ids.is_empty())
            .partition(|(_, entry)| !holders(index, &entry.value.source_ids[0]).is_empty());
        let owns = own.len();
        for (nth, (at, entry)) in own.into_iter().chain(others).enumerate() {
            let mut found: Vec<PersonId> = Vec::new();
            for (_, holder) in entry.value.source_ids.iter().flat_map(|id| holders(index, id)) {
                if !found.contains(holder) {
                    found.push(*holder);
                }
            }
            match found[..] {
                [] => {}
                // Only by its second id is it somebody who stands in the file under an own one.
                [id] if self.claims.contains(&id) && nth >= owns => {
                    self.undecided(at, Code::IdReused, &[id]);
                }
                [id] => {
                    let before = self.directory.person(id);
                    if before.is_some_and(|before| is_somebody_else(before, &entry.value)) {
                        // The source gave the id to somebody new: nothing is inherited (case 57).
                        self.undecided(at, Code::IdReused, &[id]);
                    } else {
                        self.settle(at, Is::Known(id));
                    }
                }
                _ => self.undecided(at, Code::Ambiguous, &found),
            }
        }
    }

    /// Whom ties name by an id alone.
    fn referred(&mut self, role: Role, index: &Index<'_>) {
        for (at, referred) in self.roll.absent(role) {
            match holders(index, &referred.id) {
                [(_, id)] if self.for_a_part => self.settle(at, Is::Known(*id)),
                _ => self.who.findings.push(referred.finding.clone()),
            }
        }
    }

    /// Entries without ids, among people without ids. Of one who may be either of two people with ids, nobody can say either.
    fn by_likeness(&mut self, role: Role) {
        let entries = self.roll;
        let mut unnumbered = entries
            .of(role)
            .filter(|(_, entry)| entry.value.source_ids.is_empty())
            .map(|(at, _)| at)
            .peekable();
        if unnumbered.peek().is_none() {
            return;
        }
        let mut index: HashMap<Known, Vec<PersonId>> = HashMap::new();
        let mut numbered: HashMap<Known, Vec<PersonId>> = HashMap::new();
        for (id, person) in self.directory.visible_people().filter(|(_, person)| person.role == role) {
            let is_known = person.source_ids.is_empty() || person.is_known_without_id;
            if !is_known && (self.claims.contains(&id) || self.rejected.contains(&id)) {
                continue;
            }
            let index = if is_known { &mut index } else { &mut numbered };
            for key in self.keys_of(id, person) {
                index.entry(key).or_default().push(id);
            }
        }
        for at in unnumbered {
            let aliases = entries.aliases.get(&at).into_iter().flatten();
            let keys: Vec<_> =
                std::iter::once(&entries.keys[at]).chain(aliases).filter_map(|one| self.key(one)).collect();
            let among = |index: &HashMap<Known, Vec<PersonId>>| {
                let found: BTreeSet<PersonId> =
                    keys.iter().filter_map(|key| index.get(key)).flatten().copied().collect();
                found.into_iter().collect::<Vec<_>>()
            };
            let found = among(&index);
            match found[..] {
                [] => {
                    let either = among(&numbered);
                    if either.len() > 1 {
                        self.undecided(at, Code::Ambiguous, &either);
                    }
                }
                [id] => self.settle(at, Is::Known(id)),
                _ => self.undecided(at, Code::Ambiguous, &found),
            }
        }
    }

    /// What an entry without ids is known by.
    fn key(&self, key: &Key) -> Option<Known> {
        match key {
            Key::Id => None,
            Key::Likeness(text) => Some((None, text.to_string())),
            Key::InFamily(pupil, text) => Some((Some(self.who.person(*pupil)?), text.to_string())),
        }
    }

    /// The same for somebody of the directory: a contact has one key per family.
    fn keys_of(&self, id: PersonId, person: &Person) -> Vec<Known> {
        match person.role {
            Role::Pupil => vec![(None, pupil_key(person))],
            Role::Staff | Role::Governor => vec![(None, full_fold(&person.name))],
            Role::Contact => {
                let key = family_key(&person.name, contact_points_of(person).next());
                let families = self.families.get(&id).into_iter().flatten();
                families.map(|pupil| (Some(*pupil), key.clone())).collect()
            }
        }
    }

    /// Whoever is still nobody, among whoever is still not named.
    fn propose(&mut self, role: Role) {
        let strangers: Vec<_> = self.roll.of(role).filter(|(at, _)| self.who.is[*at].is_none()).collect();
        if !self.for_a_part {
            return self.propose_among(role, strangers, &BTreeSet::new());
        }
        // Whoever a part of the school does not name has the id they had: under another one of the same numbering they are somebody else.
        let (numbered, others): (Vec<_>, Vec<_>) =
            strangers.into_iter().partition(|(_, entry)| !entry.value.source_ids.is_empty());
        let numberings = numbered.iter().flat_map(|(_, entry)| &entry.value.source_ids);
        let numberings: BTreeSet<_> = numberings.map(|id| id.source.as_str()).collect();
        self.propose_among(role, numbered, &numberings);
        self.propose_among(role, others, &BTreeSet::new());
    }

    /// As [`Self::propose`], not among those who still have an id in one of these numberings.
    fn propose_among(
        &mut self,
        role: Role,
        strangers: Vec<(usize, &'r Entry<Arc<Person>>)>,
        numberings: &BTreeSet<&str>,
    ) {
        let gone: BTreeSet<_> = self
            .roll
            .gone
            .iter()
            .filter(|gone| gone.role == role)
            .map(|gone| (gone.source, &*gone.id))
            .collect();
        let is_kept = |person: &Person| {
            let mut ids = person.source_ids.iter().map(|id| (id.source.as_str(), id.id.as_str()));
            person.missing_since.is_none()
                && ids.clone().any(|(source, _)| numberings.contains(source))
                && !ids.any(|id| gone.contains(&id))
        };
        let free = |id: &PersonId, person: &Person| {
            !self.claims.contains(id)
                && !self.who.undecided.contains(id)
                && !self.rejected.contains(id)
                && !is_kept(person)
        };
        let known: Vec<_> = self
            .directory
            .visible_people()
            .filter(|(id, person)| person.role == role && free(id, person))
            .collect();
        let pairs: Vec<_> = if role == Role::Contact {
            self.contacts_of_known_pupils(&strangers, &known)
        } else {
            let left: Vec<_> = strangers.iter().map(|(_, entry)| &*entry.value).collect();
            let right: Vec<_> = known.iter().map(|(_, person)| *person).collect();
            let alike = if role == Role::Pupil { likeness::pupils } else { likeness::colleagues };
            alike(&left, &right).into_iter().map(|pair| (pair.left, pair.right)).collect()
        };
        let mut proposed: BTreeMap<usize, PersonId> =
            pairs.into_iter().map(|(left, right)| (left, known[right].0)).collect();
        for (index, (at, entry)) in strangers.into_iter().enumerate() {
            let Some(person) = proposed.remove(&index) else {
                self.settle(at, Is::New);
                continue;
            };
            self.who.proposals.push(Proposal { row: entry.row, role, person_id: person });
            self.who.findings.push(Finding::at(entry.row, "", Code::SamePersonProposed));
            self.settle(at, Is::Proposed(person));
        }
    }

    /// A contact is only looked for in the families they stand in.
    fn contacts_of_known_pupils(
        &self,
        strangers: &[(usize, &'r Entry<Arc<Person>>)],
        known: &[(PersonId, &Person)],
    ) -> Vec<(usize, usize)> {
        if strangers.is_empty() || known.is_empty() {
            return Vec::new();
        }
        let left: HashMap<_, _> = strangers.iter().enumerate().map(|(index, (at, _))| (*at, index)).collect();
        let right: HashMap<_, _> = known.iter().enumerate().map(|(index, (id, _))| (*id, index)).collect();
        let mut families: BTreeMap<PersonId, Vec<(usize, Relationship)>> = BTreeMap::new();
        for ((pupil, contact), entry) in self.roll.links.iter() {
            if let (Some(pupil), Some(index)) = (self.who.person(pupil), left.get(&contact)) {
                families.entry(pupil).or_default().push((*index, entry.value.relationship));
            }
        }
        let mut pairs = BTreeSet::new();
        for (pupil, named) in families {
            let there: Vec<_> = self
                .directory
                .links_of(pupil)
                .filter_map(|(contact, link)| Some((*right.get(&contact)?, link.relationship)))
                .collect();
            let new: Vec<_> = named.iter().map(|(index, is)| (&*strangers[*index].1.value, *is)).collect();
            let old: Vec<_> = there.iter().map(|(index, is)| (known[*index].1, *is)).collect();
            let alike = likeness::contacts(&new, &old);
            pairs.extend(alike.into_iter().map(|pair| (named[pair.left].0, there[pair.right].0)));
        }
        // Whoever would be two people in two families is neither.
        let mut times = [HashMap::new(), HashMap::new()];
        for (left, right) in &pairs {
            *times[0].entry(*left).or_insert(0) += 1;
            *times[1].entry(*right).or_insert(0) += 1;
        }
        pairs.into_iter().filter(|(left, right)| times[0][left] == 1 && times[1][right] == 1).collect()
    }
}

/// Who has which id, in the order of the ids.
type Index<'d> = [(&'d SourceId, PersonId)];

fn index(directory: &Directory, role: Role) -> Vec<(&SourceId, PersonId)> {
    let people = directory.visible_people().filter(|(_, person)| person.role == role);
    let mut index: Vec<_> =
        people.flat_map(|(id, person)| person.source_ids.iter().map(move |known| (known, id))).collect();
    index.sort_unstable();
    index
}

fn holders<'i, 'd>(index: &'i Index<'d>, id: &SourceId) -> &'i Index<'d> {
    let from = index.partition_point(|(known, _)| *known < id);
    let to = index.partition_point(|(known, _)| *known <= id);
    &index[from..to]
}

/// A family (contacts only) and what somebody is known by in it.
type Known = (Option<PersonId>, String);

/// Whether two names are both there and not the same.
pub(super) fn differ(one: &str, other: &str) -> bool {
    if one == other {
        return false;
    }
    let (one, other) = (fold(one), fold(other));
    !one.is_empty() && !other.is_empty() && one != other
}

/// Whether one id stands for two people: the whole name differs, and so does the date of birth as far as it is known; or
/// one part of the name and the date. One of them alone is a correction. Parents mostly have no date of birth and one family name:
/// of them, who has another forename and is reached in no way as before is another.
pub(super) fn is_somebody_else(before: &Person, after: &Person) -> bool {
    let given = differ(before.name.given(), after.name.given());
    let family = differ(before.name.family(), after.name.family());
    match (before.date_of_birth, after.date_of_birth) {
        (Some(one), Some(other)) if one == other => false,
        (Some(_), Some(_)) => given || family,
        _ => given && (family || before.role == Role::Contact && is_another_forename(before, after)),
    }
}

/// Whether two people of one family name are two by their forenames, of which neither is a form of the other, and by all that they are
/// reached by.
fn is_another_forename(before: &Person, after: &Person) -> bool {
    let (one, other) = (fold(before.name.given()), fold(after.name.given()));
    let is_short = one.starts_with(&*other) || other.starts_with(&*one) || nickname::are_one(&one, &other);
    let is_reached = |person: &Person| contact_points_of(person).next().is_some();
    let is_reached_alike =
        contact_points_of(before).any(|point| contact_points_of(after).any(|other| point == other));
    !is_short && is_reached(before) && is_reached(after) && !is_reached_alike
}
