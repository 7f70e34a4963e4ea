//! What can only be said of a roll once every row is in.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    mem,
    sync::Arc,
};

use foldhash::fast::RandomState;

use super::{
    finding::{Code, Finding},
    index::Index,
    likeness,
    roll::{Entry, Identity, Key, Referred, Roll, contact_points_of, full_fold},
    store::Scope,
};
use crate::person::{Person, Role, phone::PhoneKind};

impl Roll {
    /// What can only be said once every row is in.
    pub(super) fn close(&mut self) {
        self.index = Index::default();
        self.disputed.clear();
        let joined = self.join_duplicates();
        self.arrange(&joined);
        for entry in &mut self.people {
            if entry.value.phones.len() > 1 || entry.value.groups.len() > 1 {
                // The order of merging: mobiles first, so that the same file read again is the same.
                let person = Arc::make_mut(&mut entry.value);
                person.phones.sort_by_key(|phone| phone.kind() != PhoneKind::Mobile);
                person.groups.sort();
            }
        }
        self.shared_contact_points();
        for finding in self.without_contact() {
            self.note(finding);
        }
        self.findings.sort_by(|a, b| (a.row, &a.column, &a.code).cmp(&(b.row, &b.column, &b.code)));
    }

    /// As far as role, kind and the first letters tell two apart, which is nearly always, and the place itself in the last four
    /// bytes: one number, because numbers are what is sorted fastest. Whom the file only refers to comes last but for those who were
    /// joined with others.
    fn ranks(&self, joined: &BTreeMap<usize, usize>) -> Vec<u128> {
        let rank = |(at, (entry, key)): (usize, (&Entry<Arc<Person>>, &Key))| {
            let (kind, text) = match key.of(&entry.value) {
                Identity::Id(id) => (0, id.id.as_str()),
                Identity::Likeness(text) => (1, text),
                Identity::InFamily(..) => (2, ""),
            };
            let mut rank = [0; 16];
            rank[0] = (entry.value.role as u8) << 2 | kind;
            if self.referred.contains_key(&at) {
                rank[0] |= 1 << 6;
            }
            if joined.contains_key(&at) {
                rank[0] |= 1 << 7;
            }
            let beginning = &text.as_bytes()[..text.len().min(11)];
            rank[1..=beginning.len()].copy_from_slice(beginning);
            // A file has far fewer people than 2^32.
            u128::from_be_bytes(rank) | u128::from(u32::try_from(at).unwrap_or(u32::MAX))
        };
        let mut ranks = Vec::with_capacity(self.people.len());
        ranks.extend(self.people.iter().zip(&self.keys).enumerate().map(rank));
        ranks
    }

    /// By role and identity; a contact without id by the pupil's, and not by where the pupil happens to stand.
    fn compare(&self, one: usize, other: usize) -> Ordering {
        match (self.identity(one), self.identity(other)) {
            (Identity::InFamily(pupil, key), Identity::InFamily(another, other)) => {
                self.compare(pupil, another).then_with(|| key.cmp(other))
            }
            (key, another) => {
                (self.people[one].value.role, key).cmp(&(self.people[other].value.role, another))
            }
        }
    }

    /// Everybody's place, in an order that is not the file's: rows that were sorted in another way plan the same. Last are those who were
    /// joined with others.
    fn in_order(&self, joined: &BTreeMap<usize, usize>) -> Vec<u32> {
        let at = |rank: &u128| (rank & u128::from(u32::MAX)) as usize;
        let mut ranks = self.ranks(joined);
        ranks.sort_unstable();
        let alike = ranks.chunk_by_mut(|one, other| *one >> 32 == *other >> 32);
        for alike in alike.filter(|alike| alike.len() > 1) {
            alike.sort_unstable_by(|one, other| self.compare(at(one), at(other)));
        }
        let mut places = vec![0; ranks.len()];
        (0..).zip(&ranks).for_each(|(place, rank)| places[at(rank)] = place);
        places
    }

    /// Brings people and ties into order, without those who were joined with others.
    fn arrange(&mut self, joined: &BTreeMap<usize, usize>) {
        let places = self.in_order(joined);
        let place = |at: usize| places[at] as usize;
        let moved = |key: &mut Key| {
            if let Key::InFamily(pupil, _) = key {
                *pupil = place(*pupil);
            }
        };
        self.keys.iter_mut().for_each(moved);
        bring_to(places.clone(), |one, other| {
            self.keys.swap(one, other);
            self.people.swap(one, other);
        });
        self.people.truncate(places.len() - joined.len());
        // Whom the file only refers to stands behind everybody else.
        let referred = mem::take(&mut self.referred).into_iter();
        let referred: BTreeMap<_, _> = referred.map(|(at, finding)| (place(at), finding)).collect();
        let behind = self.people.drain(self.people.len() - referred.len()..);
        for (Entry { value, .. }, finding) in behind.zip(referred.into_values()) {
            let id = value.source_ids.first().cloned();
            self.absent.extend(id.map(|id| Referred { role: value.role, id, finding }));
        }
        self.keys.truncate(self.people.len());
        self.links.arrange(&places);
        let no_emergency = mem::take(&mut self.no_emergency).into_iter();
        self.no_emergency = no_emergency.map(|(pupil, contact)| (place(pupil), place(contact))).collect();
        let mut aliases = mem::take(&mut self.aliases);
        aliases.values_mut().flatten().for_each(moved);
        self.aliases = aliases.into_iter().map(|(at, keys)| (place(at), keys)).collect();
    }

    /// Systems that keep a contact per pupil, without ids, name one parent once per child. They are joined where the whole name
    /// is one when folded and an e-mail address or number is (case 11), unless title or relationship say that they are two, as of
    /// father and son (case 12). The office parts them by hand. Tells who was joined with whom.
    fn join_duplicates(&mut self) -> BTreeMap<usize, usize> {
        let mut unnumbered: Vec<usize> = (0..self.people.len())
            .filter(|at| {
                let name = &self.people[*at].value.name;
                matches!(self.keys[*at], Key::InFamily(..))
                    && !name.given().is_empty()
                    && !name.family().is_empty()
            })
            .collect();
        unnumbered.sort_unstable_by(|one, other| self.compare(*one, *other));
        let mut holders: HashMap<(String, &str), usize> = HashMap::new();
        let mut joined: BTreeMap<usize, usize> = BTreeMap::new();
        for at in unnumbered {
            let person = &self.people[at].value;
            let name = full_fold(&person.name);
            for point in contact_points_of(person) {
                let first = *holders.entry((name.clone(), point)).or_insert(at);
                let first = joined.get(&first).copied().unwrap_or(first);
                if first != at && !joined.contains_key(&at) && self.may_be_one(first, at) {
                    joined.insert(at, first);
                }
            }
        }
        // In the order in which they were found, which is the order of the kept one's contact points.
        let mut pairs: Vec<_> = joined.iter().map(|(from, to)| (*from, *to)).collect();
        pairs.sort_unstable_by(|one, other| self.compare(one.0, other.0));
        for (from, to) in pairs {
            let other = Arc::clone(&self.people[from].value);
            Arc::make_mut(&mut self.people[to].value).add_contact_points(&other);
            let key = mem::replace(&mut self.keys[from], Key::Id);
            if let Key::InFamily(pupil, _) = key {
                self.links.join(pupil, from, to);
                if self.no_emergency.remove(&(pupil, from)) {
                    self.no_emergency.insert((pupil, to));
                }
            }
            self.aliases.entry(to).or_default().push(key);
        }
        joined
    }

    /// Whether title and relationship let two contacts without ids, of different pupils, be one person.
    fn may_be_one(&self, one: usize, other: usize) -> bool {
        let tie = |at: usize| match self.keys[at] {
            Key::InFamily(pupil, _) => self.links.get((pupil, at)),
            Key::Id | Key::Likeness(_) => None,
        };
        !likeness::titles_contradict(&self.people[one].value, &self.people[other].value)
            && !tie(one).zip(tie(other)).is_some_and(|(one, other)| {
                likeness::contradict(one.value.relationship, other.value.relationship)
            })
    }

    /// Pupils with very many contacts, and pupils for whom the file has contacts, and none who can be
    /// reached (case 39). A file without contacts says nothing.
    fn without_contact(&self) -> Vec<Finding> {
        /// More contacts than this on one pupil are worth a look: rostering services hold a file from six guardians on.
        const MANY: usize = 6;
        let mut found = Vec::new();
        if self.links.is_empty() || self.scope == Scope::Partial {
            return found;
        }
        let is_reached = |entry: &Entry<Arc<Person>>| contact_points_of(&entry.value).next().is_some();
        // Pupils and ties are in one order.
        let mut ties = self.links.iter().peekable();
        for (at, entry) in self.of(Role::Pupil) {
            let (mut all, mut reached) = (0, 0);
            while let Some(((_, contact), _)) = ties.next_if(|((pupil, _), _)| *pupil == at) {
                all += 1;
                reached += usize::from(self.people.get(contact).is_some_and(is_reached));
            }
            if reached == 0 {
                found.push(Finding::at(entry.row, "", Code::NoContact));
            }
            if all > MANY {
                found.push(Finding::at(entry.row, "", Code::ManyContacts));
            }
        }
        found
    }

    /// An address or number that stands on so many contacts that it is nobody's own: the office's, say (case 44).
    fn shared_contact_points(&mut self) {
        /// Two parents, four grandparents and a childminder may share one; more is a filler.
        const TOO_MANY: u32 = 8;
        let mut holders: HashMap<&str, (u32, u32), RandomState> = HashMap::default();
        holders.reserve(self.people.len());
        for (_, entry) in self.of(Role::Contact) {
            for point in contact_points_of(&entry.value) {
                let (count, row) = holders.entry(point).or_insert((0, entry.row));
                *count += 1;
                *row = (*row).min(entry.row);
            }
        }
        let mut rows: Vec<_> =
            holders.values().filter(|(count, _)| *count > TOO_MANY).map(|(_, row)| *row).collect();
        rows.sort_unstable();
        self.findings.extend(rows.into_iter().map(|row| Finding::at(row, "", Code::SharedContactPoint)));
    }
}

/// Brings everything to its place by swapping two things at a time: each of the permutation's circles is gone round once.
pub(super) fn bring_to(mut places: Vec<u32>, mut swap: impl FnMut(usize, usize)) {
    for at in 0..places.len() {
        while let to = places[at] as usize
            && to != at
        {
            swap(at, to);
            places.swap(at, to);
        }
    }
}
