//! Whom the school keeps twice: said, never decided.

use std::collections::HashMap;

use super::{
    finding::{Code, Finding},
    likeness::{self, Tied},
    plan::{Change, Planner},
};
use crate::{
    id::PersonId,
    person::{Person, Role},
};

impl Planner<'_> {
    /// Contacts whom the school keeps twice, as far as this file brings one of them or changes them (case 10): the office joins
    /// them, or not. Until then, one message goes to what they have in common.
    pub(super) fn merges(&mut self) {
        let changed: HashMap<PersonId, &Person> = self
            .plan
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Person(id, person) if person.role == Role::Contact => Some((*id, &**person)),
                _ => None,
            })
            .collect();
        if changed.values().all(|person| person.missing_since.is_some()) {
            return;
        }
        let others = self.directory.visible_people().filter(|(id, person)| {
            person.role == Role::Contact && person.missing_since.is_none() && !changed.contains_key(id)
        });
        let contacts: Vec<_> = changed.iter().map(|(id, person)| (*id, *person)).chain(others).collect();
        let mut contacts = likeness::sharing_contact_points(contacts);
        contacts.sort_unstable_by_key(|(id, _)| *id);
        let place = |contact: PersonId| contacts.binary_search_by_key(&contact, |(id, _)| *id).ok();
        let mut twice: Vec<_> = contacts.iter().map(|(_, person)| Tied { person, to: Vec::new() }).collect();
        let named = self.roll.links.iter().filter_map(|((pupil, contact), entry)| {
            Some((self.of[pupil]?, self.of[contact]?, entry.value.relationship))
        });
        let known =
            self.directory.visible_links().map(|(pupil, contact, link)| (pupil, contact, link.relationship));
        for (pupil, contact, relationship) in named.chain(known) {
            if let Some(place) = place(contact) {
                twice[place].to.push((pupil, relationship));
            }
        }
        let mut rows: HashMap<PersonId, Option<u32>> = HashMap::new();
        let pairs = likeness::merges(&twice).into_iter().map(|pair| [pair.left, pair.right]);
        let pairs: Vec<_> = pairs.map(|pair| pair.map(|index| contacts[index].0)).collect();
        let is_written = |id: &PersonId| changed.get(id).is_some_and(|person| person.missing_since.is_none());
        rows.extend(pairs.iter().flatten().filter(|id| is_written(id)).map(|id| (*id, None)));
        for (at, entry) in self.roll.of(Role::Contact) {
            if let Some(row) = self.of[at].and_then(|id| rows.get_mut(&id)) {
                *row = Some(entry.row);
            }
        }
        for pair in pairs {
            if let Some(row) = pair.iter().filter_map(|id| *rows.get(id)?).max() {
                self.plan.findings.push(Finding::at(row, "", Code::MergeProposed));
            }
        }
    }
}
