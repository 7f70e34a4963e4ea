//! What can only be said of a roll once every row is in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    finding::{Code, Finding},
    likeness,
    roll::{Identity, Roll, full_fold},
    store::Scope,
};
use crate::person::{
    Role,
    email::EmailAddress,
    phone::{PhoneKind, PhoneNumber},
};

impl Roll {
    /// What can only be said once every row is in.
    pub(super) fn close(&mut self) {
        self.join_duplicates();
        for entry in self.people.values_mut() {
            // The order of merging: mobiles first, so that the same file read again is the same.
            let person = Arc::make_mut(&mut entry.value);
            person.phones.sort_by_key(|phone| phone.kind() != PhoneKind::Mobile);
            person.groups.sort();
        }
        self.shared_contact_points();
        self.without_contact();
        self.findings.sort_by(|a, b| (a.row, &a.column, &a.code).cmp(&(b.row, &b.column, &b.code)));
    }

    /// Systems that keep a contact per pupil, without ids, name one parent once per child. They are joined where the whole name
    /// is one when folded and an e-mail address or number is (case 11), unless title or relationship say that they are two, as of
    /// father and son (case 12). The office parts them by hand.
    fn join_duplicates(&mut self) {
        let mut holders: BTreeMap<(String, String), Identity> = BTreeMap::new();
        let mut joined: BTreeMap<Identity, Identity> = BTreeMap::new();
        for (identity, entry) in self.of(Role::Contact) {
            let person = &entry.value;
            if !matches!(identity, Identity::InFamily(..))
                || person.name.given().is_empty()
                || person.name.family().is_empty()
            {
                continue;
            }
            let points = person
                .emails
                .iter()
                .map(EmailAddress::expose)
                .chain(person.phones.iter().map(PhoneNumber::expose));
            for point in points {
                let first = holders
                    .entry((full_fold(&person.name), point.to_owned()))
                    .or_insert_with(|| identity.clone());
                let first = joined.get(first).unwrap_or(first);
                if first != identity && !joined.contains_key(identity) && self.may_be_one(first, identity) {
                    joined.insert(identity.clone(), first.clone());
                }
            }
        }
        for (from, to) in joined {
            let Some(entry) = self.people.remove(&(Role::Contact, from.clone())) else { continue };
            if let Some(kept) = self.people.get_mut(&(Role::Contact, to.clone())) {
                Arc::make_mut(&mut kept.value).add_contact_points(&entry.value);
            }
            self.aliases.entry(to.clone()).or_default().push(from.clone());
            let Identity::InFamily(pupil, _) = &from else { continue };
            if let Some(link) = self.links.remove(&((**pupil).clone(), from.clone())) {
                self.links.insert(((**pupil).clone(), to), link);
            }
        }
    }

    /// Whether title and relationship let two contacts without ids, of different pupils, be one person.
    fn may_be_one(&self, one: &Identity, other: &Identity) -> bool {
        let contact = |of: &Identity| self.people.get(&(Role::Contact, of.clone())).map(|entry| &entry.value);
        let tie = |of: &Identity| match of {
            Identity::InFamily(pupil, _) => self.links.get(&((**pupil).clone(), of.clone())),
            Identity::Id(_) | Identity::Likeness(_) => None,
        };
        !contact(one).zip(contact(other)).is_some_and(|(one, other)| likeness::titles_contradict(one, other))
            && !tie(one).zip(tie(other)).is_some_and(|(one, other)| {
                likeness::contradict(one.value.relationship, other.value.relationship)
            })
    }

    /// Pupils with very many contacts, and pupils for whom the file has contacts, and none who can be
    /// reached (case 39). A file without contacts says nothing.
    fn without_contact(&mut self) {
        /// More contacts than this on one pupil are worth a look: rostering services hold a file from six guardians on.
        const MANY: usize = 6;
        if self.links.is_empty() || self.scope == Scope::Partial {
            return;
        }
        let mut reached: BTreeSet<&Identity> = BTreeSet::new();
        let mut contacts: BTreeMap<&Identity, usize> = BTreeMap::new();
        for (pupil, contact) in self.links.keys() {
            *contacts.entry(pupil).or_default() += 1;
            let contact = self.people.get(&(Role::Contact, contact.clone()));
            if contact.is_some_and(|entry| !entry.value.emails.is_empty() || !entry.value.phones.is_empty()) {
                reached.insert(pupil);
            }
        }
        let mut found = Vec::new();
        for (identity, entry) in self.of(Role::Pupil) {
            if !reached.contains(identity) {
                found.push(Finding::at(entry.row, "", Code::NoContact));
            }
            if contacts.get(identity).is_some_and(|count| *count > MANY) {
                found.push(Finding::at(entry.row, "", Code::ManyContacts));
            }
        }
        for finding in found {
            self.note(finding);
        }
    }

    /// An address or number that stands on so many contacts that it is nobody's own: the office's, say (case 44).
    fn shared_contact_points(&mut self) {
        /// Two parents, four grandparents and a childminder may share one; more is a filler.
        const TOO_MANY: usize = 8;
        let mut holders: BTreeMap<&str, (usize, u32)> = BTreeMap::new();
        for (_, entry) in self.of(Role::Contact) {
            let person = &entry.value;
            let points = person
                .emails
                .iter()
                .map(EmailAddress::expose)
                .chain(person.phones.iter().map(PhoneNumber::expose));
            for point in points {
                let (count, row) = holders.entry(point).or_insert((0, entry.row));
                *count += 1;
                *row = (*row).min(entry.row);
            }
        }
        let rows: Vec<_> =
            holders.values().filter(|(count, _)| *count > TOO_MANY).map(|(_, row)| *row).collect();
        self.findings.extend(rows.into_iter().map(|row| Finding::at(row, "", Code::SharedContactPoint)));
    }
}
